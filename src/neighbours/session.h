/*
 * session.h
 *		What a person did in one go: the unit that neighbours are made of.
 */
#ifndef PERSONALIZE_SESSION_H
#define PERSONALIZE_SESSION_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "events/event.h"
#include "executor/tuptable.h"
#include "people/consent.h"
#include "storage/itemptr.h"

/* Columns of session. */
typedef enum SessionColumn
{
	SESSION_USER_KEY = 1,
	SESSION_SESSION_KEY,
	SESSION_ENDED,
	SESSION_SECOND_AT,
	SESSION_EVENTS,
	SESSION_CONSENT,
	SESSION_GIVEN,
	SESSION_ITEMS
} SessionColumn;
#define SESSION_COLUMN_COUNT 8

/* A session keeps its first so many items; what a robot visits after them is counted only. */
#define SESSION_MAX_ITEMS 64

/* And of its first so many clicks, which are of these items, those that come back to one. */
#define SESSION_MAX_CLICKS SESSION_MAX_ITEMS

/* Sessions with fewer events say nothing about what goes together. */
#define SESSION_MIN_EVENTS 2

/*
 * When a session first came to an item.  Ties of ts are broken by txid and place, which tell
 * one event of a person from another; where there are too many for that, by item.
 */
typedef struct SessionItem
{
	int64		itemKey;
	TimestampTz ts;
	int64		txid;
	uint32		place;			/* of the event: its sequence, then its ordinal */
} SessionItem;

/* True if a is earlier than b. */
static inline bool
SessionIsEarlier(const SessionItem *a, const SessionItem *b)
{
	if (a->ts != b->ts)
		return a->ts < b->ts;
	if (a->txid != b->txid)
		return a->txid < b->txid;
	if (a->place != b->place)
		return a->place < b->place;
	return a->itemKey < b->itemKey;
}

/*
 * A session.  Its items are a set: per item the first event, and of these the
 * first SESSION_MAX_ITEMS.  Both are minima, and so is the second smallest time,
 * and the first SESSION_MAX_CLICKS events, of which those are kept besides that are
 * not an item's first; so sessions can be built from events and merged in any order
 * with the same result; and what one was at an earlier time can be told from what
 * it is now.
 */
typedef struct Session
{
	int64		userKey;
	bool		given;			/* sessionKey is the application's */
	int64		sessionKey;		/* else the first event's ts */
	TimestampTz ended;
	TimestampTz secondAt;		/* of its second event; DT_NOEND: there is none */
	int32		events;
	int32		consent;		/* purposes that all events allow */
	ItemPointerData tid;		/* of its row */
	int			itemCount;
	SessionItem items[SESSION_MAX_ITEMS];	/* oldest first */
	int			repeatCount;
	SessionItem repeats[SESSION_MAX_CLICKS];	/* clicks on items it had been to, oldest first */
} Session;

/* An event that counts, and the session it belongs to. */
typedef struct SessionEvent
{
	int64		userKey;
	bool		given;
	int64		sessionKey;		/* 0 if not given */
	int32		consent;
	SessionItem item;
} SessionEvent;

/* Take what matters from a raw event. */
extern void SessionEventFill(SessionEvent *event, const EventRow *row);

/* Sort them by user, given and sessionKey, then in the order of a session. */
extern void SessionEventSort(SessionEvent *events, size_t count);

/* Begin a session without events. */
extern void SessionInit(Session *session, int64 userKey, bool given, int64 sessionKey);

/* Add one event, or all of another session. */
extern void SessionAdd(Session *session, const SessionItem *item, int32 consent);
extern void SessionMerge(Session *session, const Session *other);

/* The items of its first clicks, oldest first, room for SESSION_MAX_CLICKS; returns how many. */
extern int	SessionClicks(const Session *session, int64 *items);

/* The number under which postings know it. */
extern int64 SessionNumber(const Session *session);

/* Does it have postings?  One whose use is restricted has none. */
static inline bool
SessionIsIndexed(const Session *session)
{
	return session->events >= SESSION_MIN_EVENTS && session->itemCount > 0 &&
		(session->consent & PURPOSE_RECOMMENDATIONS) != 0;
}

/* Was it indexed then, by the columns alone; and what it was: its items up to then. */
extern bool SessionRowWasIndexed(TupleTableSlot *slot, TimestampTz asOf);
extern void SessionCut(Session *session, TimestampTz asOf);

/* To and from the columns of its row. */
extern void SessionFormRow(const Session *session, Datum *values, bool *nulls);
extern void SessionReadRow(TupleTableSlot *slot, Session *session);
extern void SessionUnpackItems(const bytea *packed, Session *session);

/* The same, but if it is damaged, false and a warning that says what becomes of it. */
extern bool SessionTryReadRow(TupleTableSlot *slot, Session *session, const char *remedy);

/* True if a row's session may have one of these items; quicker to ask than to read it. */
extern bool SessionRowHasAny(TupleTableSlot *slot, const KeySet *items);

/* Only its key and end, which is all that is needed to pass it by. */
extern void SessionReadTimes(TupleTableSlot *slot, int64 *sessionKey, TimestampTz *ended);

#endif

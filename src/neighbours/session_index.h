/*
 * session_index.h
 *		Sessions and their postings, changed together.
 */
#ifndef PERSONALIZE_SESSION_INDEX_H
#define PERSONALIZE_SESSION_INDEX_H

#include "postgres.h"

#include "base/key_set.h"
#include "base/keyed.h"
#include "neighbours/session.h"
#include "neighbours/session_total.h"

/* What is being changed; one at a time per transaction. */
typedef struct SessionIndex
{
	Snapshot	snapshot;		/* the active one when it was opened */
	KeyedTable *sessions;
	struct SessionIndexChanges *changes;
} SessionIndex;

/*
 * Open for writing: waits for other writers, then reads and writes under a
 * fresh snapshot, which stays active until SessionIndexEnd.
 */
extern SessionIndex *SessionIndexBegin(void);

/*
 * Put newSession (NULL: nothing) into the place of stored sessions.  Session
 * rows are written at once, postings by SessionIndexEnd, in the order of items.
 */
extern void SessionIndexReplace(SessionIndex *index, const Session *old, int oldCount,
								const Session *newSession);

/*
 * People's events change hands: between the two, sessions are taken out and made anew, and
 * postings are changed by what is different afterwards.  In one subtransaction.
 */
extern void SessionIndexMoveBegin(void);
extern void SessionIndexMoveEnd(void);

/* What happened to lists that others are in, too. */
typedef struct SessionIndexLosses
{
	int64		refilled;		/* items whose list was made anew from the sessions there are */
	int64		missing;		/* entries that should be in these, but for sessions that are gone */
} SessionIndexLosses;

/* Write the postings and close. */
extern SessionIndexLosses SessionIndexEnd(SessionIndex *index);

/*
 * To be called before SessionIndexEnd, which then makes the lists of these items anew from the
 * sessions there are; the totals become those of a sum, whatever else was changed.
 */
extern void SessionIndexRemake(SessionIndex *index, const KeySet *items, SessionSum *sum, TimestampTz newest);

#endif

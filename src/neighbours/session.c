/*
 * session.c
 *		What a person did in one go: the unit that neighbours are made of.
 *
 * The row of a session holds all that is needed to change it later: a late
 * event, or one that joins two sessions, is merged into it without reading raw
 * events, which may be gone by then.
 */
#include "postgres.h"

#include "neighbours/session.h"

#include "base/bytes.h"
#include "base/key.h"
#include "base/stored_row.h"
#include "compat.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* session.items: this byte, then per item, newest first, four little-endian numbers. */
#define SESSION_VERSION 1
#define PACKED_ITEM 26			/* item 8, ts 8, txid 8, ordinal 2 */

/* Take what matters from a raw event. */
void
SessionEventFill(SessionEvent *event, const EventRow *row, int64 number)
{
	event->userKey = row->userKey;
	event->given = row->hasSession;
	event->sessionKey = row->hasSession ? row->sessionKey : 0;
	event->consent = row->consent;
	event->number = number;
	event->item.itemKey = row->itemKey;
	event->item.ts = row->ts;
	event->item.txid = row->txid;
	event->item.ordinal = row->ordinal;
}

#define COMPARE(a, b) if ((a) != (b)) return (a) < (b) ? -1 : 1

/* Order events by session, then as they are in it. */
int
SessionEventCompare(const void *a, const void *b)
{
	const SessionEvent *left = a;
	const SessionEvent *right = b;

	COMPARE(left->userKey, right->userKey);
	COMPARE(left->given, right->given);
	COMPARE(left->sessionKey, right->sessionKey);
	COMPARE(left->item.ts, right->item.ts);
	COMPARE(left->item.txid, right->item.txid);
	COMPARE(left->item.ordinal, right->item.ordinal);
	COMPARE(left->number, right->number);
	return 0;
}

/* Begin a session without events. */
void
SessionInit(Session *session, int64 userKey, bool given, int64 sessionKey)
{
	session->userKey = userKey;
	session->given = given;
	session->sessionKey = given ? sessionKey : DT_NOEND;
	session->ended = DT_NOBEGIN;
	session->secondAt = DT_NOEND;
	session->events = 0;
	session->consent = -1;
	ItemPointerSetInvalid(&session->tid);
	session->itemCount = 0;
}

/* True if a is earlier than b. */
static inline bool
IsEarlier(const SessionItem *a, const SessionItem *b)
{
	if (a->ts != b->ts)
		return a->ts < b->ts;
	if (a->txid != b->txid)
		return a->txid < b->txid;
	return a->ordinal < b->ordinal;
}

/* Keep the item's first event, if it is among those that are kept. */
static void
KeepItem(Session *session, const SessionItem *item)
{
	int			place;
	int			end = session->itemCount;

	for (int i = 0; i < session->itemCount; i++)
	{
		if (session->items[i].itemKey != item->itemKey)
			continue;
		if (!IsEarlier(item, &session->items[i]))
			return;
		end = i;
		break;
	}
	if (end == SESSION_MAX_ITEMS)
	{
		end = SESSION_MAX_ITEMS - 1;
		if (!IsEarlier(item, &session->items[end]))
			return;
	}

	/* what lies between the item's new place and its old one moves up */
	for (place = end; place > 0 && IsEarlier(item, &session->items[place - 1]); place--)
		session->items[place] = session->items[place - 1];
	session->items[place] = *item;
	if (end == session->itemCount)
		session->itemCount++;
}

/* The time of a session's first event: the first kept item's. */
static inline TimestampTz
FirstAt(const Session *session)
{
	return session->itemCount > 0 ? session->items[0].ts : DT_NOEND;
}

/* Take two more times of events in, the earlier one first. */
static inline void
KeepSecond(Session *session, TimestampTz first, TimestampTz second)
{
	session->secondAt = Min(Min(session->secondAt, second), Max(FirstAt(session), first));
}

/* Add one event. */
void
SessionAdd(Session *session, const SessionItem *item, int32 consent)
{
	KeepSecond(session, item->ts, DT_NOEND);
	KeepItem(session, item);
	session->ended = Max(session->ended, item->ts);
	session->events = Min(session->events, PG_INT32_MAX - 1) + 1;
	session->consent &= consent;
	if (!session->given)
		session->sessionKey = Min(session->sessionKey, item->ts);
}

/* Add all of another session. */
void
SessionMerge(Session *session, const Session *other)
{
	KeepSecond(session, FirstAt(other), other->secondAt);
	for (int i = 0; i < other->itemCount; i++)
		KeepItem(session, &other->items[i]);
	session->ended = Max(session->ended, other->ended);
	session->events = Min((int64) session->events + other->events, PG_INT32_MAX);
	session->consent &= other->consent;
	if (!session->given)
		session->sessionKey = Min(session->sessionKey, other->sessionKey);
}

/* The number under which postings know a session. */
int64
SessionNumber(const Session *session)
{
	uint8		identity[17];

	BytesPut(identity, (uint64) session->userKey, 8);
	identity[8] = session->given;
	BytesPut(identity + 9, (uint64) session->sessionKey, 8);
	return (int64) KeyHash(identity, sizeof(identity));
}

/* Was a row's session indexed then? */
bool
SessionRowWasIndexed(TupleTableSlot *slot, TimestampTz asOf)
{
	bool		isNull;

	return DatumGetTimestampTz(slot_getattr(slot, SESSION_SECOND_AT, &isNull)) <= asOf &&
		(DatumGetInt32(slot_getattr(slot, SESSION_CONSENT, &isNull)) & PURPOSE_RECOMMENDATIONS) != 0;
}

/* Leave out the items that it came to later. */
void
SessionCut(Session *session, TimestampTz asOf)
{
	while (session->itemCount > 0 && session->items[session->itemCount - 1].ts > asOf)
		session->itemCount--;
}

/* Fill the columns of its row. */
void
SessionFormRow(const Session *session, Datum *values)
{
	Size		length = VARHDRSZ + 1 + session->itemCount * PACKED_ITEM;
	bytea	   *packed = palloc(length);
	uint8	   *next = (uint8 *) VARDATA(packed);

	SET_VARSIZE(packed, length);
	*next++ = SESSION_VERSION;
	/* newest first: a growing row keeps its end, which the WAL then leaves out */
	for (int i = session->itemCount - 1; i >= 0; i--)
	{
		const SessionItem *item = &session->items[i];

		BytesPut(next, (uint64) item->itemKey, 8);
		BytesPut(next + 8, (uint64) item->ts, 8);
		BytesPut(next + 16, (uint64) item->txid, 8);
		BytesPut(next + 24, (uint16) item->ordinal, 2);
		next += PACKED_ITEM;
	}
	values[SESSION_USER_KEY - 1] = Int64GetDatum(session->userKey);
	values[SESSION_GIVEN - 1] = BoolGetDatum(session->given);
	values[SESSION_SESSION_KEY - 1] = Int64GetDatum(session->sessionKey);
	values[SESSION_ENDED - 1] = TimestampTzGetDatum(session->ended);
	values[SESSION_SECOND_AT - 1] = TimestampTzGetDatum(session->secondAt);
	values[SESSION_EVENTS - 1] = Int32GetDatum(session->events);
	values[SESSION_CONSENT - 1] = Int32GetDatum(session->consent);
	values[SESSION_ITEMS - 1] = PointerGetDatum(packed);
}

/* Check session.items, and tell how many items are in it. */
static int
CountPacked(const bytea *packed)
{
	const uint8 *data = (const uint8 *) VARDATA_ANY(packed);
	int			length = VARSIZE_ANY_EXHDR(packed);

	if (length < 1)
		StoredRowReportDamage(STORED_SESSION, "There are no bytes.");
	if (data[0] != SESSION_VERSION)
		StoredRowReportVersion(STORED_SESSION, data[0], SESSION_VERSION);
	if ((length - 1) / PACKED_ITEM > SESSION_MAX_ITEMS || (length - 1) % PACKED_ITEM != 0)
		StoredRowReportDamage(STORED_SESSION, "The items do not fill the bytes, or are too many.");
	return (length - 1) / PACKED_ITEM;
}

/* Complain unless items are such as a session has: each once, in order. */
static void
CheckItems(const Session *session)
{
	for (int i = 0; i < session->itemCount; i++)
	{
		const SessionItem *item = &session->items[i];

		if (!IS_VALID_TIMESTAMP(item->ts) || (i > 0 && IsEarlier(item, item - 1)))
			StoredRowReportDamage(STORED_SESSION, "The items are not newest first.");
		for (int j = 0; j < i; j++)
			if (session->items[j].itemKey == item->itemKey)
				StoredRowReportDamage(STORED_SESSION, "An item is there twice.");
	}
}

/* True if a row's session has one of these items, or if what it has cannot be told. */
bool
SessionRowHasAny(TupleTableSlot *slot, const KeySet *items)
{
	bytea	   *packed = StoredRowBytes(STORED_SESSION, slot, SESSION_ITEMS);
	const uint8 *next = (const uint8 *) VARDATA_ANY(packed) + 1;
	int			length = VARSIZE_ANY_EXHDR(packed) - 1;
	bool		found = length % PACKED_ITEM != 0;

	for (; length >= PACKED_ITEM && !found; length -= PACKED_ITEM, next += PACKED_ITEM)
		found = KeySetHas(items, (int64) BytesGet(next, 8));
	if ((Pointer) packed != DatumGetPointer(slot->tts_values[SESSION_ITEMS - 1]))
		pfree(packed);
	return found;
}

/* Unpack session.items. */
void
SessionUnpackItems(const bytea *packed, Session *session)
{
	const uint8 *next = (const uint8 *) VARDATA_ANY(packed) + 1;

	session->itemCount = CountPacked(packed);
	for (int i = session->itemCount - 1; i >= 0; i--)
	{
		SessionItem *item = &session->items[i];

		item->itemKey = (int64) BytesGet(next, 8);
		item->ts = (TimestampTz) BytesGet(next + 8, 8);
		item->txid = (int64) BytesGet(next + 16, 8);
		item->ordinal = (int16) BytesGet(next + 24, 2);
		next += PACKED_ITEM;
	}
	CheckItems(session);
}

/* Only a row's key and end. */
void
SessionReadTimes(TupleTableSlot *slot, int64 *sessionKey, TimestampTz *ended)
{
	bool		isNull;

	*sessionKey = DatumGetInt64(slot_getattr(slot, SESSION_SESSION_KEY, &isNull));
	*ended = DatumGetTimestampTz(slot_getattr(slot, SESSION_ENDED, &isNull));
}

/* The packed items of a session, and where they go. */
typedef struct SessionBytes
{
	const bytea *packed;
	Session    *session;
} SessionBytes;

/* Unpack them. */
static void
UnpackBytes(void *arg)
{
	SessionBytes *bytes = arg;

	SessionUnpackItems(bytes->packed, bytes->session);
}

/* Read a whole row; with a remedy, false after a warning if it is damaged. */
static bool
ReadRow(TupleTableSlot *slot, Session *session, const char *remedy)
{
	SessionBytes bytes = {.session = session};
	StoredRow	row;
	bool		whole = true;

	slot_getallattrs(slot);
	session->userKey = DatumGetInt64(slot->tts_values[SESSION_USER_KEY - 1]);
	session->given = DatumGetBool(slot->tts_values[SESSION_GIVEN - 1]);
	session->sessionKey = DatumGetInt64(slot->tts_values[SESSION_SESSION_KEY - 1]);
	session->ended = DatumGetTimestampTz(slot->tts_values[SESSION_ENDED - 1]);
	session->secondAt = DatumGetTimestampTz(slot->tts_values[SESSION_SECOND_AT - 1]);
	session->events = DatumGetInt32(slot->tts_values[SESSION_EVENTS - 1]);
	session->consent = DatumGetInt32(slot->tts_values[SESSION_CONSENT - 1]);
	session->tid = slot->tts_tid;
	StoredRowBegin(&row, STORED_SESSION,
				   (int64[]) {session->userKey, session->given, session->sessionKey});
	bytes.packed = StoredRowBytes(STORED_SESSION, slot, SESSION_ITEMS);
	if (remedy == NULL)
		UnpackBytes(&bytes);
	else
		whole = StoredRowTry(&row, UnpackBytes, &bytes, remedy);
	StoredRowEnd(&row);
	if ((Pointer) bytes.packed != DatumGetPointer(slot->tts_values[SESSION_ITEMS - 1]))
		pfree(unconstify(bytea *, bytes.packed));
	return whole;
}

/* Read a whole row. */
void
SessionReadRow(TupleTableSlot *slot, Session *session)
{
	(void) ReadRow(slot, session, NULL);
}

/* Read a whole row unless it is damaged. */
bool
SessionTryReadRow(TupleTableSlot *slot, Session *session, const char *remedy)
{
	return ReadRow(slot, session, remedy);
}

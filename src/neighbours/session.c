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

/*
 * session.items: this byte and the number of items, then per repeat, and after these
 * per item, newest first, little-endian numbers.
 */
#define SESSION_VERSION 2
#define PACKED_HEADER 2
#define PACKED_REPEAT 19		/* place of the item 1, ts 8, txid 8, ordinal 2 */
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
	session->repeatCount = 0;
}

/* Put an item into a list in order, which has room for it. */
static void
PutInOrder(SessionItem *list, int count, const SessionItem *item)
{
	int			place = count;

	for (; place > 0 && SessionIsEarlier(item, &list[place - 1]); place--)
		list[place] = list[place - 1];
	list[place] = *item;
}

/* Keep a click on an item that has an earlier one. */
static void
KeepRepeat(Session *session, const SessionItem *click)
{
	if (session->repeatCount == SESSION_MAX_CLICKS)
	{
		if (!SessionIsEarlier(click, &session->repeats[SESSION_MAX_CLICKS - 1]))
			return;
		session->repeatCount--;
	}
	PutInOrder(session->repeats, session->repeatCount++, click);
}

/* Leave the session's last item out, with the clicks on it. */
static void
DropLastItem(Session *session)
{
	int64		itemKey = session->items[--session->itemCount].itemKey;
	int			kept = 0;

	for (int i = 0; i < session->repeatCount; i++)
		if (session->repeats[i].itemKey != itemKey)
			session->repeats[kept++] = session->repeats[i];
	session->repeatCount = kept;
}

/* Leave out clicks that are not among the first. */
static void
TrimRepeats(Session *session)
{
	int			items = session->itemCount; /* earlier than the last repeat */

	while (session->repeatCount > 0)
	{
		const SessionItem *last = &session->repeats[session->repeatCount - 1];

		while (items > 0 && !SessionIsEarlier(&session->items[items - 1], last))
			items--;
		if (items + session->repeatCount <= SESSION_MAX_CLICKS)
			return;
		session->repeatCount--;
	}
}

/* Keep the item's first event, if it is among those that are kept, and otherwise the click. */
static void
KeepItem(Session *session, const SessionItem *item)
{
	for (int i = 0; i < session->itemCount; i++)
	{
		SessionItem known = session->items[i];

		if (known.itemKey != item->itemKey)
			continue;
		if (!SessionIsEarlier(item, &known))
			KeepRepeat(session, item);
		else
		{
			/* what lies between the item's new place and its old one moves up */
			PutInOrder(session->items, i, item);
			KeepRepeat(session, &known);
		}
		return;
	}
	if (session->itemCount == SESSION_MAX_ITEMS)
	{
		if (!SessionIsEarlier(item, &session->items[SESSION_MAX_ITEMS - 1]))
			return;
		DropLastItem(session);
	}
	PutInOrder(session->items, session->itemCount++, item);
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
	TrimRepeats(session);
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
	for (int i = 0; i < other->repeatCount; i++)
		KeepItem(session, &other->repeats[i]);
	TrimRepeats(session);
	session->ended = Max(session->ended, other->ended);
	session->events = Min((int64) session->events + other->events, PG_INT32_MAX);
	session->consent &= other->consent;
	if (!session->given)
		session->sessionKey = Min(session->sessionKey, other->sessionKey);
}

/* The items of a session's first clicks, oldest first. */
int
SessionClicks(const Session *session, int64 *items)
{
	int			next = 0;
	int			nextRepeat = 0;
	int			count = 0;

	while (count < SESSION_MAX_CLICKS)
	{
		bool		repeats = nextRepeat < session->repeatCount;

		if (next < session->itemCount &&
			!(repeats && SessionIsEarlier(&session->repeats[nextRepeat], &session->items[next])))
			items[count++] = session->items[next++].itemKey;
		else if (repeats)
			items[count++] = session->repeats[nextRepeat++].itemKey;
		else
			break;
	}
	return count;
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

/* Leave out what came later. */
void
SessionCut(Session *session, TimestampTz asOf)
{
	while (session->itemCount > 0 && session->items[session->itemCount - 1].ts > asOf)
		session->itemCount--;
	while (session->repeatCount > 0 && session->repeats[session->repeatCount - 1].ts > asOf)
		session->repeatCount--;
}

/* Place of an item in a session; it is there. */
static int
PlaceOf(const Session *session, int64 itemKey)
{
	int			place = 0;

	while (session->items[place].itemKey != itemKey)
		place++;
	return place;
}

/* Pack when something happened. */
static uint8 *
PackTime(const SessionItem *item, uint8 *next)
{
	BytesPut(next, (uint64) item->ts, 8);
	BytesPut(next + 8, (uint64) item->txid, 8);
	BytesPut(next + 16, (uint16) item->ordinal, 2);
	return next + 18;
}

/* Fill the columns of its row. */
void
SessionFormRow(const Session *session, Datum *values)
{
	Size		length = VARHDRSZ + PACKED_HEADER + session->repeatCount * PACKED_REPEAT +
		session->itemCount * PACKED_ITEM;
	bytea	   *packed = palloc(length);
	uint8	   *next = (uint8 *) VARDATA(packed);

	SET_VARSIZE(packed, length);
	*next++ = SESSION_VERSION;
	*next++ = session->itemCount;
	/* newest first: a growing row keeps its end, which the WAL then leaves out */
	for (int i = session->repeatCount - 1; i >= 0; i--)
	{
		*next++ = PlaceOf(session, session->repeats[i].itemKey);
		next = PackTime(&session->repeats[i], next);
	}
	for (int i = session->itemCount - 1; i >= 0; i--)
	{
		BytesPut(next, (uint64) session->items[i].itemKey, 8);
		next = PackTime(&session->items[i], next + 8);
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

/* The parts of session.items. */
typedef struct PackedSession
{
	int			itemCount;
	int			repeatCount;
	const uint8 *repeats;
	const uint8 *items;
} PackedSession;

/* Find the parts; false if they do not fill the bytes. */
static bool
FindParts(const bytea *packed, PackedSession *parts)
{
	const uint8 *data = (const uint8 *) VARDATA_ANY(packed);
	int			length = (int) VARSIZE_ANY_EXHDR(packed) - PACKED_HEADER;

	if (length < 0)
		return false;
	parts->itemCount = data[1];
	length -= parts->itemCount * PACKED_ITEM;
	parts->repeatCount = length / PACKED_REPEAT;
	parts->repeats = data + PACKED_HEADER;
	parts->items = parts->repeats + parts->repeatCount * PACKED_REPEAT;
	return length >= 0 && length % PACKED_REPEAT == 0;
}

/* Complain unless a list is in order and its times can be. */
static void
CheckOrder(const SessionItem *list, int count)
{
	for (int i = 0; i < count; i++)
		if (!IS_VALID_TIMESTAMP(list[i].ts) || (i > 0 && SessionIsEarlier(&list[i], &list[i - 1])))
			StoredRowReportDamage(STORED_SESSION, "The items are not newest first.");
}

/* Complain unless a session has each item once. */
static void
CheckItems(const Session *session)
{
	for (int i = 0; i < session->itemCount; i++)
		for (int j = 0; j < i; j++)
			if (session->items[j].itemKey == session->items[i].itemKey)
				StoredRowReportDamage(STORED_SESSION, "An item is there twice.");
}

/* True if a row's session has one of these items, or if what it has cannot be told. */
bool
SessionRowHasAny(TupleTableSlot *slot, const KeySet *items)
{
	bytea	   *packed = StoredRowBytes(STORED_SESSION, slot, SESSION_ITEMS);
	PackedSession parts;
	bool		found = !FindParts(packed, &parts);

	for (int i = 0; !found && i < parts.itemCount; i++)
		found = KeySetHas(items, (int64) BytesGet(parts.items + i * PACKED_ITEM, 8));
	if ((Pointer) packed != DatumGetPointer(slot->tts_values[SESSION_ITEMS - 1]))
		pfree(packed);
	return found;
}

/* Unpack when something happened. */
static void
UnpackTime(const uint8 *data, SessionItem *item)
{
	item->ts = (TimestampTz) BytesGet(data, 8);
	item->txid = (int64) BytesGet(data + 8, 8);
	item->ordinal = (int16) BytesGet(data + 16, 2);
}

/* Unpack session.items. */
void
SessionUnpackItems(const bytea *packed, Session *session)
{
	PackedSession parts;

	if (VARSIZE_ANY_EXHDR(packed) < 1)
		StoredRowReportDamage(STORED_SESSION, "There are no bytes.");
	if (*(const uint8 *) VARDATA_ANY(packed) != SESSION_VERSION)
		StoredRowReportVersion(STORED_SESSION, *(const uint8 *) VARDATA_ANY(packed), SESSION_VERSION);
	if (!FindParts(packed, &parts) || parts.itemCount > SESSION_MAX_ITEMS ||
		parts.repeatCount > SESSION_MAX_CLICKS)
		StoredRowReportDamage(STORED_SESSION, "The items do not fill the bytes, or are too many.");
	session->itemCount = parts.itemCount;
	session->repeatCount = parts.repeatCount;
	for (int i = 0; i < parts.itemCount; i++)
	{
		const uint8 *data = parts.items + (parts.itemCount - 1 - i) * PACKED_ITEM;

		session->items[i].itemKey = (int64) BytesGet(data, 8);
		UnpackTime(data + 8, &session->items[i]);
	}
	for (int i = 0; i < parts.repeatCount; i++)
	{
		const uint8 *data = parts.repeats + (parts.repeatCount - 1 - i) * PACKED_REPEAT;

		if (data[0] >= parts.itemCount)
			StoredRowReportDamage(STORED_SESSION, "A click is on an item that is not there.");
		session->repeats[i].itemKey = session->items[data[0]].itemKey;
		UnpackTime(data + 1, &session->repeats[i]);
	}
	CheckOrder(session->items, session->itemCount);
	CheckOrder(session->repeats, session->repeatCount);
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

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
 * session.items, little-endian:
 *
 *	0  version		1 byte
 *	1  items		1 byte
 *	2  widths		3 bytes, two numbers of 4 bits each, the low one first:
 *					bytes of a key, of a time, of a txid, of a place, of
 *					the first time, of the lowest txid
 *	5  the first time and the lowest txid, from which the others are counted; the
 *	   former itself counted back from TimeOfRow, the latter as ShortTxid
 *	   repeats, newest first: place of the item (1 byte), time, txid, place
 *	   items, newest first: key, time, txid, place
 *
 * A row grows at its front: its end stays, which the WAL then leaves out.  Most rows
 * are of one event: what its columns and items have in common they hold once.
 */
#define SESSION_VERSION 4
#define PACKED_HEADER 5

/* Bytes of each number in session.items. */
typedef struct PackedWidths
{
	int			key;
	int			ts;
	int			txid;
	int			place;
	int			firstTs;
	int			lowTxid;
	int			repeat;			/* of a whole repeat */
	int			item;			/* of a whole item */
} PackedWidths;

/* Take what matters from a raw event. */
void
SessionEventFill(SessionEvent *event, const EventRow *row)
{
	event->userKey = row->userKey;
	event->given = row->hasSession;
	event->sessionKey = row->hasSession ? row->sessionKey : 0;
	event->consent = row->consent;
	event->item.itemKey = row->itemKey;
	event->item.ts = row->ts;
	event->item.txid = row->txid;
	event->item.place = EventPlaceInTransaction(row);
}

#define COMPARE(a, b) if ((a) != (b)) return (a) < (b) ? -1 : 1

/* Order events by session, then as they are in it. */
static inline int
CompareEvents(const SessionEvent *left, const SessionEvent *right)
{
	COMPARE(left->userKey, right->userKey);
	COMPARE(left->given, right->given);
	COMPARE(left->sessionKey, right->sessionKey);
	COMPARE(left->item.ts, right->item.ts);
	COMPARE(left->item.txid, right->item.txid);
	COMPARE(left->item.place, right->item.place);
	COMPARE(left->item.itemKey, right->item.itemKey);
	return 0;
}

/* Sort them, with the comparison inlined. */
#define ST_SORT SessionEventSort
#define ST_ELEMENT_TYPE SessionEvent
#define ST_COMPARE(a, b) CompareEvents(a, b)
#define ST_SCOPE
#define ST_DEFINE
#include "lib/sort_template.h"

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
	TimestampTz secondAt = DatumGetTimestampTz(slot_getattr(slot, SESSION_SECOND_AT, &isNull));

	return !isNull && secondAt <= asOf &&
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

/* Bytes of a difference, none for none. */
static inline int
WidthOf(uint64 difference)
{
	return difference == 0 ? 0 : BytesWidth(difference);
}

/* A time that the columns of a session's row tell: mostly that of its first event. */
static inline TimestampTz
TimeOfRow(const Session *session)
{
	return session->given ? session->ended : session->sessionKey;
}

/* A txid with the lower byte of its incarnation, mostly the only one that is set, at its end; and back. */
static inline uint64
ShortTxid(int64 txid)
{
	uint64		bits = (uint64) txid;

	return (bits >> 56 << 56) | (bits << 16 >> 8) | (bits << 8 >> 56);
}

static inline int64
LongTxid(uint64 bits)
{
	return (int64) ((bits >> 56 << 56) | (bits << 56 >> 8) | (bits << 8 >> 16));
}

/* Bytes of whole repeats and items. */
static inline void
SumWidths(PackedWidths *widths)
{
	int			event = widths->ts + widths->txid + widths->place;

	widths->repeat = 1 + event;
	widths->item = widths->key + event;
}

/* Widen widths to what these events need; returns the lowest txid so far. */
static int64
WidenTo(PackedWidths *widths, const SessionItem *list, int count, TimestampTz firstTs, int64 lowTxid)
{
	for (int i = 0; i < count; i++)
	{
		widths->key = Max(widths->key, BytesWidth((uint64) list[i].itemKey));
		widths->ts = Max(widths->ts, WidthOf((uint64) list[i].ts - (uint64) firstTs));
		widths->place = Max(widths->place, WidthOf(list[i].place));
		lowTxid = Min(lowTxid, list[i].txid);
	}
	return lowTxid;
}

/* Bytes of the widest distance of a txid. */
static int
TxidWidth(const SessionItem *list, int count, int64 lowTxid)
{
	int			width = 0;

	for (int i = 0; i < count; i++)
		width = Max(width, WidthOf((uint64) list[i].txid - (uint64) lowTxid));
	return width;
}

/* The widths a session needs, and what its times and txids are counted from. */
static void
ChooseWidths(const Session *session, PackedWidths *widths, TimestampTz *firstTs, int64 *lowTxid)
{
	memset(widths, 0, sizeof(PackedWidths));
	*firstTs = session->itemCount > 0 ? session->items[0].ts : TimeOfRow(session);
	*lowTxid = session->itemCount > 0 ? session->items[0].txid : 0;
	*lowTxid = WidenTo(widths, session->items, session->itemCount, *firstTs, *lowTxid);
	*lowTxid = WidenTo(widths, session->repeats, session->repeatCount, *firstTs, *lowTxid);
	widths->txid = Max(TxidWidth(session->items, session->itemCount, *lowTxid),
					   TxidWidth(session->repeats, session->repeatCount, *lowTxid));
	widths->firstTs = WidthOf((uint64) TimeOfRow(session) - (uint64) *firstTs);
	widths->lowTxid = WidthOf(ShortTxid(*lowTxid));
	SumWidths(widths);
}

/* Pack when something happened. */
static uint8 *
PackTime(const SessionItem *item, const PackedWidths *widths, TimestampTz firstTs, int64 lowTxid,
		 uint8 *next)
{
	BytesPut(next, (uint64) item->ts - (uint64) firstTs, widths->ts);
	next += widths->ts;
	BytesPut(next, (uint64) item->txid - (uint64) lowTxid, widths->txid);
	next += widths->txid;
	BytesPut(next, item->place, widths->place);
	return next + widths->place;
}

/* Pack session.items. */
static bytea *
PackItems(const Session *session)
{
	PackedWidths widths;
	TimestampTz firstTs;
	int64		lowTxid;
	Size		length;
	bytea	   *packed;
	uint8	   *next;

	ChooseWidths(session, &widths, &firstTs, &lowTxid);
	length = VARHDRSZ + PACKED_HEADER + session->repeatCount * widths.repeat +
		session->itemCount * widths.item + widths.firstTs + widths.lowTxid;
	packed = palloc(length);
	SET_VARSIZE(packed, length);
	next = (uint8 *) VARDATA(packed);
	*next++ = SESSION_VERSION;
	*next++ = session->itemCount;
	*next++ = widths.key | (widths.ts << 4);
	*next++ = widths.txid | (widths.place << 4);
	*next++ = widths.firstTs | (widths.lowTxid << 4);
	BytesPut(next, (uint64) TimeOfRow(session) - (uint64) firstTs, widths.firstTs);
	next += widths.firstTs;
	BytesPut(next, ShortTxid(lowTxid), widths.lowTxid);
	next += widths.lowTxid;
	for (int i = session->repeatCount - 1; i >= 0; i--)
	{
		*next++ = PlaceOf(session, session->repeats[i].itemKey);
		next = PackTime(&session->repeats[i], &widths, firstTs, lowTxid, next);
	}
	for (int i = session->itemCount - 1; i >= 0; i--)
	{
		BytesPut(next, (uint64) session->items[i].itemKey, widths.key);
		next = PackTime(&session->items[i], &widths, firstTs, lowTxid, next + widths.key);
	}
	return packed;
}

/* Fill the columns of its row. */
void
SessionFormRow(const Session *session, Datum *values, bool *nulls)
{
	memset(nulls, false, sizeof(bool) * SESSION_COLUMN_COUNT);
	values[SESSION_USER_KEY - 1] = Int64GetDatum(session->userKey);
	values[SESSION_SESSION_KEY - 1] = Int64GetDatum(session->sessionKey);
	values[SESSION_ENDED - 1] = TimestampTzGetDatum(session->ended);
	nulls[SESSION_ENDED - 1] = !session->given && session->ended == session->sessionKey;
	values[SESSION_SECOND_AT - 1] = TimestampTzGetDatum(session->secondAt);
	nulls[SESSION_SECOND_AT - 1] = session->secondAt == DT_NOEND;
	values[SESSION_EVENTS - 1] = Int32GetDatum(session->events);
	nulls[SESSION_EVENTS - 1] = session->events == 1;
	values[SESSION_CONSENT - 1] = Int32GetDatum(session->consent);
	values[SESSION_GIVEN - 1] = BoolGetDatum(session->given);
	values[SESSION_ITEMS - 1] = PointerGetDatum(PackItems(session));
}

/* The parts of session.items. */
typedef struct PackedSession
{
	int			itemCount;
	int			repeatCount;
	PackedWidths widths;
	const uint8 *repeats;
	const uint8 *items;
	uint64		firstTs;		/* counted back from TimeOfRow */
	int64		lowTxid;
} PackedSession;

/* Read the widths; false if they cannot be. */
static bool
ReadWidths(const uint8 *data, PackedWidths *widths)
{
	widths->key = data[0] & 15;
	widths->ts = data[0] >> 4;
	widths->txid = data[1] & 15;
	widths->place = data[1] >> 4;
	widths->firstTs = data[2] & 15;
	widths->lowTxid = data[2] >> 4;
	SumWidths(widths);
	return widths->key <= 8 && widths->ts <= 8 && widths->txid <= 8 && widths->place <= 4 &&
		widths->firstTs <= 8 && widths->lowTxid <= 8;
}

/* Find the parts; false if they do not fill the bytes. */
static bool
FindParts(const bytea *packed, PackedSession *parts)
{
	const uint8 *data = (const uint8 *) VARDATA_ANY(packed);
	int			length = (int) VARSIZE_ANY_EXHDR(packed) - PACKED_HEADER;
	PackedWidths *widths = &parts->widths;
	const uint8 *bases = data + PACKED_HEADER;

	if (length < 0 || !ReadWidths(data + 2, widths))
		return false;
	parts->itemCount = data[1];
	if (widths->key == 0 && parts->itemCount > 0)
		return false;
	length -= parts->itemCount * widths->item + widths->firstTs + widths->lowTxid;
	if (length < 0 || length % widths->repeat != 0)
		return false;
	parts->repeatCount = length / widths->repeat;
	parts->firstTs = BytesGet(bases, widths->firstTs);
	parts->lowTxid = LongTxid(BytesGet(bases + widths->firstTs, widths->lowTxid));
	parts->repeats = bases + widths->firstTs + widths->lowTxid;
	parts->items = parts->repeats + parts->repeatCount * widths->repeat;
	return true;
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
		found = KeySetHas(items, (int64) BytesGet(parts.items + i * parts.widths.item, parts.widths.key));
	if ((Pointer) packed != DatumGetPointer(slot->tts_values[SESSION_ITEMS - 1]))
		pfree(packed);
	return found;
}

/* Unpack when something happened. */
static void
UnpackTime(const PackedSession *parts, TimestampTz firstTs, const uint8 *data, SessionItem *item)
{
	const PackedWidths *widths = &parts->widths;

	item->ts = (TimestampTz) ((uint64) firstTs + BytesGet(data, widths->ts));
	data += widths->ts;
	item->txid = (int64) ((uint64) parts->lowTxid + BytesGet(data, widths->txid));
	item->place = (uint32) BytesGet(data + widths->txid, widths->place);
}

/* Unpack session.items; what the row's other columns say is there. */
void
SessionUnpackItems(const bytea *packed, Session *session)
{
	PackedSession parts;
	TimestampTz firstTs;

	if (VARSIZE_ANY_EXHDR(packed) < 1)
		StoredRowReportDamage(STORED_SESSION, "There are no bytes.");
	if (*(const uint8 *) VARDATA_ANY(packed) != SESSION_VERSION)
		StoredRowReportVersion(STORED_SESSION, *(const uint8 *) VARDATA_ANY(packed), SESSION_VERSION);
	if (!FindParts(packed, &parts) || parts.itemCount > SESSION_MAX_ITEMS ||
		parts.repeatCount > SESSION_MAX_CLICKS)
		StoredRowReportDamage(STORED_SESSION, "The items do not fill the bytes, or are too many.");
	firstTs = (TimestampTz) ((uint64) TimeOfRow(session) - parts.firstTs);
	session->itemCount = parts.itemCount;
	session->repeatCount = parts.repeatCount;
	for (int i = 0; i < parts.itemCount; i++)
	{
		const uint8 *data = parts.items + (parts.itemCount - 1 - i) * parts.widths.item;

		session->items[i].itemKey = (int64) BytesGet(data, parts.widths.key);
		UnpackTime(&parts, firstTs, data + parts.widths.key, &session->items[i]);
	}
	for (int i = 0; i < parts.repeatCount; i++)
	{
		const uint8 *data = parts.repeats + (parts.repeatCount - 1 - i) * parts.widths.repeat;

		if (data[0] >= parts.itemCount)
			StoredRowReportDamage(STORED_SESSION, "A click is on an item that is not there.");
		session->repeats[i].itemKey = session->items[data[0]].itemKey;
		UnpackTime(&parts, firstTs, data + 1, &session->repeats[i]);
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
	if (isNull)
		*ended = *sessionKey;
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
	SessionReadTimes(slot, &session->sessionKey, &session->ended);
	session->secondAt = slot->tts_isnull[SESSION_SECOND_AT - 1] ? DT_NOEND :
		DatumGetTimestampTz(slot->tts_values[SESSION_SECOND_AT - 1]);
	session->events = slot->tts_isnull[SESSION_EVENTS - 1] ? 1 : DatumGetInt32(slot->tts_values[SESSION_EVENTS - 1]);
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

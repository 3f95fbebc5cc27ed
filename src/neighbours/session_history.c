/*
 * session_history.c
 *		Where the sessions of an item are, for those who ask for many earlier times.
 *
 * A question of the past is answered by the sessions as they were then (session_past.c): all
 * are read for what is counted over all, and again for each round of items.  Whoever asks for
 * thousands of times, in their order, looks once where each item's sessions are, and counts on
 * from time to time: a session is counted when it has its second event, and those that go on
 * after that are taken out and put back in when they have come to more.
 */
#include "postgres.h"

#include "neighbours/session_history.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/key_set.h"
#include "base/relation.h"
#include "compat.h"
#include "miscadmin.h"
#include "neighbours/posting_gather.h"
#include "neighbours/session.h"
#include "utils/memutils.h"

/* A session. */
typedef struct KnownSession
{
	TimestampTz secondAt;		/* of its second event: it counts from then on */
	ItemPointerData tid;
} KnownSession;

/* One that is counted, and goes on. */
typedef struct OpenSession
{
	ItemPointerData tid;
	TimestampTz nextAt;			/* when it comes to more */
} OpenSession;

/* The sessions of an item, by their places in the table. */
typedef struct ItemSessions
{
	int			count;
	int			capacity;
	int		   *numbers;
} ItemSessions;

struct SessionHistory
{
	MemoryContext context;
	Snapshot	snapshot;
	TimestampTz until;
	TimestampTz asOf;			/* what is counted is as of then */
	int			count;
	int			capacity;
	KnownSession *sessions;		/* in the order of the table */
	int		   *order;			/* their numbers by secondAt */
	int			counted;		/* so many of these are */
	int			openCount;
	int			openCapacity;
	OpenSession *open;
	KeySet		items;
	int			itemCapacity;
	ItemSessions *ofItems;		/* by number of the item */
	SessionSum *sum;
	size_t		bytes;
};

/* The sessions' rows, while they are read. */
typedef struct SessionRows
{
	Relation	table;
	TupleTableSlot *slot;
	Session		session;
} SessionRows;

/* Make ready to read rows. */
static SessionRows *
BeginRows(void)
{
	SessionRows *rows = palloc(sizeof(SessionRows));

	rows->table = RelationOpenTable("session", AccessShareLock);
	rows->slot = table_slot_create(rows->table, NULL);
	return rows;
}

/* End reading rows. */
static void
EndRows(SessionRows *rows)
{
	ExecDropSingleTupleTableSlot(rows->slot);
	table_close(rows->table, NoLock);
	pfree(rows);
}

/* Read a session as it was at a time. */
static const Session *
ReadAsOf(const SessionHistory *history, SessionRows *rows, const ItemPointerData *tid, TimestampTz asOf)
{
	ItemPointerData place = *tid;

	CHECK_FOR_INTERRUPTS();
	if (!table_tuple_fetch_row_version(rows->table, &place, history->snapshot, rows->slot))
		elog(ERROR, "a row of \"session\" is gone");
	SessionReadRow(rows->slot, &rows->session);
	SessionCut(&rows->session, asOf);
	return &rows->session;
}

/* Room for one more in an array, of which the bytes are counted. */
static void *
Grow(SessionHistory *history, void *array, int count, int *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	history->bytes += size * (Max(8, 2 * *capacity) - *capacity);
	*capacity = Max(8, 2 * *capacity);
	return array == NULL ? MemoryContextAllocHuge(history->context, size * *capacity) :
		repalloc_huge(array, size * *capacity);
}

/* Add a session to those of an item. */
static void
AddToItem(SessionHistory *history, int64 itemKey, int number)
{
	int			known = history->items.count;
	int			place = KeySetNumber(&history->items, itemKey);
	ItemSessions *sessions;

	if (place == known)
	{
		history->ofItems = Grow(history, history->ofItems, place, &history->itemCapacity, sizeof(ItemSessions));
		memset(&history->ofItems[place], 0, sizeof(ItemSessions));
		history->bytes += sizeof(KeySetEntry) * 2;
	}
	sessions = &history->ofItems[place];
	sessions->numbers = Grow(history, sessions->numbers, sessions->count, &sessions->capacity, sizeof(int));
	sessions->numbers[sessions->count++] = number;
}

/* Add the session in the slot. */
static void
AddSession(SessionHistory *history, TupleTableSlot *slot, const Session *session)
{
	history->sessions = Grow(history, history->sessions, history->count, &history->capacity, sizeof(KnownSession));
	history->sessions[history->count].secondAt = session->secondAt;
	history->sessions[history->count].tid = slot->tts_tid;
	for (int i = 0; i < session->itemCount; i++)
		AddToItem(history, session->items[i].itemKey, history->count);
	history->count++;
}

/* Order sessions by when they count. */
static int
CompareSecond(const void *left, const void *right, void *arg)
{
	const KnownSession *sessions = arg;
	TimestampTz a = sessions[*(const int *) left].secondAt;
	TimestampTz b = sessions[*(const int *) right].secondAt;

	return (a > b) - (a < b);
}

/* Order the sessions that were found. */
static void
OrderSessions(SessionHistory *history)
{
	history->order = palloc_extended(sizeof(int) * Max(history->count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < history->count; i++)
		history->order[i] = i;
	qsort_arg(history->order, history->count, sizeof(int), CompareSecond, history->sessions);
}

/* Look where the sessions are. */
SessionHistory *
SessionHistoryRead(Snapshot snapshot, TimestampTz until)
{
	SessionHistory *history = palloc0(sizeof(SessionHistory));
	SessionRows *rows = BeginRows();
	TableScanDesc scan = table_beginscan(rows->table, snapshot, 0, NULL);
	bool		fits = true;

	history->context = CurrentMemoryContext;
	history->snapshot = snapshot;
	history->until = until;
	history->asOf = DT_NOBEGIN;
	KeySetInit(&history->items, 64);
	while (fits && table_scan_getnextslot(scan, ForwardScanDirection, rows->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!SessionRowWasIndexed(rows->slot, until))
			continue;
		SessionReadRow(rows->slot, &rows->session);
		AddSession(history, rows->slot, &rows->session);
		fits = history->bytes + history->count * sizeof(int) <= maintenance_work_mem * (size_t) 1024;
	}
	table_endscan(scan);
	EndRows(rows);
	if (!fits)
		return NULL;
	OrderSessions(history);
	history->sum = SessionSumBegin();
	return history;
}

/* When a session comes to more after a time; DT_NOEND: it does not. */
static TimestampTz
NextAfter(const Session *session, TimestampTz asOf)
{
	TimestampTz next = DT_NOEND;

	for (int i = session->itemCount - 1; i >= 0 && session->items[i].ts > asOf; i--)
		next = Min(next, session->items[i].ts);
	for (int i = session->repeatCount - 1; i >= 0 && session->repeats[i].ts > asOf; i--)
		next = Min(next, session->repeats[i].ts);
	return next;
}

/* Count a session as of a time; returns when it comes to more. */
static TimestampTz
Count(SessionHistory *history, SessionRows *rows, const ItemPointerData *tid, TimestampTz asOf)
{
	Session    *session = &rows->session;
	TimestampTz next;

	(void) ReadAsOf(history, rows, tid, DT_NOEND);
	next = NextAfter(session, asOf);
	SessionCut(session, asOf);
	SessionSumAdd(history->sum, session, 1);
	return next;
}

/* Count those that have begun to count by a time. */
static void
CountNew(SessionHistory *history, SessionRows *rows, TimestampTz asOf)
{
	while (history->counted < history->count)
	{
		const KnownSession *known = &history->sessions[history->order[history->counted]];
		TimestampTz next;

		if (known->secondAt > asOf)
			break;
		history->counted++;
		next = Count(history, rows, &known->tid, asOf);
		if (next == DT_NOEND)
			continue;
		history->open = Grow(history, history->open, history->openCount, &history->openCapacity, sizeof(OpenSession));
		history->open[history->openCount++] = (OpenSession) {.tid = known->tid,.nextAt = next};
	}
}

/* Count those anew that have come to more. */
static void
CountOpen(SessionHistory *history, SessionRows *rows, TimestampTz asOf)
{
	int			kept = 0;

	for (int i = 0; i < history->openCount; i++)
	{
		OpenSession open = history->open[i];

		if (open.nextAt <= asOf)
		{
			SessionSumAdd(history->sum, ReadAsOf(history, rows, &open.tid, history->asOf), -1);
			open.nextAt = Count(history, rows, &open.tid, asOf);
		}
		if (open.nextAt != DT_NOEND)
			history->open[kept++] = open;
	}
	history->openCount = kept;
}

/* Go on to a time. */
bool
SessionHistoryAdvance(SessionHistory *history, TimestampTz asOf)
{
	SessionRows *rows;

	if (asOf < history->asOf || asOf > history->until)
		return false;
	rows = BeginRows();
	CountOpen(history, rows, asOf);
	CountNew(history, rows, asOf);
	EndRows(rows);
	history->asOf = asOf;
	return true;
}

/* All that is counted over the sessions as they were at that time. */
SessionSum *
SessionHistorySum(const SessionHistory *history)
{
	return history->sum;
}

/* Order numbers. */
static int
CompareNumbers(const void *left, const void *right)
{
	return *(const int *) left - *(const int *) right;
}

/* The numbers of the sessions of items, in order; returns how many. */
static int
FindNumbers(const SessionHistory *history, const KeySet *items, int **numbers)
{
	uint64		place = 0;
	int64		itemKey;
	int64		room = 0;
	int			count = 0;

	while (KeySetNext(items, &place, &itemKey))
		if (KeySetHas(&history->items, itemKey))
			room += history->ofItems[keyset_lookup(history->items.table, itemKey)->number].count;
	*numbers = palloc_extended(sizeof(int) * Max(room, 1), MCXT_ALLOC_HUGE);
	place = 0;
	while (KeySetNext(items, &place, &itemKey))
	{
		const ItemSessions *sessions;

		if (!KeySetHas(&history->items, itemKey))
			continue;
		sessions = &history->ofItems[keyset_lookup(history->items.table, itemKey)->number];
		memcpy(*numbers + count, sessions->numbers, sizeof(int) * sessions->count);
		count += sessions->count;
	}
	qsort(*numbers, count, sizeof(int), CompareNumbers);
	return count;
}

/* Gather the sessions of items. */
void
SessionHistoryGather(SessionHistory *history, HTAB *lists, const KeySet *items)
{
	SessionRows *rows = BeginRows();
	int		   *numbers;
	int			count = FindNumbers(history, items, &numbers);

	for (int i = 0; i < count; i++)
	{
		const KnownSession *known = &history->sessions[numbers[i]];

		/* one that has several of the items is gathered once */
		if (known->secondAt <= history->asOf && (i == 0 || numbers[i] != numbers[i - 1]))
			PostingGatherSession(lists, ReadAsOf(history, rows, &known->tid, history->asOf));
	}
	pfree(numbers);
	EndRows(rows);
}

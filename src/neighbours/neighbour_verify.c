/*
 * neighbour_verify.c
 *		verify_index(): are sessions and postings what the raw events say?
 *
 * The raw events that the processor has seen are sorted into sessions and these
 * compared with the table's rows; the rows are taken apart into postings, and
 * these sorted and compared too.  Both sorts spill to disk, so memory stays within
 * maintenance_work_mem.  All is read under one snapshot and nothing is locked.
 *
 * Retention removes raw events and sessions, each in its own time.  A session that
 * began before the raw events are complete, or ended before sessions are, is taken
 * as it is.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "base/key_sort.h"
#include "base/keyed.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/gone.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "neighbours/neighbour.h"
#include "neighbours/pair_list.h"
#include "neighbours/posting.h"
#include "neighbours/session.h"
#include "neighbours/session_total.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

PG_FUNCTION_INFO_V1(personalize_verify_index);

/* How much later than it arrived an event may have happened, by its own clock. */
#define MAX_AHEAD USECS_PER_DAY

/* Entries compared per item: more than a list ever holds is not needed. */
#define MAX_COMPARED (2 * POSTING_KEPT)

/* Columns of the sorted events; the first EVENT_SORT_KEYS are sorted by. */
enum
{
	SORTED_USER, SORTED_GIVEN, SORTED_SESSION, SORTED_TS, SORTED_TXID, SORTED_PLACE,
	SORTED_ITEM, SORTED_CONSENT, SORTED_EVENT_COLUMNS
};
#define EVENT_SORT_KEYS 7

/* Columns of the sorted entries; the first ENTRY_SORT_KEYS are sorted by. */
enum
{
	SORTED_ENTRY_ITEM, SORTED_ENTRY_TS, SORTED_ENTRY_SESSION, SORTED_ENTRY_DATA, SORTED_ENTRY_COLUMNS
};
#define ENTRY_SORT_KEYS 3

/* What was expected, found, and did not agree. */
typedef struct VerifyCount
{
	int64		expected;
	int64		found;
	int64		wrong;
} VerifyCount;

/* The whole comparison. */
typedef struct Verification
{
	Snapshot	snapshot;
	MemoryContext unitContext;	/* of one session or item */
	KeySort		events;
	KeySort		entries;
	KeyedTable *sessions;
	KeyedTable *postings;
	KeyedTable *lists;
	SessionSum *sum;			/* of the sessions that have postings */
	TimestampTz eventsSince;	/* raw events are complete from here on */
	TimestampTz sessionsSince;	/* and sessions that ended from here on */
	int64		sessionsMatched;
	int64		sessionsComparable;
	int64		itemsMatched;
	int64		listsMatched;
	VerifyCount sessionCount;
	VerifyCount itemCount;
	VerifyCount listCount;
} Verification;

/* Sort the events that the processor has counted. */
static void
SortEvents(Verification *verification)
{
	static const Oid types[SORTED_EVENT_COLUMNS] = {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT8OID};
	TxidSnapshot *positions[SHARD_COUNT];
	bool	   *counts = NeighbourEventTypes();
	EventScanOptions options = {.snapshot = verification->snapshot,.allDays = true,.keysOnly = true};
	EventScan  *scan;
	EventRow	row;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		positions[shard] = ProcessorPosition(PROCESSOR_NEIGHBOUR, shard, verification->snapshot);
	KeySortBegin(&verification->events, types, SORTED_EVENT_COLUMNS, EVENT_SORT_KEYS, maintenance_work_mem / 2);
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		Datum		values[SORTED_EVENT_COLUMNS];
		int			shard = NeighbourShard(&row);

		if (shard < 0 || row.event < 0 || !counts[row.event] ||
			!TxidIsSeen(row.txid, positions[shard]))
			continue;
		values[SORTED_USER] = Int64GetDatum(row.userKey);
		values[SORTED_GIVEN] = Int64GetDatum(row.hasSession);
		values[SORTED_SESSION] = Int64GetDatum(row.hasSession ? row.sessionKey : 0);
		values[SORTED_TS] = Int64GetDatum(row.ts);
		values[SORTED_TXID] = Int64GetDatum(row.txid);
		values[SORTED_PLACE] = Int64GetDatum(EventPlaceInTransaction(&row));
		values[SORTED_ITEM] = Int64GetDatum(row.itemKey);
		values[SORTED_CONSENT] = Int64GetDatum(row.consent);
		KeySortPut(&verification->events, values, NULL);
		CHECK_FOR_INTERRUPTS();
	}
	EventScanEnd(scan);
	KeySortPerform(&verification->events);
}

/* True if two lists of clicks are the same. */
static bool
SameClicks(const SessionItem *left, const SessionItem *right, int count)
{
	for (int i = 0; i < count; i++)
		if (left[i].itemKey != right[i].itemKey || left[i].ts != right[i].ts ||
			left[i].txid != right[i].txid || left[i].place != right[i].place)
			return false;
	return true;
}

/* True if a stored session is as it should be. */
static bool
SameSession(const Session *a, const Session *b)
{
	return a->ended == b->ended && a->secondAt == b->secondAt && a->events == b->events &&
		a->consent == b->consent && a->itemCount == b->itemCount && a->repeatCount == b->repeatCount &&
		SameClicks(a->items, b->items, a->itemCount) && SameClicks(a->repeats, b->repeats, a->repeatCount);
}

/* Sort the postings that a session should have. */
static void
SortPostings(Verification *verification, const Session *session)
{
	int64		items[SESSION_MAX_ITEMS];
	int64		number = SessionNumber(session);

	for (int i = 0; i < session->itemCount; i++)
		items[i] = session->items[i].itemKey;
	for (int i = 0; i < session->itemCount; i++)
	{
		bytea	   *packed = palloc(VARHDRSZ + POSTING_ENTRY_MAX);
		int			length = PostingPackEntry(items, session->itemCount, i, session->items[i].ts,
											  number, (uint8 *) VARDATA(packed));
		Datum		values[SORTED_ENTRY_COLUMNS];

		SET_VARSIZE(packed, VARHDRSZ + length);
		values[SORTED_ENTRY_ITEM] = Int64GetDatum(items[i]);
		/* inverted, so that ascending order is newest first */
		values[SORTED_ENTRY_TS] = Int64GetDatum(~session->items[i].ts);
		values[SORTED_ENTRY_SESSION] = Int64GetDatum(~number);
		values[SORTED_ENTRY_DATA] = PointerGetDatum(packed);
		KeySortPut(&verification->entries, values, NULL);
	}
}

/* True if all that a session was made of must be there, and it too. */
static bool
IsComparable(const Verification *verification, const Session *session)
{
	return session->itemCount > 0 && session->items[0].ts >= verification->eventsSince &&
		session->ended >= verification->sessionsSince;
}

/*
 * Find the row of a session; that of one without an id may have begun earlier, in
 * events that are gone.
 */
static bool
FindSession(Verification *verification, const Session *expected, Session *found)
{
	Datum		keys[3] = {Int64GetDatum(expected->userKey), BoolGetDatum(expected->given),
	Int64GetDatum(expected->sessionKey)};
	TupleTableSlot *slot;

	KeyedSeek(verification->sessions, verification->snapshot, 3, keys,
			  expected->given ? BTEqualStrategyNumber : BTLessEqualStrategyNumber);
	slot = KeyedNext(verification->sessions, BackwardScanDirection);
	if (slot == NULL || !SessionTryReadRow(slot, found, "it counts as wrong"))
		return false;
	return found->sessionKey == expected->sessionKey ||
		(!IsComparable(verification, found) && found->ended >= expected->ended);
}

/* Compare one expected session with the table. */
static void
CheckSession(Verification *verification, const Session *expected)
{
	MemoryContext caller;
	Session    *found;

	if (!IsComparable(verification, expected))
		return;
	caller = MemoryContextSwitchTo(verification->unitContext);
	found = palloc(sizeof(Session));
	if (!FindSession(verification, expected, found))
	{
		verification->sessionCount.expected++;
		verification->sessionCount.wrong++;
	}
	else if (IsComparable(verification, found))
	{
		verification->sessionCount.expected++;
		/* one that is out of use is not found below */
		verification->sessionsMatched += (found->consent & PURPOSE_RECOMMENDATIONS) != 0;
		if (!SameSession(expected, found))
			verification->sessionCount.wrong++;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(verification->unitContext);
}

/* Put the sorted events together into sessions and compare these. */
static void
CheckSessions(Verification *verification)
{
	Session    *session = palloc(sizeof(Session));
	int64		givenKey = 0;
	bool		begun = false;
	const Datum *values;

	while ((values = KeySortNext(&verification->events)) != NULL)
	{
		int64		userKey = DatumGetInt64(values[SORTED_USER]);
		bool		given = DatumGetInt64(values[SORTED_GIVEN]) != 0;
		SessionItem item = {
			.itemKey = DatumGetInt64(values[SORTED_ITEM]),
			.ts = DatumGetInt64(values[SORTED_TS]),
			.txid = DatumGetInt64(values[SORTED_TXID]),
			.place = (uint32) DatumGetInt64(values[SORTED_PLACE])
		};

		if (!begun || session->userKey != userKey || session->given != given ||
			(given ? givenKey != DatumGetInt64(values[SORTED_SESSION]) :
			 item.ts > session->ended + NEIGHBOUR_SESSION_GAP))
		{
			if (begun)
				CheckSession(verification, session);
			givenKey = DatumGetInt64(values[SORTED_SESSION]);
			SessionInit(session, userKey, given, givenKey);
			begun = true;
		}
		SessionAdd(session, &item, (int32) DatumGetInt64(values[SORTED_CONSENT]));
		CHECK_FOR_INTERRUPTS();
	}
	if (begun)
		CheckSession(verification, session);
}

/* Count the sessions that are in use, and sort the postings they should have. */
static void
ReadSessions(Verification *verification)
{
	static const Oid types[SORTED_ENTRY_COLUMNS] = {INT8OID, INT8OID, INT8OID, BYTEAOID};
	VerifyCount *count = &verification->sessionCount;
	TupleTableSlot *slot;

	KeySortBegin(&verification->entries, types, SORTED_ENTRY_COLUMNS, ENTRY_SORT_KEYS, maintenance_work_mem / 2);
	KeyedSeek(verification->sessions, verification->snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(verification->sessions, ForwardScanDirection)) != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(verification->unitContext);
		Session    *session = palloc(sizeof(Session));
		bool		whole = SessionTryReadRow(slot, session, "its places in lists count as wrong");

		/* a restricted one is kept, though its events do not count */
		if (!whole)
			count->found++;
		else if ((session->consent & PURPOSE_RECOMMENDATIONS) != 0)
		{
			count->found++;
			if (IsComparable(verification, session))
				verification->sessionsComparable++;
			else
				count->expected++;
		}
		if (whole && SessionIsIndexed(session))
		{
			SessionSumAdd(verification->sum, session, 1);
			SortPostings(verification, session);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(verification->unitContext);
		CHECK_FOR_INTERRUPTS();
	}
	count->wrong += verification->sessionsComparable - verification->sessionsMatched;
	KeySortPerform(&verification->entries);
}

/* A list being compared with the expected one, chunk by chunk. */
typedef struct ListComparison
{
	bytea	  **expected;
	int64		count;
	const bytea *data;			/* the chunk at hand */
	int			compared;
	int			stored;			/* by the newest chunk; -1: not read yet */
	bool		same;
} ListComparison;

/* Compare a chunk. */
static void
CompareChunk(void *arg)
{
	ListComparison *list = arg;
	PostingReader reader;
	PostingEntry entry;

	PostingReaderBegin(&reader, (const uint8 *) VARDATA_ANY(list->data), VARSIZE_ANY_EXHDR(list->data));
	if (list->stored < 0)
	{
		list->stored = reader.header.stored;
		list->same = reader.header.sessions == list->count &&
			list->stored >= Min(list->count, POSTING_KEPT);
	}
	for (; PostingReaderNext(&reader, &entry) && list->same; list->compared++)
		list->same = list->compared < Min(list->count, MAX_COMPARED) &&
			VARSIZE(list->expected[list->compared]) - VARHDRSZ == entry.length &&
			memcmp(VARDATA(list->expected[list->compared]), entry.data, entry.length) == 0;
}

/* True if an item's stored list is the beginning of the expected one, and long enough. */
static bool
SamePostings(Verification *verification, int64 itemKey, bytea **expected, int64 count)
{
	Datum		key = Int64GetDatum(itemKey);
	ListComparison list = {.expected = expected,.count = count,.stored = -1,.same = true};
	bool		found = false;
	TupleTableSlot *slot;

	KeyedSeek(verification->postings, verification->snapshot, 1, &key, BTEqualStrategyNumber);
	while (list.same && (slot = KeyedNext(verification->postings, BackwardScanDirection)) != NULL)
	{
		bool		isNull;
		StoredRow	row;

		if (!found)
			verification->itemsMatched++;
		found = true;
		StoredRowBegin(&row, STORED_POSTING,
					   (int64[]) {itemKey, DatumGetInt32(slot_getattr(slot, POSTING_CHUNK, &isNull))});
		list.data = StoredRowBytes(STORED_POSTING, slot, POSTING_DATA);
		list.same = StoredRowTry(&row, CompareChunk, &list, "it counts as wrong") && list.same;
		StoredRowEnd(&row);
	}
	return list.same && list.compared == list.stored;
}

/* What of a row of _pair_list is compared. */
typedef struct PairComparison
{
	const bytea *data;
	PairList	list;
} PairComparison;

/* Take it apart. */
static void
ReadPairs(void *arg)
{
	PairComparison *found = arg;

	PairListRead((const uint8 *) VARDATA_ANY(found->data), VARSIZE_ANY_EXHDR(found->data), &found->list);
}

/* True if an item's stored list of pairs is made of these postings. */
static bool
SamePairs(Verification *verification, int64 itemKey, bytea **expected, int64 count)
{
	PostingEntry *entries = palloc_array(PostingEntry, POSTING_KEPT);
	uint8	   *made = palloc(PAIR_LIST_MAX);
	Datum		key = Int64GetDatum(itemKey);
	PairComparison found;
	int			length;
	bool		same;
	TupleTableSlot *slot;
	StoredRow	row;

	for (int i = 0; i < Min(count, POSTING_KEPT); i++)
	{
		const uint8 *next = (const uint8 *) VARDATA(expected[i]);

		PostingNextEntry(&next, next + VARSIZE(expected[i]) - VARHDRSZ, &entries[i]);
	}
	length = PairListMake(entries, Min(count, POSTING_KEPT), count, made);
	slot = KeyedSeekOne(verification->lists, verification->snapshot, 1, &key);
	if (slot == NULL)
		return false;
	verification->listsMatched++;
	StoredRowBegin(&row, STORED_PAIR_LIST, &itemKey);
	found.data = StoredRowBytes(STORED_PAIR_LIST, slot, PAIR_LIST_DATA);
	same = StoredRowTry(&row, ReadPairs, &found, "it counts as wrong") &&
		VARSIZE_ANY_EXHDR(found.data) == length && memcmp(VARDATA_ANY(found.data), made, length) == 0;
	StoredRowEnd(&row);
	return same;
}

/* Compare one item's expected list with the table. */
static void
CheckItem(Verification *verification, int64 itemKey, bytea **expected, int64 count)
{
	MemoryContext caller = MemoryContextSwitchTo(verification->unitContext);

	verification->itemCount.expected++;
	if (!SamePostings(verification, itemKey, expected, count))
		verification->itemCount.wrong++;
	verification->listCount.expected++;
	if (!SamePairs(verification, itemKey, expected, count))
		verification->listCount.wrong++;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(verification->unitContext);
}

/* Compare the sorted entries, item by item. */
static void
CheckItems(Verification *verification)
{
	bytea	   *expected[MAX_COMPARED];
	int64		count = 0;
	int64		itemKey = 0;
	const Datum *values;

	while ((values = KeySortNext(&verification->entries)) != NULL)
	{
		if (count > 0 && DatumGetInt64(values[SORTED_ENTRY_ITEM]) != itemKey)
		{
			CheckItem(verification, itemKey, expected, count);
			for (int i = 0; i < Min(count, MAX_COMPARED); i++)
				pfree(expected[i]);
			count = 0;
		}
		itemKey = DatumGetInt64(values[SORTED_ENTRY_ITEM]);
		if (count < MAX_COMPARED)
			expected[count] = DatumGetByteaPCopy(values[SORTED_ENTRY_DATA]);
		count++;
		CHECK_FOR_INTERRUPTS();
	}
	if (count > 0)
		CheckItem(verification, itemKey, expected, count);
}

/* Count runs of rows with the same first key column. */
static int64
CountItems(KeyedTable *table, Snapshot snapshot)
{
	int64		count = 0;
	int64		last = 0;
	TupleTableSlot *slot;

	KeyedSeek(table, snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		bool		isNull;
		int64		key = DatumGetInt64(slot_getattr(slot, 1, &isNull));

		if (count == 0 || key != last)
			count++;
		last = key;
		CHECK_FOR_INTERRUPTS();
	}
	return count;
}

/* Compare what is counted over all sessions. */
static void
CheckTotals(Verification *verification, VerifyCount *total, VerifyCount *repeats)
{
	RepeatCounts *stored = palloc(sizeof(RepeatCounts));
	const RepeatChance *expected = (const RepeatChance *) SessionSumRepeats(verification->sum);
	const RepeatChance *found = (const RepeatChance *) stored;
	SessionTotals a;
	SessionTotals b;

	SessionSumTotals(verification->sum, &a);
	SessionTotalsRead(&b, verification->snapshot);
	total->expected = a.sessions;
	total->found = b.sessions;
	total->wrong = a.sessions != b.sessions || a.entries != b.entries || a.recent != b.recent ||
		a.lastDay != b.lastDay || a.newest > b.newest || !SessionSumDaysAgree(verification->sum, verification->snapshot);
	memset(repeats, 0, sizeof(VerifyCount));
	repeats->wrong = SessionRepeatsRead(stored, verification->snapshot);
	for (int i = 0; i < REPEAT_PLACES * REPEAT_CHANCES; i++)
	{
		repeats->expected += expected[i].chances;
		repeats->found += found[i].chances;
		repeats->wrong += expected[i].chances != found[i].chances || expected[i].hits != found[i].hits;
	}
	pfree(stored);
}

/* Put one row of the answer. */
static void
PutResult(ReturnSetInfo *output, const char *part, const VerifyCount *count)
{
	Datum		values[4] = {
		CStringGetTextDatum(part),
		Int64GetDatum(count->expected),
		Int64GetDatum(count->found),
		Int64GetDatum(count->wrong)
	};
	bool		nulls[4] = {false};

	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* verify_index() */
Datum
personalize_verify_index(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Verification verification = {0};
	VerifyCount total;
	VerifyCount repeats;

	InitMaterializedSRF(fcinfo, 0);
	PushActiveSnapshot(GetLatestSnapshot());
	verification.snapshot = GetActiveSnapshot();
	verification.unitContext = AllocSetContextCreate(CurrentMemoryContext, "personalize verify",
													 ALLOCSET_DEFAULT_SIZES);
	verification.sessions = KeyedOpen("session", "session_pkey", AccessShareLock);
	verification.postings = KeyedOpen("posting", "posting_pkey", AccessShareLock);
	verification.lists = KeyedOpen("_pair_list", "_pair_list_pkey", AccessShareLock);
	verification.sum = SessionSumBegin();

	verification.eventsSince = GoneEventsBefore();
	if (verification.eventsSince != DT_NOBEGIN)
		verification.eventsSince += MAX_AHEAD;
	verification.sessionsSince = GoneSessionsBefore();

	SortEvents(&verification);
	CheckSessions(&verification);
	ReadSessions(&verification);
	CheckItems(&verification);
	verification.itemCount.found = CountItems(verification.postings, verification.snapshot);
	verification.itemCount.wrong += verification.itemCount.found - verification.itemsMatched;
	verification.listCount.found = CountItems(verification.lists, verification.snapshot);
	verification.listCount.wrong += verification.listCount.found - verification.listsMatched;
	CheckTotals(&verification, &total, &repeats);

	PutResult(output, "sessions", &verification.sessionCount);
	PutResult(output, "items", &verification.itemCount);
	PutResult(output, "pairs", &verification.listCount);
	PutResult(output, "total", &total);
	PutResult(output, "repeats", &repeats);
	KeySortEnd(&verification.events);
	KeySortEnd(&verification.entries);
	KeyedClose(verification.lists);
	KeyedClose(verification.postings);
	KeyedClose(verification.sessions);
	PopActiveSnapshot();
	return (Datum) 0;
}

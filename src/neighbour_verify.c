/*
 * neighbour_verify.c
 *		verify_index(): are sessions and postings what the raw events say?
 *
 * The raw events that the processor has seen are sorted into sessions, these
 * are compared with the table's rows and taken apart into postings, and these
 * are sorted and compared too.  Both sorts spill to disk, so memory stays within
 * maintenance_work_mem.  All is read under one snapshot and nothing is locked.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "keyed.h"
#include "miscadmin.h"
#include "neighbour.h"
#include "posting.h"
#include "processor.h"
#include "session.h"
#include "session_index.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"

PG_FUNCTION_INFO_V1(personalize_verify_index);

/* Entries compared per item: more than a list ever holds is not needed. */
#define MAX_COMPARED (2 * POSTING_KEPT)

/* Columns of the sorted events; the first EVENT_SORT_KEYS are sorted by. */
enum
{
	SORTED_USER, SORTED_GIVEN, SORTED_SESSION, SORTED_TS, SORTED_TXID, SORTED_ORDINAL,
	SORTED_NUMBER, SORTED_ITEM, SORTED_CONSENT, SORTED_EVENT_COLUMNS
};
#define EVENT_SORT_KEYS 7

/* Columns of the sorted entries; the first ENTRY_SORT_KEYS are sorted by. */
enum
{
	SORTED_ENTRY_ITEM, SORTED_ENTRY_TS, SORTED_ENTRY_SESSION, SORTED_ENTRY_DATA, SORTED_ENTRY_COLUMNS
};
#define ENTRY_SORT_KEYS 3

/* A sort and the slot its rows go through. */
typedef struct VerifySort
{
	Tuplesortstate *sort;
	TupleTableSlot *in;
	TupleTableSlot *out;
} VerifySort;

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
	VerifySort	events;
	VerifySort	entries;
	KeyedTable *sessions;
	KeyedTable *postings;
	int64		indexed;		/* sessions that have postings */
	int64		sessionsMatched;
	int64		itemsMatched;
	VerifyCount sessionCount;
	VerifyCount itemCount;
} Verification;

/* Begin a sort of rows of these types by the first columns. */
static void
SortBegin(VerifySort *sort, const Oid *types, int columns, int keys)
{
	TupleDesc	descriptor = CreateTemplateTupleDesc(columns);
	AttrNumber	numbers[EVENT_SORT_KEYS];
	Oid			operators[EVENT_SORT_KEYS];
	Oid			collations[EVENT_SORT_KEYS] = {0};
	bool		nullsFirst[EVENT_SORT_KEYS] = {0};

	for (int i = 0; i < columns; i++)
		TupleDescInitEntry(descriptor, i + 1, NULL, types[i], -1, 0);
	for (int i = 0; i < keys; i++)
	{
		numbers[i] = i + 1;
		operators[i] = Int8LessOperator;
	}
	sort->sort = tuplesort_begin_heap(descriptor, keys, numbers, operators, collations,
									  nullsFirst, maintenance_work_mem / 2, NULL,
									  TUPLESORT_NONE);
	sort->in = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
	sort->out = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
}

/* Add a row to a sort. */
static void
SortPut(VerifySort *sort, const Datum *values)
{
	int			columns = sort->in->tts_tupleDescriptor->natts;

	ExecClearTuple(sort->in);
	memcpy(sort->in->tts_values, values, columns * sizeof(Datum));
	memset(sort->in->tts_isnull, false, columns * sizeof(bool));
	ExecStoreVirtualTuple(sort->in);
	tuplesort_puttupleslot(sort->sort, sort->in);
}

/* The next row in order, or NULL. */
static const Datum *
SortNext(VerifySort *sort)
{
	if (!tuplesort_gettupleslot(sort->sort, true, false, sort->out, NULL))
		return NULL;
	slot_getallattrs(sort->out);
	return sort->out->tts_values;
}

/* Sort the events that the processor has counted. */
static void
SortEvents(Verification *verification)
{
	static const Oid types[SORTED_EVENT_COLUMNS] = {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT8OID, INT8OID};
	TxidSnapshot *position = ProcessorPosition(PROCESSOR_NEIGHBOUR, 0, verification->snapshot);
	bool	   *counts = NeighbourEventTypes();
	EventScanOptions options = {.snapshot = verification->snapshot,.allDays = true,.keysOnly = true};
	EventScan  *scan;
	EventRow	row;
	int64		number = 0;

	SortBegin(&verification->events, types, SORTED_EVENT_COLUMNS, EVENT_SORT_KEYS);
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		Datum		values[SORTED_EVENT_COLUMNS];

		if (NeighbourShard(&row) < 0 || row.event < 0 || !counts[row.event] ||
			!TxidIsSeen(row.txid, position))
			continue;
		values[SORTED_USER] = Int64GetDatum(row.userKey);
		values[SORTED_GIVEN] = Int64GetDatum(row.hasSession);
		values[SORTED_SESSION] = Int64GetDatum(row.hasSession ? row.sessionKey : 0);
		values[SORTED_TS] = Int64GetDatum(row.ts);
		values[SORTED_TXID] = Int64GetDatum(row.txid);
		values[SORTED_ORDINAL] = Int64GetDatum(row.ordinal);
		values[SORTED_NUMBER] = Int64GetDatum(number++);
		values[SORTED_ITEM] = Int64GetDatum(row.itemKey);
		values[SORTED_CONSENT] = Int64GetDatum(row.consent);
		SortPut(&verification->events, values);
		CHECK_FOR_INTERRUPTS();
	}
	EventScanEnd(scan);
	tuplesort_performsort(verification->events.sort);
}

/* True if a stored session is as it should be. */
static bool
SameSession(const Session *a, const Session *b)
{
	if (a->ended != b->ended || a->events != b->events || a->consent != b->consent ||
		a->itemCount != b->itemCount)
		return false;
	for (int i = 0; i < a->itemCount; i++)
	{
		const SessionItem *left = &a->items[i];
		const SessionItem *right = &b->items[i];

		if (left->itemKey != right->itemKey || left->ts != right->ts ||
			left->txid != right->txid || left->ordinal != right->ordinal)
			return false;
	}
	return true;
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
		SortPut(&verification->entries, values);
	}
}

/* Compare one expected session with the table. */
static void
CheckSession(Verification *verification, const Session *expected)
{
	Datum		keys[3] = {Int64GetDatum(expected->userKey), BoolGetDatum(expected->given),
	Int64GetDatum(expected->sessionKey)};
	MemoryContext caller = MemoryContextSwitchTo(verification->unitContext);
	TupleTableSlot *slot;

	verification->sessionCount.expected++;
	KeyedSeek(verification->sessions, verification->snapshot, 3, keys, BTEqualStrategyNumber);
	slot = KeyedNext(verification->sessions, ForwardScanDirection);
	if (slot == NULL)
		verification->sessionCount.wrong++;
	else
	{
		Session    *found = palloc(sizeof(Session));

		SessionReadRow(slot, found);
		verification->sessionsMatched++;
		if (!SameSession(expected, found))
			verification->sessionCount.wrong++;
	}
	if (SessionIsIndexed(expected))
	{
		verification->indexed++;
		SortPostings(verification, expected);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(verification->unitContext);
}

/* Put the sorted events together into sessions and compare these. */
static void
CheckSessions(Verification *verification)
{
	static const Oid types[SORTED_ENTRY_COLUMNS] = {INT8OID, INT8OID, INT8OID, BYTEAOID};
	Session    *session = palloc(sizeof(Session));
	int64		givenKey = 0;
	bool		begun = false;
	const Datum *values;

	SortBegin(&verification->entries, types, SORTED_ENTRY_COLUMNS, ENTRY_SORT_KEYS);
	while ((values = SortNext(&verification->events)) != NULL)
	{
		int64		userKey = DatumGetInt64(values[SORTED_USER]);
		bool		given = DatumGetInt64(values[SORTED_GIVEN]) != 0;
		SessionItem item = {
			.itemKey = DatumGetInt64(values[SORTED_ITEM]),
			.ts = DatumGetInt64(values[SORTED_TS]),
			.txid = DatumGetInt64(values[SORTED_TXID]),
			.ordinal = (int16) DatumGetInt64(values[SORTED_ORDINAL])
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
	tuplesort_performsort(verification->entries.sort);
}

/* True if an item's stored list is the beginning of the expected one, and long enough. */
static bool
SamePostings(Verification *verification, int64 itemKey, bytea **expected, int64 count)
{
	Datum		key = Int64GetDatum(itemKey);
	int			compared = 0;
	int			stored = -1;
	TupleTableSlot *slot;

	KeyedSeek(verification->postings, verification->snapshot, 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(verification->postings, BackwardScanDirection)) != NULL)
	{
		bool		isNull;
		bytea	   *data = DatumGetByteaPCopy(slot_getattr(slot, POSTING_DATA, &isNull));
		const uint8 *next = (const uint8 *) VARDATA(data);
		const uint8 *end = next + VARSIZE(data) - VARHDRSZ;
		PostingHeader header;

		PostingReadHeader(next, end - next, &header);
		if (stored < 0)
		{
			verification->itemsMatched++;
			stored = header.stored;
			if (header.sessions != count || stored < Min(count, POSTING_KEPT))
				return false;
		}
		next += POSTING_CHUNK_HEADER;
		for (int i = 0; i < header.entries; i++, compared++)
		{
			PostingEntry entry;

			PostingNextEntry(&next, end, &entry);
			if (compared >= Min(count, MAX_COMPARED) ||
				VARSIZE(expected[compared]) - VARHDRSZ != entry.length ||
				memcmp(VARDATA(expected[compared]), entry.data, entry.length) != 0)
				return false;
		}
	}
	return compared == stored;
}

/* Compare one item's expected list with the table. */
static void
CheckItem(Verification *verification, int64 itemKey, bytea **expected, int64 count)
{
	MemoryContext caller = MemoryContextSwitchTo(verification->unitContext);

	verification->itemCount.expected++;
	if (!SamePostings(verification, itemKey, expected, count))
		verification->itemCount.wrong++;
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

	while ((values = SortNext(&verification->entries)) != NULL)
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

/* Count the sessions that are in use. */
static int64
CountSessions(KeyedTable *table, Snapshot snapshot)
{
	int64		count = 0;
	TupleTableSlot *slot;

	KeyedSeek(table, snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		bool		isNull;
		int32		consent = DatumGetInt32(slot_getattr(slot, SESSION_CONSENT, &isNull));

		/* a restricted one is kept, though its events do not count */
		count += (consent & CONSENT_RECOMMENDATIONS) != 0;
		CHECK_FOR_INTERRUPTS();
	}
	return count;
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

	InitMaterializedSRF(fcinfo, 0);
	PushActiveSnapshot(GetLatestSnapshot());
	verification.snapshot = GetActiveSnapshot();
	verification.unitContext = AllocSetContextCreate(CurrentMemoryContext, "personalize verify",
													 ALLOCSET_DEFAULT_SIZES);
	verification.sessions = KeyedOpen("session", "session_pkey", AccessShareLock);
	verification.postings = KeyedOpen("posting", "posting_pkey", AccessShareLock);

	SortEvents(&verification);
	CheckSessions(&verification);
	CheckItems(&verification);
	verification.sessionCount.found = CountSessions(verification.sessions, verification.snapshot);
	verification.sessionCount.wrong += verification.sessionCount.found - verification.sessionsMatched;
	verification.itemCount.found = CountItems(verification.postings, verification.snapshot);
	verification.itemCount.wrong += verification.itemCount.found - verification.itemsMatched;
	total.expected = verification.indexed;
	total.found = SessionIndexTotal(verification.snapshot);
	total.wrong = total.expected != total.found;

	PutResult(output, "sessions", &verification.sessionCount);
	PutResult(output, "items", &verification.itemCount);
	PutResult(output, "total", &total);
	tuplesort_end(verification.events.sort);
	tuplesort_end(verification.entries.sort);
	KeyedClose(verification.postings);
	KeyedClose(verification.sessions);
	PopActiveSnapshot();
	return (Datum) 0;
}

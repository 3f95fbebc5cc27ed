/*
 * erasure_sweep.c
 *		Taking out of the dictionary what only the erased had.
 *
 * A search term that one person typed, or the id of a page nobody else opened,
 * tells of that person although no row names him.  Erasure and withdrawal note
 * such values and items as candidates; the sweep decides about all of them in
 * one pass: it looks at every place that may refer to one (tables that say so when
 * they register, and raw events), crosses off what it meets, and deletes the rest.
 * Preferences refer to neither; they keep their text themselves.
 *
 * The long part, reading, runs beside the processors.  Then their shards are
 * locked, so that no batch is under way that has already looked a text up and
 * found it stored, and what they had not counted when the reading began is read
 * again: whatever they have written since comes from there.  Backends are told
 * to forget which texts they know to be stored.  A batch that starts later finds
 * the text missing and writes it again.
 *
 * Ids of items need no such care: each event that names an item logs its id, and
 * folding the log brings the row back.  Log entries not yet folded go along, but
 * only those that the last reading has seen the events of.
 */
#include "postgres.h"

#include "erasure/erasure_sweep.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/dictionary.h"
#include "base/lock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "events/partition.h"
#include "miscadmin.h"
#include "people/person_store.h"
#include "signals/value_key.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"

/* What a sweep may read where it must not take long, in pages. */
#define CHEAP_PAGES 1000

/* A candidate: a feature's key, or the 48-bit key by which features know an item. */
typedef struct Candidate
{
	uint64		key;			/* hash key, first */
	bool		met;			/* somebody has it */
} Candidate;

/* A set of candidates. */
typedef struct CandidateSet
{
	HTAB	   *table;			/* of Candidate */
	int64		open;			/* not met yet */
} CandidateSet;

/* A sweep. */
typedef struct Sweep
{
	MemoryContext context;
	CandidateSet values;
	CandidateSet items;
	Datum	   *itemKeys;		/* of the items */
	int			itemCount;
	PersonNames names;			/* tells the sweep what somebody has */
} Sweep;

/* Begin a set. */
static void
InitSet(CandidateSet *set, MemoryContext context)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(Candidate),.hcxt = context};

	set->table = hash_create("personalize erasure candidates", 256, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	set->open = 0;
}

/* Put a candidate in. */
static void
AddCandidate(CandidateSet *set, uint64 key)
{
	bool		found;
	Candidate  *candidate = hash_search(set->table, &key, HASH_ENTER, &found);

	if (found)
		return;
	candidate->met = false;
	set->open++;
}

/* Cross off what somebody has. */
static void
Meet(CandidateSet *set, uint64 key)
{
	Candidate  *candidate;

	if (set->open == 0)
		return;
	candidate = hash_search(set->table, &key, HASH_FIND, NULL);
	if (candidate == NULL || candidate->met)
		return;
	candidate->met = true;
	set->open--;
}

/* PersonNames: somebody has an item. */
static void
MeetItem(void *arg, int64 itemKey)
{
	Sweep	   *sweep = arg;

	Meet(&sweep->items, FeatureValueHash(itemKey));
	sweep->names.items = sweep->items.open > 0;
}

/* PersonNames: somebody has a value. */
static void
MeetValue(void *arg, const PersonValue *value)
{
	Sweep	   *sweep = arg;

	if (value->isItem)
		Meet(&sweep->items, FeatureKeyHash(value->featureKey));
	Meet(&sweep->values, value->featureKey);
	sweep->names.items = sweep->items.open > 0;
	sweep->names.values = sweep->values.open > 0;
}

/* True while there is something to look for. */
static inline bool
IsOpen(const Sweep *sweep)
{
	return sweep->names.items || sweep->names.values;
}

/* Take the candidates out of their table; their number. */
static int64
TakeCandidates(Sweep *sweep)
{
	static SPIPlanPtr plan = NULL;
	SpiUtilScope scope;
	bool		isNull;
	int64		count;

	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan,
					   "WITH taken AS (DELETE FROM personalize._erasure_candidate RETURNING kind, signal, key)"
					   " SELECT DISTINCT kind, signal, key FROM taken",
					   0, NULL, NULL, NULL, false);
	sweep->itemKeys = MemoryContextAllocHuge(sweep->context, sizeof(Datum) * (count + 1));
	for (int64 row = 0; row < count; row++)
	{
		int64		key = DatumGetInt64(SpiUtilValue(row, 3, &isNull));

		if (DatumGetChar(SpiUtilValue(row, 1, &isNull)) == 'i')
		{
			AddCandidate(&sweep->items, FeatureValueHash(key));
			sweep->itemKeys[sweep->itemCount++] = Int64GetDatum(key);
		}
		else
			AddCandidate(&sweep->values,
						 FeatureKeyMake(DatumGetInt16(SpiUtilValue(row, 2, &isNull)), key));
	}
	SpiUtilEnd(&scope);
	sweep->names = (PersonNames)
	{
		.arg = sweep,.items = sweep->items.open > 0,.values = sweep->values.open > 0,
		.remedy = "what only it names is not kept",.item = MeetItem,.value = MeetValue
	};
	return count;
}

/* The items of the sweep as a bigint[]. */
static Datum
ItemArray(const Sweep *sweep)
{
	return PointerGetDatum(construct_array(sweep->itemKeys, sweep->itemCount, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Cross off items that tables name in the open. */
static void
ReadTables(Sweep *sweep)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	int			storeCount;
	const PersonStore *stores = PersonStores(&storeCount);
	Datum		values[1];
	StringInfoData sql;
	SpiUtilScope scope;
	uint64		count;
	bool		isNull;

	if (!sweep->names.items)
		return;
	initStringInfo(&sql);
	for (int i = 0; i < storeCount; i++)
		if (stores[i].holds)
			appendStringInfo(&sql, "%s%s", sql.len > 0 ? " UNION " : "", stores[i].holds->items);
	values[0] = ItemArray(sweep);
	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan, sql.data, 1, types, values, NULL, false);
	for (uint64 row = 0; row < count; row++)
		MeetItem(sweep, DatumGetInt64(SpiUtilValue(row, 1, &isNull)));
	SpiUtilEnd(&scope);
}

/* Read a table whose rows name things, row by row. */
static void
ReadRows(Sweep *sweep, const PersonStore *store, Snapshot snapshot)
{
	Relation	table = RelationOpenTable(store->name, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "personalize sweep row",
											  ALLOCSET_DEFAULT_SIZES);
	bool		values = strcmp(store->names->kinds, PERSON_NAMES_BOTH) == 0;

	while ((sweep->names.items || (values && sweep->names.values)) &&
		   table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext oldContext = MemoryContextSwitchTo(row);

		store->names->row(&sweep->names, slot);
		MemoryContextSwitchTo(oldContext);
		MemoryContextReset(row);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
	MemoryContextDelete(row);
}

/* Read one raw event; states are of those who know what events name, by store. */
static void
ReadEvent(Sweep *sweep, void **states, const EventRow *row)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	if (row->hasItem)
		MeetItem(sweep, row->itemKey);
	for (int i = 0; i < count; i++)
		if (stores[i].eventNames)
			stores[i].eventNames->event(states[i], &sweep->names, row, false);
}

/* Begin or end reading what events name. */
static void
SwitchEventNames(void **states, Snapshot snapshot, bool on)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
	{
		if (stores[i].eventNames == NULL)
			continue;
		if (on)
			states[i] = stores[i].eventNames->begin(snapshot);
		else
			stores[i].eventNames->end(states[i]);
	}
}

/* Read the raw events of which none below minTxid matters. */
static void
ReadEvents(Sweep *sweep, Snapshot snapshot, int64 minTxid)
{
	EventScanOptions options = {.snapshot = snapshot,.minTxid = minTxid,.allDays = true};
	EventScan  *scan = EventScanBegin(&options);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize sweep event",
												  ALLOCSET_DEFAULT_SIZES);
	int			count;
	void	  **states;
	EventRow	row;

	(void) PersonStores(&count);
	states = palloc0_array(void *, count);
	SwitchEventNames(states, snapshot, true);
	while (IsOpen(sweep) && EventScanNext(scan, &row))
	{
		MemoryContext oldContext = MemoryContextSwitchTo(context);

		ReadEvent(sweep, states, &row);
		MemoryContextSwitchTo(oldContext);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	SwitchEventNames(states, snapshot, false);
	EventScanEnd(scan);
	MemoryContextDelete(context);
}

/* Keep processors from beginning a batch until the transaction ends; false if one is under way. */
static bool
LockProcessors(bool wait)
{
	for (ProcessorId id = PROCESSOR_PROFILE; id <= PROCESSOR_COUNT; id++)
	{
		const ProcessorMethods *methods = ProcessorGet(id);

		for (int shard = 0; methods != NULL && shard < ProcessorLocks(methods); shard++)
		{
			if (wait)
				ShardLock(id, shard);
			else if (!ShardTryLock(id, shard))
				return false;
		}
	}
	return true;
}

/* The candidates of a set that nobody was met with. */
static uint64 *
ListOpen(const CandidateSet *set, int *count)
{
	uint64	   *keys = palloc_extended(sizeof(uint64) * (set->open + 1), MCXT_ALLOC_HUGE);
	HASH_SEQ_STATUS status;
	Candidate  *candidate;

	*count = 0;
	hash_seq_init(&status, set->table);
	while ((candidate = hash_seq_search(&status)) != NULL)
		if (!candidate->met)
			keys[(*count)++] = candidate->key;
	return keys;
}

/* The values nobody has, as arrays of signals and keys. */
static int
OpenValues(Sweep *sweep, Datum *arrays)
{
	int			count;
	uint64	   *keys = ListOpen(&sweep->values, &count);
	Datum	   *signals = palloc_extended(sizeof(Datum) * (count + 1), MCXT_ALLOC_HUGE);
	Datum	   *hashes = palloc_extended(sizeof(Datum) * (count + 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
	{
		signals[i] = Int16GetDatum(FeatureKeySignal(keys[i]));
		hashes[i] = Int64GetDatum(FeatureKeyHash(keys[i]));
	}
	arrays[0] = PointerGetDatum(construct_array(signals, count, INT2OID, 2, true, TYPALIGN_SHORT));
	arrays[1] = PointerGetDatum(construct_array(hashes, count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	return count;
}

/* The same of items, which have no signal. */
static int
OpenItems(Sweep *sweep, Datum *arrays)
{
	int			count = 0;

	for (int i = 0; i < sweep->itemCount; i++)
	{
		uint64		key = FeatureValueHash(DatumGetInt64(sweep->itemKeys[i]));
		Candidate  *candidate = hash_search(sweep->items.table, &key, HASH_FIND, NULL);

		if (!candidate->met)
			sweep->itemKeys[count++] = sweep->itemKeys[i];
	}
	sweep->itemCount = count;
	arrays[0] = PointerGetDatum(construct_empty_array(INT2OID));
	arrays[1] = ItemArray(sweep);
	return count;
}

/* Run a statement that must not see more than the snapshot; rows processed. */
static int64
RunUnder(Snapshot snapshot, const char *sql, Datum *arrays)
{
	Oid			types[] = {INT2ARRAYOID, INT8ARRAYOID};
	SPIPlanPtr	plan = SPI_prepare(sql, lengthof(types), types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	if (SPI_execute_snapshot(plan, arrays, NULL, snapshot, InvalidSnapshot, false, true, 0) < 0)
		elog(ERROR, "\"%s\" failed", sql);
	return (int64) SPI_processed;
}

/* Delete what nobody has of a dictionary, and what the log has on its way there. */
static int64
DropOpen(Sweep *sweep, const PersonDictionary *dictionary, Snapshot snapshot)
{
	bool		areValues = strcmp(dictionary->kind, "v") == 0;
	Datum		arrays[2];
	SpiUtilScope scope;
	int64		deleted;

	if ((areValues ? OpenValues(sweep, arrays) : OpenItems(sweep, arrays)) == 0)
		return 0;
	SpiUtilBegin(&scope);
	(void) RunUnder(snapshot,
					psprintf(DICTIONARY_FORGET("%s", "$2"), dictionary->kind), arrays);
	deleted = RunUnder(snapshot, dictionary->drop, arrays);
	SpiUtilEnd(&scope);
	return deleted;
}

/* Delete what nobody has, and tell backends that rows have gone. */
static void
Drop(Sweep *sweep, Snapshot snapshot, ErasureSweepResult *result)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
	{
		const PersonDictionary *dictionary = stores[i].dictionary;
		int64		dropped;

		if (dictionary == NULL)
			continue;
		dropped = DropOpen(sweep, dictionary, snapshot);
		if (strcmp(dictionary->kind, "v") == 0)
			result->values += dropped;
		else
			result->items += dropped;
	}
	for (int i = 0; i < count; i++)
		if (stores[i].dictionary && result->values + result->items > 0)
			CacheInvalidateRelcacheByRelid(RelationFind(stores[i].name, false));
}

/* Read everything that may refer to a candidate, beside the processors. */
static void
ReadAll(Sweep *sweep)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	Snapshot	snapshot;

	ReadTables(sweep);
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < count; i++)
		if (stores[i].names)
			ReadRows(sweep, &stores[i], snapshot);
	if (IsOpen(sweep))
		ReadEvents(sweep, snapshot, 0);
	UnregisterSnapshot(snapshot);
}

/*
 * Read again what processors have not counted, or had not when the sweep began;
 * then delete what nobody has.
 */
static void
Decide(Sweep *sweep, int64 minTxid, ErasureSweepResult *result)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	ReadEvents(sweep, snapshot, minTxid);
	DictionaryLock();
	Drop(sweep, snapshot, result);
	UnregisterSnapshot(snapshot);
}

/* Decide about all candidates. */
ErasureSweepResult
ErasureSweep(bool wait)
{
	ErasureSweepResult result = {0};
	MemoryContext caller = CurrentMemoryContext;
	Sweep		sweep = {0};
	int64		candidates;
	int64		minTxid;

	if (!SweepLock(wait))
	{
		result.busy = true;
		return result;
	}
	sweep.context = AllocSetContextCreate(caller, "personalize sweep", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(sweep.context);
	InitSet(&sweep.values, sweep.context);
	InitSet(&sweep.items, sweep.context);
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	minTxid = ProcessorAllSeenBelow(GetActiveSnapshot());
	/* without waiting, be sure of the processors before anything is taken */
	result.busy = !wait && !LockProcessors(false);
	candidates = result.busy ? 0 : TakeCandidates(&sweep);
	if (candidates > 0)
	{
		ReadAll(&sweep);
		if (IsOpen(&sweep) && LockProcessors(wait))
			Decide(&sweep, minTxid, &result);
		result.kept = candidates - sweep.values.open - sweep.items.open;
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(sweep.context);
	return result;
}

/* Write down which erasures have no candidates left. */
void
ErasureSweepRecord(void)
{
	static SPIPlanPtr plan = NULL;

	SpiUtilRunAsOwner(&plan,
					  "UPDATE personalize.erasure e SET"
					  " reached = reached || jsonb_build_object('dictionary', clock_timestamp()),"
					  " stage = CASE WHEN reached ? 'statistics' THEN 'statistics' ELSE 'dictionary' END"
					  " WHERE NOT reached ? 'dictionary' AND NOT EXISTS ("
					  " SELECT FROM personalize._erasure_candidate c WHERE c.noted_at <= e.requested_at)",
					  0, NULL, NULL, NULL, false);
}

/* Pages of a table. */
static BlockNumber
TablePages(const char *name)
{
	Relation	table = RelationOpenTable(name, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(table);

	table_close(table, AccessShareLock);
	return pages;
}

/* True while one sweep reads no more than a thousand pages. */
bool
ErasureSweepIsCheap(void)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	uint64		pages = 0;
	List	   *partitions;
	ListCell   *cell;

	for (int i = 0; i < count; i++)
	{
		if (stores[i].names)
			pages += TablePages(stores[i].name);
		if (stores[i].holds && stores[i].holds->reads)
			pages += TablePages(stores[i].holds->reads);
	}
	partitions = PartitionList(GetActiveSnapshot(), true, 0);
	foreach(cell, partitions)
	{
		Relation	partition = try_relation_open(lfirst_oid(cell), AccessShareLock);

		if (partition == NULL)
			continue;
		pages += RelationGetNumberOfBlocks(partition);
		relation_close(partition, AccessShareLock);
		if (pages > CHEAP_PAGES)
			return false;
	}
	return pages <= CHEAP_PAGES;
}

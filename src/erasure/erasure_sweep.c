/*
 * erasure_sweep.c
 *		Taking out of the dictionary what only the erased had.
 *
 * A search term that one person typed, or the id of a page nobody else opened,
 * tells of that person although no row names him.  Erasure and withdrawal note
 * such values and items as candidates; the sweep decides about all of them in
 * one pass: it looks at every place that may refer to one (profiles, sessions,
 * postings, statistics, baskets, raw events), crosses off what it meets, and
 * deletes the rest.  A value counts as met in a raw event if the event, counted
 * again, would count it: the signals themselves are asked.  Preferences refer to
 * neither; they keep their text themselves.
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
#include "base/lock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "events/partition.h"
#include "miscadmin.h"
#include "neighbours/session.h"
#include "people/consent.h"
#include "profiles/profile_delta.h"
#include "signals/feature_value.h"
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
	const SignalSet *signals;
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

/* Somebody has an item. */
static void
MeetItem(Sweep *sweep, int64 itemKey)
{
	Meet(&sweep->items, FeatureValueHash(itemKey));
}

/* Somebody has a feature. */
static void
MeetFeature(Sweep *sweep, uint64 featureKey)
{
	int			id = FeatureKeySignal(featureKey);

	if (id < sweep->signals->idLimit && sweep->signals->byId[id] != NULL &&
		sweep->signals->byId[id]->path.kind == SIGNAL_KEY_ITEM)
		Meet(&sweep->items, FeatureKeyHash(featureKey));
	Meet(&sweep->values, featureKey);
}

/* True while there is something to look for. */
static inline bool
IsOpen(const Sweep *sweep)
{
	return sweep->values.open > 0 || sweep->items.open > 0;
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
	return count;
}

/* The items of the sweep as a bigint[]. */
static Datum
ItemArray(const Sweep *sweep)
{
	return PointerGetDatum(construct_array(sweep->itemKeys, sweep->itemCount, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Cross off items that have more than an id, and those that tables name in the open. */
static void
ReadTables(Sweep *sweep)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[1];
	SpiUtilScope scope;
	uint64		count;
	bool		isNull;

	if (sweep->items.open == 0)
		return;
	values[0] = ItemArray(sweep);
	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan,
					   "SELECT k FROM unnest($1) AS k"
					   " WHERE EXISTS (SELECT FROM personalize.item i WHERE i.item_key = k AND (" ERASURE_BARE_ITEM ") IS NOT TRUE)"
					   " OR EXISTS (SELECT FROM personalize.posting p WHERE p.item_key = k)"
					   " OR EXISTS (SELECT FROM personalize._basket b WHERE b.item_key = k)"
					   " UNION SELECT s.item_key FROM personalize.item_stat s"
					   " JOIN unnest($1) AS k ON k = s.item_key",
					   1, types, values, NULL, false);
	for (uint64 row = 0; row < count; row++)
		MeetItem(sweep, DatumGetInt64(SpiUtilValue(row, 1, &isNull)));
	SpiUtilEnd(&scope);
}

/* The packed columns of a profile. */
typedef struct ProfileBytes
{
	Sweep	   *sweep;
	const FeatureState *features;	/* NULL: none */
	const bytea *recent;		/* NULL: none */
} ProfileBytes;

/* What they name. */
static void
ReadProfileBytes(void *arg)
{
	ProfileBytes *bytes = arg;
	FeatureIterator iterator;
	Feature		feature;
	ProfileRecent recent = {.count = 0};

	FeatureIteratorBegin(&iterator, bytes->features);
	while (FeatureIteratorNext(&iterator, &feature))
		MeetFeature(bytes->sweep, feature.key);
	if (bytes->recent != NULL && bytes->sweep->items.open > 0)
		ProfileRecentUnpack(bytes->recent, &recent);
	for (int i = 0; i < recent.count; i++)
		MeetItem(bytes->sweep, recent.items[i].itemKey);
}

/* What a profile's row names. */
static void
ReadProfile(Sweep *sweep, TupleTableSlot *slot)
{
	ProfileBytes bytes = {.sweep = sweep};
	StoredRow	row;
	bool		isNull;
	Datum		value;

	StoredRowBegin(&row, STORED_PROFILE,
				   (int64[]) {DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull))});
	value = slot_getattr(slot, PROFILE_FEATURES, &isNull);
	if (!isNull)
		bytes.features = DatumGetFeatureStateP(value);
	value = slot_getattr(slot, PROFILE_RECENT, &isNull);
	if (!isNull)
		bytes.recent = DatumGetByteaPP(value);
	(void) StoredRowTry(&row, ReadProfileBytes, &bytes, "what only it names is not kept");
	StoredRowEnd(&row);
}

/* What a session's row names. */
static void
ReadSession(Sweep *sweep, TupleTableSlot *slot)
{
	Session		session;

	if (!SessionTryReadRow(slot, &session, "what only it names is not kept"))
		return;
	for (int i = 0; i < session.itemCount; i++)
		MeetItem(sweep, session.items[i].itemKey);
}

/* Read a table, row by row. */
static void
ReadRows(Sweep *sweep, const char *name, Snapshot snapshot,
		 void (*read) (Sweep *sweep, TupleTableSlot *slot))
{
	Relation	table = RelationOpenTable(name, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "personalize sweep row",
											  ALLOCSET_DEFAULT_SIZES);

	while (IsOpen(sweep) && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext oldContext = MemoryContextSwitchTo(row);

		read(sweep, slot);
		MemoryContextSwitchTo(oldContext);
		MemoryContextReset(row);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
	MemoryContextDelete(row);
}

/* A value that an event counts for a signal; SignalCount. */
static void
CountValue(void *arg, uint64 featureKey, int64 sum, const char *text, int length)
{
	MeetFeature(arg, featureKey);
}

/* What a raw event names. */
static void
ReadEvent(Sweep *sweep, ItemReader *items, const EventRow *row)
{
	const SignalEvent *event;

	if (row->hasItem)
		MeetItem(sweep, row->itemKey);
	if (sweep->values.open == 0 || row->consent == 0)
		return;
	event = SignalSetEvent(&sweep->signals, row->event);
	if (event != NULL)
		(void) SignalEvaluate(event, row, items, CountValue, sweep);
}

/* Read the raw events of which none below minTxid matters. */
static void
ReadEvents(Sweep *sweep, Snapshot snapshot, int64 minTxid)
{
	EventScanOptions options = {.snapshot = snapshot,.minTxid = minTxid,.allDays = true};
	ItemReader *items = ItemReaderBegin(snapshot);
	EventScan  *scan = EventScanBegin(&options);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize sweep event",
												  ALLOCSET_DEFAULT_SIZES);
	EventRow	row;

	while (IsOpen(sweep) && EventScanNext(scan, &row))
	{
		MemoryContext oldContext = MemoryContextSwitchTo(context);

		ReadEvent(sweep, items, &row);
		MemoryContextSwitchTo(oldContext);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	EventScanEnd(scan);
	ItemReaderEnd(items);
	MemoryContextDelete(context);
}

/* Keep processors from beginning a batch until the transaction ends; false if one is under way. */
static bool
LockProcessors(bool wait)
{
	for (ProcessorId id = PROCESSOR_PROFILE; id <= PROCESSOR_COUNT; id++)
	{
		const ProcessorMethods *methods = ProcessorGet(id);

		for (int shard = 0; methods != NULL && shard < methods->shards; shard++)
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

/* Delete the values nobody has. */
static int64
DeleteValues(Sweep *sweep)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2ARRAYOID, INT8ARRAYOID};
	Datum		values[2];
	int			count;
	uint64	   *keys = ListOpen(&sweep->values, &count);
	Datum	   *signals = palloc_extended(sizeof(Datum) * (count + 1), MCXT_ALLOC_HUGE);
	Datum	   *hashes = palloc_extended(sizeof(Datum) * (count + 1), MCXT_ALLOC_HUGE);
	SpiUtilScope scope;
	int64		deleted;

	if (count == 0)
		return 0;
	for (int i = 0; i < count; i++)
	{
		signals[i] = Int16GetDatum(FeatureKeySignal(keys[i]));
		hashes[i] = Int64GetDatum(FeatureKeyHash(keys[i]));
	}
	values[0] = PointerGetDatum(construct_array(signals, count, INT2OID, 2, true, TYPALIGN_SHORT));
	values[1] = PointerGetDatum(construct_array(hashes, count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilBegin(&scope);
	deleted = SpiUtilRun(&plan,
						 "DELETE FROM personalize.feature_value v USING unnest($1, $2) AS k (signal, value_key)"
						 " WHERE v.signal = k.signal AND v.value_key = k.value_key",
						 2, types, values, NULL, false);
	SpiUtilEnd(&scope);
	return deleted;
}

/* Run a statement that must not see more than the snapshot; rows processed. */
static int64
RunUnder(Snapshot snapshot, const char *sql, Datum value)
{
	Oid			types[] = {INT8ARRAYOID};
	SPIPlanPtr	plan = SPI_prepare(sql, 1, types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	if (SPI_execute_snapshot(plan, &value, NULL, snapshot, InvalidSnapshot, false, false, 0) < 0)
		elog(ERROR, "\"%s\" failed", sql);
	return (int64) SPI_processed;
}

/* Delete the bare items nobody has, and what the log has of them. */
static int64
DeleteItems(Sweep *sweep, Snapshot snapshot)
{
	Datum		keys;
	SpiUtilScope scope;
	int64		deleted;
	int			kept = 0;

	for (int i = 0; i < sweep->itemCount; i++)
	{
		uint64		key = FeatureValueHash(DatumGetInt64(sweep->itemKeys[i]));
		Candidate  *candidate = hash_search(sweep->items.table, &key, HASH_FIND, NULL);

		if (!candidate->met)
			sweep->itemKeys[kept++] = sweep->itemKeys[i];
	}
	sweep->itemCount = kept;
	if (kept == 0)
		return 0;
	keys = ItemArray(sweep);
	SpiUtilBegin(&scope);
	(void) RunUnder(snapshot,
					"DELETE FROM personalize._dictionary_log WHERE kind = 'i' AND key = ANY ($1)", keys);
	deleted = RunUnder(snapshot,
					   "DELETE FROM personalize.item i WHERE i.item_key = ANY ($1) AND " ERASURE_BARE_ITEM, keys);
	SpiUtilEnd(&scope);
	return deleted;
}

/* Read everything that may refer to a candidate, beside the processors. */
static void
ReadAll(Sweep *sweep)
{
	Snapshot	snapshot;

	ReadTables(sweep);
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (sweep->items.open > 0)
		ReadRows(sweep, "session", snapshot, ReadSession);
	if (IsOpen(sweep))
		ReadRows(sweep, "profile", snapshot, ReadProfile);
	if (IsOpen(sweep))
		ReadEvents(sweep, snapshot, 0);
	UnregisterSnapshot(snapshot);
}

/*
 * Read again what processors have not counted, or had not when the sweep began;
 * then delete what nobody has, and tell backends that rows have gone.
 */
static void
Decide(Sweep *sweep, int64 minTxid, ErasureSweepResult *result)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	ReadEvents(sweep, snapshot, minTxid);
	DictionaryLock();
	result->values = DeleteValues(sweep);
	result->items = DeleteItems(sweep, snapshot);
	if (result->values + result->items > 0)
		CacheInvalidateRelcacheByRelid(RelationFind("feature_value", false));
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
	sweep.signals = SignalSetGet();
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
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "UPDATE personalize.erasure e SET"
			   " reached = reached || jsonb_build_object('dictionary', clock_timestamp()),"
			   " stage = CASE WHEN reached ? 'statistics' THEN 'statistics' ELSE 'dictionary' END"
			   " WHERE NOT reached ? 'dictionary' AND NOT EXISTS ("
			   " SELECT FROM personalize._erasure_candidate c WHERE c.noted_at <= e.requested_at)",
			   0, NULL, NULL, NULL, false);
	SpiUtilEnd(&scope);
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
	uint64		pages = 0;
	List	   *partitions;
	ListCell   *cell;

	pages = (uint64) TablePages("profile") + TablePages("session") + TablePages("item_stat");
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

/*
 * processor_rebuild.c
 *		Counting anew what a processor has counted, while it is in use.
 *
 * rebuild_processor() only says which shards are to be counted anew (_rebuild; what
 * is counted anew of a part alone, see processor_backfill.c).
 * Batches take them a few at a time, in turn with what is waiting: in one
 * transaction the shards' rows go, all raw events that exist are counted for them,
 * and the position is where that snapshot ends.  Until it commits everybody reads
 * the rows that were there, afterwards the new ones; a crash undoes a part and
 * nothing else.  A withdrawal waits for a part at most.
 *
 * Where a processor tells how much its rows hold, a part is about a batch of that: the
 * position stays where it is, and what it contains is counted anew.
 */
#include "postgres.h"

#include "workers/processor_rebuild.h"

#include "base/argument.h"
#include "base/keyed.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_rebuild_processor);

/* Shards counted anew in one transaction: each part reads all raw events. */
#define SHARDS_PER_PART 4

/* An array of the shards that are marked. */
Datum
ProcessorShardArray(const bool *shards)
{
	Datum		numbers[SHARD_COUNT];
	int			count = 0;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		if (shards[shard])
			numbers[count++] = Int16GetDatum(shard);
	return PointerGetDatum(construct_array(numbers, count, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
}

/* Mark the shards that are still to be counted anew, as the active snapshot sees it; how many. */
int
ProcessorOutdated(ProcessorId id, bool shards[SHARD_COUNT])
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(id)};
	SpiUtilScope scope;
	int			count;

	memset(shards, false, sizeof(bool) * SHARD_COUNT);
	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan, "SELECT shard FROM personalize._rebuild"
					   " WHERE processor = $1 AND part = 0 AND shard BETWEEN 0 AND 63", 1, types, values, NULL, true);
	for (int row = 0; row < count; row++)
	{
		bool		isNull;

		shards[DatumGetInt16(SpiUtilValue(row, 1, &isNull))] = true;
	}
	SpiUtilEnd(&scope);
	return count;
}

/* Take a part of the shards that are outdated, and claimed. */
int
ProcessorTakePart(Batch *batch)
{
	int64		limit = batch->methods->held ?
		(int64) personalize_batch_events * SHARD_COUNT / Max(batch->methods->held(), 1) : SHARDS_PER_PART;
	int			taken = 0;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		batch->claimed[shard] &= batch->outdated[shard] && taken < Max(limit, 1);
		taken += batch->claimed[shard];
	}
	return taken;
}

/* Forget where the part's shards have got. */
static void
ForgetPositions(Batch *batch)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT2ARRAYOID};
	Datum		values[] = {Int16GetDatum(batch->methods->id), ProcessorShardArray(batch->claimed)};

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		if (batch->claimed[shard])
			batch->from[shard] = TxidSnapshotNothing();
	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize.processor_position WHERE processor = $1 AND shard = ANY ($2)",
					  2, types, values, NULL, false);
}

/* Forget what was counted for the part. */
void
ProcessorBeginPart(Batch *batch)
{
	batch->minTxid = 0;
	batch->waiting = true;
	ProcessorReportPhase(batch->methods, "rebuild");
	if (!batch->stays)
		ForgetPositions(batch);
	batch->methods->clear(batch->claimed);
}

/* Everything is counted anew. */
static void
EndRebuild(const ProcessorMethods *methods)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(methods->id)};

	SpiUtilRunAsOwner(&plan, "UPDATE personalize.processor SET raw_gone_before ="
					  "  CASE WHEN raw_gone_before IS NOT DISTINCT FROM rebuilding_gone_before THEN NULL ELSE raw_gone_before END"
					  " WHERE processor = $1", 1, types, values, NULL, false);
	if (methods->rebuilt)
		methods->rebuilt();
}

/*
 * The part is counted.  After the last one: what is known of days that are gone
 * goes, unless some went meanwhile.  The caller has just written the processor's
 * row, so others' parts have either ended, and are seen, or will be the last.
 */
void
ProcessorEndPart(Batch *batch)
{
	static SPIPlanPtr donePlan = NULL;
	static SPIPlanPtr leftPlan = NULL;
	const Oid	types[] = {INT2OID, INT2ARRAYOID};
	Datum		values[] = {Int16GetDatum(batch->methods->id), ProcessorShardArray(batch->claimed)};
	SpiUtilScope scope;
	bool		isNull;
	bool		last;
	int64		total;
	int64		left;

	SpiUtilBegin(&scope);
	SpiUtilRun(&donePlan, "DELETE FROM personalize._rebuild WHERE processor = $1 AND shard = ANY ($2)",
			   2, types, values, NULL, false);
	SpiUtilRun(&leftPlan, "SELECT p.rebuilding_total, (SELECT count(*) FROM personalize._rebuild AS r WHERE r.processor = p.processor AND r.part = 0)"
			   " FROM personalize.processor AS p WHERE p.processor = $1", 1, types, values, NULL, false);
	total = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	left = DatumGetInt64(SpiUtilValue(0, 2, &isNull));
	SpiUtilEnd(&scope);
	last = left == 0;
	ProcessorNoteRebuild(batch->methods, total - left, last ? 0 : total);
	batch->result.more |= !last;
	if (last)
		EndRebuild(batch->methods);
}

/* Delete the rows of a table that fall into the shards; keyOf tells a row's key, or that it stays. */
void
ProcessorClearTable(const char *table, const char *index, const bool *shards,
					bool (*keyOf) (TupleTableSlot *slot, int64 *key))
{
	KeyedTable *keyed = KeyedOpen(table, index, RowExclusiveLock);
	TupleTableSlot *slot;

	ProcessorPushSnapshot();
	KeyedSeek(keyed, GetActiveSnapshot(), 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(keyed, ForwardScanDirection)) != NULL)
	{
		int64		key;

		CHECK_FOR_INTERRUPTS();
		if (keyOf(slot, &key) && shards[ShardOfKey(key)])
			KeyedDelete(keyed, &slot->tts_tid);
	}
	PopActiveSnapshot();
	KeyedClose(keyed);
}

/* Say that a processor is being rebuilt, and how many shards that is. */
static void
StoreRebuild(const ProcessorMethods *methods, int64 total)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, TEXTOID, INT8OID};
	Datum		values[] = {Int16GetDatum(methods->id), CStringGetTextDatum(methods->name), Int64GetDatum(total)};

	SpiUtilRun(&plan,
			   "INSERT INTO personalize.processor AS p (processor, name, rebuilding_since, rebuilding_total)"
			   " VALUES ($1, $2, pg_catalog.clock_timestamp(), $3)"
			   " ON CONFLICT (processor) DO UPDATE SET events = 0, rejected = 0,"
			   " rebuilding_gone_before = p.raw_gone_before, rebuilding_since = excluded.rebuilding_since,"
			   " rebuilding_total = excluded.rebuilding_total",
			   lengthof(types), types, values, NULL, false);
}

/* Shard by shard: mark those that have counted anything. */
static void
MarkShards(const ProcessorMethods *methods)
{
	SpiUtilScope scope;
	int64		count;

	SpiUtilBegin(&scope);
	/* one asks at a time, and in the order in which batches write */
	SPI_execute(psprintf("SELECT FROM personalize.processor WHERE processor = %d FOR NO KEY UPDATE", methods->id), false, 0);
	SPI_execute(psprintf("DELETE FROM personalize._rebuild WHERE processor = %d AND part = 0", methods->id), false, 0);
	SPI_execute(psprintf("INSERT INTO personalize._rebuild (processor, shard)"
						 " SELECT processor, shard FROM personalize.processor_position WHERE processor = %d", methods->id), false, 0);
	count = SPI_processed;
	StoreRebuild(methods, count);
	SpiUtilEnd(&scope);
	if (count == 0)
		EndRebuild(methods);
}

/* rebuild_processor(name): have every raw event counted again. */
Datum
personalize_rebuild_processor(PG_FUNCTION_ARGS)
{
	const ProcessorMethods *methods;

	ArgumentCheckGiven(fcinfo, 0, "name");
	methods = ProcessorByName(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	ProcessorCheckMayRun();
	ProcessorPushSnapshot();
	MarkShards(methods);
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

/*
 * processor_backfill.c
 *		Counting a part of what a processor counts anew, that part alone.
 *
 * A part is what came to be counted later than the rest: of profiles a signal that
 * is new or has changed.  Shards are marked (_rebuild.part) and taken by batches in
 * turn with what is waiting, as those of a rebuild: in one transaction what the
 * shards' rows have of the part goes, and the events that the processor has passed
 * in these shards are counted for it.  The position does not move, so whatever was
 * counted of the part before, by batches, recounts or an earlier attempt, is in the
 * result once; a crash undoes the transaction and nothing else.
 *
 * An event that the processor has set aside is left out.  One that cannot be counted
 * for the part is told of in rejected_event, and counts for everything else.
 */
#include "postgres.h"

#include "workers/processor_backfill.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "workers/processor_rebuild.h"

/* Shards of one transaction at least: each transaction reads all raw events. */
#define LEAST_SHARDS 4

/* Have a part counted anew in all shards. */
void
ProcessorAskBackfill(ProcessorId id, int16 part)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT2OID, INT4OID};
	Datum		values[] = {Int16GetDatum(id), Int16GetDatum(part), Int32GetDatum(SHARD_COUNT)};

	SpiUtilRunAsOwner(&plan, "INSERT INTO personalize._rebuild (processor, shard, part)"
					  " SELECT $1, s, $2 FROM generate_series(0, $3 - 1) AS s"
					  " ON CONFLICT (processor, shard, part) DO UPDATE SET asked_at = excluded.asked_at",
					  lengthof(types), types, values, NULL, false);
}

/* It need not be any more. */
void
ProcessorForgetBackfill(ProcessorId id, int16 part)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT2OID};
	Datum		values[] = {Int16GetDatum(id), Int16GetDatum(part)};

	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize._rebuild WHERE processor = $1 AND part = $2",
					  lengthof(types), types, values, NULL, false);
}

/* True if some part is to be counted anew. */
bool
ProcessorHasBackfill(const ProcessorMethods *methods)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(methods->id)};

	if (methods->clearParts == NULL)
		return false;
	return SpiUtilRunAsOwner(&plan, "SELECT FROM personalize._rebuild WHERE processor = $1 AND part <> 0 LIMIT 1",
							 lengthof(types), types, values, NULL, true) > 0;
}

/*
 * How many shards have about as many events as a batch: who waits for a stripe (an
 * erasure) waits for one transaction.
 */
static int
ShardsPerTransaction(const ProcessorMethods *methods)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT8OID};
	Datum		values[] = {Int16GetDatum(methods->id), Int64GetDatum((int64) personalize_batch_events * SHARD_COUNT)};
	SpiUtilScope scope;
	int64		shards = SHARD_COUNT;
	bool		isNull;

	SpiUtilBegin(&scope);
	if (SpiUtilRun(&plan, "SELECT $2 / greatest(events, 1) FROM personalize.processor WHERE processor = $1",
				   lengthof(types), types, values, NULL, true) > 0)
		shards = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return (int) Max(LEAST_SHARDS, Min(shards, SHARD_COUNT));
}

/* Note a part. */
static void
AddPart(ProcessorParts *parts, int16 part)
{
	parts->parts = parts->count == 0 ? palloc(sizeof(int16)) :
		repalloc(parts->parts, sizeof(int16) * (parts->count + 1));
	parts->parts[parts->count++] = part;
}

/* Parts as an array for SQL. */
Datum
ProcessorPartArray(const ProcessorParts *parts)
{
	Datum	   *datums = palloc_array(Datum, parts->count + 1);

	for (int i = 0; i < parts->count; i++)
		datums[i] = Int16GetDatum(parts->parts[i]);
	return PointerGetDatum(construct_array(datums, parts->count, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
}

/* Leave of the claimed shards those that a back-fill is for, and note which parts. */
int
ProcessorTakeBackfill(Batch *batch)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(batch->methods->id)};
	int			limit = ShardsPerTransaction(batch->methods);
	bool		taken[SHARD_COUNT] = {false};
	bool	   *noted = palloc0_array(bool, PG_UINT16_MAX + 1);
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;
	uint64		count;
	int			shards = 0;

	/* from here on no part comes or goes */
	batch->methods->lockParts();
	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan, "SELECT shard, part FROM personalize._rebuild"
					   " WHERE processor = $1 AND part <> 0 AND shard BETWEEN 0 AND 63 ORDER BY shard, part",
					   lengthof(types), types, values, NULL, false);
	for (uint64 row = 0; row < count; row++)
	{
		bool		isNull;
		int			shard = DatumGetInt16(SpiUtilValue(row, 1, &isNull));
		MemoryContext spi = MemoryContextSwitchTo(context);

		if (batch->claimed[shard] && !batch->outdated[shard] && (taken[shard] || shards < limit))
		{
			int16		part = DatumGetInt16(SpiUtilValue(row, 2, &isNull));

			shards += !taken[shard];
			taken[shard] = true;
			if (!noted[(uint16) part])
				AddPart(&batch->parts, part);
			noted[(uint16) part] = true;
		}
		MemoryContextSwitchTo(spi);
	}
	SpiUtilEnd(&scope);
	memcpy(batch->claimed, taken, sizeof(taken));
	return shards;
}

/* Forget what was counted of the parts; what the processor has passed is to be counted. */
void
ProcessorBeginBackfill(Batch *batch)
{
	batch->minTxid = 0;
	batch->waiting = true;
	ProcessorReportPhase(batch->methods, "back-fill");
	batch->setAsideCount = ProcessorReadRejected(batch->methods->name, NULL, &batch->setAside);
	batch->methods->clearParts(batch->claimed, &batch->parts);
}

/* Those of some parts that have been counted in all shards. */
static ProcessorParts
FindFilled(const ProcessorMethods *methods, const ProcessorParts *parts)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT2ARRAYOID};
	Datum		values[] = {Int16GetDatum(methods->id), ProcessorPartArray(parts)};
	ProcessorParts filled = {0};
	MemoryContext caller = CurrentMemoryContext;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT p FROM unnest($2) AS p WHERE NOT EXISTS ("
			   "SELECT FROM personalize._rebuild AS r WHERE r.processor = $1 AND r.part = p)",
			   lengthof(types), types, values, NULL, false);
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isNull;

		AddPart(&filled, DatumGetInt16(SpiUtilValue(i, 1, &isNull)));
	}
	SpiUtilEnd(&scope);
	return filled;
}

/*
 * It is counted.  The caller has just written the processor's row, so others'
 * back-fills have either ended, and are seen, or will be the last.
 */
void
ProcessorEndBackfill(Batch *batch)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT2ARRAYOID, INT2ARRAYOID};
	Datum		values[] = {
		Int16GetDatum(batch->methods->id), ProcessorShardArray(batch->claimed), ProcessorPartArray(&batch->parts)
	};
	ProcessorParts filled;

	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize._rebuild WHERE processor = $1 AND shard = ANY ($2) AND part = ANY ($3)",
					  lengthof(types), types, values, NULL, false);
	filled = FindFilled(batch->methods, &batch->parts);
	if (filled.count > 0)
		batch->methods->filled(&filled);
	batch->result.backfilled = true;
}

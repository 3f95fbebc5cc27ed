/*
 * processor_verify.c
 *		verify_counts(): what the processors hold against what the raw events say.
 *
 * The events that a processor has passed and not set aside are given to its own
 * begin and add, as in a batch; compare then looks at what is stored instead of
 * adding to it.  All is read under one snapshot, which sees rows and positions
 * of the same batches, so nothing is locked and events that wait do no harm.
 *
 * Raw events go before the counts that were made of them.  Processors remember
 * the newest day they have lost: what happened since is compared exactly, of what
 * happened earlier at least the events that are left must be counted.
 *
 * The events are read in several passes, each for some shards, so that memory
 * stays within bounds.
 */
#include "postgres.h"

#include "workers/processor_verify.h"

#include "access/table.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_verify_counts);

/* A pass for so much of the processor's table. */
#define PASS_BYTES (64 * 1024 * 1024)

/* Compare one key's count. */
void
ProcessorVerifyKey(ProcessorVerification *verification, int number, int64 expected, int64 found,
				   bool exactly, char *key)
{
	ProcessorPart *part = &verification->parts[number];

	part->compared++;
	part->expected += expected;
	part->found += found;
	if ((found < expected || (found != expected && exactly)) && part->wrong++ == 0)
		part->first = MemoryContextStrdup(verification->context,
										  psprintf("%s: " INT64_FORMAT " found, " INT64_FORMAT " expected",
												   key, found, expected));
	pfree(key);
}

/*
 * Since when a processor's raw events are complete, and since when what it made
 * of them is kept.  A clock may have been five minutes ahead of ours, so the day
 * after the last one that lost events is left out, too.
 */
static void
ReadBounds(ProcessorVerification *verification, const ProcessorMethods *methods)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, TEXTOID};
	Datum		values[] = {Int16GetDatum(methods->id), CStringGetTextDatum(methods->name)};
	SpiUtilScope scope;
	bool		isNull;
	Datum		since;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT (greatest("
			   "  (SELECT p.raw_gone_before FROM personalize.processor AS p WHERE p.processor = $1),"
			   "  (SELECT max(d.day) + 1 FROM personalize._event_day AS d"
			   "   WHERE to_regclass('personalize.event_p' || translate(d.day::text, '-', '')) IS NULL)) + 1)"
			   "  ::timestamp AT TIME ZONE 'UTC',"
			   " date_trunc('day', clock_timestamp(), 'UTC') + interval '24 hours'"
			   "  - (SELECT max(r.keep) FROM personalize.retention_policy AS r WHERE r.kind = $2),"
			   " EXISTS (SELECT FROM personalize._rebuild AS r WHERE r.processor = $1 AND r.part <> 0)",
			   2, types, values, NULL, true);
	since = SpiUtilValue(0, 1, &isNull);
	verification->since = isNull ? DT_NOBEGIN : DatumGetTimestampTz(since);
	since = SpiUtilValue(0, 2, &isNull);
	verification->keptSince = isNull ? DT_NOBEGIN : DatumGetTimestampTz(since);
	verification->filling = DatumGetBool(SpiUtilValue(0, 3, &isNull));
	SpiUtilEnd(&scope);
}

/* How many passes a processor's table needs. */
static int
CountPasses(const ProcessorMethods *methods)
{
	Relation	table = RelationOpenTable(methods->name, AccessShareLock);
	uint64		bytes = (uint64) RelationGetNumberOfBlocks(table) * BLCKSZ;

	table_close(table, AccessShareLock);
	return (int) Min(1 + bytes / PASS_BYTES, (uint64) SHARD_COUNT);
}

/* Give the events of the pass to the processor, and let it compare. */
static void
RunPass(ProcessorVerification *verification, const ProcessorMethods *methods,
		TxidSnapshot *const *positions, EventRow *rejected, uint64 rejectedCount)
{
	EventScanOptions options = {.snapshot = verification->snapshot,.allDays = true,.keysOnly = methods->keysOnly};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize verify",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	MemoryContext eventContext = AllocSetContextCreate(context, "personalize event",
													   ALLOCSET_DEFAULT_SIZES);
	void	   *state = methods->begin();
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (EventScanNext(scan, &row))
	{
		int			shard = methods->shardOf(&row);

		CHECK_FOR_INTERRUPTS();
		if (shard < 0 || !verification->shards[shard] || !TxidIsSeen(row.txid, positions[shard]) ||
			ProcessorTakeRejected(&row, rejected, rejectedCount))
			continue;
		MemoryContextSwitchTo(eventContext);
		methods->addToCompare(state, &row);
		MemoryContextSwitchTo(context);
		MemoryContextReset(eventContext);
	}
	EventScanEnd(scan);
	methods->compare(state, verification);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Put the rows of one processor. */
static void
PutParts(ReturnSetInfo *output, const ProcessorMethods *methods, const ProcessorVerification *verification)
{
	for (int i = 0; i < PROCESSOR_MAX_PARTS; i++)
	{
		const ProcessorPart *part = &verification->parts[i];
		Datum		values[7];
		bool		nulls[7] = {false};

		if (part->what == NULL)
			continue;
		values[0] = CStringGetTextDatum(methods->name);
		values[1] = CStringGetTextDatum(part->what);
		values[2] = Int64GetDatum(part->compared);
		values[3] = Int64GetDatum(part->wrong);
		values[4] = Int64GetDatum(part->expected);
		values[5] = Int64GetDatum(part->found);
		nulls[6] = part->first == NULL;
		if (part->first)
			values[6] = CStringGetTextDatum(part->first);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
}

/* _verify_counts(): the processors that can compare, part by part. */
Datum
personalize_verify_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	PushActiveSnapshot(GetLatestSnapshot());
	for (ProcessorId id = PROCESSOR_PROFILE; id <= PROCESSOR_COUNT; id++)
	{
		const ProcessorMethods *methods = ProcessorGet(id);
		ProcessorVerification verification = {.snapshot = GetActiveSnapshot(),.context = CurrentMemoryContext};
		TxidSnapshot *positions[SHARD_COUNT];
		EventRow   *rejected;
		uint64		rejectedCount;
		int			passes;

		if (methods == NULL || methods->compare == NULL)
			continue;
		ReadBounds(&verification, methods);
		for (int shard = 0; shard < SHARD_COUNT; shard++)
			positions[shard] = ProcessorPosition(id, shard, verification.snapshot);
		rejectedCount = ProcessorReadRejected(methods->name, NULL, &rejected);
		passes = CountPasses(methods);
		for (int pass = 0; pass < passes; pass++)
		{
			for (int shard = 0; shard < SHARD_COUNT; shard++)
				verification.shards[shard] = shard % passes == pass;
			RunPass(&verification, methods, positions, rejected, rejectedCount);
		}
		PutParts(output, methods, &verification);
	}
	PopActiveSnapshot();
	return (Datum) 0;
}

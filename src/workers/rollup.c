/*
 * rollup.c
 *		Running the processors in the foreground: rollup_now and rebuild_processor.
 */
#include "postgres.h"

#include "workers/processor_private.h"

#include "access/xact.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/subtransaction.h"
#include "compat.h"
#include "events/partition.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "workers/processor_scan.h"

PG_FUNCTION_INFO_V1(personalize_rollup_now);
PG_FUNCTION_INFO_V1(personalize_rebuild_processor);
PG_FUNCTION_INFO_V1(personalize_processor_number);
PG_FUNCTION_INFO_V1(personalize_check_processor);

/* The processor with this name; NULL: there is none. */
static const ProcessorMethods *
FindProcessor(const text *name)
{
	for (int id = 1; id <= PROCESSOR_COUNT; id++)
	{
		const ProcessorMethods *methods = ProcessorGet(id);

		if (methods != NULL && strlen(methods->name) == VARSIZE_ANY_EXHDR(name) &&
			memcmp(methods->name, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0)
			return methods;
	}
	return NULL;
}

/* The processor with this name, or an error that lists all. */
static const ProcessorMethods *
ProcessorByName(const text *name)
{
	const ProcessorMethods *methods = FindProcessor(name);
	StringInfoData names;

	if (methods != NULL)
		return methods;
	initStringInfo(&names);
	for (int id = 1; id <= PROCESSOR_COUNT; id++)
		appendStringInfo(&names, "%s%s", id == 1 ? "" : id == PROCESSOR_COUNT ? " and " : ", ", ProcessorGet(id)->name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("processor \"%s\" does not exist", text_to_cstring(name)),
			 errhint("The processors are %s.", names.data)));
}

/* _processor_number(name): NULL if there is none. */
Datum
personalize_processor_number(PG_FUNCTION_ARGS)
{
	const ProcessorMethods *methods = FindProcessor(PG_GETARG_TEXT_PP(0));

	if (methods == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT16(methods->id);
}

/* _check_processor(name): its number, or an error. */
Datum
personalize_check_processor(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16(ProcessorByName(PG_GETARG_TEXT_PP(0))->id);
}

/* One batch in a subtransaction; if an event fails it, once more to set that aside. */
static ProcessorBatchResult
RunBatchSafely(const ProcessorMethods *methods)
{
	ProcessorBatchOptions options = {.workerCount = 1,.wait = true};
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			level = GetCurrentTransactionNestLevel();
	volatile bool failed = false;
	ProcessorBatchResult result = {0};

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = ProcessorRunBatch(methods, &options);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error = SubtransactionFailed(context, owner, level);

		if (ProcessorErrorIsPassing(error->sqlerrcode))
			ReThrowError(error);
		failed = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (failed)
	{
		options.isolate = true;
		result = ProcessorRunBatch(methods, &options);
	}
	return result;
}

/* Keep the days in order, where no worker does. */
static void
MaintainDays(void)
{
	PartitionMakeAhead(3);
	ProcessorPushSnapshot();
	PartitionSummarize();
	PartitionCloseDays(ProcessorAllSeenBelow(GetActiveSnapshot()), PG_INT32_MAX);
	PopActiveSnapshot();
}

/* rollup_now(): run every enabled processor until nothing is waiting. */
Datum
personalize_rollup_now(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;

	ProcessorCheckMayRun();
	InitMaterializedSRF(fcinfo, 0);
	for (int id = 1; id <= PROCESSOR_COUNT; id++)
	{
		int64		events = 0;
		int64		rejected = 0;
		Datum		values[3];
		bool		nulls[3] = {false};
		ProcessorBatchResult result;

		if (ProcessorGet(id) == NULL || !ProcessorIsEnabled(id))
			continue;
		do
		{
			result = RunBatchSafely(ProcessorGet(id));
			events += result.events;
			rejected += result.rejected;
		} while (result.more);
		values[0] = CStringGetTextDatum(ProcessorGet(id)->name);
		values[1] = Int64GetDatum(events);
		values[2] = Int64GetDatum(rejected);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	MaintainDays();
	return (Datum) 0;
}

/* rebuild_processor(name): forget the results and count every raw event again. */
Datum
personalize_rebuild_processor(PG_FUNCTION_ARGS)
{
	const ProcessorMethods *methods = ProcessorByName(PG_GETARG_TEXT_PP(0));
	char	   *command;
	SpiUtilScope scope;

	ProcessorCheckMayRun();
	/* which days there are must not change under it */
	RetentionLock();
	for (int shard = 0; shard < methods->shards; shard++)
		ShardLock(methods->id, shard);
	/* nobody is being forgotten meanwhile */
	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
		StripeLock(stripe, false);
	ProcessorPushSnapshot();
	methods->reset();
	SpiUtilBegin(&scope);
	command = psprintf("DELETE FROM personalize.processor_position WHERE processor = %d", methods->id);
	SPI_execute(command, false, 0);
	SPI_execute("UPDATE personalize._event_day SET rolled = false WHERE rolled", false, 0);
	command = psprintf("INSERT INTO personalize.processor AS p (processor, name, rebuilding_since, rebuilding_upto)"
					   " VALUES (%d, '%s', pg_catalog.clock_timestamp(), '%s')"
					   " ON CONFLICT (processor) DO UPDATE SET events = 0, rejected = 0, raw_gone_before = NULL,"
					   " rebuilding_since = excluded.rebuilding_since, rebuilding_upto = excluded.rebuilding_upto",
					   methods->id, methods->name, TxidSnapshotFormat(TxidSnapshotTake()));
	SPI_execute(command, false, 0);
	SpiUtilEnd(&scope);
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

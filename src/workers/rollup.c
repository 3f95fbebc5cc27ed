/*
 * rollup.c
 *		Running the processors in the foreground: rollup_now.
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

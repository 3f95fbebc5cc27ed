/*
 * rollup.c
 *		Running the processors in the foreground: rollup_now.
 */
#include "postgres.h"

#include "workers/processor_private.h"

#include "access/xact.h"
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

/* A batch in the foreground. */
typedef struct Run
{
	const ProcessorMethods *methods;
	ProcessorBatchOptions options;
	ProcessorBatchResult result;
} Run;

/* Run it. */
static bool
RunBatch(void *argument)
{
	Run		   *run = argument;

	run->result = ProcessorRunBatch(run->methods, &run->options);
	return true;
}

/* One batch in a subtransaction; if an event fails it, once more to set that aside. */
static ProcessorBatchResult
RunBatchSafely(const ProcessorMethods *methods)
{
	Run			run = {.methods = methods,.options = {.workerCount = 1,.wait = true}};
	ErrorData  *error = SubtransactionTry(RunBatch, &run);

	if (error != NULL && ProcessorErrorIsPassing(error->sqlerrcode))
		ReThrowError(error);
	if (error != NULL)
	{
		run.options.isolate = true;
		run.result = ProcessorRunBatch(methods, &run.options);
	}
	return run.result;
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

/*
 * processor_isolate.c
 *		Finding the events that cannot be processed.
 *
 * An event whose processing raises an error is found by halving the batch, each
 * half in a subtransaction, and goes to rejected_event; all others count.
 * Errors that say nothing about the event (deadlock, cancel, out of memory, a table
 * that is gone, or before the first event) are passed on instead, and so is the error if so many
 * events fail that the processor must be at fault.
 */
#include "postgres.h"

#include "workers/processor_private.h"

#include "access/xact.h"
#include "base/spi_util.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor_scan.h"

/* More failing events than this in one batch, or people with rows that cannot be read, mean that the processor is at fault. */
#define MAX_REJECTED_PER_BATCH 100

/* Events from..until-1 of the batch, numbered in the order of the scan. */
typedef struct Range
{
	int64		from;
	int64		until;
	bool		reached;		/* an event was begun with: */
	EventRow	last;			/* this one was the last */
} Range;

/* Count the events of a range. */
static void
RunRange(Batch *batch, Range *range)
{
	const ProcessorMethods *methods = batch->methods;
	EventScan  *scan = ProcessorBeginScan(batch, methods->keysOnly);
	EventRow	row;
	int64		number = 0;
	void	   *state;

	ProcessorPushSnapshot();
	state = methods->begin();
	while (number < range->until && EventScanNext(scan, &row))
	{
		if (!ProcessorBelongsToBatch(batch, &row))
			continue;
		if (number++ < range->from)
			continue;
		range->last = row;
		range->reached = true;
		methods->add(state, &row);
		CHECK_FOR_INTERRUPTS();
	}
	methods->finish(state);
	PopActiveSnapshot();
	EventScanEnd(scan);
}

/* Keep an event that cannot be processed, with its error. */
static void
RejectEvent(Batch *batch, const EventRow *row, const ErrorData *error)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, TEXTOID, INT8OID, INT4OID, INT8OID, INT2OID,
		INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT2OID, TEXTOID};
	Datum		values[11];
	char		nulls[11];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = CStringGetTextDatum(batch->methods->name);
	values[1] = CStringGetTextDatum(error->message);
	values[2] = Int64GetDatum(row->userKey);
	values[3] = Int32GetDatum(row->consent);
	values[4] = Int64GetDatum(row->txid);
	values[5] = Int16GetDatum(row->event);
	values[6] = Int64GetDatum(row->itemKey);
	nulls[6] = row->hasItem ? ' ' : 'n';
	values[7] = TimestampTzGetDatum(row->ts);
	values[8] = TimestampTzGetDatum(row->receivedAt);
	values[9] = Int16GetDatum(row->ordinal);
	/* one that only a part lacks is not set aside: see ProcessorReadRejected() */
	values[10] = CStringGetTextDatum(batch->backfills ? "not_backfilled" : "event");
	SpiUtilRunAsOwner(&plan,
					  "INSERT INTO personalize.rejected_event"
					  " (txid, source, reason, user_key, consent, payload)"
					  " VALUES ($5, $1, $2, $3, $4, pg_catalog.jsonb_build_object("
					  "'txid', $5, $11, $6, 'item_key', $7, 'ts', $8, 'received_at', $9, 'ordinal', $10))",
					  lengthof(types), types, values, nulls, false);
	batch->result.rejected++;
	if (error->sqlerrcode == ERRCODE_DATA_CORRUPTED || error->sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED)
	{
		/* one row that is damaged, or of another version, may fail all of a person's events */
		if (batch->damaged.table == NULL)
			KeySetInit(&batch->damaged, MAX_REJECTED_PER_BATCH);
		batch->failures += KeySetAdd(&batch->damaged, row->userKey);
	}
	else
		batch->failures++;
	if (batch->failures > MAX_REJECTED_PER_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("processor \"%s\" fails for more than %d events of one batch: %s",
						batch->methods->name, MAX_REJECTED_PER_BATCH, error->message),
				 errhint("Nothing is lost: the batch is tried again. Correct the cause, or disable the processor.")));
}

/* True if the error tells of the state of the server or the database rather than of the event. */
bool
ProcessorErrorIsPassing(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return false;
	}
}

/* A range of a batch. */
typedef struct Part
{
	Batch	   *batch;
	Range	   *range;
} Part;

/* RunRange, in memory of the subtransaction. */
static bool
RunPart(void *argument)
{
	const Part *part = argument;
	MemoryContext caller = MemoryContextSwitchTo(AllocSetContextCreate(CurTransactionContext,
																	   "personalize batch",
																	   ALLOCSET_DEFAULT_SIZES));

	RunRange(part->batch, part->range);
	MemoryContextSwitchTo(caller);
	return true;
}

/* RunRange in a subtransaction; the error is returned, one that no event can have caused thrown. */
static ErrorData *
TryRange(Batch *batch, Range *range)
{
	Part		part = {batch, range};
	ErrorData  *error = SubtransactionTry(RunPart, &part);

	if (error && (!range->reached || ProcessorErrorIsPassing(error->sqlerrcode)))
		ReThrowError(error);
	return error;
}

/* Count a range, setting aside the events that fail. */
static void
RunIsolating(Batch *batch, int64 from, int64 until)
{
	Range		range = {.from = from,.until = until};
	ErrorData  *error = TryRange(batch, &range);
	int64		middle = from + (until - from) / 2;

	if (error == NULL)
		batch->result.events += until - from;
	else if (until - from == 1)
		RejectEvent(batch, &range.last, error);
	else
	{
		RunIsolating(batch, from, middle);
		RunIsolating(batch, middle, until);
	}
}

/* Number of events that belong to the batch after its cut. */
static int64
CountBatch(Batch *batch)
{
	EventScan  *scan = ProcessorBeginScan(batch, true);
	EventRow	row;
	int64		count = 0;

	while (EventScanNext(scan, &row))
		count += ProcessorBelongsToBatch(batch, &row);
	EventScanEnd(scan);
	return count;
}

/* Count the whole batch, setting aside the events that fail. */
void
ProcessorRunIsolating(Batch *batch)
{
	RunIsolating(batch, 0, CountBatch(batch));
}

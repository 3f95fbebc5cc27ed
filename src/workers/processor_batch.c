/*
 * processor_batch.c
 *		Exactly-once batches over the raw events.
 *
 * A processor's position is kept per shard: the snapshot up to which its
 * results contain the events.  A batch is what a new snapshot sees and the
 * position does not, and it writes its results and the new position in one
 * transaction, so a crash at any line loses nothing and counts nothing twice.
 *
 * Order of things in a batch, each needed for the next:
 *	1. lock the shards (nobody else writes their rows or positions);
 *	2. lock the stripes of their users, shared (a withdrawal that holds one
 *	   exclusively has committed before, or will wait and then find our rows);
 *	3. take the snapshot;
 *	4. read, aggregate, write, move the position.
 *
 * A batch that would be too large is cut: processor_scan.c.  Whoever takes something
 * away from people, or lets old rows go, waits for the locks of 1 and 2.  Where that is
 * seen batches are small for a while, for more such calls may come; and a batch that a
 * worker has taken larger than that is undone (WorkerSlotAsk), to be taken in parts.
 */
#include "postgres.h"

#include "workers/processor_private.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/argument.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor_backfill.h"
#include "workers/processor_rebuild.h"
#include "workers/processor_scan.h"
#include "workers/worker_slot.h"

/*
 * A batch that found nothing still moves its position after so much reading, or so long
 * a time, or if a day that is over waits for it: days that are not passed are neither
 * closed nor dropped.
 */
#define MOVE_AFTER_SCANNED 1000
#define MOVE_AFTER_MS (10 * SECS_PER_MINUTE * 1000)

/* So long batches are small after somebody has waited for one. */
#define SMALL_AFTER_WAIT (60 * USECS_PER_SEC)

int			personalize_batch_events = 100000;

/* Until when they are. */
static TimestampTz smallUntil = 0;

/* The batch that counts anew, while it does. */
static const Batch *running = NULL;

/* Define the settings. */
void
ProcessorInit(void)
{
	DefineCustomIntVariable("personalize.batch_events",
							"How many events a processor takes in one batch at most.",
							"Larger batches cost less per event and more memory; profile and neighbour take more of them at once, four for each 64 MB of maintenance_work_mem (up to 1 GB), if so many wait in small transactions, and nobody waits for the processors.",
							&personalize_batch_events,
							100000, 1, 10000000, PGC_SUSET, 0, NULL, NULL, NULL);
}

/* True in a batch that counts some anew, whose rows are incomplete until it ends. */
bool
ProcessorIsRebuilding(void)
{
	return running != NULL;
}

/* The parts that the batch counts anew alone; NULL: it counts all. */
const ProcessorParts *
ProcessorPartsOnly(void)
{
	return running != NULL && running->backfills ? &running->parts : NULL;
}

/* Note that somebody waits, or works, where batches do. */
void
ProcessorNoteWait(void)
{
	smallUntil = ClockSteady() + SMALL_AFTER_WAIT;
}

/* True if this backend has seen lately that somebody waits for the locks of batches. */
bool
ProcessorIsAwaited(void)
{
	return ClockSteady() < smallUntil;
}

/* How many events a processor takes at once now of those that wait in small transactions. */
int64
ProcessorAtOnce(const ProcessorMethods *methods)
{
	return ProcessorIsAwaited() ? personalize_batch_events : ProcessorRoundEvents(methods);
}

/* Refuse what would break exactly-once. */
void
ProcessorCheckMayRun(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("events cannot be processed during recovery"),
				 errhint("Processors run on the primary; a standby serves what they have written.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("events can only be processed at isolation level READ COMMITTED"),
				 errhint("%s", ArgumentIsolationHint())));
	if (TxidHasWrittenEvents())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("events cannot be processed by the transaction that has written some"),
				 errhint("COMMIT first: a batch takes committed events only.")));
	if (!RelationVersionMatches())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("library version \"%s\" is not the version of extension \"personalize\"",
						PERSONALIZE_VERSION),
				 errdetail("Events are taken and wait; they are not processed until the versions agree."),
				 errhint("Run ALTER EXTENSION personalize UPDATE, or restart the server if the library is the older one.")));
}

/* Step 1: lock the shards of this worker that can be had. */
static int
ClaimShards(Batch *batch, const ProcessorBatchOptions *options)
{
	int			count = 0;

	for (int shard = 0; shard < ProcessorLocks(batch->methods); shard++)
	{
		if (shard % options->workerCount != options->workerNumber)
			continue;
		if (options->wait)
			ShardLock(batch->methods->id, shard);
		else if (!ShardTryLock(batch->methods->id, shard))
		{
			batch->result.busy = true;
			continue;
		}
		batch->claimed[shard] = true;
		count++;
	}
	if (batch->methods->oneWriter)
		memset(batch->claimed, batch->claimed[0], sizeof(batch->claimed));
	return count;
}

/* Step 2: lock the users' stripes; a shard whose stripe is not to be had is left, if they are not all taken together. */
static int
LockStripes(Batch *batch, bool wait)
{
	int			count = 0;

	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
	{
		if (batch->methods->shardedByUser && !batch->claimed[stripe])
			continue;
		if (wait)
			StripeLock(stripe, false);
		else if (!StripeTryLock(stripe, false))
		{
			batch->result.busy = true;
			ProcessorNoteWait();
			if (!batch->methods->shardedByUser || batch->methods->oneWriter)
				return 0;
			batch->claimed[stripe] = false;
			continue;
		}
		count++;
	}
	return count;
}

/* Read the positions of the claimed shards. */
static void
ReadPositions(Batch *batch)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(batch->methods->id)};
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		batch->from[shard] = TxidSnapshotNothing();

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT shard, asof FROM personalize.processor_position WHERE processor = $1",
			   1, types, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isNull;
		int			shard = DatumGetInt16(SpiUtilValue(row, 1, &isNull));
		char	   *asof = TextDatumGetCString(SpiUtilValue(row, 2, &isNull));
		MemoryContext spi = MemoryContextSwitchTo(context);

		if (shard < 0 || shard >= SHARD_COUNT)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("row of \"processor_position\" with processor %d, shard %d is damaged",
							batch->methods->id, shard)));
		batch->from[shard] = TxidSnapshotParse(asof);
		MemoryContextSwitchTo(spi);
	}
	SpiUtilEnd(&scope);

	batch->minTxid = PG_INT64_MAX;
	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		if (batch->claimed[shard])
			batch->minTxid = Min(batch->minTxid, TxidSnapshotMin(batch->from[shard]));
	}
}

/* Give up to a round's number of events to the methods; false at the end. */
static bool
RunRound(Batch *batch, EventScan *scan, MemoryContext roundContext, int64 *count)
{
	const ProcessorMethods *methods = batch->methods;
	MemoryContext caller = MemoryContextSwitchTo(roundContext);
	MemoryContext eventContext = AllocSetContextCreate(roundContext,
													   "personalize event",
													   ALLOCSET_DEFAULT_SIZES);
	void	   *state = NULL;
	EventRow	row;
	int64		most = ProcessorRoundEvents(methods);
	int64		roundCount = 0;
	bool		atEnd = true;

	ProcessorPushSnapshot();
	while (EventScanNext(scan, &row))
	{
		int			shard = ProcessorShardInBatch(batch, &row);

		if (shard < 0)
			continue;
		/* what is to be counted anew will be told of then */
		*count += !batch->backfills && (batch->rebuilds || !batch->outdated[shard]);
		if (state == NULL)
			state = methods->begin();
		MemoryContextSwitchTo(eventContext);
		methods->add(state, &row);
		MemoryContextSwitchTo(roundContext);
		MemoryContextReset(eventContext);
		if (++roundCount >= most)
		{
			atEnd = false;
			break;
		}
		if (roundCount % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	if (state)
	{
		ProcessorReportPhase(methods, "write");
		methods->finish(state);
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
	MemoryContextReset(roundContext);
	return !atEnd;
}

/* Count the whole batch. */
static void
RunAll(Batch *batch)
{
	MemoryContext roundContext = AllocSetContextCreate(CurrentMemoryContext,
													   "personalize batch",
													   ALLOCSET_DEFAULT_SIZES);
	EventScan  *scan = ProcessorBeginScan(batch, batch->methods->keysOnly);

	ProcessorReportPhase(batch->methods, "read");
	while (RunRound(batch, scan, roundContext, &batch->result.events))
		;
	EventScanEnd(scan);
	MemoryContextDelete(roundContext);
}

/*
 * Move the positions of the claimed shards on.  A shard may be past the cut, or
 * contain some of what comes after it: what it has counted stays counted.
 */
static void
WritePositions(const Batch *batch)
{
	TxidSnapshot *positions[SHARD_COUNT] = {NULL};

	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		if (!batch->claimed[shard] || TxidSnapshotContains(batch->from[shard], batch->upto))
			continue;
		positions[shard] = TxidSnapshotJoin(batch->from[shard], batch->upto);
		Assert(TxidSnapshotContains(positions[shard], batch->from[shard]));
	}
	ProcessorStorePosition(batch->methods, positions);
}

/* Add the batch to the processor's counts. */
static void
WriteCounts(const Batch *batch)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, TEXTOID, INT8OID, INT8OID};
	Datum		values[4];

	values[0] = Int16GetDatum(batch->methods->id);
	values[1] = CStringGetTextDatum(batch->methods->name);
	values[2] = Int64GetDatum(batch->result.events);
	values[3] = Int64GetDatum(batch->result.rejected);
	SpiUtilRunAsOwner(&plan,
					  "INSERT INTO personalize.processor AS p"
					  " (processor, name, events, batches, rejected, last_batch_at)"
					  " VALUES ($1, $2, $3, 1, $4, pg_catalog.clock_timestamp())"
					  " ON CONFLICT (processor) DO UPDATE SET"
					  " events = p.events + $3, batches = p.batches + 1, rejected = p.rejected + $4,"
					  " last_batch_at = pg_catalog.clock_timestamp(),"
					  " last_error = CASE WHEN $4 > 0 THEN p.last_error END",
					  4, types, values, NULL, false);
}

/* True if it is time to move the position, although there was nothing to count. */
static bool
IsTimeToMove(const Batch *batch, bool foreground)
{
	static TimestampTz movedAt[PROCESSOR_COUNT + 1];
	TimestampTz now = GetCurrentTimestamp();

	if (batch->scanned <= MOVE_AFTER_SCANNED && !batch->scannedPast &&
		(batch->scanned == 0 ||
		 !(foreground || TimestampDifferenceExceeds(movedAt[batch->methods->id], now, MOVE_AFTER_MS))))
		return false;
	movedAt[batch->methods->id] = now;
	return true;
}

/* What a batch does with the shards it has claimed, and the locks held. */
static void
CountClaimed(Batch *batch, const ProcessorBatchOptions *options)
{
	if (batch->backfills)
	{
		if (ProcessorTakeBackfill(batch) > 0)
			ProcessorBeginBackfill(batch);
	}
	else if (!batch->rebuilds)
		ProcessorCutToSize(batch);
	else if (ProcessorTakePart(batch) > 0)
		ProcessorBeginPart(batch);
	if (batch->waiting)
	{
		if (options->isolate)
			ProcessorRunIsolating(batch);
		else
			RunAll(batch);
	}
}

/* Steps 3 and 4, with locks held. */
static void
RunClaimed(Batch *batch, const ProcessorBatchOptions *options)
{
	/* to a snapshot of before ALTER TABLE has written it anew it would be empty, and all would count again */
	LockRelationOid(RelationFind("processor_position", false), AccessShareLock);
	PushActiveSnapshot(GetLatestSnapshot());
	batch->snapshot = GetActiveSnapshot();
	ReadPositions(batch);
	(void) ProcessorOutdated(batch->methods->id, batch->outdated);
	for (int shard = 0; shard < SHARD_COUNT; shard++)
		batch->result.more |= batch->outdated[shard] && batch->claimed[shard];
	batch->upto = TxidSnapshotTake();
	/* whoever disables it, and then stores events, finds them waiting */
	if (!ProcessorIsEnabled(batch->methods->id))
	{
		batch->result.more = false;
		PopActiveSnapshot();
		return;
	}
	batch->stays = batch->backfills || (batch->rebuilds && batch->methods->held != NULL);
	running = batch->rebuilds || batch->backfills ? batch : NULL;
	PG_TRY();
	{
		CountClaimed(batch, options);
	}
	PG_FINALLY();
	{
		running = NULL;
	}
	PG_END_TRY();
	if (batch->waiting || (!batch->stays && IsTimeToMove(batch, options->wait)))
	{
		ProcessorReportPhase(batch->methods, "position");
		if (!batch->stays)
			WritePositions(batch);
		WriteCounts(batch);
		if (batch->backfills)
			ProcessorEndBackfill(batch);
		else if (batch->rebuilds)
			ProcessorEndPart(batch);
	}
	PopActiveSnapshot();
}

/* See whether somebody waits for the end of this transaction. */
static void
LookForWaiting(const Batch *batch)
{
	bool		awaited = false;

	for (int shard = 0; shard < SHARD_COUNT && !awaited; shard++)
		awaited = StripeIsAwaited(shard) || ShardIsAwaited(batch->methods->id, shard);
	if (awaited)
		ProcessorNoteWait();
}

/* If it is the turn of what is to be counted anew, see what there is; a rebuild goes first. */
static void
ChooseKind(Batch *batch, bool turn, const ProcessorBatchOptions *options)
{
	bool		outdated[SHARD_COUNT];

	if (batch->methods->clear == NULL)
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	batch->rebuilds = turn && ProcessorOutdated(batch->methods->id, outdated) > 0;
	if (!batch->rebuilds && !options->resting && ProcessorHasBackfill(batch->methods))
	{
		batch->backfills = turn;
		/* a worker comes back by itself */
		batch->result.more = options->wait;
	}
	PopActiveSnapshot();
}

/* Run one batch in the current transaction. */
ProcessorBatchResult
ProcessorRunBatch(const ProcessorMethods *methods, const ProcessorBatchOptions *options)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "personalize processor",
												  ALLOCSET_DEFAULT_SIZES);
	static bool turn[PROCESSOR_COUNT + 1];	/* of a rebuild, else of what is waiting */
	Batch	   *batch;
	ProcessorBatchResult result;

	ProcessorCheckMayRun();
	MemoryContextSwitchTo(context);
	batch = palloc0(sizeof(Batch));
	batch->methods = methods;
	ChooseKind(batch, turn[methods->id], options);
	ProcessorReportPhase(methods, "claim");
	/* before there are locks that somebody may wait for */
	WorkerSlotSetCanGiveWay(!options->isolate && ProcessorAtOnce(methods) > personalize_batch_events);
	if (ClaimShards(batch, options) > 0 && LockStripes(batch, options->wait) > 0)
	{
		if (methods->fold)
		{
			ProcessorPushSnapshot();
			methods->fold(batch->claimed);
			PopActiveSnapshot();
		}
		RunClaimed(batch, options);
		if (batch->result.more)
			LookForWaiting(batch);
	}
	WorkerSlotSetCanGiveWay(false);
	/* who fails tries the same again */
	turn[methods->id] = !turn[methods->id];
	result = batch->result;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	ProcessorReportPhase(methods, "commit");
	return result;
}


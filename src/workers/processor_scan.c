/*
 * processor_scan.c
 *		Which events a batch reads, and where it is cut.
 *
 * If more than personalize.batch_events are waiting, the snapshot is cut at a
 * transaction id: the batch is what a snapshot with a lower xmax sees and the
 * position does not, and the new position is what either of them sees.  So it
 * never loses what it contains, although shards get on at different speed and
 * transactions commit in another order than they began.  Of one transaction that
 * alone is larger only some shards are taken, so that whoever waits for the stripes
 * (an erasure) waits for a batch and not for all of it; a single shard with more is
 * taken in several rounds.
 *
 * Any cut is exact, and where it lies decides only how large a batch gets: so where many
 * wait, one page of some is looked at for it.
 *
 * methods->batches are taken at once of what is waiting in small transactions, but not
 * where one is larger than a batch, nor where somebody has just been waiting.
 *
 * Where rows gather all of their key, what is waiting in many batches is taken by shards,
 * too, SPAN_PARTS times what is taken at once: each row is then written once for all of these
 * instead of once a batch, which costs more than reading the events so often.  Which
 * shards they are is looked up once, and is kept until the last of these batches.
 */
#include "postgres.h"

#include "workers/processor_scan.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/grow.h"
#include "events/partition.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* So many events that wait are looked at one by one and noted, to know about where to cut. */
#define MOST_NOTED 16384

/* Scan what may belong to the batch, behind the first of them one page of so many. */
static EventScan *
BeginScan(Batch *batch, bool keysOnly, int sampleEvery)
{
	EventScanOptions options = {0};

	options.snapshot = batch->snapshot;
	options.minTxid = batch->minTxid;
	options.maxTxid = TxidSnapshotMax(batch->upto);
	options.keysOnly = keysOnly;
	options.allDays = batch->rebuilds || batch->backfills;
	options.shards = batch->left && batch->methods->shardedByUser ? batch->claimed : NULL;
	options.sampleAfter = sampleEvery > 1 ? MOST_NOTED : 0;
	options.sampleEvery = sampleEvery;
	if (batch->setAsideCount > 0)
	{
		Size		size = sizeof(EventRow) * batch->setAsideCount;

		if (batch->setAsideLeft == NULL)
			batch->setAsideLeft = palloc(size);
		memcpy(batch->setAsideLeft, batch->setAside, size);
	}
	return EventScanBegin(&options);
}

/* Scan all that may. */
EventScan *
ProcessorBeginScan(Batch *batch, bool keysOnly)
{
	return BeginScan(batch, keysOnly, 1);
}

/* Order two txids. */
static int
CompareTxids(const void *left, const void *right)
{
	int64		a = *(const int64 *) left;
	int64		b = *(const int64 *) right;

	return (a > b) - (a < b);
}

/* How many times what is taken at once is looked at where it is taken by shards. */
#define SPAN_PARTS 8

/* What is being taken by shards, so that it is looked at once and not before each batch. */
typedef struct Span
{
	TxidSnapshot *upto;			/* NULL: nothing */
	int64		most;			/* events a batch */
	int64		events[SHARD_COUNT];	/* about, that waited when they were looked at */
} Span;

static Span spans[PROCESSOR_COUNT + 1];

/* Events that wait, every step-th of them. */
typedef struct Waiting
{
	int64		count;			/* of all events */
	int			step;
	struct
	{
		int64		txid;
		int			shard;
	}		   *noted;
	int64		notedCount;
} Waiting;

/* A shard, and how many of the events that belong to the batch are its. */
typedef struct ShardEvents
{
	int			shard;
	int64		events;
} ShardEvents;

/* qsort comparator: more events first. */
static int
CompareShardEvents(const void *left, const void *right)
{
	const ShardEvents *a = left;
	const ShardEvents *b = right;

	return a->events != b->events ? (a->events > b->events ? -1 : 1) : a->shard - b->shard;
}

/*
 * Leave shards to later batches that would make this one larger than so many
 * events.  Those with the most events are taken: one that an
 * earlier batch has taken gathers some more first.
 */
static void
LeaveShards(Batch *batch, ShardEvents shards[SHARD_COUNT], int64 most)
{
	int64		taken = 0;

	qsort(shards, SHARD_COUNT, sizeof(ShardEvents), CompareShardEvents);
	for (int i = 0; i < SHARD_COUNT && shards[i].events > 0; i++)
	{
		if (taken == 0 || taken + shards[i].events <= most)
			taken += shards[i].events;
		else
		{
			batch->claimed[shards[i].shard] = false;
			batch->left = batch->result.more = true;
		}
	}
}

/* Forget what is being taken by shards. */
static void
EndSpan(Span *span)
{
	if (span->upto != NULL)
		pfree(span->upto);
	memset(span, 0, sizeof(Span));
}

/*
 * Take some of the shards that are left of a span; false: none is.  All that its
 * snapshot sees has been committed, whenever it was taken; the present one has to
 * contain it, or it is of a database that has been restored since.
 */
static bool
TakeOfSpan(Batch *batch)
{
	Span	   *span = &spans[batch->methods->id];
	ShardEvents shards[SHARD_COUNT];
	int64		most;
	bool		found = false;

	if (span->upto == NULL)
		return false;
	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		bool		waits = batch->claimed[shard] && span->events[shard] > 0 &&
			!TxidSnapshotContains(batch->from[shard], span->upto);

		shards[shard].shard = shard;
		shards[shard].events = waits ? span->events[shard] : 0;
		found |= waits;
	}
	if (!found || !TxidSnapshotContains(batch->upto, span->upto))
	{
		EndSpan(span);
		return false;
	}
	for (int shard = 0; shard < SHARD_COUNT; shard++)
		batch->claimed[shard] &= !TxidSnapshotContains(batch->from[shard], span->upto);
	batch->left = batch->waiting = batch->result.more = true;
	batch->upto = TxidSnapshotCopy(span->upto);
	most = Min(span->most, ProcessorAtOnce(batch->methods));
	batch->large = most > personalize_batch_events;
	LeaveShards(batch, shards, most);
	return true;
}

/* Take some shards of a transaction that alone is too large. */
static void
TakeByCount(Batch *batch)
{
	ShardEvents shards[SHARD_COUNT] = {0};
	EventScan  *scan = ProcessorBeginScan(batch, true);
	EventRow	row;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		shards[shard].shard = shard;
	while (EventScanNext(scan, &row))
		if (ProcessorBelongsToBatch(batch, &row))
			shards[batch->methods->shardOf(&row)].events++;
	EventScanEnd(scan);
	LeaveShards(batch, shards, personalize_batch_events);
}

/*
 * Look at up to so many of the events that wait, and note one of step.  Where there are
 * many, most pages are left out: how many there are is about as exactly known then.
 */
static void
LookAtWaiting(Batch *batch, int64 most, int step, bool samples, Waiting *waiting)
{
	int64		room = 1024;
	int64		passed = 0;
	TimestampTz today = PartitionDay(ClockNow()) * USECS_PER_DAY;
	EventScan  *scan = BeginScan(batch, true, samples ? step : 1);
	EventRow	row;

	waiting->count = waiting->notedCount = 0;
	waiting->step = step;
	waiting->noted = palloc(sizeof(waiting->noted[0]) * room);
	batch->scanned = 0;
	batch->scannedPast = false;
	while (waiting->count < most && EventScanNext(scan, &row))
	{
		int			shard = ProcessorShardInBatch(batch, &row);

		batch->scanned += EventScanStandsFor(scan);
		batch->scannedPast |= row.ts < today;
		if (shard < 0)
			continue;
		waiting->count += EventScanStandsFor(scan);
		if (waiting->count <= passed)
			continue;
		passed += step;
		GrowArray(waiting->noted, waiting->notedCount + 1, room, 1024);
		waiting->noted[waiting->notedCount].txid = row.txid;
		waiting->noted[waiting->notedCount++].shard = shard;
	}
	EventScanEnd(scan);
}

/* The txids that were noted, in order. */
static int64 *
SortedTxids(const Waiting *waiting)
{
	int64	   *txids = palloc_extended(sizeof(int64) * Max(waiting->notedCount, 1), MCXT_ALLOC_HUGE);

	for (int64 i = 0; i < waiting->notedCount; i++)
		txids[i] = waiting->noted[i].txid;
	qsort(txids, waiting->notedCount, sizeof(int64), CompareTxids);
	return txids;
}

/* The txid of the limit-th event, as far as those noted tell; *first: that of the first. */
static int64
TxidAt(const Waiting *waiting, int64 limit, int64 *first)
{
	int64	   *txids = SortedTxids(waiting);
	int64		at;

	*first = txids[0];
	at = txids[Min(limit / waiting->step, waiting->notedCount - 1)];
	pfree(txids);
	return at;
}

/* About how many events the largest transaction has of those noted. */
static int64
LargestTransaction(const Waiting *waiting)
{
	int64	   *txids = SortedTxids(waiting);
	int64		largest = 0;

	for (int64 from = 0, i = 0; i < waiting->notedCount; i++)
	{
		if (txids[i] != txids[from])
			from = i;
		largest = Max(largest, i - from + 1);
	}
	pfree(txids);
	return largest * waiting->step;
}

/* How many events are taken at once of these: of a transaction that is larger than a batch, a batch. */
static int64
TakenAtOnce(const ProcessorMethods *methods, const Waiting *waiting)
{
	int64		most = ProcessorAtOnce(methods);

	if (most > personalize_batch_events && waiting->count > personalize_batch_events &&
		LargestTransaction(waiting) > personalize_batch_events)
		most = personalize_batch_events;
	return most;
}

/*
 * Take the batch's events, of which those noted tell, by shards, so many at once; the
 * others are left for the next ones.
 */
static void
TakeByNotes(Batch *batch, const Waiting *waiting, int64 most)
{
	Span	   *span = &spans[batch->methods->id];
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	EndSpan(span);
	span->upto = TxidSnapshotCopy(batch->upto);
	span->most = most;
	MemoryContextSwitchTo(caller);
	for (int64 i = 0; i < waiting->notedCount; i++)
		if (TxidIsSeen(waiting->noted[i].txid, batch->upto))
			span->events[waiting->noted[i].shard] += waiting->step;
	(void) TakeOfSpan(batch);
}

/*
 * See whether anything is waiting and, if that is more than one batch, cut the
 * snapshot so that about personalize.batch_events (but at least one
 * transaction) stay below it.  Any cut is exact; where it lies only decides how
 * large the batch gets, so it is enough to look at a batch's events more than that.
 */
void
ProcessorCutToSize(Batch *batch)
{
	bool		spans = batch->methods->gathers;
	int64		limit = spans ? ProcessorRoundEvents(batch->methods) * SPAN_PARTS : ProcessorAtOnce(batch->methods);
	int64		most = limit + personalize_batch_events;
	int64		atOnce;
	int64		first;
	Waiting		waiting;

	if (TakeOfSpan(batch))
		return;
	LookAtWaiting(batch, most, 1 + most / MOST_NOTED, true, &waiting);
	/* there may be some on the pages that were left out */
	if (waiting.count == 0 && batch->scanned > MOST_NOTED)
		LookAtWaiting(batch, most, 1 + most / MOST_NOTED, false, &waiting);
	batch->waiting = waiting.count > 0;
	atOnce = TakenAtOnce(batch->methods, &waiting);
	batch->large = Min(waiting.count, atOnce) > personalize_batch_events;
	if (!spans)
		limit = atOnce;
	if (waiting.count > limit)
	{
		int64		cut = TxidAt(&waiting, limit, &first);

		/* all of the first transaction, even if it alone is too large */
		batch->upto = TxidSnapshotCut(batch->upto, Max(cut, first + 1));
		batch->result.more = true;
		if (cut == first)
			TakeByCount(batch);
		else if (spans)
			TakeByNotes(batch, &waiting, atOnce);
	}
	else if (spans && waiting.count > atOnce)
		TakeByNotes(batch, &waiting, atOnce);
	pfree(waiting.noted);
}

/* Let the methods see what earlier rounds of this transaction have written. */
void
ProcessorPushSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

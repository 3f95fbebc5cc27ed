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
 * (an erasure) waits for a batch and not for all of it; a single shard is taken in
 * several rounds.
 *
 * Where rows gather all of their key, what is waiting in many batches is taken by shards,
 * too, SPAN_BATCHES of them at a time: each row is then written once for all of these
 * instead of once a batch, which costs more than reading the events so often.
 */
#include "postgres.h"

#include "workers/processor_scan.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

/* Scan what may belong to the batch. */
EventScan *
ProcessorBeginScan(Batch *batch, bool keysOnly)
{
	EventScanOptions options = {0};

	options.snapshot = batch->snapshot;
	options.minTxid = batch->minTxid;
	options.maxTxid = TxidSnapshotMax(batch->upto);
	options.keysOnly = keysOnly;
	options.allDays = batch->rebuilds || batch->backfills;
	if (batch->setAsideCount > 0)
	{
		Size		size = sizeof(EventRow) * batch->setAsideCount;

		if (batch->setAsideLeft == NULL)
			batch->setAsideLeft = palloc(size);
		memcpy(batch->setAsideLeft, batch->setAside, size);
	}
	return EventScanBegin(&options);
}

/* Order two txids. */
static int
CompareTxids(const void *left, const void *right)
{
	int64		a = *(const int64 *) left;
	int64		b = *(const int64 *) right;

	return (a > b) - (a < b);
}

/* How many batches' events are looked at where they are taken by shards. */
#define SPAN_BATCHES 10

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
 * Leave shards to later batches that would make this one larger than
 * personalize.batch_events.  Those with the most events are taken: one that an
 * earlier batch has taken gathers some more first.
 */
static void
LeaveShards(Batch *batch)
{
	ShardEvents shards[SHARD_COUNT];
	int64		taken = 0;
	EventScan  *scan = ProcessorBeginScan(batch, true);
	EventRow	row;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		shards[shard] = (ShardEvents) {.shard = shard};
	while (EventScanNext(scan, &row))
		if (ProcessorBelongsToBatch(batch, &row))
			shards[batch->methods->shardOf(&row)].events++;
	EventScanEnd(scan);
	qsort(shards, batch->methods->shards, sizeof(ShardEvents), CompareShardEvents);
	for (int i = 0; i < batch->methods->shards && shards[i].events > 0; i++)
	{
		if (taken == 0 || taken + shards[i].events <= personalize_batch_events)
			taken += shards[i].events;
		else
		{
			batch->claimed[shards[i].shard] = false;
			batch->result.more = true;
		}
	}
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
	bool		spans = batch->methods->gathers && batch->methods->shards > 1;
	int64		limit = (int64) personalize_batch_events * (spans ? SPAN_BATCHES : 1);
	int64		most = limit + personalize_batch_events;
	int64		room = Min(most, 2 * (int64) personalize_batch_events);
	int64	   *txids = palloc_extended(sizeof(int64) * room, MCXT_ALLOC_HUGE);
	int64		count = 0;
	EventScan  *scan = ProcessorBeginScan(batch, true);
	EventRow	row;

	batch->scanned = 0;
	while (count < most && EventScanNext(scan, &row))
	{
		batch->scanned++;
		if (!ProcessorBelongsToBatch(batch, &row))
			continue;
		if (count == room)
			txids = repalloc_huge(txids, sizeof(int64) * (room = Min(most, 2 * room)));
		txids[count++] = row.txid;
	}
	EventScanEnd(scan);

	batch->waiting = count > 0;
	if (count > limit)
	{
		int64		cut;

		qsort(txids, count, sizeof(int64), CompareTxids);
		/* all of the first transaction, even if it alone is too large */
		cut = txids[limit] > txids[0] ? txids[limit] : txids[0] + 1;
		batch->upto = TxidSnapshotCut(batch->upto, cut);
		batch->result.more = true;
		spans |= txids[limit] == txids[0] && batch->methods->shards > 1;
	}
	if (spans && count > personalize_batch_events)
		LeaveShards(batch);
	pfree(txids);
}

/* Let the methods see what earlier rounds of this transaction have written. */
void
ProcessorPushSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

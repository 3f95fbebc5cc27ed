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

/*
 * Leave shards to later batches that would make this one larger than
 * personalize.batch_events.
 */
static void
LeaveShards(Batch *batch)
{
	int64		events[SHARD_COUNT] = {0};
	int64		taken = 0;
	EventScan  *scan = ProcessorBeginScan(batch, true);
	EventRow	row;

	while (EventScanNext(scan, &row))
		if (ProcessorBelongsToBatch(batch, &row))
			events[batch->methods->shardOf(&row)]++;
	EventScanEnd(scan);
	for (int shard = 0; shard < batch->methods->shards; shard++)
	{
		if (taken > 0 && taken + events[shard] > personalize_batch_events)
			batch->claimed[shard] = false;
		else if (batch->claimed[shard])
			taken += events[shard];
	}
}

/*
 * See whether anything is waiting and, if that is more than one batch, cut the
 * snapshot so that about personalize.batch_events (but at least one
 * transaction) stay below it.  Any cut is exact; where it lies only decides how
 * large the batch gets, so it is enough to look at twice a batch's events.
 */
void
ProcessorCutToSize(Batch *batch)
{
	int			limit = personalize_batch_events;
	int64	   *txids = palloc_extended(sizeof(int64) * 2 * limit, MCXT_ALLOC_HUGE);
	int			count = 0;
	EventScan  *scan = ProcessorBeginScan(batch, true);
	EventRow	row;

	batch->scanned = 0;
	while (count < 2 * limit && EventScanNext(scan, &row))
	{
		batch->scanned++;
		if (ProcessorBelongsToBatch(batch, &row))
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
		if (txids[limit] == txids[0] && batch->methods->shards > 1)
			LeaveShards(batch);
	}
	pfree(txids);
}

/* Let the methods see what earlier rounds of this transaction have written. */
void
ProcessorPushSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

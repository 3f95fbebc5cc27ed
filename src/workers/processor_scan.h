/*
 * processor_scan.h
 *		Which events a batch reads, and where it is cut.
 */
#ifndef PERSONALIZE_PROCESSOR_SCAN_H
#define PERSONALIZE_PROCESSOR_SCAN_H

#include "postgres.h"

#include "workers/processor_private.h"

/* Scan what may belong to the batch; keysOnly as in EventScanOptions. */
extern EventScan *ProcessorBeginScan(Batch *batch, bool keysOnly);

/* The shard of an event that the batch has to count; -1: it has not. */
static inline int
ProcessorShardInBatch(const Batch *batch, const EventRow *row)
{
	int			shard = batch->methods->shardOf(row);
	bool		counts;

	if (shard < 0 || !batch->claimed[shard])
		return -1;
	if (batch->stays)
		counts = TxidIsSeen(row->txid, batch->from[shard]) &&
			!ProcessorTakeRejected(row, batch->setAsideLeft, batch->setAsideCount);
	else
		counts = !TxidIsSeen(row->txid, batch->from[shard]) && TxidIsSeen(row->txid, batch->upto);
	return counts ? shard : -1;
}

/* True if the event is one that the batch has to count. */
static inline bool
ProcessorBelongsToBatch(const Batch *batch, const EventRow *row)
{
	return ProcessorShardInBatch(batch, row) >= 0;
}

/* See whether anything is waiting, and cut what is too large. */
extern void ProcessorCutToSize(Batch *batch);

/* Let the methods see what earlier rounds of this transaction have written. */
extern void ProcessorPushSnapshot(void);

#endif

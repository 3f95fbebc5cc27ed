/*
 * processor_private.h
 *		What the files of the processors' framework share.
 */
#ifndef PERSONALIZE_PROCESSOR_PRIVATE_H
#define PERSONALIZE_PROCESSOR_PRIVATE_H

#include "postgres.h"

#include "workers/processor.h"

/* One batch while it runs. */
typedef struct Batch
{
	const ProcessorMethods *methods;
	Snapshot	snapshot;
	bool		claimed[SHARD_COUNT];
	TxidSnapshot *from[SHARD_COUNT];
	TxidSnapshot *upto;
	int64		minTxid;
	int64		scanned;		/* events read in the first pass */
	bool		waiting;		/* some of these are still to be counted */
	int			failures;		/* events set aside, of these people one each */
	KeySet		damaged;		/* people with rows that cannot be read */
	ProcessorBatchResult result;
} Batch;

extern int	personalize_batch_events;

/* Refuse what would break exactly-once. */
extern void ProcessorCheckMayRun(void);

/* Scan what may belong to the batch. */
extern EventScan *ProcessorBeginScan(const Batch *batch);

/* True if the event is one that the batch has to count. */
static inline bool
ProcessorBelongsToBatch(const Batch *batch, const EventRow *row)
{
	int			shard = batch->methods->shardOf(row);

	return shard >= 0 && batch->claimed[shard] &&
		!TxidIsSeen(row->txid, batch->from[shard]) &&
		TxidIsSeen(row->txid, batch->upto);
}

/* Let the methods see what earlier rounds of this transaction have written. */
extern void ProcessorPushSnapshot(void);

/* Count the whole batch, setting aside the events that fail. */
extern void ProcessorRunIsolating(Batch *batch);

#endif

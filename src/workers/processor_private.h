/*
 * processor_private.h
 *		What the files of the processors' framework share.
 */
#ifndef PERSONALIZE_PROCESSOR_PRIVATE_H
#define PERSONALIZE_PROCESSOR_PRIVATE_H

#include "postgres.h"

#include "miscadmin.h"
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
	bool		scannedPast;	/* some are of days that are over */
	bool		waiting;		/* some of these are still to be counted */
	bool		large;			/* more than personalize.batch_events are taken at once */
	bool		left;			/* shards that have some are left to later batches */
	bool		outdated[SHARD_COUNT];	/* shards that are to be counted anew */
	bool		rebuilds;		/* and this batch does so for those that it has claimed */
	bool		stays;			/* the position stays: what it contains is counted, not what it does not */
	bool		backfills;		/* it counts parts alone, of what the position contains */
	ProcessorParts parts;
	EventRow   *setAside;		/* events that the processor has set aside before */
	EventRow   *setAsideLeft;	/* those the scan has not come to */
	uint64		setAsideCount;
	int			failures;		/* events set aside, of these people one each */
	KeySet		damaged;		/* people with rows that cannot be read */
	ProcessorBatchResult result;
} Batch;

extern int	personalize_batch_events;

/* maintenance_work_mem for which methods->batches is meant, in kB, and how many times that may be used. */
#define PROCESSOR_MEMORY 65536
#define PROCESSOR_MOST_MEMORY 16

/* Times so many batches as methods->batches are taken at once. */
static inline double
ProcessorMemoryTimes(void)
{
	return Min((double) maintenance_work_mem / PROCESSOR_MEMORY, PROCESSOR_MOST_MEMORY);
}

/* How many events are collected before they are written. */
static inline int64
ProcessorRoundEvents(const ProcessorMethods *methods)
{
	return personalize_batch_events * (int64) Max(methods->batches * ProcessorMemoryTimes(), 1);
}

/* How many of those that wait in small transactions it takes at once now. */
extern int64 ProcessorAtOnce(const ProcessorMethods *methods);

/* Refuse what would break exactly-once. */
extern void ProcessorCheckMayRun(void);

/* Count the whole batch, setting aside the events that fail. */
extern void ProcessorRunIsolating(Batch *batch);

#endif

/*
 * processor_backfill.h
 *		Counting a part of what a processor counts anew, for the processors' framework.
 */
#ifndef PERSONALIZE_PROCESSOR_BACKFILL_H
#define PERSONALIZE_PROCESSOR_BACKFILL_H

#include "postgres.h"

#include "workers/processor_private.h"

/* True if some part is to be counted anew, as the active snapshot sees it. */
extern bool ProcessorHasBackfill(const ProcessorMethods *methods);

/*
 * A back-fill, in this order; the batch has claimed shards and locked their stripes.
 * Taking leaves of the claimed shards those that it is for, and returns how many.
 */
extern int	ProcessorTakeBackfill(Batch *batch);
extern void ProcessorBeginBackfill(Batch *batch);
extern void ProcessorEndBackfill(Batch *batch);

#endif

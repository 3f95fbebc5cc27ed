/*
 * processor_rebuild.h
 *		Counting anew what a processor has counted, for the processors' framework.
 */
#ifndef PERSONALIZE_PROCESSOR_REBUILD_H
#define PERSONALIZE_PROCESSOR_REBUILD_H

#include "postgres.h"

#include "workers/processor_private.h"

/* A part, in this order; the batch has claimed shards and locked their stripes. */
extern int	ProcessorTakePart(Batch *batch);
extern void ProcessorBeginPart(Batch *batch);
extern void ProcessorEndPart(Batch *batch);

/* An array of the shards that are marked. */
extern Datum ProcessorShardArray(const bool *shards);

#endif

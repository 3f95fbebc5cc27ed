/*
 * erasure_sweep.h
 *		Taking out of the dictionary what only the erased had.
 */
#ifndef PERSONALIZE_ERASURE_SWEEP_H
#define PERSONALIZE_ERASURE_SWEEP_H

#include "postgres.h"

/* What a sweep did. */
typedef struct ErasureSweepResult
{
	int64		values;			/* rows of feature_value deleted */
	int64		items;			/* bare rows of item deleted */
	int64		kept;			/* candidates that somebody else has */
	bool		busy;			/* nothing done: processors or another sweep were in the way */
} ErasureSweepResult;

/*
 * Decide about all of _erasure_candidate: read once what may refer to a value or
 * an item, and delete those nobody has.  Without wait nothing is waited for, so
 * that a caller who holds a stripe can use it.
 */
extern ErasureSweepResult ErasureSweep(bool wait);

/* Write down which erasures have no candidates left. */
extern void ErasureSweepRecord(void);

/* True while one sweep reads no more than a thousand pages. */
extern bool ErasureSweepIsCheap(void);

#endif

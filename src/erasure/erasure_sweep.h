/*
 * erasure_sweep.h
 *		Taking out of the dictionary what only the erased had.
 */
#ifndef PERSONALIZE_ERASURE_SWEEP_H
#define PERSONALIZE_ERASURE_SWEEP_H

#include "postgres.h"

/* An item's row i that an event made and nobody else has written to, in SQL. */
#define ERASURE_BARE_ITEM \
	"i.updated_at IS NULL AND i.available AND NOT i.hidden AND i.category IS NULL AND i.brand IS NULL" \
	" AND i.price IS NULL AND i.currency IS NULL AND i.tags IS NULL AND i.attributes IS NULL" \
	" AND i.source IS NULL AND i.vanished_at IS NULL"

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

/*
 * basket.h
 *		What was bought together: one row for an item in a basket.
 */
#ifndef PERSONALIZE_BASKET_H
#define PERSONALIZE_BASKET_H

#include "postgres.h"

#include "events/event.h"
#include "utils/hsearch.h"
#include "workers/processor_verify.h"

/* Count purchases, in the current memory context; times is -1 to take one out again. */
extern HTAB *BasketBegin(void);
extern void BasketCount(HTAB *baskets, const EventRow *row, int64 times);

/* Write what was counted. */
extern void BasketWrite(HTAB *baskets);

/* Compare what was counted with the baskets that are in use. */
extern void BasketCompare(HTAB *baskets, ProcessorVerification *verification);

/* Take a person's baskets out of use, or back into it; true if there are any. */
extern bool BasketFlip(int64 userKey);

/* Forget the baskets of some shards. */
extern void BasketClear(const bool *shards);

#endif

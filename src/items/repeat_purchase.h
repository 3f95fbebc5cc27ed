/*
 * repeat_purchase.h
 *		How many of those who bought an item buy it again, by category; after how long, by item.
 */
#ifndef PERSONALIZE_REPEAT_PURCHASE_H
#define PERSONALIZE_REPEAT_PURCHASE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/* Pairs of a person and an item of the category that the person bought. */
typedef struct RepeatPurchase
{
	int64		buyers;
	int64		again;			/* of these, bought more than once */
} RepeatPurchase;

/* Read what is known of a category; NULL: of items without one. */
extern RepeatPurchase RepeatPurchaseRead(const text *category, Snapshot snapshot);

/* True if people buy such items again: more than one has, and more than one in twenty. */
static inline bool
RepeatPurchaseIsUsual(RepeatPurchase repeat)
{
	return repeat.again > 1 && repeat.again * 20 > repeat.buyers;
}

/*
 * After how many days people buy items again, the median; 0: that is not known.  As it is
 * counted now, or was by the days before a time; DT_NOEND: now.
 */
extern void RepeatIntervalRead(const int64 *itemKeys, int count, TimestampTz before, Snapshot snapshot, double *days);

extern void RepeatPurchaseInit(void);

#endif

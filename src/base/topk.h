/*
 * topk.h
 *		The best k of many.
 */
#ifndef PERSONALIZE_TOPK_H
#define PERSONALIZE_TOPK_H

#include "postgres.h"

/* Something with a score. */
typedef struct TopkEntry
{
	double		score;			/* higher is better */
	int64		tie;			/* among equal scores the lower is better */
	int32		index;			/* the caller's */
} TopkEntry;

/* Move the best k entries to the front, in no order. */
extern void TopkSelect(TopkEntry *entries, int count, int k);

/* Move the best k entries to the front, best first; returns min(k, count). */
extern int	TopkSort(TopkEntry *entries, int count, int k);

#endif

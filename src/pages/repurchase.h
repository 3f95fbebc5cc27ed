/*
 * repurchase.h
 *		After how long people buy an item again.
 */
#ifndef PERSONALIZE_REPURCHASE_H
#define PERSONALIZE_REPURCHASE_H

#include "postgres.h"

#include "engines/context.h"

/* An item that a person has bought, and how near its time is: 1 when it has come. */
typedef struct RepurchaseItem
{
	int64		itemKey;
	double		due;
} RepurchaseItem;

/* What the visitor has bought and is due, the most due first; palloc'd. */
extern int	RepurchaseDue(EngineContext *context, RepurchaseItem **items);

#endif

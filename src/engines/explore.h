/*
 * explore.h
 *		A share of the answer for items that nobody has met yet.
 */
#ifndef PERSONALIZE_EXPLORE_H
#define PERSONALIZE_EXPLORE_H

#include "postgres.h"

#include "engines/slate.h"

/*
 * Let a share of the first chosen items taken, which are the answer, be new items of the
 * visitor's categories; returns how many they are then.
 */
extern int	Explore(EngineContext *context, Slate *slate, int chosen);

/* The parameters exploration and new_item_age. */
extern const EngineParameters ExploreParameters;

extern void ExploreInit(void);

/* The reason of what is new in a category. */
extern Reason ReasonNewIn;

#endif

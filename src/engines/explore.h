/*
 * explore.h
 *		A share of the answer for items that nobody has met yet.
 */
#ifndef PERSONALIZE_EXPLORE_H
#define PERSONALIZE_EXPLORE_H

#include "postgres.h"

#include "engines/slate.h"

/* Let a share of the answer be new items of the visitor's categories. */
extern void Explore(EngineContext *context, Slate *slate);

extern void ExploreInit(void);

#endif

/*
 * recommend.h
 *		What to show next: recommend, similar_items, trending, bought_together.
 */
#ifndef PERSONALIZE_RECOMMEND_H
#define PERSONALIZE_RECOMMEND_H

#include "engines/engine.h"

/* As many arguments recommend() has. */
#define RECOMMEND_ARGUMENTS 12

/* The engine behind recommend(). */
extern const EngineRecipe *RecommendRecipe(void);

extern void RecommendInit(void);

#endif

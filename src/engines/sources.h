/*
 * sources.h
 *		Where candidates come from, and what fills a list that stays short.
 */
#ifndef PERSONALIZE_SOURCES_H
#define PERSONALIZE_SOURCES_H

#include "postgres.h"

#include "engines/engine.h"

/* What others went to next in sessions that touched the visitor's items. */
extern const CandidateSource NeighbourSource;

/* What is trending, in context->category or at all, with context->halfLife. */
extern const CandidateSource TrendingSource;

/* What was bought together with the visitor's items. */
extern const CandidateSource BasketSource;

/*
 * Popular items: of favourite categories and those of the visitor's items, then
 * overall; and when they run out, the candidates as they were given, or else the
 * newest of the catalogue.  Not the visitor's items, unless they are candidates.
 */
extern const Fallback PopularInCategoryFallback;
extern const Fallback TrendingFallback;
extern const Fallback CandidateFallback;
extern const Fallback NewestFallback;

/* How many of item, brand and category are favourites of the person: 0 to 3. */
extern const FeatureSource FavouriteFeature;

/* The source's score, raised by half of it for each favourite. */
extern const Scorer FavouriteScorer;

/* The reason of what goes with an item that the visitor viewed. */
extern const Reason *const BecauseViewedReason;

extern void SourcesInit(void);

#endif

/*
 * sources.h
 *		Where candidates come from, and what fills a list that stays short.
 */
#ifndef PERSONALIZE_SOURCES_H
#define PERSONALIZE_SOURCES_H

#include "postgres.h"

#include "engines/engine.h"
#include "items/popular.h"

/* What others went to next in sessions that touched the visitor's items. */
extern const CandidateSource NeighbourSource;
extern int	SourcesAskNeighbours(EngineContext *context, int most, KnnItem **found);

/* What is trending, in context->category or at all, with context->halfLife. */
extern const CandidateSource TrendingSource;
extern const Fallback RestOfTrendingFallback;

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

/* What is trending in context->category. */
extern const Fallback CategoryFallback;
extern const Fallback NewestFallback;

/* What is trending in a category, or at all, as of the time asked for: as the fallback asks. */
extern PopularList SourcesTrending(EngineContext *context, const text *category);

/* The newest items that may be returned, n at most; categories: theirs, NULL where there is none. */
extern PopularList SourcesNewest(EngineContext *context, int n, const text ***categories);

/* Parameters of NeighbourSource, and what a variant sets them to. */
extern const EngineParameters NeighbourParameters;
extern void SourcesKnnParams(const Variant *variant, KnnParams *params);

/* Parameters of FavouriteScorer. */
extern const EngineParameters FavouriteParameters;

/* How many of item, brand and category are favourites of the person: 0 to 3. */
extern const FeatureSource FavouriteFeature;

/* The source's score, raised by a part of it for each favourite. */
extern const Scorer FavouriteScorer;

/* The visitor's categories: of favourites, then of the newest items. */
#define SOURCES_MAX_CATEGORIES 4
extern int	SourcesCategories(EngineContext *context, text **categories);
/* The reason of what goes with an item that the visitor viewed. */
extern const Reason *const BecauseViewedReason;

extern void SourcesInit(void);

#endif

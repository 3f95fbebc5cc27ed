/*
 * facet.h
 *		How many of the items found have each category, brand, tag or attribute.
 */
#ifndef PERSONALIZE_FACET_H
#define PERSONALIZE_FACET_H

#include "postgres.h"

#include "engines/context.h"

/* As many facets can be asked for, and values come back for each: the most frequent. */
#define FACET_MAX 16
#define FACET_MAX_VALUES 100

typedef struct FacetCounter FacetCounter;

/* Count for these names; an error if there are too many or one is null. */
extern FacetCounter *FacetBegin(EngineContext *context, ArrayType *names);

/* Count an item. */
extern void FacetAdd(FacetCounter *counter, int64 itemKey);

/* An object: for each name a list of {"value", "count"}, for price {"min", "max"}. */
extern Jsonb *FacetFinish(FacetCounter *counter);

#endif

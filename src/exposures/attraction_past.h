/*
 * attraction_past.h
 *		The counts of _attraction as they were on days of the past, in memory.
 */
#ifndef PERSONALIZE_ATTRACTION_PAST_H
#define PERSONALIZE_ATTRACTION_PAST_H

#include "postgres.h"

#include "exposures/attraction_counts.h"
#include "utils/timestamp.h"

typedef struct AttractionPast AttractionPast;

/*
 * Read what search_stat has of these queries, and of items after any query, of the days
 * before a time; no day is counted yet.  Lives in CurrentMemoryContext.
 */
extern AttractionPast *AttractionPastRead(const int64 *queries, int count, TimestampTz until);

/* Count the days before that of a time (UTC); times must not go back. */
extern void AttractionPastAdvance(AttractionPast *past, TimestampTz at);

/* What there is of an item after a query; NULL: nothing. */
extern const AttractionCounts *AttractionPastOf(const AttractionPast *past, int64 query, int64 itemKey);

/* The items of a query by key, with their counts; returns how many. */
extern int	AttractionPastItems(const AttractionPast *past, int64 query, const int64 **itemKeys,
								const AttractionCounts *const **counts);

#endif

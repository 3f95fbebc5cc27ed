/*
 * attraction_counts.h
 *		Reading _attraction: how often items were shown after a query, and clicked.
 */
#ifndef PERSONALIZE_ATTRACTION_COUNTS_H
#define PERSONALIZE_ATTRACTION_COUNTS_H

#include "postgres.h"

#include "utils/snapshot.h"

/* The query of what is counted after any query; the places there are (EventSlotBucket). */
#define ATTRACTION_ANY_QUERY 0
#define ATTRACTION_PLACES 9

/* A row, or a sum of some. */
typedef struct AttractionCounts
{
	int64		shown[ATTRACTION_PLACES];
	int64		clicked;
} AttractionCounts;

typedef struct AttractionReader AttractionReader;

extern AttractionReader *AttractionOpen(Snapshot snapshot);
extern void AttractionClose(AttractionReader *reader);

/* What there is of an item after a query; false: nothing. */
extern bool AttractionOf(AttractionReader *reader, int64 query, int64 itemKey, AttractionCounts *counts);

/* Counts of these items after any query are about to be asked for: that makes many quicker. */
extern void AttractionExpect(AttractionReader *reader, const int64 *itemKeys, int count);

/* Go to the items of a query, and give the next of them; false if there are no more. */
extern void AttractionSeek(AttractionReader *reader, int64 query);
extern bool AttractionNext(AttractionReader *reader, int64 *itemKey, AttractionCounts *counts);

#endif

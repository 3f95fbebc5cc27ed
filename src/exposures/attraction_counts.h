/*
 * attraction_counts.h
 *		Reading _attraction: how often items were shown after a query, and clicked.
 */
#ifndef PERSONALIZE_ATTRACTION_COUNTS_H
#define PERSONALIZE_ATTRACTION_COUNTS_H

#include "postgres.h"

#include "base/key_set.h"
#include "utils/snapshot.h"

/* The query of what is counted after any query; the places there are (EventSlotBucket). */
#define ATTRACTION_ANY_QUERY 0
#define ATTRACTION_PLACES 9

/* A row, or a sum of some: whole numbers, ready to be multiplied. */
typedef struct AttractionCounts
{
	double		shown[ATTRACTION_PLACES];
	double		clicked;
} AttractionCounts;

typedef struct AttractionReader AttractionReader;

extern AttractionReader *AttractionOpen(Snapshot snapshot);
extern void AttractionClose(AttractionReader *reader);

/* What there is of an item after a query; false: nothing. */
extern bool AttractionOf(AttractionReader *reader, int64 query, int64 itemKey, AttractionCounts *counts);

/* Counts of these items after any query are about to be asked for: that makes many quicker. */
extern void AttractionExpect(AttractionReader *reader, const int64 *itemKeys, int count);

/* The items of a query, in the order of their keys. */
typedef struct AttractionItems
{
	KeySet		keys;
	const int64 *itemKeys;		/* by number of the key */
	const AttractionCounts *counts;
	bool		cut;			/* there are more */
} AttractionItems;

/* The first ATTRACTION_MOST_ITEMS items of a query.  They stay until the reader is closed. */
#define ATTRACTION_MOST_ITEMS 256
extern const AttractionItems *AttractionItemsOf(AttractionReader *reader, int64 query);

#endif

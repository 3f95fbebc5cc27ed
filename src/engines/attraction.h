/*
 * attraction.h
 *		How often people choose an item when they see it after a query.
 */
#ifndef PERSONALIZE_ATTRACTION_H
#define PERSONALIZE_ATTRACTION_H

#include "postgres.h"

#include "utils/snapshot.h"

/* What came of showing something: clicks, and how often it was looked at. */
typedef struct AttractionCount
{
	double		clicks;
	double		examined;		/* shown, each by how likely its place is looked at */
} AttractionCount;

/* The counts of an item, from the narrowest to the widest. */
typedef struct AttractionCounts
{
	AttractionCount ofQuery;	/* the item after this query */
	AttractionCount ofCategory; /* items of its category after this query */
	AttractionCount ofItem;		/* the item after any query */
} AttractionCounts;

/* Reads the counts of items, which are zero; false if there are none at all. */
typedef bool (*AttractionReader) (const text *query, const int64 *itemKeys, int count,
								  Snapshot snapshot, AttractionCounts *counts);

/* Say who keeps counts, in an Init; nobody: there are none. */
extern void AttractionRegister(AttractionReader reader);

/* True if somebody keeps counts. */
extern bool AttractionIsKnown(void);

/*
 * The logarithm of each item's odds of being chosen, above those of an item nobody
 * knows: 0 without counts.
 */
extern void AttractionScore(const text *query, const int64 *itemKeys, int count,
							Snapshot snapshot, double *scores);

#endif

/*
 * attraction_read.h
 *		Reading _attraction: how often items were shown after a query, and clicked.
 */
#ifndef PERSONALIZE_ATTRACTION_READ_H
#define PERSONALIZE_ATTRACTION_READ_H

#include "postgres.h"

#include "utils/snapshot.h"

/* The query of what is counted after any query; the places there are (EventSlotBucket). */
#define ATTRACTION_ANY_QUERY 0
#define ATTRACTION_PLACES 9

/* A row. */
typedef struct AttractionRow
{
	int64		itemKey;
	int			place;
	int64		shown;
	int64		clicked;
} AttractionRow;

typedef struct AttractionReader AttractionReader;

extern AttractionReader *AttractionOpen(Snapshot snapshot);
extern void AttractionClose(AttractionReader *reader);

/* Go to the rows of a query, or to those of one of its items. */
extern void AttractionSeekQuery(AttractionReader *reader, int64 query);
extern void AttractionSeekItem(AttractionReader *reader, int64 query, int64 itemKey);

/* The next of them; false if there are no more. */
extern bool AttractionNext(AttractionReader *reader, AttractionRow *row);

#endif

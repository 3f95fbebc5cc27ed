/*
 * page_stat.h
 *		What came of the modules of a page, by shelf.
 */
#ifndef PERSONALIZE_PAGE_STAT_H
#define PERSONALIZE_PAGE_STAT_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The engine's code in request ids and counters, for ever (exposures/request_id.h). */
#define HOMEPAGE_CODE 8

/* Visitors of whom something is known, and others, are counted apart. */
#define PAGE_SEGMENTS 2
#define PAGE_SEGMENT_NEW 0
#define PAGE_SEGMENT_KNOWN 1

/* Buckets of shelves: EventSlotBucket. */
#define PAGE_BUCKETS 9

/* engine_stat.module of a module in a segment. */
static inline int
PageStatModule(int number, int segment)
{
	return number * PAGE_SEGMENTS + segment;
}

/* Items shown and clicked, the older the less. */
typedef struct PageCount
{
	double		impressions;
	double		clicks;
	int64		counted;		/* impressions as they are */
	int64		countedClicks;
} PageCount;

typedef struct PageStat PageStat;

/*
 * Read the counters up to the day of a time.  size: how many impressions count, all in all:
 * each has 1 - 1/size times the weight of the next.
 */
extern const PageStat *PageStatRead(TimestampTz now, double size);

/* Of a module in a segment, on shelves of a bucket. */
extern PageCount PageStatGet(const PageStat *stat, int number, int segment, int bucket);

#endif

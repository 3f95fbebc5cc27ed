/*
 * page_stat.h
 *		What came of the modules of a page, by shelf.
 */
#ifndef PERSONALIZE_PAGE_STAT_H
#define PERSONALIZE_PAGE_STAT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "exposures/request_id.h"
#include "pages/page_segment.h"

/* The engine's code in request ids and counters, for ever (exposures/request_id.h). */
#define HOMEPAGE_CODE 8

/* Buckets of shelves: EventSlotBucket. */
#define PAGE_BUCKETS 9

/* Numbers of modules end where those of parts of pages in request ids do. */
#define PAGE_MAX_MODULE (REQUEST_MAX_MODULE / PAGE_SEGMENTS)

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

/* Of a module in a segment, on shelves of each of PAGE_BUCKETS buckets. */
extern void PageStatGet(const PageStat *stat, int number, int segment, PageCount *counts);

#endif

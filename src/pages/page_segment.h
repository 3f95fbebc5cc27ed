/*
 * page_segment.h
 *		Kinds of visitors of a page, whose impressions and clicks are counted apart.
 */
#ifndef PERSONALIZE_PAGE_SEGMENT_H
#define PERSONALIZE_PAGE_SEGMENT_H

#include "postgres.h"

#include "engines/context.h"

/* Visitors of whom something is known, others, and those of rows of page_segment, from the third on. */
#define PAGE_SEGMENTS 8
#define PAGE_SEGMENT_NEW 0
#define PAGE_SEGMENT_KNOWN 1
#define PAGE_SEGMENT_FIRST 2

/* The segment of a visitor; count: one more than the highest number that the page has. */
extern int	PageSegmentFind(EngineContext *context, const text *page, int *count);

/* What a segment of a page is called. */
extern const char *PageSegmentName(const text *page, int number);

extern void PageSegmentInit(void);

#endif

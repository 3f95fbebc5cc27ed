/*
 * event_cache.h
 *		What is remembered of the pages of event.
 */
#ifndef PERSONALIZE_EVENT_CACHE_H
#define PERSONALIZE_EVENT_CACHE_H

#include "postgres.h"

#include "access/htup_details.h"
#include "storage/block.h"
#include "storage/bufpage.h"
#include "storage/buf.h"
#include "storage/off.h"
#include "utils/relcache.h"

/* A run of neighbouring pages. */
typedef struct BlockRun
{
	BlockNumber start;
	BlockNumber count;
} BlockRun;

extern void EventCacheInit(void);

/*
 * The pages of a partition of blocks pages that may hold txids from minTxid on,
 * palloc'd, in *runs; their number, or -1 if the BRIN index has to be asked.
 */
extern int	EventCacheGetRuns(Relation brin, BlockNumber blocks, int64 minTxid, BlockRun **runs);

/* Remember what it said; call before asking it to see the index as it was then. */
extern void EventCacheBeginRuns(Relation brin, BlockNumber blocks, int64 minTxid);
extern void EventCachePutRuns(Relation brin, const BlockRun *runs, int count);

/* So many tuples ahead of the one that is looked at, memory is asked for the next. */
#define EVENT_FETCH_AHEAD 12

/* Ask for the memory where a line pointer's key is, or would be if it has a tuple. */
static inline void
EventFetchKey(Page page, OffsetNumber offset, int keyOffset)
{
#ifdef __GNUC__
	__builtin_prefetch((char *) page + ItemIdGetOffset(PageGetItemId(page, offset)) +
					   MAXALIGN(SizeofHeapTupleHeader) + keyOffset);
#endif
}

/* A page will be asked for a user in a moment, after EVENT_PAGES_AHEAD others. */
#define EVENT_PAGES_AHEAD 8
extern void EventCacheExpect(Relation partition, BlockNumber block);

/*
 * The line pointers of a page that may be events of the user, in order; their
 * number.  The buffer is pinned, not locked, and the page is read if need be;
 * tuples give the key's place: offset bytes into their data.  *total is the
 * number of events on the page.
 */
extern int	EventCacheFindOnPage(Relation partition, BlockNumber block, Buffer buffer,
								 int64 userKey, int offset, OffsetNumber *found, int *total);

#endif

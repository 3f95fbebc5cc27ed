/*
 * posting_gather.h
 *		An item's newest entries, gathered from sessions that come in any order.
 */
#ifndef PERSONALIZE_POSTING_GATHER_H
#define PERSONALIZE_POSTING_GATHER_H

#include "postgres.h"

#include "neighbours/posting.h"
#include "neighbours/session.h"
#include "utils/hsearch.h"

/* A list that is gathered. */
typedef struct PostingGather
{
	int64		itemKey;		/* hash key, first */
	int64		sessions;		/* with the item, kept or not */
	int			kept;			/* the newest so many entries are kept */
	PostingEntry *entries;		/* of twice as many at most */
	int			count;
	int			capacity;
	TimestampTz oldest;			/* as many as are kept are not older */
} PostingGather;

/* Begin an empty list, in the current memory context. */
extern void PostingGatherInit(PostingGather *gather, int64 itemKey, int kept);

/* Add a session's entries to those of its items' lists that are in a table of lists by item. */
extern void PostingGatherSession(HTAB *lists, const Session *session);

/* Sort a list, newest first, and leave out what is not kept. */
extern void PostingGatherFinish(PostingGather *gather);

#endif

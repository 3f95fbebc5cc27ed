/*
 * knn_source.h
 *		Where the score takes postings from.
 */
#ifndef PERSONALIZE_KNN_SOURCE_H
#define PERSONALIZE_KNN_SOURCE_H

#include "postgres.h"

#include "neighbours/pair_list.h"
#include "neighbours/session_total.h"

/* A chunk of an item's postings, in the format of posting.h. */
typedef struct KnnChunk
{
	const uint8 *data;			/* lives until the end of the call */
	int			length;
	int32		number;
} KnnChunk;

/*
 * Where postings come from: the table, the sessions of then, or a trial's memory.
 * pair gives an item's list, which lives until the next is asked for, false: there is none;
 * NULL: it is made of the postings.
 * header gives sessions, newest and recent of it; NULL: pair does.
 */
typedef struct KnnSource
{
	void	   *state;
	void		(*totals) (void *state, SessionTotals *totals);
	void		(*prepare) (void *state, const int64 *items, int itemCount);	/* before seek and pair; NULL: not needed */
	void		(*expect) (void *state, const int64 *items, int itemCount);	/* chunks of these will be sought; NULL: not needed */
	void		(*seek) (void *state, int64 itemKey);
	bool		(*next) (void *state, KnnChunk *chunk); /* newest first */
	bool		(*pair) (void *state, int64 itemKey, PairList *list);
	bool		(*header) (void *state, int64 itemKey, PairList *list);
	const RepeatCounts *(*repeats) (void *state);
} KnnSource;

#endif

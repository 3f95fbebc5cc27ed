/*
 * knn_source.h
 *		Where the score takes postings from.
 */
#ifndef PERSONALIZE_KNN_SOURCE_H
#define PERSONALIZE_KNN_SOURCE_H

#include "postgres.h"

/* A chunk of an item's postings, in the format of posting.h. */
typedef struct KnnChunk
{
	const uint8 *data;			/* lives until the end of the call */
	int			length;
	int32		number;
} KnnChunk;

/* Where postings come from: the table, the sessions of then, or a trial's memory. */
typedef struct KnnSource
{
	void	   *state;
	int64		(*prepare) (void *state, const int64 *items, int itemCount); /* how many sessions there are */
	void		(*seek) (void *state, int64 itemKey);
	bool		(*next) (void *state, KnnChunk *chunk); /* newest first */
} KnnSource;

#endif

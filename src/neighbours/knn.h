/*
 * knn.h
 *		Session-based nearest neighbours: what fits next to these items.
 */
#ifndef PERSONALIZE_KNN_H
#define PERSONALIZE_KNN_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "neighbours/knn_param.h"
#include "neighbours/knn_source.h"
#include "utils/snapshot.h"

/* Which items of the session may come back. */
typedef enum KnnReturn
{
	KNN_RETURN_NONE,
	KNN_RETURN_EARLIER,			/* all but the newest */
	KNN_RETURN_ALL
} KnnReturn;

/* What a score is made of; the parts add up to it. */
typedef enum KnnPart
{
	KNN_PART_SESSIONS,			/* sessions like this one */
	KNN_PART_NEXT,				/* what comes right after the newest item */
	KNN_PART_HOPS,				/* what goes with what goes with the items */
	KNN_PART_REPEAT,			/* people come back to it */
	KNN_PART_TREND				/* it is met more, or less often than before */
} KnnPart;
#define KNN_PARTS 5

/* What to score for. */
typedef struct KnnQuery
{
	const int64 *items;			/* clicks of the current session, newest first; may repeat */
	int			itemCount;
	const int64 *longItems;		/* earlier interests, most important first; may repeat items */
	int			longItemCount;
	const int64 *excluded;		/* sessions that may not vote: the caller's own (NeighbourSession) */
	int			excludedCount;
	TimestampTz now;			/* sessions after it are not seen */
	bool		past;			/* nor what happened since in those before */
	struct SessionHistory *history; /* of the past, for those who ask for many times; NULL: none */
	KnnReturn	returns;
	int			maxResults;		/* the best so many, 1..KNN_MAX_RESULTS */
	const KnnParams *params;
} KnnQuery;

/* One answer. */
typedef struct KnnItem
{
	int64		itemKey;
	double		score;
	double		parts[KNN_PARTS];
	int64		because;		/* the query item that contributed most */
	int			sessions;		/* how many voted for it, and when they came to a query item */
	TimestampTz oldest;
	TimestampTz newest;
} KnnItem;

/* The neighbours under a snapshot, which must stay registered or active. */
typedef struct Knn Knn;
extern Knn *KnnOpen(Snapshot snapshot);
extern void KnnClose(Knn *knn);

/*
 * Score; returns how many items, best first (ties by key), palloc'd in
 * *results.  Writes nothing, works on a standby.  Neither consent nor availability
 * of the items is looked at: that is the engines' part.
 */
extern int	KnnScore(Knn *knn, const KnnQuery *query, KnnItem **results);

/* What goes next to an item, copied; false if nothing is known. */
extern bool KnnPairList(Knn *knn, int64 itemKey, PairList *list);

/* How many sessions have an item, and when the newest of them came to it; 0: none. */
extern int64 KnnItemSessions(Knn *knn, int64 itemKey, TimestampTz *newest);

/* KnnScore with postings from anywhere; room for maxResults is given. */
extern int	KnnScoreFrom(const KnnSource *source, const KnnQuery *query, KnnItem *results);

#endif

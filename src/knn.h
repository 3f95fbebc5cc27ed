/*
 * knn.h
 *		Session-based nearest neighbours: what fits next to these items.
 */
#ifndef PERSONALIZE_KNN_H
#define PERSONALIZE_KNN_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/* Bounds of what the parameters may ask for. */
#define KNN_MAX_SESSION_ITEMS 16
#define KNN_MAX_LONG_ITEMS 16
#define KNN_MAX_POSTINGS 256
#define KNN_MAX_NEIGHBOURS 1000
#define KNN_MAX_RESULTS 1000

/* The parameters of the score; the formulas are in knn.c. */
typedef struct KnnParams
{
	int			sessionItems;	/* L: the newest distinct items of the session that count */
	int			longItems;		/* the newest of the long-term items that count */
	int			postings;		/* m: the newest sessions looked at per item */
	int			neighbours;		/* k: the most similar sessions that vote */
	double		longWeight;		/* weight of a long-term item */
	double		itemDecay;		/* places in the query after which an item weighs 1/e */
	double		idfPower;		/* how much rare items count */
	double		overlapPower;	/* how much a larger overlap counts */
	double		ageDecay;		/* days after which a session weighs 1/e */
	double		recentDecay;	/* places of the newest common item after which a session weighs 1/e */
	double		forwardDecay;	/* places after the common item in which a vote falls to 1/e */
	double		backwardDecay;	/* the same before the common item */
	double		backwardWeight; /* weight of what came before the common item */
} KnnParams;

/* What to score for. */
typedef struct KnnQuery
{
	const int64 *items;			/* of the current session, newest first; may repeat */
	int			itemCount;
	const int64 *longItems;		/* earlier interests, most important first; may repeat items */
	int			longItemCount;
	const int64 *excluded;		/* sessions that may not vote: the caller's own (NeighbourSession) */
	int			excludedCount;
	TimestampTz now;			/* sessions after it are not seen */
	bool		past;			/* nor what happened since in those before */
	bool		allowLast;		/* items[0] itself may come back */
	int			maxResults;		/* the best so many, 1..KNN_MAX_RESULTS */
	const KnnParams *params;	/* NULL: those of this database */
} KnnQuery;

/* One answer. */
typedef struct KnnItem
{
	int64		itemKey;
	double		score;
	int64		because;		/* the query item that contributed most */
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

/* The same with postings from anywhere; params and room for maxResults are given. */
extern int	KnnScoreFrom(const KnnSource *source, const KnnQuery *query, KnnItem *results);

/* The parameters this database uses, and those it is shipped with. */
extern void KnnParamsCurrent(KnnParams *params, Snapshot snapshot);
extern void KnnParamsDefault(KnnParams *params);

#endif

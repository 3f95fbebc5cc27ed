/*
 * knn_internal.h
 *		One call of the neighbour score.
 */
#ifndef PERSONALIZE_KNN_INTERNAL_H
#define PERSONALIZE_KNN_INTERNAL_H

#include "postgres.h"

#include "base/key_set.h"
#include "base/topk.h"
#include "neighbours/knn.h"

#define MAX_QUERY_ITEMS (KNN_MAX_SESSION_ITEMS + KNN_MAX_LONG_ITEMS)

/* Items whose lists of pairs are followed: the newest, and the best that go with them. */
#define SCORING_FIRST_HOP 3
#define SCORING_SECOND_HOP 8

/* The best so many items, not of the session, have their trend looked at. */
#define SCORING_TREND_ITEMS 30

/* An item of the query. */
typedef struct QueryItem
{
	int64		itemKey;
	int			age;			/* clicks ago */
	double		weight;			/* w_j but for idf */
} QueryItem;

/* A session that shares items with the query. */
typedef struct Neighbour
{
	int64		session;
	double		overlap;		/* A_s */
	TimestampTz ts;
	int			query;			/* the newest query item in it */
	int			length;			/* of the session, as far as the posting of that item tells */
	const uint8 *entry;			/* the posting, packed */
} Neighbour;

/* A candidate. */
typedef struct Candidate
{
	int64		itemKey;
	double		parts[KNN_PARTS];
	double		score;
	double		strongest;		/* the strongest single vote */
	int			because;		/* and the query item it came through */
	bool		ofSession;
	int			sessions;		/* that voted */
	TimestampTz oldest;
	TimestampTz newest;
} Candidate;

/* One call. */
typedef struct Scoring
{
	const KnnQuery *query;
	KnnParams	params;
	SessionTotals totals;
	QueryItem	items[MAX_QUERY_ITEMS];
	int			itemCount;
	int			sessionItems;	/* the first so many are of the session */
	KeySet		ofSession;		/* all items of the session */
	RepeatSituation situation;
	double		newestShare;	/* what is left of the score of the newest item */
	const double *lengthWeights;
	Neighbour  *neighbours;
	int			neighbourCount;
	int32	   *sessionTable;	/* open addressing: index into neighbours, or -1 */
	uint32		sessionMask;
	Candidate  *candidates;
	int			candidateCount;
	int			candidateCapacity;
	int32	   *itemTable;
	uint32		itemMask;
} Scoring;

/* Make a candidate of an item that is none, which came through a query item. */
extern Candidate *ScoringAddCandidate(Scoring *scoring, int64 itemKey, int because);

/* The candidate of an item, made if there is none; it may move when another is made. */
static inline Candidate *
ScoringCandidate(Scoring *scoring, int64 itemKey, int because)
{
	uint32		slot = KeySpread(itemKey) & scoring->itemMask;

	for (; scoring->itemTable[slot] >= 0; slot = (slot + 1) & scoring->itemMask)
	{
		Candidate  *candidate = &scoring->candidates[scoring->itemTable[slot]];

		if (candidate->itemKey == itemKey)
			return candidate;
	}
	return ScoringAddCandidate(scoring, itemKey, because);
}

/* Add what the lists of pairs say. */
extern void ScoringPairs(Scoring *scoring, const KnnSource *source);

/* Multiply the scores of the first entries, best first, with the trend of their items. */
extern void ScoringTrend(Scoring *scoring, const KnnSource *source, TopkEntry *entries, int count);

#endif

/*
 * knn_param.h
 *		The parameters of the neighbour score.
 */
#ifndef PERSONALIZE_KNN_PARAM_H
#define PERSONALIZE_KNN_PARAM_H

#include "postgres.h"

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

/* The parameters this database uses, and those it is shipped with. */
extern void KnnParamsCurrent(KnnParams *params, Snapshot snapshot);
extern void KnnParamsDefault(KnnParams *params);

#endif

/*
 * knn_param.h
 *		The parameters of the neighbour score.
 */
#ifndef PERSONALIZE_KNN_PARAM_H
#define PERSONALIZE_KNN_PARAM_H

#include "postgres.h"

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
	double		overlapPower;	/* how much a larger overlap counts */
	double		recentDecay;	/* clicks since the newest common item after which a session weighs 1/e */
	double		nextWeight;		/* of what came right after the newest item */
	double		nextPrior;		/* how often that must have been, to be believed by half */
	double		repeatWeight;	/* of items that people come back to */
	double		trendPower;		/* how much it counts that an item is met more often than before */
} KnnParams;

/* What there is to say of a parameter. */
typedef struct KnnParamInfo
{
	const char *name;
	const char *unit;
	bool		integer;
	double		minimum;
	double		maximum;
	double		standard;		/* as shipped */
	size_t		offset;			/* in KnnParams */
	const char *description;
} KnnParamInfo;

#define KNN_PARAM_COUNT 11
extern const KnnParamInfo knnParamInfo[KNN_PARAM_COUNT];

extern double KnnParamGet(const KnnParams *params, const KnnParamInfo *info);
extern void KnnParamSet(KnnParams *params, const KnnParamInfo *info, double value);

#endif

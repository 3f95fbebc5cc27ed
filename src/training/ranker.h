/*
 * ranker.h
 *		Weights of features that fit pages, and how well scores order these.
 */
#ifndef PERSONALIZE_RANKER_H
#define PERSONALIZE_RANKER_H

#include "postgres.h"

#include "models/linear_model.h"
#include "training/page_log.h"

/* How weights are found. */
typedef struct RankerOptions
{
	bool		pairwise;		/* by pairs of items of a page, else by items */
	double		penalty;		/* half of it times the sum of squared weights, of features in standard deviations */
	double		minPropensity;	/* no place counts as looked at less often */
} RankerOptions;

/* Fit weights to the first pages of a log; kept: the weights of features that never vary. */
extern LinearModel *RankerFit(const PageLog *log, int pages, const RankerOptions *options, const double *kept);

/* How much a page counts among others: more where what was chosen stood at places that are seldom looked at. */
extern double RankerPageWeight(const LoggedPage *logged, const RankerOptions *options);

/* NDCG among ten of pages in the order of scores, which are those of all rows of the pages. */
extern void RankerJudge(const LoggedPage *pages, int count, const RankerOptions *options,
						const double *scores, double *ndcg);

#endif

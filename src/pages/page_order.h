/*
 * page_order.h
 *		Which module stands on a shelf: Thompson sampling.
 */
#ifndef PERSONALIZE_PAGE_ORDER_H
#define PERSONALIZE_PAGE_ORDER_H

#include "postgres.h"

#include "pages/page_stat.h"

/* What is believed of the share of items clicked: a beta distribution. */
typedef struct PageBelief
{
	double		a;
	double		b;
} PageBelief;

/* The prior of modules on shelves of a bucket: fitted to count of those of the page there. */
extern PageBelief PageOrderFitPrior(const PageCount *counts, int count);

/* After what has been counted. */
extern PageBelief PageOrderUpdate(PageBelief prior, PageCount count);

/* A number of 0 to 1 drawn from the distribution, the same for the same seed. */
extern double PageOrderDraw(PageBelief belief, uint64 seed);

/* A number of 0 to 1, evenly distributed. */
extern double PageOrderUniform(uint64 seed);

/* Another seed of a seed and a number. */
extern uint64 PageOrderSeed(uint64 seed, uint64 number);

/* The chance that the draw of one is the greatest of all. */
extern double PageOrderChance(const PageBelief *beliefs, int count, int one);

/* The mean of a distribution, and its p-quantile. */
extern double PageOrderMean(PageBelief belief);
extern double PageOrderQuantile(PageBelief belief, double p);

#endif

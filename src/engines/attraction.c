/*
 * attraction.c
 *		How often people choose an item when they see it after a query.
 *
 * attraction = (clicks + a * prior) / (examined + a), where the prior of an item after a
 * query is that of items of its category after the query, theirs that of the item after
 * any query, and its own the same for all: what is seldom seen is believed to be like
 * what is seen more often.  (Position-based click model: Chuklin, Markov and de Rijke,
 * "Click Models for Web Search", 2015, section 3.2.)
 */
#include "postgres.h"

#include "engines/attraction.h"

#include <math.h>

/* So often an item must have been looked at for its own rate to count by half. */
#define PRIOR_WEIGHT 20

/* How often an item is chosen of which nobody knows anything. */
#define PRIOR_RATE 0.05

static AttractionReader reader = NULL;

/* Say who keeps counts. */
void
AttractionRegister(AttractionReader keeper)
{
	reader = keeper;
}

/* True if somebody keeps counts. */
bool
AttractionIsKnown(void)
{
	return reader != NULL;
}

/* A rate that is believed as far as there is reason to. */
static double
Believe(const AttractionCount *count, double prior)
{
	return (count->clicks + PRIOR_WEIGHT * prior) / (Max(count->examined, count->clicks) + PRIOR_WEIGHT);
}

/* The logarithm of the odds. */
static double
LogOdds(double rate)
{
	return log(rate / (1 - rate));
}

/* How each item attracts after a query. */
void
AttractionScore(const text *query, const int64 *itemKeys, int count, Snapshot snapshot, double *scores)
{
	AttractionCounts *counts;

	memset(scores, 0, sizeof(double) * count);
	if (reader == NULL || count == 0)
		return;
	counts = palloc_extended(sizeof(AttractionCounts) * count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (reader(query, itemKeys, count, snapshot, counts))
		for (int i = 0; i < count; i++)
		{
			double		rate = Believe(&counts[i].ofItem, PRIOR_RATE);

			rate = Believe(&counts[i].ofCategory, rate);
			rate = Believe(&counts[i].ofQuery, rate);
			scores[i] = LogOdds(Min(rate, 0.99)) - LogOdds(PRIOR_RATE);
		}
	pfree(counts);
}

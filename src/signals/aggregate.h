/*
 * aggregate.h
 *		What of a signal may be asked for: aggregates of what it has counted in a period.
 */
#ifndef PERSONALIZE_AGGREGATE_H
#define PERSONALIZE_AGGREGATE_H

#include "postgres.h"

#include "signals/feature_state.h"

/* By their names in conditions of segments and features of views. */
typedef enum Aggregate
{
	AGGREGATE_COUNT,
	AGGREGATE_SUM,
	AGGREGATE_DECAYED,			/* has no period */
	AGGREGATE_MEAN,
	AGGREGATE_MIN,				/* from here to AGGREGATE_LAST: if the signal keeps them */
	AGGREGATE_MAX,
	AGGREGATE_FIRST,
	AGGREGATE_LAST,
	AGGREGATE_DISTINCT,
	AGGREGATE_TIME_SINCE_LAST,	/* seconds */

	/* from here on no numbers */
	AGGREGATE_MOST_FREQUENT,
	AGGREGATE_MOST_RECENT,
	AGGREGATE_VALUES
} Aggregate;

#define AGGREGATE_RATIONALS 2	/* count and sum: quotients of these are compared */
#define AGGREGATE_NUMBERS AGGREGATE_MOST_FREQUENT
#define AGGREGATE_KINDS (AGGREGATE_VALUES + 1)

extern const char *const AggregateNames[AGGREGATE_KINDS];

/* What features have in a period, together. */
typedef struct AggregateTotal
{
	int64		count;			/* 0: nothing */
	int64		sum;			/* in 1/FEATURE_SUM_UNIT */
	int64		values;
	bool		estimated;		/* that is an estimate, with an error of FEATURE_DISTINCT_ERROR */
	double		decayed;		/* if that is asked for */
	TimestampTz last;			/* to the grain of its pane if newer ones are left out */
	FeatureExtremes extremes;	/* if one of these is asked for */
} AggregateTotal;

/* The bit of FEATURE_KEEPS_* that an aggregate needs its signal to keep; 0: none. */
static inline uint8
AggregateNeeds(Aggregate aggregate)
{
	return aggregate >= AGGREGATE_MIN && aggregate <= AGGREGATE_LAST ? 1 << (aggregate - AGGREGATE_MIN) : 0;
}

extern void AggregateTotalInit(AggregateTotal *total);

/* Add what a feature has over (since, until] at pane grain; false if it has nothing there. */
extern bool AggregateTotalAdd(AggregateTotal *total, const Feature *feature, Aggregate aggregate,
							  int64 halfLife, TimestampTz since, TimestampTz until);

/* Add another total, of other values. */
extern void AggregateTotalMerge(AggregateTotal *total, const AggregateTotal *other);

/* A number that a total has at a time; NaN if nothing has happened and it is none then. */
extern double AggregateNumber(Aggregate aggregate, const AggregateTotal *total, TimestampTz at);

/* What a number is over all of these features, which are of one signal; no more is computed than it needs. */
extern double AggregateOver(const Feature *features, int count, Aggregate aggregate, int64 halfLife,
							TimestampTz since, TimestampTz until);

/*
 * (numerator + prior * weight) / (denominator + weight): a rate as if it had been the prior
 * in so many cases before (the mean of a beta or gamma distribution, Gelman et al., Bayesian
 * Data Analysis, sections 2.4 and 2.6).  NaN if there are no cases.
 */
extern double AggregateRate(double numerator, double denominator, double prior, double weight);

#endif

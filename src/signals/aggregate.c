/*
 * aggregate.c
 *		What of a signal may be asked for: aggregates of what it has counted in a period.
 *
 * All of them are read from the panes of a profile, which are a function of the set of
 * the person's events; so are they, whatever came late, twice or was taken back.
 */
#include "postgres.h"

#include "signals/aggregate.h"

#include "common/int.h"
#include "utils/float.h"
#include "utils/timestamp.h"

const char *const AggregateNames[AGGREGATE_KINDS] = {
	"count", "sum", "decayed", "mean", "min", "max", "first", "last", "distinct", "time_since_last",
	"most_frequent", "most_recent", "values"
};

/* Nothing. */
void
AggregateTotalInit(AggregateTotal *total)
{
	*total = (AggregateTotal) {.last = DT_NOBEGIN};
}

/* The newest event of a feature up to a time, to the grain of its panes. */
static TimestampTz
LastBefore(const Feature *feature, TimestampTz until)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;

	if (feature->last <= until)
		return feature->last;
	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane))
		if (pane.start <= until)
			return Min(pane.end, until);
	return DT_NOBEGIN;
}

/* Add another total, of other values. */
void
AggregateTotalMerge(AggregateTotal *total, const AggregateTotal *other)
{
	if (pg_add_s64_overflow(total->count, other->count, &total->count) ||
		pg_add_s64_overflow(total->sum, other->sum, &total->sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("count or sum of a signal is out of range")));
	if (total->values == 0)
		total->extremes = other->extremes;
	else if (other->values > 0)
		FeatureExtremesJoin(&total->extremes, &other->extremes);
	total->values += other->values;
	total->estimated |= other->estimated;
	total->decayed += other->decayed;
	total->last = Max(total->last, other->last);
}

/* Add what a feature has in a period. */
bool
AggregateTotalAdd(AggregateTotal *total, const Feature *feature, Aggregate aggregate,
				  int64 halfLife, TimestampTz since, TimestampTz until)
{
	AggregateTotal own = {.values = 1};

	FeatureSum(feature, since, until, &own.count, &own.sum);
	if (own.count == 0)
		return false;
	if (FeatureIsDistinct(feature->key))
		own.values = FeatureDistinctOver(feature, since, until, &own.estimated);
	own.last = LastBefore(feature, until);
	if (AggregateNeeds(aggregate) != 0)
		(void) FeatureExtremesOver(feature, since, until, &own.extremes);
	if (aggregate == AGGREGATE_DECAYED)
		own.decayed = FeatureDecayed(feature, halfLife, until);
	AggregateTotalMerge(total, &own);
	return true;
}

/* One of the numbers that are kept. */
static double
Extreme(Aggregate aggregate, const FeatureExtremes *extremes)
{
	const int64 numbers[] = {extremes->min, extremes->max, extremes->first, extremes->last};

	return (double) numbers[aggregate - AGGREGATE_MIN] / FEATURE_SUM_UNIT;
}

/* A number that a total has at a time. */
double
AggregateNumber(Aggregate aggregate, const AggregateTotal *total, TimestampTz at)
{
	double		sum = (double) total->sum / FEATURE_SUM_UNIT;

	if (AggregateNeeds(aggregate) != 0)
		return (total->extremes.kept & AggregateNeeds(aggregate)) != 0 ? Extreme(aggregate, &total->extremes) :
			get_float8_nan();
	switch (aggregate)
	{
		case AGGREGATE_COUNT:
			return (double) total->count;
		case AGGREGATE_SUM:
			return sum;
		case AGGREGATE_DECAYED:
			return total->decayed;
		case AGGREGATE_DISTINCT:
			return (double) total->values;
		case AGGREGATE_MEAN:
			return total->count > 0 ? sum / total->count : get_float8_nan();
		case AGGREGATE_TIME_SINCE_LAST:
			if (total->count > 0)
				return (double) Max(at - total->last, 0) / USECS_PER_SEC;
			break;
		default:
			break;
	}
	return get_float8_nan();
}

/* What a number is over some features. */
double
AggregateOver(const Feature *features, int count, Aggregate aggregate, int64 halfLife, TimestampTz since, TimestampTz until)
{
	AggregateTotal total;

	AggregateTotalInit(&total);
	for (int i = 0; i < count; i++)
	{
		AggregateTotal own = {.values = 1};

		if (aggregate == AGGREGATE_DECAYED)
			total.decayed += FeatureDecayed(&features[i], halfLife, until);
		else if (aggregate > AGGREGATE_MEAN)
			(void) AggregateTotalAdd(&total, &features[i], aggregate, halfLife, since, until);
		else
		{
			FeatureSum(&features[i], since, until, &own.count, &own.sum);
			AggregateTotalMerge(&total, &own);
		}
	}
	return AggregateNumber(aggregate, &total, until);
}

/* A rate with its prior. */
double
AggregateRate(double numerator, double denominator, double prior, double weight)
{
	double		cases = denominator + weight;

	return cases == 0 ? get_float8_nan() : (numerator + prior * weight) / cases;
}

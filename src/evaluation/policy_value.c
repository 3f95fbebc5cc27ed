/*
 * policy_value.c
 *		What a policy would have earned, from what was logged under another one.
 *
 * Each round of the log has a reward, the chance with which the log's policy took the
 * action (propensity), the chance with which the other would have taken it, and what a
 * model says the action, and the other policy's choice, is worth.  A round weighs by how
 * much likelier its action is under the other policy: w = chance / propensity.
 *
 * ips		mean of w r						Horvitz and Thompson, JASA 47 (1952)
 * snips	sum of w r / sum of w			Swaminathan and Joachims, NIPS 2015
 * dm		mean of the model
 * dr		mean of model + w (r - q)		Dudik, Langford, Li, ICML 2011
 * switch-dr	the same, of rounds with w up to a threshold; of others the model
 *										Wang, Agarwal, Dudik, ICML 2017
 *
 * Rounds of one unit (person) depend on each other, so the variance is that of sums over
 * units.  A weight above clip counts as clip (Bottou et al., JMLR 14 (2013), section 4.2).
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"

PG_FUNCTION_INFO_V1(personalize_policy_value);

/* The normal deviate of a two-sided interval of 95 %. */
#define INTERVAL_Z 1.959963984540054

typedef enum Estimator
{
	ESTIMATOR_IPS,
	ESTIMATOR_SNIPS,
	ESTIMATOR_DM,
	ESTIMATOR_DR,
	ESTIMATOR_SWITCH
} Estimator;

static const char *const estimatorNames[] = {
	[ESTIMATOR_IPS] = "ips",
	[ESTIMATOR_SNIPS] = "snips",
	[ESTIMATOR_DM] = "dm",
	[ESTIMATOR_DR] = "dr",
	[ESTIMATOR_SWITCH] = "switch-dr"
};

/* The arrays of numbers, in the order of the arguments; after them the units. */
typedef enum LogArray
{
	LOG_REWARD,
	LOG_PROPENSITY,
	LOG_CHANCE,
	LOG_MODEL,					/* of the action that was taken */
	LOG_EXPECTED				/* of what the other policy would take */
} LogArray;
#define LOG_ARRAYS (LOG_EXPECTED + 1)

static const char *const arrayNames[] = {"rewards", "propensities", "chances", "models", "expected"};

/* What was logged. */
typedef struct PolicyLog
{
	int			count;
	const double *numbers[LOG_ARRAYS];
	const int64 *units;			/* rounds of one stand together */
	double		clip;
	double		threshold;		/* of the switch */
	double		meanWeight;
} PolicyLog;

/* What an estimator says. */
typedef struct PolicyValue
{
	double		value;
	double		error;			/* standard error */
	double		size;			/* effective sample size (Kish 1965); negative: it has none */
	double		clipped;		/* share of rounds whose weight is cut, or not used */
} PolicyValue;

/* How much likelier the action of a round is under the other policy. */
static double
RawWeight(const PolicyLog *log, int i)
{
	return log->numbers[LOG_CHANCE][i] / log->numbers[LOG_PROPENSITY][i];
}

/* True if an estimator does not take the weight of a round as it is. */
static bool
IsCut(const PolicyLog *log, Estimator estimator, int i)
{
	return estimator != ESTIMATOR_DM &&
		RawWeight(log, i) > (estimator == ESTIMATOR_SWITCH ? log->threshold : log->clip);
}

/* The weight that an estimator gives a round. */
static double
Weight(const PolicyLog *log, Estimator estimator, int i)
{
	if (estimator == ESTIMATOR_DM || (estimator == ESTIMATOR_SWITCH && IsCut(log, estimator, i)))
		return 0;
	return Min(RawWeight(log, i), log->clip);
}

/* What a round adds to the mean. */
static double
RoundValue(const PolicyLog *log, Estimator estimator, int i)
{
	double		weight = Weight(log, estimator, i);
	double		reward = log->numbers[LOG_REWARD][i];

	if (estimator == ESTIMATOR_IPS)
		return weight * reward;
	if (estimator == ESTIMATOR_SNIPS)
		return weight * reward / log->meanWeight;
	return log->numbers[LOG_EXPECTED][i] + weight * (reward - log->numbers[LOG_MODEL][i]);
}

/* How far a round moves the value away from what it is, to first order. */
static double
Influence(const PolicyLog *log, Estimator estimator, double value, int i)
{
	if (estimator != ESTIMATOR_SNIPS)
		return RoundValue(log, estimator, i) - value;
	return Weight(log, estimator, i) * (log->numbers[LOG_REWARD][i] - value) / log->meanWeight;
}

/* The standard error, of sums over units; NaN of a single unit. */
static double
StandardError(const PolicyLog *log, Estimator estimator, double value)
{
	double		squares = 0;
	double		sum = 0;
	int			units = 0;

	for (int i = 0; i < log->count; i++)
	{
		sum += Influence(log, estimator, value, i);
		if (i + 1 < log->count && log->units[i + 1] == log->units[i])
			continue;
		squares += sum * sum;
		sum = 0;
		units++;
	}
	return units > 1 ? sqrt(squares * units / (units - 1)) / log->count : get_float8_nan();
}

/* Estimate. */
static PolicyValue
Estimate(const PolicyLog *log, Estimator estimator)
{
	PolicyValue result = {0};
	double		weights = 0;
	double		squares = 0;

	for (int i = 0; i < log->count; i++)
	{
		double		weight = Weight(log, estimator, i);

		result.value += RoundValue(log, estimator, i);
		result.clipped += IsCut(log, estimator, i);
		weights += weight;
		squares += weight * weight;
	}
	CHECK_FOR_INTERRUPTS();
	result.value /= log->count;
	result.clipped /= log->count;
	result.size = estimator == ESTIMATOR_DM ? -1 : squares > 0 ? weights * weights / squares : 0;
	result.error = StandardError(log, estimator, result.value);
	return result;
}

/* The numbers of an array argument; complain if it is not as long as the others. */
static const void *
GetNumbers(FunctionCallInfo fcinfo, int argument, Oid type, const char *name, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);
	int			length = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) > 1 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != type)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s has nulls or more than one dimension", name)));
	if (*count >= 0 && length != *count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s has %d elements, not %d", name, length, *count)));
	*count = length;
	return ARR_DATA_PTR(array);
}

/* Complain of numbers that cannot be. */
static void
CheckLog(const PolicyLog *log)
{
	for (int i = 0; i < log->count; i++)
	{
		for (int a = 0; a < LOG_ARRAYS; a++)
		{
			double		number = log->numbers[a][i];

			if (!isfinite(number) || (a == LOG_PROPENSITY && !(number > 0 && number <= 1)) || (a == LOG_CHANCE && number < 0))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("%s has %g in place %d", arrayNames[a], number, i + 1)));
		}
	}
	if (!(log->clip > 0) || !(log->threshold >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights are clipped at %g and left to the model above %g", log->clip, log->threshold)));
}

/* Return a row. */
static void
PutRow(ReturnSetInfo *output, const char *name, PolicyValue result)
{
	Datum		values[] = {
		CStringGetTextDatum(name), Float8GetDatum(result.value),
		Float8GetDatum(result.value - INTERVAL_Z * result.error), Float8GetDatum(result.value + INTERVAL_Z * result.error),
		Float8GetDatum(result.size), Float8GetDatum(result.clipped)
	};
	bool		nulls[lengthof(values)] = {false};

	/* no weight at all has no mean of its own */
	nulls[1] = isnan(result.value);
	nulls[2] = nulls[3] = isnan(result.error);
	nulls[4] = nulls[5] = result.size < 0;
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/*
 * _policy_value(rewards, propensities, chances, models, expected, units, clip, threshold):
 * a row an estimator.
 */
Datum
personalize_policy_value(PG_FUNCTION_ARGS)
{
	PolicyLog	log = {.count = -1};

	for (int a = 0; a < LOG_ARRAYS; a++)
		log.numbers[a] = GetNumbers(fcinfo, a, FLOAT8OID, arrayNames[a], &log.count);
	log.units = GetNumbers(fcinfo, LOG_ARRAYS, INT8OID, "units", &log.count);
	log.clip = PG_GETARG_FLOAT8(LOG_ARRAYS + 1);
	log.threshold = PG_GETARG_FLOAT8(LOG_ARRAYS + 2);
	CheckLog(&log);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < log.count; i++)
		log.meanWeight += Weight(&log, ESTIMATOR_SNIPS, i) / log.count;
	for (int e = 0; e < lengthof(estimatorNames) && log.count > 0; e++)
		PutRow((ReturnSetInfo *) fcinfo->resultinfo, estimatorNames[e], Estimate(&log, e));
	return (Datum) 0;
}

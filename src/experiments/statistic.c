/*
 * statistic.c
 *		How sure one can be of a difference.
 *
 * Whoever looks at a fixed-size test every day and stops when it looks good is wrong far
 * more often than it says.  Intervals here are confidence sequences: with probability
 * 1 - alpha the truth is in all of them, however often one looks.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "base/argument.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(personalize_lift);
PG_FUNCTION_INFO_V1(personalize_sample_ratio);
PG_FUNCTION_INFO_V1(personalize_mixture_boundary);
PG_FUNCTION_INFO_V1(personalize_plan_users);

/* Sums over the units of a variant: y what is measured, x the same before the experiment. */
typedef struct Moments
{
	double		n;
	double		y;
	double		yy;
	double		x;
	double		xx;
	double		xy;
} Moments;

/* A relative difference. */
typedef struct Lift
{
	bool		known;			/* false: too few units, or nothing to be relative to */
	double		lift;
	double		variance;		/* of lift */
	double		low;
	double		high;
	double		pValue;
} Lift;

/* Terms of series and fractions, far more than they need to converge. */
#define MAX_TERMS 100000

/* A plan is for looking so often: daily for two weeks. */
#define PLAN_LOOKS 14

/* So many numbers a sample is given as. */
#define MOMENT_COUNT 6

/*
 * The rho for which the two-sided normal mixture is tightest at intrinsic time v
 * (Howard, Ramdas, McAuliffe, Sekhon: Time-uniform, nonparametric, nonasymptotic
 * confidence sequences, Annals of Statistics 49 (2021)): by the usual approximation
 * of Lambert's W, v / rho = -2 ln alpha + ln(1 - 2 ln alpha).
 */
static double
MixtureRho(double v, double alpha)
{
	double		twice = -2 * log(alpha);

	return v / (twice + log1p(twice));
}

/*
 * The two-sided normal mixture boundary (same paper, conjugate mixtures):
 * u(v) = sqrt((v + rho) ln((v + rho) / (rho alpha²))).
 */
static double
MixtureBoundary(double v, double rho, double alpha)
{
	return sqrt((v + rho) * (log((v + rho) / rho) - 2 * log(alpha)));
}

/*
 * The smallest alpha whose interval leaves 0 out; z: the estimate in its standard errors.
 * The boundary at v = n standardised units, solved for alpha; its inverse is an
 * e-value.
 */
static double
AnytimePValue(double z, double n, double rho)
{
	double		logE = z * z * n / (2 * (n + rho)) - log1p(n / rho) / 2;

	return logE <= 0 ? 1 : exp(-logE);
}

/* The covariance of a and b in a sample of which the sums are given. */
static double
Covariance(double n, double a, double b, double ab)
{
	return (ab - a * b / n) / (n - 1);
}

/*
 * How much of y goes with x: the slope over both samples together.  Deng, Xu, Kohavi,
 * Walker: Improving the sensitivity of online controlled experiments by utilizing
 * pre-experiment data (CUPED), WSDM 2013.
 */
static double
CupedTheta(const Moments *a, const Moments *b)
{
	double		n = a->n + b->n;
	double		x = a->x + b->x;
	double		variance = Covariance(n, x, x, a->xx + b->xx);

	return variance > 0 ? Covariance(n, a->y + b->y, x, a->xy + b->xy) / variance : 0;
}

/* The variance of y - theta x within a sample. */
static double
AdjustedVariance(const Moments *m, double theta)
{
	double		variance = Covariance(m->n, m->y, m->y, m->yy) + theta * theta * Covariance(m->n, m->x, m->x, m->xx) -
		2 * theta * Covariance(m->n, m->y, m->x, m->xy);

	return Max(variance, 0);
}

/*
 * The lift of a variant against the control.  Its variance is by the delta method (Deng,
 * Knoblich, Lu: Applying the delta method in metric analytics, KDD 2018);
 * the means that the difference is relative to are those without adjustment.
 */
static Lift
LiftOf(const Moments *control, const Moments *treated, bool adjusted, double alpha, double tunedFor)
{
	Lift		result = {.pValue = 1};
	double		n = control->n + treated->n;
	double		theta;
	double		meanA;
	double		meanB;
	double		rho;
	double		half;

	if (control->n < 2 || treated->n < 2 || control->y == 0)
		return result;
	theta = adjusted ? CupedTheta(control, treated) : 0;
	meanA = control->y / control->n;
	meanB = treated->y / treated->n;
	/* sums of a signal can be negative: more is up all the same */
	result.lift = (meanB - meanA - theta * (treated->x / treated->n - control->x / control->n)) / fabs(meanA);
	result.variance = AdjustedVariance(treated, theta) / (meanA * meanA * treated->n) +
		AdjustedVariance(control, theta) * meanB * meanB / (pow(meanA, 4) * control->n);
	if (!(result.variance > 0) || isinf(result.variance) || isnan(result.lift))
		return result;
	result.known = true;
	rho = MixtureRho(tunedFor, alpha);
	half = sqrt(result.variance) * MixtureBoundary(n, rho, alpha) / sqrt(n);
	result.low = result.lift - half;
	result.high = result.lift + half;
	result.pValue = AnytimePValue(result.lift / sqrt(result.variance), n, rho);
	return result;
}

/* The lower regularised incomplete gamma function P(a, x) for x < a + 1, by its series (DLMF 8.7.1). */
static double
GammaSeries(double a, double x)
{
	double		term = 1 / a;
	double		sum = term;

	for (int i = 1; i < MAX_TERMS && fabs(term) > fabs(sum) * DBL_EPSILON; i++)
	{
		term *= x / (a + i);
		sum += term;
	}
	return sum * exp(a * log(x) - x - lgamma(a));
}

/* The upper one Q(a, x) for x >= a + 1, by its continued fraction (DLMF 8.9.2), after Lentz. */
static double
GammaFraction(double a, double x)
{
	double		b = x + 1 - a;
	double		c = 1 / DBL_MIN;
	double		d = 1 / b;
	double		fraction = d;

	for (int i = 1; i < MAX_TERMS; i++)
	{
		double		an = i * (a - i);
		double		factor;

		b += 2;
		d = an * d + b;
		d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
		c = b + an / c;
		c = fabs(c) < DBL_MIN ? DBL_MIN : c;
		factor = c * d;
		fraction *= factor;
		if (fabs(factor - 1) < DBL_EPSILON)
			break;
	}
	return fraction * exp(a * log(x) - x - lgamma(a));
}

/* The upper tail of the χ² distribution: Q(degrees / 2, χ² / 2). */
static double
ChiSquareTail(double chiSquare, double degrees)
{
	double		a = degrees / 2;
	double		x = chiSquare / 2;

	if (x <= 0)
		return 1;
	return x < a + 1 ? 1 - GammaSeries(a, x) : GammaFraction(a, x);
}

/* Numbers of an array; an error unless all are finite and as many as there should be. */
static double *
GetNumbers(FunctionCallInfo fcinfo, int argument, const char *name, int expected, int *count)
{
	Datum	   *values;
	bool	   *nulls;
	double	   *numbers;

	ArgumentCheckGiven(fcinfo, argument, name);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, count);
	if (expected > 0 && *count != expected)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s has %d elements, not %d", name, *count, expected)));
	numbers = palloc_array(double, Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		numbers[i] = nulls[i] ? (double) NAN : DatumGetFloat8(values[i]);
		if (isnan(numbers[i]) || isinf(numbers[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("element %d of %s is no finite number", i + 1, name)));
	}
	return numbers;
}

/* Six numbers as moments. */
static Moments
GetMoments(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int			count;
	double	   *numbers = GetNumbers(fcinfo, argument, name, MOMENT_COUNT, &count);
	Moments		moments = {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};

	return moments;
}

/* An argument between two bounds, exclusive. */
static double
GetBetween(FunctionCallInfo fcinfo, int argument, const char *name, double low, double high)
{
	double		value;

	ArgumentCheckGiven(fcinfo, argument, name);
	value = PG_GETARG_FLOAT8(argument);
	if (!(value > low && value < high))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is %g, not above %g and below %g", name, value, low, high)));
	return value;
}

/* _lift(control, treated, adjusted, alpha, tuned_for) */
Datum
personalize_lift(PG_FUNCTION_ARGS)
{
	Moments		control = GetMoments(fcinfo, 0, "control");
	Moments		treated = GetMoments(fcinfo, 1, "treated");
	Lift		lift = LiftOf(&control, &treated, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2),
							  GetBetween(fcinfo, 3, "alpha", 0, 1), GetBetween(fcinfo, 4, "tuned_for", 0, 1e15));
	Datum		values[] = {
		Float8GetDatum(lift.lift), Float8GetDatum(lift.variance), Float8GetDatum(lift.low),
		Float8GetDatum(lift.high), Float8GetDatum(lift.pValue)
	};
	bool		nulls[lengthof(values)];
	TupleDesc	description;

	memset(nulls, !lift.known, sizeof(nulls));
	nulls[4] = false;
	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(description, values, nulls)));
}

/* _sample_ratio(observed, shares): Pearson's χ² test of counts against shares. */
Datum
personalize_sample_ratio(PG_FUNCTION_ARGS)
{
	int			count;
	int			shareCount;
	double	   *observed = GetNumbers(fcinfo, 0, "observed", 0, &count);
	double	   *shares = GetNumbers(fcinfo, 1, "shares", count, &shareCount);
	double		total = 0;
	double		chiSquare = 0;

	for (int i = 0; i < count; i++)
		total += observed[i];
	if (count < 2 || total <= 0)
		PG_RETURN_NULL();
	for (int i = 0; i < count; i++)
	{
		double		expected = total * shares[i];

		if (expected <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("share %d is %g, not above 0", i + 1, shares[i])));
		chiSquare += (observed[i] - expected) * (observed[i] - expected) / expected;
	}
	PG_RETURN_FLOAT8(ChiSquareTail(chiSquare, count - 1));
}

/* _mixture_boundary(v, v_opt, alpha) */
Datum
personalize_mixture_boundary(PG_FUNCTION_ARGS)
{
	double		v = GetBetween(fcinfo, 0, "v", 0, 1e15);
	double		vOpt = GetBetween(fcinfo, 1, "v_opt", 0, 1e15);
	double		alpha = GetBetween(fcinfo, 2, "alpha", 0, 1);

	PG_RETURN_FLOAT8(MixtureBoundary(v, MixtureRho(vOpt, alpha), alpha));
}

/*
 * The chance that somebody who looks daily finds an effect of so many standard errors at the
 * end, with intervals tuned for the end.  Seen from there the boundary is nearly its
 * tangent, which a Brownian motion with drift crosses with the probability of the
 * inverse Gaussian distribution (D. Siegmund, Sequential Analysis, 1985, chapter 3);
 * that one looks now and then only is as if it lay .583 standard deviations of a step
 * further (same book, chapter 10).
 */
static double
PlannedPower(double errors, double alpha)
{
	double		rho = MixtureRho(1, alpha);
	double		end = MixtureBoundary(1, rho, alpha);
	double		slope = (log((1 + rho) / rho) - 2 * log(alpha) + 1) / (2 * end);
	double		start = end - slope + 0.583 / sqrt(PLAN_LOOKS);
	double		drift = errors - slope;

	return erfc((start - drift) / M_SQRT2) / 2 + exp(2 * start * drift) * erfc((start + drift) / M_SQRT2) / 2;
}

/* _plan_users(mean, deviation, mde, power, alpha) */
Datum
personalize_plan_users(PG_FUNCTION_ARGS)
{
	double		mean = GetBetween(fcinfo, 0, "mean", 0, 1e15);
	double		deviation = GetBetween(fcinfo, 1, "deviation", 0, 1e15);
	double		mde = GetBetween(fcinfo, 2, "mde", 0, 100);
	double		power = GetBetween(fcinfo, 3, "power", 0, 1);
	double		alpha = GetBetween(fcinfo, 4, "alpha", 0, 1);
	double		variation = deviation / mean;
	double		low = 0;
	double		high = 20;

	for (int i = 0; i < 100; i++)
	{
		double		middle = (low + high) / 2;

		if (PlannedPower(middle, alpha) < power)
			low = middle;
		else
			high = middle;
	}
	PG_RETURN_FLOAT8(ceil(high * high * variation * variation * (1 + (1 + mde) * (1 + mde)) / (mde * mde)));
}

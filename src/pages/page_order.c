/*
 * page_order.c
 *		Which module stands on a shelf: Thompson sampling.
 *
 * What is believed of a module's share of items clicked is a beta distribution: a prior
 * fitted to the page, and the counters (Chapelle and Li, "An Empirical Evaluation of
 * Thompson Sampling", NIPS 2011).  The module whose draw is the greatest has the shelf.
 * Draws come from a generator that is seeded, not from the server's.
 */
#include "postgres.h"

#include <math.h>

#include "pages/page_order.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "utils/memutils.h"

/* A page of which nothing is known: one click in twenty. */
#define FIRST_CLICKS 1.0
#define FIRST_IMPRESSIONS 20.0

/* A prior is worth so many impressions. */
#define LEAST_WORTH 4.0
#define MOST_WORTH 1000.0

/* Intervals at which the chance of being the greatest is summed up. */
#define CHANCE_STEPS 32
#define CHANCE_REACH 4.0		/* standard deviations around the mean */

/*
 * The prior, by moments (Kleinman, "Proportions with Extraneous Variance: Single and
 * Independent Samples", JASA 68 (1973), weights by impressions): the variance of the
 * modules' shares beyond that of their samples gives the correlation r, and a + b = 1/r - 1.
 */
PageBelief
PageOrderFitPrior(const PageCount *counts, int count)
{
	double		impressions = FIRST_IMPRESSIONS;
	double		clicks = FIRST_CLICKS;
	double		squares = 0;
	double		spread = 0;
	double		worth = FIRST_IMPRESSIONS;
	double		share;
	double		excess;
	int			seen = 0;

	for (int i = 0; i < count; i++)
	{
		impressions += counts[i].impressions;
		clicks += counts[i].clicks;
	}
	share = clicks / impressions;
	impressions -= FIRST_IMPRESSIONS;
	for (int i = 0; i < count; i++)
	{
		double		n = counts[i].impressions;

		if (n <= 0)
			continue;
		seen++;
		squares += n * n;
		spread += n * (counts[i].clicks / n - share) * (counts[i].clicks / n - share);
	}
	excess = seen > 1 ? impressions - squares / impressions - (seen - 1) : 0;
	if (excess > 0)
	{
		double		r = (spread / (share * (1 - share)) - (seen - 1)) / excess;

		worth = r > 0 ? Min(Max(1 / r - 1, LEAST_WORTH), MOST_WORTH) : MOST_WORTH;
		/* of few impressions no strong belief is made */
		worth = Min(worth, Max(impressions, FIRST_IMPRESSIONS));
	}
	return (PageBelief) {share * worth, (1 - share) * worth};
}

/* After what has been counted. */
PageBelief
PageOrderUpdate(PageBelief prior, PageCount count)
{
	return (PageBelief) {prior.a + count.clicks, prior.b + Max(count.impressions - count.clicks, 0)};
}

/* Another seed of a seed and a number. */
uint64
PageOrderSeed(uint64 seed, uint64 number)
{
	uint64		both[] = {seed, number};

	return hash_bytes_extended((const unsigned char *) both, sizeof(both), 0);
}

/* A number of 0 to 1. */
double
PageOrderUniform(uint64 seed)
{
	pg_prng_state state;

	pg_prng_seed(&state, seed);
	return pg_prng_double(&state);
}

/* A normal deviate (Box and Muller 1958). */
static double
DrawNormal(pg_prng_state *state)
{
	double		u = 1 - pg_prng_double(state);
	double		v = pg_prng_double(state);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* A gamma deviate of scale 1 (Marsaglia and Tsang, ACM TOMS 26 (2000)). */
static double
DrawGamma(pg_prng_state *state, double shape)
{
	double		d = Max(shape, shape + (shape < 1)) - 1.0 / 3;
	double		c = 1 / sqrt(9 * d);
	double		boost = shape < 1 ? pow(1 - pg_prng_double(state), 1 / shape) : 1;

	for (;;)
	{
		double		x = DrawNormal(state);
		double		v = (1 + c * x) * (1 + c * x) * (1 + c * x);
		double		u = 1 - pg_prng_double(state);

		if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v))
			return d * v * boost;
	}
}

/* A draw. */
double
PageOrderDraw(PageBelief belief, uint64 seed)
{
	pg_prng_state state;
	double		a;
	double		b;

	pg_prng_seed(&state, seed);
	a = DrawGamma(&state, belief.a);
	b = DrawGamma(&state, belief.b);
	return a + b > 0 ? a / (a + b) : 0;
}

/* The mean. */
double
PageOrderMean(PageBelief belief)
{
	return belief.a / (belief.a + belief.b);
}

/* Its standard deviation. */
static double
Deviation(PageBelief belief)
{
	double		sum = belief.a + belief.b;

	return sqrt(belief.a * belief.b / (sum * sum * (sum + 1)));
}

/* What the distribution function of a belief has in it that is the same everywhere. */
typedef struct BeliefCurve
{
	double		rise;
	double		fall;
	double		riseSpread;
	double		fallSpread;
} BeliefCurve;

/* The curve of a belief. */
static BeliefCurve
MakeCurve(PageBelief belief)
{
	double		u = cbrt(belief.b);
	double		v = cbrt(belief.a);

	return (BeliefCurve) {u * (1 - 1 / (9 * belief.b)), v * (1 - 1 / (9 * belief.a)),
		u * u / belief.b, v * v / belief.a};
}

/* The normal distribution function (Abramowitz and Stegun 1964, 26.2.17, which errs by less than 1e-7). */
static double
NormalBelow(double z)
{
	double		t = 1 / (1 + 0.2316419 * fabs(z));
	double		tail;

	if (fabs(z) > 6)
		return z > 0;
	tail = exp(-z * z / 2) / sqrt(2 * M_PI) *
		t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
	return z > 0 ? 1 - tail : tail;
}

/* A number of 0 to 1, as distribution functions take it. */
typedef struct CurvePoint
{
	double		root;			/* the cube root */
	double		restRoot;		/* of what is left to 1 */
} CurvePoint;

static CurvePoint
MakePoint(double x)
{
	return (CurvePoint) {cbrt(Max(x, 0)), cbrt(Max(1 - x, 0))};
}

/* The distribution function (Abramowitz and Stegun 1964, 26.5.22, which errs by less than 0.005). */
static double
Below(const BeliefCurve *curve, CurvePoint at)
{
	if (at.root == 0 || at.restRoot == 0)
		return at.restRoot == 0;
	return NormalBelow(3 * (curve->rise * at.root - curve->fall * at.restRoot) /
					   sqrt(curve->riseSpread * at.root * at.root + curve->fallSpread * at.restRoot * at.restRoot));
}

/* The quantile, by halving. */
double
PageOrderQuantile(PageBelief belief, double p)
{
	BeliefCurve curve = MakeCurve(belief);
	double		low = 0;
	double		high = 1;

	for (int i = 0; i < 40; i++)
	{
		double		middle = (low + high) / 2;

		if (Below(&curve, MakePoint(middle)) < p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

/* The sum of what one has in an interval, times the others below. */
static double
ComputeChance(const PageBelief *beliefs, int count, int one)
{
	double		mean = PageOrderMean(beliefs[one]);
	double		reach = CHANCE_REACH * Deviation(beliefs[one]);
	double		low = Max(mean - reach, 0);
	double		step = (Min(mean + reach, 1) - low) / CHANCE_STEPS;
	CurvePoint	first = MakePoint(low);
	BeliefCurve self = MakeCurve(beliefs[one]);
	BeliefCurve *others = palloc_array(BeliefCurve, count);
	int			rivals = 0;
	double		before = Below(&self, first);
	double		chance = 0;

	for (int i = 0; i < count; i++)
	{
		others[rivals] = MakeCurve(beliefs[i]);
		/* who is below all of this anyway is no rival */
		if (i != one && Below(&others[rivals], first) < 1)
			rivals++;
	}
	for (int i = 0; i < CHANCE_STEPS; i++)
	{
		CurvePoint	middle = MakePoint(low + (i + 0.5) * step);
		double		next = i == CHANCE_STEPS - 1 ? 1 : Below(&self, MakePoint(low + (i + 1) * step));
		double		part = next - before + (i == 0 ? before : 0);

		for (int r = 0; r < rivals && part > 1e-9; r++)
			part *= Below(&others[r], middle);
		chance += part;
		before = next;
	}
	pfree(others);
	return chance;
}

/*
 * Chances that were computed lately.  Pages are made of the same beliefs until there are new
 * counts, so the same is asked for by one visitor after the other.
 */
#define KNOWN_CHANCES 512
#define KNOWN_BELIEFS 16
typedef struct KnownChance
{
	int			count;			/* 0: nothing is known */
	int			one;
	PageBelief	beliefs[KNOWN_BELIEFS];
	double		chance;
} KnownChance;

/* The place where a chance would be known. */
static KnownChance *
ChancePlace(const PageBelief *beliefs, int count, int one)
{
	static KnownChance *known = NULL;

	if (known == NULL)
		known = MemoryContextAllocZero(TopMemoryContext, sizeof(KnownChance) * KNOWN_CHANCES);
	return &known[hash_bytes_extended((const unsigned char *) beliefs, sizeof(PageBelief) * count, one) % KNOWN_CHANCES];
}

/* The chance that the draw of one is the greatest of all. */
double
PageOrderChance(const PageBelief *beliefs, int count, int one)
{
	KnownChance *place;

	if (count > KNOWN_BELIEFS)
		return ComputeChance(beliefs, count, one);
	place = ChancePlace(beliefs, count, one);
	if (place->count != count || place->one != one || memcmp(place->beliefs, beliefs, sizeof(PageBelief) * count) != 0)
	{
		place->chance = ComputeChance(beliefs, count, one);
		place->count = count;
		place->one = one;
		memcpy(place->beliefs, beliefs, sizeof(PageBelief) * count);
	}
	return place->chance;
}

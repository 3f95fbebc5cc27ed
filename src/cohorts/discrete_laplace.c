/*
 * discrete_laplace.c
 *		Noise for counts: whole numbers of the discrete Laplace distribution.
 *
 * Everything is done with whole numbers and bytes of pg_strong_random(): nothing is
 * rounded, so the distribution is the exact one, and no low bits of a result tell
 * which count it was added to (Mironov, "On Significance of the Least Significant
 * Bits for Differential Privacy", CCS 2012).  The method is that of Canonne, Kamath
 * and Steinke, "The Discrete Gaussian for Differential Privacy" (2020), algorithms 1
 * and 2: an event of probability e^-x is made of events whose probabilities are
 * fractions, and the geometric distribution of events of probability e^-x.
 */
#include "postgres.h"

#include "cohorts/discrete_laplace.h"

#include "common/int.h"
#include "compat.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(personalize_discrete_laplace);

/* Random numbers are fetched so many at a time. */
#define POOL_SIZE 16

/* Random numbers, each used once; those that are left are forgotten at the end. */
typedef struct Pool
{
	int			left;
	uint64		numbers[POOL_SIZE];
} Pool;

/* 64 random bits. */
static uint64
NextBits(Pool *pool)
{
	if (pool->left == 0)
	{
		if (!pg_strong_random(pool->numbers, sizeof(pool->numbers)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("no strong random numbers are to be had"),
					 errdetail("Without them nothing is released.")));
		pool->left = POOL_SIZE;
	}
	return pool->numbers[--pool->left];
}

/* A whole number from 0 to below limit, each as likely as any other. */
static uint64
Uniform(Pool *pool, uint64 limit)
{
	/* the first so many of the 2^64 are left out: the rest divides evenly */
	uint64		surplus = (PG_UINT64_MAX - limit + 1) % limit;
	uint64		bits;

	do
		bits = NextBits(pool);
	while (bits < surplus);
	return bits % limit;
}

/* numerator * factor, of numbers whose product is only improbably too large. */
static int64
Multiply(int64 number, int64 factor)
{
	int64		result;

	if (pg_mul_s64_overflow(number, factor, &result))
		elog(ERROR, "a random number is out of range");
	return result;
}

/* True with probability e^(-numerator / denominator), a fraction from 0 to 1; algorithm 1. */
static bool
HappensExp(Pool *pool, int64 numerator, int64 denominator)
{
	int64		k = 1;

	while (Uniform(pool, Multiply(denominator, k)) < (uint64) numerator)
		k++;
	return k % 2 == 1;
}

/* A draw of scale numerator / denominator; algorithm 2. */
static int64
Draw(Pool *pool, int64 numerator, int64 denominator)
{
	for (;;)
	{
		int64		u = Uniform(pool, numerator);
		int64		v = 0;
		int64		size;
		bool		negative;

		if (!HappensExp(pool, u, numerator))
			continue;
		while (HappensExp(pool, 1, 1))
			v++;
		if (pg_add_s64_overflow(u, Multiply(numerator, v), &size))
			elog(ERROR, "a random number is out of range");
		size /= denominator;
		negative = Uniform(pool, 2) == 1;
		/* 0 has one sign only */
		if (!(negative && size == 0))
			return negative ? -size : size;
	}
}

/* A draw. */
int64
DiscreteLaplaceDraw(int64 numerator, int64 denominator)
{
	Pool		pool = {.left = 0};
	int64		result;

	if (numerator < 1 || numerator > DISCRETE_LAPLACE_MAX || denominator < 1 || denominator > DISCRETE_LAPLACE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a scale is a fraction of numbers from 1 to 2^50, not " INT64_FORMAT " / " INT64_FORMAT, numerator, denominator)));
	result = Draw(&pool, numerator, denominator);
	explicit_bzero(&pool, sizeof(pool));
	return result;
}

/* _discrete_laplace(numerator, denominator) */
Datum
personalize_discrete_laplace(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(DiscreteLaplaceDraw(PG_GETARG_INT64(0), PG_GETARG_INT64(1)));
}

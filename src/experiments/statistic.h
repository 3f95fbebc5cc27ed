/*
 * statistic.h
 *		How sure one can be of a difference.
 */
#ifndef PERSONALIZE_STATISTIC_H
#define PERSONALIZE_STATISTIC_H

#include "postgres.h"

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

/*
 * The lift of a variant against the control, with an interval that holds at all times at
 * once with probability 1 - alpha, tightest after tunedFor units.  adjusted: by x (CUPED).
 */
extern Lift StatisticLift(const Moments *control, const Moments *treated, bool adjusted,
						  double alpha, double tunedFor);

/* The two-sided normal mixture boundary at intrinsic time v. */
extern double StatisticMixtureBoundary(double v, double rho, double alpha);

/* The rho for which the boundary is tightest at v. */
extern double StatisticMixtureRho(double v, double alpha);

/* The upper tail of the χ² distribution. */
extern double StatisticChiSquareTail(double chiSquare, double degrees);

#endif

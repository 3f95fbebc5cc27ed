/*
 * discrete_laplace.h
 *		Noise for counts: whole numbers of the discrete Laplace distribution.
 */
#ifndef PERSONALIZE_DISCRETE_LAPLACE_H
#define PERSONALIZE_DISCRETE_LAPLACE_H

#include "postgres.h"

/* The numbers that a scale is a fraction of are at most this large. */
#define DISCRETE_LAPLACE_MAX (INT64CONST(1) << 50)

/*
 * A whole number z, with a probability of exactly
 * (1 - p) / (1 + p) * p^|z| where p = e^(-denominator / numerator): of scale
 * numerator / denominator, each from 1 to DISCRETE_LAPLACE_MAX.
 */
extern int64 DiscreteLaplaceDraw(int64 numerator, int64 denominator);

#endif

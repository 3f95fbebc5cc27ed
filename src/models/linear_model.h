/*
 * linear_model.h
 *		A weighted sum of features.
 */
#ifndef PERSONALIZE_LINEAR_MODEL_H
#define PERSONALIZE_LINEAR_MODEL_H

#include "postgres.h"

/* As many features one can have. */
#define LINEAR_MODEL_MAX_FEATURES 4096

typedef struct LinearModel
{
	bool		probability;	/* the sum is the logarithm of the odds */
	double		intercept;
	int			featureCount;
	double	   *weights;
} LinearModel;

/* To bytes and back; the bytes are checked. */
extern bytea *LinearModelPack(const LinearModel *model);
extern LinearModel *LinearModelUnpack(const bytea *packed);

/* The score of a row, in which what is missing (NaN) counts as 0; raw: the sum as it is. */
extern double LinearModelScore(const LinearModel *model, const double *row, bool raw);

#endif

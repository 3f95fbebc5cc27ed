/*
 * logistic.h
 *		Logistic regression with an L2 penalty.
 */
#ifndef PERSONALIZE_LOGISTIC_H
#define PERSONALIZE_LOGISTIC_H

#include "postgres.h"

/* As many coefficients are fitted at most, the intercept included. */
#define LOGISTIC_MAX_COLUMNS 256

/* Two rows of features, whose difference is a row. */
typedef struct LogisticPair
{
	int64		left;
	int64		right;
} LogisticPair;

/* What is fitted: rows of columns doubles each. */
typedef struct LogisticProblem
{
	int64		rows;
	int			columns;
	const double *features;		/* row after row */
	const LogisticPair *pairs;	/* a row each; NULL: the rows are those of features */
	const double *labels;		/* NULL: 1 each; finite; beyond 1 where what was seen stands for what was not */
	const double *weights;		/* NULL: 1 each */
	double		penalty;		/* half of it times the sum of squared coefficients is added to the loss */
	bool		intercept;		/* column 0 is not penalised */
} LogisticProblem;

/* How a fit ended. */
typedef struct LogisticFit
{
	int			steps;
	bool		converged;
	double		loss;			/* with the penalty */
} LogisticFit;

/* Fit; coefficients (one a column) is where it begins and what comes of it. */
extern LogisticFit LogisticSolve(const LogisticProblem *problem, double *coefficients);

/* 1 / (1 + e^-x), for any x. */
extern double LogisticProbability(double x);

#endif

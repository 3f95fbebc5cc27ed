/*
 * logistic.c
 *		Logistic regression with an L2 penalty, by Newton's method (iteratively reweighted
 *		least squares; Hastie, Tibshirani and Friedman, The Elements of Statistical
 *		Learning, 2nd edition, section 4.4.1).
 *
 * The loss of a row is weight * (ln(1 + e^s) - label * s) of its score s, which is convex
 * whatever the label.  Sums go in the order of the rows and nothing is random: the same rows
 * give the same coefficients to the last bit.  A step that does not lower the loss is halved.
 */
#include "postgres.h"

#include "models/logistic.h"

#include <math.h>

#include "miscadmin.h"

#define MAX_STEPS 100
#define MAX_HALVINGS 30

/* Relative change of the loss at which it is found. */
#define TOLERANCE 1e-13

/* Rows between looks at interrupts. */
#define INTERRUPT_ROWS 4096

/* ln(1 + e^x), for any x. */
static double
Softplus(double x)
{
	return Max(x, 0) + log1p(exp(-fabs(x)));
}

/* 1 / (1 + e^-x). */
double
LogisticProbability(double x)
{
	double		e = exp(-fabs(x));

	return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/* A row; room is for one. */
static const double *
RowOf(const LogisticProblem *problem, int64 row, double *room)
{
	const double *left;
	const double *right;

	if (problem->pairs == NULL)
		return problem->features + row * problem->columns;
	left = problem->features + problem->pairs[row].left * problem->columns;
	right = problem->features + problem->pairs[row].right * problem->columns;
	for (int i = 0; i < problem->columns; i++)
		room[i] = left[i] - right[i];
	return room;
}

/* The label of a row. */
static double
Label(const LogisticProblem *problem, int64 row)
{
	return problem->labels ? problem->labels[row] : 1;
}

/* The sum of features times coefficients. */
static double
Score(const double *row, const double *coefficients, int columns)
{
	double		score = 0;

	for (int i = 0; i < columns; i++)
		score += row[i] * coefficients[i];
	return score;
}

/* The penalty on a column. */
static double
Penalty(const LogisticProblem *problem, int column)
{
	return problem->intercept && column == 0 ? 0 : problem->penalty;
}

/* The weight of a row. */
static double
Weight(const LogisticProblem *problem, int64 row)
{
	return problem->weights ? problem->weights[row] : 1;
}

/* The loss with the penalty. */
static double
Loss(const LogisticProblem *problem, const double *coefficients)
{
	double		room[LOGISTIC_MAX_COLUMNS];
	double		loss = 0;

	for (int64 row = 0; row < problem->rows; row++)
	{
		double		score = Score(RowOf(problem, row, room), coefficients, problem->columns);

		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		loss += Weight(problem, row) * (Softplus(score) - Label(problem, row) * score);
	}
	for (int i = 0; i < problem->columns; i++)
		loss += 0.5 * Penalty(problem, i) * coefficients[i] * coefficients[i];
	return loss;
}

/* The gradient, and the lower triangle of the matrix of second derivatives. */
static void
Derive(const LogisticProblem *problem, const double *coefficients, double *gradient, double *hessian)
{
	int			columns = problem->columns;
	double		room[LOGISTIC_MAX_COLUMNS];

	memset(gradient, 0, columns * sizeof(double));
	memset(hessian, 0, (size_t) columns * columns * sizeof(double));
	for (int64 row = 0; row < problem->rows; row++)
	{
		const double *x = RowOf(problem, row, room);
		double		p = LogisticProbability(Score(x, coefficients, columns));
		double		weight = Weight(problem, row);
		double		slope = weight * (p - Label(problem, row));
		double		curvature = weight * p * (1 - p);

		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < columns; i++)
		{
			double		scaled = curvature * x[i];

			gradient[i] += slope * x[i];
			for (int j = 0; j <= i; j++)
				hessian[i * columns + j] += scaled * x[j];
		}
	}
	for (int i = 0; i < columns; i++)
	{
		gradient[i] += Penalty(problem, i) * coefficients[i];
		hessian[i * columns + i] += Penalty(problem, i);
	}
}

/*
 * Solve hessian * step = gradient by Cholesky's factorisation, which takes the matrix's
 * place.  A direction in which nothing varies is left alone.
 */
static void
SolveStep(double *hessian, const double *gradient, double *step, int columns)
{
	for (int i = 0; i < columns; i++)
	{
		double	   *row = hessian + (size_t) i * columns;
		double		diagonal = row[i];

		for (int j = 0; j < i; j++)
		{
			const double *other = hessian + (size_t) j * columns;
			double		sum = row[j];

			for (int k = 0; k < j; k++)
				sum -= row[k] * other[k];
			row[j] = other[j] > 0 ? sum / other[j] : 0;
		}
		for (int k = 0; k < i; k++)
			row[i] -= row[k] * row[k];
		row[i] = row[i] > 1e-12 * diagonal && row[i] > 0 ? sqrt(row[i]) : 0;
	}
	for (int i = 0; i < columns; i++)
	{
		const double *row = hessian + (size_t) i * columns;

		step[i] = gradient[i];
		for (int k = 0; k < i; k++)
			step[i] -= row[k] * step[k];
		step[i] = row[i] > 0 ? step[i] / row[i] : 0;
	}
	for (int i = columns - 1; i >= 0; i--)
	{
		double		diagonal = hessian[(size_t) i * columns + i];

		for (int k = i + 1; k < columns; k++)
			step[i] -= hessian[(size_t) k * columns + i] * step[k];
		step[i] = diagonal > 0 ? step[i] / diagonal : 0;
	}
}

/* Fit. */
LogisticFit
LogisticSolve(const LogisticProblem *problem, double *coefficients)
{
	int			columns = problem->columns;
	double	   *gradient = palloc(columns * sizeof(double));
	double	   *step = palloc(columns * sizeof(double));
	double	   *next = palloc(columns * sizeof(double));
	double	   *hessian = palloc((size_t) columns * columns * sizeof(double));
	LogisticFit fit = {.loss = Loss(problem, coefficients)};

	while (!fit.converged && fit.steps < MAX_STEPS)
	{
		double		share = 1;
		double		loss = fit.loss;
		int			halvings = 0;

		Derive(problem, coefficients, gradient, hessian);
		SolveStep(hessian, gradient, step, columns);
		do
		{
			for (int i = 0; i < columns; i++)
				next[i] = coefficients[i] - share * step[i];
			loss = Loss(problem, next);
			share /= 2;
		} while (!(loss <= fit.loss) && ++halvings < MAX_HALVINGS);
		if (!(loss <= fit.loss))
		{
			/* nothing is lower but by rounding */
			fit.converged = loss - fit.loss <= TOLERANCE * 1000 * (1 + fabs(fit.loss));
			break;
		}
		fit.steps++;
		fit.converged = fit.loss - loss <= TOLERANCE * (1 + fabs(fit.loss));
		fit.loss = loss;
		memcpy(coefficients, next, columns * sizeof(double));
	}
	pfree(gradient);
	pfree(step);
	pfree(next);
	pfree(hessian);
	return fit;
}

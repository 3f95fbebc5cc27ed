/*
 * ranker.c
 *		Weights of features that fit pages, and how well scores order these.
 *
 * People choose among what they look at, and look at the first places most.  What was chosen
 * counts 1/p where its place is looked at with chance p (inverse propensity weights:
 * Joachims, Swaminathan and Schnabel, "Unbiased Learning-to-Rank with Biased Feedback",
 * WSDM 2017), p not below a bound, for the sake of the variance.
 *
 * logistic: an item's label is 1/p if it was chosen, else 0, and the logistic loss is
 * linear in the label, so that its mean is the loss on what people would choose had they
 * looked at everything (Saito and others, "Unbiased Recommender Learning from
 * Missing-Not-At-Random Implicit Feedback", WSDM 2020).  All labels are scaled so that their
 * sum is that of what was chosen (self-normalised: Swaminathan and Joachims, "The
 * Self-Normalized Estimator for Counterfactual Learning", NIPS 2015).
 *
 * pairwise: what followed more is to be above what followed less on its page; a pair counts
 * what changing their places would change in NDCG (LambdaRank: Burges, "From RankNet to
 * LambdaRank to LambdaMART", 2010).  The places are those by the weights of the round before.
 *
 * NDCG tells how well a page is ordered, of the best it could be: where one thing was chosen,
 * its propensity is in both and says nothing.  So pages have weights, of which the mean is 1:
 * the best that a page could be worth, over the same if all places were looked at.
 */
#include "postgres.h"

#include "training/ranker.h"

#include <math.h>

#include "base/grow.h"
#include "base/topk.h"
#include "exposures/examination.h"
#include "miscadmin.h"
#include "models/logistic.h"

/* Rounds of weights of pairs. */
#define ROUNDS 5

/* So many places of a page are judged. */
#define JUDGED_PLACES 10

/* Features that vary, in standard deviations from their means, with a 1 in front of each row. */
typedef struct Standardised
{
	int			columns;		/* with the first */
	int			features[SEARCH_FEATURE_COUNT];	/* the feature of each column, but the first */
	double		means[SEARCH_FEATURE_COUNT];
	double		deviations[SEARCH_FEATURE_COUNT];
	int64		rowCount;
	double	   *rows;
} Standardised;

/* How likely a place was looked at, as it counts. */
static double
Propensity(const RankerOptions *options, int slot)
{
	return Min(Max(ExaminationOf(ExaminationGet(), slot), options->minPropensity), 1);
}

/* The mean of a feature and its standard deviation, which is 0 for one that does not vary. */
static void
Describe(const PageLog *log, int pages, int feature, double *mean, double *deviation)
{
	const double *first = log->pages[0].rows;
	int64		count = 0;
	double		squares = 0;
	bool		varies = false;

	*mean = 0;
	for (int i = 0; i < pages; i++)
		for (int r = 0; r < log->pages[i].page.count; r++)
		{
			double		value = log->pages[i].rows[(size_t) r * SEARCH_FEATURE_COUNT + feature];
			double		difference = value - *mean;

			varies |= value != first[feature];
			*mean += difference / ++count;
			squares += difference * (value - *mean);
		}
	*deviation = varies ? sqrt(squares / count) : 0;
}

/* The rows of the first pages. */
static Standardised *
Standardise(const PageLog *log, int pages)
{
	Standardised *standardised = palloc0(sizeof(Standardised));
	double	   *row;

	standardised->columns = 1;
	for (int f = 0; f < SEARCH_FEATURE_COUNT; f++)
	{
		Describe(log, pages, f, &standardised->means[f], &standardised->deviations[f]);
		if (standardised->deviations[f] > 0)
			standardised->features[standardised->columns++ - 1] = f;
	}
	for (int i = 0; i < pages; i++)
		standardised->rowCount += log->pages[i].page.count;
	row = standardised->rows = palloc_extended(sizeof(double) * standardised->columns * Max(standardised->rowCount, 1),
											   MCXT_ALLOC_HUGE);
	for (int i = 0; i < pages; i++)
		for (int r = 0; r < log->pages[i].page.count; r++)
		{
			const double *values = &log->pages[i].rows[(size_t) r * SEARCH_FEATURE_COUNT];

			*row++ = 1;
			for (int c = 0; c < standardised->columns - 1; c++)
			{
				int			f = standardised->features[c];

				*row++ = (values[f] - standardised->means[f]) / standardised->deviations[f];
			}
		}
	return standardised;
}

/* Weights of the features as they are. */
static LinearModel *
MakeModel(const Standardised *standardised, const double *coefficients, const double *kept)
{
	LinearModel *model = palloc0(sizeof(LinearModel));

	model->featureCount = SEARCH_FEATURE_COUNT;
	model->weights = palloc(sizeof(double) * SEARCH_FEATURE_COUNT);
	memcpy(model->weights, kept, sizeof(double) * SEARCH_FEATURE_COUNT);
	model->intercept = coefficients[0];
	for (int c = 0; c < standardised->columns - 1; c++)
	{
		int			f = standardised->features[c];

		model->weights[f] = coefficients[c + 1] / standardised->deviations[f];
		model->intercept -= model->weights[f] * standardised->means[f];
	}
	return model;
}

/* Find weights by items. */
static void
FitItems(const PageLog *log, int pages, const RankerOptions *options, const Standardised *standardised,
		 double *coefficients)
{
	double	   *labels = palloc_extended(sizeof(double) * Max(standardised->rowCount, 1), MCXT_ALLOC_HUGE);
	LogisticProblem problem = {
		.rows = standardised->rowCount,.columns = standardised->columns,.features = standardised->rows,
		.labels = labels,.penalty = options->penalty,.intercept = true
	};
	double	   *label = labels;
	double		chosen = 0;
	double		weight = 0;

	for (int i = 0; i < pages; i++)
		for (int r = 0; r < log->pages[i].page.count; r++)
		{
			bool		isChosen = log->pages[i].labels[r] > 0;

			*label = isChosen ? 1 / Propensity(options, log->pages[i].slots[r]) : 0;
			chosen += isChosen;
			weight += *label++;
		}
	for (int64 row = 0; row < problem.rows; row++)
		labels[row] *= weight > 0 ? chosen / weight : 0;
	(void) LogisticSolve(&problem, coefficients);
	pfree(labels);
}

/* What an item's place is worth, from 1. */
static double
Discount(int place)
{
	return place <= JUDGED_PLACES ? 1 / log2(place + 1) : 0;
}

/* The place of each item by score, from 1. */
static void
RankItems(const double *scores, int count, int *places)
{
	TopkEntry  *entries = palloc(sizeof(TopkEntry) * Max(count, 1));

	for (int i = 0; i < count; i++)
		entries[i] = (TopkEntry) {.score = scores[i],.tie = i,.index = i};
	(void) TopkSort(entries, count, count);
	for (int i = 0; i < count; i++)
		places[entries[i].index] = i + 1;
	pfree(entries);
}

/* What an item of a page is worth at the first place; without options, wherever it stood. */
static double
Gain(const LoggedPage *logged, int item, const RankerOptions *options)
{
	return logged->labels[item] / (options ? Propensity(options, logged->slots[item]) : 1);
}

/* The best that a page could be worth. */
static double
Ideal(const LoggedPage *logged, const RankerOptions *options)
{
	int			count = logged->page.count;
	double	   *gains = palloc(sizeof(double) * Max(count, 1));
	int		   *places = palloc(sizeof(int) * Max(count, 1));
	double		ideal = 0;

	for (int i = 0; i < count; i++)
		gains[i] = Gain(logged, i, options);
	RankItems(gains, count, places);
	for (int i = 0; i < count; i++)
		ideal += gains[i] * Discount(places[i]);
	pfree(gains);
	pfree(places);
	return ideal;
}

/* How much a page counts. */
double
RankerPageWeight(const LoggedPage *logged, const RankerOptions *options)
{
	double		ideal = Ideal(logged, NULL);

	return ideal > 0 ? Ideal(logged, options) / ideal : 0;
}

/* How much each of some pages counts, as parts of their mean. */
static double *
PageWeights(const PageLog *log, int pages, const RankerOptions *options)
{
	double	   *weights = palloc_extended(sizeof(double) * Max(pages, 1), MCXT_ALLOC_HUGE);
	double		sum = 0;

	for (int i = 0; i < pages; i++)
		sum += weights[i] = RankerPageWeight(&log->pages[i], options);
	for (int i = 0; i < pages && sum > 0; i++)
		weights[i] *= pages / sum;
	return weights;
}

/* Pairs of items of pages, the better one left. */
typedef struct RankedPairs
{
	int64		count;
	int64		capacity;
	LogisticPair *pairs;
	double	   *weights;
} RankedPairs;

/* Add a pair. */
static void
AddPair(RankedPairs *list, int64 left, int64 right)
{
	GrowArray(list->pairs, list->count + 1, list->capacity, 1024);
	list->pairs[list->count++] = (LogisticPair) {left, right};
}

/* The pairs of pages. */
static RankedPairs
CollectPairs(const PageLog *log, int pages)
{
	RankedPairs	list = {0};
	int64		first = 0;

	for (int i = 0; i < pages; i++)
	{
		const LoggedPage *logged = &log->pages[i];

		CHECK_FOR_INTERRUPTS();
		for (int left = 0; left < logged->page.count; left++)
			for (int right = 0; right < logged->page.count; right++)
				if (logged->labels[left] > logged->labels[right])
					AddPair(&list, first + left, first + right);
		first += logged->page.count;
	}
	list.weights = palloc_extended(sizeof(double) * Max(list.count, 1), MCXT_ALLOC_HUGE);
	return list;
}

/* Weigh the pairs, in the order of CollectPairs, by what changing their places would change. */
static void
WeighPairs(RankedPairs *list, const PageLog *log, int pages, const RankerOptions *options, const double *pageWeights,
		   const double *scores)
{
	double	   *weight = list->weights;

	for (int i = 0; i < pages; i++)
	{
		const LoggedPage *logged = &log->pages[i];
		int			count = logged->page.count;
		int		   *places = palloc(sizeof(int) * Max(count, 1));
		double		ideal = Ideal(logged, options);

		RankItems(scores, count, places);
		for (int left = 0; left < count; left++)
			for (int right = 0; right < count; right++)
				if (logged->labels[left] > logged->labels[right])
					*weight++ = fabs(Discount(places[left]) - Discount(places[right])) *
						fabs(Gain(logged, left, options) - Gain(logged, right, options)) / ideal * pageWeights[i];
		scores += count;
		pfree(places);
	}
}

/* Find weights by pairs; those by items are where it begins. */
static void
FitPairs(const PageLog *log, int pages, const RankerOptions *options, const Standardised *standardised,
		 double *coefficients)
{
	RankedPairs	list = CollectPairs(log, pages);
	double	   *pageWeights = PageWeights(log, pages, options);
	double	   *scores = palloc_extended(sizeof(double) * Max(standardised->rowCount, 1), MCXT_ALLOC_HUGE);
	LogisticProblem problem = {
		.rows = list.count,.columns = standardised->columns,.features = standardised->rows,.pairs = list.pairs,
		.weights = list.weights,.penalty = options->penalty
	};

	for (int round = 0; round < ROUNDS; round++)
	{
		for (int64 row = 0; row < standardised->rowCount; row++)
		{
			scores[row] = 0;
			for (int c = 1; c < standardised->columns; c++)
				scores[row] += coefficients[c] * standardised->rows[row * standardised->columns + c];
		}
		WeighPairs(&list, log, pages, options, pageWeights, scores);
		(void) LogisticSolve(&problem, coefficients);
	}
	/* differences know of none */
	coefficients[0] = 0;
	pfree(scores);
	pfree(pageWeights);
}

/* Fit weights to the first pages of a log. */
LinearModel *
RankerFit(const PageLog *log, int pages, const RankerOptions *options, const double *kept)
{
	Standardised *standardised = Standardise(log, pages);
	double		coefficients[SEARCH_FEATURE_COUNT + 1] = {0};
	LinearModel *model;

	FitItems(log, pages, options, standardised, coefficients);
	if (options->pairwise)
		FitPairs(log, pages, options, standardised, coefficients);
	model = MakeModel(standardised, coefficients, kept);
	model->probability = !options->pairwise;
	pfree(standardised->rows);
	return model;
}

/* NDCG of pages. */
void
RankerJudge(const LoggedPage *pages, int count, const RankerOptions *options, const double *scores, double *ndcg)
{
	for (int i = 0; i < count; i++)
	{
		const LoggedPage *logged = &pages[i];
		int		   *places = palloc(sizeof(int) * Max(logged->page.count, 1));
		double		gained = 0;
		double		ideal = Ideal(logged, options);

		RankItems(scores, logged->page.count, places);
		for (int item = 0; item < logged->page.count; item++)
			gained += Gain(logged, item, options) * Discount(places[item]);
		ndcg[i] = ideal > 0 ? gained / ideal : 0;
		scores += logged->page.count;
		pfree(places);
	}
}

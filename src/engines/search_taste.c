/*
 * search_taste.c
 *		How much more of what a person does is about a category than of what everybody does.
 *
 * Interest alone says little of who does much: it is high in each category that is popular.
 * What tells is the part of it that a category has, over the part that the category has of what
 * is trending: the pointwise mutual information of person and category (Church and Hanks, "Word
 * Association Norms, Mutual Information, and Lexicography", Computational Linguistics 16, 1990).
 * Who has done little is taken to be as everybody.
 */
#include "postgres.h"

#include "engines/search_taste.h"

#include <math.h>

#include "base/stored_row.h"
#include "compat.h"

/* So much interest in all, in weights of events, counts as much as that of everybody. */
#define PRIOR_INTEREST 10.0

/* What is trending, by category: weights of events. */
typedef struct CategoryTrend
{
	KeySet		categories;
	double	   *weights;		/* by number of the category */
	double		sum;
} CategoryTrend;

/* What is trending by category; one that is not there is taken to be there once. */
static CategoryTrend
ReadTrend(EngineContext *context)
{
	const ItemScores *trend = QuestionOf(context)->trend;
	CategoryTrend made = {.weights = palloc0_array(double, trend->keys.count + 1),.sum = 1};
	int64	   *itemKeys = palloc_array(int64, trend->keys.count + 1);
	int			count = 0;
	uint64		place = 0;

	KeySetInit(&made.categories, 0);
	while (KeySetNext(&trend->keys, &place, &itemKeys[count]))
		count++;
	ItemReaderExpect(context->items, itemKeys, count);
	for (int i = 0; i < count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, itemKeys[i]);
		double		weight = ItemScoresGet(trend, itemKeys[i], NULL) * trend->best;

		if (item == NULL || item->categoryKey == 0 || weight <= 0)
			continue;
		made.weights[KeySetNumber(&made.categories, item->categoryKey)] += weight;
		made.sum += weight;
	}
	made.sum += made.categories.count;
	pfree(itemKeys);
	return made;
}

/* The part of what is trending that a category has. */
static double
PartOf(const CategoryTrend *trend, int64 category)
{
	const KeySetEntry *entry = trend->categories.count > 0 ? keyset_lookup(trend->categories.table, category) : NULL;

	return ((entry ? trend->weights[entry->number] : 0) + 1) / trend->sum;
}

/* The person's interest in all categories. */
static double
AllInterest(const EngineContext *context)
{
	const ProfileView *view = QuestionOf(context)->interests;
	const Signal *signal = SignalFind(view->signals, SIGNAL_INTEREST_CATEGORY);
	FeatureIterator iterator;
	Feature		feature;
	StoredRow	row;
	double		sum = 0;

	if (signal == NULL)
		return 0;
	StoredRowBegin(&row, STORED_PROFILE, &view->userKey);
	FeatureIteratorBegin(&iterator, view->features);
	while (FeatureIteratorNext(&iterator, &feature))
	{
		double		interest;

		if (FeatureKeySignal(feature.key) != SIGNAL_INTEREST_CATEGORY || ProfileSignal(view, feature.key) == NULL)
			continue;
		interest = FeatureDecayed(&feature, signal->halfLife, context->now);
		sum += Max(interest, 0);
	}
	StoredRowEnd(&row);
	return sum;
}

/* The logarithm of the part that a category has of somebody's interest, over that of everybody's. */
void
FillTaste(EngineContext *context, const Slate *slate, double *column, int stride)
{
	CategoryTrend trend = ReadTrend(context);
	double		all = AllInterest(context);

	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);
		double	   *value = &column[(size_t) i * stride];
		double		part;

		*value = 0;
		if (item == NULL || item->category == NULL)
			continue;
		part = PartOf(&trend, item->categoryKey);
		*value = log((QuestionInterest(context, SIGNAL_INTEREST_CATEGORY, item->categoryKey) / part + PRIOR_INTEREST) /
					 (all + PRIOR_INTEREST));
	}
	pfree(trend.weights);
}

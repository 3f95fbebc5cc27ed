/*
 * search_quality.c
 *		Features of searches that are looked up only where they count.
 *
 * Numbers of the catalogue are on any scale, so they are told in standard deviations of the
 * candidates that have one; what has none is as the mean.
 */
#include "postgres.h"

#include "engines/search_quality.h"

#include <math.h>

#include "compat.h"
#include "engines/conversion.h"

/* The keys of the candidates, palloc'd. */
static int64 *
KeysOf(const Slate *slate)
{
	int64	   *itemKeys = palloc_extended(sizeof(int64) * Max(slate->count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < slate->count; i++)
		itemKeys[i] = slate->candidates[i].itemKey;
	return itemKeys;
}

/* How the query's words are in the candidates, looked up once a round. */
static const TextMatch *
MatchesOf(EngineContext *context, const Slate *slate)
{
	SearchQuestion *question = QuestionOf(context);
	int64	   *itemKeys;

	if (question->described != NULL)
		return question->described;
	itemKeys = KeysOf(slate);
	question->described = palloc_extended(sizeof(TextMatch) * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	QuestionMatches(context, itemKeys, slate->count, question->described);
	pfree(itemKeys);
	return question->described;
}

/* A feature out of a member of these. */
#define FILL_MATCH(name, member) \
void \
name(EngineContext *context, const Slate *slate, double *column, int stride) \
{ \
	for (int i = 0; i < slate->count; i++) \
		column[(size_t) i * stride] = MatchesOf(context, slate)[i].member; \
}

FILL_MATCH(FillCoverage, covered)
FILL_MATCH(FillNameCoverage, named)
FILL_MATCH(FillNameShare, nameShare)

/* Numbers in standard deviations of those that are known, less their mean; the others are 0. */
static void
Standardise(double *column, int count, int stride)
{
	double		mean = 0;
	double		squares = 0;
	int			known = 0;

	for (int i = 0; i < count; i++)
	{
		double		value = column[(size_t) i * stride];
		double		difference = value - mean;

		if (!isfinite(value))
			continue;
		mean += difference / ++known;
		squares += difference * (value - mean);
	}
	for (int i = 0; i < count; i++)
	{
		double	   *value = &column[(size_t) i * stride];

		*value = isfinite(*value) && squares > 0 ? (*value - mean) / sqrt(squares / known) : 0;
	}
}

/* A number of the catalogue; counts by their logarithm. */
static void
FillNumber(EngineContext *context, const Slate *slate, ItemNumber number, bool isCount, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
	{
		double		value = ItemReaderNumber(context->items, slate->candidates[i].itemKey, number);

		column[(size_t) i * stride] = isCount ? log1p(Max(value, 0)) : value;
		if (isnan(value))
			column[(size_t) i * stride] = value;
	}
	Standardise(column, slate->count, stride);
}

/* A feature out of such a number. */
#define FILL_NUMBER(name, number, isCount) \
void \
name(EngineContext *context, const Slate *slate, double *column, int stride) \
{ \
	FillNumber(context, slate, number, isCount, column, stride); \
}

FILL_NUMBER(FillRating, ITEM_RATING, false)
FILL_NUMBER(FillReviews, ITEM_REVIEWS, true)
FILL_NUMBER(FillPopularity, ITEM_POPULARITY, true)
FILL_NUMBER(FillStock, ITEM_STOCK, true)
FILL_NUMBER(FillMargin, ITEM_MARGIN, false)

/* How often an item is bought of those who view it. */
void
FillConversion(EngineContext *context, const Slate *slate, double *column, int stride)
{
	int64	   *itemKeys = KeysOf(slate);
	double	   *scores = palloc_extended(sizeof(double) * Max(slate->count, 1), MCXT_ALLOC_HUGE);

	ConversionScore(context->searchPast ? context->searchPast->conversion : NULL, itemKeys, slate->count, context->now, scores);
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = scores[i];
	pfree(scores);
	pfree(itemKeys);
}

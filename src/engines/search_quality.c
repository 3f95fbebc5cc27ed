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

#include "base/interval.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "utils/array.h"
#include "utils/timestamp.h"

/* Purchases are counted against views of as many days. */
#define CONVERSION_DAYS 60

/* As many views count as if they had been seen, with purchases at the usual rate. */
#define CONVERSION_PRIOR 50
#define CONVERSION_RATE 0.02

/* How the query's words are in the candidates, looked up once a round. */
static const TextMatch *
MatchesOf(EngineContext *context, const Slate *slate)
{
	SearchQuestion *question = QuestionOf(context);
	int64	   *itemKeys;

	if (question->described != NULL)
		return question->described;
	itemKeys = palloc_extended(sizeof(int64) * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	question->described = palloc_extended(sizeof(TextMatch) * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < slate->count; i++)
		itemKeys[i] = slate->candidates[i].itemKey;
	QuestionMatches(context, itemKeys, slate->count, question->described);
	pfree(itemKeys);
	return question->described;
}

/* The share of the query that the item has, rare words counting more. */
void
FillCoverage(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = MatchesOf(context, slate)[i].covered;
}

/* The same of its name. */
void
FillNameCoverage(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = MatchesOf(context, slate)[i].named;
}

/* How much of its name the query is. */
void
FillNameShare(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = MatchesOf(context, slate)[i].nameShare;
}

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

void
FillRating(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FillNumber(context, slate, ITEM_RATING, false, column, stride);
}

void
FillReviews(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FillNumber(context, slate, ITEM_REVIEWS, true, column, stride);
}

void
FillPopularity(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FillNumber(context, slate, ITEM_POPULARITY, true, column, stride);
}

void
FillStock(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FillNumber(context, slate, ITEM_STOCK, true, column, stride);
}

void
FillMargin(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FillNumber(context, slate, ITEM_MARGIN, false, column, stride);
}

/* Of items ($1) and hours from $2 to before $3: views (4) and purchases (10). */
#define CONVERSION_SQL \
	"SELECT s.item_key, sum(s.count) FILTER (WHERE s.event = 4)::float8, sum(s.count) FILTER (WHERE s.event = 10)::float8" \
	" FROM personalize.item_stat AS s WHERE s.item_key = ANY ($1) AND s.pane_start >= $2 AND s.pane_start < $3" \
	" AND s.event IN (4, 10) GROUP BY 1"

/* The logarithm of a rate over the usual one. */
static double
LogRate(double purchases, double views)
{
	return log((purchases + CONVERSION_PRIOR * CONVERSION_RATE) / (Max(views, purchases) + CONVERSION_PRIOR) / CONVERSION_RATE);
}

/* How often an item is bought of those who view it. */
void
FillConversion(EngineContext *context, const Slate *slate, double *column, int stride)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	/* an hour is counted as a whole, so the one under way is left out */
	TimestampTz until = IntervalPeriods(context->now, USECS_PER_HOUR) * USECS_PER_HOUR;
	Datum	   *keys = palloc_extended(sizeof(Datum) * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	KeySet		items;
	Datum		values[3];
	SpiUtilScope scope;
	uint64		found;

	KeySetInit(&items, slate->count);
	for (int i = 0; i < slate->count; i++)
	{
		keys[i] = Int64GetDatum(slate->candidates[i].itemKey);
		KeySetAdd(&items, slate->candidates[i].itemKey);
		column[(size_t) i * stride] = 0;
	}
	values[0] = PointerGetDatum(construct_array(keys, slate->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = TimestampTzGetDatum(until - CONVERSION_DAYS * USECS_PER_DAY);
	values[2] = TimestampTzGetDatum(until);
	SpiUtilBegin(&scope);
	found = SpiUtilRun(&plan, CONVERSION_SQL, lengthof(types), types, values, NULL, true);
	for (uint64 row = 0; row < found; row++)
	{
		bool		isNull;
		int			number = KeySetNumber(&items, DatumGetInt64(SpiUtilValue(row, 1, &isNull)));
		Datum		views = SpiUtilValue(row, 2, &isNull);
		double		viewed = isNull ? 0 : DatumGetFloat8(views);
		Datum		purchases = SpiUtilValue(row, 3, &isNull);

		/* items are proposed once each, so the number is the place */
		column[(size_t) number * stride] = LogRate(isNull ? 0 : DatumGetFloat8(purchases), viewed);
	}
	SpiUtilEnd(&scope);
	pfree(keys);
}

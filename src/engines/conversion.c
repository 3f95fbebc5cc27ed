/*
 * conversion.c
 *		How often items are bought of those who view them.
 *
 * Purchases are counted against views of CONVERSION_DAYS.  Whoever asks for many times, as
 * training does, has sums up to each hour in memory: those of a span are a difference.
 */
#include "postgres.h"

#include "engines/conversion.h"

#include <math.h>

#include "base/interval.h"
#include "base/key_set.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#define CONVERSION_DAYS 60

/* As many views count as if they had been seen, with purchases at the usual rate. */
#define CONVERSION_PRIOR 50
#define CONVERSION_RATE 0.02

/* Of items ($1) and hours from $2 to before $3, which no index is to be asked for: views (4) and purchases (10). */
#define COUNTS_SQL \
	"sum(s.count) FILTER (WHERE s.event = 4)::float8, sum(s.count) FILTER (WHERE s.event = 10)::float8" \
	" FROM personalize.item_stat AS s WHERE s.item_key = ANY ($1) AND (s.pane_start >= $2 AND s.pane_start < $3) IS TRUE" \
	" AND s.event IN (4, 10)"
#define SPAN_SQL "SELECT s.item_key, " COUNTS_SQL " GROUP BY 1"
#define HOURS_SQL "SELECT s.item_key, s.pane_start, " COUNTS_SQL " GROUP BY 1, 2 ORDER BY 1, 2"

/* What was counted of an item up to the end of an hour, since the first that was read. */
typedef struct HourSum
{
	TimestampTz hour;
	double		views;
	double		purchases;
} HourSum;

/* The hours of one item. */
typedef struct ItemHours
{
	int			first;
	int			count;
} ItemHours;

struct ConversionPast
{
	KeySet		items;
	ItemHours  *hours;			/* by number of the item */
	HourSum    *sums;
};

/* The end of a span that ends at a time: an hour is counted as a whole, so the one under way is left out. */
static TimestampTz
SpanEnd(TimestampTz at)
{
	return IntervalPeriods(at, USECS_PER_HOUR) * USECS_PER_HOUR;
}

/* The parameters of both statements. */
static void
SetValues(const int64 *itemKeys, int count, TimestampTz since, TimestampTz until, Datum *values)
{
	Datum	   *keys = palloc_extended(sizeof(Datum) * Max(count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
		keys[i] = Int64GetDatum(itemKeys[i]);
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = TimestampTzGetDatum(since);
	values[2] = TimestampTzGetDatum(until);
	pfree(keys);
}

/* A number that SPI has found; 0 for NULL. */
static double
GetCount(uint64 row, int column)
{
	bool		isNull;
	Datum		value = SpiUtilValue(row, column, &isNull);

	return isNull ? 0 : DatumGetFloat8(value);
}

/* Take over the rows that SPI has found. */
static void
TakeHours(ConversionPast *past, uint64 count, MemoryContext context)
{
	past->sums = MemoryContextAllocHuge(context, sizeof(HourSum) * Max(count, 1));
	for (uint64 row = 0; row < count; row++)
	{
		bool		isNull;
		ItemHours  *hours = &past->hours[KeySetNumber(&past->items, DatumGetInt64(SpiUtilValue(row, 1, &isNull)))];
		HourSum		before = hours->count > 0 ? past->sums[row - 1] : (HourSum) {0};

		if (hours->count++ == 0)
			hours->first = (int) row;
		past->sums[row] = (HourSum) {
			.hour = DatumGetTimestampTz(SpiUtilValue(row, 2, &isNull)),
			.views = before.views + GetCount(row, 3),.purchases = before.purchases + GetCount(row, 4)
		};
	}
}

/* Read what is needed. */
ConversionPast *
ConversionPastRead(const int64 *itemKeys, int count, TimestampTz since, TimestampTz until)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	MemoryContext context = CurrentMemoryContext;
	ConversionPast *past = palloc(sizeof(ConversionPast));
	Datum		values[3];
	SpiUtilScope scope;

	KeySetInit(&past->items, count);
	for (int i = 0; i < count; i++)
		KeySetAdd(&past->items, itemKeys[i]);
	past->hours = palloc_extended(sizeof(ItemHours) * Max(past->items.count, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	SetValues(itemKeys, count, SpanEnd(since) - CONVERSION_DAYS * USECS_PER_DAY, SpanEnd(until), values);
	SpiUtilBegin(&scope);
	TakeHours(past, SpiUtilRun(&plan, HOURS_SQL, lengthof(types), types, values, NULL, true), context);
	SpiUtilEnd(&scope);
	return past;
}

/* How many of an item's hours are before a time. */
static int
HoursBefore(const ConversionPast *past, const ItemHours *hours, TimestampTz time)
{
	int			low = 0;
	int			high = hours->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (past->sums[hours->first + middle].hour < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The logarithm of a rate over the usual one. */
static double
LogRate(double purchases, double views)
{
	return log((purchases + CONVERSION_PRIOR * CONVERSION_RATE) / (Max(views, purchases) + CONVERSION_PRIOR) / CONVERSION_RATE);
}

/* The score of an item in a span of the past. */
static double
ScoreInPast(const ConversionPast *past, int64 itemKey, TimestampTz since, TimestampTz until)
{
	const KeySetEntry *entry = keyset_lookup(past->items.table, itemKey);
	const ItemHours *hours = entry ? &past->hours[entry->number] : NULL;
	int			before = hours ? HoursBefore(past, hours, since) : 0;
	int			end = hours ? HoursBefore(past, hours, until) : 0;
	HourSum		start = before > 0 ? past->sums[hours->first + before - 1] : (HourSum) {0};
	const HourSum *last;

	if (end == before)
		return 0;
	last = &past->sums[hours->first + end - 1];
	return LogRate(last->purchases - start.purchases, last->views - start.views);
}

/* Read the scores of items in a span. */
static void
ReadScores(const int64 *itemKeys, int count, TimestampTz since, TimestampTz until, double *scores)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[3];
	KeySet		items;
	SpiUtilScope scope;
	uint64		found;

	KeySetInit(&items, count);
	for (int i = 0; i < count; i++)
	{
		KeySetAdd(&items, itemKeys[i]);
		scores[i] = 0;
	}
	SetValues(itemKeys, count, since, until, values);
	SpiUtilBegin(&scope);
	found = SpiUtilRun(&plan, SPAN_SQL, lengthof(types), types, values, NULL, true);
	for (uint64 row = 0; row < found; row++)
	{
		bool		isNull;

		/* items are proposed once each, so the number is the place */
		scores[KeySetNumber(&items, DatumGetInt64(SpiUtilValue(row, 1, &isNull)))] = LogRate(GetCount(row, 3), GetCount(row, 2));
	}
	SpiUtilEnd(&scope);
}

/* How often items are bought. */
void
ConversionScore(const ConversionPast *past, const int64 *itemKeys, int count, TimestampTz at, double *scores)
{
	TimestampTz until = SpanEnd(at);
	TimestampTz since = until - CONVERSION_DAYS * USECS_PER_DAY;

	if (past == NULL)
		ReadScores(itemKeys, count, since, until, scores);
	for (int i = 0; past != NULL && i < count; i++)
		scores[i] = ScoreInPast(past, itemKeys[i], since, until);
}

/*
 * page_stat.c
 *		What came of the modules of a page, by shelf.
 *
 * engine_stat has integers by day.  What is read of them is discounted by how many
 * impressions of the same module, segment and shelf came after (Garivier and Moulines,
 * "On Upper-Confidence Bound Policies for Switching Bandit Problems", ALT 2011, section 2):
 * a day's n impressions with m after them weigh g^m (1 - g^n) / (1 - g), g = 1 - 1/size,
 * so that no sum exceeds size.
 *
 * What was counted before a segment of a page was made is of another that had its number.
 * Where there are few rows they are read in each call; where there are many, what was read
 * is used for some seconds: the order of shelves does not hang on the last clicks.
 */
#include "postgres.h"

#include <math.h>

#include "pages/page_stat.h"

#include "base/grow.h"
#include "base/interval.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Days that are looked at. */
#define MAX_DAYS 180

/* One module, segment and bucket. */
typedef struct StatCell
{
	int			module;
	int			bucket;
	PageCount	count;
} StatCell;

/* From so many rows on, what was read is kept for so long. */
#define KEPT_ROWS 300
#define KEPT_MS 10000

struct PageStat
{
	int			rows;			/* days of cells */
	int			count;
	int			capacity;
	StatCell   *cells;			/* by module and bucket */
};

/* Add a day, which comes after those that are newer. */
static void
AddDay(PageStat *stat, int module, int bucket, int64 shown, int64 clicked, double size)
{
	StatCell   *cell = stat->count > 0 ? &stat->cells[stat->count - 1] : NULL;
	double		kept = 1 - 1 / size;
	double		weight;

	if (cell == NULL || cell->module != module || cell->bucket != bucket)
	{
		GrowArray(stat->cells, stat->count + 1, stat->capacity, 64);
		cell = &stat->cells[stat->count++];
		*cell = (StatCell) {.module = module,.bucket = bucket};
	}
	if (shown <= 0)
		return;
	weight = pow(kept, cell->count.counted) * (1 - pow(kept, shown)) * size / shown;
	cell->count.impressions += weight * shown;
	cell->count.clicks += weight * Min(clicked, shown);
	cell->count.counted += shown;
	cell->count.countedClicks += Min(clicked, shown);
}

/* What was read last. */
static struct
{
	MemoryContext context;		/* NULL: nothing is kept */
	PageStat   *stat;
	DateADT		today;
	double		size;
	TimestampTz at;
}			kept;

/* Read the counters up to a day, in the current memory context. */
static PageStat *
ReadCounters(DateADT today, double size)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, DATEOID, DATEOID};
	Datum		values[] = {Int16GetDatum(HOMEPAGE_CODE), DateADTGetDatum(today - MAX_DAYS), DateADTGetDatum(today)};
	PageStat   *stat = palloc0(sizeof(PageStat));
	MemoryContext caller = CurrentMemoryContext;
	SpiUtilScope scope;
	uint64		count;

	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan,
					   "SELECT module, place_bucket, sum(shown)::bigint, sum(clicked)::bigint"
					   " FROM personalize.engine_stat AS e"
					   " WHERE engine = $1 AND place_bucket >= 0 AND currency_code = 0 AND day > $2 AND day <= $3"
					   " AND NOT EXISTS (SELECT FROM personalize.page_segment AS s JOIN personalize.page_module AS m USING (page)"
					   " WHERE m.number * " CppAsString2(PAGE_SEGMENTS) " + s.number = e.module AND s.since > e.day)"
					   " GROUP BY module, place_bucket, day ORDER BY module, place_bucket, day DESC",
					   lengthof(types), types, values, NULL, true);
	for (uint64 i = 0; i < count; i++)
	{
		bool		isNull;
		int			module = DatumGetInt32(SpiUtilValue(i, 1, &isNull));
		int			bucket = DatumGetInt16(SpiUtilValue(i, 2, &isNull));
		int64		shown = DatumGetInt64(SpiUtilValue(i, 3, &isNull));
		int64		clicked = DatumGetInt64(SpiUtilValue(i, 4, &isNull));
		MemoryContext spi = MemoryContextSwitchTo(caller);

		AddDay(stat, module, bucket, shown, clicked, size);
		MemoryContextSwitchTo(spi);
	}
	SpiUtilEnd(&scope);
	stat->rows = (int) Min(count, PG_INT32_MAX);
	return stat;
}

/* Keep what was read; what was kept stays until the end of the transaction, for who uses it. */
static void
Keep(MemoryContext context, PageStat *stat, DateADT today, double size)
{
	if (kept.context != NULL)
		MemoryContextSetParent(kept.context, TopTransactionContext);
	MemoryContextSetParent(context, TopMemoryContext);
	kept.context = context;
	kept.stat = stat;
	kept.today = today;
	kept.size = size;
	kept.at = GetCurrentTimestamp();
}

/* Read the counters. */
const PageStat *
PageStatRead(TimestampTz now, double size)
{
	DateADT		today = (DateADT) IntervalPeriods(now, USECS_PER_DAY);
	MemoryContext context;
	MemoryContext caller;
	PageStat   *stat;

	if (kept.context != NULL && kept.today == today && kept.size == size &&
		!TimestampDifferenceExceeds(kept.at, GetCurrentTimestamp(), KEPT_MS))
		return kept.stat;
	context = AllocSetContextCreate(CurrentMemoryContext, "personalize page counters", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	stat = ReadCounters(today, size);
	MemoryContextSwitchTo(caller);
	if (stat->rows >= KEPT_ROWS)
		Keep(context, stat, today, size);
	return stat;
}

/* Of a module in a segment, on shelves of each bucket. */
void
PageStatGet(const PageStat *stat, int number, int segment, PageCount *counts)
{
	int			module = PageStatModule(number, segment);
	int			low = 0;
	int			high = stat->count;

	memset(counts, 0, sizeof(PageCount) * PAGE_BUCKETS);
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (stat->cells[middle].module < module)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < stat->count && stat->cells[low].module == module; low++)
		if (stat->cells[low].bucket < PAGE_BUCKETS)
			counts[stat->cells[low].bucket] = stat->cells[low].count;
}

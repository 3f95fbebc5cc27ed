/*
 * repeat_purchase.c
 *		How many of those who bought an item buy it again, by category; after how long, by item.
 *
 * Counted from _basket, in which each purchase has its person, so that who is erased or
 * restricted does not count: the numbers are a function of the purchases that are there.
 * Several pieces in one basket are one purchase, and so are baskets of one day where it is
 * about time.  What was known in the past is counted when somebody asks.
 */
#include "postgres.h"

#include "items/repeat_purchase.h"

#include "base/key.h"
#include "base/keyed.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "items/kept_list.h"
#include "utils/array.h"

/* The key of no category, which no text is likely to have. */
#define NO_CATEGORY INT64CONST(-1)

/* Columns of _repeat_purchase. */
typedef enum RepeatColumn
{
	REPEAT_CATEGORY_KEY,
	REPEAT_CATEGORY,
	REPEAT_BUYERS,
	REPEAT_AGAIN
} RepeatColumn;

/* Intervals there must be to know anything of an item. */
#define LEAST_INTERVALS "3"

/* Baskets of an item that are counted for a time in the past: the newest before it. */
#define PAST_BASKETS 2000

/* Median intervals of the items in baskets, a query that has their item, person and day. */
#define INTERVALS(baskets) \
	"SELECT g.item_key, (percentile_cont(0.5) WITHIN GROUP (ORDER BY g.days))::float8 AS days FROM (" \
	" SELECT b.item_key, b.day - lag(b.day) OVER (PARTITION BY b.item_key, b.user_key ORDER BY b.day) AS days" \
	" FROM (" baskets ") AS b) AS g WHERE g.days > 0 GROUP BY g.item_key HAVING count(*) >= " LEAST_INTERVALS

/* Of items $1, until the day of $2. */
#define PAST_SQL \
	INTERVALS("SELECT n.item_key, n.user_key, n.day FROM unnest($1) AS i (item_key), LATERAL (" \
			  " SELECT p.item_key, p.user_key, p.day FROM personalize._basket AS p" \
			  " WHERE p.item_key = i.item_key AND p.day < ($2 AT TIME ZONE 'UTC')::date AND p.count > 0" \
			  " ORDER BY p.day DESC, p.basket DESC LIMIT $3) AS n")

/* Columns of _repeat_interval. */
typedef enum IntervalColumn
{
	INTERVAL_ITEM_KEY,
	INTERVAL_DAYS
} IntervalColumn;

/* Count anew. */
static void
WriteCounts(void)
{
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(NO_CATEGORY)};

	SpiUtilRunOnce("WITH fresh AS ("
			   " SELECT coalesce(personalize_internal._exact_key(i.category), $1) AS category_key, i.category,"
			   "  count(*) AS buyers, count(*) FILTER (WHERE b.baskets > 1) AS again"
			   " FROM (SELECT item_key, user_key, count(DISTINCT basket) AS baskets FROM personalize._basket"
			   "  WHERE count > 0 GROUP BY item_key, user_key) b"
			   " LEFT JOIN personalize.item i USING (item_key) GROUP BY i.category),"
			   " gone AS ("
			   " DELETE FROM personalize._repeat_purchase r"
			   " WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.category_key = r.category_key))"
			   " INSERT INTO personalize._repeat_purchase AS r SELECT * FROM fresh ORDER BY category_key"
			   " ON CONFLICT (category_key) DO UPDATE SET buyers = EXCLUDED.buyers, again = EXCLUDED.again"
			   " WHERE (r.buyers, r.again) IS DISTINCT FROM (EXCLUDED.buyers, EXCLUDED.again)",
			   lengthof(types), types, values, NULL, false);
}

/* Count intervals anew. */
static void
WriteIntervals(void)
{
	SpiUtilRunOnce("WITH fresh AS ("
				   INTERVALS("SELECT k.item_key, k.user_key, k.day FROM personalize._basket AS k WHERE k.count > 0") "),"
				   " gone AS ("
				   " DELETE FROM personalize._repeat_interval r"
				   " WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.item_key = r.item_key))"
				   " INSERT INTO personalize._repeat_interval AS r SELECT f.item_key, f.days FROM fresh f ORDER BY f.item_key"
				   " ON CONFLICT (item_key) DO UPDATE SET days = EXCLUDED.days WHERE r.days <> EXCLUDED.days",
				   0, NULL, NULL, NULL, false);
}

/* Read what is known of a category. */
RepeatPurchase
RepeatPurchaseRead(const text *category, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_repeat_purchase", "_repeat_purchase_pkey", AccessShareLock);
	Datum		key = Int64GetDatum(category ? KeyFromExactText(category) : NO_CATEGORY);
	RepeatPurchase repeat = {0};
	TupleTableSlot *slot;

	slot = KeyedSeekOne(table, snapshot, 1, &key);
	if (slot != NULL)
	{
		slot_getallattrs(slot);
		repeat.buyers = DatumGetInt64(slot->tts_values[REPEAT_BUYERS]);
		repeat.again = DatumGetInt64(slot->tts_values[REPEAT_AGAIN]);
	}
	KeyedClose(table);
	return repeat;
}

/* Read the intervals that are kept. */
static void
ReadIntervals(const int64 *itemKeys, int count, Snapshot snapshot, double *days)
{
	KeyedTable *table = KeyedOpenFilled("_repeat_interval", "_repeat_interval_pkey");
	TupleTableSlot *slot;

	for (int i = 0; table != NULL && i < count; i++)
	{
		Datum		key = Int64GetDatum(itemKeys[i]);

		KeyedSeek(table, snapshot, 1, &key, BTEqualStrategyNumber);
		if ((slot = KeyedNext(table, ForwardScanDirection)) == NULL)
			continue;
		slot_getallattrs(slot);
		days[i] = DatumGetFloat8(slot->tts_values[INTERVAL_DAYS]);
	}
	if (table != NULL)
		KeyedClose(table);
}

/* Count the intervals of the past. */
static void
CountIntervals(const int64 *itemKeys, int count, TimestampTz before, double *days)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TIMESTAMPTZOID, INT4OID};
	Datum		values[] = {(Datum) 0, TimestampTzGetDatum(before), Int32GetDatum(PAST_BASKETS)};
	Datum	   *keys = palloc_array(Datum, count);
	uint64		found;
	SpiUtilScope scope;

	for (int i = 0; i < count; i++)
		keys[i] = Int64GetDatum(itemKeys[i]);
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilBegin(&scope);
	found = SpiUtilRun(&plan, PAST_SQL, lengthof(types), types, values, NULL, true);
	for (uint64 row = 0; row < found; row++)
	{
		bool		isNull;
		int64		key = DatumGetInt64(SpiUtilValue(row, 1, &isNull));

		for (int i = 0; i < count; i++)
			if (itemKeys[i] == key)
				days[i] = DatumGetFloat8(SpiUtilValue(row, 2, &isNull));
	}
	SpiUtilEnd(&scope);
}

/* After how many days people buy items again. */
void
RepeatIntervalRead(const int64 *itemKeys, int count, TimestampTz before, Snapshot snapshot, double *days)
{
	memset(days, 0, sizeof(double) * count);
	if (before == DT_NOEND)
		ReadIntervals(itemKeys, count, snapshot, days);
	else
		CountIntervals(itemKeys, count, before, days);
}

/* Have the counts and intervals kept. */
void
RepeatPurchaseInit(void)
{
	static const KeptList counts = {.name = "repeat_purchase",.madeOf = "_basket",.write = WriteCounts};
	static const KeptList intervals = {.name = "repeat_interval",.madeOf = "_basket",.write = WriteIntervals};

	KeptListRegister(&counts);
	KeptListRegister(&intervals);
}

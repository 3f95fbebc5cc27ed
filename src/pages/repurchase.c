/*
 * repurchase.c
 *		After how long people buy an item again.
 *
 * Of an item, the median interval between two purchases of one person, in a sample of those
 * who have bought it and allow analytics: the first by their keys, which are as good as
 * random.  A person's own intervals are averaged with it, which counts as much as some of
 * them; without it, they alone count.
 */
#include "postgres.h"

#include "pages/repurchase.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "miscadmin.h"
#include "people/consent.h"
#include "utils/array.h"
#include "utils/timestamp.h"

/* Purchases of an item that are nearer to each other are of one order, or a correction. */
#define SAME_ORDER USECS_PER_HOUR

/* An item is due from this part of its interval on, and given up after this many. */
#define DUE_FROM 0.8
#define DUE_UNTIL 4.0

/* Purchases of an item that are looked at, and intervals there must be at least. */
#define SAMPLE 200
#define LEAST_INTERVALS 3

/* The item's interval counts as much as so many of the person's own. */
#define ITEM_WORTH 2

/* Items of a person that are asked about: those bought last. */
#define MAX_ITEMS 32

/* Median intervals of items $1 in microseconds, by up to $2 purchases until $3 of each. */
#define INTERVAL_SQL \
	"SELECT g.item_key, (percentile_cont(0.5) WITHIN GROUP (ORDER BY g.gap))::float8" \
	" FROM (SELECT i.item_key, extract(epoch FROM o.ts - lag(o.ts) OVER (PARTITION BY i.item_key, o.user_key ORDER BY o.ts))::float8 * 1000000 AS gap" \
	"  FROM unnest($1) AS i (item_key), LATERAL (SELECT o.user_key, o.ts FROM personalize.exposure_outcome o" \
	"   WHERE o.event = 10 AND o.item_key = i.item_key AND o.ts <= $3" \
	"    AND NOT EXISTS (SELECT FROM personalize.subject s WHERE s.user_key = o.user_key AND s.restricted <> 0)" \
	"   ORDER BY o.user_key, o.ts LIMIT $2) o) g" \
	" WHERE g.gap >= $4 GROUP BY g.item_key HAVING count(*) >= $5 ORDER BY 1"

/* A purchase. */
typedef struct Purchase
{
	int64		itemKey;
	TimestampTz ts;
} Purchase;

/* The visitor's purchases. */
typedef struct Purchases
{
	int			count;
	int			capacity;
	Purchase   *list;
} Purchases;

/* Add one. */
static void
AddPurchase(Purchases *purchases, int64 itemKey, TimestampTz ts)
{
	if (purchases->count == purchases->capacity)
	{
		purchases->capacity = Max(16, 2 * purchases->capacity);
		purchases->list = purchases->list == NULL ? palloc_array(Purchase, purchases->capacity) :
			repalloc_array(purchases->list, Purchase, purchases->capacity);
	}
	purchases->list[purchases->count++] = (Purchase) {itemKey, ts};
}

/* Read the raw events that exist, and what is remembered beyond them. */
static void
ReadPurchases(EngineContext *context, Purchases *purchases)
{
	const Visitor *visitor = &context->visitor;
	EventScanOptions options = {.snapshot = context->snapshot,.ofUser = true,.userKey = visitor->userKey,
	.allDays = true,.keysOnly = true,.maxRead = ProfileMaxTail()};
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.hasItem && row.event == EVENT_TYPE_PURCHASE && (row.consent & PURPOSE_RECOMMENDATIONS) &&
			row.ts <= context->now)
			AddPurchase(purchases, row.itemKey, row.ts);
	}
	context->stale |= EventScanGaveUp(scan);
	EventScanEnd(scan);
	for (int i = 0; i < visitor->profile->recentCount; i++)
	{
		const ProfileItem *recent = &visitor->profile->recent[i];

		if (recent->event == EVENT_TYPE_PURCHASE && recent->ts <= context->now)
			AddPurchase(purchases, recent->itemKey, recent->ts);
	}
}

/* Order purchases by item and time. */
static int
ComparePurchases(const void *left, const void *right)
{
	const Purchase *a = left;
	const Purchase *b = right;

	if (a->itemKey != b->itemKey)
		return a->itemKey < b->itemKey ? -1 : 1;
	return (a->ts > b->ts) - (a->ts < b->ts);
}

/* Order items by how near their time is, from either side; ties by key. */
static int
CompareItems(const void *left, const void *right)
{
	const RepurchaseItem *a = left;
	const RepurchaseItem *b = right;

	if (a->due != b->due)
		return a->due > b->due ? -1 : 1;
	return (a->itemKey > b->itemKey) - (a->itemKey < b->itemKey);
}

/* How near a time is of which so many parts have passed: 1 when it has come; 0: it is not due. */
static double
Due(double passed)
{
	if (passed < DUE_FROM || passed > DUE_UNTIL)
		return 0;
	return passed <= 1 ? passed : 1 / passed;
}

/* What is known of an item that the visitor has bought. */
typedef struct BoughtItem
{
	int64		itemKey;
	TimestampTz last;
	int			intervals;		/* the visitor's own */
	int64		sum;			/* of these, in microseconds */
	double		typical;		/* everybody's; 0: not known */
} BoughtItem;

/* Order items by when they were bought last, the newest first. */
static int
CompareBought(const void *left, const void *right)
{
	const BoughtItem *a = left;
	const BoughtItem *b = right;

	if (a->last != b->last)
		return a->last > b->last ? -1 : 1;
	return (a->itemKey > b->itemKey) - (a->itemKey < b->itemKey);
}

/* The items of purchases, those bought last first; at most MAX_ITEMS. */
static int
GroupPurchases(Purchases *purchases, BoughtItem **items)
{
	BoughtItem *item = NULL;
	int			count = 0;

	*items = palloc_array(BoughtItem, Max(purchases->count, 1));
	qsort(purchases->list, purchases->count, sizeof(Purchase), ComparePurchases);
	for (int i = 0; i < purchases->count; i++)
	{
		const Purchase *purchase = &purchases->list[i];

		if (item == NULL || item->itemKey != purchase->itemKey)
		{
			item = &(*items)[count++];
			*item = (BoughtItem) {.itemKey = purchase->itemKey,.last = purchase->ts};
		}
		else if (purchase->ts - item->last >= SAME_ORDER)
		{
			item->sum += purchase->ts - item->last;
			item->intervals++;
			item->last = purchase->ts;
		}
	}
	qsort(*items, count, sizeof(BoughtItem), CompareBought);
	return Min(count, MAX_ITEMS);
}

/* Read after how long everybody buys the items again. */
static void
ReadTypical(const EngineContext *context, BoughtItem *items, int count)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, INT4OID, TIMESTAMPTZOID, FLOAT8OID, INT4OID};
	Datum	   *keys = palloc_array(Datum, count);
	Datum		values[lengthof(types)];
	uint64		found;
	SpiUtilScope scope;

	for (int i = 0; i < count; i++)
		keys[i] = Int64GetDatum(items[i].itemKey);
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = Int32GetDatum(SAMPLE);
	values[2] = TimestampTzGetDatum(context->now);
	values[3] = Float8GetDatum((double) SAME_ORDER);
	values[4] = Int32GetDatum(LEAST_INTERVALS);
	SpiUtilBegin(&scope);
	SpiUtilPrepareGeneric(&plan, INTERVAL_SQL, lengthof(types), types);
	found = SpiUtilRun(&plan, INTERVAL_SQL, lengthof(types), types, values, NULL, true);
	for (uint64 row = 0; row < found; row++)
	{
		bool		isNull;
		int64		key = DatumGetInt64(SpiUtilValue(row, 1, &isNull));

		for (int i = 0; i < count; i++)
			if (items[i].itemKey == key)
				items[i].typical = DatumGetFloat8(SpiUtilValue(row, 2, &isNull));
	}
	SpiUtilEnd(&scope);
}

/* After how long the visitor buys an item again, in microseconds; 0: nobody knows. */
static double
IntervalOf(const BoughtItem *item)
{
	int			worth = item->typical > 0 ? ITEM_WORTH : 0;

	if (item->intervals + worth == 0)
		return 0;
	return (item->sum + worth * item->typical) / (item->intervals + worth);
}

/* What the visitor has bought and is due. */
int
RepurchaseDue(EngineContext *context, RepurchaseItem **items)
{
	Purchases	purchases = {0};
	BoughtItem *bought;
	int			boughtCount;
	int			count = 0;

	ReadPurchases(context, &purchases);
	boughtCount = GroupPurchases(&purchases, &bought);
	*items = palloc_array(RepurchaseItem, Max(boughtCount, 1));
	if (boughtCount > 0)
		ReadTypical(context, bought, boughtCount);
	for (int i = 0; i < boughtCount; i++)
	{
		double		interval = IntervalOf(&bought[i]);
		RepurchaseItem *item = &(*items)[count];

		item->itemKey = bought[i].itemKey;
		item->due = interval > 0 ? Due((context->now - bought[i].last) / interval) : 0;
		count += item->due > 0;
	}
	qsort(*items, count, sizeof(RepurchaseItem), CompareItems);
	return count;
}

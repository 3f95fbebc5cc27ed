/*
 * repurchase.c
 *		After how long people buy an item again.
 *
 * A person's own intervals are averaged with the item's typical one (items/repeat_purchase),
 * which counts as much as some of them; without it, they alone count.
 */
#include "postgres.h"

#include "pages/repurchase.h"

#include "base/grow.h"
#include "compat.h"
#include "events/event.h"
#include "items/repeat_purchase.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

/* Purchases of an item that are nearer to each other are of one order, or a correction. */
#define SAME_ORDER USECS_PER_HOUR

/* An item is due from this part of its interval on, and given up after this many. */
#define DUE_FROM 0.8
#define DUE_UNTIL 4.0

/* The item's interval counts as much as so many of the person's own. */
#define ITEM_WORTH 2

/* Items of a person that are asked about: those bought last. */
#define MAX_ITEMS 32

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
	GrowArray(purchases->list, purchases->count + 1, purchases->capacity, 16);
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
	int64	   *keys = palloc_array(int64, count);
	double	   *days = palloc_array(double, count);

	for (int i = 0; i < count; i++)
		keys[i] = items[i].itemKey;
	RepeatIntervalRead(keys, count, context->hasAsOf ? context->now : DT_NOEND, context->snapshot, days);
	for (int i = 0; i < count; i++)
		items[i].typical = days[i] * USECS_PER_DAY;
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

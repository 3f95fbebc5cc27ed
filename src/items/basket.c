/*
 * basket.c
 *		What was bought together: one row for an item in a basket.
 *
 * Pairs are counted when they are asked for: a table of them would grow with the
 * square of the baskets.
 */
#include "postgres.h"

#include "items/basket.h"

#include "access/xact.h"
#include "base/interval.h"
#include "base/key.h"
#include "base/keyed.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/table_writer.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "events/order_id.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"

/* An item in a basket. */
typedef struct BasketItem
{
	struct
	{
		int64		itemKey;
		int64		basket;
		int64		day;		/* days since 2000-01-01 UTC */
	}			key;
	int64		userKey;
	int64		count;
	bool		found;			/* there is a row of it, when rows are compared */
} BasketItem;

/* Start counting, in the current memory context. */
HTAB *
BasketBegin(void)
{
	HASHCTL		control = {
		.keysize = sizeof(((BasketItem *) NULL)->key),
		.entrysize = sizeof(BasketItem),
		.hcxt = CurrentMemoryContext
	};

	return hash_create("personalize baskets", 64, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* What makes two purchases belong together: the order, the session, the day. */
static int64
EventBasket(const EventRow *row, int64 day)
{
	IngestString order;
	uint64		parts[3] = {(uint64) row->userKey, 0, 0};

	if (OrderIdRead(row, &order))
	{
		parts[1] = 1;
		parts[2] = KeyHash(order.data, order.length);
	}
	else if (row->hasSession)
	{
		parts[1] = 2;
		parts[2] = (uint64) row->sessionKey;
	}
	else
		parts[2] = (uint64) day;
	return (int64) KeyHash(parts, sizeof(parts));
}

/* Count a purchase so many times: once, or -1 to take it out again. */
void
BasketCount(HTAB *baskets, const EventRow *row, int64 times)
{
	BasketItem	bought = {0};
	BasketItem *item;
	bool		found;

	bought.key.itemKey = row->itemKey;
	bought.key.day = IntervalPeriods(row->ts, USECS_PER_DAY);
	bought.key.basket = EventBasket(row, bought.key.day);
	item = hash_search(baskets, &bought.key, HASH_ENTER, &found);
	if (!found)
	{
		item->count = 0;
		item->found = false;
	}
	item->userKey = row->userKey;
	item->count += times;
}

/* Columns of _basket, in order; src/items/item_stat.sql. */
enum
{
	BASKET_ITEM_KEY,
	BASKET_DAY,
	BASKET_BASKET,
	BASKET_USER_KEY,
	BASKET_COUNT,
	BASKET_COLUMNS
};

#define BASKET_KEYS 3

/* Rows of _basket being written. */
typedef struct BasketWriter
{
	KeyedTable *table;
	Snapshot	snapshot;
	LazyWriter	added;			/* rows that there were not */
} BasketWriter;

/* Order items by the keys of their rows. */
static int
CompareItems(const void *left, const void *right)
{
	const BasketItem *a = *(const BasketItem *const *) left;
	const BasketItem *b = *(const BasketItem *const *) right;

	if (a->key.itemKey != b->key.itemKey)
		return a->key.itemKey < b->key.itemKey ? -1 : 1;
	if (a->key.day != b->key.day)
		return a->key.day < b->key.day ? -1 : 1;
	return (a->key.basket > b->key.basket) - (a->key.basket < b->key.basket);
}

/* The items, in the order of their keys. */
static BasketItem **
SortItems(HTAB *baskets, long count)
{
	BasketItem **items = palloc_extended(sizeof(BasketItem *) * count, MCXT_ALLOC_HUGE);
	HASH_SEQ_STATUS status;
	BasketItem *item;
	long		found = 0;

	hash_seq_init(&status, baskets);
	while ((item = hash_seq_search(&status)) != NULL)
		items[found++] = item;
	qsort(items, found, sizeof(BasketItem *), CompareItems);
	return items;
}

/* Add an item to its row, which appears as needed and disappears when nothing is left in it. */
static void
WriteItem(BasketWriter *writer, const BasketItem *item)
{
	static const bool nulls[BASKET_COLUMNS] = {false};
	Datum		values[BASKET_COLUMNS] = {
		Int64GetDatum(item->key.itemKey), DateADTGetDatum((DateADT) item->key.day),
		Int64GetDatum(item->key.basket), Int64GetDatum(item->userKey)
	};
	TupleTableSlot *slot = KeyedSeekOne(writer->table, writer->snapshot, BASKET_KEYS, values);
	int64		count = item->count;

	if (slot != NULL)
	{
		slot_getallattrs(slot);
		values[BASKET_USER_KEY] = slot->tts_values[BASKET_USER_KEY];
		count += DatumGetInt64(slot->tts_values[BASKET_COUNT]);
	}
	values[BASKET_COUNT] = Int64GetDatum(count);
	if (item->count >= 0 || count > 0)
	{
		if (slot != NULL)
			KeyedUpdate(writer->table, &slot->tts_tid, values, NULL);
		else
			LazyWriterAdd(&writer->added, values, nulls);
	}
	else if (slot != NULL)
		KeyedDelete(writer->table, &slot->tts_tid);
}

/* Write the baskets. */
void
BasketWrite(HTAB *baskets)
{
	long		count = hash_get_num_entries(baskets);
	BasketWriter writer = {.added = {.table = "_basket",.sorted = true}};
	BasketItem **items;

	if (count == 0)
		return;
	items = SortItems(baskets, count);
	/* what has become of baskets in this transaction is seen */
	CommandCounterIncrement();
	writer.snapshot = RegisterSnapshot(GetLatestSnapshot());
	writer.table = KeyedOpen("_basket", "_basket_pkey", RowExclusiveLock);
	for (long i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		WriteItem(&writer, items[i]);
	}
	LazyWriterEnd(&writer.added);
	KeyedClose(writer.table);
	UnregisterSnapshot(writer.snapshot);
	pfree(items);
}

/* Which item a row is about; those of the restricted are not counted, and stay. */
static bool
ItemOfRow(TupleTableSlot *slot, int64 *key)
{
	bool		isNull;

	*key = DatumGetInt64(slot_getattr(slot, 1, &isNull));
	return DatumGetInt64(slot_getattr(slot, 5, &isNull)) > 0;
}

/* Forget the baskets of some shards. */
void
BasketClear(const bool *shards)
{
	ProcessorClearTable("_basket", "_basket_pkey", shards, ItemOfRow);
}

/* From which day on retention leaves all baskets. */
static TimestampTz
KeptSince(void)
{
	static SPIPlanPtr plan = NULL;
	bool		isNull;
	Datum		since;

	SpiUtilRun(&plan,
			   "SELECT date_trunc('day', clock_timestamp(), 'UTC') + interval '24 hours' - max(r.keep)"
			   " FROM personalize.retention_policy AS r WHERE r.kind = 'basket'",
			   0, NULL, NULL, NULL, true);
	since = SpiUtilValue(0, 1, &isNull);
	return isNull ? DT_NOBEGIN : DatumGetTimestampTz(since);
}

/* A basket in words. */
static char *
BasketName(const BasketItem *item)
{
	return psprintf("item_key " INT64_FORMAT ", basket " INT64_FORMAT, item->key.itemKey, item->key.basket);
}

/* Complain of what was bought and is in no basket. */
static void
CompareMissing(HTAB *baskets, TimestampTz keptSince, ProcessorVerification *verification)
{
	HASH_SEQ_STATUS scan;
	BasketItem *item;

	hash_seq_init(&scan, baskets);
	while ((item = hash_seq_search(&scan)) != NULL)
		if (!item->found && item->key.day * USECS_PER_DAY >= keptSince)
			ProcessorVerifyKey(verification, 1, item->count, 0, true, BasketName(item));
}

/* Compare with the baskets that are in use. */
void
BasketCompare(HTAB *baskets, ProcessorVerification *verification)
{
	static SPIPlanPtr plan = NULL;
	TimestampTz keptSince;
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	keptSince = KeptSince();
	SpiUtilRun(&plan,
			   "SELECT item_key, basket, day - '2000-01-01'::date, count, user_key FROM personalize._basket WHERE count > 0",
			   0, NULL, NULL, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		BasketItem	row = {0};
		BasketItem *bought;

		row.key.itemKey = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
		row.key.basket = DatumGetInt64(SpiUtilValue(i, 2, &isNull));
		row.key.day = DatumGetInt32(SpiUtilValue(i, 3, &isNull));
		if (!verification->shards[ShardOfKey(row.key.itemKey)])
			continue;
		bought = hash_search(baskets, &row.key, HASH_FIND, NULL);
		if (bought != NULL && bought->userKey != DatumGetInt64(SpiUtilValue(i, 5, &isNull)))
			bought = NULL;
		if (bought != NULL)
			bought->found = true;
		ProcessorVerifyKey(verification, 1, bought ? bought->count : 0,
						   DatumGetInt64(SpiUtilValue(i, 4, &isNull)),
						   row.key.day * USECS_PER_DAY >= verification->since, BasketName(&row));
	}
	CompareMissing(baskets, keptSince, verification);
	SpiUtilEnd(&scope);
}

/*
 * Take a person's baskets out of use, or back into it: a count below nothing is
 * one that nobody looks at.
 */
bool
BasketFlip(int64 userKey)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(userKey)};

	return SpiUtilRunAsOwner(&plan, "UPDATE personalize._basket SET count = - count WHERE user_key = $1",
							 1, types, values, NULL, false) > 0;
}

/*
 * basket.c
 *		What was bought together: one row for an item in a basket.
 *
 * Pairs are counted when they are asked for: a table of them would grow with the
 * square of the baskets.
 */
#include "postgres.h"

#include "items/basket.h"

#include "base/interval.h"
#include "base/key.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "events/order_id.h"
#include "utils/array.h"
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
		item->count = 0;
	item->userKey = row->userKey;
	item->count += times;
}

/* Write the baskets, all in one statement: purchases are few. */
void
BasketWrite(HTAB *baskets)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr emptyPlan = NULL;
	const Oid	types[] = {INT8ARRAYOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID};
	long		count = hash_get_num_entries(baskets);
	Datum	   *columns[5];
	Datum		values[5];
	HASH_SEQ_STATUS status;
	BasketItem *item;
	SpiUtilScope scope;
	int			row = 0;

	if (count == 0)
		return;
	for (int i = 0; i < 5; i++)
		columns[i] = palloc_extended(sizeof(Datum) * count, MCXT_ALLOC_HUGE);
	hash_seq_init(&status, baskets);
	while ((item = hash_seq_search(&status)) != NULL)
	{
		columns[0][row] = Int64GetDatum(item->key.itemKey);
		columns[1][row] = Int32GetDatum((int32) item->key.day);
		columns[2][row] = Int64GetDatum(item->key.basket);
		columns[3][row] = Int64GetDatum(item->userKey);
		columns[4][row++] = Int64GetDatum(item->count);
	}
	for (int i = 0; i < 5; i++)
		values[i] = PointerGetDatum(i == 1 ?
									construct_array(columns[i], row, INT4OID, 4, true, TYPALIGN_INT) :
									construct_array(columns[i], row, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "INSERT INTO personalize._basket AS b (item_key, day, basket, user_key, count)"
			   " SELECT i, '2000-01-01'::date + d, k, u, c"
			   " FROM unnest($1, $2, $3, $4, $5) AS t(i, d, k, u, c) ORDER BY 1, 2, 3"
			   " ON CONFLICT (item_key, day, basket) DO UPDATE SET count = b.count + EXCLUDED.count",
			   5, types, values, NULL, false);
	SpiUtilRun(&emptyPlan,
			   "DELETE FROM personalize._basket b USING unnest($1, $2, $3, $4, $5) AS t(i, d, k, u, c)"
			   " WHERE t.c < 0 AND b.item_key = t.i AND b.day = '2000-01-01'::date + t.d"
			   " AND b.basket = t.k AND b.count <= 0",
			   5, types, values, NULL, false);
	SpiUtilEnd(&scope);
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

/* Compare with the baskets that are in use. */
void
BasketCompare(HTAB *baskets, ProcessorVerification *verification)
{
	static SPIPlanPtr plan = NULL;
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT item_key, basket, day - '2000-01-01'::date, count FROM personalize._basket WHERE count > 0",
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
		ProcessorVerifyKey(verification, 1, bought ? bought->count : 0,
						   DatumGetInt64(SpiUtilValue(i, 4, &isNull)),
						   row.key.day * USECS_PER_DAY >= verification->since,
						   psprintf("item_key " INT64_FORMAT ", basket " INT64_FORMAT, row.key.itemKey, row.key.basket));
	}
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
	SpiUtilScope scope;
	bool		any;

	SpiUtilBegin(&scope);
	any = SpiUtilRun(&plan, "UPDATE personalize._basket SET count = - count WHERE user_key = $1",
					 1, types, values, NULL, false) > 0;
	SpiUtilEnd(&scope);
	return any;
}

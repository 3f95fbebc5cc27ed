/*
 * repeat_purchase.c
 *		How many of those who bought an item buy it again, by category.
 *
 * Counted from _basket, in which each purchase has its person, so that who is erased or
 * restricted does not count: the numbers are a function of the purchases that are there.
 * Several pieces in one basket are one purchase.
 */
#include "postgres.h"

#include "items/repeat_purchase.h"

#include "base/key.h"
#include "base/keyed.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "items/kept_list.h"

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

/* Count anew. */
static void
WriteCounts(void)
{
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(NO_CATEGORY)};

	SpiUtilRunOnce("WITH fresh AS ("
			   " SELECT coalesce(personalize.item_key(i.category), $1) AS category_key, i.category,"
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

/* Read what is known of a category. */
RepeatPurchase
RepeatPurchaseRead(const text *category, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_repeat_purchase", "_repeat_purchase_pkey", AccessShareLock);
	Datum		key = Int64GetDatum(category ? KeyFromText(category) : NO_CATEGORY);
	RepeatPurchase repeat = {0};
	TupleTableSlot *slot;

	KeyedSeek(table, snapshot, 1, &key, BTEqualStrategyNumber);
	slot = KeyedNext(table, ForwardScanDirection);
	if (slot != NULL)
	{
		slot_getallattrs(slot);
		repeat.buyers = DatumGetInt64(slot->tts_values[REPEAT_BUYERS]);
		repeat.again = DatumGetInt64(slot->tts_values[REPEAT_AGAIN]);
	}
	KeyedClose(table);
	return repeat;
}

/* Have the counts kept. */
void
RepeatPurchaseInit(void)
{
	static const KeptList list = {.name = "repeat_purchase",.madeOf = "_basket",.write = WriteCounts};

	KeptListRegister(&list);
}

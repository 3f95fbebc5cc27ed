/*
 * attraction_counts.c
 *		Sums of search_stat: how often items were shown after a query, and clicked.
 *
 * A row of _attraction has all places of an item after a query, as arrays of integers: a
 * search reads one or two rows for each of its candidates.  Zeros at the end of an array
 * are left out, so that what is added and taken back leaves no trace.
 *
 * The items of a query, and sums over all queries of popular items, are asked for again and
 * again: a backend keeps them while their rows are the same (RangeMarkHolds, RowMarkHolds).
 */
#include "postgres.h"

#include "exposures/attraction_counts.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/range_mark.h"
#include "base/relation.h"
#include "base/row_place.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_add_counts);

/* Columns; src/exposures/attraction.sql. */
typedef enum AttractionColumn
{
	ATTRACTION_QUERY_KEY = 1,
	ATTRACTION_ITEM_KEY,
	ATTRACTION_SHOWN,
	ATTRACTION_CLICKED
} AttractionColumn;

/* So many rows are expected at a time: more would drive each other out of the processor's caches. */
#define EXPECT_ROWS 256

/* What there was of an item after any query. */
typedef struct KeptCounts
{
	int64		itemKey;
	char		status;
	RowMark		mark;
	AttractionCounts counts;
} KeptCounts;

#define SH_PREFIX keptcounts
#define SH_ELEMENT_TYPE KeptCounts
#define SH_KEY_TYPE int64
#define SH_KEY itemKey
#define SH_HASH_KEY(table, key) KeySpread(key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What this backend keeps, of which table; so many, then all are forgotten. */
#define MOST_KEPT 32768
static keptcounts_hash *kept = NULL;
static Oid	keptTable;

/* The items of a query, all in one memory context. */
typedef struct KeptItems
{
	int64		query;
	char		status;
	RangeMark	mark;
	AttractionItems *items;
} KeptItems;

#define SH_PREFIX keptitems
#define SH_ELEMENT_TYPE KeptItems
#define SH_KEY_TYPE int64
#define SH_KEY query
#define SH_HASH_KEY(table, key) KeySpread(key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What this backend keeps of the same table; so many bytes, then all are forgotten. */
#define MOST_ITEM_BYTES (16 * 1024 * 1024)
static MemoryContext itemsContext = NULL;
static keptitems_hash *keptItems = NULL;

struct AttractionReader
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	IndexScanDesc scan;			/* NULL: not begun */
};

/* Make ready to keep the items of queries. */
static void
PrepareItems(Oid table)
{
	if (itemsContext == NULL)
		itemsContext = AllocSetContextCreate(TopMemoryContext, "personalize items of queries", ALLOCSET_DEFAULT_SIZES);
	if (keptItems != NULL && keptTable == table && MemoryContextMemAllocated(itemsContext, true) < MOST_ITEM_BYTES)
		return;
	keptItems = NULL;
	MemoryContextReset(itemsContext);
	keptItems = keptitems_create(itemsContext, 64, NULL);
}

/* Make ready to keep counts, and forget those of another table. */
static void
PrepareKept(Oid table)
{
	PrepareItems(table);
	if (kept == NULL)
		kept = keptcounts_create(TopMemoryContext, 256, NULL);
	if (kept->members >= MOST_KEPT || keptTable != table)
		keptcounts_reset(kept);
	keptTable = table;
}

/* Open the table. */
AttractionReader *
AttractionOpen(Snapshot snapshot)
{
	AttractionReader *reader = palloc0(sizeof(AttractionReader));

	reader->snapshot = snapshot;
	reader->table = RelationOpenTable("_attraction", AccessShareLock);
	reader->index = RelationOpenIndex(reader->table, "_attraction_pkey", AccessShareLock);
	reader->slot = table_slot_create(reader->table, NULL);
	PrepareKept(RelationGetRelid(reader->table));
	return reader;
}

/* Close it. */
void
AttractionClose(AttractionReader *reader)
{
	if (reader->scan != NULL)
		index_endscan(reader->scan);
	ExecDropSingleTupleTableSlot(reader->slot);
	index_close(reader->index, AccessShareLock);
	table_close(reader->table, AccessShareLock);
	pfree(reader);
}

/* Go to the rows with these first columns of the index. */
static void
Seek(AttractionReader *reader, const int64 *values, int count)
{
	ScanKeyData keys[2];

	for (int i = 0; i < count; i++)
		ScanKeyInit(&keys[i], i + 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(values[i]));
	if (reader->scan != NULL && reader->scan->numberOfKeys != count)
	{
		index_endscan(reader->scan);
		reader->scan = NULL;
	}
	if (reader->scan == NULL)
		reader->scan = index_beginscan(reader->table, reader->index, reader->snapshot, NULL, count, 0);
	index_rescan(reader->scan, keys, count, NULL, 0);
}

/* Room for a list that is stored with a short header, as most are. */
typedef union ShortList
{
	int64		aligned;
	char		bytes[VARATT_SHORT_MAX + VARHDRSZ];
} ShortList;

/* Complain of a row that nobody of ours has written so. */
static void
ReportDamage(TupleTableSlot *slot)
{
	bool		isNull;

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("row of \"_attraction\" with query_key " INT64_FORMAT ", item_key " INT64_FORMAT " is damaged",
					DatumGetInt64(slot_getattr(slot, ATTRACTION_QUERY_KEY, &isNull)),
					DatumGetInt64(slot_getattr(slot, ATTRACTION_ITEM_KEY, &isNull))),
			 errhint("SELECT personalize.rebuild_processor('exposure') makes the table anew from raw events.")));
}

/* The numbers of a list in the row in the slot; how many. */
static const int64 *
NumbersOf(TupleTableSlot *slot, AttrNumber column, ShortList *room, int *count)
{
	bool		isNull;
	struct varlena *stored = (struct varlena *) DatumGetPointer(slot_getattr(slot, column, &isNull));
	ArrayType  *array;

	if (VARATT_IS_SHORT(stored))
	{
		Size		size = VARSIZE_SHORT(stored) - VARHDRSZ_SHORT;

		memcpy(room->bytes + VARHDRSZ, VARDATA_SHORT(stored), size);
		SET_VARSIZE(room->bytes, size + VARHDRSZ);
		array = (ArrayType *) room->bytes;
	}
	else
		array = DatumGetArrayTypeP(PointerGetDatum(stored));
	if (ARR_NDIM(array) > 1 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != INT8OID)
		ReportDamage(slot);
	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return (const int64 *) ARR_DATA_PTR(array);
}

/* The counts of the row in the slot. */
static void
ReadRow(TupleTableSlot *slot, AttractionCounts *counts)
{
	const int64 *numbers;
	ShortList	room;
	int			count;

	memset(counts, 0, sizeof(AttractionCounts));
	numbers = NumbersOf(slot, ATTRACTION_SHOWN, &room, &count);
	for (int place = 0; place < Min(count, ATTRACTION_PLACES); place++)
		counts->shown[place] = numbers[place];
	numbers = NumbersOf(slot, ATTRACTION_CLICKED, &room, &count);
	for (int place = 0; place < count; place++)
		counts->clicked += numbers[place];
}

/* Room for the items of a query, and one more to tell that there are more. */
typedef struct ReadItems
{
	AttractionItems items;
	int			count;
	int64		itemKeys[ATTRACTION_MOST_ITEMS + 1];
	AttractionCounts counts[ATTRACTION_MOST_ITEMS + 1];
	bool		marked;			/* so far, in the mark */
	RangeMark	mark;
	PageMark	pages[ATTRACTION_MOST_ITEMS + 1];
} ReadItems;

/* Read the items of a query. */
static void
ReadQuery(AttractionReader *reader, int64 query, ReadItems *made)
{
	BlockNumber leaf = InvalidBlockNumber;
	bool		isNull;

	Seek(reader, &query, 1);
	made->count = 0;
	made->marked = true;
	RangeMarkBegin(&made->mark, made->pages);
	while (made->count <= ATTRACTION_MOST_ITEMS && index_getnext_slot(reader->scan, ForwardScanDirection, reader->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (made->count == 0)
			leaf = RangeMarkLeaf(reader->scan);
		made->itemKeys[made->count] = DatumGetInt64(slot_getattr(reader->slot, ATTRACTION_ITEM_KEY, &isNull));
		ReadRow(reader->slot, &made->counts[made->count++]);
		made->marked = made->marked && RangeMarkAdd(&made->mark, reader->table, reader->snapshot, reader->slot);
	}
	made->items.cut = made->count > ATTRACTION_MOST_ITEMS;
	made->marked = made->marked &&
		RangeMarkFinish(&made->mark, reader->scan, leaf, query, made->itemKeys, made->count, made->items.cut);
}

/* A copy of what was read, in the current memory context. */
static AttractionItems *
CopyItems(const ReadItems *made)
{
	AttractionItems *items = palloc(sizeof(AttractionItems));
	int			count = Min(made->count, ATTRACTION_MOST_ITEMS);
	int64	   *itemKeys = palloc_array(int64, Max(count, 1));
	AttractionCounts *counts = palloc_array(AttractionCounts, Max(count, 1));

	*items = made->items;
	KeySetInit(&items->keys, count);
	for (int i = 0; i < count; i++)
		KeySetAdd(&items->keys, made->itemKeys[i]);
	items->itemKeys = memcpy(itemKeys, made->itemKeys, sizeof(int64) * count);
	items->counts = memcpy(counts, made->counts, sizeof(AttractionCounts) * count);
	return items;
}

/* Keep what was read. */
static AttractionItems *
KeepItems(const ReadItems *made, int64 query)
{
	MemoryContext caller = MemoryContextSwitchTo(itemsContext);
	AttractionItems *items = CopyItems(made);
	RangeMark	mark = made->mark;
	KeptItems  *entry;
	bool		found;

	mark.pages = palloc_array(PageMark, mark.pageCount);
	memcpy(mark.pages, made->pages, sizeof(PageMark) * mark.pageCount);
	entry = keptitems_insert(keptItems, query, &found);
	entry->mark = mark;
	entry->items = items;
	MemoryContextSwitchTo(caller);
	return items;
}

/* The items of a query. */
const AttractionItems *
AttractionItemsOf(AttractionReader *reader, int64 query)
{
	const KeptItems *kept = keptitems_lookup(keptItems, query);
	const AttractionItems *items;
	ReadItems  *made;

	if (kept != NULL && RangeMarkHolds(&kept->mark, reader->table, reader->index, reader->snapshot))
		return kept->items;
	made = palloc(sizeof(ReadItems));
	ReadQuery(reader, query, made);
	items = made->marked ? KeepItems(made, query) : CopyItems(made);
	pfree(made);
	return items;
}

/* True if the row in the slot is this. */
static bool
IsRow(TupleTableSlot *slot, int64 query, int64 itemKey)
{
	bool		isNull;

	return DatumGetInt64(slot_getattr(slot, ATTRACTION_QUERY_KEY, &isNull)) == query &&
		DatumGetInt64(slot_getattr(slot, ATTRACTION_ITEM_KEY, &isNull)) == itemKey;
}

/* A key under which the place of a row is remembered; another row may have the same. */
static int64
PlaceKey(int64 query, int64 itemKey)
{
	return query == ATTRACTION_ANY_QUERY ? itemKey : (int64) hash_combine64((uint64) query, (uint64) itemKey);
}

/* What there is of an item after any query, as long as it is what was read before. */
static bool
FindKept(AttractionReader *reader, int64 itemKey, AttractionCounts *counts)
{
	const KeptCounts *entry = keptcounts_lookup(kept, itemKey);

	if (entry == NULL || !RowMarkHolds(reader->table, reader->snapshot, &entry->mark))
		return false;
	*counts = entry->counts;
	return true;
}

/* Keep the counts of the row in the slot, if that is possible. */
static void
Keep(AttractionReader *reader, int64 itemKey, const AttractionCounts *counts)
{
	RowMark		mark;
	bool		found;
	KeptCounts *entry;

	if (!RowMarkTake(reader->table, reader->snapshot, reader->slot, &mark))
		return;
	entry = keptcounts_insert(kept, itemKey, &found);
	entry->mark = mark;
	entry->counts = *counts;
}

/* What there is of an item after a query. */
bool
AttractionOf(AttractionReader *reader, int64 query, int64 itemKey, AttractionCounts *counts)
{
	const int64 values[] = {query, itemKey};
	int64		placeKey = PlaceKey(query, itemKey);

	if (query == ATTRACTION_ANY_QUERY && FindKept(reader, itemKey, counts))
		return true;
	if (!RowPlaceFetch(reader->table, reader->snapshot, placeKey, reader->slot) ||
		!IsRow(reader->slot, query, itemKey))
	{
		Seek(reader, values, lengthof(values));
		if (!index_getnext_slot(reader->scan, ForwardScanDirection, reader->slot))
			return false;
		RowPlaceKeep(reader->table, reader->snapshot, placeKey, reader->slot);
	}
	ReadRow(reader->slot, counts);
	if (query == ATTRACTION_ANY_QUERY)
		Keep(reader, itemKey, counts);
	return true;
}

/* Counts of these items after any query are about to be asked for. */
void
AttractionExpect(AttractionReader *reader, const int64 *itemKeys, int count)
{
	int64		others[EXPECT_ROWS];
	int			otherCount = 0;

	for (int i = 0; i < Min(count, EXPECT_ROWS); i++)
	{
		const KeptCounts *entry = keptcounts_lookup(kept, itemKeys[i]);

		if (entry != NULL)
			RowMarkPrefetch(&entry->mark);
		else
			others[otherCount++] = itemKeys[i];
	}
	RowPlacePrefetch(reader->table, others, otherCount);
}

/* Refuse what is no list of counts. */
static void
CheckCounts(ArrayType *counts)
{
	if (ARR_NDIM(counts) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("counts must have one dimension, not %d", ARR_NDIM(counts))));
	if (array_contains_nulls(counts))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("counts must not contain nulls")));
}

/* _add_counts(a, b) */
Datum
personalize_add_counts(PG_FUNCTION_ARGS)
{
	ArrayType  *lists[] = {PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_ARRAYTYPE_P(1)};
	int			length = 0;
	Datum	   *sums;

	for (int i = 0; i < lengthof(lists); i++)
	{
		CheckCounts(lists[i]);
		length = Max(length, ArrayGetNItems(ARR_NDIM(lists[i]), ARR_DIMS(lists[i])));
	}
	sums = palloc0(sizeof(Datum) * Max(length, 1));
	for (int i = 0; i < lengthof(lists); i++)
	{
		int			count = ArrayGetNItems(ARR_NDIM(lists[i]), ARR_DIMS(lists[i]));
		const int64 *numbers = (const int64 *) ARR_DATA_PTR(lists[i]);

		for (int place = 0; place < count; place++)
		{
			int64		sum;

			if (pg_add_s64_overflow(DatumGetInt64(sums[place]), numbers[place], &sum))
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("the sum of " INT64_FORMAT " and " INT64_FORMAT " is out of range",
								DatumGetInt64(sums[place]), numbers[place])));
			sums[place] = Int64GetDatum(sum);
		}
	}
	while (length > 0 && DatumGetInt64(sums[length - 1]) == 0)
		length--;
	PG_RETURN_ARRAYTYPE_P(construct_array(sums, length, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

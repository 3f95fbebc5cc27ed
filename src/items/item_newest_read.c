/*
 * item_newest_read.c
 *		The newest items, of a category or of all.
 *
 * What a page of the index is known to say (item_newest.h) is taken first, and each row
 * looked at as an index-only scan does.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/visibilitymap.h"
#include "compat.h"
#include "items/item_internal.h"
#include "items/item_newest.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/predicate.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

/*
 * Go to the next entry of a scan whose row is seen; as an index-only scan, at the table only
 * for pages that have changed lately.
 */
static bool
NextEntry(ItemReader *reader, IndexScanDesc scan)
{
	ItemPointer tid;

	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		BlockNumber block = ItemPointerGetBlockNumber(tid);

		CHECK_FOR_INTERRUPTS();
		if (VM_ALL_VISIBLE(reader->table, block, &reader->visible))
		{
			PredicateLockPage(reader->table, block, reader->snapshot);
			return true;
		}
		if (index_fetch_heap(scan, reader->slot))
			return true;
	}
	return false;
}

/* A column of the entry a scan is at. */
static Datum
EntryColumn(IndexScanDesc scan, int column, bool *isNull)
{
	return index_getattr(scan->xs_itup, column, scan->xs_itupdesc, isNull);
}

/* True if the row of a key that is seen is offered, of a category (or of none: NULL), and of that age. */
static bool
IsOfAge(ItemReader *reader, int64 key, const text *category, TimestampTz createdAt)
{
	Datum		found;
	bool		isNull;

	if (!ItemReaderFetch(reader, key) || !ItemReaderHoldsOffered(reader))
		return false;
	found = ItemReaderField(reader, FIELD_CATEGORY, &isNull);
	return isNull == (category == NULL) && (isNull || TextIsSame(DatumGetTextPP(found), category)) &&
		DatumGetTimestampTz(ItemReaderField(reader, FIELD_CREATED_AT, &isNull)) == createdAt;
}

/* Take the newest of known entries; -1: there may be others. */
static int
TakeKnown(ItemReader *reader, const NewestEntries *known, const text *category,
		  TimestampTz since, TimestampTz until, int64 *keys, int most)
{
	int			count = 0;

	for (int i = 0; i < known->count && count < most; i++)
	{
		const NewestEntry *entry = &known->entries[i];

		if (entry->createdAt <= since)
			return count;
		/* of several versions of a row one is seen */
		if (entry->createdAt > until || (count > 0 && keys[count - 1] == entry->itemKey))
			continue;
		if (VM_ALL_VISIBLE(reader->table, entry->block, &reader->visible) ||
			IsOfAge(reader, entry->itemKey, category, entry->createdAt))
			keys[count++] = entry->itemKey;
	}
	return count == most || known->all ? count : -1;
}

/* Search the index for the newest items of a category, and keep what its first page says. */
static int
SearchNewest(ItemReader *reader, const text *category, TimestampTz since, TimestampTz until, int64 *keys, int most,
			 bool keep)
{
	MemoryContext oldContext = MemoryContextSwitchTo(reader->context);
	ScanKeyData scanKey;
	IndexScanDesc scan;
	int			count = 0;

	ItemReaderBeginScan(reader, &reader->ofCategory, 1);
	scan = reader->ofCategory.scan;
	scan->xs_want_itup = true;
	ScanKeyEntryInitialize(&scanKey, 0, NEWEST_CATEGORY, BTEqualStrategyNumber, InvalidOid,
						   reader->ofCategory.relation->rd_indcollation[0], F_TEXTEQ, PointerGetDatum(category));
	index_rescan(scan, &scanKey, 1, NULL, 0);
	reader->slotHolds = false;
	for (int i = 0; count < most && NextEntry(reader, scan); i++)
	{
		bool		isNull;
		TimestampTz createdAt = DatumGetTimestampTz(EntryColumn(scan, NEWEST_CREATED_AT, &isNull));

		if (i == 0 && keep)
			ItemNewestKeep(scan, category);
		if (createdAt <= since)
			break;
		if (createdAt <= until)
			keys[count++] = DatumGetInt64(EntryColumn(scan, NEWEST_ITEM_KEY, &isNull));
	}
	ExecClearTuple(reader->slot);
	MemoryContextSwitchTo(oldContext);
	return count;
}

/* The newest items of a category. */
int
ItemReaderNewestOf(ItemReader *reader, const text *category, TimestampTz since, TimestampTz until, int64 *keys, int most)
{
	Relation	index = RelationKnowIndex(&reader->ofCategory.known, reader->table, reader->ofCategory.name);
	const NewestEntries *known = NULL;
	int			count = -1;

	if (index != NULL)
	{
		known = ItemNewestFind(index, category);
		if (known != NULL)
			count = TakeKnown(reader, known, category, since, until, keys, most);
		/* a row that has gone meanwhile took its entry with it before the map could tell of its page */
		pg_read_barrier();
		if (count >= 0 && ItemNewestFind(index, category) != known)
			count = -1;
	}
	return count >= 0 ? count : SearchNewest(reader, category, since, until, keys, most, known == NULL);
}

/* Take the newest of known entries; -1: there may be others. */
static int
TakeKnownOfAll(ItemReader *reader, const NewestItems *known, int64 *keys, const text **categories, int most)
{
	int			count = 0;

	for (int i = 0; i < known->count && count < most; i++)
	{
		const NewestItem *item = &known->items[i];

		/* of several versions of a row one is seen */
		if ((count > 0 && keys[count - 1] == item->itemKey) ||
			!(VM_ALL_VISIBLE(reader->table, item->block, &reader->visible) ||
			  IsOfAge(reader, item->itemKey, item->category, item->createdAt)))
			continue;
		categories[count] = item->category;
		keys[count++] = item->itemKey;
	}
	return count == most || known->all ? count : -1;
}

/* Search the index for the newest items of all, and keep what its first page says. */
static int
SearchNewestOfAll(ItemReader *reader, int64 *keys, const text **categories, int most, bool keep)
{
	MemoryContext oldContext = MemoryContextSwitchTo(reader->context);
	IndexScanDesc scan;
	int			count = 0;

	ItemReaderBeginScan(reader, &reader->byAge, 0);
	scan = reader->byAge.scan;
	scan->xs_want_itup = true;
	index_rescan(scan, NULL, 0, NULL, 0);
	reader->slotHolds = false;
	while (count < most && NextEntry(reader, scan))
	{
		bool		isNull;
		Datum		category = EntryColumn(scan, AGE_CATEGORY, &isNull);

		if (count == 0 && keep)
			ItemNewestKeepAll(scan);
		categories[count] = isNull ? NULL : DatumGetTextPCopy(category);
		keys[count++] = DatumGetInt64(EntryColumn(scan, AGE_ITEM_KEY, &isNull));
	}
	ExecClearTuple(reader->slot);
	MemoryContextSwitchTo(oldContext);
	return count;
}

/* The newest items of all. */
int
ItemReaderNewest(ItemReader *reader, int64 *keys, const text **categories, int most)
{
	Relation	index = RelationKnowIndex(&reader->byAge.known, reader->table, reader->byAge.name);
	const NewestItems *known = NULL;
	int			count = -1;

	if (index != NULL)
	{
		known = ItemNewestFindAll(index);
		if (known != NULL)
			count = TakeKnownOfAll(reader, known, keys, categories, most);
		/* a row that has gone meanwhile took its entry with it before the map could tell of its page */
		pg_read_barrier();
		if (count >= 0 && ItemNewestFindAll(index) != known)
			count = -1;
	}
	return count >= 0 ? count : SearchNewestOfAll(reader, keys, categories, most, known == NULL);
}

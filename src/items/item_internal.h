/*
 * item_internal.h
 *		A reader of the catalogue from within.
 */
#ifndef PERSONALIZE_ITEM_INTERNAL_H
#define PERSONALIZE_ITEM_INTERNAL_H

#include "postgres.h"

#include "access/genam.h"
#include "base/key_set.h"
#include "base/relation.h"
#include "executor/tuptable.h"
#include "items/item.h"
#include "storage/buf.h"
#include "utils/hsearch.h"

/* Columns of item that are read; the names are looked up once.  Filters see all from item_id on. */
typedef enum ItemField
{
	FIELD_ITEM_KEY,
	FIELD_AVAILABLE,
	FIELD_HIDDEN,
	FIELD_ITEM_ID,
	FIELD_CATEGORY,
	FIELD_BRAND,
	FIELD_PRICE,
	FIELD_CURRENCY,
	FIELD_TAGS,
	FIELD_ATTRIBUTES,
	FIELD_CREATED_AT
} ItemField;
#define FIELD_COUNT (FIELD_CREATED_AT + 1)

/* One of the indexes on item_key, with a scan that is opened when needed. */
typedef struct ItemIndex
{
	const char *name;
	Relation	relation;		/* NULL: not opened */
	IndexScanDesc scan;
	KnownIndex	known;			/* the same, not locked */
} ItemIndex;

struct ItemReader
{
	Relation	table;
	Snapshot	snapshot;
	ItemIndex	all;
	ItemIndex	ofCategory;		/* offered ones, the newest first */
	ItemIndex	byAge;			/* the same of all categories */
	Buffer		visible;		/* page of the table's visibility map, of these two */
	TupleTableSlot *slot;
	bool		slotHolds;		/* the row of this item */
	int64		slotKey;
	AttrNumber	columns[FIELD_COUNT];
	uint64		number;			/* no other reader of this backend has had it */
	MemoryContext context;		/* the reader's own */
	MemoryContext rows;			/* rows for this reader alone */
	HTAB	   *cache;			/* in rows; made when first needed */
	KeySet		absent;			/* items that there are no rows of; made when first needed */
	bool		asked;			/* whether this item is offered */
	int64		askedKey;
	bool		offered;
};

/* Open an index, unless it is open, and begin scans of it with so many keys, unless that was done. */
extern void ItemReaderBeginScan(ItemReader *reader, ItemIndex *index, int keys);

/* Put the row of a key into the slot; false if there is none. */
extern bool ItemReaderFetch(ItemReader *reader, int64 key);

/* A field of the row in the slot, and whether it is of an item that engines may return. */
extern Datum ItemReaderField(ItemReader *reader, ItemField field, bool *isNull);
extern bool ItemReaderHoldsOffered(ItemReader *reader);

#endif

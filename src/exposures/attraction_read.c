/*
 * attraction_read.c
 *		Reading _attraction: how often items were shown after a query, and clicked.
 */
#include "postgres.h"

#include "exposures/attraction_read.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/relation.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

/* Columns; src/exposures/attraction.sql. */
typedef enum AttractionColumn
{
	ATTRACTION_QUERY_KEY = 1,
	ATTRACTION_ITEM_KEY,
	ATTRACTION_PLACE_BUCKET,
	ATTRACTION_SHOWN,
	ATTRACTION_CLICKED
} AttractionColumn;

struct AttractionReader
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	IndexScanDesc scan;			/* NULL: not begun */
};

/* Open the table. */
AttractionReader *
AttractionOpen(Snapshot snapshot)
{
	AttractionReader *reader = palloc0(sizeof(AttractionReader));

	reader->snapshot = snapshot;
	reader->table = RelationOpenTable("_attraction", AccessShareLock);
	reader->index = RelationOpenIndex(reader->table, "_attraction_pkey", AccessShareLock);
	reader->slot = table_slot_create(reader->table, NULL);
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

/* Go to the rows of a query. */
void
AttractionSeekQuery(AttractionReader *reader, int64 query)
{
	Seek(reader, &query, 1);
}

/* Go to the rows of one of its items. */
void
AttractionSeekItem(AttractionReader *reader, int64 query, int64 itemKey)
{
	const int64 values[] = {query, itemKey};

	Seek(reader, values, lengthof(values));
}

/* The next of them. */
bool
AttractionNext(AttractionReader *reader, AttractionRow *row)
{
	TupleTableSlot *slot = reader->slot;
	bool		isNull;

	CHECK_FOR_INTERRUPTS();
	if (!index_getnext_slot(reader->scan, ForwardScanDirection, slot))
		return false;
	row->itemKey = DatumGetInt64(slot_getattr(slot, ATTRACTION_ITEM_KEY, &isNull));
	row->place = DatumGetInt16(slot_getattr(slot, ATTRACTION_PLACE_BUCKET, &isNull));
	row->shown = DatumGetInt64(slot_getattr(slot, ATTRACTION_SHOWN, &isNull));
	row->clicked = DatumGetInt64(slot_getattr(slot, ATTRACTION_CLICKED, &isNull));
	return true;
}

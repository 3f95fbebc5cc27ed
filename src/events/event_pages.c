/*
 * event_pages.c
 *		Which pages of a day may hold events, and by which index they are found.
 */
#include "postgres.h"

#include "events/event_pages.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "base/grow.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event_cache.h"
#include "events/event_row.h"
#include "events/person_pages.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * True if an index finds every row of its table by its first column, a bigint, as
 * the server's own operators compare it.  There may be others, made by hand: some
 * hold part of the rows only, or an expression, or are not finished.
 */
static bool
IndexFinds(Relation index, Oid accessMethod, AttrNumber column)
{
	const FormData_pg_index *form = index->rd_index;
	bool		btree = accessMethod == BTREE_AM_OID;

	return index->rd_rel->relam == accessMethod && form->indkey.values[0] == column &&
		form->indisvalid && form->indisready && form->indislive &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
		(!form->indcheckxmin ||
		 TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin)) &&
		get_opcode(get_opfamily_member(index->rd_opfamily[0], INT8OID, INT8OID,
									   btree ? BTEqualStrategyNumber : BTGreaterEqualStrategyNumber)) ==
		(btree ? F_INT8EQ : F_INT8GE);
}

/* Find the partition's BRIN index on txid or its btree on user_key, opened. */
Relation
EventOpenIndex(Relation relation, Oid accessMethod, AttrNumber column)
{
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (IndexFinds(index, accessMethod, column))
			return index;
		index_close(index, AccessShareLock);
	}
	return NULL;
}

/* Runs of pages that are collected. */
typedef struct Runs
{
	BlockRun   *runs;
	int			count;
	int			capacity;
} Runs;

/* Append a page to the runs, joining it to the last one if it follows. */
static void
AddBlock(Runs *runs, BlockNumber block)
{
	BlockRun   *last = runs->count ? &runs->runs[runs->count - 1] : NULL;

	if (last && last->start + last->count == block)
	{
		last->count++;
		return;
	}
	GrowArray(runs->runs, runs->count + 1, runs->capacity, 8);
	runs->runs[runs->count].start = block;
	runs->runs[runs->count].count = 1;
	runs->count++;
}

/* One end of the txids that are asked for. */
static void
InitTxidKey(ScanKey key, StrategyNumber strategy, RegProcedure function, int64 txid)
{
	/* BRIN looks its operators up by the subtype and wants the column's collation */
	ScanKeyEntryInitialize(key, 0, 1, strategy, INT8OID, InvalidOid, function,
						   Int64GetDatum(txid));
}

/* Ask the BRIN index which pages may hold txids from minTxid up to maxTxid. */
static TIDBitmap *
AskBrin(const EventPages *options, Relation brin)
{
	TIDBitmap  *bitmap = tbm_create(work_mem * (Size) 1024, NULL);
	ScanKeyData keys[2];
	int			keyCount = 0;
	IndexScanDesc indexScan;

	InitTxidKey(&keys[keyCount++], BTGreaterEqualStrategyNumber, F_INT8GE, options->minTxid);
	if (options->maxTxid > 0)
		InitTxidKey(&keys[keyCount++], BTLessStrategyNumber, F_INT8LT, options->maxTxid);
	indexScan = index_beginscan_bitmap(brin, options->snapshot, NULL, keyCount);
	index_rescan(indexScan, keys, keyCount, NULL, 0);
	index_getbitmap(indexScan, bitmap);
	index_endscan(indexScan);
	return bitmap;
}

/* Find the pages by the BRIN index; how many runs. */
static int
CollectRuns(const EventPages *options, Relation brin, BlockRun **result)
{
	TIDBitmap  *bitmap;
	CompatBitmapIterator iterator;
	BlockNumber block;
	BlockNumber blocks = RelationGetNumberOfBlocks(options->partition);
	bool		cacheable = options->maxTxid == 0;
	Runs		runs = {.capacity = 8};

	if (cacheable)
	{
		int			count = EventCacheGetRuns(brin, blocks, options->minTxid, result);

		if (count >= 0)
			return count;
		EventCacheBeginRuns(brin, blocks, options->minTxid);
	}
	runs.runs = palloc(runs.capacity * sizeof(BlockRun));
	bitmap = AskBrin(options, brin);
	CompatBitmapBegin(&iterator, bitmap);
	while (CompatBitmapNext(&iterator, &block))
	{
		/* a range may reach past the end of the table */
		if (block < blocks)
			AddBlock(&runs, block);
	}
	CompatBitmapEnd(&iterator);
	tbm_free(bitmap);
	if (cacheable)
		EventCachePutRuns(brin, runs.runs, runs.count);
	*result = runs.runs;
	return runs.count;
}

/* Pages in their order; how many runs. */
static int
CollectKnown(const PersonPages *pages, BlockRun **result)
{
	Runs		runs = {.capacity = 8};

	runs.runs = palloc(runs.capacity * sizeof(BlockRun));
	for (int i = 0; i < pages->count; i++)
		AddBlock(&runs, pages->blocks[i]);
	*result = runs.runs;
	return runs.count;
}

/* Find the pages to read; how many runs. */
int
EventFindPages(const EventPages *options, BlockRun **runs)
{
	Relation	brin = options->minTxid > 0 ? EventOpenIndex(options->partition, BRIN_AM_OID, EVENT_TXID) : NULL;
	const PersonPages *known;
	int			count = 1;

	if (brin)
	{
		count = CollectRuns(options, brin, runs);
		index_close(brin, AccessShareLock);
		return count;
	}
	known = options->userKey ? PersonPagesOf(options->partition, *options->userKey, EVENT_USER_KEY_OFFSET) : NULL;
	if (known)
		return CollectKnown(known, runs);
	*runs = palloc(sizeof(BlockRun));
	(*runs)[0].start = 0;
	(*runs)[0].count = RelationGetNumberOfBlocks(options->partition);
	return count;
}

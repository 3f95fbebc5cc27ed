/*
 * erasure_page.c
 *		Overwriting the free space of pages, and finding keys that separate them.
 *
 * VACUUM moves what it keeps together and leaves the bytes of what it removed in
 * the free space between line pointers and tuples.  Nobody reads them there, so
 * zeros can be written under an exclusive lock of the page alone; its full image,
 * which leaves free space out, goes into the WAL.
 *
 * In the upper levels of a b-tree, and as upper bounds of its leaves, stand copies
 * of keys whose rows may be gone: of people, messages, sessions, orders, words.  Any
 * that no row has any more may be of somebody who was forgotten.
 */
#include "postgres.h"

#include "erasure/erasure_page.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/catalog.h"
#include "catalog/pg_am_d.h"
#include "compat.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Looking for keys that separate pages of an index and that no row has any more. */
typedef struct Separators
{
	Relation	table;
	Relation	index;
	MemoryContext context;		/* of the entries of one page */
	bool		found;
} Separators;

/* True if the bytes are all zero. */
static bool
IsZero(const char *data, Size length)
{
	return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

/* The free space of a page; NULL if the page is not one of the usual layout. */
static char *
FreeSpace(Page page, Size *length)
{
	PageHeader	header = (PageHeader) page;

	if (PageIsNew(page) || header->pd_lower < SizeOfPageHeaderData ||
		header->pd_lower > header->pd_upper || header->pd_upper > header->pd_special ||
		header->pd_special > BLCKSZ)
		return NULL;
	*length = header->pd_upper - header->pd_lower;
	return (char *) page + header->pd_lower;
}

/* Row versions on a page that VACUUM should have removed. */
static int
CountDead(Relation relation, Buffer buffer, TransactionId oldest)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber last = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	int			dead = 0;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleData tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(relation);
		ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), offset);
		if (HeapTupleSatisfiesVacuum(&tuple, oldest, buffer) == HEAPTUPLE_DEAD)
			dead++;
	}
	return dead;
}

/* Overwrite the free space of a page, which is locked exclusively. */
static void
WipePage(Relation relation, Buffer buffer)
{
	Size		length;
	char	   *space = FreeSpace(BufferGetPage(buffer), &length);

	if (space == NULL || IsZero(space, length))
		return;
	START_CRIT_SECTION();
	memset(space, 0, length);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(relation))
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
}

/* The entries of a page of a b-tree that separate pages, copied. */
static List *
CopySeparators(Buffer buffer)
{
	Page		page = BufferGetPage(buffer);
	BTPageOpaque opaque;
	OffsetNumber last;
	List	   *entries = NIL;

	if (PageIsNew(page))
		return NIL;
	opaque = BTPageGetOpaque(page);
	if (P_IGNORE(opaque))
		return NIL;
	/* of a leaf only the upper bound, of a page above every entry */
	last = P_ISLEAF(opaque) ? (P_RIGHTMOST(opaque) ? 0 : P_HIKEY) : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = P_HIKEY; offset <= last; offset++)
		entries = lappend(entries, CopyIndexTuple((IndexTuple) PageGetItem(page, PageGetItemId(page, offset))));
	return entries;
}

/* What finds the rows that have the key of an entry; the number of its columns. */
static int
MakeScanKeys(Relation index, IndexTuple entry, ScanKeyData *keys)
{
	int			count = Min(BTreeTupleGetNAtts(entry, index), IndexRelationGetNumberOfKeyAttributes(index));

	for (int i = 0; i < count; i++)
	{
		bool		isNull;
		Datum		value = index_getattr(entry, i + 1, RelationGetDescr(index), &isNull);
		Oid			equality = get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i],
												   index->rd_opcintype[i], BTEqualStrategyNumber);

		if (isNull)
			ScanKeyEntryInitialize(&keys[i], SK_ISNULL | SK_SEARCHNULL, i + 1, InvalidStrategy,
								   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
		else
			ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
								   index->rd_indcollation[i], get_opcode(equality), value);
	}
	return count;
}

/* True if a row has the key of an entry, or somebody is writing one. */
static bool
HasRow(const Separators *separators, IndexTuple entry)
{
	ScanKeyData keys[INDEX_MAX_KEYS];
	int			count = MakeScanKeys(separators->index, entry, keys);
	SnapshotData dirty;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		found;

	/* the leftmost entry of a page stands for minus infinity */
	if (count == 0)
		return true;
	InitDirtySnapshot(dirty);
	slot = table_slot_create(separators->table, NULL);
	scan = index_beginscan(separators->table, separators->index, &dirty, NULL, count, 0);
	index_rescan(scan, keys, count, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/* See whether the entries of a page are keys of rows. */
static void
CheckSeparators(Separators *separators, const List *entries)
{
	const ListCell *cell;

	foreach(cell, entries)
	{
		if (separators->found)
			return;
		separators->found = !HasRow(separators, lfirst(cell));
	}
}

/* Overwrite the free space of one page, which is pinned; what is found goes where it is counted. */
static List *
VisitPage(ErasurePages *work, Relation relation, Buffer buffer, const Separators *separators)
{
	List	   *entries = NIL;
	Size		length;
	char	   *space;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (relation->rd_rel->relkind != RELKIND_INDEX)
		work->dead += CountDead(relation, buffer, work->oldest);
	else if (separators != NULL && !separators->found)
		entries = CopySeparators(buffer);
	space = FreeSpace(BufferGetPage(buffer), &length);
	if (space != NULL && !IsZero(space, length))
	{
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		WipePage(relation, buffer);
	}
	UnlockReleaseBuffer(buffer);
	return entries;
}

/* Overwrite the free space of a relation; count what VACUUM has left, look at separators. */
static void
WipePages(ErasurePages *work, Relation relation, Separators *separators)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_VACUUM);
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);

	/* the first page of a b-tree holds no keys */
	for (BlockNumber block = relation->rd_rel->relkind == RELKIND_INDEX ? 1 : 0; block < blocks; block++)
	{
		Buffer		buffer = ReadBufferExtended(relation, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (separators == NULL)
		{
			(void) VisitPage(work, relation, buffer, NULL);
			continue;
		}
		caller = MemoryContextSwitchTo(separators->context);
		CheckSeparators(separators, VisitPage(work, relation, buffer, separators));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(separators->context);
	}
	FreeAccessStrategy(strategy);
}

/* Note that an index has to be built anew. */
static void
NoteIndex(ErasurePages *work, Relation index)
{
	MemoryContext caller = MemoryContextSwitchTo(work->context);

	work->indexes = lappend(work->indexes, pstrdup(RelationGetRelationName(index)));
	MemoryContextSwitchTo(caller);
}

/* True if the index is of transaction ids alone. */
static bool
IsOfTxid(Relation index)
{
	return index->rd_rel->relam == BRIN_AM_OID && RelationGetDescr(index)->natts == 1 &&
		strcmp(NameStr(TupleDescAttr(RelationGetDescr(index), 0)->attname), "txid") == 0;
}

/*
 * Overwrite the free space of a b-tree, and note it if it has to be built anew.
 * What other kinds of index keep of rows that are gone is not known here.
 */
static void
WipeIndex(ErasurePages *work, Relation table, Oid indexId)
{
	Relation	index = index_open(indexId, AccessShareLock);
	Separators	separators = {.table = table,.index = index};

	if (index->rd_rel->relam != BTREE_AM_OID)
	{
		if (!IsOfTxid(index))
			NoteIndex(work, index);
	}
	else if (IsToastRelation(table) || !index->rd_index->indisvalid)
		WipePages(work, index, NULL);
	else
	{
		separators.context = AllocSetContextCreate(CurrentMemoryContext, "personalize separators",
												   ALLOCSET_DEFAULT_SIZES);
		WipePages(work, index, &separators);
		MemoryContextDelete(separators.context);
		if (separators.found)
			NoteIndex(work, index);
	}
	index_close(index, AccessShareLock);
}

/* Overwrite the free space of a table, its b-trees and its TOAST. */
void
ErasureWipeTable(ErasurePages *work, Oid tableId)
{
	Relation	table = try_relation_open(tableId, AccessShareLock);
	ListCell   *cell;

	if (table == NULL)
		return;
	WipePages(work, table, NULL);
	foreach(cell, RelationGetIndexList(table))
		WipeIndex(work, table, lfirst_oid(cell));
	if (OidIsValid(table->rd_rel->reltoastrelid))
		ErasureWipeTable(work, table->rd_rel->reltoastrelid);
	relation_close(table, AccessShareLock);
}

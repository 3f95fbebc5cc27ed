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
 * of keys whose rows may be gone.  Only the pseudonyms of the erased are known:
 * the pseudonym of every such key is made and compared.
 */
#include "postgres.h"

#include "erasure_page.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/xloginsert.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "key.h"
#include "miscadmin.h"
#include "secret.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* What a column of an index says of people. */
typedef enum PersonKind
{
	NOT_A_PERSON,
	PERSON_KEY,
	PERSON_ID
} PersonKind;

/* Keys of people that separate pages of an index. */
typedef struct Separators
{
	bool		wanted;			/* there may be some, and somebody was forgotten */
	PersonKind	kinds[INDEX_MAX_KEYS];
	KeySet		keys;
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

/* Add the keys of people in an entry that separates pages. */
static void
AddSeparator(Relation index, IndexTuple entry, Separators *separators)
{
	int			keys = Min(BTreeTupleGetNAtts(entry, index), RelationGetDescr(index)->natts);

	for (int i = 0; i < keys; i++)
	{
		Datum		value;
		bool		isNull;

		if (separators->kinds[i] == NOT_A_PERSON)
			continue;
		value = index_getattr(entry, i + 1, RelationGetDescr(index), &isNull);
		if (!isNull)
			KeySetAdd(&separators->keys, separators->kinds[i] == PERSON_KEY ? DatumGetInt64(value) :
					  KeyFromText(DatumGetTextPP(value)));
	}
}

/* Collect the keys that separate a page of a b-tree from others. */
static void
CollectSeparators(Relation index, Buffer buffer, Separators *separators)
{
	Page		page = BufferGetPage(buffer);
	BTPageOpaque opaque;
	OffsetNumber last;

	if (!separators->wanted || PageIsNew(page))
		return;
	opaque = BTPageGetOpaque(page);
	if (P_IGNORE(opaque))
		return;
	/* of a leaf only the upper bound, of a page above every entry */
	last = P_ISLEAF(opaque) ? (P_RIGHTMOST(opaque) ? 0 : P_HIKEY) : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = P_HIKEY; offset <= last; offset++)
		AddSeparator(index, (IndexTuple) PageGetItem(page, PageGetItemId(page, offset)), separators);
}

/* Overwrite the free space of a relation; count what VACUUM has left, collect separators. */
static void
WipePages(ErasurePages *work, Relation relation, Separators *separators)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_VACUUM);
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);
	bool		isHeap = relation->rd_rel->relkind != RELKIND_INDEX;

	/* the first page of a b-tree holds no keys */
	for (BlockNumber block = isHeap ? 0 : 1; block < blocks; block++)
	{
		Buffer		buffer = ReadBufferExtended(relation, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		Size		length;
		char	   *space;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (isHeap)
			work->dead += CountDead(relation, buffer, work->oldest);
		else
			CollectSeparators(relation, buffer, separators);
		space = FreeSpace(BufferGetPage(buffer), &length);
		if (space != NULL && !IsZero(space, length))
		{
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
			LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
			WipePage(relation, buffer);
		}
		UnlockReleaseBuffer(buffer);
	}
	FreeAccessStrategy(strategy);
}

/* What the columns of an index say of people, by their names. */
static void
InitSeparators(Separators *separators, Relation index, const ErasurePages *work)
{
	memset(separators, 0, sizeof(Separators));
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(index), i);
		const char *name = NameStr(column->attname);

		if (column->atttypid == INT8OID && (strcmp(name, "user_key") == 0 || strcmp(name, "key") == 0))
			separators->kinds[i] = PERSON_KEY;
		else if (column->atttypid == TEXTOID && strcmp(name, "user_id") == 0)
			separators->kinds[i] = PERSON_ID;
		separators->wanted |= separators->kinds[i] != NOT_A_PERSON && work->forgotten.count > 0;
	}
	if (separators->wanted)
		KeySetInit(&separators->keys, 64);
}

/* True if one of the keys is of somebody who was forgotten. */
static bool
NamesForgotten(const Separators *separators, const ErasurePages *work)
{
	if (!separators->wanted)
		return false;
	for (int i = 0; i < separators->keys.capacity; i++)
	{
		if (separators->keys.used[i] &&
			KeySetHas(&work->forgotten, SecretPseudonym(separators->keys.keys[i])))
			return true;
	}
	return false;
}

/* Overwrite the free space of a b-tree, and note it if it has to be built anew. */
static void
WipeIndex(ErasurePages *work, Oid indexId)
{
	Relation	index = index_open(indexId, AccessShareLock);
	Separators	separators;

	if (index->rd_rel->relam == BTREE_AM_OID)
	{
		InitSeparators(&separators, index, work);
		WipePages(work, index, &separators);
		if (NamesForgotten(&separators, work))
		{
			MemoryContext oldContext = MemoryContextSwitchTo(work->context);

			work->indexes = lappend(work->indexes, pstrdup(RelationGetRelationName(index)));
			MemoryContextSwitchTo(oldContext);
		}
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
		WipeIndex(work, lfirst_oid(cell));
	if (OidIsValid(table->rd_rel->reltoastrelid))
		ErasureWipeTable(work, table->rd_rel->reltoastrelid);
	relation_close(table, AccessShareLock);
}

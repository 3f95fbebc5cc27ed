/*
 * range_mark.c
 *		Whether the rows of a key are still what they were.
 *
 * A list that is read from an index row by row stays the same as long as the pages do that it
 * was read from: those of the rows, as in row_place.c, and the leaf pages on which any entry
 * of the key would lie.  Whoever adds a row of the key adds an entry there, and whoever splits
 * such a page changes it; whoever changes or deletes a row changes the row's page.
 *
 * The leaf pages reach from one that has an entry before the key's, or is the first of all, to
 * one that has an entry after, or is the last; if the key's entries begin a page, the one to
 * the left is marked as well.  A list is marked only if each entry is of a row that was
 * seen: of others it is not known yet what will come of them.
 */
#include "postgres.h"

#include "base/range_mark.h"

#include "access/nbtree.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* A walk over the entries of a key. */
typedef struct RangeWalk
{
	Relation	index;
	bool		skipsDead;		/* entries that are known to be dead are of no row */
	int64		key;
	const int64 *seconds;		/* what the entries must be */
	int			count;
	bool		cut;
	int			found;			/* so many of them are there */
	bool		others;			/* there are others */
	bool		begun;			/* an entry before the key's was seen */
	bool		ended;			/* nothing of the key is further to the right, or none of that matters */
} RangeWalk;

/* Begin a mark. */
void
RangeMarkBegin(RangeMark *mark, PageMark *pages)
{
	mark->newest = FrozenTransactionId;
	mark->leafCount = mark->pageCount = 0;
	mark->pages = pages;
}

/* Take in a row. */
bool
RangeMarkAdd(RangeMark *mark, Relation table, Snapshot snapshot, const TupleTableSlot *slot)
{
	RowMark		row;

	if (!RowMarkTake(table, snapshot, slot, &row))
		return false;
	if (TransactionIdIsNormal(row.writtenBy) &&
		(!TransactionIdIsNormal(mark->newest) || TransactionIdFollows(row.writtenBy, mark->newest)))
		mark->newest = row.writtenBy;
	for (int i = mark->pageCount - 1; i >= 0; i--)
		if (mark->pages[i].block == row.page.block)
			return mark->pages[i].lsn == row.page.lsn;
	mark->pages[mark->pageCount++] = row.page;
	return true;
}

/* The leaf page that a scan is at. */
BlockNumber
RangeMarkLeaf(IndexScanDesc scan)
{
	return ((BTScanOpaque) scan->opaque)->currPos.currPage;
}

/* A column of an entry. */
static int64
Column(const RangeWalk *walk, IndexTuple entry, AttrNumber column)
{
	bool		isNull;

	return DatumGetInt64(index_getattr(entry, column, RelationGetDescr(walk->index), &isNull));
}

/* Look at an entry of the key; false: that is enough. */
static bool
SeeEntry(RangeWalk *walk, IndexTuple entry)
{
	int			versions = BTreeTupleIsPosting(entry) ? BTreeTupleGetNPosting(entry) : 1;

	if (walk->found == walk->count || versions > 1 || Column(walk, entry, 2) != walk->seconds[walk->found])
		walk->others = true;
	else
		walk->ended = ++walk->found == walk->count && walk->cut;
	return !walk->ended && !walk->others;
}

/* Look at the entries of a page, which is locked. */
static void
SeePage(RangeWalk *walk, Page page)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);

	walk->begun |= P_LEFTMOST(opaque);
	walk->others |= !P_ISLEAF(opaque) || P_IGNORE(opaque);
	if (walk->others)
		return;
	for (OffsetNumber offset = P_FIRSTDATAKEY(opaque); offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		IndexTuple	entry = (IndexTuple) PageGetItem(page, item);
		int64		key = Column(walk, entry, 1);

		walk->begun |= key < walk->key;
		walk->ended |= key > walk->key;
		if (walk->ended)
			return;
		if (key == walk->key && !(walk->skipsDead && ItemIdIsDead(item)) && !SeeEntry(walk, entry))
			return;
	}
	walk->ended |= P_RIGHTMOST(opaque);
}

/* Mark a leaf page, which is locked; false: there are too many, or it cannot be. */
static bool
MarkLeaf(RangeMark *mark, Buffer leaf)
{
	PageMark   *made = &mark->leaves[mark->leafCount];

	if (mark->leafCount == RANGE_MAX_LEAVES)
		return false;
	made->lsn = PageGetLSN(BufferGetPage(leaf));
	made->block = BufferGetBlockNumber(leaf);
	made->buffer = leaf;
	mark->leafCount++;
	return !XLogRecPtrIsInvalid(made->lsn);
}

/* Mark the page to the left of where the key's entries begin; false: they may begin elsewhere. */
static bool
MarkLeft(RangeMark *mark, RangeWalk *walk, BlockNumber left, BlockNumber first)
{
	Buffer		leaf = ReadBuffer(walk->index, left);
	Page		page = BufferGetPage(leaf);
	BTPageOpaque opaque;
	OffsetNumber last;
	bool		before;

	LockBuffer(leaf, BUFFER_LOCK_SHARE);
	opaque = BTPageGetOpaque(page);
	last = PageGetMaxOffsetNumber(page);
	/* it may have been split */
	before = P_ISLEAF(opaque) && !P_IGNORE(opaque) && opaque->btpo_next == first && last >= P_FIRSTDATAKEY(opaque) &&
		Column(walk, (IndexTuple) PageGetItem(page, PageGetItemId(page, last)), 1) < walk->key && MarkLeaf(mark, leaf);
	UnlockReleaseBuffer(leaf);
	return before;
}

/* Mark the pages of the key's entries, and see that they are what they must be. */
static bool
WalkLeaves(RangeMark *mark, RangeWalk *walk, BlockNumber first)
{
	BlockNumber left = InvalidBlockNumber;

	for (BlockNumber block = first; !walk->ended;)
	{
		Buffer		leaf = ReadBuffer(walk->index, block);
		BTPageOpaque opaque;
		bool		marked;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(leaf, BUFFER_LOCK_SHARE);
		opaque = BTPageGetOpaque(BufferGetPage(leaf));
		SeePage(walk, BufferGetPage(leaf));
		marked = MarkLeaf(mark, leaf);
		if (block == first && !walk->begun)
			left = opaque->btpo_prev;
		block = opaque->btpo_next;
		UnlockReleaseBuffer(leaf);
		if (!marked || walk->others)
			return false;
	}
	return walk->found == walk->count && (!BlockNumberIsValid(left) || MarkLeft(mark, walk, left, first));
}

/* Finish a mark. */
bool
RangeMarkFinish(RangeMark *mark, IndexScanDesc scan, BlockNumber first, int64 key,
				const int64 *seconds, int count, bool cut)
{
	RangeWalk	walk = {.index = scan->indexRelation,.skipsDead = scan->ignore_killed_tuples,.key = key,
	.seconds = seconds,.count = count,.cut = cut};

	return RelationNeedsWAL(scan->indexRelation) && BlockNumberIsValid(first) && WalkLeaves(mark, &walk, first);
}

/* True if all pages are still what they were. */
static bool
PagesHold(Relation relation, const PageMark *pages, int count)
{
	for (int i = 0; i < count; i++)
		if (!PageMarkHolds(relation, &pages[i]))
			return false;
	return true;
}

/* True if the rows are known to be the same. */
bool
RangeMarkHolds(const RangeMark *mark, Relation table, Relation index, Snapshot snapshot)
{
	if (!RowMarkable(table, snapshot) || !RelationNeedsWAL(index) || !TransactionIdPrecedes(mark->newest, snapshot->xmin))
		return false;
	for (int i = 0; i < mark->pageCount; i++)
		PageMarkPrefetch(&mark->pages[i]);
	return PagesHold(index, mark->leaves, mark->leafCount) && PagesHold(table, mark->pages, mark->pageCount);
}

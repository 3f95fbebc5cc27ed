/*
 * item_newest.c
 *		What the index of the newest items of categories says, as long as it says the same.
 *
 * Every call looks for new items, in the visitor's categories or at all.  A search goes
 * down the index, comparing texts; but the newest of a category mostly lie on one leaf
 * page, as the newest of all do, and that stays as it is for a while.  So a backend keeps
 * the entries it has read there for as long as the page is the same (leaf_mark.h).
 *
 * Entries are kept only where any that comes before the category's first would be put on
 * this page, too: another category's stand before it, or the page to the left ends with
 * such; the newest of all are on the leftmost page.  Where they end there may be more,
 * unless the page tells that there are none.  They say no more than the index does: who
 * asks must see whether a row is visible, as in any scan of an index alone.
 */
#include "postgres.h"

#include "items/item_newest.h"

#include "access/nbtree.h"
#include "access/relscan.h"
#include "base/leaf_mark.h"
#include "common/hashfn.h"
#include "compat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* So many categories are known, and of each so many entries: 1.6 MB at most. */
#define NEWEST_CATEGORIES 512
#define NEWEST_ENTRIES 128

/* A category has so many places to choose from: where they are too few, some drive each other out. */
#define NEWEST_CHOICES 8

/* A category that is longer is not known. */
#define NEWEST_MAX_BYTES 120

/* A category; all zeros: none. */
typedef struct KnownCategory
{
	LeafMark	mark;			/* of the page */
	int			length;
	char		name[NEWEST_MAX_BYTES];
	NewestEntries *entries;		/* NULL: none yet */
} KnownCategory;

static KnownCategory *known = NULL;

/* True if entries of this index may be relied on. */
static bool
CanRemember(Relation index, const text *category)
{
	return LeafMarkable(index) && VARSIZE_ANY_EXHDR(category) <= NEWEST_MAX_BYTES;
}

/* True if a place has the category. */
static bool
IsOf(const KnownCategory *place, Relation index, const text *category)
{
	return LeafMarkIsOf(index, &place->mark) && place->length == VARSIZE_ANY_EXHDR(category) &&
		memcmp(place->name, VARDATA_ANY(category), place->length) == 0;
}

/* The place of a category, or else one that it may have. */
static KnownCategory *
FindPlace(Relation index, const text *category)
{
	uint32		hash = hash_bytes((const unsigned char *) VARDATA_ANY(category), VARSIZE_ANY_EXHDR(category));
	KnownCategory *first;

	if (known == NULL)
		known = MemoryContextAllocZero(TopMemoryContext, sizeof(KnownCategory) * NEWEST_CATEGORIES);
	first = &known[hash % (NEWEST_CATEGORIES / NEWEST_CHOICES) * NEWEST_CHOICES];
	for (int i = 0; i < NEWEST_CHOICES; i++)
		if (!OidIsValid(first[i].mark.index) || IsOf(&first[i], index, category))
			return &first[i];
	return &first[hash / NEWEST_CATEGORIES % NEWEST_CHOICES];
}

/* The entries of a category, if they are still what the index says. */
const NewestEntries *
ItemNewestFind(Relation index, const text *category)
{
	KnownCategory *place;

	if (!CanRemember(index, category))
		return NULL;
	place = FindPlace(index, category);
	return IsOf(place, index, category) && LeafMarkHolds(index, &place->mark) ? place->entries : NULL;
}

/* How an entry's category compares: as bytes, as in the index; NULL comes last. */
static int
CompareCategory(Relation index, IndexTuple tuple, const text *category)
{
	bool		isNull;
	Datum		value = index_getattr(tuple, NEWEST_CATEGORY, RelationGetDescr(index), &isNull);
	const text *found;
	int			length;
	int			order;

	if (isNull)
		return 1;
	found = DatumGetTextPP(value);
	length = VARSIZE_ANY_EXHDR(found);
	order = memcmp(VARDATA_ANY(found), VARDATA_ANY(category), Min(length, VARSIZE_ANY_EXHDR(category)));
	return order != 0 ? order : length - (int) VARSIZE_ANY_EXHDR(category);
}

/* Add what an index tuple says: a row, or several versions of one. */
static void
AddTuple(NewestEntries *entries, Relation index, IndexTuple tuple)
{
	int			versions = BTreeTupleIsPosting(tuple) ? BTreeTupleGetNPosting(tuple) : 1;
	bool		isNull;

	for (int i = 0; i < versions && entries->count < NEWEST_ENTRIES; i++)
	{
		NewestEntry *entry = &entries->entries[entries->count++];
		ItemPointer tid = BTreeTupleIsPosting(tuple) ? BTreeTupleGetPostingN(tuple, i) : &tuple->t_tid;

		entry->itemKey = DatumGetInt64(index_getattr(tuple, NEWEST_ITEM_KEY, RelationGetDescr(index), &isNull));
		entry->createdAt = DatumGetTimestampTz(index_getattr(tuple, NEWEST_CREATED_AT, RelationGetDescr(index), &isNull));
		entry->block = ItemPointerGetBlockNumber(tid);
	}
}

/* True if no entry of a category can be put on the page to the left of this one. */
static bool
BeginsRightOf(Relation index, BlockNumber left, BlockNumber block, const text *category)
{
	Buffer		buffer = ReadBuffer(index, left);
	Page		page = BufferGetPage(buffer);
	BTPageOpaque opaque;
	bool		begins = false;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	opaque = BTPageGetOpaque(page);
	/* it may have been split */
	if (P_ISLEAF(opaque) && !P_IGNORE(opaque) && opaque->btpo_next == block)
	{
		IndexTuple	high = (IndexTuple) PageGetItem(page, PageGetItemId(page, P_HIKEY));
		int			columns = BTreeTupleGetNAtts(high, index);
		int			order = columns > 0 ? CompareCategory(index, high, category) : 1;

		/* a column that was cut off comes before all */
		begins = order < 0 || (order == 0 && columns == 1);
	}
	UnlockReleaseBuffer(buffer);
	return begins;
}

/*
 * Read the entries of a category on a page, which is locked; returns the page to the left if
 * the category may begin there.
 */
static BlockNumber
ReadPage(NewestEntries *entries, Relation index, Page page, const text *category)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	bool		begins = P_LEFTMOST(opaque);

	entries->count = 0;
	entries->all = P_RIGHTMOST(opaque);
	if (!P_ISLEAF(opaque) || P_IGNORE(opaque))
		return InvalidBlockNumber;
	for (OffsetNumber offset = P_FIRSTDATAKEY(opaque); offset <= last; offset = OffsetNumberNext(offset))
	{
		ItemId		item = PageGetItemId(page, offset);
		IndexTuple	tuple = (IndexTuple) PageGetItem(page, item);
		int			order = CompareCategory(index, tuple, category);

		begins |= order < 0;
		entries->all |= order > 0;
		if (order > 0)
			break;
		if (order == 0 && !ItemIdIsDead(item))
			AddTuple(entries, index, tuple);
		if (entries->count == NEWEST_ENTRIES)
		{
			entries->all = false;
			break;
		}
	}
	return begins ? InvalidBlockNumber : opaque->btpo_prev;
}

/* Give a place what was read. */
static void
Keep(KnownCategory *place, const NewestEntries *entries)
{
	Size		size = offsetof(NewestEntries, entries) + sizeof(NewestEntry) * entries->count;

	if (place->entries != NULL)
		pfree(place->entries);
	place->entries = NULL;
	place->entries = MemoryContextAlloc(TopMemoryContext, size);
	memcpy(place->entries, entries, size);
}

/* Remember the entries of the page a scan is at. */
void
ItemNewestKeep(IndexScanDesc scan, const text *category)
{
	Relation	index = scan->indexRelation;
	Buffer		leaf = ((BTScanOpaque) scan->opaque)->currPos.buf;
	NewestEntries *entries;
	KnownCategory *place;
	BlockNumber left;
	LeafMark	mark;
	bool		marked;

	if (!CanRemember(index, category) || !BufferIsValid(leaf))
		return;
	entries = palloc(offsetof(NewestEntries, entries) + sizeof(NewestEntry) * NEWEST_ENTRIES);
	LockBuffer(leaf, BUFFER_LOCK_SHARE);
	left = ReadPage(entries, index, BufferGetPage(leaf), category);
	marked = LeafMarkTake(index, leaf, &mark);
	LockBuffer(leaf, BUFFER_LOCK_UNLOCK);
	if (entries->count > 0 && marked &&
		(!BlockNumberIsValid(left) || BeginsRightOf(index, left, BufferGetBlockNumber(leaf), category)))
	{
		place = FindPlace(index, category);
		place->mark.index = InvalidOid;
		Keep(place, entries);
		place->length = VARSIZE_ANY_EXHDR(category);
		memcpy(place->name, VARDATA_ANY(category), place->length);
		place->mark = mark;
	}
	pfree(entries);
}

/* So many of the newest of all are known: what is on a page, some 20 kB. */
#define NEWEST_OF_ALL 256

/* The newest of all. */
static struct
{
	LeafMark	mark;
	MemoryContext context;		/* NULL: nothing is known */
	NewestItems *items;
}			ofAll;

/* The newest of all, if they are still what the index says. */
const NewestItems *
ItemNewestFindAll(Relation index)
{
	return LeafMarkHolds(index, &ofAll.mark) ? ofAll.items : NULL;
}

/* Read the entries of the leftmost page, which is locked; NULL: it is another. */
static NewestItems *
ReadLeftmost(Relation index, Page page)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	NewestItems *items;

	if (!P_LEFTMOST(opaque) || !P_ISLEAF(opaque) || P_IGNORE(opaque))
		return NULL;
	items = palloc0(offsetof(NewestItems, items) + sizeof(NewestItem) * NEWEST_OF_ALL);
	items->all = P_RIGHTMOST(opaque);
	for (OffsetNumber offset = P_FIRSTDATAKEY(opaque); offset <= last; offset = OffsetNumberNext(offset))
	{
		IndexTuple	tuple = (IndexTuple) PageGetItem(page, PageGetItemId(page, offset));
		NewestItem *item = &items->items[items->count];
		bool		isNull;
		Datum		category;

		if (items->count == NEWEST_OF_ALL || BTreeTupleIsPosting(tuple))
		{
			items->all = false;
			break;
		}
		item->itemKey = DatumGetInt64(index_getattr(tuple, AGE_ITEM_KEY, RelationGetDescr(index), &isNull));
		item->createdAt = DatumGetTimestampTz(index_getattr(tuple, AGE_CREATED_AT, RelationGetDescr(index), &isNull));
		item->block = ItemPointerGetBlockNumber(&tuple->t_tid);
		category = index_getattr(tuple, AGE_CATEGORY, RelationGetDescr(index), &isNull);
		item->category = isNull ? NULL : DatumGetTextPCopy(category);
		items->count++;
	}
	return items;
}

/* Remember the newest of all; what was known before stays for this transaction. */
void
ItemNewestKeepAll(IndexScanDesc scan)
{
	Buffer		leaf = ((BTScanOpaque) scan->opaque)->currPos.buf;
	MemoryContext context;
	MemoryContext caller;
	NewestItems *items;
	LeafMark	mark;
	bool		marked;

	if (!BufferIsValid(leaf) || !LeafMarkable(scan->indexRelation))
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "personalize newest items", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	LockBuffer(leaf, BUFFER_LOCK_SHARE);
	items = ReadLeftmost(scan->indexRelation, BufferGetPage(leaf));
	marked = LeafMarkTake(scan->indexRelation, leaf, &mark);
	LockBuffer(leaf, BUFFER_LOCK_UNLOCK);
	MemoryContextSwitchTo(caller);
	if (items == NULL || !marked)
	{
		MemoryContextDelete(context);
		return;
	}
	if (ofAll.context != NULL)
		MemoryContextSetParent(ofAll.context, TopTransactionContext);
	MemoryContextSetParent(context, TopMemoryContext);
	ofAll.context = context;
	ofAll.items = items;
	ofAll.mark = mark;
}

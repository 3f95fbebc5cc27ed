/*
 * leaf_find.c
 *		The few rows of a key, where an index was seen to have them.
 *
 * Readers look up the same keys again and again: the postings of popular items, the
 * sessions of who is in the shop.  What the leaf page said is remembered for as long as the
 * page is the same (leaf_mark.h), where all rows of the key must be on that page: its high
 * key lies behind the key, and the search, which ends on the first page that may have the
 * key, has come there.  It is remembered, too, that there is no row, and that there are
 * too many, or on several pages.
 *
 * That is in shared memory, for all backends, one key for each shared buffer: 1.5 % of
 * what these take; without shared_preload_libraries nothing is remembered.  A place is
 * read without a lock, as those of rows are (row_place.c).  Of people there are no more than
 * keys and where rows lie, or lay: the rows themselves are read each time.
 */
#include "postgres.h"

#include "base/leaf_find.h"

#include "access/nbtree.h"
#include "base/key_set.h"
#include "base/leaf_mark.h"
#include "base/page_place.h"
#include "base/shared_memory.h"
#include "base/version.h"
#include "common/hashfn.h"
#include "compat.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* More buffers have no more places. */
#define MOST_BUFFERS (1 << 26)

/* Rows that are not remembered. */
#define TOO_MANY (-1)

/* So many rows of a key, the last ones, are asked for ahead. */
#define MOST_EXPECTED 2

/* What is remembered of a key; all zeros: nothing. */
typedef struct LeafPlace
{
	pg_atomic_uint32 version;
	LeafMark	mark;
	int64		key;
	LeafRows	rows;
} LeafPlace;

static LeafPlace *places = NULL;
static uint32 placeCount;		/* a power of two */

/* Begin with none. */
static void
ClearPlaces(void *memory)
{
	memset(memory, 0, sizeof(LeafPlace) * placeCount);
}

/* Ask for shared memory. */
void
LeafFindInit(void)
{
	placeCount = pg_nextpower2_32((uint32) Min(NBuffers, MOST_BUFFERS));
	SharedMemoryRegister("personalize leaf places", mul_size(sizeof(LeafPlace), placeCount),
						 (void **) &places, ClearPlaces);
}

/* The place of a key. */
static inline LeafPlace *
PlaceOf(Relation index, int64 key)
{
	return &places[murmurhash32(KeySpread(key) + RelationGetRelid(index)) & (placeCount - 1)];
}

/* Copy what is remembered of a key; false: nothing, or it is just being written. */
static bool
ReadPlace(LeafPlace *place, Relation index, int64 key, LeafPlace *copy)
{
	uint32		version = VersionRead(&place->version);

	if (place->mark.index != RelationGetRelid(index) || place->key != key)
		return false;
	*copy = *place;
	return VersionHolds(&place->version, version) &&
		LeafMarkIsOf(index, &copy->mark) && copy->key == key;
}

/* Remember a key in its place, unless somebody is at it. */
static void
WritePlace(LeafPlace *place, const LeafPlace *made)
{
	VersionWrite(&place->version, &place->mark, &made->mark, sizeof(LeafPlace) - offsetof(LeafPlace, mark));
}

/* The first column of an entry of a page. */
static int64
FirstColumn(Relation index, Page page, OffsetNumber offset)
{
	bool		isNull;

	return DatumGetInt64(index_getattr((IndexTuple) PageGetItem(page, PageGetItemId(page, offset)), 1,
									   RelationGetDescr(index), &isNull));
}

/* The first entry of a page that does not come before the key. */
static OffsetNumber
FirstEntry(Relation index, Page page, int64 key)
{
	OffsetNumber low = P_FIRSTDATAKEY(BTPageGetOpaque(page));
	OffsetNumber high = OffsetNumberNext(PageGetMaxOffsetNumber(page));

	while (low < high)
	{
		OffsetNumber middle = low + (high - low) / 2;

		if (FirstColumn(index, page, middle) < key)
			low = OffsetNumberNext(middle);
		else
			high = middle;
	}
	return low;
}

/* Add the rows of an entry; false: there are too many. */
static bool
AddRows(LeafRows *rows, IndexTuple tuple)
{
	int			more = BTreeTupleIsPosting(tuple) ? BTreeTupleGetNPosting(tuple) : 1;

	if (rows->count + more > LEAF_MAX_ROWS)
		return false;
	for (int i = 0; i < more; i++)
		rows->tids[rows->count++] = BTreeTupleIsPosting(tuple) ? *BTreeTupleGetPostingN(tuple, i) : tuple->t_tid;
	return true;
}

/* Read the rows of a key from a page, dead ones too: they may be seen on a standby. */
static void
ReadRows(Relation index, Page page, int64 key, LeafRows *rows)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	rows->count = 0;
	if (!P_RIGHTMOST(opaque) && FirstColumn(index, page, P_HIKEY) <= key)
		rows->count = TOO_MANY;
	for (OffsetNumber offset = FirstEntry(index, page, key);
		 rows->count >= 0 && offset <= last && FirstColumn(index, page, offset) == key;
		 offset = OffsetNumberNext(offset))
		if (!AddRows(rows, (IndexTuple) PageGetItem(page, PageGetItemId(page, offset))))
			rows->count = TOO_MANY;
}

/* The first leaf page that may have a key, pinned and locked; InvalidBuffer: the index is empty. */
static Buffer
SearchLeaf(Relation index, int64 key)
{
	BTScanInsert search = _bt_mkscankey(index, NULL);
	Buffer		leaf;

	search->keysz = 1;
	search->scankeys[0].sk_argument = Int64GetDatum(key);
	search->scankeys[0].sk_flags &= ~SK_ISNULL;
	search->anynullkeys = false;
	_bt_freestack(CompatBtreeSearch(index, search, &leaf));
	pfree(search);
	return leaf;
}

/* The rows of a key from a page that is locked; false: the page does not tell. */
static bool
ReadLeaf(Relation index, Buffer leaf, LeafPlace *made)
{
	Page		page = BufferGetPage(leaf);
	BTPageOpaque opaque = BTPageGetOpaque(page);

	if (!P_ISLEAF(opaque) || P_IGNORE(opaque) || !LeafMarkTake(index, leaf, &made->mark))
		return false;
	ReadRows(index, page, made->key, &made->rows);
	return true;
}

/* No rows, of an index without a root: when it gets one, its first page says so; false: it has one. */
static bool
ReadEmpty(Relation index, LeafPlace *made)
{
	Buffer		first = ReadBuffer(index, BTREE_METAPAGE);
	bool		marked;

	LockBuffer(first, BUFFER_LOCK_SHARE);
	marked = BTPageGetMeta(BufferGetPage(first))->btm_root == P_NONE && LeafMarkTake(index, first, &made->mark);
	UnlockReleaseBuffer(first);
	made->rows.count = 0;
	return marked;
}

/* Search the index, and remember what is found. */
static bool
LearnRows(Relation index, LeafPlace *place, LeafPlace *made)
{
	Buffer		leaf = SearchLeaf(index, made->key);
	bool		marked;

	if (BufferIsValid(leaf))
	{
		marked = ReadLeaf(index, leaf, made);
		UnlockReleaseBuffer(leaf);
	}
	else
		marked = ReadEmpty(index, made);
	if (marked)
		WritePlace(place, made);
	return marked;
}

/* The rows of a key, if they are remembered. */
bool
LeafKnown(Relation index, int64 key, LeafRows *rows)
{
	LeafPlace	copy;

	if (places == NULL || !ReadPlace(PlaceOf(index, key), index, key, &copy) || !LeafMarkHolds(index, &copy.mark))
		return false;
	*rows = copy.rows;
	return true;
}

/* The rows of a key. */
bool
LeafFind(Relation index, int64 key, LeafRows *rows)
{
	LeafPlace	made = {.key = key};

	if (places == NULL || !LeafMarkable(index))
		return false;
	if (!LeafKnown(index, key, rows))
	{
		if (!LearnRows(index, PlaceOf(index, key), &made))
			return false;
		*rows = made.rows;
	}
	return rows->count != TOO_MANY;
}

/* Bring what the search for keys will touch into the processor's caches, and then their rows' pages. */
void
LeafExpect(Relation index, Relation table, const int64 *keys, int count)
{
#ifdef __GNUC__
	if (places == NULL)
		return;
	for (int i = 0; i < count; i++)
	{
		const LeafPlace *place = PlaceOf(index, keys[i]);

		__builtin_prefetch(place);
		__builtin_prefetch(&place->rows);
	}
	for (int i = 0; i < count; i++)
	{
		LeafPlace	copy;

		if (!ReadPlace(PlaceOf(index, keys[i]), index, keys[i], &copy))
			continue;
		PageMarkPrefetch(&copy.mark.page);
		for (int r = 0; r < Min(copy.rows.count, MOST_EXPECTED); r++)
			PagePlaceFetchPointer(table, &copy.rows.tids[copy.rows.count - 1 - r]);
	}
#endif
}

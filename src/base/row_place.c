/*
 * row_place.c
 *		Where rows were found lately.
 *
 * Some rows are looked up by every call: lists of popular items.  A search of the
 * index reads three pages or more before the row's own; a row that is still where
 * it was found needs a pin of that one.
 *
 * A place is kept with the LSN of its page, and holds while that is the same: whoever
 * sets about changing, deleting or moving the row logs a change of the page.  It is
 * kept only if nobody had done so by then, and if the transaction that wrote the row
 * was over for the snapshot that saw it: it has committed, and no later version of the
 * row exists.  It holds for snapshots for which that transaction is over too.  So it
 * does not matter which backend found the row, nor when.
 *
 * A table that is rewritten has other files, and no page of these is in the buffer
 * that was noted.  Tables that are not logged, or not heaps, are not remembered, nor
 * anything under serializable transactions, which must leave word of what they read.
 *
 * Places are in shared memory, a few for each shared buffer, which holds dozens of rows:
 * 3 % of what these take; without shared_preload_libraries each backend has some of its
 * own.  A place is read without a lock: its version is odd while it is written, and the
 * same before and after.
 *
 * Who keeps what he has made of a row keeps its mark as well, which holds as a place does.
 * A few words of what a row says may be kept with its place: whether an item is offered
 * is asked more often than anything else of it.
 */
#include "postgres.h"

#include "base/row_place.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/key_set.h"
#include "base/shared_memory.h"
#include "base/version.h"
#include "catalog/pg_am_d.h"
#include "common/hashfn.h"
#include "compat.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Places for a shared buffer, and of a backend of its own. */
#define PLACES_PER_BUFFER 4
#define LOCAL_PLACES 16384

/* More have no more places. */
#define MOST_BUFFERS (1 << 26)

/* A key has so many places to choose from, side by side, and is mostly in the first of them. */
#define CHOICES 4

/* A place; all zeros: unused. */
typedef struct RowPlace
{
	pg_atomic_uint32 version;
	Oid			table;
	int64		key;
	RowMark		mark;
	RowDigest	digest;
} RowPlace;

static RowPlace *places = NULL;
static uint32 placeCount;		/* a power of two */

/* Begin with none. */
static void
ClearPlaces(void *memory)
{
	memset(memory, 0, sizeof(RowPlace) * placeCount);
}

/* Ask for shared memory. */
void
RowPlaceInit(void)
{
	placeCount = pg_nextpower2_32(Max((uint32) Min(NBuffers, MOST_BUFFERS) * PLACES_PER_BUFFER, LOCAL_PLACES));
	SharedMemoryRegister("personalize row places", mul_size(sizeof(RowPlace), placeCount),
						 (void **) &places, ClearPlaces);
}

/* The number of the first place a key may have. */
static inline uint32
FirstPlace(Oid table, int64 key)
{
	return murmurhash32(KeySpread(key) + table) & (placeCount - 1);
}

/* That of another: the places of a key lie around the first. */
static inline RowPlace *
Choice(uint32 first, int number)
{
	return &places[first ^ number];
}

/* Copy the place of a key; false: it is not known, or just being written. */
static bool
ReadPlace(Oid table, int64 key, RowPlace *copy)
{
	uint32		first = FirstPlace(table, key);

	for (int i = 0; i < CHOICES; i++)
	{
		RowPlace   *place = Choice(first, i);
		uint32		version = VersionRead(&place->version);

		if (place->table != table || place->key != key)
			continue;
		*copy = *place;
		return VersionHolds(&place->version, version) &&
			copy->table == table && copy->key == key;
	}
	return false;
}

/* Write the place of a key, unless somebody is at it. */
static void
WritePlace(const RowPlace *made)
{
	uint32		first = FirstPlace(made->table, made->key);
	RowPlace   *place = Choice(first, 0);

	for (int i = CHOICES - 1; i >= 0; i--)
		if (Choice(first, i)->table == InvalidOid)
			place = Choice(first, i);
	for (int i = 0; i < CHOICES; i++)
		if (Choice(first, i)->table == made->table && Choice(first, i)->key == made->key)
			place = Choice(first, i);
	VersionWrite(&place->version, &place->table, &made->table, sizeof(RowPlace) - offsetof(RowPlace, table));
}

/* True if places in this table may be relied on, under this snapshot. */
bool
RowMarkable(Relation table, Snapshot snapshot)
{
	return snapshot->snapshot_type == SNAPSHOT_MVCC && !IsolationIsSerializable() &&
		table->rd_rel->relam == HEAP_TABLE_AM_OID && RelationNeedsWAL(table);
}

/*
 * Bring what fetching rows will touch into the processor's caches.  It lies all over
 * memory, and waiting for it is most of the work: it is waited for together.
 */
void
RowPlacePrefetch(Relation table, const int64 *keys, int count)
{
#ifdef __GNUC__
	if (places == NULL)
		return;
	for (int i = 0; i < count; i++)
		__builtin_prefetch(Choice(FirstPlace(RelationGetRelid(table), keys[i]), 0));
	for (int i = 0; i < count; i++)
	{
		const RowPlace *place = Choice(FirstPlace(RelationGetRelid(table), keys[i]), 0);

		/* what somebody writes meanwhile is asked for in vain, or not at all */
		if (place->key == keys[i] && BufferIsValid(place->mark.page.buffer))
		{
			PageMarkPrefetch(&place->mark.page);
			__builtin_prefetch(BufferGetPage(place->mark.page.buffer) + place->mark.start);
		}
	}
#endif
}

/* The mark of a row is about to be looked at. */
void
RowMarkPrefetch(const RowMark *mark)
{
	PageMarkPrefetch(&mark->page);
}

/* True if a mark in this table may say what the snapshot sees. */
static inline bool
IsFor(Relation table, Snapshot snapshot, const RowMark *mark)
{
	return TransactionIdPrecedes(mark->writtenBy, snapshot->xmin) && RowMarkable(table, snapshot);
}

/* Pin the page of a row if the row is still what it was; false: it may not be. */
static bool
PinMarked(Relation table, Snapshot snapshot, const RowMark *mark)
{
	const PageMark *page = &mark->page;

	if (!IsFor(table, snapshot, mark) ||
		!ReadRecentBuffer(CompatRelationLocator(table), MAIN_FORKNUM, page->block, page->buffer))
		return false;
	if (BufferGetLSNAtomic(page->buffer) == page->lsn)
		return true;
	ReleaseBuffer(page->buffer);
	return false;
}

/* True if a row is still what it was. */
bool
RowMarkHolds(Relation table, Snapshot snapshot, const RowMark *mark)
{
	return IsFor(table, snapshot, mark) && PageMarkHolds(table, &mark->page);
}

/* Mark the row in the slot. */
bool
RowMarkTake(Relation table, Snapshot snapshot, const TupleTableSlot *slot, RowMark *mark)
{
	const BufferHeapTupleTableSlot *stored = (const BufferHeapTupleTableSlot *) slot;
	HeapTupleHeader header;
	bool		unchanged;

	if (!RowMarkable(table, snapshot) || !BufferIsValid(stored->buffer))
		return false;
	header = stored->base.tuple->t_data;
	mark->page.block = ItemPointerGetBlockNumber(&slot->tts_tid);
	mark->page.buffer = stored->buffer;
	mark->offset = ItemPointerGetOffsetNumber(&slot->tts_tid);
	mark->start = (char *) header - (char *) BufferGetPage(stored->buffer);
	LockBuffer(stored->buffer, BUFFER_LOCK_SHARE);
	mark->writtenBy = HeapTupleHeaderGetXmin(header);
	mark->page.lsn = PageGetLSN(BufferGetPage(stored->buffer));
	unchanged = (header->t_infomask & HEAP_XMAX_INVALID) != 0 ||
		!TransactionIdIsValid(HeapTupleHeaderGetRawXmax(header));
	LockBuffer(stored->buffer, BUFFER_LOCK_UNLOCK);
	return unchanged && !XLogRecPtrIsInvalid(mark->page.lsn) && TransactionIdPrecedes(mark->writtenBy, snapshot->xmin);
}

/* Put the row at a place into the slot; the page is pinned, and is released with that. */
static void
StoreRow(Relation table, const RowMark *mark, ItemId item, TupleTableSlot *slot)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) slot)->base.tupdata;

	ExecClearTuple(slot);
	tuple->t_data = (HeapTupleHeader) PageGetItem(BufferGetPage(mark->page.buffer), item);
	tuple->t_len = ItemIdGetLength(item);
	tuple->t_tableOid = RelationGetRelid(table);
	ItemPointerSet(&tuple->t_self, mark->page.block, mark->offset);
	ExecStorePinnedBufferHeapTuple(tuple, slot, mark->page.buffer);
}

/* Put a row into the slot if it is where it was. */
bool
RowPlaceFetch(Relation table, Snapshot snapshot, int64 key, TupleTableSlot *slot)
{
	RowPlace	place;

	if (places == NULL || !ReadPlace(RelationGetRelid(table), key, &place) ||
		!PinMarked(table, snapshot, &place.mark))
		return false;
	/* the pin keeps the row from being moved */
	StoreRow(table, &place.mark, PageGetItemId(BufferGetPage(place.mark.page.buffer), place.mark.offset), slot);
	return true;
}

/* True if the row at an item, whose page is locked, is that of the key, for the snapshot. */
static bool
IsRowOf(Relation table, Snapshot snapshot, int64 key, const RowMark *mark, ItemId item)
{
	HeapTupleData tuple;
	bool		isNull;

	if (!ItemIdIsNormal(item))
		return false;
	tuple.t_data = (HeapTupleHeader) PageGetItem(BufferGetPage(mark->page.buffer), item);
	tuple.t_len = ItemIdGetLength(item);
	tuple.t_tableOid = RelationGetRelid(table);
	ItemPointerSet(&tuple.t_self, mark->page.block, mark->offset);
	return DatumGetInt64(heap_getattr(&tuple, 1, RelationGetDescr(table), &isNull)) == key &&
		HeapTupleSatisfiesVisibility(&tuple, snapshot, mark->page.buffer);
}

/*
 * Put the row of a key into the slot if it is where one was.  It does not matter what that
 * was: a row of the key that the snapshot sees is the only one.
 */
bool
RowPlaceTry(Relation table, Snapshot snapshot, int64 key, TupleTableSlot *slot)
{
	RowPlace	place;
	const RowMark *mark = &place.mark;
	Page		page;
	bool		found;

	if (places == NULL || !RowMarkable(table, snapshot) || !ReadPlace(RelationGetRelid(table), key, &place) ||
		!ReadRecentBuffer(CompatRelationLocator(table), MAIN_FORKNUM, mark->page.block, mark->page.buffer))
		return false;
	page = BufferGetPage(mark->page.buffer);
	LockBuffer(mark->page.buffer, BUFFER_LOCK_SHARE);
	found = mark->offset <= PageGetMaxOffsetNumber(page) &&
		IsRowOf(table, snapshot, key, mark, PageGetItemId(page, mark->offset));
	LockBuffer(mark->page.buffer, BUFFER_LOCK_UNLOCK);
	if (found)
		StoreRow(table, mark, PageGetItemId(page, mark->offset), slot);
	else
		ReleaseBuffer(mark->page.buffer);
	return found;
}

/* What is known of a row. */
bool
RowPlaceDigest(Relation table, Snapshot snapshot, int64 key, RowDigest *digest)
{
	RowPlace	place;

	if (places == NULL || !ReadPlace(RelationGetRelid(table), key, &place) ||
		(place.digest.words[0] | place.digest.words[1] | place.digest.words[2]) == 0 ||
		!RowMarkHolds(table, snapshot, &place.mark))
		return false;
	*digest = place.digest;
	return true;
}

/* Write the place of a key, with room for those of a backend where there is no other. */
static void
KeepPlace(const RowPlace *place)
{
	if (places == NULL)
	{
		placeCount = LOCAL_PLACES;
		places = MemoryContextAllocZero(TopMemoryContext, sizeof(RowPlace) * placeCount);
	}
	WritePlace(place);
}

/* Remember where a row lies, whether or not that can be relied on. */
void
RowPlaceNote(Relation table, Snapshot snapshot, int64 key, const TupleTableSlot *slot)
{
	RowPlace	place = {.table = RelationGetRelid(table),.key = key};

	/* nothing is marked without an LSN */
	if (!RowMarkTake(table, snapshot, slot, &place.mark))
		place.mark.page.lsn = InvalidXLogRecPtr;
	if (BufferIsValid(place.mark.page.buffer) && !BufferIsLocal(place.mark.page.buffer))
		KeepPlace(&place);
}

/* Remember where a row was written. */
void
RowPlaceNoteWritten(Relation table, int64 key, const ItemPointerData *tid)
{
	RowPlace	place = {.table = RelationGetRelid(table),.key = key};

	if (table->rd_rel->relam != HEAP_TABLE_AM_OID || RelationUsesLocalBuffers(table))
		return;
	place.mark.page.block = ItemPointerGetBlockNumber(tid);
	place.mark.page.buffer = ReadBuffer(table, place.mark.page.block);
	place.mark.offset = ItemPointerGetOffsetNumber(tid);
	KeepPlace(&place);
	ReleaseBuffer(place.mark.page.buffer);
}

/* Remember where a row lies, if that can be relied on, and what is to be known of it. */
void
RowPlaceKeepDigest(Relation table, Snapshot snapshot, int64 key, const TupleTableSlot *slot, const RowDigest *digest)
{
	RowPlace	place = {.table = RelationGetRelid(table),.key = key,.digest = *digest};

	if (!RowMarkTake(table, snapshot, slot, &place.mark))
		return;
	KeepPlace(&place);
}

/* Remember where a row lies. */
void
RowPlaceKeep(Relation table, Snapshot snapshot, int64 key, const TupleTableSlot *slot)
{
	RowPlaceKeepDigest(table, snapshot, key, slot, &(RowDigest) {{0}});
}

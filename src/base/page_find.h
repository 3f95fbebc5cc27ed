/*
 * page_find.h
 *		The visible rows of a heap page that somebody wants, where most are not wanted.
 *
 * A few bytes of each row are looked at first, which takes 3 to 5 ns; only what is
 * wanted is tested for visibility, which takes longer.  Inlined, so that the question
 * costs no call.
 */
#ifndef PERSONALIZE_PAGE_FIND_H
#define PERSONALIZE_PAGE_FIND_H

#include "postgres.h"

#include "access/heapam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* So many tuples ahead of the one that is looked at, memory is asked for the next. */
#define PAGE_FETCH_AHEAD 12

/* What is read. */
typedef struct PageWalk
{
	Relation	table;
	Snapshot	snapshot;
	int			place;			/* of the bytes in a row's data, behind columns without nulls */
	const OffsetNumber *offsets;	/* the line pointers to look at, in order; NULL: all */
	int			offsetCount;
} PageWalk;

/* True if a row with these bytes is wanted. */
typedef bool (*PageWants) (const void *arg, const char *bytes);

/* Ask for the memory where a line pointer's bytes are, or would be if it has a tuple. */
static inline void
PageFetch(Page page, OffsetNumber offset, int place)
{
#ifdef __GNUC__
	__builtin_prefetch((char *) page + ItemIdGetOffset(PageGetItemId(page, offset)) +
					   MAXALIGN(SizeofHeapTupleHeader) + place);
#endif
}

/*
 * Find the rows on a page, whose buffer is pinned and not locked; the pin keeps them
 * where they are.  found has room for MaxHeapTuplesPerPage; returns how many they are.
 */
static pg_attribute_always_inline int
PageFind(const PageWalk *walk, PageWants wants, const void *arg, Buffer buffer, HeapTupleData *found)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber last;
	int			count = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	last = PageGetMaxOffsetNumber(page);
	for (int i = 0; i < (walk->offsets ? walk->offsetCount : last); i++)
	{
		OffsetNumber offset = walk->offsets ? walk->offsets[i] : FirstOffsetNumber + i;
		ItemId		item;
		HeapTuple	tuple = &found[count];
		HeapTupleHeader header;
		bool		visible;

		if (offset > last)
			break;
		item = PageGetItemId(page, offset);
		if (!ItemIdIsNormal(item))
			continue;
		header = (HeapTupleHeader) PageGetItem(page, item);
		/* what takes the time is waiting for memory */
		if (offset + PAGE_FETCH_AHEAD <= last)
			PageFetch(page, offset + PAGE_FETCH_AHEAD, walk->place);
		if (!wants(arg, (char *) header + header->t_hoff + walk->place))
			continue;
		tuple->t_data = header;
		tuple->t_tableOid = RelationGetRelid(walk->table);
		tuple->t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple->t_self, BufferGetBlockNumber(buffer), offset);
		visible = HeapTupleSatisfiesVisibility(tuple, walk->snapshot, buffer);
		HeapCheckForSerializableConflictOut(visible, walk->table, tuple, buffer, walk->snapshot);
		count += visible;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return count;
}

#endif

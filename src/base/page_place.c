/*
 * page_place.c
 *		In which buffers pages were lately.
 *
 * Who reads many pages that lie apart, as the newest events of a person do, spends most
 * of the time on finding their buffers and on waiting for memory.  The buffer a page was
 * in is remembered: ReadRecentBuffer looks whether it is still there, so what is
 * remembered may be wrong, is read and written without a lock, and need not say of which
 * page it is.  And from it, what is about to be read can be asked for ahead.
 *
 * It is in shared memory, two for each buffer: 0.1 % of what these take; without
 * shared_preload_libraries each backend has some of its own.
 */
#include "postgres.h"

#include "base/page_place.h"

#include "base/shared_memory.h"
#include "common/hashfn.h"
#include "compat.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Places for a shared buffer, and of a backend of its own. */
#define PLACES_PER_BUFFER 2
#define LOCAL_PLACES 16384

/* More buffers have no more places. */
#define MOST_BUFFERS (1 << 26)

/* Buffers by the hash of their page; InvalidBuffer: none is known. */
static pg_atomic_uint32 *places = NULL;
static uint32 placeCount;		/* a power of two */

/* Begin with none. */
static void
ClearPlaces(void *memory)
{
	pg_atomic_uint32 *made = memory;

	for (uint32 i = 0; i < placeCount; i++)
		pg_atomic_init_u32(&made[i], InvalidBuffer);
}

/* Ask for shared memory. */
void
PagePlaceInit(void)
{
	placeCount = pg_nextpower2_32((uint32) Min(NBuffers, MOST_BUFFERS) * PLACES_PER_BUFFER);
	SharedMemoryRegister("personalize page places", mul_size(sizeof(pg_atomic_uint32), placeCount),
						 (void **) &places, ClearPlaces);
}

/* The place of a page. */
static inline pg_atomic_uint32 *
PlaceOf(Relation relation, BlockNumber block)
{
	if (places == NULL)
	{
		placeCount = LOCAL_PLACES;
		places = MemoryContextAlloc(TopMemoryContext, sizeof(pg_atomic_uint32) * placeCount);
		ClearPlaces(places);
	}
	return &places[(murmurhash32(CompatRelationFile(relation)) + block) & (placeCount - 1)];
}

/* Release a page and read another. */
Buffer
PagePlaceRead(Relation relation, BlockNumber block, Buffer previous)
{
	pg_atomic_uint32 *place = PlaceOf(relation, block);
	Buffer		buffer = (Buffer) pg_atomic_read_u32(place);

	if (BufferIsValid(previous))
		ReleaseBuffer(previous);
	/* that it is the page is looked at there */
	if (buffer != InvalidBuffer && ReadRecentBuffer(CompatRelationLocator(relation), MAIN_FORKNUM, block, buffer))
		return buffer;
	buffer = ReadBuffer(relation, block);
	if (!BufferIsLocal(buffer))
		pg_atomic_write_u32(place, (uint32) buffer);
	return buffer;
}

/* The page in the buffer where it was, not pinned, or another, or NULL: for asking for memory only. */
static inline Page
PageOf(Relation relation, BlockNumber block, Buffer *buffer)
{
	*buffer = (Buffer) pg_atomic_read_u32(PlaceOf(relation, block));
	return *buffer == InvalidBuffer ? NULL : BufferGetPage(*buffer);
}

/* A page is about to be pinned, and its LSN to be looked at. */
void
PagePlaceFetchPage(Relation relation, BlockNumber block)
{
#ifdef __GNUC__
	Buffer		buffer;
	Page		page = PageOf(relation, block, &buffer);

	if (page == NULL)
		return;
	__builtin_prefetch(GetBufferDescriptor(buffer - 1));
	__builtin_prefetch(page);
#endif
}

/* The line pointer of a row is about to be looked at. */
void
PagePlaceFetchPointer(Relation relation, const ItemPointerData *tid)
{
#ifdef __GNUC__
	Buffer		buffer;
	Page		page = PageOf(relation, ItemPointerGetBlockNumber(tid), &buffer);

	if (page == NULL)
		return;
	__builtin_prefetch(GetBufferDescriptor(buffer - 1));
	__builtin_prefetch(page);
	__builtin_prefetch(PageGetItemId(page, ItemPointerGetOffsetNumber(tid)));
#endif
}

/* A row is about to be read. */
void
PagePlaceFetchRow(Relation relation, const ItemPointerData *tid)
{
#ifdef __GNUC__
	Buffer		buffer;
	Page		page = PageOf(relation, ItemPointerGetBlockNumber(tid), &buffer);

	if (page == NULL)
		return;
	page += ItemIdGetOffset(PageGetItemId(page, ItemPointerGetOffsetNumber(tid)));
	__builtin_prefetch(page);
	__builtin_prefetch(page + PG_CACHE_LINE_SIZE / 2);
#endif
}

/*
 * person_pages.c
 *		On which pages of a day a person's events are, while nobody else writes any.
 *
 * Whoever gives a history to another person, or takes purposes from one, looks for the events
 * again and again, on days without an index on user_key on every page.  As long as their stripes are locked
 * exclusively, and until we write events of theirs ourselves (base/alone.h), these stay on
 * their pages: who looks first notes the pages, and the others go there.
 */
#include "postgres.h"

#include "events/person_pages.h"

#include "access/htup_details.h"
#include "base/alone.h"
#include "base/grow.h"
#include "base/page_place.h"
#include "events/event_cache.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* What is remembered, at which number of AloneWith; it goes with the transaction. */
static List *remembered = NIL;
static MemoryContext context = NULL;
static uint64 rememberedAt = 0;

/* The memory is gone; MemoryContextCallback. */
static void
Forget(void *arg)
{
	remembered = NIL;
	context = NULL;
	rememberedAt = 0;
}

/* Remember nothing, at this number. */
static void
Reset(uint64 number)
{
	MemoryContextCallback *callback;

	if (context != NULL)
		MemoryContextDelete(context);
	context = AllocSetContextCreate(TopTransactionContext, "personalize pages of people", ALLOCSET_SMALL_SIZES);
	callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));
	callback->func = Forget;
	MemoryContextRegisterResetCallback(context, callback);
	rememberedAt = number;
}

/* The pages of a person that are remembered; NULL: none are. */
static const PersonPages *
Find(Relation partition, int64 userKey)
{
	ListCell   *cell;

	foreach(cell, remembered)
	{
		const PersonPages *pages = lfirst(cell);

		if (pages->userKey == userKey && pages->file == partition->rd_rel->relfilenode)
			return pages;
	}
	return NULL;
}

/* No pages yet. */
static PersonPages *
Make(Relation partition, int64 userKey)
{
	PersonPages *pages = palloc0(sizeof(PersonPages));

	pages->userKey = userKey;
	pages->file = partition->rd_rel->relfilenode;
	return pages;
}

/* Note a page if there may be events of the person on it. */
static void
LookAtPage(PersonPages *pages, Relation partition, BlockNumber block, Buffer buffer, int keyOffset)
{
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	int			total;

	if (EventCacheFindOnPage(partition, block, buffer, pages->userKey, keyOffset, offsets, &total) == 0)
		return;
	GrowArray(pages->blocks, pages->count + 1, pages->capacity, 8);
	pages->blocks[pages->count++] = block;
}

/* Look at all pages, for both people, or for the one. */
static void
Look(Relation partition, const int64 *keys, int keyOffset)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	PersonPages *pages[2] = {Make(partition, keys[0]), Make(partition, keys[1])};
	int			people = keys[0] == keys[1] ? 1 : 2;
	BlockNumber blocks = RelationGetNumberOfBlocks(partition);
	Buffer		buffer = InvalidBuffer;

	for (BlockNumber block = 0; block < blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		EventCacheExpect(partition, block + EVENT_PAGES_AHEAD);
		buffer = PagePlaceRead(partition, block, buffer);
		for (int i = 0; i < people; i++)
			LookAtPage(pages[i], partition, block, buffer, keyOffset);
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	for (int i = 0; i < people; i++)
		remembered = lappend(remembered, pages[i]);
	MemoryContextSwitchTo(caller);
}

/* The pages that may hold events of the person; NULL: nothing may be remembered. */
const PersonPages *
PersonPagesOf(Relation partition, int64 userKey, int keyOffset)
{
	const int64 *keys;
	uint64		number = AloneWith(userKey, &keys);

	if (number == 0)
		return NULL;
	if (number != rememberedAt)
		Reset(number);
	if (Find(partition, userKey) == NULL)
		Look(partition, keys, keyOffset);
	return Find(partition, userKey);
}

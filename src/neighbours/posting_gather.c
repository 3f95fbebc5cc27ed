/*
 * posting_gather.c
 *		An item's newest entries, gathered from sessions that come in any order.
 *
 * Twice as many entries as are kept are held; when these are full, the older half
 * goes, and from then on only what is not older than the rest is packed at all.
 */
#include "postgres.h"

#include "neighbours/posting_gather.h"

#include "compat.h"
#include "utils/timestamp.h"

/* Most items have few. */
#define FIRST_CAPACITY 16

/* Begin an empty list. */
void
PostingGatherInit(PostingGather *gather, int64 itemKey, int kept)
{
	gather->itemKey = itemKey;
	gather->sessions = 0;
	gather->kept = kept;
	gather->capacity = Min(FIRST_CAPACITY, 2 * kept);
	gather->entries = palloc_array(PostingEntry, gather->capacity);
	gather->count = 0;
	gather->oldest = DT_NOBEGIN;
}

/* Sort a list and leave out what is not kept. */
void
PostingGatherFinish(PostingGather *gather)
{
	PostingSortEntries(gather->entries, gather->count);
	for (int i = gather->kept; i < gather->count; i++)
		pfree(unconstify(uint8 *, gather->entries[i].data));
	gather->count = Min(gather->count, gather->kept);
}

/* Add the entry of the item at a place of a session. */
static void
AddEntry(PostingGather *gather, const Session *session, const int64 *items, int place)
{
	TimestampTz ts = session->items[place].ts;
	uint8	   *packed;
	const uint8 *next;
	int			length;

	gather->sessions++;
	if (ts < gather->oldest)
		return;
	if (gather->count == gather->capacity)
	{
		gather->capacity = Min(2 * gather->capacity, 2 * gather->kept);
		gather->entries = repalloc(gather->entries, sizeof(PostingEntry) * gather->capacity);
	}
	packed = palloc(POSTING_ENTRY_MAX);
	length = PostingPackEntry(items, session->itemCount, place, ts, SessionNumber(session), packed);
	next = packed;
	PostingNextEntry(&next, packed + length, &gather->entries[gather->count++]);
	if (gather->count < 2 * gather->kept)
		return;
	PostingGatherFinish(gather);
	gather->oldest = gather->entries[gather->kept - 1].ts;
}

/* Add a session's entries to the lists of its items. */
void
PostingGatherSession(HTAB *lists, const Session *session)
{
	int64		items[SESSION_MAX_ITEMS];

	for (int place = 0; place < session->itemCount; place++)
		items[place] = session->items[place].itemKey;
	for (int place = 0; place < session->itemCount; place++)
	{
		PostingGather *gather = hash_search(lists, &items[place], HASH_FIND, NULL);

		if (gather != NULL)
			AddEntry(gather, session, items, place);
	}
}

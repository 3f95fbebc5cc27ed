/*
 * neighbour_rebuild.c
 *		Counting neighbours anew, for the processor.
 *
 * Of the people whose keys fall into some shards all sessions go, and the lists of the items
 * whose keys do are made anew from the sessions that are left; then the people's events come
 * back as new ones do.  That is one transaction, so whoever reads meets whole lists, and what
 * was right before is the same after it.  When all shards had their turn, every session is
 * made of raw events and every list of sessions.
 */
#include "postgres.h"

#include "neighbours/neighbour_rebuild.h"

#include "base/shard.h"
#include "miscadmin.h"
#include "neighbours/posting_search.h"
#include "neighbours/session_index.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* What is made anew. */
typedef struct NeighbourRebuild
{
	const bool *shards;
	SessionIndex *index;
	KeySet		items;			/* whose lists are */
	SessionSum *sum;			/* of the sessions that stay */
	TimestampTz newest;
} NeighbourRebuild;

/* Note the items that a table has rows of. */
static void
NoteItemsOf(NeighbourRebuild *rebuild, const char *table, const char *index)
{
	KeyedTable *keyed = KeyedOpen(table, index, AccessShareLock);
	TupleTableSlot *slot;

	KeyedSeek(keyed, rebuild->index->snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(keyed, ForwardScanDirection)) != NULL)
	{
		bool		isNull;
		int64		itemKey = DatumGetInt64(slot_getattr(slot, 1, &isNull));

		if (rebuild->shards[ShardOfKey(itemKey)])
			KeySetAdd(&rebuild->items, itemKey);
		CHECK_FOR_INTERRUPTS();
	}
	KeyedClose(keyed);
}

/* A session that stays: its items have lists, and it is counted. */
static void
KeepSession(NeighbourRebuild *rebuild, const Session *session)
{
	rebuild->newest = Max(rebuild->newest, session->ended);
	if (!SessionIsIndexed(session))
		return;
	SessionSumAdd(rebuild->sum, session, 1);
	for (int i = 0; i < session->itemCount; i++)
		if (rebuild->shards[ShardOfKey(session->items[i].itemKey)])
			KeySetAdd(&rebuild->items, session->items[i].itemKey);
}

/* Take the sessions of the people out, and see those of others. */
static void
PassSessions(NeighbourRebuild *rebuild)
{
	SessionIndex *index = rebuild->index;
	Session    *session = palloc(sizeof(Session));
	TupleTableSlot *slot;

	KeyedSeek(index->sessions, index->snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(index->sessions, ForwardScanDirection)) != NULL)
	{
		bool		isNull;
		bool		goes = rebuild->shards[ShardOfKey(DatumGetInt64(slot_getattr(slot, SESSION_USER_KEY, &isNull)))];
		bool		whole = SessionTryReadRow(slot, session, goes ? "it is made anew" :
											  "it is left out of lists that are made anew");

		if (goes && !whole)
			PostingFindSession(index->snapshot, session);
		if (goes)
			SessionIndexReplace(index, session, 1, NULL);
		else if (whole)
			KeepSession(rebuild, session);
		CHECK_FOR_INTERRUPTS();
	}
	pfree(session);
}

/* Forget the sessions of the people of some shards, and make the lists of items anew. */
void
NeighbourClear(const bool *shards)
{
	NeighbourRebuild rebuild = {.shards = shards,.index = SessionIndexBegin(),.newest = DT_NOBEGIN};

	KeySetInit(&rebuild.items, 1024);
	rebuild.sum = SessionSumBegin();
	NoteItemsOf(&rebuild, "posting", "posting_pkey");
	NoteItemsOf(&rebuild, "_pair_list", "_pair_list_pkey");
	PassSessions(&rebuild);
	SessionIndexRemake(rebuild.index, &rebuild.items, rebuild.sum, rebuild.newest);
	(void) SessionIndexEnd(rebuild.index);
}

/* About how many events sessions are made of. */
int64
NeighbourHeld(void)
{
	SessionTotals totals;

	SessionTotalsRead(&totals, GetActiveSnapshot());
	return totals.entries;
}

/*
 * session_past.c
 *		Postings as they were at an earlier time.
 *
 * The lists of the table hold the newest sessions of now, whole: what an item's
 * list held earlier, how many sessions there were, and what came after an item
 * they cannot tell.  The sessions can: cut at that time, each is what a database
 * would have that was told nothing since, for its items are those first come to
 * by then.  So all sessions are read, and the lists of the items asked for are made
 * of them; three times per question, for items that lead to others.  Who asks many questions
 * has a history (session_history.c).  What retention has removed, or somebody's erasure, is
 * missing; what a person allows is as of now.
 */
#include "postgres.h"

#include "neighbours/session_past.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/bytes.h"
#include "base/key_set.h"
#include "base/relation.h"
#include "compat.h"
#include "miscadmin.h"
#include "neighbours/posting_gather.h"
#include "neighbours/session.h"

/* The lists of one question. */
typedef struct Past
{
	TimestampTz asOf;
	Snapshot	snapshot;
	SessionHistory *history;	/* NULL: all sessions are read */
	HTAB	   *lists;			/* of PostingGather */
	SessionSum *sum;			/* of all sessions; NULL: not read yet */
	PostingGather *list;		/* the one that is read, NULL: none */
	int			next;			/* its next entry */
} Past;

/* An empty hash of lists. */
static HTAB *
CreateLists(int count)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(PostingGather),
	.hcxt = CurrentMemoryContext};

	return hash_create("personalize past lists", Max(count, 1), &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Read all sessions into these lists, and the first time into what is counted over all. */
static void
ReadSessions(Past *past, HTAB *lists, const KeySet *wanted)
{
	Session    *session = palloc(sizeof(Session));
	Relation	table = RelationOpenTable("session", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, past->snapshot, 0, NULL);
	bool		first = past->sum == NULL;

	if (first)
		past->sum = SessionSumBegin();
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!SessionRowWasIndexed(slot, past->asOf) || (!first && !SessionRowHasAny(slot, wanted)))
			continue;
		if (!SessionTryReadRow(slot, session, "it is left out of what is told of the past"))
			continue;
		SessionCut(session, past->asOf);
		if (first)
			SessionSumAdd(past->sum, session, 1);
		PostingGatherSession(lists, session);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	pfree(session);
}

/* Make the lists of items that are not there yet. */
static void
PastPrepare(void *state, const int64 *items, int itemCount)
{
	Past	   *past = state;
	HTAB	   *fresh = CreateLists(itemCount);
	HASH_SEQ_STATUS scan;
	PostingGather *list;
	KeySet		wanted;

	if (past->lists == NULL)
		past->lists = CreateLists(64);
	KeySetInit(&wanted, itemCount);
	for (int i = 0; i < itemCount; i++)
	{
		if (hash_search(past->lists, &items[i], HASH_FIND, NULL) == NULL && KeySetAdd(&wanted, items[i]))
			PostingGatherInit(hash_search(fresh, &items[i], HASH_ENTER, NULL), items[i], POSTING_KEPT);
	}
	if (past->history != NULL)
		SessionHistoryGather(past->history, fresh, &wanted);
	else if (past->sum == NULL || hash_get_num_entries(fresh) > 0)
		ReadSessions(past, fresh, &wanted);
	hash_seq_init(&scan, fresh);
	while ((list = hash_seq_search(&scan)) != NULL)
		memcpy(hash_search(past->lists, &list->itemKey, HASH_ENTER, NULL), list, sizeof(PostingGather));
	hash_destroy(fresh);
}

/* What was counted over all sessions. */
static void
PastTotals(void *state, SessionTotals *totals)
{
	SessionSumTotals(((Past *) state)->sum, totals);
}

static const RepeatCounts *
PastRepeats(void *state)
{
	return SessionSumRepeats(((Past *) state)->sum);
}

/* Go to an item's list. */
static void
PastSeek(void *state, int64 itemKey)
{
	Past	   *past = state;

	past->list = hash_search(past->lists, &itemKey, HASH_FIND, NULL);
	past->next = 0;
	if (past->list != NULL)
		PostingGatherFinish(past->list);
}

/* Pack its next entries into a chunk. */
static bool
PastNext(void *state, KnnChunk *chunk)
{
	Past	   *past = state;
	int			count = past->list ? Min(past->list->count - past->next, POSTING_CHUNK_LIMIT) : 0;
	uint8	   *data;

	if (count <= 0)
		return false;
	data = palloc0(POSTING_CHUNK_HEADER + count * POSTING_ENTRY_MAX);
	data[0] = POSTING_VERSION;
	data[1] = count;
	BytesPut(data + 2, (uint64) past->list->count, 2);
	BytesPut(data + 4, (uint64) past->list->sessions, 8);
	chunk->number = 0;
	chunk->data = data;
	chunk->length = POSTING_CHUNK_HEADER;
	for (int i = 0; i < count; i++)
	{
		const PostingEntry *entry = &past->list->entries[past->next++];

		memcpy(data + chunk->length, entry->data, entry->length);
		chunk->length += entry->length;
	}
	return true;
}

/* A source of postings as if nothing had happened after asOf. */
KnnSource *
SessionPastSource(TimestampTz asOf, Snapshot snapshot, SessionHistory *history)
{
	KnnSource  *source = palloc0(sizeof(KnnSource));
	Past	   *past = palloc0(sizeof(Past));

	past->asOf = asOf;
	past->snapshot = snapshot;
	if (history != NULL && SessionHistoryAdvance(history, asOf))
	{
		past->history = history;
		past->sum = SessionHistorySum(history);
	}
	source->state = past;
	source->totals = PastTotals;
	source->prepare = PastPrepare;
	source->seek = PastSeek;
	source->next = PastNext;
	source->repeats = PastRepeats;
	return source;
}

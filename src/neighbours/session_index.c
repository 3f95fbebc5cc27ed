/*
 * session_index.c
 *		Sessions and their postings, changed together.
 *
 * Every change is of the same kind: some stored sessions go, one comes in their
 * place.  It is split into changes to items' lists, of which most cancel out
 * (an entry changes only if its place or the items around it do); these are
 * sorted and applied item by item, so that each chunk is written once a batch
 * and rows are always locked in the same order.
 *
 * The counts that the score's idf needs are kept exactly: sessions per item in
 * the item's newest chunk, all sessions in _session_total.  What is made of the
 * postings of an item (pair_list.c) is made anew in the same transaction.
 */
#include "postgres.h"

#include "neighbours/session_index.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/grow.h"
#include "base/key_set.h"
#include "base/lock.h"
#include "base/relation.h"
#include "miscadmin.h"
#include "neighbours/pair_list.h"
#include "neighbours/posting.h"
#include "neighbours/posting_gather.h"
#include "neighbours/session_total.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Entries gathered when a list is made anew: what is kept and a surplus. */
#define REFILL_ENTRIES (POSTING_KEPT + POSTING_SURPLUS + POSTING_CHUNK_FULL - 1)

/* An item whose list is made anew. */
typedef struct Refill
{
	PostingGather list;			/* first: it begins with the hash key */
	int64		added;			/* sessions that came, less those that went */
} Refill;

/* Changes to postings that have not been written yet. */
typedef struct SessionIndexChanges
{
	MemoryContext context;		/* of the packed entries */
	KeyedTable *postings;
	KeyedTable *lists;			/* what is made of them */
	PostingChange *changes;
	int			count;
	int			capacity;
	SessionSum *sum;			/* of what came, less what went */
	bool		changed;		/* any of it */
	TimestampTz newest;			/* end of the sessions that came */
	Refill	   *refills;		/* items whose list must be made anew */
	int			refillCount;
	const KeySet *remade;		/* of these items, in any case; NULL: of none */
	SessionIndexLosses losses;
} SessionIndexChanges;

/* A session of people whose events change hands, by its key. */
typedef struct MovedSession
{
	int64		userKey;		/* hash key, with the two below */
	int64		given;
	int64		sessionKey;
	Session    *before;			/* NULL: there was none */
	Session    *after;			/* NULL: there is none */
} MovedSession;

/*
 * Sessions that were taken out and are made anew in this subtransaction, most of them as
 * they were: postings and totals are changed at the end, by what is different then.
 */
static struct
{
	HTAB	   *sessions;		/* NULL: none */
	MemoryContext context;
	uint64		transaction;	/* of these; another one has failed in between */
	SubTransactionId subTransaction;
}			moved;

/* Open for writing. */
SessionIndex *
SessionIndexBegin(void)
{
	SessionIndex *index = palloc0(sizeof(SessionIndex));
	SessionIndexChanges *changes = palloc0(sizeof(SessionIndexChanges));

	SessionIndexLock();
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	index->snapshot = GetActiveSnapshot();
	index->sessions = KeyedOpen("session", "session_pkey", RowExclusiveLock);
	KeyedPassVersions(index->sessions);
	index->changes = changes;
	changes->context = AllocSetContextCreate(CurrentMemoryContext, "personalize postings",
											 ALLOCSET_DEFAULT_SIZES);
	changes->postings = KeyedOpen("posting", "posting_pkey", RowExclusiveLock);
	changes->lists = KeyedOpen("_pair_list", "_pair_list_pkey", RowExclusiveLock);
	changes->sum = SessionSumBegin();
	changes->newest = DT_NOBEGIN;
	changes->capacity = 1024;
	changes->changes = palloc_array(PostingChange, changes->capacity);
	return index;
}

/* Room for one more change. */
static PostingChange *
AddChange(SessionIndexChanges *changes, int64 itemKey)
{
	PostingChange *change;

	GrowArray(changes->changes, changes->count + 1, changes->capacity, 1024);
	change = &changes->changes[changes->count++];
	memset(change, 0, sizeof(PostingChange));
	change->itemKey = itemKey;
	return change;
}

/* Remember that an entry goes. */
static void
RemoveEntry(PostingChange *change, const SessionItem *item, int64 number)
{
	change->removes = true;
	change->oldTs = item->ts;
	change->oldSession = number;
}

/* True if two sessions have the same items around a place, and as many. */
static bool
SameWindow(const Session *a, const Session *b, int place)
{
	for (int i = place - POSTING_WINDOW; i <= place + POSTING_WINDOW; i++)
	{
		bool		inA = i >= 0 && i < a->itemCount;
		bool		inB = i >= 0 && i < b->itemCount;

		if (inA != inB || (inA && a->items[i].itemKey != b->items[i].itemKey))
			return false;
	}
	return true;
}

/* Place of an item in a session, or -1. */
static int
FindItem(const Session *session, int64 itemKey)
{
	for (int i = 0; i < session->itemCount; i++)
		if (session->items[i].itemKey == itemKey)
			return i;
	return -1;
}

/* Remember the entries that come with a session, and those of same they replace. */
static void
ComeEntries(SessionIndexChanges *changes, const Session *session, const Session *same)
{
	int64		number = SessionNumber(session);
	int64		items[SESSION_MAX_ITEMS];

	for (int place = 0; place < session->itemCount; place++)
		items[place] = session->items[place].itemKey;
	for (int place = 0; place < session->itemCount; place++)
	{
		const SessionItem *item = &session->items[place];
		int			oldPlace = same ? FindItem(same, item->itemKey) : -1;
		PostingChange *change;
		uint8		packed[POSTING_ENTRY_MAX];
		int			length;
		uint8	   *entry;

		if (oldPlace == place && same->items[place].ts == item->ts &&
			SameWindow(session, same, place))
			continue;
		length = PostingPackEntry(items, session->itemCount, place, item->ts, number, packed);
		entry = MemoryContextAlloc(changes->context, length);
		memcpy(entry, packed, length);
		change = AddChange(changes, item->itemKey);
		change->entry = entry;
		if (oldPlace >= 0)
			RemoveEntry(change, &same->items[oldPlace], number);
	}
}

/* Remember the entries that go with a session, but for those that same replaces. */
static void
GoEntries(SessionIndexChanges *changes, const Session *session, const Session *same)
{
	int64		number = SessionNumber(session);

	for (int place = 0; place < session->itemCount; place++)
	{
		const SessionItem *item = &session->items[place];

		if (same == NULL || FindItem(same, item->itemKey) < 0)
			RemoveEntry(AddChange(changes, item->itemKey), item, number);
	}
}

/* Write the rows of sessions: one takes the place of others. */
static void
WriteRows(SessionIndex *index, const Session *old, int oldCount, const Session *newSession,
		  const Session *same)
{
	Datum		values[SESSION_COLUMN_COUNT];
	bool		nulls[SESSION_COLUMN_COUNT];

	for (int i = 0; i < oldCount; i++)
	{
		ItemPointerData tid = old[i].tid;

		if (&old[i] != same)
			KeyedDelete(index->sessions, &tid);
	}
	if (newSession == NULL)
		return;
	SessionFormRow(newSession, values, nulls);
	if (same)
	{
		ItemPointerData tid = same->tid;

		KeyedUpdate(index->sessions, &tid, values, nulls);
	}
	else
		KeyedInsert(index->sessions, values, nulls);
	pfree(DatumGetPointer(values[SESSION_ITEMS - 1]));
}

/* Remember what becomes of the entries; same is of old, and has the key of the new one. */
static void
ChangeEntries(SessionIndexChanges *changes, const Session *old, int oldCount, const Session *newSession,
			  const Session *same)
{
	if (newSession)
		changes->newest = Max(changes->newest, newSession->ended);

	if (newSession && SessionIsIndexed(newSession))
	{
		ComeEntries(changes, newSession, same && SessionIsIndexed(same) ? same : NULL);
		SessionSumAdd(changes->sum, newSession, 1);
		changes->changed = true;
	}
	for (int i = 0; i < oldCount; i++)
	{
		if (!SessionIsIndexed(&old[i]))
			continue;
		GoEntries(changes, &old[i],
				  &old[i] == same && SessionIsIndexed(newSession) ? newSession : NULL);
		SessionSumAdd(changes->sum, &old[i], -1);
		changes->changed = true;
	}
}

/* True if sessions that are made anew are not told of one by one. */
static bool
IsMoving(void)
{
	return moved.sessions != NULL && moved.subTransaction == GetCurrentSubTransactionId() &&
		moved.transaction == U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
}

/* The moved session with the key of one. */
static MovedSession *
FindMoved(const Session *session)
{
	MovedSession key = {.userKey = session->userKey,.given = session->given,.sessionKey = session->sessionKey};
	bool		found;
	MovedSession *entry = hash_search(moved.sessions, &key, HASH_ENTER, &found);

	if (!found)
		entry->before = entry->after = NULL;
	return entry;
}

/* A session that lasts as long as they are moving. */
static Session *
CopySession(const Session *session)
{
	Session    *copy = MemoryContextAlloc(moved.context, sizeof(Session));

	*copy = *session;
	return copy;
}

/* Note the sessions that go, and the one that comes. */
static void
NoteMoved(const Session *old, int oldCount, const Session *newSession)
{
	for (int i = 0; i < oldCount; i++)
	{
		MovedSession *entry = FindMoved(&old[i]);

		/* one that has only just come leaves no trace */
		if (entry->after == NULL)
			entry->before = CopySession(&old[i]);
		else
			pfree(entry->after);
		entry->after = NULL;
	}
	if (newSession != NULL)
		FindMoved(newSession)->after = CopySession(newSession);
}

/* True if events of two sessions are the same. */
static bool
AreSameItems(const SessionItem *a, int aCount, const SessionItem *b, int bCount)
{
	if (aCount != bCount)
		return false;
	for (int i = 0; i < aCount; i++)
		if (a[i].itemKey != b[i].itemKey || a[i].ts != b[i].ts || a[i].txid != b[i].txid || a[i].place != b[i].place)
			return false;
	return true;
}

/* True if two sessions of one key are the same. */
static bool
IsSameSession(const Session *a, const Session *b)
{
	return a->ended == b->ended && a->secondAt == b->secondAt && a->events == b->events && a->consent == b->consent &&
		AreSameItems(a->items, a->itemCount, b->items, b->itemCount) &&
		AreSameItems(a->repeats, a->repeatCount, b->repeats, b->repeatCount);
}

/* Put a session into the place of stored ones. */
void
SessionIndexReplace(SessionIndex *index, const Session *old, int oldCount,
					const Session *newSession)
{
	const Session *same = NULL; /* the old row with the new one's key */

	for (int i = 0; i < oldCount; i++)
		if (newSession && old[i].sessionKey == newSession->sessionKey)
			same = &old[i];
	WriteRows(index, old, oldCount, newSession, same);
	if (IsMoving())
		NoteMoved(old, oldCount, newSession);
	else
		ChangeEntries(index->changes, old, oldCount, newSession, same);
}

/* From here on sessions of people whose events change hands are taken out and made anew. */
void
SessionIndexMoveBegin(void)
{
	HASHCTL		control = {.keysize = offsetof(MovedSession, before),.entrysize = sizeof(MovedSession)};

	moved.context = AllocSetContextCreate(CurrentMemoryContext, "personalize moved sessions", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = moved.context;
	moved.sessions = hash_create("personalize moved sessions", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	moved.transaction = U64FromFullTransactionId(GetTopFullTransactionId());
	moved.subTransaction = GetCurrentSubTransactionId();
}

/* That is done: postings and totals are changed by what is different. */
void
SessionIndexMoveEnd(void)
{
	HTAB	   *sessions = IsMoving() ? moved.sessions : NULL;
	SessionIndex *index;
	HASH_SEQ_STATUS status;
	MovedSession *session;

	moved.sessions = NULL;
	if (sessions == NULL)
		return;
	index = SessionIndexBegin();
	hash_seq_init(&status, sessions);
	while ((session = hash_seq_search(&status)) != NULL)
	{
		const Session *before = session->before;

		if ((before == NULL && session->after == NULL) ||
			(before != NULL && session->after != NULL && IsSameSession(before, session->after)))
			continue;
		ChangeEntries(index->changes, before, before != NULL, session->after, session->after ? before : NULL);
	}
	(void) SessionIndexEnd(index);
	MemoryContextDelete(moved.context);
}

/* Sort changes by item, with the comparison inlined. */
#define ST_SORT SortChanges
#define ST_ELEMENT_TYPE PostingChange
#define ST_COMPARE(a, b) ((a)->itemKey < (b)->itemKey ? -1 : (a)->itemKey > (b)->itemKey)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Remember that the list of an item must be made anew, with these changes. */
static void
AddRefill(SessionIndexChanges *changes, int from, int until)
{
	Refill	   *refill = &changes->refills[changes->refillCount++];

	memset(refill, 0, sizeof(Refill));
	refill->list.itemKey = changes->changes[from].itemKey;
	for (int i = from; i < until; i++)
	{
		const PostingChange *change = &changes->changes[i];

		refill->added += (change->entry != NULL) - (int) change->removes;
	}
}

/* Apply changes, all to the same item; false: its list must be made anew. */
static bool
ApplyToItem(SessionIndex *index, PostingChange *itemChanges, int count)
{
	SessionIndexChanges *changes = index->changes;
	PostingNewest newest;

	if ((changes->remade != NULL && KeySetHas(changes->remade, itemChanges->itemKey)) ||
		!PostingApply(changes->postings, index->snapshot, itemChanges, count, &newest))
		return false;
	PairListStore(changes->lists, index->snapshot, itemChanges->itemKey, &newest);
	return true;
}

/* Apply the changes item by item; items whose list must be made anew are kept. */
static void
ApplyChanges(SessionIndex *index)
{
	SessionIndexChanges *changes = index->changes;
	MemoryContext itemContext = AllocSetContextCreate(CurrentMemoryContext,
													  "personalize posting list",
													  ALLOCSET_DEFAULT_SIZES);
	int			from = 0;

	SortChanges(changes->changes, changes->count);
	changes->refills = palloc_array(Refill, Max(changes->count, 1));
	while (from < changes->count)
	{
		int64		itemKey = changes->changes[from].itemKey;
		MemoryContext caller = MemoryContextSwitchTo(itemContext);
		int			until = from;
		bool		exact;

		while (until < changes->count && changes->changes[until].itemKey == itemKey)
			until++;
		exact = ApplyToItem(index, &changes->changes[from], until - from);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(itemContext);
		if (!exact)
			AddRefill(changes, from, until);
		from = until;
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(itemContext);
}

/* Write a list anew. */
static void
WriteRefill(SessionIndexChanges *changes, Snapshot snapshot, Refill *refill)
{
	PostingGather *list = &refill->list;
	const uint8 *packed[REFILL_ENTRIES];
	PostingNewest newest;
	int64		before;

	PostingGatherFinish(list);
	for (int i = 0; i < list->count; i++)
		packed[i] = list->entries[i].data;
	before = PostingReplace(changes->postings, snapshot, list->itemKey, packed, list->count,
							list->sessions, &newest);
	PairListStore(changes->lists, snapshot, list->itemKey, &newest);
	changes->losses.refilled++;
	changes->losses.missing += Max(0, Min(before + refill->added, POSTING_KEPT) - list->count);
}

/*
 * Make lists anew whose surplus is used up, or that are damaged, by one pass over
 * all sessions.  This is rare: it takes the removal of POSTING_SURPLUS sessions of
 * a popular item more than came.
 */
static void
RefillLists(SessionIndex *index)
{
	SessionIndexChanges *changes = index->changes;
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(Refill),
	.hcxt = CurrentMemoryContext};
	HTAB	   *refills = hash_create("personalize refills", changes->refillCount, &control,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	KeySet		items;
	Session    *session = palloc(sizeof(Session));
	Relation	table;
	TableScanDesc scan;
	TupleTableSlot *slot;

	KeySetInit(&items, changes->refillCount);
	for (int i = 0; i < changes->refillCount; i++)
	{
		int64		itemKey = changes->refills[i].list.itemKey;
		Refill	   *refill = hash_search(refills, &itemKey, HASH_ENTER, NULL);

		PostingGatherInit(&refill->list, itemKey, REFILL_ENTRIES);
		refill->added = changes->refills[i].added;
		KeySetAdd(&items, itemKey);
	}

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	table = RelationOpenTable("session", AccessShareLock);
	slot = table_slot_create(table, NULL);
	scan = table_beginscan(table, GetActiveSnapshot(), 0, NULL);
	/* the newest are at the end, mostly; then older ones need not be packed */
	while (table_scan_getnextslot(scan, BackwardScanDirection, slot))
	{
		if (SessionRowHasAny(slot, &items))
		{
			if (SessionTryReadRow(slot, session, "it is left out of lists that are made anew") &&
				SessionIsIndexed(session))
				PostingGatherSession(refills, session);
		}
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	/* changes are sorted, and so are the items here: rows are written in key order */
	for (int i = 0; i < changes->refillCount; i++)
		WriteRefill(changes, GetActiveSnapshot(),
					hash_search(refills, &changes->refills[i].list.itemKey, HASH_FIND, NULL));
	PopActiveSnapshot();
	hash_destroy(refills);
}

/* Have lists made anew, and the totals be those of some sessions. */
void
SessionIndexRemake(SessionIndex *index, const KeySet *items, SessionSum *sum, TimestampTz newest)
{
	SessionIndexChanges *changes = index->changes;
	uint64		place = 0;
	int64		itemKey;

	/* so that each of them has a change */
	while (KeySetNext(items, &place, &itemKey))
		(void) AddChange(changes, itemKey);
	changes->remade = items;
	changes->sum = sum;
	changes->newest = newest;
}

/* Add to the totals, or write them anew. */
static void
WriteTotals(SessionIndex *index)
{
	SessionIndexChanges *changes = index->changes;

	if (changes->remade)
		SessionTotalsClear();
	if (changes->remade && changes->newest == DT_NOBEGIN)
		return;					/* nothing stays */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	SessionSumWrite(changes->sum, GetActiveSnapshot(), changes->newest);
	PopActiveSnapshot();
}

/* Write the postings and close. */
SessionIndexLosses
SessionIndexEnd(SessionIndex *index)
{
	SessionIndexChanges *changes = index->changes;
	SessionIndexLosses losses;

	ApplyChanges(index);
	if (changes->refillCount > 0)
		RefillLists(index);
	if (changes->changed || changes->remade || changes->newest != DT_NOBEGIN)
		WriteTotals(index);
	KeyedClose(changes->lists);
	KeyedClose(changes->postings);
	KeyedClose(index->sessions);
	losses = changes->losses;
	MemoryContextDelete(changes->context);
	PopActiveSnapshot();
	CommandCounterIncrement();
	return losses;
}

/*
 * tune_trial.c
 *		The newest sessions, foretold from the older ones.
 *
 * The newest sessions are held out, at most a fifth of all, and foretold from
 * the older ones, which are indexed in memory: the postings in the table know
 * the held-out sessions already, and would have to forget them.  What is held out
 * is read from the raw events, since people come back to items and a session's
 * row has each item once: for every event but the first of a session, the items
 * before it are the query.
 */
#include "postgres.h"

#include "neighbours/tune_trial.h"

#include "base/bytes.h"
#include "base/grow.h"
#include "base/keyed.h"
#include "compat.h"
#include "miscadmin.h"
#include "neighbours/knn.h"
#include "neighbours/neighbour.h"
#include "neighbours/posting.h"
#include "neighbours/session.h"
#include "utils/memutils.h"

/* The newest so many sessions are looked at: a bound of memory. */
#define MAX_SESSIONS 200000

/* What becomes of a session that is damaged. */
#define LEFT_OUT "it is left out of the trial"

/* Answers looked at. */
#define RANKS 20

/* One entry of the index in memory. */
typedef struct TuneEntry
{
	int64		itemKey;
	TimestampTz ts;
	int64		session;
	const uint8 *data;
	int			length;
} TuneEntry;

/* A held-out session: a run of the sorted events. */
typedef struct TuneSession
{
	int64		first;
	int			count;
} TuneSession;

/* The list of pairs of an item. */
typedef struct TrialPairs
{
	int64		itemKey;		/* hash key */
	int			length;			/* 0: it has none */
	uint8	   *data;
} TrialPairs;

/* The whole trial. */
struct TuneTrial
{
	TimestampTz since;			/* sessions that ended before are left out */
	TimestampTz split;			/* those that began after are held out */
	TuneEntry  *entries;		/* by item, newest first */
	int64		entryCount;
	int64		entryCapacity;
	SessionSum *sum;			/* of the sessions in entries */
	SessionTotals totals;
	HTAB	   *pairs;			/* of TrialPairs, as far as needed so far */
	MemoryContext context;		/* of these */
	SessionEvent *events;			/* by session, in order */
	int64		eventCount;
	TuneSession *heldOut;
	int			heldOutCount;
	int			heldOutCapacity;
	MemoryContext callContext;	/* reset for each prediction */

	/* where a lookup has got to */
	int64		itemSessions;
	int64		nextEntry;
	int64		lastEntry;
};

/* qsort comparator: by item, newest first. */
static int
CompareEntries(const void *a, const void *b)
{
	const TuneEntry *left = a;
	const TuneEntry *right = b;

	if (left->itemKey != right->itemKey)
		return left->itemKey < right->itemKey ? -1 : 1;
	return PostingCompare(left->ts, left->session, right->ts, right->session);
}

/* qsort comparator: latest first. */
static int
CompareTimes(const void *a, const void *b)
{
	TimestampTz left = *(const TimestampTz *) a;
	TimestampTz right = *(const TimestampTz *) b;

	return left > right ? -1 : left < right;
}

/*
 * Choose which sessions are held out: the newest, until they make enough
 * predictions for both halves or are a fifth of all.
 */
static void
ChooseSplit(TuneTrial *trial, KeyedTable *sessions, Snapshot snapshot, int maxPredictions)
{
	int64		capacity = 0;
	int64		count = 0;
	int64		items = 0;
	TimestampTz *ends = NULL;
	Session    *session = palloc(sizeof(Session));
	double		perSession;
	int64		heldOut;
	TupleTableSlot *slot;

	KeyedSeek(sessions, snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(sessions, ForwardScanDirection)) != NULL)
	{
		if (!SessionTryReadRow(slot, session, LEFT_OUT) || !SessionIsIndexed(session))
			continue;
		GrowArray(ends, count + 1, capacity, 1024);
		ends[count++] = session->ended;
		items += session->itemCount - 1;
		CHECK_FOR_INTERRUPTS();
	}
	if (count > 0)
	{
		qsort(ends, count, sizeof(TimestampTz), CompareTimes);
		perSession = Max((double) items / count, 0.01);
		heldOut = Min(count / 5, (int64) (2 * maxPredictions / perSession) + 1);
		trial->split = ends[Min(heldOut, count - 1)];
		trial->since = ends[Min(heldOut + MAX_SESSIONS, count - 1)];
		pfree(ends);
	}
	pfree(session);
}

/* Add a session to the index in memory. */
static void
IndexSession(TuneTrial *trial, const Session *session)
{
	int64		items[SESSION_MAX_ITEMS];
	int64		number = SessionNumber(session);

	for (int i = 0; i < session->itemCount; i++)
		items[i] = session->items[i].itemKey;
	for (int i = 0; i < session->itemCount; i++)
	{
		uint8		packed[POSTING_ENTRY_MAX];
		uint8	   *copy;
		TuneEntry  *entry;

		GrowArray(trial->entries, trial->entryCount + 1, trial->entryCapacity, 1024);
		entry = &trial->entries[trial->entryCount++];
		entry->itemKey = items[i];
		entry->ts = session->items[i].ts;
		entry->session = number;
		entry->length = PostingPackEntry(items, session->itemCount, i, entry->ts, number, packed);
		copy = palloc(entry->length);
		memcpy(copy, packed, entry->length);
		entry->data = copy;
	}
	SessionSumAdd(trial->sum, session, 1);
}

/* Read the raw events after the split that count, and sort them. */
static void
LoadEvents(TuneTrial *trial, Snapshot snapshot)
{
	EventScanOptions options = {.snapshot = snapshot,.allDays = true,.keysOnly = true,.since = trial->split};
	bool	   *counts = NeighbourEventTypes();
	int64		capacity = 0;
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (EventScanNext(scan, &row))
	{
		if (row.ts <= trial->split || NeighbourShard(&row) < 0 || row.event < 0 ||
			!counts[row.event])
			continue;
		GrowArray(trial->events, trial->eventCount + 1, capacity, 1024);
		SessionEventFill(&trial->events[trial->eventCount++], &row);
		CHECK_FOR_INTERRUPTS();
	}
	EventScanEnd(scan);
	SessionEventSort(trial->events, trial->eventCount);
}

/* True if a run of events is a whole stored session, none of it before the split. */
static bool
IsWholeSession(TuneTrial *trial, KeyedTable *sessions, Snapshot snapshot, const SessionEvent *first)
{
	Datum		keys[3] = {Int64GetDatum(first->userKey), BoolGetDatum(first->given),
	Int64GetDatum(first->given ? first->sessionKey : first->item.ts)};
	TupleTableSlot *slot;
	bool		whole = false;

	slot = KeyedSeekOne(sessions, snapshot, 3, keys);
	if (slot)
	{
		Session    *session = palloc(sizeof(Session));

		whole = SessionTryReadRow(slot, session, LEFT_OUT) && session->items[0].ts > trial->split;
		pfree(session);
	}
	return whole;
}

/* Cut the events into sessions to be foretold. */
static void
HoldOut(TuneTrial *trial, KeyedTable *sessions, Snapshot snapshot)
{
	int64		from = 0;

	while (from < trial->eventCount)
	{
		const SessionEvent *first = &trial->events[from];
		int64		until = from + 1;

		while (until < trial->eventCount && trial->events[until].userKey == first->userKey &&
			   trial->events[until].given == first->given &&
			   trial->events[until].sessionKey == first->sessionKey &&
			   (first->given || trial->events[until].item.ts <=
				trial->events[until - 1].item.ts + NEIGHBOUR_SESSION_GAP))
			until++;
		if (until - from > 1 && IsWholeSession(trial, sessions, snapshot, first))
		{
			GrowArray(trial->heldOut, trial->heldOutCount + 1, trial->heldOutCapacity, 1024);
			trial->heldOut[trial->heldOutCount].first = from;
			trial->heldOut[trial->heldOutCount++].count = Min(until - from, PG_INT32_MAX);
		}
		from = until;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Read everything into the trial. */
TuneTrial *
TuneTrialLoad(Snapshot snapshot, int maxPredictions)
{
	TuneTrial  *trial = palloc0(sizeof(TuneTrial));
	KeyedTable *sessions = KeyedOpen("session", "session_pkey", AccessShareLock);
	Session    *session = palloc(sizeof(Session));
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(TrialPairs),
	.hcxt = CurrentMemoryContext};
	TupleTableSlot *slot;

	trial->sum = SessionSumBegin();
	trial->context = CurrentMemoryContext;
	trial->pairs = hash_create("personalize trial pairs", 1024, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	trial->callContext = AllocSetContextCreate(CurrentMemoryContext, "personalize prediction",
											   ALLOCSET_DEFAULT_SIZES);
	ChooseSplit(trial, sessions, snapshot, maxPredictions);

	KeyedSeek(sessions, snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(sessions, ForwardScanDirection)) != NULL)
	{
		if (SessionTryReadRow(slot, session, LEFT_OUT) && SessionIsIndexed(session) && session->ended >= trial->since &&
			session->ended <= trial->split)
			IndexSession(trial, session);
		CHECK_FOR_INTERRUPTS();
	}
	qsort(trial->entries, trial->entryCount, sizeof(TuneEntry), CompareEntries);
	SessionSumTotals(trial->sum, &trial->totals);
	LoadEvents(trial, snapshot);
	HoldOut(trial, sessions, snapshot);
	KeyedClose(sessions);
	pfree(session);
	return trial;
}

/* What is counted over all sessions; a KnnSource. */
static void
TrialTotals(void *state, SessionTotals *totals)
{
	*totals = ((TuneTrial *) state)->totals;
}

static const RepeatCounts *
TrialRepeats(void *state)
{
	return SessionSumRepeats(((TuneTrial *) state)->sum);
}

/* Find an item's entries; a KnnSource. */
static void
TrialSeek(void *state, int64 itemKey)
{
	TuneTrial  *trial = state;
	int64		low = 0;
	int64		high = trial->entryCount;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (trial->entries[middle].itemKey < itemKey)
			low = middle + 1;
		else
			high = middle;
	}
	trial->nextEntry = low;
	high = trial->entryCount;
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (trial->entries[middle].itemKey <= itemKey)
			low = middle + 1;
		else
			high = middle;
	}
	trial->itemSessions = low - trial->nextEntry;
	trial->lastEntry = low;
}

/* Make the list of pairs of an item. */
static void
MakePairs(TuneTrial *trial, TrialPairs *pairs)
{
	PostingEntry *entries = palloc_array(PostingEntry, POSTING_KEPT);
	uint8	   *made = palloc(PAIR_LIST_MAX);
	int			count = 0;

	TrialSeek(trial, pairs->itemKey);
	for (int64 i = trial->nextEntry; i < trial->lastEntry && count < POSTING_KEPT; i++)
	{
		const uint8 *next = trial->entries[i].data;

		PostingNextEntry(&next, next + trial->entries[i].length, &entries[count++]);
	}
	pairs->length = count > 0 ? PairListMake(entries, count, trial->itemSessions, made) : 0;
	pairs->data = MemoryContextAlloc(trial->context, Max(pairs->length, 1));
	memcpy(pairs->data, made, pairs->length);
}

/* An item's list of pairs; a KnnSource. */
static bool
TrialPair(void *state, int64 itemKey, PairList *list)
{
	TuneTrial  *trial = state;
	bool		found;
	TrialPairs *pairs = hash_search(trial->pairs, &itemKey, HASH_ENTER, &found);

	if (!found)
		MakePairs(trial, pairs);
	if (pairs->length > 0)
		PairListRead(pairs->data, pairs->length, list);
	return pairs->length > 0;
}

/* The next entries of the item, packed into a chunk; a KnnSource. */
static bool
TrialNext(void *state, KnnChunk *chunk)
{
	TuneTrial  *trial = state;
	int			count = Min(trial->lastEntry - trial->nextEntry, POSTING_CHUNK_LIMIT);
	uint8	   *data;

	if (count == 0)
		return false;
	data = palloc0(POSTING_CHUNK_HEADER + count * POSTING_ENTRY_MAX);
	data[0] = POSTING_VERSION;
	data[1] = count;
	BytesPut(data + 2, count, 2);
	BytesPut(data + 4, (uint64) trial->itemSessions, 8);
	chunk->data = data;
	chunk->number = 0;
	chunk->length = POSTING_CHUNK_HEADER;
	for (int i = 0; i < count; i++)
	{
		const TuneEntry *entry = &trial->entries[trial->nextEntry++];

		memcpy(data + chunk->length, entry->data, entry->length);
		chunk->length += entry->length;
	}
	return true;
}

/* Foretell one event of a held-out session; returns its rank, 0: not among the answers. */
static int
Foretell(TuneTrial *trial, const KnnSource *source, const KnnParams *params,
		 const SessionEvent *events, int place)
{
	MemoryContext caller = MemoryContextSwitchTo(trial->callContext);
	int64		items[SESSION_MAX_ITEMS];
	KnnItem		results[RANKS];
	KnnQuery	query = {.items = items,.params = params,.maxResults = RANKS,.returns = KNN_RETURN_ALL};
	int			count;
	int			rank = 0;

	while (query.itemCount < Min(place, SESSION_MAX_ITEMS))
	{
		items[query.itemCount] = events[place - 1 - query.itemCount].item.itemKey;
		query.itemCount++;
	}
	query.now = events[place - 1].item.ts;
	count = KnnScoreFrom(source, &query, results);
	for (int i = 0; i < count && rank == 0; i++)
		if (results[i].itemKey == events[place].item.itemKey)
			rank = i + 1;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(trial->callContext);
	return rank;
}

/* How well parameters foretell one half of the held-out sessions. */
TuneQuality
TuneTrialEvaluate(TuneTrial *trial, const KnnParams *params, int half, int maxPredictions)
{
	KnnSource	source = {.state = trial,.totals = TrialTotals,.seek = TrialSeek,.next = TrialNext,
	.pair = TrialPair,.repeats = TrialRepeats};
	TuneQuality quality = {0};

	for (int s = half; s < trial->heldOutCount; s += 2)
	{
		const TuneSession *held = &trial->heldOut[s];

		for (int place = 1; place < held->count; place++)
		{
			int			rank = Foretell(trial, &source, params, &trial->events[held->first], place);

			quality.predictions++;
			if (rank > 0)
			{
				quality.hr++;
				quality.mrr += 1.0 / rank;
			}
		}
		CHECK_FOR_INTERRUPTS();
		if (quality.predictions >= maxPredictions)
			break;
	}
	quality.hr /= Max(quality.predictions, 1);
	quality.mrr /= Max(quality.predictions, 1);
	return quality;
}

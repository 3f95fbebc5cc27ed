/*
 * knn.c
 *		Session-based nearest neighbours: what fits next to these items.
 *
 * The family of V-SkNN (M. Ludewig, D. Jannach, "Evaluation of session-based
 * recommendation algorithms", UMUAI 28, 2018) and VMIS-kNN (B. Kersbergen et
 * al., "Serenade", SIGMOD 2022, algorithm 2).  For the distinct items of the
 * query, newest first (j = 0), and the newest m sessions s of each:
 *
 *	w_j      = e^(-j/itemDecay) idf(j)^idfPower,   idf = max(0.1, ln(N / n_item))
 *	A_s      = sum of w_j over the query items in s
 *	sim_s    = A_s^overlapPower e^(-age/ageDecay) e^(-j* /recentDecay)
 *	score(i) = sum over the k most similar s of sim_s g(d)
 *	g(0) = 1,  g(d > 0) = e^(-d/forwardDecay),
 *	g(d < 0) = backwardWeight e^(d/backwardDecay)
 *
 * where j* is the newest query item in s, age the days since s came to one of
 * them, and d the place of i in s minus the place of j*, up to POSTING_WINDOW
 * either way.  N counts all sessions, n_item those with the item.  A long-term
 * item weighs longWeight idf^idfPower, and counts as if it came right after the
 * items of the session.
 *
 * What is asked for a time in the past is answered as if nothing had happened
 * since, from the sessions themselves (session_past.c).
 *
 * Otherwise one index scan per query item and no other reads: an entry of a posting list
 * carries the items around it.  Chunks are copied out of the buffers, at most
 * 32 lists of 256 entries of 116 bytes: 0.9 MB, and as much again for the tables
 * of sessions and items; with the parameters as shipped a tenth of that.
 */
#include "postgres.h"

#include "neighbours/knn.h"

#include <math.h>

#include "access/stratnum.h"
#include "base/topk.h"
#include "miscadmin.h"
#include "neighbours/posting.h"
#include "neighbours/session_index.h"
#include "neighbours/session_past.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_QUERY_ITEMS (KNN_MAX_SESSION_ITEMS + KNN_MAX_LONG_ITEMS)

/* The least idf: an item in every session still counts. */
#define IDF_FLOOR 0.1

/* An item of the query. */
typedef struct QueryItem
{
	int64		itemKey;
	int			j;				/* place in the query */
	double		weight;			/* w_j but for idf */
} QueryItem;

/* A session that shares items with the query. */
typedef struct Neighbour
{
	int64		session;
	double		overlap;		/* A_s */
	TimestampTz ts;
	int			query;			/* the newest query item in it */
	const uint8 *entry;			/* of that item, packed */
} Neighbour;

/* A candidate. */
typedef struct Candidate
{
	int64		itemKey;
	double		score;
	double		strongest;		/* the strongest single vote */
	int			because;		/* and the query item it came through */
} Candidate;

/* One call. */
typedef struct Scoring
{
	const KnnQuery *query;
	KnnParams	params;
	double		sessionCount;	/* N */
	QueryItem	items[MAX_QUERY_ITEMS];
	int			itemCount;
	double		forward[POSTING_WINDOW + 1];	/* g */
	double		backward[POSTING_WINDOW + 1];
	Neighbour  *neighbours;
	int			neighbourCount;
	int32	   *sessionTable;	/* open addressing: index into neighbours, or -1 */
	uint32		sessionMask;
	Candidate  *candidates;
	int			candidateCount;
	int32	   *itemTable;
	uint32		itemMask;
} Scoring;

/* A table of indexes with at least twice as many places as entries, all empty. */
static int32 *
CreateTable(int entries, uint32 *mask)
{
	uint32		size = pg_nextpower2_32(Max(entries, 8) * 2);
	int32	   *table = palloc(sizeof(int32) * size);

	memset(table, 0xff, sizeof(int32) * size);
	*mask = size - 1;
	return table;
}

/* Spread a key over a table (Fibonacci hashing). */
static inline uint32
HashKey(int64 key)
{
	return (uint32) (((uint64) key * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

/* Add an item to the query unless it is there already. */
static void
AddQueryItem(Scoring *scoring, int64 itemKey, int j, double weight)
{
	for (int i = 0; i < scoring->itemCount; i++)
		if (scoring->items[i].itemKey == itemKey)
			return;
	scoring->items[scoring->itemCount].itemKey = itemKey;
	scoring->items[scoring->itemCount].j = j;
	scoring->items[scoring->itemCount++].weight = weight;
}

/* Take the items that count from what was asked for. */
static void
CollectQueryItems(Scoring *scoring)
{
	const KnnQuery *query = scoring->query;
	const KnnParams *params = &scoring->params;
	int			sessionItems;

	for (int i = 0; i < query->itemCount && scoring->itemCount < params->sessionItems; i++)
		AddQueryItem(scoring, query->items[i], scoring->itemCount,
					 exp(-scoring->itemCount / params->itemDecay));
	sessionItems = scoring->itemCount;
	for (int i = 0; i < query->longItemCount &&
		 scoring->itemCount < sessionItems + params->longItems; i++)
		AddQueryItem(scoring, query->longItems[i], sessionItems, params->longWeight);
}

/* True if the session may not vote. */
static bool
IsExcluded(const KnnQuery *query, int64 session)
{
	for (int i = 0; i < query->excludedCount; i++)
		if (query->excluded[i] == session)
			return true;
	return false;
}

/* Count an entry of a query item's list for its session. */
static void
MeetSession(Scoring *scoring, int item, double weight, const PostingEntry *entry)
{
	uint32		slot = HashKey(entry->session) & scoring->sessionMask;
	Neighbour  *neighbour;

	while (scoring->sessionTable[slot] >= 0)
	{
		neighbour = &scoring->neighbours[scoring->sessionTable[slot]];
		if (neighbour->session == entry->session)
		{
			neighbour->overlap += weight;
			neighbour->ts = Max(neighbour->ts, entry->ts);
			return;
		}
		slot = (slot + 1) & scoring->sessionMask;
	}
	if (IsExcluded(scoring->query, entry->session))
		return;
	scoring->sessionTable[slot] = scoring->neighbourCount;
	neighbour = &scoring->neighbours[scoring->neighbourCount++];
	neighbour->session = entry->session;
	neighbour->overlap = weight;
	neighbour->ts = entry->ts;
	neighbour->query = item;
	neighbour->entry = entry->data;
}

/* w_j of a query item. */
static double
ItemWeight(const Scoring *scoring, const QueryItem *item, int64 sessions)
{
	double		idf = log(scoring->sessionCount / (double) Max(sessions, 1));

	idf = Max(idf, IDF_FLOOR);
	return item->weight * (scoring->params.idfPower == 2 ? idf * idf :
						   pow(idf, scoring->params.idfPower));
}

/* Count the newest sessions of one query item. */
static void
ReadPostings(Scoring *scoring, const KnnSource *source, int itemIndex)
{
	const QueryItem *item = &scoring->items[itemIndex];
	int			left = scoring->params.postings;
	int			kept = POSTING_KEPT;	/* what lies behind depends on the batches */
	double		weight = 0;
	KnnChunk	chunk;

	source->seek(source->state, item->itemKey);
	while (left > 0 && kept > 0 && source->next(source->state, &chunk))
	{
		PostingReader reader;
		PostingEntry entry;
		StoredRow	row;

		StoredRowBegin(&row, STORED_POSTING, (int64[]) {item->itemKey, chunk.number});
		PostingReaderBegin(&reader, chunk.data, chunk.length);
		if (kept == POSTING_KEPT)
			weight = ItemWeight(scoring, item, reader.header.sessions);
		for (; left > 0 && kept > 0 && PostingReaderNext(&reader, &entry); kept--)
		{
			if (entry.ts > scoring->query->now)
				continue;
			MeetSession(scoring, itemIndex, weight, &entry);
			left--;
		}
		StoredRowEnd(&row);
	}
}

/* sim_s of a session. */
static double
Similarity(const Scoring *scoring, const Neighbour *neighbour)
{
	const KnnParams *params = &scoring->params;
	/* subtracted as doubles: all of history does not fit into 64 bits */
	double		age = ((double) scoring->query->now - (double) neighbour->ts) / USECS_PER_DAY;
	double		overlap = params->overlapPower == 2 ? neighbour->overlap * neighbour->overlap :
		pow(neighbour->overlap, params->overlapPower);

	return overlap * exp(-age / params->ageDecay -
						 scoring->items[neighbour->query].j / params->recentDecay);
}

/* Move the k most similar sessions to the front; returns how many. */
static int
ChooseNeighbours(Scoring *scoring, TopkEntry **chosen)
{
	TopkEntry  *entries = palloc_array(TopkEntry, Max(scoring->neighbourCount, 1));

	for (int i = 0; i < scoring->neighbourCount; i++)
	{
		entries[i].score = Similarity(scoring, &scoring->neighbours[i]);
		entries[i].tie = scoring->neighbours[i].session;
		entries[i].index = i;
	}
	TopkSelect(entries, scoring->neighbourCount, scoring->params.neighbours);
	*chosen = entries;
	return Min(scoring->neighbourCount, scoring->params.neighbours);
}

/* Add a vote to an item. */
static inline void
Vote(Scoring *scoring, int64 itemKey, double vote, int query)
{
	uint32		slot = HashKey(itemKey) & scoring->itemMask;
	Candidate  *candidate;

	while (scoring->itemTable[slot] >= 0)
	{
		candidate = &scoring->candidates[scoring->itemTable[slot]];
		if (candidate->itemKey == itemKey)
		{
			candidate->score += vote;
			if (vote > candidate->strongest)
			{
				candidate->strongest = vote;
				candidate->because = query;
			}
			return;
		}
		slot = (slot + 1) & scoring->itemMask;
	}
	scoring->itemTable[slot] = scoring->candidateCount;
	candidate = &scoring->candidates[scoring->candidateCount++];
	candidate->itemKey = itemKey;
	candidate->score = candidate->strongest = vote;
	candidate->because = query;
}

/* Let the chosen sessions vote. */
static void
CollectVotes(Scoring *scoring, const TopkEntry *chosen, int chosenCount)
{
	int			most = chosenCount * (2 * POSTING_WINDOW + 1);

	scoring->candidates = palloc_array(Candidate, Max(most, 1));
	scoring->itemTable = CreateTable(most, &scoring->itemMask);
	for (int i = 0; i < chosenCount; i++)
	{
		const Neighbour *neighbour = &scoring->neighbours[chosen[i].index];
		const uint8 *next = neighbour->entry;
		int			query = neighbour->query;
		PostingEntry entry;

		/* it has been read before, so it is whole */
		PostingNextEntry(&next, next + POSTING_ENTRY_MAX, &entry);
		Vote(scoring, scoring->items[query].itemKey, chosen[i].score, query);
		for (int w = 0; w < entry.before + entry.after; w++)
		{
			int			d = PostingWindowPlace(&entry, w);
			double		g = d > 0 ? scoring->forward[Min(d, POSTING_WINDOW)] :
				scoring->backward[Min(-d, POSTING_WINDOW)];

			Vote(scoring, PostingWindowItem(&entry, w), chosen[i].score * g, query);
		}
	}
}

/* The best candidates, as the caller wants them. */
static int
ChooseResults(Scoring *scoring, KnnItem *results)
{
	const KnnQuery *query = scoring->query;
	TopkEntry  *entries = palloc_array(TopkEntry, Max(scoring->candidateCount, 1));
	int			count = 0;

	for (int i = 0; i < scoring->candidateCount; i++)
	{
		const Candidate *candidate = &scoring->candidates[i];

		if (!query->allowLast && query->itemCount > 0 &&
			candidate->itemKey == query->items[0])
			continue;
		entries[count].score = candidate->score;
		entries[count].tie = candidate->itemKey;
		entries[count++].index = i;
	}
	count = TopkSort(entries, count, query->maxResults);
	for (int i = 0; i < count; i++)
	{
		const Candidate *candidate = &scoring->candidates[entries[i].index];

		results[i].itemKey = candidate->itemKey;
		results[i].score = candidate->score;
		results[i].because = scoring->items[candidate->because].itemKey;
	}
	return count;
}

/* The work, in a context of its own. */
static int
Score(Scoring *scoring, const KnnSource *source, KnnItem *results)
{
	const KnnParams *params = &scoring->params;
	int64		items[MAX_QUERY_ITEMS];
	TopkEntry  *chosen;
	int			chosenCount;
	int			most;

	CollectQueryItems(scoring);
	for (int i = 0; i < scoring->itemCount; i++)
		items[i] = scoring->items[i].itemKey;
	scoring->sessionCount = (double) source->prepare(source->state, items, scoring->itemCount);
	if (scoring->sessionCount <= 0)
		return 0;
	for (int d = 1; d <= POSTING_WINDOW; d++)
	{
		scoring->forward[d] = exp(-d / params->forwardDecay);
		scoring->backward[d] = params->backwardWeight * exp(-d / params->backwardDecay);
	}

	most = scoring->itemCount * params->postings;
	scoring->neighbours = palloc(sizeof(Neighbour) * Max(most, 1));
	scoring->sessionTable = CreateTable(most, &scoring->sessionMask);
	for (int i = 0; i < scoring->itemCount; i++)
		ReadPostings(scoring, source, i);

	chosenCount = ChooseNeighbours(scoring, &chosen);
	CollectVotes(scoring, chosen, chosenCount);
	return ChooseResults(scoring, results);
}

/* Complain about a query that asks for too much. */
static void
CheckQuery(const KnnQuery *query)
{
	if (query->maxResults < 1 || query->maxResults > KNN_MAX_RESULTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of results must be between 1 and %d, not %d",
						KNN_MAX_RESULTS, query->maxResults)));
}

/* Score against postings from anywhere. */
int
KnnScoreFrom(const KnnSource *source, const KnnQuery *query, KnnItem *results)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Scoring    *scoring;
	int			count;

	CheckQuery(query);
	context = AllocSetContextCreate(caller, "personalize score", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	scoring = palloc0(sizeof(Scoring));
	scoring->query = query;
	scoring->params = *query->params;
	count = Score(scoring, source, results);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return count;
}

/* The neighbours under a snapshot. */
struct Knn
{
	Snapshot	snapshot;
	KeyedTable *postings;
	int64		sessions;
	TimestampTz newest;			/* when the last thing happened that sessions know of */
	KnnParams	params;
};

/* Open them. */
Knn *
KnnOpen(Snapshot snapshot)
{
	Knn		   *knn = palloc(sizeof(Knn));

	knn->snapshot = snapshot;
	knn->sessions = SessionIndexTotal(snapshot, &knn->newest);
	KnnParamsCurrent(&knn->params, snapshot);
	knn->postings = KeyedOpen("posting", "posting_pkey", AccessShareLock);
	return knn;
}

/* Close them. */
void
KnnClose(Knn *knn)
{
	KeyedClose(knn->postings);
	pfree(knn);
}

/* Nothing needs to be done. */
static int64
TablePrepare(void *state, const int64 *items, int itemCount)
{
	return ((Knn *) state)->sessions;
}

/* Go to an item's newest chunk. */
static void
TableSeek(void *state, int64 itemKey)
{
	Knn		   *knn = state;
	Datum		key = Int64GetDatum(itemKey);

	KeyedSeek(knn->postings, knn->snapshot, 1, &key, BTEqualStrategyNumber);
}

/* Copy the next chunk, as the buffer is left with the row. */
static bool
TableNext(void *state, KnnChunk *chunk)
{
	Knn		   *knn = state;
	TupleTableSlot *slot = KeyedNext(knn->postings, BackwardScanDirection);
	bool		isNull;
	bytea	   *data;
	uint8	   *copy;

	if (slot == NULL)
		return false;
	chunk->number = DatumGetInt32(slot_getattr(slot, POSTING_CHUNK, &isNull));
	data = StoredRowBytes(STORED_POSTING, slot, POSTING_DATA);
	chunk->length = VARSIZE_ANY_EXHDR(data);
	copy = palloc(chunk->length);
	memcpy(copy, VARDATA_ANY(data), chunk->length);
	chunk->data = copy;
	return true;
}

/* Score what fits next to the items of the query. */
int
KnnScore(Knn *knn, const KnnQuery *query, KnnItem **results)
{
	KnnSource	source = {.state = knn,.prepare = TablePrepare,.seek = TableSeek,.next = TableNext};
	KnnQuery	complete = *query;

	if (query->params == NULL)
		complete.params = &knn->params;
	CheckQuery(query);
	*results = palloc_array(KnnItem, query->maxResults);
	/* when everything had happened by then, the table says the same */
	if (query->past && query->now < knn->newest)
		return KnnScoreFrom(SessionPastSource(query->now, knn->snapshot), &complete, *results);
	return KnnScoreFrom(&source, &complete, *results);
}

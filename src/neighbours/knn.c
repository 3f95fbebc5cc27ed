/*
 * knn.c
 *		Session-based nearest neighbours: what fits next to these items.
 *
 * For the items of the session, newest first (q_0, q_1, ... distinct),
 *
 *	f(i) = K(i) / sum of K + nextWeight S(i) + 0.6 H(i) / sum of H
 *
 * K is of the family of V-SkNN (M. Ludewig, D. Jannach, "Evaluation of session-based
 * recommendation algorithms", UMUAI 28, 2018) and VMIS-kNN (B. Kersbergen et
 * al., "Serenade", SIGMOD 2022, algorithm 2).  For the newest m sessions s of each
 * of the newest items:
 *
 *	w_j   = e^(-j/6) idf(j)^2,   idf = max(0.1, ln(N / n_item))
 *	A_s   = sum of w_j over the query items in s
 *	sim_s = A_s^overlapPower len_s^-0.3 e^(-age/90 days) e^(-a/recentDecay)
 *	K(i)  = sum over the k most similar s of sim_s g(d)
 *	g(0) = 1,  g(d > 0) = 0.6^d,  g(d < 0) = 0.8 0.6^-d
 *
 * where a is how many clicks ago the newest query item in s was, age the time since
 * s came to one of them, d the place of i in s minus the place of that item, up to
 * POSTING_WINDOW either way, and len_s how long s is as far as the posting tells: the
 * items before it and up to POSTING_WINDOW after it.  (That is as good as the true
 * length, and nothing needs to be written when a session grows beyond.)  N counts
 * all sessions, n_item those with the item.  A long-term item weighs longWeight
 * idf^2, and counts as if it came right after the items of the session.
 *
 * S and H, and the trend that scores are multiplied with in the end, are made of the
 * lists of pairs (knn_pair.c).  An item of the session is scored by the chance that
 * people come back to it (repeat.c) instead:
 *
 *	f(q_j) = (j = 0: 0.05 R_0 / (R_0 + 0.02), j > 0: 0.2) f(q_j) + repeatWeight R_j sqrt(times seen)
 *
 * so that where nobody clicks an item twice in a row, the newest one comes last.
 *
 * What is asked for a time in the past is answered as if nothing had happened
 * since, from the sessions themselves (session_past.c).
 *
 * Otherwise index scans of the lists of the query items, 11 lists of pairs, and the
 * headers of those of 30 more items for the trend, which are read where they were found
 * last (row_place.c), and no other reads: an entry of a posting list carries the items
 * around it.  Chunks are copied out of the buffers, at most 32 lists of 256 entries of
 * 116 bytes: 0.9 MB, and as much again for the tables of sessions and items; with the
 * parameters as shipped a tenth of that.  All of it is in the caller's context.
 */
#include "postgres.h"

#include "neighbours/knn.h"

#include <math.h>

#include "miscadmin.h"
#include "neighbours/knn_internal.h"
#include "neighbours/posting.h"
#include "neighbours/session_past.h"
#include "port/pg_bitutils.h"
#include "utils/timestamp.h"

/* The least idf: an item in every session still counts. */
#define IDF_FLOOR 0.1

/* Constants of the formula. */
#define ITEM_DECAY 6.0
#define AGE_DECAY (90.0 * USECS_PER_DAY)
#define LENGTH_POWER -0.3
#define BACKWARD_WEIGHT 0.8

/* g(d) from d = -POSTING_WINDOW on: powers of 0.6. */
static const double placeWeights[] = {
	BACKWARD_WEIGHT * 0.046656, BACKWARD_WEIGHT * 0.07776, BACKWARD_WEIGHT * 0.1296, BACKWARD_WEIGHT * 0.216,
	BACKWARD_WEIGHT * 0.36, BACKWARD_WEIGHT * 0.6, 1, 0.6, 0.36, 0.216, 0.1296, 0.07776, 0.046656
};

StaticAssertDecl(lengthof(placeWeights) == 2 * POSTING_WINDOW + 1, "weights of places");

/*
 * What is left of the score of the newest item, half of that where the chance that it
 * comes again is NEWEST_CHANCE; and of others of the session.
 */
#define NEWEST_SHARE 0.05
#define NEWEST_CHANCE 0.02
#define EARLIER_SHARE 0.2

/* Room for candidates that is mostly enough: besides those of lists of pairs, for each session that votes. */
#define LISTED_CANDIDATES 128
#define VOTED_CANDIDATES 4

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

/* Add an item to the query unless it is there already. */
static void
AddQueryItem(Scoring *scoring, int64 itemKey, int age, double weight)
{
	for (int i = 0; i < scoring->itemCount; i++)
		if (scoring->items[i].itemKey == itemKey)
			return;
	scoring->items[scoring->itemCount].itemKey = itemKey;
	scoring->items[scoring->itemCount].age = age;
	scoring->items[scoring->itemCount++].weight = weight;
}

/* Take the items that count from what was asked for. */
static void
CollectQueryItems(Scoring *scoring)
{
	const KnnQuery *query = scoring->query;
	const KnnParams *params = &scoring->params;

	for (int i = 0; i < query->itemCount && scoring->itemCount < params->sessionItems; i++)
		AddQueryItem(scoring, query->items[i], i, exp(-scoring->itemCount / ITEM_DECAY));
	scoring->sessionItems = scoring->itemCount;
	for (int i = 0; i < query->longItemCount &&
		 scoring->itemCount < scoring->sessionItems + params->longItems; i++)
		AddQueryItem(scoring, query->longItems[i], query->itemCount, params->longWeight);
	RepeatLook(&scoring->situation, query->items, query->itemCount);
	KeySetInit(&scoring->ofSession, query->itemCount);
	for (int i = 0; i < query->itemCount; i++)
		KeySetAdd(&scoring->ofSession, query->items[i]);
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
	uint32		slot = KeySpread(entry->session) & scoring->sessionMask;
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
	neighbour->length = entry->place + 1 + entry->after;
	neighbour->entry = entry->data;
}

/* w_j of a query item. */
static double
ItemWeight(const Scoring *scoring, const QueryItem *item, int64 sessions)
{
	double		idf = log((double) scoring->totals.sessions / (double) Max(sessions, 1));

	idf = Max(idf, IDF_FLOOR);
	return item->weight * idf * idf;
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

/* What sessions of each length weigh. */
static const double *
LengthWeights(void)
{
	static double weights[PG_UINT8_MAX + 1];

	if (weights[1] == 0)
		for (int i = 0; i < lengthof(weights); i++)
			weights[i] = pow(Max(i, 1), LENGTH_POWER);
	return weights;
}

/* sim_s of a session. */
static double
Similarity(const Scoring *scoring, const Neighbour *neighbour)
{
	const KnnParams *params = &scoring->params;
	/* subtracted as doubles: all of history does not fit into 64 bits */
	double		age = (double) scoring->query->now - (double) neighbour->ts;
	double		overlap = params->overlapPower == 2 ? neighbour->overlap * neighbour->overlap :
		pow(neighbour->overlap, params->overlapPower);

	return overlap * scoring->lengthWeights[Min(neighbour->length, PG_UINT8_MAX)] *
		exp(-age / AGE_DECAY - scoring->items[neighbour->query].age / params->recentDecay);
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

/* Make room for so many candidates. */
static void
ReserveCandidates(Scoring *scoring, int capacity)
{
	Candidate  *candidates = palloc_array(Candidate, capacity);

	if (scoring->candidateCount > 0)
		memcpy(candidates, scoring->candidates, sizeof(Candidate) * scoring->candidateCount);
	scoring->candidates = candidates;
	scoring->candidateCapacity = capacity;
	scoring->itemTable = CreateTable(capacity, &scoring->itemMask);
	for (int i = 0; i < scoring->candidateCount; i++)
	{
		uint32		slot = KeySpread(candidates[i].itemKey) & scoring->itemMask;

		while (scoring->itemTable[slot] >= 0)
			slot = (slot + 1) & scoring->itemMask;
		scoring->itemTable[slot] = i;
	}
}

/* Make a candidate of an item that is none. */
Candidate *
ScoringAddCandidate(Scoring *scoring, int64 itemKey, int because)
{
	Candidate  *candidate;
	uint32		slot;

	if (scoring->candidateCount == scoring->candidateCapacity)
		ReserveCandidates(scoring, 2 * scoring->candidateCapacity);
	slot = KeySpread(itemKey) & scoring->itemMask;
	while (scoring->itemTable[slot] >= 0)
		slot = (slot + 1) & scoring->itemMask;
	scoring->itemTable[slot] = scoring->candidateCount;
	candidate = &scoring->candidates[scoring->candidateCount++];
	*candidate = (Candidate) {.itemKey = itemKey,.because = because};
	return candidate;
}

/* Add a session's vote to an item. */
static inline double
Vote(Scoring *scoring, int64 itemKey, double vote, const Neighbour *neighbour)
{
	int			query = neighbour->query;
	Candidate  *candidate = ScoringCandidate(scoring, itemKey, query);

	if (candidate->sessions++ == 0)
		candidate->oldest = candidate->newest = neighbour->ts;
	candidate->oldest = Min(candidate->oldest, neighbour->ts);
	candidate->newest = Max(candidate->newest, neighbour->ts);
	candidate->parts[KNN_PART_SESSIONS] += vote;
	if (vote > candidate->strongest)
	{
		candidate->strongest = vote;
		candidate->because = query;
	}
	return vote;
}

/* Let the chosen sessions vote; returns the sum. */
static double
CollectVotes(Scoring *scoring, const TopkEntry *chosen, int chosenCount)
{
	double		sum = 0;

	for (int i = 0; i < chosenCount; i++)
	{
		const Neighbour *neighbour = &scoring->neighbours[chosen[i].index];
		const uint8 *next = neighbour->entry;
		PostingEntry entry;

		/* it has been read before, so it is whole */
		PostingNextEntry(&next, next + POSTING_ENTRY_MAX, &entry);
		sum += Vote(scoring, scoring->items[neighbour->query].itemKey, chosen[i].score, neighbour);
		for (int w = 0; w < entry.before + entry.after; w++)
		{
			int			d = PostingWindowPlace(&entry, w);

			sum += Vote(scoring, PostingWindowItem(&entry, w), chosen[i].score * placeWeights[d + POSTING_WINDOW], neighbour);
		}
	}
	return sum;
}

/* K: find the sessions like this one, and let them vote. */
static void
ScoreSessions(Scoring *scoring, const KnnSource *source)
{
	int			most = scoring->itemCount * scoring->params.postings;
	TopkEntry  *chosen;
	int			chosenCount;
	double		sum;

	scoring->lengthWeights = LengthWeights();
	scoring->neighbours = palloc(sizeof(Neighbour) * Max(most, 1));
	scoring->sessionTable = CreateTable(most, &scoring->sessionMask);
	for (int i = 0; i < scoring->itemCount; i++)
		ReadPostings(scoring, source, i);
	chosenCount = ChooseNeighbours(scoring, &chosen);
	ReserveCandidates(scoring, pg_nextpower2_32(LISTED_CANDIDATES + VOTED_CANDIDATES * chosenCount));
	sum = CollectVotes(scoring, chosen, chosenCount);
	for (int i = 0; sum > 0 && i < scoring->candidateCount; i++)
		scoring->candidates[i].parts[KNN_PART_SESSIONS] /= sum;
}

/* Score the items of the session by the chance that people come back to them. */
static void
ScoreRepeats(Scoring *scoring, const KnnSource *source)
{
	const RepeatSituation *situation = &scoring->situation;
	const RepeatCounts *counts = source->repeats(source->state);

	for (int j = 0; j < Min(situation->count, scoring->sessionItems); j++)
	{
		Candidate  *candidate = ScoringCandidate(scoring, situation->items[j], j);
		double		chance = RepeatProbability(counts, situation, j);

		candidate->because = j;
		candidate->parts[KNN_PART_REPEAT] = scoring->params.repeatWeight * chance * sqrt(situation->times[j]);
		if (j == 0)
			scoring->newestShare = NEWEST_SHARE * chance / (chance + NEWEST_CHANCE);
	}
}

/* Add the parts of all candidates up; leaves out those that may not come back. */
static int
SumParts(Scoring *scoring, TopkEntry *entries)
{
	const KnnQuery *query = scoring->query;
	int			count = 0;

	for (int i = 0; i < scoring->candidateCount; i++)
	{
		Candidate  *candidate = &scoring->candidates[i];

		candidate->ofSession = KeySetHas(&scoring->ofSession, candidate->itemKey);
		if (candidate->ofSession)
		{
			bool		newest = candidate->itemKey == query->items[0];

			if (query->returns == KNN_RETURN_NONE || (newest && query->returns != KNN_RETURN_ALL))
				continue;
			for (int p = 0; p < KNN_PART_REPEAT; p++)
				candidate->parts[p] *= newest ? scoring->newestShare : EARLIER_SHARE;
		}
		candidate->score = 0;
		for (int p = 0; p < KNN_PART_TREND; p++)
			candidate->score += candidate->parts[p];
		if (candidate->score <= 0)
			continue;
		entries[count].score = candidate->score;
		entries[count].tie = candidate->itemKey;
		entries[count++].index = i;
	}
	return count;
}

/* The best candidates, as the caller wants them. */
static int
ChooseResults(Scoring *scoring, const KnnSource *source, KnnItem *results)
{
	TopkEntry  *entries = palloc_array(TopkEntry, Max(scoring->candidateCount, 1));
	int			count = SumParts(scoring, entries);
	int			sorted = TopkSort(entries, count, Max(scoring->query->maxResults, 2 * SCORING_TREND_ITEMS));

	if (scoring->params.trendPower > 0)
	{
		ScoringTrend(scoring, source, entries, sorted);
		sorted = TopkSort(entries, sorted, sorted);
	}
	count = Min(sorted, scoring->query->maxResults);
	for (int i = 0; i < count; i++)
	{
		const Candidate *candidate = &scoring->candidates[entries[i].index];

		results[i].itemKey = candidate->itemKey;
		results[i].score = candidate->score;
		memcpy(results[i].parts, candidate->parts, sizeof(results[i].parts));
		results[i].because = scoring->items[candidate->because].itemKey;
		results[i].sessions = candidate->sessions;
		results[i].oldest = candidate->oldest;
		results[i].newest = candidate->newest;
	}
	return count;
}

/* The work. */
static int
Score(Scoring *scoring, const KnnSource *source, KnnItem *results)
{
	int64		items[MAX_QUERY_ITEMS];

	CollectQueryItems(scoring);
	for (int i = 0; i < scoring->itemCount; i++)
		items[i] = scoring->items[i].itemKey;
	if (source->expect)
		source->expect(source->state, items, scoring->itemCount);
	if (source->prepare)
		source->prepare(source->state, items, scoring->itemCount);
	source->totals(source->state, &scoring->totals);
	if (scoring->totals.sessions <= 0)
		return 0;
	ScoreSessions(scoring, source);
	ScoringPairs(scoring, source);
	if (scoring->query->returns != KNN_RETURN_NONE)
		ScoreRepeats(scoring, source);
	return ChooseResults(scoring, source, results);
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
	Scoring    *scoring = palloc0(sizeof(Scoring));

	CheckQuery(query);
	scoring->query = query;
	scoring->params = *query->params;
	return Score(scoring, source, results);
}

/* The neighbours under a snapshot. */
struct Knn
{
	Snapshot	snapshot;
	KeyedTable *postings;
	KeyedTable *lists;
	SessionTotals totals;
	RepeatCounts *repeats;		/* NULL: not read yet */
};

/* Open them. */
Knn *
KnnOpen(Snapshot snapshot)
{
	Knn		   *knn = palloc(sizeof(Knn));

	knn->snapshot = snapshot;
	knn->repeats = NULL;
	SessionTotalsRead(&knn->totals, snapshot);
	knn->postings = KeyedOpen("posting", "posting_pkey", AccessShareLock);
	knn->lists = KeyedOpen("_pair_list", "_pair_list_pkey", AccessShareLock);
	return knn;
}

/* Close them. */
void
KnnClose(Knn *knn)
{
	KeyedClose(knn->lists);
	KeyedClose(knn->postings);
	if (knn->repeats)
		pfree(knn->repeats);
	pfree(knn);
}

/* What is counted over all sessions. */
static void
TableTotals(void *state, SessionTotals *totals)
{
	*totals = ((Knn *) state)->totals;
}

/* Lists of these items are about to be asked for. */
static void
TablePrepare(void *state, const int64 *items, int itemCount)
{
	KeyedExpect(((Knn *) state)->lists, items, itemCount);
}

/* Chunks of these items are about to be sought. */
static void
TableExpect(void *state, const int64 *items, int itemCount)
{
	KeyedExpectFew(((Knn *) state)->postings, items, itemCount);
}

/* Go to an item's newest chunk. */
static void
TableSeek(void *state, int64 itemKey)
{
	Knn		   *knn = state;

	KeyedSeekFew(knn->postings, knn->snapshot, itemKey);
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

/* An item's list of pairs; its bytes live until the next is asked for. */
static bool
FindPairs(Knn *knn, int64 itemKey, PairList *list)
{
	TupleTableSlot *slot = KeyedFind(knn->lists, knn->snapshot, itemKey);
	bytea	   *data;
	StoredRow	row;

	if (slot == NULL)
		return false;
	StoredRowBegin(&row, STORED_PAIR_LIST, &itemKey);
	data = StoredRowBytes(STORED_PAIR_LIST, slot, PAIR_LIST_DATA);
	PairListRead((const uint8 *) VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), list);
	StoredRowEnd(&row);
	return true;
}

/* An item's list of pairs, copied. */
bool
KnnPairList(Knn *knn, int64 itemKey, PairList *list)
{
	uint8	   *copy;

	if (!FindPairs(knn, itemKey, list))
		return false;
	copy = palloc(PAIR_LIST_HEADER + PairListLength(list));
	memcpy(copy, list->pairs - PAIR_LIST_HEADER, PAIR_LIST_HEADER + PairListLength(list));
	list->pairs = copy + PAIR_LIST_HEADER;
	return true;
}

/* The same as a source, not copied. */
static bool
TablePair(void *state, int64 itemKey, PairList *list)
{
	return FindPairs(state, itemKey, list);
}

/* Of an item's list of pairs, what its trend is told by: it is kept where the list was found. */
static bool
TableHeader(void *state, int64 itemKey, PairList *list)
{
	Knn		   *knn = state;
	RowDigest	digest;

	if (KeyedDigest(knn->lists, knn->snapshot, itemKey, &digest))
	{
		list->sessions = (int64) digest.words[0];
		list->newest = (TimestampTz) digest.words[1];
		memcpy(&list->recent, &digest.words[2], sizeof(double));
		return true;
	}
	if (!FindPairs(knn, itemKey, list))
		return false;
	digest.words[0] = (uint64) list->sessions;
	digest.words[1] = (uint64) list->newest;
	memcpy(&digest.words[2], &list->recent, sizeof(double));
	KeyedKeepDigest(knn->lists, knn->snapshot, itemKey, &digest);
	return true;
}

/* How often people came back to items. */
static const RepeatCounts *
TableRepeats(void *state)
{
	Knn		   *knn = state;

	if (knn->repeats == NULL)
	{
		knn->repeats = palloc(sizeof(RepeatCounts));
		(void) SessionRepeatsRead(knn->repeats, knn->snapshot);
	}
	return knn->repeats;
}

/* How many sessions have an item. */
int64
KnnItemSessions(Knn *knn, int64 itemKey, TimestampTz *newest)
{
	PostingReader reader;
	PostingEntry entry;
	KnnChunk	chunk;
	StoredRow	row;
	int64		sessions;

	TableSeek(knn, itemKey);
	if (!TableNext(knn, &chunk))
		return 0;
	StoredRowBegin(&row, STORED_POSTING, (int64[]) {itemKey, chunk.number});
	PostingReaderBegin(&reader, chunk.data, chunk.length);
	sessions = reader.header.sessions;
	if (PostingReaderNext(&reader, &entry))
		*newest = entry.ts;
	else
		sessions = 0;
	StoredRowEnd(&row);
	return sessions;
}

/* Score what fits next to the items of the query. */
int
KnnScore(Knn *knn, const KnnQuery *query, KnnItem **results)
{
	KnnSource	source = {.state = knn,.totals = TableTotals,.prepare = TablePrepare,.expect = TableExpect,.seek = TableSeek,
	.next = TableNext,.pair = TablePair,.header = TableHeader,.repeats = TableRepeats};

	CheckQuery(query);
	*results = palloc_array(KnnItem, query->maxResults);
	/* when everything had happened by then, the table says the same */
	if (query->past && query->now < knn->totals.newest)
		return KnnScoreFrom(SessionPastSource(query->now, knn->snapshot, query->history), query, *results);
	return KnnScoreFrom(&source, query, *results);
}

/*
 * knn_pair.c
 *		What lists of pairs add to the neighbour score.
 *
 * H, two hops: of the three newest items
 *
 *	B(y) = sum over j of e^(-j/1.5) P(y|q_j)
 *
 * and of the 8 best y, of the session or not, H(i) = sum over y of B(y) P(i|y);
 * P(y|x) = C(x,y) / (T(x) + 5) (pair_list.c).  It counts as H(i) / (sum of H).
 *
 * S, the next item: with c1(i) = how often i came right after q_0,
 * S(i) = [c1^2 / (c1 + nextPrior)] / (sum of c1 + 2): it switches itself on where counts
 * are dense.
 *
 * The trend multiplies a score with ((r_i C / R + 1) / (n_i + 1))^trendPower, where n_i
 * is the number of sessions with i and r_i that number with each weighing 1/e per 3 days,
 * C and R the same of all items of all sessions.
 */
#include "postgres.h"

#include <math.h>

#include "neighbours/knn_internal.h"
#include "utils/timestamp.h"

/* How fast the newest items lose weight; and the weight of all hops. */
#define HOP_DECAY 1.5
#define HOP_WEIGHT 0.6

/* What is added to the counts that pairs are divided by. */
#define PAIR_PRIOR 5.0
#define NEXT_TOTAL_PRIOR 2.0

/* An item of the first hop. */
typedef struct Hop
{
	int64		itemKey;
	double		weight;			/* B */
	double		strongest;
	int			because;		/* the query item that adds most */
} Hop;

/* An item's list of pairs. */
static bool
ReadPairList(const KnnSource *source, int64 itemKey, PairList *list)
{
	PostingEntry *entries;
	int64		sessions = 0;
	int			count = 0;
	KnnChunk	chunk;
	uint8	   *made;

	if (source->pair)
		return source->pair(source->state, itemKey, list);
	entries = palloc_array(PostingEntry, POSTING_KEPT);
	source->seek(source->state, itemKey);
	while (count < POSTING_KEPT && source->next(source->state, &chunk))
	{
		PostingReader reader;

		PostingReaderBegin(&reader, chunk.data, chunk.length);
		if (count == 0)
			sessions = reader.header.sessions;
		while (count < POSTING_KEPT && PostingReaderNext(&reader, &entries[count]))
			count++;
	}
	if (count > 0)
	{
		made = palloc(PAIR_LIST_MAX);
		PairListRead(made, PairListMake(entries, count, sessions, made), list);
	}
	pfree(entries);
	return count > 0;
}

/* P(y|x) of a pair. */
static inline double
Probability(const PairList *list, const Pair *pair)
{
	return pair->weight / (list->total + PAIR_PRIOR * PAIR_UNIT);
}

/* S: what came right after the newest item. */
static void
ScoreNext(Scoring *scoring, const PairList *list)
{
	const KnnParams *params = &scoring->params;

	for (int i = 0; i < list->count; i++)
	{
		Pair		pair = PairListGet(list, i);

		if (pair.next > 0)
			ScoringCandidate(scoring, pair.itemKey, 0)->parts[KNN_PART_NEXT] += params->nextWeight *
				((double) pair.next * pair.next / (pair.next + params->nextPrior)) /
				(list->next + NEXT_TOTAL_PRIOR);
	}
}

/* Add an item to the first hop. */
static void
AddHop(Hop *hops, int *count, int64 itemKey, double weight, int because)
{
	int			i = 0;

	while (i < *count && hops[i].itemKey != itemKey)
		i++;
	if (i == *count)
	{
		memset(&hops[i], 0, sizeof(Hop));
		hops[i].itemKey = itemKey;
		(*count)++;
	}
	hops[i].weight += weight;
	if (weight > hops[i].strongest)
	{
		hops[i].strongest = weight;
		hops[i].because = because;
	}
}

/* The items that most go with the newest ones, best first; S on the way. */
static int
FirstHop(Scoring *scoring, const KnnSource *source, Hop *best)
{
	Hop		   *hops = palloc_array(Hop, SCORING_FIRST_HOP * PAIR_LIST_KEPT);
	TopkEntry  *order = palloc_array(TopkEntry, SCORING_FIRST_HOP * PAIR_LIST_KEPT);
	int			count = 0;
	int			from = scoring->sessionItems > 0 ? scoring->sessionItems : scoring->itemCount;

	for (int j = 0; j < Min(from, SCORING_FIRST_HOP); j++)
	{
		PairList	list;
		double		weight = exp(-j / HOP_DECAY);

		if (!ReadPairList(source, scoring->items[j].itemKey, &list))
			continue;
		if (j == 0 && scoring->sessionItems > 0)
			ScoreNext(scoring, &list);
		for (int i = 0; i < list.count; i++)
		{
			Pair		pair = PairListGet(&list, i);

			AddHop(hops, &count, pair.itemKey, weight * Probability(&list, &pair), j);
		}
	}
	for (int i = 0; i < count; i++)
	{
		order[i].score = hops[i].weight;
		order[i].tie = hops[i].itemKey;
		order[i].index = i;
	}
	count = TopkSort(order, count, SCORING_SECOND_HOP);
	for (int i = 0; i < count; i++)
		best[i] = hops[order[i].index];
	return count;
}

/* Add what the lists of pairs say. */
void
ScoringPairs(Scoring *scoring, const KnnSource *source)
{
	Hop			hops[SCORING_SECOND_HOP];
	int64		items[SCORING_SECOND_HOP];
	int			count = FirstHop(scoring, source, hops);
	double		sum = 0;

	for (int i = 0; i < count; i++)
		items[i] = hops[i].itemKey;
	if (source->prepare)
		source->prepare(source->state, items, count);
	for (int y = 0; y < count; y++)
	{
		PairList	list;

		if (!ReadPairList(source, hops[y].itemKey, &list))
			continue;
		for (int i = 0; i < list.count; i++)
		{
			Pair		pair = PairListGet(&list, i);
			double		weight = hops[y].weight * Probability(&list, &pair);

			ScoringCandidate(scoring, pair.itemKey, hops[y].because)->parts[KNN_PART_HOPS] += weight;
			sum += weight;
		}
	}
	for (int i = 0; sum > 0 && i < scoring->candidateCount; i++)
		scoring->candidates[i].parts[KNN_PART_HOPS] *= HOP_WEIGHT / sum;
}

/* What the trend of an item multiplies its score with. */
static double
TrendFactor(const Scoring *scoring, const KnnSource *source, int64 itemKey)
{
	const SessionTotals *totals = &scoring->totals;
	double		reference = ((double) totals->lastDay + 1) * USECS_PER_DAY;
	double		sessions = 0;
	double		recent = 0;
	PairList	list;

	if (source->header ? source->header(source->state, itemKey, &list) : ReadPairList(source, itemKey, &list))
	{
		sessions = list.sessions;
		recent = list.recent * exp(((double) list.newest - reference) / PAIR_TREND_DECAY);
	}
	return pow((recent * totals->entries / totals->recent + 1) / (sessions + 1),
			   scoring->params.trendPower);
}

/* Multiply the scores of the first entries with the trend of their items. */
void
ScoringTrend(Scoring *scoring, const KnnSource *source, TopkEntry *entries, int count)
{
	int64		items[SCORING_TREND_ITEMS];
	TopkEntry  *chosen[SCORING_TREND_ITEMS];
	int			chosenCount = 0;

	if (scoring->totals.recent <= 0)
		return;
	for (int i = 0; i < count && chosenCount < SCORING_TREND_ITEMS; i++)
	{
		if (scoring->candidates[entries[i].index].ofSession)
			continue;
		items[chosenCount] = scoring->candidates[entries[i].index].itemKey;
		chosen[chosenCount++] = &entries[i];
	}
	if (chosenCount == 0)
		return;
	if (source->prepare)
		source->prepare(source->state, items, chosenCount);
	for (int i = 0; i < chosenCount; i++)
	{
		Candidate  *candidate = &scoring->candidates[chosen[i]->index];

		candidate->parts[KNN_PART_TREND] = candidate->score *
			(TrendFactor(scoring, source, items[i]) - 1);
		candidate->score += candidate->parts[KNN_PART_TREND];
		chosen[i]->score = candidate->score;
	}
}

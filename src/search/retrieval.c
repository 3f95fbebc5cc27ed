/*
 * retrieval.c
 *		The items that a query finds, and the score of given ones.
 *
 * Each word's items come from the index in the order of their keys, so that lists are
 * put together by merging: the alternatives of a group to the best of each item, and the
 * groups to scores.
 */
#include "postgres.h"

#include "search/retrieval.h"

#include "compat.h"
#include "miscadmin.h"

/* A word's items with what it adds to their scores, by key. */
typedef struct ScoredItem
{
	int64		itemKey;
	WordMatch	match;
} ScoredItem;

/* Of one word alone the index's list will do: then items are scored as they are met. */
typedef struct ScoredList
{
	int			count;
	ScoredItem *items;			/* NULL: postings */
	const WordPosting *postings;
	double		rarity;
} ScoredList;

/*
 * Where the rarer words have found so many items, a word that more than this part of all
 * items have finds no others: nobody would look at them.
 */
#define MANY_ITEMS 1000
#define COMMON_PART 0.125

/* The key of an item of a list. */
static inline int64
KeyAt(const ScoredList *list, int place)
{
	return list->items ? list->items[place].itemKey : list->postings[place].itemKey;
}

/* So many items of the words that a beginning stands for are looked at. */
#define MAX_COMPLETED_ITEMS 10000

/* Score the items of a word. */
static ScoredList
ScoreWord(WordReader *reader, const TextScorer *scorer, const text *word, double weight)
{
	const WordPosting *postings;
	ScoredList	list;

	list.count = WordListRead(reader, word, &postings);
	list.items = palloc_extended(sizeof(ScoredItem) * Max(list.count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < list.count; i++)
	{
		list.items[i].itemKey = postings[i].itemKey;
		list.items[i].match = TextScoreWord(scorer, &postings[i]);
		list.items[i].match.score *= weight;
	}
	return list;
}

/* Leave in a list what another has too, with the mean of both. */
static void
Intersect(ScoredList *list, const ScoredList *other)
{
	int			kept = 0;
	int			j = 0;

	for (int i = 0; i < list->count; i++)
	{
		while (j < other->count && other->items[j].itemKey < list->items[i].itemKey)
			j++;
		if (j == other->count || other->items[j].itemKey != list->items[i].itemKey)
			continue;
		list->items[kept] = list->items[i];
		list->items[kept].match.score = (list->items[i].match.score + other->items[j].match.score) / 2;
		list->items[kept++].match.inName &= other->items[j].match.inName;
	}
	list->count = kept;
}

/* Of an item in two lists, the better match. */
static WordMatch
BetterMatch(const WordMatch *a, const WordMatch *b)
{
	WordMatch	better = a->score >= b->score ? *a : *b;

	better.inName = a->inName || b->inName;
	better.nameLength = Max(a->nameLength, b->nameLength);
	return better;
}

/* Put the items of two lists together. */
static ScoredList
Unite(const ScoredList *a, const ScoredList *b)
{
	ScoredList	both = {0};
	int			i = 0;
	int			j = 0;

	both.items = palloc_extended(sizeof(ScoredItem) * Max(a->count + b->count, 1), MCXT_ALLOC_HUGE);
	while (i < a->count || j < b->count)
	{
		ScoredItem *item = &both.items[both.count++];

		if (j == b->count || (i < a->count && a->items[i].itemKey < b->items[j].itemKey))
			*item = a->items[i++];
		else if (i == a->count || b->items[j].itemKey < a->items[i].itemKey)
			*item = b->items[j++];
		else
		{
			*item = a->items[i++];
			item->match = BetterMatch(&item->match, &b->items[j++].match);
		}
	}
	return both;
}

/* The items of an alternative: of all its words. */
static ScoredList
ScoreAlternative(WordReader *reader, const TextScorer *scorer, const QueryAlternative *alternative)
{
	ScoredList	list = ScoreWord(reader, scorer, alternative->words[0], alternative->weight);

	for (int i = 1; i < alternative->count; i++)
	{
		ScoredList	other = ScoreWord(reader, scorer, alternative->words[i], alternative->weight);

		Intersect(&list, &other);
		pfree(other.items);
	}
	return list;
}

/* Unite many lists in pairs, so that none is copied often. */
static ScoredList
UniteAll(ScoredList *lists, int count)
{
	for (int step = 1; step < count; step *= 2)
		for (int i = 0; i + step < count; i += 2 * step)
		{
			ScoredList	both = Unite(&lists[i], &lists[i + step]);

			pfree(lists[i].items);
			pfree(lists[i + step].items);
			lists[i] = both;
		}
	return lists[0];
}

/* The items of a group, and how rare they are: by the word itself, if any item has it. */
static ScoredList
ScoreGroup(WordReader *reader, const TextScorer *scorer, const QueryGroup *group)
{
	ScoredList *lists = palloc_array(ScoredList, group->count);
	ScoredList	united;
	int			own = 0;
	int			count = 0;
	int64		read = 0;

	if (group->count == 1 && group->alternatives[0].count == 1)
	{
		memset(&united, 0, sizeof(united));
		united.count = WordListRead(reader, group->alternatives[0].words[0], &united.postings);
		united.rarity = TextScoreRarity(scorer, united.count);
		return united;
	}
	for (int i = 0; i < group->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (group->alternatives[i].weight == scorer->params.beginning && read > MAX_COMPLETED_ITEMS)
			continue;
		lists[count] = ScoreAlternative(reader, scorer, &group->alternatives[i]);
		read += lists[count].count;
		if (i == 0)
			own = lists[count].count;
		count++;
	}
	united = UniteAll(lists, count);
	pfree(lists);
	united.rarity = TextScoreRarity(scorer, own > 0 ? own : united.count);
	return united;
}

/* The lists of a query's groups while they are put together. */
typedef struct Merge
{
	int			count;
	ScoredList	lists[QUERY_MAX_WORDS];
	int			places[QUERY_MAX_WORDS];
	bool		finds[QUERY_MAX_WORDS]; /* false: it only adds to what others find */
} Merge;

/* Say which lists find items. */
static void
ChooseFinders(Merge *merge, double items)
{
	bool		many = false;

	for (int g = 0; g < merge->count; g++)
	{
		merge->finds[g] = merge->lists[g].count <= COMMON_PART * items;
		many |= merge->finds[g] && merge->lists[g].count >= MANY_ITEMS;
	}
	for (int g = 0; g < merge->count && !many; g++)
		merge->finds[g] = true;
}

/* The smallest key that the lists which find items are at; false: they are at their ends. */
static bool
NextKey(const Merge *merge, int64 *key)
{
	bool		found = false;

	for (int g = 0; g < merge->count; g++)
	{
		if (!merge->finds[g] || merge->places[g] == merge->lists[g].count)
			continue;
		if (!found || KeyAt(&merge->lists[g], merge->places[g]) < *key)
			*key = KeyAt(&merge->lists[g], merge->places[g]);
		found = true;
	}
	return found;
}

/* Go to a key in a list, and past it; false if the list does not have it. */
static bool
TakeKey(Merge *merge, int g, int64 key, const TextScorer *scorer, WordMatch *match)
{
	const ScoredList *list = &merge->lists[g];
	int		   *place = &merge->places[g];

	while (*place < list->count && KeyAt(list, *place) < key)
		(*place)++;
	if (*place == list->count || KeyAt(list, *place) != key)
		return false;
	*match = list->items ? list->items[*place].match : TextScoreWord(scorer, &list->postings[*place]);
	(*place)++;
	return true;
}

/* What an item's words come to; all: the weight of all words of the query. */
static TextMatch
MatchOf(const TextScorer *scorer, int64 itemKey, const TextScore *score, double all)
{
	return (TextMatch) {
		.itemKey = itemKey,.words = score->words,.score = TextScoreFinish(scorer, score, all),
		.covered = all > 0 ? score->covered / all : 0,.named = all > 0 ? score->named / all : 0,
		.nameShare = TextScoreNameShare(score)
	};
}

/* All items that have some word of the query. */
int
RetrieveItems(WordReader *reader, const TextScoreParams *params, const SearchQuery *query, TextMatch **matches)
{
	const TextScorer *scorer = TextScorerMake(params, WordReaderTotal(reader));
	Merge		merge = {.count = query->count};
	int64		items = 0;
	double		all = 0;
	int64		key = 0;
	int			count = 0;

	for (int g = 0; g < query->count; g++)
	{
		merge.lists[g] = ScoreGroup(reader, scorer, &query->groups[g]);
		all += merge.lists[g].rarity;
	}
	ChooseFinders(&merge, scorer->total.items);
	for (int g = 0; g < query->count; g++)
		items += merge.finds[g] ? merge.lists[g].count : 0;
	*matches = palloc_extended(sizeof(TextMatch) * Max(items, 1), MCXT_ALLOC_HUGE);
	while (NextKey(&merge, &key))
	{
		TextMatch  *match = &(*matches)[count++];
		TextScore	score = {0};
		WordMatch	word;

		for (int g = 0; g < query->count; g++)
			if (TakeKey(&merge, g, key, scorer, &word))
				TextScoreAdd(&score, &word, merge.lists[g].rarity);
		*match = MatchOf(scorer, key, &score, all);
	}
	return count;
}

/* How an item has all words of an alternative. */
static bool
FindAlternative(WordReader *reader, const TextScorer *scorer, const QueryAlternative *alternative,
				int64 itemKey, WordMatch *match)
{
	match->score = 0;
	match->inName = true;
	for (int i = 0; i < alternative->count; i++)
	{
		WordPosting posting;
		WordMatch	one;

		if (!WordListFind(reader, alternative->words[i], itemKey, &posting))
			return false;
		one = TextScoreWord(scorer, &posting);
		match->score = i == 0 ? one.score : (match->score + one.score) / 2;
		match->inName &= one.inName;
		match->nameLength = one.nameLength;
	}
	match->score *= alternative->weight;
	return true;
}

/* The best way in which an item has a group. */
static bool
FindGroup(WordReader *reader, const TextScorer *scorer, const QueryGroup *group, int64 itemKey, WordMatch *best)
{
	bool		found = false;

	for (int i = 0; i < group->count; i++)
	{
		WordMatch	match;

		if (!FindAlternative(reader, scorer, &group->alternatives[i], itemKey, &match))
			continue;
		*best = found ? BetterMatch(best, &match) : match;
		found = true;
	}
	return found;
}

/* How rare a group is, without reading it: as its first word that any item has. */
static double
GroupRarity(WordReader *reader, const TextScorer *scorer, const QueryGroup *group)
{
	int64		items = 0;

	for (int i = 0; i < group->count && items == 0; i++)
		items = WordListCount(reader, group->alternatives[i].words[0]);
	return TextScoreRarity(scorer, items);
}

/* The same of given items. */
void
RetrieveScores(WordReader *reader, const TextScoreParams *params, const SearchQuery *query,
			   const int64 *itemKeys, int count, TextMatch *matches)
{
	const TextScorer *scorer = TextScorerMake(params, WordReaderTotal(reader));
	TextScore  *scores = palloc_extended(sizeof(TextScore) * Max(count, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	double		all = 0;

	for (int g = 0; g < query->count; g++)
	{
		double		rarity = GroupRarity(reader, scorer, &query->groups[g]);
		WordMatch	match;

		all += rarity;
		for (int i = 0; i < count; i++)
			if (FindGroup(reader, scorer, &query->groups[g], itemKeys[i], &match))
				TextScoreAdd(&scores[i], &match, rarity);
	}
	for (int i = 0; i < count; i++)
	{
		matches[i] = MatchOf(scorer, itemKeys[i], &scores[i], all);
	}
	pfree(scores);
}

/*
 * attraction.c
 *		How often people choose an item when they see it after a query.
 *
 * attraction = (clicks + a * prior) / (examined + a): what is seldom seen is believed to be
 * like what is seen more often.  The prior of an item after a query is the geometric mean
 * of its rate after any query and of that of its category after the query, which has the
 * former for its own prior; without a category, or counts of the query, it is the former
 * alone.  Examined is how often it was shown, each time by how likely
 * its place is looked at (position-based click model: Chuklin, Markov and de Rijke, "Click
 * Models for Web Search", 2015, section 3.2).  Only integer counters are added up, so
 * whoever is taken out of them leaves no trace.
 */
#include "postgres.h"

#include "engines/attraction.h"

#include <math.h>

#include "base/key_set.h"
#include "compat.h"
#include "exposures/attraction_counts.h"
#include "exposures/examination.h"
#include "exposures/query.h"

/* So often an item must have been looked at for its own rate to count by half. */
#define PRIOR_WEIGHT 20

/* What is looked up for a query. */
typedef struct QueryCounts
{
	const AttractionPast *past; /* NULL: what the reader reads */
	AttractionReader *reader;
	const Examination *examination;
	ItemReader *items;
	int64		query;			/* 0: it has no words */

	/*
	 * What came of showing its items, and of the categories of these, by number of the key.
	 * Keys are hashes, or numbers in no order of use, so that the first are as good as any.
	 */
	const AttractionItems *ofItems;
	KeySet		categories;
	AttractionCounts ofCategories[ATTRACTION_MOST_ITEMS];
	double		categoryExamined[ATTRACTION_MOST_ITEMS];
} QueryCounts;

/* Add counts to those of a category. */
static void
AddTo(QueryCounts *query, int64 category, const AttractionCounts *more)
{
	int			known = query->categories.count;
	AttractionCounts *counts = &query->ofCategories[KeySetNumber(&query->categories, category)];

	if (query->categories.count > known)
	{
		*counts = *more;
		return;
	}
	for (int place = 0; place < ATTRACTION_PLACES; place++)
		counts->shown[place] += more->shown[place];
	counts->clicked += more->clicked;
}

/* The number of a key in a set; negative: it is not in it. */
static int
NumberIn(const KeySet *keys, int64 key)
{
	const KeySetEntry *entry = keys->count > 0 ? keyset_lookup(keys->table, key) : NULL;

	return entry ? entry->number : -1;
}

/* The key of an item's category; 0: it has none. */
static int64
CategoryOf(ItemReader *items, int64 itemKey)
{
	const ItemInfo *item = ItemReaderGet(items, itemKey);

	return item != NULL ? item->categoryKey : 0;
}

/* How often something was looked at. */
static double
Examined(const Examination *examination, const AttractionCounts *counts)
{
	double		examined = 0;

	for (int place = 0; place < ATTRACTION_PLACES; place++)
		examined += examination->ofBucket[place] * (counts->shown[place] > 0 ? counts->shown[place] : 0);
	return Max(examined, counts->clicked);
}

/* A rate that is believed as far as there is reason to. */
static double
Believe(const AttractionCounts *counts, double examined, double prior)
{
	return (counts->clicked + PRIOR_WEIGHT * prior) / (examined + PRIOR_WEIGHT);
}

/* The logarithm of the odds. */
static double
LogOdds(double rate)
{
	return log(rate / (1 - rate));
}

/* The items of a query of the past. */
static const AttractionItems *
PastItems(const AttractionPast *past, int64 query)
{
	AttractionItems *items = palloc0(sizeof(AttractionItems));
	const AttractionCounts *const *counts;
	int			found = AttractionPastItems(past, query, &items->itemKeys, &counts);
	int			count = Min(found, ATTRACTION_MOST_ITEMS);
	AttractionCounts *copies = palloc_array(AttractionCounts, Max(count, 1));

	KeySetInit(&items->keys, count);
	for (int i = 0; i < count; i++)
		copies[KeySetNumber(&items->keys, items->itemKeys[i])] = *counts[i];
	items->counts = copies;
	items->cut = found > count;
	return items;
}

/* Read what came of a query by item and by category. */
static void
ReadQuery(QueryCounts *query)
{
	static const AttractionItems none = {0};

	query->ofItems = query->query == 0 ? &none :
		query->past ? PastItems(query->past, query->query) : AttractionItemsOf(query->reader, query->query);
	KeySetInit(&query->categories, 16);
	for (int i = 0; i < query->ofItems->keys.count; i++)
	{
		int64		category = CategoryOf(query->items, query->ofItems->itemKeys[i]);

		if (category != 0)
			AddTo(query, category, &query->ofItems->counts[i]);
	}
	for (int i = 0; i < query->categories.count; i++)
		query->categoryExamined[i] = Examined(query->examination, &query->ofCategories[i]);
}

/* What there is of an item after a query; own is room for it; NULL: nothing. */
static const AttractionCounts *
CountsOf(const QueryCounts *query, int64 queryKey, int64 itemKey, AttractionCounts *own)
{
	if (query->past != NULL)
		return AttractionPastOf(query->past, queryKey, itemKey);
	return AttractionOf(query->reader, queryKey, itemKey, own) ? own : NULL;
}

/* The rate of an item after any query. */
static double
RateOfItem(const QueryCounts *query, int64 itemKey)
{
	AttractionCounts own;
	const AttractionCounts *counts = CountsOf(query, ATTRACTION_ANY_QUERY, itemKey, &own);
	double		usual = query->examination->rate;

	return counts ? Believe(counts, Examined(query->examination, counts), usual) : usual;
}

/* The rate of what is of its category after the query, by that of the item. */
static double
RateOfKind(const QueryCounts *query, int64 itemKey, double ofItem)
{
	int64		category = CategoryOf(query->items, itemKey);
	int			number = category != 0 ? NumberIn(&query->categories, category) : -1;

	return number >= 0 ? Believe(&query->ofCategories[number], query->categoryExamined[number], ofItem) : ofItem;
}

/* The rate of an item after the query, and how little is known of it. */
static double
RateOf(QueryCounts *query, int64 itemKey, double *unknown)
{
	AttractionCounts own;
	double		ofItem = RateOfItem(query, itemKey);
	double		prior = sqrt(ofItem * RateOfKind(query, itemKey, ofItem));
	int			number = NumberIn(&query->ofItems->keys, itemKey);
	const AttractionCounts *counts = number >= 0 ? &query->ofItems->counts[number] : NULL;
	double		examined;

	if (counts == NULL && query->ofItems->cut)
		counts = CountsOf(query, query->query, itemKey, &own);
	*unknown = 1;
	if (counts == NULL)
		return prior;
	examined = Examined(query->examination, counts);
	/* the standard error of the rate, of that of the prior alone */
	*unknown = sqrt(PRIOR_WEIGHT / (examined + PRIOR_WEIGHT));
	return Believe(counts, examined, prior);
}

/* How each item attracts after a query. */
bool
AttractionScore(const text *query, const int64 *itemKeys, int count, ItemReader *items, Snapshot snapshot,
				const AttractionPast *past, double *scores, double *unknown)
{
	text	   *words = QueryRead(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query));
	QueryCounts *counts = palloc(sizeof(QueryCounts));
	double		usual;
	bool		known;

	counts->past = past;
	counts->reader = past ? NULL : AttractionOpen(snapshot);
	counts->examination = ExaminationGet();
	counts->items = items;
	counts->query = words != NULL ? QueryKey(words) : 0;
	if (past == NULL)
		AttractionExpect(counts->reader, itemKeys, count);
	ReadQuery(counts);
	known = counts->ofItems->keys.count > 0;
	usual = LogOdds(counts->examination->rate);
	for (int i = 0; i < count; i++)
	{
		double		rate = RateOf(counts, itemKeys[i], &unknown[i]);

		scores[i] = LogOdds(Min(rate, 0.99)) - usual;
	}
	if (past == NULL)
		AttractionClose(counts->reader);
	pfree(counts);
	return known;
}

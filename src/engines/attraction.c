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

/*
 * So many items of a query are read for its categories' rates.  Keys are hashes, or numbers
 * in no order of use, so that the first are as good as any.
 */
#define MOST_ITEMS 256

/* What came of showing items, or categories, by their numbers among the keys. */
typedef struct ChosenTable
{
	KeySet		keys;
	AttractionCounts counts[MOST_ITEMS];
} ChosenTable;

/* What is looked up for a query. */
typedef struct QueryCounts
{
	const AttractionPast *past; /* NULL: what the reader reads */
	AttractionReader *reader;
	const Examination *examination;
	ItemReader *items;
	int64		query;			/* 0: it has no words */
	ChosenTable *ofItems;
	ChosenTable *ofCategories;
	bool		cut;			/* the query has more items */
} QueryCounts;

/* A table of them. */
static ChosenTable *
MakeTable(void)
{
	ChosenTable *table = palloc(sizeof(ChosenTable));

	KeySetInit(&table->keys, MOST_ITEMS);
	return table;
}

/* Add counts to those of a key. */
static void
AddTo(ChosenTable *table, int64 key, const AttractionCounts *more)
{
	int			known = table->keys.count;
	int			number = KeySetNumber(&table->keys, key);
	AttractionCounts *counts = &table->counts[number];

	if (number == known)
	{
		*counts = *more;
		return;
	}
	for (int place = 0; place < ATTRACTION_PLACES; place++)
		counts->shown[place] += more->shown[place];
	counts->clicked += more->clicked;
}

/* The counts of a key; NULL: there are none. */
static const AttractionCounts *
FindIn(const ChosenTable *table, int64 key)
{
	const KeySetEntry *entry = table->keys.count > 0 ? keyset_lookup(table->keys.table, key) : NULL;

	return entry ? &table->counts[entry->number] : NULL;
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
		examined += examination->ofBucket[place] * Max(counts->shown[place], 0);
	return Max(examined, counts->clicked);
}

/* A rate that is believed as far as there is reason to. */
static double
Believe(const Examination *examination, const AttractionCounts *counts, double prior)
{
	if (counts == NULL)
		return prior;
	return (counts->clicked + PRIOR_WEIGHT * prior) / (Examined(examination, counts) + PRIOR_WEIGHT);
}

/* The logarithm of the odds. */
static double
LogOdds(double rate)
{
	return log(rate / (1 - rate));
}

/* Take in an item of the query; false once there are too many. */
static bool
AddItem(QueryCounts *query, int number, int64 itemKey, const AttractionCounts *counts)
{
	int64		category;

	query->cut = number >= MOST_ITEMS;
	if (query->cut)
		return false;
	AddTo(query->ofItems, itemKey, counts);
	if ((category = CategoryOf(query->items, itemKey)) != 0)
		AddTo(query->ofCategories, category, counts);
	return true;
}

/* Read what came of a query by item and by category. */
static void
ReadQuery(QueryCounts *query)
{
	AttractionCounts counts;
	int64		itemKey;
	int			number = 0;

	AttractionSeek(query->reader, query->query);
	while (AttractionNext(query->reader, &itemKey, &counts) && AddItem(query, number++, itemKey, &counts))
		;
}

/* The same of the past. */
static void
ReadPastQuery(QueryCounts *query)
{
	const int64 *itemKeys;
	const AttractionCounts *const *counts;
	int			count = AttractionPastItems(query->past, query->query, &itemKeys, &counts);

	for (int i = 0; i < count && AddItem(query, i, itemKeys[i], counts[i]); i++)
		;
}

/* What there is of an item after a query; own is room for it; NULL: nothing. */
static const AttractionCounts *
CountsOf(const QueryCounts *query, int64 queryKey, int64 itemKey, AttractionCounts *own)
{
	if (query->past != NULL)
		return AttractionPastOf(query->past, queryKey, itemKey);
	return AttractionOf(query->reader, queryKey, itemKey, own) ? own : NULL;
}

/* The rate of an item after the query, and how little is known of it. */
static double
RateOf(QueryCounts *query, int64 itemKey, double *unknown)
{
	AttractionCounts own;
	int64		category = CategoryOf(query->items, itemKey);
	double		ofItem = Believe(query->examination, CountsOf(query, ATTRACTION_ANY_QUERY, itemKey, &own),
								 query->examination->rate);
	double		ofKind = ofItem;
	const AttractionCounts *counts = FindIn(query->ofItems, itemKey);

	if (category != 0)
		ofKind = Believe(query->examination, FindIn(query->ofCategories, category), ofItem);
	if (counts == NULL && query->cut)
		counts = CountsOf(query, query->query, itemKey, &own);
	/* the standard error of the rate, of that of the prior alone */
	*unknown = counts ? sqrt(PRIOR_WEIGHT / (Examined(query->examination, counts) + PRIOR_WEIGHT)) : 1;
	return Believe(query->examination, counts, sqrt(ofItem * ofKind));
}

/* How each item attracts after a query. */
bool
AttractionScore(const text *query, const int64 *itemKeys, int count, ItemReader *items, Snapshot snapshot,
				const AttractionPast *past, double *scores, double *unknown)
{
	text	   *words = QueryRead(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query));
	QueryCounts counts = {
		.past = past,.reader = past ? NULL : AttractionOpen(snapshot),.examination = ExaminationGet(),.items = items,
		.query = words != NULL ? QueryKey(words) : 0,
		.ofItems = MakeTable(),.ofCategories = MakeTable()
	};
	bool		known;

	if (past == NULL)
		AttractionExpect(counts.reader, itemKeys, count);
	if (counts.query != 0 && past != NULL)
		ReadPastQuery(&counts);
	else if (counts.query != 0)
		ReadQuery(&counts);
	known = counts.ofItems->keys.count > 0;
	for (int i = 0; i < count; i++)
		scores[i] = LogOdds(Min(RateOf(&counts, itemKeys[i], &unknown[i]), 0.99)) - LogOdds(counts.examination->rate);
	if (past == NULL)
		AttractionClose(counts.reader);
	pfree(counts.ofItems);
	pfree(counts.ofCategories);
	return known;
}

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

#include "base/key.h"
#include "compat.h"
#include "exposures/attraction_read.h"
#include "exposures/query.h"
#include "utils/hsearch.h"

/* So often an item must have been looked at for its own rate to count by half. */
#define PRIOR_WEIGHT 20

/* How often an item is chosen of which nobody knows anything. */
#define PRIOR_RATE 0.05

/*
 * How likely a place is looked at: slot^-0.9 of its bucket's slots (EventSlotBucket), in their
 * geometric middle; where it was not told, the mean of the first ten.
 */
static const double examination[ATTRACTION_PLACES] = {
	0.322, 1, 0.536, 0.372, 0.287, 0.190, 0.107, 0.0587, 0.0305
};

/* What came of showing something. */
typedef struct Chosen
{
	int64		key;			/* an item, or a category; 0: no category */
	int64		shown[ATTRACTION_PLACES];
	int64		clicked;
} Chosen;

/* A table of them. */
static HTAB *
MakeTable(const char *name)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(Chosen),.hcxt = CurrentMemoryContext};

	return hash_create(name, 128, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Add a row to what there is of a key. */
static void
Add(Chosen *chosen, const AttractionRow *row)
{
	if (row->place >= 0 && row->place < ATTRACTION_PLACES)
		chosen->shown[row->place] += row->shown;
	chosen->clicked += row->clicked;
}

/* Add what there is of an item to the entry of a key. */
static void
AddTo(HTAB *table, int64 key, const Chosen *more)
{
	bool		found;
	Chosen	   *chosen = hash_search(table, &key, HASH_ENTER, &found);

	if (!found)
		*chosen = (Chosen) {.key = key};
	for (int place = 0; place < ATTRACTION_PLACES; place++)
		chosen->shown[place] += more->shown[place];
	chosen->clicked += more->clicked;
}

/* The key of an item's category; 0: it has none. */
static int64
CategoryOf(ItemReader *items, int64 itemKey)
{
	const ItemInfo *item = ItemReaderGet(items, itemKey);

	return item != NULL && item->category != NULL ? KeyFromText(item->category) : 0;
}

/* A rate that is believed as far as there is reason to. */
static double
Believe(const Chosen *chosen, double prior)
{
	double		examined = 0;

	if (chosen == NULL)
		return prior;
	for (int place = 0; place < ATTRACTION_PLACES; place++)
		examined += examination[place] * Max(chosen->shown[place], 0);
	return (chosen->clicked + PRIOR_WEIGHT * prior) / (Max(examined, chosen->clicked) + PRIOR_WEIGHT);
}

/* The logarithm of the odds. */
static double
LogOdds(double rate)
{
	return log(rate / (1 - rate));
}

/* What came of showing an item after any query. */
static Chosen
ReadItem(AttractionReader *reader, int64 itemKey)
{
	Chosen		chosen = {.key = itemKey};
	AttractionRow row;

	AttractionSeekItem(reader, ATTRACTION_ANY_QUERY, itemKey);
	while (AttractionNext(reader, &row))
		Add(&chosen, &row);
	return chosen;
}

/* Read what came of a query by item and by category; the rows of an item follow one another. */
static void
ReadQuery(AttractionReader *reader, int64 query, ItemReader *items, HTAB *ofItems, HTAB *ofCategories)
{
	AttractionRow row;
	Chosen		item = {0};
	bool		begun = false;
	bool		more;

	AttractionSeekQuery(reader, query);
	do
	{
		more = AttractionNext(reader, &row);
		if (begun && (!more || row.itemKey != item.key))
		{
			int64		category = CategoryOf(items, item.key);

			AddTo(ofItems, item.key, &item);
			if (category != 0)
				AddTo(ofCategories, category, &item);
		}
		if (more && (!begun || row.itemKey != item.key))
			item = (Chosen) {.key = row.itemKey};
		if (more)
			Add(&item, &row);
		begun = true;
	} while (more);
}

/* How each item attracts after a query. */
bool
AttractionScore(const text *query, const int64 *itemKeys, int count, ItemReader *items, Snapshot snapshot, double *scores)
{
	text	   *words = QueryRead(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query));
	HTAB	   *ofItems = MakeTable("personalize attraction of items");
	HTAB	   *ofCategories = MakeTable("personalize attraction of categories");
	AttractionReader *reader = AttractionOpen(snapshot);
	bool		known;

	if (words != NULL)
		ReadQuery(reader, QueryKey(words), items, ofItems, ofCategories);
	known = hash_get_num_entries(ofItems) > 0;
	for (int i = 0; i < count; i++)
	{
		Chosen		ofAny = ReadItem(reader, itemKeys[i]);
		int64		category = CategoryOf(items, itemKeys[i]);
		double		ofItem = Believe(&ofAny, PRIOR_RATE);
		double		ofKind = ofItem;
		double		rate;

		if (category != 0)
			ofKind = Believe(hash_search(ofCategories, &category, HASH_FIND, NULL), ofItem);
		rate = Believe(hash_search(ofItems, &itemKeys[i], HASH_FIND, NULL), sqrt(ofItem * ofKind));
		scores[i] = LogOdds(Min(rate, 0.99)) - LogOdds(PRIOR_RATE);
	}
	AttractionClose(reader);
	hash_destroy(ofItems);
	hash_destroy(ofCategories);
	return known;
}

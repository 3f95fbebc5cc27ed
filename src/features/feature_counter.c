/*
 * feature_counter.c
 *		What is counted of items, of what they have in common, and of queries, over all people.
 *
 * Nothing is kept for it: item_stat has the events of each item by the hour, search_stat
 * what was shown for each query by the day, both as sums of people who allow analytics,
 * out of which each person can be taken again.  What items have in common, a category, a
 * brand, a tag, is what the catalogue says now, and is added up when it is asked for; so
 * is the whole shop.  Items cost an index scan, all others one over the panes of the
 * longest period that the view asks for.
 */
#include "postgres.h"

#include "features/feature_counter.h"

#include "access/stratnum.h"
#include "base/choice.h"
#include "base/keyed.h"
#include "catalog/pg_type_d.h"
#include "events/event.h"
#include "exposures/query.h"
#include "items/item.h"
#include "items/item_stat_fold.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

/* The one shop there is. */
#define SHOP_ID "shop"

const char *const FeatureQueryCounters[FEATURE_QUERY_COUNTERS] = {"shown", "clicked", "carted", "bought"};

/* Columns of item_stat, in order; src/items/item_stat.sql. */
typedef enum StatColumn
{
	STAT_PANE_START,
	STAT_ITEM_KEY,
	STAT_CURRENCY_CODE,
	STAT_EVENT,
	STAT_SLOT_BUCKET,
	STAT_COUNT,
	STAT_AMOUNT
} StatColumn;

/* Columns of search_stat, in order; src/exposures/exposure.sql. */
typedef enum SearchColumn
{
	SEARCH_QUERY_KEY,
	SEARCH_ITEM_KEY,
	SEARCH_DAY,
	SEARCH_PLACE_BUCKET,
	SEARCH_SHOWN				/* and the others of FeatureQueryCounters */
} SearchColumn;

/* Whether an item is of the entity. */
typedef struct ItemMatch
{
	int64		itemKey;		/* hash key, first */
	bool		matches;
} ItemMatch;

/* Counters being collected. */
typedef struct Collection
{
	FeatureEntity entity;
	const text *id;
	int64		itemKey;
	Snapshot	snapshot;
	TimestampTz since;			/* panes that start later; DT_NOBEGIN: all */
	TimestampTz now;			/* and not after this */
	bool		decays;			/* something the view asks for does */
	HTAB	   *counters;
	ItemReader *items;
	HTAB	   *matches;		/* NULL: all items are */
} Collection;

/* The longest period that a view asks for. */
static void
NoteSince(const FeatureNode *node, void *arg)
{
	Collection *collection = arg;
	bool		isBounded = node->kind != FEATURE_ITEM_EVENTS ||
	(node->term.period > 0 && node->term.measure != AGGREGATE_DECAYED);
	TimestampTz since = collection->now - node->term.period;

	collection->decays |= node->kind == FEATURE_ITEM_EVENTS && node->term.measure == AGGREGATE_DECAYED;
	if (!isBounded)
		collection->since = DT_NOBEGIN;
	else if (node->kind == FEATURE_ITEM_EVENTS && since < collection->since)
		collection->since = since;
}

/* Add to a counter. */
static void
Count(Collection *collection, TimestampTz start, int what, int currency, int64 count, int64 amount)
{
	FeatureCounter wanted = {.key = {start, what, currency}};
	FeatureCounter *counter;
	bool		found;

	counter = hash_search(collection->counters, &wanted.key, HASH_ENTER, &found);
	if (!found)
		counter->count = counter->amount = 0;
	counter->count += count;
	counter->amount += amount;
}

/* True if a text is the id. */
static bool
IsId(const Collection *collection, const text *value)
{
	return value != NULL && VARSIZE_ANY_EXHDR(value) == VARSIZE_ANY_EXHDR(collection->id) &&
		memcmp(VARDATA_ANY(value), VARDATA_ANY(collection->id), VARSIZE_ANY_EXHDR(value)) == 0;
}

/* True if the id is one of an item's tags. */
static bool
IsTag(const Collection *collection, ArrayType *tags)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (tags == NULL)
		return false;
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i] && IsId(collection, DatumGetTextPP(values[i])))
			return true;
	return false;
}

/* True if an item is of the entity, as the catalogue has it. */
static bool
Matches(Collection *collection, int64 itemKey)
{
	ItemMatch  *match;
	const ItemInfo *item;
	bool		found;

	if (collection->matches == NULL)
		return true;
	match = hash_search(collection->matches, &itemKey, HASH_ENTER, &found);
	if (found)
		return match->matches;
	item = ItemReaderGet(collection->items, itemKey);
	match->matches = item != NULL &&
		(collection->entity == FEATURE_ENTITY_CATEGORY ? IsId(collection, item->category) :
		 collection->entity == FEATURE_ENTITY_BRAND ? IsId(collection, item->brand) : IsTag(collection, item->tags));
	return match->matches;
}

/* Take a row of item_stat. */
static void
TakeStat(Collection *collection, TupleTableSlot *slot)
{
	TimestampTz start;

	slot_getallattrs(slot);
	start = DatumGetTimestampTz(slot->tts_values[STAT_PANE_START]);
	if (start <= collection->since || start > collection->now ||
		!Matches(collection, DatumGetInt64(slot->tts_values[STAT_ITEM_KEY])))
		return;
	Count(collection, start, DatumGetInt16(slot->tts_values[STAT_EVENT]), DatumGetInt32(slot->tts_values[STAT_CURRENCY_CODE]),
		  DatumGetInt64(slot->tts_values[STAT_COUNT]), DatumGetInt64(slot->tts_values[STAT_AMOUNT]));
}

/* Read the counters of one item, or of many. */
static void
ReadStats(Collection *collection)
{
	bool		ofItem = collection->entity == FEATURE_ENTITY_ITEM;
	KeyedTable *table = KeyedOpen("item_stat", ofItem ? "item_stat_item_key_idx" : "item_stat_pkey", AccessShareLock);
	Datum		key = ofItem ? Int64GetDatum(collection->itemKey) : TimestampTzGetDatum(collection->since);
	TupleTableSlot *slot;

	KeyedSeek(table, collection->snapshot, 1, &key, ofItem ? BTEqualStrategyNumber : BTGreaterStrategyNumber);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		TakeStat(collection, slot);
	}
	KeyedClose(table);
}

/* Read the counters of the items that have something in common. */
static void
ReadStatsOfMany(Collection *collection)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(ItemMatch),.hcxt = CurrentMemoryContext};

	collection->items = ItemReaderBegin(collection->snapshot);
	collection->matches = hash_create("personalize items of features", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ReadStats(collection);
	ItemReaderEnd(collection->items);
	hash_destroy(collection->matches);
}

/* Read the counters of a query, if enough people have searched it to tell of it. */
static void
ReadSearches(Collection *collection)
{
	text	   *words = QueryRead(VARDATA_ANY(collection->id), VARSIZE_ANY_EXHDR(collection->id));
	Datum		key;
	KeyedTable *table;
	TupleTableSlot *slot;

	if (words == NULL || !QueryIsShown(QueryKey(words)))
		return;
	key = Int64GetDatum(QueryKey(words));
	table = KeyedOpen("search_stat", "search_stat_pkey", AccessShareLock);
	KeyedSeek(table, collection->snapshot, 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		TimestampTz start;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		start = (TimestampTz) DatumGetDateADT(slot->tts_values[SEARCH_DAY]) * USECS_PER_DAY;
		for (int i = 0; i < FEATURE_QUERY_COUNTERS && start > collection->since && start <= collection->now; i++)
			Count(collection, start, i, 0, DatumGetInt64(slot->tts_values[SEARCH_SHOWN + i]), 0);
	}
	KeyedClose(table);
}

/* Order counters by time, then by what they are. */
static int
CompareCounters(const void *left, const void *right)
{
	const FeatureCounter *a = left;
	const FeatureCounter *b = right;

	if (a->key.start != b->key.start)
		return a->key.start < b->key.start ? -1 : 1;
	if (a->key.what != b->key.what)
		return a->key.what - b->key.what;
	return a->key.currency < b->key.currency ? -1 : a->key.currency > b->key.currency;
}

/* The counters that were collected, those of nothing left out. */
static void
TakeCounters(HTAB *table, FeatureCounters *result)
{
	HASH_SEQ_STATUS sequence;
	FeatureCounter *counter;

	result->counters = palloc_array(FeatureCounter, hash_get_num_entries(table) + 1);
	hash_seq_init(&sequence, table);
	while ((counter = hash_seq_search(&sequence)) != NULL)
		if (counter->count != 0)
			result->counters[result->count++] = *counter;
	qsort(result->counters, result->count, sizeof(FeatureCounter), CompareCounters);
}

/* Complain of the id of the shop, which has one only. */
static void
CheckShop(const text *id)
{
	if (VARSIZE_ANY_EXHDR(id) != strlen(SHOP_ID) || memcmp(VARDATA_ANY(id), SHOP_ID, strlen(SHOP_ID)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no shop: a view of the whole shop is read for '%s'", text_to_cstring(id), SHOP_ID)));
}

/* Read what a view needs of an entity, as far back as it needs that at the time, or all. */
static FeatureCounters *
Load(const FeatureView *view, const text *id, int64 itemKey, TimestampTz now, bool all, Snapshot snapshot)
{
	FeatureCounters *result = palloc0_object(FeatureCounters);
	Collection	collection = {.entity = view->entity,.id = id,.itemKey = itemKey,.snapshot = snapshot,.since = now,.now = now};
	HASHCTL		control = {
		.keysize = sizeof(((FeatureCounter *) NULL)->key),.entrysize = sizeof(FeatureCounter),.hcxt = CurrentMemoryContext
	};

	if (view->entity == FEATURE_ENTITY_SHOP)
		CheckShop(id);
	for (int i = 0; i < view->count; i++)
		FeatureEach(view->features[i].node, NoteSince, &collection);
	if (collection.decays || all)
		result->daysBefore = view->entity == FEATURE_ENTITY_QUERY ? DT_NOEND : ItemStatFoldedBefore();
	if (collection.since == now)
		return result;
	result->period = collection.since == DT_NOBEGIN ? 0 : now - collection.since;
	if (all)
		collection.since = DT_NOBEGIN;
	/* panes later than the one that holds it, and never earlier than those there can be */
	if (collection.since != DT_NOBEGIN)
		collection.since -= (collection.since % USECS_PER_HOUR + USECS_PER_HOUR) % USECS_PER_HOUR;
	collection.counters = hash_create("personalize counters of features", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	if (view->entity == FEATURE_ENTITY_QUERY)
		ReadSearches(&collection);
	else if (view->entity == FEATURE_ENTITY_ITEM || view->entity == FEATURE_ENTITY_SHOP)
		ReadStats(&collection);
	else
		ReadStatsOfMany(&collection);
	TakeCounters(collection.counters, result);
	hash_destroy(collection.counters);
	return result;
}

/* Read what a view needs of an entity. */
FeatureCounters *
FeatureCountersLoad(const FeatureView *view, const text *id, int64 itemKey, TimestampTz now, Snapshot snapshot)
{
	return Load(view, id, itemKey, now, false, snapshot);
}

/* The same of all times. */
FeatureCounters *
FeatureCountersLoadAll(const FeatureView *view, const text *id, int64 itemKey, TimestampTz last, Snapshot snapshot)
{
	return Load(view, id, itemKey, last, true, snapshot);
}

/* What of a node is counted. */
int
FeatureCounterOf(const FeatureNode *node, FeatureEntity entity)
{
	return entity == FEATURE_ENTITY_QUERY ? ChoiceFind(node->name, FeatureQueryCounters, FEATURE_QUERY_COUNTERS) :
		EventTypeLookup(node->name, strlen(node->name));
}

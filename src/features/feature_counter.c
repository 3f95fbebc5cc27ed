/*
 * feature_counter.c
 *		What is counted of items, of what they have in common, and of queries, over all people.
 *
 * Nothing is kept for it: item_stat has the events of each item by the hour, search_stat
 * what was shown for each query by the day, both as sums of people who allow analytics,
 * out of which each person can be taken again.  What items have in common, a category, a
 * brand, a tag, is what the catalogue says now, and is added up when it is asked for; so
 * is the whole shop.  Items cost an index scan, all others one over the panes of the
 * longest period that the view asks for, and so do many of these at once.
 */
#include "postgres.h"

#include "features/feature_counter.h"

#include "access/stratnum.h"
#include "base/choice.h"
#include "base/grow.h"
#include "base/key.h"
#include "base/key_sort.h"
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
	SEARCH_SHOWN				/* and the others of SignalQueryCounters */
} SearchColumn;

/* Of which wanted entities an item is. */
typedef struct ItemMatch
{
	int64		itemKey;		/* hash key, first */
	int			count;
	int64	   *entities;
} ItemMatch;

/* Counters being collected. */
typedef struct Collection
{
	FeatureEntity entity;
	const text *id;
	int64		key;			/* of the id; 0: those of many are */
	const KeySet *wanted;		/* keys of many; NULL: all there are */
	Snapshot	snapshot;
	TimestampTz since;			/* panes that start later; DT_NOBEGIN: all */
	TimestampTz now;			/* and not after this */
	bool		decays;			/* something the view asks for does */
	HTAB	   *counters;
	ItemReader *items;
	HTAB	   *matches;		/* of items; NULL: all count */
	MemoryContext matchContext;
	KeySort    *sort;			/* takes counters that memory has no room for; NULL: all stay */
} Collection;

/* Counters of many entities, by entity and as in CompareCounters. */
struct FeatureGathering
{
	FeatureCounters shape;		/* of each */
	KeySort		sort;
	const Datum *next;			/* NULL: no more */
};

/* Columns of its sort, the first four its keys. */
typedef enum GatherColumn
{
	GATHER_ENTITY,
	GATHER_START,
	GATHER_WHAT,
	GATHER_CURRENCY,
	GATHER_COUNT,
	GATHER_AMOUNT
} GatherColumn;
#define GATHER_KEYS 4
#define GATHER_COLUMNS 6

/* Of a counter in the table. */
#define BYTES_PER_COUNTER (sizeof(FeatureCounter) + 24)

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

/* Begin to collect. */
static HTAB *
CreateCounters(void)
{
	HASHCTL		control = {
		.keysize = sizeof(((FeatureCounter *) NULL)->key),.entrysize = sizeof(FeatureCounter),.hcxt = CurrentMemoryContext
	};

	return hash_create("personalize counters of features", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Have the sort take what was collected. */
static void
Flush(Collection *collection)
{
	HASH_SEQ_STATUS sequence;
	FeatureCounter *counter;

	hash_seq_init(&sequence, collection->counters);
	while ((counter = hash_seq_search(&sequence)) != NULL)
	{
		Datum		values[GATHER_COLUMNS] = {
			Int64GetDatum(counter->key.entity), TimestampTzGetDatum(counter->key.start), Int64GetDatum(counter->key.what),
			Int64GetDatum(counter->key.currency), Int64GetDatum(counter->count), Int64GetDatum(counter->amount)
		};

		KeySortPut(collection->sort, values, NULL);
	}
	hash_destroy(collection->counters);
	collection->counters = CreateCounters();
}

/* Add to a counter. */
static void
Count(Collection *collection, int64 entity, TimestampTz start, int what, int currency, int64 count, int64 amount)
{
	FeatureCounter wanted = {.key = {entity, start, what, currency}};
	FeatureCounter *counter;
	bool		found;

	counter = hash_search(collection->counters, &wanted.key, HASH_ENTER, &found);
	if (!found)
		counter->count = counter->amount = 0;
	counter->count += count;
	counter->amount += amount;
	if (!found && collection->sort != NULL &&
		hash_get_num_entries(collection->counters) * BYTES_PER_COUNTER > (Size) work_mem * 1024 / 2)
		Flush(collection);
}

/* An item is of an entity. */
static void
AddMatch(const Collection *collection, ItemMatch *match, int64 key)
{
	if (collection->key != 0 ? key != collection->key : collection->wanted != NULL && !KeySetHas(collection->wanted, key))
		return;
	for (int i = 0; i < match->count; i++)
		if (match->entities[i] == key)
			return;
	match->entities[match->count++] = key;
}

/* An item is of as many entities as it has tags. */
static void
AddTags(const Collection *collection, ItemMatch *match, ArrayType *tags)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (tags == NULL)
		return;
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	match->entities = palloc_array(int64, Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			AddMatch(collection, match, KeyFromText(DatumGetTextPP(values[i])));
}

/* The entities an item is of, as the catalogue has it. */
static void
FindMatches(Collection *collection, ItemMatch *match)
{
	const ItemInfo *item = ItemReaderGet(collection->items, match->itemKey);
	int64		key;

	match->count = 0;
	if (item == NULL)
		return;
	if (collection->entity == FEATURE_ENTITY_TAG)
	{
		AddTags(collection, match, item->tags);
		return;
	}
	key = collection->entity == FEATURE_ENTITY_CATEGORY ? item->categoryKey : item->brandKey;
	match->entities = palloc_array(int64, 1);
	if (key != 0)
		AddMatch(collection, match, key);
}

/* The same, once for each item. */
static const ItemMatch *
MatchOf(Collection *collection, int64 itemKey)
{
	bool		found;
	ItemMatch  *match = hash_search(collection->matches, &itemKey, HASH_ENTER, &found);
	MemoryContext caller;

	if (found)
		return match;
	caller = MemoryContextSwitchTo(collection->matchContext);
	FindMatches(collection, match);
	MemoryContextSwitchTo(caller);
	return match;
}

/* Take a row of item_stat, for an entity. */
static void
TakeStatOf(Collection *collection, int64 entity, TupleTableSlot *slot)
{
	Count(collection, entity, DatumGetTimestampTz(slot->tts_values[STAT_PANE_START]),
		  DatumGetInt16(slot->tts_values[STAT_EVENT]), DatumGetInt32(slot->tts_values[STAT_CURRENCY_CODE]),
		  DatumGetInt64(slot->tts_values[STAT_COUNT]), DatumGetInt64(slot->tts_values[STAT_AMOUNT]));
}

/* The same, for all it is of. */
static void
TakeStat(Collection *collection, TupleTableSlot *slot)
{
	const ItemMatch *match;
	TimestampTz start;

	slot_getallattrs(slot);
	start = DatumGetTimestampTz(slot->tts_values[STAT_PANE_START]);
	if (start <= collection->since || start > collection->now)
		return;
	if (collection->matches == NULL)
	{
		TakeStatOf(collection, 0, slot);
		return;
	}
	match = MatchOf(collection, DatumGetInt64(slot->tts_values[STAT_ITEM_KEY]));
	for (int i = 0; i < match->count; i++)
		TakeStatOf(collection, collection->key != 0 ? 0 : match->entities[i], slot);
}

/* Read the counters of one item, or of many. */
static void
ReadStats(Collection *collection)
{
	bool		ofItem = collection->entity == FEATURE_ENTITY_ITEM;
	KeyedTable *table = KeyedOpen("item_stat", ofItem ? "item_stat_item_key_idx" : "item_stat_pkey", AccessShareLock);
	Datum		key = ofItem ? Int64GetDatum(collection->key) : TimestampTzGetDatum(collection->since);
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
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(ItemMatch)};

	control.hcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize items of features", ALLOCSET_DEFAULT_SIZES);
	collection->matchContext = control.hcxt;
	collection->items = ItemReaderBegin(collection->snapshot);
	collection->matches = hash_create("personalize items of features", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ReadStats(collection);
	ItemReaderEnd(collection->items);
	MemoryContextDelete(collection->matchContext);
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
		for (int i = 0; i < SIGNAL_QUERY_COUNTERS && start > collection->since && start <= collection->now; i++)
			Count(collection, 0, start, i, 0, DatumGetInt64(slot->tts_values[SEARCH_SHOWN + i]), 0);
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

/* Find out how far back a view needs counters, or have all of them, and of what shape they are. */
static void
Plan(Collection *collection, const FeatureView *view, bool all, FeatureCounters *shape)
{
	collection->entity = view->entity;
	collection->since = collection->now;
	for (int i = 0; i < view->count; i++)
		FeatureEach(view->features[i].node, NoteSince, collection);
	if (collection->decays || all)
		shape->daysBefore = view->entity == FEATURE_ENTITY_QUERY ? DT_NOEND : ItemStatFoldedBefore();
	if (collection->since == collection->now)
		return;
	shape->period = collection->since == DT_NOBEGIN ? 0 : collection->now - collection->since;
	if (all)
		collection->since = DT_NOBEGIN;
	/* panes later than the one that holds it, and never earlier than those there can be */
	if (collection->since != DT_NOBEGIN)
		collection->since -= (collection->since % USECS_PER_HOUR + USECS_PER_HOUR) % USECS_PER_HOUR;
}

/* Read what a view needs of an entity, as far back as it needs that at the time, or all. */
static FeatureCounters *
Load(const FeatureView *view, const text *id, int64 key, TimestampTz now, bool all, Snapshot snapshot)
{
	FeatureCounters *result = palloc0_object(FeatureCounters);
	Collection	collection = {.id = id,.key = key,.snapshot = snapshot,.now = now};

	if (view->entity == FEATURE_ENTITY_SHOP)
		CheckShop(id);
	Plan(&collection, view, all, result);
	if (collection.since == now)
		return result;
	collection.counters = CreateCounters();
	if (view->entity == FEATURE_ENTITY_QUERY)
		ReadSearches(&collection);
	else if (FeatureEntityIsShared(view->entity))
		ReadStatsOfMany(&collection);
	else
		ReadStats(&collection);
	TakeCounters(collection.counters, result);
	hash_destroy(collection.counters);
	return result;
}

/* Read what a view needs of an entity. */
FeatureCounters *
FeatureCountersLoad(const FeatureView *view, const text *id, int64 key, TimestampTz now, Snapshot snapshot)
{
	return Load(view, id, key, now, false, snapshot);
}

/* The same of all times. */
FeatureCounters *
FeatureCountersLoadAll(const FeatureView *view, const text *id, int64 key, TimestampTz last, Snapshot snapshot)
{
	return Load(view, id, key, last, true, snapshot);
}

/* Read the counters of many. */
FeatureGathering *
FeatureGatheringBegin(const FeatureView *view, const KeySet *wanted, TimestampTz last, bool all, Snapshot snapshot)
{
	static const Oid types[GATHER_COLUMNS] = {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID};
	FeatureGathering *gathering = palloc0_object(FeatureGathering);
	Collection	collection = {.wanted = wanted,.snapshot = snapshot,.now = last,.sort = &gathering->sort};

	KeySortBegin(&gathering->sort, types, GATHER_COLUMNS, GATHER_KEYS, work_mem / 2);
	Plan(&collection, view, all, &gathering->shape);
	if (collection.since != last)
	{
		collection.counters = CreateCounters();
		ReadStatsOfMany(&collection);
		Flush(&collection);
		hash_destroy(collection.counters);
	}
	KeySortPerform(&gathering->sort);
	gathering->next = KeySortNext(&gathering->sort);
	return gathering;
}

/* The counter that is next. */
static FeatureCounter
NextCounter(const FeatureGathering *gathering)
{
	return (FeatureCounter) {
		.key = {
			.start = DatumGetTimestampTz(gathering->next[GATHER_START]),
			.what = (int32) DatumGetInt64(gathering->next[GATHER_WHAT]),
			.currency = (int32) DatumGetInt64(gathering->next[GATHER_CURRENCY])
		},
		.count = DatumGetInt64(gathering->next[GATHER_COUNT]),
		.amount = DatumGetInt64(gathering->next[GATHER_AMOUNT])
	};
}

/* Add one to those of an entity; what came in several parts is one, and what is nothing is none. */
static void
AddCounter(FeatureCounters *counters, int *room, FeatureCounter counter)
{
	FeatureCounter *last = counters->count > 0 ? &counters->counters[counters->count - 1] : NULL;

	if (last != NULL && CompareCounters(last, &counter) == 0)
	{
		last->count += counter.count;
		last->amount += counter.amount;
		return;
	}
	if (last != NULL && last->count == 0)
		counters->count--;
	GrowArray(counters->counters, counters->count + 1, *room, 64);
	counters->counters[counters->count++] = counter;
}

/* Those of an entity, in the current memory context. */
FeatureCounters *
FeatureGatheringRead(FeatureGathering *gathering, int64 key)
{
	FeatureCounters *result = palloc_object(FeatureCounters);
	int			room = 64;

	*result = gathering->shape;
	result->counters = palloc_array(FeatureCounter, room);
	for (; gathering->next != NULL; gathering->next = KeySortNext(&gathering->sort))
	{
		int64		entity = DatumGetInt64(gathering->next[GATHER_ENTITY]);

		CHECK_FOR_INTERRUPTS();
		if (entity > key)
			break;
		if (entity == key)
			AddCounter(result, &room, NextCounter(gathering));
	}
	if (result->count > 0 && result->counters[result->count - 1].count == 0)
		result->count--;
	return result;
}

/* End it. */
void
FeatureGatheringEnd(FeatureGathering *gathering)
{
	KeySortEnd(&gathering->sort);
}

/* The signal that a node of a view names. */
const ScopedSignal *
FeatureScopedSignal(const char *name, FeatureEntity entity, const SignalSet *signals)
{
	const ScopedSignal *signal = SignalFindScoped(signals, name);

	return signal != NULL && (int) signal->scope == (int) entity ? signal : NULL;
}

/* The place of what an event is for queries; -1: they do not count it. */
static int
QueryCounterOf(int event)
{
	for (int i = 0; i < SIGNAL_QUERY_COUNTERS; i++)
		if (SignalQueryEvents[i] == event)
			return i;
	return -1;
}

/* What a signal counts. */
static FeatureCounting
CountingOfSignal(const ScopedSignal *signal)
{
	FeatureCounting counting = {.ofValue = signal->ofValue,.halfLife = signal->halfLife};

	if (!signal->enabled)
		return counting;
	counting.uses = palloc_array(ScopedUse, signal->useCount + 1);
	for (int i = 0; i < signal->useCount; i++)
	{
		ScopedUse	use = signal->uses[i];

		if (signal->scope == SIGNAL_SCOPE_QUERY)
			use.event = QueryCounterOf(use.event);
		if (use.event >= 0)
			counting.uses[counting.count++] = use;
	}
	return counting;
}

/* What a node counts. */
FeatureCounting
FeatureCountingOf(const FeatureNode *node, FeatureEntity entity, const SignalSet *signals)
{
	const ScopedSignal *signal = FeatureScopedSignal(node->name, entity, signals);
	FeatureCounting counting = {.isPlain = true,.ofValue = true};
	int			what;

	if (signal != NULL)
		return CountingOfSignal(signal);
	what = entity == FEATURE_ENTITY_QUERY ? ChoiceFind(node->name, SignalQueryCounters, SIGNAL_QUERY_COUNTERS) :
		EventTypeLookup(node->name, strlen(node->name));
	if (what >= 0)
	{
		counting.count = 1;
		counting.uses = palloc_object(ScopedUse);
		*counting.uses = (ScopedUse) {what, FEATURE_SUM_UNIT};
	}
	return counting;
}

/*
 * popular.c
 *		What is popular now: lists that do not depend on a person.
 *
 * An item's score is the sum over its events of weight * 2^(-age / half-life), with
 * the age counted from the middle of the hour an event is counted in to that of the
 * present hour, or to the present once that is later.  So all scores decay alike, and
 * an order once found holds until new events are counted.
 *
 * Engines fall back on such lists when they know too little, which may be for
 * every visitor of a new shop, so the processor item_stat keeps them ready, for each
 * half-life that is asked for (popular_use.c), with the time their scores are of
 * (kept_list.c says when).  What may be returned at all is checked when it is.  A backend
 * keeps lists that it has unpacked for as long as their rows are the same (RowMarkHolds).
 */
#include "postgres.h"

#include "items/popular.h"

#include <math.h>

#include "base/interval.h"
#include "base/key.h"
#include "base/key_set.h"
#include "base/keyed.h"
#include "base/row_place.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "items/kept_list.h"
#include "items/popular_use.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Hours older than this many half-lives (0.1 %) are left out. */
#define MAX_HALF_LIVES 10

/* Lists are known by the key of their category; this one, which no text is likely to have, by none. */
#define ALL_CATEGORIES INT64CONST(-1)

/* Columns of _popular. */
typedef enum PopularColumn
{
	POPULAR_HALF_LIFE_KEY,
	POPULAR_CATEGORY_KEY,
	POPULAR_CATEGORY,
	POPULAR_AS_OF,
	POPULAR_ITEMS,
	POPULAR_SCORES
} PopularColumn;

/*
 * The decayed sums per item: from $1 to $2, half-life $3 in seconds.  What is
 * summed are whole parts of 10^-10, so the sum does not depend on the order of rows.
 * Purchases that were all refunded may leave some, no more than are lost by
 * rounding; such an item has no score.
 */
#define TRENDING_SQL \
	"SELECT s.item_key, s.score, i.category FROM (" \
	" SELECT v.item_key, sum(v.value)::float8 / 1e10 AS score, count(*) AS rows FROM (" \
	"  SELECT t.item_key, greatest(-9e18, least(9e18, 1e10::float8 * t.count * e.weight::float8 * power(2::float8, -greatest(0," \
	"    extract(epoch FROM $2 - t.pane_start)::float8 -" \
	"    CASE WHEN t.pane_start < f.folded_before THEN 43200 ELSE 1800 END) / $3)))::bigint AS value" \
	"   FROM personalize.item_stat t JOIN personalize.event_type e USING (event)" \
	"   LEFT JOIN personalize._item_stat_fold f ON true" \
	"   WHERE t.pane_start > $1 AND t.pane_start <= $2 AND e.weight <> 0) v" \
	"  GROUP BY v.item_key) s" \
	" LEFT JOIN personalize.item i ON i.item_key = s.item_key" \
	" WHERE s.score > 0.5e-10 * s.rows"

/* A list as it is stored. */
typedef struct StoredList
{
	TimestampTz asOf;			/* of the scores */
	int			count;
	PopularItem *items;
} StoredList;

/*
 * So many lists a backend keeps, each in the one place it can have: one of all takes
 * 16 kB, one of a category a tenth of that.
 */
#define KNOWN_LISTS 256

/* A list that the backend keeps. */
typedef struct KnownList
{
	Oid			table;			/* InvalidOid: none that may be used again */
	int64		halfLife;
	int64		categoryKey;
	RowMark		mark;
	uint64		reading;		/* each time a list is read has another number */
	StoredList	list;
} KnownList;

/* Copy the (item_key, score) rows of SPI's result into a context. */
static PopularList
CopyRows(MemoryContext context)
{
	PopularList list;
	PopularItem *items = MemoryContextAlloc(context, sizeof(PopularItem) * Max(SPI_processed, 1));
	bool		isNull;

	list.count = (int) SPI_processed;
	for (int i = 0; i < list.count; i++)
	{
		items[i].itemKey = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
		items[i].score = DatumGetFloat8(SpiUtilValue(i, 2, &isNull));
	}
	list.items = items;
	list.left = 1;
	list.cut = list.faded = false;
	return list;
}

/* Up to when events grow old: to the middle of the hour at least. */
static TimestampTz
AgeUntil(TimestampTz now)
{
	return Max(now, IntervalPeriods(now, USECS_PER_HOUR) * USECS_PER_HOUR + USECS_PER_HOUR / 2);
}

/* Fill in the time span and half-life of TRENDING_SQL. */
static void
SetTrendingValues(TimestampTz now, int64 halfLife, Datum *values)
{
	TimestampTz until = AgeUntil(now);
	double		since = (double) until - (double) halfLife * MAX_HALF_LIVES - USECS_PER_HOUR / 2;

	values[0] = TimestampTzGetDatum(since > (double) MIN_TIMESTAMP ? (TimestampTz) since : MIN_TIMESTAMP);
	values[1] = TimestampTzGetDatum(until);
	values[2] = Float8GetDatum((double) halfLife / USECS_PER_SEC);
}

/* Items by the decayed sum of their events' weights. */
PopularList
PopularTrending(const PopularQuery *query)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, FLOAT8OID, TEXTOID, INT4OID};
	Datum		values[5];
	char		nulls[5] = {' ', ' ', ' ', ' ', ' '};
	MemoryContext context = CurrentMemoryContext;
	PopularList list;
	SpiUtilScope scope;

	SetTrendingValues(query->now, query->halfLife, values);
	values[3] = PointerGetDatum(query->category);
	values[4] = Int32GetDatum(query->n);
	if (query->category == NULL)
		nulls[3] = 'n';
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   TRENDING_SQL " AND (i.available AND NOT i.hidden) IS NOT FALSE AND ($4 IS NULL OR i.category = $4)"
			   " ORDER BY s.score DESC, s.item_key LIMIT $5",
			   lengthof(types), types, values, nulls, true);
	list = CopyRows(context);
	SpiUtilEnd(&scope);
	return list;
}

/* The elements of an array of eight-byte numbers, which has no nulls. */
static const void *
GetNumbers(Datum value, int *count)
{
	ArrayType  *array = DatumGetArrayTypeP(value);

	if (ARR_HASNULL(array))
		elog(ERROR, "null in a list of _popular");
	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return ARR_DATA_PTR(array);
}

/* Unpack the list in a row of _popular, into a memory context. */
static void
ReadList(TupleTableSlot *slot, StoredList *list, MemoryContext context)
{
	const int64 *keys;
	const double *scores;
	int			scoreCount;

	slot_getallattrs(slot);
	list->asOf = DatumGetTimestampTz(slot->tts_values[POPULAR_AS_OF]);
	keys = GetNumbers(slot->tts_values[POPULAR_ITEMS], &list->count);
	scores = GetNumbers(slot->tts_values[POPULAR_SCORES], &scoreCount);
	list->items = MemoryContextAlloc(context, sizeof(PopularItem) * Max(list->count, 1));
	for (int i = 0; i < list->count; i++)
		list->items[i] = (PopularItem) {keys[i], i < scoreCount ? scores[i] : 0};
}

/* What is left of the scores of a list: a factor. */
static double
WhatIsLeft(const StoredList *stored, const PopularQuery *query)
{
	return exp2(-((double) AgeUntil(query->now) - (double) stored->asOf) / (double) query->halfLife);
}

/* A list with the scores that are left of those of its time. */
static void
AgeList(const StoredList *stored, const PopularQuery *query, PopularList *list)
{
	double		left = WhatIsLeft(stored, query);
	PopularItem *items = palloc(sizeof(PopularItem) * Max(stored->count, 1));

	memcpy(items, stored->items, sizeof(PopularItem) * stored->count);
	list->count = stored->count;
	list->items = items;
	list->left = left;
	list->faded = left < exp2(-MAX_HALF_LIVES);
	list->cut = list->count >= (query->category ? POPULAR_MAX_OF_CATEGORY : POPULAR_MAX_ITEMS);
}

/* The place where the backend keeps a list. */
static KnownList *
KnownPlace(int64 halfLife, int64 categoryKey)
{
	static KnownList *known = NULL;

	if (known == NULL)
		known = MemoryContextAllocZero(TopMemoryContext, sizeof(KnownList) * KNOWN_LISTS);
	return &known[KeySpread((int64) ((uint64) categoryKey + (uint64) halfLife)) % KNOWN_LISTS];
}

/* Keep the list in the slot; what it is is told by its row's mark, and without one it is not believed. */
static void
KeepList(KnownList *place, Relation table, Snapshot snapshot, int64 halfLife, int64 categoryKey, TupleTableSlot *slot)
{
	static uint64 readings = 0;

	place->table = InvalidOid;
	place->reading = ++readings;
	if (place->list.items != NULL)
		pfree(place->list.items);
	place->list.items = NULL;
	ReadList(slot, &place->list, TopMemoryContext);
	place->halfLife = halfLife;
	place->categoryKey = categoryKey;
	if (RowMarkTake(table, snapshot, slot, &place->mark))
		place->table = RelationGetRelid(table);
}

/* True if the list is the one that is known. */
static bool
IsKnown(const KnownList *place, Relation table, Snapshot snapshot, int64 halfLife, int64 categoryKey)
{
	return place->table == RelationGetRelid(table) && place->halfLife == halfLife &&
		place->categoryKey == categoryKey && RowMarkHolds(table, snapshot, &place->mark);
}

/* Find the kept list of a category, or of all; NULL if there is none. */
static const KnownList *
FindList(KeyedTable *table, const PopularQuery *query, Snapshot snapshot, const text *category)
{
	int64		categoryKey = category ? KeyFromExactText(category) : ALL_CATEGORIES;
	Datum		keys[2] = {Int64GetDatum(query->halfLife), Int64GetDatum(categoryKey)};
	KnownList  *place = KnownPlace(query->halfLife, categoryKey);
	TupleTableSlot *slot;

	if (!IsKnown(place, KeyedRelation(table), snapshot, query->halfLife, categoryKey))
	{
		slot = KeyedSeekOne(table, snapshot, lengthof(keys), keys);
		if (slot == NULL)
			return NULL;
		KeepList(place, KeyedRelation(table), snapshot, query->halfLife, categoryKey, slot);
	}
	return place;
}

/* What is trending now, in a category or at all. */
bool
PopularKept(const PopularQuery *query, Snapshot snapshot, PopularList *list)
{
	KeyedTable *table = KeyedOpen("_popular", "_popular_pkey", AccessShareLock);
	const KnownList *found = FindList(table, query, snapshot, query->category);
	bool		kept = found != NULL;

	memset(list, 0, sizeof(PopularList));
	if (found != NULL)
		AgeList(&found->list, query, list);
	else if (query->category != NULL)
		kept = FindList(table, query, snapshot, NULL) != NULL;
	KeyedClose(table);
	return kept;
}

/* The scores of a list by item, of the last list that they were asked of. */
typedef struct ScoresByItem
{
	uint64		reading;		/* of the list; 0: of none */
	KeySet		keys;
	double	   *scores;
} ScoresByItem;

static ScoresByItem byItem = {0};

/* Have them by item. */
static void
IndexScores(const KnownList *place)
{
	static MemoryContext context = NULL;
	const StoredList *list = &place->list;
	MemoryContext caller;

	byItem.reading = 0;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "personalize trending", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	caller = MemoryContextSwitchTo(context);
	KeySetInit(&byItem.keys, list->count);
	byItem.scores = palloc_array(double, Max(list->count, 1));
	for (int i = 0; i < list->count; i++)
		byItem.scores[KeySetNumber(&byItem.keys, list->items[i].itemKey)] = list->items[i].score;
	MemoryContextSwitchTo(caller);
	byItem.reading = place->reading;
}

/* The scores of all that is trending now, by item. */
bool
PopularKeptScores(const PopularQuery *query, Snapshot snapshot, PopularScores *scores)
{
	KeyedTable *table = KeyedOpen("_popular", "_popular_pkey", AccessShareLock);
	const KnownList *found = FindList(table, query, snapshot, NULL);

	KeyedClose(table);
	if (found == NULL)
		return false;
	if (byItem.reading != found->reading)
		IndexScores(found);
	scores->keys = byItem.keys;
	scores->scores = byItem.scores;
	scores->left = WhatIsLeft(&found->list, query);
	return true;
}

/* Write the lists of a half-life that have changed by more than their age. */
static void
WriteLists(TimestampTz now, int64 halfLife)
{
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, FLOAT8OID, INT4OID, INT4OID, INT8OID, INT8OID};
	Datum		values[7];

	SetTrendingValues(now, halfLife, values);
	values[3] = Int32GetDatum(POPULAR_MAX_ITEMS);
	values[4] = Int32GetDatum(POPULAR_MAX_OF_CATEGORY);
	values[5] = Int64GetDatum(ALL_CATEGORIES);
	values[6] = Int64GetDatum(halfLife);
	/* a worker was seen stuck in a plan made for a few items when there were 200,000 */
	SpiUtilRunOnce("WITH trending AS MATERIALIZED (" TRENDING_SQL "),"
			   " best AS ("
			   " SELECT $6 AS category_key, NULL::text AS category, * FROM ("
			   "  SELECT item_key, score FROM trending ORDER BY score DESC, item_key LIMIT $4) a"
			   " UNION ALL"
			   " SELECT personalize_internal._exact_key(category), category, item_key, score FROM ("
			   "  SELECT *, row_number() OVER (PARTITION BY category ORDER BY score DESC, item_key) AS place"
			   "  FROM trending WHERE category IS NOT NULL) c WHERE place <= $5),"
			   " fresh AS ("
			   " SELECT category_key, category, array_agg(item_key ORDER BY score DESC, item_key) AS items,"
			   "  array_agg(score ORDER BY score DESC, item_key) AS scores FROM best GROUP BY 1, 2),"
			   " gone AS ("
			   " DELETE FROM personalize._popular p WHERE p.half_life = $7"
			   " AND NOT EXISTS (SELECT FROM fresh f WHERE f.category_key = p.category_key))"
			   " INSERT INTO personalize._popular AS p (half_life, category_key, category, as_of, items, scores)"
			   " SELECT $7, category_key, category, $2, items, scores FROM fresh ORDER BY category_key"
			   " ON CONFLICT (half_life, category_key) DO UPDATE"
			   " SET as_of = EXCLUDED.as_of, items = EXCLUDED.items, scores = EXCLUDED.scores"
			   " WHERE p.items IS DISTINCT FROM EXCLUDED.items OR EXISTS ("
			   "  SELECT FROM unnest(p.scores, EXCLUDED.scores) AS s (before, now)"
			   "  WHERE (abs(s.before * power(2::float8,"
			   "    -least(100, extract(epoch FROM EXCLUDED.as_of - p.as_of)::float8 / $3)) - s.now) > 1e-7 * s.now) IS NOT FALSE)",
			   lengthof(types), types, values, NULL, false);
}

/* Write the lists of all half-lives in use, and drop those of others. */
static void
WriteAllLists(void)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	int64		used[POPULAR_USE_MAX + 1] = {POPULAR_HALF_LIFE};
	Datum		keys[POPULAR_USE_MAX + 1];
	Datum		values[1];
	int			count = 1 + PopularUseRead(used + 1);
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < count; i++)
	{
		keys[i] = Int64GetDatum(used[i]);
		WriteLists(now, used[i]);
	}
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilRun(&plan, "DELETE FROM personalize._popular WHERE half_life <> ALL ($1)",
			   lengthof(types), types, values, NULL, false);
}

/* Have the lists kept. */
void
PopularInit(void)
{
	static const KeptList list = {.name = "trending",.madeOf = "item_stat",.write = WriteAllLists};

	KeptListRegister(&list);
	PopularUseInit();
}

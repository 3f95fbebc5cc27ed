/*
 * attraction_past.c
 *		The counts of _attraction as they were on days of the past, in memory.
 *
 * Whoever learns from a page must not see what came of it, nor of later ones, so the days
 * are counted one after the other, and pages read those before their own.
 */
#include "postgres.h"

#include "exposures/attraction_past.h"

#include "base/interval.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/hsearch.h"

/* A row of search_stat. */
typedef struct DayRow
{
	int64		query;
	int64		itemKey;
	int64		shown;
	int64		clicked;
	DateADT		day;
	int16		place;
} DayRow;

/* What has been counted of an item after a query. */
typedef struct PastKey
{
	int64		query;
	int64		itemKey;
} PastKey;

typedef struct PastEntry
{
	PastKey		key;
	AttractionCounts counts;
} PastEntry;

/* The items of a query, by key. */
typedef struct PastQuery
{
	int64		query;
	int			count;
	int			capacity;
	int64	   *itemKeys;
	const AttractionCounts **counts;
} PastQuery;

struct AttractionPast
{
	MemoryContext context;
	HTAB	   *entries;
	HTAB	   *queries;
	int64		rowCount;
	int64		next;			/* the first that is not counted */
	DayRow	   *rows;			/* by day */
};

#define DAYS_SQL \
	"SELECT s.day, 0::bigint, s.item_key, s.place_bucket, sum(s.shown)::bigint, sum(s.clicked)::bigint" \
	" FROM personalize.search_stat AS s WHERE s.day < $2 GROUP BY 1, 3, 4" \
	" UNION ALL" \
	" SELECT s.day, s.query_key, s.item_key, s.place_bucket, s.shown, s.clicked" \
	" FROM personalize.search_stat AS s WHERE s.day < $2 AND s.query_key = ANY ($1)" \
	" ORDER BY 1"

/* The day of a time. */
static DateADT
DayOf(TimestampTz at)
{
	return (DateADT) IntervalPeriods(at, USECS_PER_DAY);
}

/* Take over the rows that SPI has found. */
static void
TakeRows(AttractionPast *past, uint64 count)
{
	past->rows = MemoryContextAllocHuge(past->context, sizeof(DayRow) * Max(count, 1));
	for (uint64 i = 0; i < count; i++)
	{
		bool		isNull;

		past->rows[i] = (DayRow) {
			.day = DatumGetDateADT(SpiUtilValue(i, 1, &isNull)),
			.query = DatumGetInt64(SpiUtilValue(i, 2, &isNull)),
			.itemKey = DatumGetInt64(SpiUtilValue(i, 3, &isNull)),
			.place = DatumGetInt16(SpiUtilValue(i, 4, &isNull)),
			.shown = DatumGetInt64(SpiUtilValue(i, 5, &isNull)),
			.clicked = DatumGetInt64(SpiUtilValue(i, 6, &isNull))
		};
	}
	past->rowCount = count;
}

/* Read what is to be counted. */
AttractionPast *
AttractionPastRead(const int64 *queries, int count, TimestampTz until)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, DATEOID};
	Datum	   *keys = palloc_extended(sizeof(Datum) * Max(count, 1), MCXT_ALLOC_HUGE);
	AttractionPast *past = palloc0(sizeof(AttractionPast));
	HASHCTL		entryControl = {.keysize = sizeof(PastKey),.entrysize = sizeof(PastEntry),.hcxt = CurrentMemoryContext};
	HASHCTL		queryControl = {.keysize = sizeof(int64),.entrysize = sizeof(PastQuery),.hcxt = CurrentMemoryContext};
	Datum		values[2];
	SpiUtilScope scope;

	past->context = CurrentMemoryContext;
	past->entries = hash_create("personalize counts of the past", 1024, &entryControl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	past->queries = hash_create("personalize queries of the past", 256, &queryControl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < count; i++)
		keys[i] = Int64GetDatum(queries[i]);
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = DateADTGetDatum(DayOf(until));
	SpiUtilBegin(&scope);
	TakeRows(past, SpiUtilRun(&plan, DAYS_SQL, lengthof(types), types, values, NULL, true));
	SpiUtilEnd(&scope);
	pfree(keys);
	return past;
}

/* Put an item among those of its query. */
static void
AddItem(AttractionPast *past, PastEntry *entry)
{
	bool		found;
	PastQuery  *query = hash_search(past->queries, &entry->key.query, HASH_ENTER, &found);
	int			place;

	if (!found)
	{
		query->count = 0;
		query->capacity = 16;
		query->itemKeys = MemoryContextAlloc(past->context, sizeof(int64) * query->capacity);
		query->counts = MemoryContextAlloc(past->context, sizeof(AttractionCounts *) * query->capacity);
	}
	if (query->count == query->capacity)
	{
		query->capacity *= 2;
		query->itemKeys = repalloc_huge(query->itemKeys, sizeof(int64) * query->capacity);
		query->counts = repalloc_huge(query->counts, sizeof(AttractionCounts *) * query->capacity);
	}
	for (place = query->count; place > 0 && query->itemKeys[place - 1] > entry->key.itemKey; place--)
	{
		query->itemKeys[place] = query->itemKeys[place - 1];
		query->counts[place] = query->counts[place - 1];
	}
	query->itemKeys[place] = entry->key.itemKey;
	query->counts[place] = &entry->counts;
	query->count++;
}

/* Count a row. */
static void
CountRow(AttractionPast *past, const DayRow *row)
{
	PastKey		key = {row->query, row->itemKey};
	bool		found;
	PastEntry  *entry = hash_search(past->entries, &key, HASH_ENTER, &found);

	if (!found)
	{
		memset(&entry->counts, 0, sizeof(AttractionCounts));
		/* those after any query are only asked for one by one */
		if (row->query != ATTRACTION_ANY_QUERY)
			AddItem(past, entry);
	}
	if (row->place >= 0 && row->place < ATTRACTION_PLACES)
		entry->counts.shown[row->place] += row->shown;
	entry->counts.clicked += row->clicked;
}

/* Count the days before that of a time. */
void
AttractionPastAdvance(AttractionPast *past, TimestampTz at)
{
	DateADT		day = DayOf(at);

	while (past->next < past->rowCount && past->rows[past->next].day < day)
	{
		CHECK_FOR_INTERRUPTS();
		CountRow(past, &past->rows[past->next++]);
	}
}

/* What there is of an item after a query. */
const AttractionCounts *
AttractionPastOf(const AttractionPast *past, int64 query, int64 itemKey)
{
	PastKey		key = {query, itemKey};
	const PastEntry *entry = hash_search(past->entries, &key, HASH_FIND, NULL);

	return entry ? &entry->counts : NULL;
}

/* The items of a query by key. */
int
AttractionPastItems(const AttractionPast *past, int64 query, const int64 **itemKeys,
					const AttractionCounts *const **counts)
{
	const PastQuery *found = hash_search(past->queries, &query, HASH_FIND, NULL);

	if (found == NULL)
		return 0;
	*itemKeys = found->itemKeys;
	*counts = found->counts;
	return found->count;
}

/*
 * page_log.c
 *		Pages that people were shown after queries, and what followed.
 *
 * Whatever engine answered, and whether one of ours did: a page is an impression with a
 * query.  Its items are ordered by place, pages by time, so that the same events give the
 * same log.
 */
#include "postgres.h"

#include "training/page_log.h"

#include "base/progress.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "engines/conversion.h"
#include "events/event.h"
#include "events/event_places.h"
#include "exposures/attraction_past.h"
#include "miscadmin.h"
#include "neighbours/session_history.h"
#include "people/consent.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Pages between tellings of how far it is. */
#define PROGRESS_PAGES 100

/* 10: a purchase, 6: put into a cart (event_type.event) */
#define PAGES_SQL \
	"WITH page AS (" \
	"  SELECT e.user_key, e.request_key, e.query_key, min(e.shown_at) AS shown_at FROM personalize.exposure AS e" \
	"  WHERE e.query_key <> 0 AND e.shown_at >= $1 AND e.shown_at < $2 GROUP BY 1, 2, 3)," \
	" chosen AS (" \
	"  SELECT p.user_key, p.request_key, p.query_key, p.shown_at, q.query" \
	"  FROM page AS p JOIN personalize.search_query AS q ON q.query_key = p.query_key" \
	"  WHERE NOT $4 OR EXISTS (SELECT FROM personalize.exposure_outcome AS o" \
	"    JOIN personalize.exposure AS e ON e.user_key = o.user_key AND e.request_key = o.attributed_to AND e.item_key = o.item_key" \
	"    WHERE o.user_key = p.user_key AND o.attributed_to = p.request_key AND e.query_key = p.query_key)" \
	"  ORDER BY hashint8extended(p.request_key, 0), p.user_key, p.request_key, p.query_key LIMIT $3)" \
	" SELECT c.user_key, c.shown_at, c.query_key, c.query, i.items, i.slots, i.labels, i.scores FROM chosen AS c, LATERAL (" \
	"  SELECT array_agg(e.item_key ORDER BY e.slot, e.item_key) AS items, array_agg(e.slot ORDER BY e.slot, e.item_key) AS slots," \
	"   array_agg(e.score ORDER BY e.slot, e.item_key) AS scores," \
	"   array_agg(coalesce((SELECT max(CASE o.event WHEN 10 THEN 3 WHEN 6 THEN 2 ELSE 1 END)" \
	"    FROM personalize.exposure_outcome AS o WHERE o.user_key = e.user_key AND o.attributed_to = e.request_key" \
	"     AND o.item_key = e.item_key), 0)::smallint ORDER BY e.slot, e.item_key) AS labels" \
	"  FROM personalize.exposure AS e" \
	"  WHERE e.user_key = c.user_key AND e.request_key = c.request_key AND e.query_key = c.query_key) AS i" \
	" ORDER BY c.shown_at, c.user_key, c.request_key, c.query_key"

/* True if a person's pages may be used, as the active snapshot sees it. */
static bool
MayBeUsed(int64 userKey)
{
	return (ConsentMaskOf(userKey) & ~RestrictionOf(userKey) & PURPOSE_ANALYTICS) != 0;
}

/* The elements of an array without nulls, which are copied. */
static void *
CopyElements(Datum array, size_t size, int *count)
{
	ArrayType  *elements = DatumGetArrayTypeP(array);
	void	   *copy;

	*count = ArrayGetNItems(ARR_NDIM(elements), ARR_DIMS(elements));
	copy = palloc(Max(*count, 1) * size);
	memcpy(copy, ARR_DATA_PTR(elements), *count * size);
	return copy;
}

/* A row that SPI has found. */
static LoggedPage
ReadPage(uint64 row)
{
	LoggedPage	logged = {0};
	bool		isNull;

	logged.page.userKey = DatumGetInt64(SpiUtilValue(row, 1, &isNull));
	logged.page.at = DatumGetTimestampTz(SpiUtilValue(row, 2, &isNull));
	logged.queryKey = DatumGetInt64(SpiUtilValue(row, 3, &isNull));
	logged.page.query = DatumGetTextPCopy(SpiUtilValue(row, 4, &isNull));
	logged.page.itemKeys = CopyElements(SpiUtilValue(row, 5, &isNull), sizeof(int64), &logged.page.count);
	logged.slots = CopyElements(SpiUtilValue(row, 6, &isNull), sizeof(int16), &logged.page.count);
	logged.labels = CopyElements(SpiUtilValue(row, 7, &isNull), sizeof(int16), &logged.page.count);
	logged.page.scores = CopyElements(SpiUtilValue(row, 8, &isNull), sizeof(float4), &logged.page.count);
	return logged;
}

/* Read pages. */
PageLog *
PageLogRead(const PageLogQuery *query)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, BOOLOID};
	Datum		values[] = {
		TimestampTzGetDatum(query->since), TimestampTzGetDatum(query->until), Int64GetDatum(query->maxPages),
		BoolGetDatum(query->chosen)
	};
	MemoryContext caller = CurrentMemoryContext;
	PageLog    *log = palloc0(sizeof(PageLog));
	SpiUtilScope scope;
	uint64		found;

	log->query = *query;
	SpiUtilBegin(&scope);
	found = SpiUtilRun(&plan, PAGES_SQL, lengthof(types), types, values, NULL, true);
	MemoryContextSwitchTo(caller);
	log->pages = palloc_extended(sizeof(LoggedPage) * Max(found, 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < found; i++)
	{
		LoggedPage	logged = ReadPage(i);

		CHECK_FOR_INTERRUPTS();
		if (!MayBeUsed(logged.page.userKey))
			continue;
		log->pages[log->count++] = logged;
		log->rowCount += logged.page.count;
	}
	SpiUtilEnd(&scope);
	return log;
}

/* The counts of clicks that the pages' queries need. */
static AttractionPast *
ReadCounts(const PageLog *log)
{
	int64	   *queries = palloc_extended(sizeof(int64) * Max(log->count, 1), MCXT_ALLOC_HUGE);
	KeySet		known;
	int			count = 0;

	KeySetInit(&known, log->count);
	for (int i = 0; i < log->count; i++)
		if (KeySetAdd(&known, log->pages[i].queryKey))
			queries[count++] = log->pages[i].queryKey;
	return AttractionPastRead(queries, count, log->query.until);
}

/* Without one of these nobody's past is looked up. */
#define HISTORY_PURPOSES (PURPOSE_RECOMMENDATIONS | PURPOSE_PERSONALIZATION)

/*
 * Where the raw events are of those whose past may be looked up, until the last page; pages are in
 * the order of their times.  NULL: they are too many.
 */
static EventPlaces *
ReadPlaces(const PageLog *log)
{
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.allDays = true,.keysOnly = true,.withoutIndex = true};
	KeySet		people;
	EventPlaces *places;
	EventScan  *scan;
	EventRow	row;
	TimestampTz last = log->count > 0 ? log->pages[log->count - 1].page.at : DT_NOBEGIN;
	bool		fits = true;

	KeySetInit(&people, log->count);
	for (int i = 0; i < log->count; i++)
		if ((ConsentMaskOf(log->pages[i].page.userKey) & HISTORY_PURPOSES) != 0)
			KeySetAdd(&people, log->pages[i].page.userKey);
	places = EventPlacesMake(&people);
	scan = EventScanBegin(&options);
	while (fits && EventScanNext(scan, &row))
	{
		EventPlace	place = {.ts = row.ts};

		CHECK_FOR_INTERRUPTS();
		EventScanPlace(scan, &place.partition, &place.tid);
		if (row.ts <= last)
			fits = EventPlacesAdd(places, row.userKey, &place);
	}
	EventScanEnd(scan);
	return fits ? places : NULL;
}

/* The counts of purchases that the pages' items need; pages are in the order of their times. */
static ConversionPast *
ReadConversion(const PageLog *log)
{
	int64	   *itemKeys = palloc_extended(sizeof(int64) * Max(log->rowCount, 1), MCXT_ALLOC_HUGE);
	KeySet		known;
	int			count = 0;

	KeySetInit(&known, 1024);
	for (int i = 0; i < log->count; i++)
		for (int j = 0; j < log->pages[i].page.count; j++)
			if (KeySetAdd(&known, log->pages[i].page.itemKeys[j]))
				itemKeys[count++] = log->pages[i].page.itemKeys[j];
	return log->count == 0 ? NULL :
		ConversionPastRead(itemKeys, count, log->pages[0].page.at, log->pages[log->count - 1].page.at);
}

/* Where everybody's sessions are; pages are in the order of their times; NULL: they are too many. */
static SessionHistory *
ReadSessions(const PageLog *log)
{
	return log->count == 0 ? NULL : SessionHistoryRead(GetActiveSnapshot(), log->pages[log->count - 1].page.at);
}

/* Give pages their features. */
void
PageLogFill(PageLog *log, const Variant *variant, bool retrieves)
{
	double	   *matrix = palloc_extended(sizeof(double) * SEARCH_FEATURE_COUNT * Max(log->rowCount, 1), MCXT_ALLOC_HUGE);
	AttractionPast *clicks = ReadCounts(log);
	SearchPast	past = {.clicks = clicks,.conversion = ReadConversion(log),.places = ReadPlaces(log),
	.sessions = ReadSessions(log)};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "personalize logged page", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < log->count; i++)
	{
		LoggedPage *logged = &log->pages[i];

		CHECK_FOR_INTERRUPTS();
		AttractionPastAdvance(clicks, logged->page.at);
		MemoryContextSwitchTo(context);
		SearchPageFeatures(variant, retrieves, &past, &logged->page, matrix);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
		logged->rows = matrix;
		matrix += (size_t) SEARCH_FEATURE_COUNT * logged->page.count;
		if ((i + 1) % PROGRESS_PAGES == 0)
			ProgressAdd(PROGRESS_PAGES);
	}
	MemoryContextDelete(context);
	if (past.trendContext != NULL)
		MemoryContextDelete(past.trendContext);
}

#define GONE_SQL \
	"SELECT p.user_key FROM unnest($1) AS p (user_key) WHERE NOT EXISTS (" \
	"SELECT FROM personalize.exposure AS e WHERE e.user_key = p.user_key AND e.query_key <> 0" \
	" AND e.shown_at >= $2 AND e.shown_at < $3)"

/* Those of the people who have no pages any more, or may not be used, as the active snapshot sees it. */
static void
FindGone(const PageLog *log, KeySet *gone)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum	   *keys = palloc_extended(sizeof(Datum) * Max(log->count, 1), MCXT_ALLOC_HUGE);
	KeySet		people;
	Datum		values[3];
	SpiUtilScope scope;
	uint64		found;
	int			count = 0;

	KeySetInit(gone, 0);
	KeySetInit(&people, log->count);
	for (int i = 0; i < log->count; i++)
	{
		int64		userKey = log->pages[i].page.userKey;

		if (!KeySetAdd(&people, userKey))
			continue;
		keys[count++] = Int64GetDatum(userKey);
		if (!MayBeUsed(userKey))
			KeySetAdd(gone, userKey);
	}
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = TimestampTzGetDatum(log->query.since);
	values[2] = TimestampTzGetDatum(log->query.until);
	SpiUtilBegin(&scope);
	found = SpiUtilRun(&plan, GONE_SQL, lengthof(types), types, values, NULL, true);
	for (uint64 i = 0; i < found; i++)
	{
		bool		isNull;

		KeySetAdd(gone, DatumGetInt64(SpiUtilValue(i, 1, &isNull)));
	}
	SpiUtilEnd(&scope);
}

/* Leave out the pages of people whose data may not be used any more. */
bool
PageLogDropGone(PageLog *log)
{
	KeySet		gone;
	int			kept = 0;
	bool		any;

	PushActiveSnapshot(GetLatestSnapshot());
	FindGone(log, &gone);
	PopActiveSnapshot();
	for (int i = 0; i < log->count; i++)
	{
		if (KeySetHas(&gone, log->pages[i].page.userKey))
			log->rowCount -= log->pages[i].page.count;
		else
			log->pages[kept++] = log->pages[i];
	}
	any = kept < log->count;
	log->count = kept;
	return any;
}

/*
 * exposure_expire.c
 *		What was shown before a time goes, and what followed with it; the counters keep it.
 *
 * What is left must be what the counters would be made of anew, and no more than that:
 *
 * - An outcome that names its request may be newer than the time, and so may its raw event.
 *   Its row stays until it is past its time itself, and says that it is counted
 *   (EXPOSURE_ORIGIN_GONE).
 * - A request is counted where its first row was shown, and of the outcomes of which nothing is
 *   known to have been shown the first of each item and kind.  Where that row goes and others
 *   stay, the count goes over to the first of these.
 */
#include "postgres.h"

#include "exposures/exposure_internal.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "exposures/query.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"

/* The rows of exposure that go: shown before $1, at most $2 of them. */
#define DOOMED_SQL \
	"SELECT ARRAY(SELECT e.ctid FROM personalize.exposure AS e WHERE e.shown_at < $1 LIMIT $2)"

/* True of outcomes o of which nothing is known to have been shown. */
#define IS_ALONE \
	"NOT EXISTS (SELECT FROM personalize.exposure AS e WHERE e.user_key = o.user_key" \
	" AND e.request_key = o.attributed_to AND e.item_key = o.item_key)"

/* Who has a part of a request of ours among the rows $2, or of outcomes before $1, and keeps another. */
#define PARTED_SQL \
	"SELECT g.user_key FROM (SELECT e.user_key, e.request_key, count(*) AS gone FROM personalize.exposure AS e" \
	"  WHERE e.ctid = ANY ($2) GROUP BY 1, 2 HAVING max(e.request_origin) <> 0) AS g" \
	" WHERE g.gone < (SELECT count(*) FROM personalize.exposure AS e WHERE e.user_key = g.user_key AND e.request_key = g.request_key)" \
	" UNION SELECT o.user_key FROM personalize.exposure_outcome AS o WHERE o.ts < $1 AND o.request_origin > 0 AND EXISTS (" \
	"  SELECT FROM personalize.exposure_outcome AS s WHERE s.user_key = o.user_key AND s.attributed_to = o.attributed_to" \
	"  AND s.item_key = o.item_key AND s.ts >= $1 AND s.request_origin > 0) AND " IS_ALONE

/*
 * Delete the rows $2, with what is credited to them; and note who is left with fewer requests of
 * a query.  Gives how much it was, and the queries.
 */
#define DELETE_SHOWN_SQL \
	"WITH gone AS (" \
	"  DELETE FROM personalize.exposure AS e WHERE e.ctid = ANY ($2)" \
	"  RETURNING e.user_key, e.request_key, e.item_key, e.query_key)," \
	" followed AS (" \
	"  DELETE FROM personalize.exposure_outcome AS o USING gone AS g" \
	"  WHERE o.user_key = g.user_key AND o.attributed_to = g.request_key AND o.item_key = g.item_key" \
	"  AND (o.ts < $1 OR coalesce(o.request_origin, 0) = 0))," \
	" counted AS (" \
	"  UPDATE personalize.exposure_outcome AS o SET request_origin = " EXPOSURE_ORIGIN_GONE_SQL " FROM gone AS g" \
	"  WHERE o.user_key = g.user_key AND o.attributed_to = g.request_key AND o.item_key = g.item_key" \
	"  AND o.ts >= $1 AND o.request_origin > 0)," \
	" lost AS (" \
	"  SELECT g.user_key, g.query_key, count(*) AS requests FROM (" \
	"   SELECT s.user_key, s.request_key, s.query_key, count(*) AS gone FROM gone AS s" \
	"   WHERE s.query_key <> 0 GROUP BY 1, 2, 3) AS g" \
	"  WHERE g.gone = (SELECT count(*) FROM personalize.exposure AS e" \
	"   WHERE e.user_key = g.user_key AND e.request_key = g.request_key) GROUP BY 1, 2)," \
	" fewer AS (" \
	"  UPDATE personalize._searcher AS s SET requests = s.requests - l.requests FROM lost AS l" \
	"  WHERE s.user_key = l.user_key AND s.query_key = l.query_key)" \
	" SELECT (SELECT count(*) FROM gone), ARRAY(SELECT DISTINCT l.query_key FROM lost AS l)"

/* Delete the rows doomed, what followed, and outcomes before a time; how many rows of exposure it was. */
static int64
DeleteRows(TimestampTz before, Datum doomed)
{
	static SPIPlanPtr shownPlan = NULL;
	static SPIPlanPtr outcomePlan = NULL;
	static SPIPlanPtr searcherPlan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, TIDARRAYOID};
	const Oid	queryTypes[] = {INT8ARRAYOID};
	Datum		values[] = {TimestampTzGetDatum(before), doomed};
	SpiUtilScope scope;
	Datum		queries;
	bool		isNull;
	int64		removed;

	SpiUtilBegin(&scope);
	SpiUtilRun(&shownPlan, DELETE_SHOWN_SQL, 2, types, values, NULL, false);
	removed = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	queries = SpiUtilValue(0, 2, &isNull);
	SpiUtilRun(&outcomePlan, "DELETE FROM personalize.exposure_outcome AS o WHERE o.ts < $1 AND " IS_ALONE,
			   1, types, values, NULL, false);
	SpiUtilRun(&searcherPlan,
			   "WITH gone AS (DELETE FROM personalize._searcher AS s"
			   "  WHERE s.query_key = ANY ($1) AND s.requests <= 0 RETURNING s.query_key)"
			   " UPDATE personalize.search_query AS q SET people = q.people - g.people"
			   " FROM (SELECT s.query_key, count(*) AS people FROM gone AS s GROUP BY 1) AS g WHERE q.query_key = g.query_key",
			   1, queryTypes, &queries, NULL, false);
	QueryForget(queries);
	SpiUtilEnd(&scope);
	return removed;
}

/* The rows that go. */
static Datum
FindDoomed(TimestampTz before, int64 maxRows)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, INT8OID};
	Datum		values[] = {TimestampTzGetDatum(before), Int64GetDatum(maxRows)};
	SpiUtilScope scope;
	Datum		doomed;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, DOOMED_SQL, lengthof(types), types, values, NULL, true);
	doomed = SPI_datumTransfer(SpiUtilValue(0, 1, &isNull), false, -1);
	SpiUtilEnd(&scope);
	return doomed;
}

/* A person of whom a part of something goes that is counted once. */
typedef struct Parted
{
	int64		userKey;
	PersonExposures *before;
} Parted;

/* Who these are, but for those who are not counted. */
static Parted *
FindParted(TimestampTz before, Datum doomed, int *count)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, TIDARRAYOID};
	Datum		values[] = {TimestampTzGetDatum(before), doomed};
	MemoryContext caller = CurrentMemoryContext;
	SpiUtilScope scope;
	Parted	   *people;
	uint64		rows;

	*count = 0;
	SpiUtilBegin(&scope);
	rows = SpiUtilRun(&plan, PARTED_SQL, lengthof(types), types, values, NULL, true);
	people = MemoryContextAllocHuge(caller, sizeof(Parted) * Max(rows, 1));
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isNull;
		int64		userKey = DatumGetInt64(SpiUtilValue(row, 1, &isNull));

		if ((RestrictionOf(userKey) & PURPOSE_ANALYTICS) == 0)
			people[(*count)++] = (Parted) {.userKey = userKey};
	}
	SpiUtilEnd(&scope);
	return people;
}

/* Order what was shown by request. */
static int
CompareRequests(const void *left, const void *right)
{
	int64		a = ((const ShownRow *) left)->now.request;
	int64		b = ((const ShownRow *) right)->now.request;

	return (a > b) - (a < b);
}

/* Keep of the outcomes those of which nothing is known to have been shown. */
static void
KeepAlone(PersonExposures *person)
{
	int			kept = 0;

	for (int i = 0; i < person->outcomeCount; i++)
	{
		const Outcome *what = &person->outcomes[i].what;
		ShownRow	shown = {.now = {.request = what->request,.item = what->item}};

		if (what->request != 0 && what->origin > 0 &&
			(person->shownCount == 0 || bsearch(&shown, person->shown, person->shownCount, sizeof(ShownRow), ExposureCompareShown) == NULL))
			person->outcomes[kept++] = person->outcomes[i];
	}
	person->outcomeCount = kept;
	if (kept > 1)
		qsort(person->outcomes, kept, sizeof(OutcomeRow), ExposureCompareKinds);
}

/* Keep what something is left of. */
static void
KeepParted(PersonExposures *before, const PersonExposures *after)
{
	int			kept = 0;

	for (int i = 0; after->shownCount > 0 && i < before->shownCount; i++)
	{
		if (bsearch(&before->shown[i], after->shown, after->shownCount, sizeof(ShownRow), CompareRequests) != NULL)
			before->shown[kept++] = before->shown[i];
	}
	before->shownCount = kept;
	kept = 0;
	for (int i = 0; after->outcomeCount > 0 && i < before->outcomeCount; i++)
	{
		if (bsearch(&before->outcomes[i], after->outcomes, after->outcomeCount, sizeof(OutcomeRow), ExposureCompareKinds) != NULL)
			before->outcomes[kept++] = before->outcomes[i];
	}
	before->outcomeCount = kept;
}

/* Read people's rows as they are. */
static void
LoadParted(Parted *people, int count)
{
	ExposureTables *tables = ExposureTablesOpen(AccessShareLock, GetActiveSnapshot());

	for (int i = 0; i < count; i++)
	{
		people[i].before = ExposureLoadAll(tables, people[i].userKey);
		KeepAlone(people[i].before);
	}
	ExposureTablesClose(tables);
}

/* What was counted where something went that is counted once goes over to what is left. */
static void
MoveCounts(Parted *people, int count)
{
	ExposureCounts *counts = ExposureCountsBegin();
	ExposureTables *tables;

	ProcessorPushSnapshot();
	tables = ExposureTablesOpen(AccessShareLock, GetActiveSnapshot());
	for (int i = 0; i < count; i++)
	{
		PersonExposures *after = ExposureLoadAll(tables, people[i].userKey);

		KeepAlone(after);
		KeepParted(people[i].before, after);
		ExposureCountsAddOnce(counts, people[i].before, -1);
		ExposureCountsAddOnce(counts, after, 1);
	}
	ExposureTablesClose(tables);
	PopActiveSnapshot();
	ExposureCountsWrite(counts);
}

/* Delete what was shown before a time, and what followed. */
int64
ExposureExpire(TimestampTz before, int64 maxRows)
{
	Datum		doomed = FindDoomed(before, maxRows);
	int			count;
	Parted	   *people = FindParted(before, doomed, &count);
	int64		removed;

	LoadParted(people, count);
	removed = DeleteRows(before, doomed);
	if (count > 0)
		MoveCounts(people, count);
	return removed;
}

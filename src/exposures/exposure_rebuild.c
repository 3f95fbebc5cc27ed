/*
 * exposure_rebuild.c
 *		Counting exposures anew, for the processor.
 *
 * Of the people whose keys fall into some shards the rows go, and what they came to is
 * taken out of the counters; then the people's events come back as new ones do.  That is
 * one transaction, so whoever reads meets whole sums, and what was right before is the
 * same after it.  With the first shard the counters are made what the rows of everybody
 * come to: that holds whatever others have written or will, as each adds to rows and
 * counters alike.
 *
 * What was shown before the time from which it is kept is not counted any more: it and
 * what is credited to it stay, as do the counters of such days, and what tells that an
 * outcome was counted with something that is gone.
 */
#include "postgres.h"

#include "exposures/exposure_internal.h"

#include "base/interval.h"
#include "base/lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/gone.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

/* Read who has rows. */
KeySet
ExposurePeople(void)
{
	static SPIPlanPtr plan = NULL;
	KeySet		people;
	uint64		count;
	MemoryContext caller = CurrentMemoryContext;
	int64	   *keys;
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan, "SELECT user_key FROM personalize.exposure UNION"
					   " SELECT user_key FROM personalize.exposure_outcome", 0, NULL, NULL, NULL, true);
	keys = MemoryContextAllocHuge(caller, sizeof(int64) * Max(count, 1));
	for (uint64 i = 0; i < count; i++)
		keys[i] = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
	SpiUtilEnd(&scope);
	KeySetInit(&people, (int) count);
	for (uint64 i = 0; i < count; i++)
		KeySetAdd(&people, keys[i]);
	pfree(keys);
	return people;
}

/* Add what the rows of people come to, but for those who are not counted. */
void
ExposureCountsAddPeople(ExposureCounts *counts, ExposureTables *tables, const KeySet *people, int times)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext personContext = AllocSetContextCreate(caller, "personalize exposures", ALLOCSET_DEFAULT_SIZES);
	uint64		place = 0;
	int64		userKey;

	while (KeySetNext(people, &place, &userKey))
	{
		CHECK_FOR_INTERRUPTS();
		if ((RestrictionOf(userKey) & PURPOSE_ANALYTICS) != 0)
			continue;
		MemoryContextSwitchTo(personContext);
		ExposureCountsAdd(counts, ExposureLoadAll(tables, userKey), true, times);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(personContext);
	}
	MemoryContextDelete(personContext);
}

/* Add what the stored rows of people come to now. */
static void
CountStored(ExposureCounts *counts, const KeySet *people, int times)
{
	ExposureTables *tables;

	ProcessorPushSnapshot();
	tables = ExposureTablesOpen(AccessShareLock, GetActiveSnapshot());
	ExposureCountsAddPeople(counts, tables, people, times);
	ExposureTablesClose(tables);
	PopActiveSnapshot();
}

/* Make the sums of counters anew. */
static void
RemakeSums(void)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilCommand("DELETE FROM personalize._attraction");
	SpiUtilCommand("INSERT INTO personalize._attraction (query_key, item_key, shown, clicked)"
				   " SELECT q.query_key, s.item_key,"
				   "  personalize_internal._sum_counts(array_fill(0::int8, ARRAY[s.place_bucket::int4]) || s.shown),"
				   "  personalize_internal._sum_counts(array_fill(0::int8, ARRAY[s.place_bucket::int4]) || s.clicked)"
				   " FROM personalize.search_stat AS s, unnest(ARRAY[s.query_key, 0]) AS q (query_key) GROUP BY 1, 2");
	SpiUtilCommand("INSERT INTO personalize.search_query AS q (query_key, people)"
				   " SELECT s.query_key, count(*) FROM personalize._searcher AS s GROUP BY 1 ORDER BY 1"
				   " ON CONFLICT (query_key) DO UPDATE SET people = excluded.people WHERE q.people <> excluded.people");
	SpiUtilCommand("DELETE FROM personalize.search_query AS q"
				   " WHERE NOT EXISTS (SELECT FROM personalize._searcher AS s WHERE s.query_key = q.query_key)");
	SpiUtilEnd(&scope);
}

/* Make the counters what the rows of everybody come to, under one snapshot. */
static void
MendCounters(TimestampTz since)
{
	ExposureCounts *counts = ExposureCountsBegin();
	ExposureTables *tables;
	KeySet		people;

	ProcessorPushSnapshot();
	people = ExposurePeople();
	tables = ExposureTablesOpen(AccessShareLock, GetActiveSnapshot());
	ExposureCountsAddPeople(counts, tables, &people, 1);
	ExposureTablesClose(tables);
	ExposureCountsMend(counts, IntervalPeriods(since, USECS_PER_DAY));
	PopActiveSnapshot();
	RemakeSums();
}

/* Delete the rows of people that are made anew: those that are not past their time. */
static void
DeleteRows(const KeySet *people, TimestampTz since)
{
	static SPIPlanPtr outcomePlan = NULL;
	static SPIPlanPtr shownPlan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TIMESTAMPTZOID};
	Datum		values[] = {KeySetArray(people), TimestampTzGetDatum(since)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&outcomePlan,
			   "DELETE FROM personalize.exposure_outcome AS o WHERE o.user_key = ANY ($1) AND o.ts >= $2"
			   " AND o.request_origin IS DISTINCT FROM " EXPOSURE_ORIGIN_GONE_SQL " AND NOT EXISTS ("
			   "SELECT FROM personalize.exposure AS e WHERE e.user_key = o.user_key"
			   " AND e.request_key = o.attributed_to AND e.item_key = o.item_key AND e.shown_at < $2)",
			   lengthof(types), types, values, NULL, false);
	SpiUtilRun(&shownPlan, "DELETE FROM personalize.exposure AS e WHERE e.user_key = ANY ($1) AND e.shown_at >= $2",
			   lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* Who of the people with rows falls into some shards. */
static KeySet
PeopleOf(const bool *shards)
{
	KeySet		people;
	KeySet		some;
	uint64		place = 0;
	int64		userKey;

	ProcessorPushSnapshot();
	people = ExposurePeople();
	PopActiveSnapshot();
	KeySetInit(&some, 64);
	while (KeySetNext(&people, &place, &userKey))
		if (shards[ShardOfKey(userKey)])
			KeySetAdd(&some, userKey);
	return some;
}

/* Forget what was counted of the people of some shards. */
void
ExposureClear(const bool *shards)
{
	TimestampTz since = GoneExposuresBefore();
	ExposureCounts *counts = ExposureCountsBegin();
	KeySet		people;

	ExposureCountersLock(true);
	if (shards[0])
		MendCounters(since);
	people = PeopleOf(shards);
	CountStored(counts, &people, -1);
	DeleteRows(&people, since);
	CountStored(counts, &people, 1);
	ExposureCountsWrite(counts);
}

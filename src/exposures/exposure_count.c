/*
 * exposure_count.c
 *		Counters of what was shown, and of what came of it.
 *
 * Each impression counts once in each counter, and whether it was clicked, put into a
 * cart or bought, not how often: so rates are shares.  All count on the day, and at the
 * place, where it was shown.  An outcome that names a request of ours in which its item
 * is not known to have been shown counts by what the id says, at place
 * EXPOSURE_PLACE_UNKNOWN, where nothing is shown.
 *
 * All is a sum over requests, in integers: what a person's requests came to before is
 * subtracted, and what they come to now added.  Workers that count other people write
 * the same rows, so each row is locked, in the order of the keys.
 */
#include "postgres.h"

#include "exposures/attraction_counts.h"
#include "exposures/exposure_internal.h"

#include "base/interval.h"
#include "base/lock.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "compat.h"
#include "events/event_measure.h"
#include "exposures/query.h"
#include "exposures/request_id.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "workers/processor_verify.h"

/* engine_stat.place_bucket of what is not known to have been shown. */
#define EXPOSURE_PLACE_UNKNOWN (-1)

/* What is counted, in the order of the columns behind the keys. */
typedef enum ExposureMeasure
{
	MEASURE_SHOWN,
	MEASURE_CLICKED,
	MEASURE_CARTED,
	MEASURE_BOUGHT,
	MEASURE_REQUESTS,
	MEASURE_AMOUNT
} ExposureMeasure;
#define MEASURE_COUNT (MEASURE_AMOUNT + 1)

/* The most columns of a key. */
#define MAX_KEYS 7

/* A counter; unused keys are 0. */
typedef struct Counter
{
	int64		keys[MAX_KEYS];
	int64		counts[MEASURE_COUNT];
} Counter;

/* What is to be added. */
struct ExposureCounts
{
	HTAB	   *engines;		/* engine, variant, module, reason, place, day, currency */
	HTAB	   *searches;		/* query, item, day, place */
	HTAB	   *searchers;		/* query, user; MEASURE_REQUESTS */
};

/* What became of one impression. */
typedef struct Fate
{
	bool		had[OUTCOME_KINDS];
} Fate;

/* A table of counters. */
static HTAB *
MakeCounters(const char *name)
{
	HASHCTL		control = {
		.keysize = sizeof(((Counter *) NULL)->keys),
		.entrysize = sizeof(Counter),
		.hcxt = CurrentMemoryContext
	};

	return hash_create(name, 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Begin to count, in the current memory context. */
ExposureCounts *
ExposureCountsBegin(void)
{
	ExposureCounts *counts = palloc(sizeof(ExposureCounts));

	counts->engines = MakeCounters("personalize engine counters");
	counts->searches = MakeCounters("personalize search counters");
	counts->searchers = MakeCounters("personalize searchers");
	return counts;
}

/* The counts of a key. */
static int64 *
FindCounts(HTAB *counters, const int64 keys[MAX_KEYS])
{
	bool		found;
	Counter    *counter = hash_search(counters, keys, HASH_ENTER, &found);

	if (!found)
		memset(counter->counts, 0, sizeof(counter->counts));
	return counter->counts;
}

/* The day something happened on, since 2000-01-01 UTC. */
static int64
DayOf(TimestampTz at)
{
	return IntervalPeriods(at, USECS_PER_DAY);
}

/* The counts of engine_stat for an origin. */
static int64 *
EngineCounts(ExposureCounts *counts, int64 packed, int reason, int place, TimestampTz at, int32 currency)
{
	RequestOrigin origin;
	int64		keys[MAX_KEYS];

	RequestOriginUnpack(packed, &origin);
	keys[0] = origin.engine;
	keys[1] = origin.variant;
	keys[2] = origin.module;
	keys[3] = reason;
	keys[4] = place;
	keys[5] = DayOf(at);
	keys[6] = currency;
	return FindCounts(counts->engines, keys);
}

/* The counts of engine_stat for something shown: at the place of its answer, or in the answer. */
static int64 *
ShownEngineCounts(ExposureCounts *counts, const Shown *shown, int32 currency)
{
	RequestOrigin origin;

	RequestOriginUnpack(shown->origin, &origin);
	return EngineCounts(counts, shown->origin, shown->reason,
						origin.placeBucket != 0 ? origin.placeBucket : EventSlotBucket(shown->slot > 0, shown->slot),
						shown->at, currency);
}

/* Add what was paid. */
static void
AddAmount(int64 *counts, const Outcome *outcome, int times)
{
	if (pg_add_s64_overflow(counts[MEASURE_AMOUNT], times * outcome->amount, &counts[MEASURE_AMOUNT]))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a counter of engine_stat is out of range")));
}

/* Add an impression and its fate to the counts of a key. */
static void
AddFate(int64 *counts, const Fate *fate, int times)
{
	counts[MEASURE_SHOWN] += times;
	for (int kind = 0; kind < OUTCOME_KINDS; kind++)
		counts[MEASURE_CLICKED + kind] += fate->had[kind] ? times : 0;
}

/* Count one impression. */
static void
CountShown(ExposureCounts *counts, const Shown *shown, const Fate *fate, int times)
{
	if (shown->origin != 0)
		AddFate(ShownEngineCounts(counts, shown, 0), fate, times);
	if (shown->query != 0)
	{
		int64		keys[MAX_KEYS] = {shown->query, shown->item, DayOf(shown->at),
		EventSlotBucket(shown->slot > 0, shown->slot)};

		AddFate(FindCounts(counts->searches, keys), fate, times);
	}
}

/* True if something stands before something else in its request. */
static bool
StandsBefore(const Shown *a, const Shown *b)
{
	if (a->slot != b->slot)
		return a->slot < b->slot;
	return a->at != b->at ? a->at < b->at : a->item < b->item;
}

/* Count a request once for each of its reasons, and its query; shown has count rows of it. */
static void
CountRequest(ExposureCounts *counts, int64 userKey, const Shown **shown, int count, int times)
{
	const Shown *first[REQUEST_MAX_CODE + 1] = {NULL};

	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
	{
		if (first[shown[i]->reason] == NULL || StandsBefore(shown[i], first[shown[i]->reason]))
			first[shown[i]->reason] = shown[i];
	}
	for (int reason = 0; reason <= REQUEST_MAX_CODE; reason++)
	{
		if (first[reason] != NULL && first[reason]->origin != 0)
			ShownEngineCounts(counts, first[reason], 0)[MEASURE_REQUESTS] += times;
	}
	if (shown[0]->query != 0)
	{
		int64		keys[MAX_KEYS] = {shown[0]->query, userKey};

		FindCounts(counts->searchers, keys)[MEASURE_REQUESTS] += times;
	}
}

/* Order outcomes by what they name, item, kind and time. */
static int
CompareOutcomes(const void *left, const void *right)
{
	int			order = ExposureCompareKinds(left, right);
	TimestampTz a = ((const OutcomeRow *) left)->what.at;
	TimestampTz b = ((const OutcomeRow *) right)->what.at;

	return order != 0 ? order : (a > b) - (a < b);
}

/* The place among what was shown of an item in a request; -1: there is none. */
static int
FindShown(const PersonExposures *person, int64 request, int64 item, bool stored)
{
	int			low = 0;
	int			high = person->shownCount - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		const ShownRow *row = &person->shown[middle];

		if (row->now.request == request && row->now.item == item)
			return stored && !row->stored ? -1 : middle;
		if (row->now.request < request || (row->now.request == request && row->now.item < item))
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* The counts of engine_stat for an outcome of which nothing is known to have been shown. */
static int64 *
AloneCounts(ExposureCounts *counts, const Outcome *what, int32 currency)
{
	RequestOrigin named;

	RequestOriginUnpack(what->origin, &named);
	return EngineCounts(counts, what->origin, named.reason, EXPOSURE_PLACE_UNKNOWN, what->at, currency);
}

/* Count such an outcome, unless it is one with the last. */
static void
CountAlone(ExposureCounts *counts, const Outcome *what, const Outcome *last, int times)
{
	OutcomeKind kind = ExposureOutcomeKind(what->event);

	if (last == NULL || last->request != what->request || last->item != what->item || ExposureOutcomeKind(last->event) != kind)
		AloneCounts(counts, what, 0)[MEASURE_CLICKED + kind] += times;
}

/* Count the outcomes, and note what became of impressions in fates. */
static void
CountOutcomes(ExposureCounts *counts, PersonExposures *person, bool stored, int times, Fate *fates)
{
	const Outcome *alone = NULL;	/* the last of which nothing is known to have been shown */

	qsort(person->outcomes, person->outcomeCount, sizeof(OutcomeRow), CompareOutcomes);
	for (int i = 0; i < person->outcomeCount; i++)
	{
		const OutcomeRow *row = &person->outcomes[i];
		const Outcome *what = &row->what;
		OutcomeKind kind = ExposureOutcomeKind(what->event);
		int64		target = stored ? row->before : row->target;
		const Shown *shown = NULL;
		int64		origin = what->origin;
		int			place;

		if ((stored && !row->stored) || target == 0 || !KeySetHas(&person->requests, target) ||
			origin == EXPOSURE_ORIGIN_GONE)
			continue;
		place = FindShown(person, target, what->item, stored);
		if (place >= 0)
		{
			fates[place].had[kind] = true;
			shown = stored ? &person->shown[place].before : &person->shown[place].now;
			origin = shown->origin;
		}
		else if (origin != 0)
		{
			CountAlone(counts, what, alone, times);
			if (kind == OUTCOME_PURCHASE && what->amount != 0)
				AddAmount(AloneCounts(counts, what, what->currency), what, times);
			alone = what;
			continue;
		}
		if (kind == OUTCOME_PURCHASE && what->amount != 0 && origin != 0)
			AddAmount(ShownEngineCounts(counts, shown, what->currency), what, times);
	}
}

/* Count each of a person's requests. */
static void
CountRequests(ExposureCounts *counts, const PersonExposures *person, bool stored, int times)
{
	const Shown **shown = palloc_extended(sizeof(Shown *) * Max(person->shownCount, 1), MCXT_ALLOC_HUGE);
	int			count = 0;

	for (int i = 0; i < person->shownCount; i++)
	{
		const ShownRow *row = &person->shown[i];

		if (stored && !row->stored)
			continue;
		if (count > 0 && shown[0]->request != row->now.request)
		{
			CountRequest(counts, person->userKey, shown, count, times);
			count = 0;
		}
		shown[count++] = stored ? &row->before : &row->now;
	}
	CountRequest(counts, person->userKey, shown, count, times);
	pfree(shown);
}

/* Add what a person's requests come to. */
void
ExposureCountsAdd(ExposureCounts *counts, PersonExposures *person, bool stored, int times)
{
	Fate	   *fates = palloc_extended(sizeof(Fate) * Max(person->shownCount, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	CountOutcomes(counts, person, stored, times, fates);
	for (int i = 0; i < person->shownCount; i++)
	{
		const ShownRow *row = &person->shown[i];

		if (row->stored || !stored)
			CountShown(counts, stored ? &row->before : &row->now, &fates[i], times);
	}
	CountRequests(counts, person, stored, times);
	pfree(fates);
}

/* Add what is counted once for several rows; of outcomes only those are here of which nothing was shown. */
void
ExposureCountsAddOnce(ExposureCounts *counts, PersonExposures *person, int times)
{
	qsort(person->outcomes, person->outcomeCount, sizeof(OutcomeRow), CompareOutcomes);
	for (int i = 0; i < person->outcomeCount; i++)
		CountAlone(counts, &person->outcomes[i].what, i > 0 ? &person->outcomes[i - 1].what : NULL, times);
	CountRequests(counts, person, true, times);
}

/* How a table of counters is written. */
typedef struct CounterTable
{
	int			keyCount;
	int			firstMeasure;
	int			measureCount;
	const char *add;
	const char *drop;			/* rows that count nothing any more */
	const char *name;
	const char *read;			/* keys and measures, all bigint */
	SPIPlanPtr	addPlan;
	SPIPlanPtr	dropPlan;
	SPIPlanPtr	readPlan;
} CounterTable;

static CounterTable engineTable = {
	.name = "engine_stat",
	.keyCount = 7,.firstMeasure = MEASURE_SHOWN,.measureCount = MEASURE_COUNT,
	.read =
	"SELECT engine::int8, variant::int8, module::int8, reason::int8, place_bucket::int8,"
	" (day - '2000-01-01'::date)::int8, currency_code::int8, shown, clicked, carted, bought, requests, amount"
	" FROM personalize.engine_stat ORDER BY 1, 2, 3, 4, 5, 6, 7",
	.add =
	"INSERT INTO personalize.engine_stat AS s (engine, variant, module, reason, place_bucket, day, currency_code,"
	" shown, clicked, carted, bought, requests, amount)"
	" SELECT k1, k2, k3, k4, k5, '2000-01-01'::date + k6::int4, k7, c1, c2, c3, c4, c5, c6"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
	"  AS t (k1, k2, k3, k4, k5, k6, k7, c1, c2, c3, c4, c5, c6)"
	" ORDER BY 1, 2, 3, 4, 5, 6, 7"
	" ON CONFLICT (engine, variant, module, reason, place_bucket, day, currency_code) DO UPDATE SET"
	" shown = s.shown + excluded.shown, clicked = s.clicked + excluded.clicked, carted = s.carted + excluded.carted,"
	" bought = s.bought + excluded.bought, requests = s.requests + excluded.requests, amount = s.amount + excluded.amount",
	.drop =
	"DELETE FROM personalize.engine_stat AS s"
	" USING unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
	"  AS t (k1, k2, k3, k4, k5, k6, k7, c1, c2, c3, c4, c5, c6)"
	" WHERE s.engine = k1 AND s.variant = k2 AND s.module = k3 AND s.reason = k4 AND s.place_bucket = k5"
	" AND s.day = '2000-01-01'::date + k6::int4 AND s.currency_code = k7"
	" AND s.shown = 0 AND s.clicked = 0 AND s.carted = 0 AND s.bought = 0 AND s.requests = 0 AND s.amount = 0"
};

static CounterTable searchTable = {
	.name = "search_stat",
	.keyCount = 4,.firstMeasure = MEASURE_SHOWN,.measureCount = MEASURE_BOUGHT + 1,
	.read =
	"SELECT query_key, item_key, (day - '2000-01-01'::date)::int8, place_bucket::int8, shown, clicked, carted, bought"
	" FROM personalize.search_stat ORDER BY 1, 2, 3, 4",
	.add =
	"INSERT INTO personalize.search_stat AS s (query_key, item_key, day, place_bucket, shown, clicked, carted, bought)"
	" SELECT k1, k2, '2000-01-01'::date + k3::int4, k4, c1, c2, c3, c4"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS t (k1, k2, k3, k4, c1, c2, c3, c4)"
	" ORDER BY 1, 2, 3, 4"
	" ON CONFLICT (query_key, item_key, day, place_bucket) DO UPDATE SET"
	" shown = s.shown + excluded.shown, clicked = s.clicked + excluded.clicked,"
	" carted = s.carted + excluded.carted, bought = s.bought + excluded.bought",
	.drop =
	"DELETE FROM personalize.search_stat AS s"
	" USING unnest($1, $2, $3, $4, $5, $6, $7, $8) AS t (k1, k2, k3, k4, c1, c2, c3, c4)"
	" WHERE s.query_key = k1 AND s.item_key = k2 AND s.day = '2000-01-01'::date + k3::int4 AND s.place_bucket = k4"
	" AND s.shown = 0 AND s.clicked = 0 AND s.carted = 0 AND s.bought = 0"
};

/* Of counters k1 query, k2 item, k3 place, c1 shown, c2 clicked: all places in one row. */
static CounterTable attractionTable = {
	.name = "_attraction",
	.keyCount = 3,.firstMeasure = MEASURE_SHOWN,.measureCount = MEASURE_CLICKED + 1,
	.read =
	"SELECT a.query_key, a.item_key, t.place - 1, coalesce(t.shown, 0), coalesce(t.clicked, 0)"
	" FROM personalize._attraction AS a, unnest(a.shown, a.clicked) WITH ORDINALITY AS t (shown, clicked, place)"
	" ORDER BY 1, 2, 3",
	.add =
	"INSERT INTO personalize._attraction AS s (query_key, item_key, shown, clicked)"
	" SELECT k1, k2, personalize_internal._sum_counts(array_fill(0::int8, ARRAY[k3::int4]) || c1),"
	"  personalize_internal._sum_counts(array_fill(0::int8, ARRAY[k3::int4]) || c2)"
	" FROM unnest($1, $2, $3, $4, $5) AS t (k1, k2, k3, c1, c2) GROUP BY 1, 2 ORDER BY 1, 2"
	" ON CONFLICT (query_key, item_key) DO UPDATE SET"
	" shown = personalize_internal._add_counts(s.shown, excluded.shown),"
	" clicked = personalize_internal._add_counts(s.clicked, excluded.clicked)",
	.drop =
	"DELETE FROM personalize._attraction AS s USING unnest($1, $2, $3, $4, $5) AS t (k1, k2, k3, c1, c2)"
	" WHERE s.query_key = k1 AND s.item_key = k2 AND s.shown = '{}' AND s.clicked = '{}'"
};

/* With each row that comes or goes, search_query.people changes. */
static CounterTable searcherTable = {
	.name = "_searcher",
	.keyCount = 2,.firstMeasure = MEASURE_REQUESTS,.measureCount = 1,
	.read = "SELECT query_key, user_key, requests FROM personalize._searcher ORDER BY 1, 2",
	.add =
	"WITH t AS (SELECT * FROM unnest($1, $2, $3) AS t (k1, k2, c1)), kept AS ("
	"  INSERT INTO personalize._searcher AS s (query_key, user_key, requests) SELECT k1, k2, c1 FROM t ORDER BY 1, 2"
	"  ON CONFLICT (query_key, user_key) DO UPDATE SET requests = s.requests + excluded.requests"
	"  RETURNING s.query_key, s.user_key, s.requests)"
	" INSERT INTO personalize.search_query AS q (query_key, people)"
	"  SELECT k.query_key, count(*) FROM kept AS k JOIN t ON t.k1 = k.query_key AND t.k2 = k.user_key AND t.c1 = k.requests"
	"  GROUP BY 1 ORDER BY 1"
	"  ON CONFLICT (query_key) DO UPDATE SET people = q.people + excluded.people",
	.drop =
	"WITH gone AS (DELETE FROM personalize._searcher AS s USING unnest($1, $2, $3) AS t (k1, k2, c1)"
	"  WHERE s.query_key = k1 AND s.user_key = k2 AND s.requests = 0 RETURNING s.query_key)"
	" INSERT INTO personalize.search_query AS q (query_key, people)"
	"  SELECT g.query_key, -count(*) FROM gone AS g GROUP BY 1 ORDER BY 1"
	"  ON CONFLICT (query_key) DO UPDATE SET people = q.people + excluded.people"
};

/* How many people have searched what, to be compared. */
static CounterTable peopleTable = {
	.name = "search_query",
	.keyCount = 1,.firstMeasure = MEASURE_REQUESTS,.measureCount = 1,
	.read = "SELECT query_key, people FROM personalize.search_query ORDER BY 1"
};

/* Gather the counters that change anything, as columns; returns how many there are. */
static int
GatherCounters(const CounterTable *table, HTAB *counters, Datum *values, bool *takes)
{
	int			columnCount = table->keyCount + table->measureCount;
	long		room = Max(hash_get_num_entries(counters), 1);
	Datum	   *columns[MAX_KEYS + MEASURE_COUNT];
	HASH_SEQ_STATUS status;
	Counter    *counter;
	int			count = 0;

	for (int c = 0; c < columnCount; c++)
		columns[c] = palloc_extended(sizeof(Datum) * room, MCXT_ALLOC_HUGE);
	hash_seq_init(&status, counters);
	while ((counter = hash_seq_search(&status)) != NULL)
	{
		bool		changes = false;

		for (int m = 0; m < table->measureCount; m++)
		{
			int64		value = counter->counts[table->firstMeasure + m];

			columns[table->keyCount + m][count] = Int64GetDatum(value);
			changes |= value != 0;
			*takes |= value < 0;
		}
		for (int k = 0; k < table->keyCount; k++)
			columns[k][count] = Int64GetDatum(counter->keys[k]);
		count += changes;
	}
	for (int c = 0; c < columnCount; c++)
		values[c] = PointerGetDatum(construct_array(columns[c], count, INT8OID, sizeof(int64),
													FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	return count;
}

/* Add counters, as columns in values, to a table; true if something was taken out of one. */
static bool
WriteCounters(CounterTable *table, HTAB *counters, Datum values[MAX_KEYS + MEASURE_COUNT])
{
	Oid			types[MAX_KEYS + MEASURE_COUNT];
	int			columnCount = table->keyCount + table->measureCount;
	bool		takes = false;
	SpiUtilScope scope;

	for (int c = 0; c < columnCount; c++)
		types[c] = INT8ARRAYOID;
	if (GatherCounters(table, counters, values, &takes) == 0)
		return false;
	SpiUtilBegin(&scope);
	SpiUtilRun(&table->addPlan, table->add, columnCount, types, values, NULL, false);
	if (takes)
		SpiUtilRun(&table->dropPlan, table->drop, columnCount, types, values, NULL, false);
	SpiUtilEnd(&scope);
	return takes;
}

/* Compare the measures of one counter; NULL: there is none. */
static void
CompareCounter(const CounterTable *table, const Counter *expected, const Counter *found,
			   ProcessorVerification *verification, bool exactly)
{
	for (int m = 0; m < table->measureCount; m++)
	{
		int64		wanted = expected ? expected->counts[table->firstMeasure + m] : 0;
		int64		there = found ? found->counts[table->firstMeasure + m] : 0;

		if (wanted != 0 || there != 0)
			ProcessorVerifyKey(verification, 1, wanted, there, exactly,
							   psprintf("%s, measure %d", table->name, m + 1));
	}
}

/* What counters of search_stat come to over days, after their query and after any. */
static HTAB *
SumOverDays(HTAB *searches)
{
	HTAB	   *sums = MakeCounters("personalize attraction counters");
	HASH_SEQ_STATUS status;
	const Counter *counter;

	hash_seq_init(&status, searches);
	while ((counter = hash_seq_search(&status)) != NULL)
	{
		const int64 queries[] = {counter->keys[0], ATTRACTION_ANY_QUERY};

		for (int i = 0; i < lengthof(queries); i++)
		{
			int64		keys[MAX_KEYS] = {queries[i], counter->keys[1], counter->keys[3]};
			int64	   *sum = FindCounts(sums, keys);

			sum[MEASURE_SHOWN] += counter->counts[MEASURE_SHOWN];
			sum[MEASURE_CLICKED] += counter->counts[MEASURE_CLICKED];
		}
	}
	return sums;
}

/* How many people have searched each query. */
static HTAB *
CountPeople(HTAB *searchers)
{
	HTAB	   *people = MakeCounters("personalize people of queries");
	HASH_SEQ_STATUS status;
	const Counter *counter;

	hash_seq_init(&status, searchers);
	while ((counter = hash_seq_search(&status)) != NULL)
	{
		int64		keys[MAX_KEYS] = {counter->keys[0]};

		FindCounts(people, keys)[MEASURE_REQUESTS] += counter->counts[MEASURE_REQUESTS] > 0;
	}
	return people;
}

/* Read a table of counters. */
static HTAB *
ReadCounters(CounterTable *table)
{
	HTAB	   *counters = MakeCounters("personalize stored counters");
	SpiUtilScope scope;
	uint64		rows;

	SpiUtilBegin(&scope);
	rows = SpiUtilRun(&table->readPlan, table->read, 0, NULL, NULL, NULL, true);
	for (uint64 row = 0; row < rows; row++)
	{
		int64		keys[MAX_KEYS] = {0};
		int64	   *counts;
		bool		isNull;

		for (int k = 0; k < table->keyCount; k++)
			keys[k] = DatumGetInt64(SpiUtilValue(row, k + 1, &isNull));
		counts = FindCounts(counters, keys);
		for (int m = 0; m < table->measureCount; m++)
			counts[table->firstMeasure + m] = DatumGetInt64(SpiUtilValue(row, table->keyCount + m + 1, &isNull));
	}
	SpiUtilEnd(&scope);
	return counters;
}

/*
 * Compare counters of a table, one of whose keys is the day (-1: none), with what they
 * ought to be, which is used up.
 */
static void
CompareCounters(CounterTable *table, HTAB *found, HTAB *expected, ProcessorVerification *verification,
				int dayKey, int64 since)
{
	HASH_SEQ_STATUS status;
	const Counter *counter;

	hash_seq_init(&status, found);
	while ((counter = hash_seq_search(&status)) != NULL)
	{
		CompareCounter(table, hash_search(expected, counter->keys, HASH_FIND, NULL), counter, verification,
					   dayKey < 0 || counter->keys[dayKey] > since);
		(void) hash_search(expected, counter->keys, HASH_REMOVE, NULL);
	}
	hash_seq_init(&status, expected);
	while ((counter = hash_seq_search(&status)) != NULL)
		CompareCounter(table, counter, NULL, verification, true);
}

/* Compare the counters of the tables with these; _attraction, with what search_stat comes to. */
void
ExposureCountsCompare(ExposureCounts *counts, ProcessorVerification *verification, int64 since)
{
	HTAB	   *searches = ReadCounters(&searchTable);

	CompareCounters(&engineTable, ReadCounters(&engineTable), counts->engines, verification, 5, since);
	CompareCounters(&searchTable, searches, counts->searches, verification, 2, since);
	CompareCounters(&attractionTable, ReadCounters(&attractionTable), SumOverDays(searches), verification, -1, since);
	CompareCounters(&peopleTable, ReadCounters(&peopleTable), CountPeople(counts->searchers), verification, -1, since);
	CompareCounters(&searcherTable, ReadCounters(&searcherTable), counts->searchers, verification, -1, since);
}

/*
 * Take what a table has from what it ought to have.  Of days up to since there may be
 * more than is known of any more; that stays.
 */
static void
SubtractStored(CounterTable *table, HTAB *expected, int dayKey, int64 since)
{
	HASH_SEQ_STATUS status;
	const Counter *found;

	hash_seq_init(&status, ReadCounters(table));
	while ((found = hash_seq_search(&status)) != NULL)
	{
		int64	   *counts = FindCounts(expected, found->keys);
		bool		exactly = dayKey < 0 || found->keys[dayKey] > since;

		for (int m = table->firstMeasure; m < table->firstMeasure + table->measureCount; m++)
			counts[m] = exactly || counts[m] > found->counts[m] ? counts[m] - found->counts[m] : 0;
	}
}

/* Make the counters of the tables what they ought to be. */
void
ExposureCountsMend(ExposureCounts *counts, int64 since)
{
	Datum		values[MAX_KEYS + MEASURE_COUNT];

	SubtractStored(&engineTable, counts->engines, 5, since);
	SubtractStored(&searchTable, counts->searches, 2, since);
	SubtractStored(&searcherTable, counts->searchers, -1, since);
	(void) WriteCounters(&engineTable, counts->engines, values);
	(void) WriteCounters(&searchTable, counts->searches, values);
	(void) WriteCounters(&searcherTable, counts->searchers, values);
}

/* Write what has been counted. */
void
ExposureCountsWrite(ExposureCounts *counts)
{
	Datum		values[MAX_KEYS + MEASURE_COUNT];

	ExposureCountersLock(false);
	(void) WriteCounters(&engineTable, counts->engines, values);
	(void) WriteCounters(&searchTable, counts->searches, values);
	(void) WriteCounters(&attractionTable, SumOverDays(counts->searches), values);
	if (WriteCounters(&searcherTable, counts->searchers, values))
		QueryForget(values[0]);
}

/*
 * exposure_store.c
 *		What must be done about people for the tables of exposures.
 *
 * Who is restricted is out of the counters already, so that nothing is taken out of
 * them twice.
 */
#include "postgres.h"

#include "exposures/exposure_store.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/gone.h"
#include "exposures/exposure.h"
#include "exposures/exposure_internal.h"
#include "people/person_expiry.h"
#include "people/person_fit.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

/* True if a removal is about these tables. */
static bool
Concerns(const PersonRemoval *removal)
{
	return (removal->purposes & PURPOSE_ANALYTICS) != 0;
}

/* exposure: take people out of the counters, while all their rows are there. */
static void *
UncountPeople(PersonRemoval *removal)
{
	for (int i = 0; Concerns(removal) && i < removal->count; i++)
	{
		int64		userKey = removal->people[i].userKey;

		if ((RestrictionOf(userKey) & PURPOSE_ANALYTICS) == 0)
			ExposureCountPerson(userKey, -1);
	}
	return NULL;
}

/* exposure */
static void
PurgeShown(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	if (Concerns(removal))
		PersonRemovalDelete(removal, &plan,
							"DELETE FROM personalize.exposure WHERE user_key = ANY ($1) RETURNING user_key");
}

/* exposure_outcome: forget people */
static void
PurgeOutcomes(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	if (Concerns(removal))
		PersonRemovalDelete(removal, &plan,
							"DELETE FROM personalize.exposure_outcome WHERE user_key = ANY ($1) RETURNING user_key");
}

/* exposure_outcome: what may come back is counted anew, which needs to know what has been counted. */
static void
PurgeCountable(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	if (Concerns(removal))
		PersonRemovalDelete(removal, &plan,
							"DELETE FROM personalize.exposure_outcome WHERE user_key = ANY ($1)"
							" AND request_origin IS DISTINCT FROM " EXPOSURE_ORIGIN_GONE_SQL " RETURNING user_key");
}

/* Delete what was counted with something that is gone, and of which there is no event any more. */
static void
DropCounted(int64 userKey)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(userKey)};

	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize.exposure_outcome AS o WHERE o.user_key = $1"
					  " AND o.request_origin = " EXPOSURE_ORIGIN_GONE_SQL
					  " AND NOT EXISTS (SELECT FROM personalize.event AS e WHERE e.user_key = $1 AND e.ts = o.ts"
					  "  AND e.event = o.event AND e.item_key = o.item_key AND e.consent & 1 <> 0)",
					  lengthof(types), types, values, NULL, false);
}

/* exposure_outcome, after a withdrawal has gone through the events */
static void
PurgeCounted(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) != 0)
		DropCounted(userKey);
}

/* Count what is left of a person after a withdrawal that came late. */
static void
RecountPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) != 0)
		ProcessorRecount(PROCESSOR_EXPOSURE, userKey);
}

/* Take a person out of the counters for the time being. */
static void
ParkPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) != 0)
		ExposureCountPerson(userKey, -1);
}

/* Put the person back, with what has come meanwhile: rows are sets, so what is there stays as it is. */
static void
UnparkPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) == 0)
		return;
	ExposureCountPerson(userKey, 1);
	ProcessorRecount(PROCESSOR_EXPOSURE, userKey);
}

/* Delete a person's rows, but for what will be known by them to have been counted. */
static void
DeletePerson(int64 userKey)
{
	static SPIPlanPtr shownPlan = NULL;
	static SPIPlanPtr outcomePlan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(userKey)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&shownPlan, "DELETE FROM personalize.exposure WHERE user_key = $1", 1, types, values, NULL, false);
	SpiUtilRun(&outcomePlan, "DELETE FROM personalize.exposure_outcome WHERE user_key = $1"
			   " AND request_origin IS DISTINCT FROM " EXPOSURE_ORIGIN_GONE_SQL, 1, types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* The rows are made anew for a correction of events. */
static void
TakePersonOut(int64 userKey, int32 restricted)
{
	if ((restricted & PURPOSE_ANALYTICS) == 0)
		ExposureCountPerson(userKey, -1);
	DeletePerson(userKey);
}

static void
PutPersonBack(int64 userKey, int32 restricted)
{
	DropCounted(userKey);
	if ((restricted & PURPOSE_ANALYTICS) == 0)
		ProcessorRecount(PROCESSOR_EXPOSURE, userKey);
}

/* What was counted with something that is gone goes to another: all, or that of which the other has the event. */
static void
MoveCounted(int64 from, int64 to, bool withEvent)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, BOOLOID};
	Datum		values[] = {Int64GetDatum(from), Int64GetDatum(to), BoolGetDatum(withEvent)};

	if (from == to)
		return;
	SpiUtilRunAsOwner(&plan, "UPDATE personalize.exposure_outcome AS o SET user_key = $2, place = o.place + 1"
					  " + coalesce((SELECT max(t.place) FROM personalize.exposure_outcome AS t WHERE t.user_key = $2 AND t.ts = o.ts), -1)"
					  " WHERE o.user_key = $1 AND o.request_origin = " EXPOSURE_ORIGIN_GONE_SQL
					  " AND (NOT $3 OR EXISTS (SELECT FROM personalize.event AS e WHERE e.user_key = $2 AND e.ts = o.ts"
					  "  AND e.event = o.event AND e.item_key = o.item_key))",
					  lengthof(types), types, values, NULL, false);
}

/*
 * Events change hands.  Rows are sets, attributed by what is in them alone, so those of
 * whom they go to stay, and what comes is added to them.
 */
static void
LeaveExposures(const PersonMove *move)
{
	TakePersonOut(move->from, 0);
	if (move->back)
		TakePersonOut(move->to, 0);
	else
	{
		MoveCounted(move->from, move->to, false);
		ProcessorRecountAs(PROCESSOR_EXPOSURE, move->from, move->to);
	}
}

static void
SettleExposures(const PersonMove *move)
{
	if (!move->back)
		return;
	MoveCounted(move->from, move->to, true);
	ProcessorRecount(PROCESSOR_EXPOSURE, move->from);
	ProcessorRecount(PROCESSOR_EXPOSURE, move->to);
}

/* What was shown, and what followed; the counters keep it. */
static void
ExpireShown(PersonExpiry *expiry)
{
	if (expiry->dryRun)
		PersonExpiryDelete(expiry, "exposure", "t.shown_at < $1");
	else if (!ProcessorPause(PROCESSOR_EXPOSURE))
		PersonExpirySetBusy(expiry, "processor exposure is at work");
	else
	{
		PersonExpiryPushSnapshot();
		expiry->removed = ExposureExpire(expiry->cutoff, expiry->maxRows);
		expiry->passed = expiry->removed < expiry->maxRows;
		GoneNoteExposures(expiry->cutoff);
		PopActiveSnapshot();
	}
	PersonExpiryReport(expiry, "exposure with exposure_outcome", expiry->removed);
}

/* Days of counters that nobody asks for any more. */
static void
ExpireEngineDays(PersonExpiry *expiry)
{
	PersonExpiryDelete(expiry, "engine_stat", "t.day < ($1 AT TIME ZONE 'UTC')::date");
	PersonExpiryReport(expiry, "engine_stat", expiry->removed);
}

/* Days of search_stat before $1, at most $2 rows; _attraction loses what they add to it. */
#define EXPIRE_SEARCHES_SQL \
	"WITH gone AS (" \
	"  DELETE FROM personalize.search_stat AS s WHERE s.ctid = ANY (ARRAY(" \
	"   SELECT o.ctid FROM personalize.search_stat AS o WHERE o.day < ($1 AT TIME ZONE 'UTC')::date LIMIT $2))" \
	"  RETURNING s.query_key, s.item_key, s.place_bucket, s.shown, s.clicked)," \
	" less AS (" \
	"  INSERT INTO personalize._attraction AS a (query_key, item_key, shown, clicked)" \
	"  SELECT q.query_key, g.item_key," \
	"   personalize_internal._sum_counts(array_fill(0::int8, ARRAY[g.place_bucket::int4]) || -g.shown)," \
	"   personalize_internal._sum_counts(array_fill(0::int8, ARRAY[g.place_bucket::int4]) || -g.clicked)" \
	"  FROM gone AS g, unnest(ARRAY[g.query_key, 0]) AS q (query_key) GROUP BY 1, 2 ORDER BY 1, 2" \
	"  ON CONFLICT (query_key, item_key) DO UPDATE SET" \
	"  shown = personalize_internal._add_counts(a.shown, excluded.shown)," \
	"  clicked = personalize_internal._add_counts(a.clicked, excluded.clicked))" \
	" SELECT count(*) FROM gone"

/* Delete days of searches, and what they come to. */
static int64
DeleteSearches(const PersonExpiry *expiry)
{
	static SPIPlanPtr searchPlan = NULL;
	static SPIPlanPtr sumPlan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, INT8OID};
	Datum		values[] = {TimestampTzGetDatum(expiry->cutoff), Int64GetDatum(expiry->maxRows)};
	SpiUtilScope scope;
	bool		isNull;
	int64		removed;

	SpiUtilBegin(&scope);
	SpiUtilRun(&searchPlan, EXPIRE_SEARCHES_SQL, 2, types, values, NULL, false);
	removed = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilRun(&sumPlan, "DELETE FROM personalize._attraction AS a WHERE a.shown = '{}' AND a.clicked = '{}'",
			   0, NULL, NULL, NULL, false);
	SpiUtilEnd(&scope);
	return removed;
}

static void
ExpireSearchDays(PersonExpiry *expiry)
{
	if (expiry->dryRun)
		PersonExpiryDelete(expiry, "search_stat", "t.day < ($1 AT TIME ZONE 'UTC')::date");
	else if (!ProcessorPause(PROCESSOR_EXPOSURE))
		PersonExpirySetBusy(expiry, "processor exposure is at work");
	else
	{
		PersonExpiryPushSnapshot();
		expiry->removed = DeleteSearches(expiry);
		expiry->passed = expiry->removed < expiry->maxRows;
		PopActiveSnapshot();
	}
	PersonExpiryReport(expiry, "search_stat", expiry->removed);
}

static const PersonTaker shownTaker = {.begin = UncountPeople,.event = PERSON_NONE,.finish = PurgeShown};
static const PersonTaker outcomeTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeOutcomes};
static const PersonTaker countableTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeCountable};
static const PersonWithdrawal shownWithdrawal = {
	.uncount = &shownTaker,
	.clear = PERSON_NONE,
	.purge = PERSON_NONE,
	.recount = RecountPerson
};
static const PersonWithdrawal outcomeWithdrawal = {
	.uncount = &countableTaker,
	.clear = PERSON_NONE,
	.purge = PurgeCounted,
	.recount = PERSON_NONE
};
static const PersonParking shownParking = {.park = ParkPerson,.unpark = UnparkPerson};
static const PersonRemaking shownRemaking = {.takeOut = TakePersonOut,.remake = PutPersonBack};
static const PersonMoving shownMoving = {
	.missing = PERSON_NONE,.leave = LeaveExposures,.rekey = PERSON_NONE,.settle = SettleExposures
};
static const PersonExpiryStep shownExpiry[] = {{"exposure", 55, false, ExpireShown}, {NULL}};
static const PersonExpiryStep engineExpiry[] = {{"engine_stat", 72, false, ExpireEngineDays}, {NULL}};
static const PersonExpiryStep searchExpiry[] = {{"search_stat", 74, false, ExpireSearchDays}, {NULL}};

static const PersonHolding shownHolding = {
	.items = "SELECT e.item_key FROM personalize.exposure e JOIN unnest($1) AS k ON k = e.item_key",
	.reads = "exposure"
};
static const PersonHolding outcomeHolding = {
	.items = "SELECT o.item_key FROM personalize.exposure_outcome o JOIN unnest($1) AS k ON k = o.item_key",
	.reads = "exposure_outcome"
};
static const PersonHolding searchHolding = {
	.items = "SELECT s.item_key FROM personalize.search_stat s JOIN unnest($1) AS k ON k = s.item_key",
	.reads = "search_stat"
};

/* 1: analytics */
#define SHOWN_PEOPLE \
	"SELECT e.user_key, 1 AS purposes FROM personalize.exposure AS e"
#define OUTCOME_PEOPLE \
	"SELECT o.user_key, 1 AS purposes FROM personalize.exposure_outcome AS o"
#define SEARCHER_PEOPLE \
	"SELECT s.user_key, 1 AS purposes FROM personalize._searcher AS s"

static const PersonExport shownCopy = {
	.as = "exposures",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('item_id', personalize_internal._item_name(e.item_key),"
	" 'request_key', e.request_key, 'shown_at', e.shown_at, 'slot', nullif(e.slot, 0),"
	" 'reason', personalize_internal._reason_name(e.reason), 'score', nullif(e.score, 'NaN'),"
	" 'query', (SELECT q.query FROM personalize.search_query q WHERE q.query_key = e.query_key),"
	" 'followed_by', (SELECT coalesce(jsonb_agg(jsonb_build_object('event', coalesce(t.name, o.event::text), 'ts', o.ts)"
	"  ORDER BY o.ts, o.event, o.ordinal), '[]')"
	"  FROM personalize.exposure_outcome o LEFT JOIN personalize.event_type t ON t.event = o.event"
	"  WHERE o.user_key = e.user_key AND o.attributed_to = e.request_key AND o.item_key = e.item_key))"
	" ORDER BY e.shown_at, e.request_key, e.slot, e.item_key), '[]')"
	" FROM personalize.exposure e WHERE e.user_key = $1",
	.meaning = "what you were shown, and what you did about it"
};

static const PersonExport outcomeCopy = {
	.as = "outcomes",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('item_id', personalize_internal._item_name(o.item_key),"
	" 'event', coalesce(t.name, o.event::text), 'ts', o.ts, 'credited', o.attributed_to,"
	" 'amount', trim_scale(o.amount / 1000000::numeric),"
	" 'currency', personalize_internal._currency(o.currency_code))"
	" ORDER BY o.ts, o.item_key, o.event, o.ordinal), '[]')"
	" FROM personalize.exposure_outcome o LEFT JOIN personalize.event_type t ON t.event = o.event WHERE o.user_key = $1",
	.meaning = "clicks, carts and purchases, and the request_key of what was shown that each is credited to"
};

static const PersonExport searcherCopy = {
	.as = "searches",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('query', q.query, 'pages', s.requests) ORDER BY q.query), '[]')"
	" FROM personalize._searcher s JOIN personalize.search_query q ON q.query_key = s.query_key WHERE s.user_key = $1",
	.meaning = "what you searched, and on how many pages"
};

static PersonFit fit = {
	.lock = "LOCK TABLE personalize.examination IN ROW EXCLUSIVE MODE",
	.count = "UPDATE personalize.examination AS x SET forgotten = x.forgotten + c.count"
	" FROM (SELECT count(*) AS count FROM unnest($1) AS p (user_key),"
	"   (SELECT min(e.since) AS since, min(e.fitted_at) AS until FROM personalize.examination AS e) AS o"
	"  WHERE " PERSON_FITTED("o.since", "o.until") ") AS c WHERE c.count > 0"
};

/* Count people in the examination that may have been fitted to them. */
static void *
CountFitted(PersonRemoval *removal)
{
	PersonFitCount(&fit, removal);
	return NULL;
}

static const PersonTaker fittedTaker = {.begin = CountFitted,.event = PERSON_NONE,.finish = PERSON_NONE};
static const PersonWithdrawal fittedWithdrawal = {
	.uncount = &fittedTaker,
	.clear = PERSON_NONE,
	.purge = PERSON_NONE,
	.recount = PERSON_NONE
};

static const PersonStore stores[] = {
	{
		.name = "exposure",
		.form = PERSON_STORE_PLAIN("exposure"),
		.mask = "1, user_key",
		.unanalyzed = "user_key,request_key,query_key",
		.people = SHOWN_PEOPLE,
		.keeps = SHOWN_PEOPLE,
		.copy = &shownCopy,
		.rank = 12,
		.receipt = "exposures",
		.forget = &shownTaker,
		.withdraw = &shownWithdrawal,
		.restriction = &shownParking,
		.correction = &shownRemaking,
		.moving = &shownMoving,
		.holds = &shownHolding,
		.expiry = shownExpiry,
		.none = PERSON_NO_RECEIPT_LEFT | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_DICTIONARY
	},
	{
		.name = "exposure_outcome",
		.form = PERSON_STORE_PLAIN("exposure_outcome"),
		.mask = "1, user_key",
		.unanalyzed = "user_key,attributed_to",
		.people = OUTCOME_PEOPLE,
		.keeps = OUTCOME_PEOPLE,
		.copy = &outcomeCopy,
		.rank = 14,
		.receipt = "outcomes",
		.forget = &outcomeTaker,
		.withdraw = &outcomeWithdrawal,
		.holds = &outcomeHolding,
		.none = PERSON_NO_MOVING | PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION | PERSON_NO_NAMES |
		PERSON_NO_EVENT_NAMES | PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "_searcher",
		.form = PERSON_STORE_PLAIN("_searcher"),
		.unanalyzed = "user_key,query_key",
		.people = SEARCHER_PEOPLE,
		.keeps = SEARCHER_PEOPLE,
		.copy = &searcherCopy,
		/* a counter among the others: exposure takes people out of it */
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_RECEIPT | PERSON_NO_RECEIPT_LEFT | PERSON_NO_FORGET | PERSON_NO_WITHDRAW |
		PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES |
		PERSON_NO_HOLDS | PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "search_query",
		.content = "texts of queries, while somebody in _searcher has searched them",
		.form = PERSON_STORE_PLAIN("search_query")
	},
	{
		.name = "search_stat",
		.content = "counters of queries and items",
		.form = PERSON_STORE_PLAIN("search_stat"),
		.holds = &searchHolding,
		.expiry = searchExpiry
	},
	{
		.name = "_attraction",
		.content = "sums of search_stat",
		.form = PERSON_STORE_PLAIN("_attraction")
	},
	{
		.name = "examination",
		.content = "how likely places of pages are looked at, and how many of those it was fitted to have been forgotten",
		.exempt = "made anew by each fit_examination()",
		/* before pages and counters are taken away */
		.rank = 6,
		.forget = &fittedTaker,
		.withdraw = &fittedWithdrawal
	},
	{
		.name = "engine_stat",
		.content = "counters of engines",
		.form = PERSON_STORE_PLAIN("engine_stat"),
		.expiry = engineExpiry
	}
};

/* Register them. */
void
ExposureStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}

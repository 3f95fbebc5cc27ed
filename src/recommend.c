/*
 * recommend.c
 *		What to show next: recommend, similar_items, trending, bought_together.
 *
 * recommend() looks at the person's last items, including those of events that
 * no processor has seen yet, and asks what other people went to next in sessions
 * that touched them (knn.c).  Without consent for recommendations nothing of the
 * person is read; items the caller names as the current session's still count,
 * as part of the question.
 *
 * Everything is read under the statement's snapshot and nothing is written, so
 * engines run on a standby and inside the caller's transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "consent.h"
#include "engine.h"
#include "event.h"
#include "fmgr.h"
#include "key.h"
#include "keyed.h"
#include "knn.h"
#include "miscadmin.h"
#include "neighbour.h"
#include "popular.h"
#include "profile.h"
#include "session.h"
#include "spi_util.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_recommend);
PG_FUNCTION_INFO_V1(personalize_similar_items);
PG_FUNCTION_INFO_V1(personalize_trending);
PG_FUNCTION_INFO_V1(personalize_bought_together);

/* So many of the visitor's sessions with an id are looked through for current ones. */
#define MAX_SESSIONS_READ 4096

/* Current ones at most. */
#define MAX_OWN_SESSIONS 256

/* Baskets of an item that bought_together looks at: the newest. */
#define MAX_BASKETS 500

/* What a caller asks recommend() with. */
typedef struct Visitor
{
	bool		hasKey;
	int64		userKey;
	bool		personal;		/* allows recommendations */
	ProfileView *profile;		/* NULL: not personal */
	int			itemCount;		/* the current session, newest first */
	int64	   *items;
	int			longCount;		/* before that */
	int64	   *longItems;
	bool		fromCall;		/* items are session_items */
} Visitor;

/* True if it had not happened yet at the time asked for. */
static bool
IsAhead(const Engine *engine, TimestampTz ts)
{
	return engine->hasAsOf && ts > engine->now;
}

/* The visitor's items of the current session, and those before, from the profile. */
static void
SplitRecent(const Engine *engine, Visitor *visitor)
{
	const ProfileView *profile = visitor->profile;
	TimestampTz next = engine->now;
	bool		inSession = !visitor->fromCall;
	KeySet		known;

	KeySetInit(&known, profile->recentCount + visitor->itemCount);
	for (int i = 0; i < visitor->itemCount; i++)
		KeySetAdd(&known, visitor->items[i]);
	for (int i = 0; i < profile->recentCount; i++)
	{
		const ProfileItem *recent = &profile->recent[i];

		if (IsAhead(engine, recent->ts))
			continue;
		if (next - recent->ts > NEIGHBOUR_SESSION_GAP)
			inSession = false;
		next = recent->ts;
		if (!KeySetAdd(&known, recent->itemKey))
			continue;
		if (inSession)
			visitor->items[visitor->itemCount++] = recent->itemKey;
		else
			visitor->longItems[visitor->longCount++] = recent->itemKey;
	}

	/* back after a pause: the last visit is what there is to go by */
	if (visitor->itemCount == 0)
	{
		visitor->items = visitor->longItems;
		visitor->itemCount = visitor->longCount;
		visitor->longCount = 0;
	}
}

/* Find out who asks, and what is known of them. */
static void
LoadVisitor(Engine *engine, int userArgument, int sessionArgument, Visitor *visitor)
{
	FunctionCallInfo fcinfo = engine->fcinfo;
	int64	   *given;
	int			givenCount = EngineGetKeys(engine, sessionArgument, &given);

	memset(visitor, 0, sizeof(Visitor));
	visitor->fromCall = givenCount > 0;
	visitor->items = palloc_extended(sizeof(int64) * (givenCount + PROFILE_MAX_RECENT), MCXT_ALLOC_HUGE);
	visitor->longItems = palloc(sizeof(int64) * PROFILE_MAX_RECENT);
	for (int i = givenCount - 1; i >= 0; i--)
		visitor->items[visitor->itemCount++] = given[i];

	if (!PG_ARGISNULL(userArgument))
	{
		visitor->hasKey = true;
		visitor->userKey = KeyFromText(PG_GETARG_TEXT_PP(userArgument));
		visitor->personal = (ConsentMaskOf(visitor->userKey) & CONSENT_RECOMMENDATIONS) != 0;
		engine->preferences = PreferenceRead(visitor->userKey, engine->snapshot);
	}
	if (visitor->personal)
	{
		visitor->profile = engine->past ?
			ProfileLoadPast(visitor->userKey, CONSENT_RECOMMENDATIONS, engine->now) :
			ProfileLoad(visitor->userKey, CONSENT_RECOMMENDATIONS);
		engine->stale = visitor->profile->stale;
		SplitRecent(engine, visitor);
	}
	if (visitor->itemCount == 0)
		engine->lack = visitor->hasKey && !visitor->personal ? LACK_CONSENT : LACK_USER;
}

/* Add a session to a list of different ones. */
static int
AddSession(int64 *sessions, int count, int64 session)
{
	for (int i = 0; i < count; i++)
		if (sessions[i] == session)
			return count;
	sessions[count] = session;
	return count + 1;
}

/*
 * The sessions with an id that the visitor was in at a time in the past.  Rows
 * tell when one ended, but not whether there was anything between its items;
 * the raw events do.
 */
static int
CollectPastSessions(const Engine *engine, const Visitor *visitor, int64 *sessions, int count)
{
	EventScanOptions options = {.snapshot = engine->snapshot,.ofUser = true,
	.userKey = visitor->userKey,.allDays = true,.since = engine->now - NEIGHBOUR_SESSION_GAP};
	bool	   *counts = NeighbourEventTypes();
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (count <= MAX_OWN_SESSIONS && EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.hasSession && row.ts >= options.since && row.ts <= engine->now &&
			row.event >= 0 && counts[row.event] && NeighbourShard(&row) >= 0)
			count = AddSession(sessions, count, NeighbourSession(visitor->userKey, row.sessionKey));
	}
	EventScanEnd(scan);
	pfree(counts);
	return count;
}

/* The visitor's own sessions, whose votes would be for what they just saw. */
static int
CollectOwnSessions(const Engine *engine, const Visitor *visitor, int64 *sessions)
{
	KeyedTable *table;
	Datum		keys[2] = {Int64GetDatum(visitor->userKey), BoolGetDatum(true)};
	TupleTableSlot *slot;
	int			count = 0;

	if (NeighbourGapSession(visitor->userKey, engine->now, engine->snapshot, &sessions[0]))
		count = 1;
	table = KeyedOpen("session", "session_pkey", AccessShareLock);
	KeyedSeek(table, engine->snapshot, lengthof(keys), keys, BTEqualStrategyNumber);
	for (int i = 0; i < MAX_SESSIONS_READ && count <= MAX_OWN_SESSIONS &&
		 (slot = KeyedNext(table, ForwardScanDirection)); i++)
	{
		int64		sessionKey;
		TimestampTz ended;

		SessionReadTimes(slot, &sessionKey, &ended);
		if (ended >= engine->now - NEIGHBOUR_SESSION_GAP && !(engine->past && ended > engine->now))
			sessions[count++] = NeighbourSession(visitor->userKey, sessionKey);
	}
	KeyedClose(table);
	return engine->past ? CollectPastSessions(engine, visitor, sessions, count) : count;
}

/* Exclude what the visitor has had to do with in that time up to now, or as_of. */
static void
ExcludeSeen(Engine *engine, const Visitor *visitor, const Interval *interval)
{
	TimestampTz since = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
																 TimestampTzGetDatum(engine->now),
																 PointerGetDatum(interval)));
	EventScanOptions options = {.snapshot = engine->snapshot,.ofUser = true,
	.userKey = visitor->userKey,.allDays = true,.keysOnly = true,.since = since,.maxRead = ProfileMaxTail()};
	const ProfileView *profile = visitor->profile;
	EventScan  *scan;
	EventRow	row;

	for (int i = 0; i < profile->recentCount; i++)
	{
		if (profile->recent[i].ts >= since && !IsAhead(engine, profile->recent[i].ts))
			KeySetAdd(&engine->excluded, profile->recent[i].itemKey);
	}
	/* the profile remembers only so many, each once: beyond them, ask the raw events */
	if (!profile->recentFull && !profile->stale && !engine->hasAsOf)
		return;
	if (profile->recentCount > 0 && !profile->stale && !engine->hasAsOf &&
		profile->recent[profile->recentCount - 1].ts < since)
		return;
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.hasItem && row.ts >= since && !IsAhead(engine, row.ts) && (row.consent & CONSENT_RECOMMENDATIONS) &&
			row.event != EVENT_TYPE_VIEW_ITEM_LIST && row.event != EVENT_TYPE_VIEW_PROMOTION)
			KeySetAdd(&engine->excluded, row.itemKey);
	}
	/* days without an index on people come last: what is left out is of these */
	engine->stale |= EventScanGaveUp(scan);
	EventScanEnd(scan);
}

/* Ask the neighbours and offer what they say. */
static void
OfferNeighbours(Engine *engine, KnnQuery *query, EngineReason reason)
{
	/* looking again is costly in the past */
	bool		selective = engine->filter || engine->hasCandidates || engine->past ||
		(engine->preferences && engine->preferences->count > 0);

	query->now = engine->now;
	query->past = engine->past;
	query->maxResults = selective ? KNN_MAX_RESULTS :
		Min(KNN_MAX_RESULTS, engine->n + engine->excluded.count + engine->n / 2 + 10);
	for (;;)
	{
		KnnItem    *found;
		int			count = KnnScore(query, engine->snapshot, &found);
		EnginePick *picks = palloc0(sizeof(EnginePick) * Max(count, 1));
		bool		more;

		for (int i = 0; i < count; i++)
		{
			picks[i].itemKey = found[i].itemKey;
			picks[i].score = found[i].score;
			picks[i].boost = 1;
			picks[i].because = found[i].because;
			picks[i].reason = picks[i].because == picks[i].itemKey ? REASON_VIEWED_BEFORE : reason;
		}
		more = EngineOfferAll(engine, picks, count);
		/* too many of them could not be offered: look further */
		if (!more || count < query->maxResults || query->maxResults == KNN_MAX_RESULTS)
			break;
		query->maxResults = KNN_MAX_RESULTS;
	}
}

/* recommend(user_id, n, filter, candidates, exclude, exclude_seen, explain, session_items, as_of) */
Datum
personalize_recommend(PG_FUNCTION_ARGS)
{
	static const EngineArguments arguments = {
		.n = 1,.filter = 2,.candidates = 3,.exclude = 4,.explain = 6,.asOf = 8
	};
	Engine	   *engine = EngineBegin(fcinfo, ENGINE_RECOMMEND, &arguments);
	Visitor		visitor;

	LoadVisitor(engine, 0, 7, &visitor);
	if (visitor.personal && !PG_ARGISNULL(5))
		ExcludeSeen(engine, &visitor, PG_GETARG_INTERVAL_P(5));
	if (visitor.itemCount > 0)
	{
		int64		own[MAX_OWN_SESSIONS + 1];
		KnnQuery	query = {.items = visitor.items,.itemCount = visitor.itemCount,
		.longItems = visitor.longItems,.longItemCount = visitor.longCount};

		if (visitor.personal)
		{
			query.excluded = own;
			query.excludedCount = CollectOwnSessions(engine, &visitor, own);
		}
		OfferNeighbours(engine, &query,
						visitor.personal ? REASON_BECAUSE_VIEWED : REASON_SIMILAR_TO);
	}
	EngineFill(engine, visitor.items, visitor.itemCount);
	return EngineEnd(engine);
}

/* similar_items(item_id, n, filter, candidates, exclude, explain, as_of) */
Datum
personalize_similar_items(PG_FUNCTION_ARGS)
{
	static const EngineArguments arguments = {
		.n = 1,.filter = 2,.candidates = 3,.exclude = 4,.explain = 5,.asOf = 6
	};
	Engine	   *engine = EngineBegin(fcinfo, ENGINE_SIMILAR_ITEMS, &arguments);
	int64		itemKey = EngineGetKey(engine, 0);
	KnnQuery	query = {.items = &itemKey,.itemCount = 1};

	/* no item is like itself */
	KeySetAdd(&engine->excluded, itemKey);
	OfferNeighbours(engine, &query, REASON_SIMILAR_TO);
	EngineFill(engine, &itemKey, 1);
	return EngineEnd(engine);
}

/* A half-life in microseconds. */
static int64
GetHalfLife(FunctionCallInfo fcinfo, int argument)
{
	Interval   *interval;
	double		microseconds;

	if (PG_ARGISNULL(argument))
		return POPULAR_HALF_LIFE;
	interval = PG_GETARG_INTERVAL_P(argument);
	microseconds = (double) interval->time + (double) interval->day * USECS_PER_DAY +
		(double) interval->month * DAYS_PER_MONTH * USECS_PER_DAY;
	if (microseconds < USECS_PER_MINUTE || microseconds > 100.0 * DAYS_PER_YEAR * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("half_life \"%s\" is not between a minute and a hundred years",
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval))))));
	return (int64) microseconds;
}

/* trending(n, half_life, category, filter, exclude, explain, as_of) */
Datum
personalize_trending(PG_FUNCTION_ARGS)
{
	static const EngineArguments arguments = {
		.n = 0,.filter = 3,.candidates = -1,.exclude = 4,.explain = 5,.asOf = 6
	};
	Engine	   *engine = EngineBegin(fcinfo, ENGINE_TRENDING, &arguments);
	text	   *category = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	PopularQuery query = {.category = category,.now = engine->now,
	.halfLife = GetHalfLife(fcinfo, 1),.n = POPULAR_MAX_ITEMS};
	PopularList list;
	EnginePick	pick = {.boost = 1,.reason = category ? REASON_POPULAR_IN : REASON_TRENDING,.category = category};
	bool		more = true;

	if (!engine->filter && engine->excluded.count == 0)
		query.n = engine->n;
	list = PopularTrending(&query);
	for (int i = 0; i < list.count && more; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pick.itemKey = list.items[i].itemKey;
		pick.score = list.items[i].score;
		more = EngineOffer(engine, &pick);
	}
	return EngineEnd(engine);
}

/* Items in the newest baskets of the given ones, with the number of baskets. */
static void
OfferBoughtWith(Engine *engine, int64 *items, int itemCount)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, INT4OID, TIMESTAMPTZOID};
	Datum	   *keys = palloc(sizeof(Datum) * Max(itemCount, 1));
	Datum		values[3];
	MemoryContext context = CurrentMemoryContext;
	EnginePick *picks;
	int			count;
	SpiUtilScope scope;

	for (int i = 0; i < itemCount; i++)
		keys[i] = Int64GetDatum(items[i]);
	values[0] = PointerGetDatum(construct_array(keys, itemCount, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = Int32GetDatum(MAX_BASKETS);
	values[2] = TimestampTzGetDatum(engine->now);
	SpiUtilBegin(&scope);
	count = (int) SpiUtilRun(&plan,
							 "WITH shared AS ("
							 " SELECT o.item_key, b.item_key AS because, count(*) AS baskets"
							 " FROM (SELECT DISTINCT unnest($1) AS item_key) q,"
							 " LATERAL (SELECT n.item_key, n.basket, n.day FROM personalize._basket n"
							 "  WHERE n.item_key = q.item_key AND n.count > 0 AND n.day <= ($3 AT TIME ZONE 'UTC')::date"
							 "  ORDER BY n.day DESC, n.basket DESC LIMIT $2) b"
							 " JOIN personalize._basket o ON o.basket = b.basket AND o.day = b.day AND o.count > 0"
							 " WHERE o.item_key <> ALL ($1) GROUP BY 1, 2)"
							 " SELECT item_key, sum(baskets)::float8,"
							 " (array_agg(because ORDER BY baskets DESC, because))[1]"
							 " FROM shared GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10000",
							 lengthof(types), types, values, NULL, true);
	picks = MemoryContextAllocZero(context, sizeof(EnginePick) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool		isNull;

		picks[i].itemKey = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
		picks[i].score = DatumGetFloat8(SpiUtilValue(i, 2, &isNull));
		picks[i].because = DatumGetInt64(SpiUtilValue(i, 3, &isNull));
		picks[i].boost = 1;
		picks[i].reason = REASON_BOUGHT_WITH;
	}
	SpiUtilEnd(&scope);
	EngineOfferAll(engine, picks, count);
}

/* bought_together(items, n, filter, candidates, exclude, explain, as_of) */
Datum
personalize_bought_together(PG_FUNCTION_ARGS)
{
	static const EngineArguments arguments = {
		.n = 1,.filter = 2,.candidates = 3,.exclude = 4,.explain = 5,.asOf = 6
	};
	Engine	   *engine = EngineBegin(fcinfo, ENGINE_BOUGHT_TOGETHER, &arguments);
	int64	   *items;
	int			itemCount = EngineGetKeys(engine, 0, &items);

	OfferBoughtWith(engine, items, itemCount);
	return EngineEnd(engine);
}

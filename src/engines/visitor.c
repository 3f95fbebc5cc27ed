/*
 * visitor.c
 *		Whom an answer is for.
 *
 * What counts of a person are the last items, including those of events that no
 * processor has seen yet.  Without consent for recommendations nothing of the person
 * is read but preferences; items the caller names as the current session's still
 * count, as part of the question.
 */
#include "postgres.h"

#include "engines/visitor.h"

#include "base/clock.h"
#include "base/grow.h"
#include "base/interval.h"
#include "base/keyed.h"
#include "events/event.h"
#include "miscadmin.h"
#include "neighbours/neighbour.h"
#include "neighbours/session.h"
#include "people/consent.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* So many of the person's sessions with an id are looked through for current ones. */
#define MAX_SESSIONS_READ 4096

/* Clicks of the current session are looked for so far back. */
#define CLICKS_SPAN USECS_PER_DAY

/* Who has no more than that is looked up in one go. */
#define FEW_SESSIONS 16

/* The visitor's items of the current session, and those before, from the profile. */
static void
SplitRecent(EngineContext *context)
{
	Visitor    *visitor = &context->visitor;
	const ProfileView *profile = visitor->profile;
	TimestampTz next = context->now;
	bool		inSession = !visitor->fromCall;
	KeySet		known;

	KeySetInit(&known, profile->recentCount + visitor->itemCount);
	for (int i = 0; i < visitor->itemCount; i++)
		KeySetAdd(&known, visitor->items[i]);
	for (int i = 0; i < profile->recentCount; i++)
	{
		const ProfileItem *recent = &profile->recent[i];

		if (ContextIsAhead(context, recent->ts))
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

	/* back after a pause: the last visit is what there is to go by, and may be continued */
	if (visitor->itemCount == 0)
	{
		visitor->returns = KNN_RETURN_EARLIER;
		visitor->items = visitor->longItems;
		visitor->itemCount = visitor->longCount;
		visitor->longCount = 0;
	}
}

/* Begin with these items of the session, newest last. */
static void
BeginItems(Visitor *visitor, const int64 *given, int count)
{
	visitor->fromCall = count > 0;
	visitor->items = palloc_extended(sizeof(int64) * (count + PROFILE_MAX_RECENT), MCXT_ALLOC_HUGE);
	visitor->longItems = palloc(sizeof(int64) * PROFILE_MAX_RECENT);
	for (int i = count - 1; i >= 0; i--)
		visitor->items[visitor->itemCount++] = given[i];
}

/* Read what is known of a person. */
static void
LoadPerson(EngineContext *context, int64 userKey)
{
	Visitor    *visitor = &context->visitor;

	visitor->hasKey = true;
	visitor->userKey = userKey;
	visitor->personal = (ConsentMaskOf(visitor->userKey) & PURPOSE_RECOMMENDATIONS) != 0;
	context->preferences = PreferenceRead(visitor->userKey, context->snapshot);
	if (!visitor->personal)
		return;
	visitor->profile = context->past ?
		ProfileLoadPast(visitor->userKey, PURPOSE_RECOMMENDATIONS, context->now, context->places) :
		ProfileLoad(visitor->userKey, PURPOSE_RECOMMENDATIONS);
	context->stale = visitor->profile->stale;
	SplitRecent(context);
}

/* The same, and the items the caller names as the session's. */
void
VisitorLoad(EngineContext *context, int userArgument, int sessionArgument)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	Visitor    *visitor = &context->visitor;
	int64	   *given;
	int			givenCount = ContextGetKeys(context, sessionArgument, "session_items", &given);

	BeginItems(visitor, given, givenCount);
	if (!PG_ARGISNULL(userArgument))
		LoadPerson(context, ContextUserKey(context, userArgument));
	if (visitor->itemCount == 0)
		context->lack = visitor->hasKey && !visitor->personal ? LACK_CONSENT : LACK_USER;
}

/* Order clicks newest first. */
static int
CompareClicks(const void *left, const void *right)
{
	return SessionIsEarlier(left, right) ? 1 : SessionIsEarlier(right, left) ? -1 : 0;
}

/* The person's clicks of the last CLICKS_SPAN, newest first, as sessions count them; -1: there is too much to read. */
static int
ReadClicks(const EngineContext *context, SessionItem **clicks)
{
	EventScanOptions options = {.snapshot = context->snapshot,.ofUser = true,
	.userKey = context->visitor.userKey,.allDays = true,.keysOnly = true,.since = context->now - CLICKS_SPAN,
	.places = context->places,.maxRead = ProfileMaxTail()};
	bool	   *counts = NeighbourEventTypes();
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;
	SessionEvent event;
	int			capacity = 64;
	int			count = 0;

	*clicks = palloc_array(SessionItem, capacity);
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.ts < options.since || ContextIsAhead(context, row.ts) ||
			row.event < 0 || !counts[row.event] || NeighbourShard(&row) < 0)
			continue;
		GrowArray(*clicks, count + 1, capacity, 64);
		SessionEventFill(&event, &row);
		(*clicks)[count++] = event.item;
	}
	if (EventScanGaveUp(scan))
		count = -1;
	EventScanEnd(scan);
	pfree(counts);
	if (count > 1)
		qsort(*clicks, count, sizeof(SessionItem), CompareClicks);
	return count;
}

/* Remove items that are among these from a list; returns how many are left. */
static int
KeepOthers(int64 *items, int count, const KeySet *known)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
		if (!KeySetHas(known, items[i]))
			items[kept++] = items[i];
	return kept;
}

/*
 * Go by each click of the person's current session: of an item the profile remembers only
 * the last one.  As long as there are raw events of it, and not too many of them.
 */
void
VisitorReadClicks(EngineContext *context)
{
	Visitor    *visitor = &context->visitor;
	TimestampTz next = context->now;
	SessionItem *clicks;
	int64	   *items;
	KeySet		known;
	int			clickCount;
	int			count = 0;

	if (!visitor->personal || visitor->fromCall || visitor->profile->stale)
		return;
	clickCount = Min(ReadClicks(context, &clicks), SESSION_MAX_CLICKS);
	if (clickCount <= 0)
		return;
	items = palloc_array(int64, clickCount + visitor->itemCount);
	KeySetInit(&known, clickCount);
	for (; count < clickCount && next - clicks[count].ts <= NEIGHBOUR_SESSION_GAP; count++)
	{
		next = clicks[count].ts;
		items[count] = clicks[count].itemKey;
		KeySetAdd(&known, items[count]);
	}
	if (count == 0)
		return;
	/* what does not count as a click comes after them */
	visitor->itemCount = KeepOthers(visitor->items, visitor->itemCount, &known);
	visitor->longCount = KeepOthers(visitor->longItems, visitor->longCount, &known);
	memcpy(items + count, visitor->items, sizeof(int64) * visitor->itemCount);
	visitor->items = items;
	visitor->itemCount += count;
}

/* Read what is known of a person, and nothing of the session but that. */
void
VisitorLoadPerson(EngineContext *context, int64 userKey)
{
	BeginItems(&context->visitor, NULL, 0);
	LoadPerson(context, userKey);
}

/* Go by these items, newest first, whoever asks. */
void
VisitorGoBy(EngineContext *context, int64 *items, int count)
{
	context->visitor.items = items;
	context->visitor.itemCount = count;
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
 * The sessions with an id that the person was in at a time in the past.  Rows
 * tell when one ended, but not whether there was anything between its items;
 * the raw events do.
 */
static int
CollectPastSessions(const EngineContext *context, int64 *sessions, int count)
{
	int64		userKey = context->visitor.userKey;
	EventScanOptions options = {.snapshot = context->snapshot,.ofUser = true,
	.userKey = userKey,.allDays = true,.keysOnly = true,.since = context->now - NEIGHBOUR_SESSION_GAP,
	.places = context->places,.until = context->now};
	bool	   *counts = NeighbourEventTypes();
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (count < VISITOR_MAX_SESSIONS && EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.hasSession && row.ts >= options.since && row.ts <= context->now &&
			row.event >= 0 && counts[row.event] && NeighbourShard(&row) >= 0)
			count = AddSession(sessions, count, NeighbourSession(userKey, true, row.sessionKey));
	}
	EventScanEnd(scan);
	pfree(counts);
	return count;
}

/* True if a session may be what the person is in. */
static bool
IsCurrent(const EngineContext *context, TimestampTz ended)
{
	return ended >= context->now - NEIGHBOUR_SESSION_GAP && !(context->past && ended > context->now);
}

/* Read the current sessions of somebody who has few; -1: there are more than that. */
static int
ReadFewSessions(const EngineContext *context, KeyedTable *table, int64 *sessions)
{
	const Visitor *visitor = &context->visitor;
	TupleTableSlot *slot;
	bool		gapRead = false;
	int			count = 0;

	KeyedSeekFew(table, context->snapshot, visitor->userKey);
	for (int i = 0; (slot = KeyedNext(table, BackwardScanDirection)) != NULL; i++)
	{
		int64		sessionKey;
		TimestampTz ended;
		bool		isNull;
		bool		given = DatumGetBool(slot_getattr(slot, SESSION_GIVEN, &isNull));

		if (i == FEW_SESSIONS)
			return -1;
		SessionReadTimes(slot, &sessionKey, &ended);
		/* of those without an id, the last that has begun */
		if (!given && (gapRead || sessionKey > context->now))
			continue;
		gapRead |= !given;
		if (given ? IsCurrent(context, ended) : ended >= context->now - NEIGHBOUR_SESSION_GAP)
			sessions[count++] = NeighbourSession(visitor->userKey, given, sessionKey);
	}
	return count;
}

/* Read the current sessions of somebody who has many. */
static int
ReadManySessions(const EngineContext *context, KeyedTable *table, int64 *sessions)
{
	const Visitor *visitor = &context->visitor;
	Datum		keys[2] = {Int64GetDatum(visitor->userKey), BoolGetDatum(true)};
	TupleTableSlot *slot;
	int			count = NeighbourGapSession(table, visitor->userKey, context->now, context->snapshot, &sessions[0]);

	KeyedSeek(table, context->snapshot, lengthof(keys), keys, BTEqualStrategyNumber);
	for (int i = 0; i < MAX_SESSIONS_READ && count < VISITOR_MAX_SESSIONS &&
		 (slot = KeyedNext(table, ForwardScanDirection)); i++)
	{
		int64		sessionKey;
		TimestampTz ended;

		SessionReadTimes(slot, &sessionKey, &ended);
		if (IsCurrent(context, ended))
			sessions[count++] = NeighbourSession(visitor->userKey, true, sessionKey);
	}
	return count;
}

/* Read the person's own current sessions. */
static int
ReadOwnSessions(const EngineContext *context, int64 *sessions)
{
	KeyedTable *table = KeyedOpen("session", "session_pkey", AccessShareLock);
	int			count = ReadFewSessions(context, table, sessions);

	if (count < 0)
		count = ReadManySessions(context, table, sessions);
	KeyedClose(table);
	return context->past ? CollectPastSessions(context, sessions, count) : count;
}

/* The person's own current sessions. */
int
VisitorOwnSessions(EngineContext *context, int64 **sessions)
{
	if (context->ownSessions == NULL)
	{
		context->ownSessions = MemoryContextAlloc(context->context, sizeof(int64) * VISITOR_MAX_SESSIONS);
		context->ownCount = ReadOwnSessions(context, context->ownSessions);
	}
	*sessions = context->ownSessions;
	return context->ownCount;
}

/* The beginning of that time up to now, or as_of. */
TimestampTz
VisitorSince(const EngineContext *context, const Interval *interval)
{
	TimestampTz since;

	/* before year 1 nothing has happened, and soon the server knows no time */
	if (pg_sub_s64_overflow(context->now, IntervalLength(interval), &since) || since < CLOCK_YEAR_ONE)
		return DT_NOBEGIN;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												   TimestampTzGetDatum(context->now),
												   PointerGetDatum(interval)));
}

/* True if the profile remembers all since then; it remembers only so many, each once. */
static bool
RemembersAll(const EngineContext *context, TimestampTz since)
{
	const ProfileView *profile = context->visitor.profile;

	if (profile->stale || context->hasAsOf)
		return false;
	return !profile->recentFull ||
		(profile->recentCount > 0 && profile->recent[profile->recentCount - 1].ts < since);
}

/* Visit what the person has had to do with since then. */
void
VisitorVisitItems(EngineContext *context, TimestampTz since, bool remembered, VisitorVisit visit, void *arg)
{
	const ProfileView *profile = context->visitor.profile;
	EventScanOptions options = {.snapshot = context->snapshot,.ofUser = true,
	.userKey = context->visitor.userKey,.allDays = true,.keysOnly = true,.since = since,.maxRead = ProfileMaxTail()};
	EventScan  *scan;
	EventRow	row;

	for (int i = 0; i < profile->recentCount; i++)
	{
		const ProfileItem *recent = &profile->recent[i];

		if (recent->ts >= since && !ContextIsAhead(context, recent->ts))
			visit(arg, recent->itemKey, recent->event, recent->ts);
	}
	if (remembered || RemembersAll(context, since))
		return;
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.hasItem && row.ts >= since && !ContextIsAhead(context, row.ts) && (row.consent & PURPOSE_RECOMMENDATIONS) &&
			row.event != EVENT_TYPE_VIEW_ITEM_LIST && row.event != EVENT_TYPE_VIEW_PROMOTION)
			visit(arg, row.itemKey, row.event, row.ts);
	}
	/* days without an index on people come last: what is left out is of these */
	context->stale |= EventScanGaveUp(scan);
	EventScanEnd(scan);
}

/* Called for each item seen. */
static void
AddSeen(void *arg, int64 itemKey, int16 event, TimestampTz ts)
{
	KeySetAdd(arg, itemKey);
}

/* Exclude what the person has had to do with in that time. */
void
VisitorExcludeSeen(EngineContext *context, const Interval *interval)
{
	KeySetInit(&context->seen, context->visitor.profile->recentCount);
	VisitorVisitItems(context, VisitorSince(context, interval), false, AddSeen, &context->seen);
}

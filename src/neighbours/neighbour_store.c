/*
 * neighbour_store.c
 *		What must be done for sessions and what is made of them.
 */
#include "postgres.h"

#include "neighbours/neighbour_store.h"

#include "neighbours/neighbour.h"
#include "neighbours/session_expire.h"
#include "people/person_expiry.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "workers/processor.h"

/* session, posting and their total: count a session. */
static void
CountSession(void *arg, const Session *session)
{
	PersonRemovalTally(arg, session->userKey)->taken++;
}

/* Remove them; lists that others are in too may have become shorter than they should be. */
static void
PurgeSessions(void *state, PersonRemoval *removal)
{
	SessionIndexLosses losses = NeighbourErase(&removal->keys, CountSession, removal);

	for (int i = 0; i < removal->count; i++)
		removal->people[i].tallies[removal->store].left = losses.missing;
}

/* Count what is left of a person after a withdrawal that came late. */
static void
RecountPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_RECOMMENDATIONS) != 0)
		ProcessorRecount(PROCESSOR_NEIGHBOUR, userKey);
}

/* Take a person's sessions out of use for the time being, and put them back. */
static void
ParkPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_RECOMMENDATIONS) != 0)
		NeighbourPark(userKey);
}

static void
UnparkPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_RECOMMENDATIONS) != 0)
		NeighbourUnpark(userKey);
}

/* The same for a correction: who is restricted is out already. */
static void
TakePersonOut(int64 userKey, int32 restricted)
{
	if ((restricted & PURPOSE_RECOMMENDATIONS) == 0)
		NeighbourRemove(userKey);
}

static void
PutPersonBack(int64 userKey, int32 restricted)
{
	if ((restricted & PURPOSE_RECOMMENDATIONS) == 0)
		ProcessorRecount(PROCESSOR_NEIGHBOUR, userKey);
}

/*
 * Events change hands: most sessions will be as they were.  In whichever order events come,
 * sessions are the same, so what somebody is given is merged into the sessions that it reaches.
 */
static void
LeaveSessions(const PersonMove *move)
{
	SessionIndexMoveBegin();
	NeighbourRemove(move->from);
	if (move->back)
		NeighbourRemove(move->to);
	else
		ProcessorRecountAs(PROCESSOR_NEIGHBOUR, move->from, move->to);
}

static void
SettleSessions(const PersonMove *move)
{
	if (move->back)
	{
		ProcessorRecount(PROCESSOR_NEIGHBOUR, move->from);
		ProcessorRecount(PROCESSOR_NEIGHBOUR, move->to);
	}
	SessionIndexMoveEnd();
}

/* What a session names. */
static void
NameItems(const PersonNames *names, TupleTableSlot *slot)
{
	Session		session;

	if (!names->items || !SessionTryReadRow(slot, &session, names->remedy))
		return;
	for (int i = 0; i < session.itemCount; i++)
		names->item(names->arg, session.items[i].itemKey);
}

/* Sessions and their postings. */
static void
ExpireSessions(PersonExpiry *expiry)
{
	SessionExpiry sessions = {
		.before = expiry->cutoff,
		.dryRun = expiry->dryRun,
		.maxSessions = expiry->dryRun ? PG_INT64_MAX : expiry->maxRows,
		.hasNextKey = expiry->hasNextKey,
		.nextKey = expiry->nextKey
	};

	if (!expiry->dryRun && !ProcessorPause(PROCESSOR_NEIGHBOUR))
		PersonExpirySetBusy(expiry, "processor neighbour is at work");
	else
	{
		SessionExpire(&sessions);
		expiry->removed = sessions.sessions;
		PersonExpirySetDamaged(expiry, sessions.damaged, "neighbour");
		expiry->hasNextKey = sessions.hasNextKey;
		expiry->nextKey = sessions.nextKey;
		expiry->passed = !sessions.hasNextKey;
	}
	PersonExpiryReport(expiry, "session with its postings", sessions.sessions);
}

static const PersonTaker sessionTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeSessions};
static const PersonWithdrawal sessionWithdrawal = {
	.uncount = PERSON_NONE,.clear = PERSON_NONE,.purge = NeighbourPurge,.recount = RecountPerson
};
static const PersonParking sessionParking = {.park = ParkPerson,.unpark = UnparkPerson};
static const PersonRemaking sessionRemaking = {.takeOut = TakePersonOut,.remake = PutPersonBack};
static const PersonMoving sessionMoving = {
	.missing = PERSON_NONE,.leave = LeaveSessions,.rekey = PERSON_NONE,.settle = SettleSessions
};
static const PersonNaming sessionNaming = {.kinds = PERSON_NAMES_ITEMS,.index = "session_pkey",.row = NameItems};
static const PersonExpiryStep sessionExpiry[] = {{"session", 80, false, ExpireSessions}, {NULL}};

static const PersonHolding postingHolding = {
	.items = "SELECT k FROM unnest($1) AS k"
	" WHERE EXISTS (SELECT FROM personalize.posting p WHERE p.item_key = k)",
	.reads = PERSON_NONE
};

static const PersonHolding pairHolding = {
	.items = "SELECT k FROM unnest($1) AS k"
	" WHERE EXISTS (SELECT FROM personalize._pair_list p WHERE p.item_key = k)",
	.reads = PERSON_NONE
};

/* When a session ended: one that began at that time does not say so. */
#define SESSION_ENDED_SQL "coalesce(s.ended, '2000-01-01 00:00+00'::timestamptz + s.session_key * interval '1 microsecond')"

#define SESSION_PEOPLE \
	"SELECT s.user_key, s.consent AS purposes FROM personalize.session AS s"

static const PersonExport sessionCopy = {
	.as = "sessions",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object("
	" 'session_key', CASE WHEN s.given THEN s.session_key END, 'ended', " SESSION_ENDED_SQL ", 'events', coalesce(s.events, 1),"
	" 'purposes', personalize_internal._purpose_names(s.consent),"
	" 'items', ("
	" SELECT coalesce(jsonb_agg(jsonb_build_object('item_id', personalize_internal._item_name(x.item_key), 'ts', x.ts)"
	" ORDER BY x.ts, x.txid, x.place), '[]')"
	" FROM personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended) x),"
	" 'neighbour_lists', ("
	" SELECT coalesce(jsonb_agg(DISTINCT personalize_internal._item_name(l.item_key)), '[]')"
	" FROM personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended) x"
	" JOIN personalize.posting l ON l.item_key = x.item_key,"
	" LATERAL personalize_internal._posting_entries(l.data, l.item_key, l.chunk) n"
	" WHERE n.session = personalize_internal._session_number(s.user_key, s.given, s.session_key)))"
	" ORDER BY " SESSION_ENDED_SQL ", s.session_key), '[]')"
	" FROM personalize.session s WHERE s.user_key = $1",
	.meaning = "visits, the items of each in order, and the items whose lists of neighbours they are in"
};

static const PersonExport postingCopy = {.as = "sessions",.query = PERSON_NONE,.meaning = PERSON_NONE};

/* Postings are made of sessions of people who allow recommendations, and go with them. */
static const PersonStore stores[] = {
	{
		.name = "session",
		.form =
		"SELECT jsonb_build_object('user', s.user_key, 'given', s.given, 'session', s.session_key,"
		" 'ended', " SESSION_ENDED_SQL ", 'second_at', coalesce(s.second_at, 'infinity'), 'events', coalesce(s.events, 1), 'consent', s.consent,"
		" 'items',"
		" (SELECT jsonb_agg(jsonb_build_array(i.item_key, i.ts, i.again) ORDER BY i.number)"
		"  FROM personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended) WITH ORDINALITY AS i (item_key, ts, txid, place, again, number)))"
		" FROM personalize.session s",
		.mask = "consent, user_key",
		.unanalyzed = "user_key,session_key,items",
		.people = SESSION_PEOPLE,
		.keeps = SESSION_PEOPLE,
		.copy = &sessionCopy,
		.rank = 70,
		.receipt = "sessions",
		.receiptLeft = "postings",
		.forget = &sessionTaker,
		.withdraw = &sessionWithdrawal,
		.restriction = &sessionParking,
		.correction = &sessionRemaking,
		.moving = &sessionMoving,
		.names = &sessionNaming,
		.expiry = sessionExpiry,
		.none = PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY
	},
	{
		.name = "posting",
		.form =
		/* the newest chunk of an item counts its sessions; the newest 256 are exact */
		"SELECT jsonb_build_object('item', p.item_key, 'sessions', max(p.sessions), 'entries',"
		" jsonb_agg(p.entry ORDER BY p.ts DESC, p.session DESC) FILTER (WHERE p.place <= 256)) FROM ("
		"  SELECT c.item_key, e.ts, e.session, jsonb_build_array(e.ts, e.session, e.place,"
		"    e.items_before, e.items_after) AS entry,"
		"   row_number() OVER (PARTITION BY c.item_key ORDER BY e.ts DESC, e.session DESC) AS place,"
		"   first_value((SELECT sum(get_byte(c.data, 4 + b)::bigint << (8 * b)) FROM generate_series(0, 7) AS b))"
		"    OVER (PARTITION BY c.item_key ORDER BY c.chunk DESC) AS sessions"
		"  FROM personalize.posting c, LATERAL personalize_internal._posting_entries(c.data, c.item_key, c.chunk) AS e) p"
		" GROUP BY p.item_key",
		.mask = "4",
		.unanalyzed = "data",
		.copy = &postingCopy,
		.holds = &postingHolding,
		.none = PERSON_NO_MOVING | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_RECEIPT | PERSON_NO_RECEIPT_LEFT |
		PERSON_NO_FORGET | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION |
		PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "_pair_list",
		.form = PERSON_STORE_PLAIN("_pair_list"),
		.mask = "4",
		.unanalyzed = "item_key,data",
		.holds = &pairHolding,
		.none = PERSON_NO_MOVING | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_COPY | PERSON_NO_RECEIPT |
		PERSON_NO_RECEIPT_LEFT | PERSON_NO_FORGET | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_DICTIONARY |
		PERSON_NO_EXPIRY
	},
	{
		.name = "_session_total",
		.content = "a counter",
		.form = "SELECT jsonb_build_array(coalesce(sum(t.sessions), 0), coalesce(sum(t.entries), 0)) FROM personalize._session_total t"
	},
	{
		.name = "_session_day",
		.content = "a counter",
		.form = PERSON_STORE_PLAIN("_session_day")
	},
	{
		.name = "_session_repeat",
		.content = "a counter",
		.form = PERSON_STORE_PLAIN("_session_repeat")
	}
};

/* Register them. */
void
NeighbourStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}

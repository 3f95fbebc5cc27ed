/*
 * item_store.c
 *		What must be done about people for the tables of items and their statistics.
 */
#include "postgres.h"

#include "items/item_store.h"

#include "base/dictionary.h"
#include "items/item_stat.h"
#include "items/item_stat_fold.h"
#include "items/kept_list.h"
#include "people/person_expiry.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"

/* item_stat: subtract the events that were counted. */
static void *
BeginCounts(PersonRemoval *removal)
{
	if ((removal->purposes & PURPOSE_ANALYTICS) == 0)
		return NULL;
	return ItemStatUncountBegin(&removal->keys);
}

static void
UncountEvent(void *state, PersonTally *tally, const EventRow *row)
{
	if (state)
		tally->taken += ItemStatUncountAdd(state, row);
}

static void
FinishCounts(void *state, PersonRemoval *removal)
{
	if (state)
		ItemStatUncountEnd(state);
}

/* Count what is left of a person after a withdrawal that came late. */
static void
RecountPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) != 0)
		ProcessorRecount(PROCESSOR_ITEM_STAT, userKey);
}

/* _basket: a basket has one owner. */
static void
PurgeBaskets(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	if ((removal->purposes & PURPOSE_ANALYTICS) != 0)
		PersonRemovalDelete(removal, &plan,
							"DELETE FROM personalize._basket WHERE user_key = ANY ($1) RETURNING user_key");
}

/* _popular, _repeat_purchase and _repeat_interval: made from counters and baskets that have gone. */
static void
RefreshLists(void *state, PersonRemoval *removal)
{
	if (PersonRemovalTotal(removal, "item_stat") > 0 || PersonRemovalTotal(removal, "_basket") > 0)
		KeptListSpoil();
}

/* Take a person out of the statistics for the time being, and put the person back. */
static void
ParkPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) != 0)
		ItemStatPark(userKey);
}

static void
UnparkPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) != 0)
		ItemStatUnpark(userKey);
}

/* The same for a correction: who is restricted is out already. */
static void
TakePersonOut(int64 userKey, int32 restricted)
{
	if ((restricted & PURPOSE_ANALYTICS) == 0)
		ItemStatPark(userKey);
}

static void
PutPersonBack(int64 userKey, int32 restricted)
{
	if ((restricted & PURPOSE_ANALYTICS) == 0)
		ItemStatUnpark(userKey);
}

/* Add or take out the baskets of one of two people whose events change hands, seeing what was done before. */
static bool
CountBaskets(int64 userKey, int64 times, int64 movesTo)
{
	bool		any;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	any = ItemStatCountBaskets(userKey, times, movesTo);
	PopActiveSnapshot();
	return any;
}

/*
 * Events change hands: the counters stay as they are, baskets are somebody's.  Those that a
 * person is given are added to what the person has.
 */
static void
LeaveBaskets(const PersonMove *move)
{
	bool		any = CountBaskets(move->from, -1, move->back ? 0 : move->to);

	if (move->back)
		any |= CountBaskets(move->to, -1, 0);
	if (any)
		KeptListSpoil();
}

static void
SettleBaskets(const PersonMove *move)
{
	bool		any;

	if (!move->back)
		return;
	any = CountBaskets(move->from, 1, 0);
	any |= CountBaskets(move->to, 1, 0);
	if (any)
		KeptListSpoil();
}

/* Delete what is past its time, unless the processor is at work. */
static void
ExpireRows(PersonExpiry *expiry, const char *table, const char *condition)
{
	if (!expiry->dryRun && !ProcessorPause(PROCESSOR_ITEM_STAT))
		PersonExpirySetBusy(expiry, "processor item_stat is at work");
	else
		PersonExpiryDelete(expiry, table, condition);
	PersonExpiryReport(expiry, table, expiry->removed);
}

/* What was bought together. */
static void
ExpireBaskets(PersonExpiry *expiry)
{
	ExpireRows(expiry, "_basket", "t.day < ($1 AT TIME ZONE 'UTC')::date");
	if (!expiry->dryRun && expiry->removed > 0)
		KeptListSpoil();
}

/* Hours of item_stat become days. */
static void
FoldHours(PersonExpiry *expiry)
{
	if (!expiry->dryRun && !ProcessorPause(PROCESSOR_ITEM_STAT))
		PersonExpirySetBusy(expiry, "processor item_stat is at work");
	else
	{
		PersonExpiryPushSnapshot();
		expiry->removed = ItemStatFold(expiry->cutoff, expiry->dryRun, &expiry->passed);
		PopActiveSnapshot();
	}
	PersonExpiryReport(expiry, "item_stat: hours folded into days", expiry->removed);
}

/* Days of item_stat that nobody asks for any more. */
static void
ExpireDays(PersonExpiry *expiry)
{
	ExpireRows(expiry, "item_stat", "t.pane_start < date_trunc('day', $1, 'UTC')");
}

static const PersonTaker countTaker = {.begin = BeginCounts,.event = UncountEvent,.finish = FinishCounts};
static const PersonTaker basketTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeBaskets};
static const PersonTaker listTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = RefreshLists};

static const PersonWithdrawal countWithdrawal = {
	.uncount = &countTaker,.clear = PERSON_NONE,.purge = PERSON_NONE,.recount = RecountPerson
};
static const PersonWithdrawal basketWithdrawal = {
	.uncount = &basketTaker,.clear = PERSON_NONE,.purge = PERSON_NONE,.recount = PERSON_NONE
};
static const PersonWithdrawal listWithdrawal = {
	.uncount = &listTaker,.clear = PERSON_NONE,.purge = PERSON_NONE,.recount = PERSON_NONE
};
static const PersonParking countParking = {.park = ParkPerson,.unpark = UnparkPerson};
static const PersonRemaking countRemaking = {.takeOut = TakePersonOut,.remake = PutPersonBack};
static const PersonMoving countMoving = {
	.missing = PERSON_NONE,.leave = LeaveBaskets,.rekey = PERSON_NONE,.settle = SettleBaskets
};

#define BASKET_PEOPLE \
	"SELECT b.user_key, 0 AS purposes FROM personalize._basket AS b"

static const PersonExport basketCopy = {
	.as = "baskets",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('day', b.day, 'basket', b.basket,"
	" 'item_id', personalize_internal._item_name(b.item_key), 'count', abs(b.count), 'in_use', b.count > 0)"
	" ORDER BY b.day, b.basket, b.item_key), '[]')"
	" FROM personalize._basket b WHERE b.user_key = $1",
	.meaning = "what was bought together"
};

/* An item's row i that an event made and nobody else has written to. */
#define BARE_ITEM \
	"i.updated_at IS NULL AND i.available AND NOT i.hidden AND i.category IS NULL AND i.brand IS NULL" \
	" AND i.price IS NULL AND i.currency IS NULL AND i.tags IS NULL AND i.attributes IS NULL" \
	" AND i.source IS NULL AND i.vanished_at IS NULL"

static const PersonHolding itemHolding = {
	.items = "SELECT k FROM unnest($1) AS k"
	" WHERE EXISTS (SELECT FROM personalize.item i WHERE i.item_key = k AND (" BARE_ITEM ") IS NOT TRUE)",
	.reads = PERSON_NONE
};
static const PersonHolding basketHolding = {
	.items = "SELECT k FROM unnest($1) AS k"
	" WHERE EXISTS (SELECT FROM personalize._basket b WHERE b.item_key = k)",
	.reads = PERSON_NONE
};
static const PersonHolding countHolding = {
	.items = "SELECT s.item_key FROM personalize.item_stat s JOIN unnest($1) AS k ON k = s.item_key",
	.reads = "item_stat"
};

static const PersonDictionary items = {
	.kind = "i",
	.unclaimed = "SELECT 'i'::\"char\" AS kind, 0::smallint AS signal, i.item_key AS key FROM personalize.item i"
	" WHERE " BARE_ITEM,
	.drop = "DELETE FROM personalize.item i WHERE i.item_key = ANY ($2) AND " BARE_ITEM
};

static const PersonExpiryStep basketExpiry[] = {{"basket", 50, false, ExpireBaskets}, {NULL}};
static const PersonExpiryStep countExpiry[] = {
	{"item_stat_hour", 60, false, FoldHours},
	{"item_stat", 70, false, ExpireDays},
	{NULL}
};

static const PersonStore stores[] = {
	{
		.name = "item",
		.content = "the catalogue",
		.form =
		"SELECT to_jsonb(i) - 'item_key' - 'created_at' - 'updated_at' - 'vanished_at'"
		" || jsonb_build_object('vanished', i.vanished_at IS NOT NULL) FROM personalize.item i"
		" UNION "
		"SELECT jsonb_build_object('item_id', l.id, 'available', true, 'hidden', false, 'vanished', false,"
		" 'category', NULL, 'brand', NULL, 'price', NULL, 'currency', NULL, 'tags', NULL,"
		" 'attributes', NULL, 'source', NULL) FROM " DICTIONARY_LOGGED("i") " AS l"
		" WHERE NOT EXISTS (SELECT FROM personalize.item i WHERE i.item_key = l.key)",
		.holds = &itemHolding,
		.dictionary = &items
	},
	{
		.name = "_item_past",
		.content = "the catalogue",
		.exempt = "what the catalogue said before depends on when it was changed"
	},
	{
		.name = "item_sync",
		.content = "the catalogue",
		.form = "SELECT to_jsonb(s) - 'last_run_at' - 'changed_until' FROM personalize.item_sync s"
	},
	{
		.name = "item_stat",
		.content = "counters of items",
		.form =
		"SELECT jsonb_build_object('pane', s.pane_start, 'item', s.item_key,"
		" 'currency', s.currency_code, 'event', n.name, 'slot', s.slot_bucket,"
		" 'count', s.count, 'amount', s.amount)"
		" FROM personalize.item_stat s LEFT JOIN personalize.event_type n USING (event)",
		.rank = 10,
		.receipt = "item_counts",
		.forget = &countTaker,
		.withdraw = &countWithdrawal,
		.restriction = &countParking,
		.correction = &countRemaking,
		.moving = &countMoving,
		.holds = &countHolding,
		.expiry = countExpiry
	},
	{
		.name = "_item_stat_fold",
		.content = "positions",
		.exempt = "up to when item_stat has been folded"
	},
	{
		.name = "_basket",
		.form = PERSON_STORE_PLAIN("_basket"),
		.unanalyzed = "user_key",
		.people = BASKET_PEOPLE,
		.keeps = BASKET_PEOPLE,
		.copy = &basketCopy,
		.rank = 20,
		.receipt = "baskets",
		.forget = &basketTaker,
		.withdraw = &basketWithdrawal,
		.holds = &basketHolding,
		.expiry = basketExpiry,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION |
		PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_DICTIONARY
	},
	{
		.name = "_popular",
		.content = "counters of items",
		.form =
		/* parts of the best score, which do not depend on the time; what else was asked for is the same counters */
		"SELECT jsonb_build_object('category', p.category, 'items',"
		" (SELECT jsonb_agg(jsonb_build_array(l.score, l.item) ORDER BY l.score DESC, l.item) FROM ("
		"   SELECT round((u.score / p.scores[1])::numeric, 5) AS score, u.item"
		"   FROM unnest(p.scores, p.items) AS u (score, item)) l))"
		" FROM personalize._popular p WHERE p.half_life = 86400000000",
		.rank = 120,
		.forget = &listTaker,
		.withdraw = &listWithdrawal
	},
	{
		.name = "_repeat_purchase",
		.content = "counters of items",
		.form = "SELECT to_jsonb(r) FROM personalize._repeat_purchase r"
	},
	{
		.name = "_repeat_interval",
		.content = "counters of items",
		.form = "SELECT to_jsonb(r) FROM personalize._repeat_interval r"
	},
	{
		.name = "_popular_state",
		.content = "counters of items",
		.exempt = "statistics: when lists were made and how long it took"
	}
};

/* Register them. */
void
ItemStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}

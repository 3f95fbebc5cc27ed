/*
 * profile_store.c
 *		What must be done for profiles and preferences, which are of one person each.
 */
#include "postgres.h"

#include "profiles/profile_store.h"

#include "base/keyed.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "people/person_expiry.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "profiles/profile_delta.h"
#include "profiles/profile_expire.h"
#include "profiles/profile_row.h"
#include "signals/signal_store.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

/* How far the processor has got with the shards of the people. */
typedef struct ProfileRemoval
{
	MemoryContext context;
	Snapshot	snapshot;
	TxidSnapshot *positions[SHARD_COUNT];
} ProfileRemoval;

/* profile: what it counted and no raw event tells of any more stays in anonymous sums. */
static void *
BeginProfiles(PersonRemoval *removal)
{
	ProfileRemoval *profiles = palloc0(sizeof(ProfileRemoval));

	profiles->context = removal->context;
	profiles->snapshot = removal->snapshot;
	return profiles;
}

static void
CountProfiled(void *state, PersonTally *tally, const EventRow *row)
{
	ProfileRemoval *profiles = state;
	int			shard = ShardOfKey(row->userKey);

	if ((row->consent & PURPOSE_PERSONALIZATION) == 0)
		return;
	if (profiles->positions[shard] == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(profiles->context);

		profiles->positions[shard] = ProcessorPosition(PROCESSOR_PROFILE, shard, profiles->snapshot);
		MemoryContextSwitchTo(caller);
	}
	if (TxidIsSeen(row->txid, profiles->positions[shard]))
		tally->left--;
}

static void
PurgeProfiles(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.profile WHERE user_key = ANY ($1) RETURNING user_key, events");
	for (int i = 0; i < removal->count; i++)
	{
		PersonTally *tally = &removal->people[i].tallies[removal->store];

		tally->left = Max(0, tally->left);
	}
}

/* preference */
static void
PurgePreferences(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.preference WHERE user_key = ANY ($1) RETURNING user_key");
}

/* Withdrawal of personalization takes the preferences along. */
static void
ClearPreferences(int64 userKey, int32 purposes, TimestampTz until)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, TIMESTAMPTZOID};
	Datum		values[] = {Int64GetDatum(userKey), TimestampTzGetDatum(until)};

	if ((purposes & PURPOSE_PERSONALIZATION) == 0)
		return;
	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize.preference WHERE user_key = $1 AND set_at < $2",
					  lengthof(types), types, values, NULL, false);
}

/* The row is taken out for a correction of events, and made anew. */
static void
TakeProfileOut(int64 userKey, int32 restricted)
{
	ProfileRemove(userKey);
}

static void
RemakeProfile(int64 userKey, int32 restricted)
{
	ProcessorRecount(PROCESSOR_PROFILE, userKey);
}

/* Events that a profile holds and no raw event tells of any more. */
static void
CountRaw(void *state, const EventRow *row)
{
	if ((row->consent & PURPOSE_PERSONALIZATION) != 0)
		(*(int64 *) state)++;
}

static int64
MissingEvents(int64 userKey)
{
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", AccessShareLock);
	StoredProfile stored;
	ItemPointerData tid;
	int64		raw = 0;
	int64		held = 0;

	if (ProfileRowRead(table, GetActiveSnapshot(), userKey, &stored, &tid))
		held = DatumGetInt64(stored.values[PROFILE_EVENTS]);
	KeyedClose(table);
	if (held > 0)
		ProcessorVisitPassed(PROCESSOR_PROFILE, userKey, CountRaw, &raw);
	return Max(held - raw, 0);
}

/*
 * Events that come to a person are added to what is there, which may tell of more than
 * raw events do; who loses some is counted again.
 */
static void
LeaveProfile(const PersonMove *move)
{
	ProfileRemove(move->from);
	if (move->back)
		ProfileRemove(move->to);
	else
		ProcessorRecountAs(PROCESSOR_PROFILE, move->from, move->to);
}

static void
SettleProfile(const PersonMove *move)
{
	if (!move->back)
		return;
	ProcessorRecount(PROCESSOR_PROFILE, move->from);
	ProcessorRecount(PROCESSOR_PROFILE, move->to);
}

#define MOVED_PREFERENCES "m.user_key = $1 AND (NOT $4 OR m.alias_key = $3)"
#define SAME_PREFERENCE "p.value = m.value AND split_part(p.name, '_', 2) = split_part(m.name, '_', 2)"

/*
 * Preferences become another's, of two that speak of one thing the newer; those that
 * have changed hands remember the id, and go back with it.
 */
static void
RekeyPreferences(PersonMove *move)
{
	static SPIPlanPtr olderPlan = NULL;
	static SPIPlanPtr newerPlan = NULL;
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, INT8OID, BOOLOID};
	Datum		values[] = {
		Int64GetDatum(move->from), Int64GetDatum(move->to), Int64GetDatum(move->alias), BoolGetDatum(move->back)
	};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	if (move->from != move->to)
	{
		SpiUtilRun(&olderPlan, "DELETE FROM personalize.preference AS m USING personalize.preference AS p"
				   " WHERE " MOVED_PREFERENCES " AND p.user_key = $2 AND " SAME_PREFERENCE " AND p.set_at >= m.set_at",
				   lengthof(types), types, values, NULL, false);
		SpiUtilRun(&newerPlan, "DELETE FROM personalize.preference AS p USING personalize.preference AS m"
				   " WHERE " MOVED_PREFERENCES " AND p.user_key = $2 AND " SAME_PREFERENCE,
				   lengthof(types), types, values, NULL, false);
	}
	SpiUtilRun(&plan, "UPDATE personalize.preference AS m SET user_key = $2,"
			   " alias_key = CASE WHEN NOT $4 THEN coalesce(m.alias_key, $3) END WHERE " MOVED_PREFERENCES,
			   lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* The packed columns of a profile. */
typedef struct ProfileBytes
{
	const PersonNames *names;
	const FeatureState *features;	/* NULL: none */
	const bytea *recent;		/* NULL: none */
	const bytea *steps;			/* NULL: none */
} ProfileBytes;

/* What a step names. */
static void
NameStep(const PersonNames *names, const SignalSet *signals, const ProfileStep *step)
{
	if (names->items && (step->has & (1 << PROFILE_STEP_ITEM)) != 0)
		names->item(names->arg, step->keys[PROFILE_STEP_ITEM]);
	if (names->values && (step->has & (1 << PROFILE_STEP_QUERY)) != 0)
		SignalNameFeature(signals, FeatureKeyMake(SIGNAL_SEARCH_TERM, step->keys[PROFILE_STEP_QUERY]), names);
}

/* What they name. */
static void
NameBytes(void *arg)
{
	ProfileBytes *bytes = arg;
	const SignalSet *signals = SignalSetGet();
	FeatureIterator iterator;
	Feature		feature;
	ProfileRecent recent = {.count = 0};
	ProfileSteps steps = {.count = 0};

	FeatureIteratorBegin(&iterator, bytes->features);
	while (FeatureIteratorNext(&iterator, &feature))
		SignalNameFeature(signals, feature.key, bytes->names);
	if (bytes->recent != NULL && bytes->names->items)
		ProfileRecentUnpack(bytes->recent, &recent);
	for (int i = 0; i < recent.count; i++)
		bytes->names->item(bytes->names->arg, recent.items[i].itemKey);
	if (bytes->steps != NULL)
		ProfileStepsUnpack(bytes->steps, &steps);
	for (int i = 0; i < steps.count; i++)
		NameStep(bytes->names, signals, &steps.steps[i]);
}

/* What a profile names. */
static void
NameProfile(const PersonNames *names, TupleTableSlot *slot)
{
	ProfileBytes bytes = {.names = names};
	StoredRow	row;
	bool		isNull;
	Datum		value;

	StoredRowBegin(&row, STORED_PROFILE,
				   (int64[]) {DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull))});
	value = slot_getattr(slot, PROFILE_FEATURES, &isNull);
	if (!isNull)
		bytes.features = DatumGetFeatureStateP(value);
	value = slot_getattr(slot, PROFILE_RECENT, &isNull);
	if (!isNull)
		bytes.recent = DatumGetByteaPP(value);
	value = slot_getattr(slot, PROFILE_STEPS, &isNull);
	if (!isNull)
		bytes.steps = DatumGetByteaPP(value);
	if (names->remedy == NULL)
		NameBytes(&bytes);
	else
		(void) StoredRowTry(&row, NameBytes, &bytes, names->remedy);
	StoredRowEnd(&row);
}

/* Profiles of idle people, and what is past its time in those of others. */
static void
ExpireProfiles(PersonExpiry *expiry)
{
	ProfileExpiry profiles = {
		.asOf = expiry->asOf,
		.before = expiry->hasCutoff ? expiry->cutoff : DT_NOBEGIN,
		.dryRun = expiry->dryRun,
		.maxChanged = expiry->dryRun ? PG_INT64_MAX : expiry->maxRows,
		.hasNextKey = expiry->hasNextKey,
		.nextKey = expiry->nextKey
	};

	if (!expiry->dryRun && !ProcessorPause(PROCESSOR_PROFILE))
		PersonExpirySetBusy(expiry, "processor profile is at work");
	else
	{
		PersonExpiryPushSnapshot();
		ProfileExpire(&profiles);
		PopActiveSnapshot();
		expiry->removed = profiles.profiles + profiles.features + profiles.recent;
		PersonExpirySetDamaged(expiry, profiles.damaged, "profile");
		expiry->hasNextKey = profiles.hasNextKey;
		expiry->nextKey = profiles.nextKey;
		expiry->passed = !profiles.hasNextKey;
	}
	PersonExpiryReport(expiry, "profile: idle people", profiles.profiles);
	PersonExpiryReport(expiry, "profile: features with panes past their time", profiles.features);
	PersonExpiryReport(expiry, "profile: recent items", profiles.recent);
}

/* Preferences of people who have not been seen for as long as profiles are kept. */
static void
ExpirePreferences(PersonExpiry *expiry)
{
	PersonExpiryDelete(expiry, "preference",
					   "t.set_at < $1 AND NOT EXISTS ("
					   "SELECT FROM personalize.profile p WHERE p.user_key = t.user_key)");
	PersonExpiryReport(expiry, "preference", expiry->removed);
}

static const PersonTaker profileTaker = {.begin = BeginProfiles,.event = CountProfiled,.finish = PurgeProfiles};
static const PersonTaker preferenceTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgePreferences};
static const PersonWithdrawal profileWithdrawal = {
	.uncount = PERSON_NONE,.clear = PERSON_NONE,.purge = ProfilePurge,.recount = ProfileRecount
};
static const PersonWithdrawal preferenceWithdrawal = {
	.uncount = PERSON_NONE,.clear = ClearPreferences,.purge = PERSON_NONE,.recount = PERSON_NONE
};
static const PersonRemaking profileRemaking = {.takeOut = TakeProfileOut,.remake = RemakeProfile};
static const PersonMoving profileMoving = {
	.missing = MissingEvents,.leave = LeaveProfile,.rekey = PERSON_NONE,.settle = SettleProfile
};
static const PersonMoving preferenceMoving = {
	.missing = PERSON_NONE,.leave = PERSON_NONE,.rekey = RekeyPreferences,.settle = PERSON_NONE
};
static const PersonNaming profileNaming = {.kinds = PERSON_NAMES_BOTH,.index = "profile_pkey",.row = NameProfile};
static const PersonExpiryStep profileExpiry[] = {{"profile", 30, true, ExpireProfiles}, {NULL}};
static const PersonExpiryStep preferenceExpiry[] = {{"preference", 40, false, ExpirePreferences}, {NULL}};

#define PROFILE_PEOPLE \
	"SELECT p.user_key, p.mask AS purposes FROM personalize.profile AS p"
/* 2: personalization */
#define PREFERENCE_PEOPLE \
	"SELECT p.user_key, 2 AS purposes FROM personalize.preference AS p"

static const PersonExport profileCopy = {
	.as = "profile",
	.query =
	"SELECT jsonb_build_object('first_seen', p.first_seen, 'last_seen', p.last_seen, 'events', p.events,"
	" 'purposes', personalize_internal._purpose_names(p.mask),"
	" 'recent', ("
	" SELECT coalesce(jsonb_agg(jsonb_build_object('item_id', personalize_internal._item_name(x.item_key),"
	" 'event', coalesce(t.name, x.event::text), 'ts', x.ts,"
	" 'purposes', personalize_internal._purpose_names(x.consent)) ORDER BY x.ts DESC, x.item_key, x.event), '[]')"
	" FROM personalize_internal._recent_items(p.recent, p.user_key) x LEFT JOIN personalize.event_type t ON t.event = x.event),"
	" 'steps', ("
	" SELECT coalesce(jsonb_agg(jsonb_build_object('event', coalesce(t.name, x.event::text), 'ts', x.ts,"
	" 'item_id', personalize_internal._item_name(x.item_key), 'query', personalize_internal._feature_value(5::smallint, x.query),"
	" 'purposes', personalize_internal._purpose_names(x.consent)) ORDER BY x.ts DESC, x.event), '[]')"
	" FROM personalize_internal._profile_steps(p.steps, p.user_key) x LEFT JOIN personalize.event_type t ON t.event = x.event),"
	" 'signals', ("
	" SELECT coalesce(jsonb_agg(jsonb_build_object('signal', d.name,"
	" 'value', coalesce(personalize_internal._feature_value(d.signal, f.value_key), f.value_key::text),"
	" 'pane_start', f.pane_start, 'pane_end', f.pane_end, 'count', f.count, 'sum', f.sum)"
	" ORDER BY d.signal, f.value_key, f.pane_start), '[]')"
	" FROM personalize.signal d, LATERAL personalize_internal._profile_panes(p.features, d.signal, p.user_key) f),"
	" 'features', p.features::jsonb)"
	" FROM personalize.profile p WHERE p.user_key = $1",
	.meaning = "what was counted: recent items; steps of sequences; signals by value and span of time; features: the same as it is stored"
};

static const PersonExport preferenceCopy = {
	.as = "preferences",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('name', p.name, 'value', p.value, 'set_at', p.set_at)"
	" ORDER BY p.name, p.value), '[]')"
	" FROM personalize.preference p WHERE p.user_key = $1",
	.meaning = "what you declared"
};

static const PersonStore stores[] = {
	{
		.name = "profile",
		.form =
		"SELECT jsonb_build_object('user', p.user_key, 'first', p.first_seen, 'last', p.last_seen,"
		" 'events', p.events, 'mask', p.mask,"
		" 'recent', (SELECT jsonb_agg(jsonb_build_array(i.item_key, i.ts, n.name, i.consent) ORDER BY i.place)"
		"  FROM personalize_internal._recent_items(p.recent, p.user_key) WITH ORDINALITY AS i (item_key, ts, event, consent, place)"
		"  LEFT JOIN personalize.event_type n USING (event)),"
		" 'steps', (SELECT jsonb_agg(to_jsonb(i) - 'event' || jsonb_build_object('event', n.name) ORDER BY i.place)"
		"  FROM personalize_internal._profile_steps(p.steps, p.user_key) WITH ORDINALITY AS i (ts, event, consent, query, item_key, session_key, place)"
		"  LEFT JOIN personalize.event_type n USING (event)),"
		/* folding leaves the features in one order */
		" 'features', personalize_internal._state_folded(p.features, $1, p.user_key)::jsonb)"
		" FROM personalize.profile p",
		.mask = "mask, user_key",
		.unanalyzed = "user_key,recent,steps,features",
		.people = PROFILE_PEOPLE,
		.keeps = PROFILE_PEOPLE,
		.copy = &profileCopy,
		.rank = 60,
		.receipt = "profiles",
		.receiptLeft = "events",
		.forget = &profileTaker,
		.withdraw = &profileWithdrawal,
		.correction = &profileRemaking,
		.names = &profileNaming,
		.expiry = profileExpiry,
		.moving = &profileMoving,
		.none = PERSON_NO_RESTRICTION | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY
	},
	{
		.name = "preference",
		.form = "SELECT to_jsonb(p) - 'set_at' - 'alias_key' FROM personalize.preference p",
		.unanalyzed = "user_key,value,value_key",
		.people = PREFERENCE_PEOPLE,
		.keeps = PREFERENCE_PEOPLE,
		.copy = &preferenceCopy,
		.rank = 80,
		.receipt = "preferences",
		.forget = &preferenceTaker,
		.withdraw = &preferenceWithdrawal,
		.expiry = preferenceExpiry,
		.moving = &preferenceMoving,
		.none = PERSON_NO_MASK | PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION |
		PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY
	}
};

/* Register them. */
void
ProfileStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}

/*
 * profile_store.c
 *		What must be done for profiles and preferences, which are of one person each.
 */
#include "postgres.h"

#include "profiles/profile_store.h"

#include "base/shard.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "profiles/profile_delta.h"
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
	SpiUtilScope scope;

	if ((purposes & PURPOSE_PERSONALIZATION) == 0)
		return;
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "DELETE FROM personalize.preference WHERE user_key = $1 AND set_at < $2",
			   lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
}

static const PersonTaker profileTaker = {.begin = BeginProfiles,.event = CountProfiled,.finish = PurgeProfiles};
static const PersonTaker preferenceTaker = {.finish = PurgePreferences};

static const PersonStore stores[] = {
	{
		.name = "profile",
		.rank = 60,
		.receipt = "profiles",
		.receiptLeft = "events",
		.forget = &profileTaker,
		.withdraw = PERSON_STORE_NONE,
		.clear = PERSON_STORE_NONE,
		.purge = ProfilePurge,
		.recount = ProfileRecount
	},
	{
		.name = "preference",
		.rank = 80,
		.receipt = "preferences",
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &preferenceTaker,
		.withdraw = PERSON_STORE_NONE,
		.clear = ClearPreferences,
		.purge = PERSON_STORE_NONE,
		.recount = PERSON_STORE_NONE
	}
};

/* Register them. */
void
ProfileStoreInit(void)
{
	for (int i = 0; i < lengthof(stores); i++)
		PersonStoreRegister(&stores[i]);
}

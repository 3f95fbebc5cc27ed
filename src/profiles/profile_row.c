/*
 * profile_row.c
 *		A row of profile, taken apart to be changed.
 */
#include "postgres.h"

#include "profiles/profile_row.h"

/* The columns of a row that was read. */
void
ProfileRowTake(TupleTableSlot *slot, StoredProfile *stored)
{
	slot_getallattrs(slot);
	for (int column = 1; column <= PROFILE_COLUMN_COUNT; column++)
	{
		stored->values[column] = slot->tts_values[column - 1];
		stored->nulls[column] = slot->tts_isnull[column - 1];
	}
}

/* Find a user's row; false if there is none. */
bool
ProfileRowRead(KeyedTable *table, Snapshot snapshot, int64 userKey, StoredProfile *stored,
		ItemPointer tid)
{
	TupleTableSlot *slot = KeyedFindChanging(table, snapshot, userKey);

	if (slot == NULL)
		return false;
	ProfileRowTake(slot, stored);
	for (int column = PROFILE_RECENT; column <= PROFILE_FEATURES; column++)
		if (!stored->nulls[column])
			stored->values[column] = PointerGetDatum(PG_DETOAST_DATUM_PACKED(stored->values[column]));
	*tid = slot->tts_tid;
	return true;
}

/* True if nothing is known. */
bool
ProfileRowIsEmpty(const StoredProfile *stored)
{
	return stored->nulls[PROFILE_FEATURES] && stored->nulls[PROFILE_RECENT] && stored->nulls[PROFILE_STEPS] &&
		DatumGetInt64(stored->values[PROFILE_EVENTS]) == 0;
}

/* Make the row of a user nobody knows yet. */
void
ProfileRowInit(StoredProfile *stored, int64 userKey)
{
	memset(stored, 0, sizeof(StoredProfile));
	stored->values[PROFILE_USER_KEY] = Int64GetDatum(userKey);
	stored->nulls[PROFILE_FIRST_SEEN] = true;
	stored->nulls[PROFILE_LAST_SEEN] = true;
	stored->nulls[PROFILE_FEATURES] = true;
	stored->nulls[PROFILE_RECENT] = true;
	stored->nulls[PROFILE_STEPS] = true;
}

/* The row's features, detoasted; NULL if there are none. */
FeatureState *
ProfileRowFeatures(const StoredProfile *stored)
{
	if (stored->nulls[PROFILE_FEATURES])
		return NULL;
	return DatumGetFeatureStateP(stored->values[PROFILE_FEATURES]);
}

/* Put features into the row. */
void
ProfileRowSetFeatures(StoredProfile *stored, const FeatureState *features)
{
	stored->nulls[PROFILE_FEATURES] = features == NULL;
	stored->values[PROFILE_FEATURES] = PointerGetDatum(features);
}

/* The row's recent items. */
void
ProfileRowRecent(const StoredProfile *stored, ProfileRecent *recent)
{
	recent->count = 0;
	if (!stored->nulls[PROFILE_RECENT])
		ProfileRecentUnpack(DatumGetByteaPP(stored->values[PROFILE_RECENT]), recent);
}

/* Put recent items into the row. */
void
ProfileRowSetRecent(StoredProfile *stored, const ProfileRecent *recent)
{
	stored->nulls[PROFILE_RECENT] = recent->count == 0;
	if (recent->count > 0)
		stored->values[PROFILE_RECENT] = PointerGetDatum(ProfileRecentPack(recent));
}

/* The row's steps. */
void
ProfileRowSteps(const StoredProfile *stored, ProfileSteps *steps)
{
	steps->count = 0;
	if (!stored->nulls[PROFILE_STEPS])
		ProfileStepsUnpack(DatumGetByteaPP(stored->values[PROFILE_STEPS]), steps);
}

/* Put steps into the row. */
void
ProfileRowSetSteps(StoredProfile *stored, const ProfileSteps *steps)
{
	stored->nulls[PROFILE_STEPS] = steps->count == 0;
	if (steps->count > 0)
		stored->values[PROFILE_STEPS] = PointerGetDatum(ProfileStepsPack(steps));
}

/* Forget the steps of a row that the events themselves tell about. */
void
ProfileRowForgetSteps(StoredProfile *stored, TimestampTz oldest)
{
	ProfileSteps steps;
	ProfileSteps older = {.count = 0};
	int			count = 0;

	ProfileRowSteps(stored, &steps);
	for (int i = 0; i < steps.count; i++)
		if (steps.steps[i].ts < oldest)
			steps.steps[count++] = steps.steps[i];
	ProfileStepsAdd(&older, steps.steps, count, PG_INT64_MAX);
	ProfileRowSetSteps(stored, &older);
}

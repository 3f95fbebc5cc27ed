/*
 * profile_purge.c
 *		Taking out of a person's profile what needed purposes that are withdrawn.
 */
#include "postgres.h"

#include "profiles/profile_delta.h"

#include "access/xact.h"
#include "base/keyed.h"
#include "base/stored_row.h"
#include "compat.h"
#include "people/purpose.h"
#include "profiles/profile_row.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"

/* What is left of a person after withdrawal. */
typedef struct Withdrawal
{
	const SignalSet *signals;
	int32		bits;
} Withdrawal;

/* Keep features that needed none of the bits. */
static bool
KeepAllowed(uint64 key, void *arg)
{
	const Withdrawal *withdrawal = arg;
	int			id = FeatureKeySignal(key);

	return id < withdrawal->signals->idLimit && withdrawal->signals->byId[id] != NULL &&
		(withdrawal->signals->byId[id]->purposes & withdrawal->bits) == 0;
}

/* Take the bits from the recent items, and out what has no purpose any more. */
static void
PurgeRecent(StoredProfile *stored, int32 bits)
{
	ProfileRecent recent;
	ProfileRecent left = {.count = 0};
	int			count = 0;

	ProfileRowRecent(stored, &recent);
	for (int i = 0; i < recent.count; i++)
	{
		recent.items[i].mask &= ~bits;
		if ((recent.items[i].mask & (PURPOSE_PERSONALIZATION | PURPOSE_RECOMMENDATIONS)) != 0)
			recent.items[count++] = recent.items[i];
	}
	ProfileRecentAdd(&left, recent.items, count);
	ProfileRowSetRecent(stored, &left);
}

/* Take the bits from the steps, and out what has no purpose any more. */
static void
PurgeSteps(StoredProfile *stored, int32 bits)
{
	ProfileSteps steps;
	ProfileSteps left = {.count = 0};
	int			count = 0;

	ProfileRowSteps(stored, &steps);
	for (int i = 0; i < steps.count; i++)
	{
		steps.steps[i].mask &= ~bits;
		if ((steps.steps[i].mask & PURPOSE_PERSONALIZATION) != 0)
			steps.steps[count++] = steps.steps[i];
	}
	ProfileStepsAdd(&left, steps.steps, count, PG_INT64_MAX);
	ProfileRowSetSteps(stored, &left);
}

/* Remove from a row what needed the bits; false if nothing remains. */
static bool
PurgeRow(StoredProfile *stored, const SignalSet *signals, int32 bits)
{
	Withdrawal	withdrawal = {.signals = signals,.bits = bits};
	FeatureState *features = ProfileRowFeatures(stored);

	if (features != NULL)
		features = FeatureStateFilter(features, KeepAllowed, &withdrawal);
	if (features != NULL && FeatureStateCount(features) == 0)
		features = NULL;
	ProfileRowSetFeatures(stored, features);
	PurgeRecent(stored, bits);
	PurgeSteps(stored, bits);
	if ((bits & PURPOSE_PERSONALIZATION) != 0)
	{
		stored->values[PROFILE_EVENTS] = Int64GetDatum(0);
		stored->nulls[PROFILE_FIRST_SEEN] = stored->nulls[PROFILE_LAST_SEEN] = true;
	}
	stored->values[PROFILE_MASK] =
		Int32GetDatum(DatumGetInt32(stored->values[PROFILE_MASK]) & ~bits);
	return !ProfileRowIsEmpty(stored);
}

/* A row that purposes are taken from, for StoredRowTry(). */
typedef struct PurgedRow
{
	StoredProfile *stored;
	const SignalSet *signals;
	int32		bits;
	bool		remains;
} PurgedRow;

/* Decode it and leave out what needed them. */
static void
PurgeBytes(void *arg)
{
	PurgedRow  *purged = arg;

	purged->remains = PurgeRow(purged->stored, purged->signals, purged->bits);
}

/*
 * Remove what needed one of the purposes; the caller holds the person's stripe.  A
 * row that is damaged goes, and what the raw events still allow is counted again.
 */
void
ProfilePurge(int64 userKey, int32 bits)
{
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", RowExclusiveLock);
	Snapshot	snapshot;
	StoredProfile stored;
	ItemPointerData tid;
	PurgedRow	purged = {.stored = &stored,.signals = SignalSetGet(),.bits = bits};
	bool		whole = true;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	snapshot = GetActiveSnapshot();
	if (ProfileRowRead(table, snapshot, userKey, &stored, &tid))
	{
		StoredRow	row;

		StoredRowBegin(&row, STORED_PROFILE, &userKey);
		/* a row that goes whole need not be read */
		if (bits != -1)
			whole = StoredRowTry(&row, PurgeBytes, &purged, "it is made anew from the raw events that exist");
		StoredRowEnd(&row);
		if (whole && purged.remains)
			KeyedUpdate(table, &tid, &stored.values[1], &stored.nulls[1]);
		else
			KeyedDelete(table, &tid);
	}
	KeyedClose(table);
	PopActiveSnapshot();
	CommandCounterIncrement();
	if (!whole)
		ProcessorRecount(PROCESSOR_PROFILE, userKey);
}

/* Remove a person's row. */
void
ProfileRemove(int64 userKey)
{
	ProfilePurge(userKey, -1);
}

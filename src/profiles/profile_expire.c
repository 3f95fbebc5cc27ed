/*
 * profile_expire.c
 *		What is past its time goes from profiles.
 *
 * The rows are walked in the order of their keys.  One is written only if
 * something in it is past its time, and that is once a day at most, for panes
 * expire by whole days.
 */
#include "postgres.h"

#include "profiles/profile_expire.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "base/keyed.h"
#include "base/stored_row.h"
#include "compat.h"
#include "miscadmin.h"
#include "profiles/profile_delta.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LOOK_AT_PER_CHANGE 10
#define LOOK_AT_LEAST 10000

/* One row. */
typedef struct ExpiringRow
{
	Datum		values[PROFILE_COLUMN_COUNT];
	bool		nulls[PROFILE_COLUMN_COUNT];
	FeatureState *features;		/* NULL: none */
	ProfileRecent recent;
	ProfileSteps steps;
} ExpiringRow;

#define COLUMN(row, column) ((row)->values[(column) - 1])
#define COLUMN_NULL(row, column) ((row)->nulls[(column) - 1])

/* Take a row out of the slot; it lives as long as that. */
static void
CopyColumns(TupleTableSlot *slot, ExpiringRow *row)
{
	slot_getallattrs(slot);
	memcpy(row->values, slot->tts_values, sizeof(row->values));
	memcpy(row->nulls, slot->tts_isnull, sizeof(row->nulls));
	for (int column = PROFILE_RECENT; column <= PROFILE_FEATURES; column++)
		if (!COLUMN_NULL(row, column))
			COLUMN(row, column) = PointerGetDatum(PG_DETOAST_DATUM_PACKED(COLUMN(row, column)));
}

/* Unpack it. */
static void
ReadExpiring(ExpiringRow *row)
{
	row->features = COLUMN_NULL(row, PROFILE_FEATURES) ? NULL :
		DatumGetFeatureStateP(COLUMN(row, PROFILE_FEATURES));
	row->recent.count = 0;
	if (!COLUMN_NULL(row, PROFILE_RECENT))
		ProfileRecentUnpack(DatumGetByteaPP(COLUMN(row, PROFILE_RECENT)), &row->recent);
	row->steps.count = 0;
	if (!COLUMN_NULL(row, PROFILE_STEPS))
		ProfileStepsUnpack(DatumGetByteaPP(COLUMN(row, PROFILE_STEPS)), &row->steps);
}

/* When the person last did anything that the row knows of. */
static TimestampTz
LastActivity(const ExpiringRow *row)
{
	TimestampTz last = DT_NOBEGIN;

	if (!COLUMN_NULL(row, PROFILE_LAST_SEEN))
		last = DatumGetTimestampTz(COLUMN(row, PROFILE_LAST_SEEN));
	if (row->features)
		last = Max(last, FeatureStateNewest(row->features));
	for (int i = 0; i < row->recent.count; i++)
		last = Max(last, row->recent.items[i].ts);
	return last;
}

/* Take steps out of a row; true if there were any. */
static bool
ExpireSteps(ExpiringRow *row, const ProfileExpiry *expiry)
{
	int			count = row->steps.count;

	/* newest first */
	while (row->steps.count > 0 && row->steps.steps[row->steps.count - 1].ts < expiry->before)
		row->steps.count--;
	if (row->steps.count == count)
		return false;
	COLUMN_NULL(row, PROFILE_STEPS) = row->steps.count == 0;
	if (row->steps.count > 0)
		COLUMN(row, PROFILE_STEPS) = PointerGetDatum(ProfileStepsPack(&row->steps));
	return true;
}

/* Take out of a row what is past its time; true if anything was. */
static bool
ExpireRow(ExpiringRow *row, ProfileExpiry *expiry, const SignalSet *signals)
{
	int64		features = 0;
	int			items = 0;
	ProfileRecent left = {.count = 0};

	if (row->features)
		row->features = FeatureStateExpire(row->features, expiry->asOf, expiry->before,
										   &signals->policies, &features);
	for (int i = 0; i < row->recent.count; i++)
		if (row->recent.items[i].ts >= expiry->before)
			row->recent.items[items++] = row->recent.items[i];
	expiry->features += features;
	expiry->recent += row->recent.count - items;
	if (features > 0)
	{
		if (FeatureStateCount(row->features) == 0)
			row->features = NULL;
		COLUMN_NULL(row, PROFILE_FEATURES) = row->features == NULL;
		COLUMN(row, PROFILE_FEATURES) = PointerGetDatum(row->features);
	}
	if (items < row->recent.count)
	{
		ProfileRecentAdd(&left, row->recent.items, items);
		COLUMN_NULL(row, PROFILE_RECENT) = left.count == 0;
		if (left.count > 0)
			COLUMN(row, PROFILE_RECENT) = PointerGetDatum(ProfileRecentPack(&left));
	}
	return ExpireSteps(row, expiry) || features > 0 || items < row->recent.count;
}

/* What is decided about a row from its bytes alone. */
typedef struct Decision
{
	ExpiringRow row;
	ProfileExpiry *expiry;
	const SignalSet *signals;
	bool		goes;
	bool		changes;
} Decision;

/* Decide. */
static void
Decide(void *arg)
{
	Decision   *decision = arg;
	ExpiringRow *row = &decision->row;

	ReadExpiring(row);
	if (LastActivity(row) < decision->expiry->before)
		decision->goes = true;
	else
		decision->changes = ExpireRow(row, decision->expiry, decision->signals);
}

/* Look at one row; true if it was, or would be, written.  One that is damaged stays. */
static bool
LookAtRow(KeyedTable *table, TupleTableSlot *slot, ProfileExpiry *expiry, const SignalSet *signals)
{
	ItemPointerData tid = slot->tts_tid;
	Decision	decision = {.expiry = expiry,.signals = signals};
	StoredRow	stored;

	CopyColumns(slot, &decision.row);
	StoredRowBegin(&stored, STORED_PROFILE,
				   (int64[]) {DatumGetInt64(COLUMN(&decision.row, PROFILE_USER_KEY))});
	if (!StoredRowTry(&stored, Decide, &decision, "nothing in it expires"))
		expiry->damaged++;
	StoredRowEnd(&stored);
	if (decision.goes)
		expiry->profiles++;
	if (expiry->dryRun)
		return decision.goes || decision.changes;
	if (decision.goes)
		KeyedDelete(table, &tid);
	else if (decision.changes)
		KeyedUpdate(table, &tid, decision.row.values, decision.row.nulls);
	return decision.goes || decision.changes;
}

/* Take what is past its time out of profiles. */
void
ProfileExpire(ProfileExpiry *expiry)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext rowContext = AllocSetContextCreate(caller, "personalize profile expiry",
													 ALLOCSET_DEFAULT_SIZES);
	KeyedTable *table = KeyedOpen("profile", "profile_pkey",
								  expiry->dryRun ? AccessShareLock : RowExclusiveLock);
	const SignalSet *signals = SignalSetGet();
	Datum		key = Int64GetDatum(expiry->hasNextKey ? expiry->nextKey : PG_INT64_MIN);
	int64		changed = 0;
	int64		read = 0;
	TupleTableSlot *slot;

	expiry->hasNextKey = false;
	KeyedSeek(table, GetActiveSnapshot(), 1, &key, BTGreaterEqualStrategyNumber);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		if (changed >= expiry->maxChanged ||
			(read >= LOOK_AT_LEAST && read / LOOK_AT_PER_CHANGE >= expiry->maxChanged))
		{
			bool		isNull;

			expiry->hasNextKey = true;
			expiry->nextKey = DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull));
			break;
		}
		MemoryContextSwitchTo(rowContext);
		if (LookAtRow(table, slot, expiry, signals))
			changed++;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(rowContext);
		if (++read % 256 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	KeyedClose(table);
	MemoryContextDelete(rowContext);
	CommandCounterIncrement();
}

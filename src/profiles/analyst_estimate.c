/*
 * analyst_estimate.c
 *		How many rows the planner expects of a profile.
 *
 * ANALYZE keeps nothing of packed profiles, for that would be something of people.  So the
 * planner's support function looks at a few of them itself, spread over the table, and
 * remembers for a while how many values and panes a signal has in one.  Signals that nothing
 * is counted for are left out: who asks for a signal asks for one of the others.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/key_set.h"
#include "base/relation.h"
#include "base/stored_row.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/supportnodes.h"
#include "profiles/profile.h"
#include "profiles/profile_delta.h"
#include "signals/feature_state.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_profile_rows_support);

/* So many blocks are looked into, and rows of each. */
#define SAMPLE_BLOCKS 16
#define SAMPLE_ROWS 4

/* What was seen is used for so long. */
#define KEPT_MS (60 * 1000)

/* The periods that signals have unless they say otherwise. */
static const int64 usualPeriods[] = {USECS_PER_DAY, 7 * USECS_PER_DAY, 30 * USECS_PER_DAY, 90 * USECS_PER_DAY};

/* What a signal has in a profile, on average. */
typedef struct ProfileSample
{
	int			profiles;
	int			signals;		/* that some of them have */
	double		values;			/* within one of the usual periods */
	double		panes;
} ProfileSample;

static ProfileSample kept;
static TimestampTz keptAt = 0;

/* A row that is looked at, for StoredRowTry(). */
typedef struct SampledRow
{
	ProfileSample *sample;
	KeySet	   *signals;
	Datum		features;
} SampledRow;

/* Count what a state has. */
static void
CountState(void *arg)
{
	SampledRow *row = arg;
	TimestampTz now = GetCurrentTimestamp();
	FeatureIterator iterator;
	Feature		feature;

	FeatureIteratorBegin(&iterator, DatumGetFeatureStateP(row->features));
	while (FeatureIteratorNext(&iterator, &feature))
	{
		FeaturePaneIterator panes;
		FeaturePane pane;

		KeySetAdd(row->signals, FeatureKeySignal(feature.key));
		for (int i = 0; i < lengthof(usualPeriods); i++)
			row->sample->values += feature.last > now - usualPeriods[i];
		FeaturePaneIteratorBegin(&panes, &feature);
		while (FeaturePaneIteratorNext(&panes, &pane))
			row->sample->panes++;
	}
}

/* Look at a profile. */
static void
LookAt(ProfileSample *sample, KeySet *signals, TupleTableSlot *slot)
{
	SampledRow	row = {.sample = sample,.signals = signals};
	bool		isNull;
	int64		userKey = DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull));
	StoredRow	name;

	row.features = slot_getattr(slot, PROFILE_FEATURES, &isNull);
	sample->profiles++;
	if (isNull)
		return;
	StoredRowBegin(&name, STORED_PROFILE, &userKey);
	(void) StoredRowTry(&name, CountState, &row, NULL);
	StoredRowEnd(&name);
}

/* Look at some profiles. */
static void
TakeSample(ProfileSample *sample)
{
	Relation	table = RelationOpenTable("profile", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	BlockNumber blocks = RelationGetNumberOfBlocks(table);
	int			chosen = (int) Min(blocks, SAMPLE_BLOCKS);
	KeySet		signals;

	memset(sample, 0, sizeof(ProfileSample));
	KeySetInit(&signals, 16);
	for (int i = 0; i < chosen; i++)
		for (OffsetNumber offset = 1, found = 0; offset <= 8 * SAMPLE_ROWS && found < SAMPLE_ROWS; offset++)
		{
			ItemPointerData tid;

			ItemPointerSet(&tid, (BlockNumber) ((uint64) blocks * i / chosen), offset);
			if (!table_tuple_fetch_row_version(table, &tid, GetActiveSnapshot(), slot))
				continue;
			LookAt(sample, &signals, slot);
			ExecClearTuple(slot);
			found++;
		}
	sample->signals = signals.count;
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
}

/* What a signal has in a profile, as it was seen within the last while. */
static const ProfileSample *
GetSample(void)
{
	ProfileSample sample;
	int			shares;

	if (keptAt != 0 && !TimestampDifferenceExceeds(keptAt, GetCurrentTimestamp(), KEPT_MS))
		return &kept;
	TakeSample(&sample);
	shares = Max(sample.signals, 1) * Max(sample.profiles, 1);
	sample.values /= shares * (double) lengthof(usualPeriods);
	sample.panes /= shares;
	kept = sample;
	/* of none nothing is known, and soon there may be some */
	keptAt = sample.profiles > 0 ? GetCurrentTimestamp() : 0;
	return &kept;
}

/* Planner support of _profile_features() and _profile_panes(). */
Datum
personalize_profile_rows_support(PG_FUNCTION_ARGS)
{
	SupportRequestRows *request = (SupportRequestRows *) PG_GETARG_POINTER(0);
	const ProfileSample *sample;

	if (!IsA(request, SupportRequestRows) || !ActiveSnapshotSet())
		PG_RETURN_POINTER(NULL);
	sample = GetSample();
	if (sample->profiles == 0)
		PG_RETURN_POINTER(NULL);
	request->rows = strcmp(get_func_name(request->funcid), "_profile_panes") == 0 ? sample->panes : sample->values;
	PG_RETURN_POINTER(request);
}

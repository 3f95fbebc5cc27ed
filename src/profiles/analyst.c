/*
 * analyst.c
 *		Profiles as rows: what the views for analysts are made of.
 *
 * The views unpack a profile in a lateral function call, so a condition on user,
 * signal or period reaches the row before it is unpacked, and only the signal
 * asked for is looked at.  Counting people over all profiles goes through the
 * rows in C, without making rows of them first.
 *
 * All of this reads what the profile processor has written.  profile() and
 * features() of one person add what it has not reached yet; for an analyst who
 * counts thousands a second of lag is no matter.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/argument.h"
#include "base/key.h"
#include "base/number.h"
#include "base/relation.h"
#include "base/stored_row.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/policy.h"
#include "people/restriction.h"
#include "profiles/analyst_column.h"
#include "profiles/analyst_purpose.h"
#include "profiles/profile.h"
#include "profiles/profile_delta.h"
#include "signals/feature_state.h"
#include "signals/feature_value.h"
#include "signals/signal.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_profile_features);
PG_FUNCTION_INFO_V1(personalize_profile_panes);
PG_FUNCTION_INFO_V1(personalize_cohort_count);
PG_FUNCTION_INFO_V1(personalize_cohort_counts);

/* As many texts are fetched before the cache of them is trimmed. */
#define TEXTS_PER_TRIM 1000

static const char *const grainName[FEATURE_GRAIN_COUNT] = {"5min", "hour", "day"};

/* Who is counted. */
typedef struct Cohort
{
	const Signal *signal;
	TimestampTz since;
	TimestampTz until;
} Cohort;

/* A walk over the profiles that may be used for a signal. */
typedef struct ProfileScan
{
	Relation	relation;
	TupleTableSlot *slot;
	TableScanDesc scan;
	const Cohort *cohort;
	FeatureState *features;		/* of the current row */
	Pointer		copy;			/* its detoasted copy, to be freed */
	StoredRow	row;			/* names the current row in errors */
} ProfileScan;

/* People who have one value of a signal, and what they did. */
typedef struct CohortValue
{
	uint64		key;			/* hash key, first */
	int64		users;
	int64		count;
	int64		units;			/* the sum is units and */
	int64		millionths;		/* these; each cannot overflow by adding */
} CohortValue;

/* _profile_features(features, signal, period, as_of, user_key). */
Datum
personalize_profile_features(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	FeatureIterator iterator;
	Feature		feature;
	TimestampTz since;
	TimestampTz until;
	StoredRow	row;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	ProfileSpanArguments(fcinfo, 2, &since, &until);
	if (!PG_ARGISNULL(4))
		StoredRowBegin(&row, STORED_PROFILE, (int64[]) {PG_GETARG_INT64(4)});
	FeatureIteratorBegin(&iterator, PG_GETARG_FEATURE_STATE_P(0));
	while (FeatureIteratorNext(&iterator, &feature))
	{
		bool		nulls[4] = {false};
		Datum		values[4];
		int64		count;
		int64		sum;

		if (FeatureKeySignal(feature.key) != PG_GETARG_INT16(1) || feature.last <= since)
			continue;
		FeatureSum(&feature, since, until, &count, &sum);
		if (count == 0)
			continue;
		values[0] = Int64GetDatum(FeatureKeyHash(feature.key));
		values[1] = Int64GetDatum(count);
		values[2] = NumberOfMillionths(sum);
		values[3] = TimestampTzGetDatum(feature.last);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	StoredRowEnd(&row);
	return (Datum) 0;
}

/* The columns of _profile_panes() after value_key. */
void
AnalystPaneDatums(const FeaturePane *pane, Datum *values, bool *nulls)
{
	values[0] = TimestampTzGetDatum(pane->start);
	values[1] = TimestampTzGetDatum(pane->end);
	values[2] = CStringGetTextDatum(grainName[pane->grain]);
	values[3] = Int64GetDatum(pane->count);
	values[4] = NumberOfMillionths(pane->sum);
	FeatureExtremesDatums(&pane->extremes, &values[5], &nulls[5]);
}

/* _profile_panes(features, signal, user_key). */
Datum
personalize_profile_panes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	FeatureIterator iterator;
	Feature		feature;
	StoredRow	row;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	if (!PG_ARGISNULL(2))
		StoredRowBegin(&row, STORED_PROFILE, (int64[]) {PG_GETARG_INT64(2)});
	FeatureIteratorBegin(&iterator, PG_GETARG_FEATURE_STATE_P(0));
	while (FeatureIteratorNext(&iterator, &feature))
	{
		FeaturePaneIterator panes;
		FeaturePane pane;

		if (FeatureKeySignal(feature.key) != PG_GETARG_INT16(1))
			continue;
		FeaturePaneIteratorBegin(&panes, &feature);
		while (FeaturePaneIteratorNext(&panes, &pane))
		{
			bool		nulls[1 + ANALYST_PANE_COLUMNS] = {false};
			Datum		values[1 + ANALYST_PANE_COLUMNS];

			values[0] = Int64GetDatum(FeatureKeyHash(feature.key));
			AnalystPaneDatums(&pane, &values[1], &nulls[1]);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	StoredRowEnd(&row);
	return (Datum) 0;
}

/* The signal argument; an error if there is none of that name. */
static const Signal *
SignalArgument(FunctionCallInfo fcinfo)
{
	const Signal *signal;
	char	   *name;

	ArgumentCheckGiven(fcinfo, 0, "signal");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	signal = SignalFindByName(SignalSetGet(), name);
	if (signal == NULL || !signal->enabled)
		SignalReportUnknown(SignalSetGet(), name);
	return signal;
}

/*
 * The signal argument, which the purpose in force must cover; NULL if it does
 * not and denials are silent.
 */
static const Signal *
ReadableSignalArgument(FunctionCallInfo fcinfo, int purpose)
{
	const Signal *signal = SignalArgument(fcinfo);
	int32		bits = PolicyBits(PG_ARGISNULL(purpose) ? NULL : PG_GETARG_TEXT_PP(purpose));

	return AnalystCheckSignal(signal, bits) ? signal : NULL;
}

/* Start to walk over the profiles. */
static void
BeginProfiles(ProfileScan *scan, const Cohort *cohort)
{
	memset(scan, 0, sizeof(ProfileScan));
	scan->cohort = cohort;
	scan->relation = RelationOpenTable("profile", AccessShareLock);
	scan->slot = table_slot_create(scan->relation, NULL);
	scan->scan = table_beginscan(scan->relation, GetActiveSnapshot(), 0, NULL);
}

/* Whose profile is in the slot. */
static int64
ProfileKey(TupleTableSlot *slot)
{
	bool		isNull;

	return DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull));
}

/* The next profile that was collected for the signal's purposes and is new enough. */
static bool
NextProfile(ProfileScan *scan)
{
	int32		purposes = scan->cohort->signal->purposes;

	StoredRowEnd(&scan->row);
	if (scan->copy)
		pfree(scan->copy);
	scan->copy = NULL;
	while (table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
	{
		bool		isNull;
		Datum		mask = slot_getattr(scan->slot, PROFILE_MASK, &isNull);
		Datum		features = slot_getattr(scan->slot, PROFILE_FEATURES, &isNull);

		CHECK_FOR_INTERRUPTS();
		if (isNull || (purposes & ~DatumGetInt32(mask)) != 0 ||
			(purposes & RestrictionOf(ProfileKey(scan->slot))) != 0)
			continue;
		StoredRowBegin(&scan->row, STORED_PROFILE, (int64[]) {ProfileKey(scan->slot)});
		scan->features = DatumGetFeatureStateP(features);
		if ((Pointer) scan->features != DatumGetPointer(features))
			scan->copy = (Pointer) scan->features;
		if (FeatureStateNewest(scan->features) > scan->cohort->since)
			return true;
		StoredRowEnd(&scan->row);
		if (scan->copy)
			pfree(scan->copy);
		scan->copy = NULL;
	}
	return false;
}

/* End the walk. */
static void
EndProfiles(ProfileScan *scan)
{
	table_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	table_close(scan->relation, AccessShareLock);
}

/* True if a profile has events of a feature within the cohort's span. */
static bool
IsInCohort(const Cohort *cohort, const Feature *feature, int64 *count, int64 *sum)
{
	if (FeatureKeySignal(feature->key) != cohort->signal->id || feature->last <= cohort->since)
		return false;
	FeatureSum(feature, cohort->since, cohort->until, count, sum);
	return *count > 0;
}

/* cohort_count(signal, value, period, as_of): people with a value, NULL with any. */
Datum
personalize_cohort_count(PG_FUNCTION_ARGS)
{
	Cohort		cohort = {.signal = ReadableSignalArgument(fcinfo, 4)};
	bool		anyValue = PG_ARGISNULL(1);
	uint64		hash = anyValue ? 0 : FeatureValueHash(KeyFromText(PG_GETARG_TEXT_PP(1)));
	uint64		key;
	ProfileScan scan;
	int64		users = 0;

	if (cohort.signal == NULL)
		PG_RETURN_INT64(0);
	key = FeatureKeyMake(cohort.signal->id, hash);
	ProfileSpanArguments(fcinfo, 2, &cohort.since, &cohort.until);
	BeginProfiles(&scan, &cohort);
	while (NextProfile(&scan))
	{
		FeatureIterator iterator;
		Feature		feature;
		int64		count;
		int64		sum;
		bool		found = false;

		FeatureIteratorBegin(&iterator, scan.features);
		while (!found && FeatureIteratorNext(&iterator, &feature))
			found = (anyValue || feature.key == key) &&
				IsInCohort(&cohort, &feature, &count, &sum);
		users += found;
	}
	EndProfiles(&scan);
	PG_RETURN_INT64(users);
}

/* Count people by value. */
static HTAB *
CountValues(const Cohort *cohort)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(CohortValue),.hcxt = CurrentMemoryContext};
	HTAB	   *values = hash_create("personalize cohorts", 256, &control,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ProfileScan scan;

	BeginProfiles(&scan, cohort);
	while (NextProfile(&scan))
	{
		FeatureIterator iterator;
		Feature		feature;
		int64		count;
		int64		sum;

		FeatureIteratorBegin(&iterator, scan.features);
		while (FeatureIteratorNext(&iterator, &feature))
		{
			CohortValue *value;
			bool		found;

			if (!IsInCohort(cohort, &feature, &count, &sum))
				continue;
			value = hash_search(values, &feature.key, HASH_ENTER, &found);
			if (!found)
				memset(&value->users, 0, sizeof(CohortValue) - offsetof(CohortValue, users));
			value->users++;
			value->count += count;
			value->units += sum / FEATURE_SUM_UNIT;
			value->millionths += sum % FEATURE_SUM_UNIT;
		}
	}
	EndProfiles(&scan);
	return values;
}

/* Most people first. */
static int
CompareValues(const void *a, const void *b)
{
	const CohortValue *left = *(const CohortValue *const *) a;
	const CohortValue *right = *(const CohortValue *const *) b;

	if (left->users != right->users)
		return left->users > right->users ? -1 : 1;
	return left->key < right->key ? -1 : left->key > right->key;
}

/* cohort_counts(signal, period, as_of): people by value. */
Datum
personalize_cohort_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Cohort		cohort = {.signal = ReadableSignalArgument(fcinfo, 3)};
	HTAB	   *counted;
	HASH_SEQ_STATUS sequence;
	CohortValue **order;
	CohortValue *value;
	int64		count = 0;

	ProfileSpanArguments(fcinfo, 1, &cohort.since, &cohort.until);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (cohort.signal == NULL)
		return (Datum) 0;
	counted = CountValues(&cohort);
	order = palloc_extended(sizeof(CohortValue *) * (hash_get_num_entries(counted) + 1),
							MCXT_ALLOC_HUGE);
	hash_seq_init(&sequence, counted);
	while ((value = hash_seq_search(&sequence)) != NULL)
		order[count++] = value;
	qsort(order, count, sizeof(CohortValue *), CompareValues);

	for (int64 i = 0; i < count; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};
		text	   *string;

		if (i % TEXTS_PER_TRIM == 0)
			FeatureValueTrimCache();
		string = FeatureValueText(cohort.signal, FeatureKeyHash(order[i]->key), GetActiveSnapshot());
		nulls[0] = string == NULL;
		values[0] = PointerGetDatum(string);
		values[1] = Int64GetDatum(order[i]->users);
		values[2] = Int64GetDatum(order[i]->count);
		values[3] = DirectFunctionCall2(numeric_add,
										NumericGetDatum(int64_to_numeric(order[i]->units)),
										NumberOfMillionths(order[i]->millionths));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

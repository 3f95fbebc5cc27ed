/*
 * analyst_estimate.c
 *		How many rows the planner expects of a profile.
 *
 * ANALYZE keeps nothing of packed profiles, for that would be something of people.  So the
 * planner's support function looks at a few of them itself, spread over the table, and
 * remembers for a while how many values and panes a signal has in one.  Signals that nothing
 * is counted for are left out: who asks for a signal asks for one of the others.
 *
 * A condition on what a value is called is answered by its key, as one on the name of an item
 * is (base/asked.h): _value_asked() becomes _value_is(), of which the sample tells how often
 * it holds.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/asked.h"
#include "base/key.h"
#include "base/key_set.h"
#include "base/relation.h"
#include "base/stored_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "parser/parse_func.h"
#include "profiles/analyst_purpose.h"
#include "profiles/profile.h"
#include "profiles/profile_delta.h"
#include "signals/feature_state.h"
#include "signals/value_key.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_profile_rows_support);
PG_FUNCTION_INFO_V1(personalize_value_asked_support);
PG_FUNCTION_INFO_V1(personalize_value_is);
PG_FUNCTION_INFO_V1(personalize_value_is_support);

/* So many blocks are looked into, and rows of each. */
#define SAMPLE_BLOCKS 16
#define SAMPLE_ROWS 4

/* As many values are remembered of all of them. */
#define SAMPLE_VALUES 20000

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

/* The keys of the features that were seen, each as often as it was. */
static uint64 *keptKeys = NULL;
static int	keptKeyCount = 0;
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
		if (keptKeyCount < SAMPLE_VALUES)
			keptKeys[keptKeyCount++] = feature.key;
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
	if (keptKeys == NULL)
		keptKeys = MemoryContextAlloc(TopMemoryContext, sizeof(uint64) * SAMPLE_VALUES);
	keptKeyCount = 0;
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

/* True for what the view shows of the same arguments. */
static bool
IsShown(void *call, PlannerInfo *root, Node *node)
{
	return AskedIsCall(node, "_value_shown", ((FuncExpr *) call)->args);
}

/* Planner support of _value_asked(). */
Datum
personalize_value_asked_support(PG_FUNCTION_ARGS)
{
	const Oid	types[] = {INT2OID, INT8OID, INT8OID};
	SupportRequestSimplify *request = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	FuncExpr   *call;
	const text *value;
	Const	   *wanted;
	Expr	   *same;

	if (!IsA(request, SupportRequestSimplify) || !IsA(linitial(request->fcall->args), FuncExpr))
		PG_RETURN_POINTER(NULL);
	call = linitial(request->fcall->args);
	value = AskedOne(AskedConditions(request->root, IsShown, call));
	if (value == NULL || VARSIZE_ANY_EXHDR(value) == 0)
		PG_RETURN_POINTER(value == NULL ? makeBoolConst(true, false) : makeBoolConst(false, false));
	wanted = makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
					   Int64GetDatum((int64) FeatureValueHash(KeyFromText(unconstify(text *, value)))), false, FLOAT8PASSBYVAL);
	same = (Expr *) makeFuncExpr(LookupFuncName(list_make2(makeString("personalize_internal"), makeString("_value_is")),
												lengthof(types), types, false),
								 BOOLOID, lappend(copyObject(call->args), wanted), InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
	PG_RETURN_POINTER(makeBoolExpr(AND_EXPR, list_make2(same, AskedMakeNotNull((Node *) call)), -1));
}

/* _value_is(signal, value_key, wanted) */
Datum
personalize_value_is(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_GETARG_INT64(1) == PG_GETARG_INT64(2));
}

/* The share that a value has of the features of a signal, or of all of them. */
static double
ShareOf(uint64 hash, const Signal *signal)
{
	int			of = 0;
	int			same = 0;

	for (int i = 0; i < keptKeyCount; i++)
	{
		if (signal != NULL && FeatureKeySignal(keptKeys[i]) != signal->id)
			continue;
		of++;
		same += FeatureKeyHash(keptKeys[i]) == hash;
	}
	/* one that was not met is rarer than one that was met once */
	return of == 0 ? 0.005 : same > 0 ? (double) same / of : 0.5 / of;
}

/* Planner support of _value_is(). */
Datum
personalize_value_is_support(PG_FUNCTION_ARGS)
{
	SupportRequestSelectivity *request = (SupportRequestSelectivity *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestSelectivity) || !IsA(lthird(request->args), Const) || !ActiveSnapshotSet())
		PG_RETURN_POINTER(NULL);
	(void) GetSample();
	request->selectivity = ShareOf((uint64) DatumGetInt64(((Const *) lthird(request->args))->constvalue),
								   AnalystAskedSignal(request->root));
	PG_RETURN_POINTER(request);
}

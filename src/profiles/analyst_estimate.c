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
#include "base/keyed.h"
#include "base/number.h"
#include "base/relation.h"
#include "base/stored_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "people/policy.h"
#include "profiles/analyst_column.h"
#include "profiles/analyst_purpose.h"
#include "profiles/profile_delta.h"
#include "signals/feature_state.h"
#include "signals/value_key.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_profile_rows_support);
PG_FUNCTION_INFO_V1(personalize_value_asked_support);
PG_FUNCTION_INFO_V1(personalize_value_is);
PG_FUNCTION_INFO_V1(personalize_value_is_support);
PG_FUNCTION_INFO_V1(personalize_values_counted);
PG_FUNCTION_INFO_V1(personalize_values_counted_support);

/* So many blocks are looked into, and rows of each. */
#define SAMPLE_BLOCKS 64
#define SAMPLE_ROWS 4

/* As much is remembered of all of them. */
#define SAMPLE_VALUES 30000
#define SAMPLE_PANES 30000

/* What was seen is used for so long. */
#define KEPT_MS (60 * 1000)

/* The periods that signals have unless they say otherwise. */
static const int64 usualPeriods[] = {USECS_PER_DAY, 7 * USECS_PER_DAY, 30 * USECS_PER_DAY, 90 * USECS_PER_DAY};

/* A value that a profile has within one of the usual periods. */
typedef struct SeenValue
{
	uint64		key;
	int64		period;
	int64		count;
	int64		sum;
	TimestampTz last;
} SeenValue;

/* What was seen in some profiles, each value and pane as often as it was. */
typedef struct Seen
{
	int			profiles;
	int			signals;		/* that some of them have */
	SeenValue  *values;
	int			valueCount;
	double		valuesMet;		/* as many, and more where there was no room */
	FeaturePane *panes;
	uint64	   *paneKeys;		/* of their features */
	int			paneCount;
	double		panesMet;
} Seen;

static Seen kept;
static TimestampTz keptAt = 0;
static int32 keptFor = 0;		/* the purposes of the reader */

/* A row that is looked at, for StoredRowTry(). */
typedef struct SampledRow
{
	Seen	   *seen;
	KeySet	   *signals;
	Datum		features;
	int32		bits;			/* the purposes of the reader */
} SampledRow;

/* True for a signal that is shown to readers for purposes. */
static bool
IsShownFor(int id, int32 bits)
{
	const SignalSet *set = SignalSetGet();

	for (int i = 0; i < set->count; i++)
		if (set->signals[i].id == id)
			return set->signals[i].enabled && (bits == POLICY_EVERYTHING || (set->signals[i].purposes & bits) != 0);
	return false;
}

/* Count what a feature has. */
static void
CountFeature(Seen *seen, const Feature *feature, TimestampTz now)
{
	FeaturePaneIterator panes;
	FeaturePane pane;

	for (int i = 0; i < lengthof(usualPeriods); i++)
	{
		SeenValue	value = {.key = feature->key,.period = usualPeriods[i],.last = feature->last};

		if (feature->last > now - usualPeriods[i])
			FeatureSum(feature, now - usualPeriods[i], now, &value.count, &value.sum);
		if (value.count == 0)
			continue;
		seen->valuesMet++;
		if (seen->valueCount < SAMPLE_VALUES)
			seen->values[seen->valueCount++] = value;
	}
	FeaturePaneIteratorBegin(&panes, feature);
	while (FeaturePaneIteratorNext(&panes, &pane))
	{
		seen->panesMet++;
		if (seen->paneCount >= SAMPLE_PANES)
			continue;
		seen->paneKeys[seen->paneCount] = feature->key;
		seen->panes[seen->paneCount++] = pane;
	}
}

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
		if (!IsShownFor(FeatureKeySignal(feature.key), row->bits))
			continue;
		KeySetAdd(row->signals, FeatureKeySignal(feature.key));
		CountFeature(row->seen, &feature, now);
	}
}

/* Look at a profile. */
static void
LookAt(SampledRow *row, int64 userKey, Datum features, bool isNull)
{
	StoredRow	name;

	row->features = features;
	row->seen->profiles++;
	if (isNull)
		return;
	StoredRowBegin(&name, STORED_PROFILE, &userKey);
	(void) StoredRowTry(&name, CountState, row, NULL);
	StoredRowEnd(&name);
}

/* Nothing is seen yet. */
static void
BeginSeen(Seen *seen)
{
	memset(seen, 0, sizeof(Seen));
	seen->values = palloc(sizeof(SeenValue) * SAMPLE_VALUES);
	seen->panes = palloc(sizeof(FeaturePane) * SAMPLE_PANES);
	seen->paneKeys = palloc(sizeof(uint64) * SAMPLE_PANES);
}

/* Look at some profiles, spread over the table. */
static void
LookAtSome(SampledRow *row)
{
	Relation	table = RelationOpenTable("profile", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	BlockNumber blocks = RelationGetNumberOfBlocks(table);
	int			chosen = (int) Min(blocks, SAMPLE_BLOCKS);

	for (int i = 0; i < chosen; i++)
		for (OffsetNumber offset = 1, found = 0; offset <= 8 * SAMPLE_ROWS && found < SAMPLE_ROWS; offset++)
		{
			ItemPointerData tid;
			bool		isNull;
			int64		userKey;
			Datum		features;

			ItemPointerSet(&tid, (BlockNumber) ((uint64) blocks * i / chosen), offset);
			if (!table_tuple_fetch_row_version(table, &tid, GetActiveSnapshot(), slot))
				continue;
			userKey = DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull));
			features = slot_getattr(slot, PROFILE_FEATURES, &isNull);
			LookAt(row, userKey, features, isNull);
			ExecClearTuple(slot);
			found++;
		}
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
}

/* Look at the profiles of these people. */
static void
LookAtPeople(SampledRow *row, const Datum *userKeys, int count)
{
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", AccessShareLock);

	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *slot = KeyedFind(table, GetActiveSnapshot(), DatumGetInt64(userKeys[i]));
		bool		isNull = true;
		Datum		features = slot == NULL ? (Datum) 0 : slot_getattr(slot, PROFILE_FEATURES, &isNull);

		if (slot != NULL)
			LookAt(row, DatumGetInt64(userKeys[i]), features, isNull);
	}
	KeyedClose(table);
}

/* What some profiles have, as it was seen within the last while. */
static const Seen *
GetSample(void)
{
	static MemoryContext context = NULL;
	MemoryContext caller;
	SampledRow	row;
	KeySet		signals;

	row.bits = PolicyBits(NULL);
	if (keptAt != 0 && keptFor == row.bits && !TimestampDifferenceExceeds(keptAt, GetCurrentTimestamp(), KEPT_MS))
		return &kept;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "personalize profile sample", ALLOCSET_DEFAULT_SIZES);
	keptAt = 0;
	MemoryContextReset(context);
	caller = MemoryContextSwitchTo(context);
	BeginSeen(&kept);
	MemoryContextSwitchTo(caller);
	KeySetInit(&signals, 16);
	row.seen = &kept;
	row.signals = &signals;
	LookAtSome(&row);
	kept.signals = signals.count;
	keptFor = row.bits;
	/* of none nothing is known, and soon there may be some */
	keptAt = kept.profiles > 0 ? GetCurrentTimestamp() : 0;
	return &kept;
}

/* Make room for a sample of so many values out of a total, of a column of this name and type. */
static void
BeginSample(ColumnSample *sample, Oid type, int count)
{
	sample->type = type;
	sample->count = count;
	sample->total = count;
	sample->values = palloc(sizeof(Datum) * Max(count, 1));
	sample->nulls = palloc0(sizeof(bool) * Max(count, 1));
}

/* What some profiles have in a column of _profile_features() or _periods(). */
void
AnalystSampleFeatures(const ColumnStat *column, ColumnSample *sample)
{
	bool		isSum = strcmp(column->column, "sum") == 0;
	bool		isCount = strcmp(column->column, "count") == 0;
	bool		isPeriod = strcmp(column->column, "period") == 0;

	(void) GetSample();
	BeginSample(sample, isSum ? NUMERICOID : isCount ? INT8OID : isPeriod ? INTERVALOID : TIMESTAMPTZOID, kept.valueCount);
	for (int i = 0; i < kept.valueCount; i++)
	{
		const SeenValue *seen = &kept.values[i];

		if (isPeriod)
		{
			Interval   *period = palloc0(sizeof(Interval));

			period->day = (int32) (seen->period / USECS_PER_DAY);
			sample->values[i] = IntervalPGetDatum(period);
		}
		else
			sample->values[i] = isSum ? NumberOfMillionths(seen->sum) : isCount ? Int64GetDatum(seen->count) : TimestampTzGetDatum(seen->last);
	}
}

/* What some profiles have in a column of _profile_panes(). */
void
AnalystSamplePanes(const ColumnStat *column, ColumnSample *sample)
{
	static const struct
	{
		const char *name;
		Oid			type;
	}			columns[] = {
		{"pane_start", TIMESTAMPTZOID}, {"pane_end", TIMESTAMPTZOID}, {"grain", TEXTOID}, {"count", INT8OID},
		{"sum", NUMERICOID}, {"min", NUMERICOID}, {"max", NUMERICOID}, {"first", NUMERICOID}, {"last", NUMERICOID}
	};
	int			chosen = 0;

	(void) GetSample();
	while (chosen < lengthof(columns) - 1 && strcmp(columns[chosen].name, column->column) != 0)
		chosen++;
	BeginSample(sample, columns[chosen].type, kept.paneCount);
	for (int i = 0; i < kept.paneCount; i++)
	{
		Datum		values[ANALYST_PANE_COLUMNS];
		bool		nulls[ANALYST_PANE_COLUMNS] = {false};

		AnalystPaneDatums(&kept.panes[i], values, nulls);
		sample->values[i] = values[chosen];
		sample->nulls[i] = nulls[chosen];
	}
}

/* The period that a call is about; 0: any of some. */
static int64
AskedPeriod(PlannerInfo *root, Node *argument)
{
	Datum	   *values;

	if (ColumnAsked(root, argument, &values) != 1)
		return 0;
	return (int64) (DatumGetFloat8(DirectFunctionCall2(interval_part, CStringGetTextDatum("epoch"), values[0])) * USECS_PER_SEC);
}

/* The rows of a call of one profile, one signal and one period. */
static double
RowsOf(const Seen *seen, bool ofPanes, const Signal *signal, int64 period)
{
	double		met = ofPanes ? seen->panesMet : seen->valuesMet;
	int			count = ofPanes ? seen->paneCount : seen->valueCount;
	double		shares = Max(seen->profiles, 1) * (double) (signal == NULL ? Max(seen->signals, 1) : 1) *
		(ofPanes || period != 0 ? 1 : lengthof(usualPeriods));
	int			same = 0;

	for (int i = 0; i < count; i++)
		same += (signal == NULL || FeatureKeySignal(ofPanes ? seen->paneKeys[i] : seen->values[i].key) == signal->id) &&
			(ofPanes || period == 0 || seen->values[i].period == period);
	return count == 0 ? 0 : same * met / count / shares;
}

/* True for a period of which there are figures. */
static bool
IsUsual(int64 period)
{
	for (int i = 0; i < lengthof(usualPeriods); i++)
		if (usualPeriods[i] == period)
			return true;
	return false;
}

/* The rows of a call of _profile_features() or _profile_panes(), on average; negative: nothing is known. */
static double
EstimateCall(PlannerInfo *root, const FuncExpr *call)
{
	bool		ofPanes = strcmp(get_func_name(call->funcid), "_profile_panes") == 0;
	const Seen *sample = GetSample();
	int64		period = ofPanes ? 0 : AskedPeriod(root, list_nth(call->args, 2));
	Seen		people;
	Datum	   *userKeys;
	int			count = ColumnAsked(root, llast(call->args), &userKeys);

	if (sample->profiles == 0)
		return -1;
	if (count > 0)
	{
		KeySet		signals;
		SampledRow	row = {.seen = &people,.signals = &signals,.bits = PolicyBits(NULL)};

		KeySetInit(&signals, 16);
		BeginSeen(&people);
		LookAtPeople(&row, userKeys, Min(count, SAMPLE_BLOCKS));
		people.signals = sample->signals;
		if (people.profiles > 0)
			sample = &people;
	}
	return RowsOf(sample, ofPanes, root == NULL ? NULL : AnalystAskedSignal(root), IsUsual(period) ? period : 0);
}

/* Planner support of _profile_features() and _profile_panes(). */
Datum
personalize_profile_rows_support(PG_FUNCTION_ARGS)
{
	SupportRequestRows *request = (SupportRequestRows *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestRows) || !ActiveSnapshotSet() || !IsA(request->node, FuncExpr))
		PG_RETURN_POINTER(NULL);
	request->rows = EstimateCall(request->root, (FuncExpr *) request->node);
	PG_RETURN_POINTER(request->rows < 0 ? NULL : request);
}

/* _values_counted(value_key, user_key): yes. */
Datum
personalize_values_counted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/*
 * Planner support of _values_counted().  The server believes that each call returns a row at
 * least, where most return none: this tells it of the share of rows that there are.
 */
Datum
personalize_values_counted_support(PG_FUNCTION_ARGS)
{
	SupportRequestSelectivity *request = (SupportRequestSelectivity *) PG_GETARG_POINTER(0);
	const Var  *column;
	const RangeTblEntry *entry;
	RelOptInfo *rel;
	double		rows;

	if (!IsA(request, SupportRequestSelectivity) || !ActiveSnapshotSet() || !IsA(linitial(request->args), Var))
		PG_RETURN_POINTER(NULL);
	column = linitial(request->args);
	entry = planner_rt_fetch(column->varno, request->root);
	rel = find_base_rel(request->root, column->varno);
	if (entry->rtekind != RTE_FUNCTION || rel->rows <= 0 || !IsA(linitial_node(RangeTblFunction, entry->functions)->funcexpr, FuncExpr))
		PG_RETURN_POINTER(NULL);
	rows = EstimateCall(request->root, (FuncExpr *) linitial_node(RangeTblFunction, entry->functions)->funcexpr);
	if (rows < 0)
		PG_RETURN_POINTER(NULL);
	rows *= clauselist_selectivity(request->root, rel->baserestrictinfo, 0, JOIN_INNER, NULL);
	request->selectivity = Min(rows / rel->rows, 1);
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

	for (int i = 0; i < kept.valueCount; i++)
	{
		if (signal != NULL && FeatureKeySignal(kept.values[i].key) != signal->id)
			continue;
		of++;
		same += FeatureKeyHash(kept.values[i].key) == hash;
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

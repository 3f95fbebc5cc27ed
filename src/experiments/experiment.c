/*
 * experiment.c
 *		Experiments: which variant an engine answers a person with.
 *
 * Each backend keeps the tables until they change.  An answer that names no variant asks
 * here; who is in no experiment gets the engine's default.  Only people who allow
 * analytics take part, for of nobody else it is known what came of it.
 */
#include "postgres.h"

#include "experiments/experiment.h"

#include "access/xact.h"
#include "base/choice.h"
#include "base/key.h"
#include "base/table_cache.h"
#include "base/table_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "engines/variant.h"
#include "fmgr.h"
#include "funcapi.h"
#include "people/consent.h"
#include "people/identity.h"
#include "profiles/profile.h"
#include "profiles/segment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(personalize_assignment_of);
PG_FUNCTION_INFO_V1(personalize_draw);
PG_FUNCTION_INFO_V1(personalize_experiment_salt);

/* Columns of experiment, as far as they are read here; src/experiments/experiment.sql. */
typedef enum ExperimentColumn
{
	EXPERIMENT_NAME = 1,
	EXPERIMENT_ENGINE,
	EXPERIMENT_UNIT,
	EXPERIMENT_LAYER,
	EXPERIMENT_EXCLUSIVE,
	EXPERIMENT_SALT,
	EXPERIMENT_SLOTS,
	EXPERIMENT_SLOTS_SINCE,
	EXPERIMENT_RUNS,
	EXPERIMENT_STOPPED_AT,
	EXPERIMENT_SEGMENT
} ExperimentColumn;

/* Somebody who is forced to a variant. */
typedef struct ForcedUser
{
	int64		userKey;
	char	   *experiment;
	char	   *variant;
} ForcedUser;

/* A layer of which some people are held out of all experiments; the empty name: of all layers. */
typedef struct Holdout
{
	char	   *layer;
	double		share;
} Holdout;

static const char *const reasonNames[] = {
	[EXPERIMENT_ASSIGNED] = "assigned",
	[EXPERIMENT_FORCED] = "forced",
	[EXPERIMENT_NOT_RUNNING] = "not running",
	[EXPERIMENT_NO_CONSENT] = "no consent",
	[EXPERIMENT_NOT_IN_SEGMENT] = "not in segment",
	[EXPERIMENT_HOLDOUT] = "holdout",
	[EXPERIMENT_OUTSIDE] = "outside"
};

static char *personalize_visitor;

/* When the experiment ran. */
static void
ReadRuns(Experiment *experiment, MultirangeType *runs)
{
	TypeCacheEntry *type = lookup_type_cache(TSTZRANGEOID, TYPECACHE_RANGE_INFO);
	RangeType **ranges;
	int32		count;

	multirange_deserialize(type, runs, &count, &ranges);
	experiment->runCount = count;
	experiment->runs = palloc_array(ExperimentRun, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		RangeBound	lower;
		RangeBound	upper;
		bool		empty;

		range_deserialize(type, ranges[i], &lower, &upper, &empty);
		experiment->runs[i].since = lower.infinite ? DT_NOBEGIN : DatumGetTimestampTz(lower.val);
		experiment->runs[i].until = upper.infinite ? DT_NOEND : DatumGetTimestampTz(upper.val);
	}
}

/* The slots, and since when each is the experiment's. */
static void
ReadSlots(Experiment *experiment, ArrayType *slots, ArrayType *since)
{
	Datum	   *numbers;
	Datum	   *times;
	int			count;
	int			timeCount;

	for (int i = 0; i < ASSIGNMENT_SLOTS; i++)
		experiment->slotSince[i] = DT_NOEND;
	deconstruct_array(slots, INT2OID, sizeof(int16), true, TYPALIGN_SHORT, &numbers, NULL, &count);
	deconstruct_array(since, TIMESTAMPTZOID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &times, NULL, &timeCount);
	for (int i = 0; i < Min(count, timeCount); i++)
	{
		int			slot = DatumGetInt16(numbers[i]);

		if (slot >= 0 && slot < ASSIGNMENT_SLOTS)
			experiment->slotSince[slot] = DatumGetTimestampTz(times[i]);
	}
}

/* A row of experiment. */
static bool
ReadExperiment(void *row, TupleTableSlot *slot)
{
	Experiment *experiment = row;
	bool		isNull;

	experiment->name = TableRowText(slot, EXPERIMENT_NAME);
	experiment->engine = RegistryFind(TableRowText(slot, EXPERIMENT_ENGINE), true);
	if (experiment->engine < 0)
		return false;
	experiment->layer = TableRowText(slot, EXPERIMENT_LAYER);
	experiment->salt = DatumGetInt64(slot_getattr(slot, EXPERIMENT_SALT, &isNull));
	experiment->holdoutSalt = AssignmentSalt(experiment->layer);
	experiment->layerSalt = DatumGetBool(slot_getattr(slot, EXPERIMENT_EXCLUSIVE, &isNull)) ?
		experiment->holdoutSalt : experiment->salt;
	ReadSlots(experiment, DatumGetArrayTypeP(slot_getattr(slot, EXPERIMENT_SLOTS, &isNull)),
			  DatumGetArrayTypeP(slot_getattr(slot, EXPERIMENT_SLOTS_SINCE, &isNull)));
	ReadRuns(experiment, DatumGetMultirangeTypeP(slot_getattr(slot, EXPERIMENT_RUNS, &isNull)));
	slot_getattr(slot, EXPERIMENT_STOPPED_AT, &isNull);
	experiment->stopped = !isNull;
	experiment->segment = TableRowText(slot, EXPERIMENT_SEGMENT);
	return true;
}

/* A row of experiment_variant. */
static bool
ReadVariant(void *row, TupleTableSlot *slot)
{
	ExperimentVariant *variant = row;
	bool		isNull;

	variant->experiment = TableRowText(slot, 1);
	variant->ordinal = DatumGetInt16(slot_getattr(slot, 2, &isNull));
	variant->name = TableRowText(slot, 3);
	variant->id = DatumGetInt16(slot_getattr(slot, 4, &isNull));
	variant->share = DatumGetFloat8(slot_getattr(slot, 5, &isNull));
	return true;
}

/* A row of experiment_force. */
static bool
ReadForced(void *row, TupleTableSlot *slot)
{
	ForcedUser *forced = row;
	bool		isNull;

	forced->userKey = DatumGetInt64(slot_getattr(slot, 1, &isNull));
	forced->experiment = TableRowText(slot, 2);
	forced->variant = TableRowText(slot, 3);
	return true;
}

/* A row of experiment_holdout. */
static bool
ReadHoldout(void *row, TupleTableSlot *slot)
{
	Holdout    *holdout = row;
	bool		isNull;

	holdout->layer = TableRowText(slot, 1);
	holdout->share = DatumGetFloat8(slot_getattr(slot, 2, &isNull));
	return true;
}

/* Order variants by experiment, then by place. */
static int
CompareVariants(const void *left, const void *right)
{
	const ExperimentVariant *a = left;
	const ExperimentVariant *b = right;
	int			names = strcmp(a->experiment, b->experiment);

	return names != 0 ? names : a->ordinal - b->ordinal;
}

/* Order the forced by key. */
static int
CompareForced(const void *left, const void *right)
{
	int64		a = ((const ForcedUser *) left)->userKey;
	int64		b = ((const ForcedUser *) right)->userKey;

	return (a > b) - (a < b);
}

/* Order experiments by name. */
static int
CompareExperiments(const void *left, const void *right)
{
	return strcmp(((const Experiment *) left)->name, ((const Experiment *) right)->name);
}

/* What a backend keeps of a table. */
static TableRows *
Keep(TableRows rows)
{
	TableRows  *kept = palloc_object(TableRows);

	*kept = rows;
	return kept;
}

static void *
ReadExperiments(Relation relation, Snapshot snapshot)
{
	return Keep(TableRowsRead(relation, snapshot, sizeof(Experiment), ReadExperiment, CompareExperiments));
}

static void *
ReadVariants(Relation relation, Snapshot snapshot)
{
	return Keep(TableRowsRead(relation, snapshot, sizeof(ExperimentVariant), ReadVariant, CompareVariants));
}

static void *
ReadForcedUsers(Relation relation, Snapshot snapshot)
{
	return Keep(TableRowsRead(relation, snapshot, sizeof(ForcedUser), ReadForced, CompareForced));
}

static void *
ReadHoldouts(Relation relation, Snapshot snapshot)
{
	return Keep(TableRowsRead(relation, snapshot, sizeof(Holdout), ReadHoldout, NULL));
}

static TableCache experimentCache = {.table = "experiment",.read = ReadExperiments};
static TableCache variantCache = {.table = "experiment_variant",.read = ReadVariants};
static TableCache forcedCache = {.table = "experiment_force",.read = ReadForcedUsers};
static TableCache holdoutCache = {.table = "experiment_holdout",.read = ReadHoldouts};

/* An experiment by its name. */
const Experiment *
ExperimentFind(const char *name)
{
	const TableRows *list = TableCacheGet(&experimentCache);
	const Experiment *experiments = list->rows;
	const char **names;

	for (int i = 0; i < list->count; i++)
		if (strcmp(experiments[i].name, name) == 0)
			return &experiments[i];
	names = palloc_array(const char *, Max(list->count, 1));
	for (int i = 0; i < list->count; i++)
		names[i] = experiments[i].name;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("experiment \"%s\" does not exist", ChoiceShow(name)),
			 list->count > 0 ? errhint("%s", ChoiceHint(name, "experiments", names, list->count)) :
			 errhint("create_experiment() makes one.")));
}

/* The variants of an experiment, and how many. */
static const ExperimentVariant *
GetVariants(const Experiment *experiment, int *count)
{
	const TableRows *list = TableCacheGet(&variantCache);
	const ExperimentVariant *variants = list->rows;
	int			low = 0;
	int			high = list->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (strcmp(variants[middle].experiment, experiment->name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*count = 0; low + *count < list->count; (*count)++)
		if (strcmp(variants[low + *count].experiment, experiment->name) != 0)
			break;
	return variants + low;
}

/* Complain unless an experiment has a variant of this name. */
void
ExperimentCheckVariant(const Experiment *experiment, const char *name)
{
	int			count;
	const ExperimentVariant *variants = GetVariants(experiment, &count);
	const char **names = palloc_array(const char *, Max(count, 1));

	for (int i = 0; i < count; i++)
		names[i] = variants[i].name;
	if (ChoiceFind(name, names, count) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("experiment \"%s\" has no variant \"%s\"", experiment->name, name),
				 errhint("%s", ChoiceHint(name, psprintf("variants of %s", experiment->name), names, count))));
}

/* True if an experiment runs at a time. */
bool
ExperimentIsRunning(const Experiment *experiment, TimestampTz at)
{
	for (int i = 0; i < experiment->runCount; i++)
		if (experiment->runs[i].since <= at && at < experiment->runs[i].until)
			return true;
	return false;
}

/* True if the unit is held out of a layer, or of all. */
static bool
IsHeldOut(const Experiment *experiment, int64 unit)
{
	const TableRows *list = TableCacheGet(&holdoutCache);
	const Holdout *holdouts = list->rows;

	for (int i = 0; i < list->count; i++)
	{
		bool		global = holdouts[i].layer[0] == '\0';

		if ((global || strcmp(holdouts[i].layer, experiment->layer) == 0) &&
			AssignmentDrawNumber(DRAW_HOLDOUT, global ? 0 : experiment->holdoutSalt, unit) < holdouts[i].share)
			return true;
	}
	return false;
}

/* The variant of a unit that takes part. */
static const ExperimentVariant *
VariantOf(const Experiment *experiment, int64 unit)
{
	int			count;
	const ExperimentVariant *variants = GetVariants(experiment, &count);
	double		draw = AssignmentDrawNumber(DRAW_VARIANT, experiment->salt, unit);

	for (int i = 0; i < count - 1; i++)
	{
		if (draw < variants[i].share)
			return &variants[i];
		draw -= variants[i].share;
	}
	return count > 0 ? &variants[count - 1] : NULL;
}

/* The variant of a unit whenever the experiment runs, and since when it takes part. */
const ExperimentVariant *
ExperimentPlace(const Experiment *experiment, int64 unit, TimestampTz *since)
{
	*since = experiment->slotSince[AssignmentSlot(experiment->layerSalt, unit)];
	return *since == DT_NOEND || IsHeldOut(experiment, unit) ? NULL : VariantOf(experiment, unit);
}

/* The variant of a unit at a time. */
static const ExperimentVariant *
Assign(const Experiment *experiment, int64 unit, TimestampTz at, ExperimentReason *reason)
{
	*reason = EXPERIMENT_NOT_RUNNING;
	if (!ExperimentIsRunning(experiment, at))
		return NULL;
	*reason = EXPERIMENT_OUTSIDE;
	if (at < experiment->slotSince[AssignmentSlot(experiment->layerSalt, unit)])
		return NULL;
	*reason = EXPERIMENT_HOLDOUT;
	if (IsHeldOut(experiment, unit))
		return NULL;
	*reason = EXPERIMENT_ASSIGNED;
	return VariantOf(experiment, unit);
}

/* The variant that somebody is forced to. */
const ExperimentVariant *
ExperimentForced(const Experiment *experiment, int64 userKey)
{
	const TableRows *list = TableCacheGet(&forcedCache);
	const ForcedUser *forced = list->rows;
	const ExperimentVariant *variants;
	int			low = 0;
	int			high = list->count;
	int			count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (forced[middle].userKey < userKey)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < list->count && forced[low].userKey == userKey; low++)
	{
		if (strcmp(forced[low].experiment, experiment->name) != 0)
			continue;
		variants = GetVariants(experiment, &count);
		for (int i = 0; i < count; i++)
			if (strcmp(variants[i].name, forced[low].variant) == 0)
				return &variants[i];
	}
	return NULL;
}

/* True if somebody is in a segment at a time; of the past as far as raw events tell. */
static bool
IsInSegment(int64 userKey, const char *segment, TimestampTz at)
{
	bool		past = at < GetCurrentTransactionStartTimestamp();

	return (ConsentMaskOf(userKey) & PURPOSE_PERSONALIZATION) != 0 &&
		SegmentHas(past ? ProfileLoadPast(userKey, PURPOSE_PERSONALIZATION, at, NULL) :
				   ProfileLoad(userKey, PURPOSE_PERSONALIZATION), segment, at);
}

/* The variant that an answer to somebody is made by; NULL: the default, *reason says why. */
static const ExperimentVariant *
Choose(const Experiment *experiment, int64 userKey, TimestampTz at, ExperimentReason *reason)
{
	const ExperimentVariant *variant = experiment->stopped ? NULL : ExperimentForced(experiment, userKey);

	*reason = EXPERIMENT_FORCED;
	if (variant != NULL)
		return variant;
	variant = Assign(experiment, userKey, at, reason);
	if (variant != NULL && (ConsentMaskOf(userKey) & PURPOSE_ANALYTICS) == 0)
	{
		*reason = EXPERIMENT_NO_CONSENT;
		return NULL;
	}
	if (variant != NULL && experiment->segment != NULL && !IsInSegment(userKey, experiment->segment, at))
	{
		*reason = EXPERIMENT_NOT_IN_SEGMENT;
		return NULL;
	}
	return variant;
}

/* VariantChooser: what an engine answers with that is called without a variant; -1: the default. */
static int
ChooseVariant(int engine, bool hasUser, int64 userKey, TimestampTz at, bool *assigned)
{
	const TableRows *list = TableCacheGet(&experimentCache);
	const Experiment *experiments = list->rows;

	for (int i = 0; i < list->count; i++)
	{
		const ExperimentVariant *variant;
		ExperimentReason reason;

		if (experiments[i].engine != engine)
			continue;
		if (!hasUser && personalize_visitor[0] == '\0')
			return -1;
		if (!hasUser)
			userKey = IdentityKeyOf(KeyFromBytes(personalize_visitor, strlen(personalize_visitor)));
		hasUser = true;
		variant = Choose(&experiments[i], userKey, at, &reason);
		*assigned = variant != NULL && reason == EXPERIMENT_ASSIGNED;
		if (variant != NULL)
			return variant->id;
	}
	return -1;
}

/* assignment_of(user_id, as_of) */
Datum
personalize_assignment_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		userKey = IdentityKeyArgument(fcinfo, 0, "user_id");
	TimestampTz at = PG_ARGISNULL(1) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(1);
	const TableRows *list = TableCacheGet(&experimentCache);
	const Experiment *experiments = list->rows;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of must be finite")));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < list->count; i++)
	{
		ExperimentReason reason;
		const ExperimentVariant *variant = Choose(&experiments[i], userKey, at, &reason);
		Datum		values[] = {
			CStringGetTextDatum(experiments[i].name),
			CStringGetTextDatum(RegistryGet(experiments[i].engine)->name),
			CStringGetTextDatum(experiments[i].layer),
			variant ? CStringGetTextDatum(variant->name) : (Datum) 0,
			CStringGetTextDatum(reasonNames[reason])
		};
		bool		nulls[lengthof(values)] = {[3] = variant == NULL};

		if (reason != EXPERIMENT_NOT_RUNNING)
			tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _draw(kind, salt, unit): for tests and for those who count without asking the engine. */
Datum
personalize_draw(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(AssignmentDrawNumber((AssignmentDraw) PG_GETARG_INT32(0), PG_GETARG_INT64(1), PG_GETARG_INT64(2)));
}

/* _experiment_salt(name) */
Datum
personalize_experiment_salt(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(AssignmentSalt(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* Called once when the library is loaded, after the engines. */
void
ExperimentInit(void)
{
	TableCacheRegister(&experimentCache);
	TableCacheRegister(&variantCache);
	TableCacheRegister(&forcedCache);
	TableCacheRegister(&holdoutCache);
	VariantSetChooser(ChooseVariant);
	DefineCustomStringVariable("personalize.visitor",
							   "Whom calls of engines are for that take no user_id, as far as experiments go.",
							   "Empty: such calls are in no experiment.",
							   &personalize_visitor, "", PGC_USERSET, 0, NULL, NULL, NULL);
}

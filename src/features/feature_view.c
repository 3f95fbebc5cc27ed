/*
 * feature_view.c
 *		Feature views: the definitions as every backend keeps them.
 */
#include "postgres.h"

#include "features/feature_view.h"

#include "base/choice.h"
#include "base/interval.h"
#include "base/table_cache.h"
#include "base/table_row.h"
#include "catalog/pg_type_d.h"
#include "signals/signal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Columns of feature_view, in order; src/features/feature_view.sql. */
typedef enum ViewColumn
{
	VIEW_NAME = 1,
	VIEW_VERSION,
	VIEW_ENTITY,
	VIEW_FEATURES,
	VIEW_EXPRESSIONS,
	VIEW_TTL
} ViewColumn;

static const char *const typeNames[] = {"double precision", "bigint", "text", "boolean", "text[]"};
static const Oid typeOids[] = {FLOAT8OID, INT8OID, TEXTOID, BOOLOID, TEXTARRAYOID};
static const char *const entityNames[] = {"user", "item", "category", "brand", "tag", "query", "shop"};

static void *ReadTable(Relation table, Snapshot snapshot);
static TableCache cache = {.table = "feature_view",.read = ReadTable};

/* SQL name of a type. */
const char *
FeatureTypeName(FeatureType type)
{
	return typeNames[type];
}

/* Its OID. */
Oid
FeatureTypeOid(FeatureType type)
{
	return typeOids[type];
}

/* Name of an entity. */
const char *
FeatureEntityName(FeatureEntity entity)
{
	return entityNames[entity];
}

/* The entity of a name. */
FeatureEntity
FeatureEntityFind(const char *name)
{
	int			entity = ChoiceFind(name, entityNames, lengthof(entityNames));

	if (entity < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entity \"%s\" does not exist", name),
				 errhint("%s", ChoiceHint(name, "entities", entityNames, lengthof(entityNames)))));
	return entity;
}

/* The texts of an array. */
static char **
ReadTexts(Datum array, int *count)
{
	Datum	   *values;
	char	  **texts;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &values, NULL, count);
	texts = palloc_array(char *, Max(*count, 1));
	for (int i = 0; i < *count; i++)
		texts[i] = TextDatumGetCString(values[i]);
	return texts;
}

/* Note what a part is read from. */
static void
NoteUse(const FeatureNode *node, void *arg)
{
	FeatureView *view = arg;

	view->usesPerson |= node->kind == FEATURE_SIGNAL || node->kind == FEATURE_SEGMENT;
	view->usesItem |= node->kind == FEATURE_ITEM ||
		(node->term.reference != NULL && strncmp(node->term.reference, "item.", 5) == 0);
}

/* Compile a row. */
static bool
ReadView(void *row, TupleTableSlot *slot)
{
	FeatureView *view = row;
	Datum	   *values = slot->tts_values - 1;	/* by ViewColumn */
	bool	   *nulls = slot->tts_isnull - 1;
	char	  **expressions;
	char	  **names = ReadTexts(values[VIEW_FEATURES], &view->count);
	int			count;

	view->name = TextDatumGetCString(values[VIEW_NAME]);
	view->version = DatumGetInt32(values[VIEW_VERSION]);
	view->entity = FeatureEntityFind(TextDatumGetCString(values[VIEW_ENTITY]));
	view->ttl = nulls[VIEW_TTL] ? 0 : IntervalLength(DatumGetIntervalP(values[VIEW_TTL]));
	expressions = ReadTexts(values[VIEW_EXPRESSIONS], &count);
	view->count = Min(view->count, count);
	view->features = palloc_array(FeatureDefinition, Max(view->count, 1));
	for (int i = 0; i < view->count; i++)
	{
		FeatureDefinition *feature = &view->features[i];

		feature->name = names[i];
		feature->expression = expressions[i];
		feature->node = FeatureParse(expressions[i], view->entity, true);
		FeatureEach(feature->node, NoteUse, view);
	}
	return true;
}

/* Order views by name, and those of one name by version. */
static int
CompareViews(const void *left, const void *right)
{
	const FeatureView *a = left;
	const FeatureView *b = right;
	int			order = strcmp(a->name, b->name);

	return order != 0 ? order : a->version - b->version;
}

/* Read all of them. */
static void *
ReadTable(Relation table, Snapshot snapshot)
{
	FeatureViewSet *set = palloc_object(FeatureViewSet);
	TableRows	rows = TableRowsRead(table, snapshot, sizeof(FeatureView), ReadView, CompareViews);

	set->count = rows.count;
	set->views = rows.rows;
	for (int i = 0; i < set->count; i++)
		set->views[i].newest = i + 1 == set->count || strcmp(set->views[i].name, set->views[i + 1].name) != 0;
	return set;
}

/* The current definitions. */
const FeatureViewSet *
FeatureViewSetGet(void)
{
	return TableCacheGet(&cache);
}

/* A version of a view. */
const FeatureView *
FeatureViewFindVersion(const char *name, int version)
{
	const FeatureViewSet *set = FeatureViewSetGet();

	for (int i = 0; i < set->count; i++)
		if (set->views[i].version == version && strcmp(set->views[i].name, name) == 0)
			return &set->views[i];
	return NULL;
}

/* Complain that there is no such view. */
pg_noreturn static void
ReportUnknown(const char *name)
{
	const FeatureViewSet *set = FeatureViewSetGet();
	const SignalSet *signals = SignalSetGet();
	const char **names = palloc_array(const char *, set->count + signals->scopedCount + 1);
	int			count = 0;

	for (int i = 0; i < set->count; i++)
		if (set->views[i].newest)
			names[count++] = set->views[i].name;
	for (int i = 0; i < signals->scopedCount; i++)
		names[count++] = signals->scoped[i].name;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("feature view \"%s\" does not exist", name),
			 count > 0 ? errhint("%s", ChoiceHint(name, "feature views", names, count)) :
			 errhint("Make one with personalize.create_feature_view().")));
}

/* Complain that a view has no such version. */
pg_noreturn static void
ReportVersion(const FeatureView *newest, const char *version)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("feature view \"%s\" has no version \"%s\"", newest->name, version),
			 errhint("Its newest version is %d.", newest->version)));
}

/* The newest version of a name; NULL if there is none. */
static const FeatureView *
FindNewest(const char *name, int length)
{
	const FeatureViewSet *set = FeatureViewSetGet();

	for (int i = 0; i < set->count; i++)
		if (set->views[i].newest && strncmp(set->views[i].name, name, length) == 0 &&
			set->views[i].name[length] == '\0')
			return &set->views[i];
	return NULL;
}

/* A name as expressions quote it. */
static char *
QuotedWord(const char *word)
{
	StringInfoData quoted;

	initStringInfo(&quoted);
	appendStringInfoChar(&quoted, '\'');
	for (; *word != '\0'; word++)
		appendStringInfo(&quoted, *word == '\'' ? "''" : "%c", *word);
	appendStringInfoChar(&quoted, '\'');
	return quoted.data;
}

/* A length of time in the words of expressions. */
static char *
LengthWords(int64 length)
{
	bool		isDays = length % USECS_PER_DAY == 0;
	int			number = (int) (length / (isDays ? USECS_PER_DAY : USECS_PER_HOUR));

	return psprintf("%d %s%s", number, isDays ? "day" : "hour", number == 1 ? "" : "s");
}

/* Add a feature of a signal to its view: a measure, and in which period. */
static void
AddMeasure(FeatureView *view, const ScopedSignal *signal, const char *measure, const char *fallback)
{
	FeatureDefinition *feature = &view->features[view->count++];

	feature->name = pstrdup(measure);
	feature->expression = psprintf("%s %s%s", QuotedWord(signal->name), measure, fallback);
	feature->node = FeatureParse(feature->expression, view->entity, true);
}

/* What a signal that is not kept by user is read with: all it is, and in each of its periods. */
static const FeatureView *
MakeOfSignal(const ScopedSignal *signal)
{
	FeatureView *view = palloc0_object(FeatureView);
	/* sums of several currencies are none */
	const char *fallback = signal->ofValue ? "" : " default 0";

	view->name = pstrdup(signal->name);
	view->version = signal->id;
	view->entity = (FeatureEntity) signal->scope;
	view->newest = view->ofSignal = true;
	view->features = palloc_array(FeatureDefinition, 3 + 2 * signal->periodCount);
	AddMeasure(view, signal, "count", " default 0");
	AddMeasure(view, signal, "sum", fallback);
	AddMeasure(view, signal, "decayed", " default 0");
	for (int i = 0; i < signal->periodCount; i++)
	{
		char	   *period = LengthWords(signal->periods[i]);

		AddMeasure(view, signal, psprintf("count in %s", period), " default 0");
		AddMeasure(view, signal, psprintf("sum in %s", period), fallback);
	}
	return view;
}

/* The view of a name, or of name:version. */
const FeatureView *
FeatureViewFind(const char *name)
{
	int			length = strcspn(name, ":");
	const FeatureView *newest = FindNewest(name, length);
	const FeatureView *view = newest;

	if (newest == NULL)
	{
		const ScopedSignal *signal = SignalFindScoped(SignalSetGet(), name);

		if (signal == NULL)
			ReportUnknown(name);
		if (!signal->enabled)
			SignalReportUnknown(SignalSetGet(), name);
		return MakeOfSignal(signal);
	}
	if (name[length] == ':')
	{
		const char *version = name + length + 1;
		int			digits = strspn(version, "0123456789");

		view = digits > 0 && digits < 10 && version[digits] == '\0' ?
			FeatureViewFindVersion(newest->name, atoi(version)) : NULL;
		if (view == NULL)
			ReportVersion(newest, version);
	}
	return view;
}

/* Make the cache known. */
void
FeatureViewInit(void)
{
	TableCacheRegister(&cache);
}

/*
 * feature_define.c
 *		create_feature_view and drop_feature_view.
 *
 * A version never changes, so that a model reads what it was trained with: another
 * definition under a name is its next version.  Saying the same again changes nothing,
 * so a deployment may say all its views each time.
 */
#include "postgres.h"

#include "features/feature_view.h"

#include "base/argument.h"
#include "base/choice.h"
#include "base/interval.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type_d.h"
#include "events/event_json.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "signals/signal.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_create_feature_view);
PG_FUNCTION_INFO_V1(personalize_drop_feature_view);

/* With the prefix of the typed view it is a name of SQL. */
#define MAX_VIEW_NAME 60
#define MAX_VIEWS 1000
#define MAX_EXPRESSION 1000
#define MAX_TTL_DAYS 400

/* Arguments of create_feature_view, in order. */
typedef enum ViewArgument
{
	ARGUMENT_NAME,
	ARGUMENT_FEATURES,
	ARGUMENT_ENTITY,
	ARGUMENT_TTL,
	ARGUMENT_OWNER,
	ARGUMENT_DESCRIPTION
} ViewArgument;

/* Columns of the typed view beside the features. */
static const char *const ownColumns[] = {"user_id", "user_key", "item_id", "item_key"};

/* What is given for a row, in the order of the statements below. */
typedef enum RowValue
{
	ROW_NAME,
	ROW_ENTITY,
	ROW_FEATURES,
	ROW_EXPRESSIONS,
	ROW_TTL,
	ROW_OWNER,
	ROW_DESCRIPTION,
	ROW_ROLE					/* who calls */
} RowValue;
#define ROW_COUNT 8

static const Oid rowTypes[ROW_COUNT] = {TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INTERVALOID, TEXTOID, TEXTOID, TEXTOID};

/* Complain of an argument. */
pg_noreturn static void
Complain(const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", problem), errhint("%s", hint)));
}

/* Complain of a name that cannot be one in SQL. */
static void
CheckName(const char *what, const char *name, int longest)
{
	if (!ChoiceIsName(name, longest))
		Complain(psprintf("%s name \"%s\" is empty, longer than %d bytes or has control characters", what, name, longest),
				 "Choose another name.");
}

/* The view's name out of the first argument. */
static char *
NameArgument(FunctionCallInfo fcinfo)
{
	char	   *name;

	ArgumentCheckGiven(fcinfo, ARGUMENT_NAME, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_NAME));
	CheckName("feature view", name, MAX_VIEW_NAME);
	return name;
}

/* Complain unless ttl is a time that can be kept to. */
static void
CheckTtl(FunctionCallInfo fcinfo)
{
	int64		ttl;

	if (PG_ARGISNULL(ARGUMENT_TTL))
		return;
	ttl = IntervalLength(PG_GETARG_INTERVAL_P(ARGUMENT_TTL));
	if (ttl < USECS_PER_MINUTE || ttl > MAX_TTL_DAYS * USECS_PER_DAY)
		Complain(psprintf("ttl %s is not between a minute and %d days",
						  DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(ARGUMENT_TTL))),
						  MAX_TTL_DAYS),
				 "A value whose last event is older is not given; NULL: however old it is.");
}

/* Complain unless a feature's name can be a column of its own. */
static void
CheckFeatureName(const char *name, const Datum *before, int count)
{
	CheckName("feature", name, NAMEDATALEN - 1);
	for (int i = 0; i < lengthof(ownColumns); i++)
		if (strcmp(name, ownColumns[i]) == 0)
			Complain(psprintf("a feature must not be called \"%s\"", name),
					 "The typed view has a column of this name.");
	for (int i = 0; i < count; i++)
		if (strcmp(name, TextDatumGetCString(before[i])) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("feature \"%s\" is there twice", name)));
}

/* Complain unless a member of the features is an expression. */
static void
CheckExpression(const char *name, uint64 place, FeatureEntity entity)
{
	bool		isNull;
	Datum		expression = SpiUtilValue(place, 2, &isNull);
	char	   *type = TextDatumGetCString(SpiUtilValue(place, 3, &isNull));
	char	   *string;

	if (strcmp(type, "string") != 0)
		Complain(psprintf("feature \"%s\" is a JSON %s, not an expression", name, type),
				 "An expression is a JSON string like \"interest_category['electronics'] decayed default 0\".");
	string = TextDatumGetCString(expression);
	if (strlen(string) > MAX_EXPRESSION)
		Complain(psprintf("the expression of feature \"%s\" has more than %d bytes", name, MAX_EXPRESSION),
				 "Make several features of it.");
	(void) FeatureParse(string, entity, false);
}

/* Read the features, a JSON object of names and expressions, into two arrays. */
static void
ReadFeatures(FunctionCallInfo fcinfo, Datum *values)
{
	static SPIPlanPtr look = NULL;
	static SPIPlanPtr walk = NULL;
	FeatureEntity entity = FeatureEntityFind(TextDatumGetCString(values[ROW_ENTITY]));
	Datum		features = CStringGetTextDatum(EventJsonString(PG_GETARG_DATUM(ARGUMENT_FEATURES)));
	const Oid	types[] = {TEXTOID};
	Datum		names[FEATURE_VIEW_MAX_FEATURES];
	Datum		expressions[FEATURE_VIEW_MAX_FEATURES];
	int			count;
	bool		isNull;

	SpiUtilRun(&look, "SELECT json_typeof($1::json)", 1, types, &features, NULL, true);
	if (strcmp(TextDatumGetCString(SpiUtilValue(0, 1, &isNull)), "object") != 0)
		Complain("features must be a JSON object of names and expressions",
				 "Write {\"electronics\": \"interest_category['electronics'] decayed default 0\"}.");
	count = SpiUtilRun(&walk, "SELECT e.key, e.value #>> '{}', json_typeof(e.value)"
					   " FROM json_each($1::json) WITH ORDINALITY AS e (key, value, place) ORDER BY e.place",
					   1, types, &features, NULL, true);
	if (count == 0 || count > FEATURE_VIEW_MAX_FEATURES)
		Complain(psprintf("a feature view has 1 to %d features, but %d are given", FEATURE_VIEW_MAX_FEATURES, count),
				 "Make several views of them.");
	for (int i = 0; i < count; i++)
	{
		names[i] = SpiUtilValue(i, 1, &isNull);
		CheckFeatureName(TextDatumGetCString(names[i]), names, i);
		CheckExpression(TextDatumGetCString(names[i]), i, entity);
		expressions[i] = SpiUtilValue(i, 2, &isNull);
	}
	values[ROW_FEATURES] = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	values[ROW_EXPRESSIONS] = PointerGetDatum(construct_array(expressions, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The version that says just this already, told who owns it and what it is; 0: none does. */
static int32
FindSame(const Datum *values, const char *nulls)
{
	static SPIPlanPtr plan = NULL;
	bool		isNull;

	if (SpiUtilRun(&plan, "UPDATE personalize.feature_view v SET owner = coalesce($6, v.owner),"
				   " description = coalesce($7, v.description) WHERE v.name = $1 AND v.entity = $2 AND v.features = $3"
				   " AND v.expressions = $4 AND v.ttl IS NOT DISTINCT FROM $5"
				   " AND v.version = (SELECT max(w.version) FROM personalize.feature_view w WHERE w.name = $1)"
				   " RETURNING v.version", ROW_COUNT, rowTypes, values, nulls, false) == 0)
		return 0;
	return DatumGetInt32(SpiUtilValue(0, 1, &isNull));
}

/* Add the next version. */
static int32
AddVersion(const Datum *values, const char *nulls)
{
	static SPIPlanPtr look = NULL;
	static SPIPlanPtr insert = NULL;
	bool		isNull;

	SpiUtilRun(&look, "SELECT count(*)::integer FROM personalize.feature_view", 0, NULL, NULL, NULL, false);
	if (DatumGetInt32(SpiUtilValue(0, 1, &isNull)) >= MAX_VIEWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are %d versions of feature views already", MAX_VIEWS),
				 errhint("Drop old ones with personalize.drop_feature_view('name:version').")));
	SpiUtilRun(&insert, "INSERT INTO personalize.feature_view (name, version, entity, features, expressions, ttl, owner, description)"
			   " SELECT $1, coalesce(max(v.version), 0) + 1, $2, $3, $4, $5, coalesce($6, (array_agg(v.owner ORDER BY v.version DESC))[1], $8),"
			   " coalesce($7, (array_agg(v.description ORDER BY v.version DESC))[1])"
			   " FROM personalize.feature_view v WHERE v.name = $1 RETURNING version",
			   ROW_COUNT, rowTypes, values, nulls, false);
	return DatumGetInt32(SpiUtilValue(0, 1, &isNull));
}

/* create_feature_view(name, features, entity, ttl, owner, description): returns the version. */
Datum
personalize_create_feature_view(PG_FUNCTION_ARGS)
{
	static const RowValue places[] = {ROW_NAME, ROW_FEATURES, ROW_ENTITY, ROW_TTL, ROW_OWNER, ROW_DESCRIPTION};
	char	   *name = NameArgument(fcinfo);
	Datum		values[ROW_COUNT];
	char		nulls[] = "        ";
	SpiUtilScope scope;
	int32		version;

	if (strchr(name, ':'))
		Complain(psprintf("the name of a feature view must not have a colon, but \"%s\" has", name),
				 "name:version is how a version is asked for; versions are counted by themselves.");
	if (SignalFindScoped(SignalSetGet(), name) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is a signal, which is read like a feature view", name),
				 errhint("Give the view another name.")));
	ArgumentCheckGiven(fcinfo, ARGUMENT_FEATURES, "features");
	ArgumentCheckGiven(fcinfo, ARGUMENT_ENTITY, "entity");
	CheckTtl(fcinfo);
	for (int i = 0; i <= ARGUMENT_DESCRIPTION; i++)
	{
		values[places[i]] = fcinfo->args[i].value;
		nulls[places[i]] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	values[ROW_ROLE] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	LockRelationOid(RelationFind("feature_view", false), ShareRowExclusiveLock);
	SpiUtilBegin(&scope);
	ReadFeatures(fcinfo, values);
	nulls[ROW_EXPRESSIONS] = ' ';
	version = FindSame(values, nulls);
	if (version == 0)
		version = AddVersion(values, nulls);
	FeatureTableSync(name);
	SpiUtilEnd(&scope);
	PG_RETURN_INT32(version);
}

/* drop_feature_view(name): all versions, or an older one. */
Datum
personalize_drop_feature_view(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, INT4OID};
	char		nulls[] = "  ";
	char	   *name;
	const FeatureView *view;
	SpiUtilScope scope;
	Datum		values[2];

	ArgumentCheckGiven(fcinfo, ARGUMENT_NAME, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_NAME));
	LockRelationOid(RelationFind("feature_view", false), ShareRowExclusiveLock);
	view = FeatureViewFind(name);
	if (view->ofSignal)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a signal, which is read like a feature view", name),
				 errhint("SELECT personalize.drop_signal(%s) removes it.", quote_literal_cstr(name))));
	if (strcmp(view->name, name) == 0)
		nulls[1] = 'n';
	else if (view->newest)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of feature view \"%s\" is the newest one", view->version, view->name),
				 errhint("Make another with personalize.create_feature_view(), or drop the view with personalize.drop_feature_view(%s).",
						 quote_literal_cstr(view->name))));
	values[0] = CStringGetTextDatum(view->name);
	values[1] = Int32GetDatum(view->version);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "DELETE FROM personalize.feature_view WHERE name = $1 AND ($2 IS NULL OR version = $2)",
			   lengthof(types), types, values, nulls, false);
	FeatureTableSync(view->name);
	SpiUtilEnd(&scope);
	PG_RETURN_VOID();
}

/*
 * model.c
 *		The table of models, and those that this backend has unpacked.
 *
 * A model is unpacked when it is first asked for, and kept until the table changes.
 * Whoever holds one may go on using it until the transaction ends.
 */
#include "postgres.h"

#include "models/model.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "base/argument.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/table_cache.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_import_model);
PG_FUNCTION_INFO_V1(personalize_predict_model);

/* The largest file. */
#define MAX_CONTENT_BYTES (256 * 1024 * 1024)

/* Columns of model, in order; src/models/model.sql. */
typedef enum ModelColumn
{
	MODEL_NAME = 1,
	MODEL_VERSION,
	MODEL_IN_USE,
	MODEL_FORMAT,
	MODEL_FEATURES,
	MODEL_TREES,
	MODEL_NODES,
	MODEL_CONTENT
} ModelColumn;

/* A format of files. */
typedef struct ModelFormat
{
	const char *name;
	TreeModel  *(*read) (const char *content, List **features);
} ModelFormat;

static const ModelFormat formats[] = {
	{"lightgbm", TreeLightgbmRead},
	{"xgboost", TreeXgboostRead}
};

/* The unpacked models, which are added as they are asked for. */
typedef struct ModelList
{
	MemoryContext context;
	List	   *models;			/* Model * */
} ModelList;

/* True if a format is one of trees; the others are linear. */
static bool
FormatIsTrees(const char *name)
{
	for (int i = 0; i < lengthof(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return true;
	return false;
}

/* Unpack a row into the current context. */
static Model *
ReadModel(HeapTuple tuple, TupleDesc description)
{
	Model	   *model = palloc0(sizeof(Model));
	Datum		values[MODEL_CONTENT];
	bool		nulls[MODEL_CONTENT];

	for (int i = 1; i <= MODEL_CONTENT; i++)
		values[i - 1] = heap_getattr(tuple, i, description, &nulls[i - 1]);
	model->name = TextDatumGetCString(values[MODEL_NAME - 1]);
	model->version = DatumGetInt32(values[MODEL_VERSION - 1]);
	if (FormatIsTrees(TextDatumGetCString(values[MODEL_FORMAT - 1])))
		model->trees = TreeModelUnpack(DatumGetByteaPP(values[MODEL_CONTENT - 1]));
	else
		model->linear = LinearModelUnpack(DatumGetByteaPP(values[MODEL_CONTENT - 1]));
	model->featureCount = model->trees ? model->trees->featureCount : model->linear->featureCount;
	if (!nulls[MODEL_FEATURES - 1])
	{
		Datum	   *names;
		bool	   *absent;
		int			count;

		deconstruct_array(DatumGetArrayTypeP(values[MODEL_FEATURES - 1]), TEXTOID, -1, false, TYPALIGN_INT,
						  &names, &absent, &count);
		if (count != model->featureCount)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("model \"%s\" of table personalize.model is damaged", model->name),
					 errdetail("It has %d names for %d features.", count, model->featureCount),
					 errhint("Import it again with personalize.import_model().")));
		model->features = palloc(count * sizeof(char *));
		for (int i = 0; i < count; i++)
			model->features[i] = absent[i] ? "" : TextDatumGetCString(names[i]);
	}
	return model;
}

/* TableCache.read: nothing is unpacked yet. */
static void *
BeginList(Relation table, Snapshot snapshot)
{
	ModelList  *list = palloc0(sizeof(ModelList));

	list->context = CurrentMemoryContext;
	return list;
}

static TableCache cache = {.table = "model",.read = BeginList};

/* Read the version in use from the table; NULL: there is none. */
static Model *
LoadModel(const char *name)
{
	Relation	relation = RelationOpenTable("model", AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(relation)));
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Model	   *model = NULL;

	ScanKeyInit(&keys[0], MODEL_NAME, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	ScanKeyInit(&keys[1], MODEL_IN_USE, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(true));
	scan = systable_beginscan(relation, InvalidOid, false, snapshot, lengthof(keys), keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		model = ReadModel(tuple, RelationGetDescr(relation));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	return model;
}

/* Complain that there is no such model. */
pg_noreturn static void
ReportUnknown(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no model \"%s\"", name),
			 errhint("personalize.import_model() makes one; table personalize.model has those there are.")));
}

/* The same of a name that may stand for nothing, which is remembered, too. */
const Model *
ModelFindIfAny(const char *name)
{
	ModelList  *list = (ModelList *) TableCacheGet(&cache);
	MemoryContext context;
	MemoryContext old;
	Model	   *model;
	ListCell   *cell;

	foreach(cell, list->models)
	{
		model = lfirst(cell);
		if (strcmp(model->name, name) == 0)
			return model->version > 0 ? model : NULL;
	}
	/* what an error leaves behind goes with the caller's memory */
	context = AllocSetContextCreate(CurrentMemoryContext, "personalize model", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	model = LoadModel(name);
	if (model == NULL)
	{
		model = palloc0(sizeof(Model));
		model->name = pstrdup(name);
	}
	MemoryContextSetParent(context, list->context);
	MemoryContextSwitchTo(list->context);
	list->models = lappend(list->models, model);
	MemoryContextSwitchTo(old);
	return model->version > 0 ? model : NULL;
}

/* The version in use of a name. */
const Model *
ModelFind(const char *name)
{
	const Model *model = ModelFindIfAny(name);

	if (model == NULL)
		ReportUnknown(name);
	return model;
}

/* Score rows of features. */
void
ModelScore(const Model *model, const double *features, int stride, int rows, bool raw, double *scores)
{
	if (model->trees != NULL)
		TreeModelScore(model->trees, features, stride, rows, raw, scores);
	else
		for (int i = 0; i < rows; i++)
			scores[i] = LinearModelScore(model->linear, features + (size_t) i * stride, raw);
}

/* The reader of a format. */
static const ModelFormat *
FindFormat(const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < lengthof(formats); i++)
	{
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
		appendStringInfo(&known, "%s%s", i ? ", " : "", formats[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown format \"%s\"", name),
			 errhint("Formats: %s.", known.data)));
}

/* Order of names, as list_sort asks for it. */
static int
CompareNames(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* The names as an array; it is refused if a name is there twice. */
static Datum
FeatureArray(List *features)
{
	Datum	   *names = palloc(Max(list_length(features), 1) * sizeof(Datum));
	List	   *sorted = list_copy(features);
	const char *last = NULL;
	ListCell   *cell;
	int			i = 0;

	foreach(cell, features)
		names[i++] = CStringGetTextDatum(lfirst(cell));
	list_sort(sorted, CompareNames);
	foreach(cell, sorted)
	{
		if (last && strcmp(last, lfirst(cell)) == 0)
			TreeModelRefuse("the names of the features", "feature \"%.60s\" is there twice", last);
		last = lfirst(cell);
	}
	return PointerGetDatum(construct_array(names, i, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Let nobody else change models. */
void
ModelLock(void)
{
	static SPIPlanPtr plan = NULL;

	SpiUtilRunAsOwner(&plan, "LOCK TABLE personalize.model IN SHARE ROW EXCLUSIVE MODE", 0, NULL, NULL, NULL, false);
}

/* What a row of the table is made of, as INSERT below has it; name and features may be NULL. */
typedef enum ModelValue
{
	VALUE_NAME,
	VALUE_FORMAT,
	VALUE_FEATURES,
	VALUE_TREES,
	VALUE_NODES,
	VALUE_CONTENT,
	VALUE_SINCE,
	VALUE_UNTIL,
	VALUE_TRAINING
} ModelValue;
#define VALUE_COUNT (VALUE_TRAINING + 1)

/* Add a row, the next version of its name, and put it in use; nulls as of SPI. */
static int
InsertModel(const Datum *values, const char *nulls)
{
	static SPIPlanPtr retirePlan = NULL;
	static SPIPlanPtr insertPlan = NULL;
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTARRAYOID, INT4OID, INT4OID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID};
	bool		isNull;
	SpiUtilScope scope;
	int			version;

	ModelLock();
	SpiUtilBegin(&scope);
	SpiUtilRun(&retirePlan, "UPDATE personalize.model m SET in_use = false WHERE m.name = $1 AND m.in_use",
			   1, types, values, NULL, false);
	SpiUtilRun(&insertPlan, "INSERT INTO personalize.model (name, version, in_use, format, features, trees, nodes, content,"
			   " since, until, training)"
			   " SELECT $1, coalesce(max(m.version), 0) + 1, true, $2, $3, $4, $5, $6, $7, $8, $9"
			   " FROM personalize.model m WHERE m.name = $1 RETURNING version",
			   VALUE_COUNT, types, values, nulls, false);
	version = DatumGetInt32(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return version;
}

/* Keep a model of trees as the next version of its name. */
static int
StoreTrees(FunctionCallInfo fcinfo, const ModelFormat *format, TreeModel *model, List *features)
{
	Datum		values[VALUE_COUNT] = {
		[VALUE_NAME] = PG_GETARG_DATUM(0),
		[VALUE_FORMAT] = CStringGetTextDatum(format->name),
		[VALUE_FEATURES] = features ? FeatureArray(features) : (Datum) 0,
		[VALUE_TREES] = Int32GetDatum(model->treeCount),
		[VALUE_NODES] = Int32GetDatum(model->nodeCount),
		[VALUE_CONTENT] = PointerGetDatum(TreeModelPack(model)),
		[VALUE_SINCE] = PG_GETARG_DATUM(3),
		[VALUE_UNTIL] = PG_GETARG_DATUM(4)
	};
	char		nulls[VALUE_COUNT + 1] = "        n";

	nulls[VALUE_FEATURES] = features ? ' ' : 'n';
	nulls[VALUE_SINCE] = nulls[VALUE_UNTIL] = PG_ARGISNULL(3) ? 'n' : ' ';
	return InsertModel(values, nulls);
}

/* Keep a trained model as the next version of its name. */
int
ModelKeep(const ModelTrained *trained)
{
	int			count = trained->linear->featureCount;
	Datum	   *names = palloc(Max(count, 1) * sizeof(Datum));
	Datum		values[VALUE_COUNT] = {
		[VALUE_NAME] = CStringGetTextDatum(trained->name),
		[VALUE_FORMAT] = CStringGetTextDatum(trained->format),
		[VALUE_TREES] = Int32GetDatum(0),
		[VALUE_NODES] = Int32GetDatum(0),
		[VALUE_CONTENT] = PointerGetDatum(LinearModelPack(trained->linear)),
		[VALUE_SINCE] = TimestampTzGetDatum(trained->since),
		[VALUE_UNTIL] = TimestampTzGetDatum(trained->until),
		[VALUE_TRAINING] = JsonbPGetDatum(trained->training)
	};

	for (int i = 0; i < count; i++)
		names[i] = CStringGetTextDatum(trained->features[i]);
	values[VALUE_FEATURES] = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	return InsertModel(values, NULL);
}

/* The time of the pages that an import has learnt from: both ends, or none. */
static void
CheckLearntFrom(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(3) && PG_ARGISNULL(4))
		return;
	ArgumentCheckGiven(fcinfo, 3, "since");
	ArgumentCheckGiven(fcinfo, 4, "until");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(3)) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(4)) ||
		PG_GETARG_TIMESTAMPTZ(3) >= PG_GETARG_TIMESTAMPTZ(4))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("since must be before until, and both finite"),
				 errhint("Give what personalize.export_training_data() was given.")));
}

/* import_model(name, format, content, since, until) → integer. */
Datum
personalize_import_model(PG_FUNCTION_ARGS)
{
	const ModelFormat *format;
	List	   *features;
	TreeModel  *model;
	text	   *name;
	text	   *content;

	ArgumentCheckGiven(fcinfo, 0, "name");
	ArgumentCheckGiven(fcinfo, 1, "format");
	ArgumentCheckGiven(fcinfo, 2, "content");
	name = PG_GETARG_TEXT_PP(0);
	if (VARSIZE_ANY_EXHDR(name) < 1 || VARSIZE_ANY_EXHDR(name) > 63)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name \"%.80s\"", text_to_cstring(name)),
				 errhint("It must have 1 to 63 bytes.")));
	format = FindFormat(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	content = PG_GETARG_TEXT_PP(2);
	if (VARSIZE_ANY_EXHDR(content) > MAX_CONTENT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the model has more than %d MB", MAX_CONTENT_BYTES / 1024 / 1024)));
	CheckLearntFrom(fcinfo);
	model = format->read(text_to_cstring(content), &features);
	PG_RETURN_INT32(StoreTrees(fcinfo, format, model, features));
}

/* The features of an argument; NULL elements are missing values. */
static double *
ReadFeatures(const Model *model, ArrayType *array)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
	double	   *features;

	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, &count);
	if (ARR_NDIM(array) > 1 || count != model->featureCount)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("features has %d elements, and model \"%s\" has %d features",
						count, model->name, model->featureCount),
				 errhint("Column features of personalize.model has their names, in order.")));
	features = palloc(Max(count, 1) * sizeof(double));
	for (int i = 0; i < count; i++)
	{
		features[i] = nulls[i] ? (double) NAN : DatumGetFloat8(values[i]);
		if (isinf(features[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("feature %d is infinite", i + 1)));
	}
	return features;
}

/* predict_model(name, features, raw) → double precision. */
Datum
personalize_predict_model(PG_FUNCTION_ARGS)
{
	const Model *model;
	double		score;

	ArgumentCheckGiven(fcinfo, 0, "name");
	ArgumentCheckGiven(fcinfo, 1, "features");
	model = ModelFind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	ModelScore(model, ReadFeatures(model, PG_GETARG_ARRAYTYPE_P(1)), model->featureCount, 1,
			   !PG_ARGISNULL(2) && PG_GETARG_BOOL(2), &score);
	PG_RETURN_FLOAT8(score);
}

/* Watch the table. */
void
ModelInit(void)
{
	TableCacheRegister(&cache);
}

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
#include "people/person_store.h"
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
	model->trees = TreeModelUnpack(DatumGetByteaPP(values[MODEL_CONTENT - 1]));
	model->featureCount = model->trees->featureCount;
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

/* The version in use of a name. */
const Model *
ModelFind(const char *name)
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
			return model;
	}
	/* what an error leaves behind goes with the caller's memory */
	context = AllocSetContextCreate(CurrentMemoryContext, "personalize model", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	model = LoadModel(name);
	if (model == NULL)
		ReportUnknown(name);
	MemoryContextSetParent(context, list->context);
	MemoryContextSwitchTo(list->context);
	list->models = lappend(list->models, model);
	MemoryContextSwitchTo(old);
	return model;
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

/* Keep a model as the next version of its name. */
static int
StoreModel(Datum name, const ModelFormat *format, TreeModel *model, List *features)
{
	static SPIPlanPtr lockPlan,
				retirePlan,
				insertPlan;
	Datum		values[] = {
		name, CStringGetTextDatum(format->name), features ? FeatureArray(features) : (Datum) 0,
		Int32GetDatum(model->treeCount), Int32GetDatum(model->nodeCount), PointerGetDatum(TreeModelPack(model)),
	};
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTARRAYOID, INT4OID, INT4OID, BYTEAOID};
	bool		isNull;
	SpiUtilScope scope;
	int			version;

	SpiUtilBegin(&scope);
	SpiUtilRun(&lockPlan, "LOCK TABLE personalize.model IN SHARE ROW EXCLUSIVE MODE", 0, NULL, NULL, NULL, false);
	SpiUtilRun(&retirePlan, "UPDATE personalize.model m SET in_use = false WHERE m.name = $1 AND m.in_use",
			   1, types, values, NULL, false);
	SpiUtilRun(&insertPlan, "INSERT INTO personalize.model (name, version, in_use, format, features, trees, nodes, content)"
			   " SELECT $1, coalesce(max(m.version), 0) + 1, true, $2, $3, $4, $5, $6"
			   " FROM personalize.model m WHERE m.name = $1 RETURNING version",
			   lengthof(types), types, values, features ? "      " : "  n   ", false);
	version = DatumGetInt32(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return version;
}

/* import_model(name, format, content) → integer. */
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
	model = format->read(text_to_cstring(content), &features);
	PG_RETURN_INT32(StoreModel(PointerGetDatum(name), format, model, features));
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
	TreeModelScore(model->trees, ReadFeatures(model, PG_GETARG_ARRAYTYPE_P(1)), model->featureCount, 1,
				   !PG_ARGISNULL(2) && PG_GETARG_BOOL(2), &score);
	PG_RETURN_FLOAT8(score);
}

static const PersonStore store = {
	.name = "model",
	.content = "definitions",
	.form = "SELECT to_jsonb(m) - '{imported_at,imported_by}'::text[] FROM personalize.model m"
};

/* Register the table and what is kept of it. */
void
ModelInit(void)
{
	PersonStoreRegister(&store, 1);
	TableCacheRegister(&cache);
}

/*
 * variant.c
 *		Named sets of parameters of one engine: table engine_variant.
 *
 * A variant never changes once it is made, so that its number, which goes into request
 * ids, says for ever what an answer was made by.  A parameter that it does not name is as
 * shipped.  Each engine has its own variants: what one is set to is no other's business.
 */
#include "postgres.h"

#include "engines/variant.h"

#include <math.h>

#include "base/argument.h"
#include "base/choice.h"
#include "base/table_cache.h"
#include "base/table_row.h"
#include "commands/trigger.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_check_engine_variant);
PG_FUNCTION_INFO_V1(personalize_find_variant);
PG_FUNCTION_INFO_V1(personalize_engine_parameters);

/* Columns of engine_variant; src/engines/variant.sql. */
typedef enum VariantColumn
{
	VARIANT_ENGINE = 1,
	VARIANT_NAME,
	VARIANT_ID,
	VARIANT_PARAMETERS,
	VARIANT_IS_DEFAULT,
	VARIANT_CREATED_BY,
	VARIANT_CREATED_AT,
	VARIANT_RETIRED_AT
} VariantColumn;

#define MAX_NAME_BYTES 63

/* What a backend keeps of the table. */
typedef struct VariantTable
{
	Variant	   *shipped;		/* one an engine */
	const Variant *defaults[MAX_ENGINES];
	int			count;
	Variant    *variants;
} VariantTable;

static void *ReadTable(Relation table, Snapshot snapshot);
static TableCache cache = {.table = "engine_variant",.read = ReadTable};
static VariantChooser chooseVariant = NULL;

/* Called after all engines have been registered. */
void
VariantInit(void)
{
	TableCacheRegister(&cache);
}

/* The parameters an engine is shipped with. */
static void
SetShipped(Variant *variant, int engine)
{
	const RegisteredEngine *registered = RegistryGet(engine);

	variant->engine = engine;
	variant->id = VARIANT_SHIPPED_ID;
	variant->name = VARIANT_SHIPPED;
	for (int i = 0; i < registered->parameterCount; i++)
		variant->values[registered->parameters[i]->id] = registered->parameters[i]->standard;
}

/* Overwrite what is shipped; what the engine does not know any more is passed over. */
static void
SetParameters(Variant *variant, Jsonb *parameters)
{
	const RegisteredEngine *engine = RegistryGet(variant->engine);
	JsonbIterator *iterator = JsonbIteratorInit(&parameters->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	const EngineParameter *parameter = NULL;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			parameter = RegistryParameter(engine, pnstrdup(value.val.string.val, value.val.string.len));
		else if (token == WJB_VALUE && parameter != NULL && parameter->text && value.type == jbvString)
			variant->texts[parameter->id] = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && parameter != NULL && !parameter->text && value.type == jbvNumeric)
			variant->values[parameter->id] =
				DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value.val.numeric)));
	}
}

/* A row out of a slot; false if it is of an engine that this library does not know. */
static bool
ReadRow(void *row, TupleTableSlot *slot)
{
	Variant    *variant = row;
	int			engine = RegistryFind(TableRowText(slot, VARIANT_ENGINE), true);

	if (engine < 0)
		return false;
	SetShipped(variant, engine);
	variant->name = TableRowText(slot, VARIANT_NAME);
	variant->id = DatumGetInt16(slot->tts_values[VARIANT_ID - 1]);
	variant->isDefault = DatumGetBool(slot->tts_values[VARIANT_IS_DEFAULT - 1]);
	SetParameters(variant, TableRowCopy(slot, VARIANT_PARAMETERS));
	variant->retired = !slot->tts_isnull[VARIANT_RETIRED_AT - 1];
	return true;
}

/* Read the table. */
static void *
ReadTable(Relation relation, Snapshot snapshot)
{
	VariantTable *table = palloc0_object(VariantTable);
	TableRows	rows = TableRowsRead(relation, snapshot, sizeof(Variant), ReadRow, NULL);

	table->count = rows.count;
	table->variants = rows.rows;
	table->shipped = palloc0(sizeof(Variant) * RegistryCount());
	for (int engine = 0; engine < RegistryCount(); engine++)
	{
		SetShipped(&table->shipped[engine], engine);
		table->defaults[engine] = &table->shipped[engine];
	}
	for (int i = 0; i < table->count; i++)
		if (table->variants[i].isDefault)
			table->defaults[table->variants[i].engine] = &table->variants[i];
	return table;
}

/* Complain of a variant that an answer cannot be made by. */
static void
RefuseVariant(const VariantTable *table, int engine, const char *name, bool retired)
{
	const char **names = palloc_array(const char *, table->count + 1);
	const char *engineName = RegistryGet(engine)->name;
	int			count = 0;

	names[count++] = VARIANT_SHIPPED;
	for (int i = 0; i < table->count; i++)
		if (table->variants[i].engine == engine && !table->variants[i].retired)
			names[count++] = table->variants[i].name;
	ereport(ERROR,
			(errcode(retired ? ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE : ERRCODE_UNDEFINED_OBJECT),
			 retired ? errmsg("variant \"%s\" of engine \"%s\" is retired", name, engineName) :
			 errmsg("variant \"%s\" of engine \"%s\" does not exist", ChoiceShow(name), engineName),
			 errhint("%s", ChoiceHint(name, psprintf("variants of %s", engineName), names, count))));
}

/* The variant of an engine that an answer is made by. */
const Variant *
VariantFind(int engine, const char *name)
{
	const VariantTable *table = TableCacheGet(&cache);

	if (name == NULL)
		return table->defaults[engine];
	if (strcmp(name, VARIANT_SHIPPED) == 0)
		return &table->shipped[engine];
	for (int i = 0; i < table->count; i++)
	{
		const Variant *variant = &table->variants[i];

		if (variant->engine != engine || strcmp(variant->name, name) != 0)
			continue;
		if (variant->retired)
			RefuseVariant(table, engine, name, true);
		return variant;
	}
	RefuseVariant(table, engine, name, false);
	return NULL;
}

/* Make known who chooses, in an Init. */
void
VariantSetChooser(VariantChooser chooser)
{
	chooseVariant = chooser;
}

/* The variant of a call that names none. */
const Variant *
VariantChoose(int engine, bool hasUser, int64 userKey, TimestampTz at, bool *assigned)
{
	int			id = chooseVariant == NULL ? -1 : chooseVariant(engine, hasUser, userKey, at, assigned);
	const VariantTable *table = TableCacheGet(&cache);

	if (id == VARIANT_SHIPPED_ID)
		return &table->shipped[engine];
	for (int i = 0; id > 0 && i < table->count; i++)
		if (table->variants[i].engine == engine && table->variants[i].id == id)
			return &table->variants[i];
	return table->defaults[engine];
}

/* True if an engine has a variant of this name, which may be retired. */
bool
VariantExists(int engine, const char *name)
{
	const VariantTable *table = TableCacheGet(&cache);
	bool		found = strcmp(name, VARIANT_SHIPPED) == 0;

	for (int i = 0; i < table->count && !found; i++)
		found = table->variants[i].engine == engine && strcmp(table->variants[i].name, name) == 0;
	return found;
}

/* _find_variant(engine, variant): its number, or the error an answer by it would be. */
Datum
personalize_find_variant(PG_FUNCTION_ARGS)
{
	int			engine;

	ArgumentCheckGiven(fcinfo, 0, "engine");
	ArgumentCheckGiven(fcinfo, 1, "name of the variant");
	engine = RegistryFind(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	PG_RETURN_INT16(VariantFind(engine, text_to_cstring(PG_GETARG_TEXT_PP(1)))->id);
}

/* A number as one would write it. */
static char *
FormatNumber(Numeric number)
{
	char	   *digits = numeric_normalize(number);

	return strlen(digits) <= 24 ? digits : numeric_out_sci(number, 3);
}

/* Complain unless a value is a text that a parameter may have. */
static void
CheckText(const EngineParameter *parameter, const JsonbValue *value)
{
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" is not a text", parameter->name),
				 errdetail("It is: %s.", parameter->description)));
	if (value->val.string.len < 1 || value->val.string.len > VARIANT_MAX_TEXT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" has %d bytes, not between 1 and %d", parameter->name,
						value->val.string.len, VARIANT_MAX_TEXT_BYTES)));
}

/* Complain unless a value is one that the parameter may have. */
static void
CheckValue(const EngineParameter *parameter, const JsonbValue *value)
{
	double		number;

	if (parameter->text)
	{
		CheckText(parameter, value);
		return;
	}
	if (value->type != jbvNumeric)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" is not a number", parameter->name),
				 errhint("Write it without quotation marks, like {\"%s\": %g}.", parameter->name, parameter->standard)));
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (number < parameter->minimum || number > parameter->maximum)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" is %s, not between %g and %g", parameter->name,
						FormatNumber(value->val.numeric), parameter->minimum, parameter->maximum),
				 errdetail("It is: %s.", parameter->description)));
	if (parameter->integer && number != rint(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" is %s, not a whole number", parameter->name,
						FormatNumber(value->val.numeric))));
}

/* A parameter of an engine by its name; an error that lists them. */
static const EngineParameter *
GetParameter(const RegisteredEngine *engine, const JsonbValue *key)
{
	char	   *name = pnstrdup(key->val.string.val, key->val.string.len);
	const EngineParameter *parameter = RegistryParameter(engine, name);
	const char *names[MAX_PARAMETERS];

	for (int i = 0; i < engine->parameterCount; i++)
		names[i] = engine->parameters[i]->name;
	if (parameter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("engine \"%s\" has no parameter \"%s\"", engine->name, name),
				 errhint("%s", ChoiceHint(name, psprintf("parameters of %s", engine->name),
										  names, engine->parameterCount))));
	return parameter;
}

/* Complain unless these can be parameters of the engine. */
static void
CheckParameters(const RegisteredEngine *engine, Jsonb *parameters)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	const EngineParameter *parameter = NULL;

	if (!JB_ROOT_IS_OBJECT(parameters))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameters is not a JSON object"),
				 errhint("Write it like {\"%s\": %g}.", engine->parameters[0]->name, engine->parameters[0]->standard)));
	iterator = JsonbIteratorInit(&parameters->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			parameter = GetParameter(engine, &value);
		else if (token == WJB_VALUE)
			CheckValue(parameter, &value);
	}
}

/* Complain of a name that cannot be one. */
static void
CheckName(const char *name)
{
	if (!ChoiceIsName(name, MAX_NAME_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("variant name \"%s\" is empty, longer than %d bytes or has control characters",
						ChoiceShow(name), MAX_NAME_BYTES)));
	if (strcmp(name, VARIANT_SHIPPED) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("variant name \"%s\" stands for the parameters as shipped", name)));
}

/* Complain if a column is another than before. */
static void
CheckKept(TupleDesc desc, HeapTuple old, HeapTuple new)
{
	static const VariantColumn kept[] = {VARIANT_ENGINE, VARIANT_NAME, VARIANT_ID, VARIANT_PARAMETERS};

	for (int i = 0; i < lengthof(kept); i++)
	{
		bool		isNull;
		Form_pg_attribute column = TupleDescAttr(desc, kept[i] - 1);

		if (!datum_image_eq(heap_getattr(old, kept[i], desc, &isNull), heap_getattr(new, kept[i], desc, &isNull),
							column->attbyval, column->attlen))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%s\" of a variant cannot be changed", NameStr(column->attname)),
					 errdetail("Answers that were given carry its number."),
					 errhint("Make another with create_variant().")));
	}
}

/* Trigger _check_engine_variant(). */
Datum
personalize_check_engine_variant(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		update;
	HeapTuple	row;
	TupleDesc	desc;
	Datum		values[VARIANT_PARAMETERS];
	bool		isNull;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_check_engine_variant must be called as a trigger")));
	update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	row = update ? trigger->tg_newtuple : trigger->tg_trigtuple;
	desc = RelationGetDescr(trigger->tg_relation);
	for (int i = 0; i < lengthof(values); i++)
	{
		values[i] = heap_getattr(row, i + 1, desc, &isNull);
		if (isNull)
			ArgumentReportNull(NameStr(TupleDescAttr(desc, i)->attname));
	}
	CheckName(TextDatumGetCString(values[VARIANT_NAME - 1]));
	CheckParameters(RegistryGet(RegistryFind(TextDatumGetCString(values[VARIANT_ENGINE - 1]), false)),
					DatumGetJsonbP(values[VARIANT_PARAMETERS - 1]));
	if (update)
		CheckKept(desc, trigger->tg_trigtuple, row);
	return PointerGetDatum(row);
}

/* engine_parameters(engine) */
Datum
personalize_engine_parameters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	const RegisteredEngine *engine;

	ArgumentCheckGiven(fcinfo, 0, "engine");
	engine = RegistryGet(RegistryFind(text_to_cstring(PG_GETARG_TEXT_PP(0)), false));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < engine->parameterCount; i++)
	{
		const EngineParameter *parameter = engine->parameters[i];
		Datum		values[] = {
			CStringGetTextDatum(parameter->name), CStringGetTextDatum(parameter->unit),
			Float8GetDatum(parameter->minimum), Float8GetDatum(parameter->maximum),
			Float8GetDatum(parameter->standard), CStringGetTextDatum(parameter->description)
		};
		bool		nulls[lengthof(values)] = {false};

		nulls[2] = nulls[3] = nulls[4] = parameter->text;
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

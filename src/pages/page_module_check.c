/*
 * page_module_check.c
 *		Refusing rows of table page_module that could not be meant, or could break a page.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/argument.h"
#include "base/choice.h"
#include "base/json_build.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "compat.h"
#include "engines/registry.h"
#include "engines/variant.h"
#include "fmgr.h"
#include "pages/page_module.h"
#include "pages/page_stat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_check_page_module);

#define MAX_TITLE_BYTES 512
#define MAX_VARIANTS 1000

/* What titles may name. */
static const char *const placeholders[] = {"item", "category", "brand"};

/* The row that is written. */
typedef struct ModuleRow
{
	TupleDesc	desc;
	Datum		values[MODULE_COLUMN_NUMBER];
	bool		nulls[MODULE_COLUMN_NUMBER];
	char	   *name;
} ModuleRow;

/* A column's value. */
static Datum
Value(const ModuleRow *row, PageModuleColumn column)
{
	return row->values[column - 1];
}

/* True if a column has a value. */
static bool
Has(const ModuleRow *row, PageModuleColumn column)
{
	return !row->nulls[column - 1];
}

/* The name of a column. */
static const char *
ColumnName(const ModuleRow *row, PageModuleColumn column)
{
	return NameStr(TupleDescAttr(row->desc, column - 1)->attname);
}

/* Complain of a text that is empty, too long or has control characters. */
void
PageCheckText(const char *column, const char *what, Datum value, int maxBytes)
{
	char	   *string = TextDatumGetCString(value);

	if (!ChoiceIsName(string, maxBytes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" of a %s is empty, longer than %d bytes or has control characters",
						column, ChoiceShow(string), what, maxBytes)));
}

/* Complain of a text of the row. */
static void
CheckText(const ModuleRow *row, PageModuleColumn column, int maxBytes)
{
	PageCheckText(ColumnName(row, column), "module", Value(row, column), maxBytes);
}

/* Complain of a placeholder that there is not, or that is not closed. */
static void
CheckTitle(const ModuleRow *row)
{
	char	   *title = TextDatumGetCString(Value(row, MODULE_COLUMN_TITLE));

	CheckText(row, MODULE_COLUMN_TITLE, MAX_TITLE_BYTES);
	for (char *open = strchr(title, '{'); open != NULL; open = strchr(open + 1, '{'))
	{
		int			length = (int) strcspn(open, "}");
		char	   *name = pnstrdup(open + 1, length - 1);

		if (open[length] != '}' || ChoiceFind(name, placeholders, lengthof(placeholders)) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("title of module \"%s\" has \"{%s\", which names nothing", row->name,
							open[length] == '}' ? psprintf("%s}", name) : name),
					 errhint("It may have {item}, {category} and {brand}.")));
	}
}

/* Complain of a number out of its range. */
static int
CheckNumber(const ModuleRow *row, PageModuleColumn column, int most)
{
	int			number = DatumGetInt32(Value(row, column));

	if (number < 1 || number > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of module \"%s\" is %d, not between 1 and %d", ColumnName(row, column), row->name, number, most)));
	return number;
}

/* Complain of the shelves. */
static void
CheckShelves(const ModuleRow *row)
{
	int			first = CheckNumber(row, MODULE_COLUMN_FIRST_SHELF, PAGE_MAX_SHELVES);
	int			last = CheckNumber(row, MODULE_COLUMN_LAST_SHELF, PAGE_MAX_SHELVES);

	CheckNumber(row, MODULE_COLUMN_MIN_ITEMS, ENGINE_MAX_ITEMS);
	if (first > last)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("module \"%s\" could stand nowhere: first_shelf is %d, and last_shelf %d", row->name, first, last)));
	if (!Has(row, MODULE_COLUMN_PINNED_SHELF))
		return;
	CheckNumber(row, MODULE_COLUMN_PINNED_SHELF, PAGE_MAX_SHELVES);
}

/* Complain of an audience. */
static void
CheckAudience(const ModuleRow *row)
{
	if (Has(row, MODULE_COLUMN_AUDIENCE))
		AudienceCheckPath("audience of module", row->name, Value(row, MODULE_COLUMN_AUDIENCE));
	if (Has(row, MODULE_COLUMN_SEGMENT))
		AudienceCheckSegment("module", row->name, Value(row, MODULE_COLUMN_SEGMENT));
}

/*
 * Complain of a list of variants that cannot be meant.  Of one that there is not it is only
 * said, for a dump may restore the modules before the variants.
 */
static void
CheckVariants(const ModuleRow *row)
{
	ArrayType  *array;
	Datum	   *names;
	bool	   *nulls;
	int			count;

	if (!Has(row, MODULE_COLUMN_VARIANTS))
		return;
	array = DatumGetArrayTypeP(Value(row, MODULE_COLUMN_VARIANTS));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	if (count < 1 || count > MAX_VARIANTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("module \"%s\" has %d variants, not 1 to %d", row->name, count, MAX_VARIANTS),
				 errhint("NULL is all variants of engine homepage.")));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ArgumentReportNull("an element of variants");
		if (!VariantExists(RegistryFind("homepage", false), TextDatumGetCString(names[i])))
			ereport(WARNING,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("module \"%s\" is for variant \"%s\" of engine \"homepage\", which does not exist",
							row->name, TextDatumGetCString(names[i])),
					 errhint("SELECT name FROM personalize.engine_variant WHERE engine = 'homepage' lists them; create_variant() makes one.")));
	}
}

/* Complain of a source that there is not, or what it cannot have; returns the arguments as they are kept. */
static Datum
CheckSource(const ModuleRow *row)
{
	char	   *name = TextDatumGetCString(Value(row, MODULE_COLUMN_SOURCE));
	const PageSource *source = PageSourceFind(name);
	PageArguments arguments = {NULL};
	Datum		kept = Value(row, MODULE_COLUMN_ARGUMENTS);
	const char *const *names;
	int			count;

	names = PageSourceNames(&count);
	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" of module \"%s\" does not exist", name, row->name),
				 errhint("%s", ChoiceHint(name, "sources of modules", names, count))));
	PageArgumentsRead(&arguments, source, row->name, DatumGetJsonbP(kept), false);
	if (arguments.function != NULL)
	{
		JsonbParseState *state = NULL;

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		JsonPushString(&state, "function", arguments.function);
		kept = DirectFunctionCall2(jsonb_concat, kept,
								   JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL))));
	}
	return kept;
}

/* Take the row apart, or complain of nulls. */
static void
TakeRow(ModuleRow *row, HeapTuple tuple, TupleDesc desc)
{
	static const PageModuleColumn optional[] = {
		MODULE_COLUMN_PINNED_SHELF, MODULE_COLUMN_AUDIENCE, MODULE_COLUMN_SEGMENT, MODULE_COLUMN_VARIANTS
	};

	row->desc = desc;
	for (int i = 0; i < MODULE_COLUMN_NUMBER; i++)
	{
		bool		mayBeNull = false;

		row->values[i] = heap_getattr(tuple, i + 1, desc, &row->nulls[i]);
		for (int k = 0; k < lengthof(optional); k++)
			mayBeNull |= optional[k] == i + 1;
		if (row->nulls[i] && !mayBeNull)
			ArgumentReportNull(psprintf("%s of a module", ColumnName(row, i + 1)));
	}
	CheckText(row, MODULE_COLUMN_PAGE, PAGE_MAX_NAME_BYTES);
	CheckText(row, MODULE_COLUMN_MODULE, PAGE_MAX_NAME_BYTES);
	row->name = TextDatumGetCString(Value(row, MODULE_COLUMN_MODULE));
	if (DatumGetInt32(Value(row, MODULE_COLUMN_NUMBER)) > PAGE_MAX_MODULE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("module \"%s\" would have number %d, and numbers of modules end at %d",
						row->name, DatumGetInt32(Value(row, MODULE_COLUMN_NUMBER)), PAGE_MAX_MODULE),
				 errdetail("They stand in request ids, so that of a module that was deleted is never given again."),
				 errhint("UPDATE modules that are not needed any more instead of deleting them.")));
}

/* Trigger _check_page_module(). */
Datum
personalize_check_page_module(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	ModuleRow	row;
	int			column = MODULE_COLUMN_ARGUMENTS;
	Datum		arguments;
	bool		isNull = false;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_check_page_module must be called as a trigger")));
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	TakeRow(&row, tuple, RelationGetDescr(trigger->tg_relation));
	CheckTitle(&row);
	CheckShelves(&row);
	CheckAudience(&row);
	CheckVariants(&row);
	if (RangeIsEmpty(DatumGetRangeTypeP(Value(&row, MODULE_COLUMN_VALID_DURING))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("module \"%s\" would never be valid: valid_during is empty", row.name),
				 errhint("Write it like tstzrange('2030-11-29', '2030-11-30'); (,) is always.")));
	arguments = CheckSource(&row);
	if (arguments != Value(&row, MODULE_COLUMN_ARGUMENTS))
		tuple = heap_modify_tuple_by_cols(tuple, row.desc, 1, &column, &arguments, &isNull);
	return PointerGetDatum(tuple);
}

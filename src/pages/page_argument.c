/*
 * page_argument.c
 *		Column arguments of page_module: what the source of a module is told.
 */
#include "postgres.h"

#include "base/choice.h"
#include "base/interval.h"
#include "base/json_filter.h"
#include "base/subtransaction.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "pages/page_module.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define MAX_PATH_BYTES 1000
#define MAX_ITEMS 1000
#define MAX_ID_BYTES 512
#define MAX_HALF_LIFE (INT64CONST(36525) * USECS_PER_DAY)

const char *const pageArgumentNames[PAGE_ARGUMENTS] = {"filter", "category", "half_life", "items", "function"};

/* An argument that is being read. */
typedef struct GivenArgument
{
	const char *module;
	const char *name;
	const JsonbValue *value;
} GivenArgument;

/* Complain of a value. */
static void
Refuse(const GivenArgument *given, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" of module \"%s\" %s", given->name, given->module, problem),
			 errhint("%s", hint)));
}

/* A value that is a text, of some length. */
static char *
ReadString(const GivenArgument *given, const char *hint)
{
	if (given->value->type != jbvString || given->value->val.string.len == 0)
		Refuse(given, "is not a text, or empty", hint);
	return pnstrdup(given->value->val.string.val, given->value->val.string.len);
}

/* A filter, which is asked in every answer. */
static JsonPath *
ReadFilter(const GivenArgument *given)
{
	char	   *path = ReadString(given, "Write it like {\"filter\": \"$.brand == \\\"acme\\\"\"}.");
	Datum		filter;
	char	   *unsafe;

	if (strlen(path) > MAX_PATH_BYTES)
		Refuse(given, psprintf("is longer than %d bytes", MAX_PATH_BYTES), "Give what it finds a tag, and ask for that.");
	filter = DirectFunctionCall1(jsonpath_in, CStringGetDatum(path));
	unsafe = JsonFilterFindUnsafe(DatumGetCString(DirectFunctionCall1(jsonpath_out, filter)));
	if (unsafe != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("argument \"filter\" of module \"%s\" must not use %s", given->module, unsafe),
				 errdetail("It is asked in every answer, and this may fail or take long."),
				 errhint("Name the path, compare with == or starts with, and use no methods but type, size, double, ceiling, floor, abs and keyvalue.")));
	return DatumGetJsonPathP(filter);
}

/* A half-life in microseconds. */
static int64
ReadHalfLife(const GivenArgument *given)
{
	char	   *string = ReadString(given, "Write it like {\"half_life\": \"6 hours\"}.");
	Interval   *interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(string),
																 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	int64		length = IntervalLength(interval);

	if (length < USECS_PER_MINUTE || length > MAX_HALF_LIFE)
		Refuse(given, psprintf("\"%s\" is not between a minute and a hundred years", string),
			   "A day is what is used if it is not given.");
	return length;
}

/* Ids of items. */
static void
ReadItems(PageArguments *arguments, const GivenArgument *given)
{
	static const char *const hint = "Write it like {\"items\": [\"shoe-1\", \"hat-7\"]}.";
	JsonbContainer *array = given->value->type == jbvBinary ? given->value->val.binary.data : NULL;
	int			count = array != NULL && JsonContainerIsArray(array) ? JsonContainerSize(array) : 0;

	if (count < 1 || count > MAX_ITEMS)
		Refuse(given, psprintf("is not a list of 1 to %d ids", MAX_ITEMS), hint);
	arguments->items = palloc_array(text *, count);
	for (int i = 0; i < count; i++)
	{
		JsonbValue *id = getIthJsonbValueFromContainer(array, i);
		GivenArgument element = {given->module, given->name, id};
		char	   *string;

		if (id->type == jbvNumeric)
			string = numeric_normalize(id->val.numeric);
		else
			string = ReadString(&element, hint);
		if (strlen(string) > MAX_ID_BYTES)
			Refuse(given, psprintf("has an id longer than %d bytes", MAX_ID_BYTES), hint);
		arguments->items[arguments->itemCount++] = cstring_to_text(string);
	}
}

/* The function of a signature; InvalidOid: there is none. */
Oid
PageFunctionFind(const char *signature)
{
	Datum		name = CStringGetTextDatum(signature);
	LOCAL_FCINFO(fcinfo, 1);
	Datum		found;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = name;
	fcinfo->args[0].isnull = false;
	found = to_regprocedure(fcinfo);
	return fcinfo->isnull ? InvalidOid : DatumGetObjectId(found);
}

/* A signature, and the function it names. */
typedef struct Search
{
	const char *signature;
	Oid			found;
} Search;

/* Look for it; raises for what is no signature at all, up to PostgreSQL 15. */
static bool
FindFunction(void *argument)
{
	Search	   *search = argument;

	search->found = PageFunctionFind(search->signature);
	return false;
}

/* A function, as a signature with its schema. */
static char *
ReadFunction(const GivenArgument *given)
{
	static const char *const hint = "It must be f(user_id text, n integer) RETURNS SETOF text. Write it like {\"function\": \"shop.bestsellers(text,integer)\"}.";
	char	   *signature = ReadString(given, hint);
	Search		search = {0};
	HeapTuple	tuple;
	Form_pg_proc function;

	if (strchr(signature, '(') == NULL)
		signature = psprintf("%s(text,integer)", signature);
	search.signature = signature;
	if (SubtransactionTry(FindFunction, &search) != NULL || !OidIsValid(search.found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s of module \"%s\" does not exist", signature, given->module),
				 errhint("%s", hint)));
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(search.found));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", search.found);
	function = (Form_pg_proc) GETSTRUCT(tuple);
	if (function->prokind != PROKIND_FUNCTION || !function->proretset || function->prorettype != TEXTOID ||
		function->pronargs != 2 || function->proargtypes.values[0] != TEXTOID || function->proargtypes.values[1] != INT4OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s of module \"%s\" is of another kind", signature, given->module),
				 errhint("%s", hint)));
	ReleaseSysCache(tuple);
	return format_procedure_qualified(search.found);
}

/* Read one. */
static void
ReadOne(PageArguments *arguments, PageArgument argument, const GivenArgument *given, bool lenient)
{
	switch (argument)
	{
		case ARGUMENT_FILTER:
			arguments->filter = ReadFilter(given);
			break;
		case ARGUMENT_CATEGORY:
			arguments->category = cstring_to_text(ReadString(given, "Write it like {\"category\": \"shoes\"}."));
			break;
		case ARGUMENT_HALF_LIFE:
			arguments->halfLife = ReadHalfLife(given);
			break;
		case ARGUMENT_ITEMS:
			ReadItems(arguments, given);
			break;
		case ARGUMENT_FUNCTION:
			/* it may have been dropped since */
			arguments->function = lenient ? ReadString(given, "") : ReadFunction(given);
			break;
	}
}

/* Where an error is that does not say so. */
static void
AddContext(void *arg)
{
	const GivenArgument *given = arg;

	errcontext("argument \"%s\" of module \"%s\"", given->name, given->module);
}

/* Complain of an argument that the source does not have. */
static void
RefuseName(const PageSource *source, const char *module, const char *name)
{
	const char *allowed[PAGE_ARGUMENTS];
	int			count = 0;

	for (int i = 0; i < PAGE_ARGUMENTS; i++)
		if (source->allowed & 1 << i)
			allowed[count++] = pageArgumentNames[i];
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("source \"%s\" of module \"%s\" has no argument \"%s\"", source->name, module, name),
			 errhint("%s", ChoiceHint(name, psprintf("arguments of %s", source->name), allowed, count))));
}

/* Complain unless one of those that the source needs is there. */
static void
CheckNeeded(const PageSource *source, const char *module, int found)
{
	StringInfoData needed;

	if (source->needed == 0 || (source->needed & found) != 0)
		return;
	initStringInfo(&needed);
	for (int i = 0; i < PAGE_ARGUMENTS; i++)
		if (source->needed & 1 << i)
			appendStringInfo(&needed, "%s\"%s\"", needed.len > 0 ? " or " : "", pageArgumentNames[i]);
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("source \"%s\" of module \"%s\" needs argument %s", source->name, module, needed.data)));
}

/* Read column arguments. */
void
PageArgumentsRead(PageArguments *arguments, const PageSource *source, const char *module, Jsonb *json, bool lenient)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	ErrorContextCallback callback = {.callback = AddContext};
	char	   *name = NULL;
	int			found = 0;

	if (!JB_ROOT_IS_OBJECT(json))
	{
		if (lenient)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments of module \"%s\" is not a JSON object", module),
				 errhint("Write it like {\"filter\": \"$.brand == \\\"acme\\\"\"}.")));
	}
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
		{
			GivenArgument given = {module, name, &value};
			int			argument = ChoiceFind(name, pageArgumentNames, PAGE_ARGUMENTS);

			if (argument < 0 || (source->allowed & 1 << argument) == 0)
			{
				if (lenient)
					continue;
				RefuseName(source, module, name);
			}
			found |= 1 << argument;
			callback.previous = error_context_stack;
			callback.arg = &given;
			error_context_stack = &callback;
			ReadOne(arguments, argument, &given, lenient);
			error_context_stack = callback.previous;
		}
	}
	if (!lenient)
		CheckNeeded(source, module, found);
}

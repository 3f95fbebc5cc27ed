/*
 * path_filter.c
 *		The type path_filter: a jsonpath predicate as an argument.
 *
 * No type casts to jsonpath, so that a driver that declares its parameters as
 * varchar could not give a filter.  A path_filter holds the text of one; a literal
 * is checked where it is read, a text where it is used.
 */
#include "postgres.h"

#include "base/path_filter.h"

#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(personalize_path_filter_in);
PG_FUNCTION_INFO_V1(personalize_path_filter_from_jsonpath);

/* So many bytes of a filter are shown in an error. */
#define MAX_SHOWN 100

/* Error context: which filter, and what one looks like to whom only knows SQL. */
static void
TellFilter(void *arg)
{
	const char *filter = arg;
	int			code = geterrcode();

	if (code == ERRCODE_SYNTAX_ERROR || code == ERRCODE_INVALID_TEXT_REPRESENTATION)
		errhint("A filter is a jsonpath predicate, like $.brand == \"Acme\" && $.price < 50.");
	errcontext("filter \"%.*s\"", pg_mbcliplen(filter, strlen(filter), MAX_SHOWN), filter);
}

/* Read a text as jsonpath. */
static JsonPath *
Parse(char *filter)
{
	ErrorContextCallback context = {.previous = error_context_stack,.callback = TellFilter,.arg = filter};
	JsonPath   *path;

	error_context_stack = &context;
	path = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(filter)));
	error_context_stack = context.previous;
	return path;
}

/* Input: checked, and kept as it is. */
Datum
personalize_path_filter_in(PG_FUNCTION_ARGS)
{
	char	   *filter = PG_GETARG_CSTRING(0);

	(void) Parse(filter);
	PG_RETURN_TEXT_P(cstring_to_text(filter));
}

/* The text of a jsonpath. */
Datum
personalize_path_filter_from_jsonpath(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(DirectFunctionCall1(jsonpath_out, PG_GETARG_DATUM(0)))));
}

/* The predicate of an argument. */
JsonPath *
PathFilterRead(Datum filter)
{
	return Parse(TextDatumGetCString(filter));
}

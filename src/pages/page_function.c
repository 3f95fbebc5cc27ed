/*
 * page_function.c
 *		Modules whose items a function of the shop's returns.
 *
 * The function runs with the rights, the settings and the snapshot of who asks for the
 * page, and may not write.  Of a person who does not allow recommendations it is told
 * nothing: user_id is NULL.
 */
#include "postgres.h"

#include "pages/page_function.h"

#include "base/setting.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What an error is in the middle of. */
static void
AddContext(void *arg)
{
	const PageModule *module = arg;

	errcontext("function %s of module \"%s\" of page \"%s\"", module->arguments.function,
			   text_to_cstring(module->name), text_to_cstring(module->page));
}

/* The statement that asks it. */
static char *
MakeQuery(Oid function)
{
	return psprintf("SELECT f FROM %s.%s($1, $2) AS f",
					quote_identifier(get_namespace_name(get_func_namespace(function))),
					quote_identifier(get_func_name(function)));
}

/* The ids it returns, as keys. */
static int
TakeKeys(EngineContext *context, MemoryContext caller, int n, int64 *keys)
{
	int			count = 0;

	for (uint64 i = 0; i < SPI_processed && count < n; i++)
	{
		bool		isNull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isNull);
		MemoryContext spi;

		if (isNull)
			continue;
		spi = MemoryContextSwitchTo(caller);
		keys[count++] = ContextKeepId(context, DatumGetTextPCopy(value));
		MemoryContextSwitchTo(spi);
	}
	return count;
}

/* Ask the function. */
int
PageFunctionCall(EngineContext *context, const PageModule *module, int n, int64 **keys)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	Oid			types[] = {TEXTOID, INT4OID};
	Datum		values[] = {fcinfo->args[0].value, Int32GetDatum(n)};
	char		nulls[] = {context->visitor.personal ? ' ' : 'n', ' ', '\0'};
	MemoryContext caller = CurrentMemoryContext;
	Oid			function = PageFunctionFind(module->arguments.function);
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = AddContext,.arg = (void *) module};
	bool		before;
	int			count;

	*keys = palloc_array(int64, n);
	error_context_stack = &callback;
	before = SettingBeginReadOnly();
	SPI_connect();
	if (SPI_execute_with_args(MakeQuery(function), lengthof(types), types, values, nulls, true, n) != SPI_OK_SELECT)
		elog(ERROR, "cannot ask function %u", function);
	count = TakeKeys(context, caller, n, *keys);
	SPI_finish();
	SettingEndReadOnly(before);
	error_context_stack = callback.previous;
	return count;
}

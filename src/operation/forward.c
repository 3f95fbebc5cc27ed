/*
 * forward.c
 *		What people call, in front of where it is written.
 *
 * A function that is written in SQL lives in personalize_internal, and so does one with an
 * argument of type jsonb; in the schema personalize there is one of the same name that calls it
 * (forward.sql makes them).  So the list of what people call has no bodies in it, and what a
 * driver has bound as json, text or varchar is taken where JSON is meant: such an argument is
 * an event_json here and a jsonb there.
 *
 * The call is handed on as the server hands on one that is SECURITY DEFINER (fmgr.c): the same
 * expression, result and context, so sets, defaults and polymorphism work as without us.
 */
#include "postgres.h"

#include "base/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event_json.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(personalize_forward);

/* Where a call goes, as it is kept with the caller's expression. */
typedef struct Forward
{
	FmgrInfo	written;
	bool		isVoid;			/* what one in SQL returns is NULL then, and of others it is not */
	char	   *names[FUNC_MAX_ARGS];	/* of arguments that are to be read as jsonb; NULL: as they are */
} Forward;

/* An argument that is being read. */
typedef struct Reading
{
	const char *function;
	const char *argument;
} Reading;

/* Say which argument is no JSON. */
static void
TellArgument(void *arg)
{
	const Reading *reading = arg;

	errcontext("argument %s of %s()", reading->argument, reading->function);
}

/* The jsonb of an argument that is an event_json. */
static Datum
ReadArgument(Datum value, const char *function, const char *argument)
{
	Reading		reading = {function, argument};
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = TellArgument,.arg = &reading};
	Datum		json;

	error_context_stack = &callback;
	json = JsonbPGetDatum(EventJsonToJsonb(value));
	error_context_stack = callback.previous;
	return json;
}

/* Find the function of the same name that a call goes to. */
static Forward *
FindWritten(FmgrInfo *called)
{
	Oid			schema = get_namespace_oid("personalize_internal", false);
	Oid			given = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("event_json"),
										ObjectIdGetDatum(get_namespace_oid(PERSONALIZE_SCHEMA, false)));
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(called->fn_oid));
	Forward    *forward = MemoryContextAllocZero(called->fn_mcxt, sizeof(Forward));
	MemoryContext caller = MemoryContextSwitchTo(called->fn_mcxt);
	Form_pg_proc form;
	Oid			types[FUNC_MAX_ARGS];
	Oid		   *allTypes;
	char	  **names;
	char	   *modes;
	Oid			written;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", called->fn_oid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	(void) get_func_arg_info(tuple, &allTypes, &names, &modes);
	for (int i = 0; i < form->pronargs; i++)
	{
		types[i] = form->proargtypes.values[i];
		if (types[i] != given)
			continue;
		types[i] = JSONBOID;
		/* the arguments that go in stand before those that come out */
		forward->names[i] = names == NULL ? "" : names[i];
	}
	written = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, NameGetDatum(&form->proname),
							  PointerGetDatum(buildoidvector(types, form->pronargs)), ObjectIdGetDatum(schema));
	if (!OidIsValid(written))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("personalize_internal.%s(), which personalize.%s() calls, does not exist", NameStr(form->proname), NameStr(form->proname)),
				 errhint("ALTER EXTENSION personalize UPDATE, or DROP EXTENSION and CREATE EXTENSION, make it anew.")));
	forward->isVoid = form->prorettype == VOIDOID;
	ReleaseSysCache(tuple);
	fmgr_info_cxt(written, &forward->written, called->fn_mcxt);
	fmgr_info_set_expr(called->fn_expr, &forward->written);
	MemoryContextSwitchTo(caller);
	return forward;
}

/* Every function that forward.sql makes. */
Datum
personalize_forward(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(handed, FUNC_MAX_ARGS);
	Forward    *forward = fcinfo->flinfo->fn_extra;
	Datum		result;

	if (forward == NULL)
		fcinfo->flinfo->fn_extra = forward = FindWritten(fcinfo->flinfo);
	memcpy(handed, fcinfo, SizeForFunctionCallInfo(fcinfo->nargs));
	handed->flinfo = &forward->written;
	for (int i = 0; i < fcinfo->nargs; i++)
		if (forward->names[i] != NULL && !fcinfo->args[i].isnull)
			handed->args[i].value = ReadArgument(fcinfo->args[i].value, get_func_name(fcinfo->flinfo->fn_oid), forward->names[i]);
	result = FunctionCallInvoke(handed);
	fcinfo->isnull = handed->isnull && !forward->isVoid;
	return result;
}

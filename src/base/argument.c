/*
 * argument.c
 *		Arguments of functions that must be given, or have a default.
 *
 * A caller that passes all arguments, as many clients do, says NULL for those it has
 * nothing to say about.  So NULL for an argument with a default is the default, the one
 * that the function is declared with.
 */
#include "postgres.h"

#include "base/argument.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/interval.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* The declared default of an argument of a function; NULL if it has none. */
static Node *
DeclaredDefault(HeapTuple function, int argument)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(function);
	int			place = argument - (form->pronargs - form->pronargdefaults);
	bool		isNull;
	Datum		defaults = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_proargdefaults, &isNull);

	if (isNull || place < 0)
		return NULL;
	return eval_const_expressions(NULL, list_nth(castNode(List, stringToNode(TextDatumGetCString(defaults))), place));
}

/* Put an argument's default in the place of NULL; false if that is NULL, too. */
static bool
UseDefault(FunctionCallInfo fcinfo, int argument)
{
	HeapTuple	function = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	Node	   *node;

	if (!HeapTupleIsValid(function))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	node = DeclaredDefault(function, argument);
	ReleaseSysCache(function);
	if (node == NULL || !IsA(node, Const) || castNode(Const, node)->constisnull)
		return false;
	fcinfo->args[argument].value = castNode(Const, node)->constvalue;
	fcinfo->args[argument].isnull = false;
	return true;
}

/* Complain that something is null; it is called by name. */
void
ArgumentReportNull(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be null", name)));
}

/* Complain unless an argument is given or has a default. */
void
ArgumentCheckGiven(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument) && !UseDefault(fcinfo, argument))
		ArgumentReportNull(name);
}

/* Complain of an interval that is less than nothing. */
void
ArgumentCheckSpan(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (!PG_ARGISNULL(argument) && IntervalLength(PG_GETARG_INTERVAL_P(argument)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" must not be negative", name,
						DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(argument)))),
				 errhint("Write it like '30 days'.")));
}

/*
 * What to do about a transaction above READ COMMITTED.  A statement by itself has the level
 * that the session, its role or its database has by default.
 */
char *
ArgumentIsolationHint(void)
{
	if (IsTransactionBlock())
		return pstrdup("Begin the transaction with BEGIN ISOLATION LEVEL READ COMMITTED.");
	return psprintf("SET default_transaction_isolation = 'read committed' (of a role, ALTER ROLE ... SET): it is '%s' here.",
					GetConfigOption("default_transaction_isolation", false, false));
}

/* Complain of a procedure that commits where it cannot: in a transaction block or a function. */
void
ArgumentCheckNonatomic(FunctionCallInfo fcinfo, const char *call, const char *hint)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("CALL personalize.%s cannot run inside a transaction block or a function", call),
				 errhint("%s", hint)));
}

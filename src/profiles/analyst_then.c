/*
 * analyst_then.c
 *		Conditions on what the catalogue said of an item when something happened.
 *
 * A view shows the item's value of then, if the past of the item is kept, else that of now, and
 * the planner has statistics of both columns, but not of the choice between them.  So such
 * a view asks _then_asked() of its rows, which says nothing but yes; where the statement asks
 * for one value, (past = value OR present = value) takes its place, of which the planner knows
 * how many rows it leaves, and _then_is(), which leaves out those of the other column.
 */
#include "postgres.h"

#include "base/asked.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "parser/parse_func.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(personalize_then);
PG_FUNCTION_INFO_V1(personalize_then_is);
PG_FUNCTION_INFO_V1(personalize_then_asked_support);

/* Arguments of _then(). */
#define ARGUMENT_PAST 1
#define ARGUMENT_PRESENT 2

/* _then(item_key, past, present) */
Datum
personalize_then(PG_FUNCTION_ARGS)
{
	int			chosen = PG_ARGISNULL(0) ? ARGUMENT_PRESENT : ARGUMENT_PAST;

	if (PG_ARGISNULL(chosen))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(chosen));
}

/* _then_is(item_key, past, present, value) */
Datum
personalize_then_is(PG_FUNCTION_ARGS)
{
	int			chosen = PG_ARGISNULL(0) ? ARGUMENT_PRESENT : ARGUMENT_PAST;

	if (PG_ARGISNULL(chosen) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, PG_GETARG_DATUM(chosen), PG_GETARG_DATUM(3))));
}

/* True for what the view shows of the same arguments. */
static bool
IsShown(void *call, PlannerInfo *root, Node *node)
{
	return AskedIsCall(node, "_then_shown", ((FuncExpr *) call)->args);
}

/* column = value */
static Node *
MakeEqual(Node *column, const Const *value)
{
	return (Node *) make_opclause(TextEqualOperator, BOOLOID, false, copyObject((Expr *) column), copyObject((Expr *) value),
								  InvalidOid, DEFAULT_COLLATION_OID);
}

/* Planner support of _then_asked(). */
Datum
personalize_then_asked_support(PG_FUNCTION_ARGS)
{
	const Oid	types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	SupportRequestSimplify *request = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	const text *value;
	Const	   *asked;
	List	   *arguments;
	Expr	   *either;
	Expr	   *check;

	if (!IsA(request, SupportRequestSimplify) || !IsA(linitial(request->fcall->args), FuncExpr))
		PG_RETURN_POINTER(NULL);
	value = AskedOne(AskedConditions(request->root, IsShown, linitial(request->fcall->args)));
	if (value == NULL)
		PG_RETURN_POINTER(makeBoolConst(true, false));
	asked = makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1, PointerGetDatum(value), false, false);
	arguments = ((FuncExpr *) linitial(request->fcall->args))->args;
	either = makeBoolExpr(OR_EXPR, list_make2(MakeEqual(list_nth(arguments, ARGUMENT_PAST), asked),
											  MakeEqual(list_nth(arguments, ARGUMENT_PRESENT), asked)), -1);
	check = (Expr *) makeFuncExpr(LookupFuncName(list_make2(makeString("personalize_internal"), makeString("_then_is")),
												 lengthof(types), types, false),
								  BOOLOID, lappend(copyObject(arguments), copyObject(asked)), InvalidOid,
								  DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL);
	PG_RETURN_POINTER(makeBoolExpr(AND_EXPR, list_make2(either, check), -1));
}

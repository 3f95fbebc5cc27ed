/*
 * asked.c
 *		What a statement asks for by name, seen by a planner's support function.
 *
 * A function in the conditions of a view is simplified when the conditions of the
 * statement have been pushed to it, or stand beside it.  Only what all rows must meet
 * counts: nothing below OR or NOT.
 */
#include "postgres.h"

#include "base/asked.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* A search through conditions. */
typedef struct Search
{
	PlannerInfo *root;
	AskedMatch	match;
	void	   *arg;
	List	   *found;
} Search;

/* True for the expression, also as a column of what is grouped. */
static bool
Matches(const Search *search, Node *node)
{
	while (node != NULL && (IsA(node, RelabelType) || IsA(node, PlaceHolderVar)))
		node = IsA(node, RelabelType) ? (Node *) ((RelabelType *) node)->arg
			: (Node *) ((PlaceHolderVar *) node)->phexpr;
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == 0)
	{
		Var		   *column = (Var *) node;
		Node	   *grouped = CompatGroupedExpression(rt_fetch(column->varno, search->root->parse->rtable),
													  column->varattno);

		if (grouped != NULL)
			return Matches(search, grouped);
	}
	return search->match(search->arg, search->root, node);
}

/* Equal texts have the same bytes. */
static bool
IsTextEqual(Oid operator, Oid collation)
{
	return operator == TextEqualOperator &&
		(!OidIsValid(collation) || get_collation_isdeterministic(collation));
}

/* The value of an expression, the same whenever the plan is run; NULL if there is none. */
static const Const *
FixedValue(const Search *search, Node *node)
{
	Node	   *value = eval_const_expressions(search->root, node);

	return IsA(value, Const) && !((Const *) value)->constisnull ? (const Const *) value : NULL;
}

/* Add what a condition asks for. */
static void
Add(Search *search, const Datum *values, const bool *nulls, int count)
{
	AskedTexts *asked = palloc(sizeof(AskedTexts));

	asked->count = 0;
	asked->texts = palloc(sizeof(text *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (nulls == NULL || !nulls[i])
			asked->texts[asked->count++] = DatumGetTextPP(values[i]);
	search->found = lappend(search->found, asked);
}

/* expression = value, either way around. */
static void
AddEqual(Search *search, List *arguments)
{
	bool		swapped = !Matches(search, linitial(arguments));
	const Const *value;

	if (swapped && !Matches(search, lsecond(arguments)))
		return;
	value = FixedValue(search, swapped ? linitial(arguments) : lsecond(arguments));
	if (value != NULL)
		Add(search, &value->constvalue, NULL, 1);
}

/* expression = ANY (values). */
static void
AddAny(Search *search, List *arguments)
{
	const Const *value = Matches(search, linitial(arguments)) ? FixedValue(search, lsecond(arguments)) : NULL;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (value == NULL)
		return;
	deconstruct_array(DatumGetArrayTypeP(value->constvalue), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	Add(search, values, nulls, count);
}

/* Look through conditions, and the joins that have some. */
static void
Walk(Search *search, Node *node)
{
	ListCell   *cell;

	if (node == NULL)
		return;
	if (IsA(node, List))
		foreach(cell, (List *) node)
			Walk(search, lfirst(cell));
	else if (IsA(node, FromExpr))
	{
		Walk(search, (Node *) ((FromExpr *) node)->fromlist);
		Walk(search, ((FromExpr *) node)->quals);
	}
	else if (IsA(node, JoinExpr))
	{
		Walk(search, ((JoinExpr *) node)->larg);
		Walk(search, ((JoinExpr *) node)->rarg);
		/* what an outer join asks for, rows need not have */
		if (((JoinExpr *) node)->jointype == JOIN_INNER)
			Walk(search, ((JoinExpr *) node)->quals);
	}
	else if (IsA(node, BoolExpr) && ((BoolExpr *) node)->boolop == AND_EXPR)
		Walk(search, (Node *) ((BoolExpr *) node)->args);
	else if (IsA(node, OpExpr) &&
			 IsTextEqual(((OpExpr *) node)->opno, ((OpExpr *) node)->inputcollid))
		AddEqual(search, ((OpExpr *) node)->args);
	else if (IsA(node, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) node)->useOr &&
			 IsTextEqual(((ScalarArrayOpExpr *) node)->opno, ((ScalarArrayOpExpr *) node)->inputcollid))
		AddAny(search, ((ScalarArrayOpExpr *) node)->args);
}

/* The conditions on an expression that every row of a query meets. */
List *
AskedConditions(PlannerInfo *root, AskedMatch match, void *arg)
{
	Search		search = {.root = root,.match = match,.arg = arg};

	if (root == NULL)
		return NIL;
	Walk(&search, root->parse->havingQual);
	Walk(&search, (Node *) root->parse->jointree);
	return search.found;
}

/* The condition column = value or column = ANY (values). */
Node *
AskedMakeCondition(Node *column, Datum *values, int count)
{
	Oid			type = exprType(column);
	Oid			equal = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	ScalarArrayOpExpr *any;
	Const	   *array;
	int16		length;
	bool		byValue;
	char		align;

	get_typlenbyvalalign(type, &length, &byValue, &align);
	if (count == 1)
		return (Node *) make_opclause(equal, BOOLOID, false, copyObject((Expr *) column),
									  (Expr *) makeConst(type, -1, InvalidOid, length, values[0], false, byValue),
									  InvalidOid, InvalidOid);
	array = makeConst(get_array_type(type), -1, InvalidOid, -1,
					  PointerGetDatum(construct_array(values, count, type, length, byValue, align)), false, false);
	any = makeNode(ScalarArrayOpExpr);
	any->opno = equal;
	any->opfuncid = get_opcode(equal);
	any->useOr = true;
	any->args = list_make2(copyObject(column), array);
	any->location = -1;
	return (Node *) any;
}

/* Of conditions: the value, if they are for one. */
const text *
AskedOne(List *conditions)
{
	const AskedTexts *asked = conditions == NIL ? NULL : linitial(conditions);

	return asked != NULL && asked->count == 1 ? asked->texts[0] : NULL;
}

/* True for a call with the same arguments of the function that a view shows. */
bool
AskedIsCall(Node *node, const char *shown, List *arguments)
{
	const FuncExpr *call = (const FuncExpr *) node;

	return IsA(node, FuncExpr) && equal(call->args, arguments) && strcmp(get_func_name(call->funcid), shown) == 0;
}

/* True for the call. */
static bool
IsSame(void *call, PlannerInfo *root, Node *node)
{
	return equal(node, call);
}

/* The one value that a call must have. */
Node *
AskedValue(Node *request)
{
	SupportRequestSimplify *call = (SupportRequestSimplify *) request;
	const text *value;

	/* a grouping set without the column has rows that do not meet the condition */
	if (!IsA(request, SupportRequestSimplify) || call->root == NULL || call->root->parse->groupingSets != NIL)
		return NULL;
	value = AskedOne(AskedConditions(call->root, IsSame, call->fcall));
	return value == NULL ? NULL :
		(Node *) makeConst(TEXTOID, -1, call->fcall->funccollid, -1, PointerGetDatum(value), false, false);
}

/* A condition that says true of a call that is not NULL. */
Node *
AskedMakeNotNull(Node *call)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = copyObject((Expr *) call);
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	return (Node *) test;
}

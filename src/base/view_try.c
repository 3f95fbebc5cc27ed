/*
 * view_try.c
 *		Conditions on views, tried on a sample of what the view shows.
 *
 * Of a sum, of what a function shows, or of a condition like LIKE or date_trunc() = value, the
 * server has no statistics, and takes one row in three or one in two hundred.  Before a
 * statement is planned, such conditions on our views are asked of rows of the view
 * (view_sample.c), and each becomes _tried(condition, share): true where the condition is,
 * with the share of rows as its selectivity, wherever the planner moves it, into a HAVING or
 * down to a table.  The share is one of the rows that the other conditions leave.
 *
 * A condition that compares a column with values stays as it is, for indexes and partitions,
 * unless the server knows nothing of that column.
 *
 * Only functions of the server are called, none that is volatile, on rows that the reader may
 * see; a condition that fails on one of them keeps the server's guess.
 */
#include "postgres.h"

#include "base/view_try.h"

#include "access/transam.h"
#include "base/column_stat.h"
#include "base/pass.h"
#include "base/subtransaction.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_tried);
PG_FUNCTION_INFO_V1(personalize_tried_support);

/* Of fewer rows no share is taken. */
#define ENOUGH_ROWS 20

/* Views of one registration. */
typedef struct Registered
{
	const ViewTry *views;
	int			count;
} Registered;

/* The conditions of one query on one view that are being tried. */
typedef struct Trying
{
	const ViewTry *view;
	const ViewSample *sample;	/* NULL: it is only asked whether there is anything to try */
	bool		found;			/* there is */
	const RangeTblEntry *entry;
	int			varno;
	ParamListInfo parameters;
	Oid			function;
	bool	   *left;			/* rows that the conditions so far leave */
	bool		plain;			/* now come those that stay as they are */
} Trying;

/* A condition and what it says of each row. */
typedef struct Trial
{
	Expr	   *condition;
	const ViewSample *sample;
	bool	   *met;
} Trial;

static Registered registered[8];
static int	registeredCount = 0;
static planner_hook_type previousHook = NULL;
static bool trying = false;

/* Make views known. */
void
ViewTryRegister(const ViewTry *views, int count)
{
	if (registeredCount >= lengthof(registered))
		elog(FATAL, "too many lists of views whose conditions are tried");
	registered[registeredCount].views = views;
	registered[registeredCount++].count = count;
}

/* The view that an entry of a range table is; NULL for anything else. */
static const ViewTry *
ViewOf(const RangeTblEntry *entry)
{
	const char *name = entry->rtekind != RTE_SUBQUERY || entry->subquery == NULL ? NULL : ColumnRelationName(CompatViewOf(entry));

	for (int i = 0; i < registeredCount && name != NULL; i++)
		for (int j = 0; j < registered[i].count; j++)
			if (strcmp(registered[i].views[j].view, name) == 0)
				return &registered[i].views[j];
	return NULL;
}

/* True if an expression has a column that is not one of the view's. */
static bool
HasOther(Node *node, void *varno)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varno != *(int *) varno || ((Var *) node)->varlevelsup != 0 || ((Var *) node)->varattno <= 0;
	return expression_tree_walker(node, HasOther, varno);
}

/* True if an expression has a column. */
static bool
HasColumn(Node *node, void *argument)
{
	return node != NULL && (IsA(node, Var) || expression_tree_walker(node, HasColumn, argument));
}

/* The column that an expression is; NULL if it is none. */
static const char *
ColumnName(const Trying *of, Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node == NULL || !IsA(node, Var) ? NULL :
		strVal(list_nth(of->entry->eref->colnames, ((Var *) node)->varattno - 1));
}

/* True if a list of names, each between commas, has this one. */
static bool
Names(const char *list, const char *name)
{
	return list != NULL && strstr(list, psprintf(",%s,", name)) != NULL;
}

/* True for a comparison of a column with values that is better left as it is. */
static bool
IsPlain(const Trying *of, Node *condition)
{
	bool		any = IsA(condition, ScalarArrayOpExpr);
	List	   *arguments = any ? ((ScalarArrayOpExpr *) condition)->args : IsA(condition, OpExpr) ? ((OpExpr *) condition)->args : NIL;
	const char *left = list_length(arguments) == 2 ? ColumnName(of, linitial(arguments)) : NULL;
	const char *name = left != NULL || list_length(arguments) != 2 ? left : ColumnName(of, lsecond(arguments));

	return name != NULL && !HasColumn(left != NULL ? lsecond(arguments) : linitial(arguments), NULL) &&
		get_op_btree_interpretation(any ? ((ScalarArrayOpExpr *) condition)->opno : ((OpExpr *) condition)->opno) != NIL &&
		!Names(of->view->tried, name) && !(any && Names(of->view->lists, name));
}

/* True for a function that is not the server's, or volatile. */
static bool
IsForeign(Oid function, void *arg)
{
	return function >= FirstNormalObjectId || func_volatile(function) == PROVOLATILE_VOLATILE;
}

/* True for what cannot be evaluated without running the statement, or should not be; parameters may be allowed. */
static bool
IsUntriable(Node *node, void *parameters)
{
	if (node == NULL)
		return false;
	if ((IsA(node, Param) && parameters == NULL) || IsA(node, SubLink) || IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
		IsA(node, CurrentOfExpr) || check_functions_in_node(node, IsForeign, NULL))
		return true;
	return expression_tree_walker(node, IsUntriable, parameters);
}

/* Ask a condition of each row. */
static bool
AskRows(void *argument)
{
	Trial	   *trial = argument;
	ExprState  *state = ExecInitExpr(expression_planner(trial->condition), NULL);
	ExprContext *context = CreateStandaloneExprContext();
	TupleTableSlot *slot = MakeSingleTupleTableSlot(trial->sample->desc, &TTSOpsHeapTuple);

	context->ecxt_scantuple = slot;
	for (int i = 0; i < trial->sample->count; i++)
	{
		bool		isNull;
		Datum		holds;

		CHECK_FOR_INTERRUPTS();
		ExecStoreHeapTuple(trial->sample->rows[i], slot, false);
		holds = ExecEvalExprSwitchContext(state, context, &isNull);
		trial->met[i] = !isNull && DatumGetBool(holds);
		ResetExprContext(context);
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExprContext(context, true);
	return false;
}

/* What a condition says of each row of the sample; NULL if it cannot be tried. */
static bool *
Try(const Trying *of, Node *condition)
{
	PlannerInfo *root = makeNode(PlannerInfo);
	Trial		trial = {.sample = of->sample};

	root->glob = makeNode(PlannerGlobal);
	root->glob->boundParams = of->parameters;
	condition = IsUntriable(condition, root) ? NULL : estimate_expression_value(root, copyObject(condition));
	if (condition == NULL || IsUntriable(condition, NULL))
		return NULL;
	trial.condition = (Expr *) condition;
	trial.met = palloc0(sizeof(bool) * Max(of->sample->count, 1));
	return SubtransactionTry(AskRows, &trial) == NULL ? trial.met : NULL;
}

/* The share of the rows left that a condition leaves, or of all if few are left; from now on those are left. */
static double
Narrow(const Trying *of, const bool *met)
{
	int			before = 0;
	int			after = 0;
	int			all = 0;

	for (int i = 0; i < of->sample->count; i++)
	{
		before += of->left[i];
		after += of->left[i] && met[i];
		all += met[i];
		of->left[i] &= met[i];
	}
	if (before >= ENOUGH_ROWS)
		return Max(after, 0.5) / before;
	return Max(all, 0.5) / of->sample->count;
}

/* Take up conditions: those that stay as they are narrow the sample, others become _tried(). */
static Node *
TakeUp(Node *node, void *argument)
{
	Trying	   *of = argument;
	bool	   *met;
	double		share;

	if (node == NULL)
		return NULL;
	if (is_andclause(node))
	{
		ListCell   *cell;

		foreach(cell, ((BoolExpr *) node)->args)
			lfirst(cell) = TakeUp(lfirst(cell), argument);
		return node;
	}
	if (HasOther(node, &of->varno) || !HasColumn(node, NULL) || IsPlain(of, node) != of->plain)
		return node;
	if (of->sample == NULL)
	{
		of->found = true;
		return node;
	}
	met = Try(of, node);
	if (met == NULL)
		return node;
	share = Narrow(of, met);
	return of->plain ? node :
		(Node *) makeFuncExpr(of->function, BOOLOID,
							  list_make2(node, makeConst(FLOAT8OID, -1, InvalidOid, sizeof(float8), Float8GetDatum(share), false, FLOAT8PASSBYVAL)),
							  InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Take up the conditions of a join tree. */
static void
TakeUpTree(Node *node, Trying *of)
{
	if (node != NULL && IsA(node, FromExpr))
	{
		ListCell   *cell;

		foreach(cell, ((FromExpr *) node)->fromlist)
			TakeUpTree(lfirst(cell), of);
		((FromExpr *) node)->quals = TakeUp(((FromExpr *) node)->quals, of);
	}
	else if (node != NULL && IsA(node, JoinExpr))
	{
		TakeUpTree(((JoinExpr *) node)->larg, of);
		TakeUpTree(((JoinExpr *) node)->rarg, of);
		((JoinExpr *) node)->quals = TakeUp(((JoinExpr *) node)->quals, of);
	}
}

/* True if a join tree has a condition. */
static bool
HasCondition(Node *node, void *argument)
{
	if (node == NULL || IsA(node, RangeTblRef))
		return false;
	if (IsA(node, FromExpr) && ((FromExpr *) node)->quals != NULL)
		return true;
	if (IsA(node, JoinExpr) && ((JoinExpr *) node)->quals != NULL)
		return true;
	return expression_tree_walker(node, HasCondition, argument);
}

/* _tried(condition, share), if this role may call it. */
static Oid
FindFunction(void)
{
	const Oid	types[] = {BOOLOID, FLOAT8OID};
	Oid			function = LookupFuncName(list_make2(makeString("personalize_internal"), makeString("_tried")), lengthof(types), types, true);

	return OidIsValid(function) && CompatMayExecute(function) ? function : InvalidOid;
}

/* Try the conditions of a query on one of its views. */
static void
TryView(Query *query, int varno, const ViewTry *view, ParamListInfo parameters)
{
	Trying		of = {.view = view,.entry = rt_fetch(varno, query->rtable),.varno = varno,.parameters = parameters};

	of.function = FindFunction();
	TakeUpTree((Node *) query->jointree, &of);
	of.sample = OidIsValid(of.function) && of.found ? ViewSampleOf(view) : NULL;
	if (of.sample == NULL || of.sample->desc->natts != list_length(of.entry->eref->colnames))
		return;
	of.left = palloc(sizeof(bool) * of.sample->count);
	memset(of.left, true, of.sample->count);
	of.plain = true;
	TakeUpTree((Node *) query->jointree, &of);
	of.plain = false;
	TakeUpTree((Node *) query->jointree, &of);
}

/* Try the conditions of a query, and of those within it. */
static bool
TryQueries(Node *node, void *parameters)
{
	Query	   *query = (Query *) node;
	bool		conditions;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, TryQueries, parameters);
	conditions = HasCondition((Node *) query->jointree, NULL);
	for (int varno = 1; varno <= list_length(query->rtable) && conditions; varno++)
	{
		const ViewTry *view = ViewOf(rt_fetch(varno, query->rtable));

		if (view != NULL)
			TryView(query, varno, view, parameters);
	}
	return query_tree_walker(query, TryQueries, parameters, 0);
}

/* planner_hook */
static PlannedStmt *
TryThenPlan(Query *query, const char *string, int options, ParamListInfo parameters)
{
	if (!trying && !PassIsUp() && ActiveSnapshotSet() && !IsInParallelMode())
	{
		trying = true;
		PG_TRY();
		{
			(void) TryQueries((Node *) query, parameters);
		}
		PG_FINALLY();
		{
			trying = false;
		}
		PG_END_TRY();
	}
	return (previousHook != NULL ? previousHook : standard_planner) (query, string, options, parameters);
}

/* Called once when the library is loaded. */
void
ViewTryInit(void)
{
	previousHook = planner_hook;
	planner_hook = TryThenPlan;
}

/* _tried(condition, share): the condition. */
Datum
personalize_tried(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_GETARG_BOOL(0));
}

/* Planner support of _tried(). */
Datum
personalize_tried_support(PG_FUNCTION_ARGS)
{
	SupportRequestSelectivity *request = (SupportRequestSelectivity *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestSelectivity) || !IsA(lsecond(request->args), Const))
		PG_RETURN_POINTER(NULL);
	request->selectivity = DatumGetFloat8(lsecond_node(Const, request->args)->constvalue);
	PG_RETURN_POINTER(request);
}

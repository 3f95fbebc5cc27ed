/*
 * column_try.c
 *		Conditions of statements, tried on samples.
 *
 * Of ts::date = value or properties ->> 'key' = value the server has no statistics, whatever it
 * knows of the column, and takes one row in two hundred.  Where such a condition stays outside
 * of a view of ours, it is asked of the sample there is of the column (column_stat.c), and the
 * planner finds its share of rows where it keeps those that it has worked out itself.
 *
 * Only functions of the server are called, none that is volatile, on values that the reader may
 * see; a condition that fails on one of them keeps the server's guess.
 */
#include "postgres.h"

#include "base/column_stat.h"

#include "access/transam.h"
#include "base/pass.h"
#include "base/relation.h"
#include "base/subtransaction.h"
#include "catalog/pg_proc.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* True for a function that is not the server's, or volatile. */
static bool
IsForeign(Oid function, void *arg)
{
	return function >= FirstNormalObjectId || func_volatile(function) == PROVOLATILE_VOLATILE;
}

/* True for what cannot be evaluated without running the statement, or should not be. */
static bool
IsUntriable(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) || IsA(node, SubLink) || IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
		IsA(node, CurrentOfExpr) || check_functions_in_node(node, IsForeign, NULL))
		return true;
	return expression_tree_walker(node, IsUntriable, arg);
}

/* The one column that a condition is about; NULL if there are others, or none. */
static const Var *
OnlyColumn(Node *clause, const RelOptInfo *rel)
{
	List	   *columns = pull_var_clause(clause, PVC_RECURSE_PLACEHOLDERS);
	const Var  *first = columns == NIL ? NULL : linitial_node(Var, columns);
	ListCell   *cell;

	foreach(cell, columns)
	{
		const Var  *column = lfirst_node(Var, cell);

		if (column->varno != (int) rel->relid || column->varattno != first->varattno || column->varattno <= 0)
			return NULL;
	}
	return first;
}

/* True for a condition on the column itself, of which the server has its statistics. */
static bool
IsOnColumn(Node *clause)
{
	List	   *arguments = IsA(clause, OpExpr) ? ((OpExpr *) clause)->args :
		IsA(clause, ScalarArrayOpExpr) ? ((ScalarArrayOpExpr *) clause)->args :
		IsA(clause, NullTest) ? list_make1(((NullTest *) clause)->arg) : NIL;
	ListCell   *cell;

	foreach(cell, arguments)
	{
		Node	   *argument = lfirst(cell);

		while (argument != NULL && IsA(argument, RelabelType))
			argument = (Node *) ((RelabelType *) argument)->arg;
		if (argument != NULL && IsA(argument, Var))
			return true;
	}
	return false;
}

/* Put a parameter in the place of the column. */
static Node *
ColumnToParameter(Node *node, void *arg)
{
	const Var  *column = (const Var *) node;
	Param	   *parameter;

	if (node == NULL || !IsA(node, Var))
		return expression_tree_mutator(node, ColumnToParameter, arg);
	parameter = makeNode(Param);
	parameter->paramkind = PARAM_EXTERN;
	parameter->paramid = 1;
	parameter->paramtype = column->vartype;
	parameter->paramtypmod = column->vartypmod;
	parameter->paramcollid = column->varcollid;
	parameter->location = -1;
	return (Node *) parameter;
}

/* A condition on the column of a sample. */
typedef struct Trial
{
	Node	   *clause;
	const ColumnSample *sample;
	int			met;			/* of so many values it holds */
} Trial;

/* Ask the condition of each value. */
static void
CountMet(void *argument)
{
	Trial	   *trial = argument;
	const ColumnSample *sample = trial->sample;
	Expr	   *condition = expression_planner((Expr *) ColumnToParameter(trial->clause, NULL));
	ParamListInfo parameters = makeParamList(1);
	ExprState  *state = ExecInitExprWithParams(condition, parameters);
	ExprContext *context = CreateStandaloneExprContext();

	context->ecxt_param_list_info = parameters;
	parameters->params[0].ptype = sample->type;
	for (int i = 0; i < sample->count; i++)
	{
		bool		isNull;
		Datum		holds;

		CHECK_FOR_INTERRUPTS();
		parameters->params[0].value = sample->values[i];
		parameters->params[0].isnull = sample->nulls[i];
		holds = ExecEvalExprSwitchContext(state, context, &isNull);
		trial->met += !isNull && DatumGetBool(holds);
		ResetExprContext(context);
	}
	FreeExprContext(context, true);
}

/* Tell the planner the share of rows that a condition leaves of a view, if it can be tried. */
static void
TryCondition(PlannerInfo *root, const RelOptInfo *rel, const char *view, RestrictInfo *condition)
{
	const RangeTblEntry *entry = planner_rt_fetch(rel->relid, root);
	Node	   *clause = (Node *) condition->clause;
	const Var  *column = condition->pseudoconstant || IsOnColumn(clause) ? NULL : OnlyColumn(clause, rel);
	const ColumnStat *known = column == NULL ? NULL : ColumnStatFind(view, get_rte_attribute_name(unconstify(RangeTblEntry *, entry), column->varattno));
	Trial		trial = {0};

	if (known == NULL || IsUntriable(clause = estimate_expression_value(root, clause), NULL))
		return;
	trial.clause = clause;
	trial.sample = ColumnSampleOf(known);
	if (trial.sample == NULL || trial.sample->type != column->vartype)
		return;
	if (SubtransactionTry(CountMet, &trial) == NULL)
		condition->norm_selec = Max(trial.met, 0.5) / trial.sample->count;
}

/* Try the conditions that the statement around a view has on it. */
void
ColumnTryConditions(PlannerInfo *root, const char *view)
{
	PlannerInfo *parent = root == NULL ? NULL : root->parent_root;

	if (parent == NULL || PassIsUp() || !ActiveSnapshotSet() || IsInParallelMode())
		return;
	for (int i = 1; i < parent->simple_rel_array_size; i++)
	{
		const RelOptInfo *rel = parent->simple_rel_array[i];
		const RangeTblEntry *entry = parent->simple_rte_array[i];
		const char *name = rel == NULL || entry->rtekind != RTE_SUBQUERY ? NULL : ColumnRelationName(CompatViewOf(entry));
		ListCell   *cell;

		if (name == NULL || strcmp(name, view) != 0)
			continue;
		foreach(cell, rel->baserestrictinfo)
			if (lfirst_node(RestrictInfo, cell)->norm_selec < 0)
				TryCondition(parent, rel, view, lfirst(cell));
	}
}

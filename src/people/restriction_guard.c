/*
 * restriction_guard.c
 *		Keeping the functions that know who is restricted from answering about anybody.
 *
 * Policies and views call _readable(mask, user_key) and _unrestricted(mask,
 * user_key), so whoever reads through these may execute them; with a mask and a key
 * of one's own they would tell who is restricted.  They answer about the columns
 * of a row alone: of a table of the extension for the first, where row security
 * has decided about the row already; read by a view of the extension for the
 * second.  That is seen when a statement is planned.  Whoever calls a function
 * without planning (fast path, as part of an aggregate) is found by its expression.
 */
#include "postgres.h"

#include "people/restriction.h"

#include "base/pass.h"
#include "base/relation.h"
#include "catalog/pg_class.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "parser/parsetree.h"
#include "people/policy.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(personalize_readable_support);
PG_FUNCTION_INFO_V1(personalize_unrestricted_support);

/* Refuse a call. */
static void
Refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("whether a person's data is restricted is asked by policies and views of personalize only"),
			 errhint("Read personalize.event or the views for analysts: they leave out what is restricted.")));
}

/* True if the current role may ask about anybody. */
static bool
MayAskAnything(void)
{
	return PassIsUp() || PolicyBypasses(GetUserId());
}

/* The owner of a relation. */
static Oid
OwnerOf(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* An argument as a column; NULL if it is none. */
static Var *
ColumnOf(Node *argument)
{
	while (argument != NULL && IsA(argument, PlaceHolderVar))
		argument = (Node *) ((PlaceHolderVar *) argument)->phexpr;
	return argument != NULL && IsA(argument, Var) ? (Var *) argument : NULL;
}

/* The table of a column as the query names it: of a partition, the parent. */
static RangeTblEntry *
TableOf(PlannerInfo *root, const Var *column, PlannerInfo **level)
{
	Index		place = column->varno;

	for (Index up = column->varlevelsup; up > 0 && root != NULL; up--)
		root = root->parent_root;
	*level = root;
	if (root == NULL || place > list_length(root->parse->rtable))
		return NULL;
	while (root->append_rel_array != NULL && place < root->simple_rel_array_size &&
		   root->append_rel_array[place] != NULL)
		place = root->append_rel_array[place]->parent_relid;
	return rt_fetch(place, root->parse->rtable);
}

/* True if a column has one of the names of what rows say of their purposes. */
static bool
IsMask(Oid table, const Var *column)
{
	const char *name = get_attname(table, column->varattno, true);

	return name != NULL && (strcmp(name, "mask") == 0 || strcmp(name, "consent") == 0 || strcmp(name, "purposes") == 0);
}

/*
 * True if the arguments are mask and person of a row of ours.  Some tables are of one purpose,
 * which their policies name: of a row that row security lets through the answer is known.
 */
static bool
AreOfRow(PlannerInfo *root, List *arguments, bool byView)
{
	bool		isFixed = !byView && IsA(linitial(arguments), Const);
	Var		   *mask = ColumnOf(linitial(arguments));
	Var		   *person = ColumnOf(lsecond(arguments));
	PlannerInfo *level;
	RangeTblEntry *table;
	const char *name;

	if (root == NULL || person == NULL)
		return false;
	if (!isFixed && (mask == NULL || mask->varno != person->varno || mask->varlevelsup != person->varlevelsup))
		return false;
	table = TableOf(root, person, &level);
	if (table == NULL || table->rtekind != RTE_RELATION || OwnerOf(table->relid) != RelationOwner())
		return false;
	if (byView && CompatCheckAsUser(level->parse, table) != RelationOwner())
		return false;
	name = get_attname(table->relid, person->varattno, true);
	if (name == NULL || strcmp(name, "user_key") != 0)
		return false;
	return isFixed || IsMask(table->relid, mask);
}

/* Look at a call that is being planned. */
static void
CheckPlanned(Node *request, bool byView)
{
	SupportRequestSimplify *call = (SupportRequestSimplify *) request;

	if (IsA(request, SupportRequestSimplify) && !MayAskAnything() &&
		!AreOfRow(call->root, call->fcall->args, byView))
		Refuse();
}

/* Planner support of _readable(mask, user_key). */
Datum
personalize_readable_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	CheckPlanned(request, false);
	PG_RETURN_POINTER(PolicyEstimate(request));
}

/* Planner support of _unrestricted(mask, user_key). */
Datum
personalize_unrestricted_support(PG_FUNCTION_ARGS)
{
	CheckPlanned((Node *) PG_GETARG_POINTER(0), true);
	PG_RETURN_POINTER(NULL);
}

/* Refuse a call whose arguments are no columns that a plan hands over. */
void
RestrictionCheckCall(FmgrInfo *function)
{
	Node	   *call = function->fn_expr;
	ListCell   *cell;

	if (MayAskAnything())
		return;
	if (call == NULL || !IsA(call, FuncExpr))
		Refuse();
	foreach(cell, castNode(FuncExpr, call)->args)
	{
		Node	   *argument = lfirst(cell);

		/* the purpose of a policy, which was looked at when it was planned */
		if (cell == list_head(castNode(FuncExpr, call)->args) && IsA(argument, Const))
			continue;
		/* an aggregate passes parameters that no plan has set */
		if (!IsA(argument, Var) &&
			!(IsA(argument, Param) && castNode(Param, argument)->paramkind == PARAM_EXEC &&
			  castNode(Param, argument)->paramid >= 0))
			Refuse();
	}
}

/*
 * item_view.c
 *		Conditions on item_id of views, answered by the key.
 *
 * Statistics know items by key, and a view shows _item_name(item_id, item_key): the
 * id that the catalogue has, or else the key, if it is an id itself.  No index finds
 * that.  So such a view asks _item_asked(name, item_key) of its rows, which says
 * nothing but yes; the planner's support function looks for a condition name = value
 * of the statement, and puts item_key = item_key(value) in its place, which the
 * condition implies.  What the view shows is _item_shown(), the same name: where one is asked
 * for, it stands for itself, and that the row has a name is left to be seen (base/asked.h).
 */
#include "postgres.h"

#include "base/asked.h"
#include "base/key.h"
#include "compat.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_item_name);
PG_FUNCTION_INFO_V1(personalize_item_asked);
PG_FUNCTION_INFO_V1(personalize_item_asked_support);
PG_FUNCTION_INFO_V1(personalize_asked_value_support);

/* _item_name(item_id, item_key): the id of an item, NULL if only its key is left. */
Datum
personalize_item_name(PG_FUNCTION_ARGS)
{
	int64		key = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT64(1);

	if (!PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (key < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(INT64_FORMAT, key)));
}

/* _item_asked(name, item_key): yes. */
Datum
personalize_item_asked(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/* True for the shown id. */
static bool
IsName(void *name, PlannerInfo *root, Node *node)
{
	return AskedIsCall(node, "_item_shown", ((FuncExpr *) name)->args);
}

/* Planner support of _item_shown() and others that views show. */
Datum
personalize_asked_value_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(AskedValue((Node *) PG_GETARG_POINTER(0)));
}

/* Planner support of _item_asked(). */
Datum
personalize_item_asked_support(PG_FUNCTION_ARGS)
{
	SupportRequestSimplify *call = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	List	   *conditions;
	const AskedTexts *names;
	Datum	   *keys;
	Node	   *name;
	Node	   *condition;

	if (!IsA(call, SupportRequestSimplify) || !IsA(linitial(call->fcall->args), FuncExpr))
		PG_RETURN_POINTER(NULL);
	name = linitial(call->fcall->args);
	conditions = AskedConditions(call->root, IsName, name);
	if (conditions == NIL)
		PG_RETURN_POINTER(makeBoolConst(true, false));
	names = linitial(conditions);
	keys = palloc(sizeof(Datum) * Max(names->count, 1));
	for (int i = 0; i < names->count; i++)
		keys[i] = Int64GetDatum(KeyFromText(names->texts[i]));
	condition = AskedMakeCondition(lsecond(call->fcall->args), keys, names->count);
	if (AskedOne(conditions) != NULL)
		condition = (Node *) makeBoolExpr(AND_EXPR, list_make2(condition, AskedMakeNotNull(name)), -1);
	PG_RETURN_POINTER(condition);
}

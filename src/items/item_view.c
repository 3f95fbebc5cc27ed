/*
 * item_view.c
 *		Conditions on ids in views, answered by the key.
 *
 * Tables know items and people by key, and views show their ids: of an item
 * _item_name(item_id, item_key), the id that the catalogue has, or else the key, if it is an
 * id itself.  No index finds that, and no statistics tell of it.  So such a view asks
 * _id_asked(id, key) of its rows, which says nothing but yes; the planner's support function
 * looks for a condition id = value of the statement, and puts key = key of the value in its
 * place, which the condition implies.  Where the key is asked for, the condition on the id
 * leaves all rows, as the statistics say that are given of it (base/column_stat.h).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/asked.h"
#include "base/column_stat.h"
#include "base/key.h"
#include "base/pass.h"
#include "base/relation.h"
#include "base/view_try.h"
#include "catalog/pg_statistic.h"
#include "compat.h"
#include "fmgr.h"
#include "items/item_view.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"

/* A number for each group that a view makes by item, day and something else. */
#define ITEM_STAT_GROUPS(other) \
	"SELECT hashint8extended(s.item_key, " other " * 100000::bigint + ((s.pane_start AT TIME ZONE 'UTC')::date - date '2000-01-01'))" \
	" FROM personalize.item_stat AS s TABLESAMPLE SYSTEM ($1) REPEATABLE (1)"

/*
 * Rows of item_stat, all or none of an item and day.  Pages show groups of many rows more often
 * than those of few: of these as many are left out as make that even.  Which are drawn goes by
 * how long ago their day is, so that the same shop is drawn alike on any day.
 */
#define ITEM_STAT_PART \
	"WITH chosen AS (" \
	"SELECT s.item_key, (s.pane_start AT TIME ZONE 'UTC')::date AS day" \
	" FROM personalize.item_stat AS s TABLESAMPLE SYSTEM ($1) REPEATABLE (1) GROUP BY 1, 2" \
	" ORDER BY hashint8extended(s.item_key, (s.pane_start AT TIME ZONE 'UTC')::date - (now() AT TIME ZONE 'UTC')::date) LIMIT 1000)," \
	" met AS (" \
	"SELECT s.*, c.day, count(*) OVER (PARTITION BY s.item_key, c.day) AS n" \
	" FROM chosen AS c CROSS JOIN generate_series(0, 23) AS h (hour) JOIN personalize.item_stat AS s" \
	" ON s.pane_start = (c.day::timestamp AT TIME ZONE 'UTC') + h.hour * interval '1 hour' AND s.item_key = c.item_key)" \
	" SELECT m.pane_start, m.item_key, m.currency_code, m.event, m.slot_bucket, m.count, m.amount FROM met AS m" \
	" WHERE (hashint8extended(m.item_key, m.day - (now() AT TIME ZONE 'UTC')::date + 1000000) & 1048575) / 1048576.0::float8" \
	" < $1 / 100 / (1 - power(1 - $1 / 100, m.n::float8))"

PG_FUNCTION_INFO_V1(personalize_item_name);
PG_FUNCTION_INFO_V1(personalize_item_asked);
PG_FUNCTION_INFO_V1(personalize_id_asked_support);
PG_FUNCTION_INFO_V1(personalize_asked_value_support);
PG_FUNCTION_INFO_V1(personalize_groups_counted);
PG_FUNCTION_INFO_V1(personalize_groups_counted_support);

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

/* True for the id. */
static bool
IsId(void *id, PlannerInfo *root, Node *node)
{
	return equal(node, id);
}

/* Planner support of functions that views show, and whose conditions another function answers. */
Datum
personalize_asked_value_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(AskedValue((Node *) PG_GETARG_POINTER(0)));
}

/* Planner support of _id_asked(). */
Datum
personalize_id_asked_support(PG_FUNCTION_ARGS)
{
	SupportRequestSimplify *call = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	List	   *conditions;
	const AskedTexts *ids;
	Datum	   *keys;

	if (!IsA(call, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	conditions = AskedConditions(call->root, IsId, linitial(call->fcall->args));
	if (conditions == NIL)
		PG_RETURN_POINTER(makeBoolConst(true, false));
	ids = linitial(conditions);
	keys = palloc(sizeof(Datum) * Max(ids->count, 1));
	for (int i = 0; i < ids->count; i++)
		keys[i] = Int64GetDatum(KeyFromText(ids->texts[i]));
	PG_RETURN_POINTER(AskedMakeCondition(lsecond(call->fcall->args), keys, ids->count));
}

/* _groups_counted(item_key, groups): yes. */
Datum
personalize_groups_counted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/* item_stat in a subquery; NULL if it does not read the table. */
static const RelOptInfo *
FindGrouped(const PlannerInfo *subroot)
{
	Oid			table = RelationFind("item_stat", true);

	for (int i = 1; subroot != NULL && i < subroot->simple_rel_array_size; i++)
	{
		const RelOptInfo *rel = subroot->simple_rel_array[i];

		if (rel == NULL || rel->reloptkind != RELOPT_BASEREL)
			continue;
		if (subroot->simple_rte_array[i]->rtekind == RTE_SUBQUERY)
			return FindGrouped(rel->subroot);
		if (subroot->simple_rte_array[i]->relid == table)
			return rel;
	}
	return NULL;
}

/* True if a query groups item_stat itself. */
static bool
IsGroupedHere(PlannerInfo *root, const RelOptInfo *rel)
{
	return root->parse->groupClause != NIL && planner_rt_fetch(rel->relid, root)->relid == RelationFind("item_stat", true);
}

/*
 * Planner support of _groups_counted().  A condition on the day leaves whole groups, while the
 * server believes that it leaves some rows of each.
 */
Datum
personalize_groups_counted_support(PG_FUNCTION_ARGS)
{
	SupportRequestSelectivity *request = (SupportRequestSelectivity *) PG_GETARG_POINTER(0);
	const ColumnStat *column;
	const RelOptInfo *grouped;
	const RelOptInfo *table;
	HeapTuple	sample;
	double		distinct;
	double		expected;

	if (!IsA(request, SupportRequestSelectivity) || !IsA(linitial(request->args), Var) || !IsA(lsecond(request->args), Const) ||
		!ActiveSnapshotSet())
		PG_RETURN_POINTER(NULL);
	grouped = find_base_rel(request->root, ((Var *) linitial(request->args))->varno);
	expected = grouped->tuples;
	table = FindGrouped(grouped->subroot);
	if (table == NULL && IsGroupedHere(request->root, grouped))
	{
		table = grouped;
		expected = estimate_num_groups(request->root, get_sortgrouplist_exprs(request->root->parse->groupClause,
																				request->root->parse->targetList),
									   grouped->rows, NULL, NULL);
	}
	column = ColumnStatFind("_groups_counted", TextDatumGetCString(((Const *) lsecond(request->args))->constvalue));
	sample = column == NULL || table == NULL || PassIsUp() ? NULL : ColumnStatOf(column, false);
	if (sample == NULL || table->tuples <= 0 || expected <= 0)
		PG_RETURN_POINTER(NULL);
	distinct = ((Form_pg_statistic) GETSTRUCT(sample))->stadistinct;
	if (distinct < 0)
		distinct *= -table->tuples;
	request->selectivity = Min(distinct * table->rows / table->tuples / expected, 1);
	PG_RETURN_POINTER(request);
}

/* Called once when the library is loaded. */
void
ItemViewInit(void)
{
	static const ColumnStat columns[] = {
		{.relation = "item_stat",.column = "item_key",.table = "item_stat",.ids = "item",
			.query = "SELECT s.item_key FROM personalize.item_stat AS s TABLESAMPLE SYSTEM ($1) REPEATABLE (1)",
			.groups = ITEM_STAT_GROUPS("s.event")},
		{.relation = "item_stat",.column = "event",.table = "item_stat",
			.query = "SELECT s.event FROM personalize.item_stat AS s TABLESAMPLE SYSTEM ($1) REPEATABLE (1)"},
		{.relation = "_groups_counted",.column = "day",.table = "item_stat",.query = ITEM_STAT_GROUPS("0")},
		{.relation = "_groups_counted",.column = "day and event",.table = "item_stat",.query = ITEM_STAT_GROUPS("s.event")},
		{.relation = "item",.column = "item_key",.share = COLUMN_IMPLIED,.follows = "item_id"},
		{.relation = "event_type",.column = "event",.share = COLUMN_IMPLIED,.follows = "name"},
		{.relation = "_item_shown",.column = "item_id",.share = COLUMN_IMPLIED,.table = "item_stat",.ids = "item",
			.query = "SELECT personalize_internal._item_name(i.item_id, s.item_key) FROM personalize.item_stat AS s TABLESAMPLE SYSTEM ($1) REPEATABLE (1) LEFT JOIN personalize.item AS i ON i.item_key OPERATOR(pg_catalog.=) s.item_key"}
	};

	static const ViewTry views[] = {
		{.view = "item_performance",.table = "item_stat",.part = ITEM_STAT_PART,
			.tried = ",impressions,selects,views,wishlists,carts,purchases,refunds,revenue,"},
		{.view = "item_revenue",.table = "item_stat",.part = ITEM_STAT_PART,.tried = ",purchases,refunds,revenue,"},
		{.view = "item_event",.table = "item_stat",.part = ITEM_STAT_PART,.tried = ",count,"}
	};

	ColumnStatRegister(columns, lengthof(columns));
	ViewTryRegister(views, lengthof(views));
}

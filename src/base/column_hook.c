/*
 * column_hook.c
 *		What the planner is told of columns, for statements of users.
 *
 * A column that a statement asks to be one of some values is told to have as many values as
 * are asked for, for that is what is left to be grouped or joined; how often it is one of
 * them its ColumnShare says.  Other columns have the statistics of a sample.
 *
 * Columns of subqueries of our views that are grouped or computed are estimated as what they
 * show, which the server does for plain columns only.
 */
#include "postgres.h"

#include "base/column_stat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/pass.h"
#include "base/relation.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/*
 * Of so many values each has its share.  The server asks anew for each value of a list and
 * each partition, and goes through all of them then.
 */
#define MANY_ASKED 500

/* What conditions of a statement ask a column to be. */
typedef struct Asked
{
	Oid			type;
	int			count;
	const Const *value;			/* one of the type, or an array of them */
} Asked;

static get_relation_stats_hook_type previousHook = NULL;

/* Below a column of a subquery, for a query that does not group: groups are no matter. */
static bool belowUngrouped = false;

/* The value of an expression, as far as the planner knows; NULL if it does not. */
static const Const *
Known(PlannerInfo *root, Node *node)
{
	Node	   *value = IsA(node, Const) ? node : estimate_expression_value(root, node);

	return IsA(value, Const) && !((Const *) value)->constisnull ? (const Const *) value : NULL;
}

/* True for a column of a relation, whatever it is taken for. */
static bool
IsColumn(Node *node, const RelOptInfo *rel, AttrNumber column)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node != NULL && IsA(node, Var) && ((Var *) node)->varno == rel->relid &&
		((Var *) node)->varattno == column && ((Var *) node)->varlevelsup == 0;
}

/* What a condition asks of a column, if it is column = value or column = ANY (values). */
static bool
AskedBy(PlannerInfo *root, const RelOptInfo *rel, AttrNumber column, Node *clause, Asked *asked)
{
	List	   *arguments;
	bool		any = IsA(clause, ScalarArrayOpExpr);
	Oid			operator;
	TypeCacheEntry *type;
	ArrayType  *array;

	if (!any && !IsA(clause, OpExpr))
		return false;
	arguments = any ? ((ScalarArrayOpExpr *) clause)->args : ((OpExpr *) clause)->args;
	operator = any ? ((ScalarArrayOpExpr *) clause)->opno : ((OpExpr *) clause)->opno;
	if (list_length(arguments) != 2 || (any && !((ScalarArrayOpExpr *) clause)->useOr))
		return false;
	if (!any && IsColumn(lsecond(arguments), rel, column))
		arguments = list_make2(lsecond(arguments), linitial(arguments));
	if (!IsColumn(linitial(arguments), rel, column))
		return false;
	type = lookup_type_cache(exprType(linitial(arguments)), TYPECACHE_EQ_OPR);
	asked->type = type->type_id;
	asked->value = operator == type->eq_opr ? Known(root, lsecond(arguments)) : NULL;
	if (asked->value == NULL)
		return false;
	asked->count = 1;
	if (!any)
		return true;
	array = DatumGetArrayTypeP(asked->value->constvalue);
	asked->count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return asked->count > 0 && !array_contains_nulls(array);
}

/* The values. */
static Datum *
AskedValues(const Asked *asked)
{
	const TypeCacheEntry *type = lookup_type_cache(asked->type, 0);
	Oid			element = get_element_type(asked->value->consttype);
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (!OidIsValid(element) || asked->value->consttype == asked->type)
	{
		values = palloc(sizeof(Datum));
		values[0] = asked->value->constvalue;
		return values;
	}
	deconstruct_array(DatumGetArrayTypeP(asked->value->constvalue), element, type->typlen, type->typbyval, type->typalign, &values, &nulls, &count);
	return values;
}

/* What a statement asks a column to be; none: anything. */
static Asked
AskedOf(PlannerInfo *root, const RelOptInfo *rel, AttrNumber column)
{
	Asked		asked = {0};
	ListCell   *cell;

	foreach(cell, rel->baserestrictinfo)
		if (AskedBy(root, rel, column, (Node *) lfirst_node(RestrictInfo, cell)->clause, &asked))
			return asked;
	return (Asked) {0};
}

/* Statistics of which the caller has a copy. */
static void
Supply(VariableStatData *variable, HeapTuple statistics, bool readable)
{
	variable->statsTuple = heap_copytuple(statistics);
	variable->freefunc = heap_freetuple;
	variable->acl_ok = readable;
	variable->isunique = false;
}

/* How often a column is a value, by statistics that there are. */
static double
ShareOf(RelOptInfo *rel, Oid type, HeapTuple statistics, Datum value)
{
	VariableStatData sampled = {.rel = rel,.statsTuple = statistics,.vartype = type,.atttype = type,.atttypmod = -1,.acl_ok = true};

	return var_eq_const(&sampled, lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr, get_typcollation(type), value, false, true, false);
}

/* Statistics of a column that has so many values; if shares are given, these values, each in its share of rows. */
static HeapTuple
FormStatistics(Oid valueType, int count, Datum *asked, const float4 *shares)
{
	Relation	catalog = table_open(StatisticRelationId, AccessShareLock);
	TypeCacheEntry *type = lookup_type_cache(valueType, TYPECACHE_EQ_OPR);
	Datum		values[Natts_pg_statistic] = {0};
	bool		nulls[Natts_pg_statistic] = {0};
	Datum	   *numbers = palloc(sizeof(Datum) * count);
	HeapTuple	tuple;

	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
		nulls[Anum_pg_statistic_stanumbers1 - 1 + i] = nulls[Anum_pg_statistic_stavalues1 - 1 + i] = i > 0 || shares == NULL;
	values[Anum_pg_statistic_stadistinct - 1] = Float4GetDatum(count);
	if (shares != NULL)
	{
		for (int i = 0; i < count; i++)
			numbers[i] = Float4GetDatum(shares[i]);
		values[Anum_pg_statistic_stakind1 - 1] = Int16GetDatum(STATISTIC_KIND_MCV);
		values[Anum_pg_statistic_staop1 - 1] = ObjectIdGetDatum(type->eq_opr);
		values[Anum_pg_statistic_stacoll1 - 1] = ObjectIdGetDatum(type->typcollation);
		values[Anum_pg_statistic_stanumbers1 - 1] =
			PointerGetDatum(construct_array(numbers, count, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
		values[Anum_pg_statistic_stavalues1 - 1] =
			PointerGetDatum(construct_array(asked, count, valueType, type->typlen, type->typbyval, type->typalign));
	}
	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	table_close(catalog, AccessShareLock);
	return tuple;
}

/* True if the statement has a condition on the column by which another is implied, too. */
static bool
IsImplied(const RelOptInfo *rel, const RangeTblEntry *entry, const ColumnStat *column)
{
	AttrNumber	number = column->follows == NULL ? InvalidAttrNumber : get_attnum(entry->relid, column->follows);
	ListCell   *cell;

	if (column->follows == NULL)
		return true;
	foreach(cell, rel->baserestrictinfo)
	{
		Node	   *clause = (Node *) lfirst_node(RestrictInfo, cell)->clause;
		List	   *arguments = IsA(clause, OpExpr) ? ((OpExpr *) clause)->args :
			IsA(clause, ScalarArrayOpExpr) ? ((ScalarArrayOpExpr *) clause)->args : NIL;

		if (arguments != NIL && (IsColumn(linitial(arguments), rel, number) || IsColumn(llast(arguments), rel, number)))
			return true;
	}
	return false;
}

/* What was supplied last, for the server asks again for each value. */
typedef struct Supplied
{
	const ColumnStat *column;
	const HeapTupleData *sample;
	double		tuples;
	Oid			type;			/* of value */
	Datum		value;
	HeapTuple	statistics;
	double		share;			/* of rows with one of the values */
	MemoryContext context;
} Supplied;

static Supplied supplied;

/* Statistics of a column that is one of some values, each in its share of rows by a sample, or in one row. */
static HeapTuple
FormAsked(const RelOptInfo *rel, const ColumnStat *column, const Asked *asked, HeapTuple sample)
{
	double		tuples = Max(rel->tuples, 1);
	Datum	   *values;
	float4	   *shares;
	MemoryContext caller;

	if (supplied.column == column && supplied.sample == sample && supplied.tuples == tuples &&
		supplied.type == asked->value->consttype &&
		datum_image_eq(supplied.value, asked->value->constvalue, asked->value->constbyval, asked->value->constlen))
		return supplied.statistics;
	supplied.column = NULL;
	supplied.share = 0;
	if (supplied.context == NULL)
		supplied.context = AllocSetContextCreate(CacheMemoryContext, "personalize statistics of a list", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(supplied.context);
	values = AskedValues(asked);
	shares = palloc(sizeof(float4) * asked->count);
	for (int i = 0; i < asked->count; i++)
	{
		shares[i] = sample != NULL ? ShareOf(unconstify(RelOptInfo *, rel), asked->type, sample, values[i]) : 1.0 / tuples;
		supplied.share += shares[i];
	}
	caller = MemoryContextSwitchTo(supplied.context);
	supplied.statistics = FormStatistics(asked->type, asked->count, values, shares);
	supplied.value = datumCopy(asked->value->constvalue, asked->value->constbyval, asked->value->constlen);
	MemoryContextSwitchTo(caller);
	supplied.sample = sample;
	supplied.type = asked->value->consttype;
	supplied.tuples = tuples;
	supplied.column = column;
	return supplied.statistics;
}

/* Have a column have as many values as there are groups of views by it, or (share) of these; no fewer than it has. */
static void
RaiseToGroups(const RelOptInfo *rel, VariableStatData *variable, HeapTuple groups, double share)
{
	Form_pg_statistic statistics = (Form_pg_statistic) GETSTRUCT(variable->statsTuple);
	double		count = ((Form_pg_statistic) GETSTRUCT(groups))->stadistinct;

	count = Min(share, 1) * (count < 0 ? -count * rel->tuples : count);
	if (statistics->stadistinct >= 0 && statistics->stadistinct < count)
		statistics->stadistinct = count;
}

/* Statistics of a column that a statement asks to be one of some values; false if nothing is known of it. */
static bool
SupplyAsked(RelOptInfo *rel, const RangeTblEntry *entry, const ColumnStat *column, const Asked *asked, HeapTuple groups,
			VariableStatData *variable)
{
	HeapTuple	sample = column->share == COLUMN_SAMPLED ? ColumnStatOf(column, false) : NULL;

	if (column->share == COLUMN_SAMPLED && sample == NULL)
		return false;
	if (column->share == COLUMN_IMPLIED && IsImplied(rel, entry, column))
		Supply(variable, FormStatistics(asked->type, asked->count, NULL, NULL), true);
	else if (asked->count <= MANY_ASKED)
	{
		Supply(variable, FormAsked(rel, column, asked, sample), true);
		/* of a few values the server knows as well: each in every other group */
		if (groups != NULL && supplied.share > 0.5)
			RaiseToGroups(rel, variable, groups, supplied.share);
	}
	else
		Supply(variable, sample != NULL ? sample : FormStatistics(asked->type, (int) Min(Max(rel->tuples, 1), PG_INT32_MAX), NULL, NULL), true);
	return true;
}

/* Statistics of a registered column; false if nothing is known of it. */
static bool
SupplyRegistered(PlannerInfo *root, RelOptInfo *rel, const RangeTblEntry *entry, AttrNumber number,
				 const ColumnStat *column, VariableStatData *variable)
{
	Asked		asked = AskedOf(root, rel, number);
	HeapTuple	groups;
	HeapTuple	sample;

	/* groups by several columns are many more than the server believes there may be */
	groups = column->groups != NULL && root->parse->groupClause != NIL && !belowUngrouped ? ColumnStatOf(column, true) : NULL;
	/* the cost of an index asks for the order of its first column only */
	if (asked.count > 0 && OidIsValid(variable->vartype))
		return SupplyAsked(rel, entry, column, &asked, groups, variable);
	sample = column->query == NULL && column->take == NULL ? NULL : ColumnStatOf(column, false);
	if (sample == NULL)
		return false;
	Supply(variable, sample, true);
	if (groups != NULL)
		((Form_pg_statistic) GETSTRUCT(variable->statsTuple))->stadistinct = ((Form_pg_statistic) GETSTRUCT(groups))->stadistinct;
	return true;
}

/* The name of a function of ours that is called; NULL for anything else. */
static const char *
CalledName(Node *node)
{
	if (node == NULL || !IsA(node, FuncExpr) ||
		get_func_namespace(((FuncExpr *) node)->funcid) != get_namespace_oid("personalize_internal", true))
		return NULL;
	return get_func_name(((FuncExpr *) node)->funcid);
}

/* The name of a table or view of ours, of the table for a partition; NULL for others. */
const char *
ColumnRelationName(Oid relation)
{
	Oid			schema = get_namespace_oid(PERSONALIZE_SCHEMA, true);

	/* statements about others' tables come here, too */
	if (!OidIsValid(relation) || !OidIsValid(schema) || get_rel_namespace(relation) != schema)
		return NULL;
	return get_rel_name(get_rel_relispartition(relation) ? get_partition_parent(relation, true) : relation);
}

/* True if a query reads tables of ours. */
static bool
IsOurs(const Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst(cell);

		if (entry->rtekind == RTE_RELATION && entry->relkind != RELKIND_VIEW && ColumnRelationName(entry->relid) != NULL)
			return true;
		/* of one that was pulled up nothing is left */
		if (entry->rtekind == RTE_SUBQUERY && entry->subquery != NULL && IsOurs(entry->subquery))
			return true;
	}
	return false;
}

/* Statistics of what a subquery's column shows; false if nothing is known of it. */
static bool
SupplyShown(PlannerInfo *root, const RelOptInfo *rel, const TargetEntry *column, VariableStatData *variable)
{
	VariableStatData shown;
	bool		before = belowUngrouped;

	belowUngrouped = before || root->parse->groupClause == NIL;
	PG_TRY();
	{
		examine_variable(rel->subroot, (Node *) column->expr, 0, &shown);
	}
	PG_FINALLY();
	{
		belowUngrouped = before;
	}
	PG_END_TRY();
	if (HeapTupleIsValid(shown.statsTuple))
		Supply(variable, shown.statsTuple, shown.acl_ok);
	ReleaseVariableStats(shown);
	return variable->statsTuple != NULL;
}

/* A column of a subquery. */
static bool
SupplySubquery(PlannerInfo *root, RelOptInfo *rel, const RangeTblEntry *entry, AttrNumber number, VariableStatData *variable)
{
	const Query *query = rel->subroot == NULL ? NULL : rel->subroot->parse;
	const TargetEntry *target = query == NULL ? NULL : get_tle_by_resno(query->targetList, number);
	const char *view = ColumnRelationName(CompatViewOf(entry));
	const ColumnStat *column;

	if (target == NULL || target->resjunk || query->setOperations != NULL || query->groupingSets != NIL || !IsOurs(query))
		return false;
	column = ColumnStatFind(view, target->resname);
	if (column == NULL)
		column = ColumnStatFind(CalledName((Node *) target->expr), target->resname);
	if (column != NULL)
		return SupplyRegistered(root, rel, entry, number, column, variable);
	return SupplyShown(root, rel, target, variable);
}

/* The relation of an entry of the range table; NULL if there is none. */
static RelOptInfo *
RelationOf(PlannerInfo *root, const RangeTblEntry *entry)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
		if (root->simple_rte_array[i] == entry)
			return root->simple_rel_array[i];
	return NULL;
}

/* get_relation_stats_hook */
static bool
SupplyStatistics(PlannerInfo *root, RangeTblEntry *entry, AttrNumber number, VariableStatData *variable)
{
	RelOptInfo *rel;
	const ColumnStat *column = NULL;

	if (previousHook != NULL && previousHook(root, entry, number, variable))
		return true;
	if (number <= 0 || PassIsUp() || !ActiveSnapshotSet() || root->simple_rte_array == NULL)
		return false;
	rel = RelationOf(root, entry);
	if (rel == NULL)
		return false;
	if (entry->rtekind == RTE_SUBQUERY)
		return SupplySubquery(root, rel, entry, number, variable);
	if (entry->rtekind == RTE_RELATION)
		column = ColumnStatFind(ColumnRelationName(entry->relid), get_attname(entry->relid, number, true));
	else if (entry->rtekind == RTE_FUNCTION && list_length(entry->functions) == 1 && number <= list_length(entry->eref->colnames))
		column = ColumnStatFind(CalledName(linitial_node(RangeTblFunction, entry->functions)->funcexpr),
								strVal(list_nth(entry->eref->colnames, number - 1)));
	return column != NULL && SupplyRegistered(root, rel, entry, number, column, variable);
}

/* Called once when the library is loaded. */
void
ColumnHookInit(void)
{
	previousHook = get_relation_stats_hook;
	get_relation_stats_hook = SupplyStatistics;
}

/* What conditions ask a column to be; how many values that is, 0: anything. */
int
ColumnAsked(PlannerInfo *root, Node *column, Datum **values)
{
	const Var  *var = (const Var *) column;
	Asked		asked;

	if (root == NULL || root->simple_rel_array == NULL || !IsA(column, Var) || var->varlevelsup > 0 ||
		var->varno >= root->simple_rel_array_size || root->simple_rel_array[var->varno] == NULL)
		return 0;
	asked = AskedOf(root, root->simple_rel_array[var->varno], var->varattno);
	if (asked.count > 0)
		*values = AskedValues(&asked);
	return asked.count;
}

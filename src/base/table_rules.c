/*
 * table_rules.c
 *		What holds for the rows of a table that is written below SQL.
 *
 * The tables are anybody's who administers the database: there may be indexes on
 * expressions or on some of the rows, columns with defaults, generated columns and
 * constraints that the extension knows nothing of.  Rows obey them here, by the
 * executor's own means.  What the executor would have to fire (triggers, foreign
 * keys, rules) is refused: it is code of others that would run in the middle of a
 * batch.
 *
 * Every index is written that is ready for it: there are two of a key while REINDEX
 * CONCURRENTLY builds it anew.
 */
#include "postgres.h"

#include "base/table_rules.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "base/index_sort.h"
#include "base/relation.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/execnodes.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

struct TableRules
{
	Relation	relation;
	ResultRelInfo *result;		/* has the indexes */
	EState	   *estate;			/* of all expressions */
	int			columns;		/* the extension's own */
	bool		adds;			/* there are others */
	bool		checks;			/* there are constraints besides NOT NULL of ours */
	ExprState **defaults;		/* of the others; NULL: none */
	Relation	repeated;		/* index of TableRulesTakeRepeated; NULL: none */
	IndexInfo  *repeatedInfo;
	List	   *sorted;			/* IndexSort: indexes of TableRulesSort */
};

/* Complain of something that would have to be fired. */
static void
RefuseFiring(Relation relation, const char *kind, const char *name, const char *way)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s \"%s\" of table \"%s\" cannot be obeyed", kind, name,
					RelationGetRelationName(relation)),
			 errdetail("Rows of this table are written below SQL, where nothing is fired."),
			 errhint("%s.", way)));
}

/* True if a trigger is fired by this command. */
static bool
IsFiredBy(const Trigger *trigger, CmdType command)
{
	if (trigger->tgenabled == TRIGGER_DISABLED || trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA)
		return false;
	return command == CMD_INSERT ? TRIGGER_FOR_INSERT(trigger->tgtype) :
		command == CMD_UPDATE ? TRIGGER_FOR_UPDATE(trigger->tgtype) : TRIGGER_FOR_DELETE(trigger->tgtype);
}

/* Raise if something would have to be fired by this command, or a publication would stop. */
void
TableRulesCheck(Relation relation, CmdType command)
{
	const TriggerDesc *triggers = relation->trigdesc;
	const RuleLock *rules = relation->rd_rules;

	if (command != CMD_INSERT)
		CheckCmdReplicaIdentity(relation, command);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!IsFiredBy(trigger, command))
			continue;
		if (trigger->tgisinternal && OidIsValid(trigger->tgconstraint))
			RefuseFiring(relation, "constraint", get_constraint_name(trigger->tgconstraint),
						 "Drop it if it is a foreign key, make it NOT DEFERRABLE if it is not");
		RefuseFiring(relation, "trigger", trigger->tgname,
					 "Drop or disable it: read what has changed by a query or by logical decoding");
	}
	for (int i = 0; rules != NULL && i < rules->numLocks; i++)
		if (rules->rules[i]->event == command && rules->rules[i]->enabled != RULE_DISABLED)
			RefuseFiring(relation, "rule", command == CMD_INSERT ? "ON INSERT" :
						 command == CMD_UPDATE ? "ON UPDATE" : "ON DELETE", "Drop or disable it");
}

/* See what columns there are besides our own, and how they get their values. */
static void
FindAdded(TableRules *rules)
{
	TupleDesc	descriptor = RelationGetDescr(rules->relation);

	rules->defaults = palloc0_array(ExprState *, descriptor->natts);
	for (int i = rules->columns; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);
		Expr	   *expression;

		rules->adds = true;
		if (column->attisdropped || column->attgenerated)
			continue;
		expression = (Expr *) build_column_default(rules->relation, i + 1);
		if (expression != NULL)
			rules->defaults[i] = ExecPrepareExpr(expression, rules->estate);
		else if (column->attnotnull)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%s\" of table \"%s\" is NOT NULL and has no default",
							NameStr(column->attname), RelationGetRelationName(rules->relation)),
					 errhint("Give the column a default, or drop NOT NULL: the extension has no value for it.")));
	}
}

/* Find out what holds for the rows of a table. */
TableRules *
TableRulesOpen(Relation relation)
{
	TableRules *rules = palloc0(sizeof(TableRules));
	const TupleConstr *constraints = RelationGetDescr(relation)->constr;

	rules->relation = relation;
	rules->columns = RelationCheckColumns(relation);
	rules->estate = CreateExecutorState();
	rules->result = makeNode(ResultRelInfo);
	InitResultRelInfo(rules->result, relation, 0, NULL, 0);
	ExecOpenIndices(rules->result, false);
	FindAdded(rules);
	rules->checks = constraints != NULL && (constraints->num_check > 0 || rules->adds);
	return rules;
}

/* Release the indexes; their locks may go, the table's stays. */
void
TableRulesClose(TableRules *rules)
{
	Assert(rules->sorted == NIL);
	ExecCloseIndices(rules->result);
	if (rules->repeated != NULL)
	{
		CompatIndexInsertCleanup(rules->repeated, rules->repeatedInfo);
		index_close(rules->repeated, RowExclusiveLock);
	}
	FreeExecutorState(rules->estate);
	pfree(rules->defaults);
	pfree(rules->result);
	pfree(rules);
}

/* How many columns the extension gives values for. */
int
TableRulesColumns(const TableRules *rules)
{
	return rules->columns;
}

/* True if rows need TableRulesComplete. */
bool
TableRulesNeedCompletion(const TableRules *rules)
{
	return rules->adds || rules->checks;
}

/* Fill the columns that have been added. */
static void
FillAdded(TableRules *rules, TupleTableSlot *slot, TupleTableSlot *replaced)
{
	TupleDesc	descriptor = RelationGetDescr(rules->relation);
	ExprContext *context = GetPerTupleExprContext(rules->estate);
	bool		generated = false;

	for (int i = rules->columns; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);
		Datum	   *value = &slot->tts_values[i];
		bool	   *isNull = &slot->tts_isnull[i];

		*value = (Datum) 0;
		*isNull = true;
		generated |= !column->attisdropped && column->attgenerated;
		if (column->attisdropped || column->attgenerated)
			continue;
		if (replaced != NULL)
			*value = slot_getattr(replaced, i + 1, isNull);
		else if (rules->defaults[i] != NULL)
			*value = ExecEvalExprSwitchContext(rules->defaults[i], context, isNull);
	}
	ExecMaterializeSlot(slot);
	/* as for a new row: what they are made of may have changed */
	if (generated)
		ExecComputeStoredGenerated(rules->result, rules->estate, slot, CMD_INSERT);
}

/* Complete a row and check it. */
void
TableRulesComplete(TableRules *rules, TupleTableSlot *slot, TupleTableSlot *replaced)
{
	if (rules->adds)
		FillAdded(rules, slot, replaced);
	if (rules->checks)
		ExecConstraints(rules->result, slot, rules->estate);
	ResetPerTupleExprContext(rules->estate);
}

/* Point the indexes at a row. */
bool
TableRulesEnter(TableRules *rules, TupleTableSlot *slot, bool mayBeEqual,
				const CompatUpdateIndexes *update)
{
	List	   *unsure;
	ListCell   *cell;

	foreach(cell, rules->sorted)
		IndexSortAdd(lfirst(cell), slot);
	if (rules->result->ri_NumIndices == 0)
		return true;
	unsure = CompatInsertIndexTuples(rules->result, slot, rules->estate, mayBeEqual, update);
	ResetPerTupleExprContext(rules->estate);
	list_free(unsure);
	return unsure == NIL;
}

/* Take the index at a place out of those that are told of every row; that place has another then. */
static void
TakeIndex(TableRules *rules, int place)
{
	ResultRelInfo *result = rules->result;
	int			last = result->ri_NumIndices - 1;

	result->ri_IndexRelationDescs[place] = result->ri_IndexRelationDescs[last];
	result->ri_IndexRelationInfo[place] = result->ri_IndexRelationInfo[last];
	result->ri_NumIndices = last;
}

/* Gather what the indexes that can wait are told. */
void
TableRulesSort(TableRules *rules)
{
	ResultRelInfo *result = rules->result;

	for (int i = result->ri_NumIndices - 1; i >= 0; i--)
	{
		Relation	index = result->ri_IndexRelationDescs[i];
		IndexInfo  *info = result->ri_IndexRelationInfo[i];

		if (!IndexSortable(index, info))
			continue;
		rules->sorted = lappend(rules->sorted, IndexSortBegin(rules->relation, index, info));
		TakeIndex(rules, i);
	}
}

/* Tell them. */
void
TableRulesEnterSorted(TableRules *rules)
{
	ListCell   *cell;

	foreach(cell, rules->sorted)
		IndexSortEnd(lfirst(cell));
	list_free(rules->sorted);
	rules->sorted = NIL;
}

/* Take the index of a repeated value out. */
void
TableRulesTakeRepeated(TableRules *rules, AttrNumber column)
{
	ResultRelInfo *result = rules->result;

	for (int i = 0; i < result->ri_NumIndices; i++)
	{
		Relation	index = result->ri_IndexRelationDescs[i];
		IndexInfo  *info = result->ri_IndexRelationInfo[i];

		if (index->rd_rel->relam != BRIN_AM_OID || info->ii_NumIndexAttrs != 1 ||
			info->ii_IndexAttrNumbers[0] != column || info->ii_Predicate != NIL ||
			!info->ii_ReadyForInserts)
			continue;
		rules->repeated = index;
		rules->repeatedInfo = info;
		TakeIndex(rules, i);
		return;
	}
}

/* Tell that index of a row. */
void
TableRulesEnterRepeated(TableRules *rules, TupleTableSlot *slot)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	if (rules->repeated == NULL)
		return;
	FormIndexDatum(rules->repeatedInfo, slot, NULL, values, nulls);
	index_insert(rules->repeated, values, nulls, &slot->tts_tid, rules->relation,
				 UNIQUE_CHECK_NO, false, rules->repeatedInfo);
}

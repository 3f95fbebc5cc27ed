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
 *
 * To find out what holds costs as much as to write a row, and calls write one row to each
 * of a few tables.  What was found is kept until the table or an index of it changes, for
 * tables where that is simple: nobody has added a column or constraint, and what the
 * indexes are made of are columns and, where they hold some rows, functions of the server.
 */
#include "postgres.h"

#include "base/table_rules.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/index_sort.h"
#include "base/relation.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct KeptRules KeptRules;

struct TableRules
{
	MemoryContext context;		/* of all this */
	KeptRules  *kept;			/* it is kept there; NULL: it is not */
	Relation	relation;
	TupleDesc	descriptor;		/* a copy of the table's, with NOT NULL */
	RowForm    *form;
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

/* What was found out of a table. */
struct KeptRules
{
	Oid			table;
	bool		holds;			/* nothing has changed since */
	bool		inUse;			/* in this transaction */
	TableRules *rules;			/* NULL: none */
	int			indexCount;
	Oid		   *indexes;
	IndexInfo **infos;
};

/* By the table's OID. */
#define KEPT_TABLES 64
static KeptRules keptRules[KEPT_TABLES];

/* How often anything has changed. */
static uint64 changeCount = 0;

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
static TableRules *
MakeRules(Relation relation)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize table rules", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	TableRules *rules = palloc0(sizeof(TableRules));
	const TupleConstr *constraints = RelationGetDescr(relation)->constr;

	rules->context = context;
	rules->relation = relation;
	rules->descriptor = CreateTupleDescCopyConstr(RelationGetDescr(relation));
	rules->form = RowFormMake(rules->descriptor);
	rules->columns = RelationCheckColumns(relation);
	rules->estate = CreateExecutorState();
	rules->result = makeNode(ResultRelInfo);
	InitResultRelInfo(rules->result, relation, 0, NULL, 0);
	ExecOpenIndices(rules->result, false);
	FindAdded(rules);
	rules->checks = constraints != NULL && (constraints->num_check > 0 || rules->adds);
	MemoryContextSwitchTo(caller);
	return rules;
}

/* Release everything but the indexes. */
static void
FreeRules(TableRules *rules)
{
	FreeExecutorState(rules->estate);
	MemoryContextDelete(rules->context);
}

/* True of a function that is not the server's. */
static bool
IsAdded(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/* True if an expression calls such a function. */
static bool
CallsAdded(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, IsAdded, context) || expression_tree_walker(node, CallsAdded, context);
}

/* True if an index is made of columns only, in a way that keeps nothing from one row to the next. */
static bool
IsSimple(Relation index, const IndexInfo *info)
{
	Oid			method = index->rd_rel->relam;

	return (method == BTREE_AM_OID || method == BRIN_AM_OID) && info->ii_Expressions == NIL &&
		info->ii_ExclusionOps == NULL && !CallsAdded((Node *) info->ii_Predicate, NULL);
}

/* True if what was found out can be kept. */
static bool
CanBeKept(const TableRules *rules)
{
	const ResultRelInfo *result = rules->result;

	for (int i = 0; i < result->ri_NumIndices; i++)
		if (!IsSimple(result->ri_IndexRelationDescs[i], result->ri_IndexRelationInfo[i]))
			return false;
	return !rules->adds && !rules->checks;
}

/* Relation cache callback: a relation (InvalidOid: any) may have changed. */
static void
ForgetKept(Datum argument, Oid relationId)
{
	changeCount++;
	for (int i = 0; i < KEPT_TABLES; i++)
	{
		KeptRules  *kept = &keptRules[i];

		if (!OidIsValid(relationId) || kept->table == relationId)
			kept->holds = false;
		for (int j = 0; j < kept->indexCount && kept->holds; j++)
			kept->holds = kept->indexes[j] != relationId;
	}
}

/* The transaction ends: nothing is in use, though it may not have been closed. */
static void
LetGo(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;
	for (int i = 0; i < KEPT_TABLES; i++)
		keptRules[i].inUse = false;
}

/* Keep what was found out, in use. */
static void
Keep(KeptRules *kept, TableRules *rules)
{
	ResultRelInfo *result = rules->result;
	int			count = result->ri_NumIndices;

	if (kept->rules != NULL)
		FreeRules(kept->rules);
	MemoryContextSetParent(rules->context, CacheMemoryContext);
	rules->kept = kept;
	*kept = (KeptRules)
	{
		.table = RelationGetRelid(rules->relation),
		.holds = true,
		.inUse = true,
		.rules = rules,
		.indexCount = count,
		.indexes = MemoryContextAlloc(rules->context, sizeof(Oid) * Max(count, 1)),
		.infos = MemoryContextAlloc(rules->context, sizeof(IndexInfo *) * Max(count, 1))
	};
	for (int i = 0; i < count; i++)
	{
		kept->indexes[i] = RelationGetRelid(result->ri_IndexRelationDescs[i]);
		kept->infos[i] = result->ri_IndexRelationInfo[i];
	}
}

/* Open the indexes of what is kept; false: something has changed. */
static bool
OpenKept(KeptRules *kept, Relation relation)
{
	TableRules *rules = kept->rules;
	ResultRelInfo *result = rules->result;

	rules->relation = result->ri_RelationDesc = relation;
	rules->repeated = NULL;
	rules->sorted = NIL;
	result->ri_NumIndices = kept->indexCount;
	for (int i = 0; i < kept->indexCount; i++)
	{
		result->ri_IndexRelationDescs[i] = index_open(kept->indexes[i], RowExclusiveLock);
		result->ri_IndexRelationInfo[i] = kept->infos[i];
		/* of a transaction that has failed */
		kept->infos[i]->ii_AmCache = NULL;
	}
	if (!kept->holds)
		ExecCloseIndices(result);
	kept->inUse = kept->holds;
	return kept->holds;
}

/* What holds for the rows of a table. */
TableRules *
TableRulesOpen(Relation relation)
{
	static bool watching = false;
	KeptRules  *kept = &keptRules[RelationGetRelid(relation) % KEPT_TABLES];
	uint64		changesBefore = changeCount;
	TableRules *rules;

	if (!watching)
	{
		RelationWatch(ForgetKept);
		RegisterXactCallback(LetGo, NULL);
		watching = true;
	}
	if (kept->rules != NULL && kept->holds && !kept->inUse && kept->table == RelationGetRelid(relation) &&
		OpenKept(kept, relation))
		return kept->rules;
	rules = MakeRules(relation);
	if (!kept->inUse && changeCount == changesBefore && CanBeKept(rules))
		Keep(kept, rules);
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
	if (rules->kept != NULL)
		rules->kept->inUse = false;
	else
		FreeRules(rules);
}

/* The columns of the table. */
TupleDesc
TableRulesDescriptor(const TableRules *rules)
{
	return rules->descriptor;
}

/* How rows are formed of them. */
const RowForm *
TableRulesForm(const TableRules *rules)
{
	return rules->form;
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
		generated |= !column->attisdropped && column->attgenerated == ATTRIBUTE_GENERATED_STORED;
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

/* True if an index tells apart the rows of the table by columns alone, as what refers to rows may use it. */
static bool
IsKey(const IndexInfo *info)
{
	return info->ii_Unique && info->ii_Expressions == NIL && info->ii_Predicate == NIL &&
		info->ii_ExclusionOps == NULL && info->ii_ReadyForInserts;
}

/* Move the indexes that are keys behind the others; how many others there are. */
static int
MoveKeysBehind(ResultRelInfo *result)
{
	int			others = 0;

	for (int i = 0; i < result->ri_NumIndices; i++)
	{
		Relation	index = result->ri_IndexRelationDescs[i];
		IndexInfo  *info = result->ri_IndexRelationInfo[i];

		if (IsKey(info))
			continue;
		result->ri_IndexRelationDescs[i] = result->ri_IndexRelationDescs[others];
		result->ri_IndexRelationInfo[i] = result->ri_IndexRelationInfo[others];
		result->ri_IndexRelationDescs[others] = index;
		result->ri_IndexRelationInfo[others++] = info;
	}
	return others;
}

/* Point an index of columns at a row; unchanged: it has the keys of the one it replaces. */
static void
EnterOne(const TableRules *rules, Relation index, IndexInfo *info, TupleTableSlot *slot, bool unchanged)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	FormIndexDatum(info, slot, NULL, values, nulls);
	index_insert(index, values, nulls, &slot->tts_tid, rules->relation, UNIQUE_CHECK_NO, unchanged, info);
}

/* Point the indexes at a row that has the keys of the one it replaces. */
void
TableRulesEnterVersion(TableRules *rules, TupleTableSlot *slot, const CompatUpdateIndexes *update)
{
	ResultRelInfo *result = rules->result;
	int			all = result->ri_NumIndices;
	int			others = MoveKeysBehind(result);

	result->ri_NumIndices = others;
	(void) TableRulesEnter(rules, slot, false, update);
	result->ri_NumIndices = all;
	for (int i = others; i < all && CompatUpdatesKeys(*update); i++)
		EnterOne(rules, result->ri_IndexRelationDescs[i], result->ri_IndexRelationInfo[i], slot, true);
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
	if (rules->repeated != NULL)
		EnterOne(rules, rules->repeated, rules->repeatedInfo, slot, false);
}

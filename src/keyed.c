/*
 * keyed.c
 *		Packed rows read and written by key, straight through the table AM.
 *
 * The processors keep one packed row per key.  Going through SPI costs two to
 * three times as much as the work itself, so they look rows up in the primary
 * key and write by TID.  What that leaves out: triggers, constraints other than
 * the key and row policies (the caller applies consent).  Every index is written:
 * there are two of the key while REINDEX CONCURRENTLY builds it anew.
 *
 * Callers exclude each other by locks of their own, so a row that somebody else
 * has changed meanwhile is an error, not something to wait for and re-check.
 */
#include "postgres.h"

#include "keyed.h"

#include "access/relation.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "relation.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Another index, as there is one while the primary key's is built anew beside its users. */
typedef struct KeyedIndex
{
	Relation	relation;
	IndexInfo  *info;
	EState	   *estate;			/* of its expressions and its predicate; NULL: it has none */
	ExprState  *predicate;		/* NULL: of all rows */
} KeyedIndex;

struct KeyedTable
{
	MemoryContext context;		/* the scan's: it keeps pointers into it */
	Relation	heap;
	Relation	index;
	IndexInfo  *indexInfo;		/* NULL: nothing has been written */
	List	   *others;			/* of KeyedIndex; only for writing */
	IndexScanDesc scan;
	Snapshot	scanSnapshot;
	int			scanKeyCount;
	TupleTableSlot *readSlot;
	TupleTableSlot *writeSlot;	/* NULL: nothing has been written */
	TupleTableSlot *lockSlot;	/* NULL: no row has been locked */
};

/* Open the other indexes that rows have to be put into. */
static void
OpenOthers(KeyedTable *table)
{
	List	   *indexIds = RelationGetIndexList(table->heap);
	ListCell   *cell;

	foreach(cell, indexIds)
	{
		KeyedIndex *other;
		IndexInfo  *info;
		Relation	relation;

		if (lfirst_oid(cell) == RelationGetRelid(table->index))
			continue;
		relation = index_open(lfirst_oid(cell), RowExclusiveLock);
		info = BuildIndexInfo(relation);
		if (!info->ii_ReadyForInserts)
		{
			index_close(relation, NoLock);
			continue;
		}
		other = palloc0(sizeof(KeyedIndex));
		other->relation = relation;
		other->info = info;
		if (info->ii_Expressions != NIL || info->ii_Predicate != NIL)
			other->estate = CreateExecutorState();
		/* the relation cache gives it as the planner leaves it */
		other->predicate = ExecInitQual(info->ii_Predicate, NULL);
		table->others = lappend(table->others, other);
	}
	list_free(indexIds);
}

/* Open a table of the extension and its primary key. */
KeyedTable *
KeyedOpen(const char *table, const char *index, LOCKMODE lockMode)
{
	KeyedTable *keyed = palloc0(sizeof(KeyedTable));

	keyed->context = CurrentMemoryContext;
	keyed->heap = RelationOpenTable(table, lockMode);
	keyed->index = RelationOpenTable(index, lockMode);
	keyed->readSlot = table_slot_create(keyed->heap, NULL);
	return keyed;
}

/* End the scan, if there is one. */
static void
EndScan(KeyedTable *table)
{
	ExecClearTuple(table->readSlot);
	if (table->scan != NULL)
		index_endscan(table->scan);
	table->scan = NULL;
}

/* Close the table; its locks are kept until the transaction ends. */
void
KeyedClose(KeyedTable *table)
{
	ListCell   *cell;

	EndScan(table);
	ExecDropSingleTupleTableSlot(table->readSlot);
	if (table->writeSlot != NULL)
		ExecDropSingleTupleTableSlot(table->writeSlot);
	if (table->lockSlot != NULL)
		ExecDropSingleTupleTableSlot(table->lockSlot);
	foreach(cell, table->others)
	{
		KeyedIndex *other = lfirst(cell);

		CompatIndexInsertCleanup(other->relation, other->info);
		if (other->estate != NULL)
			FreeExecutorState(other->estate);
		index_close(other->relation, NoLock);
	}
	list_free_deep(table->others);
	relation_close(table->index, NoLock);
	relation_close(table->heap, NoLock);
	pfree(table);
}

/* The table's row type. */
TupleDesc
KeyedDescriptor(const KeyedTable *table)
{
	return RelationGetDescr(table->heap);
}

/* The function that compares a key column of this type in this way. */
static RegProcedure
ComparisonFunction(Oid type, StrategyNumber strategy)
{
	static const RegProcedure int8Functions[] = {F_INT8LT, F_INT8LE, F_INT8EQ, F_INT8GE, F_INT8GT};
	static const RegProcedure int4Functions[] = {F_INT4LT, F_INT4LE, F_INT4EQ, F_INT4GE, F_INT4GT};
	static const RegProcedure int2Functions[] = {F_INT2LT, F_INT2LE, F_INT2EQ, F_INT2GE, F_INT2GT};
	static const RegProcedure boolFunctions[] = {F_BOOLLT, F_BOOLLE, F_BOOLEQ, F_BOOLGE, F_BOOLGT};

	switch (type)
	{
		case INT8OID:
		case TIMESTAMPTZOID:	/* the same number */
			return int8Functions[strategy - 1];
		case INT4OID:
			return int4Functions[strategy - 1];
		case INT2OID:
			return int2Functions[strategy - 1];
		case BOOLOID:
			return boolFunctions[strategy - 1];
	}
	elog(ERROR, "key columns of type %u are not supported", type);
}

/* Start looking for rows by the first columns of the key. */
void
KeyedSeek(KeyedTable *table, Snapshot snapshot, int keyCount,
		  const Datum *keys, StrategyNumber strategy)
{
	ScanKeyData scanKeys[KEYED_MAX_KEYS];
	TupleDesc	indexDescriptor = RelationGetDescr(table->index);
	MemoryContext caller = MemoryContextSwitchTo(table->context);

	Assert(keyCount >= 0 && keyCount <= KEYED_MAX_KEYS);
	for (int i = 0; i < keyCount; i++)
	{
		StrategyNumber columnStrategy = (i == keyCount - 1) ? strategy : BTEqualStrategyNumber;
		Oid			type = TupleDescAttr(indexDescriptor, i)->atttypid;

		ScanKeyInit(&scanKeys[i], i + 1, columnStrategy,
					ComparisonFunction(type, columnStrategy), keys[i]);
	}

	ExecClearTuple(table->readSlot);
	if (table->scan == NULL || table->scanSnapshot != snapshot ||
		table->scanKeyCount != keyCount)
	{
		EndScan(table);
		table->scan = index_beginscan(table->heap, table->index, snapshot, NULL, keyCount, 0);
		table->scanSnapshot = snapshot;
		table->scanKeyCount = keyCount;
	}
	index_rescan(table->scan, scanKeys, keyCount, NULL, 0);
	MemoryContextSwitchTo(caller);
}

/* The next row of the search. */
TupleTableSlot *
KeyedNext(KeyedTable *table, ScanDirection direction)
{
	MemoryContext caller = MemoryContextSwitchTo(table->context);
	bool		found = index_getnext_slot(table->scan, direction, table->readSlot);

	MemoryContextSwitchTo(caller);
	return found ? table->readSlot : NULL;
}

/* Put a row into the slot for writing. */
static void
FillWriteSlot(KeyedTable *table, const Datum *values, const bool *nulls)
{
	TupleDesc	descriptor = RelationGetDescr(table->heap);
	int			columnCount = descriptor->natts;
	TupleTableSlot *slot;

	if (table->writeSlot == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(table->context);

		table->writeSlot = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
		MemoryContextSwitchTo(caller);
	}
	slot = table->writeSlot;
	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, columnCount * sizeof(Datum));
	if (nulls != NULL)
		memcpy(slot->tts_isnull, nulls, columnCount * sizeof(bool));
	else
		memset(slot->tts_isnull, false, columnCount * sizeof(bool));
	ExecStoreVirtualTuple(slot);
}

/* Open the indexes for the first row that is written. */
static void
OpenIndexes(KeyedTable *table)
{
	MemoryContext caller = MemoryContextSwitchTo(table->context);

	table->indexInfo = BuildIndexInfo(table->index);
	OpenOthers(table);
	MemoryContextSwitchTo(caller);
}

/* Point an index at the row version just written; false if it is unique and another row may be equal. */
static bool
InsertIndexEntry(KeyedTable *table, Relation index, IndexInfo *info, EState *estate,
				 IndexUniqueCheck unique, bool unchanged)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	FormIndexDatum(info, table->writeSlot, estate, values, nulls);
	if (!index->rd_index->indisunique)
		unique = UNIQUE_CHECK_NO;
	return index_insert(index, values, nulls, &table->writeSlot->tts_tid, table->heap,
						unique, unchanged, info) || unique == UNIQUE_CHECK_NO;
}

/* The same for another index than the primary key's, if the row belongs into it. */
static bool
InsertOtherEntry(KeyedTable *table, KeyedIndex *other, IndexUniqueCheck unique, bool unchanged)
{
	ExprContext *context;
	bool		fits = true;

	if (other->estate == NULL)
		return InsertIndexEntry(table, other->relation, other->info, NULL, unique, unchanged);
	context = GetPerTupleExprContext(other->estate);
	context->ecxt_scantuple = table->writeSlot;
	if (other->predicate == NULL || ExecQual(other->predicate, context))
		fits = InsertIndexEntry(table, other->relation, other->info, other->estate, unique, unchanged);
	ResetPerTupleExprContext(other->estate);
	return fits;
}

/* Point the indexes at the row version just written; false: another row may be equal. */
static bool
InsertIndexEntries(KeyedTable *table, IndexUniqueCheck unique, bool unchanged)
{
	ListCell   *cell;
	bool		fits;

	if (table->indexInfo == NULL)
		OpenIndexes(table);
	fits = InsertIndexEntry(table, table->index, table->indexInfo, NULL, unique, unchanged);
	foreach(cell, table->others)
		fits &= InsertOtherEntry(table, lfirst(cell), unique, unchanged);
	return fits;
}

/* Insert a row; a duplicate key is an error. */
void
KeyedInsert(KeyedTable *table, const Datum *values, const bool *nulls)
{
	FillWriteSlot(table, values, nulls);
	table_tuple_insert(table->heap, table->writeSlot, GetCurrentCommandId(true), 0, NULL);
	InsertIndexEntries(table, UNIQUE_CHECK_YES, false);
}

/*
 * Insert a row unless there is one of the key, or may be.  It is inserted
 * speculatively, as by ON CONFLICT: logical decoding never sees one that is not kept.
 */
bool
KeyedTryInsert(KeyedTable *table, const Datum *values, const bool *nulls)
{
	TransactionId xid = GetCurrentTransactionId();
	uint32		token = SpeculativeInsertionLockAcquire(xid);
	bool		fits;

	FillWriteSlot(table, values, nulls);
	table_tuple_insert_speculative(table->heap, table->writeSlot, GetCurrentCommandId(true), 0,
								   NULL, token);
	fits = InsertIndexEntries(table, UNIQUE_CHECK_PARTIAL, false);
	table_tuple_complete_speculative(table->heap, table->writeSlot, token, fits);
	SpeculativeInsertionLockRelease(xid);
	return fits;
}

/* Complain unless the row could be changed. */
static void
CheckChanged(KeyedTable *table, TM_Result result)
{
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("row of \"%s\" was changed by another transaction",
						RelationGetRelationName(table->heap))));
}

/* Replace a row. */
void
KeyedUpdate(KeyedTable *table, ItemPointer tid, const Datum *values, const bool *nulls)
{
	ItemPointerData oldTid = *tid;
	TM_FailureData failure;
	LockTupleMode lockMode;
	CompatUpdateIndexes updateIndexes;

	CheckCmdReplicaIdentity(table->heap, CMD_UPDATE);
	FillWriteSlot(table, values, nulls);
	CheckChanged(table,
				 table_tuple_update(table->heap, &oldTid, table->writeSlot,
									GetCurrentCommandId(true), GetActiveSnapshot(),
									InvalidSnapshot, true, &failure, &lockMode,
									&updateIndexes));
	if (CompatUpdatesIndexes(updateIndexes))
		InsertIndexEntries(table, UNIQUE_CHECK_YES, true);
}

/* Delete a row. */
void
KeyedDelete(KeyedTable *table, ItemPointer tid)
{
	ItemPointerData oldTid = *tid;
	TM_FailureData failure;

	CheckCmdReplicaIdentity(table->heap, CMD_DELETE);
	CheckChanged(table,
				 table_tuple_delete(table->heap, &oldTid, GetCurrentCommandId(true),
									GetActiveSnapshot(), InvalidSnapshot, true,
									&failure, false));
}

/* Lock a row against changes and give its latest version. */
TupleTableSlot *
KeyedLockRow(KeyedTable *table, TupleTableSlot *row)
{
	ItemPointerData tid = row->tts_tid;
	TM_FailureData failure;
	TM_Result	result;

	if (table->lockSlot == NULL)
		table->lockSlot = table_slot_create(table->heap, NULL);
	result = table_tuple_lock(table->heap, &tid, table->scanSnapshot, table->lockSlot,
							  GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitBlock,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_Deleted)
		return NULL;
	CheckChanged(table, result);
	if (failure.traversed && IsolationUsesXactSnapshot())
		CheckChanged(table, TM_Updated);
	return table->lockSlot;
}

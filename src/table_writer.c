/*
 * table_writer.c
 *		Appending many rows to a table and its indexes, below SQL.
 *
 * Rows are formed at once and handed to heap_multi_insert in chunks.  The slots
 * have a private copy of the row type: a pinned one is entered in the resource
 * owner once per slot, and forgetting it there is quadratic.
 *
 * A BRIN index summarises ranges of blocks.  If the column it covers is the
 * same in all rows of a call, as the transaction id is, one entry a block says
 * everything the others would.
 *
 * Row security, triggers and privileges are the caller's business: none of them
 * is looked at here.
 */
#include "postgres.h"

#include "table_writer.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "compat.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

/* Rows per call of heap_multi_insert. */
#define CHUNK_ROWS 256

/* An index of the table. */
typedef struct WriterIndex
{
	Relation	relation;
	IndexInfo  *info;
	bool		oncePerBlock;	/* a BRIN index over the constant column */
	EState	   *predicateState;	/* NULL: not a partial index */
} WriterIndex;

struct TableWriter
{
	Relation	relation;
	TupleDesc	descriptor;
	int			indexCount;
	WriterIndex *indexes;
	int64		written;		/* rows */
	List	   *conflicts;
	int			slotCount;
	int			rowCount;
	TupleTableSlot *slots[CHUNK_ROWS];
};

/* Open the indexes of the table. */
static void
OpenIndexes(TableWriter *writer, int constantColumn)
{
	List	   *indexIds = RelationGetIndexList(writer->relation);
	ListCell   *cell;

	writer->indexes = palloc(sizeof(WriterIndex) * Max(list_length(indexIds), 1));
	foreach(cell, indexIds)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo  *info;

		info = BuildIndexInfo(index);
		if (!info->ii_ReadyForInserts)
		{
			index_close(index, RowExclusiveLock);
			continue;
		}
		writer->indexes[writer->indexCount++] = (WriterIndex)
		{
			.relation = index,
			.info = info,
			.oncePerBlock = index->rd_rel->relam == BRIN_AM_OID &&
			info->ii_NumIndexAttrs == 1 &&
			info->ii_IndexAttrNumbers[0] == constantColumn,
			.predicateState = info->ii_Predicate == NIL ? NULL : CreateExecutorState()
		};
	}
	list_free(indexIds);
}

/* Begin writing, where all rows of this writer have one value in one column. */
TableWriter *
TableWriterBeginConstant(Relation relation, int constantColumn)
{
	TableWriter *writer = palloc0(sizeof(TableWriter));

	writer->relation = relation;
	writer->descriptor = CreateTupleDescCopy(RelationGetDescr(relation));
	OpenIndexes(writer, constantColumn);
	return writer;
}

/* Begin writing. */
TableWriter *
TableWriterBegin(Relation relation)
{
	return TableWriterBeginConstant(relation, InvalidAttrNumber);
}

/* Remember a row that may conflict. */
static void
AddConflict(TableWriter *writer, int64 row, ItemPointer tid)
{
	WriterConflict *conflict = palloc(sizeof(WriterConflict));

	conflict->row = row;
	conflict->tid = *tid;
	writer->conflicts = lappend(writer->conflicts, conflict);
}

/* True if a row belongs into the index. */
static bool
BelongsIntoIndex(WriterIndex *index, TupleTableSlot *slot)
{
	ExprContext *context;

	if (index->predicateState == NULL)
		return true;
	context = GetPerTupleExprContext(index->predicateState);
	context->ecxt_scantuple = slot;
	if (index->info->ii_PredicateState == NULL)
		index->info->ii_PredicateState = ExecPrepareQual(index->info->ii_Predicate,
														 index->predicateState);
	return ExecQual(index->info->ii_PredicateState, context);
}

/* Enter the rows just written into one index. */
static void
InsertIntoIndex(TableWriter *writer, WriterIndex *index)
{
	bool		unique = index->relation->rd_index->indisunique;
	BlockNumber lastBlock = InvalidBlockNumber;
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < writer->rowCount; i++)
	{
		TupleTableSlot *slot = writer->slots[i];
		BlockNumber block = ItemPointerGetBlockNumber(&slot->tts_tid);

		if (index->oncePerBlock && block == lastBlock)
			continue;
		lastBlock = block;
		if (!BelongsIntoIndex(index, slot))
			continue;
		FormIndexDatum(index->info, slot, NULL, values, nulls);
		if (!index_insert(index->relation, values, nulls, &slot->tts_tid, writer->relation,
						  unique ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_NO, false, index->info) &&
			unique)
			AddConflict(writer, writer->written + i, &slot->tts_tid);
	}
}

/* Write the gathered rows. */
static void
FlushRows(TableWriter *writer)
{
	if (writer->rowCount == 0)
		return;
	if (writer->rowCount == 1)
		heap_insert(writer->relation,
					ExecFetchSlotHeapTuple(writer->slots[0], false, NULL),
					GetCurrentCommandId(true), 0, NULL);
	else
		heap_multi_insert(writer->relation, writer->slots, writer->rowCount,
						  GetCurrentCommandId(true), 0, NULL);
	if (writer->rowCount == 1)
		writer->slots[0]->tts_tid =
			ExecFetchSlotHeapTuple(writer->slots[0], false, NULL)->t_self;

	for (int i = 0; i < writer->indexCount; i++)
		InsertIntoIndex(writer, &writer->indexes[i]);
	for (int i = 0; i < writer->rowCount; i++)
		ExecClearTuple(writer->slots[i]);
	writer->written += writer->rowCount;
	writer->rowCount = 0;
}

/* Add a row; what values point to must live until it is written. */
void
TableWriterAdd(TableWriter *writer, const Datum *values, const bool *nulls)
{
	HeapTuple	tuple;

	if (writer->rowCount == CHUNK_ROWS)
		FlushRows(writer);
	if (writer->rowCount == writer->slotCount)
		writer->slots[writer->slotCount++] =
			MakeSingleTupleTableSlot(writer->descriptor, &TTSOpsHeapTuple);

	tuple = heap_form_tuple(writer->descriptor, (Datum *) values, (bool *) nulls);
	tuple->t_tableOid = RelationGetRelid(writer->relation);
	ExecStoreHeapTuple(tuple, writer->slots[writer->rowCount++], true);
}

/* Write what has been added and give the rows that may conflict so far. */
const List *
TableWriterConflicts(TableWriter *writer)
{
	FlushRows(writer);
	return writer->conflicts;
}

/* Write what is left and release everything but the table. */
void
TableWriterEnd(TableWriter *writer)
{
	FlushRows(writer);
	for (int i = 0; i < writer->slotCount; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	for (int i = 0; i < writer->indexCount; i++)
	{
		CompatIndexInsertCleanup(writer->indexes[i].relation, writer->indexes[i].info);
		if (writer->indexes[i].predicateState != NULL)
			FreeExecutorState(writer->indexes[i].predicateState);
		index_close(writer->indexes[i].relation, NoLock);
	}
	list_free_deep(writer->conflicts);
	pfree(writer->indexes);
	pfree(writer->descriptor);
	pfree(writer);
}

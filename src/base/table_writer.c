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
 * Row security and privileges are the caller's business: neither is looked at
 * here.  What somebody has added to the table is obeyed (table_rules.c).
 */
#include "postgres.h"

#include "base/table_writer.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/relation.h"
#include "base/row_form.h"
#include "base/table_rules.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

/* Rows per call of heap_multi_insert. */
#define CHUNK_ROWS 64

struct TableWriter
{
	Relation	relation;
	TupleDesc	descriptor;
	const RowForm *form;
	TableRules *rules;
	int64		written;		/* rows */
	WriterTell	tell;			/* where rows were written; NULL: nobody asks */
	void	   *tellArg;
	bool		unsure;			/* what breaks a unique index is a conflict, not an error */
	List	   *conflicts;
	int			slotCount;
	int			rowCount;
	TupleTableSlot *slots[CHUNK_ROWS];
};

/* Begin writing, where all rows of this writer have one value in one column. */
TableWriter *
TableWriterBeginConstant(Relation relation, AttrNumber constantColumn)
{
	TableWriter *writer = palloc0(sizeof(TableWriter));

	writer->relation = relation;
	TableRulesCheck(relation, CMD_INSERT);
	writer->rules = TableRulesOpen(relation);
	writer->descriptor = TableRulesDescriptor(writer->rules);
	writer->form = TableRulesForm(writer->rules);
	if (constantColumn != InvalidAttrNumber)
		TableRulesTakeRepeated(writer->rules, constantColumn);
	return writer;
}

/* Begin writing. */
TableWriter *
TableWriterBegin(Relation relation)
{
	return TableWriterBeginConstant(relation, InvalidAttrNumber);
}

/* Have somebody told where rows were written. */
void
TableWriterTell(TableWriter *writer, WriterTell tell, void *arg)
{
	writer->tell = tell;
	writer->tellArg = arg;
}

/* Begin writing rows that may break a unique index. */
TableWriter *
TableWriterBeginUnsure(Relation relation)
{
	TableWriter *writer = TableWriterBegin(relation);

	writer->unsure = true;
	return writer;
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

/* Enter the rows just written into the indexes. */
static void
EnterRows(TableWriter *writer)
{
	BlockNumber lastBlock = InvalidBlockNumber;

	for (int i = 0; i < writer->rowCount; i++)
	{
		TupleTableSlot *slot = writer->slots[i];
		BlockNumber block = ItemPointerGetBlockNumber(&slot->tts_tid);

		if (!TableRulesEnter(writer->rules, slot, writer->unsure, NULL))
			AddConflict(writer, writer->written + i, &slot->tts_tid);
		if (block != lastBlock)
			TableRulesEnterRepeated(writer->rules, slot);
		lastBlock = block;
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

	EnterRows(writer);
	if (writer->tell != NULL)
		writer->tell(writer->tellArg, writer->written, writer->slots, writer->rowCount);
	for (int i = 0; i < writer->rowCount; i++)
		ExecClearTuple(writer->slots[i]);
	writer->written += writer->rowCount;
	writer->rowCount = 0;
}

/* Form a row, with the columns that have been added, in the slot. */
static void
CompleteRow(TableWriter *writer, TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	int			columns = TableRulesColumns(writer->rules);

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, columns * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, columns * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	TableRulesComplete(writer->rules, slot, NULL);
}

/* Add a row; what values point to must live until it is written. */
void
TableWriterAdd(TableWriter *writer, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot;

	if (writer->rowCount == CHUNK_ROWS)
		FlushRows(writer);
	if (writer->rowCount == writer->slotCount)
		writer->slots[writer->slotCount++] =
			MakeSingleTupleTableSlot(writer->descriptor, &TTSOpsHeapTuple);

	slot = writer->slots[writer->rowCount++];
	if (TableRulesNeedCompletion(writer->rules))
		CompleteRow(writer, slot, values, nulls);
	else
		ExecStoreHeapTuple(RowFormTuple(writer->form, values, nulls), slot, true);
	slot->tts_tableOid = RelationGetRelid(writer->relation);
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
	TableRulesEnterSorted(writer->rules);
	for (int i = 0; i < writer->slotCount; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	TableRulesClose(writer->rules);
	list_free_deep(writer->conflicts);
	pfree(writer);
}

/* Add a row, to a table that is opened with the first. */
void
LazyWriterAdd(LazyWriter *lazy, const Datum *values, const bool *nulls)
{
	if (lazy->writer == NULL)
	{
		lazy->relation = RelationOpenTable(lazy->table, RowExclusiveLock);
		lazy->writer = TableWriterBegin(lazy->relation);
		if (lazy->sorted)
			TableRulesSort(lazy->writer->rules);
	}
	TableWriterAdd(lazy->writer, values, nulls);
}

/* Write what is left. */
void
LazyWriterEnd(LazyWriter *lazy)
{
	if (lazy->writer == NULL)
		return;
	TableWriterEnd(lazy->writer);
	table_close(lazy->relation, NoLock);
}

/*
 * table_writer.h
 *		Appending many rows to a table and its indexes, below SQL.
 */
#ifndef PERSONALIZE_TABLE_WRITER_H
#define PERSONALIZE_TABLE_WRITER_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

typedef struct TableWriter TableWriter;

/* Write to a table opened with RowExclusiveLock; a row that breaks a unique index is an error. */
extern TableWriter *TableWriterBegin(Relation relation);

/* The same, where all rows of this writer have one value in one column. */
extern TableWriter *TableWriterBeginConstant(Relation relation, AttrNumber constantColumn);

/* The same, where rows may break a unique index: ask for conflicts before the end. */
extern TableWriter *TableWriterBeginUnsure(Relation relation);

/*
 * Have somebody told of rows that have been written: the first one's number as counted by
 * TableWriterAdd, from 0, and slots that know where they are (tts_tid).
 */
typedef void (*WriterTell) (void *arg, int64 first, TupleTableSlot *const *slots, int count);
extern void TableWriterTell(TableWriter *writer, WriterTell tell, void *arg);

/* Add a row; what values point to must live until TableWriterEnd. */
extern void TableWriterAdd(TableWriter *writer, const Datum *values, const bool *nulls);

/* A row that may break a unique index: some other row, perhaps not committed, is equal. */
typedef struct WriterConflict
{
	int64		row;			/* as counted by TableWriterAdd, from 0 */
	ItemPointerData tid;
} WriterConflict;

/* Write what has been added and give the rows (WriterConflict) that may conflict so far. */
extern const List *TableWriterConflicts(TableWriter *writer);

/* Write what is left and release everything but the table. */
extern void TableWriterEnd(TableWriter *writer);

/*
 * A table that is opened when its first row comes; set table, and sorted to have indexes that
 * forbid nothing told of the rows at the end, in the order of their keys: for many rows in the
 * order of another index.
 */
typedef struct LazyWriter
{
	const char *table;
	bool		sorted;
	Relation	relation;
	TableWriter *writer;
} LazyWriter;

extern void LazyWriterAdd(LazyWriter *lazy, const Datum *values, const bool *nulls);
extern void LazyWriterEnd(LazyWriter *lazy);

#endif

/*
 * table_row.h
 *		Rows of a small table, read into an array of C structs.
 */
#ifndef PERSONALIZE_TABLE_ROW_H
#define PERSONALIZE_TABLE_ROW_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

/* Makes a struct, zeroed before, of a row, all of whose columns are there; false: the row is passed over. */
typedef bool (*TableRowReader) (void *row, TupleTableSlot *slot);

/* What was read. */
typedef struct TableRows
{
	int			count;
	void	   *rows;
} TableRows;

/* Read a table into structs of a size, in an order (NULL: in any). */
extern TableRows TableRowsRead(Relation table, Snapshot snapshot, size_t size, TableRowReader read,
							   int (*compare) (const void *left, const void *right));

/* A column of a row, copied; NULL if it is NULL. */
extern void *TableRowCopy(TupleTableSlot *slot, int column);
extern char *TableRowText(TupleTableSlot *slot, int column);

/* A number; 0 if it is NULL. */
extern int	TableRowInteger(TupleTableSlot *slot, int column);

/* From when a tstzrange begins until when it has ended. */
extern void TableRowRange(TupleTableSlot *slot, int column, TimestampTz *since, TimestampTz *until);

#endif

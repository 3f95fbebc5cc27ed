/*
 * stored_row.h
 *		Which row packed bytes are from: damage is told by table and key.
 */
#ifndef PERSONALIZE_STORED_ROW_H
#define PERSONALIZE_STORED_ROW_H

#include "postgres.h"

#include "compat.h"
#include "executor/tuptable.h"
#include "utils/elog.h"

/* Tables with packed columns. */
typedef enum StoredTable
{
	STORED_PROFILE,				/* key: user_key */
	STORED_SESSION,				/* user_key, given, session_key */
	STORED_POSTING,				/* item_key, chunk */
	STORED_PAIR_LIST			/* item_key */
} StoredTable;
#define STORED_ROW_KEYS 3

/* A row whose bytes are decoded; lives on the stack. */
typedef struct StoredRow
{
	ErrorContextCallback context;
	StoredTable table;
	int64		keys[STORED_ROW_KEYS];
	bool		named;			/* the error at hand names it already */
} StoredRow;

/*
 * Between these, errors say which row they are about.  keys has as many as the
 * table's key.  Ending a row that was not begun does nothing.
 */
extern void StoredRowBegin(StoredRow *row, StoredTable table, const int64 *keys);
extern void StoredRowEnd(StoredRow *row);

/* True between them, for a row of this table. */
extern bool StoredRowIsOpen(StoredTable table);

/* A packed column of a row; NULL is damage. */
extern bytea *StoredRowBytes(StoredTable table, TupleTableSlot *slot, int column);

/* Complain about bytes that do not keep to their format. */
pg_noreturn extern void StoredRowReportDamage(StoredTable table, const char *detail);

/* Read a number up to a limit from packed bytes and go past it; detail complains of them. */
extern uint64 StoredRowReadNumber(StoredTable table, const uint8 **next, const uint8 *end,
								  uint64 limit, const char *detail);

/* Complain about bytes of another format version; one that never was is damage. */
pg_noreturn extern void StoredRowReportVersion(StoredTable table, int version, int known);

/*
 * Decode, and return false if the bytes are damaged, after a warning that says
 * what becomes of the row (NULL: none).  decode may do no more than allocate
 * memory: nothing else is undone.
 */
extern bool StoredRowTry(const StoredRow *row, void (*decode) (void *arg), void *arg,
						 const char *remedy);

#endif

/*
 * result_row.h
 *		Rows that a function returns, made and put away quickly.
 */
#ifndef PERSONALIZE_RESULT_ROW_H
#define PERSONALIZE_RESULT_ROW_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "nodes/execnodes.h"

/* The rows of one call; they are made in the memory context of ResultRowsBegin. */
typedef struct ResultRows
{
	Tuplestorestate *store;
	TupleDesc	descriptor;
	MemoryContext context;
	HeapTupleHeader room;		/* for the row being made */
	Size		size;			/* of that */
	Size		fixed;			/* what a row takes besides values whose length varies, at most */
} ResultRows;

/* Begin to return rows of a function whose result is materialized. */
extern void ResultRowsBegin(ResultRows *rows, const ReturnSetInfo *output);

/* Return a row, as tuplestore_putvalues() would. */
extern void ResultRowsPut(ResultRows *rows, const Datum *values, const bool *nulls);

#endif

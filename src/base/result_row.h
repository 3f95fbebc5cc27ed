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

/* What has to be known of a column to write it. */
typedef struct ResultColumn
{
	int16		length;			/* -1: it varies */
	uint8		alignment;		/* bytes */
	bool		byValue;
	bool		mayBeShort;		/* its header, if its length varies */
} ResultColumn;

/* The rows of one call; they are made in the memory context of ResultRowsBegin. */
typedef struct ResultRows
{
	Tuplestorestate *store;
	TupleDesc	descriptor;
	ResultColumn *columns;
	int		   *varying;		/* those whose length varies */
	int			varyingCount;
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

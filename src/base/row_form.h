/*
 * row_form.h
 *		Rows of one table, formed one after the other.
 */
#ifndef PERSONALIZE_ROW_FORM_H
#define PERSONALIZE_ROW_FORM_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

/* What all rows of a table have in common; in the current context, until it is pfree'd. */
typedef struct RowForm RowForm;
extern RowForm *RowFormMake(TupleDesc descriptor);

/* heap_form_tuple() for a row that is going to be written, without the nulls at its end. */
extern HeapTuple RowFormTuple(const RowForm *form, const Datum *values, const bool *nulls);

#endif

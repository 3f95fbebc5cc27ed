/*
 * row_form.c
 *		Rows of one table, formed one after the other.
 *
 * heap_form_tuple() is for rows of any kind, looks at each column twice and reads its
 * whole definition.  Of a table whose rows come in their thousands, all that matters
 * of the columns fits into a cache line: rows of values that lie in the row itself are
 * formed here, to the same bytes.  Anything else (compressed, out of line, expanded,
 * composite) is left to the server.
 */
#include "postgres.h"

#include "base/row_form.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "compat.h"

/* A column. */
typedef struct RowColumn
{
	uint8		length;			/* in bytes; 0: it varies */
	uint8		align;			/* in bytes */
	bool		mayShorten;		/* a short value may have a short header */
} RowColumn;

struct RowForm
{
	TupleDesc	descriptor;
	bool		byServer;		/* there is a column that only the server forms */
	Size		fixed;			/* no row needs more bytes without what varies */
	int			firstVarying;	/* column */
	RowColumn	columns[FLEXIBLE_ARRAY_MEMBER];
};

/* What matters of a table's columns. */
RowForm *
RowFormMake(TupleDesc descriptor)
{
	RowForm    *form = palloc0(offsetof(RowForm, columns) + descriptor->natts * sizeof(RowColumn));

	form->descriptor = descriptor;
	form->firstVarying = descriptor->natts;
	form->fixed = SizeofHeapTupleHeader + BITMAPLEN(descriptor->natts) + MAXIMUM_ALIGNOF;
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);
		RowColumn  *own = &form->columns[i];

		own->length = column->attbyval ? column->attlen : 0;
		own->align = att_align_nominal(1, column->attalign);
		own->mayShorten = column->attstorage != TYPSTORAGE_PLAIN;
		form->fixed += own->length + MAXIMUM_ALIGNOF;
		if (own->length == 0)
			form->firstVarying = Min(form->firstVarying, i);
		/* composite values are among those that are aligned like doubles */
		if (!column->attbyval && (column->attlen != -1 || column->attalign == TYPALIGN_DOUBLE))
			form->byServer = true;
	}
	return form;
}

/* The most bytes a row needs; 0: only the server forms it. */
static Size
RoomFor(const RowForm *form, const Datum *values, const bool *nulls)
{
	Size		size = form->fixed;

	for (int i = form->firstVarying; i < form->descriptor->natts; i++)
	{
		if (form->columns[i].length != 0 || nulls[i])
			continue;
		if (VARATT_IS_EXTERNAL(DatumGetPointer(values[i])) || VARATT_IS_COMPRESSED(DatumGetPointer(values[i])))
			return 0;
		size += VARSIZE_ANY(DatumGetPointer(values[i]));
	}
	return size;
}

/* Put a value of varying length, which lies in memory as it is; returns what follows it. */
static char *
PutVarying(const RowColumn *column, char *to, struct varlena *value)
{
	Size		length;

	if (column->mayShorten && VARATT_CAN_MAKE_SHORT(value))
	{
		length = VARATT_CONVERTED_SHORT_SIZE(value);
		SET_VARSIZE_SHORT(to, length);
		memcpy(to + 1, VARDATA(value), length - 1);
		return to + length;
	}
	if (!VARATT_IS_SHORT(value))
		to = (char *) TYPEALIGN(column->align, to);
	length = VARSIZE_ANY(value);
	memcpy(to, value, length);
	return to + length;
}

/* Put the columns of a row and mark those that are not null; returns the row's end. */
static char *
PutColumns(const RowForm *form, const Datum *values, const bool *nulls, HeapTupleHeader header, char *to)
{
	int			count = form->descriptor->natts;
	bool		marks = (header->t_infomask & HEAP_HASNULL) != 0;

	for (int i = 0; i < count; i++)
	{
		const RowColumn *column = &form->columns[i];

		if (nulls[i])
			continue;
		if (marks)
			header->t_bits[i / 8] |= 1 << (i % 8);
		if (column->length != 0)
		{
			to = (char *) TYPEALIGN(column->align, to);
			store_att_byval(to, values[i], column->length);
			to += column->length;
		}
		else
		{
			header->t_infomask |= HEAP_HASVARWIDTH;
			to = PutVarying(column, to, (struct varlena *) DatumGetPointer(values[i]));
		}
	}
	return to;
}

/* Form a row. */
HeapTuple
RowFormTuple(const RowForm *form, const Datum *values, const bool *nulls)
{
	int			count = form->descriptor->natts;
	Size		room = form->byServer ? 0 : RoomFor(form, values, nulls);
	HeapTuple	tuple;
	HeapTupleHeader header;

	if (room == 0)
		return heap_form_tuple(form->descriptor, (Datum *) values, (bool *) nulls);
	tuple = palloc0(HEAPTUPLESIZE + room);
	tuple->t_data = header = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	ItemPointerSetInvalid(&tuple->t_self);
	ItemPointerSetInvalid(&header->t_ctid);
	HeapTupleHeaderSetNatts(header, count);
	header->t_hoff = MAXALIGN(SizeofHeapTupleHeader);
	if (memchr(nulls, true, count) != NULL)
	{
		header->t_infomask = HEAP_HASNULL;
		header->t_hoff = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(count));
	}
	tuple->t_len = PutColumns(form, values, nulls, header, (char *) header + header->t_hoff) - (char *) header;
	return tuple;
}

/*
 * row_form.c
 *		Rows of one table, formed one after the other.
 *
 * heap_form_tuple() is for rows of any kind, looks at each column twice and reads its
 * whole definition.  Of a table whose rows come in their thousands, all that matters
 * of the columns fits into a cache line: rows of values that lie in the row itself are
 * formed here, to the same bytes.  Anything else (compressed, out of line, expanded,
 * composite) is left to the server.
 *
 * Columns at the end of a row that are null are not in it, as later ones are not in rows
 * that are older: so most rows have no null bitmap, or a shorter one.  Where a column was
 * given a default that older rows have, too, its null is written.
 */
#include "postgres.h"

#include "base/row_form.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "port/pg_bitutils.h"

/* Rows of more columns, and of none, are left to the server. */
#define MAX_COLUMNS 63

/* A column. */
typedef struct RowColumn
{
	uint8		length;			/* in bytes; 0: it varies */
	uint8		offset;			/* of one of the leading columns */
	uint8		align;			/* in bytes */
	bool		mayShorten;		/* a short value may have a short header */
} RowColumn;

struct RowForm
{
	TupleDesc	descriptor;
	bool		byServer;		/* there is a column that only the server forms */
	Size		fixed;			/* no row needs more bytes without what varies */
	int			firstVarying;	/* column */
	int			leading;		/* so many columns are never null nor vary, and so are always in one place */
	int			least;			/* so many columns are in every row */
	Size		leadingEnd;
	RowColumn	columns[FLEXIBLE_ARRAY_MEMBER];
};

/* What matters of a table's columns. */
RowForm *
RowFormMake(TupleDesc descriptor)
{
	RowForm    *form = palloc0(offsetof(RowForm, columns) + descriptor->natts * sizeof(RowColumn));

	form->descriptor = descriptor;
	form->firstVarying = descriptor->natts;
	form->least = 1;
	form->byServer = descriptor->natts == 0 || descriptor->natts > MAX_COLUMNS;
	form->fixed = SizeofHeapTupleHeader + BITMAPLEN(descriptor->natts) + MAXIMUM_ALIGNOF;
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);
		RowColumn  *own = &form->columns[i];

		own->length = column->attbyval ? column->attlen : 0;
		own->align = att_align_nominal(1, column->attalign);
		own->mayShorten = column->attstorage != TYPSTORAGE_PLAIN;
		/* the next column may have to keep a distance after one that ends anywhere */
		form->fixed += own->length + (own->length == MAXIMUM_ALIGNOF ? 0 : MAXIMUM_ALIGNOF - 1);
		if (own->length == 0)
			form->firstVarying = Min(form->firstVarying, i);
		if (column->attnotnull || column->atthasmissing)
			form->least = i + 1;
		if (form->leading == i && own->length != 0 && column->attnotnull && form->leadingEnd + sizeof(Datum) < 256)
		{
			own->offset = TYPEALIGN(own->align, form->leadingEnd);
			form->leadingEnd = own->offset + own->length;
			form->leading++;
		}
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

/* Put the columns that are never null; returns what follows them. */
static inline char *
PutLeading(const RowForm *form, const Datum *values, char *row)
{
	for (int i = 0; i < form->leading; i++)
	{
		char	   *to = row + form->columns[i].offset;

		if (form->columns[i].length == sizeof(Datum))
			*(Datum *) to = values[i];
		else
			store_att_byval(to, values[i], form->columns[i].length);
	}
	return row + form->leadingEnd;
}

/* Put the columns of a row; returns its end. */
static char *
PutColumns(const RowForm *form, const Datum *values, const bool *nulls, HeapTupleHeader header)
{
	char	   *to = PutLeading(form, values, (char *) header + header->t_hoff);
	int			count = HeapTupleHeaderGetNatts(header);

	for (int i = form->leading; i < count; i++)
	{
		const RowColumn *column = &form->columns[i];

		if (nulls[i])
			continue;
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

/* Which columns are not null, a bit each. */
static uint64
PresentColumns(const RowForm *form, const bool *nulls)
{
	uint64		present = (UINT64CONST(1) << form->leading) - 1;

	Assert(form->leading == 0 || memchr(nulls, true, form->leading) == NULL);
	for (int i = form->leading; i < form->descriptor->natts; i++)
		if (!nulls[i])
			present |= UINT64CONST(1) << i;
	return present;
}

/* Form a row. */
HeapTuple
RowFormTuple(const RowForm *form, const Datum *values, const bool *nulls)
{
	Size		room = form->byServer ? 0 : RoomFor(form, values, nulls);
	HeapTuple	tuple;
	HeapTupleHeader header;
	uint64		present;
	int			count;

	if (room == 0)
		return heap_form_tuple(form->descriptor, (Datum *) values, (bool *) nulls);
	tuple = palloc0(HEAPTUPLESIZE + room);
	tuple->t_data = header = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	ItemPointerSetInvalid(&tuple->t_self);
	ItemPointerSetInvalid(&header->t_ctid);
	present = PresentColumns(form, nulls);
	count = present == 0 ? form->least : Max(form->least, pg_leftmost_one_pos64(present) + 1);
	HeapTupleHeaderSetNatts(header, count);
	header->t_hoff = MAXALIGN(SizeofHeapTupleHeader);
	if (present != (UINT64CONST(1) << count) - 1)
	{
		header->t_infomask = HEAP_HASNULL;
		header->t_hoff = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(count));
		for (int i = 0; i < BITMAPLEN(count); i++)
			header->t_bits[i] = (bits8) (present >> (8 * i));
	}
	tuple->t_len = PutColumns(form, values, nulls, header) - (char *) header;
	return tuple;
}

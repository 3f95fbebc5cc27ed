/*
 * result_row.c
 *		Rows that a function returns, made and put away quickly.
 *
 * tuplestore_putvalues() calls a function for each column, and allocates and clears the
 * memory of each row, which would be a sixth of the work of a homepage.  Here a row is made
 * in memory that all rows share, byte for byte as it would be there, and copied to where it
 * stays.
 */
#include "postgres.h"

#include "base/result_row.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "compat.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

/* Begin to return rows. */
void
ResultRowsBegin(ResultRows *rows, const ReturnSetInfo *output)
{
	rows->store = output->setResult;
	rows->descriptor = output->setDesc;
	rows->context = CurrentMemoryContext;
	rows->room = NULL;
	rows->size = 0;
	rows->fixed = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(output->setDesc->natts));
	rows->columns = palloc_array(ResultColumn, output->setDesc->natts);
	rows->varying = palloc_array(int, output->setDesc->natts);
	rows->varyingCount = 0;
	for (int i = 0; i < output->setDesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(output->setDesc, i);

		rows->columns[i].length = attribute->attlen;
		rows->columns[i].alignment = att_align_nominal(1, attribute->attalign);
		rows->columns[i].byValue = attribute->attbyval;
		rows->columns[i].mayBeShort = attribute->attstorage != TYPSTORAGE_PLAIN;
		rows->fixed += MAXIMUM_ALIGNOF + Max(attribute->attlen, 0);
		if (attribute->attlen < 0)
			rows->varying[rows->varyingCount++] = i;
	}
}

/* How much room a row takes at most; 0: it has a value that lies elsewhere, or a string of C. */
static Size
MostSize(const ResultRows *rows, const Datum *values, const bool *nulls)
{
	Size		size = rows->fixed;

	for (int i = 0; i < rows->varyingCount; i++)
	{
		int			column = rows->varying[i];

		if (nulls[column])
			continue;
		if (rows->columns[column].length != -1 || VARATT_IS_EXTERNAL(DatumGetPointer(values[column])))
			return 0;
		size = add_size(size, VARSIZE_ANY(DatumGetPointer(values[column])));
	}
	return size;
}

/* Make room for a row. */
static void
Reserve(ResultRows *rows, Size size)
{
	if (size <= rows->size)
		return;
	if (rows->room != NULL)
		pfree(rows->room);
	rows->size = Max(size, 2 * rows->size);
	rows->room = MemoryContextAllocZero(rows->context, rows->size);
}

/* Fill up to where a value of this alignment may begin: for each column there is room for that. */
static inline char *
Align(char *to, uint8 alignment)
{
	memset(to, 0, MAXIMUM_ALIGNOF);
	return (char *) TYPEALIGN(alignment, to);
}

/* Write a value whose length varies, with a short header if it may have one. */
static inline char *
PutVarying(char *to, const ResultColumn *column, const struct varlena *value)
{
	Size		size;

	if (VARATT_IS_SHORT(value))
	{
		size = VARSIZE_SHORT(value);
		memcpy(to, value, size);
	}
	else if (column->mayBeShort && VARATT_CAN_MAKE_SHORT(value))
	{
		size = VARATT_CONVERTED_SHORT_SIZE(value);
		SET_VARSIZE_SHORT(to, size);
		memcpy(to + VARHDRSZ_SHORT, VARDATA(value), size - VARHDRSZ_SHORT);
	}
	else
	{
		to = Align(to, column->alignment);
		size = VARSIZE(value);
		memcpy(to, value, size);
	}
	return to + size;
}

/* Write a value. */
static inline char *
PutValue(char *to, const ResultColumn *column, Datum value)
{
	if (column->length == -1)
		return PutVarying(to, column, (const struct varlena *) DatumGetPointer(value));
	to = Align(to, column->alignment);
	if (column->byValue)
		store_att_byval(to, value, column->length);
	else
		memcpy(to, DatumGetPointer(value), column->length);
	return to + column->length;
}

/* Make the head of a row. */
static inline void
MakeHeader(HeapTupleHeader row, int columns, const bool *nulls, bool varies)
{
	bool		hasNull = memchr(nulls, true, columns) != NULL;
	int			head = MAXALIGN(SizeofHeapTupleHeader + (hasNull ? BITMAPLEN(columns) : 0));

	/* bytes that nothing is written to, and some that is */
	memset((char *) row + head - MAXIMUM_ALIGNOF, 0, MAXIMUM_ALIGNOF);
	HeapTupleHeaderSetNatts(row, columns);
	row->t_infomask = (hasNull ? HEAP_HASNULL : 0) | (varies ? HEAP_HASVARWIDTH : 0);
	row->t_hoff = head;
	for (int first = 0; hasNull && first < columns; first += 8)
	{
		uint8		bits = 0;

		for (int i = first; i < Min(first + 8, columns); i++)
			bits |= !nulls[i] << (i - first);
		row->t_bits[first / 8] = bits;
	}
}

/* Return a row. */
void
ResultRowsPut(ResultRows *rows, const Datum *values, const bool *nulls)
{
	Size		size = MostSize(rows, values, nulls);
	int			columns = rows->descriptor->natts;
	HeapTupleData tuple = {0};
	char	   *to;

	if (size == 0)
	{
		tuplestore_putvalues(rows->store, rows->descriptor, unconstify(Datum *, values), unconstify(bool *, nulls));
		return;
	}
	Reserve(rows, size);
	MakeHeader(rows->room, columns, nulls, size > rows->fixed);
	to = (char *) rows->room + rows->room->t_hoff;
	for (int i = 0; i < columns; i++)
		if (!nulls[i])
			to = PutValue(to, &rows->columns[i], values[i]);
	tuple.t_len = to - (char *) rows->room;
	tuple.t_data = rows->room;
	tuplestore_puttuple(rows->store, &tuple);
}

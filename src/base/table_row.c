/*
 * table_row.c
 *		Rows of a small table, read into an array of C structs.
 */
#include "postgres.h"

#include "base/table_row.h"

#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

/* Read a table. */
TableRows
TableRowsRead(Relation table, Snapshot snapshot, size_t size, TableRowReader read,
			  int (*compare) (const void *left, const void *right))
{
	TableRows	found = {0};
	int			capacity = 8;
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	found.rows = palloc(size * capacity);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		void	   *row;

		if (found.count == capacity)
		{
			capacity *= 2;
			found.rows = repalloc_huge(found.rows, size * capacity);
		}
		row = (char *) found.rows + size * found.count;
		memset(row, 0, size);
		slot_getallattrs(slot);
		found.count += read(row, slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (compare != NULL && found.count > 1)
		qsort(found.rows, found.count, size, compare);
	return found;
}

/* A column of a row, copied. */
void *
TableRowCopy(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column - 1] ? NULL : PG_DETOAST_DATUM_COPY(slot->tts_values[column - 1]);
}

/* A text. */
char *
TableRowText(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column - 1] ? NULL : TextDatumGetCString(slot->tts_values[column - 1]);
}

/* A number. */
int
TableRowInteger(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column - 1] ? 0 : DatumGetInt32(slot->tts_values[column - 1]);
}

/* From when to when; an end that belongs to the range is a microsecond before its own end. */
void
TableRowRange(TupleTableSlot *slot, int column, TimestampTz *since, TimestampTz *until)
{
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(lookup_type_cache(TSTZRANGEOID, TYPECACHE_RANGE_INFO), TableRowCopy(slot, column), &lower, &upper, &empty);
	*since = lower.infinite ? DT_NOBEGIN : DatumGetTimestampTz(lower.val);
	*until = upper.infinite ? DT_NOEND : DatumGetTimestampTz(upper.val);
	if (!lower.infinite && !lower.inclusive && !TIMESTAMP_NOT_FINITE(*since))
		(*since)++;
	if (!upper.infinite && upper.inclusive && !TIMESTAMP_NOT_FINITE(*until))
		(*until)++;
	if (empty)
		*until = *since;
}

/*
 * item_origin.c
 *		Who wrote a catalogue row, and when.
 */
#include "postgres.h"

#include "items/item.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A text of the result row, in the caller's memory; NULL if it is null. */
static char *
GetText(int column, MemoryContext context)
{
	bool		isNull;
	Datum		value = SpiUtilValue(0, column, &isNull);

	return isNull ? NULL : MemoryContextStrdup(context, TextDatumGetCString(value));
}

/* A time of the result row; 0 if it is null. */
static TimestampTz
GetTime(int column)
{
	bool		isNull;
	Datum		value = SpiUtilValue(0, column, &isNull);

	return isNull ? 0 : DatumGetTimestampTz(value);
}

/* Find out about a row, and about a column of it. */
ItemOrigin
ItemOriginRead(int64 key, const char *column)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(key), CStringGetTextDatum(column)};
	MemoryContext context = CurrentMemoryContext;
	ItemOrigin	origin = {0};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	origin.exists = SpiUtilRun(&plan,
							   "SELECT i.updated_at, i.source, i.vanished_at,"
							   " (SELECT string_agg(s.run_by::text, ', ' ORDER BY s.run_by) FROM personalize.item_sync s"
							   "  WHERE s.source = i.source AND $2 = ANY (s.written))"
							   " FROM personalize.item i WHERE i.item_key = $1",
							   lengthof(types), types, values, NULL, true) > 0;
	if (origin.exists)
	{
		origin.changedAt = GetTime(1);
		origin.source = GetText(2, context);
		origin.vanishedAt = GetTime(3);
		origin.writtenBy = GetText(4, context);
	}
	SpiUtilEnd(&scope);
	return origin;
}

/*
 * stored_row.c
 *		Which row packed bytes are from: damage is told by table and key.
 *
 * Whoever decodes a row's bytes, however deep below the one who has read the row,
 * finds it among the callbacks that describe where an error occurred.
 */
#include "postgres.h"

#include "base/stored_row.h"

#include "base/varint.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"

/* What errors say of a table. */
static const struct
{
	const char *name;
	const char *keys[STORED_ROW_KEYS];
	const char *processor;		/* that can make it anew */
}			storedTables[] = {
	[STORED_PROFILE] = {"profile", {"user_key"}, "profile"},
	[STORED_SESSION] = {"session", {"user_key", "given", "session_key"}, "neighbour"},
	[STORED_POSTING] = {"posting", {"item_key", "chunk"}, "neighbour"},
	[STORED_PAIR_LIST] = {"_pair_list", {"item_key"}, "neighbour"}
};

/* A row in words. */
static char *
Describe(const StoredRow *row)
{
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfo(&name, "row of \"%s\" with", storedTables[row->table].name);
	for (int i = 0; i < STORED_ROW_KEYS && storedTables[row->table].keys[i] != NULL; i++)
		appendStringInfo(&name, "%s %s " INT64_FORMAT, i > 0 ? "," : "",
						 storedTables[row->table].keys[i], row->keys[i]);
	return name.data;
}

/* Add the row to errors that do not come from here. */
static void
AddContext(void *arg)
{
	const StoredRow *row = arg;

	if (!row->named)
		errcontext("%s", Describe(row));
}

/* Begin to decode a row. */
void
StoredRowBegin(StoredRow *row, StoredTable table, const int64 *keys)
{
	row->table = table;
	row->named = false;
	for (int i = 0; i < STORED_ROW_KEYS && storedTables[table].keys[i] != NULL; i++)
		row->keys[i] = keys[i];
	row->context.callback = AddContext;
	row->context.arg = row;
	row->context.previous = error_context_stack;
	error_context_stack = &row->context;
}

/* End it. */
void
StoredRowEnd(StoredRow *row)
{
	if (error_context_stack == &row->context)
		error_context_stack = row->context.previous;
}

/* The row of a table that is decoded now; NULL if there is none. */
static StoredRow *
FindRow(StoredTable table)
{
	for (ErrorContextCallback *context = error_context_stack; context; context = context->previous)
		if (context->callback == AddContext && ((StoredRow *) context->arg)->table == table)
			return context->arg;
	return NULL;
}

/* True if a row of a table is decoded now. */
bool
StoredRowIsOpen(StoredTable table)
{
	return FindRow(table) != NULL;
}

/* A packed column of a row. */
bytea *
StoredRowBytes(StoredTable table, TupleTableSlot *slot, int column)
{
	bool		isNull;
	Datum		value = slot_getattr(slot, column, &isNull);

	if (isNull)
		StoredRowReportDamage(table, "A packed column is null.");
	return (bytea *) PG_DETOAST_DATUM_PACKED(value);
}

/* The row that an error is about, in words. */
static char *
DescribeCurrent(StoredTable table)
{
	StoredRow  *row = FindRow(table);

	if (row == NULL)
		return psprintf("packed column of a row of \"%s\"", storedTables[table].name);
	row->named = true;
	return Describe(row);
}

/* Complain about bytes that do not keep to their format. */
void
StoredRowReportDamage(StoredTable table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s is damaged", DescribeCurrent(table)),
			 errdetail("%s", detail),
			 errhint("SELECT personalize.rebuild_processor('%s') makes the table anew from raw events.",
					 storedTables[table].processor)));
}

/* Read a number up to a limit. */
uint64
StoredRowReadNumber(StoredTable table, const uint8 **next, const uint8 *end,
					uint64 limit, const char *detail)
{
	uint64		number;

	if (!VarintRead(next, end, &number) || number > limit)
		StoredRowReportDamage(table, detail);
	return number;
}

/* Complain about bytes of another format version. */
void
StoredRowReportVersion(StoredTable table, int version, int known)
{
	if (version < known)
		StoredRowReportDamage(table, "There is no such format version.");
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s has format version %d, this library reads version %d",
					DescribeCurrent(table), version, known),
			 errhint("Install the version of the extension's library that the database was last used with, or a newer one. If there was none, the row is damaged: SELECT personalize.rebuild_processor('%s') makes the table anew from raw events.",
					 storedTables[table].processor)));
}

/* Decode; false if the bytes are damaged. */
bool
StoredRowTry(const StoredRow *row, void (*decode) (void *arg), void *arg, const char *remedy)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool whole = true;
	char	   *detail = NULL;

	PG_TRY();
	{
		decode(arg);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (geterrcode() != ERRCODE_DATA_CORRUPTED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		detail = error->detail;
		whole = false;
	}
	PG_END_TRY();
	if (!whole && remedy != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s is damaged: %s", Describe(row), remedy),
				 detail ? errdetail_internal("%s", detail) : 0));
	return whole;
}

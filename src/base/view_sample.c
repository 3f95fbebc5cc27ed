/*
 * view_sample.c
 *		Rows of views, for conditions to be tried on.
 *
 * What a view shows of a part of its table is what its own definition says of that part: the
 * definition is run with the part in the table's place, so nothing has to be said twice.  A view
 * that shows some people's data to some readers is run as it is by its reader, for some keys.
 *
 * A sample is taken in a subtransaction that is undone, and used for a minute by the
 * role it was taken for.
 */
#include "postgres.h"

#include "base/view_sample.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "base/column_stat.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* So many rows are kept. */
#define KEPT_ROWS 1000

/* A sample, also one that could not be taken, is used for so long. */
#define KEPT_MS (60 * 1000)

/* What took longer and found nothing is not tried again for as long. */
#define FRUITLESS_MS 20

/* A sample that was taken. */
typedef struct Kept
{
	const ViewTry *view;
	Oid			relation;
	Oid			reader;
	int32		readers;
	TimestampTz takenAt;
	ViewSample	sample;
	MemoryContext context;
} Kept;

static List *keptList = NIL;

/* The definition of a view, its table's name being that of the part. */
static char *
DefinitionOverPart(const ViewTry *view)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3];
	StringInfoData query;
	bool		isNull;

	values[0] = CStringGetTextDatum(psprintf(PERSONALIZE_SCHEMA ".%s", view->view));
	values[1] = CStringGetTextDatum(psprintf("\\m" PERSONALIZE_SCHEMA "\\.%s\\M", view->table));
	values[2] = CStringGetTextDatum(view->table);
	SpiUtilRun(&plan, "SELECT regexp_replace(rtrim(pg_get_viewdef($1::regclass), ';'), $2, $3, 'g')",
			   lengthof(types), types, values, NULL, true);
	initStringInfo(&query);
	appendStringInfo(&query, "WITH %s AS MATERIALIZED (%s) %s", view->table, view->part,
					 TextDatumGetCString(SpiUtilValue(0, 1, &isNull)));
	return query.data;
}

/* Keep rows of a result, spread over all. */
static void
KeepRows(Kept *kept)
{
	MemoryContext caller = MemoryContextSwitchTo(kept->context);
	uint64		found = SPI_processed;

	kept->sample.desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	kept->sample.rows = palloc(sizeof(HeapTuple) * KEPT_ROWS);
	kept->sample.count = (int) Min(found, KEPT_ROWS);
	for (int i = 0; i < kept->sample.count; i++)
		kept->sample.rows[i] = toast_flatten_tuple(SPI_tuptable->vals[found * i / kept->sample.count], kept->sample.desc);
	MemoryContextSwitchTo(caller);
}

/* Run the view over a part of its table. */
static void
ReadPart(Kept *kept)
{
	const Oid	types[] = {FLOAT4OID, INT4OID};
	Datum		values[] = {(Datum) 0, Int32GetDatum(kept->readers)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	values[0] = Float4GetDatum(ColumnSharePercent(RelationFind(kept->view->table, false)));
	SpiUtilRunOnce(DefinitionOverPart(kept->view), lengthof(types), types, values, NULL, true);
	KeepRows(kept);
	SpiUtilEnd(&scope);
}

/* Some keys of a view, as an array in this context. */
static Datum
SomeKeys(const ViewTry *view)
{
	const Oid	types[] = {FLOAT4OID};
	Datum		values[1];
	MemoryContext caller = CurrentMemoryContext;
	SpiUtilScope scope;
	Datum		keys;
	bool		isNull;

	SpiUtilBegin(&scope);
	values[0] = Float4GetDatum(ColumnSharePercent(RelationFind(view->table, false)));
	SpiUtilRunOnce(psprintf("SELECT coalesce(array_agg(k.key), '{}') FROM (%s) AS k (key)", view->keys),
				   lengthof(types), types, values, NULL, true);
	keys = SpiUtilValue(0, 1, &isNull);
	MemoryContextSwitchTo(caller);
	keys = PointerGetDatum(DatumGetArrayTypePCopy(keys));
	SpiUtilEnd(&scope);
	return keys;
}

/* Run the view for some keys, with the rights of who reads. */
static void
ReadKeys(Kept *kept)
{
	Oid			types[] = {INT8ARRAYOID};
	Datum		values[] = {SomeKeys(kept->view)};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(psprintf("SELECT * FROM " PERSONALIZE_SCHEMA ".%s AS v WHERE v.%s OPERATOR(pg_catalog.=) ANY ($1)",
									   kept->view->view, kept->view->key),
							  lengthof(types), types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the view cannot be read");
	KeepRows(kept);
	SPI_finish();
}

/* Take a sample. */
static void
TakeSample(void *argument)
{
	Kept	   *kept = argument;

	if (!ColumnLockAll(RelationFind(kept->view->table, false)))
		return;
	if (kept->view->part != NULL)
		ReadPart(kept);
	else
		ReadKeys(kept);
}

/* A sample that is not too old; older ones are given up. */
static Kept *
FindKept(const ViewTry *view, Oid relation, int32 readers)
{
	ListCell   *cell;

	foreach(cell, keptList)
	{
		Kept	   *kept = lfirst(cell);

		if (TimestampDifferenceExceeds(kept->takenAt, GetCurrentTimestamp(), KEPT_MS))
		{
			keptList = foreach_delete_current(keptList, cell);
			MemoryContextDelete(kept->context);
		}
		else if (kept->view == view && kept->relation == relation && kept->reader == GetUserId() && kept->readers == readers)
			return kept;
	}
	return NULL;
}

/* Rows of a view. */
const ViewSample *
ViewSampleOf(const ViewTry *view)
{
	int32		readers = view->readers == NULL ? 0 : view->readers();
	Oid			relation = RelationFind(view->view, true);
	Kept	   *kept = FindKept(view, relation, readers);
	TimestampTz begun;
	MemoryContext context;
	ErrorData  *error;

	if (kept == NULL)
	{
		begun = GetCurrentTimestamp();
		context = AllocSetContextCreate(CurrentMemoryContext, "personalize rows of a view", ALLOCSET_DEFAULT_SIZES);
		kept = MemoryContextAllocZero(context, sizeof(Kept));
		kept->context = context;
		kept->view = view;
		kept->relation = relation;
		kept->reader = GetUserId();
		kept->readers = readers;
		error = SubtransactionTry(TakeSample, kept);
		if (error != NULL)
		{
			elog(DEBUG1, "no rows of %s: %s", view->view, error->message);
			kept->sample.count = 0;
		}
		kept->takenAt = GetCurrentTimestamp();
		/* where there is nothing there may soon be something */
		if (kept->sample.count == 0 && !TimestampDifferenceExceeds(begun, kept->takenAt, FRUITLESS_MS))
		{
			MemoryContextDelete(context);
			return NULL;
		}
		MemoryContextSetParent(context, CacheMemoryContext);
		context = MemoryContextSwitchTo(CacheMemoryContext);
		keptList = lappend(keptList, kept);
		MemoryContextSwitchTo(context);
	}
	return kept->sample.count == 0 ? NULL : &kept->sample;
}

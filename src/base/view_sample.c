/*
 * view_sample.c
 *		Rows of views, for conditions to be tried on.
 *
 * What a view shows of a part of its table is what its own definition says of that part: the
 * definition is run with the part in the table's place, so nothing has to be said twice.  A view
 * that shows some people's data to some readers is run as it is by its reader, for some keys.
 */
#include "postgres.h"

#include "base/view_sample.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "base/relation.h"
#include "base/sample.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* So many rows are kept. */
#define KEPT_ROWS 1200

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
KeepRows(Sample *kept)
{
	MemoryContext caller = MemoryContextSwitchTo(kept->context);
	uint64		found = SPI_processed;
	ViewSample *sample = palloc_object(ViewSample);

	sample->desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	sample->rows = palloc_array(HeapTuple, KEPT_ROWS);
	sample->count = (int) Min(found, KEPT_ROWS);
	for (int i = 0; i < sample->count; i++)
		sample->rows[i] = toast_flatten_tuple(SPI_tuptable->vals[found * i / sample->count], sample->desc);
	if (sample->count > 0)
		kept->found = sample;
	MemoryContextSwitchTo(caller);
}

/* Run the view over a part of its table. */
static void
ReadPart(const ViewTry *view, Sample *kept)
{
	const Oid	types[] = {FLOAT4OID, INT4OID};
	Datum		values[] = {(Datum) 0, Int32GetDatum(kept->key.readers)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	values[0] = Float4GetDatum(SampleSharePercent(RelationFind(view->table, false)));
	SpiUtilRunOnce(DefinitionOverPart(view), lengthof(types), types, values, NULL, true);
	KeepRows(kept);
	SpiUtilEnd(&scope);
}

/* Some keys of a view, as an array in this context. */
static Datum
SomeKeys(const ViewTry *view)
{
	const Oid	types[] = {FLOAT4OID};
	Datum		values[1];
	SpiUtilScope scope;
	Datum		keys;
	bool		isNull;

	SpiUtilBegin(&scope);
	values[0] = Float4GetDatum(SampleSharePercent(RelationFind(view->table, false)));
	SpiUtilRunOnce(psprintf("SELECT coalesce(array_agg(k.key), '{}') FROM (%s) AS k (key)", view->keys),
				   lengthof(types), types, values, NULL, true);
	keys = SPI_datumTransfer(SpiUtilValue(0, 1, &isNull), false, -1);
	SpiUtilEnd(&scope);
	return keys;
}

/* Run the view for some keys, with the rights of who reads. */
static void
ReadKeys(const ViewTry *view, Sample *kept)
{
	Oid			types[] = {INT8ARRAYOID};
	Datum		values[] = {SomeKeys(view)};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(psprintf("SELECT * FROM " PERSONALIZE_SCHEMA ".%s AS v WHERE v.%s OPERATOR(pg_catalog.=) ANY ($1)",
									   view->view, view->key),
							  lengthof(types), types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the view cannot be read");
	KeepRows(kept);
	SPI_finish();
}

/* Take a sample. */
static bool
TakeSample(void *argument)
{
	Sample	   *kept = argument;
	const ViewTry *view = kept->key.of;

	if (SampleLockAll(RelationFind(view->table, false)))
	{
		if (view->part != NULL)
			ReadPart(view, kept);
		else
			ReadKeys(view, kept);
	}
	return false;
}

/* Rows of a view. */
const ViewSample *
ViewSampleOf(const ViewTry *view)
{
	SampleKey	key = {
		.of = view,.relation = RelationFind(view->view, true),.reader = GetUserId(),
		.readers = view->readers == NULL ? 0 : view->readers()
	};

	return SampleGet(&key, view->view, TakeSample);
}

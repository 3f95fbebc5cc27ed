/*
 * column_stat.c
 *		Statistics of columns of which ANALYZE keeps none.
 *
 * What ANALYZE keeps of a column would outlive the person that a value is of, so for keys and
 * amounts it keeps nothing, and the planner would guess.  For statements of users there
 * are statistics of a sample instead, which the backend takes with the reader's
 * eyes and has made into the server's own form by the server's code.
 * column_hook.c gives it to the planner.
 */
#include "postgres.h"

#include "base/column_stat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/relation.h"
#include "base/sample.h"
#include "base/spi_util.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Columns of one registration. */
typedef struct Registered
{
	const ColumnStat *columns;
	int			count;
} Registered;

static Registered registered[8];
static int	registeredCount = 0;

/* Make columns known. */
void
ColumnStatRegister(const ColumnStat *columns, int count)
{
	if (registeredCount >= lengthof(registered))
		elog(FATAL, "too many lists of columns with statistics");
	registered[registeredCount].columns = columns;
	registered[registeredCount++].count = count;
}

/* A column of a table, view or function; NULL if it is not registered. */
const ColumnStat *
ColumnStatFind(const char *relation, const char *column)
{
	for (int i = 0; i < registeredCount && relation != NULL && column != NULL; i++)
		for (int j = 0; j < registered[i].count; j++)
			if (strcmp(registered[i].columns[j].relation, relation) == 0 &&
				strcmp(registered[i].columns[j].column, column) == 0)
				return &registered[i].columns[j];
	return NULL;
}

/* Read a sample by a query, into the context given. */
static void
RunQuery(const char *query, const SampleKey *key, MemoryContext context, ColumnSample *sample)
{
	const Oid	types[] = {FLOAT4OID, INT4OID};
	Datum		values[2];
	SpiUtilScope scope;
	float4		percent;
	int16		length;
	bool		byValue;

	SpiUtilBegin(&scope);
	percent = SampleSharePercent(key->relation);
	values[0] = Float4GetDatum(percent);
	values[1] = Int32GetDatum(key->readers);
	sample->count = (int) SpiUtilRunOnce(query, lengthof(types), types, values, NULL, true);
	sample->total = sample->count * 100.0 / percent;
	sample->type = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
	get_typlenbyval(sample->type, &length, &byValue);
	sample->values = MemoryContextAlloc(context, sizeof(Datum) * Max(sample->count, 1));
	sample->nulls = MemoryContextAlloc(context, sizeof(bool) * Max(sample->count, 1));
	for (int i = 0; i < sample->count; i++)
	{
		Datum		value = SpiUtilValue(i, 1, &sample->nulls[i]);
		MemoryContext caller = MemoryContextSwitchTo(context);

		sample->values[i] = sample->nulls[i] ? (Datum) 0 :
			length == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value)) : datumCopy(value, byValue, length);
		MemoryContextSwitchTo(caller);
	}
	SpiUtilEnd(&scope);
}

/* A row of a sample, for the server's code. */
static Datum
FetchSampled(VacAttrStats *statistics, int row, bool *isNull)
{
	*isNull = statistics->exprnulls[row];
	return statistics->exprvals[row];
}

/* Have the server look at a sample; false if it has no statistics for the type. */
static bool
Compute(const ColumnSample *sample, VacAttrStats *statistics)
{
	HeapTuple	type = SearchSysCacheCopy1(TYPEOID, ObjectIdGetDatum(sample->type));

	memset(statistics, 0, sizeof(VacAttrStats));
	statistics->attrtype = (Form_pg_type) GETSTRUCT(type);
	statistics->attrtypid = sample->type;
	statistics->attrtypmod = -1;
	statistics->attrcollid = statistics->attrtype->typcollation;
	statistics->anl_context = CurrentMemoryContext;
	statistics->exprvals = sample->values;
	statistics->exprnulls = sample->nulls;
	CompatStatisticsBegin(statistics);
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
	{
		statistics->statypid[i] = sample->type;
		statistics->statyplen[i] = statistics->attrtype->typlen;
		statistics->statypbyval[i] = statistics->attrtype->typbyval;
		statistics->statypalign[i] = statistics->attrtype->typalign;
	}
	if (sample->count == 0 || !std_typanalyze(statistics))
		return false;
	statistics->compute_stats(statistics, FetchSampled, sample->count, Max(sample->total, sample->count));
	return statistics->stats_valid;
}

/* A row of pg_statistic that is in no table. */
static HeapTuple
FormStatistics(const VacAttrStats *statistics)
{
	TupleDesc	desc;
	Relation	catalog = table_open(StatisticRelationId, AccessShareLock);
	Datum		values[Natts_pg_statistic] = {0};
	bool		nulls[Natts_pg_statistic] = {0};
	HeapTuple	tuple;

	desc = CreateTupleDescCopy(RelationGetDescr(catalog));
	table_close(catalog, AccessShareLock);
	values[Anum_pg_statistic_stanullfrac - 1] = Float4GetDatum(statistics->stanullfrac);
	values[Anum_pg_statistic_stawidth - 1] = Int32GetDatum(statistics->stawidth);
	values[Anum_pg_statistic_stadistinct - 1] = Float4GetDatum(statistics->stadistinct);
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
	{
		int			numbers = statistics->numnumbers[i];
		Datum	   *frequencies = palloc(sizeof(Datum) * Max(numbers, 1));

		values[Anum_pg_statistic_stakind1 - 1 + i] = Int16GetDatum(statistics->stakind[i]);
		values[Anum_pg_statistic_staop1 - 1 + i] = ObjectIdGetDatum(statistics->staop[i]);
		values[Anum_pg_statistic_stacoll1 - 1 + i] = ObjectIdGetDatum(statistics->stacoll[i]);
		for (int j = 0; j < numbers; j++)
			frequencies[j] = Float4GetDatum(statistics->stanumbers[i][j]);
		nulls[Anum_pg_statistic_stanumbers1 - 1 + i] = numbers == 0;
		if (numbers > 0)
			values[Anum_pg_statistic_stanumbers1 - 1 + i] =
				PointerGetDatum(construct_array(frequencies, numbers, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
		nulls[Anum_pg_statistic_stavalues1 - 1 + i] = statistics->numvalues[i] == 0;
		if (statistics->numvalues[i] > 0)
			values[Anum_pg_statistic_stavalues1 - 1 + i] =
				PointerGetDatum(construct_array(statistics->stavalues[i], statistics->numvalues[i], statistics->statypid[i],
												statistics->statyplen[i], statistics->statypbyval[i], statistics->statypalign[i]));
	}
	tuple = heap_form_tuple(desc, values, nulls);
	FreeTupleDesc(desc);
	return tuple;
}

/* There are as many values as there are ids, if that is more than the sample lets one think. */
static void
CountIds(const ColumnStat *column, VacAttrStats *statistics, double total)
{
	Oid			table = column->ids == NULL ? InvalidOid : RelationFind(column->ids, true);
	HeapTuple	class = OidIsValid(table) ? SearchSysCache1(RELOID, ObjectIdGetDatum(table)) : NULL;
	double		found = statistics->stadistinct < 0 ? -statistics->stadistinct * total : statistics->stadistinct;

	if (!HeapTupleIsValid(class))
		return;
	statistics->stadistinct = Max(found, Min(((Form_pg_class) GETSTRUCT(class))->reltuples, total));
	ReleaseSysCache(class);
}

/* Take a sample: its statistics. */
static bool
TakeSample(void *argument)
{
	Sample	   *kept = argument;
	const ColumnStat *column = kept->key.of;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize column sample", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	ColumnSample sample = {0};
	VacAttrStats statistics;

	if (kept->key.part == NULL)
		column->take(column, &sample);
	else if (SampleLockAll(kept->key.relation))
		RunQuery(kept->key.part, &kept->key, scratch, &sample);
	if (sample.count > 0 && Compute(&sample, &statistics))
	{
		CountIds(column, &statistics, sample.total);
		MemoryContextSwitchTo(kept->context);
		kept->found = FormStatistics(&statistics);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return false;
}

/* What pg_statistic would say. */
HeapTuple
ColumnStatOf(const ColumnStat *column, bool ofGroups)
{
	SampleKey	key = {
		.of = column,.part = ofGroups ? column->groups : column->query,
		.relation = RelationFind(column->table, true),
		.readers = column->readers == NULL ? 0 : column->readers()
	};

	return OidIsValid(key.relation) ? SampleGet(&key, column->relation, TakeSample) : NULL;
}

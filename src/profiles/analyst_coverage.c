/*
 * analyst_coverage.c
 *		How many people and events of a day a purpose covers.
 *
 * Whoever reads for a purpose sees the events that may be used for it, and cannot
 * tell what share of all that is.  Here both are counted, and nothing else is said of
 * the others.
 */
#include "postgres.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(personalize_coverage);

/* _coverage(day) → (purpose, people, all_people, events, all_events). */
Datum
personalize_coverage(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {DATEOID};
	Datum		values[] = {PG_GETARG_DATUM(0)};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT p.name, count(DISTINCT e.user_key) FILTER (WHERE (e.mask >> p.bit) & 1 = 1),"
			   " count(DISTINCT e.user_key),"
			   " coalesce(sum(e.events) FILTER (WHERE (e.mask >> p.bit) & 1 = 1), 0)::bigint, sum(e.events)::bigint"
			   " FROM ("
			   "  SELECT e.user_key, personalize_internal._unrestricted(e.consent, e.user_key) AS mask, count(*) AS events"
			   "  FROM personalize.event e"
			   "  WHERE e.received_at >= $1::timestamp AT TIME ZONE 'UTC'"
			   "  AND e.received_at < ($1 + 1)::timestamp AT TIME ZONE 'UTC'"
			   "  GROUP BY 1, 2) e CROSS JOIN personalize.purpose p"
			   " GROUP BY p.name, p.bit ORDER BY p.bit",
			   lengthof(types), types, values, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

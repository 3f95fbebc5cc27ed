/*
 * logged.c
 *		What was shown to people and what came of it, as evaluations read it.
 *
 * Whose requests are looked at is drawn by a hash of keys, so the same question reads the
 * same.  Whose data is restricted for analytics is left out.
 */
#include "postgres.h"

#include "base/key.h"
#include "base/progress.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event_row.h"
#include "events/gone.h"
#include "exposures/request_id.h"
#include "fmgr.h"
#include "funcapi.h"
#include "people/consent.h"
#include "people/identity.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_evaluation_progress);
PG_FUNCTION_INFO_V1(personalize_person_id);
PG_FUNCTION_INFO_V1(personalize_logged_searches);
PG_FUNCTION_INFO_V1(personalize_logged_impressions);
PG_FUNCTION_INFO_V1(personalize_logged_request);
PG_FUNCTION_INFO_V1(personalize_origin_of);

/* Whose data may not be used; $1: the purpose. */
#define IS_RESTRICTED \
	" EXISTS (SELECT FROM personalize.subject AS s WHERE s.user_key = e.user_key AND s.restricted & $1 <> 0)"

/* The result of the first row, copied out of SPI; NULL: there is none. */
static text *
FirstText(MemoryContext context)
{
	MemoryContext spi;
	text	   *result;
	bool		isNull;
	Datum		value;

	if (SPI_processed == 0)
		return NULL;
	value = SpiUtilValue(0, 1, &isNull);
	spi = MemoryContextSwitchTo(context);
	result = isNull ? NULL : DatumGetTextPCopy(value);
	MemoryContextSwitchTo(spi);
	return result;
}

/* _person_id(user_key) */
Datum
personalize_person_id(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {PG_GETARG_DATUM(0)};
	MemoryContext caller = CurrentMemoryContext;
	int64		key = PG_GETARG_INT64(0);
	SpiUtilScope scope;
	text	   *id;

	if (KeyIsNumber(key))
		PG_RETURN_TEXT_P(cstring_to_text(psprintf(INT64_FORMAT, key)));
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT s.user_id FROM personalize.subject AS s WHERE s.user_key = $1",
			   lengthof(types), types, values, NULL, true);
	id = FirstText(caller);
	SpiUtilEnd(&scope);
	if (id == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(id);
}

#define SEARCHES_SQL \
	"SELECT r.user_key, r.at, q.query, r.items, r.scores, r.clicked FROM (" \
	"  SELECT e.user_key, e.request_key, e.query_key, min(e.shown_at) AS at, array_agg(e.item_key ORDER BY e.slot, e.item_key) AS items," \
	"   array_agg(e.score ORDER BY e.slot, e.item_key) AS scores," \
	"   array_agg(e.item_key ORDER BY e.item_key) FILTER (WHERE EXISTS (SELECT FROM personalize.exposure_outcome AS o" \
	"    WHERE o.user_key = e.user_key AND o.attributed_to = e.request_key AND o.item_key = e.item_key)) AS clicked" \
	"  FROM personalize.exposure AS e" \
	"  WHERE e.query_key <> 0 AND e.shown_at >= $2 AND e.shown_at < $3 AND NOT" IS_RESTRICTED \
	"  GROUP BY 1, 2, 3 HAVING count(*) > 1) AS r JOIN personalize.search_query AS q USING (query_key)" \
	" WHERE r.clicked IS NOT NULL ORDER BY hashint8extended(r.request_key, 0), r.user_key, r.at LIMIT $4"

/* _logged_searches(since, until, requests): pages of results of which something was clicked. */
Datum
personalize_logged_searches(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID};
	Datum		values[] = {Int32GetDatum(PURPOSE_ANALYTICS), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, SEARCHES_SQL, lengthof(types), types, values, NULL, true);
	SpiUtilReturnRows((ReturnSetInfo *) fcinfo->resultinfo);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

/*
 * $2 and $3 origins of the engine from and before, $4 and $5 the time, $6 how many requests,
 * $7 the metric, $8 and $9 purchases and carts.
 */
#define IMPRESSIONS_SQL \
	"WITH request AS MATERIALIZED (" \
	"  SELECT e.user_key, e.request_key, min(e.shown_at) AS at, min(e.request_origin) AS origin, max(e.query_key) AS query_key" \
	"  FROM personalize.exposure AS e" \
	"  WHERE e.request_origin >= $2 AND e.request_origin < $3 AND e.shown_at >= $4 AND e.shown_at < $5 AND NOT" IS_RESTRICTED \
	"  GROUP BY 1, 2 ORDER BY hashint8extended(e.user_key, 0), e.user_key, hashint8extended(e.request_key, 0), e.request_key LIMIT $6)" \
	" SELECT r.user_key, r.request_key, r.at, r.origin, q.query, e.item_key, e.slot, e.score, coalesce(d.reward, 0)::float8" \
	" FROM request AS r JOIN personalize.exposure AS e USING (user_key, request_key)" \
	"  LEFT JOIN personalize.search_query AS q ON q.query_key = r.query_key" \
	"  LEFT JOIN LATERAL (" \
	"   SELECT CASE $7 ->> 'metric' WHEN 'revenue' THEN sum(o.amount) / 1e6 WHEN 'purchases' THEN count(*) WHEN 'carts' THEN count(*)" \
	"     ELSE least(count(*), 1) END AS reward" \
	"   FROM personalize.exposure_outcome AS o" \
	"   WHERE o.user_key = e.user_key AND o.attributed_to = e.request_key AND o.item_key = e.item_key" \
	"    AND o.ts < e.shown_at + ($7 ->> 'window')::interval" \
	"    AND CASE $7 ->> 'metric' WHEN 'revenue' THEN o.event = $8 AND personalize_internal._currency(o.currency_code) = $7 ->> 'currency'" \
	"     WHEN 'conversion' THEN o.event = $8 WHEN 'purchases' THEN o.event = $8 WHEN 'carts' THEN o.event = $9" \
	"     WHEN 'found' THEN o.event NOT IN ($8, $9) AND e.slot BETWEEN 1 AND ($7 ->> 'top_k')::numeric" \
	"     ELSE o.event NOT IN ($8, $9) END) AS d ON true"

/* _logged_impressions(engine, since, until, requests, metric) */
Datum
personalize_logged_impressions(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, JSONBOID, INT2OID, INT2OID};
	int			code = RequestEngineCode(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Datum		values[] = {
		Int32GetDatum(PURPOSE_ANALYTICS), Int64GetDatum(RequestFirstOrigin(code)), Int64GetDatum(RequestFirstOrigin(code + 1)),
		PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), PG_GETARG_DATUM(4),
		Int16GetDatum(EVENT_TYPE_PURCHASE), Int16GetDatum(EVENT_TYPE_ADD_TO_CART)
	};
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, IMPRESSIONS_SQL, lengthof(types), types, values, NULL, true);
	SpiUtilReturnRows((ReturnSetInfo *) fcinfo->resultinfo);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

#define REQUEST_SQL \
	"SELECT e.item_key, e.slot, e.score, min(e.shown_at) OVER (), e.request_origin, q.query, e.shown_at < $3, $4," \
	" EXISTS (SELECT FROM personalize.rule AS r WHERE r.created_at > e.shown_at)" \
	" FROM personalize.exposure AS e LEFT JOIN personalize.search_query AS q ON q.query_key = e.query_key" \
	" WHERE e.user_key = $1 AND e.request_key = $2"

/* _logged_request(user_id, request_id): what of an answer was shown to a person. */
Datum
personalize_logged_request(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, TIMESTAMPTZOID, BOOLOID};
	int64		userKey = IdentityKeyArgument(fcinfo, 0, "user_id");
	Datum		values[] = {
		Int64GetDatum(userKey), Int64GetDatum(KeyFromText(PG_GETARG_TEXT_PP(1))), TimestampTzGetDatum(GoneEventsBefore()),
		BoolGetDatum((ConsentMaskOf(userKey) & PURPOSE_RECOMMENDATIONS) != 0)
	};
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, REQUEST_SQL, lengthof(types), types, values, NULL, true);
	SpiUtilReturnRows((ReturnSetInfo *) fcinfo->resultinfo);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

/* _origin_of(request_origin) */
Datum
personalize_origin_of(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	RequestOrigin origin;
	Datum		values[4];
	bool		nulls[lengthof(values)] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	RequestOriginUnpack(PG_GETARG_INT64(0), &origin);
	values[0] = Int32GetDatum(origin.variant);
	values[1] = Int32GetDatum(origin.module);
	values[2] = Int32GetDatum(origin.placeBucket);
	values[3] = Float8GetDatum(origin.propensity);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* _evaluation_progress(replays, total): begin, or without a total one answer more. */
Datum
personalize_evaluation_progress(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		ProgressAdd(1);
	else
		ProgressBegin(PG_GETARG_BOOL(0) ? "replay" : "evaluate_policy", "answers", PG_GETARG_INT64(1));
	PG_RETURN_VOID();
}

/*
 * result.c
 *		What people did who met the variants of an experiment.
 *
 * Everything is made of the tables of exposures when it is asked for: who was shown an
 * answer by the variant that is theirs, and what they did within a metric's time after
 * they first were.  So late, duplicate and forgotten events need no care here.  Sums are of
 * whole numbers and exact, in whatever order rows come.
 */
#include "postgres.h"

#include "base/argument.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "experiments/experiment.h"
#include "exposures/request_id.h"
#include "fmgr.h"
#include "funcapi.h"
#include "people/purpose.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_experiment_arm);
PG_FUNCTION_INFO_V1(personalize_experiment_moments);

/* An answer by another variant than the person's. */
#define ARM_OTHER (-1)

/*
 * _experiment_arm(experiment, user_key, request_origin, shown_at): the place of the variant
 * that an answer counts for; NULL: the person was in none then.  The plan of a shop
 * asks without an experiment: everybody counts for one.
 */
Datum
personalize_experiment_arm(PG_FUNCTION_ARGS)
{
	const Experiment *experiment;
	const ExperimentVariant *variant;
	ExperimentReason reason;
	RequestOrigin origin;

	if (PG_ARGISNULL(0))
		PG_RETURN_INT32(0);
	experiment = ExperimentFind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	variant = ExperimentAssign(experiment, PG_GETARG_INT64(1), PG_GETARG_TIMESTAMPTZ(3), &reason);
	if (variant == NULL || ExperimentForced(experiment, PG_GETARG_INT64(1)) != NULL)
		PG_RETURN_NULL();
	RequestOriginUnpack(PG_GETARG_INT64(2), &origin);
	PG_RETURN_INT32(origin.variant == (uint16) variant->id ? variant->ordinal : ARM_OTHER);
}

/*
 * $1 experiment, $2 and $3 origins of its engine's answers from and before, $4 and $5 the time
 * people came in, $6 metrics, $7 until when is known what they did, $8 and $9 purchases and
 * carts, $10 the restriction that counts.
 */
#define MOMENTS_SQL \
	"WITH shown AS (" \
	"  SELECT e.user_key, personalize_internal._experiment_arm($1, e.user_key, e.request_origin, e.shown_at) AS arm, e.shown_at" \
	"  FROM personalize.exposure AS e" \
	"  WHERE e.request_origin >= $2 AND e.request_origin < $3 AND e.shown_at >= $4 AND e.shown_at <= $5)," \
	" person AS MATERIALIZED (" \
	"  SELECT a.user_key, a.arm, min(a.shown_at) AS since, count(*) AS exposures FROM shown AS a" \
	"  WHERE a.arm IS NOT NULL AND NOT EXISTS (SELECT FROM personalize.subject AS s" \
	"   WHERE s.user_key = a.user_key AND s.restricted & $10 <> 0)" \
	"  GROUP BY 1, 2)," \
	" metric AS MATERIALIZED (" \
	"  SELECT m.no::integer AS no, m.v ->> 'metric' AS kind, (m.v ->> 'window')::interval AS within, (m.v ->> 'before')::interval AS before," \
	"   (m.v ->> 'winsor')::float8 AS winsor, (m.v ->> 'top_k')::integer AS top_k," \
	"   m.v ->> 'currency' AS currency" \
	"  FROM jsonb_array_elements($6) WITH ORDINALITY AS m (v, no))," \
	" done AS (" \
	"  SELECT p.user_key, p.arm, p.since, o.ts, m.no, m.kind, m.winsor," \
	"   CASE m.kind WHEN 'revenue' THEN o.amount ELSE 1 END AS amount" \
	"  FROM person AS p JOIN personalize.exposure_outcome AS o USING (user_key) JOIN metric AS m ON" \
	"   CASE m.kind WHEN 'revenue' THEN o.event = $8 AND personalize_internal._currency(o.currency_code) = m.currency" \
	"    WHEN 'conversion' THEN o.event = $8 WHEN 'purchases' THEN o.event = $8 WHEN 'carts' THEN o.event = $9" \
	"    ELSE o.event NOT IN ($8, $9) AND EXISTS (SELECT FROM personalize.exposure AS e" \
	"     WHERE e.user_key = o.user_key AND e.request_key = o.attributed_to AND e.item_key = o.item_key" \
	"      AND e.request_origin >= $2 AND e.request_origin < $3" \
	"      AND (m.kind = 'clicks' OR e.slot BETWEEN 1 AND m.top_k)) END" \
	"  WHERE p.arm >= 0 AND o.ts >= p.since - m.before AND o.ts < p.since + m.within AND o.ts <= $7)," \
	" summed AS (" \
	"  SELECT d.no, d.arm, d.kind, d.winsor, sum(d.amount) FILTER (WHERE d.ts >= d.since) AS y," \
	"   sum(d.amount) FILTER (WHERE d.ts < d.since) AS x FROM done AS d GROUP BY d.user_key, d.no, d.arm, d.kind, d.winsor)," \
	" cap AS (" \
	"  SELECT s.no, percentile_disc(s.winsor) WITHIN GROUP (ORDER BY s.y) AS most" \
	"  FROM summed AS s WHERE s.y > 0 AND s.winsor < 1 GROUP BY s.no, s.winsor)," \
	" capped AS (" \
	"  SELECT s.no, s.arm, CASE s.kind WHEN 'conversion' THEN least(coalesce(s.y, 0), 1) ELSE least(coalesce(s.y, 0), c.most) END AS y," \
	"   CASE s.kind WHEN 'conversion' THEN least(coalesce(s.x, 0), 1) ELSE least(coalesce(s.x, 0), c.most) END AS x" \
	"  FROM summed AS s LEFT JOIN cap AS c USING (no))," \
	" total AS (" \
	"  SELECT c.no, c.arm, sum(c.y) AS y, sum(c.y * c.y) AS yy, sum(c.x) AS x, sum(c.x * c.x) AS xx, sum(c.x * c.y) AS xy" \
	"  FROM capped AS c GROUP BY 1, 2)," \
	" met AS (" \
	"  SELECT p.arm, count(*) AS people, sum(p.exposures)::bigint AS exposures FROM person AS p GROUP BY 1)" \
	" SELECT m.no, a.arm, a.people, a.exposures, coalesce(t.y, 0), coalesce(t.yy, 0), coalesce(t.x, 0), coalesce(t.xx, 0), coalesce(t.xy, 0)" \
	" FROM metric AS m CROSS JOIN met AS a LEFT JOIN total AS t ON t.no = m.no AND t.arm = a.arm ORDER BY 1, 2"

/*
 * _experiment_moments(experiment, engine, since, until, metrics, as_of): sums of each metric
 * over the people of each variant.
 */
Datum
personalize_experiment_moments(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID, TIMESTAMPTZOID, INT2OID, INT2OID, INT4OID};
	bool		all = PG_ARGISNULL(1);
	int			code = all ? 0 : RequestEngineCode(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	Datum		values[] = {
		PG_GETARG_DATUM(0), Int64GetDatum(RequestFirstOrigin(code)),
		Int64GetDatum(RequestFirstOrigin(all ? REQUEST_MAX_CODE + 1 : code + 1)),
		PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), PG_GETARG_DATUM(4), PG_GETARG_DATUM(5),
		Int16GetDatum(EVENT_TYPE_PURCHASE), Int16GetDatum(EVENT_TYPE_ADD_TO_CART), Int32GetDatum(PURPOSE_ANALYTICS)
	};
	char		nulls[] = "          ";
	SpiUtilScope scope;

	for (int i = 2; i <= 5; i++)
		if (PG_ARGISNULL(i))
			elog(ERROR, "argument %d of _experiment_moments is null", i);
	if (PG_ARGISNULL(0))
		nulls[0] = 'n';
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, MOMENTS_SQL, lengthof(types), types, values, nulls, true);
	SpiUtilReturnRows((ReturnSetInfo *) fcinfo->resultinfo);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

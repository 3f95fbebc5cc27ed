/*
 * result.c
 *		What people did who met the variants of an experiment.
 *
 * Everything is made of the tables of exposures, and for signals of the raw events, when
 * it is asked for (outcome.c): who was
 * shown an answer by the variant that is theirs, and what they did within a metric's time
 * after they first were.  So late, duplicate and forgotten events need no care here.  Sums are of
 * whole numbers and exact, in whatever order rows come.
 */
#include "postgres.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "experiments/experiment.h"
#include "exposures/request_id.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_experiment_arm);
PG_FUNCTION_INFO_V1(personalize_experiment_moments);

/* An answer by another variant than the person's. */
#define ARM_OTHER (-1)

/*
 * _experiment_arm(experiment, user_key, request_origin, shown_at): the place of the variant
 * that an answer counts for; NULL: the person was in none then.
 */
Datum
personalize_experiment_arm(PG_FUNCTION_ARGS)
{
	const Experiment *experiment;
	const ExperimentVariant *variant;
	TimestampTz takesPart;
	RequestOrigin origin;

	experiment = ExperimentFind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	variant = ExperimentPlace(experiment, PG_GETARG_INT64(1), &takesPart);
	if (variant == NULL || PG_GETARG_TIMESTAMPTZ(3) < takesPart || !ExperimentIsRunning(experiment, PG_GETARG_TIMESTAMPTZ(3)) ||
		ExperimentForced(experiment, PG_GETARG_INT64(1)) != NULL)
		PG_RETURN_NULL();
	RequestOriginUnpack(PG_GETARG_INT64(2), &origin);
	PG_RETURN_INT32(origin.variant == (uint16) variant->id ? variant->ordinal : ARM_OTHER);
}

/*
 * $1 experiment, $2 and $3 origins of its engine's answers from and before, $4 and $5 the time
 * people came in, $6 metrics, $7 until when is known what they did.
 */
#define MOMENTS_SQL \
	"WITH metric AS MATERIALIZED (" \
	"  SELECT m.no::integer AS no, m.v ->> 'metric' AS kind, (m.v ->> 'window')::interval AS within, (m.v ->> 'before')::interval AS before," \
	"   (m.v ->> 'winsor')::float8 AS winsor, (m.v ->> 'top_k')::integer AS top_k, m.v ->> 'currency' AS currency," \
	"   m.v ->> 'signal' AS signal, m.v ->> 'value' AS value, m.v ->> 'aggregate' = 'sum' AS sums" \
	"  FROM jsonb_array_elements($6) WITH ORDINALITY AS m (v, no))," \
	" done AS MATERIALIZED (" \
	"  SELECT d.* FROM (SELECT array_agg(m.kind ORDER BY m.no) AS kinds, array_agg(m.currency ORDER BY m.no) AS currencies," \
	"    array_agg(m.within ORDER BY m.no) AS within, array_agg(m.before ORDER BY m.no) AS before, array_agg(m.top_k ORDER BY m.no) AS top," \
	"    array_agg(m.signal ORDER BY m.no) AS signals, array_agg(m.value ORDER BY m.no) AS values, array_agg(m.sums ORDER BY m.no) AS sums" \
	"    FROM metric AS m) AS a," \
	"   LATERAL personalize_internal._experiment_outcomes($1, $2, $3, $4, $5, $7, a.kinds, a.currencies, a.within, a.before, a.top, a.signals, a.values, a.sums) AS d)," \
	" summed AS (" \
	"  SELECT d.metric AS no, d.ordinal AS arm, sum(d.amount) FILTER (WHERE NOT d.before) AS y, sum(d.amount) FILTER (WHERE d.before) AS x" \
	"  FROM done AS d WHERE d.users IS NULL GROUP BY d.user_key, d.metric, d.ordinal)," \
	" cap AS (" \
	"  SELECT s.no, percentile_disc(m.winsor) WITHIN GROUP (ORDER BY s.y) AS most" \
	"  FROM summed AS s JOIN metric AS m USING (no) WHERE s.y > 0 AND m.winsor < 1 GROUP BY s.no, m.winsor)," \
	" capped AS (" \
	"  SELECT s.no, s.arm, least(coalesce(s.y, 0), c.most) AS y, least(coalesce(s.x, 0), c.most) AS x" \
	"  FROM summed AS s JOIN (SELECT m.no, CASE m.kind WHEN 'conversion' THEN 1 ELSE p.most END AS most" \
	"   FROM metric AS m LEFT JOIN cap AS p USING (no)) AS c USING (no))," \
	" total AS (" \
	"  SELECT c.no, c.arm, sum(c.y) AS y, sum(c.y * c.y) AS yy, sum(c.x) AS x, sum(c.x * c.x) AS xx, sum(c.x * c.y) AS xy" \
	"  FROM capped AS c GROUP BY 1, 2)" \
	" SELECT m.no, a.ordinal, a.users, a.exposures, coalesce(t.y, 0), coalesce(t.yy, 0), coalesce(t.x, 0), coalesce(t.xx, 0), coalesce(t.xy, 0)," \
	"  coalesce(k.users, 0), coalesce(k.exposures, 0)" \
	" FROM metric AS m JOIN done AS a ON a.metric = 0 LEFT JOIN total AS t ON t.no = m.no AND t.arm = a.ordinal" \
	"  LEFT JOIN done AS k ON k.metric = m.no AND k.users IS NOT NULL ORDER BY 1, 2"

/*
 * _experiment_moments(experiment, engine, since, until, metrics, as_of): sums of each metric
 * over the people of each variant.
 */
Datum
personalize_experiment_moments(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID, TIMESTAMPTZOID};
	bool		all = PG_ARGISNULL(1);
	int			code = all ? 0 : RequestEngineCode(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	Datum		values[] = {
		PG_GETARG_DATUM(0), Int64GetDatum(RequestFirstOrigin(code)),
		Int64GetDatum(RequestFirstOrigin(all ? REQUEST_MAX_CODE + 1 : code + 1)),
		PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), PG_GETARG_DATUM(4), PG_GETARG_DATUM(5)
	};
	char		nulls[] = "       ";
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

-- result: what people did who met the variants of an experiment.
CREATE FUNCTION personalize_internal._experiment_arm(experiment text, user_key bigint, request_origin bigint, shown_at timestamptz) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_experiment_arm' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._experiment_arm(text, bigint, bigint, timestamptz) IS
	'the variant (experiment_variant.ordinal) that an answer counts for; -1: it was made by another than the person''s; NULL: the person had none then, or is forced to one';
CREATE FUNCTION personalize_internal._experiment_outcomes(experiment text, first_origin bigint, end_origin bigint, since timestamptz, until timestamptz,
	as_of timestamptz, kinds text[], currencies text[], within interval[], before interval[], top integer[], signals text[], signal_values text[], sums boolean[])
	RETURNS TABLE (metric integer, ordinal integer, user_key bigint, amount bigint, before boolean, users bigint, exposures bigint)
	AS 'MODULE_PATHNAME', 'personalize_experiment_outcomes' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 100000 COST 1000000;
COMMENT ON FUNCTION personalize_internal._experiment_outcomes(text, bigint, bigint, timestamptz, timestamptz, timestamptz, text[], text[], interval[], interval[], integer[], text[], text[], boolean[]) IS
	'what people did up to as_of who were shown answers of these origins between since and until by the variant (ordinal) that is theirs: a row for each thing that counts for a metric, by its place from 1; before: before they first were. Metric 0: how many people, and items they were shown; ordinal -1: by another variant than theirs. Metrics of signals have in users, too, of how many people raw events after they first were may be gone, and in exposures, before or after. experiment NULL: everybody, as ordinal 0';
CREATE FUNCTION personalize_internal._experiment_moments(experiment text, engine text, since timestamptz, until timestamptz, metrics jsonb, as_of timestamptz)
	RETURNS TABLE (metric integer, ordinal integer, users bigint, exposures bigint, y numeric, yy numeric, x numeric, xx numeric, xy numeric, cut bigint, cut_before bigint)
	AS 'MODULE_PATHNAME', 'personalize_experiment_moments' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._experiment_moments(text, text, timestamptz, timestamptz, jsonb, timestamptz) IS
	'per metric and variant the people who were shown its answers between since and until, and sums of what they did up to as_of: y after they first were, x before; ordinal -1: people with answers of another variant than theirs; cut: people of all variants whose raw events after may be gone, cut_before: before or after';

CREATE FUNCTION personalize_internal._days_run(runs tstzmultirange, as_of timestamptz) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(sum(extract(epoch FROM least(coalesce(upper(r), as_of), as_of) - lower(r))) / 86400, 0)::float8
	FROM unnest(runs) AS r WHERE lower(r) < as_of;
END;
COMMENT ON FUNCTION personalize_internal._days_run(tstzmultirange, timestamptz) IS 'days that an experiment has run by then, without its pauses';

CREATE FUNCTION personalize_internal._verdict(metric jsonb, days double precision, users bigint, control double precision[],
	lift double precision, low double precision, p_value double precision, high double precision, alpha double precision) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	good boolean := (metric ->> 'direction' = 'up') = (lift > 0);
	mean double precision;
	deviation double precision;
	needed double precision;
BEGIN
	IF lift IS NULL THEN
		RETURN 'not enough data';
	ELSIF p_value <= alpha AND NOT good THEN
		RETURN 'worse';
	ELSIF days < 7 THEN
		RETURN format('too early: about %s more days to a full week', ceil(7 - days));
	ELSIF p_value <= alpha THEN
		RETURN 'better';
	ELSIF (metric ->> 'guard_rail')::boolean
		AND (CASE metric ->> 'direction' WHEN 'up' THEN low >= -(metric ->> 'margin')::float8 ELSE high <= (metric ->> 'margin')::float8 END) THEN
		RETURN 'no harm';
	END IF;
	mean := control[2] / control[1];
	deviation := sqrt(greatest((control[3] - control[2] * mean) / (control[1] - 1), 0));
	IF deviation = 0 OR users = 0 THEN
		RETURN 'not enough data';
	END IF;
	needed := personalize_internal._plan_users(abs(mean), deviation, (metric ->> 'mde')::float8, 0.8, alpha);
	IF users >= needed THEN
		RETURN format('no difference of %s %% or more found', round((metric ->> 'mde')::numeric * 100, 2)::float8);
	END IF;
	RETURN format('not enough data: about %s more days', ceil((needed - users) / (users / days)));
END
$$;
COMMENT ON FUNCTION personalize_internal._verdict(jsonb, double precision, bigint, double precision[], double precision, double precision, double precision, double precision, double precision) IS
	'what experiment_results() says of a variant and a metric';

CREATE FUNCTION personalize.experiment_results(name text, as_of timestamptz DEFAULT NULL)
	RETURNS TABLE (metric text, variant text, users bigint, exposures bigint, mean double precision,
		lift double precision, low double precision, high double precision, p_value double precision,
		adjusted_lift double precision, adjusted_low double precision, adjusted_high double precision, adjusted_p_value double precision,
		sample_ratio_p double precision, days double precision, verdict text, warnings text[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	e personalize.experiment := personalize_internal._experiment_known(experiment_results.name);
	at timestamptz := coalesce(experiment_results.as_of, now());
	ran double precision;
BEGIN
	IF NOT isfinite(at) THEN
		RAISE EXCEPTION 'as_of must be finite' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	ran := personalize_internal._days_run(e.runs, at);
	RETURN QUERY
	WITH moment AS MATERIALIZED (
		SELECT * FROM personalize_internal._experiment_moments(e.name, e.engine, coalesce(lower(e.runs), 'infinity'), at, e.metrics, at)),
	arm AS (
		SELECT m.no, m.v, v.ordinal, v.variant, v.share, coalesce(o.users, 0) AS users, coalesce(o.exposures, 0) AS exposures, o.y,
			personalize_internal._metric_unit(m.v) AS unit, coalesce(o.cut, 0) AS cut, coalesce(o.cut_before, 0) AS cut_before,
			m.v ? 'signal' AND NOT EXISTS (SELECT FROM personalize.signal_status AS s WHERE s.name = m.v ->> 'signal' AND s.enabled) AS lost,
			ARRAY[coalesce(o.users, 0), coalesce(o.y, 0), coalesce(o.yy, 0), coalesce(o.x, 0), coalesce(o.xx, 0), coalesce(o.xy, 0)]::float8[] AS sums,
			(m.v ->> 'alpha')::float8 / (count(*) OVER (PARTITION BY m.no) - 1) AS alpha,
			(m.v ->> 'users')::float8 AS tuned
		FROM jsonb_array_elements(e.metrics) WITH ORDINALITY AS m (v, no)
			JOIN personalize.experiment_variant AS v ON v.experiment = e.name
			LEFT JOIN moment AS o ON o.metric = m.no AND o.ordinal = v.ordinal),
	ratio AS (
		SELECT personalize_internal._sample_ratio(array_agg(a.users::float8 ORDER BY a.ordinal), array_agg(a.share ORDER BY a.ordinal)) AS p
		FROM arm AS a WHERE a.no = 1),
	compared AS (
		SELECT a.*, c.sums AS control, l.lift, l.low, l.high, l.p_value, j.lift AS jlift, j.low AS jlow, j.high AS jhigh, j.p_value AS jp
		FROM arm AS a JOIN arm AS c ON c.no = a.no AND c.ordinal = 0
			LEFT JOIN LATERAL personalize_internal._lift(c.sums, a.sums, false, a.alpha, a.tuned) AS l ON a.ordinal > 0
			LEFT JOIN LATERAL personalize_internal._lift(c.sums, a.sums, true, a.alpha, a.tuned) AS j ON a.ordinal > 0)
	SELECT personalize_internal._metric_name(c.v), c.variant, c.users, c.exposures, CASE WHEN NOT c.lost THEN (c.y / nullif(c.users, 0) / c.unit)::float8 END,
		c.lift, c.low, c.high, c.p_value, c.jlift, c.jlow, c.jhigh, c.jp, r.p, ran,
		CASE WHEN c.ordinal = 0 THEN 'control'
			WHEN r.p < 0.001 THEN 'do not trust: numbers of people are not as planned'
			ELSE personalize_internal._verdict(c.v, ran, c.users, c.control, c.jlift, c.jlow, c.jp, c.jhigh, c.alpha) END,
		array_remove(ARRAY[
			CASE WHEN r.p < 0.001 THEN format('numbers of people are not as planned (p = %s): are answers of all variants tracked alike?', round(r.p::numeric, 6)) END,
			(SELECT format('%s items were shown by another variant than the person''s: who names one?', o.exposures)
				FROM moment AS o WHERE o.metric = c.no AND o.ordinal = -1),
			CASE WHEN ran > 7 AND ran - 7 * floor(ran / 7) BETWEEN 0.5 AND 6.5 THEN 'not full weeks: days of the week count unequally' END,
			CASE WHEN c.lost
				THEN format('signal "%s" is dropped or disabled: nothing is counted', c.v ->> 'signal') END,
			CASE WHEN c.cut > 0 THEN format('raw events are gone: what %s people did after they came in is not all counted', c.cut)
				WHEN c.cut_before > 0 THEN format('raw events are gone: what %s people did before they came in is not all counted', c.cut_before) END,
			(SELECT format('worse by guard rail %s', string_agg(personalize_internal._metric_name(g.v), ', ' ORDER BY g.no)) FROM compared AS g
				WHERE g.ordinal = c.ordinal AND (g.v ->> 'guard_rail')::boolean AND g.jp <= g.alpha
					AND (g.jlift > 0) <> (g.v ->> 'direction' = 'up') HAVING count(*) > 0)], NULL)
	FROM compared AS c, ratio AS r ORDER BY c.no, c.ordinal;
END
$$;
COMMENT ON FUNCTION personalize.experiment_results(text, timestamptz) IS
	'what came of an experiment by as_of (NULL: now), a row a metric and variant. users: people who allow analytics and were shown answers by their variant; exposures: how many items of these; mean: of the metric a user, revenue in its currency, of a signal as its raw events that are there say (a warning tells of how many people some are gone); lift: relative difference from the control, with an interval and a p-value that hold however often one looks (Howard, Ramdas, McAuliffe, Sekhon 2021), each of several variants at its part of alpha; adjusted_...: the same by what people did before (CUPED), on which the verdict is based; sample_ratio_p: p-value of numbers of people as they are (chi-squared), below 0.001 something is wrong; days: it has run, without pauses. Of what has been counted by the processor exposure: events, late or twice, and people forgotten are as in its tables. Errors: 42704 unknown experiment, 22023 as_of is infinite';

CREATE FUNCTION personalize.experiment_plan(metric text, mde double precision DEFAULT 0.05, power double precision DEFAULT 0.8,
	engine text DEFAULT NULL, traffic double precision DEFAULT 1, variants integer DEFAULT 2, as_of timestamptz DEFAULT NULL,
	OUT users_a_variant bigint, OUT users bigint, OUT users_a_day double precision, OUT days bigint, OUT mean double precision, OUT deviation double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m jsonb := personalize_internal._metric_argument(metric, 'conversion');
	at timestamptz := coalesce(as_of, now());
	span interval := '28 days';
	known record;
	unit numeric := personalize_internal._metric_unit(m);
BEGIN
	IF coalesce(variants, 2) NOT BETWEEN 2 AND 16 THEN
		RAISE EXCEPTION 'variants is %, not between 2 and 16', variants USING ERRCODE = 'invalid_parameter_value';
	ELSIF NOT isfinite(at) THEN
		RAISE EXCEPTION 'as_of must be finite' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM personalize_internal._check_share('traffic', coalesce(traffic, 1));
	PERFORM personalize_internal._find_variant(engine, 'shipped') WHERE engine IS NOT NULL;
	-- also where nothing is known yet, mde and power are refused that could not be meant
	PERFORM personalize_internal._plan_users(1, 1, coalesce(mde, 0.05), coalesce(power, 0.8), (m ->> 'alpha')::float8);
	SELECT x.users, x.y, x.yy, x.cut INTO known
		FROM personalize_internal._experiment_moments(NULL, engine, at - span - (m ->> 'window')::interval, at - (m ->> 'window')::interval, jsonb_build_array(m), at) x;
	IF known.cut > 0 THEN
		RAISE WARNING 'raw events are gone: what % of % people did is not all counted', known.cut, known.users
			USING HINT = 'Keep them longer with set_retention(''raw'', ...), or take a shorter window.';
	END IF;
	users_a_day := coalesce(known.users, 0) / 28.0;
	IF coalesce(known.users, 0) < 2 OR known.y = 0 THEN
		RETURN;
	END IF;
	mean := known.y / known.users / unit;
	deviation := sqrt(greatest((known.yy - known.y * known.y / known.users) / (known.users - 1), 0)) / unit;
	IF deviation = 0 THEN
		RETURN;
	END IF;
	users_a_variant := personalize_internal._plan_users(abs(mean), deviation, coalesce(mde, 0.05), coalesce(power, 0.8),
		(m ->> 'alpha')::float8 / (coalesce(variants, 2) - 1));
	users := users_a_variant * coalesce(variants, 2);
	days := 7 * ceil(users / (users_a_day * coalesce(traffic, 1)) / 7);
END
$$;
COMMENT ON FUNCTION personalize.experiment_plan(text, double precision, double precision, text, double precision, integer, timestamptz) IS
	'how long an experiment must run, from the people of the shop''s last four weeks whose time of the metric is over. metric: one of create_experiment(), by its name or as an object; mde: the relative difference that is to be found, with probability power; engine: only people with its answers (NULL: of any); traffic, variants: as in create_experiment(). users: in all, also for the key users of the metric; days: full weeks; mean and deviation: of the metric a user. NULLs if the shop does not know yet; a warning if raw events of the time are gone that a signal would have counted. Errors: 22023 a value out of range, 42704 unknown engine or signal';

REVOKE ALL ON FUNCTION
	personalize_internal._experiment_arm(text, bigint, bigint, timestamptz),
	personalize_internal._experiment_outcomes(text, bigint, bigint, timestamptz, timestamptz, timestamptz, text[], text[], interval[], interval[], integer[], text[], text[], boolean[]),
	personalize_internal._experiment_moments(text, text, timestamptz, timestamptz, jsonb, timestamptz),
	personalize_internal._days_run(tstzmultirange, timestamptz),
	personalize_internal._verdict(jsonb, double precision, bigint, double precision[], double precision, double precision, double precision, double precision, double precision),
	personalize.experiment_results(text, timestamptz),
	personalize.experiment_plan(text, double precision, double precision, text, double precision, integer, timestamptz)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._experiment_outcomes(text, bigint, bigint, timestamptz, timestamptz, timestamptz, text[], text[], interval[], interval[], integer[], text[], text[], boolean[]),
	personalize_internal._experiment_moments(text, text, timestamptz, timestamptz, jsonb, timestamptz),
	personalize_internal._days_run(tstzmultirange, timestamptz),
	personalize_internal._verdict(jsonb, double precision, bigint, double precision[], double precision, double precision, double precision, double precision, double precision)
	TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize_internal._experiment_arm(text, bigint, bigint, timestamptz) TO personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.experiment_results(text, timestamptz),
	personalize.experiment_plan(text, double precision, double precision, text, double precision, integer, timestamptz)
	TO personalize_analyst, personalize_admin;

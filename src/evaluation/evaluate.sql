-- evaluate: what a variant would have earned, from what was logged.
CREATE FUNCTION personalize_internal._list_rounds(engine text, variant text, since timestamptz, until timestamptz, requests integer, metric jsonb)
	RETURNS TABLE (no bigint, user_key bigint, action bigint, place integer, reward double precision, propensity double precision,
		choices bigint[], chances double precision[], supported double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH logged AS MATERIALIZED (
		SELECT row_number() OVER (ORDER BY l.user_key, l.request_key, l.item_key) AS no, l.*
		FROM personalize_internal._logged_impressions(_list_rounds.engine, _list_rounds.since, _list_rounds.until, _list_rounds.requests, _list_rounds.metric) AS l WHERE l.slot > 0),
	request AS MATERIALIZED (
		SELECT l.user_key, l.request_key, min(l.at) - interval '1 microsecond' AS at, min(l.request_origin) AS origin, max(l.query) AS query,
			least(max(l.slot), 1000)::integer AS places, array_agg(l.item_key ORDER BY l.slot, l.item_key) AS items, array_agg(l.score ORDER BY l.slot, l.item_key) AS scores
		FROM logged AS l GROUP BY 1, 2),
	policy AS MATERIALIZED (
		SELECT r.user_key, r.request_key, p.variant, p.chance FROM request AS r, LATERAL personalize_internal._logged_policies(_list_rounds.engine, r.user_key, r.at, r.origin) AS p),
	ask AS MATERIALIZED (
		SELECT p.user_key, p.request_key, p.variant FROM policy AS p WHERE p.variant IS NOT NULL
		UNION SELECT r.user_key, r.request_key, _list_rounds.variant FROM request AS r),
	begun AS MATERIALIZED (SELECT personalize_internal._evaluation_progress(false, count(*)) FROM ask),
	answer AS MATERIALIZED (
		SELECT a.user_key, a.request_key, a.variant, personalize_internal._ask_again(_list_rounds.engine, a.variant, personalize_internal._person_id(a.user_key), r.at, r.places, NULL, r.query, r.items, r.scores) AS items
		FROM begun, ask AS a JOIN request AS r USING (user_key, request_key), LATERAL personalize_internal._evaluation_progress(false, CASE WHEN r.at IS NULL THEN 0 END) AS told)
	SELECT l.no, l.user_key, l.item_key, l.slot::integer, l.reward, sum(p.chance) FILTER (WHERE a.items[l.slot] = l.item_key),
		array_remove(ARRAY[e.items[l.slot]], NULL), CASE WHEN e.items[l.slot] IS NULL THEN '{}' ELSE ARRAY[1::float8] END,
		(e.items[l.slot] IS NULL OR coalesce(bool_or(a.items[l.slot] = e.items[l.slot]), false))::integer::float8
	FROM logged AS l JOIN answer AS e ON e.user_key = l.user_key AND e.request_key = l.request_key AND e.variant = _list_rounds.variant
		LEFT JOIN policy AS p ON p.user_key = l.user_key AND p.request_key = l.request_key
		LEFT JOIN answer AS a ON a.user_key = p.user_key AND a.request_key = p.request_key AND a.variant = p.variant
	GROUP BY l.no, l.user_key, l.item_key, l.slot, l.reward, e.items;
END
$$;
COMMENT ON FUNCTION personalize_internal._list_rounds(text, text, timestamptz, timestamptz, integer, jsonb) IS
	'what was shown by an engine that returns a list, a row an item: action: the item; place: its slot; propensity: the chance with which the experiment would have shown it there, by answers of all its variants as of then (NULL: none of them gives it again); choices: what the variant gives in that place; supported: 1 if the log could have shown that';

CREATE FUNCTION personalize_internal._page_propensity(logged double precision, chance double precision, untried double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN untried > 0 THEN least(logged * chance / untried, 1) END;
END;
COMMENT ON FUNCTION personalize_internal._page_propensity(double precision, double precision, double precision) IS
	'the chance with which a module had its shelf. logged: that of the request_id, among the modules that had not been tried before it, of which some may have had too few items; chance and untried: what _page_chances() says of it, by counters of other days, among those that had enough, and among those that had not been tried';

CREATE FUNCTION personalize_internal._page_rounds(engine text, variant text, since timestamptz, until timestamptz, requests integer, metric jsonb)
	RETURNS TABLE (no bigint, user_key bigint, action bigint, place integer, reward double precision, propensity double precision,
		choices bigint[], chances double precision[], supported double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH shelf AS MATERIALIZED (
		SELECT row_number() OVER (ORDER BY l.user_key, l.request_key) AS no, l.user_key, min(l.at) - interval '1 microsecond' AS at, min(l.request_origin) AS origin, sum(l.reward) AS reward
		FROM personalize_internal._logged_impressions(_page_rounds.engine, _page_rounds.since, _page_rounds.until, _page_rounds.requests, _page_rounds.metric) AS l GROUP BY l.user_key, l.request_key),
	begun AS MATERIALIZED (SELECT personalize_internal._evaluation_progress(false, 2 * count(*)) FROM shelf),
	logged AS MATERIALIZED (
		SELECT s.*, o.module, o.place_bucket, o.propensity, personalize_internal._variant_name(_page_rounds.engine, o.variant) AS variant, m.page, personalize_internal._person_id(s.user_key)::personalize.entity_id AS person
		FROM begun, shelf AS s, LATERAL personalize_internal._origin_of(s.origin) AS o LEFT JOIN personalize.page_module AS m ON m.number = o.module / 8),
	beside AS (
		SELECT l.no, b.place_bucket, b.module, b.at, row_number() OVER (PARTITION BY l.no, b.place_bucket ORDER BY abs(extract(epoch FROM b.at - l.at)), b.no) AS nearness,
			row_number() OVER (PARTITION BY l.no, b.module ORDER BY abs(extract(epoch FROM b.at - l.at)), b.no) AS again
		FROM logged AS l JOIN logged AS b ON b.user_key = l.user_key AND b.page = l.page AND b.variant = l.variant AND b.module <> l.module
			AND b.at BETWEEN l.at - interval '30 minutes' AND l.at + interval '30 minutes'
			AND (b.place_bucket < l.place_bucket OR b.place_bucket = l.place_bucket AND l.place_bucket > 4 AND (b.at, b.no) < (l.at, l.no))),
	found AS MATERIALIZED (
		SELECT l.*, coalesce(a.placed, '{}') || l.module % 8 AS placed
		FROM logged AS l LEFT JOIN (SELECT b.no, array_agg(b.module ORDER BY b.place_bucket, b.at) AS placed FROM beside AS b
			WHERE b.again = 1 AND (b.nearness = 1 OR b.place_bucket > 4) GROUP BY 1) AS a USING (no)
		WHERE l.page IS NOT NULL AND l.variant IS NOT NULL AND l.person IS NOT NULL AND l.place_bucket > 0
			AND CASE WHEN l.place_bucket <= 4 THEN coalesce(cardinality(a.placed), 0) = l.place_bucket - 1
				ELSE cardinality(a.placed) BETWEEN 2 ^ (l.place_bucket - 3) AND 2 ^ (l.place_bucket - 2) - 1 END),
	chance AS MATERIALIZED (
		SELECT f.no, p.evaluated, c.module, c.chance, c.untried
		FROM found AS f CROSS JOIN (VALUES (false), (true)) AS p (evaluated), LATERAL personalize_internal._evaluation_progress(false, CASE WHEN f.at IS NULL THEN 0 END) AS told,
			LATERAL personalize_internal._page_chances(f.person, f.page, f.placed, 12, f.at, CASE WHEN p.evaluated THEN _page_rounds.variant ELSE f.variant END) AS c
		WHERE c.shelf = cardinality(f.placed) AND c.chance > 0),
	chosen AS MATERIALIZED (
		SELECT c.no, array_agg(c.module::bigint ORDER BY c.module) AS choices, array_agg(c.chance ORDER BY c.module) AS chances,
			coalesce(sum(c.chance) FILTER (WHERE EXISTS (SELECT FROM logged AS l WHERE l.module = c.module AND l.place_bucket = f.place_bucket)), 0) / sum(c.chance) AS supported
		FROM chance AS c JOIN found AS f USING (no) WHERE c.evaluated GROUP BY c.no)
	SELECT l.no, l.user_key, l.module::bigint, l.place_bucket, l.reward, CASE WHEN s.no IS NOT NULL THEN personalize_internal._page_propensity(l.propensity, s.chance, s.untried) END,
		coalesce(c.choices, '{}'), coalesce(c.chances, '{}'), coalesce(c.supported, 0)
	FROM logged AS l LEFT JOIN chance AS s ON s.no = l.no AND NOT s.evaluated AND s.module = l.module LEFT JOIN chosen AS c ON c.no = l.no;
END
$$;
COMMENT ON FUNCTION personalize_internal._page_rounds(text, text, timestamptz, timestamptz, integer, jsonb) IS
	'what was shown by homepage(), a row a shelf: action: the module; place: the bucket of the shelf; propensity: that of the request_id (_page_propensity; NULL: what stood above is not logged, or has too few items now); choices: what the variant would draw among there, with chances; supported: the part of these that the log has on such a shelf';

CREATE FUNCTION personalize_internal._policy_rounds(engine text, variant text, since timestamptz, until timestamptz, requests integer, metric jsonb)
	RETURNS TABLE (no bigint, user_key bigint, action bigint, place integer, reward double precision, propensity double precision,
		choices bigint[], chances double precision[], supported double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF engine IN ('similar_items', 'bought_together') THEN
		RAISE EXCEPTION 'engine "%" cannot be evaluated by what was shown', engine USING ERRCODE = 'feature_not_supported',
			DETAIL = 'What was shown does not tell which items it was asked about.', HINT = 'Use replay(), or create_experiment().';
	ELSIF engine = 'homepage' THEN
		RETURN QUERY SELECT * FROM personalize_internal._page_rounds(engine, variant, since, until, requests, metric);
	ELSE
		RETURN QUERY SELECT * FROM personalize_internal._list_rounds(engine, variant, since, until, requests, metric);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._policy_rounds(text, text, timestamptz, timestamptz, integer, jsonb) IS
	'what an engine has shown, and what a variant would have: _list_rounds() or _page_rounds()';

CREATE FUNCTION personalize_internal._policy_verdict(estimator text, direction text, reproduced double precision, support double precision, min_support double precision,
	low double precision, high double precision, logged double precision, ess double precision) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN reproduced < 0.8 THEN format('cannot tell: only %s %% of what was shown is what the engine answers as of then', floor(reproduced * 100))
		WHEN estimator = 'dm' THEN 'a guess of the model'
		WHEN support < min_support THEN format('no support: the log could have shown only %s %% of what the variant shows; compare them in an experiment', floor(support * 100))
		WHEN low IS NULL THEN 'not enough data: one person'
		WHEN ess < 100 THEN format('not enough data: worth %s answers of its own', floor(ess))
		WHEN low > logged THEN CASE direction WHEN 'up' THEN 'better' ELSE 'worse' END
		WHEN high < logged THEN CASE direction WHEN 'up' THEN 'worse' ELSE 'better' END
		ELSE 'no difference found' END;
END;
COMMENT ON FUNCTION personalize_internal._policy_verdict(text, text, double precision, double precision, double precision, double precision, double precision, double precision, double precision) IS
	'what evaluate_policy() says of an estimate';

CREATE FUNCTION personalize.evaluate_policy(engine text, variant text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
	metric text DEFAULT NULL, clip double precision DEFAULT 10, min_support double precision DEFAULT 0.9, max_requests integer DEFAULT 1000)
	RETURNS TABLE (estimator text, value double precision, low double precision, high double precision, lift double precision, logged double precision,
		rounds bigint, users bigint, reproduced double precision, support double precision, mean_weight double precision,
		ess double precision, clipped double precision, verdict text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp ROWS 5 AS $$
#variable_conflict use_column
DECLARE
	evaluated text := personalize_internal._evaluated_variant(evaluate_policy.engine, evaluate_policy.variant);
	last timestamptz := coalesce(evaluate_policy.until, now());
	first timestamptz := coalesce(evaluate_policy.since, last - interval '14 days');
	most double precision := coalesce(evaluate_policy.clip, 10);
	needed double precision := coalesce(evaluate_policy.min_support, 0.9);
	m jsonb := personalize_internal._metric_argument(evaluate_policy.metric, 'clicks');
BEGIN
	IF m ->> 'metric' = 'signal' THEN
		RAISE EXCEPTION 'metric "signal" is of people, and evaluate_policy() wants one of what was shown' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Metrics here: conversion, purchases, carts, clicks, found, revenue. Compare people in an experiment.';
	END IF;
	PERFORM personalize_internal._check_span(first, last), personalize_internal._check_number('clip', most, 1, 1e9), personalize_internal._check_number('min_support', needed, 0, 1),
		personalize_internal._check_number('max_requests', coalesce(evaluate_policy.max_requests, 1000), 1, 1000000);
	RETURN QUERY
	WITH all_round AS MATERIALIZED (
		SELECT * FROM personalize_internal._policy_rounds(evaluate_policy.engine, evaluated, first, last, coalesce(evaluate_policy.max_requests, 1000), m)),
	cap AS (
		SELECT percentile_disc((m ->> 'winsor')::float8) WITHIN GROUP (ORDER BY r.reward) AS most FROM all_round AS r WHERE r.reward > 0 AND (m ->> 'winsor')::float8 < 1),
	round AS MATERIALIZED (
		SELECT r.no, r.user_key, r.action, r.place, least(r.reward, c.most) AS reward, least(r.propensity, 1) AS propensity, r.choices, r.chances, r.supported
		FROM all_round AS r, cap AS c WHERE r.propensity IS NOT NULL),
	of_place AS (SELECT r.place, count(*) AS n, sum(r.reward) AS s FROM round AS r GROUP BY 1),
	own_place AS (SELECT r.place, r.user_key, count(*) AS n, sum(r.reward) AS s FROM round AS r GROUP BY 1, 2),
	of_action AS (SELECT r.action, count(*) AS n, sum(r.reward) AS s FROM round AS r GROUP BY 1),
	own_action AS (SELECT r.action, r.user_key, count(*) AS n, sum(r.reward) AS s FROM round AS r GROUP BY 1, 2),
	option AS (
		SELECT r.no, r.user_key, r.place, r.action, r.action AS taken, NULL::float8 AS chance FROM round AS r
		UNION ALL SELECT r.no, r.user_key, r.place, c.action, r.action, c.chance FROM round AS r, unnest(r.choices, r.chances) AS c (action, chance)),
	worth AS (
		SELECT o.no, o.chance, o.action = o.taken AS same, (coalesce(a.s, 0) - coalesce(w.s, 0) + 20 * coalesce((p.s - q.s) / nullif(p.n - q.n, 0), 0)) / (coalesce(a.n, 0) - coalesce(w.n, 0) + 20) AS value
		FROM option AS o JOIN of_place AS p USING (place) JOIN own_place AS q USING (place, user_key)
			LEFT JOIN of_action AS a USING (action) LEFT JOIN own_action AS w USING (action, user_key)),
	model AS (
		SELECT w.no, max(w.value) FILTER (WHERE w.chance IS NULL) AS taken, coalesce(sum(w.value * w.chance), 0) AS expected,
			coalesce(sum(w.chance) FILTER (WHERE w.same), 0) AS chance
		FROM worth AS w GROUP BY 1),
	log AS MATERIALIZED (
		SELECT coalesce(array_agg(r.reward ORDER BY r.user_key, r.no), '{}') AS rewards, coalesce(array_agg(r.propensity ORDER BY r.user_key, r.no), '{}') AS propensities,
			coalesce(array_agg(w.chance ORDER BY r.user_key, r.no), '{}') AS chances, coalesce(array_agg(w.taken ORDER BY r.user_key, r.no), '{}') AS models,
			coalesce(array_agg(w.expected ORDER BY r.user_key, r.no), '{}') AS expected, coalesce(array_agg(r.user_key ORDER BY r.user_key, r.no), '{}') AS units,
			count(*) AS rounds, count(DISTINCT r.user_key) AS users, avg(r.reward) AS logged, avg(r.supported) AS support, avg(w.chance / r.propensity) AS mean_weight
		FROM round AS r JOIN model AS w USING (no)),
	line AS (
		SELECT e.place, e.name, v.value, v.low, v.high, v.ess, v.clipped, l.rounds, l.users, l.logged, l.support, l.mean_weight, l.rounds::float8 / a.rounds AS reproduced
		FROM log AS l CROSS JOIN (SELECT nullif(count(*), 0) AS rounds FROM all_round) AS a
			CROSS JOIN (VALUES (1, 'ips'), (2, 'snips'), (3, 'dm'), (4, 'dr'), (5, 'switch-dr')) AS e (place, name)
			LEFT JOIN LATERAL personalize_internal._policy_value(l.rewards, l.propensities, l.chances, l.models, l.expected, l.units, most, most) AS v ON v.estimator = e.name
		WHERE a.rounds IS NOT NULL),
	judged AS (
		SELECT l.*, l.reproduced >= 0.8 AND (l.support >= needed OR l.name = 'dm') AS told,
			personalize_internal._policy_verdict(l.name, m ->> 'direction', l.reproduced, l.support, needed, l.low, l.high, l.logged, l.ess) AS verdict
		FROM line AS l)
	SELECT j.name, CASE WHEN j.told THEN j.value END, CASE WHEN j.told THEN j.low END, CASE WHEN j.told THEN j.high END, CASE WHEN j.told THEN j.value / nullif(j.logged, 0) - 1 END,
		j.logged, j.rounds, j.users, j.reproduced, j.support, j.mean_weight, j.ess, j.clipped, j.verdict
	FROM judged AS j ORDER BY j.place;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'engine "%" has shown nothing between "%" and "%"', evaluate_policy.engine, first, last USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'What was shown is told by track_impressions(), with the request_id of the answer, and counted by the processor exposure.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.evaluate_policy(text, text, timestamptz, timestamptz, text, double precision, double precision, integer) IS
	'what a variant (NULL: the default) of an engine would have earned on what was shown between since (NULL: 14 days before until) and until (NULL: now), a row an estimator: ips (Horvitz, Thompson 1952), snips (Swaminathan, Joachims 2015), dm (the model alone), dr (Dudik, Langford, Li 2011), switch-dr (Wang, Agarwal, Dudik 2017). metric (NULL: clicks): as in create_experiment(), but for signal, here of each item shown, of homepage() of each shelf, credited to it within its window. Of max_requests answers, drawn by a hash. value with low and high (95 %, normal, of sums over people), lift: relative to logged, the mean of what was shown. Propensity is that of the request_id (homepage: module on a shelf), for other engines the chance with which the experiment they were part of would have shown the item in that place; without one the log is certain, and only where both show the same is there anything to go by. reproduced: the part of what was shown that is answered again as of then, which is what is evaluated; support: the part of what the variant shows that the log could have shown; below 0.8 and min_support there is no value, and the verdict says so. mean_weight: about 1 if all is well; ess: so many answers of its own these are worth (Kish); clipped: part of weights above clip (1 to 1e9), which count as clip, and where switch-dr goes by the model: the share of the metric by item, without the person''s own. Errors: 42704 unknown engine or variant, 55000 nothing was shown, or the variant is retired, 0A000 an engine whose question is not logged, 22023 an unknown metric, or a value out of range';

REVOKE ALL ON FUNCTION
	personalize_internal._list_rounds(text, text, timestamptz, timestamptz, integer, jsonb), personalize_internal._page_rounds(text, text, timestamptz, timestamptz, integer, jsonb),
	personalize_internal._page_propensity(double precision, double precision, double precision),
	personalize_internal._policy_rounds(text, text, timestamptz, timestamptz, integer, jsonb),
	personalize_internal._policy_verdict(text, text, double precision, double precision, double precision, double precision, double precision, double precision, double precision),
	personalize.evaluate_policy(text, text, timestamptz, timestamptz, text, double precision, double precision, integer)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._list_rounds(text, text, timestamptz, timestamptz, integer, jsonb), personalize_internal._page_rounds(text, text, timestamptz, timestamptz, integer, jsonb),
	personalize_internal._page_propensity(double precision, double precision, double precision),
	personalize_internal._policy_rounds(text, text, timestamptz, timestamptz, integer, jsonb),
	personalize_internal._policy_verdict(text, text, double precision, double precision, double precision, double precision, double precision, double precision, double precision),
	personalize.evaluate_policy(text, text, timestamptz, timestamptz, text, double precision, double precision, integer)
	TO personalize_admin;

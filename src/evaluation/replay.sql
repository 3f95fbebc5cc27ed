-- replay: a variant foretells what people went to next.
CREATE FUNCTION personalize_internal._replay_steps(since timestamptz, until timestamptz, sessions integer)
	RETURNS TABLE (session bigint, user_key bigint, at timestamptz, seen bigint[], item_key bigint)
	AS 'MODULE_PATHNAME', 'personalize_replay_steps' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 5000;
COMMENT ON FUNCTION personalize_internal._replay_steps(timestamptz, timestamptz, integer) IS
	'steps of so many sessions of that time, drawn by a hash, of people who allow recommendations: the item, the time just before it, and what the session had had, newest first';
CREATE FUNCTION personalize_internal._replay_question(engine text, since timestamptz, until timestamptz, sessions integer)
	RETURNS TABLE (session bigint, user_id text, at timestamptz, seen bigint[], query text, candidates bigint[], scores real[], targets bigint[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF engine IN ('rank_search', 'search_items') THEN
		RETURN QUERY SELECT s.user_key, personalize_internal._person_id(s.user_key), s.at - interval '1 microsecond', NULL::bigint[], s.query, s.items, s.scores, s.clicked
			FROM personalize_internal._logged_searches(since, until, sessions) s;
	ELSE
		RETURN QUERY SELECT s.session, personalize_internal._person_id(s.user_key), s.at, s.seen, NULL::text, NULL::bigint[], NULL::real[], ARRAY[s.item_key]
			FROM personalize_internal._replay_steps(since, until, sessions) s;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._replay_question(text, timestamptz, timestamptz, integer) IS
	'what an engine is asked in a replay, and what it should have found';

CREATE FUNCTION personalize_internal._replay_answer(policy text, no bigint, engine text, variant text, k integer,
	user_id text, at timestamptz, seen bigint[], query text, candidates bigint[], scores real[], offered bigint[], newest bigint[], popular bigint[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	searched boolean := candidates IS NOT NULL;
	answer bigint[];
BEGIN
	PERFORM personalize_internal._evaluation_progress(true, NULL);
	answer := CASE policy
		WHEN 'variant' THEN personalize_internal._ask_again(engine, variant, user_id, at, k, seen, query, candidates, scores)
		WHEN 'noop' THEN coalesce(candidates, newest)
		WHEN 'popular' THEN ARRAY(SELECT p.key FROM unnest(popular) WITH ORDINALITY AS p (key, n) WHERE NOT searched OR p.key = ANY (candidates) ORDER BY p.n)
		WHEN 'shuffle' THEN ARRAY(SELECT c.key FROM unnest(candidates) AS c (key) WHERE searched
			UNION ALL SELECT offered[1 + (hashint8extended(i, no) & 9223372036854775807) % cardinality(offered)]
				FROM generate_series(1, k + cardinality(seen)) AS i WHERE NOT searched AND cardinality(offered) > 0
			ORDER BY 1)
	END;
	IF policy = 'shuffle' THEN
		answer := ARRAY(SELECT c.key FROM unnest(answer) AS c (key) GROUP BY c.key ORDER BY hashint8extended(c.key, no), c.key);
	ELSIF policy = 'popular' AND searched THEN
		answer := answer || ARRAY(SELECT c.key FROM unnest(candidates) WITH ORDINALITY AS c (key, n) WHERE c.key <> ALL (answer) ORDER BY c.n);
	END IF;
	RETURN (ARRAY(SELECT c.key FROM unnest(answer) WITH ORDINALITY AS c (key, n) WHERE policy = 'variant' OR seen IS NULL OR c.key <> ALL (seen) ORDER BY c.n))[:k];
END
$$;
COMMENT ON FUNCTION personalize_internal._replay_answer(text, bigint, text, text, integer, text, timestamptz, bigint[], text, bigint[], real[], bigint[], bigint[], bigint[]) IS
	'the k items that a policy answers a question of a replay with. variant: those of the engine; noop: the newest of the catalogue, of a search the order in which they were shown; popular: those of trending() when the hour began; shuffle: drawn by a hash of the question. All but the engine leave out what the session has had';

CREATE FUNCTION personalize.replay(engine text, variant text DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
	k integer DEFAULT 20, max_sessions integer DEFAULT 200)
	RETURNS TABLE (metric text, policy text, value double precision, low double precision, high double precision, steps bigint, sessions bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp ROWS 20 AS $$
#variable_conflict use_column
DECLARE
	evaluated text := personalize_internal._evaluated_variant(replay.engine, replay.variant);
	last timestamptz := coalesce(replay.until, now());
	first timestamptz := coalesce(replay.since, last - interval '14 days');
	places integer := coalesce(replay.k, 20);
	wanted integer := coalesce(replay.max_sessions, 200);
	offered bigint[];
	newest bigint[];
	catalogue double precision;
BEGIN
	PERFORM personalize_internal._check_span(first, last), personalize_internal._check_number('k', places, 1, 1000), personalize_internal._check_number('max_sessions', wanted, 1, 1000000);
	SELECT count(*) INTO catalogue FROM personalize.item i WHERE i.available AND NOT i.hidden;
	offered := ARRAY(SELECT i.item_key FROM personalize.item i WHERE i.available AND NOT i.hidden ORDER BY hashint8extended(i.item_key, 1), 1 LIMIT 10000);
	newest := ARRAY(SELECT i.item_key FROM personalize.item i WHERE i.available AND NOT i.hidden AND i.created_at <= first ORDER BY i.created_at DESC, 1 LIMIT places + 64);
	RETURN QUERY
	WITH question AS MATERIALIZED (
		SELECT row_number() OVER (ORDER BY q.session, q.at) AS no, q.* FROM personalize_internal._replay_question(replay.engine, first, last, wanted) AS q),
	begun AS MATERIALIZED (SELECT personalize_internal._evaluation_progress(true, count(*) * 4) FROM question),
	popular AS MATERIALIZED (
		SELECT d.hour, ARRAY(SELECT r.item_key FROM personalize.trending(1000, as_of => d.hour, variant => 'shipped') AS r ORDER BY r.rank) AS items
		FROM (SELECT DISTINCT date_trunc('hour', q.at, 'UTC') AS hour FROM question AS q) AS d),
	answer AS MATERIALIZED (
		SELECT q.no, q.session, q.targets, p.place, p.policy, personalize_internal._replay_answer(p.policy, q.no, replay.engine, evaluated, places,
			q.user_id, q.at, q.seen, q.query, q.candidates, q.scores, offered, newest, d.items) AS items
		FROM begun, question AS q JOIN popular AS d ON d.hour = date_trunc('hour', q.at, 'UTC'), (VALUES (1, 'variant'), (2, 'noop'), (3, 'popular'), (4, 'shuffle')) AS p (place, policy)),
	popularity AS MATERIALIZED (
		SELECT s.item_key, sum(s.count)::float8 AS events FROM personalize.item_stat AS s JOIN personalize.event_type AS t USING (event)
		WHERE s.pane_start < first AND t.weight > 0 GROUP BY 1),
	everything AS (SELECT coalesce(sum(p.events), 0) + greatest(catalogue, 1) AS events FROM popularity AS p),
	measured AS MATERIALIZED (
		SELECT a.no, a.session, a.place, h.first, h.gain / nullif((SELECT sum(1 / log(2, t.n + 1)) FROM generate_series(1, least(places, cardinality(a.targets))) AS t (n)), 0)::float8 AS ndcg, v.novelty
		FROM answer AS a,
			LATERAL (SELECT min(i.n) AS first, coalesce(sum(1 / log(2, i.n + 1)), 0)::float8 AS gain
				FROM unnest(a.items) WITH ORDINALITY AS i (key, n) WHERE i.key = ANY (a.targets)) AS h,
			LATERAL (SELECT avg(-ln((coalesce(p.events, 0) + 1) / e.events) / ln(2)) AS novelty
				FROM everything AS e, unnest(a.items) AS i (key) LEFT JOIN popularity AS p ON p.item_key = i.key) AS v),
	told AS (
		SELECT m.place, m.session, x.n, x.metric, sum(x.value)::float8 AS y, count(x.value)::float8 AS weight
		FROM measured AS m, LATERAL (VALUES (1, 'hr', (m.first IS NOT NULL)::integer::float8), (2, 'mrr', coalesce(1.0 / m.first, 0)::float8), (3, 'ndcg', m.ndcg), (5, 'novelty', m.novelty)) AS x (n, metric, value)
		GROUP BY 1, 2, 3, 4),
	ratio AS (SELECT t.n, t.metric, t.place, sum(t.y) / nullif(sum(t.weight), 0) AS value, sum(t.weight) AS weight, count(*) AS units FROM told AS t GROUP BY 1, 2, 3),
	spread AS (
		SELECT t.n, t.place, sqrt(sum((t.y - r.value * t.weight) ^ 2) * max(r.units) / nullif(max(r.units) - 1, 0)) / max(nullif(r.weight, 0)) AS error
		FROM told AS t JOIN ratio AS r USING (n, place) GROUP BY 1, 2),
	line AS (
		SELECT r.n, r.metric, r.place, r.value, CASE WHEN s.error IS NOT NULL THEN greatest(r.value - 1.959963984540054 * s.error, 0) END AS low,
			CASE WHEN s.error IS NOT NULL THEN least(r.value + 1.959963984540054 * s.error, CASE r.n WHEN 5 THEN 'infinity'::float8 ELSE 1 END) END AS high
		FROM ratio AS r JOIN spread AS s USING (n, place)
		UNION ALL
		SELECT 4, 'coverage', a.place, CASE WHEN catalogue > 0 THEN least(count(DISTINCT i.key) / catalogue, 1) END, NULL, NULL FROM answer AS a LEFT JOIN LATERAL unnest(a.items) AS i (key) ON true GROUP BY a.place)
	SELECT l.metric, CASE l.place WHEN 1 THEN evaluated ELSE (ARRAY['', 'noop', 'popular', 'shuffle'])[l.place] END, l.value, l.low, l.high,
		(SELECT count(*) FROM question), (SELECT count(DISTINCT q.session) FROM question AS q)
	FROM line AS l ORDER BY l.n, l.place;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is nothing to replay between "%" and "%"', first, last USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = CASE WHEN replay.engine IN ('rank_search', 'search_items') THEN 'A search is replayed by the pages that were tracked with track_impressions(), with the query, and clicked on.'
				ELSE 'Sessions of two different items and more are replayed, of people who allow recommendations.' END;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.replay(text, text, timestamptz, timestamptz, integer, integer) IS
	'how well a variant (NULL: the default) of an engine would have foretold what people did between since (NULL: 14 days before until) and until (NULL: now), a row a metric and policy. Of max_sessions sessions of people who allow recommendations, drawn by a hash, each item but the first is looked for, once a session, among the k (1 to 1000) items that the engine answers with as of the microsecond before; of rank_search and search_items so many pages of results are answered again, and what was clicked on is looked for. hr: share of steps with a hit; mrr: mean reciprocal rank; ndcg: with gains of 1 (Jarvelin, Kekalainen 2002); coverage: share of the catalogue that was returned; novelty: mean -log2 of an item''s share of the events before since (Vargas, Castells 2011). policy: the variant, noop (the newest of the catalogue, of a search what was shown), popular (trending() as the hour began), shuffle. low, high: 95 %, normal, of sums over sessions (of a search people). What came later is not known to the engine, but for the catalogue, rules and preferences. Each answer looks at all sessions of the shop: stat_progress shows how far it is. Errors: 42704 unknown engine or variant, 55000 there is nothing to replay, or the variant is retired, 22023 a value out of range';

REVOKE ALL ON FUNCTION personalize_internal._replay_steps(timestamptz, timestamptz, integer),
	personalize_internal._replay_question(text, timestamptz, timestamptz, integer),
	personalize_internal._replay_answer(text, bigint, text, text, integer, text, timestamptz, bigint[], text, bigint[], real[], bigint[], bigint[], bigint[]),
	personalize.replay(text, text, timestamptz, timestamptz, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._replay_steps(timestamptz, timestamptz, integer),
	personalize_internal._replay_question(text, timestamptz, timestamptz, integer),
	personalize_internal._replay_answer(text, bigint, text, text, integer, text, timestamptz, bigint[], text, bigint[], real[], bigint[], bigint[], bigint[]) TO personalize_admin;
GRANT EXECUTE ON FUNCTION personalize.replay(text, text, timestamptz, timestamptz, integer, integer) TO personalize_admin;

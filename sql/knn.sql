SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
SET timezone = 'UTC';

-- Nothing to go by gives nothing.
SELECT * FROM personalize.session_neighbours('{1}');
-- 150 people and 40 items, some of which go together.
SELECT setseed(0.5);
SELECT personalize.import_events(array_agg(u::text::personalize.entity_id), array_agg('view_item'::text),
	array_agg((u % 5 * 8 + (power(random(), 2) * 12)::int)::text::personalize.entity_id),
	array_agg('2026-01-01 00:00+00'::timestamptz + make_interval(hours => u, mins => i)),
	consents => array_agg('recommendations'::text))
FROM generate_series(1, 150) u, generate_series(1, 12) i;
SELECT count(*) > 0 AS done FROM personalize.rollup_now();

-- The formulas once more, in SQL, from the sessions themselves.
CREATE FUNCTION score(items bigint[], at timestamptz, allow_last boolean, m int, k int)
RETURNS TABLE (item_key bigint, score float8) LANGUAGE sql AS $$
	WITH visit AS (
		SELECT s.user_key AS session, i.item_key, i.ts, i.place - 1 AS place
		FROM personalize.session s, personalize._session_items(s.items) WITH ORDINALITY AS i(item_key, ts, txid, ordinal, place)
		WHERE s.second_at <= at AND i.ts <= at),
	query AS (
		SELECT key, row_number() OVER (ORDER BY max(n) DESC) - 1 AS j
		FROM unnest(items) WITH ORDINALITY AS q(key, n) GROUP BY key),
	weight AS (
		SELECT key, j, exp(-j / 4.0) * greatest(0.1, ln((SELECT count(DISTINCT session) FROM visit)::float8
			/ (SELECT count(*) FROM visit v WHERE v.item_key = key))) ^ 2 AS w
		FROM query WHERE j < 8),
	newest AS (
		SELECT w.*, v.*, row_number() OVER (PARTITION BY key ORDER BY ts DESC) AS n
		FROM weight w JOIN visit v ON v.item_key = w.key),
	similar_session AS (
		SELECT session, min(j) AS j, (array_agg(place ORDER BY j))[1] AS place,
			sum(w) ^ 2 * exp(-extract(epoch FROM at - max(ts))::float8 / 86400 / 90) * exp(-min(j) / 4.0) AS sim
		FROM newest WHERE n <= m GROUP BY session ORDER BY sim DESC LIMIT k)
	SELECT v.item_key, sum(sim * CASE WHEN v.place = s.place THEN 1
		WHEN v.place > s.place THEN exp((s.place - v.place) / 1.4) ELSE 0.8 * exp((v.place - s.place) / 1.4) END) AS score
	FROM similar_session s JOIN visit v USING (session)
	WHERE abs(v.place - s.place) <= 6 AND (allow_last OR v.item_key <> items[array_upper(items, 1)])
	GROUP BY v.item_key
$$;
CREATE FUNCTION differing(items bigint[], at timestamptz, allow_last boolean, m int DEFAULT 128, k int DEFAULT 128) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM score(items, at, allow_last, m, k) e
	FULL JOIN personalize.session_neighbours(items::text[]::personalize.entity_id[], 1000, at, allow_last) f USING (item_key)
	WHERE abs(e.score - f.score) < 1e-9 * e.score IS NOT TRUE
$$;
SELECT count(*), sum(differing(ARRAY[a, b, c], '2026-01-10', a % 2 = 0)) AS differing
FROM generate_series(0, 40, 7) a, generate_series(0, 40, 9) b, generate_series(1, 40, 11) c;
-- ten items, of which eight count; one that nobody knows; sessions still to come
SELECT differing('{1,2,3,4,5,6,7,8,9,10}', '2026-01-10', false), differing('{3,777,5}', '2026-01-10', false),
	differing('{3,4}', '2026-01-03', true), differing('{3}', '2025-12-31', true);
-- few sessions looked at, few that vote
INSERT INTO personalize.neighbour_parameter (postings, neighbours) VALUES (20, 10);
SELECT sum(differing(ARRAY[a, a + 3], '2026-01-10', true, 20, 10)) AS differing FROM generate_series(0, 36) a;
TRUNCATE personalize.neighbour_parameter;

-- Answers are in order and no more than asked for; the given item that speaks for each is named.
SELECT item_key, round(score::numeric, 3) AS score, because FROM personalize.session_neighbours('{3,20}', 5, '2026-01-10');
SELECT count(*), bool_and(in_order) FROM (
	SELECT score <= lag(score, 1, score) OVER () AS in_order FROM personalize.session_neighbours('{3,20}', 1000, '2026-01-10')) a;
SELECT count(*) FROM personalize.session_neighbours('{}', 5);

-- Wrong questions.
SELECT * FROM personalize.session_neighbours('{1}', 0);
SELECT * FROM personalize.session_neighbours('{1}', 1001);
SELECT * FROM personalize.session_neighbours('{1,NULL}', 5);
SELECT * FROM personalize.session_neighbours(NULL, 5);
INSERT INTO personalize.neighbour_parameter (postings) VALUES (257);

DROP FUNCTION differing, score;
DROP EXTENSION personalize CASCADE;

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

-- The formulas once more, in SQL, from the sessions themselves: what is known at a time ...
CREATE TEMP TABLE click (session bigint, n int, item_key bigint, ts timestamptz, again boolean, code int);
CREATE TEMP TABLE visit (session bigint, place int, item_key bigint, ts timestamptz, length int);
CREATE TEMP TABLE pair (x bigint, y bigint, weight int, next int, place int);
CREATE TEMP TABLE list (x bigint, total int, next int, sessions bigint, newest timestamptz, recent float8);
CREATE TEMP TABLE chance (j int, kind int, length int, last int, before int, two boolean, hit boolean);
CREATE FUNCTION code(clicks bigint[], n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE n - max(i) WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE CASE WHEN max(i) IS NULL THEN 0 ELSE 3 END END
	FROM generate_series(1, n - 1) i WHERE clicks[i] = clicks[n]
$$;
-- the newest distinct items of clicks, and what the last clicks were
CREATE FUNCTION situation(clicks bigint[], OUT j int, OUT item_key bigint, OUT times int, OUT age int,
	OUT kind int, OUT length int, OUT last int, OUT before int, OUT two boolean) RETURNS SETOF record LANGUAGE sql IMMUTABLE AS $$
	SELECT row_number() OVER (ORDER BY max(n) DESC) - 1, key, count(*), cardinality(clicks) - max(n),
		CASE WHEN cardinality(clicks) = 1 THEN 0 ELSE (ARRAY[3, 1, 2, 2])[code(clicks, cardinality(clicks)) + 1] END,
		CASE WHEN count(*) OVER () <= 2 THEN 0 WHEN count(*) OVER () <= 4 THEN 1 WHEN count(*) OVER () <= 8 THEN 2 ELSE 3 END,
		code(clicks, cardinality(clicks)), code(clicks, cardinality(clicks) - 1), cardinality(clicks) > 1
	FROM unnest(clicks) WITH ORDINALITY AS c(key, n) GROUP BY key
$$;
CREATE PROCEDURE learn(at timestamptz) LANGUAGE sql AS $$
	TRUNCATE click, visit, pair, list, chance;
	INSERT INTO click SELECT s.user_key, row_number() OVER (PARTITION BY s.user_key ORDER BY i.ts, i.txid, i.place), i.item_key, i.ts, i.again
	FROM personalize.session s, personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended) AS i WHERE s.second_at <= at AND i.ts <= at;
	INSERT INTO visit SELECT session, place, item_key, ts, place + 1 + least(6, count(*) OVER (PARTITION BY session) - 1 - place)
	FROM (SELECT *, row_number() OVER (PARTITION BY session ORDER BY n) - 1 AS place FROM click WHERE NOT again) c;
	INSERT INTO pair SELECT a.item_key, b.item_key,
		sum(CASE WHEN b.place > a.place THEN 160 ELSE 128 END / 2 ^ (abs(b.place - a.place) - 1)),
		count(*) FILTER (WHERE b.place = a.place + 1)
	FROM visit a JOIN visit b USING (session) WHERE a.place <> b.place AND abs(a.place - b.place) <= 6 GROUP BY 1, 2;
	INSERT INTO list SELECT v.item_key, (SELECT sum(weight) FROM pair WHERE x = v.item_key), (SELECT sum(p.next) FROM pair p WHERE x = v.item_key),
		count(*), max(v.ts), sum(exp(extract(epoch FROM v.ts - m.newest)::float8 / 86400 / 3))
	FROM visit v JOIN (SELECT item_key, max(ts) AS newest FROM visit GROUP BY 1) m USING (item_key) GROUP BY v.item_key;
	UPDATE pair SET place = o.place FROM (SELECT x, y, row_number() OVER (PARTITION BY x ORDER BY weight DESC, y) AS place FROM pair) o
	WHERE (o.x, o.y) = (pair.x, pair.y);
	DELETE FROM pair WHERE place > 50;
	INSERT INTO chance SELECT s.j, s.kind, s.length, s.last, s.before, s.two, s.item_key = c.item_key
	FROM click c, LATERAL (SELECT array_agg(e.item_key ORDER BY e.n) AS clicks FROM click e WHERE e.session = c.session AND e.n < c.n) p, situation(p.clicks) s
	WHERE c.n > 1 AND s.j < 8;
$$;
-- ... and what fits next to clicks then.
CREATE FUNCTION score(items bigint[], at timestamptz, allow_last boolean, m int, k int)
RETURNS TABLE (item_key bigint, score float8) LANGUAGE sql AS $$
	WITH query AS (SELECT * FROM situation(items)),
	weight AS (
		SELECT q.*, exp(-j / 6.0) * greatest(0.1, ln((SELECT count(DISTINCT session) FROM visit)::float8
			/ (SELECT count(*) FROM visit v WHERE v.item_key = q.item_key))) ^ 2 AS w
		FROM query q WHERE j < 8 AND EXISTS (SELECT FROM visit v WHERE v.item_key = q.item_key)),
	newest AS (
		SELECT w.j, w.age, w.w, v.*, row_number() OVER (PARTITION BY v.item_key ORDER BY v.ts DESC) AS n
		FROM weight w JOIN visit v USING (item_key)),
	similar_session AS (
		SELECT session, (array_agg(place ORDER BY j))[1] AS place,
			sum(w) ^ 2 * (array_agg(length ORDER BY j))[1] ^ -0.3
			* exp(-extract(epoch FROM at - max(ts))::float8 / 86400 / 90) * exp(-min(age) / 6.0) AS sim
		FROM newest WHERE n <= m GROUP BY session ORDER BY sim DESC LIMIT k),
	vote AS (
		SELECT v.item_key, sum(sim * CASE WHEN v.place >= s.place THEN 0.6 ^ (v.place - s.place) ELSE 0.8 * 0.6 ^ (s.place - v.place) END) AS part
		FROM similar_session s JOIN visit v USING (session) WHERE abs(v.place - s.place) <= 6 GROUP BY 1),
	hop AS (
		SELECT p.y, sum(exp(-q.j / 1.5) * p.weight / (l.total + 800)) AS b
		FROM query q JOIN list l ON l.x = q.item_key JOIN pair p USING (x) WHERE q.j < 3
		GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8),
	hops AS (
		SELECT p.y AS item_key, sum(b * p.weight / (l.total + 800)) AS part
		FROM hop JOIN list l ON l.x = hop.y JOIN pair p ON p.x = hop.y GROUP BY 1),
	repeated AS (
		SELECT q.item_key, sqrt(times) AS times,
			(hits_h + 30 * (hits_l + 0.5) / (n_l + 50)) / (n_h + 30) *
			(hits_c + 50 * (hits_k + 0.5) / (n_k + 50)) / (n_c + 50) / ((hits_k + 0.5) / (n_k + 50)) AS chance
		FROM query q, LATERAL (
			SELECT count(*) FILTER (WHERE c.kind = q.kind) AS n_k, count(*) FILTER (WHERE c.kind = q.kind AND hit) AS hits_k,
				count(*) FILTER (WHERE (c.kind, c.length) = (q.kind, q.length)) AS n_c,
				count(*) FILTER (WHERE (c.kind, c.length) = (q.kind, q.length) AND hit) AS hits_c,
				count(*) FILTER (WHERE (c.last, c.two) = (q.last, q.two)) AS n_l,
				count(*) FILTER (WHERE (c.last, c.two) = (q.last, q.two) AND hit) AS hits_l,
				count(*) FILTER (WHERE (c.last, c.before, c.two) = (q.last, q.before, q.two)) AS n_h,
				count(*) FILTER (WHERE (c.last, c.before, c.two) = (q.last, q.before, q.two) AND hit) AS hits_h
			FROM chance c WHERE c.j = q.j) c
		WHERE q.j < 8),
	total AS (
		SELECT (floor(extract(epoch FROM max(ts)) / 86400) + 1) * 86400 AS until FROM visit),
	recent AS (
		SELECT sum(exp(-((until - 86400) / 86400 - floor(extract(epoch FROM ts) / 86400) + 0.5)::float8 / 3)) AS r FROM visit, total),
	part AS (
		SELECT item_key, CASE item_key WHEN items[cardinality(items)] THEN 0.05 * r.chance / (r.chance + 0.02) WHEN (SELECT q.item_key FROM query q WHERE q.item_key = coalesce(v.item_key, h.item_key, r.item_key)) THEN 0.2 ELSE 1 END::float8
			* (coalesce(v.part / (SELECT sum(part) FROM vote), 0) + coalesce(0.6 * h.part / (SELECT sum(part) FROM hops), 0)
			+ coalesce(p.next::float8 ^ 2 / (p.next + 12) / (l.next + 2), 0)) + coalesce(1.25 * r.chance * r.times, 0) AS f
		FROM vote v FULL JOIN hops h USING (item_key) FULL JOIN repeated r USING (item_key)
		LEFT JOIN list l ON l.x = items[cardinality(items)] LEFT JOIN pair p ON p.x = l.x AND p.y = item_key),
	ranked AS (
		SELECT *, row_number() OVER (PARTITION BY item_key = ANY (items) ORDER BY f DESC, item_key) AS n FROM part
		WHERE allow_last OR item_key <> items[cardinality(items)])
	SELECT item_key, f * CASE WHEN n <= 30 AND item_key <> ALL (items)
		THEN ((l.recent * exp((extract(epoch FROM l.newest) - until)::float8 / 86400 / 3) * (SELECT count(*) FROM visit) / r + 1)
			/ (l.sessions + 1)) ^ 0.2 ELSE 1 END
	FROM ranked CROSS JOIN total CROSS JOIN recent LEFT JOIN list l ON l.x = item_key WHERE f > 0 AND EXISTS (SELECT FROM visit)
$$;
CREATE FUNCTION differing(items bigint[], at timestamptz, allow_last boolean, m int DEFAULT 128, k int DEFAULT 128) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM score(items, at, allow_last, m, k) e
	FULL JOIN personalize.session_neighbours(items::text[]::personalize.entity_id[], 1000, at, allow_last) f USING (item_key)
	WHERE abs(e.score - f.score) < 1e-9 * e.score IS NOT TRUE
$$;
CALL learn('2026-01-10');
SELECT count(*), sum(differing(ARRAY[a, b, c], '2026-01-10', a % 2 = 0)) AS differing
FROM generate_series(0, 40, 7) a, generate_series(0, 40, 9) b, generate_series(1, 40, 11) c;
-- ten items, of which eight count; one that nobody knows; sessions still to come
SELECT differing('{1,2,3,4,5,6,7,8,9,10}', '2026-01-10', false), differing('{3,777,5}', '2026-01-10', false);
-- clicks that come back to items
SELECT differing('{3,3}', '2026-01-10', true), differing('{3,5,3}', '2026-01-10', true), differing('{3,5,7,3,5}', '2026-01-10', false),
	differing('{9,3,3,3,9,9,3}', '2026-01-10', true);
-- as of then
CALL learn('2026-01-03');
SELECT differing('{3,4}', '2026-01-03', true), differing('{3,4,3}', '2026-01-03', false), differing('{777}', '2026-01-03', true);
CALL learn('2025-12-31');
SELECT differing('{3}', '2025-12-31', true);
CALL learn('2026-01-10');
-- few sessions looked at, few that vote
SELECT personalize.create_variant('recommend', 'few', '{"postings": 20, "neighbours": 10}'), personalize.set_default_variant('recommend', 'few');
SELECT sum(differing(ARRAY[a, a + 3], '2026-01-10', true, 20, 10)) AS differing FROM generate_series(0, 36) a;
SELECT personalize.set_default_variant('recommend', 'shipped');

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

DROP FUNCTION differing, score;
DROP PROCEDURE learn;
DROP FUNCTION situation, code;
DROP TABLE click, visit, pair, list, chance;
DROP EXTENSION personalize CASCADE;

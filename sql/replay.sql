-- A variant foretells what people went to next.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
CREATE FUNCTION roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END
$$;
SELECT roll();
SELECT * FROM personalize.replay('recommend', NULL, '2026-03-01', '2026-03-02');
-- without a catalogue, and one session, which has no interval
SELECT personalize.grant_consent('t', '{recommendations}');
SELECT personalize.track('t', 'view_item', 71, ts => '2026-02-01 10:00+00'), personalize.track('t', 'view_item', 72, ts => '2026-02-01 10:01+00');
SELECT roll();
SELECT metric, policy, value, low, high FROM personalize.replay('recommend', NULL, '2026-02-01', '2026-02-02') WHERE metric IN ('hr', 'coverage');
INSERT INTO personalize.item (item_id, category, created_at, attributes)
	SELECT 'i' || i, 'c' || i % 3, '2026-01-01', jsonb_build_object('title', 'thing ' || i) FROM generate_series(1, 60) i;
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization,recommendations}')) FROM generate_series(1, 62) n;
-- 60 people, each in two visits, walk up in steps of a family of five items; every seventh comes back to the first
SELECT count(personalize.track('u' || n, 'view_item', 'i' || (n % 4 * 5 + CASE WHEN n % 7 = 0 AND s = 3 THEN 1 ELSE s END),
		ts => '2026-03-01 10:00+00'::timestamptz + n * interval '5 hours' + v * interval '3 days' + s * interval '2 minutes',
		session_id => CASE WHEN n % 2 = 0 THEN format('visit %s of %s', v, n) END))
	FROM generate_series(1, 60) n, generate_series(0, 1) v, generate_series(1, 4) s;
-- one who withdraws later, one of whom analytics only knows, and one whose two items nobody else has met
SELECT count(personalize.track('u61', 'view_item', 'i' || s, ts => '2026-03-10 10:00+00'::timestamptz + s * interval '1 minute')) FROM generate_series(1, 4) s;
SELECT count(personalize.track('u62', 'view_item', 'i' || s, ts => '2026-03-20 10:00+00'::timestamptz + s * interval '1 minute')) FROM generate_series(58, 59) s;
SELECT count(personalize.track('u63', 'view_item', 'i' || s, ts => '2026-03-10 10:00+00'::timestamptz + s * interval '1 minute', consent => '{analytics}')) FROM generate_series(1, 4) s;
SELECT roll();
SELECT personalize.withdraw_consent('u61');
SELECT roll();

-- steps: what a visit had not had before
SELECT count(*), count(DISTINCT session), count(DISTINCT user_key) FROM personalize_internal._replay_steps('2026-03-01', '2026-03-19', 1000);
SELECT at, (SELECT array_agg(item_id ORDER BY n) FROM unnest(seen) WITH ORDINALITY AS t(k, n) JOIN personalize.item ON item_key = k) AS seen,
	(SELECT item_id FROM personalize.item i WHERE i.item_key = s.item_key) AS item
	FROM personalize_internal._replay_steps('2026-03-01', '2026-03-19', 1000) s WHERE user_key = personalize.user_key('u7') ORDER BY at;
-- a sample is part of the whole, and always the same
SELECT count(DISTINCT session), count(*) > 0, count(*) = (SELECT count(*) FROM personalize_internal._replay_steps('2026-03-01', '2026-03-19', 10) t
		JOIN personalize_internal._replay_steps('2026-03-01', '2026-03-19', 1000) a USING (user_key, at, seen, item_key))
	FROM personalize_internal._replay_steps('2026-03-01', '2026-03-19', 10);

-- by hand: sessions out of the events, answers as of then
CREATE FUNCTION measured(k integer) RETURNS TABLE (steps bigint, hr numeric, mrr numeric, ndcg numeric) LANGUAGE sql AS $$
	WITH visit AS (
		SELECT 'u' || n AS id, v, s, 'i' || (n % 4 * 5 + CASE WHEN n % 7 = 0 AND s = 3 THEN 1 ELSE s END) AS item,
			'2026-03-01 10:00+00'::timestamptz + n * interval '5 hours' + v * interval '3 days' + s * interval '2 minutes' AS ts
		FROM generate_series(1, 60) n, generate_series(0, 1) v, generate_series(1, 4) s),
	step AS (SELECT * FROM visit a WHERE s > 1 AND NOT EXISTS (SELECT FROM visit b WHERE b.id = a.id AND b.v = a.v AND b.item = a.item AND b.s < a.s)),
	place AS (SELECT t.*, (SELECT r.rank FROM personalize.recommend(t.id, k, as_of => t.ts - interval '1 microsecond') r WHERE r.item_id = t.item) AS rank FROM step t)
	SELECT count(*), round(avg((rank IS NOT NULL)::int), 6), round(avg(coalesce(1.0 / rank, 0)), 6), round(avg(coalesce(1 / log(2, rank + 1), 0)), 6) FROM place
$$;
CREATE FUNCTION replayed(k integer) RETURNS TABLE (steps bigint, hr numeric, mrr numeric, ndcg numeric) LANGUAGE sql AS $$
	SELECT max(steps), round(max(value) FILTER (WHERE metric = 'hr')::numeric, 6), round(max(value) FILTER (WHERE metric = 'mrr')::numeric, 6),
		round(max(value) FILTER (WHERE metric = 'ndcg')::numeric, 6)
	FROM personalize.replay('recommend', 'shipped', '2026-03-01', '2026-03-19', k, 1000) WHERE policy = 'shipped'
$$;
SELECT k, m.*, m = r AS same FROM (VALUES (1), (5), (20)) AS t(k), measured(k) m, replayed(k) r ORDER BY k;
-- the engine knows more than those that know nothing; in the order of the table, all between 0 and 1
SELECT policy, round(value::numeric, 3) AS value, low <= value AND value <= high AND low >= 0 AND high <= 1 AS within
	FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', 5, 1000) WHERE metric = 'ndcg';
SELECT metric, round(value::numeric, 3) AS value, low IS NULL AS no_interval, steps, sessions
	FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', 5, 1000) WHERE policy = 'popular';
-- nobody is told what they are about to do: what only they went to next is not found
SELECT value FROM personalize.replay('similar_items', 'shipped', '2026-03-20', '2026-03-21', 1) WHERE metric = 'hr' AND policy = 'shipped';
SELECT rank FROM personalize.similar_items('i58', 1, as_of => '2026-03-21') WHERE item_id = 'i59';
-- what came later changes nothing
CREATE TABLE before AS SELECT * FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', 5, 40);
SELECT count(personalize.track('u' || n, 'view_item', 'i' || 40 + s, ts => '2026-03-25 10:00+00'::timestamptz + n * interval '1 minute' + s * interval '1 second'))
	FROM generate_series(1, 50) n, generate_series(1, 3) s;
SELECT roll();
SELECT count(*) FROM (TABLE before EXCEPT SELECT * FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', 5, 40)) d;
-- a variant is replayed, not what an experiment would choose
SELECT personalize.create_variant('recommend', 'no neighbours', '{"exploration": 1, "new_item_age": 366}');
SELECT a.value > b.value AS better FROM personalize.replay('recommend', 'shipped', '2026-03-08', '2026-03-19', 3, 40) a
	JOIN personalize.replay('recommend', 'no neighbours', '2026-03-08', '2026-03-19', 3, 40) b USING (metric)
	WHERE metric = 'hr' AND a.policy = 'shipped' AND b.policy = 'no neighbours';

-- every engine can be replayed; of a search what was tracked
SELECT count(personalize.track_impressions('u' || n, NULL, ARRAY['i1', 'i2', 'i3', 'i4'], query => 'thing', ts => '2026-03-18 10:00+00'::timestamptz + n * interval '1 minute', message_id => 'page ' || n))
	FROM generate_series(1, 12) n;
SELECT count(personalize.track('u' || n, 'select_item', CASE WHEN n % 3 = 0 THEN 'i4' ELSE 'i2' END, ts => '2026-03-18 10:00:20+00'::timestamptz + n * interval '1 minute'))
	FROM generate_series(1, 12) n WHERE n <> 5;
SELECT roll();
SELECT e AS engine, count(*) AS lines, count(value) > 12 AS told, max(steps) > 0 AS steps
	FROM unnest('{recommend,similar_items,trending,bought_together,homepage,rank_search,search_items}'::text[]) e,
		personalize.replay(e, NULL, '2026-03-08', '2026-03-19', 10, 10) GROUP BY 1 ORDER BY 1;
-- shown as it was: the second or the fourth place
SELECT metric, round(value::numeric, 4) AS value, steps, sessions FROM personalize.replay('rank_search', NULL, '2026-03-18', '2026-03-19') WHERE policy = 'noop' AND metric IN ('hr', 'mrr', 'ndcg');
SELECT round((7 * 0.5 + 4 * 0.25) / 11, 4) AS mrr, round((7 / log(2, 3) + 4 / log(2, 5)) / 11, 4) AS ndcg;

-- errors
SELECT * FROM personalize.replay(NULL);
SELECT * FROM personalize.replay('recomend');
SELECT * FROM personalize.replay('recommend', 'shiped');
SELECT * FROM personalize.replay('recommend', since => '2026-03-02', until => '2026-03-01');
SELECT * FROM personalize.replay('recommend', since => '2026-03-02', until => '2026-03-02');
SELECT * FROM personalize.replay('recommend', since => '-infinity', until => '2026-03-01');
SELECT * FROM personalize.replay('recommend', until => 'infinity');
SELECT * FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', k => 0);
SELECT * FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', k => 1001);
SELECT * FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', max_sessions => 0);
SELECT * FROM personalize.replay('recommend', NULL, '2025-03-08', '2025-03-19');
SELECT * FROM personalize.replay('search_items', NULL, '2025-03-08', '2025-03-19');
SELECT personalize.retire_variant('recommend', 'no neighbours');
SELECT * FROM personalize.replay('recommend', 'no neighbours');
SET ROLE personalize_app;
SELECT * FROM personalize.replay('recommend');
SET ROLE personalize_analyst;
SELECT * FROM personalize.replay('recommend');
SET ROLE personalize_admin;
SELECT count(*) FROM personalize.replay('recommend', NULL, '2026-03-08', '2026-03-19', 5, 4);
RESET ROLE;
DROP FUNCTION roll(), measured(integer), replayed(integer);
DROP TABLE before;

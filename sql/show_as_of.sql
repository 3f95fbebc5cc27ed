-- Is what was shown what would be shown again?
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
INSERT INTO personalize.item (item_id, category, created_at, updated_at, attributes)
	SELECT 'i' || i, 'c' || i % 2, '2026-01-01', '2026-01-01', jsonb_build_object('title', 'thing ' || i) FROM generate_series(1, 12) i;
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization,recommendations}')) FROM generate_series(1, 40) n;
SELECT count(personalize.track('u' || n, 'view_item', 'i' || (1 + (n * 7 + s * s) % 12), ts => '2026-03-01 10:00+00'::timestamptz + n * interval '1 minute' + s * interval '10 seconds'))
	FROM generate_series(1, 40) n, generate_series(1, 3) s;
SELECT roll();
SELECT personalize.create_variant('recommend', 'plain', '{"exploration": 0, "next_weight": 0}');
-- all engines answer, and what they answered is shown
CREATE TABLE shown AS
	SELECT n, r.*, '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute' AS at FROM generate_series(1, 40) n,
		LATERAL (SELECT 'recommend' AS engine, request_id, array_agg(item_id::personalize.entity_id ORDER BY rank) AS items FROM personalize.recommend('u' || n, 5, variant => 'plain', as_of => '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute') GROUP BY 2
			UNION ALL SELECT 'trending', request_id, array_agg(item_id::personalize.entity_id ORDER BY rank) FROM personalize.trending(5, as_of => '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute') GROUP BY 2
			UNION ALL SELECT 'search_items', request_id, array_agg(item_id::personalize.entity_id ORDER BY rank) FROM personalize.search_items('u' || n, 'thing', 5, as_of => '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute') GROUP BY 2
			UNION ALL SELECT 'homepage ' || module, request_id, array_agg(item_id::personalize.entity_id ORDER BY rank) FROM personalize.homepage('u' || n, shelves => 3, as_of => '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute') GROUP BY module, 2
			UNION ALL SELECT 'similar_items', request_id, array_agg(item_id::personalize.entity_id ORDER BY rank) FROM personalize.similar_items('i1', 3, as_of => '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute') GROUP BY 2) r;
SELECT count(personalize.track_impressions('u' || n, request_id::text, items, query => CASE engine WHEN 'search_items' THEN 'thing' END, ts => at)) > 200 AS tracked FROM shown;
SELECT roll();
-- later there is more, of which nothing was known then
SELECT count(personalize.track('u' || n, 'view_item', 'i' || s, ts => '2026-03-20 10:00+00'::timestamptz + n * interval '1 minute' + s * interval '10 seconds'))
	FROM generate_series(1, 40) n, generate_series(1, 3) s;
SELECT roll();
SELECT split_part(s.engine, ' ', 1) AS engine, count(*) > 100 AS many, bool_and(a.same) AS same, count(a.reason) AS reasons, bool_and(a.shown_item_id = s.items[a.slot]::text) AS as_shown
	FROM shown s, personalize.show_as_of('u' || s.n, s.request_id) a WHERE split_part(s.engine, ' ', 1) NOT IN ('similar_items', 'homepage') GROUP BY 1 ORDER BY 1;
-- of a page what stands there again by the counters of the whole day: not where most of what is counted is of that day
SELECT count(*) > 100 AS many, bool_and(a.same OR a.reason IS NOT NULL) AS reasons FROM shown s, personalize.show_as_of('u' || s.n, s.request_id) a WHERE s.engine LIKE 'homepage %';
CREATE TABLE page AS SELECT shelf, request_id, array_agg(item_id::personalize.entity_id ORDER BY rank) AS items FROM personalize.homepage('u9', as_of => '2026-03-07') GROUP BY 1, 2;
SELECT count(personalize.track_impressions('u9', request_id::text, items, ts => '2026-03-07')) AS shelves FROM page;
SELECT roll();
SELECT count(*), bool_and(same) AS same, count(reason) AS reasons FROM page, personalize.show_as_of('u9', request_id);
SELECT a.* FROM shown s, personalize.show_as_of('u' || s.n, s.request_id) a WHERE s.engine = 'recommend' AND n = 7;
SELECT DISTINCT item_id, same, reason FROM shown s, personalize.show_as_of('u' || s.n, s.request_id) a WHERE s.engine = 'similar_items';

-- another order than the engine's: asked with other arguments
CREATE TABLE other AS SELECT request_id FROM personalize.recommend('u9', 3, as_of => '2026-03-06') LIMIT 1;
SELECT personalize.track_impressions('u9', request_id::text, ARRAY['i12', 'other'], ts => '2026-03-06') FROM other;
SELECT roll();
SELECT slot, shown_item_id, item_id IS NOT NULL AS other, same, reason FROM other, personalize.show_as_of('u9', request_id);
-- the catalogue of now, rules of now
UPDATE personalize.item SET available = false WHERE item_id = (SELECT items[1]::text FROM shown WHERE engine = 'recommend' AND n = 7);
SELECT slot, same, reason FROM shown s, personalize.show_as_of('u7', s.request_id) WHERE s.engine = 'recommend' AND n = 7;
UPDATE personalize.item SET available = true;
UPDATE personalize.item SET updated_at = '2026-01-01';
SELECT bool_and(same) FROM shown s, personalize.show_as_of('u7', s.request_id) WHERE s.engine = 'recommend' AND n = 7;
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('first', 'pin', '{i12}', 1);
SELECT slot, same, reason FROM shown s, personalize.show_as_of('u7', s.request_id) WHERE s.engine = 'recommend' AND n = 7 AND NOT same;
DELETE FROM personalize.rule;
-- a search of the application's own: with the scores it went by the answer is the same, without them it is not
CREATE TABLE searched AS SELECT q, p, r.request_id, array_agg(r.item_id::personalize.entity_id ORDER BY r.rank) AS items, array_agg(f.score ORDER BY r.rank) AS scores
	FROM (VALUES ('told'), ('not told')) AS v (q), generate_series(31, 33) AS p,
		LATERAL (SELECT array_agg('i' || i ORDER BY i)::personalize.entity_id[] AS items, array_agg((i * 5 % 12)::float8 ORDER BY i) AS scores FROM generate_series(1, 8) AS i) AS c,
		LATERAL personalize.rank_search(('u' || p)::personalize.entity_id, 'query ' || q, c.items, c.scores, as_of => '2026-03-06 10:00+00'::timestamptz + p * interval '1 minute') AS r,
		LATERAL (SELECT c.scores[array_position(c.items::text[], r.item_id)] AS score) AS f GROUP BY 1, 2, 3;
SELECT count(personalize.track_impressions('u' || p, request_id::text, items, query => 'query ' || q, ts => '2026-03-06 10:00+00'::timestamptz + p * interval '1 minute',
	scores => CASE q WHEN 'told' THEN scores END)) FROM searched;
SELECT count(personalize.track('u' || p, 'select_item', items[1], request_id => request_id::text, ts => '2026-03-06 10:01+00'::timestamptz + p * interval '1 minute')) FROM searched;
SELECT roll();
SELECT q, count(*), bool_and(a.same) AS same FROM searched AS s, personalize.show_as_of('u' || s.p, s.request_id) AS a GROUP BY 1 ORDER BY 1;
SELECT engine, round(value, 2) AS "first of", steps FROM (SELECT 'rank_search' AS engine, value::numeric, steps FROM personalize.replay('rank_search', since => '2026-03-06', until => '2026-03-07')
	WHERE metric = 'mrr' AND policy = 'shipped') AS r;
DROP TABLE searched;
-- what cannot be asked again
SELECT personalize.withdraw_consent('u7', '{recommendations}');
SELECT DISTINCT item_id, same, reason FROM shown s, personalize.show_as_of('u7', s.request_id) WHERE s.engine = 'recommend' AND n = 7;
SELECT personalize.retire_variant('recommend', 'plain');
SELECT DISTINCT item_id, same, reason FROM shown s, personalize.show_as_of('u9', s.request_id) WHERE s.engine = 'recommend' AND n = 9;
INSERT INTO personalize._gone VALUES ('event', '2026-04-01') ON CONFLICT (what) DO UPDATE SET before = EXCLUDED.before;
SELECT DISTINCT item_id, same, reason FROM shown s, personalize.show_as_of('u9', s.request_id) WHERE s.engine = 'trending' AND n = 9;
-- errors
SELECT * FROM personalize.show_as_of(NULL, gen_random_uuid());
SELECT * FROM personalize.show_as_of('u9', NULL);
SELECT * FROM personalize.show_as_of('u9', '00000000-0000-8000-8000-000000000000');
DO $$
DECLARE
	request uuid := (SELECT request_id FROM shown WHERE engine = 'recommend' AND n = 9);
BEGIN
	PERFORM personalize.show_as_of('u10', request);
EXCEPTION WHEN undefined_object THEN
	RAISE NOTICE '%', replace(sqlerrm, request::text, 'ID');
END
$$;
SET ROLE personalize_analyst;
SELECT * FROM personalize.show_as_of('u9', gen_random_uuid());
RESET ROLE;
GRANT SELECT ON shown TO personalize_admin;
SET ROLE personalize_admin;
SELECT count(*) FROM personalize.show_as_of('u9', (SELECT request_id FROM shown WHERE engine = 'recommend' AND n = 9));
RESET ROLE;
DROP FUNCTION roll();
DROP TABLE shown, other, page;

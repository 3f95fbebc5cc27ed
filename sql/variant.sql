SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- What each engine can be set by.
SELECT * FROM personalize.engine_parameters('recommend');
SELECT p.name, p.default_value BETWEEN p.minimum AND p.maximum AS in_range
FROM unnest('{similar_items,trending,bought_together}'::text[]) e, personalize.engine_parameters(e) p
WHERE p.default_value NOT BETWEEN p.minimum AND p.maximum OR p.description = '' OR p.unit = '';
SELECT * FROM personalize.engine_parameters('recomend');
SELECT * FROM personalize.engine_parameters(NULL);

-- A shop: people walk in circles through 40 items of 4 categories and 3 brands.
INSERT INTO personalize.item (item_id, category, brand, tags)
SELECT i::text, 'c' || i % 4, 'b' || i % 3, ARRAY['t' || i % 5, 't' || i % 2] FROM generate_series(1, 40) i;
SELECT personalize.import_events(array_agg(('w' || w)::personalize.entity_id), array_agg('view_item'::text),
	array_agg(((w * 3 + i * (1 + w % 3)) % 40 + 1)::text::personalize.entity_id),
	array_agg('2026-01-05 00:00+00'::timestamptz + make_interval(hours => w, mins => i)),
	consents => array_agg('analytics,personalization,recommendations'::text))
FROM generate_series(1, 80) w, generate_series(0, 7) i;
SELECT personalize.import_events(array_agg(('w' || w)::personalize.entity_id), array_agg('purchase'::text),
	array_agg(((w * 3 + i) % 40 + 1)::text::personalize.entity_id),
	array_agg('2026-01-05 12:00+00'::timestamptz + make_interval(hours => w, mins => i)),
	properties => array_agg(jsonb_build_object('order_id', w)), consents => array_agg('analytics,personalization,recommendations'::text))
FROM generate_series(1, 80) w, generate_series(0, 2) i;
SELECT personalize.grant_consent('w7', '{personalization,recommendations}'), personalize.set_preference('w7', 'favourite_brand', 'b1');
SELECT count(*) > 0 AS done FROM personalize.rollup_now();

-- Every answer of every engine, 10,000 calls, but for the request ids: all that was asked
-- before is asked again.
CREATE FUNCTION answers(what text) RETURNS TABLE (calls bigint, rows bigint, digest text) LANGUAGE plpgsql AS $$
DECLARE
	call text := CASE what
		WHEN 'recommend' THEN $q$personalize.recommend('w' || 1 + n % 80, 1 + n % 20, as_of => '2099-01-01 00:00+00', explain => n % 2 = 0)$q$
		WHEN 'similar_items' THEN $q$personalize.similar_items((1 + n % 41)::text, 1 + n % 20, as_of => '2099-01-01 00:00+00', explain => n % 2 = 0)$q$
		WHEN 'trending' THEN $q$personalize.trending(1 + n % 20, category => CASE WHEN n % 5 < 4 THEN 'c' || n % 5 END, as_of => '2026-01-10 00:00+00', explain => n % 2 = 0)$q$
		WHEN 'bought_together' THEN $q$personalize.bought_together(ARRAY[1 + n % 40, 1 + n % 7]::text[]::personalize.entity_id[], 1 + n % 20, as_of => '2026-01-10 00:00+00', explain => n % 2 = 0)$q$
	END;
BEGIN
	RETURN QUERY EXECUTE format('SELECT count(DISTINCT n), count(*), md5(string_agg(concat_ws(''|'', n, rank, item_id, item_key, score, reason, explanation), '' '' ORDER BY n, rank))
		FROM generate_series(1, 2500) n, %s', call);
END
$$;

CREATE TEMP TABLE before AS SELECT e.name, a.* FROM unnest('{recommend,similar_items,trending,bought_together}'::text[]) e(name), answers(e.name) a;
SELECT name, calls, rows > calls AS many FROM before ORDER BY 1;
CREATE FUNCTION changed(engines text[] DEFAULT '{recommend,similar_items,trending,bought_together}') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT b.name FROM before b, answers(b.name) a WHERE b.name = ANY (engines) AND (a.digest <> b.digest OR a.rows <> b.rows) ORDER BY 1
$$;

-- Made, in use by name, and in use for all that name none: no other engine notices.
SELECT personalize.create_variant('recommend', 'Few "votes"', '{"postings": 10, "neighbours": 5, "next_weight": 0, "favourite_boost": 3}');
SELECT personalize.set_default_variant('recommend', 'Few "votes"');
SELECT changed();
SELECT personalize.create_variant('similar_items', 'long view', '{"next_prior": 100, "next_weight": 20}');
SELECT personalize.set_default_variant('similar_items', 'long view');
SELECT changed();
SELECT engine, name, id, parameters, is_default, created_by = session_user AS by_me, retired_at IS NULL AS serves
FROM personalize.engine_variant ORDER BY engine, id;
-- and back, to the last bit
SELECT personalize.set_default_variant('recommend', 'shipped'), personalize.set_default_variant('similar_items', 'shipped');
SELECT changed('{recommend,similar_items}');
-- a call by name is what it was as the default
SELECT count(*) FILTER (WHERE s.score IS DISTINCT FROM n.score OR s.item_id IS DISTINCT FROM n.item_id) AS shipped_differs,
	count(*) FILTER (WHERE s.score IS DISTINCT FROM v.score OR s.item_id IS DISTINCT FROM v.item_id) > 0 AS other_differs
FROM personalize.recommend('w7', 10, as_of => '2099-01-01 00:00+00', variant => 'shipped') s
	FULL JOIN personalize.recommend('w7', 10, as_of => '2099-01-01 00:00+00') n USING (rank)
	FULL JOIN personalize.recommend('w7', 10, as_of => '2099-01-01 00:00+00', variant => 'Few "votes"') v USING (rank);
SELECT explanation -> 'variant' AS variant FROM personalize.recommend('w7', 1, explain => true, variant => 'Few "votes"');

-- Prepared statements see the default of the moment.
PREPARE ask AS SELECT explanation ->> 'variant' AS variant FROM personalize.recommend('w7', 1, explain => true);
SET plan_cache_mode = force_generic_plan;
EXECUTE ask;
SELECT personalize.set_default_variant('recommend', 'Few "votes"');
EXECUTE ask;
-- what is taken back was never in use
BEGIN;
SELECT personalize.set_default_variant('recommend', 'shipped');
EXECUTE ask;
SAVEPOINT s;
SELECT personalize.create_variant('recommend', 'soon'), personalize.set_default_variant('recommend', 'soon');
EXECUTE ask;
ROLLBACK TO s;
EXECUTE ask;
ROLLBACK;
EXECUTE ask;
SELECT personalize.set_default_variant('recommend', 'shipped');
EXECUTE ask;
RESET plan_cache_mode;
-- a read-only transaction reads them
BEGIN READ ONLY;
SELECT count(*) FROM personalize.recommend('w7', 3, variant => 'Few "votes"');
COMMIT;

-- Retired, it answers nobody, and its name and number stay taken.
SELECT personalize.retire_variant('recommend', 'Few "votes"');
SELECT count(*) FROM personalize.recommend('w7', 3, variant => 'Few "votes"');
SELECT personalize.set_default_variant('recommend', 'Few "votes"');
SELECT personalize.retire_variant('recommend', 'Few "votes"');
SELECT personalize.create_variant('recommend', 'Few "votes"');
SELECT personalize.create_variant('recommend', 'next');
SELECT personalize.set_default_variant('recommend', 'next');
SELECT personalize.retire_variant('recommend', 'next');
SELECT personalize.retire_variant('recommend', 'shipped');

-- What cannot be.
SELECT * FROM personalize.recommend('w7', variant => 'nxt');
SELECT * FROM personalize.recommend('w7', variant => '');
SELECT * FROM personalize.trending(variant => 'next');
SELECT personalize.create_variant('recommendation', 'a');
SELECT personalize.create_variant('recommend', 'a', '{"next_wieght": 1}');
SELECT personalize.create_variant('trending', 'a', '{"next_weight": 1}');
SELECT personalize.create_variant('recommend', 'a', '{"next_weight": -0.1}');
SELECT personalize.create_variant('recommend', 'a', '{"next_weight": 1e400}');
SELECT personalize.create_variant('recommend', 'a', '{"postings": 257}');
SELECT personalize.create_variant('recommend', 'a', '{"postings": 2.5}');
SELECT personalize.create_variant('recommend', '  ');
SELECT personalize.create_variant('recommend', repeat('é', 50000));
SELECT 1 FROM personalize.recommend('u1', variant => repeat('v', 50000));
SELECT personalize.create_variant('recommend', 'a', '{"postings": "20"}');
SELECT personalize.create_variant('recommend', 'a', '{"postings": null}');
SELECT personalize.create_variant('recommend', 'a', '{"postings": [20]}');
SELECT personalize.create_variant('recommend', 'a', '[]');
SELECT personalize.create_variant('recommend', 'a', '7');
SELECT personalize.create_variant('recommend', '');
SELECT personalize.create_variant('recommend', repeat('x', 64));
SELECT personalize.create_variant('recommend', E'a\nb');
SELECT personalize.create_variant('recommend', 'shipped');
SELECT personalize.create_variant(NULL, 'a');
SELECT personalize.create_variant('recommend', NULL);
SELECT personalize.set_default_variant('recommend', NULL);
SELECT personalize.retire_variant(NULL, 'a');
UPDATE personalize.engine_variant SET parameters = '{"next_weight": 2}' WHERE name = 'next';
UPDATE personalize.engine_variant SET id = 9 WHERE name = 'next';
\set VERBOSITY terse
UPDATE personalize.engine_variant SET retired_at = now() WHERE name = 'next';
UPDATE personalize.engine_variant SET is_default = true WHERE engine = 'recommend';
\set VERBOSITY default

DROP FUNCTION changed, answers;
DROP TABLE before;
DROP EXTENSION personalize CASCADE;

-- Whatever is done to one engine, the others answer the same to the last bit: 10,000 calls.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
RESET client_min_messages;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
INSERT INTO personalize.item (item_id, category, brand, price, created_at, attributes)
	SELECT i, 'c' || i % 4, 'b' || i % 3, i % 30, '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute',
		jsonb_build_object('title', (ARRAY['Red', 'Blue', 'White'])[1 + i % 3] || (ARRAY[' shoe', ' shirt', ' scarf', ' hat'])[1 + i % 4])
	FROM generate_series(1, 60) i;
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization,recommendations}')) FROM generate_series(0, 49) n;
SELECT count(personalize.track('u' || n % 50, CASE n % 9 WHEN 0 THEN 'purchase' WHEN 4 THEN 'add_to_cart' ELSE 'view_item' END, (n * n % 59 + 1)::text,
	ts => now() - n * interval '40 seconds', session_id => 's' || n % 100))
FROM generate_series(1, 2000) n;
SELECT count(personalize.set_preference('u' || n, 'favourite_brand', 'b' || n % 3)) FROM generate_series(0, 9) n;
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT count(*) > 0 AS counted FROM personalize.rollup_now();
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;

-- A question a number $1 of each engine at a time $2, and parameters that change its answers.
CREATE TABLE question (engine text, ask text, parameters jsonb);
INSERT INTO question VALUES
	('recommend', 'personalize.recommend(''u'' || $1 % 50, $1 % 12 + 5, explain => true, as_of => $2)', '{"diversity": 0.9}'),
	('similar_items', 'personalize.similar_items($1 % 59 + 1, $1 % 12 + 5, explain => true, as_of => $2)', '{"diversity": 0.9}'),
	('trending', 'personalize.trending($1 % 12 + 5, explain => true, as_of => $2)', '{"max_per_brand": 1}'),
	('bought_together', 'personalize.bought_together(ARRAY[$1 % 59 + 1]::text[], $1 % 12 + 5, explain => true, as_of => $2)', '{"max_per_brand": 1}'),
	('rank_search', 'personalize.rank_search(''u'' || $1 % 50, ''red'', ARRAY(SELECT i::text FROM generate_series($1 % 20, $1 % 20 + 15) i), explain => true, as_of => $2)', '{"max_per_brand": 1}'),
	('search_items', 'personalize.search_items(''u'' || $1 % 50, (ARRAY[''shoe'', ''red'', ''white hat''])[1 + $1 % 3], explain => true, as_of => $2)', '{"diversity": 0.9}'),
	('homepage', 'personalize.homepage(''u'' || $1 % 50, n => $1 % 5 + 3, explain => true, as_of => $2)', '{"max_per_brand": 1}');
-- all engines are asked
SELECT personalize_internal._engine_name(c::smallint) FROM generate_series(1, 63) c WHERE personalize_internal._engine_name(c::smallint) !~ '^[0-9]' EXCEPT SELECT engine FROM question;

-- Digests of 52 answers of each engine, with all columns but request_id.
CREATE FUNCTION answers(at timestamptz) RETURNS TABLE (engine text, digest text) LANGUAGE plpgsql AS $$
DECLARE
	q question;
BEGIN
	FOR q IN SELECT * FROM question LOOP
		engine := q.engine;
		EXECUTE format('SELECT md5(string_agg((to_jsonb(a) - ''request_id'')::text, '';'' ORDER BY c.n, a.ordinality))
			FROM generate_series(1, 52) AS c (n), LATERAL (SELECT r.*, row_number() OVER () AS ordinality FROM %s AS r) AS a',
			replace(replace(q.ask, '$1', 'c.n'), '$2', '$1')) INTO digest USING at;
		RETURN NEXT;
	END LOOP;
END
$$;
-- Whose answers change while an engine's experiment is made, started and grown, while it is paused, and when it is shipped.
CREATE FUNCTION changed(one text) RETURNS TABLE (running text, paused text, shipped text) LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := now();
	others CONSTANT text := 'SELECT string_agg(a.engine, '', '') FROM answers($1) AS a JOIN before AS b USING (engine) WHERE a.digest <> b.digest';
BEGIN
	CREATE TEMP TABLE before ON COMMIT DROP AS SELECT * FROM answers(at);
	PERFORM personalize.create_experiment('alone', one, jsonb_build_array('shipped', jsonb_build_object('name', 'wild', 'parameters',
		(SELECT q.parameters FROM question q WHERE q.engine = one))), traffic => 0.5);
	PERFORM personalize.start_experiment('alone');
	PERFORM personalize.grow_experiment('alone', 1);
	PERFORM personalize.force_variant('u3', 'alone', 'wild');
	EXECUTE others INTO running USING at;
	PERFORM personalize.pause_experiment('alone');
	PERFORM personalize.force_variant('u3', 'alone', NULL);
	EXECUTE others INTO paused USING at;
	PERFORM personalize.ship_experiment('alone', 'wild');
	EXECUTE others INTO shipped USING at;
	RETURN NEXT;
END
$$;
SET personalize.visitor = 'u3';
BEGIN; SELECT * FROM changed('recommend'); ROLLBACK;
BEGIN; SELECT * FROM changed('similar_items'); ROLLBACK;
BEGIN; SELECT * FROM changed('trending'); ROLLBACK;
BEGIN; SELECT * FROM changed('bought_together'); ROLLBACK;
BEGIN; SELECT * FROM changed('rank_search'); ROLLBACK;
BEGIN; SELECT * FROM changed('search_items'); ROLLBACK;
BEGIN; SELECT * FROM changed('homepage'); ROLLBACK;
-- all answer in a transaction that may not write
BEGIN READ ONLY; SELECT count(*) FROM answers(now()) WHERE digest IS NOT NULL; ROLLBACK;
-- nothing is left
SELECT count(*) FROM personalize.experiment;
DROP EXTENSION personalize CASCADE;
DROP FUNCTION changed, answers;
DROP TABLE question;

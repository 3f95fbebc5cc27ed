SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

-- what one way of telling it leaves behind, by table
CREATE FUNCTION pg_temp.hashes() RETURNS TABLE (name text, hash bytea) LANGUAGE sql AS $$
	SELECT table_name, personalize.state_hash(table_name, '2026-03-01 00:00+00')
	FROM personalize_internal._state_tables() WHERE exempt_because IS NULL
$$;
CREATE TEMP TABLE event_in (number integer, body jsonb);
INSERT INTO event_in
	SELECT n, jsonb_build_object('user_id', 'u' || n % 3, 'event', (ARRAY['view_item', 'purchase', 'wave'])[1 + n / 2 % 3],
		'item_id', 'i' || n % 5, 'session_id', 's' || n / 9, 'message_id', 'm' || n, 'ts', '2026-01-01 00:00+00'::timestamptz + n * interval '3 minutes',
		'properties', jsonb_build_object('query', 'red shoes', 'value', 5),
		'consent', '["analytics", "personalization", "recommendations"]'::jsonb)
	FROM generate_series(1, 40) AS n;

-- all at once
SELECT accepted FROM personalize.track_many((SELECT jsonb_agg(body ORDER BY number) FROM event_in));
SELECT count(*) FROM personalize.rollup_now();
CREATE TEMP TABLE first_way AS SELECT * FROM pg_temp.hashes();
CREATE TEMP TABLE first_rows AS SELECT r FROM personalize_internal._canonical_rows('profile', '2026-03-01 00:00+00') AS r;

-- the same one by one, in batches of seven, and under other settings
DROP EXTENSION personalize CASCADE; CREATE EXTENSION personalize;
SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET extra_float_digits = 0;
DO $$
DECLARE
	e record;
BEGIN
	FOR e IN SELECT * FROM event_in ORDER BY number LOOP
		PERFORM personalize.track_many(jsonb_build_array(e.body));
		IF e.number % 7 = 0 THEN
			COMMIT;
			PERFORM personalize.rollup_now();
		END IF;
		COMMIT;
	END LOOP;
END
$$;
SELECT count(*) FROM personalize.rollup_now();
SELECT name FROM first_way AS f JOIN pg_temp.hashes() AS h USING (name) WHERE f.hash <> h.hash ORDER BY name;
SELECT count(*), count(DISTINCT r) FROM (TABLE first_rows UNION ALL SELECT personalize_internal._canonical_rows('profile', '2026-03-01 00:00+00')) AS t(r);

-- one more event is seen in what it changes, before and after it is counted
SELECT personalize.track('u1', 'view_item', 'i9', ts => '2026-01-01 01:00:00.000001+00', session_id => 's1');
SELECT name FROM first_way AS f JOIN pg_temp.hashes() AS h USING (name) WHERE f.hash <> h.hash ORDER BY name;
SELECT count(*) FROM personalize.rollup_now();
SELECT name FROM first_way AS f JOIN pg_temp.hashes() AS h USING (name) WHERE f.hash <> h.hash ORDER BY name;

-- panes are as wide as they are due at as_of
SELECT as_of, (SELECT string_agg(DISTINCT p.value ->> 0, ', ')
	FROM jsonb_array_elements(r::jsonb -> 'features' -> 'features') AS f, jsonb_array_elements(f -> 'panes') AS p)
FROM unnest('{2026-01-01,2026-01-03,2026-02-01,2028-01-01}'::timestamptz[]) AS as_of,
	LATERAL (SELECT r FROM personalize_internal._canonical_rows('profile', as_of) AS r LIMIT 1) AS c;

-- clear errors; their hint, which grows, lists the tables
\set VERBOSITY terse
SELECT personalize.state_hash('no such table');
SELECT personalize.state_hash('processor_position');
SELECT personalize.state_hash(NULL);
RESET timezone; RESET datestyle; RESET extra_float_digits;

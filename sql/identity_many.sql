-- Many ids become one person's in one transaction: the same as if they had been from the start.
SET client_min_messages = error; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
CREATE TEMP TABLE clock AS SELECT date_trunc('hour', now(), 'UTC') AS noon;
CREATE FUNCTION pg_temp.hashes(OUT table_name text, OUT hash bytea) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT t, personalize.state_hash(t, (SELECT noon FROM clock))
	FROM unnest(ARRAY['event', 'profile', 'item_stat', '_basket', 'session', 'posting', '_pair_list', '_session_total', '_session_day', '_session_repeat',
		'preference', 'exposure', 'exposure_outcome', '_searcher', 'search_stat', 'engine_stat', '_repeat_purchase']) t
$$;
-- 40 ids of ann, 10 of bob and 10 other people: days with and without an id of a session, which overlap
CREATE FUNCTION pg_temp.begin_story() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations'])
	FROM (SELECT 'id' || n AS u FROM generate_series(1, 60) n UNION ALL VALUES ('ann'), ('bob')) AS v;
	PERFORM set_config('personalize.test_now', to_jsonb(c.noon) #>> '{}', false) FROM clock AS c;
	PERFORM personalize.create_signal('seen', NULL, 'item', aggregates => '{distinct,min,max,first,last}');
END $$;
CREATE FUNCTION pg_temp.owner(n integer, known boolean) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN known AND n <= 40 THEN 'ann' WHEN known AND n <= 50 THEN 'bob' ELSE 'id' || n END
$$;
CREATE FUNCTION pg_temp.story(known boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.track(pg_temp.owner(n, known), (ARRAY['view_item', 'view_item', 'purchase', 'add_to_cart'])[1 + (n + i) % 4], 1 + (n * 7 + i * 3) % 12,
			CASE WHEN (n + i) % 4 = 2 THEN '{"price": 5, "currency": "EUR"}'::jsonb END,
			ts => c.noon - interval '7 minutes' * (n + 20 * i), session_id => CASE n % 3 WHEN 0 THEN 's' || n WHEN 1 THEN 't' END, message_id => n || '-' || i)
		FROM clock AS c, generate_series(1, 60) n, generate_series(1, 5) i;
	PERFORM personalize.track(u, 'view_item', i, ts => c.noon - interval '1 hour' * i, message_id => u || i)
		FROM clock AS c, unnest(ARRAY['ann', 'bob']) u, generate_series(1, 6) i;
	PERFORM personalize.set_preference(pg_temp.owner(8, known), 'favourite_brand', 'acme');
END $$;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END $$;
CREATE FUNCTION pg_temp.anew() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DROP EXTENSION personalize CASCADE;
	CREATE EXTENSION personalize;
END $$;

SELECT pg_temp.begin_story();
SELECT pg_temp.story(true);
SELECT pg_temp.roll();
CREATE TEMP TABLE known AS SELECT * FROM pg_temp.hashes();
SELECT pg_temp.anew();
SELECT pg_temp.begin_story();
SELECT pg_temp.story(false);
SELECT pg_temp.roll();
CREATE TEMP TABLE apart AS SELECT * FROM pg_temp.hashes();
SELECT count(*) > 5 AS they_differ FROM known k JOIN apart a USING (table_name) WHERE k.hash <> a.hash;

-- one of them fails half way, and is done again in the same transaction; others are given up
CREATE FUNCTION pg_temp.try(anonymous text, who text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT status FROM personalize.identify(anonymous, who));
EXCEPTION WHEN raise_exception THEN
	RETURN SQLERRM;
END $$;
CREATE FUNCTION pg_temp.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stopped'; END $$;
CREATE TRIGGER stop BEFORE INSERT ON personalize.identity FOR EACH ROW WHEN (NEW.alias_id = 'id7') EXECUTE FUNCTION pg_temp.stop();
-- events have changed hands by then, and nothing is made anew yet
CREATE TRIGGER stop BEFORE INSERT OR UPDATE OR DELETE ON personalize.preference FOR EACH ROW EXECUTE FUNCTION pg_temp.stop();
BEGIN;
SELECT pg_temp.try('id8', 'ann');
DROP TRIGGER stop ON personalize.preference;
SELECT pg_temp.try('id7', 'ann');
SELECT count(*), min(status), max(status) FROM generate_series(1, 20) n, personalize.identify('id' || n, 'ann') i WHERE n <> 7;
SAVEPOINT s;
SELECT count(*), min(status), max(status) FROM generate_series(21, 30) n, personalize.identify('id' || n, 'bob') i;
ROLLBACK TO s;
SELECT count(*), min(status), max(status) FROM generate_series(21, 40) n, personalize.identify('id' || n, 'ann') i;
SELECT count(*), min(status), max(status) FROM generate_series(41, 50) n, personalize.identify('id' || n, 'bob') i;
COMMIT;
DROP TRIGGER stop ON personalize.identity;
SELECT status FROM personalize.identify('id7', 'ann');
SELECT pg_temp.roll();
SELECT k.table_name FROM known k JOIN pg_temp.hashes() h USING (table_name) WHERE k.hash <> h.hash ORDER BY 1;
SELECT processor, what, first_wrong FROM personalize.verify_counts() WHERE wrong > 0;
SELECT part, wrong FROM personalize.verify_index() WHERE wrong > 0;
-- and taken apart again, one by one in one transaction
BEGIN;
SELECT count(personalize.split('ann', 'id' || n)) FROM generate_series(1, 40) n;
SELECT count(personalize.split('bob', 'id' || n)) FROM generate_series(41, 50) n;
COMMIT;
SELECT pg_temp.roll();
SELECT a.table_name FROM apart a JOIN pg_temp.hashes() h USING (table_name) WHERE a.hash <> h.hash ORDER BY 1;
SELECT processor, what, first_wrong FROM personalize.verify_counts() WHERE wrong > 0;
-- one more id costs what it cost before, however many there are
CREATE FUNCTION pg_temp.rows_read() RETURNS bigint LANGUAGE sql AS $$
	SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relid = 'personalize.identity'::regclass
$$;
SELECT count(*) FROM generate_series(1, 10) n, personalize.identify('few' || n, 'few') i WHERE i.status = 'merged';
SELECT count(*) FROM generate_series(1, 900) n, personalize.identify('many' || n, 'many') i WHERE i.status = 'merged';
BEGIN;
SELECT status FROM personalize.identify('few0', 'few');
SELECT pg_temp.rows_read() AS few \gset
SELECT :few > 0 AS some_are_read;
SELECT status FROM personalize.identify('many0', 'many');
SELECT pg_temp.rows_read() - :few <= :few AS no_more_rows_are_read;
COMMIT;
-- an id with events writes what it has itself, however much the person has done: 10 things, or 500
SELECT count(personalize.grant_consent(p || n, '{analytics,personalization,recommendations}')) FROM unnest('{less,more}'::text[]) p, generate_series(0, 2) n;
CREATE FUNCTION pg_temp.acts(who text, first integer, last integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(personalize.track(who, (ARRAY['view_item_list', 'select_item', 'add_to_cart', 'purchase', 'view_item'])[1 + n % 5], 1 + n % 12,
		CASE n % 5 WHEN 0 THEN '{"query": "red hat"}'::jsonb END, ts => noon - interval '50 minutes' * n, message_id => who || n))
	FROM clock, generate_series(first, last) n
$$;
SELECT pg_temp.acts('less0', 1, 10), pg_temp.acts('more0', 1, 500), pg_temp.acts('less1', 11, 20), pg_temp.acts('more1', 11, 20), pg_temp.acts('less2', 3, 8), pg_temp.acts('more2', 3, 8);
SELECT pg_temp.roll();
SELECT status, events FROM personalize.identify('less1', 'less0') UNION ALL SELECT status, events FROM personalize.identify('more1', 'more0');
CREATE FUNCTION pg_temp.rows_written() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_xact_all_tables
	WHERE relid IN (SELECT format('personalize.%s', t)::regclass FROM unnest('{exposure,exposure_outcome,_basket,session}'::text[]) AS t)
$$;
BEGIN;
SELECT status, events FROM personalize.identify('less2', 'less0');
SELECT pg_temp.rows_written() AS less \gset
SELECT :less > 10 AS some_are_written;
SELECT status, events FROM personalize.identify('more2', 'more0');
SELECT pg_temp.rows_written() - :less < 2 * :less AS few_more_are_written;
COMMIT;
SELECT processor, what, first_wrong FROM personalize.verify_counts() WHERE wrong > 0;
SELECT part, wrong FROM personalize.verify_index() WHERE wrong > 0;
DROP EXTENSION personalize CASCADE;

SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
-- rows that processors write are put into every index: also into the second one that
-- there is while the primary key's is built anew (REINDEX CONCURRENTLY), and into one's own
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE UNIQUE INDEX session_second ON personalize.session (user_key, given, session_key);
CREATE INDEX session_some ON personalize.session (events, (events + 1)) WHERE events > 1;
CREATE INDEX profile_second ON personalize.profile (user_key);
CREATE INDEX posting_second ON personalize.posting (item_key);
CREATE INDEX item_stat_second ON personalize.item_stat (item_key);
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END $$;
CREATE FUNCTION counts() RETURNS TABLE (name text, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT 'session', count(*) FROM personalize.session WHERE user_key > -1
		UNION ALL SELECT 'session, some', count(*) FROM personalize.session WHERE events > 1
		UNION ALL SELECT 'profile', count(*) FROM personalize.profile WHERE user_key > -1
		UNION ALL SELECT 'posting', count(*) FROM personalize.posting WHERE item_key > -1
		UNION ALL SELECT 'item_stat', count(*) FROM personalize.item_stat WHERE item_key > -1;
END $$;
SELECT count(personalize.grant_consent(u::text, ARRAY['analytics', 'personalization', 'recommendations'])) FROM generate_series(1, 3) u;
SELECT count(personalize.track(u::text, 'view_item', i)) FROM generate_series(1, 3) u, generate_series(1, u) i;
CALL roll();
SELECT count(personalize.track(u::text, 'view_item', i)) FROM generate_series(1, 2) u, generate_series(3, 4) i;
CALL roll();
-- what is told to indexes in their own order, too, where that does not fit into memory
SET maintenance_work_mem = '1MB';
SELECT accepted FROM personalize.ingest(array_fill(1::bigint, ARRAY[20000]), array_fill('view_item'::text, ARRAY[20000]),
	ARRAY(SELECT 10 + i * 7919 % 20011 FROM generate_series(1, 20000) i)::bigint[]);
CALL roll();
RESET maintenance_work_mem;
-- by the indexes that were there first, by the others, by none
SET enable_seqscan = off; SET enable_bitmapscan = off;
BEGIN;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = ANY (ARRAY['personalize.session_pkey', 'personalize.profile_pkey', 'personalize.posting_pkey']::regclass[]);
SELECT * FROM counts();
ROLLBACK;
\c -
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
SELECT * FROM counts();
SET client_min_messages = warning;
DROP PROCEDURE roll;
DROP FUNCTION counts;
DROP EXTENSION personalize CASCADE;

-- Changing a segment: read at once, everybody looked at again, crossings told once.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET personalize.test_now = '2026-03-01 12:00+00';
-- batches are run by hand
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
END
$$;
CREATE FUNCTION pg_temp.changes() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(s.user_id || CASE WHEN c.entered THEN ' in' ELSE ' out' END, ', ' ORDER BY c.changed_at, c.entered, s.user_id)
	FROM personalize.segment_change c JOIN personalize.subject s USING (user_key)
$$;
SELECT count(personalize.grant_consent(u, '{analytics,personalization}', 'test')) FROM unnest('{ada,bob,cy}'::text[]) AS u;
SELECT count(personalize.track('ada', 'view_item', 'tv', '{"category": "c"}')) FROM generate_series(1, 6);
SELECT count(personalize.track('bob', 'view_item', 'tv', '{"category": "c"}')) FROM generate_series(1, 3);
SELECT personalize.track('cy', 'search', properties => '{"query": "tv"}');
SELECT personalize.create_segment('keen', 'interest_category[''c''] count', enter => 5, description => 'keen on c');
SELECT pg_temp.roll();
SELECT pg_temp.changes();

-- a lower threshold: bob is in for readers at once, and enters once; ada, who was in, stays in
SET personalize.test_now = '2026-03-01 13:00+00';
SELECT personalize.alter_segment('keen', enter => 3);
SELECT u, personalize.in_segment(u, 'keen') FROM unnest('{ada,bob,cy}'::text[]) AS u;
SELECT user_id FROM personalize.segment_members('keen') ORDER BY 1;
SELECT pg_temp.changes();
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT pg_temp.changes();
SELECT condition, enter, leave, ttl, description FROM personalize.segment WHERE name = 'keen';
SELECT user_id, since FROM personalize.segment_members('keen') ORDER BY 1;

-- a new condition brings its own thresholds: who is not in it leaves, who is enters
SET personalize.test_now = '2026-03-01 14:00+00';
SELECT personalize.alter_segment('keen', 'search_term[''tv''] >= 1 or interest_category[''c''] >= 6');
SELECT condition, enter, description FROM personalize.segment WHERE name = 'keen';
SELECT pg_temp.roll();
SELECT pg_temp.changes();
-- the time it holds, and a note
SELECT personalize.alter_segment('keen', ttl => '2 days', description => 'for a while');
SET personalize.test_now = '2026-03-03 13:00+00';
SELECT u, personalize.in_segment(u, 'keen') FROM unnest('{ada,cy}'::text[]) AS u;
SELECT pg_temp.roll();
SELECT pg_temp.changes();
SELECT condition, enter, ttl, description FROM personalize.segment WHERE name = 'keen';
-- nothing given, nothing changed
SELECT personalize.alter_segment('keen');
SELECT pg_temp.roll();
SELECT pg_temp.changes();

-- the purposes are those of the new condition, of what is stored, too
SELECT personalize.create_signal('seen', '{view_item}', 'none', purposes => '{analytics}');
SELECT personalize.alter_segment('keen', 'seen >= 1');
SELECT DISTINCT purposes FROM personalize.segment_member WHERE segment = 100;
SELECT personalize.track('bob', 'view_item', 'tv');
SELECT personalize.in_segment('bob', 'keen', 'analytics');
SELECT pg_temp.roll();
SELECT pg_temp.changes();
-- in a transaction that fails nothing changes
BEGIN;
SELECT personalize.alter_segment('keen', 'seen >= 100');
SELECT personalize.in_segment('bob', 'keen', 'analytics');
ROLLBACK;
SELECT personalize.in_segment('bob', 'keen', 'analytics');

-- mistakes
SELECT personalize.alter_segment('nobody', 'seen >= 1');
SELECT personalize.alter_segment(NULL, 'seen >= 1');
SELECT personalize.alter_segment('user_interested_in_electronics', enter => 3);
SELECT personalize.alter_segment('keen', 'sen >= 1');
SELECT personalize.alter_segment('keen', 'seen');
SELECT personalize.alter_segment('keen', 'seen >= 1 and search_term >= 1', enter => 3);
SELECT personalize.alter_segment('keen', leave => 5);
SELECT personalize.alter_segment('keen', enter => 'NaN');
SELECT personalize.alter_segment('keen', ttl => '1 second');
SELECT personalize.alter_segment('keen', '');
SELECT condition FROM personalize.segment WHERE name = 'keen';
DROP EXTENSION personalize CASCADE;

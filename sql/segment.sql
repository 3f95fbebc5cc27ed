-- Segments: who is in, when that changes, and what a condition may say.
\getenv abs_srcdir PG_ABS_SRCDIR
\set recompute :abs_srcdir '/test/recompute.sql'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
DROP SCHEMA IF EXISTS recompute CASCADE;
CREATE EXTENSION personalize;
\set ECHO none
\i :recompute
\set ECHO all
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET personalize.test_now = '2026-03-01 12:00+00';
-- workers have a clock of their own: batches are run here, in transactions in which alone the processors are enabled
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
END
$$;

-- the two that come with the extension; a shop without the category has nobody in it
SELECT name, condition, enter, leave, ttl, purposes FROM personalize.segment ORDER BY 1;
SELECT count(*) FROM personalize.segment_members('user_interested_in_electronics');
SELECT count(personalize.grant_consent(u, '{personalization}', 'test')) FROM unnest('{ada,bob,cy,eve}'::text[]) AS u;
SELECT count(personalize.track('ada', 'view_item', 'lamp', '{"category": "Lighting"}')) FROM generate_series(1, 9);
SELECT personalize.in_segment('ada', 'user_interested_in_electronics');

-- zero lag: before any batch; then the same of what is stored
SELECT count(personalize.track('ada', 'view_item', 'tv', '{"category": "electronics"}')) FROM generate_series(1, 6);
SELECT segment, until > '2026-03-05', query FROM personalize.segments_of('ada');
SELECT user_id, since FROM personalize.segment_members('user_interested_in_electronics');
SELECT count(*) FROM personalize.segment_change;
SELECT pg_temp.roll();
SELECT segment, until > '2026-03-05', query FROM personalize.segments_of('ada');
SELECT user_id, since FROM personalize.segment_members('user_interested_in_electronics');
SELECT changed_at, entered FROM personalize.segment_change;

-- hysteresis: below 5 she stays until it is below 3; who never had 5 is not in it at 4
SET personalize.test_now = '2026-03-06 12:00+00';
SELECT count(personalize.track('bob', 'view_item', 'tv', '{"category": "electronics"}')) FROM generate_series(1, 4);
SELECT u, round(f.decayed::numeric, 1), personalize.in_segment(u, 'user_interested_in_electronics')
FROM unnest('{ada,bob}'::text[]) AS u, personalize.features(u, NULL, '2026-03-06 12:00+00') AS f
WHERE f.signal = 'interest_category' AND f.value = 'electronics' ORDER BY 1;
-- nobody does anything, and still she leaves: read at once, written once by the next batch
SET personalize.test_now = '2026-03-16 12:00+00';
SELECT personalize.in_segment('ada', 'user_interested_in_electronics');
SELECT count(*) FROM personalize.segment_members('user_interested_in_electronics');
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT changed_at, entered FROM personalize.segment_change WHERE segment = 1 ORDER BY 1;
SELECT count(*) FROM personalize.segment_member WHERE segment = 1;

-- it does not matter when anybody looked: the same events, come late and in one batch
SET personalize.test_now = '2026-03-06 12:00+00';
SELECT count(personalize.grant_consent('late', '{personalization}', 'test'));
SELECT count(personalize.track('late', 'view_item', 'tv', '{"category": "electronics"}', ts => '2026-03-01 12:00+00')) FROM generate_series(1, 6);
SELECT personalize.in_segment('late', 'user_interested_in_electronics');
SELECT pg_temp.roll();
SELECT personalize.in_segment('late', 'user_interested_in_electronics'), (SELECT count(*) FROM personalize.segment_members('user_interested_in_electronics') WHERE user_id = 'late');
SET personalize.test_now = '2026-03-16 12:00+00';
SELECT pg_temp.roll();

-- a search that meant something, whatever carries the query; one query at a time
SELECT count(personalize.track('cy', 'search', NULL, '{"query": "red lamp"}'));
SET personalize.test_now = '2026-03-16 12:05+00';
SELECT count(personalize.track('cy', 'search', NULL, '{"query": "blue tv"}'));
SELECT count(personalize.track('cy', 'select_item', 'tv', '{"query": "blue tv"}'));
SET personalize.test_now = '2026-03-16 12:10+00';
SELECT count(personalize.track('cy', 'add_to_cart', 'tv'));
SELECT * FROM personalize.segments_of('cy');
SELECT pg_temp.roll();
SELECT * FROM personalize.segments_of('cy');
SELECT * FROM personalize_internal._profile_steps((SELECT steps FROM personalize.profile WHERE user_key = personalize.user_key('cy')));

-- all 720 orders in which six events can come, in two batches: the same answer
CREATE FUNCTION pg_temp.permutations(n integer[]) RETURNS SETOF integer[] LANGUAGE sql AS $$
	WITH RECURSIVE p (done, rest) AS (
		SELECT '{}'::integer[], n
		UNION ALL SELECT done || r, array_remove(rest, r) FROM p, unnest(rest) AS r)
	SELECT done FROM p WHERE rest = '{}' ORDER BY 1
$$;
SELECT personalize.create_segment('abandoned', 'add_to_cart -> not purchase within 1 hour by item', ttl => '1 day');
CREATE TEMP TABLE step (n integer, event text, item text, ts timestamptz, properties jsonb);
INSERT INTO step VALUES
	(1, 'search', NULL, '2026-03-16 11:00+00', '{"query": "tv"}'), (2, 'select_item', 'tv', '2026-03-16 11:10+00', '{"query": "tv"}'),
	(3, 'search', NULL, '2026-03-16 11:12+00', '{"query": "hat"}'), (4, 'add_to_cart', 'tv', '2026-03-16 11:20+00', '{"query": "tv"}'),
	(5, 'add_to_cart', 'hat', '2026-03-16 11:30+00', NULL), (6, 'purchase', 'hat', '2026-03-16 11:40+00', NULL);
SET personalize.test_now = '2026-03-16 13:00+00';
CREATE TEMP TABLE trial AS SELECT 'p' || row_number() OVER (ORDER BY p) AS user_id, p FROM pg_temp.permutations('{1,2,3,4,5,6}') AS p;
SELECT count(personalize.grant_consent(user_id, '{personalization}', 'test')) FROM trial;
CREATE FUNCTION pg_temp.send(first integer, last integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(personalize.track(t.user_id, s.event, s.item, s.properties, ts => s.ts))
	FROM (SELECT t.user_id, t.p, place FROM trial AS t, generate_series(first, last) AS place ORDER BY 1, 3) AS t
	JOIN step AS s ON s.n = t.p[t.place]
$$;
SELECT pg_temp.send(1, 3);
SELECT pg_temp.roll();
SELECT pg_temp.send(4, 6);
SELECT count(*) FROM trial, personalize.segments_of(user_id) AS s WHERE (segment, until, query) IS NOT DISTINCT FROM ('high_intent_search_query', '2026-03-17 11:20+00', 'tv');
SELECT count(*) FROM trial, personalize.segments_of(user_id) AS s WHERE (segment, until) = ('abandoned', '2026-03-17 12:20+00');
SELECT pg_temp.roll();
SELECT segment, until, query, count(*) FROM trial, personalize.segments_of(user_id) AS s GROUP BY 1, 2, 3 ORDER BY 1;
SELECT count(DISTINCT p.steps) FROM personalize.profile AS p JOIN trial ON p.user_key = personalize.user_key(user_id);
-- and what is stored of them is what the events, counted anew, say
CREATE TEMP TABLE was AS SELECT user_key, segment, member FROM personalize.segment_member WHERE member;
BEGIN;
SELECT count(personalize.rebuild_processor('profile'));
SELECT pg_temp.roll();
COMMIT;
SELECT pg_temp.roll();
(TABLE was EXCEPT SELECT user_key, segment, member FROM personalize.segment_member WHERE member)
UNION ALL (SELECT user_key, segment, member FROM personalize.segment_member WHERE member EXCEPT TABLE was);

-- a segment made later looks at everybody who has a profile
SELECT personalize.create_segment('looked around', 'interest_category in 20 days >= 3 leave 2 and not search_term >= 1');
SELECT user_id, since FROM personalize.segment_members('looked around');
SELECT pg_temp.roll();
SELECT user_id, since FROM personalize.segment_members('looked around');

-- dropped, and made anew
SELECT count(personalize.track('bob', 'view_item', 'tv', '{"category": "electronics"}')) FROM generate_series(1, 6);
SELECT pg_temp.roll();
SELECT personalize.drop_segment('looked around');
SELECT personalize.create_segment('looked around', 'interest_category in 20 days >= 3 leave 2 and not search_term >= 1');

-- no purpose, no segment; and a withdrawal takes it all along
SET personalize.purpose = 'analytics';
SELECT count(*) FROM personalize.segments_of('cy', 'analytics');
SELECT personalize.in_segment('cy', 'abandoned', 'analytics');
SELECT count(*) FROM personalize.segment_members('abandoned', 'analytics');
RESET personalize.purpose;
SELECT personalize.export_user('cy') -> 'segments', personalize.export_user('cy') -> 'segment_changes' -> 0;
SELECT personalize.withdraw_consent('cy') IS NOT NULL;
SELECT count(*) FROM personalize.segments_of('cy');
SELECT count(*) FROM personalize.segment_member WHERE user_key = personalize.user_key('cy');
SELECT count(*) FROM personalize.segment_change WHERE user_key = personalize.user_key('cy');
SELECT personalize.restrict('ada', grounds => 'test') IS NOT NULL;
SELECT count(*) FROM personalize.segments_of('ada'), personalize.segment_members('looked around');
SELECT personalize.forget('ada') IS NOT NULL;
SELECT count(*) FROM personalize.segment_change WHERE user_key = personalize.user_key('ada');

-- mistakes name the word and what there is
SELECT personalize.create_segment('x', 'interest_categry[''a''] >= 5');
SELECT personalize.create_segment('x', 'interest_category[''a''] decaid >= 5');
SELECT personalize.create_segment('x', 'interest_category[a] >= 5');
SELECT personalize.create_segment('x', 'interest_category[''a >= 5');
SELECT personalize.create_segment('x', 'interest_category => 5');
SELECT personalize.create_segment('x', 'interest_category >= many');
SELECT personalize.create_segment('x', 'interest_category >= 1e999');
SELECT personalize.create_segment('x', 'interest_category in 7 dais >= 5');
SELECT personalize.create_segment('x', 'interest_category in 7000 days >= 5');
SELECT personalize.create_segment('x', 'interest_category ~ 5');
SELECT personalize.create_segment('x', 'interest_category decayed');
SELECT personalize.create_segment('x', 'interest_category >= 5 xor search_term >= 1');
SELECT personalize.create_segment('x', '(interest_category >= 5');
SELECT personalize.create_segment('x', 'interest_category >= 5 and');
SELECT personalize.create_segment('x', 'interest_category >= 5 leave 6');
SELECT personalize.create_segment('x', 'interest_category >= 5 and search_term >= 1', enter => 3);
SELECT personalize.create_segment('x', 'search -> serch within 7 days');
SELECT personalize.create_segment('x', '''Order Completed'' -> search within 1 day'), personalize.create_segment('x', 'product_viewed -> search within 1 day');
SELECT personalize.create_segment('x', 'search -> add_to_cart');
SELECT personalize.create_segment('x', 'search -> add_to_cart within 1 hour by qery');
SELECT personalize.create_segment('x', ''), personalize.create_segment('x', NULL);
SELECT personalize.create_segment('x', repeat('(', 100) || 'search_term >= 1');
SELECT personalize.create_segment('x', repeat('search_term >= 1 and ', 50) || 'search_term >= 1');
SELECT personalize.create_segment('x', 'search_term >= 1; DROP TABLE personalize.event');
SELECT personalize.create_segment('x', 'search_term', enter => 'NaN');
SELECT personalize.create_segment('x', 'search_term >= 1', ttl => '1 second');
SELECT personalize.create_segment('x', 'search_term >= 1', ttl => '10 years');
SELECT personalize.create_segment(NULL, 'search_term >= 1');
SELECT personalize.create_segment('', 'search_term >= 1');
SELECT personalize.create_segment(E'a\nb', 'search_term >= 1');
SELECT personalize.create_segment('abandoned', 'search_term >= 1');
SELECT personalize.in_segment('ada', 'user_intrested_in_electronics');
SELECT personalize.in_segment(NULL, 'abandoned'), 1;
SELECT personalize.drop_segment('nosuch');
SELECT personalize.drop_segment('abandoned');
SELECT count(*) FROM personalize.segment_member JOIN personalize.segment_change USING (segment) WHERE segment = 100;

-- names of any characters
SELECT count(personalize.track('bob', 'Said "it''s"', 'tv'));
SELECT personalize.create_segment('said', '''Said "it''''s"'' -> search within 1 day and search_term[''it''''s''] in 1 week < 3');

-- against the raw events, in SQL of its own: traffic in several batches, and after a time
SET personalize.test_now = '';
SELECT date_trunc('hour', now(), 'UTC') + interval '1 hour' AS later \gset
SET personalize.test_now = :'later';
SELECT setseed(0.5);
SELECT count(personalize.grant_consent(u::text, '{analytics,personalization}', 'test')) FROM generate_series(0, 40) AS u;
SELECT recompute.traffic(1500, 40) > 0;
SELECT pg_temp.roll();
SELECT * FROM recompute.segment(:'later');
SELECT recompute.traffic(1500, 40) > 0, recompute.traffic(1500, 40) > 0;
SELECT pg_temp.roll();
SELECT * FROM recompute.segment(:'later');
SELECT count(*) > 0 AS some FROM personalize.segment_member WHERE segment = 2 AND member;
SELECT (:'later'::timestamptz + interval '12 hours')::text AS later \gset
SET personalize.test_now = :'later';
SELECT pg_temp.roll();
SELECT * FROM recompute.segment(:'later');
SELECT personalize.drop_segment(name) FROM personalize.segment ORDER BY name;
SELECT personalize.in_segment('bob', 'user_interested_in_electronics');

-- What was shown to people, and what came of it.
\getenv abs_srcdir PG_ABS_SRCDIR
\set recompute :abs_srcdir '/test/recompute.sql'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
DROP SCHEMA IF EXISTS recompute CASCADE;
CREATE EXTENSION personalize;
\set ECHO none
\i :recompute
\set ECHO all
\set SHOW_CONTEXT never
RESET client_min_messages;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE FUNCTION roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END
$$;
CREATE FUNCTION at(clock text) RETURNS timestamptz LANGUAGE sql AS $$
	SELECT date_trunc('day', now(), 'UTC') - interval '2 days' + clock::interval
$$;
CREATE FUNCTION followed(person text) RETURNS TABLE (item text, slot smallint, reason text, query text, shown text, followed_by text)
LANGUAGE sql AS $$
	SELECT i.item_id, nullif(e.slot, 0::smallint), personalize_internal._reason_name(e.reason), q.query,
		to_char(e.shown_at AT TIME ZONE 'UTC', 'HH24:MI'),
		(SELECT string_agg(t.name || ' ' || to_char(o.ts AT TIME ZONE 'UTC', 'HH24:MI'), ', ' ORDER BY o.ts, t.name)
			FROM personalize.exposure_outcome o JOIN personalize.event_type t USING (event)
			WHERE o.user_key = e.user_key AND o.attributed_to = e.request_key AND o.item_key = e.item_key)
	FROM personalize.exposure e JOIN personalize.item i USING (item_key)
		LEFT JOIN personalize.search_query q USING (query_key)
	WHERE e.user_key = personalize.user_key(person) ORDER BY e.shown_at, e.slot, i.item_id
$$;
CREATE FUNCTION performance() RETURNS TABLE (engine text, reason text, requests bigint, impressions bigint, clicks bigint,
	ctr numeric, low numeric, high numeric, carts bigint, purchases bigint, revenue jsonb)
LANGUAGE sql AS $$
	SELECT p.engine, p.reason, p.requests, p.impressions, p.clicks, round(p.ctr::numeric, 3), round(p.ctr_low::numeric, 3),
		round(p.ctr_high::numeric, 3), p.carts, p.purchases, p.revenue
	FROM personalize.answer_performance p ORDER BY p.engine, p.reason, p.day
$$;
SET personalize.purpose = 'analytics';
SELECT count(personalize.grant_consent(u, '{analytics,personalization,recommendations}')) FROM unnest('{ada,bob,cyd}'::text[]) u;
INSERT INTO personalize.item (item_id, category) VALUES ('cap', 'hats'), ('hat', 'hats'), ('scarf', 'hats'), ('shoe', 'shoes');
CREATE TABLE answer AS SELECT 'new' AS name, a.* FROM personalize.recommend('ada', 3) AS a
	UNION ALL SELECT 'like', a.* FROM personalize.similar_items('cap', 2) AS a;
CREATE FUNCTION request(answer text) RETURNS text LANGUAGE sql AS 'SELECT min(a.request_id::text) FROM answer a WHERE a.name = answer';

-- an outcome names its request, whenever it happens; or belongs to what was shown last, within half an hour
SELECT personalize.track_impressions('ada', request('new'), '{cap,hat,scarf}'::text[], ts => at('10:00'));
SELECT personalize.track_impressions('ada', request('like'), '{hat,shoe}'::text[], first_slot => 11, query => 'Warm  HATS!', ts => at('10:20'));
SELECT personalize.track('ada', 'select_item', 'hat', ts => at('10:10'));
SELECT personalize.track('ada', 'select_item', 'hat', ts => at('10:20'));
SELECT personalize.track('ada', 'select_item', 'cap', ts => at('10:30'));
SELECT personalize.track('ada', 'select_item', 'cap', ts => at('10:31'));
SELECT personalize.track('ada', 'add_to_cart', 'scarf', ts => at('09:59'));
SELECT personalize.track('ada', 'add_to_cart', 'scarf', ts => at('09:58'), request_id => upper(request('new')));
SELECT personalize.track('ada', 'purchase', properties => '{"currency": "EUR", "items": [{"item_id": "shoe", "price": 20}, {"item_id": "hat", "price": 7.5}, {"item_id": "boot", "price": 3}]}',
	ts => at('23:00'), request_id => request('like'));
-- a look at an item counts as a click where it names the request, else not
SELECT personalize.track('ada', 'view_item', 'shoe', ts => at('10:21'));
SELECT personalize.track('ada', 'view_item', 'scarf', ts => at('10:22'), request_id => request('new'));
SELECT roll();
SELECT * FROM followed('ada');
SELECT * FROM performance();
SELECT count(*) AS unattributed FROM personalize.exposure_outcome WHERE attributed_to IS NULL;

-- what comes again, and what is shown again, changes nothing; what was shown earlier does
SELECT personalize.track_impressions('ada', request('new'), '{scarf,hat,cap}'::text[], ts => at('11:00'));
SELECT personalize.track('ada', 'select_item', 'cap', ts => at('10:30'));
SELECT roll();
SELECT * FROM followed('ada') WHERE item IN ('cap', 'scarf');
SELECT personalize.track_impressions('ada', NULL, '{cap}'::text[], ts => at('10:29'));
SELECT roll();
SELECT * FROM followed('ada') WHERE item = 'cap';

-- reasons a row
SELECT personalize.track_impressions('bob', request('like'), '{hat,cap,shoe,scarf}'::text[], reasons => ARRAY['similar_to:cap', 'newest', NULL, 'made up'], ts => at('12:00'));
SELECT personalize.track('bob', 'view_item_list', properties => '{"query": "warm hats", "items": [{"item_id": "cap", "index": 4, "reason": "trending"}]}', ts => at('12:01'));
-- an id of others joins what bears it, credits no engine, and is counted
SELECT personalize.track_impressions('bob', 'page-17', '{hat,cap}'::text[], query => 'warm hats', ts => at('13:00'));
SELECT personalize.track('bob', 'select_item', 'cap', ts => at('18:00'), request_id => 'page-17');
SELECT personalize.track('bob', 'select_item', 'cap', ts => at('13:01'), request_id => '11111111-1111-8111-8111-111111111111');
SELECT roll();
SELECT * FROM followed('bob');
SELECT * FROM performance();
SELECT personalize.request_origin('11111111-1111-8111-8111-111111111111');
SELECT origin FROM personalize.stat_request WHERE messages > 0 ORDER BY 1;
SELECT * FROM recompute.exposure() UNION ALL SELECT * FROM recompute.search_stat() UNION ALL SELECT * FROM recompute.engine_stat();

-- the text of a query is shown once enough people have searched it
SELECT coalesce(query, 'few have searched') AS query, item_id, impressions, clicks, carts, purchases FROM personalize.search_performance ORDER BY 1, 2;
SET personalize.min_query_people = 2;
SELECT coalesce(query, 'few have searched') AS query, item_id, impressions, clicks, carts, purchases FROM personalize.search_performance ORDER BY 1, 2;
RESET personalize.min_query_people;
SET ROLE personalize_analyst;
SET personalize.min_query_people = 1;
SELECT query FROM personalize.search_query;
SELECT query_key FROM personalize.search_stat;
SELECT count(query) FROM personalize.search_performance;
RESET ROLE;

-- a person taken out, and put back, leaves what a recomputation gives
CREATE FUNCTION hash() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(personalize.state_hash(t), ' ')
	FROM unnest(ARRAY['exposure', 'exposure_outcome', 'engine_stat', 'search_stat', '_attraction', '_searcher', 'search_query']) AS t
$$;
SELECT personalize.restrict('ada', '{analytics}') \g /dev/null
SELECT count(*) FILTER (WHERE clicked + carted + bought > 0) AS left_of_ada FROM personalize.engine_stat;
SELECT personalize.track('ada', 'select_item', 'shoe', ts => at('10:40'));
SELECT roll();
SELECT personalize.lift_restriction('ada', '{analytics}') \g /dev/null
SELECT * FROM recompute.exposure() UNION ALL SELECT * FROM recompute.search_stat() UNION ALL SELECT * FROM recompute.engine_stat();
SELECT personalize.withdraw_consent('ada', '{analytics}') \g /dev/null
SELECT count(*) FROM personalize.exposure WHERE user_key = personalize.user_key('ada');
SELECT * FROM performance();
SELECT * FROM recompute.exposure() UNION ALL SELECT * FROM recompute.search_stat() UNION ALL SELECT * FROM recompute.engine_stat();
SELECT query, (SELECT count(*) FROM personalize._searcher s WHERE s.query_key = q.query_key) AS people FROM personalize.search_query q;
SELECT count(personalize.forget('bob'));
SELECT count(*) FROM (SELECT FROM personalize.exposure UNION ALL SELECT FROM personalize.exposure_outcome UNION ALL SELECT FROM personalize.engine_stat
	UNION ALL SELECT FROM personalize.search_stat UNION ALL SELECT FROM personalize._searcher UNION ALL SELECT FROM personalize.search_query) AS t;

-- in whatever order, and however cut into batches, events come, the same is held
CREATE TABLE stream AS
	SELECT n, n % 7 AS person, (ARRAY['view_item_list', 'view_item_list', 'select_item', 'add_to_cart', 'purchase', 'view_item'])[1 + hashint4(n) % 6 + CASE WHEN hashint4(n) < 0 THEN 5 ELSE 0 END] AS event,
		(ARRAY['cap', 'hat', 'scarf', 'shoe'])[1 + abs(hashint4(n + 1000)) % 4] AS item,
		at((abs(hashint4(n + 2000)) % 90)::text || ' minutes') AS ts,
		CASE abs(hashint4(n + 3000)) % 4 WHEN 0 THEN request('new') WHEN 1 THEN request('like') WHEN 2 THEN 'theirs' END AS request,
		jsonb_build_object('query', (ARRAY['red', 'Blue!', NULL])[1 + abs(hashint4(n + 4000)) % 3], 'slot', 1 + abs(hashint4(n + 5000)) % 20,
			'score', CASE WHEN n % 5 > 0 THEN round(abs(hashint4(n + 6000)) / 1e9, 3) END, 'value', n, 'currency', (ARRAY['EUR', 'USD'])[1 + n % 2]) AS properties
	FROM generate_series(1, 600) AS n;
SELECT count(personalize.grant_consent('u' || u, '{analytics}')) FROM generate_series(0, 6) u;
CREATE FUNCTION send(whose text, first integer, last integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT (personalize.ingest(array_agg(whose || s.person), array_agg(s.event), array_agg(s.item), array_agg(s.ts), array_agg(s.properties), request_ids => array_agg(s.request))).accepted
	FROM stream AS s WHERE s.n BETWEEN first AND last
$$;
SELECT send('u', 1, 600);
SELECT roll();
SELECT * FROM recompute.exposure() UNION ALL SELECT * FROM recompute.search_stat() UNION ALL SELECT * FROM recompute.engine_stat();
SELECT processor, what, compared > 0 AS compared, wrong FROM personalize.verify_counts() WHERE processor = 'exposure';
SELECT hash() AS once \gset
SELECT count(*) > 20 AS moments, bool_and(m.last = m.count - 1) AS numbered
FROM (SELECT max(place) AS last, count(*) FROM personalize.exposure_outcome GROUP BY user_key, ts HAVING count(*) > 1) m;
BEGIN;
UPDATE personalize._attraction SET shown[2] = shown[2] + 1 WHERE query_key = 0;
SELECT what, wrong, first_wrong FROM personalize.verify_counts() WHERE processor = 'exposure' AND what = 'counters';
ROLLBACK;
BEGIN;
DELETE FROM personalize._attraction;
SELECT what, wrong > 0 AS wrong FROM personalize.verify_counts() WHERE processor = 'exposure' AND what = 'counters';
ROLLBACK;
BEGIN;
UPDATE personalize.engine_stat SET shown = shown + 1 WHERE shown > 0;
SELECT what, wrong > 0 AS wrong FROM personalize.verify_counts() WHERE processor = 'exposure' AND what = 'counters';
ROLLBACK;
BEGIN;
UPDATE personalize.exposure SET slot = slot + 1 WHERE user_key = personalize.user_key('u1');
DELETE FROM personalize.exposure_outcome WHERE user_key = personalize.user_key('u2');
UPDATE personalize.engine_stat SET clicked = clicked + 1 WHERE clicked > 0;
DELETE FROM personalize.search_stat;
SELECT what, wrong > 0 AS wrong, first_wrong IS NOT NULL AS first_wrong, fix FROM personalize.verify_counts() WHERE processor = 'exposure';
ROLLBACK;
SELECT personalize.state_hash('engine_stat') || personalize.state_hash('search_stat') AS counted \gset
SELECT count(*) > 100 AS shown, count(*) FILTER (WHERE query_key <> 0) > 50 AS searched, count(*) FILTER (WHERE score <> 'NaN') > 50 AS scored FROM personalize.exposure;
BEGIN;
UPDATE personalize.exposure SET score = score + 1 WHERE user_key = personalize.user_key('u1');
SELECT what, wrong > 0 AS wrong FROM personalize.verify_counts() WHERE processor = 'exposure' AND what = 'exposures';
ROLLBACK;
SELECT personalize.rebuild_processor('exposure');
SET personalize.batch_events = 17;
SELECT roll();
RESET personalize.batch_events;
SELECT hash() = :'once' AS same;
SELECT count(personalize.forget('u' || u)) FROM generate_series(0, 6) u;
SELECT count(*) FROM personalize.engine_stat;
SELECT count(personalize.grant_consent('v' || u, '{analytics}')) FROM generate_series(0, 6) u;
DO $$
BEGIN
	FOR piece IN REVERSE 29 .. 0 LOOP
		PERFORM send('v', 20 * piece + 1, 20 * piece + 20);
		PERFORM send('v', 20 * piece + 1, 20 * piece + 5);
	END LOOP;
END
$$;
SET personalize.batch_events = 40;
SELECT roll();
RESET personalize.batch_events;
SELECT * FROM recompute.exposure() UNION ALL SELECT * FROM recompute.search_stat() UNION ALL SELECT * FROM recompute.engine_stat();
SELECT personalize.state_hash('engine_stat') || personalize.state_hash('search_stat') = :'counted' AS same;

-- what is past its time goes, and the texts with it; the counters stay
SELECT count(*) AS counters FROM personalize.engine_stat \gset
SELECT personalize.set_retention('exposure', '1 day');
SELECT kind, what, removed > 0 AS removed, result FROM personalize.apply_retention() WHERE kind = 'exposure';
SELECT count(*) FROM (SELECT FROM personalize.exposure UNION ALL SELECT FROM personalize.exposure_outcome
	UNION ALL SELECT FROM personalize._searcher UNION ALL SELECT FROM personalize.search_query) AS t;
SELECT count(*) = :counters AS counters_stay FROM personalize.engine_stat;
-- and so do old counters of searches, and what they come to
INSERT INTO personalize.search_stat VALUES (1, -7, '2001-01-01', 1, 5, 2, 1, 1), (1, -7, '2001-01-02', 1, 1, 1, 0, 0),
	(2, -7, '2001-01-01', 1, 4, 0, 0, 0), (2, -7, current_date, 1, 3, 1, 0, 0);
INSERT INTO personalize._attraction VALUES (1, -7, '{0,6}', '{0,3}'), (2, -7, '{0,7}', '{0,1}'), (0, -7, '{0,13}', '{0,4}');
SELECT kind, removed, result FROM personalize.apply_retention() WHERE kind = 'search_stat';
SELECT * FROM personalize._attraction WHERE item_key = -7 ORDER BY query_key;
DELETE FROM personalize._attraction WHERE item_key = -7;
DELETE FROM personalize.search_stat WHERE item_key = -7;
SELECT personalize.track('v1', 'select_item', 'cap', request_id => request('new'), ts => at('1:00'));
SELECT roll();
SELECT count(*) FROM personalize.exposure_outcome;

-- counts by place
SELECT personalize_internal._add_counts('{1,2,3}', '{0,-2,-3}'), personalize_internal._add_counts('{}', '{}'), personalize_internal._add_counts('{1}', '{-1}') = '{}' AS nothing;
SELECT personalize_internal._sum_counts(c::bigint[]) FROM unnest('{"{0,5}","{1}","{0,-5,7}"}'::text[]) AS c;
SELECT personalize_internal._add_counts('{9223372036854775807}', '{1}');
SELECT personalize_internal._add_counts('{1,NULL}', '{1}');
SELECT personalize_internal._add_counts('{{1},{2}}', '{1}');

-- what cannot be meant
SELECT personalize.track_impressions(NULL, request('new'), '{cap}'::text[]);
SELECT personalize.track_impressions('cyd', request('new'), NULL);
SELECT personalize.track_impressions('cyd', request('new'), ARRAY['cap', NULL]);
SELECT personalize.track_impressions('cyd', request('new'), ARRAY[ARRAY['cap'], ARRAY['hat']]);
SELECT personalize.track_impressions('cyd', request('new'), array_fill('cap'::text, '{1001}'));
SELECT personalize.track_impressions('cyd', request('new'), '{cap}'::text[], 0);
SELECT personalize.track_impressions('cyd', request('new'), '{cap,hat}'::text[], 32767);
SELECT personalize.track_impressions('cyd', request('new'), '{cap,hat}'::text[], reasons => '{newest}');
SELECT personalize.track_impressions('cyd', request('new'), '{cap,hat}'::text[], scores => '{1}');
SELECT personalize.track_impressions('cyd', request('new'), '{cap,hat}'::text[], scores => '{1,NaN}');
SELECT personalize.track_impressions('cyd', request('new'), '{cap,hat}'::text[], scores => '{-Infinity,1}');
SELECT personalize.track_impressions('cyd', request('new'), '{cap,hat}'::text[], scores => '{{1},{1e19}}');
SELECT personalize.track('cyd', 'view_item_list', properties => '{"items": [{"item_id": "cap", "score": 1}, {"item_id": "hat", "score": "high"}]}');
SELECT personalize.track('cyd', 'view_item_list', properties => '{"items": [{"item_id": "cap", "score": true}]}');
SELECT personalize.track('cyd', 'view_item_list', 'cap', properties => '{"score": 1e400}');
SELECT personalize.track_impressions('cyd', repeat('r', 513), '{cap}'::text[]);
SELECT personalize.track_impressions('cyd', request('new'), ARRAY['']);
-- what can
SELECT personalize.track_impressions('cyd', request('new'), '{}'::text[], NULL, '');
SELECT personalize.track_impressions('cyd', NULL, ARRAY[7, 7]::integer[], NULL, repeat('word ', 2000));
SELECT personalize.track_impressions('cyd', request('new'), ARRAY['cap', 'cap'], 5, E'\t\x01 !?');
SELECT roll();
SELECT slot, query_key = 0 AS no_query FROM personalize.exposure WHERE user_key = personalize.user_key('cyd') ORDER BY 1;
-- scores: of any scale, as numbers or as trackers write them, of each item or of some; of several the greatest.  Elsewhere the word means what it means to the shop.
SELECT personalize.track_impressions('cyd', 'scored', '{cap,hat,shoe}'::text[], query => 'x', scores => '{-9e18,0.25,NULL}');
SELECT personalize.track_impressions('cyd', 'scored', '{hat,shoe}'::text[], query => 'x', scores => '{0.125,NULL}');
SELECT personalize.track('cyd', 'view_item_list', properties => '{"score": "great", "items": [{"item_id": "boot", "score": " 1,5 "}, {"item_id": "sock", "score": null}, {"item_id": "belt", "score": 1e-90}]}', request_id => 'scored');
SELECT personalize.track('cyd', 'view_item_list', 'scarf', properties => '{"score": 3}', request_id => 'scored');
SELECT personalize.track('cyd', 'view_promotion', properties => '{"items": [{"item_id": "glove", "score": "high"}]}', request_id => 'scored');
SELECT personalize.track('cyd', 'select_item', 'cap', properties => '{"score": "high"}', request_id => 'scored');
SELECT roll();
SELECT i.item_id, e.score FROM personalize.exposure e JOIN personalize.item i USING (item_key) WHERE e.user_key = personalize.user_key('cyd')
	AND e.request_key = (SELECT request_key FROM personalize.exposure x JOIN personalize.item s USING (item_key) WHERE s.item_id = 'sock') ORDER BY 1;
SELECT * FROM recompute.exposure() AS r WHERE r LIKE '%(' || personalize.user_key('cyd') || ',%';
SELECT jsonb_path_query_array(personalize.export_user('cyd') -> 'exposures', '$[*] ? (@.score != null).score') AS scores;
SELECT length(query) FROM personalize.search_query;
SELECT personalize.query_key('Red  SHOES!') = personalize.query_key('red shoes') AS same, personalize.query_key('?!') AS none;

-- what followed goes with what it followed; of what is newer it is known that it has been counted, and nothing is wrong then
SELECT count(personalize.grant_consent('eli', '{analytics}'));
SELECT personalize.track_impressions('eli', request('like'), '{cap,hat}'::text[], ts => now() - interval '1 day');
SELECT personalize.track('eli', 'select_item', 'cap', ts => now() - interval '23 hours 50 minutes');
SELECT personalize.track('eli', 'purchase', 'hat', request_id => request('like'));
SELECT roll();
SELECT wrong FROM personalize.verify_counts() WHERE processor = 'exposure';
SELECT removed FROM personalize.apply_retention() WHERE kind = 'exposure';
SELECT event, request_origin FROM personalize.exposure_outcome WHERE user_key = personalize.user_key('eli');
SELECT wrong FROM personalize.verify_counts() WHERE processor = 'exposure';
BEGIN;
DELETE FROM personalize.exposure WHERE user_key = personalize.user_key('cyd');
SELECT what, wrong > 0 AS wrong FROM personalize.verify_counts() WHERE processor = 'exposure' AND what = 'exposures';
ROLLBACK;

-- what goes from a moment leaves gaps, which are closed when more of the moment comes
SELECT count(personalize.grant_consent('dot', '{analytics}'));
SELECT extract(epoch FROM date_trunc('hour', now()))::bigint AS moment \gset
SELECT count(personalize.track('dot', 'add_to_cart', i, ts => to_timestamp(:moment))) FROM unnest('{cap,hat,scarf,shoe,boot,sock}'::text[]) i;
SELECT roll();
DELETE FROM personalize.exposure_outcome WHERE user_key = personalize.user_key('dot') AND place IN (0, 1, 3);
SELECT count(personalize.track('dot', 'add_to_cart', i, ts => to_timestamp(:moment))) FROM unnest('{belt,glove}'::text[]) i;
SELECT roll();
SELECT array_agg(place ORDER BY place) AS places, count(DISTINCT item_key) AS items FROM personalize.exposure_outcome WHERE user_key = personalize.user_key('dot');

SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;
DROP SCHEMA recompute CASCADE;
DROP TABLE answer, stream;
DROP FUNCTION roll, at, followed, performance, request, hash, send;

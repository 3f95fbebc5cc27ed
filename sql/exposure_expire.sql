-- exposure_expire: what was shown before a time goes, and what is left is what would be counted anew
\getenv abs_srcdir PG_ABS_SRCDIR
\set recompute :abs_srcdir '/test/recompute.sql'
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
DROP SCHEMA IF EXISTS recompute CASCADE;
CREATE EXTENSION personalize;
\set ECHO none
\i :recompute
\set ECHO all
RESET client_min_messages;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE FUNCTION roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END
$$;
-- hours since the day before yesterday began
CREATE FUNCTION at(hours numeric) RETURNS timestamptz LANGUAGE sql AS $$
	SELECT date_trunc('day', now(), 'UTC') - interval '3 days' + hours * interval '1 hour'
$$;
-- what has gone at a time, a day old; how the processor's parts stand then
CREATE FUNCTION expire(hours numeric, max_rows bigint DEFAULT 50000) RETURNS text LANGUAGE sql AS $$
	SELECT result FROM personalize.apply_retention(as_of => at(hours) + interval '1 day', max_rows => max_rows) WHERE kind = 'exposure'
$$;
CREATE FUNCTION wrong() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(v.what || ' ' || v.wrong, ', ' ORDER BY v.what) FROM personalize.verify_counts() AS v WHERE v.processor = 'exposure'
$$;
CREATE FUNCTION sums() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', sum(shown), sum(clicked), sum(carted), sum(bought), sum(requests), sum(amount)) FROM personalize.engine_stat
$$;
CREATE FUNCTION counters() RETURNS TABLE (place smallint, day integer, shown bigint, clicked bigint, bought bigint, requests bigint, amount bigint) LANGUAGE sql AS $$
	SELECT place_bucket, day - (at(0) AT TIME ZONE 'UTC')::date, shown, clicked, bought, requests, amount FROM personalize.engine_stat ORDER BY 1, 2, currency_code
$$;
SET personalize.purpose = 'analytics';
SELECT personalize.set_retention('exposure', '1 day');
SELECT count(personalize.grant_consent(u, '{analytics}')) FROM unnest('{eli,fay,gus}'::text[]) u;
INSERT INTO personalize.item (item_id, category) VALUES ('cap', 'hats'), ('hat', 'hats'), ('scarf', 'hats'), ('shoe', 'shoes');
CREATE TABLE answer AS SELECT 1 AS n, min(request_id::text) AS id FROM personalize.recommend('eli', 3) UNION ALL SELECT 2, min(request_id::text) FROM personalize.recommend('eli', 3);
CREATE FUNCTION request(n integer) RETURNS text LANGUAGE sql AS 'SELECT a.id FROM answer a WHERE a.n = request.n';

-- a purchase that names a page is newer than what goes: it has been counted, and is not counted again
SELECT personalize.track_impressions('eli', request(1), '{cap,hat}'::text[], ts => at(10));
SELECT personalize.track('eli', 'purchase', 'hat', '{"price": 10, "currency": "EUR"}', request_id => request(1), ts => at(30));
-- a page that is looked at further the next day; clicks of which nothing was shown
SELECT personalize.track_impressions('fay', request(2), '{cap}'::text[], ts => at(10));
SELECT personalize.track_impressions('fay', request(2), '{hat}'::text[], first_slot => 2, ts => at(30));
SELECT count(personalize.track('gus', 'select_item', 'hat', request_id => request(2), ts => at(hours))) FROM unnest('{10,30}'::int[]) hours;
SELECT roll();
SELECT * FROM counters();
SELECT expire(20);
SELECT wrong();
SELECT event, request_origin = -1 AS counted FROM personalize.exposure_outcome ORDER BY 1, 2;
-- what was counted for several rows goes over to what is left of them
SELECT * FROM counters();
SELECT personalize.state_hash('engine_stat') AS counted \gset
SELECT personalize.rebuild_processor('exposure');
SELECT roll();
SELECT personalize.state_hash('engine_stat') = :'counted' AS same, wrong();
-- nor after a restriction, a correction, and a withdrawal that comes late and leaves the purchase; it goes with its purpose
SELECT personalize.restrict('eli', '{analytics}'), personalize.lift_restriction('eli', '{analytics}');
SELECT personalize.state_hash('engine_stat') = :'counted' AS same;
SELECT personalize.rectify('eli', '{"properties": {"colour": "red"}}', event_time => at(30));
SELECT personalize.state_hash('engine_stat') = :'counted' AS same;
SELECT personalize.grant_consent('eli', '{analytics}', effective_at => at(25));
SELECT personalize.withdraw_consent('eli', '{analytics}', 'late', effective_at => at(20));
SELECT event, request_origin = -1 AS counted FROM personalize.exposure_outcome WHERE user_key = personalize.user_key('eli');
SELECT personalize.state_hash('engine_stat') = :'counted' AS same, wrong();
SELECT personalize.withdraw_consent('eli');
SELECT count(*) FROM personalize.exposure_outcome WHERE user_key = personalize.user_key('eli');
-- who is forgotten leaves what was counted of what is gone, and nothing less than nothing
SELECT count(personalize.forget(u)) FROM unnest('{eli,fay,gus}'::text[]) u;
SELECT * FROM counters();
SELECT expire(47);

-- nor where ids are joined and parted
DELETE FROM personalize.engine_stat;
DELETE FROM personalize._gone WHERE what = 'exposure';
SELECT count(personalize.grant_consent(u, '{analytics}')) FROM unnest('{ida,ida-phone}'::text[]) u;
SELECT personalize.track_impressions('ida-phone', request(1), '{cap,hat}'::text[], ts => at(10));
SELECT personalize.track('ida-phone', 'purchase', 'hat', '{"price": 10, "currency": "EUR"}', request_id => request(1), ts => at(30));
SELECT roll();
SELECT expire(20), wrong();
SELECT personalize.state_hash('engine_stat') AS counted \gset
SELECT personalize.identify('ida-phone', 'ida');
SELECT roll(), wrong(), personalize.state_hash('engine_stat') = :'counted' AS same;
SELECT user_key = personalize.user_key('ida') AS of_ida, request_origin = -1 AS counted FROM personalize.exposure_outcome;
SELECT personalize.split('ida', 'ida-phone');
SELECT roll(), wrong(), personalize.state_hash('engine_stat') = :'counted' AS same;
SELECT user_key = personalize.user_key('ida') AS of_ida, request_origin = -1 AS counted FROM personalize.exposure_outcome;
SELECT count(personalize.forget(u)) FROM unnest('{ida,ida-phone}'::text[]) u;
SELECT * FROM counters();

-- the same of many pages, in the middle of them, and a few rows at a time
DELETE FROM personalize.engine_stat;
DELETE FROM personalize._gone WHERE what = 'exposure';
SELECT count(personalize.grant_consent('u' || u, '{analytics}')) FROM generate_series(0, 6) u;
CREATE TABLE stream AS
	SELECT 'u' || n % 7 AS who, (ARRAY['view_item_list', 'view_item_list', 'select_item', 'add_to_cart', 'purchase', 'view_item'])[1 + (hashint4(n) & 1023) % 6] AS event,
		(ARRAY['cap', 'hat', 'scarf', 'shoe'])[1 + (hashint4(n + 1000) & 1023) % 4] AS item, at(((hashint4(n + 2000) & 1048575) % 4200) / 60.0) AS ts,
		CASE (hashint4(n + 3000) & 1023) % 4 WHEN 0 THEN request(1) WHEN 1 THEN request(2) WHEN 2 THEN 'theirs' END AS request,
		jsonb_build_object('query', (ARRAY['red', 'blue', NULL])[1 + (hashint4(n + 4000) & 1023) % 3], 'slot', 1 + (hashint4(n + 5000) & 1023) % 20, 'value', n, 'currency', 'EUR') AS properties
	FROM generate_series(1, 600) AS n;
SELECT (personalize.ingest(array_agg(s.who), array_agg(s.event), array_agg(s.item), array_agg(s.ts), array_agg(s.properties), request_ids => array_agg(s.request))).accepted FROM stream AS s;
SELECT roll();
SELECT * FROM recompute.exposure() UNION ALL SELECT * FROM recompute.search_stat() UNION ALL SELECT * FROM recompute.engine_stat();
SELECT sums() AS before \gset
SELECT expire(30, 20), wrong();
SELECT expire(30, 20), wrong();
SELECT expire(30), wrong(), sums() = :'before' AS stays;
SELECT count(*) > 5 AS counted FROM personalize.exposure_outcome WHERE request_origin = -1;
SELECT expire(40), wrong(), sums() = :'before' AS stays;
SELECT personalize.identify('u0', 'u1');
SELECT roll(), wrong();
SELECT personalize.split('u1', 'u0');
SELECT roll(), wrong();
SELECT count(personalize.forget('u' || u)) FROM generate_series(0, 6) u;
SELECT count(*) > 0 AS counters, count(*) FILTER (WHERE least(shown, clicked, carted, bought, requests, amount) < 0) AS below_zero,
	count(*) FILTER (WHERE day > (at(40) AT TIME ZONE 'UTC')::date) AS of_later_days FROM personalize.engine_stat;

SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;
DROP SCHEMA recompute CASCADE;
DROP TABLE answer, stream;
DROP FUNCTION roll, at, expire, wrong, sums, counters, request;

-- Historical features: what was read at many moments, asked for again later.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET personalize.test_now = '2026-03-01 00:00+00';
-- batches are run by hand
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
END
$$;
SELECT count(personalize.grant_consent('u' || u, CASE u % 7 WHEN 3 THEN '{analytics}' ELSE '{analytics,personalization}' END::text[], 'test')) FROM generate_series(1, 20) AS u;
SELECT personalize.create_signal('purchases', '{purchase}', 'none', value_path => 'value', periods => '{1 hour,1 day,7 days}', half_life => '2 days', aggregates => '{min,max,first,last}');
SELECT personalize.create_segment('searcher', 'search -> view_item within 2 hours by query or search_term count in 1 day >= 3', ttl => '1 day');
SELECT personalize.create_feature_view('model', $${
	"decayed": "interest_category['c1'] decayed default 0", "hour": "interest_category['c1'] in 1 hour default 0", "day": "interest_category in 1 day default 0",
	"spent": "purchases sum in 7 days default 0", "orders": "purchases default 0", "kinds": "interest_category distinct default 0",
	"favourite": "interest_category most_frequent default 'none'", "idle": "interest_category time_since_last", "searcher": "in_segment('searcher') default false",
	"share": "(interest_category['c1'] in 1 day default 0) / interest_category in 1 day", "all": "interest_brand decayed", "mean": "purchases mean in 1 day", "min": "purchases min", "max": "purchases max in 7 days", "first": "purchases first in 1 hour", "last": "purchases last",
	"newest": "interest_category most_recent", "list": "interest_category values in 1 day", "rate": "rate(purchases in 7 days, interest_category in 7 days, prior 0.1 weight 3)"
}$$, ttl => '3 days');

-- 500 moments in 12 days: some people do something, some of it late, some twice; 20 are asked about
CREATE TABLE answer (user_id text, event_timestamp timestamptz, features jsonb);
CREATE PROCEDURE pg_temp.live(moments integer) LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := current_setting('personalize.test_now');
	n bigint;
BEGIN
	FOR i IN 1 .. moments LOOP
		at := at + (abs(hashint4(i)) % 4000) * interval '1 second';
		PERFORM set_config('personalize.test_now', at::text, false);
		FOR j IN 1 .. 3 LOOP
			n := abs(hashint4(i * 10 + j)::bigint);
			PERFORM personalize.track('u' || 1 + n % 18, (ARRAY['view_item', 'search', 'purchase', 'add_to_cart', 'view_item_list'])[1 + n / 20 % 5], 'i' || n / 100 % 9,
				jsonb_build_object('category', 'c' || n / 1000 % 3, 'brand', 'b' || n / 3000 % 2, 'value', n / 7 % 50, 'query', 'q' || n / 11 % 4),
				ts => CASE WHEN n % 5 = 0 THEN at - (n / 13 % 100000) * interval '1 second' ELSE at END,
				message_id => 'm' || n % 1400);
		END LOOP;
		COMMIT;
		IF i % 9 = 0 THEN
			PERFORM pg_temp.roll();
			COMMIT;
		END IF;
		INSERT INTO answer SELECT user_id, at, features
		FROM personalize.get_features_batch((SELECT array_agg('u' || 1 + u ORDER BY u) FROM generate_series(0, 19) AS u), 'model');
	END LOOP;
END
$$;
CALL pg_temp.live(500);
SELECT count(*), count(DISTINCT features) > 1000, count(*) FILTER (WHERE (features ->> 'searcher')::boolean) > 100, count(*) FILTER (WHERE features ->> 'favourite' = 'c2') > 100 FROM answer;

-- the same, to the last digit: half of it not rolled up, then all of it, and after a rebuild
CREATE FUNCTION pg_temp.differ(OUT asked bigint, OUT different bigint, OUT grain text) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT count(*), count(*) FILTER (WHERE h.features IS DISTINCT FROM a.features), h.grain
	FROM personalize.get_historical_features('SELECT * FROM answer', 'model') AS h
		LEFT JOIN answer a USING (user_id, event_timestamp) GROUP BY h.grain ORDER BY h.grain
$$;
SELECT * FROM pg_temp.differ();
SELECT pg_temp.roll();
SELECT * FROM pg_temp.differ();
-- with as little memory as there is: sorted on disk, and nobody is known before
SET work_mem = '64kB';
SELECT * FROM pg_temp.differ();
RESET work_mem;
-- rows say their place; the order of the spine does not matter
SELECT count(*), count(*) FILTER (WHERE h.user_id = a.user_id AND h.event_timestamp = a.event_timestamp AND h.features = a.features)
FROM personalize.get_historical_features('SELECT * FROM (SELECT * FROM answer ORDER BY md5(user_id || event_timestamp)) AS s', 'model') AS h
	JOIN (SELECT *, row_number() OVER (ORDER BY md5(user_id || event_timestamp)) AS place FROM answer) AS a USING (place);

-- with what came late from when it happened on, rows have as many events as happened by then
SELECT count(*), count(*) FILTER (WHERE (l.features ->> 'orders')::integer > (h.features ->> 'orders')::integer) > 100 AS more,
	count(*) FILTER (WHERE (l.features ->> 'orders')::integer <> 0 AND (l.features ->> 'orders')::integer <> (
		SELECT count(*) FROM personalize.event e JOIN personalize.event_type t USING (event)
		WHERE e.user_key = personalize.user_key(l.user_id) AND t.name = 'purchase' AND e.ts <= l.event_timestamp AND e.consent = 3)) AS wrong
FROM personalize.get_historical_features('SELECT * FROM answer WHERE user_id IN (''u1'', ''u2'', ''u9'') AND event_timestamp < ''2026-03-10''', 'model', late_events => true) AS l
	JOIN personalize.get_historical_features('SELECT * FROM answer WHERE user_id IN (''u1'', ''u2'', ''u9'') AND event_timestamp < ''2026-03-10''', 'model') AS h USING (place);

-- spines: a table, a view, a query in parentheses, one with a comment, a table with a name of its own
CREATE TABLE "Labels of mine" (event_timestamp date, label boolean, user_id varchar);
INSERT INTO "Labels of mine" VALUES ('2026-03-04', true, 'u1'), ('2026-03-04', false, 'nobody'), ('2026-03-04', true, 'u1'), ('2001-01-01', true, 'u1'), ('2030-01-01', true, 'u1');
SELECT place, user_id, event_timestamp, grain, features ->> 'orders', features ->> 'favourite' FROM personalize.get_historical_features('"Labels of mine"', 'model') ORDER BY place;
SELECT count(*) FROM personalize.get_historical_features('"Labels of mine"'::regclass, 'model');
SELECT count(*) FROM unnest(ARRAY['public."Labels of mine"', 'TABLE "Labels of mine"', '(SELECT * FROM "Labels of mine")', 'select * from "Labels of mine";', E'-- mine\nSELECT * FROM "Labels of mine" -- all',
	'/* */ WITH l AS (SELECT * FROM "Labels of mine") SELECT * FROM l', 'VALUES (1)']) AS s, personalize.get_historical_features(CASE s WHEN 'VALUES (1)' THEN 'SELECT * FROM (VALUES (1, now()), (2, now())) AS v (user_id, event_timestamp)' ELSE s END, 'model');
SELECT count(*) FROM personalize.get_historical_features('SELECT * FROM answer WHERE false', 'model');

-- what a request said, and which item it was about, are columns of the spine
SELECT personalize.create_feature_view('ranking', '{"price": "item.price default 0", "cheap": "item.price - request.budget", "brand": "interest_brand[item.brand] in 1 day default 0", "device": "request.device text"}');
SELECT inserted + updated FROM personalize.upsert_items('[{"item_id": "i1", "price": 10, "brand": "b0"}, {"item_id": "i2", "price": 20.5, "brand": "b1"}]');
CREATE TEMP TABLE asked AS SELECT * FROM (VALUES (1, 'u1', '2026-03-12'::timestamptz, 'i1', '{"budget": 15, "device": "phone"}'::jsonb), (2, 'u1', '2026-03-12', 'i2', '{"budget": 15}'), (3, 'u6', '2026-03-12', NULL, NULL), (4, 'u6', '2026-03-12', 'i9', '{}')) AS q (place, user_id, event_timestamp, item_id, request);
CREATE FUNCTION pg_temp.try_spine(spine text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN count(*) FROM personalize.get_historical_features(spine, 'ranking');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT h.place, h.features, h.features - 'brand' = personalize.get_features(h.user_id, 'ranking', q.request, q.item_id, as_of => h.event_timestamp) - 'brand' AS same
FROM personalize.get_historical_features('SELECT * FROM pg_temp.asked', 'ranking', late_events => true) AS h JOIN pg_temp.asked AS q USING (place) ORDER BY 1;
SELECT pg_temp.try_spine(s) FROM unnest(ARRAY['SELECT 1 AS user_id, now() AS event_timestamp, ''[1]''::jsonb AS request', 'SELECT 1 AS user_id, now() AS event_timestamp, ''{"budget": "x"}'' AS request', 'SELECT 1 AS user_id, now() AS event_timestamp, 5 AS request']) AS s;

-- mistakes; nothing is written, and the transaction can write again
CREATE SEQUENCE counted;
CREATE FUNCTION writes() RETURNS text LANGUAGE sql VOLATILE AS $$ INSERT INTO answer VALUES ('x') RETURNING user_id $$;
CREATE FUNCTION pg_temp.try(spine text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN count(*) FROM personalize.get_historical_features(spine, 'model');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
-- numbers, of which regclass makes tables that are none
SELECT pg_temp.try(s) FROM unnest(ARRAY['17', '-', '4294967295', '4294967296']) AS s;
SELECT personalize.get_historical_features(17::regclass, 'model');
SELECT pg_temp.try(s) FROM unnest(ARRAY['nothing', '', ' ', 'a.b.c.d', 'SELECT 1', 'SELECT 1 AS user_id', 'SELECT now() AS user_id, 1 AS event_timestamp', 'SELECT NULL::text AS user_id, now() AS event_timestamp',
	'SELECT 1 AS user_id, NULL::timestamptz AS event_timestamp', 'SELECT 1 AS user_id, ''infinity''::timestamptz AS event_timestamp', 'SELECT * FROM answer; DELETE FROM answer', 'SELECT * FROM answer) AS x; DELETE FROM answer; --',
	'WITH d AS (DELETE FROM answer RETURNING *) SELECT * FROM d', 'SELECT * INTO copied FROM answer', 'SELECT * FROM answer FOR UPDATE', 'SELECT writes() AS user_id, now() AS event_timestamp',
	'SELECT nextval(''counted'') AS user_id, now() AS event_timestamp', 'SELECT 1/0 AS user_id, now() AS event_timestamp', 'SELECT $1 AS user_id, now() AS event_timestamp', 'DELETE FROM answer', 'SELECT FROM']) AS s;
SELECT count(*) FROM answer;
SELECT * FROM personalize.get_historical_features(NULL::text, 'model');
SELECT * FROM personalize.get_historical_features('answer', NULL);
SELECT * FROM personalize.get_historical_features('answer', 'modle');
SELECT personalize.create_feature_view('goods', '{"price": "item.price"}', 'item');
SELECT * FROM personalize.get_historical_features('answer', 'goods');
-- with the rights of the caller
CREATE ROLE history_reader IN ROLE personalize_analyst;
GRANT personalize_personalization TO history_reader;
SET ROLE history_reader;
SET personalize.purpose = 'personalization';
SELECT count(*) FROM personalize.get_historical_features('SELECT ''u1'' AS user_id, now() AS event_timestamp', 'model');
SELECT count(*) FROM personalize.get_historical_features('SELECT * FROM answer', 'model');
SELECT count(*) FROM personalize.get_historical_features('answer', 'model');
SELECT count(*) FROM personalize.get_historical_features('answer'::regclass, 'model');
SELECT count(*) FROM personalize.get_historical_features('SELECT ''u1'' AS user_id, now() AS event_timestamp', 'model', purpose => 'marketing');
RESET ROLE;
RESET personalize.purpose;

-- what a person takes back is gone from the past, too
SELECT personalize.withdraw_consent('u2', '{personalization}') IS NOT NULL;
SELECT count(*) FILTER (WHERE features ->> 'favourite' <> 'none') FROM personalize.get_historical_features('SELECT * FROM answer WHERE user_id = ''u2''', 'model');
SELECT count(*) > 0 FROM personalize.restrict('u4');
SELECT count(*) FILTER (WHERE features ->> 'favourite' <> 'none') FROM personalize.get_historical_features('SELECT * FROM answer WHERE user_id = ''u4''', 'model');
SELECT count(*) > 0 FROM personalize.lift_restriction('u4');
DELETE FROM answer WHERE user_id IN ('u2', 'u4');

-- days are dropped: what is left in the profiles is counted by panes, and each row says so
SELECT personalize.create_feature_view('kept', '{"orders": "purchases default 0", "views": "interest_category default 0", "spent": "purchases sum default 0", "idle": "purchases time_since_last"}');
CREATE TABLE before AS SELECT * FROM personalize.get_historical_features('SELECT user_id, event_timestamp FROM answer WHERE user_id = ANY (''{u1,u5,u6,u8}'')', 'kept');
SET personalize.allow_drop = on;
DROP TABLE personalize.event_p20260301, personalize.event_p20260302, personalize.event_p20260303, personalize.event_p20260304, personalize.event_p20260305;
SELECT b.event_timestamp >= '2026-03-06' AS raw, h.grain, count(*) > 0, count(*) FILTER (WHERE b.features - 'idle' IS DISTINCT FROM h.features - 'idle' AND b.event_timestamp >= '2026-03-06') AS different,
	max(abs((b.features ->> 'views')::integer - (h.features ->> 'views')::integer)) < 10 AS near
FROM before b JOIN personalize.get_historical_features('SELECT user_id, event_timestamp FROM answer WHERE user_id = ANY (''{u1,u5,u6,u8}'')', 'kept') AS h USING (place)
GROUP BY 1, 2 ORDER BY 1, 2;
-- at the end of a day panes know everything, but for what came late, which raw events still tell of
SELECT d.n, count(*), count(*) FILTER (WHERE (personalize.get_features(h.user_id, 'kept', as_of => h.event_timestamp) ->> 'views')::integer - (h.features ->> 'views')::integer = coalesce(l.late, 0)) AS as_known
FROM generate_series(2, 6) AS d (n), personalize.get_historical_features(
		format('SELECT ''u'' || u AS user_id, timestamptz ''2026-03-0%s'' - interval ''1 second'' AS event_timestamp FROM generate_series(5, 18) AS u', d.n), 'kept') AS h
	LEFT JOIN LATERAL (SELECT count(*) AS late FROM personalize.event e JOIN personalize.event_type t USING (event)
		WHERE e.user_key = personalize.user_key(h.user_id) AND e.ts <= h.event_timestamp AND e.consent = 3 AND t.weight <> 0) AS l ON true
GROUP BY d.n ORDER BY d.n;
SELECT count(*) > 3 FROM personalize.event e JOIN personalize.event_type t USING (event) WHERE e.ts < '2026-03-06' AND e.consent = 3 AND t.weight <> 0;

DROP TABLE answer, before, "Labels of mine";
DROP FUNCTION writes();
DROP SEQUENCE counted;
DROP ROLE history_reader;
DROP EXTENSION personalize CASCADE;

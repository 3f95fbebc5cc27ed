-- Features of items, categories, brands, tags, queries and the shop: over all people, and undone exactly.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET personalize.test_now = '2026-03-10 12:00+00';
-- batches are run by hand
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest('{profile,item_stat,exposure}'::text[]) AS p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest('{profile,item_stat,exposure}'::text[]) AS p;
END
$$;
SELECT inserted FROM personalize.upsert_items('[{"item_id": "tv", "category": "electronics", "brand": "Acme", "tags": ["new", "big"]}, {"item_id": "radio", "category": "electronics", "brand": "Zeta", "tags": ["new"]},
	{"item_id": "hose", "category": "garden", "brand": "Acme"}, {"item_id": "lamp"}]');
SELECT count(personalize.grant_consent('u' || u, CASE u WHEN 9 THEN '{personalization}' ELSE '{analytics,personalization}' END::text[], 'test')) FROM generate_series(1, 9) AS u;
-- 9 people over 20 days: views and purchases, some late, one twice; the last allows no analytics
SELECT count(personalize.track('u' || 1 + n % 9, CASE WHEN n % 5 = 0 THEN 'purchase' ELSE 'view_item' END, (ARRAY['tv', 'radio', 'hose', 'lamp'])[1 + n % 4],
	CASE WHEN n % 5 = 0 THEN jsonb_build_object('value', n, 'currency', 'EUR') END, ts => '2026-03-10 11:30+00'::timestamptz - (n * 7 % 480) * interval '1 hour', message_id => 'm' || n % 199))
FROM generate_series(1, 200) AS n;
SELECT pg_temp.roll();

SELECT personalize.create_feature_view(e, $${"views": "view_item default 0", "week": "view_item count in 7 days", "sold": "purchase in 10 days default 0", "revenue": "purchase sum", "price": "purchase mean",
	"hot": "view_item decayed 2 days", "rate": "rate(purchase in 10 days, view_item in 10 days)", "sure": "rate(purchase, view_item, prior 0.1 weight 20)", "asked": "request.x default 0"}$$, entity => e)
FROM unnest('{item,category,brand,tag,shop}'::text[]) AS e;
SELECT name, entity FROM personalize.feature_view ORDER BY 1;
-- what the raw events say, counted here
CREATE TEMP TABLE asked (entity text, id text);
INSERT INTO asked VALUES ('item', 'tv'), ('item', 'lamp'), ('item', 'nothing'), ('category', 'electronics'), ('category', 'garden'), ('category', 'none'), ('brand', 'Acme'), ('tag', 'new'), ('tag', 'big'), ('shop', 'shop');
CREATE FUNCTION pg_temp.said() RETURNS TABLE (entity text, id text, said jsonb, counted jsonb) LANGUAGE sql AS $$
	SELECT a.entity, a.id, personalize.get_features(a.id, a.entity, '{"x": 5}') - '{hot,price,rate,sure}'::text[], c.counted
	FROM asked AS a, LATERAL (
		SELECT jsonb_build_object('asked', 5, 'views', count(*) FILTER (WHERE t.name = 'view_item'), 'sold', count(*) FILTER (WHERE t.name = 'purchase' AND e.hour > '2026-02-28 12:00+00'),
			'week', nullif(count(*) FILTER (WHERE t.name = 'view_item' AND e.hour > '2026-03-03 12:00+00'), 0), 'revenue', sum(trim_scale(e.value)) FILTER (WHERE t.name = 'purchase')) AS counted
		FROM (SELECT *, date_trunc('hour', ts) AS hour FROM personalize.event) AS e JOIN personalize.event_type AS t USING (event) LEFT JOIN personalize.item AS i USING (item_key)
		WHERE personalize_internal._unrestricted(e.consent, e.user_key) & 1 <> 0 AND e.item_key IS NOT NULL AND CASE a.entity WHEN 'item' THEN i.item_id = a.id WHEN 'category' THEN i.category = a.id WHEN 'brand' THEN i.brand = a.id WHEN 'tag' THEN a.id = ANY (i.tags) ELSE true END) AS c
$$;
SELECT entity, id, said, said = counted FROM pg_temp.said();
SELECT entity, id, round((f ->> 'hot')::numeric, 3), round((f ->> 'price')::numeric, 2), round((f ->> 'rate')::numeric, 3), round((f ->> 'sure')::numeric, 3) FROM asked, personalize.get_features(id, entity) AS f;
-- the prior of an item's rate may be that of its category: rates of few events go there
SELECT place, user_id, round((features ->> 'sure')::numeric, 3) FROM personalize.get_features_batch('{electronics,garden,electronics}', 'category');
SELECT feature, type, status, sources, events FROM personalize.explain_features('electronics', 'category') ORDER BY 1;
-- as it was: nothing of later
SELECT personalize.get_features('shop', 'shop', as_of => '2026-03-05 12:00+00') ->> 'views', (SELECT count(*) FROM personalize.event WHERE event = 4 AND consent & 1 <> 0 AND ts < '2026-03-05 13:00+00');
-- the past for many rows at once: what had been over by then, as it was read in the last moment of that hour
CREATE TEMP TABLE spine AS
	SELECT a.entity, a.id AS user_id, timestamptz '2026-03-10 12:34' - interval '11 hours 17 minutes' * n AS event_timestamp, '{"x": 5}'::jsonb AS request
	FROM asked AS a, generate_series(0, 40) AS n;
CREATE FUNCTION pg_temp.past(what text) RETURNS TABLE (user_id text, event_timestamp timestamptz, grain text, features jsonb) LANGUAGE sql AS $$
	SELECT h.user_id, h.event_timestamp, h.grain, h.features
	FROM personalize.get_historical_features(format('SELECT * FROM pg_temp.spine WHERE entity = %L ORDER BY md5(user_id || event_timestamp)', what), what, late_events => true) AS h
$$;
SELECT e.entity, count(*), count(DISTINCT h.features) > 10 AS varied, min(h.grain), max(h.grain),
	count(*) FILTER (WHERE h.features = personalize.get_features(h.user_id, e.entity, '{"x": 5}', as_of => date_trunc('hour', h.event_timestamp) - interval '1 microsecond')) AS as_read,
	count(*) FILTER (WHERE e.entity = 'shop' AND (h.features ->> 'views')::integer = (
		SELECT count(*) FROM personalize.event WHERE event = 4 AND item_key IS NOT NULL AND consent & 1 <> 0 AND ts < date_trunc('hour', h.event_timestamp))) AS as_happened
FROM (SELECT DISTINCT s.entity FROM spine AS s) AS e, LATERAL pg_temp.past(e.entity) AS h GROUP BY 1 ORDER BY 1;
-- an hour that is not over tells nothing
SELECT place, features ->> 'views' FROM personalize.get_historical_features(
	'SELECT ''shop'' AS user_id, t AS event_timestamp FROM unnest(''{2026-03-05 12:00+00,2026-03-05 12:59:59.999999+00,2026-03-05 13:00+00}''::timestamptz[]) AS t', 'shop', late_events => true) ORDER BY 1;
SELECT personalize.track('u6', 'view_item', 'tv', ts => '2026-03-05 12:10+00', message_id => 'later');
SELECT pg_temp.roll();
SELECT place, features ->> 'views' FROM personalize.get_historical_features(
	'SELECT ''shop'' AS user_id, t AS event_timestamp FROM unnest(''{2026-03-05 12:00+00,2026-03-05 12:59:59.999999+00,2026-03-05 13:00+00}''::timestamptz[]) AS t', 'shop', late_events => true) ORDER BY 1;
SELECT count(*) FROM personalize.get_historical_features('SELECT * FROM pg_temp.spine WHERE false', 'shop', late_events => true);
-- of many categories, brands or tags the counters are read once, and sorted on disk where memory is short
CREATE FUNCTION pg_temp.rows_read() RETURNS bigint LANGUAGE sql AS $$
	SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relid = 'personalize.item_stat'::regclass
$$;
CREATE FUNCTION pg_temp.rows_of(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_temp.rows_read();
BEGIN
	EXECUTE query;
	RETURN pg_temp.rows_read() - before;
END
$$;
CREATE FUNCTION pg_temp.past_rows(entity text, ids text[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT pg_temp.rows_of(format('SELECT count(*) FROM personalize.get_historical_features(%L, %L, late_events => true)',
		format('SELECT id AS user_id, timestamptz %L AS event_timestamp FROM unnest(%L::text[]) AS id', '2026-03-10 12:34+00', ids), entity))
$$;
BEGIN;
SELECT e, pg_temp.past_rows(e, '{Acme}') > 0 AS some, pg_temp.past_rows(e, '{electronics,garden,Acme,Zeta,new,big,none}') = pg_temp.past_rows(e, '{Acme}') AS in_one_pass,
	pg_temp.rows_of(format($$SELECT count(*) FROM personalize.get_features_batch('{electronics,garden,Acme,Zeta,new,big,none}', %L, '{"x": 5}', as_of => '2026-03-10 12:34+00')$$, e))
		= pg_temp.rows_of(format($$SELECT count(*) FROM personalize.get_features_batch('{Acme}', %L, '{"x": 5}', as_of => '2026-03-10 12:34+00')$$, e)) AS batch_in_one_pass
FROM unnest('{category,brand,tag}'::text[]) AS e;
COMMIT;
CREATE TEMP TABLE in_memory AS SELECT e AS entity, h.* FROM unnest('{category,brand,tag}'::text[]) AS e, pg_temp.past(e) AS h;
SET work_mem = '64kB';
SELECT count(*), count(*) FILTER (WHERE m.features = h.features AND m.grain = h.grain) AS same
FROM unnest('{category,brand,tag}'::text[]) AS e, pg_temp.past(e) AS h JOIN in_memory AS m USING (user_id, event_timestamp) WHERE m.entity = e;
RESET work_mem;
SELECT e, count(*), count(*) FILTER (WHERE b.features = personalize.get_features(b.user_id, e, '{"x": 5}', as_of => '2026-03-09 09:30+00')) AS same, string_agg(b.user_id, ' ' ORDER BY b.place)
FROM unnest('{category,brand,tag}'::text[]) AS e, personalize.get_features_batch('{new,electronics,Acme,none,electronics,big,Zeta,garden}', e, '{"x": 5}', as_of => '2026-03-09 09:30+00') AS b GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.get_features_batch('{}', 'tag');
-- items have a typed view, categories and the shop have not
SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'personalize'::regnamespace AND relname ~ '^fv';
SELECT item_id, views, round(price::numeric, 2), price IS NOT NULL FROM personalize.fv_item ORDER BY 1;

-- undone exactly: put right, withdrawn, restricted and back, forgotten, come late
SELECT personalize.rectify('u2', '{"item_id": "hose"}', 'm10');
SELECT count(*), count(*) FILTER (WHERE said = counted) FROM pg_temp.said();
SELECT personalize.withdraw_consent('u3', '{analytics}') IS NOT NULL, personalize.forget('u4') IS NOT NULL, personalize.restrict('u5', grounds => 'test') IS NOT NULL;
SELECT count(*), count(*) FILTER (WHERE said = counted), (SELECT said FROM pg_temp.said() WHERE entity = 'shop') FROM pg_temp.said();
SELECT personalize.lift_restriction('u5') IS NOT NULL;
SELECT count(personalize.track('u6', 'purchase', 'lamp', '{"value": 1000, "currency": "EUR"}', ts => '2026-02-25 10:00+00'));
SELECT pg_temp.roll();
SELECT count(*), count(*) FILTER (WHERE said = counted), (SELECT said FROM pg_temp.said() WHERE entity = 'shop') FROM pg_temp.said();
-- a catalogue that changes its mind: what happened to the item goes along
SELECT updated FROM personalize.upsert_items('[{"item_id": "radio", "category": "garden"}]');
SELECT count(*), count(*) FILTER (WHERE said = counted) FROM pg_temp.said();
-- counted anew, the same
CREATE TEMP TABLE was AS SELECT * FROM pg_temp.said();
BEGIN;
SELECT count(personalize.rebuild_processor('item_stat'));
SELECT pg_temp.roll();
COMMIT;
SELECT pg_temp.roll();
SELECT count(*) FROM (SELECT * FROM pg_temp.said() EXCEPT TABLE was) AS s;
-- a sum of two currencies is none
SELECT personalize.track('u6', 'purchase', 'tv', '{"value": 7, "currency": "USD"}');
SELECT pg_temp.roll();
SELECT f ->> 'sold', f ->> 'revenue', f ->> 'price' FROM personalize.get_features('tv', 'item') AS f;
SELECT f ->> 'revenue' IS NOT NULL FROM personalize.get_features('lamp', 'item') AS f;

-- queries: what was shown for them and chosen, once enough people have searched them
SELECT personalize.create_feature_view('query', $${"shown": "shown default 0", "week": "shown in 7 days default 0", "rate": "rate(clicked, shown, prior 0.05 weight 10)", "ctr": "rate(clicked, shown)", "bought": "bought", "hot": "clicked decayed 3 days"}$$, entity => 'query');
CREATE FUNCTION pg_temp.search(who integer, words text, at timestamptz) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(personalize.track('u' || who, e.event, e.item, jsonb_build_object('query', words) || e.more, ts => at + e.n * interval '1 minute'))
	FROM (VALUES (1, 'search', NULL, '{}'::jsonb), (2, 'view_item_list', NULL, '{"items": [{"item_id": "tv", "slot": 1}, {"item_id": "radio", "slot": 2}]}'), (3, 'select_item', CASE WHEN who % 2 = 0 THEN 'tv' ELSE 'radio' END, '{}')) AS e (n, event, item, more)
$$;
SELECT sum(pg_temp.search(u, 'Big  TV', '2026-03-01 10:00+00'::timestamptz + u * interval '1 day')) FROM unnest('{1,2,6,7}'::integer[]) AS u;
SELECT pg_temp.roll();
SELECT personalize.get_features('big tv', 'query');
SELECT pg_temp.search(8, 'big tv', '2026-03-09 10:00+00');
SELECT pg_temp.roll();
SELECT f - 'hot', round((f ->> 'hot')::numeric, 3) FROM personalize.get_features('big tv', 'query') AS f;
SELECT sum(shown), sum(clicked) FROM personalize.search_stat WHERE query_key = personalize.query_key('BIG tv');
SELECT personalize.get_features(q, 'query') = personalize.get_features('big tv', 'query') FROM unnest('{BIG tv!,tv,""," "}'::text[]) AS q;
SELECT sources FROM personalize.explain_features('big tv', 'query') WHERE feature = 'rate';
SELECT h.grain, count(*), count(DISTINCT h.features ->> 'shown'), count(*) FILTER (WHERE h.features = personalize.get_features('big tv', 'query', as_of => date_trunc('day', h.event_timestamp) - interval '1 microsecond')) AS as_read
FROM personalize.get_historical_features('SELECT ''Big TV'' AS user_id, timestamptz ''2026-03-01 15:00+00'' + n * interval ''7 hours'' AS event_timestamp FROM generate_series(0, 30) AS n', 'query', late_events => true) AS h GROUP BY 1;
-- one of them is forgotten: too few are left to tell
SELECT personalize.forget('u8') IS NOT NULL;
SELECT personalize.get_features('big tv', 'query');

-- mistakes
CREATE FUNCTION pg_temp.try(entity text, expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	RETURN personalize.create_feature_view('tried', json_build_object('x', expression), entity);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || left(hint, 120);
END
$$;
SELECT pg_temp.try(e, x) FROM (VALUES ('category', 'view_itm'), ('category', 'view_item max'), ('category', 'view_item decayed'), ('category', 'view_item decayed 500 days'), ('category', 'item.price'), ('shop', 'in_segment(''x'')'),
	('query', 'shows'), ('query', 'shown sum'), ('query', 'view_item'), ('query', '='), ('categories', '1'), ('tag', 'purchase mean in 2 fortnights'), ('item', 'purchase decayd 2 days')) AS t (e, x);
SELECT personalize.get_features('other', 'shop');
SELECT personalize.get_features('garden', 'category', item_id => 'tv');
SELECT * FROM personalize.get_historical_features('SELECT ''garden'' AS user_id, now() AS event_timestamp', 'category');
SELECT * FROM personalize.get_historical_features('SELECT ''market'' AS user_id, now() AS event_timestamp', 'shop', late_events => true);
-- hours that have become days: a day counts when it is over
SET client_min_messages = error;
SET personalize.test_now = '2026-04-15 12:00+00';
SELECT personalize.set_retention('item_stat_hour', '32 days');
SELECT count(*) > 0 AS folded FROM personalize.apply_retention() AS r WHERE r.kind = 'item_stat_hour' AND r.removed > 0;
RESET client_min_messages;
SELECT grain, count(*), count(DISTINCT features ->> 'views') > 5 AS varied, count(*) FILTER (WHERE (features ->> 'views')::integer = (
		SELECT count(*) FROM personalize.event WHERE event = 4 AND item_key IS NOT NULL AND personalize_internal._unrestricted(consent, user_key) & 1 <> 0
			AND ts < date_trunc('day', event_timestamp))) AS as_happened
FROM pg_temp.past('shop') GROUP BY 1;

DROP EXTENSION personalize;

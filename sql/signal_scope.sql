-- Signals of items, categories, brands, tags, queries and everything: read from what is counted of everybody.
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
-- What a statement is refused with, or what it says.
CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
	said text;
BEGIN
	EXECUTE command INTO said;
	RETURN said;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || left(hint, 160);
END
$$;
SELECT inserted FROM personalize.upsert_items('[{"item_id": "tv", "category": "electronics", "brand": "Acme", "tags": ["new", "big"]}, {"item_id": "radio", "category": "electronics", "brand": "Zeta", "tags": ["new"]},
	{"item_id": "hose", "category": "garden", "brand": "Acme"}, {"item_id": "lamp"}]');
SELECT count(personalize.grant_consent('u' || u, CASE u WHEN 9 THEN '{personalization}' ELSE '{analytics,personalization}' END::text[], 'test')) FROM generate_series(1, 9) AS u;
-- 9 people over 20 days: views and purchases, some late, one twice; the last allows no analytics; some events are of no item
SELECT count(personalize.track('u' || 1 + n % 9, CASE WHEN n % 5 = 0 THEN 'purchase' WHEN n % 7 = 0 THEN 'add_to_cart' ELSE 'view_item' END, (ARRAY['tv', 'radio', 'hose', 'lamp'])[1 + n % 4],
	CASE WHEN n % 5 = 0 THEN jsonb_build_object('value', n, 'currency', 'EUR') END, ts => '2026-03-10 11:30+00'::timestamptz - (n * 7 % 480) * interval '1 hour', message_id => 'm' || n % 199))
FROM generate_series(1, 200) AS n;
SELECT personalize.track('u1', 'view_item', ts => '2026-03-10 11:00+00', properties => '{"category": "electronics"}');

-- one call for each scope; it knows the past at once, and nothing is filled in
SELECT personalize.create_signal(scope || '_heat', '{view_item,add_to_cart,purchase}', 'none', weights => '{"view_item": 1, "add_to_cart": 2.5, "purchase": 5}',
	periods => '{7 days,12 hours}', half_life => '2 days', scope => scope) > 0
FROM unnest('{item,category,brand,tag,global}'::text[]) AS scope;
SELECT personalize.create_signal('revenue', '{purchase,refund}', 'item.category', weights => '{"purchase": 1, "refund": -1}', value_path => 'value', scope => 'category') > 0;
SELECT personalize.create_signal('activity', NULL, 'item', scope => 'item') > 0;
SELECT count(*) FROM personalize._rebuild;
SELECT pg_temp.roll();
SELECT name, scope, key_path, purposes, complete_since IS NULL AS knows_all FROM personalize.signal_status WHERE scope <> 'user' ORDER BY 1;
SELECT personalize.get_features('electronics', 'category_heat') - '{decayed}'::text[], personalize.get_features('electronics', 'revenue') - '{decayed}'::text[];
-- what the raw events say, counted here
CREATE TEMP TABLE asked (scope text, id text);
INSERT INTO asked VALUES ('item', 'tv'), ('item', 'lamp'), ('item', 'nothing'), ('category', 'electronics'), ('category', 'garden'), ('category', 'none'), ('brand', 'Acme'), ('tag', 'new'), ('tag', 'big'), ('global', 'shop');
CREATE FUNCTION pg_temp.said() RETURNS TABLE (scope text, id text, said jsonb, counted jsonb) LANGUAGE sql AS $$
	SELECT a.scope, a.id, personalize.get_features(a.id, a.scope || '_heat') - 'decayed', c.counted
	FROM asked AS a, LATERAL (
		SELECT jsonb_build_object('count', count(*), 'sum', coalesce(sum(w), 0), 'count in 7 days', count(*) FILTER (WHERE hour > '2026-03-03 12:00+00'), 'sum in 7 days', coalesce(sum(w) FILTER (WHERE hour > '2026-03-03 12:00+00'), 0),
			'count in 12 hours', count(*) FILTER (WHERE hour > '2026-03-10 00:00+00'), 'sum in 12 hours', coalesce(sum(w) FILTER (WHERE hour > '2026-03-10 00:00+00'), 0)) AS counted
		FROM (SELECT *, date_trunc('hour', ts) AS hour FROM personalize.event) AS e JOIN personalize.event_type AS t USING (event) LEFT JOIN personalize.item AS i USING (item_key),
			LATERAL (SELECT trim_scale(CASE t.name WHEN 'view_item' THEN 1 WHEN 'add_to_cart' THEN 2.5 WHEN 'purchase' THEN 5 END) AS w) AS w
		WHERE w IS NOT NULL AND personalize_internal._unrestricted(e.consent, e.user_key) & 1 <> 0 AND e.item_key IS NOT NULL
			AND CASE a.scope WHEN 'item' THEN i.item_id = a.id WHEN 'category' THEN i.category = a.id WHEN 'brand' THEN i.brand = a.id WHEN 'tag' THEN a.id = ANY (i.tags) ELSE true END) AS c
$$;
SELECT scope, id, said, said = counted FROM pg_temp.said();
-- decayed by the signal's own half-life, from the middle of an hour on
SELECT round((personalize.get_features('tv', 'item_heat') ->> 'decayed')::numeric, 9) = (
	SELECT round(sum(w * 2 ^ (-extract(epoch FROM timestamptz '2026-03-10 12:00+00' - date_trunc('hour', e.ts) - interval '30 minutes') / 172800))::numeric, 9)
	FROM personalize.event AS e JOIN personalize.event_type AS t USING (event), LATERAL (SELECT CASE t.name WHEN 'view_item' THEN 1 WHEN 'add_to_cart' THEN 2.5 WHEN 'purchase' THEN 5 END AS w) AS w
	WHERE e.item_key = personalize.item_key('tv') AND e.consent & 1 <> 0);

-- views read them by name, beside events, with every measure; batch, past and lineage as of any view
SELECT personalize.create_feature_view('shelf', '{"heat": "category_heat decayed", "slower": "category_heat decayed 9 days", "week": "category_heat in 7 days", "mean": "category_heat mean", "earned": "revenue sum", "rate": "rate(revenue, category_heat, prior 0.1 weight 5)", "views": "view_item"}', 'category');
SELECT f - '{heat,slower,rate}'::text[], (f ->> 'heat')::float8 = (personalize.get_features('electronics', 'category_heat') ->> 'decayed')::float8, (f ->> 'slower')::float8 > (f ->> 'heat')::float8 FROM personalize.get_features('electronics', 'shelf') AS f;
SELECT feature, type, status, sources, purposes FROM personalize.explain_features('electronics', 'shelf') ORDER BY 1;
SELECT feature, expression, version = (SELECT signal FROM personalize.signal WHERE name = 'category_heat') FROM personalize.explain_features('electronics', 'category_heat') ORDER BY 1;
SELECT place, user_id, features - 'decayed' FROM personalize.get_features_batch('{garden,electronics,none}', 'category_heat');
SELECT count(*), count(DISTINCT h.features) > 10 AS varied, count(*) FILTER (WHERE h.features = personalize.get_features(h.user_id, s.scope || '_heat', as_of => date_trunc('hour', h.event_timestamp) - interval '1 microsecond')) AS as_read
FROM unnest('{item,category,brand,tag,global}'::text[]) AS s (scope), LATERAL personalize.get_historical_features(format(
	'SELECT id AS user_id, timestamptz ''2026-03-10 12:34'' - interval ''11 hours 17 minutes'' * n AS event_timestamp FROM pg_temp.asked, generate_series(0, 40) AS n WHERE scope = %L', s.scope), s.scope || '_heat', late_events => true) AS h;

-- a dry run counts the same
SET personalize.purpose = 'analytics';
SELECT s.scope, count(*), count(*) FILTER (WHERE t.events = (f ->> 'count')::bigint AND t.sum = (f ->> 'sum')::numeric) AS same
FROM unnest('{item,category,brand,tag}'::text[]) AS s (scope), LATERAL personalize.test_signal(jsonb_build_object('events', '["view_item", "add_to_cart", "purchase"]'::jsonb, 'key_path', 'none', 'weights', '{"view_item": 1, "add_to_cart": 2.5, "purchase": 5}'::jsonb, 'scope', s.scope)) AS t,
	LATERAL personalize.get_features(t.value, s.scope || '_heat') AS f
WHERE t.outcome = 'counted' GROUP BY 1 ORDER BY 1;
SELECT t.outcome, t.events, t.sum, f ->> 'count', f ->> 'sum' FROM personalize.test_signal('{"events": ["view_item", "add_to_cart", "purchase"], "key_path": "none", "weights": {"view_item": 1, "add_to_cart": 2.5, "purchase": 5}, "scope": "global"}') AS t, personalize.get_features('shop', 'global_heat') AS f ORDER BY 1;
RESET personalize.purpose;

-- undone exactly: put right, withdrawn, restricted and back, forgotten, come late, joined, split, counted anew
SELECT personalize.rectify('u2', '{"item_id": "hose"}', 'm10');
SELECT personalize.withdraw_consent('u3', '{analytics}') IS NOT NULL, personalize.forget('u4') IS NOT NULL, personalize.restrict('u5', grounds => 'test') IS NOT NULL;
SELECT count(*), count(*) FILTER (WHERE said = counted) FROM pg_temp.said();
SELECT personalize.lift_restriction('u5') IS NOT NULL;
SELECT count(personalize.track('u6', 'purchase', 'lamp', '{"value": 1000, "currency": "EUR"}', ts => '2026-02-25 10:00+00'));
SELECT pg_temp.roll();
SELECT status FROM personalize.identify('u7', 'u8');
SELECT count(*), count(*) FILTER (WHERE said = counted), (SELECT said FROM pg_temp.said() WHERE scope = 'global') FROM pg_temp.said();
SELECT updated FROM personalize.upsert_items('[{"item_id": "radio", "category": "garden"}]');
SELECT count(*), count(*) FILTER (WHERE said = counted) FROM pg_temp.said();
-- a sum of two currencies is none, a sum of weights is one
SELECT personalize.track('u6', 'purchase', 'tv', '{"value": 7, "currency": "USD"}');
SELECT pg_temp.roll();
SELECT personalize.get_features('electronics', 'revenue') - 'decayed', personalize.get_features('electronics', 'category_heat') ->> 'sum' IS NOT NULL;

-- queries: what was shown for them and chosen, once enough people have searched them
SELECT personalize.create_signal('popular_searches', '{view_item_list,select_item,purchase}', 'properties.query', '{"view_item_list": 0.1, "select_item": 1, "purchase": 10}', scope => 'query') > 0;
SELECT count(personalize.grant_consent('s' || u, '{analytics,personalization}', 'test')) FROM generate_series(1, 5) AS u;
CREATE FUNCTION pg_temp.searched(who text, at timestamptz) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(personalize.track(who, e.event, e.item, '{"query": "Big  TV"}' || e.more, ts => at + e.n * interval '1 minute'))
	FROM (VALUES (1, 'search', NULL, '{}'::jsonb), (2, 'view_item_list', NULL, '{"items": [{"item_id": "tv", "slot": 1}, {"item_id": "radio", "slot": 2}]}'), (3, 'select_item', 'tv', '{}')) AS e (n, event, item, more)
$$;
SELECT sum(pg_temp.searched('s' || u, '2026-03-01 10:00+00'::timestamptz + u * interval '1 day')) FROM generate_series(1, 4) AS u;
SELECT pg_temp.roll();
SELECT personalize.get_features('big tv', 'popular_searches');
SELECT pg_temp.searched('s5', '2026-03-09 10:00+00');
SELECT pg_temp.roll();
SELECT personalize.get_features('BIG tv', 'popular_searches') - 'decayed', (SELECT 0.1 * sum(shown) + sum(clicked) FROM personalize.search_stat WHERE query_key = personalize.query_key('big tv'));
SET personalize.purpose = 'analytics';
SELECT outcome, value, users, events, sum FROM personalize.test_signal('{"events": ["view_item_list", "select_item", "purchase"], "key_path": "none", "weights": {"view_item_list": 0.1, "select_item": 1, "purchase": 10}, "scope": "query"}') WHERE outcome = 'counted';
RESET personalize.purpose;
SELECT personalize.forget('s5') IS NOT NULL;
SELECT personalize.get_features('big tv', 'popular_searches') ->> 'count';

-- altered, it is another definition of the same past; switched off, it says nothing; what needs it keeps it
SELECT personalize.alter_signal('category_heat', events => '{view_item}', weights => '{"view_item": 2}') > (SELECT signal FROM personalize.signal WHERE name = 'global_heat') AS anew;
SELECT (personalize.get_features('electronics', 'category_heat') ->> 'sum')::numeric = 2 * (personalize.get_features('electronics', 'shelf') ->> 'views')::numeric;
SELECT personalize.alter_signal('category_heat', half_life => '9 days') > 0;
SELECT f ->> 'heat' = f ->> 'slower' FROM personalize.get_features('electronics', 'shelf') AS f;
SELECT count(*) FROM personalize._rebuild;
SELECT personalize.disable_signal('category_heat');
SELECT pg_temp.try('SELECT personalize.get_features(''electronics'', ''category_heat'')');
SELECT feature, status FROM personalize.explain_features('electronics', 'shelf') WHERE feature IN ('heat', 'earned') ORDER BY 1;
SELECT personalize.enable_signal('category_heat');
SELECT complete_since IS NULL FROM personalize.signal_status WHERE name = 'category_heat';
SELECT pg_temp.try('SELECT personalize.drop_signal(''category_heat'')');
SELECT personalize.drop_feature_view('shelf'), personalize.drop_signal('category_heat');
SELECT pg_temp.try('SELECT personalize.get_features(''electronics'', ''category_heat'')');

-- what cannot be, and what was meant
SELECT c, pg_temp.try(c) FROM unnest(ARRAY[
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''none'', scope => ''qurey'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''properties.colour'', scope => ''item'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''item'', value_path => ''properties.price'', scope => ''item'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''item'', filter => ''$.a == 1'', scope => ''item'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''item'', aggregates => ''{count,max}'', scope => ''item'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''item'', purposes => ''{personalization}'', scope => ''item'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''item'', basis => ''inferred'', scope => ''item'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''item'', periods => ''{30 minutes}'', scope => ''item'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''none'', periods => ''{500 days}'', scope => ''global'')',
	'SELECT personalize.create_signal(''x'', ''{view_item}'', ''item'', scope => ''brand'')',
	'SELECT personalize.create_signal(''x'', ''{search}'', ''properties.query'', scope => ''query'')',
	'SELECT personalize.create_signal(''x'', ''{purchase}'', ''properties.query'', periods => ''{12 hours}'', scope => ''query'')',
	'SELECT personalize.create_signal(''view_item'', ''{view_item}'', ''item'', scope => ''item'')',
	'SELECT personalize.create_signal(''shown'', ''{select_item}'', ''none'', scope => ''query'')',
	'SELECT personalize.create_signal(''item_heat'', ''{view_item}'', ''item'')',
	'SELECT personalize.alter_signal(''item_heat'', key_path => ''item.price_band'')',
	'SELECT personalize.alter_signal(''item_heat'', purposes => ''{analytics,personalization}'')',
	'SELECT personalize.alter_signal(''item_heat'', basis => ''inferred'')',
	'SELECT personalize.backfill_signal(''item_heat'')',
	'SELECT personalize.create_segment(''x'', ''item_heat >= 1'')',
	'SELECT personalize.create_feature_view(''x'', ''{"x": "item_heat"}'')',
	'SELECT personalize.create_feature_view(''x'', ''{"x": "itm_heat"}'', ''item'')',
	'SELECT personalize.create_feature_view(''x'', ''{"x": "brand_heat"}'', ''item'')',
	'SELECT personalize.create_feature_view(''x'', ''{"x": "item_heat max"}'', ''item'')',
	'SELECT personalize.create_feature_view(''item_heat'', ''{"x": "1"}'', ''item'')',
	'SELECT personalize.drop_feature_view(''item_heat'')',
	'SELECT personalize.get_features(''tv'', ''item_heta'')',
	'SELECT personalize.get_features(''market'', ''global_heat'')',
	'SELECT count(*) FROM personalize.test_signal(''{"events": ["view_item"], "key_path": "item", "scope": "items"}'')']) AS c;
-- hostile names are names
SELECT personalize.create_signal('it''s "odd"; -- \', '{view_item}', 'item', scope => 'item') > 0;
SELECT personalize.get_features('tv', 'it''s "odd"; -- \') ->> 'count' > '0';
-- no person has one
SET personalize.purpose = 'personalization';
SELECT count(*) FROM personalize.features('u1') WHERE signal ~ 'heat|activity|odd';
SELECT signals, data_categories FROM personalize.processing_record() WHERE purpose = 'analytics';
-- a session that knows no event yet, in a plan with workers or without
SELECT personalize.create_feature_view('sold', '{"sold": "purchase"}', 'item');
\c -
SELECT feature, status FROM personalize.explain_features('tv', 'sold') WHERE feature = 'sold' ORDER BY 1;
DROP EXTENSION personalize;

-- Feature views: what they are worth, for whom, and what an expression may say.
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
	PERFORM personalize.enable_processor(p) FROM unnest('{profile,item_stat}'::text[]) AS p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest('{profile,item_stat}'::text[]) AS p;
END
$$;
SELECT count(personalize.grant_consent(u, '{analytics,personalization}', 'test')) FROM unnest('{ada,bob,cy}'::text[]) AS u;
SELECT personalize.create_signal('purchases', '{purchase}', 'none', value_path => 'value', half_life => '7 days');

-- each measure, in the order written; who says the same again makes no version
SELECT personalize.create_feature_view('shop', $${
	"electronics": "interest_category['electronics'] decayed default 0",
	"views_7d": "interest_category in 7 days",
	"spent": "purchases sum 30 days default 0",
	"orders": "purchases default 0",
	"categories": "interest_category distinct",
	"favourite": "interest_category most_frequent default 'none'",
	"since_last": "interest_category time_since_last",
	"fan": "in_segment('user_interested_in_electronics') default false",
	"share": "(interest_category['electronics'] count default 0) / interest_category count",
	"plus": "1 + 2 * 3 - 4 / 2",
	"minus": "interest_category count -1"
}$$, description => 'all measures') AS version;
SELECT personalize.create_feature_view('shop', $${
	"electronics": "interest_category['electronics'] decayed default 0",
	"views_7d": "interest_category in 7 days",
	"spent": "purchases sum 30 days default 0",
	"orders": "purchases default 0",
	"categories": "interest_category distinct",
	"favourite": "interest_category most_frequent default 'none'",
	"since_last": "interest_category time_since_last",
	"fan": "in_segment('user_interested_in_electronics') default false",
	"share": "(interest_category['electronics'] count default 0) / interest_category count",
	"plus": "1 + 2 * 3 - 4 / 2",
	"minus": "interest_category count -1"
}$$) AS version;
SELECT name, version, entity, array_length(features, 1), ttl, owner = current_user, description FROM personalize.feature_view;
SELECT count(personalize.track('ada', 'view_item', 'tv', '{"category": "electronics"}')) FROM generate_series(1, 6);
SELECT count(personalize.track('ada', 'view_item', 'hose', '{"category": "garden"}')) FROM generate_series(1, 2);
SELECT count(personalize.track('ada', 'purchase', 'tv', '{"category": "electronics", "value": 100}')) FROM generate_series(1, 2);
SELECT count(personalize.track('bob', 'view_item', 'hose', '{"category": "garden"}'));
SET personalize.test_now = '2026-03-02 12:00+00';

-- zero lag, then stored: the same; whom nobody knows has the defaults
CREATE TEMP TABLE now_and_then AS SELECT u, personalize.get_features(u, 'shop') AS tail FROM unnest('{ada,bob,cy,nobody}'::text[]) AS u;
SELECT u, jsonb_pretty(tail) FROM now_and_then WHERE u IN ('ada', 'nobody') ORDER BY u;
SELECT pg_temp.roll();
SELECT u, personalize.get_features(u, 'shop') = tail FROM now_and_then ORDER BY u;

-- in the order asked, twice who is asked for twice
SELECT place, user_id, features -> 'orders', features -> 'fan' FROM personalize.get_features_batch('{nobody,ada,bob,ada}', 'shop');
SELECT count(*) FROM personalize.get_features_batch('{}', 'shop');
SELECT * FROM personalize.get_features_batch(ARRAY['ada', NULL], 'shop');
SELECT * FROM personalize.get_features_batch('{ada,bob}', 'shop', item_ids => '{tv}');

-- as typed rows: the view, and its row type
SELECT attname, (SELECT typname FROM pg_type WHERE oid = atttypid) FROM pg_attribute WHERE attrelid = 'personalize.fv_shop'::regclass AND attnum > 0 ORDER BY attnum;
SELECT user_id, orders, spent, favourite, fan, round(share::numeric, 2) FROM personalize.fv_shop ORDER BY user_id;
SELECT v = jsonb_populate_record(v, personalize.get_features(v.user_id, 'shop')) FROM personalize.fv_shop v ORDER BY user_id;
SELECT f.spent / f.orders FROM jsonb_populate_record(NULL::personalize.fv_shop, personalize.get_features('ada', 'shop')) AS f;
-- one person is found by the key
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_bitmapscan = off;
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN QUERY SELECT line WHERE line ~ 'Cond|Scan';
	END LOOP;
END
$$;
SELECT regexp_replace(l, '^ *(->)? *', '') FROM pg_temp.plan('SELECT orders FROM personalize.fv_shop WHERE user_id = ''ada''') AS l;
RESET enable_seqscan;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_bitmapscan;

-- versions: a changed view is the next one, the one before stays as it was
SELECT personalize.create_feature_view('shop', '{"orders": "purchases default 0", "spent": "purchases sum default 0"}', ttl => '10 days');
SELECT v, personalize.get_features('ada', v) ->> 'orders', personalize.get_features('ada', v) ? 'fan' FROM unnest('{shop,shop:2,shop:1}'::text[]) AS v;
SELECT * FROM personalize.fv_shop WHERE user_id = 'ada';
-- more columns leave what stands on the view alone; other ones cannot
CREATE TEMP VIEW mine AS SELECT user_id, spent FROM personalize.fv_shop;
SELECT personalize.create_feature_view('shop', '{"orders": "purchases default 0", "spent": "purchases sum default 0", "more": "interest_brand count"}');
SELECT spent FROM mine WHERE user_id = 'ada';
SELECT personalize.create_feature_view('shop', '{"orders": "interest_brand most_frequent"}');
DROP VIEW mine;
-- who could read the view still can
CREATE ROLE feature_reader;
GRANT SELECT ON personalize.fv_shop TO feature_reader;
SELECT personalize.create_feature_view('shop', '{"orders": "interest_brand most_frequent"}');
SELECT has_table_privilege('feature_reader', 'personalize.fv_shop', 'SELECT'), has_table_privilege('personalize_analyst', 'personalize.fv_shop', 'SELECT');
SELECT personalize.get_features('ada', 'shop:7');
SELECT personalize.get_features('ada', 'shop:x');
SELECT personalize.get_features('ada', 'shopp');
SELECT personalize.drop_feature_view('shop:4');
SELECT personalize.drop_feature_view('shop:3');
SELECT array_agg(version ORDER BY version) FROM personalize.feature_view WHERE name = 'shop';

-- ttl: what is older than it is not given
SET personalize.test_now = '2026-03-11 11:59+00';
SELECT personalize.get_features('ada', 'shop:2');
SET personalize.test_now = '2026-03-11 12:01+00';
SELECT personalize.get_features('ada', 'shop:2');
SELECT feature, value, status, events, last_event FROM personalize.explain_features('ada', 'shop:2');
-- and as it was
SELECT personalize.get_features('ada', 'shop:2', as_of => '2026-03-02 12:00+00'), personalize.get_features('ada', 'shop:2', as_of => '2026-02-28 12:00+00');
SELECT personalize.get_features('ada', 'shop:2', as_of => 'infinity');
SET personalize.test_now = '2026-03-02 12:00+00';

-- a request, an item, and a person and an item together
SELECT inserted, updated, rejected FROM personalize.upsert_items('[{"item_id": "tv", "category": "electronics", "price": 499.5, "attributes": {"color": "black", "size": {"inch": 55}, "new": true}},
	{"item_id": "hose", "category": "garden", "price": 20}]');
SELECT personalize.create_feature_view('ranking', $${
	"price": "item.price", "category": "item.category", "color": "item.attributes.color default 'any'", "inch": "item.attributes.size.inch number",
	"new": "item.attributes.new boolean default false", "affinity": "interest_category[item.category] count default 0",
	"this": "item_affinity[item.item_id] default 0", "discount": "1 - request.price / item.price", "device": "request.device text",
	"gift": "request.gift boolean default false", "asked": "interest_category[request.category] default 0"
}$$);
SELECT i, personalize.get_features('ada', 'ranking', '{"price": 10, "device": "phone", "gift": true, "category": "garden"}', i) FROM unnest('{tv,hose,unheard-of}'::text[]) AS i;
SELECT personalize.get_features('ada', 'ranking');
SELECT place, features -> 'this' FROM personalize.get_features_batch('{ada,ada,bob}', 'ranking', item_ids => '{tv,hose,hose}');
SELECT personalize.get_features('ada', 'ranking', '{"price": "10"}');
SELECT personalize.get_features('ada', 'ranking', '{"device": 1}');
SELECT personalize.get_features('ada', 'ranking', '[1]');
SELECT personalize.get_features('ada', 'ranking', '{"price": 1e400}', 'tv') ->> 'discount' IS NULL;

-- views of items: catalogue and counters
SELECT personalize.create_feature_view('goods', $${"views": "view_item in 7 days default 0", "sold": "purchase default 0", "rate": "purchase / view_item default 0",
	"price": "item.price", "bid": "request.bid * item.price"}$$, entity => 'item');
SELECT i, personalize.get_features(i, 'goods', '{"bid": 0.5}') FROM unnest('{tv,hose,unheard-of}'::text[]) AS i;
SELECT item_id, views, sold, price FROM personalize.fv_goods ORDER BY 1;
SELECT place, user_id, features -> 'views' FROM personalize.get_features_batch('{hose,tv}', 'goods');
SELECT personalize.get_features('tv', 'goods', item_id => 'tv');
SELECT feature, sources FROM personalize.explain_features('tv', 'goods');

-- where values come from
SELECT feature, version, type, value, status, sources, events, panes, last_event, purposes, allowed, tail_events FROM personalize.explain_features('ada', 'shop:1')
WHERE feature IN ('electronics', 'fan', 'share', 'plus', 'orders');
SELECT complete_since IS NOT NULL FROM personalize.explain_features('ada', 'shop:1') WHERE feature = 'orders';
SELECT count(personalize.track('ada', 'purchase', 'tv', '{"category": "electronics", "value": 100}'));
SELECT DISTINCT tail_events, stale FROM personalize.explain_features('ada', 'shop:1');

-- for a purpose that a signal is not counted for; after a withdrawal; when a signal is gone
-- a period ends at a pane: how much shorter than it says it may be
SELECT personalize.create_feature_view('spans', '{"all": "interest_category", "5min": "interest_category in 5 minutes", "hour": "interest_category in 1 hour", "2h": "interest_category in 2 hours", "week": "interest_category in 7 days", "rate": "rate(interest_category in 1 hour, item_affinity in 1 day)"}'),
	personalize.create_feature_view('spans_of_items', '{"all": "view_item", "day": "view_item in 1 day"}', 'item'), personalize.create_feature_view('spans_of_queries', '{"week": "shown in 7 days"}', 'query');
SELECT feature, extract(epoch FROM short_by)::integer FROM personalize.explain_features('ada', 'spans') UNION ALL SELECT 'item ' || feature, extract(epoch FROM short_by)::integer FROM personalize.explain_features('tv', 'spans_of_items')
	UNION ALL SELECT 'query ' || feature, extract(epoch FROM short_by)::integer FROM personalize.explain_features('tv', 'spans_of_queries') ORDER BY 1;
SELECT personalize.drop_feature_view('spans'), personalize.drop_feature_view('spans_of_items'), personalize.drop_feature_view('spans_of_queries');
SELECT feature, value, status, allowed FROM personalize.explain_features('ada', 'shop:1', purpose => 'analytics') WHERE feature IN ('electronics', 'fan', 'plus', 'share');
SELECT personalize.get_features('ada', 'shop:2', purpose => 'nonsense');
SELECT personalize.withdraw_consent('bob', '{personalization}');
SELECT personalize.get_features('bob', 'shop:1') -> 'views_7d';
SELECT personalize.drop_signal('purchases');
SELECT personalize.get_features('ada', 'shop:2');
SELECT status, sources FROM personalize.explain_features('ada', 'shop:2') LIMIT 1;

-- mistakes name the word and what there is
CREATE FUNCTION pg_temp.try(expression text, entity text DEFAULT 'user') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	RETURN personalize.create_feature_view('tried', json_build_object('x', expression), entity);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || left(hint, 90);
END
$$;
SELECT pg_temp.try(e) FROM unnest(ARRAY['interest_catgory', 'interest_category men', 'interest_category count 7 dayz', 'interest_category in', 'interest_category decayed 7 days',
	'interest_category[electronics]', 'interest_category[itm.category]', 'interest_category[item.categoy]', 'interest_category[''x''', 'in_segment(x)', 'in_segment(''fan'')', 'request.', 'request.x money', 'item.colour',
	'item.attributes', 'item.price.x', 'interest_category default', 'interest_category default 1.5', 'interest_category default ''a''', 'interest_category most_frequent default 1',
	'interest_category most_frequent + 1', 'in_segment(''high_intent_search_query'') * 2', '1 +', '(1', '1)', '', ' ', '*', '1; DROP TABLE personalize.event', '1 -- x', 'interest_category in 500 days',
	repeat('(', 40) || '1' || repeat(')', 40), repeat('1+', 40) || '1', repeat('x', 300), 'interest_category count ''x''', 'interest_category >= 5', E'interest_category\tcount', E'\u00a0', '1e999', '- 1']) AS e;
SELECT pg_temp.try(e, 'item') FROM unnest('{view_itm,interest_category,in_segment(''x''),view_item decayed,purchase in 2 days}'::text[]) AS e;
SELECT pg_temp.try('1', 'shops');
SELECT personalize.create_feature_view('v', f::json) FROM unnest(ARRAY['[]']) AS f;
SELECT personalize.create_feature_view('v', '{}');
SELECT personalize.create_feature_view('v', '"x"');
SELECT personalize.create_feature_view('v', '{"a": 1}');
SELECT personalize.create_feature_view('v', '{"a": null}');
SELECT personalize.create_feature_view('v', '{"a": "1", "a": "2"}');
SELECT personalize.create_feature_view('v', '{"user_id": "1"}');
SELECT personalize.create_feature_view('v', '{"": "1"}');
SELECT personalize.create_feature_view('v', '{"a\nb": "1"}');
SELECT personalize.create_feature_view('v', json_object_agg('f' || i, '1')) FROM generate_series(1, 201) AS i;
SELECT personalize.create_feature_view('v', '{"a": "1"}', ttl => '1 second');
SELECT personalize.create_feature_view('v', '{"a": "1"}', ttl => '-1 day');
SELECT personalize.create_feature_view('a:1', '{"a": "1"}');
SELECT personalize.create_feature_view('', '{"a": "1"}');
SELECT personalize.create_feature_view(repeat('x', 61), '{"a": "1"}');
SELECT personalize.create_feature_view(E'a\nb', '{"a": "1"}');
SELECT personalize.create_feature_view(NULL, '{"a": "1"}');
SELECT personalize.create_feature_view('v', NULL);
SELECT personalize.drop_feature_view(NULL);
SELECT personalize.drop_feature_view('nothing');

-- names that would be something else if they were not quoted
SELECT personalize.create_feature_view(n, json_build_object(n, '1')) FROM unnest(ARRAY['Select', 'a"; DROP TABLE personalize.segment; --', '''', '%s %d', 'ä b', repeat('x', 60)]) AS n;
SELECT personalize.get_features('ada', n) FROM unnest(ARRAY['Select', 'a"; DROP TABLE personalize.segment; --', '''', '%s %d', 'ä b']) AS n;
SELECT * FROM personalize."fv_a""; DROP TABLE personalize.segment; --" WHERE user_id = 'ada';
SELECT count(personalize.drop_feature_view(n)) FROM unnest(ARRAY['Select', 'a"; DROP TABLE personalize.segment; --', '''', '%s %d', 'ä b', repeat('x', 60), 'shop', 'tried', 'goods']) AS n;
SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'personalize'::regnamespace AND relname ~ '^fv';
CREATE TABLE personalize.fv_taken ();
SELECT personalize.create_feature_view('taken', '{"a": "1"}');
DROP TABLE personalize.fv_taken;
-- what was made in a transaction that fails is not there
BEGIN;
SELECT personalize.create_feature_view('gone', '{"a": "1"}');
SELECT personalize.get_features('ada', 'gone');
ROLLBACK;
SELECT personalize.get_features('ada', 'gone');
SELECT * FROM personalize_internal._feature_row('ranking', 1, 1, 0, NULL, NULL) AS f (a text);
SELECT personalize_internal._feature_row('ranking', 1, 1, 0, NULL, NULL);
SELECT personalize_internal._feature_row(NULL, 1, 1, 0, NULL, NULL);

-- the object may come as any type that JSON comes as
SELECT personalize.create_feature_view('typed', '{"a": "1", "b": "2"}'::jsonb) AS jsonb, personalize.create_feature_view('typed', '{"a": "1", "b": "2"}'::json) AS json,
	personalize.create_feature_view('typed', '{"a": "1", "b": "2"}'::text) AS text, personalize.create_feature_view('typed', '{"a": "1", "b": "2"}'::varchar) AS varchar;
SELECT personalize.create_feature_view('typed', '{"a": "1"');
SELECT personalize.create_feature_view('typed', '["a"]'::jsonb);
SELECT personalize.drop_feature_view('typed');

-- a typed view that a restore without owners makes gets its owner back, and shows nobody more
SELECT personalize.create_feature_view('restored', '{"views": "item_affinity default 0"}') AS version;
SELECT pg_get_viewdef('personalize.fv_restored'::regclass) AS definition \gset
DROP VIEW personalize.fv_restored;
CREATE VIEW personalize.fv_restored AS :definition
SELECT viewowner FROM pg_views WHERE viewname = 'fv_restored';
CREATE VIEW personalize.fv_own AS SELECT 1 AS one;
SELECT viewowner = current_user AS mine FROM pg_views WHERE viewname = 'fv_own';
DROP VIEW personalize.fv_own;
SELECT personalize.create_feature_view('restored', '{"other": "item_affinity default 0"}') AS version;
SELECT personalize.drop_feature_view('restored');

DROP ROLE feature_reader;
-- typed views go with the extension
DROP EXTENSION personalize;
SELECT count(*) FROM pg_class WHERE relname LIKE 'fv\_%';

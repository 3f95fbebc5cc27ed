-- A dry run of a signal: what it would count, of whom, and why not the rest; nothing is stored.
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
SELECT count(personalize.grant_consent(u, '{personalization}', 'test')) FROM unnest('{ada,bob}'::text[]) AS u;
SELECT personalize.grant_consent('cy', '{analytics}', 'test');
SELECT count(personalize.track('ada', 'view_item', 'tv', '{"category": "electronics", "price": 10}')) FROM generate_series(1, 3);
SELECT count(personalize.track('bob', 'view_item', 'tv', '{"category": "electronics", "price": 20}'));
SELECT count(personalize.track('bob', 'view_item', 'hose', '{"category": "garden"}'));
SELECT count(personalize.track('bob', 'view_item', 'thing'));
SELECT count(personalize.track('cy', 'view_item', 'tv', '{"category": "electronics"}'));
SELECT count(personalize.track('bob', 'purchase', 'hose', '{"category": "garden", "n": 1e300}'));
SELECT count(*) AS types, (SELECT count(*) FROM personalize.signal) AS signals FROM personalize.event_type \gset

SELECT outcome, value, users, events, sum, first_event, people FROM personalize.test_signal('{"events": ["view_item"], "key_path": "item.category"}');
-- weights, filters and numbers as create_signal reads them
SELECT outcome, value, users, events, sum FROM personalize.test_signal('{"name": "x", "events": ["view_item"], "key_path": "item", "weights": {"view_item": 2.5}, "filter": "$.price >= 15", "half_life": "1 day", "periods": ["1 hour"], "description": null}');
SELECT outcome, value, users, events, sum FROM personalize.test_signal('{"events": ["purchase"], "key_path": "none", "value_path": "properties.n"}');
SELECT outcome, value, users, events, sum FROM personalize.test_signal('{"key_path": "properties.colour"}');
-- one person; the newest events
SELECT outcome, value, users, events, people FROM personalize.test_signal('{"events": ["view_item"], "key_path": "item.category"}', 'ada');
SELECT outcome, value, users, events, people FROM personalize.test_signal('{"events": ["view_item"], "key_path": "item.category"}', 'cy');
SELECT outcome, value, users, events, people FROM personalize.test_signal('{"events": ["view_item"], "key_path": "item.category"}', sample => 4);
SELECT outcome, value, users, events, people FROM personalize.test_signal('{"events": ["view_item"], "key_path": "item.category"}', 'ada', 2);
-- what the purpose in force does not cover is not looked at
SELECT outcome, value, users, events, first_event, people FROM personalize.test_signal('{"key_path": "item.category", "purposes": ["analytics"]}', purpose => 'analytics');
SELECT * FROM personalize.test_signal('{"key_path": "item.category", "purposes": ["analytics"]}');
SELECT count(*) FROM personalize.restrict('bob');
SELECT outcome, value, users, events, people FROM personalize.test_signal('{"events": ["view_item"], "key_path": "item.category"}');
-- the same as is counted once it is defined, for events of then
SELECT count(*) > 0 FROM personalize.rollup_now();
SELECT personalize.create_signal('categories', '{view_item}', 'item.category') > 0;
SELECT personalize.track('ada', 'view_item', 'hose', '{"category": "garden"}') FROM generate_series(1, 2);
SELECT value, count, sum FROM personalize.features('ada', as_of => '2026-03-01 13:00+00') WHERE signal = 'categories';
SELECT value, events, sum FROM personalize.test_signal('{"events": ["view_item"], "key_path": "item.category"}', 'ada', 2);
SELECT personalize.drop_signal('categories');

-- mistakes
CREATE FUNCTION pg_temp.try(definition jsonb, sample integer DEFAULT 10) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	RETURN count(*) FROM personalize.test_signal(definition, NULL::text, sample);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || left(hint, 60);
END
$$;
SELECT pg_temp.try(d::jsonb) FROM unnest(ARRAY['{}', '[]', '"x"', '{"key_path": null}', '{"key_path": 1}', '{"keypath": "item"}', '{"key_path": "item.categry"}', '{"key_path": "item", "events": "view_item"}',
	'{"key_path": "item", "events": ["view_itm"]}', '{"key_path": "item", "events": [1]}', '{"key_path": "item", "events": []}', '{"key_path": "item", "events": [null]}', '{"key_path": "item", "weights": 1}', '{"key_path": "item", "weights": {"view_item": "much"}}',
	'{"key_path": "item", "filter": "$.x like_regex \"(a+)+b\""}', '{"key_path": "item", "filter": "1 +"}', '{"key_path": "item", "periods": ["soon"]}', '{"key_path": "item", "periods": ["1 second"]}', '{"key_path": "item", "half_life": "-1 day"}',
	'{"key_path": "item", "purposes": ["fun"]}', '{"key_path": "item", "purposes": []}', '{"key_path": "item", "basis": "inferred"}', '{"key_path": "item", "value_path": "valu"}']) AS d;
SELECT pg_temp.try('{"key_path": "item"}', s) FROM unnest('{0,-1,10000001}'::integer[]) AS s;
SELECT * FROM personalize.test_signal(NULL);
SELECT count(*) > 0 FROM personalize.test_signal('{"key_path": "item"}', NULL::text, NULL, NULL);
-- nothing was stored
SELECT count(*) - :types, (SELECT count(*) FROM personalize.signal) - :signals FROM personalize.event_type;
DROP EXTENSION personalize CASCADE;

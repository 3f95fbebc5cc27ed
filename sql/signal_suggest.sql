-- suggest_signals: what is tracked and not counted, as calls that run.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
-- nothing is tracked yet
SELECT * FROM personalize.suggest_signals();
SELECT count(personalize.grant_consent('u' || u, '{analytics,personalization}', 'test')) FROM generate_series(1, 8) AS u;
SELECT count(personalize.grant_consent('only' || u, '{analytics}', 'test')) FROM generate_series(1, 8) AS u;
-- in the catalogue before a worker meets them
SELECT inserted FROM personalize.upsert_items('[{"item_id": "i1", "category": "shoes"}, {"item_id": "i2", "category": "hats"}]');
-- by value: few that come again, of a text, a boolean, an array, a small number; not one for all, nor one for each
SELECT count(personalize.track('u' || 1 + n % 8, 'view_item', 'i' || n % 9, jsonb_build_object('colour', 'c' || n % 4, 'on_sale', n % 2 = 0, 'sizes', jsonb_build_array(n % 3, n % 5),
	'stars', 1 + n % 5, 'shop', 'one', 'visit', 'v' || n, 'order_id', n % 3, 'seen', NULL, 'nested', '{"a": 1}'::jsonb, 'a.b', n % 3, '', n % 3))) FROM generate_series(1, 40) AS n;
-- amounts, by category where items have one; a type of event of one's own, a name that needs quoting
SELECT count(personalize.track('u' || 1 + n % 8, 'purchase', 'i' || n % 9, jsonb_build_object('price', 5 + n * 1.5, 'currency', 'EUR', 'it''s "so"', 'x' || n % 2))) FROM generate_series(1, 40) AS n;
SELECT count(personalize.track('u' || 1 + n % 8, 'add_to_cart', 'i' || 1 + n % 2, jsonb_build_object('weight', n * 0.1))) FROM generate_series(1, 40) AS n;
SELECT count(personalize.track('u' || 1 + n % 8, 'let''s {go}, "now"', NULL, jsonb_build_object('how \ far', n % 3, 'value', n))) FROM generate_series(1, 40) AS n;
-- of those who do not allow it, or of too few people, nothing
SELECT count(personalize.track('only' || 1 + n % 8, 'view_item', 'i', jsonb_build_object('secret', 's' || n % 2))) FROM generate_series(1, 40) AS n;
SELECT count(personalize.track('u' || 1 + n % 4, 'view_item', 'i', jsonb_build_object('rare', 's' || n % 2))) FROM generate_series(1, 40) AS n;
SELECT place, name, reason, users, events, different FROM personalize.suggest_signals();
SELECT call FROM personalize.suggest_signals();

-- each runs, and counts; what it counts is not proposed again
CREATE TEMP TABLE proposed AS SELECT * FROM personalize.suggest_signals();
CREATE FUNCTION pg_temp.run(call text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	number smallint;
BEGIN
	EXECUTE call INTO number;
	RETURN number >= 100;
END
$$;
SELECT count(*) FROM proposed WHERE pg_temp.run(call);
SELECT s.name, s.events, s.key_path, s.value_path, s.aggregates FROM personalize.signal_status AS s JOIN proposed AS p USING (name) ORDER BY p.place;
SELECT count(*) FROM personalize.rollup_now();
SELECT count(*) FROM personalize.rollup_now();
SELECT p.name, count(f.*) > 0, sum(f.count) FROM proposed AS p LEFT JOIN (SELECT f.* FROM generate_series(1, 8) AS u, personalize.features('u' || u) AS f) AS f ON f.signal = p.name GROUP BY 1, p.place ORDER BY p.place;
SELECT count(*) FROM personalize.suggest_signals();
-- names are not taken twice
SELECT count(personalize.drop_signal(name)) FROM proposed;
SELECT personalize.create_signal('view_item_colour', '{purchase}', 'none') > 0;
SELECT name, call LIKE '%view_item_colour_2%' FROM personalize.suggest_signals() WHERE name LIKE 'view_item_colour%';
-- what is restricted is left out; a sample looks at the newest only
SELECT count(personalize.restrict('u' || u, grounds => 'test')) FROM generate_series(1, 4) AS u;
SELECT count(*) FROM personalize.suggest_signals();
SELECT count(personalize.lift_restriction('u' || u)) FROM generate_series(1, 4) AS u;
SELECT count(*) > 0 FROM personalize.suggest_signals();
SELECT count(*) FROM personalize.suggest_signals(80);

-- mistakes
SELECT * FROM personalize.suggest_signals(0);
SELECT * FROM personalize.suggest_signals(20000000);
SELECT count(*) > 0 FROM personalize.suggest_signals(NULL);
SELECT * FROM personalize.suggest_signals(purpose => 'nonsense');
CREATE ROLE suggest_reader IN ROLE personalize_analyst;
SET ROLE suggest_reader;
SELECT * FROM personalize.suggest_signals();
RESET ROLE;
DROP ROLE suggest_reader;
DROP EXTENSION personalize;

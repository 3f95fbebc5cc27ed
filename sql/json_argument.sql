-- Where JSON is meant, it is taken however it is bound: jsonb, json, text, varchar, or without a type.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT count(personalize.grant_consent('ada', '{analytics,personalization,recommendations}')) AS granted;
SELECT count(personalize.track('ada', 'view_item', 'hat', ts => '2026-03-10 12:00+00')) AS tracked;
SELECT personalize.create_signal('own', '{view_item}', 'item') AS created;
SELECT personalize.create_feature_view('model', '{"views": "item_affinity default 0", "price": "request.price"}') AS made;
SELECT count(personalize.set_preference('ada', 'favourite_brand', 'acme')) AS set;
CREATE TABLE json_product (id text, price numeric);
INSERT INTO json_product VALUES ('tie', 1);
RESET client_min_messages;
SET personalize.purpose = 'personalization';
-- what a call says, undone
CREATE FUNCTION pg_temp.said(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE 'SELECT string_agg(r::text, '' '') FROM ' || call || ' r' INTO said;
	RAISE EXCEPTION USING ERRCODE = 'P0099', MESSAGE = coalesce(said, 'nothing');
EXCEPTION
	WHEN SQLSTATE 'P0099' THEN RETURN regexp_replace(SQLERRM, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'UUID', 'g');
	WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE TEMP TABLE call (function text, call text, value text);
INSERT INTO call VALUES
	('alter_signal', $$personalize.alter_signal('own', events => '{view_item}', weights => %s)$$, '{"view_item": 2}'),
	('consent_from', $$personalize.consent_from(%s, '2026-03-10 12:00+00')$$, '{"gpc": true}'),
	('create_experiment', $$personalize.create_experiment('new', 'recommend', %s)$$, '["shipped", {"name": "varied", "parameters": {"diversity": 0.5}}]'),
	('create_experiment', $$personalize.create_experiment('new', 'recommend', '["shipped", {"name": "varied", "parameters": {}}]', metrics => %s)$$, '["clicks"]'),
	('create_feature_view', $$personalize.create_feature_view('second', %s)$$, '{"views": "item_affinity default 1"}'),
	('create_signal', $$personalize.create_signal('mine', '{view_item}', 'item', weights => %s)$$, '{"view_item": 2}'),
	('create_variant', $$personalize.create_variant('recommend', 'mine', %s)$$, '{"diversity": 0.5}'),
	('explain_features', $$(SELECT count(*) FROM personalize.explain_features('ada', 'model', %s, 'hat'))$$, '{"price": 3}'),
	('get_features', $$personalize.get_features('ada', 'model', %s, 'hat')$$, '{"price": 3}'),
	('get_features', $$personalize.get_features('ada'::text, 'model'::varchar, %s, 'hat'::varchar)$$, '{"price": 3}'),
	('get_features_batch', $$personalize.get_features_batch('{ada}'::text[], 'model', %s, '{hat}'::text[])$$, '{"price": 3}'),
	('reapply_erasures', $$(SELECT count(*) FROM personalize.reapply_erasures(%s))$$, NULL),
	('rectify', $$(SELECT count(*) FROM personalize.rectify('ada', %s))$$, '{"preference": {"name": "favourite_brand", "value": "acme", "correct_value": "Acme"}}'),
	('sync_items', $$personalize.sync_items('json_product', %s)$$, '{"item_id": "id"}'),
	('test_signal', $$(SELECT count(*) FROM personalize.test_signal(%s))$$, '{"key_path": "item"}'),
	('track', $$(SELECT count(*) FROM personalize.track('ada', 'view_item', 'hat', %s) t)$$, '{"value": 3}'),
	('track_many', $$personalize.track_many(%s)$$, '[{"user_id": "ada", "event": "view_item", "item_id": "hat"}]'),
	('try_track', $$(SELECT count(*) FROM personalize.try_track('ada', 'view_item', 'hat', %s) t)$$, '{"value": 3}'),
	('upsert_items', $$personalize.upsert_items(%s)$$, '[{"item_id": "tie", "price": 3}]'),
	('verify_ledger', $$(SELECT count(*) FROM personalize.verify_ledger('ada', %s))$$, NULL);
UPDATE call SET value = personalize.ledger_anchor()::text WHERE function = 'verify_ledger';
UPDATE call SET value = personalize.export_tombstones()::text WHERE function = 'reapply_erasures';
-- each function that takes JSON is there
SELECT DISTINCT p.proname FROM pg_proc p
WHERE p.pronamespace = 'personalize'::regnamespace AND p.prokind = 'f' AND p.proargtypes::oid[] && '{jsonb,json,personalize.event_json}'::regtype[]::oid[]
	AND p.proname NOT IN (SELECT function FROM call) ORDER BY 1;
SELECT c.function, count(DISTINCT pg_temp.said(format(c.call, quote_literal(c.value) || t))) AS answers,
	bool_or(pg_temp.said(format(c.call, quote_literal(c.value) || t)) ~ '^[0-9A-Z]{5} ') AS refused
FROM call c, unnest('{::jsonb,::json,::text,::varchar,::varchar(4000),::personalize.event_json,""}'::text[]) AS t GROUP BY c.function, c.call ORDER BY 1;
SELECT c.function, s.said FROM call c, LATERAL (SELECT pg_temp.said(format(c.call, quote_literal(c.value) || '::json')) AS said) s
	WHERE c.function IN ('create_variant', 'get_features', 'upsert_items') ORDER BY 1;
-- NULL is what is not given
SELECT c.function, count(DISTINCT pg_temp.said(format(c.call, 'NULL' || t))) AS answers
FROM call c, unnest('{::jsonb,::json,::text,::varchar,""}'::text[]) AS t GROUP BY c.function, c.call ORDER BY 1;
-- what is no JSON says where
SELECT personalize.create_variant('recommend', 'mine', '{"diversity": }'::text);
SELECT personalize.upsert_items('[{"item_id": "hat", "price": "\u0000"}]'::varchar);
SELECT * FROM personalize.get_features('ada'::text, 'model'::text, 'no'::text);
-- an array of them is none, and neither is a number
SELECT personalize.create_variant('recommend', 'mine', ARRAY['{}']);
SELECT personalize.create_variant('recommend', 'mine', 5);
-- texts as drivers have them, and times
SELECT personalize.create_variant('recommend'::varchar, 'mine'::name, '{}'::varchar), personalize.create_variant('recommend'::char(9), 'other'::varchar(5), NULL);
SELECT personalize.track('ada'::varchar, 'view_item'::varchar(20), 'hat'::name, '{}'::json, '2026-03-10 12:00+00'::text) IS NOT NULL AS text,
	personalize.track(17, 'view_item'::name, 18::bigint, NULL::text, '2026-03-10T12:00Z'::varchar, consent => '{analytics}') IS NOT NULL AS number,
	personalize.track('6f1c2b64-6a0d-4a0e-9a53-0a1f7c1f1a11'::uuid, 'view_item'::char(9), 'a'::char(3), consent => '{analytics}') IS NOT NULL AS uuid;
DROP TABLE json_product;
SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;

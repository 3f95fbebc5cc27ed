SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
CREATE FUNCTION roll() RETURNS void LANGUAGE sql AS 'SELECT personalize.rollup_now()';
-- Which new item has a place changes by the hour.
DO $$ BEGIN PERFORM personalize.create_variant('recommend', 'known only', '{"exploration": 0}'); PERFORM personalize.set_default_variant('recommend', 'known only'); END $$;
CREATE FUNCTION told(user_id text, item_id text, VARIADIC options text[] DEFAULT '{}', OUT step int, OUT gate text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	FOR step, gate, ok, detail, fix IN EXECUTE format('SELECT * FROM personalize.why_not(%L, %L%s)', user_id, item_id,
		(SELECT string_agg(', ' || o, '') FROM unnest(options) o)) LOOP
		detail := regexp_replace(regexp_replace(detail, '20\d\d-\d\d-\d\d[ T][0-9:.]+[+-][0-9:]+', '<time>', 'g'), 'score [0-9.e-]+', 'score <score>');
		RETURN NEXT;
	END LOOP;
END
$$;
CREATE FUNCTION against(user_id text, item_id text, VARIADIC options text[] DEFAULT '{}', OUT gate text, OUT detail text, OUT fix text) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT t.gate, t.detail, t.fix FROM told(user_id, item_id, VARIADIC options) t WHERE NOT t.ok ORDER BY t.step
$$;
-- a shop whose catalogue comes from a table of its own
CREATE TABLE shop_item (sku text PRIMARY KEY, department text, maker text, price numeric, stock int, secret boolean DEFAULT false);
INSERT INTO shop_item VALUES ('boot', 'shoes', 'A', 80, 5), ('shoe', 'shoes', 'A', 60, 5), ('sandal', 'shoes', 'B', 40, 5), ('drill', 'tools', 'C', 90, 5),
	('glue', 'tools', 'C', 3, 5), ('cap', 'hats', 'B', 12, 5), ('ring', 'gifts', 'D', 500, 5);
SELECT inserted, sellable FROM personalize.sync_items('shop_item', '{"item_id": "sku", "category": "department", "brand": "maker", "available": "stock"}');
SELECT count(personalize.grant_consent(u, '{analytics,personalization,recommendations}')) FROM unnest(ARRAY['ann', 'bob', 'p1', 'p2', 'p3', 'p4']) u;
SELECT count(personalize.track(u, 'view_item', i, session_id => 's', ts => date_trunc('hour', now(), 'UTC') - interval '1 day' + k * interval '1 minute'))
	FROM unnest(ARRAY['p1', 'p2', 'p3', 'p4']) u, unnest(ARRAY['boot', 'shoe', 'drill', 'sandal', 'cap']) WITH ORDINALITY AS t (i, k);
SELECT count(personalize.track(u, 'purchase', 'drill', ts => now() - interval '20 hours')) FROM unnest(ARRAY['p1', 'p2']) u;
SELECT personalize.track('ann', 'purchase', 'drill', ts => now() - interval '3 days');
SELECT personalize.track('ann', 'view_item', 'boot');
SELECT roll();

-- an item that is there
SELECT * FROM told('ann', 'shoe');
-- the rank is that of the answer
SELECT count(*) FROM personalize.recommend('ann') r, LATERAL (SELECT detail FROM personalize.why_not('ann', r.item_id) WHERE gate = 'rank' AND ok) w
	WHERE w.detail NOT LIKE format('rank %s of n = 20, reason %s', r.rank, split_part(r.reason, ':', 1));
SELECT * FROM against('ann', 'sandal', 'n => 1');

-- 1. no consent
SELECT * FROM told('stranger', 'shoe') WHERE gate IN ('consent', 'neighbours', 'rank');
-- 2. never shown: no visit has met it, no list has it in reach
SELECT * FROM told('ann', 'ring', 'n => 3') WHERE gate IN ('catalogue', 'neighbours', 'rank');
-- 3. hidden, in the catalogue and by the person
UPDATE personalize.item SET hidden = true WHERE item_id = 'shoe';
SELECT * FROM against('ann', 'shoe');
UPDATE personalize.item SET hidden = false WHERE item_id = 'shoe';
SELECT personalize.set_preference('ann', 'hidden_item', 'shoe');
SELECT * FROM against('ann', 'shoe');
SELECT personalize.clear_preference('ann');
SELECT personalize.set_preference('ann', 'hidden_brand', 'A');
SELECT * FROM against('ann', 'shoe');
SELECT personalize.clear_preference('ann');
-- 4. a stale catalogue: sold out there, gone, or sold out by now; the fix works
UPDATE shop_item SET stock = 0 WHERE sku = 'shoe';
DELETE FROM shop_item WHERE sku = 'cap';
SELECT updated, unavailable FROM personalize.sync_items('shop_item');
UPDATE shop_item SET stock = 7 WHERE sku = 'shoe';
SELECT gate, replace(detail, current_user, '<me>') AS detail, fix FROM against('ann', 'shoe');
SELECT gate, detail, fix FROM against('ann', 'cap');
SELECT updated FROM personalize.sync_items('shop_item');
SELECT * FROM against('ann', 'shoe');
UPDATE personalize.item SET available = false WHERE item_id = 'ring';
SELECT count(*) FROM against('ann', 'ring') WHERE gate = 'available';
-- 5. purchased
SELECT * FROM against('ann', 'drill');
SELECT * FROM against('ann', 'drill', 'exclude_bought => ''0''');
SELECT * FROM against('ann', 'drill', 'exclude_bought => ''0''', 'exclude_seen => ''10 days''');
SELECT personalize.create_variant('recommend', 'again', '{"exclude_bought_learned": 0, "exploration": 0}');
SELECT gate, ok, detail FROM told('ann', 'drill', 'variant => ''again''') WHERE gate IN ('bought', 'rank');

-- a rule of the shop; the fix works
INSERT INTO personalize.rule (name, kind, items) VALUES ('no shoe''s', 'exclude', '{shoe}');
SELECT * FROM against('ann', 'shoe');
SELECT fix FROM against('ann', 'shoe') WHERE gate = 'rule' \gexec
SELECT gate, ok, detail, fix FROM told('ann', 'shoe') WHERE gate IN ('rule', 'rank');
INSERT INTO personalize.rule (name, kind, filter) VALUES ('hats only', 'require', '$.category == "hats"');
SELECT * FROM against('ann', 'shoe');
SELECT gate, ok, detail FROM told('ann', 'cap') WHERE gate = 'rule';
DELETE FROM personalize.rule;
INSERT INTO personalize.rule (name, kind, items, factor) VALUES ('bury shoes', 'bury', '{shoe}', 0.25);
SELECT gate, ok, detail FROM told('ann', 'shoe') WHERE gate = 'rule';
SELECT reason, explanation -> 'rules' AS rules, abs((SELECT sum(value::float8) FROM jsonb_each_text(explanation) WHERE key LIKE 'score\_%') - score) < 1e-9 AS adds_up, (explanation ->> 'score_rules')::float8 < 0 AS lowered
FROM personalize.recommend('ann', explain => true) WHERE item_id = 'shoe';
DELETE FROM personalize.rule;
-- pins take places, and so do caps; why_not goes by the same variant
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('glue first', 'pin', '{glue}', 1);
SELECT gate, ok, detail FROM told('ann', 'glue') WHERE gate = 'rank';
SELECT rank, item_id FROM personalize.recommend('ann', 2);
SELECT gate, ok, detail, fix FROM told('ann', 'sandal', 'n => 2') WHERE gate = 'rank';
DELETE FROM personalize.rule;
SELECT personalize.create_variant('recommend', 'one of each', '{"max_per_category": 1, "exploration": 0}');
SELECT item_id FROM personalize.recommend('ann', variant => 'one of each');
SELECT gate, ok, detail, fix FROM told('ann', 'sandal', 'variant => ''one of each''') WHERE gate = 'rank';
SELECT * FROM personalize.why_not('ann', 'shoe', variant => 'none such');

-- what the call says
SELECT * FROM against('ann', 'sandal', 'filter => ''$.price > 50''');
SELECT * FROM against('ann', 'sandal', 'filter => ''$.categry == "shoes"''');
SELECT * FROM against('ann', 'sandal', 'candidates => ''{shoe}''');
SELECT * FROM against('ann', 'sandal', 'exclude => ''{sandal}''');
-- an item of the session; of one there is none to go by
SELECT * FROM against('ann', 'boot');
SELECT * FROM against('ann', 'boot', 'allow_session_items => true');
SELECT * FROM against('bob', 'boot');
SELECT gate, ok, detail FROM told('stranger', 'shoe', 'session_items => ''{boot}''') WHERE gate IN ('consent', 'neighbours', 'rank');
SELECT gate, ok, detail, fix FROM personalize.why_not(NULL, 'shoe', session_items => '{boot}') WHERE gate = 'consent';
-- an id that nobody knows, a number, one that only events know, and names that want quoting
SELECT * FROM against('ann', 'sh0e');
SELECT * FROM against('ann', '4711');
SELECT personalize.track('ann', 'view_item', 'only met', ts => now() - interval '2 hours');
SELECT gate, ok, detail, fix FROM told('ann', 'only met') WHERE gate IN ('known', 'catalogue');
SELECT fix FROM personalize.why_not('o''brien', 'it''em') WHERE fix IS NOT NULL;
-- mistakes, rights, and that nothing is counted
SELECT * FROM personalize.why_not('ann', NULL);
SELECT * FROM personalize.why_not('ann', 'shoe', 0);
SELECT count(*) FROM personalize.why_not('ann', 'shoe', NULL);
SELECT * FROM personalize.why_not('ann', '');
SELECT value AS calls FROM personalize.stat_engine WHERE engine = 'recommend' AND measure = 'calls' \gset
BEGIN READ ONLY;
SELECT count(*) FROM personalize.why_not('ann', 'shoe');
ROLLBACK;
SELECT value = :calls AS uncounted FROM personalize.stat_engine WHERE engine = 'recommend' AND measure = 'calls';
CREATE ROLE regress_why_app IN ROLE personalize_app;
CREATE ROLE regress_why_other;
SET ROLE regress_why_app;
SELECT count(*) FROM personalize.why_not('ann', 'shoe');
SET ROLE regress_why_other;
SELECT count(*) FROM personalize.why_not('ann', 'shoe');
RESET ROLE;
DROP ROLE regress_why_app, regress_why_other;
DROP TABLE shop_item;
DROP FUNCTION roll, told, against;

-- Names of events, and what shows that something is missing.
\set VERBOSITY terse
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
SET client_min_messages = error;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.grant_consent('ann', '{analytics,personalization,recommendations}');
SELECT problem, count FROM personalize.data_quality;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'names of events';

-- case and outer blanks are no matter, on every path and in every call that takes a name
SELECT personalize.track('ann', n, 1) FROM unnest(ARRAY['purchase', 'Purchase', 'PURCHASE', ' purchase ', E'purchase\n', U&'\00A0Purchase\3000', 'order completed', 'ORDER COMPLETED ', 'Transaction', U&'\200Bpurchase', E'purchase\x01', U&'\200Epurchase\200E']) n;
SELECT accepted FROM personalize.ingest(ARRAY['ann', 'ann'], ARRAY['View_Item ', 'view_ITEM'], ARRAY[1, 1]);
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES ('ann', 'PRODUCT VIEWED', 1), ('ann', ' View ', 1);
SELECT accepted FROM personalize.track_many('[{"user_id": "ann", "event": "ADD-TO-CART", "item_id": 1}]');
SELECT t.name, count(*) FROM personalize.event e JOIN personalize.event_type t USING (event) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.event_type WHERE NOT builtin;
SELECT personalize.create_signal('bought', '{" Purchase","Order completed"}', 'item') > 0 AS made;
SELECT events FROM personalize.signal_status WHERE name = 'bought';
SELECT personalize.set_retention('raw', '10 days', 'ORDER completed');
SELECT event, keep FROM personalize.retention_policy WHERE event IS NOT NULL;
SELECT personalize.track('ann', '  ', 1);
SELECT personalize.track('ann', U&'\00A0', 1);
SELECT personalize.track('ann', U&'\200B', 1);
SELECT personalize.track('ann', E'\x01', 1);
INSERT INTO personalize.event_type (event, name) VALUES (2000, 'PURCHASE');
INSERT INTO personalize.event_type (event, name) VALUES (2000, 'purchase ');
INSERT INTO personalize.event_alias (alias, event) VALUES ('Order COMPLETED', 10);

-- a new name counts nothing until somebody gives it a weight
SET personalize.allow_drop = on;
TRUNCATE personalize.event;
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.track('ann', 'view_itm', 'hat', '{"price": 7, "colour": "red"}'), personalize.track('ann', 'Tasted ', 'wine'), personalize.track('ann', 'tasted', 'wine'), personalize.track('ann', 'waved');
SELECT name, weight FROM personalize.event_type WHERE NOT builtin ORDER BY 1;
SELECT signal, value, count FROM personalize.features('ann') ORDER BY 1, 2;
SELECT FROM personalize.rollup_now() \g /dev/null
SELECT signal, value, count FROM personalize.features('ann') ORDER BY 1, 2;
SELECT count(*) AS sessions FROM personalize.session;
SELECT count(*) FROM personalize.profile, personalize_internal._recent_items(recent);
SELECT problem, name, count, last_at IS NOT NULL AS last, sample FROM personalize.data_quality ORDER BY 1, 2;
SELECT fix FROM personalize.data_quality WHERE name = 'view_itm';
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'names of events';
-- a signal that names it counts it as a view, others do not
SELECT personalize.create_signal('tastes', '{tasted}', 'item') > 0 AS made;
SELECT personalize.track('ann', 'tasted', 'wine');
SELECT signal, value, count, sum FROM personalize.features('ann') ORDER BY 1, 2;
-- weights and meanings; an alias corrects a name that has been tracked
UPDATE personalize.event_type SET weight = 2 WHERE name = 'Tasted';
UPDATE personalize.event_type SET weight = 0 WHERE name = 'waved';
INSERT INTO personalize.event_alias (alias, event) SELECT 'view_itm', event FROM personalize.event_type WHERE name = 'view_item';
UPDATE personalize.event_type SET weight = 0 WHERE name = 'view_itm';
SELECT personalize.track('ann', 'TASTED', 'wine'), personalize.track('ann', 'View_Itm', 'hat');
SELECT t.name, count(*) FROM personalize.event e JOIN personalize.event_type t USING (event) GROUP BY 1 ORDER BY 1;
SELECT signal, value, count, sum FROM personalize.features('ann') WHERE signal = 'item_affinity' ORDER BY 1, 2;
SELECT problem, name, count FROM personalize.data_quality ORDER BY 1, 2;
SELECT ok, detail FROM personalize.health() WHERE "check" = 'names of events';
-- a name that a signal is the first to use is meant
SELECT personalize.create_signal('future', '{shared}', 'item') > 0 AS made;
SELECT name, weight FROM personalize.event_type WHERE name = 'shared';

-- what events lack, with the names of what they have instead
SELECT FROM personalize.rollup_now() \g /dev/null
TRUNCATE personalize.event;
SELECT accepted FROM personalize.track_many('[{"user_id": "ann", "event": "purchase", "properties": {"amount_total": 5, "article": "x"}}, {"user_id": "ann", "event": "purchase", "item_id": 1, "properties": {"price": 5}},
	{"user_id": "ann", "event": "refund", "properties": {"order_id": 5}}, {"user_id": "ann", "event": "search", "properties": {"q": "hats"}}, {"user_id": "ann", "event": "search", "properties": {"query": " "}},
	{"user_id": "ann", "event": "search", "properties": {"query": "hats", "items": [1, 2]}}, {"user_id": "ann", "event": "view_item", "properties": {"productId": 7}}, {"user_id": "ann", "event": "view_cart"},
	{"user_id": "ann", "event": "begin_checkout"}]');
SELECT problem, name, count, sample, fix FROM personalize.data_quality WHERE problem <> 'unknown item' ORDER BY 1, 2;
-- items that events named and nobody wrote
SELECT FROM personalize.rollup_now() \g /dev/null
SELECT problem, count, sample FROM personalize.data_quality WHERE problem = 'unknown item';
SELECT * FROM personalize.upsert_items('[{"item_id": "wine"}]');
SELECT problem, count, sample FROM personalize.data_quality WHERE problem = 'unknown item';
-- old events are not looked at, and only the administrator looks
SELECT accepted FROM personalize.import_events(ARRAY['ann'], ARRAY['purchase'], NULL, ARRAY[now() - interval '3 days']);
SELECT count FROM personalize.data_quality WHERE problem = 'no item' AND name = 'purchase';
SET ROLE personalize_app;
SELECT * FROM personalize.data_quality;
RESET ROLE;
SET ROLE personalize_admin;
SELECT count(*) > 0 AS visible FROM personalize.data_quality;
RESET ROLE;

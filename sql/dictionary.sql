-- ids met for the first time are logged, found in the log, and filed once
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p \g /dev/null
SELECT personalize.grant_consent('ann', ARRAY['analytics', 'personalization', 'recommendations']) \g /dev/null
SELECT personalize.grant_consent('bob', ARRAY['analytics', 'personalization', 'recommendations']) \g /dev/null
RESET client_min_messages;
CREATE FUNCTION roll() RETURNS void LANGUAGE sql AS $$
	SELECT personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat']) AS p;
	SELECT personalize.rollup_now();
	SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat']) AS p
$$;
CREATE VIEW collision AS SELECT source, reason, user_key = personalize.user_key('eva') AS eva,
	(payload ->> 'item_key')::bigint = personalize.item_key('cap') AS cap FROM personalize.rejected_event;

SELECT personalize.track(u, 'view_item', i) FROM (VALUES ('ann', 'hat'), ('bob', 'hat'), ('bob', 'scarf'), ('bob', '7')) AS v (u, i);
SELECT kind, id FROM personalize._dictionary_log ORDER BY kind, id;
-- not filed yet, and known all the same
SELECT item_id FROM personalize.recommend(NULL, 2, candidates => '{scarf,hat}');
SELECT value FROM personalize.features('bob') WHERE signal = 'item_affinity' ORDER BY value COLLATE "C";
SELECT personalize_internal._item_name(personalize.item_key('scarf'));
SELECT roll();
SELECT kind, id FROM personalize._dictionary_log;
SELECT item_id FROM personalize.item ORDER BY item_id COLLATE "C";

-- two ids under one key, logged together: one is filed, the other told
INSERT INTO personalize._dictionary_log
	SELECT 'i', personalize_internal._event_shard(personalize.item_key('cap')), personalize.item_key('cap'), id, 1 FROM unnest(ARRAY['cup', 'cap', 'cap']) AS id;
INSERT INTO personalize._dictionary_log
	SELECT 'u', personalize_internal._event_shard(personalize.user_key('eva')), personalize.user_key('eva'), id, 1 FROM unnest(ARRAY['eve', 'eva', 'eva']) AS id;
SELECT roll();
SELECT item_id FROM personalize.item WHERE item_id IN ('cap', 'cup');
SELECT user_id FROM personalize.subject WHERE user_id IN ('eva', 'eve');
SELECT * FROM collision ORDER BY reason;

-- and one that comes when the key is taken; the same id again is no news
TRUNCATE personalize.rejected_event;
INSERT INTO personalize._dictionary_log
	SELECT 'i', personalize_internal._event_shard(personalize.item_key('cap')), personalize.item_key('cap'), id, 1 FROM unnest(ARRAY['cop', 'cap']) AS id;
INSERT INTO personalize._dictionary_log
	SELECT 'u', personalize_internal._event_shard(personalize.user_key('eva')), personalize.user_key('eva'), id, 1 FROM unnest(ARRAY['evi', 'eva']) AS id;
SELECT roll();
SELECT * FROM collision ORDER BY reason;
SELECT count(*) FROM personalize._dictionary_log;

SET client_min_messages = warning;
DROP FUNCTION roll;
DROP VIEW collision;

SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- A shop of 24 items, of which the smaller the number the more popular; people go from each
-- item to the next ones.
INSERT INTO personalize.item (item_id, category, brand, price, tags, available)
SELECT i::text, 'c' || i % 3, 'b' || i % 4, i, CASE WHEN i % 2 = 0 THEN '{even}'::text[] END, i <> 24 FROM generate_series(1, 24) i;
SELECT personalize.import_events(array_agg(('w' || w)::personalize.entity_id), array_agg('view_item'::text),
	array_agg((1 + w % (25 - i) % 24 + CASE WHEN i > 0 AND w % 3 = 0 THEN (w + i) % 3 ELSE 0 END)::text::personalize.entity_id),
	array_agg('2026-01-05 00:00+00'::timestamptz + make_interval(hours => w, mins => i)),
	consents => array_agg('analytics,personalization,recommendations'::text))
FROM generate_series(1, 90) w, generate_series(0, 6) i;
SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}');
SELECT personalize.track('ada', 'view_item', i::text) FROM unnest('{3,5}'::int[]) i;
SELECT count(*) > 0 AS done FROM personalize.rollup_now();

-- One answer of each engine; what an engine says and, with explain, why.
CREATE FUNCTION ask(engine text, n int DEFAULT 8) RETURNS TABLE (items text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT string_agg(item_id || CASE WHEN reason LIKE ''rule:%%'' THEN ''*'' ELSE '''' END, '' '' ORDER BY rank) FROM %s', CASE engine
		WHEN 'recommend' THEN format($q$personalize.recommend('ada', %s, as_of => '2099-01-01 00:00+00')$q$, n)
		WHEN 'stranger' THEN format($q$personalize.recommend('nobody', %s, as_of => '2026-01-09 00:00+00')$q$, n)
		WHEN 'similar_items' THEN format($q$personalize.similar_items('3', %s, as_of => '2099-01-01 00:00+00')$q$, n)
		WHEN 'trending' THEN format($q$personalize.trending(%s, as_of => '2026-01-09 00:00+00')$q$, n)
		WHEN 'category' THEN format($q$personalize.trending(%s, category => 'c1', as_of => '2026-01-09 00:00+00')$q$, n)
	END);
END
$$;
CREATE VIEW answers AS SELECT e AS engine, a.items FROM unnest('{recommend,stranger,similar_items,trending,category}'::text[]) WITH ORDINALITY u(e, n), ask(e) a ORDER BY n;
SELECT * FROM answers;
CREATE TEMP TABLE before AS SELECT * FROM answers;

-- A rule that is about no item of the shop changes nothing, whatever its kind.
INSERT INTO personalize.rule (name, kind, items, factor, share) VALUES
	('no exclude', 'exclude', '{none}', NULL, NULL), ('no boost', 'boost', '{none}', 2, NULL),
	('no bury', 'bury', '{none}', 0.5, NULL);
INSERT INTO personalize.rule (name, kind, filter, share) VALUES ('no slots', 'slots', '$.brand == "none"', 0.5);
INSERT INTO personalize.rule (name, kind, filter) VALUES ('all', 'require', '$.item_id != "none"');
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('not offered', 'pin', '{24}', 1), ('too far', 'pin', '{9}', 9);
SELECT * FROM answers EXCEPT TABLE before;
DELETE FROM personalize.rule;

-- Each kind.
INSERT INTO personalize.rule (name, kind, items) VALUES ('recalled', 'exclude', '{2,4}');
SELECT * FROM answers;
UPDATE personalize.rule SET kind = 'require', items = NULL, filter = '$.category == "c1" || $.category == "c2"';
SELECT * FROM answers;
INSERT INTO personalize.rule (name, kind, filter) VALUES ('not dear', 'require', '$.price < 12');
SELECT * FROM answers;
DELETE FROM personalize.rule;
INSERT INTO personalize.rule (name, kind, filter, factor) VALUES ('margin', 'boost', '$.brand == "b1"', 1000);
SELECT * FROM answers;
UPDATE personalize.rule SET kind = 'bury', factor = 0.001;
SELECT * FROM answers;
-- a boost and its reverse
INSERT INTO personalize.rule (name, kind, filter, factor) VALUES ('again', 'boost', '$.brand == "b1"', 1000);
SELECT a.engine FROM answers a JOIN before b USING (engine) WHERE a.items <> b.items;
DELETE FROM personalize.rule;
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('first', 'pin', '{20,24,21}', 1), ('third', 'pin', '{7}', 3);
SELECT * FROM answers;
DELETE FROM personalize.rule;
INSERT INTO personalize.rule (name, kind, items, share) VALUES ('half', 'slots', '{18,17,16,15,14}', 0.5);
SELECT * FROM answers;
UPDATE personalize.rule SET items = NULL, filter = '$.brand == "b3"', share = 0.5;
SELECT * FROM answers;
DELETE FROM personalize.rule;

-- The order of work: what is excluded is not pinned, pins stand whatever slots and boosts say.
INSERT INTO personalize.rule (name, kind, items, factor, place, share) VALUES
	('out', 'exclude', '{19}', NULL, NULL, NULL), ('up', 'boost', '{6}', 50, NULL, NULL),
	('ad', 'slots', '{18,19,17}', NULL, NULL, 0.25), ('top', 'pin', '{19,16}', NULL, 1, NULL), ('top too', 'pin', '{15}', NULL, 1, NULL);
SELECT * FROM answers;
SELECT rank, item_id, reason, explanation -> 'rank_by_score' AS by_score, explanation -> 'rules' AS rules FROM personalize.recommend('ada', 6, as_of => '2099-01-01 00:00+00', explain => true);
-- of two pins at one place the higher priority has it
UPDATE personalize.rule SET priority = 1 WHERE name = 'top too';
SELECT ask('recommend', 3);
-- what the caller, a person or the list of candidates leaves out is not pinned either
SELECT item_id, reason FROM personalize.recommend('ada', 3, exclude => '{15}', as_of => '2099-01-01 00:00+00');
SELECT item_id, reason FROM personalize.recommend('ada', 3, '$.price < 16', as_of => '2099-01-01 00:00+00');
SELECT item_id, reason FROM personalize.recommend('ada', 5, candidates => '{1,16,19}', as_of => '2099-01-01 00:00+00');
SELECT personalize.set_preference('ada', 'hidden_item', '15');
SELECT item_id, reason FROM personalize.recommend('ada', 2, as_of => '2099-01-01 00:00+00');
SELECT personalize.clear_preference('ada', 'hidden_item', '15');
-- what the reasons are counted as
SELECT measure, value > 0 AS counted FROM personalize.stat_engine WHERE engine = 'recommend' AND measure = 'rule';
DELETE FROM personalize.rule;

-- Scope: engine, category, module and query, time, audience.
INSERT INTO personalize.rule (name, kind, items, place, engine) VALUES ('r', 'pin', '{22}', 1, 'recommend');
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET engine = NULL, category = 'c1';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET category = 'c0';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET category = NULL, module = 'hero';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET module = NULL, query = 'shoes';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET query = NULL, valid_during = '[2026-01-09 00:00+00,2026-01-09 00:00+00]';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET valid_during = '(2026-01-09 00:00+00,)';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET valid_during = '(,)', enabled = false;
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET enabled = true, audience = '$.item_affinity[*] ? (@.value == "5" && @.count >= 1)';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
UPDATE personalize.rule SET audience = '$.item_affinity[*] ? (@.value == "6")';
SELECT * FROM answers a WHERE a NOT IN (SELECT b FROM before b);
-- nobody is in an audience who does not allow recommendations
UPDATE personalize.rule SET audience = '!exists($.nothing)';
SELECT item_id FROM personalize.recommend('ada', 1, session_items => '{3}');
SELECT personalize.withdraw_consent('ada', '{recommendations}') IS NOT NULL AS withdrawn;
SELECT count(*) FROM personalize.recommend('ada', 5, session_items => '{3}') WHERE item_id = '22' AND rank = 1;
SELECT personalize.grant_consent('ada', '{recommendations}');

-- In use at once, and not if it is taken back; prepared statements, too.
PREPARE ask AS SELECT item_id, reason FROM personalize.similar_items('3', 1);
SET plan_cache_mode = force_generic_plan;
UPDATE personalize.rule SET audience = NULL;
EXECUTE ask;
BEGIN;
DELETE FROM personalize.rule;
SELECT count(*) FROM personalize.similar_items('3', 1) WHERE item_id = '22';
ROLLBACK;
EXECUTE ask;
BEGIN;
TRUNCATE personalize.rule;
SELECT count(*) FROM personalize.similar_items('3', 1) WHERE item_id = '22';
ROLLBACK;
BEGIN READ ONLY;
EXECUTE ask;
COMMIT;
RESET plan_cache_mode;

-- What a rule would do, before it is enabled.
UPDATE personalize.rule SET enabled = false, valid_during = '[2001-01-01,2001-01-02)';
SELECT engine, item_id, rank_with, reason FROM personalize.rule_effect('r', 'ada', 3) WHERE rank_without IS DISTINCT FROM rank_with AND rank_with = 1;
SELECT DISTINCT engine FROM personalize.rule_effect('r', 'ada', 3, '{3}') ORDER BY 1;
UPDATE personalize.rule SET engine = 'similar_items';
SELECT * FROM personalize.rule_effect('r', 'ada', 3, '{3}');
SELECT * FROM personalize.rule_effect('r', 'ada', 3);
SELECT count(*) FROM personalize.similar_items('3', 1) WHERE item_id = '22';
SELECT * FROM personalize.rule_effect('R', 'ada');
SELECT * FROM personalize.rule_effect(NULL, 'ada');
SELECT * FROM personalize.rule_effect('r', 'ada', 0, '{3}');
SELECT count(*) FROM personalize.similar_items('3', 1) WHERE item_id = '22';
-- searches are asked for the rule's query, or for another
UPDATE personalize.rule SET engine = NULL;
SELECT engine, count(*) FILTER (WHERE rank_with = 1 AND item_id = '22') AS pinned, count(*) FILTER (WHERE rank_without = 1 AND item_id = '22') AS without FROM personalize.rule_effect('r', 'ada', 3, query => 'item 22') WHERE engine ~ 'search' GROUP BY 1 ORDER BY 1;
UPDATE personalize.rule SET engine = 'rank_search';
SELECT * FROM personalize.rule_effect('r', 'ada', 3);
SELECT * FROM personalize.rule_effect('r', 'ada', 2, '{21,22,23}', 'item');
UPDATE personalize.rule SET query = 'Item';
SELECT item_id, rank_without, rank_with FROM personalize.rule_effect('r', 'ada', 2, '{21,22,23}');
SELECT item_id, rank_without, rank_with FROM personalize.rule_effect('r', 'ada', 2, '{21,22,23}', 'another');
SELECT item_id FROM personalize.rule_effect('r', 'ada', 2, '{}', 'item');
SELECT count(*) AS found FROM personalize.rule_effect('r', 'ada', 2, NULL, repeat('item ', 2000));
DELETE FROM personalize.rule;
SELECT * FROM personalize.rule_effect('r', 'ada');

-- Names with anything in them.
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('"a":''b'' \ <c> ä', 'pin', '{1}', 1);
SELECT reason, explanation #>> '{rules,0,name}' AS name FROM personalize.similar_items('3', 1, explain => true);
DELETE FROM personalize.rule;

-- What cannot be meant, or could break answers.
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', 'exlude', '{1}');
INSERT INTO personalize.rule (name, kind, items) VALUES (NULL, 'exclude', '{1}');
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', NULL, '{1}');
INSERT INTO personalize.rule (name, kind, items) VALUES (' ', 'exclude', '{1}');
INSERT INTO personalize.rule (name, kind, items) VALUES (E'a\tb', 'exclude', '{1}');
INSERT INTO personalize.rule (name, kind, items) VALUES (repeat('x', 64), 'exclude', '{1}');
INSERT INTO personalize.rule (name, kind) VALUES ('a', 'exclude');
INSERT INTO personalize.rule (name, kind, items, filter) VALUES ('a', 'exclude', '{1}', '$.brand');
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', 'exclude', '{}');
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', 'exclude', '{1,NULL}');
INSERT INTO personalize.rule (name, kind, items) SELECT 'a', 'exclude', array_agg(i::text::personalize.entity_id) FROM generate_series(1, 1001) i;
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', 'boost', '{1}');
INSERT INTO personalize.rule (name, kind, items, factor) VALUES ('a', 'boost', '{1}', 1);
INSERT INTO personalize.rule (name, kind, items, factor) VALUES ('a', 'boost', '{1}', 'NaN');
INSERT INTO personalize.rule (name, kind, items, factor) VALUES ('a', 'boost', '{1}', 'infinity');
INSERT INTO personalize.rule (name, kind, items, factor) VALUES ('a', 'bury', '{1}', 0);
INSERT INTO personalize.rule (name, kind, items, factor) VALUES ('a', 'bury', '{1}', 1.5);
INSERT INTO personalize.rule (name, kind, items, factor) VALUES ('a', 'exclude', '{1}', 2);
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', 'pin', '{1}');
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('a', 'pin', '{1}', 0);
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('a', 'pin', '{1}', 1001);
INSERT INTO personalize.rule (name, kind, filter, place) VALUES ('a', 'pin', '$.brand', 1);
INSERT INTO personalize.rule (name, kind, items, share) VALUES ('a', 'slots', '{1}', 0);
INSERT INTO personalize.rule (name, kind, items, share) VALUES ('a', 'slots', '{1}', 1.01);
INSERT INTO personalize.rule (name, kind, items, engine) VALUES ('a', 'exclude', '{1}', 'trendig');
INSERT INTO personalize.rule (name, kind, items, module) VALUES ('a', 'exclude', '{1}', '');
INSERT INTO personalize.rule (name, kind, items, query) VALUES ('a', 'exclude', '{1}', E'x\n');
INSERT INTO personalize.rule (name, kind, items, query, query_match) VALUES ('a', 'exclude', '{1}', 'x', 'prefix');
INSERT INTO personalize.rule (name, kind, items, valid_during) VALUES ('a', 'exclude', '{1}', 'empty');
INSERT INTO personalize.rule (name, kind, items, valid_during) VALUES ('a', 'exclude', '{1}', NULL);
INSERT INTO personalize.rule (name, kind, filter) VALUES ('a', 'exclude', '$.brand == $b');
INSERT INTO personalize.rule (name, kind, filter) VALUES ('a', 'exclude', '$.brand like_regex "(a+)+$"');
INSERT INTO personalize.rule (name, kind, filter) VALUES ('a', 'exclude', '$.created_at.datetime() < "2026-01-01".datetime()');
INSERT INTO personalize.rule (name, kind, filter) VALUES ('a', 'exclude', ('$.brand == "' || repeat('x', 1000) || '"')::jsonpath);
INSERT INTO personalize.rule (name, kind, items, audience) VALUES ('a', 'exclude', '{1}', '$.** ? (@ == 1)');
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', 'exclude', '{1}'), ('a', 'exclude', '{2}');
INSERT INTO personalize.rule (name, kind, items) VALUES ('a', 'exclude', '{1}');
UPDATE personalize.rule SET kind = 'pin';
SELECT count(*) FROM personalize.rule;
DELETE FROM personalize.rule;

DROP VIEW answers;
DROP TABLE before;
DROP FUNCTION ask;
DROP EXTENSION personalize CASCADE;

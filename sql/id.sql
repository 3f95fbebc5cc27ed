-- one id however it is written, in every path; and words that are no ids
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
SET client_encoding = 'UTF8';
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;

-- keys: blanks around, invisible characters around, composed or not, UUIDs
CREATE TABLE spelling (person text, id text);
INSERT INTO spelling VALUES ('a', 'ada'), ('a', ' ada'), ('a', 'ada   '), ('a', E'\tada\r\n'), ('a', U&'\00A0ada\3000'), ('a', U&'\200Bada\200B'), ('a', U&'\FEFFada'),
	('a', U&'\202Aada\202C'), ('a', U&'ada\00AD'), ('a', E'ada\x01'),
	('b', U&'Ren\00E9'), ('b', U&'Rene\0301'), ('b', U&' Rene\0301 '), ('c', U&'\D55C\AD6D'), ('c', U&'\1112\1161\11AB\1100\116E\11A8'),
	('d', 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11'), ('d', 'B5A0A2FE-5F3A-4C3B-8F0E-2B7E2A0B9A11'), ('d', '{B5A0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11}'), ('d', ' b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11 '),
	('e', '42'), ('e', ' 42'), ('e', E'42\n'), ('e', U&'42\00A0'),
	-- none of these is the same as another
	('f', 'ADA'), ('g', 'a da'), ('h', U&'a\200Bda'), ('i', '042'), ('j', '42.0'), ('k', 'Rene'), ('l', U&'\FF14\FF12'), ('m', 'b5a0a2fe5f3a4c3b8f0e2b7e2a0b9a11'), ('n', '{ada}');
SELECT person, count(*), count(DISTINCT personalize.user_key(id)) AS keys, count(DISTINCT personalize.item_key(id)) AS item_keys FROM spelling GROUP BY person ORDER BY person;
SELECT count(DISTINCT personalize.user_key(id)) AS keys, count(DISTINCT person) AS people FROM spelling;
SELECT personalize.user_key('B5A0A2FE-5F3A-4C3B-8F0E-2B7E2A0B9A11') = personalize.user_key('b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11'::uuid) AS uuid,
	personalize.user_key(' 42 '::char(9)) = personalize.user_key(42) AS number;

-- a person who spoke, acted and is forgotten under several spellings is one
DELETE FROM spelling WHERE person NOT IN ('a', 'b', 'd', 'e');
CREATE FUNCTION holds(p text) RETURNS TABLE (events bigint, subjects bigint, ledger bigint, allowed bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM personalize.event e WHERE e.user_key = ANY (keys)), (SELECT count(*) FROM personalize.subject s WHERE s.user_key = ANY (keys)),
		(SELECT count(*) FROM personalize.consent_ledger l WHERE l.user_key = ANY (keys)),
		(SELECT count(*) FROM spelling s WHERE s.person = p AND EXISTS (SELECT FROM personalize.consent_of(s.id) c WHERE c.allowed))
	FROM (SELECT array_agg(personalize.user_key(id)) AS keys FROM spelling WHERE person = p) AS k
$$;
SELECT p, count(personalize.grant_consent(id, '{analytics,personalization}')) FROM (VALUES ('a', ' ada '), ('b', U&'Rene\0301'), ('d', 'B5A0A2FE-5F3A-4C3B-8F0E-2B7E2A0B9A11'), ('e', '42 ')) AS v(p, id) GROUP BY p ORDER BY p;
SELECT accepted, suppressed FROM personalize.ingest(ARRAY(SELECT id FROM spelling ORDER BY id COLLATE "C"), ARRAY(SELECT 'view_item'::text FROM spelling));
SELECT accepted, suppressed FROM personalize.track_many((SELECT jsonb_agg(jsonb_build_object('user_id', id, 'event', 'view_item', 'item_id', id)) FROM spelling));
INSERT INTO personalize.inbox (user_id, event, item_id) SELECT id, 'view_item', id FROM spelling;
SELECT p, h.* FROM unnest('{a,b,d,e}'::text[]) AS p, holds(p) AS h;
SELECT item_id FROM (SELECT DISTINCT id AS item_id FROM personalize._dictionary_log WHERE kind = 'i') AS i ORDER BY item_id COLLATE "C";
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat']) p;
SELECT bool_or(rejected > 0) AS rejected FROM personalize.rollup_now();
SELECT source, reason FROM personalize.rejected_event;
SELECT user_key, user_id FROM personalize.subject ORDER BY user_id COLLATE "C";
SELECT count(*) FROM personalize.item;
SELECT id, count(*) FROM spelling, personalize.features(id) WHERE person = 'd' GROUP BY id ORDER BY id COLLATE "C";
SELECT personalize.set_preference(' ada ', 'favourite_item', 'ada  ');
SELECT value FROM personalize.preference WHERE user_key = personalize.user_key('ada');
-- rejected events of nobody that name the person
SELECT rejected FROM personalize.track_many('[{"user": "B5A0A2FE-5F3A-4C3B-8F0E-2B7E2A0B9A11"}, {"user": " ada"}, {"user": "Rene\u0301"}, {"user": "else"}]');
SELECT count(personalize.forget(id)) FROM (VALUES ('ada '), (U&'Ren\00E9'), ('{b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11}')) AS v(id);
SELECT personalize.forget('42 ') IS NOT NULL AS receipt;
SELECT p, h.* FROM unnest('{a,b,d,e}'::text[]) AS p, holds(p) AS h;
SELECT payload FROM personalize.rejected_event;

-- sessions, requests and messages
SELECT personalize.grant_consent('eve', '{analytics}');
SELECT personalize.track('eve', 'view', session_id => ' s1', request_id => 'R1 ', message_id => 'm1 ');
SELECT personalize.track('eve', 'view', session_id => 's1', request_id => 'R1', message_id => E'm1\n');
SELECT personalize.track('eve', 'view', session_id => U&'\200Bs1', request_id => 'R1', message_id => 'B5A0A2FE-5F3A-4C3B-8F0E-2B7E2A0B9A11');
SELECT personalize.track('eve', 'view', session_id => U&'s1', request_id => 'R1', message_id => '{b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11}');
SELECT personalize.track('eve', 'view', session_id => U&'e\0301', message_id => U&'e\0301');
SELECT personalize.track('eve', 'view', session_id => U&'\00E9', message_id => U&'\00E9');
SELECT count(*), count(DISTINCT session_key) AS sessions, count(DISTINCT request_key) AS requests FROM personalize.event;

-- the catalogue keeps the spelling it met first, and has each item once
DELETE FROM personalize.item;
SELECT * FROM personalize.upsert_items(jsonb_build_array(jsonb_build_object('item_id', 'A1  ', 'brand', 'x'), jsonb_build_object('item_id', U&'caf\00E9', 'brand', 'x')));
SELECT * FROM personalize.upsert_items(jsonb_build_array(jsonb_build_object('item_id', ' A1', 'brand', 'y'), jsonb_build_object('item_id', U&'cafe\0301', 'brand', 'y'),
	jsonb_build_object('item_id', 'A1', 'category', 'last')));
CREATE TABLE product (id char(10) PRIMARY KEY, brand text);
INSERT INTO product VALUES ('A1', 'z'), ('B2', 'z'), ('null', 'z'), ('undefined', 'z');
SELECT * FROM personalize.sync_items('product');
SELECT * FROM personalize.sync_items('product');
SELECT item_id, brand, category, available FROM personalize.item ORDER BY item_id COLLATE "C";
SELECT personalize.upsert_items('[{"item_id": "undefined"}]');
SELECT personalize.upsert_items('[{"item_id": "  "}]');

-- words that are no ids: nobody is called so, and nothing
CREATE TABLE word (id text);
INSERT INTO word VALUES ('undefined'), ('null'), ('NULL'), (' Null '), ('None'), ('nil'), ('NaN'), ('[object Object]'), ('(not set)'), ('N/A'), ('{}'), ('true'),
	('00000000-0000-0000-0000-000000000000'), ('00000000-0000-0000-0000-000000000000 '), ('FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'),
	(''), ('   '), (U&'\00A0\3000'), (U&'\200B'), (U&'\FEFF'), (E'\t\n');
DELETE FROM personalize.rejected_event;
SET client_min_messages = error;
SELECT accepted, rejected, reasons FROM personalize.ingest(ARRAY(SELECT id FROM word), ARRAY(SELECT 'view'::text FROM word));
SELECT accepted, rejected, reasons FROM personalize.track_many((SELECT jsonb_agg(jsonb_build_object('user_id', id, 'event', 'view')) FROM word));
SELECT reason, count(*), bool_or(user_key IS NOT NULL) AS somebody FROM personalize.rejected_event GROUP BY reason ORDER BY reason COLLATE "C";
SELECT accepted, rejected, reasons FROM personalize.ingest('{anonymous,GUEST,unknown}', '{view,view,view}');
-- as the id of anything else: what is blank counts as left out
SELECT accepted, rejected, reasons FROM personalize.ingest(ARRAY(SELECT 'eve'::text FROM word), ARRAY(SELECT 'view'::text FROM word), ARRAY(SELECT id FROM word));
SELECT accepted, rejected, reasons FROM personalize.ingest(ARRAY(SELECT 'eve'::text FROM word), ARRAY(SELECT 'view'::text FROM word), session_ids => ARRAY(SELECT id FROM word));
SELECT accepted, rejected, reasons FROM personalize.ingest(ARRAY(SELECT 'eve'::text FROM word), ARRAY(SELECT 'view'::text FROM word), message_ids => ARRAY(SELECT id FROM word));
SELECT accepted, rejected, reasons FROM personalize.ingest('{eve,eve}', '{view,view}', '{guest,unknown}');
SELECT rejected, reasons FROM personalize.track_many('[{"user_id": "eve", "event": "purchase", "items": [{"item_id": "undefined"}]}, {"user_id": "eve", "event": "purchase", "items": [{"item_id": "\u200b"}]}]');
RESET client_min_messages;
SELECT personalize.track('undefined', 'view');
SELECT personalize.track(U&'\200B', 'view');
SELECT personalize.grant_consent('[object Object]', '{analytics}');
SELECT personalize.grant_consent(' ', '{analytics}');
SELECT personalize.record_choice('null', '{analytics}');
SELECT personalize.set_preference('undefined', 'favourite_item', 'x');
-- what was stored before somebody put a word on the list can be taken away
INSERT INTO personalize.refused_id VALUES ('Eve ', 'people');
SELECT personalize.track('eve', 'view');
SELECT personalize.withdraw_consent('eve');
SELECT personalize.forget('eve') IS NOT NULL AS receipt;
SELECT count(*) FROM personalize.event;
-- a row of the shop's own comes before one that was installed
INSERT INTO personalize.refused_id VALUES ('guest', 'nothing'), ('n/a', 'nothing');
SELECT personalize.grant_consent('guest', '{analytics}');
SELECT personalize.track('guest', 'view', 'N/A');
DELETE FROM personalize.refused_id WHERE NOT builtin;
SELECT personalize.track('guest', 'view');
INSERT INTO personalize.refused_id (id, refused_for) VALUES ('x', 'somebody');
DROP FUNCTION holds; DROP TABLE spelling, word, product;

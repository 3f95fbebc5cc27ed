-- Segments of a page: the order of shelves is learned for each apart.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
INSERT INTO personalize.item (item_id, category) SELECT 'i' || i, 'c' || i % 4 FROM generate_series(1, 40) i;
SELECT count(personalize.grant_consent('w' || w, '{analytics,personalization,recommendations}')) FROM generate_series(1, 90) w;
-- of three visitors one is a fan of c1, one looks at it now and then, one never
SELECT count(personalize.track('w' || w, 'view_item', 'i' || CASE WHEN k < (2 - w % 3) * 2 THEN 1 + 4 * k ELSE 2 + 4 * k END))
FROM generate_series(1, 90) w, generate_series(0, 3) k;
SELECT personalize.create_segment('fans', 'interest_category[''c1''] count >= 4') > 0 AS made;
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items) VALUES
	('trial', 'a', 'A', 'editorial', '{"items": ["i22", "i23", "i24", "i26", "i27"]}', 1),
	('trial', 'b', 'B', 'editorial', '{"items": ["i30", "i31", "i32", "i34", "i35"]}', 1);

-- Without any there are two; the first that holds, by place, is the visitor's.
SELECT DISTINCT u, segment FROM unnest('{w1,w2,w3,stranger}'::text[]) u, personalize.homepage_layout(u, 'trial') ORDER BY 1;
INSERT INTO personalize.page_segment (page, name, place, audience, segment) VALUES
	('trial', 'c1 at all', 2, '$.interest_category[*] ? (@.value == "c1")', NULL), ('trial', 'fans of c1', 1, NULL, 'fans');
SELECT name, place, audience, segment, number FROM personalize.page_segment ORDER BY number;
SELECT DISTINCT u, segment FROM unnest('{w1,w2,w3,stranger}'::text[]) u, personalize.homepage_layout(u, 'trial') ORDER BY 1;
-- another page has its own
SELECT DISTINCT u, segment FROM unnest('{w3,stranger}'::text[]) u, personalize.homepage_layout(u) ORDER BY 1;
-- in the past nobody is in, and whose features may not be used
SELECT DISTINCT segment FROM personalize.homepage_layout('w3', 'trial', as_of => now() - interval '1 second');
BEGIN;
SELECT personalize.withdraw_consent('w3', '{personalization}') IS NOT NULL AS withdrawn;
SELECT DISTINCT segment FROM personalize.homepage_layout('w3', 'trial');
ROLLBACK;

-- What is shown to one segment tells nothing of another: fans click on b, those who are known on a.
CREATE TABLE shown AS SELECT 'w' || w AS u, w % 3 AS kind, p.module, p.request_id::text AS id, array_agg(p.item_id::personalize.entity_id ORDER BY p.rank) AS items
FROM generate_series(1, 90) w, personalize.homepage('w' || w, 'trial', 2, 5) p GROUP BY 1, 2, 3, 4;
SELECT kind, count(DISTINCT o.module % 8) AS segments, min(o.module % 8) AS segment, bool_and(o.module / 8 = m.number) AS module
FROM shown s JOIN personalize.page_module m ON m.page = 'trial' AND m.module = s.module, personalize.request_origin(s.id::uuid) o GROUP BY 1 ORDER BY 1;
SELECT count(personalize.track_impressions(u, id, items)) FROM shown;
SELECT count(personalize.track(u, 'select_item', i, request_id => id)) FROM shown, unnest(items) AS i WHERE kind = 0 AND module = 'b' OR kind = 2 AND module = 'a';
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
SELECT personalize.create_variant('homepage', 'greedy', '{"exploration": 0, "floor": 0}');
SELECT u, segment, module, placed, impressions >= 0 AS counted, clicks > 0 AS clicked
FROM unnest('{w2,w3}'::text[]) u, personalize.homepage_layout(u, 'trial', 1, variant => 'greedy') ORDER BY u, module;
-- the propensity is of the segment: greedy, it is certain
SELECT DISTINCT u, h.module, o.propensity FROM unnest('{w2,w3}'::text[]) u, personalize.homepage(u, 'trial', 1, variant => 'greedy') h, personalize.request_origin(h.request_id) o ORDER BY 1;
-- and evaluate_policy() asks as the segment that was logged
SELECT estimator, rounds, reproduced, verdict <> '' AS verdict FROM personalize.evaluate_policy('homepage', 'greedy', now() - interval '1 hour', now() + interval '1 hour') WHERE estimator = 'ips';

-- A number that is given again begins with nothing.
DELETE FROM personalize.page_segment WHERE name = 'fans of c1';
INSERT INTO personalize.page_segment (page, name, segment, since) VALUES ('trial', 'others', 'fans', current_date + 2);
SELECT name, number FROM personalize.page_segment ORDER BY number;
SELECT segment, module, impressions FROM personalize.homepage_layout('w3', 'trial', 1) ORDER BY module;

-- What cannot be meant.
INSERT INTO personalize.page_segment (page, name) VALUES ('trial', 'nobody');
INSERT INTO personalize.page_segment (page, name, segment) VALUES ('trial', 'known', 'fans');
INSERT INTO personalize.page_segment (page, name, segment) VALUES ('trial', ' ', 'fans');
INSERT INTO personalize.page_segment (page, name, segment) VALUES ('trial', NULL, 'fans');
INSERT INTO personalize.page_segment (page, name, place, segment) VALUES ('trial', 'x', NULL, 'fans');
INSERT INTO personalize.page_segment (page, name, audience) VALUES ('trial', 'x', '$.**');
\set VERBOSITY terse
INSERT INTO personalize.page_segment (page, name, segment, number) VALUES ('trial', 'x', 'fans', 8);
\set VERBOSITY default
UPDATE personalize.page_segment SET page = 'home' WHERE name = 'others';
INSERT INTO personalize.page_segment (page, name, segment) VALUES ('trail', 'it''s "odd"', 'fens');
INSERT INTO personalize.page_segment (page, name, segment) SELECT 'trial', 'more ' || n, 'fans' FROM generate_series(1, 4) n;
INSERT INTO personalize.page_segment (page, name, segment) VALUES ('trial', 'the seventh', 'fans');

-- Numbers of modules end.
BEGIN;
SELECT setval('personalize.page_module_number_seq', 32766) > 0 AS set;
INSERT INTO personalize.page_module (page, module, title, source) VALUES ('trial', 'the last', 'L', 'trending') RETURNING number;
SELECT count(DISTINCT o.module) FROM personalize.homepage('w3', 'trial', 3, 3) h, personalize.request_origin(h.request_id) o WHERE h.module = 'the last' AND o.module / 8 = 32767;
INSERT INTO personalize.page_module (page, module, title, source) VALUES ('trial', 'one more', 'L', 'trending');
ROLLBACK;
DROP TABLE shown;

-- search_index: the words of the catalogue, kept by whoever changes it.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;

-- what an item's words are
SELECT * FROM personalize_internal._item_words('Running shoes', 'Müller', '{"café au lait",T-Shirt}',
	'{"title": "The runner''s shoe", "description": "A shoe, a SHOE, a shoe!", "size": [42, 43.5], "care": {"wash": "cold", "iron": false}, "none": null}',
	(SELECT weights FROM personalize_internal._search_config()), 'english');
SELECT word FROM personalize_internal._item_words('Running shoes', NULL, NULL, NULL, '{"*": "A"}', 'simple') ORDER BY 1;
SELECT word FROM personalize_internal._item_words('a b', 'c', '{d}', '{"e": "f"}', '{"brand": "A"}', 'simple');
SELECT * FROM personalize_internal._item_words('x', NULL, NULL, NULL, '[]', 'english');
SELECT * FROM personalize_internal._item_words('x', NULL, NULL, NULL, '{}', 'klingon');
-- lengths: small ones exactly, others within a sixteenth
SELECT n, personalize_internal._search_length(lengths, 0) FROM unnest(ARRAY[0, 1, 31, 32, 33, 100, 1000, 10000]) n,
	LATERAL (SELECT max(w.lengths) AS lengths FROM personalize_internal._item_words(repeat('word ', n), NULL, NULL, NULL, '{"category": "A"}', 'simple') w) l;
SELECT personalize_internal._search_length(0, 4);

-- every way to change the catalogue
INSERT INTO personalize.item (item_id, category, brand, attributes) VALUES
	('1', 'shoes', 'acme', '{"name": "Red running shoe"}'), ('2', 'shoes', 'acme', '{"name": "Blue shoe"}'), ('3', NULL, NULL, NULL);
COPY personalize.item (item_id, category, attributes) FROM stdin;
4	hats	{"name": "Red hat"}
\.
SELECT * FROM personalize.upsert_items('[{"item_id": "2", "color": "navy"}, {"item_id": 5, "title": "Green hat", "price": 5}]');
CREATE TABLE product (id int PRIMARY KEY, category text, description text);
INSERT INTO product VALUES (6, 'coats', 'A warm coat'), (7, 'coats', 'A light coat');
SELECT * FROM personalize.sync_items('product', '{"attributes": ["description"]}');
SELECT * FROM personalize.verify_search_index();
SELECT word, array_agg(item_key ORDER BY item_key) FROM personalize._search_posting WHERE word IN ('red', 'navi', 'coat', 'hat') GROUP BY 1 ORDER BY 1;
UPDATE personalize.item SET price = 1;
UPDATE personalize.item SET attributes = '{"name": "Red boot"}' WHERE item_id = '1';
UPDATE personalize.item SET item_id = '40' WHERE item_id = '4';
INSERT INTO personalize.item (item_id, category) VALUES ('5', 'caps'), ('8', 'caps') ON CONFLICT (item_id) DO UPDATE SET category = EXCLUDED.category;
MERGE INTO personalize.item i USING (VALUES ('2', 'slippers'), ('9', 'slippers')) v(id, c) ON i.item_id = v.id
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (item_id, category) VALUES (v.id, v.c);
SELECT * FROM personalize.verify_search_index();
BEGIN;
SAVEPOINT s;
INSERT INTO personalize.item (item_id, category) VALUES ('10', 'scarves');
SELECT count(*) FROM personalize.search_items(NULL, 'scarves');
ROLLBACK TO s;
SELECT count(*) FROM personalize.search_items(NULL, 'scarves');
DELETE FROM personalize.item WHERE item_id = '1';
SELECT * FROM personalize.verify_search_index();
ROLLBACK;
SELECT * FROM personalize.verify_search_index();
-- many statements: their sums become one
DO $$
BEGIN
	FOR i IN 100 .. 220 LOOP
		INSERT INTO personalize.item (item_id, category) VALUES (i::text, 'many ' || i);
	END LOOP;
END $$;
SELECT count(*) < 100 AS folded, sum(items) FROM personalize._search_total;
SELECT * FROM personalize.verify_search_index();
TRUNCATE personalize.item;
SELECT count(*) FROM personalize._search_posting;
SELECT * FROM personalize.verify_search_index();

-- what is not kept is told, and mended
SET session_replication_role = replica;
INSERT INTO personalize.item (item_id, category, brand) VALUES ('1', 'shoes', 'acme'), ('2', 'hats', NULL);
RESET session_replication_role;
SELECT * FROM personalize.verify_search_index();
SELECT personalize.rebuild_search_index();
SELECT * FROM personalize.verify_search_index();
DELETE FROM personalize._search_posting WHERE word = 'hat';
UPDATE personalize._search_posting SET frequencies = 1 WHERE word = 'acm';
SELECT * FROM personalize.verify_search_index();
SELECT personalize.rebuild_search_index();

-- what a server of another major version made is compared with this one, once
BEGIN;
DELETE FROM personalize._search_posting WHERE word = 'hat';
SELECT personalize_internal._search_renew();
SELECT * FROM personalize.verify_search_index();
UPDATE personalize._search_server SET major = 14;
SELECT personalize_internal._search_renew();
SELECT * FROM personalize.verify_search_index();
SELECT major = current_setting('server_version_num')::integer / 10000 AS present FROM personalize._search_server;
UPDATE personalize._search_server SET major = 14;
SELECT personalize_internal._search_renew();
SELECT major = current_setting('server_version_num')::integer / 10000 AS present FROM personalize._search_server;
ROLLBACK;

-- which texts, and in which language
UPDATE personalize.item SET attributes = '{"name": "Häuser", "secret": "hidden words"}' WHERE item_id = '1';
INSERT INTO personalize.search_attribute VALUES ('secret', NULL);
SELECT word FROM personalize._search_posting WHERE item_key = 1 ORDER BY 1;
UPDATE personalize.search_attribute SET weight = NULL WHERE attribute = 'brand';
-- as a dump is restored: one's own row replaces the installed one
INSERT INTO personalize.search_setting VALUES ('language', 'german');
SELECT word FROM personalize._search_posting WHERE item_key = 1 AND word LIKE 'h%' ORDER BY 1;
SELECT item_id FROM personalize.search_items(NULL, 'haus ');
SELECT * FROM personalize.verify_search_index();
SELECT attribute, weight, builtin FROM personalize.search_attribute ORDER BY attribute COLLATE "C";
SELECT * FROM personalize.search_setting;
UPDATE personalize.search_setting SET content = 'simple';
INSERT INTO personalize.search_attribute VALUES ('title', 'B', false);
SELECT attribute, weight, builtin FROM personalize.search_attribute WHERE attribute = 'title';
SELECT word FROM personalize._search_posting WHERE item_key = 1 ORDER BY 1;
UPDATE personalize.search_setting SET content = 'klingon';
UPDATE personalize.search_setting SET content = NULL;
DELETE FROM personalize.search_setting WHERE builtin;
DELETE FROM personalize.search_attribute WHERE attribute = 'name';
DELETE FROM personalize.search_attribute WHERE attribute = 'secret';
INSERT INTO personalize.search_attribute VALUES ('x', 'E');
INSERT INTO personalize.search_attribute VALUES ('', 'A');
INSERT INTO personalize.search_setting VALUES ('colour', 'red');
SELECT * FROM personalize.verify_search_index();

-- words that are hard on an index
INSERT INTO personalize.item (item_id, category, attributes)
	VALUES ('3', repeat('x', 2000), jsonb_build_object('name', repeat('ab ', 100000), 'description', E'\u0001\u200b😀 ok'));
SELECT left(word, 20), octet_length(word), personalize_internal._search_length(lengths, 0) AS name, personalize_internal._search_length(lengths, 1) AS kind
	FROM personalize._search_posting WHERE item_key = 3 ORDER BY word;
SELECT * FROM personalize.verify_search_index();

-- who may do what
SET ROLE personalize_app;
INSERT INTO personalize.item (item_id, category) VALUES ('11', 'gloves');
SELECT item_id FROM personalize.search_items(NULL, 'glove');
SELECT * FROM personalize._search_posting LIMIT 1;
SELECT personalize.rebuild_search_index();
UPDATE personalize.search_attribute SET weight = 'A';
RESET ROLE;
SET ROLE personalize_admin;
UPDATE personalize.search_attribute SET weight = 'A' WHERE attribute = 'brand';
SELECT * FROM personalize.verify_search_index();
RESET ROLE;
DROP TABLE product;

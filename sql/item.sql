SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
-- plain SQL writes the catalogue, with ids of any type
INSERT INTO personalize.item (item_id, category, price) VALUES ('1', 'shoes', 10), ('sku-2', 'hats', 5)
	ON CONFLICT (item_id) DO UPDATE SET category = EXCLUDED.category, price = EXCLUDED.price;
INSERT INTO personalize.item (item_id, category, price) VALUES ('1', 'boots', 12), (3, 'hats', 1)
	ON CONFLICT (item_id) DO UPDATE SET category = EXCLUDED.category, price = EXCLUDED.price;
COPY personalize.item (item_id, category, tags) FROM stdin;
4	hats	{warm,red}
café	hats	\N
\.
SELECT item_key, item_id, category, price, tags, available, hidden, item_key = personalize.item_key(item_id) AS same
	FROM personalize.item ORDER BY item_id COLLATE "C";
\set VERBOSITY terse
INSERT INTO personalize.item (item_id) VALUES ('');
INSERT INTO personalize.item (item_id) VALUES (repeat('x', 513));
INSERT INTO personalize.item (item_id) VALUES (NULL);
INSERT INTO personalize.item (item_id, attributes) VALUES ('a', '[1]');
INSERT INTO personalize.item (item_key, item_id) VALUES (1, 'a');
\set VERBOSITY default
INSERT INTO personalize.item (item_id) VALUES (repeat('x', 512)) RETURNING length(item_id), item_key < 0 AS hashed;
TRUNCATE personalize.item;

-- upsert_items: what an object does not name stays
SELECT * FROM personalize.upsert_items('[{"item_id": 1, "category": "shoes", "price": 9.5, "tags": ["a", "b"], "color": "red"},
	{"item_id": "sku", "hidden": true, "attributes": {"size": 4}}]');
SELECT * FROM personalize.upsert_items('[{"item_id": "1", "price": null, "width": 3}, {"item_id": 1.0, "available": false},
	{"item_id": "sku", "brand": "B", "tags": "one"}, {"item_id": "new"}]');
SELECT item_id, category, brand, price, tags, attributes, available, hidden FROM personalize.item ORDER BY item_id COLLATE "C";
SELECT * FROM personalize.upsert_items('{"item_id": 7, "created_at": "2020-01-01"}');
SELECT * FROM personalize.upsert_items('[]');
SELECT * FROM personalize.upsert_items(NULL);
SELECT * FROM personalize.upsert_items('3');
SELECT * FROM personalize.upsert_items('[{"item_id": 1}, 5]');
SELECT * FROM personalize.upsert_items('[{"item_id": ""}]');
SELECT * FROM personalize.upsert_items('[{"item_id": 1, "price": "dear"}]');
-- what cannot be read is named, the rest is taken; a number is a stock
SELECT * FROM personalize.upsert_items('[{"item_id": "s3", "available": 3}, {"item_id": "s0", "available": 0}, {"item_id": "h", "hidden": 1},
	{"item_id": "yes", "available": "yes", "price": "12.50", "created_at": "2026-02-03T04:05:06Z"},
	{"item_id": "b1", "available": "soon"}, {"item_id": "b2", "hidden": [true]}, {"item_id": "b3", "price": "NaN"}, {"item_id": "b4", "price": true},
	{"item_id": "b5", "created_at": "tomorrowish"}, {"item_id": "b6", "created_at": 5}, {"item_id": "b7", "tags": {"a": 1}}, {"item_id": "b8", "tags": ["a", ["b"]]},
	{"item_id": "b9", "attributes": "red"}, {"item_id": "b10", "category": {"id": 1}}, {"item_id": "b11", "brand": ["x"]}, {"item_id": null}]');
SELECT item_id, available, hidden, price, created_at AT TIME ZONE 'UTC' > '2026-03-01' AS new FROM personalize.item WHERE item_id !~ '^\d' ORDER BY 1;
-- one category that is too long costs no other item; words in the place of a flag are told
SELECT * FROM personalize.upsert_items(jsonb_build_array(jsonb_build_object('item_id', 'long', 'category', repeat('c', 2001)), '{"item_id": "short"}'::jsonb));
\set VERBOSITY terse
INSERT INTO personalize.item (item_id, category) VALUES ('long', repeat('c', 2001));
\set VERBOSITY default
CREATE TABLE states AS SELECT 's' || n AS id, s AS status, to_jsonb(n % 2 = 0) AS listed FROM unnest('{active,draft," YES ",off,NULL}'::text[]) WITH ORDINALITY AS u (s, n);
SELECT * FROM personalize.sync_items('states', '{"available": "status"}', dry_run => true);
DELETE FROM states WHERE status IN ('active', 'draft');
SELECT inserted, sellable FROM personalize.sync_items('states', '{"available": "status", "hidden": "listed"}', dry_run => true);
DROP TABLE states;
-- one id in several spellings is one item
CREATE TABLE spellings AS SELECT id, category FROM unnest('{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11," {a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"}'::text[], '{c,b,a}'::text[]) AS u (id, category);
SELECT inserted, updated FROM personalize.sync_items('spellings');
SELECT inserted, updated FROM personalize.sync_items('spellings');
SELECT lower(item_id), count(*) FROM personalize.item WHERE source = 'public.spellings' GROUP BY 1;
DELETE FROM personalize.item WHERE source = 'public.spellings';
DROP TABLE spellings;
-- times are read as those of events are: no session's settings, nothing that may mean two days
BEGIN;
SELECT * FROM personalize.upsert_items((SELECT jsonb_agg(jsonb_build_object('item_id', 'at ' || t, 'created_at', t))
	FROM unnest('{2026-01-31,2026-01-31T10:00:00,2026-01-31T10:00:00+05:30,1767225600,1767225600000,01/02/2026,infinity,tomorrow,""}'::text[]) AS t));
SELECT item_id, created_at FROM personalize.item WHERE item_id ~ '^at' ORDER BY item_id COLLATE "C";
CREATE TABLE times AS SELECT 't' || row_number() OVER () AS id, t AS added FROM unnest('{1767225600,2026-01-31T10:00:00+05:30," 2026-01-31 ",""}'::text[]) AS t;
SELECT inserted FROM personalize.sync_items('times', '{"created_at": "added"}');
SELECT item_id, CASE WHEN created_at <> now() THEN created_at END FROM personalize.item WHERE source = 'public.times' ORDER BY 1;
ALTER TABLE times ALTER added TYPE bigint USING 1767225600000;
TRUNCATE personalize.item;
SELECT inserted FROM personalize.sync_items('times', '{"created_at": "added"}');
SELECT item_id, created_at FROM personalize.item ORDER BY 1;
ROLLBACK;
-- the last object of an id that can be read counts
SELECT * FROM personalize.upsert_items('[{"item_id": "s0", "available": 5}, {"item_id": "s0", "available": "?"}]');
SELECT available FROM personalize.item WHERE item_id = 's0';
TRUNCATE personalize.item;

-- sync_items: a shop's own table, whose names want quoting
CREATE SCHEMA "Sh""op; DROP TABLE x";
CREATE TABLE "Sh""op; DROP TABLE x"."Pro'ducts %I" (
	"the ""id""" bigint PRIMARY KEY,
	"cat'egory); --" text,
	"Price $1" numeric(10, 2),
	stock integer,
	colour text,
	labels jsonb,
	changed timestamptz NOT NULL DEFAULT now()
);
INSERT INTO "Sh""op; DROP TABLE x"."Pro'ducts %I"
	SELECT i, 'c' || i % 2, i * 1.5, i % 3, CASE WHEN i > 1 THEN 'red' END, '["x", "y"]', '2026-01-01'
	FROM generate_series(1, 4) i;
PREPARE sync(text) AS SELECT * FROM personalize.sync_items('"Sh""op; DROP TABLE x"."Pro''ducts %I"',
	'{"category": "cat''egory); --", "price": "Price $1", "currency": {"value": "EUR''"}, "available": "stock",
		"tags": "labels", "attributes": {"it''s colour": "colour"}}', $1);
EXECUTE sync('full');
EXECUTE sync('full');
SELECT item_key, item_id, category, price, currency, tags, attributes, available, source FROM personalize.item ORDER BY item_key;
-- what vanished becomes unavailable, what comes back becomes available again
INSERT INTO personalize.item (item_id) VALUES ('not from there');
DELETE FROM "Sh""op; DROP TABLE x"."Pro'ducts %I" WHERE colour IS NULL OR stock = 0;
UPDATE "Sh""op; DROP TABLE x"."Pro'ducts %I" SET "Price $1" = 100 WHERE stock = 2;
EXECUTE sync('full');
EXECUTE sync('full');
SELECT item_id, price, available, vanished_at IS NOT NULL AS vanished FROM personalize.item ORDER BY item_key;
INSERT INTO "Sh""op; DROP TABLE x"."Pro'ducts %I" VALUES (1, 'c1', 2, 5);
EXECUTE sync('full');
SELECT item_id, price, available, vanished_at IS NOT NULL AS vanished FROM personalize.item ORDER BY item_key;

-- incremental: only what changed since the last run; the last hour is read again
CREATE TABLE product (id uuid PRIMARY KEY, category text, hidden boolean, changed timestamp, version integer);
INSERT INTO product VALUES ('00000000-0000-0000-0000-00000000000A', 'a', NULL, '2026-01-01 10:00', 1),
	('00000000-0000-0000-0000-00000000000b', 'b', true, '2026-01-01 12:00', 2);
SELECT * FROM personalize.sync_items('product', mode => 'incremental', changed_column => 'changed');
SELECT item_id, category, hidden FROM personalize.item WHERE source = 'public.product' ORDER BY item_id;
UPDATE product SET category = 'lost: its time did not change' WHERE changed < '2026-01-01 11:00';
UPDATE product SET category = 'read again' WHERE changed = '2026-01-01 12:00';
INSERT INTO product VALUES ('00000000-0000-0000-0000-00000000000c', 'c', NULL, '2026-01-01 11:30', 3);
SELECT * FROM personalize.sync_items('product', mode => 'incremental', changed_column => 'changed');
SELECT item_id, category, hidden FROM personalize.item WHERE source = 'public.product' ORDER BY item_id;
SELECT * FROM personalize.sync_items('product', mode => 'incremental', changed_column => 'version');
UPDATE product SET version = 5, category = 'five' WHERE version = 3;
SELECT * FROM personalize.sync_items('product', mode => 'incremental', changed_column => 'version');
SELECT source, changed_column, changed_until, last_mode, inserted, updated, unavailable FROM personalize.item_sync ORDER BY source;
-- a job's mapping is its own: the application can neither change nor plant it
CREATE TABLE public.secretive (id int PRIMARY KEY, label text, purchase_price numeric);
INSERT INTO public.secretive VALUES (1, 'a', 0.10);
CREATE ROLE regress_item_job IN ROLE personalize_admin;
CREATE ROLE regress_item_app IN ROLE personalize_app;
GRANT SELECT ON public.secretive TO regress_item_job;
SET ROLE regress_item_job;
SELECT * FROM personalize.sync_items('public.secretive', '{"category": "label"}');
SET ROLE regress_item_app;
UPDATE personalize.item_sync SET mapping = '{"brand": "purchase_price"}' WHERE source = 'public.secretive';
DELETE FROM personalize.item_sync WHERE source = 'public.secretive';
INSERT INTO personalize.item_sync VALUES ('public.another', '{"brand": "purchase_price"}', NULL, NULL, 'full', now(), 0, 0, 0, 'regress_item_job');
INSERT INTO personalize.item_sync VALUES ('public.another', '{"brand": "purchase_price"}', NULL, NULL, 'full', now(), 0, 0, 0);
UPDATE personalize.item_sync SET run_by = 'regress_item_job' WHERE source = 'public.another';
RESET ROLE;
ALTER TABLE public.secretive RENAME TO another;
SET ROLE regress_item_job;
SELECT * FROM personalize.sync_items('public.another');
SELECT * FROM personalize.sync_items('public.another', '{"category": "label"}');
SELECT * FROM personalize.sync_items('public.another');
RESET ROLE;
DROP TABLE public.another;
DROP ROLE regress_item_job, regress_item_app;

-- a view is as good as a table, rows without a usable id are left out and said
CREATE VIEW offer AS SELECT CASE n WHEN 1 THEN 'v1' WHEN 2 THEN '' WHEN 3 THEN NULL WHEN 4 THEN repeat('x', 600) ELSE 'v5' END AS sku,
	'EUR'::char(5) AS currency, 0.0 AS available FROM generate_series(1, 6) n;
SELECT * FROM personalize.sync_items('offer', '{"item_id": "sku", "tags": ["sku", "currency"]}');
SELECT item_id, tags, currency, available FROM personalize.item WHERE source = 'public.offer' ORDER BY item_id;
-- numeric ids are the ids the tracking functions make of them
CREATE VIEW number AS SELECT 12.50 AS id, 'n' AS category UNION ALL SELECT 42.00, 'm';
SELECT * FROM personalize.sync_items('number');
SELECT item_id, item_key >= 0 AS own_key FROM personalize.item WHERE source = 'public.number' ORDER BY item_id;

-- a mapping that hides nearly all, seen before and after; corrected, it is undone
CREATE TABLE stocked AS SELECT i AS id, 'c' AS category, i % 20 = 0 AS online, i AS sort FROM generate_series(1, 100) i;
ALTER TABLE stocked ADD PRIMARY KEY (id);
SELECT * FROM personalize.sync_items('stocked', '{"available": "online", "brand": "category"}', dry_run => true);
SELECT count(*) FROM personalize.item WHERE source = 'public.stocked';
SELECT count(*) FROM personalize.item_sync WHERE source = 'public.stocked';
SELECT * FROM personalize.sync_items('stocked', '{"available": "online", "brand": "category"}');
UPDATE personalize.item SET hidden = true WHERE item_id = '7' AND source = 'public.stocked';
DELETE FROM stocked WHERE id = 100;
SELECT * FROM personalize.sync_items('stocked', '{}', dry_run => true);
SELECT * FROM personalize.sync_items('stocked', '{}', mode => 'incremental', changed_column => 'sort');
SELECT available, hidden, category, brand, count(*) FROM personalize.item WHERE source = 'public.stocked' GROUP BY 1, 2, 3, 4 ORDER BY 5;
SELECT * FROM personalize.sync_items('stocked', dry_run => true);
SELECT * FROM personalize.sync_items('stocked');
SELECT * FROM personalize.sync_items('stocked');
SELECT * FROM personalize.sync_items('stocked', '{"hidden": {"value": true}}');
-- also if the column itself goes, and another role corrects it
ALTER TABLE stocked DROP COLUMN category;
CREATE ROLE regress_item_second IN ROLE personalize_app;
GRANT SELECT ON stocked TO regress_item_second;
SET ROLE regress_item_second;
SELECT * FROM personalize.sync_items('stocked', '{"item_id": "id"}');
RESET ROLE;
SELECT available, hidden, category, count(*) FROM personalize.item WHERE source = 'public.stocked' GROUP BY 1, 2, 3 ORDER BY 4;
DROP TABLE stocked;
DROP ROLE regress_item_second;

-- mistakes are named
SELECT * FROM personalize.sync_items(NULL);
SELECT * FROM personalize.sync_items('product', mode => 'partial');
SELECT * FROM personalize.sync_items('product', '{"item_id": "nosuch"}');
SELECT * FROM personalize.sync_items('product', '{"colour": "category"}');
SELECT * FROM personalize.sync_items('product', '{"category": 3}');
SELECT * FROM personalize.sync_items('product', '{"category": {"sql": "now()"}}');
\set VERBOSITY terse
SELECT * FROM personalize.sync_items('product', '{"price": {"value": "dear"}}');
\set VERBOSITY default
SELECT * FROM personalize.sync_items('product', '{"tags": ["category", null]}');
SELECT * FROM personalize.sync_items('product', '[]');
SELECT * FROM personalize.sync_items('product', '{"item_id": "category); DROP TABLE product; --"}');
SELECT * FROM personalize.sync_items('product', mode => 'incremental');
SELECT * FROM personalize.sync_items('product', changed_column => 'category');
SELECT * FROM personalize.sync_items('product', changed_column => 'ctid');
SELECT * FROM personalize.sync_items('product_pkey');
SELECT * FROM personalize.sync_items('personalize.item');

-- it reads and writes with the caller's rights
CREATE ROLE regress_item_shop IN ROLE personalize_app;
CREATE ROLE regress_item_nobody;
SET ROLE regress_item_shop;
SELECT * FROM personalize.sync_items('product');
RESET ROLE;
GRANT SELECT ON product TO regress_item_shop, regress_item_nobody;
SET ROLE regress_item_shop;
SELECT * FROM personalize.sync_items('product');
RESET ROLE;
SET ROLE regress_item_nobody;
\set VERBOSITY terse
SELECT * FROM personalize.sync_items('product');
RESET ROLE;
REVOKE ALL ON product FROM regress_item_shop, regress_item_nobody;
DROP ROLE regress_item_shop, regress_item_nobody;

-- plain statements are held to what the calls read
BEGIN;
DELETE FROM personalize.item;
INSERT INTO personalize.item (item_id) VALUES (' ');
ROLLBACK;
BEGIN;
DELETE FROM personalize.item;
INSERT INTO personalize.item (item_id, price, tags) VALUES (E' tidy\t', 5, '{new,NULL}'), ('{B5A0A2FE-5F3A-4C3B-8F0E-2B7E2A0B9A11}', NULL, '{NULL}') RETURNING item_id, tags, item_key = personalize.item_key(item_id) AS keyed;
INSERT INTO personalize.item (item_id, price) VALUES ('tidy ', 6) ON CONFLICT (item_id) DO UPDATE SET price = EXCLUDED.price RETURNING item_id, price;
INSERT INTO personalize.item (item_id) VALUES ('undefined');
SAVEPOINT s;
INSERT INTO personalize.item (item_id) VALUES (repeat('x', 513));
ROLLBACK TO s;
INSERT INTO personalize.item (item_id) VALUES (NULL);
ROLLBACK TO s;
INSERT INTO personalize.item (item_id, price) VALUES ('p', 'NaN');
ROLLBACK TO s;
INSERT INTO personalize.item (item_id, price) VALUES ('p', 1e30);
ROLLBACK TO s;
UPDATE personalize.item SET price = 'Infinity' WHERE item_id = 'tidy';
ROLLBACK TO s;
UPDATE personalize.item SET item_id = '' WHERE item_id = 'tidy';
ROLLBACK TO s;
INSERT INTO personalize.item (item_id, created_at) VALUES ('p', 'infinity');
ROLLBACK TO s;
INSERT INTO personalize.item (item_id, tags) VALUES ('p', '{{a},{b}}');
ROLLBACK TO s;
COPY personalize.item (item_id, price) FROM stdin;
a	1
b	NaN
\.
ROLLBACK TO s;
INSERT INTO personalize.rule (name, kind, items) VALUES ('r', 'exclude', '{a,""}');
ROLLBACK TO s;
INSERT INTO personalize.rule (name, kind, items) VALUES ('r', 'exclude', ARRAY[repeat('x', 513)]);
ROLLBACK;

-- labels that are none are left out, also of a source, and change nothing when they come again
CREATE TABLE labelled (id text, tags text[]);
INSERT INTO labelled VALUES ('l1', '{a,NULL}'), ('l2', NULL), ('l3', '{{a,b},{c,NULL}}');
SELECT inserted, updated FROM personalize.sync_items('labelled', '{"item_id": "id"}');
SELECT item_id, tags FROM personalize.item WHERE item_id IN ('l1', 'l2', 'l3') ORDER BY 1;
SELECT inserted, updated FROM personalize.sync_items('labelled');
DROP TABLE labelled;
DELETE FROM personalize.item WHERE item_id IN ('l1', 'l2', 'l3');

-- a source is the same however names are printed
SET client_min_messages = error;
SELECT personalize.sync_items('product') IS NOT NULL AS synced;
SET quote_all_identifiers = on;
SELECT personalize.sync_items('product') IS NOT NULL AS synced;
RESET quote_all_identifiers;
SELECT source FROM personalize.item_sync WHERE source ~ 'product"?$' ORDER BY 1;

SET client_min_messages = warning;
DROP SCHEMA "Sh""op; DROP TABLE x" CASCADE;
DROP TABLE product CASCADE;
DROP VIEW offer, number;

-- What engines return joins a shop's own table by its primary key.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
RESET client_min_messages;

CREATE TABLE products (id bigint PRIMARY KEY, name text, stock int);
INSERT INTO products SELECT i, 'product ' || i, i % 7 FROM generate_series(1, 20000) i;
INSERT INTO personalize.item (item_id, category) SELECT id, 'category ' || id % 10 FROM products;
ANALYZE products, personalize.item;

-- The nodes of a plan, as "Node Type" and "Index Name".
CREATE FUNCTION plan_nodes(query text) RETURNS TABLE (node text, index_name text)
LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN QUERY
		WITH RECURSIVE n(j) AS (
			SELECT plan -> 0 -> 'Plan'
			UNION ALL
			SELECT c FROM n, json_array_elements(n.j -> 'Plans') AS c
		)
		SELECT j ->> 'Node Type', j ->> 'Index Name' FROM n;
END
$$;

SELECT plan(7);
SELECT ok(bool_or(index_name = 'products_pkey'), 'recommend joins products by its primary key')
	FROM plan_nodes($$SELECT r.rank, p.name FROM personalize.recommend('ada', 10) r JOIN products p ON p.id = r.item_key ORDER BY r.rank$$);
SELECT ok(NOT bool_or(node = 'Seq Scan'), 'without reading the whole table')
	FROM plan_nodes($$SELECT r.rank, p.name FROM personalize.recommend('ada', 10) r JOIN products p ON p.id = r.item_key ORDER BY r.rank$$);
SELECT ok(bool_or(index_name = 'products_pkey') AND NOT bool_or(node = 'Seq Scan'), name || ' too')
	FROM (VALUES ('similar_items', 'personalize.similar_items(7)'), ('trending', 'personalize.trending()'),
		('bought_together', 'personalize.bought_together(ARRAY[7])')) AS e(name, call),
		LATERAL plan_nodes(format('SELECT r.rank, p.name FROM %s r JOIN products p ON p.id = r.item_key', call)) GROUP BY name;
SELECT ok(bool_or(index_name = 'item_pkey') AND NOT bool_or(node = 'Seq Scan'), 'the catalogue by its primary key')
	FROM plan_nodes($$SELECT i.category FROM personalize.recommend('ada', 10) r JOIN personalize.item i USING (item_key)$$);
SELECT is((SELECT count(*) FROM personalize.recommend('ada', 10) r JOIN products p ON p.id = r.item_key AND p.name = 'product ' || r.item_id),
	10::bigint, 'each row meets its own product');
SELECT * FROM finish();
DROP TABLE products;
DROP FUNCTION plan_nodes;

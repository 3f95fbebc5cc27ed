SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- 200 items, popular in the order of their numbers, of categories of 20 that follow each other
-- and of 7 brands; every tenth knows neither.
INSERT INTO personalize.item (item_id, category, brand, tags)
SELECT i::text, CASE WHEN i % 10 <> 0 THEN 'c' || (i - 1) / 20 END, CASE WHEN i % 10 <> 0 THEN 'b' || i % 7 END,
	CASE WHEN i % 3 = 0 THEN ARRAY['t' || i % 2, 't' || i % 5, NULL, 't' || i % 2] END
FROM generate_series(1, 200) i;
SELECT personalize.import_events(array_agg(('w' || i)::personalize.entity_id), array_agg('view_item'::text), array_agg(i::text::personalize.entity_id),
	array_agg('2026-01-05 00:00+00'::timestamptz), consents => array_agg('analytics,recommendations'::text))
FROM generate_series(1, 200) i, generate_series(1, 210 - i);
-- people who see one of 1 to 12 see the next, too
SELECT personalize.import_events(array_agg(('x' || w)::personalize.entity_id), array_agg('view_item'::text), array_agg((w % 12 + i)::text::personalize.entity_id),
	array_agg('2026-01-05 00:00+00'::timestamptz + i * interval '1 minute'), consents => array_agg('recommendations'::text))
FROM generate_series(1, 60) w, generate_series(1, 2) i;
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
CREATE FUNCTION answer(v text, n int DEFAULT 12) RETURNS TABLE (rank int, item int, score float8, category text, brand text) LANGUAGE sql AS $$
	SELECT t.rank, t.item_id::int, t.score, i.category, i.brand
	FROM personalize.trending(n, as_of => '2026-01-06 00:00+00', variant => v) t JOIN personalize.item i USING (item_key)
$$;
CREATE FUNCTION items(v text, n int DEFAULT 12) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(item::text, ' ' ORDER BY rank) FROM answer(v, n) $$;
SELECT items('shipped');

-- Caps: never more, and the list is full as long as there are others.
SELECT personalize.create_variant('trending', 'cap2', '{"max_per_category": 2}'), personalize.create_variant('trending', 'cap1', '{"max_per_category": 1, "max_per_brand": 1}'),
	personalize.create_variant('trending', 'brand3', '{"max_per_brand": 3}'), personalize.create_variant('trending', 'off', '{"max_per_brand": 0, "diversity": 0}');
SELECT items('cap2'), items('cap1'), items('brand3');
SELECT v, n, count(*) AS rows, max(c) <= 2 AS categories, max(b) <= 3 AS brands FROM
	(SELECT v, n, count(*) OVER (PARTITION BY v, n, category) * (v = 'cap2' AND category IS NOT NULL)::int AS c,
		count(*) OVER (PARTITION BY v, n, brand) * (v = 'brand3' AND brand IS NOT NULL)::int AS b
	FROM unnest('{cap2,brand3}'::text[]) v, unnest('{1,7,40,200}'::int[]) n, answer(v, n)) a GROUP BY 1, 2 ORDER BY 1, 2;
-- off is off, to the last bit
SELECT count(*) FROM (SELECT * FROM answer('off', 200) EXCEPT SELECT * FROM answer('shipped', 200)) a;

-- MMR. The same by the formula; in the past pairs do not count: what is chosen is what SQL chooses.
SELECT personalize.create_variant('trending', 'mmr' || d, jsonb_build_object('diversity', d / 10.0)) FROM unnest('{2,5,10}'::int[]) d;
CREATE FUNCTION alike(a int, b int) RETURNS float8 LANGUAGE sql AS $$
	WITH x AS (SELECT * FROM personalize.item WHERE item_id = a::text), y AS (SELECT * FROM personalize.item WHERE item_id = b::text),
	tag AS (SELECT (SELECT array_agg(DISTINCT t) FROM x, unnest(x.tags) t WHERE t IS NOT NULL) AS p, (SELECT array_agg(DISTINCT t) FROM y, unnest(y.tags) t WHERE t IS NOT NULL) AS q)
	SELECT coalesce(avg(s.v), 0) FROM x, y, tag, LATERAL (VALUES ((x.category = y.category)::int::float8), ((x.brand = y.brand)::int),
		((SELECT count(*) FROM unnest(p) t WHERE t = ANY (q))::float8 / (SELECT nullif(count(DISTINCT t), 0) FROM unnest(p || q) t WHERE p IS NOT NULL AND q IS NOT NULL))) AS s(v)
$$;
CREATE FUNCTION expected(d float8, n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	chosen int[] := '{}';
	next int;
	top float8 := (SELECT max(score) FROM answer('shipped', 100));
BEGIN
	FOR i IN 1 .. n LOOP
		SELECT item INTO next FROM answer('shipped', 100) a WHERE item <> ALL (chosen)
		ORDER BY (1 - d) * score / top - d * coalesce((SELECT max(alike(item, c)) FROM unnest(chosen) c), 0) DESC, rank LIMIT 1;
		chosen := chosen || next;
	END LOOP;
	RETURN array_to_string(chosen, ' ');
END
$$;
SELECT d, items('mmr' || d) AS items, items('mmr' || d) = expected(d / 10.0, 12) AS by_the_formula FROM unnest('{2,5,10}'::int[]) d;
DROP FUNCTION expected, alike;

-- What is viewed together counts as alike, too: the pairs alone, of items without attributes.
UPDATE personalize.item SET category = NULL, brand = NULL, tags = NULL;
SELECT personalize.create_variant('similar_items', 'apart', '{"diversity": 0.9}');
SELECT v, string_agg(item_id, ' ' ORDER BY rank) FROM unnest('{shipped,apart}'::text[]) v, personalize.similar_items('5', 5, variant => v) GROUP BY 1 ORDER BY 1 DESC;

DROP FUNCTION items, answer;
DROP EXTENSION personalize CASCADE;

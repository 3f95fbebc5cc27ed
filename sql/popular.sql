SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
CREATE FUNCTION roll() RETURNS void LANGUAGE sql AS 'SELECT personalize.rollup_now()';
-- what trending() finds in the lists that are kept is what counting anew finds
CREATE FUNCTION differs(half_life interval, n integer DEFAULT 1000, category text DEFAULT NULL, filter jsonpath DEFAULT NULL, exclude text[] DEFAULT NULL)
	RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*)
	FROM personalize.trending(n, half_life, category, filter, exclude::personalize.entity_id[]) k
	FULL JOIN personalize.trending(n, half_life, category, filter, exclude::personalize.entity_id[], as_of => now()) a USING (rank)
	WHERE (k.item_id = a.item_id AND k.reason = a.reason AND abs(k.score / a.score - 1) < 1e-4) IS NOT TRUE
$$;
CREATE FUNCTION kept() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT (half_life * interval '1 microsecond')::text, ', ') FROM personalize._popular
$$;
SELECT count(personalize.grant_consent('p' || u, '{analytics}')) FROM generate_series(1, 5) u;
SELECT count(*) FROM personalize.trending(half_life => '9 hours');
SELECT inserted FROM personalize.upsert_items((SELECT jsonb_agg(jsonb_build_object('item_id', 'i' || i, 'category', CASE WHEN i <= 150 THEN 'many' ELSE 'few' END, 'price', i)) FROM generate_series(1, 180) i));
SELECT count(personalize.track('p' || 1 + i % 5, CASE WHEN i % 7 = 0 THEN 'purchase' ELSE 'view_item' END, 'i' || 1 + i * i % 180,
	ts => now() - i * interval '7 minutes')) FROM generate_series(0, 600) i;
SELECT count(personalize.track('p1', 'view_item', 'i' || i, ts => now() - i * interval '1 minute')) FROM generate_series(1, 180) i;
SELECT roll();

-- of a day, and of what was asked for
SELECT kept();
SELECT differs('1 day'), differs('9 hours');
SELECT differs('1 day', category => 'many'), differs('1 day', category => 'few'), differs('9 hours', category => 'few'), differs('1 day', category => 'none');
SELECT differs('1 day', filter => '$.price > 100'), differs('1 day', 5, 'few', '$.price > 160'), differs('9 hours', exclude => ARRAY['i1', 'i2']);
-- a half-life nobody has asked for before is counted; the next batch keeps it
SELECT differs('8 hours'), kept();
SELECT personalize.track('p1', 'view_item', 'i7');
SELECT roll();
SELECT differs('8 hours'), kept();
-- those of a setting are kept though nobody asks, as on a standby
SET personalize.trending_half_lives = '90min', '3d', '1d', '3d';
SELECT personalize.track('p1', 'view_item', 'i7');
SELECT roll();
SELECT kept();
SELECT differs('3 days'), differs('90 minutes');
SET personalize.trending_half_lives = '2 moons';
SET personalize.trending_half_lives = '0';
SET personalize.trending_half_lives = '400d';
SET personalize.trending_half_lives = '1h,,2h';
SET personalize.trending_half_lives = '1h', '2h', '3h', '4h', '5h', '6h', '7h', '8h';
RESET personalize.trending_half_lives;
-- the answer is the list that is kept, and none is counted for it
BEGIN;
UPDATE personalize._popular SET items = ARRAY[personalize.item_key('i180')], scores = ARRAY[1::float8];
SELECT rank, item_id FROM personalize.trending(3, '8 hours');
SELECT rank, item_id FROM personalize.trending(3, '8 hours', 'few');
SELECT count(*) FROM personalize.trending(3, '8 hours', as_of => now());
ROLLBACK;
-- a list that ends before the answer is full goes on
SELECT max(cardinality(items)) FROM personalize._popular WHERE category = 'many';
SELECT count(*) FROM personalize.trending(150, category => 'many');
SELECT count(*) FROM personalize.trending(10, category => 'many', filter => '$.price == 1 || $.price == 150');
-- the catalogue is that of the next statement
UPDATE personalize.item SET hidden = true WHERE item_id = 'i7';
SELECT bool_or(item_id = 'i7') FROM personalize.trending(1000, '8 hours');
SELECT personalize.track('p1', 'view_item', 'i8');
SELECT roll();
UPDATE personalize.item SET hidden = false, category = 'moved' WHERE item_id = 'i7';
SELECT bool_or(item_id = 'i7') FROM personalize.trending(1000, '8 hours');
SELECT bool_or(item_id = 'i7') FROM personalize.trending(1000, '8 hours', 'many');
-- what is too old to count is not there, although the lists have not been made since
BEGIN;
UPDATE personalize._popular SET as_of = as_of - interval '81 hours';
SELECT count(*) FROM personalize.trending(3, '8 hours');
SELECT count(*) FROM personalize.trending(3, '1 day');
ROLLBACK;
-- scores fall by half in a half-life
BEGIN;
CREATE TEMP TABLE before ON COMMIT DROP AS SELECT item_id, score FROM personalize.trending(100, '8 hours');
UPDATE personalize._popular SET as_of = as_of - interval '8 hours';
SELECT count(*) FROM before b LEFT JOIN personalize.trending(100, '8 hours') t USING (item_id) WHERE (abs(t.score * 2 / b.score - 1) < 1e-3) IS NOT TRUE;
ROLLBACK;
-- lists that only grow older are not written again
SELECT personalize.track('p1', 'search', properties => '{"query": "x"}');
SELECT roll();
CREATE TEMP TABLE rows AS SELECT half_life, category_key, ctid AS place FROM personalize._popular;
SELECT personalize.track('p1', 'search', properties => '{"query": "x"}');
SELECT roll();
SELECT count(*) FROM rows r LEFT JOIN personalize._popular p USING (half_life, category_key) WHERE p.ctid IS DISTINCT FROM r.place;
-- categories of which only blanks, case, or how a letter is composed tell one from the other
SELECT count(*) FROM personalize.upsert_items((SELECT jsonb_agg(jsonb_build_object('item_id', 'c' || i, 'category', c)) FROM unnest(ARRAY['shoes', 'shoes ', ' shoes', 'Shoes', '',
	U&'caf\00e9', U&'cafe\0301', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '5', '05', 'null', repeat('long ', 400)]) WITH ORDINALITY AS u (c, i)));
SELECT count(personalize.track('p' || 1 + i % 2, 'purchase', 'c' || i, jsonb_build_object('order_id', 'o' || i))) FROM generate_series(1, 13) i;
SELECT roll();
SELECT count(*), count(DISTINCT category) FROM personalize._popular WHERE half_life = 86400000000 AND category IN (SELECT category FROM personalize.item WHERE item_id ~ '^c');
SELECT count(*) FROM personalize._repeat_purchase WHERE category IN (SELECT category FROM personalize.item WHERE item_id ~ '^c');
SELECT item_id, ARRAY(SELECT t.item_id FROM personalize.trending(9, category => i.category) t) AS kept,
	ARRAY(SELECT t.item_id FROM personalize.trending(9, '13 hours', i.category) t) AS counted
FROM personalize.item i WHERE item_id ~ '^c' ORDER BY length(item_id), item_id;
-- who withdraws is not in any list
SELECT personalize.track('p2', 'purchase', 'i9');
SELECT roll();
SELECT count(personalize.withdraw_consent('p' || u, '{analytics}')) FROM generate_series(1, 5) u;
SELECT count(*) FROM personalize._popular;
SELECT count(*) FROM personalize.trending(half_life => '8 hours');
-- for a standby and read-only transactions, too
BEGIN READ ONLY;
SELECT count(*) FROM personalize.trending(half_life => '11 hours');
ROLLBACK;
DROP FUNCTION roll, differs, kept;

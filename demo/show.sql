-- show: what personalize knows and does about one person of the shop.
--
-- Needs the table product that quickstart makes.  Run it again whenever you like:
--   psql -d shop -f demo/show.sql
\set QUIET 1
\set ON_ERROR_STOP 1
\pset footer off
\pset border 0
\pset null ''
SET client_min_messages = error;
-- a reason with the name of the item it mentions
CREATE FUNCTION pg_temp.named(reason text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT split_part(reason, ':', 1) || ': ' || p.name FROM product p WHERE p.id::text = split_part(reason, ':', 2)), reason)
$$;

-- Somebody who was here lately, not the busiest one.
SELECT s.user_id AS person
FROM personalize.event e
JOIN personalize.subject s USING (user_key)
WHERE e.consent & 7 = 7 AND e.item_key IS NOT NULL
	AND e.ts > (SELECT max(ts) FROM personalize.event) - interval '7 days'
GROUP BY s.user_id
HAVING count(*) BETWEEN 15 AND 80
ORDER BY max(e.ts) DESC, s.user_id
LIMIT 1
\gset

\echo
\echo What is known of :person: features(:'person', '''30 days''')
\echo
SELECT f.signal, coalesce(p.name, f.value) AS value, f.count AS events, round(f.sum, 1) AS weight,
	to_char(f.last_seen, 'YYYY-MM-DD HH24:MI') AS last_seen
FROM (
	SELECT *, row_number() OVER (PARTITION BY signal ORDER BY sum DESC, last_seen DESC, value) AS place
	FROM personalize.features(:'person', interval '30 days')) f
LEFT JOIN product p ON f.signal = 'item_affinity' AND p.id::text = f.value
WHERE f.place <= 2
ORDER BY f.signal, f.place;

\echo Which segments :person is in: segments_of(:'person')
\echo
SELECT s.segment, s.query, to_char(s.until, 'YYYY-MM-DD HH24:MI') AS until FROM personalize.segments_of(:'person') s;
\echo Who is in the segments that come with the extension: segment_members(name)
\echo
SELECT s.name AS segment, s.condition, count(m.user_key) AS people, min(m.user_id) AS for_example
FROM personalize.segment s LEFT JOIN LATERAL personalize.segment_members(s.name) m ON true
GROUP BY s.name, s.condition ORDER BY s.name;

\echo What :person might like that is new: recommend(:'person', 8, exclude_seen => '''30 days''')
\echo
CREATE TEMP TABLE before AS SELECT * FROM personalize.recommend(:'person', 8, exclude_seen => '30 days');
SELECT r.rank, coalesce(p.name, r.item_id) AS item, p.price, pg_temp.named(r.reason) AS reason
FROM before r LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.rank;

SELECT r.item_id AS item, coalesce(p.name, r.item_id) AS item_name
FROM before r LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.rank LIMIT 1
\gset
\echo Similar to :"item_name": similar_items(:'item', 5)
\echo
SELECT r.rank, coalesce(p.name, r.item_id) AS item, p.price
FROM personalize.similar_items(:'item', 5) r LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.rank;

\echo What is trending: trending(5)
\echo
CREATE TEMP TABLE trend AS SELECT * FROM personalize.trending(50);
SELECT r.rank, coalesce(p.name, r.item_id) AS item, p.category, round(r.score::numeric, 1) AS score
FROM trend r LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.rank LIMIT 5;

\echo The first shelves of the homepage of :person: homepage(:'person', shelves => 3, n => 3)
\echo
SELECT r.shelf, r.title, r.rank, coalesce(p.name, r.item_id) AS item, r.reason
FROM personalize.homepage(:'person', shelves => 3, n => 3) r LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.shelf, r.rank;

-- Something else: trending, but of no category this person has looked at.
SELECT r.item_id AS other, coalesce(p.name, r.item_id) AS other_name
FROM trend r LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY (p.category IS NOT NULL AND p.category NOT IN (
	SELECT f.value FROM personalize.features(:'person', interval '30 days') f
	WHERE f.signal = 'interest_category')) DESC, r.rank
LIMIT 1
\gset
-- What people search who look for it: the last word of its name.
SELECT lower(regexp_replace(:'other_name', '^.* ', '')) AS query \gset
CREATE TEMP TABLE found AS SELECT * FROM personalize.search_items(:'person', :'query', 50);
\echo :person looks at :"other_name" and at two items like it.
\echo In the next statement, before any worker has seen it:
\echo
SELECT count(personalize.track(:'person', 'view_item', item_id)) AS tracked
FROM (
	SELECT item_id FROM personalize.similar_items(:'other', 2)
	UNION ALL SELECT :'other') AS clicked
\gset
SELECT r.rank, coalesce(p.name, r.item_id) AS item, pg_temp.named(r.reason) AS reason,
	CASE WHEN b.item_id IS NULL THEN 'new' WHEN b.rank = r.rank THEN '' ELSE 'was ' || b.rank END AS change
FROM personalize.recommend(:'person', 8, exclude_seen => '30 days') r
LEFT JOIN before b USING (item_id)
LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.rank;
\echo And a search for :"query": search_items(:'person', :'query', 5)
\echo
SELECT r.rank, coalesce(p.name, r.item_id) AS item, pg_temp.named(r.reason) AS reason,
	CASE WHEN f.item_id IS NULL THEN 'new' WHEN f.rank = r.rank THEN '' ELSE 'was ' || f.rank END AS change
FROM personalize.search_items(:'person', :'query', 5) r
LEFT JOIN found f USING (item_id)
LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.rank;
\echo -n 'One call of recommend(). '
\o /dev/null
SELECT * FROM personalize.recommend(:'person', 8, exclude_seen => '30 days');
\timing on
SELECT * FROM personalize.recommend(:'person', 8, exclude_seen => '30 days');
\timing off
\o

\echo
\echo :person withdraws consent, in a transaction that is rolled back: withdraw_consent(:'person')
\echo
BEGIN;
SELECT personalize.withdraw_consent(:'person') AS left
\gset
SELECT r.rank, coalesce(p.name, r.item_id) AS item, r.reason,
	(SELECT count(*) FROM personalize.features(:'person')) AS features_known
FROM personalize.recommend(:'person', 3) r LEFT JOIN product p ON p.id::text = r.item_id
ORDER BY r.rank;
ROLLBACK;

\echo How far the workers are by now: stat_processor
\echo
SELECT processor, waiting, date_trunc('milliseconds', lag) AS lag, events, batches FROM personalize.stat_processor;

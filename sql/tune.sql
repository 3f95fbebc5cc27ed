SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;

-- Too little to learn from.
SELECT * FROM personalize.tune_neighbours();
SELECT * FROM personalize.tune_neighbours(max_predictions => 5);

-- A shop in which people go from i to 7 i + 3 mod 60 and back, with a random item now and
-- then, and whose parameters know of neither.
SELECT setseed(0.25);
CREATE TEMP TABLE log AS
	WITH RECURSIVE step AS (
		SELECT u, 0 AS place, (random() * 59)::int AS item, NULL::int AS before FROM generate_series(1, 1200) u
		UNION ALL
		SELECT u, place + 1, CASE WHEN luck < 0.3 THEN (luck * 199)::int WHEN luck < 0.6 AND before IS NOT NULL THEN before
			ELSE (item * 7 + 3) % 60 END, item
		FROM (SELECT *, random() AS luck FROM step) AS s WHERE place < 6)
	SELECT * FROM step;
SELECT personalize.create_variant('recommend', 'plain', '{"repeat_weight": 0, "next_weight": 0, "favourite_boost": 2}'), personalize.set_default_variant('recommend', 'plain');
SELECT personalize.import_events(array_agg(u::text::personalize.entity_id), array_agg('view_item'::text),
	array_agg(item::text::personalize.entity_id),
	array_agg('2026-01-01 00:00+00'::timestamptz + make_interval(mins => u, secs => place)),
	consents => array_agg('recommendations'::text))
FROM log;
SELECT count(*) > 0 AS done FROM personalize.rollup_now();

-- Looking does not change anything.
CREATE TEMP TABLE report AS SELECT * FROM personalize.tune_neighbours(max_predictions => 400);
SELECT setting, predictions BETWEEN 400 AND 410 AS predictions, in_use,
	(SELECT count(*) FROM jsonb_object_keys(parameters)) AS parameters FROM report;
SELECT name, parameters, is_default FROM personalize.engine_variant;
SELECT b.mrr > c.mrr AS better, b.parameters <> c.parameters AS other
FROM report b, report c WHERE b.setting = 'best' AND c.setting = 'current';

-- Applied, the best are in use, and the next search starts from them.
SELECT setting, in_use FROM personalize.tune_neighbours(true, 400);
SELECT v.name, v.id, v.is_default, v.parameters @> r.parameters AS stored, v.parameters -> 'favourite_boost' AS kept
FROM personalize.engine_variant v, report r WHERE r.setting = 'best' ORDER BY v.id;
SELECT a.parameters = b.parameters AS started_there
FROM personalize.tune_neighbours(false, 400) a, report b WHERE a.setting = 'current' AND b.setting = 'best';

DROP TABLE log, report;
DROP EXTENSION personalize CASCADE;

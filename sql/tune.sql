SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;

-- Too little to learn from.
SELECT * FROM personalize.tune_neighbours();
SELECT * FROM personalize.tune_neighbours(max_predictions => 5);

-- A shop in which only the last item tells what comes next: i leads to 7 i mod 60,
-- with a random item in between now and then.
SELECT setseed(0.25);
CREATE TEMP TABLE log AS
	WITH RECURSIVE step AS (
		SELECT u, 0 AS place, (random() * 59)::int AS item FROM generate_series(1, 1200) u
		UNION ALL
		SELECT u, place + 1, CASE WHEN random() < 0.4 THEN (random() * 59)::int ELSE (item * 7 + 3) % 60 END
		FROM step WHERE place < 6)
	SELECT * FROM step;
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
SELECT count(*) FROM personalize.neighbour_parameter;
SELECT b.mrr > c.mrr AS better, b.parameters <> c.parameters AS other
FROM report b, report c WHERE b.setting = 'best' AND c.setting = 'current';

-- Applied, the best are in use, and the next search starts from them.
SELECT setting, in_use FROM personalize.tune_neighbours(true, 400);
SELECT to_jsonb(p) @> r.parameters AS stored FROM personalize.neighbour_parameter p, report r WHERE r.setting = 'best';
SELECT a.parameters = b.parameters AS started_there
FROM personalize.tune_neighbours(false, 400) a, report b WHERE a.setting = 'current' AND b.setting = 'best';

DROP TABLE log, report;
DROP EXTENSION personalize CASCADE;

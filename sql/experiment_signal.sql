-- Experiments whose metric is what a signal counts.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
RESET client_min_messages;
\getenv abs_srcdir PG_ABS_SRCDIR
\set settled :abs_srcdir '/test/settled.sql'
\set ECHO none
\i :settled
\set ECHO all
CREATE FUNCTION roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.settled();
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END
$$;
SELECT roll();
INSERT INTO personalize.item (item_id, category) SELECT 'i' || i, (ARRAY['hats', 'shoes'])[i % 2 + 1] FROM generate_series(1, 20) i;
-- every tenth person does not allow personalization
SELECT count(personalize.grant_consent('u' || n, CASE n % 10 WHEN 9 THEN '{analytics,recommendations}' ELSE '{analytics,personalization,recommendations}' END::text[]))
FROM generate_series(1, 240) n;
SELECT personalize.create_signal('spent', '{purchase}', 'item.category', weights => '{"purchase": 1}', value_path => 'properties.price', filter => '$.price > 20');
SELECT personalize.create_signal('slow', '{view_item}', 'none', filter => '$.slow == true', purposes => '{analytics}');
SELECT personalize.create_signal('returned', '{refund}', 'none', weights => '{"refund": -1}', value_path => 'properties.worth');
SELECT personalize.create_experiment('mix', 'recommend', '["shipped", {"name": "varied", "parameters": {"diversity": 0.4}}]', metrics => '[
	{"metric": "signal", "signal": "interest_category", "value": "shoes", "window": "2 days", "before": "3 days"},
	{"metric": "signal", "signal": "search_term", "window": "2 days", "before": "1 day"},
	{"metric": "signal", "signal": "search_term", "value": "red", "window": "2 days"},
	{"metric": "signal", "signal": "spent", "aggregate": "sum", "window": "2 days", "before": "3 days", "winsor": 0.9},
	{"metric": "signal", "signal": "slow", "direction": "down", "guard_rail": true, "window": "2 days", "before": "3 days"},
	{"metric": "signal", "signal": "returned", "aggregate": "sum", "window": "2 days"},
	"clicks"]');
SELECT jsonb_pretty(metrics -> 0) FROM personalize.experiment;
SELECT personalize.start_experiment('mix');
UPDATE personalize.experiment SET runs = tstzmultirange(tstzrange(now() - interval '10 days', NULL));
CREATE TABLE person AS
	SELECT n, 'u' || n AS id, a.variant, (SELECT r.request_id::text FROM personalize.recommend('u' || n, 1) r) AS request,
		date_trunc('day', now()) - (n % 3 + 4) * interval '1 day' + interval '12 hours' AS at, n % 10 <> 9 AS personal
	FROM generate_series(1, 240) n, personalize.assignment_of('u' || n) a;
-- what they did, at the first moments that count and do not
CREATE TABLE did AS
	SELECT p.n, p.id, p.personal, e.*, p.at + e.after AS ts, p.id || '-' || row_number() OVER (PARTITION BY p.n ORDER BY e.after, e.event, e.every) AS message_id
	FROM person p, (VALUES
		(1, 'view_item', interval '0', 'i1', '{}'::jsonb, 'varied'), (2, 'view_item', '2 days -1 microsecond', 'i3', '{"slow": true}', NULL),
		(2, 'view_item', '2 days', 'i5', '{"slow": true}', NULL), (3, 'view_item', '-1 microsecond', 'i7', '{}', NULL),
		(4, 'view_item', '-3 days', 'i9', '{"slow": true}', NULL), (1, 'view_item', '-3 days -1 microsecond', 'i1', '{"slow": true}', NULL),
		(5, 'view_item', '1 hour', 'i2', '{"slow": true}', 'varied'), (7, 'view_item', '1 hour', 'i2', '{"slow": false}', NULL),
		(3, 'search', '3 hours', NULL, '{"query": "Red, red shoes"}', NULL), (4, 'search', '-1 day', NULL, '{"query": "red"}', NULL),
		(3, 'purchase', '1 day', 'i1', '{"price": 30, "currency": "EUR"}', NULL), (20, 'purchase', '1 day 1 minute', 'i2', '{"price": 999.5, "currency": "EUR"}', NULL),
		(2, 'purchase', '1 day 1 hour', 'i2', '{"price": 20, "currency": "EUR"}', NULL), (6, 'purchase', '-1 day', 'i2', '{"price": "45.25", "currency": "EUR"}', NULL),
		(2, 'refund', '1 day 2 hours', NULL, '{"worth": 12.5}', NULL), (5, 'refund', '1 day 3 hours', NULL, '{"worth": 4}', 'varied')
	) AS e (every, event, after, item, properties, only_of)
	WHERE p.n % e.every = 0 AND coalesce(p.variant = e.only_of, true);
CREATE PROCEDURE live(first integer, last integer) LANGUAGE sql AS $$
	SELECT personalize.track_impressions(id, request, ARRAY['i1', 'i2'], ts => at, message_id => 'shown' || n) FROM person WHERE n BETWEEN first AND last;
	SELECT personalize.track(id, event, item, properties, ts => ts, message_id => message_id) FROM did WHERE n BETWEEN first AND last ORDER BY ts DESC;
$$;
-- late, and out of order
CALL live(100, 239);
SELECT roll();
CALL live(1, 99);
SELECT roll();
CREATE FUNCTION moments() RETURNS TABLE (metric integer, ordinal integer, users bigint, y numeric, yy numeric, x numeric, xx numeric, xy numeric) LANGUAGE sql AS $$
	SELECT m.metric, m.ordinal, m.users, m.y, m.yy, m.x, m.xx, m.xy
	FROM personalize.experiment e, personalize_internal._experiment_moments(e.name, e.engine, lower(e.runs), now(), e.metrics, now()) m
	WHERE e.name = 'mix' AND m.metric < 7
$$;
-- by hand
CREATE VIEW counted AS
	SELECT 1 AS metric, n, after, 1::numeric AS amount FROM did WHERE event IN ('view_item', 'purchase') AND personal AND right(item, 1)::integer % 2 = 1
	UNION ALL SELECT 2, d.n, d.after, w.words FROM did d, LATERAL (SELECT count(DISTINCT w) FROM regexp_split_to_table(lower(d.properties ->> 'query'), '\W+') w) AS w (words) WHERE d.event = 'search' AND d.personal
	UNION ALL SELECT 3, n, after, 1 FROM did WHERE event = 'search' AND personal
	UNION ALL SELECT 4, n, after, (properties ->> 'price')::numeric * 1000000 FROM did WHERE event = 'purchase' AND personal AND (properties ->> 'price')::numeric > 20
	UNION ALL SELECT 5, n, after, 1 FROM did WHERE event = 'view_item' AND properties @> '{"slow": true}'
	UNION ALL SELECT 6, n, after, (properties ->> 'worth')::numeric * -1000000 FROM did WHERE event = 'refund' AND personal;
CREATE FUNCTION by_hand(last integer) RETURNS TABLE (metric integer, ordinal integer, users bigint, y numeric, yy numeric, x numeric, xx numeric, xy numeric) LANGUAGE sql AS $$
	WITH amount AS (
		SELECT m.no AS metric, p.n, (p.variant = 'varied')::integer AS ordinal, m.winsor,
			sum(c.amount) FILTER (WHERE c.after >= '0' AND c.after < '2 days') AS y, sum(c.amount) FILTER (WHERE c.after < '0' AND c.after >= -m.before) AS x
		FROM person p CROSS JOIN (SELECT no::integer, (v ->> 'winsor')::float8, (v ->> 'before')::interval
				FROM personalize.experiment, jsonb_array_elements(metrics) WITH ORDINALITY AS m (v, no) WHERE name = 'mix') AS m (no, winsor, before)
			LEFT JOIN counted c ON c.metric = m.no AND c.n = p.n
		WHERE p.n <= last AND m.no < 7 GROUP BY m.no, p.n, p.variant, m.winsor),
	cap AS (SELECT a.metric, percentile_disc(a.winsor) WITHIN GROUP (ORDER BY a.y) AS most FROM amount a WHERE a.y > 0 AND a.winsor < 1 GROUP BY a.metric, a.winsor),
	capped AS (SELECT a.metric, a.ordinal, least(coalesce(a.y, 0), c.most) AS y, least(coalesce(a.x, 0), c.most) AS x FROM amount a LEFT JOIN cap c USING (metric))
	SELECT c.metric, c.ordinal, count(*), sum(c.y), sum(c.y * c.y), sum(c.x), sum(c.x * c.x), sum(c.x * c.y) FROM capped c GROUP BY 1, 2
$$;
CREATE FUNCTION differences(last integer) RETURNS TABLE (compared bigint, different bigint) LANGUAGE sql AS $$
	SELECT count(*), count(*) FILTER (WHERE h IS DISTINCT FROM m) FROM by_hand(last) h FULL JOIN moments() m USING (metric, ordinal)
$$;
SELECT metric, sum(users) AS users, sum(y) <> 0 AS after, sum(x) <> 0 AS before FROM by_hand(239) GROUP BY 1 ORDER BY 1;
SELECT * FROM differences(239);
CREATE FUNCTION results() RETURNS TABLE (metric text, variant text, users bigint, mean numeric, lift numeric, adjusted numeric, p numeric, verdict text, warnings text[]) LANGUAGE sql AS $$
	SELECT r.metric, r.variant, r.users, round(r.mean::numeric, 4), round(r.lift::numeric, 3), round(r.adjusted_lift::numeric, 3), round(r.adjusted_p_value::numeric, 4), regexp_replace(r.verdict, '\d+', 'N'),
		array_remove(r.warnings, 'not full weeks: days of the week count unequally')
	FROM personalize.experiment_results('mix') r
$$;
SELECT * FROM results() WHERE metric <> 'clicks';
-- what comes twice changes nothing; a person more does, and forgetting the person takes it back
CALL live(1, 239);
SELECT roll();
SELECT * FROM differences(239);
CALL live(240, 240);
SELECT roll();
SELECT * FROM differences(240);
SELECT different > 0 AS one_more FROM differences(239);
SELECT count(personalize.forget('u240'));
SELECT * FROM differences(239);
-- the past can be asked: as if nothing had happened since
SELECT sum(m.y) < sum(h.y) AS fewer, sum(m.x) = sum(h.x) AS as_many_before
FROM by_hand(239) h JOIN (SELECT m.* FROM personalize.experiment e, personalize_internal._experiment_moments(e.name, e.engine, lower(e.runs), now(), e.metrics,
	date_trunc('day', now()) - interval '4 days' + interval '12 hours 30 minutes') m WHERE e.name = 'mix') m USING (metric, ordinal) WHERE metric <= 3;
-- consent for what a signal is for is taken back, and use for it is restricted: the person counts, what the signal saw does not
SELECT count(personalize.withdraw_consent('u6', '{personalization}'));
UPDATE did SET personal = false WHERE id = 'u6';
SELECT roll();
SELECT * FROM differences(239);
SELECT count(*) FROM personalize.restrict('u12', '{personalization}');
UPDATE did SET personal = false WHERE id = 'u12';
SELECT * FROM differences(239);
SELECT count(*) FROM personalize.restrict('u30');
SELECT sum(h.users) - sum(m.users) AS fewer FROM by_hand(239) h JOIN moments() m USING (metric, ordinal) WHERE metric = 1;
SELECT count(*) FROM personalize.lift_restriction('u30');
SELECT * FROM differences(239);
-- what somebody did before it was known who that was counts, too, and not again after a split
SELECT count(personalize.grant_consent('visitor', '{analytics,personalization,recommendations}'));
SELECT personalize.track('visitor', 'view_item', 'i1', ts => at + interval '1 hour') FROM person WHERE id = 'u8';
SELECT roll();
SELECT * FROM differences(239);
SELECT status FROM personalize.identify('visitor', 'u8');
SELECT roll();
INSERT INTO did (n, id, personal, event, after, item) VALUES (8, 'visitor', true, 'view_item', '1 hour', 'i1');
SELECT * FROM differences(239);
SELECT personalize.split('u8', 'visitor');
DELETE FROM did WHERE id = 'visitor';
SELECT roll();
SELECT * FROM differences(239);

-- plans
SELECT users_a_variant > 0 AS some, users = 2 * users_a_variant AS both, round(mean::numeric, 3) AS mean FROM personalize.experiment_plan('{"metric": "signal", "signal": "interest_category", "value": "shoes", "window": "2 days"}', mde => 0.2);
SELECT users_a_variant > 0 AS some, mean < 0 AS negative FROM personalize.experiment_plan('{"metric": "signal", "signal": "returned", "aggregate": "sum", "window": "2 days"}', mde => 0.2);
SELECT round(y / users / 1000000, 3) AS mean FROM (SELECT sum(y) AS y, sum(users) AS users FROM by_hand(239) WHERE metric = 6) x;

-- a signal that is disabled counts nothing, and the results say so; one that is needed is not dropped
SELECT personalize.disable_signal('slow');
SELECT personalize.drop_signal('returned');
SELECT metric, variant, mean IS NULL AS nothing, verdict = 'not enough data' AS too_little, warnings FROM results() WHERE metric ~ 'slow|returned';
SELECT personalize.enable_signal('slow');
SELECT count(*) FILTER (WHERE mean > 0), max(warnings) FROM results() WHERE metric ~ 'slow';
-- so do they of whom raw events are gone: of all kinds, or of those that the signal counts
SELECT DISTINCT warnings FROM results();
SELECT accepted FROM personalize.import_events('{u1,u2}', '{search,view_item}', '{NULL,i1}', ARRAY[now() - interval '7 days', now() - interval '7 days'], properties => '{"{\"query\": \"red\"}",NULL}');
SELECT roll();
SELECT personalize.set_retention('raw', '5 days', event => 'search');
SELECT removed FROM personalize.apply_retention() WHERE kind = 'raw' AND removed > 0;
SELECT metric, warnings FROM results() WHERE variant = 'varied';
SELECT to_char(now() AT TIME ZONE 'UTC' - interval '5 days', 'YYYYMMDD') AS day \gset
SELECT accepted FROM personalize.import_events('{u1}', '{view_item}', '{i1}', ARRAY[:'day']::timestamptz[]);
SELECT roll();
SET personalize.allow_drop = on;
DROP TABLE personalize.event_p:day;
RESET personalize.allow_drop;
SELECT metric, warnings FROM results() WHERE variant = 'varied';
SELECT count(*) FILTER (WHERE at < date_trunc('day', now()) - interval '4 days') AS after, count(*) AS before FROM person WHERE n < 240;
SELECT mean IS NOT NULL AS known FROM personalize.experiment_plan('{"metric": "signal", "signal": "slow", "window": "2 days"}');

-- what cannot be
CREATE FUNCTION try(metric jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT personalize.create_experiment('try', 'trending', '["shipped", {"name": "new", "parameters": {}}]', metrics => jsonb_build_array(metric))
$$;
SELECT try('"signal"');
SELECT try('{"metric": "signal", "signal": null}');
SELECT try('{"metric": "signal", "signal": 5}');
SELECT try('{"metric": "signal", "signal": ""}');
SELECT try('{"metric": "signal", "signal": "serch_term"}');
SELECT try('{"metric": "signal", "signal": "a ''\" quote\n"}');
SELECT personalize.disable_signal('slow');
SELECT try('{"metric": "signal", "signal": "slow"}');
SELECT personalize.enable_signal('slow');
SELECT try('{"metric": "signal", "signal": "slow", "value": "true"}');
SELECT try('{"metric": "signal", "signal": "search_term", "value": "Red Shoes"}');
SELECT try('{"metric": "signal", "signal": "search_term", "value": "!"}');
SELECT try('{"metric": "signal", "signal": "interest_brand", "value": ""}');
SELECT try(jsonb_build_object('metric', 'signal', 'signal', 'interest_brand', 'value', repeat('x', 257)));
SELECT try('{"metric": "signal", "signal": "interest_brand", "value": null}');
SELECT try('{"metric": "signal", "signal": "interest_brand", "aggregate": "avg"}');
SELECT try('{"metric": "signal", "signal": "interest_brand", "currency": "EUR"}');
SELECT try('{"metric": "clicks", "signal": "interest_brand"}');
SELECT try('{"metric": "clicks", "aggregate": "sum"}');
SELECT personalize.experiment_plan('{"metric": "signal", "signal": "serch_term"}');
SELECT * FROM personalize.evaluate_policy('recommend', 'varied', metric => '{"metric": "signal", "signal": "search_term"}');
SELECT count(*) FROM personalize.experiment;
DROP EXTENSION personalize CASCADE;
DROP VIEW counted;
DROP TABLE person, did;
DROP PROCEDURE live;
DROP FUNCTION roll, results, moments, by_hand, differences, try;

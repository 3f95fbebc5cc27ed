-- What came of experiments.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
RESET client_min_messages;
CREATE FUNCTION roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END
$$;
SELECT roll();
INSERT INTO personalize.item (item_id, category) SELECT 'i' || i, 'c' FROM generate_series(1, 20) i;
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization,recommendations}')) FROM generate_series(1, 1200) n;
SELECT personalize.create_experiment('mix', 'recommend', '["shipped", {"name": "varied", "parameters": {"diversity": 0.4}}]',
	metrics => '["conversion", {"metric": "revenue", "currency": "EUR", "users": 1000}, "clicks", {"metric": "found", "top_k": 1, "guard_rail": true, "margin": 0.9}]');
SELECT jsonb_pretty(metrics -> 1) FROM personalize.experiment;
SELECT DISTINCT metric, variant, users, verdict FROM personalize.experiment_results('mix') ORDER BY 1, 2;
SELECT personalize.start_experiment('mix');
-- as if it had been started ten days ago
UPDATE personalize.experiment SET runs = tstzmultirange(tstzrange(now() - interval '10 days', NULL));
CREATE TABLE person AS
	SELECT n, 'u' || n AS id, a.variant, (SELECT r.request_id::text FROM personalize.recommend('u' || n, 1) r) AS request,
		date_trunc('hour', now(), 'UTC') - (n % 9 + 1) * interval '1 day' AS at
	FROM generate_series(1, 1200) n, personalize.assignment_of('u' || n) a;
-- what they bought before, what they were shown, and what they bought then: varied is better
CREATE PROCEDURE live(first integer, last integer) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.track(id, 'purchase', properties => jsonb_build_object('currency', 'EUR', 'items', jsonb_build_array(jsonb_build_object('item_id', 'i9', 'price', n % 50 + 1))),
		ts => at - interval '2 days', message_id => 'before' || n) FROM person WHERE n BETWEEN first AND last AND n % 3 = 0;
	PERFORM personalize.track_impressions(id, request, ARRAY['i1', 'i2'], ts => at, message_id => 'shown' || n) FROM person WHERE n BETWEEN first AND last;
	PERFORM personalize.track(id, 'select_item', CASE n % 4 WHEN 0 THEN 'i1' ELSE 'i2' END, ts => at + interval '1 minute', message_id => 'click' || n)
		FROM person WHERE n BETWEEN first AND last AND n % 2 = 0;
	PERFORM personalize.track(id, 'purchase', properties => jsonb_build_object('currency', 'EUR', 'items', jsonb_build_array(jsonb_build_object('item_id', 'i1', 'price', n % 50 + 2))),
		ts => at + interval '1 hour', message_id => 'then' || n) FROM person WHERE n BETWEEN first AND last AND n % CASE variant WHEN 'varied' THEN 2 ELSE 3 END = 0;
	-- too late for the metric, and in another currency
	PERFORM personalize.track(id, 'purchase', properties => '{"currency": "USD", "items": [{"item_id": "i1", "price": 1000}]}',
		ts => at + interval '7 days 1 second', message_id => 'late' || n) FROM person WHERE n BETWEEN first AND last AND at < now() - interval '8 days';
END
$$;
CREATE FUNCTION results() RETURNS TABLE (metric text, variant text, users bigint, mean numeric, lift numeric, low numeric, high numeric, p numeric,
	adjusted numeric, adjusted_p numeric, ratio numeric, days numeric, verdict text, warnings text[]) LANGUAGE sql AS $$
	SELECT r.metric, r.variant, r.users, round(r.mean::numeric, 4), round(r.lift::numeric, 4), round(r.low::numeric, 4), round(r.high::numeric, 4), round(r.p_value::numeric, 6),
		round(r.adjusted_lift::numeric, 4), round(r.adjusted_p_value::numeric, 6), round(r.sample_ratio_p::numeric, 3), round(r.days::numeric, 1), r.verdict, r.warnings
	FROM personalize.experiment_results('mix') r
$$;
CALL live(1, 1199);
SELECT roll();
\x
SELECT * FROM results();
\x
-- by hand; less than one in a hundred who bought spent 51, which counts as 50
SELECT p.variant, count(*) AS users, round(avg(y.bought), 4) AS conversion, round(avg(y.paid), 4) AS revenue, round(avg(y.clicked), 4) AS clicks, round(avg(y.found), 4) AS found
FROM person p, LATERAL (SELECT (n % CASE variant WHEN 'varied' THEN 2 ELSE 3 END = 0)::integer AS bought,
		CASE WHEN n % CASE variant WHEN 'varied' THEN 2 ELSE 3 END = 0 THEN least(n % 50 + 2, 50) ELSE 0 END AS paid,
		(n % 2 = 0)::integer AS clicked, (n % 4 = 0)::integer AS found) y
WHERE n < 1200 GROUP BY 1 ORDER BY 1;
-- what comes twice changes nothing; a person more does, and forgetting the person takes it back
CREATE TABLE before AS SELECT * FROM results();
CALL live(1, 1199);
SELECT roll();
SELECT count(*) AS differences FROM (TABLE before EXCEPT SELECT * FROM results()) x;
CALL live(1200, 1200);
SELECT roll();
SELECT count(*) > 0 AS differ FROM (TABLE before EXCEPT SELECT * FROM results()) x;
SELECT count(personalize.forget('u1200'));
SELECT count(*) AS differences FROM (TABLE before EXCEPT SELECT * FROM results()) x;
-- who does not allow analytics any more was never there
SELECT count(personalize.withdraw_consent('u6', '{analytics}'));
SELECT b.users - r.users AS fewer FROM before b JOIN results() r USING (metric, variant) JOIN person p USING (variant) WHERE p.id = 'u6' ORDER BY metric;
-- who is forced is not counted, nor what is shown in a pause, nor an answer by another variant
SELECT personalize.force_variant('u7', 'mix', 'varied');
SELECT sum(b.users) - sum(r.users) AS fewer FROM before b JOIN results() r USING (metric, variant) WHERE metric = 'clicks';
SELECT personalize.force_variant('u7', 'mix', NULL);
SELECT count(personalize.track_impressions(id, (SELECT r.request_id::text FROM personalize.recommend(id, 1, variant => CASE variant WHEN 'varied' THEN 'shipped' ELSE 'varied' END) r), ARRAY['i1']))
FROM person WHERE n BETWEEN 10 AND 12;
SELECT roll();
SELECT sum(b.users) - sum(r.users) AS fewer, min(r.warnings) AS warnings FROM before b JOIN results() r USING (metric, variant) WHERE metric = 'clicks';
UPDATE personalize.experiment SET runs = runs - tstzmultirange(tstzrange(now() - interval '5 days', now() - interval '3 days'));
SELECT sum(b.users) - sum(r.users) - 1 = (SELECT count(*) FROM person WHERE n < 1200 AND at >= now() - interval '5 days' AND at < now() - interval '3 days') AS without_the_pause
FROM before b JOIN results() r USING (metric, variant) WHERE metric = 'clicks';
SELECT DISTINCT days FROM results();
-- the past can be asked
SELECT sum(users) = (SELECT count(*) FROM person WHERE n < 1200 AND id <> 'u6' AND at <= now() - interval '7 days') AS then
FROM personalize.experiment_results('mix', now() - interval '7 days') WHERE metric = 'clicks';
-- a variant whose answers are not all tracked
UPDATE personalize.experiment SET runs = tstzmultirange(tstzrange(now() - interval '10 days', NULL));
SELECT count(personalize.withdraw_consent(id, '{analytics}')) > 100 FROM person WHERE variant = 'varied' AND n % 3 = 0;
SELECT variant, users, sample_ratio_p < 0.001 AS wrong, verdict FROM personalize.experiment_results('mix') WHERE metric = 'conversion';

-- plans from what the shop knows
SELECT users_a_variant > 100 AS some, users = 2 * users_a_variant AS both, days % 7 AS rest, round(mean::numeric, 1) AS mean, round(deviation::numeric, 1) AS deviation
FROM personalize.experiment_plan('conversion', mde => 0.2);
SELECT p.users_a_variant < q.users_a_variant AS fewer FROM personalize.experiment_plan('"clicks"', mde => 0.4) p, personalize.experiment_plan('"clicks"', mde => 0.2) q;
SELECT days FROM personalize.experiment_plan('"clicks"', engine => 'trending');
SELECT personalize.experiment_plan('"clicks"', engine => 'trend');
SELECT personalize.experiment_plan('clicks', mde => 0);
SELECT personalize.experiment_plan('conversio');
SELECT personalize.experiment_plan('');
SELECT personalize.experiment_plan('{"metric": "conversion", "windo": "1 day"}');
SELECT personalize.experiment_plan('"clicks"', power => 'NaN');
SELECT personalize.experiment_plan('"clicks"', traffic => 2);
SELECT personalize.experiment_plan('"clicks"', variants => 1);

-- what cannot be
SELECT * FROM personalize.experiment_results('max');
SELECT * FROM personalize.experiment_results(NULL);
SELECT * FROM personalize.experiment_results('mix', 'infinity');
-- More people than there is memory for are counted in rounds, and the results are the same.
SELECT personalize.create_experiment('many', 'trending', '["shipped", {"name": "other", "parameters": {}}]', traffic => 0.9,
	metrics => '["conversion", {"metric": "revenue", "currency": "EUR"}, "clicks", "carts", {"metric": "found", "top_k": 2}]');
SELECT personalize.start_experiment('many');
UPDATE personalize.experiment SET runs = '{["2026-01-01 00:00+00","2026-01-05 00:00+00"), ["2026-01-06 00:00+00",)}',
	slots_since = array_fill('-infinity'::timestamptz, ARRAY[cardinality(slots)]) WHERE name = 'many';
INSERT INTO personalize.exposure
	SELECT u, u * 8 + k, u % 50 + k, '2026-01-02 00:00+00'::timestamptz + u % 9 * interval '1 day' + k * interval '3 hours',
		(3::bigint << 52) | ((u % 7 > 2)::integer::bigint << 36), 0, 1 + k, 1
	FROM generate_series(1, 45000) u, generate_series(0, 1) k;
INSERT INTO personalize.exposure_outcome
	SELECT u, '2026-01-02 00:30+00'::timestamptz + (u % 9 + d) * interval '1 day', u % 50, event, 0, event,
		CASE event WHEN 10 THEN 4543826 END, CASE event WHEN 10 THEN 1000000 * (1 + u % 90) END, u * 8
	FROM generate_series(1, 45000) u, (VALUES (4, 4, 0), (5, 6, 0), (10, 10, 1), (15, 10, -7)) AS o (every, event, d) WHERE u % every = 0;
CREATE TEMP TABLE once AS SELECT * FROM personalize.experiment_results('many', '2026-02-01');
SELECT metric, variant, users > 6000 AS users, exposures > users AS exposures, mean > 0 AS mean, warnings[1] FROM once;
SET maintenance_work_mem = '1MB';
SELECT * FROM personalize.experiment_results('many', '2026-02-01') EXCEPT SELECT * FROM once;
RESET maintenance_work_mem;
-- by hand, those who are in the experiment and were shown something of their own variant while it ran
WITH met AS (
	SELECT e.user_key, CASE WHEN personalize_internal._draw(1, x.salt, e.user_key) < 0.5 THEN 0 ELSE 1 END AS ordinal, min(e.shown_at) AS since, count(*) AS shown
	FROM personalize.exposure e, personalize.experiment x
	WHERE x.name = 'many' AND e.shown_at <@ x.runs AND e.request_origin >= 3::bigint << 52
		AND floor(personalize_internal._draw(0, personalize_internal._experiment_salt(x.layer), e.user_key) * 1000) = ANY (x.slots)
		AND (e.request_origin - (3::bigint << 52)) >> 36 = CASE WHEN personalize_internal._draw(1, x.salt, e.user_key) < 0.5 THEN 0 ELSE 1 END
	GROUP BY 1, 2),
did AS (
	SELECT m.*, EXISTS (SELECT FROM personalize.exposure_outcome o WHERE o.user_key = m.user_key AND o.event = 10
		AND o.ts >= m.since AND o.ts < m.since + interval '7 days') AS bought FROM met m)
SELECT m.ordinal, count(*) - o.users AS users, sum(m.shown) - o.exposures AS exposures, round(avg(m.bought::integer) - o.mean::numeric, 9) AS conversion
FROM did m JOIN personalize.experiment_variant v ON v.experiment = 'many' AND v.ordinal = m.ordinal
	JOIN once o ON o.variant = v.variant AND o.metric = 'conversion' GROUP BY m.ordinal, o.users, o.exposures, o.mean ORDER BY 1;
DELETE FROM personalize.exposure_outcome WHERE user_key BETWEEN 1 AND 45000;
DELETE FROM personalize.exposure WHERE user_key BETWEEN 1 AND 45000;
DROP TABLE once;
CREATE FUNCTION try(metrics jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT personalize.create_experiment('try', 'trending', '["shipped", {"name": "new", "parameters": {}}]', metrics => metrics)
$$;
SELECT personalize.stop_experiment('many');
SELECT try('{}');
SELECT try('[]');
SELECT try('["margin"]');
SELECT try('["clicks", {"metric": "clicks"}]');
SELECT try('["clicks", {"metric": "clicks", "window": "1 day"}, "clicks"]');
SELECT try('[3]');
SELECT try('["revenue"]');
SELECT try('[{"metric": "clicks", "currency": "EUR"}]');
SELECT try('[{"metric": "revenue", "currency": "euro"}]');
SELECT try('[{"metric": "clicks", "windw": "1 day"}]');
SELECT try('[{"metric": "clicks", "window": "soon"}]');
SELECT try('[{"metric": "clicks", "window": "-1 day"}]');
SELECT try('[{"metric": "clicks", "window": 7}]');
SELECT try('[{"metric": "clicks", "alpha": 0}]');
SELECT try('[{"metric": "clicks", "users": 1e400}]');
SELECT try('[{"metric": "found", "top_k": 1.5}]');
SELECT try('[{"metric": "clicks", "direction": "left"}]');
SELECT try('[{"metric": "clicks", "guard_rail": "yes"}]');
DROP EXTENSION personalize CASCADE;
DROP TABLE person, before;
DROP PROCEDURE live;
DROP FUNCTION roll, results, try;

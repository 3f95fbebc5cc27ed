SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
\pset format unaligned
\pset tuples_only on

-- 60 people, each with events of three ages on items of six categories; only
-- those whose number is not a multiple of ten allow personalization
INSERT INTO personalize.item (item_id, category, brand)
	SELECT 'item-' || n, 'category-' || n % 6, 'brand-' || n % 4 FROM generate_series(1, 24) n;
CREATE TEMP TABLE person AS SELECT 'u' || n AS user_id, n FROM generate_series(1, 60) n;
SELECT count(personalize.grant_consent(user_id, CASE WHEN n % 10 = 0 THEN '{analytics}' ELSE '{analytics,personalization}' END::text[], 'test'))
FROM person;
CREATE TEMP TABLE happened AS
	SELECT p.user_id, p.n, (ARRAY['view_item', 'add_to_cart', 'purchase'])[1 + k % 3] AS event,
		1 + (p.n * 7 + k * 5) % 24 AS item, now() - (ARRAY['1 hour', '4 days', '20 days', '40 days'])[1 + (p.n + k) % 4]::interval AS ts
	FROM person p, generate_series(1, 12) k;
SELECT accepted, rejected FROM personalize.import_events(
	ARRAY(SELECT user_id::personalize.entity_id FROM happened ORDER BY ts, n, item, event), ARRAY(SELECT event FROM happened ORDER BY ts, n, item, event),
	ARRAY(SELECT ('item-' || item)::personalize.entity_id FROM happened ORDER BY ts, n, item, event), ARRAY(SELECT ts FROM happened ORDER BY ts, n, item, event));
SELECT processor, rejected FROM personalize.rollup_now() ORDER BY 1;

-- the views agree with the events
CREATE TEMP TABLE expected AS
	SELECT user_id, 'category-' || item % 6 AS value, w.period, count(*) AS count, sum(t.weight) AS sum, max(last) AS last_seen
	FROM (SELECT h.*, max(ts) OVER (PARTITION BY user_id, item % 6) AS last FROM happened h) h
		JOIN personalize.event_type t ON t.name = h.event,
		unnest('{1 day,7 days,30 days,90 days}'::interval[]) AS w (period)
	WHERE h.n % 10 > 0 AND ts > now() - w.period GROUP BY 1, 2, 3;
SELECT count(*) > 500 AS rows, (SELECT count(*) FROM (
		(SELECT * FROM expected EXCEPT
		SELECT user_id, value, period, count, sum, last_seen FROM personalize.profile_feature WHERE signal = 'interest_category')
		UNION ALL
		(SELECT user_id, value, period, count, sum, last_seen FROM personalize.profile_feature
			WHERE signal = 'interest_category' AND period <> '1 hour'
		EXCEPT SELECT * FROM expected)) d) AS differ
FROM expected;
SELECT (SELECT (count(*), sum(count), sum(sum)) FROM personalize.profile_pane WHERE signal = 'interest_brand')
	= (SELECT (count(DISTINCT (user_id, item % 4, date_bin(CASE WHEN ts > now() - interval '1 day' THEN '1 hour' ELSE '1 day' END::interval, ts, '2000-01-01'))),
			count(*)::numeric, sum(weight))
		FROM happened h JOIN personalize.event_type t ON t.name = h.event WHERE n % 10 > 0) AS same;
SELECT bool_and(grain = CASE WHEN pane_end - pane_start = '1 day' THEN 'day' WHEN pane_end - pane_start = '1 hour' THEN 'hour' ELSE '5min' END),
	bool_and(user_key = personalize.user_key(user_id)) FROM personalize.profile_pane;
SELECT DISTINCT signal, complete_since FROM personalize.profile_feature ORDER BY 1;

-- and with what an application sees
SELECT count(*) FROM (
	SELECT f.signal, f.value, f.count, f.sum, f.last_seen FROM personalize.features('u7', '30 days') f
	EXCEPT SELECT signal, value, count, sum, last_seen FROM personalize.profile_feature WHERE user_id = 'u7' AND period = '30 days') d;

-- people and events, each for who allows it
SELECT (SELECT (count(*), sum(events), min(first_seen), max(last_seen)) FROM personalize.profile_person)
	= (SELECT (count(DISTINCT user_id), count(*)::numeric, min(ts), max(ts)) FROM happened WHERE n % 10 > 0) AS same;
SELECT purposes, count(*) FROM personalize.profile_person GROUP BY 1;
SELECT count(*) AS differ FROM (
	SELECT user_id, event, item_id, category, ts FROM personalize.analytics_event
	EXCEPT SELECT user_id, event, 'item-' || item, 'category-' || item % 6, ts FROM happened) d;

-- categories as they were when it happened, however often they change
BEGIN;
CREATE TEMP TABLE before AS SELECT user_id, event, item_id, category, brand, ts FROM personalize.analytics_event;
CREATE TEMP TABLE counted AS SELECT user_id, value, count FROM personalize.profile_feature WHERE signal = 'interest_category';
UPDATE personalize.item SET category = 'renamed' WHERE item_id = 'item-1';
UPDATE personalize.item SET category = NULL, brand = 'renamed' WHERE item_id = 'item-1';
UPDATE personalize.item SET price = 3, category = category WHERE item_id = 'item-1';
SELECT personalize.upsert_items('[{"item_id": "item-2", "category": "renamed"}, {"item_id": "item-3", "category": "category-3", "brand": "brand-3"}]') IS NOT NULL AS upserted;
SELECT count(*) AS differ FROM (TABLE before EXCEPT SELECT user_id, event, item_id, category, brand, ts FROM personalize.analytics_event) d;
SELECT count(*) AS differ FROM (TABLE counted EXCEPT SELECT user_id, value, count FROM personalize.profile_feature WHERE signal = 'interest_category') d;
SELECT i.item_id, p.category, p.brand, p.since = '-infinity' AS from_the_beginning,
	p.until = lead(p.since) OVER (PARTITION BY p.item_key ORDER BY p.until) AS then_the_next
FROM personalize._item_past p JOIN personalize.item i USING (item_key) ORDER BY i.item_id, p.until;
SELECT personalize.track('u1', 'view_item', 'item-2', ts => clock_timestamp());
SELECT category FROM personalize.analytics_event WHERE item_id = 'item-2' ORDER BY ts DESC LIMIT 1;
-- what was not known holds for what happened before
SELECT personalize.track('u1', 'view_item', 'new item', ts => clock_timestamp() - interval '1 hour');
INSERT INTO personalize.item (item_id) VALUES ('new item') ON CONFLICT DO NOTHING;
UPDATE personalize.item SET category = 'hats' WHERE item_id = 'new item';
SELECT category FROM personalize.analytics_event WHERE item_id = 'new item';
-- an item that leaves the catalogue takes its past along; what no event is as old as goes
DELETE FROM personalize.item WHERE item_id = 'item-2';
UPDATE personalize._gone SET before = 'infinity' WHERE what = 'event';
INSERT INTO personalize._gone VALUES ('event', 'infinity') ON CONFLICT DO NOTHING;
UPDATE personalize.item SET category = 'at last' WHERE item_id = 'item-1';
SELECT i.item_id, p.category FROM personalize._item_past p JOIN personalize.item i USING (item_key) ORDER BY 1, p.until;
TRUNCATE personalize.item;
SELECT count(*) FROM personalize._item_past;
ROLLBACK;

-- what each of these is a part of
CREATE TEMP VIEW covered AS
	SELECT (ts AT TIME ZONE 'UTC')::date AS day, p.purpose,
		count(DISTINCT h.user_id) FILTER (WHERE p.purpose = 'analytics' OR p.purpose = 'personalization' AND h.n % 10 > 0) AS people,
		count(DISTINCT h.user_id) AS all_people,
		count(*) FILTER (WHERE p.purpose = 'analytics' OR p.purpose = 'personalization' AND h.n % 10 > 0) AS events,
		count(*) AS all_events
	FROM happened h, unnest('{analytics,personalization,recommendations,marketing}'::text[]) AS p (purpose) GROUP BY 1, 2;
SELECT count(*) > 10 AS rows, (SELECT count(*) FROM (SELECT * FROM personalize.coverage EXCEPT SELECT * FROM covered) d) AS differ
FROM personalize.coverage;
SELECT purpose, people = (SELECT count(DISTINCT user_key) FROM personalize.analytics_event e WHERE e.received_at::date = c.day) AS same
FROM personalize.coverage c WHERE day = (SELECT min(day) FROM covered) AND purpose = 'analytics';
SELECT count(*) FROM personalize.coverage WHERE day = '1999-12-31';
SELECT personalize.restrict('u1', '{analytics}') IS NOT NULL AS restricted;
SELECT sum(all_events - events) AS restricted_events FROM personalize.coverage WHERE purpose = 'analytics';
SELECT personalize.lift_restriction('u1') IS NOT NULL AS lifted;
SELECT sum(all_events - events) AS restricted_events FROM personalize.coverage WHERE purpose = 'analytics';

-- periods for who cannot read intervals
SELECT DISTINCT period, period_seconds FROM personalize.profile_feature WHERE signal = 'interest_category' AND period <> '1 hour' ORDER BY 1;
SELECT half_life, half_life_seconds, periods_seconds FROM personalize.signal_status WHERE name = 'search_term';
SELECT bool_and(lag_seconds = extract(epoch FROM lag)) FROM personalize.stat_processor;
SELECT bool_and(keep_seconds = extract(epoch FROM keep)) FROM personalize.stat_retention WHERE keep IS NOT NULL;

-- counting people
SELECT count(*) AS differ FROM (
	SELECT value, count(*), sum(count), sum(sum) FROM expected WHERE period = '30 days' GROUP BY 1
	EXCEPT SELECT value, users, count, sum FROM personalize.cohort_counts('interest_category')) d;
SELECT count(*), bool_and(users = personalize.cohort_count('interest_category', value))
FROM personalize.cohort_counts('interest_category') c;
SELECT personalize.cohort_count('interest_category', 'category-1', '7 days')
	= (SELECT count(*) FROM expected WHERE value = 'category-1' AND period = '7 days') AS week,
	personalize.cohort_count('interest_category', 'category-1', '7 days', now() - interval '15 days')
	= (SELECT count(DISTINCT user_id) FROM happened WHERE n % 10 > 0 AND item % 6 = 1 AND ts < now() - interval '15 days' AND ts > now() - interval '22 days') AS past,
	personalize.cohort_count('interest_category', NULL) AS anybody,
	personalize.cohort_count('interest_category', NULL, NULL, NULL) AS ever,
	personalize.cohort_count('interest_category', 'hats') AS nobody,
	personalize.cohort_count('item_affinity', 'item-3') = (SELECT count(DISTINCT user_id) FROM happened WHERE n % 10 > 0 AND item = 3 AND ts > now() - interval '30 days') AS item;

-- a query about one person unpacks one row, and only for the signal and period asked for
CREATE FUNCTION pg_temp.work_of(query text) RETURNS TABLE (node text, relation text, how_often numeric) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON, TIMING off, COSTS off, SUMMARY off) ' || query INTO plan;
	RETURN QUERY
		WITH RECURSIVE step AS (
			SELECT plan -> 0 -> 'Plan' AS p
			UNION ALL SELECT child FROM step, jsonb_array_elements(step.p -> 'Plans') child)
		SELECT CASE WHEN p ->> 'Function Name' LIKE '\_profile%' THEN 'unpacked' ELSE 'rows read' END,
			coalesce(p ->> 'Relation Name', p ->> 'Function Name'),
			CASE WHEN p ->> 'Function Name' LIKE '\_profile%' THEN (p ->> 'Actual Loops')::numeric
				ELSE round((p ->> 'Actual Rows')::numeric * (p ->> 'Actual Loops')::numeric) END
		FROM step WHERE p ->> 'Relation Name' = 'profile' OR p ->> 'Function Name' LIKE '\_profile%'
		ORDER BY 1 DESC;
END
$$;
-- (the table is small enough to be read whole, which would prove nothing)
SET enable_seqscan = off;
ANALYZE personalize.profile, personalize.subject, personalize.signal;
SELECT * FROM pg_temp.work_of($$SELECT * FROM personalize.profile_feature WHERE user_id = 'u7' AND signal = 'interest_category' AND period = '30 days'$$);
SELECT * FROM pg_temp.work_of($$SELECT * FROM personalize.profile_feature WHERE user_key = personalize.user_key('u7') AND signal = 'interest_category'$$);
SELECT * FROM pg_temp.work_of($$SELECT * FROM personalize.profile_pane WHERE user_id = 'u7' AND pane_start > now() - interval '7 days' AND signal = 'item_affinity'$$);
SELECT * FROM pg_temp.work_of($$SELECT value, count(*) FROM personalize.profile_feature WHERE signal = 'interest_category' AND period = '30 days' GROUP BY 1$$);
RESET enable_seqscan;

-- the planner is within three times of what comes, and asks nothing per person
CREATE FUNCTION pg_temp.estimate_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	expected numeric;
	rows numeric;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON, TIMING off, SUMMARY off) ' || query INTO plan;
	expected := (plan #>> '{0,Plan,Plan Rows}')::numeric;
	rows := (plan #>> '{0,Plan,Actual Rows}')::numeric;
	RETURN CASE WHEN greatest(expected, 1) BETWEEN greatest(rows, 1) / 3 AND greatest(rows, 1) * 3 THEN 'near'
		ELSE format('%s for %s rows', expected, rows) END
		|| CASE WHEN plan::text LIKE '%SubPlan%' THEN ', with subplans' ELSE '' END;
END
$$;
ANALYZE personalize.event, personalize.item, personalize.event_type, personalize.signal_state, personalize.item_stat;
SELECT q AS query, pg_temp.estimate_of('SELECT * FROM personalize.' || q) FROM unnest(ARRAY[
	'profile_feature',
	$$profile_feature WHERE signal = 'interest_category'$$,
	$$profile_feature WHERE signal = 'interest_category' AND period = '30 days'$$,
	$$profile_feature WHERE user_id = 'u7' AND signal = 'interest_category' AND period = '30 days'$$,
	'profile_pane',
	$$profile_pane WHERE signal = 'interest_brand'$$,
	'profile_person',
	'analytics_event',
	$$analytics_event WHERE event = 'purchase'$$,
	'item_performance',
	$$item_performance WHERE day > current_date - 3$$,
	'item_revenue',
	$$item_revenue WHERE currency = 'EUR'$$,
	$$item_revenue WHERE day < current_date - 10$$,
	'item_event',
	$$item_event WHERE event = 'purchase'$$]) q;

-- an event that its visitor did not allow for analytics
SELECT count(*) FROM personalize.analytics_event;
SELECT personalize.track('u1', 'view_item', 'item-1', consent => '{personalization}');
SELECT count(*) FROM personalize.analytics_event;

-- withdrawn is gone, disabled is not shown
SELECT personalize.withdraw_consent('u7', '{personalization}', 'test');
SELECT count(*) FROM personalize.profile_feature WHERE user_id = 'u7';
SELECT personalize.disable_signal('interest_brand');
SELECT count(*) FROM personalize.profile_feature WHERE signal = 'interest_brand';
SELECT count(*) FROM personalize.profile_pane WHERE signal = 'interest_brand';
SELECT * FROM personalize.cohort_counts('interest_brand');
SELECT personalize.enable_signal('interest_brand');

-- errors
SELECT personalize.cohort_count('interest_shoe', 'x');
SELECT personalize.cohort_count(NULL, 'x');
SELECT personalize.cohort_count('interest_brand', 'x', '-1 day');

-- who may
SET ROLE personalize_analyst;
SELECT count(*) > 0 FROM personalize.profile_feature;
RESET ROLE;
CREATE ROLE regress_analyst IN ROLE personalize_analyst, personalize_personalization;
SET ROLE regress_analyst;
SET personalize.purpose = 'personalization';
SELECT count(*) > 0 FROM personalize.profile_feature;
SELECT count(*) > 0 FROM personalize.profile_pane;
SELECT (SELECT count(*) > 0 FROM personalize.profile_person), (SELECT count(*) > 0 FROM personalize.analytics_event);
SELECT personalize.cohort_count('interest_brand', 'brand-1') > 0, (SELECT count(*) FROM personalize.cohort_counts('interest_brand'));
SELECT features FROM personalize.profile;
-- what has nothing for a purpose says what it has something for
RESET ROLE;
GRANT personalize_analytics TO regress_analyst;
SET ROLE regress_analyst;
SET personalize.purpose = 'analytics';
SELECT count(*) FROM personalize.profile_feature;
SELECT 1 FROM personalize.profile_pane LIMIT 0;
SELECT value, count(*) FROM personalize.profile_feature f JOIN personalize.profile_person p USING (user_key)
WHERE signal = 'interest_category' GROUP BY 1;
SELECT count(*) FROM personalize.analytics_event;
SELECT purpose, count(*) > 2 AS days FROM personalize.coverage GROUP BY 1 ORDER BY 1;
SELECT personalize.cohort_count('interest_brand', 'brand-1');
PREPARE features AS SELECT count(*) > 0 FROM personalize.profile_feature;
SET plan_cache_mode = force_generic_plan;
SET personalize.purpose = 'personalization';
EXECUTE features;
SET personalize.purpose = 'analytics';
EXECUTE features;
RESET plan_cache_mode;
RESET ROLE;
SET personalize.on_denied = 'empty';
SET ROLE regress_analyst;
SELECT count(*) FROM personalize.profile_feature;
SELECT count(*) FROM personalize.profile_pane WHERE signal = 'interest_brand';
RESET ROLE;
RESET personalize.on_denied;
RESET personalize.purpose;
SELECT personalize.create_signal('visits', '{view_item}', 'none', purposes => '{analytics}');
SET ROLE regress_analyst;
SET personalize.purpose = 'analytics';
-- and of signals that are asked for by name
SELECT count(*) FROM personalize.profile_feature;
SELECT count(*) FROM personalize.profile_feature WHERE signal = 'visits';
SELECT count(*) FROM personalize.profile_feature WHERE signal = 'interest_category' AND period = '30 days';
SELECT count(*) FROM personalize.profile_pane WHERE 'interest_category' = signal;
SELECT count(*) FROM personalize.profile_pane WHERE signal IN ('interest_category', 'interest_brand');
SELECT count(*) FROM personalize.profile_pane WHERE signal IN ('interest_category', 'visits');
SELECT count(*) FROM personalize.profile_feature WHERE signal = 'interest_category' OR signal = 'visits';
SELECT count(*) FROM personalize.profile_feature WHERE signal = NULL;
SELECT count(*) FROM personalize.profile_feature WHERE signal = 'no such signal';
SELECT count(*) FROM personalize.profile_person p LEFT JOIN personalize.profile_feature f ON f.user_key = p.user_key AND f.signal = 'price_band';
PREPARE of_signal(text) AS SELECT count(*) FROM personalize.profile_feature WHERE signal = $1;
EXECUTE of_signal('visits');
EXECUTE of_signal('price_band');
SET personalize.purpose = 'personalization';
SET ROLE personalize_app;
SELECT count(*) FROM personalize.profile_feature;
SELECT personalize.cohort_count('interest_brand', 'brand-1');
RESET ROLE;
RESET personalize.purpose;
DROP ROLE regress_analyst;

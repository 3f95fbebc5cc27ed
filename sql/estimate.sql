-- What the planner expects of the analysts' views, and that what helps it changes no answer.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
SET TimeZone = 'UTC';
INSERT INTO personalize.item (item_id, category, brand) SELECT 'i' || i, 'c' || i % 8, CASE WHEN i % 5 > 0 THEN 'b' || i % 5 END FROM generate_series(0, 79) i;
SELECT accepted FROM personalize.import_events(
	(SELECT array_agg(('u' || e % 200)::personalize.entity_id) FROM generate_series(0, 7999) e),
	(SELECT array_agg((ARRAY['view_item', 'view_item', 'add_to_cart', 'purchase'])[1 + e / 80 % 4]) FROM generate_series(0, 7999) e),
	(SELECT array_agg(('i' || e % 80)::personalize.entity_id) FROM generate_series(0, 7999) e),
	(SELECT array_agg(date_trunc('day', now()) - e / 800 * interval '1 day' + e % 800 * interval '1 second' - interval '1 day') FROM generate_series(0, 7999) e),
	properties => (SELECT array_agg(jsonb_build_object('value', 2, 'currency', CASE e / 320 % 2 WHEN 0 THEN 'EUR' ELSE 'USD' END)) FROM generate_series(0, 7999) e),
	consents => (SELECT array_agg('analytics,personalization,recommendations'::text) FROM generate_series(0, 7999) e));
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
-- some were something else, some are something else now, and some are gone
UPDATE personalize.item SET category = 'c9', brand = 'b9' WHERE item_id IN ('i1', 'i2', 'i3');
DELETE FROM personalize.item WHERE item_id IN ('i4', 'i5');
SELECT count(personalize.track('u' || u, 'view_item', 'i' || u % 8, consent => '{analytics}')) FROM generate_series(0, 79) u;
SELECT personalize.track('u1', 'view_item', n::text, consent => '{analytics}') FROM (VALUES (4711)) v (n);
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
ANALYZE;

CREATE FUNCTION pg_temp.estimate_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	expected numeric;
	rows numeric;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON, TIMING off, SUMMARY off) SELECT * FROM personalize.' || query INTO plan;
	expected := (plan #>> '{0,Plan,Plan Rows}')::numeric;
	rows := (plan #>> '{0,Plan,Actual Rows}')::numeric;
	RETURN CASE WHEN greatest(expected, 1) BETWEEN greatest(rows, 1) / 3 AND greatest(rows, 1) * 3 THEN 'near' ELSE format('%s for %s rows', expected, rows) END;
END
$$;
SELECT q AS query, pg_temp.estimate_of(q) FROM unnest(ARRAY[
	'analytics_event', $$analytics_event WHERE category = 'c3'$$, $$analytics_event WHERE brand = 'b2'$$, $$analytics_event WHERE 'c6' = category AND event = 'purchase'$$,
	$$analytics_event WHERE user_id = 'u7'$$, $$analytics_event WHERE ts > now() - interval '3 days'$$, $$analytics_event WHERE item_id = 'i9'$$,
	'profile_feature', $$profile_feature WHERE user_id = 'u7'$$, $$profile_feature WHERE user_key = personalize.user_key('u7')$$, $$profile_feature WHERE user_id = 'u7' AND signal = 'interest_category'$$,
	$$profile_feature WHERE signal = 'interest_category' AND value = 'c6'$$, $$profile_feature WHERE signal = 'interest_category' AND value = 'c6' AND period = '30 days'$$,
	'profile_pane', $$profile_pane WHERE user_id = 'u7'$$, $$profile_pane WHERE signal = 'interest_category' AND value = 'c6'$$,
	'profile_person', $$profile_person WHERE user_id = 'u7'$$,
	'item_performance', $$item_performance WHERE day = current_date - 3$$,
	'item_revenue', $$item_revenue WHERE item_id = 'i30'$$, $$item_revenue WHERE currency = 'EUR'$$,
	$$item_event WHERE item_id = 'i30'$$, $$item_event WHERE event = 'purchase'$$,
	'coverage', $$coverage WHERE day = current_date - 3$$, $$coverage WHERE purpose = 'analytics'$$]) q;

-- a condition says the same of a view as of rows that have been read without it; how many
-- a period has depends on the time of the day
CREATE FUNCTION pg_temp.differs(view text, condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('WITH plain AS MATERIALIZED (SELECT * FROM personalize.%1$s), of_plain AS (SELECT v::text FROM plain v WHERE %2$s), asked AS (SELECT v::text FROM personalize.%1$s v WHERE %2$s)
		SELECT format(''%%s rows, %%s differ'', (SELECT CASE WHEN %1$L ~ ''^profile'' AND count(*) > 0 THEN ''some'' ELSE count(*)::text END FROM asked), (SELECT count(*) FROM ((TABLE asked EXCEPT ALL TABLE of_plain) UNION ALL (TABLE of_plain EXCEPT ALL TABLE asked)) d))', view, condition)
		INTO answer;
	RETURN answer;
END
$$;
SELECT v AS view, c AS condition, pg_temp.differs(v, c) FROM unnest('{item_performance,item_revenue,item_event}'::text[]) v,
	unnest(ARRAY[$$item_id = 'i30'$$, $$item_id = 'i4'$$, $$item_id = 'nowhere'$$, $$item_id = '4711'$$, $$item_id IN ('i30', 'i31', 'i4')$$, $$item_id = 'i30' AND item_id = 'i31'$$,
		$$item_id = 'i30' OR day = current_date - 2$$, $$item_id = NULL$$, $$item_id = 'i' || 30 AND day < current_date - 2$$]) c ORDER BY v, c;
SELECT c AS condition, pg_temp.differs('analytics_event', c) FROM unnest(ARRAY[$$category = 'c3'$$, $$category = 'c1'$$, $$category = 'c9'$$, $$category = 'c1' AND brand = 'b1'$$, $$brand = 'b9'$$,
	$$category = 'c9' AND category = 'c1'$$, $$category = 'c4' OR brand = 'b9'$$, $$category IN ('c1', 'c9')$$, $$category = ''$$, $$category IS NULL$$, $$NOT category = 'c9'$$,
	$$ts::date = current_date - 3$$, $$properties ->> 'currency' = 'EUR'$$, $$properties ->> 'nothing' IS NULL$$, $$CASE event WHEN 'purchase' THEN 1 ELSE 2 END = 1$$]) c ORDER BY c;
SELECT v AS view, c AS condition, pg_temp.differs(v, c) FROM unnest('{profile_feature,profile_pane}'::text[]) v,
	unnest(ARRAY[$$value = 'c3'$$, $$value = 'c3' AND signal = 'interest_category'$$, $$value = 'nothing'$$, $$value = ''$$, $$value IN ('c3', 'b1')$$, $$value = 'c3' AND value = 'b1'$$, $$value = 'i30' AND user_id = 'u30'$$]) c ORDER BY v, c;
SELECT value, count(*) > 0 AS some FROM personalize.profile_feature GROUP BY GROUPING SETS ((value), ()) HAVING value = 'c3';
SELECT n, count(f.value) > 0 AS some FROM generate_series(1, 2) n LEFT JOIN personalize.profile_feature f ON f.value = 'c3' AND n = 1 GROUP BY n ORDER BY n;
SELECT n, count(f.value) > 0 AS some FROM generate_series(1, 2) n LEFT JOIN personalize.profile_feature f ON n = 1 WHERE f.value = 'c3' OR n = 2 GROUP BY n ORDER BY n;
SELECT count(DISTINCT f.value) FROM generate_series(1, 2) n LEFT JOIN personalize.profile_feature f ON n = 1 WHERE f.value = 'c3';
SELECT count(DISTINCT value) FROM (SELECT * FROM personalize.profile_feature UNION ALL SELECT * FROM personalize.profile_feature) u WHERE value = 'c3';
SELECT count(DISTINCT f.value) FROM personalize.item i JOIN personalize.profile_feature f ON f.value = i.category AND i.category = 'c3';
-- also where the value is told later, and from either side of joins
PREPARE of_category (text) AS SELECT count(*) FROM personalize.analytics_event WHERE category = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE of_category('c9');
RESET plan_cache_mode;
EXECUTE of_category('c9');
SELECT count(*), count(e.category) FROM generate_series(1, 2) n LEFT JOIN personalize.analytics_event e ON e.category = 'c9' AND n = 1;
SELECT count(*), count(p.item_id) FROM generate_series(1, 2) n LEFT JOIN personalize.item_performance p ON p.item_id = 'i4' OR n = 3;
SELECT n, p.item_id, sum(p.views) AS views FROM generate_series(1, 2) n LEFT JOIN personalize.item_performance p ON p.item_id = 'i30' AND n = 1 GROUP BY 1, 2 ORDER BY 1;
-- long lists: the planner asks for each value and each day
DO $$
DECLARE
	condition text;
BEGIN
	FOR condition IN SELECT format('%s IN (%s)', c, (SELECT string_agg(format('%L', prefix || i), ',') FROM generate_series(1, n) i))
		FROM (VALUES ('analytics_event WHERE user_id', 'u'), ('analytics_event WHERE user_key', ''), ('analytics_event WHERE item_id', 'i'),
			('profile_feature WHERE user_id', 'u'), ('item_performance WHERE item_id', 'i')) v (c, prefix), unnest('{200,1500}'::int[]) n LOOP
		EXECUTE 'EXPLAIN SELECT * FROM personalize.' || condition;
	END LOOP;
END
$$;
SELECT v AS view, pg_temp.estimate_of(format('%s WHERE user_id IN (%s)', v, (SELECT string_agg(format('%L', 'u' || i), ',') FROM generate_series(0, 79) i)))
	FROM unnest('{analytics_event,profile_feature,profile_person}'::text[]) v;
-- conditions are tried on samples when a statement is planned: what fails there does not fail the
-- statement, only functions of the server are called, and the transaction goes on
CREATE FUNCTION pg_temp.loud(ts timestamptz) RETURNS date LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE NOTICE 'called'; RETURN NULL; END $$;
BEGIN;
CREATE TEMP TABLE kept_on AS SELECT 1 AS n;
DO $$
DECLARE
	condition text;
BEGIN
	FOREACH condition IN ARRAY ARRAY[$q$(properties ->> 'currency')::int > 4$q$, $q$pg_temp.loud(ts) = current_date$q$, $q$1 / (value - value) = 1$q$, $q$random() + value > 1$q$, $q$ts::date = (SELECT max(day) FROM personalize.item_event)$q$] LOOP
		EXECUTE 'EXPLAIN SELECT * FROM personalize.analytics_event WHERE ' || condition;
	END LOOP;
END
$$;
SELECT count(*) FROM kept_on;
COMMIT;
SELECT count(*) FROM personalize.analytics_event WHERE 1 / (value - value) = 1;
PREPARE of_currency (text) AS SELECT count(*) > 0 AS some FROM personalize.analytics_event WHERE properties ->> 'currency' = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE of_currency('EUR');
RESET plan_cache_mode;
EXECUTE of_currency('USD');
SELECT v AS view, c AS condition, pg_temp.differs(v, c) FROM (VALUES ('item_performance', $$purchases = 0$$), ('item_performance', $$views > 1 AND carts > 0$$), ('item_performance', $$revenue ? 'EUR' OR day = current_date - 2$$),
	('item_revenue', $$revenue > 50$$), ('item_event', $$count > 2 AND event LIKE 'view%'$$), ('item_event', $$date_trunc('week', day) < now()$$), ('analytics_event', $$item_id IS NULL$$), ('analytics_event', $$user_id LIKE 'u1%'$$),
	('analytics_event', $$NOT (category LIKE 'c1%')$$), ('analytics_event', $$(category LIKE 'c1%') IS NULL$$), ('profile_feature', $$value IN ('c3', 'b1') AND signal LIKE 'interest%'$$), ('profile_person', $$purposes = '{analytics}'$$)) v (v, c) ORDER BY v, c;
SELECT count(*), count(p.item_id) FROM personalize.item i LEFT JOIN personalize.item_performance p ON p.item_key = i.item_key AND p.views > 1000;
SELECT count(*) FROM personalize.item i WHERE EXISTS (SELECT FROM personalize.item_performance p WHERE p.item_key = i.item_key AND p.purchases = 0);
WITH many AS (SELECT * FROM personalize.item_performance WHERE views > 2) SELECT count(*) = (SELECT count(*) FROM personalize.item_performance WHERE views > 2) AS same FROM many WHERE views > 0;
PREPARE of_views (bigint) AS SELECT count(*) > 0 AS some FROM personalize.item_performance WHERE views > $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE of_views(1);
RESET plan_cache_mode;
EXECUTE of_views(1000000);
DROP EXTENSION personalize CASCADE;

-- What a variant would have earned, from what was logged.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
CREATE FUNCTION roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END
$$;
CREATE FUNCTION evaluated(engine text, variant text, since text, metric text DEFAULT NULL, clip float8 DEFAULT NULL, min_support float8 DEFAULT NULL, max_requests integer DEFAULT NULL)
	RETURNS TABLE (estimator text, value numeric, low numeric, high numeric, lift numeric, logged numeric, rounds bigint, users bigint,
		reproduced numeric, support numeric, mean_weight numeric, ess numeric, clipped numeric, verdict text) LANGUAGE sql AS $$
	SELECT estimator, round(value::numeric, 4), round(low::numeric, 4), round(high::numeric, 4), round(lift::numeric, 4), round(logged::numeric, 4), rounds, users,
		round(reproduced::numeric, 4), round(support::numeric, 4), round(mean_weight::numeric, 4), round(ess::numeric, 1), round(clipped::numeric, 4), verdict
	FROM personalize.evaluate_policy(engine, variant, since::timestamptz, since::timestamptz + interval '1 day', metric, clip, min_support, max_requests)
$$;
SELECT roll();
INSERT INTO personalize.item (item_id, category, created_at) SELECT 'i' || i, 'c' || i % 2, '2026-01-01' FROM generate_series(1, 12) i;
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization,recommendations}')) FROM generate_series(1, 200) n;
SELECT count(personalize.track('u' || n, 'view_item', 'i' || (1 + (n * 7 + s * s) % 12), ts => '2026-03-01 10:00+00'::timestamptz + n * interval '1 minute' + s * interval '10 seconds'))
	FROM generate_series(1, 200) n, generate_series(1, 3) s;
SELECT roll();

-- without an experiment the log is certain: of its own variant everything is known, of another what it does alike
SELECT personalize.create_variant('recommend', 'mixed', '{"exploration": 0, "next_weight": 0, "overlap_power": 1, "trend_power": 0.6}');
SELECT personalize.create_variant('recommend', 'plain', '{"exploration": 0}');
SELECT personalize.set_default_variant('recommend', 'plain');
CREATE TABLE shown AS
	SELECT n, 'u' || n AS id, r.rank, r.item_id, r.request_id::text AS request, '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute' AS at
	FROM generate_series(1, 60) n, personalize.recommend('u' || n, 4, as_of => '2026-03-05 10:00+00'::timestamptz + n * interval '1 minute') r;
CREATE PROCEDURE tell() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.track_impressions(id, request, array_agg(item_id::personalize.entity_id ORDER BY rank), ts => at) FROM shown GROUP BY id, request, at;
	-- some items are clicked on, on the upper places more often, and some of those bought
	PERFORM personalize.track(id, 'select_item', item_id, request_id => request, ts => at + interval '8 hours') FROM shown WHERE clicked(id, item_id, rank);
	PERFORM personalize.track(id, 'add_to_cart', item_id, request_id => request, ts => at + interval '9 hours') FROM shown WHERE clicked(id, item_id, rank) AND n % 2 = 0;
	PERFORM personalize.track(id, 'purchase', request_id => request, properties => jsonb_build_object('currency', 'EUR', 'items', jsonb_build_array(jsonb_build_object('item_id', item_id, 'price', n))),
		ts => at + interval '10 hours', message_id => format('%s buys %s of %s', id, item_id, request)) FROM shown WHERE clicked(id, item_id, rank) AND n % 4 = 0;
END
$$;
CREATE FUNCTION clicked(id text, item text, rank integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT (hashtext(id || item) & 1023) < 1024 * substr(item, 2)::integer / 15.0 / rank
$$;
CALL tell();
SELECT roll();
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05');
SELECT estimator, value, logged, reproduced, support, verdict FROM evaluated('recommend', 'mixed', '2026-03-05');
SELECT estimator, value IS NOT NULL AS told, support, verdict FROM evaluated('recommend', 'mixed', '2026-03-05', min_support => 0.2);

-- an experiment makes both possible everywhere
SELECT personalize.create_experiment('mix', 'recommend', '[{"name": "plain", "share": 0.25}, {"name": "mixed", "share": 0.75}]');
SELECT personalize.start_experiment('mix');
UPDATE personalize.experiment SET runs = '{[2026-03-06, 2026-03-08)}', slots_since = array_fill('2026-03-01'::timestamptz, ARRAY[cardinality(slots)]);
TRUNCATE shown;
INSERT INTO shown SELECT n, 'u' || n, r.rank, r.item_id, r.request_id::text, '2026-03-06 10:00+00'::timestamptz + n * interval '1 minute'
	FROM generate_series(1, 160) n, personalize.recommend('u' || n, 4, as_of => '2026-03-06 10:00+00'::timestamptz + n * interval '1 minute') r;
SELECT o.variant, count(DISTINCT n) FROM shown, personalize.request_origin(request::uuid) o GROUP BY 1 ORDER BY 1;
CALL tell();
SELECT roll();
SELECT * FROM evaluated('recommend', 'plain', '2026-03-06');
SELECT * FROM evaluated('recommend', 'mixed', '2026-03-06');
-- by hand, from what both variants answer; and what both would really have earned
CREATE TABLE by_hand AS
	SELECT s.n, s.rank, s.item_id, clicked(s.id, s.item_id, s.rank)::integer AS reward, v.variant AS evaluated,
		(SELECT sum(p.share) FROM (VALUES ('plain', 0.25), ('mixed', 0.75)) AS p (variant, share), personalize.recommend(s.id, 4, as_of => s.at - interval '1 microsecond', variant => p.variant) r
			WHERE r.rank = s.rank AND r.item_id = s.item_id) AS propensity,
		(SELECT r.item_id FROM personalize.recommend(s.id, 4, as_of => s.at - interval '1 microsecond', variant => v.variant) r WHERE r.rank = s.rank) AS choice
	FROM shown s, (VALUES ('plain'), ('mixed')) AS v (variant);
SELECT evaluated, round(avg((choice = item_id)::integer / propensity * reward), 4) AS ips,
		round(sum((choice = item_id)::integer / propensity * reward) / sum((choice = item_id)::integer / propensity), 4) AS snips,
		round(avg(clicked('u' || n, choice, rank)::integer), 4) AS truth
	FROM by_hand GROUP BY 1 ORDER BY 1;
SELECT v AS variant, e.estimator, t.truth BETWEEN e.low AND e.high AS holds, abs(e.value - t.truth) < 0.05 AS near
	FROM unnest('{plain,mixed}'::text[]) v, evaluated('recommend', v, '2026-03-06') e,
		LATERAL (SELECT avg(clicked('u' || n, choice, rank)::integer) AS truth FROM by_hand WHERE evaluated = v) t
	WHERE e.estimator <> 'dm' ORDER BY 1 DESC, 2;
-- other metrics; a weight that is cut
SELECT m AS metric, value, logged, lift, rounds FROM unnest('{"\"carts\"","\"purchases\"","\"conversion\"","{\"metric\": \"revenue\", \"currency\": \"EUR\"}","{\"metric\": \"revenue\", \"currency\": \"USD\"}","{\"metric\": \"found\", \"top_k\": 1}","{\"metric\": \"clicks\", \"direction\": \"down\"}"}'::jsonb[]) m,
	evaluated('recommend', 'plain', '2026-03-06', m::text) WHERE estimator = 'ips';
SELECT round(avg(CASE WHEN n % 4 = 0 THEN least(n, (SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY n) FROM by_hand WHERE evaluated = 'plain' AND reward = 1 AND n % 4 = 0)) * reward * (choice = item_id)::integer / propensity ELSE 0 END), 4) AS revenue
	FROM by_hand WHERE evaluated = 'plain';
SELECT estimator, value, clipped, ess FROM evaluated('recommend', 'plain', '2026-03-06', clip => 2);
-- a sample is drawn by people, and always the same
SELECT a.users < 160 AND a.rounds = 80 AS part, a.value = b.value AS same FROM evaluated('recommend', 'plain', '2026-03-06', max_requests => 20) a
	JOIN evaluated('recommend', 'plain', '2026-03-06', max_requests => 20) b USING (estimator) WHERE estimator = 'ips';
-- who is restricted is not counted, nor who is forgotten
SELECT personalize.restrict('u7');
SELECT count(*) FROM personalize_internal._logged_impressions('recommend', '2026-03-06', '2026-03-07', 1000, personalize_internal._read_metric('"clicks"')) WHERE user_key = personalize.user_key('u7');
SELECT personalize.lift_restriction('u7');
SELECT count(*) FROM personalize.forget('u8');
SELECT count(*) FILTER (WHERE user_key = personalize.user_key('u8')) AS u8, count(*) FILTER (WHERE user_key = personalize.user_key('u7')) AS u7
	FROM personalize_internal._logged_impressions('recommend', '2026-03-06', '2026-03-07', 1000, personalize_internal._read_metric('"clicks"'));
-- what was shown otherwise than the engine answers, with arguments of its own, is not evaluated
SELECT count(personalize.track_impressions('u' || n, r.request, ARRAY['i9', 'i10', 'i11', 'i12'], ts => '2026-03-07 10:00+00'::timestamptz + n * interval '1 minute'))
	FROM generate_series(11, 60) n, LATERAL (SELECT request_id::text AS request FROM personalize.recommend('u' || n, 4, as_of => '2026-03-07 10:00+00'::timestamptz + n * interval '1 minute') LIMIT 1) r;
SELECT roll();
SELECT estimator, value, reproduced < 0.5 AS other, verdict LIKE 'cannot tell: only % % of what was shown is what the engine answers as of then' AS said FROM evaluated('recommend', 'plain', '2026-03-07');

-- nor what a variant has had a part in that cannot be asked any more
SELECT personalize.stop_experiment('mix');
SELECT personalize.retire_variant('recommend', 'mixed');
SELECT estimator, value, reproduced, verdict FROM evaluated('recommend', 'plain', '2026-03-06') WHERE estimator = 'dr';

-- homepage: modules on shelves, with the propensity of the request_id
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items)
	SELECT 'test', m, m, 'editorial', jsonb_build_object('items', jsonb_build_array('i' || n, 'i' || n + 1, 'i' || n + 2)), 3
	FROM (VALUES ('a', 1), ('b', 4), ('c', 7), ('d', 10)) AS t (m, n);
-- one that never has enough
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items) VALUES ('test', 'e', 'e', 'editorial', '{"items": ["i1", "none"]}', 3);
CREATE TABLE page AS
	SELECT n, 'u' || n AS id, h.shelf, h.module, h.request_id::text AS request, array_agg(h.item_id::personalize.entity_id ORDER BY h.rank) AS items,
		'2026-03-10 10:00+00'::timestamptz + n * interval '1 minute' AS at
	FROM generate_series(11, 200) n, personalize.homepage('u' || n, 'test', 3, as_of => '2026-03-10 10:00+00'::timestamptz + n * interval '1 minute') h
	GROUP BY n, h.shelf, h.module, h.request_id;
SELECT count(personalize.track_impressions(id, request, items, ts => at + shelf * interval '1 second')) FROM page;
SELECT count(personalize.track(id, 'select_item', items[1], request_id => request, ts => at + interval '1 minute')) FROM page
	WHERE module = 'b' AND n % 2 = 0 OR module = 'd' AND n % 5 = 0;
SELECT roll();
-- where several modules have too few items, some of which were tried and some were not: of two that have enough each had a half
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items)
	SELECT 'scarce', m, m, 'editorial', jsonb_build_object('items', CASE WHEN m IN ('a', 'b') THEN ARRAY['i' || n, 'i' || n + 1] ELSE ARRAY['i' || n] END), 2
	FROM (VALUES ('a', 1), ('b', 4), ('c', 7), ('d', 10), ('e', 2), ('f', 5)) AS t (m, n);
CREATE TABLE scarce AS
	SELECT n, 'u' || n AS id, h.module, h.request_id::text AS request, array_agg(h.item_id::personalize.entity_id ORDER BY h.rank) AS items,
		'2026-03-12 10:00+00'::timestamptz + n * interval '1 minute' AS at
	FROM generate_series(11, 200) n, personalize.homepage('u' || n, 'scarce', 1, as_of => '2026-03-12 10:00+00'::timestamptz + n * interval '1 minute') h
	GROUP BY n, h.module, h.request_id;
SELECT count(personalize.track_impressions(id, request, items, ts => at + interval '1 second')) FROM scarce;
SELECT roll();
SELECT count(DISTINCT round(o.propensity::numeric, 2)) > 3 AS ids_say_other, min(o.propensity) < 0.25 AS less FROM scarce s, personalize.request_origin(s.request::uuid) o;
-- (of two people only one has enough items that they have not bought)
SELECT count(*), count(*) FILTER (WHERE propensity BETWEEN 0.48 AND 0.52) AS halves, count(*) FILTER (WHERE propensity = 1) AS certain
	FROM personalize_internal._page_rounds('homepage', 'shipped', '2026-03-12', '2026-03-13', 1000, personalize_internal._read_metric('"clicks"'));
DROP TABLE scarce;
-- of its own variant: each shelf weighs about 1
SELECT estimator, value, logged, rounds, users, reproduced, support, mean_weight, verdict FROM evaluated('homepage', 'shipped', '2026-03-10');
-- without b: what it is worth
SELECT personalize.create_variant('homepage', 'as before');
SELECT personalize.create_variant('homepage', 'without b');
UPDATE personalize.page_module SET variants = '{shipped,as before}' WHERE module = 'b';
SELECT a.estimator, abs(a.value - a.logged) < 0.02 AS as_before, b.value < a.value - 0.04 AS less, b.support
	FROM evaluated('homepage', 'as before', '2026-03-10') a JOIN evaluated('homepage', 'without b', '2026-03-10') b USING (estimator);
-- a module that the log has never shown
INSERT INTO personalize.page_module (page, module, title, source, arguments, variants, pinned_shelf) VALUES ('test', 'new', 'new', 'editorial', '{"items": ["i1", "i2", "i3"]}', '{without b}', 1);
SELECT estimator, value IS NULL AS refused, support < 0.9 AS unsupported, verdict ~ '^(no support|a guess)' AS said FROM evaluated('homepage', 'without b', '2026-03-10');

-- nothing is written
BEGIN READ ONLY;
SELECT count(*) FROM personalize.evaluate_policy('homepage', 'shipped', '2026-03-10', '2026-03-11', max_requests => 5);
SELECT count(*) FROM personalize.evaluate_policy('recommend', 'plain', '2026-03-05', '2026-03-06', max_requests => 5);
SELECT count(*) FROM personalize.replay('recommend', 'plain', '2026-03-01', '2026-03-02', max_sessions => 5);
SELECT count(*) > 0 AS shown FROM personalize.show_as_of('u11', (SELECT request::uuid FROM shown WHERE id = 'u11' LIMIT 1));
COMMIT;

-- errors
SELECT * FROM evaluated(NULL, 'plain', '2026-03-05');
SELECT * FROM evaluated('recomend', 'plain', '2026-03-05');
SELECT * FROM evaluated('recommend', 'plan', '2026-03-05');
SELECT * FROM evaluated('similar_items', 'shipped', '2026-03-05');
SELECT * FROM evaluated('recommend', 'plain', '2025-03-05');
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05', '"clics"');
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05', '"revenue"');
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05', '{"metric": "clicks", "what": 1}');
SELECT * FROM evaluated('recommend', 'plain', 'infinity');
SELECT * FROM personalize.evaluate_policy('recommend', 'plain', '2026-03-05', '2026-03-04');
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05', clip => 0.5);
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05', clip => 'NaN');
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05', min_support => 1.5);
SELECT * FROM evaluated('recommend', 'plain', '2026-03-05', max_requests => 0);
SET ROLE personalize_app;
SELECT * FROM personalize.evaluate_policy('recommend', 'plain');
SET ROLE personalize_analyst;
SELECT * FROM personalize.evaluate_policy('recommend', 'plain');
SET ROLE personalize_admin;
SELECT count(*) FROM personalize.evaluate_policy('recommend', 'plain', '2026-03-05', '2026-03-06', max_requests => 5);
SELECT count(*) FROM personalize.evaluate_policy('homepage', 'shipped', '2026-03-10', '2026-03-11', max_requests => 5);
RESET ROLE;
DROP PROCEDURE tell();
DROP FUNCTION roll(), evaluated(text, text, text, text, float8, float8, integer), clicked(text, text, integer);
DROP TABLE shown, by_hand, page;

-- Segments as the audience of rules, of modules of pages and of experiments.
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
INSERT INTO personalize.item (item_id, category, brand) SELECT i, 'c' || i % 3, 'b' || i % 2 FROM generate_series(1, 30) i;
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization,recommendations}')) FROM generate_series(0, 399) n;
SELECT personalize.create_segment('fans', 'interest_category[''c1''] count >= 3') > 0 AS made;
-- every second one is a fan
SELECT now() AS t0 \gset
SELECT count(personalize.track('u' || n, 'view_item', CASE n % 2 WHEN 0 THEN 1 + 3 * k ELSE 2 + 3 * k END::text, ts => :'t0'::timestamptz - k * interval '1 minute'))
FROM generate_series(0, 399) n, generate_series(0, 3) k;
SELECT count(*) FILTER (WHERE personalize.in_segment('u' || n, 'fans', 'personalization')) AS fans FROM generate_series(0, 9) n;

-- a rule for them, alone and with a jsonpath
INSERT INTO personalize.rule (name, kind, items, place, segment) VALUES ('for fans', 'pin', '{30}', 1, 'fans');
SELECT n, (SELECT item_id = '30' FROM personalize.recommend('u' || n, 5) WHERE rank = 1) AS pinned FROM generate_series(0, 3) n ORDER BY 1;
UPDATE personalize.rule SET audience = '$.interest_category[*] ? (@.value == "c2")' WHERE name = 'for fans';
SELECT count(*) AS pinned FROM generate_series(0, 3) n, personalize.recommend('u' || n, 5) r WHERE r.rank = 1 AND r.item_id = '30';
UPDATE personalize.rule SET audience = '$.interest_category[*] ? (@.value == "c1")' WHERE name = 'for fans';
SELECT count(*) AS pinned FROM generate_series(0, 3) n, personalize.recommend('u' || n, 5) r WHERE r.rank = 1 AND r.item_id = '30';
-- not for whom it may not be known of
SELECT count(personalize.withdraw_consent('u0', '{personalization}'));
SELECT count(*) AS pinned FROM personalize.recommend('u0', 5) r WHERE r.rank = 1 AND r.item_id = '30';
SELECT count(personalize.grant_consent('u0', '{analytics,personalization,recommendations}'));
-- in the past for who was in it then
SELECT s AS seconds, (SELECT item_id = '30' FROM personalize.recommend('u2', 5, as_of => :'t0'::timestamptz - s * interval '1 second') WHERE rank = 1) AS pinned
FROM unnest(ARRAY[1, 59, 61, 119, 121, 3600]) s;
SELECT count(*) AS pinned FROM personalize.recommend(NULL, 5) r WHERE r.rank = 1 AND r.item_id = '30';
-- what there is not is said
INSERT INTO personalize.rule (name, kind, items, place, segment) VALUES ('nobody', 'pin', '{29}', 1, 'fan''s "club"');
SELECT count(*) AS pinned FROM personalize.recommend('u2', 5) r WHERE r.item_id = '29' AND r.reason LIKE 'rule%';
DELETE FROM personalize.rule;

-- a module
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items, segment) VALUES
	('club', 'fans', 'For fans', 'editorial', '{"items": [1, 2]}', 1, 'fans'),
	('club', 'all', 'For all', 'editorial', '{"items": [3, 4]}', 1, NULL);
SELECT n, (SELECT string_agg(DISTINCT module, ' ' ORDER BY module) FROM personalize.homepage('u' || n, 'club')) AS modules FROM generate_series(1, 2) n ORDER BY 1;
SELECT module, state FROM personalize.homepage_layout('u1', 'club') WHERE NOT placed;
UPDATE personalize.page_module SET segment = 'funs' WHERE module = 'fans';
SELECT count(*) FROM personalize.homepage('u2', 'club') WHERE module = 'fans';

-- segments of a page in the past are what the events of then say, also of those not counted yet
INSERT INTO personalize.page_segment (page, name, segment) VALUES ('club', 'inside', 'fans');
SELECT personalize.track('u' || n, 'view_item', '1', ts => :'t0'::timestamptz - n * interval '20 seconds') FROM generate_series(1, 3) n;
SELECT count(*) AS asked, count(*) FILTER (WHERE l.segment = 'inside') AS inside, bool_and((l.segment = 'inside') = (e.views >= 3)) AS right
FROM generate_series(1, 20) n, generate_series(0, 240, 15) s,
	LATERAL (SELECT DISTINCT segment FROM personalize.homepage_layout('u' || n, 'club', as_of => :'t0'::timestamptz - s * interval '1 second')) l,
	LATERAL (SELECT count(*) FILTER (WHERE item_key % 3 = 1) AS views FROM personalize.event
		WHERE user_key = personalize.user_key('u' || n) AND ts <= :'t0'::timestamptz - s * interval '1 second') e;

-- so are sequences
SELECT personalize.create_segment('deciders', 'view_item -> add_to_cart within 30 minutes') > 0 AS made;
UPDATE personalize.page_segment SET segment = 'deciders';
SELECT count(personalize.grant_consent('dan', '{analytics,personalization,recommendations}')), count(personalize.track('dan', e, '2', ts => :'t0'::timestamptz - m * interval '1 minute'))
FROM (VALUES ('view_item', 300), ('add_to_cart', 200), ('view_item', 100), ('add_to_cart', 80)) v (e, m);
SELECT m AS minutes, (SELECT DISTINCT segment FROM personalize.homepage_layout('dan', 'club', as_of => :'t0'::timestamptz - m * interval '1 minute')) AS segment
FROM unnest(ARRAY[310, 290, 190, 90, 70]) m;
DELETE FROM personalize.page_segment;
SELECT personalize.drop_segment('deciders');

-- an experiment: who is in the segment when they are answered takes part
SELECT personalize.create_experiment('club', 'recommend', '["shipped", {"name": "varied", "parameters": {"diversity": 0.4}}]', segment => 'funs');
SELECT personalize.create_experiment('club', 'recommend', '["shipped", {"name": "varied", "parameters": {"diversity": 0.4}}]', segment => 'fans',
	metrics => '["clicks"]');
SELECT personalize.start_experiment('club');
SELECT n % 2 = 0 AS fan, a.reason, count(a.variant) AS assigned, count(*) AS people FROM generate_series(0, 399) n, personalize.assignment_of('u' || n) a GROUP BY 1, 2 ORDER BY 1, 2;
SELECT reason FROM personalize.assignment_of('u2', now() - interval '1 day');
SELECT clock_timestamp() AS t1 \gset
SELECT count(personalize.grant_consent('late', '{analytics,personalization,recommendations}')), count(personalize.track('late', 'view_item', '1', message_id => 'later ' || n)) FROM generate_series(1, 3) n;
SELECT reason = 'not in segment' AS now FROM personalize.assignment_of('late');
SELECT reason = 'not in segment' AS then FROM personalize.assignment_of('late', :'t1');
SELECT reason = 'not in segment' AS then FROM personalize.assignment_of('u2', :'t1');
SELECT personalize.drop_segment('fans');
-- everybody is shown something; of those who are not fans the default, which is the control's, is not counted
SELECT count(personalize.track_impressions('u' || n, r.request_id::text, ARRAY[r.item_id]))
FROM generate_series(0, 399) n, LATERAL (SELECT * FROM personalize.recommend('u' || n, 1)) r;
SELECT count(personalize.track('u' || n, 'select_item', r.item_id)) FROM generate_series(0, 399, 3) n, personalize.recommend('u' || n, 1) r;
SELECT roll();
SELECT r.variant, r.users = (SELECT count(*) FROM generate_series(0, 399, 2) n, personalize.assignment_of('u' || n) a WHERE a.variant = r.variant) AS users_are_fans,
	r.users = r.exposures AS once, r.sample_ratio_p > 0.001 AS even, r.warnings FROM personalize.experiment_results('club') r ORDER BY 1;
-- what an answer was made by shows nothing of it
SELECT o.engine, o.variant FROM personalize.recommend('u1', 1) r, personalize.request_origin(r.request_id) o;
-- who is forced need not be in it
SELECT personalize.force_variant('u1', 'club', 'varied');
SELECT variant, reason FROM personalize.assignment_of('u1');
SELECT personalize.stop_experiment('club');
SELECT personalize.drop_segment('fans');
SELECT count(*) FROM personalize.experiment_results('club');
DROP EXTENSION personalize CASCADE;
DROP FUNCTION roll;

-- rebuild: what a processor has counted is counted anew while it is in use
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SET TimeZone = 'UTC';
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour']) AS p;
-- 60 people, each with a session of 5 of 30 items, and a purchase
SELECT count(personalize.track('u' || u, CASE WHEN k = 4 THEN 'purchase' ELSE 'view_item' END, 'i' || (u * 7 + k * (1 + u % 3)) % 30,
	'{"value": 2, "currency": "EUR"}', ts => timestamptz '2020-01-01 10:00+00' + u * interval '1 minute' + k * interval '1 second',
	consent => '{analytics,personalization,recommendations}'))
FROM generate_series(1, 60) AS u, generate_series(0, 4) AS k;
CREATE FUNCTION public.roll() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour']) AS p;
	SELECT sum(r.events) FROM personalize.rollup_now() AS r;
$$;
CREATE FUNCTION pause() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour']) AS p;
$$;
SELECT roll(), pause();
CREATE VIEW held AS
	SELECT t.name, personalize.state_hash(t.name, '2021-01-01') AS hash FROM unnest(ARRAY['profile', 'item_stat', '_basket', 'session', 'posting', '_pair_list', '_session_total']) AS t (name);
CREATE VIEW answer AS
	SELECT u, r.item_id::text AS item, r.reason FROM generate_series(1, 60) AS u, personalize.recommend('u' || u, 10) AS r;
CREATE TEMP TABLE before AS SELECT * FROM held;
CREATE TEMP TABLE answered AS SELECT * FROM answer;
CREATE TEMP TABLE featured AS SELECT u, f.* FROM generate_series(1, 60) AS u, personalize.features('u' || u, as_of => '2030-01-01') AS f;

-- asked for: nothing has gone yet
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['profile', 'item_stat']) AS p;
SELECT task, subject, pid, done, total, unit, percent, time_left FROM personalize.stat_progress ORDER BY 2;
SELECT processor, waiting, rebuilding, rebuilding_since IS NOT NULL AS since FROM personalize.stat_processor;
SELECT name FROM before EXCEPT SELECT b.name FROM before AS b JOIN held AS h USING (name, hash);
SELECT count(*) FROM (TABLE answer EXCEPT TABLE answered) AS d;
SELECT count(*) FROM ((SELECT u, signal, value, count FROM featured) EXCEPT
	(SELECT u, f.signal, f.value, f.count FROM generate_series(1, 60) AS u, personalize.features('u' || u, as_of => '2030-01-01') AS f)) AS d;
-- somebody is forgotten, and somebody comes, while it waits
SELECT personalize.forget('u7') IS NOT NULL AS forgotten;
SELECT personalize.track('new', 'view_item', 'i3', consent => '{analytics,personalization,recommendations}');
SELECT roll() > 0 AS rolled, pause();
SELECT count(*) FROM personalize.stat_progress;
SELECT processor, waiting, rebuilding, rebuilding_since FROM personalize.stat_processor;
SELECT processor, what, wrong FROM personalize.verify_counts();
-- what is wrong, or cannot be read, is put right
CREATE TEMP TABLE now_held AS SELECT * FROM held;
UPDATE personalize.item_stat SET count = count + 1 WHERE item_key = personalize.item_key('i3');
DELETE FROM personalize.item_stat WHERE item_key = personalize.item_key('i4');
UPDATE personalize.profile SET recent = '\x02' WHERE user_key = personalize.user_key('u3');
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['profile', 'item_stat']) AS p;
SELECT roll() > 0 AS rolled, pause();
SELECT name FROM now_held EXCEPT SELECT b.name FROM now_held AS b JOIN held AS h USING (name, hash);
SELECT processor, what, wrong FROM personalize.verify_counts();
-- baskets of the restricted are not counted, and come back with them
SELECT personalize.restrict('u5');
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['profile', 'item_stat']) AS p;
SELECT roll() > 0 AS rolled;
SELECT personalize.lift_restriction('u5');
SELECT roll() >= 0 AS rolled, pause();
SELECT name FROM now_held WHERE name IN ('profile', 'item_stat', '_basket') EXCEPT SELECT b.name FROM now_held AS b JOIN held AS h USING (name, hash);

-- a person whose row cannot be read is forgotten, and may withdraw: what raw events allow is counted again
UPDATE personalize.profile SET recent = '\x02' WHERE user_key IN (personalize.user_key('u11'), personalize.user_key('u12'), personalize.user_key('u13'));
SELECT personalize.forget('u11') IS NOT NULL AS forgotten;
SELECT personalize.withdraw_consent('u12', '{personalization}');
SELECT personalize.withdraw_consent('u13', '{analytics,personalization,recommendations}');
SELECT count(*) FROM personalize.profile WHERE user_key = personalize.user_key('u11');
SELECT count(*) > 0 AS recent FROM personalize.recent('u12', purpose => 'recommendations');
SELECT processor, what, wrong FROM personalize.verify_counts() WHERE processor <> 'neighbour';

-- neighbours begin from nothing, but what goes next to an item stays until it is made anew
CREATE TEMP TABLE neighbours_held AS SELECT * FROM held WHERE name IN ('session', 'posting', '_pair_list', '_session_total');
CREATE TEMP TABLE next_to AS SELECT i, s.item_id::text AS item FROM generate_series(0, 29) AS i, personalize.similar_items('i' || i, 5) AS s;
SET personalize.batch_events = 100;
SELECT personalize.rebuild_processor('neighbour');
SELECT subject, done, total > 100 AS some, unit, percent, time_left FROM personalize.stat_progress;
SELECT count(*) > 0 AS some, 3 * count(n.item) > 2 * count(*) AS most FROM next_to AS x
	LEFT JOIN (SELECT i, s.item_id::text AS item FROM generate_series(0, 29) AS i, personalize.similar_items('i' || i, 5) AS s) AS n USING (i, item);
SELECT split_part(reason, ':', 1) AS reason, count(*) > 500 AS many FROM answer GROUP BY 1 ORDER BY 1;
SELECT roll() > 0 AS rolled, pause();
SELECT count(*) FROM personalize.stat_progress;
SELECT name FROM neighbours_held EXCEPT SELECT b.name FROM neighbours_held AS b JOIN held AS h USING (name, hash);
RESET personalize.batch_events;
-- where one batch is enough, nothing goes before it is made anew
CREATE TEMP TABLE answered_before AS SELECT * FROM answer;
SELECT personalize.rebuild_processor('neighbour');
SELECT subject, done, total, unit FROM personalize.stat_progress;
SELECT count(*) FROM ((TABLE answer EXCEPT TABLE answered_before) UNION ALL (TABLE answered_before EXCEPT TABLE answer)) AS d;
SELECT roll() > 0 AS rolled, pause();
SELECT count(*) FROM personalize.stat_progress;
SELECT count(*) FROM ((TABLE answer EXCEPT TABLE answered_before) UNION ALL (TABLE answered_before EXCEPT TABLE answer)) AS d;
SELECT name FROM neighbours_held EXCEPT SELECT b.name FROM neighbours_held AS b JOIN held AS h USING (name, hash);
-- a session that cannot be read goes from the lists it was in
UPDATE personalize.session SET items = '\x03' WHERE user_key IN (personalize.user_key('u21'), personalize.user_key('u22'));
SELECT personalize.forget('u21') IS NOT NULL AS forgotten;
SELECT personalize.withdraw_consent('u22', '{recommendations}');
SELECT count(*) FROM personalize.session WHERE user_key IN (personalize.user_key('u21'), personalize.user_key('u22'));
SELECT what, wrong FROM personalize.verify_counts() WHERE processor = 'neighbour';
-- an item that nobody views any more is in no list
SELECT personalize.track('last', 'view_item', x, consent => '{recommendations}') FROM unnest('{only,i1}'::text[]) AS x;
SELECT roll() > 0 AS rolled, pause();
SELECT count(*) FROM personalize._pair_list WHERE item_key = personalize.item_key('only');
SET personalize.batch_events = 100;
SELECT personalize.rebuild_processor('neighbour');
SELECT personalize.forget('last') IS NOT NULL AS forgotten;
SELECT roll() > 0 AS rolled, pause();
SELECT count(*) FROM personalize._pair_list WHERE item_key = personalize.item_key('only');

-- nothing has been counted: nothing is to do
SET client_min_messages = warning; DROP EXTENSION personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour']) AS p;
SELECT count(*) FILTER (WHERE percent < 100) FROM personalize.stat_progress;
SELECT personalize.rebuild_processor('nobody');
SELECT personalize.rebuild_processor(NULL);
DROP FUNCTION public.roll, pause;
SET client_min_messages = warning; DROP EXTENSION personalize CASCADE;

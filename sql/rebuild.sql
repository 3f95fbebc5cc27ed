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

-- neighbours are counted anew by shards of people's keys: after each part everybody is answered what they were
CREATE TABLE neighbours_held AS SELECT t.name, personalize.state_hash(t.name, '2021-01-01') AS hash
	FROM unnest(ARRAY['session', 'posting', '_pair_list', '_session_total', '_session_day', '_session_repeat']) AS t (name);
CREATE VIEW neighbours_now AS SELECT n.name, personalize.state_hash(n.name, '2021-01-01') AS hash FROM neighbours_held AS n;
CREATE TABLE answered_before AS SELECT * FROM answer;
CREATE TABLE next_to AS SELECT i, s.item_id::text AS item, s.rank FROM generate_series(0, 29) AS i, personalize.similar_items('i' || i, 5) AS s;
CREATE TABLE stopped (done bigint, answers bigint, differ bigint, next_to bigint, tables bigint);
CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO public.stopped SELECT 64 - (SELECT count(*) FROM personalize._rebuild), (SELECT count(*) FROM public.answer),
		(SELECT count(*) FROM ((TABLE public.answer EXCEPT TABLE public.answered_before) UNION ALL (TABLE public.answered_before EXCEPT TABLE public.answer)) AS d),
		(SELECT count(*) FROM (SELECT i, s.item_id::text AS item, s.rank FROM generate_series(0, 29) AS i, personalize.similar_items('i' || i, 5) AS s
			EXCEPT TABLE public.next_to) AS d),
		(SELECT count(*) FROM (TABLE public.neighbours_held EXCEPT TABLE public.neighbours_now) AS d);
	RETURN NULL;
END
$$;
CREATE TRIGGER stop AFTER DELETE ON personalize._rebuild FOR EACH STATEMENT EXECUTE FUNCTION public.stop();
SET personalize.batch_events = 50;
SELECT personalize.rebuild_processor('neighbour');
SELECT subject, done, total, unit, percent, time_left FROM personalize.stat_progress;
SELECT processor, waiting, rebuilding FROM personalize.stat_processor WHERE processor = 'neighbour';
SELECT name FROM neighbours_held EXCEPT SELECT n.name FROM neighbours_now AS n JOIN neighbours_held AS h USING (name, hash);
SELECT roll() > 0 AS rolled, pause();
SELECT count(*) > 5 AS stops, min(answers) = (SELECT count(*) FROM answered_before) AS whole, sum(differ) AS differ, sum(next_to) AS next_to FROM stopped;
SELECT DISTINCT done, tables FROM stopped WHERE done = 64;
SELECT count(*) FROM personalize.stat_progress;
SELECT name FROM neighbours_held EXCEPT SELECT n.name FROM neighbours_now AS n JOIN neighbours_held AS h USING (name, hash);
SELECT what, wrong FROM personalize.verify_counts() WHERE processor = 'neighbour';
DROP TRIGGER stop ON personalize._rebuild;
-- somebody comes and somebody is forgotten while it waits
SELECT personalize.rebuild_processor('neighbour');
SELECT personalize.forget('u9') IS NOT NULL AS forgotten;
SELECT personalize.track('comes', 'view_item', i, consent => '{analytics,personalization,recommendations}') FROM unnest('{i3,i4}'::text[]) AS i;
SELECT processor, waiting > rebuilding AS waits FROM personalize.stat_processor WHERE processor = 'neighbour';
SELECT roll() > 0 AS rolled, pause();
SELECT count(*) FROM personalize.session WHERE user_key IN (personalize.user_key('u9'), personalize.user_key('comes'));
SELECT what, wrong FROM personalize.verify_counts() WHERE processor = 'neighbour';
RESET personalize.batch_events;
-- whatever is wrong is put right: rows that are missing, too many, or cannot be read
DELETE FROM personalize.posting WHERE item_key = personalize.item_key('i1');
DELETE FROM personalize._pair_list WHERE item_key = personalize.item_key('i2');
UPDATE personalize.posting SET data = '\x01' WHERE item_key = personalize.item_key('i3');
INSERT INTO personalize._pair_list SELECT 42, data FROM personalize._pair_list LIMIT 1;
INSERT INTO personalize.posting SELECT 43, 1, data FROM personalize.posting WHERE item_key = personalize.item_key('i4') LIMIT 1;
DELETE FROM personalize.session WHERE user_key = personalize.user_key('u10');
UPDATE personalize.session SET items = '\x04' WHERE user_key = personalize.user_key('u11');
INSERT INTO personalize.session SELECT 44, session_key, ended, second_at, events, consent, given, items FROM personalize.session WHERE user_key = personalize.user_key('u12') LIMIT 1;
UPDATE personalize._session_total SET sessions = sessions + 5, entries = 3;
DELETE FROM personalize._session_day;
UPDATE personalize._session_repeat SET hits = '{1}';
SELECT personalize.rebuild_processor('neighbour');
SELECT roll() > 0 AS rolled, pause();
SELECT what, wrong FROM personalize.verify_counts() WHERE processor = 'neighbour';
-- a session that cannot be read goes from the lists it was in
UPDATE personalize.session SET items = '\x04' WHERE user_key IN (personalize.user_key('u21'), personalize.user_key('u22'));
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

-- profiles, item statistics and exposures: after each part every view has what it had, though parts count people together
SET client_min_messages = warning; DROP EXTENSION personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- rows are compared as texts, also in batches, which have settings of their own
SET extra_float_digits = 1;
SET IntervalStyle = 'postgres';
SET DateStyle = 'ISO';
SET personalize.min_query_people = 3;
CREATE FUNCTION public.roll_all() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	counted bigint;
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	SELECT sum(events) INTO counted FROM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	RETURN counted;
END
$$;
SELECT roll_all() >= 0 AS rolled;
INSERT INTO personalize.item (item_id, category) SELECT 'i' || i, 'c' || i % 4 FROM generate_series(0, 19) AS i;
SELECT count(personalize.grant_consent('u' || u, '{analytics,personalization,recommendations}')) FROM generate_series(1, 60) AS u;
SELECT personalize.create_experiment('mix', 'recommend', '["shipped", {"name": "varied", "parameters": {"diversity": 0.4}}]',
	metrics => '["conversion", {"metric": "revenue", "currency": "EUR", "users": 1000}, "clicks"]');
SELECT personalize.start_experiment('mix');
UPDATE personalize.experiment SET runs = tstzmultirange(tstzrange(now() - interval '10 days', NULL));
CREATE TABLE shopper AS
	SELECT u, 'u' || u AS id, date_trunc('day', now(), 'UTC') - (1 + u % 5) * interval '1 day' + interval '10 hours' AS at,
		(SELECT r.request_id::text FROM personalize.recommend('u' || u, 1) AS r) AS request,
		(SELECT min(h.request_id::text) FROM personalize.homepage('u' || u) AS h WHERE h.shelf = 1) AS shelf
	FROM generate_series(1, 60) AS u;
SELECT count(request), count(shelf) FROM shopper;
SELECT count(personalize.track_impressions(id, request, ARRAY['i' || u % 20, 'i' || (u + 1) % 20], ts => at)) FROM shopper;
SELECT count(personalize.track_impressions(id, shelf, ARRAY['i' || (u + 2) % 20], ts => at + interval '1 minute')) FROM shopper;
SELECT count(personalize.track_impressions(id, NULL, ARRAY['i' || u % 20, 'i' || (u + 3) % 20], query => (ARRAY['red', 'Blue hats', 'rare ' || u])[1 + u % 3], ts => at + interval '2 minutes')) FROM shopper;
SELECT count(personalize.track(id, 'select_item', 'i' || u % 20, ts => at + interval '3 minutes')) FROM shopper WHERE u % 2 = 0;
SELECT count(personalize.track(id, 'select_item', 'i' || (u + 2) % 20, request_id => shelf, ts => at + interval '3 minutes')) FROM shopper WHERE u % 3 = 0;
SELECT count(personalize.track(id, 'purchase', 'i' || (u + 1) % 20, '{"value": 3, "currency": "EUR"}', ts => at + interval '4 minutes')) FROM shopper WHERE u % 4 = 0;
-- one names a page of which nothing was tracked
SELECT personalize.track('u1', 'select_item', 'i7', request_id => (SELECT r.request_id::text FROM personalize.recommend('u1', 1) AS r));
SELECT roll_all() > 0 AS rolled;
CREATE VIEW shown_to_all AS
	SELECT 'answer' AS what, to_jsonb(v) AS value FROM personalize.answer_performance AS v
	UNION ALL SELECT 'search', to_jsonb(v) FROM personalize.search_performance AS v
	UNION ALL SELECT 'item', to_jsonb(v) FROM personalize.item_performance AS v
	UNION ALL SELECT 'feature', to_jsonb(v) FROM personalize.profile_feature AS v
	UNION ALL SELECT 'experiment', to_jsonb(v) - 'days' FROM personalize.experiment_results('mix') AS v
	UNION ALL SELECT 'page', to_jsonb(v) - 'request_id' FROM (SELECT s.id, h.shelf, h.module, h.item_id, h.rank FROM public.shopper AS s,
		personalize.homepage(s.id, as_of => s.at + interval '9 days') AS h WHERE s.u <= 2) AS v;
CREATE VIEW held_of_all AS
	SELECT t.name, personalize.state_hash(t.name, '2021-01-01') AS hash
	FROM unnest(ARRAY['profile', 'item_stat', '_basket', 'exposure', 'exposure_outcome', 'engine_stat', 'search_stat', '_attraction', '_searcher', 'search_query']) AS t (name);
CREATE TABLE shown_before AS TABLE shown_to_all;
CREATE TABLE held_before AS TABLE held_of_all;
SELECT what, count(*) > 0 AS some FROM shown_before GROUP BY 1 ORDER BY 1;
CREATE TABLE stopped_at (processor smallint, left_of_it bigint, differ bigint);
CREATE FUNCTION public.stop_all() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO public.stopped_at SELECT g.processor, (SELECT count(*) FROM personalize._rebuild AS r WHERE r.processor = g.processor),
		(SELECT count(*) FROM ((TABLE public.shown_to_all EXCEPT ALL TABLE public.shown_before) UNION ALL (TABLE public.shown_before EXCEPT ALL TABLE public.shown_to_all)) AS d)
	FROM (SELECT DISTINCT o.processor FROM gone AS o) AS g;
	RETURN NULL;
END
$$;
CREATE TRIGGER stop AFTER DELETE ON personalize._rebuild REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.stop_all();
SET personalize.batch_events = 40;
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'exposure']) AS p;
SELECT subject, done, total, unit FROM personalize.stat_progress ORDER BY 1;
SELECT roll_all() > 0 AS rolled;
SELECT p.name, count(*) AS stops, min(s.left_of_it) AS left_of_it, sum(s.differ) AS differ FROM stopped_at AS s JOIN personalize.processor AS p USING (processor) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.stat_progress;
SELECT processor, what, wrong FROM personalize.verify_counts() WHERE processor <> 'neighbour';
SELECT name FROM held_before EXCEPT SELECT t.name FROM held_before AS t JOIN held_of_all AS h USING (name, hash);
DROP TRIGGER stop ON personalize._rebuild;
-- the rows of who is restricted come back with the person
SELECT personalize.restrict('u8', '{analytics}') \g /dev/null
SELECT personalize.rebuild_processor('exposure');
SELECT roll_all() > 0 AS rolled;
SELECT personalize.lift_restriction('u8', '{analytics}') \g /dev/null
SELECT roll_all() >= 0 AS rolled;
SELECT name FROM held_before EXCEPT SELECT t.name FROM held_before AS t JOIN held_of_all AS h USING (name, hash);
-- whatever is wrong is put right, in rows and in counters
DELETE FROM personalize.exposure WHERE user_key = personalize.user_key('u2');
UPDATE personalize.exposure SET slot = slot + 1, reason = 999 WHERE user_key = personalize.user_key('u3');
DELETE FROM personalize.exposure_outcome WHERE user_key = personalize.user_key('u4');
UPDATE personalize.exposure_outcome SET attributed_to = 42 WHERE user_key = personalize.user_key('u12');
INSERT INTO personalize.exposure SELECT 77, request_key, item_key, shown_at, request_origin, query_key, slot, reason FROM personalize.exposure WHERE user_key = personalize.user_key('u5');
UPDATE personalize.engine_stat SET shown = shown + 1, amount = amount + 7 WHERE shown > 1;
DELETE FROM personalize.engine_stat WHERE currency_code <> 0;
INSERT INTO personalize.engine_stat SELECT engine, variant, module, reason, place_bucket, day + 1, 99, 1, 1, 1, 1, 1, 1 FROM personalize.engine_stat LIMIT 1;
DELETE FROM personalize.search_stat WHERE item_key = personalize.item_key('i3');
UPDATE personalize.search_stat SET clicked = clicked + 3 WHERE item_key = personalize.item_key('i6');
UPDATE personalize._attraction SET shown = '{{1,2},{3,4}}' WHERE item_key = personalize.item_key('i6');
INSERT INTO personalize._attraction VALUES (42, 42, '{1}', '{}');
UPDATE personalize._searcher SET requests = requests + 1 WHERE user_key = personalize.user_key('u6');
DELETE FROM personalize._searcher WHERE user_key = personalize.user_key('u7');
INSERT INTO personalize._searcher VALUES (42, 42, 1);
UPDATE personalize.search_query SET people = people + 1, query = 'what was not searched' WHERE query = 'red';
DELETE FROM personalize.search_query WHERE query = 'blue hats';
INSERT INTO personalize.search_query VALUES (43, 'nobody', 9);
SELECT what, wrong > 0 AS wrong FROM personalize.verify_counts() WHERE processor = 'exposure';
SELECT personalize.rebuild_processor('exposure');
SELECT roll_all() > 0 AS rolled;
SELECT name FROM held_before EXCEPT SELECT t.name FROM held_before AS t JOIN held_of_all AS h USING (name, hash);
SELECT what, wrong FROM personalize.verify_counts() WHERE processor = 'exposure';
-- what was shown too long ago is not counted any more, and the counters of then stay
CREATE TABLE counted_then AS SELECT * FROM personalize.answer_performance;
SELECT personalize.set_retention('exposure', '3 days');
SELECT kind, what, removed > 0 AS removed, result FROM personalize.apply_retention() WHERE kind = 'exposure';
SELECT personalize.rebuild_processor('exposure');
SELECT roll_all() > 0 AS rolled;
SELECT count(*) FROM ((TABLE counted_then EXCEPT SELECT * FROM personalize.answer_performance) UNION ALL (SELECT * FROM personalize.answer_performance EXCEPT TABLE counted_then)) AS d;
SELECT min(shown_at) >= now() - interval '4 days' AS young FROM personalize.exposure;
SELECT what, wrong FROM personalize.verify_counts() WHERE processor = 'exposure';
RESET personalize.batch_events;
RESET personalize.min_query_people;

-- nothing has been counted: nothing is to do
SET client_min_messages = warning; DROP EXTENSION personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
SELECT count(*) FILTER (WHERE percent < 100) FROM personalize.stat_progress;
SELECT personalize.rebuild_processor('nobody');
SELECT personalize.rebuild_processor(NULL);
DROP FUNCTION public.roll, pause, public.stop, public.roll_all, public.stop_all;
DROP TABLE stopped, next_to, answered_before, shopper, shown_before, held_before, stopped_at, counted_then;
SET client_min_messages = warning; DROP EXTENSION personalize CASCADE;

SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- Which new item has a place changes by the hour (explore.sql).
DO $$ BEGIN PERFORM personalize.create_variant('recommend', 'known only', '{"exploration": 0}'); PERFORM personalize.set_default_variant('recommend', 'known only'); END $$;
-- Scores depend on the age of sessions, so only their order is shown.
CREATE FUNCTION roll() RETURNS void LANGUAGE sql AS 'SELECT personalize.rollup_now()';

-- an empty shop: no rows, no error
SELECT count(*) FROM personalize.recommend('anyone');
SELECT count(*) FROM personalize.recommend(NULL);
SELECT count(*) FROM personalize.similar_items('nothing');
SELECT count(*) FROM personalize.trending();
SELECT count(*) FROM personalize.bought_together(ARRAY['nothing']);

-- a new shop: the newest items, and the reason says why
SELECT * FROM personalize.upsert_items('[
	{"item_id": 1, "category": "shoes", "brand": "A", "price": 10, "tags": ["red"], "created_at": "2026-01-01"},
	{"item_id": 2, "category": "shoes", "brand": "B", "price": 20, "size": 42, "created_at": "2026-01-02"},
	{"item_id": 3, "category": "shoes", "brand": "A", "price": 30, "created_at": "2026-01-03"},
	{"item_id": 4, "category": "hats", "brand": "A", "price": 40, "created_at": "2026-01-04"},
	{"item_id": 5, "category": "hats", "brand": "B", "price": 50, "created_at": "2026-01-05"},
	{"item_id": "hidden", "hidden": true}, {"item_id": "gone", "available": false}]');
SELECT rank, item_id, item_key, score, reason, explanation FROM personalize.recommend('anyone', 3);
SELECT count(DISTINCT request_id), bool_and(request_id::text ~ '^.{14}8.{4}[89ab]') AS version_8 FROM personalize.recommend('anyone');

-- twelve people who each looked at a few items in a row
SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations'])) FROM generate_series(100, 111) u;
SELECT count(personalize.track(u, 'view_item', item, session_id => 's', ts => date_trunc('hour', now(), 'UTC') - interval '1 day' + place * interval '1 minute'))
	FROM generate_series(100, 111) u,
		unnest(CASE WHEN u % 3 = 0 THEN ARRAY['1', '2', '3', 'gone'] WHEN u % 3 = 1 THEN ARRAY['1', '2', '4', 'hidden'] ELSE ARRAY['5', '4', '3'] END)
			WITH ORDINALITY AS i(item, place);
SELECT roll();

-- zero lag: a click changes the next statement's answer
SELECT personalize.grant_consent('eve', ARRAY['recommendations']);
SELECT rank, item_id, reason FROM personalize.recommend('eve', 3);
SELECT personalize.track('eve', 'view_item', 1);
SELECT rank, item_id, reason FROM personalize.recommend('eve', 3);
SELECT personalize.track('eve', 'view_item', 5);
SELECT rank, item_id, reason FROM personalize.recommend('eve', 3);
BEGIN;
SELECT personalize.track('eve', 'view_item', 2);
SELECT rank, item_id, reason FROM personalize.recommend('eve', 3);
ROLLBACK;
SELECT rank, item_id, reason FROM personalize.recommend('eve', 3);
-- what has been rolled up answers as before
CREATE TEMP TABLE tail AS SELECT rank, item_id, reason FROM personalize.recommend('eve', 5);
SELECT roll();
SELECT count(*) FROM (TABLE tail EXCEPT SELECT rank, item_id, reason FROM personalize.recommend('eve', 5)) d;

-- what may not be returned: gone and hidden items, from the next statement on
SELECT bool_or(item_id IN ('gone', 'hidden')) FROM personalize.recommend(103, 100);
UPDATE personalize.item SET available = false WHERE item_id = '3';
SELECT bool_or(item_id = '3') FROM personalize.recommend('eve', 100);
SELECT bool_or(item_id = '3') FROM personalize.similar_items(2, 100);
SELECT bool_or(item_id = '3') FROM personalize.trending(100);
UPDATE personalize.item SET available = true, hidden = true WHERE item_id = '3';
SELECT bool_or(item_id = '3') FROM personalize.recommend('eve', 100, candidates => ARRAY[2, 3]);
UPDATE personalize.item SET hidden = false WHERE item_id = '3';
SELECT bool_or(item_id = '3') FROM personalize.recommend('eve', 100);

-- filter: a jsonpath over the catalogue row, a predicate or a search
SELECT item_id, reason FROM personalize.recommend('eve', 5, '$.price > 25');
SELECT item_id FROM personalize.recommend('eve', 5, '$.brand == "B" && $.category == "shoes"');
SELECT item_id FROM personalize.recommend('eve', 5, '$ ? (@.price < 25)');
SELECT item_id FROM personalize.recommend('eve', 5, '$.attributes.size');
SELECT item_id FROM personalize.recommend('eve', 5, '$.tags[*] == "red"');
SELECT item_id FROM personalize.recommend('nobody', 5, '$.created_at > "2026-01-03T12"');
SELECT item_id FROM personalize.recommend('nobody', 5, '$.created_at.datetime() > "2026-01-03T12:00:00+00:00".datetime()');
-- times are in UTC, whatever the session's time zone is
BEGIN;
SET LOCAL timezone = 'Pacific/Kiritimati';
SELECT item_id FROM personalize.recommend('nobody', 5, '$.created_at > "2026-01-03T12"');
SET LOCAL timezone = 'Pacific/Pago_Pago';
SELECT item_id FROM personalize.recommend('nobody', 5, '$.created_at > "2026-01-03T12"');
SELECT bool_and(item_id IS NOT NULL) FROM personalize.recommend('nobody', 5, '$.created_at like_regex "[+]00:00$"');
ROLLBACK;
SELECT item_id FROM personalize.recommend('eve', 5, 'strict $.no.such.thing == 1');
SELECT item_id FROM personalize.recommend('eve', 5, '$.price / 0 > 1');
SELECT item_id FROM personalize.recommend('eve', 5, '$.price > $limit');
SELECT item_id FROM personalize.recommend('eve', 5, 'not a path');
SELECT item_id FROM personalize.recommend('eve', 5, filter => 'true');

-- candidates and exclude, of any type
SELECT item_id, reason FROM personalize.recommend('eve', 5, candidates => ARRAY[4, 3, 99]);
SELECT item_id, reason FROM personalize.recommend('nobody', 5, candidates => ARRAY['x', 'y', 'x', 'gone', '2']);
-- what is no id is an error
SELECT personalize.recommend('nobody', 5, candidates => ARRAY['x', NULL]);
SELECT personalize.recommend('nobody', 5, exclude => ARRAY['x', ' ']);
SELECT personalize.recommend('nobody', 5, session_items => ARRAY[repeat('i', 513)]);
SELECT personalize.recommend('', 5);
SELECT personalize.similar_items('');
SELECT personalize.homepage(' ');
SELECT personalize.session_neighbours(ARRAY['1', '']);
SELECT count(*) FROM personalize.recommend('eve', 5, candidates => '{}');
SELECT item_id FROM personalize.recommend('eve', 5, exclude => ARRAY[4::numeric, 3]);
SELECT item_id FROM personalize.recommend('eve', 5, candidates => (SELECT array_agg(item_id::personalize.entity_id) FROM personalize.item WHERE price > 20));

-- exclude_seen: nothing the person has had to do with in that time
SELECT item_id, reason FROM personalize.recommend(100, 3, exclude_seen => '2 days');
SELECT item_id, reason FROM personalize.recommend(100, 3, exclude_seen => '1 minute');
SELECT count(personalize.track('eve', 'view_item', 1000 + i, ts => now() - interval '3 days' + i * interval '1 minute')) FROM generate_series(1, 100) i;
SELECT count(*) FROM personalize.recommend('eve', 1000, candidates => (SELECT array_agg(1000 + i) FROM generate_series(1, 110) i), exclude_seen => '10 days');
SELECT count(*) FROM personalize.recommend('eve', 1000, candidates => (SELECT array_agg(1000 + i) FROM generate_series(1, 110) i), exclude_seen => '1 day');
SELECT roll();
SELECT count(*) FROM personalize.recommend('eve', 1000, candidates => (SELECT array_agg(1000 + i) FROM generate_series(1, 110) i), exclude_seen => '10 days');
-- also if later events, not for this purpose, have pushed it out of the profile
SELECT personalize.grant_consent('mixed', ARRAY['personalization', 'recommendations']);
SELECT personalize.track('mixed', 'view_item', 5, ts => now() - interval '3 hours');
SELECT count(personalize.track('mixed', 'view_item', 2000 + i, ts => now() - interval '2 hours' + i * interval '1 minute', consent => '{personalization}')) FROM generate_series(1, 70) i;
SELECT item_id FROM personalize.recommend('mixed', candidates => ARRAY[4, 5], exclude_seen => '1 day') ORDER BY 1;
-- as_of: what came later was not seen then
SELECT item_id FROM personalize.recommend(102, candidates => ARRAY[3, 4, 5], exclude_seen => '1 hour', as_of => date_trunc('hour', now(), 'UTC') - interval '1 day' + interval '90 seconds') ORDER BY 1;
SELECT item_id FROM personalize.recommend(102, candidates => ARRAY[1, 2, 3], exclude_seen => '1 hour', as_of => date_trunc('hour', now(), 'UTC') - interval '1 day' + interval '90 seconds') ORDER BY 1;

-- session_items overrides what is known; it is all there is without consent
SELECT item_id, reason FROM personalize.recommend('eve', 2, session_items => ARRAY['5', '4']);
SELECT item_id, reason FROM personalize.recommend('nobody', 2, session_items => ARRAY[2]);
SELECT item_id, reason FROM personalize.recommend(NULL, 2, session_items => ARRAY[2]);
SELECT item_id, reason FROM personalize.recommend('nobody', 6, session_items => ARRAY['unheard of']);
INSERT INTO personalize.item (item_id, category) VALUES ('brand new', 'hats');
SELECT item_id, reason FROM personalize.recommend('nobody', 6, session_items => ARRAY['brand new']);
SELECT item_id, reason FROM personalize.similar_items('brand new', 3);
SELECT item_id, reason FROM personalize.similar_items(2, 3, explain => true);
SELECT personalize.similar_items(NULL);

-- the person's last visit as of a day ago: nobody had gone on to a second item, then some had
SELECT item_id, reason FROM personalize.recommend(102, 2, as_of => date_trunc('hour', now(), 'UTC') - interval '1 day' + interval '90 seconds');
SELECT item_id, reason FROM personalize.recommend(102, 2, as_of => date_trunc('hour', now(), 'UTC') - interval '1 day' + interval '150 seconds');
SELECT item_id, reason FROM personalize.recommend(102, 2, as_of => date_trunc('hour', now(), 'UTC') - interval '1 day' + interval '10 minutes');

-- explain
SELECT jsonb_object_keys(explanation) FROM personalize.recommend('eve', 1, explain => true) ORDER BY 1;
SELECT explanation - '{score,as_of,score_hops,score_next,score_sessions,score_trend,oldest_session,newest_session}'::text[] AS rest
FROM personalize.recommend('nobody', 1, '$.price == 50', session_items => ARRAY[4], explain => true);
-- the parts add up to the score, also of items of the session, which come back where that is allowed
SELECT item_id, reason, explanation ? 'score_repeat' AS repeat,
	abs((explanation->>'score')::float8 - (SELECT sum(value::float8) FROM jsonb_each_text(explanation) WHERE key LIKE 'score!_%' ESCAPE '!')) < 1e-9 AS adds_up
FROM personalize.recommend('nobody', 10, session_items => ARRAY[4, 5, 4], explain => true, allow_session_items => true) WHERE explanation ? 'score_sessions' ORDER BY item_id;
SELECT item_id FROM personalize.recommend('nobody', 10, session_items => ARRAY[4, 5, 4]) WHERE item_id IN ('4', '5');
SELECT item_id FROM personalize.recommend('nobody', 10, session_items => ARRAY[4, 5, 4], allow_session_items => NULL) WHERE item_id IN ('4', '5');
-- and so they do for whatever an item is there for, favourites included; sessions that voted are counted
SELECT personalize.grant_consent('keen', ARRAY['personalization', 'recommendations']);
SELECT personalize.set_preference('keen', 'favourite_category', 'hats');
SELECT personalize.track('keen', 'view_item', 1);
CREATE FUNCTION adds_up(explanation jsonb, score double precision) RETURNS boolean LANGUAGE sql AS $$
	SELECT abs(score - sum(value::float8)) < 1e-9 AND (explanation->>'score')::float8 = score
	FROM jsonb_each_text(explanation) WHERE key LIKE 'score!_%' ESCAPE '!'
$$;
SELECT explanation ->> 'source' AS source, bool_and(adds_up(explanation, score)) AS adds_up, bool_or(explanation ? 'score_favourites') AS favourites,
	max((explanation ->> 'sessions')::int) AS sessions
FROM personalize.recommend('keen', 20, explain => true) GROUP BY 1 ORDER BY 1;
SELECT bool_and(adds_up(explanation, score)) FROM personalize.trending(explain => true);
-- eight people went from 1 to 2 a day ago, four from 2 to 3
SELECT item_id, explanation ->> 'sessions' AS sessions, (explanation ->> 'newest_session')::timestamptz = date_trunc('hour', now(), 'UTC') - interval '1 day' AS when
FROM personalize.similar_items(2, 3, candidates => ARRAY[1, 3, 4], explain => true) ORDER BY item_id;
-- whether the filter ever matched; a parallel worker is a session of its own
SET max_parallel_workers_per_gather = 0;
SELECT item_id, explanation -> 'filter_asked' AS asked, explanation -> 'filter_matched' AS matched
FROM personalize.recommend('nobody', 2, '$.price > 25', candidates => ARRAY[1, 2, 3, 4], explain => true);
SELECT item_id FROM personalize.recommend('eve', 5, '$.price > 1000', explain => true);
-- a path that leads nowhere is a warning, once a session
SELECT item_id FROM personalize.recommend('eve', 5, '$.categry == "hats"');
SELECT item_id FROM personalize.recommend('eve', 5, '$.categry == "hats"');
SELECT count(*) FROM personalize.similar_items(1, 5, '$.price < 100 || $.Brand == "A"');
SELECT count(*) FROM personalize.trending(5, filter => '$.price.amount < 100');
SELECT count(*) FROM personalize.trending(5, filter => '$ ? (@.price < 100 && @.brend starts with "A")');
SELECT count(*) FROM personalize.trending(5, filter => '$.attributes.sise == 42');
SELECT count(*) FROM personalize.trending(5, filter => '$.attributes.sise == 42');
SELECT count(*) FROM personalize.trending(5, filter => '$.attributes."col our"[*].name like_regex "a"');
SELECT count(*) FROM personalize.trending(5, filter => '$.attributes ? (exists(@.material[*].name))');
-- and what cannot be told, or is there, is none
SELECT count(*) FROM personalize.trending(5, filter => '$.attributes.size == 43');
SELECT count(*) FROM personalize.trending(5, filter => '$.*.whatever == 43');
SELECT count(*) FROM personalize.trending(5, filter => '$.tags[0].size() > 43 || $.created_at.datetime() < "1999-01-01".datetime() || -$.price > 0');

-- preferences are obeyed at once
SELECT personalize.set_preference(100, 'hidden_brand', 'A');
SELECT string_agg(item_id, ',' ORDER BY item_id) FROM personalize.recommend(100, 10, candidates => ARRAY[1, 2, 3, 4, 5]);
SELECT personalize.set_preference(100, 'hidden_item', 5);
SELECT string_agg(item_id, ',' ORDER BY item_id) FROM personalize.recommend(100, 10, candidates => ARRAY[1, 2, 3, 4, 5]);
SELECT personalize.clear_preference(100);
SELECT personalize.grant_consent('fan', ARRAY['personalization', 'recommendations']);
SELECT item_id, reason FROM personalize.recommend('fan', 1, exclude => ARRAY['brand new']);
SELECT personalize.set_preference('fan', 'favourite_category', 'hats');
SELECT item_id, reason FROM personalize.recommend('fan', 2, exclude => ARRAY['brand new']);
SELECT personalize.track('fan', 'view_item', 1);
SELECT item_id, explanation -> 'boost' AS boost FROM personalize.recommend('fan', 3, explain => true);

-- consent withdrawn: nothing personal in the next statement; which item it was before differs in the first hour of a day
SELECT split_part(reason, ':', 1) IN ('because_viewed', 'viewed_before') AS personal FROM personalize.recommend(103, 1);
SELECT personalize.withdraw_consent(103, ARRAY['recommendations']);
SELECT rank, split_part(reason, ':', 2) FROM personalize.recommend(103, 1, exclude => ARRAY['brand new']);

-- the visitor's own current sessions do not vote, however many others there are
SELECT personalize.grant_consent('often', ARRAY['recommendations']);
SELECT count(personalize.track('often', 'view_item', 'x', session_id => 'old' || i, ts => now() - interval '1 day')) FROM generate_series(1, 300) i;
SELECT count(personalize.track('often', 'view_item', item, session_id => 'new' || i)) FROM generate_series(1, 20) i, unnest(ARRAY['p', 'q']) item;
SELECT roll();
SELECT item_id, reason FROM personalize.recommend('often', candidates => ARRAY['p', 'q']) ORDER BY 1;

-- all candidates come back, also what the person has just looked at or the call names
SELECT item_id, reason FROM personalize.recommend('eve', candidates => ARRAY['1', '2', '5', 'gone', 'brand new']) ORDER BY item_id;
SELECT count(*), count(DISTINCT item_id), bool_and(score > 0) FROM personalize.recommend(NULL, session_items => ARRAY[1, 2], candidates => ARRAY[1, 2, 3]);
SELECT item_id FROM personalize.recommend('eve', candidates => ARRAY[1, 2, 5], exclude => ARRAY[2], exclude_seen => '1 day');
SELECT item_id FROM personalize.similar_items(1, candidates => ARRAY[1, 2]);

-- bounds and mistakes
SELECT count(*) FROM personalize.recommend('eve', 1000);
SELECT personalize.recommend('eve', 0);
SELECT personalize.recommend('eve', -1);
SELECT personalize.recommend('eve', 2147483647);
SELECT count(*) > 0 FROM personalize.recommend(repeat('u', 512), session_items => ARRAY[repeat('i', 512)]);
SELECT count(*) > 0 FROM personalize.recommend(repeat('u', 5000));
SELECT count(*) > 0 FROM personalize.recommend('eve', exclude_seen => '-1 day');
SELECT count(*) > 0 FROM personalize.recommend('eve', exclude_seen => '100000000 years');
SELECT count(*) > 0 FROM personalize.recommend('eve', as_of => '-infinity');

-- from the beginning of time to its end
SELECT personalize.grant_consent('elder', ARRAY['recommendations'], effective_at => '1940-01-01');
SELECT count(*) FROM personalize.import_events(ARRAY['elder', 'elder'], ARRAY['view_item', 'view_item'], ARRAY['old', 'older'], ARRAY['1950-01-01 12:00+00', '1950-01-01 12:01+00']::timestamptz[]);
SELECT roll();
SELECT item_id, score < 1 AS finite FROM personalize.similar_items('old', 1, as_of => '294276-12-31');

-- in a read-only transaction, and by whom
BEGIN READ ONLY;
SELECT count(*) FROM personalize.recommend('eve', 3);
SELECT count(*) FROM personalize.recommend('nobody', 3);
ROLLBACK;
CREATE ROLE regress_recommend_app IN ROLE personalize_app;
CREATE ROLE regress_recommend_other;
SET ROLE regress_recommend_app;
SELECT count(*) FROM personalize.recommend('eve', 3);
SELECT count(*) FROM personalize.recommend('nobody', 3);
SELECT count(*) FROM personalize.bought_together(ARRAY[1], 3);
SELECT * FROM personalize.item_stat;
SET ROLE regress_recommend_other;
SELECT count(*) FROM personalize.recommend('eve', 3);
RESET ROLE;
DROP ROLE regress_recommend_app, regress_recommend_other;

-- what was bought and all given back is not popular, whatever the order it is summed in
SELECT personalize.grant_consent('returner', '{analytics}');
SELECT count(personalize.track('returner', event, 'returned ' || item, ts => date_trunc('hour', now(), 'UTC') - item * n * interval '1 hour'))
	FROM unnest('{purchase,refund}'::text[]) WITH ORDINALITY AS e (event, place), generate_series(1, 30) item, generate_series(1, 5) n;
SELECT roll();
SELECT item_id FROM personalize.trending(1000) WHERE item_id LIKE 'returned%';
SELECT item_id FROM personalize._popular p, unnest(p.items) AS u (item_key) JOIN personalize.item USING (item_key) WHERE item_id LIKE 'returned%';

-- calls are counted
SELECT engine, bool_or(value > 0) FILTER (WHERE measure = 'calls') AS called, bool_or(value > 0) FILTER (WHERE measure = 'new_user') AS new_user,
	bool_or(value > 0) FILTER (WHERE measure = 'because_viewed') AS because_viewed FROM personalize.stat_engine WHERE engine IN ('bought_together', 'recommend', 'similar_items', 'trending') GROUP BY engine ORDER BY engine;
SELECT string_agg(measure, ' ' ORDER BY measure) FROM personalize.stat_engine WHERE engine = 'recommend';
DROP FUNCTION adds_up;

-- Rows are whole, however long the texts in them are, and with or without NULLs.
SELECT count(*), count(*) FILTER (WHERE r.rank = 1 AND r.item_id = repeat('i', n) AND r.item_key = personalize.item_key(repeat('i', n)) AND
	r.reason = 'candidate:new_user' AND r.score = 0.5 AND (r.explanation IS NOT NULL) = explained) AS whole
FROM generate_series(1, 200) AS n, (VALUES (true), (false)) AS e (explained),
	LATERAL personalize.recommend(NULL, candidates => ARRAY[repeat('i', n)::personalize.entity_id], explain => explained) AS r;

-- each click of a person's own session counts as one that is given would, before and after it is processed, also where a repeat bridges a pause
CREATE FUNCTION own_clicks(person text, own boolean, as_of timestamptz) RETURNS TABLE (item_id text, repeat numeric) LANGUAGE sql AS $$
	SELECT item_id, round((explanation->>'score_repeat')::numeric, 4)
	FROM personalize.recommend(person, 20, explain => true, allow_session_items => true, as_of => as_of,
		session_items => CASE WHEN NOT own THEN ARRAY['2', '4', '3', '1', '1', '3', '3', '5', '1'] END) WHERE explanation ? 'score_sessions'
$$;
CREATE FUNCTION differ(person text, as_of timestamptz) RETURNS TABLE (found boolean, differ bigint) LANGUAGE sql AS $$
	SELECT count(g.repeat) > 3, count(*) FILTER (WHERE o IS NULL OR g IS NULL OR o.repeat IS DISTINCT FROM g.repeat)
	FROM own_clicks(person, true, as_of) o FULL JOIN own_clicks(person, false, as_of) g USING (item_id)
$$;
SELECT count(personalize.grant_consent(u, ARRAY['recommendations'], effective_at => now() - interval '1 day')) FROM unnest(ARRAY['repeater', 'earlier']) u;
CREATE TEMP TABLE ended AS SELECT 'repeater' AS person, now() AS at UNION ALL SELECT 'earlier', date_trunc('hour', now()) - interval '1 hour';
SELECT count(personalize.track(person, 'view_item', item, ts => at - interval '1 minute' - (8 - place) * interval '12 minutes', consent => '{recommendations}'))
	FROM ended, unnest(ARRAY['4', '3', '1', '1', '3', '3', '5', '1']) WITH ORDINALITY AS i(item, place);
-- what does not count as a click comes last
SELECT count(personalize.track(person, 'remove_from_cart', '2', ts => at - interval '30 seconds', consent => '{recommendations}')) FROM ended;
SELECT d.* FROM differ('repeater', NULL) d;
SELECT d.* FROM ended, differ(person, at) d WHERE person = 'earlier';
SELECT roll();
SELECT d.* FROM differ('repeater', NULL) d;
SELECT d.* FROM ended, differ(person, at) d WHERE person = 'earlier';
DROP FUNCTION own_clicks, differ, roll;

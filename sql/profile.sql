SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
-- the batches of this test are its own: a running worker would take them first
SELECT personalize.disable_processor(name) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS name;
RESET client_min_messages;
CREATE PROCEDURE roll_profiles() LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	PERFORM personalize.enable_processor('profile');
	PERFORM count(*) FROM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
	COMMIT;
END $$;

-- nobody is known, nobody asked for is an error
SELECT * FROM personalize.profile('nobody');
SELECT * FROM personalize.features('nobody');
SELECT * FROM personalize.recent('nobody');
SELECT * FROM personalize.features(NULL);
SELECT * FROM personalize.recent('nobody', -1);
SELECT * FROM personalize.features('nobody', '0');
SELECT * FROM personalize.features('nobody', purpose => 'curiosity');
-- ids of any type, unusual times
SELECT count(*) FROM personalize.features(7) a, personalize.features(7::bigint) b, personalize.features(7.0) c, personalize.features('7'::varchar) d;
SELECT count(*) FROM personalize.features('nobody', NULL, 'infinity') a, personalize.features('nobody', '1 day', '-infinity') b, personalize.features('nobody', '100000 years') c;
SELECT count(*) FROM generate_series(200000, 178000000, 8000000) AS y, personalize.features('nobody', make_interval(years => y));

-- zero lag: visible in the next statement, in the same transaction, and gone with it
SELECT personalize.grant_consent(u, '{personalization}') IS NOT NULL AS granted FROM unnest('{ada,bob}'::text[]) AS u;
BEGIN;
SELECT personalize.track('ada', 'view_item', 'lamp', '{"category": "Lighting", "price": 30}');
SELECT signal, value, count, sum FROM personalize.features('ada');
SAVEPOINT s;
SELECT personalize.track('ada', 'purchase', 'lamp', '{"category": "Lighting", "price": 30}');
SELECT signal, value, count, sum FROM personalize.features('ada');
ROLLBACK TO s;
SELECT place, item_id, event FROM personalize.recent('ada');
ROLLBACK;
SELECT count(*) FROM personalize.features('ada');
SELECT count(*) FROM personalize.profile('ada');

-- what is shown is what was collected for the purpose
SELECT personalize.track('bob', 'view_item', 'lamp', '{"category": "Lighting"}', consent => '{recommendations}');
SELECT * FROM personalize.features('bob');
SELECT item_id, event FROM personalize.recent('bob');
SELECT item_id, event FROM personalize.recent('bob', purpose => 'recommendations');
SELECT events, purposes, features FROM personalize.profile('bob', 'recommendations');
SELECT events, purposes, features FROM personalize.profile('bob');
SELECT personalize.grant_consent('bob', '{recommendations}') IS NOT NULL AS granted;
SELECT personalize.track('bob', 'view_item', 'lamp', '{"category": "Lighting"}', consent => '{recommendations}');
SELECT personalize.track('bob', 'view_item', 'desk', consent => '{personalization}');
SELECT personalize.track('bob', 'view_item_list', 'chair');
SELECT item_id, event FROM personalize.recent('bob');
SELECT item_id, event FROM personalize.recent('bob', purpose => 'recommendations');
SELECT events, purposes FROM personalize.profile('bob');
CALL roll_profiles();
SELECT item_id, event FROM personalize.recent('bob');
SELECT item_id, event FROM personalize.recent('bob', purpose => 'recommendations');
SELECT events, purposes FROM personalize.profile('bob');
-- withdrawal acts in the next statement, on what is stored and on what is not yet
SELECT personalize.track('bob', 'view_item', 'sofa');
SELECT personalize.withdraw_consent('bob', '{recommendations}') IS NOT NULL AS withdrawn;
SELECT item_id, event FROM personalize.recent('bob');
SELECT item_id, event FROM personalize.recent('bob', purpose => 'recommendations');
SELECT purposes FROM personalize.profile('bob');
SELECT personalize.withdraw_consent('bob', '{personalization}') IS NOT NULL AS withdrawn;
SELECT count(*) FROM personalize.profile('bob', 'recommendations');
SELECT count(*) FROM personalize.features('bob');
SELECT count(*) FROM personalize.profile WHERE user_key = personalize.user_key('bob');
CALL roll_profiles();
SELECT count(*) FROM personalize.profile WHERE user_key = personalize.user_key('bob');

-- each item and kind of event once, at its last time; 64 at most; ties in one order
SELECT accepted FROM personalize.ingest(
	(SELECT array_agg('ada'::text::personalize.entity_id) FROM generate_series(1, 300)),
	(SELECT array_agg(CASE WHEN n % 3 = 0 THEN 'purchase' ELSE 'view_item' END) FROM generate_series(1, 300) n),
	(SELECT array_agg(('item ' || n % 90)::text::personalize.entity_id) FROM generate_series(1, 300) n),
	(SELECT array_agg(now() - n / 2 * interval '1 minute') FROM generate_series(1, 300) n));
CREATE TEMP TABLE items AS SELECT * FROM personalize.recent('ada');
SELECT count(*), count(DISTINCT (item_id, event)) FROM items;
SELECT count(*) FROM items JOIN (
	SELECT item_key, event, max(ts) AS ts FROM personalize.event
	WHERE user_key = personalize.user_key('ada') GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 64) e
	ON (e.item_key, e.ts) = (items.item_key, items.ts)
	JOIN personalize.event_type t ON (t.event, t.name) = (e.event, items.event);
CALL roll_profiles();
SELECT count(*) FROM (TABLE items EXCEPT SELECT * FROM personalize.recent('ada')) x;
SELECT count(*) FROM personalize.recent('ada', 5);

-- Any events, cut into batches anywhere: a reader returns before a batch what it
-- returns after it, and both are what the raw events say.
INSERT INTO personalize.item (item_id, category, brand, price, tags)
	SELECT n, 'category ' || n % 5, 'brand ' || n % 3, n * 3.5, ARRAY['tag ' || n % 4, 'tag ' || n % 7]
	FROM generate_series(1, 20) n;
INSERT INTO personalize.item (item_id, category) SELECT 'named ' || n, 'category ' || n FROM generate_series(1, 5) n;
SELECT count(personalize.grant_consent('user ' || n, '{analytics,personalization,recommendations}')) FROM generate_series(1, 10) n;
CREATE VIEW users AS SELECT 'user ' || n AS user_id FROM generate_series(1, 10) n;
CREATE FUNCTION view_of(as_of timestamptz) RETURNS TABLE (what text, user_id text, content text)
STABLE LANGUAGE sql AS $$
	SELECT p, u.user_id, f::text FROM users u, (VALUES ('1 hour'), ('1 day'), ('7 days'), ('30 days'), (NULL)) v (p),
		personalize.features(u.user_id, p::interval, as_of) f
	UNION ALL SELECT 'recent', u.user_id, r::text FROM users u, personalize.recent(u.user_id) r
	UNION ALL SELECT 'profile', u.user_id, (p.events, p.first_seen, p.last_seen, p.purposes, p.evicted)::text
	FROM users u, personalize.profile(u.user_id) p
$$;
-- the same from the raw events
CREATE VIEW counted AS
	WITH e AS (
		SELECT e.*, t.weight, t.name, i.item_id, i.category, i.brand, i.price, i.tags
		FROM personalize.event e JOIN personalize.event_type t USING (event) LEFT JOIN personalize.item i USING (item_key)
		WHERE e.consent & 2 = 2 AND t.weight <> 0),
	v AS (
		SELECT e.*, 'interest_category' AS signal, coalesce(category, properties ->> 'category') AS v FROM e
		UNION ALL SELECT e.*, 'interest_brand', coalesce(brand, properties ->> 'brand') FROM e
		UNION ALL SELECT e.*, 'interest_tag', x FROM e, LATERAL (SELECT DISTINCT unnest(tags)) u (x)
		UNION ALL SELECT e.*, 'price_band', personalize.price_band(coalesce(price, (properties ->> 'price')::numeric)) FROM e
		UNION ALL SELECT e.*, 'search_term', x FROM e,
			LATERAL (SELECT DISTINCT regexp_split_to_table(lower(properties ->> 'query'), '[^a-z0-9]+')) u (x) WHERE name = 'search'
		UNION ALL SELECT e.*, 'item_affinity', coalesce(item_id, CASE WHEN item_key >= 0 THEN item_key::text ELSE 'unknown' END) FROM e WHERE item_key IS NOT NULL)
	SELECT user_key, signal, v AS value, count(*) AS count, sum(weight) AS sum, max(ts) AS last_seen
	FROM v WHERE v <> '' GROUP BY 1, 2, 3;
CREATE TABLE difference (round int, kind text, what text, user_id text, content text);
SELECT setseed(0.5);
DO $$
DECLARE
	as_of timestamptz;
BEGIN
	FOR round IN 1..25 LOOP
		PERFORM personalize.track(
			'user ' || 1 + floor(10 * random()),
			(ARRAY['view_item', 'view_item', 'search', 'add_to_cart', 'purchase', 'refund', 'view_item_list', 'like'])[1 + floor(8 * random())],
			CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.2 THEN 'unknown'
				WHEN random() < 0.3 THEN 'named ' || 1 + floor(5 * random()) ELSE (1 + floor(20 * random()))::text END,
			CASE WHEN random() < 0.5 THEN jsonb_build_object('query', 'Red shoes, size ' || floor(50 * random()),
				'category', 'Other', 'brand', 'Other', 'price', round((1000 * random())::numeric, 2)) END,
			now() - CASE WHEN random() < 0.5 THEN random() * interval '3 hours' ELSE random() * interval '25 days' END,
			consent => CASE WHEN random() < 0.2 THEN '{analytics,recommendations}'::text[] END)
		FROM generate_series(1, 40);
		COMMIT;
		as_of := now();
		CREATE TEMP TABLE earlier AS SELECT * FROM view_of(as_of);
		INSERT INTO difference
			SELECT round, 'raw', f.signal, u.user_id, f::text || ' ' || coalesce(c::text, '')
			FROM users u CROSS JOIN LATERAL personalize.features(u.user_id, NULL, as_of) f
			FULL JOIN counted c ON c.user_key = personalize.user_key(u.user_id) AND c.signal = f.signal AND c.value = f.value
			WHERE (f.count, f.sum, f.last_seen) IS DISTINCT FROM (c.count, c.sum, c.last_seen) AND
				(c.user_key IS NULL OR c.user_key IN (SELECT personalize.user_key(x.user_id) FROM users x));
		IF random() < 0.6 THEN
			CALL roll_profiles();
			INSERT INTO difference SELECT round, 'lost', * FROM (TABLE earlier EXCEPT SELECT * FROM view_of(as_of)) x;
			INSERT INTO difference SELECT round, 'new', * FROM (SELECT * FROM view_of(as_of) EXCEPT TABLE earlier) x;
		END IF;
		DROP TABLE earlier;
		COMMIT;
	END LOOP;
END $$;
SELECT count(*) > 500 AS counted,
	count(*) = (SELECT count(*) FROM users u, personalize.features(u.user_id, NULL)) AS all_found
FROM counted WHERE user_key IN (SELECT personalize.user_key(user_id) FROM users);
SELECT * FROM difference ORDER BY 1, 2, 3, 4, 5 LIMIT 10;
-- built anew it is the same
CREATE TEMP TABLE kept AS SELECT * FROM view_of(now() + interval '1 day') WHERE what IN ('recent', 'profile');
CREATE TEMP TABLE states AS SELECT user_key, features, recent FROM personalize.profile;
SELECT personalize.rebuild_processor('profile');
SELECT count(*) FROM (TABLE kept EXCEPT SELECT * FROM view_of(now() + interval '1 day')) x;
CALL roll_profiles();
SELECT count(*) FROM (TABLE kept EXCEPT SELECT * FROM view_of(now() + interval '1 day')) x;
SELECT count(*) AS users, count(*) FILTER (WHERE s.features::jsonb <> p.features::jsonb OR s.recent <> p.recent) AS different
FROM states s FULL JOIN personalize.profile p USING (user_key);

-- bounded: beyond max_tail_events the stored state is returned, and says so
SELECT accepted FROM personalize.ingest(
	(SELECT array_agg('user 1'::text::personalize.entity_id) FROM generate_series(1, 500)),
	(SELECT array_agg('view_item'::text) FROM generate_series(1, 500)),
	(SELECT array_agg('1'::text::personalize.entity_id) FROM generate_series(1, 500)));
CREATE TEMP TABLE full_view AS SELECT events FROM personalize.profile('user 1');
SET personalize.max_tail_events = 100;
SELECT p.stale, f.events - p.events AS left_out FROM personalize.profile('user 1') p, full_view f;
SELECT bool_and(stale) AS stale FROM personalize.features('user 1');
SELECT bool_and(stale) AS stale FROM personalize.recent('user 1');
-- and it is counted
SELECT processor, stale_reads > 0 AS counted FROM personalize.stat_processor ORDER BY processor;
SET personalize.max_tail_events = 0;
-- also of somebody of whom nothing is stored yet
SELECT events, first_seen, last_seen, features, stale FROM personalize.profile('nobody');
SELECT p.stale, f.events - p.events AS left_out FROM personalize.profile('user 1') p, full_view f;
RESET personalize.max_tail_events;
SELECT p.stale, f.events - p.events AS left_out FROM personalize.profile('user 1') p, full_view f;
CALL roll_profiles();
SET personalize.max_tail_events = 0;
SELECT p.stale, f.events - p.events AS left_out FROM personalize.profile('user 1') p, full_view f;
RESET personalize.max_tail_events;

-- a long tail of one person is condensed on the way, with the same result
SELECT accepted FROM personalize.ingest(
	array_fill('user 2'::text::personalize.entity_id, ARRAY[6000]),
	(SELECT array_agg((ARRAY['view_item', 'purchase', 'search'])[1 + n % 3]) FROM generate_series(1, 6000) n),
	(SELECT array_agg((n % 100)::text::personalize.entity_id) FROM generate_series(1, 6000) n),
	(SELECT array_agg(now() - n * interval '5 minutes') FROM generate_series(1, 6000) n),
	(SELECT array_agg(jsonb_build_object('category', 'c' || n % 9, 'query', 'w' || n % 30)) FROM generate_series(1, 6000) n));
CREATE TEMP TABLE long_tail AS SELECT * FROM view_of(now() + interval '1 hour') WHERE user_id = 'user 2';
CALL roll_profiles();
SELECT count(*) FROM (TABLE long_tail EXCEPT SELECT * FROM view_of((SELECT min(now()) FROM long_tail) + interval '1 hour')) x
WHERE what IN ('recent', 'profile');
SELECT * FROM (SELECT signal, value, count, sum FROM personalize.features('user 2', NULL)
	EXCEPT SELECT signal, value, count, sum FROM counted WHERE user_key = personalize.user_key('user 2')) x;
-- who may read
CREATE ROLE regress_profile_reader IN ROLE personalize_app, personalize_personalization;
SET ROLE personalize_app;
SELECT count(*) > 0 AS readable FROM personalize.features('user 1');
SET ROLE regress_profile_reader;
SELECT count(*) > 0 AS readable FROM personalize.features('user 1', purpose => 'personalization');
SET ROLE personalize_app;
SELECT count(*) FROM personalize.profile;
SELECT personalize_internal._feature_value(1::smallint, 1);
RESET ROLE;
DROP ROLE regress_profile_reader;

-- in a read-only transaction, in parallel, as of a snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT count(*) > 0 AS readable FROM personalize.features('user 1');
COMMIT;

-- damaged bytes are an error, not a crash
UPDATE personalize.profile SET recent = '\x02' WHERE user_key = personalize.user_key('user 1');
SELECT * FROM personalize.recent('user 1');
UPDATE personalize.profile SET recent = '\x010000000000000000ff' WHERE user_key = personalize.user_key('user 1');
SELECT * FROM personalize.recent('user 1');
SET client_min_messages = warning;
SET client_min_messages = warning;
-- a purpose that nothing is counted for is an error that names those that are; or silence, where denials are
SELECT count(*) FROM personalize.features('ada', purpose => 'analytics');
SELECT count(*) FROM personalize.profile('ada', 'analytics');
SELECT count(*) FROM personalize.export_profiles('marketing');
SELECT count(*) FROM personalize.recent('ada', purpose => 'analytics');
SET personalize.on_denied = 'empty';
SELECT (SELECT count(*) FROM personalize.features('ada', purpose => 'analytics')), (SELECT count(*) FROM personalize.profile('ada', 'analytics')),
	(SELECT count(*) FROM personalize.export_profiles('marketing'));
RESET personalize.on_denied;
DROP EXTENSION personalize CASCADE;
DROP TABLE difference;
DROP FUNCTION view_of(timestamptz);
DROP VIEW users;
DROP PROCEDURE roll_profiles();

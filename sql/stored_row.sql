-- One damaged row is told by table and key, and stops nobody else.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END $$;
-- who looks at items 1 .. 3, in a session of its own; the ids are the keys
CREATE FUNCTION look(who integer, visit text, at timestamptz) RETURNS bigint LANGUAGE sql AS $$
	SELECT personalize.import_events(array_fill(who::text, ARRAY[3]), array_fill('view_item'::text, ARRAY[3]), '{1,2,3}',
		ARRAY[at, at + interval '1 min', at + interval '2 min'], session_ids => array_fill(visit, ARRAY[3]),
		consents => array_fill('personalization,recommendations'::text, ARRAY[3])) IS NOT NULL;
	SELECT 3::bigint;
$$;
SELECT sum(look(u, 'first', '2026-01-01 10:00+00'::timestamptz + u * interval '1 hour')) AS events FROM generate_series(1, 5) u;
CALL roll();
CREATE TABLE profile_before AS SELECT user_key, events, recent, features FROM personalize.profile;
SET personalize.purpose = 'personalization';

-- a superuser, or a bad disk, writes what no version of the library would
UPDATE personalize.profile SET features = NULL, recent = substr(recent, 1, 12) WHERE user_key = 3;
UPDATE personalize.posting SET data = set_byte(data, 12 + 18, 255) WHERE item_key = 2;
UPDATE personalize.session SET items = items || '\x00' WHERE user_key = 4;
SELECT * FROM personalize.recent(3);
SELECT * FROM personalize.profile(3);
SELECT * FROM personalize.session_neighbours(ARRAY[2]);
-- what is told of the past, and tried, leaves the session out
SELECT item_key FROM personalize.session_neighbours('{1}', 2, as_of => '2026-01-01 14:30+00');
SELECT * FROM personalize.tune_neighbours();
SELECT * FROM personalize.verify_index();
SELECT personalize.state_hash('profile');
SELECT personalize.state_hash('posting');
SELECT personalize.state_hash('session');
BEGIN;
SELECT count(personalize.forget(3));
ROLLBACK;
BEGIN;
SELECT count(personalize.forget(4));
ROLLBACK;
SELECT count(*) FROM personalize.recent(2);

-- everybody goes on looking: the profile is made anew from the raw events, the list
-- from the sessions, and what belongs to the damaged session is set aside
SELECT sum(look(u, CASE u WHEN 4 THEN 'first' ELSE 'second' END, '2026-01-02 10:00+00'::timestamptz + u * interval '1 hour')) AS events
FROM generate_series(1, 5) u;
CALL roll();
SELECT user_key, p.events - b.events AS more FROM personalize.profile p JOIN profile_before b USING (user_key) ORDER BY 1;
SELECT count(*) FROM personalize.recent(3);
SELECT sum(count) FROM personalize.features(3, NULL) WHERE signal = 'item_affinity';
SELECT count(*) FROM personalize.session_neighbours(ARRAY[2]);
SELECT source, user_key, reason, count(*) FROM personalize.rejected_event GROUP BY 1, 2, 3;
SELECT * FROM personalize.verify_index();

-- a rebuild mends everything that raw events tell of, also what was set aside
SELECT personalize.rebuild_processor('neighbour');
CALL roll();
SELECT * FROM personalize.verify_index();
SELECT personalize.forget(4) IS NOT NULL AS forgotten;
SELECT * FROM personalize.verify_index();

-- a damaged session of somebody with more events than may fail in a batch
SELECT look(5, 'first', '2026-01-03 10:00+00'::timestamptz + i * interval '1 minute') > 0 AS told FROM generate_series(1, 60) i GROUP BY 1;
UPDATE personalize.session SET items = '\x0101' WHERE user_key = 5;
SELECT look(6, 'first', '2026-01-03 10:00+00');
CALL roll();
SELECT user_key, count(*) FROM personalize.rejected_event GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.session WHERE user_key = 6;

-- counts of returns that are not as many as they should be
SELECT personalize.rebuild_processor('neighbour');
CALL roll();
INSERT INTO personalize._session_repeat VALUES (3, '{1}', '{1}')
	ON CONFLICT (place) DO UPDATE SET hits = EXCLUDED.hits;
INSERT INTO personalize._session_repeat VALUES (0, '{1}', '{1}')
	ON CONFLICT (place) DO UPDATE SET possible = EXCLUDED.possible;
SELECT count(*) FROM personalize.recommend(NULL, 1, session_items => '{1}', allow_session_items => true);
SELECT part, wrong > 0 AS wrong FROM personalize.verify_index() WHERE wrong > 0;
SELECT what, wrong > 0 AS wrong, fix FROM personalize.verify_counts() WHERE wrong > 0;
-- batches go on, and what they add is kept
SELECT look(7, 'first', '2026-01-04 10:00+00'), look(7, 'first', '2026-01-04 10:10+00');
CALL roll();
SELECT place, cardinality(hits), cardinality(possible) FROM personalize._session_repeat WHERE place IN (0, 3) ORDER BY 1;
SELECT part, wrong > 0 AS wrong FROM personalize.verify_index() WHERE wrong > 0;
SELECT personalize.rebuild_processor('neighbour');
CALL roll();
SELECT count(*) FROM personalize.recommend(NULL, 1, session_items => '{1}', allow_session_items => true);

-- retention goes on without a damaged session, and a damaged profile, and says so
SELECT personalize.set_retention('session', '30 days'), personalize.set_retention('profile', '30 days');
SELECT sum(look(u, 'old', now() - interval '60 days')) AS events FROM generate_series(11, 14) u;
CALL roll();
UPDATE personalize.session SET items = '\x0101' WHERE user_key = 12;
UPDATE personalize.profile SET recent = substr(recent, 1, 12) WHERE user_key = 13;
SET client_min_messages = error;
SELECT kind, what, result, detail FROM personalize.apply_retention() WHERE kind IN ('session', 'profile');
RESET client_min_messages;
SELECT user_key FROM personalize.session WHERE user_key BETWEEN 11 AND 14;
SELECT user_key FROM personalize.profile WHERE user_key BETWEEN 11 AND 14;
SELECT task, last_result, last_error FROM personalize.stat_retention WHERE task IN ('session', 'profile') ORDER BY 1;
SELECT ok, detail FROM personalize.health() WHERE "check" = 'retention';
SELECT personalize.rebuild_processor(p) FROM unnest('{profile,neighbour}'::text[]) AS p;
CALL roll();
SELECT result, detail FROM personalize.apply_retention() WHERE kind IN ('session', 'profile') AND result <> 'done';
SELECT count(*) FROM personalize.session WHERE user_key BETWEEN 11 AND 14;
SELECT ok, detail ~ 'nothing has outlived' AS well FROM personalize.health() WHERE "check" = 'retention';
DROP PROCEDURE roll;
DROP FUNCTION look;
DROP TABLE profile_before;
SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;

SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
RESET client_min_messages;
SET timezone = 'UTC';
-- the server's clock is set to days from now
CREATE FUNCTION clock(days integer) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN set_config('personalize.test_now', CASE WHEN days = 0 THEN '' ELSE to_jsonb(now() + days * interval '1 day') #>> '{}' END, false) IS NOT NULL
		THEN format('%s days', days) END $$;
\getenv abs_srcdir PG_ABS_SRCDIR
\set settled :abs_srcdir '/test/settled.sql'
\set ECHO none
\i :settled
\set ECHO all
CREATE FUNCTION roll() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	events bigint;
BEGIN
	PERFORM pg_temp.settled();
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	SELECT sum(r.events) FILTER (WHERE r.processor = 'profile') INTO events FROM personalize.rollup_now() r;
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	RETURN events;
END
$$;
-- what is stored, what readers say of it, and what each processor has counted
CREATE FUNCTION sums(OUT stored bigint, OUT told numeric, OUT profiles numeric, OUT items numeric, OUT waiting numeric, OUT sessions bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM personalize.event),
		(SELECT sum(p.events) FROM personalize.subject s, personalize.profile(s.user_id) p),
		(SELECT sum(events) FROM personalize.profile),
		(SELECT sum(count) FROM personalize.item_stat),
		(SELECT sum(waiting) FROM personalize.stat_processor),
		(SELECT sum(wrong) FROM personalize.verify_index()) $$;
SELECT count(personalize.grant_consent(u::text, ARRAY['analytics', 'personalization', 'recommendations'])) FROM generate_series(1, 5) u;

-- in the middle of ingestion: rolled and not, ahead, right again, behind
SELECT count(personalize.track(u, 'view_item', u)) FROM generate_series(1, 5) u;
SELECT clock(6);
SELECT count(personalize.track(u, 'view_item', u + 1)) FROM generate_series(1, 5) u;
SELECT roll();
SELECT bool_and(rolled) AS today_was_closed FROM personalize._event_day WHERE day = (now() AT TIME ZONE 'UTC')::date;
SELECT count(personalize.track(u, 'view_item', u + 2)) FROM generate_series(1, 5) u;
SELECT clock(0);
SELECT * FROM sums();
SELECT count(personalize.track(u, 'view_item', u + 3)) FROM generate_series(1, 5) u;
SELECT * FROM sums();
SELECT clock(-6);
SELECT count(personalize.track(u, 'view_item', u + 4)) FROM generate_series(1, 5) u;
SELECT clock(0);
SELECT * FROM sums();
SELECT roll();
SELECT * FROM sums();
SELECT ok, replace(detail, to_char(now() + interval '6 days', 'YYYY-MM-DD'), '<in 6 days>') AS detail FROM personalize.health() WHERE "check" = 'days yet to come';
SELECT ok FROM personalize.health() WHERE "check" IN ('partitions ahead', 'oldest unprocessed partition') ORDER BY "check";

-- a day that was closed too early is opened in the transaction that writes, and not if that is undone
SELECT clock(6); SELECT roll(); SELECT clock(0);
BEGIN;
SELECT personalize.track(1, 'view_item', 7);
SELECT personalize.track(1, 'view_item', 8);
ROLLBACK;
SELECT rolled FROM personalize._event_day WHERE day = (now() AT TIME ZONE 'UTC')::date;
SELECT personalize.track(1, 'view_item', 7);
SELECT rolled FROM personalize._event_day WHERE day = (now() AT TIME ZONE 'UTC')::date;
SELECT * FROM sums();
-- and by who has it open already
BEGIN;
SAVEPOINT s;
SELECT personalize.track(1, 'view_item', 7);
ROLLBACK TO s;
SELECT personalize.track(1, 'view_item', 8);
COMMIT;
SELECT * FROM sums();

-- each is read again for a rebuild, tuning and export
SELECT count(personalize.rebuild_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT roll();
SELECT * FROM sums();
SELECT jsonb_array_length(personalize.export_user('1') -> 'events');
-- a message counts once, however the clock stands
SELECT clock(6); SELECT personalize.track(1, 'view_item', 9, message_id => 'once');
SELECT clock(0); SELECT personalize.track(1, 'view_item', 9, message_id => 'once');
SELECT clock(-6); SELECT personalize.track(1, 'view_item', 9, message_id => 'once');

-- withdrawn, forgotten and given again while the clock is set
SELECT clock(6); SELECT personalize.grant_consent('2', ARRAY['personalization']) IS NOT NULL AS granted;
SELECT clock(0); SELECT personalize.withdraw_consent('2', ARRAY['personalization']) IS NOT NULL AS withdrawn;
SELECT count(*) FILTER (WHERE consent & 2 <> 0) FROM personalize.event WHERE user_key = 2;
SELECT count(*) FROM personalize.features('2');
SELECT personalize.forget('3') IS NOT NULL AS forgotten;
SELECT clock(6); SELECT personalize.forget('4') IS NOT NULL AS forgotten;
SELECT clock(-6); SELECT personalize.forget('5') IS NOT NULL AS forgotten;
SELECT clock(0);
SELECT count(*) FROM personalize.event WHERE user_key IN (3, 4, 5);
SELECT roll();
SELECT sum(wrong) FROM personalize.verify_index();
SELECT personalize.grant_consent('4', ARRAY['analytics', 'personalization', 'recommendations']) IS NOT NULL AS granted;
SELECT personalize.track('4', 'view_item', 1);
SELECT events FROM personalize.profile('4');

-- retention goes by the clock as it stands, and finds each day; of empty ones a worker may have made more
SELECT personalize.set_retention('raw', '3 days');
SELECT count(*) FROM personalize.event;
SELECT clock(-6);
SELECT what LIKE 'event\_p%' AS day, removed, result FROM personalize.apply_retention() WHERE kind = 'raw' AND (removed > 0 OR result <> 'done');
SELECT clock(0);
SELECT what LIKE 'event\_p%' AS day, removed, result FROM personalize.apply_retention() WHERE kind = 'raw' AND (removed > 0 OR result <> 'done');
SELECT count(*) FROM personalize.event;
SELECT roll();
SELECT clock(6);
SELECT roll();
SELECT what LIKE 'event\_p%' AS day, removed, result, detail FROM personalize.apply_retention() WHERE kind = 'raw' AND (removed > 0 OR result <> 'done');
SELECT clock(0);
SELECT personalize.track('1', 'view_item', 1);
SELECT count(*) FROM personalize.event WHERE received_at < now() + interval '1 day';
SELECT count(*) FROM personalize.event WHERE received_at >= now() + interval '1 day';

SET client_min_messages = warning;
DROP FUNCTION clock, roll, sums;
DROP EXTENSION personalize CASCADE;

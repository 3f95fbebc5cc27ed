SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
RESET client_min_messages;
CREATE FUNCTION roll() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	events bigint;
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	SELECT sum(r.events) FILTER (WHERE r.processor = 'profile') INTO events FROM personalize.rollup_now() r;
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	RETURN events;
END
$$;

-- what an event weighs unpacked is forgotten before the next one: 240 MB pass through one backend
-- the most memory of its own that it had, without what it has seen of the server's shared memory
CREATE FUNCTION peak() RETURNS integer LANGUAGE sql AS $$
	SELECT substring(status FROM 'VmHWM:\s+(\d+)')::integer - substring(status FROM 'RssShmem:\s+(\d+)')::integer
	FROM pg_read_file('/proc/self/status', 0, 10000, true) AS status $$;
CREATE TABLE peak (kilobytes integer);
CREATE PROCEDURE begin_peak() LANGUAGE sql AS 'DELETE FROM peak; INSERT INTO peak SELECT peak()';
CREATE FUNCTION peak_within(megabytes integer) RETURNS boolean LANGUAGE sql AS $$
	SELECT coalesce(peak() - kilobytes < megabytes * 1024, true) FROM peak $$;
SELECT count(personalize.grant_consent(u::text, ARRAY['analytics', 'personalization', 'recommendations'])) FROM generate_series(1, 40) u;
SELECT count(personalize.track(1 + i % 40, 'view_item', i % 50, jsonb_build_object('note', repeat('long ', 12000)), ts => now() - (26 - i / 160) * interval '1 hour' + i % 160 * interval '1 second'))
FROM generate_series(1, 4000) i;
\c -
CALL begin_peak();
SELECT roll();
SELECT peak_within(64) AS batches;
SELECT personalize.rebuild_processor('profile'); SELECT roll();
SELECT peak_within(64) AS rebuild;
SELECT count(*) > 0 AS tuned FROM personalize.tune_neighbours();
SELECT peak_within(64) AS tuning;
SELECT count(*) FROM personalize.verify_index();
SELECT peak_within(64) AS verification;
SELECT count(*) > 0 AS healthy FROM personalize.health();
SELECT peak_within(64) AS health;
SELECT count(personalize.withdraw_consent(u::text, ARRAY['recommendations'])) FROM generate_series(1, 20) u;
SELECT peak_within(64) AS withdrawal;
SELECT count(personalize.forget(u::text)) FROM generate_series(1, 40) u;
SELECT peak_within(64) AS erasure;
SELECT count(*) FROM personalize.event;

-- a kind of event whose row is gone counts nothing; the definitions are not compiled for each
SELECT personalize.grant_consent('ada', ARRAY['analytics', 'personalization', 'recommendations']) IS NOT NULL AS granted;
SELECT count(personalize.track('ada', 'wave', i)) FROM generate_series(1, 2000) i;
SELECT personalize.track('ada', 'smile', 1);
SELECT personalize.track('ada', 'view_item', 1, '{"category": "Lighting"}');
-- weights are numbers that can be summed
\set VERBOSITY terse
UPDATE personalize.event_type SET weight = 'NaN' WHERE name = 'smile';
UPDATE personalize.event_type SET weight = 'Infinity' WHERE name = 'smile';
UPDATE personalize.event_type SET weight = -1000001 WHERE name = 'smile';
-- numbers are above 0, also those an alias stands for, and the last one may be taken
INSERT INTO personalize.event_type (event, name) VALUES (0, 'zero');
INSERT INTO personalize.event_alias (alias, event) VALUES ('ghost', 9999);
\set VERBOSITY default
BEGIN;
INSERT INTO personalize.event_type (event, name) VALUES (32767, 'last');
SELECT personalize.track('ada', 'one more name', 1);
SELECT event BETWEEN 1000 AND 32766 AS between FROM personalize.event_type WHERE name = 'one more name';
ROLLBACK;
UPDATE personalize.event_type SET weight = 1 WHERE name = 'smile';
DELETE FROM personalize.event_type WHERE name = 'wave';
\c -
SELECT signal, value, count FROM personalize.features('ada') WHERE value IN ('Lighting', 'Seats', '1', '2');
SELECT count(*) <= 2 AS sets FROM pg_backend_memory_contexts WHERE name = 'personalize signals';
BEGIN;
SELECT signal, value, count FROM personalize.features('ada') WHERE value IN ('Lighting', 'Seats', '1', '2');
SELECT count(*) <= 2 AS sets FROM pg_backend_memory_contexts WHERE name = 'personalize signals';
COMMIT;
-- one that is new in this very transaction is known at once
BEGIN;
SELECT count(*) FROM personalize.features('ada');
SELECT personalize.track('ada', 'nod', 2, '{"category": "Seats"}');
UPDATE personalize.event_type SET weight = 1 WHERE name = 'nod';
SELECT signal, value, count FROM personalize.features('ada') WHERE value IN ('Lighting', 'Seats', '1', '2');
ROLLBACK;

-- exclude_seen reads no more raw events than other readers, and says so where that was too few
SELECT personalize.grant_consent(u, ARRAY['recommendations']) IS NOT NULL AS granted FROM unnest('{eve,crowd}'::text[]) u;
SELECT count(personalize.track('eve', 'view_item', 1000 + i, ts => now() - interval '3 days' + i * interval '1 minute')) FROM generate_series(1, 100) i;
SELECT count(personalize.track('crowd', 'view_item', 1000 + i)) FROM generate_series(1, 5000) i;
SELECT roll() > 0 AS rolled;
CREATE FUNCTION seen() RETURNS TABLE (items bigint, stale boolean) LANGUAGE sql AS $$
	SELECT count(*), coalesce(bool_or((explanation ->> 'stale')::boolean), false)
	FROM personalize.recommend('eve', 1000, candidates => (SELECT array_agg(1000 + i) FROM generate_series(1, 110) i), exclude_seen => '10 days') $$;
SELECT * FROM seen();
SET personalize.max_tail_events = 1000;
SELECT * FROM seen();
SET personalize.max_tail_events = 0;
SELECT * FROM seen();
RESET personalize.max_tail_events;

SET client_min_messages = warning;
DROP TABLE peak;
DROP FUNCTION roll, peak, peak_within, seen;
DROP PROCEDURE begin_peak;
DROP EXTENSION personalize CASCADE;

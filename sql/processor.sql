SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
-- the batches of this test are its own: a running worker would take them first
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['profile', 'item_stat', 'neighbour', 'exposure'] LOOP
		PERFORM personalize.disable_processor(name);
	END LOOP;
END
$$;
RESET client_min_messages;
SELECT personalize.grant_consent('u' || u, ARRAY['analytics', 'personalization', 'recommendations']) IS NOT NULL AS granted
FROM generate_series(1, 5) AS u;

-- what profiles hold against what the raw events say
CREATE VIEW difference AS
SELECT coalesce(p.user_key, e.user_key) AS user_key, p.events AS held, e.events AS raw
FROM personalize.profile p
FULL JOIN (SELECT user_key, count(*) AS events FROM personalize.event GROUP BY user_key) e USING (user_key)
WHERE p.events IS DISTINCT FROM e.events;
-- run one processor by hand although it is disabled for workers
CREATE FUNCTION roll(OUT processor text, OUT events bigint, OUT rejected bigint) RETURNS SETOF record
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	RETURN QUERY SELECT r.* FROM personalize.rollup_now() r;
	PERFORM personalize.disable_processor('profile');
END
$$;
-- arguments: how many events, of which user
CREATE FUNCTION send(n int, u text) RETURNS bigint
LANGUAGE sql AS $$
	SELECT (personalize.ingest(array_agg(u), array_agg('view_item'::text), array_agg('item ' || i % 7))).accepted
	FROM generate_series(1, n) AS i
$$;

-- nothing to do
SELECT * FROM roll();
-- committed events count once
SELECT send(10, 'u1');
SELECT * FROM roll();
SELECT * FROM roll();
SELECT * FROM difference;

-- a transaction that has written events may not process; one that has processed may write
BEGIN;
SELECT send(1, 'u1');
SELECT * FROM roll();
ROLLBACK;
BEGIN;
SELECT * FROM roll();
SELECT send(3, 'u2');
COMMIT;
SELECT * FROM roll();
SELECT * FROM difference;
-- what a savepoint undid does not count, what came after it does
BEGIN;
SELECT send(2, 'u3');
SAVEPOINT s;
SELECT send(4, 'u3');
ROLLBACK TO s;
SELECT send(8, 'u3');
RELEASE s;
COMMIT;
SELECT * FROM roll();
SELECT * FROM difference;
-- nor does a batch that is rolled back
SELECT send(5, 'u1');
BEGIN;
SELECT * FROM roll();
ROLLBACK;
SELECT * FROM roll();
SELECT * FROM difference;
-- only READ COMMITTED has the snapshots that are needed
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM roll();
ROLLBACK;

-- many transactions, batches of seven: by spans of these, and within a span by people
SELECT send(1 + i % 4, 'u' || 1 + i % 5) IS NULL AS missing FROM generate_series(1, 3) AS i;
DO $$
BEGIN
	FOR i IN 1..120 LOOP
		PERFORM send(1 + i % 4, 'u' || 1 + i % 5);
		COMMIT;
	END LOOP;
END
$$;
SET personalize.batch_events = 7;
SELECT batches AS before FROM personalize.processor WHERE name = 'profile' \gset
SELECT * FROM roll();
SELECT batches - :before BETWEEN 10 AND 12 AS several FROM personalize.processor WHERE name = 'profile';
SELECT * FROM difference;
-- one transaction larger than a batch is taken in rounds
SELECT send(100, 'u4');
SELECT * FROM roll();
SELECT * FROM difference;
-- one of many people, in batches of some shards each
SELECT count(personalize.grant_consent('crowd' || i, '{personalization}')) AS people FROM generate_series(1, 200) AS i;
SELECT batches AS before FROM personalize.processor WHERE name = 'profile' \gset
SELECT count(send(1, 'crowd' || i)) AS events FROM generate_series(1, 200) AS i;
SELECT * FROM roll();
SELECT batches - :before BETWEEN 15 AND 64 AS several FROM personalize.processor WHERE name = 'profile';
SELECT * FROM difference;
-- of many transactions four batches at a time: a profile is written as often, and events are read less often
SELECT batches AS before FROM personalize.processor WHERE name = 'profile' \gset
DO $$
BEGIN
	FOR i IN 1..200 LOOP
		PERFORM send(1, 'crowd' || i);
		COMMIT;
	END LOOP;
END
$$;
SELECT * FROM roll();
SELECT batches - :before BETWEEN 7 AND 14 AS few FROM personalize.processor WHERE name = 'profile';
SELECT * FROM difference;
RESET personalize.batch_events;

-- an enabled processor goes on where it was; a rebuilt one counts everything again
SELECT sum(events) = (SELECT count(*) FROM personalize.event) AS complete FROM personalize.profile;
BEGIN;
SELECT personalize.rebuild_processor('profile');
SELECT count(*) FROM personalize.profile;
COMMIT;
SELECT * FROM roll();
SELECT * FROM difference;
SELECT personalize.enable_processor('nobody');
SELECT personalize.disable_processor(NULL);
SELECT personalize.rebuild_processor('nobody');

-- positions say what they contain
SELECT count(*) AS shards, bool_and(personalize_internal._txid_seen(e.txid, p.asof)) AS seen
FROM personalize.processor_position p, (SELECT max(txid) AS txid FROM personalize.event) e
WHERE p.processor = 1;

-- what fails before the first event says nothing about the events: nothing is set aside
SELECT send(1, 'u1');
ALTER TABLE personalize.event_type RENAME weight TO heaviness;
\set SHOW_CONTEXT never
SELECT personalize.enable_processor('neighbour');
SELECT * FROM personalize.rollup_now();
SELECT personalize.disable_processor('neighbour');
ALTER TABLE personalize.event_type RENAME heaviness TO weight;
SELECT count(*) FROM personalize.rejected_event;

-- nor can a position of a shard that there is not be read
INSERT INTO personalize.processor_position VALUES (1, 9999, '0:1:1:');
SELECT * FROM roll();
DELETE FROM personalize.processor_position WHERE shard = 9999;
SELECT * FROM roll();

-- one that would lose something it contains is refused, whoever gets it wrong
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.asof := '1:5:5:';
	RETURN NEW;
END
$$;
CREATE TRIGGER lose BEFORE INSERT ON personalize.processor_position FOR EACH ROW
	WHEN (NEW.processor = 1 AND NEW.shard = personalize_internal._event_shard(personalize.user_key('u2'))) EXECUTE FUNCTION lose();
SELECT send(6, 'u2');
\set VERBOSITY terse
SELECT * FROM roll();
\set VERBOSITY default
DROP TRIGGER lose ON personalize.processor_position;
DROP FUNCTION lose;
SELECT * FROM roll();
SELECT * FROM difference;

-- a backlog of many batches is taken by people: each profile is written once, not once a batch
SET client_min_messages = warning;
SELECT count(personalize.grant_consent('v' || v, ARRAY['personalization', 'recommendations'])) FROM generate_series(1, 40) AS v;
RESET client_min_messages;
SELECT format('SELECT (personalize.ingest(array_agg(''v'' || v), array_agg(''view_item''::text), array_agg(''item %1$s''::text))).accepted FROM generate_series(1, 40) AS v', i)
FROM generate_series(1, 6) AS i \gexec
SET personalize.batch_events = 40;
BEGIN;
SELECT pg_stat_get_xact_tuples_inserted(oid) AS inserted, pg_stat_get_xact_tuples_updated(oid) AS updated
FROM pg_class WHERE oid = 'personalize.profile'::regclass \gset
SELECT events FROM roll();
SELECT pg_stat_get_xact_tuples_inserted(oid) - :inserted AS inserted, pg_stat_get_xact_tuples_updated(oid) - :updated AS updated
FROM pg_class WHERE oid = 'personalize.profile'::regclass;
COMMIT;
-- what touches lists of neighbours is taken four batches at a time
SELECT personalize.enable_processor('neighbour');
SELECT count(*) FROM personalize.rollup_now() WHERE processor = 'neighbour';
SELECT batches BETWEEN 3 AND 7 AS few FROM personalize.processor WHERE name = 'neighbour';
SELECT personalize.disable_processor('neighbour');
RESET personalize.batch_events;
SELECT * FROM difference;

-- where few of many events count, and only some of their pages are looked at, one that counts is found
SET client_min_messages = warning;
SELECT count(personalize.grant_consent('quiet', ARRAY['analytics', 'recommendations']));
RESET client_min_messages;
SELECT personalize.enable_processor('neighbour');
SELECT (personalize.ingest(array_fill('quiet'::text, ARRAY[30000]), array_fill('search'::text, ARRAY[30000]))).accepted;
SELECT personalize.track('quiet', 'view_item', 'one');
SELECT (personalize.ingest(array_fill('quiet'::text, ARRAY[5000]), array_fill('search'::text, ARRAY[5000]))).accepted;
SELECT processor, events FROM personalize.rollup_now() WHERE processor = 'neighbour';
SELECT count(*) FROM personalize.session WHERE user_key = personalize.user_key('quiet');
SELECT personalize.disable_processor('neighbour');

DROP VIEW difference;
DROP FUNCTION roll, send;

SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
-- A row that is found where it was found before is the one the index would find: what
-- comes next to items is asked twice, and once more under a serializable transaction,
-- which remembers nothing.
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour']) p;
-- in one transaction, so that no worker sees the processor enabled
CREATE FUNCTION roll() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	counted bigint;
BEGIN
	PERFORM personalize.enable_processor('neighbour');
	SELECT sum(events) INTO counted FROM personalize.rollup_now();
	PERFORM personalize.disable_processor('neighbour');
	RETURN counted;
END
$$;
CREATE FUNCTION visit(people int, since int, day timestamptz) RETURNS bigint LANGUAGE sql AS $$
	SELECT (personalize.import_events(array_agg(u::text::personalize.entity_id), array_agg('view_item'::text),
		array_agg((since + (u * i) % 7)::text::personalize.entity_id), array_agg(day + make_interval(mins => u, secs => i)),
		consents => array_agg('recommendations'::text))).accepted
	FROM generate_series(since, since + people - 1) u, generate_series(1, 4) i
$$;
CREATE FUNCTION answers() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT md5(string_agg(format('%s %s %s', i, n.item_key, n.score), ',' ORDER BY i, n.item_key))
	FROM generate_series(1, 20) i, personalize.session_neighbours(ARRAY[i::text]::personalize.entity_id[], 20, '2026-03-01') n
$$;
CREATE TABLE seen (step int, answer text);
CREATE PROCEDURE look(step int) LANGUAGE sql AS 'INSERT INTO seen SELECT step, answers() FROM generate_series(1, 2)';
CREATE VIEW verdict AS SELECT step, count(*) AS asked, count(DISTINCT answer) AS answers,
	bool_and(answer IS DISTINCT FROM (SELECT max(p.answer) FROM seen p WHERE p.step = s.step - 1)) AS changed
FROM seen s GROUP BY step ORDER BY step;
\set sure 'BEGIN ISOLATION LEVEL SERIALIZABLE; CALL look(:step); COMMIT;'
SELECT visit(20, 1, '2026-01-01');
SELECT roll();
\set step 1
CALL look(1); :sure
-- a batch, and one that is rolled back after its own answers are seen
SELECT visit(9, 4, '2026-01-02');
SELECT roll();
\set step 2
CALL look(2); :sure
SELECT visit(6, 8, '2026-01-03');
BEGIN;
SELECT roll();
SELECT answers() <> max(answer) AS changed FROM seen WHERE step = 2;
SELECT answers() <> max(answer) AS changed FROM seen WHERE step = 2;
SAVEPOINT s; CALL look(0); ROLLBACK TO s;
ROLLBACK;
INSERT INTO seen SELECT 2, answers() FROM generate_series(1, 2);
SELECT roll();
\set step 3
CALL look(3); :sure
-- a person leaves, and another in a transaction that does not happen
SELECT personalize.forget('5') IS NOT NULL AS gone;
\set step 4
CALL look(4); :sure
BEGIN; SELECT personalize.forget('6') IS NOT NULL AS gone; SELECT answers() <> max(answer) AS changed FROM seen WHERE step = 4; ROLLBACK;
INSERT INTO seen SELECT 4, answers();
-- the same rows in other files, at other places, by another index, in vacuumed pages
VACUUM FULL personalize._pair_list;
INSERT INTO seen SELECT 4, answers() FROM generate_series(1, 2);
REINDEX TABLE personalize._pair_list;
VACUUM FREEZE personalize._pair_list;
INSERT INTO seen SELECT 4, answers() FROM generate_series(1, 2);
ALTER TABLE personalize._pair_list SET UNLOGGED;
INSERT INTO seen SELECT 4, answers() FROM generate_series(1, 2);
ALTER TABLE personalize._pair_list SET LOGGED;
INSERT INTO seen SELECT 4, answers() FROM generate_series(1, 2);
-- lists that are gone, and made anew
BEGIN; DELETE FROM personalize._pair_list; SELECT answers() <> max(answer) AS changed FROM seen WHERE step = 4; ROLLBACK;
INSERT INTO seen SELECT 4, answers();
SELECT personalize.rebuild_processor('neighbour') IS NOT NULL AS rebuilt;
SELECT roll() > 0 AS counted;
INSERT INTO seen SELECT 4, answers() FROM generate_series(1, 2);
SELECT * FROM verdict;
DROP VIEW verdict; DROP TABLE seen; DROP PROCEDURE look; DROP FUNCTION answers, visit, roll;

-- People's rows lie on pages that change all the time: whatever has come to the place where
-- one was, a decision finds the person's, or that there is none.
CREATE FUNCTION allow(people text[], purpose text) RETURNS bigint LANGUAGE sql AS
	'SELECT count(personalize.grant_consent(p, ARRAY[purpose])) FROM unnest(people) p';
CREATE VIEW known AS SELECT user_id, granted, decided FROM personalize.subject ORDER BY user_id COLLATE "C";
SELECT allow('{ann,bob,cleo}', 'analytics'), allow('{ann,bob,cleo}', 'analytics');
-- versions of it: one that is not kept, one that is
BEGIN; SELECT allow('{ann,bob}', 'marketing'), allow('{ann,bob}', 'marketing'); ROLLBACK;
SELECT allow('{ann}', 'personalization'), allow('{ann,bob}', 'analytics');
SELECT * FROM known;
-- nobody's, and another person's
SELECT personalize.forget('ann') IS NOT NULL AND personalize.forget('bob') IS NOT NULL AS gone;
SELECT allow('{cleo}', 'analytics');
VACUUM personalize.subject;
SELECT allow('{dan,eve,fay}', 'recommendations'), allow('{ann}', 'analytics'), allow('{bob,cleo,dan,eve,fay}', 'analytics');
SELECT * FROM known;
-- another file's
VACUUM FULL personalize.subject;
SELECT allow('{ann,bob,cleo,dan,eve,fay}', 'marketing'), allow('{ann,bob,cleo,dan,eve,fay}', 'marketing');
SELECT * FROM known;
SELECT * FROM personalize.verify_ledger();
DROP VIEW known; DROP FUNCTION allow;
DROP EXTENSION personalize CASCADE;

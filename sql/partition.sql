SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
RESET client_min_messages;
SET timezone = 'Pacific/Auckland';
SELECT personalize.grant_consent('u1', ARRAY['analytics', 'personalization', 'recommendations']) IS NOT NULL AS granted;
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
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	SELECT sum(r.events) FILTER (WHERE r.processor = 'profile') INTO events FROM personalize.rollup_now() r;
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	RETURN events;
END
$$;

-- days are made ahead, and only once
SELECT personalize_internal._make_partitions_ahead(4) > 0 AS made;
SELECT personalize_internal._make_partitions_ahead(4);
SELECT min(day) - (now() AT TIME ZONE 'UTC')::date AS first, count(*) AS days FROM personalize._event_day;
SELECT personalize_internal._make_partitions_ahead(-1);
SELECT personalize_internal._make_partitions_ahead(367);

-- a day is a day of UTC, whatever the session's time zone
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT bool_and(pg_get_expr(c.relpartbound, c.oid) LIKE '%00:00:00+00%00:00:00+00%') AS midnight
FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE i.inhparent = 'personalize.event'::regclass;

-- the parent has neither key nor index, a partition a BRIN index on txid; the parent alone is a member
SELECT count(*) FROM pg_index WHERE indrelid = 'personalize.event'::regclass;
SELECT DISTINCT am.amname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am am ON am.oid = c.relam
JOIN pg_inherits i ON i.inhrelid = x.indrelid WHERE i.inhparent = 'personalize.event'::regclass;
SELECT count(*) FILTER (WHERE d.objid = 'personalize.event'::regclass) AS parent, count(*) FILTER (WHERE d.objid IN
	(SELECT inhrelid FROM pg_inherits WHERE inhparent = 'personalize.event'::regclass)) AS partitions
FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e';

-- history makes the days it needs; a past day that is wholly processed is closed
SELECT personalize.import_events(ARRAY['u1', 'u1', 'u1'], ARRAY['view_item', 'view_item', 'view_item'],
	ARRAY['a', 'b', 'c'], ARRAY['2020-02-29 23:59:59+00', '2020-03-01 00:00:00+00', '1999-12-31 12:00:00+00']::timestamptz[]);
SELECT tableoid::regclass, ts FROM personalize.event ORDER BY ts;
SELECT roll();
SELECT day, rolled FROM personalize._event_day WHERE day < '2021-01-01' ORDER BY day;
SELECT indexdef FROM pg_indexes WHERE tablename = 'event_p20200229' ORDER BY indexname;
-- what comes in for a closed day opens it again, and counts
SELECT personalize.import_events(ARRAY['u1'], ARRAY['view_item'], ARRAY['d'], ARRAY['2020-02-29 12:00:00+00']::timestamptz[]);
SELECT day FROM personalize._event_day WHERE NOT rolled AND day < '2021-01-01' ORDER BY day;
SELECT roll();
SELECT roll();
SELECT day FROM personalize._event_day WHERE NOT rolled AND day < '2021-01-01' ORDER BY day;
SELECT events FROM personalize.profile;
-- a rebuild reads closed days too
SELECT personalize.rebuild_processor('profile');
SELECT roll();
SELECT events FROM personalize.profile;

-- what is withdrawn is taken out of every event: of closed days, of days between these that
-- are open again, of today, of partitions attached by hand, and of nobody else's
SELECT personalize.grant_consent('u2', ARRAY['analytics', 'personalization', 'recommendations']);
SELECT personalize.import_events(ARRAY['u1', 'u2'], ARRAY['view_item', 'view_item'], ARRAY['d', 'd'],
	ARRAY['2020-02-29 13:00:00+00', '2020-02-29 13:00:00+00']::timestamptz[]);
SELECT (personalize.ingest(array_agg((ARRAY['u1', 'u2', 'u3'])[1 + n % 3]::personalize.entity_id), array_agg('view_item'::text), array_agg('d'::personalize.entity_id))).accepted
FROM generate_series(1, 4000) n;
CREATE TABLE by_hand (LIKE personalize.event INCLUDING DEFAULTS);
INSERT INTO by_hand SELECT * FROM personalize.event WHERE ts = '2020-02-29 13:00:00+00';
UPDATE by_hand SET received_at = '2019-01-01 12:00+00';
ALTER TABLE personalize.event ATTACH PARTITION by_hand FOR VALUES FROM ('2019-01-01 00:00+00') TO ('2019-01-02 00:00+00');
CREATE VIEW days AS SELECT user_key = personalize.user_key('u1') AS mine, least((received_at AT TIME ZONE 'UTC')::date, '2024-01-01') AS day, consent, count(*)
	FROM personalize.event GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3;
SELECT * FROM days;
BEGIN;
SELECT personalize.withdraw_consent('u1', ARRAY['analytics']);
SELECT * FROM days;
ROLLBACK;
ALTER TABLE personalize.event DETACH PARTITION by_hand;
BEGIN;
SELECT personalize.withdraw_consent('u1', ARRAY['analytics']);
SELECT * FROM days;
ROLLBACK;
SELECT sum(count) FROM days WHERE mine AND consent & 1 = 0;
SELECT personalize.withdraw_consent('u1', ARRAY['analytics', 'personalization']);
SELECT * FROM days;
DROP VIEW days;
DROP TABLE by_hand;

DROP FUNCTION roll;

-- a day and the schema are not dropped by mistake
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT accepted FROM personalize.import_events('{ada}', '{view_item}', '{a}', '{2020-01-01}', consents => '{analytics}');
DROP TABLE personalize.event_p20200101;
SET search_path = personalize;
DROP TABLE IF EXISTS nothing_of_the_kind, event_p20200101 CASCADE;
RESET search_path;
DROP SCHEMA personalize CASCADE;
DROP OWNED BY personalize_owner;
DROP TABLE personalize.event;
CREATE TABLE personalize.event_p20200102 ();
DROP TABLE personalize.event_p20200102;
CREATE SCHEMA regress_other;
DROP SCHEMA regress_other;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20200101;
TRUNCATE personalize.event_p20200101;
TRUNCATE personalize.item, personalize.event;
BEGIN;
SET LOCAL personalize.allow_drop = on;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20200101;
TRUNCATE personalize.event;
ROLLBACK;
BEGIN;
SET LOCAL personalize.allow_drop = on;
DROP TABLE personalize.event_p20200101;
ROLLBACK;
-- a day that a restore has made without owners gets its own back, and health() asks others nothing
SELECT pg_get_userbyid(relowner) = current_user AS mine FROM pg_class WHERE relname = 'event_p20200101';
BEGIN;
SET LOCAL personalize.allow_drop = on;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20200101;
ALTER TABLE personalize.event_p20200101 OWNER TO CURRENT_USER;
ALTER TABLE personalize.event ATTACH PARTITION personalize.event_p20200101 FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00');
SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'event_p20200101';
SELECT personalize_internal._make_partitions_ahead(1) >= 0 AS made;
DO $$
DECLARE day regclass;
BEGIN
	FOR day IN SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'personalize.event'::regclass LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', day);
	END LOOP;
END $$;
SELECT count(*) > 10 AS answered FROM personalize.health();
ROLLBACK;
-- nor are schemas renamed
ALTER SCHEMA personalize RENAME TO shop;
ALTER SCHEMA personalize_internal RENAME TO shop;
CREATE SCHEMA regress_other;
ALTER SCHEMA regress_other RENAME TO regress_another;
DROP SCHEMA regress_another;
-- days are heaps whatever other tables are
CREATE ACCESS METHOD regress_heap TYPE TABLE HANDLER heap_tableam_handler;
BEGIN;
SET LOCAL default_table_access_method = regress_heap;
SELECT accepted FROM personalize.import_events('{ada}', '{view_item}', '{a}', '{2020-01-03}', consents => '{analytics}');
SELECT a.amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relname = 'event_p20200103';
ROLLBACK;
DROP ACCESS METHOD regress_heap;
SET application_name = 'pg_restore';
BEGIN;
DROP TABLE personalize.event_p20200101;
ROLLBACK;
RESET application_name;
SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;
DROP SCHEMA personalize;
CREATE EXTENSION personalize;
RESET client_min_messages;

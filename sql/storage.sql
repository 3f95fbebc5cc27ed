-- storage: what takes how much room, and what retention would free
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT kind, bytes > 0 AS some, CASE WHEN kind NOT IN ('other', 'all') THEN row_count END AS row_count, bytes_per_event, frees FROM personalize.storage_usage();
-- a thousand events on each of eight days, of which two are past their time
SELECT r.accepted
FROM (SELECT array_agg('u' || i % 50) AS users, array_agg('view_item'::text) AS events, array_agg('i' || i % 20) AS items,
		array_agg(date_trunc('day', now(), 'UTC') - interval '1 hour' - (i % 8 + CASE WHEN i % 8 > 5 THEN 400 ELSE 0 END) * interval '1 day') AS ts,
		array_agg('analytics,personalization,recommendations'::text) AS consents
	FROM generate_series(1, 10000) AS i) AS t,
	LATERAL personalize.import_events(t.users, t.events, t.items, t.ts, consents => t.consents) AS r;
\getenv abs_srcdir PG_ABS_SRCDIR
\set settled :abs_srcdir '/test/settled.sql'
\set ECHO none
\i :settled
\set ECHO all
DO $$
BEGIN
	PERFORM pg_temp.settled();
END $$;
SELECT processor FROM personalize.rollup_now();
VACUUM ANALYZE;
CREATE TEMP TABLE used AS SELECT * FROM personalize.storage_usage();
-- each table is in one kind, and all of them are the schema
SELECT sum(bytes) FILTER (WHERE kind <> 'all') = max(bytes) FILTER (WHERE kind = 'all') AS adds_up,
	max(bytes) FILTER (WHERE kind = 'all') = (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r') AS is_all FROM used;
SELECT row_count, round(bytes / 10000.0, 1) = bytes_per_event AS per_event, bytes_per_day > 0 AS grows, frees > 0 AND frees < bytes AS frees_some FROM used WHERE kind = 'raw';
SELECT kind, row_count > 0 AS some, index_bytes < bytes AS indexes FROM used WHERE kind IN ('raw', 'profile', 'session', 'item_stat') ORDER BY 1;
-- what would go is what goes
SELECT sum(pg_total_relation_size(format('personalize.%I', w.what))) = sum(w.bytes) AS whole_days, count(*) > 1 AS several
FROM personalize.apply_retention(dry_run => true) AS w WHERE w.kind = 'raw' AND w.removed > 0;
SELECT kind, what, removed, bytes > 0 AS bytes FROM personalize.apply_retention(dry_run => true) WHERE removed > 0 AND kind <> 'raw' ORDER BY 1, 2;
SELECT count(bytes) FROM personalize.apply_retention();
SELECT bytes < (SELECT u.bytes FROM used AS u WHERE u.kind = 'raw') AS less, frees FROM personalize.storage_usage() WHERE kind = 'raw';
-- not asked, under one snapshot, and by whom
SELECT count(frees), count(*) FROM personalize.storage_usage(retention => false);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 10 AS lines FROM personalize.storage_usage(false);
SELECT count(*) FROM personalize.storage_usage();
ROLLBACK;
SELECT count(frees) > 5 AS asked FROM personalize.storage_usage(NULL);
CREATE ROLE regress_watch IN ROLE personalize_monitor;
SET ROLE regress_watch;
SELECT count(*) > 10 AS lines FROM personalize.storage_usage();
RESET ROLE;
DROP ROLE regress_watch;
SET client_min_messages = warning; DROP EXTENSION personalize CASCADE;

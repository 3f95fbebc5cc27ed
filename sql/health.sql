-- health: checks, and what they say when something is wrong
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;

SELECT "check", fix IS NULL AS nothing_to_do FROM personalize.health() WHERE "check" NOT IN ('preload', 'workers', 'cleanup');

-- the first event
SELECT personalize.track('ada', 'view_item', 'shoe', consent => '{analytics,personalization,recommendations}');
SELECT processor FROM personalize.rollup_now();
SELECT "check", ok FROM personalize.health() WHERE "check" NOT IN ('preload', 'workers', 'cleanup');
SELECT processor, enabled, waiting, lag, events, rejected, failures, last_error FROM personalize.stat_processor;

-- a processor that is disabled, and what then waits
SELECT personalize.disable_processor('neighbour');
SELECT personalize.track('ada', 'view_item', 'hat', consent => '{analytics,personalization,recommendations}');
SELECT processor FROM personalize.rollup_now();
SELECT processor, enabled, waiting, lag > interval '0' AS behind FROM personalize.stat_processor;
SELECT ok, regexp_replace(detail, '\d+ seconds', 'some seconds') AS detail, fix FROM personalize.health() WHERE "check" = 'processor neighbour';
SELECT personalize.enable_processor('neighbour');
SELECT processor FROM personalize.rollup_now();
SELECT personalize.disable_processor('nobody');

-- a rebuild is told from a lag, and is over when nothing of it waits
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
SELECT personalize.rebuild_processor('item_stat');
SELECT personalize.track('ada', 'view_item', 'hat', consent => '{analytics,personalization,recommendations}');
SELECT processor, waiting, rebuilding, imported, rebuilding_since IS NOT NULL AS rebuilds, lag > interval '0' AS lags FROM personalize.stat_processor;
-- and so is imported history
SELECT accepted FROM personalize.import_events(ARRAY['bob', 'bob'], ARRAY['view_item', 'view_item'], ARRAY['shoe', 'hat'],
	ARRAY[now() - interval '300 days', now() - interval '3 days'], consents => ARRAY['analytics', 'analytics']);
SELECT processor, waiting, rebuilding, imported, lag < interval '1 hour' AS lags_little FROM personalize.stat_processor;
SELECT regexp_replace(regexp_replace(detail, 'since [^;]*', 'since'), '\d+ seconds', 'some seconds') AS detail FROM personalize.health() WHERE "check" = 'processor item_stat';
SELECT personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
SELECT processor FROM personalize.rollup_now();
SELECT processor, waiting, rebuilding, imported, lag, rebuilding_since FROM personalize.stat_processor;
-- what a crash would empty
ALTER TABLE personalize._pair_list SET UNLOGGED;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'unlogged tables';
ALTER TABLE personalize._pair_list SET LOGGED;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'unlogged tables';
-- days that somebody has dropped, detached, moved, renamed, emptied or attached by hand
SELECT personalize.import_events('{ada,ada,ada,ada,ada}', '{view_item,view_item,view_item,view_item,view_item}', '{a,a,a,a,a}',
	'{2020-01-01,2020-01-02,2020-01-03,2020-01-04,2020-01-05}', consents => array_fill('analytics'::text, '{5}'));
SELECT processor FROM personalize.rollup_now();
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'days of event';
SET personalize.allow_drop = on;
DROP TABLE personalize.event_p20200101;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20200102;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20200103;
ALTER TABLE personalize.event_p20200103 SET SCHEMA public;
ALTER TABLE personalize.event_p20200104 RENAME TO regress_renamed;
SELECT pg_stat_force_next_flush();
TRUNCATE personalize.event_p20200105;
RESET personalize.allow_drop;
CREATE TABLE regress_day PARTITION OF personalize.event FOR VALUES FROM ('1990-01-01+00') TO ('1990-02-01+00');
SELECT replace(fault, ' before all processors had counted it', '') AS fault, fix FROM personalize_internal._day_faults() ORDER BY day, fault;
SELECT ok, detail LIKE '%event_p20200101 was dropped%' AS told FROM personalize.health() WHERE "check" = 'days of event';
-- what the fixes say
DELETE FROM personalize._event_day WHERE day IN ('2020-01-01', '2020-01-03', '2020-01-04');
ALTER TABLE personalize.event ATTACH PARTITION personalize.event_p20200102 FOR VALUES FROM ('2020-01-02 00:00:00+00') TO ('2020-01-03 00:00:00+00');
SELECT pg_stat_reset_single_table_counters('personalize.event_p20200105'::regclass);
ALTER TABLE personalize.event DETACH PARTITION regress_day;
ALTER TABLE personalize.event DETACH PARTITION personalize.regress_renamed;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'days of event';
DROP TABLE regress_day, personalize.regress_renamed, public.event_p20200103;
-- a day that was emptied by rights is none of them
SELECT personalize.import_events('{eve}', '{view_item}', '{a}', '{2020-01-01}', consents => '{analytics}');
SELECT count(personalize.forget('eve'));
SELECT pg_stat_force_next_flush();
VACUUM personalize.event_p20200101;
SELECT pg_relation_size('personalize.event_p20200101') AS size, ok FROM personalize.health() WHERE "check" = 'days of event';

-- ids that have one key
INSERT INTO personalize._dictionary_log SELECT 'i', s, personalize.item_key('shoe'), 'boot', 0 FROM generate_series(0, 63) AS s;
INSERT INTO personalize._dictionary_log SELECT 'u', s, personalize.user_key('ada'), 'bob', 0 FROM generate_series(0, 63) AS s;
SET client_min_messages = error;
SELECT processor FROM personalize.rollup_now();
RESET client_min_messages;
SELECT ok, fix FROM personalize.health() WHERE "check" = 'key collisions';
SELECT source, reason FROM personalize.rejected_event ORDER BY reason;

-- a catalogue whose ids are not those that are tracked
CREATE FUNCTION catalogue() RETURNS TABLE (what text, well boolean, detail text, fix text) LANGUAGE sql AS $$
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize.health() AS h WHERE h."check" LIKE 'catalogue%'
$$;
SELECT what, well, detail FROM catalogue();
CREATE TABLE goods AS SELECT i AS id, 'SKU-' || i AS sku, i % 50 = 0 AS hot FROM generate_series(1, 200) AS i;
SET client_min_messages = error;
SELECT * FROM personalize.sync_items('goods', '{"item_id": "id"}');
SELECT count(personalize.track('ada', 'view_item', 'SKU-' || i, consent => '{analytics,personalization,recommendations}')) FROM generate_series(1, 30) AS i;
SELECT processor FROM personalize.rollup_now();
SELECT * FROM catalogue();
-- corrected, but with a mapping that hides nearly all; then right; then forgotten
SELECT * FROM personalize.sync_items('goods', '{"item_id": "sku", "available": "hot"}');
SELECT * FROM catalogue();
SELECT * FROM personalize.sync_items('goods', '{"item_id": "sku"}');
SELECT what, well, detail FROM catalogue();
UPDATE personalize.item_sync SET last_run_at = now() - interval '50 hours';
SELECT * FROM catalogue() WHERE NOT well;
DROP TABLE goods;
SELECT * FROM catalogue() WHERE NOT well;
DELETE FROM personalize.item_sync;
SELECT count(*) FROM catalogue() WHERE NOT well;
RESET client_min_messages;
DROP FUNCTION catalogue;

-- who may ask
CREATE ROLE regress_operator;
SET ROLE regress_operator;
SELECT * FROM personalize.health();
SELECT * FROM personalize.stat_processor;
RESET ROLE;
GRANT personalize_admin TO regress_operator;
SET ROLE regress_operator;
SELECT count(*) > 10 AS checks FROM personalize.health();
SELECT count(*) AS processors FROM personalize.stat_processor;
RESET ROLE;
REVOKE personalize_admin FROM regress_operator;
DROP ROLE regress_operator;

-- a rebuild of nothing is over at once
SET client_min_messages = warning; DROP EXTENSION personalize; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT personalize.rebuild_processor('neighbour');
SELECT processor, waiting, rebuilding_since FROM personalize.stat_processor;

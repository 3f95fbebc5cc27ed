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

-- days that somebody has dropped, detached, moved, renamed, emptied or attached by hand
SELECT personalize.import_events('{ada,ada,ada,ada,ada}', '{view_item,view_item,view_item,view_item,view_item}', '{a,a,a,a,a}',
	'{2020-01-01,2020-01-02,2020-01-03,2020-01-04,2020-01-05}', consents => array_fill('analytics'::text, '{5}'));
SELECT processor FROM personalize.rollup_now();
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'days of event';
DROP TABLE personalize.event_p20200101;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20200102;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20200103;
ALTER TABLE personalize.event_p20200103 SET SCHEMA public;
ALTER TABLE personalize.event_p20200104 RENAME TO regress_renamed;
SELECT pg_stat_force_next_flush();
TRUNCATE personalize.event_p20200105;
CREATE TABLE regress_day PARTITION OF personalize.event FOR VALUES FROM ('1990-01-01+00') TO ('1990-02-01+00');
SELECT replace(fault, ' before all processors had counted it', '') AS fault, fix FROM personalize._day_faults() ORDER BY day, fault;
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

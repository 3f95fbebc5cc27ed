-- publication: what leaves the database by logical replication
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
-- wal_level is below logical here: a publication stops writers all the same
SET client_min_messages = error;
CREATE FUNCTION publications(OUT ok boolean, OUT detail text, OUT fix text) RETURNS record LANGUAGE sql AS
	$$SELECT h.ok, h.detail, h.fix FROM personalize.health() AS h WHERE h."check" = 'publications'$$;
SELECT * FROM publications();
\x
-- anybody's CDC
CREATE PUBLICATION regress_all FOR ALL TABLES;
SELECT personalize.track('ada', 'view_item', 'shoe', '{"query": "red"}', session_id => 's', message_id => 'm', consent => '{analytics,personalization,recommendations}');
SELECT processor FROM personalize.rollup_now() WHERE processor = 'profile';
SELECT personalize.set_retention('raw', '60 days');
SELECT count(personalize.rectify('ada', '{"properties": {"query": "blue hats"}}', message_id => 'm'));
SELECT count(personalize.restrict('ada', '{analytics}'));
SELECT count(personalize.withdraw_consent('ada', '{recommendations}'));
SELECT count(personalize.forget('ada'));
SELECT count(*) FROM personalize.event;
SELECT * FROM publications();
DROP PUBLICATION regress_all;

-- a schema, without deletes
CREATE PUBLICATION regress_schema FOR TABLES IN SCHEMA personalize WITH (publish = 'insert, update');
SELECT * FROM publications();
DROP PUBLICATION regress_schema;

-- single tables: what nobody's erasure concerns may be sent as one likes
CREATE PUBLICATION regress_item FOR TABLE personalize.item WITH (publish = 'insert');
SELECT * FROM publications();
DROP PUBLICATION regress_item;

-- rows and columns: as far as updates and deletes can be sent
CREATE PUBLICATION regress_rows FOR TABLE personalize.event WHERE (event = 10) WITH (publish_via_partition_root);
CREATE PUBLICATION regress_columns FOR TABLE personalize.profile (user_key, mask);
SELECT personalize.track('bob', e, 'shoe', consent => '{analytics,personalization,recommendations}') FROM unnest('{view_item,purchase}'::text[]) AS e;
SELECT processor FROM personalize.rollup_now() WHERE processor = 'profile';
SELECT count(personalize.forget('bob'));
SELECT * FROM publications();
ALTER PUBLICATION regress_columns SET TABLE personalize.profile (mask);
ALTER PUBLICATION regress_columns SET TABLE personalize.profile WHERE (mask > 1);
ALTER PUBLICATION regress_columns ADD TABLE personalize.subject (user_id);
ALTER PUBLICATION regress_columns SET (publish = 'insert');
ALTER PUBLICATION regress_columns SET TABLE personalize.profile WHERE (mask > 1);
SELECT * FROM publications();
ALTER PUBLICATION regress_columns SET (publish = 'insert, delete');
ALTER PUBLICATION regress_columns SET TABLE personalize.item (item_id, price), personalize.subject WHERE (user_key > 0);
CREATE PUBLICATION regress_other FOR TABLE personalize.event (ts, user_key) WITH (publish_via_partition_root);
CREATE PUBLICATION regress_other FOR TABLE personalize.event (ts, user_key) WITH (publish_via_partition_root, publish = 'insert');
-- others are not concerned
CREATE TABLE regress_table (a integer, b integer);
CREATE PUBLICATION regress_none FOR TABLE regress_table WHERE (a > b);
DROP PUBLICATION regress_none, regress_other, regress_columns, regress_rows;
DROP TABLE regress_table;

-- partitions made and attached by hand
CREATE TABLE regress_day (LIKE personalize.event);
ALTER TABLE personalize.event ATTACH PARTITION regress_day FOR VALUES FROM ('1990-01-01+00') TO ('1990-01-02+00');
CREATE TABLE regress_year PARTITION OF personalize.event FOR VALUES FROM ('1991-01-01+00') TO ('1992-01-01+00') PARTITION BY RANGE (received_at);
CREATE TABLE regress_month PARTITION OF regress_year FOR VALUES FROM ('1991-01-01+00') TO ('1991-02-01+00');
CREATE TABLE regress_own (LIKE personalize.event, PRIMARY KEY (txid, ordinal));
ALTER TABLE regress_own REPLICA IDENTITY USING INDEX regress_own_pkey;
ALTER TABLE personalize.event ATTACH PARTITION regress_own FOR VALUES FROM ('1993-01-01+00') TO ('1993-01-02+00');
SELECT oid::regclass, relreplident FROM pg_class WHERE relname IN ('regress_day', 'regress_year', 'regress_month', 'regress_own') ORDER BY relname;
SET personalize.allow_drop = on;
DROP TABLE regress_day, regress_year, regress_own;

SET client_min_messages = warning;
-- a table whose identity was taken away: nothing is changed unnoticed, by no path
SELECT count(personalize.track(u, 'view_item', 'shoe', message_id => u || '1', consent => '{analytics,personalization,recommendations}')) FROM unnest('{ada2,bob2}'::text[]) AS u;
SELECT processor FROM personalize.rollup_now() WHERE processor = 'profile';
SET client_min_messages = error;
CREATE PUBLICATION regress_all FOR ALL TABLES;
SET client_min_messages = warning;
\set VERBOSITY terse
ALTER TABLE personalize.profile REPLICA IDENTITY NOTHING;
SELECT * FROM publications();
SELECT personalize.forget('ada2');
ALTER TABLE personalize.profile REPLICA IDENTITY DEFAULT;
ALTER TABLE personalize.message_seen REPLICA IDENTITY NOTHING;
SELECT personalize.forget('ada2');
ALTER TABLE personalize.message_seen REPLICA IDENTITY DEFAULT;
DO $$BEGIN EXECUTE format('ALTER TABLE personalize.event_p%s REPLICA IDENTITY NOTHING', to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')); END$$;
DO $$BEGIN PERFORM personalize.forget('ada2'); EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', regexp_replace(SQLERRM, '_p\d+', '_p...'); END$$;
SELECT count(*) FROM personalize.event WHERE user_key = personalize.user_key('ada2');
DROP PUBLICATION regress_all;
SELECT count(personalize.forget('ada2'));
-- what 18 wants to be published: generated columns of one's own
BEGIN;
SET LOCAL client_min_messages = error;
DO $$BEGIN EXECUTE format('ALTER TABLE personalize.event_p%s REPLICA IDENTITY FULL', to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')); END$$;
ALTER TABLE personalize.event ADD COLUMN mine text GENERATED ALWAYS AS (properties ->> 'query') STORED;
DO $$
DECLARE
	told text := 'nothing';
BEGIN
	IF current_setting('server_version_num')::integer >= 180000 THEN
		BEGIN
			CREATE PUBLICATION regress_generated FOR TABLE personalize.event;
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
			GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL;
		END;
		IF told NOT LIKE '%: generated columns of its replica identity are not published: publish_generated_columns (the whole row).' THEN
			RAISE 'told was %', told;
		END IF;
		EXECUTE 'CREATE PUBLICATION regress_generated FOR TABLE personalize.event WITH (publish_generated_columns = stored)';
	ELSE
		CREATE PUBLICATION regress_generated FOR TABLE personalize.event;
	END IF;
END $$;
SELECT ok FROM publications();
ROLLBACK;
DROP FUNCTION publications();

-- table_cache: what sessions keep of small tables, and session_replication_role = replica
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- whatever changes a table that sessions keep is announced, also by a subscription, which fires triggers of rows only
SELECT t.tgrelid::regclass AS kept_table, count(*) FILTER (WHERE t.tgtype & 1 = 1 AND t.tgtype & 28 = 28) AS of_rows, count(*) FILTER (WHERE t.tgtype & 32 = 32) AS of_truncate
FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.proname IN ('_table_changed', '_definition_changed', '_consent_mapping_changed') AND t.tgenabled = 'A'
GROUP BY 1 ORDER BY t.tgrelid::regclass::text COLLATE "C";
SELECT count(*) AS silent FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.proname IN ('_table_changed', '_definition_changed', '_consent_mapping_changed') AND t.tgenabled <> 'A';

SELECT personalize.grant_consent(1, '{analytics}');
SELECT personalize.track(1, 'view_item', 'nothing');
SET session_replication_role = replica;
INSERT INTO personalize.refused_id VALUES ('nothing', 'everything');
SET client_min_messages = error;
SELECT personalize.track(1, 'view_item', 'nothing');
TRUNCATE personalize.refused_id;
SELECT personalize.track(1, 'view_item', 'nothing');
UPDATE personalize.purpose_default SET answer = 'denied';
SELECT personalize.track(2, 'view_item', 'shoe');
INSERT INTO personalize.purpose_default VALUES ('analytics', 'allowed') ON CONFLICT (purpose) DO UPDATE SET answer = EXCLUDED.answer;
SELECT personalize.track(2, 'view_item', 'shoe');
RESET client_min_messages;
RESET session_replication_role;

-- what event triggers guard is guarded from whoever may set it, too
CREATE ROLE regress_replicator;
GRANT SET ON PARAMETER session_replication_role TO regress_replicator;
GRANT USAGE ON SCHEMA personalize TO regress_replicator;
GRANT TRIGGER ON personalize.item TO regress_replicator;
SET ROLE regress_replicator;
SET session_replication_role = replica;
CREATE TRIGGER spy AFTER INSERT ON personalize.item EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger();
RESET ROLE;
SET client_min_messages = error;
CREATE PUBLICATION regress_broken FOR TABLE personalize.subject (user_id);
DROP SCHEMA personalize CASCADE;
RESET session_replication_role;
RESET client_min_messages;
REVOKE ALL ON personalize.item FROM regress_replicator;
REVOKE ALL ON SCHEMA personalize FROM regress_replicator;
REVOKE SET ON PARAMETER session_replication_role FROM regress_replicator;
DROP ROLE regress_replicator;

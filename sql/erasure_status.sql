-- erasure_status: stages of an erasure, what leaves the dictionary, and erasing again
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SET client_min_messages = error;

-- ada's own search word and item, others she shares with bob; known is in the catalogue
SELECT (personalize.upsert_items('[{"item_id": "known", "category": "shoes"}]')).inserted;
SELECT personalize.track('ada', 'search', properties => '{"query": "secret shoes"}', consent => '{analytics,personalization,recommendations}');
SELECT count(personalize.track('ada', 'view_item', i, '{"tags": ["own-tag", "shared-tag"]}', consent => '{analytics,personalization,recommendations}'))
	FROM unnest('{own,shared,known}'::text[]) AS i;
SELECT personalize.track('bob', 'search', properties => '{"query": "shoes"}', consent => '{analytics,personalization,recommendations}');
SELECT count(personalize.track('bob', 'view_item', i, '{"tags": ["shared-tag"]}', consent => '{analytics,personalization,recommendations}'))
	FROM unnest('{shared}'::text[]) AS i;
SELECT processor FROM personalize.rollup_now();

CREATE VIEW dictionary AS
	SELECT 'value' AS kind, value AS name FROM personalize.feature_value
	UNION SELECT 'item', item_id FROM personalize.item;
SELECT * FROM dictionary ORDER BY 1, 2;

-- bob's next search need not have been processed to count when it is decided
SELECT personalize.track('bob', 'search', properties => '{"query": "secret"}');
SELECT personalize.forget('ada') IS NOT NULL AS forgotten;
SELECT step, done FROM personalize.scrub_erased(files => false);
SELECT * FROM dictionary ORDER BY 1, 2;
SELECT s.stage, s.done FROM personalize.erasure_receipt() e, personalize.erasure_status(e.id) s WHERE s.stage IN ('logical', 'dictionary');

-- a text that has gone is written again by a backend that knew it to be stored
SELECT processor FROM personalize.rollup_now();
SELECT personalize.forget('bob') IS NOT NULL AS forgotten;
SELECT step, done FROM personalize.scrub_erased(files => false);
SELECT * FROM dictionary ORDER BY 1, 2;
SELECT personalize.track('eve', 'search', properties => '{"query": "secret"}', consent => '{personalization}');
SELECT personalize.track('eve', 'view_item', 'own');
SELECT processor FROM personalize.rollup_now();
SELECT * FROM dictionary ORDER BY 1, 2;
SELECT signal, value FROM personalize.features('eve') ORDER BY 1, 2;

-- a withdrawal notes what it takes away, too
SELECT personalize.withdraw_consent('eve', '{personalization}');
SELECT step, done FROM personalize.scrub_erased(files => false);
SELECT * FROM dictionary ORDER BY 1, 2;

-- items of which an event waits to be folded go with the log
SELECT personalize.track('tom', 'view_item', 'waiting', consent => '{analytics,personalization,recommendations}');
SELECT personalize.forget('tom') IS NOT NULL AS forgotten;
SELECT count(*) FROM personalize.scrub_erased(files => false);
SELECT count(*) FROM personalize._dictionary_log;
SELECT processor FROM personalize.rollup_now();
SELECT * FROM dictionary ORDER BY 1, 2;

-- a row that the shop has written stays, also if it says nothing but the id: inserted before or after the event, or upserted
INSERT INTO personalize.item (item_id) VALUES ('written before');
SELECT count(personalize.track('kim', 'view_item', i, consent => '{analytics,personalization,recommendations}'))
	FROM unnest('{written before,written after,upserted,synchronised,by events}'::text[]) AS i;
SELECT processor FROM personalize.rollup_now();
SELECT item_id, updated_at IS NULL AS by_events FROM personalize.item WHERE item_id ~ '^(written|upserted|synch|by)' ORDER BY 1;
INSERT INTO personalize.item (item_id) VALUES ('written after') ON CONFLICT (item_id) DO UPDATE SET updated_at = excluded.updated_at;
SELECT personalize.upsert_items('[{"item_id": "upserted"}]');
CREATE TABLE shop_item (id text);
INSERT INTO shop_item VALUES ('synchronised');
SELECT inserted, updated FROM personalize.sync_items('shop_item', '{"item_id": "id"}');
SELECT personalize.forget('kim') IS NOT NULL AS forgotten;
SELECT count(*) FROM personalize.scrub_erased(files => false);
SELECT item_id FROM personalize.item WHERE item_id ~ '^(written|upserted|synch|by)' ORDER BY 1;
DROP TABLE shop_item;
DELETE FROM personalize.item WHERE item_id ~ '^(written|upserted|synch)';

-- stages; test/t/097_residue.pl goes through all of them
SELECT DISTINCT s.stage, s.done, s.blockers FROM personalize.erasure_receipt() e, personalize.erasure_status(e.id) s
	WHERE s.stage IN ('logical', 'dictionary', 'backups') ORDER BY 1;
SELECT DISTINCT s.fix ~ 'backup_retention' AS unknown FROM personalize.erasure_receipt() e, personalize.erasure_status(e.id) s WHERE s.stage = 'backups';
SET personalize.backup_retention = '35d';
SELECT DISTINCT s.detail FROM personalize.erasure_receipt() e, personalize.erasure_status(e.id) s WHERE s.stage = 'backups';
RESET personalize.backup_retention;

-- statistics about a column with data of people are found
ALTER TABLE personalize.subject ALTER user_id SET STATISTICS 100;
SELECT personalize.grant_consent('liz', '{analytics}');
ANALYZE personalize.subject;
SELECT DISTINCT done, blockers FROM personalize.erasure_receipt() e, personalize.erasure_status(e.id) s WHERE s.stage = 'statistics';
ALTER TABLE personalize.subject ALTER user_id SET STATISTICS 0;

-- erasing again
SELECT personalize.export_tombstones() AS document \gset
SELECT jsonb_array_length(:'document'::jsonb -> 'tombstones') AS tombstones;
DELETE FROM personalize._tombstone;
SELECT personalize.track('ada', 'view_item', 'known', consent => '{analytics}');
SELECT count(*) FROM personalize.reapply_erasures(:'document');
SELECT count(*) FROM personalize.event WHERE user_key = personalize.user_key('ada');
SELECT personalize.track(u, 'view_item', 'known', consent => '{analytics}') FROM unnest('{ada,bob}'::text[]) AS u;

-- errors
SELECT * FROM personalize.erasure_status('00000000-0000-0000-0000-000000000000');
SELECT * FROM personalize.erasure_status(NULL);
SELECT * FROM personalize.reapply_erasures('[]');
SELECT * FROM personalize.reapply_erasures('{"secret": "x", "tombstones": [{"pseudonym": "1"}]}');
SELECT * FROM personalize.reapply_erasures('{"secret": "x", "tombstones": []}');
SELECT personalize.reapply_erasures(jsonb_set(personalize.export_tombstones(), '{tombstones}', '[{"pseudonym": 1.5, "forgotten_at": "2026-01-01T00:00:00+00"}]'));
SELECT personalize.reapply_erasures(jsonb_set(personalize.export_tombstones(), '{tombstones}', '[{"pseudonym": 9223372036854775808, "forgotten_at": "2026-01-01T00:00:00+00"}]'));
SELECT personalize.reapply_erasures(jsonb_set(personalize.export_tombstones(), '{tombstones}', '[{"pseudonym": 1, "forgotten_at": "yesterday"}]'));
SELECT personalize.reapply_erasures(jsonb_set(personalize.export_tombstones(), '{tombstones}', '[{"pseudonym": 1, "forgotten_at": "infinity"}]'));
SELECT personalize.reapply_erasures(jsonb_set(personalize.export_tombstones(), '{tombstones}', '[{"pseudonym": 2, "forgotten_at": "2026-01-01T00:00:00+00"}, {"pseudonym": 1, "forgotten_at": "9999-01-01T00:00:00+00"}]'));
BEGIN;
SELECT personalize.track('liz', 'view_item', 'known');
SELECT * FROM personalize.scrub_erased();
ROLLBACK;
BEGIN;
SELECT personalize.forget('nobody') IS NOT NULL AS forgotten;
SELECT * FROM personalize.scrub_erased();
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM personalize.scrub_erased();
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM personalize.scrub_erased();
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM personalize.reapply_erasures();
ROLLBACK;

-- who may
SET ROLE personalize_app;
SELECT * FROM personalize.erasure_status('00000000-0000-0000-0000-000000000000');
SELECT * FROM personalize.scrub_erased();
SELECT personalize.export_tombstones();
SELECT * FROM personalize.reapply_erasures();
SET ROLE personalize_admin;
SELECT DISTINCT s.stage FROM personalize.erasure_receipt() e, personalize.erasure_status(e.id) s ORDER BY 1;
SELECT step, done FROM personalize.scrub_erased(false);
RESET ROLE;
DROP VIEW dictionary;

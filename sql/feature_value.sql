-- Whatever id an item has, it is read back as it was told.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END $$;
CREATE TABLE id AS SELECT * FROM unnest(ARRAY['0', '1', '140737488355327', '140737488355328', '140737488355329', '281474976710656',
	'4611686018427387903', '4611686018427387904', '9223372036854775807', '9223372036854775808', '99999999999999999999999999',
	'-1', '-9223372036854775808', '007', '1.5', '0.10', 'shoe', 'Schuh größe 42', '3f2b8c1e-1111-4222-8333-944455556666',
	repeat('x', 255), repeat('9', 255)]) WITH ORDINALITY AS i (id, place);
SELECT personalize.create_signal('page', NULL, 'properties.page') IS NOT NULL AS created;
-- each is the id of an item and a property
CREATE FUNCTION tell(who text) RETURNS bigint LANGUAGE sql AS $$
	SELECT personalize.grant_consent(who, '{analytics,personalization,recommendations}');
	SELECT count(personalize.track(who, 'view_item', id, jsonb_build_object('page', id), now() - place * interval '1 minute')) FROM id;
$$;
-- what a reader says and nobody told, and the other way round
CREATE FUNCTION missing(who text) RETURNS TABLE (reader text, value text) LANGUAGE sql AS $$
	WITH said AS (
		SELECT 'features ' || signal AS reader, value FROM personalize.features(who) WHERE signal IN ('item_affinity', 'page')
		UNION ALL SELECT 'profile', f ->> 'value' FROM personalize.profile(who), jsonb_array_elements(features -> 'item_affinity') f
		UNION ALL SELECT 'recent', item_id FROM personalize.recent(who)
	), read AS (SELECT DISTINCT reader FROM said)
	SELECT 'not read: ' || r.reader, left(i.id, 30) FROM read r, id i WHERE NOT EXISTS (SELECT FROM said s WHERE (s.reader, s.value) = (r.reader, i.id))
	UNION ALL SELECT 'made up: ' || s.reader, left(s.value, 30) FROM said s WHERE s.value IS NULL OR s.value NOT IN (SELECT id FROM id)
	UNION ALL SELECT 'readers', count(*)::text FROM read
$$;
SELECT tell('ada');
SET personalize.purpose = 'personalization';
-- before they are rolled up, and after, in another session
SELECT * FROM missing('ada');
CALL roll();
SELECT * FROM missing('ada');
\c
SET timezone = 'UTC';
SET personalize.purpose = 'personalization';
SELECT * FROM missing('ada');
-- the views of analysts, what counts people, and the export
SELECT signal, count(value) AS texts, count(*) FILTER (WHERE value IN (SELECT id FROM id)) AS told FROM personalize.profile_feature
WHERE signal IN ('item_affinity', 'page') AND period = '30 days' GROUP BY 1 ORDER BY 1;
SELECT signal, count(DISTINCT value) FROM personalize.profile_pane WHERE signal IN ('item_affinity', 'page') AND value IN (SELECT id FROM id) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.cohort_counts('item_affinity') c JOIN id ON id = c.value;
SELECT sum(personalize.cohort_count('item_affinity', id)) FROM id;
SELECT count(*) FROM personalize.item_performance p JOIN id ON id = p.item_id;
SELECT count(*) FROM id WHERE EXISTS (SELECT FROM personalize.export_user('ada') x
	WHERE jsonb_path_exists(to_jsonb(x), '$.**.value ? (@ == $id)', jsonb_build_object('id', id)));
SELECT count(*) FROM id, personalize.set_preference('ada', 'favourite_item', id) p WHERE p;
SELECT count(*) FROM personalize.preferences_of('ada') p JOIN id ON id = p.value AND personalize.item_key(id) = p.value_key;
-- who is forgotten takes the ids that nobody else has along, and only these
SELECT count(tell('bob'));
CALL roll();
SELECT personalize.forget('ada') IS NOT NULL AS forgotten;
SELECT count(*) FROM missing('bob');
SELECT count(*) > 0 AS kept FROM personalize.feature_value WHERE value = '9223372036854775807';
SELECT personalize.forget('bob') IS NOT NULL AS forgotten;
SELECT * FROM personalize.feature_value;
SELECT item_id FROM personalize.item;
DROP PROCEDURE roll;
DROP FUNCTION tell, missing;
DROP TABLE id;
SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;

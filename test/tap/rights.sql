-- export_user() holds what every table with persons' data holds of a person.
\set QUIET 1
SET client_min_messages = error;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;

SELECT plan(4);
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;

-- a person in every table
SELECT personalize.grant_consent('planted', ARRAY['analytics', 'personalization', 'recommendations'], 'planted-ledger');
SELECT personalize.identify('planted-cookie', 'planted', source => 'planted-identity');
SELECT personalize.set_preference('planted', 'favourite_brand', 'planted-preference');
SELECT personalize.create_experiment('planted-experiment', 'trending', '["shipped", {"name": "planted-variant", "parameters": {}}]');
SELECT personalize.force_variant('planted', 'planted-experiment', 'planted-variant');
SELECT personalize.track('planted', 'view_item', 'planted-item', '{"note": "planted-event"}', message_id => '11111111-2222-4333-8444-555555555555', session_id => 'planted-session');
SELECT personalize.track('planted', 'view_item', 'other-item', message_id => 'planted message that is no uuid', session_id => 'planted-session');
SELECT personalize.track('planted', 'purchase', 'bought-item', message_id => 'planted-purchase', session_id => 'planted-session');
SELECT personalize.track_impressions('planted', 'planted-request', ARRAY['shown-item'], query => 'plantedquery');
SELECT personalize.track('planted', 'add_to_cart', 'shown-item');
SELECT personalize.track('planted', 'search', properties => '{"query": "plantedword"}');
SELECT personalize.track_many('[{"user_id": "planted", "event": "view_item", "ts": "planted-rejected"}]');
SELECT personalize.create_segment('planted-segment', 'search_term >= 1');
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT count(*) FROM personalize.rollup_now();
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.track('planted', 'view_item', 'waiting-item', '{"note": "planted-tail"}');
INSERT INTO personalize._dictionary_log VALUES ('u', 0, personalize.user_key('planted'), 'planted-filed', 1);
INSERT INTO personalize._tombstone VALUES (personalize_internal._pseudonym(personalize.user_key('planted')), '2001-02-03 04:05:06+00', 1, 7, now());
INSERT INTO personalize.erasure VALUES ('aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee', personalize_internal._pseudonym(personalize.user_key('planted')), now(), 1, '0/1', '{}');

BEGIN;
CREATE TEMP TABLE document ON COMMIT DROP AS SELECT personalize.export_user('planted') AS d;
-- where each table's share is, and what must stand there
CREATE TEMP TABLE evidence (name, share, planted) ON COMMIT DROP AS
	SELECT v.name, (SELECT d #> v.path FROM document)::text, v.planted FROM (VALUES
		('event', '{events}'::text[], 'planted-event'),
		('event', '{events}', 'planted-tail'),
		('rejected_event', '{rejected_events}', 'planted-rejected'),
		('subject', '{subject}', '"planted"'),
		('identity', '{identities}', 'planted-identity'),
		('profile', '{profile,signals}', 'plantedword'),
		('profile', '{profile,recent}', 'planted-item'),
		('feature_value', '{profile,signals}', 'plantedword'),
		('exposure', '{exposures}', 'shown-item'),
		('exposure_outcome', '{outcomes}', 'shown-item'),
		('_searcher', '{searches}', 'plantedquery'),
		('session', '{sessions}', personalize.user_key('planted-session')::text),
		('posting', '{sessions,0,neighbour_lists}', 'other-item'),
		('preference', '{preferences}', 'planted-preference'),
		('experiment_force', '{forced_variants}', 'planted-variant'),
		('segment_member', '{segments}', 'planted-segment'),
		('segment_change', '{segment_changes}', 'planted-segment'),
		('consent_ledger', '{consents}', 'planted-ledger'),
		('message_seen', '{messages_remembered}', '11111111-2222-4333-8444-555555555555'),
		('message_seen', '{messages_remembered,2}', 'received_at'),
		('_dictionary_log', '{ids_to_be_filed}', 'planted-filed'),
		('_basket', '{baskets}', 'bought-item'),
		('_tombstone', '{erasures}', '2001-02-03T04:05:06+00:00'),
		('erasure', '{erasures}', 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee')) v(name, path, planted);
SELECT is_empty($$SELECT * FROM evidence WHERE share IS NULL OR strpos(share, planted) = 0$$,
	'what is planted in each table is in the export');
SELECT set_eq($$SELECT name FROM personalize._person_table$$,
	$$SELECT DISTINCT name FROM evidence
	-- the key of all pseudonyms; values that nobody may have any more, hashes of what is gone, sums over sessions: none says whose
	UNION VALUES ('_secret'), ('_erasure_candidate'), ('_ledger_pruned'), ('_pair_list')$$,
	'every table with persons'' data is in the export: its registration says in which part (src/people/person_store.h)');
SELECT set_eq($$SELECT jsonb_object_keys(d #> '{meanings,parts}') FROM document$$,
	$$SELECT jsonb_object_keys(d) FROM document EXCEPT VALUES ('format'), ('exported_at'), ('user_id'), ('user_key'), ('meanings')$$,
	'every part says what it means');
SELECT is_empty($$SELECT personalize.export_user('nobody')::text WHERE strpos(personalize.export_user('nobody')::text, 'planted') > 0$$,
	'the export of somebody else has nothing of it');
SELECT * FROM finish();
COMMIT;

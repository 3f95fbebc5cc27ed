SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
SET client_min_messages = error;
SET timezone = 'UTC';
-- one story, told right or with a mistake in it; the same twice at the same time gives the same hashes
CREATE TEMP TABLE clock AS SELECT date_trunc('hour', now(), 'UTC') AS noon;
CREATE FUNCTION pg_temp.hashes(OUT table_name text, OUT hash bytea) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT t, personalize.state_hash(t, (SELECT noon FROM clock))
	FROM unnest(ARRAY['profile', 'item_stat', '_basket', 'session', 'posting', '_session_total', 'preference']) t
$$;
CREATE FUNCTION pg_temp.story(mistaken boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	noon timestamptz := (SELECT c.noon FROM clock c);
BEGIN
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	INSERT INTO personalize.item (item_id, category, brand) SELECT i, 'c' || i % 2, 'b' || i % 3 FROM generate_series(1, 6) i;
	INSERT INTO personalize.item (item_id, category) VALUES ('typo', 'wrong');
	PERFORM personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations']) FROM unnest(ARRAY['ann', 'bob']) u;
	PERFORM set_config('personalize.test_now', to_jsonb(noon) #>> '{}', false);
	PERFORM personalize.track(u, 'view_item', i, ts => noon - interval '1 hour' * i, session_id => 's', message_id => u || i)
		FROM unnest(ARRAY['ann', 'bob']) u, generate_series(1, 4) i;
	PERFORM personalize.track('ann', 'purchase', 1, '{"price": 5, "currency": "EUR", "order_id": "o1"}', ts => noon - interval '30 minutes', message_id => 'first');
	IF mistaken THEN
		PERFORM personalize.track('ann', 'view_item', 'typo', '{"price": 30, "currency": "EUR", "colour": "red"}',
			ts => noon - interval '3 days', message_id => 'second');
	ELSE
		PERFORM personalize.track('ann', 'purchase', 2, '{"price": 3, "currency": "EUR", "order_id": "o1"}',
			ts => noon - interval '20 minutes', message_id => 'second');
	END IF;
	PERFORM personalize.set_preference('ann', 'favourite_brand', 'b1'), personalize.set_preference('ann', 'hidden_item', CASE WHEN mistaken THEN 'x' ELSE '5' END);
	UPDATE personalize.preference SET set_at = noon;
END $$;
-- in one transaction, or a worker would be at it too
CREATE FUNCTION pg_temp.roll() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	done text;
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	SELECT string_agg(r.processor || ' ' || r.events, ', ') INTO done FROM personalize.rollup_now() r;
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	RETURN done;
END $$;
SELECT pg_temp.story(false);
SELECT pg_temp.roll();
CREATE TEMP TABLE told AS SELECT * FROM pg_temp.hashes();
DROP EXTENSION personalize CASCADE;
CREATE EXTENSION personalize;
SELECT pg_temp.story(true);
SELECT pg_temp.roll();
SELECT t.table_name FROM told t JOIN pg_temp.hashes() h USING (table_name) WHERE t.hash <> h.hash ORDER BY 1;

-- what cannot be corrected, and why
SELECT personalize.rectify('ann', '{"consent": ["marketing"]}', message_id => 'second');
SELECT personalize.rectify('ann', '{"user_id": "bob"}', message_id => 'second');
SELECT personalize.rectify('ann', '{}', message_id => 'second');
SELECT personalize.rectify('ann', '[1]', message_id => 'second');
SELECT personalize.rectify('ann', NULL, message_id => 'second');
SELECT personalize.rectify(NULL, '{"item_id": 2}', message_id => 'second');
SELECT personalize.rectify('ann', '{"item_id": true}', message_id => 'second');
SELECT personalize.rectify('ann', '{"event": "no_such_event"}', message_id => 'second');
SELECT personalize.rectify('ann', '{"ts": "tomorrow-ish"}', message_id => 'second');
SELECT personalize.rectify('ann', '{"ts": "2999-01-01"}', message_id => 'second');
SELECT personalize.rectify('ann', '{"item_id": 2}', message_id => 'bob1');
SELECT personalize.rectify('nobody', '{"item_id": 2}', message_id => 'first');
SELECT personalize.rectify('ann', '{"item_id": 2}');
SELECT personalize.rectify('ann', '{"preference": {"name": "hidden_item", "value": "y"}}');
SELECT personalize.rectify('ann', '{"preference": {"name": "hidden_item", "value": "x", "correct_name": "loved_item"}}');
SELECT personalize.rectify('ann', '{"preference": {"name": "hidden_item", "value": "x", "set_at": "now"}}');
SELECT personalize.track_many('[{"user_id": "ann", "event": "view_item_list", "message_id": "list", "items": [{"item_id": 1}, {"item_id": 2}]}]');
SELECT personalize.rectify('ann', '{"item_id": 3}', message_id => 'list');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.rectify('ann', '{"item_id": 3}', message_id => 'list', ordinal => 1);
ROLLBACK;
BEGIN;
SELECT personalize.rectify('ann', '{"item_id": 3}', message_id => 'list', ordinal => 1);
SELECT item_key, ordinal FROM personalize.event WHERE message_key = personalize.user_key('list') ORDER BY ordinal;
ROLLBACK;
-- nothing of all that has changed anything
SELECT t.table_name FROM told t JOIN pg_temp.hashes() h USING (table_name) WHERE t.hash <> h.hash ORDER BY 1;

-- corrected: as if it had been told right
SELECT personalize.rectify('ann', jsonb_build_object('event', 'purchase', 'item_id', 2, 'ts', noon - interval '20 minutes',
	'properties', '{"price": 3, "colour": null, "order_id": "o1"}'::jsonb), message_id => 'second') FROM clock;
SELECT personalize.rectify('ann', '{"preference": {"name": "hidden_item", "value": "x", "correct_value": "5"}}');
SELECT t.table_name FROM told t JOIN pg_temp.hashes() h USING (table_name) WHERE t.hash <> h.hash ORDER BY 1;
SELECT value, properties FROM personalize.event WHERE message_key = personalize.user_key('second');
SELECT * FROM personalize.verify_index();
SELECT sum(purchases), array_agg(DISTINCT revenue) FROM personalize.item_performance WHERE purchases > 0;

-- a restriction takes the person out of everything, and lifting it puts them back
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.hashes();
CREATE FUNCTION pg_temp.seen(who text, OUT features bigint, OUT recent bigint, OUT profile bigint, OUT events bigint, OUT feature_rows bigint,
	OUT people bigint, OUT preferences bigint, OUT cohort bigint, OUT views numeric, OUT bought bigint, OUT sessions bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM personalize.features(who)), (SELECT count(*) FROM personalize.recent(who)),
		(SELECT count(*) FROM personalize.profile(who)),
		(SELECT count(*) FROM personalize.analytics_event WHERE user_id = who),
		(SELECT count(*) FROM personalize.profile_feature WHERE user_id = who AND period = '7 days'),
		(SELECT count(*) FROM personalize.profile_person WHERE user_id = who),
		(SELECT count(*) FROM personalize.preferences_of(who)),
		personalize.cohort_count('interest_category', 'c0'),
		(SELECT sum(item_performance.views) FROM personalize.item_performance),
		(SELECT count(*) FROM personalize.bought_together(ARRAY[1], 5, explain => true) WHERE reason LIKE 'bought_with%'),
		(SELECT t.sessions FROM personalize._session_total t)
$$;
SELECT * FROM pg_temp.seen('ann');
SELECT cardinality(personalize.restrict('ann')), personalize.lift_restriction('ann');
SELECT b.table_name FROM before b JOIN pg_temp.hashes() h USING (table_name) WHERE b.hash <> h.hash ORDER BY 1;
-- also of what the raw events are gone: sessions and baskets come back whole
BEGIN;
DELETE FROM personalize.event WHERE user_key = personalize.user_key('ann');
SELECT personalize.restrict('ann', ARRAY['analytics', 'recommendations']);
SELECT bought, sessions FROM pg_temp.seen('ann');
SELECT personalize.lift_restriction('ann');
SELECT b.table_name FROM before b JOIN pg_temp.hashes() h USING (table_name) WHERE b.hash <> h.hash ORDER BY 1;
ROLLBACK;
-- and what was counted of them cannot be corrected
BEGIN;
DELETE FROM personalize.event WHERE user_key = personalize.user_key('ann') AND item_key <= 2;
SELECT personalize.rectify('ann', '{"item_id": 6}', message_id => 'ann3');
ROLLBACK;
SELECT personalize.restrict('ann', ARRAY['nothing']);
SELECT personalize.restrict(NULL);
SELECT personalize.lift_restriction('ann', ARRAY['analytics']);
SELECT personalize.restrict('ann', ARRAY['analytics', 'personalization', 'recommendations'], 'contests the accuracy', 'letter 4711');
SELECT * FROM pg_temp.seen('ann');
SELECT count(*) AS kept FROM personalize.event WHERE user_key = personalize.user_key('ann') AND consent = 7;
SELECT purpose, allowed, decided_by FROM personalize.consent_of('ann');
SELECT purpose, allowed, regexp_replace(reason, ' on .* by ', ' by ') AS reason, fix FROM personalize.why_suppressed('ann');
SELECT personalize.track('ann', 'view_item', 6, message_id => 'meanwhile');
SELECT personalize.track('ann', 'view_item', 6, message_id => 'meanwhile', consent => ARRAY['analytics', 'personalization']);
SELECT personalize.set_preference('ann', 'hidden_item', 4);
SELECT DISTINCT split_part(reason, ':', 2) FROM personalize.recommend('ann', 3);
SELECT * FROM personalize.verify_index();
-- others count on meanwhile, and granting again does not lift it
SELECT personalize.grant_consent('ann', ARRAY['personalization']);
SELECT personalize.track('bob', 'view_item', 6, message_id => 'bob5', ts => noon - interval '5 hours') FROM clock;
SELECT pg_temp.roll();
SELECT features, events, people, views FROM pg_temp.seen('ann');
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['item_stat', 'neighbour', 'profile', 'exposure']) p;
SELECT pg_temp.roll();
SELECT features, events, people, views, sessions FROM pg_temp.seen('ann');
-- for one purpose only
SELECT personalize.lift_restriction('ann', ARRAY['personalization', 'marketing']);
SELECT personalize.lift_restriction('ann', ARRAY['personalization'], 'settled');
SELECT features > 0 AS features, recent > 0 AS recent, events, views, sessions FROM pg_temp.seen('ann');
SELECT personalize.lift_restriction('ann');
SELECT personalize.lift_restriction('ann');
SELECT * FROM pg_temp.seen('ann');
SELECT * FROM personalize.verify_index();
SELECT purposes, granted, source, basis FROM personalize.consent_ledger WHERE user_key = personalize.user_key('ann')
	AND basis IS NOT NULL ORDER BY effective_at;
SELECT count(*) FROM personalize.verify_ledger();
-- what arrived before and was reached by the processors meanwhile comes back too
SELECT personalize.track('ann', 'view_item', 5, message_id => 'waiting');
CREATE TEMP TABLE waiting AS SELECT views + 1 AS views FROM pg_temp.seen('ann');
SELECT personalize.restrict('ann');
SELECT personalize.track('bob', 'search', properties => '{"query": "x"}', message_id => 'push'),
	personalize.track('bob', 'view_item', 5, message_id => 'push2');
SELECT pg_temp.roll();
SELECT personalize.lift_restriction('ann');
SELECT s.views - w.views AS bob_only FROM pg_temp.seen('ann') s, waiting w;
SELECT * FROM personalize.verify_index();
-- withdrawn while restricted: out for good
SELECT personalize.restrict('ann', ARRAY['analytics']), personalize.withdraw_consent('ann', ARRAY['analytics']), personalize.lift_restriction('ann');
SELECT events, bought FROM pg_temp.seen('ann');
SELECT count(*) FROM personalize.item_stat WHERE count <= 0;
SELECT count(*) FROM personalize._basket;

-- an objection is a withdrawal that says why
SELECT personalize.object_to('bob', ARRAY['marketing', 'recommendations'], 'no direct marketing');
SELECT granted, basis FROM personalize.consent_ledger WHERE user_key = personalize.user_key('bob') ORDER BY effective_at;
SELECT purpose, allowed FROM personalize.consent_of('bob');
SELECT count(*) FROM personalize.session WHERE user_key = personalize.user_key('bob');

-- a copy of everything
SELECT jsonb_object_keys(personalize.export_user('ann')) AS part ORDER BY 1;
SELECT x ->> 'event' AS event, x ->> 'item_id' AS item_id, x -> 'purposes' AS purposes, x -> 'properties' ->> 'order_id' AS order_id
	FROM jsonb_array_elements(personalize.export_user('ann') -> 'events') x ORDER BY x ->> 'ts', 1, 2;
SELECT personalize.export_user('nobody') - 'exported_at' - 'meanings' - 'consents';
SELECT personalize.export_user(NULL);
SET ROLE personalize_app;
SELECT personalize.export_user('ann');
SELECT personalize.rectify('ann', '{"item_id": 2}', message_id => 'second');
SELECT cardinality(personalize.restrict('bob')), personalize.lift_restriction('bob');
RESET ROLE;
SET ROLE personalize_admin;
SELECT jsonb_array_length(personalize.export_user('ann') -> 'events');
RESET ROLE;

-- the record of processing, out of the catalogue
SET client_min_messages = warning; DROP EXTENSION personalize CASCADE; CREATE EXTENSION personalize; SET client_min_messages = error;
INSERT INTO personalize.purpose (name, bit, legal_basis, description) VALUES ('fraud', 8, 'legitimate interest', 'cards that are not their owner''s');
INSERT INTO personalize.purpose_role VALUES ('fraud', 'rights_fraud');
SELECT count(personalize.create_signal('cards', ARRAY['purchase'], 'properties.card', purposes => ARRAY['fraud']));
CREATE ROLE rights_fraud; CREATE ROLE rights_clerk IN ROLE rights_fraud;
SELECT personalize.set_retention('raw', '30 days', event => 'purchase');
SELECT purpose, legal_basis, unless_decided, signals, retention, authority FROM personalize.processing_record();
SELECT data_categories, recipients FROM personalize.processing_record() WHERE purpose = 'fraud';
DROP ROLE rights_clerk, rights_fraud;

-- erased while restricted: as if never seen
SELECT pg_temp.story(false);
SELECT pg_temp.roll();
TRUNCATE told; INSERT INTO told SELECT * FROM pg_temp.hashes();
SELECT personalize.grant_consent('eve', ARRAY['analytics', 'personalization', 'recommendations']);
SELECT count(personalize.track('eve', k, i, '{"price": 2, "order_id": "o9"}', ts => noon - interval '10 minutes', message_id => 'eve' || k || i, session_id => 's'))
	FROM clock, generate_series(1, 3) i, unnest(ARRAY['view_item', 'purchase']) k;
SELECT personalize.set_preference('eve', 'hidden_item', 1);
SELECT pg_temp.roll();
SELECT t.table_name FROM told t JOIN pg_temp.hashes() h USING (table_name) WHERE t.hash <> h.hash ORDER BY 1;
SELECT personalize.restrict('eve', ARRAY['analytics', 'recommendations']);
SELECT personalize.forget('eve') IS NOT NULL AS forgotten;
SELECT t.table_name FROM told t JOIN pg_temp.hashes() h USING (table_name) WHERE t.hash <> h.hash ORDER BY 1;
SELECT personalize.export_user('eve') -> 'events', personalize.export_user('eve') #> '{erasures,0,epoch}';
-- of who was erased there is nothing to restrict, and no restriction opens the door
SELECT personalize.restrict('eve', ARRAY['marketing']);
SELECT personalize.track('eve', 'view_item', 1, consent => ARRAY['analytics']);
SELECT count(*) FROM personalize.subject WHERE user_id = 'eve';

-- what was stored while the default allowed it goes when the default changes back
INSERT INTO personalize.purpose_default VALUES ('analytics', 'allowed'), ('personalization', 'allowed');
TRUNCATE told; INSERT INTO told SELECT * FROM pg_temp.hashes();
SELECT count(personalize.track(u, 'purchase', 2, '{"price": 2}', ts => noon - interval '10 minutes', message_id => 'silent' || u))
	FROM clock, unnest(ARRAY['silent1', 'silent2', 'silent3']) u;
SELECT personalize.set_preference('silent1', 'hidden_item', 1);
SELECT pg_temp.roll();
SELECT personalize.track('silent3', 'view_item', 2, ts => noon - interval '10 minutes', message_id => 'waits') FROM clock;
SELECT personalize.purge_undecided(ARRAY['analytics']);
UPDATE personalize.purpose_default SET answer = 'denied';
SELECT personalize.purge_undecided(ARRAY['analytics', 'personalization'], max_people) FROM unnest('{0}'::int[]) AS max_people;
SELECT personalize.purge_undecided(ARRAY['analytics', 'personalization'], -1);
SELECT personalize.purge_undecided(ARRAY['analytics', 'personalization'], 2);
SELECT personalize.purge_undecided(ARRAY['analytics', 'personalization']);
SELECT personalize.purge_undecided(ARRAY['analytics', 'personalization']);
SELECT t.table_name FROM told t JOIN pg_temp.hashes() h USING (table_name) WHERE t.hash <> h.hash ORDER BY 1;
SELECT count(*) FROM personalize.event WHERE consent <> 0 AND user_key IN (SELECT personalize.user_key('silent' || i) FROM generate_series(1, 3) i);
SELECT personalize.purge_undecided(NULL);
-- a message_id that is a uuid, however it is written
SELECT personalize.track('bob', 'view_item', 3, message_id => 'AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee');
SELECT personalize.rectify('bob', '{"item_id": 4}', message_id => 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'::uuid);
SELECT item_key FROM personalize.event ORDER BY txid DESC LIMIT 1;

-- what restricts a person does not supersede what the person allowed
SELECT personalize.grant_consent('fay', ARRAY['marketing']);
SELECT personalize.restrict('fay', ARRAY['marketing']);
SELECT personalize_internal._ledger_prune('infinity') >= 0 AS pruned;
SELECT personalize.lift_restriction('fay', ARRAY['marketing']);
SELECT purpose FROM personalize.consent_of('fay') WHERE allowed;

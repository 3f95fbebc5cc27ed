SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
SET client_min_messages = error;
SET timezone = 'UTC';
-- one story, told by one id all the time or before a login by another; the same twice at the same time gives the same hashes
CREATE TEMP TABLE clock AS SELECT date_trunc('hour', now(), 'UTC') AS noon;
CREATE FUNCTION pg_temp.hashes(OUT table_name text, OUT hash bytea) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT t, personalize.state_hash(t, (SELECT noon FROM clock))
	FROM unnest(ARRAY['event', 'rejected_event', 'message_seen', 'profile', 'segment_member', 'preference', 'item_stat', '_basket', 'session', 'posting',
		'_pair_list', '_session_total', '_session_day', '_session_repeat', 'exposure', 'exposure_outcome', '_searcher', 'search_stat', 'engine_stat',
		'experiment_force']) t
$$;
CREATE FUNCTION pg_temp.begin_story(anonymous text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	noon timestamptz := (SELECT c.noon FROM clock c);
BEGIN
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	INSERT INTO personalize.item (item_id, category, brand) SELECT i, 'c' || i % 2, 'b' || i % 3 FROM generate_series(1, 6) i;
	PERFORM personalize.create_segment('fans', 'interest_category[''c1''] >= 3');
	PERFORM personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations']) FROM unnest(ARRAY['ann', 'bob', anonymous]) u;
	PERFORM set_config('personalize.test_now', to_jsonb(noon) #>> '{}', false);
END $$;
CREATE FUNCTION pg_temp.story(anonymous text, part integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	noon timestamptz := (SELECT c.noon FROM clock c) - interval '1 minute' * part;
BEGIN
	PERFORM personalize.track(u, 'view_item', i, ts => noon - interval '1 hour' * i, session_id => 's', message_id => u || i || '-' || part)
		FROM unnest(ARRAY['ann', 'bob']) u, generate_series(1, 4) i;
	PERFORM personalize.track(anonymous, 'view_item', i, ts => noon - interval '10 minutes' * i, session_id => 's', message_id => 'a' || i || '-' || part)
		FROM generate_series(2, 6) i;
	PERFORM personalize.track(anonymous, 'search', NULL, '{"query": "red shoe"}', ts => noon - interval '41 minutes', message_id => 'q' || part);
	PERFORM personalize.track(anonymous, 'view_item_list', 3, '{"query": "red shoe"}', ts => noon - interval '40 minutes', request_id => 'r' || part, message_id => 'l' || part);
	PERFORM personalize.track('ann', 'select_item', 3, '{"query": "red shoe"}', ts => noon - interval '39 minutes', request_id => 'r' || part, message_id => 'c' || part);
	PERFORM personalize.track(anonymous, 'purchase', 1, '{"price": 5, "currency": "EUR"}', ts => noon - interval '30 minutes', message_id => 'p' || part);
	PERFORM personalize.track('ann', 'purchase', 2, '{"price": 3, "currency": "EUR"}', ts => noon - interval '20 minutes', message_id => 'o' || part);
	PERFORM personalize.set_preference('ann', 'favourite_brand', 'b' || part), personalize.set_preference(anonymous, 'hidden_item', (4 + part)::text);
END $$;
-- in one transaction, or a worker would be at it too
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END $$;
CREATE FUNCTION pg_temp.anew() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DROP EXTENSION personalize CASCADE;
	CREATE EXTENSION personalize;
END $$;
CREATE FUNCTION pg_temp.wrong() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT v.processor || ' ' || v.what FROM personalize.verify_counts() v WHERE v.wrong > 0
$$;

-- known from the start
SELECT pg_temp.begin_story('ann');
SELECT pg_temp.story('ann', 1);
SELECT pg_temp.story('ann', 2);
SELECT pg_temp.roll();
CREATE TEMP TABLE known AS SELECT * FROM pg_temp.hashes();
-- never known
SELECT pg_temp.anew();
SELECT pg_temp.begin_story('cookie-1');
SELECT pg_temp.story('cookie-1', 1);
SELECT pg_temp.story('cookie-1', 2);
SELECT pg_temp.roll();
CREATE TEMP TABLE apart AS SELECT * FROM pg_temp.hashes();
SELECT count(*) > 5 AS they_differ FROM known k JOIN apart a USING (table_name) WHERE k.hash <> a.hash;

-- known at the end, all counted: the same as from the start; split again: as if never known
SELECT * FROM personalize.identify('cookie-1', 'ann');
SELECT pg_temp.roll();
SELECT k.table_name FROM known k JOIN pg_temp.hashes() h USING (table_name) WHERE k.hash <> h.hash ORDER BY 1;
SELECT pg_temp.wrong();
SELECT personalize.split('ann', 'cookie-1');
SELECT pg_temp.roll();
SELECT a.table_name FROM apart a JOIN pg_temp.hashes() h USING (table_name) WHERE a.hash <> h.hash ORDER BY 1;
SELECT pg_temp.wrong();
-- again, from the other id's side: the person is the one that is named so
SELECT status, events FROM personalize.identify('cookie-1', 'ann');
SELECT pg_temp.roll();
SELECT k.table_name FROM known k JOIN pg_temp.hashes() h USING (table_name) WHERE k.hash <> h.hash ORDER BY 1;

-- half of it counted, the rest still to come, under the other id
SELECT pg_temp.anew();
SELECT pg_temp.begin_story('cookie-1');
SELECT pg_temp.story('cookie-1', 1);
SELECT pg_temp.roll();
SELECT status, events FROM personalize.identify('cookie-1', 'ann');
SELECT pg_temp.story('cookie-1', 2);
SELECT count(*) FILTER (WHERE alias_key = personalize.user_key('cookie-1')) AS under_the_other_id, count(*) FILTER (WHERE alias_key IS NULL) AS under_her_own
	FROM personalize.event WHERE user_key = personalize.user_key('ann');
-- either id tells of all, at once
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE a IS NULL OR b IS NULL) AS different
	FROM personalize.features('ann') a FULL JOIN personalize.features('cookie-1') b USING (signal, value, count, sum);
SELECT personalize.in_segment('cookie-1', 'fans');
SELECT name, value FROM personalize.preferences_of('cookie-1') ORDER BY 1, 2;
SELECT pg_temp.roll();
SELECT k.table_name FROM known k JOIN pg_temp.hashes() h USING (table_name) WHERE k.hash <> h.hash ORDER BY 1;
SELECT pg_temp.wrong();
SELECT personalize.split('cookie-1', 'cookie-1');
SELECT pg_temp.roll();
SELECT a.table_name FROM apart a JOIN pg_temp.hashes() h USING (table_name) WHERE a.hash <> h.hash ORDER BY 1;

-- nothing counted yet, on either side
SELECT pg_temp.anew();
SELECT pg_temp.begin_story('cookie-1');
SELECT pg_temp.story('cookie-1', 1);
SELECT status, events FROM personalize.identify('cookie-1', 'ann');
SELECT status, events FROM personalize.identify('cookie-1', 'ann');
SELECT pg_temp.story('cookie-1', 2);
SELECT pg_temp.roll();
SELECT k.table_name FROM known k JOIN pg_temp.hashes() h USING (table_name) WHERE k.hash <> h.hash ORDER BY 1;
-- in the transaction that tracks
SELECT pg_temp.anew();
SELECT pg_temp.begin_story('cookie-1');
SELECT pg_temp.story('cookie-1', 1);
SELECT pg_temp.roll();
BEGIN;
SELECT pg_temp.story('cookie-1', 2);
SELECT status, events FROM personalize.identify('cookie-1', 'ann');
COMMIT;
SELECT pg_temp.roll();
SELECT k.table_name FROM known k JOIN pg_temp.hashes() h USING (table_name) WHERE k.hash <> h.hash ORDER BY 1;
-- taken back
BEGIN;
SELECT personalize.split('ann', 'cookie-1');
ROLLBACK;
SELECT k.table_name FROM known k JOIN pg_temp.hashes() h USING (table_name) WHERE k.hash <> h.hash ORDER BY 1;

-- the export tells of the ids, and of what each decided
SELECT jsonb_path_query_array(e, '$.identities[*].user_id') AS ids, jsonb_array_length(e #> '{identities,0,held,consents,entries}') AS decisions,
	jsonb_array_length(e -> 'events') AS events, e ->> 'user_id' AS user_id
	FROM personalize.export_user('cookie-1') e;
SELECT alias_id, person_id, source FROM personalize.identities_of('cookie-1');
SELECT alias_id, person_id, source FROM personalize.identities_of('ann');
SELECT count(*) FROM personalize.identities_of('bob');

-- a shared device follows the last login; what came before stays
SELECT pg_temp.anew();
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations'])) FROM unnest(ARRAY['ann', 'bob', 'eve', 'tablet']) u;
SELECT personalize.track('tablet', 'view_item', 1);
SELECT status, events, detail FROM personalize.identify('tablet', 'ann');
SELECT personalize.track('tablet', 'view_item', 2);
SELECT status, events, detail FROM personalize.identify('tablet', 'bob');
SELECT personalize.track('tablet', 'view_item', 3);
SELECT pg_temp.roll();
SELECT s.user_id, e.item_key, e.alias_key IS NOT NULL AS knows_the_other_id FROM personalize.event e JOIN personalize.subject s USING (user_key) ORDER BY 2;
SELECT personalize.split('ann', 'tablet');
SELECT personalize.split('bob', 'tablet');
SELECT s.user_id, e.item_key FROM personalize.event e JOIN personalize.subject s USING (user_key) ORDER BY 2;
SELECT personalize.track('tablet', 'view_item', 4);
SELECT s.user_id, e.item_key FROM personalize.event e JOIN personalize.subject s USING (user_key) ORDER BY 2;

-- chains are flattened, circles and both directions are known already
SELECT status FROM personalize.identify('phone', 'ann');
SELECT status, detail FROM personalize.identify('ann', 'eve');
SELECT status, events FROM personalize.alias('ann', 'eve');
SELECT status FROM personalize.identify('laptop', 'ann');
SELECT status FROM personalize.identify('eve', 'ann');
SELECT status FROM personalize.alias('eve', 'phone');
SELECT status FROM personalize.identify('eve', 'eve');
SELECT alias_id, person_id FROM personalize.identities_of('phone') ORDER BY 1;
SELECT s.user_id, e.item_key FROM personalize.event e JOIN personalize.subject s USING (user_key) ORDER BY 2;
-- of two known people the one that is named last is the person
SELECT status FROM personalize.identify('watch', 'bob');
SELECT status FROM personalize.alias('phone', 'watch');
SELECT alias_id, person_id FROM personalize.identities_of('eve') ORDER BY 1;
SELECT personalize.split('bob', 'ann');
SELECT s.user_id, e.item_key FROM personalize.event e JOIN personalize.subject s USING (user_key) ORDER BY 2;
-- many ids of one person: a limit, and what to do
SET personalize.max_identities = 5;
SELECT status FROM personalize.identify('kiosk-' || 1, 'bob');
SELECT status FROM personalize.identify('kiosk-' || 2, 'bob');
SELECT status FROM personalize.identify('phone', 'bob');
SELECT status FROM personalize.alias('bob', 'zoe');
SET personalize.max_identities = 6;
SELECT status FROM personalize.alias('bob', 'zoe');
SELECT count(*), min(person_id) FROM personalize.identities_of('bob');
-- those that are gone count no longer
SELECT alias_id, place FROM personalize.identity WHERE user_id = 'zoe' ORDER BY place;
SELECT personalize.split('zoe', 'kiosk-1', history => 'leave');
SELECT status FROM personalize.identify('kiosk-3', 'zoe');
SELECT status FROM personalize.identify('kiosk-4', 'zoe');
SELECT alias_id, place FROM personalize.identity WHERE user_id = 'zoe' ORDER BY place;
-- in one transaction: the limit is the same, with what savepoints have added and taken back
SELECT count(*) FROM generate_series(1, 6) n, LATERAL personalize.identify('tess-' || n, 'tess') i WHERE i.status = 'merged';
SELECT count(*) FROM generate_series(1, 9) n, LATERAL personalize.identify('ulla-' || n, 'ulla') i;
BEGIN;
SELECT count(*) FROM generate_series(1, 2) n, LATERAL personalize.identify('uma-' || n, 'uma') i WHERE i.status = 'merged';
SAVEPOINT s;
SELECT count(*) FROM generate_series(3, 6) n, LATERAL personalize.identify('uma-' || n, 'uma') i WHERE i.status = 'merged';
ROLLBACK TO s;
SELECT count(*) FROM generate_series(13, 15) n, LATERAL personalize.identify('uma-' || n, 'uma') i WHERE i.status = 'merged';
RELEASE s;
SELECT status FROM personalize.identify('uma-16', 'uma');
SELECT status FROM personalize.identify('uma-17', 'uma');
ROLLBACK;
RESET personalize.max_identities;

-- consent: what either refused is refused, what one granted is granted
SELECT pg_temp.anew();
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.record_choice('c1', ARRAY['analytics', 'personalization']);
SELECT personalize.grant_consent('p1', ARRAY['personalization', 'recommendations']);
SELECT personalize.track('c1', 'view_item', 1), personalize.track('p1', 'view_item', 2);
SELECT status FROM personalize.identify('c1', 'p1');
SELECT purpose, allowed, decided_by FROM personalize.consent_of('p1');
SELECT item_key, personalize_internal._purpose_names(consent) FROM personalize.event ORDER BY 1;
SELECT purposes, granted, source, basis FROM personalize.consent_ledger WHERE user_key = personalize.user_key('p1') ORDER BY recorded_at, granted;
-- a grant under the other id is the person's; a withdrawal, too
SELECT personalize.grant_consent('c1', ARRAY['recommendations']);
SELECT personalize.track('c1', 'view_item', 3);
SELECT personalize.withdraw_consent('c1', ARRAY['analytics']);
SELECT item_key, personalize_internal._purpose_names(consent) FROM personalize.event ORDER BY 1;
SELECT count(*) FROM personalize.verify_ledger();
-- told otherwise: what the person decided holds
SELECT personalize.record_choice('c2', ARRAY['analytics', 'personalization']);
SELECT personalize.grant_consent('p2', ARRAY['personalization', 'recommendations']);
SELECT personalize.track('c2', 'view_item', 4), personalize.track('p2', 'view_item', 5);
SELECT status FROM personalize.identify('c2', 'p2', consent => 'person');
SELECT purpose, allowed FROM personalize.consent_of('c2');
SELECT item_key, personalize_internal._purpose_names(consent) FROM personalize.event WHERE user_key = personalize.user_key('p2') ORDER BY 1;
-- nothing is left: the histories are of nobody's use
SELECT personalize.record_choice('c3', '{}');
SELECT personalize.grant_consent('p3', ARRAY['personalization']);
SELECT personalize.track('p3', 'view_item', 6);
SELECT status, detail FROM personalize.identify('c3', 'p3');
SELECT personalize.track('p3', 'view_item', 7);
SELECT count(*) FROM personalize.features('c3');
-- the id that was split off keeps what its own decisions allow
SELECT personalize.grant_consent('c4', ARRAY['personalization']);
SELECT personalize.track('c4', 'view_item', 8);
SELECT personalize.grant_consent('p4', ARRAY['analytics']);
SELECT status FROM personalize.identify('c4', 'p4');
SELECT personalize.track('c4', 'view_item', 9);
SELECT personalize.split('p4', 'c4');
SELECT item_key, personalize_internal._purpose_names(consent) FROM personalize.event WHERE user_key = personalize.user_key('c4') ORDER BY 1;
-- who is asked whether devices may be joined, and has not said yes
INSERT INTO personalize.purpose (name, bit, description) VALUES ('cross_device', 8, 'joining what was done on several devices');
SELECT personalize.grant_consent('p5', ARRAY['personalization']);
SELECT status, detail FROM personalize.identify('c5', 'p5');
SELECT count(*) FROM personalize.identities_of('c5');
SELECT personalize.grant_consent('p5', ARRAY['cross_device']);
SELECT status, detail FROM personalize.identify('c5', 'p5');
-- a shared device leaves who had it before all the same
SELECT status FROM personalize.identify('c5', 'p1');
SELECT count(*) FROM personalize.identities_of('p5');
SET personalize.identity_purpose = '';
-- restricted, either of them
SELECT personalize.restrict('p5', ARRAY['personalization']);
SELECT status, detail FROM personalize.identify('c5', 'p5');
SELECT status, detail FROM personalize.identify('p5', 'c6');
SELECT personalize.lift_restriction('p5');
SELECT status, detail FROM personalize.identify('c5', 'p5');
SELECT personalize.restrict('c5', ARRAY['personalization']);
SELECT personalize.split('p5', 'c5');
SELECT personalize.lift_restriction('p5');

-- forget any id: the person is forgotten, with all of them
SELECT status FROM personalize.identify('d5', 'p5');
SELECT personalize.track('d5', 'view_item', 10), personalize.track('c5', 'view_item', 11);
SELECT personalize.forget('c5') IS NOT NULL;
SELECT counts ->> 'events' AS events, counts ->> 'identities' AS identities FROM personalize.erasure_receipt() ORDER BY 1, 2;
SELECT count(*) FROM personalize.identity WHERE user_id = 'p5';
SELECT count(*) FROM personalize.event WHERE item_key IN (10, 11);
SELECT u, personalize.track(u, 'view_item', 12) FROM unnest(ARRAY['p5', 'c5', 'd5']) u;
SELECT status, detail FROM personalize.identify('c5', 'p1');
SELECT status, detail FROM personalize.identify('c7', 'p5');
SELECT personalize.grant_consent('p5', ARRAY['personalization']);
SELECT count(*) FROM personalize.identities_of('p5');
SELECT count(*) FROM personalize.forget_many(ARRAY['c1', 'p2']);
SELECT alias_id, user_id FROM personalize.identity ORDER BY 1;

-- raw events that are gone: a person keeps what was counted of them; an anonymous id stays apart, or is one from now on
SELECT pg_temp.anew();
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT count(personalize.grant_consent(u, ARRAY['personalization'])) FROM unnest(ARRAY['old', 'new', 'person']) u;
SELECT to_char(now() AT TIME ZONE 'UTC' - interval '5 days', 'YYYYMMDD') AS day, to_char(now() AT TIME ZONE 'UTC' - interval '6 days', 'YYYYMMDD') AS earlier \gset
SELECT accepted FROM personalize.import_events('{old,person}', '{view_item,view_item}', '{1,1}', ARRAY[:'day', :'day']::timestamptz[]);
SELECT pg_temp.roll();
SET personalize.allow_drop = on;
DROP TABLE personalize.event_p:day;
SELECT personalize.track(u, 'view_item', 2) FROM unnest(ARRAY['old', 'new', 'person']) u;
SELECT pg_temp.roll();
SELECT status, events FROM personalize.identify('new', 'person');
SELECT value, count FROM personalize.features('person') WHERE signal = 'item_affinity' ORDER BY 1;
SELECT events FROM personalize.profile WHERE user_key = personalize.user_key('person');
SELECT personalize.split('person', 'new');
SELECT status, detail FROM personalize.identify('old', 'person');
SELECT * FROM personalize.identify('old', 'person', history => 'discard');
SELECT personalize.track('old', 'view_item', 3);
SELECT pg_temp.roll();
SELECT user_key = personalize.user_key('person') AS of_person, events FROM personalize.profile ORDER BY 2;
SELECT value, count FROM personalize.features('person') WHERE signal = 'item_affinity' ORDER BY 1;
-- nothing but a session and a basket is left of somebody, and then of somebody nothing but a profile
SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'recommendations'])) FROM unnest(ARRAY['older', 'oldest']) u;
SELECT personalize.grant_consent('oldest', ARRAY['personalization']);
SELECT accepted FROM personalize.import_events('{older,older,oldest}', '{purchase,purchase,view_item}', '{1,2,1}', ARRAY[:'earlier', :'earlier', :'earlier']::timestamptz[]);
SELECT pg_temp.roll();
DROP TABLE personalize.event_p:earlier;
SELECT count(*) FROM personalize.session WHERE user_key = personalize.user_key('older');
SELECT count(*) FROM personalize._basket;
SELECT * FROM personalize.identify('older', 'person');
SELECT status FROM personalize.identify('oldest', 'person');
SELECT * FROM personalize.identify('oldest', 'person', history => 'discard');
SELECT count(*) FROM personalize.session WHERE user_key IN (personalize.user_key('older'), personalize.user_key('oldest'));
SELECT count(*) FROM personalize._basket;
SELECT count(*) FROM personalize.profile WHERE user_key = personalize.user_key('oldest');
SELECT personalize.split('person', i, history => 'leave') FROM unnest(ARRAY['new', 'old', 'older', 'oldest']) i;
SELECT count(*) FROM personalize.identity;
SELECT count(alias_key) FROM personalize.event;

-- bad input
SELECT * FROM personalize.identify(NULL, 'p1');
SELECT * FROM personalize.identify('c1', NULL);
SELECT * FROM personalize.identify('', 'p1');
SELECT * FROM personalize.identify('undefined', 'p1');
SELECT * FROM personalize.identify('c1', 'null');
SELECT * FROM personalize.identify(repeat('x', 600), 'p1');
SELECT * FROM personalize.identify('c1', 'p1', consent => 'intersekt');
SELECT * FROM personalize.identify('c1', 'p1', history => 'drop');
SELECT * FROM personalize.identify('c1', 'p1', source => repeat('x', 3000));
SELECT status FROM personalize.identify('c1', 'p1', consent => NULL, history => NULL, source => NULL);
SELECT * FROM personalize.alias(NULL, 'p1');
SELECT personalize.split('p1', 'nobody');
SELECT personalize.split('p1', NULL);
SELECT personalize.split(NULL, 'c1');
SELECT personalize.split('p2', 'c1');
SELECT personalize.split('p1', 'c1', history => 'x');
SELECT * FROM personalize.identities_of(NULL);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM personalize.identify('c2', 'p1');
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM personalize.identify('c2', 'p1');
ROLLBACK;
-- who may
SET ROLE personalize_app;
SELECT status FROM personalize.identify('r1', 'r2');
SELECT personalize.split('r2', 'r1');
SELECT count(*) FROM personalize.identities_of('r2');
SELECT count(*) FROM personalize.identity;
SET ROLE personalize_analyst;
SELECT status FROM personalize.identify('r1', 'r2');
SELECT count(*) FROM personalize.identities_of('r2');
RESET ROLE;
-- ids of any type, which nobody knows yet
SELECT status FROM personalize.identify(17, 42::bigint);
SELECT alias_id, person_id FROM personalize.identities_of(17);
DROP EXTENSION personalize CASCADE;

SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';

-- three signals, of which two purposes need one each and both need the third
SELECT personalize.create_signal('for_a', '{view_item}', 'item', purposes => '{personalization}') > 0,
	personalize.create_signal('for_b', '{view_item}', 'item', purposes => '{marketing}') > 0,
	personalize.create_signal('for_both', '{view_item}', 'item', purposes => '{personalization,marketing}') > 0;
SELECT personalize.disable_signal(name) FROM personalize.signal_status WHERE name NOT LIKE 'for\_%';
SELECT personalize.grant_consent('ab', '{personalization,marketing}'), personalize.grant_consent('a', '{personalization}'),
	personalize.grant_consent('b', '{marketing}'), personalize.grant_consent('c', '{analytics}');
SELECT personalize.track(p, 'view_item', 'shoe') FROM unnest('{ab,a,b,c}'::text[]) p;
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	PERFORM personalize.rollup_now();
END $$;
CALL roll();
CREATE ROLE regress_a IN ROLE personalize_analyst, personalize_personalization;
CREATE ROLE regress_b IN ROLE personalize_analyst, personalize_marketing;
CREATE ROLE regress_ab IN ROLE personalize_analyst, personalize_personalization, personalize_marketing;
CREATE ROLE regress_none IN ROLE personalize_analyst;
CREATE ROLE regress_admin IN ROLE personalize_admin, personalize_personalization, personalize_recommendations;

-- what a role sees through every reader, view, cast, aggregate and output
CREATE TABLE signal_name AS SELECT signal, name FROM personalize.signal;
GRANT SELECT ON signal_name TO PUBLIC;
CREATE FUNCTION features_in(state personalize.feature_state) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(d.name, ',' ORDER BY d.name)
	FROM jsonb_array_elements(state::jsonb -> 'features') f
	JOIN signal_name d ON d.signal = (f ->> 'signal')::integer
$$;
CREATE PROCEDURE sees() LANGUAGE plpgsql AS $$
DECLARE
	line text;
	question text;
BEGIN
	FOREACH question IN ARRAY ARRAY[
		'SELECT string_agg(DISTINCT signal, '','' ORDER BY signal) FROM personalize.features(''ab'')',
		'SELECT string_agg(DISTINCT signal, '','' ORDER BY signal) FROM personalize.features(''a'')',
		'SELECT string_agg(k, '','' ORDER BY k) FROM personalize.profile(''ab'') p, jsonb_object_keys(p.features) k',
		'SELECT count(*) FROM personalize.recent(''ab'')',
		'SELECT string_agg(DISTINCT user_id || '':'' || signal, '' '') FROM personalize.profile_feature',
		'SELECT string_agg(DISTINCT user_id || '':'' || signal, '' '') FROM personalize.profile_pane',
		'SELECT string_agg(user_id || '':'' || coalesce(events::text, ''-''), '' '' ORDER BY user_id) FROM personalize.profile_person',
		'SELECT string_agg(user_id, '','' ORDER BY user_id) FROM personalize.analytics_event',
		'SELECT string_agg(user_id, '','' ORDER BY user_id) FROM personalize.export_events()',
		'SELECT string_agg(user_id || '':'' || features_in(features), '' '' ORDER BY user_id) FROM personalize.export_profiles()',
		'SELECT features_in(features::text::personalize.feature_state) FROM personalize.export_profiles() WHERE user_id = ''ab''',
		'SELECT features_in(personalize.feature_state_merge(features)) FROM personalize.export_profiles()',
		'SELECT personalize.cohort_count(''for_a'', NULL)',
		'SELECT personalize.cohort_count(''for_b'', NULL)',
		'SELECT users FROM personalize.cohort_counts(''for_both'')',
		'SELECT string_agg(DISTINCT personalize_internal._feature_value(signal, personalize_internal._value_key(''shoe'')), '','') FROM signal_name',
		'SELECT count(*) FROM personalize.event',
		'SELECT string_agg(user_id, '','' ORDER BY user_id) FROM personalize.subject']
	LOOP
		BEGIN
			EXECUTE question INTO line;
		EXCEPTION WHEN insufficient_privilege THEN
			line := SQLERRM;
		END;
		RAISE INFO '%: %', substring(question FROM '(?:FROM|SELECT) personalize.(\w+)'), line;
	END LOOP;
END $$;
SET ROLE regress_a;
SET personalize.purpose = 'personalization';
CALL sees();
SET ROLE regress_b;
SET personalize.purpose = 'marketing';
CALL sees();
-- a role that holds both sees one at a time
SET ROLE regress_ab;
CALL sees();
SELECT string_agg(DISTINCT signal, ',' ORDER BY signal) FROM personalize.features('ab', purpose => 'personalization');
SELECT personalize.cohort_count('for_a', NULL, purpose => 'personalization');
-- text and binary output hold the same
SET ROLE regress_a;
RESET personalize.purpose;
BEGIN;
SET LOCAL personalize.purpose = 'personalization';
SELECT user_id, features_in(personalize_internal._feature_state_apply(features, '{}', '{}', '{}', '{}')) AS copied,
	personalize_internal._feature_state_send(features) =
	personalize_internal._feature_state_send(personalize_internal._feature_state_from_jsonb(features::jsonb)) AS binary_as_text
FROM personalize.export_profiles() ORDER BY 1;
COPY (SELECT user_id, event FROM personalize.export_events() ORDER BY 1) TO STDOUT;
COPY (SELECT count(*) FROM personalize.event) TO STDOUT;
COMMIT;
SELECT count(*) FROM personalize.event;

-- a superuser sees all, or what he asks for
RESET ROLE;
SELECT count(*) FROM personalize.event;
SELECT string_agg(DISTINCT user_id || ':' || signal, ' ') FROM personalize.profile_feature;
SELECT string_agg(user_id, ',' ORDER BY user_id) FROM personalize.analytics_event;
SET personalize.purpose = 'marketing';
SELECT string_agg(DISTINCT user_id || ':' || signal, ' ') FROM personalize.profile_feature;
SELECT string_agg(user_id, ',' ORDER BY user_id) FROM personalize.analytics_event;
SELECT string_agg(DISTINCT signal, ',' ORDER BY signal) FROM personalize.features('ab');

-- denied: none, unknown, not held, no such role
SET ROLE regress_none;
SELECT count(*) FROM personalize.event;
SET personalize.purpose = 'nonsense';
SELECT count(*) FROM personalize.event;
SET personalize.purpose = '';
SELECT count(*) FROM personalize.event;
SELECT count(*) FROM personalize.event WHERE user_key = 1;
SELECT * FROM personalize.features('ab', purpose => '');
SELECT * FROM personalize.features('ab', purpose => 'it''s \ $$');
RESET ROLE;
INSERT INTO personalize.purpose_role VALUES ('marketting', 'regress of no "role"');
INSERT INTO personalize.purpose_role VALUES ('marketing', 'regress of no "role"');
SET ROLE regress_b;
SET personalize.purpose = 'marketing';
SELECT count(*) FROM personalize.event;
RESET ROLE;
UPDATE personalize.purpose_role SET role = 'regress_a';
SET ROLE regress_b;
SELECT count(*) FROM personalize.event;
SET ROLE regress_a;
SELECT count(*) FROM personalize.event;
RESET ROLE;
DELETE FROM personalize.purpose_role;
SET ROLE regress_a;
SELECT count(*) FROM personalize.event;
-- or silently, if a superuser wants it so
SET personalize.on_denied = 'empty';
RESET ROLE;
SET personalize.on_denied = 'empty';
SET ROLE regress_none;
SELECT (SELECT count(*) FROM personalize.event), (SELECT count(*) FROM personalize.features('ab')),
	(SELECT count(*) FROM personalize.profile_feature), (SELECT count(*) FROM personalize.export_events()),
	(SELECT count(*) FROM personalize.export_profiles()), personalize.cohort_count('for_a', NULL);
RESET ROLE;
RESET personalize.on_denied;

-- authority is asked for when rows are read
SET ROLE regress_a;
SET personalize.purpose = 'personalization';
PREPARE plan AS SELECT count(*) FROM personalize.event;
EXECUTE plan;
SET ROLE regress_b;
EXECUTE plan;
RESET ROLE;
REVOKE personalize_personalization FROM regress_a;
SET ROLE regress_a;
EXECUTE plan;
RESET ROLE;
GRANT personalize_personalization TO regress_a;
SET ROLE regress_a;
EXECUTE plan;
DEALLOCATE plan;
-- the purpose is one for a statement
SET ROLE regress_ab;
SELECT set_config('personalize.purpose', CASE WHEN s.user_id = 'ab' THEN 'marketing' ELSE 'personalization' END, true), s.user_id
FROM personalize.subject s;

-- nobody writes, and what has no mask is not read
SET personalize.purpose = 'personalization';
RESET ROLE;
GRANT ALL ON personalize.event, personalize.subject, personalize.preference, personalize.consent_ledger,
	personalize.profile, personalize.posting TO regress_a;
SET ROLE regress_a;
UPDATE personalize.event SET consent = -1;
DELETE FROM personalize.subject;
INSERT INTO personalize.subject (user_key, user_id) VALUES (1, '1') ON CONFLICT DO NOTHING;
INSERT INTO personalize.event (received_at, ts, user_key, consent, event) VALUES (now(), now(), 1, 2, 4);
SELECT * FROM personalize.preference;
SELECT * FROM personalize.consent_ledger;
DELETE FROM personalize.preference;
SELECT * FROM personalize.posting;
SELECT count(*) FROM personalize.profile;
COPY personalize.event TO STDOUT;
RESET ROLE;
REVOKE ALL ON personalize.event, personalize.subject, personalize.preference, personalize.consent_ledger,
	personalize.profile, personalize.posting FROM regress_a;
-- the owner neither
SET ROLE personalize_owner;
SELECT count(*) FROM personalize.event;
DELETE FROM personalize.profile;
RESET ROLE;

-- partitions: made by us, attached, created and detached by hand
SELECT to_char(now() AT TIME ZONE 'UTC', '"personalize.event_p"YYYYMMDD') AS today \gset
GRANT ALL ON :today TO regress_a;
CREATE TABLE by_hand (LIKE personalize.event INCLUDING DEFAULTS);
ALTER TABLE personalize.event ATTACH PARTITION by_hand FOR VALUES FROM ('2001-01-01') TO ('2001-01-02');
CREATE TABLE "by 'hand' $$ \" PARTITION OF personalize.event FOR VALUES FROM ('2001-01-02') TO ('2001-01-03') PARTITION BY RANGE (received_at);
CREATE TABLE beneath PARTITION OF "by 'hand' $$ \" FOR VALUES FROM ('2001-01-02') TO ('2001-01-03');
CREATE SCHEMA regress_policy CREATE TABLE within PARTITION OF personalize.event FOR VALUES FROM ('2001-01-03') TO ('2001-01-04');
CREATE TABLE other (LIKE personalize.event);
SELECT relname, relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies
FROM pg_class c WHERE c.oid IN ('by_hand'::regclass, '"by ''hand'' $$ \"'::regclass, 'beneath'::regclass, 'regress_policy.within'::regclass, 'other'::regclass)
ORDER BY 1;
ALTER TABLE personalize.event DETACH PARTITION by_hand;
GRANT ALL ON by_hand, beneath TO regress_a;
SET ROLE regress_a;
SELECT count(*) FROM :today;
UPDATE :today SET consent = -1;
INSERT INTO :today (received_at, ts, user_key, consent, event) VALUES (now(), now(), 1, 2, 4);
COPY by_hand TO STDOUT;
SELECT count(*) FROM beneath;
SELECT count(*) FROM pg_stats WHERE tablename IN ('event', 'subject', 'profile') OR tablename LIKE 'event\_p%';
RESET ROLE;
REVOKE ALL ON :today FROM regress_a;
SET personalize.allow_drop = on;
DROP TABLE by_hand, "by 'hand' $$ \", other;
SET client_min_messages = warning;
DROP SCHEMA regress_policy CASCADE;
RESET client_min_messages;
-- no statistics of who
ANALYZE personalize.event, personalize.subject, personalize.profile;
SELECT count(*) FROM pg_stats WHERE schemaname = 'personalize' AND attname IN ('user_key', 'user_id', 'session_key', 'properties', 'features');

-- our own code passes, also where an error is caught, and only as long as it runs
SET ROLE regress_a;
SET row_security = off;
SELECT count(*) FROM personalize.event;
SELECT * FROM personalize.export_profiles() WHERE false;
SELECT count(*) FROM personalize.export_events();
RESET row_security;
RESET ROLE;
DO $$
DECLARE
	message text;
BEGIN
	-- the error comes from within
	FOR i IN 1..3 LOOP
		BEGIN
			PERFORM personalize.create_signal('for_a', '{view_item}', 'item', purposes => '{marketing}');
		EXCEPTION WHEN duplicate_object THEN
			NULL;
		END;
	END LOOP;
	SET LOCAL ROLE personalize_owner;
	BEGIN
		PERFORM FROM personalize.preference;
	EXCEPTION WHEN insufficient_privilege THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
		RAISE INFO '%', message;
	END;
END $$;

-- nor does a trigger on a table that we write
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO '% reads % events', current_user, (SELECT count(*) FROM personalize.event);
	RETURN NEW;
END $$;
SELECT personalize.grant_consent('spied', '{analytics}');
CREATE TRIGGER spy BEFORE UPDATE ON personalize.subject FOR EACH ROW EXECUTE FUNCTION spy();
\set SHOW_CONTEXT never
SELECT personalize.grant_consent('spied', '{marketing}');
\set SHOW_CONTEXT errors
DROP TRIGGER spy ON personalize.subject;
DROP FUNCTION spy;

-- what admins may
SET ROLE regress_admin;
SET personalize.purpose = 'recommendations';
SELECT count(*) FROM personalize.posting;
SELECT count(*) FROM personalize.session;
SELECT count(*) FROM personalize.profile;
SET personalize.purpose = 'personalization';
SELECT count(*) FROM personalize.posting;
SELECT count(*) FROM personalize.feature_value;
RESET ROLE;
RESET personalize.purpose;

-- names of purposes: longer than a role's, and those of roles that many hold
BEGIN;
INSERT INTO personalize.purpose (name, bit) VALUES (repeat('p', 60), 8);
SET LOCAL ROLE regress_a;
SELECT count(*) FROM personalize.features('a', purpose => repeat('p', 60));
ROLLBACK;
INSERT INTO personalize.purpose (name, bit) VALUES ('analyst', 8);

-- every table is in one of the two lists, those of persons have their policies
SELECT c.relname FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
WHERE c.relkind IN ('r', 'p')
	AND (SELECT count(*) FROM (SELECT name FROM personalize._person_table UNION ALL SELECT name FROM personalize._impersonal_table) l WHERE l.name = c.relname) <> 1;
SELECT p.name FROM personalize._person_table p JOIN pg_class c ON c.oid = to_regclass('personalize.' || p.name)
WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity) OR (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) <> 5;
DROP TABLE signal_name;
DROP PROCEDURE sees, roll;
DROP FUNCTION features_in;
DROP ROLE regress_a, regress_b, regress_ab, regress_none, regress_admin;

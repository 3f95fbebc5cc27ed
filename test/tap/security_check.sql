-- Every weakness planted is found by security_check(), and the SQL it prints
-- puts things right.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT personalize_internal._make_partitions_ahead(1) \g /dev/null
DROP ROLE IF EXISTS sec_mallory, sec_marketing, "sec ""odd"" \ role$$";
CREATE ROLE sec_mallory;
CREATE ROLE "sec ""odd"" \ role$$";
CREATE ROLE sec_marketing;

-- What security_check() did not find, or could not put right, after a weakness
-- was planted; '' if all went well.  Everything is rolled back.
CREATE FUNCTION plant(weakness text, in_check text, in_detail text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	day text := 'personalize.event_p' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD');
	found record;
	outcome text := '';
	repair text;
BEGIN
	BEGIN
		EXECUTE replace(weakness, '{day}', day);
		SELECT string_agg(format('%s: %s', c."check", c.detail), '; ') AS details, count(*) AS number,
			count(*) FILTER (WHERE c."check" = in_check AND c.detail ~ in_detail AND c.fix <> '') AS hits,
			 array_agg(c.fix) AS fixes
			INTO found FROM personalize.security_check() AS c WHERE NOT c.ok;
		IF found.hits = 0 THEN
			outcome := 'not found; ' || coalesce(found.details, 'nothing was');
		ELSE
			FOREACH repair IN ARRAY found.fixes LOOP
				EXECUTE repair;
			END LOOP;
			SELECT coalesce(string_agg(format('still %s: %s', c."check", c.detail), '; '), '')
				INTO outcome FROM personalize.security_check() AS c WHERE NOT c.ok;
		END IF;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ000';
	EXCEPTION
		WHEN SQLSTATE 'ZZ000' THEN RETURN outcome;
		WHEN OTHERS THEN RETURN format('error %s: %s (%s)', SQLSTATE, SQLERRM, repair);
	END;
END
$$;
CREATE TEMP TABLE weakness (place serial, in_check text, in_detail text, name text, weakness text);
INSERT INTO weakness (in_check, in_detail, name, weakness) VALUES
-- row security
('row security', 'personalize\.subject$', 'row security is off on a table', 'ALTER TABLE personalize.subject DISABLE ROW LEVEL SECURITY'),
('row security', 'personalize\.profile$', 'FORCE is off on a table', 'ALTER TABLE personalize.profile NO FORCE ROW LEVEL SECURITY'),
('row security', 'personalize\.event$', 'row security is off on event', 'ALTER TABLE personalize.event DISABLE ROW LEVEL SECURITY'),
('row security', 'personalize\.consent_ledger$', 'row security is off on the ledger', 'ALTER TABLE personalize.consent_ledger DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY'),
('partitions', 'row security', 'row security is off on a partition', 'ALTER TABLE {day} DISABLE ROW LEVEL SECURITY'),
('partitions', 'row security', 'FORCE is off on a partition', 'ALTER TABLE {day} NO FORCE ROW LEVEL SECURITY'),
-- policies
('policies', 'missing', 'a policy is missing', $$DO $do$ DECLARE p record; BEGIN
	FOR p IN SELECT polname, polrelid::regclass AS t FROM pg_policy WHERE polrelid = 'personalize.profile'::regclass AND NOT polpermissive LOOP
		EXECUTE format('DROP POLICY %I ON %s', p.polname, p.t);
	END LOOP; END $do$ $$),
('policies', 'changed', 'a policy was changed', $$DO $do$ DECLARE p record; BEGIN
	SELECT polname, polrelid::regclass AS t INTO p FROM pg_policy
		WHERE polrelid = 'personalize.event'::regclass AND NOT polpermissive AND polcmd = 'r';
	EXECUTE format('ALTER POLICY %I ON %s USING (true)', p.polname, p.t); END $do$ $$),
('policies', 'changed', 'a policy holds for another role only', $$DO $do$ DECLARE p record; BEGIN
	SELECT polname, polrelid::regclass AS t INTO p FROM pg_policy
		WHERE polrelid = 'personalize.subject'::regclass AND NOT polpermissive AND polcmd = 'r';
	EXECUTE format('ALTER POLICY %I ON %s TO sec_mallory', p.polname, p.t); END $do$ $$),
('policies', 'missing|changed', 'a policy was renamed', $$DO $do$ DECLARE p record; BEGIN
	SELECT polname, polrelid::regclass AS t INTO p FROM pg_policy
		WHERE polrelid = 'personalize.subject'::regclass AND NOT polpermissive AND polcmd = 'r';
	EXECUTE format('ALTER POLICY %I ON %s RENAME TO other', p.polname, p.t); END $do$ $$),
('policies', 'not shipped', 'an extra permissive policy', 'CREATE POLICY extra ON personalize.event USING (true)'),
('policies', 'not shipped', 'an extra permissive policy for one role', 'CREATE POLICY "ex""tra \ %" ON personalize.subject FOR SELECT TO "sec ""odd"" \ role$$" USING (true)'),
('partitions', 'policy extra', 'an extra permissive policy on a partition', 'CREATE POLICY extra ON {day} USING (true)'),
('partitions', 'polic', 'the policy of a partition is missing', $$DO $do$ DECLARE p record; BEGIN
	FOR p IN SELECT polname, polrelid::regclass AS t FROM pg_policy WHERE polrelid = '{day}'::regclass LOOP
		EXECUTE format('DROP POLICY %I ON %s', p.polname, p.t);
	END LOOP; END $do$ $$),
('partitions', 'polic', 'the policy of a partition was changed', $$DO $do$ DECLARE p record; BEGIN
	FOR p IN SELECT polname, polrelid::regclass AS t, polcmd FROM pg_policy WHERE polrelid = '{day}'::regclass AND polqual IS NOT NULL LOOP
		EXECUTE format('ALTER POLICY %I ON %s USING (true)', p.polname, p.t);
	END LOOP; END $do$ $$),
-- partitions
('partitions', 'no partition', 'a detached day', 'SET LOCAL personalize.allow_drop = on; ALTER TABLE personalize.event DETACH PARTITION {day}'),
('partitions', 'no partition', 'a detached day in another schema', 'SET LOCAL personalize.allow_drop = on; ALTER TABLE personalize.event DETACH PARTITION {day}; ALTER TABLE {day} SET SCHEMA public'),
('partitions', 'no partition', 'a copy of the shape of event', 'CREATE TABLE public.copy_of_event AS TABLE personalize.event WITH NO DATA'),
('partitions', 'granted', 'a partition with a grant', 'GRANT SELECT ON {day} TO sec_mallory'),
('partitions', 'granted', 'a partition granted to PUBLIC', 'GRANT ALL ON {day} TO PUBLIC'),
('partitions', 'granted', 'a column of a partition granted', 'GRANT SELECT (user_key), UPDATE (consent) ON {day} TO sec_mallory'),
('owners', 'event_p', 'the owner of a partition changed', 'ALTER TABLE {day} OWNER TO sec_mallory'),
('partitions', 'trigger', 'a trigger on a partition', 'CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''; CREATE TRIGGER spy AFTER INSERT ON {day} EXECUTE FUNCTION public.spy()'),
('partitions', 'rule', 'a rule on a partition', 'CREATE RULE spy AS ON INSERT TO {day} DO ALSO NOTIFY spy'),
-- owners
('owners', 'subject', 'the owner of a table changed', 'ALTER TABLE personalize.subject OWNER TO sec_mallory'),
('owners', 'event belongs', 'the owner of event is a superuser', 'ALTER TABLE personalize.event OWNER TO CURRENT_USER'),
('owners', 'analytics_event', 'the owner of a view changed', 'ALTER VIEW personalize.analytics_event OWNER TO CURRENT_USER'),
('owners', 'user_key', 'the owner of a function changed', 'GRANT CREATE ON SCHEMA personalize TO sec_mallory; ALTER FUNCTION personalize.user_key(personalize.entity_id) OWNER TO sec_mallory; REVOKE CREATE ON SCHEMA personalize FROM sec_mallory'),
('owners', '_stat_processor', 'the owner of a definer function is a superuser', 'ALTER FUNCTION personalize_internal._stat_processor() OWNER TO CURRENT_USER'),
('owners', 'entity_id', 'the owner of a type changed', 'GRANT CREATE ON SCHEMA personalize TO sec_mallory; ALTER TYPE personalize.entity_id OWNER TO sec_mallory; REVOKE CREATE ON SCHEMA personalize FROM sec_mallory'),
('schema', 'belongs', 'the owner of the schema changed', 'ALTER SCHEMA personalize OWNER TO sec_mallory'),
('schema', 'CREATE', 'CREATE on the schema', 'GRANT CREATE ON SCHEMA personalize TO sec_mallory'),
('schema', 'CREATE', 'CREATE on the schema for PUBLIC', 'GRANT CREATE ON SCHEMA personalize TO PUBLIC'),
('schema', 'USAGE', 'USAGE on the schema for PUBLIC', 'GRANT USAGE ON SCHEMA personalize TO PUBLIC'),
('schema', 'USAGE', 'USAGE that may be handed on', 'GRANT USAGE ON SCHEMA personalize TO sec_mallory WITH GRANT OPTION'),
-- functions
('functions', '_stat_processor', 'search_path of a definer function', 'ALTER FUNCTION personalize_internal._stat_processor() SET search_path = public, pg_catalog'),
('functions', '_stat_processor', 'search_path of a definer function is gone', 'ALTER FUNCTION personalize_internal._stat_processor() RESET search_path'),
('functions', 'user_key', 'a function became a definer function', 'ALTER FUNCTION personalize.user_key(personalize.entity_id) SECURITY DEFINER'),
('functions', 'health', 'a function was replaced', $$CREATE OR REPLACE FUNCTION personalize.health(OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text)
	RETURNS SETOF record LANGUAGE sql AS 'SELECT ''all'', true, '''', NULL::text'$$),
('functions', 'backdoor', 'a definer function of the owner elsewhere', 'CREATE FUNCTION public.backdoor() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS ''SELECT count(*) FROM personalize.subject''; GRANT CREATE ON SCHEMA public TO personalize_owner; ALTER FUNCTION public.backdoor() OWNER TO personalize_owner; REVOKE CREATE ON SCHEMA public FROM personalize_owner'),
('functions', 'backdoor', 'a definer function in the schema', 'CREATE FUNCTION personalize.backdoor() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS ''SELECT 1::bigint''; REVOKE ALL ON FUNCTION personalize.backdoor() FROM PUBLIC; ALTER FUNCTION personalize.backdoor() OWNER TO personalize_owner'),
-- grants
('grants', 'PUBLIC has EXECUTE on ROUTINE personalize.forget', 'EXECUTE of a revoked function for PUBLIC', 'GRANT EXECUTE ON FUNCTION personalize.withdraw_consent(text, text[], text, text, text, timestamptz) TO PUBLIC; GRANT EXECUTE ON FUNCTION personalize.forget(personalize.entity_id) TO PUBLIC'),
('grants', '_ledger_mask', 'EXECUTE of an internal function', 'GRANT EXECUTE ON FUNCTION personalize_internal._ledger_mask(bigint) TO sec_mallory'),
('grants', 'recommend.*|EXECUTE', 'EXECUTE that may be handed on', 'GRANT EXECUTE ON FUNCTION personalize.track(text, text, text, jsonb, personalize.event_time, text, text, text, text[]) TO sec_mallory WITH GRANT OPTION'),
('grants', 'INSERT.*subject', 'INSERT on a table', 'GRANT INSERT ON personalize.subject TO sec_mallory'),
('grants', 'UPDATE.*profile', 'UPDATE on a table', 'GRANT UPDATE ON personalize.profile TO sec_mallory'),
('grants', 'UPDATE \(granted\)', 'UPDATE on a column', 'GRANT UPDATE (granted) ON personalize.subject TO sec_mallory'),
('grants', 'DELETE.*consent_ledger', 'DELETE on a table', 'GRANT DELETE ON personalize.consent_ledger TO "sec ""odd"" \ role$$"'),
('grants', 'TRUNCATE', 'TRUNCATE on a table', 'GRANT TRUNCATE ON personalize.event TO personalize_app'),
('grants', 'TRIGGER.*event', 'TRIGGER on a table', 'GRANT TRIGGER ON personalize.event TO sec_mallory'),
('grants', 'TRIGGER.*item', 'TRIGGER on a table that a worker writes', 'GRANT TRIGGER ON personalize.item TO personalize_app'),
('grants', 'REFERENCES', 'REFERENCES on a table', 'GRANT REFERENCES ON personalize.subject TO sec_mallory'),
('grants', 'SELECT.*PUBLIC|PUBLIC.*SELECT', 'SELECT for PUBLIC', 'GRANT SELECT ON personalize.analytics_event TO PUBLIC'),
('grants', '_dictionary_log', 'SELECT on an internal table', 'GRANT SELECT ON personalize._dictionary_log TO personalize_app'),
('grants', 'posting', 'SELECT on a table for administrators', 'GRANT SELECT ON personalize.posting TO sec_mallory'),
('grants', 'PUBLIC has SELECT', 'a grant that was handed on', 'GRANT USAGE ON SCHEMA personalize TO sec_mallory; GRANT SELECT ON personalize.event TO sec_mallory WITH GRANT OPTION; SET LOCAL ROLE sec_mallory; GRANT SELECT ON personalize.event TO PUBLIC; RESET ROLE'),
-- views
('views', 'analytics_event', 'a view was replaced', 'DO $view$ BEGIN EXECUTE ''CREATE OR REPLACE VIEW personalize.stat_processor AS SELECT * FROM ('' || rtrim(pg_get_viewdef(''personalize.stat_processor''::regclass), '';'') || '') s WHERE false''; END $view$; ALTER VIEW personalize.analytics_event RESET (security_barrier)'),
-- triggers and rules
('triggers', 'spy', 'a trigger on a table', 'CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''; CREATE TRIGGER "spy $$ \ """ AFTER INSERT ON personalize.subject EXECUTE FUNCTION public.spy()'),
('triggers', 'rule', 'a rule on a table', 'CREATE RULE spy AS ON UPDATE TO personalize.subject DO ALSO NOTIFY spy'),
('triggers', 'changed', 'a trigger of ours is disabled', $$DO $do$ DECLARE t record; BEGIN
	SELECT tgname, tgrelid::regclass AS r INTO t FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
		WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r' AND NOT tgisinternal LIMIT 1;
	IF NOT FOUND THEN
		SELECT tgname, tgrelid::regclass AS r INTO t FROM pg_trigger WHERE tgrelid = 'personalize.inbox'::regclass LIMIT 1;
		EXECUTE format('ALTER TRIGGER %I ON %s RENAME TO renamed', t.tgname, t.r);
		EXECUTE format('DROP TRIGGER renamed ON %s', t.r);
		RETURN;
	END IF;
	EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', t.r, t.tgname); END $do$ $$),
('event triggers', 'changed', 'the event trigger is disabled', $$DO $do$ DECLARE t record; BEGIN
	SELECT evtname INTO STRICT t FROM pg_event_trigger JOIN pg_proc p ON p.oid = evtfoid WHERE p.pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace) LIMIT 1;
	EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', t.evtname); END $do$ $$),
-- the owner
('owner role', 'SUPERUSER', 'the owner is a superuser', 'ALTER ROLE personalize_owner SUPERUSER'),
('owner role', 'BYPASSRLS, CREATEROLE, CREATEDB, REPLICATION', 'the owner has attributes', 'ALTER ROLE personalize_owner BYPASSRLS CREATEROLE CREATEDB REPLICATION'),
('owner role', 'password', 'the owner has a password', 'ALTER ROLE personalize_owner PASSWORD ''secret'''),
('owner role', 'connection limit', 'the owner may connect', 'ALTER ROLE personalize_owner CONNECTION LIMIT 5'),
('owner role', 'connection limit of -1', 'the owner may connect without limit', 'ALTER ROLE personalize_owner CONNECTION LIMIT -1'),
('owner role', 'sec_mallory is a member', 'the owner has a member', 'GRANT personalize_owner TO sec_mallory'),
('owner role', 'is a member of pg_read_all_data', 'the owner is a member', 'GRANT pg_read_all_data TO personalize_owner'),
('owner role', 'is a member of personalize_marketing', 'the owner holds a purpose', 'GRANT personalize_marketing TO personalize_owner'),
-- the other roles
('roles', 'SUPERUSER', 'a role is a superuser', 'ALTER ROLE personalize_admin SUPERUSER'),
('roles', 'BYPASSRLS', 'a role bypasses row security', 'ALTER ROLE personalize_analyst BYPASSRLS'),
('roles', 'log in', 'a role can log in', 'ALTER ROLE personalize_app LOGIN'),
('roles', 'is a member of personalize_admin', 'the application is an administrator', 'GRANT personalize_admin TO personalize_app'),
('roles', 'is a member of personalize_marketing', 'a role holds a purpose', 'GRANT personalize_marketing TO personalize_app'),
('roles', 'may make others', 'a role can be handed on', 'GRANT personalize_admin TO sec_mallory WITH ADMIN OPTION'),
('purpose roles', 'does not exist', 'a purpose without a role', $$INSERT INTO personalize.purpose VALUES ('spam', 9, 'consent', 'x')$$),
('purpose roles', 'personalize_p{60} does not exist', 'the role of a purpose has a name that roles cannot have, and another is called by its beginning',
	$$INSERT INTO personalize.purpose VALUES (repeat('p', 60), 9, 'consent', 'x'); DO $do$ BEGIN EXECUTE format('CREATE ROLE %I', left('personalize_' || repeat('p', 60), 63)); END $do$ $$),
('purpose roles', 'does not exist', 'the role of a purpose is missing', $$INSERT INTO personalize.purpose_role VALUES ('marketing', 'sec nobody')
	ON CONFLICT (purpose) DO UPDATE SET role = 'sec nobody'$$),
('purpose roles', 'personalize_analytics has SUPERUSER', 'the role of a purpose is a superuser', 'ALTER ROLE personalize_analytics SUPERUSER'),
('purpose roles', 'personalize_analytics has BYPASSRLS', 'the role of a purpose bypasses row security', 'ALTER ROLE personalize_analytics BYPASSRLS'),
('purpose roles', 'log in', 'the role of a purpose can log in', 'ALTER ROLE personalize_personalization LOGIN'),
('purpose roles', 'log in', 'the role of a purpose can log in and has members', 'ALTER ROLE personalize_personalization LOGIN; GRANT personalize_personalization TO sec_mallory'),
('purpose roles', 'personalize_analytics is a member of personalize_marketing', 'one purpose holds another', 'GRANT personalize_marketing TO personalize_analytics'),
('purpose roles', 'password', 'the role of a purpose has a password', 'ALTER ROLE personalize_marketing PASSWORD ''x'''),
('purpose roles', 'may make others', 'a purpose can be handed on', 'GRANT personalize_marketing TO sec_mallory WITH ADMIN OPTION'),
('purpose roles', 'everybody', 'a purpose is everybody''s', $$INSERT INTO personalize.purpose_role VALUES ('marketing', 'personalize_app')
	ON CONFLICT (purpose) DO UPDATE SET role = 'personalize_app'$$),
('purpose roles', 'log in', 'a purpose has a role of one''s own that logs in', $$INSERT INTO personalize.purpose_role VALUES ('marketing', 'sec_marketing')
	ON CONFLICT (purpose) DO UPDATE SET role = 'sec_marketing'; ALTER ROLE sec_marketing LOGIN$$),
('purposes', 'marketing', 'silence is consent', $$INSERT INTO personalize.purpose_default VALUES ('marketing', 'allowed')$$),
-- above row security
('above row security', 'sec_mallory has BYPASSRLS', 'a role bypasses row security', 'ALTER ROLE sec_mallory BYPASSRLS'),
('above row security', 'pg_read_all_data', 'a member of pg_read_all_data', 'GRANT pg_read_all_data TO sec_mallory'),
('above row security', 'pg_write_all_data', 'a member of pg_write_all_data', 'GRANT pg_write_all_data TO "sec ""odd"" \ role$$"'),
('above row security', 'pg_read_server_files', 'a role that reads files', 'GRANT pg_read_server_files TO sec_mallory'),
('above row security', 'pg_execute_server_program', 'a role that runs programs', 'GRANT pg_execute_server_program TO sec_mallory'),
-- settings
('settings', 'on_denied is empty', 'denied is empty in the session', 'SET LOCAL personalize.on_denied = ''empty'''),
('settings', 'on_denied of role', 'denied is empty for a role', 'ALTER ROLE sec_mallory SET personalize.on_denied = ''empty'''),
('settings', 'on_denied.* in database', 'denied is empty in the database', format('ALTER DATABASE %I SET personalize.on_denied = ''empty''', current_database())),
('settings', 'on_denied of role.* in database', 'denied is empty for a role here', format('ALTER ROLE sec_mallory IN DATABASE %I SET personalize.on_denied = ''empty''', current_database())),
('settings', 'search_path of role', 'the owner has a search_path', 'ALTER ROLE personalize_owner SET search_path = public'),
('settings', 'SET on parameter', 'others may set what denied means', 'GRANT SET ON PARAMETER personalize.on_denied TO sec_mallory'),
('settings', 'default privileges', 'new tables are open', 'ALTER DEFAULT PRIVILEGES FOR ROLE personalize_owner GRANT SELECT ON TABLES TO sec_mallory'),
('settings', 'default privileges', 'new objects of the schema are open', 'ALTER DEFAULT PRIVILEGES IN SCHEMA personalize GRANT EXECUTE ON FUNCTIONS TO PUBLIC'),
-- copies
('copies', 'view public.leak', 'a superuser''s view for others', 'CREATE VIEW public.leak AS SELECT * FROM personalize.subject; GRANT SELECT ON public.leak TO sec_mallory'),
('copies', 'keeps rows', 'a materialized view', 'CREATE MATERIALIZED VIEW public.kept AS SELECT user_key FROM personalize.event WITH NO DATA'),
('copies', 'publication', 'a publication of a table', 'CREATE PUBLICATION leak FOR TABLE personalize.subject'),
('copies', 'publication', 'a publication of the schema', 'CREATE PUBLICATION leak FOR TABLES IN SCHEMA personalize'),
('copies', 'publication', 'a publication of everything', 'CREATE PUBLICATION leak FOR ALL TABLES'),
-- statistics
('statistics', 'user_id of', 'a column with ids is sampled', 'ALTER TABLE personalize.subject ALTER user_id SET STATISTICS 100; ANALYZE personalize.subject'),
('statistics', 'properties of', 'a column of a partition is sampled', 'ALTER TABLE {day} ALTER properties SET STATISTICS -1'),
('statistics', 'object', 'extended statistics', 'CREATE STATISTICS public.sample ON user_key, granted FROM personalize.subject'),
('statistics', 'expressions', 'an index on an expression', 'CREATE INDEX sample ON personalize.subject (lower(user_id))'),
('grants', 'PUBLIC has SELECT', 'everybody reads typed rows', $$SELECT personalize.create_feature_view('sec', '{"brand": "interest_brand"}'); GRANT SELECT ON personalize.fv_sec TO PUBLIC$$),
('grants', 'INSERT', 'somebody writes typed rows', $$SELECT personalize.create_feature_view('sec', '{"brand": "interest_brand"}'); GRANT INSERT ON personalize.fv_sec TO sec_mallory$$),
-- several at once
('grants', 'INSERT', 'many weaknesses at once', 'ALTER TABLE personalize.subject DISABLE ROW LEVEL SECURITY; CREATE POLICY extra ON personalize.subject USING (true); GRANT ALL ON ALL TABLES IN SCHEMA personalize TO sec_mallory; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA personalize TO PUBLIC; SET LOCAL personalize.allow_drop = on; ALTER TABLE personalize.event DETACH PARTITION {day}; GRANT ALL ON {day} TO PUBLIC');
RESET client_min_messages;

SELECT plan(9 + count(*)::int) FROM weakness;
SELECT is_empty('SELECT * FROM personalize.security_check() WHERE NOT ok', 'a new installation has no weakness');
SET client_min_messages = error;
SELECT is(plant(weakness, in_check, in_detail), '', 'found and put right: ' || name) FROM weakness ORDER BY place;
-- CREATEROLE can make itself a member of anything before PostgreSQL 16 only
SELECT is(plant('ALTER ROLE sec_mallory CREATEROLE', 'above row security', 'CREATEROLE') = '',
	current_setting('server_version_num')::int < 160000, 'CREATEROLE is a weakness where it can grant any role');
-- what is no weakness
CREATE FUNCTION unplant(harmless text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	outcome text;
BEGIN
	EXECUTE harmless;
	SELECT coalesce(string_agg(format('%s: %s', c."check", c.detail), '; '), '') INTO outcome FROM personalize.security_check() AS c WHERE NOT c.ok;
	RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN RETURN outcome;
END
$$;
SELECT is(unplant($$DO $do$ DECLARE made text; BEGIN
	FOR made IN SELECT make FROM personalize._shipped WHERE kind IN ('functions', 'views', 'event triggers') LOOP EXECUTE made; END LOOP; END $do$ $$), '',
	'what was made anew by the SQL that was written down equals what was shipped');
SELECT is(unplant($$GRANT personalize_app TO sec_mallory; GRANT personalize_marketing TO sec_mallory; GRANT USAGE ON SCHEMA personalize TO sec_marketing;
	GRANT EXECUTE ON FUNCTION personalize.bought_together TO sec_marketing; GRANT SELECT ON personalize.analytics_event TO sec_marketing$$), '',
	'members of the roles and callers of your own are no weakness');
SELECT is(unplant($$SELECT personalize.create_feature_view('Se"c', '{"brand": "interest_brand"}'); SELECT personalize.create_feature_view('plain', '{"price": "item.price"}', entity => 'item');
	GRANT SELECT ON personalize."fv_plain" TO sec_marketing$$), '', 'nor are typed rows of feature views');
SELECT is(unplant($$REVOKE EXECUTE ON FUNCTION personalize.track_many(personalize.event_json) FROM personalize_app; CREATE POLICY more ON personalize.event AS RESTRICTIVE USING (false);
	ALTER ROLE personalize_analyst CONNECTION LIMIT 3$$), '', 'what is stronger than shipped is none either');
SELECT is(unplant($$CREATE VIEW public.mine AS SELECT * FROM personalize.subject; CREATE TABLE public.other (user_key bigint, ts timestamptz)$$), '',
	'nor are a view nobody else may read and a table of one''s own');
SELECT is(unplant('SET LOCAL quote_all_identifiers = on; SET LOCAL IntervalStyle = sql_standard; SET LOCAL DateStyle = german; SET LOCAL extra_float_digits = -10'), '',
	'nor does it matter how names and times are printed');
SELECT is(unplant($$SET LOCAL ROLE personalize_admin; SELECT * FROM personalize.security_check()$$), '', 'administrators may ask');
SELECT * FROM finish();
DROP FUNCTION plant, unplant;
DROP ROLE sec_mallory, sec_marketing, "sec ""odd"" \ role$$";

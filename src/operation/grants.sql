-- grants: last of all, every object goes to its owner and PUBLIC loses it.
DO $$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT c.oid::pg_catalog.regclass AS name, c.relkind
		FROM pg_catalog.pg_class c
		WHERE c.relnamespace OPERATOR(pg_catalog.=) 'personalize'::pg_catalog.regnamespace
			AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
	LOOP
		EXECUTE pg_catalog.format('ALTER %s %s OWNER TO personalize_owner',
			CASE o.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, o.name);
	END LOOP;
	FOR o IN
		SELECT p.oid::pg_catalog.regprocedure AS name, p.prokind, p.prosecdef
		FROM pg_catalog.pg_proc p
		WHERE p.pronamespace OPERATOR(pg_catalog.=) ANY ('{personalize,personalize_internal}'::pg_catalog.regnamespace[])
	LOOP
		IF o.prosecdef THEN
			EXECUTE pg_catalog.format('ALTER %s %s OWNER TO personalize_owner',
				CASE o.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, o.name);
		END IF;
	END LOOP;
END
$$;
-- Publications need to tell rows apart: by the primary key, or by all there is.
DO $$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT c.oid::pg_catalog.regclass AS name
		FROM pg_catalog.pg_class c
		WHERE c.relnamespace OPERATOR(pg_catalog.=) 'personalize'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p')
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisprimary)
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', o.name);
	END LOOP;
END
$$;
-- What functions store and compare does not depend on the session that calls
-- them; an immutable one cannot, and one without a search_path is made to be
-- inlined into a query of the session.
DO $$
DECLARE
	f record;
BEGIN
	FOR f IN
		SELECT pg_catalog.format('ALTER FUNCTION %s SET %I = %s', p.oid::pg_catalog.regprocedure, s.name,
			CASE s.name WHEN 'DateStyle' THEN s.value ELSE pg_catalog.quote_literal(s.value) END) AS command
		FROM pg_catalog.pg_proc p
			JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang,
			personalize_internal._pinned_setting() s
		WHERE p.pronamespace OPERATOR(pg_catalog.=) ANY ('{personalize,personalize_internal}'::pg_catalog.regnamespace[])
			AND l.lanname IN ('sql', 'plpgsql') AND p.prokind OPERATOR(pg_catalog.=) 'f' AND p.provolatile OPERATOR(pg_catalog.<>) 'i'
			AND EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) AS c (line)
				WHERE pg_catalog.starts_with(c.line, 'search_path='))
			AND NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) AS c (line)
				WHERE pg_catalog.starts_with(c.line, s.name OPERATOR(pg_catalog.||) '='))
	LOOP
		EXECUTE f.command;
	END LOOP;
END
$$;
-- row policies
SELECT personalize_internal._apply_policies(p.name, p.mask, p.unanalyzed)
FROM personalize._person_table p
WHERE pg_catalog.to_regclass(pg_catalog.format('personalize.%I', p.name)) IS NOT NULL;
CREATE EVENT TRIGGER personalize_close_partitions ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'ALTER TABLE')
	EXECUTE FUNCTION personalize_internal._close_partitions();
COMMENT ON EVENT TRIGGER personalize_close_partitions IS
	'partitions of personalize.event that are attached or created by hand are closed to direct access';
CREATE EVENT TRIGGER personalize_own_feature_views ON ddl_command_end
	WHEN TAG IN ('CREATE VIEW')
	EXECUTE FUNCTION personalize_internal._own_feature_views();
COMMENT ON EVENT TRIGGER personalize_own_feature_views IS
	'typed views of features that a restore without owners has made get their own back';
CREATE EVENT TRIGGER personalize_refuse_triggers ON ddl_command_end
	WHEN TAG IN ('CREATE TRIGGER', 'CREATE TABLE', 'CREATE SCHEMA', 'ALTER TABLE')
	EXECUTE FUNCTION personalize_internal._refuse_triggers();
COMMENT ON EVENT TRIGGER personalize_refuse_triggers IS
	'only superusers put triggers on tables of personalize, or foreign keys to those about people';
CREATE EVENT TRIGGER personalize_triggers_enabled ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE')
	EXECUTE FUNCTION personalize_internal._triggers_enabled();
COMMENT ON EVENT TRIGGER personalize_triggers_enabled IS
	'a restore with --disable-triggers ends as one with triggers';
CREATE EVENT TRIGGER personalize_guard_drops ON ddl_command_start
	WHEN TAG IN ('DROP TABLE', 'ALTER TABLE', 'DROP SCHEMA', 'ALTER SCHEMA', 'DROP OWNED')
	EXECUTE FUNCTION personalize_internal._guard_drops();
COMMENT ON EVENT TRIGGER personalize_guard_drops IS
	'days of personalize.event and the schema are not dropped, days not detached and schemas not renamed by mistake';
CREATE EVENT TRIGGER personalize_leave_cron ON ddl_command_start
	WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA')
	EXECUTE FUNCTION personalize_internal._leave_cron();
COMMENT ON EVENT TRIGGER personalize_leave_cron IS
	'jobs of schedule_maintenance() do not outlive the extension';
CREATE EVENT TRIGGER personalize_check_publication ON ddl_command_end
	WHEN TAG IN ('CREATE PUBLICATION', 'ALTER PUBLICATION')
	EXECUTE FUNCTION personalize_internal._check_publication();
COMMENT ON EVENT TRIGGER personalize_check_publication IS
	'publications that would keep rows of personalize from being changed are refused';
-- what they guard is of this database, whoever's changes it applies, under session_replication_role = replica
DO $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT e.evtname FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) e.evtfoid
		WHERE p.pronamespace OPERATOR(pg_catalog.=) 'personalize_internal'::pg_catalog.regnamespace
	LOOP
		EXECUTE pg_catalog.format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', t.evtname);
	END LOOP;
END
$$;
GRANT SELECT ON personalize.event TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.subject TO personalize_admin;
-- who is restricted, and for what, is not for analysts
GRANT SELECT (user_key, user_id, granted, decided, since) ON personalize.subject TO personalize_analyst;
GRANT SELECT ON personalize.purpose_role TO personalize_admin;
GRANT SELECT ON personalize._person_table, personalize._impersonal_table TO personalize_admin;

-- the workers connect as the owner, also where PUBLIC may not
DO $$
BEGIN
	EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO personalize_owner', pg_catalog.current_database());
END
$$;
GRANT USAGE ON SCHEMA personalize, personalize_internal TO personalize_app, personalize_analyst, personalize_admin, personalize_monitor, personalize_owner;
GRANT CREATE ON SCHEMA personalize TO personalize_owner;

-- what security_check() compares with
SELECT personalize_internal._ship_security();

SELECT personalize_internal._tell_preload();

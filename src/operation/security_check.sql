-- security_check: what protects persons' data less than when it was installed.
--
-- The last line of the install script writes down what it made (_ship_security):
-- row security, policies, functions, views, triggers and grants, each as the
-- statement that makes it.  The checks compare that with what is there now;
-- partitions, roles and settings, which are not the script's alone, have rules.
-- Every fix is SQL that a superuser can run as it is printed.
CREATE TABLE personalize._shipped (
	kind text NOT NULL,
	name text NOT NULL,
	server integer NOT NULL,
	make text NOT NULL,
	PRIMARY KEY (kind, name)
);
COMMENT ON TABLE personalize._shipped IS
	'what the install script made to protect data, for security_check(); written anew by each installation, restore and update';
COMMENT ON COLUMN personalize._shipped.server IS
	'major version that printed the statement: another prints expressions differently';
COMMENT ON COLUMN personalize._shipped.make IS 'the statement that makes it';

CREATE FUNCTION personalize_internal._role_has_password(role oid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_role_has_password' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._role_has_password(oid) IS 'whether a password is set for a role';

-- Days of event, attached or not, wherever they are: known by their columns.
CREATE FUNCTION personalize_internal._event_days(
	OUT day oid, OUT attached boolean, OUT attach text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.oid, coalesce(i.inhparent = p.oid, false),
		CASE WHEN n.nspname = 'personalize' AND c.relname ~ '^event_p[0-9]{8}$' THEN
			format('ALTER TABLE personalize.event ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L);',
				c.oid::regclass, d.day || ' 00:00:00+00', d.day + 1 || ' 00:00:00+00') END
	FROM pg_namespace AS s
		JOIN pg_class AS p ON p.relnamespace = s.oid AND p.relname = 'event',
		LATERAL (
			SELECT a.attrelid FROM pg_attribute AS a
			WHERE a.attname IN ('received_at', 'ts', 'txid', 'user_key', 'consent', 'ordinal') AND NOT a.attisdropped
			GROUP BY a.attrelid HAVING count(*) = 6) AS a
		JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'f', 'p', 'm')
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid,
		LATERAL (SELECT CASE WHEN c.relname ~ '^event_p[0-9]{8}$' THEN right(c.relname, 8)::date END) AS d (day)
	WHERE s.nspname = 'personalize' AND c.oid <> p.oid;
END;
COMMENT ON FUNCTION personalize_internal._event_days() IS
	'the tables that are days of event or were, and how to attach one';

-- Row security, policies, triggers, functions and views as statements.
CREATE FUNCTION personalize_internal._security_objects(
	OUT kind text, OUT name text, OUT make text, OUT unmake text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH member AS (
		SELECT c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.oid::regclass::text AS name
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = 'personalize' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
			AND c.oid NOT IN (SELECT d.day FROM personalize_internal._event_days() AS d))
	SELECT 'row security', m.name,
		format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY; ALTER TABLE %1$s FORCE ROW LEVEL SECURITY;', m.name), NULL
	FROM member AS m WHERE m.relrowsecurity AND m.relforcerowsecurity
	UNION ALL
	SELECT 'policies', format('%I on %s', p.polname, m.name),
		format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s;', p.polname, m.name,
			CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
			CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
			(SELECT string_agg(CASE WHEN r.role = 0 THEN 'PUBLIC' ELSE r.role::regrole::text END, ', ') FROM unnest(p.polroles) AS r (role)),
			' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
			' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
		format('DROP POLICY %I ON %s;', p.polname, m.name)
	FROM member AS m JOIN pg_policy AS p ON p.polrelid = m.oid
	UNION ALL
	SELECT 'triggers', format('%I on %s', t.tgname, m.name),
		pg_get_triggerdef(t.oid) || format(
			CASE t.tgenabled WHEN 'O' THEN ';' WHEN 'D' THEN '; ALTER TABLE %s DISABLE TRIGGER %I;'
				WHEN 'R' THEN '; ALTER TABLE %s ENABLE REPLICA TRIGGER %I;' ELSE '; ALTER TABLE %s ENABLE ALWAYS TRIGGER %I;' END, m.name, t.tgname),
		format('DROP TRIGGER %I ON %s;', t.tgname, m.name)
	FROM member AS m JOIN pg_trigger AS t ON t.tgrelid = m.oid AND NOT t.tgisinternal
	UNION ALL
	SELECT 'triggers', format('rule %I on %s', r.rulename, m.name), pg_get_ruledef(r.oid),
		format('DROP RULE %I ON %s;', r.rulename, m.name)
	FROM member AS m JOIN pg_rewrite AS r ON r.ev_class = m.oid AND r.rulename <> '_RETURN'
	UNION ALL
	SELECT 'views', m.name,
		format('CREATE OR REPLACE VIEW %s%s AS %s', m.name,
			(SELECT ' WITH (' || string_agg(o.option, ', ') || ')' FROM unnest(m.reloptions) AS o (option)),
			pg_get_viewdef(m.oid)), NULL
	FROM member AS m WHERE m.relkind = 'v'
	UNION ALL
	SELECT 'functions', p.oid::regprocedure::text, pg_get_functiondef(p.oid) || ';',
		format('ALTER FUNCTION %s SECURITY INVOKER;', p.oid::regprocedure)
	FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
	WHERE p.prokind IN ('f', 'w') AND (n.nspname IN ('personalize', 'personalize_internal')
		OR (p.prosecdef AND p.proowner = (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = 'personalize_owner')))
	UNION ALL
	SELECT 'event triggers', quote_ident(t.evtname),
		format('ALTER EVENT TRIGGER %I %s;', t.evtname,
			CASE t.evtenabled WHEN 'O' THEN 'ENABLE' WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END), NULL
	FROM pg_event_trigger AS t JOIN pg_proc AS p ON p.oid = t.evtfoid JOIN pg_namespace AS n ON n.oid = p.pronamespace
	WHERE n.nspname IN ('personalize', 'personalize_internal');
END;
COMMENT ON FUNCTION personalize_internal._security_objects() IS
	'what protects data, each object as the statement that makes it and the one that undoes it';

-- Who was given what on the schemas and what is in them; what the owners of
-- objects and superusers may do needs no grant.
CREATE FUNCTION personalize_internal._security_grants(
	OUT name text, OUT privilege text, OUT grantee text, OUT object text, OUT make text, OUT unmake text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('%s on %s to %s', g.privilege, g.object, g.grantee), g.privilege, g.grantee, g.object,
		format('GRANT %s ON %s TO %s%s;', g.privilege, g.object, g.grantee, CASE WHEN bool_or(g.grantable) THEN ' WITH GRANT OPTION' ELSE '' END),
		format('REVOKE %s ON %s FROM %s CASCADE;', g.privilege, g.object, g.grantee)
	FROM (
		SELECT a.privilege_type AS privilege, format('%s %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass) AS object,
			c.relowner AS owner, a.grantee AS role, a.is_grantable AS grantable,
			CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
		FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid, aclexplode(c.relacl) AS a
		WHERE n.nspname = 'personalize'
		UNION ALL
		SELECT format('%s (%I)', a.privilege_type, t.attname), format('TABLE %s', c.oid::regclass), c.relowner, a.grantee, a.is_grantable,
			CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
		FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid JOIN pg_attribute AS t ON t.attrelid = c.oid, aclexplode(t.attacl) AS a
		WHERE n.nspname = 'personalize'
		UNION ALL
		SELECT a.privilege_type, format('ROUTINE %s', p.oid::regprocedure), p.proowner, a.grantee, a.is_grantable,
			CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
		FROM pg_namespace AS n JOIN pg_proc AS p ON p.pronamespace = n.oid, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
		WHERE n.nspname IN ('personalize', 'personalize_internal')
		UNION ALL
		SELECT a.privilege_type, format('SCHEMA %I', n.nspname), n.nspowner, a.grantee, a.is_grantable,
			CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
		FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
		WHERE n.nspname IN ('personalize', 'personalize_internal')) AS g
	WHERE g.role <> g.owner
		AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = g.role AND (r.rolsuper OR r.rolname = 'personalize_owner'))
	GROUP BY g.privilege, g.object, g.grantee;
END;
COMMENT ON FUNCTION personalize_internal._security_grants() IS
	'who may do what with the schemas and the objects in them, with the statements that give and take it';

CREATE FUNCTION personalize_internal._ship_security() RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	DELETE FROM personalize._shipped;
	INSERT INTO personalize._shipped (kind, name, server, make)
		SELECT o.kind, o.name, current_setting('server_version_num')::integer / 10000, o.make FROM personalize_internal._security_objects() AS o
		UNION ALL
		SELECT 'grants', g.name, current_setting('server_version_num')::integer / 10000, g.make FROM personalize_internal._security_grants() AS g
		WHERE g.grantee = 'PUBLIC' OR g.grantee IN ('personalize_app', 'personalize_analyst', 'personalize_admin', 'personalize_monitor',
			'personalize_analytics', 'personalize_personalization', 'personalize_recommendations', 'personalize_marketing');
END;
COMMENT ON FUNCTION personalize_internal._ship_security() IS
	'writes down what the install script made; the last line of it and of every update';

CREATE FUNCTION personalize_internal._same_statement(make text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT regexp_replace(replace(make, '( VALUES', '(VALUES'), E'::(\\w+) AS \\1\\M', E'::\\1', 'g');
END;
COMMENT ON FUNCTION personalize_internal._same_statement(text) IS
	'a statement as the server prints it, without what it adds when it has read that itself';

-- What differs from what was shipped.
CREATE FUNCTION personalize_internal._security_differences(OUT "check" text, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(s.kind, o.kind),
		CASE coalesce(s.kind, o.kind)
			WHEN 'row security' THEN format('row security is off, or not forced, on %s', s.name)
			ELSE format('%s %s', coalesce(s.name, o.name),
				CASE WHEN o.name IS NULL THEN 'is missing' WHEN s.name IS NULL THEN 'was not shipped' ELSE 'was changed' END) END,
		CASE WHEN s.name IS NULL THEN o.unmake
			WHEN o.name IS NULL OR s.kind IN ('functions', 'views', 'event triggers') THEN s.make
			ELSE o.unmake || ' ' || s.make END
	FROM (SELECT s.* FROM personalize._shipped AS s WHERE s.kind <> 'grants') AS s
		FULL JOIN personalize_internal._security_objects() AS o ON o.kind = s.kind AND o.name = s.name
	WHERE CASE
		-- whatever only takes away is no weakness
		WHEN s.name IS NULL THEN
			CASE o.kind WHEN 'policies' THEN o.make ~ ' AS PERMISSIVE FOR '
				WHEN 'triggers' THEN true
				WHEN 'functions' THEN o.make ~ E'\n .*\\mSECURITY DEFINER\\M'
				ELSE false END
		WHEN o.name IS NULL THEN true
		ELSE personalize_internal._same_statement(o.make) <> personalize_internal._same_statement(s.make)
			AND s.server = current_setting('server_version_num')::integer / 10000 END
	UNION ALL
	-- a role of your own may call any function and read what is not for administrators only
	SELECT CASE WHEN g.object LIKE 'SCHEMA %' THEN 'schema' ELSE 'grants' END,
		format('%s has %s on %s', g.grantee, g.privilege, g.object), g.unmake
	FROM personalize_internal._security_grants() AS g
	WHERE NOT EXISTS (SELECT FROM personalize._shipped AS s WHERE s.kind = 'grants' AND s.name = g.name AND s.make = g.make)
		AND NOT EXISTS (SELECT FROM personalize_internal._event_days() AS d WHERE g.object = format('TABLE %s', d.day::regclass))
		-- typed rows of feature views are for analysts, too
		AND NOT EXISTS (SELECT FROM personalize.feature_view AS v
			WHERE g.object = format('TABLE %s', to_regclass(format('personalize.%I', 'fv_' || v.name))) AND g.grantee <> 'PUBLIC'
				AND g.privilege ~ '^SELECT' AND g.make NOT LIKE '% WITH GRANT OPTION;')
		AND (g.grantee = 'PUBLIC' OR g.make LIKE '% WITH GRANT OPTION;' OR g.object ~ '[.]"?_'
			OR g.privilege NOT IN ('USAGE', 'EXECUTE') AND g.privilege !~ '^SELECT'
			OR g.object LIKE 'TABLE %' AND NOT EXISTS (
				SELECT FROM personalize._shipped AS s
				WHERE s.kind = 'grants' AND starts_with(s.name, format('SELECT on %s to ', g.object))
					AND s.name NOT LIKE '% to personalize_admin'));
END;
COMMENT ON FUNCTION personalize_internal._security_differences() IS
	'objects and grants that differ from what was shipped';

-- Who owns what.
CREATE FUNCTION personalize_internal._security_owners(OUT "check" text, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH owned AS (
		SELECT format('%s %s', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, c.oid::regclass) AS object,
			c.relowner AS owner, true AS ours
		FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid
		WHERE n.nspname = 'personalize' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		UNION ALL
		SELECT format('TABLE %s', d.day::regclass), c.relowner, true
		FROM personalize_internal._event_days() AS d JOIN pg_class AS c ON c.oid = d.day JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE d.attached AND n.nspname <> 'personalize'
		UNION ALL
		SELECT format('ROUTINE %s', p.oid::regprocedure), p.proowner, p.prosecdef
		FROM pg_namespace AS n JOIN pg_proc AS p ON p.pronamespace = n.oid WHERE n.nspname IN ('personalize', 'personalize_internal')
		UNION ALL
		SELECT format('TYPE %s', t.oid::regtype), t.typowner, false
		FROM pg_namespace AS n JOIN pg_type AS t ON t.typnamespace = n.oid
		WHERE n.nspname = 'personalize' AND t.typtype IN ('b', 'e', 'd', 'r') AND t.typelem = 0
		UNION ALL
		SELECT format('SCHEMA %I', n.nspname), n.nspowner, false FROM pg_namespace AS n WHERE n.nspname IN ('personalize', 'personalize_internal'))
	SELECT CASE WHEN o.object LIKE 'SCHEMA %' THEN 'schema' ELSE 'owners' END,
		format('%s belongs to %I', o.object, r.rolname),
		format('ALTER %s OWNER TO %I;', o.object,
			CASE WHEN o.ours THEN 'personalize_owner' ELSE (
				SELECT u.rolname FROM pg_roles AS u, pg_extension AS e
				WHERE e.extname = 'personalize' AND u.rolsuper ORDER BY u.oid <> e.extowner, u.oid LIMIT 1) END)
	FROM owned AS o JOIN pg_roles AS r ON r.oid = o.owner
	WHERE r.rolname <> 'personalize_owner' AND (o.ours OR NOT r.rolsuper);
END;
COMMENT ON FUNCTION personalize_internal._security_owners() IS
	'objects that belong to somebody else: definer functions, tables and views are personalize_owner''s, the rest a superuser''s';

-- Every purpose with the role whose members may ask for it; text, since it may
-- be longer than any role's name.
CREATE FUNCTION personalize_internal._purpose_roles(OUT purpose text, OUT role text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 5 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.name, coalesce(r.role::text, 'personalize_' || p.name)
	FROM personalize.purpose AS p LEFT JOIN personalize.purpose_role AS r ON r.purpose = p.name;
END;
COMMENT ON FUNCTION personalize_internal._purpose_roles() IS 'purposes and their roles, which may be missing';

-- Roles: no more rights than they were made with, and no strangers among them.
CREATE FUNCTION personalize_internal._security_roles(OUT "check" text, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH shipped ("check", name) AS (
		SELECT 'owner role', 'personalize_owner'::text
		UNION ALL SELECT 'roles', n.name FROM (VALUES ('personalize_app'), ('personalize_analyst'), ('personalize_admin'), ('personalize_monitor')) AS n (name)
		UNION ALL SELECT DISTINCT 'purpose roles', p.role FROM personalize_internal._purpose_roles() AS p
			WHERE p.role NOT IN ('personalize_owner', 'personalize_app', 'personalize_analyst', 'personalize_admin', 'personalize_monitor')),
	ours AS (SELECT s."check", s.name, r.* FROM shipped AS s JOIN pg_roles AS r ON r.rolname = s.name),
	membership AS (
		SELECT m.roleid, m.member, m.admin_option, g.rolname AS name, u.rolname AS member_name, u.rolsuper AS member_super,
			format('REVOKE %I FROM %I%s CASCADE;', g.rolname, u.rolname, ' GRANTED BY ' || quote_ident(b.rolname)) AS undo
		FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid JOIN pg_roles AS u ON u.oid = m.member
			LEFT JOIN pg_roles AS b ON b.oid = m.grantor)
	SELECT s."check", format('role %I does not exist', s.name),
		CASE WHEN octet_length(s.name) < 64 THEN format('CREATE ROLE %I NOLOGIN;', s.name)
			ELSE format('INSERT INTO personalize.purpose_role VALUES (%L, %L); CREATE ROLE %2$I NOLOGIN;',
				substr(s.name, length('personalize_') + 1), 'personalize_' || md5(s.name)) END
	FROM shipped AS s WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = s.name)
	UNION ALL
	SELECT o."check", format('role %I has %s', o.name, concat_ws(', ', CASE WHEN o.rolsuper THEN 'SUPERUSER' END,
			CASE WHEN o.rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN o.rolcreaterole THEN 'CREATEROLE' END,
			CASE WHEN o.rolcreatedb THEN 'CREATEDB' END, CASE WHEN o.rolreplication THEN 'REPLICATION' END)),
		format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION;', o.name)
	FROM ours AS o WHERE o.rolsuper OR o.rolbypassrls OR o.rolcreaterole OR o.rolcreatedb OR o.rolreplication
	UNION ALL
	SELECT o."check", format('role %I can log in', o.name), format('ALTER ROLE %I NOLOGIN;', o.name)
	FROM ours AS o WHERE o.rolcanlogin AND o."check" <> 'owner role'
	UNION ALL
	SELECT o."check", format('role %I has a connection limit of %s', o.name, o.rolconnlimit),
		format('ALTER ROLE %I CONNECTION LIMIT 0;', o.name)
	FROM ours AS o WHERE o."check" = 'owner role' AND o.rolconnlimit <> 0
	UNION ALL
	SELECT o."check", format('role %I has a password', o.name), format('ALTER ROLE %I PASSWORD NULL;', o.name)
	FROM ours AS o WHERE personalize_internal._role_has_password(o.oid)
	UNION ALL
	SELECT o."check", format('role %I is a member of %I', o.name, m.name), m.undo
	FROM ours AS o JOIN membership AS m ON m.member = o.oid
	UNION ALL
	SELECT o."check", format('%I is a member of %I, and so owns everybody''s data', m.member_name, o.name), m.undo
	FROM ours AS o JOIN membership AS m ON m.roleid = o.oid AND NOT m.member_super WHERE o."check" = 'owner role'
	UNION ALL
	SELECT o."check", format('%I may make others members of %I', m.member_name, o.name),
		replace(m.undo, 'REVOKE ', 'REVOKE ADMIN OPTION FOR ')
	FROM ours AS o JOIN membership AS m ON m.roleid = o.oid AND m.admin_option AND NOT m.member_super WHERE o."check" <> 'owner role'
	UNION ALL
	SELECT 'purpose roles', format('purpose "%s" is everybody''s who is a member of %I', p.purpose, p.role),
		format('UPDATE personalize.purpose_role SET role = %L WHERE purpose = %L;', 'personalize_' || p.purpose, p.purpose)
	FROM personalize_internal._purpose_roles() AS p
	WHERE p.role IN ('personalize_owner', 'personalize_app', 'personalize_analyst', 'personalize_admin', 'personalize_monitor') OR p.role ~ '^pg_'
	UNION ALL
	SELECT 'above row security', format('role %I has BYPASSRLS', r.rolname), format('ALTER ROLE %I NOBYPASSRLS;', r.rolname)
	FROM pg_roles AS r WHERE r.rolbypassrls AND NOT r.rolsuper AND r.oid NOT IN (SELECT o.oid FROM ours AS o)
	UNION ALL
	-- before PostgreSQL 16 CREATEROLE may make itself a member of any role that is no superuser
	SELECT 'above row security', format('role %I has CREATEROLE', r.rolname), format('ALTER ROLE %I NOCREATEROLE;', r.rolname)
	FROM pg_roles AS r WHERE r.rolcreaterole AND NOT r.rolsuper AND r.oid NOT IN (SELECT o.oid FROM ours AS o)
		AND current_setting('server_version_num')::integer < 160000
	UNION ALL
	SELECT 'above row security', format('%I is a member of %I', m.member_name, m.name), m.undo
	FROM membership AS m
	WHERE NOT m.member_super AND m.member NOT IN (SELECT o.oid FROM ours AS o)
		AND m.name IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program');
END;
COMMENT ON FUNCTION personalize_internal._security_roles() IS
	'roles that can do more than they were made for, and members they should not have';

-- Days of event: closed, without grants, and attached.
CREATE FUNCTION personalize_internal._security_days(OUT "check" text, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH day AS (SELECT d.*, c.relname, c.relkind, c.relacl, c.relowner, c.relrowsecurity, c.relforcerowsecurity, d.day::regclass AS name
		FROM personalize_internal._event_days() AS d JOIN pg_class AS c ON c.oid = d.day)
	SELECT 'partitions', format('%s has columns of event but is no partition of it: erasure and retention do not reach it', d.name),
		coalesce(d.attach, format('DROP %s %s;', CASE d.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, d.name))
	FROM day AS d WHERE NOT d.attached
	UNION ALL
	SELECT 'partitions', format('%s on %s is granted to %s', a.privilege_type, d.name, g.grantee),
		format('REVOKE ALL ON %s FROM %s CASCADE;', d.name, g.grantee)
	FROM day AS d, aclexplode(d.relacl) AS a,
		LATERAL (SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee) AS g
	WHERE (d.attached OR d.attach <> '') AND a.grantee <> d.relowner
	UNION ALL
	SELECT 'partitions', format('%s (%I) on %s is granted to %s', a.privilege_type, t.attname, d.name, g.grantee),
		format('REVOKE ALL (%I) ON %s FROM %s CASCADE;', t.attname, d.name, g.grantee)
	FROM day AS d JOIN pg_attribute AS t ON t.attrelid = d.day, aclexplode(t.attacl) AS a,
		LATERAL (SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee) AS g
	WHERE (d.attached OR d.attach <> '') AND a.grantee <> d.relowner
	UNION ALL
	SELECT 'partitions', format('row security is off, or not forced, on %s', d.name),
		format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY; ALTER TABLE %1$s FORCE ROW LEVEL SECURITY;', d.name)
	FROM day AS d WHERE (d.attached OR d.attach <> '') AND d.relkind IN ('r', 'p') AND NOT (d.relrowsecurity AND d.relforcerowsecurity)
	UNION ALL
	-- the policy that policy_partition.c gives each
	SELECT 'partitions', format('policy personalize_closed on %s is missing or was changed', d.name),
		format('DROP POLICY IF EXISTS personalize_closed ON %s; CREATE POLICY personalize_closed ON %1$s AS RESTRICTIVE USING (personalize_internal._closed());', d.name)
	FROM day AS d
	WHERE (d.attached OR d.attach <> '') AND d.relkind IN ('r', 'p') AND NOT EXISTS (
		SELECT FROM pg_policy AS p
		WHERE p.polrelid = d.day AND p.polname = 'personalize_closed' AND NOT p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}'
			AND pg_get_expr(p.polqual, p.polrelid) = 'personalize_internal._closed()' AND p.polwithcheck IS NULL)
	UNION ALL
	SELECT 'partitions', format('policy %I on %s was not shipped', p.polname, d.name), format('DROP POLICY %I ON %s;', p.polname, d.name)
	FROM day AS d JOIN pg_policy AS p ON p.polrelid = d.day AND p.polpermissive
	WHERE (d.attached OR d.attach <> '') AND (p.polname <> 'personalize_rows' OR pg_get_expr(p.polqual, p.polrelid) <> 'true')
	UNION ALL
	SELECT 'partitions', format('trigger %I on %s was not shipped', t.tgname, d.name), format('DROP TRIGGER %I ON %s;', t.tgname, d.name)
	FROM day AS d JOIN pg_trigger AS t ON t.tgrelid = d.day AND NOT t.tgisinternal AND t.tgparentid = 0
	UNION ALL
	SELECT 'partitions', format('rule %I on %s was not shipped', r.rulename, d.name), format('DROP RULE %I ON %s;', r.rulename, d.name)
	FROM day AS d JOIN pg_rewrite AS r ON r.ev_class = d.day AND d.relkind <> 'm';
END;
COMMENT ON FUNCTION personalize_internal._security_days() IS
	'days of event that are detached, open to somebody or have triggers';

-- Settings that answer with silence, and who may change them.
CREATE FUNCTION personalize_internal._security_settings(OUT "check" text, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'settings', format('personalize.on_denied is %s (%s)', g.setting, g.source),
		CASE g.source WHEN 'session' THEN 'RESET personalize.on_denied;'
			ELSE 'ALTER SYSTEM SET personalize.on_denied = ''error''; SELECT pg_reload_conf();' END
	FROM pg_settings AS g
	WHERE g.name = 'personalize.on_denied' AND g.setting <> 'error' AND g.source NOT IN ('database', 'user', 'database user')
	UNION ALL
	SELECT 'settings', format('%s%s%s is set', s.setting, ' of role ' || quote_ident(r.rolname), ' in database ' || quote_ident(d.datname)),
		CASE WHEN r.oid IS NULL THEN format('ALTER DATABASE %I RESET %s;', d.datname, s.setting)
			ELSE format('ALTER ROLE %I%s RESET %s;', r.rolname, ' IN DATABASE ' || quote_ident(d.datname), s.setting) END
	FROM pg_db_role_setting AS g LEFT JOIN pg_database AS d ON d.oid = g.setdatabase LEFT JOIN pg_roles AS r ON r.oid = g.setrole,
		unnest(g.setconfig) AS c (line), LATERAL (SELECT split_part(c.line, '=', 1) AS setting) AS s
	WHERE (d.oid IS NULL OR d.datname = current_database())
		AND (s.setting = 'personalize.on_denied' AND c.line <> 'personalize.on_denied=error'
			-- what runs as the owner must not meet libraries or schemas of others
			OR r.rolname = 'personalize_owner' AND s.setting IN ('search_path', 'session_preload_libraries', 'local_preload_libraries',
				'row_security', 'session_replication_role', 'role', 'check_function_bodies', 'dynamic_library_path'))
	UNION ALL
	SELECT 'settings', format('%s has %s on parameter %s', g.grantee, a.privilege_type, p.parname),
		format('REVOKE %s ON PARAMETER %s FROM %s CASCADE;', a.privilege_type, p.parname, g.grantee)
	FROM pg_parameter_acl AS p, aclexplode(p.paracl) AS a,
		LATERAL (SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee) AS g
	WHERE p.parname = 'personalize.on_denied' AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = a.grantee AND r.rolsuper)
	UNION ALL
	SELECT 'settings', format('default privileges of %I give %s on new %s to %s', r.rolname, a.privilege_type,
			CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'f' THEN 'functions' WHEN 'S' THEN 'sequences' WHEN 'T' THEN 'types' ELSE 'schemas' END, g.grantee),
		format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s;', r.rolname, ' IN SCHEMA ' || quote_ident(n.nspname), a.privilege_type,
			CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'S' THEN 'SEQUENCES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END, g.grantee)
	FROM pg_default_acl AS d JOIN pg_roles AS r ON r.oid = d.defaclrole LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace,
		aclexplode(d.defaclacl) AS a,
		LATERAL (SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee) AS g
	WHERE (r.rolname = 'personalize_owner' OR n.nspname IN ('personalize', 'personalize_internal')) AND a.grantee <> d.defaclrole
		AND NOT (a.grantee = 0 AND n.oid IS NULL AND d.defaclobjtype IN ('f', 'T'))
	UNION ALL
	SELECT 'purposes', format('purpose "%s" rests on consent, but who has not spoken counts as having agreed', d.purpose),
		format('DELETE FROM personalize.purpose_default WHERE purpose = %L;', d.purpose)
	FROM personalize.purpose_default AS d JOIN personalize.purpose AS p ON p.name = d.purpose
	WHERE d.answer = 'allowed' AND p.legal_basis = 'consent';
END;
COMMENT ON FUNCTION personalize_internal._security_settings() IS
	'settings, default privileges and answers of purposes that are weaker than shipped';

-- Copies: what reads a person's table with the rights of one whom row security
-- does not stop, for others to see, and what carries rows out of the database.
CREATE FUNCTION personalize_internal._security_copies(OUT "check" text, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH source AS (
		SELECT c.oid FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid
		WHERE n.nspname = 'personalize' AND c.relrowsecurity
		UNION SELECT d.day FROM personalize_internal._event_days() AS d WHERE d.attached)
	SELECT 'copies', format('view %s reads with the rights of %I, whom row security does not stop', v.oid::regclass, r.rolname),
		format('ALTER VIEW %s SET (security_invoker = true);', v.oid::regclass)
	FROM pg_class AS v JOIN pg_namespace AS n ON n.oid = v.relnamespace JOIN pg_roles AS r ON r.oid = v.relowner
	WHERE v.relkind = 'v' AND n.nspname <> 'personalize' AND (r.rolsuper OR r.rolbypassrls)
		AND NOT coalesce(v.reloptions @> '{security_invoker=true}', false)
		AND EXISTS (SELECT FROM aclexplode(v.relacl) AS a WHERE a.grantee <> v.relowner)
		AND EXISTS (
			SELECT FROM pg_rewrite AS w JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
			WHERE w.ev_class = v.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT s.oid FROM source AS s))
	UNION ALL
	SELECT 'copies', format('materialized view %s keeps rows of %s, which erasure does not reach', v.oid::regclass,
			string_agg(DISTINCT d.refobjid::regclass::text, ', ')),
		format('DROP MATERIALIZED VIEW %s CASCADE;', v.oid::regclass)
	FROM pg_class AS v JOIN pg_rewrite AS w ON w.ev_class = v.oid
		JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
			AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT s.oid FROM source AS s)
	WHERE v.relkind = 'm' AND v.oid NOT IN (SELECT d.day FROM personalize_internal._event_days() AS d)
	GROUP BY v.oid
	UNION ALL
	SELECT 'copies', format('publication %I sends %s to subscribers', p.pubname, r.prrelid::regclass),
		format('ALTER PUBLICATION %I DROP TABLE %s;', p.pubname, r.prrelid::regclass)
	FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
	WHERE r.prrelid IN (SELECT s.oid FROM source AS s)
	UNION ALL
	SELECT 'copies', format('publication %I sends schema personalize to subscribers', p.pubname),
		format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA personalize;', p.pubname)
	FROM pg_publication_namespace AS r JOIN pg_publication AS p ON p.oid = r.pnpubid JOIN pg_namespace AS n ON n.oid = r.pnnspid
	WHERE n.nspname = 'personalize'
	UNION ALL
	SELECT 'copies', format('publication %I sends all tables to subscribers', p.pubname), format('DROP PUBLICATION %I;', p.pubname)
	FROM pg_publication AS p WHERE p.puballtables;
END;
COMMENT ON FUNCTION personalize_internal._security_copies() IS
	'views, materialized views and publications through which rows get past row security';

-- What ANALYZE samples, which outlives an erasure until it runs again.
CREATE FUNCTION personalize_internal._security_statistics(OUT "check" text, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH source AS (
		SELECT to_regclass(format('personalize.%I', t.name))::oid AS oid, t.unanalyzed FROM personalize._person_table AS t
		UNION ALL
		SELECT d.day, t.unanalyzed FROM personalize_internal._event_days() AS d, personalize._person_table AS t WHERE t.name = 'event' AND d.attached)
	SELECT 'statistics', format('ANALYZE samples %I of %s', a.attname, s.oid::regclass),
		format('ALTER TABLE %s ALTER %I SET STATISTICS 0; DELETE FROM pg_catalog.pg_statistic WHERE starelid = %1$L::regclass AND staattnum = %3$s;',
			s.oid::regclass, a.attname, a.attnum)
	FROM source AS s JOIN pg_attribute AS a ON a.attrelid = s.oid AND a.attname = ANY (s.unanalyzed)
	WHERE a.attstattarget IS DISTINCT FROM 0
	UNION ALL
	SELECT 'statistics', format('statistics object %I.%I samples %s', n.nspname, e.stxname, s.oid::regclass),
		format('DROP STATISTICS %I.%I;', n.nspname, e.stxname)
	FROM source AS s JOIN pg_statistic_ext AS e ON e.stxrelid = s.oid JOIN pg_namespace AS n ON n.oid = e.stxnamespace
	-- but our own, of times, numbers and purposes alone
	WHERE n.nspname <> 'personalize' OR e.stxkeys::text <> ''
		OR e.stxname <> ALL ('{profile_first_seen,profile_last_seen,profile_events,subject_purposes}'::name[])
	UNION ALL
	SELECT 'statistics', format('ANALYZE samples the expressions of index %s on %s', i.indexrelid::regclass, s.oid::regclass),
		format('DROP INDEX %s;', i.indexrelid::regclass)
	FROM source AS s JOIN pg_index AS i ON i.indrelid = s.oid AND i.indexprs IS NOT NULL;
END;
COMMENT ON FUNCTION personalize_internal._security_statistics() IS
	'statistics of columns that hold persons: there are none as shipped';

CREATE FUNCTION personalize.security_check(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 16 COST 100000 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH found AS (
		SELECT * FROM personalize_internal._security_differences()
		UNION ALL SELECT * FROM personalize_internal._security_owners()
		UNION ALL SELECT * FROM personalize_internal._security_roles()
		UNION ALL SELECT * FROM personalize_internal._security_days()
		UNION ALL SELECT * FROM personalize_internal._security_settings()
		UNION ALL SELECT * FROM personalize_internal._security_copies()
		UNION ALL SELECT * FROM personalize_internal._security_statistics())
	SELECT c.name, f.detail IS NULL, coalesce(f.detail, c.sound), f.fix
	FROM (VALUES
		(1, 'row security', 'on and forced on every table it was shipped on'),
		(2, 'policies', 'as shipped'),
		(3, 'partitions', 'every day of event is attached and closed to direct access'),
		(4, 'grants', 'PUBLIC and roles of your own have no more than the roles of the extension'),
		(5, 'owners', 'as shipped'),
		(6, 'functions', 'as shipped, and none of others runs as personalize_owner'),
		(7, 'views', 'as shipped'),
		(8, 'triggers', 'no trigger and no rule that was not shipped'),
		(9, 'event triggers', 'as shipped'),
		(10, 'schema', 'only its owner and personalize_owner make objects in it'),
		(11, 'owner role', 'has no password, no memberships and no members, and nobody can log in as it'),
		(12, 'roles', 'have no more than their grants'),
		(13, 'purpose roles', 'exist and have no more than their purpose'),
		(14, 'purposes', 'nobody has agreed to what rests on consent without saying so'),
		(15, 'above row security', (
			SELECT 'superusers: ' || string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FILTER (WHERE r.rolsuper)
				|| coalesce('; may copy the cluster (REPLICATION): '
					|| string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FILTER (WHERE r.rolreplication AND NOT r.rolsuper), '')
			FROM pg_roles AS r)),
		(16, 'settings', 'as shipped'),
		(17, 'copies', 'no view, materialized view or publication carries rows past row security'),
		(18, 'statistics', 'ANALYZE takes no sample of what names persons')) AS c (place, name, sound)
		LEFT JOIN found AS f ON f."check" = c.name
	ORDER BY c.place, f.detail;
END;
COMMENT ON FUNCTION personalize.security_check() IS
	'one row a check, and one for each weakness found: what protects persons'' data less than when it was installed, and the SQL by which a superuser puts it right';

REVOKE ALL ON FUNCTION
	personalize_internal._role_has_password(oid), personalize_internal._event_days(), personalize_internal._security_objects(),
	personalize_internal._security_grants(), personalize_internal._ship_security(), personalize_internal._same_statement(text), personalize_internal._security_differences(),
	personalize_internal._security_owners(), personalize_internal._purpose_roles(), personalize_internal._security_roles(),
	personalize_internal._security_days(), personalize_internal._security_settings(), personalize_internal._security_copies(), personalize_internal._security_statistics(),
	personalize.security_check()
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._role_has_password(oid), personalize_internal._event_days(), personalize_internal._security_objects(),
	personalize_internal._security_grants(), personalize_internal._same_statement(text), personalize_internal._security_differences(),
	personalize_internal._security_owners(), personalize_internal._purpose_roles(), personalize_internal._security_roles(),
	personalize_internal._security_days(), personalize_internal._security_settings(), personalize_internal._security_copies(), personalize_internal._security_statistics(),
	personalize.security_check()
	TO personalize_admin;
GRANT SELECT ON personalize._shipped, personalize.purpose, personalize.purpose_default TO personalize_admin;

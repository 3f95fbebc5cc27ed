-- role: who owns the extension's objects and who may call them.
--
-- Roles are cluster-wide, so another database may have made them already; one
-- that is stronger than these need to be is refused rather than adopted.
DO $$
DECLARE
	r record;
	existing record;
	holds name;
BEGIN
	FOR r IN
		SELECT * FROM (VALUES
			('personalize_owner', true),
			('personalize_app', false),
			('personalize_analyst', false),
			('personalize_admin', false),
			-- whose members may read for a purpose
			('personalize_analytics', false),
			('personalize_personalization', false),
			('personalize_recommendations', false),
			('personalize_marketing', false)) AS v(name, login)
	LOOP
		SELECT * INTO existing FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) r.name;
		IF NOT FOUND THEN
			-- a background worker cannot run as a NOLOGIN role before PostgreSQL 17
			EXECUTE pg_catalog.format('CREATE ROLE %I %s CONNECTION LIMIT %s', r.name,
				CASE WHEN r.login THEN 'LOGIN' ELSE 'NOLOGIN' END,
				CASE WHEN r.login THEN 0 ELSE -1 END);
		ELSIF existing.rolsuper OR existing.rolcreaterole OR existing.rolcreatedb
			OR existing.rolbypassrls OR existing.rolreplication
			OR existing.rolcanlogin AND NOT r.login
			OR r.login AND (existing.rolconnlimit OPERATOR(pg_catalog.<>) 0 OR EXISTS (
				SELECT FROM pg_catalog.pg_authid a
				WHERE a.oid OPERATOR(pg_catalog.=) existing.oid AND a.rolpassword IS NOT NULL)) THEN
			RAISE EXCEPTION 'role "%" exists and has more rights than personalize gives it', r.name
				USING ERRCODE = 'duplicate_object',
					HINT = pg_catalog.format('Drop or rename it, or run ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS NOREPLICATION %s.',
						r.name, CASE WHEN r.login THEN 'CONNECTION LIMIT 0 PASSWORD NULL' ELSE 'NOLOGIN' END);
		ELSE
			SELECT g.rolname INTO holds FROM pg_catalog.pg_auth_members m
				JOIN pg_catalog.pg_roles g ON g.oid OPERATOR(pg_catalog.=) m.roleid
			WHERE m.member OPERATOR(pg_catalog.=) existing.oid
				-- those who call functions may hold purposes and roles of the shop's
				AND (r.name NOT IN ('personalize_app', 'personalize_analyst', 'personalize_admin')
					OR g.rolname OPERATOR(pg_catalog.~) '^pg_' OR g.rolname IN ('personalize_owner', 'personalize_admin')
					OR g.rolsuper OR g.rolcreaterole OR g.rolcreatedb OR g.rolbypassrls OR g.rolreplication)
			LIMIT 1;
			IF FOUND THEN
				RAISE EXCEPTION 'role "%" is a member of role "%"', r.name, holds
					USING ERRCODE = 'duplicate_object',
						HINT = pg_catalog.format('Run REVOKE %I FROM %I: its members, or the workers, would have these rights, too.', holds, r.name);
			END IF;
		END IF;
	END LOOP;
	IF EXISTS (
		SELECT FROM pg_catalog.pg_auth_members m
			JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) m.member
		WHERE m.roleid OPERATOR(pg_catalog.=) 'personalize_owner'::pg_catalog.regrole AND NOT o.rolsuper) THEN
		RAISE EXCEPTION 'role "personalize_owner" has members'
			USING HINT = 'Revoke those memberships: whoever is a member owns everybody''s data.';
	END IF;
END
$$;

-- The schema may have been there before.  Who can make objects in it could put
-- a table of his own where the next day's events are written.
DO $$
BEGIN
	PERFORM FROM pg_catalog.pg_namespace n
	WHERE n.nspname OPERATOR(pg_catalog.=) 'personalize' AND EXISTS (
		SELECT FROM pg_catalog.pg_roles r
		WHERE NOT r.rolsuper AND r.rolname OPERATOR(pg_catalog.<>) 'personalize_owner'
			AND (r.oid OPERATOR(pg_catalog.=) n.nspowner
				OR EXISTS (
					SELECT FROM pg_catalog.aclexplode(n.nspacl) a
					WHERE a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
						AND a.grantee OPERATOR(pg_catalog.=) ANY (ARRAY[r.oid, 0::pg_catalog.oid]))
				OR EXISTS (
					SELECT FROM pg_catalog.pg_class c
					WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid AND c.relowner OPERATOR(pg_catalog.=) r.oid)
				OR EXISTS (
					SELECT FROM pg_catalog.pg_proc p
					WHERE p.pronamespace OPERATOR(pg_catalog.=) n.oid AND p.proowner OPERATOR(pg_catalog.=) r.oid)
				OR EXISTS (
					SELECT FROM pg_catalog.pg_type t
					WHERE t.typnamespace OPERATOR(pg_catalog.=) n.oid AND t.typowner OPERATOR(pg_catalog.=) r.oid)));
	IF FOUND THEN
		RAISE EXCEPTION 'schema "personalize" is open to roles that are not superusers'
			USING ERRCODE = 'duplicate_schema',
				DETAIL = 'Such a role owns the schema or something in it, or may create objects in it.',
				HINT = 'Drop the schema, or give it and what is in it to a superuser and run REVOKE CREATE ON SCHEMA personalize.';
	END IF;
END
$$;


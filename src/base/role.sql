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
			('personalize_monitor', false),
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
				AND (r.name NOT IN ('personalize_app', 'personalize_analyst', 'personalize_admin', 'personalize_monitor')
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
-- a table of his own where the next day's events are written, or a function or
-- operator where one of the extension is looked for.
DO $$
DECLARE
	found text;
BEGIN
	WITH stranger AS (
		SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r
		WHERE NOT r.rolsuper AND r.rolname OPERATOR(pg_catalog.<>) 'personalize_owner'),
	schema AS (
		SELECT n.* FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'personalize'),
	finding (what) AS (
		SELECT pg_catalog.format('the schema belongs to role "%s"', r.rolname)
		FROM schema n JOIN stranger r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
		UNION ALL
		SELECT pg_catalog.format('%s may create objects in it', coalesce('role "' OPERATOR(pg_catalog.||) r.rolname OPERATOR(pg_catalog.||) '"', 'everybody'))
		FROM schema n, pg_catalog.aclexplode(n.nspacl) a LEFT JOIN stranger r ON r.oid OPERATOR(pg_catalog.=) a.grantee
		WHERE a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
			AND (a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR r.oid IS NOT NULL)
		UNION ALL
		-- whatever lies in a schema depends on it, and on its owner
		SELECT pg_catalog.format('%s %s belongs to role "%s"', i.type, i.identity, r.rolname)
		FROM schema n
			JOIN pg_catalog.pg_depend d ON d.refobjid OPERATOR(pg_catalog.=) n.oid
				AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
			JOIN pg_catalog.pg_shdepend o ON o.classid OPERATOR(pg_catalog.=) d.classid AND o.objid OPERATOR(pg_catalog.=) d.objid
				AND o.deptype OPERATOR(pg_catalog.=) 'o' AND o.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass
				AND o.dbid OPERATOR(pg_catalog.=) (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
			JOIN stranger r ON r.oid OPERATOR(pg_catalog.=) o.refobjid,
			pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i
		-- a multirange goes with its range, and is told of by some versions only
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) d.objid AND t.typtype OPERATOR(pg_catalog.=) 'm'
			AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass)),
	ranked AS (
		SELECT f.what, pg_catalog.row_number() OVER (ORDER BY f.what COLLATE "C") AS place, pg_catalog.count(*) OVER () AS findings
		FROM finding f)
	SELECT pg_catalog.string_agg(f.what, ', ' ORDER BY f.place)
			OPERATOR(pg_catalog.||) CASE WHEN pg_catalog.max(f.findings) OPERATOR(pg_catalog.>) 10::bigint
				THEN pg_catalog.format(', and %s more', pg_catalog.max(f.findings) OPERATOR(pg_catalog.-) 10::bigint) ELSE '' END
		INTO found
	FROM ranked f WHERE f.place OPERATOR(pg_catalog.<=) 10::bigint;
	IF found IS NOT NULL THEN
		RAISE EXCEPTION 'schema "personalize" is open to roles that are not superusers'
			USING ERRCODE = 'duplicate_schema',
				DETAIL = pg_catalog.format('What is in the way: %s.', found),
				HINT = 'Drop the schema or what is named, or give it to a superuser and run REVOKE CREATE ON SCHEMA personalize.';
	END IF;
END
$$;
-- What only the extension calls; a schema of this name that was there before
-- could hold what others have put there, and is refused.
CREATE SCHEMA personalize_internal;
COMMENT ON SCHEMA personalize_internal IS
	'functions that the extension personalize calls itself: no part of what it offers, and different in the next version';

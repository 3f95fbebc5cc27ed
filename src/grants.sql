-- grants: last of all, every object goes to its owner and PUBLIC loses it.
DO $$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT c.oid::pg_catalog.regclass AS name, c.relkind
		FROM pg_catalog.pg_class c
		WHERE c.relnamespace OPERATOR(pg_catalog.=) 'personalize'::pg_catalog.regnamespace
			AND c.relkind IN ('r', 'p', 'v', 'm')
	LOOP
		EXECUTE pg_catalog.format('ALTER %s %s OWNER TO personalize_owner',
			CASE o.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, o.name);
	END LOOP;
	FOR o IN
		SELECT p.oid::pg_catalog.regprocedure AS name, p.prokind, p.prosecdef
		FROM pg_catalog.pg_proc p
		WHERE p.pronamespace OPERATOR(pg_catalog.=) 'personalize'::pg_catalog.regnamespace
	LOOP
		IF o.prosecdef THEN
			EXECUTE pg_catalog.format('ALTER %s %s OWNER TO personalize_owner',
				CASE o.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, o.name);
		END IF;
	END LOOP;
END
$$;
-- the workers connect as the owner, also where PUBLIC may not
DO $$
BEGIN
	EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO personalize_owner', pg_catalog.current_database());
END
$$;
GRANT USAGE ON SCHEMA personalize TO personalize_app, personalize_analyst, personalize_admin, personalize_owner;
GRANT CREATE ON SCHEMA personalize TO personalize_owner;

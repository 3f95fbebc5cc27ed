-- text_id: for each function with an id, one of the same name whose ids are text.
--
-- What has no type, a literal or a parameter, chooses text before every other type,
-- and every driver can bind a text; entity_id is for numbers, uuids and columns.  A
-- filter is a text there, too.
CREATE FUNCTION personalize_internal._copy_grants(acl aclitem[], made regprocedure) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
	grantee text;
BEGIN
	IF acl IS NULL THEN
		RETURN;
	END IF;
	EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
	FOR grantee IN
		SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END FROM pg_catalog.aclexplode(acl) a
	LOOP
		EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %s', made, grantee);
	END LOOP;
END
$$;
DO $$
DECLARE
	f record;
	made pg_catalog.regprocedure;
BEGIN
	FOR f IN
		SELECT p.oid, p.proname AS name, p.proacl AS acl,
			NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (type, n)
				WHERE t.type OPERATOR(pg_catalog.=) ANY (ARRAY['personalize.entity_id'::pg_catalog.regtype, 'personalize.entity_id[]'::pg_catalog.regtype]::oid[])
					AND t.n OPERATOR(pg_catalog.<=) (p.pronargs OPERATOR(pg_catalog.-) p.pronargdefaults)) AS ids_have_defaults,
			pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.pg_get_functiondef(p.oid), 'CREATE OR REPLACE ', 'CREATE '),
				pg_catalog.format_type('personalize.entity_id'::pg_catalog.regtype, NULL), 'text'),
				pg_catalog.format_type('personalize.path_filter'::pg_catalog.regtype, NULL), 'text') AS definition
		FROM pg_catalog.pg_proc p
		WHERE p.pronamespace OPERATOR(pg_catalog.=) 'personalize'::pg_catalog.regnamespace
			AND p.prokind OPERATOR(pg_catalog.=) 'f'
			AND 'personalize.entity_id'::pg_catalog.regtype OPERATOR(pg_catalog.=) ANY (p.proargtypes)
			-- where it is not made by hand
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc q
				WHERE q.pronamespace OPERATOR(pg_catalog.=) p.pronamespace AND q.proname OPERATOR(pg_catalog.=) p.proname
					AND q.pronargs OPERATOR(pg_catalog.=) p.pronargs AND q.oid OPERATOR(pg_catalog.<>) p.oid)
		ORDER BY 1
	LOOP
		-- without an id only one of the two can be meant
		IF f.ids_have_defaults THEN
			f.definition := pg_catalog.regexp_replace(f.definition, ' DEFAULT NULL::text', '');
		END IF;
		EXECUTE f.definition;
		SELECT p.oid::pg_catalog.regprocedure INTO STRICT made
		FROM pg_catalog.pg_proc p, pg_catalog.pg_proc q
		WHERE q.oid OPERATOR(pg_catalog.=) f.oid AND p.pronamespace OPERATOR(pg_catalog.=) q.pronamespace
			AND p.proname OPERATOR(pg_catalog.=) q.proname AND p.prosrc OPERATOR(pg_catalog.=) q.prosrc
			AND p.oid OPERATOR(pg_catalog.<>) q.oid;
		EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', made,
			pg_catalog.format('%s() for ids that are text', f.name));
		PERFORM personalize_internal._copy_grants(f.acl, made);
	END LOOP;
END
$$;

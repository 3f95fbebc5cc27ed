-- forward: what people call is no body and takes JSON however it is bound.
--
-- A function written in SQL, or with an argument of type jsonb, moves to personalize_internal;
-- one of the same name that calls it (forward.c) takes its place, and event_json that of jsonb.
-- The form for ids that are text keeps jsonb, which every driver can bind: beside it stands
-- the other form, which takes the rest.
DO $$
DECLARE
	f record;
	n text;
	made pg_catalog.regprocedure;
BEGIN
	FOR f IN
		SELECT p.oid, p.proname AS name, p.proacl AS acl, p.prosecdef AS definer,
			pg_catalog.obj_description(p.oid, 'pg_proc') AS says,
			pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
			(SELECT pg_catalog.string_agg(CASE t.type WHEN 'jsonb'::pg_catalog.regtype THEN 'personalize.event_json' ELSE pg_catalog.format_type(t.type, NULL) END, ', ' ORDER BY t.n)
				FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (type, n)) AS signature,
			p.proargnames[1:p.pronargs] AS names,
			ARRAY(SELECT t.type FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (type, n) ORDER BY t.n) AS types,
			pg_catalog.format('RETURNS %s AS ''MODULE_PATHNAME'', ''personalize_forward'' LANGUAGE C %s%s PARALLEL %s COST %s%s',
				pg_catalog.pg_get_function_result(p.oid),
				CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
				CASE WHEN p.proisstrict THEN ' STRICT' ELSE '' END,
				CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END,
				p.procost::numeric, CASE WHEN p.proretset THEN pg_catalog.format(' ROWS %s', p.prorows::numeric) ELSE '' END) AS rest
		FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
		WHERE p.pronamespace OPERATOR(pg_catalog.=) 'personalize'::pg_catalog.regnamespace
			AND p.prokind OPERATOR(pg_catalog.=) 'f'
			AND p.prorettype OPERATOR(pg_catalog.<>) ALL ('{trigger,event_trigger}'::pg_catalog.regtype[]::oid[])
			AND (l.lanname IN ('sql', 'plpgsql')
				OR ('jsonb'::pg_catalog.regtype OPERATOR(pg_catalog.=) ANY (p.proargtypes)
					AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc q
						WHERE q.pronamespace OPERATOR(pg_catalog.=) p.pronamespace AND q.proname OPERATOR(pg_catalog.=) p.proname
							AND q.pronargs OPERATOR(pg_catalog.=) p.pronargs
							AND 'personalize.entity_id'::pg_catalog.regtype OPERATOR(pg_catalog.=) ANY (q.proargtypes)
							AND 'personalize.entity_id'::pg_catalog.regtype OPERATOR(pg_catalog.<>) ALL (p.proargtypes))))
		ORDER BY 1
	LOOP
		FOR n IN
			SELECT a.name FROM ROWS FROM (pg_catalog.unnest(f.names), pg_catalog.unnest(f.types)) AS a (name, type)
			WHERE a.type OPERATOR(pg_catalog.=) 'jsonb'::pg_catalog.regtype
		LOOP
			f.arguments := pg_catalog.replace(f.arguments, pg_catalog.format('%I %s', n, pg_catalog.format_type('jsonb'::pg_catalog.regtype, NULL)),
				pg_catalog.format('%I personalize.event_json', n));
		END LOOP;
		EXECUTE pg_catalog.format('ALTER FUNCTION %s SET SCHEMA personalize_internal', f.oid::pg_catalog.regprocedure);
		EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', f.oid::pg_catalog.regprocedure,
			pg_catalog.format('what personalize.%s() calls', f.name));
		EXECUTE pg_catalog.format('CREATE FUNCTION personalize.%I(%s) %s', f.name, f.arguments, f.rest);
		made := pg_catalog.format('personalize.%I(%s)', f.name, f.signature);
		EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', made, f.says);
		PERFORM personalize_internal._copy_grants(f.acl, made);
		IF f.definer THEN
			EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO personalize_owner', made);
		END IF;
		EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f.oid::pg_catalog.regprocedure);
	END LOOP;
END
$$;
DROP FUNCTION personalize_internal._copy_grants(aclitem[], regprocedure);

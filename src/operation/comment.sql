-- comment: what a function's COMMENT says stands in lines that a screen has room for.
DO $$
DECLARE
	f record;
	word text;
	line text;
	lines text;
BEGIN
	FOR f IN
		SELECT p.oid::pg_catalog.regprocedure AS name, p.prokind AS kind, pg_catalog.obj_description(p.oid, 'pg_proc') AS says
		FROM pg_catalog.pg_proc p
		WHERE p.pronamespace OPERATOR(pg_catalog.=) 'personalize'::pg_catalog.regnamespace
	LOOP
		line := NULL;
		lines := '';
		FOREACH word IN ARRAY pg_catalog.string_to_array(f.says, ' ') LOOP
			IF pg_catalog.length(line OPERATOR(pg_catalog.||) word) OPERATOR(pg_catalog.>=) 72 THEN
				lines := lines OPERATOR(pg_catalog.||) line OPERATOR(pg_catalog.||) E'\n';
				line := NULL;
			END IF;
			line := pg_catalog.concat_ws(' ', line, word);
		END LOOP;
		EXECUTE pg_catalog.format('COMMENT ON %s %s IS %L', CASE f.kind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END,
			f.name, lines OPERATOR(pg_catalog.||) line);
	END LOOP;
END
$$;

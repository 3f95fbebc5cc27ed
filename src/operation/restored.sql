-- restored: what triggers would have done with the rows of a restore that had them switched off.
CREATE FUNCTION personalize_internal._restored(of_table regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name name;
BEGIN
	FOR name IN
		SELECT t.tgname
		FROM pg_trigger AS t JOIN personalize._shipped AS s ON s.kind = 'triggers' AND s.name = format('%I on %s', t.tgname, of_table)
		WHERE t.tgrelid = of_table AND t.tgenabled = 'O' AND s.make LIKE '% ENABLE ALWAYS TRIGGER %'
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', of_table, name);
	END LOOP;
	IF of_table = 'personalize._secret'::regclass THEN
		PERFORM personalize_internal._settle_secret();
	ELSIF of_table = 'personalize.item'::regclass
		OR of_table = 'personalize.search_attribute'::regclass AND EXISTS (SELECT FROM personalize.search_attribute AS a WHERE NOT a.builtin)
		OR of_table = 'personalize.search_setting'::regclass AND EXISTS (SELECT FROM personalize.search_setting AS s WHERE NOT s.builtin) THEN
		PERFORM personalize.rebuild_search_index();
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._restored(regclass) IS
	'makes up for triggers of a table that were off while its rows came in';

CREATE FUNCTION personalize_internal._triggers_enabled() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'personalize_triggers_enabled' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._triggers_enabled() IS
	'event trigger: calls _restored() when the triggers of a table are switched on together';
REVOKE ALL ON FUNCTION personalize_internal._restored(regclass), personalize_internal._triggers_enabled() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._restored(regclass) TO personalize_owner;

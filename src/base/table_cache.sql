-- table_cache: small tables that every session keeps until they change.
CREATE FUNCTION personalize_internal._table_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_table_changed' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._table_changed() IS 'trigger: makes every session read the table anew';
REVOKE ALL ON FUNCTION personalize_internal._table_changed() FROM PUBLIC;
-- Row by row, since no trigger of a statement fires for what a subscription applies.
CREATE FUNCTION personalize_internal._announce(tables text[], announcer text DEFAULT '_table_changed') RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t text;
	name text := ltrim(announcer, '_');
BEGIN
	FOREACH t IN ARRAY tables LOOP
		EXECUTE format('CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON personalize.%2$I
			FOR EACH ROW EXECUTE FUNCTION personalize_internal.%3$I()', name, t, announcer);
		EXECUTE format('CREATE TRIGGER %1$I AFTER TRUNCATE ON personalize.%2$I
			FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal.%3$I()', name || '_truncate', t, announcer);
		EXECUTE format('ALTER TABLE personalize.%2$I ENABLE ALWAYS TRIGGER %1$I, ENABLE ALWAYS TRIGGER %3$I', name, t, name || '_truncate');
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize_internal._announce(text[], text) IS
	'has every session told of whatever changes tables, a subscription and session_replication_role = replica included';
REVOKE ALL ON FUNCTION personalize_internal._announce(text[], text) FROM PUBLIC;

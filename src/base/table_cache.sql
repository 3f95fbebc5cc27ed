-- table_cache: small tables that every session keeps until they change.
CREATE FUNCTION personalize_internal._table_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_table_changed' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._table_changed() IS 'trigger: makes every session read the table anew';
REVOKE ALL ON FUNCTION personalize_internal._table_changed() FROM PUBLIC;

-- progress: how far long statements are.
CREATE FUNCTION personalize_internal._progress(
	OUT task text, OUT pid integer, OUT started_at timestamptz, OUT done bigint, OUT total bigint, OUT unit text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_progress' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 2;
COMMENT ON FUNCTION personalize_internal._progress() IS
	'the long statements of this database and how far they are; empty without shared_preload_libraries';
REVOKE ALL ON FUNCTION personalize_internal._progress() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._progress() TO personalize_owner;

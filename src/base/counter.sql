-- counter: how often things happened since the server started.
CREATE FUNCTION personalize_internal._counters(
	OUT name text, OUT value bigint, OUT since timestamptz, OUT scope text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_counters' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION personalize_internal._counters() IS
	'counts since the server started: of this database, or, without shared_preload_libraries, of this session only, as scope says';
REVOKE ALL ON FUNCTION personalize_internal._counters() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._counters() TO personalize_owner, personalize_app, personalize_analyst, personalize_admin,
	personalize_monitor;


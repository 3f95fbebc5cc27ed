-- reset: emptying a test database between tests.
CREATE FUNCTION personalize.reset_for_tests() RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_reset_for_tests' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.reset_for_tests() IS
	'deletes what traffic has brought: events, people, consent, counters and the catalogue; signals, purposes, names of events and settings stay. Only where a superuser has said ALTER DATABASE ... SET personalize.allow_reset = on, which is for databases for tests. Errors: 55000 elsewhere';
REVOKE ALL ON FUNCTION personalize.reset_for_tests() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.reset_for_tests() TO personalize_app, personalize_admin;

-- clock: when things are said to happen.
CREATE FUNCTION personalize_internal._now() RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'personalize_now' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION personalize_internal._now() IS
	'when an event that comes now arrives: the server''s clock; its day (UTC) decides the partition';
REVOKE ALL ON FUNCTION personalize_internal._now() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._now() TO personalize_owner, personalize_admin;

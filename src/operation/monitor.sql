-- monitor: what those are told who watch the server and may know no person.
CREATE FUNCTION personalize_internal._for_admins(what text) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_for_admins' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION personalize_internal._for_admins(text) IS
	'a text that may name persons, such as an error: to members of personalize_admin itself, to others that it is for these. Asks for the session''s own role, not for the one a SECURITY DEFINER function runs as';

CREATE FUNCTION personalize_internal._tell_preload() RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_tell_preload' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._tell_preload() IS
	'when the transaction commits, a notice if the library is not preloaded, with the line for postgresql.conf';
REVOKE ALL ON FUNCTION personalize_internal._for_admins(text), personalize_internal._tell_preload() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._for_admins(text) TO personalize_owner;

-- setting: what a session must not change in what is stored or compared.
CREATE FUNCTION personalize_internal._pinned_setting(OUT name text, OUT value text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_pinned_setting' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 9;
COMMENT ON FUNCTION personalize_internal._pinned_setting() IS
	'settings that change how values and statements are read and printed, and what they are wherever the extension stores or compares';
REVOKE EXECUTE ON FUNCTION personalize_internal._pinned_setting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._pinned_setting() TO personalize_owner;

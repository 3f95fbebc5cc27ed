-- relation: what all tables have in common.
CREATE FUNCTION personalize._relation_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_relation_changed' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize._relation_changed() IS
	'has every session read a table again that it keeps in memory';
REVOKE ALL ON FUNCTION personalize._relation_changed() FROM PUBLIC;


-- key: ids of any type in, 64-bit keys inside.
CREATE TYPE personalize.entity_id;
CREATE FUNCTION personalize_internal._entity_id_in(cstring) RETURNS personalize.entity_id
	AS 'MODULE_PATHNAME', 'personalize_entity_id_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._entity_id_out(personalize.entity_id) RETURNS cstring
	AS 'MODULE_PATHNAME', 'personalize_entity_id_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._entity_id_send(personalize.entity_id) RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_entity_id_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE TYPE personalize.entity_id (
	INPUT = personalize_internal._entity_id_in,
	OUTPUT = personalize_internal._entity_id_out,
	SEND = personalize_internal._entity_id_send,
	LIKE = pg_catalog.text,
	COLLATABLE = true,
	CATEGORY = 'U'
);
COMMENT ON TYPE personalize.entity_id IS
	'id of a user, item, session or message; text, varchar, char, smallint, integer, bigint, numeric and uuid cast to it implicitly, and it casts to text. Has no binary input, in which a number would be taken for the characters its bytes are';

CREATE FUNCTION personalize_internal._entity_id(smallint) RETURNS personalize.entity_id
	AS 'MODULE_PATHNAME', 'personalize_entity_id_from_int2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._entity_id(integer) RETURNS personalize.entity_id
	AS 'MODULE_PATHNAME', 'personalize_entity_id_from_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._entity_id(bigint) RETURNS personalize.entity_id
	AS 'MODULE_PATHNAME', 'personalize_entity_id_from_int8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._entity_id(numeric) RETURNS personalize.entity_id
	AS 'MODULE_PATHNAME', 'personalize_entity_id_from_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._entity_id(uuid) RETURNS personalize.entity_id
	AS 'MODULE_PATHNAME', 'personalize_entity_id_from_uuid' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._entity_id(character) RETURNS personalize.entity_id
	AS 'rtrim1' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION personalize_internal._entity_id(name) RETURNS personalize.entity_id
	AS 'name_text' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST (text AS personalize.entity_id) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (varchar AS personalize.entity_id) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (character AS personalize.entity_id) WITH FUNCTION personalize_internal._entity_id(character) AS IMPLICIT;
CREATE CAST (name AS personalize.entity_id) WITH FUNCTION personalize_internal._entity_id(name) AS IMPLICIT;
CREATE CAST (smallint AS personalize.entity_id) WITH FUNCTION personalize_internal._entity_id(smallint) AS IMPLICIT;
CREATE CAST (integer AS personalize.entity_id) WITH FUNCTION personalize_internal._entity_id(integer) AS IMPLICIT;
CREATE CAST (bigint AS personalize.entity_id) WITH FUNCTION personalize_internal._entity_id(bigint) AS IMPLICIT;
CREATE CAST (numeric AS personalize.entity_id) WITH FUNCTION personalize_internal._entity_id(numeric) AS IMPLICIT;
CREATE CAST (uuid AS personalize.entity_id) WITH FUNCTION personalize_internal._entity_id(uuid) AS IMPLICIT;
-- a parameter may be an id and a text in one query
CREATE CAST (personalize.entity_id AS text) WITHOUT FUNCTION AS IMPLICIT;

CREATE FUNCTION personalize.user_key(user_id personalize.entity_id) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize.user_key(personalize.entity_id) IS
	'key of a user id: a canonical non-negative decimal bigint is its own key, anything else a negative 64-bit hash (SipHash-2-4 of the UTF-8 bytes, sign bit set)';
CREATE FUNCTION personalize.item_key(item_id personalize.entity_id) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize.item_key(personalize.entity_id) IS
	'key of an item id, by the rule of user_key: a shop''s bigint primary key joins directly';
CREATE FUNCTION personalize_internal._event_shard(user_key bigint) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_event_shard' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._event_shard(bigint) IS 'the shard and lock stripe of a key, 0 to 63';
CREATE FUNCTION personalize_internal._same_id(text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_same_id' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._same_id(text, text) IS
	'true if two ids are one, however they are written';
CREATE FUNCTION personalize_internal._exact_key(text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_exact_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._exact_key(text) IS
	'key of a text that is no id, as a category: a negative 64-bit hash of its UTF-8 bytes';
CREATE FUNCTION personalize_internal._siphash(bytea) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_siphash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._siphash(bytea) IS
	'SipHash-2-4 under the key 00..0f, for checking against the paper''s test vector';

REVOKE EXECUTE ON FUNCTION personalize_internal._siphash(bytea), personalize_internal._exact_key(text), personalize_internal._same_id(text, text), personalize_internal._event_shard(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._exact_key(text), personalize_internal._same_id(text, text), personalize_internal._event_shard(bigint) TO personalize_owner;

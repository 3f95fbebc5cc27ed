-- dictionary: ids met for the first time, until they are filed.
CREATE TABLE personalize._dictionary_log (
	kind "char" NOT NULL CHECK (kind IN ('u', 'i')),
	shard smallint NOT NULL,
	key bigint NOT NULL,
	id text NOT NULL,
	txid bigint NOT NULL
);
COMMENT ON TABLE personalize._dictionary_log IS
	'ids of users (u) and items (i) seen in events and not yet folded into subject and item; append-only';
CREATE INDEX _dictionary_log_key_idx ON personalize._dictionary_log (kind, key);
SELECT pg_catalog.pg_extension_config_dump('personalize._dictionary_log', '');
CREATE FUNCTION personalize_internal._log_id(kind "char", key bigint, id text, txid bigint) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO personalize._dictionary_log (kind, shard, key, id, txid)
		VALUES ($1, personalize_internal._event_shard($2), $2, $3, $4)
$$;
COMMENT ON FUNCTION personalize_internal._log_id("char", bigint, text, bigint) IS
	'logs an id that may be new, for a processor to file';
CREATE FUNCTION personalize_internal._logged_id(kind "char", key bigint) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT l.id FROM personalize._dictionary_log l WHERE l.kind = $1 AND l.key = $2 LIMIT 1
$$;
COMMENT ON FUNCTION personalize_internal._logged_id("char", bigint) IS
	'an id that is logged and not filed yet; null: none';
REVOKE ALL ON FUNCTION personalize_internal._log_id("char", bigint, text, bigint), personalize_internal._logged_id("char", bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._log_id("char", bigint, text, bigint), personalize_internal._logged_id("char", bigint)
	TO personalize_owner;

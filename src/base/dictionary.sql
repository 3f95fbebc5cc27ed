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

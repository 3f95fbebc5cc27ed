-- txid: transaction ids that survive restores.
CREATE SEQUENCE personalize._files;
COMMENT ON SEQUENCE personalize._files IS
	'a number drawn by CREATE EXTENSION and never dumped: a database that was copied with its files has the same, one that was restored from a dump another';
SELECT pg_catalog.setval('personalize._files', 1 OPERATOR(pg_catalog.+)
	(pg_catalog.hashtextextended(pg_catalog.gen_random_uuid()::text, 0) OPERATOR(pg_catalog.&) 4611686018427387903));

CREATE TABLE personalize._incarnation (
	incarnation integer NOT NULL CHECK (incarnation BETWEEN 1 AND 32767),
	system_identifier bigint NOT NULL,
	database_oid bigint NOT NULL,
	files bigint NOT NULL
);
COMMENT ON TABLE personalize._incarnation IS
	'the lives of this database, the highest number being the present one; a restore, clone or pg_upgrade begins the next; transactions that begin it at the same time each add the same row, so that none waits for another';
COMMENT ON COLUMN personalize._incarnation.files IS
	'number of _files then: a restored dump has another one, and workers leave it alone until its first event';
SELECT pg_catalog.pg_extension_config_dump('personalize._incarnation', '');
ALTER SEQUENCE personalize._files OWNER TO personalize_owner;
REVOKE ALL ON SEQUENCE personalize._files FROM PUBLIC;

CREATE FUNCTION personalize_internal._event_txid() RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_event_txid' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._event_txid() IS
	'txid of the events this transaction writes: incarnation << 48 | top-level transaction id';
CREATE FUNCTION personalize_internal._txid_seen(txid bigint, asof text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_txid_seen' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._txid_seen(bigint, text) IS
	'true if an event with this txid is contained in a processor position (processor_position.asof)';
CREATE FUNCTION personalize_internal._txid_contains(outer_asof text, inner_asof text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_txid_contains' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._txid_contains(text, text) IS
	'true if every txid that is seen by the second processor position is seen by the first';
CREATE FUNCTION personalize_internal._txid_snapshot() RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_txid_snapshot' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._txid_snapshot() IS
	'the current snapshot in the form of processor_position.asof';
REVOKE EXECUTE ON FUNCTION
	personalize_internal._event_txid(), personalize_internal._txid_seen(bigint, text),
	personalize_internal._txid_contains(text, text), personalize_internal._txid_snapshot()
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._event_txid(), personalize_internal._txid_seen(bigint, text),
	personalize_internal._txid_contains(text, text), personalize_internal._txid_snapshot()
	TO personalize_owner;

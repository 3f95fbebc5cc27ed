-- processor: who has got how far through the raw events.
CREATE TABLE personalize.processor (
	processor smallint PRIMARY KEY,
	name text NOT NULL UNIQUE,
	enabled boolean NOT NULL DEFAULT true,
	rebuilding_since timestamptz,
	rebuilding_total bigint,
	rebuilding_gone_before date,
	events bigint NOT NULL DEFAULT 0,
	batches bigint NOT NULL DEFAULT 0,
	rejected bigint NOT NULL DEFAULT 0,
	last_batch_at timestamptz,
	failures bigint NOT NULL DEFAULT 0,
	last_error text,
	last_error_at timestamptz,
	raw_gone_before date
);
COMMENT ON TABLE personalize.processor IS
	'the stream processors: what they have done and whether they may run';
COMMENT ON COLUMN personalize.processor.raw_gone_before IS
	'the day after the last one (UTC, of arrival) of which it has counted events that are gone; NULL: none';
COMMENT ON COLUMN personalize.processor.rebuilding_since IS 'when it was last rebuilt';
COMMENT ON COLUMN personalize.processor.rebuilding_total IS 'how many shards were to be counted anew then';
COMMENT ON COLUMN personalize.processor.rebuilding_gone_before IS 'what raw_gone_before was then';
SELECT pg_catalog.pg_extension_config_dump('personalize.processor', '');

CREATE TABLE personalize.processor_position (
	processor smallint NOT NULL,
	shard smallint NOT NULL,
	asof text NOT NULL,
	PRIMARY KEY (processor, shard)
) WITH (fillfactor = 50);
COMMENT ON TABLE personalize.processor_position IS
	'up to where a processor has got with a shard, no row: nothing yet; the events it contains are those whose txid is seen by asof';
COMMENT ON COLUMN personalize.processor_position.asof IS
	'incarnation:xmin:xmax:xids in progress; compare with _txid_seen()';
SELECT pg_catalog.pg_extension_config_dump('personalize.processor_position', '');

CREATE TABLE personalize._rebuild (
	processor smallint NOT NULL,
	shard smallint NOT NULL,
	part smallint NOT NULL DEFAULT 0,
	asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (processor, part, shard)
);
COMMENT ON TABLE personalize._rebuild IS
	'shards that are to be counted anew and no batch has yet, for rebuild_processor() or for a part alone: what is there is in use until then';
COMMENT ON COLUMN personalize._rebuild.part IS
	'0: all of the shard; of profile also a signal.signal, which alone is counted anew, or -1: the steps of sequences';
SELECT pg_catalog.pg_extension_config_dump('personalize._rebuild', '');

CREATE FUNCTION personalize.rollup_now(OUT processor text, OUT events bigint, OUT rejected bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_rollup_now' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 4 COST 100000;
COMMENT ON FUNCTION personalize.rollup_now() IS
	'runs every enabled processor over the committed events until none is waiting, one row a processor: events counted and events set aside; refused in a transaction that has written events and above READ COMMITTED. Errors: 25001 this transaction has written events; 0A000 above READ COMMITTED; 25006 on a standby; 55000 library and SQL versions differ';
REVOKE ALL ON FUNCTION personalize.rollup_now() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.rollup_now() TO personalize_admin;

CREATE FUNCTION personalize.rebuild_processor(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_rebuild_processor' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION personalize.rebuild_processor(text) IS
	'has every raw event that exists counted again, in the background (or by rollup_now). What the processor has written stays in use until it is replaced, a sixteenth of it in each transaction, of neighbours as much as has about personalize.batch_events events; exposures alone begin from nothing. stat_progress shows how far it is. Errors: 42704 unknown';
REVOKE ALL ON FUNCTION personalize.rebuild_processor(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.rebuild_processor(text) TO personalize_admin;

CREATE FUNCTION personalize_internal._verify_counts(
	OUT processor text, OUT what text, OUT compared bigint, OUT wrong bigint, OUT expected bigint, OUT found bigint,
	OUT first_wrong text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_verify_counts' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 4 COST 1000000;
COMMENT ON FUNCTION personalize_internal._verify_counts() IS 'verify_counts() of the processors that can compare';
REVOKE ALL ON FUNCTION personalize_internal._verify_counts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._verify_counts() TO personalize_admin;

CREATE FUNCTION personalize_internal._processor_number(name text) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_processor_number' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._processor_number(text) IS 'processor.processor of a name; NULL if there is none';
CREATE FUNCTION personalize_internal._check_processor(processor text) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_check_processor' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._check_processor(text) IS 'the same, or an error that lists the processors';
REVOKE ALL ON FUNCTION personalize_internal._processor_number(text), personalize_internal._check_processor(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._processor_number(text), personalize_internal._check_processor(text) TO personalize_owner, personalize_admin;

CREATE FUNCTION personalize_internal._switch_processor(name text, on_or_off boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number smallint;
BEGIN
	number := personalize_internal._check_processor(coalesce(name, '<NULL>'));
	INSERT INTO personalize.processor AS p (processor, name, enabled) VALUES (number, name, on_or_off)
	ON CONFLICT (processor) DO UPDATE SET enabled = excluded.enabled;
END
$$;
REVOKE ALL ON FUNCTION personalize_internal._switch_processor(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._switch_processor(text, boolean) TO personalize_admin;

CREATE FUNCTION personalize.enable_processor(name text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT personalize_internal._switch_processor(name, true);
END;
COMMENT ON FUNCTION personalize.enable_processor(text) IS
	'lets the processor profile, item_stat, neighbour or exposure run again from where it was. Errors: 42704 unknown';
REVOKE ALL ON FUNCTION personalize.enable_processor(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.enable_processor(text) TO personalize_admin;

CREATE FUNCTION personalize.disable_processor(name text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT personalize_internal._switch_processor(name, false);
END;
COMMENT ON FUNCTION personalize.disable_processor(text) IS
	'stops the processor profile, item_stat, neighbour or exposure; its events wait, and retention keeps their days until it has counted them; readers go on over the tail. Errors: 42704 unknown';
REVOKE ALL ON FUNCTION personalize.disable_processor(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.disable_processor(text) TO personalize_admin;

CREATE FUNCTION personalize_internal._server_state(
	OUT preloaded boolean, OUT slots_short boolean, OUT version_matches boolean, OUT library_version text,
	OUT in_use boolean)
	AS 'MODULE_PATHNAME', 'personalize_server_state' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._server_state() IS
	'whether the library is in shared_preload_libraries, whether databases take turns at background worker slots, whether library and SQL version agree, and whether an event has come since the installation or restore: before, workers do nothing';
REVOKE ALL ON FUNCTION personalize_internal._server_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._server_state() TO personalize_owner, personalize_admin, personalize_monitor;

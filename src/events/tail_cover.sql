-- tail_cover: the ring of the newest events in shared memory.
CREATE FUNCTION personalize_internal._tail_ring(
	OUT bytes bigint, OUT places bigint, OUT kept bigint, OUT overwritten bigint, OUT days integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_tail_ring' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION personalize_internal._tail_ring() IS
	'what the ring of the newest events holds, for stat_tail; no row: there is none';

CREATE VIEW personalize.stat_tail AS
	SELECT r.bytes, r.places, r.kept, r.overwritten, r.days, c.reads_by_ring, c.reads_by_pages, c.refills, c.since
	FROM personalize_internal._tail_ring() r,
		LATERAL (SELECT
				pg_catalog.max(c.value) FILTER (WHERE c.name OPERATOR(pg_catalog.=) 'tail.ring') AS reads_by_ring,
				pg_catalog.max(c.value) FILTER (WHERE c.name OPERATOR(pg_catalog.=) 'tail.pages') AS reads_by_pages,
				pg_catalog.max(c.value) FILTER (WHERE c.name OPERATOR(pg_catalog.=) 'tail.added') AS refills,
				pg_catalog.max(c.since) AS since
			FROM personalize_internal._counters() c) c;
COMMENT ON VIEW personalize.stat_tail IS
	'the ring in shared memory that knows where the newest events of each person lie, one row; none without shared_preload_libraries, or if personalize.tail_ring_size is 0: readers then look through the newest pages of event';
COMMENT ON COLUMN personalize.stat_tail.bytes IS 'shared memory it takes: personalize.tail_ring_size, for all databases of the server';
COMMENT ON COLUMN personalize.stat_tail.places IS 'how many events it has room for';
COMMENT ON COLUMN personalize.stat_tail.kept IS 'how many it knows, of all databases; processed ones stay until they are overwritten';
COMMENT ON COLUMN personalize.stat_tail.overwritten IS
	'places that were overwritten since the server started; harmless unless reads_by_pages grows with it: then events wait longer than the ring remembers';
COMMENT ON COLUMN personalize.stat_tail.days IS 'partitions of this database whose newest events are all in it';
COMMENT ON COLUMN personalize.stat_tail.reads_by_ring IS 'times a reader of this database found a person''s newest events by it';
COMMENT ON COLUMN personalize.stat_tail.reads_by_pages IS
	'times it could not tell, and the pages were looked through: on a standby, in serializable transactions, and when it was too small';
COMMENT ON COLUMN personalize.stat_tail.refills IS
	'times a reader added what was not in it: after a start of the server, and after events were written by others than this extension';
COMMENT ON COLUMN personalize.stat_tail.since IS 'when counting reads and refills began';

REVOKE ALL ON FUNCTION personalize_internal._tail_ring() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._tail_ring() TO personalize_owner, personalize_app, personalize_analyst,
	personalize_admin, personalize_monitor;
GRANT SELECT ON personalize.stat_tail TO personalize_app, personalize_analyst, personalize_admin, personalize_monitor;

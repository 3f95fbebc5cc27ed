-- erasure_status: how far erasures have got, and how to get them further.

-- What tells of one person: the planner keeps no statistics about it, or values
-- would stay in pg_statistic when their person is gone.  To the columns of
-- _person_table come keys and ids of items that one person may have seen alone.
CREATE FUNCTION personalize_internal._person_columns(OUT of_table name, OUT of_column name) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 60
BEGIN ATOMIC
	SELECT p.name, c.of_column
	FROM personalize._person_table AS p, LATERAL pg_catalog.unnest(p.unanalyzed) AS c (of_column)
	UNION
	SELECT t.of_table, c.of_column
	FROM (VALUES
		('event', '{item_key,value}'::text[]),
		('rejected_event', '{reason}'),
		('posting', '{item_key}'),
		('item_stat', '{item_key,amount}'),
		('_basket', '{item_key,basket}'),
		('exposure', '{item_key}'),
		('exposure_outcome', '{item_key,amount}'),
		('search_query', '{query_key,query}'),
		('search_stat', '{query_key,item_key}'),
		('engine_stat', '{amount}'),
		('_popular', '{items,scores}'),
		('feature_value', '{value_key}'),
		('item', '{item_key,item_id}')) AS t (of_table, columns),
		LATERAL pg_catalog.unnest(t.columns) AS c (of_column);
END;
COMMENT ON FUNCTION personalize_internal._person_columns() IS
	'columns with data of people, about which the planner keeps no statistics';
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN
		SELECT p.* FROM personalize_internal._person_columns() p
		JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(pg_catalog.format('personalize.%I', p.of_table))
			AND a.attname OPERATOR(pg_catalog.=) p.of_column
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE personalize.%I ALTER COLUMN %I SET STATISTICS 0', c.of_table, c.of_column);
	END LOOP;
END
$$;

-- Indexes that a REINDEX CONCURRENTLY or CREATE INDEX CONCURRENTLY which was ended
-- has left: VACUUM passes over them, so keys of the erased stay in them.  While it
-- is at work it holds a lock on the index it makes, or else on the table.
CREATE FUNCTION personalize_internal._invalid_index(
	OUT table_oid oid, OUT index_name text, OUT removable boolean, OUT at_work boolean) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT i.indrelid, format('%I.%I', n.nspname, c.relname), r.reindexed AND n.nspname = 'personalize',
		EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
			WHERE l.locktype = 'relation' AND d.datname = current_database() AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
				AND l.relation IN (i.indexrelid, CASE WHEN NOT r.reindexed THEN i.indrelid END))
	FROM pg_index AS i
		JOIN pg_class AS c ON c.oid = i.indexrelid
		JOIN pg_namespace AS n ON n.oid = c.relnamespace,
		LATERAL (SELECT c.relname ~ '_cc(new|old)[0-9]*$'
			AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid) AS reindexed) AS r
	WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
		AND EXISTS (SELECT FROM pg_class AS t
			WHERE t.relkind = 'r' AND t.relnamespace = 'personalize'::regnamespace
				AND pg_get_userbyid(t.relowner) = 'personalize_owner' AND i.indrelid IN (t.oid, t.reltoastrelid));
END;
COMMENT ON FUNCTION personalize_internal._invalid_index() IS
	'indexes of the extension''s tables that are invalid; removable: a REINDEX CONCURRENTLY has left it and scrub_erased() may drop it, at_work: somebody is building or dropping it just now';

CREATE FUNCTION personalize.erasure_status(
	receipt uuid,
	OUT stage text, OUT done boolean, OUT since timestamptz, OUT detail text, OUT blockers text[], OUT fix text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_erasure_status' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 7 COST 1000;
COMMENT ON FUNCTION personalize.erasure_status(uuid) IS
	'how far an erasure has got, one row a stage: logical, dictionary, vacuumed, statistics, replicas, wal, backups; whether it is done, since when (NULL: not done, or nobody has written it down), what or who is in the way, and what to do. Error 42704 for an unknown receipt';

CREATE FUNCTION personalize.scrub_erased(
	files boolean DEFAULT true,
	OUT step text, OUT done boolean, OUT detail text, OUT fix text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_scrub_erased' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 2 COST 100000;
COMMENT ON FUNCTION personalize.scrub_erased(boolean) IS
	'does for all erasures what can be done: deletes values and items that only the erased had, and has a background process drop what an interrupted REINDEX CONCURRENTLY has left of their indexes, vacuum and analyze the tables and overwrite their free space when this transaction has ended (files false: not that). Processing waits while it decides, ingestion does not. Refused in a transaction that has written events and above READ COMMITTED. Errors: 25001 this transaction has written events; 0A000 above READ COMMITTED; 25006 on a standby';

REVOKE ALL ON FUNCTION personalize_internal._person_columns(), personalize_internal._invalid_index(), personalize.erasure_status(uuid),
	personalize.scrub_erased(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._person_columns() TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize_internal._invalid_index() TO personalize_owner, personalize_admin, personalize_monitor;
GRANT EXECUTE ON FUNCTION personalize.erasure_status(uuid), personalize.scrub_erased(boolean) TO personalize_admin;

CREATE FUNCTION personalize.export_tombstones() RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_export_tombstones' LANGUAGE C STABLE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION personalize.export_tombstones() IS
	'who was forgotten and when, as pseudonyms, in one JSON document: keep it outside the database, and give it to reapply_erasures() after restoring an older backup';

CREATE FUNCTION personalize.reapply_erasures(
	tombstones jsonb DEFAULT NULL,
	OUT receipt uuid, OUT forgotten_at timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_reapply_erasures' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 COST 100000;
COMMENT ON FUNCTION personalize.reapply_erasures(jsonb) IS
	'after restoring an older backup: forgets everybody again who is in a newer export_tombstones() and present, and sets the tombstones of the others; NULL: the database''s own tombstones. One row per person forgotten: the new receipt, and when the export says the person was forgotten. Errors: 22023 no such document, or one of another database';

REVOKE ALL ON FUNCTION personalize.export_tombstones(), personalize.reapply_erasures(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.export_tombstones(), personalize.reapply_erasures(jsonb) TO personalize_admin;

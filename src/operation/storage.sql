-- storage: what takes how much room, and what would make some.

-- Each table of the extension with the kind of data it belongs to; one that is
-- not named here is 'other'.
CREATE FUNCTION personalize_internal._storage(OUT kind text, OUT relation oid, OUT day date, OUT bytes bigint, OUT index_bytes bigint, OUT row_count float8)
	RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN c.relname ~ '^event_p[0-9]{8}$' THEN 'raw' ELSE coalesce(k.kind, 'other') END, c.oid,
		CASE WHEN c.relname ~ '^event_p[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END,
		pg_total_relation_size(c.oid), pg_indexes_size(c.oid), 
		-- as dense as when it was last looked through, else as counted since
		CASE WHEN c.reltuples > 0 AND c.relpages > 0
			THEN round(c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::bigint))
			ELSE pg_stat_get_live_tuples(c.oid) END::float8
	FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'm')
		LEFT JOIN (VALUES ('message_seen', 'message'), ('rejected_event', 'rejected'), ('profile', 'profile'),
			('session', 'session'), ('posting', 'session'), ('_pair_list', 'session'), ('_session_total', 'session'),
			('_session_day', 'session'), ('_session_repeat', 'session'), ('preference', 'preference'), ('segment_member', 'profile'), ('segment_change', 'segment_change'), ('_basket', 'basket'),
			('item_stat', 'item_stat'), ('_item_stat_fold', 'item_stat'), ('_popular', 'item_stat'), ('_popular_state', 'item_stat'), ('_repeat_purchase', 'item_stat'), ('_repeat_interval', 'item_stat'),
			('feature_value', 'dictionary'), ('_dictionary_log', 'dictionary'), ('item', 'catalogue'), ('_item_past', 'catalogue'),
			('_search_posting', 'catalogue'), ('_search_word', 'catalogue'), ('_search_total', 'catalogue'),
			('exposure', 'exposure'), ('exposure_outcome', 'exposure'), ('_searcher', 'exposure'), ('search_query', 'exposure'),
			('engine_stat', 'engine_stat'), ('search_stat', 'search_stat'), ('_attraction', 'search_stat'), ('examination', 'search_stat'),
			('consent_ledger', 'ledger'), ('identity', 'ledger'), ('subject', 'ledger'), ('_ledger_pruned', 'ledger')) AS k (name, kind) ON k.name = c.relname
	WHERE n.nspname = 'personalize';
END;
COMMENT ON FUNCTION personalize_internal._storage() IS 'the tables, with kind, size and rows as the statistics have them';

CREATE FUNCTION personalize.storage_usage(
	retention boolean DEFAULT true,
	OUT kind text, OUT bytes bigint, OUT index_bytes bigint, OUT row_count bigint,
	OUT bytes_per_event numeric, OUT bytes_per_day bigint, OUT frees bigint) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 14 COST 100000
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH part AS MATERIALIZED (
		SELECT s.kind, s.day, s.bytes, s.index_bytes, s.row_count FROM personalize_internal._storage() AS s
	), event AS (
		-- days that are over and have events; a day that is under way would say too little
		SELECT sum(p.row_count) AS events, (SELECT avg(d.row_count) FROM (
			SELECT w.row_count FROM part AS w WHERE w.day < (now() AT TIME ZONE 'UTC')::date AND w.row_count > 0 ORDER BY w.day DESC LIMIT 7) AS d) AS a_day
		FROM part AS p WHERE p.kind = 'raw'
	), dry AS (
		SELECT r.kind, sum(r.bytes)::bigint AS frees
		FROM personalize.apply_retention(dry_run => true) AS r
		WHERE coalesce(retention, true) AND NOT pg_is_in_recovery()
		GROUP BY r.kind
	), kind AS (
		SELECT k.kind, k.place FROM personalize_internal._retention_kind() AS k WHERE k.kind <> 'item_stat_hour'
		UNION ALL VALUES ('message', 20), ('catalogue', 21), ('other', 22)
	), line AS (
		SELECT k.kind, k.place, coalesce(sum(p.bytes), 0)::bigint AS bytes, coalesce(sum(p.index_bytes), 0)::bigint AS index_bytes,
			coalesce(sum(p.row_count), 0)::bigint AS row_count, d.frees
		FROM kind AS k LEFT JOIN part AS p ON p.kind = k.kind LEFT JOIN dry AS d ON d.kind = k.kind
		GROUP BY k.kind, k.place, d.frees
		UNION ALL
		SELECT 'all', 99, sum(p.bytes)::bigint, sum(p.index_bytes)::bigint, sum(p.row_count)::bigint, (SELECT sum(d.frees)::bigint FROM dry AS d) FROM part AS p
	)
	SELECT l.kind, l.bytes, l.index_bytes, l.row_count,
		CASE WHEN e.events > 0 THEN round((l.bytes / e.events)::numeric, 1) END,
		CASE WHEN e.events > 0 THEN (l.bytes / e.events * e.a_day)::bigint END, l.frees
	FROM line AS l, event AS e
	ORDER BY l.place;
END;
COMMENT ON FUNCTION personalize.storage_usage(boolean) IS
	'how much of the disk each kind of data takes, as retention_policy names them, and of message (ids for once-only), catalogue, other and all: bytes with indexes and TOAST, of which index_bytes; row_count as the statistics have it; bytes_per_event: bytes by raw events that are stored; bytes_per_day: what a day brings at that rate and the pace of the last seven whole days with events, before retention takes as much again; frees: about what apply_retention() would remove now, NULL where rows only get shorter, on a standby, and with retention => false, which saves counting it';
REVOKE ALL ON FUNCTION personalize_internal._storage(), personalize.storage_usage(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._storage(), personalize.apply_retention(boolean, timestamptz, bigint, interval) TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize.storage_usage(boolean) TO personalize_admin, personalize_monitor;

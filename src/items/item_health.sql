-- item_health: does the catalogue fit to what is tracked, and is it kept?
CREATE FUNCTION personalize_internal._health_catalogue(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 3
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- a few may always be unknown; most of them are not the shop's ids
	SELECT 'catalogue ids', f.well,
		CASE WHEN c.id IS NULL THEN 'nobody has written the catalogue'
			WHEN k.tracked = 0 THEN 'no item was tracked in the last 7 days'
			ELSE format('of %s items tracked in the last 7 days %s are in the catalogue', k.tracked, k.known)
				|| CASE WHEN f.well THEN '' ELSE format('; "%s" is not, "%s" is', coalesce((SELECT i.item_id FROM personalize.item AS i WHERE i.item_key = k.stranger), k.stranger::text), c.id) END END,
		CASE WHEN NOT f.well THEN
			'Track the ids that the catalogue has, or map item_id to the column that has the tracked ones: sync_items(..., ''{"item_id": "..."}'', dry_run => true).' END
	FROM (
		SELECT count(*) AS tracked, count(i.item_key) AS known, min(t.item_key) FILTER (WHERE i.item_key IS NULL) AS stranger
		FROM (
			SELECT DISTINCT item_key FROM personalize.item_stat
			WHERE pane_start >= now() - interval '7 days' LIMIT 10000) AS t
		LEFT JOIN personalize.item AS i ON i.item_key = t.item_key AND i.updated_at IS NOT NULL) AS k,
		(SELECT min(l.item_id) AS id FROM (SELECT item_id FROM personalize.item WHERE updated_at IS NOT NULL LIMIT 1) AS l) AS c,
		LATERAL (SELECT c.id IS NULL OR k.tracked < 10 OR k.known * 2 >= k.tracked AS well) AS f
	UNION ALL
	SELECT 'catalogue offered', f.well,
		format('%s of %s items are available and not hidden', n.offered, n.items),
		CASE WHEN NOT f.well THEN
			'Engines return no others. Look at what personalize.item_sync maps to available and hidden, correct it by sync_items(..., dry_run => true) first.' END
	FROM (
		SELECT count(*) AS items, count(*) FILTER (WHERE available AND NOT hidden) AS offered
		FROM personalize.item WHERE updated_at IS NOT NULL AND vanished_at IS NULL) AS n,
		LATERAL (SELECT n.items < 10 OR n.offered * 5 >= n.items AS well) AS f
	UNION ALL
	SELECT 'catalogue sync', count(l.problem) = 0,
		coalesce(string_agg(l.problem, '; ' ORDER BY l.source),
			CASE WHEN count(*) = 0 THEN 'sync_items() was never run' ELSE 'every source was read in the last 2 days' END),
		CASE WHEN count(l.problem) > 0 THEN
			'See that the job of sync_items() runs; of a source that is no longer one, delete the row of personalize.item_sync.' END
	FROM (
		SELECT s.source, CASE WHEN to_regclass(s.source) IS NULL THEN format('"%s" does not exist', s.source)
			WHEN s.last_run_at < now() - interval '2 days'
				THEN format('"%s" was last read %s days ago', s.source, floor(extract(epoch FROM now() - s.last_run_at) / 86400)) END AS problem
		FROM (SELECT source, max(last_run_at) AS last_run_at FROM personalize.item_sync GROUP BY source) AS s) AS l;
END;
COMMENT ON FUNCTION personalize_internal._health_catalogue() IS 'checks of health(): the ids of the catalogue, what of it is offered, and sync_items()';
REVOKE ALL ON FUNCTION personalize_internal._health_catalogue() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._health_catalogue() TO personalize_admin, personalize_monitor;

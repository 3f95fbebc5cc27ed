-- data_quality: what was stored but does not count as it should.
CREATE FUNCTION personalize_internal._event_gaps(since timestamptz,
	OUT event smallint, OUT gap text, OUT events bigint, OUT last_at timestamptz, OUT names text[]) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_event_gaps' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 20 COST 1000000;
COMMENT ON FUNCTION personalize_internal._event_gaps(timestamptz) IS
	'events received since then, by kind and by what they lack (NULL: all of the kind), with the names of the properties of one of them';

CREATE FUNCTION personalize_internal._data_quality(
	OUT problem text, OUT name text, OUT count bigint, OUT last_at timestamptz, OUT sample jsonb, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 10
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH gap AS MATERIALIZED (
		SELECT g.event, g.gap, g.events, g.last_at, g.names FROM personalize_internal._event_gaps(now() - interval '1 day') AS g
	)
	SELECT 'new event', t.name, coalesce(g.events, 0), g.last_at, to_jsonb(g.names),
		format('Give it a weight, 0 if it shall count nothing: UPDATE personalize.event_type SET weight = 1 WHERE name = %1$L; or, if it means a known event, an alias: INSERT INTO personalize.event_alias (alias, event) SELECT %1$L, event FROM personalize.event_type WHERE name = ''view_item''; and then the weight 0.', t.name)
	FROM personalize.event_type AS t LEFT JOIN gap AS g ON g.event = t.event AND g.gap IS NULL
	WHERE t.weight IS NULL
	UNION ALL
	SELECT 'unknown item', NULL, sum(u.events)::bigint, max(u.last_at),
		to_jsonb((array_agg(u.item_id ORDER BY u.events DESC, u.item_id))[1:5]),
		'Write them with sync_items() or upsert_items(), or see that events send the ids of the catalogue.'
	FROM (
		SELECT coalesce(i.item_id, c.item_key::text) AS item_id, sum(c.count) AS events, max(c.pane_start) AS last_at
		FROM personalize.item_stat AS c LEFT JOIN personalize.item AS i ON i.item_key = c.item_key
		WHERE c.pane_start > now() - interval '1 day' AND i.updated_at IS NULL
		GROUP BY 1) AS u
	HAVING sum(u.events) > 0
	UNION ALL
	SELECT g.gap, t.name, g.events, g.last_at, to_jsonb(g.names),
		CASE g.gap
			WHEN 'no item' THEN 'Send item_id, or a list of items.'
			WHEN 'no value' THEN 'Send value, or price and quantity of the items.'
			ELSE 'Send the words in properties.query.' END
	FROM gap AS g JOIN personalize.event_type AS t ON t.event = g.event
	WHERE g.gap IS NOT NULL
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION personalize_internal._data_quality() IS 'what data_quality shows';

CREATE VIEW personalize.data_quality AS SELECT * FROM personalize_internal._data_quality();
COMMENT ON VIEW personalize.data_quality IS
	'what was stored but does not count as it should: names of events that nobody has given a weight, items that the catalogue does not have, and of the last day events without item, value or query. Events that were not stored are in rejected_event and stat_ingest. Reads the events of a day';
COMMENT ON COLUMN personalize.data_quality.problem IS 'new event, unknown item, no item, no value or no query';
COMMENT ON COLUMN personalize.data_quality.name IS 'the event''s name; NULL: of all';
COMMENT ON COLUMN personalize.data_quality.count IS 'events of the last 24 hours; those on unknown items as item_stat has counted them';
COMMENT ON COLUMN personalize.data_quality.last_at IS 'when the last of them was received; for unknown items the hour in which it happened';
COMMENT ON COLUMN personalize.data_quality.sample IS 'the names of the properties of one of the events; for unknown items: the ids of those with the most events, up to five';
COMMENT ON COLUMN personalize.data_quality.fix IS 'what to do';

-- Names alone: health() is asked often, and reads no events for this.
CREATE FUNCTION personalize_internal._health_data_quality(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'names of events', count(*) = 0,
		CASE WHEN count(*) = 0 THEN 'every name has a weight'
			ELSE format('%s have no weight and count nothing: %s', count(*),
				(SELECT string_agg(n.name, ', ' ORDER BY n.name) FROM (
					SELECT e.name FROM personalize.event_type AS e WHERE e.weight IS NULL ORDER BY e.name LIMIT 5) AS n)
				|| CASE WHEN count(*) > 5 THEN ', ...' ELSE '' END) END,
		CASE WHEN count(*) > 0 THEN 'SELECT * FROM personalize.data_quality shows these, unknown items, and events without item, value or query.' END
	FROM personalize.event_type AS t WHERE t.weight IS NULL;
END;
COMMENT ON FUNCTION personalize_internal._health_data_quality() IS 'the row of health() about names of events';

REVOKE ALL ON FUNCTION personalize_internal._event_gaps(timestamptz), personalize_internal._data_quality(), personalize_internal._health_data_quality() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._event_gaps(timestamptz) TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize_internal._data_quality(), personalize_internal._health_data_quality() TO personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._health_data_quality() TO personalize_monitor;
GRANT SELECT ON personalize.data_quality TO personalize_admin;

-- world: what a property test needs in a database with the extension.
SET client_min_messages = error;
CREATE SCHEMA property;

-- As good as new: everything of a run goes, days keep their partitions.  Of these
-- the rows are only deleted, for their number makes TRUNCATE slow, unless asked to
-- be thorough, as is needed now and then.
CREATE FUNCTION property.reset(thorough boolean) RETURNS void LANGUAGE plpgsql SET personalize.allow_drop = on AS $$
DECLARE
	kept text[] := '{_shipped,purpose,event_type,event_alias,consent_mapping,refused_id,signal,_event_day,_incarnation,_secret,retention_policy,purpose_role}';
BEGIN
	EXECUTE (
		SELECT 'TRUNCATE ' || string_agg(c.oid::regclass::text, ', ')
		FROM pg_class c
		WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
			AND c.relname <> ALL (kept));
	IF thorough THEN
		TRUNCATE personalize.event;
	ELSE
		DELETE FROM personalize.event;
	END IF;
	DELETE FROM personalize.signal WHERE NOT builtin;
	DELETE FROM personalize.event_type WHERE NOT builtin;
END
$$;

-- The hash of every table that has one.
CREATE FUNCTION property.hashes(left_out text[], as_of timestamptz) RETURNS TABLE (name text, hash text) LANGUAGE sql AS $$
	SELECT t.table_name, encode(personalize.state_hash(t.table_name, as_of), 'hex')
	FROM personalize_internal._state_tables() AS t
	WHERE t.exempt_because IS NULL AND t.table_name <> ALL (left_out)
$$;

-- What readers say of some people and items, in the past, now and later, by reader.
-- Scores of now change by the second, and so may the order of items whose scores are
-- equal: only which items there are is compared.  What is newest depends on when
-- somebody first named it, and texts on what has been counted.
CREATE FUNCTION property.engines(users text[], items text[], at timestamptz) RETURNS TABLE (reader text, answer text) LANGUAGE sql AS $$
	SELECT 'recommend', concat_ws(' ', u, e.rank, e.item_key, e.score, e.reason)
		FROM unnest(users) AS u, personalize.recommend(u, 15, as_of => at) AS e WHERE e.reason NOT LIKE 'newest%'
	UNION ALL
	SELECT 'similar_items', concat_ws(' ', i, e.rank, e.item_key, e.score, e.reason)
		FROM unnest(items) AS i, personalize.similar_items(i, 10, as_of => at) AS e WHERE e.reason NOT LIKE 'newest%'
	UNION ALL
	SELECT 'session_neighbours', concat_ws(' ', e.item_key, e.score, e.because)
		FROM personalize.session_neighbours(items::personalize.entity_id[], 30, at) AS e
	UNION ALL
	SELECT 'trending', concat_ws(' ', e.rank, e.item_key, e.score)
		FROM personalize.trending(50, '2 days', as_of => at) AS e
	UNION ALL
	SELECT 'bought_together', concat_ws(' ', e.rank, e.item_key, e.score, e.reason)
		FROM personalize.bought_together(items::personalize.entity_id[], as_of => at) AS e
	UNION ALL
	SELECT 'features', concat_ws(' ', u, f.signal, f.count, f.sum, f.decayed, f.min, f.max, f.first, f.last)
		FROM unnest(users) AS u, personalize.features(u, NULL, at, 'personalization') AS f
$$;
CREATE FUNCTION property.answers(users text[], items text[]) RETURNS TABLE (name text, hash text) LANGUAGE sql AS $$
	SELECT a.name, md5(string_agg(a.answer, ',' ORDER BY a.answer))
	FROM (
		SELECT t.name || '_' || e.reader AS name, e.answer
		FROM (VALUES ('past', date_trunc('hour', now()) - interval '3 days 17 minutes'),
				('later', date_trunc('day', now()) + interval '2 days')) AS t (name, at),
			LATERAL property.engines(users, items, t.at) AS e
		UNION ALL
		SELECT 'now_recommend', concat_ws(' ', u, e.item_key)
			-- of an item that somebody else names, too, the catalogue may know before that is counted
			FROM unnest(users) AS u, personalize.recommend(u, 1000) AS e WHERE e.reason NOT LIKE 'newest%'
		UNION ALL
		SELECT 'now_recent', concat_ws(' ', u, r.place, r.item_key, r.event, r.ts)
			FROM unnest(users) AS u, personalize.recent(u, purpose => 'recommendations') AS r
		UNION ALL
		SELECT 'now_profile', concat_ws(' ', u, p.events, p.first_seen, p.last_seen, p.purposes)
			FROM unnest(users) AS u, personalize.profile(u, 'personalization') AS p) AS a
	GROUP BY a.name
$$;

-- Tables that are not empty, of those a stream should fill.
CREATE FUNCTION property.filled() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	name text;
	filled boolean;
BEGIN
	FOREACH name IN ARRAY property.data_tables() LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM personalize.%I)', name) INTO filled;
		IF filled THEN
			RETURN NEXT name;
		END IF;
	END LOOP;
END
$$;

-- Tables that no event changes.
CREATE FUNCTION property.settings() RETURNS text[] LANGUAGE sql AS $$
	SELECT '{purpose,purpose_default,consent_mapping,event_type,event_alias,signal,signal_state,
		engine_variant,rule,item_sync,processor,retention_policy,purpose_role,
		experiment,experiment_variant,experiment_force,experiment_holdout,model,page_module,page_segment,
		search_attribute,search_setting,search_synonym,segment,feature_view,feature_stats,cohort_policy,cohort_report}'::text[]
$$;

-- All tables that hold something of people or items.  engine_stat counts request ids of
-- the database's own, which differ from world to world: sql/exposure.sql recomputes it.
-- Nobody of a stream gets into a segment: sql/segment.sql has those.
CREATE FUNCTION property.data_tables() RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(table_name ORDER BY table_name) FROM personalize_internal._state_tables()
	WHERE exempt_because IS NULL AND table_name <> ALL (property.settings() || '{_erasure_candidate,engine_stat,segment_member}')
		OR table_name IN ('_tombstone', 'erasure')
$$;

-- health: is everything running, and if not, what to do.
CREATE FUNCTION personalize_internal._processor_lag(
	OUT processor smallint, OUT name text, OUT waiting bigint, OUT rebuilding bigint, OUT imported bigint,
	OUT oldest timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_processor_lag' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 4 COST 100000;
COMMENT ON FUNCTION personalize_internal._processor_lag() IS
	'events each processor has not counted yet (counting stops at 1,000,000 events read), how many of these it had counted before it was rebuilt, how many of the others are history that was imported, and when the oldest of the rest arrived';
REVOKE ALL ON FUNCTION personalize_internal._processor_lag() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._processor_lag() TO personalize_owner, personalize_admin;

CREATE FUNCTION personalize_internal._worker_state(
	OUT worker integer, OUT pid integer, OUT since timestamptz, OUT last_round timestamptz, OUT blockers integer[])
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_worker_state' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 2;
COMMENT ON FUNCTION personalize_internal._worker_state() IS
	'the workers of this database: when they started and last went round all processors, and for each processor the process that has a lock it needs (0: none, -1: a prepared transaction)';
REVOKE ALL ON FUNCTION personalize_internal._worker_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._worker_state() TO personalize_owner, personalize_admin, personalize_monitor;

CREATE FUNCTION personalize_internal._process_name(pid integer) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_process_name' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._process_name(integer) IS
	'a process by its role and application, and whether it is idle in a transaction, but not what it runs';
REVOKE ALL ON FUNCTION personalize_internal._process_name(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._process_name(integer) TO personalize_owner, personalize_admin;

-- A batch skips shards and stripes that others hold, so nobody is seen to wait
-- for these; any other lock it waits for a while, and its slot says for whose.
CREATE FUNCTION personalize_internal._processor_blocker(OUT processor smallint, OUT blocker text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 4
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH worker AS MATERIALIZED (
		SELECT w.pid, w.blockers FROM personalize_internal._worker_state() AS w
	), held AS MATERIALIZED (
		SELECT l.pid, l.virtualtransaction, l.classid::int8 AS class, l.objid::int8 >> 16 AS processor
		FROM pg_locks AS l
		WHERE l.locktype = 'advisory' AND l.objsubid = 3 AND l.granted AND l.mode = 'ExclusiveLock'
			AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
			AND l.classid::int8 IN (1, 2)
	), blocking AS (
		SELECT p.processor, h.pid, CASE WHEN h.pid IS NULL THEN h.virtualtransaction END AS prepared
		FROM held AS h JOIN generate_series(1, 4) AS p (processor) ON h.class = 2 OR h.processor = p.processor
		UNION
		SELECT b.processor, nullif(b.pid, -1), NULL
		FROM worker AS w, unnest(w.blockers) WITH ORDINALITY AS b (pid, processor)
		WHERE b.pid <> 0
	), named AS (
		SELECT b.processor, b.pid, x.gid
		FROM blocking AS b
		LEFT JOIN pg_locks AS l ON l.virtualtransaction = b.prepared AND l.pid IS NULL AND l.locktype = 'transactionid'
		LEFT JOIN pg_prepared_xacts AS x ON x.transaction = l.transactionid
		WHERE b.pid IS NULL OR (b.pid IN (SELECT a.pid FROM pg_stat_activity AS a)
			AND b.pid NOT IN (SELECT w.pid FROM worker AS w) AND b.pid <> pg_backend_pid())
	)
	SELECT n.processor::smallint,
		string_agg(coalesce(personalize_internal._process_name(n.pid), 'prepared transaction ' || quote_literal(n.gid), 'a prepared transaction'),
			'; ' ORDER BY n.pid, n.gid),
		string_agg(CASE WHEN n.pid IS NOT NULL THEN format('SELECT pg_terminate_backend(%s)', n.pid)
			ELSE 'ROLLBACK PREPARED ' || coalesce(quote_literal(n.gid), 'what pg_prepared_xacts shows') END,
			'; ' ORDER BY n.pid, n.gid)
	FROM named AS n GROUP BY n.processor;
END;
COMMENT ON FUNCTION personalize_internal._processor_blocker() IS
	'the sessions and prepared transactions that have a lock a processor needs, and what ends them';
REVOKE ALL ON FUNCTION personalize_internal._processor_blocker() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._processor_blocker() TO personalize_admin;

CREATE FUNCTION personalize_internal._table_state(
	OUT any_allowed boolean, OUT set_aside bigint, OUT last_set_aside text, OUT collisions bigint, OUT first_collision text)
	AS 'MODULE_PATHNAME', 'personalize_table_state' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._table_state() IS
	'whether anybody has allowed anything, how many events a processor could not count and why it could not the last, how many ids share a key and the first such';
REVOKE ALL ON FUNCTION personalize_internal._table_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._table_state() TO personalize_owner, personalize_admin;

CREATE FUNCTION personalize_internal._stat_processor(
	OUT processor text, OUT enabled boolean, OUT activity text, OUT waiting bigint, OUT lag interval,
	OUT events bigint, OUT batches bigint, OUT rejected bigint, OUT last_batch_at timestamptz,
	OUT failures bigint, OUT last_error text, OUT last_error_at timestamptz, OUT rebuilding_since timestamptz,
	OUT rebuilding bigint, OUT imported bigint, OUT stale_reads bigint)
	RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 4
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT l.name, coalesce(p.enabled, true), a.query, l.waiting,
		coalesce(greatest(clock_timestamp() - l.oldest, interval '0'), interval '0'),
		coalesce(p.events, 0), coalesce(p.batches, 0), coalesce(p.rejected, 0), p.last_batch_at,
		coalesce(p.failures, 0), personalize_internal._for_admins(p.last_error), p.last_error_at,
		CASE WHEN l.rebuilding > 0 THEN p.rebuilding_since END, l.rebuilding, l.imported,
		CASE l.name WHEN 'profile' THEN (
			SELECT c.value FROM personalize_internal._counters() AS c WHERE c.name = 'profile.stale') END
	FROM personalize_internal._processor_lag() AS l
	LEFT JOIN personalize.processor AS p ON p.processor = l.processor
	LEFT JOIN LATERAL (
		SELECT string_agg(s.query, ', ' ORDER BY s.pid) AS query
		FROM pg_stat_activity AS s
		WHERE s.pid IN (SELECT w.pid FROM personalize_internal._worker_state() AS w)
			AND s.state = 'active' AND starts_with(s.query, l.name || ': ')) AS a ON true
	ORDER BY l.processor;
END;
REVOKE ALL ON FUNCTION personalize_internal._stat_processor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._stat_processor() TO personalize_admin, personalize_monitor;

CREATE VIEW personalize.stat_processor AS
	SELECT p.*, extract(epoch FROM p.lag)::float8 AS lag_seconds FROM personalize_internal._stat_processor() AS p;
COMMENT ON VIEW personalize.stat_processor IS
	'the stream processors, one row each: how far behind they are and how they fare';
COMMENT ON COLUMN personalize.stat_processor.processor IS 'profile, item_stat, neighbour or exposure';
COMMENT ON COLUMN personalize.stat_processor.enabled IS 'false after disable_processor()';
COMMENT ON COLUMN personalize.stat_processor.activity IS 'what workers are doing for it just now, NULL: nothing';
COMMENT ON COLUMN personalize.stat_processor.waiting IS
	'events that it has not counted yet; the count stops after 1,000,000 events read; during a rebuild, what is left to do';
COMMENT ON COLUMN personalize.stat_processor.lag IS
	'how long ago the oldest waiting event arrived, 0 if none waits; those of a rebuild and imported history do not count';
COMMENT ON COLUMN personalize.stat_processor.lag_seconds IS 'lag in seconds';
COMMENT ON COLUMN personalize.stat_processor.events IS 'events counted since it was installed or last rebuilt';
COMMENT ON COLUMN personalize.stat_processor.batches IS 'batches run';
COMMENT ON COLUMN personalize.stat_processor.rejected IS 'events set aside in rejected_event because they could not be counted';
COMMENT ON COLUMN personalize.stat_processor.last_batch_at IS 'when its last batch ended';
COMMENT ON COLUMN personalize.stat_processor.failures IS 'batches that failed and were tried again';
COMMENT ON COLUMN personalize.stat_processor.last_error IS 'why the last batch failed, NULL once one has succeeded';
COMMENT ON COLUMN personalize.stat_processor.last_error_at IS 'when a batch last failed';
COMMENT ON COLUMN personalize.stat_processor.rebuilding_since IS 'when rebuild_processor() was called, NULL once it has caught up';
COMMENT ON COLUMN personalize.stat_processor.rebuilding IS 'waiting events that it had counted before it was rebuilt';
COMMENT ON COLUMN personalize.stat_processor.imported IS 'other waiting events that are history: they arrived with the time they happened, more than a day ago';
COMMENT ON COLUMN personalize.stat_processor.stale_reads IS
	'reads since the server started that returned the profile without its newest events because too many were waiting (personalize.max_tail_events); profile only; without shared_preload_libraries, of this session';
GRANT SELECT ON personalize.stat_processor TO personalize_admin, personalize_monitor;

CREATE FUNCTION personalize_internal._stat_progress(
	OUT task text, OUT subject text, OUT pid integer, OUT started_at timestamptz, OUT done bigint, OUT total bigint, OUT unit text,
	OUT percent numeric, OUT time_left interval) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 3
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.task, p.subject, p.pid, p.started_at, p.done, p.total, p.unit, round(100.0 * p.done / p.total, 1),
		CASE WHEN p.done > 0 THEN date_trunc('second', (clock_timestamp() - p.started_at) * ((p.total - p.done)::float8 / p.done)) END
	FROM (
		SELECT 'rebuild_processor'::text AS task, r.name AS subject, NULL::integer AS pid, r.rebuilding_since AS started_at,
			r.rebuilding_total - l.shards AS done, r.rebuilding_total AS total, 'shards'::text AS unit
		FROM personalize.processor AS r, LATERAL (
			SELECT count(*) AS shards FROM personalize._rebuild AS s WHERE s.processor = r.processor AND s.part = 0) AS l
		WHERE l.shards > 0
		UNION ALL
		SELECT 'backfill_signal'::text AS task, coalesce(d.name, 'sequences') AS subject, NULL::integer AS pid, min(s.asked_at) AS started_at,
			64 - count(*) AS done, 64::bigint AS total, 'shards'::text AS unit
		FROM personalize._rebuild AS s LEFT JOIN personalize.signal AS d ON d.signal = s.part
		WHERE s.part <> 0 GROUP BY s.processor, s.part, d.name
		UNION ALL
		SELECT g.task, NULL::text AS subject, g.pid, g.started_at, g.done, g.total, g.unit FROM personalize_internal._progress() AS g) AS p
	WHERE p.total > 0
	ORDER BY p.started_at;
END;
COMMENT ON FUNCTION personalize_internal._stat_progress() IS 'what stat_progress shows';
REVOKE ALL ON FUNCTION personalize_internal._stat_progress() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._stat_progress() TO personalize_admin, personalize_monitor;

CREATE VIEW personalize.stat_progress AS
	SELECT p.*, extract(epoch FROM p.time_left)::float8 AS time_left_seconds FROM personalize_internal._stat_progress() AS p;
COMMENT ON VIEW personalize.stat_progress IS
	'rebuild_processor(), back-fills of signals, tune_neighbours(), fit_examination(), train_ranker(), export_training_data(), replay() and evaluate_policy() while they are at work: how far they are, and about when they end; without shared_preload_libraries only the first two';
COMMENT ON COLUMN personalize.stat_progress.task IS 'rebuild_processor, backfill_signal, tune_neighbours, fit_examination, train_ranker, export_training_data, replay or evaluate_policy';
COMMENT ON COLUMN personalize.stat_progress.subject IS 'the processor that is rebuilt, the signal that is filled in, or sequences: the steps that segments look at';
COMMENT ON COLUMN personalize.stat_progress.pid IS 'the process at it; NULL: the workers, or rollup_now()';
COMMENT ON COLUMN personalize.stat_progress.started_at IS 'when it was asked for';
COMMENT ON COLUMN personalize.stat_progress.done IS 'how much is done';
COMMENT ON COLUMN personalize.stat_progress.total IS 'out of how much; of trials about, for what is found decides what is tried next';
COMMENT ON COLUMN personalize.stat_progress.unit IS 'of what: shards (of 64), events, trials or answers';
COMMENT ON COLUMN personalize.stat_progress.percent IS 'done of total';
COMMENT ON COLUMN personalize.stat_progress.time_left_seconds IS 'time_left in seconds';
COMMENT ON COLUMN personalize.stat_progress.time_left IS 'how long it takes from now at the pace so far, NULL: nothing is done yet';
GRANT SELECT ON personalize.stat_progress TO personalize_admin, personalize_monitor;

CREATE FUNCTION personalize_internal._health_processors(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 6
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'processor ' || s.processor,
		s.enabled AND s.failing IS NULL AND s.lag < interval '1 minute' AND (s.at_work OR s.rebuilding + s.imported = 0),
		format('%s events waiting, %s seconds behind', s.waiting, round(extract(epoch FROM s.lag)))
			|| CASE WHEN s.enabled THEN '' ELSE '; disabled' END
			|| CASE WHEN s.rebuilding > 0 THEN format('; %s to be counted anew, rebuilding since %s', s.rebuilding, s.rebuilding_since) ELSE '' END
			|| CASE WHEN s.imported > 0 THEN format('; %s are imported history', s.imported) ELSE '' END
			|| coalesce('; blocked by ' || s.blocker, '')
			|| coalesce('; fails: ' || s.failing, ''),
		CASE
			WHEN NOT s.enabled THEN format('Run SELECT personalize.enable_processor(%L).', s.processor)
			WHEN s.blocker IS NOT NULL THEN format('See what that session is for; this ends it: %s.', s.end_blocker)
			WHEN s.failing IS NOT NULL THEN 'Correct what the error says; nothing is lost, the batch is tried again.'
			WHEN s.lag >= interval '1 minute' THEN
				'See whether workers run (above); raise personalize.workers, or call rollup_now().'
			WHEN NOT s.at_work AND s.rebuilding + s.imported > 0 THEN 'No worker is at it: see above, or call rollup_now().'
		END
	FROM (
		SELECT p.*, b.blocker, b.fix AS end_blocker,
			CASE WHEN p.last_error_at > coalesce(p.last_batch_at, '-infinity') THEN p.last_error END AS failing,
			b.blocker IS NULL AND (EXISTS (SELECT FROM personalize_internal._worker_state() AS w)
				OR p.last_batch_at > clock_timestamp() - interval '1 minute') AS at_work
		FROM personalize_internal._stat_processor() AS p
		LEFT JOIN personalize_internal._processor_blocker() AS b
			ON p.waiting > 0 AND b.processor = personalize_internal._processor_number(p.processor)) AS s;
END;
REVOKE ALL ON FUNCTION personalize_internal._health_processors() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._health_processors() TO personalize_admin, personalize_monitor;

CREATE FUNCTION personalize_internal._days_ahead() RETURNS date[]
	AS 'MODULE_PATHNAME', 'personalize_days_ahead' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._days_ahead() IS
	'days (UTC) of event that have rows although they are yet to come by the server''s clock';
REVOKE ALL ON FUNCTION personalize_internal._days_ahead() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._days_ahead() TO personalize_owner, personalize_admin;

-- Days of event that are not as they were made.
CREATE FUNCTION personalize_internal._day_faults(OUT day date, OUT fault text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 1
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH event AS (
		SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = 'personalize' AND c.relname = 'event'),
	attached AS (
		SELECT c.oid, c.oid::regclass::text AS name, n.nspname = 'personalize' AS ours, c.relname
		FROM event AS e JOIN pg_inherits AS h ON h.inhparent = e.oid
			JOIN pg_class AS c ON c.oid = h.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace),
	made AS (
		SELECT d.day, d.rolled, t.oid AS partition, a.oid IS NOT NULL AS attached, t.name
		FROM (SELECT m.day, m.rolled, format('event_p%s', translate(m.day::text, '-', '')) AS relname FROM personalize._event_day AS m) AS d,
			LATERAL (SELECT 'personalize.' || d.relname AS name, to_regclass('personalize.' || d.relname)::oid AS oid) AS t
			LEFT JOIN attached AS a ON a.oid = t.oid)
	SELECT m.day, format('%s was dropped, moved or renamed%s', m.name, CASE WHEN m.rolled THEN '' ELSE ' before all processors had counted it' END),
		format('Bring it back, or take note: DELETE FROM personalize._event_day WHERE day = %L; what was counted stays, rebuild_processor() counts what there is.', m.day::text)
	FROM made AS m WHERE m.partition IS NULL
	UNION ALL
	SELECT m.day, format('%s is detached: queries of event do not see it', m.name),
		format('ALTER TABLE personalize.event ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L), or DROP TABLE %1$s.',
			m.name, m.day::text || 'T00:00:00Z', (m.day + 1)::text || 'T00:00:00Z')
	FROM made AS m WHERE m.partition IS NOT NULL AND NOT m.attached
	UNION ALL
	SELECT m.day, format('%s is empty although events were stored in it and not deleted: truncated', m.name),
		format('Restore it, or take note: SELECT pg_stat_reset_single_table_counters(%L::regclass); what was counted stays, rebuild_processor() counts what there is.', m.name)
	FROM made AS m WHERE m.attached AND pg_relation_size(m.partition) = 0
		AND pg_stat_get_tuples_inserted(m.partition) > pg_stat_get_tuples_deleted(m.partition)
		-- reset_for_tests() leaves such days
		AND coalesce(current_setting('personalize.allow_reset', true), 'off') <> 'on'
	UNION ALL
	SELECT NULL, format('%s was attached by hand: processors and retention do not reach it', a.name),
		format('ALTER TABLE personalize.event DETACH PARTITION %s, and bring history in by import_events().', a.name)
	FROM attached AS a WHERE NOT EXISTS (SELECT FROM made AS m WHERE m.partition = a.oid);
END;
COMMENT ON FUNCTION personalize_internal._day_faults() IS
	'partitions of event that somebody has dropped, detached, truncated or attached, and how to put that right';
REVOKE ALL ON FUNCTION personalize_internal._day_faults() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._day_faults() TO personalize_admin;

CREATE FUNCTION personalize_internal._health_tables(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 5
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'partitions ahead', p.days >= 2 OR NOT s.in_use,
		coalesce('event has partitions up to ' || p.last, 'event has no partitions yet'),
		CASE WHEN p.days < 2 AND s.in_use THEN 'Run SELECT personalize_internal._make_partitions_ahead(); see that a worker runs or rollup_now() is scheduled.' END
	FROM (
		SELECT count(*) FILTER (WHERE d.day >= (personalize_internal._now() AT TIME ZONE 'UTC')::date) AS days, max(d.day) AS last
		FROM personalize._event_day AS d) AS p, personalize_internal._server_state() AS s
	UNION ALL
	SELECT 'oldest unprocessed partition', coalesce(d.oldest >= (personalize_internal._now() AT TIME ZONE 'UTC')::date - 3, true),
		coalesce('not every processor has passed ' || d.oldest, 'none'),
		CASE WHEN d.oldest < (personalize_internal._now() AT TIME ZONE 'UTC')::date - 3 THEN
			'Retention cannot drop this day and readers still look at it: see stat_processor for the processor that is behind or disabled.' END
	FROM (SELECT min(d.day) AS oldest FROM personalize._event_day AS d WHERE NOT d.rolled) AS d
	UNION ALL
	SELECT 'days yet to come', cardinality(a.days) = 0,
		CASE WHEN cardinality(a.days) = 0 THEN 'no event has arrived after today'
			ELSE 'events arrived on ' || (
				SELECT string_agg(d.day::text, ', ' ORDER BY d.day) FROM unnest(a.days) AS d (day)) || ': the clock was ahead' END,
		CASE WHEN cardinality(a.days) > 0 THEN
			'See that the server keeps time (NTP). These events are counted, found and erased like others; retention keeps them so much longer.' END
	FROM (SELECT personalize_internal._days_ahead() AS days) AS a
	UNION ALL
	SELECT 'days of event', count(*) = 0, coalesce(string_agg(f.fault, '; ' ORDER BY f.day, f.fault), 'all are as they were made'),
		string_agg(f.fix, ' ' ORDER BY f.day, f.fault)
	FROM personalize_internal._day_faults() AS f
	UNION ALL
	SELECT 'unlogged tables', count(*) = 0, coalesce(string_agg(u.name, ', ' ORDER BY u.name), 'none'),
		CASE WHEN count(*) > 0 THEN 'A crash empties them, and standbys have nothing of them: ' ||
			string_agg(format('ALTER TABLE %s SET LOGGED;', u.name), ' ' ORDER BY u.name) END
	FROM (
		SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid
		WHERE n.nspname = 'personalize' AND c.relkind = 'r' AND c.relpersistence = 'u') AS u
	UNION ALL
	SELECT 'purposes', p.any_allowed,
		CASE WHEN p.any_allowed THEN 'some purposes are allowed' ELSE 'nobody has allowed any purpose: events are not stored' END,
		CASE WHEN NOT p.any_allowed THEN
			'Record permissions with personalize.grant_consent() or the consent of an event; personalize.why_suppressed(user_id) tells more.' END
	FROM personalize_internal._table_state() AS p
	UNION ALL
	SELECT 'events set aside', r.set_aside = 0,
		format('%s events could not be counted by a processor', r.set_aside)
			|| coalesce('; last by ' || personalize_internal._for_admins(r.last_set_aside), ''),
		CASE WHEN r.set_aside > 0 THEN
			'See personalize.rejected_event WHERE source IN (SELECT name FROM personalize.processor); delete the rows that are settled.' END
	FROM personalize_internal._table_state() AS r
	UNION ALL
	SELECT 'key collisions', r.collisions = 0,
		coalesce(personalize_internal._for_admins(r.first_collision), 'every id has a key of its own'),
		CASE WHEN r.collisions > 0 THEN
			'Give one of them another id: they cannot be told apart. Then delete the row of personalize.rejected_event WHERE source = ''dictionary''.' END
	FROM personalize_internal._table_state() AS r;
END;
REVOKE ALL ON FUNCTION personalize_internal._health_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._health_tables() TO personalize_admin, personalize_monitor;

CREATE FUNCTION personalize_internal._health_features(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH newest AS (
		SELECT DISTINCT ON (s.name, s.feature) s.name, s.feature, s.psi
		FROM personalize.feature_stats AS s
		WHERE s.version = (SELECT max(v.version) FROM personalize.feature_view AS v WHERE v.name = s.name)
		ORDER BY s.name, s.feature, s.computed_at DESC
	)
	SELECT 'features', count(*) FILTER (WHERE n.psi > 0.25) = 0,
		CASE WHEN count(*) = 0 THEN 'there are no statistics of feature views'
			WHEN count(*) FILTER (WHERE n.psi > 0.25) = 0 THEN format('%s are as they were a week ago', count(n.psi))
			ELSE 'much has changed within a week in ' || string_agg(format('%s of %s (psi %s)', n.feature, n.name, round(n.psi::numeric, 2)), ', '
				ORDER BY n.psi DESC, n.name, n.feature) FILTER (WHERE n.psi > 0.25) END,
		CASE WHEN count(*) FILTER (WHERE n.psi > 0.25) > 0
			THEN 'See personalize.feature_stats: fill, mean and bins. Events, catalogue or consent may have changed; models that read these may have to be trained anew.' END
	FROM newest AS n;
END;
COMMENT ON FUNCTION personalize_internal._health_features() IS 'the check of health() that is about feature views';
REVOKE ALL ON FUNCTION personalize_internal._health_features() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._health_features() TO personalize_owner, personalize_admin, personalize_monitor;

-- Windows that are not told: of the last 31 days, for what is older cannot be helped.
CREATE FUNCTION personalize_internal._health_cohorts(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH untold AS (
		SELECT w.status, count(*) AS windows, string_agg(DISTINCT w.name, ', ' ORDER BY w.name) AS reports
		FROM personalize_internal._cohort_windows() AS w
		WHERE w.status IN ('over budget', 'no policy', 'events gone') AND w.window_end > personalize_internal._now() - interval '31 days'
		GROUP BY w.status
	), budget AS (
		SELECT format('; privacy budget of %s: %s of %s spent', to_char(b.month, 'YYYY-MM'), b.spent, b.monthly_epsilon) AS told
		FROM personalize.cohort_budget AS b
		WHERE b.month = date_trunc('month', personalize_internal._now() AT TIME ZONE 'UTC')::date AND b.monthly_epsilon IS NOT NULL
	)
	SELECT 'cohorts', count(*) = 0,
		CASE WHEN NOT personalize_internal._has_cohort_reports() THEN 'there are no cohort reports'
			ELSE coalesce(string_agg(format('windows that are not released, %s: %s (%s)', u.status, u.windows, u.reports), '; ' ORDER BY u.status), 'no window is held back')
				|| coalesce((SELECT b.told FROM budget AS b), '') END,
		nullif(concat_ws(' ',
			CASE WHEN bool_or(u.status = 'over budget') THEN 'The privacy budget of a month is spent: leave these windows untold, drop_cohort_report() what is not needed, make longer windows, or raise monthly_epsilon by set_cohort_policy().' END,
			CASE WHEN bool_or(u.status = 'no policy') THEN 'Say how much may be told: SELECT personalize.set_cohort_policy(epsilon => 0.5, monthly_epsilon => 5).' END,
			CASE WHEN bool_or(u.status = 'events gone') THEN 'Raw events were dropped before the window was released: see that workers run or release_cohorts() is scheduled, and set_retention(''event'', ...) to more than a window and a day.' END), '')
	FROM untold AS u;
END;
COMMENT ON FUNCTION personalize_internal._health_cohorts() IS 'the check of health() that is about cohort reports and their privacy budget';
REVOKE ALL ON FUNCTION personalize_internal._health_cohorts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._health_cohorts() TO personalize_owner, personalize_admin, personalize_monitor;

CREATE FUNCTION personalize.health(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 15 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'preload', s.preloaded,
		CASE WHEN s.preloaded THEN 'the library is preloaded'
			ELSE 'the library is not preloaded: there are no background workers' END,
		CASE WHEN NOT s.preloaded THEN
			'Add personalize to shared_preload_libraries and restart; where that is not possible, schedule SELECT * FROM personalize.rollup_now().' END
	FROM personalize_internal._server_state() AS s
	UNION ALL
	SELECT 'version', s.version_matches,
		format('library %s, extension %s', s.library_version,
			(SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'personalize')),
		CASE WHEN NOT s.version_matches THEN
			'Processors are stopped until they agree: run ALTER EXTENSION personalize UPDATE, or restart the server if the library is the older one.' END
	FROM personalize_internal._server_state() AS s
	UNION ALL
	SELECT 'workers',
		pg_catalog.pg_is_in_recovery() OR NOT s.preloaded OR w.count > 0 OR s.slots_short,
		CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'a standby has none'
			ELSE pg_catalog.format('%s running in this database', w.count)
				|| CASE WHEN s.slots_short THEN '; databases take turns because worker slots are short' ELSE '' END
				|| CASE WHEN s.in_use THEN '' ELSE '; they begin with the first event since the installation or restore' END END,
		CASE WHEN NOT s.in_use THEN 'After a restore, SELECT * FROM personalize.rollup_now() begins at once.'
			WHEN s.slots_short THEN 'Raise max_worker_processes, or name fewer databases in personalize.databases.'
			WHEN s.preloaded AND w.count = 0 THEN
				'See the server log; check max_worker_processes, personalize.databases, the CONNECT privilege and LOGIN of personalize_owner.' END
	FROM personalize_internal._server_state() AS s,
		(SELECT pg_catalog.count(*) AS count FROM personalize_internal._worker_state()) AS w
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_processors() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_tables() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_catalogue() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_retention() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_publications() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_data_quality() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_models() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_features() AS h
	UNION ALL
	SELECT h."check", h.ok, h.detail, h.fix FROM personalize_internal._health_cohorts() AS h
	UNION ALL
	SELECT 'invalid indexes', pg_catalog.count(*) = 0,
		CASE WHEN pg_catalog.count(*) = 0 THEN 'none'
			ELSE 'left by a REINDEX or CREATE INDEX that was ended: ' || pg_catalog.string_agg(x.index_name, ', ' ORDER BY x.index_name) END,
		CASE WHEN pg_catalog.bool_or(NOT x.removable) THEN 'DROP INDEX CONCURRENTLY or REINDEX INDEX CONCURRENTLY: '
				|| pg_catalog.string_agg(x.index_name, ', ' ORDER BY x.index_name) FILTER (WHERE NOT x.removable) || '.'
			WHEN pg_catalog.count(*) > 0 THEN 'Run SELECT * FROM personalize.scrub_erased(): it drops them.' END
	FROM personalize_internal._invalid_index() AS x WHERE NOT x.at_work
	UNION ALL
	SELECT 'cleanup', pg_catalog.count(*) = 0,
		CASE WHEN pg_catalog.count(*) = 0 THEN 'nothing holds the removal of old row versions back'
			ELSE 'held back by ' || pg_catalog.string_agg(b.what, ', ' ORDER BY b.what) END,
		CASE WHEN pg_catalog.count(*) > 0 THEN
			'End the transaction, COMMIT or ROLLBACK PREPARED, or drop the slot: until then tables of frequent updates grow.' END
	FROM (
		SELECT pg_catalog.format('replication slot "%s"', r.slot_name) AS what
		FROM pg_catalog.pg_replication_slots AS r
		WHERE greatest(pg_catalog.age(r.xmin), pg_catalog.age(r.catalog_xmin)) > 1000000
		UNION ALL
		SELECT pg_catalog.format('prepared transaction "%s"', x.gid)
		FROM pg_catalog.pg_prepared_xacts AS x
		WHERE x.prepared < pg_catalog.now() - interval '1 hour'
		UNION ALL
		SELECT pg_catalog.format('transaction of process %s', a.pid)
		FROM pg_catalog.pg_stat_activity AS a
		WHERE pg_catalog.age(a.backend_xmin) > 1000000
			OR (a.xact_start < pg_catalog.now() - interval '1 hour'
				AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL))
		UNION ALL
		SELECT pg_catalog.format('standby "%s" (hot_standby_feedback)', p.application_name)
		FROM pg_catalog.pg_stat_replication AS p
		WHERE pg_catalog.age(p.backend_xmin) > 1000000) AS b;
END;
COMMENT ON FUNCTION personalize.health() IS
	'one row a check: whether it is well, what was found, and what to do if it is not; a member of pg_read_all_stats also sees transactions older than an hour, and only one of personalize_admin the texts of errors, which may name persons';
REVOKE ALL ON FUNCTION personalize.health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.health() TO personalize_admin, personalize_monitor;

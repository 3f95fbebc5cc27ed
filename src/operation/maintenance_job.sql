-- maintenance_job: the jobs that keep a database in order, and how they fare.
CREATE TABLE personalize._maintenance (
	job text PRIMARY KEY,
	job_name text NOT NULL,
	command text NOT NULL,
	place text,
	scheduled_by name NOT NULL,
	scheduled_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE personalize._maintenance IS
	'the jobs schedule_maintenance() has scheduled, or printed statements for; place: the database of pg_cron, NULL: this one. Not dumped: pg_cron keeps the jobs themselves';

CREATE FUNCTION personalize_internal._maintenance_job(
	OUT job text, OUT schedule text, OUT command text, OUT every interval, OUT origin timestamptz,
	OUT wanted boolean, OUT elsewhere boolean, OUT job_name text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH n (job, name) AS (
		-- pg_cron cuts names after 63 bytes
		SELECT v.job, CASE WHEN octet_length(f.name) <= 63 THEN f.name
			ELSE left(f.name, (SELECT max(k) FROM generate_series(1, 54) AS k WHERE octet_length(left(f.name, k)) <= 54))
				|| '-' || left(md5(f.name), 8) END
		FROM (VALUES ('retention'), ('partitions'), ('rollup'), ('cohorts'), ('scrub'), ('log')) AS v (job),
			LATERAL (SELECT format('personalize %s of %s', v.job, current_database()) AS name) AS f)
	SELECT j.job, j.schedule, j.command, j.every, j.origin, j.wanted, j.elsewhere, n.name
	FROM n JOIN (VALUES
			('retention', '*/15 * * * *', 'CALL personalize.run_retention(pause => ''6 hours'')',
				interval '15 minutes', timestamptz '2000-01-01 00:00+00', true, false),
			('partitions', '7 * * * *', 'SELECT personalize_internal._make_partitions_ahead()',
				interval '1 hour', timestamptz '2000-01-01 00:07+00', true, false),
			('rollup', '* * * * *', 'SELECT * FROM personalize.rollup_now()',
				interval '1 minute', timestamptz '2000-01-01 00:00+00',
				NOT (SELECT s.preloaded FROM personalize_internal._server_state() AS s), false),
			('cohorts', '43 * * * *', 'CALL personalize.release_cohorts()',
				interval '1 hour', timestamptz '2000-01-01 00:43+00',
				NOT (SELECT s.preloaded FROM personalize_internal._server_state() AS s) AND personalize_internal._has_cohort_reports(), false),
			('scrub', '37 * * * *', 'SELECT * FROM personalize.scrub_erased()',
				interval '1 hour', timestamptz '2000-01-01 00:37+00',
				EXISTS (SELECT FROM pg_proc AS p
					WHERE p.pronamespace = 'personalize'::regnamespace AND p.proname = 'scrub_erased'), false),
			('log', '23 3 * * *',
				(SELECT format('DELETE FROM cron.job_run_details AS d USING cron.job AS j WHERE j.jobid = d.jobid'
					|| ' AND j.jobname IN (%s) AND d.end_time < now() - interval ''7 days''',
					string_agg(quote_literal(m.name), ', ' ORDER BY m.name)) FROM n AS m),
				interval '1 day', timestamptz '2000-01-01 03:23+00', true, true)
		) AS j (job, schedule, command, every, origin, wanted, elsewhere) ON j.job = n.job;
END;
COMMENT ON FUNCTION personalize_internal._maintenance_job() IS
	'the jobs: what they run and when; wanted: this database needs it; elsewhere: it runs in the database of pg_cron';

CREATE FUNCTION personalize_internal._note_maintenance(job text, job_name text, command text, place text, role name, keep_it boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT keep_it THEN
		DELETE FROM personalize._maintenance AS m WHERE m.job = _note_maintenance.job;
		RETURN;
	END IF;
	INSERT INTO personalize._maintenance AS m (job, job_name, command, place, scheduled_by)
	VALUES (_note_maintenance.job, _note_maintenance.job_name, _note_maintenance.command, _note_maintenance.place, _note_maintenance.role)
	ON CONFLICT ON CONSTRAINT _maintenance_pkey DO UPDATE SET job_name = excluded.job_name, command = excluded.command,
		place = excluded.place, scheduled_by = excluded.scheduled_by, scheduled_at = excluded.scheduled_at
	WHERE (m.job_name, m.command, m.scheduled_by) <> (excluded.job_name, excluded.command, excluded.scheduled_by)
		OR m.place IS DISTINCT FROM excluded.place;
END
$$;
COMMENT ON FUNCTION personalize_internal._note_maintenance(text, text, text, text, name, boolean) IS
	'remembers, or forgets, that a job was scheduled';

-- Where pg_cron is: NULL here, else its database, or '' if nobody can tell.
CREATE FUNCTION personalize_internal._cron_place() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
		RETURN NULL;
	END IF;
	RETURN coalesce(current_setting('cron.database_name', true), '');
EXCEPTION WHEN insufficient_privilege THEN
	RETURN '';
END
$$;
COMMENT ON FUNCTION personalize_internal._cron_place() IS
	'the database of pg_cron: NULL this one, an empty string if it cannot be told';

-- What the current user lacks to make jobs of pg_cron, as the statements that give it.
CREATE FUNCTION personalize_internal._cron_missing() RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT string_agg(format('GRANT %s TO %I;', m.privilege, current_user), ' ' ORDER BY m.place)
	FROM (
		SELECT 1, 'USAGE ON SCHEMA cron' FROM pg_namespace AS n
		WHERE n.nspname = 'cron' AND NOT has_schema_privilege(n.oid, 'USAGE')
		UNION ALL
		SELECT 2, format('EXECUTE ON FUNCTION %s', p.oid::regprocedure)
		FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
		WHERE n.nspname = 'cron' AND (p.proname, p.pronargs) IN (('schedule', 3), ('unschedule', 1)) AND NOT has_function_privilege(p.oid, 'EXECUTE')
		UNION ALL
		SELECT 3, format('%s ON TABLE %s', t.privilege, c.oid::regclass)
		FROM (VALUES ('job', 'SELECT'), ('job_run_details', 'SELECT'), ('job_run_details', 'DELETE')) AS t (name, privilege)
			JOIN pg_class AS c ON c.relname = t.name JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = 'cron' AND NOT has_table_privilege(c.oid, t.privilege)) AS m (place, privilege);
END;
COMMENT ON FUNCTION personalize_internal._cron_missing() IS
	'the grants the current user lacks to make jobs of pg_cron in this database; NULL: none';

CREATE FUNCTION personalize_internal._cron_host() RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_cron_host' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._cron_host() IS
	'cron.host, to which pg_cron connects; NULL if it need not. A job keeps the host it was made with';

CREATE FUNCTION personalize_internal._cron_unreachable() RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_cron_unreachable' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION personalize_internal._cron_unreachable() IS
	'why pg_cron could not connect to run a job of the current user in this database, found out by beginning such a connection; NULL: it can, need not, or it cannot be told';

-- Whoever schedules the jobs is whom they run as.
CREATE FUNCTION personalize_internal._check_cron() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	missing text := personalize_internal._cron_missing();
BEGIN
	IF NOT (SELECT r.rolcanlogin FROM pg_roles AS r WHERE r.rolname = current_user) THEN
		RAISE EXCEPTION 'role "%" cannot log in, so pg_cron cannot run jobs as it', current_user
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = format('Call schedule_maintenance() as a member of personalize_admin that can log in, or run ALTER ROLE %I LOGIN.', current_user);
	END IF;
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'role "%" lacks rights on schema cron', current_user
			USING ERRCODE = 'insufficient_privilege', HINT = format('As a superuser, run: %s', missing);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_cron() IS 'raises if the current user cannot have jobs of pg_cron in this database';

CREATE FUNCTION personalize_internal._warn_cron() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	why text := personalize_internal._cron_unreachable();
BEGIN
	IF why IS NOT NULL THEN
		RAISE WARNING 'pg_cron cannot connect to run the jobs: %', why
			USING HINT = 'Put this line into postgresql.conf and restart the server, then it need not connect: cron.use_background_workers = on';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._warn_cron() IS 'warns if pg_cron cannot connect';

-- Other roles' jobs cannot be seen by those who are no superusers: who scheduled
-- one is remembered, so that it does not run twice.
CREATE FUNCTION personalize_internal._scheduled_by(job text, job_name text) RETURNS name
LANGUAGE sql STABLE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.scheduled_by FROM personalize._maintenance AS m JOIN pg_roles AS r ON r.rolname = m.scheduled_by
	WHERE m.job = _scheduled_by.job AND m.job_name = _scheduled_by.job_name AND m.place IS NULL;
END;
COMMENT ON FUNCTION personalize_internal._scheduled_by(text, text) IS 'the role that has scheduled a job in this database, NULL: none that exists';

-- Whether the current user sees the jobs of a role in cron.job.
CREATE FUNCTION personalize_internal._sees_jobs(role name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT current_user = role OR EXISTS (
		SELECT FROM pg_roles AS r WHERE r.rolname = current_user AND (r.rolsuper OR r.rolbypassrls));
END;
COMMENT ON FUNCTION personalize_internal._sees_jobs(name) IS 'whether the current user sees the jobs of a role in cron.job';

CREATE FUNCTION personalize.schedule_maintenance(
	OUT job text, OUT schedule text, OUT result text, OUT statement text) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	place text := personalize_internal._cron_place();
	j record;
	jobs bigint[];
	same boolean;
	other name;
	host text := personalize_internal._cron_host();
BEGIN
	IF place = '' THEN
		RAISE NOTICE 'pg_cron is not in this database, and where it is cannot be told'
			USING HINT = 'Run the statements in the database that cron.database_name names.';
	ELSIF place IS NOT NULL THEN
		RAISE NOTICE 'pg_cron lives in database "%": run the statements there', place;
	ELSE
		PERFORM personalize_internal._check_cron();
	END IF;
	PERFORM personalize_internal._warn_cron();
	FOR j IN SELECT * FROM personalize_internal._maintenance_job() LOOP
		schedule_maintenance.job := j.job;
		schedule := j.schedule;
		statement := CASE WHEN place IS NULL OR j.elsewhere
			THEN format('SELECT cron.schedule(%L, %L, %L);', j.job_name, j.schedule, j.command)
			ELSE format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', j.job_name, j.schedule, j.command, current_database()) END;
		IF place IS NOT NULL THEN
			PERFORM personalize_internal._note_maintenance(j.job, j.job_name, j.command, place, current_user, j.wanted);
			CONTINUE WHEN NOT j.wanted;
			result := CASE WHEN place = '' THEN 'run it where pg_cron lives' ELSE format('run it in database "%s"', place) END;
			RETURN NEXT;
			CONTINUE;
		END IF;
		other := personalize_internal._scheduled_by(j.job, j.job_name);
		IF NOT personalize_internal._sees_jobs(other) THEN
			result := format('is scheduled by role "%s"', other);
			RETURN NEXT;
			CONTINUE;
		END IF;
		EXECUTE 'SELECT array_agg(c.jobid), bool_or(c.schedule = $2 AND c.command = $3 AND c.active AND coalesce(c.nodename = $4, true))'
			|| ' FROM cron.job AS c WHERE c.jobname = $1 AND c.database = current_database()'
			INTO jobs, same USING j.job_name, j.schedule, j.command, host;
		IF j.wanted AND same THEN
			result := 'unchanged';
		ELSIF j.wanted THEN
			-- a superuser sees those of others, which run as them; one made with another cron.host keeps it
			EXECUTE 'SELECT count(cron.unschedule(c.jobid)) FROM cron.job AS c'
				|| ' WHERE c.jobname = $1 AND c.database = current_database() AND (c.username <> current_user OR c.nodename <> $2)' USING j.job_name, host;
			other := current_user;
			EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING j.job_name, j.schedule, j.command;
			result := 'scheduled';
		ELSIF jobs IS NOT NULL THEN
			EXECUTE 'SELECT cron.unschedule(c) FROM unnest($1) AS c' USING jobs;
			result := 'unscheduled: not needed any more';
			statement := NULL;
		ELSE
			CONTINUE;
		END IF;
		PERFORM personalize_internal._note_maintenance(j.job, j.job_name, j.command, NULL, coalesce(other, current_user), j.wanted);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.schedule_maintenance() IS
	'has pg_cron run, as the caller, what keeps this database in order: apply_retention, partitions ahead, scrub_erased, rollup_now where the library is not preloaded, and the removal of their own entries of cron.job_run_details. Where pg_cron lives in another database, or nobody knows, it returns the statements to run there. Calling it again changes what has changed, and leaves what another role has scheduled. Warns if pg_cron cannot connect, with the setting. Errors: 42501 rights on schema cron are missing, 55000 the caller cannot log in';

CREATE FUNCTION personalize.unschedule_maintenance(
	OUT job text, OUT result text, OUT statement text) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	place text := personalize_internal._cron_place();
	j record;
	found_it boolean;
	other name;
BEGIN
	FOR j IN SELECT * FROM personalize_internal._maintenance_job() LOOP
		unschedule_maintenance.job := j.job;
		statement := format('SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = %L;', j.job_name);
		other := personalize_internal._scheduled_by(j.job, j.job_name);
		IF place IS NULL AND NOT personalize_internal._sees_jobs(other) THEN
			result := format('is scheduled by role "%s", which can unschedule it', other);
			RETURN NEXT;
			CONTINUE;
		END IF;
		PERFORM personalize_internal._note_maintenance(j.job, j.job_name, j.command, place, current_user, false);
		IF place IS NULL THEN
			EXECUTE 'SELECT count(cron.unschedule(c.jobid)) > 0 FROM cron.job AS c'
				|| ' WHERE c.jobname = $1 AND c.database = current_database()' INTO found_it USING j.job_name;
			CONTINUE WHEN NOT found_it;
			result := 'unscheduled';
		ELSE
			result := CASE WHEN place = '' THEN 'run it where pg_cron lives' ELSE format('run it in database "%s"', place) END;
		END IF;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.unschedule_maintenance() IS
	'takes the jobs of schedule_maintenance() away again, or returns the statements that do where pg_cron lives; calling it again does nothing';

-- Before the extension is dropped: its jobs would fail for ever.
CREATE FUNCTION personalize_internal._drop_jobs() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	place text := personalize_internal._cron_place();
	names text[] := ARRAY(SELECT j.job_name FROM personalize_internal._maintenance_job() AS j UNION SELECT m.job_name FROM personalize._maintenance AS m);
	dropped bigint := 0;
	others text;
BEGIN
	IF place IS NULL THEN
		EXECUTE 'SELECT count(cron.unschedule(c.jobid)) FROM cron.job AS c WHERE c.database = current_database() AND c.jobname = ANY ($1)'
			INTO dropped USING names;
		EXECUTE 'SELECT string_agg(format(''%s: %s'', c.jobid, c.command), ''; '' ORDER BY c.jobid) FROM cron.job AS c'
			|| ' WHERE c.database = current_database() AND strpos(c.command, ''personalize.'') > 0' INTO others;
	ELSIF EXISTS (SELECT FROM personalize._maintenance) THEN
		RAISE WARNING 'the jobs of personalize stay in pg_cron%, and will fail', CASE WHEN place <> '' THEN format(', in database "%s"', place) ELSE '' END
			USING HINT = format('Run there: SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname IN (%s);',
				(SELECT string_agg(quote_literal(n), ', ' ORDER BY n) FROM unnest(names) AS n));
	END IF;
	IF dropped > 0 THEN
		RAISE NOTICE '% jobs of personalize are taken out of pg_cron', dropped;
	END IF;
	IF others IS NOT NULL THEN
		RAISE WARNING 'jobs of pg_cron call functions of personalize, and will fail: %', others
			USING HINT = 'Take them away with SELECT cron.unschedule(jobid).';
	END IF;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'the jobs of personalize cannot be taken out of pg_cron: %', SQLERRM
		USING HINT = 'See table cron.job and SELECT cron.unschedule(jobid).';
END
$$;
COMMENT ON FUNCTION personalize_internal._drop_jobs() IS
	'takes the jobs of schedule_maintenance() out of pg_cron, or warns that they stay';
CREATE FUNCTION personalize_internal._leave_cron() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'personalize_leave_cron' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._leave_cron() IS
	'before the extension is dropped, its jobs are taken out of pg_cron';
REVOKE ALL ON FUNCTION personalize_internal._drop_jobs(), personalize_internal._leave_cron() FROM PUBLIC;

-- The runs pg_cron tells of: of this database's jobs, where it is here and the caller may see them.
CREATE FUNCTION personalize_internal._maintenance_runs(
	OUT job text, OUT last_run_at timestamptz, OUT last_result text, OUT last_detail text, OUT failures bigint,
	OUT last_error text, OUT last_error_at timestamptz, OUT registered boolean) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF personalize_internal._cron_place() IS NULL THEN
		RETURN QUERY EXECUTE 'SELECT k.job, l.start_time, l.status, l.return_message, f.failures, e.return_message,'
			|| ' e.start_time, c.jobid IS NOT NULL'
			|| ' FROM personalize_internal._maintenance_job() AS k'
			|| ' LEFT JOIN cron.job AS c ON c.jobname = k.job_name AND c.database = current_database() AND c.active'
			|| ' LEFT JOIN LATERAL (SELECT d.start_time, d.status, d.return_message FROM cron.job_run_details AS d'
			|| '  WHERE d.jobid = c.jobid AND d.status IN (''succeeded'', ''failed'') ORDER BY d.runid DESC LIMIT 1) AS l ON true'
			|| ' LEFT JOIN LATERAL (SELECT count(*) AS failures FROM cron.job_run_details AS d'
			|| '  WHERE d.jobid = c.jobid AND d.status = ''failed'') AS f ON true'
			|| ' LEFT JOIN LATERAL (SELECT d.start_time, d.return_message FROM cron.job_run_details AS d'
			|| '  WHERE d.jobid = c.jobid AND d.status = ''failed'' ORDER BY d.runid DESC LIMIT 1) AS e ON true';
	END IF;
EXCEPTION WHEN insufficient_privilege OR undefined_table THEN
	RETURN;
END
$$;
COMMENT ON FUNCTION personalize_internal._maintenance_runs() IS
	'what cron.job_run_details, as far as the caller may read it, says about the jobs of schedule_maintenance()';

CREATE FUNCTION personalize_internal._stat_maintenance(
	OUT job text, OUT scheduled_at timestamptz, OUT scheduled_by name, OUT place text, OUT every interval,
	OUT next_run_at timestamptz) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 5
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.job, m.scheduled_at, m.scheduled_by, m.place, j.every, date_bin(j.every, now(), j.origin) + j.every
	FROM personalize._maintenance AS m JOIN personalize_internal._maintenance_job() AS j ON j.job = m.job;
END;

CREATE FUNCTION personalize_internal._stat_retention(
	OUT task text, OUT keep interval, OUT last_run_at timestamptz, OUT last_result text, OUT last_detail text,
	OUT last_removed bigint, OUT removed bigint, OUT next_run_at timestamptz, OUT overdue boolean,
	OUT failures bigint, OUT last_error text, OUT last_error_at timestamptz) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 10
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT k.kind, CASE WHEN p.kind IS NULL THEN k.keep ELSE p.keep END, s.last_run_at, s.last_result,
		CASE s.last_result WHEN 'failed' THEN personalize_internal._for_admins(s.last_detail) ELSE s.last_detail END,
		coalesce(s.last_removed, 0), coalesce(s.removed, 0), m.next_run_at,
		-- what should have been removed two days ago is still there, or no run has succeeded for a day
		(k.kind = 'raw' AND o.day < d.before - 2)
			OR coalesce(greatest(s.well_at, m.scheduled_at) < now() - interval '1 day' - m.every, false),
		coalesce(s.failures, 0), personalize_internal._for_admins(s.last_error), s.last_error_at
	FROM (SELECT r.kind, r.place, r.keep FROM personalize_internal._retention_kind() AS r UNION ALL SELECT 'message'::text, 0, NULL::interval) AS k
		LEFT JOIN personalize.retention_policy AS p ON p.kind = k.kind AND p.event IS NULL
		LEFT JOIN personalize._retention_state AS s ON s.kind = k.kind
		LEFT JOIN personalize_internal._stat_maintenance() AS m ON m.job = 'retention',
		(SELECT coalesce(min(e.day), 'infinity') AS day FROM personalize._event_day AS e) AS o,
		(SELECT coalesce(CASE WHEN NOT bool_or(r.without_end) THEN min((now() AT TIME ZONE 'UTC') - r.keep) END, '-infinity')::date AS before
			FROM (SELECT w.keep, w.without_end FROM personalize.retention_policy AS w WHERE w.kind = 'raw'
				UNION ALL
				SELECT t.keep, false FROM personalize_internal._retention_kind() AS t WHERE t.kind = 'raw'
					AND NOT EXISTS (SELECT FROM personalize.retention_policy AS w WHERE w.kind = 'raw' AND w.event IS NULL)) AS r) AS d
	ORDER BY k.place;
END;

REVOKE ALL ON FUNCTION personalize_internal._maintenance_job(), personalize_internal._note_maintenance(text, text, text, text, name, boolean),
	personalize_internal._cron_place(), personalize_internal._cron_missing(), personalize_internal._cron_host(), personalize_internal._cron_unreachable(), personalize_internal._check_cron(), personalize_internal._warn_cron(),
	personalize_internal._scheduled_by(text, text), personalize_internal._sees_jobs(name),
	personalize.schedule_maintenance(), personalize.unschedule_maintenance(),
	personalize_internal._maintenance_runs(), personalize_internal._stat_maintenance(), personalize_internal._stat_retention() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._maintenance_job(), personalize_internal._note_maintenance(text, text, text, text, name, boolean),
	personalize_internal._cron_place(), personalize_internal._cron_missing(), personalize_internal._cron_host(), personalize_internal._cron_unreachable(), personalize_internal._check_cron(), personalize_internal._warn_cron(),
	personalize_internal._scheduled_by(text, text), personalize_internal._sees_jobs(name),
	personalize.schedule_maintenance(), personalize.unschedule_maintenance(),
	personalize_internal._maintenance_runs(), personalize_internal._stat_maintenance(), personalize_internal._stat_retention() TO personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._maintenance_job() TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize_internal._maintenance_job(), personalize_internal._cron_place(), personalize_internal._sees_jobs(name), personalize_internal._maintenance_runs(),
	personalize_internal._stat_maintenance(), personalize_internal._stat_retention() TO personalize_monitor;

CREATE VIEW personalize.stat_retention AS
	SELECT r.*, extract(epoch FROM r.keep)::bigint AS keep_seconds FROM personalize_internal._stat_retention() AS r
	UNION ALL
	SELECT 'job ' || m.job, NULL, c.last_run_at, c.last_result, c.last_detail, NULL, NULL, m.next_run_at,
		CASE WHEN c.registered THEN greatest(c.last_run_at, m.scheduled_at) < pg_catalog.now() - 2 * m.every - interval '1 hour'
			ELSE m.place IS NULL AND c.registered IS NOT NULL AND personalize_internal._sees_jobs(m.scheduled_by) END,
		c.failures, c.last_error, c.last_error_at, NULL
	FROM personalize_internal._stat_maintenance() AS m LEFT JOIN personalize_internal._maintenance_runs() AS c ON c.job = m.job;
COMMENT ON VIEW personalize.stat_retention IS
	'what apply_retention() did, one row a kind of data, and the jobs of schedule_maintenance(), as far as pg_cron is in this database and the reader may see its log';
COMMENT ON COLUMN personalize.stat_retention.task IS 'retention_policy.kind, message (personalize.dedup_window), or the name of a job';
COMMENT ON COLUMN personalize.stat_retention.keep IS 'how long it is kept; NULL: without end, or no kind of retention_policy';
COMMENT ON COLUMN personalize.stat_retention.keep_seconds IS 'keep in seconds, a month as 30 days';
COMMENT ON COLUMN personalize.stat_retention.last_run_at IS 'when it last ran, NULL: never';
COMMENT ON COLUMN personalize.stat_retention.last_result IS
	'what came of it: done, more, waits, busy or failed, as apply_retention() says; of a job succeeded or failed';
COMMENT ON COLUMN personalize.stat_retention.last_detail IS 'why';
COMMENT ON COLUMN personalize.stat_retention.last_removed IS 'rows the last run removed';
COMMENT ON COLUMN personalize.stat_retention.removed IS 'rows all runs removed';
COMMENT ON COLUMN personalize.stat_retention.next_run_at IS 'when the job runs next, NULL: it is not scheduled';
COMMENT ON COLUMN personalize.stat_retention.overdue IS
	'true: a day of events has outlived its time by more than two days, no run has succeeded for more than a day although one is scheduled, or a job has vanished from pg_cron or not run';
COMMENT ON COLUMN personalize.stat_retention.failures IS 'runs that failed; of a job, those still in the log of pg_cron';
COMMENT ON COLUMN personalize.stat_retention.last_error IS 'why the last of these failed';
COMMENT ON COLUMN personalize.stat_retention.last_error_at IS 'when that was';
GRANT SELECT ON personalize.stat_retention TO personalize_admin, personalize_monitor;

-- How long ago retention last ran, and whether there is anything it could be about.
CREATE FUNCTION personalize_internal._maintenance_due(OUT scheduled boolean, OUT applied_at timestamptz, OUT needed boolean)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM personalize._maintenance AS m WHERE m.job = 'retention'),
		(SELECT min(s.well_at) FROM personalize._retention_state AS s),
		s.in_use AND EXISTS (SELECT FROM personalize._event_day AS d WHERE d.day < (now() AT TIME ZONE 'UTC')::date - 1)
	FROM personalize_internal._server_state() AS s;
END;
REVOKE ALL ON FUNCTION personalize_internal._maintenance_due() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._maintenance_due() TO personalize_admin, personalize_monitor;

CREATE FUNCTION personalize_internal._health_retention(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 2
BEGIN ATOMIC
	SELECT 'retention', r.failing IS NULL AND r.overdue IS NULL,
		coalesce('fails: ' || r.failing, 'overdue: ' || r.overdue,
			'nothing has outlived its time' || coalesce('; last run ' || r.last_run_at, '')),
		CASE WHEN r.failing IS NOT NULL THEN 'Correct what the error says; nothing is half-done, the next run tries again.'
			WHEN r.overdue IS NOT NULL THEN
				'Run SELECT * FROM personalize.apply_retention() and see what it says; SELECT * FROM personalize.schedule_maintenance() has pg_cron run it.' END
	FROM (
		SELECT string_agg(s.task || ': ' || s.last_error, ', ') FILTER (WHERE s.last_result = 'failed') AS failing,
			string_agg(s.task || coalesce(' (' || s.last_detail || ')', ''), ', ') FILTER (WHERE s.overdue) AS overdue, max(s.last_run_at) AS last_run_at
		FROM personalize_internal._stat_retention() AS s) AS r
	UNION ALL
	SELECT 'maintenance jobs',
		j.failing IS NULL AND j.overdue IS NULL
			AND (d.scheduled OR NOT d.needed OR coalesce(d.applied_at > now() - interval '2 days', false)),
		coalesce('fails: ' || j.failing, 'overdue: ' || j.overdue,
			CASE WHEN d.scheduled THEN 'scheduled' ELSE 'never scheduled'
				|| coalesce('; retention last applied ' || d.applied_at, '') END),
		CASE WHEN j.failing IS NOT NULL THEN 'Correct what the error says; see cron.job_run_details.'
			WHEN j.overdue IS NOT NULL THEN 'See that pg_cron runs and has the jobs: SELECT * FROM personalize.schedule_maintenance().'
			WHEN NOT d.scheduled AND d.needed THEN 'Run SELECT * FROM personalize.schedule_maintenance(), or call apply_retention() regularly by other means.' END
	FROM (
		SELECT string_agg(s.task || ': ' || s.last_error, ', ') FILTER (WHERE s.last_result = 'failed') AS failing,
			string_agg(s.task, ', ') FILTER (WHERE s.overdue) AS overdue
		FROM personalize.stat_retention AS s WHERE s.task LIKE 'job %') AS j,
		personalize_internal._maintenance_due() AS d;
END;
REVOKE ALL ON FUNCTION personalize_internal._health_retention() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._health_retention() TO personalize_admin, personalize_monitor;

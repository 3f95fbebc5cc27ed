-- cohort: how many people inferred signals are about, anonymously.
CREATE TABLE personalize.cohort_policy (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	epsilon numeric NOT NULL CHECK (epsilon > 0 AND epsilon <= 10 AND epsilon = round(epsilon, 6)),
	monthly_epsilon numeric NOT NULL CHECK (monthly_epsilon > 0 AND monthly_epsilon <= 1000 AND monthly_epsilon = round(monthly_epsilon, 6)),
	k integer NOT NULL CHECK (k BETWEEN 20 AND 1000000),
	set_by name NOT NULL DEFAULT session_user,
	set_at timestamptz NOT NULL DEFAULT personalize_internal._now()
);
SELECT pg_catalog.pg_extension_config_dump('personalize.cohort_policy', '');
COMMENT ON TABLE personalize.cohort_policy IS
	'what the release of cohorts may tell about a person, one row; changed through set_cohort_policy. Without it nothing is released';
COMMENT ON COLUMN personalize.cohort_policy.epsilon IS 'privacy loss that one window of a report costs a person at most (differential privacy); the smaller, the more noise';
COMMENT ON COLUMN personalize.cohort_policy.monthly_epsilon IS 'what all windows that overlap a calendar month (UTC) may cost together; what would cost more is not released';
COMMENT ON COLUMN personalize.cohort_policy.k IS 'a cohort of fewer people is never shown';

CREATE TABLE personalize.cohort_report (
	report integer PRIMARY KEY CHECK (report > 0),
	name text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
	signal smallint NOT NULL REFERENCES personalize.signal ON UPDATE CASCADE,
	cohorts text[] NOT NULL,
	days integer NOT NULL CHECK (days BETWEEN 1 AND 31),
	first_window timestamptz NOT NULL,
	max_cohorts integer NOT NULL CHECK (max_cohorts BETWEEN 1 AND 100),
	max_contribution integer CHECK (max_contribution BETWEEN 1 AND 1000000),
	description text,
	created_at timestamptz NOT NULL DEFAULT personalize_internal._now()
);
SELECT pg_catalog.pg_extension_config_dump('personalize.cohort_report', '');
COMMENT ON TABLE personalize.cohort_report IS
	'which cohorts people are counted in, made through create_cohort_report and drop_cohort_report';
COMMENT ON COLUMN personalize.cohort_report.report IS 'never used again after drop_cohort_report';
COMMENT ON COLUMN personalize.cohort_report.signal IS 'signal.signal, of basis inferred';
COMMENT ON COLUMN personalize.cohort_report.cohorts IS 'values of the signal; others are not counted, so that nothing is told by there being a row';
COMMENT ON COLUMN personalize.cohort_report.days IS 'length of a window; windows begin at midnight UTC, those of a week on Mondays, and never overlap';
COMMENT ON COLUMN personalize.cohort_report.first_window IS 'where the first one begins';
COMMENT ON COLUMN personalize.cohort_report.max_cohorts IS 'a person counts in so many cohorts of a window at most, those of most weight';
COMMENT ON COLUMN personalize.cohort_report.max_contribution IS 'a person adds from 0 to so much to the total of a cohort; NULL: totals are not told, and people are told with half the noise';

CREATE FUNCTION personalize_internal._keep_cohort_signal() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	report text;
BEGIN
	SELECT r.name INTO report FROM personalize.cohort_report AS r WHERE r.signal = old.signal ORDER BY r.name LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'signal "%" is counted by cohort report "%"', old.name, report USING ERRCODE = 'dependent_objects_still_exist',
			HINT = format('SELECT personalize.drop_cohort_report(%L) first.', report);
	END IF;
	RETURN old;
END
$$;
COMMENT ON FUNCTION personalize_internal._keep_cohort_signal() IS 'refuses to drop a signal that a report counts';
CREATE TRIGGER keep_cohort_signal BEFORE DELETE ON personalize.signal
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_cohort_signal();

CREATE TABLE personalize.cohort_charge (
	report integer,
	window_start timestamptz,
	window_end timestamptz NOT NULL,
	name text NOT NULL,
	epsilon numeric NOT NULL,
	k integer NOT NULL,
	charged_at timestamptz NOT NULL DEFAULT personalize_internal._now(),
	PRIMARY KEY (report, window_start)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.cohort_charge', '');
COMMENT ON TABLE personalize.cohort_charge IS
	'the ledger of the privacy budget: what was paid for each window, before its noise was drawn. Rows stay, also of reports that were dropped';
COMMENT ON COLUMN personalize.cohort_charge.epsilon IS 'the policy''s when it was charged; with k it is what the window is released with';

CREATE TABLE personalize.cohort_release (
	report integer,
	window_start timestamptz,
	cohort text,
	people bigint,
	total bigint,
	PRIMARY KEY (report, window_start, cohort)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.cohort_release', '');
COMMENT ON TABLE personalize.cohort_release IS
	'what was released, with its noise, once and for all; read through cohort_answer';

CREATE FUNCTION personalize_internal._cohort_sums(signal smallint, cohorts text[], since timestamptz, until timestamptz, max_cohorts integer, max_contribution integer)
	RETURNS TABLE (place integer, people bigint, total bigint)
	AS 'MODULE_PATHNAME', 'personalize_cohort_sums' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 100 COST 1000000;
COMMENT ON FUNCTION personalize_internal._cohort_sums(smallint, text[], timestamptz, timestamptz, integer, integer) IS
	'the true numbers of people by cohort (its place from 1), and the sums of their contributions, out of raw events since <= ts < until of people who allow analytics and all purposes of the signal: for the release alone, which adds noise';
CREATE FUNCTION personalize_internal._cohort_events_since(signal smallint) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'personalize_cohort_events_since' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._cohort_events_since(smallint) IS
	'since when the raw events of an inferred signal are all there; NULL: no such signal';
CREATE FUNCTION personalize_internal._check_cohort(signal smallint, cohort text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_check_cohort' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_cohort(smallint, text) IS
	'error 22023 unless an inferred signal may count this value';
CREATE FUNCTION personalize_internal._discrete_laplace(numerator bigint, denominator bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_discrete_laplace' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._discrete_laplace(bigint, bigint) IS
	'a whole number z with probability (1 - p) / (1 + p) * p^|z|, p = e^(-denominator / numerator), from integers and strong random numbers alone (Canonne, Kamath, Steinke 2020, algorithm 2). Errors: 22023 not from 1 to 2^50';

CREATE FUNCTION personalize_internal._cohort_scale(epsilon numeric, max_cohorts integer, max_contribution integer,
	OUT people bigint, OUT total bigint, OUT millionths bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	-- what one person changes, in millionths; each of the two numbers has half of epsilon
	SELECT max_cohorts::bigint * CASE WHEN max_contribution IS NULL THEN 1 ELSE 2 END * 1000000,
		max_cohorts::bigint * max_contribution * 2 * 1000000, (epsilon * 1000000)::bigint;
END;
COMMENT ON FUNCTION personalize_internal._cohort_scale(numeric, integer, integer) IS
	'scales of the noise of both numbers of a cohort, as numerators over millionths: what a person may change, over the part of epsilon that is spent on it (Dwork, McSherry, Nissim, Smith 2006)';

CREATE FUNCTION personalize_internal._cohort_threshold(epsilon numeric, k integer, max_cohorts integer, max_contribution integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT k - 1 + greatest(ceil(s.people::numeric / s.millionths * ln(max_cohorts * 1e9)), 1)::bigint
	FROM personalize_internal._cohort_scale(epsilon, max_cohorts, max_contribution) AS s;
END;
COMMENT ON FUNCTION personalize_internal._cohort_threshold(numeric, integer, integer, integer) IS
	'the number of people with its noise from which on a cohort is shown: noise lifts one of fewer than k people there with probability 10^-9 / max_cohorts at most, so that never showing those costs a person no more than delta = 10^-9 a window';

CREATE FUNCTION personalize_internal._cohort_told(people bigint, noise bigint, k integer, threshold bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN people >= k AND people + noise >= threshold THEN people + noise END;
END;
COMMENT ON FUNCTION personalize_internal._cohort_told(bigint, bigint, integer, bigint) IS
	'a number of people as it is told, with its noise; NULL: they are too few, or may be';

CREATE FUNCTION personalize_internal._has_cohort_reports() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM personalize.cohort_report);
END;
COMMENT ON FUNCTION personalize_internal._has_cohort_reports() IS 'true if there is anything to release, which a monitor may know';

CREATE FUNCTION personalize_internal._cohort_windows(
	OUT report integer, OUT name text, OUT window_start timestamptz, OUT window_end timestamptz, OUT status text,
	OUT epsilon numeric, OUT k integer, OUT threshold bigint) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 100 COST 10000
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH clock AS MATERIALIZED (
		SELECT personalize_internal._now() AS now
	), closed AS (
		SELECT r.*, w.start, w.start + make_interval(hours => 24 * r.days) AS stop, personalize_internal._cohort_events_since(r.signal) AS events_since,
			coalesce((SELECT s.enabled FROM personalize.signal_state AS s WHERE s.signal = r.signal), true) AS enabled
		FROM clock AS n, personalize.cohort_report AS r,
			-- a day later, for events that come late
			generate_series(r.first_window, n.now - make_interval(hours => 24 * (r.days + 1)), make_interval(hours => 24 * r.days)) AS w (start)
	), window_of AS (
		SELECT d.report, d.name, d.start, d.stop, coalesce(c.epsilon, p.epsilon) AS epsilon, coalesce(c.k, p.k) AS k, d.max_cohorts, d.max_contribution,
			CASE WHEN EXISTS (SELECT FROM personalize.cohort_release AS a WHERE a.report = d.report AND a.window_start = d.start) THEN 'released'
				WHEN d.start < d.events_since THEN 'events gone'
				WHEN NOT d.enabled THEN 'signal disabled'
				WHEN c.report IS NOT NULL THEN 'charged'
				WHEN p.epsilon IS NULL THEN 'no policy'
				WHEN EXISTS (SELECT FROM generate_series(date_trunc('month', d.start AT TIME ZONE 'UTC'), (d.stop AT TIME ZONE 'UTC') - interval '1 microsecond', interval '1 month') AS m (month)
					WHERE p.epsilon + coalesce((SELECT sum(s.epsilon) FROM personalize.cohort_charge AS s
						WHERE s.window_end > m.month AT TIME ZONE 'UTC' AND s.window_start < (m.month + interval '1 month') AT TIME ZONE 'UTC'), 0) > p.monthly_epsilon)
					THEN 'over budget'
				ELSE 'due' END AS status
		FROM closed AS d LEFT JOIN personalize.cohort_charge AS c ON c.report = d.report AND c.window_start = d.start
			LEFT JOIN personalize.cohort_policy AS p ON true
	)
	SELECT w.report, w.name, w.start, w.stop, w.status, w.epsilon, w.k,
		personalize_internal._cohort_threshold(w.epsilon, w.k, w.max_cohorts, w.max_contribution)
	FROM window_of AS w ORDER BY w.stop, w.report;
END;
COMMENT ON FUNCTION personalize_internal._cohort_windows() IS 'the rows of cohort_window';

CREATE VIEW personalize.cohort_window AS
	SELECT w.name AS report, w.window_start, w.window_end, w.status, w.epsilon, w.k, w.threshold FROM personalize_internal._cohort_windows() AS w;
COMMENT ON VIEW personalize.cohort_window IS
	'the windows of cohort reports that are over, a day after their end, and what became of them. status: released; charged (paid for, about to be); due; over budget (monthly_epsilon of a month it is in would be exceeded); events gone (retention has removed raw events it needs); signal disabled; no policy. epsilon and k: what it was charged with, else the policy''s; threshold: a cohort is shown whose number of people with its noise is at least this, which is surely so from 2 * threshold - k people on (but for 1 in 10^9)';
CREATE VIEW personalize.cohort_answer AS
	SELECT r.name AS report, c.window_start, c.window_end, a.cohort, a.people, a.total
	FROM personalize.cohort_release a JOIN personalize.cohort_charge c USING (report, window_start) JOIN personalize.cohort_report r USING (report);
COMMENT ON VIEW personalize.cohort_answer IS
	'how many people of a window of a report are in each cohort, with noise, and their contributions in sum; NULL: too few to be told, or nobody. The same each time it is read';
CREATE VIEW personalize.cohort_budget AS
	SELECT m.month::date AS month, pg_catalog.sum(c.epsilon) AS spent, p.monthly_epsilon, greatest(p.monthly_epsilon OPERATOR(pg_catalog.-) pg_catalog.sum(c.epsilon), 0) AS remaining
	FROM personalize.cohort_charge c LEFT JOIN personalize.cohort_policy p ON true,
		LATERAL pg_catalog.generate_series(pg_catalog.date_trunc('month', c.window_start AT TIME ZONE 'UTC'),
			(c.window_end AT TIME ZONE 'UTC') OPERATOR(pg_catalog.-) interval '1 microsecond', interval '1 month') AS m (month)
	GROUP BY m.month, p.monthly_epsilon;
COMMENT ON VIEW personalize.cohort_budget IS
	'by calendar month (UTC), what the windows that overlap it have cost, and what is left of the policy''s monthly_epsilon';

CREATE FUNCTION personalize.set_cohort_policy(epsilon numeric, monthly_epsilon numeric, k integer DEFAULT 20) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	given record;
BEGIN
	k := coalesce(k, 20);
	FOR given IN VALUES ('epsilon', epsilon, 10), ('monthly_epsilon', monthly_epsilon, 1000) LOOP
		IF given.column2 IS NULL THEN
			RAISE EXCEPTION '% must not be null', given.column1 USING ERRCODE = 'null_value_not_allowed';
		ELSIF NOT (given.column2 > 0 AND given.column2 <= given.column3 AND given.column2 = round(given.column2, 6)) THEN
			RAISE EXCEPTION '% must be above 0, at most %, and have at most 6 decimals, but is %', given.column1, given.column3, left(given.column2::text, 40)
				USING ERRCODE = 'invalid_parameter_value', HINT = 'The smaller epsilon is, the less an answer tells about a person, and the more noise it has: 1 is usual.';
		END IF;
	END LOOP;
	IF monthly_epsilon < epsilon THEN
		RAISE EXCEPTION 'monthly_epsilon % is less than epsilon %, so nothing could ever be released', monthly_epsilon, epsilon USING ERRCODE = 'invalid_parameter_value';
	ELSIF k NOT BETWEEN 20 AND 1000000 THEN
		RAISE EXCEPTION 'k must be between 20 and 1000000 people, but is %', k USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Cohorts of fewer than 20 people are never shown.';
	END IF;
	INSERT INTO personalize.cohort_policy AS p (epsilon, monthly_epsilon, k) VALUES (set_cohort_policy.epsilon, set_cohort_policy.monthly_epsilon, set_cohort_policy.k)
	ON CONFLICT (one) DO UPDATE SET epsilon = excluded.epsilon, monthly_epsilon = excluded.monthly_epsilon, k = excluded.k, set_by = excluded.set_by, set_at = excluded.set_at;
END
$$;
COMMENT ON FUNCTION personalize.set_cohort_policy(numeric, numeric, integer) IS
	'says what cohorts may tell about a person: epsilon, the privacy loss of one window of a report (0.000001 to 10); monthly_epsilon, that of all windows that overlap a calendar month; k, the fewest people a cohort is shown of (20 or more). For windows charged from now on; what is released stays as it is. Errors: 22004 something is null; 22023 out of range, NaN or infinite';

CREATE FUNCTION personalize.create_cohort_report(name text, signal text, cohorts text[], days integer DEFAULT 7,
	max_cohorts integer DEFAULT 1, max_contribution integer DEFAULT NULL, since timestamptz DEFAULT NULL, description text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	definition personalize.signal;
	origin timestamptz := '2000-01-03 00:00+00';
	present timestamptz := personalize_internal._now();
	number integer;
	seconds bigint;
	twice text;
BEGIN
	days := coalesce(days, 7);
	max_cohorts := coalesce(max_cohorts, 1);
	since := coalesce(since, present);
	IF name IS NULL OR signal IS NULL OR cohorts IS NULL THEN
		RAISE EXCEPTION '% must not be null', CASE WHEN name IS NULL THEN 'name' WHEN signal IS NULL THEN 'signal' ELSE 'cohorts' END USING ERRCODE = 'null_value_not_allowed';
	ELSIF octet_length(name) NOT BETWEEN 1 AND 63 OR name ~ '[[:cntrl:]]' THEN
		RAISE EXCEPTION 'report name "%" is empty, longer than 63 bytes or has control characters', left(name, 80) USING ERRCODE = 'invalid_name';
	ELSIF days NOT BETWEEN 1 AND 31 THEN
		RAISE EXCEPTION 'days must be between 1 and 31, but is %', days USING ERRCODE = 'invalid_parameter_value';
	ELSIF max_cohorts NOT BETWEEN 1 AND 100 THEN
		RAISE EXCEPTION 'max_cohorts must be between 1 and 100, but is %', max_cohorts USING ERRCODE = 'invalid_parameter_value';
	ELSIF max_contribution NOT BETWEEN 1 AND 1000000 THEN
		RAISE EXCEPTION 'max_contribution must be between 1 and 1000000, but is %', max_contribution USING ERRCODE = 'invalid_parameter_value';
	ELSIF NOT isfinite(since) OR since < present - interval '400 days' OR since > present + interval '400 days' THEN
		RAISE EXCEPTION 'since must be within 400 days of now, but is %', since USING ERRCODE = 'invalid_parameter_value';
	ELSIF coalesce(array_ndims(cohorts), 0) <> 1 OR cardinality(cohorts) > 1000 THEN
		RAISE EXCEPTION 'cohorts must be a list of 1 to 1000 values of the signal' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	LOCK TABLE personalize.cohort_charge IN SHARE ROW EXCLUSIVE MODE;
	SELECT d.* INTO definition FROM personalize.signal AS d WHERE d.name = create_cohort_report.signal FOR KEY SHARE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'signal "%" does not exist', left(signal, 80) USING ERRCODE = 'undefined_object', 
			HINT = personalize_internal._choice_hint(left(signal, 80), 'signals', ARRAY(SELECT d.name FROM personalize.signal AS d WHERE d.basis = 'inferred' ORDER BY 1));
	ELSIF definition.basis <> 'inferred' THEN
		RAISE EXCEPTION 'signal "%" is %, not inferred', signal, definition.basis USING ERRCODE = 'wrong_object_type',
			HINT = 'personalize.cohort_count() counts the people of other signals.';
	ELSIF EXISTS (SELECT FROM personalize.cohort_report AS r WHERE r.name = create_cohort_report.name) THEN
		RAISE EXCEPTION 'cohort report "%" already exists', name USING ERRCODE = 'duplicate_object';
	END IF;
	PERFORM personalize_internal._check_cohort(definition.signal, c) FROM unnest(cohorts) AS c;
	SELECT c INTO twice FROM unnest(cohorts) AS c GROUP BY c HAVING count(*) > 1 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'cohort "%" is there twice', twice USING ERRCODE = 'duplicate_object';
	END IF;
	-- windows are cut at the same places by every report, so that none lies across another of its length
	seconds := ceil(extract(epoch FROM since - origin) / (86400 * days)) * days * 86400;
	SELECT greatest(max(r.report), (SELECT max(c.report) FROM personalize.cohort_charge AS c), 0) + 1 INTO number FROM personalize.cohort_report AS r;
	INSERT INTO personalize.cohort_report (report, name, signal, cohorts, days, first_window, max_cohorts, max_contribution, description)
	VALUES (number, name, definition.signal, cohorts, days, origin + make_interval(secs => seconds), max_cohorts, max_contribution, description);
	RETURN number;
END
$$;
COMMENT ON FUNCTION personalize.create_cohort_report(text, text, text[], integer, integer, integer, timestamptz, text) IS
	'counts how many people have each of some values (cohorts) of an inferred signal, in windows of so many days (1 to 31) that follow each other. A person counts in max_cohorts of them at most, those of most weight, and adds the sum of the weights there, whole and from 0 to max_contribution, to its total; NULL: no totals. since: the first window begins then or next; NULL: now. A window is released once, a day after its end, by workers or release_cohorts(), with noise as the policy says, and read from cohort_answer. Returns its number. Errors: 42710 it exists, or a cohort is there twice; 42704 unknown signal; 42809 a signal that is not inferred; 22023 out of range';
CREATE FUNCTION personalize.drop_cohort_report(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	number integer;
BEGIN
	IF name IS NULL THEN
		RAISE EXCEPTION 'name must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	LOCK TABLE personalize.cohort_charge IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM personalize.cohort_report AS r WHERE r.name = drop_cohort_report.name RETURNING r.report INTO number;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'cohort report "%" does not exist', left(name, 80) USING ERRCODE = 'undefined_object', 
			HINT = personalize_internal._choice_hint(left(name, 80), 'cohort reports', ARRAY(SELECT r.name FROM personalize.cohort_report AS r ORDER BY 1));
	END IF;
	DELETE FROM personalize.cohort_release AS a WHERE a.report = number;
END
$$;
COMMENT ON FUNCTION personalize.drop_cohort_report(text) IS
	'removes a report with what it has released; what that has cost stays in the ledger, and another report of the same windows pays for itself. Errors: 42704 unknown';

CREATE FUNCTION personalize_internal._cohort_step() RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	w record;
BEGIN
	IF NOT EXISTS (SELECT FROM personalize.cohort_report) THEN
		RETURN false;
	END IF;
	LOCK TABLE personalize.cohort_charge IN SHARE ROW EXCLUSIVE MODE;
	-- what an earlier transaction has paid for
	SELECT r.*, c.window_start, c.window_end, c.epsilon, c.k INTO w
	FROM personalize_internal._cohort_windows() AS s JOIN personalize.cohort_charge AS c ON c.report = s.report AND c.window_start = s.window_start
		JOIN personalize.cohort_report AS r ON r.report = s.report
	WHERE s.status = 'charged' AND c.xmin <> pg_current_xact_id()::xid
	ORDER BY s.window_end, s.report LIMIT 1;
	IF FOUND THEN
		INSERT INTO personalize.cohort_release (report, window_start, cohort, people, total)
		SELECT w.report, w.window_start, w.cohorts[e.place], e.people, CASE WHEN e.people IS NOT NULL AND w.max_contribution IS NOT NULL THEN greatest(e.total, 0) END
		FROM (SELECT s.place, personalize_internal._cohort_told(s.people, personalize_internal._discrete_laplace(n.people, n.millionths), w.k, threshold) AS people,
				s.total + personalize_internal._discrete_laplace(n.total, n.millionths) AS total
			FROM personalize_internal._cohort_scale(w.epsilon, w.max_cohorts, w.max_contribution) AS n,
				personalize_internal._cohort_threshold(w.epsilon, w.k, w.max_cohorts, w.max_contribution) AS threshold,
				personalize_internal._cohort_sums(w.signal, w.cohorts, w.window_start, w.window_end, w.max_cohorts, w.max_contribution) AS s) AS e;
		RETURN true;
	END IF;
	INSERT INTO personalize.cohort_charge (report, window_start, window_end, name, epsilon, k)
	SELECT s.report, s.window_start, s.window_end, s.name, s.epsilon, s.k FROM personalize_internal._cohort_windows() AS s
	WHERE s.status = 'due' ORDER BY s.window_end, s.report LIMIT 1;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION personalize_internal._cohort_step() IS
	'releases a window that an earlier transaction has paid for, else pays for one that is due; false: there is neither';
CREATE PROCEDURE personalize.release_cohorts()
	AS 'MODULE_PATHNAME', 'personalize_release_cohorts' LANGUAGE C;
COMMENT ON PROCEDURE personalize.release_cohorts() IS
	'releases what is due of cohort reports, as workers do by themselves: pays for a window, commits, draws its noise, stores what is told, commits, and so on. Errors: 25001 in a transaction block or a function; 25006 on a standby; 0A000 above READ COMMITTED';

REVOKE ALL ON FUNCTION
	personalize_internal._keep_cohort_signal(),
	personalize_internal._cohort_sums(smallint, text[], timestamptz, timestamptz, integer, integer),
	personalize_internal._cohort_events_since(smallint),
	personalize_internal._check_cohort(smallint, text),
	personalize_internal._discrete_laplace(bigint, bigint),
	personalize_internal._cohort_scale(numeric, integer, integer),
	personalize_internal._cohort_threshold(numeric, integer, integer, integer),
	personalize_internal._cohort_told(bigint, bigint, integer, bigint),
	personalize_internal._has_cohort_reports(),
	personalize_internal._cohort_windows(),
	personalize_internal._cohort_step(),
	personalize.set_cohort_policy(numeric, numeric, integer),
	personalize.create_cohort_report(text, text, text[], integer, integer, integer, timestamptz, text),
	personalize.drop_cohort_report(text)
	FROM PUBLIC;
REVOKE ALL ON PROCEDURE personalize.release_cohorts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._cohort_sums(smallint, text[], timestamptz, timestamptz, integer, integer),
	personalize_internal._cohort_events_since(smallint),
	personalize_internal._check_cohort(smallint, text),
	personalize_internal._discrete_laplace(bigint, bigint),
	personalize_internal._cohort_scale(numeric, integer, integer),
	personalize_internal._cohort_threshold(numeric, integer, integer, integer),
	personalize_internal._cohort_told(bigint, bigint, integer, bigint),
	personalize_internal._cohort_step()
	TO personalize_owner;
GRANT EXECUTE ON FUNCTION
	personalize.set_cohort_policy(numeric, numeric, integer),
	personalize.create_cohort_report(text, text, text[], integer, integer, integer, timestamptz, text),
	personalize.drop_cohort_report(text)
	TO personalize_admin;
GRANT EXECUTE ON PROCEDURE personalize.release_cohorts() TO personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._cohort_windows() TO personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._has_cohort_reports() TO personalize_admin, personalize_monitor;
GRANT SELECT ON personalize.cohort_answer, personalize.cohort_window, personalize.cohort_budget, personalize.cohort_policy, personalize.cohort_report
	TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.cohort_charge TO personalize_admin;

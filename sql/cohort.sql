-- Cohorts: inferred signals are refused everywhere else, and told of nobody.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
END
$$;
-- What a statement is refused with.
CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || hint;
END
$$;

-- a person's hobby, as somebody has guessed it; and what is observed of the same events
SELECT personalize.create_signal('hobby', '{guess}', 'properties.hobby', weights => '{"guess": 1}', value_path => 'properties.weight', basis => 'inferred', periods => '{1 day,7 days}');
SELECT personalize.create_signal('guessed', '{guess}', 'none');
SELECT name, basis, complete_since IS NULL FROM personalize.signal_status WHERE name IN ('hobby', 'guessed') ORDER BY 1;
SELECT count(*) FROM personalize._rebuild r JOIN personalize.signal s ON s.signal = r.part WHERE s.name = 'hobby';
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization}')) FROM generate_series(1, 400) n;
SELECT count(personalize.track('u' || n, 'guess', properties => '{"hobby": "golf", "weight": 1}')) FROM generate_series(1, 3) n;
SELECT pg_temp.roll();

-- no reader has it: neither those that list signals, nor those that are asked for one by name
SET personalize.purpose = 'personalization';
SELECT DISTINCT signal FROM personalize.features('u1');
SELECT jsonb_object_keys(features) FROM personalize.profile('u1');
SELECT string_agg(DISTINCT signal, ',') FROM personalize.profile_feature;
SELECT count(*) FROM personalize.feature_value WHERE value IN ('golf', 'chess', 'go', 'unlisted');
SELECT count(*) FROM personalize._dictionary_log WHERE id = 'golf';
SELECT c, pg_temp.try(c) FROM unnest(ARRAY[
	'SELECT personalize.cohort_count(''hobby'', ''golf'')',
	'SELECT * FROM personalize.cohort_counts(''hobby'')',
	'SELECT * FROM personalize.profile_feature WHERE signal = ''hobby''',
	'SELECT * FROM personalize.profile_pane WHERE signal = ''hobby''',
	'SELECT personalize.create_segment(''golfers'', ''hobby[''''golf''''] >= 1'')',
	'SELECT personalize.create_segment(''golfers'', ''guessed >= 1 and not hobby in 1 day >= 1'')',
	'SELECT personalize.create_feature_view(''model'', ''{"golf": "hobby[''''golf''''] count"}'')',
	'SELECT personalize.create_feature_view(''model'', ''{"hobby": "guessed + hobby distinct default 0"}'')',
	'SELECT personalize.create_experiment(''x'', ''recommend'', ''["shipped", {"name": "b", "parameters": {}}]'', metrics => ''[{"metric": "signal", "signal": "hobby"}]'')',
	'SELECT * FROM personalize.test_signal(''{"events": ["guess"], "key_path": "properties.hobby", "basis": "inferred"}'')',
	'SELECT personalize.backfill_signal(''hobby'')',
	'SELECT personalize.alter_signal(''hobby'', basis => ''observed'')',
	'SELECT personalize.alter_signal(''guessed'', basis => ''inferred'')',
	'SELECT personalize.create_signal(''x'', ''{guess}'', ''none'', basis => ''guessed'')']) AS c;
-- what needs a signal keeps it from being dropped and made again as an inferred one
SELECT personalize.create_signal('game', '{guess}', 'properties.hobby') > 0;
SELECT personalize.create_segment('gamers', 'game >= 1') > 0;
SELECT personalize.drop_signal('game');
SELECT personalize.drop_segment('gamers'), personalize.drop_signal('game');
RESET personalize.purpose;

-- far ahead of the workers, whose clock is the server's: they find no window that is over
SET personalize.test_now = '2096-03-05 12:00+00';
SELECT count(personalize.track('u' || n, 'guess', properties => jsonb_build_object('hobby', CASE WHEN n <= 300 THEN 'golf' WHEN n <= 320 THEN 'chess' WHEN n <= 339 THEN 'go' ELSE 'unlisted' END, 'weight', 1), ts => '2096-03-05 10:00+00'))
FROM generate_series(1, 400) n;

-- the policy: who may lose how much
SELECT e, m, k, pg_temp.try(format('SELECT personalize.set_cohort_policy(%L, %L, %L)', e, m, k)) FROM (VALUES
	('0', '5', '20'), ('-1', '5', '20'), ('NaN', '5', '20'), ('Infinity', '5', '20'), ('-Infinity', '5', '20'), ('10.000001', '20', '20'), ('0.0000001', '5', '20'), (NULL, '5', '20'),
	('1', '0', '20'), ('1', 'NaN', '20'), ('1', 'Infinity', '20'), ('1', '1001', '20'), ('1', NULL, '20'), ('2', '1', '20'), ('1', '5', '19'), ('1', '5', '-1'), ('1', '5', '2000000')) AS v (e, m, k);
SELECT pg_temp.try('INSERT INTO personalize.cohort_policy (epsilon, monthly_epsilon, k) VALUES (''NaN'', 1, 20)') ~ '^23514', pg_temp.try('INSERT INTO personalize.cohort_policy (epsilon, monthly_epsilon, k) VALUES (1, 1, 19)') ~ '^23514';
SELECT count(*) FROM personalize.cohort_policy;

-- reports, and what there is none of
SELECT c, pg_temp.try('SELECT personalize.create_cohort_report(' || c || ')') FROM unnest(ARRAY[
	'NULL, ''hobby'', ''{golf}''', '''x'', NULL, ''{golf}''', '''x'', ''hobby'', NULL', ''''', ''hobby'', ''{golf}''', 'repeat(''x'', 64), ''hobby'', ''{golf}''',
	'''x'', ''nonsense'', ''{golf}''', '''x'', ''guessed'', ''{golf}''', '''x'', ''search_term'', ''{golf}''',
	'''x'', ''hobby'', ''{}''', '''x'', ''hobby'', ''{golf,NULL}''', '''x'', ''hobby'', ''{golf,""}''', '''x'', ''hobby'', ''{golf,go,golf}''', '''x'', ''hobby'', ''{{golf,go}}''',
	'''x'', ''hobby'', ARRAY(SELECT n::text FROM generate_series(1, 1001) n)',
	'''x'', ''hobby'', ''{golf}'', days => 0', '''x'', ''hobby'', ''{golf}'', days => 32', '''x'', ''hobby'', ''{golf}'', max_cohorts => 0', '''x'', ''hobby'', ''{golf}'', max_contribution => 0',
	'''x'', ''hobby'', ''{golf}'', max_contribution => 1000001', '''x'', ''hobby'', ''{golf}'', since => ''infinity''', '''x'', ''hobby'', ''{golf}'', since => ''2090-01-01''']) AS c;
SELECT personalize.create_signal('bare', '{guess}', 'none', basis => 'inferred') > 0;
SELECT pg_temp.try('SELECT personalize.create_cohort_report(''x'', ''bare'', ''{golf}'')');
SELECT personalize.drop_signal('bare');
SELECT personalize.create_cohort_report('hobbies', 'hobby', '{golf,chess,go,nothing}', since => '2096-03-04 12:00+00', days => 1, description => 'as guessed');
SELECT pg_temp.try('SELECT personalize.create_cohort_report(''hobbies'', ''hobby'', ''{golf}'')');
SELECT pg_temp.try('SELECT personalize.drop_signal(''hobby'')');
SELECT pg_temp.try('SELECT personalize.drop_cohort_report(''nonsense'')'), pg_temp.try('SELECT personalize.drop_cohort_report(NULL)');
SELECT name, cohorts, days, first_window, max_cohorts, max_contribution, description FROM personalize.cohort_report;

-- a window is released a day after it is over, and once there is a policy
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'cohorts';
CALL personalize.release_cohorts();
SELECT count(*) FROM personalize.cohort_window;
SET personalize.test_now = '2096-03-06 23:59:59+00';
CALL personalize.release_cohorts();
SELECT count(*) FROM personalize.cohort_window;
SET personalize.test_now = '2096-03-07 00:00:00+00';
SELECT report, window_start, window_end, status FROM personalize.cohort_window;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'cohorts';
CALL personalize.release_cohorts();
SELECT count(*) FROM personalize.cohort_answer;
SELECT personalize.set_cohort_policy(1, 2.5);
SELECT * FROM personalize.cohort_window;
CALL personalize.release_cohorts();
SELECT * FROM personalize.cohort_window;
-- 300 people are told, give or take; k, k - 1 and none look the same
SELECT report, cohort, people BETWEEN 200 AND 400 AS about, total FROM personalize.cohort_answer ORDER BY cohort COLLATE "C";
SELECT * FROM personalize.cohort_budget;
SELECT name, window_start, epsilon, k FROM personalize.cohort_charge;

-- the same question again: the same answer, and it costs nothing; whatever has happened since
SELECT md5(string_agg(a::text, '' ORDER BY a::text)) AS answers FROM personalize.cohort_answer a \gset
SELECT count(personalize.track('u' || n, 'guess', properties => '{"hobby": "go", "weight": 1}', ts => '2096-03-05 20:00+00')) FROM generate_series(340, 400) n;
SELECT personalize.set_cohort_policy(2, 2.5, 1000);
SELECT personalize.forget('u1') IS NOT NULL;
CALL personalize.release_cohorts();
SELECT md5(string_agg(a::text, '' ORDER BY a::text)) = :'answers' FROM personalize.cohort_answer a;
SELECT * FROM personalize.cohort_budget;
-- another report of the same windows pays for itself, as does one that is dropped and made anew, until the month has cost enough
SELECT personalize.set_cohort_policy(1, 2.5);
SELECT personalize.create_cohort_report('again', 'hobby', '{golf}', since => '2096-03-04 00:00:01+00', days => 1);
CALL personalize.release_cohorts();
SELECT personalize.drop_cohort_report('again');
SELECT personalize.create_cohort_report('again', 'hobby', '{golf}', since => '2096-03-05', days => 1);
CALL personalize.release_cohorts();
SELECT report, window_start, status FROM personalize.cohort_window ORDER BY 1;
SELECT count(*) FROM personalize.cohort_answer WHERE report = 'again';
SELECT * FROM personalize.cohort_budget;
SELECT name, report, epsilon FROM personalize.cohort_charge ORDER BY report;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'cohorts';
SELECT personalize.set_cohort_policy(1, 3);
CALL personalize.release_cohorts();
SELECT report, status FROM personalize.cohort_window ORDER BY 1;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'cohorts';
SELECT count(*) FROM personalize.cohort_answer WHERE report = 'again';
-- a window that lies in two months counts in both
SELECT personalize.set_cohort_policy(0.5, 3);
SET personalize.test_now = '2096-04-15 12:00+00';
SELECT personalize.create_cohort_report('weeks', 'hobby', '{golf}', since => '2096-03-21', max_contribution => 3);
CALL personalize.release_cohorts();
SELECT report, window_start, window_end, status FROM personalize.cohort_window WHERE report = 'weeks';
SELECT * FROM personalize.cohort_budget ORDER BY month;
SELECT count(*) FROM personalize.cohort_window WHERE report = 'hobbies' AND status = 'released' AND window_start >= '2096-04-01';
-- what is held back for longer than a month is past help
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'cohorts';
SET personalize.test_now = '2096-06-01 12:00+00';
SELECT count(*) > 0 AS held_back FROM personalize.cohort_window WHERE status = 'over budget' AND window_end < '2096-04-30';
SELECT ok, detail LIKE format('%%over budget: %s (%%', (SELECT count(*) FROM personalize.cohort_window WHERE status = 'over budget' AND window_end > '2096-05-01 12:00+00')) AS of_late
FROM personalize.health() WHERE "check" = 'cohorts';
SET personalize.test_now = '2096-04-15 12:00+00';
SELECT personalize.drop_cohort_report(name) FROM personalize.cohort_report ORDER BY name;

-- what is counted before any noise: a person once, in the cohort of most weight, within bounds
SET personalize.test_now = '2096-05-05 12:00+00';
SELECT count(personalize.grant_consent('v' || n, '{analytics,personalization}')) FROM generate_series(1, 3) n;
SELECT personalize.grant_consent('few', '{personalization}'), personalize.grant_consent('gone', '{analytics,personalization}'), personalize.grant_consent('left', '{analytics,personalization}'), personalize.grant_consent('held', '{analytics,personalization}');
SELECT personalize.track(u, 'guess', properties => jsonb_build_object('hobby', h, 'weight', w), ts => t::timestamptz) FROM (VALUES
	('v1', 'golf', '1', '2096-05-01 00:00:00+00'), ('v1', 'golf', '1', '2096-05-01 10:00+00'), ('v1', 'go', '1.5', '2096-05-01 10:00+00'), ('v1', 'chess', '1.2', '2096-05-01 10:00+00'),
	('v2', 'golf', '1e9', '2096-05-01 10:00+00'), ('v2', 'chess', '-7', '2096-05-01 23:59:59.999999+00'),
	('v3', 'chess', '-5', '2096-05-01 10:00+00'), ('v3', 'golf', '9', '2096-05-02 00:00:00+00'), ('v3', 'golf', '9', '2096-04-30 23:59:59.999999+00'), ('v3', 'unlisted', '99', '2096-05-01 10:00+00'),
	('few', 'golf', '1', '2096-05-01 10:00+00'), ('gone', 'golf', '1', '2096-05-01 10:00+00'), ('left', 'golf', '1', '2096-05-01 10:00+00'), ('held', 'golf', '1', '2096-05-01 10:00+00')) AS v (u, h, w, t);
SELECT signal FROM personalize.signal WHERE name = 'hobby' \gset
CREATE FUNCTION pg_temp.sums(signal integer, since timestamptz, until timestamptz, cohorts integer, contribution integer) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', place, people, total) FROM personalize_internal._cohort_sums(signal::smallint, '{golf,chess,go}', since, until, cohorts, contribution) $$;
SELECT pg_temp.sums(:signal, '2096-05-01', '2096-05-02', 1, 3);
SELECT personalize.forget('gone') IS NOT NULL, personalize.withdraw_consent('left', '{analytics}') IS NOT NULL, personalize.restrict('held', '{analytics}') IS NOT NULL;
SELECT pg_temp.sums(:signal, '2096-05-01', '2096-05-02', 1, 3);
SELECT pg_temp.sums(:signal, '2096-05-01', '2096-05-02', 2, NULL);
SELECT pg_temp.sums(:signal, '2096-05-01', '2096-05-02', 3, 1000);
SELECT pg_temp.sums(:signal, '2096-04-30', '2096-05-01', 3, 1000);
SELECT pg_temp.sums(:signal, '2096-05-02', '2096-05-03', 3, 1000);
-- somebody who is known by two ids is one
SELECT status FROM personalize.identify('v1', 'v2');
SELECT pg_temp.sums(:signal, '2096-05-01', '2096-05-02', 1, 3);
-- windows of a report are next to each other, and those of all reports with their length begin alike
SELECT count(personalize.create_cohort_report(d || ' days from ' || t, 'hobby', '{golf}', days => d, since => t))
FROM unnest('{1,2,7,30}'::integer[]) AS d, generate_series(timestamptz '2096-05-01 00:00:01+00', '2096-05-20', '31 hours') AS t;
SELECT bool_and(first_window >= t AND first_window < t + make_interval(hours => 24 * days)) FROM personalize.cohort_report, CAST(split_part(name, ' from ', 2) AS timestamptz) AS t;
SELECT days, count(DISTINCT extract(epoch FROM first_window)::bigint % (86400 * days)) FROM personalize.cohort_report GROUP BY 1 ORDER BY 1;
SELECT count(personalize.drop_cohort_report(name)) FROM personalize.cohort_report;

-- what is told: fewer than k never, whatever the noise is; k and more where noise leaves no doubt
SELECT personalize_internal._cohort_told(people, noise, 20, 40) FROM (VALUES (19, 1000), (0, 1000), (20, 19), (20, 20), (39, 0), (40, 0), (40, -1), (60, -20), (60, -21)) AS v (people, noise);
SELECT epsilon, cohorts, contribution, s.*, personalize_internal._cohort_threshold(epsilon, 20, cohorts, contribution)
FROM (VALUES (1, 1, NULL), (1, 1, 1), (1, 3, 10), (0.1, 1, NULL), (10, 1, NULL), (0.000001, 100, 1000000)) AS v (epsilon, cohorts, contribution), personalize_internal._cohort_scale(epsilon, cohorts, contribution) AS s;

-- the noise is of the exact distribution: chi-square against it, with thresholds that one run in 10^9 exceeds by chance
CREATE FUNCTION pg_temp.below(a integer, p double precision) RETURNS double precision LANGUAGE sql AS $$
	SELECT CASE WHEN a <= 0 THEN power(p, 1 - a) / (1 + p) ELSE 1 - power(p, a) / (1 + p) END $$;
CREATE FUNCTION pg_temp.chi_square(numerator bigint, denominator bigint, n integer, width integer, bins integer) RETURNS double precision LANGUAGE sql AS $$
	WITH drawn AS MATERIALIZED (
		SELECT greatest(least(floor(personalize_internal._discrete_laplace(numerator, denominator)::float8 / width), bins), -bins - 1)::integer AS bin
		FROM generate_series(1, n)
	), exact AS (
		-- P(z < a) is p^(1 - a) / (1 + p) for a <= 0, and 1 - p^a / (1 + p) above
		SELECT b.bin, CASE WHEN b.bin = bins THEN 1 ELSE pg_temp.below((b.bin + 1) * width, p) END - CASE WHEN b.bin = -bins - 1 THEN 0 ELSE pg_temp.below(b.bin * width, p) END AS share
		FROM generate_series(-bins - 1, bins) AS b (bin), exp(-denominator::float8 / numerator) AS p
	)
	SELECT sum(power(coalesce(d.count, 0) - n * e.share, 2) / (n * e.share))
	FROM exact e LEFT JOIN (SELECT bin, count(*) FROM drawn GROUP BY bin) AS d USING (bin) $$;
-- 32 bins, 31 degrees of freedom; 8 bins, 7
SELECT pg_temp.chi_square(2, 1, 1000000, 1, 15) < 103.44;
SELECT pg_temp.chi_square(3, 7, 300000, 1, 3) < 55.87;
SELECT pg_temp.chi_square(1000003, 1000, 300000, 400, 15) < 103.44;
SELECT pg_temp.try('SELECT personalize_internal._discrete_laplace(' || s || ')') FROM unnest(ARRAY['0, 1', '1, 0', '-1, 1', '1, -1', '1125899906842625, 1', '1, 1125899906842624', '1125899906842624, 1']) AS s;

-- The attack on low bits (Mironov 2012): a double that is a count and -b ln(u) tells which
-- count it was, because few doubles can come of both.  decided: how many of 1000 answers
-- of a count of 0 could only come of 0, and not of 1.
CREATE FUNCTION pg_temp.comes_of(answer double precision, count integer) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM generate_series(-16, 16) AS k, LATERAL (SELECT (floor(exp(-abs(answer - count)) * 2::float8 ^ 52) + k) / 2::float8 ^ 52 AS u) AS grid
		WHERE u > 0 AND u <= 1 AND count + sign(answer - count) * -ln(u) = answer) $$;
SELECT count(*) FILTER (WHERE NOT pg_temp.comes_of(answer, 0)) AS missed, count(*) FILTER (WHERE NOT pg_temp.comes_of(answer, 1)) > 200 AS decided
FROM (SELECT CASE WHEN random() < 0.5 THEN -1 ELSE 1 END * -ln(1 - random()) AS answer FROM generate_series(1, 1000) OFFSET 0) AS naive;
-- whole numbers come of both, each as often as the other's neighbour: the low four bits are uniform (15 degrees of freedom)
SELECT sum(power(count - 12500, 2) / 12500) < 73.63 FROM (
	SELECT count(*) FROM (SELECT personalize_internal._discrete_laplace(1000, 1) & 15 AS low FROM generate_series(1, 200000)) AS d GROUP BY low) AS c;
-- and the share of each answer of a count is within e^epsilon of that of the next count
SELECT bool_and(abs(ln(c.count::float8 / n.count)) < 0.5 + 0.25) FROM (SELECT z, count(*) FROM (SELECT personalize_internal._discrete_laplace(2, 1) AS z FROM generate_series(1, 200000)) d GROUP BY z) AS c
	JOIN (SELECT z + 1 AS z, count(*) FROM (SELECT personalize_internal._discrete_laplace(2, 1) AS z FROM generate_series(1, 200000)) d GROUP BY z) AS n USING (z)
WHERE c.count > 2000 AND n.count > 2000;

-- who may: analysts read what is told, nobody the inputs, administrators decide
SET ROLE personalize_analyst;
SELECT c, left(pg_temp.try(c), 5) FROM unnest(ARRAY[
	'SELECT * FROM personalize.cohort_answer', 'SELECT * FROM personalize.cohort_window', 'SELECT * FROM personalize.cohort_budget', 'SELECT * FROM personalize.cohort_policy',
	'SELECT * FROM personalize.cohort_release', 'SELECT * FROM personalize.cohort_charge', 'SELECT * FROM personalize_internal._cohort_sums(100::smallint, ''{golf}'', now(), now(), 1, 1)',
	'SELECT personalize_internal._cohort_step()', 'SELECT personalize.set_cohort_policy(1, 5)', 'UPDATE personalize.cohort_policy SET epsilon = 10',
	'SELECT personalize.create_cohort_report(''x'', ''hobby'', ''{golf}'')', 'SELECT personalize.drop_cohort_report(''x'')', 'CALL personalize.release_cohorts()']) AS c;
SET ROLE personalize_admin;
SELECT c, left(pg_temp.try(c), 5) FROM unnest(ARRAY[
	'SELECT * FROM personalize.cohort_answer', 'SELECT * FROM personalize.cohort_charge', 'SELECT * FROM personalize.cohort_release', 'SELECT * FROM personalize_internal._cohort_sums(100::smallint, ''{golf}'', now(), now(), 1, 1)',
	'SELECT personalize_internal._cohort_step()', 'SELECT personalize.set_cohort_policy(1, 5)', 'UPDATE personalize.cohort_policy SET epsilon = 10', 'DELETE FROM personalize.cohort_charge']) AS c;
CALL personalize.release_cohorts();
SET ROLE personalize_app;
SELECT left(pg_temp.try('SELECT * FROM personalize.cohort_answer'), 5), left(pg_temp.try('CALL personalize.release_cohorts()'), 5);
RESET ROLE;

-- it commits, so it stands alone
DO $$BEGIN CALL personalize.release_cohorts(); END$$;
SELECT pg_temp.try('CALL personalize.release_cohorts()');
BEGIN;
CALL personalize.release_cohorts();
ROLLBACK;
SET default_transaction_isolation = 'repeatable read';
CALL personalize.release_cohorts();
RESET default_transaction_isolation;
SET default_transaction_read_only = on;
CALL personalize.release_cohorts();
RESET default_transaction_read_only;

-- retention, and a signal that is switched off
SET personalize.test_now = '2096-05-10 12:00+00';
SELECT personalize.create_cohort_report('held', 'hobby', '{golf}', since => '2096-05-01', days => 1) > 0;
SELECT personalize.disable_signal('hobby');
SELECT status, count(*) FROM personalize.cohort_window GROUP BY 1;
CALL personalize.release_cohorts();
SELECT count(*) FROM personalize.cohort_answer;
SELECT personalize.enable_signal('hobby');
SELECT complete_since FROM personalize.signal_status WHERE name = 'hobby';
SELECT personalize.alter_signal('hobby', weights => '{"guess": 2}', events => '{guess}') > 0;
SELECT signal = (SELECT s.signal FROM personalize.signal s WHERE s.name = 'hobby') FROM personalize.cohort_report;
SELECT status, count(*) FROM personalize.cohort_window GROUP BY 1;
SELECT personalize.drop_cohort_report('held'), personalize.drop_signal('hobby');

-- How sure one can be of a difference: by hand, and by simulation with fixed draws.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET jit = off;

-- by hand: means 2 and 3, variances 1 and 4
SELECT round(lift::numeric, 6) AS lift, round(variance::numeric, 9) AS variance, round(low::numeric, 6) AS low, round(high::numeric, 6) AS high,
	round(p_value::numeric, 9) AS p_value
FROM personalize_internal._lift('{101,202,504,0,0,0}', '{201,603,2609,0,0,0}', false, 0.05, 300);
-- what is explained by the time before counts no longer: y is x and a difference of one
SELECT round(lift::numeric, 6) AS lift, variance < 1e-12 AS certain FROM (
	SELECT (personalize_internal._lift(
		ARRAY[count(*), sum(x), sum(x * x), sum(x), sum(x * x), sum(x * x)],
		ARRAY[count(*), sum(x + 0.001 * (x % 2)), sum((x + 0.001 * (x % 2)) ^ 2), sum(x), sum(x * x), sum(x * (x + 0.001 * (x % 2)))],
		true, 0.05, 300)).* FROM generate_series(1.0, 1000) x) l;
-- nothing to be known
SELECT * FROM personalize_internal._lift('{1,1,1,0,0,0}', '{50,5,5,0,0,0}', false, 0.05, 300);
SELECT * FROM personalize_internal._lift('{50,0,0,0,0,0}', '{50,5,5,0,0,0}', false, 0.05, 300);
SELECT * FROM personalize_internal._lift('{50,50,50,0,0,0}', '{50,50,50,0,0,0}', true, 0.05, 300);
SELECT * FROM personalize_internal._lift('{50,5,5}', '{50,5,5,0,0,0}', false, 0.05, 300);
SELECT * FROM personalize_internal._lift('{50,NaN,5,0,0,0}', '{50,5,5,0,0,0}', false, 0.05, 300);
SELECT * FROM personalize_internal._lift(NULL, '{50,5,5,0,0,0}', false, 0.05, 300);
SELECT * FROM personalize_internal._lift('{50,5,5,0,0,0}', '{50,5,5,0,0,0}', false, 1, 300);
-- χ²: 3.841459 is the 95 % quantile with one degree of freedom
SELECT round(personalize_internal._sample_ratio(ARRAY[50 + sqrt(3.841458820694124 * 25), 50 - sqrt(3.841458820694124 * 25)], '{0.5,0.5}')::numeric, 9) AS one,
	personalize_internal._sample_ratio('{10,10,10}', '{0.3333333333,0.3333333333,0.3333333334}') > 0.999999 AS same,
	personalize_internal._sample_ratio('{1000000,0}', '{0.5,0.5}') AS never, personalize_internal._sample_ratio('{}', '{}') AS nothing;
SELECT personalize_internal._sample_ratio('{10,10}', '{0.5}');
SELECT personalize_internal._sample_ratio('{10,10}', '{1,0}');
SELECT round(personalize_internal._mixture_boundary(100, 100, 0.05)::numeric, 6) AS boundary,
	-- nowhere tighter than where it is tuned for
	bool_and(personalize_internal._mixture_boundary(100, 100, 0.05) <= personalize_internal._mixture_boundary(100, t, 0.05) + 0.01) AS tight FROM generate_series(10, 1000, 10) t;
SELECT personalize_internal._plan_users(0.2, 0.4, 0.3, 1.2, 0.05);

-- so many users a day for two weeks in each of two variants, looked at daily
CREATE FUNCTION simulate(runs integer, daily integer, rate float8, lift float8, tuned float8, OUT found integer, OUT looking_naively integer)
LANGUAGE sql AS $$
	WITH day AS (
		SELECT r, d, a, count(*) FILTER (WHERE personalize_internal._draw(1, r * 100 + d, u * 2 + a) < rate * (1 + lift * a)) AS s
		FROM generate_series(1, runs) r, generate_series(1, 14) d, generate_series(0, 1) a, generate_series(1, daily) u GROUP BY r, d, a),
	so_far AS (
		SELECT r, d, daily::float8 * d AS n,
			sum(s) FILTER (WHERE a = 0) OVER w AS control, sum(s) FILTER (WHERE a = 1) OVER w AS treated, a FROM day
		WINDOW w AS (PARTITION BY r ORDER BY d, a))
	SELECT count(DISTINCT r) FILTER (WHERE l.p_value <= 0.05), count(DISTINCT r) FILTER (WHERE abs(l.lift) > 1.959964 * sqrt(l.variance))
	FROM so_far s, personalize_internal._lift(ARRAY[n, control, control, 0, 0, 0], ARRAY[n, treated, treated, 0, 0, 0], false, 0.05, tuned) l
	WHERE s.a = 1
$$;
-- a thousand without a difference: no more than alpha are found, where looking at a fixed-size test daily finds many
SELECT found <= 50 AS at_most_alpha, found > 5 AS some, looking_naively > 150 AS naive FROM simulate(1000, 200, 0.1, 0, 5600);
-- with the planned difference: as often as planned, to three points
SELECT personalize_internal._plan_users(0.2, 0.4, 0.3, 0.8, 0.05) AS users \gset
SELECT abs(found / 1000.0 - 0.8) <= 0.03 AS as_planned FROM simulate(1000, round(:users / 14)::integer, 0.2, 0.3, 2 * :users);
-- 100,000 units that were to be half and half, and are 49 to 51
SELECT personalize_internal._sample_ratio(ARRAY[s, 100000 - s], '{0.5,0.5}') < 0.001 AS found, personalize_internal._sample_ratio(ARRAY[t, 100000 - t], '{0.5,0.5}') > 0.001 AS fine
FROM (SELECT count(*) FILTER (WHERE personalize_internal._draw(1, 3, u) < 0.49) AS s, count(*) FILTER (WHERE personalize_internal._draw(1, 4, u) < 0.5) AS t FROM generate_series(1, 100000) u) x;
DROP EXTENSION personalize CASCADE;
DROP FUNCTION simulate;

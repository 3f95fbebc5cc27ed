-- Statistics of features: fill, freshness, distribution, and drift against a week ago.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET personalize.test_now = '2026-03-01 00:00+00';
-- batches are run by hand
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
END
$$;
SELECT personalize.compute_feature_stats();
SELECT count(*) FROM personalize.feature_stats;
SELECT ok, detail FROM personalize.health() WHERE "check" = 'features';
SELECT count(personalize.grant_consent('u' || u, '{personalization}', 'test')) FROM generate_series(1, 100) AS u;
-- u1 to u80 view: u1 one item, u2 two, ...; half of them in one category
SELECT count(personalize.track('u' || u, 'view_item', 'i' || v, jsonb_build_object('category', CASE WHEN u % 2 = 0 THEN 'even' WHEN u < 10 THEN 'rare' ELSE 'odd' END)))
FROM generate_series(1, 80) AS u, generate_series(1, 1 + u / 10) AS v;
SELECT count(personalize.track('u' || u, 'search', properties => '{"query": "x"}')) FROM generate_series(81, 90) AS u;
SELECT pg_temp.roll();
SELECT personalize.create_feature_view('model', $${"views": "interest_category default 0", "kind": "interest_category most_frequent", "fan": "in_segment('user_interested_in_electronics')", "none": "interest_brand", "one": "1"}$$);
SELECT personalize.create_feature_view('goods', '{"price": "item.price"}', 'item');
SET personalize.test_now = '2026-03-01 06:00+00';
SELECT personalize.compute_feature_stats();
SELECT feature, people, filled, round(mean::numeric, 3), round(stddev::numeric, 3), smallest, largest, freshness, edges, categories, bins, psi FROM personalize.feature_stats ORDER BY feature;
-- the same by SQL
SELECT avg(views) FILTER (WHERE views > 0) = (SELECT round(mean::numeric, 9) FROM personalize.feature_stats WHERE feature = 'views'), count(*) FROM personalize.fv_model;
SELECT ok, detail FROM personalize.health() WHERE "check" = 'features';

-- a day later there is nothing to compare with; a week later nothing has changed
SET personalize.test_now = '2026-03-02 06:00+00';
SELECT personalize.compute_feature_stats();
SELECT count(*) FILTER (WHERE psi IS NULL), count(*) FROM personalize.feature_stats WHERE computed_at = '2026-03-02 06:00+00';
SET personalize.test_now = '2026-03-08 06:00+00';
SELECT personalize.compute_feature_stats();
SELECT feature, baseline_at, psi FROM personalize.feature_stats WHERE computed_at = '2026-03-08 06:00+00' ORDER BY feature;
SELECT ok, detail FROM personalize.health() WHERE "check" = 'features';
-- then everybody views ten times as much, of one kind, and who viewed nothing does, too
SELECT count(personalize.track('u' || u, 'view_item', 'i' || v, '{"category": "odd"}')) FROM generate_series(1, 100) AS u, generate_series(1, 30) AS v;
SELECT pg_temp.roll();
SET personalize.test_now = '2026-03-09 07:00+00';
SELECT personalize.compute_feature_stats();
SELECT feature, baseline_at, filled, bins, round(psi::numeric, 4) FROM personalize.feature_stats WHERE computed_at = '2026-03-09 07:00+00' AND feature IN ('kind', 'views', 'none', 'one') ORDER BY feature;
-- the index by hand, from the bins
SELECT s.feature, round(sum((a.share - b.share) * ln(a.share / b.share))::numeric, 4) = round(min(s.psi)::numeric, 4)
FROM personalize.feature_stats s JOIN personalize.feature_stats t ON t.feature = s.feature AND t.computed_at = s.baseline_at,
	LATERAL (SELECT n, greatest(x, 0.5)::float8 / sum(greatest(x, 0.5)) OVER () AS share FROM unnest(s.bins) WITH ORDINALITY AS u (x, n)) AS a
	JOIN LATERAL (SELECT n, greatest(x, 0.5)::float8 / sum(greatest(x, 0.5)) OVER () AS share FROM unnest(t.bins) WITH ORDINALITY AS u (x, n)) AS b USING (n)
WHERE s.computed_at = '2026-03-09 07:00+00' GROUP BY s.feature ORDER BY s.feature;
SELECT ok, detail, fix IS NOT NULL FROM personalize.health() WHERE "check" = 'features';
-- who is restricted is in no value; those of views that are gone go
SELECT count(*) > 0 FROM personalize.restrict('u1');
SET personalize.test_now = '2026-03-09 08:00+00';
SELECT personalize.compute_feature_stats();
SELECT people, filled FROM personalize.feature_stats WHERE computed_at = '2026-03-09 08:00+00' AND feature = 'views';
-- a smaller sample
ANALYZE personalize.profile;
SET personalize.test_now = '2026-03-09 09:00+00';
SELECT personalize.compute_feature_stats(50);
SELECT people BETWEEN 25 AND 75, filled <= people FROM personalize.feature_stats WHERE computed_at = '2026-03-09 09:00+00' AND feature = 'views';
SELECT personalize.drop_feature_view('model');
SELECT personalize.compute_feature_stats();
SELECT count(*) FROM personalize.feature_stats;
SELECT personalize.compute_feature_stats(0);
SELECT personalize.compute_feature_stats(-1);
SELECT personalize.compute_feature_stats(2000000);
DROP EXTENSION personalize CASCADE;

-- Rankers that are learnt from logged pages: a made-up shop in which people like what is new
-- and what is of the colour they have looked at, whatever the texts say.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
CREATE FUNCTION day(n float8) RETURNS timestamptz LANGUAGE sql AS $$ SELECT date_trunc('day', now(), 'UTC') - interval '24 hours' * n $$;
-- a number in [0, 1) that chance would not give otherwise another time
CREATE FUNCTION draw(VARIADIC parts int[]) RETURNS float8 LANGUAGE sql AS $$
	SELECT (('x' || substr(md5(parts::text), 1, 12))::bit(48)::bigint / 281474976710656.0)::float8
$$;
CREATE TABLE lamp AS
	SELECT i, (ARRAY['red', 'green', 'blue'])[1 + i % 3] AS colour, day(30 + 3 * (i * 7 % 40)) AS created_at FROM generate_series(1, 40) AS i;
SELECT count(*) FROM lamp, LATERAL personalize.upsert_items(jsonb_build_object('item_id', i, 'category', colour, 'created_at', created_at,
	'name', CASE WHEN i % 2 = 0 THEN 'lamp' ELSE 'table lamp' END));
-- 30 people who allow everything and have looked at three lamps of a colour, and 30 of whom nothing is known
CREATE TABLE person AS SELECT p, CASE WHEN p <= 30 THEN (ARRAY['red', 'green', 'blue'])[1 + p % 3] END AS likes FROM generate_series(1, 60) AS p;
SELECT count(personalize.grant_consent(p, CASE WHEN p <= 30 THEN '{analytics,personalization,recommendations}' ELSE '{analytics}' END::text[])) FROM person;
SELECT count(personalize.track(p, 'view_item', i, ts => day(25) + interval '1 minute' * k))
	FROM person, LATERAL (SELECT i, row_number() OVER (ORDER BY draw(i, p)) AS k FROM lamp WHERE colour = likes ORDER BY 2 LIMIT 3) AS l;
-- what a lamp is worth to somebody: new and of their colour
CREATE FUNCTION worth(i int, likes text) RETURNS float8 LANGUAGE sql AS $$
	SELECT 4 * exp(-extract(epoch FROM day(10) - created_at) / 86400 / 60) + CASE WHEN colour = likes THEN 1.5 ELSE 0 END FROM lamp WHERE lamp.i = worth.i
$$;
-- A page of ten in any order; each place is looked at slot^-0.9 of the times, and what is
-- looked at is clicked the likelier the more it is worth.
CREATE FUNCTION shows(page int, q text, at timestamptz, sign int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	who record;
	items int[];
	request uuid := (SELECT request_id FROM personalize.rank_search(NULL, q, '{1}'));
BEGIN
	SELECT * INTO who FROM person WHERE p = 1 + page * 37 % 60;
	items := ARRAY(SELECT i FROM (SELECT i FROM lamp ORDER BY draw(page, i) LIMIT 10) AS l ORDER BY draw(i, page));
	PERFORM personalize.track_impressions(who.p, request, items::text[]::personalize.entity_id[], query => q, ts => at);
	FOR s IN 1 .. 10 LOOP
		IF draw(page, s, 1) < s ^ -0.9 AND draw(page, s, 2) < 1 / (1 + exp(3 - sign * worth(items[s], who.likes) - CASE WHEN sign < 0 THEN 4 ELSE 0 END)) THEN
			PERFORM personalize.track(who.p, 'select_item', items[s], request_id => request, ts => at + interval '1 minute' + interval '1 second' * s);
		END IF;
	END LOOP;
END
$$;
SELECT count(shows(n, 'lamp', day(20) + interval '20 minutes' * n, 1)) FROM generate_series(1, 600) AS n;
SELECT processor FROM personalize.rollup_now() WHERE processor = 'exposure';

-- The order of all lamps for somebody, and how good it is: NDCG among ten, of what each is worth.
CREATE FUNCTION quality(likes_something boolean, variant text) RETURNS numeric LANGUAGE sql AS $$
	SELECT round(avg(w.gained / w.ideal)::numeric, 2) FROM person AS a, LATERAL (
		SELECT sum(exp(worth(r.item_id::int, a.likes)) / ln(r.rank + 1)) AS gained,
			(SELECT sum(exp(o.worth) / ln(o.place + 1)) FROM (SELECT worth(i, a.likes), row_number() OVER (ORDER BY worth(i, a.likes) DESC) AS place FROM lamp) AS o WHERE o.place <= 10) AS ideal
		FROM personalize.rank_search(a.p, 'lamp', ARRAY(SELECT i::text FROM lamp ORDER BY i)::personalize.entity_id[], n => 10, as_of => day(10), variant => quality.variant) AS r) AS w
	WHERE (a.likes IS NOT NULL) = likes_something AND a.p % 5 = 0
$$;
SELECT personalize.create_variant('rank_search', 'learnt'), personalize.create_variant('rank_search', 'pairs'),
	personalize.create_variant('rank_search', 'words', '{"newness_weight": 0, "attraction_weight": 0, "trend_weight": 0, "seen_weight": 0, "interest_category_weight": 0, "neighbours_weight": 0}');
SELECT quality(true, 'words') AS "words, known", quality(false, 'words') AS "words, unknown", quality(true, 'shipped') AS "shipped, known", quality(false, 'shipped') AS "shipped, unknown";
SELECT published, version, pages, held_out, ndcg_trained > ndcg_in_force AS better, weights ->> 'place' AS place
	FROM personalize.train_ranker('learnt', day(21), day(10), 'logistic');
SELECT published, version, pages, held_out, ndcg_trained > ndcg_in_force AS better FROM personalize.train_ranker('pairs', day(21), day(10), 'pairwise');
-- unless a method is named, the one that orders the held out pages better
BEGIN;
SELECT count(personalize.create_variant('rank_search', v)) FROM unnest('{by itself,against,either}'::text[]) AS v;
SELECT b.published, b.learnt_by IN ('logistic', 'pairwise') AS named, b.learnt_by = CASE WHEN l.ndcg_trained >= p.ndcg_trained THEN l.learnt_by ELSE p.learnt_by END AS "the better one",
	b.weights = CASE WHEN l.ndcg_trained >= p.ndcg_trained THEN l.weights ELSE p.weights END AS "its weights", b.ndcg_trained = greatest(l.ndcg_trained, p.ndcg_trained) AS "as good"
	FROM personalize.train_ranker('by itself', day(21), day(10), 'logistic') AS l, personalize.train_ranker('against', day(21), day(10), 'pairwise') AS p,
		LATERAL (SELECT * FROM personalize.train_ranker('either', day(21), day(10))) AS b;
SELECT format IN ('logistic', 'pairwise') AS named, training ->> 'method' AS method FROM personalize.model WHERE name = 'rank_search.either';
ROLLBACK;
SELECT quality(true, 'learnt') AS "logistic, known", quality(false, 'learnt') AS "logistic, unknown", quality(true, 'pairs') AS "pairwise, known", quality(false, 'pairs') AS "pairwise, unknown";
SELECT name, version, in_use, format, trees, features = ARRAY(SELECT f.name FROM personalize.training_features('rank_search') AS f ORDER BY ordinal) AS names,
	until - since AS span, forgotten, training - '{weights,intercept,ndcg_in_force,ndcg_trained,standard_error,items}'::text[] AS training FROM personalize.model ORDER BY 1, 2;

-- The weights are those at which the loss is least: its slope, by the exported rows alone, is 0.
CREATE TEMP TABLE exported AS SELECT * FROM personalize.export_training_data('rank_search', day(21), day(10));
CREATE TEMP TABLE chosen AS
	SELECT x.*, dense_rank() OVER (ORDER BY x.page) AS number FROM exported AS x WHERE x.page IN (SELECT e.page FROM exported AS e WHERE e.label > 0);
CREATE TEMP TABLE cell AS
	SELECT c.ctid AS row, f.name, c.features[f.ordinal] AS x FROM chosen AS c, personalize.training_features('rank_search') AS f WHERE c.number <= 244;
CREATE TEMP TABLE labelled AS
	SELECT row, score, y * sum(chosen) OVER () / sum(y) OVER () AS y FROM (
		SELECT c.ctid AS row, (c.label > 0)::int AS chosen, CASE WHEN c.label > 0 THEN 1 / greatest(c.propensity, 0.1) ELSE 0 END AS y,
			personalize.predict_model('rank_search.learnt', c.features, true) AS score
		FROM chosen AS c WHERE c.number <= 244) AS l;
CREATE TEMP TABLE slope AS
	SELECT c.name, s.deviation, (m.training -> 'weights' ->> c.name)::float8 * s.deviation AS weight,
		sum((1 / (1 + exp(-l.score)) - l.y) * (c.x - s.mean) / s.deviation) + (m.training -> 'weights' ->> c.name)::float8 * s.deviation AS slope
	FROM cell AS c JOIN labelled AS l USING (row) JOIN (SELECT name, avg(x) AS mean, stddev_pop(x) AS deviation FROM cell GROUP BY 1) AS s USING (name),
		personalize.model AS m WHERE m.name = 'rank_search.learnt' AND s.deviation > 1e-9 GROUP BY 1, 2, 3;
SELECT count(*) > 4 AS some, max(abs(slope)) < 1e-6 AS flat, abs((SELECT sum(1 / (1 + exp(-score)) - y) FROM labelled)) < 1e-6 AS intercept FROM slope;
SELECT bool_and((m.training -> 'weights' ->> f.name)::float8 = p.default_value) AS "what never varies keeps its weight"
FROM personalize.model AS m, personalize.training_features('rank_search') AS f JOIN personalize.engine_parameters('rank_search') AS p ON p.name = f.name || '_weight'
WHERE m.name = 'rank_search.learnt' AND f.name NOT IN (SELECT name FROM slope);
-- the same pages, the same weights
SELECT personalize.create_variant('rank_search', 'again') \g /dev/null
SELECT published FROM personalize.train_ranker('again', day(21), day(10), 'logistic');
SELECT count(DISTINCT content) FROM personalize.model WHERE name IN ('rank_search.learnt', 'rank_search.again');
-- scores are the model's, of each feature its part
SELECT count(*) = 40 AND max(abs(r.score - personalize.predict_model('rank_search.learnt', f.features, true))) < 1e-6 AS "the model's"
FROM personalize.rank_search(3, 'lamp', ARRAY(SELECT i::text FROM lamp)::personalize.entity_id[], explain => true, variant => 'learnt') AS r,
	LATERAL (SELECT array_agg(coalesce((r.explanation ->> ('score_' || t.name))::float8 / nullif((m.training -> 'weights' ->> t.name)::float8, 0), 0) ORDER BY t.ordinal) AS features
		FROM personalize.training_features('rank_search') AS t, personalize.model AS m WHERE m.name = 'rank_search.learnt') AS f;

-- What people want has changed with the newest pages: what was learnt loses there, and is not published.
SELECT count(shows(1000 + n, 'lamp', day(9) + interval '20 minutes' * n, CASE WHEN n <= 240 THEN -1 ELSE 1 END)) FROM generate_series(1, 300) AS n;
SELECT processor FROM personalize.rollup_now() WHERE processor = 'exposure';
SELECT personalize.create_variant('rank_search', 'turned', '{"newness_weight": 3}') \g /dev/null
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT published, version, ndcg_trained < ndcg_in_force AS worse FROM personalize.train_ranker('turned', day(9), day(4));
RESET client_min_messages;
DO $$
BEGIN
	PERFORM personalize.train_ranker('turned', day(9), day(4));
END
$$;
\set VERBOSITY default
SELECT count(*) FROM personalize.model WHERE name = 'rank_search.turned';

-- A new version takes its place, and can be taken back, down to the variant's own weights.
SELECT version FROM personalize.train_ranker('learnt', day(21), day(10), 'logistic', penalty => 2, force => true);
SELECT version FROM personalize.train_ranker('learnt', day(21), day(10), 'logistic', penalty => 3, force => true);
SELECT DISTINCT version FROM personalize.model WHERE name = 'rank_search.learnt' AND in_use;
SELECT personalize.rollback_ranker('learnt');
SELECT version FROM personalize.train_ranker('learnt', day(21), day(10), 'logistic', penalty => 4, force => true);
-- not to 3, which was taken back
SELECT personalize.rollback_ranker('learnt'), personalize.rollback_ranker('learnt', NULL), personalize.rollback_ranker('learnt') IS NULL AS none;
SELECT quality(false, 'learnt') = quality(false, 'shipped') AS "its own weights";
SELECT personalize.rollback_ranker('learnt');
SELECT personalize.use_model('rank_search.learnt', 1);
SELECT version, in_use, rolled_back FROM personalize.model WHERE name = 'rank_search.learnt' ORDER BY 1;

-- The catalogue's search learns, too; another variant may take its scores from there.
SELECT personalize.create_variant('search_items', 'learnt') \g /dev/null
SELECT published, version, pages, held_out FROM personalize.train_ranker('learnt', day(21), day(10), engine => 'search_items');
SELECT personalize.create_variant('search_items', 'shared', '{"model": "rank_search.learnt"}') \g /dev/null
SELECT count(DISTINCT score) FROM (SELECT score FROM personalize.search_items(NULL, 'lamp', 1, as_of => day(10), variant => 'shared')
	UNION ALL SELECT score FROM personalize.search_items(NULL, 'lamp', 1, as_of => day(10), variant => 'learnt')) AS s;

-- The rows: as many as were shown, of numbered pages, with what followed.
SELECT count(*) AS rows, count(DISTINCT page) AS pages, min(page) AS first, max(page) AS last, sum(sign(label)) = (SELECT count(DISTINCT (user_key, attributed_to, item_key)) FROM personalize.exposure_outcome WHERE attributed_to <> 0 AND ts < day(10)) AS clicks,
	bool_and(cardinality(features) = (SELECT count(*) FROM personalize.training_features('rank_search'))) AS features, bool_and(item_id::bigint = item_key) AS ids
FROM exported;
SELECT slot, count(*), round(min(propensity)::numeric, 3) AS propensity, bool_and(propensity BETWEEN 0 AND 1) AS is FROM personalize.export_training_data('rank_search', day(21), day(10), max_pages => 100) GROUP BY 1 ORDER BY 1 LIMIT 3;
-- no day of a page's counts is its own: on the first day nothing is known of clicks, later it is
SELECT day - min(day) OVER () AS day, bool_and(attraction = 0) AS unknown FROM (
	SELECT x.day, x.features[f.ordinal] AS attraction FROM exported AS x, personalize.training_features('rank_search') AS f WHERE f.name = 'attraction') AS a
GROUP BY a.day ORDER BY 1 LIMIT 2;
SELECT name, description FROM personalize.training_features('search_items') ORDER BY ordinal LIMIT 3;

-- Who is restricted, withdraws or is forgotten.
SELECT personalize.restrict('1', '{analytics}') \g /dev/null
SELECT count(DISTINCT page) < 600 AS fewer FROM personalize.export_training_data('rank_search', day(21), day(10));
SELECT personalize.lift_restriction('1', '{analytics}') \g /dev/null
SELECT count(DISTINCT page) FROM personalize.export_training_data('rank_search', day(21), day(10));
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'models';
SELECT personalize.forget('2') IS NOT NULL AS forgotten;
SELECT personalize.withdraw_consent('3', '{analytics}') \g /dev/null
SELECT personalize.withdraw_consent('4', '{personalization}') \g /dev/null
-- somebody of whom no page was shown
SELECT personalize.forget('stranger') IS NOT NULL AS forgotten;
SELECT count(DISTINCT page) < 600 AS fewer FROM personalize.export_training_data('rank_search', day(21), day(10));
SELECT name, version, in_use, forgotten FROM personalize.model ORDER BY 1, 2;
SELECT personalize.drop_model('rank_search.again'), personalize.drop_model('rank_search.pairs'), personalize.drop_model('search_items.learnt'),
	personalize.drop_model('rank_search.learnt', 2), personalize.drop_model('rank_search.learnt', 3);
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'models';
SELECT published FROM personalize.train_ranker('learnt', day(21), day(10), 'logistic', force => true);
SELECT count(personalize.drop_model('rank_search.learnt', v)) FROM unnest('{1,4}'::int[]) AS v;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'models';
-- an import says what it has learnt from, and is counted alike
SELECT personalize.import_model('gbdt', 'lightgbm', E'tree\nmax_feature_idx=0\nfeature_names=text\n\nTree=0\nnum_leaves=1\nleaf_value=0\n\nend of trees\n', day(21), day(10)),
	personalize.import_model('older', 'lightgbm', E'tree\nmax_feature_idx=0\n\nTree=0\nnum_leaves=1\nleaf_value=0\n\nend of trees\n', day(300), day(200)),
	personalize.import_model('unknown', 'lightgbm', E'tree\nmax_feature_idx=0\n\nTree=0\nnum_leaves=1\nleaf_value=0\n\nend of trees\n');
SELECT personalize.forget('6') IS NOT NULL AS forgotten;
SELECT name, forgotten FROM personalize.model ORDER BY 1;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'models';
-- once retention has removed pages of a model's time, whoever is forgotten may have been there,
-- unless the first that is known of them came after it
INSERT INTO personalize._gone (what, before) VALUES ('exposure', day(15)) ON CONFLICT (what) DO UPDATE SET before = excluded.before;
SELECT personalize.track('late', 'view_item', 1, ts => day(1), consent => '{personalization}') \g /dev/null
SELECT count(*) > 0 AS rolled FROM personalize.rollup_now();
SELECT personalize.forget('late') IS NOT NULL AS forgotten;
SELECT name, forgotten FROM personalize.model ORDER BY 1;
SELECT personalize.forget('nobody knows') IS NOT NULL AS forgotten;
SELECT name, forgotten FROM personalize.model ORDER BY 1;

-- Scores of the application's own search: what it told is the text of the page; who told none, or one, is told by the catalogue's texts.
SELECT personalize.grant_consent('own', '{analytics}') \g /dev/null
SELECT count(personalize.track_impressions('own', 'own ' || n, ARRAY[1, 2, 3, 4], query => 'own lamp', ts => day(2) + n * interval '1 minute',
	scores => CASE n WHEN 1 THEN '{7,-1,3}'::float8[] || 3::float8 WHEN 2 THEN '{5e18,NULL,1e18,NULL}' WHEN 3 THEN '{5,NULL,NULL,NULL}' WHEN 4 THEN '{2,2,2,2}' END))
	FROM generate_series(1, 5) AS n;
SELECT processor FROM personalize.rollup_now() WHERE processor = 'exposure';
CREATE TEMP TABLE own AS
	SELECT e.engine, x.page - min(x.page) OVER (PARTITION BY e.engine) + 1 AS page, x.slot, x.features[f.ordinal] AS text, x.features[c.ordinal] AS coverage
	FROM (VALUES ('rank_search'), ('search_items')) AS e (engine), LATERAL personalize.export_training_data(e.engine, day(2), day(1)) AS x,
		personalize.training_features('rank_search') AS f, personalize.training_features('rank_search') AS c WHERE f.name = 'text' AND c.name = 'coverage';
SELECT page, array_agg(round(text::numeric, 3) ORDER BY slot) AS text FROM own WHERE engine = 'rank_search' AND page <> 5 GROUP BY 1 HAVING page <> 3 ORDER BY 1;
-- what rank_search() itself makes of these scores
SELECT bool_and(abs((r.explanation ->> 'score_text')::float8 - o.text) < 1e-6) AS "as in the answer"
	FROM personalize.rank_search('own'::text, 'own lamp', '{1,2,3,4}', '{7,-1,3,3}', explain => true) AS r JOIN own AS o ON o.slot = r.item_key AND o.page = 1 AND o.engine = 'rank_search';
SELECT engine, count(DISTINCT texts) AS "ways to see it", bool_and(covered) AS covered FROM (
	SELECT engine, page, array_agg(text ORDER BY slot)::text AS texts, bool_and(coverage > 0) AS covered FROM own WHERE engine = 'search_items' OR page IN (3, 5) GROUP BY 1, 2) AS p GROUP BY 1 ORDER BY 1;
-- forgotten with the page
SELECT personalize.forget('own') IS NOT NULL AS forgotten;
SELECT count(*) FROM personalize.exposure WHERE score <> 'NaN';
DROP TABLE own;

-- What is wrong.
SELECT * FROM personalize.train_ranker('learned', day(21));
SELECT * FROM personalize.train_ranker('shared', day(21));
SELECT * FROM personalize.train_ranker('shared', day(21), engine => 'search_items');
SELECT * FROM personalize.train_ranker('shipped', day(21));
SELECT * FROM personalize.train_ranker('learnt', day(21), engine => 'recommend');
SELECT * FROM personalize.train_ranker('learnt', day(21), engine => 'search');
\set VERBOSITY sqlstate
SELECT * FROM personalize.train_ranker('learnt', '2024-05-02 10:00Z', '2024-05-02 10:00Z');
\set VERBOSITY default
SELECT * FROM personalize.train_ranker('learnt', '-infinity');
SELECT * FROM personalize.train_ranker('learnt', '2024-05-02', 'infinity');
SELECT * FROM personalize.train_ranker('learnt', day(100), day(90));
SELECT * FROM personalize.train_ranker('learnt', day(21), day(10), max_pages => 49);
SELECT * FROM personalize.train_ranker('learnt', day(21), max_pages => 0);
SELECT * FROM personalize.train_ranker('learnt', day(21), method => 'logistics');
SELECT * FROM personalize.train_ranker('learnt', day(21), penalty => 'NaN');
SELECT * FROM personalize.train_ranker('learnt', day(21), penalty => 0);
SELECT * FROM personalize.train_ranker('learnt', day(21), min_propensity => 'Infinity');
SELECT * FROM personalize.train_ranker(NULL, day(21));
SELECT * FROM personalize.train_ranker('learnt', NULL);
SET client_min_messages = warning;
SELECT pages FROM personalize.train_ranker('learnt', day(21), day(10), NULL, NULL, NULL, NULL, NULL, NULL);
RESET client_min_messages;
SELECT * FROM personalize.rollback_ranker(NULL);
SELECT * FROM personalize.rollback_ranker('learned');
SELECT * FROM personalize.rollback_ranker('words');
SELECT * FROM personalize.rollback_ranker('shipped');
SELECT * FROM personalize.export_training_data(NULL, day(21));
SELECT * FROM personalize.export_training_data('trending', day(21));
SELECT * FROM personalize.export_training_data('rank_search', NULL);
SELECT * FROM personalize.export_training_data('rank_search', day(21), variant => 'learned');
SELECT * FROM personalize.export_training_data('rank_search', day(21), max_pages => 1000001);
SELECT count(*) FROM personalize.export_training_data('rank_search', day(400), day(390));
SELECT count(*) > 0 AS now FROM personalize.export_training_data('rank_search', day(21), NULL, NULL, NULL);
SELECT * FROM personalize.training_features(NULL);
SELECT * FROM personalize.training_features('homepage');
SELECT personalize.import_model('gbdt', 'lightgbm', E'tree\nmax_feature_idx=0\n\nTree=0\nnum_leaves=1\nleaf_value=0\n\nend of trees\n', day(10), day(21));
SELECT personalize.import_model('gbdt', 'lightgbm', E'tree\nmax_feature_idx=0\n\nTree=0\nnum_leaves=1\nleaf_value=0\n\nend of trees\n', day(10));
BEGIN READ ONLY;
SELECT * FROM personalize.train_ranker('learnt', day(21), day(10));
ROLLBACK;
BEGIN READ ONLY;
SELECT count(*) > 0 AS rows FROM personalize.export_training_data('rank_search', day(21), day(10), max_pages => 10);
SELECT personalize.rollback_ranker('learnt');
ROLLBACK;
SET ROLE personalize_analyst;
SELECT count(*) > 0 AS rows FROM personalize.export_training_data('rank_search', day(21), day(10), max_pages => 10);
SELECT * FROM personalize.train_ranker('learnt', day(21), day(10));
RESET ROLE;
SET ROLE personalize_admin;
SELECT published FROM personalize.train_ranker('learnt', day(21), day(10), 'logistic', force => true);
RESET ROLE;
SET ROLE personalize_app;
SELECT count(*) FROM personalize.export_training_data('rank_search', day(21), day(10));
SELECT count(*) FROM personalize.rank_search(NULL, 'lamp', '{1,2}', variant => 'learnt');
RESET ROLE;
DROP FUNCTION quality, shows, worth, draw, day;
DROP TABLE lamp, person;

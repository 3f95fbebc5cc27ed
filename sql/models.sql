-- Models trained elsewhere: two small ones, whose scores can be told by hand.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SET search_path = personalize, public;

-- LightGBM.  Tree 0: price <= 10 (missing goes left) ? 0.5 : -0.5; tree 1: the brand is 1 or
-- 33 ? (stock <= 0.5, where 0 is missing and goes right ? 1 : 2) : 4
CREATE FUNCTION public.lightgbm(objective text DEFAULT 'lambdarank') RETURNS text LANGUAGE sql AS $$
	SELECT format(E'tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=2\nobjective=%s\n'
		'feature_names=price brand stock\nfeature_infos=[0:100] 0:1:33 [0:1]\ntree_sizes=1 1\n\n'
		'Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=1\nthreshold=10\ndecision_type=10\nleft_child=-1\nright_child=-2\n'
		'leaf_value=0.5 -0.5\nleaf_weight=1 1\nis_linear=0\nshrinkage=0.1\n\n\n'
		'Tree=1\nnum_leaves=3\nnum_cat=1\nsplit_feature=1 2\nthreshold=0 0.5\ndecision_type=1 4\nleft_child=1 -1\nright_child=-3 -2\n'
		'cat_boundaries=0 2\ncat_threshold=2 2\nleaf_value=1 2 4\nis_linear=0\nshrinkage=0.1\n\n\n'
		'end of trees\n\nfeature_importances:\nprice=1\n\nparameters:\n[boosting: gbdt]\nend of parameters\n', objective)
$$;
SELECT import_model('shop', 'lightgbm', lightgbm());
SELECT f, predict_model('shop', f) AS score, c AS "by hand" FROM (VALUES
	('{10,1,0.5}'::float8[], 0.5 + 1), ('{10.5,33,1}', -0.5 + 2), ('{NaN,33,0}', 0.5 + 2), ('{NULL,2,0.5}', 0.5 + 4),
	('{-5,1.9,0.4}', 0.5 + 1), ('{-5,NULL,0.4}', 0.5 + 4), ('{-5,-1,0.4}', 0.5 + 4), ('{-5,1e300,0.4}', 0.5 + 4)) AS v (f, c);
SELECT name, version, in_use, format, features, trees, nodes FROM model;

-- Objectives: what predict() of the library gives, and the sum.
SELECT o, import_model('o', 'lightgbm', lightgbm(o)) AS version, predict_model('o', '{10,1,0.5}') AS prediction, predict_model('o', '{10,1,0.5}', true) AS raw
FROM unnest('{regression,regression sqrt,binary sigmoid:2,poisson,cross_entropy_lambda}'::text[]) AS o;
SELECT 1 / (1 + exp(-3.0)) AS binary, exp(1.5) AS poisson, ln(1 + exp(1.5)) AS lambda;

-- XGBoost.  The tree: price < 10 (missing goes right) ? 0.25 : -1; base score .5 is 0 before the sigmoid.
CREATE FUNCTION public.xgboost(objective text DEFAULT 'binary:logistic', base text DEFAULT '5E-1', children text DEFAULT '[1,-1,-1]') RETURNS text LANGUAGE sql AS $$
	SELECT format('{"learner": {"attributes": {}, "feature_names": ["price", "stock"], "feature_types": ["float", "float"], "gradient_booster": {"model": '
		'{"gbtree_model_param": {"num_trees": "1"}, "tree_info": [0], "trees": [{"base_weights": [NaN, 0.25, -1], "default_left": [0, 0, 0], "id": 0,'
		' "left_children": %3$s, "right_children": [2, -1, -1], "split_indices": [0, 0, 0], "split_conditions": [10, 0.25, -1], "split_type": [0, 0, 0],'
		' "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],'
		' "tree_param": {"num_nodes": "3", "num_feature": "2", "size_leaf_vector": "0"}}]}, "name": "gbtree"},'
		' "learner_model_param": {"base_score": "%2$s", "num_class": "0", "num_feature": "2", "num_target": "1"}, "objective": {"name": "%1$s"}}, "version": [1, 7, 4]}',
		objective, base, children)
$$;
SELECT import_model('xgb', 'xgboost', xgboost());
SELECT f, predict_model('xgb', f, raw => true) AS sum, predict_model('xgb', f)
FROM unnest(ARRAY['9.999999', '10', '9.9999999', 'NaN']::float8[]) AS p, LATERAL (SELECT ARRAY[p, 1]) AS x (f);
SELECT import_model('xgb', 'xgboost', xgboost('rank:ndcg', '[2.5E-1]')), predict_model('xgb', '{1,1}');
SELECT import_model('xgb', 'xgboost', xgboost('count:poisson', '1')), predict_model('xgb', '{1,1}', true);

-- Versions: the newest is in use, and one can go back.
SELECT import_model('shop', 'lightgbm', replace(lightgbm(), 'leaf_value=0.5 -0.5', 'leaf_value=5 -5')), predict_model('shop', '{10,1,0.5}');
SELECT use_model('shop'), predict_model('shop', '{10,1,0.5}');
SELECT use_model('shop');
SELECT use_model('shop', 2), predict_model('shop', '{10,1,0.5}');
SELECT use_model('shop', 7);
SELECT drop_model('shop', 2);
SELECT drop_model('shop', 1);
BEGIN;
SELECT import_model('shop', 'lightgbm', lightgbm()), predict_model('shop', '{10,1,0.5}');
ROLLBACK;
SELECT predict_model('shop', '{10,1,0.5}');
SELECT name, version, in_use FROM model WHERE name IN ('shop', 'xgb') ORDER BY 1, 2;
SELECT drop_model('o'), drop_model('xgb');
SELECT drop_model('o');

-- What cannot be meant.
SELECT predict_model('nobody', '{1}');
SELECT predict_model(NULL, '{1}');
SELECT predict_model('shop', NULL);
SELECT predict_model('shop', '{1,2}');
SELECT predict_model('shop', '{{1,2,3}}');
SELECT predict_model('shop', '{1,2,Infinity}');
SELECT predict_model('shop', '{1,2,3}', NULL);
SELECT import_model('', 'lightgbm', lightgbm());
SELECT import_model(repeat('x', 64), 'lightgbm', lightgbm());
SELECT import_model(NULL, 'lightgbm', lightgbm());
SELECT import_model('x', 'catboost', lightgbm());
SELECT import_model('x', 'lightgbm', NULL);
SELECT use_model(NULL);
SELECT import_model('x', 'lightgbm', '');
SELECT import_model('x', 'lightgbm', xgboost());
SELECT import_model('x', 'xgboost', lightgbm());
SELECT import_model('x', 'xgboost', '[]');
SELECT import_model('x', 'xgboost', '{"learner": 1}');

-- Each fault of a file is told with its place.
CREATE FUNCTION public.fault(format text, content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	PERFORM personalize.import_model('fault', format, content);
	RETURN 'it is accepted';
EXCEPTION WHEN invalid_text_representation THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN message || E'\n' || detail;
END
$$;
SELECT fault('lightgbm', replace(lightgbm(), a, b)) FROM (VALUES (1, 'num_class=1', 'num_class=3'), (2, 'max_feature_idx=2', 'max_feature_idx=9999'),
	(3, 'max_feature_idx=2', 'max_feature_idx=1'), (4, 'split_feature=0', 'split_feature=3'), (5, 'threshold=10', 'threshold=ten'),
	(6, 'threshold=10', 'threshold=nan'), (7, 'left_child=-1', 'left_child=0'), (8, 'right_child=-2', 'right_child=-1'), (9, 'right_child=-2', 'right_child=5'),
	(10, 'leaf_value=0.5 -0.5', 'leaf_value=0.5'), (11, 'leaf_value=0.5 -0.5', 'leaf_value=0.5 inf'), (12, 'cat_boundaries=0 2', 'cat_boundaries=2 0'),
	(13, 'cat_boundaries=0 2', 'cat_boundaries=0 3'), (14, 'threshold=0 0.5', 'threshold=1 0.5'), (15, 'is_linear=0', 'is_linear=1'),
	(16, 'end of trees', 'the end'), (17, 'num_leaves=3', 'num_leaves=-3'), (18, 'num_leaves=3', ''), (19, 'lambdarank', 'multiclass num_class:3'),
	(20, 'price brand', 'price price'), (21, 'decision_type=1 4', 'decision_type=1 99'), (22, 'objective=lambdarank', 'objective=binary sigmoid:-1'),
	(23, 'left_child=-1', 'left_child')) AS f (n, a, b) ORDER BY n;
SELECT fault('xgboost', x) FROM (VALUES (1, xgboost('multi:softmax')), (2, xgboost(base => '1.5')), (3, xgboost(base => 'x')), (4, xgboost(children => '[1,-1]')),
	(5, xgboost(children => '[0,-1,-1]')), (6, xgboost(children => '[2,-1,-1]')), (7, xgboost(children => '[1,0.5,-1]')), (8, xgboost(children => '7')),
	(9, replace(xgboost(), 'split_conditions', 'conditions')), (10, replace(xgboost(), '"num_class": "0"', '"num_class": "4"')),
	(11, replace(xgboost(), '"gbtree"}', '"gblinear"}')), (12, replace(xgboost(), '"split_type": [0', '"split_type": [1')), (13, replace(xgboost(), '[10, 0.25', '[NaN, 0.25')),
	(14, replace(xgboost(), '"num_feature": "2", "num_target"', '"num_feature": "0", "num_target"'))) AS f (n, x) ORDER BY n;

-- A file with bytes changed, cut or doubled is refused or is a model that answers; nothing else comes of it.
CREATE FUNCTION public.survive(format text, content text, rounds int) RETURNS TABLE (accepted bool, refused bool) LANGUAGE plpgsql AS $$
DECLARE
	word text;
	at int;
	fuzzed text;
	good int := 0;
	bad int := 0;
BEGIN
	FOR i IN 1 .. rounds LOOP
		at := 1 + (hashint8extended(i, 1) & 2147483647) % length(content);
		word := (ARRAY['', '-', '9', '99999999999', 'e9', 'nan', '=', E'\n', ' ', '{', '[', ']', ',', '"', 'true', '-1', '0.5', substr(content, at, 40)])[1 + (hashint8extended(i, 2) & 2147483647) % 18];
		fuzzed := overlay(content PLACING word FROM at FOR ((hashint8extended(i, 3) & 2147483647) % 4)::int);
		BEGIN
			PERFORM personalize.import_model('fuzz', format, fuzzed);
			good := good + 1;
			-- the number of features may have changed
			PERFORM personalize.predict_model('fuzz', array_fill(1.5::float8, ARRAY[cardinality(m.features)])) FROM personalize.model m WHERE m.name = 'fuzz' AND m.in_use AND m.features <> '{}';
		EXCEPTION WHEN invalid_text_representation OR numeric_value_out_of_range OR untranslatable_character THEN
			bad := bad + 1;
		END;
	END LOOP;
	RETURN QUERY SELECT good > 0, bad > rounds / 4;
END
$$;
SELECT * FROM survive('lightgbm', lightgbm(), 1500);
SELECT * FROM survive('xgboost', xgboost(), 1500);

-- Stored bytes that have been changed lead nowhere.
CREATE FUNCTION public.damaged(place int, byte int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE personalize.model SET content = set_byte(content, place, byte) WHERE name = 'shop' AND in_use;
	PERFORM personalize.predict_model('shop', '{1,2,3}');
	RAISE EXCEPTION SQLSTATE 'OK000';
EXCEPTION WHEN data_corrupted THEN
	RETURN 'damaged';
WHEN SQLSTATE 'OK000' THEN
	RETURN 'read';
END
$$;
SELECT damaged(n, 255), count(*) > 10 AS many FROM model m, LATERAL generate_series(0, length(m.content) - 1) AS n
WHERE m.name = 'shop' AND m.in_use GROUP BY 1 ORDER BY 1;

-- Who may: an administrator imports, an analyst asks, others neither.
CREATE ROLE regress_model_admin IN ROLE personalize_admin;
CREATE ROLE regress_model_app IN ROLE personalize_app;
SET ROLE regress_model_admin;
SELECT personalize.import_model('mine', 'xgboost', '{}');
SELECT personalize.use_model('shop', 2), personalize.predict_model('shop', '{1,2,3}') IS NOT NULL AS answered;
INSERT INTO personalize.model SELECT * FROM personalize.model;
RESET ROLE;
SET ROLE regress_model_app;
SELECT personalize.predict_model('shop', '{1,2,3}');
SELECT personalize.import_model('mine', 'xgboost', '{}');
RESET ROLE;
DROP ROLE regress_model_admin, regress_model_app;
DROP FUNCTION public.lightgbm, public.xgboost, public.fault, public.survive, public.damaged;

-- rank_search: search results that somebody has found, in the order that suits a person.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;

SELECT * FROM personalize.upsert_items('[
	{"item_id": 1, "category": "shoes", "brand": "acme", "tags": ["red"], "price": 50, "name": "Red running shoe", "created_at": "2024-01-01"},
	{"item_id": 2, "category": "shoes", "brand": "zoom", "price": 60, "name": "Blue running shoe", "created_at": "2024-01-01"},
	{"item_id": 3, "category": "shirts", "brand": "acme", "price": 20, "name": "Running shirt", "description": "To be worn with running shoes.", "created_at": "2024-01-01"},
	{"item_id": 4, "category": "hats", "brand": "zoom", "price": 10, "name": "Sun hat", "created_at": "2024-01-01"},
	{"item_id": "gone", "name": "Running shoe", "available": false}, {"item_id": "secret", "name": "Running shoe", "hidden": true}]');

-- the application's scores, on any scale
SELECT rank, item_id, round(score::numeric, 3) AS score, reason FROM personalize.rank_search(NULL, 'running shoe', '{1,2,3,4}', '{0.1,0.3,0.2,0.05}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{1,2,3,4}', '{-1e300,-3e299,0,1e-300}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{4,3,2,1}', '{7,7,7,7}');
-- none: by the catalogue's texts; where it has none, the order
SELECT rank, item_id, reason FROM personalize.rank_search(NULL, 'running shoe', '{4,3,unknown,1,2}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{u3,u1,u2}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'Zoom', '{3,1,4,2}', '{1,1,1,1}');
-- nothing is lost unless somebody says so
SELECT count(*), count(DISTINCT item_id) FROM personalize.rank_search(NULL, 'x', (SELECT array_agg(i::text::personalize.entity_id) FROM generate_series(1, 10000) i));
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{1,2,1,2,1}', '{1,2,9,9,9}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{gone,1,secret,2,other}', '{5,4,3,2,1}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{1,2,3,4}', '{4,3,2,1}', n => 2, exclude => '{1}', filter => '$.price < 60');
SELECT count(*) FROM personalize.rank_search(NULL, 'running shoe', '{}');
SELECT count(*) FROM personalize.rank_search(NULL, 'running shoe', '{}', '{}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, '', '{2,1}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, E'\u0001\u0002 \t!', '{2,1}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, repeat('shirt ', 1700), '{4,1,3}');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, repeat('x', 10240), '{2,1}');
SELECT (SELECT array_agg(r.item_id ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{4,3,2,1}') r)
	= (SELECT array_agg(r.item_id ORDER BY rank) FROM personalize.rank_search('nobody', 'running shoe', '{4,3,2,1}') r);

-- what is wrong
SELECT * FROM personalize.rank_search(NULL, NULL, '{1}');
SELECT * FROM personalize.rank_search(NULL, 'x', NULL);
SELECT * FROM personalize.rank_search(NULL, 'x', '{1,NULL}');
SELECT * FROM personalize.rank_search(NULL, 'x', '{{1,2},{3,4}}');
SELECT * FROM personalize.rank_search(NULL, 'x', '{1,2}', '{1}');
SELECT * FROM personalize.rank_search(NULL, 'x', '{1}', '{}');
SELECT * FROM personalize.rank_search(NULL, 'x', '{1,2}', '{1,NULL}');
SELECT * FROM personalize.rank_search(NULL, 'x', '{1,2}', '{1,NaN}');
SELECT * FROM personalize.rank_search(NULL, 'x', '{1,2}', '{-Infinity,1}');
SELECT * FROM personalize.rank_search(NULL, 'x', (SELECT array_agg(i::text::personalize.entity_id) FROM generate_series(1, 100000) i));
SELECT * FROM personalize.rank_search(NULL, 'x', '{1}', n => 0);
SELECT * FROM personalize.rank_search(NULL, 'x', '{1}', n => 10001);
SELECT * FROM personalize.rank_search(NULL, 'x', '{1}', variant => 'bold');
SELECT * FROM personalize.rank_search(NULL, 'x', '{1}', as_of => 'infinity');

-- the same query before and after a person's clicks
SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}') \g /dev/null
SELECT rank, item_id, reason FROM personalize.rank_search('ada', 'running shoe', '{1,2}', '{1.1,1}');
SELECT personalize.track('ada', 'view_item', '2') \g /dev/null
SELECT personalize.track('ada', 'add_to_cart', '2') \g /dev/null
SELECT personalize.track('ada', 'view_item', '4') \g /dev/null
SELECT rank, item_id, reason FROM personalize.rank_search('ada', 'running', '{1,3,2}', '{1.2,1.1,1}');
SELECT item_id, array_agg(e.key ORDER BY e.key) FROM personalize.rank_search('ada', 'running', '{1,2}', '{1.1,1}', explain => true) r,
	LATERAL jsonb_each(r.explanation) e WHERE jsonb_typeof(e.value) = 'number' GROUP BY 1 ORDER BY 1;
-- what each feature adds adds up
SELECT bool_and(abs(score - (SELECT sum(e.value::float8) FROM jsonb_each(r.explanation) e WHERE jsonb_typeof(e.value) = 'number' AND e.key NOT IN ('score', 'boost'))) < 1e-9)
	FROM personalize.rank_search('ada', 'running', '{1,2,3,4}', '{4,3,2,1}', explain => true) r;
-- a favourite, and what is not wanted
SELECT personalize.grant_consent('eve', '{personalization}') \g /dev/null
SELECT personalize.set_preference('eve', 'favourite_category', 'shirts') \g /dev/null
SELECT rank, item_id, reason FROM personalize.rank_search('eve', 'running', '{1,3,2}', '{1,1,1}') LIMIT 1;
SELECT personalize.set_preference('eve', 'hidden_brand', 'zoom') \g /dev/null
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search('eve', 'running', '{1,2,3}', '{3,2,1}');
-- no consent: the text's order, and the reason says so
SELECT personalize.withdraw_consent('ada', '{personalization,recommendations}') \g /dev/null
SELECT rank, item_id, reason FROM personalize.rank_search('ada', 'running', '{1,3,2}', '{1.2,1.1,1}');

-- what goes with what was viewed
SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'recommendations'])) FROM generate_series(100, 109) u;
SELECT count(personalize.track(u, 'view_item', item, session_id => 's', ts => date_trunc('hour', now(), 'UTC') - interval '1 day' + place * interval '1 minute'))
	FROM generate_series(100, 109) u, unnest(ARRAY['4', '3']) WITH ORDINALITY AS i(item, place);
SELECT count(*) > 0 FROM personalize.rollup_now();
SELECT rank, item_id, reason FROM personalize.rank_search(NULL, 'running', '{1,2,3}', '{1.2,1.1,1}', session_items => '{4}');

-- it writes nothing, and runs as the application
SET ROLE personalize_app;
SET default_transaction_read_only = on;
SELECT count(*) FROM personalize.rank_search('ada', 'running', '{1,3,2}');
RESET default_transaction_read_only;
RESET ROLE;
SELECT measure, value > 0 AS counted FROM personalize.stat_engine WHERE engine = 'rank_search' AND measure IN ('calls', 'text_match', 'fits') ORDER BY 1;

-- variants: weights of features, parameters of the texts' score and of the neighbours
SELECT name, unit, minimum, maximum, default_value FROM personalize.engine_parameters('rank_search') WHERE name ~ 'text|bm25|seen|coverage' ORDER BY 1;
SELECT count(*) FROM (SELECT * FROM personalize.engine_parameters('rank_search') EXCEPT SELECT * FROM personalize.engine_parameters('search_items')) AS p;
SELECT personalize.create_variant('rank_search', 'names only', '{"text_a": 1, "text_b": 0, "text_c": 0, "text_d": 0, "coverage": 0, "name_coverage": 0, "bm25_k1": 0}') \g /dev/null
SELECT personalize.create_variant('rank_search', 'upside down', '{"text_weight": -1}') \g /dev/null
SELECT personalize.create_variant('rank_search', 'new', '{"text_weigth": -1}');
SELECT personalize.create_variant('rank_search', 'new', '{"bm25_b": 1.5}');
SELECT v.name, (SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running shoe', '{4,3,2,1}', '{1,2,3,4}', variant => v.name)) AS by_scores,
	(SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'acme shirt', '{4,3,2,1}', variant => v.name)) AS by_texts
FROM unnest('{shipped,names only,upside down}'::text[]) AS v (name);
SELECT o.engine, o.variant FROM personalize.rank_search(NULL, 'x', '{1}', variant => 'upside down') AS r, personalize.request_origin(r.request_id) AS o;
SELECT o.engine, o.variant FROM personalize.search_items(NULL, 'hat') AS r, personalize.request_origin(r.request_id) AS o;

-- what people click after a query comes up, that of the same category with it, and goes down with them
CREATE FUNCTION ranked(query text) RETURNS text LANGUAGE sql AS
	$$SELECT string_agg(item_id || ' ' || reason, ', ' ORDER BY rank) FROM personalize.rank_search(NULL, query, '{1,2,3,4}', '{4,3,2,1}')$$;
SELECT count(personalize.grant_consent('s' || u, '{analytics}')) FROM generate_series(1, 40) AS u;
SELECT ranked('Running');
SELECT count(personalize.track_impressions('s' || u, gen_random_uuid()::text, '{1,2,3,4}'::text[], query => 'running', ts => now() - interval '1 hour')),
	count(personalize.track('s' || u, 'select_item', '4', ts => now() - interval '59 minutes')) FROM generate_series(1, 40) AS u;
SELECT ranked('Running');
SELECT count(*) > 0 FROM personalize.rollup_now();
SELECT ranked('Running'), ranked(' RUNNING! '), ranked('sun') AS other_query;
SELECT e.key, round(e.value::numeric, 3) AS value FROM personalize.rank_search(NULL, 'running', '{4}', '{1}', explain => true) AS r,
	jsonb_each_text(r.explanation) AS e WHERE e.key = 'score_attraction';
-- what is damaged is told
\set SHOW_CONTEXT never
BEGIN;
UPDATE personalize._attraction SET clicked = '{{1},{2}}' WHERE query_key = 0 AND item_key = 4;
SELECT ranked('Running');
ROLLBACK;
BEGIN;
UPDATE personalize._attraction SET shown = '{1,NULL,3}' WHERE query_key = 0 AND item_key = 4;
SELECT ranked('Running');
ROLLBACK;
\set SHOW_CONTEXT errors
-- of the past it is not known
SELECT count(*) FROM personalize.rank_search(NULL, 'running', '{4}', '{1}', explain => true, as_of => now() - interval '1 day') AS r WHERE r.explanation ? 'score_attraction';
-- a new item of the category has its rate
SELECT * FROM personalize.upsert_items('[{"item_id": 5, "category": "hats"}, {"item_id": 6, "category": "scarves"}]');
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running', '{6,5}', '{1,1}');
SELECT count(personalize.forget('s' || u)) FROM generate_series(1, 20) AS u;
SELECT count(personalize.withdraw_consent('s' || u, '{analytics}')) FROM generate_series(21, 40) AS u;
SELECT ranked('Running');
SELECT count(*) FROM personalize._attraction;

-- rules of a query; what is pinned must have been found
INSERT INTO personalize.rule (name, kind, engine, query, items, place) VALUES ('hat first', 'pin', 'rank_search', 'Sun  HAT', '{4,6}', 1);
INSERT INTO personalize.rule (name, kind, query, query_match, items, factor) VALUES ('push shirts', 'boost', 'shirt', 'contains', '{3}', 1000);
INSERT INTO personalize.rule (name, kind, query, query_match, items) VALUES ('no zoom', 'exclude', 'acme', 'contains', '{2}');
SELECT q AS query, ranked(q), (SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.search_items(NULL, q)) AS found
	FROM unnest('{sun hat,sun hats,running shirt or shoe,acme running,running}'::text[]) AS q;
SELECT count(*), count(DISTINCT item_id) FROM personalize.rank_search(NULL, 'sun hat', ARRAY(SELECT i::text FROM generate_series(1, 10000) AS i)::personalize.entity_id[]);
SELECT item_id, explanation->'rules' AS rules, round((explanation->>'score_rules')::numeric, 3) AS score_rules, explanation->'boost' AS boost
	FROM personalize.rank_search(NULL, 'running shirt', '{1,3}', '{2,1}', explain => true) ORDER BY rank;
DELETE FROM personalize.rule;
SELECT ranked('sun hat');

-- scores are logarithms, for diversity, too: what is far behind stays behind, and nothing is lost
SELECT personalize.create_variant('rank_search', 'varied', '{"diversity": 0.4}') \g /dev/null
SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'running', '{1,2,3,4}', '{4,3.9,3.8,-10}', variant => 'varied');
SELECT count(*), count(DISTINCT item_id) FROM personalize.rank_search(NULL, 'x', ARRAY(SELECT i::text FROM generate_series(1, 500) AS i)::personalize.entity_id[], variant => 'varied');

-- an imported model scores by the features of its names: here text <= 0 ? 1.5 : -1.5
CREATE FUNCTION trees(names text) RETURNS text LANGUAGE sql AS $$
	SELECT format(E'tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=lambdarank\n'
		'%sfeature_infos=[0:100] [0:1]\ntree_sizes=1\n\n'
		'Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=1\nsplit_gain=1\nthreshold=0\ndecision_type=2\nleft_child=-1\nright_child=-2\n'
		'leaf_value=1.5 -1.5\nleaf_weight=1 1\nis_linear=0\nshrinkage=0.1\n\n\n'
		'end of trees\n\nfeature_importances:\n\nparameters:\n[boosting: gbdt]\nend of parameters\n', names)
$$;
SELECT personalize.import_model('ranker', 'lightgbm', trees(E'feature_names=seen text\n'));
SELECT rank, item_id, score, reason FROM personalize.rank_search(NULL, 'running', '{1,2,3,4}', '{4,3,2,1}', model => 'ranker');
SELECT item_id, explanation - 'as_of' AS explanation FROM personalize.rank_search(NULL, 'running', '{1,2}', '{2,1}', explain => true, model => 'ranker');
SELECT personalize.import_model('other', 'lightgbm', trees(E'feature_names=seen txet\n'));
SELECT * FROM personalize.rank_search(NULL, 'running', '{1}', model => 'other');
SELECT personalize.import_model('nameless', 'lightgbm', trees(''));
SELECT * FROM personalize.rank_search(NULL, 'running', '{1}', model => 'nameless');
SELECT * FROM personalize.rank_search(NULL, 'running', '{1}', model => 'none');
SELECT count(*) FROM personalize.rank_search(NULL, 'running', '{}', model => 'ranker');
SET ROLE personalize_app;
SELECT count(*) FROM personalize.rank_search(NULL, 'running', '{1,2}', model => 'ranker');
RESET ROLE;

-- a variant names the model that its answers are scored by, here and in the catalogue's search
SELECT personalize.create_variant('rank_search', 'by model', '{"model": "ranker"}');
SELECT item_id, score FROM personalize.rank_search(NULL, 'running', '{1,2,3,4}', '{4,3,2,1}', variant => 'by model') ORDER BY rank;
SELECT personalize.create_variant('search_items', 'by model', '{"model": "ranker"}');
SELECT item_id, score FROM personalize.search_items(NULL, 'running shoe', 4, variant => 'by model') ORDER BY rank;
-- a model of the call's own comes first
SELECT personalize.import_model('second', 'lightgbm', replace(trees(E'feature_names=seen text\n'), '1.5 -1.5', '2.5 -2.5'));
SELECT DISTINCT abs(score) FROM personalize.rank_search(NULL, 'running', '{1,2}', '{4,3}', variant => 'by model', model => 'second');
SELECT personalize.drop_model('ranker');
SELECT personalize.retire_variant('rank_search', 'by model'), personalize.retire_variant('search_items', 'by model');
SELECT personalize.drop_model('ranker');
-- what is wrong
SELECT name, unit, minimum, maximum, default_value FROM personalize.engine_parameters('search_items') WHERE name = 'model';
\set VERBOSITY terse
SELECT personalize.create_variant('rank_search', 'x', '{"model": "nobody"}');
SELECT personalize.create_variant('rank_search', 'x', '{"model": "other"}');
SELECT personalize.create_variant('rank_search', 'x', '{"model": "nameless"}');
SELECT personalize.create_variant('rank_search', 'x', '{"model": ""}');
SELECT personalize.create_variant('rank_search', 'x', jsonb_build_object('model', repeat('x', 97)));
SELECT personalize.create_variant('rank_search', 'x', '{"model": 1}');
SELECT personalize.create_variant('rank_search', 'x', '{"model": null}');
SELECT personalize.create_variant('recommend', 'x', '{"model": "ranker"}');
\set VERBOSITY default

-- what the catalogue says of an item's worth, where a variant asks for it: on any scale, under one of several names
SELECT count(personalize.upsert_items(i)) FROM jsonb_array_elements('[
	{"item_id": "a", "category": "cups", "name": "cup", "rating": 4.5, "review_count": 10, "sold": 0, "inventory": 5, "margin": -0.1, "created_at": "2024-01-01"},
	{"item_id": "b", "category": "cups", "name": "big tea cup", "stars": 3, "votes": 1000, "popularity": 1e300, "stock": 0, "margin": 0.4, "created_at": "2024-01-01"},
	{"item_id": "c", "category": "cups", "name": "tea cup", "rating": "five", "reviews": -3, "sales": 7, "quantity": 2, "created_at": "2024-01-01"},
	{"item_id": "d", "category": "cups", "name": "tea", "created_at": "2024-01-01"}]') AS i;
SELECT f AS feature, personalize.create_variant('rank_search', f, jsonb_build_object(f || '_weight', 1, 'text_weight', 0, 'exact_weight', 0)) > 0 AS made
FROM unnest('{rating,reviews,popularity,stock,margin,conversion,exploration,coverage,name_coverage,name_share}'::text[]) AS f;
CREATE FUNCTION told(feature text, words text DEFAULT 'tea cup', at timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s', r.item_id, round((r.explanation ->> ('score_' || feature))::numeric, 2)), ', ' ORDER BY r.item_id)
	FROM personalize.rank_search(NULL, words, '{a,b,c,d,unknown}', '{1,1,1,1,1}', explain => true, variant => feature, as_of => at) AS r
$$;
SELECT f AS feature, told(f) FROM unnest('{rating,reviews,popularity,stock,margin,coverage,name_coverage,name_share}'::text[]) AS f;
SELECT count(*) AS "not looked up where it does not count" FROM personalize.rank_search(NULL, 'tea cup', '{a,b}', explain => true) AS r WHERE r.explanation ?| '{score_rating,score_stock,score_name_share,score_conversion,score_exploration}';
-- who looks buys, or does not: counted by whole hours that are over
SELECT count(personalize.grant_consent('buyer' || u, '{analytics}')) FROM generate_series(1, 100) AS u;
SELECT count(personalize.track('buyer' || u, 'view_item', i, ts => now() - interval '3 days')), count(personalize.track('buyer' || u, 'purchase', 'b', ts => now() - interval '3 days')) FILTER (WHERE i = 'b' AND u <= 20)
FROM generate_series(1, 100) AS u, unnest('{a,b}'::text[]) AS i;
-- an item that was seen often and clicked never is known; of the others nothing is
SELECT count(personalize.track_impressions('buyer' || u, NULL, '{a}', query => 'tea cup', ts => now() - interval '3 days')) FROM generate_series(1, 60) AS u;
SELECT processor FROM personalize.rollup_now() WHERE processor IN ('exposure', 'item_stat') ORDER BY 1;
SELECT told('conversion') AS conversion, told('conversion', at => now() - interval '4 days') AS before;
SELECT round(ln((0 + 1) / (100 + 50.0) / 0.02), 2) AS a, round(ln((20 + 1) / (100 + 50.0) / 0.02), 2) AS b;
SELECT told('exploration') AS exploration, round(sqrt(20 / (20 + 60.0)), 2) AS a, told('exploration', at => now() - interval '4 days') AS past;
SELECT item_id, reason FROM personalize.rank_search(NULL, 'tea cup', '{a,b}', variant => 'exploration') ORDER BY rank;
DROP FUNCTION told;

-- how much more of what somebody does is about a category than of what everybody does
SELECT personalize.grant_consent('bea', '{analytics,personalization,recommendations}') \g /dev/null
SELECT personalize.grant_consent('cleo', '{analytics,personalization,recommendations}') \g /dev/null
SELECT count(personalize.track(v.who, 'view_item', v.i)) FROM (SELECT 'bea', unnest('{1,2,3,3,3,3}'::int[]) UNION ALL SELECT 'cleo', unnest('{1,2,2,4}'::int[])) AS v (who, i);
SELECT processor FROM personalize.rollup_now() WHERE processor = 'item_stat';
SELECT personalize.create_variant('rank_search', 'lift', '{"interest_lift_weight": 1}') \g /dev/null
WITH trend AS (SELECT i.category, sum(t.score) AS weight FROM personalize.trending(1000) AS t JOIN personalize.item AS i USING (item_key) GROUP BY 1),
	part AS (SELECT i.item_id, (coalesce(t.weight, 0) + 1) / (SELECT sum(weight) + count(*) + 1 FROM trend) AS of_all, i.category FROM personalize.item AS i LEFT JOIN trend AS t USING (category)),
	interest AS (SELECT value, decayed FROM personalize.features('cleo', purpose => 'personalization') WHERE signal = 'interest_category')
SELECT p.item_id, sign(l.lift::numeric) AS more, abs(l.lift - ln((coalesce(i.decayed, 0) / p.of_all + 10) / ((SELECT sum(decayed) FROM interest) + 10))) < 1e-4 AS "as defined"
	FROM personalize.rank_search('cleo', 'running', '{1,2,3,4,unknown}', '{5,4,3,2,1}', explain => true, variant => 'lift') AS r
		JOIN part AS p USING (item_id) LEFT JOIN interest AS i ON i.value = p.category, LATERAL (SELECT (r.explanation ->> 'score_interest_lift')::float8 AS lift) AS l ORDER BY 1;
-- it is not looked up where it does not count, and of nobody without interests
SELECT count(*) FROM personalize.rank_search('cleo', 'running', '{1,2}', explain => true) AS r WHERE r.explanation ? 'score_interest_lift';
SELECT count(*) FROM personalize.rank_search(NULL, 'running', '{1,2}', explain => true, variant => 'lift') AS r WHERE r.explanation ? 'score_interest_lift';

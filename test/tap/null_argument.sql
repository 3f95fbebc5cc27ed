-- NULL for an argument that has a default is the default, in every function.
--
-- Each function with defaults is called once without them and once per argument with
-- NULL in its place, each call on the same data and undone afterwards.  What it answers
-- and what it leaves in the tables must be the same, but for times and random ids.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
RESET client_min_messages;
SET client_min_messages = error;
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p \gset ignored_
SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations'])) FROM unnest(ARRAY['ada', 'bob']) u \gset ignored_
SELECT count(personalize.track(u, 'view_item', i, ts => now() - interval '1 hour', session_id => 's'))
	FROM unnest(ARRAY['ada', 'bob']) u, unnest(ARRAY['hat', 'shoe', 'cap']) i \gset ignored_
-- a step to be replayed, and an answer that was shown
SELECT count(personalize.track('ada', 'view_item', i, ts => now() - interval '50 minutes' + n * interval '1 minute', session_id => 't')) FROM unnest(ARRAY['hat', 'shoe']) WITH ORDINALITY u(i, n) \gset ignored_
SELECT count(*) FROM personalize.rollup_now() \gset ignored_
SELECT count(personalize.track_impressions('ada', r.request_id::text, ARRAY[r.item_id])) FROM personalize.trending(1) r \gset ignored_
SELECT count(*) FROM personalize.rollup_now() \gset ignored_
SELECT count(*) FROM (SELECT personalize.create_signal('known', ARRAY['view_item'], 'item')) x \gset ignored_
SELECT personalize.create_segment('known', 'search_term >= 1') \gset ignored_
-- what they have waiting is filled in, too
SELECT count(*) FROM personalize.rollup_now() \gset ignored_
SELECT personalize.create_experiment('known', 'trending', '["shipped", {"name": "new", "parameters": {}}]') \gset ignored_
SELECT personalize.create_feature_view('model', '{"views": "item_affinity default 0", "price": "request.price"}') \gset ignored_
SELECT personalize.create_signal('hobby', ARRAY['view_item'], 'properties.hobby', basis => 'inferred') \gset ignored_
-- so that the workers have no reason to
SELECT personalize.compute_feature_stats() \gset ignored_
CREATE TABLE null_argument_spine AS SELECT 'ada' AS user_id, now() AS event_timestamp;
CREATE TABLE null_argument_product (id text PRIMARY KEY, price numeric);
INSERT INTO null_argument_product VALUES ('hat', 1), ('tie', 2);
SELECT count(*) FROM (SELECT personalize.set_preference('ada', 'favourite_brand', 'acme')) x \gset ignored_
SELECT count(personalize.import_model('tree', 'lightgbm', E'tree\nmax_feature_idx=0\n\nTree=0\nnum_leaves=1\nleaf_value=' || v || E'\n\nend of trees\n')) FROM unnest('{1,2}'::text[]) v \gset ignored_
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('shown', 'pin', '{hat}', 1);
SELECT personalize.restrict('bob') \gset ignored_
SELECT status FROM personalize.identify('tablet', 'ada') \gset ignored_
SET personalize.purpose = 'personalization';

-- What stands for an argument without a default: by function, name or type, the first that fits.
CREATE TEMP TABLE sample (n serial, function text, name text, type text, value text);
INSERT INTO sample (function, name, type, value) VALUES
	('alter_signal', 'name', NULL, '''known'''), ('alter_segment', 'name', NULL, '''known'''), ('create_signal', 'name', NULL, '''mine'''),
	('rectify', 'correction', NULL, '''{"preference": {"name": "favourite_brand", "value": "acme", "correct_value": "Acme"}}'''),
	('create_segment', 'condition', NULL, '''interest_brand decayed >= 1'''), ('in_segment', 'name', NULL, '''user_interested_in_electronics'''), ('segment_members', 'name', NULL, '''user_interested_in_electronics'''),
	('create_feature_view', 'features', NULL, '''{"views": "item_affinity"}'''), (NULL, 'view', NULL, '''model'''), ('test_signal', 'definition', NULL, '''{"key_path": "item"}'''),
	('get_historical_features', 'spine', 'text', '''SELECT * FROM null_argument_spine'''), ('get_historical_features', 'spine', 'regclass', '''null_argument_spine'''),
	('create_cohort_report', 'signal', NULL, '''hobby'''), ('create_cohort_report', 'cohorts', NULL, '''{golf}'''), ('set_cohort_policy', NULL, 'numeric', '1'),
	('create_variant', 'engine', NULL, '''recommend'''), ('rule_effect', 'rule', NULL, '''shown'''), ('predict_model', 'features', NULL, 'ARRAY[1]'),
	('drop_model', 'name', NULL, '''tree'''), ('predict_model', 'name', NULL, '''tree'''), ('use_model', 'name', NULL, '''tree'''),
	('export_training_data', 'engine', NULL, '''rank_search'''), ('export_training_data', 'since', NULL, '(now() - interval ''2 days'')'), ('import_model', 'format', NULL, '''lightgbm'''),
	('import_model', 'content', NULL, 'E''tree\nmax_feature_idx=0\n\nTree=0\nnum_leaves=1\nleaf_value=0\n\nend of trees\n'''),
	('experiment_plan', 'metric', NULL, '''clicks'''), ('experiment_results', 'name', NULL, '''known'''),
	('identify', 'anonymous_id', NULL, '''phone'''), ('alias', 'alias_id', NULL, '''phone'''), ('split', 'anonymous_id', NULL, '''tablet'''),
	('create_experiment', 'engine', NULL, '''recommend'''),
	('create_experiment', 'engine', NULL, '''recommend'''), ('replay', 'engine', NULL, '''recommend'''),
	('evaluate_policy', 'engine', NULL, '''trending'''), ('evaluate_policy', 'variant', NULL, '''shipped'''),
	('create_experiment', 'variants', NULL, '''["shipped", {"name": "new", "parameters": {}}]'''), ('set_holdout', 'share', NULL, '0.1'),
	('state_hash', 'table_name', NULL, '''profile'''), (NULL, 'key_path', NULL, '''item'''), (NULL, 'kind', NULL, '''raw'''), (NULL, 'signal', NULL, '''item_affinity'''),
	(NULL, 'name', NULL, '''favourite_brand'''), (NULL, 'events', NULL, 'ARRAY[''view_item'']'), (NULL, 'event', NULL, '''view_item'''),
	(NULL, 'item_id', NULL, '''hat'''), (NULL, NULL, 'text', '''ada'''), (NULL, NULL, 'personalize.entity_id', '''ada'''),
	(NULL, NULL, 'text[]', 'ARRAY[''analytics'']'), (NULL, NULL, 'personalize.entity_id[]', 'ARRAY[''hat'']'),
	(NULL, NULL, 'regclass', '''null_argument_product'''), (NULL, NULL, 'interval', '''40 days'''), (NULL, NULL, 'jsonb', '''{"gpc": false}'''), (NULL, NULL, 'personalize.event_json', '''{"gpc": false}'''),
	(NULL, NULL, 'personalize.event_time[]', 'ARRAY[now() - interval ''3 days'']::timestamptz[]');

CREATE TEMP TABLE argument AS
	SELECT p.oid, p.proname AS function, a.name, a.n, a.n > p.pronargs - p.pronargdefaults AS has_default,
		coalesce((SELECT s.value FROM sample s
			WHERE coalesce(s.function, p.proname) = p.proname AND coalesce(s.name, a.name) = a.name
				AND coalesce(s.type, format_type(a.type, NULL)) = format_type(a.type, NULL)
			ORDER BY s.n LIMIT 1), 'NULL') || '::' || format_type(a.type, NULL) AS value,
		'NULL::' || format_type(a.type, NULL) AS "null"
	FROM pg_proc p,
		LATERAL (SELECT u.name, u.type, row_number() OVER (ORDER BY u.at) AS n
			FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes) WITH ORDINALITY AS u(type, name, mode, at)
			WHERE coalesce(u.mode, 'i') IN ('i', 'b', 'v')) a
	-- a procedure commits: nothing of it could be undone here (sql/retention.sql passes it NULLs)
	WHERE p.pronamespace = 'personalize'::regnamespace AND p.prokind = 'f';

-- A call as SQL; with one of its arguments NULL.
CREATE TEMP TABLE call AS
	SELECT a.oid, a.function, d.name AS argument,
		format('SELECT r FROM personalize.%I(%s) r', a.function,
			coalesce(string_agg(a.value, ', ' ORDER BY a.n) FILTER (WHERE NOT a.has_default), '')) AS without,
		format('SELECT r FROM personalize.%I(%s) r', a.function,
			concat_ws(', ', string_agg(a.value, ', ' ORDER BY a.n) FILTER (WHERE NOT a.has_default), d.name || ' => ' || d."null")) AS with_null
	FROM argument a JOIN argument d ON d.oid = a.oid AND d.has_default
	GROUP BY a.oid, a.function, d.name, d."null", d.n;

-- What is no id, in each place of one; what ingestion refuses is an answer of it, and an id that may be left out there is if it is empty.
CREATE TEMP TABLE no_id AS
	SELECT DISTINCT ON (a.function, d.name, v.value) a.function, d.name AS argument, v.value,
		format('SELECT r FROM personalize.%I(%s) r', a.function,
			string_agg(format('%s => %s', a.name, CASE WHEN a.name <> d.name THEN a.value
				WHEN d.value LIKE '%[]' THEN format('ARRAY[%s]%s', v.value, substring(d.value FROM '::.*$')) ELSE v.value || substring(d.value FROM '::.*$') END),
				', ' ORDER BY a.n) FILTER (WHERE NOT a.has_default OR a.name = d.name)) AS call
	FROM argument a JOIN argument d ON d.oid = a.oid AND d.value ~ '::(text|personalize\.entity_id)(\[\])?$'
			AND d.name IN ('user_id', 'user_ids', 'item_id', 'item_ids', 'items', 'candidates', 'exclude', 'session_items', 'anonymous_id', 'alias_id')
			AND EXISTS (SELECT FROM pg_proc p WHERE p.oid = d.oid AND p.proargtypes::oid[] && ARRAY['personalize.entity_id'::regtype::oid, 'personalize.entity_id[]'::regtype]),
		(VALUES (''''''), (''' '''), ('repeat(''x'', 513)'), ('NULL')) v (value)
	WHERE (v.value <> 'NULL' OR d.value LIKE '%[]')
		-- keys of anything; answers of their own, sql/ingest.sql
		AND a.function NOT IN ('user_key', 'item_key', 'track', 'try_track', 'ingest', 'import_events')
	GROUP BY a.oid, a.function, d.name, d.value, v.value;

-- Times, random ids and transaction ids out of a text.
CREATE FUNCTION pg_temp.steady(line text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(line,
		'\d{4}-\d\d-\d\d[T ][\d:.]+([+-]\d\d(:\d\d)?)?', 'TIME', 'g'),
		'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', 'UUID', 'g'),
		'"nonce": ?-?\d+|"cost": ?"[^"]*"|\\+x[0-9a-f]{12,}|\m\d{12,}\M|:\d+:\d+:|"(score|seconds|decayed|tuned_at|freshness)": ?[\d.e-]+|\d+\.\d{6,}', 'X', 'g')
$$;
-- All that the tables hold.
CREATE FUNCTION pg_temp.state() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	name text;
	line text;
	state text := '';
BEGIN
	FOR name IN SELECT c.oid::regclass FROM pg_class c
		WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND c.relname NOT IN ('_counter', '_shipped', '_secret', 'processor_position', '_position')
		ORDER BY 1
	LOOP
		EXECUTE format('SELECT string_agg(l, E''\n'' ORDER BY l) FROM (SELECT pg_temp.steady(to_jsonb(t)::text) AS l FROM %s t) x', name) INTO line;
		state := state || name || E'\n' || coalesce(line, '') || E'\n';
	END LOOP;
	RETURN state;
END $$;
-- What a call answers and leaves, or its error.
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	outcome text;
BEGIN
	BEGIN
		EXECUTE format('SELECT string_agg(pg_temp.steady(to_jsonb(r)::text), E''\n'' ORDER BY pg_temp.steady(to_jsonb(r)::text)) FROM (%s) r', call) INTO outcome;
		outcome := coalesce(outcome, '') || E'\n' || pg_temp.state();
		RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = outcome;
	EXCEPTION
		WHEN SQLSTATE 'ZZ000' THEN RETURN 'ok ' || outcome;
		WHEN OTHERS THEN RETURN SQLSTATE || ' ' || pg_temp.steady(SQLERRM);
	END;
END $$;

-- each call in a transaction of its own
CREATE TEMP TABLE outcome (LIKE call, without_outcome text, null_outcome text);
SELECT format('INSERT INTO outcome SELECT c.*, pg_temp.outcome(without), pg_temp.outcome(with_null) FROM call c WHERE oid = %s AND argument = %L', oid, argument)
FROM call ORDER BY oid, argument \gexec
SELECT plan(5);
SELECT cmp_ok((SELECT count(*)::integer FROM no_id), '>=', 80, 'there are arguments that are ids');
SELECT is_empty($$SELECT function, argument, left(value, 20), left(outcome, 200), call FROM (SELECT n.*, pg_temp.outcome(call) AS outcome FROM no_id n) o
	WHERE outcome !~ '^22023 .*(must not be empty|has no item_id|513 bytes, more than 512)|^22004 .*must not (be|have) null' ORDER BY 1, 2, 3$$,
	'what is no id is an error in each of them');
SELECT cmp_ok((SELECT count(*)::integer FROM outcome), '>=', 60, 'there are arguments with defaults');
SELECT is_empty($$SELECT o.function, o.argument, w.line, n.line, o.with_null
	FROM outcome o,
		LATERAL regexp_split_to_table(without_outcome, E'\n') WITH ORDINALITY w(line, at),
		LATERAL regexp_split_to_table(null_outcome, E'\n') WITH ORDINALITY n(line, at)
	WHERE w.at = n.at AND w.line <> n.line ORDER BY 1, 2$$,
	'NULL for each of them is its default');
SELECT is_empty($$SELECT DISTINCT function, left(without_outcome, 200) FROM outcome
	WHERE without_outcome NOT LIKE 'ok %' AND function NOT IN ('tune_neighbours', 'fit_examination', 'train_ranker', 'rollback_ranker') ORDER BY 1$$,	-- these need thousands of sessions, clicks and pages: sql/training.sql
	'and all of these calls were good');
SELECT * FROM finish();
DROP TABLE null_argument_product, null_argument_spine;

-- Every function does what its parallel label says, found in pg_proc: run in a
-- worker, it answers as it does in the backend that asks.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
RESET client_min_messages;

SET personalize.test_now = '2026-01-02 00:00:00+00';
SELECT count(personalize.grant_consent(u, '{analytics,personalization,recommendations}')) FROM unnest(ARRAY['ada', 'bob']) u \g /dev/null
SELECT count(personalize.track(u, 'view_item', i, jsonb_build_object('items', jsonb_build_array(jsonb_build_object('item_id', i, 'price', 5))), session_id => u,
		ts => '2026-01-01 10:00:00+00'::timestamptz + n * interval '1 minute'))
	FROM unnest(ARRAY['ada', 'bob']) u, unnest(ARRAY['hat', 'shoe', '7']) WITH ORDINALITY l(i, n) \g /dev/null
SELECT personalize.create_segment('relname', 'interest_category >= 1 or item_affinity >= 1 or search -> view_item within 1 day') \g /dev/null
SELECT personalize.track('ada', 'search', properties => '{"query": "hat"}') \g /dev/null
SELECT count(*) FROM personalize.rollup_now() \g /dev/null
SELECT personalize.track('ada', 'view_item', 'sock') \g /dev/null
SELECT personalize.set_preference('ada', 'favourite_brand', 'acme') \g /dev/null
INSERT INTO personalize.item (item_id, category, brand, price) VALUES ('cap', 'hats', 'acme', 5);
SELECT personalize.create_feature_view('relname', '{"views": "item_affinity default 0", "kind": "interest_category most_frequent", "in": "in_segment(''relname'')"}') \g /dev/null
SELECT personalize.import_model('ranker', 'lightgbm', E'tree\nmax_feature_idx=0\nfeature_names=text\n\nTree=0\nnum_leaves=1\nleaf_value=1\n\nend of trees\n') \g /dev/null
SET personalize.purpose = 'personalization';

-- One row of arguments, by type or by name and type; what has none here is
-- called with NULL.
CREATE TABLE argument AS SELECT
	'ada'::text AS "text", 'ada'::personalize.entity_id AS "personalize.entity_id", 'ada'::name AS "name", 'ada'::character(3) AS "character",
	'{hat,shoe,cap}'::personalize.entity_id[] AS "personalize.entity_id[]", '{7}'::personalize.entity_id[] AS "exclude personalize.entity_id[]", 1::smallint AS "smallint", 1::integer AS "integer",
	personalize.user_key('ada') AS "bigint", 1.5 AS "numeric", true AS "boolean", 'pg_class'::regclass AS "regclass", 10::oid AS "oid",
	'00000000-0000-7000-8000-000000000001'::uuid AS "uuid", '\x00'::bytea AS "bytea", '1 == 1'::jsonpath AS "jsonpath", '1 == 1'::personalize.path_filter AS "personalize.path_filter", '1 == 1'::text AS "filter text",
	'30 days'::interval AS "interval", '2026-01-02 00:00:00+00'::timestamptz AS "timestamp with time zone",
	'{"item_id": "relname", "gpc": false}'::jsonb AS "jsonb", ARRAY[1]::bigint[] AS "bigint[]",
	ARRAY['2026-01-01 00:00:00+00']::timestamptz[] AS "timestamp with time zone[]", ARRAY['30 days']::interval[] AS "interval[]",
	(SELECT features FROM personalize.profile ORDER BY user_key LIMIT 1) AS "personalize.feature_state",
	(SELECT l FROM personalize.consent_ledger l ORDER BY user_key LIMIT 1) AS "personalize.consent_ledger",
	'personalization'::text AS "purpose text", 'item_affinity'::text AS "signal text", NULL::text AS "category text", 'relname'::text AS "name text",
	'recommend'::text AS "engine text", 'shipped'::text AS "variant text", 'ranker'::text AS "model text", 'relname'::text AS "view text",
	'item_id'::text AS "item_column text", 'profile'::text AS "processor text", personalize_internal._txid_snapshot() AS "asof text",
	(SELECT data FROM personalize.posting ORDER BY item_key LIMIT 1) AS "data bytea",
	(SELECT data FROM personalize._pair_list ORDER BY item_key LIMIT 1) AS "pairs bytea",
	(SELECT recent FROM personalize.profile ORDER BY user_key LIMIT 1) AS "recent bytea",
	(SELECT steps FROM personalize.profile WHERE steps IS NOT NULL ORDER BY user_key LIMIT 1) AS "steps bytea",
	(SELECT items FROM personalize.session ORDER BY session_key LIMIT 1) AS "items bytea";
ANALYZE argument;

-- Each function that may run in a worker, as a call; but not what only the
-- server itself can call, nor what wants a list of columns.
CREATE TABLE call AS
	SELECT p.oid::regprocedure::text AS name, p.proparallel AS label, p.provolatile AS volatility,
		format('SELECT string_agg((to_jsonb(r) #- %L)::text, %L ORDER BY to_jsonb(r)::text) FROM (SELECT %s(%s) AS answer FROM argument a) r', '{answer,request_id}', '; ',
			p.oid::regproc, (
				SELECT string_agg(coalesce('a.' || quote_ident(c.attname), 'NULL::' || format_type(t.type, NULL)), ', ' ORDER BY t.n)
				FROM unnest(p.proargtypes) WITH ORDINALITY t(type, n)
					LEFT JOIN LATERAL (
						SELECT c.attname FROM pg_attribute c
						WHERE c.attrelid = 'argument'::regclass
							AND c.attname IN (format_type(t.type, NULL), p.proargnames[t.n] || ' ' || format_type(t.type, NULL))
						ORDER BY c.attname = format_type(t.type, NULL) LIMIT 1) c ON true)) AS command
	FROM pg_proc p
	WHERE p.pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace) AND p.proparallel <> 'u'
		AND NOT p.prorettype = ANY ('{internal,cstring,trigger,event_trigger,fdw_handler}'::regtype[])
		AND NOT p.proargtypes::oid[] && '{internal,cstring}'::regtype[]::oid[]
		AND (p.prorettype <> 'record'::regtype OR p.proallargtypes IS NOT NULL);

-- What a call answers, or its error; in the worker that mode asks for.
CREATE FUNCTION answer(command text, mode text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	PERFORM set_config('force_parallel_mode', mode, true);
	EXECUTE command INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
-- Where it is answered.
CREATE FUNCTION plan(command text, mode text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	PERFORM set_config('force_parallel_mode', mode, true);
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || command LOOP
		plan := plan || line || E'\n';
	END LOOP;
	RETURN plan;
END
$$;

SELECT plan(3);
SELECT is_empty($$SELECT name FROM call WHERE label = 's' AND plan(command, 'on') !~ 'Gather' ORDER BY 1$$,
	'every function marked safe goes to a worker');
SELECT is_empty($$
	SELECT name, answer(command, 'on') FROM call
	WHERE CASE WHEN volatility = 'v' THEN answer(command, 'on') ~ '^[0-9A-Z]{5}: '
		ELSE answer(command, 'on') IS DISTINCT FROM answer(command, 'off') END ORDER BY 1$$,
	'every function answers there as it does without one');
SELECT is_empty($$SELECT name, answer(command, 'off') FROM call WHERE answer(command, 'off') ~ '^(XX|0A|42)[0-9A-Z]{3}: ' ORDER BY 1$$,
	'and the arguments are such that there is something to answer');
SELECT * FROM finish();

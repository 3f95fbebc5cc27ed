-- Ids of every type, in every function, in every form a client sends them.
--
-- psql sends literals; psycopg 2 and ORMs on top of it too, with a cast for
-- uuid; psycopg 3, JDBC and others send parameters with a type (text, int2, int4,
-- int8, numeric, uuid) or without one.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
RESET client_min_messages;

CREATE TEMP TABLE id_type (type text, literal text);
INSERT INTO id_type VALUES
	('text', '''7'''), ('varchar', '''7'''), ('varchar(10)', '''7'''), ('char(5)', '''7'''),
	('smallint', '7'), ('integer', '7'), ('bigint', '7000000000'), ('numeric', '7.50'), ('numeric(10, 2)', '7'),
	('uuid', '''b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11'''), ('unknown', '''7''');

-- every call with an id: its arguments as a list with %s for each id
CREATE TEMP TABLE call AS
	SELECT p.oid, p.proname AS name,
		(SELECT count(*) FROM unnest(p.proargtypes) AS a(type)
			WHERE a.type IN ('personalize.entity_id'::regtype, 'personalize.entity_id[]'::regtype)) AS ids,
		(SELECT string_agg(CASE a.type
				WHEN 'personalize.entity_id'::regtype THEN '%1$s'
				WHEN 'personalize.entity_id[]'::regtype THEN 'ARRAY[%1$s]'
				ELSE 'NULL' END, ', ' ORDER BY a.n)
			FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, n)) AS arguments,
		(SELECT string_agg('$' || a.n, ', ' ORDER BY a.n)
			FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, n)) AS parameters
	FROM pg_proc p
	WHERE p.pronamespace = 'personalize'::regnamespace;
DELETE FROM call WHERE ids = 0;

CREATE FUNCTION pg_temp.fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	IF statement LIKE 'PREPARE%' THEN
		DEALLOCATE ids;
	END IF;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s: %s', statement, SQLERRM);
END $$;

SELECT plan(11);

SELECT cmp_ok((SELECT count(*)::integer FROM call), '>=', 10, 'there are calls with ids');
SELECT is_empty($$
	SELECT p.proname FROM pg_proc p
	WHERE p.pronamespace = 'personalize'::regnamespace AND p.oid IN (SELECT oid FROM call)
	GROUP BY 1 HAVING count(*) > 1$$,
	'every call with an id has one signature for ids of any type');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.oid IN (SELECT oid FROM call) AND 'personalize.entity_id'::regtype = ANY (p.proargtypes)
		AND (SELECT count(*) FROM pg_proc t
			WHERE t.pronamespace = p.pronamespace AND t.proname = p.proname AND t.oid <> p.oid
				AND replace(replace(replace(t.oid::regprocedure::text, 'personalize.path_filter', 'text'), 'text', 'personalize.entity_id'), 'jsonb', 'personalize.event_json')
					= replace(replace(replace(p.oid::regprocedure::text, 'personalize.path_filter', 'text'), 'text', 'personalize.entity_id'), 'jsonb', 'personalize.event_json')
				AND t.proargnames = p.proargnames AND t.provolatile = p.provolatile AND t.proparallel = p.proparallel
				AND t.prosecdef = p.prosecdef AND t.proisstrict = p.proisstrict AND t.prosupport = p.prosupport
				AND t.proowner = p.proowner
				AND (SELECT array_agg(x ORDER BY x::text) FROM unnest(t.proacl) x) IS NOT DISTINCT FROM (SELECT array_agg(x ORDER BY x::text) FROM unnest(p.proacl) x)) <> 1
	ORDER BY 1$$,
	'and one for ids that are text, with the same rights');

-- literals: bare where the type has a literal of its own, and cast
SELECT is_empty($$
	SELECT f FROM call, id_type, pg_temp.fails(format('EXPLAIN SELECT personalize.%I(%s)', name, format(arguments, literal))) f
	WHERE f IS NOT NULL$$,
	'literals');
SELECT is_empty($$
	SELECT f FROM call, id_type,
		pg_temp.fails(format('EXPLAIN SELECT personalize.%I(%s)', name, format(arguments, literal || '::' || type))) f
	WHERE type <> 'unknown' AND f IS NOT NULL$$,
	'literals with a cast');

-- columns
SELECT is_empty($$
	SELECT f FROM call, id_type,
		pg_temp.fails(format('EXPLAIN SELECT personalize.%I(%s) FROM (SELECT %s::%s AS c) AS t',
			name, format(arguments, 't.c'), literal, type)) f
	WHERE type <> 'unknown' AND f IS NOT NULL$$,
	'columns');
SELECT is_empty($$
	SELECT f FROM call, id_type,
		pg_temp.fails(format('EXPLAIN SELECT personalize.%I(%s) FROM (SELECT ARRAY[%s::%s] AS c) AS t',
			name, replace(replace(arguments, 'ARRAY[%1$s]', 't.c'), '%1$s', 't.c[1]'), literal, type)) f
	WHERE type <> 'unknown' AND f IS NOT NULL$$,
	'arrays of columns');

-- parameters, with and without a type
SELECT is_empty($$
	SELECT f FROM call, id_type,
		pg_temp.fails(format('PREPARE ids(%s) AS SELECT personalize.%I(%s)', type, name, format(arguments, '$1'))) f
	WHERE type <> 'unknown' AND f IS NOT NULL$$,
	'parameters with a type');
SELECT is_empty($$
	SELECT f FROM call,
		pg_temp.fails(format('PREPARE ids AS SELECT personalize.%I(%s)', name, parameters)) f
	WHERE f IS NOT NULL$$,
	'parameters without a type');
PREPARE bind AS SELECT r.item_id FROM personalize.recommend($1, n => $2) r, personalize.consent_of($1)
	WHERE r.item_id = $1 OR $1 = 'x' OR $3 = r.item_id;
SELECT is((SELECT parameter_types::text FROM pg_prepared_statements WHERE name = 'bind'), '{text,integer,text}',
	'a parameter without a type is a text, in an id''s place and in a text''s');

-- all of them are the same user
SELECT personalize.grant_consent(7, ARRAY['analytics']) \gset ignored_
CREATE TEMP TABLE id AS
	SELECT '7'::text AS t, '7'::varchar AS v, '7'::char(5) AS c, 7::smallint AS s, 7 AS i, 7::bigint AS b, 7.00::numeric AS n;
PREPARE untyped AS SELECT personalize.track($1, $2);
DO $$
DECLARE
	form text;
BEGIN
	FOREACH form IN ARRAY ARRAY['t', 'v', 'c', 's', 'i', 'b', 'n'] LOOP
		EXECUTE format('SELECT personalize.track(%s, ''view_item'', %s, session_id => %s, message_id => %L) FROM id', form, form, form, form);
	END LOOP;
END $$;
EXECUTE untyped('7', 'view_item') \gset ignored_
SELECT results_eq(
	$$SELECT user_key, count(*), count(DISTINCT item_key), count(DISTINCT session_key) FROM personalize.event GROUP BY 1$$,
	$$VALUES (7::bigint, 8::bigint, 1::bigint, 1::bigint)$$,
	'all forms of an id are one id');
SELECT * FROM finish();

-- Row policies from every side: one purpose at a time, and no way around it.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
DROP ROLE IF EXISTS pol_a, pol_b, pol_ab, pol_none, pol_app, pol_admin, pol_all, pol_dumper, "pol "" \ $$ ' odd";
CREATE ROLE pol_a LOGIN IN ROLE personalize_analyst, personalize_analytics;
CREATE ROLE pol_b LOGIN IN ROLE personalize_analyst, personalize_marketing;
CREATE ROLE pol_ab LOGIN IN ROLE personalize_analyst, personalize_analytics, personalize_marketing;
CREATE ROLE pol_none LOGIN IN ROLE personalize_analyst;
CREATE ROLE pol_app LOGIN IN ROLE personalize_app;
CREATE ROLE pol_admin LOGIN IN ROLE personalize_admin;
CREATE ROLE pol_all LOGIN IN ROLE personalize_app, personalize_analyst, personalize_admin,
	personalize_analytics, personalize_personalization, personalize_recommendations, personalize_marketing;
CREATE ROLE pol_dumper LOGIN IN ROLE pg_read_all_data;
\setenv PGDATABASE :DBNAME
\setenv PGOPTIONS

-- Three signals need A, B and both; people agreed to A, to B, to both and to C.
SELECT personalize.create_signal('sig_a', '{view_item}', 'properties.query', purposes => '{analytics}'),
	personalize.create_signal('sig_b', '{view_item}', 'properties.query', purposes => '{marketing}'),
	personalize.create_signal('sig_ab', '{view_item}', 'properties.query', purposes => '{analytics,marketing}') \g /dev/null
SELECT personalize.create_feature_view('pol', '{"a": "sig_a", "b": "sig_b", "ab": "sig_ab"}') \g /dev/null
SELECT personalize.grant_consent('a', '{analytics}'), personalize.grant_consent('b', '{marketing}'),
	personalize.grant_consent('ab', '{analytics,marketing}'), personalize.grant_consent('c', '{recommendations}'), personalize.grant_consent('d', '{personalization}') \g /dev/null
SELECT personalize.track(u, 'view_item', 'tea', '{"query": "word"}', session_id => 's ' || u) FROM unnest('{a,b,ab,c,d}'::text[]) AS u, generate_series(1, 3) \g /dev/null
-- the newest event of ab is for B only
SELECT personalize.track('ab', 'view_item', 'tea', '{"query": "word"}', consent => '{marketing}') \g /dev/null
SELECT FROM personalize.rollup_now() \g /dev/null
SELECT 'personalize.event_p' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') AS day \gset

-- What a role gets for a query of one column under a purpose: its rows, or the
-- error.  Everything it did is undone.
CREATE FUNCTION attempt(who text, purpose text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	hint text;
	detail text;
BEGIN
	BEGIN
		PERFORM set_config('personalize.purpose', coalesce(purpose, ''), true);
		PERFORM set_config('role', who, true);
		IF query ~* '^\s*(SELECT|VALUES|WITH|TABLE|EXPLAIN)' AND query !~* '^\s*EXPLAIN' THEN
			EXECUTE format('SELECT coalesce(string_agg(q.x::text, '','' ORDER BY q.x::text COLLATE "C"), '''') FROM (%s) AS q (x)', query) INTO answer;
		ELSE
			EXECUTE query;
			answer := 'done';
		END IF;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ000';
	EXCEPTION
		WHEN SQLSTATE 'ZZ000' THEN RETURN answer;
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
			RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
	END;
END
$$;
-- The plan of a query as the role sees it, with what EXPLAIN ANALYZE counts.
CREATE FUNCTION analyzed(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off) ' || query;
END
$$;
GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC;
RESET client_min_messages;

SELECT * FROM no_plan();

-- Every table is on one of the two lists.
SELECT is_empty($$
	SELECT c.relname FROM pg_class c
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND 1 <> (SELECT count(*) FROM (SELECT name FROM personalize._person_table UNION ALL SELECT name FROM personalize._impersonal_table) l WHERE l.name = c.relname)$$,
	'every table is on the list of those with persons'' data or on that of those without');
SELECT is_empty($$
	SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, count(p.oid)
	FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid AND NOT p.polpermissive AND p.polroles = '{0}'
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relname IN (SELECT name FROM personalize._person_table)
	GROUP BY c.oid HAVING NOT (c.relrowsecurity AND c.relforcerowsecurity AND string_agg(p.polcmd::text, '' ORDER BY p.polcmd) = 'adrw')$$,
	'each with persons'' data has row security, forced, and restrictive policies for SELECT, INSERT, UPDATE and DELETE');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace) AND has_function_privilege('public', p.oid, 'EXECUTE') AND p.prosecdef$$,
	'PUBLIC may call no definer function');
SELECT is_empty($$
	SELECT t.name, r.rolname, w.privilege FROM personalize._person_table t, pg_roles r,
		unnest('{INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS w (privilege)
	WHERE r.rolname LIKE 'pol%' AND to_regclass('personalize.' || t.name) IS NOT NULL AND has_table_privilege(r.oid, to_regclass('personalize.' || t.name), w.privilege)$$,
	'no role may write a table with persons'' data, nor refer to it or have it call triggers');

-- A person who agreed to A and B, three signals: each role sees exactly its own.
CREATE TEMP TABLE seen (place serial, what text, query text, a text, b text);
INSERT INTO seen (what, query, a, b) VALUES
	('event', 'SELECT DISTINCT u FROM unnest(''{a,b,ab,c}''::text[]) u JOIN personalize.event e ON e.user_key = personalize.user_key(u)', 'a,ab', 'ab,b'),
	('event, counted', 'SELECT count(*) FROM personalize.event', '6', '7'),
	('subject', 'SELECT user_id FROM personalize.subject', 'a,ab', 'ab,b'),
	('analytics_event', 'SELECT DISTINCT user_id FROM personalize.analytics_event', 'a,ab', 'ab,b'),
	('profile_person', 'SELECT user_id FROM personalize.profile_person', 'a,ab', 'ab,b'),
	('profile_feature', 'SELECT DISTINCT user_id || ''.'' || signal FROM personalize.profile_feature WHERE signal ~ ''^sig_''', 'a.sig_a,ab.sig_a,ab.sig_ab', 'ab.sig_ab,ab.sig_b,b.sig_b'),
	('profile_feature of one', 'SELECT DISTINCT signal FROM personalize.profile_feature WHERE user_id = ''ab'' AND signal ~ ''^sig_''', 'sig_a,sig_ab', 'sig_ab,sig_b'),
	('a typed view of features', 'SELECT user_id || ''.'' || coalesce(a, 0) || coalesce(b, 0) || coalesce(ab, 0) FROM personalize.fv_pol', 'a.300,ab.303', 'ab.043,b.030'),
	('a typed view of features, of one', 'SELECT coalesce(a, 0) || ''.'' || coalesce(b, 0) FROM personalize.fv_pol WHERE user_id = ''ab''', '3.0', '0.4'),
	('get_features_batch()', 'SELECT user_id || ''.'' || jsonb_strip_nulls(features)::text FROM personalize.get_features_batch(''{a,b,c}'', ''pol'')', 'a.{"a": 3},b.{},c.{}', 'a.{},b.{"b": 3},c.{}'),
	('get_historical_features()', 'SELECT user_id || ''.'' || jsonb_strip_nulls(features)::text FROM personalize.get_historical_features(''SELECT unnest(''''{a,b,c}''''::text[]) AS user_id, now() AS event_timestamp'', ''pol'')', 'a.{"a": 3},b.{},c.{}', 'a.{},b.{"b": 3},c.{}'),
	('test_signal()', 'SELECT DISTINCT unnest(people) FROM personalize.test_signal(jsonb_build_object(''key_path'', ''none'', ''purposes'', jsonb_build_array(current_setting(''personalize.purpose''))))', 'a,ab', 'ab,b'),
	('profile_pane', 'SELECT DISTINCT user_id || ''.'' || signal FROM personalize.profile_pane WHERE signal ~ ''^sig_''', 'a.sig_a,ab.sig_a,ab.sig_ab', 'ab.sig_ab,ab.sig_b,b.sig_b'),
	('features()', 'SELECT signal FROM personalize.features(''ab'') WHERE signal ~ ''^sig_''', 'sig_a,sig_ab', 'sig_ab,sig_b'),
	('features() of who agreed to one', 'SELECT u || ''.'' || signal FROM unnest(''{a,b,c}''::text[]) u, personalize.features(u) WHERE signal ~ ''^sig_''', 'a.sig_a', 'b.sig_b'),
	('profile()', 'SELECT k FROM personalize.profile(''ab'') p, jsonb_object_keys(p.features) k WHERE k ~ ''^sig_''', 'sig_a,sig_ab', 'sig_ab,sig_b'),
	('profile() as text', 'SELECT m[1] FROM personalize.profile(''ab'') p, regexp_matches(p::text, ''sig_[ab]+'', ''g'') m', 'sig_a,sig_ab', 'sig_ab,sig_b'),
	-- the last items are kept for personalization only
	('recent()', 'SELECT u FROM unnest(''{a,b,ab,c,d}''::text[]) u, personalize.recent(u)', '', ''),
	('cohort_count()', 'SELECT personalize.cohort_count(''sig_ab'', ''word'')', '1', '1'),
	('cohort_counts()', 'SELECT users FROM personalize.cohort_counts(''sig_ab'')', '1', '1'),
	('an aggregate', 'SELECT sum(count) FROM personalize.profile_feature WHERE signal ~ ''^sig_'' AND period = ''30 days''', '9', '10'),
	('a row as text', 'SELECT DISTINCT substring(f::text FROM ''sig_[ab]+'') FROM personalize.profile_feature f WHERE user_id = ''ab'' AND signal ~ ''^sig''', 'sig_a,sig_ab', 'sig_ab,sig_b'),
	('a row as JSON', 'SELECT DISTINCT to_jsonb(f) ->> ''signal'' FROM personalize.profile_feature f WHERE user_id = ''ab'' AND signal ~ ''^sig''', 'sig_a,sig_ab', 'sig_ab,sig_b'),
	('a row in binary', 'SELECT DISTINCT encode(record_send(f), ''hex'') ~ encode(''sig_a'', ''hex'') FROM (SELECT signal FROM personalize.profile_feature WHERE user_id = ''ab'') f WHERE signal IN (''sig_a'', ''sig_b'')', 'true', 'false'),
	('export_events()', 'SELECT DISTINCT user_id FROM personalize.export_events()', 'a,ab', 'ab,b'),
	('export_profiles()', 'SELECT user_id FROM personalize.export_profiles()', 'a,ab', 'ab,b'),
	('feature_state cast to jsonb', 'SELECT user_id || ''.'' || d.name FROM personalize.export_profiles() e, jsonb_array_elements(e.features::jsonb -> ''features'') k JOIN personalize.signal d ON d.signal = (k ->> ''signal'')::int WHERE d.name ~ ''^sig_''', 'a.sig_a,ab.sig_a,ab.sig_ab', 'ab.sig_ab,ab.sig_b,b.sig_b'),
	('feature_state, when the newest event was', 'SELECT features::jsonb ->> ''newest'' = (SELECT max(k ->> ''last'') FROM jsonb_array_elements(features::jsonb -> ''features'') k) FROM personalize.export_profiles() WHERE user_id = ''ab''', 'true', 'true'),
	('feature_state as text', 'SELECT (features::text)::personalize.feature_state::jsonb = features::jsonb AND octet_length(features::text) < 2000 FROM personalize.export_profiles() WHERE user_id = ''ab''', 'true', 'true'),
	('feature_state in binary is as long as its signals', 'SELECT octet_length(personalize_internal._feature_state_send(features)) > octet_length(personalize_internal._feature_state_send((SELECT features FROM personalize.export_profiles() WHERE user_id IN (''a'', ''b'')))) FROM personalize.export_profiles() WHERE user_id = ''ab''', 'true', 'true'),
	('feature_state_merge(), aggregated', 'SELECT DISTINCT d.name FROM (SELECT personalize.feature_state_merge(features) AS m FROM personalize.export_profiles()) s, jsonb_array_elements(s.m::jsonb -> ''features'') k JOIN personalize.signal d ON d.signal = (k ->> ''signal'')::int', 'sig_a,sig_ab', 'sig_ab,sig_b'),
	('query_to_xml()', 'SELECT (regexp_matches(query_to_xml(''SELECT user_id FROM personalize.subject'', true, true, '''')::text, ''<user_id>(.*?)</user_id>'', ''g''))[1]', 'a,ab', 'ab,b');
SELECT is(attempt('pol_a', 'analytics', query), a, 'analytics: ' || what) FROM seen ORDER BY place;
SELECT is(attempt('pol_b', 'marketing', query), b, 'marketing: ' || what) FROM seen ORDER BY place;
-- the argument is a request as good as the setting, and goes before it
SELECT is(attempt('pol_ab', 'analytics', $$SELECT signal FROM personalize.features('ab', purpose => 'marketing') WHERE signal ~ '^sig_'$$), 'sig_ab,sig_b', 'the argument goes before the setting');
SELECT is(attempt('pol_a', NULL, $$SELECT k FROM personalize.profile('ab', 'analytics') p, jsonb_object_keys(p.features) k WHERE k ~ '^sig_'$$), 'sig_a,sig_ab', 'profile() by argument');
SELECT is(attempt('pol_all', NULL, $$SELECT u FROM unnest('{a,b,ab,c,d}'::text[]) u, personalize.recent(u, purpose => 'personalization')$$), 'd', 'recent() by argument');
SELECT is(attempt('pol_a', NULL, $$SELECT personalize.cohort_count('sig_a', 'word', purpose => 'analytics')$$), '2', 'cohort_count() by argument');
SELECT alike(attempt('pol_a', 'analytics', $$SELECT signal FROM personalize.features('ab', purpose => 'marketing')$$), '42501%does not hold purpose "marketing"%', 'an argument that is not held');
SELECT alike(attempt('pol_a', 'analytics', $$SELECT personalize.cohort_count('sig_b', 'word')$$), '42501%', 'cohort_count() of a signal of another purpose');

-- no purpose, unknown, not granted
SELECT alike(attempt('pol_ab', NULL, q), '42501 | no purpose is in force | Role "pol_ab" holds: analytics, marketing. |%SET LOCAL%ALTER ROLE%argument%', 'no purpose: ' || q)
	FROM unnest(ARRAY['SELECT 1 FROM personalize.event', 'SELECT 1 FROM personalize.subject', 'SELECT 1 FROM personalize.profile_feature', 'SELECT 1 FROM personalize.profile_pane',
		'SELECT 1 FROM personalize.profile_person', 'SELECT 1 FROM personalize.fv_pol', 'SELECT personalize.get_features(''ab'', ''pol'')', 'SELECT 1 FROM personalize.explain_features(''ab'', ''pol'')',
		'SELECT 1 FROM personalize.get_historical_features(''SELECT 1 AS user_id, now() AS event_timestamp'', ''pol'')', 'SELECT 1 FROM personalize.test_signal(''{"key_path": "item"}'')', 'SELECT 1 FROM personalize.analytics_event', 'SELECT 1 FROM personalize.features(''ab'')', 'SELECT 1 FROM personalize.profile(''ab'')',
		'SELECT 1 FROM personalize.recent(''ab'')', 'SELECT 1 FROM personalize.export_events()', 'SELECT 1 FROM personalize.export_profiles()', 'SELECT personalize.cohort_count(''sig_a'', ''word'')', 'SELECT 1 FROM personalize.cohort_counts(''sig_a'')']) q;
SELECT alike(attempt('pol_a', '', 'SELECT 1 FROM personalize.event'), '42501 | no purpose is in force%', 'an empty purpose');
SELECT alike(attempt('pol_a', p, 'SELECT 1 FROM personalize.event'), '42501 | purpose "%" does not exist | Role "pol_a" holds: analytics.%', 'unknown: ' || p)
	FROM unnest(ARRAY['nonsense', 'Analytics', 'analytics ', 'analytics,marketing', 'personalize_analytics', '*', 'all', repeat('x', 65), repeat('x', 10000)]) p;
SELECT alike(attempt('pol_a', 'marketing', 'SELECT 1 FROM personalize.event'), '42501 | role "pol_a" does not hold purpose "marketing" | Role "pol_a" holds: analytics. |%GRANT personalize_marketing TO pol_a%', 'not granted');
SELECT alike(attempt('pol_none', 'analytics', 'SELECT 1 FROM personalize.event'), '42501%Role "pol_none" holds no purpose.%', 'a role that holds none');
SELECT alike(attempt('pol_app', 'personalization', 'SELECT 1 FROM personalize.features(''ab'')'), '42501%', 'the application holds none by itself');
SELECT is(attempt('pol_app', NULL, $$SELECT item_id FROM personalize.trending()$$) !~ '^42501', true, 'engines have fixed purposes and ignore the setting');
SELECT is(attempt('pol_app', 'nonsense', $$SELECT item_id FROM personalize.trending()$$), attempt('pol_app', NULL, $$SELECT item_id FROM personalize.trending()$$), 'whatever it says');
SELECT is(attempt('pol_app', 'nonsense', $$SELECT personalize.track('new', 'view_item', 'tea', consent => '{analytics}')$$) !~ '^42501', true, 'so does track()');
-- denied reads that are to be empty
SELECT alike(attempt('pol_a', NULL, 'SELECT set_config(''personalize.on_denied'', ''empty'', true)'), '42501%', 'personalize.on_denied is not the reader''s');
SET personalize.on_denied = 'empty';
SELECT is(attempt(who, p, q), '', format('on_denied = empty: nothing for %s asking %s', who, coalesce(p, 'nothing')))
	FROM (VALUES ('pol_a', NULL), ('pol_a', 'marketing'), ('pol_none', 'analytics'), ('pol_a', 'nonsense')) v (who, p),
		unnest(ARRAY['SELECT 1 FROM personalize.event', 'SELECT 1 FROM personalize.profile_feature', 'SELECT 1 FROM personalize.features(''ab'')']) q;
SELECT is(attempt('pol_a', 'analytics', 'SELECT user_id FROM personalize.subject'), 'a,ab', 'and what is held is as ever');
SELECT alike(attempt('pol_a', 'marketing', 'SELECT 1 FROM ONLY personalize.event'), '42809%export_events(%', 'COPY of the parent, which is such a query, is an error all the same');
RESET personalize.on_denied;

-- two purposes held: one at a time, never a union
SELECT is(attempt('pol_ab', p, 'SELECT user_id FROM personalize.subject'), u, 'two held, one asked: ' || p) FROM (VALUES ('analytics', 'a,ab'), ('marketing', 'ab,b')) v (p, u);
SELECT is(attempt('pol_all', p, 'SELECT user_id FROM personalize.subject'), u, 'all held, one asked: ' || p)
	FROM (VALUES ('analytics', 'a,ab'), ('marketing', 'ab,b'), ('recommendations', 'c'), ('personalization', 'd')) v (p, u);

-- through PGOPTIONS and ALTER ROLE SET
\set query 'SELECT string_agg(user_id, \',\' ORDER BY user_id) FROM personalize.subject;'
\set got `printf %s :'query' | PGOPTIONS='-c personalize.purpose=analytics' psql -XAtq -U pol_ab 2>&1`
SELECT is(:'got'::text, 'a,ab', 'through PGOPTIONS');
\set got `printf %s :'query' | PGOPTIONS='-c personalize.purpose=marketing' psql -XAtq -U pol_a 2>&1`
SELECT alike(:'got'::text, '%does not hold purpose "marketing"%', 'PGOPTIONS is a request, not an authority');
\set got `printf %s :'query' | PGOPTIONS='-c personalize.on_denied=empty' psql -XAtq -U pol_a 2>&1`
SELECT alike(:'got'::text, '%', 'PGOPTIONS cannot silence denials') WHERE :'got' ~ 'permission denied to set|no purpose is in force';
SELECT isnt(:'got'::text, '', 'nor have them empty');
ALTER ROLE pol_ab SET personalize.purpose = 'marketing';
\set got `printf %s :'query' | psql -XAtq -U pol_ab 2>&1`
SELECT is(:'got'::text, 'ab,b', 'through ALTER ROLE SET');
ALTER ROLE pol_ab RESET personalize.purpose;
ALTER ROLE pol_a SET personalize.purpose = 'marketing';
\set got `printf %s :'query' | psql -XAtq -U pol_a 2>&1`
SELECT alike(:'got'::text, '%does not hold purpose "marketing"%', 'ALTER ROLE SET is a request, not an authority');
ALTER ROLE pol_a RESET personalize.purpose;

-- set_config in mid-query
SELECT ok(a ~ '^42501' OR a IN ('a,ab', 'ab,b'), 'set_config in mid-query by a condition: one purpose or an error') FROM attempt('pol_ab', 'analytics',
	$$SELECT user_id FROM personalize.subject s WHERE set_config('personalize.purpose', 'marketing', true) <> ''$$) a;
SELECT alike(attempt('pol_ab', 'analytics', $$SELECT user_id FROM personalize.subject s WHERE set_config('personalize.purpose', CASE WHEN user_id = 'a' THEN 'analytics' ELSE 'marketing' END, true) <> ''$$), '42501%', 'set_config in mid-query by a condition on the row');
SELECT alike(attempt('pol_a', 'analytics', $$SELECT user_id FROM personalize.subject s WHERE set_config('personalize.purpose', 'marketing', true) <> ''$$), '42501%', 'set_config in mid-query by a condition, to what is not held');
SELECT alike(attempt('pol_ab', 'analytics', $$SELECT e.user_key || set_config('personalize.purpose', 'marketing', true) FROM personalize.event e$$), '42501 | the purpose in force changed while the statement was running%', 'set_config in mid-query by an output');
SELECT alike(attempt('pol_a', 'analytics', $$SELECT e.user_key || set_config('personalize.purpose', 'marketing', true) FROM personalize.event e$$), '42501%', 'set_config in mid-query to what is not held');
SELECT is(attempt('pol_ab', 'marketing', $$WITH w AS MATERIALIZED (SELECT set_config('personalize.purpose', 'analytics', true)) SELECT user_id FROM w, personalize.subject$$) IN ('a,ab', 'ab,b')
	OR attempt('pol_ab', 'marketing', $$WITH w AS MATERIALIZED (SELECT set_config('personalize.purpose', 'analytics', true)) SELECT user_id FROM w, personalize.subject$$) ~ '^42501', true, 'never a mixture of two purposes');
SELECT alike(attempt('pol_a', 'analytics', $$SELECT user_id FROM personalize.subject WHERE set_config('role', 'pol_b', true) <> ''$$), '42501%', 'nor another role in mid-query');

-- SET ROLE after PREPARE, REVOKE with a cached plan
\set query 'SET personalize.purpose = \'analytics\'; SET ROLE pol_a; PREPARE q AS SELECT string_agg(user_id, \',\' ORDER BY user_id) FROM personalize.subject; EXECUTE q; SET ROLE pol_b; EXECUTE q; SET personalize.purpose = \'marketing\'; EXECUTE q; SET ROLE personalize_owner; EXECUTE q; RESET ROLE; RESET personalize.purpose; EXECUTE q; SET ROLE pol_a; EXECUTE q;'
\set got `printf %s :'query' | psql -XAtq 2>&1`
SELECT alike(:'got'::text, E'a,ab\n%role "pol_b" does not hold purpose "analytics"%\nab,b\n%role "personalize_owner" does not hold%\na,ab,b,c,d\n%no purpose is in force%', 'SET ROLE after PREPARE');
\set query 'SET plan_cache_mode = force_generic_plan; SET personalize.purpose = \'analytics\'; SET SESSION AUTHORIZATION pol_a; PREPARE q AS SELECT string_agg(user_id, \',\' ORDER BY user_id) FROM personalize.subject; EXECUTE q; EXECUTE q; RESET SESSION AUTHORIZATION; REVOKE personalize_analytics FROM pol_a; SET SESSION AUTHORIZATION pol_a; EXECUTE q; RESET SESSION AUTHORIZATION; GRANT personalize_analytics TO pol_a; SET SESSION AUTHORIZATION pol_a; EXECUTE q;'
\set got `printf %s :'query' | psql -XAtq 2>&1`
SELECT alike(:'got'::text, E'a,ab\na,ab\n%role "pol_a" does not hold purpose "analytics"%\na,ab', 'REVOKE with a cached plan');
\set query 'BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL personalize.purpose = \'analytics\'; SELECT count(*) FROM personalize.subject; \\! psql -XAtq -U postgres -c "REVOKE personalize_analytics FROM pol_a"'
\set got `printf '%s\n%s\n' :'query' 'SELECT count(*) FROM personalize.subject; COMMIT;' | psql -XAtq -U pol_a 2>&1`
GRANT personalize_analytics TO pol_a;
SELECT alike(:'got'::text, E'2\n%does not hold purpose "analytics"%', 'REVOKE by another session holds within a transaction, under an older snapshot');
\set query 'SET personalize.purpose = \'marketing\'; SELECT count(*) FROM personalize.subject; \\! psql -XAtq -U postgres -c "INSERT INTO personalize.purpose_role VALUES (\'marketing\', \'personalize_recommendations\')"'
\set got `printf '%s\n%s\n' :'query' 'SELECT count(*) FROM personalize.subject;' | psql -XAtq -U pol_b 2>&1`
DELETE FROM personalize.purpose_role;
SELECT alike(:'got'::text, E'2\n%does not hold purpose "marketing"%', 'another role for the purpose holds in the next statement');

-- parallel workers agree
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \g /dev/null
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT is(attempt('pol_a', 'analytics', query), a, 'parallel: ' || what) FROM seen WHERE what IN ('event', 'event, counted', 'subject', 'analytics_event', 'profile_feature', 'an aggregate') ORDER BY place;
SELECT is(attempt('pol_b', 'marketing', query), b, 'parallel, the other: ' || what) FROM seen WHERE what IN ('event', 'event, counted', 'subject', 'profile_feature') ORDER BY place;
SELECT alike(attempt('pol_a', NULL, 'SELECT count(*) FROM personalize.event'), '42501 | no purpose is in force%', 'parallel: no purpose');
SELECT alike(attempt('pol_a', 'marketing', 'SELECT count(*) FROM personalize.event'), '42501%does not hold%', 'parallel: not held');
SELECT alike(attempt('personalize_owner', NULL, 'SELECT count(*) FROM personalize.consent_ledger'), '42501%', 'parallel: the owner');
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \g /dev/null

-- direct partition SELECT/INSERT/UPDATE/COPY, even granted by mistake
SELECT alike(attempt('pol_a', 'analytics', 'SELECT 1 FROM ' || :'day'), '42501%', 'direct partition: no grant');
GRANT ALL ON :day TO pol_a;
SELECT alike(attempt('pol_a', 'analytics', format(q, :'day')), '42501 | partitions of "personalize.event" are closed%personalize.event%', 'direct partition, granted: ' || q)
	FROM unnest(ARRAY['SELECT 1 FROM %s', 'SELECT count(*) FROM ONLY %s', 'UPDATE %s SET consent = 15', 'DELETE FROM %s',
		'INSERT INTO %s (received_at, ts, user_key, consent, event, ordinal) VALUES (now(), now(), 1, 15, 1, 0)',
		'SELECT 1 FROM %s TABLESAMPLE SYSTEM (100)']) q;
\set query 'SET personalize.purpose = \'analytics\'; COPY ' :day ' TO STDOUT;'
\set got `printf %s :'query' | psql -XAtq -U pol_a 2>&1`
SELECT alike(:'got'::text, '%partitions of "personalize.event" are closed%', 'direct partition, granted: COPY TO');
\set query 'COPY ' :day ' (received_at, ts, user_key, consent, event, ordinal) FROM STDIN;'
\set got `printf '%s\n\\.\n' :'query' | psql -XAtq -U pol_a 2>&1`
SELECT alike(:'got'::text, '%COPY FROM not supported with row-level security%', 'direct partition, granted: COPY FROM');
REVOKE ALL ON :day FROM pol_a;
SELECT alike(attempt('personalize_owner', 'analytics', 'SELECT 1 FROM ' || :'day'), '42501 | partitions%', 'direct partition: the owner');
-- partitions of one's own making
SET client_min_messages = error;
CREATE TABLE personalize.event_p20010101 PARTITION OF personalize.event FOR VALUES FROM ('2001-01-01') TO ('2001-01-02');
CREATE TABLE public.by_hand (LIKE personalize.event INCLUDING DEFAULTS);
ALTER TABLE personalize.event ATTACH PARTITION public.by_hand FOR VALUES FROM ('2001-01-02') TO ('2001-01-03');
GRANT SELECT ON personalize.event_p20010101, public.by_hand TO pol_a;
SELECT alike(attempt('pol_a', 'analytics', 'SELECT 1 FROM ' || t), '42501 | partitions%', 'a partition made or attached by hand is closed: ' || t) FROM unnest('{personalize.event_p20010101,public.by_hand}'::text[]) t;
ALTER TABLE personalize.event DETACH PARTITION public.by_hand;
SELECT alike(attempt('pol_a', 'analytics', 'SELECT 1 FROM public.by_hand'), '42501 | partitions%', 'a detached one stays closed');
SET personalize.allow_drop = on;
DROP TABLE public.by_hand, personalize.event_p20010101;
RESET personalize.allow_drop;
RESET client_min_messages;

-- owner, definer, view, matview
SELECT alike(attempt('personalize_owner', p, 'SELECT 1 FROM personalize.' || t), '42501%', format('the owner asks %s of %s', coalesce(p, 'nothing'), t))
	FROM unnest(ARRAY[NULL, 'analytics']) p, personalize._person_table AS l (t) WHERE to_regclass('personalize.' || t) IS NOT NULL;
SELECT alike(attempt('personalize_owner', 'analytics', q), '42501 | table "personalize.%" is written through its functions%', 'the owner writes: ' || q)
	FROM unnest(ARRAY['INSERT INTO personalize.subject VALUES (1, ''1'', 15, 15)', 'INSERT INTO personalize.consent_ledger (user_key) VALUES (1)', 'INSERT INTO personalize.event (received_at, ts, user_key, consent, event, ordinal) VALUES (now(), now(), 1, 15, 1, 0)']) q;
SELECT alike(attempt('personalize_owner', 'analytics', format('SELECT 1 FROM (SELECT 1) x, LATERAL (SELECT FROM personalize.%s) y', t)), '42501%', 'the owner by a detour: ' || t) FROM unnest('{profile,session,posting,_dictionary_log}'::text[]) t;
CREATE FUNCTION pol_definer() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT user_id FROM personalize.subject';
ALTER FUNCTION pol_definer() OWNER TO pol_a;
SELECT is(attempt('pol_b', 'analytics', 'SELECT pol_definer()'), 'a,ab', 'definer: what its owner holds');
SELECT alike(attempt('pol_b', 'marketing', 'SELECT pol_definer()'), '42501%role "pol_a" does not hold%', 'definer: not what its caller holds');
SELECT alike(attempt('pol_b', NULL, 'SELECT pol_definer()'), '42501 | no purpose%', 'definer: no purpose');
ALTER FUNCTION pol_definer() OWNER TO personalize_owner;
SELECT alike(attempt('pol_b', 'marketing', 'SELECT pol_definer()'), '42501%', 'definer: one of the owner''s');
DROP FUNCTION pol_definer();
CREATE VIEW pol_view AS SELECT user_id FROM personalize.subject;
ALTER VIEW pol_view OWNER TO pol_a;
GRANT SELECT ON pol_view TO pol_b, pol_none;
SELECT is(attempt('pol_b', 'marketing', 'SELECT user_id FROM pol_view'), 'ab,b', 'view: the reader''s purpose, not the view''s owner''s');
SELECT alike(attempt('pol_none', 'analytics', 'SELECT user_id FROM pol_view'), '42501%', 'view: lends no purpose');
SELECT alike(attempt('pol_b', 'analytics', 'SELECT user_id FROM pol_view'), '42501%', 'view: nor that of its owner');
DROP VIEW pol_view;
SELECT alike(attempt('pol_a', NULL, 'CREATE MATERIALIZED VIEW pol_mat AS SELECT user_id FROM personalize.subject'), '42501%', 'matview: not without a purpose');
SELECT alike(attempt('pol_a', 'marketing', 'CREATE MATERIALIZED VIEW pol_mat AS SELECT user_id FROM personalize.subject'), '42501%', 'matview: not for one that is not held');
SET SESSION AUTHORIZATION pol_a;
SET personalize.purpose = 'analytics';
CREATE MATERIALIZED VIEW pol_mat AS SELECT user_id FROM personalize.subject;
RESET personalize.purpose;
RESET SESSION AUTHORIZATION;
SELECT is(attempt('pol_a', NULL, 'SELECT user_id FROM pol_mat'), 'a,ab', 'matview: keeps what its maker saw');
SELECT alike(attempt('pol_a', NULL, 'REFRESH MATERIALIZED VIEW pol_mat'), '42501%', 'matview: no refresh without a purpose');
SELECT isnt_empty($$SELECT FROM personalize.security_check() WHERE "check" = 'copies' AND NOT ok AND detail LIKE '%pol_mat%'$$, 'matview: security_check() warns of the copy');
DROP MATERIALIZED VIEW pol_mat;

-- COPY of the parent, never a silent empty export
\set query 'SET personalize.purpose = \'analytics\'; COPY personalize.event TO STDOUT;'
\set got `printf %s :'query' | psql -XAtq -U pol_a 2>&1`
SELECT alike(:'got'::text, 'ERROR:%export_events(%', 'COPY of the parent is an error that names the way');
\set query 'COPY personalize.subject (user_id) TO STDOUT;'
\set got `printf %s :'query' | psql -XAtq -U pol_a 2>&1`
SELECT alike(:'got'::text, '%no purpose is in force%', 'COPY of a table without a purpose is an error');
\set query 'SET personalize.purpose = \'analytics\'; COPY personalize.subject (user_id) TO STDOUT; COPY (SELECT DISTINCT consent FROM personalize.event ORDER BY 1) TO STDOUT;'
\set got `printf %s :'query' | psql -XAtq -U pol_a 2>&1`
SELECT is(string_agg(l, ',' ORDER BY l COLLATE "C"), '1,9,a,ab', 'COPY with a purpose: its rows') FROM string_to_table(:'got', E'\n') l;
\set query 'COPY personalize.event FROM STDIN;'
\set got `printf '%s\n\\.\n' :'query' | psql -XAtq -U pol_all 2>&1`
SELECT alike(:'got'::text, '%permission denied%', 'COPY into the parent');
\set query 'COPY personalize.subject FROM STDIN;'
\set got `printf '%s\n\\.\n' :'query' | psql -XAtq -U pol_all 2>&1`
SELECT alike(:'got'::text, '%permission denied%', 'COPY into a table');

-- UPDATE raising one's own mask, MERGE, ON CONFLICT and foreign-key probes
SELECT alike(attempt('pol_all', 'analytics', q), '42501%', 'without a grant: ' || q)
	FROM unnest(ARRAY['UPDATE personalize.subject SET granted = 15, decided = 15 WHERE user_id = ''a''', 'UPDATE personalize.event SET consent = 15',
		'DELETE FROM personalize.event', 'TRUNCATE personalize.event', 'INSERT INTO personalize.subject VALUES (1, ''1'', 15, 15)',
		'MERGE INTO personalize.subject s USING (VALUES (1)) v (k) ON s.user_key = v.k WHEN NOT MATCHED THEN INSERT (user_key, user_id) VALUES (1, ''1'')',
		'CREATE TABLE public.probe (k bigint REFERENCES personalize.subject)', 'SELECT 1 FROM personalize.subject FOR UPDATE']) q;
GRANT ALL ON personalize.subject, personalize.event, personalize.profile TO pol_a;
SELECT alike(attempt('pol_a', 'analytics', q), '42501 | table "personalize.%" is written through its functions%', 'granted by mistake: ' || q)
	FROM unnest(ARRAY['UPDATE personalize.subject SET granted = 15, decided = 15 WHERE user_id = ''a''', 'UPDATE personalize.event SET consent = 15',
		'UPDATE personalize.profile SET mask = 15', 'DELETE FROM personalize.event', 'INSERT INTO personalize.subject VALUES (1, ''1'', 15, 15)',
		'INSERT INTO personalize.subject VALUES (personalize.user_key(''b''), ''b'') ON CONFLICT DO NOTHING',
		'INSERT INTO personalize.subject VALUES (personalize.user_key(''nobody''), ''nobody'') ON CONFLICT (user_key) DO NOTHING',
		'INSERT INTO personalize.subject VALUES (personalize.user_key(''b''), ''b'') ON CONFLICT (user_key) DO UPDATE SET granted = 15',
		'MERGE INTO personalize.subject s USING (VALUES (personalize.user_key(''a''))) v (k) ON s.user_key = v.k WHEN MATCHED THEN UPDATE SET granted = 15',
		'MERGE INTO personalize.subject s USING (VALUES (1)) v (k) ON s.user_key = v.k WHEN NOT MATCHED THEN INSERT (user_key, user_id) VALUES (1, ''1'')',
		'MERGE INTO personalize.subject s USING (VALUES (personalize.user_key(''a''))) v (k) ON s.user_key = v.k WHEN MATCHED THEN DELETE']) q;
REVOKE ALL ON personalize.subject, personalize.event, personalize.profile FROM pol_a;
SELECT is((SELECT string_agg(user_id || granted, ',' ORDER BY user_id) FROM personalize.subject), 'a1,ab9,b8,c4,d2', 'no mask has changed');
SELECT is_empty($$SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid IN (SELECT to_regclass('personalize.' || name) FROM personalize._person_table)$$, 'nothing refers to a table with persons'' data');

-- an extra permissive policy opens nothing
CREATE POLICY pol_extra ON personalize.subject USING (true) WITH CHECK (true);
CREATE POLICY pol_extra ON personalize.event TO pol_b USING (true) WITH CHECK (true);
SELECT is(attempt('pol_b', 'marketing', 'SELECT user_id FROM personalize.subject'), 'ab,b', 'an extra permissive policy opens no row');
SELECT is(attempt('pol_b', 'marketing', 'SELECT count(*) FROM personalize.event'), '7', 'nor one for the role');
SELECT alike(attempt('pol_b', NULL, 'SELECT count(*) FROM personalize.event'), '42501%', 'nor lends a purpose');
DROP POLICY pol_extra ON personalize.subject;
DROP POLICY pol_extra ON personalize.event;

-- pg_read_all_data
SELECT alike(attempt('pol_dumper', NULL, 'SELECT 1 FROM personalize.' || t), '42501%', 'pg_read_all_data: ' || t) FROM personalize._person_table AS l (t) WHERE to_regclass('personalize.' || t) IS NOT NULL;
SELECT alike(attempt('pol_dumper', 'analytics', 'SELECT 1 FROM personalize.event'), '42501%holds no purpose%', 'pg_read_all_data holds no purpose');
SELECT alike(attempt('pol_dumper', 'analytics', 'SELECT 1 FROM ' || :'day'), '42501%', 'nor partitions');
\set got `pg_dump -U pol_dumper -t personalize.subject 2>&1`
SELECT alike(:'got'::text, '%row%security%', 'and cannot dump what it cannot read');

-- pg_stats of partitions, EXPLAIN ANALYZE row counts
ANALYZE personalize.event, personalize.subject, personalize.profile;
ANALYZE :day;
SELECT is(attempt(who, 'analytics', $$SELECT tablename || '.' || attname FROM pg_stats WHERE schemaname = 'personalize' AND tablename ~ '^(event|subject|profile|session|posting|rejected)' AND tablename !~ '^event_(type|alias)'$$), '', 'pg_stats shows nothing of persons to ' || who)
	FROM unnest('{pol_a,pol_all,pol_dumper,personalize_owner}'::text[]) who;
SELECT is_empty(format($$SELECT attname FROM pg_stats WHERE format('%%I.%%I', schemaname, tablename) IN ('personalize.subject', %L) AND attname IN ('user_key', 'user_id', 'properties', 'session_key')$$, :'day'), 'and keeps no ids of persons at all');
SELECT alike(attempt('pol_a', 'analytics', 'SELECT 1 FROM pg_statistic'), '42501%', 'pg_statistic is closed');
SELECT is(attempt('pol_dumper', 'analytics', $$SELECT a.attrelid::regclass || '.' || a.attname FROM pg_statistic t JOIN pg_attribute a ON a.attrelid = t.starelid AND a.attnum = t.staattnum
	JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'personalize' AND a.attname IN ('user_key', 'user_id', 'session_key', 'properties', 'payload', 'recent', 'features')$$), '',
	'and shows who may read it no ids of persons either');
SELECT is(attempt('pol_a', 'analytics', $$SELECT sum(substring(l FROM 'rows=(\d+)')::int) FROM analyzed('SELECT FROM personalize.subject') l WHERE l ~ 'Scan'$$), '2', 'EXPLAIN ANALYZE counts the rows of the purpose');
SELECT is(attempt('pol_a', 'analytics', $$SELECT l FROM unnest(ARRAY['SELECT FROM personalize.subject', 'SELECT FROM personalize.event', 'SELECT FROM personalize.profile_person', 'SELECT FROM personalize.analytics_event']) q, analyzed(q) l WHERE l ~ 'Removed by'$$), '', 'and not how many rows it may not see');
SELECT is(attempt('pol_a', 'analytics', $$SELECT string_agg(regexp_replace(l, '\(never executed\)| rows=0', ''), E'\n') FROM analyzed('SELECT FROM personalize.subject WHERE user_id = ''b''') l$$),
	attempt('pol_a', 'analytics', $$SELECT replace(string_agg(regexp_replace(l, '\(never executed\)| rows=0', ''), E'\n'), '''x''', '''b''') FROM analyzed('SELECT FROM personalize.subject WHERE user_id = ''x''') l$$),
	'nor whether somebody is known who did not agree to it, by a scan');
SET enable_seqscan = off; SET enable_indexscan = off;
SELECT is(attempt('pol_a', 'analytics', $$SELECT string_agg(l, E'\n') FROM analyzed('SELECT FROM personalize.subject WHERE user_id = ''b''') l$$),
	attempt('pol_a', 'analytics', $$SELECT replace(string_agg(l, E'\n'), '''x''', '''b''') FROM analyzed('SELECT FROM personalize.subject WHERE user_id = ''x''') l$$),
	'nor by an index');
SELECT isnt_empty($$SELECT FROM analyzed('SELECT FROM personalize.subject WHERE user_id = ''b''') l WHERE l ~ 'Bitmap Index Scan.*rows=1'$$, 'which a superuser sees');
RESET enable_seqscan; RESET enable_indexscan;
SELECT alike(attempt('pol_a', NULL, $$SELECT l FROM analyzed('SELECT FROM personalize.subject') l$$), '42501%', 'EXPLAIN ANALYZE without a purpose');
-- people and signals may be met, both of which may be seen, before it is asked whether
-- the person allows the signal; values are met after that
CREATE FUNCTION pol_leak(v text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING 'leak %', v; RETURN true; END $$;
\set query 'SET personalize.purpose = \'analytics\'; SELECT count(*) FROM personalize.subject WHERE pol_leak(user_id); SELECT count(*) FROM personalize.profile_feature WHERE pol_leak(user_id || signal) AND pol_leak(value); SELECT count(*) FROM personalize.profile_pane WHERE pol_leak(user_id || signal); SELECT count(*) FROM personalize.analytics_event WHERE pol_leak(user_id); SELECT count(*) FROM personalize.profile_person WHERE pol_leak(user_id); SELECT count(*) FROM personalize.event WHERE pol_leak(consent::text);'
\set got `printf %s :'query' | psql -XAtq -U pol_a 2>&1 | grep -o 'leak .*' | sort -u | grep -vE '^leak (a|ab|1|9|word|asig_a|asig_ab|absig_a|absig_ab|a?b?interest.*|tea)$'`
SELECT is(:'got'::text, '', 'a leaky function in a condition meets no row of another purpose');
DROP FUNCTION pol_leak(text);

-- temp-table shadowing of every definer function, hostile search_path
SELECT is_empty($$SELECT oid::regprocedure FROM pg_proc WHERE pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace) AND prosecdef
	AND (proowner <> 'personalize_owner'::regrole OR NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false))$$, 'every definer function is the owner''s, with search_path pinned');
SELECT string_agg(format('SELECT %s FROM %s(%s) AS f', CASE WHEN p.proretset THEN 'count(*)' ELSE 'f' END, p.oid::regproc,
	(SELECT string_agg(CASE t WHEN 'text'::regtype THEN quote_literal('profile') WHEN 'boolean'::regtype THEN 'true' ELSE 'NULL::' || t::regtype END, ', ' ORDER BY n)
		FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n))), '; ' ORDER BY p.oid) || ';' AS calls, count(*) AS call_count
	FROM pg_proc p WHERE pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace) AND prosecdef AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) \gset
SELECT string_agg(format('CREATE TEMP VIEW %I AS SELECT 1 / (random() * 0) AS shadow;', n), ' ') AS shadows
	FROM (SELECT relname AS n FROM pg_class WHERE relnamespace IN ('personalize'::regnamespace, 'pg_catalog'::regnamespace) AND relkind IN ('r', 'v', 'p', 'f') AND NOT relispartition) c \gset
\set clean `printf '%s\n' 'SET ROLE personalize_owner;' :'calls' | psql -XAtq 2>&1 | sed -E 's/ [0-9:.]+[+]00/ TIME/'`
\set got `printf '%s\n' :'shadows' 'GRANT ALL ON ALL TABLES IN SCHEMA pg_temp TO PUBLIC; SET search_path = pg_temp, pg_catalog; SET ROLE personalize_owner;' :'calls' | psql -XAtq 2>&1 | grep -v 'permission denied for schema pg_temp\|no privileges' | sed -E 's/ [0-9:.]+[+]00/ TIME/'`
SELECT is(:'got'::text, :'clean', 'temp-table shadowing: ' || :'call_count' || ' definer functions answer as ever');
SELECT unalike(:'got'::text, '%division by zero%', 'and look at no temporary view');
CREATE SCHEMA pol_hostile;
GRANT USAGE ON SCHEMA pol_hostile TO PUBLIC;
SELECT format('CREATE TABLE pol_hostile.%I (shadow int)', relname) FROM pg_class WHERE relnamespace = 'personalize'::regnamespace AND relkind IN ('r', 'v', 'p', 'f') AND NOT relispartition \gexec
CREATE FUNCTION pol_hostile.trap(a bigint, b bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION pol_hostile.trap(a integer, b integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION pol_hostile.trap(a text, b text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION pol_hostile.user_key(personalize.entity_id) RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0::bigint';
CREATE FUNCTION pol_hostile._readable(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION pol_hostile.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
CREATE OPERATOR pol_hostile.= (FUNCTION = pol_hostile.trap, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR pol_hostile.= (FUNCTION = pol_hostile.trap, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR pol_hostile.& (FUNCTION = pol_hostile.trap, LEFTARG = integer, RIGHTARG = integer);
\set body 'SELECT personalize.grant_consent(\'h\', \'{analytics}\'); SELECT personalize.track(\'h\', \'view_item\', \'tea\', \'{"query": "x"}\'); SELECT signal, value FROM personalize.features(\'h\', purpose => \'analytics\') ORDER BY 1; SELECT count(*) FROM personalize.event; SELECT user_id, signal FROM personalize.profile_feature WHERE signal ~ \'^sig\' ORDER BY 1, 2, period; SELECT personalize.cohort_count(\'sig_a\', \'word\'); SELECT item_id FROM personalize.trending(); SELECT personalize.withdraw_consent(\'h\', \'{analytics}\'); SELECT "check", detail FROM personalize.security_check() WHERE NOT ok;'
\set clean `printf '%s\n' "SET personalize.purpose = 'analytics';" :'body' | psql -XAtq -U pol_all 2>&1`
\set got `printf '%s\n' "SET search_path = pol_hostile, pg_catalog, personalize; SET personalize.purpose = 'analytics';" :'body' | psql -XAtq -U pol_all 2>&1`
SELECT is(:'got'::text, :'clean', 'hostile search_path: the same answers');
SELECT unalike(:'got'::text, '%ERROR%', 'and no error');
SET client_min_messages = error;
DROP SCHEMA pol_hostile CASCADE;
RESET client_min_messages;

-- TRIGGER on a table a worker writes, rules, and what else would run as the owner
SELECT alike(attempt('pol_all', 'analytics', format('CREATE TRIGGER t AFTER INSERT OR UPDATE ON personalize.%I EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()', relname)), '42501%', 'TRIGGER on ' || relname)
	FROM pg_class WHERE relnamespace = 'personalize'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition;
SELECT alike(attempt('pol_all', 'analytics', q), '42501%', 'closed to all roles: ' || q)
	FROM unnest(ARRAY['CREATE RULE r AS ON INSERT TO personalize.item DO ALSO NOTHING', 'CREATE INDEX ON personalize.subject ((user_id || ''x''))', 'ALTER TABLE personalize.subject DISABLE ROW LEVEL SECURITY',
		'CREATE POLICY p ON personalize.subject', 'CREATE TABLE personalize.event_p20990101 ()', 'CREATE FUNCTION personalize.f() RETURNS int LANGUAGE sql AS ''SELECT 1''', 'COMMENT ON TABLE personalize.subject IS ''x''',
		'ALTER EVENT TRIGGER personalize_close_partitions DISABLE', 'CREATE STATISTICS personalize.st ON user_id, granted FROM personalize.subject', 'LOCK TABLE personalize.subject IN ACCESS EXCLUSIVE MODE']) q;

-- what GRANT ALL would give away
GRANT ALL ON ALL TABLES IN SCHEMA personalize TO pol_all;
SELECT alike(attempt('pol_all', 'analytics', q), '42501 | triggers must not be put on "personalize.%', 'granted by mistake: ' || q)
	FROM (SELECT format('CREATE TRIGGER t AFTER INSERT OR UPDATE ON personalize.%I EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()', relname)
		FROM pg_class WHERE relnamespace = 'personalize'::regnamespace AND relkind IN ('r', 'p')
		UNION ALL VALUES ('CREATE TRIGGER t BEFORE INSERT ON personalize.inbox FOR EACH ROW EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()'),
			('DO $do$ BEGIN BEGIN CREATE TRIGGER t AFTER INSERT ON personalize.item EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger(); END; END $do$')) AS made (q);
SELECT alike(attempt('pol_all', 'analytics', q), '42501 | foreign keys must not refer to table "personalize.subject"%', 'granted by mistake: ' || q)
	FROM unnest(ARRAY['CREATE TABLE public.probe (k bigint REFERENCES personalize.subject)',
		'DO $do$ BEGIN CREATE TABLE public.probe (k bigint); BEGIN ALTER TABLE public.probe ADD FOREIGN KEY (k) REFERENCES personalize.subject; END; END $do$']) q;
SELECT is(attempt('pol_all', 'analytics', q), 'done', 'no harm: ' || q)
	FROM unnest(ARRAY['CREATE TABLE public.mine (k bigint REFERENCES personalize.item)', 'CREATE TABLE public.mine (k bigint PRIMARY KEY, other bigint REFERENCES public.mine)']) q;
SELECT alike(attempt('pol_all', 'analytics', q), '42501 | table "personalize.profile" is read through its views%', 'granted by mistake: ' || q)
	FROM unnest(ARRAY['SELECT features FROM personalize.profile', 'SELECT count(*) FROM personalize.profile p', 'TABLE personalize.profile',
		'SELECT 1 FROM personalize.subject s JOIN personalize.profile p USING (user_key)', 'SELECT (SELECT max(p::text) FROM personalize.profile p)',
		'WITH p AS MATERIALIZED (SELECT * FROM personalize.profile) SELECT 1 FROM p', 'CREATE TABLE public.mine AS SELECT * FROM personalize.profile']) q;
SELECT isnt(attempt('pol_all', 'analytics', 'SELECT user_id FROM ' || v), '', 'while the views are read: ' || v)
	FROM unnest(ARRAY['personalize.profile_feature', 'personalize.profile_pane', 'personalize.profile_person', '(SELECT * FROM personalize.profile_feature OFFSET 0) q', 'personalize.export_profiles()']) v;
REVOKE ALL ON ALL TABLES IN SCHEMA personalize FROM pol_all;

SELECT ok(NOT pg_has_role('pol_all', 'personalize_owner', 'MEMBER'), 'nobody becomes the owner');

-- names with quotes, backslashes and $$
CREATE ROLE "pol "" \ $$ ' odd" LOGIN IN ROLE personalize_analyst;
CREATE ROLE "odd "" \ $$ ' purpose";
INSERT INTO personalize.purpose (name, bit, description) VALUES ('p " \ $$ '' '', DROP', 9, 'odd');
SELECT ok(strpos(attempt('pol " \ $$ '' odd', 'p " \ $$ '' '', DROP', 'SELECT 1 FROM personalize.event'), 'CREATE ROLE "personalize_p "" \ $$ '' '', DROP" NOLOGIN') > 0, 'odd names: a role that does not exist');
INSERT INTO personalize.purpose_role VALUES ('p " \ $$ '' '', DROP', 'odd " \ $$ '' purpose');
SELECT personalize.grant_consent(E'o " \\ $$ \' dd', ARRAY['p " \ $$ '' '', DROP']) \g /dev/null
SELECT ok(strpos(attempt('pol " \ $$ '' odd', 'p " \ $$ '' '', DROP', 'SELECT 1 FROM personalize.subject'), 'GRANT "odd "" \ $$ '' purpose" TO "pol "" \ $$ '' odd"') > 0, 'odd names: not granted, with a command that could be run');
GRANT "odd "" \ $$ ' purpose" TO "pol "" \ $$ ' odd";
SELECT is(attempt('pol " \ $$ '' odd', 'p " \ $$ '' '', DROP', 'SELECT user_id FROM personalize.subject'), E'o " \\ $$ \' dd', 'odd names: granted');
SELECT alike(attempt('pol_a', E'x\'; DROP TABLE personalize.event; --', 'SELECT 1 FROM personalize.event'), '42501 | purpose "x''; DROP TABLE personalize.event; --" does not exist%', 'odd names: a purpose that would be a statement');
DELETE FROM personalize.purpose_role;

-- objects pre-created before CREATE EXTENSION
SET client_min_messages = error;
DROP EXTENSION personalize CASCADE;
DROP SCHEMA personalize CASCADE;
CREATE SCHEMA personalize AUTHORIZATION pol_none;
SELECT throws_ok('CREATE EXTENSION personalize', '42P06', NULL, 'pre-created: the schema of a stranger');
DROP SCHEMA personalize;
CREATE SCHEMA personalize;
CREATE FUNCTION pol_precreate(made text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE made;
	CREATE EXTENSION personalize;
	RETURN 'installed';
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT isnt(pol_precreate(made), 'installed', 'pre-created: ' || made) FROM unnest(ARRAY[
	'CREATE TABLE personalize.subject (user_key bigint); ALTER TABLE personalize.subject OWNER TO pol_none',
	'CREATE TABLE personalize.event_p20990101 (x int); ALTER TABLE personalize.event_p20990101 OWNER TO pol_none',
	'CREATE FUNCTION personalize_internal._readable(integer) RETURNS boolean LANGUAGE sql AS ''SELECT true''; ALTER FUNCTION personalize_internal._readable(integer) OWNER TO pol_none',
	'CREATE FUNCTION personalize_internal._may_read() RETURNS boolean LANGUAGE sql AS ''SELECT true''',
	'CREATE TYPE personalize.ingest_status AS ENUM (''x'')', 'CREATE TABLE personalize.inbox (x int)',
	'GRANT CREATE ON SCHEMA personalize TO PUBLIC', 'GRANT CREATE ON SCHEMA personalize TO pol_none']) made;
CREATE SCHEMA IF NOT EXISTS personalize;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO pol_none;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO pol_none;
CREATE TEMP TABLE subject (x int);
CREATE TEMP TABLE event (x int);
CREATE EXTENSION personalize;
SELECT ok(count(*) > 50, 'pre-created default privileges are found by security_check()') FROM personalize.security_check() WHERE NOT ok AND detail LIKE 'pol_none has %';
SELECT is((SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'personalize.event'::regclass AND relrowsecurity AND relforcerowsecurity), 'personalize', 'temporary tables of the same names take nobody''s place');
SELECT alike(attempt('pol_none', 'analytics', 'UPDATE personalize.subject SET granted = 15'), '42501%', 'and open nothing');
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM pol_none;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM pol_none;
SELECT * FROM finish();
DROP EXTENSION personalize CASCADE;
DROP SCHEMA IF EXISTS personalize CASCADE;
DROP FUNCTION attempt, analyzed, pol_precreate;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
DROP OWNED BY pol_a, pol_b, pol_ab, pol_none, pol_app, pol_admin, pol_all, pol_dumper, "pol "" \ $$ ' odd";
DROP ROLE pol_a, pol_b, pol_ab, pol_none, pol_app, pol_admin, pol_all, pol_dumper, "pol "" \ $$ ' odd", "odd "" \ $$ ' purpose";

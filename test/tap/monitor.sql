-- personalize_monitor sees how the server fares, nothing of a person, and nothing else.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
DROP ROLE IF EXISTS mon_watch, mon_boss;
CREATE ROLE mon_watch IN ROLE personalize_monitor;
CREATE ROLE mon_boss IN ROLE personalize_admin;
SELECT personalize.track('planted', 'view_item', 'shoe', consent => '{analytics,personalization,recommendations}') \g /dev/null
SELECT * FROM personalize.rollup_now() \g /dev/null
SELECT personalize.track_many('[{"user_id": "planted", "event": "view_item", "ts": "planted-rejected"}]') \g /dev/null
-- errors that name a person, in each place that keeps some
UPDATE personalize.processor SET last_error = 'planted: row is damaged', last_error_at = now() + interval '1 hour';
INSERT INTO personalize.rejected_event (source, reason, payload) VALUES ('profile', 'planted was too large', '{}'), ('dictionary', 'planted has the key of another', '{}');
INSERT INTO personalize._retention_state (kind, last_run_at, last_result, last_detail, last_error, failures)
	VALUES ('raw', now(), 'failed', 'planted row', 'planted row', 1), ('profile', now(), 'failed', 'planted row', 'planted row', 1);
RESET client_min_messages;

-- All that the role may read, as one text.
CREATE FUNCTION pg_temp.told(reader text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	source text;
	part text;
	answer text := '';
BEGIN
	FOR source IN
		SELECT 'personalize.' || c.relname FROM pg_class AS c
		WHERE c.relnamespace = 'personalize'::regnamespace AND has_table_privilege('mon_watch', c.oid, 'SELECT')
		UNION ALL
		SELECT p.oid::regproc || '()' FROM pg_proc AS p
		WHERE p.pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace) AND p.pronargs = p.pronargdefaults AND has_function_privilege('mon_watch', p.oid, 'EXECUTE')
			AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
		ORDER BY 1
	LOOP
		PERFORM set_config('role', reader, true);
		EXECUTE format('SELECT string_agg(t::text, %L) FROM %s AS t', chr(10), source) INTO part;
		RESET ROLE;
		answer := answer || format('%s: %s', source, part) || chr(10);
	END LOOP;
	RETURN answer;
END $$;

SELECT plan(8);
SELECT is_empty($$
	SELECT c.relname FROM pg_class AS c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		AND (c.relname NOT LIKE 'stat\_%' OR privilege <> 'SELECT') AND has_any_column_privilege('mon_watch', c.oid, privilege)$$,
	'of relations it reads stat_* and nothing else, and writes none');
SELECT is_empty($$
	SELECT c.relname FROM pg_class AS c
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relname LIKE 'stat\_%' AND NOT has_table_privilege('mon_watch', c.oid, 'SELECT')$$,
	'it reads every stat_*');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.pronamespace = 'personalize'::regnamespace AND has_function_privilege('mon_watch', p.oid, 'EXECUTE')
		AND NOT has_function_privilege('public', p.oid, 'EXECUTE') AND p.proname NOT IN ('health', 'storage_usage')$$,
	'of public functions it has health(), storage_usage() and those that are everybody''s');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace) AND has_function_privilege('mon_watch', p.oid, 'EXECUTE')
		AND NOT has_function_privilege('public', p.oid, 'EXECUTE') AND p.pronargs > p.pronargdefaults
		AND p.proname <> '_sees_jobs'	-- of a role of the server$$,
	'and none that is asked about somebody');
SELECT is((SELECT count(*) FROM regexp_matches(pg_temp.told('mon_watch'), 'planted', 'g')), 0::bigint, 'nothing of what it reads names the person');
SELECT cmp_ok((SELECT count(*) FROM regexp_matches(pg_temp.told('mon_boss'), 'planted', 'g')), '>=', 6::bigint,
	'an administrator reads the same texts in full');
SET ROLE mon_watch;
SELECT cmp_ok((SELECT count(*) FROM personalize.health()), '>', 15::bigint, 'health() answers it');
SELECT throws_ok('SELECT count(*) FROM personalize.event', '42501', NULL, 'events do not');
RESET ROLE;
SELECT * FROM finish();
DROP ROLE mon_watch, mon_boss;

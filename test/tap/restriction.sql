-- Nobody who reads for a purpose finds out who is restricted, by no way of asking;
-- policies and views know it all the same.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
DROP ROLE IF EXISTS res_analyst;
CREATE ROLE res_analyst IN ROLE personalize_analyst, personalize_analytics, personalize_marketing;
GRANT USAGE, CREATE ON SCHEMA public TO res_analyst;
SELECT personalize.create_signal('res_a', '{view_item}', 'properties.query', purposes => '{analytics}'),
	personalize.create_signal('res_ab', '{view_item}', 'properties.query', purposes => '{analytics,marketing}') \g /dev/null
SELECT personalize.track(u, e, 'shoe', '{"query": "red"}', ts => now() - interval '1 hour', consent => '{analytics,personalization,recommendations,marketing}')
	FROM unnest('{ada,bob,cid}'::text[]) AS u, unnest('{view_item,search}'::text[]) AS e \g /dev/null
SELECT personalize.import_events('{ada,bob}', '{view_item,view_item}', '{a,a}', '{2020-01-01,2020-01-02}', consents => '{"analytics,marketing","analytics,marketing"}') \g /dev/null
SELECT personalize.track_impressions(u, 'page of ' || u, '{shoe}') FROM unnest('{ada,bob,cid}'::text[]) AS u \g /dev/null
SELECT personalize.track(u, 'purchase', 'shoe', '{"price": 5, "currency": "EUR"}') FROM unnest('{ada,bob,cid}'::text[]) AS u \g /dev/null
SELECT * FROM personalize.rollup_now() \g /dev/null
SELECT personalize.restrict('ada', '{analytics}') \g /dev/null
SELECT personalize.restrict('bob', '{marketing}') \g /dev/null
RESET client_min_messages;

-- What a statement answers the analyst for a purpose: rows, or the error's code.
CREATE FUNCTION pg_temp.ask(statement text, purpose text DEFAULT 'analytics') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	part text;
	answer text;
BEGIN
	BEGIN
		PERFORM set_config('personalize.purpose', purpose, true);
		SET LOCAL ROLE res_analyst;
		FOREACH part IN ARRAY string_to_array(statement, ';;') LOOP
			IF part ~* '^\s*EXECUTE' THEN
				EXECUTE part INTO answer;
			ELSIF part ~* '^\s*SELECT' THEN
				EXECUTE format('SELECT string_agg(t::text, '','' ORDER BY t::text) FROM (%s) AS t', part) INTO answer;
			ELSE
				EXECUTE part;
			END IF;
		END LOOP;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ000';
	EXCEPTION WHEN SQLSTATE 'ZZ000' THEN NULL;
	WHEN OTHERS THEN answer := SQLSTATE;
	END;
	RETURN coalesce(answer, 'nothing');
END
$$;

SELECT * FROM no_plan();
CREATE TEMP TABLE attack (place serial, name text, statement text);
INSERT INTO attack (name, statement) VALUES
	('asked directly', 'SELECT personalize_internal._unrestricted(15, personalize.user_key(%L))'),
	('the policies'' function', 'SELECT personalize_internal._readable(1, personalize.user_key(%L))'),
	('a condition', 'SELECT 1 WHERE personalize_internal._readable(1, personalize.user_key(%L))'),
	('with columns of nothing', 'SELECT personalize_internal._readable(v.mask, v.user_key) FROM (VALUES (1, personalize.user_key(%L))) AS v (mask, user_key)'),
	('with columns of a table of one''s own', 'CREATE TABLE own AS SELECT 1 AS consent, personalize.user_key(%L) AS user_key;; SELECT personalize_internal._readable(consent, user_key) FROM own'),
	('of such a table, the other', 'CREATE TABLE own AS SELECT 15 AS mask, personalize.user_key(%L) AS user_key;; SELECT personalize_internal._unrestricted(mask, user_key) FROM own'),
	('in a view', 'CREATE TABLE own AS SELECT 15 AS mask, personalize.user_key(%L) AS user_key;; CREATE VIEW own_view AS SELECT personalize_internal._unrestricted(mask, user_key) FROM own;; SELECT * FROM own_view'),
	('in a policy', 'CREATE TABLE own AS SELECT 1 AS mask, personalize.user_key(%L) AS user_key;; CREATE POLICY p ON own USING (personalize_internal._readable(mask, user_key));; ALTER TABLE own ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;; SELECT * FROM own'),
	('in a function of SQL', 'CREATE FUNCTION own(k bigint) RETURNS integer LANGUAGE sql AS ''SELECT personalize_internal._unrestricted(15, k)'';; SELECT own(personalize.user_key(%L))'),
	('in one of PL/pgSQL', 'CREATE FUNCTION own(m integer, k bigint) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN RETURN personalize_internal._readable(m, k); END'';; SELECT own(1, personalize.user_key(%L))'),
	('as an aggregate', 'CREATE AGGREGATE own(bigint) (SFUNC = personalize_internal._unrestricted, STYPE = integer, INITCOND = ''15'');; SELECT own(personalize.user_key(%L))'),
	('as a window', 'CREATE AGGREGATE own(bigint) (SFUNC = personalize_internal._unrestricted, STYPE = integer, INITCOND = ''15'');; SELECT own(personalize.user_key(%L)) OVER ()'),
	('as an aggregate of rows that are there', 'CREATE AGGREGATE own(bigint) (SFUNC = personalize_internal._unrestricted, STYPE = integer, INITCOND = ''15'');; SELECT own(user_key) FROM personalize.event WHERE user_key <> personalize.user_key(%L)'),
	('as an operator', 'CREATE OPERATOR public.<?> (FUNCTION = personalize_internal._readable, LEFTARG = integer, RIGHTARG = bigint);; SELECT 1 OPERATOR(public.<?>) personalize.user_key(%L)'),
	('as a check', 'CREATE TABLE own (k bigint CHECK (personalize_internal._readable(1, k)));; INSERT INTO own VALUES (personalize.user_key(%L));; SELECT ''inserted'''),
	('as a domain', 'CREATE DOMAIN own AS bigint CHECK (personalize_internal._readable(1, VALUE));; SELECT personalize.user_key(%L)::own'),
	('in a join condition', 'SELECT 1 FROM generate_series(1, 2) AS g JOIN (SELECT personalize.user_key(%L) AS k) AS p ON personalize_internal._readable(g, p.k)'),
	('beside rows that are there', 'SELECT personalize_internal._unrestricted(15, e.user_key) FROM personalize.event AS e WHERE e.user_key <> personalize.user_key(%L)'),
	('by the columns of rows that are there', 'SELECT personalize_internal._unrestricted(e.consent, e.user_key) FROM personalize.event AS e WHERE e.user_key <> personalize.user_key(%L)'),
	('through a column of a view of ours', 'SELECT personalize_internal._unrestricted(15, f.user_key) FROM personalize.profile_feature AS f WHERE f.user_id <> %L'),
	('through a column for another', 'SELECT personalize_internal._readable(e.ordinal::integer, e.user_key) FROM personalize.event AS e WHERE e.user_key <> personalize.user_key(%L)'),
	('the column itself', 'SELECT restricted FROM personalize.subject WHERE user_id = %L'),
	('all columns', 'SELECT * FROM personalize.subject WHERE user_id = %L'),
	('a condition on the column', 'SELECT user_id FROM personalize.subject WHERE restricted = 0 AND user_id = %L');
SELECT is(pg_temp.ask(format(statement, who)), '42501', name || ': ' || who) FROM attack, unnest('{ada,bob,nobody}'::text[]) AS who ORDER BY place, who;
INSERT INTO attack (name, statement) VALUES ('with a mask and a row of one''s own', 'CREATE TABLE own AS SELECT personalize.user_key(%L) AS user_key;; SELECT personalize_internal._readable(1, user_key) FROM own');
SELECT is(pg_temp.ask(format(statement, who)), '42501', name || ': ' || who) FROM attack, unnest('{ada,bob,nobody}'::text[]) AS who WHERE name = 'with a mask and a row of one''s own';
SELECT is(pg_temp.ask(format('PREPARE res_%1$s (integer, bigint) AS SELECT personalize_internal._readable($1, $2);; EXECUTE res_%1$s(1, personalize.user_key(%1$L))', who)), '42501', 'prepared: ' || who)
	FROM unnest('{ada,bob}'::text[]) AS who;
DEALLOCATE ALL;

-- what is restricted for the purpose is left out, whatever the query is like
CREATE TEMP TABLE seen (place serial, name text, query text);
INSERT INTO seen (name, query) VALUES
	('event', 'SELECT DISTINCT s.user_id FROM personalize.event e JOIN personalize.subject s USING (user_key)'),
	('event, of a day', 'SELECT DISTINCT s.user_id FROM personalize.event e JOIN personalize.subject s USING (user_key) WHERE e.received_at > now() - interval ''1 day'''),
	('the condition of the policy, asked again', 'SELECT DISTINCT s.user_id FROM personalize.event e JOIN personalize.subject s USING (user_key) WHERE personalize_internal._readable(e.consent, e.user_key)'),
	('analytics_event', 'SELECT DISTINCT user_id FROM personalize.analytics_event'),
	('the nullable side of a join', 'SELECT DISTINCT a.user_id FROM generate_series(1, 1) g LEFT JOIN personalize.analytics_event a ON true'),
	('in a sub-query', 'SELECT s.user_id FROM personalize.subject s WHERE EXISTS (SELECT FROM personalize.analytics_event a WHERE a.user_key = s.user_key)'),
	('profile_feature, nullable', 'SELECT DISTINCT u FROM unnest(''{ada,bob,cid}''::text[]) u LEFT JOIN personalize.profile_feature f ON f.user_id = u WHERE f.signal IS NOT NULL'),
	('lateral', 'SELECT DISTINCT l.user_id FROM unnest(''{ada,bob,cid}''::text[]) u, LATERAL (SELECT * FROM personalize.profile_pane p WHERE p.user_id = u) l');
-- the rows of each purpose
SELECT is(pg_temp.ask(query, 'analytics'), '(bob),(cid)', 'analytics: ' || name) FROM seen WHERE query !~ 'profile_' ORDER BY place;
SELECT is(pg_temp.ask(query, 'marketing'), '(ada),(cid)', 'marketing: ' || name) FROM seen WHERE query !~ 'profile_|analytics_event' ORDER BY place;
SELECT unalike(pg_temp.ask(query, 'analytics'), '42%', 'views of profiles answer: ' || name) FROM seen WHERE query ~ 'profile_' ORDER BY place;
SELECT unalike(pg_temp.ask('SELECT DISTINCT user_id FROM personalize.profile_person'), '%ada%', 'profile_person');
-- tables of one purpose, and all others that the roles may read: each answers
SELECT is(pg_temp.ask(format('SELECT DISTINCT s.user_id FROM personalize.%I e JOIN personalize.subject s USING (user_key)', t), 'analytics'), '(bob),(cid)', 'analytics: ' || t) FROM unnest('{exposure,exposure_outcome}'::text[]) AS t;
SELECT is(pg_temp.ask(format('SELECT count(*) FROM personalize.%I', t), 'marketing'), '(0)', 'marketing: ' || t) FROM unnest('{exposure,exposure_outcome}'::text[]) AS t;
GRANT SELECT ON personalize.segment_member, personalize.segment_change TO res_analyst;
SELECT is(pg_temp.ask(format('SELECT count(*) >= 0 FROM personalize.%I', c.relname)), '(t)', c.relname || ' is read for a purpose')
	FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND c.relrowsecurity AND has_table_privilege('res_analyst', c.oid, 'SELECT') ORDER BY c.relname;
GRANT personalize_admin TO res_analyst;
SELECT is(pg_temp.ask(format('SELECT count(*) >= 0 FROM personalize.%I', c.relname)), '(t)', c.relname || ' is read for a purpose by an administrator')
	FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND c.relrowsecurity AND has_table_privilege('res_analyst', c.oid, 'SELECT') ORDER BY c.relname;
REVOKE personalize_admin FROM res_analyst;
RESET ROLE;
SELECT personalize.create_feature_view('res', '{"views": "item_affinity", "in": "in_segment(''user_interested_in_electronics'')"}') \g /dev/null
SELECT personalize.create_feature_view('res_all', '{"views": "res_a", "both": "res_ab decayed"}') \g /dev/null
SELECT alike(pg_temp.ask('SELECT f.* FROM personalize.explain_features(''bob'', ''res_all'') f'), '%present%', 'who is not restricted has features');
SELECT is(pg_temp.ask('SELECT f.* FROM personalize.explain_features(''ada'', ''res_all'') f'), pg_temp.ask('SELECT f.* FROM personalize.explain_features(''nobody'', ''res_all'') f'), 'who is restricted has those of nobody');
SELECT unalike(pg_temp.ask('SELECT DISTINCT user_id FROM personalize.fv_res'), '%ada%', 'a typed view of features');
SELECT unalike(pg_temp.ask('SELECT DISTINCT user_id FROM personalize.fv_res', 'analytics'), '42%', 'a typed view of features answers for another purpose');
-- in parallel, and by a plan that is kept
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET force_parallel_mode = on;
SELECT is(pg_temp.ask(query, 'analytics'), '(bob),(cid)', 'in parallel: ' || name) FROM seen WHERE query !~ 'profile_' ORDER BY place;
RESET force_parallel_mode;
SET plan_cache_mode = force_generic_plan;
SELECT is(pg_temp.ask('PREPARE res_q AS SELECT DISTINCT user_id FROM personalize.analytics_event;; SELECT 1'), '(1)', 'a statement is prepared');
RESET plan_cache_mode;
-- who is above row security may ask
SELECT is(personalize_internal._unrestricted(15, personalize.user_key('ada')), 14, 'a superuser may ask');
SELECT is((SELECT count(*)::integer FROM personalize.export_events(purpose => 'analytics')), 9, 'our own code does');
SELECT * FROM finish();
DROP OWNED BY res_analyst;
DROP ROLE res_analyst;

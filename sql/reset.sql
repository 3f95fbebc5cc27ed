SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY terse
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE ROLE regress_personalize_tester;
GRANT personalize_app TO regress_personalize_tester;
-- what a test of a shop does
CREATE FUNCTION pg_temp.shop() RETURNS TABLE (step text, answer text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT 'catalogue', personalize.upsert_items('[{"item_id": "hat", "category": "hats", "price": 5}, {"item_id": "cap", "category": "hats"}, {"item_id": "tie"}]')::text;
	RETURN QUERY SELECT 'consent', personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations'])::text FROM unnest('{ada,bob,7}'::text[]) u;
	RETURN QUERY SELECT 'tracked', string_agg(personalize.track(u, 'view_item', i, session_id => 's', message_id => u || i)::text, ',')
		FROM unnest('{ada,bob,7}'::text[]) u, unnest('{hat,cap,tie}'::text[]) i;
	PERFORM personalize.set_preference('ada', 'favourite_brand', 'acme');
	PERFORM personalize.track_impressions(u, s.request_id, array_agg(s.item_id)) FROM unnest('{ada,bob,7}'::text[]) u,
		personalize.rank_search(u, 'headwear', '{hat,tie}'::text[]) s GROUP BY u, s.request_id;
END $$;
-- whatever is neither defined nor a position
CREATE FUNCTION pg_temp.filled() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	store text;
	is_filled boolean;
BEGIN
	FOR store IN SELECT s.name FROM personalize_internal._person_stores() s WHERE s.name <> '_secret'
		AND split_part(coalesce(s.content, ''), ' ', 1) NOT IN ('definitions', 'definitions,', 'positions', 'settings') ORDER BY 1 LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM personalize.%I)', store) INTO is_filled;
		IF is_filled THEN
			RETURN NEXT store;
		END IF;
	END LOOP;
END $$;
CREATE FUNCTION pg_temp.seen() RETURNS TABLE (step text, answer text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT 'features', string_agg(format('%s=%s:%s', f.signal, f.value, f.count), ' ' ORDER BY f.signal, f.value) FROM personalize.features('ada', purpose => 'personalization') f;
	RETURN QUERY SELECT 'recommended', string_agg(r.item_id, ',' ORDER BY r.item_id) FROM personalize.recommend('zoe') r;
	RETURN QUERY SELECT 'neighbours', count(*)::text FROM personalize.session_neighbours(ARRAY['hat']);
	RETURN QUERY SELECT 'counters', sum(count)::text FROM personalize.item_stat;
	RETURN QUERY SELECT 'consent', (SELECT string_agg(allowed::text, ',') FROM personalize.consent_of('ada'));
	RETURN QUERY SELECT 'wrong', sum(wrong)::text FROM personalize.verify_counts();
END $$;
SELECT * FROM pg_temp.shop();
SELECT count(*) FROM personalize.rollup_now();
SELECT * FROM pg_temp.seen();
SELECT f FROM pg_temp.filled() f WHERE f IN ('engine_stat', 'event', 'exposure', 'item', 'item_stat', 'profile', 'subject');
-- not where nobody has allowed it, nor by one's own word
SELECT personalize.reset_for_tests();
SET ROLE regress_personalize_tester;
SET personalize.allow_reset = on;
SELECT personalize.reset_for_tests();
RESET ROLE;
SET personalize.allow_reset = on;
SET ROLE regress_personalize_tester;
SELECT personalize.reset_for_tests();
RESET ROLE;
SELECT * FROM pg_temp.seen();
-- nobody is told that somebody has emptied the days
SELECT pg_stat_force_next_flush();
SELECT ok, detail FROM personalize.health() WHERE "check" = 'days of event';
-- nothing is left; what a worker makes anew waits for the end
BEGIN;
SET LOCAL ROLE regress_personalize_tester;
SELECT personalize.reset_for_tests();
RESET ROLE;
SELECT pg_temp.filled();
COMMIT;
SELECT count(*) > 0 AS signals FROM personalize.signal;
-- the next test finds what the first found
SELECT * FROM pg_temp.shop();
SELECT count(*) FROM personalize.rollup_now();
SELECT * FROM pg_temp.seen();
-- also within a transaction that is rolled back
BEGIN;
SELECT personalize.reset_for_tests();
SELECT count(*) FROM personalize.event;
ROLLBACK;
SELECT * FROM pg_temp.seen();
DROP ROLE regress_personalize_tester;

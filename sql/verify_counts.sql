-- verify_counts: what the processors hold against the raw events
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
RESET client_min_messages;
-- one transaction, so that no worker sees them enabled
CREATE FUNCTION roll() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	counted bigint;
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	SELECT sum(events) INTO counted FROM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	RETURN counted;
END
$$;
-- nothing is right, too
SELECT * FROM personalize.verify_counts();

-- history of 40 days and events of now
SELECT accepted FROM personalize.import_events(
	ARRAY(SELECT 'u' || i % 5 FROM generate_series(1, 400) AS i),
	ARRAY(SELECT (ARRAY['view_item', 'add_to_cart', 'purchase', 'search'])[1 + i % 4] FROM generate_series(1, 400) AS i),
	ARRAY(SELECT CASE WHEN i % 4 < 3 THEN 'sku' || i % 7 END FROM generate_series(1, 400) AS i),
	ARRAY(SELECT date_trunc('day', now(), 'UTC') - i * interval '144 minutes' FROM generate_series(1, 400) AS i),
	properties => ARRAY(SELECT CASE WHEN i % 4 = 3 THEN '{"query": "shoe"}'::jsonb END FROM generate_series(1, 400) AS i),
	consents => ARRAY(SELECT 'analytics,personalization,recommendations' FROM generate_series(1, 400) AS i));
SELECT personalize.track('u' || i % 5, 'view_item', 'sku' || i, consent => '{analytics,personalization,recommendations}') AS tracked
FROM generate_series(1, 3) AS i;
SELECT roll();
SELECT processor, what, wrong, expected = found AS same, first_wrong, fix FROM personalize.verify_counts();
-- baskets that are gone, out of use, or somebody else's
SELECT count(*) AS baskets FROM personalize._basket \gset
SELECT :baskets > 0 AS some;
BEGIN;
UPDATE personalize._basket SET count = - count;
SELECT what, wrong = :baskets AS wrong, found FROM personalize.verify_counts() WHERE wrong > 0;
UPDATE personalize._basket SET count = - count, user_key = user_key + 1;
SELECT what, wrong = 2 * :baskets AS wrong FROM personalize.verify_counts() WHERE wrong > 0;
DELETE FROM personalize._basket;
SELECT what, wrong = :baskets AS wrong, found FROM personalize.verify_counts() WHERE wrong > 0;
ROLLBACK;
-- what waits is not missing
SELECT personalize.track('u1', 'purchase', 'sku1', consent => '{analytics,personalization,recommendations}');
SELECT processor, what, wrong FROM personalize.verify_counts() WHERE wrong > 0;
SELECT roll();
SELECT processor, what, wrong FROM personalize.verify_counts() WHERE wrong > 0;
-- nor what was withdrawn, restricted or forgotten
SET client_min_messages = warning;
SELECT personalize.withdraw_consent('u2', '{personalization}');
SELECT personalize.withdraw_consent('u3', '{analytics}');
RESET client_min_messages;
SELECT personalize.track('u2', 'view_item', 'sku1', consent => '{analytics,recommendations}');
SELECT roll();
SELECT processor, what, wrong, first_wrong FROM personalize.verify_counts() WHERE wrong > 0;

-- a fault of 0.1.0 counted events twice: the positions of some shards ran backwards
UPDATE personalize.processor_position SET asof = '1:3:3:' WHERE processor <> 3 AND shard < 32;
SELECT roll() > 0 AS again;
SELECT processor, what, wrong > 0 AS wrong, found > expected AS more, first_wrong ~ '^(user|item)_key -?\d+.*: \d+ found, \d+ expected$' AS named, fix
FROM personalize.verify_counts() ORDER BY 1, 2;
SELECT personalize.rebuild_processor('profile'), personalize.rebuild_processor('item_stat');
SELECT roll() > 0 AS rebuilt;
SELECT processor, what, wrong, first_wrong FROM personalize.verify_counts() WHERE wrong > 0;
-- something is missing
DELETE FROM personalize.item_stat WHERE event = 10;
DELETE FROM personalize.profile WHERE user_key = personalize.user_key('u4');
SELECT processor, what, wrong > 0 AS wrong, found < expected AS less FROM personalize.verify_counts() WHERE wrong > 0 ORDER BY 1, 2;
SELECT personalize.rebuild_processor('profile'), personalize.rebuild_processor('item_stat');
SELECT roll() > 0 AS rebuilt;

-- retention takes raw events, not their counts: what is left is still explained
SELECT personalize.set_retention('raw', '20 days');
SELECT count(*) > 10 AS dropped FROM personalize.apply_retention() WHERE kind = 'raw' AND result = 'done';
SELECT count(*) < 300 AS fewer FROM personalize.event;
SELECT processor, what, wrong, found > expected AS more FROM personalize.verify_counts() WHERE processor <> 'neighbour' ORDER BY 1, 2;
-- also if it is kept longer from now on
SELECT personalize.set_retention('raw', '395 days');
SELECT processor, what, wrong FROM personalize.verify_counts() WHERE wrong > 0 AND processor <> 'neighbour';
-- and what is counted twice since is still found
UPDATE personalize.item_stat SET count = 2 * count WHERE pane_start > now() - interval '5 days';
UPDATE personalize.item_stat SET count = 0 WHERE pane_start < now() - interval '30 days' AND event = 4;
SELECT processor, what, wrong > 0 AS wrong FROM personalize.verify_counts() WHERE wrong > 0 AND processor = 'item_stat';
UPDATE personalize.item_stat SET amount = amount + 1 WHERE pane_start = (SELECT max(pane_start) FROM personalize.item_stat);
SELECT processor, what, wrong > 0 AS wrong FROM personalize.verify_counts() WHERE what = 'amounts';
SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
SELECT roll() > 0 AS rebuilt;
SELECT processor, what, wrong, expected = found AS same FROM personalize.verify_counts();

-- what signals keep beside counts: a largest number that no event has
SELECT personalize.create_signal('kept', '{view_item,purchase}', 'none', '{"view_item": 1, "purchase": 7}', aggregates => '{max,first}') > 0 AS created;
SELECT roll() >= 0, roll() >= 0;
SELECT what, wrong, expected > 4 AS some FROM personalize.verify_counts() WHERE what = 'kept numbers';
CREATE FUNCTION pg_temp.damaged(f personalize.feature_state) RETURNS personalize.feature_state LANGUAGE sql
	AS $$ SELECT regexp_replace(f::text, '(, ([2-9]|\d\d+), \d+, {"max": )7', '\19', 'g')::personalize.feature_state $$;
UPDATE personalize.profile SET features = pg_temp.damaged(features);
SELECT what, wrong > 0 AS wrong, first_wrong ~ 'max of signal "kept"' AS named FROM personalize.verify_counts() WHERE wrong > 0;
SELECT personalize.rebuild_processor('profile');
SELECT roll() > 0 AS rebuilt;
SELECT what, wrong FROM personalize.verify_counts() WHERE wrong > 0;

-- each column of a profile, and the rows of exposures
SELECT personalize.track('shopper', 'purchase', 'sku1', '{"value": 5, "currency": "EUR", "order_id": "o"}', consent => '{analytics,personalization,recommendations}', request_id => 'r'),
	personalize.track_impressions('shopper', 'r', '{sku1,sku2}', consent => '{analytics,personalization,recommendations}');
-- steps of no segment any more are nothing, those of a new one are waited for
SELECT personalize.create_segment('gone', 'view_item -> add_to_cart within 1 hour') AS gone \gset
SELECT roll() > 0 AS counted, roll() >= 0 AS filled;
SELECT what, wrong, expected > 100 AS some, expected = found AS same FROM personalize.verify_counts() WHERE what ~ '^steps';
SELECT personalize.drop_segment('gone');
SELECT what, wrong, expected = found AS same FROM personalize.verify_counts() WHERE what ~ '^steps';
SELECT personalize.create_segment('longer', 'view_item -> purchase within 20 days') > 0 AS longer;
SELECT what, wrong FROM personalize.verify_counts() WHERE what ~ '^steps';
SELECT roll() >= 0, roll() >= 0;
SELECT what, wrong, expected > 100 AS some, expected = found AS same FROM personalize.verify_counts() WHERE what ~ '^steps';
SELECT what, wrong FROM personalize.verify_counts() WHERE wrong > 0;
-- what is wrong after some damage, undone
CREATE FUNCTION pg_temp.finds(damage text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE 'UPDATE personalize.' || damage || ' WHERE user_key = personalize.user_key(''shopper'')';
	SELECT string_agg(v.what || ' ' || v.wrong || ': ' || replace(v.first_wrong, personalize.user_key('shopper')::text, 'X'), '; ' ORDER BY v.what)
		INTO found FROM personalize.verify_counts() v WHERE v.wrong > 0 AND v.processor IN ('profile', 'exposure');
	RAISE EXCEPTION USING ERRCODE = 'P0099', MESSAGE = coalesce(found, 'nothing');
EXCEPTION WHEN SQLSTATE 'P0099' THEN
	RETURN SQLERRM;
END $$;
SET client_min_messages = error;
SELECT d AS damage, pg_temp.finds('profile SET ' || d) FROM unnest(ARRAY[$$first_seen = first_seen - interval '1 second'$$, $$first_seen = first_seen + interval '1 second'$$, 'first_seen = NULL',
	$$last_seen = last_seen + interval '1 second'$$, 'last_seen = NULL', 'mask = mask & 1', 'mask = mask | 8', 'recent = NULL', 'recent = substr(recent, 1, 12)',
	'recent = set_byte(recent, 1, (get_byte(recent, 1) + 1) % 256)', $$steps = '\x00'$$, 'steps = NULL', 'steps = set_byte(steps, 1, (get_byte(steps, 1) + 1) % 256)', 'features = NULL', 'events = events + 1']) WITH ORDINALITY AS u (d, n) ORDER BY n;
SELECT d AS damage, pg_temp.finds(d) FROM unnest(ARRAY['exposure_outcome SET amount = amount + 1', 'exposure_outcome SET amount = NULL', 'exposure_outcome SET item_key = item_key + 1',
	'exposure SET slot = slot + 1', 'exposure SET item_key = item_key + 1', 'exposure SET request_key = request_key + 1', $$exposure SET shown_at = shown_at + interval '1 second'$$]) WITH ORDINALITY AS u (d, n) ORDER BY n;
RESET client_min_messages;

-- who may ask
CREATE ROLE regress_reader;
GRANT personalize_analyst TO regress_reader;
SET ROLE regress_reader;
SELECT * FROM personalize.verify_counts();
RESET ROLE;
REVOKE personalize_analyst FROM regress_reader;
GRANT personalize_admin TO regress_reader;
SET ROLE regress_reader;
SELECT count(*) AS rows, sum(wrong) AS wrong FROM personalize.verify_counts();
RESET ROLE;
REVOKE personalize_admin FROM regress_reader;
DROP ROLE regress_reader;
DROP FUNCTION roll();

-- backfill: a signal that is new or has changed is counted from the raw events, it alone
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SET TimeZone = 'UTC';
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
-- 60 people, each with 6 events in two months; every third allows marketing, too
SELECT count(personalize.track('u' || u, (ARRAY['view_item', 'search', 'purchase'])[1 + (u + k) % 3], 'i' || (u * 7 + k) % 30,
	jsonb_build_object('colour', (ARRAY['red', 'blue', 'green'])[1 + (u * k) % 3], 'value', k, 'currency', 'EUR', 'query', 'lamp'),
	ts => timestamptz '2020-01-01 10:00+00' + u * interval '1 minute' + k * interval '9 days',
	consent => CASE WHEN u % 3 = 0 THEN '{analytics,personalization,recommendations,marketing}' ELSE '{analytics,personalization,recommendations}' END::text[]))
FROM generate_series(1, 60) AS u, generate_series(0, 5) AS k;
CREATE FUNCTION public.roll() RETURNS bigint LANGUAGE sql AS $$
	SELECT personalize.enable_processor('profile');
	SELECT sum(r.events) FROM personalize.rollup_now() AS r;
	SELECT personalize.disable_processor('profile');
	SELECT (SELECT count(*) FROM personalize._rebuild);
$$;
-- what everybody can read, and what is stored; after a back-fill it is what a rebuild of everything makes
CREATE VIEW held AS
	SELECT t.name, personalize.state_hash(t.name, '2021-01-01') AS hash FROM unnest(ARRAY['profile', 'feature_value', 'segment_member']) AS t (name);
CREATE FUNCTION public.equals_rebuild() RETURNS TABLE (name text, same boolean) LANGUAGE plpgsql AS $$
DECLARE
	was text[] := ARRAY(SELECT format('%s %s', h.name, h.hash) FROM held AS h ORDER BY h.name);
BEGIN
	PERFORM personalize.rebuild_processor('profile');
	PERFORM public.roll();
	RETURN QUERY SELECT h.name, format('%s %s', h.name, h.hash) = ANY (was) FROM held AS h ORDER BY h.name;
END
$$;
SELECT roll();

-- a signal counts from now on; readers are told until the rest is there
SELECT personalize.create_signal('colour', NULL, 'properties.colour') AS colour,
	personalize.create_signal('spent', '{purchase}', 'none', value_path => 'value', purposes => '{personalization,marketing}') AS spent;
SELECT personalize.track('u3', 'purchase', 'i1', '{"colour": "red", "value": 7, "currency": "EUR"}', ts => '2020-03-01 12:00+00',
	consent => '{analytics,personalization,recommendations,marketing}');
SELECT task, subject, pid, done, total, unit, percent, time_left FROM personalize.stat_progress ORDER BY subject;
SELECT name, complete_since > (SELECT min(day) FROM personalize._event_day)::timestamp AS from_now_on FROM personalize.signal_status WHERE NOT builtin ORDER BY name;
SELECT signal, value, count, sum, complete_since > (SELECT min(day) FROM personalize._event_day)::timestamp AS from_now_on FROM personalize.features('u3', as_of => '2020-03-02', period => NULL) WHERE signal IN ('colour', 'spent');
SELECT events, rejected FROM personalize.processor WHERE name = 'profile';
SELECT roll();
SELECT name, complete_since = (SELECT min(day) FROM personalize._event_day)::timestamp AS from_the_oldest FROM personalize.signal_status WHERE NOT builtin ORDER BY name;
SELECT signal, value, count, sum FROM personalize.features('u3', as_of => '2020-03-02', period => NULL) WHERE signal IN ('colour', 'spent') ORDER BY 1, 2;
SELECT count(*) FROM personalize.stat_progress;
-- events are counted once in what is told of the processor, too
SELECT events, rejected FROM personalize.processor WHERE name = 'profile';
SELECT * FROM equals_rebuild();
SELECT processor, what, wrong FROM personalize.verify_counts() WHERE processor = 'profile';

-- changed: it alone counts anew; one that is changed, dropped or disabled before it is filled in
SELECT personalize.alter_signal('colour', events => '{purchase}') AS colour;
SELECT personalize.alter_signal('colour', key_path => 'item') AS colour;
SELECT personalize.create_signal('gone', NULL, 'none') AS gone, personalize.create_signal('off', NULL, 'none') AS off;
SELECT subject FROM personalize.stat_progress ORDER BY 1;
SELECT personalize.drop_signal('gone');
SELECT personalize.disable_signal('off');
SELECT subject FROM personalize.stat_progress ORDER BY 1;
SELECT roll();
SELECT personalize.enable_signal('off');
SELECT sum(count) FROM generate_series(1, 60) AS u, personalize.features('u' || u, as_of => '2020-03-02', period => NULL) WHERE signal = 'off';
SELECT personalize.backfill_signal('off');
SELECT roll();
SELECT sum(count) FROM generate_series(1, 60) AS u, personalize.features('u' || u, as_of => '2020-03-02', period => NULL) WHERE signal = 'off';
SELECT * FROM equals_rebuild();

-- a weight that has changed
UPDATE personalize.event_type SET weight = 20 WHERE name = 'purchase';
SELECT personalize.backfill_signal('interest_category'), personalize.backfill_signal('item_affinity');
SELECT personalize.backfill_signal('off');
SELECT roll();
SELECT count, sum FROM personalize.features('u3', as_of => '2020-03-02', period => NULL) WHERE signal = 'item_affinity' AND value = 'i1';

-- people who go, come, take back and are counted again while it waits
SELECT personalize.create_signal('days', NULL, 'properties.colour', purposes => '{analytics,personalization}') AS days;
SELECT personalize.forget('u7') IS NOT NULL, personalize.withdraw_consent('u9', '{analytics}') IS NOT NULL;
SELECT personalize.withdraw_consent('u12', '{marketing}', effective_at => '2020-01-20') IS NOT NULL;
SELECT personalize.restrict('u15') IS NOT NULL;
SELECT personalize.track('new', 'view_item', 'i3', '{"colour": "red"}', consent => '{analytics,personalization,recommendations}');
-- a row that cannot be read, of somebody of whom something comes and of somebody else
UPDATE personalize.profile SET recent = '\x02' WHERE user_key IN (personalize.user_key('u30'), personalize.user_key('u31'));
SELECT personalize.track('u30', 'view_item', 'i3', '{"colour": "red"}', ts => '2020-03-01 12:00+00', consent => '{analytics,personalization,recommendations}');
SET client_min_messages = error;
SELECT roll();
RESET client_min_messages;
SELECT count(*) FROM generate_series(1, 60) AS u, personalize.features('u' || u, as_of => '2020-03-02', period => NULL) WHERE signal = 'days' AND u IN (7, 9, 15);
SELECT value, count FROM personalize.features('u30', as_of => '2020-03-02', period => NULL) WHERE signal = 'days' ORDER BY 1;
SELECT personalize.lift_restriction('u15') IS NOT NULL;
SELECT personalize.track('u31', 'view_item', 'i3', '{"colour": "red"}', ts => '2020-03-01 12:00+00', consent => '{analytics,personalization,recommendations}');
SET client_min_messages = error;
SELECT roll();
SELECT * FROM equals_rebuild();
RESET client_min_messages;

-- numbers that cannot be counted for it: the event goes on counting for everything else
SELECT personalize.track('u1', 'view_item', 'i3', '{"n": 1e300}', ts => '2020-03-01 12:00+00', consent => '{personalization}'),
	personalize.track('u1', 'view_item', 'i3', '{"n": 2}', ts => '2020-03-01 12:00+00', consent => '{personalization}');
SELECT roll();
SELECT personalize.create_signal('huge', '{view_item}', 'none', value_path => 'properties.n') AS huge;
SELECT roll();
SELECT count, sum FROM personalize.features('u1', as_of => '2020-03-02', period => NULL) WHERE signal = 'huge';
SELECT count FROM personalize.features('u1', as_of => '2020-03-02', period => NULL) WHERE signal = 'item_affinity' AND value = 'i3';
SELECT source, reason, payload ? 'event' AS set_aside FROM personalize.rejected_event;
SELECT personalize.drop_signal('huge');
-- one that was set aside stays aside
SELECT personalize.create_signal('large', '{view_item}', 'none', value_path => 'properties.n') AS large;
SELECT roll();
DELETE FROM personalize.rejected_event;
SELECT personalize.track('u1', 'view_item', 'i3', '{"n": 1e299}', ts => '2020-03-01 12:00+00', consent => '{personalization}');
SELECT roll();
SELECT personalize.drop_signal('large');
SELECT personalize.create_signal('views', '{view_item}', 'none') AS views;
SELECT roll();
SELECT reason, payload ? 'event' AS set_aside FROM personalize.rejected_event;
SELECT count FROM personalize.features('u1', as_of => '2020-03-02', period => NULL) WHERE signal = 'views';

-- segments that use it, and steps that nobody was interested in before
SELECT personalize.create_signal('bought', '{purchase}', 'item', description => 'in a segment') AS bought;
SELECT personalize.create_segment('buyers', 'bought >= 2', ttl => '400 days') AS buyers,
	personalize.create_segment('finders', 'view_item -> purchase within 20 days', ttl => '400 days') AS finders;
SELECT subject FROM personalize.stat_progress ORDER BY 1;
SET personalize.test_now = '2020-03-05';
SELECT name, count(m) FROM unnest(ARRAY['buyers', 'finders']) AS name, personalize.segment_members(name) AS m GROUP BY 1 ORDER BY 1;
SELECT roll();
SELECT roll();
SELECT name, count(m) FROM unnest(ARRAY['buyers', 'finders']) AS name, personalize.segment_members(name) AS m GROUP BY 1 ORDER BY 1;
SELECT name, count(*), count(DISTINCT user_key) FROM personalize.segment_change JOIN personalize.segment USING (segment) WHERE entered GROUP BY 1 ORDER BY 1;
RESET personalize.test_now;

-- a rebuild does all that waits; what comes while it goes on is still to be filled in
SELECT personalize.create_signal('early', NULL, 'none') AS early;
SELECT personalize.rebuild_processor('profile');
SELECT personalize.create_signal('late', NULL, 'none') AS late;
SELECT roll();
SELECT name, complete_since = (SELECT min(day) FROM personalize._event_day)::timestamp AS from_the_oldest FROM personalize.signal_status WHERE name IN ('early', 'late') ORDER BY 1;

-- very many at once are filled in by one pass, in some transactions of some shards each
SELECT count(personalize.create_signal('many' || n, NULL, 'none')) FROM generate_series(1, 100) AS n;
SELECT count(*) FROM personalize.stat_progress;
SELECT roll();
SELECT count(*), count(*) FILTER (WHERE complete_since = (SELECT min(day) FROM personalize._event_day)::timestamp) AS from_the_oldest FROM personalize.signal_status WHERE name ~ '^many';
SELECT count(*) FROM personalize._rebuild;
SELECT * FROM equals_rebuild();
SELECT count(personalize.drop_signal('many' || n)) FROM generate_series(1, 100) AS n;

-- mistakes
SELECT personalize.backfill_signal(NULL);
SELECT personalize.backfill_signal('nosuch');
SELECT personalize.disable_signal('late');
SELECT personalize.backfill_signal('late');
-- undone, nothing waits
BEGIN;
SELECT personalize.create_signal('undone', NULL, 'none') > 0;
ROLLBACK;
SELECT count(*) FROM personalize.stat_progress;
DROP FUNCTION roll(), equals_rebuild();
DROP VIEW held;
DROP EXTENSION personalize CASCADE;

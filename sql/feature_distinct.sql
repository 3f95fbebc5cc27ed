-- How many different values a signal has had: exactly to a bound, then as an estimate that says so.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET search_path = personalize, personalize_internal, public;

-- a state with so many values of signal 1 from a time on
CREATE FUNCTION pg_temp.state(n bigint, ts timestamptz DEFAULT '2026-01-01', step interval DEFAULT '0', base bigint DEFAULT 0) RETURNS feature_state LANGUAGE sql AS $$
	SELECT _feature_state_apply(NULL, coalesce(array_agg((1::bigint << 48) | base + v), '{}'), coalesce(array_agg(ts + v * step), '{}'),
		coalesce(array_agg(1::bigint), '{}'), coalesce(array_agg(1000000::bigint), '{}'), keeps => 16)
	FROM generate_series(1, n) AS v
$$;
-- exact up to 128 in a pane, beyond within three standard errors of 1.04 / sqrt(2048)
SELECT n, CASE WHEN d.relative_error IS NULL THEN d.different END AS exact, d.relative_error,
	abs(d.different - n) <= 3 * coalesce(d.relative_error, 0) * n AS close, round(d.relative_error::numeric, 4) = round((1.04 / sqrt(2048))::numeric, 4) AS stated
FROM unnest('{0,1,128,129,10000,1000000}'::bigint[]) AS n, LATERAL _feature_state_distinct(pg_temp.state(n), 1) AS d;
-- panes are exact one by one, and so is what they have together
SELECT d.* FROM _feature_state_distinct(pg_temp.state(2000, step => '5 minutes'), 1) AS d;
SELECT d.* FROM _feature_state_distinct(pg_temp.state(2000, step => '5 minutes'), 1, '2026-01-07', '2026-01-07 12:00') AS d;
SELECT jsonb_array_length(pg_temp.state(2000, step => '5 minutes')::jsonb -> 'features') - 1 AS kept, (pg_temp.state(2000, step => '5 minutes')::jsonb ->> 'evicted')::int AS evicted;
-- the union of what overlaps, and what joins in a wider pane
SELECT d.* FROM _feature_state_distinct(pg_temp.state(100) + pg_temp.state(100, base => 28), 1) AS d;
SELECT d.different BETWEEN 120 AND 138, d.relative_error FROM _feature_state_distinct(pg_temp.state(100) + pg_temp.state(100, base => 29), 1) AS d;
SELECT abs(d.different - 15000) < 15000 * 3 * d.relative_error FROM _feature_state_distinct(pg_temp.state(10000) + pg_temp.state(10000, base => 5000), 1) AS d;
-- of a signal that keeps none, and of another
SELECT d.* FROM _feature_state_distinct(_feature_state_apply(NULL, '{281474976710657}', '{2026-01-01}', '{1}', '{1}'), 1) AS d;
SELECT d.* FROM _feature_state_distinct(pg_temp.state(3), 2) AS d;

-- the same bytes for any order and any cut into batches, and what the events themselves say
CREATE FUNCTION pg_temp.check_cuts(seed float8, n integer, fine int, ages interval[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	cut feature_state;
	whole feature_state;
	halves feature_state[];
	part record;
	wrong integer;
BEGIN
	PERFORM setseed(seed);
	CREATE TEMP TABLE event AS
		SELECT (1 + floor(random() * 2))::bigint AS signal, floor(random() * 300)::bigint AS value,
			timestamptz '2026-03-01 12:00' - interval '12 days' * random() ^ 4 AS ts, floor(random() * 9)::int AS batch, random() AS place
		FROM generate_series(1, n);
	INSERT INTO event SELECT signal, value, ts, (batch + 1) % 9, random() FROM event WHERE value % 5 = 0;
	whole := _feature_state_apply(NULL, array_agg(signal << 48 | value), array_agg(ts), array_agg(1::bigint), array_agg(1000000::bigint), fine, ages, 31) FROM event;
	FOR part IN
		SELECT array_agg(signal << 48 | value ORDER BY place) AS keys, array_agg(ts ORDER BY place) AS times,
			array_agg(1::bigint) AS counts, array_agg(1000000::bigint) AS sums
		FROM event e GROUP BY e.batch ORDER BY hashint4(e.batch)
	LOOP
		cut := _feature_state_apply(cut, part.keys, part.times, part.counts, part.sums, fine, ages, 31);
	END LOOP;
	halves := ARRAY(
		SELECT _feature_state_apply(NULL, array_agg(signal << 48 | value), array_agg(ts), array_agg(1::bigint), array_agg(1000000::bigint), fine, ages, 31)
		FROM event GROUP BY batch % 2);
	-- values make room for others in different order; what holds all of them does not
	IF (SELECT array_agg(f ORDER BY f -> 'signal') FROM jsonb_array_elements(cut::jsonb -> 'features') AS f WHERE (f ->> 'value')::bigint = (1::bigint << 48) - 1) IS DISTINCT FROM
		(SELECT array_agg(f ORDER BY f -> 'signal') FROM jsonb_array_elements(whole::jsonb -> 'features') AS f WHERE (f ->> 'value')::bigint = (1::bigint << 48) - 1) THEN
		RETURN format('seed %s: cut', seed);
	END IF;
	IF (whole::jsonb ->> 'evicted')::int = 0 AND cut <> whole THEN
		RETURN format('seed %s: states', seed);
	END IF;
	IF cut <> cut::text::feature_state OR whole <> whole::jsonb::feature_state THEN
		RETURN format('seed %s: text', seed);
	END IF;
	IF cardinality(halves) = 2 AND (whole::jsonb ->> 'evicted')::int = 0 AND
		_feature_state_apply(halves[1] + halves[2], '{}', '{}', '{}', '{}', fine, ages, 31) <> whole THEN
		RETURN format('seed %s: halves', seed);
	END IF;
	SELECT count(*) INTO wrong
	FROM (SELECT signal, count(DISTINCT value) AS n, count(DISTINCT value) FILTER (WHERE ts >= '2026-03-01') AS today FROM event
			WHERE ts >= timestamptz '2026-02-01' GROUP BY signal) AS e,
		LATERAL _feature_state_distinct(whole, e.signal::integer) AS d,
		LATERAL _feature_state_distinct(whole, e.signal::integer, '2026-02-28 23:59:59.999999') AS t
	WHERE abs(d.different - e.n) > 4 * coalesce(d.relative_error, 0) * e.n OR abs(t.different - e.today) > 4 * coalesce(t.relative_error, 0) * e.today;
	IF wrong > 0 THEN
		RETURN format('seed %s: %s numbers', seed, wrong);
	END IF;
	DROP TABLE event;
	RETURN NULL;
END
$$;
SELECT count(pg_temp.check_cuts(seed / 100.0, n, fine, ages))
FROM generate_series(1, 20) AS seed, unnest('{20,400,2000}'::integer[]) AS n, LATERAL (SELECT seed % 3 AS fine) AS f,
	LATERAL (SELECT CASE seed % 2 WHEN 0 THEN '{2 hours,2 days,90 days}' ELSE '{1 hour,8 days,90 days}' END::interval[] AS ages) AS a;

-- days are dropped with their values
SELECT d.* FROM _feature_state_distinct(pg_temp.state(100) + pg_temp.state(5, '2026-04-10', base => 1000), 1) AS d;
SELECT d.* FROM _feature_state_distinct(_feature_state_apply(pg_temp.state(100), '{281474976710657}', '{2026-04-10}', '{1}', '{1000000}', keeps => 16), 1) AS d;

-- text and binary input check what they read
SELECT pg_temp.state(2)::jsonb #> '{features,0}';
CREATE FUNCTION pg_temp.try(pane text, value bigint DEFAULT (1::bigint << 48) - 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN format('{"newest": "2026-01-01T00:00:00Z", "evicted": 0, "features": [{"signal": 1, "value": %s, "last": "2026-01-01T00:00:00Z", "panes": [["5min", "2026-01-01T00:00:00Z", %s]]}]}', value, pane)::feature_state IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || detail;
END
$$;
SELECT left(pg_temp.try(p), 200) FROM unnest(ARRAY['1, 1, {"distinct": [1, 2]}', '1, 1', '2, 1, {"distinct": [1, 2]}', '1, 2, {"distinct": [1, 2]}', '1, 1, {"distinct": []}', '1, 1, {"distinct": [2, 1]}', '1, 1, {"distinct": [1, 1]}',
	'1, 1, {"distinct": 1}', '1, 1, {"distinct": ["1"]}', '1, 1, {"distinct": [-1]}', '1, 1, {"distinct": [281474976710655]}', '1, 1, {"distinct": [281474976710656]}', '1, 1, {"distinct": [1], "min": 1}', '1, 1, {"max": 1}',
	'1, 1, {"registers": "00"}', '1, 1, {"registers": 1}', format('1, 1, {"registers": "%s"}', repeat('0', 2560)), format('1, 1, {"registers": "%s"}', repeat('f', 2560)),
	format('1, 1, {"registers": "%s"}', repeat('x', 2560)), format('1, 1, {"registers": "01%s"}', repeat('0', 2558)),
	format('1, 1, {"distinct": [%s]}', (SELECT string_agg(v::text, ', ') FROM generate_series(1, 129) AS v))]) AS p;
SELECT pg_temp.try('1, 1, {"distinct": [1, 2]}', 7);
SELECT current_setting('data_directory') || '/feature_distinct_' || pg_backend_pid() AS file \gset
CREATE TEMP TABLE kept AS SELECT n, pg_temp.state(n, step => step) AS f FROM unnest('{1,128,129,600}'::bigint[]) AS n, unnest('{0,1 hour}'::interval[]) AS step;
CREATE TEMP TABLE copied (LIKE kept);
COPY kept TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
SELECT count(*), (SELECT count(*) FROM kept JOIN copied USING (n, f)) AS same, max(length(_feature_state_send(f))) FILTER (WHERE n = 1) AS bytes_of_one FROM copied;
SELECT 'rm ' || quote_literal(:'file') AS remove \gset
COPY (SELECT WHERE false) TO PROGRAM :'remove';
SELECT _feature_state_apply(NULL, '{562949953421311}', '{2026-01-01}', '{1}', '{1}', keeps => 16);
SELECT _feature_state_apply(NULL, '{1}', '{2026-01-01}', '{1}', '{1}', keeps => 32);
SELECT pg_temp.state(3) - pg_temp.state(2);
RESET search_path;

-- of a person: not rolled up, rolled up, in views and segments, and said to be an estimate
SET personalize.test_now = '2026-02-01 12:00+00';
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
END
$$;
SELECT count(personalize.grant_consent(u, '{analytics,personalization}', 'test')) FROM unnest('{ada,bob,cy,dan,eve}'::text[]) AS u;
SELECT personalize.create_signal('pages', '{view_item}', 'properties.page', '{"view_item": 1}', periods => '{1 hour,7 days,390 days}', aggregates => '{count,distinct}') >= 100;
SELECT personalize.create_signal('plain', '{view_item}', 'properties.page', '{"view_item": 1}', periods => '{1 hour,7 days,390 days}') > 100;
SELECT pg_temp.roll();
SET personalize.test_now = '2026-03-10 12:00+00';
SELECT personalize.create_feature_view('reader', '{"pages": "pages distinct", "week": "pages distinct in 7 days", "per_event": "pages distinct / pages", "one": "pages[''p1''] distinct", "events": "pages count", "plain": "plain distinct", "most": "pages most_frequent"}');
SELECT personalize.create_segment('explorer', 'pages distinct in 7 days >= 500') > 0;
CREATE FUNCTION pg_temp.read(who text, first integer, last integer, at timestamptz) RETURNS bigint LANGUAGE sql AS $$
	SELECT i.accepted FROM (SELECT array_agg(who) AS users, array_agg('view_item'::text) AS events, array_agg('i'::text) AS items, array_agg(at) AS ts,
		array_agg(jsonb_build_object('page', 'p' || n)) AS properties, array_agg(who || n || to_char(at, '@MMDDHH24MI')) AS ids FROM generate_series(first, last) AS n) AS t,
	LATERAL personalize.ingest(t.users, t.events, t.items, ts => t.ts, properties => t.properties, message_ids => t.ids) AS i
$$;
-- a value of many is in the same pane as the others, or not
SELECT pg_temp.read('ada', 1, 128, '2026-03-10 11:30+00'), pg_temp.read('bob', 1, 129, '2026-03-10 11:30+00'), pg_temp.read('cy', 1, 1000, '2026-03-10 11:30+00'),
	pg_temp.read('dan', 1, 100, '2026-03-10 11:30+00') + pg_temp.read('dan', 51, 150, '2026-03-09 11:30+00') + pg_temp.read('dan', 201, 300, '2026-02-10 11:30+00');
CREATE FUNCTION pg_temp.told(OUT who text, OUT feature text, OUT value text, OUT events bigint, OUT error numeric) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT u, e.feature, CASE WHEN relative_error IS NULL THEN coalesce(value::text, '-') END, events, round(relative_error::numeric, 4)
	FROM unnest('{ada,bob,cy,dan,eve}'::text[]) AS u, LATERAL personalize.explain_features(u, 'reader') AS e
	WHERE e.feature IN ('pages', 'week', 'plain', 'one', 'per_event') ORDER BY 1, 2
$$;
SELECT * FROM pg_temp.told();
CREATE TEMP TABLE was AS SELECT user_id, features AS f FROM personalize.get_features_batch('{ada,bob,cy,dan,eve}', 'reader');
SELECT user_id, abs((f ->> 'pages')::numeric - n) <= 3 * 0.023 * n FROM was JOIN (VALUES ('bob', 129), ('cy', 1000)) AS v (user_id, n) USING (user_id) ORDER BY 1;
SELECT u, personalize.in_segment(u, 'explorer') FROM unnest('{bob,cy}'::text[]) AS u;
SELECT pg_temp.roll();
SELECT count(*) FROM personalize.get_features_batch('{ada,bob,cy,dan,eve}', 'reader') AS b JOIN was USING (user_id) WHERE b.features - '{plain,events,per_event,most}'::text[] = f - '{plain,events,per_event,most}'::text[];
SELECT u, personalize.in_segment(u, 'explorer') FROM unnest('{bob,cy}'::text[]) AS u;
SELECT pages FROM personalize.fv_reader WHERE user_id = 'ada';
-- the values that made room for others are counted still
SELECT (personalize.get_features('cy', 'reader') ->> 'plain')::integer <= 512, (personalize.get_features('cy', 'reader') ->> 'pages')::integer > 900;
-- late, and twice
SELECT pg_temp.read('eve', 1, 60, '2026-03-10 11:30+00'), pg_temp.read('eve', 1, 60, '2026-03-10 11:30+00'), pg_temp.read('eve', 41, 80, '2026-03-01 11:30+00');
SELECT pg_temp.roll();
SELECT feature, value FROM pg_temp.told() WHERE who = 'eve' AND feature IN ('pages', 'week');

-- what is undone is counted anew: split off, put right, withdrawn, forgotten
CREATE FUNCTION pg_temp.hashes() RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(user_key || personalize_internal._state_folded(features, '2026-03-10 12:00+00')::text, ' ' ORDER BY user_key)) FROM personalize.profile WHERE (features::jsonb ->> 'evicted')::int = 0
$$;
CREATE TEMP TABLE before AS SELECT pg_temp.hashes() AS h;
SELECT personalize.grant_consent('tablet', '{analytics,personalization}', 'test') IS NOT NULL, pg_temp.read('tablet', 61, 120, '2026-03-10 11:30+00');
SELECT pg_temp.roll();
SELECT status FROM personalize.identify('tablet', 'eve');
SELECT feature, value FROM pg_temp.told() WHERE who = 'eve' AND feature IN ('pages', 'week');
SELECT pg_temp.read('tablet', 116, 140, '2026-03-10 11:31+00');
SELECT pg_temp.roll();
SELECT feature, value, error FROM pg_temp.told() WHERE who = 'eve' AND feature IN ('pages', 'week');
SELECT personalize.split('eve', 'tablet');
SELECT pg_temp.roll();
SELECT feature, value FROM pg_temp.told() WHERE who = 'eve' AND feature IN ('pages', 'week');
SELECT value FROM personalize.explain_features('tablet', 'reader') WHERE feature = 'pages';
SELECT personalize.forget('tablet') IS NOT NULL;
SELECT pg_temp.roll();
SELECT h = pg_temp.hashes() FROM before;
SELECT personalize.rectify('eve', '{"properties": {"page": "p2"}}', 'eve1@03101130');
SELECT value FROM pg_temp.told() WHERE who = 'eve' AND feature = 'pages';
SELECT personalize.rectify('eve', '{"properties": {"page": "p1"}}', 'eve1@03101130');
SELECT pg_temp.roll();
SELECT h = pg_temp.hashes() FROM before;
SELECT count(personalize.rebuild_processor('profile'));
SELECT pg_temp.roll();
SELECT h = pg_temp.hashes() FROM before;
SELECT what, compared > 0 AS compared, wrong FROM personalize.verify_counts() WHERE processor = 'profile';
-- what was never there is found
UPDATE personalize.profile SET features = regexp_replace(features::text, '{"distinct": \[\d+, ', '{"distinct": [')::personalize.feature_state WHERE user_key = personalize.user_key('eve');
SELECT what, wrong > 0 AS wrong, first_wrong ~ 'distinct of signal "pages"' AS named FROM personalize.verify_counts() WHERE wrong > 0;
SELECT personalize.rebuild_processor('profile');
SELECT pg_temp.roll();
SELECT h = pg_temp.hashes() FROM before;
-- withdrawn, and of a signal that is dropped or no longer keeps it
SELECT personalize.withdraw_consent('bob', '{personalization}', 'test') IS NOT NULL;
SELECT count(*) FROM personalize.profile WHERE user_key = personalize.user_key('bob') AND features IS NOT NULL;
SELECT personalize.alter_signal('plain', aggregates => '{distinct}') > 100;
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT who, value, error FROM pg_temp.told() WHERE feature = 'plain' AND who <> 'cy';
SELECT personalize.alter_signal('plain', aggregates => '{count}') > 100;
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT count(*) FROM personalize.profile, jsonb_array_elements(features::jsonb -> 'features') AS f
WHERE (f ->> 'value')::bigint = (1::bigint << 48) - 1 AND (f ->> 'signal')::integer <> (SELECT signal FROM personalize.signal WHERE name = 'pages');

-- what was read at many moments, asked for again: from raw events, and from panes when these are gone
CREATE TEMP TABLE answer (user_id text, event_timestamp timestamptz, features jsonb);
CREATE PROCEDURE pg_temp.live(moments integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. moments LOOP
		PERFORM set_config('personalize.test_now', (timestamptz '2026-03-10 12:00+00' + i * interval '50 minutes')::text, false);
		PERFORM pg_temp.read('cy', i * 37, i * 37 + 60, timestamptz '2026-03-10 12:00+00' + i * interval '50 minutes');
		PERFORM pg_temp.read('ada', i * 17, i * 17 + 20, timestamptz '2026-03-10 11:58+00' + i * interval '50 minutes');
		COMMIT;
		IF i % 5 = 0 THEN
			PERFORM pg_temp.roll();
			COMMIT;
		END IF;
		INSERT INTO answer SELECT user_id, current_setting('personalize.test_now')::timestamptz, features - '{plain,most,events,per_event}'::text[]
		FROM personalize.get_features_batch('{ada,cy,eve}', 'reader');
	END LOOP;
END
$$;
CALL pg_temp.live(24);
CREATE FUNCTION pg_temp.differ(OUT grain text, OUT asked bigint, OUT many boolean, OUT different bigint) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT h.grain, count(*), count(DISTINCT h.features -> 'pages') > 20,
		count(*) FILTER (WHERE h.features - '{plain,most,events,per_event}'::text[] IS DISTINCT FROM a.features)
	FROM personalize.get_historical_features('SELECT * FROM pg_temp.answer', 'reader') AS h LEFT JOIN answer AS a USING (user_id, event_timestamp) GROUP BY 1 ORDER BY 1
$$;
SELECT * FROM pg_temp.differ();
SELECT pg_temp.roll();
SELECT * FROM pg_temp.differ();
-- the day of most of it is dropped: wide panes may hold an estimate of what was exact in narrow ones
SET personalize.allow_drop = on;
DO $$
DECLARE
	day name;
BEGIN
	FOR day IN SELECT relname FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = 'personalize.event'::regclass AND relname < 'event_p20260311' LOOP
		EXECUTE format('DROP TABLE personalize.%I', day);
	END LOOP;
END
$$;
DELETE FROM answer WHERE event_timestamp < '2026-03-11';
SELECT h.grain, count(*), count(*) FILTER (WHERE abs((h.features ->> 'pages')::numeric - (a.features ->> 'pages')::numeric) > 3 * 0.02298 * (a.features ->> 'pages')::numeric) AS far
FROM personalize.get_historical_features('SELECT * FROM pg_temp.answer', 'reader') AS h LEFT JOIN answer AS a USING (user_id, event_timestamp) GROUP BY 1 ORDER BY 1;
-- these days' values can be undone no more, and that is told
SELECT personalize.rectify('ada', '{"properties": {"page": "p2"}}', 'ada323@03110348');
SET client_min_messages = error;
SELECT count(*) FROM personalize.forget('ada');
SELECT count(*) FROM personalize.profile WHERE user_key = personalize.user_key('ada');
SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;

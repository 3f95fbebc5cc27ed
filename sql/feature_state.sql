SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SET TimeZone = 'UTC';
SET search_path = personalize, personalize_internal, public;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse

-- an empty state, and one of two features
CREATE TEMP TABLE state (name text PRIMARY KEY, f feature_state);
INSERT INTO state VALUES
	('empty', '{"newest": null, "evicted": 0, "features": []}'),
	('ada', _feature_state_apply(NULL,
		ARRAY[(1::bigint << 48) + 7, (40::bigint << 48) + 281474976710654, (1::bigint << 48) + 7, (1::bigint << 48) + 7],
		'{2026-01-31 12:01:00.5,2026-01-31 11:59:00,2026-01-31 12:04:59.999999,2026-01-20 01:00:00}',
		'{1,2,3,1}', '{1000000,-1,3500000,10000}')),
	('bob', _feature_state_apply(NULL,
		ARRAY[(1::bigint << 48) + 7, (1::bigint << 48) + 8],
		'{0044-03-15 12:00:00 BC,2026-02-01 00:00}', '{1,1}', '{9223372036854775807,-9223372036854775808}',
		2, '{0,0,4000 years}'));
SELECT name, f FROM state ORDER BY name;
SELECT jsonb_pretty(f::jsonb) FROM state WHERE name = 'ada';

-- text, jsonb and binary give the same state back, which is small
CREATE TEMP TABLE copied (LIKE state);
SELECT current_setting('data_directory') || '/feature_state_' || pg_backend_pid() AS file \gset
COPY state TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
SELECT name, f = f::text::feature_state AS text, f = f::jsonb::feature_state AS jsonb,
	f = (SELECT c.f FROM copied c WHERE c.name = s.name) AS binary, length(_feature_state_send(f)) AS bytes
FROM state s ORDER BY name;

-- merge and subtract
SELECT f + f FROM state WHERE name = 'ada';
SELECT a.name, b.name, (a.f + b.f) - b.f = a.f AS undone, a.f + b.f = b.f + a.f AS commutes
FROM state a, state b WHERE NOT 'bob' IN (a.name, b.name) ORDER BY 1, 2;
SELECT (SELECT f FROM state WHERE name = 'bob') + (SELECT f FROM state WHERE name = 'bob');
SELECT (SELECT f FROM state WHERE name = 'ada') - (SELECT f FROM state WHERE name = 'bob');
SELECT (SELECT f FROM state WHERE name = 'ada') - (SELECT f + f FROM state WHERE name = 'ada');
SELECT feature_state_merge(f) FROM state WHERE false;
SELECT feature_state_merge(f) = (SELECT f + f FROM state WHERE name = 'ada')
FROM (SELECT f FROM state WHERE name <> 'bob' UNION ALL SELECT f FROM state WHERE name = 'ada' UNION ALL SELECT NULL) s;
-- in parallel
CREATE TABLE many AS SELECT n, _feature_state_apply(NULL, ARRAY[n % 100, n % 7 + 1000], array_fill(timestamptz '2026-01-01' + n * interval '1 second', '{2}'),
	'{1,1}', ARRAY[n, n]) AS f FROM generate_series(1::bigint, 2000) n;
CREATE TABLE merged AS SELECT feature_state_merge(f) AS f FROM many;
ANALYZE many;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS off) SELECT feature_state_merge(f) FROM many;
SELECT feature_state_merge(f) = (SELECT f FROM merged) FROM many;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
SELECT sum((pane ->> 2)::int), sum((pane ->> 3)::numeric) FROM merged, jsonb_path_query(f::jsonb, '$.features[*].panes[*]') pane;
DROP TABLE many, merged;
-- a wide pane takes in the narrow ones in it
SELECT a.f + b.f FROM
	(SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01 10:20}', '{1}', '{1}', 1)) a(f),
	(SELECT _feature_state_apply(NULL, '{7,7}', '{2026-01-01 10:00,2026-01-01 11:00}', '{1,1}', '{1,1}', 0)) b(f);

-- order and hash
SELECT count(*), count(DISTINCT f) FROM (SELECT f FROM state UNION ALL SELECT f FROM state) s;
SELECT bool_and((a.f < b.f) = (b.f > a.f) AND (a.f <= b.f) = NOT (a.f > b.f) AND (a.f <> b.f) = NOT (a.f = b.f)) FROM state a, state b;
SET enable_hashjoin = on; SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*) FROM state JOIN copied USING (f);
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_nestloop;

-- beyond 512 features the ones longest unseen go, and are counted
SELECT f::jsonb -> 'evicted', jsonb_array_length(f::jsonb -> 'features'),
	(SELECT min((x ->> 'value')::int) FROM jsonb_array_elements(f::jsonb -> 'features') x)
FROM _feature_state_apply(NULL, ARRAY(SELECT n::bigint FROM generate_series(1, 600) n),
	ARRAY(SELECT timestamptz '2026-01-01' + n / 2 * interval '1 second' FROM generate_series(1, 600) n),
	array_fill(1::bigint, '{600}'), array_fill(0::bigint, '{600}')) f;

-- also when they come bit by bit
CREATE TEMP TABLE visit AS
	SELECT n, 1 + (n * 7919 + n / 5) % 701::bigint AS key, timestamptz '2026-01-01' + n * interval '1 minute' AS ts FROM generate_series(1, 9000) n;
CREATE FUNCTION pg_temp.visit_all() RETURNS feature_state LANGUAGE plpgsql AS $$
DECLARE
	f feature_state;
	part record;
BEGIN
	FOR part IN SELECT array_agg(key) AS keys, array_agg(ts) AS times FROM visit GROUP BY n / 23 ORDER BY n / 23 LOOP
		f := _feature_state_apply(f, part.keys, part.times, array_fill(1::bigint, ARRAY[cardinality(part.keys)]),
			array_fill(1000000::bigint, ARRAY[cardinality(part.keys)]));
	END LOOP;
	RETURN f;
END
$$;
WITH found AS (
	SELECT (x ->> 'value')::bigint AS key, (x ->> 'last')::timestamptz AS ts
	FROM (SELECT pg_temp.visit_all()::jsonb) s(f), jsonb_array_elements(f -> 'features') x),
expected AS (SELECT key, max(ts) AS ts FROM visit GROUP BY key ORDER BY 2 DESC LIMIT 512)
SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM (TABLE expected EXCEPT TABLE found) d);

-- overflow is an error, and names nothing else
SELECT _feature_state_apply(NULL, '{7,7}', '{2026-01-01,2026-01-01}', '{1,1}', '{9223372036854775807,1}');
SELECT _feature_state_apply(NULL, '{7,7}', '{2026-01-01,2026-01-01}', '{9223372036854775807,1}', '{0,0}');
SELECT _feature_state_apply(NULL, '{7}', '{infinity}', '{1}', '{0}');
SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01}', '{0}', '{0}');
SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01}', '{1,2}', '{0}');
SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01}', '{1}', '{0}', 3);
SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01}', '{1}', '{0}', 0, '{1,1}');
SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01}', '{1}', NULL);

-- The state is a function of the events: any order and any cut into batches
-- gives the same bytes, which are what the rule of folding says.
CREATE FUNCTION pg_temp.check_cuts(seed float8, fine int, ages interval[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	span interval;
	cut feature_state;
	whole feature_state;
	halves feature_state[];
	part record;
	wrong int;
BEGIN
	PERFORM setseed(seed);
	span := (ARRAY['10 minutes', '5 hours', '3 days', '40 days', '200 days'])[1 + floor(random() * 5)]::interval;
	CREATE TEMP TABLE event AS
		SELECT n, (1 + floor(random() ^ 2 * 40))::bigint << (CASE WHEN random() < 0.5 THEN 0 ELSE 48 END) AS key,
			timestamptz '2026-03-01 12:00' - span * random() - interval '1 day' * floor(random() * 1.2) AS ts,
			1 + floor(random() * 3)::bigint AS count, (floor(random() * 7 - 2) * 10 ^ floor(random() * 7))::bigint AS sum,
			floor(random() * 12)::int AS batch, random() AS place
		FROM generate_series(1, 1 + floor(random() * 400)::int) n;
	whole := _feature_state_apply(NULL, array_agg(key), array_agg(ts), array_agg(count), array_agg(sum), fine, ages) FROM event;
	FOR part IN
		SELECT array_agg(key ORDER BY place) AS keys, array_agg(ts ORDER BY place) AS times,
			array_agg(count ORDER BY place) AS counts, array_agg(sum ORDER BY place) AS sums
		FROM event e GROUP BY e.batch ORDER BY hashint4(e.batch)
	LOOP
		cut := _feature_state_apply(cut, part.keys, part.times, part.counts, part.sums, fine, ages);
	END LOOP;
	halves := ARRAY(
		SELECT _feature_state_apply(NULL, array_agg(key), array_agg(ts), array_agg(count), array_agg(sum), fine, ages)
		FROM event GROUP BY batch % 2);
	IF cut <> whole THEN
		RETURN format('seed %s: cut %s whole %s', seed, cut, whole);
	END IF;
	IF cut <> cut::text::feature_state THEN
		RETURN format('seed %s: text', seed);
	END IF;
	IF cardinality(halves) = 2 AND
		_feature_state_apply(halves[1] + halves[2], '{}', '{}', '{}', '{}', fine, ages) <> whole THEN
		RETURN format('seed %s: merged %s whole %s', seed, halves[1] + halves[2], whole);
	END IF;
	-- the same from the events, in SQL
	WITH newest AS (SELECT max(ts) AS ts FROM event),
	due AS (
		SELECT e.*, CASE
				WHEN date_trunc('day', e.ts) + interval '1 day' <= n.ts - ages[3] THEN NULL
				WHEN fine = 2 OR date_trunc('day', e.ts) + interval '1 day' <= n.ts - ages[2] THEN 'day'
				WHEN fine = 1 OR date_trunc('hour', e.ts) + interval '1 hour' <= n.ts - ages[1] THEN 'hour'
				ELSE '5min' END AS grain
		FROM event e, newest n),
	expected AS (
		SELECT key, grain,
			CASE grain WHEN '5min' THEN date_bin('5 minutes', ts, '2000-01-01') ELSE date_trunc(grain, ts) END AS start,
			sum(count) AS count, sum(sum) / 1000000 AS sum
		FROM due WHERE grain IS NOT NULL GROUP BY 1, 2, 3),
	last AS (SELECT key, max(ts) AS last FROM due WHERE grain IS NOT NULL GROUP BY 1),
	feature AS (SELECT x FROM jsonb_array_elements(whole::jsonb -> 'features') x),
	found AS (
		SELECT ((x ->> 'signal')::bigint << 48) + (x ->> 'value')::bigint AS key, pane ->> 0 AS grain,
			(pane ->> 1)::timestamptz AS start, (pane ->> 2)::numeric AS count, (pane ->> 3)::numeric AS sum
		FROM feature, jsonb_array_elements(x -> 'panes') pane)
	SELECT (SELECT count(*) FROM ((TABLE expected EXCEPT TABLE found) UNION ALL (TABLE found EXCEPT TABLE expected)) d)
		+ (SELECT count(*) FROM last
			FULL JOIN feature ON key = ((x ->> 'signal')::bigint << 48) + (x ->> 'value')::bigint
			WHERE last IS DISTINCT FROM (x ->> 'last')::timestamptz)
	INTO wrong;
	DROP TABLE event;
	RETURN CASE WHEN wrong > 0 THEN format('seed %s: %s differ from the events: %s', seed, wrong, whole) ELSE 'same' END;
END
$$;
SET client_min_messages = warning;
SELECT pg_temp.check_cuts(n / 90.0, n % 3,
	(ARRAY['{2 hours,8 days,90 days}', '{0,0,1 day}', '{1 hour,1 day,3 days}', '{30 days,20 days,400 days}']::text[])[1 + n % 4]::interval[]) AS result,
	count(*)
FROM generate_series(1, 90) n GROUP BY 1 ORDER BY 1;
RESET client_min_messages;

-- spans are half-open, to the grain of each pane
SELECT setseed(0.3);
CREATE TEMP TABLE span AS
	SELECT f, period, as_of
	FROM _feature_state_apply(NULL, ARRAY(SELECT n % 5::bigint FROM generate_series(1, 300) n),
			ARRAY(SELECT timestamptz '2026-03-01 12:00' - random() ^ 4 * interval '20 days' FROM generate_series(1, 300) n),
			array_fill(1::bigint, '{300}'), array_fill(1000000::bigint, '{300}'), 0, '{2 hours,3 days,90 days}') f,
		unnest('{5 minutes,1 hour,26 hours,7 days,400 days}'::interval[]) period,
		unnest('{2026-03-01 12:00,2026-03-01 11:42:13,2026-03-01 00:00,2026-02-20 18:00,2027-01-01}'::timestamptz[]) as_of;
SELECT count(*), count(*) FILTER (WHERE found > 0) AS not_empty, count(*) FILTER (WHERE found <> expected) AS differ
FROM (
	SELECT (SELECT coalesce(sum(count), 0) FROM _profile_features(f, 0::smallint, period, as_of)) AS found,
		(SELECT coalesce(sum((pane ->> 2)::numeric), 0) FROM jsonb_path_query(f::jsonb, '$.features[*].panes[*]') pane
			WHERE (pane ->> 1)::timestamptz > as_of - period AND (pane ->> 1)::timestamptz <= as_of) AS expected
	FROM span) s;
SELECT sum(count), sum(sum) FROM span, _profile_features(f, 0::smallint, NULL, 'infinity') WHERE period = '1 hour' AND as_of = '2027-01-01';

-- malformed text is refused, whatever part is wrong
CREATE FUNCTION pg_temp.try(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN input::feature_state;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail);
END
$$;
SELECT pg_temp.try(input) FROM unnest(ARRAY[
	'', '{', '[]', '1', 'null', '{}', '"x"',
	'{"newest": null, "evicted": 0}',
	'{"newest": null, "evicted": 0, "features": [], "more": 1}',
	'{"newest": null, "evicted": 0, "Features": []}',
	'{"newest": 5, "evicted": 0, "features": []}',
	'{"newest": "now", "evicted": 0, "features": []}',
	'{"newest": "2026-02-29T00:00:00Z", "evicted": 0, "features": []}',
	'{"newest": "2026-02-28T24:00:00Z", "evicted": 0, "features": []}',
	'{"newest": "2026-02-28T00:00:00.5Z", "evicted": 0, "features": []}',
	'{"newest": "2026-02-28T00:00:00+01", "evicted": 0, "features": []}',
	'{"newest": "294277-01-01T00:00:00Z", "evicted": 0, "features": []}',
	'{"newest": "-004714-01-01T00:00:00Z", "evicted": 0, "features": []}',
	'{"newest": null, "evicted": -1, "features": []}',
	'{"newest": null, "evicted": 1.5, "features": []}',
	'{"newest": null, "evicted": 9223372036854775808, "features": []}',
	'{"newest": null, "evicted": 1e400, "features": []}',
	'{"newest": null, "evicted": "0", "features": []}',
	'{"newest": null, "evicted": 0, "features": {}}',
	'{"newest": null, "evicted": 0, "features": [1]}']) input;
SELECT pg_temp.try(format('{"newest": "2026-01-31T12:00:00Z", "evicted": 0, "features": [%s]}', input)) FROM unnest(ARRAY[
	'{}', '[]',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": []}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": {}}',
	'{"signal": 1, "value": 7, "last": null, "panes": [["5min", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 65536, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": -1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 1, "value": 281474976710656, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:01Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T11:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:01:00Z", 1, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["week", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 0, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, 0.0000001]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, 9223372036854.775808]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["hour", "2026-01-31T12:00:00Z", 1, 1], ["day", "2026-01-31T00:00:00Z", 1, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["hour", "2026-01-31T11:00:00Z", 1, 1], ["hour", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["hour", "2026-01-31T12:00:00Z", 1, 1]]}, {"signal": 1, "value": 7, "last": "2026-01-31T12:00:00Z", "panes": [["hour", "2026-01-31T12:00:00Z", 1, 1]]}',
	'{"signal": 0, "value": 0, "last": "2026-01-31T12:00:00.000000Z", "panes": [["5min", "2026-01-31T12:00:00Z", 1, -9223372036854.775808]]}']) input;
SELECT pg_temp.try(format('{"newest": "2026-01-31T12:00:00Z", "evicted": 0, "features": [%s]}',
	(SELECT string_agg(format('{"signal": 1, "value": %s, "last": "2026-01-31T12:00:00Z", "panes": [["hour", "2026-01-31T12:00:00Z", 1, 1]]}', n), ',')
		FROM generate_series(1, 513) n)));

-- binary input: each truncation and hundreds of damaged bytes are refused or
-- give a state that goes out as it came in; nothing is read past the end
CREATE FUNCTION pg_temp.receive(input bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('data_directory') || '/feature_state_' || pg_backend_pid();
	result bytea;
BEGIN
	EXECUTE format('COPY (SELECT ''x''::text, %L::bytea) TO %L (FORMAT binary)', input, file);
	TRUNCATE copied;
	EXECUTE format('COPY copied FROM %L (FORMAT binary)', file);
	SELECT _feature_state_send(f) INTO result FROM copied;
	IF result <> input THEN
		RETURN format('%s became %s', input, result);
	ELSIF (SELECT f::text::feature_state <> f FROM copied) THEN
		RETURN format('%s has no text', input);
	END IF;
	RETURN 'accepted as it was';
EXCEPTION WHEN data_corrupted OR invalid_binary_representation OR invalid_text_representation
	OR numeric_value_out_of_range OR program_limit_exceeded OR feature_not_supported THEN
	RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END
$$;
SELECT pg_temp.receive(input) FROM unnest(ARRAY[
	'', '\x00', '\x02', '\xff', '\x01', '\x0103', '\x010300', '\x01030000', '\x0103000000', '\x010300000000', '\x01030000000000',
	'\x010300000100', '\x010300010000', '\x010300000001', '\x01030000010100', '\x0103000001010000', '\x010300008004807f',
	'\x0103ffffffffffffffffff01000000', '\x0103ffffffffffffffff7f000000', '\x010300ffffffffffffffffff010000',
	'\x01030000ffffffffffffffffff0100', '\x0103000081808080100000', '\x010300000100ffffffffffffffffff01', '\x0103000001000400030700']::bytea[]) WITH ORDINALITY i(input, n) ORDER BY n;
SELECT DISTINCT result LIKE '%became%' OR result LIKE '%no text%' OR result = 'accepted as it was' AS accepted
FROM (SELECT pg_temp.receive(substr(b, 1, n)) AS result
	FROM (SELECT _feature_state_send(f) FROM state WHERE name = 'ada') s(b), generate_series(0, length(b) - 1) n) r;
SELECT setseed(0.5);
SELECT count(*) AS tried, count(*) FILTER (WHERE result LIKE '%became%' OR result LIKE '%no text%') AS wrong,
	count(*) FILTER (WHERE result = 'accepted as it was') > 0 AS some_accepted
FROM (
	SELECT pg_temp.receive(CASE n % 3
		WHEN 0 THEN set_byte(b, place, floor(random() * 256)::int)
		WHEN 1 THEN substr(b, 1, place) || substr(b, place + 1 + floor(random() * 4)::int)
		ELSE substr(b, 1, place) || decode(lpad(to_hex(floor(random() * 65536)::int), 4, '0'), 'hex') || substr(b, place + 1) END) AS result
	FROM (SELECT _feature_state_send(f) FROM state WHERE name = 'ada') s(b),
		LATERAL (SELECT n, floor(random() * length(b))::int AS place FROM generate_series(1, 900) n) p) r;
SELECT 'rm ' || quote_literal(:'file') AS remove \gset
COPY (SELECT WHERE false) TO PROGRAM :'remove';
DROP FUNCTION pg_temp.receive;

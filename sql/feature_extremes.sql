-- What panes keep of their events' numbers: smallest, largest, first and last.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SET TimeZone = 'UTC';
SET search_path = personalize, personalize_internal, public;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse

-- one event, many in a pane, only some kept; decimals, signs and the ends of int64
SELECT keeps, _feature_state_apply(NULL, '{7,7,7,8,7}', '{2026-01-01 10:00:01,2026-01-01 10:04,2026-01-01 10:02,2026-01-01 10:00,2026-01-01 11:00}', '{1,1,1,1,1}',
	'{2000000,-1500000,10,5,9000000}', keeps => keeps)::jsonb -> 'features' #> '{0,panes}' FROM unnest('{0,1,2,4,8,15}'::integer[]) AS keeps;
SELECT f::jsonb #> '{features,0,panes}', f = f::text::feature_state
FROM _feature_state_apply(NULL, '{7,7}', '{2026-01-01,2026-01-01}', '{1,1}', '{9223372036854775807,-9223372036854775808}', keeps => 15) AS f;

-- the same bytes for any order and any cut into batches, and what the events themselves say
CREATE FUNCTION pg_temp.check_cuts(seed float8, keeps int, fine int, ages interval[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	cut feature_state;
	whole feature_state;
	halves feature_state[];
	part record;
	wrong int;
BEGIN
	PERFORM setseed(seed);
	CREATE TEMP TABLE event AS
		SELECT n, (1 + floor(random() * 3))::bigint AS key, timestamptz '2026-03-01 12:00' - interval '3 days' * random() ^ 2 AS ts,
			(floor(random() * 7 - 2) * 10 ^ floor(random() * 7))::bigint AS sum, floor(random() * 9)::int AS batch, random() AS place
		FROM generate_series(1, 1 + floor(random() * 60)::int) n;
	-- two at one time
	INSERT INTO event SELECT n + 100, key, ts, sum + 1, batch + 1, random() FROM event WHERE n % 5 = 0;
	whole := _feature_state_apply(NULL, array_agg(key), array_agg(ts), array_agg(1::bigint), array_agg(sum), fine, ages, keeps) FROM event;
	FOR part IN
		SELECT array_agg(key ORDER BY place) AS keys, array_agg(ts ORDER BY place) AS times,
			array_agg(1::bigint) AS counts, array_agg(sum ORDER BY place) AS sums
		FROM event e GROUP BY e.batch ORDER BY hashint4(e.batch)
	LOOP
		cut := _feature_state_apply(cut, part.keys, part.times, part.counts, part.sums, fine, ages, keeps);
	END LOOP;
	halves := ARRAY(
		SELECT _feature_state_apply(NULL, array_agg(key), array_agg(ts), array_agg(1::bigint), array_agg(sum), fine, ages, keeps)
		FROM event GROUP BY batch % 2);
	IF cut <> whole OR cut <> cut::text::feature_state THEN
		RETURN format('seed %s: cut %s whole %s', seed, cut, whole);
	END IF;
	-- merged without policies, panes are those of either; folded, they are the same
	IF cardinality(halves) = 2 AND _feature_state_apply(halves[1] + halves[2], '{}', '{}', '{}', '{}', fine, ages, keeps) <> whole THEN
		RETURN format('seed %s: halves', seed);
	END IF;
	WITH pane AS (
		SELECT (x ->> 'value')::bigint AS key, p ->> 0 AS grain, (p ->> 1)::timestamptz AS start, (p ->> 2)::bigint AS count, p -> 4 AS kept
		FROM jsonb_array_elements(whole::jsonb -> 'features') AS x, jsonb_array_elements(x -> 'panes') AS p),
	expected AS (
		SELECT p.key, p.start, p.count, count(*) AS n, p.kept,
			jsonb_strip_nulls(jsonb_build_object(
				'min', CASE WHEN keeps & 1 <> 0 THEN trim_scale(min(e.sum) / 1000000::numeric) END,
				'max', CASE WHEN keeps & 2 <> 0 THEN trim_scale(max(e.sum) / 1000000::numeric) END,
				'first', CASE WHEN keeps & 4 <> 0 THEN (array_agg(trim_scale(e.sum / 1000000::numeric) ORDER BY e.ts, e.sum))[1] END,
				'last', CASE WHEN keeps & 8 <> 0 THEN (array_agg(trim_scale(e.sum / 1000000::numeric) ORDER BY e.ts DESC, e.sum DESC))[1] END)) AS says,
			min(e.ts) AS first_at, max(e.ts) AS last_at
		FROM pane p JOIN event e ON e.key = p.key AND e.ts >= p.start AND e.ts < p.start +
			CASE p.grain WHEN '5min' THEN interval '5 minutes' WHEN 'hour' THEN interval '1 hour' ELSE interval '1 day' END
		GROUP BY 1, 2, 3, 5)
	SELECT count(*) FILTER (WHERE count <> n
		OR coalesce(kept, '{}') - '{first,last}'::text[] || CASE WHEN keeps & 4 <> 0 THEN jsonb_build_object('first', kept #> '{first,1}') ELSE '{}' END
			|| CASE WHEN keeps & 8 <> 0 THEN jsonb_build_object('last', kept #> '{last,1}') ELSE '{}' END <> says
		OR (kept #>> '{first,0}')::timestamptz <> first_at OR (kept #>> '{last,0}')::timestamptz <> last_at) INTO wrong FROM expected;
	DROP TABLE event;
	RETURN CASE WHEN wrong > 0 THEN format('seed %s: %s panes are wrong', seed, wrong) END;
END
$$;
SELECT count(c), min(c) FROM (SELECT pg_temp.check_cuts(n / 1000.0, n % 16, n % 3, (ARRAY['{2 hours,1 day,90 days}', '{0,0,2 days}', '{5 minutes,2 days,60 days}'])[1 + n % 3]::interval[]) AS c
	FROM generate_series(1, 200) AS n) AS s;

-- a pane can be taken away whole, but not in part
CREATE TEMP TABLE two AS SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01 10:01}', '{1}', '{5}', keeps => 15) AS a,
	_feature_state_apply(NULL, '{7}', '{2026-01-01 10:02}', '{1}', '{6}', keeps => 15) AS b, _feature_state_apply(NULL, '{7}', '{2026-01-02}', '{1}', '{7}', keeps => 15) AS c;
SELECT (a + c) - a = c FROM two;
SELECT (a + b) - b FROM two;
SELECT ((a + b) - (a + b))::jsonb -> 'features' FROM two;
-- binary, there and back
CREATE TEMP TABLE copied (LIKE two);
SELECT current_setting('data_directory') || '/feature_extremes_' || pg_backend_pid() AS file \gset
COPY two TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
SELECT two = copied FROM two, copied;

-- text that is none
CREATE FUNCTION pg_temp.try(kept text, count int DEFAULT 2) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN format('{"newest": "2026-01-01T10:03:00Z", "evicted": 0, "features": [{"signal": 1, "value": 7, "last": "2026-01-01T10:03:00Z", "panes": [["5min", "2026-01-01T10:00:00Z", %s, 5, %s]]}]}', count, kept)::feature_state::jsonb #> '{features,0,panes,0,4}';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || detail;
END
$$;
SELECT pg_temp.try(k) FROM unnest(ARRAY['{"min": 1, "max": 4}', '{}', '[]', '1', 'null', '{"min": 4, "max": 1}', '{"min": 1, "mox": 2}', '{"min": "1"}', '{"min": 0.0000001}', '{"first": 3}', '{"first": ["2026-01-01T10:00:00Z"]}',
	'{"first": ["2026-01-01T10:05:00Z", 3]}', '{"last": ["2026-01-01T09:59:59Z", 3]}', '{"first": ["2026-01-01T10:02:00Z", 3], "last": ["2026-01-01T10:01:00Z", 2]}',
	'{"min": 3, "last": ["2026-01-01T10:03:00Z", 2]}', '{"first": ["2026-01-01T10:01:00Z", 3], "max": 2}', '{"min": 1, "min": 2}', '{"min": 1e30}']) AS k;
SELECT pg_temp.try(k, 1) FROM unnest(ARRAY['{"min": 5, "last": ["2026-01-01T10:03:00Z", 5]}', '{"min": 4}', '{"first": ["2026-01-01T10:01:00Z", 5], "last": ["2026-01-01T10:03:00Z", 5]}']) AS k;
SELECT _feature_state_apply(NULL, '{7}', '{2026-01-01}', '{1}', '{0}', keeps => 32);

DROP EXTENSION personalize CASCADE;

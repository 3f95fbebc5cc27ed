-- times that applications send: one reader for every path, whatever the session's settings
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
SET personalize.test_now = '2026-06-01 12:00:00+00';
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.grant_consent('t', '{analytics}');
CREATE TABLE given (number serial, string text);
INSERT INTO given (string) VALUES
	('2026-01-31T18:20:11Z'), ('2026-01-31t18:20:11z'), ('2026-01-31 18:20:11+00'), ('2026-01-31T18:20:11'),
	('2026-01-31 18:20:11'), ('2026-01-31T18:20:11.5Z'), ('2026-01-31T18:20:11,5Z'), ('2026-01-31T18:20:11.123456789Z'),
	('2026-01-31T18:20:11+05:30'), ('2026-01-31T18:20:11-0800'), ('2026-01-31T18:20:11+02'), ('2026-01-31 18:20:11 +0200'),
	('2026-01-31T18:20Z'), ('2026-01-31T18Z'), ('2026-01-31'), (' 2026-01-31T18:20:11Z '), ('2026-01-31T24:00:00Z'),
	('2016-12-31T23:59:60Z'), ('2024-02-29'), ('20260131T182011Z'), ('20260131T182011'), ('20260131T1820'),
	('1769883611'), ('1769883611.25'), ('1769883611000'), ('1769883611123'), ('1769883611123.5'), ('100000000'),
	('99999999999999'),
	-- neither
	('01/02/2026'), ('31.01.2026'), ('2026/01/31'), ('Jan 31 2026'), ('Sat, 31 Jan 2026 18:20:11 GMT'), ('now'), ('today'),
	('yesterday'), ('infinity'), ('epoch'), (''), (' '), ('2026-01'), ('2026'), ('20260131'), ('2026-1-31'), ('2026-02-29'),
	('2026-13-01'), ('2026-00-10'), ('2026-01-31T25:00Z'), ('2026-01-31T24:00:01Z'), ('2026-01-31T18:60Z'), ('2026-01-31T18:20:61Z'),
	('2026-01-31T18:20:11.Z'), ('2026-01-31T18:20:11 Europe/Berlin'), ('2026-01-31T18:20:11 PST'), ('2026-01-31T18:20:11+16:00'),
	('2026-01-31T18:20:11+0'), ('2026-01-31T18:20:11+02:0'), ('2026-01-31T182011Z'), ('20260131T18:20:11Z'), ('2026-01-31T'),
	('2026-01-31  18:20:11'), ('T18:20:11'), ('18:20:11'), ('0000-01-01'), ('10000-01-01'), ('-2026-01-31'), ('0'), ('12'),
	('-1769883611'), ('1e9'), ('0x69'), ('1769883611.'), ('1769883611.x'), ('1769883611000000'), ('99999999999999999999'),
	('2026-01-31T18:20:11Zjunk'), ('NaN'), ('٢٠٢٦-٠١-٣١');
SELECT string, string::personalize.event_time AS utc FROM given WHERE number <= 29 ORDER BY number;
CREATE FUNCTION is_time(string text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM string::personalize.event_time::timestamptz;
	RETURN true;
EXCEPTION WHEN invalid_datetime_format THEN
	RETURN false;
END
$$;
SELECT count(*) AS neither, bool_or(is_time(string)) AS any_read FROM given WHERE number > 29;

-- the same in every path, under settings that read and show times otherwise
CREATE TABLE path (name text, number integer, ts timestamptz);
CREATE FUNCTION take(name text) RETURNS void LANGUAGE plpgsql SET personalize.allow_drop = on AS $$
BEGIN
	INSERT INTO path SELECT name, substr(properties ->> 'n', 1)::integer, e.ts FROM personalize.event e;
	INSERT INTO path SELECT name, (payload #>> '{properties,n}')::integer, NULL FROM personalize.rejected_event
		WHERE reason ~ 'is neither ISO 8601 nor unix seconds or milliseconds$';
	TRUNCATE personalize.event, personalize.rejected_event;
END
$$;
CREATE FUNCTION try_time(string text, n integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.track('t', 'view_item', ts => string, properties => jsonb_build_object('n', n));
EXCEPTION WHEN invalid_parameter_value THEN
	IF SQLERRM ~ 'is neither ISO 8601 nor unix seconds or milliseconds$' THEN
		INSERT INTO path VALUES ('track', n, NULL);
	END IF;
END
$$;
SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'; SET IntervalStyle = 'sql_standard';
SELECT count(try_time(string, number)) FROM given WHERE string <> '99999999999999';
SELECT take('track');
SELECT accepted, rejected FROM personalize.track_many((SELECT jsonb_agg(jsonb_build_object('user_id', 't', 'event', 'view_item', 'ts', string,
	'properties', jsonb_build_object('n', number))) FROM given WHERE string <> '99999999999999'));
SELECT take('track_many');
SELECT accepted, rejected FROM personalize.ingest((SELECT array_agg('t'::text) FROM given WHERE string <> '99999999999999'),
	(SELECT array_agg('view_item'::text) FROM given WHERE string <> '99999999999999'),
	ts => (SELECT array_agg(string ORDER BY number) FROM given WHERE string <> '99999999999999'),
	properties => (SELECT array_agg(jsonb_build_object('n', number) ORDER BY number) FROM given WHERE string <> '99999999999999'));
SELECT take('ingest');
INSERT INTO personalize.inbox (user_id, event, ts, properties)
	SELECT 't', 'view_item', string, jsonb_build_object('n', number) FROM given WHERE string <> '99999999999999';
SELECT take('inbox');
RESET DateStyle; RESET TimeZone; RESET IntervalStyle;
SELECT name, count(ts) AS read, count(*) - count(ts) AS rejected,
	bool_and(p.ts IS NOT DISTINCT FROM CASE WHEN p.number <= 29 THEN g.string::personalize.event_time::timestamptz END) AS same
FROM path p JOIN given g USING (number) GROUP BY name ORDER BY name;

-- every type that can hold a time; without a zone it is UTC, numbers are unix time
SELECT accepted FROM personalize.ingest(ARRAY['t', 't'], ARRAY['view_item', 'view_item'], ts => ARRAY['2026-01-31 18:20:11+01', '2026-01-31 18:20:11-01']::timestamptz[]);
SELECT personalize.track('t', 'view_item', ts => '2026-01-31 18:20:11'::timestamp);
SELECT personalize.track('t', 'view_item', ts => '2026-01-31'::date);
SELECT personalize.track('t', 'view_item', ts => 1769883611);
SELECT personalize.track('t', 'view_item', ts => 1769883611000);
SELECT personalize.track('t', 'view_item', ts => 1769883611.5);
SELECT personalize.track('t', 'view_item', ts => 1769883611.25::float8);
SELECT accepted FROM personalize.track_many('[{"user_id": "t", "event": "view_item", "ts": 1769883611}, {"user_id": "t", "event": "view_item", "timestamp": 1769883611750}]');
SELECT ts AT TIME ZONE 'UTC' AS utc, count(*) FROM personalize.event GROUP BY 1 ORDER BY 1;
SELECT personalize.track('t', 'view_item', ts => 'infinity'::timestamptz);
SELECT personalize.track('t', 'view_item', ts => 'NaN'::float8);
SELECT personalize.track('t', 'view_item', ts => 1);

-- what is kept of a rejected message does not depend on the settings of who sent it
SET DateStyle = 'German'; SET TimeZone = 'Asia/Kolkata';
SET client_min_messages = error;
SELECT rejected FROM personalize.ingest(ARRAY['t'], ARRAY['view_item'], ts => ARRAY['2030-01-31 18:20:11+01']::timestamptz[]);
SELECT reason, payload ->> 'ts' AS ts FROM personalize.rejected_event;
RESET ALL;
DROP TABLE given, path CASCADE;
DROP FUNCTION is_time, take, try_time;

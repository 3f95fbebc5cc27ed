SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
-- The strings are of the IAB's GPP specification and of its library @iabgpp/cmpapi
-- 3.2.0, which also decoded them.
CREATE TEMP TABLE vector (n int, gpp_string text, expected jsonb);
INSERT INTO vector VALUES
	(1, 'DBABLA~BAAAAAAAAQA.QA', '{"Version": 1, "SaleOptOut": 0, "SharingOptOut": 0, "TargetedAdvertisingOptOut": 0, "MspaCoveredTransaction": 1, "Gpc": false}'),
	(2, 'DBABLA~BVQqAAAAAgA.QA', '{"Version": 1, "SaleOptOut": 2, "SharingOptOut": 2, "TargetedAdvertisingOptOut": 2, "MspaCoveredTransaction": 2, "Gpc": false}'),
	(3, 'DBABLA~BVQqAAAAAgA.YA', '{"Version": 1, "SaleOptOut": 2, "SharingOptOut": 2, "TargetedAdvertisingOptOut": 2, "MspaCoveredTransaction": 2, "Gpc": true}'),
	(4, 'DBABLA~CFQVAAAAAACA.YA', '{"Version": 2, "SaleOptOut": 1, "SharingOptOut": 1, "TargetedAdvertisingOptOut": 1, "MspaCoveredTransaction": 2, "Gpc": true}'),
	(5, 'DBABLA~CFQVAAAAAACA.QA', '{"Version": 2, "SaleOptOut": 1, "SharingOptOut": 1, "TargetedAdvertisingOptOut": 1, "MspaCoveredTransaction": 2, "Gpc": false}');
SELECT n, d -> 'section_ids' AS section_ids, d #> '{sections,7}' @> expected AS same FROM vector, personalize.decode_gpp(gpp_string) AS d ORDER BY n;
SELECT d #> '{sections,7}' AS every_field FROM vector, personalize.decode_gpp(gpp_string) AS d WHERE n IN (2, 4) ORDER BY n;

-- section 2 is a TC string
SELECT d -> 'section_ids' AS section_ids,
	d #> '{sections,2}' = personalize.decode_tcf('CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA') AS same, d #> '{sections,2,cmp_id}' AS cmp_id
FROM personalize.decode_gpp('DBABM~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA') AS d;
-- what is not understood stays text
SELECT d -> 'section_ids' AS section_ids, d #> '{sections,6}' AS usp
FROM personalize.decode_gpp('DBACNY~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN') AS d;
-- headers alone: what they list
SELECT header, personalize.decode_gpp(header) FROM unnest('{DBACNY,DBABjw}'::text[]) AS header;

-- what must be refused
\getenv abs_srcdir PG_ABS_SRCDIR
\set tc_string :abs_srcdir '/test/tc_string.sql'
\set ECHO none
\i :tc_string
\set ECHO all
-- a header out of bits: type 3, version 1, then
CREATE FUNCTION pg_temp.header(bits text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.base64url('000011000001' || bits) $$;
SELECT name, personalize.decode_gpp(gpp_string) AS decoded FROM (VALUES
	(1, 'empty', ''),
	(2, 'a TC string', 'CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA'),
	(3, 'another version', 'DCABLA~BVQqAAAAAgA.QA'),
	(4, 'type and nothing else', 'D'),
	(5, 'no list of sections', 'DB'),
	(6, 'no sections', 'DBAA'),
	(7, 'a section that is not listed', 'DBAA~BVQqAAAAAgA.QA'),
	(8, 'more sections than listed', 'DBABLA~BVQqAAAAAgA.QA~1YNN'),
	(9, 'characters', 'DBAB!A~BVQqAAAAAgA.QA'),
	(10, 'blanks', 'DBABLA ~BVQqAAAAAgA.QA'),
	(11, '4095 sections, none there', pg_temp.header('111111111111')),
	(12, '64 sections that follow each other', pg_temp.header('000001000000' || repeat('011', 64))),
	(13, 'a group of 4000', pg_temp.header('000000000001' || '1' || '11' || '00001000000000000011')),
	(14, 'a number without end', pg_temp.header('000000000001' || '0' || repeat('0', 100) || '11')),
	(15, 'a number that is cut', pg_temp.header('000000000001' || '0' || '00')),
	(16, 'bits after the header', 'DBABLB~BVQqAAAAAgA.QA'),
	(17, '100 kB of A', repeat('A', 100000)),
	(18, '100 kB of D', repeat('D', 100000)),
	(19, '100 kB of ~', 'DBABLA' || repeat('~', 100000)),
	(20, '300 kB', 'DBABLA~' || repeat('A', 300000))) AS v(n, name, gpp_string) ORDER BY n;
SELECT name, personalize.decode_gpp('DBABLA~' || section) #> '{sections,7}' AS decoded FROM (VALUES
	(1, 'empty', ''),
	(2, 'version 0', 'AVQqAAAAAgA'),
	(3, 'version 3', 'DVQqAAAAAgA'),
	(4, 'version 1, cut', 'BVQqAAAA'),
	(5, 'version 2 as long as version 1', 'CFQVAAAAAA'),
	(6, 'opted out 3', 'BVQ_AAAAAgA'),
	(7, 'bits after the last field', 'BVQqAAAAAgAB'),
	(8, 'unknown sub-section', 'BVQqAAAAAgA.gA'),
	(9, 'Global Privacy Control twice', 'BVQqAAAAAgA.QA.YA'),
	(10, 'an empty sub-section', 'BVQqAAAAAgA.'),
	(11, 'characters', 'BVQqAAAAAgA.!A'),
	(12, '100 kB', 'BVQqAAAAAg' || repeat('A', 100000) || '.YA'),
	(13, '100 kB of .', 'BVQqAAAAAgA' || repeat('.', 100000))) AS v(n, name, section) ORDER BY n;
SELECT personalize.decode_gpp(NULL) IS NULL AS silent;

-- no truncation says anything that the whole string does not
SELECT count(*) AS truncations, count(*) FILTER (WHERE NOT (whole #> '{sections,7}') @> (d #> '{sections,7}') AND NOT d #> '{sections,7}' ? 'error') AS say_something_else
FROM vector, personalize.decode_gpp(gpp_string) AS whole, generate_series(0, length(gpp_string) - 1) AS l, personalize.decode_gpp(left(gpp_string, l)) AS d;

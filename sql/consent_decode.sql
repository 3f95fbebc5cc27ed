SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set tc_string :abs_srcdir '/test/tc_string.sql'
\set ECHO none
\i :tc_string
\set ECHO all
-- Strings are made with the day 2026-06-01 unless they say otherwise, and are
-- looked at a month later.
CREATE FUNCTION pg_temp.verdict(payload jsonb, as_of timestamptz DEFAULT '2026-07-01 00:00:00+00',
	OUT consent text[], OUT reasons text) LANGUAGE sql AS $$
	SELECT f.consent, string_agg(DISTINCT concat_ws(': ', r ->> 'source', r ->> 'reason', r ->> 'detail'), '; ')
	FROM personalize.consent_from(payload, as_of) AS f LEFT JOIN jsonb_each(f.reasons) AS e(p, r) ON true GROUP BY 1
$$;
CREATE FUNCTION pg_temp.tcf(core jsonb, disclosed int[], publisher jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('tcf', pg_temp.tc(core, disclosed, publisher))
$$;
\set all '{"purposes": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}'
\set VERBOSITY terse
SET timezone = 'UTC';

-- TCF, the publisher's own purposes
SELECT what, v.* FROM (VALUES
	(1, 'everything', pg_temp.tcf('{}', '{1}', :'all')),
	(2, 'nothing', pg_temp.tcf('{}', '{1}', '{}')),
	(3, 'analytics', pg_temp.tcf('{}', '{1}', '{"purposes": [1, 8, 9]}')),
	(4, 'personalization', pg_temp.tcf('{}', '{1}', '{"purposes": [1, 5, 6]}')),
	(5, 'recommendations', pg_temp.tcf('{}', '{1}', '{"purposes": [1, 6, 10]}')),
	(6, 'marketing', pg_temp.tcf('{}', '{1}', '{"purposes": [1, 3, 4]}')),
	(7, 'one of two purposes', pg_temp.tcf('{}', '{1}', '{"purposes": [1, 3, 5, 9]}')),
	(8, 'no access to the device', pg_temp.tcf('{}', '{1}', '{"purposes": [3, 4, 5, 6, 8, 9, 10]}')),
	(9, 'legitimate interest', pg_temp.tcf('{}', '{1}', '{"purposes": [1], "interests": [8, 9, 10]}')),
	(10, 'legitimate interest where it is none', pg_temp.tcf('{}', '{1}', '{"purposes": [1], "interests": [3, 4, 5, 6]}')),
	(11, 'purpose 1 not disclosed', pg_temp.tcf('{"purpose_one_treatment": true}', '{1}', '{"purposes": [5, 6]}')),
	(12, 'consent to vendors only', pg_temp.tcf('{"purposes": [1, 5, 6, 8, 9], "vendors": [1]}', '{1}', '{}')),
	(13, 'no publisher segment', pg_temp.tcf('{"purposes": [1, 5, 6, 8, 9], "vendors": [1]}', '{1}', NULL)),
	(14, 'not service-specific', pg_temp.tcf('{"service_specific": false}', '{1}', :'all')),
	(15, 'policy 2', pg_temp.tcf('{"policy": 2}', '{1}', :'all')),
	(16, 'policy 4', pg_temp.tcf('{"policy": 4}', '{1}', :'all')),
	(17, 'policy 6', pg_temp.tcf('{"policy": 6}', '{1}', :'all')),
	(18, 'no disclosed vendors', pg_temp.tcf('{}', NULL, :'all')),
	(19, 'no disclosed vendors, policy 4', pg_temp.tcf('{"policy": 4}', NULL, :'all')),
	(20, 'the same before 2026-03-01', pg_temp.tcf('{"policy": 4, "created": "2026-02-28 00:00:00+00"}', NULL, :'all')),
	(21, 'the same with policy 5', pg_temp.tcf('{"created": "2026-02-28 00:00:00+00"}', NULL, :'all')),
	(22, 'more than 13 months old', pg_temp.tcf('{"created": "2025-05-31 00:00:00+00"}', '{1}', :'all')),
	(23, 'old, but updated', pg_temp.tcf('{"created": "2025-05-31 00:00:00+00", "updated": "2026-06-01 00:00:00+00"}', '{1}', :'all')),
	(24, 'of tomorrow', pg_temp.tcf('{"created": "2026-07-02 00:00:00+00"}', '{1}', :'all')),
	(25, 'updated tomorrow', pg_temp.tcf('{"updated": "2026-07-02 00:00:00+00"}', '{1}', :'all')),
	(26, 'a clock that is 4 minutes ahead', pg_temp.tcf('{"created": "2026-07-01 00:04:00+00"}', '{1}', :'all'))) AS c(n, what, payload),
	pg_temp.verdict(payload) AS v ORDER BY n;
-- each purpose and its reason
SELECT e.* FROM personalize.consent_from(pg_temp.tcf('{}', '{1}', '{"purposes": [1, 8, 9, 10], "interests": [2]}'), '2026-07-01') AS f, jsonb_each(reasons) AS e ORDER BY 1;

-- the settings
SET personalize.tcf_max_age = '10d';
SELECT * FROM pg_temp.verdict(pg_temp.tcf('{}', '{1}', :'all'));
RESET personalize.tcf_max_age;
\set VERBOSITY sqlstate
SET personalize.tcf_max_age = '396d';
\set VERBOSITY terse
SET personalize.tcf_min_policy_version = 5;
SELECT * FROM pg_temp.verdict(pg_temp.tcf('{"policy": 4}', '{1}', :'all'));
RESET personalize.tcf_min_policy_version;
SET personalize.tcf_min_policy_version = 2;

-- TCF, as vendor 9
SET personalize.tcf_vendor_id = 9;
SELECT what, v.* FROM (VALUES
	(1, 'everything', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9]}', '{9}', NULL)),
	(2, 'another vendor', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [8]}', '{9}', NULL)),
	(3, 'the vendor, but no purpose', pg_temp.tcf('{"vendors": [9]}', '{9}', NULL)),
	(4, 'not disclosed', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9]}', '{8}', NULL)),
	(5, 'nobody disclosed', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9]}', '{}', NULL)),
	(6, 'the publisher only', pg_temp.tcf('{"vendors": [9]}', '{9}', :'all')),
	(7, 'legitimate interest', pg_temp.tcf('{"purposes": [1], "vendors": [9], "interests": [8, 9, 10], "vendor_interests": [9]}', '{9}', NULL)),
	(8, 'purpose 6 not allowed', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9], "restrictions": [[6, 0, [[1, 20]]]]}', '{9}', NULL)),
	(9, 'purpose 6 by consent', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9], "restrictions": [[6, 1, [[9, 9]]]]}', '{9}', NULL)),
	(10, 'purpose 8 by interest', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9], "restrictions": [[8, 2, [[9, 9]]]]}', '{9}', NULL)),
	(11, 'purpose 8 by what is undefined', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9], "restrictions": [[8, 1, [[9, 9]]], [8, 3, [[9, 9]]]]}', '{9}', NULL)),
	(12, 'restrictions of others', pg_temp.tcf('{"purposes": [1, 3, 4, 5, 6, 8, 9, 10], "vendors": [9], "restrictions": [[8, 0, [[1, 8], [10, 70]]]]}', '{9}', NULL))) AS c(n, what, payload),
	pg_temp.verdict(payload) AS v ORDER BY n;
RESET personalize.tcf_vendor_id;
-- as vendor 14, which has consent in this string of TCF 2.3 but was not disclosed; as publisher, of purpose 6
SET personalize.tcf_vendor_id = 14;
SELECT * FROM pg_temp.verdict('{"tcf": "CQd924AQd924AASACCENCNFsAP_gAEIAACiQL6QBAAGAAOANmAcAF9IAIADgAA.IL6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.YIAAAAAAAAAA"}', '2026-01-20');
RESET personalize.tcf_vendor_id;
SET personalize.tcf_vendor_id = 65536;
SELECT * FROM pg_temp.verdict('{"tcf": "CQd924AQd924AASACCENCNFsAP_gAEIAACiQL6QBAAGAAOANmAcAF9IAIADgAA.IL6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.YIAAAAAAAAAA"}', '2026-01-20');

-- what is no TC string, and TCData
SELECT payload, v.* FROM (VALUES
	(1, '{"tcf": ""}'::jsonb), (2, '{"tcf": "C"}'), (3, '{"tcf": "BObdrPUOevsguAfDqFENCNAAAAAmeAAA"}'), (4, '{"tcf": "elAAAAAAAWA"}'),
	(5, '{"tcf": null}'), (6, '{"tcf": 7}'), (7, '{"tcf": true}'), (8, '{"tcf": ["C"]}'), (9, '{"tcf": {}}'),
	(10, '{"tcf": {"gdprApplies": false}}'), (11, '{"tcf": {"gdprApplies": true}}'), (12, '{"tcf": {"tcString": 7}}')) AS c(n, payload),
	pg_temp.verdict(payload) AS v ORDER BY n;
SELECT data, v.* FROM (VALUES
	(1, '{}'::jsonb), (2, '{"eventStatus": "tcloaded", "cmpStatus": "loaded", "gdprApplies": true}'), (3, '{"eventStatus": "useractioncomplete"}'),
	(4, '{"eventStatus": "cmpuishown"}'), (5, '{"eventStatus": 1}'), (6, '{"cmpStatus": "loading"}'), (7, '{"cmpStatus": "error", "eventStatus": "tcloaded"}')) AS c(n, data),
	pg_temp.verdict(jsonb_build_object('tcf', data || jsonb_build_object('tcString', pg_temp.tc('{}', '{1}', :'all')))) AS v ORDER BY n;

-- GPP
SELECT payload, v.* FROM (VALUES
	(1, '{"gpp": "DBABLA~BVQqAAAAAgA.QA"}'::jsonb), (2, '{"gpp": "DBABLA~BVQqAAAAAgA.YA"}'), (3, '{"gpp": "DBABLA~BVQqAAAAAgA"}'),
	(4, '{"gpp": "DBABLA~CFQVAAAAAACA.QA"}'), (5, '{"gpp": "DBABLA~CFQVAAAAAACA.YA"}'), (6, '{"gpp": "DBABLA~BAAAAAAAAQA.QA"}'),
	(7, '{"gpp": "DBABLA~BAAqAAAAAgA.QA"}'), (8, '{"gpp": "DBABLA~BVQoAAAAAgA.QA"}'), (9, '{"gpp": "DBABLA~BVQqAAAAQgA.QA"}'),
	(10, '{"gpp": "DBABLA~DVQqAAAAAgA.QA"}'), (11, '{"gpp": "DBABLA~BVQqAAAAA"}'), (12, '{"gpp": "DBABM~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"}'),
	(13, '{"gpp": "DBACNY~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN"}'), (14, '{"gpp": "DBABT~1YNN"}'), (15, '{"gpp": "DBAA"}'), (16, '{"gpp": ""}'),
	(17, '{"gpp": 7}'), (18, '{"gpp": null}'), (19, '{"gpp": "DCABLA~BVQqAAAAAgA.QA"}'), (20, '{"gpp": {}}')) AS c(n, payload),
	pg_temp.verdict(payload) AS v ORDER BY n;
SELECT data, v.* FROM (VALUES
	(1, '{}'::jsonb), (2, '{"signalStatus": "ready", "cmpStatus": "loaded", "applicableSections": [7]}'), (3, '{"signalStatus": "not ready"}'), (4, '{"cmpStatus": "loading"}'),
	(5, '{"applicableSections": [2]}'), (6, '{"applicableSections": [-1]}'), (7, '{"applicableSections": []}'), (8, '{"applicableSections": ["7"]}'),
	(9, '{"applicableSections": [7, 8]}'), (10, '{"applicableSections": 7}'), (11, '{"applicableSections": [7.0]}'), (12, '{"applicableSections": [-1, 7]}'), (13, '{"applicableSections": [-1.0]}'),
	(14, '{"applicableSections": [0]}'), (15, '{"applicableSections": ["-1"]}'), (16, '{"applicableSections": [-2]}')) AS c(n, data),
	pg_temp.verdict(jsonb_build_object('gpp', data || '{"gppString": "DBABLA~BVQqAAAAAgA.QA"}')) AS v ORDER BY n;
CREATE FUNCTION pg_temp.verdict_text(gpp_string text, sections jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT personalize.consent_from(jsonb_build_object('gpp', jsonb_build_object('gppString', gpp_string, 'applicableSections', sections)))::text
$$;
-- no section applies: as with none, whatever the string is
SELECT string, pg_temp.verdict_text(string, '[-1]') = pg_temp.verdict_text(string, '[]') AS same
	FROM unnest('{DBAA,DBABLA~BVQqAAAAAgA.QA,DBABT~1YNN,"",x,NULL}'::text[]) AS string;
-- where the GDPR does not apply, an empty string is none
SELECT data, v.* FROM (VALUES (1, '{"gdprApplies": false, "tcString": ""}'::jsonb), (2, '{"gdprApplies": false}'), (3, '{"gdprApplies": true, "tcString": ""}'), (4, '{"tcString": ""}')) AS c(n, data),
	pg_temp.verdict(jsonb_build_object('tcf', data)) AS v ORDER BY n;
-- only the section that applies counts: 6 does not
SELECT * FROM pg_temp.verdict(jsonb_build_object('gpp', jsonb_build_object('applicableSections', '[2]'::jsonb,
	'gppString', 'DBACNY~' || pg_temp.tc('{}', '{1}', :'all') || '~1YNN')));

-- Google Consent Mode v2
SELECT payload, v.* FROM (VALUES
	(1, '{"consent_mode": {"analytics_storage": "granted"}}'::jsonb),
	(2, '{"consent_mode": {"analytics_storage": "denied", "personalization_storage": "granted"}}'),
	(3, '{"consent_mode": {"ad_storage": "granted", "ad_user_data": "granted", "ad_personalization": "granted"}}'),
	(4, '{"consent_mode": {"ad_storage": "granted", "ad_user_data": "granted", "ad_personalization": "denied"}}'),
	(5, '{"consent_mode": {"ad_storage": "granted"}}'),
	(6, '{"consent_mode": {"analytics_storage": "Granted"}}'), (7, '{"consent_mode": {"analytics_storage": true}}'), (8, '{"consent_mode": {"analytics_storage": null}}'),
	(9, '{"consent_mode": {"analytics_storage": "granted", "wait_for_update": 500}}'), (10, '{"consent_mode": {"analytics_storage": "granted", "region": ["US"]}}'),
	(11, '{"consent_mode": {"default": {"analytics_storage": "granted"}}}'),
	(12, '{"consent_mode": {"default": {"analytics_storage": "denied", "personalization_storage": "granted"}, "update": {"analytics_storage": "granted"}}}'),
	(13, '{"consent_mode": {"default": {"analytics_storage": "granted"}, "update": {"analytics_storage": "denied"}}}'),
	(14, '{"consent_mode": {"update": 7}}'), (15, '{"consent_mode": "granted"}'), (16, '{"consent_mode": []}'), (17, '{"consent_mode": {}}')) AS c(n, payload),
	pg_temp.verdict(payload) AS v ORDER BY n;

-- Global Privacy Control refuses, but never allows
SELECT gpc, a.*, b.* FROM (VALUES (1, 'true'::jsonb), (2, '1'), (3, '"1"'), (4, '"true"'), (5, 'false'), (6, '0'), (7, '"0"'), (8, 'null'), (9, '2'), (10, '"yes"'), (11, '[]')) AS c(n, gpc),
	pg_temp.verdict(jsonb_build_object('gpc', gpc)) AS a, pg_temp.verdict(jsonb_build_object('gpc', gpc, 'consent_mode', '{"analytics_storage": "granted"}'::jsonb)) AS b ORDER BY n;

-- several sources: allowed by one and refused by none
SELECT * FROM pg_temp.verdict('{"consent_mode": {"analytics_storage": "granted"}, "gpp": "DBABLA~BVQqAAAAAgA.QA"}');
SELECT * FROM pg_temp.verdict('{"consent_mode": {"analytics_storage": "denied"}, "gpp": "DBABLA~BVQqAAAAAgA.QA"}');
SELECT * FROM pg_temp.verdict('{"consent_mode": {"analytics_storage": "granted"}, "tcf": "C"}');

-- no payload, and none that says anything
SELECT * FROM personalize.consent_from(NULL);
SELECT payload, v.* FROM unnest('{NULL,"null",true,7,"\"tcf\"",[],"[{\"gpc\": false}]","{}","{\"tfc\": \"C\"}"}'::jsonb[]) WITH ORDINALITY AS c(payload, n), pg_temp.verdict(payload) AS v ORDER BY n;
SELECT * FROM personalize.consent_from('{}', 'infinity');
SELECT * FROM pg_temp.verdict(pg_temp.tcf('{}', '{1}', :'all'), '294276-12-31 23:59:59+00');
SELECT * FROM pg_temp.verdict(pg_temp.tcf('{}', '{1}', :'all'), '4713-01-01 00:00:00+00 BC');
SELECT consent FROM personalize.consent_from(pg_temp.tcf('{"created": "2000-01-01 00:00:00+00"}', '{1}', :'all'));

-- a platform of one's own
INSERT INTO personalize.purpose (name, bit) VALUES ('newsletter', 8);
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES
	('banner', 'analytics', '$.banner.groups', '{C0002}'),
	('banner', 'personalization', '$.banner.groups', '{C0003,C0004}'),
	('banner', 'marketing', '$.banner.flags.ads', '{true,1}'),
	('banner', 'marketing', '$.banner.flags.age', '{adult}'),
	('groups', 'analytics', '$.OnetrustActiveGroups ? (@ like_regex ",C0002,")', '{",C0001,C0002,"}'),
	('account', 'newsletter', '$.newsletter', '{yes}');
SELECT left(payload::text, 60) AS payload, v.* FROM (VALUES
	(1, '{"banner": {"groups": ["C0001", "C0002"]}}'::jsonb), (2, '{"banner": {"groups": ["C0004"]}}'), (3, '{"banner": {"groups": []}}'), (19, '{"banner": {"groups": [[["C0002"]]]}}'), (20, '{"banner": {"groups": "C0002"}}'), (21, '{"banner": {"groups": []}, "consent_mode": {"analytics_storage": "granted"}}'), (4, '{"banner": 7}'),
	(5, '{"banner": {"flags": {"ads": true, "age": "adult"}}}'), (6, '{"banner": {"flags": {"ads": 1, "age": "adult"}}}'), (7, '{"banner": {"flags": {"ads": "1.0", "age": "adult"}}}'),
	(8, '{"banner": {"flags": {"ads": true}}}'), (9, '{"banner": {"flags": {"ads": {"v": true}, "age": "adult"}}}'), (10, '{"banner": {"flags": {"ads": null, "age": "adult"}}}'),
	(11, '{"banner": {"flags": {"ads": "pending", "age": "adult"}}}'),
	(12, jsonb_build_object('banner', jsonb_build_object('flags', jsonb_build_object('ads', repeat('é', 1000))))),
	(13, '{"OnetrustActiveGroups": ",C0001,C0002,"}'), (14, '{"OnetrustActiveGroups": ",C0001,"}'),
	(15, '{"banner": {"groups": ["C0002"]}, "OnetrustActiveGroups": ",C0002,C0009,"}'), (16, '{"newsletter": "yes"}'), (17, '{"newsletter": "yes", "tcf": "C"}'), (18, '{"newsletter": "yes", "gpp": "D"}')) AS c(n, payload),
	pg_temp.verdict(payload) AS v ORDER BY n;

-- rows of one's own replace the shipped ones, for that source and purpose
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES
	('tcf', 'analytics', '$."8"', '{consented,legitimate_interest}'),
	('tcf', 'newsletter', '$.custom_1', '{consented}'),
	('gpc', 'analytics', '$.gpc', '{opted_out,not_opted_out}'),
	('consent_mode', 'personalization', '$.functionality_storage', '{granted}'),
	('consent_mode', 'marketing', '$.ad_storage', '{}');
SELECT * FROM pg_temp.verdict(pg_temp.tcf('{}', '{1}', '{"purposes": [1, 5, 6], "interests": [8], "custom": 2, "custom_consent": [1]}'));
SELECT * FROM pg_temp.verdict('{"consent_mode": {"functionality_storage": "granted", "analytics_storage": "granted", "ad_storage": "granted"}, "gpc": true}');
SELECT * FROM pg_temp.verdict('{"consent_mode": {"functionality_storage": "granted", "ad_storage": "granted"}}');

-- what a mapping may be
UPDATE personalize.consent_mapping SET accepted = '{denied}' WHERE source = 'consent_mode' AND builtin;
DELETE FROM personalize.consent_mapping WHERE source = 'gpc' AND builtin;
UPDATE personalize.consent_mapping SET builtin = true WHERE source = 'banner';
TRUNCATE personalize.consent_mapping;
INSERT INTO personalize.consent_mapping VALUES ('x', 'analytics', '$.x', '{1}', NULL, true);
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('', 'analytics', '$.x', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES (repeat('x', 65), 'analytics', '$.x', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytic', '$.x', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '$.x[', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '$.x ? (@ == $y)', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '$.x ? (@ like_regex "(")', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '$.x', '{1,NULL}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) SELECT 'x', 'analytics', '$.x', array_agg(i::text) FROM generate_series(1, 101) AS i;
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('banner', 'analytics', '$.banner.groups', '{1}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', NULL, '{1}');
DELETE FROM personalize.purpose WHERE name = 'newsletter';
-- a dollar in a name is none
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '$."a$"."$b"', '{1}');
-- paths that cannot be applied to what a browser sends find nothing
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES
	('y', 'analytics', 'strict $.y.z', '{1}'), ('z', 'analytics', '$.y.double()', '{1}'), ('t', 'analytics', '$.y.datetime() ? (@ < "2020-01-01T00:00:00+00".datetime())', '{1}');
SELECT payload, v.consent FROM unnest('{"{\"y\": 1}","{\"y\": {\"z\": 1}}","{\"y\": \"2019-01-01\"}"}'::jsonb[]) WITH ORDINALITY AS c(payload, n), pg_temp.verdict(payload) AS v ORDER BY n;

-- Mutations of valid strings: no error, and nothing that the core does not allow
CREATE TEMP TABLE seed AS SELECT row_number() OVER () AS id, s FROM unnest(ARRAY[
	pg_temp.tc('{}', '{1}', '{}'), pg_temp.tc('{"purposes": [1], "vendors": [1, 9]}', '{1,9}', '{"purposes": [1], "interests": [8]}')]) AS s;
SELECT count(*) AS mutations, count(*) FILTER (WHERE f.consent IS NULL) AS without_answer
FROM seed, generate_series(1, 1000) AS i,
	LATERAL (SELECT decode(md5(id || '/' || i), 'hex') AS r) AS random,
	LATERAL (SELECT overlay(s PLACING chr(33 + get_byte(r, 0) % 90) FROM 1 + get_byte(r, 1) % length(s) FOR get_byte(r, 2) % 3) AS mutated) AS m,
	personalize.consent_from(jsonb_build_object('tcf', mutated, 'gpp', 'DBABM~' || mutated), '2026-07-01') AS f;
SELECT f.consent FROM unnest(ARRAY['A', 'C', '.', '~', '=', 'é']) WITH ORDINALITY AS c(letter, n),
	personalize.consent_from(jsonb_build_object('tcf', repeat(letter, 100000), 'gpp', 'DBABLA~' || repeat(letter, 100000))) AS f ORDER BY n;

-- in one expression
SELECT personalize.track('eva', 'view_item', 'red-shoes', consent => (personalize.consent_from('{"gpp": "DBABLA~BVQqAAAAAgA.QA"}')).consent);
SELECT personalize.grant_consent('bob', (personalize.consent_from('{"consent_mode": {"analytics_storage": "granted"}}')).consent, 'banner');

-- who may do what
SET ROLE personalize_analyst;
SELECT consent FROM personalize.consent_from('{"gpp": "DBABLA~BVQqAAAAAgA.QA"}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '$.x', '{1}');
SET ROLE personalize_app;
SELECT consent FROM personalize.consent_from('{"gpp": "DBABLA~BVQqAAAAAgA.QA"}');
SET personalize.tcf_vendor_id = 9;
DELETE FROM personalize.consent_mapping;
SET ROLE personalize_admin;
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('x', 'analytics', '$.x', '{1}');
DELETE FROM personalize.consent_mapping WHERE source = 'x';
RESET ROLE;
CREATE ROLE regress_nobody;
SET ROLE regress_nobody;
SELECT personalize.consent_from('{}');
RESET ROLE;
DROP ROLE regress_nobody;

-- a change is seen at once, and its undoing
BEGIN;
SAVEPOINT s;
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('late', 'marketing', '$.late', '{yes}');
SELECT consent FROM personalize.consent_from('{"late": "yes"}');
ROLLBACK TO s;
SELECT consent FROM personalize.consent_from('{"late": "yes"}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('late', 'marketing', '$.late', '{yes}');
SELECT consent FROM personalize.consent_from('{"late": "yes"}');
ROLLBACK;
SELECT consent FROM personalize.consent_from('{"late": "yes"}');
INSERT INTO personalize.consent_mapping (source, purpose, path, accepted) VALUES ('late', 'marketing', '$.late', '{yes}');
UPDATE personalize.consent_mapping SET accepted = '{ja}' WHERE source = 'late';
SELECT consent FROM personalize.consent_from('{"late": "ja"}');
UPDATE personalize.purpose SET bit = 9 WHERE name = 'newsletter';
SELECT consent FROM personalize.consent_from('{"newsletter": "yes", "late": "ja"}');
DROP EXTENSION personalize CASCADE;
SET client_min_messages = warning; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT consent FROM personalize.consent_from('{"late": "ja", "consent_mode": {"analytics_storage": "granted"}}');

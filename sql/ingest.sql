SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE VIEW stored AS
	SELECT e.user_key, t.name AS event, e.item_key, e.consent, e.ordinal, e.slot, e.value, e.properties,
		e.session_key IS NOT NULL AS session, e.request_key IS NOT NULL AS request, e.message_key IS NOT NULL AS message
	FROM personalize.event e JOIN personalize.event_type t USING (event);
CREATE VIEW rejected AS
	SELECT row_number, reason, user_key, consent, payload FROM personalize.rejected_event;

-- nothing is allowed at first; the warning comes once a session
SELECT personalize.track(1, 'view_item', 10);
SELECT personalize.track(1, 'view_item', 10);
SELECT count(*) FROM personalize.event;
SELECT personalize.grant_consent(1, ARRAY['analytics', 'personalization', 'recommendations']);
SELECT personalize.track(1, 'view_item', 10);

-- ids of any type, named and positional, prepared and not
SELECT personalize.track('1', 'view_item', '10'), personalize.track(1::smallint, 'view_item', 10::bigint),
	personalize.track(1.0, 'view_item', 10.00), personalize.track(1::bigint, 'view_item'::varchar, 10::numeric),
	personalize.track(user_id => 1, event => 'view', item_id => 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11'::uuid);
PREPARE track AS SELECT personalize.track($1, $2, $3, $4, $5, $6, $7, $8, $9);
EXECUTE track('1', 'add_to_cart', '11', '{"price": 2.50, "quantity": 3, "slot": 4}', NULL, 's', 'r', 'm1', NULL);
EXECUTE track('1', 'add_to_cart', '11', '{"price": 2.50, "quantity": 3, "slot": 4}', NULL, 's', 'r', 'm1', NULL);
SELECT * FROM stored ORDER BY event, item_key, properties;
SET personalize.allow_drop = on;
TRUNCATE personalize.event;

-- aliases and names of one's own
SELECT personalize.track(1, 'Order Completed', 10), personalize.track(1, 'tasted', 10), personalize.track(1, 'tasted', 11);
SELECT event, item_key FROM stored ORDER BY 1, 2;
TRUNCATE personalize.event;

-- several items of one message
SELECT personalize.track(1, 'purchase', properties => '{"currency": "EUR", "order_id": "o1", "value": 99,
	"items": [{"item_id": 5, "price": 2.5, "quantity": 2, "brand": "B"}, {"sku": "x", "price": "1.25", "position": 7}, "plain", 9]}',
	message_id => 'order-1');
SELECT personalize.track(1, 'search', properties => '{"query": "red shoes", "items": [{"id": 1, "slot": 1}, {"id": 2, "slot": 2}]}');
SELECT personalize.track(1, 'view_item', 3, '{"items": [{"item_id": 1}]}');
SELECT personalize.track(1, 'view_item', 1, '{"items": [{"item_id": 1}]}');
SELECT personalize.track(1, 'view_item', properties => '{"items": []}');
SELECT event, item_key, ordinal, slot, value, properties, message FROM stored ORDER BY event, ordinal, item_key;
TRUNCATE personalize.event;

-- what a place and a worth are
SELECT accepted, rejected FROM personalize.ingest(array_fill(1, ARRAY[12]), array_fill('select_item'::text, ARRAY[12]), array_fill(1, ARRAY[12]), properties =>
	ARRAY['{"position": 3}', '{"slot": "4"}', '{"slot": 0}', '{"slot": 1.5}', '{"slot": 1e9}', '{"slot": null}', '{"slot": [1]}',
	'{"value": "12.5"}', '{"value": "NaN"}', '{"value": "1e5"}', '{"value": {}}', '{"price": 5}']::jsonb[]);
SELECT slot, value, properties FROM stored ORDER BY properties;
SELECT row_number, reason FROM rejected ORDER BY 1;
TRUNCATE personalize.event, personalize.rejected_event;

-- what cannot be taken raises, and says what it was
\set VERBOSITY terse
SELECT personalize.track(NULL, 'view_item');
SELECT personalize.track('', 'view_item');
SELECT personalize.track(1, NULL);
SELECT personalize.track(1, '');
SELECT personalize.track(1, repeat('e', 65));
SELECT personalize.track(repeat('u', 513), 'view_item');
SELECT personalize.track(1, 'view_item', repeat('i', 513));
SELECT personalize.track(1, 'view_item', session_id => repeat('s', 513));
SELECT personalize.track(1, 'view_item', request_id => repeat('r', 513));
SELECT personalize.track(1, 'view_item', message_id => repeat('m', 513));
SELECT personalize.track(1, 'view_item', properties => '[1]');
SELECT personalize.track(1, 'view_item', properties => '"text"');
SELECT personalize.track(1, 'view_item', properties => jsonb_build_object('a', repeat('x', 65536)));
SELECT personalize.track(1, 'view_item', properties => jsonb_build_object('a', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 3000) g)));
SELECT personalize.track('NaN'::numeric, 'view_item');
SELECT personalize.track(1, 'view_item', 'NaN'::float8::numeric);
SELECT personalize.track(1, 'view_item', ts => 'infinity');
SELECT personalize.track(1, 'view_item', ts => '-infinity');
SELECT personalize.track(1, 'view_item', ts => '2999-01-01 00:00:00+00');
SELECT personalize.track(1, 'purchase', properties => '{"items": [{"item_id": 1}, {"name": "no id"}]}');
SELECT personalize.track(1, 'purchase', properties => '{"items": [[1]]}');
SELECT personalize.track(1, 'purchase', properties => jsonb_build_object('items', (SELECT jsonb_agg(g) FROM generate_series(1, 1001) g)));
SELECT personalize.track(1, 'purchase', properties => jsonb_build_object('items', jsonb_build_array(repeat('i', 513))));
\set VERBOSITY default
SELECT count(*) FROM personalize.event;
SELECT count(*) FROM personalize.rejected_event;
-- the longest that can
SELECT personalize.track(1, repeat('e', 64), repeat('i', 512), session_id => repeat('s', 512), ts => clock_timestamp() + interval '4 minutes');
SELECT personalize.track(1, 'view_item', '', session_id => '', request_id => '', message_id => '');
SELECT personalize.track(1, 'view_item', ts => '0044-03-15 12:00:00+00 BC'::timestamptz);
SELECT length(event), item_key < 0 AS hashed, session, request, message FROM stored ORDER BY 1;
TRUNCATE personalize.event;

TRUNCATE personalize._dictionary_log;

-- hostile names are only names
SELECT personalize.grant_consent(E'Robert''); DROP TABLE event;--\\', ARRAY['analytics']);
SELECT personalize.track(E'Robert''); DROP TABLE event;--\\', E'it''s "quoted" %s\n', E'\\x00''"');
SELECT event, user_key < 0 AS hashed FROM stored;
SELECT kind, id FROM personalize._dictionary_log ORDER BY 1, 2;
TRUNCATE personalize.event, personalize._dictionary_log;

-- arrays
SELECT * FROM personalize.ingest(ARRAY[1, 1, 2], ARRAY['view', 'purchase', 'view'], ARRAY[1, 2, 3]);
SELECT * FROM personalize.ingest(ARRAY['1', NULL, '', '1', '1', '1', '1'],
	ARRAY['view', 'view', 'view', NULL, 'view', 'view', 'view'],
	item_ids => ARRAY['a', 'b', 'c', 'd', repeat('i', 600), 'f', 'g'],
	ts => ARRAY[NULL, NULL, NULL, NULL, NULL, '2999-01-01 00:00:00+00'::timestamptz, NULL],
	properties => ARRAY['{"a": 1}', NULL, NULL, NULL, NULL, NULL, '[]']::jsonb[]);
SELECT * FROM rejected ORDER BY row_number;
SELECT * FROM personalize.ingest(ARRAY[1], ARRAY['view', 'view']);
SELECT * FROM personalize.ingest(ARRAY[1, 2], ARRAY['view', 'view'], ARRAY[1]);
SELECT * FROM personalize.ingest(NULL::text[], ARRAY['view']);
SELECT * FROM personalize.ingest(ARRAY[1], NULL);
SELECT * FROM personalize.ingest(ARRAY[[1], [2]], ARRAY['view', 'view']);
SELECT * FROM personalize.ingest('{}'::text[], '{}');
SELECT * FROM personalize.ingest(ARRAY[1]::bigint[], ARRAY['view'], ARRAY[1]::numeric[], session_ids => ARRAY['b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11']::uuid[]);
SELECT * FROM personalize.ingest(ARRAY['7', '8', '9', '1'], ARRAY['view', 'view', 'view', 'view'],
	consents => ARRAY['analytics, personalization', '', NULL, 'analytics,nonsense']);
SELECT * FROM personalize.ingest(ARRAY['17', '18', '19'], ARRAY['view', 'view', 'view'], ARRAY[1, 1, 1], consents => ARRAY['{analytics, personalization}', '{}', '{']);
-- lists of purposes as text[], JSON and quoted, in each path
SELECT list, (personalize.ingest(ARRAY['list ' || list], ARRAY['view'], consents => ARRAY[list])).suppressed
	FROM unnest(ARRAY['{"analytics","personalization"}', '["analytics", "personalization"]', '"analytics" , "personalization"', ' {analytics, "personalization" } ',
		'{"ana\lytics",personalization}', '{"analytics,personalization"}', '{"analytics', '{{analytics}}', '{"",}', ',,analytics,', '"', '{"analytics"x,personalization}',
		'analytics;personalization', E'analytics\n,\tpersonalization']) AS list;
SELECT said, (personalize.track_many(jsonb_build_array(jsonb_build_object('user_id', 'list ' || said::text, 'event', 'view', 'consent', said)))).suppressed
	FROM unnest(ARRAY['"analytics,personalization"', '"{\"analytics\",\"personalization\"}"', '"[\"analytics\"]"', '["analytics"]',
		'{"analytics": true, "personalization": "yes"}', '""', '7']::jsonb[]) AS said;
SELECT s.user_id, s.consent FROM (SELECT e.consent, d.id AS user_id FROM personalize.event e JOIN personalize._dictionary_log d ON d.key = e.user_key AND d.kind = 'u') AS s
	WHERE s.user_id LIKE 'list %' ORDER BY s.user_id COLLATE "C";
DELETE FROM personalize.event e USING personalize._dictionary_log d WHERE d.key = e.user_key AND d.kind = 'u' AND d.id LIKE 'list %';
SELECT user_key, event, item_key, consent, session, properties FROM stored ORDER BY 1, 2, 3, 4;
TRUNCATE personalize.event, personalize.rejected_event;

-- JSON
SELECT * FROM personalize.track_many('[
	{"user_id": 1, "event": "view_item", "item_id": 7.00, "ts": "2026-01-01T00:00:00Z", "properties": {"a": 1}},
	{"user_id": "1", "event": "purchase", "items": [{"item_id": "a", "price": 2}, {"item_id": "b"}], "message_id": "json-1"},
	{"user_id": "1", "event": "purchase", "items": [{"item_id": "a", "price": 2}, {"item_id": "b"}], "message_id": "json-1"},
	{"user_id": 5, "event": "view_item", "consent": ["analytics"]},
	{"user_id": 6, "event": "view_item", "consent": {"analytics": true, "personalization": false, "marketing": "yes"}},
	{"user_id": 66, "event": "view_item", "consent": "all"},
	{"user_id": 1, "event": "view_item", "timestamp": "2026-01-02 03:04:05+02", "unknown": [1, 2]},
	{"event": "view_item"}, {"user_id": null, "event": "view_item"}, {"user_id": {}, "event": "view_item"},
	{"user_id": 1}, {"user_id": 1, "event": "view_item", "ts": "yesterday-ish"}, {"user_id": 1, "event": "view_item", "ts": 12},
	{"user_id": 1, "event": "view_item", "ts": "infinity"}, {"user_id": 1, "event": "view_item", "items": {"item_id": 1}},
	{"user_id": 1, "event": "view_item", "properties": 3}, 17, null, [], "x"]');
SELECT user_key, event, item_key, consent, ordinal, value, properties FROM stored ORDER BY 1, 2, 3, 4, properties;
SELECT * FROM rejected ORDER BY row_number;
SELECT * FROM personalize.track_many('{}');
SELECT * FROM personalize.track_many('3');
SELECT * FROM personalize.track_many(NULL);
SELECT * FROM personalize.track_many('[]');
TRUNCATE personalize.event, personalize.rejected_event;

-- nothing in a message makes the batch fail
SET personalize.max_event_types = 2;
SELECT * FROM personalize.ingest(ARRAY[1, 1, 1], ARRAY['view', 'one too many', 'view']);
\set VERBOSITY terse
SELECT personalize.track(1, 'one too many');
RESET personalize.max_event_types;
\set VERBOSITY default
SELECT * FROM personalize.track_many(format('[{"user_id": 1, "event": "purchase", "item_id": 1, "properties": {"price": 1e131000, "quantity": 1e131000}},
	{"user_id": 1, "event": "purchase", "item_id": 2, "properties": {"value": -1e131000, "slot": 1e131000, "price": "%s"}},
	{"user_id": 1e131000, "event": "view"}, {"user_id": 1, "event": "view", "item_id": 1.%s},
	{"user_id": 1, "event": "view", "item_id": 3, "properties": {"deep": %s}}, {"user_id": 1, "event": "view", "items": %s},
	{"user_id": 1, "event": "view", "ts": "%s"}, {"user_id": 1, "event": "view", "ts": "2026-13-45"}, {"user_id": 1, "event": "view", "ts": ""},
	{"user_id": 1, "event": "view", "ts": "now Europe/Nowhere"}, {"user_id": 1, "event": "view", "item_id": 4, "ts": "2026-01-01"}]',
	repeat('9', 200), repeat('1', 600), repeat('[', 1000) || repeat(']', 1000), repeat('[', 1000) || repeat(']', 1000), repeat('x', 5000))::jsonb);
SELECT event, item_key, slot, value, length(properties::text) FROM stored ORDER BY event, item_key;
SELECT row_number, left(reason, 60) AS reason FROM rejected ORDER BY row_number, reason;
TRUNCATE personalize.event, personalize.rejected_event;

-- a message counts once: within a call, across calls, whatever the path, and not after the window
SELECT personalize.track(1, 'view_item', 1, message_id => 'B5A0A2FE-5F3A-4C3B-8F0E-2B7E2A0B9A11');
SELECT personalize.track(1, 'view_item', 1, message_id => 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11'::uuid);
SELECT * FROM personalize.ingest(ARRAY[1, 1, 1, 1], ARRAY['view', 'view', 'view', 'view'],
	message_ids => ARRAY['d1', 'd2', 'd1', 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11']);
SELECT * FROM personalize.track_many('[{"user_id": 1, "event": "view", "message_id": "d2"}, {"user_id": 1, "event": "view", "message_id": "d3"}]');
-- an event that was suppressed can be sent again
SELECT personalize.track(77, 'view_item', message_id => 'later');
SELECT personalize.grant_consent(77, '{analytics}');
SELECT personalize.track(77, 'view_item', message_id => 'later'), personalize.track(77, 'view_item', message_id => 'later');
SELECT count(*) FROM personalize.event;
-- across midnight, ahead of the workers' clock, which would forget the messages of past days
SET personalize.test_now = '2036-03-01 23:59:59.9+00';
SELECT personalize.track(1, 'view_item', message_id => 'midnight');
SET personalize.test_now = '2036-03-02 00:00:00.1+00';
SELECT personalize.track(1, 'view_item', message_id => 'midnight'), personalize.track(1, 'view_item', message_id => 'after');
SET personalize.test_now = '2036-03-03 23:59:58+00';
SELECT personalize.track(1, 'view_item', message_id => 'midnight');
SELECT personalize_internal._purge_message_seen();
SET personalize.test_now = '2036-03-04 00:00:01+00';
SELECT personalize.track(1, 'view_item', message_id => 'midnight'), personalize.track(1, 'view_item', message_id => 'midnight');
SELECT personalize_internal._purge_message_seen();
SELECT tableoid::regclass AS day, count(*) FROM personalize.event WHERE received_at > '2036-01-01' GROUP BY 1 ORDER BY 1;
RESET personalize.test_now;
-- large batches with duplicates inside and out
TRUNCATE personalize.event;
SELECT r.* FROM (SELECT array_agg(1 + g % 2 * 76) AS users, array_agg('view'::text) AS events, array_agg('bulk-' || g % 15000) AS messages
	FROM generate_series(1, 25000) g) AS a, LATERAL personalize.ingest(users, events, message_ids => messages) AS r;
SELECT r.* FROM (SELECT array_agg(1) AS users, array_agg('view'::text) AS events, array_agg('bulk-' || g) AS messages
	FROM generate_series(14000, 16000) g) AS a, LATERAL personalize.ingest(users, events, message_ids => messages) AS r;
SELECT count(*), count(DISTINCT message_key) FROM personalize.event;

-- one message sent again among many new ones, wherever it stands
SELECT sum(r.accepted) AS accepted, sum(r.duplicate) AS duplicate FROM generate_series(1, 60) AS b,
	LATERAL (SELECT array_agg(1) AS users, array_agg('view'::text) AS events,
		array_agg(CASE WHEN g = b THEN 'bulk-' || b ELSE 'one-' || b || '-' || g END) AS messages FROM generate_series(1, 60) g) AS a,
	LATERAL personalize.ingest(users, events, message_ids => messages) AS r;
SELECT count(*), count(DISTINCT message_key) FROM personalize.event;
SELECT count(*) = (SELECT count(*) FROM personalize.message_seen) AS seen_by_index FROM personalize.message_seen WHERE message >= '00000000-0000-0000-0000-000000000000';

-- history: arrival is the event's own time; it begins in 1900
SELECT * FROM personalize.import_events(ARRAY[1], ARRAY['view'], ARRAY[1], ARRAY['0044-03-15 12:00:00+00 BC']::timestamptz[]);
SELECT * FROM personalize.import_events(ARRAY[1, 1, 1, 1], ARRAY['view', 'view', 'view', 'view'], ARRAY[1, 2, 3, 4],
	ARRAY['2024-02-29 23:59:59+00', '2024-03-01 00:00:00+00', NULL, '2023-12-31 12:00:00+00']::timestamptz[]);
SELECT tableoid::regclass AS day, item_key, received_at = ts AS own_time FROM personalize.event WHERE received_at < '2025-01-01' ORDER BY item_key;
SELECT row_number, reason FROM rejected WHERE reason LIKE 'ts%';
SELECT r.* FROM (SELECT array_agg(1) AS users, array_agg('view'::text) AS events, array_agg(g) AS items,
	array_agg('2020-01-01 00:00:00+00'::timestamptz + g * interval '24 hours') AS ts FROM generate_series(1, 401) g) AS a,
	LATERAL personalize.import_events(users, events, items, ts) AS r;

-- transactions
TRUNCATE personalize.event;
BEGIN;
SELECT personalize.track(1, 'view_item', 1, message_id => 't1');
SAVEPOINT a;
SELECT personalize.track(1, 'view_item', 2, message_id => 't2');
ROLLBACK TO a;
SELECT personalize.track(1, 'view_item', 3, message_id => 't2'), personalize.track(1, 'view_item', 4, message_id => 't1');
COMMIT;
SELECT item_key FROM stored ORDER BY 1;
BEGIN;
SELECT personalize.track(1, 'view_item', 5, message_id => 't5');
ROLLBACK;
SELECT personalize.track(1, 'view_item', 6, message_id => 't5');
SELECT item_key FROM stored ORDER BY 1;
BEGIN READ ONLY;
SELECT personalize.track(1, 'view_item', 1);
ROLLBACK;
-- stored events are seen by the next statement, with one id of their transaction
SELECT count(DISTINCT txid) = 2 AS two_transactions FROM personalize.event;

-- what became of everything, since the extension was created in this database
CREATE TEMP TABLE before AS SELECT * FROM personalize.stat_ingest;
SET client_min_messages = error;
SELECT * FROM personalize.ingest(ARRAY['1', '1', '1', 'x', 'x', '1', '', '1'], ARRAY['view', 'view', 'view', 'view', 'view', 'view', 'view', ''],
	message_ids => ARRAY['stat', 'stat', NULL, NULL, NULL, NULL, NULL, NULL], consents => ARRAY[NULL, NULL, NULL, NULL, '', '', NULL, NULL]);
SELECT personalize.withdraw_consent(1);
SELECT personalize.track(1, 'view');
SET personalize.event_consent = require_ledger;
SELECT personalize.track('x', 'view', consent => ARRAY['analytics']);
RESET personalize.event_consent;
SELECT personalize.track_many('[7, {"user_id": 1, "event": "view", "ts": "never"}, {"user_id": 1, "event": "view", "properties": 1},
	{"user_id": 1, "event": "view", "items": [{}]}]');
RESET client_min_messages;
-- also what is raised, and rolled back with its transaction
SELECT personalize.track(1, '');
BEGIN;
SELECT personalize.track(1, 'view', ts => '2999-01-01 00:00:00+00');
ROLLBACK;
SELECT status, reason, a.messages - b.messages AS messages, a.since <= clock_timestamp() AS since
	FROM personalize.stat_ingest a JOIN before b USING (status, reason) ORDER BY status, reason;
SELECT personalize.grant_consent(1, ARRAY['analytics']);

-- privileges
CREATE ROLE regress_personalize_app;
GRANT personalize_app TO regress_personalize_app;
SET ROLE regress_personalize_app;
SELECT personalize.track(1, 'view_item', 1);
SELECT accepted FROM personalize.ingest(ARRAY[1], ARRAY['view']);
SELECT count(*) FROM personalize.event;
SELECT * FROM personalize.import_events(ARRAY[1], ARRAY['view'], ARRAY[1], ARRAY[now()]);
SELECT personalize_internal._purge_message_seen();
RESET ROLE;
CREATE ROLE regress_personalize_nobody;
SET ROLE regress_personalize_nobody;
SELECT personalize.track(1, 'view_item', 1);
RESET ROLE;
DROP ROLE regress_personalize_app, regress_personalize_nobody;
DROP VIEW stored, rejected;
-- a reason is cut between characters
SELECT rejected FROM personalize.track_many(jsonb_build_array(jsonb_build_object(
	'user_id', 'ä', 'event', 'view_item', 'ts', repeat('a', 63) || 'ää')));
SELECT octet_length(reason), reason LIKE 'ts "aaa%aaa..." is neither%' AS cut
FROM personalize.rejected_event WHERE reason LIKE 'ts "aaa%';
-- rows are those that the server forms, less the nulls at their end
SELECT count(personalize.grant_consent('u' || u, ARRAY['analytics'])) FROM generate_series(0, 2) u;
SELECT accepted FROM personalize.import_events(
	ARRAY(SELECT 'u' || i % 3 FROM generate_series(1, 2000) i),
	ARRAY(SELECT CASE i % 3 WHEN 0 THEN 'purchase' WHEN 1 THEN 'view_item' ELSE 'search' END FROM generate_series(1, 2000) i),
	ARRAY(SELECT CASE WHEN i % 4 <> 0 THEN i END FROM generate_series(1, 2000) i),
	ARRAY(SELECT timestamptz '2020-02-02 00:00:00+00' + i * interval '1 second' FROM generate_series(1, 2000) i),
	properties => ARRAY(SELECT CASE i % 6 WHEN 0 THEN jsonb_build_object('a', repeat('x', i / 6))
		WHEN 1 THEN jsonb_build_object('value', i / 7.0, 'currency', 'EUR', 'slot', i % 10)
		WHEN 2 THEN jsonb_build_object('long', repeat('long', 10 * (i % 97)))
		WHEN 3 THEN jsonb_build_object('random', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, i / 10) n))
		END FROM generate_series(1, 2000) i),
	session_ids => ARRAY(SELECT CASE WHEN i % 2 = 0 THEN 's' || i / 9 END FROM generate_series(1, 2000) i),
	message_ids => ARRAY(SELECT CASE WHEN i % 5 = 0 THEN 'formed' || i END FROM generate_series(1, 2000) i));
CREATE TABLE formed (LIKE personalize.event_p20200202 INCLUDING STORAGE);
INSERT INTO formed SELECT * FROM personalize.event_p20200202;
SELECT count(*), count(*) FILTER (WHERE e *= f) AS equal, bool_or(pg_column_size(e.properties) > 2000) AS long, sum(length(e.properties::text)) > 1000000 AS all_read
FROM personalize.event_p20200202 e FULL JOIN formed f ON e.ts = f.ts;
DROP TABLE formed;
SELECT accepted FROM personalize.import_events(ARRAY(SELECT 'u1' FROM generate_series(1, 200)), ARRAY(SELECT 'view_item' FROM generate_series(1, 200)),
	ARRAY(SELECT i FROM generate_series(1, 200) i), ARRAY(SELECT timestamptz '2020-02-04 00:00:00+00' + i * interval '1 second' FROM generate_series(1, 200) i));
SELECT count(*) * (4 + 72) AS bytes FROM personalize.event_p20200204 WHERE ctid < '(1,0)';
-- a column that was added with a default: rows that were there have it, new ones what they say, be it null
CREATE TABLE older AS SELECT received_at, ts, txid, user_key, consent, event, ordinal, item_key, sequence, session_key, request_key, message_key, request_origin, slot
FROM personalize.event_p20200202 WHERE event = 10 ORDER BY ts LIMIT 2;
UPDATE older SET received_at = received_at + interval '1 day', ts = ts + interval '1 day';
ALTER TABLE older ADD value numeric DEFAULT 5, ADD properties jsonb DEFAULT '{"old": 1}', ADD alias_key bigint DEFAULT 7;
SELECT format('ALTER TABLE older ALTER %I SET NOT NULL', attname) FROM pg_attribute WHERE attrelid = 'personalize.event'::regclass AND attnum > 0 AND attnotnull \gexec
ALTER TABLE older RENAME TO event_p20200203;
ALTER TABLE event_p20200203 OWNER TO personalize_owner;
ALTER TABLE event_p20200203 SET SCHEMA personalize;
ALTER TABLE personalize.event ATTACH PARTITION personalize.event_p20200203 FOR VALUES FROM ('2020-02-03 00:00+00') TO ('2020-02-04 00:00+00');
SELECT accepted FROM personalize.import_events('{u1,u1}', '{purchase,purchase}', '{1,2}', '{2020-02-03 12:00+00,2020-02-03 13:00+00}', properties => ARRAY[NULL, '{"value": 3}']::jsonb[]);
SELECT value, properties, alias_key FROM personalize.event WHERE received_at >= '2020-02-03 00:00+00' AND received_at < '2020-02-04 00:00+00' ORDER BY ts;
SELECT personalize.enable_processor('item_stat');
SELECT count(*) > 0 AS rolled FROM personalize.rollup_now();
SELECT sum(count) AS count, sum(amount) AS amount FROM personalize.item_stat WHERE pane_start >= '2020-02-03 00:00+00' AND pane_start < '2020-02-04 00:00+00';

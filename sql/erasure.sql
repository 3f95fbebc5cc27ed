SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
-- the batches of this test are its own: a running worker would take them first
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
END $$;
SELECT messages AS before FROM personalize.stat_ingest WHERE status = 'suppressed' AND reason = 'erased' \gset
SET client_min_messages = error;
-- what a receipt counts, without zeros
CREATE FUNCTION pg_temp.counts(r uuid) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(key, value) FROM personalize.erasure e,
		jsonb_each((e.counts - 'partial') || (SELECT jsonb_object_agg('partial ' || p.key, p.value) FROM jsonb_each(e.counts -> 'partial') p)) c
	WHERE e.receipt = r AND value <> '0'
$$;
-- one value for everything that may hold a person
CREATE FUNCTION pg_temp.everything() RETURNS TABLE (name text, content text) LANGUAGE plpgsql AS $$
BEGIN
	FOR name IN SELECT unnest(ARRAY['event', 'item_stat', '_basket', '_popular', 'message_seen', 'rejected_event', 'profile',
		'session', 'posting', '_session_total', 'preference', '_dictionary_log', 'subject', 'feature_value', 'item']) LOOP
		content := encode(personalize.state_hash(name, '2030-01-01'), 'hex');
		RETURN NEXT;
	END LOOP;
END $$;
CREATE FUNCTION pg_temp.tell(who text, bought text) RETURNS void LANGUAGE sql AS $$
	SELECT personalize.grant_consent(who, ARRAY['analytics', 'personalization', 'recommendations']);
	SELECT personalize.track(who, 'view_item', 'red shoes', '{"brand": "Acme", "category": "shoes"}', '2026-01-01 10:00+00', message_id => who || '-1');
	SELECT personalize.track(who, 'view_item', '17', '{"position": 3}', '2026-01-01 10:01+00', message_id => md5(who || 'm')::uuid::text);
	SELECT personalize.track(who, 'search', properties => jsonb_build_object('query', 'present for ' || who), ts => '2026-01-01 10:02+00');
	SELECT personalize.track(who, 'purchase', bought, '{"value": 12.5, "currency": "EUR", "order_id": 7}', '2026-01-01 10:03+00', session_id => 's1');
	SELECT personalize.track(who, 'add_to_cart', 'red shoes', NULL, '2026-01-01 10:04+00', session_id => 's1', message_id => length(who));
	SELECT personalize.set_preference(who, 'hidden_brand', 'Bcme')
$$;

-- arguments
SELECT personalize.forget(NULL);
SELECT personalize.forget('');
SELECT personalize.forget(repeat('x', 513));
SELECT personalize.forget_many(NULL);
SELECT personalize.forget_many(ARRAY['a', NULL]);
SELECT count(*) FROM personalize.forget_many('{}');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.forget('ada');
ROLLBACK;
BEGIN READ ONLY;
SELECT personalize.forget('ada');
ROLLBACK;
SELECT personalize.grant_consent('writer', ARRAY['analytics']);
BEGIN;
SELECT personalize.track('writer', 'view_item', 17);
SELECT personalize.forget('ada');
ROLLBACK;

-- nobody is known by that id: a receipt all the same, and events to come are refused
SELECT pg_temp.counts(personalize.forget('stranger'));
SELECT personalize.track('stranger', 'view_item', 1, consent => ARRAY['analytics']);

-- somebody else, and what is there with that person alone
SELECT pg_temp.tell('bo', 'hat');
CALL roll();
CREATE TEMP TABLE alone AS SELECT * FROM pg_temp.everything();

-- a person in every table: counted, still waiting, rejected, declared
SELECT pg_temp.tell('ada', 'mirror of ada');
CALL roll();
SELECT personalize.track('ada', 'view_item', 'hat', message_id => 'late');
SELECT * FROM personalize.track_many('[{"user_id": "ada", "event": ""}, {"user_id": {"name": "ada"}, "event": "view_item"}, {"user_id": ["bo"]}]');
SELECT count(*) FROM personalize.rejected_event;
SELECT name, count(*) FROM (SELECT * FROM pg_temp.everything() EXCEPT TABLE alone) d GROUP BY 1 ORDER BY 1;
SELECT pg_temp.counts(personalize.forget('ada'));

-- gone: as if never there, but for what names nobody who is known
DELETE FROM personalize.rejected_event;
SELECT name FROM (SELECT * FROM pg_temp.everything() EXCEPT TABLE alone) d ORDER BY 1;
SELECT personalize.forget('ada') IS NOT NULL AS again;
SELECT name FROM (SELECT * FROM pg_temp.everything() EXCEPT TABLE alone) d ORDER BY 1;
CALL roll();
SELECT name FROM (SELECT * FROM pg_temp.everything() EXCEPT TABLE alone) d ORDER BY 1;
SELECT * FROM personalize.verify_index();
SELECT * FROM personalize.profile('ada');
SELECT * FROM personalize.preferences_of('ada');
SELECT count(*) FROM personalize.recent('ada');
-- the proof is kept and tells nobody's key
SELECT erased, count(*), bool_or(user_key = personalize.user_key('ada')) AS key FROM personalize.consent_ledger GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.verify_ledger();

-- what comes later is refused, whatever it brings
SELECT personalize.track('ada', 'view_item', 'red shoes');
SELECT personalize.track('ada', 'view_item', 'red shoes', consent => ARRAY['analytics'], message_id => 'late');
SELECT personalize.track('ada', 'a new event', 'red shoes', consent => ARRAY['analytics']);
SELECT * FROM personalize.ingest(ARRAY['ada', 'bo'], ARRAY['view_item', 'view_item'], ARRAY['1', '17'], consents => ARRAY['analytics', 'analytics']);
SELECT * FROM personalize.import_events(ARRAY['ada'], ARRAY['view_item'], ARRAY['1'], ARRAY['2025-05-05'::timestamptz]);
SELECT * FROM personalize.track_many('[{"user_id": "ada", "event": ""}]');
SELECT count(*) FROM personalize.rejected_event;
INSERT INTO personalize.inbox (user_id, event, consent) VALUES ('ada', 'view_item', '{analytics}');
SELECT personalize.set_preference('ada', 'hidden_brand', 'Acme');
SELECT personalize.withdraw_consent('ada');
INSERT INTO personalize.purpose_default SELECT name, 'allowed' FROM personalize.purpose;
SELECT personalize.track('ada', 'view_item', 'red shoes');
SELECT * FROM personalize.consent_of('ada') WHERE allowed;
DELETE FROM personalize.purpose_default;
SELECT count(*) FROM personalize.event WHERE user_key = personalize.user_key('ada');
SELECT count(*) FROM personalize.subject WHERE user_id = 'ada';
SELECT count(*) FROM personalize._dictionary_log WHERE id = 'ada';
SELECT purpose, allowed, left(reason, 21) AS reason, fix FROM personalize.why_suppressed('ada');
SELECT reason, messages - :before AS messages FROM personalize.stat_ingest WHERE reason = 'erased' AND messages > 0;
RESET client_min_messages;
\c -
SELECT personalize.track('ada', 'view_item', 'red shoes');
SET client_min_messages = error;
-- news of a grant in the former life
SELECT personalize.grant_consent('ada', ARRAY['analytics'], effective_at => '2026-01-01') AS late_news;
SELECT user_id FROM personalize.subject ORDER BY 1;

-- back by a grant: a new life, in which nothing of the old one comes in
SELECT personalize.grant_consent('ada', ARRAY['analytics', 'personalization', 'recommendations']);
SELECT epoch, returned_at IS NOT NULL AS returned, since IS NOT NULL AS since
	FROM personalize.subject, personalize._tombstone t WHERE user_id = 'ada' AND returned_at IS NOT NULL;
SELECT personalize.track('ada', 'view_item', 'red shoes', ts => now() - interval '1 minute', message_id => 'old');
SELECT personalize.track('ada', 'view_item', 'red shoes', message_id => 'old');
SELECT * FROM personalize.track_many('[{"user_id": "ada", "event": "", "ts": "2026-01-01T00:00:00Z"}]');
SELECT personalize.withdraw_consent('ada', ARRAY['analytics']), personalize.track('ada', 'view_item', 'red shoes');
SELECT personalize.track('ada', 'view_item', 'red shoes', ts => now() - interval '1 minute');
SELECT count(*), bool_and(ts >= since) FROM personalize.event JOIN personalize.subject USING (user_key) WHERE user_id = 'ada';
SELECT user_key = personalize.user_key('ada') AS own, granted, count(*)
	FROM personalize.consent_ledger WHERE NOT erased AND user_key <> personalize.user_key('bo') AND user_key <> personalize.user_key('writer') GROUP BY 1, 2 ORDER BY 1, 2;

-- many, in one pass; those of a failing transaction stay
BEGIN;
SELECT count(*) FROM personalize.forget_many(ARRAY['ada', 'bo']);
SELECT count(*) FROM personalize.event;
ROLLBACK;
SELECT count(*) > 0 AS still_there FROM personalize.event;
CALL roll();
-- nor is anybody forgotten by what a savepoint undoes, and life goes on in the same transaction
CREATE TEMP TABLE before AS SELECT t.name, personalize.state_hash(t.name, '2027-01-01') AS state
	FROM unnest(ARRAY['event', 'item_stat', '_basket', 'message_seen', 'profile', 'session', 'posting', '_session_total', 'subject', 'item', 'feature_value']) AS t (name);
SELECT count(*) AS tombstones FROM personalize._tombstone \gset
BEGIN;
SAVEPOINT forgotten;
SELECT count(*) FROM personalize.forget_many(ARRAY['ada', 'bo']);
SELECT count(*) FROM personalize.subject WHERE user_id IN ('ada', 'bo');
ROLLBACK TO forgotten;
SELECT name FROM before WHERE state IS DISTINCT FROM personalize.state_hash(name, '2027-01-01');
SELECT count(*) - :tombstones AS more FROM personalize._tombstone;
SELECT count(*) FROM personalize.subject WHERE user_id IN ('ada', 'bo');
SELECT personalize.track('bo', 'view_item', 'red shoes');
ROLLBACK;
SELECT user_id, receipt IS NOT NULL AS receipt FROM personalize.forget_many(ARRAY['bo', 'ada', 'bo', 'nobody', '42']) ORDER BY 1;
SELECT count(*) FROM personalize.event;
SELECT count(*) FROM personalize.item_stat;
SELECT count(*) FROM personalize.posting;
SELECT sessions FROM personalize._session_total;
SELECT count(*) FROM personalize._basket;
SELECT count(*) FROM personalize.message_seen;
SELECT count(*) FROM personalize._popular;
SELECT value FROM personalize.feature_value;
SELECT item_id FROM personalize.item;
SELECT user_id FROM personalize.subject;
SELECT count(*) FROM personalize.verify_ledger();
SELECT max(epoch) AS lives, count(*), count(returned_at) AS back FROM personalize._tombstone;

-- events whose raw rows are gone: what cannot be subtracted is counted
SELECT personalize.grant_consent('old', ARRAY['analytics', 'personalization', 'recommendations']);
SELECT * FROM personalize.import_events(ARRAY['old', 'old'], ARRAY['view_item', 'purchase'], ARRAY['1', '2'], ARRAY['2025-05-05 10:00+00', '2025-05-05 10:01+00']::timestamptz[]);
SELECT personalize.track('old', 'view_item', '1');
CALL roll();
SET personalize.allow_drop = on;
DROP TABLE personalize.event_p20250505;
RESET personalize.allow_drop;
DELETE FROM personalize._event_day WHERE day = '2025-05-05';
SELECT personalize.forget('old') AS receipt \gset
SELECT stage, counts -> 'partial' AS partial, counts -> 'item_counts' AS item_counts FROM personalize.erasure_receipt(:'receipt');
SELECT item_key, event, count FROM personalize.item_stat ORDER BY 1, 2;
SELECT count(*) FROM personalize.session;

-- what an event names that was set aside, and so not counted, nobody has
SELECT personalize.create_signal('spent', '{purchase}', 'none', value_path => 'value') > 0 AS created;
SELECT personalize.grant_consent(u, ARRAY['analytics', 'personalization']) FROM unnest('{spender,saver}'::text[]) u;
SELECT personalize.track('spender', 'purchase', 'ring', '{"price": 12.5, "value": 10000000000000}'),
	personalize.track('saver', 'purchase', 'brooch', '{"price": 13, "value": 13}');
CALL roll();
SELECT source, reason FROM personalize.rejected_event WHERE user_key = personalize.user_key('spender') ORDER BY 1;
SELECT value FROM personalize.feature_value;
SELECT personalize.forget('saver') IS NOT NULL AS forgotten;
SELECT value FROM personalize.feature_value;
SELECT personalize.forget('spender') IS NOT NULL AS forgotten;
SELECT personalize.drop_signal('spent');

-- rejected events of nobody that name them, each read once however many are forgotten
SELECT personalize.track_many('[{"user_id": ["1234567890123456789"], "event": "view_item"}, {"user_id": {"id": 1234567890123456789}, "event": "view_item"},
	{"user_id": [-5]}, {"user_id": {"n": 1.50}}, {"user_id": {"a": {"b": "line\nbreak \"quoted\" ü"}}}, {"user_id": [7], "item_id": "one of 17"},
	{"user_id": [true], "value": 17, "properties": {"note": "17", "by": "-5"}}, {"user_id": [null], "to": {"cc": ["ada"]}}]');
-- by the name of a member, in arrays, as a number, in an event that is none
SELECT personalize.track_many('[{"ada": 1}, ["ada"], "ada", {"user": [["x", {"ada": null}]]}, {"17": 1}, [17], 17, {"user": 17}, {"uid": ["17"]},
	{"properties": {"user_id": 17}}, {"who": {"user_id": {"n": 17}, "value": 18}}, {"customer": -5},
	{"user_id": [], "item_id": "17", "items": [{"item_id": 17}], "value": 17}, {"user_id": {"x": 1}, "value": 17, "session_id": 17},
	{"adam": 1, "x": "ada lovelace", "y": 170, "z": "0017"}, {"who": {"user_id": {"n": 18}}, "value": 17}]');
SELECT payload FROM personalize.rejected_event WHERE user_key IS NULL AND payload IS NOT NULL ORDER BY payload::text;
BEGIN;
SELECT count(*) FROM personalize.forget_many(ARRAY['1234567890123456789', '-5', '1.50', E'line\nbreak "quoted" ü', '17', 'ada', '007']);
SELECT payload FROM personalize.rejected_event WHERE user_key IS NULL AND payload IS NOT NULL ORDER BY payload::text;
ROLLBACK;
-- the names of an event's own members name nobody
BEGIN;
SELECT count(personalize.forget(i.id)) FROM unnest(ARRAY['user_id', 'value', 'properties', 'item_id']) AS i (id);
SELECT count(*) FROM personalize.rejected_event WHERE user_key IS NULL AND payload IS NOT NULL;
ROLLBACK;
SELECT count(personalize.forget(i.id)) FROM unnest(ARRAY['1234567890123456789', '-5', '1.50', E'line\nbreak "quoted" ü', '17', 'ada', '007']) AS i (id);
SELECT payload FROM personalize.rejected_event WHERE user_key IS NULL AND payload IS NOT NULL ORDER BY payload::text;
SELECT personalize.track_many(jsonb_agg(jsonb_build_object('user_id', jsonb_build_array('many ' || g)))) FROM generate_series(1, 3000) AS g;
SELECT count(*) FROM personalize.forget_many((SELECT array_agg('many ' || g) FROM generate_series(2, 3000) AS g));
SELECT payload FROM personalize.rejected_event WHERE user_key IS NULL AND payload::text LIKE '%many%';

-- those in which the id stands in a text of another make: JSON in a string, objects of other languages, forms, XML, columns
CREATE TEMP VIEW naming AS SELECT payload FROM personalize.rejected_event WHERE user_key IS NULL AND payload::text ~ 'naomi' ORDER BY payload::text;
SELECT personalize.track_many('["{\"user_id\": \"naomi\", \"event\": \"view_item\"}", {"payload": "[{\"user_id\": \"na\\u006fmi\"}]"},
	{"user_id": [], "properties": "{\"uid\": \"naomi\", cut off"}, {"user_id": {"id": "{\"x\": \"naomi\"}"}}, {"data": "\"\\\"naomi\\\"\""}]');
SELECT personalize.track_many(E'{''user_id'': ''naomi'', ''event'': ''view_item''}\nuser_id=naomi&event=view_item\nuser_id=%6Eaomi&event=view_item\n'
	'<event user_id="naomi"/>\n<user_id>naomi</user_id>\nview_item;naomi;1\nview_item|naomi|1\n{user_id: naomi}\n');
SELECT personalize.track_many('[{"user_id": ["naomi watts"]}, {"note": "ask naomi"}, {"note": "{ask naomi"}, {"user_id": [42.00]}]');
SELECT personalize.track_many(E'{''user_id'': ''naomi watts''}\nuser_id=naomi+watts&x\nview_item;naomi watts;1\n{"user_id": "auth0|naomi", "event\n');
TABLE naming;
SELECT personalize.forget('naomi') IS NOT NULL AS forgotten;
TABLE naming;
SELECT count(personalize.forget(i.id)) FROM unnest(ARRAY['naomi watts', 'auth0|naomi', '42']) AS i (id);
TABLE naming;
SELECT count(*) FROM personalize.rejected_event WHERE payload::text ~ '42.00';
DROP VIEW naming;

-- what is kept of an error that told of them
SELECT accepted FROM personalize.import_events('{4711,4711,471}', '{view_item,view_item,view_item}', '{hat,cap,hat}', array_fill(now() - interval '200 days', ARRAY[3]),
	consents => array_fill('recommendations'::text, ARRAY[3]));
CALL roll();
UPDATE personalize.session SET items = '\x0101' WHERE user_key = 4711;
SET client_min_messages = error;
SELECT result, regexp_replace(detail, 'session_key.*\d', 'session_key X') AS detail FROM personalize.apply_retention() WHERE kind = 'session';
UPDATE personalize._retention_state SET last_error = t, last_detail = t FROM (VALUES ('row of "session" with user_key 4711, given 0, session_key 17 is damaged')) AS v (t) WHERE kind = 'session';
UPDATE personalize.processor SET last_error = 'no room for user_key 4711, "o''k+(1"' WHERE name = 'profile';
SELECT count(personalize.forget(i.id)) FROM unnest(ARRAY['471', 'user', 'k+(']) AS i (id);
CREATE TEMP VIEW kept AS SELECT task, regexp_replace(last_error, 'session_key.*\d', 'session_key X') AS last_error, regexp_replace(last_detail, 'session_key.*\d', 'session_key X') AS last_detail
	FROM personalize.stat_retention WHERE task = 'session' UNION ALL SELECT processor, last_error, NULL FROM personalize.stat_processor WHERE processor = 'profile';
TABLE kept;
SELECT personalize.forget('4711') IS NOT NULL AS forgotten;
TABLE kept;
UPDATE personalize.processor SET last_error = 'no room for "o''k+(1"' WHERE name = 'profile';
SELECT count(*) FROM personalize.forget_many(ARRAY['nobody', 'o''k+(1']);
TABLE kept;
DROP VIEW kept;
UPDATE personalize.processor SET last_error = NULL;
RESET client_min_messages;

-- a forget() that fails leaves no memory behind, however often it is tried
SELECT personalize.grant_consent('zoe', '{analytics}');
SELECT personalize.track('zoe', 'purchase', 'zoe''s', '{"value": 1}', '2026-01-01 10:00+00', message_id => 'zoe 1');
CALL roll();
UPDATE personalize.item_stat SET count = -9223372036854775808 WHERE item_key = personalize.item_key('zoe''s');
CREATE FUNCTION pg_temp.fail() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.forget('zoe');
EXCEPTION WHEN numeric_value_out_of_range THEN
	RETURN SQLERRM;
END $$;
SELECT pg_temp.fail(), count(*) FROM generate_series(1, 20) GROUP BY 1;
SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'personalize messages%' OR ident LIKE 'personalize messages%';
UPDATE personalize.item_stat SET count = 1 WHERE item_key = personalize.item_key('zoe''s');
SELECT personalize.forget('zoe') IS NOT NULL AS forgotten;

-- who may
SET ROLE personalize_app;
SELECT personalize.forget('bo');
RESET ROLE;
SET ROLE personalize_admin;
SELECT personalize.forget('bo') IS NOT NULL AS receipt;
SELECT count(*) > 5 AS receipts FROM personalize.erasure_receipt();
SELECT * FROM personalize.erasure_receipt('00000000-0000-4000-8000-000000000000');
SELECT count(*) FROM personalize._tombstone;
SELECT count(*) FROM personalize.erasure;
RESET ROLE;
-- what somebody who has come back sends wrongly is told like anybody's
SELECT personalize.forget('back again') IS NOT NULL AS forgotten;
SELECT personalize.grant_consent('back again', '{analytics}');
SELECT * FROM personalize.track_many('[{"user_id": "back again", "event": "view_item", "ts": "not a time"}]');
SELECT reason FROM personalize.rejected_event WHERE user_key = personalize.user_key('back again');
SET client_min_messages = warning;
DROP PROCEDURE roll;
DROP EXTENSION personalize CASCADE;

SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
-- the batches of this test are its own: a running worker would take them first
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p \g /dev/null
RESET client_min_messages;
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('neighbour');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('neighbour');
END
$$;
SET timezone = 'UTC';

-- Short ways to say: these clicks happened; process them; what do sessions look like?
CREATE PROCEDURE clicks(who text, clicks text, session_id text DEFAULT NULL, kind text DEFAULT 'view_item',
	consents text DEFAULT 'recommendations') LANGUAGE sql AS $$
	SELECT personalize.import_events(array_agg(who::personalize.entity_id), array_agg(kind),
		array_agg(split_part(c, '@', 2)::personalize.entity_id),
		array_agg(('2026-01-05 ' || split_part(c, '@', 1) || '+00')::timestamptz),
		session_ids => array_agg(session_id::personalize.entity_id),
		consents => array_agg(consents))
	FROM unnest(string_to_array(clicks, ' ')) AS c
$$;
CREATE VIEW sessions AS
	SELECT s.user_key, s.given, i.started::time, coalesce(s.ended, i.started)::time AS ended, coalesce(s.events, 1) AS events, i.items,
		(SELECT count(*) FROM personalize.posting p, personalize_internal._posting_entries(p.data) e
			WHERE e.ts >= i.started AND p.item_key = ANY (i.items)) AS postings
	FROM personalize.session s,
		LATERAL (SELECT min(ts) AS started, array_agg(item_key) AS items
			FROM personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended)) i
	ORDER BY s.user_key, s.given, i.started;

-- A pause of 30 minutes ends a session, one second less does not.
CALL clicks('1', '10:00:00@11 10:30:00@12 11:00:01@13');
CALL roll();
SELECT * FROM sessions;
-- A late event in between joins the two; the same item again changes no place.
CALL clicks('1', '10:45:00@14 10:50:00@11');
CALL roll();
SELECT * FROM sessions;
SELECT item_key, place, items_before, items_after
FROM personalize.posting, personalize_internal._posting_entries(data) ORDER BY place;
-- An earlier one moves its start, and so its number and all its postings.
CALL clicks('1', '09:40:00@15');
CALL roll();
SELECT * FROM sessions;
SELECT count(*), count(DISTINCT session) AS sessions FROM personalize.posting, personalize_internal._posting_entries(data);
-- Four sessions become one in one batch.
CALL clicks('2', '08:00:00@21 08:40:00@22 09:20:00@23 10:00:00@24');
CALL roll();
SELECT * FROM sessions WHERE user_key = 2;
CALL clicks('2', '08:20:00@25 09:00:00@26 09:40:00@27');
CALL roll();
SELECT * FROM sessions WHERE user_key = 2;

-- A session id overrides pauses, and belongs to its user.
CALL clicks('3', '08:00:00@31 12:00:00@32', 'visit');
CALL clicks('4', '08:01:00@31', 'visit');
CALL clicks('3', '08:02:00@33');
CALL roll();
SELECT * FROM sessions WHERE user_key IN (3, 4);

-- Only interest counts, and only with consent for recommendations.
CALL clicks('5', '08:00:00@51 08:01:00@52', kind => 'view_item_list');
CALL clicks('5', '08:00:00@51 08:01:00@52', kind => 'remove_from_cart');
CALL clicks('6', '08:00:00@51 08:01:00@52', consents => 'analytics,personalization');
CALL clicks('7', '08:00:00@51', kind => 'purchase');
CALL clicks('7', '08:01:00@52', kind => 'add_to_cart');
CALL roll();
SELECT * FROM sessions WHERE user_key IN (5, 6, 7);

-- At one time and in one transaction the order of arrival decides.
CALL clicks('8', '08:00:00@83 08:00:00@81 08:00:00@82');
CALL roll();
SELECT * FROM sessions WHERE user_key = 8;

-- A robot: the first 64 items stay, all events are counted.
SELECT personalize.import_events(array_agg('9'::personalize.entity_id), array_agg('view_item'::text),
	array_agg((9000 + i)::text::personalize.entity_id), array_agg('2026-01-05 08:00+00'::timestamptz + make_interval(secs => i)),
	consents => array_agg('recommendations'::text))
FROM generate_series(1, 300) AS i;
CALL roll();
SELECT events, array_length(items, 1), items[64], ended FROM sessions WHERE user_key = 9;
CALL clicks('9', '07:59:00@9999');
CALL roll();
SELECT events, array_length(items, 1), items[1], items[64] FROM sessions WHERE user_key = 9;
SELECT * FROM personalize.verify_index();

-- Withdrawal takes a person's sessions out at once; granting again brings none back.
SELECT personalize.withdraw_consent('2', '{recommendations}', 'test');
SELECT count(*) FROM personalize.session WHERE user_key = 2;
SELECT count(*) FROM personalize.posting WHERE item_key BETWEEN 21 AND 27;
SELECT personalize.grant_consent('2', '{recommendations}', 'test');
CALL roll();
SELECT count(*) FROM personalize.session WHERE user_key = 2;
-- Another purpose does not concern it.
SELECT personalize.withdraw_consent('3', '{analytics}', 'test');
SELECT count(*) FROM personalize.session WHERE user_key = 3;
SELECT * FROM personalize.verify_index();

-- The result does not depend on how events are cut into batches, nor on their order.
CREATE PROCEDURE shuffle(batch integer, seed double precision) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed);
	SET LOCAL client_min_messages = warning;
	CREATE TEMP TABLE IF NOT EXISTS log AS
		SELECT 100 + (random() * 30)::int AS who, 1 + (power(random(), 2) * 40)::int AS item,
			'2026-01-10 00:00+00'::timestamptz + make_interval(secs => n * 97) AS ts,
			CASE WHEN random() < 0.2 THEN 's' || (random() * 2)::int END AS session
		FROM generate_series(1, 2000) AS n;
	EXECUTE format('SET personalize.batch_events = %s', batch);
	FOR part IN 0 .. 4 LOOP
		PERFORM personalize.import_events(array_agg(who::personalize.entity_id), array_agg('view_item'::text),
			array_agg(item::personalize.entity_id), array_agg(ts),
			session_ids => array_agg(session::personalize.entity_id), consents => array_agg('recommendations'::text))
		FROM (SELECT *, ntile(5) OVER (ORDER BY md5(l::text || seed)) - 1 AS p FROM log l) l WHERE p = part;
		COMMIT;
		CALL roll();
		COMMIT;
	END LOOP;
	RESET personalize.batch_events;
END
$$;
CREATE VIEW canonical AS
	SELECT md5(string_agg(concat_ws(' ', p.item_key, e.ts, e.session, e.items_before, e.items_after), ',' ORDER BY p.item_key, e.ts, e.session)) AS digest
	FROM personalize.posting p, personalize_internal._posting_entries(p.data) e WHERE p.item_key <= 41;
CALL shuffle(100000, 0.1);
SELECT * FROM personalize.verify_index();
SELECT digest AS first FROM canonical \gset
SELECT count(personalize.withdraw_consent(u::text, '{recommendations}', 'test')) FROM generate_series(100, 130) u;
SELECT * FROM personalize.verify_index();
SELECT count(*) FROM personalize.session WHERE user_key BETWEEN 100 AND 130;
SELECT personalize.grant_consent(u::text, '{recommendations}', 'test') IS NULL AS denied FROM generate_series(100, 130) u GROUP BY 1;
CALL shuffle(37, 0.2);
SELECT * FROM personalize.verify_index();
SELECT digest = :'first' AS same FROM canonical;

-- What is packed is as it was: before 2000, in one moment, far from each other, clicked again, of hashed and of numbered items.
SELECT personalize.import_events(array_agg('far'::personalize.entity_id), array_agg('view_item'::text), array_agg(item::personalize.entity_id),
	array_agg(ts::timestamptz), session_ids => array_agg('visit'::personalize.entity_id), consents => array_agg('recommendations'::text))
FROM (VALUES ('hashed', '1999-12-31 23:59:59.999999+00'), ('0', '1999-12-31 23:59:59.999999+00'), ('9223372036854775807', '2000-01-01 00:00+00'),
	('hashed', '2000-01-02 00:00+00'), ('7', '2025-06-01 12:00+00'), ('7', '2025-06-01 12:00:00.000001+00')) AS v (item, ts);
CALL roll();
SELECT extract(epoch FROM s.second_at) AS second_at, i.item_key, extract(epoch FROM i.ts) AS ts, i.again
FROM personalize.session s, personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended) WITH ORDINALITY i (item_key, ts, txid, place, again, number)
WHERE s.user_key = personalize.user_key('far') ORDER BY i.number;
SELECT * FROM personalize.verify_index();
SELECT personalize.forget('far') IS NOT NULL AS forgotten;

-- What is told of one moment keeps its order: within a call, whoever else is in it, from call to call of a transaction,
-- and when the rows lie in another order since.
CREATE FUNCTION order_of(who text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(i.item_key || CASE WHEN i.again THEN '*' ELSE '' END, ' ' ORDER BY i.number)
	FROM personalize.session s, personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended) WITH ORDINALITY i (item_key, ts, txid, place, again, number)
	WHERE s.user_key = personalize.user_key(who)
$$;
CREATE PROCEDURE tell(users text[], items text[], at timestamptz[] DEFAULT NULL) LANGUAGE sql AS $$
	SELECT personalize.import_events(users::personalize.entity_id[], array_fill('view_item'::text, ARRAY[cardinality(items)]), items::personalize.entity_id[],
		coalesce(at, array_fill('2026-01-05 12:00+00'::timestamptz, ARRAY[cardinality(items)])),
		consents => array_fill('recommendations'::text, ARRAY[cardinality(items)]))
$$;
BEGIN;
CALL tell('{o1, o2, o1, o2, o1, o1}', '{59, 57, 52, 51, 55, 59}');
CALL tell('{o1, o2, o1}', '{51, 50, 53}');
CALL tell('{o2, o1}', '{56, 50}');
COMMIT;
-- times that go up and down
CALL tell('{o3, o3, o3, o3, o3, o3}', '{59, 58, 57, 56, 55, 54}', ARRAY['2026-01-05 12:00:01+00', '2026-01-05 12:00+00', '2026-01-05 12:00:01+00',
	'2026-01-05 12:00+00', '2026-01-05 12:00:02+00', '2026-01-05 12:00+00']::timestamptz[]);
-- a message of several items, and the next one
BEGIN;
SELECT personalize.track('o4', 'add_to_cart', properties => '{"items": [{"item_id": 9}, {"item_id": 3}]}', ts => '2026-01-05 12:00+00', consent => '{recommendations}');
SELECT personalize.track('o4', 'add_to_cart', properties => '{"items": [{"item_id": 8}, {"item_id": 2}]}', ts => '2026-01-05 12:00+00', consent => '{recommendations}');
COMMIT;
CALL roll();
SELECT u, order_of(u) FROM unnest(ARRAY['o1', 'o2', 'o3', 'o4']) u;
-- only what may be tied takes room
SELECT item_key, ordinal, sequence FROM personalize.event WHERE user_key = personalize.user_key('o3') ORDER BY ts, txid, sequence NULLS FIRST;
SELECT item_key, ordinal, sequence FROM personalize.event WHERE user_key = personalize.user_key('o4') ORDER BY ts, txid, sequence NULLS FIRST, ordinal;
SELECT personalize.state_hash('session') AS before \gset
SET session_replication_role = replica;
SET personalize.allow_drop = on;
CREATE TABLE rows AS SELECT * FROM personalize.event;
DELETE FROM personalize.event;
INSERT INTO personalize.event SELECT * FROM rows ORDER BY item_key;
DROP TABLE rows;
RESET personalize.allow_drop;
RESET session_replication_role;
SELECT * FROM personalize.verify_index();
SELECT personalize.rebuild_processor('neighbour');
CALL roll();
SELECT u, order_of(u) FROM unnest(ARRAY['o1', 'o2', 'o3', 'o4']) u;
SELECT personalize.state_hash('session') = :'before' AS same;
SELECT u, jsonb_path_query_array(personalize.export_user(u), '$.events[*].item_id') AS events FROM unnest(ARRAY['o1', 'o2', 'o4']) u;
SELECT count(personalize.forget(u)) FROM unnest(ARRAY['o1', 'o2', 'o3', 'o4']) u;
DROP FUNCTION order_of;
DROP PROCEDURE tell;

-- Rebuilding gives the same again, and verify_index() finds what is not as it should be.
SELECT personalize.rebuild_processor('neighbour');
SELECT count(*) FROM personalize.session;
CALL roll();
SELECT digest = :'first' AS same FROM canonical;
SELECT * FROM personalize.verify_index();
DELETE FROM personalize.posting WHERE item_key = 11;
UPDATE personalize.session SET events = events + 1 WHERE user_key = 7;
UPDATE personalize._session_total SET sessions = sessions + 1;
INSERT INTO personalize.posting SELECT -1, 0, data FROM personalize.posting WHERE item_key = 12 ORDER BY chunk LIMIT 1;
SELECT * FROM personalize.verify_index();
SELECT personalize.rebuild_processor('neighbour');
CALL roll();
-- each of what is counted over all sessions
CREATE FUNCTION wrong_after(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	parts text;
BEGIN
	BEGIN
		EXECUTE change;
		RAISE EXCEPTION USING ERRCODE = 'ZZ001',
			MESSAGE = (SELECT coalesce(string_agg(format('%s %s', part, wrong), ', '), 'nothing') FROM personalize.verify_index() WHERE wrong <> 0);
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
		parts := SQLERRM;
	END;
	RETURN parts;
END
$$;
SELECT change, wrong_after(change) FROM unnest(ARRAY['SELECT',
	'UPDATE personalize._session_day SET entries = entries + 1 WHERE day = (SELECT min(day) FROM personalize._session_day)',
	'INSERT INTO personalize._session_day VALUES (1, 1)', 'DELETE FROM personalize._session_day',
	'UPDATE personalize._session_total SET newest = newest - interval ''1 day''', 'UPDATE personalize._session_total SET recent = 0',
	'DELETE FROM personalize._session_total', 'UPDATE personalize._session_repeat SET hits = possible, possible = hits WHERE place = 0',
	'DELETE FROM personalize._pair_list WHERE item_key = 12',
	'UPDATE personalize.session SET consent = 0 WHERE user_key = 7',
	'UPDATE personalize._pair_list p SET data = q.data FROM personalize._pair_list q WHERE (p.item_key, q.item_key) = (12, 13)']) AS change;
DROP FUNCTION wrong_after;
DROP TABLE log;

-- A database of many lives: their number does not fit into a byte of a txid.
UPDATE personalize._incarnation SET incarnation = 800, system_identifier = 1;
\c -
SET timezone = 'UTC';
CALL clicks('31', '10:00:00@11 10:05:00@12 10:06:00@11');
CALL clicks('31', '10:07:00@13', 'visit');
CALL roll();
CALL clicks('31', '10:08:00@14', 'visit');
CALL roll();
SELECT s.given, i.item_key, i.ts::time, i.txid >> 48 AS life, i.txid & ((1::bigint << 48) - 1) < pg_current_xact_id()::text::bigint AS whole
FROM personalize.session s, personalize_internal._session_items(s.items, s.user_key, s.given, s.session_key, s.ended) i WHERE s.user_key = 31
ORDER BY s.given, i.ts;
SELECT * FROM personalize.verify_index();

DROP VIEW sessions, canonical;
DROP PROCEDURE clicks, roll, shuffle;
DROP EXTENSION personalize CASCADE;

SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.grant_consent(1, ARRAY['analytics', 'personalization', 'recommendations']);
CREATE VIEW stored AS
	SELECT e.user_key, t.name AS event, e.item_key, e.consent, e.properties, e.message_key IS NOT NULL AS message
	FROM personalize.event e JOIN personalize.event_type t USING (event);

-- one row, several, from a query; the view stays empty
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 10);
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES ('1', 'view', '11'), ('1', 'view', 12), (1, 'search', NULL);
INSERT INTO personalize.inbox (user_id, event, item_id, properties) SELECT 1, 'view', g, jsonb_build_object('g', g) FROM generate_series(13, 14) g;
INSERT INTO personalize.inbox VALUES (1::numeric, 'view', 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11'::uuid, '{"a": 1}', NULL, 2::bigint, 'r', NULL, NULL);
SELECT * FROM personalize.inbox;
SELECT * FROM stored ORDER BY event, item_key;
SET personalize.allow_drop = on;
TRUNCATE personalize.event;

-- defaults and RETURNING of every column
BEGIN;
INSERT INTO personalize.inbox (user_id, event) VALUES (1, 'view')
	RETURNING user_id, event, item_id, properties, ts = now() AS ts, session_id, request_id, length(message_id::text) AS message_id, consent;
INSERT INTO personalize.inbox VALUES (1, 'view', 2, '{"a": 1}', '2026-01-01', 's', 'r', 'm', '{analytics}') RETURNING *;
ROLLBACK;
-- a default message_id counts once as any other
INSERT INTO personalize.inbox (user_id, event) VALUES (1, 'view') RETURNING message_id AS m \gset
INSERT INTO personalize.inbox (user_id, event, message_id) VALUES (1, 'view', :'m');
SELECT count(*) FROM personalize.event;
TRUNCATE personalize.event;

-- COPY
COPY personalize.inbox (user_id, event, item_id, properties, consent) FROM stdin;
1	view	1	\N	\N
1	view	2	{"a": 1}	{analytics}
2	view	3	\N	\N
3	view	4	\N	{personalization}
\.
COPY personalize.inbox (user_id, event, message_id) FROM stdin (FORMAT csv);
1,view,copy-1
1,view,copy-1
\.
SELECT * FROM stored ORDER BY user_key, item_key;
TRUNCATE personalize.event;
-- an error of COPY's own in the middle leaves nothing, neither stored nor gathered
COPY personalize.inbox (user_id, event, properties) FROM stdin;
1	view	{}
1	view
\.
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 1);
SELECT item_key FROM stored;
-- more than are written at once
INSERT INTO personalize.inbox (user_id, event, item_id) SELECT 1, 'view', g FROM generate_series(1, 2500) g;
INSERT INTO personalize.inbox (user_id, event, item_id) SELECT 1, 'view', 1 / (2500 - g) FROM generate_series(1, 2500) g;
SELECT count(*), count(DISTINCT item_key) FROM stored;
TRUNCATE personalize.event;

-- a bad row raises or is kept aside, be it one or several
SET personalize.on_bad_row = error;
\set VERBOSITY terse
INSERT INTO personalize.inbox (user_id, event) VALUES (NULL, 'view');
INSERT INTO personalize.inbox (user_id, event) VALUES (1, repeat('e', 65));
INSERT INTO personalize.inbox (user_id, event, ts) VALUES (1, 'view', '2999-01-01 00:00:00+00');
INSERT INTO personalize.inbox (user_id, event, properties) VALUES (1, 'view', '3');
INSERT INTO personalize.inbox (user_id, event, properties) VALUES (1, 'view', '{"a": "\u0000"}');
INSERT INTO personalize.inbox (user_id, event, ts) VALUES (1, 'view', '31.01.2026');
UPDATE personalize.inbox SET user_id = 1;
DELETE FROM personalize.inbox;
\set VERBOSITY default
INSERT INTO personalize.inbox (user_id, event) VALUES (NULL, 'view'), (1, 'view'), (1, '');
COPY personalize.inbox (user_id, event, ts) FROM stdin;
1	view	\N
1	view	yesterday
\.
SELECT * FROM personalize.track_many('[{"user_id": 1, "event": "view"}, {"user_id": 1, "event": "view", "items": 3}, 4]');
SELECT * FROM personalize.track_many('{"user_id": 1, "event": "view"}' || E'\n' || '{"user_id": 1, "ev');
SELECT * FROM personalize.ingest(ARRAY[1, 1], ARRAY['view', 'view'], properties => ARRAY['{}', '[]']::jsonb[]);
SELECT personalize.track(1, 'view', session_id => repeat('s', 600)), personalize.track(1, 'view');
DO $$
DECLARE
	field text;
BEGIN
	INSERT INTO personalize.inbox (user_id, event, ts) SELECT 1, 'view', CASE g WHEN 1500 THEN 'never' END FROM generate_series(1, 2000) g;
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS field = COLUMN_NAME;
	RAISE NOTICE '%, column %', SQLERRM, field;
END $$;
SELECT count(*) FROM personalize.event;
SET personalize.on_bad_row = set_aside;
BEGIN;
SELECT * FROM personalize.rejections();
INSERT INTO personalize.inbox (user_id, event) VALUES (NULL, 'view');
INSERT INTO personalize.inbox (user_id, event) VALUES (NULL, 'view'), (1, 'view'), (1, '');
SELECT row_number, source, reason, payload - 'ts' - 'message_id' AS payload FROM personalize.rejections();
SAVEPOINT a;
SELECT accepted, rejected FROM personalize.track_many('[{"user_id": 1, "event": "view", "ts": "soon"}]');
SELECT count(*) FROM personalize.rejections();
ROLLBACK TO a;
SELECT count(*) FROM personalize.rejections();
COMMIT;
SELECT * FROM personalize.rejections();
SELECT source, row_number, reason, user_key FROM personalize.rejected_event ORDER BY rejected_at, row_number;
RESET personalize.on_bad_row;
SELECT count(*) FROM personalize.event;
TRUNCATE personalize.event, personalize.rejected_event;

-- statements inside statements, and failing ones
CREATE FUNCTION pg_temp.nested(item integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', item + 100);
	IF item = 2 THEN
		BEGIN
			INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 200);
			INSERT INTO personalize.inbox (user_id, event, item_id) SELECT 1, 'view', 1 / (3 - g) FROM generate_series(1, 3) g;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END IF;
	RETURN item;
END $$;
INSERT INTO personalize.inbox (user_id, event, item_id) SELECT 1, 'view', pg_temp.nested(g) FROM generate_series(1, 3) g;
WITH a AS (INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 301) RETURNING item_id),
	b AS (INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 302), (1, 'view', 303) RETURNING item_id)
SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b);
SELECT array_agg(item_key ORDER BY item_key) FROM stored;
TRUNCATE personalize.event;
BEGIN;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 1);
SAVEPOINT a;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 2);
SAVEPOINT b;
INSERT INTO personalize.inbox (user_id, event, item_id) SELECT 1, 'view', 1 / (3 - g) FROM generate_series(1, 3) g;
ROLLBACK TO b;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 3);
ROLLBACK TO a;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 4);
COMMIT;
SELECT array_agg(item_key ORDER BY item_key) FROM stored;
TRUNCATE personalize.event;

-- history
SET personalize.history = on;
INSERT INTO personalize.inbox (user_id, event, item_id, ts) SELECT 1, 'view', g, '2024-01-01 00:00:00+00'::timestamptz + g * interval '12 hours' FROM generate_series(0, 4) g;
RESET personalize.history;
SELECT tableoid::regclass AS day, count(*) FROM personalize.event GROUP BY 1 ORDER BY 1;
TRUNCATE personalize.event;

-- what ORMs send: SQLAlchemy's insertmanyvalues, Django's bulk_create, ActiveRecord's insert_all
INSERT INTO personalize.inbox (user_id, event, item_id, properties, ts, session_id, request_id, consent)
	SELECT p0::VARCHAR, p1::VARCHAR, p2::VARCHAR, p3::JSONB, p4::TIMESTAMP WITH TIME ZONE, p5::VARCHAR, p6::VARCHAR, p7::TEXT[]
	FROM (VALUES ('1', 'view', '1', '{"a": 1}', '2026-01-01T00:00:00+00:00', NULL, NULL, NULL, 0),
		('1', 'view', '2', NULL, '2026-01-01T00:00:00+00:00', 's', 'r', NULL, 1)) AS imp_sen(p0, p1, p2, p3, p4, p5, p6, p7, sen_counter)
	ORDER BY sen_counter RETURNING length(personalize.inbox.message_id::text), length(personalize.inbox.message_id::text) AS message_id__1;
INSERT INTO personalize.inbox (user_id, event, item_id, properties, session_id, request_id, consent)
	VALUES ('1', 'view', '6', '{"a": 1}', NULL, NULL, ARRAY['analytics']::VARCHAR[]) RETURNING length(personalize.inbox.message_id::text);
INSERT INTO "personalize"."inbox" ("user_id", "event", "item_id", "properties", "message_id")
	VALUES (1, 'view', 3, '{"a": 1}', 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a12'::uuid), (1, 'view', 4, NULL, 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a13'::uuid)
	RETURNING "personalize"."inbox"."message_id";
PREPARE active_record AS INSERT INTO "personalize"."inbox" ("user_id", "event", "item_id", "properties") VALUES ($1, $2, $3, $4) RETURNING length("message_id"::text);
EXECUTE active_record('1', 'view', '5', '{"a": 1}');
SELECT * FROM stored ORDER BY item_key;

-- save(), upsert and reload: no row is found, and a message_id counts once
INSERT INTO personalize.inbox (user_id, event, item_id, message_id) VALUES (1, 'view', 20, 'once') ON CONFLICT (message_id) DO NOTHING RETURNING message_id;
INSERT INTO personalize.inbox (user_id, event, item_id, message_id) VALUES (1, 'view', 21, 'once') ON CONFLICT (message_id) DO UPDATE SET item_id = excluded.item_id RETURNING message_id;
INSERT INTO personalize.inbox (user_id, event, item_id, message_id) VALUES (1, 'view', 22, 'once') ON CONFLICT DO NOTHING RETURNING message_id;
WITH saved AS (INSERT INTO personalize.inbox AS i (user_id, event, item_id, message_id)
	SELECT 1, 'view', g, 'twice ' || g / 2 FROM generate_series(24, 27) g ON CONFLICT (message_id) DO NOTHING RETURNING i.message_id)
SELECT count(*) FROM saved;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 23) ON CONFLICT (user_id) DO NOTHING;
UPDATE personalize.inbox SET item_id = 30 WHERE message_id = 'once' RETURNING *;
SELECT message_id FROM personalize.inbox WHERE message_id = 'once' AND user_id = '1' ORDER BY message_id LIMIT 1;
SELECT item_key FROM stored WHERE item_key >= 20 ORDER BY item_key;
-- what a driver sends in binary: text, a timestamp or unix time, JSON or jsonb; never a number as an id
CREATE TEMP TABLE sent AS SELECT '1'::text AS user_id, 'view'::text AS event, g::text AS item_id, now() AS ts, 1767225600 + g::bigint AS unix, '{"a": 1}'::jsonb AS json, 825373492 AS number FROM generate_series(40, 41) g;
\copy (SELECT user_id, event, item_id, ts, json FROM sent) TO PROGRAM 'cat >"${TMPDIR:-/tmp}/inbox.binary"' (FORMAT binary)
\copy personalize.inbox (user_id, event, item_id, ts, properties) FROM PROGRAM 'cat "${TMPDIR:-/tmp}/inbox.binary"' (FORMAT binary)
\copy (SELECT user_id, event, item_id, unix, json::text FROM sent) TO PROGRAM 'cat >"${TMPDIR:-/tmp}/inbox.binary"' (FORMAT binary)
\copy personalize.inbox (user_id, event, item_id, ts, properties) FROM PROGRAM 'cat "${TMPDIR:-/tmp}/inbox.binary"; rm "${TMPDIR:-/tmp}/inbox.binary"' (FORMAT binary)
SELECT item_key, properties, count(*), count(*) FILTER (WHERE ts = now_.at) AS now, count(*) FILTER (WHERE ts = to_timestamp(1767225600 + item_key)) AS unix
FROM personalize.event, (SELECT min(ts) AS at FROM sent) now_ WHERE item_key >= 40 GROUP BY 1, 2 ORDER BY 1;
SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = 'personalize.inbox'::regclass AND attnum > 0 ORDER BY attnum;
CREATE TEMP TABLE binary_id (id personalize.entity_id);
\copy (SELECT number FROM sent) TO PROGRAM 'cat >"${TMPDIR:-/tmp}/inbox.binary"' (FORMAT binary)
\copy binary_id FROM PROGRAM 'cat "${TMPDIR:-/tmp}/inbox.binary"; rm "${TMPDIR:-/tmp}/inbox.binary"' (FORMAT binary)

-- the rows of a statement are not kept to its end
WITH added AS MATERIALIZED (
	INSERT INTO personalize.inbox (user_id, event, item_id, session_id, message_id)
	SELECT 1, 'view', g, repeat('s', 200), 'many ' || g FROM generate_series(1, 20000) g RETURNING item_id)
SELECT count(*), (SELECT sum(used_bytes) < 4000000 FROM pg_backend_memory_contexts WHERE name = 'ExecutorState') AS bounded FROM added;

-- COPY is given no row back, but who else looks at one is: a statement inside of it, and a trigger after ours
CREATE FUNCTION inner_row(item text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	found text;
	count bigint;
BEGIN
	INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', item || '00') RETURNING item_id INTO found;
	GET DIAGNOSTICS count = ROW_COUNT;
	RAISE NOTICE 'inside: %, % row', found, count;
	RETURN true;
END $$;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%: % and %', TG_NAME, NEW.item_id, NEW.session_id; RETURN NEW; END $$;
\unset QUIET
COPY personalize.inbox (user_id, event, item_id) FROM stdin WHERE inner_row(item_id);
1	view	30051
1	view	30052
\.
CREATE TRIGGER later INSTEAD OF INSERT ON personalize.inbox FOR EACH ROW EXECUTE FUNCTION tell();
COPY personalize.inbox (user_id, event, item_id, session_id) FROM stdin;
1	view	30053	s
1	view	30054	\N
\.
DROP TRIGGER later ON personalize.inbox;
COPY personalize.inbox (user_id, event, item_id, session_id) FROM stdin;
1	view	30055	s
\.
\set QUIET on
SELECT array_agg(item_key ORDER BY item_key) FROM stored WHERE item_key > 30000;
DROP FUNCTION inner_row, tell;

-- ids that COPY gives its rows are made where somebody may see them
COPY personalize.inbox (user_id, event, item_id, properties) FROM stdin WHERE message_id IS NOT NULL;
1	purchase	\N	{"items": [{"item_id": "31001"}, {"item_id": "31002"}]}
1	purchase	\N	{"items": [{"item_id": "31003"}, {"item_id": "31004"}]}
1	view	31005	\N
1	view	31006	{"price": "no number"}
\.
SELECT count(message_key) AS of_messages, count(DISTINCT message_key) AS messages FROM personalize.event WHERE item_key BETWEEN 31001 AND 31004;
SELECT count(*) AS others, count(message_key) AS of_messages FROM personalize.event WHERE item_key = 31005;
SELECT payload ->> 'message_id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$' AS has_id
FROM personalize.rejected_event WHERE payload ->> 'item_id' = '31006';
ALTER TABLE personalize.event ADD made text DEFAULT personalize_internal._new_message_id();
COPY personalize.inbox (user_id, event, item_id) FROM stdin;
1	view	31007
1	view	31008
\.
SELECT count(DISTINCT made) AS made, min(length(made)) AS length FROM personalize.event WHERE item_key IN (31007, 31008);
ALTER TABLE personalize.event DROP made;
ALTER VIEW personalize.inbox ALTER COLUMN session_id SET DEFAULT personalize_internal._new_message_id(), ALTER COLUMN message_id DROP DEFAULT;
COPY personalize.inbox (user_id, event, item_id) FROM stdin;
1	view	31009
1	view	31010
\.
ALTER VIEW personalize.inbox ALTER COLUMN session_id DROP DEFAULT, ALTER COLUMN message_id SET DEFAULT personalize_internal._new_message_id();
SELECT count(DISTINCT session_key) AS sessions FROM personalize.event WHERE item_key IN (31009, 31010);
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 31011) RETURNING length(message_id);

-- where its triggers would not fire it says so, but reads
BEGIN;
SET LOCAL session_replication_role = replica;
SELECT count(*) FROM personalize.inbox;
UPDATE personalize.inbox SET event = 'view';
SAVEPOINT s;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 31012);
ROLLBACK TO s;
COPY personalize.inbox (user_id, event, item_id) FROM stdin;
1	view	31012
\.
ROLLBACK TO s;
DELETE FROM personalize.inbox;
ROLLBACK TO s;
SELECT personalize.track(1, 'view', 31012);
SET LOCAL session_replication_role = local;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 31012);
SELECT count(*) FROM personalize.event WHERE item_key = 31012;
ROLLBACK;

-- privileges
CREATE ROLE regress_personalize_app;
GRANT personalize_app TO regress_personalize_app;
SET ROLE regress_personalize_app;
BEGIN;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', repeat('i', 600));
SELECT row_number, source, reason, payload ->> 'user_id' AS user_id FROM personalize.rejections();
ROLLBACK;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 1) RETURNING item_id;
SET personalize.history = on;
INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (1, 'view', 1);
RESET personalize.history;
RESET ROLE;
DROP ROLE regress_personalize_app;
DROP VIEW stored;

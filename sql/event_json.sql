-- one bad message never loses a batch: texts that jsonb or timestamptz cannot hold are rejected one by one
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT count(personalize.grant_consent(u, '{analytics}')) FROM unnest('{a,b,c,d,1}'::text[]) AS u;
CREATE VIEW stored AS
	SELECT coalesce(s.user_id, e.user_key::text) AS user_id, e.properties FROM personalize.event e LEFT JOIN personalize.subject s USING (user_key);
CREATE FUNCTION taken() RETURNS TABLE (list text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT format('stored %s %s', user_id, properties) FROM stored ORDER BY 1;
	RETURN QUERY SELECT format('rejected %s %s: %s %s', row_number, r.user_key = ANY (ARRAY(SELECT user_key FROM personalize.subject)), reason,
			CASE jsonb_typeof(payload) WHEN 'object' THEN payload - CASE WHEN reason LIKE 'ts%' THEN '{message_id}' ELSE '{message_id,ts}'::text[] END ELSE payload END)
		FROM personalize.rejected_event r ORDER BY row_number;
	DELETE FROM personalize.event;
	DELETE FROM personalize.rejected_event;
END
$$;

-- JSON text: what jsonb cannot hold
SELECT * FROM personalize.track_many('[{"user_id": "a", "event": "view", "properties": {"n": 1}},
	{"user_id": "b", "event": "view", "properties": {"query": "x\u0000y", "list": [{"k": 1}, {"k": 2}]}},
	{"user_id": "c", "event": "view", "properties": {"query": "\ud83d"}},
	{"user_id": "c", "event": "view", "properties": {"query": "\ude00\ud83d"}},
	{"user_id": "c", "event": "view", "value": 1e400000},
	{"user_id": "d\u0000", "event": "view"},
	{"user_id": "d", "event": "view", "properties": {"n": "\ud83d\ude00"}}]');
SELECT * FROM taken();
-- what is no JSON
SELECT * FROM personalize.track_many('[{"user_id": "a", "event": "view"}, {"user_id": "b", "event": "view",}, {''user_id'': "b"},
	{"user_id": "b", "event": "view", "value": NaN}, undefined, {"user_id": "b" "event": "view"}, {"user_id": "c", "event": "view", "properties": {"n": [1, 2}},
	{"user_id": "d", "event": "view"}]');
SELECT * FROM taken();
-- a body that was cut, and things that should not be there
SELECT * FROM personalize.track_many('[{"user_id": "a", "event": "view"}, {"user_id": "b", "ev');
SELECT * FROM taken();
SELECT * FROM personalize.track_many('[{"user_id": "a", "event": "view"}, {"user_id": "b", "event": "view"}');
SELECT * FROM taken();
SELECT * FROM personalize.track_many('[{"user_id": "a", "event": "view"},, {"user_id": "b", "event": "view"},] and more');
SELECT * FROM taken();
SELECT * FROM personalize.track_many('[{"user_id": "a", "event": "view"}}, {"user_id": "b", "event": "view"}]');
SELECT * FROM taken();
-- one object a line; a single one
SELECT * FROM personalize.track_many(E'{"user_id": "a", "event": "view"}\n{"user_id": "b", "ev\n\n{"user_id": 1, "event": "view"}\r\n7\n{"user_id": "c", "event": "view"}');
SELECT * FROM taken();
SELECT * FROM personalize.track_many('{"user_id": "a", "event": "view"}');
SELECT * FROM personalize.track_many(E' {\n"user_id": "a", "event": "view"}\n ');
SELECT * FROM taken();
-- nothing, nonsense, depth
SELECT * FROM personalize.track_many('');
SELECT * FROM personalize.track_many('[');
SELECT rejected FROM personalize.track_many('nonsense');
SELECT rejected FROM personalize.track_many('3');
SELECT accepted, rejected FROM personalize.track_many('[{"user_id": "a", "event": "view"}, ' || repeat('[', 100000) || ', {"user_id": "b", "event": "view"}]');
SELECT accepted, rejected FROM personalize.track_many('[' || repeat('{"user_id": "a", "event": "view", "properties": ' || repeat('[', 900) || '}, ', 3) || '{"user_id": "a", "event": "view"}]');
SELECT count(*) FROM personalize.rejected_event WHERE payload IS NOT NULL;
DELETE FROM personalize.event; DELETE FROM personalize.rejected_event;
SELECT * FROM personalize.track_many(NULL::text);
-- a jsonb is taken as ever
SELECT accepted, rejected FROM personalize.track_many('[{"user_id": "a", "event": "view"}, 3]'::jsonb);
SELECT personalize.track_many('{}'::jsonb);
DELETE FROM personalize.event; DELETE FROM personalize.rejected_event;

-- arrays and inbox: properties and times of one row
SELECT accepted, rejected FROM personalize.ingest('{a,b,c,d}', '{view,view,view,view}', ts => '{NULL,"31.01.2026",NULL,NULL}',
	properties => ARRAY['{"n": 1}', '{}', '{"n": "\u0000"}', '{"n":']);
SELECT * FROM taken();
COPY personalize.inbox (user_id, event, ts, properties, consent) FROM stdin;
a	view	2026-01-31T18:20:11Z	{"n": 1}	\N
b	view	yesterday	{}	\N
c	view	\N	{"n": "\\u0000"}	\N
d	view	\N	{"n": "\\ud83d"}	\N
a	view	\N	{"n": 2	\N
b	view	\N	\N	{analytics
c	view	\N	null	analytics
d	view	1769883611	{"n": 3}	{analytics}
\.
SELECT * FROM taken();
INSERT INTO personalize.inbox (user_id, event, properties) VALUES ('a', 'view', '{"n": 1}'::json), ('b', 'view', '{"n": 2}'::text), ('c', 'view', '{"n": '),
	('d', 'view', jsonb_build_object('n', 3))
	RETURNING user_id, properties;
SELECT * FROM taken();
-- a person who is forgotten is found in what could not be read, too
SELECT rejected FROM personalize.track_many('[{"user_id": "a", "event": "view", "properties": "\u0000"}, {"USER": "d\u0061ve", "event": "\u0000"}, {"user": 471100, "x": }, {"user": "other", "x": }]');
SELECT payload FROM personalize.rejected_event ORDER BY row_number;
SELECT count(*) FROM personalize.forget_many('{a,471100}');
SELECT personalize.forget('dave') IS NOT NULL AS receipt;
SELECT payload FROM personalize.rejected_event WHERE payload IS NOT NULL ORDER BY row_number;
RESET client_min_messages;
DROP VIEW stored; DROP FUNCTION taken;

-- every batch path says what was not stored, and why; try_track keeps what it rejects
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT count(personalize.grant_consent(u, '{analytics}')) FROM unnest('{yes,no,gone}'::text[]) AS u;
SELECT personalize.withdraw_consent('no');
SELECT personalize.forget('gone') IS NOT NULL AS forgotten;
CREATE TABLE given (n serial, user_id text, event text, ts text, message_id text);
INSERT INTO given (user_id, event, ts, message_id) VALUES ('yes', 'view', NULL, 'm1'), ('yes', 'view', NULL, 'm1'), ('no', 'view', NULL, NULL),
	('silent', 'view', NULL, NULL), ('silent', 'view', NULL, NULL), ('gone', 'view', NULL, NULL), (NULL, 'view', NULL, NULL),
	('yes', NULL, NULL, NULL), ('yes', 'view', '1.2.2026', NULL), ('yes', 'view', '2.2.2026', NULL);
-- the once-a-session warning comes first
SELECT personalize.track('silent', 'view');
SELECT * FROM personalize.track_many((SELECT jsonb_agg(to_jsonb(g) ORDER BY n) FROM given g));
DELETE FROM personalize.message_seen;
SELECT * FROM personalize.track_many((SELECT jsonb_agg(to_jsonb(g) ORDER BY n)::text FROM given g));
DELETE FROM personalize.message_seen;
SELECT i.* FROM (SELECT array_agg(user_id ORDER BY n) AS u, array_agg(event ORDER BY n) AS e, array_agg(ts ORDER BY n) AS t, array_agg(message_id ORDER BY n) AS m FROM given) AS a,
	LATERAL personalize.ingest(u, e, ts => t, message_ids => m) AS i;
DELETE FROM personalize.message_seen;
SELECT i.* FROM (SELECT array_agg(user_id ORDER BY n) AS u, array_agg(event ORDER BY n) AS e, array_agg(coalesce(ts, '2026-01-02') ORDER BY n) AS t, array_agg(message_id ORDER BY n) AS m FROM given) AS a,
	LATERAL personalize.import_events(u, e, NULL, t, message_ids => m) AS i;
DELETE FROM personalize.message_seen;
INSERT INTO personalize.inbox (user_id, event, ts, message_id) SELECT user_id, event, ts, message_id FROM given ORDER BY n;
COPY personalize.inbox (user_id, event) FROM stdin;
yes	view
silent	view
no	view
no	view
\.
-- what nobody has allowed is a notice, of history a warning; so are duplicates
SELECT * FROM personalize.import_events('{yes,silent,silent}', '{view,view,view}', NULL, '{2026-01-02,2026-01-02,2026-01-02}');
BEGIN;
SET LOCAL personalize.history = on;
COPY personalize.inbox (user_id, event, ts) FROM stdin;
silent	view	2026-01-02
silent	view	2026-01-02
yes	view	2026-01-02
\.
COMMIT;
INSERT INTO personalize.inbox (user_id, event, message_id) VALUES ('yes', 'view', 'm2'), ('yes', 'view', 'm2');
-- nothing to say: all was stored, or one message whose answer is known
SELECT * FROM personalize.track_many('[{"user_id": "yes", "event": "view"}, {"user_id": "yes", "event": "view"}]');
SELECT * FROM personalize.track_many('[{"user_id": "silent", "event": "view"}]');
INSERT INTO personalize.inbox (user_id, event) VALUES ('silent', 'view');
SELECT * FROM personalize.track_many('[]');
-- more than are written at once are told of once
SELECT * FROM personalize.ingest(array_fill('silent'::text, '{25001}'), array_fill('view'::text, '{25001}'));
INSERT INTO personalize.inbox (user_id, event) SELECT CASE WHEN g % 3 = 0 THEN 'silent' ELSE 'yes' END, 'view' FROM generate_series(1, 2500) AS g;

-- try_track: an order's transaction goes on, whatever the client sent
DELETE FROM personalize.event; DELETE FROM personalize.rejected_event;
CREATE TABLE shop_order (id integer);
BEGIN;
INSERT INTO shop_order VALUES (1);
SET LOCAL client_min_messages = error;
SELECT personalize.try_track('yes', 'purchase', 'i', '{"price": 3}', message_id => 'try 1');
SELECT personalize.try_track('yes', 'purchase', 'i', '{"price": 3}', message_id => 'try 1');
SELECT personalize.try_track('silent', 'purchase', 'i');
SELECT personalize.try_track('yes', 'purchase', 'i', ts => now() + interval '6 minutes');
SELECT personalize.try_track('yes', 'purchase', 'i', ts => 'yesterday');
SELECT personalize.try_track('yes', 'purchase', 'i', '{"query": "\u0000"}');
SELECT personalize.try_track('yes', 'purchase', 'i', '{"query":');
SELECT personalize.try_track('yes', 'purchase', 'i', jsonb_build_object('note', repeat('x', 70000)));
SELECT personalize.try_track(NULL, 'purchase');
SELECT personalize.try_track('', 'purchase');
SELECT personalize.try_track(repeat('u', 600), 'purchase');
SELECT personalize.try_track('yes', NULL);
SELECT personalize.try_track('yes', repeat('e', 65));
SET LOCAL personalize.max_event_types = 0;
SELECT personalize.try_track('yes', 'unheard of');
SELECT personalize.try_track('yes', 'purchase', 'i', '{"items": [{"name": "no id"}]}');
SELECT personalize.try_track('yes', 'purchase', 1, consent => '{analytics}');
COMMIT;
SELECT count(*) FROM shop_order;
SELECT count(*) FROM personalize.event;
SELECT source, regexp_replace(reason, '"20.*"', '"later"') AS reason, left((payload - 'ts')::text, 60) AS payload FROM personalize.rejected_event ORDER BY ctid;
-- one word about it
SELECT personalize.try_track('yes', 'purchase', 'i', ts => 'yesterday');
DROP TABLE given, shop_order;

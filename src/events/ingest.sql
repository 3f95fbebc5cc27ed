-- ingest: how events come in.
CREATE TYPE personalize.ingest_status AS ENUM ('accepted', 'duplicate', 'suppressed', 'rejected');
COMMENT ON TYPE personalize.ingest_status IS
	'accepted: stored; duplicate: its message_id was stored before; suppressed: the person allows no purpose; rejected: see rejected_event';

CREATE TABLE personalize.message_seen (
	message uuid PRIMARY KEY,
	received_at timestamptz NOT NULL
);
COMMENT ON TABLE personalize.message_seen IS
	'messages received within personalize.dedup_window: a message_id that is a random uuid as it is, any other as 128 bits made of it, which begin like event.message_key';
SELECT pg_catalog.pg_extension_config_dump('personalize.message_seen', '');

CREATE FUNCTION personalize.track(
	user_id personalize.entity_id,
	event text,
	item_id personalize.entity_id DEFAULT NULL,
	properties personalize.event_json DEFAULT NULL,
	ts personalize.event_time DEFAULT NULL,
	session_id personalize.entity_id DEFAULT NULL,
	request_id personalize.entity_id DEFAULT NULL,
	message_id personalize.entity_id DEFAULT NULL,
	consent text[] DEFAULT NULL) RETURNS personalize.ingest_status
	AS 'MODULE_PATHNAME', 'personalize_track' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.track(personalize.entity_id, text, personalize.entity_id, personalize.event_json, personalize.event_time, personalize.entity_id, personalize.entity_id, personalize.entity_id, text[]) IS
	'stores one event; ts defaults to now; message_id makes it count once; consent lists the purposes this event may be used for, all others are denied to it. Returns accepted, duplicate (this message_id came before) or suppressed (no purpose is allowed). Errors: 22004 user_id or event is null; 22023 empty or too long id or event, ts too far ahead, properties no object or over 64 kB; 53400 too many event names';

-- for ids that are text, with the jsonb that every driver knows
CREATE FUNCTION personalize.track(
	user_id text,
	event text,
	item_id text DEFAULT NULL,
	properties jsonb DEFAULT NULL,
	ts personalize.event_time DEFAULT NULL,
	session_id text DEFAULT NULL,
	request_id text DEFAULT NULL,
	message_id text DEFAULT NULL,
	consent text[] DEFAULT NULL) RETURNS personalize.ingest_status
	AS 'MODULE_PATHNAME', 'personalize_track_jsonb' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.track(text, text, text, jsonb, personalize.event_time, text, text, text, text[]) IS
	'track() for ids that are text';

CREATE FUNCTION personalize.try_track(
	user_id personalize.entity_id,
	event text,
	item_id personalize.entity_id DEFAULT NULL,
	properties personalize.event_json DEFAULT NULL,
	ts personalize.event_time DEFAULT NULL,
	session_id personalize.entity_id DEFAULT NULL,
	request_id personalize.entity_id DEFAULT NULL,
	message_id personalize.entity_id DEFAULT NULL,
	consent text[] DEFAULT NULL) RETURNS personalize.ingest_status
	AS 'MODULE_PATHNAME', 'personalize_try_track' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.try_track(personalize.entity_id, text, personalize.entity_id, personalize.event_json, personalize.event_time, personalize.entity_id, personalize.entity_id, personalize.entity_id, text[]) IS
	'track() for a transaction that must not fail for what a client sent, such as an order''s: what is not acceptable goes to rejected_event and gives rejected';

CREATE FUNCTION personalize.track_many(
	events jsonb,
	OUT accepted bigint,
	OUT duplicate bigint,
	OUT suppressed bigint,
	OUT rejected bigint,
	OUT reasons jsonb) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_track_many' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.track_many(jsonb) IS
	'stores an array of objects with the fields of track(), and items for several items under one message; other members are kept in properties; bad ones go to rejected_event, or are an error with personalize.on_bad_row = error. Counts messages; reasons: of what was suppressed and rejected, as in stat_ingest, for example {"suppressed": {"undecided": 3}}; NULL if nothing was. Errors: 22023 a jsonb that is no array';

CREATE FUNCTION personalize.track_many(
	events text,
	OUT accepted bigint,
	OUT duplicate bigint,
	OUT suppressed bigint,
	OUT rejected bigint,
	OUT reasons jsonb) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_track_many_text' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.track_many(text) IS
	E'track_many() of a text: a JSON array, or one object a line. A message that is no JSON, or holds what jsonb cannot, such as \\u0000, is a bad one like others: it goes to rejected_event, the others are stored';

CREATE FUNCTION personalize.ingest(
	user_ids personalize.entity_id[],
	events text[],
	item_ids personalize.entity_id[] DEFAULT NULL,
	ts personalize.event_time[] DEFAULT NULL,
	properties personalize.event_json[] DEFAULT NULL,
	session_ids personalize.entity_id[] DEFAULT NULL,
	request_ids personalize.entity_id[] DEFAULT NULL,
	message_ids personalize.entity_id[] DEFAULT NULL,
	consents text[] DEFAULT NULL,
	OUT accepted bigint,
	OUT duplicate bigint,
	OUT suppressed bigint,
	OUT rejected bigint,
	OUT reasons jsonb) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_ingest' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.ingest(personalize.entity_id[], text[], personalize.entity_id[], personalize.event_time[], personalize.event_json[], personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], text[]) IS
	'stores events given as columns: arrays of one length, or NULL; consents holds comma-separated purposes, with or without braces, NULL where the event does not speak of consent. Errors: 2202E arrays of different length';

CREATE FUNCTION personalize.import_events(
	user_ids personalize.entity_id[],
	events text[],
	item_ids personalize.entity_id[],
	ts personalize.event_time[],
	properties personalize.event_json[] DEFAULT NULL,
	session_ids personalize.entity_id[] DEFAULT NULL,
	request_ids personalize.entity_id[] DEFAULT NULL,
	message_ids personalize.entity_id[] DEFAULT NULL,
	consents text[] DEFAULT NULL,
	OUT accepted bigint,
	OUT duplicate bigint,
	OUT suppressed bigint,
	OUT rejected bigint,
	OUT reasons jsonb) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_import_events' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.import_events(personalize.entity_id[], text[], personalize.entity_id[], personalize.event_time[], personalize.event_json[], personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], text[]) IS
	'ingest() for history: an event counts as received at its own time, and its day gets a partition. Errors: 53400 more new days than one statement may add';

CREATE FUNCTION personalize.rejections(
	OUT row_number bigint, OUT source text, OUT reason text, OUT payload jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_rejections' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION personalize.rejections() IS
	'events that this transaction handed in and that were rejected: their place in the call, from 1, the function or view that took them, the reason, and the event as it was given. Those of all transactions are in rejected_event, for personalize_admin';

CREATE FUNCTION personalize_internal._purge_message_seen() RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_purge_message_seen' LANGUAGE C VOLATILE PARALLEL UNSAFE;
GRANT EXECUTE ON FUNCTION personalize_internal._purge_message_seen() TO personalize_owner;
COMMENT ON FUNCTION personalize_internal._purge_message_seen() IS
	'removes messages older than personalize.dedup_window from message_seen; returns how many';

CREATE VIEW personalize.stat_ingest AS
	SELECT pg_catalog.split_part(c.name, '.', 2)::personalize.ingest_status AS status, pg_catalog.split_part(c.name, '.', 3) AS reason,
		c.value AS messages, c.since, c.scope
	FROM personalize_internal._counters() c
	WHERE pg_catalog.split_part(c.name, '.', 1) OPERATOR(pg_catalog.=) 'ingest';
COMMENT ON VIEW personalize.stat_ingest IS
	'messages handed in, by what became of them and why; what a transaction counts stays counted if it is rolled back';
COMMENT ON COLUMN personalize.stat_ingest.status IS 'what track() returned, or would have';
COMMENT ON COLUMN personalize.stat_ingest.reason IS
	'stored; message_id: seen before; undecided: nobody has spoken and the default is denied; withdrawn: the ledger denies; erased: the person was forgotten, or the event is older than the return; event denies: the event allows nothing that the ledger allows; ledger required: personalize.event_consent; else the field that was not acceptable';
COMMENT ON COLUMN personalize.stat_ingest.messages IS 'how many; a message about several items is one';
COMMENT ON COLUMN personalize.stat_ingest.since IS 'when counting began: the first use after the server started';
COMMENT ON COLUMN personalize.stat_ingest.scope IS
	'database: of all sessions; session: of this one, because the library is not in shared_preload_libraries';

REVOKE ALL ON FUNCTION
	personalize_internal._purge_message_seen(),
	personalize.track(personalize.entity_id, text, personalize.entity_id, personalize.event_json, personalize.event_time, personalize.entity_id, personalize.entity_id, personalize.entity_id, text[]),
	personalize.track(text, text, text, jsonb, personalize.event_time, text, text, text, text[]),
	personalize.try_track(personalize.entity_id, text, personalize.entity_id, personalize.event_json, personalize.event_time, personalize.entity_id, personalize.entity_id, personalize.entity_id, text[]),
	personalize.track_many(jsonb), personalize.track_many(text), personalize.rejections(),
	personalize.ingest(personalize.entity_id[], text[], personalize.entity_id[], personalize.event_time[], personalize.event_json[], personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], text[]),
	personalize.import_events(personalize.entity_id[], text[], personalize.entity_id[], personalize.event_time[], personalize.event_json[], personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], text[])
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.track(personalize.entity_id, text, personalize.entity_id, personalize.event_json, personalize.event_time, personalize.entity_id, personalize.entity_id, personalize.entity_id, text[]),
	personalize.track(text, text, text, jsonb, personalize.event_time, text, text, text, text[]),
	personalize.try_track(personalize.entity_id, text, personalize.entity_id, personalize.event_json, personalize.event_time, personalize.entity_id, personalize.entity_id, personalize.entity_id, text[]),
	personalize.track_many(jsonb), personalize.track_many(text), personalize.rejections(),
	personalize.ingest(personalize.entity_id[], text[], personalize.entity_id[], personalize.event_time[], personalize.event_json[], personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], text[])
	TO personalize_app, personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.import_events(personalize.entity_id[], text[], personalize.entity_id[], personalize.event_time[], personalize.event_json[], personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], text[])
	TO personalize_admin;
GRANT SELECT ON personalize.stat_ingest TO personalize_app, personalize_analyst, personalize_admin, personalize_monitor;
GRANT SELECT ON personalize.rejected_event TO personalize_admin;

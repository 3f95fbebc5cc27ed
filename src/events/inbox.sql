-- inbox: a table to insert events into, with the extension behind it.
CREATE FUNCTION personalize_internal._new_message_id() RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_new_message_id' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._new_message_id() IS
	'a random uuid that begins with the time (version 7)';

CREATE FUNCTION personalize_internal._inbox_handler() RETURNS fdw_handler
	AS 'MODULE_PATHNAME', 'personalize_inbox_handler' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._inbox_handler() IS 'what the server calls for inbox';
CREATE FOREIGN DATA WRAPPER personalize_inbox HANDLER personalize_internal._inbox_handler;
COMMENT ON FOREIGN DATA WRAPPER personalize_inbox IS 'what is behind personalize.inbox';
CREATE SERVER personalize_inbox FOREIGN DATA WRAPPER personalize_inbox;
COMMENT ON SERVER personalize_inbox IS 'what is behind personalize.inbox: the extension itself';
CREATE FOREIGN TABLE personalize.inbox (
	user_id text,
	event text,
	item_id text,
	properties personalize.event_json,
	ts personalize.event_time DEFAULT pg_catalog.now(),
	session_id text,
	request_id text,
	message_id text DEFAULT personalize_internal._new_message_id(),
	consent text
) SERVER personalize_inbox;
COMMENT ON FOREIGN TABLE personalize.inbox IS
	'track() as a table: INSERT and COPY into it; always empty when read, so an UPDATE finds no row. A message_id counts once, ON CONFLICT (message_id) or not. What is not acceptable is dealt with as personalize.on_bad_row says';
CREATE FUNCTION personalize_internal._inbox_end() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_inbox_end' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._inbox_end() IS 'trigger of inbox: writes what a statement gathered';
CREATE TRIGGER inbox_end AFTER INSERT ON personalize.inbox
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._inbox_end();

REVOKE ALL ON FUNCTION personalize_internal._new_message_id(), personalize_internal._inbox_handler(), personalize_internal._inbox_end() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._new_message_id() TO personalize_app, personalize_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON personalize.inbox TO personalize_app, personalize_admin;

-- inbox: a view to insert events into.
CREATE VIEW personalize.inbox AS
	SELECT
		NULL::text AS user_id,
		NULL::text AS event,
		NULL::text AS item_id,
		NULL::personalize.event_json AS properties,
		NULL::personalize.event_time AS ts,
		NULL::text AS session_id,
		NULL::text AS request_id,
		NULL::text AS message_id,
		NULL::text AS consent
	WHERE false;
COMMENT ON VIEW personalize.inbox IS
	'track() as a table: INSERT and COPY into it; always empty when read, so an UPDATE finds no row. A message_id counts once, ON CONFLICT (message_id) or not. What is not acceptable is dealt with as personalize.on_bad_row says';
CREATE FUNCTION personalize_internal._new_message_id() RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_new_message_id' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._new_message_id() IS
	'a random uuid that begins with the time (version 7)';
ALTER VIEW personalize.inbox ALTER COLUMN ts SET DEFAULT pg_catalog.now();
ALTER VIEW personalize.inbox ALTER COLUMN message_id SET DEFAULT personalize_internal._new_message_id();

CREATE FUNCTION personalize_internal._inbox_begin() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_inbox_begin' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._inbox_begin() IS 'trigger of inbox: a statement begins';
CREATE FUNCTION personalize_internal._inbox_row() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_inbox_row' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._inbox_row() IS 'trigger of inbox: gathers a row';
CREATE FUNCTION personalize_internal._inbox_end() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_inbox_end' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._inbox_end() IS 'trigger of inbox: writes what a statement gathered';
CREATE FUNCTION personalize_internal._inbox_no_row() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_inbox_no_row' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._inbox_no_row() IS 'trigger of inbox: makes UPDATE a statement that finds no row, and refuses DELETE';
CREATE TRIGGER inbox_begin BEFORE INSERT ON personalize.inbox
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._inbox_begin();
CREATE TRIGGER inbox_row INSTEAD OF INSERT ON personalize.inbox
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._inbox_row();
CREATE TRIGGER inbox_end AFTER INSERT ON personalize.inbox
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._inbox_end();
CREATE TRIGGER inbox_no_row INSTEAD OF UPDATE OR DELETE ON personalize.inbox
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._inbox_no_row();
CREATE TRIGGER inbox_no_delete BEFORE DELETE ON personalize.inbox
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._inbox_no_row();

REVOKE ALL ON FUNCTION
	personalize_internal._new_message_id(), personalize_internal._inbox_begin(), personalize_internal._inbox_row(), personalize_internal._inbox_end(),
	personalize_internal._inbox_no_row()
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._new_message_id() TO personalize_app, personalize_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON personalize.inbox TO personalize_app, personalize_admin;

-- neighbour: sessions and, per item, the newest sessions it occurs in.
CREATE TABLE personalize.session (
	user_key bigint NOT NULL,
	session_key bigint NOT NULL,
	ended timestamptz,
	second_at timestamptz,
	events integer,
	consent integer NOT NULL,
	given boolean NOT NULL,
	items bytea NOT NULL,
	PRIMARY KEY (user_key, given, session_key) WITH (fillfactor = 80)
) WITH (fillfactor = 90, toast_tuple_target = 8160);
ALTER TABLE personalize.session ALTER items SET STORAGE EXTERNAL;
SELECT pg_catalog.pg_extension_config_dump('personalize.session', '');
COMMENT ON TABLE personalize.session IS
	'sessions of people who allow recommendations: what the neighbours are made of; kept by the processor neighbour';
COMMENT ON COLUMN personalize.session.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.session.given IS 'true: the application gave a session_id; false: ended by a pause of 30 minutes';
COMMENT ON COLUMN personalize.session.session_key IS
	'key of session_id; where none was given, the time of the first event in microseconds since 2000-01-01 UTC';
COMMENT ON COLUMN personalize.session.ended IS 'time of the last event so far; NULL: session_key is that time, mostly as there is one event';
COMMENT ON COLUMN personalize.session.second_at IS 'time of its second event, NULL: there is none';
COMMENT ON COLUMN personalize.session.events IS 'number of events that count, NULL: one; from two on it has postings';
COMMENT ON COLUMN personalize.session.consent IS 'purposes that all its events allow, the bits of purpose.bit';
COMMENT ON COLUMN personalize.session.items IS
	'packed: format version, the number of items, from when on the others are counted (time and txid), then time, txid and place (sequence and ordinal) per later click on one of these, and per item of its first, newest first; read it with _session_items(); at most 64 items, and of the clicks those among the first 64';

CREATE TABLE personalize.posting (
	item_key bigint NOT NULL,
	chunk integer NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (item_key, chunk) WITH (fillfactor = 80)
) WITH (fillfactor = 75, toast_tuple_target = 8160);
ALTER TABLE personalize.posting ALTER data SET STORAGE EXTERNAL;
SELECT pg_catalog.pg_extension_config_dump('personalize.posting', '');
COMMENT ON TABLE personalize.posting IS
	'per item its newest sessions (at least 256, and a surplus that erasures use up), each with the items around it, packed by 32; kept by the processor neighbour';
COMMENT ON COLUMN personalize.posting.item_key IS 'item_key(item_id)';
COMMENT ON COLUMN personalize.posting.chunk IS 'grows with time: the highest holds the newest sessions';
COMMENT ON COLUMN personalize.posting.data IS 'packed, read it with _posting_entries()';

CREATE TABLE personalize._session_total (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	sessions bigint NOT NULL,
	newest timestamptz NOT NULL,
	entries bigint NOT NULL,
	recent double precision NOT NULL,
	last_day integer NOT NULL
) WITH (fillfactor = 50);
SELECT pg_catalog.pg_extension_config_dump('personalize._session_total', '');
COMMENT ON TABLE personalize._session_total IS 'number of sessions that have postings';
COMMENT ON COLUMN personalize._session_total.newest IS
	'no session has an event later than that; one that has gone may have had';
COMMENT ON COLUMN personalize._session_total.entries IS 'their items, each session''s counted for itself';
COMMENT ON COLUMN personalize._session_total.recent IS
	'of these, each weighing 1/e per 3 days before last_day ends, counted at noon of its day';
COMMENT ON COLUMN personalize._session_total.last_day IS 'the last day of _session_day';

CREATE TABLE personalize._session_day (
	day integer PRIMARY KEY,
	entries bigint NOT NULL
) WITH (fillfactor = 50);
SELECT pg_catalog.pg_extension_config_dump('personalize._session_day', '');
COMMENT ON TABLE personalize._session_day IS
	'items of sessions that have postings, by the day (days since 2000-01-01 UTC) the session came to them';

CREATE TABLE personalize._session_repeat (
	place smallint PRIMARY KEY,
	hits bigint[] NOT NULL,
	possible bigint[] NOT NULL
) WITH (fillfactor = 50, toast_tuple_target = 8160);
SELECT pg_catalog.pg_extension_config_dump('personalize._session_repeat', '');
COMMENT ON TABLE personalize._session_repeat IS
	'how often the next click of a session was on the item at this place (0: the newest) of its newest distinct ones (hits), of how often there was one (possible): 16 counts by the kind of the last click and the length so far, and 32 by what the last two clicks were';

CREATE TABLE personalize._pair_list (
	item_key bigint PRIMARY KEY,
	data bytea NOT NULL
) WITH (fillfactor = 70, toast_tuple_target = 8160);
ALTER TABLE personalize._pair_list ALTER data SET STORAGE EXTERNAL;
SELECT pg_catalog.pg_extension_config_dump('personalize._pair_list', '');
COMMENT ON TABLE personalize._pair_list IS
	'per item the 50 items that sessions most went to next to it, made of its newest 256 postings; kept by the processor neighbour';
COMMENT ON COLUMN personalize._pair_list.data IS 'packed, read it with _pair_list_entries()';

CREATE FUNCTION personalize_internal._pair_list_entries(pairs bytea, item_key bigint DEFAULT NULL,
	OUT other_key bigint, OUT weight integer, OUT next integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_pair_list_entries' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._pair_list_entries(bytea, bigint) IS
	'unpacks _pair_list.data, heaviest first: weight in 1/160 of one right after the item, next: how often that was; item_key is for the error if it is damaged';

CREATE FUNCTION personalize_internal._posting_entries(data bytea, item_key bigint DEFAULT NULL, chunk integer DEFAULT NULL,
	OUT session bigint, OUT ts timestamptz, OUT place integer,
	OUT items_before bigint[], OUT items_after bigint[])
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_posting_entries' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._posting_entries(bytea, bigint, integer) IS
	'unpacks posting.data: sessions, newest first, with when and at which place each came to the item, and the up to 6 items before and after it; item_key and chunk are for the error if it is damaged';
CREATE FUNCTION personalize_internal._session_items(items bytea,
	user_key bigint, given boolean, session_key bigint, ended timestamptz,
	OUT item_key bigint, OUT ts timestamptz, OUT txid bigint, OUT place bigint, OUT again boolean)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_session_items' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._session_items(bytea, bigint, boolean, bigint, timestamptz) IS
	'unpacks session.items, oldest first; again: the session had been to the item; the other arguments are those of the row, without which nothing is returned (ended may be NULL)';

CREATE FUNCTION personalize.verify_index(
	OUT part text, OUT expected bigint, OUT found bigint, OUT wrong bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_verify_index' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.verify_index() IS
	'compares sessions with the raw events they are made of, and postings with the sessions; changes nothing: one row for sessions, one for items with postings, one for their lists of pairs, one for the totals (sessions are shown, items by day are compared too) and one for the counts of repeats; wrong counts what is missing, superfluous or different. A session whose raw events retention has removed is taken as it is';

CREATE FUNCTION personalize.verify_counts(
	OUT processor text, OUT what text, OUT compared bigint, OUT wrong bigint, OUT expected bigint, OUT found bigint,
	OUT first_wrong text, OUT fix text)
	RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 7
BEGIN ATOMIC
	SELECT v.processor, v.what, v.compared, v.wrong, v.expected, v.found, v.first_wrong,
		CASE WHEN v.wrong > 0 THEN pg_catalog.format('SELECT personalize.rebuild_processor(%L)', v.processor) END
	FROM (
		SELECT c.* FROM personalize_internal._verify_counts() AS c
		UNION ALL
		SELECT 'neighbour', i.part, i.expected, i.wrong, i.expected, i.found, NULL FROM personalize.verify_index() AS i) AS v;
END;
COMMENT ON FUNCTION personalize.verify_counts() IS
	'counts the raw events that exist again, up to where each processor has got, compares with what it holds, changes nothing: one row for what a processor holds of a kind; compared: keys, wrong: those that differ, expected and found: their counts in all, fix: what puts it right. What happened before the last day that retention took is wrong only if less is held than the raw events left say';

REVOKE ALL ON FUNCTION personalize_internal._posting_entries(bytea, bigint, integer),
	personalize_internal._pair_list_entries(bytea, bigint),
	personalize_internal._session_items(bytea, bigint, boolean, bigint, timestamptz),
	personalize.verify_index(), personalize.verify_counts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._posting_entries(bytea, bigint, integer),
	personalize_internal._pair_list_entries(bytea, bigint),
	personalize_internal._session_items(bytea, bigint, boolean, bigint, timestamptz),
	personalize.verify_index(), personalize.verify_counts() TO personalize_admin;
GRANT SELECT ON personalize.session, personalize.posting, personalize._pair_list, personalize._session_total,
	personalize._session_day, personalize._session_repeat TO personalize_admin;

CREATE FUNCTION personalize_internal._session_number(user_key bigint, given boolean, session_key bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_session_number' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._session_number(bigint, boolean, bigint) IS
	'the number under which postings know a session';
REVOKE ALL ON FUNCTION personalize_internal._session_number(bigint, boolean, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._session_number(bigint, boolean, bigint) TO personalize_owner;

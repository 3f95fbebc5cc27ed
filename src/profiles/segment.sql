
-- segment: who meets a condition over signals, or did things in an order.
CREATE TABLE personalize.segment (
	segment smallint PRIMARY KEY CHECK (segment > 0),
	name text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
	condition text NOT NULL,
	enter double precision,
	leave double precision,
	ttl interval NOT NULL,
	purposes integer NOT NULL,
	description text,
	builtin boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('personalize.segment', 'WHERE NOT builtin');
COMMENT ON TABLE personalize.segment IS
	'segments of people; changed through create_segment, alter_segment and drop_segment';
COMMENT ON COLUMN personalize.segment.segment IS 'number; those below 100 come with the extension';
COMMENT ON COLUMN personalize.segment.condition IS 'what a person must meet, as create_segment() reads it';
COMMENT ON COLUMN personalize.segment.enter IS 'threshold of the only comparison, where the condition has none; in the unit of what is compared';
COMMENT ON COLUMN personalize.segment.leave IS 'who is in stays until this threshold is crossed; NULL: the same as to enter';
COMMENT ON COLUMN personalize.segment.ttl IS 'so long after the last event of a comparison''s signal, or after a sequence, a part of the condition holds at most';
COMMENT ON COLUMN personalize.segment.purposes IS 'bits of purpose.bit: those of all signals in the condition; of a sequence personalization';

INSERT INTO personalize.segment (segment, name, condition, enter, leave, ttl, purposes, description, builtin) VALUES
	(1, 'user_interested_in_electronics', 'interest_category[''electronics''] decayed', 5, 3, '90 days', 2,
		'interest in category electronics: decayed weight of 5, until it is below 3; nobody is in where the catalogue has no such category', true),
	(2, 'high_intent_search_query', 'search -> select_item -> add_to_cart within 30 minutes by query', NULL, NULL, '1 day', 2,
		'searched, chose a result and put something into the cart within 30 minutes', true);
SELECT personalize_internal._announce('{segment}');

CREATE TABLE personalize.segment_member (
	user_key bigint NOT NULL,
	segment smallint NOT NULL,
	member boolean NOT NULL,
	since timestamptz NOT NULL,
	due timestamptz NOT NULL,
	purposes integer NOT NULL,
	PRIMARY KEY (user_key, segment)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.segment_member', '');
CREATE INDEX segment_member_segment_idx ON personalize.segment_member (segment, user_key) WHERE member;
CREATE INDEX segment_member_due_idx ON personalize.segment_member (due);
COMMENT ON TABLE personalize.segment_member IS
	'who was in a segment when the profile processor last looked, and when something changes by the time alone; read it through in_segment(), segments_of() and segment_members(), which add what it has not reached yet';
COMMENT ON COLUMN personalize.segment_member.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.segment_member.segment IS 'segment.segment';
COMMENT ON COLUMN personalize.segment_member.member IS 'false: not in it, but that may change without an event';
COMMENT ON COLUMN personalize.segment_member.since IS 'when the processor noticed';
COMMENT ON COLUMN personalize.segment_member.purposes IS 'those of the segment: bits of purpose.bit';
COMMENT ON COLUMN personalize.segment_member.due IS 'until when nothing changes unless events come; infinity: ever';

CREATE TABLE personalize.segment_change (
	changed_at timestamptz NOT NULL,
	user_key bigint NOT NULL,
	segment smallint NOT NULL,
	entered boolean NOT NULL,
	purposes integer NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('personalize.segment_change', '');
CREATE INDEX segment_change_user_key_idx ON personalize.segment_change (user_key);
CREATE INDEX segment_change_changed_at_idx ON personalize.segment_change USING brin (changed_at);
COMMENT ON TABLE personalize.segment_change IS
	'who entered and left segments, each crossing once; written by the profile processor, which then notifies channel personalize_segment of the segment''s name';
COMMENT ON COLUMN personalize.segment_change.changed_at IS 'when the processor noticed';
COMMENT ON COLUMN personalize.segment_change.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.segment_change.segment IS 'segment.segment';
COMMENT ON COLUMN personalize.segment_change.purposes IS 'those of the segment: bits of purpose.bit';
COMMENT ON COLUMN personalize.segment_change.entered IS 'true: entered; false: left';

CREATE FUNCTION personalize.create_segment(
	name text,
	condition text,
	enter double precision DEFAULT NULL,
	leave double precision DEFAULT NULL,
	ttl interval DEFAULT '30 days',
	description text DEFAULT NULL) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_create_segment' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.create_segment(text, text, double precision, double precision, interval, text) IS
	'makes a segment of the people who meet a condition: comparisons signal[''value''] count|sum|decayed|mean|min|max|first|last|distinct|time_since_last [in 7 days] >= 5 [leave 3] or rate(signal, signal [, prior 0.02 weight 50]) >= 0.1, and sequences event -> event within 30 minutes [by query|item|session], the last step perhaps "not event"; combined by and, or, not and parentheses. count (the default) is of events, sum of their weights, decayed as in features(); min, max, first and last need a signal that keeps them, time_since_last is compared with seconds or a length like 7 days; without in: of all that is kept; without a value: of all values. enter and leave are the thresholds of a condition with one comparison: who is in stays until leave is crossed. ttl: so long after its last event a part holds at most. Who has a profile is looked at by the profile processor from then on; a sequence is filled in from the raw events that exist, in the background or by rollup_now(). Returns its number. Errors: 42710 it exists; 22023 the condition is none, and the hint says what there is; 54000 a limit';
CREATE FUNCTION personalize.alter_segment(
	name text,
	condition text DEFAULT NULL,
	enter double precision DEFAULT NULL,
	leave double precision DEFAULT NULL,
	ttl interval DEFAULT NULL,
	description text DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_alter_segment' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.alter_segment(text, text, double precision, double precision, interval, text) IS
	'changes a segment of your own; what is NULL stays, but for enter and leave, which belong to the condition and come with a new one. Readers go by it at once; the profile processor looks at everybody again, and whoever is in by the new definition and was not by the old one has entered, once, and the other way round. New steps of a sequence are filled in as with create_segment(). Errors: 42704 unknown; 55000 it comes with the extension; those of create_segment()';
CREATE FUNCTION personalize.drop_segment(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_drop_segment' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.drop_segment(text) IS
	'removes a segment, its members and its changes. One that comes with the extension is back after ALTER EXTENSION UPDATE or a restore. Errors: 42704 unknown; 55006 a rule, a page, a feature view or an experiment that is not over needs it, and the error says which';

CREATE FUNCTION personalize.in_segment(
	user_id personalize.entity_id, name text, purpose text DEFAULT NULL) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_in_segment' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION personalize.in_segment(personalize.entity_id, text, text) IS
	'true if a person is in a segment now, events counted that the processor has not reached; false if purposes of the segment are not allowed to be used. purpose as in profile(). Errors: 42704 unknown segment; 42501 no purpose in force, or nothing of it is kept for that one';
CREATE FUNCTION personalize.segments_of(
	user_id personalize.entity_id, purpose text DEFAULT NULL)
	RETURNS TABLE (segment text, until timestamptz, query text)
	AS 'MODULE_PATHNAME', 'personalize_segments_of' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 3 COST 100;
COMMENT ON FUNCTION personalize.segments_of(personalize.entity_id, text) IS
	'the segments a person is in now, by name; until: nothing changes before, unless events come (infinity: ever); query: of a sequence by query, what was searched for. purpose as in profile(). Errors: 42501 no purpose in force, or nothing of it is kept for that one';
CREATE FUNCTION personalize.segment_members(name text, purpose text DEFAULT NULL)
	RETURNS TABLE (user_id text, user_key bigint, since timestamptz)
	AS 'MODULE_PATHNAME', 'personalize_segment_members' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100 COST 1000;
COMMENT ON FUNCTION personalize.segment_members(text, text) IS
	'the people in a segment now, by key; people with events that the processor has not reached are looked at, as long as there are no more such events than personalize.max_tail_events. since: when the processor noticed, NULL: not yet. purpose as in profile(). Errors: 42704 unknown segment; 42501 no purpose in force, or nothing of it is kept for that one';

REVOKE ALL ON FUNCTION
	personalize.create_segment(text, text, double precision, double precision, interval, text),
	personalize.alter_segment(text, text, double precision, double precision, interval, text),
	personalize.drop_segment(text),
	personalize.in_segment(personalize.entity_id, text, text),
	personalize.segments_of(personalize.entity_id, text),
	personalize.segment_members(text, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.create_segment(text, text, double precision, double precision, interval, text),
	personalize.alter_segment(text, text, double precision, double precision, interval, text),
	personalize.drop_segment(text)
	TO personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.in_segment(personalize.entity_id, text, text),
	personalize.segments_of(personalize.entity_id, text)
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize.segment_members(text, text) TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.segment TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.segment_member, personalize.segment_change TO personalize_admin;

CREATE FUNCTION personalize_internal._segments_using(kind text, name text) RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_segments_using' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._segments_using(text, text) IS 'the segments whose conditions compare a thing of a kind: a signal; as errors name them';
REVOKE ALL ON FUNCTION personalize_internal._segments_using(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._segments_using(text, text) TO personalize_owner, personalize_admin;

CREATE TRIGGER keep_signal_of_segments BEFORE DELETE ON personalize.signal
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_used('_segments_using',
		'alter_segment() or drop_segment() first; disable_signal() keeps it and counts nothing more.');

-- erasure: forgetting a person.
CREATE TABLE personalize._tombstone (
	pseudonym bigint PRIMARY KEY,
	forgotten_at timestamptz NOT NULL,
	cutoff bigint NOT NULL,
	epoch integer NOT NULL DEFAULT 1,
	returned_at timestamptz
);
COMMENT ON TABLE personalize._tombstone IS
	'people who were forgotten, by a keyed hash (HMAC) of their key: their events are refused until they come back by an explicit grant';
COMMENT ON COLUMN personalize._tombstone.forgotten_at IS 'when the person was last forgotten';
COMMENT ON COLUMN personalize._tombstone.cutoff IS
	'incarnation << 48 | transaction id: nothing of the person that an earlier transaction wrote may exist';
COMMENT ON COLUMN personalize._tombstone.epoch IS '1, and one more with each return';
COMMENT ON COLUMN personalize._tombstone.returned_at IS
	'since when the person is back by an explicit grant; NULL: not';
SELECT pg_catalog.pg_extension_config_dump('personalize._tombstone', '');

CREATE TABLE personalize.erasure (
	receipt uuid PRIMARY KEY,
	pseudonym bigint NOT NULL,
	requested_at timestamptz NOT NULL,
	cutoff bigint NOT NULL,
	lsn pg_lsn NOT NULL,
	counts jsonb NOT NULL,
	stage text NOT NULL DEFAULT 'logical',
	reached jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE personalize.erasure IS
	'receipts of forget() and forget_many(): what was erased when, and how far it has got since; neither key nor id of the person';
COMMENT ON COLUMN personalize.erasure.pseudonym IS '_tombstone.pseudonym';
COMMENT ON COLUMN personalize.erasure.cutoff IS
	'incarnation << 48 | the next transaction id when nothing of the person was in flight any more; row versions that were erased can go when no snapshot is older';
COMMENT ON COLUMN personalize.erasure.lsn IS 'end of the write-ahead log just before the erasure committed';
COMMENT ON COLUMN personalize.erasure.counts IS
	'rows erased by kind; "partial": what is left of the person in anonymous sums and cannot be taken out because the raw events are gone';
COMMENT ON COLUMN personalize.erasure.stage IS 'the last stage reached; "logical": no statement returns anything of the person';
COMMENT ON COLUMN personalize.erasure.reached IS 'when each further stage was reached';
SELECT pg_catalog.pg_extension_config_dump('personalize.erasure', '');

CREATE TABLE personalize._erasure_candidate (
	kind "char" NOT NULL CHECK (kind IN ('v', 'i')),
	signal smallint NOT NULL DEFAULT 0,
	key bigint NOT NULL,
	noted_at timestamptz NOT NULL
);
COMMENT ON TABLE personalize._erasure_candidate IS
	'values of the dictionary (v: feature_value) and items without a catalogue entry (i: item) that people who were forgotten had, or that retention asks for: to be deleted where nobody has them';
CREATE INDEX _erasure_candidate_key_idx ON personalize._erasure_candidate (kind, signal, key);
SELECT pg_catalog.pg_extension_config_dump('personalize._erasure_candidate', '');

CREATE FUNCTION personalize.forget(user_id personalize.entity_id) RETURNS uuid
	AS 'MODULE_PATHNAME', 'personalize_forget' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000;
COMMENT ON FUNCTION personalize.forget(personalize.entity_id) IS
	'erases a person, whichever of the person''s ids is given, from every table, in this transaction, and refuses what comes of the person later, until a grant_consent(); returns a receipt for erasure_status(), also for an id that nobody ever used. Errors: 0A000 above READ COMMITTED, 25001 this transaction has written events, 25006 on a standby, 55P03 transactions storing events of the person do not end';
CREATE FUNCTION personalize.forget_many(
	user_ids personalize.entity_id[],
	OUT user_id text,
	OUT receipt uuid) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_forget_many' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000 ROWS 100;
COMMENT ON FUNCTION personalize.forget_many(personalize.entity_id[]) IS
	'forget() for many people, reading what has no index once for all of them; one row an id, also for the other ids of these people. All of them are forgotten or none. Errors: 0A000 above READ COMMITTED; 25001 this transaction has written events; 25006 on a standby; 55P03 transactions storing events of the person do not end';

CREATE FUNCTION personalize.erasure_receipt(
	receipt uuid DEFAULT NULL,
	OUT id uuid,
	OUT requested_at timestamptz,
	OUT stage text,
	OUT counts jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_erasure_receipt' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION personalize.erasure_receipt(uuid) IS
	'what was erased: a receipt of forget(), or all (NULL), the newest first; counts: rows by kind, and under "partial" of how many events something is left in anonymous sums, and how many entries are missing in lists of neighbours. Error 42704: unknown receipt';

CREATE FUNCTION personalize_internal._payload_names(
	payload jsonb,
	OUT name text,
	OUT certain boolean) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_payload_names' LANGUAGE C IMMUTABLE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION personalize_internal._payload_names(jsonb) IS
	'what in a rejected event can be the id of a person: its strings, numbers and names of members; certain is false in members like item_id and properties, where a number is something else';
GRANT EXECUTE ON FUNCTION personalize_internal._payload_names(jsonb) TO personalize_owner;

REVOKE ALL ON FUNCTION
	personalize_internal._payload_names(jsonb),
	personalize.forget(personalize.entity_id),
	personalize.forget_many(personalize.entity_id[]),
	personalize.erasure_receipt(uuid)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.forget(personalize.entity_id),
	personalize.forget_many(personalize.entity_id[]),
	personalize.erasure_receipt(uuid)
	TO personalize_admin;

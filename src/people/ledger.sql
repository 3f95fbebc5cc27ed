-- ledger: every decision about consent, append-only and chained per person.
CREATE TABLE personalize.consent_ledger (
	user_key bigint NOT NULL,
	effective_at timestamptz NOT NULL,
	recorded_at timestamptz NOT NULL,
	txid bigint NOT NULL,
	nonce bigint NOT NULL,
	purposes integer NOT NULL,
	granted boolean NOT NULL,
	erased boolean NOT NULL DEFAULT false,
	source text NOT NULL,
	basis text,
	notice_version text,
	evidence_digest bytea,
	previous bytea[] NOT NULL,
	hash bytea NOT NULL
);
COMMENT ON TABLE personalize.consent_ledger IS
	'every decision about consent, append-only: the latest by effective_at holds, per purpose; of two at the same time the refusal. The entries of a person are chained by hashes: see verify_ledger()';
COMMENT ON COLUMN personalize.consent_ledger.user_key IS 'user_key(user_id); of an erased person the pseudonym';
COMMENT ON COLUMN personalize.consent_ledger.effective_at IS 'when the person decided';
COMMENT ON COLUMN personalize.consent_ledger.recorded_at IS 'when the entry was written';
COMMENT ON COLUMN personalize.consent_ledger.txid IS 'the transaction that wrote it, as in event';
COMMENT ON COLUMN personalize.consent_ledger.nonce IS 'a random number: no two entries have the same hash';
COMMENT ON COLUMN personalize.consent_ledger.purposes IS 'what was decided about: the bits of purpose.bit';
COMMENT ON COLUMN personalize.consent_ledger.granted IS 'true: allowed; false: denied or withdrawn';
COMMENT ON COLUMN personalize.consent_ledger.erased IS 'the person was erased: the entry counts for nobody';
COMMENT ON COLUMN personalize.consent_ledger.source IS 'who says so; "event": an event that carried its consent';
COMMENT ON COLUMN personalize.consent_ledger.basis IS 'on what right the decision rests, if it is not given or withdrawn consent: choice (declined among others that were accepted or declined with it), objection, restriction, ...';
COMMENT ON COLUMN personalize.consent_ledger.notice_version IS 'the text the person was shown';
COMMENT ON COLUMN personalize.consent_ledger.evidence_digest IS 'SHA-256 of the evidence, which is kept elsewhere';
COMMENT ON COLUMN personalize.consent_ledger.previous IS
	'the hashes of the person''s newest entries when this one was written, in byte order: none of the first, several where transactions wrote at the same time';
COMMENT ON COLUMN personalize.consent_ledger.hash IS 'SHA-256 of all of this but erased, with the pseudonym for user_key';
CREATE INDEX consent_ledger_user_key_idx ON personalize.consent_ledger (user_key, effective_at);
SELECT pg_catalog.pg_extension_config_dump('personalize.consent_ledger', '');

CREATE FUNCTION personalize_internal._ledger_mask(user_key bigint, OUT granted integer, OUT decided integer) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_ledger_mask' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._ledger_mask(bigint) IS
	'what the consent ledger says about a person: purposes allowed, and purposes decided';

CREATE FUNCTION personalize_internal._ledger_hash(entry personalize.consent_ledger) RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_ledger_hash' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION personalize_internal._ledger_hash(personalize.consent_ledger) IS
	'the hash an entry of the consent ledger should have';

CREATE TABLE personalize._ledger_pruned (
	hash bytea NOT NULL,
	txid bigint NOT NULL,
	pruned_at timestamptz NOT NULL
);
COMMENT ON TABLE personalize._ledger_pruned IS
	'entries that retention took out of the consent ledger: what followed them still verifies';
SELECT pg_catalog.pg_extension_config_dump('personalize._ledger_pruned', '');
CREATE FUNCTION personalize_internal._ledger_prune(superseded_before timestamptz) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_ledger_prune' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._ledger_prune(timestamptz) IS
	'removes decisions that others superseded before that time, and older ones of erased people, from the consent ledger; returns how many';

CREATE FUNCTION personalize_internal._purpose_decided() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_purpose_decided' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._purpose_decided() IS
	'keeps the bit of a purpose that people have decided about, that data carries, or that is shipped, from meaning another';
CREATE TRIGGER purpose_decided BEFORE DELETE OR UPDATE OF name, bit ON personalize.purpose
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._purpose_decided();
REVOKE ALL ON FUNCTION personalize_internal._purpose_decided() FROM PUBLIC;

CREATE FUNCTION personalize.verify_ledger(
	user_id personalize.entity_id DEFAULT NULL,
	anchor jsonb DEFAULT NULL,
	OUT user_key bigint,
	OUT recorded_at timestamptz,
	OUT hash bytea,
	OUT problem text,
	OUT detail text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_verify_ledger' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION personalize.verify_ledger(personalize.entity_id, jsonb) IS
	'what is wrong with the consent ledger, of one person or (NULL) of all; no row: nothing. problem is changed (the entry is not what was written), removed (an entry it follows is gone), doubled, erased in part, or anchor (the ledger no longer holds what it held when ledger_anchor() was called). Errors: 22023 no anchor';

CREATE FUNCTION personalize.ledger_anchor() RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_ledger_anchor' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.ledger_anchor() IS
	'what the consent ledger holds now, as a count and a digest: kept outside the database, it lets verify_ledger(anchor => ...) find that the newest entries were cut off or the whole was written anew';

CREATE FUNCTION personalize.consent_proof(user_id personalize.entity_id) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_consent_proof' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.consent_proof(personalize.entity_id) IS
	'everything a person decided, in words, with the hashes that chain it and all it takes to compute them outside the database';

REVOKE ALL ON FUNCTION
	personalize_internal._ledger_mask(bigint),
	personalize_internal._ledger_hash(personalize.consent_ledger),
	personalize_internal._ledger_prune(timestamptz),
	personalize.verify_ledger(personalize.entity_id, jsonb),
	personalize.ledger_anchor(),
	personalize.consent_proof(personalize.entity_id)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._ledger_mask(bigint),
	personalize_internal._ledger_hash(personalize.consent_ledger),
	personalize_internal._ledger_prune(timestamptz)
	TO personalize_owner;
GRANT EXECUTE ON FUNCTION
	personalize.verify_ledger(personalize.entity_id, jsonb),
	personalize.ledger_anchor(),
	personalize.consent_proof(personalize.entity_id)
	TO personalize_admin;

-- consent: what each person allowed, and when.
CREATE TABLE personalize.purpose (
	-- personalize_<name> must not be a role that many hold for other reasons
	name text PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 64 AND name NOT IN ('owner', 'app', 'analyst', 'admin')),
	bit smallint NOT NULL UNIQUE CHECK (bit BETWEEN 0 AND 30),
	legal_basis text NOT NULL DEFAULT 'consent',
	description text,
	builtin boolean NOT NULL DEFAULT false,
	CONSTRAINT purpose_bit_of_your_own CHECK (builtin OR bit OPERATOR(pg_catalog.>=) 8)
);
COMMENT ON TABLE personalize.purpose IS
	'what events may be used for; a purpose of your own takes a free bit from 8 on';
COMMENT ON COLUMN personalize.purpose.bit IS
	'its bit in the consent masks of event and subject: 1 << bit';
INSERT INTO personalize.purpose VALUES
	('analytics', 0, 'consent', 'statistics of items: views, purchases, what is trending', true),
	('personalization', 1, 'consent', 'the person''s profile: interests, recent items, segments', true),
	('recommendations', 2, 'consent', 'sessions as neighbours: what others with such a session chose next', true),
	('marketing', 3, 'consent', 'campaigns outside the shop', true);
SELECT pg_catalog.pg_extension_config_dump('personalize.purpose', 'WHERE NOT builtin');

CREATE TABLE personalize.purpose_default (
	purpose text PRIMARY KEY REFERENCES personalize.purpose,
	answer text NOT NULL CHECK (answer IN ('denied', 'allowed'))
);
COMMENT ON TABLE personalize.purpose_default IS
	'the answer for people who have not spoken about a purpose; a purpose without a row here is denied';
SELECT pg_catalog.pg_extension_config_dump('personalize.purpose_default', '');

CREATE TABLE personalize.subject (
	user_key bigint PRIMARY KEY,
	user_id text NOT NULL,
	granted integer NOT NULL DEFAULT 0,
	decided integer NOT NULL DEFAULT 0,
	since timestamptz,
	restricted integer NOT NULL DEFAULT 0
) WITH (fillfactor = 85);
COMMENT ON TABLE personalize.subject IS
	'the people known so far and the current state of their consent';
COMMENT ON COLUMN personalize.subject.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.subject.granted IS 'purposes the ledger allows: the bits of purpose.bit';
COMMENT ON COLUMN personalize.subject.decided IS 'purposes the ledger has spoken about';
COMMENT ON COLUMN personalize.subject.since IS
	'set if the person was forgotten and came back by a grant: events of an earlier time are refused';
COMMENT ON COLUMN personalize.subject.restricted IS
	'purposes the person''s data may not be used for, though it is kept: see restrict()';
-- Who is restricted is asked for every row that is read; they are few.
CREATE INDEX subject_restricted_idx ON personalize.subject (user_key) WHERE restricted OPERATOR(pg_catalog.<>) 0;
SELECT pg_catalog.pg_extension_config_dump('personalize.subject', '');

CREATE FUNCTION personalize_internal._unrestricted_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_unrestricted_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._unrestricted_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._unrestricted(mask integer, user_key bigint) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_unrestricted' LANGUAGE C STABLE PARALLEL SAFE
	SUPPORT personalize_internal._unrestricted_support;
COMMENT ON FUNCTION personalize_internal._unrestricted(integer, bigint) IS
	'the purposes of a mask for which the person''s data is not restricted just now; for views of the extension, else error 42501';

CREATE FUNCTION personalize.grant_consent(
	user_id personalize.entity_id,
	purposes text[],
	source text DEFAULT 'application',
	notice_version text DEFAULT NULL,
	evidence text DEFAULT NULL,
	effective_at timestamptz DEFAULT NULL) RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_grant_consent' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.grant_consent(personalize.entity_id, text[], text, text, text, timestamptz) IS
	'records that a person allows purposes; returns all purposes now allowed. An effective_at before a later withdrawal does not undo it; of evidence only the SHA-256 is kept. Errors: 42704 unknown purpose; 22001 source or notice_version of more than 2,000 bytes';

CREATE FUNCTION personalize.record_choice(
	user_id personalize.entity_id,
	accepted text[],
	source text DEFAULT 'application',
	notice_version text DEFAULT NULL,
	evidence text DEFAULT NULL,
	effective_at timestamptz DEFAULT NULL) RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_record_choice' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.record_choice(personalize.entity_id, text[], text, text, text, timestamptz) IS
	'records a person''s whole choice, as a banner asks for it: accepted purposes are granted, all others declined, so that declined is told from never asked; {} declines all. What was allowed before and is declined goes as by withdraw_consent(). Returns the purposes now allowed. Errors: 42704 unknown purpose; 22001 source or notice_version of more than 2,000 bytes; 0A000 above READ COMMITTED; 55P03 transactions storing events of the person do not end';

CREATE FUNCTION personalize.withdraw_consent(
	user_id personalize.entity_id,
	purposes text[] DEFAULT NULL,
	source text DEFAULT 'application',
	notice_version text DEFAULT NULL,
	evidence text DEFAULT NULL,
	effective_at timestamptz DEFAULT NULL) RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_withdraw_consent' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.withdraw_consent(personalize.entity_id, text[], text, text, text, timestamptz) IS
	'records that a person no longer allows purposes (NULL: any) and takes what needed them out of events, profile and statistics; returns the purposes still allowed. With an effective_at before a later grant, what happened since that grant is kept. Errors: 42704 unknown purpose; 22001 source or notice_version of more than 2,000 bytes; 0A000 above READ COMMITTED; 55P03 transactions storing events of the person do not end';

CREATE FUNCTION personalize.consent_of(
	user_id personalize.entity_id,
	OUT purpose text,
	OUT allowed boolean,
	OUT decided_by text,
	OUT decided_at timestamptz,
	OUT notice_version text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_consent_of' LANGUAGE C STABLE PARALLEL SAFE ROWS 4;
COMMENT ON FUNCTION personalize.consent_of(personalize.entity_id) IS
	'one row a purpose: is it allowed, and by whom it was decided ("default": the person has not spoken)';

CREATE FUNCTION personalize.why_suppressed(
	user_id personalize.entity_id,
	OUT purpose text,
	OUT allowed boolean,
	OUT reason text,
	OUT fix text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_why_suppressed' LANGUAGE C STABLE PARALLEL SAFE ROWS 4;
COMMENT ON FUNCTION personalize.why_suppressed(personalize.entity_id) IS
	'one row a purpose: whether events of the person may be used for it, why not, and the call that would change it. With no purpose allowed, events are not stored';

REVOKE ALL ON FUNCTION
	personalize_internal._unrestricted(integer, bigint),
	personalize.grant_consent(personalize.entity_id, text[], text, text, text, timestamptz),
	personalize.record_choice(personalize.entity_id, text[], text, text, text, timestamptz),
	personalize.withdraw_consent(personalize.entity_id, text[], text, text, text, timestamptz),
	personalize.consent_of(personalize.entity_id),
	personalize.why_suppressed(personalize.entity_id)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.grant_consent(personalize.entity_id, text[], text, text, text, timestamptz),
	personalize.record_choice(personalize.entity_id, text[], text, text, text, timestamptz),
	personalize.withdraw_consent(personalize.entity_id, text[], text, text, text, timestamptz),
	personalize.consent_of(personalize.entity_id),
	personalize.why_suppressed(personalize.entity_id)
	TO personalize_app, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._unrestricted(integer, bigint)
	TO personalize_owner, personalize_analyst, personalize_admin;

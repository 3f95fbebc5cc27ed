-- secret: what makes pseudonyms of people out of keys.
CREATE TABLE personalize._secret (
	created_at timestamptz NOT NULL,
	secret bytea NOT NULL CHECK (pg_catalog.octet_length(secret) OPERATOR(pg_catalog.=) 32)
);
-- what ANALYZE samples is kept elsewhere
ALTER TABLE personalize._secret ALTER COLUMN secret SET STATISTICS 0;
COMMENT ON TABLE personalize._secret IS
	'the key of pseudonyms; the oldest row counts, so that a restored dump, which adds its own, keeps the pseudonyms it has. Who can read it can find out whose pseudonym is whose';
SELECT pg_catalog.pg_extension_config_dump('personalize._secret',
	'WHERE created_at = (SELECT min(created_at) FROM personalize._secret)');

CREATE FUNCTION personalize._make_secret() RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_make_secret' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION personalize._make_secret() IS '32 bytes of the server''s strong randomness';
INSERT INTO personalize._secret VALUES (pg_catalog.clock_timestamp(), personalize._make_secret());

CREATE FUNCTION personalize._pseudonym(user_key bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_pseudonym' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize._pseudonym(bigint) IS 'the pseudonym under which an erased person is remembered';
REVOKE ALL ON TABLE personalize._secret FROM PUBLIC;
REVOKE ALL ON FUNCTION personalize._make_secret(), personalize._pseudonym(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize._pseudonym(bigint) TO personalize_owner;

-- secret: what makes pseudonyms of people out of keys.
CREATE TABLE personalize._secret (
	created_at timestamptz NOT NULL,
	secret bytea NOT NULL CHECK (pg_catalog.octet_length(secret) OPERATOR(pg_catalog.=) 32)
);
-- what ANALYZE samples is kept elsewhere
ALTER TABLE personalize._secret ALTER COLUMN secret SET STATISTICS 0;
COMMENT ON TABLE personalize._secret IS
	'the key of pseudonyms; the oldest row counts, and what a restored dump adds becomes the oldest unless the one that is here has been used. Who can read it can find out whose pseudonym is whose';
SELECT pg_catalog.pg_extension_config_dump('personalize._secret',
	'WHERE created_at = (SELECT min(created_at) FROM personalize._secret)');

CREATE FUNCTION personalize_internal._make_secret() RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_make_secret' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._make_secret() IS '32 bytes of the server''s strong randomness';
INSERT INTO personalize._secret VALUES (pg_catalog.clock_timestamp(), personalize_internal._make_secret());

CREATE FUNCTION personalize_internal._pseudonym(user_key bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_pseudonym' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._pseudonym(bigint) IS 'the pseudonym under which an erased person is remembered';

-- A dump may be restored where the extension is older than in the dump.  If the
-- secret that is here counted, nobody in the tombstones would be known again.
CREATE FUNCTION personalize_internal._secret_added() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	oldest timestamptz;
BEGIN
	SELECT min(s.created_at) INTO oldest FROM personalize._secret s;
	IF oldest IS NULL OR EXISTS (SELECT FROM personalize._secret s WHERE s.secret = NEW.secret) THEN
		RETURN NEW;
	END IF;
	IF EXISTS (SELECT FROM personalize.consent_ledger) OR EXISTS (SELECT FROM personalize._tombstone) THEN
		RAISE WARNING 'this database has used another secret for its pseudonyms'
			USING DETAIL = 'Tombstones and entries of the consent ledger that were made with the younger of the two mean nothing: forgotten people would not be known.',
				HINT = 'Restore into a new database.';
	ELSIF NEW.created_at >= oldest THEN
		NEW.created_at := oldest - interval '1 microsecond';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION personalize_internal._secret_added() IS 'makes the secret of a restored dump count';
CREATE TRIGGER secret_added BEFORE INSERT ON personalize._secret
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._secret_added();

SELECT personalize_internal._announce('{_secret}');

REVOKE ALL ON TABLE personalize._secret FROM PUBLIC;
REVOKE ALL ON FUNCTION personalize_internal._secret_added(), personalize_internal._make_secret(), personalize_internal._pseudonym(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._pseudonym(bigint) TO personalize_owner;

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
CREATE FUNCTION personalize_internal._settle_secret() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	added record;
	oldest timestamptz;
BEGIN
	SELECT s.ctid AS place, s.secret, s.created_at INTO added FROM personalize._secret s ORDER BY age(s.xmin), s.ctid DESC LIMIT 1;
	SELECT min(s.created_at) INTO oldest FROM personalize._secret s WHERE s.ctid <> added.place;
	IF oldest IS NULL OR EXISTS (SELECT FROM personalize._secret s WHERE s.secret = added.secret AND s.ctid <> added.place) THEN
		RETURN;
	END IF;
	-- written here: what a dump brings, in whatever order, was written elsewhere
	IF EXISTS (SELECT FROM personalize._incarnation i, personalize._files f WHERE i.files = f.last_value)
		AND (EXISTS (SELECT FROM personalize.consent_ledger) OR EXISTS (SELECT FROM personalize._tombstone)) THEN
		RAISE WARNING 'this database has used another secret for its pseudonyms'
			USING DETAIL = 'Tombstones and entries of the consent ledger that were made with the younger of the two mean nothing: forgotten people would not be known.',
				HINT = 'Restore into a new database.';
	ELSIF added.created_at >= oldest THEN
		UPDATE personalize._secret s SET created_at = oldest - interval '1 microsecond' WHERE s.ctid = added.place;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._settle_secret() IS 'makes the secret that was added last count, unless another has been used';
CREATE FUNCTION personalize_internal._secret_added() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM personalize_internal._settle_secret();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize_internal._secret_added() IS 'makes the secret of a restored dump count';
CREATE TRIGGER secret_added AFTER INSERT ON personalize._secret
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._secret_added();
-- the rows of a restore come in as those of a replica, too
ALTER TABLE personalize._secret ENABLE ALWAYS TRIGGER secret_added;

SELECT personalize_internal._announce('{_secret}');

REVOKE ALL ON TABLE personalize._secret FROM PUBLIC;
REVOKE ALL ON FUNCTION personalize_internal._secret_added(), personalize_internal._settle_secret(), personalize_internal._make_secret(), personalize_internal._pseudonym(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._pseudonym(bigint), personalize_internal._settle_secret() TO personalize_owner;

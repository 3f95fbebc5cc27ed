-- world: what a property test needs in a database with the extension.
SET client_min_messages = error;
CREATE SCHEMA property;

-- As good as new: everything of a run goes, days keep their partitions.  Of these
-- the rows are only deleted, for their number makes TRUNCATE slow, unless asked to
-- be thorough, as is needed now and then.
CREATE FUNCTION property.reset(thorough boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kept text[] := '{_shipped,purpose,event_type,event_alias,consent_mapping,signal,_event_day,_incarnation,_secret,retention_policy,purpose_role}';
BEGIN
	EXECUTE (
		SELECT 'TRUNCATE ' || string_agg(c.oid::regclass::text, ', ')
		FROM pg_class c
		WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
			AND c.relname <> ALL (kept));
	IF thorough THEN
		TRUNCATE personalize.event;
	ELSE
		DELETE FROM personalize.event;
	END IF;
	DELETE FROM personalize.signal WHERE NOT builtin;
	DELETE FROM personalize.event_type WHERE NOT builtin;
END
$$;

-- The hash of every table that has one.
CREATE FUNCTION property.hashes(left_out text[], as_of timestamptz) RETURNS TABLE (name text, hash text) LANGUAGE sql AS $$
	SELECT t.table_name, encode(personalize.state_hash(t.table_name, as_of), 'hex')
	FROM personalize._state_tables() AS t
	WHERE t.exempt_because IS NULL AND t.table_name <> ALL (left_out)
$$;

-- Tables that are not empty, of those a stream should fill.
CREATE FUNCTION property.filled() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	name text;
	filled boolean;
BEGIN
	FOREACH name IN ARRAY property.data_tables() LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM personalize.%I)', name) INTO filled;
		IF filled THEN
			RETURN NEXT name;
		END IF;
	END LOOP;
END
$$;

-- Tables that no event changes.
CREATE FUNCTION property.settings() RETURNS text[] LANGUAGE sql AS $$
	SELECT '{purpose,purpose_default,consent_mapping,event_type,event_alias,signal,signal_state,
		neighbour_parameter,item_sync,processor,retention_policy,purpose_role}'::text[]
$$;

-- All tables that hold something of people or items.
CREATE FUNCTION property.data_tables() RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(table_name ORDER BY table_name) FROM personalize._state_tables()
	WHERE exempt_because IS NULL AND table_name <> ALL (property.settings() || '{_erasure_candidate}')
		OR table_name IN ('_tombstone', 'erasure')
$$;

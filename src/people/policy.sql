-- policy: for which purpose a role may read, and who may write.
CREATE TABLE personalize.purpose_role (
	purpose text PRIMARY KEY REFERENCES personalize.purpose,
	role name NOT NULL
);
COMMENT ON TABLE personalize.purpose_role IS
	'the role whose members may read for a purpose in this database; a purpose without a row here: personalize_<purpose>';
COMMENT ON COLUMN personalize.purpose_role.purpose IS 'purpose.name';
COMMENT ON COLUMN personalize.purpose_role.role IS 'a role of the cluster; nobody may read for the purpose while there is none of this name';
SELECT pg_catalog.pg_extension_config_dump('personalize.purpose_role', '');

SELECT personalize_internal._announce('{purpose,purpose_default,purpose_role}');

-- What policies call.  Everybody may call them, or an error would tell of a
-- function rather than of what is missing; they say nothing about anybody's data.
CREATE FUNCTION personalize_internal._may_read_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_may_read_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._internal_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_internal_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._may_read_support(internal), personalize_internal._internal_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._may_read() RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_may_read' LANGUAGE C STABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._may_read_support;
COMMENT ON FUNCTION personalize_internal._may_read() IS
	'true if a purpose is in force that the current role holds; else error 42501, or false under personalize.on_denied = empty';
-- Most rows are those of people who allow what is asked for.
CREATE FUNCTION personalize_internal._mostly_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_mostly_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._mostly_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._covers(mask integer, needed integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_covers' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1
	SUPPORT personalize_internal._mostly_support;
COMMENT ON FUNCTION personalize_internal._covers(integer, integer) IS 'true if the mask contains all purposes that are needed';
REVOKE EXECUTE ON FUNCTION personalize_internal._covers(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._covers(integer, integer) TO personalize_owner, personalize_analyst, personalize_admin;
CREATE FUNCTION personalize_internal._readable(mask integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_readable' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1
	SUPPORT personalize_internal._mostly_support;
COMMENT ON FUNCTION personalize_internal._readable(integer) IS
	'true if the mask contains the purpose in force; errors as _may_read()';
CREATE FUNCTION personalize_internal._readable(granted integer, decided integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_readable_decided' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1
	SUPPORT personalize_internal._mostly_support;
COMMENT ON FUNCTION personalize_internal._readable(integer, integer) IS
	'true if a person allows the purpose in force, by decision or by default; errors as _may_read()';
CREATE FUNCTION personalize_internal._readable_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_readable_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._readable_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._readable(mask integer, user_key bigint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_readable_unrestricted' LANGUAGE C STABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._readable_support;
COMMENT ON FUNCTION personalize_internal._readable(integer, bigint) IS
	'true if the mask contains the purpose in force and the person''s data is not restricted for it; of rows of the extension, else error 42501; errors as _may_read()';
CREATE FUNCTION personalize_internal._purpose_bits(otherwise integer) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_purpose_bits' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1;
COMMENT ON FUNCTION personalize_internal._purpose_bits(integer) IS
	'the bit of the purpose in force; for a role that bypasses row security and requests none, the argument; errors as _may_read()';
CREATE FUNCTION personalize_internal._allowed_purposes(granted integer, decided integer, restricted integer) RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_allowed_purposes' LANGUAGE C STABLE PARALLEL SAFE COST 5;
COMMENT ON FUNCTION personalize_internal._allowed_purposes(integer, integer, integer) IS
	'names of the purposes a person allows, by decision or by default, and is not restricted for; none if anything is NULL';
REVOKE EXECUTE ON FUNCTION personalize_internal._allowed_purposes(integer, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._allowed_purposes(integer, integer, integer)
	TO personalize_owner, personalize_analyst, personalize_admin;
CREATE FUNCTION personalize_internal._internal(table_name text, writing boolean) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_internal' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1
	SUPPORT personalize_internal._internal_support;
COMMENT ON FUNCTION personalize_internal._internal(text, boolean) IS
	'true within the extension''s own code; else error 42501';
CREATE FUNCTION personalize_internal._closed() RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_closed' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1
	SUPPORT personalize_internal._internal_support;
COMMENT ON FUNCTION personalize_internal._closed() IS
	'the policy of partitions: true within the extension''s own code; else error 42501';

CREATE FUNCTION personalize_internal._close_partitions() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'personalize_close_partitions' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._close_partitions() IS
	'closes partitions that were attached to event or created by hand';
REVOKE ALL ON FUNCTION personalize_internal._close_partitions() FROM PUBLIC;

CREATE FUNCTION personalize_internal._refuse_triggers() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'personalize_refuse_triggers' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._refuse_triggers() IS
	'refuses triggers on tables of the extension, and foreign keys to those about people, of whoever has not their owner''s rights';
REVOKE ALL ON FUNCTION personalize_internal._refuse_triggers() FROM PUBLIC;

-- What the tables of the extension have registered (src/people/person_store.h).
CREATE FUNCTION personalize_internal._person_stores(
	OUT name text, OUT content text, OUT mask text, OUT unanalyzed text, OUT forget_rank integer,
	OUT export_as text, OUT export_query text, OUT export_meaning text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_person_stores' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 50;
COMMENT ON FUNCTION personalize_internal._person_stores() IS
	'what every table has registered: content: what it holds instead of data of people (NULL: such data); mask: what _readable() is given in its policies (NULL: nobody reads it with SQL); unanalyzed: columns that ANALYZE leaves out, for its samples would outlive the person; forget_rank: its turn in forget() (NULL: none); export_as, export_query, export_meaning: its part of export_user()';
REVOKE ALL ON FUNCTION personalize_internal._person_stores() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._person_stores() TO personalize_owner, personalize_admin;

CREATE VIEW personalize._person_table (name, mask, unanalyzed) AS
	SELECT s.name, s.mask, pg_catalog.string_to_array(s.unanalyzed, ',')
	FROM personalize_internal._person_stores() AS s WHERE s.content IS NULL;
COMMENT ON VIEW personalize._person_table IS
	'tables that hold a person''s data, from which their policies are made';
CREATE VIEW personalize._impersonal_table (name, content) AS
	SELECT s.name, s.content FROM personalize_internal._person_stores() AS s WHERE s.content IS NOT NULL;
COMMENT ON VIEW personalize._impersonal_table IS
	'tables that hold nobody''s data, and what they hold instead: they have no policies';

-- The policies of one table of the list, made anew.
CREATE FUNCTION personalize_internal._apply_policies(table_name text, mask text, unanalyzed text[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target text := format('personalize.%I', table_name);
	writing text := format('personalize_internal._internal(%L, true)', table_name);
	reading text := CASE WHEN mask IS NULL THEN format('personalize_internal._internal(%L, false)', table_name)
		ELSE format('personalize_internal._may_read() AND personalize_internal._readable(%s)', mask) END;
	policy text;
	col text;
BEGIN
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', target);
	FOREACH policy IN ARRAY '{rows,purpose,insert,update,delete}'::text[] LOOP
		IF EXISTS (SELECT FROM pg_policy WHERE polrelid = target::regclass AND polname = 'personalize_' || policy) THEN
			EXECUTE format('DROP POLICY personalize_%s ON %s', policy, target);
		END IF;
	END LOOP;
	EXECUTE format('CREATE POLICY personalize_rows ON %s USING (true) WITH CHECK (true)', target);
	EXECUTE format('CREATE POLICY personalize_purpose ON %s AS RESTRICTIVE FOR SELECT USING (%s)', target, reading);
	EXECUTE format('CREATE POLICY personalize_insert ON %s AS RESTRICTIVE FOR INSERT WITH CHECK (%s)', target, writing);
	EXECUTE format('CREATE POLICY personalize_update ON %s AS RESTRICTIVE FOR UPDATE USING (%s) WITH CHECK (%2$s)', target, writing);
	EXECUTE format('CREATE POLICY personalize_delete ON %s AS RESTRICTIVE FOR DELETE USING (%s)', target, writing);
	FOREACH col IN ARRAY unanalyzed LOOP
		IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = target::regclass AND attname = col) THEN
			EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS 0', target, col);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize_internal._apply_policies(text, text, text[]) IS
	'gives a table of _person_table its row policies, again if it has them, and keeps persons out of its statistics';
REVOKE ALL ON FUNCTION personalize_internal._apply_policies(text, text, text[]) FROM PUBLIC;

-- state_hash: what the tables hold, whatever way it came there.
CREATE FUNCTION personalize_internal._state_tables(OUT table_name text, OUT exempt_because text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_state_tables' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 40;
COMMENT ON FUNCTION personalize_internal._state_tables() IS
	'the tables that state_hash() knows (exempt_because NULL), and those it leaves out, with the reason';

CREATE FUNCTION personalize_internal._canonical_rows(table_name text, as_of timestamptz DEFAULT NULL) RETURNS SETOF text
	AS 'MODULE_PATHNAME', 'personalize_canonical_rows' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1000;
COMMENT ON FUNCTION personalize_internal._canonical_rows(text, timestamptz) IS
	'the canonical form that state_hash() hashes: one JSON text a row, in the order of its bytes';

CREATE FUNCTION personalize.state_hash(table_name text, as_of timestamptz DEFAULT NULL) RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_state_hash' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000;
COMMENT ON FUNCTION personalize.state_hash(text, timestamptz) IS
	'SHA-256 of the canonical form of a table: decoded, the panes of profiles folded to the grain due at as_of (NULL: now), postings by time and session, without transaction ids, the order of rows, numbers given in order of arrival and readings of the clock. Two databases that were told the same have the same hash; the entries of the erased in consent_ledger are left out. Error 42P01 lists the tables';

REVOKE ALL ON FUNCTION
	personalize_internal._state_tables(),
	personalize_internal._canonical_rows(text, timestamptz),
	personalize.state_hash(text, timestamptz)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._state_tables()
	TO personalize_owner, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._session_items(bytea, bigint, boolean, bigint, timestamptz),
	personalize_internal._posting_entries(bytea, bigint, integer) TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize.state_hash(text, timestamptz) TO personalize_admin;

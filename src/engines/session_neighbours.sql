-- session_neighbours: the neighbour score alone.
CREATE FUNCTION personalize.session_neighbours(
	session_items personalize.entity_id[], n integer DEFAULT 20,
	as_of timestamptz DEFAULT NULL, allow_last boolean DEFAULT false,
	OUT item_key bigint, OUT score double precision, OUT because bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_session_neighbours' LANGUAGE C STABLE PARALLEL SAFE
	COST 1000 ROWS 20;
COMMENT ON FUNCTION personalize.session_neighbours(personalize.entity_id[], integer, timestamptz, boolean) IS
	'what fits next to these items (oldest first) by neighbouring sessions alone, with the parameters of the default variant of recommend: the n best items, their score (no unit, comparable within one call) and the key of the given item that speaks most for each; as_of NULL: now; a time in the past: as if nothing had happened since, from all sessions, which takes long; allow_last: the last given item may come back. Knows neither person, consent nor catalogue: recommend() does';

REVOKE ALL ON FUNCTION personalize.session_neighbours(personalize.entity_id[], integer, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.session_neighbours(personalize.entity_id[], integer, timestamptz, boolean)
	TO personalize_app, personalize_analyst, personalize_admin;

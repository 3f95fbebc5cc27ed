-- knn: scoring by neighbouring sessions, and its parameters.
CREATE TABLE personalize.neighbour_parameter (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	session_items integer NOT NULL DEFAULT 8 CHECK (session_items BETWEEN 1 AND 16),
	long_items integer NOT NULL DEFAULT 8 CHECK (long_items BETWEEN 0 AND 16),
	postings integer NOT NULL DEFAULT 128 CHECK (postings BETWEEN 1 AND 256),
	neighbours integer NOT NULL DEFAULT 128 CHECK (neighbours BETWEEN 1 AND 1000),
	long_weight double precision NOT NULL DEFAULT 0.2 CHECK (long_weight BETWEEN 0 AND 10),
	overlap_power double precision NOT NULL DEFAULT 2 CHECK (overlap_power BETWEEN 0 AND 10),
	recent_decay double precision NOT NULL DEFAULT 6 CHECK (recent_decay BETWEEN 0.1 AND 1e6),
	next_weight double precision NOT NULL DEFAULT 1 CHECK (next_weight BETWEEN 0 AND 100),
	next_prior double precision NOT NULL DEFAULT 8 CHECK (next_prior BETWEEN 0.1 AND 1e6),
	repeat_weight double precision NOT NULL DEFAULT 1.25 CHECK (repeat_weight BETWEEN 0 AND 100),
	trend_power double precision NOT NULL DEFAULT 0.2 CHECK (trend_power BETWEEN 0 AND 10)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.neighbour_parameter', '');
COMMENT ON TABLE personalize.neighbour_parameter IS
	'parameters of the neighbour score; no row: the defaults; written by tune_neighbours(), or by hand';
COMMENT ON COLUMN personalize.neighbour_parameter.session_items IS 'newest distinct items of the session that count (1..16)';
COMMENT ON COLUMN personalize.neighbour_parameter.long_items IS 'long-term items that count besides (0..16)';
COMMENT ON COLUMN personalize.neighbour_parameter.postings IS 'newest sessions looked at per item (1..256)';
COMMENT ON COLUMN personalize.neighbour_parameter.neighbours IS 'most similar sessions that vote (1..1000)';
COMMENT ON COLUMN personalize.neighbour_parameter.long_weight IS 'weight of a long-term item; the session''s newest item weighs 1';
COMMENT ON COLUMN personalize.neighbour_parameter.overlap_power IS 'how much a larger overlap with a session counts';
COMMENT ON COLUMN personalize.neighbour_parameter.recent_decay IS 'a session that shares only an older item, so many clicks back, weighs 1/e';
COMMENT ON COLUMN personalize.neighbour_parameter.next_weight IS 'weight of what came right after the newest item, beside 1 of the sessions';
COMMENT ON COLUMN personalize.neighbour_parameter.next_prior IS 'how often an item must have come right after the newest one to be believed by half';
COMMENT ON COLUMN personalize.neighbour_parameter.repeat_weight IS 'weight of the chance that people come back to an item of their session';
COMMENT ON COLUMN personalize.neighbour_parameter.trend_power IS 'how much it counts that an item is met more often in the last days than before; 0: not at all';

CREATE FUNCTION personalize.session_neighbours(
	session_items personalize.entity_id[], n integer DEFAULT 20,
	as_of timestamptz DEFAULT NULL, allow_last boolean DEFAULT false,
	OUT item_key bigint, OUT score double precision, OUT because bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_session_neighbours' LANGUAGE C STABLE PARALLEL SAFE
	COST 1000 ROWS 20;
COMMENT ON FUNCTION personalize.session_neighbours(personalize.entity_id[], integer, timestamptz, boolean) IS
	'what fits next to these items (oldest first) by neighbouring sessions alone: the n best items, their score (no unit, comparable within one call) and the key of the given item that speaks most for each; as_of NULL: now; a time in the past: as if nothing had happened since, from all sessions, which takes long; allow_last: the last given item may come back. Knows neither person, consent nor catalogue: recommend() does';

REVOKE ALL ON FUNCTION personalize.session_neighbours(personalize.entity_id[], integer, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.session_neighbours(personalize.entity_id[], integer, timestamptz, boolean)
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.neighbour_parameter TO personalize_analyst, personalize_admin;
GRANT INSERT, UPDATE, DELETE ON personalize.neighbour_parameter TO personalize_admin;

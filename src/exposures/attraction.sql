-- attraction: what search_stat comes to over all days, for engines to read.
CREATE FUNCTION personalize_internal._add_counts(a bigint[], b bigint[]) RETURNS bigint[]
	AS 'MODULE_PATHNAME', 'personalize_add_counts' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._add_counts(bigint[], bigint[]) IS
	'sums place by place, without zeros at the end; errors: 22003 a sum that is out of range, 22004 a null, 2202E more than one dimension';
CREATE AGGREGATE personalize_internal._sum_counts(bigint[]) (
	SFUNC = personalize_internal._add_counts, STYPE = bigint[], INITCOND = '{}', COMBINEFUNC = personalize_internal._add_counts, PARALLEL = SAFE
);
COMMENT ON AGGREGATE personalize_internal._sum_counts(bigint[]) IS 'sums place by place, without zeros at the end';
REVOKE EXECUTE ON FUNCTION personalize_internal._add_counts(bigint[], bigint[]), personalize_internal._sum_counts(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._add_counts(bigint[], bigint[]), personalize_internal._sum_counts(bigint[]) TO personalize_owner;

CREATE TABLE personalize._attraction (
	query_key bigint NOT NULL,
	item_key bigint NOT NULL,
	shown bigint[] NOT NULL,
	clicked bigint[] NOT NULL,
	PRIMARY KEY (query_key, item_key)
) WITH (fillfactor = 70);
SELECT pg_catalog.pg_extension_config_dump('personalize._attraction', '');
COMMENT ON TABLE personalize._attraction IS
	'sums of search_stat over days, by query and item; of query_key 0 over all queries';
COMMENT ON COLUMN personalize._attraction.shown IS 'how often, by place_bucket: the first is that of 0; without zeros at the end';
COMMENT ON COLUMN personalize._attraction.clicked IS 'how often of these it was clicked, likewise';
REVOKE ALL ON personalize._attraction FROM PUBLIC;

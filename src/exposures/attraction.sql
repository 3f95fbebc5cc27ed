-- attraction: what search_stat comes to over all days, for engines to read.
CREATE TABLE personalize._attraction (
	query_key bigint NOT NULL,
	item_key bigint NOT NULL,
	place_bucket smallint NOT NULL,
	shown bigint NOT NULL,
	clicked bigint NOT NULL,
	PRIMARY KEY (query_key, item_key, place_bucket)
) WITH (fillfactor = 70);
SELECT pg_catalog.pg_extension_config_dump('personalize._attraction', '');
COMMENT ON TABLE personalize._attraction IS
	'sums of search_stat over days, by query, item and place; of query_key 0 over all queries';
REVOKE ALL ON personalize._attraction FROM PUBLIC;

-- query: what people typed into a search box.
CREATE TABLE personalize.search_query (
	query_key bigint PRIMARY KEY,
	query text COLLATE "C",
	people bigint NOT NULL,
	-- it changes a few times while the number doubles, so that indexes seldom change with it
	popularity smallint NOT NULL GENERATED ALWAYS AS (pg_catalog.floor(4 OPERATOR(pg_catalog.*) pg_catalog.log(2, GREATEST(people, 1)::pg_catalog.numeric))) STORED
) WITH (fillfactor = 80);
-- for suggest_queries(): what five people or more have searched, all of it, and by its beginning
CREATE INDEX search_query_popularity_idx ON personalize.search_query (popularity DESC, query) WHERE popularity OPERATOR(pg_catalog.>=) 9;
CREATE INDEX search_query_first_idx ON personalize.search_query (pg_catalog.left(query, 1), popularity DESC, query) WHERE popularity OPERATOR(pg_catalog.>=) 9;
CREATE INDEX search_query_second_idx ON personalize.search_query (pg_catalog.left(query, 2), popularity DESC, query) WHERE popularity OPERATOR(pg_catalog.>=) 9;
CREATE INDEX search_query_third_idx ON personalize.search_query (pg_catalog.left(query, 3), popularity DESC, query) WHERE popularity OPERATOR(pg_catalog.>=) 9;
CREATE INDEX search_query_query_idx ON personalize.search_query (query) WHERE popularity OPERATOR(pg_catalog.>=) 9;
ALTER INDEX personalize.search_query_first_idx ALTER COLUMN 1 SET STATISTICS 0;
ALTER INDEX personalize.search_query_second_idx ALTER COLUMN 1 SET STATISTICS 0;
ALTER INDEX personalize.search_query_third_idx ALTER COLUMN 1 SET STATISTICS 0;
SELECT pg_catalog.pg_extension_config_dump('personalize.search_query', '');
COMMENT ON TABLE personalize.search_query IS
	'texts of queries as they count: their words in lower case; kept while somebody of whom exposures are kept has searched them, and shown to analysts in search_performance, to others by suggest_queries()';
COMMENT ON COLUMN personalize.search_query.query_key IS 'query_key(query)';
COMMENT ON COLUMN personalize.search_query.query IS 'NULL: its text has not come yet';
COMMENT ON COLUMN personalize.search_query.people IS 'how many have searched it: rows of _searcher';
COMMENT ON COLUMN personalize.search_query.popularity IS 'four times the logarithm to base 2 of people, rounded down';
REVOKE ALL ON personalize.search_query FROM PUBLIC;
GRANT SELECT ON personalize.search_query TO personalize_admin;

CREATE TABLE personalize._searcher (
	query_key bigint NOT NULL,
	user_key bigint NOT NULL,
	requests bigint NOT NULL,
	PRIMARY KEY (query_key, user_key)
) WITH (fillfactor = 80);
CREATE INDEX _searcher_user_key_idx ON personalize._searcher (user_key);
SELECT pg_catalog.pg_extension_config_dump('personalize._searcher', '');
COMMENT ON TABLE personalize._searcher IS
	'who has searched what, in how many requests of exposure: a text is shown once personalize.min_query_people have';
REVOKE ALL ON personalize._searcher FROM PUBLIC;

CREATE FUNCTION personalize.query_key(query text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_query_key' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize.query_key(text) IS
	'the key under which a query is counted: of its words in lower case, those that begin within its first 512 bytes; NULL if it has none';
CREATE FUNCTION personalize_internal._shown_query(query_key bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_shown_query' LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION personalize_internal._shown_query(bigint) IS
	'the text of a query that at least personalize.min_query_people people have searched; else NULL';
REVOKE EXECUTE ON FUNCTION personalize.query_key(text), personalize_internal._shown_query(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.query_key(text) TO personalize_app, personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._shown_query(bigint) TO personalize_owner, personalize_analyst, personalize_admin;

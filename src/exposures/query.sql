-- query: what people typed into a search box.
CREATE TABLE personalize.search_query (
	query_key bigint PRIMARY KEY,
	query text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('personalize.search_query', '');
COMMENT ON TABLE personalize.search_query IS
	'texts of queries as they count: their words in lower case; kept while somebody of whom exposures are kept has searched them, and shown to analysts in search_performance';
COMMENT ON COLUMN personalize.search_query.query_key IS 'query_key(query)';
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

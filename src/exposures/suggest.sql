-- suggest: what others have searched, while somebody types.
CREATE FUNCTION personalize.suggest_queries(
	prefix text,
	user_id personalize.entity_id DEFAULT NULL,
	n integer DEFAULT 10,
	OUT rank integer, OUT query text, OUT reason text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_suggest_queries' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 10 COST 1000;
COMMENT ON FUNCTION personalize.suggest_queries(text, personalize.entity_id, integer) IS
	'up to n (1 to 100) queries that begin as prefix does, in the words of search_query: those that led to a click and that at least five people, and at least personalize.min_query_people, have searched, of those whose exposures are kept. Those that this person has searched come first, the most often searched first (reason searched_before; with consent for analytics and personalization), then what most people have searched (popular); where nothing begins so, what begins so but for one letter (similar_spelling; from three letters on). A prefix without a word, or NULL: the most popular; one of more than 512 bytes: none. Writes nothing. Errors: 22004 n is null; 22023 n out of range';
REVOKE EXECUTE ON FUNCTION personalize.suggest_queries(text, personalize.entity_id, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.suggest_queries(text, personalize.entity_id, integer) TO personalize_app, personalize_admin;

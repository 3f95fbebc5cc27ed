-- rank_search: search results that somebody has found, in the order that suits a person.
CREATE FUNCTION personalize.rank_search(
	user_id personalize.entity_id,
	query text,
	items personalize.entity_id[],
	scores double precision[] DEFAULT NULL,
	n integer DEFAULT NULL,
	filter personalize.path_filter DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	explain boolean DEFAULT false,
	session_items personalize.entity_id[] DEFAULT NULL,
	as_of timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	model text DEFAULT NULL,
	OUT rank integer, OUT item_id text, OUT item_key bigint, OUT score double precision,
	OUT reason text, OUT request_id uuid, OUT explanation jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_rank_search' LANGUAGE C STABLE PARALLEL SAFE ROWS 100 COST 1000;
COMMENT ON FUNCTION personalize.rank_search(personalize.entity_id, text, personalize.entity_id[], double precision[], integer, personalize.path_filter, personalize.entity_id[], boolean, personalize.entity_id[], timestamptz, text, text) IS
	'the items (at most 10000) that a search has found for a query, in the order that suits this person now; user_id NULL: nobody. scores, one a item, is how well each agrees with the query, the higher the better, on any scale; NULL: by the catalogue''s texts, and of items it has no texts of in the order given. All items come back, the first n if that is given, once each, but those the catalogue has as unavailable or hidden, that the person does not want, or that filter or exclude leave out; items it does not know stay. score: weights times features (docs/search.md), or, of an imported model (import_model), the sum of its trees over the features of the names it has; compares rows of one call. reason: text_match, popular_for:<query>, because_viewed:<item>, fits:<category>; text_match:new_user or :no_consent where nothing personal was looked at. explain adds what each feature added. Writes nothing. Errors: 22004 a null in items or scores; 2202E scores of another length; 22023 n, a score that is not finite, a model whose features have no names; 42704 an unknown variant or model, a model with a feature there is not; 54000 too many items';
REVOKE EXECUTE ON FUNCTION personalize.rank_search(personalize.entity_id, text, personalize.entity_id[], double precision[], integer, personalize.path_filter, personalize.entity_id[], boolean, personalize.entity_id[], timestamptz, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.rank_search(personalize.entity_id, text, personalize.entity_id[], double precision[], integer, personalize.path_filter, personalize.entity_id[], boolean, personalize.entity_id[], timestamptz, text, text)
	TO personalize_app, personalize_admin;


CREATE FUNCTION personalize_internal._check_search_model(model text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_check_search_model' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_search_model(text) IS
	'complains of a model that there is not, or whose features are not those of searches';
REVOKE EXECUTE ON FUNCTION personalize_internal._check_search_model(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._check_search_model(text) TO personalize_owner;

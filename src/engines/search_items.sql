-- search_items: a search of the catalogue, in the order that suits a person.
CREATE FUNCTION personalize.search_items(
	user_id personalize.entity_id,
	query text,
	n integer DEFAULT 20,
	filter personalize.path_filter DEFAULT NULL,
	facets text[] DEFAULT NULL,
	explain boolean DEFAULT false,
	as_of timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT rank integer, OUT item_id text, OUT item_key bigint, OUT score double precision,
	OUT reason text, OUT request_id uuid, OUT explanation jsonb,
	OUT did_you_mean text, OUT facet_counts jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_search_items' LANGUAGE C STABLE PARALLEL SAFE ROWS 20 COST 10000;
COMMENT ON FUNCTION personalize.search_items(personalize.entity_id, text, integer, personalize.path_filter, text[], boolean, timestamptz, text) IS
	'the n (1 to 1000) items of the catalogue that agree best with a query, in the order that suits this person now; user_id NULL: nobody. Which texts are searched: search_attribute; in which language: search_setting; what else to look for: search_synonym. The last word is also taken for the beginning of one, unless something follows it; a word that no item has, for the nearest one that some item has: then did_you_mean is the query as it was understood. Of a query the first 32 different words count; one without a word shows what is popular. filter is a jsonpath over the catalogue row. facets: names out of category, brand, tags, price and keys of attributes; facet_counts, of the first row, has for each the values of the items that have all words of the query (or as many as any item has), with their number, the 100 most frequent; of price the least and the most. score, reason and explain as rank_search. Writes nothing';
REVOKE EXECUTE ON FUNCTION personalize.search_items(personalize.entity_id, text, integer, personalize.path_filter, text[], boolean, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.search_items(personalize.entity_id, text, integer, personalize.path_filter, text[], boolean, timestamptz, text)
	TO personalize_app, personalize_admin;


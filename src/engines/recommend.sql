-- recommend: engines that say what to show next.
CREATE FUNCTION personalize.recommend(
	user_id personalize.entity_id,
	n integer DEFAULT 20,
	filter personalize.path_filter DEFAULT NULL,
	candidates personalize.entity_id[] DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	exclude_seen interval DEFAULT NULL,
	explain boolean DEFAULT false,
	session_items personalize.entity_id[] DEFAULT NULL,
	as_of timestamptz DEFAULT NULL,
	allow_session_items boolean DEFAULT false,
	exclude_bought interval DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT rank integer, OUT item_id text, OUT item_key bigint, OUT score double precision,
	OUT reason text, OUT request_id uuid, OUT explanation jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_recommend' LANGUAGE C STABLE PARALLEL SAFE ROWS 20 COST 1000;
COMMENT ON FUNCTION personalize.recommend(personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], interval, boolean, personalize.entity_id[], timestamptz, boolean, interval, text) IS
	'the n (1 to 1000) items to show a person next, best first, going by the last items of the person, also those of events not processed yet, or by session_items (oldest first) instead. filter is a jsonpath over the catalogue row (item_id, category, brand, price, currency, tags, attributes, created_at), candidates are the only items allowed, and all of them come back that the catalogue offers, exclude those that are not; exclude_seen leaves out what the person has had to do with in that time, exclude_bought what the person has bought in that time and not given back; NULL: in the last 90 days, of categories where nobody, or no more than one in twenty of those who bought an item, bought it again, but not of candidates (parameter exclude_bought_learned of the variant). Items of the session come back only as candidates, or with allow_session_items, by the chance that people return to them (to continue where they left); of an earlier visit all but the last may. reason: because_viewed:<item>, or viewed_before for one of these items itself; without consent for recommendations similar_to:<item> for session_items; new_in:<category> for new items of the visitor''s categories, which have a share of the last places (parameters exploration and new_item_age of the variant); filled up with popular_in:<category>, trending, newest, candidate, followed by :new_user or :no_consent if there is nothing personal to go by. rule:<name> is an item that a row of table rule has placed; rules are obeyed by every engine. score compares rows of one reason, and is not the order of the ranks where rules or the diversity of the variant say otherwise. variant: the parameters the answer is made by, one of engine_variant; NULL: the default. as_of, in the past: what the answer would have been then, by the catalogue, preferences and consent of now. explain adds how each came about: members score_* of explanation add up to score (score_sessions, score_next, score_hops, score_repeat, score_trend of neighbours, score_<reason> of the rest, score_favourites and score_rules what favourites and rules raised it by, boost times), sessions is how many voted, oldest_session and newest_session the hours they came by, filter_asked and filter_matched how many items the filter was asked about and agreed to. A filter with a path that no item has is a warning, once a session. explanation says stale if events could not be read in time. Writes nothing. Errors: 42704 unknown variant, 55000 the variant is retired, 22023 n or as_of';

CREATE FUNCTION personalize.similar_items(
	item_id personalize.entity_id,
	n integer DEFAULT 20,
	filter personalize.path_filter DEFAULT NULL,
	candidates personalize.entity_id[] DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	explain boolean DEFAULT false,
	as_of timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT rank integer, OUT item_id text, OUT item_key bigint, OUT score double precision,
	OUT reason text, OUT request_id uuid, OUT explanation jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_similar_items' LANGUAGE C STABLE PARALLEL SAFE ROWS 20 COST 1000;
COMMENT ON FUNCTION personalize.similar_items(personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, timestamptz, text) IS
	'items that people went to in the sessions that touched this one; arguments and rows as those of recommend, reason similar_to:<item>. For an item nobody has met yet: what is popular in its category, then trending';

CREATE FUNCTION personalize.trending(
	n integer DEFAULT 20,
	half_life interval DEFAULT '1 day',
	category text DEFAULT NULL,
	filter personalize.path_filter DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	explain boolean DEFAULT false,
	as_of timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT rank integer, OUT item_id text, OUT item_key bigint, OUT score double precision,
	OUT reason text, OUT request_id uuid, OUT explanation jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_trending' LANGUAGE C STABLE PARALLEL SAFE ROWS 20 COST 10000;
COMMENT ON FUNCTION personalize.trending(integer, interval, text, personalize.path_filter, personalize.entity_id[], boolean, timestamptz, text) IS
	'items by the sum of the weights (event_type.weight) of their events, halved with every half_life of an event''s age, counted from the middle of its hour to that of the present one, or to now once that is later; hours older than 10 half-lives are left out, and so are items whose sum is not above zero. Of one category, if that is given. The lists of the half-lives that were asked for in the last day are kept by the processor item_stat, and as fresh as its last batch; others, and with as_of, are counted when they are asked for. reason trending or popular_in:<category>';

CREATE FUNCTION personalize.bought_together(
	items personalize.entity_id[],
	n integer DEFAULT 20,
	filter personalize.path_filter DEFAULT NULL,
	candidates personalize.entity_id[] DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	explain boolean DEFAULT false,
	as_of timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT rank integer, OUT item_id text, OUT item_key bigint, OUT score double precision,
	OUT reason text, OUT request_id uuid, OUT explanation jsonb) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_bought_together' LANGUAGE C STABLE PARALLEL SAFE ROWS 20 COST 10000;
COMMENT ON FUNCTION personalize.bought_together(personalize.entity_id[], integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, timestamptz, text) IS
	'items bought in the same order (properties.order_id), else session, else by the same person on the same day (UTC) as the given ones; score: the number of such baskets among the newest 500 of each given item; reason bought_with:<item>';

REVOKE EXECUTE ON FUNCTION
	personalize.recommend(personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], interval, boolean, personalize.entity_id[], timestamptz, boolean, interval, text),
	personalize.similar_items(personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, timestamptz, text),
	personalize.trending(integer, interval, text, personalize.path_filter, personalize.entity_id[], boolean, timestamptz, text),
	personalize.bought_together(personalize.entity_id[], integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, timestamptz, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.recommend(personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], interval, boolean, personalize.entity_id[], timestamptz, boolean, interval, text),
	personalize.similar_items(personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, timestamptz, text),
	personalize.trending(integer, interval, text, personalize.path_filter, personalize.entity_id[], boolean, timestamptz, text),
	personalize.bought_together(personalize.entity_id[], integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, timestamptz, text)
	TO personalize_app, personalize_admin;

CREATE VIEW personalize.stat_engine AS
	SELECT pg_catalog.split_part(c.name, '.', 2) AS engine, pg_catalog.split_part(c.name, '.', 3) AS measure, c.value
	FROM personalize_internal._counters() c
	WHERE pg_catalog.split_part(c.name, '.', 1) OPERATOR(pg_catalog.=) 'engine';
COMMENT ON VIEW personalize.stat_engine IS
	'what each engine has done since the server started (without shared_preload_libraries: in this session), one row a measure';
COMMENT ON COLUMN personalize.stat_engine.engine IS 'the SQL function: recommend, similar_items, trending, bought_together, rank_search, search_items';
COMMENT ON COLUMN personalize.stat_engine.measure IS
	'calls: answers given; of these empty: without an item, stale: without the person''s newest events, of which more than personalize.max_tail_events were waiting, new_user: nothing is known of the person, no_consent: recommendations are not allowed. A reason: items returned for it';
COMMENT ON COLUMN personalize.stat_engine.value IS 'how often';
GRANT SELECT ON personalize.stat_engine TO personalize_analyst, personalize_admin, personalize_monitor;


-- homepage: pages made of several answers.
CREATE FUNCTION personalize.homepage(
	user_id personalize.entity_id,
	page text DEFAULT 'home',
	shelves integer DEFAULT 6,
	n integer DEFAULT 12,
	filter personalize.path_filter DEFAULT NULL,
	candidates personalize.entity_id[] DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	explain boolean DEFAULT false,
	session_items personalize.entity_id[] DEFAULT NULL,
	as_of timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT shelf integer, OUT module text, OUT title text, OUT rank integer, OUT item_id text, OUT item_key bigint,
	OUT score double precision, OUT reason text, OUT variant text, OUT request_id uuid, OUT explanation jsonb)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_homepage' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 72 COST 5000;
COMMENT ON FUNCTION personalize.homepage(personalize.entity_id, text, integer, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, personalize.entity_id[], timestamptz, text) IS
	'a page for a person: up to so many shelves (1 to 100) of n items (1 to 1000) of the modules of table page_module, an item once a page, on the uppermost shelf that has it. Which module stands on a shelf is drawn by Thompson sampling from impressions and clicks of each module there (engine_stat), apart for visitors of whom nothing is known and for each segment of the page (page_segment); the draws of a person stay the same within the window of the variant (parameter window_minutes). A module with too few items gives way to the next; a shelf for which none is left is not returned. request_id is one a shelf: track impressions and clicks with it. title, reason: why; reasons of recommend() and in_cart, last_viewed, bought_before (it is time to buy it again), favourite, new_in:<category>, editorial, promotion, function. filter, candidates, exclude, explain, session_items, as_of, variant: as in recommend(), for all shelves; as_of replays the draws of its window, with the counters up to its day. Without consent for recommendations there are only modules that need none. Writes nothing. Errors: 42704 unknown page or variant, 22023 shelves, n or as_of, and those of a module''s function';

CREATE FUNCTION personalize.homepage_layout(
	user_id personalize.entity_id,
	page text DEFAULT 'home',
	shelves integer DEFAULT 6,
	n integer DEFAULT 12,
	filter personalize.path_filter DEFAULT NULL,
	candidates personalize.entity_id[] DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	session_items personalize.entity_id[] DEFAULT NULL,
	as_of timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT shelf integer, OUT module text, OUT placed boolean, OUT draw double precision,
	OUT posterior_mean double precision, OUT posterior_low double precision, OUT posterior_high double precision,
	OUT impressions bigint, OUT clicks bigint, OUT propensity double precision, OUT forced text, OUT state text, OUT segment text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_homepage_layout' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 60 COST 5000;
COMMENT ON FUNCTION personalize.homepage_layout(personalize.entity_id, text, integer, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], timestamptz, text) IS
	'why the shelves of homepage() stand as they do, of the same arguments: for each shelf the modules that might have stood there, in the order in which they were tried. draw: from the posterior, whose mean and 95 % interval are those of the share of items clicked; impressions, clicks: items shown and clicked on such a shelf, for such visitors; propensity: the chance with which the one that is placed had the shelf; forced: pin (pinned_shelf), floor (the share of traffic for new modules); NULL: its draw was the greatest. state: placed; outdone by one with a greater draw; too few items; nothing to go by; no consent; enough shelves about its category; its title names what there is not. segment: the kind of visitor that is counted apart, new, known or one of table page_segment. At the end, without a shelf, the modules that were not part of the call, and why. Errors: as homepage()';

CREATE FUNCTION personalize_internal._page_chances(user_id personalize.entity_id, page text, placed integer[], n integer, as_of timestamptz, variant text)
	RETURNS TABLE (shelf integer, module integer, chance double precision, untried double precision)
	AS 'MODULE_PATHNAME', 'personalize_page_chances' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 60 COST 5000;
COMMENT ON FUNCTION personalize_internal._page_chances(personalize.entity_id, text, integer[], integer, timestamptz, text) IS
	'for each shelf of a page the modules (as request_origin() calls them) that could have stood there and had enough items, with the chance of each by this variant, and what its request id would have said, which is the chance among those that the draws of then try after it, enough items or not; if those above have the modules that placed says (number 0: none), in the segment of the last of these, by the counters of the days before as_of; fewer shelves where one of these has too few items';
REVOKE ALL ON FUNCTION personalize_internal._page_chances(personalize.entity_id, text, integer[], integer, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._page_chances(personalize.entity_id, text, integer[], integer, timestamptz, text) TO personalize_admin;

REVOKE ALL ON FUNCTION
	personalize.homepage(personalize.entity_id, text, integer, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, personalize.entity_id[], timestamptz, text),
	personalize.homepage_layout(personalize.entity_id, text, integer, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], timestamptz, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.homepage(personalize.entity_id, text, integer, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], boolean, personalize.entity_id[], timestamptz, text),
	personalize.homepage_layout(personalize.entity_id, text, integer, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], personalize.entity_id[], timestamptz, text)
	TO personalize_app, personalize_admin;

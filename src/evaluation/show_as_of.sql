-- show_as_of: is what was shown what would be shown again?
CREATE FUNCTION personalize_internal._page_again(user_id personalize.entity_id, variant text, at timestamptz, module integer) RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT array_agg(h.item_key ORDER BY h.rank)
	FROM personalize.homepage($1, (SELECT m.page FROM personalize.page_module m WHERE m.number = $4 / 2), 20, as_of => $3, variant => $2) h
	WHERE (personalize.request_origin(h.request_id)).module = $4
$$;
COMMENT ON FUNCTION personalize_internal._page_again(personalize.entity_id, text, timestamptz, integer) IS
	'the items of a module of the page that homepage() answers a person with as of a time; NULL: it is not on it';

CREATE FUNCTION personalize_internal._why_not_same(engine text, at timestamptz, shown bigint[], again bigint[], rules_changed boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT CASE
		WHEN EXISTS (SELECT FROM unnest($3) AS s (key) WHERE NOT EXISTS (SELECT FROM personalize.item i WHERE i.item_key = s.key AND i.available AND NOT i.hidden))
			THEN 'items that were shown are not offered now'
		WHEN EXISTS (SELECT FROM personalize.item i WHERE i.item_key = ANY ($3 || $4) AND greatest(i.updated_at, i.created_at) > $2) THEN 'items have been changed since'
		WHEN $5 THEN 'rules have been made since'
		WHEN $1 = 'homepage' THEN 'the counters of its day have changed since, or it was asked with other arguments'
		ELSE 'it was asked with other arguments, or before events that came late' END
$$;
COMMENT ON FUNCTION personalize_internal._why_not_same(text, timestamptz, bigint[], bigint[], boolean) IS 'the likeliest reason why an answer is not given again';

CREATE FUNCTION personalize.show_as_of(user_id personalize.entity_id, request_id uuid)
	RETURNS TABLE (slot integer, shown_item_id text, item_id text, same boolean, reason text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp ROWS 12 AS $$
#variable_conflict use_column
DECLARE
	said record;
	first record;
	made_by text;
	obstacle text;
	answer bigint[];
BEGIN
	IF show_as_of.user_id IS NULL OR show_as_of.request_id IS NULL THEN
		RAISE EXCEPTION '% must not be null', CASE WHEN show_as_of.user_id IS NULL THEN 'user_id' ELSE 'request_id' END USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT * INTO said FROM personalize.request_origin(show_as_of.request_id);
	IF said.engine IS NULL THEN
		RAISE EXCEPTION 'request_id "%" is not of an answer of this database', show_as_of.request_id USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT min(l.at) - interval '1 microsecond' AS at, max(l.query) AS query, bool_or(l.events_gone) AS gone, bool_and(l.allowed) AS allowed, bool_or(l.rules_changed) AS rules_changed,
			least(max(l.slot), 1000)::integer AS places, array_agg(l.item_key ORDER BY l.slot, l.item_key) AS items, array_agg(l.score ORDER BY l.slot, l.item_key) AS scores
		INTO first FROM personalize_internal._logged_request(show_as_of.user_id, show_as_of.request_id::text) l;
	IF first.at IS NULL THEN
		RAISE EXCEPTION 'nothing of request "%" is known to have been shown to user "%"', show_as_of.request_id, show_as_of.user_id USING ERRCODE = 'undefined_object',
			HINT = 'What was shown is told by track_impressions(), counted by the processor exposure for people who allow analytics, and kept as retention_policy says.';
	END IF;
	made_by := personalize_internal._variant_name(said.engine, said.variant);
	obstacle := CASE WHEN said.engine IN ('similar_items', 'bought_together') THEN 'what it was asked about is not logged'
		WHEN made_by IS NULL THEN 'its variant is retired'
		WHEN NOT first.allowed THEN 'the person does not allow recommendations now'
		WHEN first.gone THEN 'raw events of then are gone' END;
	IF obstacle IS NULL AND said.engine = 'homepage' THEN
		-- draws are those of the window it was shown in
		answer := personalize_internal._page_again(show_as_of.user_id, made_by, first.at + interval '1 microsecond', said.module);
		obstacle := CASE WHEN answer IS NULL THEN 'its module is not on the page again: its counters, modules or arguments are others' END;
	ELSIF obstacle IS NULL THEN
		answer := personalize_internal._ask_again(said.engine, made_by, show_as_of.user_id, first.at, first.places, NULL, first.query, first.items, first.scores);
	END IF;
	RETURN QUERY
	SELECT l.slot::integer, coalesce(s.item_id, l.item_key::text), coalesce(a.item_id, answer[l.slot]::text), CASE WHEN obstacle IS NULL THEN l.item_key IS NOT DISTINCT FROM answer[l.slot] END,
		CASE WHEN obstacle IS NOT NULL THEN obstacle WHEN l.item_key IS DISTINCT FROM answer[l.slot]
			THEN personalize_internal._why_not_same(said.engine, first.at, first.items, answer, first.rules_changed) END
	FROM personalize_internal._logged_request(show_as_of.user_id, show_as_of.request_id::text) AS l
		LEFT JOIN personalize.item AS s ON s.item_key = l.item_key LEFT JOIN personalize.item AS a ON a.item_key = answer[l.slot]
	ORDER BY l.slot, 2;
END
$$;
COMMENT ON FUNCTION personalize.show_as_of(personalize.entity_id, uuid) IS
	'what of an answer was shown to a person (shown_item_id, in its slot), and what the engine answers as of then (the microsecond before), by the same variant and otherwise by default arguments (item_id). same: it is the same item; NULL: it cannot be asked again, because raw events of then are gone, the variant is retired, the person does not allow recommendations now, the engine goes by items that are not logged, or a page has another module there; reason says so, or why it is likely another. What events, profiles, neighbours and trends said then is exact while raw events are there; the catalogue, rules, preferences and consent are those of now, the counters of a page those of its day. Errors: 22004 NULL, 22023 no request_id of this database, 42704 nothing of it was shown to the person';

REVOKE ALL ON FUNCTION personalize_internal._page_again(personalize.entity_id, text, timestamptz, integer),
	personalize_internal._why_not_same(text, timestamptz, bigint[], bigint[], boolean), personalize.show_as_of(personalize.entity_id, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._page_again(personalize.entity_id, text, timestamptz, integer),
	personalize_internal._why_not_same(text, timestamptz, bigint[], bigint[], boolean), personalize.show_as_of(personalize.entity_id, uuid) TO personalize_admin;

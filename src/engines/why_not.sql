-- why_not: why a person is not recommended an item.
CREATE FUNCTION personalize.why_not(
	user_id personalize.entity_id,
	item_id personalize.entity_id,
	n integer DEFAULT 20,
	filter personalize.path_filter DEFAULT NULL,
	candidates personalize.entity_id[] DEFAULT NULL,
	exclude personalize.entity_id[] DEFAULT NULL,
	exclude_seen interval DEFAULT NULL,
	session_items personalize.entity_id[] DEFAULT NULL,
	as_of timestamptz DEFAULT NULL,
	allow_session_items boolean DEFAULT false,
	exclude_bought interval DEFAULT NULL,
	variant text DEFAULT NULL,
	OUT step integer, OUT gate text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_why_not' LANGUAGE C STABLE PARALLEL SAFE ROWS 15 COST 10000;
COMMENT ON FUNCTION personalize.why_not(personalize.entity_id, personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], interval, personalize.entity_id[], timestamptz, boolean, interval, text) IS
	'why recommend(), with the same arguments, does not return an item to a person, or where it does: a row for each gate it has to pass, in order. known: anything has the id; catalogue: the catalogue has it (if not, it still counts as available); then the conditions that recommend() asks: available, hidden (by whom, when), rule: which row of table rule excludes it; hidden by the person, itself or its kind; consent: the answer can be personal; filter, candidates, exclude, seen, bought; neighbours: how many sessions voted for it, and when; rank: the rank it has, or would have by score if nothing of this spoke against it. ok: the gate lets it pass; fix: the call or argument that changes it. Errors: 22004 item_id is null, 22023 n is not between 1 and 1000, 42704 unknown variant, 55000 the variant is retired. Writes nothing, counts nothing';
REVOKE EXECUTE ON FUNCTION personalize.why_not(personalize.entity_id, personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], interval, personalize.entity_id[], timestamptz, boolean, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.why_not(personalize.entity_id, personalize.entity_id, integer, personalize.path_filter, personalize.entity_id[], personalize.entity_id[], interval, personalize.entity_id[], timestamptz, boolean, interval, text)
	TO personalize_app, personalize_admin;

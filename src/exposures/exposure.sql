-- exposure: what was shown to people, and what they did then.
CREATE TABLE personalize.exposure (
	user_key bigint NOT NULL,
	request_key bigint NOT NULL,
	item_key bigint NOT NULL,
	shown_at timestamptz NOT NULL,
	request_origin bigint NOT NULL,
	query_key bigint NOT NULL,
	slot smallint NOT NULL,
	reason smallint NOT NULL,
	score real NOT NULL DEFAULT 'NaN',
	PRIMARY KEY (user_key, request_key, item_key)
);
CREATE INDEX exposure_shown_at_idx ON personalize.exposure (user_key, shown_at);
SELECT pg_catalog.pg_extension_config_dump('personalize.exposure', '');
COMMENT ON TABLE personalize.exposure IS
	'what was shown to people who allow analytics, once an item and request, the first time; kept by the processor exposure for as long as retention_policy exposure says';
COMMENT ON COLUMN personalize.exposure.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.exposure.request_key IS
	'key of request_id; where none was given, one of the message, or else of the moment';
COMMENT ON COLUMN personalize.exposure.item_key IS 'item_key(item_id)';
COMMENT ON COLUMN personalize.exposure.shown_at IS 'when it was shown first';
COMMENT ON COLUMN personalize.exposure.request_origin IS 'event.request_origin; 0: this database has not made the request_id';
COMMENT ON COLUMN personalize.exposure.query_key IS 'query_key(query) of the page; 0: none';
COMMENT ON COLUMN personalize.exposure.slot IS 'place on the page, from 1; 0: not told';
COMMENT ON COLUMN personalize.exposure.reason IS
	'why the engine returned it, _reason_name(reason): as the event says (reason), else that of all rows of the answer; 0: they had several, or it is no answer of ours';

COMMENT ON COLUMN personalize.exposure.score IS
	'how well it agrees with the query, as the application''s own search has it (items[].score of the event), on any scale; of several the greatest; NaN: not told';

CREATE TABLE personalize.exposure_outcome (
	user_key bigint NOT NULL,
	ts timestamptz NOT NULL,
	item_key bigint NOT NULL,
	event smallint NOT NULL,
	ordinal smallint NOT NULL,
	place integer NOT NULL,
	currency_code integer,
	amount bigint,
	attributed_to bigint,
	request_origin bigint,
	PRIMARY KEY (user_key, ts, place)
);
-- most are credited to nothing
CREATE INDEX exposure_outcome_attributed_to_idx ON personalize.exposure_outcome (user_key, attributed_to) WHERE attributed_to IS NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('personalize.exposure_outcome', '');
COMMENT ON TABLE personalize.exposure_outcome IS
	'clicks, carts and purchases of people who allow analytics, and the request each is credited to; kept by the processor exposure';
COMMENT ON COLUMN personalize.exposure_outcome.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.exposure_outcome.ts IS 'when it happened';
COMMENT ON COLUMN personalize.exposure_outcome.item_key IS 'item_key(item_id)';
COMMENT ON COLUMN personalize.exposure_outcome.event IS 'event_type.event';
COMMENT ON COLUMN personalize.exposure_outcome.ordinal IS 'place among the items of its message, from 0';
COMMENT ON COLUMN personalize.exposure_outcome.place IS 'place among what the person did at that moment, from 0, in the order of the other columns';
COMMENT ON COLUMN personalize.exposure_outcome.currency_code IS 'currency of amount as _currency(currency_code); NULL: none';
COMMENT ON COLUMN personalize.exposure_outcome.amount IS 'of a purchase: what was paid, in 10^-6 of the currency; NULL: nothing';
COMMENT ON COLUMN personalize.exposure_outcome.attributed_to IS
	'exposure.request_key it is credited to: the request it names, else the newest in which its item was shown within personalize.attribution_window; NULL: none';
COMMENT ON COLUMN personalize.exposure_outcome.request_origin IS
	'of the request it names: event.request_origin; 0: this database has not made the request_id; -1: it was counted with what was shown, which is past its time; NULL: it names none';
REVOKE ALL ON personalize.exposure, personalize.exposure_outcome FROM PUBLIC;
GRANT SELECT ON personalize.exposure, personalize.exposure_outcome TO personalize_analyst, personalize_admin;

CREATE TABLE personalize.engine_stat (
	engine smallint NOT NULL,
	variant integer NOT NULL,
	module integer NOT NULL,
	reason smallint NOT NULL,
	place_bucket smallint NOT NULL,
	day date NOT NULL,
	currency_code integer NOT NULL,
	shown bigint NOT NULL,
	clicked bigint NOT NULL,
	carted bigint NOT NULL,
	bought bigint NOT NULL,
	requests bigint NOT NULL,
	amount bigint NOT NULL,
	PRIMARY KEY (engine, variant, module, reason, place_bucket, day, currency_code)
) WITH (fillfactor = 50);
-- pages read the last days of one engine
CREATE INDEX engine_stat_day_idx ON personalize.engine_stat (engine, day);
SELECT pg_catalog.pg_extension_config_dump('personalize.engine_stat', '');
COMMENT ON TABLE personalize.engine_stat IS
	'per engine, variant, module, reason, place and day how many items were shown and how many of these were clicked, put into a cart and bought, each counted once a request; kept by the processor exposure';
COMMENT ON COLUMN personalize.engine_stat.engine IS 'the engine, _engine_name(engine)';
COMMENT ON COLUMN personalize.engine_stat.variant IS 'of the engine''s parameters; 0: as shipped';
COMMENT ON COLUMN personalize.engine_stat.module IS 'part of a page; 0: none';
COMMENT ON COLUMN personalize.engine_stat.reason IS 'exposure.reason';
COMMENT ON COLUMN personalize.engine_stat.place_bucket IS
	'place of the answer on the page, where its id tells it, else of the item, in buckets as item_stat.slot_bucket; -1: an outcome names a request in which its item is not known to have been shown';
COMMENT ON COLUMN personalize.engine_stat.day IS 'the day (UTC) it was shown, whenever the outcome came';
COMMENT ON COLUMN personalize.engine_stat.currency_code IS
	'currency of amount as _currency(currency_code); 0: none, where everything else is counted';
COMMENT ON COLUMN personalize.engine_stat.requests IS 'answers shown with this reason, each counted once, at the place of its first item of the reason';
COMMENT ON COLUMN personalize.engine_stat.amount IS 'what was paid for what was bought, in 10^-6 of the currency';
GRANT SELECT ON personalize.engine_stat TO personalize_analyst, personalize_admin;

-- By query_key one can tell whether a text one guesses was searched, so analysts
-- read it through search_performance.
CREATE TABLE personalize.search_stat (
	query_key bigint NOT NULL,
	item_key bigint NOT NULL,
	day date NOT NULL,
	place_bucket smallint NOT NULL,
	shown bigint NOT NULL,
	clicked bigint NOT NULL,
	carted bigint NOT NULL,
	bought bigint NOT NULL,
	PRIMARY KEY (query_key, item_key, day, place_bucket)
) WITH (fillfactor = 70);
SELECT pg_catalog.pg_extension_config_dump('personalize.search_stat', '');
COMMENT ON TABLE personalize.search_stat IS
	'per query, item, day and place how often the item was shown, and how many of these times it was clicked, put into a cart and bought; kept by the processor exposure';
COMMENT ON COLUMN personalize.search_stat.query_key IS 'query_key(query)';
COMMENT ON COLUMN personalize.search_stat.day IS 'the day (UTC) it was shown';
COMMENT ON COLUMN personalize.search_stat.place_bucket IS 'item_stat.slot_bucket';
REVOKE ALL ON personalize.search_stat FROM PUBLIC;
GRANT SELECT ON personalize.search_stat TO personalize_admin;

CREATE FUNCTION personalize.track_impressions(
	user_id personalize.entity_id,
	request_id personalize.entity_id,
	item_ids personalize.entity_id[],
	first_slot integer DEFAULT 1,
	query text DEFAULT NULL,
	reasons text[] DEFAULT NULL,
	ts personalize.event_time DEFAULT NULL,
	session_id personalize.entity_id DEFAULT NULL,
	message_id personalize.entity_id DEFAULT NULL,
	consent text[] DEFAULT NULL,
	scores double precision[] DEFAULT NULL) RETURNS personalize.ingest_status
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := coalesce(cardinality(item_ids), 0);
	first integer := coalesce(first_slot, 1);
	wrong integer;
	shown jsonb;
BEGIN
	IF item_ids IS NULL THEN
		RAISE EXCEPTION 'item_ids must not be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF array_ndims(item_ids) > 1 THEN
		RAISE EXCEPTION 'item_ids must have one dimension, not %', array_ndims(item_ids) USING ERRCODE = 'array_subscript_error';
	ELSIF n > 1000 THEN
		RAISE EXCEPTION 'item_ids has % elements, more than 1000', n USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Track a long page in parts, with first_slot.';
	ELSIF first NOT BETWEEN 1 AND 32768 - n THEN
		RAISE EXCEPTION 'first_slot "%" is not between 1 and %', first, 32768 - n USING ERRCODE = 'invalid_parameter_value';
	ELSIF cardinality(reasons) <> n THEN
		RAISE EXCEPTION 'reasons has % elements, item_ids %', cardinality(reasons), n USING ERRCODE = 'array_subscript_error';
	ELSIF cardinality(scores) <> n THEN
		RAISE EXCEPTION 'scores has % elements, item_ids %', cardinality(scores), n USING ERRCODE = 'array_subscript_error',
			HINT = 'Give a score for each item, NULL for one that the search has not found.';
	END IF;
	SELECT min(s.place) INTO wrong FROM unnest(scores) WITH ORDINALITY AS s (score, place) WHERE s.score NOT BETWEEN -9e18 AND 9e18;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'score % must be between -9e18 and 9e18, not "%"', wrong, (ARRAY(SELECT unnest(scores)))[wrong] USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF array_position(item_ids::text[], NULL) IS NOT NULL THEN
		RAISE EXCEPTION 'item_ids must not have null in place %', array_position(item_ids::text[], NULL)
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT coalesce(jsonb_agg(jsonb_build_object('item_id', i.id, 'slot', first + i.place - 1, 'reason', i.reason, 'score', i.score) ORDER BY i.place), '[]')
		INTO shown FROM ROWS FROM (unnest(item_ids::text[]), unnest(reasons), unnest(scores)) WITH ORDINALITY AS i (id, reason, score, place);
	RETURN personalize.track(user_id, 'view_item_list', NULL, jsonb_strip_nulls(jsonb_build_object('items', shown, 'query', query)),
		ts, session_id, request_id, message_id, consent);
END
$$;
COMMENT ON FUNCTION personalize.track_impressions(personalize.entity_id, personalize.entity_id, personalize.entity_id[], integer, text, text[], personalize.event_time, personalize.entity_id, personalize.entity_id, text[], double precision[]) IS
	'tracks what a page showed: an event view_item_list with the items at first_slot, first_slot + 1 and so on; request_id is that of the answer they came from, or NULL; query what was searched; reasons those of the answer''s rows, which are counted apart (without them, the one reason of the answer if it had but one); scores how well your own search has each agree with the query, on any scale, as they were given to rank_search() (NULL: it has not found the item), which train_ranker() and export_training_data() go by. The rest as in track(). Errors: 22004 item_ids or one of them is null; 2202E reasons or scores of another length; 22023 more than 1000 items, first_slot or a score out of range, and those of track()';
REVOKE EXECUTE ON FUNCTION personalize.track_impressions(personalize.entity_id, personalize.entity_id, personalize.entity_id[], integer, text, text[], personalize.event_time, personalize.entity_id, personalize.entity_id, text[], double precision[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.track_impressions(personalize.entity_id, personalize.entity_id, personalize.entity_id[], integer, text, text[], personalize.event_time, personalize.entity_id, personalize.entity_id, text[], double precision[])
	TO personalize_app, personalize_admin;

CREATE FUNCTION personalize_internal._wilson(successes bigint, trials bigint, OUT low double precision, OUT high double precision)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT greatest(0, m.middle - m.half), least(1, m.middle + m.half)
	FROM (SELECT least(successes, trials)::float8 / nullif(trials, 0) AS p, 1.959963984540054 ^ 2 / nullif(trials, 0) AS z) AS r,
		LATERAL (SELECT (r.p + r.z / 2) / (1 + r.z) AS middle,
			sqrt(r.p * (1 - r.p) * r.z + r.z ^ 2 / 4) / (1 + r.z) AS half) AS m;
END;
COMMENT ON FUNCTION personalize_internal._wilson(bigint, bigint) IS
	'the 95 % score interval of a share (E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212); NULL of no trials';
REVOKE EXECUTE ON FUNCTION personalize_internal._wilson(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._wilson(bigint, bigint) TO personalize_owner, personalize_analyst, personalize_admin;

CREATE VIEW personalize.answer_performance AS
	SELECT personalize_internal._engine_name(s.engine) AS engine, s.variant, s.module, personalize_internal._reason_name(s.reason) AS reason, s.day,
		s.requests, s.impressions, s.clicks,
		s.shown_clicks::float8 / nullif(s.impressions, 0) AS ctr, c.low AS ctr_low, c.high AS ctr_high,
		s.carts, s.purchases,
		s.shown_purchases::float8 / nullif(s.impressions, 0) AS purchase_rate, p.low AS purchase_rate_low, p.high AS purchase_rate_high,
		s.revenue
	FROM (
		SELECT g.engine, g.variant, g.module, g.reason, g.day,
			sum(g.requests)::bigint AS requests, sum(g.shown)::bigint AS impressions, sum(g.clicked)::bigint AS clicks,
			sum(g.shown_clicked)::bigint AS shown_clicks, sum(g.carted)::bigint AS carts, sum(g.bought)::bigint AS purchases,
			sum(g.shown_bought)::bigint AS shown_purchases,
			jsonb_object_agg(coalesce(personalize_internal._currency(g.currency_code), ''), trim_scale(g.amount / 1000000)) FILTER (WHERE g.amount <> 0) AS revenue
		FROM (
			SELECT e.engine, e.variant, e.module, e.reason, e.day, e.currency_code, sum(e.requests) AS requests, sum(e.shown) AS shown,
				sum(e.clicked) AS clicked, coalesce(sum(e.clicked) FILTER (WHERE e.place_bucket >= 0), 0) AS shown_clicked,
				sum(e.carted) AS carted, sum(e.bought) AS bought,
				coalesce(sum(e.bought) FILTER (WHERE e.place_bucket >= 0), 0) AS shown_bought, sum(e.amount) AS amount
			FROM personalize.engine_stat AS e
			GROUP BY 1, 2, 3, 4, 5, 6) AS g
		GROUP BY 1, 2, 3, 4, 5) AS s,
		LATERAL personalize_internal._wilson(s.shown_clicks, s.impressions) AS c,
		LATERAL personalize_internal._wilson(s.shown_purchases, s.impressions) AS p;
COMMENT ON VIEW personalize.answer_performance IS
	'engine_stat by engine, variant, module, reason and day (UTC) on which the answer was shown: what came of it. An item counts once a request, however often it was clicked';
COMMENT ON COLUMN personalize.answer_performance.reason IS
	'as the rows of the engine have it, without what it names; several: the impression does not tell, and the answer had more than one';
COMMENT ON COLUMN personalize.answer_performance.requests IS 'answers with impressions of this reason; one with two reasons is in both rows';
COMMENT ON COLUMN personalize.answer_performance.clicks IS
	'items clicked, with those whose events name the answer although no impression of theirs was tracked';
COMMENT ON COLUMN personalize.answer_performance.ctr IS 'of the impressions, the share that was clicked; ctr_low and ctr_high: its 95 % interval (Wilson)';
COMMENT ON COLUMN personalize.answer_performance.purchase_rate IS 'of the impressions, the share that was bought, with its interval';
COMMENT ON COLUMN personalize.answer_performance.revenue IS 'what was paid for them, by currency; NULL: nothing';
GRANT SELECT ON personalize.answer_performance TO personalize_analyst, personalize_admin;

CREATE VIEW personalize.search_performance AS
	SELECT n.query, n.item_id, n.item_key, n.day, n.impressions, n.clicks,
		n.clicks::float8 / nullif(n.impressions, 0) AS ctr, c.low AS ctr_low, c.high AS ctr_high, n.carts, n.purchases
	FROM (
		SELECT personalize_internal._item_shown(i.item_id, s.item_key) AS item_id, s.*
		FROM (
			SELECT q.query, t.item_key, t.day, sum(t.shown)::bigint AS impressions, sum(t.clicked)::bigint AS clicks,
				sum(t.carted)::bigint AS carts, sum(t.bought)::bigint AS purchases
			FROM personalize.search_stat AS t
				LEFT JOIN (
					SELECT k.query_key, personalize_internal._shown_query(k.query_key) AS query FROM personalize.search_query AS k) AS q
					ON q.query_key = t.query_key
			GROUP BY 1, 2, 3) AS s
			LEFT JOIN personalize.item AS i ON i.item_key = s.item_key) AS n,
		LATERAL personalize_internal._wilson(n.clicks, n.impressions) AS c
	WHERE personalize_internal._id_asked(n.item_id, n.item_key);
COMMENT ON VIEW personalize.search_performance IS
	'search_stat by query, item and day (UTC) on which it was shown';
COMMENT ON COLUMN personalize.search_performance.item_id IS 'NULL if the catalogue does not have it any more and the key is no id; item_key never is';
COMMENT ON COLUMN personalize.search_performance.query IS
	'the words that were searched; NULL: all queries together that fewer than personalize.min_query_people people have searched, of those whose exposures are kept';
COMMENT ON COLUMN personalize.search_performance.ctr IS 'of the impressions, the share that was clicked; ctr_low and ctr_high: its 95 % interval (Wilson)';
GRANT SELECT ON personalize.search_performance TO personalize_analyst, personalize_admin;

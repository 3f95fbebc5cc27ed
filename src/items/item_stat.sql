-- item_stat: what happened to each item, hour by hour, counted exactly.
CREATE TABLE personalize.item_stat (
	pane_start timestamptz NOT NULL,
	item_key bigint NOT NULL,
	currency_code integer NOT NULL,
	event smallint NOT NULL,
	slot_bucket smallint NOT NULL,
	count bigint NOT NULL,
	amount bigint NOT NULL,
	PRIMARY KEY (pane_start, item_key, currency_code, event, slot_bucket)
) WITH (fillfactor = 95);
SELECT pg_catalog.pg_extension_config_dump('personalize.item_stat', '');
COMMENT ON TABLE personalize.item_stat IS
	'events per item and hour of the event''s own time, from those that may be used for analytics; written by the processor item_stat, so it lags by what that has still to read (stat_processor)';
COMMENT ON COLUMN personalize.item_stat.pane_start IS 'the hour (UTC) the events happened in; once it is older than retention_policy item_stat_hour, the day';
COMMENT ON COLUMN personalize.item_stat.currency_code IS 'currency of amount as _currency(currency_code), 0: none';
COMMENT ON COLUMN personalize.item_stat.event IS 'event_type.event';
COMMENT ON COLUMN personalize.item_stat.slot_bucket IS
	'place on the page: 0 none, 1 to 4 as they are, 5: 5 to 8, 6: 9 to 16, 7: 17 to 32, 8: beyond';
COMMENT ON COLUMN personalize.item_stat.count IS 'how many events';
COMMENT ON COLUMN personalize.item_stat.amount IS
	'sum of event.value in 10^-6 of the currency';
GRANT SELECT ON personalize.item_stat TO personalize_analyst, personalize_admin;

CREATE TABLE personalize._item_stat_fold (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	folded_before timestamptz NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('personalize._item_stat_fold', '');
COMMENT ON TABLE personalize._item_stat_fold IS
	'panes of item_stat that start before this time are whole days; no row: all are hours';

CREATE TABLE personalize._basket (
	item_key bigint NOT NULL,
	day date NOT NULL,
	basket bigint NOT NULL,
	user_key bigint NOT NULL,
	count bigint NOT NULL,
	PRIMARY KEY (item_key, day, basket)
);
CREATE INDEX _basket_basket_idx ON personalize._basket (basket, day);
CREATE INDEX _basket_user_key_idx ON personalize._basket (user_key);
SELECT pg_catalog.pg_extension_config_dump('personalize._basket', '');
COMMENT ON TABLE personalize._basket IS
	'which items were bought together: in one order (properties.order_id), else in one session, else by one person on one day (UTC); a negative count is one that is restricted and not looked at';
REVOKE ALL ON personalize._basket FROM PUBLIC;

-- Lists that can be made again, so they are not dumped.
CREATE TABLE personalize._popular (
	half_life bigint NOT NULL,
	category_key bigint NOT NULL,
	category text,
	as_of timestamptz NOT NULL,
	items bigint[] NOT NULL,
	scores double precision[] NOT NULL,
	PRIMARY KEY (half_life, category_key)
) WITH (fillfactor = 50, toast_tuple_target = 8160);
ALTER TABLE personalize._popular ALTER items SET STORAGE EXTERNAL, ALTER scores SET STORAGE EXTERNAL;
COMMENT ON TABLE personalize._popular IS
	'what is trending, overall and in each category, the best first, with a half-life (microseconds) of a day and with those that trending() was asked for lately; scores are those of as_of. Kept by the processor item_stat';
REVOKE ALL ON personalize._popular FROM PUBLIC;
CREATE TABLE personalize._repeat_purchase (
	category_key bigint PRIMARY KEY,
	category text,
	buyers bigint NOT NULL,
	again bigint NOT NULL
) WITH (fillfactor = 80);
COMMENT ON TABLE personalize._repeat_purchase IS
	'by category: pairs of a person and an item bought (buyers), and how many of these were bought in more than one basket (again); counted from _basket by the processor item_stat';
REVOKE ALL ON personalize._repeat_purchase FROM PUBLIC;
CREATE TABLE personalize._repeat_interval (
	item_key bigint PRIMARY KEY,
	days double precision NOT NULL
) WITH (fillfactor = 80);
COMMENT ON TABLE personalize._repeat_interval IS
	'by item: the median of the days (UTC) between two on which one person bought it, where there are three; counted from _basket by the processor item_stat';
REVOKE ALL ON personalize._repeat_interval FROM PUBLIC;
CREATE TABLE personalize._popular_state (
	list text PRIMARY KEY,
	made_at timestamptz NOT NULL,
	cost interval NOT NULL,
	events bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE personalize._popular_state IS
	'when lists that are kept for engines were made, how long it took, and how many events item_stat had counted: trending in _popular, repeat_purchase in _repeat_purchase, repeat_interval in _repeat_interval';
REVOKE ALL ON personalize._popular_state FROM PUBLIC;

CREATE FUNCTION personalize_internal._currency(currency_code integer) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_currency' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._currency(integer) IS 'the currency of item_stat.currency_code; NULL for 0';
CREATE FUNCTION personalize_internal._slot_bucket(slot smallint) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_slot_bucket' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._slot_bucket(smallint) IS 'item_stat.slot_bucket of a place on the page';

-- How views show an item, and how a condition on what they show finds it by its key.
CREATE FUNCTION personalize_internal._item_name(item_id text, item_key bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_item_name' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION personalize_internal._item_name(text, bigint) IS
	'the id of an item: the catalogue''s, else the key, if it is an id itself (0 and above), else NULL';
CREATE FUNCTION personalize_internal._id_asked_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_id_asked_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE EXECUTE ON FUNCTION personalize_internal._id_asked_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._id_asked(id text, key bigint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_item_asked' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._id_asked_support;
COMMENT ON FUNCTION personalize_internal._id_asked(text, bigint) IS
	'true; a statement with a condition on the id is planned with the condition on its key that follows from it';
CREATE FUNCTION personalize_internal._asked_value_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_asked_value_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE EXECUTE ON FUNCTION personalize_internal._asked_value_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._groups_counted_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_groups_counted_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE EXECUTE ON FUNCTION personalize_internal._groups_counted_support(internal) FROM PUBLIC;
-- volatile only so that it is asked of groups, and not of the rows that are grouped
CREATE FUNCTION personalize_internal._groups_counted(item_key bigint, groups text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_groups_counted' LANGUAGE C VOLATILE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._groups_counted_support;
COMMENT ON FUNCTION personalize_internal._groups_counted(bigint, text) IS
	'true; the planner is told by it how many groups of item_stat by item and these there are: day, or day and event';
REVOKE EXECUTE ON FUNCTION personalize_internal._groups_counted(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._groups_counted(bigint, text) TO personalize_owner, personalize_analyst, personalize_admin;
-- volatile only so that no condition on it is taken into the subquery that shows it: the key has done that
CREATE FUNCTION personalize_internal._item_shown(item_id text, item_key bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_item_name' LANGUAGE C VOLATILE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION personalize_internal._item_shown(text, bigint) IS
	'_item_name(), for views that ask _id_asked() of it';
REVOKE EXECUTE ON FUNCTION personalize_internal._item_name(text, bigint), personalize_internal._item_shown(text, bigint),
	personalize_internal._id_asked(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._item_name(text, bigint), personalize_internal._item_shown(text, bigint),
	personalize_internal._id_asked(text, bigint)
	TO personalize_owner, personalize_analyst, personalize_admin;

-- by the item and what happened, not when: equal keys share their place in the index, and who asks
-- for purchases reads no impressions
CREATE INDEX item_stat_item_key_idx ON personalize.item_stat (item_key, event);
-- what conditions on the views' columns are about
CREATE STATISTICS personalize.item_stat_day ON ((pane_start AT TIME ZONE 'UTC')::date) FROM personalize.item_stat;
CREATE STATISTICS personalize.item_stat_currency ON (personalize_internal._currency(currency_code)) FROM personalize.item_stat;
-- what is counted by key gets its name afterwards
CREATE VIEW personalize.item_performance AS
	SELECT n.item_id, n.item_key, n.day, n.impressions, n.selects, n.views, n.wishlists, n.carts, n.purchases, n.refunds, n.revenue
	FROM (
		SELECT personalize_internal._item_shown(i.item_id, d.item_key) AS item_id, d.*
		FROM (
			SELECT c.item_key, c.day,
				sum(c.impressions)::bigint AS impressions, sum(c.selects)::bigint AS selects,
				sum(c.views)::bigint AS views, sum(c.wishlists)::bigint AS wishlists,
				sum(c.carts)::bigint AS carts, sum(c.purchases)::bigint AS purchases,
				sum(c.refunds)::bigint AS refunds,
				jsonb_object_agg(coalesce(personalize_internal._currency(c.currency_code), ''), trim_scale(c.revenue / 1000000))
					FILTER (WHERE c.revenue <> 0) AS revenue
			FROM (
				SELECT s.item_key, (s.pane_start AT TIME ZONE 'UTC')::date AS day, s.currency_code,
					coalesce(sum(s.count) FILTER (WHERE s.event IN (2, 12)), 0) AS impressions,
					coalesce(sum(s.count) FILTER (WHERE s.event IN (3, 13)), 0) AS selects,
					coalesce(sum(s.count) FILTER (WHERE s.event = 4), 0) AS views,
					coalesce(sum(s.count) FILTER (WHERE s.event = 5), 0) AS wishlists,
					coalesce(sum(s.count) FILTER (WHERE s.event = 6), 0) AS carts,
					coalesce(sum(s.count) FILTER (WHERE s.event = 10), 0) AS purchases,
					coalesce(sum(s.count) FILTER (WHERE s.event = 11), 0) AS refunds,
					coalesce(sum(CASE s.event WHEN 10 THEN s.amount WHEN 11 THEN -s.amount END), 0) AS revenue
				FROM personalize.item_stat AS s
				GROUP BY 1, 2, 3) AS c
			GROUP BY c.item_key, c.day) AS d
			LEFT JOIN personalize.item AS i ON i.item_key = d.item_key
		WHERE personalize_internal._groups_counted(d.item_key, 'day')) AS n
	WHERE personalize_internal._id_asked(n.item_id, n.item_key);
COMMENT ON VIEW personalize.item_performance IS
	'item_stat by item and day (UTC): one column per kind of event; revenue is what purchases less refunds brought, by currency (item_revenue has it as rows)';
COMMENT ON COLUMN personalize.item_performance.item_id IS 'NULL if the catalogue does not have it any more and the key is no id; item_key never is. A condition on it uses the key';
COMMENT ON COLUMN personalize.item_performance.day IS 'the day (UTC) the events happened on';
COMMENT ON COLUMN personalize.item_performance.revenue IS 'a JSON object, amounts by currency; NULL: none';
CREATE VIEW personalize.item_revenue AS
	SELECT n.item_id, n.item_key, n.day, n.currency, n.purchases, n.refunds, n.revenue
	FROM (
		SELECT personalize_internal._item_shown(i.item_id, c.item_key) AS item_id, c.*
		FROM (
			SELECT s.item_key, (s.pane_start AT TIME ZONE 'UTC')::date AS day,
				personalize_internal._currency(s.currency_code) AS currency,
				coalesce(sum(s.count) FILTER (WHERE s.event = 10), 0)::bigint AS purchases,
				coalesce(sum(s.count) FILTER (WHERE s.event = 11), 0)::bigint AS refunds,
				trim_scale(sum(CASE s.event WHEN 10 THEN s.amount ELSE -s.amount END) / 1000000) AS revenue
			FROM personalize.item_stat AS s
			WHERE s.event IN (10, 11)
			GROUP BY 1, 2, 3) AS c
			LEFT JOIN personalize.item AS i ON i.item_key = c.item_key) AS n
	WHERE personalize_internal._id_asked(n.item_id, n.item_key);
COMMENT ON VIEW personalize.item_revenue IS
	'what each item brought on each day (UTC) in each currency, one row each: purchases less refunds, from events that may be used for analytics';
COMMENT ON COLUMN personalize.item_revenue.item_id IS 'NULL if the catalogue does not have it any more and the key is no id; item_key never is. A condition on it uses the key';
COMMENT ON COLUMN personalize.item_revenue.day IS 'the day (UTC) the events happened on';
COMMENT ON COLUMN personalize.item_revenue.currency IS 'properties.currency of the events; NULL: they name none';
COMMENT ON COLUMN personalize.item_revenue.purchases IS 'events purchase of the item';
COMMENT ON COLUMN personalize.item_revenue.refunds IS 'events refund of the item';
COMMENT ON COLUMN personalize.item_revenue.revenue IS 'amounts of purchases less those of refunds, in currency';
CREATE VIEW personalize.item_event AS
	SELECT n.item_id, n.item_key, n.day, n.event, n.count
	FROM (
		SELECT personalize_internal._item_shown(i.item_id, c.item_key) AS item_id, c.item_key, c.day, t.name AS event, c.count
		FROM (
			SELECT s.item_key, (s.pane_start AT TIME ZONE 'UTC')::date AS day, s.event, sum(s.count)::bigint AS count
			FROM personalize.item_stat AS s
			GROUP BY 1, 2, 3) AS c
			JOIN personalize.event_type AS t ON t.event = c.event
			LEFT JOIN personalize.item AS i ON i.item_key = c.item_key
		WHERE personalize_internal._groups_counted(c.item_key, 'day and event')
			AND personalize_internal._event_asked(t.name, c.event) AND personalize_internal._event_asked(t.name, t.event)) AS n
	WHERE personalize_internal._id_asked(n.item_id, n.item_key);
COMMENT ON VIEW personalize.item_event IS
	'how many events of each kind an item had on each day (UTC), by name, kinds of your own as well';
COMMENT ON COLUMN personalize.item_event.item_id IS 'NULL if the catalogue does not have it any more and the key is no id; item_key never is. A condition on it uses the key';
COMMENT ON COLUMN personalize.item_event.event IS 'event_type.name';
GRANT SELECT ON personalize.item_performance, personalize.item_revenue, personalize.item_event TO personalize_analyst, personalize_admin;

REVOKE EXECUTE ON FUNCTION personalize_internal._currency(integer), personalize_internal._slot_bucket(smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._currency(integer), personalize_internal._slot_bucket(smallint)
	TO personalize_owner, personalize_app, personalize_analyst, personalize_admin;


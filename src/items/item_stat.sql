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
) WITH (fillfactor = 80);
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
CREATE TABLE personalize._popular_state (
	list text PRIMARY KEY,
	made_at timestamptz NOT NULL,
	cost interval NOT NULL,
	events bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE personalize._popular_state IS
	'when lists that are kept for engines were made, how long it took, and how many events item_stat had counted: trending in _popular, repeat_purchase in _repeat_purchase';
REVOKE ALL ON personalize._popular_state FROM PUBLIC;

CREATE FUNCTION personalize._currency(currency_code integer) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_currency' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize._currency(integer) IS 'the currency of item_stat.currency_code; NULL for 0';
CREATE FUNCTION personalize._slot_bucket(slot smallint) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_slot_bucket' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize._slot_bucket(smallint) IS 'item_stat.slot_bucket of a place on the page';

CREATE VIEW personalize.item_performance AS
	SELECT coalesce(i.item_id, s.item_key::text) AS item_id, s.item_key, s.day,
		s.impressions, s.selects, s.views, s.wishlists, s.carts, s.purchases, s.refunds, s.revenue
	FROM (
		SELECT c.item_key, c.day,
			sum(c.impressions)::bigint AS impressions, sum(c.selects)::bigint AS selects,
			sum(c.views)::bigint AS views, sum(c.wishlists)::bigint AS wishlists,
			sum(c.carts)::bigint AS carts, sum(c.purchases)::bigint AS purchases,
			sum(c.refunds)::bigint AS refunds,
			jsonb_object_agg(c.currency, trim_scale(c.revenue / 1000000)) FILTER (WHERE c.revenue <> 0) AS revenue
		FROM (
			SELECT item_key, (pane_start AT TIME ZONE 'UTC')::date AS day,
				coalesce(personalize._currency(currency_code), '') AS currency,
				coalesce(sum(count) FILTER (WHERE event IN (2, 12)), 0) AS impressions,
				coalesce(sum(count) FILTER (WHERE event IN (3, 13)), 0) AS selects,
				coalesce(sum(count) FILTER (WHERE event = 4), 0) AS views,
				coalesce(sum(count) FILTER (WHERE event = 5), 0) AS wishlists,
				coalesce(sum(count) FILTER (WHERE event = 6), 0) AS carts,
				coalesce(sum(count) FILTER (WHERE event = 10), 0) AS purchases,
				coalesce(sum(count) FILTER (WHERE event = 11), 0) AS refunds,
				coalesce(sum(CASE event WHEN 10 THEN amount WHEN 11 THEN -amount END), 0) AS revenue
			FROM personalize.item_stat
			GROUP BY 1, 2, 3) c
		GROUP BY c.item_key, c.day) s
	LEFT JOIN personalize.item i ON i.item_key = s.item_key;
COMMENT ON VIEW personalize.item_performance IS
	'item_stat by item and day (UTC): one column per kind of event; revenue is what purchases less refunds brought, by currency';
GRANT SELECT ON personalize.item_performance TO personalize_analyst, personalize_admin;

REVOKE EXECUTE ON FUNCTION personalize._currency(integer), personalize._slot_bucket(smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize._currency(integer), personalize._slot_bucket(smallint)
	TO personalize_owner, personalize_app, personalize_analyst, personalize_admin;


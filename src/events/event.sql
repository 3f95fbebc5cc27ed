-- event: raw behaviour, partitioned by the day it arrived (UTC).
CREATE TABLE personalize.event_type (
	event smallint PRIMARY KEY CHECK (event OPERATOR(pg_catalog.>) 0),
	name text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 64),
	weight numeric DEFAULT 1,
	description text,
	builtin boolean NOT NULL DEFAULT false
);
-- Names differ in more than case and the blanks around them; what case is of ASCII does not depend on the database's locale.
CREATE UNIQUE INDEX event_type_lower_name_idx ON personalize.event_type (pg_catalog.lower(pg_catalog.lower(name COLLATE pg_catalog."C") COLLATE pg_catalog."default"));
-- as weights of signals; NaN is above all numbers
ALTER TABLE personalize.event_type ADD CONSTRAINT event_type_weight_range CHECK (weight OPERATOR(pg_catalog.>=) -1000000 AND weight OPERATOR(pg_catalog.<=) 1000000);
ALTER TABLE personalize.event_type ADD CONSTRAINT event_type_name_trimmed CHECK (name OPERATOR(pg_catalog.=) pg_catalog.btrim(name));
COMMENT ON TABLE personalize.event_type IS
	'kinds of event; names follow Google Analytics 4, others are added when they are first tracked. Case and blanks around a name are no matter';
COMMENT ON COLUMN personalize.event_type.event IS 'number stored in event.event';
COMMENT ON COLUMN personalize.event_type.weight IS
	'how much interest one such event expresses, in views, -1000000 to 1000000; signals start from it. NULL: a name that was tracked and that nobody has given a weight yet; it counts nothing, except for signals that name it. See data_quality';
INSERT INTO personalize.event_type VALUES
	(1, 'search', 0.5, 'a search was made; properties.query holds the words', true),
	(2, 'view_item_list', 0, 'items were shown: an exposure, not interest', true),
	(3, 'select_item', 1, 'an item was chosen from a list', true),
	(4, 'view_item', 1, 'an item''s page was viewed', true),
	(5, 'add_to_wishlist', 3, 'an item was put on a wish list', true),
	(6, 'add_to_cart', 4, 'an item was put in the cart', true),
	(7, 'remove_from_cart', -2, 'an item was taken out of the cart', true),
	(8, 'view_cart', 0, 'the cart was viewed', true),
	(9, 'begin_checkout', 5, 'checkout was begun', true),
	(10, 'purchase', 10, 'an item was bought', true),
	(11, 'refund', -10, 'a purchase was undone', true),
	(12, 'view_promotion', 0, 'a promotion was shown: an exposure', true),
	(13, 'select_promotion', 1, 'a promotion was clicked', true);
SELECT pg_catalog.pg_extension_config_dump('personalize.event_type', 'WHERE NOT builtin');

CREATE TABLE personalize.event_alias (
	alias text PRIMARY KEY,
	event smallint NOT NULL REFERENCES personalize.event_type,
	builtin boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX event_alias_lower_alias_idx ON personalize.event_alias (pg_catalog.lower(pg_catalog.lower(alias COLLATE pg_catalog."C") COLLATE pg_catalog."default"));
ALTER TABLE personalize.event_alias ADD CONSTRAINT event_alias_alias_trimmed CHECK (alias OPERATOR(pg_catalog.=) pg_catalog.btrim(alias));
COMMENT ON TABLE personalize.event_alias IS
	'other names of event types: Segment v2, Snowplow, Google Retail, and yours. An alias counts before a name that is the same, so it also corrects names that have been tracked';
INSERT INTO personalize.event_alias VALUES
	('Products Searched', 1, true), ('products_searched', 1, true), ('view_search_results', 1, true),
	('Product List Viewed', 2, true), ('product_list_viewed', 2, true), ('list_view', 2, true), ('category-page-view', 2, true), ('impression', 2, true),
	('Product Clicked', 3, true), ('product_clicked', 3, true), ('list_click', 3, true), ('click', 3, true),
	('Product Viewed', 4, true), ('product_viewed', 4, true), ('product_view', 4, true), ('detail-page-view', 4, true), ('view', 4, true),
	('Product Added to Wishlist', 5, true), ('product_added_to_wishlist', 5, true),
	('Product Added', 6, true), ('product_added', 6, true), ('add-to-cart', 6, true),
	('Product Removed', 7, true), ('product_removed', 7, true), ('remove-from-cart', 7, true),
	('Cart Viewed', 8, true), ('cart_viewed', 8, true), ('shopping-cart-page-view', 8, true),
	('Checkout Started', 9, true), ('checkout_started', 9, true), ('checkout_step', 9, true),
	('Order Completed', 10, true), ('order_completed', 10, true), ('transaction', 10, true), ('purchase-complete', 10, true),
	('Order Refunded', 11, true), ('order_refunded', 11, true),
	('Promotion Viewed', 12, true), ('promotion_viewed', 12, true), ('promo_view', 12, true),
	('Promotion Clicked', 13, true), ('promotion_clicked', 13, true), ('promo_click', 13, true);
SELECT pg_catalog.pg_extension_config_dump('personalize.event_alias', 'WHERE NOT builtin');

CREATE FUNCTION personalize_internal._event_number(name text) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_event_number' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._event_number(text) IS 'event_type.event of a name or alias; NULL if there is none';
REVOKE EXECUTE ON FUNCTION personalize_internal._event_number(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._event_number(text) TO personalize_owner;

-- A condition on the name of an event is one on its number, too.
CREATE FUNCTION personalize_internal._event_asked_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_event_asked_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE EXECUTE ON FUNCTION personalize_internal._event_asked_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._event_asked(name text, event smallint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_event_asked' LANGUAGE C STABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._event_asked_support;
COMMENT ON FUNCTION personalize_internal._event_asked(text, smallint) IS
	'true; a statement with a condition on the name of event_type is planned with the condition on the number that follows from it';
REVOKE EXECUTE ON FUNCTION personalize_internal._event_asked(text, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._event_asked(text, smallint) TO personalize_owner, personalize_analyst, personalize_admin;

-- The parent has neither primary key nor index: those live on the partitions,
-- or a dump would not restore.
CREATE TABLE personalize.event (
	received_at timestamptz NOT NULL,
	ts timestamptz NOT NULL,
	txid bigint NOT NULL DEFAULT personalize_internal._event_txid(),
	user_key bigint NOT NULL,
	consent integer NOT NULL,
	event smallint NOT NULL,
	ordinal smallint NOT NULL DEFAULT 0,
	item_key bigint,
	sequence smallint,
	session_key bigint,
	request_key bigint,
	message_key bigint,
	request_origin bigint,
	slot smallint,
	value numeric,
	properties jsonb,
	alias_key bigint
) PARTITION BY RANGE (received_at);
SELECT pg_catalog.pg_extension_config_dump('personalize.event', '');
COMMENT ON TABLE personalize.event IS
	'raw events, one row an item, partitioned by arrival day (UTC); written through track, ingest and inbox only';
COMMENT ON COLUMN personalize.event.received_at IS 'when the database received it; for imported history, the event''s own time';
COMMENT ON COLUMN personalize.event.ts IS 'when it happened; decides the pane it counts in';
COMMENT ON COLUMN personalize.event.txid IS 'the transaction that wrote it: incarnation << 48 | top-level transaction id';
COMMENT ON COLUMN personalize.event.user_key IS 'user_key(user_id) of the person';
COMMENT ON COLUMN personalize.event.alias_key IS
	'user_key() of the other id of the person that it came under; NULL: it came under the person''s own, see identify()';
COMMENT ON COLUMN personalize.event.consent IS 'purposes the person allowed it to be used for: the bits of purpose.bit';
COMMENT ON COLUMN personalize.event.event IS 'event_type.event';
COMMENT ON COLUMN personalize.event.ordinal IS 'place among the items of its message, from 0';
COMMENT ON COLUMN personalize.event.sequence IS
	'orders what one transaction brought of the person at the same ts: above that of messages that came before; NULL: none did';
COMMENT ON COLUMN personalize.event.item_key IS 'item_key(item_id)';
COMMENT ON COLUMN personalize.event.session_key IS 'key of session_id';
COMMENT ON COLUMN personalize.event.request_key IS 'key of request_id: the answer of an engine this event reacts to';
COMMENT ON COLUMN personalize.event.message_key IS 'key of message_id; of a uuid a hash of its bytes, however it is written';
COMMENT ON COLUMN personalize.event.request_origin IS
	'what the request_id says, packed, if this database has made it: request_origin(request_id)';
COMMENT ON COLUMN personalize.event.slot IS 'place of the item on the page, from 1';
COMMENT ON COLUMN personalize.event.value IS 'worth of the event in the currency of properties.currency';
COMMENT ON COLUMN personalize.event.properties IS 'what else the application said, a JSON object';

CREATE TABLE personalize._event_day (
	day date PRIMARY KEY,
	rolled boolean NOT NULL DEFAULT false,
	thinned smallint[] NOT NULL DEFAULT '{}',
	expired smallint[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE personalize._event_day IS
	'days that have a partition of event; rolled: every processor has passed it and nothing in it is unseen by any; thinned: kinds of event (event_type.event) that retention has deleted since, expired: that it ever has';
CREATE INDEX _event_day_open ON personalize._event_day (day) WHERE NOT rolled;
SELECT pg_catalog.pg_extension_config_dump('personalize._event_day', '');

CREATE TABLE personalize._gone (
	what text PRIMARY KEY,
	before timestamptz NOT NULL
);
COMMENT ON TABLE personalize._gone IS
	'what retention may have removed: event: raw events that arrived before, session: sessions that ended before that time, exposure: what was shown or done before it';
SELECT pg_catalog.pg_extension_config_dump('personalize._gone', '');

CREATE TABLE personalize.rejected_event (
	rejected_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	txid bigint NOT NULL DEFAULT personalize_internal._event_txid(),
	user_key bigint,
	consent integer NOT NULL DEFAULT 0,
	row_number bigint,
	source text NOT NULL,
	reason text NOT NULL,
	payload jsonb
);
COMMENT ON TABLE personalize.rejected_event IS
	'events that were not taken, or that a processor could not count, with the reason';
COMMENT ON COLUMN personalize.rejected_event.source IS
	'the function or table that was given it (track_many, ingest, inbox, ...), or the processor that failed';
COMMENT ON COLUMN personalize.rejected_event.row_number IS 'its place in the call, from 1';
COMMENT ON COLUMN personalize.rejected_event.payload IS
	'the event as it was given; for a processor''s, its place in event';
SELECT pg_catalog.pg_extension_config_dump('personalize.rejected_event', '');

CREATE FUNCTION personalize_internal._guard_drops() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'personalize_guard_drops' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._guard_drops() IS
	'refuses to drop a day of event or the schema by hand';
REVOKE ALL ON FUNCTION personalize_internal._guard_drops() FROM PUBLIC;

CREATE FUNCTION personalize_internal._make_partitions_ahead(days integer DEFAULT 3) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_make_partitions_ahead' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._make_partitions_ahead(integer) IS
	'makes the partitions of event from today (UTC) to so many days ahead; returns how many were made';

REVOKE EXECUTE ON FUNCTION personalize_internal._make_partitions_ahead(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._make_partitions_ahead(integer) TO personalize_admin;

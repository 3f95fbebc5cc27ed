-- Orders: lists of items in all shapes, their totals, refunds, baskets.
\set VERBOSITY terse
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
SET client_min_messages = error;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.grant_consent(u, '{analytics,personalization,recommendations}') FROM unnest('{ann,bob}'::text[]) u;
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$ BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) p;
	COMMIT;
	WHILE EXISTS (SELECT FROM personalize.rollup_now() AS r WHERE r.events > 0) LOOP COMMIT; END LOOP;
	PERFORM personalize.disable_processor(p) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) p;
END $$;
-- what becomes of properties as an order
CREATE FUNCTION rows_of(p jsonb, kind text DEFAULT 'purchase', item text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM personalize.event;
	PERFORM personalize.track('ann', kind, item, p);
	RETURN (SELECT string_agg(concat_ws(' ', coalesce(d.id, i.item_id, e.item_key::text, '-'), '=', coalesce(trim_scale(e.value)::text, '-')), ', ' ORDER BY e.ordinal)
		FROM personalize.event e LEFT JOIN (SELECT DISTINCT key, id FROM personalize._dictionary_log) d ON d.key = e.item_key LEFT JOIN personalize.item i USING (item_key));
EXCEPTION WHEN invalid_parameter_value THEN RETURN 'ERROR: ' || SQLERRM;
END $$;

-- lists, under all names and in all shapes
SELECT p, rows_of(p) FROM unnest(ARRAY[
	'{"items": [{"item_id": 1, "price": 2}, {"item_id": 2}]}', '{"products": [{"product_id": 1, "price": 2}, {"sku": "b"}]}',
	'{"line_items": [{"product_id": null, "sku": "", "id": 3, "price": "4,50"}]}', '{"productDetails": [{"product": {"id": "g"}, "quantity": 2, "price": 3}]}',
	'{"items": {"item_id": 1, "price": 2}}', '{"items": {"0": {"item_id": 1}, "2": {"item_id": 2}, "10": {"item_id": 3}}}',
	'{"items": "[{\"item_id\": 1, \"price\": \"2\"}]"}', '{"products": "{\"sku\": \"b\"}"}', '{"items": "[1, \"x\"]"}', '{"items": ["{\"item_id\": 7}", "x"]}',
	'{"items": [], "products": [{"sku": "b"}]}', '{"items": null, "products": [1]}', '{"items": "", "product_id": 9, "price": 5}', '{"items": {}, "sku": "s", "price": 5}', '{"items": "[]"}',
	'{"items": [1], "products": [1]}', '{"items": [1], "products": [2]}',
	'{"product_id": 9, "sku": "s", "price": 5}', '{"item_id": 8, "product_id": 9}', '{"sku": "s"}', '{"product_id": " ", "sku": "s"}',
	'{"items": "1,2,3"}', '{"items": "[1, 2"}', '{"items": "\"x\""}', '{"items": 5}', '{"items": true}', '{"items": {"name": "hat", "price": 5}}', '{"items": [{"name": "hat"}]}',
	'{"items": [null]}', '{"items": [[1]]}', '{"items": [""]}', '{"items": ["{broken"]}', '{"products": [{"sku": {"a": 1}}]}', '{"items": [{"item_id": 1, "price": "1,299"}]}',
	'{"products": [{"sku": 1}, {"sku": 2, "quantity": "two"}]}', '{"items": "[\"\\u0000\"]"}', '{"items": "[1e9999999]"}', '{"product_id": [1]}']::jsonb[]) p;
SELECT rows_of(jsonb_build_object('items', repeat('[', 30000) || repeat(']', 30000)));
SELECT rows_of(jsonb_build_object('items', '[' || repeat('1,', 1000) || '1]'));
-- an id beside the list is one of it
SELECT item, rows_of('{"items": [{"item_id": 1, "price": 2}, {"item_id": "x"}]}', 'purchase', item) FROM unnest('{1,x,3,""}'::text[]) item;
SELECT rows_of('{"sku": "other"}', 'view_item', '3');
-- beside properties, in track_many
DELETE FROM personalize.event;
SELECT * FROM personalize.track_many('[{"user_id": "ann", "event": "Product Viewed", "product_id": 1}, {"user_id": "ann", "event": "Product Viewed", "sku": "b"},
	{"user_id": "ann", "event": "Order Completed", "products": [{"product_id": 3, "price": 4}], "order_id": "o"},
	{"user_id": "ann", "event": "Order Completed", "items": "{\"item_id\": 4}", "properties": {"currency": "EUR", "revenue": "5"}},
	{"user_id": "ann", "event": "search", "query": "hats"}, {"user_id": "ann", "event": "view_item", "item_id": 5, "item_category": "Hats", "item_brand": "Brim"}, {"user_id": "ann", "event": "add_to_cart", "item_id": 6, "price": "7,50", "quantity": 2, "properties": null},
	{"user_id": "ann", "event": "purchase", "items": [1], "properties": {"items": [1]}}, {"user_id": "ann", "event": "purchase", "items": [1], "properties": {"items": [2]}},
	{"user_id": "ann", "event": "purchase", "price": 5, "properties": [1]}, {"user_id": "ann", "event": "view_item", "sku": true}]');
SELECT row_number, reason FROM personalize.rejected_event ORDER BY 1;
SELECT t.name, e.item_key > 0 AS number, e.value, e.properties FROM personalize.event e JOIN personalize.event_type t USING (event) ORDER BY e.item_key, 1, e.properties;
-- what nobody knows is put into properties, too; what would be overlooked else is rejected with its name
DELETE FROM personalize.event; DELETE FROM personalize.rejected_event;
SELECT accepted, rejected FROM personalize.track_many('[{"user_id": "ann", "event": "view_item", "item_id": 1, "colour": "red", "size": {"eu": 42}, "nothing": null},
	{"user_id": "ann", "event": "view_item", "item_id": 2, "colour": "red", "properties": {"colour": "red", "id": 7}}, {"user_id": "ann", "event": "view_item", "item_id": 3, "id": 8, "index": 3},
	{"user_id": "ann", "event": "view_item", "item_id": 4, "ts": "2026-01-01T00:00:00Z", "timestamp": "2026-01-01T00:00:00Z"},
	{"user_id": "ann", "event": "view_item", "colour": "red", "properties": {"colour": "blue"}}, {"userId": "ann", "user_id": "ann", "event": "view_item"},
	{"user_id": "ann", "event": "view_item", "Message-ID": "m"}, {"user_id": "ann", "event": "view_item", "consents": ["analytics"]}, {"user_id": "ann", "event": "view_item", "Consent": {}},
	{"user_id": "ann", "event": "view_item", "ts": "2026-01-01T00:00:00Z", "timestamp": "2026-01-02T00:00:00Z"}, {"user_id": "ann", "event": "view_item", "Properties": {}}]');
SELECT row_number, reason FROM personalize.rejected_event ORDER BY 1;
SELECT item_key, properties FROM personalize.event ORDER BY 1;
-- so is what no object of a file can be read as
SELECT accepted, rejected FROM personalize.track_many(E'{"user_id": "ann", "event": "view_item", "item_id": 9, "colour": "red"}\n{"user_id": "ann", "event": "view_item", "itemId": 9}\n{');
SELECT item_key, properties FROM personalize.event WHERE item_key = 9;
DELETE FROM personalize.event; DELETE FROM personalize.rejected_event;
-- names of other trackers
SELECT personalize.track('ann', 'search', properties => '{"search_term": "red shoes"}'), personalize.track('ann', 'purchase', 1, '{"transaction_id": "T1", "revenue": 5, "item_category": "Hats", "item_brand": "Brim"}'),
	personalize.track('ann', 'view_item_list', properties => '{"items": [{"item_id": 1, "index": 0}, {"item_id": 2, "index": "1"}]}');
SELECT slot, value, properties FROM personalize.event WHERE properties ?| '{search_term,transaction_id,index}' ORDER BY slot, value;

-- the value of the whole goes to items without a price; what is stored adds up to it
SELECT p, rows_of(p) FROM unnest(ARRAY['{"value": 80, "items": [{"item_id": 1}, {"item_id": 2, "price": 80}]}', '{"value": 100, "items": [{"item_id": 1}, {"item_id": 2, "price": 80}]}',
	'{"value": 80, "items": [1, 2, 3]}', '{"value": 10, "items": [{"item_id": 1, "quantity": 3}, {"item_id": 2}, {"item_id": 3}]}', '{"value": 90, "items": [{"item_id": 1, "price": 60}, {"item_id": 2, "price": 20, "quantity": 2}]}',
	'{"value": 0, "items": [{"item_id": 1, "price": 60}]}', '{"value": 7, "items": [{"item_id": 1, "price": 0}, {"item_id": 2, "price": 0}]}', '{"value": 7, "items": [{"item_id": 1, "price": 0, "quantity": 0}, {"item_id": 2, "quantity": 0}]}',
	'{"items": [{"item_id": 1, "price": 60}, {"item_id": 2}]}', '{"price": 5, "quantity": 3, "items": [{"item_id": 1}]}', '{"price": 5, "items": [{"item_id": 1, "price": 6}]}',
	'{"revenue": "1.000,00", "total": 1100, "products": [{"sku": 1, "price": 1}, {"sku": 2, "price": 1}, {"sku": 3, "price": 1}]}', '{"total": 12, "items": [{"item_id": 1}]}',
	'{"value": 9, "items": [{"item_id": 1, "value": 4}, {"item_id": 2, "value": 5, "price": 100}]}']::jsonb[]) p;
SELECT rows_of('{"value": 9, "items": [{"item_id": 1, "price": 4}, {"item_id": 2}]}', 'view_item_list');
SELECT rows_of('{"total": 9, "items": [{"item_id": 1, "price": 4}]}', 'search');
-- over random orders
SELECT setseed(0.42);
DELETE FROM personalize.event;
CREATE TABLE random_order AS
	SELECT o, CASE WHEN random() < 0.85 THEN round((random() * 10 ^ (random() * 7 - 2))::numeric, (random() * 8)::int) END AS value,
		(SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('item_id', i, 'price', CASE WHEN random() < 0.6 THEN round((random() * 10 ^ (random() * 5 - 2))::numeric, (random() * 4)::int) END,
			'quantity', CASE WHEN random() < 0.5 THEN round((random() * 4)::numeric, (random() * 2)::int) END, 'value', CASE WHEN random() < 0.1 THEN round((random() * 50)::numeric, 2) END)))
			FROM generate_series(1, 1 + (random() * 12)::int + o * 0) AS i) AS items
	FROM generate_series(1, 500) AS o;
SELECT accepted FROM personalize.ingest((SELECT array_agg('ann'::text) FROM random_order), (SELECT array_agg((ARRAY['purchase', 'refund', 'add_to_cart'])[1 + o % 3]) FROM random_order),
	properties => (SELECT array_agg(jsonb_strip_nulls(jsonb_build_object('order_id', o, 'value', value, 'items', items)) ORDER BY o) FROM random_order));
SELECT count(*) AS orders, count(*) FILTER (WHERE s.value IS DISTINCT FROM coalesce(r.value, r.own)) AS wrong, count(*) FILTER (WHERE s.least < 0) AS negative, count(*) FILTER (WHERE s.items <> jsonb_array_length(r.items)) AS incomplete
FROM (SELECT *, (SELECT sum(coalesce((i ->> 'value')::numeric, (i ->> 'price')::numeric * coalesce((i ->> 'quantity')::numeric, 1))) FROM jsonb_array_elements(items) i) AS own FROM random_order) r
JOIN (SELECT (properties ->> 'order_id')::int AS o, sum(e.value) AS value, min(e.value) AS least, count(*) AS items FROM personalize.event e GROUP BY 1) s USING (o);
-- the counters have the same sums
CALL roll();
SELECT event, sum(amount) / 1000000 - (SELECT sum(round(e.value, 6)) FROM personalize.event e WHERE e.event = s.event) AS difference FROM personalize.item_stat s GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.rejected_event WHERE source = 'item_stat';
DROP TABLE random_order;

-- refunds: a minus sign says nothing new, nothing sold is negative
SELECT p, rows_of(p, 'refund', 'r') FROM unnest(ARRAY['{"value": 50}', '{"value": -50}', '{"price": 50, "quantity": -1}', '{"price": -50}', '{"price": "-25", "quantity": "−2"}', '{"price": -50, "quantity": -1}']::jsonb[]) p;
SELECT rows_of('{"value": -30, "items": [{"item_id": 1, "price": 10, "quantity": -1}, {"item_id": 2, "price": -20}]}', 'refund');
SELECT rows_of('{"price": 5, "quantity": -2}', 'remove_from_cart', 'r');
SELECT kind, p, rows_of(p, kind, 'r') FROM unnest('{purchase,add_to_cart,begin_checkout,view_item,"credit"}'::text[]) kind, unnest(ARRAY['{"value": -50}', '{"price": 50, "quantity": -1}', '{"price": -50}']::jsonb[]) p;
SELECT rows_of('{"items": [{"item_id": 1, "price": 10}, {"item_id": 2, "price": 5, "quantity": -1}]}');
DELETE FROM personalize.event; TRUNCATE personalize.item_stat, personalize._item_stat_fold;
SELECT personalize.track('ann', 'purchase', 'hat', '{"price": 50, "quantity": 3, "currency": "EUR"}'), personalize.track('ann', 'refund', 'hat', '{"value": -50, "currency": "EUR"}'),
	personalize.track('ann', 'refund', 'hat', '{"price": 50, "quantity": -1, "currency": "EUR"}'), personalize.track('bob', 'refund', 'cap', '{"value": -50, "currency": "EUR"}');
CALL roll();
SELECT item_id, purchases, refunds, revenue FROM personalize.item_performance ORDER BY 1;

-- a currency is one however it is written
DELETE FROM personalize.event; TRUNCATE personalize.item_stat, personalize._item_stat_fold;
SELECT count(personalize.track('ann', 'purchase', 'hat', jsonb_build_object('price', 5, 'currency', c))) FROM unnest(ARRAY['EUR', 'eur', ' Eur ', U&'\200BEUR', 'USD', '', 'euros']) AS c;
CALL roll();
SELECT currency, revenue FROM personalize.item_revenue ORDER BY 1;

-- baskets: words that stand for no order join nothing; an id is one however it is written
DELETE FROM personalize.event; DELETE FROM personalize._basket;
SELECT count(personalize.track('ann', 'purchase', n, jsonb_build_object('order_id', o), session_id => 's' || n))
FROM unnest(ARRAY['""', '" "', '"(not set)"', '"null"', '"NULL "', '"undefined"', '"None"', '"NaN"', '"n/a"', '"-"', '"[object Object]"', '0', '"0"', 'null', 'true', '[]']::jsonb[]) WITH ORDINALITY AS x (o, n);
CALL roll();
SELECT count(*) AS items, count(DISTINCT basket) AS baskets FROM personalize._basket;
DELETE FROM personalize.event; DELETE FROM personalize._basket;
SELECT count(personalize.track('ann', 'purchase', n, jsonb_build_object(f, o), session_id => 's' || n))
FROM unnest(ARRAY['4711', '4711.0', '4711.00', '"4711"', '" 4711 "', '47110e-1', '4711', '"\u200b4711\u200e"', '"4711\u0001"']::jsonb[], '{order_id,order_id,order_id,order_id,order_id,order_id,transaction_id,order_id,order_id}'::text[]) WITH ORDINALITY AS x (o, f, n);
CALL roll();
SELECT count(*) AS items, count(DISTINCT basket) AS baskets FROM personalize._basket;
SELECT item_id FROM personalize.bought_together('{1}', 10) ORDER BY 1;

-- a JSON null is no properties, on every path
DELETE FROM personalize.event;
SELECT personalize.track('ann', 'view_item', 1, 'null');
SELECT accepted FROM personalize.ingest(ARRAY['ann'], ARRAY['view_item'], ARRAY[1], properties => ARRAY['null']::jsonb[]);
SELECT accepted FROM personalize.import_events(ARRAY['ann'], ARRAY['view_item'], ARRAY[1], ARRAY['2026-01-01'::timestamptz], ARRAY['null']::jsonb[]);
INSERT INTO personalize.inbox (user_id, event, item_id, properties) VALUES ('ann', 'view_item', 1, 'null');
SELECT accepted FROM personalize.track_many('[{"user_id": "ann", "event": "view_item", "item_id": 1, "properties": null}]');
SELECT count(*), count(properties) FROM personalize.event;
DROP FUNCTION rows_of; DROP PROCEDURE roll;

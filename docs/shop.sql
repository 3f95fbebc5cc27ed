-- shop: the small shop in which the examples of these pages play.
--
--   createdb play && psql -q -d play -f docs/shop.sql
--
-- Nine products, 24 customers (101 to 124) who have been here in the last three weeks,
-- customer 17, who has just looked at a trail shoe, and customer 18, whom nobody has
-- asked for consent yet.  Needs an empty database and a superuser.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE EXTENSION personalize;
-- dates in what the pages show
ALTER DATABASE :"DBNAME" SET timezone = 'UTC';
SET timezone = 'UTC';

CREATE TABLE products (
	id bigint PRIMARY KEY, title text, department text, maker text,
	price numeric, stock int, colour text, changed_at timestamptz DEFAULT now());
INSERT INTO products (id, title, department, maker, price, stock, colour) VALUES
	(1, 'Trail shoe', 'shoes', 'Acme', 89, 12, 'red'),
	(2, 'Road shoe', 'shoes', 'Zoom', 99, 3, 'blue'),
	(3, 'Sun hat', 'hats', 'Acme', 19, 40, 'white'),
	(4, 'Wool hat', 'hats', 'Brim', 25, 0, 'grey'),
	(5, 'Running socks', 'socks', 'Zoom', 9, 120, 'black'),
	(6, 'Water bottle', 'gear', 'Brim', 15, 60, 'blue'),
	(7, 'Rain jacket', 'jackets', 'Acme', 129, 8, 'yellow'),
	(8, 'Head torch', 'gear', 'Lumen', 39, 25, 'black'),
	(9, 'Gaiters', 'shoes', 'Brim', 29, 15, 'black');

DO $$
BEGIN
	PERFORM personalize.sync_items('products', '{
		"category": "department", "brand": "maker", "available": "stock",
		"currency": {"value": "EUR"}, "created_at": {"value": "2025-01-01"}, "attributes": {"title": "title", "colour": "colour"}}');

	-- every second one allows marketing, too
	PERFORM personalize.grant_consent(customer, ARRAY['analytics', 'personalization', 'recommendations'] ||
			CASE WHEN customer % 2 = 0 THEN ARRAY['marketing'] END, 'account settings')
		FROM generate_series(101, 124) AS customer;
	PERFORM personalize.grant_consent(17, '{analytics,personalization,recommendations}', 'account settings');

	-- a visit of each: a search and three products in a row, most of them end in an order
	PERFORM personalize.track(customer, 'search', ts => date_trunc('hour', now()) - (customer - 100) * interval '20 hours',
			session_id => format('visit-%s', customer),
			properties => jsonb_build_object('query', (ARRAY['trail running', 'road running', 'summer camp'])[customer % 3 + 1]))
		FROM generate_series(101, 124) AS customer;
	PERFORM personalize.track(customer, 'view_item', item, session_id => format('visit-%s', customer),
			ts => came + place * interval '1 minute')
		FROM (SELECT customer, date_trunc('hour', now()) - (customer - 100) * interval '20 hours' AS came,
				CASE customer % 3 WHEN 0 THEN ARRAY[1, 5, 7] WHEN 1 THEN ARRAY[2, 5, 6] ELSE ARRAY[3, 8, 6] END AS items
			FROM generate_series(101, 124) AS customer) AS visit,
			unnest(items) WITH ORDINALITY AS v(item, place)
		ORDER BY customer, place;
	PERFORM personalize.track(customer, 'purchase', ts => date_trunc('hour', now()) - (customer - 100) * interval '20 hours' + interval '10 minutes',
			session_id => format('visit-%s', customer), message_id => format('order %s', customer),
			properties => jsonb_build_object('order_id', format('o-%s', customer), 'currency', 'EUR', 'items',
				CASE customer % 3
					WHEN 0 THEN '[{"item_id": 1, "price": 89}, {"item_id": 5, "price": 9, "quantity": 2}]'
					WHEN 1 THEN '[{"item_id": 2, "price": 99}, {"item_id": 5, "price": 9}]'
					ELSE '[{"item_id": 8, "price": 39}]' END::jsonb))
		FROM generate_series(101, 124) AS customer
		WHERE customer % 4 <> 0;
	PERFORM personalize.track(17, 'view_item', 1, session_id => 'visit-17', ts => now() - interval '5 minutes');
END $$;

-- what workers do within a second or two
DO $$ BEGIN PERFORM personalize.rollup_now(); END $$;

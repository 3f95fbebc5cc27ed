-- Numbers, as people and programs write them: one reader on every path.
\set VERBOSITY terse
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
SET client_min_messages = error;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.grant_consent('ann', '{analytics,personalization}');
CREATE TABLE written (n serial, text text, number numeric);
INSERT INTO written (text, number) VALUES
	('89.90', 89.9), ('89.90 ', 89.9), (E'\t 89.90\n', 89.9), ('+5', 5), ('007', 7), ('.5', 0.5), ('5.', 5), ('0', 0), ('-0', 0), ('1.299', 1.299),
	('1e3', 1000), ('1.5E+3', 1500), ('25e-1', 2.5), ('1e18', 1e18), ('0.0000001', 1e-7),
	('89,90', 89.9), ('89,9', 89.9), (',5', 0.5), ('0,299', 0.299), ('1234,567', 1234.567), ('1,2999', 1.2999), ('1,5e3', 1500),
	('1,299.00', 1299), ('1.299,00', 1299), ('1,299.5', 1299.5), ('12,345,678', 12345678), ('12.345.678', 12345678), ('1,234,567.891', 1234567.891),
	('12,34,567', 1234567), ('1,00,000.50', 100000.5), ('1 299', 1299), ('1 299,00', 1299), ('1 299.00', 1299), ('1'' 299', NULL),
	('1''299.00', 1299), ('1’299', 1299), (U&'1\00A0299,00', 1299), (U&'1\202F299', 1299), (U&'1\2009299', 1299), (U&'\00A089.90\3000', 89.9),
	(U&'89\00A0', 89),
	-- may be two numbers, or none
	('1,299', NULL), ('12,500', NULL), ('999,999', NULL), ('1,29,9', NULL), ('1,299,00', NULL), ('1.2.3', NULL), ('12 34', NULL), ('1,299.', NULL),
	('0,123,456', NULL), ('1,299e3', NULL), ('1 299e3', NULL), ('5,', NULL), ('.', NULL), (',', NULL), ('+', NULL), ('- 5', NULL), ('--5', NULL),
	('5-', NULL), ('(5)', NULL), ('e5', NULL), ('1e', NULL), ('1e5.0', NULL), ('1e9999', NULL), ('1e999', NULL), ('1e19', NULL), ('€ 5', NULL), ('5 EUR', NULL), ('$5', NULL), ('10%', NULL),
	('0x1F', NULL), ('1_000', NULL), ('NaN', NULL), ('Infinity', NULL), ('-inf', NULL), ('true', NULL), ('null', NULL), ('undefined', NULL),
	('n/a', NULL), ('free', NULL), ('٥', NULL), ('５', NULL), ('½', NULL), ('1/2', NULL), (repeat('9', 65), NULL), ('5' || U&'\200B', NULL);
SELECT count(*), count(number) AS readable FROM written;

-- what cannot be read, and why
CREATE FUNCTION sent(path text, field text, kind text) RETURNS TABLE (n integer, stored numeric, slot smallint, property jsonb, rejected text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	o written;
	p jsonb;
BEGIN
	DELETE FROM personalize.event; DELETE FROM personalize.rejected_event;
	FOR o IN SELECT * FROM written LOOP
		p := jsonb_build_object(field, o.text);
		BEGIN
			CASE path
				WHEN 'track' THEN PERFORM personalize.track('ann', kind, o.n, p);
				WHEN 'ingest' THEN PERFORM personalize.ingest(ARRAY['ann'], ARRAY[kind], ARRAY[o.n], properties => ARRAY[p]);
				WHEN 'import_events' THEN PERFORM personalize.import_events(ARRAY['ann'], ARRAY[kind], ARRAY[o.n], ARRAY['2026-01-01'::timestamptz], ARRAY[p]);
				WHEN 'inbox' THEN INSERT INTO personalize.inbox (user_id, event, item_id, properties) VALUES ('ann', kind, o.n, p);
				WHEN 'track_many' THEN PERFORM personalize.track_many(jsonb_build_array(jsonb_build_object('user_id', 'ann', 'event', kind, 'item_id', o.n, 'properties', p)));
				WHEN 'beside' THEN PERFORM personalize.track_many(jsonb_build_array(jsonb_build_object('user_id', 'ann', 'event', kind, 'item_id', o.n) || p));
				WHEN 'items' THEN PERFORM personalize.track('ann', kind, properties => jsonb_build_object('items', jsonb_build_array(p || jsonb_build_object('item_id', o.n))));
				WHEN 'products' THEN PERFORM personalize.track('ann', kind, properties => jsonb_build_object('products', jsonb_build_array(p || jsonb_build_object('sku', o.n::text))::text));
			END CASE;
		EXCEPTION WHEN invalid_parameter_value THEN
			INSERT INTO personalize.rejected_event (source, reason, user_key) VALUES ('raised', SQLERRM, o.n);
		END;
	END LOOP;
	RETURN QUERY SELECT w.n, e.value, e.slot, e.properties -> field, r.reason FROM written w
		LEFT JOIN personalize.event e ON e.item_key = w.n
		LEFT JOIN personalize.rejected_event r ON r.user_key = w.n OR r.payload ->> 'item_id' = w.n::text;
END $$;
SELECT replace(w.text, U&'\200B', '<zero width>') AS text, replace(s.rejected, U&'\200B', '<zero width>') AS rejected FROM sent('track', 'value', 'purchase') s JOIN written w USING (n) WHERE rejected IS NOT NULL ORDER BY n;

-- all paths read the same, store it as a number, and name what they reject
SELECT path, field, kind, count(*) FILTER (WHERE s.stored = w.number) AS read, count(*) FILTER (WHERE jsonb_typeof(s.property) = 'number' AND s.property::numeric = w.number) AS as_number,
	count(*) FILTER (WHERE s.rejected LIKE '%' || field || ' "%"%') AS named,
	count(*) FILTER (WHERE num_nonnulls(s.stored, s.rejected) <> 1 OR (w.number IS NULL) <> (s.stored IS NULL)) AS wrong
FROM unnest('{track,ingest,import_events,inbox,track_many,beside,items,products}'::text[]) AS path,
	(VALUES ('value', 'purchase'), ('price', 'add_to_cart')) AS f (field, kind), sent(path, field, kind) s JOIN written w USING (n)
GROUP BY 1, 2, 3 ORDER BY 1, 2;
-- a quantity with a price
SELECT personalize.track('ann', 'purchase', 'q' || q::text, jsonb_build_object('price', '1.299,50', 'quantity', q)) FROM unnest(ARRAY['"2"', '"2,5"', '" 1e1 "', '3', '""', 'null']::jsonb[]) q;
SELECT properties -> 'quantity' AS quantity, value FROM personalize.event WHERE item_key < 0 ORDER BY value, 1;
-- places
SELECT field, count(s.slot) AS read, count(*) FILTER (WHERE s.slot <> w.number + (field = 'index')::int) AS wrong, count(s.rejected) AS rejected
FROM unnest('{slot,position,index}'::text[]) field, sent('items', field, 'view_item_list') s JOIN written w USING (n) GROUP BY 1 ORDER BY 1;
-- of a promotion the position may be a name
SELECT personalize.track('ann', 'Promotion Viewed', properties => '{"position": "home_banner_top"}'), personalize.track('ann', 'promotion_clicked', properties => '{"position": "2"}');
SELECT slot, properties FROM personalize.event WHERE item_key IS NULL ORDER BY 1;
-- JSON of other types
SELECT personalize.track('ann', 'purchase', 1, '{"price": true}');
SELECT personalize.track('ann', 'purchase', 1, '{"price": [5]}');
SELECT personalize.track('ann', 'purchase', 1, '{"price": {"amount": 5}}');
SELECT personalize.track('ann', 'purchase', 1, '{"price": 1e30}');
SELECT personalize.track('ann', 'purchase', 1, '{"price": 1e12, "quantity": 1e12}');
SELECT personalize.track('ann', 'purchase', 1, '{"price": null, "quantity": "", "value": "  "}');

-- item prices
SELECT text, personalize_internal._item_number(text, 'price', 'x') IS NOT DISTINCT FROM number AS same FROM written WHERE number IS NOT NULL AND personalize_internal._item_number(text, 'price', 'x') IS DISTINCT FROM number;
SELECT * FROM personalize.upsert_items('[{"item_id": "p1", "price": "1.299,00"}, {"item_id": "p2", "price": 5}, {"item_id": "p3", "price": ""}]');
SET client_min_messages = warning;
\set VERBOSITY default
SELECT * FROM personalize.upsert_items('[{"item_id": "p1", "price": "1,299"}, {"item_id": "p9", "price": "NaN"}, {"item_id": "p2", "price": true}, {"item_id": "p2", "price": 1e30}, {"item_id": "p2", "price": [5]}, {"item_id": "p4", "price": "4,50"}]');
\set VERBOSITY terse
SET client_min_messages = error;
CREATE TABLE shop (id text PRIMARY KEY, price text, cost jsonb, worth float8);
INSERT INTO shop VALUES ('s1', '1 299,50', '"89,90"', 0.1), ('s2', ' 5 ', '7', 2), ('s3', NULL, NULL, NULL);
SELECT * FROM personalize.sync_items('shop');
SELECT item_id, price FROM personalize.item ORDER BY item_id;
SELECT updated FROM personalize.sync_items('shop', '{"price": "cost"}');
SELECT item_id, price FROM personalize.item WHERE source LIKE '%shop' ORDER BY item_id;
SELECT updated FROM personalize.sync_items('shop', '{"price": "worth"}');
SELECT item_id, price FROM personalize.item WHERE source LIKE '%shop' ORDER BY item_id;
UPDATE shop SET price = '1,299' WHERE id = 's2';
SELECT updated FROM personalize.sync_items('shop', '{"price": "price"}');
UPDATE shop SET worth = 'NaN' WHERE id = 's2';
SELECT updated FROM personalize.sync_items('shop', '{"price": "worth"}');

-- signals: price bands, value paths and filters see what event.value sees
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.create_signal('seconds', '{view_item}', 'none', value_path => 'properties.seconds') > 0 AS made,
	personalize.create_signal('dear', '{view_item}', 'item', filter => '$.price > 50') > 0 AS dear,
	personalize.create_signal('long', '{view_item}', 'item', filter => '$.seconds > 50 && !($.seconds > 5000)') > 0 AS long,
	personalize.create_signal('big', '{view_item}', 'item', filter => '$ ? (@.size >= 40)') > 0 AS big;
SELECT personalize.track('ann', 'view_item', 'f1', '{"price": "89,90", "seconds": "75,5", "size": "42"}'),
	personalize.track('ann', 'view_item', 'f2', '{"price": "1.299,00", "seconds": 20, "size": "XL"}'),
	personalize.track('ann', 'view_item', 'f3', '{"seconds": " 51 ", "size": "39"}');
SELECT personalize.track('ann', 'view_item', 'f4', '{"seconds": "1,299"}');
SELECT personalize.track('ann', 'view_item', properties => '{"items": [{"item_id": 1}, {"item_id": 2, "seconds": "soon"}]}');
SELECT signal, value, count, sum FROM personalize.features('ann') WHERE signal IN ('seconds', 'dear', 'long', 'big', 'price_band') AND value <> '1000-2000' OR value = '1000-2000' ORDER BY 1, 2;
-- corrections are read alike
SELECT personalize.track('ann', 'purchase', 'r1', '{"price": "10,50"}', message_id => 'r');
SELECT personalize.rectify('ann', '{"properties": {"price": "1,299"}}', 'r');
SELECT personalize.rectify('ann', '{"properties": {"price": "1.299,00", "quantity": "2"}}', 'r');
SELECT value, properties FROM personalize.event WHERE item_key = personalize.item_key('r1');
DROP TABLE written CASCADE; DROP TABLE shop; DROP FUNCTION sent;

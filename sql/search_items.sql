-- search_items: a search of the catalogue, in the order that suits a person.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;

CREATE FUNCTION find(query text, n int DEFAULT 20, filter jsonpath DEFAULT NULL, user_id text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(item_id, ' ' ORDER BY rank) || coalesce(' (did you mean ' || min(did_you_mean) || '?)', '')
	FROM personalize.search_items(user_id, query, n, filter)
$$;
-- an empty catalogue
SELECT find('shoe'), find(''), find('shoo');

SELECT * FROM personalize.upsert_items('[
	{"item_id": "red-shoe", "category": "shoes", "brand": "Acme", "tags": ["sale", "red"], "price": 50, "name": "Red running shoe", "color": ["red"], "created_at": "2024-01-01"},
	{"item_id": "blue-shoe", "category": "shoes", "brand": "Zoom", "tags": ["sale"], "price": 60, "name": "Blue running shoes", "color": ["blue", "white"], "created_at": "2024-01-02"},
	{"item_id": "sneaker", "category": "shoes", "brand": "Acme", "price": 70, "name": "Sneaker", "color": "white", "created_at": "2024-01-03"},
	{"item_id": "shirt", "category": "shirts", "brand": "Acme", "price": 20, "name": "Running shirt", "description": "To be worn with any running shoes, and without.", "created_at": "2024-01-04"},
	{"item_id": "tee", "category": "shirts", "brand": "Zoom", "price": 15, "name": "White tee", "created_at": "2024-01-05"},
	{"item_id": "creme", "category": "desserts", "name": "Crème brûlée", "created_at": "2024-01-06"},
	{"item_id": "phone", "category": "phones", "name": "iPhone 15 Pro", "created_at": "2024-01-07"},
	{"item_id": "case", "category": "phones", "name": "Case for iPhone 15 Pro", "created_at": "2024-01-08"},
	{"item_id": "who", "category": "records", "name": "The Who", "created_at": "2024-01-09"},
	{"item_id": "gone", "category": "shoes", "name": "Running shoe", "available": false},
	{"item_id": "secret", "category": "shoes", "name": "Running shoe", "hidden": true}]');

-- words, in any form and order
SELECT find('running shoe'), find('SHOES running'), find('creme brulee'), find('CRÈME'), find('the who'), find('15 pro iphone');
SELECT find('red'), find('zoom '), find('nothing like this zzz');
-- its name before what else is known of it
SELECT find('running shirt');
-- as it is typed
SELECT q, find(q) FROM unnest(ARRAY['s', 'sh', 'sho', 'iph', 'red run', 'crè']) q;
-- typing errors
SELECT q, find(q) FROM unnest(ARRAY['iphnoe 15', 'iphonee', 'ipone pro', 'runing shirt', 'snaeker', 'xyzzyx', 'sh0es', 'br']) q;
-- an id
SELECT find('red-shoe', 1), find('case', 1);
-- more that means the same
INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('Trainers', '{sneaker,"running shoe"}'), ('t-shirt', '{tee}');
SELECT find('trainers'), find('TRAINERS white'), find('t shirt'), find('white t-shirt');
SELECT * FROM personalize.search_synonym ORDER BY term COLLATE "C";
INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('!', '{x}');
INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('x', '{}');
INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('x', '{NULL}');
-- more words than are looked for
INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('one two three four, five', '{x}');
INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('one two three-four', '{x,"one two three four five"}');
-- a synonym that is nothing to look for
INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('sun', '{"...",shade}');
SELECT find('sun');

-- filters and availability
SELECT find('shoe', filter => '$.price > 55'), find('running', filter => '$.brand == "Acme"'), find('running', filter => '$.brand == "None"');
UPDATE personalize.item SET available = false WHERE item_id = 'red-shoe';
SELECT find('running shoe');
UPDATE personalize.item SET available = true WHERE item_id = 'red-shoe';
-- facets: of what has all the words
SELECT rank, facet_counts FROM personalize.search_items(NULL, 'shoes', 2, facets => '{brand,tags,price,color,none}');
SELECT facet_counts FROM personalize.search_items(NULL, 'running shoes', 1, filter => '$.price < 55', facets => '{category}');
SELECT facet_counts FROM personalize.search_items(NULL, 'shoes', 1, facets => '{}');
-- items are counted, not how often one has a value; a number is the same as its digits
BEGIN;
SELECT count(*) FROM personalize.upsert_items('[{"item_id": "twice", "name": "gondola", "tags": ["a", "b", "a"], "material": ["oak", "oak", "tar"], "oars": 1.0}, {"item_id": "once", "name": "gondola", "tags": ["a"], "material": "oak", "oars": 1}]');
SELECT facet_counts FROM personalize.search_items(NULL, 'gondola', 1, facets => '{tags,material,oars}');
-- a price that is no number, as a subscriber may be given one, is in no range
ALTER TABLE personalize.item DISABLE TRIGGER item_check;
INSERT INTO personalize.item (item_id, price, attributes) SELECT 'price ' || p, p::numeric, '{"name": "gondola"}' FROM unnest('{7,NaN,Infinity,-Infinity}'::text[]) AS p;
SELECT facet_counts FROM personalize.search_items(NULL, 'gondola', 1, facets => '{price}');
ROLLBACK;

-- nobody knows what is looked for yet
SELECT rank, item_id, reason FROM personalize.search_items(NULL, ' ', 2);
SELECT find(E'\u0001\u0002', 1), find('!?', 1), find('😀', 1);
SELECT find(repeat('running ', 1300), 3), find(repeat('y', 10240)), find(repeat('shoe zzz ', 1300), 2);
SELECT find((SELECT string_agg('word' || i, ' ') FROM generate_series(1, 2000) i) || ' shoe');

-- what is wrong
SELECT * FROM personalize.search_items(NULL, NULL);
SELECT * FROM personalize.search_items(NULL, 'x', 0);
SELECT * FROM personalize.search_items(NULL, 'x', 1001);
SELECT * FROM personalize.search_items(NULL, 'x', variant => 'bold');
SELECT * FROM personalize.search_items(NULL, 'x', facets => '{brand,NULL}');
SELECT * FROM personalize.search_items(NULL, 'x', facets => (SELECT array_agg(i::text) FROM generate_series(1, 17) i));

-- the same query before and after a person's clicks
SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}') \g /dev/null
SELECT rank, item_id, reason FROM personalize.search_items('ada', 'running shoes', 3);
SELECT personalize.track('ada', 'view_item', 'blue-shoe') \g /dev/null
SELECT personalize.track('ada', 'purchase', 'tee', properties => '{"order_id": "1"}') \g /dev/null
SELECT rank, item_id, reason FROM personalize.search_items('ada', 'running shoes', 3);
-- no history brings to the front what agrees much worse
SELECT find('red running shoe', user_id => 'ada');
SELECT personalize.withdraw_consent('ada', '{personalization,recommendations}') \g /dev/null
SELECT rank, item_id, reason FROM personalize.search_items('ada', 'running shoes', 1);

-- a list is the same however long it is asked for
SELECT count(*) FROM generate_series(1, 5) n
WHERE (SELECT array_agg(item_id ORDER BY rank) FROM personalize.search_items(NULL, 'running shoe', n))
	<> (SELECT (array_agg(item_id ORDER BY rank))[:n] FROM personalize.search_items(NULL, 'running shoe', 5));
-- many items: given ones have the score that the whole catalogue has given them
INSERT INTO personalize.item (item_id, category, created_at, attributes)
	SELECT 'm' || i, 'kind ' || i % 7, '2024-01-01', jsonb_build_object('name', 'lamp ' || CASE WHEN i % 3 = 0 THEN 'green ' ELSE '' END || i % 50,
		'description', repeat('a lamp for the desk ', i % 5) || CASE WHEN i % 11 = 0 THEN 'green' ELSE '' END)
	FROM generate_series(1, 2000) i;
SELECT count(*) FROM personalize.search_items(NULL, 'green lamp ', 1000);
SELECT array_agg(item_id ORDER BY rank) = (
		SELECT array_agg(r.item_id ORDER BY r.rank) FROM personalize.rank_search(NULL, 'green lamp',
			(SELECT array_agg(s.item_id::personalize.entity_id ORDER BY s.item_key) FROM personalize.search_items(NULL, 'green lamp ', 30) s)) r) AS same
	FROM personalize.search_items(NULL, 'green lamp ', 30);
SELECT bool_and(attributes ->> 'name' LIKE '%green%') FROM personalize.search_items(NULL, 'green lamp ', 100) JOIN personalize.item USING (item_key);
SELECT count(*), max(rank) FROM personalize.search_items(NULL, 'lamp', 1000, '$.category == "kind 3"');
SELECT facet_counts -> 'category' -> 0 FROM personalize.search_items(NULL, 'lamp', 1, facets => '{category}');

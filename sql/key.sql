SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- the test vector of the paper: bytes 00..0e under the key 00..0f
SELECT to_hex(personalize_internal._siphash('\x000102030405060708090a0b0c0d0e'));
SELECT to_hex(personalize_internal._siphash(''));

-- canonical non-negative decimal bigints are their own keys
SELECT id, personalize.user_key(id) FROM unnest(ARRAY['0', '1', '42', '9223372036854775807']) AS id;
-- anything else is a stable negative hash
SELECT id, personalize.user_key(id) FROM unnest(ARRAY['-1', '042', '00', '+1', '1.0', ' 1', '1 ', '9223372036854775808',
	'99999999999999999999', '', 'a', 'A', 'ä', '用户', 'b5a0a2fe-5f3a-4c3b-8f0e-2b7e2a0b9a11']) AS id;
SELECT personalize.user_key(NULL), personalize.item_key(NULL);

-- every type, without a cast, gives the same key
CREATE TEMP TABLE ids (t text, v varchar(20), c char(10), s smallint, i integer, b bigint, n numeric, u uuid);
INSERT INTO ids VALUES ('7', '7', '7', 7, 7, 7, 7.00, '00000000-0000-0000-0000-000000000007');
SELECT personalize.user_key(t) AS t, personalize.user_key(v) AS v, personalize.user_key(c) AS c, personalize.user_key(s) AS s,
	personalize.user_key(i) AS i, personalize.user_key(b) AS b, personalize.user_key(n) AS n,
	personalize.user_key(u) = personalize.user_key('00000000-0000-0000-0000-000000000007') AS u
FROM ids;
SELECT personalize.user_key(7), personalize.user_key('7'), personalize.user_key(7::smallint), personalize.user_key(7000000000),
	personalize.user_key(7.10) = personalize.user_key('7.1') AS trimmed,
	personalize.user_key(-7) = personalize.user_key('-7') AS negative,
	personalize.user_key(12345678901234567890) = personalize.user_key('12345678901234567890') AS large;
PREPARE untyped AS SELECT personalize.user_key($1);
EXECUTE untyped('7');
EXECUTE untyped('abc');
PREPARE typed(bigint) AS SELECT personalize.user_key($1);
EXECUTE typed(7);
SELECT personalize.user_key('NaN'::numeric);
SELECT personalize.user_key('-Infinity'::numeric);
SELECT ARRAY[1, 2]::personalize.entity_id[], ARRAY['a', 'b']::personalize.entity_id[];

-- an index expression joins a shop's own table
CREATE TEMP TABLE product (id bigint PRIMARY KEY, name text);
INSERT INTO product SELECT g, 'product ' || g FROM generate_series(1, 10000) g;
ANALYZE product;
EXPLAIN (COSTS OFF) SELECT p.name FROM product p WHERE p.id = personalize.item_key('77');

-- keys spread evenly over both spaces
SELECT count(DISTINCT personalize.user_key('user-' || g)) AS keys, bool_and(personalize.user_key('user-' || g) < 0) AS negative
FROM generate_series(1, 20000) g;

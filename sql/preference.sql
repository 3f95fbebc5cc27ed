SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

-- nothing is kept of somebody who does not allow it, and the warning says how to
SELECT personalize.set_preference('ada', 'favourite_brand', 'Acme');
SELECT count(*) FROM personalize.preferences_of('ada');
SELECT personalize.grant_consent('ada', '{personalization}', 'test');
SELECT personalize.grant_consent(42, '{personalization}', 'test');

-- ids and values of any type
SELECT personalize.set_preference('ada', 'favourite_brand', 'Acme'), personalize.set_preference('ada', 'favourite_brand', 'Zeta'),
	personalize.set_preference('ada', 'favorite_category', 'shoes'), personalize.set_preference('ada', 'hidden_item', 17),
	personalize.set_preference('ada', 'hidden_item', 'sku-1'), personalize.set_preference(42, 'favourite_item', 18::bigint);
PREPARE set_any AS SELECT personalize.set_preference($1, $2, $3);
EXECUTE set_any('ada', 'hidden_category', 'hats');
SELECT name, value, value_key = personalize.item_key(value) FROM personalize.preferences_of('ada') ORDER BY name, value COLLATE "C";
SELECT name, value, value_key FROM personalize.preferences_of('42');

-- what was a favourite is one no longer when it is hidden, and back
SELECT personalize.set_preference('ada', 'hidden_brand', 'Acme');
SELECT name, value FROM personalize.preferences_of('ada') WHERE name LIKE '%brand' ORDER BY 1, 2;
SELECT personalize.set_preference('ada', 'favourite_brand', 'Acme'), personalize.set_preference('ada', 'favourite_brand', 'Acme');
SELECT name, value FROM personalize.preferences_of('ada') WHERE name LIKE '%brand' ORDER BY 1, 2;

-- forgetting: one, those of a name, all
SELECT personalize.clear_preference('ada', 'favourite_brand', 'Zeta'), personalize.clear_preference('ada', 'favourite_brand', 'Zeta');
SELECT personalize.clear_preference('ada', 'hidden_item');
SELECT personalize.clear_preference('ada', value => 'hats');
SELECT personalize.clear_preference('ada');
SELECT count(*) FROM personalize.preferences_of('ada');

-- withdrawal takes them along, other purposes do not
SELECT personalize.withdraw_consent(42, '{marketing}', 'test');
SELECT count(*) FROM personalize.preferences_of(42);
SELECT personalize.withdraw_consent(42, '{personalization}', 'test');
SELECT count(*) FROM personalize.preferences_of(42), personalize.preference;

-- errors
SELECT personalize.set_preference('ada', 'loved_brand', 'Acme');
SELECT personalize.set_preference('ada', NULL, 'Acme');
SELECT personalize.set_preference('ada', 'hidden_brand', NULL);
SELECT personalize.set_preference('ada', 'hidden_brand', '');
SELECT personalize.set_preference('ada', 'hidden_brand', repeat('x', 513));
SELECT personalize.set_preference(NULL, 'hidden_brand', 'Acme');
SELECT personalize.set_preference('', 'hidden_brand', 'Acme');
SELECT personalize.clear_preference('ada', 'loved_brand');
SELECT personalize.clear_preference(NULL);
SELECT personalize.preferences_of(NULL);
SELECT count(*) FILTER (WHERE personalize.set_preference('ada', 'hidden_item', n)) FROM generate_series(1, 256) n;
SELECT personalize.set_preference('ada', 'hidden_item', 0);
BEGIN READ ONLY;
SELECT personalize.set_preference('ada', 'hidden_item', 0);
ROLLBACK;

-- who may
SET ROLE personalize_analyst;
SELECT personalize.set_preference('ada', 'hidden_item', 1);
SELECT count(*) FROM personalize.preference;
SET ROLE personalize_app;
SELECT personalize.set_preference('ada', 'hidden_item', 1), (SELECT count(*) FROM personalize.preferences_of('ada'));
SELECT count(*) FROM personalize.preference;
RESET ROLE;

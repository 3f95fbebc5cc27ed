SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
-- the batches of this test are its own: a running worker would take them first
SELECT personalize.disable_processor(name) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS name;
RESET client_min_messages;
CREATE FUNCTION roll_signals() RETURNS void LANGUAGE sql AS $$
	SELECT personalize.enable_processor('profile');
	SELECT count(*) FROM personalize.rollup_now();
	SELECT personalize.disable_processor('profile');
$$;
SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}') IS NOT NULL AS granted;

-- what comes with the extension
SELECT name, events, key_path, periods, half_life, purposes, basis, enabled, complete_since, builtin, signal
FROM personalize.signal_status ORDER BY signal;

-- price bands: the lower end belongs to the band, the upper one does not
SELECT p AS price, personalize.price_band(p) FROM unnest('{0,0.99,1,1.99,2,4.99,5,9.99,10,19.99,20,50,99.95,100,999999999,1000000000,1e30,-1,NaN,Infinity}'::numeric[]) AS p;

-- value keys: small whole numbers are their own
SELECT v AS value, personalize_internal._value_key(v) FROM unnest('{0,42,140737488355327,140737488355328,007,-1,shoes,"",Schuhgröße}'::text[]) AS v;

-- definitions are checked
SELECT personalize.create_signal(NULL, NULL, 'none');
SELECT personalize.create_signal('', NULL, 'none');
SELECT personalize.create_signal(repeat('x', 64), NULL, 'none');
SELECT personalize.create_signal('a', NULL, NULL);
SELECT personalize.create_signal('a', NULL, 'item.id');
SELECT personalize.create_signal('a', NULL, 'properties.');
SELECT personalize.create_signal('a', NULL, 'SELECT 1');
SELECT personalize.create_signal('a', '{}', 'none');
SELECT personalize.create_signal('a', '{NULL}', 'none');
SELECT personalize.create_signal('a', ARRAY[repeat('x', 65)], 'none');
SELECT personalize.create_signal('a', '{view_item}', 'none', weights => '[1]');
SELECT personalize.create_signal('a', '{view_item}', 'none', weights => '{"view_item": "much"}');
SELECT personalize.create_signal('a', '{view_item}', 'none', weights => '{"view_item": 1e7}');
SELECT personalize.create_signal('a', '{view_item}', 'none', weights => '{"purchase": 1}');
SELECT personalize.create_signal('a', '{view_item}', 'none', value_path => 'item.price');
SELECT personalize.create_signal('a', '{view_item}', 'none', filter => '$.**.a');
SELECT personalize.create_signal('a', '{view_item}', 'none', filter => '$.a like_regex "(a+)+$"');
SELECT personalize.create_signal('a', '{view_item}', 'none', filter => '$.a == $x');
SELECT personalize.create_signal('a', '{view_item}', 'none', filter => '$.a.datetime() < "2026-01-01".datetime()');
SELECT personalize.create_signal('a', '{view_item}', 'none', filter => '$."**".like_regex == "$\"$" && $.time == "US$"') > 0 AS harmless;
SELECT personalize.drop_signal('a');
SELECT personalize.create_signal('a', '{view_item}', 'none', filter => ('$.a == "' || repeat('x', 1000) || '"')::jsonpath);
SELECT personalize.create_signal('a', '{view_item}', 'none', filter => '$.a ==');
SELECT personalize.create_signal('a', '{view_item}', 'none', periods => '{}');
SELECT personalize.create_signal('a', '{view_item}', 'none', periods => '{1 day,NULL}');
SELECT personalize.create_signal('a', '{view_item}', 'none', periods => '{-1 day}');
SELECT personalize.create_signal('a', '{view_item}', 'none', half_life => '0');
SELECT personalize.create_signal('a', '{view_item}', 'none', half_life => '100 years');
SELECT personalize.create_signal('a', '{view_item}', 'none', purposes => '{}');
SELECT personalize.create_signal('a', '{view_item}', 'none', purposes => '{world domination}');
SELECT personalize.create_signal('a', '{view_item}', 'none', basis => 'guessed');
SELECT personalize.create_signal('search_term', '{view_item}', 'none');
SELECT personalize.alter_signal('search_term', half_life => '1 day');
SELECT personalize.drop_signal('search_term');
SELECT personalize.drop_signal('nonsense');
SELECT personalize.enable_signal('nonsense');
-- a typo: the nearest; what a scope cannot have: why
SELECT personalize.drop_signal('interest_catgory');
SELECT personalize.create_signal('x', '{view_item}', 'tags');
SELECT personalize.create_signal('x', '{view_item}', 'colour');
SELECT personalize.create_signal('x', '{view_item}', 'item', purposes => '{personalisation}');
SELECT personalize.create_signal('x', '{view_item}', 'item', basis => 'infered');
SELECT personalize.create_signal('x', '{search}', 'properties.query', scope => s) FROM unnest('{item,query,global}'::text[]) AS s;
SELECT personalize.create_signal('x', '{search}', 'properties.query', scope => 'query');
SELECT personalize.create_signal('x', '{search}', 'properties.query', scope => 'global');
SELECT personalize.create_signal('x', '{search}', 'properties.query', scope => 'qurey');
SELECT count(personalize.create_feature_view('by_query', '{"shown": "shown in 7 days"}', entity => 'query')), count(personalize.create_feature_view('by_shop', '{"views": "view_item in 7 days"}', entity => 'shop'));
SELECT personalize.drop_feature_view('by_query'), personalize.drop_feature_view('by_shop');
BEGIN;
SELECT personalize.create_signal('x', '{view_itm}', 'item', scope => 'user') IS NOT NULL AS created;
SELECT personalize.create_signal('y', '{zzzz}', 'item', scope => NULL) IS NOT NULL AS created;
ROLLBACK;
-- names that are none
SELECT personalize.create_signal(E'a\nb', '{view_item}', 'item');
SELECT personalize.create_signal(' ', '{view_item}', 'item');
SELECT personalize.create_signal('x', '{view_item,NULL}', 'item');
SELECT personalize.create_segment(' ', 'item_affinity >= 1');
SELECT personalize.create_feature_view(E'a\tb', '{"a": "item_affinity"}');
-- of very many names some are listed
SELECT personalize_internal._choice_hint('sgnal 7', 'signals', ARRAY(SELECT 'signal ' || n FROM generate_series(1, 100) AS n)), personalize_internal._choice_hint('x', 'signals', '{}');

-- every key path, weight, factor and filter
SELECT personalize.disable_signal(name) FROM personalize.signal ORDER BY signal;
SELECT personalize.create_signal('visits', NULL, 'none') AS visits,
	personalize.create_signal('colour', '{Product Viewed,purchase}', 'properties.colour', weights => '{"purchase": 2.5}') AS colour,
	personalize.create_signal('spent', '{purchase}', 'item.category', weights => '{"purchase": 1}', value_path => 'properties.amount') AS spent,
	personalize.create_signal('worth', NULL, 'none', weights => '{"purchase": 0.01}', value_path => 'value') AS worth,
	personalize.create_signal('expensive', '{view_item}', 'item', filter => '$.price > 100') AS expensive,
	personalize.create_signal('on_sale', '{view_item}', 'item', filter => '$.sale ? (@ == true)') AS on_sale;
SELECT name, events, key_path, value_path, filter, enabled, complete_since IS NOT NULL AS since, signal
FROM personalize.signal_status WHERE NOT builtin ORDER BY signal;
INSERT INTO personalize.item (item_id, category, brand, price, tags)
VALUES ('lamp', 'Lighting', 'Lumen', 30, '{led,led,metal}'), ('bare', NULL, NULL, NULL, NULL);
SELECT personalize.track('ada', 'view_item', 'lamp', p)
FROM unnest('{"{\"colour\": \"red\", \"price\": 101}",
	"{\"colour\": [\"red\", \"blue\", \"red\", null, 7, true, {\"a\": 1}]}",
	"{\"colour\": {\"not\": \"a scalar\"}, \"cost\": \"expensive\", \"sale\": true}",
	"{\"colour\": 1.50, \"sale\": false, \"price\": 100}"}'::jsonb[]) AS p;
SELECT personalize.track('ada', 'view_item', 'lamp', jsonb_build_object('colour', repeat('x', 257))),
	personalize.track('ada', 'view_item', 'lamp', jsonb_build_object('colour', array_agg(n))),
	personalize.track('ada', 'view_item', 'lamp', '{"colour": ""}')
FROM generate_series(1000, 1100) AS n;
SELECT personalize.track('ada', 'purchase', 'lamp', '{"colour": "red", "amount": 12.345678, "value": 250}'),
	personalize.track('ada', 'purchase', 'bare', '{"category": "Gifts", "amount": 2}'),
	personalize.track('ada', 'purchase', 'unknown', '{"category": "Gifts", "amount": null}');
SELECT signal, value, count, sum FROM personalize.features('ada') WHERE signal <> 'colour' OR value !~ '^10\d\d$';
SELECT count(*) AS at_most_32_values FROM personalize.features('ada') WHERE value ~ '^10\d\d$';
CREATE TEMP TABLE before AS SELECT signal, value, count, sum, last_seen, stale FROM personalize.features('ada');
SELECT roll_signals();
SELECT count(*) AS rows, bool_and(b IS NOT DISTINCT FROM a) AS same FROM before b FULL JOIN
	(SELECT signal, value, count, sum, last_seen, stale FROM personalize.features('ada')) a
	ON (b.signal, b.value) = (a.signal, a.value);
SELECT signal, value_key, value FROM personalize.feature_value ORDER BY signal, value;

-- the seeded ones; words of searches
SELECT personalize.enable_signal(name) FROM personalize.signal WHERE builtin ORDER BY signal;
SELECT personalize.disable_signal(name) FROM personalize.signal WHERE NOT builtin ORDER BY signal;
SELECT personalize.track('ada', 'search', properties => '{"query": "Rote Schuhe, GRÖSSE 42 -- rote!"}'),
	personalize.track('ada', 'search', properties => '{"query": ["new", "lamp"]}'),
	personalize.track('ada', 'search', properties => '{"query": {"x": 1}}'),
	personalize.track('ada', 'view_item', 'lamp'),
	personalize.track('ada', 'view_item_list', 'lamp'),
	personalize.track('ada', 'remove_from_cart', 'bare', '{"category": "Gifts", "brand": "Box & Co", "tags": ["a", "b"], "price": 7}');
SELECT signal, value, count, sum FROM personalize.features('ada') ORDER BY signal, value COLLATE "C";

-- altering: what is counted changes, so it starts anew, and is filled in from the raw events
SELECT personalize.alter_signal('colour', half_life => '3 days', description => 'colours looked at') AS same_number,
	personalize.alter_signal('colour', events => '{view_item}') AS new_number;
SELECT personalize.enable_signal('colour'), personalize.enable_signal('visits');
SELECT signal, value, count FROM personalize.features('ada') WHERE signal IN ('colour', 'visits');
SELECT personalize.track('ada', 'view_item', 'lamp', '{"colour": "green"}');
SELECT signal, value, count FROM personalize.features('ada') WHERE signal IN ('colour', 'visits');
SELECT roll_signals();
SELECT signal, value, count FROM personalize.features('ada') WHERE signal IN ('colour', 'visits') AND value !~ '^10\d\d$';
-- what was counted under the old number has left the state
SELECT DISTINCT f ->> 'signal' AS signal FROM personalize.profile, jsonb_array_elements(features::jsonb -> 'features') f ORDER BY 1;
SELECT name, weights FROM personalize.signal WHERE name = 'colour';
SELECT personalize.alter_signal('colour', weights => '{"view_item": 2}');

-- dropping: gone at once, its number is not used again, and out of the state at the next write
SELECT personalize.drop_signal('visits');
SELECT count(*) FROM personalize.features('ada') WHERE signal = 'visits';
SELECT personalize.create_signal('visits', NULL, 'none') > 106 AS new_number;
SELECT count(*) FROM personalize.features('ada') WHERE signal = 'visits';
SELECT personalize.track('ada', 'view_item', 'lamp');
SELECT roll_signals();
SELECT count FROM personalize.features('ada') WHERE signal = 'visits';
SELECT DISTINCT f ->> 'signal' AS signal FROM personalize.profile, jsonb_array_elements(features::jsonb -> 'features') f ORDER BY 1;

-- an undone definition leaves no trace in this session
BEGIN;
SELECT personalize.create_signal('undone', NULL, 'none') > 0 AS created;
SELECT count FROM personalize.features('ada') WHERE signal = 'undone';
ROLLBACK;
SELECT count(*) FROM personalize.signal WHERE name = 'undone';
SELECT personalize.track('ada', 'view_item', 'lamp');
SELECT count(*) FROM personalize.features('ada') WHERE signal = 'undone';
SELECT roll_signals();

-- a rebuild counts the raw events that exist by the definitions of today
SELECT personalize.rebuild_processor('profile');
SELECT roll_signals();
SELECT signal, value, count, sum, complete_since IS NOT NULL AS since FROM personalize.features('ada') WHERE signal IN ('visits', 'colour') AND value !~ '^10\d\d$';

-- numbers that cannot be counted: the event is set aside, whole
SELECT personalize.create_signal('huge', '{purchase}', 'none', value_path => 'properties.n') > 0 AS created;
SELECT personalize.track('ada', 'purchase', 'lamp', '{"n": 1}'), personalize.track('ada', 'purchase', 'lamp', '{"n": 1e300}');
SELECT count, sum FROM personalize.features('ada') WHERE signal = 'huge';
SELECT count FROM personalize.features('ada') WHERE signal = 'visits';
SELECT roll_signals();
SELECT count, sum FROM personalize.features('ada') WHERE signal = 'huge';
SELECT count FROM personalize.features('ada') WHERE signal = 'visits';
SELECT source, reason FROM personalize.rejected_event;
-- a sum that overflows
SELECT personalize.track('ada', 'purchase', 'lamp', '{"n": 500000000000}') FROM generate_series(1, 3);
SELECT count(*) FILTER (WHERE stale) > 0 AS stale FROM personalize.features('ada');
SELECT roll_signals();
SELECT count, sum, stale FROM personalize.features('ada') WHERE signal = 'huge';
SELECT count(*), min(reason) FROM personalize.rejected_event;
DROP EXTENSION personalize CASCADE;
DROP FUNCTION roll_signals();

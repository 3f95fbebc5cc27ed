SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- what was bought comes back only where people buy an item again
CREATE FUNCTION roll() RETURNS void LANGUAGE sql AS 'SELECT personalize.rollup_now()';
CREATE FUNCTION offered(VARIADIC options text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE format('SELECT string_agg(item_id, '','' ORDER BY item_id) FROM personalize.recommend(''vera''%s) WHERE item_id NOT LIKE ''x%%''',
		(SELECT string_agg(', ' || o, '') FROM unnest(options) o)) INTO found;
	RETURN found;
END
$$;
SELECT inserted FROM personalize.upsert_items('[
	{"item_id": "drill", "category": "tools"}, {"item_id": "saw", "category": "tools"}, {"item_id": "beans", "category": "coffee"},
	{"item_id": "milk", "category": "coffee"}, {"item_id": "odd"}, {"item_id": "x1", "category": "coffee"}]');
SELECT count(personalize.grant_consent(u, '{analytics,recommendations}')) FROM unnest(ARRAY['vera', 'b1', 'b2', 'b3', 'b4']) u;
-- everybody goes from x1 to everything; four buy a drill, once; three buy beans, two of them again
SELECT count(personalize.track(u, 'view_item', i, ts => now() - interval '20 days' + k * interval '1 minute'))
	FROM unnest(ARRAY['b1', 'b2', 'b3', 'b4']) u, unnest(ARRAY['x1', 'drill', 'beans', 'odd', 'saw', 'milk']) WITH ORDINALITY AS t (i, k);
SELECT count(personalize.track(u, 'purchase', 'drill', '{"quantity": 3}', now() - interval '19 days')) FROM unnest(ARRAY['b1', 'b2', 'b3', 'b4']) u;
SELECT count(personalize.track(u, 'purchase', 'beans', ts => now() - interval '19 days')) FROM unnest(ARRAY['b1', 'b2', 'b3']) u;
SELECT count(personalize.track(u, 'purchase', 'beans', ts => now() - interval '9 days')) FROM unnest(ARRAY['b1', 'b2']) u;
SELECT count(personalize.track('vera', 'purchase', i, ts => now() - interval '3 days')) FROM unnest(ARRAY['drill', 'beans', 'odd']) i;
SELECT personalize.track('vera', 'view_item', 'x1');
SELECT offered();
SELECT roll();
SELECT offered();
SELECT category, buyers, again FROM personalize._repeat_purchase ORDER BY 1;
-- the switch, and the call
SELECT personalize.create_variant('recommend', 'again', '{"exclude_bought_learned": 0}');
SELECT offered('variant => ''again''');
\set SHOW_CONTEXT never
SELECT personalize.create_variant('recommend', 'half', '{"exclude_bought_learned": 0.5}');
SELECT offered('exclude_bought => ''0''');
SELECT offered('exclude_bought => ''2 days''');
SELECT offered('exclude_bought => ''5 days''');
SELECT offered('exclude_bought => NULL');
SELECT offered('exclude_bought => ''-1 day''');
SELECT offered('exclude_bought => ''100000000 years''');
SELECT offered('exclude_bought => ''5 days''', 'as_of => now() - interval ''4 days''');
-- what is offered comes back, unless the call says otherwise
SELECT offered('candidates => ARRAY[''drill'', ''beans'', ''saw'']');
SELECT offered('candidates => ARRAY[''drill'', ''beans'', ''saw'']', 'exclude_bought => ''5 days''');
-- what popular items fill up with, too
SELECT item_id FROM personalize.recommend('vera', 20, session_items => ARRAY['nothing known']) WHERE item_id IN ('drill', 'beans') ORDER BY 1;
-- given back: it is not bought
SELECT personalize.track('vera', 'refund', 'drill', ts => now() - interval '1 day');
SELECT offered(), offered('exclude_bought => ''5 days''');
SELECT personalize.track('vera', 'purchase', 'drill', ts => now() - interval '12 hours');
SELECT offered();
-- a purchase that many items have pushed out of the profile is found for the call
SELECT count(personalize.track('vera', 'view_item', 'y' || i, ts => now() - interval '2 hours')) FROM generate_series(1, 80) i;
SELECT roll();
SELECT offered('candidates => ARRAY[''drill'', ''saw'']', 'exclude_bought => ''5 days''');
-- for whom recommendations are not allowed, nothing is read
SELECT bool_or(item_id = 'drill') FROM personalize.recommend('stranger', 20, session_items => ARRAY['x1'], exclude_bought => '5 days');

-- what was learned is a function of the purchases that are there
CREATE FUNCTION learned() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s/%s', coalesce(category, '-'), again, buyers), ', ' ORDER BY category) FROM personalize._repeat_purchase
$$;
SELECT learned();
SELECT personalize.restrict('b1');
SELECT learned();
SELECT personalize.lift_restriction('b1');
SELECT learned();
SELECT personalize.withdraw_consent('b2', '{analytics}');
SELECT learned();
SELECT personalize.forget('b1') IS NOT NULL;
SELECT learned();
SELECT personalize.rebuild_processor('item_stat');
SELECT learned();
SELECT roll();
SELECT learned();
UPDATE personalize.item SET category = 'drinks' WHERE item_id = 'beans';
SELECT personalize.track('b3', 'view_item', 'x1');
SELECT roll();
SELECT learned();
DROP FUNCTION roll, offered, learned;

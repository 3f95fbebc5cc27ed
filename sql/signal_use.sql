-- What is named elsewhere is not dropped: the error says where, and what to do first.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT personalize.create_signal(n, '{view_item}', 'item.category') > 0 AS made FROM unnest('{compared,counted,"it''s \"odd\"",free}'::text[]) n;
SELECT personalize.create_segment(n, 'compared count >= 2') > 0 AS made FROM unnest('{"a \"b\"",ruled,viewed,alone}'::text[]) n;
SELECT personalize.create_feature_view('model', '{"x": "counted count in 7 days", "in": "in_segment(''viewed'')"}');
SELECT personalize.create_experiment('first', 'trending', '["shipped", {"name": "other", "parameters": {}}]', segment => 'a "b"',
	metrics => '["clicks", {"metric": "signal", "signal": "it''s \"odd\""}]');
INSERT INTO personalize.rule (name, kind, items, place, segment) VALUES ('on top', 'pin', '{1}', 1, 'ruled');
INSERT INTO personalize.page_module (page, module, title, source, segment) VALUES ('club', 'm', 'M', 'trending', 'ruled');
INSERT INTO personalize.page_segment (page, name, segment) VALUES ('club', 's', 'ruled');

-- signals
SELECT personalize.drop_signal('compared');
SELECT personalize.drop_signal('counted');
SELECT personalize.drop_signal('it''s "odd"');
SELECT personalize.drop_signal('free');
-- what an experiment counts stays what it is; what says nothing of that may change
SELECT personalize.alter_signal('it''s "odd"', key_path => 'item.brand');
SELECT personalize.alter_signal('it''s "odd"', description => 'still the same', half_life => '9 days') > 0 AS altered;
SELECT personalize.alter_signal('compared', key_path => 'item.brand') > 0 AS altered;
-- it may be switched off, and then the results say so
SELECT personalize.disable_signal('it''s "odd"');

-- segments
SELECT personalize.drop_segment('a "b"');
SELECT personalize.drop_segment('ruled');
SELECT personalize.drop_segment('viewed');
SELECT personalize.drop_segment('alone');
SELECT name FROM personalize.segment WHERE name IN ('a "b"', 'ruled', 'viewed', 'alone') ORDER BY 1;

-- an admin meets the same
CREATE ROLE regress_keeper IN ROLE personalize_admin;
SET ROLE regress_keeper;
SELECT personalize.drop_signal('counted');
SELECT personalize.drop_segment('ruled');
RESET ROLE;
DROP ROLE regress_keeper;

-- and when nothing needs it any more, it goes
SELECT personalize.stop_experiment('first');
SELECT personalize.create_feature_view('model', '{"x": "item_affinity count in 7 days"}');
UPDATE personalize.rule SET segment = NULL;
DELETE FROM personalize.page_module WHERE page = 'club';
DELETE FROM personalize.page_segment;
SELECT personalize.drop_segment(n) FROM unnest('{"a \"b\"",ruled,viewed}'::text[]) n;
SELECT personalize.drop_signal(n) FROM unnest('{compared,counted,"it''s \"odd\""}'::text[]) n;
SELECT count(*) FROM personalize.signal WHERE NOT builtin;
DROP EXTENSION personalize CASCADE;

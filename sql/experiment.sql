-- Experiments: who is answered with which variant.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
RESET client_min_messages;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
INSERT INTO personalize.item (item_id, category, brand) SELECT i, 'c' || i % 4, 'b' || i % 3 FROM generate_series(1, 60) i;
SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization,recommendations}')) FROM generate_series(0, 199) n;
SELECT count(personalize.track('u' || n % 200, 'view_item', (n * n % 59 + 1)::text, ts => now() - n * interval '40 seconds', session_id => 's' || n % 200 / 2))
FROM generate_series(1, 2000) n;
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT count(*) > 0 FROM personalize.rollup_now();
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
CREATE FUNCTION shares(experiment text) RETURNS TABLE (variant text, reason text, people bigint) LANGUAGE sql AS $$
	SELECT a.variant, a.reason, count(*) FROM generate_series(0, 199) n, personalize.assignment_of('u' || n) a
	WHERE a.experiment = shares.experiment GROUP BY 1, 2 ORDER BY 1, 2
$$;

-- a life: made, started, grown, paused, gone on with, shipped
SELECT personalize.create_experiment('mix', 'recommend', '["shipped", {"name": "varied", "parameters": {"diversity": 0.4}}]', traffic => 0.5);
SELECT variant, share, ordinal FROM personalize.experiment_variant ORDER BY ordinal;
SELECT * FROM shares('mix');
SELECT personalize.start_experiment('mix');
SELECT * FROM shares('mix');
CREATE TABLE first AS SELECT n, a.variant FROM generate_series(0, 199) n, personalize.assignment_of('u' || n) a;
SELECT personalize.grow_experiment('mix', 0.8);
SELECT * FROM shares('mix');
SELECT count(*) AS moved FROM first f, personalize.assignment_of('u' || f.n) a WHERE f.variant IS NOT NULL AND a.variant IS DISTINCT FROM f.variant;
SELECT personalize.grow_experiment('mix', 0.7);
-- the engine answers with what assignment_of says, and with what it is told to
SELECT a.variant, o.variant AS answered, count(*) FROM generate_series(0, 199) n, personalize.assignment_of('u' || n) a,
	LATERAL (SELECT r.request_id FROM personalize.recommend('u' || n, 1) r) r, personalize.request_origin(r.request_id) o GROUP BY 1, 2 ORDER BY 1, 2;
SELECT o.variant AS answered, count(*) FROM generate_series(0, 199) n,
	LATERAL (SELECT r.request_id FROM personalize.recommend('u' || n, 1, variant => 'shipped') r) r, personalize.request_origin(r.request_id) o GROUP BY 1;
-- nothing is written
BEGIN READ ONLY;
SELECT count(a.variant) AS assigned, count(r.item_id) AS answers FROM generate_series(0, 199) n, personalize.assignment_of('u' || n) a, personalize.recommend('u' || n, 1) r;
COMMIT;
-- a paused one answers with the default
SELECT personalize.pause_experiment('mix');
SELECT * FROM shares('mix');
SELECT o.variant AS answered, count(*) FROM generate_series(0, 199) n,
	LATERAL (SELECT r.request_id FROM personalize.recommend('u' || n, 1) r) r, personalize.request_origin(r.request_id) o GROUP BY 1;
SELECT personalize.start_experiment('mix');
SELECT count(*) AS moved FROM first f, personalize.assignment_of('u' || f.n) a WHERE f.variant IS NOT NULL AND a.variant IS DISTINCT FROM f.variant;
-- what was, can be asked
SELECT count(*) FROM personalize.assignment_of('u1', now() - interval '1 day');

-- no consent: the default
SELECT n AS someone FROM generate_series(0, 199) n, personalize.assignment_of('u' || n) a WHERE a.variant = 'varied' ORDER BY n LIMIT 1 \gset
SELECT count(personalize.withdraw_consent('u' || :someone, '{analytics}'));
SELECT variant, reason FROM personalize.assignment_of('u' || :someone);
SELECT o.variant FROM personalize.recommend('u' || :someone, 1) r, personalize.request_origin(r.request_id) o;
SELECT variant, reason FROM personalize.assignment_of('never seen');
-- to try it out
SELECT personalize.force_variant('u' || :someone, 'mix', 'varied');
SELECT variant, reason FROM personalize.assignment_of('u' || :someone);
SELECT o.variant FROM personalize.recommend('u' || :someone, 1) r, personalize.request_origin(r.request_id) o;
SELECT personalize.export_user('u' || :someone) -> 'forced_variants' AS forced;
SELECT personalize.force_variant('u' || :someone, 'mix', NULL);
SELECT variant, reason FROM personalize.assignment_of('u' || :someone);
SELECT personalize.force_variant('u7', 'mix', 'varied');
SELECT count(personalize.forget('u7'));
SELECT count(*) AS forced FROM personalize.experiment_force;
SELECT personalize.force_variant('u7', 'mix', 'vared');
SELECT personalize.force_variant('u7', 'max', 'varied');
SELECT personalize.force_variant(NULL, 'mix', 'varied');

-- engines without a user go by the setting
SELECT personalize.create_experiment('trends', 'trending', '["shipped", {"name": "apart", "parameters": {"max_per_brand": 1}}]');
SELECT personalize.start_experiment('trends');
SELECT DISTINCT o.engine, o.variant FROM personalize.trending(3) r, personalize.request_origin(r.request_id) o;
CREATE FUNCTION trend_of(person text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('personalize.visitor', person, true);
	RETURN (SELECT DISTINCT o.variant FROM personalize.trending(3) r, personalize.request_origin(r.request_id) o);
END
$$;
SELECT a.variant, trend_of('u' || n) AS answered, count(*) > 50 AS many FROM generate_series(0, 199) n, personalize.assignment_of('u' || n) a
WHERE a.experiment = 'trends' AND a.reason = 'assigned' GROUP BY 1, 2 ORDER BY 1, 2;

-- layers: experiments of one exclude each other, those of others do not know of it
SELECT personalize.create_experiment('more', 'recommend', '["shipped", "varied"]', traffic => 0.3);
SELECT personalize.create_experiment('more', 'recommend', '["shipped", "varied"]', traffic => 0.2);
SELECT personalize.start_experiment('more');
SELECT count(*) AS in_both FROM generate_series(0, 199) n WHERE (SELECT count(a.variant) FROM personalize.assignment_of('u' || n) a WHERE a.engine = 'recommend') > 1;
SELECT count(*) AS in_one FROM generate_series(0, 199) n WHERE (SELECT count(a.variant) FROM personalize.assignment_of('u' || n) a WHERE a.engine = 'recommend') = 1;
SELECT personalize.create_experiment('other', 'recommend', '["shipped", "varied"]', layer => 'elsewhere');
SELECT personalize.create_experiment('other', 'recommend', '["shipped", "varied"]', mutually_exclusive => false);
-- a stopped one gives its part back
SELECT personalize.stop_experiment('more');
SELECT personalize.stop_experiment('more');
SELECT personalize.start_experiment('more');
SELECT personalize.create_experiment('next', 'recommend', '["shipped", "varied"]', traffic => 0.2);
SELECT personalize.stop_experiment('next');
-- apart from its layer: both can have the same people
SELECT personalize.create_experiment('near', 'similar_items', '["shipped", {"name": "plain", "parameters": {}}]', layer => 'recommend', mutually_exclusive => false, traffic => 0.5);
SELECT personalize.start_experiment('near');
SELECT count(*) > 40 AS in_both FROM generate_series(0, 199) n WHERE (SELECT count(a.variant) FROM personalize.assignment_of('u' || n) a WHERE a.layer = 'recommend') > 1;

-- holdouts
SELECT personalize.retire_variant('similar_items', 'plain');
SELECT personalize.set_holdout(0.1);
SELECT personalize.stop_experiment(n) FROM unnest(ARRAY['mix', 'trends', 'near']) n;
SELECT personalize.set_holdout(0.1);
SELECT personalize.set_holdout(0.2, 'recommend');
SELECT * FROM personalize.experiment_holdout ORDER BY layer;
SELECT personalize.create_experiment('held', 'recommend', '["shipped", "varied"]');
SELECT personalize.start_experiment('held');
SELECT reason, count(*) BETWEEN 30 AND 80 AS some, count(*) > 100 AS many FROM generate_series(0, 199) n, personalize.assignment_of('u' || n) a
WHERE a.reason <> 'no consent' GROUP BY 1 ORDER BY 1;
SELECT personalize.set_holdout(0.3, 'recommend');
SELECT personalize.set_holdout(0.3, 'trending');
SELECT personalize.set_holdout('NaN');

-- shipping
SELECT personalize.ship_experiment('held', 'vared');
SELECT personalize.ship_experiment('held', 'varied');
SELECT shipped, stopped_at IS NOT NULL AS stopped FROM personalize.experiment WHERE name = 'held';
SELECT DISTINCT o.variant FROM personalize.recommend('u1', 1) r, personalize.request_origin(r.request_id) o;
SELECT personalize.set_default_variant('recommend', 'shipped');

-- planned: it starts and stops by itself
SELECT personalize.create_experiment('planned', 'recommend', '["shipped", "varied"]', start => now() + interval '1 day', stop => now() + interval '9 days');
SELECT count(*) FILTER (WHERE t.at = 'now') AS now, count(*) FILTER (WHERE t.at = 'then') AS then, count(*) FILTER (WHERE t.at = 'later') AS later
FROM (VALUES ('now', now()), ('then', now() + interval '2 days'), ('later', now() + interval '10 days')) t(at, ts), generate_series(0, 199) n,
	personalize.assignment_of('u' || n, t.ts) a;
SELECT personalize.stop_experiment('planned');

-- what cannot be
SELECT personalize.create_experiment('x', 'recomend', '["shipped", "varied"]');
SELECT personalize.create_experiment(NULL, 'recommend', '["shipped", "varied"]');
SELECT personalize.create_experiment('', 'recommend', '["shipped", "varied"]');
SELECT personalize.create_experiment(E'a\tb', 'recommend', '["shipped", "varied"]');
SELECT personalize.create_experiment(repeat('x', 100000), 'recommend', '["shipped", "varied"]');
SELECT personalize.create_experiment('x', 'recommend', NULL);
SELECT personalize.create_experiment('x', 'recommend', '["shipped"]');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "vared"]');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", 3]');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "shipped"]');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", {"name": "varied", "weight": 2}]');
SELECT personalize.create_experiment('x', 'recommend', '[{"name": "shipped", "share": 0.5}, {"name": "varied", "share": 0.4}]');
SELECT personalize.create_experiment('x', 'recommend', '[{"name": "shipped", "share": 1.5}, {"name": "varied", "share": -0.5}]');
SELECT personalize.retire_variant('similar_items', 'plain');
\set VERBOSITY terse
SELECT personalize.create_experiment('x', 'recommend', '["shipped", {"name": "new", "parameters": {"diversty": 1}}]');
\set VERBOSITY default
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', traffic => -0.1);
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', traffic => 'NaN');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', traffic => 0.0005);
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', unit => 'session');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', layer => '');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', start => '2026-01-01 00:00:00+00');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', stop => 'infinity');
SELECT personalize.create_experiment('x', 'recommend', '["shipped", "varied"]', start => '2999-01-02 00:00:00+00', stop => '2999-01-01 00:00:00+00');
SELECT personalize.create_experiment('mix', 'recommend', '["shipped", "varied"]');
SELECT personalize.start_experiment('nix');
SELECT personalize.start_experiment(NULL);
SELECT personalize.assignment_of(NULL);
-- a name may be anything else
SELECT personalize.create_experiment('it''s "50 %"; ✓', 'recommend', '["shipped", "varied"]');
SELECT personalize.start_experiment('it''s "50 %"; ✓');
SELECT DISTINCT experiment FROM generate_series(0, 9) n, personalize.assignment_of('u' || n) a;
SELECT personalize.stop_experiment('it''s "50 %"; ✓');


-- what cannot be meant, by functions whose other errors are above
SELECT personalize.set_holdout(0.1, '');
SELECT personalize.set_holdout(0.1, E'a\nb');
SELECT personalize.set_holdout(0, 'trendign');
SELECT personalize.ship_experiment('trends', NULL);
SELECT * FROM personalize.assignment_of('u1', 'infinity');
SELECT * FROM personalize.experiment_plan('"clicks"', mde => -1);
SELECT * FROM personalize.experiment_plan('"clicks"', power => 'NaN');
SELECT * FROM personalize.experiment_plan('"clicks"', mde => 'infinity');
SELECT personalize.create_experiment('a', 'recommend', '[{"name": "shipped", "share": 1e-400}, {"name": "b", "share": 1, "parameters": {}}]');
-- names with quotes
SELECT personalize.create_experiment('it''s "x"', 'similar_items', '["shipped", {"name": "b''\"c", "parameters": {}}]', traffic => 0.1);
SELECT personalize.start_experiment('it''s "x"');
SELECT personalize.start_experiment('its');
SELECT personalize.ship_experiment('it''s "x"', 'b');
SELECT personalize.ship_experiment('it''s "x"', 'b''"c');
SELECT name, shipped FROM personalize.experiment WHERE name LIKE 'it%';
SELECT personalize.set_default_variant('similar_items', 'shipped');

-- slots and variants of any layers are independent: χ² of ten by ten over a million units
SELECT a.name AS one, b.name AS other,
	(SELECT sum((c.n - 10000) ^ 2 / 10000.0) FROM (
		SELECT count(*) AS n FROM generate_series(1, 1000000) u
		GROUP BY floor(personalize_internal._draw(a.draw, personalize_internal._experiment_salt(a.name), u) * 10),
			floor(personalize_internal._draw(b.draw, personalize_internal._experiment_salt(b.name), u) * 10)) AS c) < 148.2 AS independent
FROM (VALUES ('recommend', 0), ('mix', 1)) a(name, draw), (VALUES ('trending', 0), ('trends', 1)) b(name, draw) WHERE a.draw = b.draw;
DROP EXTENSION personalize CASCADE;
DROP TABLE first;
DROP FUNCTION shares, trend_of;

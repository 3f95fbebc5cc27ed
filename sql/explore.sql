SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- batches are run by hand: once an item that was viewed is counted, neighbours propose it
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor(p) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor(p) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
END
$$;
-- a new item of the visitor's category has a place in the answer before anybody has met it
SELECT inserted FROM personalize.upsert_items((SELECT jsonb_agg(jsonb_build_object('item_id', 'old' || i, 'category', 'shoes', 'created_at', now() - interval '1 year')) FROM generate_series(1, 100) i));
SELECT inserted FROM personalize.upsert_items('[{"item_id": "old hat", "category": "hats", "created_at": "2020-01-01"}]');
SELECT count(personalize.grant_consent(u, '{analytics,personalization,recommendations}')) FROM unnest(ARRAY['ann', 'bea', 'cleo']) u;
SELECT count(personalize.track(u, 'view_item', 'old' || i, session_id => 's' || i / 25, ts => now() - interval '1 day' + i * interval '1 minute')) FROM unnest(ARRAY['bea', 'cleo']) u, generate_series(1, 100) i;
SELECT roll();
SELECT personalize.track('ann', 'view_item', 'old1');
SELECT count(*), count(*) FILTER (WHERE reason LIKE 'new_in%') AS new FROM personalize.recommend('ann');
INSERT INTO personalize.item (item_id, category) VALUES ('new shoe', 'shoes'), ('new hat', 'hats');
INSERT INTO personalize.item (item_id, category, available) VALUES ('no shoe', 'shoes', false);
INSERT INTO personalize.item (item_id, category, created_at) VALUES ('soon', 'shoes', now() + interval '1 day'), ('not so new', 'shoes', now() - interval '15 days');
SELECT rank, item_id, reason FROM personalize.recommend('ann') WHERE reason LIKE 'new_in%';
SELECT count(*), count(DISTINCT item_id), bool_and(score <= before) FROM (SELECT *, lag(score, 1, 'Infinity') OVER (ORDER BY rank) AS before FROM personalize.recommend('ann')) r;
-- met by that impression, and by the answers of the next
SELECT personalize.track('ann', 'view_item_list', item_id, jsonb_build_object('index', rank), request_id => request_id) FROM personalize.recommend('ann') WHERE item_id = 'new shoe';
SELECT roll();
SELECT impressions FROM personalize.item_performance WHERE item_id = 'new shoe';
-- of everybody interested in it, of nobody else; who has met it meets another
SELECT personalize.set_preference('ann', 'favourite_category', 'hats');
SELECT count(*) FROM personalize.recommend('ann', 40) WHERE reason LIKE 'new_in%';
SELECT count(*) FROM personalize.recommend('ann', 40, exclude => ARRAY['new hat']) WHERE reason LIKE 'new_in%';
SELECT count(*) FROM personalize.recommend('ann', 40, '$.category == "shoes"') WHERE reason = 'new_in:hats';
SELECT personalize.set_preference('ann', 'hidden_category', 'hats');
SELECT item_id FROM personalize.recommend('ann', 40) WHERE reason LIKE 'new_in%';
SELECT personalize.track('ann', 'view_item', 'new shoe');
SELECT item_id FROM personalize.recommend('ann', 40) WHERE reason LIKE 'new_in%';
SELECT count(*) FROM personalize.recommend('nobody', 40) WHERE reason LIKE 'new_in%';
SELECT item_id, reason FROM personalize.recommend('nobody', 20, session_items => ARRAY['old hat']) WHERE item_id = 'new hat';
-- candidates come back as they are, and items like one, and what is trending
SELECT count(*) FROM personalize.recommend('bea', 20, candidates => ARRAY['old1', 'old2', 'new shoe']) WHERE reason LIKE 'new_in%';
SELECT count(*) FROM personalize.similar_items('old1', 20) WHERE reason LIKE 'new_in%';
-- how much, and how old
SELECT item_id, reason FROM personalize.recommend('bea', 20, explain => true) WHERE reason LIKE 'new_in%';
CREATE PROCEDURE use(exploration float8, new_item_age float8 DEFAULT 14) LANGUAGE plpgsql AS $$
DECLARE
	name text := format('explore %s of %s days', exploration, new_item_age);
BEGIN
	PERFORM personalize.create_variant('recommend', name, jsonb_build_object('exploration', exploration, 'new_item_age', new_item_age));
	PERFORM personalize.set_default_variant('recommend', name);
END
$$;
CALL use(0);
SELECT count(*) FROM personalize.recommend('bea', 20) WHERE reason LIKE 'new_in%';
CALL use(0.1, 30);
SELECT item_id FROM personalize.recommend('bea', 20) WHERE reason LIKE 'new_in%' ORDER BY 1;
CALL use(1, 30);
SELECT count(*), count(*) FILTER (WHERE reason LIKE 'new_in%') AS new FROM personalize.recommend('bea', 20);
SELECT item_id FROM personalize.recommend('bea', 1, exclude => ARRAY['new shoe']);
SELECT explanation ->> 'source' AS source, explanation ->> 'category' AS category, (explanation ->> 'score_new_in')::float8 = score AS adds_up
FROM personalize.recommend('bea', 1, exclude => ARRAY['new shoe'], explain => true);
\set SHOW_CONTEXT never
SELECT personalize.create_variant('recommend', 'x', '{"exploration": 1.5}');
SELECT personalize.create_variant('recommend', 'x', '{"exploration": -0.1}');
SELECT personalize.create_variant('recommend', 'x', '{"exploration": "NaN"}');
SELECT personalize.create_variant('recommend', 'x', '{"new_item_age": 367}');
SELECT personalize.create_variant('similar_items', 'x', '{"exploration": 0.1}');
-- pins, slots and boosts take the places of others, and caps and diversity do not keep new items out
CALL use(0.1);
INSERT INTO personalize.rule (name, kind, items, place) VALUES ('last', 'pin', '{old hat}', 20), ('third', 'pin', '{old90}', 3);
SELECT rank, item_id, reason FROM personalize.recommend('bea', 20) WHERE reason ~ '^(rule|new_in)' ORDER BY rank;
DELETE FROM personalize.rule;
INSERT INTO personalize.rule (name, kind, items, share) VALUES ('hats', 'slots', '{old hat}', 0.1);
SELECT reason FROM personalize.recommend('bea', 20) WHERE reason ~ '^(rule|new_in)' ORDER BY 1;
DELETE FROM personalize.rule;
INSERT INTO personalize.rule (name, kind, items) VALUES ('not yet', 'exclude', '{new shoe}');
SELECT count(*) FROM personalize.recommend('bea', 20) WHERE item_id = 'new shoe';
DELETE FROM personalize.rule;
SELECT personalize.create_variant('recommend', 'diverse', '{"exploration": 0.1, "diversity": 0.5, "max_per_category": 3}');
SELECT count(*) FILTER (WHERE reason LIKE 'new_in%') AS new, count(*) FILTER (WHERE reason NOT LIKE 'new_in%') AS known, count(DISTINCT item_id) = count(*) AS once
FROM personalize.recommend('bea', 20, variant => 'diverse');
SELECT personalize.set_default_variant('recommend', 'shipped');
DROP PROCEDURE use;

-- drawn by visitor and hour: the same within it, all of them met, a share of one place in 20
INSERT INTO personalize.item (item_id, category, created_at) SELECT 'fresh' || i, 'toys', '2026-01-09' FROM generate_series(1, 10) i;
INSERT INTO personalize.item (item_id, category, created_at) SELECT 'toy' || i, 'toys', '2025-01-09' FROM generate_series(1, 40) i;
SELECT count(personalize.track('bea', 'view_item', 'toy' || i, session_id => 'toys', ts => '2026-01-09 10:00+00')) FROM generate_series(1, 40) i;
SELECT roll();
CREATE TABLE drawn AS
	SELECT u, h, item_id, reason FROM generate_series(1, 200) u, generate_series(1, 2) h,
		personalize.recommend(u, 10, exclude => ARRAY['toy1'], session_items => ARRAY['toy1'], as_of => '2026-01-10 10:05+00'::timestamptz + h * interval '1 hour') WHERE reason LIKE 'new_in%';
SELECT count(*) BETWEEN 170 AND 230 AS one_in_twenty, count(DISTINCT item_id) FROM drawn;
SELECT count(*) FROM drawn a JOIN drawn b USING (u) WHERE a.h = 1 AND b.h = 2 AND a.item_id <> b.item_id AND a.u < 100;
SELECT count(*) FROM generate_series(1, 200) u, personalize.recommend(u, 10, exclude => ARRAY['toy1'], session_items => ARRAY['toy1'], as_of => '2026-01-10 11:55+00') r
	WHERE r.reason LIKE 'new_in%' AND NOT EXISTS (SELECT FROM drawn d WHERE d.u = u.u AND d.h = 1 AND d.item_id = r.item_id);
SELECT count(*) FROM personalize.recommend(1, 20, session_items => ARRAY['toy1'], as_of => '2026-02-10') WHERE reason LIKE 'new_in%';
DROP TABLE drawn;
DROP FUNCTION roll;

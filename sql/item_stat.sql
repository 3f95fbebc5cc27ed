SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- item_stat compared with the same sums over the raw events
CREATE VIEW wrong AS
	WITH raw AS (
		SELECT date_trunc('hour', ts, 'UTC') AS pane_start, item_key, event, personalize_internal._slot_bucket(slot) AS slot_bucket,
			coalesce(value, 0) * 1000000 AS amount, CASE WHEN value <> 0 AND length(properties ->> 'currency') <= 4 THEN properties ->> 'currency' END AS currency
		FROM personalize.event WHERE item_key IS NOT NULL AND consent & 1 = 1
	), expected AS (
		SELECT pane_start, item_key, event, slot_bucket, currency, count(*)::bigint, sum(amount) AS amount
		FROM raw GROUP BY 1, 2, 3, 4, 5
	), found AS (
		SELECT pane_start, item_key, event, slot_bucket, personalize_internal._currency(currency_code) AS currency, count, amount::numeric
		FROM personalize.item_stat
	)
	(TABLE expected EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE expected);
CREATE FUNCTION roll() RETURNS void LANGUAGE sql AS 'SELECT personalize.rollup_now()';
CREATE FUNCTION at(clock text) RETURNS timestamptz LANGUAGE sql AS $$SELECT ('2026-01-10 ' || clock || '+00')::timestamptz$$;

SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'recommendations'])) FROM unnest(ARRAY['ann', 'bob', 'cy']) u;
SELECT personalize.grant_consent('dan', ARRAY['recommendations']);
SELECT personalize.track_many('[
	{"user_id": "ann", "event": "view_item_list", "items": [{"item_id": 1, "position": 1}, {"item_id": "hat", "position": 7}, {"item_id": 3, "position": 40}], "timestamp": "2026-01-10T10:05:00Z"},
	{"user_id": "ann", "event": "select_item", "item_id": "hat", "timestamp": "2026-01-10T10:06:00Z"},
	{"user_id": "ann", "event": "view_item", "item_id": "hat", "timestamp": "2026-01-10T10:06:01Z"},
	{"user_id": "bob", "event": "view_item", "item_id": "hat", "timestamp": "2026-01-10T10:59:59.999Z"},
	{"user_id": "bob", "event": "view_item", "item_id": "hat", "timestamp": "2026-01-10T11:00:00Z"},
	{"user_id": "cy", "event": "add_to_cart", "item_id": 1, "timestamp": "2026-01-10T23:59:00Z"},
	{"user_id": "dan", "event": "view_item", "item_id": "hat", "timestamp": "2026-01-10T10:00:00Z"},
	{"user_id": "cy", "event": "search", "timestamp": "2026-01-10T10:00:00Z"}]');
SELECT personalize.track('ann', 'purchase', 'hat', '{"price": 9.99, "quantity": 2, "currency": "EUR", "order_id": 7}', at('12:00'));
SELECT personalize.track('ann', 'purchase', 1, '{"price": 0.000001, "currency": "EUR", "order_id": 7}', at('12:00'));
SELECT personalize.track('bob', 'purchase', 'hat', '{"price": 5, "currency": "USDC"}', at('12:30'));
SELECT personalize.track('bob', 'purchase', 3, '{"price": 5, "currency": "too long"}', at('12:40'));
SELECT personalize.track('bob', 'refund', 'hat', '{"price": 2, "currency": "USDC"}', at('12:50'));
SELECT personalize.track('cy', 'purchase', 1, ts => at('13:00'), session_id => 's1');
SELECT personalize.track('cy', 'purchase', 'hat', ts => at('13:01'), session_id => 's1');
SELECT personalize.track('cy', 'purchase', 3, ts => at('13:02'), session_id => 's2');
SELECT roll();
SELECT * FROM wrong;
SELECT item_id, day, impressions, selects, views, carts, purchases, refunds, revenue FROM personalize.item_performance ORDER BY item_id;
SELECT item_key, slot_bucket, count FROM personalize.item_stat WHERE event = 2 ORDER BY slot_bucket;
-- items first met in events get a row that has their id; numbers need none
SELECT item_id, item_key = personalize.item_key(item_id) AS same, available, category FROM personalize.item ORDER BY item_id;

-- trending: weights halved with every half-life, from the middle of the hour
SELECT rank, item_id, round(score::numeric, 9) AS score, reason, explanation IS NULL AS unexplained
	FROM personalize.trending(half_life => '2 hours', as_of => at('18:30'));
SELECT item_id, round(sum(w.weight * s.count * power(2, -extract(epoch FROM at('18:30') - s.pane_start - interval '30 minutes') / 7200)), 9) AS score
	FROM personalize.item_stat s JOIN personalize.event_type w USING (event)
	JOIN LATERAL (SELECT coalesce((SELECT i.item_id FROM personalize.item i WHERE i.item_key = s.item_key), s.item_key::text)) i(item_id) ON true
	WHERE pane_start <= at('18:30') GROUP BY 1 HAVING sum(w.weight) > 0 ORDER BY 2 DESC;
SELECT rank, item_id FROM personalize.trending(as_of => at('11:30'));
SELECT rank, item_id FROM personalize.trending(as_of => at('09:30'));
INSERT INTO personalize.item (item_id, category) VALUES ('1', 'shoes'), ('3', 'hats') ON CONFLICT (item_id) DO UPDATE SET category = EXCLUDED.category;
SELECT rank, item_id, reason FROM personalize.trending(category => 'shoes', as_of => at('18:30'));
UPDATE personalize.item SET available = false WHERE item_id = 'hat';
SELECT rank, item_id, reason FROM personalize.trending(as_of => at('18:30'), exclude => ARRAY['5']);
UPDATE personalize.item SET available = true WHERE item_id = 'hat';
SELECT * FROM personalize.trending(0);
SELECT * FROM personalize.trending(half_life => '-1 day');
SELECT * FROM personalize.trending(half_life => '1 second');
SELECT * FROM personalize.trending(as_of => 'infinity');

-- bought together: in one order, else one session, else one day
SELECT rank, item_id, score, reason FROM personalize.bought_together(ARRAY['hat']);
SELECT rank, item_id, score, reason FROM personalize.bought_together(ARRAY[3, 3]);
SELECT * FROM personalize.bought_together(ARRAY[3, NULL]);
SELECT rank, item_id, score, reason FROM personalize.bought_together(ARRAY['hat', '3']);
SELECT rank, item_id, score, reason FROM personalize.bought_together(ARRAY['hat'], as_of => '2026-01-09');
SELECT count(*) FROM personalize.bought_together(NULL);
SELECT count(*) FROM personalize.bought_together('{}');
SELECT count(*) FROM personalize.bought_together('{}');

-- late and repeated events, in one batch and in several
SELECT count(personalize.track(u, 'view_item', i % 5, ts => at('08:00') - i * interval '20 minutes', message_id => u || i))
	FROM unnest(ARRAY['ann', 'bob', 'cy', 'dan']) u, generate_series(1, 30) i;
SELECT roll();
SELECT count(personalize.track(u, 'view_item', i % 5, ts => at('08:00') - i * interval '20 minutes', message_id => u || i))
	FROM unnest(ARRAY['ann', 'bob']) u, generate_series(20, 40) i;
SELECT roll();
SELECT * FROM wrong;
SELECT sum(count) FROM personalize.item_stat WHERE event = 4;

-- a worth that no counter can hold: the event is set aside, the rest goes on
SELECT personalize.track('ann', 'purchase', 9, '{"price": 1e18, "currency": "EUR"}', at('14:00'));
SELECT personalize.track('ann', 'purchase', 9, '{"price": 2, "currency": "EUR"}', at('14:00'));
SELECT roll();
SELECT source, reason FROM personalize.rejected_event;
SELECT item_id, purchases, revenue FROM personalize.item_performance WHERE item_key = 9;

-- withdrawal subtracts what the person has added, and nothing else
CREATE TABLE before AS SELECT * FROM personalize.item_stat;
SELECT personalize.withdraw_consent('ann', ARRAY['recommendations']);
SELECT count(*) FROM (TABLE before EXCEPT ALL TABLE personalize.item_stat) d;
SELECT personalize.track('bob', 'view_item', 77, ts => at('15:00'));
SELECT personalize.withdraw_consent('bob', ARRAY['analytics']);
SELECT personalize.withdraw_consent('ann', ARRAY['analytics']);
SELECT roll();
SELECT * FROM wrong;
SELECT item_id, day, views, purchases, revenue FROM personalize.item_performance ORDER BY item_id, day;
SELECT count(*) FROM personalize._basket b WHERE user_key <> personalize.user_key('cy');
SELECT rank, item_id, score FROM personalize.bought_together(ARRAY['hat']);

-- a rebuild from the raw events comes to the same
DROP TABLE before;
CREATE TABLE before AS SELECT * FROM personalize.item_stat;
CREATE TABLE baskets_before AS SELECT * FROM personalize._basket;
SELECT personalize.rebuild_processor('item_stat');
SELECT roll();
SELECT count(*) FROM ((TABLE before EXCEPT ALL TABLE personalize.item_stat) UNION ALL (TABLE personalize.item_stat EXCEPT ALL TABLE before)) d;
SELECT count(*) FROM ((TABLE baskets_before EXCEPT ALL TABLE personalize._basket) UNION ALL (TABLE personalize._basket EXCEPT ALL TABLE baskets_before)) d;

SET client_min_messages = warning;
DROP TABLE before, baskets_before;
DROP VIEW wrong;
DROP FUNCTION roll, at;

-- a condition on item_id reads one item by its key, catalogued or not, however it is asked
CREATE FUNCTION pg_temp.found_by(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ 'Index Cond.*item_key"? = .*[0-9]' THEN
			RETURN NEXT btrim(replace(line, '"', ''));
		END IF;
	END LOOP;
END
$$;
SET enable_seqscan = off;
SET plan_cache_mode = force_custom_plan;
SELECT * FROM pg_temp.found_by($$SELECT * FROM personalize.item_performance WHERE item_id = '4'$$);
SELECT * FROM pg_temp.found_by($$SELECT * FROM personalize.item_performance WHERE '4' = item_id AND day > '2026-01-01'$$);
SELECT * FROM pg_temp.found_by($$SELECT * FROM personalize.item_revenue WHERE item_id IN ('1', '3', '')$$);
SELECT * FROM pg_temp.found_by($$SELECT views FROM (SELECT item_id, sum(views) AS views FROM personalize.item_performance GROUP BY 1) s WHERE item_id = '4'$$);
-- not where other items are wanted, too
SELECT * FROM pg_temp.found_by($$SELECT * FROM personalize.item_performance WHERE item_id = '4' OR views = 1$$);
SELECT * FROM pg_temp.found_by($$SELECT * FROM personalize.item_performance WHERE item_id <> '4'$$);
PREPARE one_item(text) AS SELECT item_id, sum(views) AS views, count(*) FROM personalize.item_performance WHERE item_id = $1 GROUP BY 1;
SELECT * FROM pg_temp.found_by($$EXECUTE one_item('4')$$);
EXECUTE one_item('4');
EXECUTE one_item('hat');
EXECUTE one_item('');
EXECUTE one_item(NULL);
EXECUTE one_item('nobody has it');
EXECUTE one_item('04');
SET plan_cache_mode = force_generic_plan;
EXECUTE one_item('4');
EXECUTE one_item('hat');
RESET plan_cache_mode;
RESET enable_seqscan;
SELECT count(*) AS differ FROM (
	SELECT * FROM personalize.item_performance EXCEPT
	SELECT p.* FROM (SELECT DISTINCT item_id FROM personalize.item_performance) i
		CROSS JOIN LATERAL (SELECT * FROM personalize.item_performance q WHERE q.item_id = i.item_id) p) d;

-- revenue as rows, events by name
SELECT item_id, day, currency, purchases, refunds, revenue FROM personalize.item_revenue ORDER BY 1, 2, 3;
SELECT count(*) AS differ FROM (
	SELECT item_key, day, coalesce(currency, ''), revenue FROM personalize.item_revenue WHERE revenue <> 0
	EXCEPT SELECT item_key, day, key, value::numeric FROM personalize.item_performance, jsonb_each_text(revenue)) d;
SELECT event, sum(count) FROM personalize.item_event GROUP BY 1 ORDER BY 1;
SELECT (SELECT sum(count) FROM personalize.item_event) = (SELECT sum(count) FROM personalize.item_stat) AS all_of_them;
-- an item that only a key is left of
INSERT INTO personalize.item_stat VALUES (date_trunc('day', now(), 'UTC'), -77, 0, 4, 0, 1, 0);
SELECT item_id, views FROM personalize.item_performance WHERE item_key = -77;
SELECT item_id, views FROM personalize.item_performance WHERE item_id = '-77';
DELETE FROM personalize.item_stat WHERE item_key = -77;
-- who asks for purchases of an item reads no impressions of it
CREATE FUNCTION conditions(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN QUERY SELECT c #>> '{}' FROM jsonb_path_query(plan, '$.**."Index Cond"') AS c;
END
$$;
SET enable_seqscan = off;
SELECT count(*) > 0 AS some, bool_and(c ~ 'item_key' AND c ~ 'event') AS both
FROM conditions('SELECT sum(count) FROM personalize.item_stat WHERE item_key = ANY (''{1,2,3}'') AND event IN (4, 10) AND (pane_start > now()) IS TRUE') AS c;
RESET enable_seqscan;
DROP FUNCTION conditions;

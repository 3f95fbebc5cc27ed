-- Aggregates of signals: what each is worth, late, twice, taken back, and in segments.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET personalize.test_now = '2026-03-10 12:00+00';
-- batches are run by hand
SELECT count(personalize.disable_processor(p)) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p;
CREATE FUNCTION pg_temp.roll() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('profile');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('profile');
END
$$;
SELECT count(personalize.grant_consent(u, '{analytics,personalization}', 'test')) FROM unnest('{ada,bob,cy}'::text[]) AS u;
SELECT personalize.create_signal('spent', '{purchase}', 'item.category', '{"purchase": 1}', 'properties.price', periods => '{1 hour,7 days,390 days}', aggregates => '{min,max,first,last}');
SELECT personalize.create_signal('looked', '{view_item}', 'item.category', '{"view_item": 1}', periods => '{1 hour,7 days,390 days}');

-- what happened, in the order in which it came: late, and one event twice
CREATE TEMP TABLE happened (n integer, event text, category text, price numeric, ts timestamptz);
INSERT INTO happened VALUES
	(1, 'view_item', 'shoes', NULL, '2026-03-08 10:00+00'), (2, 'purchase', 'shoes', 80, '2026-03-09 10:00+00'),
	(3, 'purchase', 'hats', 20.5, '2026-03-10 11:30+00'), (4, 'view_item', 'hats', NULL, '2026-03-10 11:20+00'),
	(5, 'purchase', 'shoes', 30, '2026-03-01 09:00+00'), (6, 'view_item', 'shoes', NULL, '2026-03-10 11:10+00'),
	(7, 'view_item', 'socks', NULL, '2026-03-02 10:00+00'), (8, 'view_item', 'shoes', NULL, '2026-03-09 09:00+00');
CREATE FUNCTION pg_temp.send(who text, numbers integer[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(personalize.track(who, h.event, 'i', jsonb_strip_nulls(jsonb_build_object('category', h.category, 'price', h.price, 'currency', 'EUR')),
		ts => h.ts, message_id => who || h.n)::text, ' ')
	FROM (SELECT * FROM unnest(numbers) WITH ORDINALITY AS n (n, place) JOIN happened USING (n) ORDER BY place) AS h
$$;
SELECT pg_temp.send('ada', '{1,2,3,4,5,6,7,8,3}');

-- each aggregate, of one value, of all values, in a period
SELECT personalize.create_feature_view('all', $${
	"mean": "spent mean", "mean_shoes": "spent['shoes'] mean", "mean_week": "spent mean in 7 days", "mean_none": "spent['socks'] mean",
	"min": "spent min", "max": "spent max", "first": "spent first", "last": "spent last", "range": "spent max - spent min", "last_week": "spent['shoes'] last in 7 days",
	"min_none": "spent['socks'] min", "first_day": "spent first in 1 day", "max_hats": "spent['hats'] max default 0",
	"kinds": "looked distinct", "kinds_week": "looked distinct in 7 days",
	"idle": "looked time_since_last", "idle_shoes": "looked['shoes'] time_since_last", "idle_socks_week": "looked['socks'] time_since_last in 7 days",
	"most": "looked most_frequent", "newest": "looked most_recent", "newest_bought": "spent most_recent default 'none'",
	"list": "looked values", "list_week": "looked values in 7 days", "list_bought": "spent['shoes'] values",
	"rate": "rate(spent count, looked count)", "rate_socks": "rate(spent['socks'], looked['socks'])",
	"prior": "rate(spent['socks'] count, looked['socks'] count, prior 0.1 weight 9)", "prior_none": "rate(spent['gear'], looked['gear'], prior 0.25 weight 4)",
	"rate_none": "rate(spent['gear'], looked['gear'])", "worth": "rate(spent sum in 30 days, looked in 30 days, prior 2 weight 1) default 0"
}$$);
SELECT * FROM jsonb_each(personalize.get_features('ada', 'all')) ORDER BY 1;
-- the same once it is stored, as typed rows, and whoever had it come in another order
CREATE TEMP TABLE was AS SELECT personalize.get_features('ada', 'all') AS f;
SELECT pg_temp.roll();
SELECT personalize.get_features('ada', 'all') = f FROM was;
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'personalize.fv_all'::regclass AND attname ~ '^(list|prior|newest|mean)$' ORDER BY 1;
SELECT list, cardinality(list), list[1], round(prior::numeric, 4), newest, mean FROM personalize.fv_all WHERE user_id = 'ada';
SELECT f = (personalize.get_features('ada', 'all')) FROM was, jsonb_populate_record(NULL::personalize.fv_all, f) AS r WHERE r.list = '{shoes,hats,socks}';
SELECT pg_temp.send('bob', '{8,7,6,6,5}');
SELECT pg_temp.roll();
SELECT pg_temp.send('bob', '{4,3,2,1}');
SELECT personalize.get_features('bob', 'all') = f FROM was;
SELECT pg_temp.roll();
SELECT personalize.get_features('bob', 'all') = f FROM was;
-- as it was: nothing of later
SELECT h.features ->> 'mean', h.features -> 'list', h.features ->> 'newest', h.features ->> 'idle'
FROM personalize.get_historical_features('SELECT ''ada'' AS user_id, ''2026-03-09 12:00+00''::timestamptz AS event_timestamp', 'all', late_events => true) AS h;
-- where they come from
SELECT feature, type, value, status, events, sources FROM personalize.explain_features('ada', 'all') WHERE feature IN ('list', 'mean', 'prior', 'rate_none') ORDER BY 1;

-- as rows: of one person, of all, by pane; what a signal does not keep is not there
SELECT signal, value, count, sum, min, max, first, last FROM personalize.features('ada', '7 days', '2026-03-10 12:00+00') WHERE signal IN ('spent', 'looked') ORDER BY 1, 2;
SELECT value, pane_start, grain, count, min, max, first, last FROM personalize.profile_pane WHERE user_id = 'ada' AND signal = 'spent' ORDER BY 2;
-- of one time, the smaller is the first and the larger the last, whichever came first
SELECT count(personalize.grant_consent(u, '{personalization}', 'test')) FROM unnest('{tie1,tie2}'::text[]) AS u;
SELECT count(personalize.track('tie' || u, 'purchase', 'i', jsonb_build_object('category', 'c', 'currency', 'EUR', 'price', CASE u WHEN 1 THEN p ELSE 50 - p END), ts => '2026-03-10 09:00+00'))
FROM generate_series(1, 2) AS u, unnest('{10,25,40}'::integer[]) AS p;
SELECT u, min, max, first, last FROM unnest('{tie1,tie2}'::text[]) AS u, personalize.features(u, NULL, '2026-03-10 12:00+00') WHERE signal = 'spent' ORDER BY 1;
-- with decimals, and as large as it goes
SELECT count(personalize.track('tie1', 'purchase', 'i', jsonb_build_object('category', 'd', 'currency', 'EUR', 'price', p), ts => '2026-03-10 09:00+00'::timestamptz + length(p::text) * interval '1 second'))
FROM unnest('{0.000001,9000000000,12.34}'::numeric[]) AS p;
SELECT pg_temp.roll();
SELECT value, count, min, max, first, last FROM personalize.features('tie1', NULL, '2026-03-10 12:00+00') WHERE signal = 'spent' ORDER BY 1;

-- a list has at most 100 values, those of most events
SELECT count(personalize.grant_consent('many', '{personalization}', 'test'));
SELECT count(personalize.track('many', 'view_item', 'i', jsonb_build_object('category', 'c' || n % 130))) FROM generate_series(1, 250) AS n;
SELECT jsonb_array_length(f -> 'list'), f -> 'kinds', (SELECT count(*) FROM jsonb_array_elements_text(f -> 'list') AS c WHERE substr(c, 2)::integer BETWEEN 1 AND 120) FROM personalize.get_features('many', 'all') AS f;

-- segments: the same words; whoever has nothing to compare is not in
SELECT personalize.create_segment('big spender', 'spent mean in 30 days >= 40'),
	personalize.create_segment('browser', 'looked distinct >= 3'),
	personalize.create_segment('gone quiet', 'looked time_since_last >= 2 hours', ttl => '1 day'),
	personalize.create_segment('here', 'looked time_since_last <= 1 hour leave 90 minutes'),
	personalize.create_segment('buyer', 'rate(spent in 30 days, looked in 30 days, prior 0.1 weight 5) >= 0.3'),
	personalize.create_segment('dear', 'rate(spent sum, looked) > 30'),
	personalize.create_segment('cheap lately', 'spent last <= 25 and spent max in 7 days >= 50');
SELECT u, array_agg(s.segment ORDER BY s.segment) FROM unnest('{ada,bob,cy,many}'::text[]) AS u LEFT JOIN personalize.segments_of(u) AS s ON true GROUP BY 1 ORDER BY 1;
SELECT segment, until FROM personalize.segments_of('ada') ORDER BY 1;
SELECT pg_temp.roll();
SELECT segment, until FROM personalize.segments_of('ada') ORDER BY 1;
-- nobody does anything: the clock lets her in and out, told once
SET personalize.test_now = '2026-03-10 12:30+00';
SELECT pg_temp.roll();
SET personalize.test_now = '2026-03-10 12:55+00';
SELECT pg_temp.roll();
SELECT personalize.in_segment('ada', 'here'), personalize.in_segment('ada', 'gone quiet');
SET personalize.test_now = '2026-03-10 13:20+00';
SELECT pg_temp.roll();
SELECT personalize.in_segment('ada', 'gone quiet'), (SELECT due FROM personalize.segment_member AS m JOIN personalize.segment AS s USING (segment) WHERE s.name = 'gone quiet' AND m.user_key = personalize.user_key('ada'));
SET personalize.test_now = '2026-03-11 13:21+00';
SELECT pg_temp.roll();
SELECT personalize.in_segment('ada', 'gone quiet'), personalize.in_segment('ada', 'here');
SELECT s.name, c.changed_at, c.entered FROM personalize.segment_change AS c JOIN personalize.segment AS s USING (segment)
WHERE c.user_key = personalize.user_key('ada') AND s.name IN ('gone quiet', 'here') ORDER BY 2, 1;
SET personalize.test_now = '2026-03-10 12:00+00';

-- taken back: a part of the signal, the purpose, and everything; what is left is what the events left say
CREATE FUNCTION pg_temp.told(who text) RETURNS TABLE (f jsonb) LANGUAGE sql AS $$
	SELECT jsonb_object_agg(key, value) FROM jsonb_each(personalize.get_features(who, 'all'))
	WHERE key IN ('mean', 'kinds', 'list', 'rate', 'newest', 'idle', 'min', 'max', 'first', 'last')
$$;
SELECT f FROM pg_temp.told('bob');
-- put right, and right again
SELECT personalize.rectify('bob', '{"properties": {"price": 41.5}}', 'bob3');
SELECT f FROM pg_temp.told('bob');
SELECT personalize.rectify('bob', '{"ts": "2026-03-09 08:00+00", "properties": {"price": 20.5}}', 'bob3');
SELECT f -> 'mean' FROM pg_temp.told('bob');
SELECT personalize.rectify('bob', '{"ts": "2026-03-10 11:30+00"}', 'bob3');
SELECT personalize.get_features('bob', 'all') = f FROM was;
-- what came under another id comes to her, and goes again
SELECT count(personalize.grant_consent('device', '{analytics,personalization}', 'test'));
SELECT pg_temp.send('device', '{2,7}');
SELECT status, events FROM personalize.identify('device', 'bob');
SELECT f FROM pg_temp.told('bob');
SELECT personalize.split('bob', 'device');
SELECT personalize.get_features('bob', 'all') = f FROM was;
SELECT personalize.withdraw_consent('bob', '{personalization}') IS NOT NULL;
SELECT f FROM pg_temp.told('bob');
SELECT personalize.grant_consent('bob', '{personalization}', 'test');
SELECT personalize.track('bob', 'view_item', 'i', '{"category": "gloves"}');
SELECT f FROM pg_temp.told('bob');
SELECT personalize.forget('bob') IS NOT NULL;
SELECT f FROM pg_temp.told('bob');

-- changed, and made anew from the raw events
SELECT personalize.alter_signal('spent', filter => '$.price > 25') > 100;
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT f FROM pg_temp.told('ada');
SELECT personalize.alter_signal('spent', filter => 'true') > 100;
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT personalize.get_features('ada', 'all') = f FROM was;
-- what it no longer keeps is not there any more, and that is told
SELECT name, aggregates FROM personalize.signal_status WHERE name = 'spent';
SELECT personalize.alter_signal('spent', aggregates => '{count,sum,max}') > 100;
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT feature, value, status FROM personalize.explain_features('ada', 'all') WHERE feature IN ('max', 'min', 'mean') ORDER BY 1;
SELECT value, min, max FROM personalize.features('ada', NULL, '2026-03-10 12:00+00') WHERE signal = 'spent' ORDER BY 1;
SELECT personalize.in_segment('ada', 'cheap lately');
SELECT personalize.alter_signal('spent', aggregates => '{min,max,first,last}') > 100;
SELECT pg_temp.roll();
SELECT pg_temp.roll();
SELECT personalize.get_features('ada', 'all') = f FROM was;
SELECT personalize.in_segment('ada', 'cheap lately');
-- counted anew one by one, and at once
CREATE TEMP TABLE states AS SELECT user_key, personalize_internal._state_folded(features, '2026-03-10 12:00+00') AS features FROM personalize.profile;
BEGIN;
SELECT count(personalize.rebuild_processor('profile'));
SELECT pg_temp.roll();
COMMIT;
SELECT pg_temp.roll();
SELECT count(*), count(*) FILTER (WHERE s.features OPERATOR(personalize.=) personalize_internal._state_folded(p.features, '2026-03-10 12:00+00')) FROM states AS s LEFT JOIN personalize.profile AS p USING (user_key);
-- from 5 minutes to 13 months, at the grain of each
SELECT personalize.create_signal('span', NULL, 'none', '{"search": 1}', periods => '{5 minutes,13 months}', half_life => '5 minutes') > 100;
SELECT personalize.create_feature_view('spans', '{"now": "span in 5 minutes", "hour": "span in 1 hour", "month": "span in 1 month", "longest": "span in 13 months", "all": "span", "faded": "span decayed"}');
SELECT count(personalize.track('cy', 'search', properties => '{"query": "x"}', ts => '2026-03-10 12:00+00'::timestamptz - age)) FROM unnest('{0,4 minutes,6 minutes,29 days,31 days,389 days,391 days}'::interval[]) AS age;
SELECT personalize.get_features('cy', 'spans') - 'faded', round((personalize.get_features('cy', 'spans') ->> 'faded')::numeric, 4);
SELECT pg_temp.roll();
SELECT personalize.get_features('cy', 'spans') - 'faded';
-- what a dry run says of it
SELECT outcome, value, events, sum FROM personalize.test_signal('{"events": ["purchase"], "key_path": "item.category", "value_path": "properties.price", "weights": {"purchase": 1}, "aggregates": ["max"]}', 'ada');

-- mistakes name the word and what there is
CREATE FUNCTION pg_temp.try(expression text, segment boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	IF segment THEN
		RETURN personalize.create_segment('tried', expression);
	END IF;
	RETURN personalize.create_feature_view('tried', json_build_object('x', expression));
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || left(hint, 150);
END
$$;
SELECT pg_temp.try(e) FROM unnest(ARRAY['looked meen', 'looked values default 0', 'looked values + 1', 'rate(looked values, looked)', 'rate(looked', 'rate(looked)', 'rate(looked, looked', 'rate(looked, looked, 0.1)',
	'rate(looked, looked, prior)', 'rate(looked, looked, prior 0.1)', 'rate(looked, looked, prior 0.1 weight 0)', 'rate(looked, looked, prior -1 weight 1)', 'rate(looked, looked, prior 1e10 weight 1)', 'rate', 'rate()']) AS e;
SELECT pg_temp.try(e, true) FROM unnest(ARRAY['looked mode >= 1', 'looked values >= 1', 'looked most_frequent = 1', 'looked time_since_last >= 2 fortnights', 'rate(looked decayed, looked) >= 1', 'rate(looked, lookd) >= 1',
	'rate(looked, looked) >= 1 day', 'looked time_since_last >= 1 day leave 2 days', 'rate(looked, looked, prior 0.1 weight -1) > 0']) AS e;
SELECT pg_temp.try('spent first');
SELECT personalize.alter_signal('spent', aggregates => '{count,last,max}') > 100;
SELECT pg_temp.try(e) FROM unnest(ARRAY['spent first', 'looked max', 'interest_category[''x''] first', 'rate(looked last, looked)']) AS e;
SELECT pg_temp.try('looked min in 7 days >= 1', true);
SELECT personalize.create_signal('x', NULL, 'none', aggregates => '{count,median}');
SELECT personalize.create_signal('x', NULL, 'none', aggregates => '{maks}');
SELECT personalize.create_signal('x', NULL, 'none', aggregates => '{}');
SELECT personalize.create_signal('x', NULL, 'none', aggregates => '{max,NULL}');
SELECT personalize.create_signal('x', NULL, 'none', aggregates => NULL);
SELECT * FROM personalize.test_signal('{"key_path": "none", "aggregates": ["maximum"]}');
-- a signal whose name is a function's is not confused with it
SELECT personalize.create_signal('rate', '{view_item}', 'none') > 100;
SELECT pg_temp.try('rate + rate(rate, ''rate'')'), pg_temp.try('rate >= 1 and rate(rate, rate) = 1', true) IS NOT NULL;

DROP TABLE states;
DROP EXTENSION personalize;

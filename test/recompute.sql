-- recompute: what the processors should hold, computed from the raw events.
--
-- Written from the documentation of the tables, not from the code: SQL over
-- event on the one side, what is stored on the other, one row for each
-- difference.  Traffic comes through ingest(), like an application's.
CREATE SCHEMA recompute;

-- One transaction's events: users and items are few, so that they meet again.
CREATE FUNCTION recompute.traffic(n integer, users integer DEFAULT 300, since interval DEFAULT '2 days') RETURNS bigint
LANGUAGE sql SET client_min_messages = error AS $$
	SELECT i.accepted
	FROM (
		SELECT array_agg((random() * users)::integer::text) AS users,
			array_agg((ARRAY['view_item', 'view_item', 'view_item_list', 'select_item', 'add_to_cart', 'search', 'purchase'])[1 + (random() * 6)::integer]) AS events,
			array_agg(CASE WHEN random() < 0.9 THEN 'sku' || (random() * 100)::integer END) AS items,
			array_agg(now() - random() * since) AS ts,
			array_agg(CASE WHEN random() < 0.3 THEN jsonb_build_object(
				'query', (ARRAY['red', 'shoe', 'hat'])[1 + (random() * 2)::integer],
				'price', 10 + (random() * 5)::integer, 'currency', (ARRAY['EUR', 'USD'])[1 + (random())::integer],
				'position', 1 + (random() * 20)::integer) END) AS properties,
			array_agg(CASE WHEN random() < 0.5 THEN 's' || (random() * 2000)::integer END) AS sessions,
			array_agg((ARRAY['analytics,personalization,recommendations', 'analytics,personalization', 'analytics', NULL])[1 + (random() * 3)::integer]) AS consents
		FROM generate_series(1, n)) AS t,
	LATERAL personalize.ingest(t.users, t.events, t.items, ts => t.ts, properties => t.properties,
		session_ids => t.sessions, consents => t.consents) AS i
$$;

-- Events each processor says it has counted or set aside.
CREATE FUNCTION recompute.counts() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('%s counted %s events and set aside %s, should be %s', p.name, p.events, p.rejected, e.events)
	FROM personalize.processor AS p,
		LATERAL (
			SELECT count(*) AS events FROM personalize.event AS e
			WHERE CASE p.name
				WHEN 'profile' THEN true
				WHEN 'item_stat' THEN e.item_key IS NOT NULL AND e.consent & 1 <> 0
				WHEN 'neighbour' THEN e.item_key IS NOT NULL AND e.consent & 4 <> 0
				WHEN 'exposure' THEN e.item_key IS NOT NULL AND e.consent & 1 <> 0 AND
					(e.event IN (2, 3, 6, 10, 12, 13) OR (e.event = 4 AND e.request_key IS NOT NULL)) END) AS e
	WHERE p.events + p.rejected <> e.events
$$;

-- item_stat: count and worth by hour, item, currency, event and place.
CREATE FUNCTION recompute.item_stat() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('item_stat %s: %s, should be %s', concat_ws(' ', pane_start, item_key, currency_code, event, slot_bucket),
		stored.sums, raw.sums)
	FROM (
		SELECT pane_start, item_key, currency_code, event, slot_bucket, row(count, amount)::text AS sums
		FROM personalize.item_stat) AS stored
	FULL JOIN (
		SELECT date_trunc('hour', e.ts, 'UTC') AS pane_start, e.item_key,
			CASE WHEN e.value <> 0 THEN coalesce(c.code, 0) ELSE 0 END AS currency_code, e.event,
			personalize_internal._slot_bucket(e.slot) AS slot_bucket,
			row(count(*), sum(coalesce(round(e.value * 1000000), 0))::bigint)::text AS sums
		FROM personalize.event AS e
		LEFT JOIN (VALUES ('EUR', (69 << 16) | (85 << 8) | 82), ('USD', (85 << 16) | (83 << 8) | 68)) AS c (currency, code)
			ON c.currency = e.properties ->> 'currency'
		WHERE e.item_key IS NOT NULL AND e.consent & 1 <> 0
			AND NOT EXISTS (
				SELECT FROM personalize.rejected_event AS r
				WHERE r.source = 'item_stat' AND (r.payload ->> 'txid')::bigint = e.txid
					AND (r.payload ->> 'ordinal')::smallint = e.ordinal AND r.user_key = e.user_key
					AND (r.payload ->> 'ts')::timestamptz = e.ts)
		GROUP BY 1, 2, 3, 4, 5) AS raw
	USING (pane_start, item_key, currency_code, event, slot_bucket)
	WHERE stored.sums IS DISTINCT FROM raw.sums
$$;

-- _basket: purchases by item, day and person.
CREATE FUNCTION recompute.basket() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('_basket %s: %s, should be %s', concat_ws(' ', item_key, day, user_key), stored.count, raw.count)
	FROM (
		SELECT item_key, day, user_key, sum(count) AS count FROM personalize._basket GROUP BY 1, 2, 3) AS stored
	FULL JOIN (
		SELECT item_key, (ts AT TIME ZONE 'UTC')::date AS day, user_key, count(*) AS count
		FROM personalize.event WHERE event = 10 AND item_key IS NOT NULL AND consent & 1 <> 0
		GROUP BY 1, 2, 3) AS raw
	USING (item_key, day, user_key)
	WHERE stored.count IS DISTINCT FROM raw.count
$$;

-- profile: events and their span.
CREATE FUNCTION recompute.profile() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('profile of %s: %s, should be %s', user_key, stored.sums, raw.sums)
	FROM (
		SELECT user_key, row(events, first_seen, last_seen)::text AS sums FROM personalize.profile WHERE events > 0) AS stored
	FULL JOIN (
		SELECT user_key, row(count(*), min(ts), max(ts))::text AS sums
		FROM personalize.event WHERE consent & 2 <> 0 GROUP BY 1) AS raw
	USING (user_key)
	WHERE stored.sums IS DISTINCT FROM raw.sums
$$;

-- profile.features: count and sum over all panes of the seeded signals that
-- need no catalogue: items, search terms, price bands.
CREATE FUNCTION recompute.features() RETURNS SETOF text
LANGUAGE sql AS $$
	WITH counted AS (
		SELECT e.*, t.weight FROM personalize.event AS e JOIN personalize.event_type AS t USING (event)
		WHERE e.consent & 2 <> 0
	), raw AS (
		SELECT user_key, signal, value, row(count(*), trim_scale(sum(weight)), max(ts))::text AS sums
		FROM (
			SELECT user_key, 6 AS signal, coalesce(i.item_id, item_key::text) AS value, weight, ts
			FROM counted LEFT JOIN personalize.item AS i USING (item_key) WHERE weight <> 0 AND item_key IS NOT NULL
			UNION ALL
			SELECT user_key, 5, properties ->> 'query', weight, ts
			FROM counted WHERE event = 1 AND properties ? 'query'
			UNION ALL
			SELECT user_key, 4, personalize.price_band((properties ->> 'price')::numeric), weight, ts
			FROM counted WHERE weight <> 0 AND properties ? 'price') AS f
		GROUP BY 1, 2, 3
	), stored AS (
		SELECT p.user_key, (f.value ->> 'signal')::integer AS signal, 
			personalize_internal._feature_value((f.value ->> 'signal')::smallint, (f.value ->> 'value')::bigint) AS value,
			row((SELECT sum((n.value ->> 2)::bigint) FROM jsonb_array_elements(f.value -> 'panes') AS n),
				(SELECT trim_scale(sum((n.value ->> 3)::numeric)) FROM jsonb_array_elements(f.value -> 'panes') AS n),
				(f.value ->> 'last')::timestamptz)::text AS sums
		FROM personalize.profile AS p, jsonb_array_elements(p.features::jsonb -> 'features') AS f
		WHERE (p.features::jsonb ->> 'evicted')::integer = 0 AND (f.value ->> 'signal')::integer < 100
	)
	SELECT format('feature %s %s of user %s: %s, should be %s', signal, value, user_key, stored.sums, raw.sums)
	FROM stored FULL JOIN raw USING (user_key, signal, value)
	WHERE stored.sums IS DISTINCT FROM raw.sums
$$;

-- profile.features: different items, of the signals of items that keep them; an estimate is near.
CREATE FUNCTION recompute.distinct_items() RETURNS SETOF text
LANGUAGE sql AS $$
	WITH raw AS (
		SELECT e.user_key, s.signal, count(DISTINCT e.item_key) AS items
		FROM personalize.event AS e JOIN personalize.event_type AS t USING (event), personalize.signal AS s
		WHERE e.consent & 2 <> 0 AND t.weight <> 0 AND e.item_key IS NOT NULL
			AND s.key_path = 'item' AND 'distinct' = ANY (s.aggregates)
		GROUP BY 1, 2
	), stored AS (
		SELECT p.user_key, s.signal, d.different, coalesce(d.relative_error, 0) AS relative_error
		FROM personalize.profile AS p, personalize.signal AS s,
			LATERAL personalize_internal._feature_state_distinct(p.features, s.signal) AS d
		WHERE s.key_path = 'item' AND 'distinct' = ANY (s.aggregates) AND d.different IS NOT NULL
	)
	SELECT format('distinct of signal %s of user %s: %s, should be %s', signal, user_key, stored.different, raw.items)
	FROM stored FULL JOIN raw USING (user_key, signal)
	WHERE stored.different IS NULL OR raw.items IS NULL OR abs(stored.different - raw.items) > 5 * stored.relative_error * raw.items
$$;

-- session: events and last time, of sessions given and of those ended by a pause.
CREATE FUNCTION recompute.session() RETURNS SETOF text
LANGUAGE sql AS $$
	WITH counted AS (
		SELECT e.user_key, e.session_key, e.ts, e.item_key, e.session_key IS NOT NULL AS given,
			e.ts - lag(e.ts) OVER (PARTITION BY e.user_key, e.session_key ORDER BY e.ts) > interval '30 minutes' AS pause
		FROM personalize.event AS e JOIN personalize.event_type AS t USING (event)
		WHERE e.consent & 4 <> 0 AND e.item_key IS NOT NULL AND t.weight > 0
	), numbered AS (
		SELECT *, count(*) FILTER (WHERE pause AND NOT given)
				OVER (PARTITION BY user_key, session_key ORDER BY ts) AS number
		FROM counted
	), raw AS (
		SELECT user_key, given,
			coalesce(session_key, (extract(epoch FROM min(ts) - '2000-01-01 00:00+00') * 1000000)::bigint) AS session_key,
			row(count(*), max(ts), least(count(DISTINCT item_key), 64))::text AS sums
		FROM numbered GROUP BY user_key, given, numbered.session_key, number
	), stored AS (
		SELECT user_key, given, session_key,
			row(coalesce(events, 1), coalesce(ended, '2000-01-01 00:00+00'::timestamptz + session_key * interval '1 microsecond'), (SELECT count(*)
				FROM personalize_internal._session_items(items, user_key, given, session_key, ended) AS i WHERE NOT i.again))::text AS sums
		FROM personalize.session
	)
	SELECT format('session %s of user %s: %s, should be %s', session_key, user_key, stored.sums, raw.sums)
	FROM stored FULL JOIN raw USING (user_key, given, session_key)
	WHERE stored.sums IS DISTINCT FROM raw.sums
$$;

-- Postings: rebuilt by the extension itself and compared.
CREATE FUNCTION recompute.posting() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('verify_index: of %s %s are wrong', part, wrong) FROM personalize.verify_index() WHERE wrong <> 0
$$;

-- exposure: what was shown, once a person, page and item, and what followed, with when
-- that was shown which it is credited to.  A page is a request, or else a message, or
-- else a moment.
CREATE FUNCTION recompute.exposure() RETURNS SETOF text
LANGUAGE sql AS $$
	WITH counted AS MATERIALIZED (
		SELECT e.*, coalesce('r' || e.request_key, 'm' || e.message_key, 't' || extract(epoch FROM e.ts)) AS page
		FROM personalize.event AS e
			LEFT JOIN personalize.rejected_event AS r
				ON r.source = 'exposure' AND r.txid = e.txid AND r.user_key = e.user_key
					AND (r.payload ->> 'event')::smallint = e.event AND (r.payload ->> 'ordinal')::smallint = e.ordinal
					AND (r.payload ->> 'ts')::timestamptz = e.ts
		WHERE e.consent & 1 <> 0 AND e.item_key IS NOT NULL AND r.txid IS NULL
			AND (e.event IN (2, 3, 6, 10, 12, 13) OR (e.event = 4 AND e.request_key IS NOT NULL))
	), page AS MATERIALIZED (
		SELECT user_key, page, coalesce(min(personalize.query_key(properties ->> 'query')), 0) AS query_key
		FROM counted WHERE event IN (2, 12) GROUP BY 1, 2
	), first AS MATERIALIZED (
		SELECT DISTINCT ON (user_key, page, item_key) user_key, page, item_key, ts AS shown_at, coalesce(slot, 0) AS slot,
			request_key, coalesce(request_origin, 0) AS origin
		FROM counted WHERE event IN (2, 12) ORDER BY user_key, page, item_key, ts, slot NULLS FIRST
	), scored AS (
		SELECT user_key, page, item_key, max(CASE WHEN abs((properties ->> 'score')::numeric) < 1e-44 THEN 0 ELSE (properties ->> 'score')::real END) AS score
		FROM counted WHERE event = 2 AND jsonb_typeof(properties -> 'score') = 'number' GROUP BY 1, 2, 3
	), shown AS (
		SELECT f.user_key, f.item_key, f.shown_at, f.slot, f.origin, p.query_key, coalesce(s.score, 'NaN')
		FROM first AS f JOIN page AS p USING (user_key, page) LEFT JOIN scored AS s USING (user_key, page, item_key)
	), stored_shown AS (
		SELECT user_key, item_key, shown_at, slot, request_origin, query_key, score FROM personalize.exposure
	), did AS MATERIALIZED (
		SELECT DISTINCT user_key, ts, item_key, event, ordinal, request_key,
			CASE WHEN event = 10 THEN coalesce(round(value * 1000000), 0)::bigint ELSE 0 END AS amount
		FROM counted WHERE event NOT IN (2, 12)
	), outcome AS (
		SELECT d.user_key, d.ts, d.item_key, d.event, d.ordinal, coalesce(d.request_key, 0), d.amount,
			max(f.shown_at) FILTER (WHERE f.request_key = d.request_key
				OR (d.request_key IS NULL AND f.shown_at BETWEEN d.ts - interval '30 minutes' AND d.ts)) AS credited_at
		FROM did AS d LEFT JOIN first AS f ON f.user_key = d.user_key AND f.item_key = d.item_key
		GROUP BY d.user_key, d.ts, d.item_key, d.event, d.ordinal, d.request_key, d.amount
	), stored_outcome AS (
		SELECT o.user_key, o.ts, o.item_key, o.event, o.ordinal, CASE WHEN o.request_origin IS NULL THEN 0 ELSE o.attributed_to END,
			coalesce(o.amount, 0), s.shown_at
		FROM personalize.exposure_outcome AS o
			LEFT JOIN personalize.exposure AS s
				ON s.user_key = o.user_key AND s.request_key = o.attributed_to AND s.item_key = o.item_key
	)
	SELECT 'not in exposure: ' || row(s.*)::text FROM (TABLE shown EXCEPT ALL TABLE stored_shown) AS s
	UNION ALL
	SELECT 'only in exposure: ' || row(s.*)::text FROM (TABLE stored_shown EXCEPT ALL TABLE shown) AS s
	UNION ALL
	SELECT 'not in exposure_outcome: ' || row(o.*)::text FROM (TABLE outcome EXCEPT ALL TABLE stored_outcome) AS o
	UNION ALL
	SELECT 'only in exposure_outcome: ' || row(o.*)::text FROM (TABLE stored_outcome EXCEPT ALL TABLE outcome) AS o
$$;

-- search_stat and the searchers, from what was shown and credited.
CREATE FUNCTION recompute.search_stat() RETURNS SETOF text
LANGUAGE sql AS $$
	WITH fate AS (
		SELECT s.*, bool_or(o.event IN (3, 4, 13)) AS clicked, bool_or(o.event = 6) AS carted, bool_or(o.event = 10) AS bought
		FROM personalize.exposure AS s
			LEFT JOIN personalize.exposure_outcome AS o
				ON o.user_key = s.user_key AND o.attributed_to = s.request_key AND o.item_key = s.item_key
		GROUP BY s.user_key, s.request_key, s.item_key
	), counted AS (
		SELECT query_key, item_key, (shown_at AT TIME ZONE 'UTC')::date AS day, personalize_internal._slot_bucket(nullif(slot, 0)) AS place_bucket,
			count(*) AS shown, count(*) FILTER (WHERE clicked) AS clicked, count(*) FILTER (WHERE carted) AS carted,
			count(*) FILTER (WHERE bought) AS bought
		FROM fate WHERE query_key <> 0 GROUP BY 1, 2, 3, 4
	), summed AS (
		SELECT q.query_key, c.item_key, c.place_bucket, sum(c.shown)::bigint AS shown, sum(c.clicked)::bigint AS clicked
		FROM counted AS c, unnest(ARRAY[c.query_key, 0]) AS q (query_key) GROUP BY 1, 2, 3
	), stored_sum AS (
		SELECT a.query_key, a.item_key, (t.place - 1)::smallint AS place_bucket, t.shown, coalesce(t.clicked, 0) AS clicked
		FROM personalize._attraction AS a, unnest(a.shown, a.clicked) WITH ORDINALITY AS t (shown, clicked, place)
		WHERE t.shown <> 0
	), searcher AS (
		SELECT query_key, user_key, count(DISTINCT request_key) AS requests FROM personalize.exposure WHERE query_key <> 0 GROUP BY 1, 2
	)
	SELECT 'not in search_stat: ' || row(c.*)::text FROM (TABLE counted EXCEPT TABLE personalize.search_stat) AS c
	UNION ALL
	SELECT 'only in search_stat: ' || row(c.*)::text FROM (TABLE personalize.search_stat EXCEPT TABLE counted) AS c
	UNION ALL
	SELECT 'not in _attraction: ' || row(c.*)::text FROM (TABLE summed EXCEPT TABLE stored_sum) AS c
	UNION ALL
	SELECT 'only in _attraction: ' || row(c.*)::text FROM (TABLE stored_sum EXCEPT TABLE summed) AS c
	UNION ALL
	SELECT 'not in _searcher: ' || row(c.*)::text FROM (TABLE searcher EXCEPT TABLE personalize._searcher) AS c
	UNION ALL
	SELECT 'only in _searcher: ' || row(c.*)::text FROM (TABLE personalize._searcher EXCEPT TABLE searcher) AS c
	UNION ALL
	SELECT 'text without searcher: ' || q.query FROM personalize.search_query AS q
	WHERE NOT EXISTS (SELECT FROM searcher AS s WHERE s.query_key = q.query_key)
	UNION ALL
	SELECT 'people of a query: ' || row(c.query_key, c.people, q.people)::text
	FROM (SELECT query_key, count(*) AS people FROM searcher GROUP BY 1) AS c
		LEFT JOIN personalize.search_query AS q USING (query_key)
	WHERE q.people IS DISTINCT FROM c.people OR personalize.query_key(q.query) <> c.query_key
$$;

-- engine_stat: shares and amounts by engine and day, however they are spread over reasons and places.
CREATE FUNCTION recompute.engine_stat() RETURNS SETOF text
LANGUAGE sql AS $$
	WITH fate AS (
		SELECT s.user_key, s.request_key, s.item_key, s.request_origin, s.shown_at AS at, true AS shown,
			bool_or(o.event IN (3, 4, 13)) AS clicked, bool_or(o.event = 6) AS carted, bool_or(o.event = 10) AS bought,
			coalesce(sum(o.amount), 0) AS amount
		FROM personalize.exposure AS s
			LEFT JOIN personalize.exposure_outcome AS o
				ON o.user_key = s.user_key AND o.attributed_to = s.request_key AND o.item_key = s.item_key
		GROUP BY s.user_key, s.request_key, s.item_key
	), alone AS (
		SELECT o.request_origin, CASE WHEN o.event IN (6, 10) THEN o.event ELSE 3 END AS kind, o.ts AS at, coalesce(o.amount, 0) AS amount,
			row_number() OVER (PARTITION BY o.user_key, o.attributed_to, o.item_key, CASE WHEN o.event IN (6, 10) THEN o.event ELSE 3 END ORDER BY o.ts) AS no
		FROM personalize.exposure_outcome AS o
		WHERE o.request_origin > 0 AND NOT EXISTS (
			SELECT FROM personalize.exposure AS s
			WHERE s.user_key = o.user_key AND s.request_key = o.attributed_to AND s.item_key = o.item_key)
	), counted AS (
		SELECT (f.request_origin >> 52)::smallint AS engine, (f.at AT TIME ZONE 'UTC')::date AS day, count(*) AS shown,
			count(*) FILTER (WHERE clicked) AS clicked, count(*) FILTER (WHERE carted) AS carted,
			count(*) FILTER (WHERE bought) AS bought, sum(amount) AS amount
		FROM fate AS f WHERE f.request_origin <> 0 GROUP BY 1, 2
		UNION ALL
		SELECT (a.request_origin >> 52)::smallint, (a.at AT TIME ZONE 'UTC')::date, 0,
			count(*) FILTER (WHERE kind = 3 AND no = 1), count(*) FILTER (WHERE kind = 6 AND no = 1), count(*) FILTER (WHERE kind = 10 AND no = 1), sum(amount)
		FROM alone AS a GROUP BY 1, 2
	), expected AS (
		SELECT engine, day, sum(shown), sum(clicked), sum(carted), sum(bought), sum(amount) FROM counted GROUP BY 1, 2
	), stored AS (
		SELECT engine, day, sum(shown), sum(clicked), sum(carted), sum(bought), sum(amount) FROM personalize.engine_stat GROUP BY 1, 2
	)
	SELECT 'not in engine_stat: ' || row(c.*)::text FROM (TABLE expected EXCEPT TABLE stored) AS c
	UNION ALL
	SELECT 'only in engine_stat: ' || row(c.*)::text FROM (TABLE stored EXCEPT TABLE expected) AS c
$$;

-- segment_member: of high_intent_search_query, at a time.
CREATE FUNCTION recompute.segment(at timestamptz) RETURNS SETOF text
LANGUAGE sql AS $$
	WITH e AS (
		SELECT user_key, event, ts, item_key, properties ->> 'query' AS query
		FROM personalize.event WHERE consent & 2 <> 0 AND ts <= at
	), step AS (
		-- of one time in the order of the sequence; what has no query goes with the last search that has one
		SELECT e.user_key, e.event, e.ts, coalesce(e.query, (
			SELECT s.query FROM e AS s WHERE s.user_key = e.user_key AND s.event = 1 AND s.query IS NOT NULL AND s.ts <= e.ts
			ORDER BY s.ts DESC, s.query LIMIT 1)) AS query
		FROM e WHERE e.event IN (3, 6) OR (e.event = 1 AND e.query IS NOT NULL)
	), expected AS (
		SELECT DISTINCT 'high_intent_search_query' AS name, a.user_key
		FROM step AS s JOIN step AS c USING (user_key, query) JOIN step AS a USING (user_key, query)
		WHERE s.event = 1 AND c.event = 3 AND a.event = 6 AND s.ts <= c.ts AND c.ts <= a.ts
			AND a.ts - s.ts <= interval '30 minutes' AND a.ts > at - interval '1 day'
	)
	SELECT format('not in segment %s: %s', name, user_key)
	FROM (TABLE expected EXCEPT SELECT s.name, m.user_key FROM personalize.segment_member AS m
		JOIN personalize.segment AS s USING (segment) WHERE m.member AND s.segment = 2) AS d
	UNION ALL
	SELECT format('only in segment %s: %s', name, user_key)
	FROM (SELECT s.name, m.user_key FROM personalize.segment_member AS m
		JOIN personalize.segment AS s USING (segment) WHERE m.member AND s.segment = 2 EXCEPT TABLE expected) AS d
$$;

-- All of them.
CREATE FUNCTION recompute.differences() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT * FROM recompute.counts()
	UNION ALL SELECT * FROM recompute.item_stat()
	UNION ALL SELECT * FROM recompute.basket()
	UNION ALL SELECT * FROM recompute.distinct_items()
	UNION ALL SELECT * FROM recompute.exposure()
	UNION ALL SELECT * FROM recompute.search_stat()
	UNION ALL SELECT * FROM recompute.engine_stat()
	UNION ALL SELECT * FROM recompute.profile()
	UNION ALL SELECT * FROM recompute.features()
	UNION ALL SELECT * FROM recompute.session()
	UNION ALL SELECT * FROM recompute.posting()
$$;

-- Ids of answers, which say where the answer came from.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;

INSERT INTO personalize.item (item_id, category) VALUES ('cap', 'hats'), ('hat', 'hats'), ('shoe', 'shoes');
SELECT personalize.grant_consent(u, '{analytics,personalization,recommendations}') IS NOT NULL AS granted FROM unnest('{ada,bob}'::text[]) u;
SELECT personalize.track(u, 'view_item', i, ts => '2026-01-01 10:00:00+00'::timestamptz + n * interval '1 minute', session_id => u)
	FROM unnest('{ada,bob}'::text[]) u, unnest('{cap,hat}'::text[]) WITH ORDINALITY l(i, n);
SELECT count(*) FROM personalize.rollup_now();

-- each engine says who it is; one answer has one id, of version 8, and each its own
SELECT o.*, count(*) AS rows, count(DISTINCT request_id) AS ids, bool_and(request_id::text ~ '^.{14}8.{4}[89ab]') AS version8
	FROM personalize.similar_items('cap', 1) AS r, personalize.request_origin(r.request_id) AS o GROUP BY 1, 2, 3, 4, 5, 6;
SELECT o.* FROM personalize.trending(1, as_of => '2026-01-01 11:00:00+00') AS r, personalize.request_origin(r.request_id) AS o;
SELECT DISTINCT o.* FROM personalize.recommend('nobody', 1) AS r, personalize.request_origin(r.request_id) AS o;
SELECT count(DISTINCT r.request_id) FROM generate_series(1, 100) AS g, LATERAL personalize.recommend('nobody', 1 + 0 * g) AS r;

-- rows of several reasons: the id names none
SELECT r.reason, o.reason AS of_all FROM personalize.similar_items('cap', 3) AS r, personalize.request_origin(r.request_id) AS o ORDER BY r.rank;

-- no other id says anything: none of another version, none of which a bit was changed
SELECT * FROM personalize.request_origin('00000000-0000-0000-0000-000000000000');
SELECT * FROM personalize.request_origin('11111111-1111-8111-8111-111111111111');
SELECT * FROM personalize.request_origin(gen_random_uuid());
SELECT * FROM personalize.request_origin(NULL);
WITH id AS MATERIALIZED (
	SELECT decode(replace(request_id::text, '-', ''), 'hex') AS bytes FROM personalize.trending(1, as_of => '2026-01-01 11:00:00+00')
)
SELECT count(*) AS changed, count(o.engine) AS known
	FROM id, generate_series(0, 127) AS bit,
		LATERAL personalize.request_origin(encode(set_bit(bytes, bit, 1 - get_bit(bytes, bit)), 'hex')::uuid) AS o;

-- nor one that was made under another secret
CREATE TEMP TABLE kept AS SELECT request_id FROM personalize.trending(1, as_of => '2026-01-01 11:00:00+00');
BEGIN;
UPDATE personalize._secret SET secret = personalize_internal._make_secret();
SELECT o.engine FROM kept, personalize.request_origin(request_id) AS o;
ROLLBACK;
SELECT o.engine FROM kept, personalize.request_origin(request_id) AS o;

-- a transaction that only reads makes ids
BEGIN READ ONLY;
SELECT o.engine FROM personalize.trending(1, as_of => '2026-01-01 11:00:00+00') AS r, personalize.request_origin(r.request_id) AS o;
COMMIT;

DROP EXTENSION personalize;

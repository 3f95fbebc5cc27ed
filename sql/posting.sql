SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
-- the batches of this test are its own: a running worker would take them first
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p \g /dev/null
RESET client_min_messages;
CREATE PROCEDURE roll() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('neighbour');
	PERFORM personalize.rollup_now();
	PERFORM personalize.disable_processor('neighbour');
END
$$;

-- Two people look at three items; one of the items has a key that is a hash.
SELECT personalize.import_events(
	'{anna,anna,anna,ben,ben}', array_fill('view_item'::text, ARRAY[5]), '{1,lamp,70000,1,70000}',
	ARRAY['2026-01-01 10:00+00', '2026-01-01 10:01+00', '2026-01-01 10:02+00',
		'2026-01-02 10:00+00', '2026-01-02 10:05+00']::timestamptz[],
	consents => array_fill('recommendations'::text, ARRAY[5]));
CALL roll();

-- The packed form: a version, the counts, and newest first the entries.
SELECT item_key, chunk, get_byte(data, 0) AS version, get_byte(data, 1) AS entries,
	get_byte(data, 2) AS stored, get_byte(data, 4) AS sessions
FROM personalize.posting ORDER BY item_key, chunk;
SELECT p.item_key = personalize.item_key('lamp') AS is_lamp, e.ts AT TIME ZONE 'UTC' AS ts, e.place,
	array_replace(e.items_before, personalize.item_key('lamp'), -1) AS before,
	array_replace(e.items_after, personalize.item_key('lamp'), -1) AS after
FROM personalize.posting p, personalize_internal._posting_entries(p.data) e
ORDER BY p.item_key, e.ts DESC;

-- Data from elsewhere is refused, not read.
SELECT * FROM personalize_internal._posting_entries('');
SELECT * FROM personalize_internal._posting_entries('\x01');
SELECT * FROM personalize_internal._posting_entries('\x020000000000000000000000');
SELECT * FROM personalize_internal._posting_entries('\x010100000000000000000000');
SELECT * FROM personalize_internal._posting_entries(('\x010100000000000000000000' || repeat('00', 19) || '09')::bytea);
SELECT * FROM personalize_internal._session_items('', 17, false, 3, NULL);
SELECT * FROM personalize_internal._session_items('\x04', 17, false, 3, NULL);
SELECT * FROM personalize_internal._session_items('\x0100', 17, false, 3, NULL);
-- Every truncation of a good chunk, too.
DO $$
DECLARE
	whole bytea := (SELECT data FROM personalize.posting WHERE item_key = 1);
BEGIN
	FOR bytes IN 0 .. length(whole) - 1 LOOP
		BEGIN
			PERFORM personalize_internal._posting_entries(substr(whole, 1, bytes));
			RAISE EXCEPTION 'a chunk cut to % bytes was read', bytes;
		EXCEPTION WHEN data_corrupted THEN
		END;
	END LOOP;
END
$$;

-- A hot item: 400 people with it, in many small batches.  The newest 256 stay,
-- in chunks of 32, and the count of sessions is exact.
DO $$
BEGIN
	FOR b IN 0 .. 19 LOOP
		PERFORM personalize.import_events(
			array_agg(('v' || b * 20 + v)::personalize.entity_id), array_agg('view_item'::text),
			array_agg((CASE i WHEN 0 THEN 5000 ELSE 6000 + v END)::text::personalize.entity_id),
			array_agg('2026-02-01 00:00+00'::timestamptz + make_interval(hours => b, mins => v, secs => i)),
			consents => array_agg('recommendations'::text))
		FROM generate_series(0, 19) v, generate_series(0, 1) i;
		COMMIT;
		CALL roll();
		COMMIT;
	END LOOP;
END
$$;
SELECT count(*) AS chunks, sum(get_byte(data, 1)) AS entries, max(get_byte(data, 1)) AS longest,
	(array_agg(get_byte(data, 4) + 256 * get_byte(data, 5) ORDER BY chunk DESC))[1] AS sessions
FROM personalize.posting WHERE item_key = 5000;
SELECT * FROM personalize.verify_index();

-- Half of them withdraw: the list is refilled from the sessions that are left.
SELECT count(personalize.withdraw_consent(('v' || v)::personalize.entity_id, '{recommendations}', 'test'))
FROM generate_series(200, 399) v;
SELECT sum(get_byte(data, 1)) AS entries,
	(array_agg(get_byte(data, 4) + 256 * get_byte(data, 5) ORDER BY chunk DESC))[1] AS sessions
FROM personalize.posting WHERE item_key = 5000;
SELECT * FROM personalize.verify_index();
-- A list that is filled up again out of more sessions than it takes: the newest of them.
DO $$
BEGIN
	PERFORM personalize.import_events(
		array_agg(('w' || w)::personalize.entity_id), array_agg('view_item'::text),
		array_agg((CASE i WHEN 0 THEN 8000 ELSE 8001 + w END)::text::personalize.entity_id),
		-- not in the order in which they are stored
		array_agg('2026-03-01 00:00+00'::timestamptz + make_interval(mins => w * 601 % 1009, secs => i)),
		consents => array_agg('recommendations'::text))
	FROM generate_series(1, 1000) w, generate_series(0, 1) i;
	COMMIT;
	CALL roll();
END
$$;
SELECT count(*) AS forgotten FROM personalize.forget_many(
	ARRAY(SELECT ('w' || w)::personalize.entity_id FROM generate_series(1, 1000) w ORDER BY w * 601 % 1009 DESC LIMIT 120));
SELECT sum(get_byte(data, 1)) AS entries,
	(array_agg(get_byte(data, 4) + 256 * get_byte(data, 5) ORDER BY chunk DESC))[1] AS sessions
FROM personalize.posting WHERE item_key = 8000;
SELECT * FROM personalize.verify_index();

-- All of them: nothing is left.
SELECT count(personalize.withdraw_consent(('v' || v)::personalize.entity_id, '{recommendations}', 'test'))
FROM generate_series(0, 399) v;
SELECT count(*) FROM personalize.posting WHERE item_key >= 5000 AND item_key < 7000;
SELECT * FROM personalize.verify_index();

DROP PROCEDURE roll;
DROP EXTENSION personalize CASCADE;

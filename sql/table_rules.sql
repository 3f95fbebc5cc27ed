-- Whatever may legally be added to a table that is written below SQL is obeyed, or refused with a hint.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize_internal._make_partitions_ahead(1) > 0 AS made;
-- the tables, each with a key column
CREATE TABLE below (name text, key text, parent text GENERATED ALWAYS AS (CASE WHEN name LIKE '%.event\_p%' THEN 'personalize.event' ELSE name END) STORED);
INSERT INTO below (name, key) SELECT format('personalize.event_p%s', to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')), 'user_key';
INSERT INTO below (name, key) SELECT 'personalize.' || t, k FROM (VALUES ('profile', 'user_key'), ('session', 'user_key'), ('posting', 'item_key'),
	('item_stat', 'item_key'), ('subject', 'user_key'), ('consent_ledger', 'user_key'), ('message_seen', 'message'),
	('_dictionary_log', 'key'), ('rejected_event', 'user_key'), ('_basket', 'item_key')) AS v (t, k);
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE FUNCTION backwards(bigint, bigint) RETURNS integer IMMUTABLE LANGUAGE sql AS $$ SELECT btint8cmp($2, $1) $$;
CREATE OPERATOR CLASS backwards FOR TYPE bigint USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 backwards(bigint, bigint);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE elsewhere (k bigint PRIMARY KEY);

-- one person's life: what happened in each step, or the error
CREATE PROCEDURE attempt(statement text, INOUT outcome text) LANGUAGE plpgsql AS $$
DECLARE
	found text;
	hint text;
BEGIN
	PERFORM set_config('client_min_messages', 'error', true);
	EXECUTE statement INTO found;
	outcome := concat_ws(' ', outcome, found);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	outcome := concat_ws(' ', outcome, concat_ws(' / ', format('[%s: %s', SQLSTATE, regexp_replace(SQLERRM, 'event_p\d+', 'event_pDAY')), nullif(hint, '')) || ']');
END $$;
CREATE PROCEDURE live(INOUT outcome text, agree text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	-- stored, a duplicate, and one that is not taken
	CALL attempt($q$SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}') IS NULL$q$, outcome);
	CALL attempt($q$SELECT string_agg(personalize.track('ada', 'view_item', 'item' || i, '{"query": "red"}', message_id => 'm' || i % 4)::text, ',') FROM generate_series(1, 5) i$q$, outcome);
	CALL attempt($q$SELECT rejected FROM personalize.track_many('[{"user_id": "ada", "event": "view_item", "ts": "2999-01-01"}]')$q$, outcome);
	COMMIT;
	-- counted, by insertion and by update, and read
	FOR i IN 1 .. 2 LOOP
		PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
		CALL attempt('SELECT max(events) FROM personalize.rollup_now()', outcome);
		PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
		COMMIT;
		CALL attempt($q$SELECT personalize.track('ada', 'view_item', 'item9')$q$, outcome);
		CALL attempt($q$SELECT personalize.track('ada', 'purchase', 'item9', '{"quantity": 1}')$q$, outcome);
		CALL attempt($q$SELECT 'profile ' || events || '/' || (SELECT events FROM personalize.profile) FROM personalize.profile('ada')$q$, outcome);
		COMMIT;
	END LOOP;
	CALL attempt($q$SELECT 'items ' || sum(count) FROM personalize.item_stat$q$, outcome);
	CALL attempt($q$SELECT 'wrong ' || sum(wrong) FROM personalize.verify_index()$q$, outcome);
	-- what an index says is what the table says
	IF agree IS NOT NULL THEN
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true);
		CALL attempt(agree, outcome);
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'off', true);
		CALL attempt(agree, outcome);
		COMMIT;
	END IF;
	-- withdrawn and forgotten
	CALL attempt($q$SELECT 'left ' || count(*) FROM personalize.withdraw_consent('ada', '{analytics}') w, unnest(w) $q$, outcome);
	COMMIT;
	CALL attempt($q$SELECT 'forgotten ' || (personalize.forget('ada') IS NOT NULL)$q$, outcome);
	COMMIT;
	CALL attempt($q$SELECT 'events ' || count(*) FROM personalize.event$q$, outcome);
END $$;
-- begin anew
CREATE PROCEDURE clean() LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT name FROM below UNION SELECT 'personalize.' || u FROM unnest('{_session_total,_basket,feature_value,_tombstone,erasure,_erasure_candidate,item,_popular,_popular_state}'::text[]) u LOOP
		SET LOCAL personalize.allow_drop = on;
		EXECUTE format('TRUNCATE %s CASCADE', t.name);
	END LOOP;
	COMMIT;
END $$;
-- to all tables, or to each of some alone
CREATE PROCEDURE with_all(what text, add text, undo text, condition text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	t record;
	outcome text;
	agree text;
BEGIN
	CALL clean();
	FOR t IN SELECT * FROM below LOOP EXECUTE format(add, t.name, t.key, split_part(t.name, '.', 2), t.parent); END LOOP;
	COMMIT;
	agree := (SELECT 'SELECT ' || string_agg(format('(SELECT count(*) FROM %1$s WHERE ' || condition || ')', name, key), ' || '','' || ') FROM below);
	CALL live(outcome, agree);
	FOR t IN SELECT * FROM below LOOP EXECUTE format(undo, t.name, t.key, split_part(t.name, '.', 2), t.parent); END LOOP;
	COMMIT;
	RAISE NOTICE '%: %', what, outcome;
END $$;
CREATE PROCEDURE with_each(what text, add text, undo text, step text, tables text) LANGUAGE plpgsql AS $$
DECLARE
	t record;
	outcome text;
BEGIN
	FOR t IN SELECT * FROM below WHERE name ~ tables LOOP
		CALL clean();
		EXECUTE format(add, t.name, t.key, split_part(t.name, '.', 2), t.parent);
		COMMIT;
		outcome := NULL;
		IF step IS NULL THEN
			CALL live(outcome);
		ELSE
			CALL attempt(step, outcome);
		END IF;
		COMMIT;
		EXECUTE format(undo, t.name, t.key, split_part(t.name, '.', 2), t.parent);
		COMMIT;
		RAISE NOTICE '% on %: %', what, regexp_replace(t.name, '\d+', 'DAY'), outcome;
	END LOOP;
END $$;
RESET client_min_messages;
\set VERBOSITY terse

CALL with_all('as it is', 'SELECT 1', 'SELECT 1');
CALL with_all('as it is, again', 'SELECT 1', 'SELECT 1');
-- indexes: those of others find nothing for us, and hold what they should
CALL with_all('partial index, empty', 'CREATE INDEX mine_%3$s ON %1$s (%2$s) WHERE %2$s IS NULL', 'DROP INDEX personalize.mine_%3$s');
CALL with_all('partial index', 'CREATE INDEX mine_%3$s ON %1$s (%2$s) WHERE %2$s::text > ''5''', 'DROP INDEX personalize.mine_%3$s', '%2$s::text > ''5''');
CALL with_all('index on an expression', 'CREATE INDEX mine_%3$s ON %1$s (md5(%2$s::text), length(%2$s::text)) WHERE length(%2$s::text) > 0', 'DROP INDEX personalize.mine_%3$s', 'md5(%2$s::text) >= '''' AND length(%2$s::text) > 0');
CALL with_all('covering index', 'CREATE INDEX mine_%3$s ON %1$s (%2$s DESC NULLS LAST) INCLUDE (%2$s)', 'DROP INDEX personalize.mine_%3$s', '%2$s IS NOT NULL');
CALL with_all('hash index', 'CREATE INDEX mine_%3$s ON %1$s USING hash (%2$s)', 'DROP INDEX personalize.mine_%3$s');
CALL with_all('brin index', 'CREATE INDEX mine_%3$s ON %1$s USING brin (%2$s)', 'DROP INDEX personalize.mine_%3$s');
CALL with_all('invalid index', 'CREATE INDEX mine_%3$s ON %1$s (%2$s); UPDATE pg_index SET indisvalid = false WHERE indexrelid = ''personalize.mine_%3$s''::regclass', 'DROP INDEX personalize.mine_%3$s');
CALL with_all('index that is not ready', 'CREATE INDEX mine_%3$s ON %1$s (%2$s); UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = ''personalize.mine_%3$s''::regclass', 'DROP INDEX personalize.mine_%3$s');
CALL with_all('statistics', 'CREATE STATISTICS mine_%3$s ON (length(%2$s::text)), (md5(%2$s::text)) FROM %1$s', 'DROP STATISTICS mine_%3$s');
CALL with_each('other operator class', 'CREATE INDEX mine ON %1$s (%2$s backwards)', 'DROP INDEX personalize.mine', NULL, '_p\d|profile');
CALL with_each('other brin', 'DROP INDEX %1$s_txid; CREATE INDEX mine ON %1$s USING brin (txid int8_bloom_ops)', 'DROP INDEX personalize.mine; CREATE INDEX %3$s_txid ON %1$s USING brin (txid)', NULL, '_p\d');
CALL with_each('some of brin', 'DROP INDEX %1$s_txid; CREATE INDEX mine ON %1$s USING brin (txid) WHERE event = 10', 'DROP INDEX personalize.mine; CREATE INDEX %3$s_txid ON %1$s USING brin (txid)', NULL, '_p\d');
CALL with_each('no index at all', 'DROP INDEX %1$s_txid', 'CREATE INDEX %3$s_txid ON %1$s USING brin (txid)', NULL, '_p\d');
CALL with_each('second unique index', 'CREATE UNIQUE INDEX mine ON %1$s (%2$s, (%2$s::text))', 'DROP INDEX personalize.mine', NULL, 'profile|subject|message_seen');
CALL with_each('unique index', 'CREATE UNIQUE INDEX mine ON %1$s (%2$s)', 'DROP INDEX personalize.mine', NULL, '_p\d');
CALL with_each('excluding constraint', 'ALTER TABLE %1$s ADD CONSTRAINT mine EXCLUDE USING btree (%2$s WITH =)', 'ALTER TABLE %1$s DROP CONSTRAINT mine', NULL, 'profile|subject|_p\d');
CALL with_each('deferrable constraint', 'ALTER TABLE %1$s ADD CONSTRAINT mine UNIQUE (%2$s) DEFERRABLE', 'ALTER TABLE %1$s DROP CONSTRAINT mine', NULL, 'profile|_p\d');
-- columns
CALL with_all('column', 'ALTER TABLE %4$s ADD COLUMN mine text', 'ALTER TABLE %4$s DROP COLUMN mine');
CALL with_all('column that was dropped, and one with a default', 'ALTER TABLE %4$s ADD COLUMN mine text NOT NULL DEFAULT ''x''', 'ALTER TABLE %4$s DROP COLUMN mine');
CALL with_all('column with an expression, checked', 'ALTER TABLE %4$s ADD COLUMN mine timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (mine <= clock_timestamp())', 'ALTER TABLE %4$s DROP COLUMN mine');
CALL with_each('identity', 'ALTER TABLE %4$s ADD COLUMN mine bigint GENERATED ALWAYS AS IDENTITY', 'ALTER TABLE %4$s DROP COLUMN mine', NULL, 'profile|subject');
CALL with_all('generated column', 'ALTER TABLE %4$s ADD COLUMN mine text GENERATED ALWAYS AS (md5(%2$s::text)) STORED CHECK (mine = md5(%2$s::text))', 'ALTER TABLE %4$s DROP COLUMN mine');
CALL with_each('column without a value', 'ALTER TABLE %4$s ADD COLUMN mine text NOT NULL', 'ALTER TABLE %4$s DROP COLUMN mine', NULL, 'profile|subject|_p\d');
-- constraints
CALL with_all('check', 'ALTER TABLE %1$s ADD CONSTRAINT mine CHECK (%2$s IS NOT NULL)', 'ALTER TABLE %1$s DROP CONSTRAINT mine');
CALL with_each('check that fails', 'ALTER TABLE %1$s ADD CONSTRAINT mine CHECK (%2$s IS NULL)', 'ALTER TABLE %1$s DROP CONSTRAINT mine', NULL, 'profile|subject|_p\d');
-- what would have to be fired
CALL with_each('trigger', 'CREATE TRIGGER mine BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION nothing()', 'DROP TRIGGER mine ON %1$s', NULL, 'profile|_p\d');
CALL with_each('disabled trigger', 'CREATE TRIGGER mine BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION nothing(); ALTER TABLE %1$s DISABLE TRIGGER mine', 'DROP TRIGGER mine ON %1$s', NULL, 'profile|_p\d');
CALL with_each('foreign key', 'ALTER TABLE %1$s ADD CONSTRAINT mine FOREIGN KEY (%2$s) REFERENCES elsewhere', 'ALTER TABLE %1$s DROP CONSTRAINT mine', NULL, 'profile|_p\d');
CALL with_each('foreign key of another table', 'ALTER TABLE elsewhere ADD CONSTRAINT mine FOREIGN KEY (k) REFERENCES %1$s', 'ALTER TABLE elsewhere DROP CONSTRAINT mine', NULL, 'profile');
CALL with_each('rule', 'CREATE RULE mine AS ON INSERT TO %1$s DO ALSO SELECT 1', 'DROP RULE mine ON %1$s', NULL, 'profile|_p\d');
-- storage
CALL with_all('fillfactor and identity of replicas', 'ALTER TABLE %1$s SET (fillfactor = 50), REPLICA IDENTITY FULL', 'ALTER TABLE %1$s RESET (fillfactor), REPLICA IDENTITY DEFAULT');
CALL with_all('another name for heap', 'ALTER TABLE %1$s SET ACCESS METHOD heap2', 'ALTER TABLE %1$s SET ACCESS METHOD heap');
CALL with_all('unlogged', 'ALTER TABLE %1$s SET UNLOGGED', 'ALTER TABLE %1$s SET LOGGED');
-- to all days at once: days to come have it, too
CREATE FUNCTION tomorrow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('personalize.test_now', to_jsonb(now() + interval '9 days') #>> '{}', false);
	PERFORM personalize_internal._make_partitions_ahead(0);
	PERFORM set_config('personalize.test_now', '', false);
	RETURN (SELECT count(*) FROM personalize._event_day WHERE day > (now() AT TIME ZONE 'UTC')::date + 8) || ' made';
END $$;
CREATE PROCEDURE with_event(what text, add text, undo text) LANGUAGE plpgsql AS $$
DECLARE
	outcome text;
	later text := format('personalize.event_p%s', to_char(now() AT TIME ZONE 'UTC' + interval '9 days', 'YYYYMMDD'));
BEGIN
	CALL clean();
	EXECUTE add;
	COMMIT;
	CALL attempt('SELECT tomorrow()', outcome);
	CALL live(outcome);
	EXECUTE format('DROP TABLE IF EXISTS %s', later);
	DELETE FROM personalize._event_day WHERE day > (now() AT TIME ZONE 'UTC')::date + 8;
	EXECUTE undo;
	COMMIT;
	RAISE NOTICE '%: %', what, outcome;
END $$;
SET personalize.allow_drop = on;
CALL with_event('index', 'CREATE INDEX mine ON personalize.event ((properties ->> ''query'')) WHERE event > 2', 'DROP INDEX personalize.mine');
CALL with_event('column', 'ALTER TABLE personalize.event ADD COLUMN mine text DEFAULT ''x''', 'ALTER TABLE personalize.event DROP COLUMN mine');
CALL with_event('generated column', 'ALTER TABLE personalize.event ADD COLUMN mine text GENERATED ALWAYS AS (properties ->> ''query'') STORED', 'ALTER TABLE personalize.event DROP COLUMN mine');
CALL with_event('check', 'ALTER TABLE personalize.event ADD CONSTRAINT mine CHECK (event > 0)', 'ALTER TABLE personalize.event DROP CONSTRAINT mine');
CALL with_event('statistics', 'CREATE STATISTICS mine ON user_key, item_key FROM personalize.event', 'DROP STATISTICS mine');
-- what newer servers have; older ones something that must come out the same
SELECT v >= 180000 AS has_virtual, v >= 170000 AS has_identity FROM (SELECT current_setting('server_version_num')::int) AS s (v) \gset
SELECT CASE WHEN :'has_virtual' THEN 'VIRTUAL' ELSE 'STORED' END AS generated,
	CASE WHEN :'has_virtual' THEN '(false) NOT ENFORCED' ELSE '(true)' END AS unenforced,
	CASE WHEN :'has_virtual' THEN 'ALTER TABLE %1$s ADD CONSTRAINT mine FOREIGN KEY (%2$s) REFERENCES elsewhere NOT ENFORCED' ELSE 'ALTER TABLE %1$s ADD CONSTRAINT mine CHECK (true)' END AS pointing,
	CASE WHEN :'has_identity' THEN 'GENERATED ALWAYS AS IDENTITY' ELSE 'NOT NULL DEFAULT 1' END AS identity \gset
CALL with_all('virtual column', 'ALTER TABLE %4$s ADD COLUMN mine text NOT NULL GENERATED ALWAYS AS (md5(%2$s::text)) ' || :'generated' || ' CHECK (mine = md5(%2$s::text))', 'ALTER TABLE %4$s DROP COLUMN mine');
CALL with_each('virtual column that is checked', 'ALTER TABLE %4$s ADD COLUMN mine text GENERATED ALWAYS AS (md5(%2$s::text)) ' || :'generated' || ' CHECK (mine <> md5(%2$s::text))', 'ALTER TABLE %4$s DROP COLUMN mine', NULL, 'profile|subject|_p\d');
CALL with_all('check that is not enforced', 'ALTER TABLE %1$s ADD CONSTRAINT mine CHECK ' || :'unenforced', 'ALTER TABLE %1$s DROP CONSTRAINT mine');
CALL with_each('foreign key that is not enforced', :'pointing', 'ALTER TABLE %1$s DROP CONSTRAINT mine', NULL, 'profile|_p\d');
CALL with_event('virtual column', 'ALTER TABLE personalize.event ADD COLUMN mine text GENERATED ALWAYS AS (properties ->> ''query'') ' || :'generated', 'ALTER TABLE personalize.event DROP COLUMN mine');
CALL with_event('check that is not enforced', 'ALTER TABLE personalize.event ADD CONSTRAINT mine CHECK ' || :'unenforced', 'ALTER TABLE personalize.event DROP CONSTRAINT mine');
CALL with_event('identity', 'ALTER TABLE personalize.event ADD COLUMN mine bigint ' || :'identity', 'ALTER TABLE personalize.event DROP COLUMN mine');
-- what is not what the library knows is not read
SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}') IS NOT NULL AS granted;
SELECT personalize.track('ada', 'view_item', 1);
\set VERBOSITY default
BEGIN; ALTER TABLE personalize.profile DROP COLUMN recent; SELECT events FROM personalize.profile('ada'); ROLLBACK;
BEGIN; ALTER TABLE personalize.session ALTER items TYPE text USING 'x'; SELECT item_id FROM personalize.recommend('ada', 1); ROLLBACK;
\set VERBOSITY terse
BEGIN; ALTER TABLE personalize.event DROP COLUMN request_key; CALL attempt($$SELECT personalize.track('ada', 'view_item', 1)$$, NULL); ROLLBACK;
BEGIN; ALTER TABLE personalize.event DROP COLUMN request_key; CALL attempt($$SELECT personalize.forget('ada')$$, NULL); ROLLBACK;
BEGIN; ALTER TABLE personalize.message_seen RENAME TO lost; SELECT personalize.track('ada', 'view_item', 1, message_id => 'x'); ROLLBACK;
-- nor is an index that has ours' name
BEGIN; ALTER TABLE personalize.profile DROP CONSTRAINT profile_pkey; SELECT events FROM personalize.profile('ada'); ROLLBACK;
BEGIN; ALTER TABLE personalize.profile DROP CONSTRAINT profile_pkey; CREATE INDEX profile_pkey ON personalize.profile (user_key) WHERE events > 5;
SELECT events FROM personalize.profile('ada'); ROLLBACK;
BEGIN; ALTER TABLE personalize.message_seen DROP CONSTRAINT message_seen_pkey; CREATE INDEX message_seen_pkey ON personalize.message_seen ((message::text));
SELECT personalize.track('ada', 'view_item', 1, message_id => 'x'); ROLLBACK;
BEGIN; ALTER TABLE personalize.message_seen RENAME CONSTRAINT message_seen_pkey TO lost; SELECT personalize.track('ada', 'view_item', 1, message_id => 'x'); ROLLBACK;
SELECT events FROM personalize.profile('ada');

-- what was found out of a table in one call holds for the next until somebody changes it
CREATE FUNCTION allow(person text, source text DEFAULT 'test') RETURNS int LANGUAGE sql AS
	$$ SELECT cardinality(personalize.grant_consent(person, '{analytics}', source)) $$;
SELECT allow('ann'), allow('bob'), allow('ann');
CREATE INDEX mine ON personalize.consent_ledger (recorded_at);
SELECT allow('ann'), allow('cleo');
BEGIN;
CREATE INDEX others ON personalize.subject (user_id);
SELECT allow('ann'), allow('dan');
ROLLBACK;
SELECT allow('ann'), allow('dan');
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT count(*) FROM personalize.consent_ledger WHERE recorded_at > 'epoch' AND source = 'test';
RESET enable_seqscan; RESET enable_bitmapscan;
SELECT count(*) FROM personalize.consent_ledger WHERE source = 'test';
DROP INDEX personalize.mine;
SELECT allow('ann'), allow('eve');
-- a call that fails, and what follows in its transaction and in the next
CREATE UNIQUE INDEX once ON personalize.consent_ledger (source) WHERE source = 'once';
BEGIN;
SELECT allow('ann', 'once');
SAVEPOINT s;
SELECT allow('fay', 'once');
ROLLBACK TO s;
SELECT allow('fay'), allow('ann');
COMMIT;
SELECT allow('gus'), allow('ann');
SELECT allow('gus', 'once');
DROP INDEX personalize.once;
SELECT allow('gus', 'once');
-- columns, constraints and triggers that come and go
ALTER TABLE personalize.consent_ledger ADD note text DEFAULT 'added';
SELECT allow('ann', 'noted');
SELECT note FROM personalize.consent_ledger WHERE source = 'noted';
ALTER TABLE personalize.consent_ledger DROP note;
SELECT allow('ann');
ALTER TABLE personalize.consent_ledger ADD CONSTRAINT named CHECK (source <> 'nobody');
SELECT allow('ann', 'nobody');
ALTER TABLE personalize.consent_ledger DROP CONSTRAINT named;
SELECT allow('ann', 'nobody');
CREATE TRIGGER mine BEFORE INSERT ON personalize.consent_ledger FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT allow('ann');
DROP TRIGGER mine ON personalize.consent_ledger;
SELECT allow('ann');
SELECT s.user_id, count(*) FROM personalize.subject s JOIN personalize.consent_ledger l USING (user_key)
	WHERE s.user_id IN ('ann', 'bob', 'cleo', 'dan', 'eve', 'fay', 'gus') GROUP BY 1 ORDER BY s.user_id COLLATE "C";
DROP FUNCTION allow;

-- a new version of a row is compared with others where something that makes it a key changes
-- workers find it disabled
CREATE FUNCTION counted(OUT events bigint, OUT rejected bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM personalize.enable_processor('neighbour');
	SELECT r.events, r.rejected INTO events, rejected FROM personalize.rollup_now() r WHERE r.processor = 'neighbour';
	PERFORM personalize.disable_processor('neighbour');
END
$$;
CREATE UNIQUE INDEX mine ON personalize.session (user_key, second_at);
CREATE FUNCTION click(session text, minutes integer) RETURNS bigint LANGUAGE plpgsql SET client_min_messages = error AS $$
BEGIN
	PERFORM personalize.import_events('{twin}'::personalize.entity_id[], '{view_item}', ARRAY['item' || minutes]::personalize.entity_id[],
		ARRAY['2026-01-01 00:00+00'::timestamptz + make_interval(mins => minutes)], session_ids => ARRAY[session]::personalize.entity_id[],
		consents => '{"recommendations"}');
	RETURN minutes;
END
$$;
SELECT click('one', 0), click('two', 0);
SELECT * FROM counted();
SELECT click('one', 5), click('two', 6);
SELECT * FROM counted();
SELECT click('one', 7), click('two', 7);
SELECT * FROM counted();
SELECT click('two', 5);
SELECT * FROM counted();
DROP INDEX personalize.mine;
SELECT reason FROM personalize.rejected_event WHERE reason LIKE '%mine%';
SELECT personalize.rebuild_processor('neighbour');
SELECT * FROM counted();
SELECT second_at AT TIME ZONE 'UTC' AS second_at, events FROM personalize.session WHERE user_key = personalize.user_key('twin') ORDER BY events;
SELECT * FROM personalize.verify_index();
DROP FUNCTION click, counted;

SET client_min_messages = warning;
DROP PROCEDURE attempt, live, clean, with_all, with_each, with_event;
DROP FUNCTION tomorrow, nothing;
DROP TABLE below, elsewhere;
DROP OPERATOR CLASS backwards USING btree;
DROP FUNCTION backwards;
DROP EXTENSION personalize CASCADE;
DROP ACCESS METHOD heap2;

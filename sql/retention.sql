-- retention: how long things are kept, and what goes when
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
RESET client_min_messages;
SET timezone = 'Pacific/Auckland';
SET intervalstyle = 'postgres';
\getenv abs_srcdir PG_ABS_SRCDIR
\set settled :abs_srcdir '/test/settled.sql'
\set ECHO none
\i :settled
\set ECHO all
CREATE FUNCTION roll() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	events bigint;
BEGIN
	PERFORM pg_temp.settled();
	PERFORM personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	SELECT sum(r.events) FILTER (WHERE r.processor = 'profile') INTO events FROM personalize.rollup_now() r;
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
	RETURN events;
END
$$;
-- events of one person at one time, for all purposes
CREATE FUNCTION happened(who text, what text[], ts timestamptz, item text DEFAULT 'shoe') RETURNS bigint LANGUAGE sql AS $$
	SELECT i.accepted FROM (
		SELECT array_agg(who) AS users, array_agg(w) AS events, array_agg(item) AS items,
			array_agg(ts + place * interval '1 minute') AS ts, array_agg('{"query": "boots", "price": 10, "currency": "EUR"}'::jsonb) AS properties,
			array_agg('analytics,personalization,recommendations'::text) AS consents
		FROM unnest(what) WITH ORDINALITY AS u(w, place)) AS e,
	LATERAL personalize.import_events(e.users, e.events, e.items, e.ts, properties => e.properties, consents => e.consents) AS i
$$;

-- the defaults, and what they may be changed to
SELECT kind, event, keep, without_end, builtin FROM personalize.retention_policy ORDER BY kind;
SELECT personalize.set_retention('raw', NULL);
SELECT personalize.set_retention('raw', '1 day');
SELECT personalize.set_retention('raw', '-1 year');
SELECT personalize.set_retention('raw', '200 years');
SELECT personalize.set_retention('raw', '1 month -100 days');
SELECT personalize.set_retention('raw', '90 days', without_end => true);
SELECT personalize.set_retention('no_such_kind', '30 days');
SELECT personalize.set_retention(NULL, '30 days');
SELECT personalize.set_retention('session', '30 days', event => 'view_item');
SELECT personalize.set_retention('raw', '30 days', event => 'no_such_event');
SELECT personalize.reset_retention('no_such_kind');
INSERT INTO personalize.retention_policy (kind) VALUES ('raw');
UPDATE personalize.retention_policy SET keep = '1 hour' WHERE kind = 'ledger';
INSERT INTO personalize.retention_policy (kind, event, keep) VALUES ('rejected', 'view_item', '1 day');
SELECT count(*) FROM personalize.retention_policy WHERE NOT builtin;
-- forever, if one asks for it
SELECT personalize.set_retention('raw', NULL, without_end => true);
SELECT kind, keep, without_end, builtin FROM personalize.retention_policy WHERE kind = 'raw';
SELECT personalize.set_retention('raw', '60 days');
SELECT personalize.set_retention('raw', '20 days', event => 'Product List Viewed');
SELECT kind, event, keep, builtin FROM personalize.retention_policy WHERE kind = 'raw' ORDER BY event;
-- rows out of a dump take the place of those that are installed
INSERT INTO personalize.retention_policy (kind, keep, without_end, builtin) VALUES ('session', '40 days', false, false);
UPDATE personalize.retention_policy SET keep = '50 days' WHERE kind = 'basket';
SELECT kind, event, keep FROM personalize.retention_policy WHERE NOT builtin ORDER BY kind, event;
SELECT extcondition[array_position(extconfig, 'personalize.retention_policy'::regclass)] FROM pg_extension WHERE extname = 'personalize';

-- arguments
SELECT * FROM personalize.apply_retention(as_of => 'infinity');
SELECT count(*) FROM personalize.apply_retention(as_of => '2100-01-01 00:00+00');
SELECT count(*) FROM personalize.apply_retention(as_of => '4700-01-01 00:00+00 BC');
SELECT count(*) > 0 AS ran FROM personalize.apply_retention(true, pause => '178000000 years');
SELECT * FROM personalize.apply_retention(max_rows => 0);
SELECT * FROM personalize.apply_retention(pause => '-1 day');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM personalize.apply_retention();
ROLLBACK;

-- raw days: not before they are processed, not before their date, once
CREATE FUNCTION apply(as_of timestamptz, dry boolean DEFAULT false, kinds text[] DEFAULT '{raw}')
	RETURNS TABLE (what text, removed bigint, result text, detail text) LANGUAGE sql AS $$
	SELECT r.what, r.removed, r.result, r.detail FROM personalize.apply_retention(dry, as_of) AS r WHERE r.kind = ANY (kinds)
$$;
SELECT happened('ann', ARRAY['view_item', 'view_item_list', 'purchase', 'search'], '2020-01-01 23:50+00');
SELECT happened('bob', ARRAY['view_item', 'view_item_list'], '2020-01-10 00:00+00', 'hat');
SELECT * FROM apply('2020-03-03');
SELECT roll();
SELECT * FROM apply('2020-02-29 23:59+00', true);
-- the short-lived kind goes first, out of days that stay
SELECT day, rolled, thinned, expired FROM personalize._event_day WHERE day < '2021-01-01' ORDER BY 1;
SELECT * FROM apply('2020-01-22 00:00+00');
SELECT * FROM apply('2020-01-22 00:00+00');
SELECT day, rolled, thinned, expired FROM personalize._event_day WHERE day < '2021-01-01' ORDER BY 1;
SELECT event, count(*) FROM personalize.event GROUP BY 1 ORDER BY 1;
-- the day's date is over with the whole day
SELECT * FROM apply('2020-03-01 23:59:59+00', true);
SELECT * FROM apply('2020-03-02 00:00+00', true);
SELECT * FROM apply('2020-03-02 00:00+00');
SELECT * FROM apply('2020-03-02 00:00+00');
SELECT tableoid::regclass, event FROM personalize.event ORDER BY ts;
SELECT day FROM personalize._event_day WHERE day < '2021-01-01' ORDER BY 1;
-- what was counted stays counted
SELECT user_id, signal, value, sum FROM generate_series(1, 2) AS n, LATERAL (SELECT (ARRAY['ann', 'bob'])[n] AS user_id) AS u,
	LATERAL personalize.features(user_id, NULL, '2020-02-01') AS f WHERE signal IN ('item_affinity', 'search_term') ORDER BY 1, 2, 3;
SELECT event, sum(count) FROM personalize.item_stat GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM personalize.session;
-- and nothing is wrong with sessions whose raw events are gone
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
-- history for a day that was dropped makes it anew, and opens days that were thinned
SELECT happened('ann', ARRAY['view_item'], '2020-01-02 08:00+00');
SELECT happened('ann', ARRAY['view_item', 'view_item_list'], '2020-01-10 08:00+00');
SELECT day, rolled, thinned, expired FROM personalize._event_day WHERE day < '2021-01-01' ORDER BY 1;
SELECT * FROM apply('2020-03-20');
SELECT roll();
SELECT roll();
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
-- a rebuild counts what raw events there are, and says since when it is complete
SELECT personalize.rebuild_processor('profile');
SELECT roll();
SELECT name, complete_since AT TIME ZONE 'UTC' AS complete_since FROM personalize.signal_status WHERE name IN ('item_affinity', 'search_term') ORDER BY 1;
SELECT f.signal, f.value, f.count FROM personalize.features('ann', NULL, '2020-02-01') AS f ORDER BY 1, 2;
SELECT * FROM apply('2020-03-20');

-- what is not raw
SELECT * FROM apply('2020-03-20', true, '{rejected,profile,session,preference,basket,item_stat,item_stat_hour,ledger}');
SELECT personalize.set_preference('bob', 'favourite_brand', 'Acme');
INSERT INTO personalize.rejected_event (rejected_at, source, reason, user_key, payload) VALUES
	('2020-01-10', 'track_many', 'old', personalize.user_key('bob'), '{}'), ('2020-03-10', 'track_many', 'new', personalize.user_key('bob'), '{}'),
	('2020-01-10', 'item_stat', 'raw event gone', 1, '{"received_at": "2019-01-10T00:00:00+00:00"}'),
	('2020-01-10', 'item_stat', 'raw event there', 1, jsonb_build_object('received_at', (SELECT max(day) FROM personalize._event_day)));
SELECT personalize.set_retention('profile', '60 days'), personalize.set_retention('item_stat_hour', '40 days');
SELECT * FROM apply('2020-03-05', kinds => '{rejected,profile,session,basket,item_stat,item_stat_hour,ledger}');
SELECT reason FROM personalize.rejected_event ORDER BY 1;
-- hours have become a day, and what comes late finds it
SELECT pane_start AT TIME ZONE 'UTC' AS pane, item_key = personalize.item_key('hat') AS hat, event, count FROM personalize.item_stat ORDER BY 1, 2, 3;
SELECT happened('bob', ARRAY['view_item'], '2020-01-10 17:00+00', 'hat');
SELECT roll();
SELECT pane_start AT TIME ZONE 'UTC' AS pane, event, count FROM personalize.item_stat WHERE item_key = personalize.item_key('hat') ORDER BY 1, 2;
SELECT personalize.withdraw_consent('bob', '{analytics}');
SELECT pane_start AT TIME ZONE 'UTC' AS pane, event, count FROM personalize.item_stat WHERE item_key = personalize.item_key('hat') ORDER BY 1, 2;
SELECT item_id, score > 0 AS scored FROM personalize.trending(5, half_life => '10 days', as_of => '2020-03-01');
-- panes that no period reaches go by the clock; the idle go whole
SELECT user_key = personalize.user_key('ann') AS ann, first_seen IS NOT NULL AS seen FROM personalize.profile ORDER BY 1;
SELECT happened('cid', ARRAY['search', 'view_item'], '2020-03-01 12:00+00');
SELECT happened('cid', ARRAY['purchase'], '2020-04-05 12:00+00');
SELECT roll();
SELECT * FROM apply('2020-04-20', kinds => '{profile}');
SELECT f.signal, f.value, f.count FROM personalize.features('cid', NULL, '2020-04-20') AS f ORDER BY 1, 2;
SELECT count(*) FROM personalize.profile;
-- sessions and their postings
SELECT count(*) AS sessions, (SELECT count(*) FROM personalize.posting) AS postings, (SELECT sessions FROM personalize._session_total) AS total FROM personalize.session;
SELECT * FROM apply('2020-05-20', kinds => '{session}');
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
SELECT count(*) AS sessions, (SELECT count(*) FROM personalize.posting) AS postings, (SELECT sessions FROM personalize._session_total) AS total FROM personalize.session;
-- people of whom nothing else is known: their decisions go as a whole chain, a refusal stays while silence allows
SELECT user_id FROM personalize.subject ORDER BY 1;
SELECT personalize.set_retention('ledger', '30 days'), personalize.set_retention('preference', '30 days');
SELECT personalize.clear_preference('bob');
SELECT count(*) > 0 AS entries FROM personalize.consent_ledger;
UPDATE personalize.consent_ledger SET (recorded_at, effective_at) = ('2020-01-01', '2020-01-01') WHERE user_key <> personalize.user_key('cid');
INSERT INTO personalize.purpose_default VALUES ('analytics', 'allowed');
SELECT personalize.set_retention('item_stat', '32 days'), personalize.set_retention('rejected', '1 day');
-- a dry run writes nothing: it runs where nothing may be written, and takes no transaction id
BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ;
SELECT kind, what, removed, result, detail FROM personalize.apply_retention(true, '2020-06-20');
SELECT pg_current_xact_id_if_assigned() AS xid;
COMMIT;
-- and counts what a run then removes
BEGIN;
SELECT personalize.withdraw_consent('dan', '{marketing}'), personalize.grant_consent('dan', '{marketing}');
UPDATE personalize.consent_ledger SET (recorded_at, effective_at) = ROW (t, t)
FROM (VALUES (false, timestamptz '2020-01-01'), (true, '2020-01-02')) AS v (answer, t)
WHERE user_key = personalize.user_key('dan') AND granted = answer;
SELECT what, removed, result FROM apply('2020-06-20', true, '{ledger}') WHERE what ~ 'superseded';
SELECT what, removed, result FROM apply('2020-06-20', kinds => '{ledger}') WHERE what ~ 'superseded';
ROLLBACK;
SELECT what, removed, result FROM apply('2020-06-20', kinds => '{raw,basket,item_stat,rejected,ledger}');
SELECT what, removed, result FROM apply('2020-06-20', kinds => '{ledger}');
SELECT user_id FROM personalize.subject ORDER BY 1;
DELETE FROM personalize.purpose_default;
SELECT what, removed, result FROM apply('2020-06-20', kinds => '{ledger}');
SELECT user_id FROM personalize.subject ORDER BY 1;
SELECT count(*) FROM personalize.consent_ledger WHERE user_key <> personalize.user_key('cid');

-- in pieces, and not too often
SELECT happened('p' || n, ARRAY['view_item', 'view_item'], '2020-06-01 12:00+00') FROM generate_series(1, 5) AS n;
SELECT roll();
SELECT count(*) AS sessions, (SELECT sum(length(data)) > 0 FROM personalize.posting) AS postings, (SELECT sessions FROM personalize._session_total) AS total FROM personalize.session;
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2020-09-01', max_rows => 2) WHERE kind = 'session';
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2020-09-01', max_rows => 2, pause => '1 day') WHERE kind = 'session';
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2020-09-01', max_rows => 2, pause => '1 day') WHERE kind = 'session';
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2020-09-01 12:00', pause => '1 day') WHERE kind = 'session';
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2020-09-03', pause => '1 day') WHERE kind = 'session';

SELECT count(*) AS sessions, (SELECT count(*) FROM personalize.posting) AS postings, (SELECT sessions FROM personalize._session_total) AS total FROM personalize.session;

-- sessions that are gone are not missed, damage to what is there is seen
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
SELECT happened('p' || n, ARRAY['view_item', 'view_item'], '2020-10-01 12:00+00') FROM generate_series(1, 5) AS n;
SELECT roll();
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
BEGIN;
UPDATE personalize.session SET ended = second_at + interval '1 second' WHERE user_key = personalize.user_key('p1') AND second_at > '2020-09-10';
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
ROLLBACK;
BEGIN;
DELETE FROM personalize.session WHERE user_key = personalize.user_key('p2') AND second_at > '2020-09-10';
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
ROLLBACK;
BEGIN;
DELETE FROM personalize.posting;
SELECT part, expected = found AS complete, wrong FROM personalize.verify_index();
ROLLBACK;

-- a step that fails is undone and told of, the others go on
SELECT happened('p1', ARRAY['view_item'], ts) FROM unnest('{2020-10-01 12:00+00,2020-10-02 12:00+00}'::timestamptz[]) AS ts;
SELECT roll();
CREATE VIEW in_the_way AS SELECT * FROM personalize.event_p20201001;
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it stays'; END $$;
CREATE TRIGGER stay BEFORE DELETE ON personalize.rejected_event FOR EACH STATEMENT EXECUTE FUNCTION stay();
SET client_min_messages = error;
SELECT kind, what, removed, result, detail FROM personalize.apply_retention(as_of => '2021-06-01') WHERE result NOT IN ('done') OR removed > 0;
RESET client_min_messages;
SELECT task, last_result, failures, last_error FROM personalize.stat_retention WHERE last_result = 'failed';
SELECT ok, detail FROM personalize.health() WHERE "check" = 'retention';
DROP VIEW in_the_way;
DROP FUNCTION stay CASCADE;
SELECT kind, what, removed, result FROM personalize.apply_retention(as_of => '2021-06-01') WHERE kind = 'raw';
SELECT ok FROM personalize.health() WHERE "check" = 'retention';

-- a kind of event that is kept for less goes out of a day in pieces of max_rows
SELECT happened('p2', ARRAY['view_item_list', 'view_item', 'view_item_list', 'view_item_list', 'view_item_list', 'view_item_list'], '2021-08-01 12:00+00');
SELECT roll();
SELECT personalize.set_retention('raw', '10 days', event => 'view_item_list');
SELECT what, removed, result FROM personalize.apply_retention(true, '2021-08-20', max_rows => 2) WHERE kind = 'raw';
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2021-08-20', max_rows => 2) WHERE kind = 'raw';
SELECT event, count(*), bool_and(thinned = '{}') AS not_done, bool_and(expired <> '{}') AS noted FROM personalize.event, personalize._event_day WHERE day = '2021-08-01' GROUP BY 1 ORDER BY 1;
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2021-08-20', max_rows => 2) WHERE kind = 'raw';
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2021-08-20', max_rows => 2) WHERE kind = 'raw';
SELECT what, removed, result FROM personalize.apply_retention(as_of => '2021-08-20', max_rows => 2) WHERE kind = 'raw';
SELECT event, count(*), bool_and(thinned <> '{}') AS done FROM personalize.event, personalize._event_day WHERE day = '2021-08-01' GROUP BY 1;

-- no day goes that a processor has not counted all of, and the answer says which and why:
-- one is disabled, then one is behind, then a day is partly counted, then nobody has closed it
SELECT happened('p3', ARRAY['view_item'], '2021-08-02 12:00+00');
SELECT personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'exposure']) AS p;
SELECT pg_temp.settled();
SELECT processor FROM personalize.rollup_now();
SELECT * FROM apply('2022-08-20', true);
SELECT * FROM apply('2022-08-20');
SELECT personalize.enable_processor('neighbour'), personalize.disable_processor('item_stat');
SELECT * FROM apply('2022-08-20');
SELECT happened('p3', ARRAY['purchase'], '2021-08-02 12:00+00');
SELECT pg_temp.settled();
SELECT processor FROM personalize.rollup_now();
SELECT * FROM apply('2022-08-20');
SELECT personalize.enable_processor('item_stat');
SELECT pg_temp.settled();
SELECT processor FROM personalize.rollup_now();
-- what the disabled one had not counted then is counted
SELECT event, sum(count) FROM personalize.item_stat WHERE pane_start >= '2021-08-02' AND pane_start < '2021-08-03' GROUP BY 1 ORDER BY 1;
UPDATE personalize._event_day SET rolled = false WHERE day = '2021-08-02';
SELECT * FROM apply('2022-08-20');
SELECT pg_temp.settled();
SELECT processor FROM personalize.rollup_now();
SELECT * FROM apply('2022-08-20');
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;

-- days detached, moved and renamed by hand, and a partition that is no day of ours
SELECT happened('p4', ARRAY['view_item'], ts) FROM unnest('{2021-09-01 12:00+00,2021-09-02 12:00+00,2021-09-03 12:00+00}'::timestamptz[]) AS ts;
SELECT roll();
SET personalize.allow_drop = on;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20210901;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20210902;
ALTER TABLE personalize.event_p20210902 SET SCHEMA public;
ALTER TABLE personalize.event DETACH PARTITION personalize.event_p20210903;
RESET personalize.allow_drop;
ALTER TABLE personalize.event_p20210903 RENAME TO kept_by_hand;
ALTER TABLE personalize.event ATTACH PARTITION personalize.kept_by_hand FOR VALUES FROM ('2021-09-03 00:00+00') TO ('2021-09-04 00:00+00');
SELECT * FROM apply('2022-09-20', true);
SELECT * FROM apply('2022-09-20');
SELECT ok, detail FROM personalize.health() WHERE "check" = 'retention';
-- erasure reaches it
SELECT count(*) FROM personalize.kept_by_hand;
BEGIN;
SELECT personalize.forget('p4') AS receipt \gset
SELECT counts -> 'events' AS events FROM personalize.erasure_receipt(:'receipt');
SELECT count(*) FROM personalize.kept_by_hand;
ROLLBACK;
SET personalize.allow_drop = on;
DROP TABLE personalize.kept_by_hand, public.event_p20210902;
RESET personalize.allow_drop;
SELECT * FROM apply('2022-09-20');
SELECT ok FROM personalize.health() WHERE "check" = 'retention';

-- a policy edited by hand obeys the same rules; without rows the defaults hold
UPDATE personalize.retention_policy SET keep = '0' WHERE kind = 'raw';
UPDATE personalize.retention_policy SET keep = NULL WHERE kind = 'raw';
UPDATE personalize.retention_policy SET kind = 'none' WHERE kind = 'raw';
SELECT happened('p5', ARRAY['view_item'], '2021-09-05 12:00+00');
SELECT roll();
BEGIN;
DELETE FROM personalize.retention_policy;
SELECT * FROM apply('2022-10-05 23:59+00', true);
SELECT * FROM apply('2022-10-06 00:00+00', true);
ROLLBACK;

-- arguments
SELECT count(*) FROM personalize.apply_retention(as_of => 'infinity');
SELECT count(*) FROM personalize.apply_retention(as_of => '-infinity');
SELECT result, removed FROM personalize.apply_retention(as_of => '0001-01-01 00:00+00') WHERE result <> 'done' OR removed <> 0;
SELECT count(*) FROM personalize.apply_retention(max_rows => 0);
SELECT count(*) FROM personalize.apply_retention(pause => '-1 hour');
SELECT personalize.set_retention('raw', '0');
SELECT personalize.set_retention('session', '2 days -40 hours');
SELECT personalize.set_retention('session', NULL);
SELECT * FROM apply('2022-10-07');
SELECT personalize.reset_retention('raw', 'view_item_list');

-- overdue: a day that outlives its time
SELECT happened('p1', ARRAY['view_item'], '2021-10-01 12:00+00');
SELECT overdue, last_result FROM personalize.stat_retention WHERE task = 'raw';
BEGIN;
DELETE FROM personalize.retention_policy;
SELECT overdue, keep FROM personalize.stat_retention WHERE task = 'raw';
ROLLBACK;
SELECT ok, detail FROM personalize.health() WHERE "check" = 'retention';
SELECT ok, detail ~ 'never scheduled; retention last applied' AS detail, fix FROM personalize.health() WHERE "check" = 'maintenance jobs';
UPDATE personalize._retention_state SET well_at = now() - interval '3 days';
SELECT ok, detail ~ 'never scheduled; retention last applied' AS detail, fix FROM personalize.health() WHERE "check" = 'maintenance jobs';

-- more days than one call drops: a dry run counts them all, a call says that there is more
SELECT count(happened('cid', ARRAY['view_item'], '2019-01-01 08:00+00'::timestamptz + d * interval '1 day')) FROM generate_series(0, 39) AS d;
SELECT roll();
SELECT roll();
SELECT result, count(*), sum(removed) FROM apply('2020-04-15', true) WHERE what < 'event_p2020' GROUP BY 1;
SELECT what = 'event: whole days' AS of_all, result, count(*), sum(removed) FROM apply('2020-04-15') GROUP BY 1, 2 ORDER BY 3;
SELECT what = 'event: whole days' AS of_all, result, count(*) FROM apply('2020-04-15') GROUP BY 1, 2 ORDER BY 3;

-- words go some time after what had them
SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
SELECT personalize.grant_consent(u, '{analytics,personalization}') FROM unnest('{seeker,other}'::text[]) u;
SELECT personalize.import_events('{seeker,seeker,other}', '{search,view_item,search}', ARRAY[NULL, 'page', NULL],
	array_fill(now() - interval '2 years', '{3}'), properties => ARRAY['{"query": "my illness"}', '{}', '{"query": "boots"}']::jsonb[]);
SELECT personalize.track('other', 'search', properties => '{"query": "boots"}');
INSERT INTO personalize.item (item_id) VALUES ('own');
-- a raw event stays as long as that
SELECT personalize.set_retention('raw', NULL, without_end => true);
SELECT roll() IS NOT NULL AS rolled;
SELECT count(*) FROM personalize.scrub_erased(files => false);
SELECT value FROM personalize.feature_value UNION ALL SELECT item_id FROM personalize.item ORDER BY 1;
SELECT kind, what, removed, result, detail FROM personalize.apply_retention(dry_run => true) WHERE kind = 'dictionary';
SELECT count(*) FROM personalize._erasure_candidate;
-- in pieces, each once
SELECT kind, what, removed, result, detail FROM personalize.apply_retention(max_rows => 2) WHERE kind = 'dictionary';
SELECT kind, what, removed, result, detail FROM personalize.apply_retention(max_rows => 2) WHERE kind = 'dictionary';
SELECT kind FROM personalize.apply_retention() WHERE kind = 'dictionary';
-- what a profile or a raw event has stays
SELECT count(*) FROM personalize.scrub_erased(files => false);
SELECT value FROM personalize.feature_value UNION ALL SELECT item_id FROM personalize.item ORDER BY 1;
DELETE FROM personalize.event WHERE ts < now() - interval '1 year';
DELETE FROM personalize.item_stat WHERE pane_start < now() - interval '1 year';
SELECT what FROM personalize.apply_retention() WHERE removed > 0;
SELECT count(*) FROM personalize._erasure_candidate;
SELECT personalize.set_retention('dictionary', '1 hour');
SELECT personalize.set_retention('dictionary', '1 day');
UPDATE personalize._retention_state SET passed_at = now() - interval '25 hours' WHERE kind = 'dictionary';
SELECT result FROM personalize.apply_retention() WHERE kind = 'dictionary';
SELECT count(*) FROM personalize.scrub_erased(files => false);
SELECT value FROM personalize.feature_value UNION ALL SELECT item_id FROM personalize.item ORDER BY 1;

-- who may
CREATE ROLE regress_keeper;
GRANT personalize_app TO regress_keeper;
SET ROLE regress_keeper;
SELECT * FROM personalize.apply_retention();
SELECT personalize.set_retention('raw', '90 days');
SELECT * FROM personalize.stat_retention;
SELECT * FROM personalize.schedule_maintenance();
RESET ROLE;
GRANT personalize_admin TO regress_keeper;
SET ROLE regress_keeper;
SELECT count(*) > 9 AS kinds FROM personalize.apply_retention(dry_run => true);
SELECT personalize.reset_retention('raw'), personalize.reset_retention('raw', 'view_item_list');
SELECT kind, event, keep, builtin FROM personalize.retention_policy WHERE kind = 'raw';
SELECT count(*) > 9 AS tasks FROM personalize.stat_retention;
RESET ROLE;
DROP ROLE regress_keeper;

-- pg_cron is in no database here, or in another one: what to run there
SET client_min_messages = warning;
SELECT job, schedule, statement LIKE 'SELECT cron.schedule%(''personalize ' || job || ' of ' || current_database() || ''', ''' || schedule || ''', ''%' AS named
FROM personalize.schedule_maintenance() WHERE job NOT IN ('scrub', 'rollup') ORDER BY 1;
SELECT ok, detail FROM personalize.health() WHERE "check" = 'maintenance jobs';
SELECT job, replace(statement, current_database(), 'shop') AS statement FROM personalize.unschedule_maintenance() WHERE job = 'retention';
RESET client_min_messages;

-- all of it, a part of two rows at a time, each in its own transaction
SELECT count(personalize.reset_retention(k)) FROM unnest(ARRAY['raw', 'session', 'profile']) AS k;
SELECT sum(happened('old-' || n, ARRAY['view_item', 'view_item'], '2022-01-01 12:00+00', 'boot-' || n)) FROM generate_series(1, 9) AS n;
SELECT roll();
SELECT count(*) FROM personalize.session WHERE second_at < '2023-01-01';
SELECT removed, result FROM personalize.apply_retention(max_rows => 2, pause => '1 day') WHERE kind = 'session';
-- a part at least, however little time there is
CALL personalize.run_retention(2, time_limit => '0');
SELECT count(*) FROM personalize.session WHERE second_at < '2023-01-01';
SELECT last_result FROM personalize.stat_retention WHERE task = 'session';
CALL personalize.run_retention(max_rows => 2);
SELECT (SELECT count(*) FROM personalize.session WHERE second_at < '2023-01-01') AS sessions, (SELECT count(*) FROM personalize.profile WHERE last_seen < '2023-01-01') AS profiles,
	(SELECT count(*) FROM personalize.event WHERE received_at < '2023-01-01') AS events;
SELECT task, last_result FROM personalize.stat_retention WHERE last_result <> 'done';
SELECT sum(wrong) FROM personalize.verify_index();
CALL personalize.run_retention(NULL, NULL, NULL);
CALL personalize.run_retention(0);
CALL personalize.run_retention(pause => '-1 s');
CALL personalize.run_retention(time_limit => '-1 day');
CALL personalize.run_retention(time_limit => 'infinitely');
BEGIN;
CALL personalize.run_retention();
ROLLBACK;
DO $$ BEGIN EXECUTE 'CALL personalize.run_retention()'; END $$;
BEGIN READ ONLY;
CALL personalize.run_retention();
ROLLBACK;
SET default_transaction_isolation = 'serializable';
CALL personalize.run_retention();
RESET default_transaction_isolation;
SET default_transaction_read_only = on;
CALL personalize.run_retention();
RESET default_transaction_read_only;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM personalize.apply_retention();
RESET default_transaction_isolation;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM personalize.apply_retention();
ROLLBACK;
DROP FUNCTION roll, happened, apply;

SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;

-- pseudonyms: stable, of this database, and made by the oldest secret
SELECT count(*), min(octet_length(secret)) FROM personalize._secret;
SELECT personalize_internal._pseudonym(1) = personalize_internal._pseudonym(1) AS stable, personalize_internal._pseudonym(1) <> personalize_internal._pseudonym(2) AS differ,
	personalize_internal._pseudonym(1) = ('x' || encode(substr(hmac, 1, 8), 'hex'))::bit(64)::int8 AS as_documented
	FROM (SELECT sha256(opad || sha256(ipad || '\x70736575646f6e796d00'::bytea || int8send(1))) AS hmac
		FROM (SELECT string_agg(set_byte('\x00', 0, get_byte(k, i) # 54), '' ORDER BY i) AS ipad,
				string_agg(set_byte('\x00', 0, get_byte(k, i) # 92), '' ORDER BY i) AS opad
			FROM (SELECT secret || decode(repeat('00', 32), 'hex') AS k FROM personalize._secret) s, generate_series(0, 63) i) pads) h;
SELECT personalize_internal._pseudonym(1) AS own \gset
BEGIN;
SELECT personalize_internal._pseudonym(1) AS before \gset
-- a dump restored where nothing has been stored brings the one that counts
INSERT INTO personalize._secret VALUES (now() + interval '1 day', sha256('restored'));
SELECT personalize_internal._pseudonym(1) <> :before AS the_restored_counts;
SELECT personalize_internal._pseudonym(1) AS before \gset
INSERT INTO personalize._secret VALUES (now() + interval '1 day', sha256('restored'));
SELECT personalize_internal._pseudonym(1) = :before AS the_same_changes_nothing;
-- where something has, the oldest
SELECT personalize.grant_consent('ada', '{analytics}');
INSERT INTO personalize._secret VALUES (now() + interval '1 day', sha256('younger'));
SELECT personalize_internal._pseudonym(1) = :before AS the_younger_does_not_count;
INSERT INTO personalize._secret VALUES (now() - interval '1 day', sha256('older'));
SELECT personalize_internal._pseudonym(1) <> :before AS the_older_counts;
DELETE FROM personalize._secret;
SELECT personalize_internal._pseudonym(1);
ROLLBACK;
SELECT personalize_internal._pseudonym(1) = :own AS nothing_of_that_counts;
BEGIN;
SAVEPOINT restored;
INSERT INTO personalize._secret VALUES (now(), sha256('restored'));
SELECT personalize_internal._pseudonym(1) <> :own AS the_restored_counts;
ROLLBACK TO restored;
SELECT personalize_internal._pseudonym(1) = :own AS it_no_longer_does;
COMMIT;
-- hashes of messages of every length around the ends of blocks
SELECT count(*) AS messages, count(*) FILTER (WHERE personalize_internal._ledger_hash(
		ROW(7, 'epoch', 'epoch', 5, 6, 1, true, true, repeat('x', n), NULL, NULL, NULL, '{}', '')::personalize.consent_ledger) =
		sha256('\x01' || int4send(0) || int8send(7) || int8send(0) || int8send(0) || int8send(5) || int8send(6) || int4send(1) || '\x01' ||
			int4send(n) || convert_to(repeat('x', n), 'UTF8') || int4send(-1) || int4send(-1) || int4send(-1))) AS as_documented
	FROM generate_series(0, 260) n;

-- decisions of three people, one of whom an event brought
SELECT personalize.grant_consent('ada', '{analytics,personalization}', 'banner', 'notice 3', 'form 17');
SELECT personalize.track('bob', 'view_item', 1, consent => '{analytics}');
SELECT personalize.grant_consent('bob', '{marketing}', 'platform', effective_at => '2020-01-01 00:00+00');
SELECT personalize.withdraw_consent('ada', '{analytics}');
SELECT personalize.track('bob', 'view_item', 1, consent => '{analytics,recommendations}');
SELECT personalize.grant_consent('ada', '{analytics}', E'caf\u00e9');
SELECT personalize.grant_consent('cleo', '{analytics}');
CREATE VIEW entry AS
	SELECT row_number() OVER (PARTITION BY l.user_key ORDER BY l.recorded_at) AS n, s.name, l.purposes, l.granted, l.source,
		(SELECT array_agg(p.n ORDER BY p.n) FROM unnest(l.previous) h JOIN
			(SELECT row_number() OVER (PARTITION BY user_key ORDER BY recorded_at) AS n, hash FROM personalize.consent_ledger) p ON p.hash = h) AS follows
	FROM personalize.consent_ledger l LEFT JOIN unnest('{ada,bob,cleo}'::text[]) AS s(name) ON personalize.user_key(s.name) = l.user_key;
SELECT * FROM entry ORDER BY name, n;
SELECT * FROM personalize.verify_ledger();

-- the proof holds all it takes to compute the hashes elsewhere
CREATE FUNCTION pg_temp.field(value bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT CASE WHEN value IS NULL THEN int4send(-1) ELSE int4send(octet_length(value)) || value END $$;
CREATE FUNCTION pg_temp.recompute(proof jsonb) RETURNS TABLE (n bigint, hash text, equal boolean, follows_known boolean) LANGUAGE sql AS $$
	SELECT ordinality, e ->> 'hash', encode(sha256('\x01'::bytea || int4send(jsonb_array_length(e -> 'previous'))
			|| coalesce((SELECT string_agg(decode(h, 'hex'), '' ORDER BY h) FROM jsonb_array_elements_text(e -> 'previous') h), '')
			|| int8send((proof ->> 'pseudonym')::int8) || int8send((e ->> 'effective_us')::int8) || int8send((e ->> 'recorded_us')::int8)
			|| int8send((e ->> 'txid')::int8) || int8send((e ->> 'nonce')::int8) || int4send((e ->> 'purposes')::int4)
			|| CASE WHEN (e ->> 'granted')::boolean THEN '\x01'::bytea ELSE '\x00' END
			|| pg_temp.field(convert_to(e ->> 'source', 'UTF8')) || pg_temp.field(convert_to(e ->> 'basis', 'UTF8'))
			|| pg_temp.field(convert_to(e ->> 'notice_version', 'UTF8')) || pg_temp.field(decode(e ->> 'evidence_digest', 'hex'))), 'hex') = e ->> 'hash',
		NOT EXISTS (SELECT FROM jsonb_array_elements_text(e -> 'previous') h
			WHERE h NOT IN (SELECT k ->> 'hash' FROM jsonb_array_elements(proof -> 'entries') k))
	FROM jsonb_array_elements(proof -> 'entries') WITH ORDINALITY AS t(e, ordinality) $$;
SELECT name, r.n, r.equal, r.follows_known FROM unnest('{ada,bob,cleo}'::text[]) name, pg_temp.recompute(personalize.consent_proof(name)) r ORDER BY 1, 2;
SELECT count(*), count(DISTINCT r.hash) FROM pg_temp.recompute(personalize.consent_proof('ada')) r JOIN personalize.consent_ledger l ON encode(l.hash, 'hex') = r.hash;
SELECT e ->> 'decision' AS decision, e -> 'about' AS about, e ->> 'source' AS source, e ->> 'evidence_digest' = encode(sha256('form 17'), 'hex') AS evidence
	FROM jsonb_array_elements(personalize.consent_proof('ada') -> 'entries') e;
SELECT personalize.consent_proof('bob') ->> 'pseudonym' = personalize_internal._pseudonym(personalize.user_key('bob'))::text AS pseudonym;
SELECT personalize.consent_proof('nobody') -> 'entries' AS entries;

-- whatever a superuser does to one entry is found
CREATE VIEW wrong AS SELECT s.name, e.n, v.problem, count(*) FROM personalize.verify_ledger() v
	LEFT JOIN unnest('{ada,bob,cleo}'::text[]) AS s(name) ON personalize.user_key(s.name) = v.user_key
	LEFT JOIN (SELECT hash, row_number() OVER (PARTITION BY user_key ORDER BY recorded_at) AS n FROM personalize.consent_ledger) e ON e.hash = v.hash
	GROUP BY 1, 2, 3;
SELECT personalize.ledger_anchor() AS anchor \gset
SELECT problem, detail FROM personalize.verify_ledger(anchor => :'anchor');
CREATE FUNCTION pg_temp.try(attack text) RETURNS SETOF wrong LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE replace(attack, 'middle', format('(user_key = %s AND NOT granted)', personalize.user_key('ada')));
		RETURN QUERY SELECT * FROM wrong ORDER BY 1, 2, 3;
		RAISE EXCEPTION 'undone';
	EXCEPTION WHEN raise_exception THEN
	END;
END $$;
SELECT column_name, t.* FROM (VALUES
		('effective_at', 'effective_at - interval ''1 second'''), ('recorded_at', 'recorded_at + interval ''1 microsecond'''),
		('txid', 'txid + 1'), ('nonce', '-nonce'), ('purposes', 'purposes | 2'), ('granted', 'true'), ('erased', 'true'),
		('source', '''someone else'''), ('basis', ''''''), ('notice_version', '''notice 3'''), ('evidence_digest', '''\x00'''),
		('previous', '''{}'''), ('previous', '''{NULL}'''), ('hash', 'sha256('''')'), ('hash', '''''')) AS c(column_name, value),
	LATERAL pg_temp.try(format('UPDATE personalize.consent_ledger SET %I = %s WHERE middle', column_name, value)) t ORDER BY 1, value, 2, 3, 4;
-- every column of the table was tried
SELECT attname FROM pg_attribute WHERE attrelid = 'personalize.consent_ledger'::regclass AND attnum > 0 AND attname <> ALL
	('{effective_at,recorded_at,txid,nonce,purposes,granted,erased,source,basis,notice_version,evidence_digest,previous,hash}');
SELECT * FROM pg_temp.try('UPDATE personalize.consent_ledger SET user_key = personalize.user_key(''cleo'') WHERE middle');
SELECT * FROM pg_temp.try('DELETE FROM personalize.consent_ledger WHERE middle');
SELECT * FROM pg_temp.try('INSERT INTO personalize.consent_ledger SELECT * FROM personalize.consent_ledger WHERE middle');
SELECT * FROM pg_temp.try('INSERT INTO personalize.consent_ledger SELECT l.user_key, now(), now(), txid, 1, 15, true, false, ''forged'', NULL, NULL, NULL, ARRAY[l.hash], sha256(''x'')
	FROM personalize.consent_ledger l WHERE middle');
-- an entry of one person in the place of another's, and the other way round
SELECT * FROM pg_temp.try($$UPDATE personalize.consent_ledger l SET user_key = personalize.user_key(CASE WHEN user_key = personalize.user_key('ada') THEN 'cleo' ELSE 'ada' END)
	WHERE middle OR user_key = personalize.user_key('cleo')$$);
-- a withdrawal that is made to look like an erased person's, key and all
SELECT * FROM pg_temp.try('UPDATE personalize.consent_ledger SET user_key = personalize_internal._pseudonym(user_key), erased = true WHERE middle');
-- the newest entry: only an anchor knows of it
SELECT * FROM pg_temp.try('DELETE FROM personalize.consent_ledger WHERE source = ''caf\u00e9''');
BEGIN;
DELETE FROM personalize.consent_ledger WHERE source = E'caf\u00e9';
SELECT user_key, problem, detail FROM personalize.verify_ledger(anchor => :'anchor');
ROLLBACK;
-- so with a whole chain that is written anew by one who knows how
BEGIN;
UPDATE personalize.consent_ledger SET granted = false WHERE user_key = personalize.user_key('cleo');
UPDATE personalize.consent_ledger l SET hash = personalize_internal._ledger_hash(l) WHERE user_key = personalize.user_key('cleo');
SELECT user_key, problem, detail FROM personalize.verify_ledger();
SELECT user_key, problem, detail FROM personalize.verify_ledger(anchor => :'anchor');
ROLLBACK;
-- or with one that is put in with a true hash and an old transaction
BEGIN;
INSERT INTO personalize.consent_ledger SELECT user_key, effective_at + interval '1 second', recorded_at, txid, nonce + 1, purposes, granted, erased, source, basis, notice_version,
	evidence_digest, previous, hash FROM personalize.consent_ledger WHERE user_key = personalize.user_key('cleo');
UPDATE personalize.consent_ledger l SET hash = personalize_internal._ledger_hash(l) WHERE user_key = personalize.user_key('cleo');
SELECT user_key, problem, detail FROM personalize.verify_ledger('cleo', :'anchor');
ROLLBACK;
-- what comes later does not disturb an anchor; one person alone can be verified
SELECT personalize.grant_consent('dan', '{analytics}');
SELECT problem FROM personalize.verify_ledger(anchor => :'anchor');
BEGIN;
UPDATE personalize.consent_ledger SET purposes = 15 WHERE user_key = personalize.user_key('dan');
SELECT 'ada', problem FROM personalize.verify_ledger('ada') UNION ALL SELECT 'dan', problem FROM personalize.verify_ledger('dan');
ROLLBACK;

-- retention: superseded decisions go, what holds stays, and so do chain and anchor
SELECT personalize_internal._ledger_prune('2000-01-01'), personalize_internal._ledger_prune('infinity');
SELECT * FROM entry WHERE name IS NOT NULL ORDER BY name, n;
SELECT problem FROM personalize.verify_ledger(anchor => :'anchor');
SELECT purpose, allowed FROM personalize.consent_of('ada') WHERE allowed;

-- a withdrawal that arrives late: what happened before the next grant loses the purpose, what came since stays
SELECT count(personalize.enable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.upsert_items('[{"item_id": "1", "category": "a"}, {"item_id": "2", "category": "b"}, {"item_id": "3", "category": "c"}]');
SELECT personalize.grant_consent('late', '{analytics,personalization,recommendations}', effective_at => now() - interval '10 days');
SELECT personalize.track('late', 'view_item', n, ts => now() - n * interval '2 days' - interval '1 hour', session_id => 's' || n) FROM generate_series(1, 3) n;
SELECT personalize.set_preference('late', 'favourite_brand', 'acme');
SELECT personalize.grant_consent('late', '{personalization,recommendations}', effective_at => now() - interval '4 days');
SELECT count(*) > 0 AS rolled FROM personalize.rollup_now();
SELECT item_id FROM personalize.recent('late') ORDER BY 1;
SELECT personalize.withdraw_consent('late', '{personalization,recommendations}', effective_at => now() - interval '6 days');
SELECT item_key, consent FROM personalize.event WHERE user_key = personalize.user_key('late') ORDER BY 1;
SELECT item_id FROM personalize.recent('late') ORDER BY 1;
SELECT signal, value, count FROM personalize.features('late') WHERE signal = 'interest_category' ORDER BY 2;
SELECT count(*) FROM personalize.session WHERE user_key = personalize.user_key('late');
SELECT count(*) FROM personalize.preferences_of('late');
-- statistics of items needed analytics alone
SELECT item_key, sum(count) FROM personalize.item_stat WHERE item_key > 1 GROUP BY 1 ORDER BY 1;
-- just what counting everything anew would give
SELECT now() AS as_of \gset
CREATE TABLE was AS SELECT t, personalize.state_hash(t, :'as_of') AS hash FROM unnest('{profile,session,posting,item_stat}'::text[]) t;
SELECT count(personalize.rebuild_processor(p)) FROM unnest('{profile,item_stat,neighbour}'::text[]) p;
SELECT count(*) > 0 AS rolled FROM personalize.rollup_now();
SELECT t FROM was WHERE hash IS DISTINCT FROM personalize.state_hash(t, :'as_of');
-- older than what a later one has taken already: nothing is left to take
SELECT personalize.withdraw_consent('late', '{recommendations}', effective_at => now() - interval '7 days');
SELECT item_key, consent FROM personalize.event WHERE user_key = personalize.user_key('late') ORDER BY 1;
-- nothing is granted any more after a withdrawal of today, and a late grant gives nothing back
SELECT personalize.withdraw_consent('late', '{analytics}');
SELECT personalize.grant_consent('late', '{analytics}', effective_at => now() - interval '1 minute');
SELECT item_key, consent FROM personalize.event WHERE user_key = personalize.user_key('late') ORDER BY 1;
SELECT count(*) FROM personalize.item_stat WHERE item_key > 1 AND count <> 0;
SELECT personalize.withdraw_consent('late', effective_at => '2999-01-01 00:00:00+00');

-- decisions in any order give the same state: that of the order in which they took effect
CREATE TABLE decision AS SELECT n, '2026-01-01'::timestamptz + (n / 2) * interval '1 day' AS at, n * 7 % 3 <> 0 AS granted,
	(ARRAY['{analytics}', '{analytics,personalization}', '{marketing}', '{personalization,recommendations}', '{analytics,marketing}'])[1 + n * 5 % 7 % 5]::text[] AS purposes
	FROM generate_series(0, 11) n;
CREATE FUNCTION pg_temp.decide(who text, place double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	d decision;
BEGIN
	FOR d IN SELECT * FROM decision ORDER BY hashtextextended(n::text, (place * 1000)::bigint) LOOP
		IF d.granted THEN
			PERFORM personalize.grant_consent(who, d.purposes, effective_at => d.at);
		ELSE
			PERFORM personalize.withdraw_consent(who, d.purposes, effective_at => d.at);
		END IF;
	END LOOP;
END $$;
SELECT count(pg_temp.decide('order ' || place, place)) FROM generate_series(1, 40) place;
SELECT count(*), count(DISTINCT (granted, decided)) FROM personalize.subject WHERE user_id LIKE 'order %';
SELECT count(DISTINCT (SELECT string_agg(n::text, ' ' ORDER BY hashtextextended(n::text, place * 1000)) FROM decision)) > 30 AS orders_differ FROM generate_series(1, 40) place;
SELECT DISTINCT c.purpose, c.allowed, c.decided_at AT TIME ZONE 'UTC' AS decided_at FROM generate_series(1, 40) place, personalize.consent_of('order ' || place) c
	EXCEPT SELECT p.name, d.granted, d.at AT TIME ZONE 'UTC' FROM personalize.purpose p,
		LATERAL (SELECT * FROM decision WHERE p.name = ANY (purposes) ORDER BY at DESC, granted LIMIT 1) d;
SELECT s.granted = (SELECT sum(1 << p.bit) FROM personalize.purpose p,
		LATERAL (SELECT * FROM decision WHERE p.name = ANY (purposes) ORDER BY at DESC, granted LIMIT 1) d WHERE d.granted) AS as_effective
	FROM personalize.subject s WHERE user_id = 'order 1';
SELECT problem FROM personalize.verify_ledger();

-- bad input
\set VERBOSITY terse
SELECT * FROM personalize.verify_ledger(anchor => '{}');
SELECT * FROM personalize.verify_ledger(anchor => '[1]');
SELECT * FROM personalize.verify_ledger(anchor => '{"version": 2, "asof": "1:3:3:", "entries": 1, "digest": "d"}');
SELECT * FROM personalize.verify_ledger(anchor => '{"version": 1, "asof": "x", "entries": 1, "digest": "d"}');
SELECT * FROM personalize.verify_ledger(anchor => '{"version": 1, "asof": "1:3:3:", "entries": "1", "digest": "d"}');
SELECT * FROM personalize.verify_ledger('');
SELECT personalize.consent_proof(NULL);
SELECT personalize_internal._ledger_prune(NULL);
-- a bit never changes its meaning once somebody has decided about it
BEGIN;
INSERT INTO personalize.purpose (name, bit) VALUES ('letter', 8), ('call', 9);
UPDATE personalize.purpose SET bit = 10 WHERE name = 'call';
DELETE FROM personalize.purpose WHERE name = 'call';
SELECT personalize.grant_consent('bit', '{letter}');
UPDATE personalize.purpose SET description = 'by mail' WHERE name = 'letter';
SAVEPOINT decided;
DELETE FROM personalize.purpose WHERE name = 'letter';
ROLLBACK TO decided;
UPDATE personalize.purpose SET name = 'advertising' WHERE name = 'letter';
ROLLBACK;
-- nor once a default has let something in under it, whatever the default says by then
INSERT INTO personalize.purpose (name, bit) VALUES ('letter', 8), ('call', 9);
INSERT INTO personalize.purpose_default VALUES ('letter', 'allowed');
UPDATE personalize.purpose SET name = 'advertising' WHERE name = 'letter';
SELECT personalize.track('nobody asked', 'view_item', '1', ts => '2026-01-01 00:00+00');
UPDATE personalize.purpose_default SET answer = 'denied' WHERE purpose = 'letter';
SELECT consent, (SELECT count(*) FROM personalize.consent_ledger l WHERE l.user_key = e.user_key) AS decisions
FROM personalize.event e WHERE user_key = personalize.user_key('nobody asked');
UPDATE personalize.purpose SET name = 'advertising' WHERE name = 'letter';
UPDATE personalize.purpose SET bit = 10 WHERE name = 'letter';
DELETE FROM personalize.purpose WHERE name = 'letter';
UPDATE personalize.purpose SET bit = 10, name = 'visit' WHERE name = 'call';
SELECT personalize.forget('nobody asked') IS NOT NULL AS forgotten;
DELETE FROM personalize.purpose_default WHERE purpose = 'letter';
DELETE FROM personalize.purpose WHERE name IN ('letter', 'visit');
-- the extension's own keep theirs, and the bits below 8
UPDATE personalize.purpose SET bit = 11 WHERE name = 'analytics';
UPDATE personalize.purpose SET name = 'statistics' WHERE name = 'analytics';
DELETE FROM personalize.purpose WHERE name = 'analytics';
INSERT INTO personalize.purpose (name, bit) VALUES ('fax', 7);
-- for administrators
SET ROLE personalize_app;
SELECT personalize.consent_proof('ada');
SELECT personalize.verify_ledger();
SELECT count(*) FROM personalize._secret;
RESET ROLE;
SET ROLE personalize_admin;
SELECT count(*) FROM personalize.verify_ledger();
SELECT jsonb_array_length(personalize.consent_proof('ada') -> 'entries'), personalize.ledger_anchor() ->> 'entries';
SELECT count(*) FROM personalize._secret;
RESET ROLE;
SET client_min_messages = warning;
DROP VIEW wrong, entry CASCADE;
DROP TABLE was, decision CASCADE;

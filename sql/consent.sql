SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
SET client_min_messages = error;
-- the mask an event is stored with; NULL: not stored
CREATE FUNCTION pg_temp.mask(who text, said text[] DEFAULT NULL) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	message text := 'message ' || gen_random_uuid();
BEGIN
	PERFORM personalize.track(who, 'view_item', 1, consent => said, message_id => message);
	RETURN (SELECT e.consent FROM personalize.event e WHERE e.message_key = personalize.user_key(message));
END $$;
SELECT name, bit, legal_basis FROM personalize.purpose ORDER BY bit;

-- neither speaks: the default
SELECT pg_temp.mask('nobody');
INSERT INTO personalize.purpose_default VALUES ('analitics', 'allowed');
INSERT INTO personalize.purpose_default VALUES ('analytics', 'allowed');
SELECT pg_temp.mask('nobody');
-- only the ledger
SELECT personalize.grant_consent('ledger', ARRAY['personalization', 'marketing'], 'banner', 'v3', 'signed form 17');
SELECT pg_temp.mask('ledger');
-- both: what both allow; what the ledger has not spoken about the event decides
SELECT pg_temp.mask('ledger', ARRAY['personalization']), pg_temp.mask('ledger', '{}'), pg_temp.mask('ledger', ARRAY['recommendations']),
	pg_temp.mask('ledger');
DELETE FROM personalize.purpose_default;
-- only the event: as it says, and the ledger remembers
SELECT pg_temp.mask('event', ARRAY['analytics', 'recommendations']), pg_temp.mask('event'), pg_temp.mask('event', ARRAY['analytics']);
SELECT pg_temp.mask('stranger', ARRAY['everything', NULL, 'Analytics', '']), pg_temp.mask('stranger');
SELECT purposes, granted, source, notice_version, evidence_digest = sha256('signed form 17') AS digest
	FROM personalize.consent_ledger ORDER BY recorded_at;
SELECT purpose, allowed, decided_by, decided_at IS NOT NULL AS decided, notice_version FROM personalize.consent_of('ledger');
SELECT purpose, allowed, decided_by FROM personalize.consent_of('event');
-- never above an earlier withdrawal
SELECT personalize.withdraw_consent('event', ARRAY['analytics']);
SELECT pg_temp.mask('event', ARRAY['analytics', 'recommendations']), pg_temp.mask('event', ARRAY['analytics']), pg_temp.mask('event');
SELECT personalize.grant_consent('event', ARRAY['analytics']), pg_temp.mask('event'), pg_temp.mask('event', ARRAY['analytics']);
-- the ledger has to speak first
SET personalize.event_consent = require_ledger;
SELECT pg_temp.mask('strict', ARRAY['analytics']), pg_temp.mask('ledger', ARRAY['analytics', 'personalization']);
RESET personalize.event_consent;
SELECT count(*) FROM personalize.consent_ledger WHERE user_key = personalize.user_key('strict');

-- withdrawal: from the next event on, and out of what is stored
SELECT personalize.grant_consent(5, ARRAY['analytics', 'personalization', 'recommendations']), pg_temp.mask('5');
CREATE TEMP TABLE before AS SELECT txid, user_key, message_key, consent FROM personalize.event;
INSERT INTO personalize.rejected_event (txid, source, reason, user_key, consent, payload)
	VALUES (1, 'test', 'both', 5, 3, '{"a": 1}'), (1, 'test', 'only', 5, 2, '{"a": 1}'), (1, 'test', 'other', 6, 2, '{"a": 1}');
SELECT personalize.withdraw_consent(5, ARRAY['personalization', 'marketing'], 'settings page');
SELECT pg_temp.mask('5');
SELECT consent, count(*) FROM personalize.event WHERE user_key = 5 GROUP BY 1;
SELECT reason, consent, payload FROM personalize.rejected_event ORDER BY reason;
-- of this person only, and in the transactions that wrote them
SELECT b.user_key, b.consent AS before, e.consent AS after, b.txid = e.txid AS same_txid
	FROM before b JOIN personalize.event e USING (message_key) WHERE e.consent <> b.consent;
-- granting again restores nothing
SELECT personalize.grant_consent(5, ARRAY['personalization']);
SELECT consent, count(*) FROM personalize.event WHERE user_key = 5 GROUP BY 1;
SELECT pg_temp.mask('5');
-- all of it
SELECT personalize.withdraw_consent(5), pg_temp.mask('5'), pg_temp.mask('5', ARRAY['analytics', 'personalization']);
SELECT consent, count(*) FROM personalize.event WHERE user_key = 5 GROUP BY 1;
-- of people nobody has heard of
SELECT personalize.withdraw_consent('stranger'), pg_temp.mask('stranger', ARRAY['analytics']);

-- decisions of one transaction hold in their order, those from elsewhere by their time
BEGIN;
SELECT personalize.grant_consent('order', ARRAY['analytics']), personalize.withdraw_consent('order', ARRAY['analytics']);
SELECT personalize.grant_consent('order', ARRAY['analytics']), pg_temp.mask('order');
ROLLBACK;
SELECT pg_temp.mask('order');
SELECT personalize.withdraw_consent('past', ARRAY['analytics']);
SELECT personalize.grant_consent('past', ARRAY['analytics', 'marketing'], 'consent platform', effective_at => '2020-01-01');
SELECT personalize.grant_consent('past', ARRAY['analytics'], effective_at => '2999-01-01 00:00:00+00');
SELECT pg_temp.mask('past');

-- a person's state and the ledger agree, but for what events brought and is not folded yet
CREATE VIEW differing AS
	SELECT s.user_id, s.granted, s.decided, m.granted AS ledger_granted, m.decided AS ledger_decided
	FROM personalize.subject s, LATERAL personalize_internal._ledger_mask(s.user_key) m
	WHERE (s.granted, s.decided) IS DISTINCT FROM (m.granted, m.decided);
SELECT * FROM differing;
SELECT DISTINCT id FROM personalize._dictionary_log WHERE kind = 'u' ORDER BY id;
SELECT personalize.enable_processor('profile');
SELECT count(*) > 0 AS rolled FROM personalize.rollup_now();
SELECT * FROM differing;
SELECT user_id, granted, decided FROM personalize.subject ORDER BY user_id;
SELECT count(*) FROM personalize._dictionary_log WHERE kind = 'u';
SELECT pg_temp.mask('ledger'), pg_temp.mask('event'), pg_temp.mask('past'), pg_temp.mask('5');

-- why
SELECT * FROM personalize.why_suppressed('O''Hara');
SELECT purpose, allowed, regexp_replace(reason, ' on .* by', ' by') AS reason, fix FROM personalize.why_suppressed(5);
SELECT purpose, allowed, regexp_replace(reason, ' on .* by', ' by') AS reason, fix FROM personalize.why_suppressed('ledger');

-- what cannot be
\set VERBOSITY terse
SELECT personalize.grant_consent(NULL, ARRAY['analytics']);
SELECT personalize.grant_consent('', ARRAY['analytics']);
SELECT personalize.grant_consent(repeat('u', 513), ARRAY['analytics']);
SELECT personalize.grant_consent(1, NULL);
SELECT personalize.grant_consent(1, '{}');
SELECT personalize.grant_consent(1, ARRAY['analytics', NULL]);
SELECT personalize.grant_consent(1, ARRAY['analytics'], repeat('é', 1001));
SELECT personalize.withdraw_consent(1, ARRAY['analytics'], 'form', repeat('v', 2001));
SELECT personalize.object_to(1, ARRAY['analytics'], repeat('why ', 501));
SELECT personalize.withdraw_consent(1, ARRAY['analytics', 'analytik']);
SELECT personalize.consent_of(NULL);
\set VERBOSITY default
SELECT personalize.grant_consent(1, ARRAY['analytik']);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.withdraw_consent(1);
ROLLBACK;

-- a purpose of one's own
INSERT INTO personalize.purpose (name, bit) VALUES ('research', 30);
SELECT personalize.grant_consent('own', ARRAY['research']), pg_temp.mask('own'), pg_temp.mask('own', ARRAY['research', 'analytics']);
INSERT INTO personalize.purpose (name, bit) VALUES ('sign', 31);
SELECT personalize.withdraw_consent('own'), pg_temp.mask('own');

-- a whole choice: what is not accepted is declined, not just never asked
CREATE FUNCTION pg_temp.standing(who text, OUT purpose text, OUT allowed boolean, OUT decided_by text, OUT reason text)
	RETURNS SETOF record LANGUAGE sql AS $$
	SELECT c.purpose, c.allowed, c.decided_by, regexp_replace(w.reason, ' on .* by', ' by')
	FROM personalize.consent_of(who) c JOIN personalize.why_suppressed(who) w USING (purpose)
$$;
SELECT personalize.grant_consent('partly', '{analytics}', 'banner'), personalize.record_choice('choice', '{analytics}', 'banner', 'v4');
SELECT * FROM pg_temp.standing('partly') WHERE purpose <> 'recommendations';
SELECT * FROM pg_temp.standing('choice');
SELECT purposes, granted, source, notice_version FROM personalize.consent_ledger
	WHERE user_key = personalize.user_key('choice') ORDER BY granted;
-- declined holds against defaults and against what an event says
INSERT INTO personalize.purpose_default VALUES ('marketing', 'allowed');
SELECT pg_temp.mask('partly'), pg_temp.mask('choice'), pg_temp.mask('choice', '{analytics,marketing}');
-- all, none, and none of what was allowed before: that is a withdrawal
SELECT personalize.record_choice('choice', '{marketing,personalization,recommendations,analytics}', 'banner'), pg_temp.mask('choice');
SELECT count(*), min(consent), max(consent) FROM personalize.event WHERE user_key = personalize.user_key('choice');
SELECT personalize.record_choice('choice', '{}', 'banner'), pg_temp.mask('choice');
SELECT count(*), min(consent), max(consent) FROM personalize.event WHERE user_key = personalize.user_key('choice');
SELECT * FROM pg_temp.standing('choice');
-- one that arrives late, one of somebody who was erased, and the same by no choice
SELECT personalize.record_choice('choice', '{marketing}', 'platform', effective_at => '2020-01-01'), pg_temp.mask('choice');
SELECT personalize.record_choice('gone', '{analytics}'), pg_temp.mask('gone');
SELECT count(*) FROM personalize.forget('gone');
SELECT personalize.record_choice('gone', '{}');
SELECT personalize.record_choice('gone', '{analytics}'), pg_temp.mask('gone');
SELECT personalize.record_choice('choice', NULL);
SELECT personalize.record_choice('choice', '{analytics,ads}');
SELECT personalize.record_choice('choice', '{NULL}');
SELECT personalize.record_choice(NULL, '{}');
DELETE FROM personalize.purpose_default;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.record_choice('choice', '{analytics}');
ROLLBACK;
SELECT * FROM differing;

-- reading needs no right on the tables, writing the ledger is for the extension
CREATE ROLE regress_personalize_app;
GRANT personalize_app TO regress_personalize_app;
DROP VIEW differing;
SET ROLE regress_personalize_app;
SELECT personalize.grant_consent(9, ARRAY['analytics']);
SELECT count(*) FROM personalize.consent_of(9) WHERE allowed;
SELECT count(*) FROM personalize.consent_ledger;
RESET ROLE;
DROP ROLE regress_personalize_app;

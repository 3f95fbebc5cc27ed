SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
-- a worker would begin incarnations, too
DO $$ BEGIN
	PERFORM personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
END $$;
RESET client_min_messages;

-- a txid is incarnation << 48 | transaction id; positions are incarnation:xmin:xmax:in progress
CREATE FUNCTION txid(incarnation bigint, xid bigint) RETURNS bigint
	LANGUAGE sql IMMUTABLE RETURN incarnation << 48 | xid;
SELECT xid, personalize_internal._txid_seen(txid(2, xid), '2:100:200:100,150') AS seen
FROM unnest(ARRAY[99, 100, 101, 149, 150, 151, 199, 200, 201]) AS xid ORDER BY xid;

-- what an earlier incarnation wrote is committed, what a later one writes is not seen
SELECT personalize_internal._txid_seen(txid(1, 500), '2:100:200:100,150') AS earlier,
	personalize_internal._txid_seen(txid(3, 5), '2:100:200:100,150') AS later,
	personalize_internal._txid_seen(txid(1, 5), '0:0:0:') AS nothing;

-- whether a position contains another
SELECT o AS outer_position, i AS inner_position, personalize_internal._txid_contains(o, i) AS contains
FROM (VALUES
	(1, '2:100:200:100,150', '2:100:200:100,150'),	-- itself
	(2, '2:150:200:150', '2:100:200:100,150'),		-- one has ended
	(3, '2:100:200:100,150', '2:150:200:150'),
	(4, '2:300:300:', '2:100:200:100,150'),
	(5, '2:100:150:100', '2:100:200:100,150'),		-- cut below what was seen
	(6, '2:100:150:100', '2:100:151:100,150'),		-- nothing seen above
	(7, '2:100:150:', '2:100:152:150'),
	(8, '3:1:1:', '2:100:200:100'),					-- what is earlier is committed
	(9, '2:100:200:', '3:1:1:'),
	(10, '1:1:1:', '0:0:0:'),
	(11, '0:0:0:', '0:0:0:')) AS p (n, o, i)
ORDER BY n;

-- positions that are none
\set VERBOSITY terse
SELECT personalize_internal._txid_seen(1, '');
SELECT personalize_internal._txid_seen(1, '1:2');
SELECT personalize_internal._txid_seen(1, '1:2:3');
SELECT personalize_internal._txid_seen(1, '1:2:3:x');
SELECT personalize_internal._txid_seen(1, '1:2:3:4,');
SELECT personalize_internal._txid_seen(1, '1:2:3:-4');
SELECT personalize_internal._txid_seen(1, '1:2:3:99999999999999999999999');
\set VERBOSITY default

-- an own transaction id is unseen in its own snapshot, before and after it is used
BEGIN;
SELECT personalize_internal._txid_seen(personalize_internal._event_txid(), personalize_internal._txid_snapshot()) AS own;
SELECT personalize_internal._txid_seen(personalize_internal._event_txid(), personalize_internal._txid_snapshot()) AS own;
COMMIT;

-- the same transaction, the same txid, also in a savepoint
BEGIN;
SELECT personalize_internal._event_txid() AS outer_txid \gset
SAVEPOINT s;
SELECT personalize_internal._event_txid() = :outer_txid AS same;
ROLLBACK TO s;
SELECT personalize_internal._event_txid() = :outer_txid AS same,
	personalize_internal._event_txid() & ((1::bigint << 48) - 1) = pg_current_xact_id()::text::bigint AS top_level;
COMMIT;

-- a database that finds itself elsewhere begins the next incarnation, once
SELECT max(incarnation) AS incarnation FROM personalize._incarnation;
UPDATE personalize._incarnation SET system_identifier = 1;
\c -
SELECT personalize_internal._event_txid() >> 48 AS incarnation;
SELECT personalize_internal._event_txid() >> 48 AS incarnation;
\c -
SELECT personalize_internal._event_txid() >> 48 AS incarnation;
UPDATE personalize._incarnation SET database_oid = 1;
\c -
-- a bump that is rolled back is made again
BEGIN;
SELECT personalize_internal._event_txid() >> 48 AS incarnation;
ROLLBACK;
SELECT max(incarnation) AS incarnation FROM personalize._incarnation;
SELECT personalize_internal._event_txid() >> 48 AS incarnation;
SELECT incarnation, system_identifier = (SELECT system_identifier FROM pg_control_system()) AS here
FROM personalize._incarnation ORDER BY incarnation DESC LIMIT 1;

DROP FUNCTION txid;
-- internals are nobody's, but for those that belong to a type and those that policies call
SELECT p.proname FROM pg_proc p
	WHERE p.pronamespace = 'personalize_internal'::regnamespace
		AND has_function_privilege('public', p.oid, 'execute')
		AND NOT EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = 'personalize'::regnamespace
			AND (t.oid = p.prorettype OR t.oid = ANY (p.proargtypes) OR p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend)))
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass
			AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid)
		AND p.proname NOT IN ('_closed', '_purpose_bits')
	ORDER BY 1;

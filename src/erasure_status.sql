-- erasure_status: how far erasures have got, and how to get them further.

-- What tells of one person: the planner keeps no statistics about it, or values
-- would stay in pg_statistic when their person is gone.
CREATE FUNCTION personalize._person_columns(OUT of_table name, OUT of_column name) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 50
BEGIN ATOMIC
	SELECT t.of_table, c.of_column
	FROM (VALUES
		('event', '{user_key,item_key,session_key,request_key,message_key,value,properties}'::name[]),
		('rejected_event', '{user_key,reason,payload}'),
		('message_seen', '{message}'),
		('_dictionary_log', '{key,id}'),
		('subject', '{user_key,user_id}'),
		('consent_ledger', '{user_key,evidence_digest}'),
		('profile', '{user_key,recent,features}'),
		('preference', '{user_key,value,value_key}'),
		('session', '{user_key,session_key,items}'),
		('posting', '{item_key,data}'),
		('item_stat', '{item_key,amount}'),
		('_basket', '{item_key,basket,user_key}'),
		('_popular', '{items,scores}'),
		('feature_value', '{value_key,value}'),
		('item', '{item_key,item_id}'),
		('_tombstone', '{pseudonym}'),
		('erasure', '{pseudonym}'),
		('_erasure_candidate', '{key}')) AS t (of_table, columns),
		LATERAL pg_catalog.unnest(t.columns) AS c (of_column);
END;
COMMENT ON FUNCTION personalize._person_columns() IS
	'columns with data of people, about which the planner keeps no statistics';
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM personalize._person_columns() LOOP
		EXECUTE pg_catalog.format('ALTER TABLE personalize.%I ALTER COLUMN %I SET STATISTICS 0', c.of_table, c.of_column);
	END LOOP;
END
$$;

CREATE FUNCTION personalize.erasure_status(
	receipt uuid,
	OUT stage text, OUT done boolean, OUT since timestamptz, OUT detail text, OUT blockers text[], OUT fix text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_erasure_status' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 7 COST 1000;
COMMENT ON FUNCTION personalize.erasure_status(uuid) IS
	'how far an erasure has got, one row a stage: logical, dictionary, vacuumed, statistics, replicas, wal, backups; whether it is done, since when (NULL: not done, or nobody has written it down), what or who is in the way, and what to do. Error 42704 for an unknown receipt';

CREATE FUNCTION personalize.scrub_erased(
	files boolean DEFAULT true,
	OUT step text, OUT done boolean, OUT detail text, OUT fix text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_scrub_erased' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 2 COST 100000;
COMMENT ON FUNCTION personalize.scrub_erased(boolean) IS
	'does for all erasures what can be done: deletes values and items that only the erased had, and has a background process vacuum and analyze the tables and overwrite their free space when this transaction has ended (files false: not that). Processing waits while it decides, ingestion does not. Refused in a transaction that has written events and above READ COMMITTED';

REVOKE ALL ON FUNCTION personalize._person_columns(), personalize.erasure_status(uuid), personalize.scrub_erased(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize._person_columns() TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize.erasure_status(uuid), personalize.scrub_erased(boolean) TO personalize_admin;

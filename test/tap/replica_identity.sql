-- Every table has what publications need to tell its rows apart.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
RESET client_min_messages;
SELECT personalize_internal._make_partitions_ahead(2) \g /dev/null
-- a day of history and one of today, made by whoever writes into them
SELECT count(*) FROM personalize.import_events('{ada}', '{view_item}', '{shoe}', '{2020-02-03 04:05+00}', consents => '{analytics}') \g /dev/null

SELECT plan(4);
-- the whole row, or a unique index that is valid, whole, immediate, without nulls and without generated columns
CREATE TEMP VIEW usable AS
	SELECT c.oid, c.relname AS name, c.relispartition AS partition, c.relreplident = 'f' OR EXISTS (
		SELECT FROM pg_index i
		WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END
			AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
			AND NOT EXISTS (
				SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
					AND (NOT a.attnotnull OR a.attgenerated <> ''))) AS ok
	FROM pg_class c
	WHERE c.relkind IN ('r', 'p') AND (c.relnamespace = 'personalize'::regnamespace
		OR c.oid IN (SELECT relid FROM pg_partition_tree('personalize.event')));
SELECT is_empty('SELECT name FROM usable WHERE NOT ok ORDER BY 1', 'every table has a replica identity');
SELECT cmp_ok((SELECT count(*)::integer FROM usable WHERE partition), '>=', 4, 'partitions too');
SELECT is_empty($$SELECT name FROM usable u JOIN pg_class c USING (oid)
	WHERE relreplident = 'f' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)$$,
	'where there is a primary key, updates write no more than it into the WAL');
SELECT is_empty($$SELECT name FROM usable WHERE NOT partition AND name NOT IN (SELECT name FROM personalize._person_table UNION ALL SELECT name FROM personalize._impersonal_table)$$,
	'of each table it is known whether it has data of people');
SELECT * FROM finish();

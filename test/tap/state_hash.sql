-- Every table is hashed or exempt by name.
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
RESET client_min_messages;

SELECT plan(6);
SELECT is_empty($$
	SELECT c.relname FROM pg_class c
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	EXCEPT SELECT table_name FROM personalize_internal._state_tables()$$,
	'every table of the schema is hashed or exempt: register it (src/people/person_store.h)');
SELECT is_empty($$
	SELECT table_name FROM personalize_internal._state_tables()
	EXCEPT SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace$$,
	'and each of those exists');
SELECT is_empty($$
	SELECT table_name FROM personalize_internal._state_tables() GROUP BY table_name HAVING count(*) > 1$$,
	'none is there twice');
SELECT is_empty($$
	SELECT table_name FROM personalize_internal._state_tables()
	WHERE exempt_because IS NULL AND octet_length(personalize.state_hash(table_name)) IS DISTINCT FROM 32$$,
	'each that is not exempt has a hash');
SELECT throws_ok($$SELECT personalize.state_hash('nothing')$$, '42P01', NULL, 'an unknown table is an error');

CREATE ROLE state_hash_reader;
GRANT personalize_analyst, personalize_app TO state_hash_reader;
SET ROLE state_hash_reader;
SELECT throws_ok($$SELECT personalize.state_hash('subject')$$, '42501', NULL, 'only personalize_admin may compare states');
RESET ROLE;
DROP ROLE state_hash_reader;
SELECT * FROM finish();

SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set SHOW_CONTEXT never
-- a schema that others can write to is not installed into
SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;
CREATE ROLE regress_personalize_stranger;
DROP SCHEMA personalize;
RESET client_min_messages;
CREATE SCHEMA personalize AUTHORIZATION regress_personalize_stranger;
CREATE EXTENSION personalize;
ALTER SCHEMA personalize OWNER TO CURRENT_USER;
CREATE TABLE personalize.event_p20300101 ();
ALTER TABLE personalize.event_p20300101 OWNER TO regress_personalize_stranger;
CREATE EXTENSION personalize;
DROP TABLE personalize.event_p20300101;
GRANT CREATE ON SCHEMA personalize TO PUBLIC;
CREATE EXTENSION personalize;
REVOKE CREATE ON SCHEMA personalize FROM PUBLIC;
-- nor into one in which somebody has left something, of whatever kind
CREATE FUNCTION pg_temp.refusal(planted text) RETURNS text LANGUAGE plpgsql SET client_min_messages = error SET personalize.allow_drop = on AS $$
DECLARE
	refusal text;
BEGIN
	DROP SCHEMA personalize CASCADE;
	CREATE SCHEMA personalize;
	GRANT CREATE, USAGE ON SCHEMA personalize TO regress_personalize_stranger;
	SET LOCAL ROLE regress_personalize_stranger;
	EXECUTE planted;
	RESET ROLE;
	REVOKE ALL ON SCHEMA personalize FROM regress_personalize_stranger;
	CREATE EXTENSION personalize;
	RETURN 'created';
EXCEPTION WHEN duplicate_schema THEN
	GET STACKED DIAGNOSTICS refusal = PG_EXCEPTION_DETAIL;
	RETURN refusal;
END
$$;
SELECT pg_temp.refusal(p) FROM unnest(ARRAY[
	$$CREATE TABLE personalize.event_p20300101 ()$$,
	$$CREATE FUNCTION personalize.user_key(text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'$$,
	$$CREATE OPERATOR personalize.= (FUNCTION = int4eq, LEFTARG = integer, RIGHTARG = integer)$$,
	$$CREATE AGGREGATE personalize.sum(integer) (SFUNC = int4pl, STYPE = integer)$$,
	$$CREATE PROCEDURE personalize.pass() LANGUAGE sql AS 'SELECT 1'$$,
	$$CREATE TYPE personalize.entity_id AS (id text); CREATE CAST (personalize.entity_id AS text) WITH INOUT AS IMPLICIT$$,
	$$CREATE TYPE personalize.kind AS ENUM ('a')$$,
	$$CREATE TYPE personalize.span AS RANGE (subtype = integer)$$,
	$$CREATE DOMAIN personalize.amount AS integer$$,
	$$CREATE VIEW personalize.seen AS SELECT 1 AS a$$,
	$$CREATE MATERIALIZED VIEW personalize.seen AS SELECT 1 AS a$$,
	$$CREATE SEQUENCE personalize.number$$,
	$$CREATE COLLATION personalize.plain FROM "C"$$,
	$$CREATE CONVERSION personalize.letters FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8$$,
	$$CREATE TEXT SEARCH DICTIONARY personalize.word (TEMPLATE = simple)$$,
	$$CREATE TEXT SEARCH CONFIGURATION personalize.words (COPY = simple)$$]) WITH ORDINALITY AS l (p, n) ORDER BY n;
-- what a superuser has put there may stay, and many objects are counted
SET client_min_messages = warning;
SELECT pg_temp.refusal('SELECT 1');
DROP EXTENSION personalize;
SELECT pg_temp.refusal(string_agg(format('CREATE SEQUENCE personalize.s%s', n), ';')) FROM generate_series(10, 25) n;
DROP SCHEMA personalize CASCADE;
CREATE SCHEMA personalize;
-- nor where strangers may become the owner
GRANT personalize_owner TO regress_personalize_stranger;
CREATE EXTENSION personalize;
REVOKE personalize_owner FROM regress_personalize_stranger;
CREATE EXTENSION personalize;
DROP ROLE regress_personalize_stranger;

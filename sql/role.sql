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
-- nor where strangers may become the owner
GRANT personalize_owner TO regress_personalize_stranger;
CREATE EXTENSION personalize;
REVOKE personalize_owner FROM regress_personalize_stranger;
CREATE EXTENSION personalize;
DROP ROLE regress_personalize_stranger;

-- keys are those of the UTF-8 bytes in a database of any encoding
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_personalize_latin1;
DROP DATABASE IF EXISTS regress_personalize_ascii;
CREATE DATABASE regress_personalize_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_personalize_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize;
\set database :DBNAME
SELECT personalize.user_key('ä'), personalize.user_key('ä') = personalize.user_key(E' ä\n') AS blanks;
SELECT personalize.track('ä', 'view_item', message_id => 'ä', consent => '{analytics}');
SELECT message FROM personalize.message_seen;

\c regress_personalize_latin1
SET client_encoding = 'UTF8';
SET client_min_messages = warning; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT personalize.user_key('ä'), personalize.user_key('ä') = personalize.user_key(E' ä\n') AS blanks;
SELECT personalize.track('ä', 'view_item', message_id => 'ä', consent => '{analytics}');
SELECT message FROM personalize.message_seen;

-- an escape that the encoding has no character for, or that nothing converts, is the fault of its message alone
SELECT accepted, rejected FROM personalize.track_many('[{"user_id": "ok", "event": "view_item", "consent": ["analytics"]}, {"user_id": "\u0436", "event": "view_item", "consent": ["analytics"]},
	{"user_id": "ok", "event": "view_item", "properties": {"a": "\u0436"}, "consent": ["analytics"]}]');

-- blanks of the encoding's own, and composed as in UTF-8 where the bytes are that
SELECT personalize.user_key('ä') = personalize.user_key(chr(160) || 'ä') AS blanks;
-- bytes that are no UTF-8 are an id like any other where the database asks for none
\c regress_personalize_ascii
SET client_min_messages = warning; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT personalize.user_key('ä'), personalize.user_key('ä') = personalize.user_key(E' ä\n') AS blanks;
SELECT accepted, rejected FROM personalize.ingest(ARRAY['ä', E'\xe4'], '{view_item,view_item}', message_ids => ARRAY['ä', E'\xe4'],
	consents => '{analytics,analytics}');
SELECT personalize.user_key('ä') = personalize.user_key(E'\xc2\xa0a\xcc\x88') AS composed, personalize.user_key(E'\xe4') = personalize.user_key(E' \xe4 ') AS blanks;
SELECT count(DISTINCT user_key), bool_or(user_key = personalize.user_key('ä')) AS same FROM personalize.event;
SELECT message FROM personalize.message_seen ORDER BY message;
-- an escape that the encoding has no character for, or that nothing converts, is the fault of its message alone
SELECT accepted, rejected FROM personalize.track_many('[{"user_id": "ok", "event": "view_item", "consent": ["analytics"]}, {"user_id": "\u0436", "event": "view_item", "consent": ["analytics"]},
	{"user_id": "ok", "event": "view_item", "properties": {"a": "\u0436"}, "consent": ["analytics"]}]');

\c :database
SET client_min_messages = warning;
DROP DATABASE regress_personalize_latin1;
DROP DATABASE regress_personalize_ascii;

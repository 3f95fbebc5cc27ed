-- event_json: the JSON that applications send, of which one piece may be bad.
CREATE TYPE personalize.event_json;
CREATE FUNCTION personalize_internal._event_json_in(cstring) RETURNS personalize.event_json
	AS 'textin' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_json_out(personalize.event_json) RETURNS cstring
	AS 'MODULE_PATHNAME', 'personalize_event_json_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_json_recv(internal) RETURNS personalize.event_json
	AS 'MODULE_PATHNAME', 'personalize_event_json_recv' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_json_send(personalize.event_json) RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_event_json_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE TYPE personalize.event_json (
	INPUT = personalize_internal._event_json_in,
	OUTPUT = personalize_internal._event_json_out,
	RECEIVE = personalize_internal._event_json_recv,
	SEND = personalize_internal._event_json_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended,
	CATEGORY = 'U'
);
COMMENT ON TYPE personalize.event_json IS
	'JSON as an application sends it; jsonb, json, text and varchar cast to it implicitly. Of an event, a text that is no JSON is kept, for the message to be rejected by; elsewhere it is an error';

CREATE FUNCTION personalize_internal._event_json(jsonb) RETURNS personalize.event_json
	AS 'MODULE_PATHNAME', 'personalize_event_json_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (jsonb AS personalize.event_json) WITH FUNCTION personalize_internal._event_json(jsonb) AS IMPLICIT;
CREATE CAST (json AS personalize.event_json) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS personalize.event_json) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (varchar AS personalize.event_json) WITHOUT FUNCTION AS IMPLICIT;

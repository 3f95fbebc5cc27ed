-- path_filter: a jsonpath predicate as an argument, from whatever type a driver gives it.
CREATE TYPE personalize.path_filter;
CREATE FUNCTION personalize_internal._path_filter_in(cstring) RETURNS personalize.path_filter
	AS 'MODULE_PATHNAME', 'personalize_path_filter_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._path_filter_out(personalize.path_filter) RETURNS cstring
	AS 'textout' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._path_filter_recv(internal) RETURNS personalize.path_filter
	AS 'textrecv' LANGUAGE internal STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._path_filter_send(personalize.path_filter) RETURNS bytea
	AS 'textsend' LANGUAGE internal STABLE STRICT PARALLEL SAFE;
CREATE TYPE personalize.path_filter (
	INPUT = personalize_internal._path_filter_in,
	OUTPUT = personalize_internal._path_filter_out,
	RECEIVE = personalize_internal._path_filter_recv,
	SEND = personalize_internal._path_filter_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended,
	-- a text chooses it before an id
	CATEGORY = 'S',
	PREFERRED = true
);
COMMENT ON TYPE personalize.path_filter IS
	'a jsonpath predicate over a catalogue row or an event''s properties; text, varchar and jsonpath cast to it implicitly';

CREATE FUNCTION personalize_internal._path_filter(jsonpath) RETURNS personalize.path_filter
	AS 'MODULE_PATHNAME', 'personalize_path_filter_from_jsonpath' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (jsonpath AS personalize.path_filter) WITH FUNCTION personalize_internal._path_filter(jsonpath) AS IMPLICIT;
CREATE CAST (text AS personalize.path_filter) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (varchar AS personalize.path_filter) WITHOUT FUNCTION AS IMPLICIT;

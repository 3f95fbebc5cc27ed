-- event_time: the times that applications send, read alike in every session.
CREATE TYPE personalize.event_time;
CREATE FUNCTION personalize_internal._event_time_in(cstring) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time_out(personalize.event_time) RETURNS cstring
	AS 'MODULE_PATHNAME', 'personalize_event_time_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time_recv(internal) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_recv' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time_send(personalize.event_time) RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_event_time_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE TYPE personalize.event_time (
	INPUT = personalize_internal._event_time_in,
	OUTPUT = personalize_internal._event_time_out,
	RECEIVE = personalize_internal._event_time_recv,
	SEND = personalize_internal._event_time_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended,
	CATEGORY = 'U'
);
COMMENT ON TYPE personalize.event_time IS
	'a time as an application sends it: ISO 8601, without a zone in UTC, or unix seconds or milliseconds, whatever DateStyle and TimeZone are; timestamptz, timestamp (as UTC), date, text and numbers cast to it implicitly. What cannot be read is kept as text, for the message to be rejected by';

CREATE FUNCTION personalize_internal._event_time(text) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time(timestamptz) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time(timestamp) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time(date) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time(integer) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time(bigint) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_int8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time(double precision) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._event_time(numeric) RETURNS personalize.event_time
	AS 'MODULE_PATHNAME', 'personalize_event_time_from_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._timestamptz(personalize.event_time) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'personalize_event_time_to_timestamptz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST (text AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(text) AS IMPLICIT;
CREATE CAST (varchar AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(text) AS IMPLICIT;
CREATE CAST (timestamptz AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(timestamptz) AS IMPLICIT;
CREATE CAST (timestamp AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(timestamp) AS IMPLICIT;
CREATE CAST (date AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(date) AS IMPLICIT;
CREATE CAST (integer AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(integer) AS IMPLICIT;
CREATE CAST (bigint AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(bigint) AS IMPLICIT;
CREATE CAST (double precision AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(double precision) AS IMPLICIT;
CREATE CAST (numeric AS personalize.event_time) WITH FUNCTION personalize_internal._event_time(numeric) AS IMPLICIT;
CREATE CAST (personalize.event_time AS timestamptz) WITH FUNCTION personalize_internal._timestamptz(personalize.event_time) AS IMPLICIT;

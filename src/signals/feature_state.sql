
-- feature_state: the packed profile type.
CREATE TYPE personalize.feature_state;
CREATE FUNCTION personalize_internal._feature_state_in(cstring) RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_feature_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_out(personalize.feature_state) RETURNS cstring
	AS 'MODULE_PATHNAME', 'personalize_feature_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_recv(internal) RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_feature_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_send(personalize.feature_state) RETURNS bytea
	AS 'MODULE_PATHNAME', 'personalize_feature_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE personalize.feature_state (
	INPUT = personalize_internal._feature_state_in,
	OUTPUT = personalize_internal._feature_state_out,
	RECEIVE = personalize_internal._feature_state_recv,
	SEND = personalize_internal._feature_state_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = main
);
COMMENT ON TYPE personalize.feature_state IS
	'what one person did, by feature and pane of time: up to 512 features, each a signal and a 48-bit value key, with panes of 5 minutes, hours and days. Text form: {"newest": time, "evicted": n, "features": [{"signal": n, "value": n, "last": time, "panes": [[grain, start, count, sum], ...]}, ...]}, times in UTC; a pane that keeps some of its events'' numbers ends in {"min": n, "max": n, "first": [time, n], "last": [time, n]}';

CREATE FUNCTION personalize_internal._feature_state_to_jsonb(personalize.feature_state) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_feature_state_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_from_jsonb(jsonb) RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_feature_state_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (personalize.feature_state AS jsonb) WITH FUNCTION personalize_internal._feature_state_to_jsonb(personalize.feature_state);
CREATE CAST (jsonb AS personalize.feature_state) WITH FUNCTION personalize_internal._feature_state_from_jsonb(jsonb);

CREATE FUNCTION personalize_internal._feature_state_apply(
		state personalize.feature_state, keys bigint[], times timestamptz[], counts bigint[], sums bigint[],
		fine integer DEFAULT 0, ages interval[] DEFAULT '{2 hours,8 days,90 days}', keeps integer DEFAULT 0)
	RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_feature_state_apply' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION personalize_internal._feature_state_apply(personalize.feature_state, bigint[], timestamptz[], bigint[], bigint[], integer, interval[], integer) IS
	'a state (NULL: an empty one) with events in it: per event a feature key (signal << 48 | value key), a time, a count and a sum in millionths. New panes are 5 minutes (fine 0), an hour (1) or a day (2) wide; ages, before the newest event: when 5 minutes become hours, hours days, and when days are dropped. keeps: what panes keep of the sums of single events, the sum of 1 (the smallest), 2 (the largest), 4 (the first) and 8 (the last), and 16 (the different values of a signal)';

CREATE FUNCTION personalize.feature_state_merge(personalize.feature_state, personalize.feature_state)
	RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_feature_state_merge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION personalize.feature_state_merge(personalize.feature_state, personalize.feature_state) IS
	'both states in one: counts and sums are added pane by pane. Commutative and associative while no more than 512 features come together; else the ones seen last remain and "evicted" counts the rest. Error 22003 if a count or sum overflows';
CREATE FUNCTION personalize.feature_state_subtract(personalize.feature_state, personalize.feature_state)
	RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_feature_state_subtract' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION personalize.feature_state_subtract(personalize.feature_state, personalize.feature_state) IS
	'the left state without the right one. Errors: 22000 it is not contained in it; 0A000 a part is taken of a pane that keeps its smallest, largest, first or last number';
CREATE OPERATOR personalize.+ (
	FUNCTION = personalize.feature_state_merge,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state,
	COMMUTATOR = OPERATOR(personalize.+)
);
COMMENT ON OPERATOR personalize.+ (personalize.feature_state, personalize.feature_state) IS 'both states in one';
CREATE OPERATOR personalize.- (
	FUNCTION = personalize.feature_state_subtract,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state
);
COMMENT ON OPERATOR personalize.- (personalize.feature_state, personalize.feature_state) IS
	'the left state without the right one';
CREATE AGGREGATE personalize.feature_state_merge(personalize.feature_state) (
	SFUNC = personalize.feature_state_merge,
	STYPE = personalize.feature_state,
	COMBINEFUNC = personalize.feature_state_merge,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE personalize.feature_state_merge(personalize.feature_state) IS
	'all states in one; NULL for none. Errors: 22003 overflow';

CREATE FUNCTION personalize_internal._feature_state_distinct(
	state personalize.feature_state, signal integer, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
	OUT different bigint, OUT relative_error double precision)
	AS 'MODULE_PATHNAME', 'personalize_feature_state_distinct' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION personalize_internal._feature_state_distinct(personalize.feature_state, integer, timestamptz, timestamptz) IS
	'how many different values a signal that keeps distinct has over (since, until] at pane grain; relative_error: the standard error of an estimate, NULL if the number is exact; both NULL if it keeps none';

CREATE FUNCTION personalize_internal._feature_state_cmp(personalize.feature_state, personalize.feature_state) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_feature_state_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_eq(personalize.feature_state, personalize.feature_state) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_feature_state_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_ne(personalize.feature_state, personalize.feature_state) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_feature_state_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_lt(personalize.feature_state, personalize.feature_state) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_feature_state_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_le(personalize.feature_state, personalize.feature_state) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_feature_state_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_gt(personalize.feature_state, personalize.feature_state) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_feature_state_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_ge(personalize.feature_state, personalize.feature_state) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_feature_state_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION personalize_internal._feature_state_hash(personalize.feature_state) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_feature_state_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;

CREATE OPERATOR personalize.= (
	FUNCTION = personalize_internal._feature_state_eq,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state,
	COMMUTATOR = OPERATOR(personalize.=), NEGATOR = OPERATOR(personalize.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR personalize.<> (
	FUNCTION = personalize_internal._feature_state_ne,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state,
	COMMUTATOR = OPERATOR(personalize.<>), NEGATOR = OPERATOR(personalize.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR personalize.< (
	FUNCTION = personalize_internal._feature_state_lt,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state,
	COMMUTATOR = OPERATOR(personalize.>), NEGATOR = OPERATOR(personalize.>=),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR personalize.<= (
	FUNCTION = personalize_internal._feature_state_le,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state,
	COMMUTATOR = OPERATOR(personalize.>=), NEGATOR = OPERATOR(personalize.>),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR personalize.> (
	FUNCTION = personalize_internal._feature_state_gt,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state,
	COMMUTATOR = OPERATOR(personalize.<), NEGATOR = OPERATOR(personalize.<=),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR personalize.>= (
	FUNCTION = personalize_internal._feature_state_ge,
	LEFTARG = personalize.feature_state, RIGHTARG = personalize.feature_state,
	COMMUTATOR = OPERATOR(personalize.<=), NEGATOR = OPERATOR(personalize.<),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR personalize.= (personalize.feature_state, personalize.feature_state) IS
	'equal: the same panes with the same counts and sums; each state has one encoding only';
CREATE OPERATOR CLASS personalize.feature_state_ops DEFAULT FOR TYPE personalize.feature_state USING btree AS
	OPERATOR 1 personalize.<, OPERATOR 2 personalize.<=, OPERATOR 3 personalize.=,
	OPERATOR 4 personalize.>=, OPERATOR 5 personalize.>,
	FUNCTION 1 personalize_internal._feature_state_cmp(personalize.feature_state, personalize.feature_state);
CREATE OPERATOR CLASS personalize.feature_state_hash_ops DEFAULT FOR TYPE personalize.feature_state USING hash AS
	OPERATOR 1 personalize.=,
	FUNCTION 1 personalize_internal._feature_state_hash(personalize.feature_state);

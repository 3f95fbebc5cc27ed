-- view_try: conditions on views, tried on a sample of what the view shows.
CREATE FUNCTION personalize_internal._tried_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_tried_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._tried_support(internal) FROM PUBLIC;
-- it tells no more than its argument does
CREATE FUNCTION personalize_internal._tried(condition boolean, share float8) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_tried' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE COST 0.01
	SUPPORT personalize_internal._tried_support;
COMMENT ON FUNCTION personalize_internal._tried(boolean, float8) IS
	'the condition, which the planner believes to hold for this share of rows';
REVOKE ALL ON FUNCTION personalize_internal._tried(boolean, float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._tried(boolean, float8) TO personalize_analyst, personalize_admin;

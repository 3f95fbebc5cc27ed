-- logged: what was shown to people and what came of it.
CREATE FUNCTION personalize_internal._logged_searches(since timestamptz, until timestamptz, requests integer)
	RETURNS TABLE (user_key bigint, at timestamptz, query text, items bigint[], clicked bigint[])
	AS 'MODULE_PATHNAME', 'personalize_logged_searches' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._logged_searches(timestamptz, timestamptz, integer) IS
	'so many pages of search results of that time, drawn by a hash: when they were shown, the query, the items in their order, and those of them that something came of';
CREATE FUNCTION personalize_internal._logged_impressions(engine text, since timestamptz, until timestamptz, requests integer, metric jsonb)
	RETURNS TABLE (user_key bigint, request_key bigint, at timestamptz, request_origin bigint, query text, item_key bigint, slot smallint, reward double precision)
	AS 'MODULE_PATHNAME', 'personalize_logged_impressions' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._logged_impressions(text, timestamptz, timestamptz, integer, jsonb) IS
	'the items of so many answers of an engine that were shown in that time, drawn by a hash, with what came of each by a metric (_read_metric), credited to it within the window of the metric';
REVOKE ALL ON FUNCTION personalize_internal._logged_searches(timestamptz, timestamptz, integer),
	personalize_internal._logged_impressions(text, timestamptz, timestamptz, integer, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._logged_searches(timestamptz, timestamptz, integer),
	personalize_internal._logged_impressions(text, timestamptz, timestamptz, integer, jsonb) TO personalize_admin;

-- logged: what was shown to people and what came of it.
CREATE FUNCTION personalize_internal._logged_searches(since timestamptz, until timestamptz, requests integer)
	RETURNS TABLE (user_key bigint, at timestamptz, query text, items bigint[], scores real[], clicked bigint[])
	AS 'MODULE_PATHNAME', 'personalize_logged_searches' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._logged_searches(timestamptz, timestamptz, integer) IS
	'so many pages of search results of that time, drawn by a hash: when they were shown, the query, the items in their order, and those of them that something came of';
CREATE FUNCTION personalize_internal._logged_impressions(engine text, since timestamptz, until timestamptz, requests integer, metric jsonb)
	RETURNS TABLE (user_key bigint, request_key bigint, at timestamptz, request_origin bigint, query text, item_key bigint, slot smallint, score real, reward double precision)
	AS 'MODULE_PATHNAME', 'personalize_logged_impressions' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._logged_impressions(text, timestamptz, timestamptz, integer, jsonb) IS
	'the items of so many answers of an engine that were shown in that time, drawn by a hash, with what came of each by a metric (_read_metric), credited to it within the window of the metric';
CREATE FUNCTION personalize_internal._logged_request(user_id personalize.entity_id, request_id text)
	RETURNS TABLE (item_key bigint, slot smallint, score real, at timestamptz, request_origin bigint, query text, events_gone boolean, allowed boolean, rules_changed boolean)
	AS 'MODULE_PATHNAME', 'personalize_logged_request' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._logged_request(personalize.entity_id, text) IS
	'the items of an answer that were shown to a person, since when; whether raw events of then may be gone, the person allows recommendations now, and rules have been made since';
CREATE FUNCTION personalize_internal._origin_of(request_origin bigint, OUT variant integer, OUT module integer, OUT place_bucket integer, OUT propensity double precision)
	AS 'MODULE_PATHNAME', 'personalize_origin_of' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._origin_of(bigint) IS 'what request_origin() says, of exposure.request_origin';
CREATE FUNCTION personalize_internal._variant_name(engine text, number integer) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE number WHEN 0 THEN 'shipped' ELSE (SELECT v.name FROM personalize.engine_variant AS v WHERE v.engine = $1 AND v.id = $2 AND v.retired_at IS NULL) END;
END;
COMMENT ON FUNCTION personalize_internal._variant_name(text, integer) IS 'the variant of an engine with this number; NULL: there is none, or it is retired';
CREATE FUNCTION personalize_internal._logged_policies(engine text, user_key bigint, at timestamptz, request_origin bigint)
	RETURNS TABLE (variant text, chance double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT CASE WHEN count(*) OVER () = count(n.name) OVER () THEN n.name END, v.share
		FROM personalize.experiment e JOIN personalize.experiment_variant v ON v.experiment = e.name,
			LATERAL (SELECT personalize_internal._variant_name(e.engine, v.variant_id) AS name) AS n
		WHERE e.engine = _logged_policies.engine AND e.runs @> at
			AND personalize_internal._experiment_arm(e.name, _logged_policies.user_key, _logged_policies.request_origin, at) >= 0;
	IF NOT FOUND THEN
		RETURN QUERY SELECT personalize_internal._variant_name(_logged_policies.engine, o.variant), 1::float8 FROM personalize_internal._origin_of(_logged_policies.request_origin) o;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._logged_policies(text, bigint, timestamptz, bigint) IS
	'the variants that might have answered a person then, with the chance of each: those of the experiment the answer was part of, else the one it was made by (NULL: one of them is retired)';
REVOKE ALL ON FUNCTION personalize_internal._logged_request(personalize.entity_id, text), personalize_internal._origin_of(bigint), personalize_internal._variant_name(text, integer), personalize_internal._logged_policies(text, bigint, timestamptz, bigint),
	personalize_internal._logged_searches(timestamptz, timestamptz, integer),
	personalize_internal._logged_impressions(text, timestamptz, timestamptz, integer, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._logged_request(personalize.entity_id, text), personalize_internal._origin_of(bigint), personalize_internal._variant_name(text, integer), personalize_internal._logged_policies(text, bigint, timestamptz, bigint),
	personalize_internal._logged_searches(timestamptz, timestamptz, integer),
	personalize_internal._logged_impressions(text, timestamptz, timestamptz, integer, jsonb) TO personalize_admin;

-- question: an engine is asked again what it was asked then.
CREATE FUNCTION personalize_internal._person_id(user_key bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_person_id' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._person_id(bigint) IS 'the id behind the key of a person; NULL: it is not known';

CREATE FUNCTION personalize_internal._evaluation_progress(replays boolean, total bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_evaluation_progress' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._evaluation_progress(boolean, bigint) IS
	'tells stat_progress how many answers a replay, or evaluate_policy(), takes; without a total, that one more is there';

CREATE FUNCTION personalize_internal._evaluated_variant(engine text, variant text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text := coalesce(variant, (SELECT v.name FROM personalize.engine_variant v WHERE v.engine = _evaluated_variant.engine AND v.is_default), 'shipped');
BEGIN
	PERFORM personalize_internal._find_variant(engine, name);
	RETURN name;
END
$$;
COMMENT ON FUNCTION personalize_internal._evaluated_variant(text, text) IS
	'the variant that is evaluated: the default of the engine if it is NULL. Errors: 22004 engine is null, 42704 unknown engine or variant, 55000 the variant is retired';

CREATE FUNCTION personalize_internal._check_span(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF NOT isfinite(since) OR NOT isfinite(until) THEN
		RAISE EXCEPTION 'since and until must be finite' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Leave since out for the last 14 days, and until for now.';
	ELSIF since >= until THEN
		RAISE EXCEPTION 'since "%" is not before until "%"', since, until USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_span(timestamptz, timestamptz) IS 'error 22023 unless there is time between the two';

CREATE FUNCTION personalize_internal._check_number(what text, given double precision, minimum double precision, maximum double precision) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF given NOT BETWEEN minimum AND maximum THEN
		RAISE EXCEPTION '% "%" is not between % and %', what, given, minimum, maximum USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_number(text, double precision, double precision, double precision) IS 'error 22023 unless a number is in its range';

CREATE FUNCTION personalize_internal._ask_again(engine text, variant text, user_id text, at timestamptz, n integer,
	seen bigint[], query text, candidates bigint[], scores real[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	person personalize.entity_id := user_id;
	items personalize.entity_id[];
	given double precision[];
BEGIN
	-- as training has it: what has no score is as good as the others on average, and one says nothing
	SELECT coalesce(array_agg(c.id ORDER BY c.no), '{}'), CASE WHEN count(c.score) > 1 THEN array_agg(coalesce(c.score, c.mean) ORDER BY c.no) END INTO items, given
		FROM (SELECT coalesce(i.item_id, k.key::text) AS id, k.score, avg(k.score) OVER () AS mean, k.no
			FROM (SELECT u.key, nullif(u.score, 'NaN')::double precision AS score, u.no
				FROM ROWS FROM (unnest(CASE engine WHEN 'rank_search' THEN candidates ELSE seen END), unnest(scores)) WITH ORDINALITY AS u (key, score, no)) AS k
				LEFT JOIN personalize.item AS i ON i.item_key = k.key
			WHERE i.item_id IS NOT NULL OR k.key >= 0) AS c;
	RETURN CASE engine
		WHEN 'recommend' THEN ARRAY(SELECT r.item_key FROM personalize.recommend(person, n, as_of => at, variant => _ask_again.variant) r ORDER BY r.rank)
		WHEN 'similar_items' THEN ARRAY(SELECT r.item_key FROM personalize.similar_items(items[1], n, as_of => at, variant => _ask_again.variant) r
			WHERE items[1] IS NOT NULL ORDER BY r.rank)
		WHEN 'trending' THEN ARRAY(SELECT r.item_key FROM personalize.trending(n, as_of => at, variant => _ask_again.variant) r ORDER BY r.rank)
		WHEN 'bought_together' THEN ARRAY(SELECT r.item_key FROM personalize.bought_together(items, n, as_of => at, variant => _ask_again.variant) r
			WHERE cardinality(items) > 0 ORDER BY r.rank)
		WHEN 'homepage' THEN ARRAY(SELECT r.item_key FROM personalize.homepage(person, as_of => at, variant => _ask_again.variant) r ORDER BY r.shelf, r.rank)
		WHEN 'rank_search' THEN ARRAY(SELECT r.item_key FROM personalize.rank_search(person, _ask_again.query, items, given, as_of => at, variant => _ask_again.variant) r ORDER BY r.rank)
		WHEN 'search_items' THEN ARRAY(SELECT r.item_key FROM personalize.search_items(person, _ask_again.query, n, as_of => at, variant => _ask_again.variant) r ORDER BY r.rank)
	END;
END
$$;
COMMENT ON FUNCTION personalize_internal._ask_again(text, text, text, timestamptz, integer, bigint[], text, bigint[], real[]) IS
	'the items, best first, that an engine answers a person with as of a time, by a variant; seen: what the session has had, newest first, which is what engines without a user_id are asked about; query, candidates and their scores (NaN: not told): of a search; every other argument of the engine is as it is by default';

REVOKE ALL ON FUNCTION personalize_internal._person_id(bigint), personalize_internal._evaluation_progress(boolean, bigint), personalize_internal._evaluated_variant(text, text), personalize_internal._check_span(timestamptz, timestamptz),
	personalize_internal._check_number(text, double precision, double precision, double precision),
	personalize_internal._ask_again(text, text, text, timestamptz, integer, bigint[], text, bigint[], real[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._person_id(bigint), personalize_internal._evaluation_progress(boolean, bigint), personalize_internal._evaluated_variant(text, text), personalize_internal._check_span(timestamptz, timestamptz),
	personalize_internal._check_number(text, double precision, double precision, double precision),
	personalize_internal._ask_again(text, text, text, timestamptz, integer, bigint[], text, bigint[], real[]) TO personalize_admin;

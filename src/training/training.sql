-- training: rankers that are learnt from logged pages, and rows for those who train elsewhere.
CREATE FUNCTION personalize.train_ranker(
	variant text,
	since timestamptz,
	until timestamptz DEFAULT NULL,
	method text DEFAULT 'best',
	engine text DEFAULT 'rank_search',
	penalty double precision DEFAULT 1,
	min_propensity double precision DEFAULT 0.1,
	max_pages integer DEFAULT 20000,
	force boolean DEFAULT false,
	OUT published boolean, OUT version integer, OUT pages integer, OUT held_out integer,
	OUT ndcg_in_force double precision, OUT ndcg_trained double precision, OUT standard_error double precision,
	OUT weights jsonb, OUT learnt_by text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_train_ranker' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 COST 1000000;
COMMENT ON FUNCTION personalize.train_ranker(text, timestamptz, timestamptz, text, text, double precision, double precision, integer, boolean) IS
	'learns how a variant of rank_search or search_items (engine) weighs its features, from pages shown after queries from since to before until (NULL: now) to people who allow analytics, of which something was chosen; of more than max_pages a part is drawn, always the same. method: logistic (each item by itself), pairwise (items of a page against each other), or best: both, of which the one is taken that orders the held out pages better (learnt_by says which). What was chosen counts by how seldom its place is looked at, 1 / max(propensity, min_propensity); penalty is that of squared weights (L2), of features in standard deviations. The newest fifth of the pages (held_out) only judges: if the order by the new weights is not worse there than that of the variant as it answers now, they are the next version of its model (table model) and in use from the end of the transaction on; else nothing changes and a NOTICE says by how much they lose (force: they are published even so, as when the model in force has learnt from somebody who is forgotten). ndcg_*: mean NDCG@10 of these pages, each counting by how seldom the places of what was chosen are looked at, standard_error that of the difference. The same pages give the same weights. stat_progress shows how far it is; models are locked only at the end. Errors: 42704 unknown variant or engine, 22023 since is not before until, a number out of range, an engine that does not rank searches, 22004 a null, 55000 too few pages, the variant is retired, shipped or names a model';

CREATE FUNCTION personalize_internal._ranker_model(variant text, engine text) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_ranker_model' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._ranker_model(text, text) IS
	'the name of the model that train_ranker makes for a variant; errors as there';

CREATE FUNCTION personalize.rollback_ranker(variant text, engine text DEFAULT 'rank_search') RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	model text;
	current integer;
	before integer;
BEGIN
	LOCK TABLE personalize.model IN SHARE ROW EXCLUSIVE MODE;
	model := personalize_internal._ranker_model(rollback_ranker.variant, coalesce(rollback_ranker.engine, 'rank_search'));
	UPDATE personalize.model AS m SET in_use = false, rolled_back = true WHERE m.name = model AND m.in_use
		RETURNING m.version INTO current;
	IF current IS NULL THEN
		RAISE EXCEPTION 'variant "%" has no trained ranker in use', rollback_ranker.variant
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'personalize.train_ranker() makes one.';
	END IF;
	SELECT max(m.version) INTO before FROM personalize.model AS m
		WHERE m.name = model AND m.version < current AND NOT m.rolled_back;
	UPDATE personalize.model AS m SET in_use = true WHERE m.name = model AND m.version = before;
	RETURN before;
END
$$;
COMMENT ON FUNCTION personalize.rollback_ranker(text, text) IS
	'takes the ranker that a variant answers with back: puts the version before it in use that has not been taken back itself, and returns it; NULL: there is none, and the variant answers with its own weights again. use_model() puts any version in use. Errors: 42704 unknown variant or engine, 22023 an engine that does not rank searches, 55000 nothing to take back, the variant is shipped or names a model';

CREATE FUNCTION personalize.export_training_data(
	engine text,
	since timestamptz,
	until timestamptz DEFAULT NULL,
	variant text DEFAULT NULL,
	max_pages integer DEFAULT 20000,
	OUT page bigint, OUT day date, OUT item_id text, OUT item_key bigint, OUT slot smallint, OUT label smallint,
	OUT propensity double precision, OUT features double precision[]) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_export_training_data' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10000 COST 1000000;
COMMENT ON FUNCTION personalize.export_training_data(text, timestamptz, timestamptz, text, integer) IS
	'the items of the pages shown after queries from since to before until (NULL: now) to people who allow analytics, a row each, as train_ranker sees them: page numbers the pages by time and names nobody, day is in UTC, slot the place (NULL: not told), label what followed (0 nothing, 1 clicked, 2 put into a cart, 3 bought), propensity how likely the place is looked at, of the first, features the values that the variant of the engine would have gone by then, named by training_features(engine). Of more than max_pages a part is drawn, always the same. Writes nothing. Errors: 42704 unknown engine or variant, 22023 since is not before until, a number out of range, an engine that does not rank searches, 22004 a null';

CREATE FUNCTION personalize.training_features(engine text)
	RETURNS TABLE (ordinal integer, name text, description text)
	AS 'MODULE_PATHNAME', 'personalize_training_features' LANGUAGE C STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION personalize.training_features(text) IS
	'what the elements of export_training_data.features are, in order: train a model on columns of these names. Errors: 42704 unknown engine, 22023 one that does not rank searches, 22004 a null';

CREATE FUNCTION personalize_internal._health_models(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH learnt AS (
		SELECT m.name, m.version, format('model "%s" version %s%s', m.name, m.version, CASE WHEN m.in_use THEN ', in use' ELSE '' END) AS what, m.forgotten,
			CASE WHEN NOT m.in_use THEN format('SELECT personalize.drop_model(%L, %s);', m.name, m.version)
				WHEN m.training IS NULL THEN format('Export the training data again with personalize.export_training_data(), and import the new model as %L.', m.name)
				ELSE format('SELECT * FROM personalize.train_ranker(%L, now() - interval ''%s days'', method => %L, engine => %L, force => true); SELECT personalize.drop_model(%L, %s);',
					m.training ->> 'variant', ceil(extract(epoch FROM m.until - m.since) / 86400), m.format, m.training ->> 'engine', m.name, m.version) END AS fix
		FROM personalize.model AS m WHERE m.forgotten > 0
		UNION ALL
		-- all rows of examination are of one fit
		SELECT NULL::text AS name, NULL::integer AS version, 'table examination'::text AS what, x.forgotten,
			format('SELECT * FROM personalize.fit_examination(%L%s);', x.model, CASE WHEN isfinite(x.since) THEN to_char(x.since AT TIME ZONE 'UTC', '", "''YYYY-MM-DD"T"HH24:MI:SS.US"Z"''') END) AS fix
		FROM (SELECT e.model, e.since, e.forgotten FROM personalize.examination AS e WHERE e.forgotten > 0 LIMIT 1) AS x
	)
	SELECT 'models', count(*) = 0,
		CASE WHEN count(*) = 0 THEN 'none is known to have learnt from people who are forgotten'
			ELSE string_agg(format('%s: %s', l.what, CASE l.forgotten WHEN 1 THEN 'somebody it may have learnt from was forgotten, or withdrew, since'
				ELSE format('%s people it may have learnt from were forgotten, or withdrew, since', l.forgotten) END), '; ' ORDER BY l.name, l.version) END,
		string_agg(l.fix, ' ' ORDER BY l.name, l.version)
	FROM learnt AS l;
END;
COMMENT ON FUNCTION personalize_internal._health_models() IS 'the row of health() about what models have learnt from, and the examination';

REVOKE ALL ON FUNCTION
	personalize.train_ranker(text, timestamptz, timestamptz, text, text, double precision, double precision, integer, boolean),
	personalize_internal._ranker_model(text, text),
	personalize.rollback_ranker(text, text),
	personalize.export_training_data(text, timestamptz, timestamptz, text, integer),
	personalize.training_features(text),
	personalize_internal._health_models()
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.train_ranker(text, timestamptz, timestamptz, text, text, double precision, double precision, integer, boolean),
	personalize.rollback_ranker(text, text)
	TO personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.export_training_data(text, timestamptz, timestamptz, text, integer),
	personalize.training_features(text)
	TO personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._ranker_model(text, text) TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize_internal._health_models() TO personalize_admin, personalize_monitor;

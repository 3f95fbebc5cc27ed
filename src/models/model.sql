-- model: models that were trained elsewhere, or here.
CREATE TABLE personalize.model (
	name text NOT NULL CHECK (pg_catalog.octet_length(name) BETWEEN 1 AND 96),
	version integer NOT NULL CHECK (version > 0),
	in_use boolean NOT NULL,
	format text NOT NULL CHECK (format IN ('lightgbm', 'xgboost', 'logistic', 'pairwise')),
	features text[],
	trees integer NOT NULL,
	nodes integer NOT NULL,
	content bytea NOT NULL,
	imported_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	imported_by name NOT NULL DEFAULT SESSION_USER,
	since timestamptz,
	until timestamptz,
	forgotten bigint NOT NULL DEFAULT 0,
	training jsonb,
	rolled_back boolean NOT NULL DEFAULT false,
	PRIMARY KEY (name, version)
);
CREATE UNIQUE INDEX model_in_use ON personalize.model (name) WHERE in_use;
ALTER TABLE personalize.model ALTER content SET STORAGE EXTERNAL;
SELECT pg_catalog.pg_extension_config_dump('personalize.model', '');
COMMENT ON TABLE personalize.model IS
	'models, each version once; written by import_model, train_ranker, use_model, rollback_ranker and drop_model';
COMMENT ON COLUMN personalize.model.in_use IS 'the version that the name stands for: at most one of a name';
COMMENT ON COLUMN personalize.model.features IS 'names of the features in the model''s order; NULL: the file has none';
COMMENT ON COLUMN personalize.model.format IS 'of the file it came from, lightgbm or xgboost, or how train_ranker has made it, logistic or pairwise';
COMMENT ON COLUMN personalize.model.trees IS 'how many trees; 0: it is a weighted sum';
COMMENT ON COLUMN personalize.model.nodes IS 'how many splits and leaves';
COMMENT ON COLUMN personalize.model.content IS 'trees or weights, packed';
COMMENT ON COLUMN personalize.model.imported_at IS 'when it was imported or trained';
COMMENT ON COLUMN personalize.model.since IS 'pages shown from then on are what it has learnt from; NULL: not known';
COMMENT ON COLUMN personalize.model.until IS 'and before that';
COMMENT ON COLUMN personalize.model.forgotten IS
	'how many people who may be in these pages were forgotten, or withdrew consent for analytics, since it was made: health() says so while it is in use';
COMMENT ON COLUMN personalize.model.rolled_back IS 'rollback_ranker has taken it back, and goes back to it no more';
COMMENT ON COLUMN personalize.model.training IS 'how train_ranker came by it: weights, pages, how it was judged; NULL: imported';

SELECT personalize_internal._announce('{model}');

CREATE FUNCTION personalize.import_model(name text, format text, content text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
	RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_import_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.import_model(text, text, text, timestamptz, timestamptz) IS
	'reads a model of boosted trees that gives one number, keeps it as the next version of name, puts it in use in the same transaction and returns the version. format: lightgbm (text of Booster.save_model, LightGBM 2 to 4) or xgboost (JSON of Booster.save_model, XGBoost 1.3 and later; gbtree and dart). Objectives: regression, binary, cross-entropy, poisson, gamma, tweedie, ranking; at most 10000 trees of 4096 features and 4 million nodes. since and until: those of export_training_data() if it has learnt from that, so that health() can say when somebody in it was forgotten. Errors: 22P02 what cannot be evaluated as the library would, with the place in the file';
CREATE FUNCTION personalize_internal._refuse_version(name text, version integer) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	versions text := (SELECT string_agg(m.version::text, ', ' ORDER BY m.version) FROM personalize.model m WHERE m.name = _refuse_version.name);
BEGIN
	IF name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'name must not be null';
	ELSIF versions IS NULL THEN
		RAISE undefined_object USING MESSAGE = format('there is no model "%s"', name),
			HINT = 'personalize.import_model() makes one; table personalize.model has those there are.';
	ELSIF version IS NULL THEN
		RAISE undefined_object USING MESSAGE = format('model "%s" has no version before the one in use', name),
			HINT = format('Its versions: %s.', versions);
	END IF;
	RAISE undefined_object USING MESSAGE = format('model "%s" has no version %s', name, version),
		HINT = format('Its versions: %s.', versions);
END
$$;
CREATE FUNCTION personalize.use_model(name text, version integer DEFAULT NULL) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	chosen integer;
BEGIN
	LOCK TABLE personalize.model IN SHARE ROW EXCLUSIVE MODE;
	SELECT max(m.version) INTO chosen FROM personalize.model m
	WHERE m.name = use_model.name AND CASE WHEN use_model.version IS NULL
		THEN m.version < (SELECT u.version FROM personalize.model u WHERE u.name = use_model.name AND u.in_use)
		ELSE m.version = use_model.version END;
	IF chosen IS NULL THEN
		PERFORM personalize_internal._refuse_version(use_model.name, use_model.version);
	END IF;
	UPDATE personalize.model m SET in_use = false WHERE m.name = use_model.name AND m.in_use;
	UPDATE personalize.model m SET in_use = true, rolled_back = false WHERE m.name = use_model.name AND m.version = chosen;
	RETURN chosen;
END
$$;
COMMENT ON FUNCTION personalize_internal._refuse_version(text, integer) IS
	'complains of a model or version that there is not';
COMMENT ON FUNCTION personalize.use_model(text, integer) IS
	'puts a version of a model in use (NULL: the one before that in use, to go back) and returns it. Errors: 42704 there is no such version';
CREATE FUNCTION personalize.drop_model(name text, version integer DEFAULT NULL) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	dropped integer;
BEGIN
	LOCK TABLE personalize.model IN SHARE ROW EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM personalize.model m WHERE m.name = drop_model.name AND m.version = drop_model.version AND m.in_use) THEN
		RAISE object_in_use USING MESSAGE = format('version %s of model "%s" is in use', version, name),
			HINT = 'Put another version in use with personalize.use_model(), or drop the whole model: version => NULL.';
	END IF;
	DELETE FROM personalize.model m
	WHERE m.name = drop_model.name AND (drop_model.version IS NULL OR m.version = drop_model.version);
	GET DIAGNOSTICS dropped = ROW_COUNT;
	IF dropped = 0 THEN
		PERFORM personalize_internal._refuse_version(name, version);
	END IF;
	RETURN dropped;
END
$$;
COMMENT ON FUNCTION personalize.drop_model(text, integer) IS
	'removes a version of a model that is not in use, or with NULL the whole model; returns how many versions. Errors: 42704 there is no such version, 55006 it is in use';
CREATE FUNCTION personalize.predict_model(name text, features double precision[], raw boolean DEFAULT false)
	RETURNS double precision
	AS 'MODULE_PATHNAME', 'personalize_predict_model' LANGUAGE C STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION personalize.predict_model(text, double precision[], boolean) IS
	'what a model says of features, given in the model''s order (model.features; NULL or NaN: missing): what the library''s predict() returns, or with raw => true the sum of the leaves; of a trained one the probability (logistic) or the sum. Errors: 42704 unknown model, 22023 another number of features, 22003 infinite';

REVOKE ALL ON FUNCTION personalize.import_model(text, text, text, timestamptz, timestamptz), personalize.use_model(text, integer), personalize.drop_model(text, integer),
	personalize.predict_model(text, double precision[], boolean), personalize_internal._refuse_version(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.import_model(text, text, text, timestamptz, timestamptz), personalize.use_model(text, integer), personalize.drop_model(text, integer) TO personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._refuse_version(text, integer) TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize.predict_model(text, double precision[], boolean) TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.model TO personalize_analyst, personalize_admin;


-- variant: named sets of parameters of each engine.
CREATE TABLE personalize.engine_variant (
	engine text NOT NULL,
	name text NOT NULL,
	id smallint NOT NULL CHECK (id OPERATOR(pg_catalog.>) 0),
	parameters jsonb NOT NULL DEFAULT '{}',
	is_default boolean NOT NULL DEFAULT false,
	created_by name NOT NULL DEFAULT session_user,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	retired_at timestamptz,
	PRIMARY KEY (engine, name),
	CONSTRAINT engine_variant_id_key UNIQUE (engine, id),
	CONSTRAINT engine_variant_default_serves CHECK (NOT is_default OR retired_at IS NULL)
);
CREATE UNIQUE INDEX engine_variant_default_idx ON personalize.engine_variant (engine) WHERE is_default;
SELECT pg_catalog.pg_extension_config_dump('personalize.engine_variant', '');
COMMENT ON TABLE personalize.engine_variant IS
	'named sets of parameters of each engine: made, put in use and retired by create_variant(), set_default_variant() and retire_variant(); what a variant is never changes. The parameters as shipped are the variant shipped, number 0, which has no row';
COMMENT ON COLUMN personalize.engine_variant.engine IS 'the SQL function: recommend, similar_items, trending, bought_together';
COMMENT ON COLUMN personalize.engine_variant.name IS 'what the engine''s argument variant is given';
COMMENT ON COLUMN personalize.engine_variant.id IS 'number within the engine (1..32767), never given again';
COMMENT ON COLUMN personalize.engine_variant.parameters IS 'values by name, as engine_parameters() lists them; what is not named is as shipped';
COMMENT ON COLUMN personalize.engine_variant.is_default IS 'calls that name no variant are answered by this one; of at most one an engine';
COMMENT ON COLUMN personalize.engine_variant.created_by IS 'the role that was logged in';
COMMENT ON COLUMN personalize.engine_variant.retired_at IS 'since when no call is answered by it any more; NULL: it serves';

CREATE FUNCTION personalize_internal._check_engine_variant() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_check_engine_variant' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_engine_variant() IS 'trigger of engine_variant: only what an engine understands, and nothing is changed later';
CREATE TRIGGER check_engine_variant BEFORE INSERT OR UPDATE ON personalize.engine_variant
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._check_engine_variant();
SELECT personalize_internal._announce('{engine_variant}');

CREATE FUNCTION personalize_internal._find_variant(engine text, variant text) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_find_variant' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._find_variant(text, text) IS
	'the number of a variant that serves. Errors: 42704 unknown engine or variant, 55000 the variant is retired';

CREATE FUNCTION personalize.engine_parameters(engine text)
	RETURNS TABLE (name text, unit text, minimum double precision, maximum double precision,
		default_value double precision, description text)
	AS 'MODULE_PATHNAME', 'personalize_engine_parameters' LANGUAGE C STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION personalize.engine_parameters(text) IS
	'the parameters of an engine that a variant may set, with unit, range (NULL: it is a text, none as shipped), what they are as shipped and what they do. Errors: 42704 unknown engine';

CREATE FUNCTION personalize.create_variant(engine text, name text, parameters jsonb DEFAULT '{}') RETURNS smallint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	number integer;
BEGIN
	-- makers and changers take turns; readers do not wait
	LOCK TABLE personalize.engine_variant IN SHARE ROW EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM personalize.engine_variant v WHERE v.engine = create_variant.engine AND v.name = create_variant.name) THEN
		RAISE EXCEPTION 'variant "%" of engine "%" exists already', create_variant.name, create_variant.engine
			USING ERRCODE = 'duplicate_object', HINT = 'A variant never changes, and its name is not used again: take another one.';
	END IF;
	SELECT coalesce(max(v.id), 0) + 1 INTO number FROM personalize.engine_variant v WHERE v.engine = create_variant.engine;
	IF number > 32767 THEN
		RAISE EXCEPTION 'engine "%" has had 32767 variants', create_variant.engine
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Their numbers are not used again.';
	END IF;
	INSERT INTO personalize.engine_variant (engine, name, id, parameters)
		VALUES (create_variant.engine, create_variant.name, number, coalesce(create_variant.parameters, '{}'));
	IF create_variant.parameters ? 'model' THEN
		PERFORM personalize_internal._check_search_model(create_variant.parameters ->> 'model');
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION personalize.create_variant(text, text, jsonb) IS
	'makes a variant of an engine: parameters are values by name, those of engine_parameters(engine); what is not named is as shipped. Returns its number within the engine. It is used where an engine is called with variant => name, and everywhere after set_default_variant(). Errors: 42704 unknown engine, parameter or model, 22023 a value out of its range, 42710 the name is taken, 42602 it cannot be one';

CREATE FUNCTION personalize.set_default_variant(engine text, name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	LOCK TABLE personalize.engine_variant IN SHARE ROW EXCLUSIVE MODE;
	PERFORM personalize_internal._find_variant(set_default_variant.engine, set_default_variant.name);
	UPDATE personalize.engine_variant v SET is_default = false
		WHERE v.engine = set_default_variant.engine AND v.is_default AND v.name <> set_default_variant.name;
	UPDATE personalize.engine_variant v SET is_default = true
		WHERE v.engine = set_default_variant.engine AND NOT v.is_default AND v.name = set_default_variant.name;
END
$$;
COMMENT ON FUNCTION personalize.set_default_variant(text, text) IS
	'answers every call of the engine that names no variant by this one, from the end of the transaction on; shipped: by the parameters as shipped. Errors: 42704 unknown engine or variant, 55000 the variant is retired';

CREATE FUNCTION personalize.retire_variant(engine text, name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	LOCK TABLE personalize.engine_variant IN SHARE ROW EXCLUSIVE MODE;
	IF personalize_internal._find_variant(retire_variant.engine, retire_variant.name) = 0 THEN
		RAISE EXCEPTION 'the parameters as shipped cannot be retired' USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	IF EXISTS (SELECT FROM personalize.engine_variant v
		WHERE v.engine = retire_variant.engine AND v.name = retire_variant.name AND v.is_default) THEN
		RAISE EXCEPTION 'variant "%" is the default of engine "%"', retire_variant.name, retire_variant.engine
			USING ERRCODE = 'object_in_use', HINT = 'Call set_default_variant() with another first.';
	END IF;
	UPDATE personalize.engine_variant v SET retired_at = now()
		WHERE v.engine = retire_variant.engine AND v.name = retire_variant.name;
END
$$;
COMMENT ON FUNCTION personalize.retire_variant(text, text) IS
	'lets no call be answered by the variant any more: one that names it is an error. Its row stays, so that what came of its answers can be told. Errors: 42704 unknown engine or variant, 55000 it is retired already, or shipped, 55006 it is the default';

-- A model that answers are made by stays.
CREATE FUNCTION personalize_internal._check_model_dropped() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	used record;
BEGIN
	SELECT v.engine, v.name, v.parameters ->> 'model' AS model INTO used FROM personalize.engine_variant AS v
	WHERE v.retired_at IS NULL AND v.parameters ->> 'model' IN (SELECT d.name FROM dropped AS d)
		AND NOT EXISTS (SELECT FROM personalize.model AS m WHERE m.name = v.parameters ->> 'model')
	ORDER BY v.engine, v.id LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'model "%" makes the scores of variant "%" of engine "%"', used.model, used.name, used.engine
			USING ERRCODE = 'object_in_use', HINT = 'Call retire_variant() first.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_model_dropped() IS 'trigger of model: one that a variant names is not dropped';
CREATE TRIGGER check_model_dropped AFTER DELETE ON personalize.model REFERENCING OLD TABLE AS dropped
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._check_model_dropped();

CREATE FUNCTION personalize_internal._publish_parameters(engine text, parameters jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	name text;
	kept jsonb;
BEGIN
	LOCK TABLE personalize.engine_variant IN SHARE ROW EXCLUSIVE MODE;
	SELECT 'tuned_' || n INTO name FROM generate_series(1, 32768) n
		WHERE NOT EXISTS (SELECT FROM personalize.engine_variant v
			WHERE v.engine = _publish_parameters.engine AND v.name = 'tuned_' || n)
		ORDER BY n LIMIT 1;
	SELECT v.parameters INTO kept FROM personalize.engine_variant v
		WHERE v.engine = _publish_parameters.engine AND v.is_default;
	PERFORM personalize.create_variant(_publish_parameters.engine, name,
		coalesce(kept, '{}') || _publish_parameters.parameters);
	PERFORM personalize.set_default_variant(_publish_parameters.engine, name);
	RETURN name;
END
$$;
COMMENT ON FUNCTION personalize_internal._publish_parameters(text, jsonb) IS
	'makes a variant tuned_<n> of the default and these parameters, the new default';

REVOKE ALL ON FUNCTION
	personalize_internal._check_engine_variant(),
	personalize_internal._find_variant(text, text),
	personalize_internal._publish_parameters(text, jsonb),
	personalize_internal._check_model_dropped(),
	personalize.engine_parameters(text),
	personalize.create_variant(text, text, jsonb),
	personalize.set_default_variant(text, text),
	personalize.retire_variant(text, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.engine_parameters(text)
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.create_variant(text, text, jsonb),
	personalize.set_default_variant(text, text),
	personalize.retire_variant(text, text)
	TO personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._find_variant(text, text), personalize_internal._publish_parameters(text, jsonb)
	TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize_internal._find_variant(text, text) TO personalize_admin;
GRANT SELECT ON personalize.engine_variant TO personalize_analyst, personalize_admin;

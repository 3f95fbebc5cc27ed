-- experiment: who is answered with which variant of an engine.
CREATE TABLE personalize.experiment (
	name text PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 63),
	engine text NOT NULL,
	unit text NOT NULL CHECK (unit = 'user'),
	layer text NOT NULL CHECK (octet_length(layer) BETWEEN 1 AND 63),
	mutually_exclusive boolean NOT NULL,
	salt bigint NOT NULL,
	slots smallint[] NOT NULL,
	slots_since timestamptz[] NOT NULL,
	runs tstzmultirange NOT NULL DEFAULT '{}',
	stopped_at timestamptz,
	segment text,
	stops_at timestamptz,
	shipped text,
	metrics jsonb NOT NULL,
	created_by name NOT NULL DEFAULT session_user,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CHECK (pg_catalog.cardinality(slots) = pg_catalog.cardinality(slots_since))
);
SELECT pg_catalog.pg_extension_config_dump('personalize.experiment', '');
COMMENT ON TABLE personalize.experiment IS
	'experiments, made and steered by create_experiment(), start_experiment(), pause_experiment(), grow_experiment(), stop_experiment() and ship_experiment(); a name is not used again';
COMMENT ON COLUMN personalize.experiment.engine IS 'the engine whose variants are compared';
COMMENT ON COLUMN personalize.experiment.unit IS 'what is assigned to a variant: user';
COMMENT ON COLUMN personalize.experiment.layer IS 'experiments of one layer can exclude each other; those of different layers are independent';
COMMENT ON COLUMN personalize.experiment.mutually_exclusive IS 'nobody is in another experiment of the layer; false: its people are drawn without regard to the layer';
COMMENT ON COLUMN personalize.experiment.salt IS 'what variants are drawn with';
COMMENT ON COLUMN personalize.experiment.slots IS 'of the 1,000 slots of the layer those that take part';
COMMENT ON COLUMN personalize.experiment.slots_since IS 'since when each of slots takes part';
COMMENT ON COLUMN personalize.experiment.runs IS 'when it ran, runs or will run; empty: it was never started';
COMMENT ON COLUMN personalize.experiment.stopped_at IS 'since when it is over and has given its slots back; NULL: it is not';
COMMENT ON COLUMN personalize.experiment.segment IS 'the segment whose people take part; NULL: everybody';
COMMENT ON COLUMN personalize.experiment.stops_at IS 'when it stops by itself; NULL: when it is told to';
COMMENT ON COLUMN personalize.experiment.shipped IS 'the variant that ship_experiment() has made the default';
COMMENT ON COLUMN personalize.experiment.metrics IS 'what its variants are compared by';
COMMENT ON COLUMN personalize.experiment.created_by IS 'the role that was logged in';

CREATE TABLE personalize.experiment_variant (
	experiment text NOT NULL,
	ordinal smallint NOT NULL,
	variant text NOT NULL,
	variant_id smallint NOT NULL,
	share double precision NOT NULL CHECK (share > 0 AND share < 1),
	PRIMARY KEY (experiment, ordinal),
	CONSTRAINT experiment_variant_variant_key UNIQUE (experiment, variant)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.experiment_variant', '');
COMMENT ON TABLE personalize.experiment_variant IS 'the variants of each experiment';
COMMENT ON COLUMN personalize.experiment_variant.ordinal IS 'place among the variants, from 0: the control';
COMMENT ON COLUMN personalize.experiment_variant.variant IS 'engine_variant.name; shipped: the parameters as shipped';
COMMENT ON COLUMN personalize.experiment_variant.variant_id IS 'engine_variant.id; 0: as shipped';
COMMENT ON COLUMN personalize.experiment_variant.share IS 'of the people in the experiment; all shares add up to 1';

CREATE TABLE personalize.experiment_force (
	user_key bigint NOT NULL,
	experiment text NOT NULL,
	variant text NOT NULL,
	PRIMARY KEY (user_key, experiment)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.experiment_force', '');
COMMENT ON TABLE personalize.experiment_force IS 'people who see a variant because force_variant() says so; they are not counted';
COMMENT ON COLUMN personalize.experiment_force.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.experiment_force.experiment IS 'experiment.name';
COMMENT ON COLUMN personalize.experiment_force.variant IS 'experiment_variant.variant';

CREATE TABLE personalize.experiment_holdout (
	layer text PRIMARY KEY,
	share double precision NOT NULL CHECK (share > 0 AND share <= 0.5)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.experiment_holdout', '');
COMMENT ON TABLE personalize.experiment_holdout IS 'shares of people that set_holdout() keeps out of all experiments';
COMMENT ON COLUMN personalize.experiment_holdout.layer IS 'experiment.layer; the empty text: of all layers';
COMMENT ON COLUMN personalize.experiment_holdout.share IS 'of all people, at most 0.5';

REVOKE ALL ON personalize.experiment, personalize.experiment_variant, personalize.experiment_force,
	personalize.experiment_holdout FROM PUBLIC;
GRANT SELECT ON personalize.experiment, personalize.experiment_variant, personalize.experiment_holdout
	TO personalize_analyst, personalize_admin;

SELECT personalize_internal._announce('{experiment,experiment_variant,experiment_force,experiment_holdout}');

CREATE FUNCTION personalize_internal._draw(draw integer, salt bigint, unit bigint) RETURNS double precision
	AS 'MODULE_PATHNAME', 'personalize_draw' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._draw(integer, bigint, bigint) IS
	'a number in [0, 1) of a salt and a unit, SipHash of both: draw 0 the slot of a layer, 1 the variant, 2 the holdout';
CREATE FUNCTION personalize_internal._experiment_salt(name text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_experiment_salt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._experiment_salt(text) IS 'the salt of an experiment or a layer';

CREATE FUNCTION personalize.assignment_of(user_id personalize.entity_id, as_of timestamptz DEFAULT NULL)
	RETURNS TABLE (experiment text, engine text, layer text, variant text, reason text)
	AS 'MODULE_PATHNAME', 'personalize_assignment_of' LANGUAGE C STABLE PARALLEL SAFE ROWS 5;
COMMENT ON FUNCTION personalize.assignment_of(personalize.entity_id, timestamptz) IS
	'the running experiments by name, and the variant a person has in each; as_of: those that ran then, NULL: now. reason: assigned, forced (by force_variant()); variant is NULL, the person sees the default, if outside (of its traffic), holdout, no consent (does not allow analytics), or not in segment (in the past by what raw events tell of then). Writes nothing. Errors: 22004 user_id is null, 22023 as_of is infinite';

CREATE FUNCTION personalize.force_variant(user_id personalize.entity_id, experiment text, variant text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_force_variant' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.force_variant(personalize.entity_id, text, text) IS
	'lets a person see a variant of an experiment, before it is started, too, until it is stopped, to try it out; variant NULL: no longer. The person is not counted in results. Errors: 22004 user_id or experiment is null, 42704 unknown experiment or variant, 55000 it is stopped, 54000 more than 10,000 people';

CREATE FUNCTION personalize_internal._experiment_known(name text) RETURNS personalize.experiment
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found personalize.experiment;
BEGIN
	IF name IS NULL THEN
		RAISE EXCEPTION 'name must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT * INTO found FROM personalize.experiment e WHERE e.name = _experiment_known.name;
	IF found.name IS NULL THEN
		RAISE EXCEPTION 'experiment "%" does not exist', name USING ERRCODE = 'undefined_object',
			HINT = personalize_internal._choice_hint(_experiment_known.name, 'experiments', ARRAY(SELECT e.name FROM personalize.experiment e ORDER BY 1));
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION personalize_internal._experiment_known(text) IS 'an experiment by its name; error 42704 if there is none';

CREATE FUNCTION personalize_internal._refuse_stopped(e personalize.experiment) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF e.stopped_at IS NOT NULL OR e.stops_at <= now() THEN
		RAISE EXCEPTION 'experiment "%" is stopped', e.name USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'Its people have seen its variants: make another with create_experiment().';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._refuse_stopped(personalize.experiment) IS 'error 55000 if it is stopped';

CREATE FUNCTION personalize_internal._experiment(name text, stopped boolean DEFAULT false) RETURNS personalize.experiment
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found personalize.experiment;
BEGIN
	-- changers take turns; readers do not wait
	LOCK TABLE personalize.experiment IN SHARE ROW EXCLUSIVE MODE;
	found := personalize_internal._experiment_known(name);
	IF NOT stopped THEN
		PERFORM personalize_internal._refuse_stopped(found);
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION personalize_internal._experiment(text, boolean) IS
	'an experiment that is about to be changed, with the table locked; error 42704 if there is none, 55000 if it is stopped and may not be';

CREATE FUNCTION personalize_internal._set_running(name text, running boolean) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	UPDATE personalize.experiment AS x SET runs = CASE WHEN running THEN x.runs + tstzmultirange(tstzrange(now(), x.stops_at))
		ELSE x.runs - tstzmultirange(tstzrange(now(), NULL)) END
	WHERE x.name = _set_running.name;
END;
COMMENT ON FUNCTION personalize_internal._set_running(text, boolean) IS 'lets an experiment run from now on, or no longer';

CREATE FUNCTION personalize_internal._check_share(what text, share double precision) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF share IS NULL OR NOT (share > 0 AND share <= 1) OR abs(share * 1000 - round(share * 1000)) > 1e-9 THEN
		RAISE EXCEPTION '% is %, not a share between 0.001 and 1 in steps of 0.001', what, coalesce(share::text, 'null')
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_share(text, double precision) IS 'error 22023 unless it is a share of traffic';

CREATE FUNCTION personalize_internal._free_slots(experiment text, layer text, mutually_exclusive boolean, taken smallint[]) RETURNS SETOF smallint
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT s::smallint FROM generate_series(0, 999) AS s
	WHERE s <> ALL (taken::integer[]) AND (NOT mutually_exclusive OR NOT EXISTS (
		SELECT FROM personalize.experiment e WHERE e.layer = _free_slots.layer AND e.mutually_exclusive
			AND e.stopped_at IS NULL AND (e.stops_at IS NULL OR e.stops_at > now())
			AND e.name <> _free_slots.experiment AND s::smallint = ANY (e.slots)))
	-- in an order of its own, so that the next experiment meets other people
	ORDER BY personalize_internal._draw(0, personalize_internal._experiment_salt(_free_slots.experiment), s), s
$$;
COMMENT ON FUNCTION personalize_internal._free_slots(text, text, boolean, smallint[]) IS
	'slots of a layer that an experiment can take, in the order in which it takes them';

CREATE FUNCTION personalize_internal._take_slots(experiment text, layer text, mutually_exclusive boolean, taken smallint[], traffic double precision) RETURNS smallint[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted integer := round(traffic * 1000)::integer - cardinality(taken);
	free smallint[];
BEGIN
	free := ARRAY(SELECT personalize_internal._free_slots(experiment, layer, mutually_exclusive, taken));
	IF cardinality(free) < wanted THEN
		RAISE EXCEPTION 'layer "%" has % of the traffic left, not %', layer, cardinality(free) / 1000::float8, wanted / 1000::float8
			USING ERRCODE = 'object_in_use',
			HINT = coalesce('Experiments in the layer: ' || (SELECT string_agg(e.name || ' (' || cardinality(e.slots) / 1000::float8 || ')', ', ' ORDER BY e.name)
				FROM personalize.experiment e WHERE e.layer = _take_slots.layer AND e.mutually_exclusive AND e.stopped_at IS NULL) || '. ', '')
				|| 'Take less, or stop_experiment() one of them.';
	END IF;
	RETURN free[1:wanted];
END
$$;
COMMENT ON FUNCTION personalize_internal._take_slots(text, text, boolean, smallint[], double precision) IS
	'the slots that an experiment takes besides those it has, for a share of the traffic; error 55006 if they are not free';

CREATE FUNCTION personalize_internal._check_layer(engine text, layer text, mutually_exclusive boolean) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	other record;
BEGIN
	SELECT e.name, e.layer, e.mutually_exclusive INTO other FROM personalize.experiment e
		WHERE e.engine = _check_layer.engine AND e.stopped_at IS NULL AND (e.stops_at IS NULL OR e.stops_at > now())
			AND (e.layer <> _check_layer.layer OR NOT e.mutually_exclusive OR NOT _check_layer.mutually_exclusive)
		ORDER BY e.name LIMIT 1;
	IF other.name IS NOT NULL THEN
		RAISE EXCEPTION 'experiment "%" of engine "%" could have the same people', other.name, engine
			USING ERRCODE = 'object_in_use',
			DETAIL = 'An answer is made by one variant.',
			HINT = CASE WHEN other.mutually_exclusive THEN format('Leave both in layer "%s", mutually exclusive, or stop the other.', other.layer)
				ELSE 'Stop the other first.' END;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_layer(text, text, boolean) IS
	'error 55006 if somebody could be in two experiments of an engine';

CREATE FUNCTION personalize_internal._add_variants(experiment text, engine text, variants jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	n integer;
	shares double precision;
	entry record;
	unknown text;
BEGIN
	IF variants IS NULL OR jsonb_typeof(variants) <> 'array' OR jsonb_array_length(variants) NOT BETWEEN 2 AND 16 THEN
		RAISE EXCEPTION 'variants is not an array of 2 to 16 variants' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Write it like ["shipped", "varied"], the control first, or [{"name": "shipped", "share": 0.9}, {"name": "varied", "share": 0.1, "parameters": {"diversity": 0.3}}].';
	END IF;
	n := jsonb_array_length(variants);
	FOR entry IN
		SELECT v.value AS v, v.ordinality - 1 AS place,
			CASE jsonb_typeof(v.value) WHEN 'string' THEN v.value #>> '{}' WHEN 'object' THEN v.value ->> 'name' END AS name,
			CASE WHEN v.value ? 'share' THEN v.value -> 'share' ELSE to_jsonb(1.0 / n) END AS share
		FROM jsonb_array_elements(variants) WITH ORDINALITY AS v ORDER BY v.ordinality
	LOOP
		IF entry.name IS NULL THEN
			RAISE EXCEPTION 'variant % has no name', entry.place + 1 USING ERRCODE = 'invalid_parameter_value';
		ELSIF EXISTS (SELECT FROM personalize.experiment_variant x WHERE x.experiment = _add_variants.experiment AND x.variant = entry.name) THEN
			RAISE EXCEPTION 'variant "%" is there twice', entry.name USING ERRCODE = 'invalid_parameter_value';
		ELSIF jsonb_typeof(entry.share) <> 'number' OR entry.share::numeric NOT BETWEEN 0.001 AND 0.999 THEN
			RAISE EXCEPTION 'share of variant "%" is %, not between 0.001 and 0.999', entry.name, left(entry.share::text, 30) USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF jsonb_typeof(entry.v) = 'object' THEN
			SELECT k INTO unknown FROM jsonb_object_keys(entry.v) AS k WHERE k NOT IN ('name', 'share', 'parameters') ORDER BY k LIMIT 1;
			IF unknown IS NOT NULL THEN
				RAISE EXCEPTION 'variant "%" has a key "%"', entry.name, unknown USING ERRCODE = 'invalid_parameter_value',
					HINT = 'Keys of a variant: name, share, parameters.';
			ELSIF entry.v ? 'parameters' THEN
				PERFORM personalize.create_variant(engine, entry.name, entry.v -> 'parameters');
			END IF;
		END IF;
		INSERT INTO personalize.experiment_variant (experiment, ordinal, variant, variant_id, share)
			VALUES (_add_variants.experiment, entry.place, entry.name, personalize_internal._find_variant(engine, entry.name), entry.share::float8);
	END LOOP;
	SELECT sum(x.share) INTO shares FROM personalize.experiment_variant x WHERE x.experiment = _add_variants.experiment;
	IF abs(shares - 1) > 1e-9 THEN
		RAISE EXCEPTION 'shares of the variants add up to %, not 1', round(shares::numeric, 6) USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Leave all shares out for equal ones.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._add_variants(text, text, jsonb) IS 'reads the argument variants of create_experiment()';

CREATE FUNCTION personalize_internal._check_layer_name(layer text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF octet_length(layer) NOT BETWEEN 1 AND 63 OR layer ~ '[[:cntrl:]]' THEN
		RAISE EXCEPTION 'layer name "%" is empty, longer than 63 bytes or has control characters', left(layer, 80) USING ERRCODE = 'invalid_name';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_layer_name(text) IS 'error 42602 unless a layer can be called so';

CREATE FUNCTION personalize_internal._check_experiment(name text, engine text, unit text, layer text, start timestamptz, stop timestamptz) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF name IS NULL THEN
		RAISE EXCEPTION 'name must not be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF octet_length(name) NOT BETWEEN 1 AND 63 OR name ~ '[[:cntrl:]]' THEN
		RAISE EXCEPTION 'experiment name "%" is empty, longer than 63 bytes or has control characters', left(name, 80)
			USING ERRCODE = 'invalid_name';
	ELSIF unit IS DISTINCT FROM 'user' THEN
		RAISE EXCEPTION 'unknown unit "%"', coalesce(unit, 'null') USING ERRCODE = 'invalid_parameter_value', HINT = 'Units: user.';
	ELSIF NOT isfinite(start) OR NOT isfinite(stop) THEN
		RAISE EXCEPTION 'start and stop must be finite' USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave out what is not planned.';
	ELSIF start < now() THEN
		RAISE EXCEPTION 'start "%" is in the past', start USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Nobody was assigned then. Leave it out and call start_experiment().';
	ELSIF stop <= coalesce(start, now()) THEN
		RAISE EXCEPTION 'stop "%" is not after the start', stop USING ERRCODE = 'invalid_parameter_value';
	ELSIF EXISTS (SELECT FROM personalize.experiment e WHERE e.name = _check_experiment.name) THEN
		RAISE EXCEPTION 'experiment "%" exists already', name USING ERRCODE = 'duplicate_object', HINT = 'A name is not used again: take another one.';
	END IF;
	-- an error that lists the engines
	PERFORM personalize_internal._find_variant(engine, 'shipped');
END
$$;
COMMENT ON FUNCTION personalize_internal._check_experiment(text, text, text, text, timestamptz, timestamptz) IS 'checks arguments of create_experiment()';

CREATE FUNCTION personalize_internal._check_segment(segment text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF segment IS NOT NULL AND NOT EXISTS (SELECT FROM personalize.segment s WHERE s.name = _check_segment.segment) THEN
		RAISE EXCEPTION 'segment "%" does not exist', segment USING ERRCODE = 'undefined_object',
			HINT = personalize_internal._choice_hint(_check_segment.segment, 'segments', ARRAY(SELECT s.name FROM personalize.segment s ORDER BY 1));
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_segment(text) IS 'error 42704 if there is no such segment';

CREATE FUNCTION personalize.create_experiment(
	name text, engine text, variants jsonb, traffic double precision DEFAULT 1, unit text DEFAULT 'user', layer text DEFAULT NULL,
	start timestamptz DEFAULT NULL, stop timestamptz DEFAULT NULL, metrics jsonb DEFAULT '["conversion"]', mutually_exclusive boolean DEFAULT true,
	segment text DEFAULT NULL)
	RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	l text := coalesce(create_experiment.layer, create_experiment.engine);
	apart boolean := coalesce(create_experiment.mutually_exclusive, true);
	taken smallint[];
BEGIN
	LOCK TABLE personalize.experiment IN SHARE ROW EXCLUSIVE MODE;
	PERFORM personalize_internal._check_experiment(create_experiment.name, create_experiment.engine, coalesce(create_experiment.unit, 'user'), l,
		create_experiment.start, create_experiment.stop);
	PERFORM personalize_internal._check_layer_name(l);
	PERFORM personalize_internal._check_share('traffic', coalesce(create_experiment.traffic, 1));
	PERFORM personalize_internal._check_segment(create_experiment.segment);
	PERFORM personalize_internal._check_layer(create_experiment.engine, l, apart);
	taken := personalize_internal._take_slots(create_experiment.name, l, apart, '{}', coalesce(create_experiment.traffic, 1));
	INSERT INTO personalize.experiment (name, engine, unit, layer, mutually_exclusive, salt, slots, slots_since, runs, stops_at, segment, metrics)
		VALUES (create_experiment.name, create_experiment.engine, 'user', l, apart, personalize_internal._experiment_salt(create_experiment.name),
			taken, array_fill('-infinity'::timestamptz, ARRAY[cardinality(taken)]),
			CASE WHEN create_experiment.start IS NULL THEN '{}'
				ELSE tstzmultirange(tstzrange(create_experiment.start, create_experiment.stop)) END,
			create_experiment.stop, create_experiment.segment, personalize_internal._read_metrics(coalesce(create_experiment.metrics, '["conversion"]')));
	PERFORM personalize_internal._add_variants(create_experiment.name, create_experiment.engine, create_experiment.variants);
END
$$;
COMMENT ON FUNCTION personalize.create_experiment(text, text, jsonb, double precision, text, text, timestamptz, timestamptz, jsonb, boolean, text) IS
	'makes an experiment between variants of an engine. variants: an array of 2 to 16, the control first, of names or of objects {name, share (of 1; default equal), parameters (makes the variant)}; traffic: share of people that take part, in steps of 0.001; unit: user; layer: experiments of one layer exclude each other, those of others are independent (default: the engine''s own); start, stop: when it does so by itself (default: start_experiment(), stop_experiment()); metrics: what the variants are compared by, names or objects as docs/experiments.md has them; mutually_exclusive false: people may be in other experiments of the layer, of other engines, too; segment: only people who are in it when they are answered take part, and only what they are shown while they are counts (default: everybody). Errors: 42710 the name is taken, 42602 it cannot be one, 42704 unknown engine, variant, segment or signal of a metric, 55000 the signal is disabled, 22023 a value out of range, shares that do not add up to 1, 55006 the layer has not so much traffic left, or another experiment of the engine could have the same people';

CREATE FUNCTION personalize.start_experiment(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM personalize_internal._experiment(name);
	PERFORM personalize_internal._set_running(name, true);
END
$$;
COMMENT ON FUNCTION personalize.start_experiment(text) IS
	'starts an experiment, or goes on with one that pauses: whoever had a variant has it again. Errors: 42704 unknown experiment, 55000 it is stopped';

CREATE FUNCTION personalize.pause_experiment(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM personalize_internal._experiment(name);
	PERFORM personalize_internal._set_running(name, false);
END
$$;
COMMENT ON FUNCTION personalize.pause_experiment(text) IS
	'answers everybody with the default until start_experiment(); the experiment keeps its people, and what is shown meanwhile is not counted. Errors: 42704 unknown experiment, 55000 it is stopped';

CREATE FUNCTION personalize.grow_experiment(name text, traffic double precision) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	e personalize.experiment := personalize_internal._experiment(name);
	more smallint[];
BEGIN
	PERFORM personalize_internal._check_share('traffic', traffic);
	IF round(traffic * 1000) < cardinality(e.slots) THEN
		RAISE EXCEPTION 'traffic % is less than the % that take part', traffic, cardinality(e.slots) / 1000::float8
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Who is in stays in: pause_experiment() or stop_experiment() it instead.';
	END IF;
	more := personalize_internal._take_slots(e.name, e.layer, e.mutually_exclusive, e.slots, traffic);
	UPDATE personalize.experiment x SET slots = x.slots || more,
			slots_since = x.slots_since || array_fill(CASE WHEN x.runs = '{}' THEN '-infinity' ELSE now() END, ARRAY[cardinality(more)])
		WHERE x.name = e.name AND cardinality(more) > 0;
END
$$;
COMMENT ON FUNCTION personalize.grow_experiment(text, double precision) IS
	'lets more people take part, traffic of all in steps of 0.001; who is in stays in, with the same variant. Errors: 42704 unknown experiment, 55000 it is stopped, 22023 less than now or no share, 55006 the layer has not so much left';

CREATE FUNCTION personalize.stop_experiment(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	e personalize.experiment := personalize_internal._experiment(name, stopped => true);
BEGIN
	-- one that has ended by itself gives its slots back with this
	IF e.stopped_at IS NOT NULL THEN
		PERFORM personalize_internal._refuse_stopped(e);
	END IF;
	PERFORM personalize_internal._set_running(name, false);
	UPDATE personalize.experiment x SET stopped_at = least(now(), x.stops_at) WHERE x.name = e.name;
	PERFORM personalize_internal._release_forced(e.name);
END
$$;
COMMENT ON FUNCTION personalize.stop_experiment(text) IS
	'ends an experiment: everybody sees the default, its part of the layer is free, its results stay. Errors: 42704 unknown experiment, 55000 it is stopped already';

CREATE FUNCTION personalize.ship_experiment(name text, variant text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	e personalize.experiment := personalize_internal._experiment(ship_experiment.name, stopped => true);
BEGIN
	IF ship_experiment.variant IS NULL THEN
		RAISE EXCEPTION 'variant must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF NOT EXISTS (SELECT FROM personalize.experiment_variant v WHERE v.experiment = e.name AND v.variant = ship_experiment.variant) THEN
		RAISE EXCEPTION 'experiment "%" has no variant "%"', e.name, ship_experiment.variant USING ERRCODE = 'undefined_object',
			HINT = 'Variants: ' || (SELECT string_agg(v.variant, ', ' ORDER BY v.ordinal) FROM personalize.experiment_variant v WHERE v.experiment = e.name) || '.';
	END IF;
	IF e.stopped_at IS NULL THEN
		PERFORM personalize.stop_experiment(e.name);
	END IF;
	PERFORM personalize.set_default_variant(e.engine, ship_experiment.variant);
	UPDATE personalize.experiment x SET shipped = ship_experiment.variant WHERE x.name = e.name;
END
$$;
COMMENT ON FUNCTION personalize.ship_experiment(text, text) IS
	'makes a variant of an experiment the default of its engine, and stops the experiment if it is not stopped. Errors: 22004 variant is null, 42704 unknown experiment or variant, 55000 the variant is retired';

CREATE FUNCTION personalize_internal._release_forced(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_release_forced' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._release_forced(text) IS 'lets nobody be forced to a variant of the experiment';

CREATE FUNCTION personalize.set_holdout(share double precision, layer text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	running text;
	known text;
BEGIN
	LOCK TABLE personalize.experiment IN SHARE ROW EXCLUSIVE MODE;
	PERFORM personalize_internal._check_layer_name(set_holdout.layer);
	IF set_holdout.share IS NULL OR NOT (set_holdout.share >= 0 AND set_holdout.share <= 0.5) THEN
		RAISE EXCEPTION 'share is %, not between 0 and 0.5', coalesce(set_holdout.share::text, 'null') USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT string_agg(e.name, ', ' ORDER BY e.name) INTO running FROM personalize.experiment e
		WHERE e.runs <> '{}' AND e.stopped_at IS NULL AND (e.stops_at IS NULL OR e.stops_at > now())
			AND e.layer = coalesce(set_holdout.layer, e.layer);
	IF running IS NOT NULL THEN
		RAISE EXCEPTION 'experiments are running: %', running USING ERRCODE = 'object_in_use',
			DETAIL = 'People would go out of them or come in.', HINT = 'Set holdouts while no experiment runs.';
	END IF;
	SELECT string_agg(DISTINCT l.name, ', ' ORDER BY l.name) INTO known FROM (
		SELECT e.layer AS name FROM personalize.experiment e UNION ALL
		SELECT personalize_internal._engine_name(c::smallint) FROM generate_series(1, 63) AS c WHERE personalize_internal._engine_name(c::smallint) <> c::text) AS l
		HAVING NOT coalesce(bool_or(l.name = set_holdout.layer), false);
	IF set_holdout.layer IS NOT NULL AND known IS NOT NULL THEN
		RAISE WARNING 'no experiment is in layer "%"', set_holdout.layer USING HINT = 'Layers: ' || known || '.';
	END IF;
	DELETE FROM personalize.experiment_holdout h WHERE h.layer = coalesce(set_holdout.layer, '');
	INSERT INTO personalize.experiment_holdout (layer, share)
		SELECT coalesce(set_holdout.layer, ''), set_holdout.share WHERE set_holdout.share > 0;
END
$$;
COMMENT ON FUNCTION personalize.set_holdout(double precision, text) IS
	'keeps a share of people (0 to 0.5; 0: none) out of all experiments of a layer, or of all layers (NULL), so that what experiments have brought in all can be told; it warns of a layer that no engine and no experiment has. Errors: 22023 a share out of range, 42602 a name that no layer can have, 55006 experiments are running';

CREATE FUNCTION personalize_internal._keep_experiment_variant() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	running text;
BEGIN
	SELECT string_agg(e.name, ', ' ORDER BY e.name) INTO running
		FROM personalize.experiment e JOIN personalize.experiment_variant v ON v.experiment = e.name
		WHERE e.engine = new.engine AND v.variant = new.name AND e.stopped_at IS NULL AND (e.stops_at IS NULL OR e.stops_at > now());
	IF running IS NOT NULL THEN
		RAISE EXCEPTION 'variant "%" of engine "%" is in experiments: %', new.name, new.engine, running
			USING ERRCODE = 'object_in_use', HINT = 'Call stop_experiment() first.';
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION personalize_internal._keep_experiment_variant() IS 'trigger of engine_variant: what an experiment compares is not retired';
CREATE TRIGGER keep_experiment_variant BEFORE UPDATE ON personalize.engine_variant
	FOR EACH ROW WHEN (new.retired_at IS NOT NULL AND old.retired_at IS NULL)
	EXECUTE FUNCTION personalize_internal._keep_experiment_variant();

REVOKE ALL ON FUNCTION
	personalize_internal._keep_experiment_variant(),
	personalize_internal._draw(integer, bigint, bigint),
	personalize_internal._experiment_salt(text),
	personalize_internal._experiment(text, boolean),
	personalize_internal._experiment_known(text),
	personalize_internal._set_running(text, boolean),
	personalize_internal._check_share(text, double precision),
	personalize_internal._free_slots(text, text, boolean, smallint[]),
	personalize_internal._take_slots(text, text, boolean, smallint[], double precision),
	personalize_internal._check_layer(text, text, boolean),
	personalize_internal._add_variants(text, text, jsonb),
	personalize_internal._check_experiment(text, text, text, text, timestamptz, timestamptz),
	personalize_internal._check_layer_name(text),
	personalize_internal._check_segment(text),
	personalize_internal._refuse_stopped(personalize.experiment),
	personalize_internal._release_forced(text),
	personalize.assignment_of(personalize.entity_id, timestamptz),
	personalize.force_variant(personalize.entity_id, text, text),
	personalize.create_experiment(text, text, jsonb, double precision, text, text, timestamptz, timestamptz, jsonb, boolean, text),
	personalize.start_experiment(text),
	personalize.pause_experiment(text),
	personalize.grow_experiment(text, double precision),
	personalize.stop_experiment(text),
	personalize.ship_experiment(text, text),
	personalize.set_holdout(double precision, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._draw(integer, bigint, bigint),
	personalize_internal._experiment_salt(text),
	personalize_internal._experiment(text, boolean),
	personalize_internal._experiment_known(text),
	personalize_internal._set_running(text, boolean),
	personalize_internal._check_share(text, double precision),
	personalize_internal._free_slots(text, text, boolean, smallint[]),
	personalize_internal._take_slots(text, text, boolean, smallint[], double precision),
	personalize_internal._check_layer(text, text, boolean),
	personalize_internal._add_variants(text, text, jsonb),
	personalize_internal._check_experiment(text, text, text, text, timestamptz, timestamptz),
	personalize_internal._check_layer_name(text),
	personalize_internal._check_segment(text),
	personalize_internal._refuse_stopped(personalize.experiment),
	personalize_internal._release_forced(text)
	TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize.assignment_of(personalize.entity_id, timestamptz)
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.force_variant(personalize.entity_id, text, text),
	personalize.create_experiment(text, text, jsonb, double precision, text, text, timestamptz, timestamptz, jsonb, boolean, text),
	personalize.start_experiment(text),
	personalize.pause_experiment(text),
	personalize.grow_experiment(text, double precision),
	personalize.stop_experiment(text),
	personalize.ship_experiment(text, text),
	personalize.set_holdout(double precision, text)
	TO personalize_admin;

CREATE FUNCTION personalize_internal._experiments_using(kind text, name text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT coalesce(array_agg(format('experiment "%s"', e.name) ORDER BY e.name), '{}') FROM personalize.experiment AS e
	WHERE e.stopped_at IS NULL AND (e.stops_at IS NULL OR e.stops_at > now())
		AND (CASE _experiments_using.kind WHEN 'segment' THEN e.segment = _experiments_using.name ELSE EXISTS (
			SELECT FROM jsonb_array_elements(e.metrics) AS m WHERE m.value ->> 'metric' = 'signal' AND m.value ->> 'signal' = _experiments_using.name) END);
END;
COMMENT ON FUNCTION personalize_internal._experiments_using(text, text) IS
	'the experiments that are not over and have a signal among their metrics, or are for a segment, as errors name them';
REVOKE ALL ON FUNCTION personalize_internal._experiments_using(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._experiments_using(text, text) TO personalize_owner, personalize_admin;

CREATE TRIGGER keep_signal_of_experiments BEFORE DELETE ON personalize.signal
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_used('_experiments_using',
		'stop_experiment() first: its variants are compared by what the signal counts.');
-- under another number it counts something else
CREATE TRIGGER keep_signal_number_of_experiments BEFORE UPDATE OF signal ON personalize.signal
	FOR EACH ROW WHEN (NEW.signal <> OLD.signal) EXECUTE FUNCTION personalize_internal._keep_used('_experiments_using',
		'stop_experiment() first: its variants are compared by what the signal counts.');

CREATE TRIGGER keep_segment_of_experiments BEFORE DELETE ON personalize.segment
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_used('_experiments_using',
		'stop_experiment() first: its people are those of the segment.');

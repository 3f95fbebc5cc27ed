-- metric: what the variants of an experiment are compared by.
CREATE FUNCTION personalize_internal._metric_key() RETURNS TABLE (key text, kind text, standard jsonb, minimum double precision, maximum double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	VALUES ('metric'::text, 'string'::text, NULL::jsonb, NULL::double precision, NULL::double precision),
		('direction', 'string', '"up"', NULL, NULL), ('guard_rail', 'boolean', 'false', NULL, NULL), ('margin', 'number', '0.02', 0, 1),
		('window', 'interval', '"7 days"', NULL, NULL), ('before', 'interval', '"14 days"', NULL, NULL),
		('winsor', 'number', '1', 0.5, 1), ('currency', 'string', NULL, NULL, NULL), ('top_k', 'number', '10', 1, 1000),
		('signal', 'string', NULL, NULL, NULL), ('value', 'string', NULL, NULL, NULL), ('aggregate', 'string', NULL, NULL, NULL),
		('users', 'number', '10000', 100, 1000000000), ('alpha', 'number', '0.05', 0.0001, 0.5), ('mde', 'number', '0.05', 0.0001, 10);
END;
COMMENT ON FUNCTION personalize_internal._metric_key() IS 'keys of a metric of an experiment, with what they are if left out, and ranges of numbers';

CREATE FUNCTION personalize_internal._check_metric_value(metric text, key text, given jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	k record;
	span interval;
BEGIN
	SELECT * INTO k FROM personalize_internal._metric_key() m WHERE m.key = _check_metric_value.key;
	IF k.key IS NULL THEN
		RAISE EXCEPTION 'metric "%" has a key "%"', metric, key USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Keys of a metric: ' || (SELECT string_agg(m.key, ', ') FROM personalize_internal._metric_key() m) || '.';
	ELSIF jsonb_typeof(given) <> (CASE k.kind WHEN 'interval' THEN 'string' ELSE k.kind END) THEN
		RAISE EXCEPTION '% of metric "%" is %, no %', key, metric, given, k.kind USING ERRCODE = 'invalid_parameter_value';
	ELSIF k.kind = 'number' AND given::numeric NOT BETWEEN k.minimum::numeric AND k.maximum::numeric THEN
		RAISE EXCEPTION '% of metric "%" is %, not between % and %', key, metric, left(given::text, 40), k.minimum, k.maximum USING ERRCODE = 'invalid_parameter_value';
	ELSIF key IN ('top_k', 'users') AND given::numeric % 1 <> 0 THEN
		RAISE EXCEPTION '% of metric "%" is %, not a whole number', key, metric, left(given::text, 40) USING ERRCODE = 'invalid_parameter_value';
	ELSIF k.kind = 'interval' THEN
		BEGIN
			span := given #>> '{}';
		EXCEPTION WHEN data_exception THEN
			span := NULL;
		END;
		IF span IS NULL OR span < '1 hour' OR span > '366 days' THEN
			RAISE EXCEPTION '% of metric "%" is %, not between an hour and 366 days', key, metric, given USING ERRCODE = 'invalid_parameter_value';
		END IF;
	ELSIF key = 'direction' AND given #>> '{}' NOT IN ('up', 'down') THEN
		RAISE EXCEPTION 'direction of metric "%" is %', metric, given USING ERRCODE = 'invalid_parameter_value', HINT = 'Directions: up, down.';
	ELSIF key = 'currency' AND given #>> '{}' !~ '^[A-Z]{3}$' THEN
		RAISE EXCEPTION 'currency of metric "%" is %', metric, given USING ERRCODE = 'invalid_parameter_value', HINT = 'Write it like "EUR".';
	ELSIF key = 'aggregate' AND given #>> '{}' NOT IN ('count', 'sum') THEN
		RAISE EXCEPTION 'aggregate of metric "%" is %', metric, given USING ERRCODE = 'invalid_parameter_value', HINT = 'Aggregates: count, sum.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_metric_value(text, text, jsonb) IS 'error 22023 unless a metric may have this';

CREATE FUNCTION personalize_internal._check_signal_metric(signal text, value text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_check_signal_metric' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_signal_metric(text, text) IS
	'error unless a metric may be of this signal and value (NULL: all values): 42704 unknown signal, 55000 it is disabled, 22023 it counts no such value';

CREATE FUNCTION personalize_internal._read_metric(given jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m jsonb := CASE jsonb_typeof(given) WHEN 'string' THEN jsonb_build_object('metric', given) WHEN 'object' THEN given ELSE '{}' END;
	name text := m ->> 'metric';
	standard jsonb;
BEGIN
	IF name IS NULL OR name NOT IN ('conversion', 'purchases', 'carts', 'clicks', 'found', 'revenue', 'signal') THEN
		RAISE EXCEPTION 'unknown metric %', coalesce(m -> 'metric', given) USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Metrics: conversion, purchases, carts, clicks, found, revenue, signal.';
	END IF;
	PERFORM personalize_internal._check_metric_value(name, e.key, e.value) FROM jsonb_each(m) AS e;
	IF (name = 'revenue') <> (m ? 'currency') THEN
		RAISE EXCEPTION 'metric "%" has % currency', name, CASE name WHEN 'revenue' THEN 'no' ELSE 'a' END USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Sums of money are of one currency each: {"metric": "revenue", "currency": "EUR"}.';
	ELSIF name = 'signal' AND NOT m ? 'signal' THEN
		RAISE EXCEPTION 'metric "signal" has no signal' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Say which one counts: {"metric": "signal", "signal": "search_term"}.';
	ELSIF name <> 'signal' AND m ?| '{signal,value,aggregate}' THEN
		RAISE EXCEPTION 'metric "%" takes no %', name, (SELECT k FROM unnest('{signal,value,aggregate}'::text[]) AS k WHERE m ? k LIMIT 1) USING ERRCODE = 'invalid_parameter_value',
			HINT = 'What signals count is metric "signal": {"metric": "signal", "signal": "search_term"}.';
	ELSIF name = 'signal' THEN
		PERFORM personalize_internal._check_signal_metric(m ->> 'signal', m ->> 'value');
	END IF;
	SELECT jsonb_object_agg(k.key, k.standard) INTO standard FROM personalize_internal._metric_key() k WHERE k.standard IS NOT NULL;
	RETURN standard || CASE name WHEN 'revenue' THEN '{"winsor": 0.99}'::jsonb WHEN 'signal' THEN '{"aggregate": "count"}' ELSE '{}' END || m;
END
$$;
COMMENT ON FUNCTION personalize_internal._read_metric(jsonb) IS 'a metric with all its keys; error 22023 if it is none, 42704 or 55000 if its signal is unknown or disabled';

CREATE FUNCTION personalize_internal._metric_argument(given text, standard text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL UNSAFE
RETURN personalize_internal._read_metric(CASE WHEN given OPERATOR(pg_catalog.~) '^[[:space:]]*[{"[]' THEN given::jsonb ELSE to_jsonb(coalesce(given, standard)) END);
COMMENT ON FUNCTION personalize_internal._metric_argument(text, text) IS 'reads an argument metric: the name of one, or an object in JSON; NULL: the standard one';

CREATE FUNCTION personalize_internal._metric_name(metric jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE metric ->> 'metric' WHEN 'signal' THEN
		CASE metric ->> 'aggregate' WHEN 'sum' THEN 'sum of ' ELSE '' END || 'signal ' || (metric ->> 'signal') || coalesce(' = ' || (metric ->> 'value'), '')
		ELSE metric ->> 'metric' END;
END;
COMMENT ON FUNCTION personalize_internal._metric_name(jsonb) IS 'what experiment_results() calls a metric';

CREATE FUNCTION personalize_internal._metric_unit(metric jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN metric ->> 'metric' = 'revenue' OR metric ->> 'aggregate' = 'sum' THEN 1000000 ELSE 1 END;
END;
COMMENT ON FUNCTION personalize_internal._metric_unit(jsonb) IS 'how many of the whole numbers that are summed make one of a metric';

CREATE FUNCTION personalize_internal._read_metrics(given jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	metrics jsonb;
	twice text;
BEGIN
	IF jsonb_typeof(given) <> 'array' OR jsonb_array_length(given) NOT BETWEEN 1 AND 16 THEN
		RAISE EXCEPTION 'metrics is not an array of 1 to 16 metrics' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Write it like ["conversion", {"metric": "revenue", "currency": "EUR", "guard_rail": true}].';
	END IF;
	metrics := (SELECT jsonb_agg(personalize_internal._read_metric(m.value) ORDER BY m.ordinality) FROM jsonb_array_elements(given) WITH ORDINALITY AS m);
	twice := (SELECT min(personalize_internal._metric_name(m.value)) FROM (SELECT e.value FROM jsonb_array_elements(metrics) AS e GROUP BY 1 HAVING count(*) > 1) AS m);
	IF twice IS NOT NULL THEN
		RAISE EXCEPTION 'metric "%" is there twice', twice USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Two of a kind differ in a key, like {"metric": "clicks", "window": "1 day"}.';
	END IF;
	RETURN metrics;
END
$$;
COMMENT ON FUNCTION personalize_internal._read_metrics(jsonb) IS 'reads the argument metrics of create_experiment()';

REVOKE ALL ON FUNCTION personalize_internal._metric_key(), personalize_internal._check_metric_value(text, text, jsonb),
	personalize_internal._read_metric(jsonb), personalize_internal._metric_argument(text, text), personalize_internal._read_metrics(jsonb),
	personalize_internal._check_signal_metric(text, text), personalize_internal._metric_name(jsonb), personalize_internal._metric_unit(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._metric_key(), personalize_internal._check_metric_value(text, text, jsonb),
	personalize_internal._read_metric(jsonb), personalize_internal._metric_argument(text, text), personalize_internal._read_metrics(jsonb),
	personalize_internal._check_signal_metric(text, text), personalize_internal._metric_name(jsonb), personalize_internal._metric_unit(jsonb) TO personalize_owner, personalize_analyst, personalize_admin;

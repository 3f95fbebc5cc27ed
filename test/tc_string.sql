-- tc_string: makes IAB TCF v2 strings from their fields, for tests.

-- through bytea, whose substr does not count characters from the beginning
CREATE FUNCTION pg_temp.base64url(bits text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
		1 + rpad(convert_from(substr(b, i, 6), 'UTF8'), 6, '0')::bit(6)::int, 1), '' ORDER BY i)
	FROM (SELECT convert_to(bits, 'UTF8') OFFSET 0) AS x(b), generate_series(1, length(bits), 6) AS i
$$;

-- a number in so many bits
CREATE FUNCTION pg_temp.bits(number bigint, width int) RETURNS text LANGUAGE sql AS $$
	SELECT right(number::bit(64)::text, width)
$$;

-- numbers, as a bit each
CREATE FUNCTION pg_temp.bits(numbers int[], width int) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(CASE WHEN i = ANY (numbers) THEN '1' ELSE '0' END, '' ORDER BY i), '')
	FROM generate_series(1, width) AS i
$$;

CREATE FUNCTION pg_temp.bits(numbers jsonb, width int) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.bits(ARRAY(SELECT e::int FROM jsonb_array_elements(numbers) AS e), width)
$$;

-- tenths of seconds since 1970
CREATE FUNCTION pg_temp.bits(moment timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.bits((extract(epoch FROM moment) * 10)::bigint, 36)
$$;

-- two letters
CREATE FUNCTION pg_temp.bits(letters text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.bits((ascii(letters) - 65) & 63, 6) || pg_temp.bits((ascii(substr(letters, 2)) - 65) & 63, 6)
$$;

-- a list of vendors, as bits
CREATE FUNCTION pg_temp.vendor_bits(vendors int[]) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.bits(m, 16) || '0' || pg_temp.bits(vendors, m::int)
	FROM (SELECT coalesce(max(v), 0)::bigint FROM unnest(vendors) AS v) AS x(m)
$$;

-- publisher restrictions: [[purpose, type, [[first, last], ...]], ...]
CREATE FUNCTION pg_temp.restriction_bits(restrictions jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.bits(jsonb_array_length(restrictions)::bigint, 12) || coalesce(string_agg(
		pg_temp.bits((r -> 0)::bigint, 6) || pg_temp.bits((r -> 1)::bigint, 2) || pg_temp.bits(jsonb_array_length(r -> 2)::bigint, 12) ||
		(SELECT string_agg('1' || pg_temp.bits((v -> 0)::bigint, 16) || pg_temp.bits((v -> 1)::bigint, 16), '' ORDER BY m)
			FROM jsonb_array_elements(r -> 2) WITH ORDINALITY AS y(v, m)), '' ORDER BY n), '')
	FROM jsonb_array_elements(restrictions) WITH ORDINALITY AS x(r, n)
$$;

CREATE FUNCTION pg_temp.core(fields jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.base64url(
		pg_temp.bits((f -> 'version')::bigint, 6) ||
		pg_temp.bits((f ->> 'created')::timestamptz) || pg_temp.bits(coalesce(f ->> 'updated', f ->> 'created')::timestamptz) ||
		pg_temp.bits(7::bigint, 12) || pg_temp.bits(1::bigint, 12) || pg_temp.bits(1::bigint, 6) || pg_temp.bits(f ->> 'language') ||
		pg_temp.bits(150::bigint, 12) || pg_temp.bits((f -> 'policy')::bigint, 6) ||
		CASE WHEN (f -> 'service_specific')::bool THEN '1' ELSE '0' END || '0' || pg_temp.bits('[]'::jsonb, 12) ||
		pg_temp.bits(f -> 'purposes', 24) || pg_temp.bits(f -> 'interests', 24) ||
		CASE WHEN (f -> 'purpose_one_treatment')::bool THEN '1' ELSE '0' END || pg_temp.bits(f ->> 'country') ||
		coalesce(f ->> 'vendor_bits', pg_temp.vendor_bits(ARRAY(SELECT e::int FROM jsonb_array_elements(f -> 'vendors') AS e))) ||
		pg_temp.vendor_bits(ARRAY(SELECT e::int FROM jsonb_array_elements(f -> 'vendor_interests') AS e)) ||
		coalesce(f ->> 'restriction_bits', pg_temp.restriction_bits(f -> 'restrictions')))
	FROM (SELECT '{"version": 2, "created": "2026-06-01 00:00:00+00", "policy": 5, "service_specific": true, "language": "EN", "country": "DE",
		"purposes": [], "interests": [], "vendors": [], "vendor_interests": [], "restrictions": [], "purpose_one_treatment": false}'::jsonb || fields) AS x(f)
$$;

CREATE FUNCTION pg_temp.disclosed(vendors int[]) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN vendors IS NOT NULL THEN pg_temp.base64url('001' || pg_temp.vendor_bits(vendors)) END
$$;

CREATE FUNCTION pg_temp.publisher(fields jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.base64url('011' || pg_temp.bits(f -> 'purposes', 24) || pg_temp.bits(f -> 'interests', 24) ||
		pg_temp.bits((f -> 'custom')::bigint, 6) ||
		pg_temp.bits(f -> 'custom_consent', (f -> 'custom')::int) || pg_temp.bits(f -> 'custom_interest', (f -> 'custom')::int))
	FROM (SELECT '{"purposes": [], "interests": [], "custom": 0, "custom_consent": [], "custom_interest": []}'::jsonb || fields) AS x(f)
$$;

-- a whole string: segments that are null are left out
CREATE FUNCTION pg_temp.tc(core jsonb, disclosed int[], publisher jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('.', pg_temp.core(core), pg_temp.disclosed(disclosed), pg_temp.publisher(publisher))
$$;

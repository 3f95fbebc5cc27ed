-- consent_decode: consent as browsers and consent platforms report it.
CREATE TABLE personalize.consent_mapping (
	source text NOT NULL CHECK (pg_catalog.octet_length(source) BETWEEN 1 AND 64),
	purpose text NOT NULL REFERENCES personalize.purpose,
	path jsonpath NOT NULL,
	accepted text[] NOT NULL CHECK (
		pg_catalog.array_position(accepted, NULL) IS NULL
		AND pg_catalog.cardinality(accepted) OPERATOR(pg_catalog.<=) 100),
	description text,
	builtin boolean NOT NULL DEFAULT false,
	CONSTRAINT consent_mapping_path_without_variables CHECK (
		-- a variable, written $"name", would never have a value
		pg_catalog.strpos(pg_catalog.regexp_replace(path::text, E'"(\\\\.|[^"\\\\])*"', '""', 'g'), '$""') OPERATOR(pg_catalog.=) 0)
);
CREATE UNIQUE INDEX consent_mapping_key ON personalize.consent_mapping (source, purpose, (path::text), builtin);
COMMENT ON TABLE personalize.consent_mapping IS
	'what the words of consent platforms mean: a source allows a purpose if all its rows for it find an accepted value. Rows of your own replace the shipped ones, per source and purpose';
COMMENT ON COLUMN personalize.consent_mapping.source IS
	'tcf, usnat, consent_mode and gpc: what consent_from decodes; any other name: a platform of your own, whose payload is looked at as it is';
COMMENT ON COLUMN personalize.consent_mapping.purpose IS 'the purpose that is allowed';
COMMENT ON COLUMN personalize.consent_mapping.path IS
	'where the value is: in the payload, or in what consent_from made of tcf ({"1": ..., "24": ..., "custom_1": ...} by purpose), usnat (sale, sharing, targeted_advertising), consent_mode (its parameters), gpc (gpc)';
COMMENT ON COLUMN personalize.consent_mapping.accepted IS
	'values that are a yes, compared as text (true, 1, granted); everything else is no. With {} nothing is. Of a list, or of several values that a path finds, one is enough';
COMMENT ON COLUMN personalize.consent_mapping.builtin IS 'shipped: cannot be changed, but replaced';

-- purposes of the IAB's TCF Policies, Appendix A
INSERT INTO personalize.consent_mapping
	SELECT 'tcf', m.purpose, pg_catalog.format('$."%s"', m.number)::jsonpath, '{consented}',
		pg_catalog.format('TCF Policies, Appendix A, purpose %s: %s', m.number, m.title), true
	FROM (VALUES
		('analytics', 1, 'store and/or access information on a device'),
		('analytics', 8, 'measure content performance'),
		('analytics', 9, 'understand audiences through statistics or combinations of data from different sources'),
		('personalization', 1, 'store and/or access information on a device'),
		('personalization', 5, 'create profiles to personalise content'),
		('personalization', 6, 'use profiles to select personalised content'),
		('recommendations', 1, 'store and/or access information on a device'),
		('recommendations', 6, 'use profiles to select personalised content'),
		('recommendations', 10, 'develop and improve services'),
		('marketing', 1, 'store and/or access information on a device'),
		('marketing', 3, 'create profiles for personalised advertising'),
		('marketing', 4, 'use profiles to select personalised advertising')) AS m(purpose, number, title);
-- who objects to sale, sharing or targeted advertising is taken to object to all of it
INSERT INTO personalize.consent_mapping
	SELECT 'usnat', p.name, pg_catalog.format('$.%s', f.field)::jsonpath, '{not_opted_out}',
		pg_catalog.format('GPP section 7: notice given, and no objection to %s', pg_catalog.replace(f.field, '_', ' ')), true
	FROM personalize.purpose p, (VALUES ('sale'), ('sharing'), ('targeted_advertising')) AS f(field);
INSERT INTO personalize.consent_mapping
	SELECT 'gpc', p.name, '$.gpc', '{not_opted_out}', 'Global Privacy Control: refuses, but never allows', true
	FROM personalize.purpose p;
INSERT INTO personalize.consent_mapping
	SELECT 'consent_mode', m.purpose, pg_catalog.format('$.%s', m.parameter)::jsonpath, '{granted}',
		pg_catalog.format('Google Consent Mode v2: %s', m.parameter), true
	FROM (VALUES
		('analytics', 'analytics_storage'),
		('personalization', 'personalization_storage'),
		('recommendations', 'personalization_storage'),
		('marketing', 'ad_storage'),
		('marketing', 'ad_user_data'),
		('marketing', 'ad_personalization')) AS m(purpose, parameter);
SELECT pg_catalog.pg_extension_config_dump('personalize.consent_mapping', 'WHERE NOT builtin');

CREATE FUNCTION personalize_internal._check_consent_mapping() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		RAISE EXCEPTION 'consent_mapping cannot be truncated: the shipped rows stay'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'DELETE FROM personalize.consent_mapping WHERE NOT builtin removes your own.';
	END IF;
	IF (TG_OP <> 'INSERT' AND OLD.builtin) OR (TG_OP <> 'DELETE' AND NEW.builtin) THEN
		RAISE EXCEPTION 'the shipped rows of consent_mapping cannot be changed'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Insert rows of your own for the same source and purpose: they replace the shipped ones.';
	END IF;
	RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_consent_mapping() IS 'trigger of consent_mapping: guards the shipped rows';
CREATE TRIGGER check_consent_mapping BEFORE INSERT OR UPDATE OR DELETE ON personalize.consent_mapping
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._check_consent_mapping();
CREATE TRIGGER check_truncate BEFORE TRUNCATE ON personalize.consent_mapping
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._check_consent_mapping();

CREATE FUNCTION personalize_internal._consent_mapping_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_consent_mapping_changed' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._consent_mapping_changed() IS 'trigger: makes every session read consent_mapping anew';
SELECT personalize_internal._announce('{consent_mapping,purpose}', '_consent_mapping_changed');

CREATE FUNCTION personalize.consent_from(
	payload jsonb,
	as_of timestamptz DEFAULT NULL,
	OUT consent text[],
	OUT reasons jsonb) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_consent_from' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION personalize.consent_from(jsonb, timestamptz) IS
	'what a consent platform reported, as the purposes it allows (for track and grant_consent) and why: payload has any of tcf (TC string or TCData), gpp (GPP string or PingReturn), consent_mode, gpc, and what consent_mapping looks for. Whatever is not understood is a no with its reason, never an error. NULL: NULL, so that the event is silent. as_of: now, for expiry. Errors: 22023 as_of infinite; none for what is in payload';

CREATE FUNCTION personalize.decode_tcf(tc_string text) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_decode_tcf' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize.decode_tcf(text) IS
	'every field of an IAB TCF v2 string, vendors as ranges like 1-4,7; of an invalid one {"error": ...}';

CREATE FUNCTION personalize.decode_gpp(gpp_string text) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_decode_gpp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize.decode_gpp(text) IS
	'the sections of an IAB GPP string, decoded if they are 2 (TCF EU) or 7 (US national), else as text; of an invalid one {"error": ...} and what the header lists';

REVOKE ALL ON FUNCTION
	personalize_internal._check_consent_mapping(),
	personalize_internal._consent_mapping_changed(),
	personalize.consent_from(jsonb, timestamptz),
	personalize.decode_tcf(text),
	personalize.decode_gpp(text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.consent_from(jsonb, timestamptz),
	personalize.decode_tcf(text),
	personalize.decode_gpp(text)
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.consent_mapping TO personalize_app, personalize_analyst, personalize_admin;
GRANT INSERT, UPDATE, DELETE ON personalize.consent_mapping TO personalize_admin;

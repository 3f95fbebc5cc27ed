-- profile: one row a user, holding all signals packed.
CREATE TABLE personalize.profile (
	user_key bigint PRIMARY KEY,
	first_seen timestamptz,
	last_seen timestamptz,
	events bigint NOT NULL,
	mask integer NOT NULL,
	recent bytea,
	steps bytea,
	features personalize.feature_state
) WITH (fillfactor = 85, toast_tuple_target = 8160);
SELECT pg_catalog.pg_extension_config_dump('personalize.profile', '');
-- A row stays in its page up to a page's size: a packed row read from TOAST
-- or decompressed costs a multiple.
ALTER TABLE personalize.profile ALTER features SET STORAGE MAIN, ALTER recent SET STORAGE MAIN, ALTER steps SET STORAGE MAIN;
COMMENT ON TABLE personalize.profile IS
	'what the profile processor has counted about each user, packed; read it through profile(), features() and recent(), which add what it has not reached yet, or through the analysts'' views';
COMMENT ON COLUMN personalize.profile.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.profile.first_seen IS 'time of the first event that may be used for personalization';
COMMENT ON COLUMN personalize.profile.last_seen IS 'time of the last event that may be used for personalization';
COMMENT ON COLUMN personalize.profile.events IS 'events that may be used for personalization';
COMMENT ON COLUMN personalize.profile.mask IS 'purposes under which anything in the row was collected: bits of purpose.bit';
COMMENT ON COLUMN personalize.profile.recent IS 'last items; first byte: format version';
COMMENT ON COLUMN personalize.profile.steps IS 'last events that are steps of a sequence in a segment; first byte: format version';
COMMENT ON COLUMN personalize.profile.features IS 'counts and sums per signal and value';

CREATE TABLE personalize.feature_value (
	signal smallint NOT NULL,
	value_key bigint NOT NULL,
	value text NOT NULL,
	PRIMARY KEY (signal, value_key)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.feature_value', '');
COMMENT ON TABLE personalize.feature_value IS
	'the texts behind the value keys of features; not listed are numbers below 2^47, which are their own keys, and items whose id the catalogue or its log has';
COMMENT ON COLUMN personalize.feature_value.value_key IS 'low 48 bits of the feature key';

CREATE FUNCTION personalize_internal._value_key(value text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_value_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._value_key(text) IS
	'the 48-bit key under which features keep a value; the feature''s key is signal << 48 | this';
CREATE FUNCTION personalize_internal._feature_value(signal smallint, value_key bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_feature_value' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION personalize_internal._feature_value(smallint, bigint) IS
	'the text behind a value key of a signal; NULL if it is not known';
CREATE FUNCTION personalize.price_band(price numeric) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_price_band' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize.price_band(numeric) IS
	'band of a price as signal price_band counts it, in steps of 1, 2 and 5: 0-1, 1-2, 2-5, 5-10, 10-20, ... 1000000000+; the lower end belongs to it; NULL for a negative price or NaN';

CREATE FUNCTION personalize.profile(
	user_id personalize.entity_id,
	purpose text DEFAULT NULL)
	RETURNS TABLE (
		user_key bigint, events bigint, first_seen timestamptz, last_seen timestamptz,
		purposes text[], features jsonb, evicted bigint, stale boolean)
	AS 'MODULE_PATHNAME', 'personalize_profile' LANGUAGE C STABLE PARALLEL SAFE ROWS 1 COST 100;
COMMENT ON FUNCTION personalize.profile(personalize.entity_id, text) IS
	'what is known of a person now, one row or none: events counted, first and last time, purposes it was collected for, features {signal: [{"value", "count", "sum", "decayed"}, ...]} the weightiest first, features forgotten because there were more than 512. purpose NULL: personalization; only what was collected for it is shown. stale: more un-rolled events than personalize.max_tail_events were waiting and are left out. Errors: 42501 no purpose in force, or no signal is counted for it';
CREATE FUNCTION personalize.features(
	user_id personalize.entity_id,
	period interval DEFAULT '30 days',
	as_of timestamptz DEFAULT NULL,
	purpose text DEFAULT NULL)
	RETURNS TABLE (
		signal text, value text, count bigint, sum numeric, decayed double precision,
		last_seen timestamptz, complete_since timestamptz, stale boolean,
		min numeric, max numeric, first numeric, last numeric)
	AS 'MODULE_PATHNAME', 'personalize_features' LANGUAGE C STABLE PARALLEL SAFE ROWS 20 COST 100;
COMMENT ON FUNCTION personalize.features(personalize.entity_id, interval, timestamptz, text) IS
	'what a person did within (as_of - period, as_of], to the grain of the panes: count of events and sum of their weights per signal and value, by signal and decayed weight. period NULL: all that is kept; a month counts 30 days. as_of NULL: now. decayed: the sum over all that is kept up to as_of, halved every half-life of the signal. complete_since: the signal did not count before. min, max, first, last: of the numbers that events added to sum; NULL unless aggregates of create_signal() names them. purpose, stale: as in profile(). Errors: 42501 no purpose in force, or no signal is counted for it';
CREATE FUNCTION personalize.recent(
	user_id personalize.entity_id,
	n integer DEFAULT 64,
	purpose text DEFAULT NULL)
	RETURNS TABLE (
		place integer, item_id text, item_key bigint, event text, ts timestamptz, stale boolean)
	AS 'MODULE_PATHNAME', 'personalize_recent' LANGUAGE C STABLE PARALLEL SAFE ROWS 20 COST 100;
COMMENT ON FUNCTION personalize.recent(personalize.entity_id, integer, text) IS
	'the last items a person dealt with, newest first: each item and kind of event once, at its last time; exposures are left out; at most 64 are kept, of events that personalization or recommendations may use, and shown are those that the purpose may use, too. purpose, stale: as in profile(). Errors: 42501 no purpose in force';

REVOKE ALL ON FUNCTION
	personalize_internal._value_key(text),
	personalize_internal._feature_value(smallint, bigint),
	personalize.profile(personalize.entity_id, text),
	personalize.features(personalize.entity_id, interval, timestamptz, text),
	personalize.recent(personalize.entity_id, integer, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.profile(personalize.entity_id, text),
	personalize.features(personalize.entity_id, interval, timestamptz, text),
	personalize.recent(personalize.entity_id, integer, text)
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize_internal._value_key(text),
	personalize_internal._feature_value(smallint, bigint)
	TO personalize_analyst, personalize_admin;

CREATE FUNCTION personalize_internal._recent_items(recent bytea, user_key bigint DEFAULT NULL,
	OUT item_key bigint, OUT ts timestamptz, OUT event smallint, OUT consent integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_recent_items' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 64;
COMMENT ON FUNCTION personalize_internal._recent_items(bytea, bigint) IS
	'unpacks profile.recent, newest first; user_key is for the error if it is damaged';
REVOKE ALL ON FUNCTION personalize_internal._recent_items(bytea, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._recent_items(bytea, bigint) TO personalize_owner, personalize_admin;

CREATE FUNCTION personalize_internal._profile_steps(steps bytea, user_key bigint DEFAULT NULL,
	OUT ts timestamptz, OUT event smallint, OUT consent integer, OUT query bigint, OUT item_key bigint, OUT session_key bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_profile_steps' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 16;
COMMENT ON FUNCTION personalize_internal._profile_steps(bytea, bigint) IS
	'unpacks profile.steps, newest first; query: value key of signal search_term; user_key is for the error if it is damaged';
REVOKE ALL ON FUNCTION personalize_internal._profile_steps(bytea, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._profile_steps(bytea, bigint) TO personalize_owner, personalize_admin;

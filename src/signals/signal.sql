-- signal: what is counted about a user, and out of which events.
CREATE TABLE personalize.signal (
	signal smallint PRIMARY KEY CHECK (signal > 0),
	name text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
	events smallint[],
	weights numeric[],
	key_path text NOT NULL,
	value_path text,
	filter jsonpath,
	periods interval[] NOT NULL,
	half_life interval NOT NULL,
	purposes integer NOT NULL,
	aggregates text[] NOT NULL DEFAULT '{count,sum}',
	basis text NOT NULL DEFAULT 'observed' CHECK (basis IN ('declared', 'observed', 'inferred')),
	scope text NOT NULL DEFAULT 'user' CHECK (scope IN ('user', 'item', 'category', 'brand', 'tag', 'query', 'global')),
	description text,
	builtin boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('personalize.signal', 'WHERE NOT builtin');
COMMENT ON TABLE personalize.signal IS
	'what is counted about a user; changed through create_signal, alter_signal and drop_signal';
COMMENT ON COLUMN personalize.signal.signal IS 'number in the high 16 bits of a feature key; never used again after drop_signal';
COMMENT ON COLUMN personalize.signal.events IS 'event_type.event of the events it counts; NULL: every type whose weight is not 0';
COMMENT ON COLUMN personalize.signal.weights IS 'weight of each of events; NULL, also for one of them: event_type.weight';
COMMENT ON COLUMN personalize.signal.key_path IS 'where the value counted comes from: item, item.category, item.brand, item.tags, item.price_band, properties.<name>, none';
COMMENT ON COLUMN personalize.signal.value_path IS 'a number the weight is multiplied with: value or properties.<name>; NULL: 1';
COMMENT ON COLUMN personalize.signal.filter IS 'jsonpath predicate on the event''s properties; NULL: all';
COMMENT ON COLUMN personalize.signal.periods IS 'spans features() is asked for; they decide how finely and how long is counted';
COMMENT ON COLUMN personalize.signal.half_life IS 'after this time an event counts half in the decayed value';
COMMENT ON COLUMN personalize.signal.purposes IS 'bits of purpose.bit: an event feeds the signal if the person allowed all of them for it';
COMMENT ON COLUMN personalize.signal.aggregates IS 'what will be asked of it; of min, max, first and last only those named here are kept, and distinct is exact to a bound and then an estimate if it is named';
COMMENT ON COLUMN personalize.signal.basis IS 'declared: what the person told us; observed: what the person did; inferred: what was concluded about the person, or by linking devices: no profile, feature, segment, experiment or engine has it, only cohort reports count it';
COMMENT ON COLUMN personalize.signal.scope IS 'what it is kept by: user in profiles; the others are read from what is counted of everybody, item_stat and search_stat, when a feature view asks for them';

INSERT INTO personalize.signal (signal, name, key_path, periods, half_life, purposes, description, builtin) VALUES
	(1, 'interest_category', 'item.category', '{1 hour,1 day,7 days,30 days,90 days}', '14 days', 2, 'interest in categories', true),
	(2, 'interest_brand', 'item.brand', '{1 day,7 days,30 days,90 days}', '30 days', 2, 'interest in brands', true),
	(3, 'interest_tag', 'item.tags', '{1 day,7 days,30 days,90 days}', '14 days', 2, 'interest in tags', true),
	(4, 'price_band', 'item.price_band', '{1 day,7 days,30 days,90 days}', '30 days', 2, 'price bands looked at and bought in', true),
	(5, 'search_term', 'properties.query', '{1 hour,1 day,7 days,30 days}', '7 days', 2, 'words searched for', true),
	(6, 'item_affinity', 'item', '{1 day,7 days,30 days,90 days}', '14 days', 2, 'interest in single items', true);
UPDATE personalize.signal SET events = '{1}' WHERE name OPERATOR(pg_catalog.=) 'search_term';

-- State of signals: a row appears when something first happens to one.
CREATE TABLE personalize.signal_state (
	signal smallint PRIMARY KEY,
	enabled boolean NOT NULL DEFAULT true,
	complete_since timestamptz,
	dropped boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('personalize.signal_state', '');
COMMENT ON TABLE personalize.signal_state IS
	'signals that were switched, created, changed or rebuilt after the installation; no row: enabled and complete from the first event on';
COMMENT ON COLUMN personalize.signal_state.complete_since IS
	'events from here on are counted completely; NULL: all; a new signal''s is when it was made until what raw events are still there is filled in';

CREATE FUNCTION personalize_internal._definition_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_definition_changed' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._definition_changed() IS
	'makes every session read the signals anew';
SELECT personalize_internal._announce('{signal,signal_state,event_type}', '_definition_changed');

CREATE VIEW personalize.signal_status AS
	SELECT d.name,
		CASE WHEN d.events IS NULL THEN NULL ELSE ARRAY(
			SELECT t.name FROM pg_catalog.unnest(d.events) WITH ORDINALITY AS e (event, place)
			JOIN personalize.event_type t USING (event) ORDER BY e.place) END AS events,
		d.key_path, d.value_path, d.filter, d.periods, d.half_life,
		ARRAY(SELECT p.name FROM personalize.purpose p
			WHERE (d.purposes OPERATOR(pg_catalog.>>) p.bit) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1
			ORDER BY p.bit) AS purposes,
		d.basis, d.aggregates, coalesce(s.enabled, true) AS enabled, s.complete_since, d.builtin, d.signal, d.description,
		ARRAY(SELECT extract(epoch FROM w.period)::bigint FROM pg_catalog.unnest(d.periods) WITH ORDINALITY AS w (period, place)
			ORDER BY w.place) AS periods_seconds,
		extract(epoch FROM d.half_life)::bigint AS half_life_seconds, d.scope
	FROM personalize.signal d LEFT JOIN personalize.signal_state s USING (signal);
COMMENT ON VIEW personalize.signal_status IS
	'the signals in words: what they count, for which purposes, whether they are switched on and since when they are complete (NULL: from the first event on)';

CREATE FUNCTION personalize.create_signal(
	name text,
	events text[],
	key_path text,
	weights jsonb DEFAULT NULL,
	value_path text DEFAULT NULL,
	filter personalize.path_filter DEFAULT NULL,
	periods interval[] DEFAULT '{1 day,7 days,30 days}',
	half_life interval DEFAULT '14 days',
	purposes text[] DEFAULT NULL,
	basis text DEFAULT 'observed',
	description text DEFAULT NULL,
	aggregates text[] DEFAULT '{count,sum}',
	scope text DEFAULT 'user') RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_create_signal' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.create_signal(text, text[], text, jsonb, text, personalize.path_filter, interval[], interval, text[], text, text, text[], text) IS
	'counts something new about users: events (NULL: every type whose weight is not 0) by the value at key_path (item, item.category, item.brand, item.tags, item.price_band, properties.<name>, none). weights {"event": number} replace event_type.weight; value_path (value, properties.<name>) multiplies them; filter is a jsonpath predicate on the event''s properties; periods are the spans features() will be asked for, and decide how finely it is counted: one of less than 6 hours in panes of 5 minutes, one of less than 3 days in hours, others in days, and what is asked for is up to one pane shorter than it says (explain_features() tells); half_life is that of the decayed value. aggregates are what will be asked of it: min, max, first and last (of the numbers that events add to its sum) only where they are named here, all others in any case; with distinct, the different values of each pane of time are kept, up to 128 exactly and more as an estimate with a standard error of 2.3 %, else they are those that the profile has room for. An event counts only if the person allows all of purposes. basis: observed (what people do), declared (what they say) or inferred (what was concluded, or comes of linking devices), which only create_cohort_report() takes. purposes NULL: personalization; of other scopes than user analytics. scope: user: kept in profiles; item, category, brand, tag, query or global: over all people, read from what is counted of everybody anyway, so that it knows the past at once, each person is taken out of it exactly, and nothing more is stored: by events and their value, by hour; of queries by view_item_list, select_item, add_to_cart and purchase as exposures credit them, by day. Such a signal has no filter, no key_path but that of its scope (item, item.category, item.brand, item.tags, properties.query) or none, value_path value or none, aggregates count, sum, mean and decayed; get_features(id, name) reads it, as do feature views of that entity (of global: shop), by its name. Returns its number. It counts what comes from now on at once; the raw events that exist are filled in, for it alone, in the background or by rollup_now(): until then complete_since is the time of the call, then that of the oldest raw events, and stat_progress shows how far it is. Errors: 42710 it exists; 42704 unknown purpose; 54000 a limit';
CREATE FUNCTION personalize.alter_signal(
	name text,
	events text[] DEFAULT NULL,
	key_path text DEFAULT NULL,
	weights jsonb DEFAULT NULL,
	value_path text DEFAULT NULL,
	filter personalize.path_filter DEFAULT NULL,
	periods interval[] DEFAULT NULL,
	half_life interval DEFAULT NULL,
	purposes text[] DEFAULT NULL,
	basis text DEFAULT NULL,
	description text DEFAULT NULL,
	aggregates text[] DEFAULT NULL) RETURNS smallint
	AS 'MODULE_PATHNAME', 'personalize_alter_signal' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.alter_signal(text, text[], text, jsonb, text, personalize.path_filter, interval[], interval, text[], text, text, text[]) IS
	'changes a signal of your own; what is NULL stays. Unless only half_life or description change, it starts counting anew under a new number, which is returned, and the raw events that exist are filled in as for create_signal(); filter ''true'' lets all events pass. Errors: 42704 unknown; 55000 it comes with the extension; 55006 it would count anew, and an experiment that is not over has it as a metric';
CREATE FUNCTION personalize.drop_signal(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_drop_signal' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.drop_signal(text) IS
	'removes a signal of your own: readers show it no longer, and its counts leave each profile when that is next written. Errors: 42704 unknown; 55000 it comes with the extension; 55006 a segment, a feature view or an experiment that is not over needs it, and the error says which';
CREATE FUNCTION personalize.enable_signal(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_enable_signal' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.enable_signal(text) IS
	'lets a signal count again, complete from now on; backfill_signal() fills in what it has missed. Errors: 42704 unknown';
CREATE FUNCTION personalize.disable_signal(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_disable_signal' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.disable_signal(text) IS
	'stops a signal from counting and readers from showing it; what it has counted is kept, and a back-fill of it ends. Errors: 42704 unknown';
CREATE FUNCTION personalize.test_signal(
	definition jsonb,
	user_id personalize.entity_id DEFAULT NULL,
	sample integer DEFAULT 100000,
	purpose text DEFAULT NULL)
	RETURNS TABLE (
		outcome text, value text, users bigint, events bigint, sum numeric,
		first_event timestamptz, last_event timestamptz, people text[])
	AS 'MODULE_PATHNAME', 'personalize_test_signal' LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 20;
COMMENT ON FUNCTION personalize.test_signal(jsonb, personalize.entity_id, integer, text) IS
	'what a signal would count, of the newest raw events (as many as sample, of everybody or of one person); nothing is stored. definition: a JSON object of the arguments of create_signal(), arrays as arrays and intervals as strings. A row for each value that would be counted (at most 1000), that of most events first: by how many users, in how many events, the sum of their weights, the first and the last one, and some of the people by id; and a row for each reason why others would not be: no value, filtered out, not allowed (by what the people allowed, or for the purpose in force; not told of one person), number too large, other event. Errors: 22023 a member is none, and the hint says what there is; 42704 unknown purpose, or an event that was never tracked; 42501 no purpose in force, or one that the signal is not for; and those of create_signal()';

CREATE FUNCTION personalize.suggest_signals(
	sample integer DEFAULT 100000,
	purpose text DEFAULT NULL)
	RETURNS TABLE (
		place integer, name text, reason text, users bigint, events bigint, different bigint, call text)
	AS 'MODULE_PATHNAME', 'personalize_suggest_signals' LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 20;
COMMENT ON FUNCTION personalize.suggest_signals(integer, text) IS
	'what is tracked and no signal counts yet, of the newest raw events (as many as sample) that may be used for personalization and the purpose in force; nothing is stored. A row for each type of event, each property with at most 512 values that come again, and each number: of how many users and events (of at least 5 users; users and different values are counted to 10000), and a call of create_signal() that counts it, ready to run. Properties whose name ends in id or key, or that are different in most events, are left out. No value is told. Errors: 22023 sample is out of range; 42501 no purpose in force';
CREATE FUNCTION personalize.backfill_signal(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_backfill_signal' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.backfill_signal(text) IS
	'has the raw events that exist counted anew for one signal, in the background or by rollup_now(), as create_signal() and alter_signal() do by themselves: after enable_signal(), or when weights of event types have changed. What it has counted of events that are gone goes. What is there stays in use until it is replaced, some people in each transaction; stat_progress shows how far it is. Errors: 42704 unknown; 55000 disabled';

REVOKE ALL ON FUNCTION
	personalize_internal._definition_changed(),
	personalize.test_signal(jsonb, personalize.entity_id, integer, text),
	personalize.suggest_signals(integer, text),
	personalize.create_signal(text, text[], text, jsonb, text, personalize.path_filter, interval[], interval, text[], text, text, text[], text),
	personalize.alter_signal(text, text[], text, jsonb, text, personalize.path_filter, interval[], interval, text[], text, text, text[]),
	personalize.drop_signal(text), personalize.enable_signal(text), personalize.disable_signal(text), personalize.backfill_signal(text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.create_signal(text, text[], text, jsonb, text, personalize.path_filter, interval[], interval, text[], text, text, text[], text),
	personalize.alter_signal(text, text[], text, jsonb, text, personalize.path_filter, interval[], interval, text[], text, text, text[]),
	personalize.drop_signal(text), personalize.enable_signal(text), personalize.disable_signal(text), personalize.backfill_signal(text)
	TO personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.test_signal(jsonb, personalize.entity_id, integer, text), personalize.suggest_signals(integer, text)
	TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.signal, personalize.signal_state, personalize.signal_status
	TO personalize_analyst, personalize_admin;

CREATE FUNCTION personalize_internal._state_folded(
	state personalize.feature_state, as_of timestamptz, user_key bigint DEFAULT NULL) RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_state_folded' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._state_folded(personalize.feature_state, timestamptz, bigint) IS
	'a profile''s features as an event at as_of would leave them: panes widened and expired as the signals want it; user_key is for the error if they are damaged';
REVOKE ALL ON FUNCTION personalize_internal._state_folded(personalize.feature_state, timestamptz, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._state_folded(personalize.feature_state, timestamptz, bigint)
	TO personalize_owner, personalize_admin;

CREATE FUNCTION personalize_internal._keep_used() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	used_by text[];
BEGIN
	EXECUTE format('SELECT personalize_internal.%I($1, $2)', TG_ARGV[0]) INTO used_by USING TG_TABLE_NAME::text, OLD.name;
	IF cardinality(used_by) > 0 THEN
		RAISE EXCEPTION '% "%" is in use', TG_TABLE_NAME, OLD.name USING ERRCODE = 'object_in_use',
			DETAIL = format('It is needed by %s.', array_to_string(used_by[:20], ', ') || CASE WHEN cardinality(used_by) > 20 THEN format(', and %s more', cardinality(used_by) - 20) ELSE '' END),
			HINT = TG_ARGV[1];
	END IF;
	RETURN coalesce(NEW, OLD);
END
$$;
COMMENT ON FUNCTION personalize_internal._keep_used() IS
	'trigger of signal and segment: error 55006 if something needs the row; arguments: the function f(table, name) that lists what does, and the way out. Each part that names signals or segments has its trigger';
REVOKE ALL ON FUNCTION personalize_internal._keep_used() FROM PUBLIC;

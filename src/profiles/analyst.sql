
-- analyst: profiles as rows, for whoever counts people.
CREATE FUNCTION personalize_internal._profile_rows_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_profile_rows_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._profile_rows_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._profile_features(
	features personalize.feature_state, signal smallint, period interval, as_of timestamptz,
	user_key bigint DEFAULT NULL,
	OUT value_key bigint, OUT count bigint, OUT sum numeric, OUT last_seen timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_profile_features' LANGUAGE C STABLE PARALLEL SAFE ROWS 5 COST 5
	SUPPORT personalize_internal._profile_rows_support;
COMMENT ON FUNCTION personalize_internal._profile_features(personalize.feature_state, smallint, interval, timestamptz, bigint) IS
	'values of a signal in a state within (as_of - period, as_of], to the grain of the panes; NULL: all, now; user_key is for the error if it is damaged';
CREATE FUNCTION personalize_internal._profile_panes(
	features personalize.feature_state, signal smallint, user_key bigint DEFAULT NULL,
	OUT value_key bigint, OUT pane_start timestamptz, OUT pane_end timestamptz, OUT grain text,
	OUT count bigint, OUT sum numeric, OUT min numeric, OUT max numeric, OUT first numeric, OUT last numeric) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_profile_panes' LANGUAGE C STABLE PARALLEL SAFE ROWS 15 COST 5
	SUPPORT personalize_internal._profile_rows_support;
COMMENT ON FUNCTION personalize_internal._profile_panes(personalize.feature_state, smallint, bigint) IS
	'panes of a signal in a state; user_key is for the error if it is damaged';

-- Views that have rows for the purposes of signals only say so.
-- what the planner must know: most signals are shown, and have a few periods
CREATE FUNCTION personalize_internal._signal_is_shown(enabled boolean, dropped boolean) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_signal_is_shown' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._mostly_support;
COMMENT ON FUNCTION personalize_internal._signal_is_shown(boolean, boolean) IS
	'whether readers show a signal, by what signal_state says of it, NULL: nothing';
CREATE FUNCTION personalize_internal._periods(periods interval[]) RETURNS SETOF interval
	AS 'array_unnest' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE ROWS 4;
COMMENT ON FUNCTION personalize_internal._periods(interval[]) IS 'the periods of a signal as rows';
CREATE FUNCTION personalize_internal._signals_covered_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_signals_covered_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._signals_covered_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._signals_covered() RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_signals_covered' LANGUAGE C STABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._signals_covered_support;
COMMENT ON FUNCTION personalize_internal._signals_covered() IS
	'true if a signal is counted for the purpose in force, those that the statement names being asked; else error 42501 that names the purposes, or false under personalize.on_denied = empty';

-- what a value is called, and how a condition on that finds it by its key
CREATE FUNCTION personalize_internal._value_shown(signal smallint, value_key bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_feature_value' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10
	SUPPORT personalize_internal._asked_value_support;
COMMENT ON FUNCTION personalize_internal._value_shown(smallint, bigint) IS
	'_feature_value(), for views that ask _value_asked(): a condition that it is one value is answered by that alone';
CREATE FUNCTION personalize_internal._value_is_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_value_is_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION personalize_internal._value_asked_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_value_asked_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._value_is_support(internal), personalize_internal._value_asked_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._value_is(signal smallint, value_key bigint, wanted bigint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_value_is' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1
	SUPPORT personalize_internal._value_is_support;
COMMENT ON FUNCTION personalize_internal._value_is(smallint, bigint, bigint) IS
	'true if the keys are the same; the planner knows of how many values of a profile, for which it must see the signal beside them';
CREATE FUNCTION personalize_internal._value_asked(value text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_item_asked' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._value_asked_support;
COMMENT ON FUNCTION personalize_internal._value_asked(text) IS
	'true; a statement with a condition on what _value_shown() has of the same arguments is planned with _value_is() and a value that is known';
REVOKE ALL ON FUNCTION personalize_internal._value_shown(smallint, bigint), personalize_internal._value_is(smallint, bigint, bigint),
	personalize_internal._value_asked(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._value_shown(smallint, bigint), personalize_internal._value_is(smallint, bigint, bigint),
	personalize_internal._value_asked(text) TO personalize_analyst, personalize_admin;

CREATE FUNCTION personalize_internal._values_counted_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'personalize_values_counted_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION personalize_internal._values_counted_support(internal) FROM PUBLIC;
CREATE FUNCTION personalize_internal._values_counted(value_key bigint, user_key bigint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_values_counted' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1
	SUPPORT personalize_internal._values_counted_support;
COMMENT ON FUNCTION personalize_internal._values_counted(bigint, bigint) IS
	'true; the planner is told by it that many calls of _profile_features() and _profile_panes() return no row';
REVOKE ALL ON FUNCTION personalize_internal._values_counted(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._values_counted(bigint, bigint) TO personalize_analyst, personalize_admin;

-- the views are asked for one person by id, and the planner knows nothing else of ids
CREATE UNIQUE INDEX subject_user_id_idx ON personalize.subject (user_id);

-- The outer joins vanish from the plan where nothing of their table is asked
-- for; the lateral call stands last, after every condition on user and signal.
CREATE VIEW personalize.profile_feature AS
	SELECT s.user_id, d.name AS signal,
		personalize_internal._value_shown(d.signal, f.value_key) AS value,
		w.period, f.count, f.sum, f.last_seen, t.complete_since, p.user_key,
		extract(epoch FROM w.period)::bigint AS period_seconds
	FROM personalize.profile p
		LEFT JOIN personalize.subject s ON s.user_key OPERATOR(pg_catalog.=) p.user_key
		JOIN personalize.signal d ON personalize_internal._covers(personalize_internal._unrestricted(p.mask, p.user_key), d.purposes)
			AND personalize_internal._readable(d.purposes)
		LEFT JOIN personalize.signal_state t ON t.signal OPERATOR(pg_catalog.=) d.signal
		CROSS JOIN LATERAL personalize_internal._periods(d.periods) AS w (period)
		CROSS JOIN LATERAL personalize_internal._profile_features(p.features, d.signal, w.period, NULL, p.user_key) f
	WHERE personalize_internal._id_asked(s.user_id, p.user_key) AND personalize_internal._id_asked(s.user_id, s.user_key)
		AND personalize_internal._signal_is_shown(t.enabled, t.dropped) AND personalize_internal._signals_covered()
		AND personalize_internal._values_counted(f.value_key, p.user_key)
		AND personalize_internal._value_asked(personalize_internal._feature_value(d.signal, f.value_key));
COMMENT ON VIEW personalize.profile_feature IS
	'what each person did, one row per value of a signal and period of the signal, as far as the profile processor has got; only what the person''s consent covers and the purpose in force needs. Conditions on user_id, user_key, signal and period are applied before a profile is unpacked';
COMMENT ON COLUMN personalize.profile_feature.signal IS 'signal.name';
COMMENT ON COLUMN personalize.profile_feature.value IS 'what was counted: a category, a brand, a word, an item_id';
COMMENT ON COLUMN personalize.profile_feature.period IS 'one of the signal''s periods: count and sum are of (now - period, now], to the grain of the panes';
COMMENT ON COLUMN personalize.profile_feature.count IS 'events';
COMMENT ON COLUMN personalize.profile_feature.sum IS 'their weights';
COMMENT ON COLUMN personalize.profile_feature.last_seen IS 'time of the last such event, of any period';
COMMENT ON COLUMN personalize.profile_feature.complete_since IS 'the signal did not count before; NULL: complete';
COMMENT ON COLUMN personalize.profile_feature.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.profile_feature.period_seconds IS 'period in seconds; a condition on period is applied earlier';

CREATE VIEW personalize.profile_pane AS
	SELECT s.user_id, d.name AS signal,
		personalize_internal._value_shown(d.signal, f.value_key) AS value,
		f.pane_start, f.pane_end, f.grain, f.count, f.sum, p.user_key, f.min, f.max, f.first, f.last
	FROM personalize.profile p
		LEFT JOIN personalize.subject s ON s.user_key OPERATOR(pg_catalog.=) p.user_key
		JOIN personalize.signal d ON personalize_internal._covers(personalize_internal._unrestricted(p.mask, p.user_key), d.purposes)
			AND personalize_internal._readable(d.purposes)
		LEFT JOIN personalize.signal_state t ON t.signal OPERATOR(pg_catalog.=) d.signal
		CROSS JOIN LATERAL personalize_internal._profile_panes(p.features, d.signal, p.user_key) f
	WHERE personalize_internal._id_asked(s.user_id, p.user_key) AND personalize_internal._id_asked(s.user_id, s.user_key)
		AND personalize_internal._signal_is_shown(t.enabled, t.dropped) AND personalize_internal._signals_covered()
		AND personalize_internal._values_counted(f.value_key, p.user_key)
		AND personalize_internal._value_asked(personalize_internal._feature_value(d.signal, f.value_key));
COMMENT ON VIEW personalize.profile_pane IS
	'what each person did and when, one row per value of a signal and pane of time; old panes are wider than new ones, and none overlaps another of the same value. As far as the profile processor has got; only what the person''s consent covers and the purpose in force needs';
COMMENT ON COLUMN personalize.profile_pane.signal IS 'signal.name';
COMMENT ON COLUMN personalize.profile_pane.value IS 'what was counted: a category, a brand, a word, an item_id';
COMMENT ON COLUMN personalize.profile_pane.pane_start IS 'the pane is [pane_start, pane_end)';
COMMENT ON COLUMN personalize.profile_pane.grain IS '5min, hour or day (UTC)';
COMMENT ON COLUMN personalize.profile_pane.count IS 'events';
COMMENT ON COLUMN personalize.profile_pane.sum IS 'their weights';
COMMENT ON COLUMN personalize.profile_pane.user_key IS 'user_key(user_id)';
COMMENT ON COLUMN personalize.profile_pane.min IS 'the smallest number that an event added to sum; NULL: the signal does not keep it';
COMMENT ON COLUMN personalize.profile_pane.max IS 'the largest of them; NULL as min';
COMMENT ON COLUMN personalize.profile_pane.first IS 'the first of them; NULL as min';
COMMENT ON COLUMN personalize.profile_pane.last IS 'the last of them; NULL as min';

-- what was counted for personalization is seen for that; the planner has statistics of it as it is
CREATE FUNCTION personalize_internal._if_personal(ts timestamptz) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'personalize_if_personal' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1;
CREATE FUNCTION personalize_internal._if_personal(count bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_if_personal' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1;
COMMENT ON FUNCTION personalize_internal._if_personal(timestamptz) IS 'the argument, if the purpose in force includes personalization; else NULL';
COMMENT ON FUNCTION personalize_internal._if_personal(bigint) IS 'the argument, if the purpose in force includes personalization; else NULL';
REVOKE ALL ON FUNCTION personalize_internal._if_personal(timestamptz), personalize_internal._if_personal(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._if_personal(timestamptz), personalize_internal._if_personal(bigint)
	TO personalize_owner, personalize_analyst, personalize_admin;
CREATE STATISTICS personalize.profile_first_seen ON (personalize_internal._if_personal(first_seen)) FROM personalize.profile;
CREATE STATISTICS personalize.profile_last_seen ON (personalize_internal._if_personal(last_seen)) FROM personalize.profile;
CREATE STATISTICS personalize.profile_events ON (personalize_internal._if_personal(events)) FROM personalize.profile;
CREATE STATISTICS personalize.subject_purposes ON (personalize_internal._allowed_purposes(granted, decided, restricted)) FROM personalize.subject;
CREATE VIEW personalize.profile_person AS
	SELECT s.user_id,
		-- counted from events for personalization
		personalize_internal._if_personal(p.first_seen) AS first_seen,
		personalize_internal._if_personal(p.last_seen) AS last_seen,
		personalize_internal._if_personal(p.events) AS events,
		personalize_internal._allowed_purposes(s.granted, s.decided, s.restricted) AS purposes,
		p.user_key
	FROM personalize.profile p
		LEFT JOIN personalize.subject s ON s.user_key OPERATOR(pg_catalog.=) p.user_key
	WHERE personalize_internal._id_asked(s.user_id, p.user_key) AND personalize_internal._id_asked(s.user_id, s.user_key)
		AND personalize_internal._covers(personalize_internal._unrestricted(p.mask, p.user_key), p.mask);
COMMENT ON VIEW personalize.profile_person IS
	'the people who have a profile that the purpose in force may see, one row each, as far as the profile processor has got';
COMMENT ON COLUMN personalize.profile_person.first_seen IS 'time of the first event that may be used for personalization; NULL if that is not the purpose in force, as last_seen and events';
COMMENT ON COLUMN personalize.profile_person.last_seen IS 'time of the last such event';
COMMENT ON COLUMN personalize.profile_person.events IS 'how many such events';
COMMENT ON COLUMN personalize.profile_person.purposes IS 'names of the purposes the person allows now';
COMMENT ON COLUMN personalize.profile_person.user_key IS 'user_key(user_id)';

-- What the catalogue said of an item when something happened.
CREATE FUNCTION personalize_internal._then(item_key bigint, past text, present text) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_then' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION personalize_internal._then(bigint, text, text) IS 'past, if the past has the item (item_key is not NULL), else present';
-- volatile only so that conditions on it stay with the view, of which there are statistics
CREATE FUNCTION personalize_internal._then_shown(item_key bigint, past text, present text) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_then' LANGUAGE C VOLATILE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION personalize_internal._then_shown(bigint, text, text) IS '_then(), for analytics_event';
REVOKE ALL ON FUNCTION personalize_internal._then(bigint, text, text), personalize_internal._then_shown(bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._then_shown(bigint, text, text) TO personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._then(bigint, text, text), personalize_internal._then_shown(bigint, text, text) TO personalize_owner;

-- A barrier: a condition of the asker's own making never sees other events.
CREATE VIEW personalize.analytics_event WITH (security_barrier) AS
	SELECT s.user_id, t.name AS event, i.item_id,
		-- as they were then
		personalize_internal._then_shown(h.item_key, h.category, i.category) AS category,
		personalize_internal._then_shown(h.item_key, h.brand, i.brand) AS brand, e.ts, e.received_at,
		pg_catalog.trim_scale(e.value) AS value, e.properties, e.slot, e.session_key, e.item_key, e.user_key
	FROM personalize.event e
		JOIN personalize.event_type t ON t.event OPERATOR(pg_catalog.=) e.event
		LEFT JOIN personalize.subject s ON s.user_key OPERATOR(pg_catalog.=) e.user_key
		LEFT JOIN personalize.item i ON i.item_key OPERATOR(pg_catalog.=) e.item_key
		LEFT JOIN personalize._item_past h ON h.item_key OPERATOR(pg_catalog.=) e.item_key
			AND e.ts OPERATOR(pg_catalog.>=) h.since AND e.ts OPERATOR(pg_catalog.<) h.until
	WHERE (personalize_internal._unrestricted(e.consent, e.user_key) OPERATOR(pg_catalog.&)
		(SELECT personalize_internal._purpose_bits(1))) OPERATOR(pg_catalog.<>) 0
		AND personalize_internal._event_asked(t.name, e.event) AND personalize_internal._event_asked(t.name, t.event)
		AND personalize_internal._id_asked(s.user_id, e.user_key) AND personalize_internal._id_asked(s.user_id, s.user_key)
		AND personalize_internal._id_asked(i.item_id, e.item_key) AND personalize_internal._id_asked(i.item_id, i.item_key);
COMMENT ON VIEW personalize.analytics_event IS
	'the raw events that may be used for the purpose in force, with names; a superuser who requests none sees those for analytics; up to the last commit. A condition on received_at leaves out whole days';
COMMENT ON COLUMN personalize.analytics_event.user_id IS 'NULL for a few seconds after a person was first seen; user_key never is';
COMMENT ON COLUMN personalize.analytics_event.item_id IS 'NULL if the catalogue does not have it';
COMMENT ON COLUMN personalize.analytics_event.category IS 'of the item when the event happened, as far as the catalogue knew it; item.category is that of now';
COMMENT ON COLUMN personalize.analytics_event.brand IS 'of the item when the event happened, likewise';
COMMENT ON COLUMN personalize.analytics_event.ts IS 'when it happened';
COMMENT ON COLUMN personalize.analytics_event.value IS 'worth of the event in the currency of properties.currency, without trailing zeros';
COMMENT ON COLUMN personalize.analytics_event.received_at IS 'when the database received it; for imported history, when it happened';
COMMENT ON COLUMN personalize.analytics_event.user_key IS 'user_key(user_id)';

CREATE FUNCTION personalize_internal._coverage(
	day date, OUT purpose text, OUT people bigint, OUT all_people bigint, OUT events bigint, OUT all_events bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_coverage' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 100000 ROWS 4;
COMMENT ON FUNCTION personalize_internal._coverage(date) IS
	'people and events of a day of arrival (UTC) that each purpose covers, and all that are stored of it';
CREATE VIEW personalize.coverage AS
	SELECT d.day, c.purpose, c.people, c.all_people, c.events, c.all_events
	FROM personalize._event_day d CROSS JOIN LATERAL personalize_internal._coverage(d.day) c;
COMMENT ON VIEW personalize.coverage IS
	'of the raw events that arrived on each day (UTC), and the people they are of, how many may be used for each purpose: what a figure for a purpose is a part of. A condition on day reads those days only. What nobody allowed anything for is not stored; stat_ingest counts it';
COMMENT ON COLUMN personalize.coverage.day IS 'the day (UTC) of received_at';
COMMENT ON COLUMN personalize.coverage.purpose IS 'purpose.name';
COMMENT ON COLUMN personalize.coverage.people IS 'people with events that may be used for the purpose, by what they allowed then and are not restricted for now';
COMMENT ON COLUMN personalize.coverage.all_people IS 'people with events, for whatever purpose';
COMMENT ON COLUMN personalize.coverage.events IS 'events that may be used for the purpose: those that analytics_event shows for it';
COMMENT ON COLUMN personalize.coverage.all_events IS 'events, for whatever purpose';

CREATE FUNCTION personalize.cohort_count(
	signal text, value personalize.entity_id, period interval DEFAULT '30 days', as_of timestamptz DEFAULT NULL,
	purpose text DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_cohort_count' LANGUAGE C STABLE PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION personalize.cohort_count(text, personalize.entity_id, interval, timestamptz, text) IS
	'how many people did something with a value of a signal (NULL: with any) within (as_of - period, as_of], to the grain of the panes; a month counts 30 days, period NULL: all that is kept, as_of NULL: now. As far as the profile processor has got; only people whose consent covers the signal. purpose NULL: personalize.purpose. Error 42704 for an unknown signal, 42501 for one that the purpose in force does not cover';
CREATE FUNCTION personalize.cohort_counts(
	signal text, period interval DEFAULT '30 days', as_of timestamptz DEFAULT NULL, purpose text DEFAULT NULL,
	OUT value text, OUT users bigint, OUT count bigint, OUT sum numeric) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_cohort_counts' LANGUAGE C STABLE PARALLEL SAFE COST 100000 ROWS 100;
COMMENT ON FUNCTION personalize.cohort_counts(text, interval, timestamptz, text) IS
	'cohort_count of every value of a signal, most people first, with their events and the sum of the weights. Errors: 42704 unknown signal; 42501 the purpose in force does not cover it';

REVOKE ALL ON FUNCTION
	personalize_internal._profile_features(personalize.feature_state, smallint, interval, timestamptz, bigint),
	personalize_internal._profile_panes(personalize.feature_state, smallint, bigint),
	personalize_internal._signals_covered(), personalize_internal._signal_is_shown(boolean, boolean),
	personalize_internal._periods(interval[]), personalize_internal._coverage(date),
	personalize.cohort_count(text, personalize.entity_id, interval, timestamptz, text),
	personalize.cohort_counts(text, interval, timestamptz, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._profile_features(personalize.feature_state, smallint, interval, timestamptz, bigint),
	personalize_internal._profile_panes(personalize.feature_state, smallint, bigint),
	personalize_internal._signals_covered(), personalize_internal._signal_is_shown(boolean, boolean),
	personalize_internal._periods(interval[]), personalize_internal._coverage(date),
	personalize.cohort_count(text, personalize.entity_id, interval, timestamptz, text),
	personalize.cohort_counts(text, interval, timestamptz, text)
	TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.profile_feature, personalize.profile_pane, personalize.profile_person,
	personalize.analytics_event, personalize.coverage
	TO personalize_analyst, personalize_admin;

-- What COPY of a table cannot give under row policies.
CREATE FUNCTION personalize_internal._features_for(
	features personalize.feature_state, bits integer, mask integer, user_key bigint)
	RETURNS personalize.feature_state
	AS 'MODULE_PATHNAME', 'personalize_features_for' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION personalize_internal._features_for(personalize.feature_state, integer, integer, bigint) IS
	'the features of signals that need a purpose of bits, and none outside mask; NULL: none';
CREATE FUNCTION personalize.export_events(
	since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, purpose text DEFAULT NULL)
	RETURNS TABLE (
		user_id text, event text, item_id text, ts timestamptz, received_at timestamptz,
		value numeric, properties jsonb, slot smallint, session_key bigint, item_key bigint, user_key bigint)
	AS 'MODULE_PATHNAME', 'personalize_export_events' LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 100000;
COMMENT ON FUNCTION personalize.export_events(timestamptz, timestamptz, text) IS
	'the raw events that arrived in [since, until) and may be used for the purpose, NULL: personalize.purpose; for COPY (SELECT * FROM personalize.export_events(...)) TO, since COPY of a partitioned table is an error. Error 42501 if the role does not hold the purpose';
CREATE FUNCTION personalize.export_profiles(purpose text DEFAULT NULL)
	RETURNS TABLE (
		user_id text, user_key bigint, first_seen timestamptz, last_seen timestamptz, events bigint,
		features personalize.feature_state)
	AS 'MODULE_PATHNAME', 'personalize_export_profiles' LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 100000;
COMMENT ON FUNCTION personalize.export_profiles(text) IS
	'the profiles, as far as the processor has got, with those features only that the purpose covers, NULL: personalize.purpose; first_seen, last_seen and events only for personalization. Errors: 42501 the role does not hold the purpose, or nothing is counted for it';
REVOKE ALL ON FUNCTION
	personalize_internal._features_for(personalize.feature_state, integer, integer, bigint),
	personalize.export_events(timestamptz, timestamptz, text),
	personalize.export_profiles(text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._features_for(personalize.feature_state, integer, integer, bigint) TO personalize_owner;
GRANT EXECUTE ON FUNCTION
	personalize.export_events(timestamptz, timestamptz, text),
	personalize.export_profiles(text)
	TO personalize_analyst, personalize_admin;

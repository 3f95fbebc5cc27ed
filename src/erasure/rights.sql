-- rights: what a person may ask for.
CREATE FUNCTION personalize.restrict(
	user_id personalize.entity_id,
	purposes text[] DEFAULT NULL,
	grounds text DEFAULT NULL,
	source text DEFAULT 'application') RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_restrict' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.restrict(personalize.entity_id, text[], text, text) IS
	'keeps a person''s data and lets nothing use it for purposes (NULL: any) until lift_restriction(): readers, engines, statistics and sessions leave it out, new events are not stored for them. Goes to consent_ledger with the grounds; returns the purposes restricted now. Errors: 42704 unknown purpose; 0A000 above READ COMMITTED; 55P03 events of the person are in flight for too long';
CREATE FUNCTION personalize.lift_restriction(
	user_id personalize.entity_id,
	purposes text[] DEFAULT NULL,
	grounds text DEFAULT NULL,
	source text DEFAULT 'application') RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_lift_restriction' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.lift_restriction(personalize.entity_id, text[], text, text) IS
	'ends a restriction (purposes NULL: all there are): what was kept is used again as far as the person allows it; returns the purposes still restricted. Error 55000 if data is not restricted for a purpose; 0A000 above READ COMMITTED; 55P03 events of the person are in flight for too long';
CREATE FUNCTION personalize.object_to(
	user_id personalize.entity_id,
	purposes text[] DEFAULT NULL,
	grounds text DEFAULT NULL,
	source text DEFAULT 'application') RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_object_to' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.object_to(personalize.entity_id, text[], text, text) IS
	'records that a person objects to purposes (NULL: any): a withdrawal, whose basis in consent_ledger is the objection and its grounds; returns the purposes still allowed. Errors: 42704 unknown purpose; 0A000 above READ COMMITTED; 55P03 transactions storing events of the person do not end';

CREATE FUNCTION personalize.purge_undecided(purposes text[], max_people integer DEFAULT 1000) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_purge_undecided' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.purge_undecided(text[], integer) IS
	'after purpose_default has been set back to denied: takes out what was stored for purposes by people who have not spoken about them, as a withdrawal does, of up to max_people; returns of how many, 0: it is done. Errors: 22023 max_people below 1; 55000 while the default still allows a purpose; 0A000 above READ COMMITTED; 55P03 events of the person are in flight for too long';
REVOKE ALL ON FUNCTION personalize.purge_undecided(text[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.purge_undecided(text[], integer) TO personalize_admin;

-- correction
CREATE FUNCTION personalize_internal._event_details(event smallint, properties jsonb, OUT value numeric, OUT slot smallint, OUT stored_properties jsonb)
	AS 'MODULE_PATHNAME', 'personalize_event_details' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._event_details(smallint, jsonb) IS
	'worth and place on the page of an event, as ingestion reads them from its properties, and these as it stores them; NULL: none';

CREATE FUNCTION personalize_internal._check_correction(
	user_key bigint, correction jsonb, message_key bigint, event_time timestamptz, ordinal integer) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	problem text;
	found_ordinals integer[];
	held bigint;
	raw bigint;
BEGIN
	IF jsonb_typeof(correction) <> 'object' OR correction = '{}' THEN
		RAISE EXCEPTION 'correction "%" is not a JSON object with something in it', left(correction::text, 100)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example {"item_id": "sku-17", "properties": {"price": 12.5}}.';
	END IF;
	SELECT k INTO problem FROM jsonb_object_keys(correction) k
		WHERE k NOT IN ('event', 'item_id', 'ts', 'properties') ORDER BY k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '"%" of an event cannot be corrected', problem
			USING ERRCODE = 'invalid_parameter_value',
				HINT = CASE problem
					WHEN 'consent' THEN 'What it may be used for changes by withdraw_consent().'
					WHEN 'user_id' THEN 'Events of somebody else are taken away by forget() or withdraw_consent(), and tracked again for whom they belong to.'
					WHEN 'preference' THEN 'Leave message_id and event_time out to correct a preference.'
					ELSE 'event, item_id, ts and properties can be.' END;
	END IF;
	SELECT k INTO problem FROM jsonb_each(correction) c(k, v)
		WHERE jsonb_typeof(v) <> CASE k WHEN 'properties' THEN 'object' ELSE 'string' END
			AND NOT (k = 'item_id' AND jsonb_typeof(v) IN ('number', 'null')) ORDER BY k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '% % of the correction has the wrong type', problem, correction -> problem
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'event and ts are strings, item_id is an id or null, properties is an object.';
	END IF;
	IF octet_length(correction ->> 'item_id') NOT BETWEEN 1 AND 512 THEN
		RAISE EXCEPTION 'item_id has % bytes', octet_length(correction ->> 'item_id')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'An id has 1 to 512 bytes.';
	END IF;
	IF correction ? 'event' AND personalize_internal._event_number(correction ->> 'event') IS NULL THEN
		RAISE EXCEPTION 'event "%" is not known', correction ->> 'event'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'See personalize.event_type and event_alias.';
	END IF;
	IF correction ? 'ts' AND (NOT isfinite((correction ->> 'ts')::timestamptz)
		OR (correction ->> 'ts')::timestamptz > clock_timestamp() + current_setting('personalize.max_future')::interval) THEN
		RAISE EXCEPTION 'ts "%" is not in the past', correction ->> 'ts' USING ERRCODE = 'invalid_parameter_value';
	END IF;

	SELECT array_agg(e.ordinal ORDER BY e.ordinal) INTO found_ordinals FROM personalize.event e
		WHERE e.user_key = user_key
			AND (message_key IS NULL OR e.message_key = message_key)
			AND (event_time IS NULL OR e.ts = event_time)
			AND (ordinal IS NULL OR e.ordinal = ordinal);
	IF found_ordinals IS NULL THEN
		RAISE EXCEPTION 'the person has no such event'
			USING ERRCODE = 'no_data_found',
				DETAIL = 'It was not stored, retention has dropped it, or a withdrawal or erasure has taken it away.',
				HINT = 'export_user() lists the events with their times and the keys of their messages.';
	ELSIF cardinality(found_ordinals) > 1 THEN
		RAISE EXCEPTION '% events are meant', cardinality(found_ordinals)
			USING ERRCODE = 'cardinality_violation',
				DETAIL = format('Their ordinals are %s.', array_to_string(found_ordinals, ', ')),
				HINT = 'Give message_id and event_time, and the ordinal of the item in its message.';
	END IF;

	SELECT p.events INTO held FROM personalize.profile p WHERE p.user_key = user_key;
	SELECT count(*) INTO raw FROM personalize.event e
		WHERE e.user_key = user_key AND e.consent & 2 <> 0
			AND EXISTS (SELECT FROM personalize.processor_position o
				WHERE o.processor = 1 AND o.shard = personalize_internal._event_shard(user_key)
					AND personalize_internal._txid_seen(e.txid, o.asof));
	raw := raw - (SELECT count(*) FROM personalize.rejected_event r
		WHERE r.source = 'profile' AND r.user_key = user_key AND r.consent & 2 <> 0 AND r.payload ? 'event');
	IF held > raw THEN
		RAISE EXCEPTION 'the person''s profile holds % events of which only % are still there', held, raw
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Retention has dropped the others, so the profile cannot be counted again without them.',
				HINT = 'With the person''s agreement, start it anew: withdraw_consent() and grant_consent().';
	END IF;
END
$$;


CREATE FUNCTION personalize_internal._rectify_event(
	user_key bigint, correction jsonb, message_key bigint, event_time timestamptz, ordinal integer) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	row personalize.event;
	change jsonb := coalesce(correction -> 'properties', '{}');
	-- as entity_id has it: a numeric id has no trailing zeros
	item_id text := CASE jsonb_typeof(correction -> 'item_id')
		WHEN 'number' THEN trim_scale((correction ->> 'item_id')::numeric)::text ELSE correction ->> 'item_id' END;
BEGIN
	SELECT e.* INTO row FROM personalize.event e
		WHERE e.user_key = user_key
			AND (message_key IS NULL OR e.message_key = message_key)
			AND (event_time IS NULL OR e.ts = event_time)
			AND (ordinal IS NULL OR e.ordinal = ordinal);
	-- what a processor could not count, it may be able to now
	DELETE FROM personalize.rejected_event r
		WHERE personalize_internal._processor_number(r.source) IS NOT NULL AND r.user_key = user_key AND r.txid = row.txid
			AND (r.payload ->> 'ts')::timestamptz = row.ts AND (r.payload ->> 'ordinal')::smallint = row.ordinal
			AND (r.payload ->> 'event')::smallint = row.event
			AND (r.payload ->> 'item_key')::bigint IS NOT DISTINCT FROM row.item_key;
	IF correction ? 'event' THEN
		row.event := personalize_internal._event_number(correction ->> 'event');
	END IF;
	IF correction ? 'item_id' THEN
		row.item_key := personalize.item_key(item_id::personalize.entity_id);
		IF row.item_key < 0 THEN
			PERFORM personalize_internal._log_id('i', row.item_key, item_id, row.txid)
				WHERE NOT EXISTS (SELECT FROM personalize.item i WHERE i.item_key = row.item_key);
		END IF;
	END IF;
	row.ts := coalesce((correction ->> 'ts')::timestamptz, row.ts);
	IF correction ? 'properties' THEN
		row.properties := nullif((coalesce(row.properties, '{}') || change)
			- ARRAY(SELECT k FROM jsonb_each(change) c(k, v) WHERE v = 'null'), '{}');
		IF pg_column_size(row.properties) > 65536 THEN
			RAISE EXCEPTION 'properties have % bytes, more than 65536', pg_column_size(row.properties)
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END IF;
	IF correction ? 'event' OR change <> '{}' THEN
		SELECT d.value, d.slot, d.stored_properties INTO row.value, row.slot, row.properties
			FROM personalize_internal._event_details(row.event, coalesce(row.properties, '{}')) d;
	END IF;
	UPDATE personalize.event e SET event = row.event, item_key = row.item_key, ts = row.ts,
			properties = row.properties, value = row.value, slot = row.slot
		WHERE e.user_key = user_key
			AND (message_key IS NULL OR e.message_key = message_key)
			AND (event_time IS NULL OR e.ts = event_time)
			AND (ordinal IS NULL OR e.ordinal = ordinal);
END
$$;

CREATE FUNCTION personalize_internal._rectify_preference(user_key bigint, correction jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	change jsonb := correction -> 'preference';
	problem text;
	old personalize.preference;
	new_name text;
	new_value text;
BEGIN
	IF jsonb_typeof(correction) <> 'object' OR correction - 'preference' <> '{}'
		OR jsonb_typeof(change) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'correction "%" names neither an event nor a preference', left(correction::text, 100)
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Give message_id or event_time of the event, or {"preference": {"name": "favourite_brand", "value": "wrong", "correct_value": "right"}}.';
	END IF;
	SELECT k INTO problem FROM jsonb_each(change) c(k, v)
		WHERE k NOT IN ('name', 'value', 'correct_name', 'correct_value') OR jsonb_typeof(v) NOT IN ('string', 'number')
		ORDER BY k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '"%" of a preference cannot be corrected to %', problem, change -> problem
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Strings name, value, correct_name and correct_value are what a correction of a preference has.';
	END IF;
	SELECT p.* INTO old FROM personalize.preference p
		WHERE p.user_key = user_key AND p.name = change ->> 'name' AND p.value = change ->> 'value';
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the person has no preference "%" "%"', change ->> 'name', change ->> 'value'
			USING ERRCODE = 'no_data_found', HINT = 'preferences_of() lists them.';
	END IF;
	new_name := coalesce(change ->> 'correct_name', old.name);
	new_value := coalesce(change ->> 'correct_value', old.value);
	IF new_name NOT IN ('favourite_brand', 'favourite_category', 'favourite_item', 'hidden_brand', 'hidden_category', 'hidden_item') THEN
		RAISE EXCEPTION 'there is no preference "%"', new_name
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Preferences are: favourite_brand, favourite_category, favourite_item, hidden_brand, hidden_category, hidden_item.';
	END IF;
	IF octet_length(new_value) NOT BETWEEN 1 AND 512 THEN
		RAISE EXCEPTION 'value has % bytes', octet_length(new_value)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A value has 1 to 512 bytes.';
	END IF;
	DELETE FROM personalize.preference p
		WHERE p.user_key = user_key AND (p.name = old.name AND p.value = old.value
			OR p.value = new_value AND split_part(p.name, '_', 2) = split_part(new_name, '_', 2));
	INSERT INTO personalize.preference (user_key, name, value, value_key, set_at)
		VALUES (user_key, new_name, new_value, personalize.item_key(new_value::personalize.entity_id), old.set_at);
END
$$;

CREATE FUNCTION personalize.rectify(
	user_id personalize.entity_id,
	correction jsonb,
	message_id personalize.entity_id DEFAULT NULL,
	event_time timestamptz DEFAULT NULL,
	ordinal integer DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_rectify' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.rectify(personalize.entity_id, jsonb, personalize.entity_id, timestamptz, integer) IS
	'corrects a raw event of a person, named by message_id, event_time and, of several items, ordinal: event, item_id, ts and properties (merged; null removes one); profile, statistics and sessions are then as if the right one had been tracked. Without them {"preference": {"name", "value", "correct_name", "correct_value"}} corrects a preference. Errors: 02000 there is none, 21000 there are several, 55000 retention has dropped events the profile counts; 0A000 above READ COMMITTED; 55P03 events of the person are in flight for too long';
-- a copy of everything
CREATE FUNCTION personalize_internal._message_probe(message uuid) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_message_probe' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._message_probe(uuid) IS
	'equal for message_seen.message and event.message_key of the same message';
CREATE FUNCTION personalize_internal._message_probe(message_key bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_message_probe_of_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._message_probe(bigint) IS
	'equal for message_seen.message and event.message_key of the same message';
CREATE FUNCTION personalize_internal._purpose_names(mask integer) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT ARRAY(SELECT p.name FROM personalize.purpose p
		WHERE (mask OPERATOR(pg_catalog.>>) p.bit) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1
		ORDER BY p.bit);
END;
COMMENT ON FUNCTION personalize_internal._purpose_names(integer) IS 'names of the purposes in a mask';
CREATE FUNCTION personalize_internal._item_name(item_key bigint) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce((SELECT i.item_id FROM personalize.item i WHERE i.item_key = $1),
		CASE WHEN $1 >= 0 THEN $1::text END,
		personalize_internal._logged_id('i', $1),
		$1::text)
$$;
COMMENT ON FUNCTION personalize_internal._item_name(bigint) IS 'the id of an item; if nobody knows it, its key';

CREATE FUNCTION personalize_internal._export_held(user_key bigint, user_id text) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_export_held' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._export_held(bigint, text) IS
	'what each table says it holds of a person (_person_stores), all read in one statement, planned once a session';
CREATE FUNCTION personalize_internal._export_user(user_key bigint, user_id text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'iso_8601' AS $$
DECLARE
	document jsonb := personalize_internal._export_held(user_key, user_id);
BEGIN
	document := document || jsonb_build_object('format', 'personalize export 1', 'exported_at', to_jsonb(clock_timestamp()),
		'user_id', user_id, 'user_key', user_key);

	RETURN document || jsonb_build_object('meanings', jsonb_build_object(
		'purposes', (
			SELECT coalesce(jsonb_object_agg(p.name, jsonb_build_object('description', p.description, 'legal_basis', p.legal_basis)), '{}')
			FROM personalize.purpose p),
		'events', (
			SELECT coalesce(jsonb_object_agg(t.name, t.description), '{}') FROM personalize.event_type t
			WHERE t.name IN (SELECT x ->> 'event' FROM jsonb_array_elements(document -> 'events') x
				UNION ALL SELECT x ->> 'event' FROM jsonb_array_elements(document #> '{profile,recent}') x)),
		'signals', (
			SELECT coalesce(jsonb_object_agg(d.name, jsonb_build_object('number', d.signal, 'description', d.description,
				'counts', d.key_path, 'of_events', d.events, 'half_life', d.half_life, 'basis', d.basis, 'purposes', d.purposes)), '{}')
			FROM personalize.signal_status d),
		'parts', (
			SELECT jsonb_object_agg(s.export_as, s.export_meaning) FROM personalize_internal._person_stores() s
			WHERE s.export_query IS NOT NULL)));
END
$$;
CREATE FUNCTION personalize.export_user(user_id personalize.entity_id) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_export_user' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.export_user(personalize.entity_id) IS
	'everything that is held about a person in one JSON document, with the meanings of purposes, events and signals: consents with their proof, preferences, events (also those not counted yet), rejected events, profile, sessions, baskets, erasures; restricted data is in it too. Times are UTC';

REVOKE ALL ON FUNCTION
	personalize.restrict(personalize.entity_id, text[], text, text),
	personalize.lift_restriction(personalize.entity_id, text[], text, text),
	personalize.object_to(personalize.entity_id, text[], text, text),
	personalize_internal._event_details(smallint, jsonb),
	personalize_internal._check_correction(bigint, jsonb, bigint, timestamptz, integer),
	personalize_internal._rectify_event(bigint, jsonb, bigint, timestamptz, integer),
	personalize_internal._rectify_preference(bigint, jsonb),
	personalize_internal._message_probe(uuid), personalize_internal._message_probe(bigint), personalize_internal._purpose_names(integer), personalize_internal._item_name(bigint),
	personalize_internal._export_held(bigint, text), personalize_internal._export_user(bigint, text), personalize.export_user(personalize.entity_id),
	personalize.rectify(personalize.entity_id, jsonb, personalize.entity_id, timestamptz, integer)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._event_details(smallint, jsonb),
	personalize_internal._check_correction(bigint, jsonb, bigint, timestamptz, integer),
	personalize_internal._rectify_event(bigint, jsonb, bigint, timestamptz, integer),
	personalize_internal._rectify_preference(bigint, jsonb),
	personalize_internal._message_probe(uuid), personalize_internal._message_probe(bigint), personalize_internal._purpose_names(integer), personalize_internal._item_name(bigint),
	personalize_internal._export_held(bigint, text), personalize_internal._export_user(bigint, text)
	TO personalize_owner;
GRANT EXECUTE ON FUNCTION
	personalize.restrict(personalize.entity_id, text[], text, text),
	personalize.lift_restriction(personalize.entity_id, text[], text, text),
	personalize.object_to(personalize.entity_id, text[], text, text)
	TO personalize_app, personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.export_user(personalize.entity_id),
	personalize.rectify(personalize.entity_id, jsonb, personalize.entity_id, timestamptz, integer)
	TO personalize_admin;
-- what the export reads with
GRANT EXECUTE ON FUNCTION
	personalize_internal._profile_panes(personalize.feature_state, smallint, bigint),
	personalize_internal._feature_value(smallint, bigint),
	personalize_internal._session_items(bytea, bigint, boolean, bigint, timestamptz), personalize_internal._posting_entries(bytea, bigint, integer),
	personalize_internal._recent_items(bytea, bigint),
	personalize.consent_proof(personalize.entity_id)
	TO personalize_owner;

-- what is done with data, and why
CREATE FUNCTION personalize.processing_record(
	OUT purpose text, OUT description text, OUT legal_basis text, OUT unless_decided text,
	OUT signals text[], OUT data_categories text[], OUT retention jsonb, OUT authority text, OUT recipients text[])
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 4
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres' AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH kept AS (
		SELECT k.kind, jsonb_object_agg(coalesce('event ' || k.event, k.kind), coalesce(k.keep::text, 'without end')) AS periods
		FROM personalize.retention_policy k GROUP BY k.kind
	), category AS (
		SELECT * FROM (VALUES
			(1, NULL::text, 'raw', 'raw events: what was done when, with which item, session and properties'),
			(2, NULL, 'rejected', 'messages that could not be taken or counted, as they were sent'),
			(3, NULL, 'ledger', 'decisions about consent, restriction and objection'),
			(4, 'analytics', 'item_stat_hour', 'counters of items by the hour, which tell of nobody'),
			(5, 'analytics', 'item_stat', 'counters of items, which tell of nobody'),
			(6, 'analytics', 'basket', 'what was bought together'),
			(7, 'analytics', 'exposure', 'what was shown, and what was done about it'),
			(8, 'analytics', 'engine_stat', 'counters of what engines showed, which tell of nobody'),
			(9, 'analytics', 'search_stat', 'counters of what searches showed, which tell of nobody'),
			(10, 'personalization', 'profile', 'profile: counts per signal and span of time, recent items'),
			(11, 'personalization', 'preference', 'declared preferences'),
			(12, 'recommendations', 'session', 'sessions, and the items around each item in them')
		) AS c(place, purpose, kind, words)
	)
	SELECT p.name, p.description, p.legal_basis, coalesce(d.answer, 'denied'),
		ARRAY(SELECT s.name FROM personalize.signal s
			WHERE s.purposes >> p.bit & 1 = 1 ORDER BY s.signal),
		ARRAY(SELECT c.words FROM category c
			WHERE c.purpose IS NULL OR c.purpose = p.name
				OR (c.kind = 'profile' AND EXISTS (SELECT FROM personalize.signal s WHERE s.scope = 'user' AND s.purposes >> p.bit & 1 = 1))
			ORDER BY c.place),
		(SELECT jsonb_object_agg(e.key, e.value)
			FROM category c JOIN kept k ON k.kind = c.kind, jsonb_each(k.periods) e
			WHERE c.purpose IS NULL OR c.purpose = p.name
				OR (c.kind = 'profile' AND EXISTS (SELECT FROM personalize.signal s WHERE s.scope = 'user' AND s.purposes >> p.bit & 1 = 1))),
		a.role,
		ARRAY(
			WITH RECURSIVE holder AS (
				SELECT r.oid FROM pg_roles r WHERE r.rolname = a.role
				UNION
				SELECT m.member FROM holder h JOIN pg_auth_members m ON m.roleid = h.oid
			)
			SELECT r.rolname::text FROM holder h JOIN pg_roles r ON r.oid = h.oid ORDER BY 1)
	FROM personalize.purpose p
		LEFT JOIN personalize.purpose_default d ON d.purpose = p.name
		LEFT JOIN personalize.purpose_role o ON o.purpose = p.name
		CROSS JOIN LATERAL (SELECT coalesce(o.role::text, 'personalize_' || p.name) AS role) a
	ORDER BY p.bit;
END
$$;
COMMENT ON FUNCTION personalize.processing_record() IS
	'the record of processing (GDPR Art. 30) out of the catalogue, one row a purpose: legal basis, what holds for who has not decided, the signals and categories of data that need it, how long each is kept (retention_policy), the role that is the authority to read for it, and all roles that are in it; who bypasses row security is not listed: see security_check()';
REVOKE ALL ON FUNCTION personalize.processing_record() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.processing_record() TO personalize_admin, personalize_analyst;

-- feature_view: features for models, as named views of people and items.
CREATE TABLE personalize.feature_view (
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 60),
	version integer NOT NULL CHECK (version > 0),
	entity text NOT NULL CHECK (entity IN ('user', 'item', 'category', 'brand', 'tag', 'query', 'shop')),
	features text[] NOT NULL,
	expressions text[] NOT NULL,
	ttl interval,
	owner text,
	description text,
	created_at timestamptz NOT NULL DEFAULT personalize_internal._now(),
	PRIMARY KEY (name, version)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.feature_view', '');
COMMENT ON TABLE personalize.feature_view IS
	'feature views with all their versions; changed through create_feature_view and drop_feature_view. View fv_<name> is the newest one as typed rows';
COMMENT ON COLUMN personalize.feature_view.version IS 'a version never changes; name:version reads an older one';
COMMENT ON COLUMN personalize.feature_view.entity IS 'what a row is about: user, item, category, brand, tag, query or shop';
COMMENT ON COLUMN personalize.feature_view.features IS 'names, in the order of the columns of the typed view';
COMMENT ON COLUMN personalize.feature_view.expressions IS 'what each is, as create_feature_view() reads it';
COMMENT ON COLUMN personalize.feature_view.ttl IS 'a value whose last event is longer ago is not given; NULL: however old it is';
COMMENT ON COLUMN personalize.feature_view.owner IS 'who answers for it; a note, not a right';
SELECT personalize_internal._announce('{feature_view}');

CREATE FUNCTION personalize.create_feature_view(
	name text,
	features personalize.event_json,
	entity text DEFAULT 'user',
	ttl interval DEFAULT NULL,
	owner text DEFAULT NULL,
	description text DEFAULT NULL) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_create_feature_view' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.create_feature_view(text, personalize.event_json, text, interval, text, text) IS
	'makes a feature view, or the next version of one, and its typed view fv_<name>; returns the version. The same once more changes nothing and returns the version that there is. features: a JSON object of names and expressions, in the order of the columns: signal[''value''] count|sum|decayed|mean|min|max|first|last|distinct|time_since_last|most_frequent|most_recent|values [in 7 days], rate(feature, feature [, prior 0.02 weight 50]), in_segment(''name''), request.name [number|text|boolean], item.name of the catalogue, numbers and + - * / of these, with "default 0" at the end for where there is nothing; of views that are not of users: event [count|sum|mean] [in 7 days] and event decayed 2 days, as item_stat has counted; of queries shown, clicked, carted and bought, as search_stat has. entity: user; item; category, brand or tag: all items of it together, as the catalogue says now; query; shop: everything. Views of the last five have no typed view. count and distinct are bigint, most_frequent and most_recent text, values text[] of at most 100, in_segment is boolean, other numbers are double precision; time_since_last is in seconds; a value may be item.name or request.name, for features of a person and an item together. ttl: a value whose last event is longer ago is not given. owner NULL: that of the version before, else the role. Errors: 22023 an expression is none, and the hint says what there is; 42710 a name is there twice; 54000 a limit; 2BP01 something depends on a column of the typed view that the new version does not have';
CREATE FUNCTION personalize.drop_feature_view(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'personalize_drop_feature_view' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.drop_feature_view(text) IS
	'removes a feature view with all versions and its typed view, or, as name:version, an old version. Errors: 42704 unknown; 55000 the newest version by itself; 2BP01 something depends on the typed view';

CREATE FUNCTION personalize.get_features(
	user_id personalize.entity_id, view text, request jsonb DEFAULT NULL, item_id personalize.entity_id DEFAULT NULL,
	as_of timestamptz DEFAULT NULL, purpose text DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'personalize_get_features' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION personalize.get_features(personalize.entity_id, text, jsonb, personalize.entity_id, timestamptz, text) IS
	'the features of a view (name, or name:version) for one person, or for one item, category, brand, tag, query or ''shop'' of a view of these, as a JSON object; of a query that fewer than personalize.min_query_people people have searched as if nobody had; events are counted that the processor has not reached. Where there is nothing, a feature has its default, else null. request: a JSON object for request.name; item_id: the item that item.name is of. as_of NULL: now; else what is known now up to then, to the grain of the panes. jsonb_populate_record(NULL::personalize.fv_<name>, ...) gives it types. purpose as in profile(). Errors: 42704 unknown view; 42501 no purpose in force; 22023 something in the request is of another type';
CREATE FUNCTION personalize.get_features_batch(
	user_ids personalize.entity_id[], view text, request jsonb DEFAULT NULL, item_ids personalize.entity_id[] DEFAULT NULL,
	as_of timestamptz DEFAULT NULL, purpose text DEFAULT NULL)
	RETURNS TABLE (place integer, user_id text, features jsonb)
	AS 'MODULE_PATHNAME', 'personalize_get_features_batch' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100 COST 10000;
COMMENT ON FUNCTION personalize.get_features_batch(personalize.entity_id[], text, jsonb, personalize.entity_id[], timestamptz, text) IS
	'get_features() of many, in the order asked: whom nobody knows with defaults, who is asked for twice twice. item_ids: as many, the item of each row. Errors: as there; 22004 an id is null; 2202E not as many items';
CREATE FUNCTION personalize.explain_features(
	user_id personalize.entity_id, view text, request jsonb DEFAULT NULL, item_id personalize.entity_id DEFAULT NULL,
	as_of timestamptz DEFAULT NULL, purpose text DEFAULT NULL)
	RETURNS TABLE (
		feature text, expression text, version integer, type text, value jsonb, status text, sources text[],
		events bigint, panes bigint, last_event timestamptz, complete_since timestamptz,
		purposes text[], allowed boolean, tail_events bigint, stale boolean, relative_error double precision, short_by interval)
	AS 'MODULE_PATHNAME', 'personalize_explain_features' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10 COST 100;
COMMENT ON FUNCTION personalize.explain_features(personalize.entity_id, text, jsonb, personalize.entity_id, timestamptz, text) IS
	'where each value that get_features() gives comes from: the version of the view, the signals and segments with the numbers of their definitions, how many events were counted, in how many panes of the profile, the time of the last one, and since when they are counted (NULL: from the first event on); the purposes they need and whether the one in force allows it. status: present, nothing (has happened, or is given), expired (longer ago than ttl), denied (for the purpose in force), unknown (what is named is dropped or disabled); a value beside any but present is the default. tail_events: events of the person that the processor had not reached and that were added; stale: there were too many, and they are left out. relative_error: the standard error of a distinct that is an estimate, or of what is computed from one, its largest, as a part of the number: 1.04 / sqrt(2048) (Flajolet et al., HyperLogLog, 2007); NULL: exact. short_by: periods end where a pane of time begins, so that the values is at most so much shorter than it says, and never longer: 5 minutes in periods of less than 6 hours, an hour in those of less than 3 days, a day in others, as the signals own periods have it; of counters an hour, of queries a day; NULL: all of the time';

CREATE FUNCTION personalize.get_historical_features(spine text, view text, late_events boolean DEFAULT false, purpose text DEFAULT NULL)
	RETURNS TABLE (place bigint, user_id text, event_timestamp timestamptz, grain text, features jsonb)
	AS 'MODULE_PATHNAME', 'personalize_get_historical_features' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 100000;
COMMENT ON FUNCTION personalize.get_historical_features(text, text, boolean, text) IS
	'the features of a view as get_features() returned them at times in the past, to train a model with: nothing in a row was not known then. spine: one SELECT, or the name of a table, with columns user_id and event_timestamp, and perhaps item_id and request (a JSON object) as get_features() takes them; it runs with the rights of the caller, read only. place: the number of the row in the spine; rows come by person and time. late_events: true counts an event from the time on at which it happened, false from that on at which it was received (imported history is received when it happened). grain: event where raw events say everything, else the widest panes of the profile that were used for what happened before the first day of raw events: 5min, hour or day. What an event counts for is what the definitions, the catalogue and consents of today say. Of a view of items, categories, brands, tags, queries or the shop, user_id is that of one of these, late_events must be true, and a row has the hours (days of queries, and of hours that have been folded) that were over by then; grain is hour or day. purpose as in profile(). Errors: 42704 unknown view; 0A000 a view not of people without late_events; 22023 the spine is not one SELECT, or a row lacks a person or a time; 42501 no purpose in force; 25006 the spine writes';
CREATE FUNCTION personalize.get_historical_features(spine regclass, view text, late_events boolean DEFAULT false, purpose text DEFAULT NULL)
	RETURNS TABLE (place bigint, user_id text, event_timestamp timestamptz, grain text, features jsonb)
	AS 'MODULE_PATHNAME', 'personalize_get_historical_features_of' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 100000;
COMMENT ON FUNCTION personalize.get_historical_features(regclass, text, boolean, text) IS
	'the same of a table or view as the spine';

CREATE FUNCTION personalize_internal._feature_row(
	view text, version integer, key bigint, mask integer, features personalize.feature_state, steps bytea) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_feature_row' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION personalize_internal._feature_row(text, integer, bigint, integer, personalize.feature_state, bytea) IS
	'a row of the typed view of a feature view, out of the row of profile, or of an item; for the purpose in force and those of mask';

REVOKE ALL ON FUNCTION
	personalize.create_feature_view(text, personalize.event_json, text, interval, text, text),
	personalize.drop_feature_view(text),
	personalize.get_features(personalize.entity_id, text, jsonb, personalize.entity_id, timestamptz, text),
	personalize.get_features_batch(personalize.entity_id[], text, jsonb, personalize.entity_id[], timestamptz, text),
	personalize.explain_features(personalize.entity_id, text, jsonb, personalize.entity_id, timestamptz, text),
	personalize.get_historical_features(text, text, boolean, text),
	personalize.get_historical_features(regclass, text, boolean, text),
	personalize_internal._feature_row(text, integer, bigint, integer, personalize.feature_state, bytea)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.create_feature_view(text, personalize.event_json, text, interval, text, text),
	personalize.drop_feature_view(text)
	TO personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.get_features(personalize.entity_id, text, jsonb, personalize.entity_id, timestamptz, text),
	personalize.get_features_batch(personalize.entity_id[], text, jsonb, personalize.entity_id[], timestamptz, text)
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT EXECUTE ON FUNCTION
	personalize.explain_features(personalize.entity_id, text, jsonb, personalize.entity_id, timestamptz, text),
	personalize.get_historical_features(text, text, boolean, text),
	personalize.get_historical_features(regclass, text, boolean, text),
	personalize_internal._feature_row(text, integer, bigint, integer, personalize.feature_state, bytea)
	TO personalize_analyst, personalize_admin;
GRANT SELECT ON personalize.feature_view TO personalize_analyst, personalize_admin;

CREATE FUNCTION personalize_internal._feature_views_using(kind text, name text) RETURNS text[]
	AS 'MODULE_PATHNAME', 'personalize_feature_views_using' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._feature_views_using(text, text) IS
	'the feature views whose newest version names a signal, or a segment, as errors name them';
REVOKE ALL ON FUNCTION personalize_internal._feature_views_using(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._feature_views_using(text, text) TO personalize_owner, personalize_admin;

CREATE TRIGGER keep_signal_of_views BEFORE DELETE ON personalize.signal
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_used('_feature_views_using',
		'create_feature_view() a version without it, or drop_feature_view(), first; disable_signal() keeps it and counts nothing more.');

CREATE TRIGGER keep_segment_of_views BEFORE DELETE ON personalize.segment
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_used('_feature_views_using',
		'create_feature_view() a version without it, or drop_feature_view(), first.');

-- A restore without owners makes typed views the restorer's: a superuser's would show whom no
-- row policy hides, and the next version could not take its place.
CREATE FUNCTION personalize_internal._own_feature_views() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	typed_view regclass;
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RETURN;
	END IF;
	FOR typed_view IN
		SELECT k.oid FROM pg_event_trigger_ddl_commands() c JOIN pg_class k ON k.oid = c.objid AND c.classid = 'pg_class'::regclass
		WHERE k.relkind = 'v' AND k.relnamespace = 'personalize'::regnamespace AND starts_with(k.relname, 'fv_')
			AND k.relowner <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = 'personalize_owner')
			-- and nobody else's, whatever it is called
			AND EXISTS (SELECT FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
				WHERE w.ev_class = k.oid AND d.refclassid = 'pg_proc'::regclass
					AND d.refobjid = 'personalize_internal._feature_row(text, integer, bigint, integer, personalize.feature_state, bytea)'::regprocedure)
	LOOP
		EXECUTE format('ALTER VIEW %s OWNER TO personalize_owner', typed_view);
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize_internal._own_feature_views() IS
	'event trigger: typed views of features belong to personalize_owner, also where a restore has made them';
REVOKE ALL ON FUNCTION personalize_internal._own_feature_views() FROM PUBLIC;

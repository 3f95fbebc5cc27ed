-- retention: how long things are kept, and the jobs that see to it.
CREATE TABLE personalize.retention_policy (
	kind text NOT NULL,
	event text,
	keep interval,
	without_end boolean NOT NULL DEFAULT false,
	builtin boolean NOT NULL DEFAULT false,
	UNIQUE NULLS NOT DISTINCT (kind, event)
);
COMMENT ON TABLE personalize.retention_policy IS
	'how long each kind of data is kept; change it with set_retention(), apply_retention() removes what is past it';
COMMENT ON COLUMN personalize.retention_policy.kind IS
	'raw, rejected, profile, session, preference, segment_change, basket, exposure, item_stat_hour, item_stat, engine_stat, search_stat, dictionary or ledger';
COMMENT ON COLUMN personalize.retention_policy.event IS
	'kind raw only: events of this name are kept for a time of their own; NULL: all others';
COMMENT ON COLUMN personalize.retention_policy.keep IS 'how long; NULL: without end';
COMMENT ON COLUMN personalize.retention_policy.without_end IS 'keeping it for ever was asked for explicitly';
COMMENT ON COLUMN personalize.retention_policy.builtin IS 'as it was installed';

-- What each kind is, and which bounds its keep has.
CREATE FUNCTION personalize_internal._retention_kind(
	OUT kind text, OUT place integer, OUT shortest interval, OUT keep interval, OUT description text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 14
BEGIN ATOMIC
	VALUES
		('raw', 1, interval '3 days', interval '395 days', 'raw events, by the day they arrived'),
		('rejected', 2, interval '1 hour', interval '30 days', 'rejected_event'),
		('profile', 3, interval '1 day', interval '395 days', 'profiles: what is older goes from them, and those of people not seen for so long go whole'),
		('session', 4, interval '1 day', interval '180 days', 'sessions and their postings, by their last event'),
		('preference', 5, interval '1 day', interval '1095 days', 'preferences of people who have no profile any more'),
		('segment_change', 6, interval '1 day', interval '395 days', 'when people entered and left segments'),
		('basket', 7, interval '1 day', interval '395 days', 'what was bought together'),
		('exposure', 8, interval '1 day', interval '90 days', 'what was shown to people, and what they did then'),
		('item_stat_hour', 9, interval '32 days', interval '90 days', 'the hours of item_stat; what is older is kept by day'),
		('item_stat', 10, interval '32 days', interval '1095 days', 'item_stat'),
		('engine_stat', 11, interval '32 days', interval '1095 days', 'engine_stat'),
		('search_stat', 12, interval '32 days', interval '1095 days', 'search_stat'),
		('dictionary', 13, interval '1 day', interval '30 days', 'values and bare items that nothing refers to any more: they are looked for once in this time'),
		('ledger', 14, interval '30 days', interval '1095 days', 'the decisions of people of whom nothing else is known any more, and their subject row');
END;
COMMENT ON FUNCTION personalize_internal._retention_kind() IS
	'the kinds of data that retention_policy speaks of: the shortest time each may be kept, and the default';
REVOKE ALL ON FUNCTION personalize_internal._retention_kind() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._retention_kind() TO personalize_owner, personalize_admin, personalize_analyst;

-- Rows come by set_retention(), by hand and out of a dump: all are checked, and
-- one that is not as it was installed takes the place of the one that is.
CREATE FUNCTION personalize_internal._retention_check() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k record;
BEGIN
	SELECT * INTO k FROM personalize_internal._retention_kind() AS r WHERE r.kind = NEW.kind;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'retention kind % does not exist', coalesce('"' || NEW.kind || '"', 'null')
			USING ERRCODE = 'undefined_object',
				HINT = (SELECT 'Kinds are: ' || string_agg(r.kind, ', ' ORDER BY r.place) || '.' FROM personalize_internal._retention_kind() AS r);
	END IF;
	IF NEW.event IS NOT NULL THEN
		IF NEW.kind <> 'raw' THEN
			RAISE EXCEPTION 'retention kind "%" has no time of its own for event "%"', NEW.kind, NEW.event
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Only raw events are kept by their name.';
		END IF;
		IF octet_length(NEW.event) NOT BETWEEN 1 AND 64 THEN
			RAISE EXCEPTION 'event "%" is no name of an event', left(NEW.event, 80)
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Names have 1 to 64 bytes, see personalize.event_type.';
		END IF;
	END IF;
	IF NEW.keep IS NULL AND NOT NEW.without_end THEN
		RAISE EXCEPTION 'retention kind "%" would be kept without end', NEW.kind
			USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Give a time, or say so: SELECT personalize.set_retention(%L, NULL, without_end => true).', NEW.kind);
	END IF;
	IF NEW.keep IS NOT NULL AND NEW.without_end THEN
		RAISE EXCEPTION 'retention kind "%" cannot be kept for % and without end', NEW.kind, NEW.keep
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give one of keep and without_end.';
	END IF;
	IF NEW.keep IS NOT NULL AND (NEW.keep < k.shortest OR extract(year FROM NEW.keep) < 0 OR extract(month FROM NEW.keep) < 0
		OR extract(day FROM NEW.keep) < 0 OR NEW.keep > interval '100 years') THEN
		RAISE EXCEPTION 'keep "%" of retention kind "%" is not between % and 100 years', NEW.keep, NEW.kind, k.shortest
			USING ERRCODE = 'invalid_parameter_value',
				HINT = format('To keep it without end: SELECT personalize.set_retention(%L, NULL, without_end => true).', NEW.kind);
	END IF;
	IF TG_OP = 'INSERT' THEN
		DELETE FROM personalize.retention_policy AS p
		WHERE p.kind = NEW.kind AND p.event IS NOT DISTINCT FROM NEW.event AND p.builtin AND NOT NEW.builtin;
	ELSIF NEW.builtin AND OLD IS DISTINCT FROM NEW THEN
		NEW.builtin := false;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION personalize_internal._retention_check() IS 'raises for what retention_policy must not hold';
REVOKE ALL ON FUNCTION personalize_internal._retention_check() FROM PUBLIC;
CREATE TRIGGER retention_check BEFORE INSERT OR UPDATE ON personalize.retention_policy
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._retention_check();
INSERT INTO personalize.retention_policy (kind, keep, builtin)
	SELECT k.kind, k.keep, true FROM personalize_internal._retention_kind() AS k;
SELECT pg_catalog.pg_extension_config_dump('personalize.retention_policy', 'WHERE NOT builtin');
GRANT SELECT ON personalize.retention_policy TO personalize_analyst, personalize_admin;

-- What the last runs did; not dumped, for it speaks of this database's jobs.
CREATE TABLE personalize._retention_state (
	kind text PRIMARY KEY,
	last_run_at timestamptz,
	last_result text,
	last_detail text,
	last_removed bigint NOT NULL DEFAULT 0,
	removed bigint NOT NULL DEFAULT 0,
	well_at timestamptz,
	failures bigint NOT NULL DEFAULT 0,
	last_error text,
	last_error_at timestamptz,
	passed_at timestamptz,
	next_key bigint
) WITH (fillfactor = 50);
COMMENT ON TABLE personalize._retention_state IS
	'per kind what apply_retention() did last, up to which as_of a pass over the whole table has been made, and where the next one goes on';

CREATE FUNCTION personalize_internal._retention_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE personalize._retention_state SET passed_at = NULL, next_key = NULL WHERE passed_at IS NOT NULL OR next_key IS NOT NULL;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize_internal._retention_changed() IS 'has the next run look at everything again';
REVOKE ALL ON FUNCTION personalize_internal._retention_changed() FROM PUBLIC;
CREATE TRIGGER retention_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON personalize.retention_policy
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._retention_changed();

CREATE FUNCTION personalize.set_retention(kind text, keep interval, event text DEFAULT NULL, without_end boolean DEFAULT false)
	RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF kind IS NULL THEN
		RAISE EXCEPTION 'kind must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	without_end := coalesce(without_end, false);
	IF event IS NOT NULL THEN
		event := coalesce((SELECT t.name FROM personalize.event_type t
			WHERE t.event = personalize_internal._event_number(set_retention.event)), event);
	END IF;
	IF kind = 'raw' AND event IS NOT NULL AND NOT EXISTS (
		SELECT FROM personalize.event_type t WHERE t.name = set_retention.event) THEN
		RAISE EXCEPTION 'event "%" does not exist', event
			USING ERRCODE = 'undefined_object', HINT = 'See personalize.event_type; names are known once they are tracked.';
	END IF;
	INSERT INTO personalize.retention_policy AS p (kind, event, keep, without_end)
	VALUES (set_retention.kind, set_retention.event, set_retention.keep, set_retention.without_end)
	ON CONFLICT ON CONSTRAINT retention_policy_kind_event_key DO UPDATE
		SET keep = excluded.keep, without_end = excluded.without_end;
END
$$;
COMMENT ON FUNCTION personalize.set_retention(text, interval, text, boolean) IS
	'how long a kind of data is kept (retention_policy.kind), for kind raw also the events of one name. keep NULL needs without_end => true. Takes effect with the next apply_retention(). Errors: 22023 keep too short or without end, 42704 unknown kind or event';

CREATE FUNCTION personalize.reset_retention(kind text, event text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k record;
BEGIN
	SELECT * INTO k FROM personalize_internal._retention_kind() AS r WHERE r.kind = reset_retention.kind;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'retention kind % does not exist', coalesce('"' || kind || '"', 'null')
			USING ERRCODE = 'undefined_object',
				HINT = (SELECT 'Kinds are: ' || string_agg(r.kind, ', ' ORDER BY r.place) || '.' FROM personalize_internal._retention_kind() AS r);
	END IF;
	DELETE FROM personalize.retention_policy AS p
	WHERE p.kind = reset_retention.kind AND p.event IS NOT DISTINCT FROM reset_retention.event;
	IF event IS NULL THEN
		INSERT INTO personalize.retention_policy (kind, keep, builtin) VALUES (k.kind, k.keep, true);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.reset_retention(text, text) IS
	'a kind of data is kept as long as after the installation again; events of one name, as long as all others. Errors: 42704 unknown kind';
REVOKE ALL ON FUNCTION personalize.set_retention(text, interval, text, boolean), personalize.reset_retention(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.set_retention(text, interval, text, boolean), personalize.reset_retention(text, text)
	TO personalize_admin;

CREATE FUNCTION personalize.apply_retention(
	dry_run boolean DEFAULT false,
	as_of timestamptz DEFAULT NULL,
	max_rows bigint DEFAULT 50000,
	pause interval DEFAULT '0',
	OUT kind text, OUT what text, OUT removed bigint, OUT result text, OUT detail text, OUT bytes bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_apply_retention' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 COST 100000;
COMMENT ON FUNCTION personalize.apply_retention(boolean, timestamptz, bigint, interval) IS
	'removes what is past its retention_policy, and says what and how much: result is done, more (max_rows of a kind were reached: call again), waits (days that a processor has not passed), busy (somebody holds it: call again), failed (detail says why) or, for a dry run, which only counts, would. bytes: of a dry run, about how much of the disk these rows take with their indexes; NULL where rows stay and only get shorter. VACUUM makes it free for other rows, a dropped day''s goes back at once. as_of, not in the future, stands for now. Kinds over which a whole pass ended less than pause ago are left out. Several at once are safe: one works, the others say busy. Errors: 22023 as_of in the future; 0A000 above READ COMMITTED; 25006 on a standby';
REVOKE ALL ON FUNCTION personalize.apply_retention(boolean, timestamptz, bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.apply_retention(boolean, timestamptz, bigint, interval) TO personalize_admin;

CREATE PROCEDURE personalize.run_retention(max_rows bigint DEFAULT 50000, pause interval DEFAULT '0', time_limit interval DEFAULT '10 minutes')
	AS 'MODULE_PATHNAME', 'personalize_run_retention' LANGUAGE C;
COMMENT ON PROCEDURE personalize.run_retention(bigint, interval, interval) IS
	'apply_retention(max_rows, pause), again and again, each time in a transaction of its own, until no kind says more, or time_limit is over (the part at work is ended): what schedule_maintenance() has pg_cron call. A kind that was looked at whole is not looked at again in the same call, except the days of raw events. stat_retention tells what it did. Errors: 25001 in a transaction block or a function; 22023 out of range; 0A000 above READ COMMITTED; 25006 on a standby';
REVOKE ALL ON PROCEDURE personalize.run_retention(bigint, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE personalize.run_retention(bigint, interval, interval) TO personalize_admin;

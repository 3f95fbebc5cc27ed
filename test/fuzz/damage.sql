-- Damages packed bytes in every way and has them read: by the decoders alone, and
-- in their rows by whatever reads these.  For a database of recompute.sql with
-- traffic, as a superuser; 073_damage.pl calls it.
CREATE SCHEMA damage;
-- a decoder takes what a damaged row would give it
CREATE CAST (bytea AS personalize.feature_state) WITHOUT FUNCTION;
CREATE CAST (personalize.feature_state AS bytea) WITHOUT FUNCTION;

-- 0 .. n - 1
CREATE FUNCTION damage.pick(n integer) RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT floor(random() * n)::integer';

-- A copy with one to three faults.
CREATE FUNCTION damage.mutate(bytes bytea, other bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	extremes CONSTANT bytea[] := ARRAY['\x00', '\x01', '\x7f', '\x80', '\xff', '\xffff', '\x00000000', '\xffffff7f', '\xffffffff',
		'\xffffffffffffff7f', '\x0000000000000080', '\xffffffffffffffffff01', '\xffffffffffffffffff7f', '\x8080808080808080808080'];
	size integer;
	place integer;
	run integer;
BEGIN
	FOR fault IN 0 .. damage.pick(3) LOOP
		size := length(bytes);
		IF size = 0 THEN
			RETURN substr(other, 1, damage.pick(40));
		END IF;
		-- what comes first tells how the rest is read
		place := CASE WHEN random() < 0.4 THEN damage.pick(least(size, 16)) ELSE damage.pick(size) END;
		run := 1 + damage.pick(CASE WHEN random() < 0.5 THEN 4 ELSE 40 END);
		CASE damage.pick(10)
			WHEN 0, 1 THEN
				bytes := set_bit(bytes, place * 8 + damage.pick(8), damage.pick(2));
			WHEN 2, 3 THEN
				bytes := set_byte(bytes, place, damage.pick(256));
			WHEN 4 THEN
				bytes := overlay(bytes PLACING extremes[1 + damage.pick(array_length(extremes, 1))] FROM place + 1);
			WHEN 5 THEN
				bytes := substr(bytes, 1, place);
			WHEN 6 THEN
				bytes := bytes || substr(other, 1 + damage.pick(length(other)), run);
			WHEN 7 THEN
				bytes := substr(bytes, 1, place) || substr(bytes, place + 1 + run);
			WHEN 8 THEN
				bytes := substr(bytes, 1, place) || substr(bytes, place + 1, run) || substr(bytes, place + 1);
			ELSE
				bytes := overlay(bytes PLACING substr(bytes, 1 + damage.pick(size), run) FROM place + 1);
		END CASE;
	END LOOP;
	RETURN bytes;
END $$;

-- Sessions of people who browse, with ids of all kinds.
CREATE FUNCTION damage.browse(sessions integer) RETURNS bigint LANGUAGE sql SET client_min_messages = error AS $$
	SELECT i.accepted FROM (
		SELECT array_agg('reader ' || s % 40) AS users, array_agg((ARRAY['view_item', 'add_to_cart', 'purchase'])[1 + e % 3]) AS events,
			array_agg((ARRAY['', '14073748835532', '922337203685477', 'page '])[1 + s % 4] || damage.pick(30)) AS items,
			array_agg(now() - interval '2 days' * random() + e * interval '1 minute') AS ts,
			array_agg(CASE WHEN s % 3 > 0 THEN 'visit ' || s || ' ' || pg_current_xact_id() END) AS sessions,
			array_agg('analytics,personalization,recommendations'::text) AS consents
		FROM generate_series(1, sessions) s, generate_series(1, 2 + s % 9) e) t,
	LATERAL personalize.ingest(t.users, t.events, t.items, ts => t.ts, session_ids => t.sessions, consents => t.consents) i
$$;

-- What is packed in this database.
CREATE VIEW damage.packed AS
	SELECT row_number() OVER () AS number, kind, bytes FROM (
		SELECT DISTINCT kind, bytes FROM (
			SELECT 'posting' AS kind, data AS bytes FROM personalize.posting
			UNION ALL SELECT 'session', items FROM personalize.session
			UNION ALL SELECT 'recent', recent FROM personalize.profile
			UNION ALL SELECT 'features', features::bytea FROM personalize.profile) s
		WHERE bytes IS NOT NULL ORDER BY kind, bytes) t;
CREATE TABLE damage.seed (LIKE damage.packed);

-- Read bytes by everything that takes such bytes alone.
CREATE FUNCTION damage.decode(kind text, bytes bytea, other bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	state CONSTANT personalize.feature_state := CASE kind WHEN 'features' THEN bytes::personalize.feature_state END;
	left_state personalize.feature_state;
BEGIN
	CASE kind
		WHEN 'posting' THEN
			PERFORM count(*) FROM personalize_internal._posting_entries(bytes, 17, 3);
		WHEN 'session' THEN
			PERFORM count(*) FROM personalize_internal._session_items(bytes, 17, true, 3, now());
		WHEN 'recent' THEN
			PERFORM count(*) FROM personalize_internal._recent_items(bytes, 17);
		WHEN 'features' THEN
			CASE damage.pick(7)
				WHEN 0 THEN PERFORM state::text;
				WHEN 1 THEN PERFORM count(*) FROM personalize_internal._profile_panes(state, 2::smallint, 17);
				WHEN 2 THEN PERFORM count(*) FROM personalize_internal._profile_features(state, 2::smallint, NULL, now(), 17);
				WHEN 3 THEN left_state := personalize_internal._state_folded(state, now(), 17);
				WHEN 4 THEN left_state := state OPERATOR(personalize.+) (other::personalize.feature_state);
				WHEN 5 THEN left_state := other::personalize.feature_state OPERATOR(personalize.-) state;
				ELSE left_state := personalize_internal._features_for(state, 2, 2, 17);
			END CASE;
			-- what comes of a state that was accepted is a state
			PERFORM left_state::text;
	END CASE;
END $$;

-- Damage seeds of a kind so often and decode them: how the decoders ended, by SQLSTATE.
CREATE FUNCTION damage.decode_all(wanted text, rounds integer)
	RETURNS TABLE (state text, message text, times bigint) LANGUAGE plpgsql AS $$
DECLARE
	seeds CONSTANT bytea[] := ARRAY(SELECT s.bytes FROM damage.seed s WHERE s.kind = wanted ORDER BY s.number);
	bytes bytea;
	other bytea;
	ends jsonb := '{}';
	how text;
BEGIN
	FOR i IN 1 .. rounds LOOP
		other := seeds[1 + damage.pick(array_length(seeds, 1))];
		bytes := damage.mutate(seeds[1 + i % array_length(seeds, 1)], other);
		how := '00000 decoded';
		BEGIN
			PERFORM damage.decode(wanted, bytes, other);
		EXCEPTION WHEN OTHERS THEN
			how := SQLSTATE || ' ' || regexp_replace(SQLERRM, 'version \d+,', 'version N,');
		END;
		ends := jsonb_set(ends, ARRAY[how], to_jsonb(coalesce((ends ->> how)::bigint, 0) + 1));
	END LOOP;
	RETURN QUERY SELECT left(e.key, 5), substr(e.key, 7), e.value::bigint FROM jsonb_each_text(ends) e ORDER BY 1, 2;
END $$;

-- What reads rows, and what of its answer does not matter: all that it does is undone.
CREATE TABLE damage.reader (number serial, statement text);
INSERT INTO damage.reader (statement) VALUES
	('SELECT count(*) FROM personalize.profile($1)'),
	('SELECT count(*) FROM personalize.features($1)'),
	('SELECT count(*) FROM personalize.recent($1)'),
	('SELECT count(*) FROM personalize.recommend($1)'),
	('SELECT count(*) FROM personalize.similar_items($2)'),
	('SELECT count(*) FROM personalize.session_neighbours(ARRAY[$2]::personalize.entity_id[])'),
	('SELECT count(*) FROM personalize.export_user($1)'),
	('SELECT count(value) FROM personalize.profile_feature WHERE signal IS NOT NULL'),
	('SELECT count(*) FROM personalize.profile_pane WHERE user_id = $1'),
	('SELECT sum(personalize.cohort_count(name, NULL)) FROM personalize.signal_status WHERE enabled AND key_path = ''item'''),
	('SELECT count(*) FROM personalize.export_profiles()'),
	('SELECT count(*) FROM personalize.verify_index()'),
	('SELECT count(personalize.state_hash(t)) FROM unnest(ARRAY[''profile'', ''session'', ''posting'']) t'),
	('SELECT count(*) FROM personalize.tune_neighbours(max_predictions => 100)'),
	('SELECT personalize.withdraw_consent($1, ''{recommendations}'', ''test'')'),
	('SELECT personalize.withdraw_consent($1, ''{personalization}'', ''test'')'),
	('SELECT personalize.restrict($1, ''{recommendations}'')'),
	('SELECT personalize.forget($1)'),
	('SELECT count(*) FROM personalize.apply_retention()'),
	('SELECT personalize.rollup_now()');

-- Damage one row, with a key of its own or NULL: any, and tell whose it is.
CREATE FUNCTION damage.damage_row(INOUT kind text, OUT name text, OUT who text, OUT item text) LANGUAGE plpgsql AS $$
DECLARE
	bytes bytea;
	place tid;
	other CONSTANT bytea := (SELECT s.bytes FROM damage.seed s WHERE s.kind = damage_row.kind ORDER BY random() LIMIT 1);
BEGIN
	CASE kind
		WHEN 'posting' THEN
			SELECT p.ctid, format('row of "posting" with item_key %s, chunk %s', p.item_key, p.chunk), p.data, personalize_internal._item_name(p.item_key)
				INTO place, name, bytes, item FROM personalize.posting p ORDER BY random() LIMIT 1;
			UPDATE personalize.posting SET data = damage.mutate(bytes, other) WHERE ctid = place;
		WHEN 'session' THEN
			SELECT p.ctid, format('row of "session" with user_key %s, given %s, session_key %s', p.user_key, p.given::integer, p.session_key),
				p.items, s.user_id INTO place, name, bytes, who FROM personalize.session p JOIN personalize.subject s USING (user_key) ORDER BY random() LIMIT 1;
			UPDATE personalize.session SET items = damage.mutate(bytes, other) WHERE ctid = place;
		WHEN 'recent' THEN
			SELECT p.ctid, format('row of "profile" with user_key %s', p.user_key), p.recent, s.user_id
				INTO place, name, bytes, who FROM personalize.profile p JOIN personalize.subject s USING (user_key)
				WHERE p.recent IS NOT NULL ORDER BY random() LIMIT 1;
			UPDATE personalize.profile SET recent = damage.mutate(bytes, other) WHERE ctid = place;
		ELSE
			SELECT p.ctid, format('row of "profile" with user_key %s', p.user_key), p.features::bytea, s.user_id
				INTO place, name, bytes, who FROM personalize.profile p JOIN personalize.subject s USING (user_key)
				WHERE p.features IS NOT NULL ORDER BY random() LIMIT 1;
			UPDATE personalize.profile SET features = damage.mutate(bytes, other)::personalize.feature_state WHERE ctid = place;
	END CASE;
	who := coalesce(who, (SELECT s.user_id FROM personalize.subject s JOIN personalize.profile p USING (user_key) ORDER BY random() LIMIT 1));
	item := coalesce(item, (SELECT personalize_internal._item_name(p.item_key) FROM personalize.posting p ORDER BY random() LIMIT 1));
END $$;

-- For each reader damage a row of a kind, have it read, and undo all that.
CREATE FUNCTION damage.read_all(wanted text)
	RETURNS TABLE (reader text, state text, message text) LANGUAGE plpgsql AS $$
DECLARE
	damaged record;
BEGIN
	FOR reader IN SELECT r.statement FROM damage.reader r ORDER BY r.number LOOP
		BEGIN
			damaged := damage.damage_row(wanted);
			EXECUTE reader USING damaged.who, damaged.item;
			RAISE EXCEPTION USING ERRCODE = 'UUUUU', MESSAGE = 'read';
		EXCEPTION WHEN OTHERS THEN
			state := SQLSTATE;
			message := CASE WHEN starts_with(SQLERRM, damaged.name) THEN 'named' ELSE SQLERRM END;
		END;
		RETURN NEXT;
	END LOOP;
END $$;

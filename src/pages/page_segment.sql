-- page_segment: kinds of visitors that a page learns for apart.
CREATE TABLE personalize.page_segment (
	page text NOT NULL DEFAULT 'home',
	name text NOT NULL,
	place integer NOT NULL DEFAULT 1,
	audience jsonpath,
	segment text,
	number smallint NOT NULL CHECK (number BETWEEN 2 AND 7),
	since date NOT NULL DEFAULT (pg_catalog.now() AT TIME ZONE 'UTC')::date,
	description text,
	created_by name NOT NULL DEFAULT session_user,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (page, name),
	UNIQUE (page, number)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.page_segment', '');
COMMENT ON TABLE personalize.page_segment IS
	'kinds of visitors of a page, 6 at most, obeyed from the end of the transaction that writes it: INSERT, UPDATE and DELETE as you like. The order of shelves is learned for each apart. A visitor is in the first whose audience and segment hold; in the past (as_of) by what raw events tell of then; who is in none is known or new: something the page can go by is known of them, or nothing';
COMMENT ON COLUMN personalize.page_segment.page IS 'the page, as page_module.page';
COMMENT ON COLUMN personalize.page_segment.name IS 'what homepage_layout() calls it (1..63 bytes; not new, not known)';
COMMENT ON COLUMN personalize.page_segment.place IS 'the lower is asked first; of the same place the name that comes first by its bytes';
COMMENT ON COLUMN personalize.page_segment.audience IS 'who is in it: a jsonpath over the features of the profile, as rule.audience';
COMMENT ON COLUMN personalize.page_segment.segment IS 'who is in it: people of this segment, as rule.segment; both must hold where there is an audience, too';
COMMENT ON COLUMN personalize.page_segment.number IS
	'2 to 7, chosen when it is made: engine_stat.module and request_origin() have 8 times the number of the module, and this';
COMMENT ON COLUMN personalize.page_segment.since IS 'what was counted on earlier days (UTC) is of another segment that had the number';
COMMENT ON COLUMN personalize.page_segment.description IS 'for people';
COMMENT ON COLUMN personalize.page_segment.created_by IS 'the role that was logged in';

CREATE FUNCTION personalize_internal._check_page_segment() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_check_page_segment' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_page_segment() IS 'trigger of page_segment: refuses what cannot be meant';

CREATE FUNCTION personalize_internal._number_page_segment() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		IF NEW.page IS DISTINCT FROM OLD.page OR NEW.number IS DISTINCT FROM OLD.number THEN
			RAISE EXCEPTION 'segment "%" of page "%" keeps its page and number', OLD.name, OLD.page USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'They stand in request ids and counters: DELETE it and INSERT another.';
		END IF;
		RETURN NEW;
	END IF;
	-- one at a time, so that no two take the same number
	PERFORM pg_advisory_xact_lock(hashtextextended('personalize.page_segment', 0));
	IF NOT EXISTS (SELECT FROM personalize.page_module AS m WHERE m.page = NEW.page) THEN
		RAISE WARNING 'page "%" of segment "%" has no modules', NEW.page, NEW.name USING ERRCODE = 'undefined_object',
			HINT = 'SELECT DISTINCT page FROM personalize.page_module lists those that have; INSERT INTO personalize.page_module makes one.';
	END IF;
	IF NEW.number IS NULL THEN
		SELECT min(n) INTO NEW.number FROM generate_series(2, 7) AS n
			WHERE NOT EXISTS (SELECT FROM personalize.page_segment AS s WHERE s.page = NEW.page AND s.number = n);
	END IF;
	IF NEW.number IS NULL THEN
		RAISE EXCEPTION 'page "%" has 6 segments, and can have no more', NEW.page USING ERRCODE = 'program_limit_exceeded',
			DETAIL = format('Segments: %s.', (SELECT string_agg(s.name, ', ' ORDER BY s.place, s.name COLLATE "C") FROM personalize.page_segment AS s WHERE s.page = NEW.page)),
			HINT = 'DELETE one that is not needed any more.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION personalize_internal._number_page_segment() IS 'trigger of page_segment: gives a number that the page has free';

CREATE TRIGGER check_page_segment BEFORE INSERT OR UPDATE ON personalize.page_segment
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._check_page_segment();
CREATE TRIGGER number_page_segment BEFORE INSERT OR UPDATE ON personalize.page_segment
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._number_page_segment();
SELECT personalize_internal._announce('{page_segment}');

REVOKE ALL ON FUNCTION personalize_internal._check_page_segment(), personalize_internal._number_page_segment() FROM PUBLIC;
GRANT SELECT ON personalize.page_segment TO personalize_analyst, personalize_admin;
GRANT INSERT, UPDATE, DELETE ON personalize.page_segment TO personalize_admin;

CREATE FUNCTION personalize_internal._pages_using(kind text, name text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT coalesce(array_agg(u.used_by ORDER BY u.used_by), '{}') FROM (
		SELECT format('module "%s" of page "%s"', m.module, m.page) AS used_by FROM personalize.page_module AS m WHERE m.segment = _pages_using.name
		UNION ALL
		SELECT format('segment "%s" of page "%s"', s.name, s.page) AS used_by FROM personalize.page_segment AS s WHERE s.segment = _pages_using.name) AS u
	WHERE _pages_using.kind = 'segment';
END;
COMMENT ON FUNCTION personalize_internal._pages_using(text, text) IS 'the modules and segments of pages that are for people of a segment, as errors name them';
REVOKE ALL ON FUNCTION personalize_internal._pages_using(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._pages_using(text, text) TO personalize_owner, personalize_admin;

CREATE TRIGGER keep_segment_of_pages BEFORE DELETE ON personalize.segment
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_used('_pages_using',
		'UPDATE personalize.page_module or page_segment, or DELETE from them, first.');

-- item: the catalogue, and how a shop's own table gets into it.
--
-- The unique index on item_id is made before the primary key: indexes are
-- filled in order of creation, and ON CONFLICT (item_id) of two sessions that
-- insert the same new item must meet in its own index first, not fail in the
-- other one.  Narrow columns come first, so that the check of available and
-- hidden, made for every recommended item, unpacks no text.
CREATE TABLE personalize.item (
	item_key bigint NOT NULL GENERATED ALWAYS AS (personalize.item_key(item_id)) STORED,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz DEFAULT pg_catalog.now(),
	available boolean NOT NULL DEFAULT true,
	hidden boolean NOT NULL DEFAULT false,
	item_id text NOT NULL CHECK (pg_catalog.octet_length(item_id) BETWEEN 1 AND 512),
	-- as long as its index has room for
	category text CONSTRAINT item_category_length CHECK (pg_catalog.octet_length(category) OPERATOR(pg_catalog.<=) 2000),
	brand text,
	price numeric,
	currency text,
	tags text[],
	attributes jsonb CHECK (pg_catalog.jsonb_typeof(attributes) OPERATOR(pg_catalog.=) 'object'),
	source text,
	vanished_at timestamptz
);
ALTER TABLE personalize.item ADD CONSTRAINT item_item_id_key UNIQUE (item_id);
-- generated columns are not published
ALTER TABLE personalize.item REPLICA IDENTITY USING INDEX item_item_id_key;
ALTER TABLE personalize.item ADD CONSTRAINT item_pkey PRIMARY KEY (item_key);
-- The newest, where nothing else is known; mostly the table need not be looked at.
CREATE INDEX item_created_at_idx ON personalize.item (created_at DESC, item_key) INCLUDE (category) WHERE available AND NOT hidden;
-- The newest of a category, for those who are interested in it.  Bytes are compared sooner than text.
CREATE INDEX item_category_created_at_idx ON personalize.item (category COLLATE pg_catalog."C", created_at DESC, item_key) WHERE available AND NOT hidden;
SELECT pg_catalog.pg_extension_config_dump('personalize.item', '');
COMMENT ON TABLE personalize.item IS
	'the catalogue: write it with INSERT, COPY, an ORM, upsert_items or sync_items; items that are not in it work too, as available ones';
COMMENT ON COLUMN personalize.item.item_key IS 'item_key(item_id); a non-negative integer id is its own key, so it joins the shop''s primary key';
COMMENT ON COLUMN personalize.item.created_at IS 'since when the item is offered';
COMMENT ON COLUMN personalize.item.updated_at IS 'when sync_items or upsert_items last changed the row, or it was inserted; a plain UPDATE may set it. NULL: nobody wrote it, an event that named the item did';
COMMENT ON COLUMN personalize.item.available IS 'false: no engine returns it, from the next statement on';
COMMENT ON COLUMN personalize.item.hidden IS 'true: no engine returns it, from the next statement on; sync_items leaves it alone unless it is mapped';
COMMENT ON COLUMN personalize.item.item_id IS 'the shop''s id, 1 to 512 bytes';
COMMENT ON COLUMN personalize.item.category IS 'category, exactly as signals and trending(category) compare it; at most 2000 bytes';
COMMENT ON COLUMN personalize.item.price IS 'price in currency';
COMMENT ON COLUMN personalize.item.currency IS 'currency of price, usually ISO 4217';
COMMENT ON COLUMN personalize.item.tags IS 'any labels';
COMMENT ON COLUMN personalize.item.attributes IS 'anything else, a JSON object; filters see it as $.attributes';
COMMENT ON COLUMN personalize.item.source IS 'the table or view sync_items took it from; NULL: written otherwise';
COMMENT ON COLUMN personalize.item.vanished_at IS 'since when sync_items no longer finds it in source; NULL: it does, or was never asked';
GRANT SELECT, INSERT, UPDATE, DELETE ON personalize.item TO personalize_app, personalize_admin;
GRANT SELECT ON personalize.item TO personalize_analyst;

-- Whoever writes it: plain statements are held to what the calls read.
CREATE FUNCTION personalize_internal._check_item() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_check_item' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_item() IS
	'trigger of item: makes ids tidy, and refuses what upsert_items would';
REVOKE ALL ON FUNCTION personalize_internal._check_item() FROM PUBLIC;
CREATE TRIGGER item_check BEFORE INSERT OR UPDATE OF item_id, price, created_at, tags ON personalize.item
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._check_item();

-- What the catalogue said of an item before, for who asks about events of that time.
CREATE TABLE personalize._item_past (
	item_key bigint NOT NULL,
	since timestamptz NOT NULL,
	until timestamptz NOT NULL,
	category text,
	brand text,
	PRIMARY KEY (item_key, until),
	CHECK (since OPERATOR(pg_catalog.<) until)
);
SELECT pg_catalog.pg_extension_config_dump('personalize._item_past', '');
COMMENT ON TABLE personalize._item_past IS
	'category and brand of items that had others before, in [since, until); what item says holds from the last until on. A category that is filled in where there was none holds for the time before, too';
REVOKE ALL ON personalize._item_past FROM PUBLIC;
-- The row is locked by the update, so spans of an item never overlap.
CREATE FUNCTION personalize_internal._item_past_keep() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	last timestamptz;
BEGIN
	DELETE FROM personalize._item_past p USING personalize._gone g
		WHERE p.item_key = OLD.item_key AND g.what = 'event' AND p.until <= g.before;
	SELECT coalesce(max(p.until), '-infinity') INTO last FROM personalize._item_past p WHERE p.item_key = OLD.item_key;
	INSERT INTO personalize._item_past VALUES (OLD.item_key, last,
		CASE WHEN last < clock_timestamp() THEN clock_timestamp() ELSE last + interval '1 microsecond' END,
		OLD.category, OLD.brand);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize_internal._item_past_keep() IS
	'trigger of item: keeps category and brand that an update replaces, while events of that time are kept';
REVOKE ALL ON FUNCTION personalize_internal._item_past_keep() FROM PUBLIC;
CREATE TRIGGER item_past_keep AFTER UPDATE OF category, brand ON personalize.item
	FOR EACH ROW WHEN ((OLD.category IS NOT NULL OR OLD.brand IS NOT NULL)
		AND (OLD.category, OLD.brand) IS DISTINCT FROM (NEW.category, NEW.brand))
	EXECUTE FUNCTION personalize_internal._item_past_keep();
-- No foreign key: it would keep a shop from emptying the catalogue with TRUNCATE.
CREATE FUNCTION personalize_internal._item_past_drop() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		DELETE FROM personalize._item_past;
	ELSE
		DELETE FROM personalize._item_past p WHERE p.item_key = OLD.item_key;
	END IF;
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION personalize_internal._item_past_drop() IS
	'triggers of item: what leaves the catalogue leaves its past, too';
REVOKE ALL ON FUNCTION personalize_internal._item_past_drop() FROM PUBLIC;
CREATE TRIGGER item_past_drop BEFORE DELETE ON personalize.item
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._item_past_drop();
CREATE TRIGGER item_past_truncate BEFORE TRUNCATE ON personalize.item
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._item_past_drop();

CREATE TABLE personalize.item_sync (
	source text NOT NULL,
	mapping jsonb NOT NULL,
	changed_column text,
	changed_until text,
	last_mode text NOT NULL,
	last_run_at timestamptz NOT NULL,
	inserted bigint NOT NULL,
	updated bigint NOT NULL,
	unavailable bigint NOT NULL,
	run_by name NOT NULL DEFAULT current_user,
	written text[] NOT NULL DEFAULT '{}',
	CONSTRAINT item_sync_pkey PRIMARY KEY (source, run_by)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.item_sync', '');
COMMENT ON TABLE personalize.item_sync IS 'what sync_items last did with each source, for each role that ran it';
COMMENT ON COLUMN personalize.item_sync.run_by IS
	'the role that ran it: its mapping holds for this role alone, which is also the only one that may change the row';

COMMENT ON COLUMN personalize.item_sync.written IS
	'the columns of the catalogue that came from the source; one that no longer does goes back to its default';

-- A mapping decides which columns are copied with the rights of who runs it, so
-- nobody writes one that another role obeys.
CREATE FUNCTION personalize_internal._item_sync_guard() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	owner_before name := CASE WHEN TG_OP <> 'INSERT' THEN OLD.run_by END;
	owner_after name := CASE WHEN TG_OP <> 'DELETE' THEN NEW.run_by END;
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
		AND (owner_before <> current_user OR owner_after <> current_user) THEN
		RAISE EXCEPTION 'item_sync of role "%" is not for role "%"',
				CASE WHEN owner_before <> current_user THEN owner_before ELSE owner_after END, current_user
			USING ERRCODE = 'insufficient_privilege', HINT = 'Each role has mappings of its own, which sync_items() writes.';
	END IF;
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION personalize_internal._item_sync_guard() IS 'trigger of item_sync: a role writes its own rows only';
REVOKE ALL ON FUNCTION personalize_internal._item_sync_guard() FROM PUBLIC;
CREATE TRIGGER item_sync_guard BEFORE INSERT OR UPDATE OR DELETE ON personalize.item_sync
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._item_sync_guard();
COMMENT ON COLUMN personalize.item_sync.changed_until IS 'the next incremental run reads rows whose changed_column is at least this';
GRANT SELECT, INSERT, UPDATE, DELETE ON personalize.item_sync TO personalize_app, personalize_admin;
GRANT SELECT ON personalize.item_sync TO personalize_analyst;

CREATE FUNCTION personalize_internal._item_number(value text, field text, item_id text) RETURNS numeric
	AS 'MODULE_PATHNAME', 'personalize_item_number' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._item_number(text, text, text) IS
	'a number of an item as numbers of events are read; blank: NULL. Error 22023 that names field, value and item if it is none or may be two';

CREATE FUNCTION personalize_internal._item_boolean(value text, field text, item_id text) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- what the server reads as a boolean
	IF value !~* '^\s*(t|tr|tru|true|y|ye|yes|on|1|f|fa|fal|fals|false|n|no|of|off|0)\s*$' THEN
		RAISE EXCEPTION '% "%" of item "%" is not true or false', field, value, item_id
			USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Map a boolean, a stock, or {"value": true}; of words make a view with a column like %I = %L AS available, and give that.', field, value);
	END IF;
	RETURN value::boolean;
END
$$;
COMMENT ON FUNCTION personalize_internal._item_boolean(text, text, text) IS
	'available or hidden out of a text of a source; error 22023 that names field, value and item if it is none';

-- The expression that reads one column of the catalogue from a source row "s";
-- NULL if it is neither mapped nor there under its own name.  Only names and
-- constants get into it, each quoted.
CREATE FUNCTION personalize_internal._item_source_expression(source regclass, mapping jsonb, item_column text, id_expression text DEFAULT NULL)
	RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted jsonb := mapping -> item_column;
	kind text := jsonb_typeof(wanted);
	single record;
	parts text;
BEGIN
	IF kind = 'null' THEN
		RETURN NULL;
	END IF;
	IF kind = 'object' AND item_column <> 'attributes' THEN
		IF NOT wanted ? 'value' OR wanted - 'value' <> '{}' THEN
			RAISE EXCEPTION 'mapping of "%" is neither a column name nor {"value": ...}', item_column
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		RETURN CASE item_column
			WHEN 'tags' THEN format('ARRAY[%L]::text[]', wanted ->> 'value')
			ELSE format('%L::%s', wanted ->> 'value', (
				SELECT format_type(atttypid, NULL) FROM pg_attribute
				WHERE attrelid = 'personalize.item'::regclass AND attname = item_column)) END;
	END IF;
	IF kind IN ('number', 'boolean') OR (kind = 'array' AND item_column NOT IN ('tags', 'attributes')) THEN
		RAISE EXCEPTION 'mapping of "%" is neither a column name nor {"value": ...}', item_column
			USING ERRCODE = 'invalid_parameter_value';
	END IF;

	IF kind IN ('array', 'object') THEN
		SELECT string_agg(CASE item_column
				WHEN 'tags' THEN format('s.%I::text', m.col) ELSE format('%L, s.%I', m.label, m.col) END, ', ')
			INTO parts
			FROM (
				SELECT value #>> '{}' AS label, value #>> '{}' AS col
				FROM jsonb_array_elements(CASE kind WHEN 'array' THEN wanted ELSE '[]' END)
				UNION ALL
				SELECT key, value #>> '{}'
				FROM jsonb_each(CASE kind WHEN 'object' THEN wanted ELSE '{}' END)) m
			WHERE personalize_internal._check_source_column(source, m.col);
		RETURN CASE item_column
			WHEN 'tags' THEN format('array_remove(ARRAY[%s]::text[], NULL)', parts)
			ELSE format('jsonb_strip_nulls(jsonb_build_object(%s))', parts) END;
	END IF;

	SELECT a.attname, t.typcategory, t.oid, format_type(t.oid, NULL) AS type INTO single
		FROM pg_attribute a
		JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
			AND a.attname = coalesce(wanted #>> '{}', item_column);
	IF NOT FOUND THEN
		IF wanted IS NOT NULL THEN
			PERFORM personalize_internal._check_source_column(source, wanted #>> '{}');
		END IF;
		RETURN NULL;
	END IF;
	RETURN CASE
		-- as entity_id has it: a numeric id has no trailing zeros
		WHEN item_column = 'item_id' AND single.typcategory = 'N'
			THEN format('trim_scale(s.%I::text::numeric)::text', single.attname)
		WHEN item_column IN ('available', 'hidden') AND single.typcategory = 'N'
			THEN format('coalesce(s.%I > 0, false)', single.attname)
		WHEN item_column IN ('available', 'hidden') AND single.typcategory = 'B' THEN format('coalesce(s.%I::boolean, false)', single.attname)
		WHEN item_column IN ('available', 'hidden') THEN format('coalesce(personalize_internal._item_boolean(%s, %L, %s), false)',
			CASE WHEN single.type IN ('json', 'jsonb') THEN format('s.%I #>> ''{}''', single.attname) ELSE format('s.%I::text', single.attname) END,
			single.attname, coalesce(id_expression, 'NULL'))
		WHEN item_column = 'price' THEN format('personalize_internal._item_number(%s, %L, %s)',
			CASE WHEN single.typcategory = 'N' THEN format('s.%I::numeric::text', single.attname)
				WHEN single.type IN ('json', 'jsonb') THEN format('s.%I #>> ''{}''', single.attname)
				ELSE format('s.%I::text', single.attname) END,
			single.attname, coalesce(id_expression, 'NULL'))
		WHEN item_column = 'created_at' AND single.typcategory = 'D' THEN format('coalesce(s.%I::timestamptz, now())', single.attname)
		-- as times of events are read
		WHEN item_column = 'created_at'
			THEN format('coalesce(nullif(btrim(s.%I::text), '''')::personalize.event_time::timestamptz, now())', single.attname)
		WHEN item_column = 'attributes' THEN format('s.%I::jsonb', single.attname)
		WHEN item_column = 'tags' AND single.type IN ('json', 'jsonb')
			THEN format('personalize_internal._text_array(s.%I::jsonb)', single.attname)
		WHEN item_column = 'tags' AND single.typcategory = 'A' THEN format('CASE WHEN s.%1$I IS NOT NULL THEN ARRAY(SELECT t FROM unnest(s.%1$I::text[]) AS t WHERE t IS NOT NULL) END', single.attname)
		WHEN item_column = 'tags' THEN format('array_remove(ARRAY[s.%I::text], NULL)', single.attname)
		ELSE format('s.%I::text', single.attname) END;
END
$$;
COMMENT ON FUNCTION personalize_internal._item_source_expression(regclass, jsonb, text, text) IS
	'SQL that reads a catalogue column from a row s of a source of sync_items; id_expression: that of the item_id, to name the item in errors';

CREATE FUNCTION personalize_internal._check_source_column(source regclass, name text) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (
		SELECT FROM pg_attribute
		WHERE attrelid = source AND attnum > 0 AND NOT attisdropped AND attname = name) THEN
		RAISE EXCEPTION 'column "%" of "%" does not exist', coalesce(name, 'null'), source
			USING ERRCODE = 'undefined_column',
				HINT = (SELECT format('The source has the columns %s.', string_agg(quote_ident(attname), ', ' ORDER BY attnum))
					FROM pg_attribute WHERE attrelid = source AND attnum > 0 AND NOT attisdropped);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize_internal._check_source_column(regclass, text) IS 'true, or an error that lists the columns there are';

CREATE FUNCTION personalize_internal._text_array(list jsonb) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT CASE coalesce(pg_catalog.jsonb_typeof(list), 'null')
		WHEN 'array' THEN ARRAY(SELECT e FROM pg_catalog.jsonb_array_elements_text(list) AS e WHERE e IS NOT NULL)
		WHEN 'null' THEN NULL
		ELSE ARRAY[list #>> '{}'] END
$$;
COMMENT ON FUNCTION personalize_internal._text_array(jsonb) IS 'a JSON list of labels as text[]; a single one as a list of one';

-- What a column of the catalogue holds if nobody says otherwise, as SQL.
CREATE FUNCTION personalize_internal._item_default(item_column text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT CASE item_column WHEN 'available' THEN 'true' WHEN 'hidden' THEN 'false' ELSE 'NULL' END
$$;
COMMENT ON FUNCTION personalize_internal._item_default(text) IS 'SQL of the default of a catalogue column that sync_items may write';

-- Reads the source with the caller's rights and writes the catalogue with the
-- caller's rights too: calling it gives nobody more than they have.  One call
-- runs at a time, so that two never write the same rows in different orders.
CREATE FUNCTION personalize.sync_items(source regclass, mapping jsonb DEFAULT NULL, mode text DEFAULT 'full',
	changed_column name DEFAULT NULL, dry_run boolean DEFAULT false,
	OUT inserted bigint, OUT updated bigint, OUT unavailable bigint, OUT sellable bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	-- nothing is known of the size of what the source returns: a nested loop
	-- over it could take hours
	SET enable_nestloop = off AS $$
DECLARE
	source_name text := source::text;
	wanted jsonb;
	id_expression text;
	columns text[] := '{}';
	reset text[];
	rows_read bigint;
	expressions text[] := '{}';
	changed_type text;
	since_clause text := 'true';
	until_expression text := 'max(NULL::text)';
	last_sync personalize.item_sync;
	changed_until text;
	skipped bigint;
	doubled bigint;
	problem text;
	c text;
	e text;
BEGIN
	IF source IS NULL THEN
		RAISE EXCEPTION 'source must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	mode := coalesce(mode, 'full');
	IF mode NOT IN ('full', 'incremental') THEN
		RAISE EXCEPTION 'mode "%" is unknown', mode
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use full or incremental.';
	END IF;
	IF dry_run IS NOT true THEN
		LOCK TABLE personalize.item_sync IN SHARE ROW EXCLUSIVE MODE;
	END IF;
	SELECT * INTO last_sync FROM personalize.item_sync i WHERE i.source = source_name AND i.run_by = current_user;
	IF mapping IS NULL AND NOT FOUND THEN
		SELECT i.run_by INTO problem FROM personalize.item_sync i
			WHERE i.source = source_name AND i.mapping <> '{}' ORDER BY i.run_by LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'the mapping of "%" was given by role "%", not by role "%"', source, problem, current_user
				USING ERRCODE = 'insufficient_privilege',
					HINT = 'Look at it in personalize.item_sync and give your own: a mapping decides which columns become public in the catalogue.';
		END IF;
	END IF;
	wanted := coalesce(mapping, last_sync.mapping, '{}');
	IF jsonb_typeof(wanted) <> 'object' THEN
		RAISE EXCEPTION 'mapping must be a JSON object'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example {"item_id": "sku", "category": "department"}.';
	END IF;
	IF (SELECT relkind FROM pg_class WHERE oid = source) NOT IN ('r', 'p', 'v', 'm', 'f') THEN
		RAISE EXCEPTION '"%" is not a table or view', source USING ERRCODE = 'wrong_object_type';
	END IF;
	IF source = 'personalize.item'::regclass THEN
		RAISE EXCEPTION 'the catalogue cannot be its own source' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT key INTO problem FROM jsonb_object_keys(wanted) AS key
		WHERE key NOT IN ('item_id', 'category', 'brand', 'price', 'currency', 'tags', 'attributes', 'available', 'hidden', 'created_at')
		ORDER BY key LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'mapping names "%", which the catalogue does not have', problem
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Keys are item_id, category, brand, price, currency, tags, attributes, available, hidden and created_at; put anything else under attributes.';
	END IF;

	id_expression := personalize_internal._item_source_expression(source, wanted, 'item_id');
	IF id_expression IS NULL THEN
		-- the primary key, if it is one column, else a column called id
		SELECT personalize_internal._item_source_expression(source, jsonb_build_object('item_id', a.attname), 'item_id')
			INTO id_expression
			FROM pg_attribute a
			LEFT JOIN pg_index x ON x.indrelid = source AND x.indisprimary AND x.indnkeyatts = 1
			WHERE a.attrelid = source AND NOT a.attisdropped
				AND CASE WHEN x.indrelid IS NULL THEN a.attname = 'id' ELSE a.attnum = x.indkey[0] END;
	END IF;
	IF id_expression IS NULL THEN
		RAISE EXCEPTION 'no column of "%" is known to hold the id of items', source
			USING ERRCODE = 'undefined_column', HINT = 'Name it: mapping => ''{"item_id": "..."}''.';
	END IF;
	FOREACH c IN ARRAY ARRAY['category', 'brand', 'price', 'currency', 'tags', 'attributes', 'available', 'hidden', 'created_at'] LOOP
		e := personalize_internal._item_source_expression(source, wanted, c, id_expression);
		IF e IS NOT NULL THEN
			columns := columns || c;
			expressions := expressions || (e || ' AS ' || c);
		END IF;
	END LOOP;

	-- what the last run wrote, whoever ran it, and this one does not
	reset := ARRAY(
		SELECT w FROM (
			SELECT i.written FROM personalize.item_sync i
			WHERE i.source = source_name ORDER BY i.last_run_at DESC LIMIT 1) l, unnest(l.written) AS w
		WHERE w <> ALL (columns || 'created_at'::text));

	IF changed_column IS NOT NULL THEN
		PERFORM personalize_internal._check_source_column(source, changed_column);
		SELECT format_type(a.atttypid, NULL) INTO changed_type
			FROM pg_attribute a WHERE a.attrelid = source AND a.attname = changed_column;
		-- Rows committed late carry older times: the last hour is read again.
		until_expression := CASE
			WHEN changed_type = 'timestamp with time zone'
				THEN format('(least(max(s.%I), now()) - interval ''1 hour'')::text', changed_column)
			WHEN changed_type = 'timestamp without time zone'
				THEN format('(least(max(s.%I), now()::timestamp + interval ''1 day'') - interval ''1 hour'')::text', changed_column)
			WHEN changed_type = 'date'
				THEN format('(least(max(s.%I), now()::date + 1) - 1)::text', changed_column)
			WHEN changed_type IN ('smallint', 'integer', 'bigint', 'numeric')
				THEN format('max(s.%I)::text', changed_column) END;
		IF until_expression IS NULL THEN
			RAISE EXCEPTION 'column "%" of "%" has type %, which does not tell when a row changed', changed_column, source, changed_type
				USING ERRCODE = 'datatype_mismatch', HINT = 'Use a timestamp, a date or a growing number.';
		END IF;
	ELSIF mode = 'incremental' THEN
		RAISE EXCEPTION 'mode incremental needs changed_column'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the column that says when a row last changed.';
	END IF;
	IF mode = 'incremental' AND last_sync.changed_until IS NOT NULL
		AND last_sync.changed_column = changed_column AND last_sync.mapping = wanted AND reset = '{}' THEN
		since_clause := format('(s.%1$I >= %2$L::%3$s OR s.%1$I IS NULL)',
			changed_column, last_sync.changed_until, changed_type);
	END IF;

	EXECUTE format($sql$
		WITH given AS MATERIALIZED (
			SELECT %1$s AS item_id%2$s FROM %3$s s WHERE %4$s
		), source_row AS MATERIALIZED (
			-- an item that is there keeps the spelling of its id
			SELECT coalesce(k.item_id, personalize_internal._usable_id(g.item_id)) AS item_id%12$s
			FROM given g LEFT JOIN personalize.item k ON k.item_key = personalize.item_key(g.item_id)
		), reached AS (
			SELECT %5$s AS changed_until FROM %3$s s
		), usable AS MATERIALIZED (
			-- a UUID in capitals is the same
			SELECT DISTINCT ON (personalize.item_key(item_id)) *
			FROM source_row
			WHERE item_id IS NOT NULL
			ORDER BY personalize.item_key(item_id), item_id%6$s
		), outcome AS MATERIALIZED (
			SELECT u.*, i.item_id IS NULL AS is_new, %8$s AS is_available, %9$s AS is_hidden,
				i.item_id IS NULL OR i.vanished_at IS NOT NULL OR i.source IS DISTINCT FROM $1%7$s AS differs
			FROM usable u
			LEFT JOIN personalize.item i ON i.item_id = u.item_id
		), written AS (%10$s), gone AS (%11$s)
		SELECT (SELECT count(*) FROM written WHERE is_new),
			(SELECT count(*) FROM written WHERE NOT is_new),
			(SELECT count(*) FROM gone),
			(SELECT count(*) FROM outcome WHERE is_available AND NOT is_hidden)
				+ (SELECT count(*) FROM personalize.item i WHERE NOT $2 AND i.source = $1 AND i.available AND NOT i.hidden
					AND NOT EXISTS (SELECT FROM usable u WHERE u.item_id = i.item_id)),
			(SELECT count(*) FROM usable),
			(SELECT count(*) FROM source_row WHERE item_id IS NULL),
			(SELECT count(item_id) FROM source_row) - (SELECT count(*) FROM usable),
			(SELECT changed_until FROM reached)
		$sql$,
		id_expression,
		coalesce((SELECT string_agg(', ' || x, '' ORDER BY o) FROM unnest(expressions) WITH ORDINALITY AS l(x, o)), ''),
		source,
		since_clause,
		until_expression,
		coalesce((SELECT string_agg(', ' || x, '' ORDER BY o) FROM unnest(columns) WITH ORDINALITY AS l(x, o)), ''),
		coalesce((SELECT string_agg(format(' OR i.%1$s IS DISTINCT FROM u.%1$s', x), '' ORDER BY o)
			FROM unnest(columns) WITH ORDINALITY AS l(x, o) WHERE x <> 'created_at'), '')
			|| coalesce((SELECT string_agg(format(' OR i.%I IS DISTINCT FROM %s', x, personalize_internal._item_default(x)), '') FROM unnest(reset) AS x), ''),
		CASE WHEN 'available' = ANY (columns) THEN 'u.available' WHEN 'available' = ANY (reset) THEN 'true'
			ELSE '(i.item_id IS NULL OR i.available OR i.vanished_at IS NOT NULL)' END,
		CASE WHEN 'hidden' = ANY (columns) THEN 'u.hidden' WHEN 'hidden' = ANY (reset) THEN 'false'
			ELSE 'coalesce(i.hidden, false)' END,
		CASE WHEN dry_run THEN 'SELECT is_new FROM outcome WHERE differs' ELSE format($sql$
			INSERT INTO personalize.item AS i (item_id%1$s, source)
			SELECT u.item_id%2$s, $1
			FROM outcome u WHERE u.differs
			ORDER BY u.item_id COLLATE "C"
			ON CONFLICT (item_id) DO UPDATE SET
				source = $1,
				updated_at = now(),
				vanished_at = NULL,
				available = %3$s%4$s
			RETURNING i.xmax = 0 AS is_new$sql$,
			coalesce((SELECT string_agg(', ' || x, '' ORDER BY o) FROM unnest(columns) WITH ORDINALITY AS l(x, o)), ''),
			coalesce((SELECT string_agg(', u.' || x, '' ORDER BY o) FROM unnest(columns) WITH ORDINALITY AS l(x, o)), ''),
			CASE WHEN 'available' = ANY (columns) THEN 'EXCLUDED.available' WHEN 'available' = ANY (reset) THEN 'true'
				ELSE 'i.available OR i.vanished_at IS NOT NULL' END,
			coalesce((SELECT string_agg(format(', %1$s = EXCLUDED.%1$s', x), '' ORDER BY o)
				FROM unnest(columns) WITH ORDINALITY AS l(x, o) WHERE x <> 'available'), '')
				|| coalesce((SELECT string_agg(format(', %I = %s', x, personalize_internal._item_default(x)), '')
					FROM unnest(reset) AS x WHERE x <> 'available'), '')) END,
		CASE WHEN dry_run THEN $sql$
			SELECT FROM personalize.item i
			WHERE $2 AND i.source = $1 AND i.vanished_at IS NULL
				AND NOT EXISTS (SELECT FROM usable u WHERE u.item_id = i.item_id)$sql$ ELSE $sql$
			UPDATE personalize.item i SET available = false, vanished_at = now(), updated_at = now()
			WHERE $2 AND i.source = $1 AND i.vanished_at IS NULL
				AND NOT EXISTS (SELECT FROM usable u WHERE u.item_id = i.item_id)
			RETURNING 1$sql$ END,
		coalesce((SELECT string_agg(', g.' || x, '' ORDER BY o) FROM unnest(columns) WITH ORDINALITY AS l(x, o)), ''))
		INTO inserted, updated, unavailable, sellable, rows_read, skipped, doubled, changed_until
		USING source_name, mode = 'full';

	IF dry_run IS NOT true THEN
		INSERT INTO personalize.item_sync AS i (source, mapping, changed_column, changed_until, last_mode, last_run_at,
				inserted, updated, unavailable, written)
			VALUES (source_name, wanted, changed_column, changed_until, mode, now(), inserted, updated, unavailable, columns)
			ON CONFLICT ON CONSTRAINT item_sync_pkey DO UPDATE SET
				mapping = EXCLUDED.mapping, changed_column = EXCLUDED.changed_column,
				changed_until = EXCLUDED.changed_until, last_mode = EXCLUDED.last_mode,
				last_run_at = EXCLUDED.last_run_at, inserted = EXCLUDED.inserted,
				updated = EXCLUDED.updated, unavailable = EXCLUDED.unavailable, written = EXCLUDED.written;
	END IF;
	IF rows_read >= 10 AND sellable < rows_read / 5 THEN
		RAISE WARNING 'only % of % items of "%" may be returned by engines', sellable, rows_read, source
			USING DETAIL = 'The others are not available, or hidden.',
				HINT = 'Look at what "available" and "hidden" are mapped to; try a mapping with dry_run => true.';
	END IF;
	IF skipped > 0 THEN
		RAISE WARNING '% rows of "%" have no usable id and were left out', skipped, source
			USING DETAIL = 'An id has 1 to 512 bytes and is not in personalize.refused_id.';
	END IF;
	IF doubled > 0 THEN
		RAISE WARNING '% rows of "%" repeat the id of another row and were left out', doubled, source;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.sync_items(regclass, jsonb, text, name, boolean) IS
	'copies a shop''s own table or view into the catalogue, with the caller''s rights; mapping: catalogue column -> source column (unmapped: the column of the same name), {"value": ...} is a constant, tags and attributes also take lists of columns; NULL: as this role had it at its last run; mode full marks rows that vanished from the source unavailable, incremental reads only rows changed since the last run by changed_column; a column that the last run wrote and this one does not goes back to its default. Returns how many rows it inserted, updated and made unavailable, and how many of the source''s items are now sellable (available and not hidden); dry_run: how many that would be, and nothing is written. Errors: 42703 no such column; 42501 no right to read';

CREATE FUNCTION personalize_internal._item_attributes(object jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT nullif(
		CASE jsonb_typeof(object -> 'attributes') WHEN 'object' THEN object -> 'attributes' ELSE '{}' END
			|| (object - ARRAY['item_id', 'category', 'brand', 'price', 'currency', 'tags', 'attributes', 'available', 'hidden', 'created_at']),
		'{}')
$$;
COMMENT ON FUNCTION personalize_internal._item_attributes(jsonb) IS
	'the attributes of an object of upsert_items: those it names as such and every key the catalogue has no column for';

-- available and hidden are read as sync_items reads them: a number is a stock.
CREATE FUNCTION personalize_internal._item_flag(value jsonb) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT CASE jsonb_typeof(value) WHEN 'number' THEN (value #>> '{}')::numeric > 0
		WHEN 'null' THEN NULL ELSE (value #>> '{}')::boolean END
$$;
COMMENT ON FUNCTION personalize_internal._item_flag(jsonb) IS 'available or hidden of an object of upsert_items; a number is true above 0';

CREATE FUNCTION personalize_internal._item_problem(object jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	field text;
	content jsonb;
	kind text;
	fits boolean;
BEGIN
	IF (jsonb_typeof(object) = 'object' AND jsonb_typeof(object -> 'item_id') IN ('string', 'number')
		AND personalize_internal._usable_id(object ->> 'item_id') IS NOT NULL) IS NOT TRUE THEN
		RETURN format('no usable item_id, a string of 1 to 512 bytes or a number that is not in refused_id, in %s', left(object::text, 100));
	END IF;
	FOR field, content, kind IN
		SELECT e.key, e.value, jsonb_typeof(e.value) FROM jsonb_each(object) AS e
		WHERE e.key IN ('category', 'brand', 'price', 'currency', 'tags', 'attributes', 'available', 'hidden', 'created_at')
			AND jsonb_typeof(e.value) <> 'null'
		ORDER BY e.key
	LOOP
		fits := CASE field
			WHEN 'attributes' THEN kind = 'object'
			WHEN 'tags' THEN kind <> 'object' AND NOT coalesce(content @? 'strict $[*] ? (@.type() == "object" || @.type() == "array")', false)
			WHEN 'category' THEN kind NOT IN ('object', 'array') AND octet_length(content #>> '{}') <= 2000
			ELSE kind NOT IN ('object', 'array') END;
		IF fits AND kind = 'string' OR kind = 'boolean' OR field IN ('created_at', 'price') THEN
			BEGIN
				CASE field
					WHEN 'price' THEN PERFORM personalize_internal._item_number(content #>> '{}', field, object ->> 'item_id');
					WHEN 'available', 'hidden' THEN PERFORM personalize_internal._item_flag(content);
					WHEN 'created_at' THEN PERFORM (content #>> '{}')::personalize.event_time::timestamptz;
					ELSE NULL;
				END CASE;
			EXCEPTION WHEN data_exception THEN
				IF field = 'price' THEN
					RETURN SQLERRM;
				END IF;
				fits := false;
			END;
		END IF;
		IF NOT fits THEN
			RETURN format('%s of "%s" is not %s: %s', field, object ->> 'item_id', CASE field
				WHEN 'attributes' THEN 'a JSON object' WHEN 'tags' THEN 'a list of labels'
				WHEN 'created_at' THEN 'a time' WHEN 'available' THEN 'true, false or a stock'
				WHEN 'hidden' THEN 'true or false' WHEN 'category' THEN 'a text of at most 2000 bytes' ELSE 'a text' END, left(content::text, 100));
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize_internal._item_problem(jsonb) IS 'why an object of upsert_items cannot be taken; NULL: it can';

CREATE FUNCTION personalize.upsert_items(items jsonb, OUT inserted bigint, OUT updated bigint, OUT rejected bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	list jsonb := CASE jsonb_typeof(items) WHEN 'object' THEN jsonb_build_array(items) ELSE items END;
	new_ids jsonb;
	old_ids text[];
	problems text;
BEGIN
	IF items IS NULL OR jsonb_typeof(list) <> 'array' THEN
		RAISE EXCEPTION 'items must be a JSON array of objects' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- what cannot be taken is left out and said, as other calls about many do
	SELECT coalesce(jsonb_agg(object ORDER BY number) FILTER (WHERE reason IS NULL), '[]'), count(reason),
			string_agg(format('Item %s: %s.', number, reason), E'\n' ORDER BY number) FILTER (WHERE reason IS NOT NULL AND place <= 10)
		INTO list, rejected, problems
		FROM (
			SELECT *, count(reason) OVER (ORDER BY number) AS place
			FROM (
				SELECT l.number, l.object, personalize_internal._item_problem(l.object) AS reason
				FROM jsonb_array_elements(list) WITH ORDINALITY AS l(object, number)) AS checked) AS counted;
	IF rejected > 0 THEN
		RAISE WARNING '% items were rejected, % were taken', rejected, jsonb_array_length(list)
			USING DETAIL = problems || CASE WHEN rejected > 10 THEN E'\n...' ELSE '' END;
	END IF;

	-- the last object of an id counts
	list := (
		SELECT coalesce(jsonb_agg(object ORDER BY object ->> 'item_id' COLLATE "C"), '[]')
		FROM (
			SELECT DISTINCT ON (key) object || jsonb_build_object('item_id', coalesce(k.item_id, personalize_internal._usable_id(id))) AS object
			FROM jsonb_array_elements(list) WITH ORDINALITY AS l(object, number)
			CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(object -> 'item_id')
				WHEN 'number' THEN trim_scale((object ->> 'item_id')::numeric)::text
				ELSE object ->> 'item_id' END AS id) AS written
			CROSS JOIN LATERAL (SELECT personalize.item_key(id) AS key) AS keyed
			-- an item that is there keeps the spelling of its id
			LEFT JOIN personalize.item k ON k.item_key = key
			ORDER BY key, number DESC) AS last_object);

	-- New rows whole; what exists, or has come into being meanwhile, is changed
	-- only where its object says so.  Both in one order, so that two calls at
	-- once cannot block each other.
	WITH added AS (
		INSERT INTO personalize.item AS i
			(item_id, category, brand, price, currency, tags, attributes, available, hidden, created_at)
		SELECT object ->> 'item_id', object ->> 'category', object ->> 'brand', personalize_internal._item_number(object ->> 'price', 'price', object ->> 'item_id'),
			object ->> 'currency', personalize_internal._text_array(object -> 'tags'),
			personalize_internal._item_attributes(object),
			coalesce(personalize_internal._item_flag(object -> 'available'), true),
			coalesce(personalize_internal._item_flag(object -> 'hidden'), false),
			coalesce((object ->> 'created_at')::personalize.event_time::timestamptz, now())
		FROM jsonb_array_elements(list) WITH ORDINALITY AS l(object, number)
		WHERE NOT EXISTS (SELECT FROM personalize.item i WHERE i.item_id = object ->> 'item_id')
		ORDER BY number
		ON CONFLICT (item_id) DO NOTHING
		RETURNING i.item_id
	)
	SELECT count(*), coalesce(jsonb_object_agg(a.item_id, true), '{}') INTO inserted, new_ids FROM added a;

	old_ids := ARRAY(
		SELECT object ->> 'item_id' FROM jsonb_array_elements(list) AS object
		WHERE NOT new_ids ? (object ->> 'item_id'));
	PERFORM FROM personalize.item i WHERE i.item_id = ANY (old_ids) ORDER BY i.item_id COLLATE "C" FOR UPDATE;
	UPDATE personalize.item i SET
		category = CASE WHEN o ? 'category' THEN o ->> 'category' ELSE i.category END,
		brand = CASE WHEN o ? 'brand' THEN o ->> 'brand' ELSE i.brand END,
		price = CASE WHEN o ? 'price' THEN personalize_internal._item_number(o ->> 'price', 'price', i.item_id) ELSE i.price END,
		currency = CASE WHEN o ? 'currency' THEN o ->> 'currency' ELSE i.currency END,
		tags = CASE WHEN o ? 'tags' THEN personalize_internal._text_array(o -> 'tags') ELSE i.tags END,
		attributes = CASE WHEN o -> 'attributes' = 'null' THEN personalize_internal._item_attributes(o)
			ELSE nullif(coalesce(i.attributes, '{}') || coalesce(personalize_internal._item_attributes(o), '{}'), '{}') END,
		available = coalesce(personalize_internal._item_flag(o -> 'available'), i.available),
		hidden = coalesce(personalize_internal._item_flag(o -> 'hidden'), i.hidden),
		created_at = coalesce((o ->> 'created_at')::personalize.event_time::timestamptz, i.created_at),
		updated_at = now()
		FROM jsonb_array_elements(list) AS o
		WHERE i.item_id = o ->> 'item_id' AND NOT new_ids ? i.item_id;
	GET DIAGNOSTICS updated = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION personalize.upsert_items(jsonb) IS
	'inserts or updates catalogue rows from a JSON array of objects with item_id and any of category, brand, price, currency, tags, attributes, available, hidden, created_at; other keys go into attributes; what an object does not name stays as it is, attributes are merged, null clears; the last object of an id counts. available as a number is a stock: true above 0. Returns how many were inserted and updated, and how many rejected because a field cannot be read: these are left out, and a WARNING names item and field of the first ten. Error 22023 if items is no array';

REVOKE EXECUTE ON FUNCTION personalize_internal._item_number(text, text, text), personalize_internal._item_boolean(text, text, text), personalize_internal._item_source_expression(regclass, jsonb, text, text),
	personalize_internal._check_source_column(regclass, text), personalize_internal._text_array(jsonb), personalize_internal._item_attributes(jsonb),
	personalize_internal._item_default(text), personalize_internal._item_flag(jsonb), personalize_internal._item_problem(jsonb),
	personalize.sync_items(regclass, jsonb, text, name, boolean), personalize.upsert_items(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._item_number(text, text, text), personalize_internal._item_boolean(text, text, text), personalize_internal._item_source_expression(regclass, jsonb, text, text),
	personalize_internal._check_source_column(regclass, text), personalize_internal._text_array(jsonb), personalize_internal._item_attributes(jsonb),
	personalize_internal._item_default(text), personalize_internal._item_flag(jsonb), personalize_internal._item_problem(jsonb),
	personalize.sync_items(regclass, jsonb, text, name, boolean), personalize.upsert_items(jsonb)
	TO personalize_app, personalize_admin;


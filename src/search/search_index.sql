-- search_index: the words of the catalogue, and what says which attributes are searched.
CREATE TABLE personalize.search_attribute (
	attribute text PRIMARY KEY CHECK (pg_catalog.octet_length(attribute) BETWEEN 1 AND 512),
	weight text CHECK (weight OPERATOR(pg_catalog.=) ANY (ARRAY['A', 'B', 'C', 'D'])),
	builtin boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE personalize.search_attribute IS
	'which texts of an item search looks in: category, brand, tags, or the key of one in attributes; * stands for all keys that have no row. Changing it makes the search index anew, in the transaction that does';
COMMENT ON COLUMN personalize.search_attribute.weight IS
	'A: what an item is called, B: what it is, C: what else is known of it, D: long texts; how much each counts is a parameter of the engines. NULL: not searched';
COMMENT ON COLUMN personalize.search_attribute.builtin IS 'as it was installed';
INSERT INTO personalize.search_attribute (attribute, weight, builtin)
	SELECT a, w, true FROM (VALUES ('title', 'A'), ('name', 'A'), ('category', 'B'), ('brand', 'B'), ('tags', 'B'), ('*', 'C'),
		('description', 'D'), ('overview', 'D'), ('summary', 'D'), ('text', 'D'), ('body', 'D'), ('content', 'D')) AS v (a, w);

CREATE TABLE personalize.search_setting (
	name text PRIMARY KEY CHECK (name OPERATOR(pg_catalog.=) 'language'),
	content text NOT NULL,
	builtin boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE personalize.search_setting IS
	'how words are compared; changing it makes the search index anew, in the transaction that does';
COMMENT ON COLUMN personalize.search_setting.name IS
	'language: whose endings are cut off words, simple or a language with a dictionary <language>_stem in pg_ts_dict';
COMMENT ON COLUMN personalize.search_setting.builtin IS 'as it was installed';
INSERT INTO personalize.search_setting VALUES ('language', 'english', true);

CREATE FUNCTION personalize_internal._search_words(term text) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_search_words' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._search_words(text) IS 'the words of a text as queries have them, with a space between';

CREATE FUNCTION personalize_internal._search_longest(phrases text[]) RETURNS integer
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT max(cardinality(string_to_array(personalize_internal._search_words(p), ' '))) FROM unnest(phrases) AS p
$$;
COMMENT ON FUNCTION personalize_internal._search_longest(text[]) IS 'how many words the longest of these has';
-- as many words as queries are looked through for: QUERY_MAX_PHRASE
CREATE TABLE personalize.search_synonym (
	term text PRIMARY KEY CHECK (pg_catalog.octet_length(term) BETWEEN 1 AND 256)
		CONSTRAINT search_synonym_term_of_four_words CHECK (personalize_internal._search_longest(ARRAY[term]) OPERATOR(pg_catalog.<=) 4),
	synonyms text[] NOT NULL CHECK (pg_catalog.cardinality(synonyms) BETWEEN 1 AND 32 AND pg_catalog.array_position(synonyms, NULL) IS NULL)
		CONSTRAINT search_synonym_synonyms_of_four_words CHECK (personalize_internal._search_longest(synonyms) OPERATOR(pg_catalog.<=) 4),
	words text COLLATE "C" NOT NULL GENERATED ALWAYS AS (personalize_internal._search_words(term)) STORED CHECK (words OPERATOR(pg_catalog.<>) '')
);
CREATE INDEX search_synonym_words_idx ON personalize.search_synonym (words);
SELECT pg_catalog.pg_extension_config_dump('personalize.search_synonym', '');
COMMENT ON TABLE personalize.search_synonym IS
	'what else to look for where a query has a term, of one to four words, as each synonym; one way: for both, write two rows. Obeyed from the next statement on';
COMMENT ON COLUMN personalize.search_synonym.term IS 'words of a query, in any case';
COMMENT ON COLUMN personalize.search_synonym.words IS 'the term as queries are compared with it: in lower case, without accents and punctuation';
COMMENT ON COLUMN personalize.search_synonym.synonyms IS 'each is looked for instead of the term, all of its words together; counts a little less than the term itself';

-- No unique index but the one that is read: (word, item_key).
CREATE TABLE personalize._search_posting (
	item_key bigint NOT NULL,
	frequencies integer NOT NULL,
	lengths integer NOT NULL,
	word text COLLATE "C" NOT NULL
);
ALTER TABLE personalize._search_posting ADD CONSTRAINT _search_posting_pkey PRIMARY KEY (word, item_key) INCLUDE (frequencies, lengths);
CREATE INDEX _search_posting_item_idx ON personalize._search_posting (item_key);
COMMENT ON TABLE personalize._search_posting IS
	'the words of each item: how often in texts of the weights A to D, and how many words these texts have, four packed bytes each';

-- Words as they are written.  Sessions that add the same at once both do: to wait for
-- each other here would be to wait for a stranger's transaction.
CREATE TABLE personalize._search_word (
	form text COLLATE "C" NOT NULL,
	word text COLLATE "C" NOT NULL
);
CREATE INDEX _search_word_idx ON personalize._search_word (form, word);
COMMENT ON TABLE personalize._search_word IS
	'words as they are written and what the index has for them: for beginnings of words and for typing errors. Words no item has any more stay until the index is made anew';

-- Sums to be summed up: each statement that changes the index adds a row.
CREATE TABLE personalize._search_total (
	stamp bigint NOT NULL,
	items bigint NOT NULL,
	length_a bigint NOT NULL,
	length_b bigint NOT NULL,
	length_c bigint NOT NULL,
	length_d bigint NOT NULL
);
COMMENT ON TABLE personalize._search_total IS
	'how many items have words and how many these are, by weight: the sums of the rows. stamp is drawn by lot, so that the same sum of stamps means the same index';

CREATE FUNCTION personalize_internal._item_words(category text, brand text, tags text[], attributes jsonb, weights jsonb, language text,
	OUT word text, OUT forms text[], OUT frequencies integer, OUT lengths integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_item_words' LANGUAGE C STABLE PARALLEL SAFE ROWS 30 COST 1000;
COMMENT ON FUNCTION personalize_internal._item_words(text, text, text[], jsonb, jsonb, text) IS
	'the words of an item as _search_posting has them; weights: the object of _search_config()';
CREATE FUNCTION personalize_internal._search_length(lengths integer, weight integer) RETURNS integer
	AS 'MODULE_PATHNAME', 'personalize_search_length' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._search_length(integer, integer) IS 'how many words a packed length of _search_posting stands for; weight: 0 (A) to 3';

CREATE FUNCTION personalize_internal._search_config(OUT weights jsonb, OUT language text)
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT (SELECT coalesce(jsonb_object_agg(a.attribute, a.weight), '{}') FROM personalize.search_attribute a),
		coalesce((SELECT s.content FROM personalize.search_setting s WHERE s.name = 'language'), 'simple')
$$;
COMMENT ON FUNCTION personalize_internal._search_config() IS 'search_attribute as an object, and the language';

-- Not dumped: a restored database makes its index anew, one upgraded by pg_upgrade keeps it.
CREATE TABLE personalize._search_server (
	major integer NOT NULL
);
COMMENT ON TABLE personalize._search_server IS
	'one row: the major version of the server that last made or compared the whole search index; another may cut other endings off words, so a worker goes over the index once';
INSERT INTO personalize._search_server VALUES (pg_catalog.current_setting('server_version_num')::integer OPERATOR(pg_catalog./) 10000);

-- The same statement for all that add: rows of a transition table or the whole catalogue.
CREATE FUNCTION personalize_internal._search_add(source text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT format($sql$
		WITH described AS MATERIALIZED (
			SELECT n.item_key, w.word, w.forms, w.frequencies, w.lengths
			FROM %s AS n, personalize_internal._search_config() AS c,
				personalize_internal._item_words(n.category, n.brand, n.tags, n.attributes, c.weights, c.language) AS w
		), posted AS (
			INSERT INTO personalize._search_posting (item_key, frequencies, lengths, word)
			SELECT d.item_key, d.frequencies, d.lengths, d.word FROM described AS d
			ORDER BY d.word COLLATE "C", d.item_key
		), named AS (
			INSERT INTO personalize._search_word (form, word)
			SELECT k.form, k.word
			FROM (SELECT DISTINCT f.form, d.word FROM described AS d, unnest(d.forms) AS f (form)) AS k
			WHERE NOT EXISTS (SELECT FROM personalize._search_word AS o
				WHERE o.form = k.form COLLATE "C" AND o.word = k.word COLLATE "C")
			ORDER BY k.form COLLATE "C"
		)
		INSERT INTO personalize._search_total (stamp, items, length_a, length_b, length_c, length_d)
		SELECT personalize_internal._search_stamp(), count(*), sum(personalize_internal._search_length(d.lengths, 0)), sum(personalize_internal._search_length(d.lengths, 1)),
			sum(personalize_internal._search_length(d.lengths, 2)), sum(personalize_internal._search_length(d.lengths, 3))
		FROM (SELECT i.item_key, min(i.lengths) AS lengths FROM described AS i GROUP BY i.item_key) AS d
		HAVING count(*) > 0
		$sql$, source)
$$;
COMMENT ON FUNCTION personalize_internal._search_add(text) IS 'SQL that adds the words of items to the search index';
CREATE FUNCTION personalize_internal._search_remove(source text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT format($sql$
		WITH gone AS (
			DELETE FROM personalize._search_posting AS p USING %s AS o WHERE p.item_key = o.item_key
			RETURNING p.item_key, p.lengths
		)
		INSERT INTO personalize._search_total (stamp, items, length_a, length_b, length_c, length_d)
		SELECT personalize_internal._search_stamp(), - count(*), - sum(personalize_internal._search_length(g.lengths, 0)), - sum(personalize_internal._search_length(g.lengths, 1)),
			- sum(personalize_internal._search_length(g.lengths, 2)), - sum(personalize_internal._search_length(g.lengths, 3))
		FROM (SELECT i.item_key, min(i.lengths) AS lengths FROM gone AS i GROUP BY i.item_key) AS g
		HAVING count(*) > 0
		$sql$, source)
$$;
COMMENT ON FUNCTION personalize_internal._search_remove(text) IS 'SQL that takes the words of items out of the search index';
CREATE FUNCTION personalize_internal._search_stamp() RETURNS bigint
	LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
	SELECT hashtextextended(gen_random_uuid()::text, 0) / 65536
$$;
COMMENT ON FUNCTION personalize_internal._search_stamp() IS 'a number by lot, of which many can be added up';

-- Rows of _search_total become one; those another transaction is at are left alone.
CREATE FUNCTION personalize_internal._search_fold() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- above READ COMMITTED a row that others have folded would be an error
	IF current_setting('transaction_isolation') <> 'read committed'
		OR (SELECT count(*) FROM personalize._search_total) < 64 THEN
		RETURN;
	END IF;
	WITH locked AS MATERIALIZED (
		SELECT t.ctid FROM personalize._search_total AS t FOR UPDATE SKIP LOCKED
	), gone AS (
		DELETE FROM personalize._search_total AS t USING locked AS l WHERE t.ctid = l.ctid RETURNING t.*
	)
	INSERT INTO personalize._search_total
	SELECT personalize_internal._search_stamp(), sum(items), sum(length_a), sum(length_b), sum(length_c), sum(length_d)
	FROM gone HAVING count(*) > 0;
END
$$;
COMMENT ON FUNCTION personalize_internal._search_fold() IS 'makes one of the rows of _search_total, if there are many';

-- Items are told apart by their words alone: a price that changes costs nothing here.
CREATE FUNCTION personalize_internal._item_searchable() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- nothing is known of how many rows a statement has changed
	SET enable_nestloop = on AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		DELETE FROM personalize._search_posting;
		DELETE FROM personalize._search_word;
		DELETE FROM personalize._search_total;
	ELSIF TG_OP = 'INSERT' THEN
		EXECUTE personalize_internal._search_add('new_rows');
	ELSIF TG_OP = 'DELETE' THEN
		EXECUTE personalize_internal._search_remove('old_rows');
	ELSIF EXISTS (
		SELECT item_key, category, brand, tags, attributes FROM new_rows
		EXCEPT SELECT item_key, category, brand, tags, attributes FROM old_rows) THEN
		EXECUTE personalize_internal._search_remove($sql$
			(SELECT item_key, category, brand, tags, attributes FROM old_rows
			EXCEPT SELECT item_key, category, brand, tags, attributes FROM new_rows)$sql$);
		EXECUTE personalize_internal._search_add($sql$
			(SELECT item_key, category, brand, tags, attributes FROM new_rows
			EXCEPT SELECT item_key, category, brand, tags, attributes FROM old_rows)$sql$);
	END IF;
	PERFORM personalize_internal._search_fold();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize_internal._item_searchable() IS 'trigger of item: keeps the search index';
CREATE TRIGGER item_searchable_insert AFTER INSERT ON personalize.item
	REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._item_searchable();
CREATE TRIGGER item_searchable_update AFTER UPDATE ON personalize.item
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._item_searchable();
CREATE TRIGGER item_searchable_delete AFTER DELETE ON personalize.item
	REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._item_searchable();
CREATE TRIGGER item_searchable_truncate AFTER TRUNCATE ON personalize.item
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._item_searchable();

CREATE FUNCTION personalize.rebuild_search_index() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	LOCK TABLE personalize.item IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM personalize._search_posting;
	DELETE FROM personalize._search_word;
	DELETE FROM personalize._search_total;
	EXECUTE personalize_internal._search_add('personalize.item');
	UPDATE personalize._search_server SET major = current_setting('server_version_num')::integer / 10000;
	RETURN (SELECT coalesce(sum(t.items), 0) FROM personalize._search_total t);
END
$$;
COMMENT ON FUNCTION personalize.rebuild_search_index() IS
	'makes the search index anew from the catalogue, which nobody else may write meanwhile; returns how many items have words. Needed where triggers did not run, as under session_replication_role = replica; after pg_upgrade to a major version that cuts other endings off words a worker does it';

CREATE FUNCTION personalize.verify_search_index(OUT problem text, OUT item_id text, OUT word text) RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS $$
	WITH expected AS MATERIALIZED (
		SELECT i.item_key, w.word, w.frequencies, w.lengths
		FROM personalize.item AS i, personalize_internal._search_config() AS c,
			personalize_internal._item_words(i.category, i.brand, i.tags, i.attributes, c.weights, c.language) AS w
	), difference AS (
		SELECT CASE WHEN p.word IS NULL THEN 'missing' WHEN e.word IS NULL THEN 'not of the item' ELSE 'counted wrongly' END AS problem,
			coalesce(p.item_key, e.item_key) AS item_key, coalesce(p.word, e.word COLLATE "C") AS word
		FROM personalize._search_posting AS p FULL JOIN expected AS e ON e.item_key = p.item_key AND e.word COLLATE "C" = p.word
		WHERE (p.frequencies, p.lengths) IS DISTINCT FROM (e.frequencies, e.lengths)
	), total AS (
		SELECT count(*)::numeric AS items, sum(personalize_internal._search_length(lengths, 0))::numeric AS a, sum(personalize_internal._search_length(lengths, 1))::numeric AS b,
			sum(personalize_internal._search_length(lengths, 2))::numeric AS c, sum(personalize_internal._search_length(lengths, 3))::numeric AS d
		FROM (SELECT DISTINCT item_key, lengths FROM expected) AS i
	)
	SELECT d.problem, i.item_id, d.word FROM difference AS d LEFT JOIN personalize.item AS i USING (item_key)
	UNION ALL
	SELECT 'the sums are wrong', NULL, NULL FROM total AS t
		WHERE (t.items, coalesce(t.a, 0), coalesce(t.b, 0), coalesce(t.c, 0), coalesce(t.d, 0)) IS DISTINCT FROM (
			SELECT (coalesce(sum(s.items), 0), coalesce(sum(s.length_a), 0), coalesce(sum(s.length_b), 0),
				coalesce(sum(s.length_c), 0), coalesce(sum(s.length_d), 0))
			FROM personalize._search_total AS s)
	ORDER BY 1, 2, 3
$$;
COMMENT ON FUNCTION personalize.verify_search_index() IS
	'compares the search index with the catalogue: a row for each word of an item that is missing, too much or counted wrongly; none: it is right. Mend with rebuild_search_index()';

CREATE FUNCTION personalize_internal._search_renew() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	present CONSTANT integer := current_setting('server_version_num')::integer / 10000;
BEGIN
	-- one worker is enough
	PERFORM FROM personalize._search_server AS s WHERE s.major <> present FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM personalize.verify_search_index()) THEN
		PERFORM personalize.rebuild_search_index();
	ELSE
		UPDATE personalize._search_server SET major = present;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize_internal._search_renew() IS
	'makes the search index anew if a server of another major version made it and its words are no longer the same';

-- What may be written to the tables that say how texts are searched.
CREATE FUNCTION personalize_internal._search_check() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		-- one that is replaced goes in the trigger of the new one
		IF OLD.builtin AND pg_trigger_depth() = 1 THEN
			RAISE EXCEPTION 'a row that was installed cannot be deleted from %', TG_TABLE_NAME
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'UPDATE it; an attribute with the weight NULL is not searched.';
		END IF;
		RETURN OLD;
	END IF;
	IF TG_TABLE_NAME = 'search_setting' THEN
		IF NEW.name = 'language' AND NEW.content IS NOT NULL THEN
			PERFORM FROM personalize_internal._item_words('', NULL, NULL, NULL, '{}', NEW.content);
		END IF;
		IF TG_OP = 'INSERT' THEN
			DELETE FROM personalize.search_setting AS s WHERE s.name = NEW.name AND s.builtin AND NOT NEW.builtin;
		END IF;
	ELSIF TG_OP = 'INSERT' THEN
		DELETE FROM personalize.search_attribute AS a WHERE a.attribute = NEW.attribute AND a.builtin AND NOT NEW.builtin;
	END IF;
	IF TG_OP = 'UPDATE' THEN
		NEW.builtin := OLD.builtin AND NEW IS NOT DISTINCT FROM OLD;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION personalize_internal._search_check() IS 'trigger: what search_attribute and search_setting must not hold, and that a row of one''s own replaces an installed one';
CREATE FUNCTION personalize_internal._search_changed() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- the row that replaces an installed one is still to come when that goes
	IF pg_trigger_depth() = 1 THEN
		PERFORM personalize.rebuild_search_index();
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize_internal._search_changed() IS 'trigger of what says how texts are searched: makes the search index anew';
CREATE TRIGGER search_check BEFORE INSERT OR UPDATE OR DELETE ON personalize.search_attribute
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._search_check();
CREATE TRIGGER search_check BEFORE INSERT OR UPDATE OR DELETE ON personalize.search_setting
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._search_check();
CREATE TRIGGER search_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON personalize.search_attribute
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._search_changed();
CREATE TRIGGER search_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON personalize.search_setting
	FOR EACH STATEMENT EXECUTE FUNCTION personalize_internal._search_changed();
SELECT pg_catalog.pg_extension_config_dump('personalize.search_attribute', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('personalize.search_setting', 'WHERE NOT builtin');

GRANT SELECT ON personalize.search_attribute, personalize.search_setting, personalize.search_synonym
	TO personalize_app, personalize_analyst, personalize_admin;
GRANT INSERT, UPDATE, DELETE ON personalize.search_attribute, personalize.search_setting, personalize.search_synonym TO personalize_admin;
GRANT SELECT ON personalize._search_posting, personalize._search_word, personalize._search_total, personalize._search_server TO personalize_admin;
REVOKE EXECUTE ON FUNCTION personalize_internal._search_words(text), personalize_internal._search_longest(text[]), personalize_internal._item_words(text, text, text[], jsonb, jsonb, text), personalize_internal._search_length(integer, integer),
	personalize_internal._search_config(), personalize_internal._search_add(text), personalize_internal._search_remove(text), personalize_internal._search_stamp(),
	personalize_internal._search_fold(), personalize_internal._search_renew(), personalize_internal._item_searchable(), personalize_internal._search_check(), personalize_internal._search_changed(),
	personalize.rebuild_search_index(), personalize.verify_search_index() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._search_words(text), personalize_internal._search_longest(text[]) TO personalize_admin, personalize_owner;
GRANT EXECUTE ON FUNCTION personalize_internal._item_words(text, text, text[], jsonb, jsonb, text), personalize_internal._search_length(integer, integer),
	personalize_internal._search_config(), personalize_internal._search_add(text), personalize_internal._search_remove(text), personalize_internal._search_stamp(),
	personalize_internal._search_fold(), personalize_internal._search_renew() TO personalize_owner;
GRANT EXECUTE ON FUNCTION personalize.rebuild_search_index(), personalize.verify_search_index() TO personalize_admin;


-- publication: what leaves the database by logical replication.
CREATE FUNCTION personalize_internal._publication_fault(of_table regclass) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_publication_fault' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._publication_fault(regclass) IS
	'why publications keep rows of a table from being updated or deleted; NULL: they do not';

-- The tables of the extension that are published, days of event among them.
CREATE FUNCTION personalize_internal._published(
	OUT of_table regclass, OUT root name, OUT publications name[]) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL SAFE ROWS 100 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.oid, r.relname, array_agg(DISTINCT t.pubname ORDER BY t.pubname)
	FROM pg_publication_tables AS t
		JOIN pg_class AS p ON p.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = t.schemaname) AND p.relname = t.tablename,
		-- a publication via the root names event alone
		LATERAL (SELECT p.oid AS oid UNION SELECT s.relid::oid FROM pg_partition_tree(p.oid) AS s) AS c,
		LATERAL (SELECT k.relname, k.relnamespace FROM pg_class AS k WHERE k.oid = coalesce(pg_partition_root(c.oid), c.oid)) AS r
	WHERE r.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'personalize')
	GROUP BY c.oid, r.relname;
END;
COMMENT ON FUNCTION personalize_internal._published() IS
	'tables of the extension that publications send to subscribers; root: the table of the extension that a day is part of, else the table itself';

CREATE FUNCTION personalize_internal._publication_faults(
	OUT table_name text, OUT fault text, OUT identity text, OUT publications name[]) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL SAFE ROWS 1 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.of_table::text, f.fault, CASE c.relreplident WHEN 'f' THEN 'the whole row' WHEN 'n' THEN 'none'
			ELSE coalesce((SELECT format('%s: %s', i.indexrelid::regclass, string_agg(a.attname, ', ' ORDER BY a.attnum))
				FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indexrelid
				WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END
				GROUP BY i.indexrelid), 'none') END, p.publications
	FROM personalize_internal._published() AS p JOIN pg_class AS c ON c.oid = p.of_table,
		LATERAL (SELECT personalize_internal._publication_fault(p.of_table) AS fault) AS f
	WHERE f.fault IS NOT NULL;
END;
COMMENT ON FUNCTION personalize_internal._publication_faults() IS
	'tables whose rows cannot be updated or deleted because of publications, and why; identity: what identifies a row to subscribers';

CREATE FUNCTION personalize_internal._check_publication() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'personalize_check_publication' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_publication() IS
	'refuses publications that would keep rows of the extension''s tables from being updated or deleted';

CREATE FUNCTION personalize_internal._health_publications(
	OUT "check" text, OUT ok boolean, OUT detail text, OUT fix text) RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 1
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH sent AS (
		SELECT u.name AS publication, p.root, EXISTS (SELECT FROM personalize._person_table AS t WHERE t.name = p.root) AS of_people
		FROM (SELECT DISTINCT s.root, unnest(s.publications) AS name FROM personalize_internal._published() AS s) AS p (root, publication),
			LATERAL (SELECT p.publication) AS u (name)),
	publication AS (
		SELECT s.publication, p.pubupdate AND p.pubdelete AS faithful, bool_or(s.of_people) AS of_people,
			string_agg(s.root, ', ' ORDER BY s.root) FILTER (WHERE s.of_people) AS people,
			string_agg(s.root, ', ' ORDER BY s.root) FILTER (WHERE NOT s.of_people) AS others
		FROM sent AS s JOIN pg_publication AS p ON p.pubname = s.publication
		GROUP BY s.publication, p.pubupdate, p.pubdelete),
	stopped AS (
		SELECT string_agg(format('%s (%s: %s)', f.table_name, f.fault, f.identity), '; ' ORDER BY f.table_name) AS tables
		FROM personalize_internal._publication_faults() AS f)
	SELECT 'publications', s.tables IS NULL AND bool_and(p.faithful OR NOT p.of_people) IS NOT false,
		coalesce('they keep rows from being changed of ' || s.tables || '; ', '')
			|| coalesce(string_agg(format('publication %s copies ', quote_ident(p.publication))
				|| concat_ws('; ', 'data of people: ' || p.people, 'no data of people: ' || p.others)
				|| CASE WHEN p.of_people AND NOT p.faithful THEN '; not updates and deletes, so erasures do not reach subscribers' ELSE '' END,
				'. ' ORDER BY p.publication) FILTER (WHERE p.publication IS NOT NULL), 'none copies tables of personalize'),
		CASE WHEN s.tables IS NOT NULL THEN
				'Give the table its replica identity back (ALTER TABLE ... REPLICA IDENTITY DEFAULT, or FULL where it has no primary key), publish whole rows, or take it out of the publication.'
			WHEN NOT bool_and(p.faithful OR NOT p.of_people) THEN
				'Run ' || string_agg(format('ALTER PUBLICATION %I SET (publish = ''insert, update, delete, truncate'')', p.publication), '; ' ORDER BY p.publication)
					FILTER (WHERE p.of_people AND NOT p.faithful) || ', or erase at the subscribers yourself.' END
	FROM stopped AS s LEFT JOIN publication AS p ON true
	GROUP BY s.tables;
END;
COMMENT ON FUNCTION personalize_internal._health_publications() IS
	'the row of health() about publications';

REVOKE ALL ON FUNCTION personalize_internal._publication_fault(regclass), personalize_internal._published(), personalize_internal._publication_faults(),
	personalize_internal._check_publication(), personalize_internal._health_publications() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._publication_fault(regclass), personalize_internal._published(), personalize_internal._publication_faults(),
	personalize_internal._health_publications() TO personalize_owner, personalize_admin;
GRANT EXECUTE ON FUNCTION personalize_internal._health_publications() TO personalize_monitor;

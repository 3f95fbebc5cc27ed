-- What a user meets: commented, named in the documents, and free of keywords.
\set QUIET 1
-- what people wrote: the reference is made from the comments
\set pages `cat README.md $(ls docs/*.md | grep -v reference.md)`
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
CREATE EXTENSION IF NOT EXISTS pgtap;
RESET client_min_messages;
LOAD 'personalize';

CREATE TEMP TABLE pages AS SELECT :'pages'::text AS content;
CREATE TEMP TABLE script AS
	SELECT pg_read_file(format('%s/extension/personalize--%s.sql', c.setting, e.extversion)) AS content
	FROM pg_config() c, pg_extension e
	WHERE c.name = 'SHAREDIR' AND e.extname = 'personalize';

-- Public: in the schema and not named as an internal, nor a partition.
CREATE TEMP TABLE relation AS
	SELECT c.oid, c.relname AS name, c.relkind AS kind
	FROM pg_class c
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		AND NOT c.relispartition AND c.relname NOT LIKE '\_%';
CREATE TEMP TABLE routine AS
	SELECT p.oid, p.oid::regprocedure::text AS signature, p.proname AS name, p.proargnames, p.prokind AS kind
	FROM pg_proc p
	WHERE p.pronamespace = 'personalize'::regnamespace;

SELECT plan(11);

SELECT is_empty($$SELECT name FROM relation WHERE obj_description(oid, 'pg_class') IS NULL ORDER BY 1$$,
	'every table and view has a comment');
SELECT is_empty($$SELECT signature FROM routine WHERE name LIKE '\_%' ORDER BY 1$$,
	'functions that are nobody''s to call are in personalize_internal');
SELECT is_empty($$SELECT signature FROM routine WHERE obj_description(oid, 'pg_proc') IS NULL ORDER BY 1$$,
	'every function has a comment');
SELECT is_empty($$
	SELECT t.typname FROM pg_type t
	WHERE t.typnamespace = 'personalize'::regnamespace AND t.typname NOT LIKE '\_%'
		AND t.typrelid = 0 AND obj_description(t.oid, 'pg_type') IS NULL
	ORDER BY 1$$,
	'every type has a comment');
SELECT is_empty($$
	SELECT n.name || '.' || a.attname
	FROM relation n JOIN pg_attribute a ON a.attrelid = n.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE n.name LIKE 'stat\_%' AND col_description(n.oid, a.attnum) IS NULL
	ORDER BY 1$$,
	'every column of a statistics view has a comment');

-- pg_proc cannot tell a stated PARALLEL UNSAFE from the default
SELECT is_empty($$
	SELECT substring(part FROM '^[^(]+')
	FROM script, regexp_split_to_table(content, '\nCREATE FUNCTION ') WITH ORDINALITY AS p(part, n)
	WHERE n > 1 AND NOT (part ~ 'PARALLEL (SAFE|RESTRICTED|UNSAFE)' AND part ~ '(IMMUTABLE|STABLE|VOLATILE)')
	ORDER BY 1$$,
	'every function states its volatility and its parallel safety');

SELECT is_empty($$
	SELECT r.signature, a.name
	FROM routine r, unnest(r.proargnames) AS a(name)
	JOIN pg_get_keywords() k ON k.word = a.name AND k.catcode <> 'U'
	WHERE (r.name, a.name) NOT IN (('health', 'check'), ('security_check', 'check'))	-- the name monitoring knows; SELECT * shows it
	ORDER BY 1, 2$$,
	'no parameter or output is named by a keyword');
SELECT is_empty($$
	SELECT n.name, a.attname
	FROM relation n JOIN pg_attribute a ON a.attrelid = n.oid AND a.attnum > 0
	JOIN pg_get_keywords() k ON k.word = a.attname AND k.catcode NOT IN ('U', 'C')
	ORDER BY 1, 2$$,
	'no column is named by a reserved keyword');

SELECT is_empty($$
	SELECT DISTINCT r.name FROM routine r, pages
	WHERE content !~ format('(`|personalize\.)%s(\(|`)', r.name) ORDER BY 1$$,
	'a page names every function');
SELECT is_empty($$
	SELECT n.name FROM relation n, pages
	WHERE content !~ format('(`%s[`(.]|personalize\.%s\M)', n.name, n.name)
	ORDER BY 1$$,
	'a page names every table and view');
SELECT is_empty($$
	SELECT s.name, s.boot_val, s.unit
	FROM pages, pg_settings s
	LEFT JOIN LATERAL regexp_match(content, format('\n\| `%s` \| `?([^|]*?)`? \|', replace(s.name, '.', '\.'))) AS m ON true
	WHERE s.name LIKE 'personalize.%'
		AND (m IS NULL OR btrim(m[1], ' `') NOT IN (s.boot_val, s.boot_val || coalesce(s.unit, ''),
			s.boot_val || ' ' || s.unit, current_setting(s.name),
			regexp_replace(current_setting(s.name), '(\d)([a-zA-Z])', '\1 \2'),
			CASE WHEN s.boot_val = '' THEN '(empty)' END))
	ORDER BY 1$$,
	'the page of settings names every setting with its default');
SELECT * FROM finish();

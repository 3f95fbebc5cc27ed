-- the words of a query: what separates them, what is left out, lower case in any locale
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_personalize_words;
DROP DATABASE IF EXISTS regress_personalize_latin1;
CREATE DATABASE regress_personalize_words TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_personalize_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\set database :DBNAME
\c regress_personalize_words
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION personalize;
SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['item_stat', 'neighbour', 'exposure']) p;
SELECT personalize.enable_signal('search_term');
CREATE TABLE query (n serial, text text);
CREATE VIEW words AS
	SELECT q.n, (SELECT string_agg(f.value, '|' ORDER BY f.value COLLATE "C") FROM personalize.features('q' || q.n) f WHERE f.signal = 'search_term') AS words
	FROM query q;
INSERT INTO query (text) VALUES
	-- as ever
	('Rote Schuhe, size 42 -- rote!'), ('men''s'), ('a_b c-d'),
	-- spaces: NBSP, ideographic, thin, zero-width, line separator
	(U&'red\00A0shoes'), (U&'red\3000shoes'), (U&'red\2009shoes'), (U&'red\200Bshoes'), (U&'red\2028shoes'), (U&'\202Fred\00A0\00A0shoes\3000'),
	-- what only directs or joins is left out: soft hyphen, joiners, direction marks, BOM, variation selector
	(U&'sho\00ADes'), (U&'\FEFFred \200Eshoes\200F'), (U&'\202Bred\202C shoes'), (U&'red \2060sho\200Des\FE0F'), (U&'\2066red\2069 shoes'),
	-- typographic quotes, inverted marks, dashes, ellipsis, CJK and full-width punctuation, symbols
	(U&'\201Cred\201D \2018shoes\2019'), (U&'\201Ered\201C \00BBshoes\00AB'), (U&'l\2019eau'), (U&'\00BFred shoes? \00A1red!'), (U&'red\2014shoes\2026'),
	(U&'\300Cred\300D\3001shoes\3002'), (U&'red\FF0Cshoes\FF01'), (U&'red\00B7shoes \2022 10\20AC'), (U&'red \+01F45F shoes\2764\FE0F'), (U&'red\060C shoes\061F'),
	-- composed and decomposed, capitals, other scripts
	(U&'\00C9T\00C9'), (U&'E\0301TE\0301'), (U&'\0391\03A5\03A4\039F'), (U&'\041A\041D\0418\0413\0410 \043A\043D\0438\0433\0430'), (U&'\6771\4EAC\3000\30E9\30FC\30E1\30F3'),
	(U&'stra\00DFe GR\00D6SSE'), ('I i'), (U&'\0939\093F\0928\094D\0926\0940'),
	-- nothing but separators
	(U&'\00A0\200B\2026!'), (U&'\00AD'), ('');
SELECT count(personalize.grant_consent('q' || n, '{personalization}')) FROM query;
SELECT count(personalize.track('q' || n, 'search', properties => jsonb_build_object('query', text))) FROM query;
SELECT words, count(*), string_agg(n::text, ' ' ORDER BY n) AS queries FROM words GROUP BY words ORDER BY min(n);
SELECT bool_or(rejected > 0) AS rejected FROM personalize.rollup_now();
-- composed and decomposed are one word of one signal
SELECT (SELECT value_key FROM personalize.feature_value WHERE value = U&'\00E9t\00E9') = personalize_internal._value_key(U&'e\0301te\0301') AS same;

-- a long query: whole words, also the last one; a word that is too long is none
CREATE TABLE long (n serial, text text);
INSERT INTO long (text) VALUES (repeat('a ', 125) || 'beginning end'), (repeat('a ', 127) || 'xx beyond'), (repeat('a ', 128) || 'beyond'), (repeat('x', 256) || ' b'),
	(repeat('x', 257) || ' b'), ('b ' || repeat('x', 10000)), (repeat(U&'\00E9 ', 80) || U&'\00E9t\00E9 fin'), (repeat(U&'e\0301 ', 80) || U&'e\0301te\0301 fin'), (repeat('- ', 5000) || 'b');
SELECT count(personalize.grant_consent('l' || n, '{personalization}')) FROM long;
SELECT count(personalize.track('l' || n, 'search', properties => jsonb_build_object('query', text))) FROM long;
SELECT n, (SELECT string_agg(CASE WHEN length(f.value) > 20 THEN length(f.value) || ' bytes' ELSE f.value END, '|' ORDER BY f.value COLLATE "C")
	FROM personalize.features('l' || n) f WHERE f.signal = 'search_term') AS words FROM long ORDER BY n;

\c regress_personalize_latin1
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION personalize;
SELECT personalize.enable_signal('search_term');
SELECT personalize.grant_consent('w', '{personalization}');
SELECT personalize.track('w', 'search', properties => jsonb_build_object('query', U&'\00C9T\00C9\00A0\00BFROT\00BF'));
SELECT value FROM personalize.features('w') WHERE signal = 'search_term' ORDER BY value COLLATE "C";
\c :database
SET client_min_messages = warning;
DROP DATABASE regress_personalize_words WITH (FORCE);
DROP DATABASE regress_personalize_latin1 WITH (FORCE);

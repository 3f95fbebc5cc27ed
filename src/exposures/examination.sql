-- examination: how likely people look at what is shown at a place.
CREATE TABLE personalize.examination (
	place smallint NOT NULL CHECK (place BETWEEN 1 AND 32),
	after_click smallint NOT NULL,
	model text NOT NULL CHECK (model IN ('browsing', 'position')),
	shown bigint NOT NULL CHECK (shown >= 0),
	clicked bigint NOT NULL CHECK (clicked >= 0),
	looked_at double precision NOT NULL CHECK (looked_at >= 0 AND looked_at < 'Infinity'),
	fitted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	since timestamptz NOT NULL,
	forgotten bigint NOT NULL DEFAULT 0 CHECK (forgotten >= 0),
	PRIMARY KEY (place, after_click)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.examination', '');
COMMENT ON TABLE personalize.examination IS
	'how likely the places of a page of search results are looked at, as fit_examination() has found it; empty: as shipped, place^-0.9';
COMMENT ON COLUMN personalize.examination.place IS 'place on the page, from 1';
COMMENT ON COLUMN personalize.examination.after_click IS
	'place of the last item above it that was clicked, 0: none; -1: whatever was clicked (model position)';
COMMENT ON COLUMN personalize.examination.model IS 'click model: browsing or position';
COMMENT ON COLUMN personalize.examination.shown IS 'impressions that it was fitted to';
COMMENT ON COLUMN personalize.examination.clicked IS 'how many of them were clicked';
COMMENT ON COLUMN personalize.examination.looked_at IS
	'how likely an item there is looked at, as a part of how likely the first of a page is';
COMMENT ON COLUMN personalize.examination.fitted_at IS 'when it was fitted, to pages shown before';
COMMENT ON COLUMN personalize.examination.since IS 'and from then on; -infinity: to all that were kept';
COMMENT ON COLUMN personalize.examination.forgotten IS
	'how many people who may be in these pages were forgotten, or withdrew consent for analytics, since it was fitted: health() says so';
REVOKE ALL ON personalize.examination FROM PUBLIC;
GRANT SELECT ON personalize.examination TO personalize_analyst, personalize_admin;

SELECT personalize_internal._announce('{examination}');

CREATE FUNCTION personalize.fit_examination(
	model text DEFAULT 'browsing',
	since timestamptz DEFAULT NULL,
	OUT impressions bigint, OUT clicks bigint, OUT rounds integer, OUT perplexity double precision) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_fit_examination' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;
COMMENT ON FUNCTION personalize.fit_examination(text, timestamptz) IS
	'finds out, by expectation maximisation, how likely the places of a page of search results are looked at, from pages tracked with a query (table exposure) since then (NULL: all that are kept) and before now, and lets rank_search() and search_items() count by it from now on (table examination). model: browsing (user browsing model: depends on the place and on that of the last click above it; G. Dupret and B. Piwowarski, SIGIR 2008), position (position-based model: on the place alone; N. Craswell et al., WSDM 2008), shipped (forget what was fitted: NULLs). The first 32 places count. perplexity: of the clicks it was fitted to, 1 is certainty, 2 a coin''s toss. The same pages give the same result. Reads exposures only, and waits for nobody but another fit; who is forgotten meanwhile waits for it; stat_progress shows how far it is. Errors: 22023 another model; 55000 fewer than 500 clicks';
REVOKE ALL ON FUNCTION personalize.fit_examination(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.fit_examination(text, timestamptz) TO personalize_admin;

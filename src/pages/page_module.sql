-- page_module: what pages are made of.
CREATE TABLE personalize.page_module (
	page text NOT NULL DEFAULT 'home',
	module text NOT NULL,
	title text NOT NULL,
	source text NOT NULL,
	arguments jsonb NOT NULL DEFAULT '{}',
	min_items integer NOT NULL DEFAULT 3,
	first_shelf integer NOT NULL DEFAULT 1,
	last_shelf integer NOT NULL DEFAULT 100,
	pinned_shelf integer,
	audience jsonpath,
	segment text,
	variants text[],
	valid_during tstzrange NOT NULL DEFAULT '(,)',
	enabled boolean NOT NULL DEFAULT true,
	number integer NOT NULL GENERATED ALWAYS AS IDENTITY,
	description text,
	created_by name NOT NULL DEFAULT session_user,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	builtin boolean NOT NULL DEFAULT false,
	PRIMARY KEY (page, module)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.page_module', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('personalize.page_module_number_seq', '');
COMMENT ON TABLE personalize.page_module IS
	'the modules that pages are made of, obeyed from the end of the transaction that writes it: INSERT, UPDATE and DELETE as you like. homepage() chooses for each shelf the module that promises the most clicks, among those that may stand there and have enough items. Modules of the page home that came with the extension come back with a restored dump if they were deleted: switch off with enabled what is to stay away';
COMMENT ON COLUMN personalize.page_module.page IS 'the page it is on, homepage(page => ...)';
COMMENT ON COLUMN personalize.page_module.module IS 'what answers, and rules (rule.module), call it (1..63 bytes)';
COMMENT ON COLUMN personalize.page_module.title IS
	'what stands above the items; {item}, {category} and {brand} are those the shelf is about: the item viewed, else the first on the shelf. An item is called by its attribute title or name, else its id. A shelf whose title lacks one gives way';
COMMENT ON COLUMN personalize.page_module.source IS
	'where the items come from: recommended, continue, because_viewed, bought_with_last_order, buy_again, favourites, trending, trending_in_category, new_in_categories, editorial, promotion, function';
COMMENT ON COLUMN personalize.page_module.arguments IS
	'of the source, by name: filter (any source): a jsonpath over the catalogue row that all items must agree to; items (editorial, which needs them, promotion): ids, in order; category and half_life (trending): what is trending there, by events half as heavy with every half-life; function (function): a function f(user_id text, n integer) that returns SETOF text, ids in order, with its schema, run with the rights of who calls homepage()';
COMMENT ON COLUMN personalize.page_module.min_items IS 'a shelf with fewer items gives way to the next module (1..1000; at most n of the call)';
COMMENT ON COLUMN personalize.page_module.first_shelf IS 'the uppermost shelf it may stand on (1..100)';
COMMENT ON COLUMN personalize.page_module.last_shelf IS 'the lowest shelf it may stand on (1..100)';
COMMENT ON COLUMN personalize.page_module.pinned_shelf IS 'it always stands here, if it has enough items; of several the lower number is first. NULL: where the order puts it';
COMMENT ON COLUMN personalize.page_module.audience IS
	'for whom it is: a jsonpath over the features of the profile, as rule.audience; NULL: for everybody';
COMMENT ON COLUMN personalize.page_module.segment IS
	'it is for people who are in this segment, as rule.segment; both, where there is an audience, too. NULL: for everybody';
COMMENT ON COLUMN personalize.page_module.variants IS 'the variants of engine homepage it is part of; NULL: all';
COMMENT ON COLUMN personalize.page_module.valid_during IS 'when it may stand on the page, by the time of the answer (as_of); (,): always';
COMMENT ON COLUMN personalize.page_module.enabled IS 'false: it is kept, and not shown';
COMMENT ON COLUMN personalize.page_module.number IS
	'given once, never again (1..32767): engine_stat.module and request_origin() have 8 times the number, and 1 more where something was known of the visitor, or the number of the segment of the page (page_segment) they were in';
COMMENT ON COLUMN personalize.page_module.description IS 'for people';
COMMENT ON COLUMN personalize.page_module.created_by IS 'the role that was logged in';
COMMENT ON COLUMN personalize.page_module.builtin IS 'as it was installed; it is not dumped';

CREATE FUNCTION personalize_internal._check_page_module() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_check_page_module' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_page_module() IS 'trigger of page_module: refuses what cannot be meant';

-- What a shop has made of a builtin row is its own; one that is restored takes its place.
CREATE FUNCTION personalize_internal._own_page_module() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		DELETE FROM personalize.page_module AS p WHERE p.page = NEW.page AND p.module = NEW.module AND p.builtin;
	END IF;
	NEW.builtin := false;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION personalize_internal._own_page_module() IS 'trigger of page_module: what is written is no builtin row any more';

INSERT INTO personalize.page_module (module, title, source, min_items, first_shelf, description, builtin) VALUES
	('continue', 'Continue where you left', 'continue', 1, 1, 'what is in the cart, and what was looked at last', true),
	('recommended', 'Recommended for you', 'recommended', 3, 1, 'what people went to next who looked at the same', true),
	('because_viewed', 'Because you viewed {item}', 'because_viewed', 3, 1, 'what people went to next after the item viewed last', true),
	('because_viewed_2', 'Because you viewed {item}', 'because_viewed', 3, 3, 'and after the one before', true),
	('last_order', 'Goes with your last order', 'bought_with_last_order', 3, 1, 'what others bought together with it', true),
	('buy_again', 'Buy again', 'buy_again', 1, 1, 'what is due, by the time after which people buy it again', true),
	('favourites', 'Your favourites', 'favourites', 1, 1, 'favourite items, and what is popular of favourite brands and categories', true),
	('trending', 'Trending now', 'trending', 3, 1, 'what most people look at and buy', true),
	('trending_in_category', 'Trending in {category}', 'trending_in_category', 3, 1, 'in the category the visitor is most interested in', true),
	('trending_in_category_2', 'Trending in {category}', 'trending_in_category', 3, 3, 'and in the next', true),
	('new', 'New', 'new_in_categories', 1, 1, 'the newest of the catalogue, those of the visitor''s categories first', true);

CREATE TRIGGER check_page_module BEFORE INSERT OR UPDATE ON personalize.page_module
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._check_page_module();
CREATE TRIGGER own_page_module BEFORE INSERT OR UPDATE ON personalize.page_module
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._own_page_module();
SELECT personalize_internal._announce('{page_module}');

REVOKE ALL ON FUNCTION personalize_internal._check_page_module(), personalize_internal._own_page_module() FROM PUBLIC;
REVOKE ALL ON SEQUENCE personalize.page_module_number_seq FROM PUBLIC;
GRANT SELECT ON personalize.page_module TO personalize_analyst, personalize_admin;
GRANT INSERT, UPDATE, DELETE ON personalize.page_module TO personalize_admin;

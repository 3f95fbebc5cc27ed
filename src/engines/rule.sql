-- rule: what a shop has said about its answers.
CREATE TABLE personalize.rule (
	name text PRIMARY KEY,
	kind text NOT NULL,
	engine text,
	module text,
	query text,
	query_match text NOT NULL DEFAULT 'exact',
	category text,
	items personalize.entity_id[],
	filter jsonpath,
	factor double precision,
	place integer,
	share double precision,
	audience jsonpath,
	segment text,
	valid_during tstzrange NOT NULL DEFAULT '(,)',
	priority integer NOT NULL DEFAULT 0,
	enabled boolean NOT NULL DEFAULT true,
	description text,
	created_by name NOT NULL DEFAULT session_user,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
SELECT pg_catalog.pg_extension_config_dump('personalize.rule', '');
COMMENT ON TABLE personalize.rule IS
	'what a shop says about the answers of its engines, obeyed from the end of the transaction that writes it: INSERT, UPDATE and DELETE as you like. A row is about some items, in the answers of the engine, module, query and category it names, for the people of its audience, while it is valid. Order of work: exclude and require, then scores times boost and bury, then diversity and caps of the variant, then slots, and pins last; of rules of one kind the higher priority is first, then the name';
COMMENT ON COLUMN personalize.rule.name IS 'what explanations, and reasons like rule:<name>, call it (1..63 bytes)';
COMMENT ON COLUMN personalize.rule.kind IS
	'exclude: these items are in no answer; require: no others are; boost, bury: their scores are multiplied by factor; slots: a share of the rows is theirs; pin: they stand at place and those after it';
COMMENT ON COLUMN personalize.rule.engine IS 'the engine it is for; NULL: all';
COMMENT ON COLUMN personalize.rule.module IS 'the module of a page it is for; NULL: all, and engines that are asked by themselves';
COMMENT ON COLUMN personalize.rule.query IS 'the query it is for, in any case, blanks once; NULL: all, and engines without a query';
COMMENT ON COLUMN personalize.rule.query_match IS 'exact: the query is this one; contains: this is a part of it';
COMMENT ON COLUMN personalize.rule.category IS 'it is for answers about this category: of trending(category), and of the item of similar_items(); NULL: all';
COMMENT ON COLUMN personalize.rule.items IS 'ids of the items it is about (1..1000); or NULL, and filter tells';
COMMENT ON COLUMN personalize.rule.filter IS
	'jsonpath over the catalogue row, as the argument filter of engines: it is about items this finds anything but false or null for; not for pins';
COMMENT ON COLUMN personalize.rule.factor IS 'of boost: above 1, at most 1000; of bury: above 0, at most 1';
COMMENT ON COLUMN personalize.rule.place IS 'of pin: the rank of its first item (1..1000); answers that are shorter do without';
COMMENT ON COLUMN personalize.rule.share IS 'of slots: the least part of the rows asked for that are its items (above 0, at most 1), rounded, one at least; those that are missing are put in evenly spread, in the order of items, or the best by score of filter';
COMMENT ON COLUMN personalize.rule.audience IS
	'jsonpath over what profile(user_id, ''personalization'') shows in features, {signal: [{"value", "count", "sum", "decayed"}, ...]}: it is for people for whom this finds anything but false or null; in the past (as_of) of what raw events tell of then; not for those who do not allow personalization and recommendations, or in engines that ask for nobody. NULL: for everybody';
COMMENT ON COLUMN personalize.rule.segment IS
	'it is for people who are in this segment (create_segment()) at the time of the answer, as in_segment() has it for personalization; both, where there is an audience, too. NULL: for everybody';
COMMENT ON COLUMN personalize.rule.valid_during IS 'when it holds, by the time of the answer (as_of); (,): always';
COMMENT ON COLUMN personalize.rule.priority IS 'the higher is obeyed first: of pins at one place the lower moves down';
COMMENT ON COLUMN personalize.rule.enabled IS 'false: it is kept, and not obeyed; rule_effect() shows what it would do';
COMMENT ON COLUMN personalize.rule.description IS 'for people';
COMMENT ON COLUMN personalize.rule.created_by IS 'the role that was logged in';

CREATE FUNCTION personalize_internal._check_rule() RETURNS trigger
	AS 'MODULE_PATHNAME', 'personalize_check_rule' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._check_rule() IS 'trigger of rule: refuses what cannot be meant, or could break an answer';
CREATE TRIGGER check_rule BEFORE INSERT OR UPDATE ON personalize.rule
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._check_rule();
SELECT personalize_internal._announce('{rule}');

CREATE FUNCTION personalize.rule_effect(
	rule text,
	user_id personalize.entity_id,
	n integer DEFAULT 20,
	items personalize.entity_id[] DEFAULT NULL,
	query text DEFAULT NULL,
	OUT engine text, OUT item_id text, OUT rank_without integer, OUT rank_with integer, OUT reason text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_rule_effect' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 40 COST 10000;
COMMENT ON FUNCTION personalize.rule_effect(text, personalize.entity_id, integer, personalize.entity_id[], text) IS
	'what a rule does to the answers for a person, also one that is not enabled or not valid now: the n items of each engine that it is for, without the rule and with it, as ranks, and the reason with it. Engines that are asked about items (similar_items, bought_together) are asked about the given ones; search_items and rank_search are asked for query, or else for that of the rule, the latter of the given items, or else of those that search_items finds; where neither is there they are left out. Where both ranks are the same everywhere, the rule does not apply to this person, or to none of the items. Errors: 42704 unknown rule, 22023 it is for an engine that must be asked about items, or for a query, and there is none';

REVOKE ALL ON FUNCTION
	personalize_internal._check_rule(),
	personalize.rule_effect(text, personalize.entity_id, integer, personalize.entity_id[], text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.rule_effect(text, personalize.entity_id, integer, personalize.entity_id[], text)
	TO personalize_admin;
GRANT SELECT ON personalize.rule TO personalize_analyst, personalize_admin;
GRANT INSERT, UPDATE, DELETE ON personalize.rule TO personalize_admin;

CREATE FUNCTION personalize_internal._rules_using(kind text, name text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT coalesce(array_agg(format('rule "%s"', r.name) ORDER BY r.name), '{}') FROM personalize.rule AS r
	WHERE _rules_using.kind = 'segment' AND r.segment = _rules_using.name;
END;
COMMENT ON FUNCTION personalize_internal._rules_using(text, text) IS 'the rules for people of a segment, as errors name them';
REVOKE ALL ON FUNCTION personalize_internal._rules_using(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._rules_using(text, text) TO personalize_owner, personalize_admin;

CREATE TRIGGER keep_segment_of_rules BEFORE DELETE ON personalize.segment
	FOR EACH ROW EXECUTE FUNCTION personalize_internal._keep_used('_rules_using',
		'UPDATE personalize.rule, or DELETE from it, first.');

-- choice: what to say when a name is none of those there are.
CREATE FUNCTION personalize_internal._choice_hint(given text, kinds text, names text[]) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_choice_hint' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._choice_hint(text, text, text[]) IS
	'a hint about a name that is none of those there are: the nearest, and all, of very many some; kinds: what they are';
REVOKE ALL ON FUNCTION personalize_internal._choice_hint(text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._choice_hint(text, text, text[])
	TO personalize_owner, personalize_admin, personalize_app, personalize_analyst;

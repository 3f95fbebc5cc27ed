
-- preference: what a person told us.
CREATE TABLE personalize.preference (
	user_key bigint NOT NULL,
	name text NOT NULL CHECK (name IN ('favourite_brand', 'favourite_category', 'favourite_item',
		'hidden_brand', 'hidden_category', 'hidden_item')),
	value text NOT NULL CHECK (octet_length(value) BETWEEN 1 AND 512),
	value_key bigint NOT NULL,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	alias_key bigint,
	PRIMARY KEY (user_key, name, value)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.preference', '');
COMMENT ON TABLE personalize.preference IS
	'favourite and hidden brands, categories and items, as people declared them; written through set_preference and clear_preference, read with preferences_of';
COMMENT ON COLUMN personalize.preference.user_key IS 'user_key(user_id) of the person';
COMMENT ON COLUMN personalize.preference.alias_key IS
	'user_key() of the other id under which it was declared before that was the person''s; NULL: it was not, see identify()';
COMMENT ON COLUMN personalize.preference.name IS 'favourite_ or hidden_, and brand, category or item';
COMMENT ON COLUMN personalize.preference.value IS 'brand or category as the catalogue writes it, or an item_id';
COMMENT ON COLUMN personalize.preference.value_key IS 'key of value; for items the item_key';
COMMENT ON COLUMN personalize.preference.set_at IS 'when it was last declared';

CREATE FUNCTION personalize.set_preference(
	user_id personalize.entity_id, name text, value personalize.entity_id) RETURNS boolean
	AS 'MODULE_PATHNAME', 'personalize_set_preference' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.set_preference(personalize.entity_id, text, personalize.entity_id) IS
	'remembers a preference the person declared: favourite_brand, favourite_category, favourite_item, hidden_brand, hidden_category or hidden_item; favourite and hidden replace each other, others of the same name stay. Engines obey from the next statement on. False, with a warning, if the person does not allow purpose personalization. Errors: 22023 unknown name, 54000 more than 256 preferences';
CREATE FUNCTION personalize.clear_preference(
	user_id personalize.entity_id, name text DEFAULT NULL, value personalize.entity_id DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_clear_preference' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.clear_preference(personalize.entity_id, text, personalize.entity_id) IS
	'forgets preferences of a person, all or those of one name or value; returns how many there were';
CREATE FUNCTION personalize.preferences_of(
	user_id personalize.entity_id,
	OUT name text, OUT value text, OUT value_key bigint, OUT set_at timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_preferences_of' LANGUAGE C STABLE PARALLEL SAFE ROWS 5 COST 10;
COMMENT ON FUNCTION personalize.preferences_of(personalize.entity_id) IS
	'what a person declared, by name and value; value_key: of items the item_key';

REVOKE ALL ON FUNCTION
	personalize.set_preference(personalize.entity_id, text, personalize.entity_id),
	personalize.clear_preference(personalize.entity_id, text, personalize.entity_id),
	personalize.preferences_of(personalize.entity_id)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.set_preference(personalize.entity_id, text, personalize.entity_id),
	personalize.clear_preference(personalize.entity_id, text, personalize.entity_id),
	personalize.preferences_of(personalize.entity_id)
	TO personalize_app, personalize_admin;

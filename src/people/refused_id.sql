-- refused_id: what programs write where they have no id.
CREATE TABLE personalize.refused_id (
	id text NOT NULL CHECK (pg_catalog.octet_length(id) BETWEEN 1 AND 512),
	refused_for text NOT NULL DEFAULT 'everything' CHECK (refused_for IN ('everything', 'people', 'nothing')),
	builtin boolean NOT NULL DEFAULT false,
	CONSTRAINT refused_id_pkey PRIMARY KEY (id, builtin)
);
COMMENT ON TABLE personalize.refused_id IS
	'ids that are none: messages that bear them are rejected, nobody can grant anything under them, upsert_items takes none of them. A row of yours comes before one that was installed: INSERT (id, refused_for) VALUES (''guest'', ''nothing'') allows guest';
COMMENT ON COLUMN personalize.refused_id.id IS 'compared without case and without blanks around it';
COMMENT ON COLUMN personalize.refused_id.refused_for IS
	'everything: users, items, sessions, requests and messages; people: users; nothing: it is an id like any other';
COMMENT ON COLUMN personalize.refused_id.builtin IS 'true: installed with the extension';
INSERT INTO personalize.refused_id
	SELECT id, 'everything', true FROM pg_catalog.unnest(ARRAY['undefined', 'null', '(null)', '<null>', 'nil', 'none', 'nan', 'n/a', '#n/a',
		'(not set)', 'not set', '(none)', '[object object]', '{}', '[]', '""', '''''', '-', 'true', 'false',
		'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']) AS id
	UNION ALL
	SELECT id, 'people', true FROM pg_catalog.unnest(ARRAY['anonymous', 'anon', 'guest', 'unknown', 'user_id', 'userid',
		'id', 'email', 'not_authenticated', 'distinct_id']) AS id;
SELECT pg_catalog.pg_extension_config_dump('personalize.refused_id', 'WHERE NOT builtin');

SELECT personalize_internal._announce('{refused_id}');

CREATE FUNCTION personalize_internal._usable_id(id text) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_usable_id' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize_internal._usable_id(text) IS
	'the id of an item as it is kept; NULL if it is empty, too long, or in refused_id';

REVOKE EXECUTE ON FUNCTION personalize_internal._usable_id(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._usable_id(text) TO personalize_app, personalize_admin;
GRANT SELECT ON personalize.refused_id TO personalize_app, personalize_analyst, personalize_admin;
GRANT INSERT, UPDATE, DELETE ON personalize.refused_id TO personalize_admin;

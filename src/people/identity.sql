-- identity: people with several ids.
CREATE TABLE personalize.identity (
	alias_key bigint PRIMARY KEY,
	user_key bigint NOT NULL,
	since timestamptz NOT NULL,
	place bigint NOT NULL,
	source text NOT NULL,
	alias_id text NOT NULL,
	user_id text NOT NULL,
	CHECK (alias_key OPERATOR(pg_catalog.<>) user_key)
);
CREATE UNIQUE INDEX identity_user_key_idx ON personalize.identity (user_key, place);
COMMENT ON TABLE personalize.identity IS
	'ids that are another one of a person: what comes under them is the person''s. Written by identify(), alias() and split()';
COMMENT ON COLUMN personalize.identity.alias_key IS 'user_key(alias_id)';
COMMENT ON COLUMN personalize.identity.user_key IS 'user_key(user_id) of the person, which is nobody''s alias: there are no chains';
COMMENT ON COLUMN personalize.identity.since IS 'when it was last said to be the person''s';
COMMENT ON COLUMN personalize.identity.place IS 'among the person''s, in the order in which they were joined; ids that have gone leave gaps';
COMMENT ON COLUMN personalize.identity.source IS 'who said so';
COMMENT ON COLUMN personalize.identity.alias_id IS 'the other id, as that of an anonymous visitor';
COMMENT ON COLUMN personalize.identity.user_id IS 'the id the person is known by';
SELECT pg_catalog.pg_extension_config_dump('personalize.identity', '');

CREATE FUNCTION personalize.identify(
	anonymous_id personalize.entity_id,
	user_id personalize.entity_id,
	consent text DEFAULT 'intersect',
	history text DEFAULT 'merge',
	source text DEFAULT 'application',
	OUT status text,
	OUT events bigint,
	OUT detail text) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_identify' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION personalize.identify(personalize.entity_id, personalize.entity_id, text, text, text) IS
	'says at a login that an anonymous id is the person''s: what came and comes under it is hers from the next statement on, exactly as if it had been all the time; cheap if it was known. status: merged (events: raw events that became hers), unchanged, moved (it was another person''s, who keeps what came before), or kept_apart, and detail says why and what to do. consent intersect: what either id refused is refused; person: what the person decided holds. history discard: also where raw events that its profile counts are gone, which are dropped; where only sessions, baskets or exposures tell of such, they are dropped in any case, and detail says so. Errors: 22004 null; 22023 no such rule; 55000 the anonymous id is a person with ids of its own: see alias(); 54000 more ids than personalize.max_identities; 22001 source of more than 2,000 bytes; 0A000 above READ COMMITTED; 25006 read only; 55P03 transactions storing events of either do not end';

CREATE FUNCTION personalize.alias(
	alias_id personalize.entity_id,
	user_id personalize.entity_id,
	consent text DEFAULT 'intersect',
	history text DEFAULT 'merge',
	source text DEFAULT 'application',
	OUT status text,
	OUT events bigint,
	OUT detail text) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_alias' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION personalize.alias(personalize.entity_id, personalize.entity_id, text, text, text) IS
	'says that two known people are one: alias_id, or the person whose id it is, and all ids of that become ids of user_id, as by identify(). Errors: 22004 null; 22023 no such rule; 54000 more ids than personalize.max_identities; 0A000 above READ COMMITTED; 25006 read only; 55P03 transactions storing events of either do not end';

CREATE FUNCTION personalize.split(
	user_id personalize.entity_id,
	anonymous_id personalize.entity_id,
	history text DEFAULT 'split') RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_split' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION personalize.split(personalize.entity_id, personalize.entity_id, text) IS
	'takes an id from a person again: the events and preferences that came under it go back to it, for the purposes its own decisions allow, exactly as if it had never been the person''s; returns how many events. history leave: they stay the person''s. Errors: 22004 null; 42704 it is none of the person''s ids; 55000 raw events that the profile counts are gone, or the person''s data is restricted; 0A000 above READ COMMITTED; 25006 read only; 55P03 transactions storing events of either do not end';

CREATE FUNCTION personalize.identities_of(
	user_id personalize.entity_id,
	OUT alias_id text,
	OUT person_id text,
	OUT since timestamptz,
	OUT source text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_identities_of' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION personalize.identities_of(personalize.entity_id) IS
	'the other ids of the person whose id this is, one row each, the oldest first; none: it is the only one. person_id is the one the person is known by';

REVOKE ALL ON FUNCTION
	personalize.identify(personalize.entity_id, personalize.entity_id, text, text, text),
	personalize.alias(personalize.entity_id, personalize.entity_id, text, text, text),
	personalize.split(personalize.entity_id, personalize.entity_id, text),
	personalize.identities_of(personalize.entity_id)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize.identify(personalize.entity_id, personalize.entity_id, text, text, text),
	personalize.alias(personalize.entity_id, personalize.entity_id, text, text, text),
	personalize.split(personalize.entity_id, personalize.entity_id, text),
	personalize.identities_of(personalize.entity_id)
	TO personalize_app, personalize_admin;

-- request_id: ids of answers, which say where the answer came from.
CREATE FUNCTION personalize.request_origin(
	request_id uuid,
	OUT engine text,
	OUT variant integer,
	OUT module integer,
	OUT place_bucket smallint,
	OUT reason text,
	OUT propensity double precision) RETURNS record
	AS 'MODULE_PATHNAME', 'personalize_request_origin' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize.request_origin(uuid) IS
	'what the request_id of an answer says: engine, variant (0: as shipped), module of a page (0: none), bucket of the place on the page as in item_stat.slot_bucket (0: not told), the reason of its rows (NULL: they have several), and the chance with which this answer was drawn (1: it was certain). All NULL if this database has not made the id';

CREATE FUNCTION personalize_internal._engine_name(code smallint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_engine_name' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._engine_name(smallint) IS 'the engine of engine_stat.engine';
CREATE FUNCTION personalize_internal._reason_name(code smallint) RETURNS text
	AS 'MODULE_PATHNAME', 'personalize_reason_name' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._reason_name(smallint) IS 'the reason of engine_stat.reason; several for 0';
REVOKE EXECUTE ON FUNCTION personalize_internal._engine_name(smallint), personalize_internal._reason_name(smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._engine_name(smallint), personalize_internal._reason_name(smallint)
	TO personalize_owner, personalize_analyst, personalize_admin;

CREATE VIEW personalize.stat_request AS
	SELECT pg_catalog.split_part(c.name, '.', 2) AS origin, c.value AS messages, c.since, c.scope
	FROM personalize_internal._counters() c
	WHERE pg_catalog.split_part(c.name, '.', 1) OPERATOR(pg_catalog.=) 'request';
COMMENT ON VIEW personalize.stat_request IS
	'messages handed in that name a request_id; what a transaction counts stays counted if it is rolled back';
COMMENT ON COLUMN personalize.stat_request.origin IS
	'own: this database has made the id; foreign: it has not, so the id only joins the events that bear it, and no engine is credited';
COMMENT ON COLUMN personalize.stat_request.messages IS 'how many; a message about several items is one';
COMMENT ON COLUMN personalize.stat_request.since IS 'when counting began: the first use after the server started';
COMMENT ON COLUMN personalize.stat_request.scope IS
	'database: of all sessions; session: of this one, because the library is not in shared_preload_libraries';
GRANT SELECT ON personalize.stat_request TO personalize_app, personalize_analyst, personalize_admin, personalize_monitor;

REVOKE EXECUTE ON FUNCTION personalize.request_origin(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.request_origin(uuid) TO personalize_app, personalize_analyst, personalize_admin;

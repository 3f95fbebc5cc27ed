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
REVOKE EXECUTE ON FUNCTION personalize.request_origin(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.request_origin(uuid) TO personalize_app, personalize_analyst, personalize_admin;

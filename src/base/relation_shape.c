/*
 * relation_shape.c
 *		The columns by whose place C code knows the tables.
 *
 * A library that is older or newer than the SQL of the extension, or a column that
 * was dropped or made another type by hand, would be read as what it is not.  So
 * each table is compared with this list when it is opened.  More columns than are
 * listed do no harm: somebody has added them, and table_rules.c fills them.
 */
#include "postgres.h"

#include "base/relation.h"

#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#define MAX_COLUMNS 20

/* The types of a table's columns; ANYOID: one of the extension's own, 0: the end. */
struct RelationShape
{
	const char *name;
	Oid			types[MAX_COLUMNS + 1];
};

/* src/<part>.sql has them with their names; event is that of its partitions, too. */
static const RelationShape shapes[] = {
	{"event", {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, INT2OID, INT2OID, INT8OID, INT2OID,
	INT8OID, INT8OID, INT8OID, INT8OID, INT2OID, NUMERICOID, JSONBOID, INT8OID}},
	{"rejected_event", {TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, INT8OID, TEXTOID, TEXTOID, JSONBOID}},
	{"message_seen", {UUIDOID, TIMESTAMPTZOID}},
	{"_dictionary_log", {CHAROID, INT2OID, INT8OID, TEXTOID, INT8OID}},
	{"_event_day", {DATEOID, BOOLOID, INT2ARRAYOID, INT2ARRAYOID}},
	{"event_type", {INT2OID, TEXTOID, NUMERICOID, TEXTOID, BOOLOID}},
	{"subject", {INT8OID, TEXTOID, INT4OID, INT4OID, TIMESTAMPTZOID, INT4OID}},
	{"identity", {INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID, TEXTOID}},
	{"consent_ledger", {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, BOOLOID,
	BOOLOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, BYTEAARRAYOID, BYTEAOID}},
	{"purpose", {TEXTOID, INT2OID, TEXTOID, TEXTOID, BOOLOID}},
	{"purpose_default", {TEXTOID, TEXTOID}},
	{"purpose_role", {TEXTOID, NAMEOID}},
	{"consent_mapping", {TEXTOID, TEXTOID, JSONPATHOID, TEXTARRAYOID, TEXTOID, BOOLOID}},
	{"profile", {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT4OID, BYTEAOID, BYTEAOID, ANYOID}},
	{"segment", {INT2OID, TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID, INTERVALOID, INT4OID}},
	{"segment_member", {INT8OID, INT2OID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID}},
	{"segment_change", {TIMESTAMPTZOID, INT8OID, INT2OID, BOOLOID, INT4OID}},
	{"feature_view", {TEXTOID, INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INTERVALOID}},
	{"feature_value", {INT2OID, INT8OID, TEXTOID}},
	{"preference", {INT8OID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID, INT8OID}},
	{"signal_state", {INT2OID, BOOLOID, TIMESTAMPTZOID, BOOLOID}},
	{"item_stat", {TIMESTAMPTZOID, INT8OID, INT4OID, INT2OID, INT2OID, INT8OID, INT8OID}},
	{"_basket", {INT8OID, DATEOID, INT8OID, INT8OID, INT8OID}},
	{"_popular", {INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT8ARRAYOID, FLOAT8ARRAYOID}},
	{"_repeat_purchase", {INT8OID, TEXTOID, INT8OID, INT8OID}},
	{"_repeat_interval", {INT8OID, FLOAT8OID}},
	{"session", {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT4OID, BOOLOID, BYTEAOID}},
	{"posting", {INT8OID, INT4OID, BYTEAOID}},
	{"_pair_list", {INT8OID, BYTEAOID}},
	{"model", {TEXTOID, INT4OID, BOOLOID, TEXTOID, TEXTARRAYOID, INT4OID, INT4OID, BYTEAOID}},
	{"_session_total", {BOOLOID, INT8OID, TIMESTAMPTZOID, INT8OID, FLOAT8OID, INT4OID}},
	{"_session_day", {INT4OID, INT8OID}},
	{"_session_repeat", {INT2OID, INT8ARRAYOID, INT8ARRAYOID}},
	{"exposure", {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT2OID, INT2OID, FLOAT4OID}},
	{"exposure_outcome", {INT8OID, TIMESTAMPTZOID, INT8OID, INT2OID, INT2OID, INT4OID, INT4OID, INT8OID, INT8OID,
	INT8OID}},
	{"examination", {INT2OID, INT2OID, TEXTOID, INT8OID, INT8OID, FLOAT8OID}},
	{"_attraction", {INT8OID, INT8OID, INT8ARRAYOID, INT8ARRAYOID}},
	{"search_setting", {TEXTOID, TEXTOID, BOOLOID}},
	{"_search_posting", {INT8OID, INT4OID, INT4OID, TEXTOID}},
	{"_search_word", {TEXTOID, TEXTOID}},
	{"_search_total", {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID}},
	{"processor_position", {INT2OID, INT2OID, TEXTOID}},
	{"_tombstone", {INT8OID, TIMESTAMPTZOID, INT8OID, INT4OID, TIMESTAMPTZOID}},
	{"engine_variant", {TEXTOID, TEXTOID, INT2OID, JSONBOID, BOOLOID, NAMEOID, TIMESTAMPTZOID, TIMESTAMPTZOID}},
	{"rule", {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, ANYOID, JSONPATHOID, FLOAT8OID,
	INT4OID, FLOAT8OID, JSONPATHOID, TEXTOID, TSTZRANGEOID, INT4OID, BOOLOID}},
	{"experiment", {TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID, INT8OID, INT2ARRAYOID, TIMESTAMPTZARRAYOID,
	TSTZMULTIRANGEOID, TIMESTAMPTZOID, TEXTOID}},
	{"experiment_variant", {TEXTOID, INT2OID, TEXTOID, INT2OID, FLOAT8OID}},
	{"experiment_force", {INT8OID, TEXTOID, TEXTOID}},
	{"experiment_holdout", {TEXTOID, FLOAT8OID}},
	{"page_module", {TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, INT4OID, INT4OID, INT4OID, INT4OID, JSONPATHOID, TEXTOID, TEXTARRAYOID,
	TSTZRANGEOID, BOOLOID, INT4OID}},
	{"page_segment", {TEXTOID, TEXTOID, INT4OID, JSONPATHOID, TEXTOID, INT2OID}},
	{"_secret", {TIMESTAMPTZOID, BYTEAOID}}
};

/* The columns that a table of this name should have; NULL: it is not known by place. */
const RelationShape *
RelationShapeOf(const char *name)
{
	for (int i = 0; i < lengthof(shapes); i++)
		if (strcmp(shapes[i].name, name) == 0)
			return &shapes[i];
	return NULL;
}

/* Complain of a column. */
static void
RefuseColumn(Relation relation, int place, Oid found, Oid expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is not what version %s of the library knows",
					RelationGetRelationName(relation), PERSONALIZE_VERSION),
			 OidIsValid(found) ?
			 errdetail("Column %d is of type %s, not %s.", place, format_type_be(found), format_type_be(expected)) :
			 errdetail("Column %d, of type %s, is missing.", place, format_type_be(expected)),
			 errhint("After an update, restart the server and run ALTER EXTENSION personalize UPDATE. If the column was altered or dropped by hand, restore the table from a backup.")));
}

/* Compare a table with its shape; returns how many columns that has. */
int
RelationCheckShape(Relation relation, const RelationShape *shape)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	int			count = 0;

	for (; OidIsValid(shape->types[count]); count++)
	{
		Oid			expected = shape->types[count];
		Oid			found = count < descriptor->natts ? TupleDescAttr(descriptor, count)->atttypid : InvalidOid;

		if (found != expected && (expected != ANYOID || !OidIsValid(found)))
			RefuseColumn(relation, count + 1, found, expected);
	}
	if (relation->rd_tableam != NULL && relation->rd_tableam != GetHeapamTableAmRoutine())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" is not stored by access method heap", RelationGetRelationName(relation)),
				 errhint("ALTER TABLE ... SET ACCESS METHOD heap.")));
	return count;
}

/* The same for a table that is open; what is not listed is a day of event, perhaps detached. */
int
RelationCheckColumns(Relation relation)
{
	const RelationShape *shape = relation->rd_rel->relispartition ? NULL :
		RelationShapeOf(RelationGetRelationName(relation));

	return RelationCheckShape(relation, shape ? shape : &shapes[0]);
}

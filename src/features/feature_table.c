/*
 * feature_table.c
 *		Each feature view as a typed SQL view, personalize.fv_<name>.
 *
 * One row for each person whose profile the purpose in force may see, or each item of
 * the catalogue, with a column for each feature of the newest version: what an ORM
 * maps, and a composite type for whoever wants the JSON of get_features() typed.  A
 * condition on user_id reaches the profile before anything is computed.  The view is
 * made at run time, so it is no member of the extension, and is dumped as any view is.
 */
#include "postgres.h"

#include "features/feature_evaluate.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/argument.h"
#include "base/clock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_extension_d.h"
#include "catalog/pg_type_d.h"
#include "commands/extension.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "people/policy.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_feature_row);

/* Columns of the typed view before the features. */
#define OWN_COLUMNS 2

/* Name of the typed view of a feature view, quoted. */
static const char *
QuotedName(const char *name)
{
	return quote_identifier(psprintf("fv_%s", name));
}

/* Where its rows come from; two words are what the C function is given of each. */
static const char *const userColumns =
	"s.user_id, p.user_key";
static const char *const userRows =
	"FROM personalize.profile p"
	" LEFT JOIN personalize.subject s ON s.user_key OPERATOR(pg_catalog.=) p.user_key"
	" CROSS JOIN LATERAL personalize_internal._feature_row(%s, %d, p.user_key, personalize_internal._unrestricted(p.mask, p.user_key),"
	" p.features, p.steps) AS f (%s)"
	" WHERE personalize_internal._unrestricted(p.mask, p.user_key) OPERATOR(pg_catalog.<>) 0";
static const char *const itemColumns =
	"i.item_id, i.item_key";
static const char *const itemRows =
	"FROM personalize.item i"
	" CROSS JOIN LATERAL personalize_internal._feature_row(%s, %d, i.item_key, 0, NULL, NULL) AS f (%s)";

/* The typed view's definition. */
static char *
MakeDefinition(const FeatureView *view)
{
	bool		ofUsers = view->entity == FEATURE_ENTITY_USER;
	StringInfoData columns;
	StringInfoData types;
	StringInfoData definition;

	initStringInfo(&columns);
	initStringInfo(&types);
	for (int i = 0; i < view->count; i++)
	{
		const char *name = quote_identifier(view->features[i].name);

		appendStringInfo(&columns, ", f.%s", name);
		appendStringInfo(&types, "%s%s %s", i == 0 ? "" : ", ", name, FeatureTypeName(view->features[i].node->type));
	}
	initStringInfo(&definition);
	appendStringInfo(&definition, "SELECT %s%s ", ofUsers ? userColumns : itemColumns, columns.data);
	appendStringInfo(&definition, ofUsers ? userRows : itemRows, quote_literal_cstr(view->name), view->version, types.data);
	return definition.data;
}

/* True if the columns of the view that exists are the first of those it is to have. */
static bool
IsExtended(Oid existing, const FeatureView *view)
{
	Relation	relation = table_open(existing, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(relation);
	bool		extended = desc->natts >= OWN_COLUMNS && desc->natts - OWN_COLUMNS <= view->count &&
		strcmp(NameStr(TupleDescAttr(desc, 0)->attname), view->entity == FEATURE_ENTITY_USER ? "user_id" : "item_id") == 0;

	for (int i = OWN_COLUMNS; i < desc->natts && extended; i++)
	{
		const FeatureDefinition *feature = &view->features[i - OWN_COLUMNS];

		extended = strcmp(NameStr(TupleDescAttr(desc, i)->attname), feature->name) == 0 &&
			TupleDescAttr(desc, i)->atttypid == FeatureTypeOid(feature->node->type);
	}
	table_close(relation, AccessShareLock);
	return extended;
}

/* Commands that grant what was granted on a relation, with semicolons between them. */
static char *
ReadGrants(Oid relation)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(relation)};
	bool		isNull;
	Datum		grants;

	SpiUtilRun(&plan, "SELECT string_agg(format('GRANT %s ON personalize.%I TO %s%s', a.privilege_type, c.relname,"
			   " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
			   " CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ')"
			   " FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = $1 AND a.grantee <> c.relowner",
			   lengthof(types), types, values, NULL, true);
	grants = SpiUtilValue(0, 1, &isNull);
	return isNull ? NULL : TextDatumGetCString(grants);
}

/* Let the typed view, which is no member of the extension, go when the extension is dropped. */
static void
LeaveWithExtension(const char *name)
{
	ObjectAddress view;
	ObjectAddress extension;

	ObjectAddressSet(view, RelationRelationId, get_relname_relid(psprintf("fv_%s", name), get_namespace_oid(PERSONALIZE_SCHEMA, false)));
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("personalize", false));
	recordDependencyOn(&view, &extension, DEPENDENCY_AUTO_EXTENSION);
}

/* Make the typed view what the newest version says. */
void
FeatureTableSync(const char *name)
{
	const FeatureViewSet *set = FeatureViewSetGet();
	const FeatureView *view = NULL;
	Oid			existing = get_relname_relid(psprintf("fv_%s", name), get_namespace_oid(PERSONALIZE_SCHEMA, false));
	char	   *grants = psprintf("GRANT SELECT ON personalize.%s TO personalize_analyst, personalize_admin", QuotedName(name));

	for (int i = 0; i < set->count; i++)
		if (set->views[i].newest && FeatureEntityHasTable(set->views[i].entity) && strcmp(set->views[i].name, name) == 0)
			view = &set->views[i];
	if (OidIsValid(existing) && get_rel_relkind(existing) != RELKIND_VIEW)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("personalize.%s exists already and is no view", QuotedName(name)),
				 errhint("Give the feature view another name.")));
	if (OidIsValid(existing) && (view == NULL || !IsExtended(existing, view)))
	{
		char	   *given = ReadGrants(existing);

		grants = given ? given : grants;
		SpiUtilCommand(psprintf("DROP VIEW personalize.%s", QuotedName(name)));
		existing = InvalidOid;
	}
	if (view == NULL)
		return;
	SpiUtilCommand(psprintf("CREATE OR REPLACE VIEW personalize.%s AS %s", QuotedName(name), MakeDefinition(view)));
	SpiUtilCommand(psprintf("COMMENT ON VIEW personalize.%s IS %s", QuotedName(name),
							quote_literal_cstr(psprintf("feature view %s, version %d", name, view->version))));
	if (OidIsValid(existing))
		return;
	SpiUtilCommand(grants);
	LeaveWithExtension(name);
}

/* Complain unless the columns asked for are the features. */
static void
CheckColumns(const FeatureView *view, TupleDesc desc)
{
	bool		same = desc->natts == view->count;

	for (int i = 0; i < view->count && same; i++)
		same = TupleDescAttr(desc, i)->atttypid == FeatureTypeOid(view->features[i].node->type);
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the columns asked for are not the features of version %d of feature view \"%s\"",
						view->version, view->name),
				 errhint("View personalize.%s has them.", QuotedName(view->name))));
}

/* What a person's or an item's row is computed from. */
static void
FillContext(FunctionCallInfo fcinfo, const FeatureView *view, FeatureContext *context)
{
	int64		key = PG_GETARG_INT64(2);

	context->signals = SignalSetGet();
	context->snapshot = GetActiveSnapshot();
	context->now = ClockNow();
	if (view->entity == FEATURE_ENTITY_ITEM)
	{
		ItemReader *items = ItemReaderBegin(context->snapshot);

		context->item = ItemReaderJson(items, key, NULL);
		ItemReaderEnd(items);
		context->counters = FeatureCountersLoad(view, NULL, key, context->now, context->snapshot);
		return;
	}
	/* whether somebody is restricted is known to the view, and no one else may ask it here */
	context->restricted = ~PG_GETARG_INT32(3);
	context->purposes = PolicyBits(NULL) & PG_GETARG_INT32(3);
	if (!PG_ARGISNULL(4))
		FeatureContextSetState(context, PG_GETARG_FEATURE_STATE_P(4));
	if (!PG_ARGISNULL(5))
	{
		ProfileSteps *steps = palloc_object(ProfileSteps);

		ProfileStepsUnpack(PG_GETARG_BYTEA_PP(5), steps);
		context->steps = steps;
	}
}

/* _feature_row(view, version, key, mask, features, steps): one row of a typed view. */
Datum
personalize_feature_row(PG_FUNCTION_ARGS)
{
	static const char *const needed[] = {"view", "version", "key", "mask"};
	Datum		values[FEATURE_VIEW_MAX_FEATURES];
	bool		nulls[FEATURE_VIEW_MAX_FEATURES];
	FeatureContext context = {0};
	const FeatureView *view;
	StoredRow	row = {0};
	TupleDesc	desc;
	char	   *name;

	for (int i = 0; i < lengthof(needed); i++)
		ArgumentCheckGiven(fcinfo, i, needed[i]);
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	view = FeatureViewFindVersion(name, PG_GETARG_INT32(1));
	if (view == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("feature view \"%s\" has no version %d", name, PG_GETARG_INT32(1))));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE && desc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("_feature_row() is for the views of personalize")));
	CheckColumns(view, desc);
	if (view->entity == FEATURE_ENTITY_USER)
		StoredRowBegin(&row, STORED_PROFILE, (int64[]) {PG_GETARG_INT64(2)});
	FillContext(fcinfo, view, &context);
	FeatureEvaluateAll(view, &context, values, nulls);
	if (view->entity == FEATURE_ENTITY_USER)
		StoredRowEnd(&row);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

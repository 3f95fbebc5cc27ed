/*
 * policy_guard.c
 *		What row policies call.
 *
 * Our own code passes (pass.c); the functions that do nothing but ask for the pass
 * are PARALLEL RESTRICTED, as parallel workers do not have it.
 *
 * Functions that the policies call: _may_read(), when a statement is planned, so
 * that somebody who may not ask is told so even if no row would be looked at;
 * _readable(mask) per row, which is what decides; _internal(table, writing) and
 * _closed(), both then and there, for what nobody reads or writes with SQL.
 */
#include "postgres.h"

#include "people/policy.h"

#include "base/pass.h"
#include "base/relation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_may_read);
PG_FUNCTION_INFO_V1(personalize_readable);
PG_FUNCTION_INFO_V1(personalize_if_personal);
PG_FUNCTION_INFO_V1(personalize_readable_unrestricted);
PG_FUNCTION_INFO_V1(personalize_readable_decided);
PG_FUNCTION_INFO_V1(personalize_purpose_bits);
PG_FUNCTION_INFO_V1(personalize_covers);
PG_FUNCTION_INFO_V1(personalize_mostly_support);
PG_FUNCTION_INFO_V1(personalize_internal);
PG_FUNCTION_INFO_V1(personalize_closed);
PG_FUNCTION_INFO_V1(personalize_may_read_support);
PG_FUNCTION_INFO_V1(personalize_internal_support);

/*
 * The share of rows that the planner is told may be read.  Policies and views ask
 * several times about the same row, and estimates multiply.
 */
#define POLICY_SELECTIVITY 0.9

/* What a policy remembers for the time of a query. */
typedef struct Reader
{
	uint64		generation;
	Oid			userId;
	int32		bits;
	int32		defaults;		/* purposes allowed by who has not spoken */
} Reader;

/* The purposes that hold for who has not spoken. */
static int32
Defaults(void)
{
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationFind("purpose_default", false)));
	int32		allowed = PurposeCatalogueRead(snapshot)->allowed;

	UnregisterSnapshot(snapshot);
	return allowed;
}

/* Find out anew what the query may read. */
static Reader *
Refresh(FunctionCallInfo fcinfo, bool withDefaults)
{
	Reader	   *reader = fcinfo->flinfo->fn_extra;
	int32		bits = PolicyBits(NULL);

	if (reader == NULL)
	{
		reader = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Reader));
		reader->defaults = withDefaults ? Defaults() : 0;
	}
	else if (reader->bits != bits)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the purpose in force changed while the statement was running"),
				 errhint("Set personalize.purpose before the statement.")));
	reader->bits = bits;
	reader->userId = GetUserId();
	reader->generation = PolicyGeneration();
	fcinfo->flinfo->fn_extra = reader;
	return reader;
}

/* What the query may read, found out once unless something changed. */
static inline Reader *
ReaderOf(FunctionCallInfo fcinfo, bool withDefaults)
{
	Reader	   *reader = fcinfo->flinfo->fn_extra;

	if (likely(reader != NULL && reader->generation == PolicyGeneration() &&
			   reader->userId == GetUserId()))
		return reader;
	return Refresh(fcinfo, withDefaults);
}

/* _may_read(): an error, or false, if no purpose is in force. */
Datum
personalize_may_read(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PolicyBits(NULL) != 0);
}

/*
 * COPY of a table under row security reads ONLY the table, and event itself is
 * empty: an error instead of an empty export.
 */
static void
RefuseOnly(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"personalize.event\" itself is empty: its rows are in partitions"),
			 errhint("Use COPY (SELECT * FROM personalize.export_events(...)) TO, or COPY (SELECT ... FROM personalize.event) TO; without ONLY.")));
}

/*
 * A packed profile holds what was counted for all purposes of a person.  Our views
 * unpack of it what belongs to the purpose in force; whoever may read the table
 * itself, by a GRANT or pg_read_all_data, must use them.
 */
static void
RefusePacked(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table \"personalize.profile\" is read through its views and functions"),
			 errhint("Use personalize.profile_feature, profile_pane or profile_person, or export_profiles().")));
}

/* Look at the tables that a query reads under our policies. */
static void
CheckTables(PlannerInfo *root)
{
	Oid			event = RelationFind("event", true);
	Oid			profile = RelationFind("profile", true);
	ListCell   *cell;

	if (root == NULL)
		return;
	foreach(cell, root->parse->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind != RTE_RELATION)
			continue;
		if (entry->relid == event && !entry->inh && has_subclass(event))
			RefuseOnly();
		if (entry->relid == profile && CompatCheckAsUser(root->parse, entry) != RelationOwner())
			RefusePacked();
	}
}

/* Planner support of _may_read(): asked once, rows are left to _readable(). */
Datum
personalize_may_read_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	bool		mayRead;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	mayRead = PolicyBits(NULL) != 0;
	if (!PassIsUp())
		CheckTables(((SupportRequestSimplify *) request)->root);
	PG_RETURN_POINTER(mayRead ? makeBoolConst(true, false) : NULL);
}

/* _readable(mask): does the row's mask contain the purpose in force? */
Datum
personalize_readable(PG_FUNCTION_ARGS)
{
	const Reader *reader;

	if (PassIsUp())
		PG_RETURN_BOOL(true);
	reader = ReaderOf(fcinfo, false);
	PG_RETURN_BOOL(reader->bits == POLICY_EVERYTHING ||
				   (PG_GETARG_INT32(0) & reader->bits) != 0);
}

/*
 * _if_personal(value): the value, if the purpose in force includes personalization; also for
 * ANALYZE, which is the owner.
 */
Datum
personalize_if_personal(PG_FUNCTION_ARGS)
{
	const Reader *reader;

	if (PassIsUp() || GetUserId() == RelationOwner())
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	reader = ReaderOf(fcinfo, false);
	if (reader->bits == POLICY_EVERYTHING || (reader->bits & PURPOSE_PERSONALIZATION) != 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_NULL();
}

/* _readable(mask, user_key): and may the person's data be used for it now? */
Datum
personalize_readable_unrestricted(PG_FUNCTION_ARGS)
{
	const Reader *reader;

	if (PassIsUp())
		PG_RETURN_BOOL(true);
	if (unlikely(fcinfo->flinfo->fn_extra == NULL))
		RestrictionCheckCall(fcinfo->flinfo);
	reader = ReaderOf(fcinfo, false);
	if (reader->bits == POLICY_EVERYTHING)
		PG_RETURN_BOOL(true);
	if (PG_ARGISNULL(0) || (PG_GETARG_INT32(0) & reader->bits) == 0)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(PG_ARGISNULL(1) || (RestrictionOf(PG_GETARG_INT64(1)) & reader->bits) == 0);
}

/* _readable(granted, decided): the same for a person. */
Datum
personalize_readable_decided(PG_FUNCTION_ARGS)
{
	const Reader *reader;
	int32		granted = PG_GETARG_INT32(0);
	int32		decided = PG_GETARG_INT32(1);

	if (PassIsUp())
		PG_RETURN_BOOL(true);
	reader = ReaderOf(fcinfo, true);
	PG_RETURN_BOOL(reader->bits == POLICY_EVERYTHING ||
				   (((granted & decided) | (reader->defaults & ~decided)) & reader->bits) != 0);
}

/* _purpose_bits(otherwise): the purpose in force; otherwise for who reads everything. */
Datum
personalize_purpose_bits(PG_FUNCTION_ARGS)
{
	int32		bits = PolicyBits(NULL);

	PG_RETURN_INT32(bits == POLICY_EVERYTHING ? PG_GETARG_INT32(0) : bits);
}

/* _covers(mask, needed): does the mask contain all purposes that are needed? */
Datum
personalize_covers(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL((PG_GETARG_INT32(1) & ~PG_GETARG_INT32(0)) == 0);
}

/* The column with the purposes of a row: what is asked about, or what that is made of first. */
static Node *
MaskColumn(Node *node)
{
	while (node != NULL && !IsA(node, Var))
		node = IsA(node, OpExpr) ? linitial(((OpExpr *) node)->args) :
			IsA(node, FuncExpr) && ((FuncExpr *) node)->args != NIL ? linitial(((FuncExpr *) node)->args) : NULL;
	return node != NULL && ((Var *) node)->vartype == INT4OID ? node : NULL;
}

/* The share of rows with one of some purposes, by the statistics of their column; negative: there are none. */
static double
ShareWith(PlannerInfo *root, Node *column, int32 bits)
{
	VariableStatData variable;
	AttStatsSlot slot;
	double		share = -1;

	examine_variable(root, column, 0, &variable);
	if (HeapTupleIsValid(variable.statsTuple) &&
		get_attstatsslot(&slot, variable.statsTuple, STATISTIC_KIND_MCV, InvalidOid, ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
	{
		share = 0;
		for (int i = 0; i < slot.nvalues; i++)
			share += (DatumGetInt32(slot.values[i]) & bits) != 0 ? slot.numbers[i] : 0;
		free_attstatsslot(&slot);
	}
	ReleaseVariableStats(variable);
	return share;
}

/* Tell the planner how many rows may be read, most if nothing else is known; NULL if it asks something else. */
Node *
PolicyEstimate(Node *request)
{
	SupportRequestSelectivity *asked = (SupportRequestSelectivity *) request;
	Node	   *column;
	int32		bits;
	double		share;

	if (!IsA(request, SupportRequestSelectivity))
		return NULL;
	asked->selectivity = POLICY_SELECTIVITY;
	bits = PassIsUp() ? POLICY_EVERYTHING : PolicyBits(NULL);
	column = asked->args == NIL || bits == POLICY_EVERYTHING ? NULL : MaskColumn(linitial(asked->args));
	share = column == NULL ? -1 : ShareWith(asked->root, column, bits);
	if (share >= 0)
		asked->selectivity = Min(share, POLICY_SELECTIVITY);
	return request;
}

/* Planner support of what lets most rows through. */
Datum
personalize_mostly_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(PolicyEstimate((Node *) PG_GETARG_POINTER(0)));
}

/* True within our own code; else an error, or false if a read is denied silently. */
static bool
CheckInternal(const char *table, bool writing)
{
	if (PassIsUp() || PolicyBypasses(GetUserId()))
		return true;
	if (!writing && PolicyIsSilent())
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table \"personalize.%s\" is %s through its functions",
					table, writing ? "written" : "read"),
			 errhint("docs/reference.md lists them.")));
	return false;
}

/* The same for partitions. */
static bool
CheckClosed(void)
{
	if (PassIsUp() || PolicyBypasses(GetUserId()))
		return true;
	if (PolicyIsSilent())
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("partitions of \"personalize.event\" are closed to direct access"),
			 errhint("Query personalize.event: a condition on received_at leaves out the other days.")));
	return false;
}

/* _internal(table, writing): only our own code passes. */
Datum
personalize_internal(PG_FUNCTION_ARGS)
{
	char	   *table;

	if (PassIsUp())
		PG_RETURN_BOOL(true);
	table = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PG_RETURN_BOOL(CheckInternal(table, PG_GETARG_BOOL(1)));
}

/* _closed(): a partition is not read or written by its own name. */
Datum
personalize_closed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(CheckClosed());
}

/* True if the current role has some right on a table; else the server says so itself. */
static bool
HasRights(const char *table)
{
	Oid			relation = RelationFind(table, true);

	return OidIsValid(relation) &&
		(pg_class_aclcheck(relation, GetUserId(), ACL_ALL_RIGHTS_RELATION) == ACLCHECK_OK ||
		 pg_attribute_aclcheck_all(relation, GetUserId(), ACL_ALL_RIGHTS_COLUMN,
								   ACLMASK_ANY) == ACLCHECK_OK);
}

/* Planner support of both: an empty table, too, answers with the error. */
Datum
personalize_internal_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
	{
		List	   *arguments = ((SupportRequestSimplify *) request)->fcall->args;

		if (arguments == NIL)
			CheckClosed();
		else if (IsA(linitial(arguments), Const) && IsA(lsecond(arguments), Const))
		{
			char	   *table = TextDatumGetCString(linitial_node(Const, arguments)->constvalue);

			if (HasRights(table))
				CheckInternal(table, DatumGetBool(lsecond_node(Const, arguments)->constvalue));
		}
	}
	PG_RETURN_POINTER(NULL);
}

/*
 * drop_guard.c
 *		Drops by mistake: of days of event, or of the schema with all that is in it.
 *
 * A migration tool that finds tables it has no models for offers to drop them, and
 * days of event are such tables: they are made at run time and so belong to no
 * extension, whose other tables the server protects.  A day that is detached or emptied
 * is as lost as one that is dropped.  What is meant is done by
 * retention, by DROP EXTENSION, or with personalize.allow_drop = on.  pg_restore
 * --clean means it.
 *
 * The schemas keep their names: everything finds everything else by them.
 *
 * There are no event triggers for TRUNCATE, and a trigger on each day would be one more thing
 * that writers look for: so the server tells us, in sessions that have the library.
 */
#include "postgres.h"

#include "base/pass.h"
#include "base/relation.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "compat.h"
#include "events/drop_guard.h"
#include "events/partition.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(personalize_guard_drops);

#define OWNER_ROLE "personalize_owner"
#define INTERNAL_SCHEMA "personalize_internal"
#define RESTORE_PROGRAM "pg_restore"

static bool personalize_allow_drop = false;

static object_access_hook_type previousHook = NULL;

/* True for a partition of event; of those we make ourselves only, if asked. */
static bool
IsDay(Oid table, bool made)
{
	const char *name;

	if (!OidIsValid(table) || !get_rel_relispartition(table) ||
		get_partition_parent(table, true) != RelationFind("event", true))
		return false;
	if (!made)
		return true;
	name = get_rel_name(table);
	return RelationFind(name, true) == table && PartitionIsDayName(name);
}

/* Raise for what would take events away; the command is named as it is written. */
static void
RaiseDay(Oid table, const char *done, const char *command)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 IsDay(table, false) ?
			 errmsg("table \"%s\" is a day of personalize.event and is not %s by hand", get_rel_name(table), done) :
			 errmsg("personalize.%s is not %s by hand", get_rel_name(table), done),
			 errdetail("Profiles and counts know its events, and would no longer agree with them."),
			 errhint("SELECT personalize.set_retention('raw', interval '...') says how long days are kept, and SELECT * FROM personalize.apply_retention() drops those that are older. SET personalize.allow_drop = on lets %s pass.", command)));
}

/* Raise if a table that is to be dropped is a day of event. */
static void
CheckTable(List *name)
{
	Oid			table = RangeVarGetRelid(makeRangeVarFromNameList(name), NoLock, true);

	if (IsDay(table, false))
		RaiseDay(table, "dropped", "DROP TABLE");
}

/* Raise if a day that we have made would be detached; what was attached by hand may be. */
static void
CheckDetach(const AlterTableStmt *command)
{
	ListCell   *cell;

	foreach(cell, command->cmds)
	{
		const AlterTableCmd *step = lfirst_node(AlterTableCmd, cell);
		Oid			table;

		if (step->subtype != AT_DetachPartition)
			continue;
		table = RangeVarGetRelid(castNode(PartitionCmd, step->def)->name, NoLock, true);
		if (IsDay(table, true))
			RaiseDay(table, "detached", "DETACH PARTITION");
	}
}

/* Raise if the schema is that of the extension. */
static void
CheckSchema(const char *name)
{
	if (strcmp(name, PERSONALIZE_SCHEMA) != 0 || !OidIsValid(get_extension_oid("personalize", true)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("schema \"%s\" belongs to the extension personalize and is not dropped by hand", name),
			 errdetail("All events, profiles and decisions of people would be lost."),
			 errhint("If that is meant: DROP EXTENSION personalize, then DROP SCHEMA personalize. SET personalize.allow_drop = on lets DROP SCHEMA pass.")));
}

/* Raise if the schema is one of the extension's, which nothing of it would be found in under another name. */
static void
CheckRename(const RenameStmt *command)
{
	if (command->renameType != OBJECT_SCHEMA || !OidIsValid(get_extension_oid("personalize", true)) ||
		(strcmp(command->subname, PERSONALIZE_SCHEMA) != 0 && strcmp(command->subname, INTERNAL_SCHEMA) != 0))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("schema \"%s\" belongs to the extension personalize and keeps its name", command->subname),
			 errdetail("Its functions, its workers and those who call them know it by that."),
			 errhint("Give another name to what needs this one.")));
}

/* Raise if a role owns what the extension has made. */
static void
CheckOwner(const RoleSpec *role)
{
	if (role->roletype != ROLESPEC_CSTRING || strcmp(role->rolename, OWNER_ROLE) != 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("what \"%s\" owns is not dropped by hand", OWNER_ROLE),
			 errhint("If that is meant: DROP EXTENSION personalize. SET personalize.allow_drop = on lets DROP OWNED pass.")));
}

/* Raise if a command would drop what is not dropped by hand. */
static void
CheckCommand(Node *command)
{
	ListCell   *cell;

	if (IsA(command, DropOwnedStmt))
	{
		foreach(cell, castNode(DropOwnedStmt, command)->roles)
			CheckOwner(lfirst_node(RoleSpec, cell));
		return;
	}
	if (IsA(command, RenameStmt))
		CheckRename(castNode(RenameStmt, command));
	if (IsA(command, AlterTableStmt))
		CheckDetach(castNode(AlterTableStmt, command));
	if (!IsA(command, DropStmt))
		return;
	foreach(cell, castNode(DropStmt, command)->objects)
	{
		if (castNode(DropStmt, command)->removeType == OBJECT_TABLE)
			CheckTable(lfirst_node(List, cell));
		else if (castNode(DropStmt, command)->removeType == OBJECT_SCHEMA)
			CheckSchema(strVal(lfirst(cell)));
	}
}

/* True if commands are looked at: nobody has said that they are meant. */
static bool
IsGuarded(void)
{
	return !personalize_allow_drop && !PassIsUp() && !IsBinaryUpgrade &&
		strcmp(application_name, RESTORE_PROGRAM) != 0;
}

/* Event trigger _guard_drops() */
Datum
personalize_guard_drops(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_guard_drops must be called by an event trigger")));
	if (IsGuarded())
		CheckCommand(((EventTriggerData *) fcinfo->context)->parsetree);
	PG_RETURN_NULL();
}

/* True if nothing is in a table, or its partitions: pg_restore -j empties what it fills, by whatever name it goes. */
static bool
IsEmpty(Oid table)
{
	ListCell   *cell;

	if (get_rel_relkind(table) != RELKIND_PARTITIONED_TABLE)
		return DatumGetInt64(DirectFunctionCall2(pg_relation_size, ObjectIdGetDatum(table), CStringGetTextDatum("main"))) == 0;
	foreach(cell, find_inheritance_children(table, NoLock))
		if (!IsEmpty(lfirst_oid(cell)))
			return false;
	return true;
}

/* object_access_hook: event and its days are not truncated, by those who may. */
static void
CheckTruncate(ObjectAccessType access, Oid class, Oid object, int subId, void *argument)
{
	if (previousHook != NULL)
		previousHook(access, class, object, subId, argument);
	if (access == OAT_TRUNCATE && class == RelationRelationId && IsGuarded() &&
		(IsDay(object, false) || object == RelationFind("event", true)) &&
		pg_class_aclcheck(object, GetUserId(), ACL_TRUNCATE) == ACLCHECK_OK && !IsEmpty(object))
		RaiseDay(object, "truncated", "TRUNCATE");
}

/* Called once when the library is loaded. */
void
DropGuardInit(void)
{
	DefineCustomBoolVariable("personalize.allow_drop",
							 "Days of event may be dropped, detached and truncated by hand, and the schema dropped.",
							 NULL, &personalize_allow_drop, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	previousHook = object_access_hook;
	object_access_hook = CheckTruncate;
}

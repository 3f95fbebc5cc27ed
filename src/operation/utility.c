/*
 * utility.c
 *		Commands before which workers must leave a database.
 *
 * A database cannot be dropped, renamed, moved or copied while somebody is
 * connected to it, and DROP or ALTER EXTENSION would wait for a batch or be
 * waited for by it.  Before such a command the workers of the database are
 * stopped and held back until the transaction ends (worker_slot.c); then the
 * launcher looks at the database again, which is also how it learns of CREATE
 * EXTENSION.
 *
 * A command that its user has no right to run stops nobody.
 */
#include "postgres.h"

#include "operation/utility.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/relation.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "compat.h"
#include "miscadmin.h"
#include "people/consent_cache.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "workers/worker_slot.h"
#include "workers/worker_task.h"

static ProcessUtility_hook_type previousHook = NULL;

/* A database by name, if this user owns it. */
static Oid
OwnDatabase(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (OidIsValid(database) &&
		object_ownercheck(DatabaseRelationId, database, GetUserId()))
		return database;
	return InvalidOid;
}

/* The database a CREATE DATABASE copies, if this user may copy it. */
static Oid
TemplateDatabase(CreatedbStmt *statement)
{
	const char *name = "template1";
	bool		mayCreate = superuser();
	bool		mayCopy = false;
	Oid			database;
	ListCell   *cell;
	HeapTuple	tuple;

	foreach(cell, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg)
			name = defGetString(option);
	}
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		mayCreate |= ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	database = get_database_oid(name, true);
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		mayCopy = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate ||
			object_ownercheck(DatabaseRelationId, database, GetUserId());
		ReleaseSysCache(tuple);
	}
	return mayCreate && mayCopy ? database : InvalidOid;
}

/* This database, if it has the extension and this user owns it. */
static Oid
OwnExtension(const char *name)
{
	Oid			extension;

	if (strcmp(name, "personalize") != 0)
		return InvalidOid;
	extension = get_extension_oid(name, true);
	if (OidIsValid(extension) &&
		object_ownercheck(ExtensionRelationId, extension, GetUserId()))
		return MyDatabaseId;
	return InvalidOid;
}

/* This database, if a DROP names the extension or its schema. */
static Oid
DroppedExtension(DropStmt *statement)
{
	ListCell   *cell;

	if (statement->removeType != OBJECT_EXTENSION && statement->removeType != OBJECT_SCHEMA)
		return InvalidOid;
	foreach(cell, statement->objects)
		if (strcmp(strVal(lfirst(cell)), PERSONALIZE_SCHEMA) == 0)
			return OwnExtension("personalize");
	return InvalidOid;
}

/* The database a command needs for itself. */
Oid
UtilityDatabaseOf(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return OwnDatabase(((DropdbStmt *) statement)->dbname);
		case T_AlterDatabaseStmt:
			return OwnDatabase(((AlterDatabaseStmt *) statement)->dbname);
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return OwnDatabase(((RenameStmt *) statement)->subname);
			return InvalidOid;
		case T_CreatedbStmt:
			return TemplateDatabase((CreatedbStmt *) statement);
		case T_CreateExtensionStmt:
			if (strcmp(((CreateExtensionStmt *) statement)->extname, "personalize") == 0)
				return superuser() ? MyDatabaseId : InvalidOid;
			return InvalidOid;
		case T_AlterExtensionStmt:
			return OwnExtension(((AlterExtensionStmt *) statement)->extname);
		case T_AlterExtensionContentsStmt:
			return OwnExtension(((AlterExtensionContentsStmt *) statement)->extname);
		case T_DropStmt:
			return DroppedExtension((DropStmt *) statement);
		default:
			return InvalidOid;
	}
}

/* The name that jobs know a database by, if a command takes it away; NULL: it does not. */
static const char *
LostName(Node *statement)
{
	if (IsA(statement, DropdbStmt))
		return castNode(DropdbStmt, statement)->dbname;
	if (IsA(statement, RenameStmt) && castNode(RenameStmt, statement)->renameType == OBJECT_DATABASE)
		return castNode(RenameStmt, statement)->subname;
	return NULL;
}

/* Whom to tell before a database is dropped or renamed. */
static void (*lostHandler) (Oid database, const char *name) = NULL;

/* Have somebody told. */
void
UtilityRegisterLost(void (*handler) (Oid database, const char *name))
{
	lostHandler = handler;
}

/* ProcessUtility_hook. */
static void
HoldThenRun(PlannedStmt *statement, const char *queryString, bool readOnlyTree,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (IsTransactionState() && !RecoveryInProgress())
	{
		Oid			database = UtilityDatabaseOf(statement->utilityStmt);

		if (OidIsValid(database))
		{
			if (lostHandler && LostName(statement->utilityStmt))
				lostHandler(database, LostName(statement->utilityStmt));
			WorkerSlotHold(database);
			WorkerTasksLeave(database);
			/* what is created may have the OID, and files, of one that was dropped */
			if (IsA(statement->utilityStmt, CreatedbStmt))
				ConsentCacheNoteStripes(NULL);
		}
	}
	(previousHook ? previousHook : standard_ProcessUtility)
		(statement, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/* Install the hook where there are workers. */
void
UtilityInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previousHook = ProcessUtility_hook;
	ProcessUtility_hook = HoldThenRun;
}

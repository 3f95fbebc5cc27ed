/*
 * policy_partition.c
 *		Keeping the partitions of event closed.
 *
 * Policies of a partitioned table do not hold for who names a partition, so
 * each partition has its own: nobody passes.  Our own days get it when they are
 * made.  An event trigger closes what is attached or created by hand; what is
 * detached keeps its policies.  Without policies nobody passes, but silently, and
 * our own code does not either.
 */
#include "postgres.h"

#include "people/policy.h"

#include "access/table.h"
#include "base/pass.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "compat.h"
#include "events/partition.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

PG_FUNCTION_INFO_V1(personalize_close_partitions);

/* Let nobody read a partition, and keep persons out of its statistics. */
static void
EnableRowSecurity(const char *qualifiedName)
{
	SpiUtilCommand(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY,"
							" ALTER user_key SET STATISTICS 0, ALTER session_key SET STATISTICS 0,"
							" ALTER request_key SET STATISTICS 0, ALTER request_origin SET STATISTICS 0, ALTER message_key SET STATISTICS 0,"
							" ALTER properties SET STATISTICS 0", qualifiedName));
}

/* Close a partition to direct access but of our own code. */
void
PolicyClosePartition(const char *qualifiedName)
{
	EnableRowSecurity(qualifiedName);
	SpiUtilCommand(psprintf("CREATE POLICY personalize_rows ON %s USING (true)", qualifiedName));
	SpiUtilCommand(psprintf("CREATE POLICY personalize_closed ON %s AS RESTRICTIVE"
							" USING (personalize_internal._closed())", qualifiedName));
}

/* True if a command may have given event a partition. */
static bool
MayAddPartition(Node *command)
{
	ListCell   *cell;

	if (IsA(command, CreateStmt))
		return castNode(CreateStmt, command)->partbound != NULL;
	if (!IsA(command, AlterTableStmt))
		return true;
	foreach(cell, castNode(AlterTableStmt, command)->cmds)
		if (lfirst_node(AlterTableCmd, cell)->subtype == AT_AttachPartition)
			return true;
	return false;
}

/* True if a partition is closed already. */
static bool
IsClosed(Oid partition)
{
	Relation	relation = table_open(partition, NoLock);
	bool		closed = relation->rd_rel->relrowsecurity && relation->rd_rel->relforcerowsecurity;

	table_close(relation, NoLock);
	return closed && SPI_execute(psprintf("SELECT FROM pg_catalog.pg_policy WHERE polrelid"
										  " OPERATOR(pg_catalog.=) %u AND polname"
										  " OPERATOR(pg_catalog.=) 'personalize_closed'", partition),
								 false, 0) == SPI_OK_SELECT && SPI_processed > 0;
}

/* Have subscribers know its rows apart, if nobody has said how. */
static void
GiveIdentity(Oid partition, const char *qualifiedName)
{
	Relation	relation = table_open(partition, NoLock);
	char		identity = relation->rd_rel->relreplident;

	table_close(relation, NoLock);
	if (identity == REPLICA_IDENTITY_DEFAULT || identity == REPLICA_IDENTITY_NOTHING)
		SpiUtilCommand(psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", qualifiedName));
}

/*
 * Have a day of ours belong to whom the others do, where a superuser has made it: a restore
 * without owners does, and nobody could summarize its index or look into it.
 */
static void
GiveOwner(Oid partition, const char *qualifiedName)
{
	Relation	relation = table_open(partition, NoLock);
	Oid			owner = relation->rd_rel->relowner;

	table_close(relation, NoLock);
	if (superuser() && owner != RelationOwner() && PartitionIsDayName(get_rel_name(partition)) &&
		RelationFind(get_rel_name(partition), true) == partition)
		SpiUtilCommand(psprintf("ALTER TABLE %s OWNER TO " PERSONALIZE_OWNER, qualifiedName));
}

/* Close a partition; pg_restore, which sets row_security = off, brings the policies itself. */
static void
ClosePartition(const char *qualifiedName)
{
	if (row_security)
		PolicyClosePartition(qualifiedName);
	else
		EnableRowSecurity(qualifiedName);
}

/* Event trigger _close_partitions(): close partitions that are not. */
Datum
personalize_close_partitions(PG_FUNCTION_ARGS)
{
	Oid			event = RelationFind("event", true);
	ListCell   *cell;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_close_partitions must be called by an event trigger")));
	/* our own code closes what it makes */
	if (PassIsUp() || !OidIsValid(event) ||
		!MayAddPartition(((EventTriggerData *) fcinfo->context)->parsetree))
		PG_RETURN_NULL();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	foreach(cell, find_all_inheritors(event, AccessShareLock, NULL))
	{
		Oid			partition = lfirst_oid(cell);
		char	   *name;

		if (partition == event)
			continue;
		name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(partition)),
										  get_rel_name(partition));
		if (!IsClosed(partition))
			ClosePartition(name);
		GiveIdentity(partition, name);
		GiveOwner(partition, name);
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_NULL();
}

/*
 * publication.c
 *		Publications, through which rows of our tables leave the database.
 *
 * The server refuses an UPDATE or DELETE that a publication could not send
 * rightly: of a table without replica identity, or where a row filter or a column
 * list does not go with it.  What is written below SQL must refuse the same, or an
 * erasure would not reach the subscribers: keyed.c, dedup.c and event_people.c
 * ask CheckCmdReplicaIdentity as the executor does.
 *
 * So that nothing of it happens every table has a replica identity: its primary
 * key, or the whole row where it has none.  Days of event get theirs when they are
 * made or attached.  A publication that stops writers all the same is refused.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_type_d.h"
#include "commands/event_trigger.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_publication_fault);
PG_FUNCTION_INFO_V1(personalize_check_publication);

/* Why publications keep rows of a table from being changed; NULL: they do not. */
static const char *
FindFault(Relation table)
{
	PublicationDesc published;

	RelationBuildPublicationDesc(table, &published);
	if (!published.pubactions.pubupdate && !published.pubactions.pubdelete)
		return NULL;
	if (table->rd_rel->relreplident != REPLICA_IDENTITY_FULL &&
		table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE &&
		!OidIsValid(RelationGetReplicaIndex(table)))
		return "it has no replica identity";
	if (!published.rf_valid_for_update || !published.rf_valid_for_delete)
		return "WHERE names columns outside its replica identity";
	if (!published.cols_valid_for_update || !published.cols_valid_for_delete)
		return "the column list leaves out columns of its replica identity";
	if (!CompatPublishesGenerated(&published))
		return "generated columns of its replica identity are not published: publish_generated_columns";
	return NULL;
}

/* _publication_fault(table): why publications keep its rows from being changed. */
Datum
personalize_publication_fault(PG_FUNCTION_ARGS)
{
	Relation	table = table_open(PG_GETARG_OID(0), AccessShareLock);
	const char *fault = FindFault(table);

	table_close(table, AccessShareLock);
	if (fault == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(fault));
}

/* The name of the publication that a command makes or changes; NULL: none. */
static const char *
PublicationName(Node *command)
{
	if (IsA(command, CreatePublicationStmt))
		return castNode(CreatePublicationStmt, command)->pubname;
	if (IsA(command, AlterPublicationStmt))
		return castNode(AlterPublicationStmt, command)->pubname;
	return NULL;
}

/* Raise if a publication keeps rows of our tables from being changed. */
static void
CheckPublication(const char *name)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(name)};

	if (SPI_execute_with_args("SELECT f.table_name, f.fault, f.identity FROM personalize_internal._publication_faults() AS f"
							  " WHERE $1 OPERATOR(pg_catalog.=) ANY (f.publications)"
							  " ORDER BY f.table_name LIMIT 1", 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "publications cannot be looked at");
	if (SPI_processed > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	columns = SPI_tuptable->tupdesc;

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("publication \"%s\" would keep rows of %s from being changed",
						name, SPI_getvalue(row, columns, 1)),
				 errdetail("Among what is published: %s (%s).",
						   SPI_getvalue(row, columns, 2), SPI_getvalue(row, columns, 3)),
				 errhint("Publish whole rows, filter by columns of the replica identity, or publish inserts only: WITH (publish = 'insert').")));
	}
}

/* Event trigger _check_publication(): refuse what would stop erasures and processors. */
Datum
personalize_check_publication(PG_FUNCTION_ARGS)
{
	const char *name;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_check_publication must be called by an event trigger")));
	name = PublicationName(((EventTriggerData *) fcinfo->context)->parsetree);
	if (name == NULL)
		PG_RETURN_NULL();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	CheckPublication(name);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_NULL();
}

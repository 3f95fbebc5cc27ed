/*
 * restored.c
 *		Data that came in while triggers were off.
 *
 * pg_dump --disable-triggers puts DISABLE TRIGGER ALL before the rows of each table
 * and ENABLE TRIGGER ALL behind them.  What our triggers would have done is then still
 * to be done, and those that were to fire in replicas, too, no longer would.  An event
 * trigger sees the second command and makes up for it (_restored).
 */
#include "postgres.h"

#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "commands/event_trigger.h"
#include "compat.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(personalize_triggers_enabled);

/* The table of ours whose triggers a command has switched on, all of them; InvalidOid: of none. */
static Oid
FindTable(Node *command)
{
	AlterTableStmt *statement = (AlterTableStmt *) command;
	ListCell   *cell;
	bool		enabled = false;
	Oid			table;

	if (!IsA(command, AlterTableStmt))
		return InvalidOid;
	foreach(cell, statement->cmds)
	{
		AlterTableType type = lfirst_node(AlterTableCmd, cell)->subtype;

		enabled |= type == AT_EnableTrigAll || type == AT_EnableTrigUser;
	}
	table = enabled ? RangeVarGetRelid(statement->relation, NoLock, true) : InvalidOid;
	return OidIsValid(table) && RelationFind(get_rel_name(table), true) == table ? table : InvalidOid;
}

/* Event trigger _triggers_enabled() */
Datum
personalize_triggers_enabled(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {OIDOID};
	Datum		value;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_triggers_enabled must be called by an event trigger")));
	value = ObjectIdGetDatum(FindTable(((EventTriggerData *) fcinfo->context)->parsetree));
	if (OidIsValid(DatumGetObjectId(value)))
		SpiUtilRunAsOwner(&plan, "SELECT personalize_internal._restored($1)", 1, types, &value, NULL, false);
	PG_RETURN_NULL();
}

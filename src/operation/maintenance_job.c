/*
 * maintenance_job.c
 *		The jobs of schedule_maintenance(), when what they are for goes away.
 *
 * pg_cron knows nothing of extensions: jobs of one that is dropped, and of a
 * database that is dropped or renamed, would fail for ever.  Before DROP EXTENSION
 * an event trigger, which needs no preloaded library, takes them away where pg_cron
 * is in the same database, and else says what to run there.  Before a database goes
 * only the hook of utility.c can say so.
 *
 * The schema cron is looked into only where the extension pg_cron is installed: in
 * other databases it may be anybody's.
 */
#include "postgres.h"

#include "operation/maintenance_job.h"

#include "catalog/pg_type_d.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "operation/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "workers/worker_slot.h"

PG_FUNCTION_INFO_V1(personalize_leave_cron);

/* Run a query with one text parameter; its one value, NULL if it has none. */
static char *
QueryText(const char *sql, const char *argument)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(argument)};
	char	   *result = NULL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute_with_args(sql, 1, types, values, NULL, false, 0) == SPI_OK_SELECT && SPI_processed > 0)
		result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (result != NULL)
		result = MemoryContextStrdup(context, result);
	PopActiveSnapshot();
	SPI_finish();
	return result;
}

/* Event trigger _leave_cron(): before the extension goes, its jobs do. */
Datum
personalize_leave_cron(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_leave_cron must be called by an event trigger")));
	if (OidIsValid(UtilityDatabaseOf(((EventTriggerData *) fcinfo->context)->parsetree)))
		(void) QueryText("SELECT personalize_internal._drop_jobs()", "");
	PG_RETURN_NULL();
}

/* True if a worker has found the extension in a database. */
static bool
IsServed(Oid database)
{
	int			count = WorkerSlotCount();
	WorkerSlot *slots = palloc(sizeof(WorkerSlot) * Max(count, 1));
	bool		served = false;

	if (count > 0)
		WorkerSlotCopy(slots);
	for (int i = 0; i < count; i++)
		served |= slots[i].state != WORKER_SLOT_FREE && slots[i].database == database && slots[i].present;
	pfree(slots);
	return served;
}

/* Say which jobs a database leaves behind. */
static void
JobsLeft(Oid database, const char *name)
{
	const char *place = GetConfigOption("cron.database_name", true, false);
	char	   *jobs = psprintf("database = %s OR jobname = %s", quote_literal_cstr(name),
								quote_literal_cstr(psprintf("personalize log of %s", name)));

	if (OidIsValid(get_extension_oid("pg_cron", true)))
	{
		if (QueryText("SELECT 'found' FROM cron.job AS j WHERE (j.database OPERATOR(pg_catalog.=) $1"
					  " OR j.jobname OPERATOR(pg_catalog.=) pg_catalog.format('personalize log of %s', $1))"
					  " AND pg_catalog.strpos(j.command, 'personalize') OPERATOR(pg_catalog.>) 0 LIMIT 1", name) == NULL)
			return;
		place = NULL;
	}
	else if (place == NULL || !IsServed(database))
		return;
	ereport(WARNING,
			(errmsg("jobs of pg_cron for database \"%s\" stay, and fail once it is gone or renamed", name),
			 errhint("Afterwards run%s%s: SELECT cron.unschedule(jobid) FROM cron.job WHERE %s; and in the renamed database: SELECT * FROM personalize.schedule_maintenance();",
					 place ? " in database " : "", place ? quote_identifier(place) : "", jobs)));
}

/* Called once when the library is loaded. */
void
MaintenanceJobInit(void)
{
	UtilityRegisterLost(JobsLeft);
}

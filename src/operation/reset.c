/*
 * reset.c
 *		Emptying a test database between tests.
 *
 * reset_for_tests() takes away what traffic has brought: events, people, consent,
 * counters and what was learnt of them, and the catalogue.  What was defined stays: signals, purposes, names of
 * events, retention, and how far the processors are.  It does nothing of what forget()
 * promises, so it works only where a superuser has allowed it, which nobody does in a
 * database with people in it.
 */
#include "postgres.h"

#include "base/purge_lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "commands/dbcommands.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "operation/reset.h"
#include "people/consent_cache.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(personalize_reset_for_tests);

static bool personalize_allow_reset = false;

/* Raise unless this is a database for tests. */
static void
CheckAllowed(void)
{
	if (personalize_allow_reset)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("reset_for_tests() is only for databases for tests"),
			 errdetail("It deletes all events, people and consent of a database without a receipt."),
			 errhint("If this is one, run as a superuser: ALTER DATABASE %s SET personalize.allow_reset = on, and connect again.",
					 quote_identifier(get_database_name(MyDatabaseId)))));
}

/* Empty every table but those that are registered as what somebody has defined, and where processors are. */
static void
EmptyTables(void)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	if (SPI_execute("SELECT 'TRUNCATE ' || string_agg(format('personalize.%I', s.name), ', ' ORDER BY s.name)"
					" FROM personalize_internal._person_stores() AS s"
					" WHERE s.name <> '_secret'"
					" AND coalesce(s.content, 'people') !~ '^(definitions|positions|settings)'",
					true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "the tables of the extension cannot be listed");
	SpiUtilCommand(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	SpiUtilEnd(&scope);
}

/* reset_for_tests() */
Datum
personalize_reset_for_tests(PG_FUNCTION_ARGS)
{
	bool		stripes[SHARD_COUNT];

	CheckAllowed();
	PreventCommandIfReadOnly("reset_for_tests");
	memset(stripes, true, sizeof(stripes));
	PurgeLockStripes(stripes, "nothing was reset");
	ConsentCacheNoteStripes(NULL);
	EmptyTables();
	PG_RETURN_VOID();
}

/* Define the setting. */
void
ResetInit(void)
{
	DefineCustomBoolVariable("personalize.allow_reset",
							 "reset_for_tests() may empty this database.",
							 NULL, &personalize_allow_reset, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

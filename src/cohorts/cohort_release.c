/*
 * cohort_release.c
 *		Releasing cohorts: what a window costs is paid before its noise is drawn.
 *
 * Each step is a transaction of its own: one pays, which is on disk when it is over,
 * the next one draws the noise and stores what is told.  A crash in between leaves a
 * window that is paid for; the step is done again, with other noise, but nobody has
 * seen the first, which was never committed.  That nobody can look and then roll back,
 * to look at other noise of the same window, is why this is a procedure that cannot run
 * in a transaction block, and why what it writes is read through a view by others.
 */
#include "postgres.h"

#include "cohorts/cohort.h"

#include "access/xact.h"
#include "base/argument.h"
#include "base/spi_util.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "workers/worker_task.h"

PG_FUNCTION_INFO_V1(personalize_release_cohorts);

/* Take one step; false: there is nothing to do. */
static bool
Step(void)
{
	static SPIPlanPtr plan = NULL;
	SpiUtilScope scope;
	bool		isNull;
	bool		done;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT personalize_internal._cohort_step()", 0, NULL, NULL, NULL, false);
	done = DatumGetBool(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	/* what was paid, or told, must not be forgotten by a crash of the server */
	if (done && synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	return done;
}

/* Complain where steps cannot be transactions, or cannot see what others have paid. */
static void
CheckMayRelease(FunctionCallInfo fcinfo)
{
	ArgumentCheckNonatomic(fcinfo, "release_cohorts()", "It commits what it pays before it draws the noise: call it by itself.");
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cohorts cannot be released during recovery"),
				 errhint("Release them on the primary; a standby shows what was released in personalize.cohort_answer.")));
	PreventCommandIfReadOnly("CALL personalize.release_cohorts()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cohorts can only be released at isolation level READ COMMITTED"),
				 errhint("%s", ArgumentIsolationHint())));
}

/* release_cohorts() */
Datum
personalize_release_cohorts(PG_FUNCTION_ARGS)
{
	bool		again = true;

	CheckMayRelease(fcinfo);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "cannot connect to SPI");
	while (again)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		again = Step();
		PopActiveSnapshot();
		if (again)
			SPI_commit();
	}
	SPI_finish();
	PG_RETURN_VOID();
}

static const WorkerTask task = {"maintenance: releasing cohorts", Step, 1};

/* Make the task known. */
void
CohortInit(void)
{
	WorkerTaskRegister(&task);
}

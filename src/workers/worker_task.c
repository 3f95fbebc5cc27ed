/*
 * worker_task.c
 *		What workers do beside the batches, registered by the parts that want it done.
 *
 * Each task has a transaction of its own and gives way to locks that others hold:
 * what cannot be done now is done a minute later.
 */
#include "postgres.h"

#include "workers/worker_task.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

/* As many tasks there can be, and as many that leave databases. */
#define MAX_TASKS 16

/* How long to wait for a lock, and until the next run, in milliseconds. */
#define LOCK_TIMEOUT "1000"
#define INTERVAL 60000

static const WorkerTask *tasks[MAX_TASKS];
static int	taskCount = 0;
static void (*leaves[MAX_TASKS]) (Oid database);
static int	leaveCount = 0;

/* Make a task known. */
void
WorkerTaskRegister(const WorkerTask *task)
{
	if (taskCount == MAX_TASKS)
		elog(ERROR, "too many tasks");
	tasks[taskCount++] = task;
}

/* Run a task once, in a transaction that does not wait long for locks. */
static bool
RunTask(const WorkerTask *task)
{
	bool		again;

	pgstat_report_activity(STATE_RUNNING, task->activity);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	again = task->run();
	PopActiveSnapshot();
	CommitTransactionCommand();
	(void) pgstat_report_stat(false);
	return again;
}

/* Run what is due. */
long
WorkerTasksRun(void)
{
	for (int i = 0; i < taskCount; i++)
	{
		/* by chance, because where databases take turns no worker counts its runs */
		if (tasks[i]->oneRunIn > 1 && pg_prng_uint64(&pg_global_prng_state) % tasks[i]->oneRunIn != 0)
			continue;
		while (RunTask(tasks[i]))
			CHECK_FOR_INTERRUPTS();
	}
	return INTERVAL;
}

/* Have something else leave a database. */
void
WorkerTaskRegisterLeave(void (*leave) (Oid database))
{
	if (leaveCount == MAX_TASKS)
		elog(ERROR, "too many that leave databases");
	leaves[leaveCount++] = leave;
}

/* Leave a database. */
void
WorkerTasksLeave(Oid database)
{
	for (int i = 0; i < leaveCount; i++)
		leaves[i] (database);
}

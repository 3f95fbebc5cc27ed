/*
 * progress.c
 *		How far a long statement is, for others to see.
 *
 * What a transaction writes of itself nobody sees before it commits, so it is kept
 * in shared memory: a slot for each of the first PROGRESS_SLOTS statements that
 * tell.  Without shared_preload_libraries, or beyond, only pg_stat_activity tells.
 */
#include "postgres.h"

#include "base/progress.h"

#include "access/xact.h"
#include "base/shared_memory.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_progress);

#define PROGRESS_SLOTS 16

/* One statement. */
typedef struct Progress
{
	int			pid;			/* 0: free */
	Oid			database;
	const char *task;			/* constants of this library, */
	const char *unit;			/* loaded by the postmaster: the same everywhere */
	TimestampTz startedAt;
	int64		done;
	int64		total;
} Progress;

/* NULL without preload. */
static Progress *slots = NULL;

/* What this process tells, if task is not NULL, and its slot, if it has one. */
static Progress own;
static Progress *ownSlot = NULL;

/* All free. */
static void
InitSlots(void *memory)
{
	memset(memory, 0, sizeof(Progress) * PROGRESS_SLOTS);
}

/* Ask for shared memory. */
void
ProgressInit(void)
{
	SharedMemoryRegister("personalize progress", sizeof(Progress) * PROGRESS_SLOTS, (void **) &slots, InitSlots);
}

/* Nothing is being done any more. */
static void
EndProgress(void)
{
	if (ownSlot)
	{
		LWLockAcquire(SharedMemoryLock(), LW_EXCLUSIVE);
		ownSlot->pid = 0;
		LWLockRelease(SharedMemoryLock());
		ownSlot = NULL;
	}
	own.task = NULL;
}

/* At the end of the transaction, whichever it is. */
static void
AtTransactionEnd(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		EndProgress();
}

/* At the end of the process. */
static void
AtExit(int code, Datum arg)
{
	EndProgress();
}

/* Let others know. */
static void
Tell(void)
{
	char		activity[NAMEDATALEN * 2];

	if (ownSlot)
	{
		LWLockAcquire(SharedMemoryLock(), LW_EXCLUSIVE);
		*ownSlot = own;
		LWLockRelease(SharedMemoryLock());
	}
	snprintf(activity, sizeof(activity), "%s: " INT64_FORMAT " of about " INT64_FORMAT " %s",
			 own.task, own.done, own.total, own.unit);
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* Begin, about so many units. */
void
ProgressBegin(const char *task, const char *unit, int64 total)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(AtTransactionEnd, NULL);
		before_shmem_exit(AtExit, 0);
		registered = true;
	}
	EndProgress();
	own = (Progress) {MyProcPid, MyDatabaseId, task, unit, GetCurrentTimestamp(), 0, Max(total, 1)};
	if (slots)
	{
		LWLockAcquire(SharedMemoryLock(), LW_EXCLUSIVE);
		for (int i = 0; i < PROGRESS_SLOTS && ownSlot == NULL; i++)
			if (slots[i].pid == 0)
				ownSlot = &slots[i];
		if (ownSlot)
			*ownSlot = own;
		LWLockRelease(SharedMemoryLock());
	}
	Tell();
}

/* So many more are done. */
void
ProgressAdd(int64 done)
{
	if (own.task == NULL)
		return;
	own.done += done;
	own.total = Max(own.total, own.done);
	Tell();
}

/* _progress(): the statements of this database that tell. */
Datum
personalize_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Progress	copy[PROGRESS_SLOTS] = {0};

	InitMaterializedSRF(fcinfo, 0);
	if (slots)
	{
		LWLockAcquire(SharedMemoryLock(), LW_SHARED);
		memcpy(copy, slots, sizeof(copy));
		LWLockRelease(SharedMemoryLock());
	}
	for (int i = 0; i < PROGRESS_SLOTS; i++)
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		if (copy[i].pid == 0 || copy[i].database != MyDatabaseId)
			continue;
		values[0] = CStringGetTextDatum(copy[i].task);
		values[1] = Int32GetDatum(copy[i].pid);
		values[2] = TimestampTzGetDatum(copy[i].startedAt);
		values[3] = Int64GetDatum(copy[i].done);
		values[4] = Int64GetDatum(copy[i].total);
		values[5] = CStringGetTextDatum(copy[i].unit);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * worker.c
 *		Runs the processors of one database.
 *
 * A worker connects as personalize_owner, pins search_path and then takes
 * turns: one batch of each enabled processor, each in its own transaction,
 * until there is nothing left, then it sleeps for personalize.batch_interval.
 * Several workers of a database each begin with another processor, and one that has
 * nothing left to do tries all shards of all while another is behind; the claim on a
 * shard is the processor's business, so a wrong idea of who is alive costs time, never
 * correctness.
 *
 * A commit need not be flushed: what a crash loses is done again, because the
 * position is lost with it.
 *
 * A processor that fails is tried again after a pause that doubles, while the
 * others go on.  If the error is one that data can cause, the second attempt
 * looks for the event that does (isolate) and sets it aside.  The log is told
 * when a processor begins to fail, when its error changes and when it works
 * again, the processor table each time.
 *
 * A lock that somebody else has is not waited for longer than LOCK_TIMEOUT, and
 * while that goes on not longer than LOCK_TIMEOUT_AGAIN: one processor that is
 * blocked does not stall the others.  Who has it can be seen in the slot.
 *
 * SIGTERM ends a sleep at once and a batch by its next interrupt check, as a
 * cancelled statement is ended, so a command that waits for the workers to
 * leave waits for milliseconds and the log stays quiet.
 */
#include "postgres.h"

#include "workers/worker.h"

#include "access/xact.h"
#include "base/background.h"
#include "base/clock.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/txid.h"
#include "commands/dbcommands.h"
#include "compat.h"
#include "miscadmin.h"
#include "people/error_text.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"
#include "workers/processor_private.h"
#include "workers/worker_slot.h"
#include "workers/worker_task.h"

/* Longest pause after failures, and while a lock is not to be had, in milliseconds. */
#define MAX_PAUSE 60000
#define MAX_LOCK_PAUSE 8000

/* How long a lock is waited for: another worker's batch should end meanwhile. */
#define LOCK_TIMEOUT "5s"
#define LOCK_TIMEOUT_AGAIN "500ms"

/* How long a backlog waits between two batches for those who do not stay in the queue: longer than they pause (purge_lock.c). */
#define LET_PASS_MS 60

int			personalize_batch_interval = 1000;
char	   *personalize_databases = NULL;
int			personalize_workers = 1;

/* How one of its tasks has fared lately. */
typedef struct Task
{
	int			failures;		/* in a row */
	bool		isolate;		/* the next attempt looks for the event */
	int			sqlState;		/* of the last failure */
	TimestampTz dueAt;			/* not before */
	TimestampTz rested;			/* no back-fill before */
	bool		more;			/* another batch is waiting */
} Task;

typedef struct Worker
{
	MemoryContext context;		/* reset after each task */
	char	   *database;		/* name, for messages */
	Task		processors[PROCESSOR_COUNT];
	Task		maintenance;
} Worker;

/* What SIGTERM finds the worker at. */
typedef enum Doing
{
	DOING_OTHER,				/* connecting and the like */
	DOING_TASK,					/* an error is caught and the transaction undone */
	DOING_NOTHING				/* asleep */
} Doing;

static volatile Doing doing = DOING_OTHER;

/* The lock that was waited for when a wait was ended; none if its mode is NoLock. */
static LOCKTAG awaitedLock;
static volatile LOCKMODE awaitedMode = NoLock;

/* SIGTERM: leave, at once if a batch is under way. */
static void
HandleStop(SIGNAL_ARGS)
{
	int			saved = errno;

	WorkerSlotSetOutcome(WORKER_STOPPED);
	ShutdownRequestPending = true;
	if (doing == DOING_OTHER)
		die(postgres_signal_arg);
	else if (doing == DOING_TASK)
		InterruptPending = QueryCancelPending = true;
	SetLatch(MyLatch);
	errno = saved;
}

/* SIGINT: a wait for a lock ends, or somebody cancels; what we queue for cannot go meanwhile. */
static void
HandleCancel(SIGNAL_ARGS)
{
	const LOCK *lock = MyProc ? MyProc->waitLock : NULL;

	if (lock != NULL)
	{
		awaitedLock = lock->tag;
		awaitedMode = MyProc->waitLockMode;
	}
	StatementCancelHandler(postgres_signal_arg);
}

/* Begin a transaction of the worker. */
static void
BeginTransaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* The same, but locks are not waited for for long. */
static void
BeginImpatient(const Task *task)
{
	BeginTransaction();
	(void) set_config_option("lock_timeout", task->sqlState == ERRCODE_LOCK_NOT_AVAILABLE ?
							 LOCK_TIMEOUT_AGAIN : LOCK_TIMEOUT, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/* Commit it, and let the statistics know. */
static void
EndTransaction(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
	(void) pgstat_report_stat(false);
}

/*
 * True if the processors may work in this database; else the slot says why not.
 * Nothing is touched before the database is in use: it may be a dump that is
 * just being restored, whose rows ours would collide with.
 */
static bool
CheckDatabase(bool *inUse)
{
	bool		valid = false;

	*inUse = false;

	BeginTransaction();
	if (!RelationExtensionExists())
		WorkerSlotSetOutcome(WORKER_ABSENT);
	else if (superuser())
		WorkerSlotSetOutcome(WORKER_REFUSED);
	else if (!RelationVersionMatches())
		WorkerSlotSetOutcome(WORKER_MISMATCH);
	else
	{
		valid = true;
		*inUse = TxidIsInUse();
	}
	EndTransaction();
	return valid;
}

/* After an error inside a transaction: keep it, abort, and go on. */
static ErrorData *
CatchError(Worker *worker)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(worker->context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	QueryCancelPending = false;
	MemoryContextSwitchTo(worker->context);
	RESUME_INTERRUPTS();
	return error;
}

/* The process of a transaction; 0: it has ended, or is a prepared one. */
static int
ProcessOf(VirtualTransactionId transaction)
{
	PGPROC	   *process = CompatVirtualTransactionProc(transaction);

	return process != NULL ? process->pid : 0;
}

/* Who has the lock that was waited for in vain; 0 if nobody any more, -1 for a prepared transaction. */
static int
FindBlocker(const ErrorData *error)
{
	int			count = 0;
	VirtualTransactionId *holders;

	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE || awaitedMode == NoLock)
		return 0;
	holders = GetLockConflicts(&awaitedLock, awaitedMode, &count);
	for (int i = 0; i < count; i++)
	{
		int			pid = ProcessOf(holders[i]);

		if (pid != 0)
			return pid;
	}
	return count > 0 ? -1 : 0;
}

/* LockAskWay: workers whose batch can be undone. */
static void
AskWorkers(const LOCKTAG *tag, LOCKMODE mode)
{
	int			count = 0;
	VirtualTransactionId *holders = GetLockConflicts(tag, mode, &count);

	for (int i = 0; i < count; i++)
		WorkerSlotAsk(ProcessOf(holders[i]));
}

/* Tell the log that a task fails, unless it knows this failure already. */
static void
LogFailure(const Worker *worker, const Task *task, const char *name, const ErrorData *error)
{
	if (ShutdownRequestPending || (task->failures > 0 && task->sqlState == error->sqlerrcode))
		return;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("personalize %s failed in database \"%s\": %s",
					name, worker->database, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->context ? errcontext("%s", error->context) : 0,
			 errhint("It is tried again; see personalize.health().")));
}

/* Plan the next attempt of a task that has failed. */
static void
PlanRetry(Task *task, const ErrorData *error)
{
	long		most = error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ? MAX_LOCK_PAUSE : MAX_PAUSE;
	long		pause = task->failures < 2 ? 0 : Min(1000L << Min(task->failures - 2, 6), most);

	task->failures++;
	task->sqlState = error->sqlerrcode;
	task->isolate = task->failures >= 2 && !ProcessorErrorIsPassing(error->sqlerrcode);
	task->dueAt = TimestampTzPlusMilliseconds(ClockSteady(), pause);
}

/* Write a failure into the processor's row, if that can be done. */
static void
TryRecordFailure(Worker *worker, const ProcessorMethods *methods, const ErrorData *error, TransactionId since)
{
	PG_TRY();
	{
		BeginImpatient(&worker->processors[methods->id - 1]);
		ProcessorRecordFailure(methods, ErrorTextToKeep(error->message, since));
		EndTransaction();
	}
	PG_CATCH();
	{
		/* what keeps the batch from working may keep this from working, too */
		(void) CatchError(worker);
	}
	PG_END_TRY();
}

/* A large batch was undone for somebody who waits: small ones come next. */
static bool
GiveWay(Worker *worker, const ProcessorMethods *methods)
{
	ereport(DEBUG1,
			(errmsg_internal("personalize processor \"%s\" gives way in database \"%s\"", methods->name, worker->database)));
	ProcessorNoteWait();
	return worker->processors[methods->id - 1].more = true;
}

/* Run one batch of one processor, of a part of its shards; true if more is waiting. */
static bool
RunProcessor(Worker *worker, const ProcessorMethods *methods, int part, int parts)
{
	Task	   *task = &worker->processors[methods->id - 1];
	TimestampTz start = ClockSteady();
	ProcessorBatchOptions options = {.isolate = task->isolate,.resting = task->rested > start,
	.workerNumber = part,.workerCount = parts};
	ProcessorBatchResult result = {0};
	TimestampTz rested = task->rested;
	volatile TransactionId since = FirstNormalTransactionId;
	ErrorData  *error = NULL;

	if (task->dueAt > start)
		return false;
	awaitedMode = NoLock;
	doing = DOING_TASK;
	PG_TRY();
	{
		BeginImpatient(task);
		since = ErrorTextBegin();
		if (ProcessorIsEnabled(methods->id))
			result = ProcessorRunBatch(methods, &options);
		EndTransaction();
	}
	PG_CATCH();
	{
		error = CatchError(worker);
	}
	PG_END_TRY();
	doing = DOING_OTHER;
	QueryCancelPending = false;
	WorkerSlotSetCanGiveWay(false);
	WorkerSlotReportBlocker(methods->id, error ? FindBlocker(error) : 0);
	if (ShutdownRequestPending)
		return false;
	if (error && error->sqlerrcode == ERRCODE_QUERY_CANCELED && WorkerSlotWasAsked())
		return GiveWay(worker, methods);
	if (error)
	{
		LogFailure(worker, task, psprintf("processor \"%s\"", methods->name), error);
		PlanRetry(task, error);
		TryRecordFailure(worker, methods, error, since);
		return false;
	}
	if (task->failures > 0)
		ereport(LOG,
				(errmsg("personalize processor \"%s\" works again in database \"%s\" after %d failures, %lld events set aside",
						methods->name, worker->database, task->failures,
						(long long) result.rejected)));
	memset(task, 0, sizeof(Task));
	/* a back-fill has time: it takes half of it at most */
	task->rested = result.backfilled ? 2 * ClockSteady() - start : rested;
	task->more = result.more;
	return result.more;
}

/* Let those take their turn who wait for the locks of batches. */
static void
LetPass(void)
{
	doing = DOING_NOTHING;
	if (!ShutdownRequestPending)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LET_PASS_MS, PG_WAIT_EXTENSION);
	doing = DOING_OTHER;
	ResetLatch(MyLatch);
}

/*
 * As many batches of a processor as hold what others take in one; true if it has more to do.
 * With fewer, what takes less at once would fall behind for good where all have a backlog.
 */
static bool
RunTurn(Worker *worker, const ProcessorMethods *methods, int part, int parts)
{
	int64		most = 0;
	int64		taken = 0;
	bool		more;

	for (int id = 1; id <= PROCESSOR_COUNT; id++)
		if (ProcessorGet(id) != NULL)
			most = Max(most, ProcessorAtOnce(ProcessorGet(id)));
	do
	{
		more = RunProcessor(worker, methods, part, parts);
		taken += ProcessorAtOnce(methods);
		MemoryContextReset(worker->context);
	} while (more && taken < most && !ShutdownRequestPending && !WorkerSlotMustStop() &&
			 !ProcessorIsAwaited() && !ConfigReloadPending);
	return more;
}

/*
 * A turn of each processor; true if any has more to do.  Each worker begins with another
 * processor and takes what nobody has claimed, so that an event is read once for a
 * processor; only workers beyond the number of processors divide the shards.
 */
static bool
RunRound(Worker *worker, bool all)
{
	bool		more = false;
	int			rank;
	int			count;
	int			first;

	WorkerSlotShare(&rank, &count);
	first = rank % PROCESSOR_COUNT * PROCESSOR_COUNT / Min(count, PROCESSOR_COUNT);
	for (int i = 0; i < PROCESSOR_COUNT; i++)
	{
		ProcessorId id = PROCESSOR_PROFILE + (first + i) % PROCESSOR_COUNT;
		const ProcessorMethods *methods = ProcessorGet(id);

		if (worker->processors[id - 1].more && ProcessorIsAwaited())
			LetPass();
		if (methods != NULL && !ShutdownRequestPending)
			more |= RunTurn(worker, methods, all ? 0 : rank / PROCESSOR_COUNT,
							all ? 1 : (count - 1) / PROCESSOR_COUNT + 1);
	}
	return more;
}

/* Partitions ahead and the like, if due, in one worker of the database. */
static void
RunMaintenance(Worker *worker)
{
	Task	   *task = &worker->maintenance;
	int			rank;
	int			count;

	WorkerSlotShare(&rank, &count);
	if (rank != 0 || task->dueAt > ClockSteady())
		return;
	doing = DOING_TASK;
	PG_TRY();
	{
		long		pause = WorkerTasksRun();

		memset(task, 0, sizeof(Task));
		task->dueAt = TimestampTzPlusMilliseconds(ClockSteady(), pause);
	}
	PG_CATCH();
	{
		ErrorData  *error = CatchError(worker);

		LogFailure(worker, task, "maintenance", error);
		PlanRetry(task, error);
	}
	PG_END_TRY();
	doing = DOING_OTHER;
	QueryCancelPending = false;
	MemoryContextReset(worker->context);
}

/* Sleep until the next round. */
static void
Sleep(void)
{
	(void) pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	doing = DOING_NOTHING;
	if (!ShutdownRequestPending)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 personalize_batch_interval, PG_WAIT_EXTENSION);
	doing = DOING_OTHER;
	ResetLatch(MyLatch);
}

/* Rounds until it is asked to leave, or may not work here any more. */
static void
RunRounds(Worker *worker)
{
	while (!ShutdownRequestPending && !WorkerSlotMustStop())
	{
		bool		inUse;
		bool		more = false;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (!CheckDatabase(&inUse))
			return;
		if (inUse)
		{
			RunMaintenance(worker);
			more = RunRound(worker, false);
		}
		WorkerSlotReportRound(more);
		/* who has nothing left to do takes what others hold no lock of */
		if (inUse && !more && WorkerSlotOtherIsBehind())
			more = RunRound(worker, true);
		if (!more)
			Sleep();
	}
	WorkerSlotSetOutcome(WORKER_STOPPED);
}

/* Take the settings of a worker's session and what it remembers. */
static Worker *
MakeWorker(void)
{
	Worker	   *worker = MemoryContextAllocZero(TopMemoryContext, sizeof(Worker));
	char	   *name;

	/* what a crash loses of a batch is done again */
	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	BeginTransaction();
	name = get_database_name(MyDatabaseId);
	worker->database = MemoryContextStrdup(TopMemoryContext, name ? name : "");
	EndTransaction();
	worker->context = AllocSetContextCreate(TopMemoryContext, "personalize worker",
											ALLOCSET_DEFAULT_SIZES);
	return worker;
}

/* Entry point of a worker. */
void
WorkerMain(Datum arg)
{
	Worker	   *worker;
	WorkerStart start;
	Oid			database;
	bool		inUse;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	if (!WorkerSlotAttach(DatumGetInt32(arg), start.generation, &database))
		return;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, HandleCancel);
	pqsignal(SIGTERM, HandleStop);
	BackgroundWorkerUnblockSignals();
	if (WorkerSlotMustStop())
	{
		WorkerSlotSetOutcome(WORKER_STOPPED);
		return;
	}
	BackgroundConnect(database, start.owner);
	worker = MakeWorker();
	if (!CheckDatabase(&inUse))
		return;
	WorkerSlotSetPresent();
	RunRounds(worker);
}

/* GUC check hook: a list of names. */
static bool
CheckDatabases(char **newval, void **extra, GucSource source)
{
	List	   *names;

	if (SplitIdentifierString(pstrdup(*newval), ',', &names))
		return true;
	GUC_check_errdetail("It must be a list of database names, separated by commas.");
	return false;
}

/* Define the settings and have the launcher started. */
void
WorkerInit(void)
{
	DefineCustomIntVariable("personalize.batch_interval",
							"Time a worker sleeps when nothing is left to process.",
							NULL, &personalize_batch_interval, 1000, 10, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("personalize.databases",
							   "Databases the workers look after; empty: all that have the extension.",
							   NULL, &personalize_databases, "",
							   PGC_SIGHUP, GUC_LIST_INPUT, CheckDatabases, NULL, NULL);
	DefineCustomIntVariable("personalize.workers",
							"Workers of each database.",
							NULL, &personalize_workers, 1, 1, SHARD_COUNT,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	WorkerSlotInit();
	LauncherInit();
	LockRegisterAskWay(AskWorkers);
}

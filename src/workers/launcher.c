/*
 * launcher.c
 *		Starts workers in the databases that have the extension.
 *
 * The launcher is connected to no database, so it is in nobody's way; from
 * there it sees the shared catalogs only.  Whether a database has the
 * extension, its first worker finds out: one that does not find it leaves, and
 * the launcher tries again when a command has run there that could have
 * changed the answer (utility.c), or after some minutes.
 *
 * If the server has fewer free worker slots than there are databases, they
 * take turns: the worker that has run for longest makes room.
 *
 * What it knows about databases is in its own memory; who runs is in shared
 * memory, so a launcher that was restarted finds the workers of its
 * predecessor.
 */
#include "postgres.h"

#include "workers/worker.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/background.h"
#include "base/clock.h"
#include "base/relation.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"
#include "workers/worker_slot.h"

/* Milliseconds. */
#define IDLE_NAP 10000			/* between looks at the list of databases */
#define BUSY_NAP 500			/* while something waits to be started */
#define TURN 2000				/* of a database when slots are short */
#define ABSENT_RETRY 300000
#define MISMATCH_RETRY 60000
#define FAILED_RETRY_MAX 60000

/* Databases asked at a time whether they have the extension. */
#define MAX_PROBES 2

/* What is known of a database. */
typedef struct Database
{
	Oid			oid;			/* hash key */
	NameData	name;
	bool		listed;			/* found in the last look at pg_database */
	bool		present;		/* has the extension, as far as known */
	WorkerOutcome reported;		/* what the log has been told last */
	int			failures;		/* in a row */
	int			live;			/* its workers now */
	TimestampTz retryAt;		/* not before */
	TimestampTz served;			/* when it last got a worker */
} Database;

/* All the launcher knows. */
typedef struct Launcher
{
	MemoryContext context;
	HTAB	   *databases;
	WorkerSlot *slots;
	BackgroundWorkerHandle **handles;	/* NULL: of a former launcher */
	Oid			owner;			/* role of the workers; InvalidOid: none yet */
	TimestampTz now;
	bool		shortage;		/* databases take turns */
	TimestampTz changing;		/* since when that seems wrong; 0: it does not */
} Launcher;

/* True if the settings let us work in this database. */
static bool
IsWanted(const char *name)
{
	char	   *list = pstrdup(personalize_databases);
	List	   *names;
	ListCell   *cell;

	if (!SplitIdentifierString(list, ',', &names))
		return false;
	if (names == NIL)
		return true;
	foreach(cell, names)
		if (strcmp(name, lfirst(cell)) == 0)
			return true;
	return false;
}

/* Enter one database into the table. */
static void
NoteDatabase(Launcher *launcher, Form_pg_database form)
{
	bool		found;
	Database   *database = hash_search(launcher->databases, &form->oid,
									   HASH_ENTER, &found);

	if (!found)
	{
		memset(database, 0, sizeof(Database));
		database->oid = form->oid;
		database->reported = WORKER_STOPPED;
	}
	database->name = form->datname;
	database->listed = true;
}

/* Read pg_database, and find out whom the workers connect as. */
static void
ListDatabases(Launcher *launcher)
{
	MemoryContext context = CurrentMemoryContext;
	HASH_SEQ_STATUS status;
	Database   *database;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	hash_seq_init(&status, launcher->databases);
	while ((database = hash_seq_search(&status)) != NULL)
		database->listed = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	launcher->owner = get_role_oid(PERSONALIZE_OWNER, true);
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && IsWanted(NameStr(form->datname)))
			NoteDatabase(launcher, form);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);

	hash_seq_init(&status, launcher->databases);
	while ((database = hash_seq_search(&status)) != NULL)
		if (!database->listed && database->live == 0)
			hash_search(launcher->databases, &database->oid, HASH_REMOVE, NULL);
}

/* Forget what is known about databases in which something may have changed. */
static void
TakeRechecks(Launcher *launcher)
{
	HASH_SEQ_STATUS status;
	Database   *database;
	int			count;
	Oid		   *oids = WorkerSlotTakeRechecks(&count);

	hash_seq_init(&status, launcher->databases);
	while ((database = hash_seq_search(&status)) != NULL)
		for (int i = 0; i < count; i++)
			if (!OidIsValid(oids[i]) || oids[i] == database->oid)
				database->retryAt = 0;
	pfree(oids);
}

/* Tell the log, once, why there are no workers in a database. */
static void
ReportOutcome(Database *database, WorkerOutcome outcome)
{
	const char *name = NameStr(database->name);

	if (outcome == database->reported)
		return;
	if (outcome == WORKER_MISMATCH)
		ereport(WARNING,
				(errmsg("personalize in database \"%s\" differs in version from the library %s: its processors are stopped",
						name, PERSONALIZE_VERSION),
				 errdetail("Events are accepted meanwhile."),
				 errhint("Run ALTER EXTENSION personalize UPDATE there; if the library is the older one, restart the server.")));
	else if (outcome == WORKER_REFUSED)
		ereport(WARNING,
				(errmsg("personalize does not run in database \"%s\": role \"%s\" is a superuser",
						name, PERSONALIZE_OWNER),
				 errhint("Run ALTER ROLE %s NOSUPERUSER.", PERSONALIZE_OWNER)));
	else if (outcome == WORKER_FAILED)
		ereport(WARNING,
				(errmsg("personalize worker of database \"%s\" ended unexpectedly and is tried again", name),
				 errhint("Its own message in the server log says why.")));
	else if (outcome == WORKER_STOPPED && database->reported != WORKER_ABSENT)
		ereport(LOG,
				(errmsg("personalize worker of database \"%s\" works again", name)));
	database->reported = outcome;
}

/* Learn from a worker that has ended. */
static void
NoteEnd(Launcher *launcher, const WorkerSlot *slot)
{
	Database   *database = hash_search(launcher->databases, &slot->database,
									   HASH_FIND, NULL);
	int64		delay = 0;

	if (database == NULL)
		return;
	database->present = slot->outcome == WORKER_STOPPED || slot->outcome == WORKER_FAILED ?
		slot->present || database->present : false;
	database->failures = slot->outcome == WORKER_FAILED ? database->failures + 1 : 0;
	if (slot->outcome == WORKER_ABSENT)
		delay = ABSENT_RETRY;
	else if (slot->outcome == WORKER_MISMATCH || slot->outcome == WORKER_REFUSED)
		delay = MISMATCH_RETRY;
	else if (slot->outcome == WORKER_FAILED)
		delay = Min(1000 * ((int64) 1 << Min(database->failures - 1, 6)), FAILED_RETRY_MAX);

	/* a database that has gone or is being changed is no news */
	if (database->listed && !WorkerSlotIsHeld(database->oid))
		ReportOutcome(database, slot->outcome);
	database->retryAt = TimestampTzPlusMilliseconds(launcher->now, delay);
}

/* True if a worker that was asked for is not going to start any more. */
static bool
NeverStarted(Launcher *launcher, int slot)
{
	pid_t		pid;

	if (launcher->slots[slot].state != WORKER_SLOT_ASKED)
		return false;
	if (launcher->handles[slot] == NULL)
		return TimestampDifferenceExceeds(launcher->slots[slot].since,
										  launcher->now, IDLE_NAP);
	return GetBackgroundWorkerPid(launcher->handles[slot], &pid) == BGWH_STOPPED;
}

/* Count who runs and free the slots of those who do not. */
static void
ReapWorkers(Launcher *launcher)
{
	HASH_SEQ_STATUS status;
	Database   *database;

	hash_seq_init(&status, launcher->databases);
	while ((database = hash_seq_search(&status)) != NULL)
		database->live = 0;
	WorkerSlotCopy(launcher->slots);
	for (int i = 0; i < WorkerSlotCount(); i++)
	{
		WorkerSlot *slot = &launcher->slots[i];

		if (slot->state == WORKER_SLOT_ENDED || NeverStarted(launcher, i))
		{
			NoteEnd(launcher, slot);
			WorkerSlotFree(i);
			if (launcher->handles[i])
				pfree(launcher->handles[i]);
			launcher->handles[i] = NULL;
			slot->state = WORKER_SLOT_FREE;
		}
		if (slot->state == WORKER_SLOT_FREE)
			continue;
		database = hash_search(launcher->databases, &slot->database, HASH_FIND, NULL);
		if (database == NULL)
			continue;
		database->live++;
		if (slot->present && !database->present)
		{
			database->present = true;
			database->failures = 0;
			ReportOutcome(database, WORKER_STOPPED);
		}
	}
}

/* Start worker number of a database; false if the server has no slot free. */
static bool
StartWorker(Launcher *launcher, Database *database, int number)
{
	BackgroundWorker worker;
	WorkerStart start;
	MemoryContext oldContext;
	int			slot = WorkerSlotReserve(database->oid, number, &start.generation);
	bool		registered;

	if (slot < 0)
		return WorkerSlotIsHeld(database->oid);
	start.owner = launcher->owner;
	BackgroundDescribe(&worker, "WorkerMain", "personalize worker", &start, sizeof(start));
	worker.bgw_main_arg = Int32GetDatum(slot);
	worker.bgw_notify_pid = MyProcPid;
	snprintf(worker.bgw_name, BGW_MAXLEN, "personalize worker %d of %s",
			 number, NameStr(database->name));

	oldContext = MemoryContextSwitchTo(launcher->context);
	registered = RegisterDynamicBackgroundWorker(&worker, &launcher->handles[slot]);
	MemoryContextSwitchTo(oldContext);
	if (!registered)
	{
		launcher->handles[slot] = NULL;
		WorkerSlotFree(slot);
		return false;
	}
	database->live++;
	database->served = launcher->now;
	return true;
}

/* Order of databases: the one that has waited longest first. */
static int
CompareServed(const ListCell *a, const ListCell *b)
{
	const Database *left = lfirst(a);
	const Database *right = lfirst(b);

	if (left->served != right->served)
		return left->served < right->served ? -1 : 1;
	return left->oid < right->oid ? -1 : left->oid > right->oid;
}

/* Give every database that lacks one its first worker; returns how many still wait. */
static int
StartFirstWorkers(Launcher *launcher)
{
	HASH_SEQ_STATUS status;
	Database   *database;
	List	   *waiting = NIL;
	ListCell   *cell;
	int			probes = 0;
	int			left = 0;
	bool		full = false;

	hash_seq_init(&status, launcher->databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (!database->listed)
			continue;
		if (database->live > 0)
			probes += !database->present;
		else if (database->retryAt <= launcher->now)
			waiting = lappend(waiting, database);
	}
	list_sort(waiting, CompareServed);
	foreach(cell, waiting)
	{
		database = lfirst(cell);
		if (!full && (database->present || probes < MAX_PROBES))
		{
			if (StartWorker(launcher, database, 0))
			{
				probes += !database->present;
				continue;
			}
			full = true;
		}
		left++;
	}
	list_free(waiting);

	/* probes make room by themselves */
	return full && probes == 0 ? left : 0;
}

/* Start the further workers of databases, and stop those that are too many. */
static void
AdjustWorkers(Launcher *launcher)
{
	HASH_SEQ_STATUS status;
	Database   *database;
	bool		full = launcher->shortage;

	for (int i = 0; i < WorkerSlotCount(); i++)
	{
		WorkerSlot *slot = &launcher->slots[i];

		if (slot->state != WORKER_SLOT_RUNNING || slot->stop)
			continue;
		database = hash_search(launcher->databases, &slot->database, HASH_FIND, NULL);
		if (database == NULL || !database->listed || slot->number >= personalize_workers)
			WorkerSlotAskStop(i);
	}
	hash_seq_init(&status, launcher->databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (!database->listed || !database->present || database->live == 0)
			continue;
		for (int number = 1; !full && number < personalize_workers; number++)
		{
			bool		taken = false;

			for (int i = 0; i < WorkerSlotCount(); i++)
				taken |= launcher->slots[i].state != WORKER_SLOT_FREE &&
					launcher->slots[i].database == database->oid &&
					launcher->slots[i].number == number;
			if (!taken)
				full = !StartWorker(launcher, database, number);
		}
	}
}

/* Slots are short: ask further workers, then whoever has run longest, to leave. */
static void
MakeRoom(Launcher *launcher, int waiting)
{
	while (waiting-- > 0)
	{
		int			victim = -1;

		for (int i = 0; i < WorkerSlotCount(); i++)
		{
			WorkerSlot *slot = &launcher->slots[i];

			if (slot->state != WORKER_SLOT_RUNNING || slot->stop ||
				!TimestampDifferenceExceeds(slot->since, launcher->now, TURN))
				continue;
			if (victim < 0 || (slot->number > 0 && launcher->slots[victim].number == 0) ||
				((slot->number > 0) == (launcher->slots[victim].number > 0) &&
				 slot->since < launcher->slots[victim].since))
				victim = i;
		}
		if (victim < 0)
			break;
		WorkerSlotAskStop(victim);
		launcher->slots[victim].stop = true;
	}
}

/*
 * Say once that slots are short, and once that they are not any more; a moment
 * in which a database comes or goes is neither.
 */
static void
ReportShortage(Launcher *launcher, int waiting)
{
	if ((waiting > 0) == launcher->shortage)
		launcher->changing = 0;
	else if (launcher->changing == 0)
		launcher->changing = launcher->now;
	else if (waiting > 0 && TimestampDifferenceExceeds(launcher->changing, launcher->now, TURN / 2))
	{
		ereport(WARNING,
				(errmsg("not enough background worker slots for personalize: databases take turns"),
				 errhint("Raise max_worker_processes (now %d), or name fewer databases in personalize.databases.",
						 max_worker_processes)));
		launcher->shortage = true;
	}
	else if (waiting == 0 && TimestampDifferenceExceeds(launcher->changing, launcher->now, 2 * TURN))
	{
		ereport(LOG, (errmsg("personalize has enough background worker slots again")));
		launcher->shortage = false;
	}
	WorkerSlotReportShortage(launcher->shortage);
}

/* For how many milliseconds to sleep. */
static long
ChooseNap(Launcher *launcher, int waiting)
{
	HASH_SEQ_STATUS status;
	Database   *database;
	bool		busy = waiting > 0 || launcher->shortage || launcher->changing != 0;

	hash_seq_init(&status, launcher->databases);
	while ((database = hash_seq_search(&status)) != NULL)
		busy |= database->listed && (database->live == 0 ? database->failures > 0 :
									 !database->present);
	return busy ? BUSY_NAP : IDLE_NAP;
}

/* Look around once; returns for how many milliseconds to sleep then. */
static long
LauncherRound(Launcher *launcher)
{
	int			waiting;

	launcher->now = ClockSteady();
	TakeRechecks(launcher);
	ListDatabases(launcher);
	ReapWorkers(launcher);
	if (!OidIsValid(launcher->owner))
		return IDLE_NAP;
	waiting = StartFirstWorkers(launcher);
	if (waiting > 0)
		MakeRoom(launcher, waiting);
	ReportShortage(launcher, waiting);
	WorkerSlotCopy(launcher->slots);
	AdjustWorkers(launcher);
	return ChooseNap(launcher, waiting);
}

/* Make what the launcher remembers with. */
static Launcher *
MakeLauncher(void)
{
	Launcher   *launcher = palloc0(sizeof(Launcher));
	HASHCTL		control;

	launcher->context = CurrentMemoryContext;
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Database);
	control.hcxt = CurrentMemoryContext;
	launcher->databases = hash_create("personalize databases", 64, &control,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	launcher->slots = palloc(sizeof(WorkerSlot) * WorkerSlotCount());
	launcher->handles = palloc0(sizeof(BackgroundWorkerHandle *) * WorkerSlotCount());
	return launcher;
}

/* Entry point of the launcher. */
void
LauncherMain(Datum arg)
{
	MemoryContext roundContext;
	Launcher   *launcher;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	WorkerSlotAttachLauncher();

	launcher = MakeLauncher();
	roundContext = AllocSetContextCreate(TopMemoryContext, "personalize launcher",
										 ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		long		nap;

		MemoryContextSwitchTo(roundContext);
		MemoryContextReset(roundContext);
		nap = LauncherRound(launcher);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 nap, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		/* not 0: that would tell the postmaster never to start it again */
		if (ShutdownRequestPending)
			proc_exit(1);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/* Have the postmaster start the launcher, except while pg_upgrade runs. */
void
LauncherInit(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	BackgroundDescribe(&worker, "LauncherMain", "personalize launcher", NULL, 0);
	worker.bgw_restart_time = 5;
	RegisterBackgroundWorker(&worker);
}

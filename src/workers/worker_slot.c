/*
 * worker_slot.c
 *		Who works where: the shared memory of launcher and workers.
 *
 * There is one slot for each of the server's background worker slots.  The
 * launcher reserves one (ASKED) before it registers the worker, the worker
 * makes it RUNNING before it connects and ENDED after it has left its database,
 * and the launcher frees it.  The exit callback that does the latter is
 * registered before the worker connects, and so runs after the process has
 * been taken off the list of its database's backends: whoever waits for ENDED
 * may then drop the database.
 *
 * A hold keeps workers away from a database.  It is taken under the lock under
 * which slots are reserved, so that a slot is either seen by the holder, who
 * waits for it to end, or not reserved at all.  It ends with the transaction
 * that took it: a DROP EXTENSION that can still be rolled back holds its locks
 * that long, too.
 *
 * One lightweight lock protects everything here; it is held for a walk over a
 * few dozen slots at most.
 */
#include "postgres.h"

#include <signal.h>

#include "workers/worker_slot.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/shared_memory.h"
#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* How many commands may hold databases, and databases wait to be looked at, at once. */
#define MAX_HOLDS 64
#define MAX_RECHECKS 64

/* How long a command waits for workers to leave, in milliseconds. */
#define HOLD_TIMEOUT 30000

/* A batch that ends so soon after it was asked to give way has done so. */
#define ASKED_LATELY (30 * USECS_PER_SEC)

typedef struct Hold
{
	Oid			database;		/* InvalidOid: free */
	int			pid;
} Hold;

typedef struct WorkerShared
{
	LWLock	   *lock;
	ConditionVariable ended;	/* a slot has ended */
	Latch	   *launcherLatch;	/* NULL: no launcher */
	bool		shortage;		/* databases take turns */
	int			recheckCount;	/* > MAX_RECHECKS: all */
	Oid			rechecks[MAX_RECHECKS];
	Hold		holds[MAX_HOLDS];
	int			slotCount;
	WorkerSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} WorkerShared;

/* NULL without preload. */
static WorkerShared *shared = NULL;
static WorkerSlot *mySlot = NULL;

/* This transaction holds a database. */
static bool holding = false;

/* Bytes of shared memory. */
static Size
SharedSize(void)
{
	return add_size(offsetof(WorkerShared, slots),
					mul_size(max_worker_processes, sizeof(WorkerSlot)));
}

/* Nobody is there yet. */
static void
InitSlots(void *memory)
{
	WorkerShared *slots = memory;

	memset(slots, 0, SharedSize());
	slots->lock = SharedMemoryLock();
	ConditionVariableInit(&slots->ended);
	slots->slotCount = max_worker_processes;
}

/* Note that a database should be looked at; the lock is held. */
static void
AddRecheck(Oid database)
{
	if (!OidIsValid(database) || shared->recheckCount >= MAX_RECHECKS)
		shared->recheckCount = MAX_RECHECKS + 1;
	else
		shared->rechecks[shared->recheckCount++] = database;
}

/* Make the launcher look around now; the lock is held. */
static void
WakeLauncher(void)
{
	if (shared->launcherLatch)
		SetLatch(shared->launcherLatch);
}

/* Transaction callback: whatever it held is free again. */
static void
EndTransaction(XactEvent event, void *arg)
{
	if (!holding || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
						event != XACT_EVENT_PREPARE))
		return;
	holding = false;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HOLDS; i++)
	{
		Hold	   *hold = &shared->holds[i];

		if (OidIsValid(hold->database) && hold->pid == MyProcPid)
		{
			AddRecheck(hold->database);
			hold->database = InvalidOid;
		}
	}
	WakeLauncher();
	LWLockRelease(shared->lock);
}

/* Ask for shared memory. */
void
WorkerSlotInit(void)
{
	SharedMemoryRegister("personalize workers", SharedSize(), (void **) &shared, InitSlots);
	if (process_shared_preload_libraries_in_progress)
		RegisterXactCallback(EndTransaction, NULL);
}

/* True if the library was in shared_preload_libraries. */
bool
WorkerSlotAvailable(void)
{
	return shared != NULL;
}

/* Number of slots. */
int
WorkerSlotCount(void)
{
	return shared ? shared->slotCount : 0;
}

/* Copy all slots. */
void
WorkerSlotCopy(WorkerSlot *slots)
{
	LWLockAcquire(shared->lock, LW_SHARED);
	memcpy(slots, shared->slots, sizeof(WorkerSlot) * shared->slotCount);
	LWLockRelease(shared->lock);
}

/* Exit callback of the launcher. */
static void
DetachLauncher(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcherLatch = NULL;
	LWLockRelease(shared->lock);
}

/* Be the launcher. */
void
WorkerSlotAttachLauncher(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcherLatch = MyLatch;
	LWLockRelease(shared->lock);
	on_shmem_exit(DetachLauncher, (Datum) 0);
}

/* True if the database is held; the lock is held. */
static bool
IsHeld(Oid database)
{
	for (int i = 0; i < MAX_HOLDS; i++)
		if (shared->holds[i].database == database)
			return true;
	return false;
}

/* True while some transaction holds this database. */
bool
WorkerSlotIsHeld(Oid database)
{
	bool		held;

	LWLockAcquire(shared->lock, LW_SHARED);
	held = IsHeld(database);
	LWLockRelease(shared->lock);
	return held;
}

/* Reserve a slot for a new worker; -1 if the database is held or none is free. */
int
WorkerSlotReserve(Oid database, int number, uint32 *generation)
{
	int			found = -1;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; found < 0 && i < shared->slotCount && !IsHeld(database); i++)
	{
		WorkerSlot *slot = &shared->slots[i];

		if (slot->state != WORKER_SLOT_FREE)
			continue;
		slot->state = WORKER_SLOT_ASKED;
		slot->outcome = WORKER_FAILED;
		slot->database = database;
		slot->number = number;
		slot->pid = 0;
		slot->present = slot->stop = slot->behind = false;
		slot->since = ClockSteady();
		slot->lastRound = 0;
		memset(slot->blockers, 0, sizeof(slot->blockers));
		*generation = ++slot->generation;
		found = i;
	}
	LWLockRelease(shared->lock);
	return found;
}

/* Give back a slot whose worker has ended or will never start. */
void
WorkerSlotFree(int slot)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[slot].state = WORKER_SLOT_FREE;
	shared->slots[slot].generation++;
	LWLockRelease(shared->lock);
	ConditionVariableBroadcast(&shared->ended);
}

/* Ask a worker to leave after its current round; it looks at least once an interval. */
void
WorkerSlotAskStop(int slot)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->slots[slot].stop = true;
	LWLockRelease(shared->lock);
}

/* Databases to look at. */
Oid *
WorkerSlotTakeRechecks(int *count)
{
	Oid		   *result = palloc(sizeof(Oid) * MAX_RECHECKS);

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	*count = shared->recheckCount;
	if (*count > MAX_RECHECKS)
	{
		*count = 1;
		result[0] = InvalidOid;
	}
	else
		memcpy(result, shared->rechecks, sizeof(Oid) * *count);
	shared->recheckCount = 0;
	LWLockRelease(shared->lock);
	return result;
}

/* Say whether databases have to take turns. */
void
WorkerSlotReportShortage(bool shortage)
{
	shared->shortage = shortage;
}

/* True if databases take turns. */
bool
WorkerSlotShortage(void)
{
	return shared && shared->shortage;
}

/* Exit callback of a worker: by now it is no backend of its database. */
static void
DetachWorker(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mySlot->state = WORKER_SLOT_ENDED;
	mySlot->since = ClockSteady();
	mySlot->pid = 0;
	WakeLauncher();
	LWLockRelease(shared->lock);
	ConditionVariableBroadcast(&shared->ended);
}

/* Own a slot; false if it has been given away meanwhile. */
bool
WorkerSlotAttach(int slot, uint32 generation, Oid *database)
{
	WorkerSlot *mine = &shared->slots[slot];
	bool		valid;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	valid = mine->state == WORKER_SLOT_ASKED && mine->generation == generation;
	if (valid)
	{
		mine->state = WORKER_SLOT_RUNNING;
		mine->pid = MyProcPid;
		mine->since = ClockSteady();
		mine->canGiveWay = false;
		mine->askedAt = 0;
		*database = mine->database;
		mySlot = mine;
	}
	LWLockRelease(shared->lock);
	if (valid)
		on_shmem_exit(DetachWorker, (Datum) 0);
	return valid;
}

/* Say why this worker is about to end. */
void
WorkerSlotSetOutcome(WorkerOutcome outcome)
{
	mySlot->outcome = outcome;
}

/* Say that the extension was found. */
void
WorkerSlotSetPresent(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mySlot->present = true;
	WakeLauncher();
	LWLockRelease(shared->lock);
}

/* True if this worker should leave. */
bool
WorkerSlotMustStop(void)
{
	bool		stop;

	LWLockAcquire(shared->lock, LW_SHARED);
	stop = mySlot->stop || IsHeld(mySlot->database);
	LWLockRelease(shared->lock);
	return stop;
}

/* Note the end of a round over all processors, and whether more is waiting. */
void
WorkerSlotReportRound(bool behind)
{
	TimestampTz now = ClockSteady();

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mySlot->lastRound = now;
	mySlot->behind = behind;
	LWLockRelease(shared->lock);
}

/* True if another worker of this database has more to do. */
bool
WorkerSlotOtherIsBehind(void)
{
	bool		behind = false;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < shared->slotCount && !behind; i++)
	{
		const WorkerSlot *slot = &shared->slots[i];

		behind = slot != mySlot && slot->state == WORKER_SLOT_RUNNING && slot->database == mySlot->database &&
			slot->behind;
	}
	LWLockRelease(shared->lock);
	return behind;
}

/* Note which process has kept a processor from its work, 0: none. */
void
WorkerSlotReportBlocker(ProcessorId id, int pid)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mySlot->blockers[id - 1] = pid;
	LWLockRelease(shared->lock);
}

/* Note whether the batch under way can be undone; nothing where no worker is at it. */
void
WorkerSlotSetCanGiveWay(bool can)
{
	if (mySlot == NULL || mySlot->canGiveWay == can)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mySlot->canGiveWay = can;
	LWLockRelease(shared->lock);
}

/* True if it has just been asked to give way. */
bool
WorkerSlotWasAsked(void)
{
	bool		asked;

	LWLockAcquire(shared->lock, LW_SHARED);
	asked = ClockSteady() - mySlot->askedAt < ASKED_LATELY;
	LWLockRelease(shared->lock);
	return asked;
}

/* Ask a worker to give way: its statement is cancelled.  Workers do not ask each other. */
void
WorkerSlotAsk(int pid)
{
	if (shared == NULL || mySlot != NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < shared->slotCount; i++)
	{
		WorkerSlot *slot = &shared->slots[i];

		if (slot->state != WORKER_SLOT_RUNNING || slot->pid != pid || slot->database != MyDatabaseId || !slot->canGiveWay)
			continue;
		slot->canGiveWay = false;
		slot->askedAt = ClockSteady();
		(void) kill(pid, SIGINT);
	}
	LWLockRelease(shared->lock);
}

/* Which of how many workers this one is: those that died leave no gap. */
void
WorkerSlotShare(int *rank, int *count)
{
	*rank = *count = 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < shared->slotCount; i++)
	{
		WorkerSlot *slot = &shared->slots[i];

		if (slot->state != WORKER_SLOT_RUNNING || slot->database != mySlot->database)
			continue;
		(*count)++;
		if (slot->number < mySlot->number)
			(*rank)++;
	}
	LWLockRelease(shared->lock);
}

/* Signal the workers of a database; returns how many have not ended yet. */
static int
SignalWorkers(Oid database)
{
	int			left = 0;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < shared->slotCount; i++)
	{
		WorkerSlot *slot = &shared->slots[i];

		if (slot->database != database ||
			(slot->state != WORKER_SLOT_ASKED && slot->state != WORKER_SLOT_RUNNING))
			continue;
		if (slot->pid != 0)
			kill(slot->pid, SIGTERM);
		left++;
	}
	LWLockRelease(shared->lock);
	return left;
}

/* Enter a hold for this transaction, unless it has that one already. */
static void
AddHold(Oid database)
{
	int			place = MAX_HOLDS;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = MAX_HOLDS - 1; i >= 0; i--)
	{
		const Hold *hold = &shared->holds[i];

		if (!OidIsValid(hold->database))
			place = i;
		else if (hold->database == database && hold->pid == MyProcPid)
		{
			place = i;
			break;
		}
	}
	if (place < MAX_HOLDS)
	{
		shared->holds[place].pid = MyProcPid;
		shared->holds[place].database = database;
		holding = true;
	}
	LWLockRelease(shared->lock);
	if (place == MAX_HOLDS)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("more than %d commands keep personalize workers away from databases", MAX_HOLDS),
				 errhint("Try again when they have ended.")));
}

/* Stop the workers of a database and keep new ones away. */
void
WorkerSlotHold(Oid database)
{
	TimestampTz start = ClockSteady();

	AddHold(database);
	ConditionVariablePrepareToSleep(&shared->ended);
	while (SignalWorkers(database) > 0 &&
		   !TimestampDifferenceExceeds(start, ClockSteady(), HOLD_TIMEOUT))
		(void) ConditionVariableTimedSleep(&shared->ended, 100, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
}

/*
 * worker_slot.h
 *		Who works where: the shared memory of launcher and workers.
 */
#ifndef PERSONALIZE_WORKER_SLOT_H
#define PERSONALIZE_WORKER_SLOT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "workers/processor.h"

/* Life of a slot; only the launcher frees one. */
typedef enum WorkerSlotState
{
	WORKER_SLOT_FREE,
	WORKER_SLOT_ASKED,			/* registered with the postmaster */
	WORKER_SLOT_RUNNING,
	WORKER_SLOT_ENDED			/* the worker has left its database */
} WorkerSlotState;

/* Why a worker ended; the launcher decides by it when to try again. */
typedef enum WorkerOutcome
{
	WORKER_FAILED,				/* FATAL, or never started */
	WORKER_STOPPED,				/* was asked to */
	WORKER_ABSENT,				/* the extension is not in this database */
	WORKER_MISMATCH,			/* library and SQL version differ */
	WORKER_REFUSED				/* the owner role has become a superuser */
} WorkerOutcome;

typedef struct WorkerSlot
{
	WorkerSlotState state;
	WorkerOutcome outcome;
	Oid			database;
	int			number;			/* among the workers of its database, from 0 */
	uint32		generation;		/* tells a late starter that its slot is gone */
	int			pid;			/* 0 until it runs */
	bool		present;		/* the extension was found */
	bool		stop;			/* leave after the current batch */
	TimestampTz since;			/* of the present state */
	TimestampTz lastRound;		/* end of the last round over the processors */
	bool		behind;			/* more was waiting then */
	int			blockers[PROCESSOR_COUNT];	/* see WorkerSlotReportBlocker */
	bool		canGiveWay;		/* its batch can be undone, to be taken in parts */
	TimestampTz askedAt;		/* to do that */
} WorkerSlot;

/* Asks for shared memory and installs its hooks; nothing without preload. */
extern void WorkerSlotInit(void);

/* False if the library was not in shared_preload_libraries. */
extern bool WorkerSlotAvailable(void);

/* Number of slots: 0 without preload. */
extern int	WorkerSlotCount(void);

/* Copy all slots into slots[WorkerSlotCount()]. */
extern void WorkerSlotCopy(WorkerSlot *slots);

/* Launcher: be the one that is woken; take, give back and stop slots. */
extern void WorkerSlotAttachLauncher(void);
extern int	WorkerSlotReserve(Oid database, int number, uint32 *generation);
extern void WorkerSlotFree(int slot);
extern void WorkerSlotAskStop(int slot);

/*
 * Launcher: databases whose contents may have changed since the last call, in
 * an array of *count palloc'd Oids; one InvalidOid stands for all of them.
 */
extern Oid *WorkerSlotTakeRechecks(int *count);
extern void WorkerSlotReportShortage(bool shortage);
extern bool WorkerSlotShortage(void);

/* Worker: own a slot from here to the end of the process. */
extern bool WorkerSlotAttach(int slot, uint32 generation, Oid *database);
extern void WorkerSlotSetOutcome(WorkerOutcome outcome);
extern void WorkerSlotSetPresent(void);
extern bool WorkerSlotMustStop(void);
extern void WorkerSlotReportRound(bool behind);

/* Worker: true if another one of this database has more to do. */
extern bool WorkerSlotOtherIsBehind(void);

/* Worker: a process has a lock that this processor needs; 0: none, -1: a prepared transaction has. */
extern void WorkerSlotReportBlocker(ProcessorId id, int pid);

/* Worker: its batch can be undone if somebody waits for its locks; was that asked for lately? */
extern void WorkerSlotSetCanGiveWay(bool can);
extern bool WorkerSlotWasAsked(void);

/* Have a worker's batch undone, if it is a worker of this database and that is possible. */
extern void WorkerSlotAsk(int pid);

/* Worker: which of how many workers of this database it is just now. */
extern void WorkerSlotShare(int *rank, int *count);

/*
 * Stop the workers of a database and keep new ones away until the current
 * transaction ends, however it ends.  Returns when they have left.
 */
extern void WorkerSlotHold(Oid database);

/* True while some transaction holds this database. */
extern bool WorkerSlotIsHeld(Oid database);

#endif

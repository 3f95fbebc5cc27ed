/*
 * worker_task.h
 *		What workers do beside the batches, registered by the parts that want it done.
 */
#ifndef PERSONALIZE_WORKER_TASK_H
#define PERSONALIZE_WORKER_TASK_H

#include "postgres.h"

/*
 * A task.  run is called in a transaction of its own, with an active snapshot and a
 * short lock_timeout, and is true if it wants to be called again at once, in
 * another.  oneRunIn: 1, or how many runs leave it out for one that does not, by
 * chance.
 */
typedef struct WorkerTask
{
	const char *activity;		/* for pg_stat_activity */
	bool		(*run) (void);
	int			oneRunIn;
} WorkerTask;

/* Make a task known, in an Init; they are run in this order. */
extern void WorkerTaskRegister(const WorkerTask *task);

/* Run what is due; returns after how many milliseconds to come back. */
extern long WorkerTasksRun(void);

/* Have something else leave a database when workers must, registered in an Init. */
extern void WorkerTaskRegisterLeave(void (*leave) (Oid database));
extern void WorkerTasksLeave(Oid database);

#endif

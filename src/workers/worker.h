/*
 * worker.h
 *		The background workers that run the processors.
 */
#ifndef PERSONALIZE_WORKER_H
#define PERSONALIZE_WORKER_H

#include "postgres.h"

#include "compat.h"

/* Settings; see docs/settings.md. */
extern int	personalize_batch_interval;
extern char *personalize_databases;
extern int	personalize_workers;

/* Entry points of the postmaster. */
extern PGDLLEXPORT void LauncherMain(Datum arg);
extern PGDLLEXPORT void WorkerMain(Datum arg);

/* The launcher gives this to each worker, in bgw_extra. */
typedef struct WorkerStart
{
	uint32		generation;		/* of the slot in bgw_main_arg */
	Oid			owner;			/* role to connect as */
} WorkerStart;

/* Registers the launcher; called by WorkerInit. */
extern void LauncherInit(void);

/* Called once when the library is loaded. */
extern void WorkerInit(void);

#endif

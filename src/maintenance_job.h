/*
 * maintenance_job.h
 *		The jobs of schedule_maintenance(), when what they are for goes away.
 */
#ifndef PERSONALIZE_MAINTENANCE_JOB_H
#define PERSONALIZE_MAINTENANCE_JOB_H

#include "postgres.h"

/* Say which jobs a database leaves behind that is about to be dropped or renamed. */
extern void MaintenanceJobsLeft(Oid database, const char *name);

#endif

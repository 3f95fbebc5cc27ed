/*
 * maintenance_job.h
 *		The jobs that pg_cron runs for a database.
 */
#ifndef PERSONALIZE_MAINTENANCE_JOB_H
#define PERSONALIZE_MAINTENANCE_JOB_H

/* Called once when the library is loaded. */
extern void MaintenanceJobInit(void);

#endif

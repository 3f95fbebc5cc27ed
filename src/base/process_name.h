/*
 * process_name.h
 *		Other processes of the server, by what one can find them by.
 */
#ifndef PERSONALIZE_PROCESS_NAME_H
#define PERSONALIZE_PROCESS_NAME_H

#include "postgres.h"

#include "utils/backend_status.h"

/* A process with its role and application; palloc'd. */
extern char *ProcessName(const PgBackendStatus *backend);

/* The same by its id, and what it is doing, but for its statements, since when. */
extern char *ProcessNameDoing(int pid);

#endif

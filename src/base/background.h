/*
 * background.h
 *		Background processes of this library.
 */
#ifndef PERSONALIZE_BACKGROUND_H
#define PERSONALIZE_BACKGROUND_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/*
 * Describe a process that runs function, an exported symbol, connects to a database
 * and is not started again.  extra is copied; the caller may change what it likes
 * before registering.
 */
extern void BackgroundDescribe(BackgroundWorker *worker, const char *function, const char *type,
							   const void *extra, Size extraSize);

/*
 * Connect to a database as a role, under settings that do not depend on what the
 * server, the database or the role were given: they are for clients.
 */
extern void BackgroundConnect(Oid database, Oid role);

#endif

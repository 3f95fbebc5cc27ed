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

#endif

/*
 * erasure_scrub.h
 *		Removing from the files what erasure has removed from the tables.
 */
#ifndef PERSONALIZE_ERASURE_SCRUB_H
#define PERSONALIZE_ERASURE_SCRUB_H

#include "postgres.h"

#include "compat.h"

/* The background process that does it. */
#define ERASURE_SCRUB_TYPE "personalize scrub"
extern PGDLLEXPORT void PersonalizeScrubMain(Datum argument);

/* True if an erasure waits for it, or an index that it may drop. */
extern bool ErasureScrubIsNeeded(void);

/*
 * Start it, to begin when the current transaction has ended; false if no worker
 * slot is free.
 */
extern bool ErasureScrubStart(void);

/* A setting; see docs/settings.md. */
extern int	personalize_scrub_after;

/* Called once when the library is loaded. */
extern void ErasureScrubInit(void);

#endif

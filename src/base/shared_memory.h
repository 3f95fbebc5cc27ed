/*
 * shared_memory.h
 *		Pieces of shared memory for the parts that need one.
 */
#ifndef PERSONALIZE_SHARED_MEMORY_H
#define PERSONALIZE_SHARED_MEMORY_H

#include "postgres.h"

#include "storage/lwlock.h"

/*
 * Ask for a piece, in an Init.  From the server's start on *address points to
 * it, initialized once by initialize; without shared_preload_libraries nothing
 * happens and *address stays as it is.
 */
extern void SharedMemoryRegister(const char *name, Size size, void **address,
								 void (*initialize) (void *memory));

/* The lock for whoever needs one around a piece; only where there is a piece. */
extern LWLock *SharedMemoryLock(void);

#endif

/*
 * purge_lock.h
 *		Being alone with people, to take something away from them.
 */
#ifndef PERSONALIZE_PURGE_LOCK_H
#define PERSONALIZE_PURGE_LOCK_H

#include "base/shard.h"

/*
 * Lock the chosen stripes exclusively, to the end of the transaction: every event
 * of their users is committed then, none is in flight, and no processor is at
 * them.  Waits until lock_timeout or, if there is none, 30 seconds are over;
 * the error then begins with notDone ("nobody was forgotten").
 */
extern void PurgeLockStripes(const bool stripes[SHARD_COUNT], const char *notDone);

/* Raise if statements of this transaction do not see what was committed before them. */
extern void PurgeCheckReadCommitted(const char *function);

#endif

/*
 * lock_try.h
 *		Waiting for locks, but not long.
 */
#ifndef PERSONALIZE_LOCK_TRY_H
#define PERSONALIZE_LOCK_TRY_H

#include "postgres.h"

/*
 * Take locks in a subtransaction, but wait for each no longer than so many
 * milliseconds; false, and none is held, if one was not to be had, or take says so.
 */
extern bool LockTry(bool (*take) (void *arg), void *arg, int milliseconds);

#endif

/*
 * lock.h
 *		The extension's own locks, held to the end of the transaction unless they say otherwise.
 */
#ifndef PERSONALIZE_LOCK_H
#define PERSONALIZE_LOCK_H

#include "postgres.h"

#include "base/shard.h"
#include "storage/lock.h"

/* pg_locks shows these as locktype advisory with objsubid 3; classid is one of them. */
typedef enum LockClass
{
	LOCK_SHARD = 1,
	LOCK_STRIPE,
	LOCK_NAMES,
	LOCK_DICTIONARY,
	LOCK_SESSION_INDEX,
	LOCK_MESSAGES,
	LOCK_PURGE,
	LOCK_SWEEP,
	LOCK_SCRUB,
	LOCK_RETENTION,
	LOCK_PREFERENCE,
	LOCK_EXPOSURE_COUNTERS
} LockClass;
#define LOCK_KIND 3

/* Called before a lock is waited for: asks those who have it to give way, if they can. */
typedef void (*LockAskWay) (const LOCKTAG *tag, LOCKMODE mode);
extern void LockRegisterAskWay(LockAskWay ask);

/*
 * A stripe of users (ShardOfKey of the user's key): ingestion and processors
 * hold it shared, whoever takes something away from a person (withdrawal,
 * erasure) exclusively.  Take several in ascending order.
 */
extern void StripeLock(int stripe, bool exclusive);
extern bool StripeTryLock(int stripe, bool exclusive);
extern void StripeUnlockShared(int stripe); /* just locked, and nothing was done since */
extern bool StripeIsAwaited(int stripe);	/* this transaction holds it shared, and somebody waits */

/*
 * Taking something away from people: one at a time, before their stripes.  Both
 * are taken by PurgeLockStripes (purge_lock.h).
 */
extern void PurgeLock(void);
extern bool PurgeTryLock(void);
extern bool PurgeLockIsHeld(void);	/* by this transaction */

/* A processor's shard, exclusively: who holds it may write its rows and position. */
extern void ShardLock(int processor, int shard);
extern bool ShardTryLock(int processor, int shard);
extern bool ShardIsAwaited(int processor, int shard);	/* this transaction holds it, and somebody waits */

/*
 * The sessions and postings, to write them.  Taken after stripes and shards,
 * so that a withdrawal can wait for it while holding its stripe.
 */
extern void SessionIndexLock(void);

/*
 * The counters of exposures: who adds to them holds this shared, who makes them anew for
 * some people exclusively.  Taken after stripes and shards, before the first row.
 */
extern void ExposureCountersLock(bool exclusive);

/* Registering a new name: one at a time. */
extern void NamesLock(void);

/* Declaring preferences of a person: one at a time, or they could get past their limit. */
extern void PreferenceLock(int64 userKey);

/* Extending the dictionary of feature values: one at a time. */
extern void DictionaryLock(void);

/* A batch of messages that begins with the one of this hash: one at a time. */
extern void MessagesLock(uint32 hash);

/* Deciding what leaves the dictionary: one at a time; false if not to be had without waiting. */
extern bool SweepLock(bool wait);

/* Scrubbing the files of this database: one process at a time, held by it until it ends. */
extern bool ScrubTryLock(void);

/* Removing what is past its time: one at a time; false if somebody is at it. */
extern bool RetentionTryLock(void);

#endif

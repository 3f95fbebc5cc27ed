/*
 * lock.c
 *		The extension's own locks, held to the end of the transaction unless they say otherwise.
 *
 * They are advisory locks of a kind of their own (the fourth field of the tag is
 * 3, where SQL's advisory locks have 1 or 2), so they can never meet an
 * application's.  pg_locks shows them as locktype advisory, objsubid 3, with
 * classid telling the class below and objid what is locked.
 */
#include "postgres.h"

#include "base/lock.h"

#include "compat.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* What asks those who have a lock to give way. */
static LockAskWay askWay = NULL;

/* Register what asks for it. */
void
LockRegisterAskWay(LockAskWay ask)
{
	Assert(askWay == NULL);
	askWay = ask;
}

/* Take a lock, or say that it could not be had at once. */
static bool
Acquire(LockClass class, uint32 object, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, class, object, LOCK_KIND);
	if (LockAcquire(&tag, mode, false, true) != LOCKACQUIRE_NOT_AVAIL)
		return true;
	if (!wait)
		return false;
	if (askWay != NULL)
		askWay(&tag, mode);
	(void) LockAcquire(&tag, mode, false, false);
	return true;
}

/* True if this transaction has a lock that somebody waits for. */
static bool
IsAwaited(LockClass class, uint32 object, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, class, object, LOCK_KIND);
	return LockHeldByMe(&tag, mode, false) && LockHasWaiters(&tag, mode, false);
}

/* Lock a stripe of users. */
void
StripeLock(int stripe, bool exclusive)
{
	Acquire(LOCK_STRIPE, stripe, exclusive ? ExclusiveLock : ShareLock, true);
}

/* Let go of a stripe that was locked for nothing, unless it was locked before. */
void
StripeUnlockShared(int stripe)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_STRIPE, stripe, LOCK_KIND);
	LockRelease(&tag, ShareLock, false);
}

/* Lock a stripe of users if nobody is in the way. */
bool
StripeTryLock(int stripe, bool exclusive)
{
	return Acquire(LOCK_STRIPE, stripe, exclusive ? ExclusiveLock : ShareLock, false);
}

/* True if this transaction holds a stripe shared, and somebody waits for it. */
bool
StripeIsAwaited(int stripe)
{
	return IsAwaited(LOCK_STRIPE, stripe, ShareLock);
}

/* Take turns at taking something away from people. */
void
PurgeLock(void)
{
	Acquire(LOCK_PURGE, 0, ExclusiveLock, true);
}

/* Take the turn if nobody has it. */
bool
PurgeTryLock(void)
{
	return Acquire(LOCK_PURGE, 0, ExclusiveLock, false);
}

/* True if this transaction has the turn. */
bool
PurgeLockIsHeld(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_PURGE, 0, LOCK_KIND);
	return LockHeldByMe(&tag, ExclusiveLock, false);
}

/* Lock a processor's shard. */
void
ShardLock(int processor, int shard)
{
	Acquire(LOCK_SHARD, (uint32) processor << 16 | shard, ExclusiveLock, true);
}

/* Lock a processor's shard if nobody has it. */
bool
ShardTryLock(int processor, int shard)
{
	return Acquire(LOCK_SHARD, (uint32) processor << 16 | shard, ExclusiveLock, false);
}

/* True if this transaction holds a shard, and somebody waits for it. */
bool
ShardIsAwaited(int processor, int shard)
{
	return IsAwaited(LOCK_SHARD, (uint32) processor << 16 | shard, ExclusiveLock);
}

/* Take turns at registering names. */
void
NamesLock(void)
{
	Acquire(LOCK_NAMES, 0, ExclusiveLock, true);
}

/* Take turns at extending the dictionary of feature values. */
void
DictionaryLock(void)
{
	Acquire(LOCK_DICTIONARY, 0, ExclusiveLock, true);
}

/* Take turns at writing sessions and postings. */
void
SessionIndexLock(void)
{
	Acquire(LOCK_SESSION_INDEX, 0, ExclusiveLock, true);
}

/* Be one of those who add to the counters of exposures, or the only one. */
void
ExposureCountersLock(bool exclusive)
{
	Acquire(LOCK_EXPOSURE_COUNTERS, 0, exclusive ? ExclusiveLock : ShareLock, true);
}

/* Take turns with whoever stores a batch of the same messages. */
void
MessagesLock(uint32 hash)
{
	Acquire(LOCK_MESSAGES, hash, ExclusiveLock, true);
}

/* Take turns at deciding what leaves the dictionary. */
bool
SweepLock(bool wait)
{
	return Acquire(LOCK_SWEEP, 0, ExclusiveLock, wait);
}

/* Be the one process that scrubs the files of this database. */
bool
ScrubTryLock(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_SCRUB, 0, LOCK_KIND);
	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Remove what is past its time, if nobody is at it. */
bool
RetentionTryLock(void)
{
	return Acquire(LOCK_RETENTION, 0, ExclusiveLock, false);
}

/* Take turns at declaring a person's preferences. */
void
PreferenceLock(int64 userKey)
{
	Acquire(LOCK_PREFERENCE, (uint32) (((uint64) userKey * UINT64CONST(0x9E3779B97F4A7C15)) >> 32),
			ExclusiveLock, true);
}

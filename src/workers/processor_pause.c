/*
 * processor_pause.c
 *		Keeping a processor's batches away for the rest of a transaction.
 */
#include "postgres.h"

#include "workers/processor.h"

#include "base/lock.h"
#include "base/lock_try.h"
#include "base/shard.h"

/* How long to wait for a processor, in milliseconds. */
#define PROCESSOR_WAIT 2000

/* Take a processor's shards, then all stripes, as its batches do. */
static bool
TakeProcessor(void *arg)
{
	const ProcessorMethods *methods = arg;

	for (int shard = 0; shard < ProcessorLocks(methods); shard++)
		ShardLock(methods->id, shard);
	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
		StripeLock(stripe, false);
	return true;
}

/* Be the only one to write what a processor writes. */
bool
ProcessorPause(ProcessorId id)
{
	return LockTry(TakeProcessor, unconstify(ProcessorMethods *, ProcessorGet(id)), PROCESSOR_WAIT);
}

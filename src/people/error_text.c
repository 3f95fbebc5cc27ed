/*
 * error_text.c
 *		The texts of errors that are kept.
 *
 * A text may tell of a person whom the work that failed has read.  An erasure takes
 * people out of the texts that it finds (PersonStore.unname), but the work may fail just
 * before, and its text be written just after.  So whoever writes one has all stripes
 * shared, as nobody has who erases: an erasure that comes later finds the text, and of
 * those that were over before the tombstones tell.
 */
#include "postgres.h"

#include "people/error_text.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/snapmgr.h"

/* What is written instead of a text that may tell of somebody. */
#define NOT_KEPT "it failed while somebody was erased, so the text is in the server's log only"

/* Note what is over. */
TransactionId
ErrorTextBegin(void)
{
	return GetLatestSnapshot()->xmin;
}

/* Lock all stripes shared; false if somebody takes something away from people. */
static bool
LockStripes(void)
{
	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
		if (!StripeTryLock(stripe, false))
			return false;
	return true;
}

/* True if somebody was erased by a transaction that was not over then; no transaction takes a week. */
static bool
AnyErased(TransactionId since)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum((int32) (ReadNextTransactionId() - since))};
	bool		any;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	any = SpiUtilRunAsOwner(&plan, "SELECT FROM personalize._tombstone AS t"
							" WHERE t.forgotten_at > pg_catalog.now() - interval '7 days' AND pg_catalog.age(t.xmin) <= $1 LIMIT 1",
							lengthof(types), types, values, NULL, false) > 0;
	PopActiveSnapshot();
	return any;
}

/* The text of an error as it may be written. */
const char *
ErrorTextToKeep(const char *text, TransactionId since)
{
	return LockStripes() && !AnyErased(since) ? text : NOT_KEPT;
}

/*
 * consent_cache.c
 *		Remembering what people allow from one batch to the next.
 *
 * Looking a person up costs as much as storing three events.  Each backend
 * therefore keeps the states it has read, and shared memory tells whether they
 * still hold.  Per stripe of users it has how often a transaction set out to change
 * anybody's consent, and which the last ones were.  A transaction says so before it
 * writes.
 *
 * A state is remembered if all transactions that have said so were over in the
 * snapshot it was read under: then their outcome is in what was read.  It holds until
 * the next one says so.  Where many were under way at once only the highest id of
 * those that are no longer listed is known, which must lie below the snapshot's xmin.
 * One that is over may leave the list when another is entered: a snapshot that is
 * older than the end of the first sees the second as running.
 *
 * So nothing has to happen at commit, prepared transactions included.  After a
 * crash both sides begin empty; transactions prepared before may still commit, and
 * lie below the id that was next then.  Nothing is remembered without
 * shared_preload_libraries, nor on a standby, whose shared memory hears of no change.
 *
 * People of whom neither subject nor the ledger knows are not remembered: most
 * of them are never met again.
 */
#include "postgres.h"

#include "people/consent_cache.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/shared_memory.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/procarray.h"
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The cache has so many sets of two entries: 1 MB. */
#define CACHE_SETS 16384
#define SET_ENTRIES 2

/* A remembered state. */
typedef struct CacheEntry
{
	int64		userKey;
	int64		personKey;
	uint64		changes;		/* of the stripe, when it was read; 0: empty */
	TimestampTz since;
	int32		granted;
	int32		decided;
} CacheEntry;

/* So many transactions that change consent are listed. */
#define LISTED 13

/* What has changed in a stripe; it has a cache line to itself. */
typedef struct StripeChanges
{
	slock_t		mutex;
	pg_atomic_uint64 count;		/* from 1 */
	uint64		highest;		/* transaction id of those not listed; 0: nobody has looked yet */
	uint64		listed[LISTED]; /* transaction ids; 0: none */
} StripeChanges;

StaticAssertDecl(sizeof(StripeChanges) == PG_CACHE_LINE_SIZE, "stripes share cache lines");

/* By stripe; NULL without preload. */
static StripeChanges *changes = NULL;

/* The entries, and the table they were read from. */
static CacheEntry *entries = NULL;
static Oid	cachedSubject = InvalidOid;

/* Nothing has changed yet. */
static void
InitChanges(void *memory)
{
	StripeChanges *stripes = memory;

	memset(stripes, 0, SHARD_COUNT * sizeof(StripeChanges));
	for (int i = 0; i < SHARD_COUNT; i++)
	{
		SpinLockInit(&stripes[i].mutex);
		pg_atomic_init_u64(&stripes[i].count, 1);
	}
}

/* Relation cache callback: the table was replaced or emptied. */
static void
ForgetAll(Datum argument, Oid relationId)
{
	if (entries && (relationId == InvalidOid || relationId == cachedSubject))
	{
		memset(entries, 0, CACHE_SETS * SET_ENTRIES * sizeof(CacheEntry));
		cachedSubject = InvalidOid;
	}
}

/* The snapshot's xmin with its epoch: no more than 2^31 ids before the next one. */
static uint64
FullXmin(Snapshot snapshot)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return next - (uint32) ((uint32) next - snapshot->xmin);
}

/* The set a person's entry is in. */
static CacheEntry *
FindSet(int64 userKey)
{
	uint64		mixed = (uint64) userKey * UINT64CONST(0x9E3779B97F4A7C15);

	/* the topmost bits choose the stripe; these come next */
	return &entries[((mixed >> 40) % CACHE_SETS) * SET_ENTRIES];
}

/* Fill in the state of a person if it is remembered and still holds. */
bool
ConsentCacheFind(ConsentState *state)
{
	CacheEntry *set;

	if (changes == NULL || entries == NULL || !OidIsValid(cachedSubject) || RecoveryInProgress())
		return false;
	set = FindSet(state->userKey);
	for (int i = 0; i < SET_ENTRIES; i++)
	{
		if (set[i].userKey != state->userKey || set[i].changes == 0)
			continue;
		if (pg_atomic_read_u64(&changes[ShardOfKey(state->userKey)].count) != set[i].changes)
			return false;
		state->personKey = set[i].personKey;
		state->granted = set[i].granted;
		state->decided = set[i].decided;
		state->since = set[i].since;
		state->hasSubject = state->hasLedger = true;
		return true;
	}
	return false;
}

/*
 * What is known of a stripe, copied.  Of transactions prepared before the server
 * started nobody has heard, unless there cannot be any.
 */
static StripeChanges
CopyChanges(StripeChanges *stripe)
{
	uint64		next = max_prepared_xacts > 0 ? U64FromFullTransactionId(ReadNextFullTransactionId()) : 2;
	StripeChanges copy;

	SpinLockAcquire(&stripe->mutex);
	if (stripe->highest == 0)
		stripe->highest = next - 1;
	copy = *stripe;
	SpinLockRelease(&stripe->mutex);
	return copy;
}

/* True if all that has changed consent is over in the snapshot. */
static bool
AreAllOver(const StripeChanges *stripe, Snapshot snapshot)
{
	uint64		xmin = FullXmin(snapshot);

	if (stripe->highest >= xmin)
		return false;
	for (int i = 0; i < LISTED; i++)
	{
		TransactionId id = (TransactionId) stripe->listed[i];

		if (stripe->listed[i] >= xmin &&
			(id == GetTopTransactionIdIfAny() || XidInMVCCSnapshot(id, snapshot)))
			return false;
	}
	return true;
}

/* Remember a state that was read under the snapshot. */
void
ConsentCacheStore(const ConsentState *state, Snapshot snapshot)
{
	StripeChanges stripe;
	CacheEntry *set;

	if (changes == NULL || !(state->hasSubject || state->hasLedger) || RecoveryInProgress())
		return;
	stripe = CopyChanges(&changes[ShardOfKey(state->userKey)]);
	if (!AreAllOver(&stripe, snapshot))
		return;
	if (entries == NULL)
		entries = MemoryContextAllocZero(TopMemoryContext,
										 CACHE_SETS * SET_ENTRIES * sizeof(CacheEntry));
	if (!OidIsValid(cachedSubject))
		cachedSubject = RelationFind("subject", false);
	set = FindSet(state->userKey);
	if (set[0].userKey != state->userKey)
		set[1] = set[0];
	set[0] = (CacheEntry)
	{
		.userKey = state->userKey,
		.personKey = state->personKey,
		.changes = pg_atomic_read_u64(&stripe.count),
		.since = state->since,
		.granted = state->granted,
		.decided = state->decided
	};
}

/* Enter a transaction in a stripe, unless all places are taken. */
static bool
EnterChange(StripeChanges *stripe, uint64 transactionId)
{
	int			place = -1;

	for (int i = 0; i < LISTED; i++)
		if (stripe->listed[i] == transactionId || (place < 0 && stripe->listed[i] == 0))
			place = i;
	if (place < 0)
		return false;
	stripe->listed[place] = transactionId;
	pg_atomic_write_u64(&stripe->count, pg_atomic_read_u64(&stripe->count) + 1);
	return true;
}

/* True if a transaction is over. */
static bool
IsOver(uint64 transactionId)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return next - transactionId > PG_INT32_MAX || !TransactionIdIsInProgress((TransactionId) transactionId);
}

/* The same where all places were taken: by one that is over, else by one that is listed no longer. */
static void
EnterInstead(StripeChanges *stripe, uint64 transactionId)
{
	StripeChanges seen = CopyChanges(stripe);

	for (int i = 0; i < LISTED; i++)
		if (seen.listed[i] != 0 && !IsOver(seen.listed[i]))
			seen.listed[i] = 0;
	SpinLockAcquire(&stripe->mutex);
	for (int i = 0; i < LISTED; i++)
		if (stripe->listed[i] == seen.listed[i])
			stripe->listed[i] = 0;
	if (!EnterChange(stripe, transactionId))
	{
		stripe->highest = Max(stripe->highest, stripe->listed[0]);
		stripe->listed[0] = 0;
		(void) EnterChange(stripe, transactionId);
	}
	SpinLockRelease(&stripe->mutex);
}

/* Enter this transaction in a stripe. */
static void
NoteChange(int number)
{
	uint64		transactionId = U64FromFullTransactionId(GetTopFullTransactionId());
	StripeChanges *stripe = &changes[number];
	bool		entered;

	SpinLockAcquire(&stripe->mutex);
	entered = EnterChange(stripe, transactionId);
	SpinLockRelease(&stripe->mutex);
	if (!entered)
		EnterInstead(stripe, transactionId);
}

/* Say that this transaction is about to change what a person allows. */
void
ConsentCacheNoteChange(int64 userKey)
{
	if (changes != NULL)
		NoteChange(ShardOfKey(userKey));
}

/* Say that it is about to change what people of these stripes allow, or whose their ids are. */
void
ConsentCacheNoteStripes(const bool *stripes)
{
	for (int stripe = 0; stripe < SHARD_COUNT && changes != NULL; stripe++)
		if (stripes[stripe])
			NoteChange(stripe);
}

/* Say that it is about to change what everybody allows. */
void
ConsentCacheNoteAll(void)
{
	for (int stripe = 0; stripe < SHARD_COUNT && changes != NULL; stripe++)
		NoteChange(stripe);
}

/* Ask for shared memory, and watch the table. */
void
ConsentCacheInit(void)
{
	RelationWatch(ForgetAll);
	SharedMemoryRegister("personalize consent changes", SHARD_COUNT * sizeof(StripeChanges),
						 (void **) &changes, InitChanges);
}

/*
 * consent_cache.c
 *		Remembering what people allow from one batch to the next.
 *
 * Looking a person up costs as much as storing three events.  Each backend
 * therefore keeps the states it has read, and shared memory tells whether they
 * still hold: per stripe of users it has the highest id of a transaction that
 * set out to change anybody's consent.  Such a transaction says so before it
 * writes.  A state read under a snapshot holds as long as that id lies below the
 * snapshot's xmin: then every change so far was over when the snapshot was
 * taken, and its outcome is in what was read.  A change still under way, this
 * transaction's own included, always lies at or above xmin.
 *
 * So nothing has to happen at commit, prepared transactions included, and after
 * a crash both sides begin empty.  What is lost in a stripe where consent has
 * just changed is time.  Nothing is remembered without shared_preload_libraries,
 * nor on a standby, whose shared memory hears of no change.
 *
 * People of whom neither subject nor the ledger knows are not remembered: most
 * of them are never met again.
 */
#include "postgres.h"

#include "people/consent_cache.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/shared_memory.h"
#include "miscadmin.h"
#include "port/atomics.h"
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
	uint64		xmin;			/* of the snapshot it was read under; 0: empty */
	TimestampTz since;
	int32		granted;
	int32		decided;
} CacheEntry;

/* A counter that has a cache line to itself. */
typedef union ChangeCounter
{
	pg_atomic_uint64 transactionId;
	char		padding[PG_CACHE_LINE_SIZE];
} ChangeCounter;

/* By stripe: the highest transaction id that changed consent; NULL without preload. */
static ChangeCounter *changes = NULL;

/* The entries, and the table they were read from. */
static CacheEntry *entries = NULL;
static Oid	cachedSubject = InvalidOid;

/* Nothing has changed yet. */
static void
InitChanges(void *memory)
{
	ChangeCounter *counters = memory;

	for (int i = 0; i < SHARD_COUNT; i++)
		pg_atomic_init_u64(&counters[i].transactionId, 0);
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
ConsentCacheFind(ConsentState *state, Snapshot snapshot)
{
	CacheEntry *set;

	if (changes == NULL || entries == NULL || !OidIsValid(cachedSubject) || RecoveryInProgress())
		return false;
	set = FindSet(state->userKey);
	for (int i = 0; i < SET_ENTRIES; i++)
	{
		if (set[i].userKey != state->userKey || set[i].xmin == 0)
			continue;
		if (pg_atomic_read_u64(&changes[ShardOfKey(state->userKey)].transactionId) >= set[i].xmin)
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

/* Remember a state that was read under the snapshot. */
void
ConsentCacheStore(const ConsentState *state, Snapshot snapshot)
{
	CacheEntry *set;

	if (changes == NULL || !(state->hasSubject || state->hasLedger) || RecoveryInProgress())
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
		.xmin = FullXmin(snapshot),
		.since = state->since,
		.granted = state->granted,
		.decided = state->decided
	};
}

/* Raise a counter to this transaction. */
static void
NoteChange(int stripe)
{
	uint64		transactionId = U64FromFullTransactionId(GetTopFullTransactionId());
	pg_atomic_uint64 *counter = &changes[stripe].transactionId;
	uint64		known = pg_atomic_read_u64(counter);

	while (known < transactionId &&
		   !pg_atomic_compare_exchange_u64(counter, &known, transactionId))
		;
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
	SharedMemoryRegister("personalize consent changes", SHARD_COUNT * sizeof(ChangeCounter),
						 (void **) &changes, InitChanges);
}

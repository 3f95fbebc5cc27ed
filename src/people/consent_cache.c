/*
 * consent_cache.c
 *		Remembering what people allow.
 *
 * Looking a person up costs as much as storing three events, more among many people.  So
 * what was read is kept in shared memory, for all backends.  Whether it still holds is
 * told by slots, in one of which each person falls: a slot has the highest id of the
 * transactions that set out to change what people of it allow.  A transaction says so
 * before it writes.
 *
 * A state is remembered if that transaction lies below the xmin of the snapshot it was
 * read under: then all who had said so were over, and their outcome is in what was read.
 * It holds until the slot has another id, for snapshots of whose xmin the same is true.
 * Who says so later has a higher id: his was running, or not yet given, when the
 * snapshot was taken, which puts it at or above its xmin.
 *
 * So nothing has to happen at commit, prepared transactions included.  After a
 * crash everything begins empty; transactions prepared before may still commit, and
 * lie below the id that was next then.  Nothing is remembered without
 * shared_preload_libraries, nor on a standby, whose shared memory hears of no change.
 *
 * People of whom neither subject nor the ledger knows are not remembered: most
 * of them are never met again.  Nor are those who were forgotten and came back.
 */
#include "postgres.h"

#include "people/consent_cache.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/key_set.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/shared_memory.h"
#include "base/version.h"
#include "common/hashfn.h"
#include "compat.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "utils/rel.h"

/* Places for a shared buffer, and at least. */
#define PLACES_PER_BUFFER 2
#define LEAST_PLACES 32768

/* More buffers have no more places. */
#define MOST_BUFFERS (1 << 26)

/* A person has so many places to choose from, side by side. */
#define CHOICES 2

/* So many slots tell of changes; those of a stripe lie together. */
#define SLOT_BITS 16
#define SLOT_COUNT (1 << SLOT_BITS)
#define STRIPE_SLOTS (SLOT_COUNT / SHARD_COUNT)

/* A remembered state; all zeros: none. */
typedef struct ConsentPlace
{
	pg_atomic_uint32 version;
	Oid			database;
	Oid			file;			/* of the table it was read from */
	int32		granted;
	int32		decided;
	int64		userKey;
	int64		personKey;
	uint64		changed;		/* the slot's, when it was read */
} ConsentPlace;

/* Who has changed what people allow. */
typedef struct ConsentChanges
{
	pg_atomic_uint64 before;	/* highest id of those prepared before the server started; 0: nobody has looked yet */
	pg_atomic_uint64 slots[SLOT_COUNT];	/* transaction ids; 0: nobody since */
} ConsentChanges;

/* NULL without preload. */
static ConsentChanges *changes = NULL;
static ConsentPlace *places = NULL;
static uint32 placeCount;		/* a power of two */

/* The table subject, whose people are remembered, and its file. */
static Oid	subjectTable = InvalidOid;
static Oid	subjectFile = InvalidOid;

/* Nothing has changed yet. */
static void
InitChanges(void *memory)
{
	ConsentChanges *made = memory;

	pg_atomic_init_u64(&made->before, 0);
	for (int i = 0; i < SLOT_COUNT; i++)
		pg_atomic_init_u64(&made->slots[i], 0);
}

/* Nobody is remembered. */
static void
ClearPlaces(void *memory)
{
	memset(memory, 0, sizeof(ConsentPlace) * placeCount);
}

/* Relation cache callback: the table may have been replaced or emptied. */
static void
ForgetFile(Datum argument, Oid relationId)
{
	if (relationId == InvalidOid || relationId == subjectTable)
		subjectFile = InvalidOid;
}

/* The file of subject: another one is another table, or the same emptied. */
static Oid
SubjectFile(void)
{
	if (!OidIsValid(subjectFile))
	{
		Relation	subject = RelationOpenTable("subject", AccessShareLock);

		subjectTable = RelationGetRelid(subject);
		subjectFile = CompatRelationFile(subject);
		RelationClose(subject);
	}
	return subjectFile;
}

/* The slot of a person: the topmost bits choose the stripe. */
static inline int
SlotOfKey(int64 userKey)
{
	return ShardOfKey(userKey) * STRIPE_SLOTS + KeySpread(userKey) % STRIPE_SLOTS;
}

/* The places a person may have lie around the first. */
static inline ConsentPlace *
Choice(int64 userKey, int number)
{
	return &places[(murmurhash32(KeySpread(userKey) + MyDatabaseId) & (placeCount - 1)) ^ number];
}

/* The highest id of the transactions prepared before the server started, of which nobody has heard. */
static uint64
ChangedBefore(void)
{
	uint64		before = pg_atomic_read_u64(&changes->before);

	if (before == 0)
	{
		uint64		known = max_prepared_xacts > 0 ? U64FromFullTransactionId(ReadNextFullTransactionId()) - 1 :
			BootstrapTransactionId;

		if (pg_atomic_compare_exchange_u64(&changes->before, &before, known))
			before = known;
	}
	return before;
}

/* The highest id of the transactions that set out to change what people of the slot allow. */
static uint64
LastChange(int64 userKey)
{
	return Max(pg_atomic_read_u64(&changes->slots[SlotOfKey(userKey)]), ChangedBefore());
}

/* True if a transaction and all before it were over for the snapshot. */
static bool
IsOver(uint64 transactionId, Snapshot snapshot)
{
	uint64		next;

	if (TransactionIdPrecedes((TransactionId) transactionId, snapshot->xmin))
		return true;
	/* it may be more than 2^31 ids away, as xmin cannot be from the next one */
	next = U64FromFullTransactionId(ReadNextFullTransactionId());
	return transactionId < next - (uint32) ((uint32) next - snapshot->xmin);
}

/* True if anything can be remembered, and relied on: who is serializable leaves word of what he reads. */
static bool
IsUsable(void)
{
	return places != NULL && !RecoveryInProgress() && !IsolationIsSerializable();
}

/* Copy the place of a person; false: not remembered, or just being written. */
static bool
ReadPlace(int64 userKey, ConsentPlace *copy)
{
	Oid			file = SubjectFile();

	for (int i = 0; i < CHOICES; i++)
	{
		ConsentPlace *place = Choice(userKey, i);
		uint32		version = VersionRead(&place->version);

		if (place->userKey != userKey || place->database != MyDatabaseId || place->file != file)
			continue;
		*copy = *place;
		return VersionHolds(&place->version, version) && copy->userKey == userKey &&
			copy->database == MyDatabaseId && copy->file == file;
	}
	return false;
}

/* A person is about to be looked for. */
void
ConsentCachePrefetch(int64 userKey)
{
#ifdef __GNUC__
	if (places == NULL)
		return;
	__builtin_prefetch(Choice(userKey, 0));
	__builtin_prefetch(&changes->slots[SlotOfKey(userKey)]);
#endif
}

/* Fill in the state of a person if it is remembered and still holds. */
bool
ConsentCacheFind(ConsentState *state, Snapshot snapshot)
{
	ConsentPlace place;

	if (!IsUsable() || !ReadPlace(state->userKey, &place) ||
		place.changed != LastChange(state->userKey) || !IsOver(place.changed, snapshot))
		return false;
	state->personKey = place.personKey;
	state->granted = place.granted;
	state->decided = place.decided;
	state->since = DT_NOBEGIN;
	state->hasSubject = state->hasLedger = true;
	return true;
}

/* The place for a person: his own, else one that says nothing any more, else the first. */
static ConsentPlace *
PlaceFor(int64 userKey)
{
	ConsentPlace *chosen = Choice(userKey, 0);

	for (int i = 0; i < CHOICES; i++)
	{
		ConsentPlace *place = Choice(userKey, i);

		if (place->userKey == userKey && place->database == MyDatabaseId)
			return place;
		if (!OidIsValid(place->database) || place->changed != LastChange(place->userKey))
			chosen = place;
	}
	return chosen;
}

/* Remember a state that was read under the snapshot. */
void
ConsentCacheStore(const ConsentState *state, Snapshot snapshot)
{
	ConsentPlace made = {
		.database = MyDatabaseId,
		.granted = state->granted,
		.decided = state->decided,
		.userKey = state->userKey,
		.personKey = state->personKey
	};
	ConsentPlace *place;

	if (!IsUsable() || !(state->hasSubject || state->hasLedger) || state->since != DT_NOBEGIN)
		return;
	made.changed = LastChange(state->userKey);
	if (!IsOver(made.changed, snapshot))
		return;
	made.file = SubjectFile();
	place = PlaceFor(state->userKey);
	VersionWrite(&place->version, &place->database, &made.database,
				 sizeof(ConsentPlace) - offsetof(ConsentPlace, database));
}

/* Enter a transaction in a slot. */
static void
NoteSlot(int number, uint64 transactionId)
{
	pg_atomic_uint64 *slot = &changes->slots[number];
	uint64		highest = pg_atomic_read_u64(slot);

	while (highest < transactionId &&
		   !pg_atomic_compare_exchange_u64(slot, &highest, transactionId))
		;
}

/* Say that this transaction is about to change what a person allows. */
void
ConsentCacheNoteChange(int64 userKey)
{
	if (changes != NULL)
		NoteSlot(SlotOfKey(userKey), U64FromFullTransactionId(GetTopFullTransactionId()));
}

/* Say that it is about to change what people of these stripes (NULL: all) allow, or whose their ids are. */
void
ConsentCacheNoteStripes(const bool *stripes)
{
	uint64		transactionId;

	if (changes == NULL)
		return;
	transactionId = U64FromFullTransactionId(GetTopFullTransactionId());
	for (int slot = 0; slot < SLOT_COUNT; slot++)
		if (stripes == NULL || stripes[slot / STRIPE_SLOTS])
			NoteSlot(slot, transactionId);
}

/* Ask for shared memory, and watch the table. */
void
ConsentCacheInit(void)
{
	RelationWatch(ForgetFile);
	placeCount = pg_nextpower2_32(Max((uint32) Min(NBuffers, MOST_BUFFERS) * PLACES_PER_BUFFER, LEAST_PLACES));
	SharedMemoryRegister("personalize consent changes", sizeof(ConsentChanges), (void **) &changes, InitChanges);
	SharedMemoryRegister("personalize consents", mul_size(sizeof(ConsentPlace), placeCount),
						 (void **) &places, ClearPlaces);
}

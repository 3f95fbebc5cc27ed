/*
 * consent_cache.c
 *		Remembering what people allow.
 *
 * Looking a person up costs as much as storing three events, more among many people.  So
 * what was read is kept in shared memory, for all backends.  Whether it still holds is told
 * by records of changes: how often a transaction set out to change what anybody of
 * them allows, and which the last ones were.  A transaction says so before it writes.  A
 * person has two records, one shared with few others, one with a stripe of users.
 *
 * A state is remembered if all transactions that have said so were over in the
 * snapshot it was read under: then their outcome is in what was read.  It holds until
 * the next one says so, for snapshots in which the same are over.  Where many were under
 * way at once only the highest id of those that are no longer listed is known, which must
 * lie below the snapshot's xmin.  One that is over may leave the list when another is
 * entered: a snapshot that is older than the end of the first sees the second as running.
 *
 * Who changes the tables by hand is taken to change what everybody allows.
 *
 * So nothing has to happen at commit, prepared transactions included.  After a
 * crash everything begins empty; transactions prepared before may still commit, and
 * lie below the id that was next then.  Nothing is remembered without
 * shared_preload_libraries, nor under snapshots of a standby, whose shared memory hears of no change.
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
#include "base/hand_write.h"
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
#include "storage/procarray.h"
#include "storage/spin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Places for a shared buffer, and at least. */
#define PLACES_PER_BUFFER 2
#define LEAST_PLACES 32768

/* More buffers have no more places. */
#define MOST_BUFFERS (1 << 26)

/* A person has so many places to choose from, side by side. */
#define CHOICES 2

/* Buffers for a record of changes, and records at least; as many more are of stripes. */
#define BUFFERS_PER_RECORD 4
#define LEAST_RECORDS 4096

/* A remembered state; all zeros: none. */
typedef struct ConsentPlace
{
	pg_atomic_uint32 version;
	Oid			database;
	Oid			file;			/* of the table it was read from */
	int32		granted;
	int32		decided;
	TransactionId newest;		/* no transaction that had changed anything was newer */
	int64		userKey;
	int64		personKey;
	uint64		changes;		/* of both records, when it was read */
} ConsentPlace;

/* So many transactions that change consent are listed. */
#define LISTED 5

/* Who has changed what some people allow; it has half a cache line of the server's. */
typedef struct ConsentChanges
{
	slock_t		mutex;
	pg_atomic_uint64 count;		/* from 1 */
	uint64		highest;		/* transaction id of those not listed */
	uint64		listed[LISTED]; /* transaction ids; 0: none */
} ConsentChanges;

StaticAssertDecl(2 * sizeof(ConsentChanges) == PG_CACHE_LINE_SIZE, "records lie across cache lines");

/* All there is; NULL without preload. */
typedef struct AllChanges
{
	pg_atomic_uint64 before;	/* highest id of those prepared before the server started; 0: nobody has looked yet */
	char		filling[PG_CACHE_LINE_SIZE - sizeof(pg_atomic_uint64)];
	ConsentChanges records[FLEXIBLE_ARRAY_MEMBER];	/* of stripes first */
} AllChanges;

static AllChanges *changes = NULL;
static uint32 recordCount;		/* without those of stripes; a power of two */
static ConsentPlace *places = NULL;
static uint32 placeCount;		/* a power of two */

/* The table subject, whose people are remembered, and its file. */
static Oid	subjectTable = InvalidOid;
static Oid	subjectFile = InvalidOid;

/* Nothing has changed yet. */
static void
InitChanges(void *memory)
{
	AllChanges *made = memory;

	pg_atomic_init_u64(&made->before, 0);
	for (uint32 i = 0; i < SHARD_COUNT + recordCount; i++)
	{
		ConsentChanges *record = &made->records[i];

		memset(record, 0, sizeof(ConsentChanges));
		SpinLockInit(&record->mutex);
		pg_atomic_init_u64(&record->count, 1);
	}
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

/* The record of a person's stripe. */
static inline ConsentChanges *
StripeRecord(int64 userKey)
{
	return &changes->records[ShardOfKey(userKey)];
}

/* The record that a person has with few others. */
static inline ConsentChanges *
OwnRecord(int64 userKey)
{
	return &changes->records[SHARD_COUNT + (KeySpread(userKey) & (recordCount - 1))];
}

/* How often a person's records say that something changed. */
static inline uint64
CountChanges(int64 userKey)
{
	return pg_atomic_read_u64(&OwnRecord(userKey)->count) + pg_atomic_read_u64(&StripeRecord(userKey)->count);
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

/* What is known of a record, copied. */
static ConsentChanges
CopyRecord(ConsentChanges *record)
{
	ConsentChanges copy;

	SpinLockAcquire(&record->mutex);
	copy = *record;
	SpinLockRelease(&record->mutex);
	copy.highest = Max(copy.highest, ChangedBefore());
	return copy;
}

/* True if all that a record names is over in the snapshot; *newest grows to the newest of it. */
static bool
AreAllOver(const ConsentChanges *record, Snapshot snapshot, uint64 *newest)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	uint64		xmin = next - (uint32) ((uint32) next - snapshot->xmin);	/* no more than 2^31 before the next one */

	*newest = Max(*newest, record->highest);
	if (record->highest >= xmin)
		return false;
	for (int i = 0; i < LISTED; i++)
	{
		TransactionId id = (TransactionId) record->listed[i];

		*newest = Max(*newest, record->listed[i]);
		if (record->listed[i] >= xmin && (id == GetTopTransactionIdIfAny() || XidInMVCCSnapshot(id, snapshot)))
			return false;
	}
	return true;
}

/*
 * True if all who have changed what a person allows are over in the snapshot; how often, and the
 * newest of them.
 */
static bool
ChangesAreOver(int64 userKey, Snapshot snapshot, uint64 *count, uint64 *newest)
{
	ConsentChanges own = CopyRecord(OwnRecord(userKey));
	ConsentChanges stripe = CopyRecord(StripeRecord(userKey));

	*newest = 0;
	*count = pg_atomic_read_u64(&own.count) + pg_atomic_read_u64(&stripe.count);
	return AreAllOver(&own, snapshot, newest) && AreAllOver(&stripe, snapshot, newest);
}

/* True if a place that has not changed since holds for the snapshot. */
static bool
HoldsFor(const ConsentPlace *place, Snapshot snapshot)
{
	uint64		count;
	uint64		newest;

	return TransactionIdPrecedes(place->newest, snapshot->xmin) ||
		(ChangesAreOver(place->userKey, snapshot, &count, &newest) && count == place->changes);
}

/*
 * True if anything can be remembered, and relied on, under a snapshot: who is serializable leaves word
 * of what he reads, and one that was taken in recovery may outlive it, and is older than changes of the
 * primary that nobody has entered here.
 */
static bool
IsUsable(Snapshot snapshot)
{
	return places != NULL && !snapshot->takenDuringRecovery && !IsolationIsSerializable();
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
	__builtin_prefetch(OwnRecord(userKey));
#endif
}

/* Fill in the state of a person if it is remembered and still holds. */
bool
ConsentCacheFind(ConsentState *state, Snapshot snapshot)
{
	ConsentPlace place;

	if (!IsUsable(snapshot) || !ReadPlace(state->userKey, &place) ||
		place.changes != CountChanges(state->userKey) || !HoldsFor(&place, snapshot))
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
		if (!OidIsValid(place->database) || place->changes != CountChanges(place->userKey))
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
	uint64		newest;

	if (!IsUsable(snapshot) || !(state->hasSubject || state->hasLedger) || state->since != DT_NOBEGIN)
		return;
	if (!ChangesAreOver(state->userKey, snapshot, &made.changes, &newest))
		return;
	made.newest = (TransactionId) newest;
	made.file = SubjectFile();
	place = PlaceFor(state->userKey);
	VersionWrite(&place->version, &place->database, &made.database,
				 sizeof(ConsentPlace) - offsetof(ConsentPlace, database));
}

/* Enter a transaction in a record, unless all places are taken. */
static bool
EnterChange(ConsentChanges *record, uint64 transactionId)
{
	int			place = -1;

	for (int i = 0; i < LISTED; i++)
		if (record->listed[i] == transactionId || (place < 0 && record->listed[i] == 0))
			place = i;
	if (place < 0)
		return false;
	record->listed[place] = transactionId;
	pg_atomic_write_u64(&record->count, pg_atomic_read_u64(&record->count) + 1);
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
EnterInstead(ConsentChanges *record, uint64 transactionId)
{
	ConsentChanges seen = CopyRecord(record);

	for (int i = 0; i < LISTED; i++)
		if (seen.listed[i] != 0 && !IsOver(seen.listed[i]))
			seen.listed[i] = 0;
	SpinLockAcquire(&record->mutex);
	for (int i = 0; i < LISTED; i++)
		if (record->listed[i] == seen.listed[i])
			record->listed[i] = 0;
	if (!EnterChange(record, transactionId))
	{
		record->highest = Max(record->highest, record->listed[0]);
		record->listed[0] = 0;
		(void) EnterChange(record, transactionId);
	}
	SpinLockRelease(&record->mutex);
}

/* Enter this transaction in a record. */
static void
NoteChange(ConsentChanges *record)
{
	uint64		transactionId = U64FromFullTransactionId(GetTopFullTransactionId());
	bool		entered;

	SpinLockAcquire(&record->mutex);
	entered = EnterChange(record, transactionId);
	SpinLockRelease(&record->mutex);
	if (!entered)
		EnterInstead(record, transactionId);
}

/* Say that this transaction is about to change what a person allows. */
void
ConsentCacheNoteChange(int64 userKey)
{
	if (changes != NULL)
		NoteChange(OwnRecord(userKey));
}

/* Say that it is about to change what people of these stripes (NULL: all) allow, or whose their ids are. */
void
ConsentCacheNoteStripes(const bool *stripes)
{
	for (int stripe = 0; stripe < SHARD_COUNT && changes != NULL; stripe++)
		if (stripes == NULL || stripes[stripe])
			NoteChange(&changes->records[stripe]);
}

/* Somebody is about to write by hand what states are read from: whose is not known yet. */
static void
NoteHandWrite(void)
{
	if (!XactReadOnly && !RecoveryInProgress())
		ConsentCacheNoteStripes(NULL);
}

static HandWatch handWatches[] = {
	{"subject", NoteHandWrite},
	{"identity", NoteHandWrite},
	{"consent_ledger", NoteHandWrite},
};

/* Ask for shared memory, and watch the tables. */
void
ConsentCacheInit(void)
{
	uint32		buffers = Min(NBuffers, MOST_BUFFERS);

	RelationWatch(ForgetFile);
	for (int i = 0; i < lengthof(handWatches); i++)
		HandWatchRegister(&handWatches[i]);
	placeCount = pg_nextpower2_32(Max(buffers * PLACES_PER_BUFFER, LEAST_PLACES));
	recordCount = pg_nextpower2_32(Max(buffers / BUFFERS_PER_RECORD, LEAST_RECORDS));
	SharedMemoryRegister("personalize consent changes",
						 add_size(offsetof(AllChanges, records), mul_size(sizeof(ConsentChanges), SHARD_COUNT + recordCount)),
						 (void **) &changes, InitChanges);
	SharedMemoryRegister("personalize consents", mul_size(sizeof(ConsentPlace), placeCount),
						 (void **) &places, ClearPlaces);
}

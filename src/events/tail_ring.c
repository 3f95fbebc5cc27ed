/*
 * tail_ring.c
 *		Where the newest events of each person lie, in shared memory.
 *
 * Whoever writes events adds their places, before the transaction ends: a place only
 * says where to look, and the reader's snapshot decides in the table what it sees.  So
 * nothing happens at commit, and what was rolled back does no harm.  Which events are
 * all in the ring is the business of tail_cover.c.
 *
 * The places are numbered.  Those of people who share a bucket are a chain, the newest
 * first; the ring is overwritten in segments, the oldest first.  Each segment knows the
 * highest transaction in it and in all before: that of the overwritten ones tells what
 * may be lost, and where a reader may stop.
 *
 * One at a time adds, readers take no lock: a place is written before it is numbered,
 * the number is known before the bucket points to it, and `first` is moved on before a
 * segment is overwritten.  A reader that finds it moved past what it has read begins
 * again.  32 bits of a number are kept; one that is too old leads astray, to somebody
 * else's places at worst, for every link goes to a lower number.
 *
 * People are told apart by 16 bits and the bucket of a hash that is keyed with a secret
 * of this start of the server.  No key and no hash of one is kept.
 */
#include "postgres.h"

#include "events/tail_ring.h"

#include "base/shared_memory.h"
#include "compat.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "utils/guc.h"

/* The smallest ring, in kB. */
#define LEAST_SIZE 256

#define SEGMENT_PLACES 1024

/* A bucket for so many bytes of the ring, at most. */
#define BYTES_PER_BUCKET 32

/* So many places are added under one lock. */
#define ADD_AT_ONCE 64

/* A reader begins again so often. */
#define ATTEMPTS 3

/* A place. */
typedef struct TailEntry
{
	BlockNumber block;
	Oid			file;
	uint32		previous;		/* in the chain; 0: none */
	OffsetNumber offset;
	uint16		check;			/* bits of the hash that are not the bucket's */
} TailEntry;

typedef struct TailRing
{
	LWLock		lock;			/* to add */
	uint64		secret;
	pg_atomic_uint64 next;		/* number of the next place */
	pg_atomic_uint64 first;		/* of the oldest that is kept */
	pg_atomic_uint64 lost;		/* highest transaction of those before */
} TailRing;

static int	tailRingSize = 65536;	/* kB */

static TailRing *ring = NULL;
static uint64 segmentCount;
static uint32 bucketCount;		/* a power of two */

/* Behind the ring. */
static pg_atomic_uint64 *reached;	/* by segment */
static pg_atomic_uint32 *buckets;
static TailEntry *entries;

/* Find the parts of the memory. */
static void
FindParts(void)
{
	reached = (pg_atomic_uint64 *) ((char *) ring + CACHELINEALIGN(sizeof(TailRing)));
	buckets = (pg_atomic_uint32 *) (reached + segmentCount);
	entries = (TailEntry *) (buckets + bucketCount);
}

/* Begin with nothing. */
static void
ClearRing(void *memory)
{
	ring = memory;
	FindParts();
	LWLockInitialize(&ring->lock, LWLockNewTrancheId());
	LWLockRegisterTranche(ring->lock.tranche, "personalize tail");
	if (!pg_strong_random(&ring->secret, sizeof(ring->secret)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bits for the ring of events")));
	pg_atomic_init_u64(&ring->next, SEGMENT_PLACES);
	pg_atomic_init_u64(&ring->first, SEGMENT_PLACES);
	pg_atomic_init_u64(&ring->lost, 0);
	for (uint64 i = 0; i < segmentCount; i++)
		pg_atomic_init_u64(&reached[i], 0);
	for (uint32 i = 0; i < bucketCount; i++)
		pg_atomic_init_u32(&buckets[i], 0);
}

/* GUC check hook: nothing, or enough for some segments. */
static bool
CheckSize(int *value, void **extra, GucSource source)
{
	if (*value == 0 || *value >= LEAST_SIZE)
		return true;
	GUC_check_errdetail("\"%s\" must be 0 or at least %d kB.", "personalize.tail_ring_size", LEAST_SIZE);
	return false;
}

/* Define the setting and ask for the memory, less what is taken of it elsewhere. */
bool
TailRingInit(Size reserved)
{
	Size		size;
	Size		fixed;

	DefineCustomIntVariable("personalize.tail_ring_size",
							"Shared memory that knows where the events lie that no processor has counted yet.",
							"18 bytes an event; 0 for none: readers then look through the newest pages of event.",
							&tailRingSize, 65536, 0, 4 * 1024 * 1024, PGC_POSTMASTER, GUC_UNIT_KB,
							CheckSize, NULL, NULL);
	if (tailRingSize == 0)
		return false;
	size = mul_size(tailRingSize, 1024) - reserved;
	bucketCount = pg_nextpower2_32(size / BYTES_PER_BUCKET / 2 + 1);
	fixed = CACHELINEALIGN(sizeof(TailRing)) + sizeof(pg_atomic_uint32) * bucketCount;
	segmentCount = (size - fixed) / (sizeof(pg_atomic_uint64) + sizeof(TailEntry) * SEGMENT_PLACES);
	SharedMemoryRegister("personalize tail", size, (void **) &ring, ClearRing);
	return true;
}

/* The hash of a person in this database. */
static inline uint64
HashPerson(int64 userKey)
{
	uint64		hash = (uint64) userKey ^ ring->secret ^ ((uint64) MyDatabaseId << 32);

	/* the finalizer of MurmurHash3 */
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xc4ceb9fe1a85ec53);
	return hash ^ (hash >> 33);
}

static inline uint16
CheckBits(uint64 hash)
{
	return (uint16) (hash >> 48);
}

/* The segment of a number. */
static inline pg_atomic_uint64 *
Reached(uint64 number)
{
	return &reached[number / SEGMENT_PLACES % segmentCount];
}

static inline TailEntry *
Entry(uint64 number)
{
	return &entries[number / SEGMENT_PLACES % segmentCount * SEGMENT_PLACES + number % SEGMENT_PLACES];
}

/* Take a segment that begins with a number, from the oldest places if need be. */
static void
OpenSegment(uint64 number)
{
	uint64		first = pg_atomic_read_u64(&ring->first);

	if (number - first >= segmentCount * SEGMENT_PLACES)
	{
		pg_atomic_write_u64(&ring->lost, pg_atomic_read_u64(Reached(first)));
		pg_atomic_write_u64(&ring->first, first + SEGMENT_PLACES);
		pg_memory_barrier();
	}
	pg_atomic_write_u64(Reached(number),
						number == SEGMENT_PLACES ? 0 : pg_atomic_read_u64(Reached(number - 1)));
}

/* The segment that is being written. */
typedef struct TailSegment
{
	pg_atomic_uint64 *reached;
	TailEntry  *entries;		/* NULL: it is to be looked up */
} TailSegment;

/* Add a place; the lock is held. */
static void
AddEntry(TailSegment *segment, Oid file, const TailEvent *event, uint64 hash)
{
	pg_atomic_uint32 *bucket = &buckets[hash & (bucketCount - 1)];
	uint64		number = pg_atomic_read_u64(&ring->next);
	TailEntry  *entry;

	if (number % SEGMENT_PLACES == 0)
		OpenSegment(number);
	if (number % SEGMENT_PLACES == 0 || segment->entries == NULL)
		*segment = (TailSegment) {Reached(number), Entry(number - number % SEGMENT_PLACES)};
	if ((uint32) number == 0)
		number++;				/* means none */
	if (pg_atomic_read_u64(segment->reached) < event->transaction)
		pg_atomic_write_u64(segment->reached, event->transaction);
	entry = &segment->entries[number % SEGMENT_PLACES];
	entry->block = event->block;
	entry->file = file;
	entry->offset = event->offset;
	entry->check = CheckBits(hash);
	entry->previous = pg_atomic_read_u32(bucket);
	pg_write_barrier();
	pg_atomic_write_u64(&ring->next, number + 1);
	pg_write_barrier();
	pg_atomic_write_u32(bucket, (uint32) number);
}

/* Hash people, and bring their buckets into the processor's caches: waiting for them is most of the work. */
static void
HashEvents(const TailEvent *events, int count, uint64 *hashes)
{
	for (int i = 0; i < count; i++)
	{
		hashes[i] = HashPerson(events[i].userKey);
#ifdef __GNUC__
		__builtin_prefetch(&buckets[hashes[i] & (bucketCount - 1)], 1);
#endif
	}
}

/* Add events. */
void
TailRingAdd(Oid file, const TailEvent *events, int count)
{
	uint64		hashes[ADD_AT_ONCE];

	for (int start = 0; start < count; start += ADD_AT_ONCE)
	{
		int			end = Min(start + ADD_AT_ONCE, count);
		TailSegment segment = {NULL, NULL};

		HashEvents(events + start, end - start, hashes);
		LWLockAcquire(&ring->lock, LW_EXCLUSIVE);
		for (int i = start; i < end; i++)
			AddEntry(&segment, file, &events[i], hashes[i - start]);
		LWLockRelease(&ring->lock);
	}
}

/* True if places of transactions from this one on may be lost. */
bool
TailRingHasLost(uint64 since)
{
	return pg_atomic_read_u64(&ring->lost) >= since;
}

/* Before this number there is no place of a transaction from this one on. */
static uint64
FindStart(uint64 since, uint64 first, uint64 next)
{
	uint64		from = first / SEGMENT_PLACES;
	uint64		to = (next - 1) / SEGMENT_PLACES + 1;

	while (from < to)
	{
		uint64		middle = from + (to - from) / 2;

		if (pg_atomic_read_u64(Reached(middle * SEGMENT_PLACES)) < since)
			from = middle + 1;
		else
			to = middle;
	}
	return Max(from * SEGMENT_PLACES, first);
}

/* Append a place. */
static void
Append(TailPlaces *found, const TailEntry *entry, uint64 number)
{
	if (found->places == NULL)
		found->places = palloc(sizeof(TailPlace) * 16);
	else if (found->count >= 16 && (found->count & (found->count - 1)) == 0)
		found->places = repalloc_huge(found->places, sizeof(TailPlace) * 2 * found->count);
	found->places[found->count++] = (TailPlace) {entry->file, entry->block, entry->offset, number};
}

/* Walk a chain; false: it was overwritten meanwhile. */
static bool
WalkChain(uint64 hash, uint64 since, int64 most, TailPlaces *found)
{
	uint64		first = pg_atomic_read_u64(&ring->first);
	uint32		link = pg_atomic_read_u32(&buckets[hash & (bucketCount - 1)]);
	uint64		bound;
	uint64		start;
	uint64		lowest;

	pg_read_barrier();
	bound = pg_atomic_read_u64(&ring->next);
	if (link == 0 || bound == SEGMENT_PLACES)
		return true;
	start = FindStart(since, first, bound);
	lowest = bound;
	while (link != 0 && found->count <= most)
	{
		uint64		number = bound - (uint32) ((uint32) bound - link);
		TailEntry	entry;

		if (number < start || number >= bound)
			break;
		entry = *Entry(number);
		lowest = bound = number;
		link = entry.previous;
		if (entry.check == CheckBits(hash))
			Append(found, &entry, number);
	}
	pg_read_barrier();
	return pg_atomic_read_u64(&ring->first) <= lowest;
}

/* Find where the person's events lie. */
bool
TailRingFind(int64 userKey, uint64 since, int64 most, TailPlaces *found)
{
	uint64		hash = HashPerson(userKey);

	found->places = NULL;
	for (int i = 0; i < ATTEMPTS; i++)
	{
		found->count = 0;
		if (TailRingHasLost(since))
			return false;
		if (WalkChain(hash, since, most, found))
			return true;
	}
	return false;
}

/* What the ring holds. */
bool
TailRingLook(TailRingState *state)
{
	if (ring == NULL)
		return false;
	state->next = pg_atomic_read_u64(&ring->next);
	state->bytes = mul_size(tailRingSize, 1024);
	state->capacity = segmentCount * SEGMENT_PLACES;
	state->kept = state->next - pg_atomic_read_u64(&ring->first);
	state->added = state->next - SEGMENT_PLACES;
	state->lost = pg_atomic_read_u64(&ring->lost);
	return true;
}

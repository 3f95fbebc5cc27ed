/*
 * tail_cover.c
 *		Which events are all in the ring of the newest ones.
 *
 * Whoever writes events through this extension adds them to the ring (tail_ring.c).
 * What was written before the server started is not in it, nor what others write by
 * INSERT, COPY or logical replication.  So shared memory lists the partitions whose
 * events, of transactions from one on, are all in the ring.
 *
 * A reader that misses a partition in the list reads its newest pages once and adds
 * what is there, whether anybody sees it or not: what is written meanwhile adds itself.
 * That others have written is found at the end of each transaction, prepared ones
 * included (tail_note.c), and the partition taken off the list before the transaction
 * becomes visible.  A reader that was adding its pages looks
 * whether that has happened before it lists it again.
 *
 * Nothing is in the ring on a standby, and without shared_preload_libraries there is none.
 */
#include "postgres.h"

#include "events/tail_cover.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/counter.h"
#include "base/page_find.h"
#include "base/relation.h"
#include "base/shared_memory.h"
#include "base/txid.h"
#include "compat.h"
#include "events/event_pages.h"
#include "events/event_row.h"
#include "events/partition.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

/* As many partitions can be listed, of all databases. */
#define MAX_DAYS 512

/* A reader that found too many events to add is believed for so long. */
#define TOO_MANY_BELIEVED (5 * USECS_PER_SEC)

/* A partition. */
typedef struct TailDay
{
	Oid			database;		/* InvalidOid: unused */
	Oid			partition;
	Oid			file;
	bool		covered;
	uint64		since;			/* by this transaction and later ones */
	uint64		changes;		/* moves on when others have written */
} TailDay;

typedef struct TailCover
{
	pg_atomic_uint64 changes;	/* moves on with every change of a day */
	pg_atomic_uint64 tooMany;	/* when a reader found too many to add */
	pg_atomic_uint32 adding;	/* who is at it; 0: nobody */
	pg_atomic_uint32 dayCount;	/* used so far */
	TailDay		days[MAX_DAYS];
} TailCover;

static TailCover *cover = NULL;

/* Counters: reads by the ring and by pages, and times that pages were added. */
static int	firstCounter;
enum
{
	COUNTER_RING,
	COUNTER_PAGES,
	COUNTER_ADDED
};

/* The list as this backend has last found it complete. */
static struct
{
	bool		valid;
	uint64		changes;
	uint64		relations;		/* RelationGeneration */
	uint64		next;			/* of the ring then */
	uint64		since;
	int			count;
	struct
	{
		Oid			partition;
		Oid			file;
	}			days[MAX_DAYS];
}			known;

/* Begin with no partition. */
static void
ClearCover(void *memory)
{
	TailCover  *made = memory;

	memset(made, 0, sizeof(TailCover));
	pg_atomic_init_u64(&made->changes, 1);
	pg_atomic_init_u64(&made->tooMany, 0);
	pg_atomic_init_u32(&made->adding, 0);
	pg_atomic_init_u32(&made->dayCount, 0);
}

/* The file of a partition. */
static Oid
FileOf(Relation partition)
{
	return CompatRelationFile(partition);
}

/* The entry of a partition of this database, or NULL; the lock is held, or the caller bears with changes. */
static TailDay *
FindDay(Oid partition)
{
	int			count = pg_atomic_read_u32(&cover->dayCount);

	for (int i = 0; i < count; i++)
		if (cover->days[i].partition == partition && cover->days[i].database == MyDatabaseId)
			return &cover->days[i];
	return NULL;
}

/* True if there is a list. */
bool
TailCoverExists(void)
{
	return cover != NULL;
}

/* The next partition of this database in the list; InvalidOid: there is none. */
Oid
TailCoverNext(int *place)
{
	int			count = pg_atomic_read_u32(&cover->dayCount);

	while (*place < count)
	{
		const TailDay *day = &cover->days[(*place)++];

		if (day->database == MyDatabaseId)
			return day->partition;
	}
	return InvalidOid;
}

/* Take a partition off the list. */
void
TailCoverRemove(Oid partition)
{
	TailDay    *day;

	LWLockAcquire(SharedMemoryLock(), LW_EXCLUSIVE);
	day = FindDay(partition);
	if (day != NULL)
	{
		day->covered = false;
		day->changes++;
		pg_atomic_fetch_add_u64(&cover->changes, 1);
	}
	LWLockRelease(SharedMemoryLock());
}

/* An entry for a partition: a new one, or that of one that is not covered. */
static TailDay *
TakeDay(Oid partition)
{
	int			count = pg_atomic_read_u32(&cover->dayCount);
	TailDay    *day = FindDay(partition);

	for (int i = 0; day == NULL && i < count; i++)
		if (!cover->days[i].covered)
			day = &cover->days[i];
	if (day == NULL && count < MAX_DAYS)
	{
		day = &cover->days[count];
		pg_atomic_write_u32(&cover->dayCount, count + 1);
	}
	/* that of a day which nobody reads any more, perhaps */
	if (day == NULL)
		day = &cover->days[partition % MAX_DAYS];
	return day;
}

/* Begin to cover a partition; the number of its changes so far. */
static uint64
BeginDay(Relation partition)
{
	TailDay    *day;
	uint64		changes;

	LWLockAcquire(SharedMemoryLock(), LW_EXCLUSIVE);
	day = TakeDay(RelationGetRelid(partition));
	if (day->database != MyDatabaseId || day->partition != RelationGetRelid(partition) ||
		day->file != FileOf(partition))
	{
		day->database = MyDatabaseId;
		day->partition = RelationGetRelid(partition);
		day->file = FileOf(partition);
		day->covered = false;
		day->changes++;
		pg_atomic_fetch_add_u64(&cover->changes, 1);
	}
	changes = day->changes;
	LWLockRelease(SharedMemoryLock());
	return changes;
}

/* List a partition whose pages were added, unless others have written meanwhile. */
static void
EndDay(Relation partition, uint64 changes, uint64 since)
{
	TailDay    *day;

	LWLockAcquire(SharedMemoryLock(), LW_EXCLUSIVE);
	day = FindDay(RelationGetRelid(partition));
	if (day != NULL && day->changes == changes && day->file == FileOf(partition) &&
		(!day->covered || since < day->since))
	{
		day->covered = true;
		day->since = since;
		pg_atomic_fetch_add_u64(&cover->changes, 1);
	}
	LWLockRelease(SharedMemoryLock());
}

/* Collect the events of a page from a txid on, seen by anybody or not; how many. */
static int
CollectPage(Relation partition, BlockNumber block, int64 minTxid, TailEvent *events)
{
	Buffer		buffer = ReadBuffer(partition, block);
	Page		page = BufferGetPage(buffer);
	OffsetNumber last;
	int			count = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	last = PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleHeader header;
		char	   *data;
		int64		txid;

		if (!ItemIdIsNormal(item))
			continue;
		if (offset + PAGE_FETCH_AHEAD <= last)
			PageFetch(page, offset + PAGE_FETCH_AHEAD, EVENT_TXID_OFFSET);
		header = (HeapTupleHeader) PageGetItem(page, item);
		data = (char *) header + header->t_hoff;
		memcpy(&txid, data + EVENT_TXID_OFFSET, sizeof(txid));
		if (txid < minTxid)
			continue;
		memcpy(&events[count].userKey, data + EVENT_USER_KEY_OFFSET, sizeof(int64));
		events[count].transaction = (uint64) txid & TXID_MASK;
		events[count].block = block;
		events[count++].offset = offset;
	}
	UnlockReleaseBuffer(buffer);
	return count;
}

/* Add the newest pages of a partition; false if there are more events than the ring should take. */
static bool
AddPages(Relation partition, Snapshot snapshot, int64 minTxid, int64 *room)
{
	BlockRun   *runs;
	int			count = EventFindPages(&(EventPages) {partition, snapshot, minTxid, 0}, &runs);
	TailEvent	events[MaxHeapTuplesPerPage];

	for (int i = 0; i < count; i++)
		for (BlockNumber block = runs[i].start; block < runs[i].start + runs[i].count; block++)
		{
			int			found = CollectPage(partition, block, minTxid, events);

			CHECK_FOR_INTERRUPTS();
			*room -= found;
			if (*room < 0)
				return false;
			TailRingAdd(FileOf(partition), events, found);
		}
	if (runs != NULL)
		pfree(runs);
	return true;
}

/* True if this backend may add; nobody else does then. */
static bool
BeginAdding(void)
{
	uint32		other = pg_atomic_read_u32(&cover->adding);

	/* one that was ended in the middle of it does not say so */
	if (other != 0 && other != (uint32) MyProcPid && BackendPidGetProc(other) != NULL)
		return false;
	return pg_atomic_compare_exchange_u32(&cover->adding, &other, MyProcPid);
}

/* True if that was tried in vain a moment ago. */
static bool
HasTooMany(void)
{
	int64		then = (int64) pg_atomic_read_u64(&cover->tooMany);

	return then != 0 && llabs(GetCurrentTimestamp() - then) < TOO_MANY_BELIEVED;
}

/* Add the pages of partitions (a list of OIDs) and list these. */
static void
AddDays(List *partitions, Snapshot snapshot, int64 minTxid, int64 room)
{
	ListCell   *cell;

	foreach(cell, partitions)
	{
		Relation	partition = try_relation_open(lfirst_oid(cell), AccessShareLock);
		uint64		changes;

		if (partition == NULL)
			continue;
		changes = BeginDay(partition);
		if (AddPages(partition, snapshot, minTxid, &room))
			EndDay(partition, changes, (uint64) minTxid & TXID_MASK);
		relation_close(partition, AccessShareLock);
	}
	if (room < 0)
		pg_atomic_write_u64(&cover->tooMany, (uint64) GetCurrentTimestamp());
}

/* Cover partitions from a txid on, unless there is too much in them or somebody else is at it. */
static void
CoverDays(List *partitions, Snapshot snapshot, int64 minTxid)
{
	TailRingState state;

	if (!TailRingLook(&state) || HasTooMany() || !BeginAdding())
		return;
	CounterAdd(firstCounter + COUNTER_ADDED, 1);
	PG_TRY();
	{
		AddDays(partitions, snapshot, minTxid, state.capacity / 2);
	}
	PG_FINALLY();
	{
		pg_atomic_write_u32(&cover->adding, 0);
	}
	PG_END_TRY();
}

/* See which of the open days are covered; a list of the OIDs of those that are not from there on. */
static List *
LookAtDays(Snapshot snapshot, uint64 since)
{
	List	   *missing = NIL;
	TailRingState state;
	ListCell   *cell;

	(void) TailRingLook(&state);
	known.valid = false;
	known.changes = pg_atomic_read_u64(&cover->changes);
	known.relations = RelationGeneration();
	known.next = state.next;
	known.since = 0;
	known.count = 0;
	pg_read_barrier();
	foreach(cell, PartitionList(snapshot, false, 0))
	{
		Relation	partition = try_relation_open(lfirst_oid(cell), AccessShareLock);
		TailDay		day = {0};
		TailDay    *found;

		if (partition == NULL)
			continue;
		RelationCheckColumns(partition);
		LWLockAcquire(SharedMemoryLock(), LW_SHARED);
		found = FindDay(lfirst_oid(cell));
		if (found != NULL)
			day = *found;
		LWLockRelease(SharedMemoryLock());
		if (!day.covered || day.file != FileOf(partition) || day.since > since || known.count == MAX_DAYS)
			missing = lappend_oid(missing, lfirst_oid(cell));
		else
		{
			known.days[known.count].partition = day.partition;
			known.days[known.count++].file = day.file;
			known.since = Max(known.since, day.since);
		}
		relation_close(partition, AccessShareLock);
	}
	return missing;
}

/* From which txid on partitions are to be covered, where a reader asks for those from minTxid on. */
static int64
CoverFrom(const TailQuestion *question)
{
	int64		from = question->coverFrom ? question->coverFrom(question->snapshot) : question->minTxid;

	/* what is older than that is not worth reading, or not to be had */
	if (from >= question->minTxid || !TxidIsCurrent(from) || TailRingHasLost((uint64) from & TXID_MASK))
		return question->minTxid;
	return from;
}

/* True if this backend has found all open days covered from there on, and nothing has changed since. */
static bool
IsKnown(uint64 since)
{
	return known.valid && known.since <= since && known.relations == RelationGeneration() &&
		known.changes == pg_atomic_read_u64(&cover->changes);
}

/* See that all open days are covered; false: some are not. */
static bool
SeeToDays(const TailQuestion *question, uint64 since)
{
	List	   *missing = LookAtDays(question->snapshot, since);

	if (missing != NIL && !TailRingHasLost(since))
	{
		CoverDays(missing, question->snapshot, CoverFrom(question));
		missing = LookAtDays(question->snapshot, since);
	}
	known.valid = missing == NIL;
	return known.valid;
}

/* The number of the day that a file is of; -1: of none that is open. */
static int
DayOfFile(Oid file)
{
	for (int i = 0; i < known.count; i++)
		if (known.days[i].file == file)
			return i;
	return -1;
}

/* True if a place is of a file that there may not have been when the days were looked at. */
static bool
HasNewFile(const TailPlaces *places)
{
	for (int64 i = 0; i < places->count; i++)
		if (places->places[i].number >= known.next && DayOfFile(places->places[i].file) < 0)
			return true;
	return false;
}

/* Order by day and place. */
static inline int
CompareTids(const TailTid *a, const TailTid *b)
{
	BlockNumber left = ItemPointerGetBlockNumberNoCheck(&a->tid);
	BlockNumber right = ItemPointerGetBlockNumberNoCheck(&b->tid);

	if (a->partition != b->partition)
		return a->partition - b->partition;
	if (left != right)
		return left < right ? -1 : 1;
	return (int) ItemPointerGetOffsetNumberNoCheck(&a->tid) - (int) ItemPointerGetOffsetNumberNoCheck(&b->tid);
}

/* Sort them, with the comparison inlined. */
#define ST_SORT SortTids
#define ST_ELEMENT_TYPE TailTid
#define ST_COMPARE(a, b) CompareTids(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Put places of open days in order, each once: one is there twice if its row was replaced.
 * The ring has the newest first, which mostly lies last.
 */
static void
SortPlaces(const TailPlaces *places, TailFound *found)
{
	int64		count = 0;

	found->tids = palloc_extended(sizeof(TailTid) * Max(places->count, 1), MCXT_ALLOC_HUGE);
	for (int64 i = places->count - 1; i >= 0; i--)
	{
		const TailPlace *place = &places->places[i];
		TailTid    *tid = &found->tids[count];

		tid->partition = DayOfFile(place->file);
		ItemPointerSet(&tid->tid, place->block, place->offset);
		count += tid->partition >= 0;
	}
	SortTids(found->tids, count);
	found->count = 0;
	for (int64 i = 0; i < count; i++)
		if (i == 0 || CompareTids(&found->tids[i], &found->tids[i - 1]) != 0)
			found->tids[found->count++] = found->tids[i];
}

/* Close the partitions that are still open. */
void
TailFoundEnd(TailFound *found)
{
	ListCell   *cell;

	foreach(cell, found->partitions)
		if (lfirst(cell) != NULL)
			relation_close(lfirst(cell), AccessShareLock);
	list_free(found->partitions);
	pfree(found->tids);
}

/*
 * Open the partitions of the places, and number these by the list; false if one has
 * another file by now.  Those of a dropped one go, and of pages that VACUUM has cut off.
 */
static bool
OpenPartitions(TailFound *found)
{
	int			last = -1;
	bool		same = true;
	Relation	partition = NULL;
	BlockNumber blocks = 0;
	int64		count = 0;

	found->partitions = NIL;
	for (int64 i = 0; i < found->count && same; i++)
	{
		int			day = found->tids[i].partition;

		if (day != last)
		{
			partition = try_relation_open(known.days[day].partition, AccessShareLock);
			if (partition != NULL)
				found->partitions = lappend(found->partitions, partition);
			same = partition == NULL || FileOf(partition) == known.days[day].file;
			blocks = partition ? RelationGetNumberOfBlocks(partition) : 0;
			last = day;
		}
		if (ItemPointerGetBlockNumber(&found->tids[i].tid) >= blocks)
			continue;
		found->tids[count] = found->tids[i];
		found->tids[count++].partition = list_length(found->partitions) - 1;
	}
	found->count = count;
	if (!same)
	{
		known.valid = false;
		TailFoundEnd(found);
	}
	return same;
}

/* Find where the events lie. */
static bool
FindPlaces(const TailQuestion *question, uint64 since, TailFound *found)
{
	int64		most = question->maxRead > 0 ? question->maxRead : PG_INT64_MAX - 1;
	TailPlaces	places;

	if (!IsKnown(since) && !SeeToDays(question, since))
		return false;
	if (!TailRingFind(question->userKey, since, most, &places))
		return false;
	if (HasNewFile(&places) && !SeeToDays(question, since))
		return false;
	SortPlaces(&places, found);
	return OpenPartitions(found);
}

/* Find where all events lie that are asked for. */
bool
TailCoverFind(const TailQuestion *question, TailFound *found)
{
	bool		covered;

	if (cover == NULL)
		return false;
	/* a serializable reader leaves word of the pages it has read */
	covered = !RecoveryInProgress() && question->snapshot->snapshot_type == SNAPSHOT_MVCC &&
	 !IsolationIsSerializable() && TxidIsCurrent(question->minTxid) &&
		FindPlaces(question, (uint64) question->minTxid & TXID_MASK, found);
	CounterAdd(firstCounter + (covered ? COUNTER_RING : COUNTER_PAGES), 1);
	return covered;
}

/* How many partitions of this database are covered. */
int
TailCoverCountDays(void)
{
	int			days = 0;

	LWLockAcquire(SharedMemoryLock(), LW_SHARED);
	for (uint32 i = 0; i < pg_atomic_read_u32(&cover->dayCount); i++)
		days += cover->days[i].database == MyDatabaseId && cover->days[i].covered;
	LWLockRelease(SharedMemoryLock());
	return days;
}

/* Ask for memory. */
void
TailCoverInit(void)
{
	static const char *const counterNames[] = {"tail.ring", "tail.pages", "tail.added"};

	firstCounter = CounterRegister(counterNames, lengthof(counterNames));
	if (!process_shared_preload_libraries_in_progress || !TailRingInit(sizeof(TailCover)))
		return;
	SharedMemoryRegister("personalize tail days", sizeof(TailCover), (void **) &cover, ClearCover);
}

/*
 * event.c
 *		Reading the raw events.
 *
 * Processors read what came since their last batch, readers the same for one
 * user; both know a txid below which they have seen everything.  Each partition
 * carries a BRIN index over txid, so a scan first asks it for the page ranges
 * that may hold newer rows and then reads only those.  A scan for one user that
 * has no (user_key, ts) index to go by walks the pages itself and looks at the
 * user's key before anything else: 3 ns an event against 20 ns when every tuple
 * is first tested for visibility.  Where shared memory knows the places of a person's
 * newest events (tail_cover.c), only these are looked at.
 *
 * Days that every processor has passed are skipped; partition.c tells which.
 */
#include "postgres.h"

#include "events/event.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "base/page_find.h"
#include "base/page_place.h"
#include "base/relation.h"
#include "base/shard.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event_cache.h"
#include "events/event_places.h"
#include "events/event_pages.h"
#include "events/partition.h"
#include "events/tail_cover.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* So many places ahead of the one that is looked at, memory is asked for what is read of the next. */
#define FETCH_ROWS_AHEAD 3
#define FETCH_POINTERS_AHEAD 6

struct EventScan
{
	EventScanOptions options;
	MemoryContext context;		/* everything below lives in it */
	MemoryContext rowContext;	/* what the last row was unpacked into */
	List	   *partitions;		/* OIDs still to come */
	int64		read;			/* events looked at */
	Relation	relation;		/* the one being read, or NULL */
	TupleTableSlot *slot;

	/* the pages to read */
	BlockRun   *runs;
	int			runCount;
	int			run;

	/* this reads them */
	IndexScanDesc indexScan;
	Relation	index;

	/* or the caller has said where they are */
	const EventPlace *given;	/* NULL: nothing */
	int			givenCount;
	int			givenNext;

	/* or this walk, which has found the tuples of the user, of the shards, or all, on one page */
	BlockNumber block;
	BlockNumber leftOut;		/* pages that are still to be left out where others begin */
	int			standsFor;
	int			foundCount;
	int			foundNext;
	Buffer		buffer;
	BufferAccessStrategy strategy;	/* NULL: as usual */

	/* or they are looked up where they are known to be */
	bool		knowsPlaces;
	TailFound	places;
	int64		nextPlace;
	int			partition;		/* of places; -1: before the first */

	HeapTupleData found[MaxHeapTuplesPerPage];	/* last: it is large, and need not be cleared */
};

/* Start an index scan over one user's events. */
static void
BeginIndexScan(EventScan *scan)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(scan->options.userKey));
	scan->indexScan = index_beginscan(scan->relation, scan->index,
										scan->options.snapshot, NULL, 1, 0);
	index_rescan(scan->indexScan, &key, 1, NULL, 0);
}

/* Prepare to read the current partition. */
static void
BeginPartition(EventScan *scan)
{
	const EventScanOptions *options = &scan->options;

	scan->slot = table_slot_create(scan->relation, NULL);
	scan->runCount = scan->run = 0;

	if (options->ofUser || options->withoutIndex)
		scan->index = EventOpenIndex(scan->relation, BTREE_AM_OID, EVENT_USER_KEY);
	if (scan->index != NULL && options->ofUser)
		BeginIndexScan(scan);
	if (scan->index != NULL)
		return;
	if (options->ofUser && options->places != NULL && EventPlacesHave(options->places, options->userKey))
	{
		scan->givenCount = EventPlacesOf(options->places, options->userKey, RelationGetRelid(scan->relation), &scan->given);
		return;
	}
	scan->runCount = EventFindPages(&(EventPages) {
		scan->relation, options->snapshot, options->minTxid, options->maxTxid, options->ofUser ? &options->userKey : NULL
	}, &scan->runs);
	if (scan->runCount == 0)
		return;
	scan->block = scan->runs[0].start;
	PredicateLockRelation(scan->relation, options->snapshot);
	/* as the server does: whoever reads so much leaves the pages of others where they are */
	if (!options->ofUser && RelationGetNumberOfBlocks(scan->relation) > NBuffers / 4)
		scan->strategy = GetAccessStrategy(BAS_BULKREAD);
}

/* Release what reading the current partition took. */
static void
EndPartition(EventScan *scan)
{
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	scan->buffer = InvalidBuffer;
	if (scan->strategy != NULL)
		FreeAccessStrategy(scan->strategy);
	scan->strategy = NULL;
	scan->foundCount = scan->foundNext = 0;
	scan->givenCount = scan->givenNext = 0;
	if (scan->indexScan)
		index_endscan(scan->indexScan);
	scan->indexScan = NULL;
	if (scan->index)
		index_close(scan->index, AccessShareLock);
	scan->index = NULL;
	if (scan->runs)
		pfree(scan->runs);
	scan->runs = NULL;
	if (scan->slot)
		ExecDropSingleTupleTableSlot(scan->slot);
	scan->slot = NULL;
	if (scan->relation)
		table_close(scan->relation, AccessShareLock);
	scan->relation = NULL;
}

/* Open the next partition that has pages; false when there is none. */
static bool
NextPartition(EventScan *scan)
{
	EndPartition(scan);
	while (scan->partitions != NIL)
	{
		Oid			partition = linitial_oid(scan->partitions);

		scan->partitions = list_delete_first(scan->partitions);
		/* a day may have been dropped since the list was made */
		scan->relation = try_relation_open(partition, AccessShareLock);
		if (scan->relation == NULL)
			continue;
		if (RelationGetNumberOfBlocks(scan->relation) > 0)
		{
			RelationCheckColumns(scan->relation);
			BeginPartition(scan);
			return true;
		}
		table_close(scan->relation, AccessShareLock);
		scan->relation = NULL;
	}
	return false;
}

/* PageWants: the user's. */
static bool
IsOfUser(const void *userKey, const char *bytes)
{
	return memcmp(userKey, bytes, sizeof(int64)) == 0;
}

/* PageWants: of some shards. */
static bool
IsOfShards(const void *shards, const char *bytes)
{
	int64		userKey;

	memcpy(&userKey, bytes, sizeof(int64));
	return ((const bool *) shards)[ShardOfKey(userKey)];
}

/* PageWants: not below a txid. */
static bool
IsNotBelow(const void *minTxid, const char *bytes)
{
	int64		txid;

	memcpy(&txid, bytes, sizeof(int64));
	return txid >= *(const int64 *) minTxid;
}

/* Collect the visible tuples of the shards, or of all that are not below minTxid, on the page last read. */
static void
FindWantedOnPage(EventScan *scan)
{
	const EventScanOptions *options = &scan->options;
	PageWalk	ofShards = {scan->relation, options->snapshot, EVENT_USER_KEY_OFFSET};
	PageWalk	ofAll = {scan->relation, options->snapshot, EVENT_TXID_OFFSET};

	scan->foundNext = 0;
	scan->foundCount = options->shards != NULL ?
		PageFind(&ofShards, IsOfShards, options->shards, scan->buffer, scan->found) :
		PageFind(&ofAll, IsNotBelow, &options->minTxid, scan->buffer, scan->found);
	scan->read += scan->foundCount;
}

/* Collect the user's visible tuples on the page last read into the buffer. */
static void
FindOnPage(EventScan *scan)
{
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	PageWalk	walk = {scan->relation, scan->options.snapshot, EVENT_USER_KEY_OFFSET, offsets};
	int			total;

	walk.offsetCount = EventCacheFindOnPage(scan->relation, scan->block, scan->buffer, scan->options.userKey,
											EVENT_USER_KEY_OFFSET, offsets, &total);
	scan->read += total;
	scan->foundNext = 0;
	scan->foundCount = walk.offsetCount == 0 ? 0 :
		PageFind(&walk, IsOfUser, &scan->options.userKey, scan->buffer, scan->found);
}

/* Read the page at hand into the buffer. */
static void
ReadPage(EventScan *scan)
{
	if (scan->strategy == NULL)
	{
		scan->buffer = PagePlaceRead(scan->relation, scan->block, scan->buffer);
		return;
	}
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	scan->buffer = ReadBufferExtended(scan->relation, MAIN_FORKNUM, scan->block, RBM_NORMAL, scan->strategy);
}

/* True if pages are left out by now. */
static inline bool
IsSampling(const EventScan *scan)
{
	return scan->options.sampleAfter > 0 && scan->read >= scan->options.sampleAfter;
}

/* Move to the next page of the runs that is not left out; false at the partition's end. */
static bool
NextPage(EventScan *scan)
{
	while (scan->run < scan->runCount)
	{
		BlockRun   *run = &scan->runs[scan->run];
		BlockNumber left = run->start + run->count - scan->block;

		if (left > scan->leftOut)
		{
			scan->block += scan->leftOut;
			scan->leftOut = 0;
			return true;
		}
		scan->leftOut -= left;
		if (++scan->run < scan->runCount)
			scan->block = scan->runs[scan->run].start;
	}
	return false;
}

/* The next tuple of the user, of the shards, or of all, by walking pages; false at the partition's end. */
static bool
WalkNext(EventScan *scan)
{
	while (scan->foundNext >= scan->foundCount)
	{
		CHECK_FOR_INTERRUPTS();
		if (EventScanGaveUp(scan) || !NextPage(scan))
			return false;
		scan->standsFor = IsSampling(scan) ? scan->options.sampleEvery : 1;
		if (scan->options.ofUser)
			EventCacheExpect(scan->relation, scan->block + EVENT_PAGES_AHEAD);
		ReadPage(scan);
		if (scan->options.ofUser)
			FindOnPage(scan);
		else
			FindWantedOnPage(scan);
		scan->block++;
		scan->leftOut = IsSampling(scan) ? scan->options.sampleEvery - 1 : 0;
	}
	ExecStoreBufferHeapTuple(&scan->found[scan->foundNext++], scan->slot, scan->buffer);
	return true;
}

/* The place some places on; NULL: none is in the same partition. */
static inline const ItemPointerData *
PlaceAhead(const EventScan *scan, int ahead)
{
	const TailTid *tid = &scan->places.tids[scan->nextPlace + ahead];

	return scan->nextPlace + ahead < scan->places.count && tid->partition == scan->partition ? &tid->tid : NULL;
}

/* Ask for the memory of its line pointer. */
static void
FetchPointerAhead(const EventScan *scan, int ahead)
{
	const ItemPointerData *tid = PlaceAhead(scan, ahead);

	if (tid != NULL)
		PagePlaceFetchPointer(scan->relation, tid);
}

/* Ask for the memory of its row. */
static void
FetchRowAhead(const EventScan *scan, int ahead)
{
	const ItemPointerData *tid = PlaceAhead(scan, ahead);

	if (tid != NULL)
		PagePlaceFetchRow(scan->relation, tid);
}

/* Move to the partition of the next place. */
static void
OpenPlaces(EventScan *scan)
{
	ListCell   *cell;

	EndPartition(scan);
	scan->partition = scan->places.tids[scan->nextPlace].partition;
	cell = list_nth_cell(scan->places.partitions, scan->partition);
	scan->relation = lfirst(cell);
	lfirst(cell) = NULL;
	for (int i = 0; i < FETCH_POINTERS_AHEAD; i++)
		FetchPointerAhead(scan, i);
	scan->slot = table_slot_create(scan->relation, NULL);
	for (int i = 0; i < FETCH_ROWS_AHEAD; i++)
		FetchRowAhead(scan, i);
}

/* Collect the user's visible tuples at the next places, which are on one page. */
static void
FindAtPlaces(EventScan *scan)
{
	const TailTid *tids = scan->places.tids;
	BlockNumber block = ItemPointerGetBlockNumber(&tids[scan->nextPlace].tid);
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	PageWalk	walk = {scan->relation, scan->options.snapshot, EVENT_USER_KEY_OFFSET, offsets};

	while (scan->nextPlace < scan->places.count && walk.offsetCount < MaxHeapTuplesPerPage &&
		   tids[scan->nextPlace].partition == scan->partition &&
		   ItemPointerGetBlockNumber(&tids[scan->nextPlace].tid) == block)
	{
		FetchPointerAhead(scan, FETCH_POINTERS_AHEAD);
		FetchRowAhead(scan, FETCH_ROWS_AHEAD);
		offsets[walk.offsetCount++] = ItemPointerGetOffsetNumber(&tids[scan->nextPlace].tid);
		/* not in the macro, which servers with assertions evaluate more than once */
		scan->nextPlace++;
	}
	scan->buffer = PagePlaceRead(scan->relation, block, scan->buffer);
	scan->foundNext = 0;
	scan->foundCount = PageFind(&walk, IsOfUser, &scan->options.userKey, scan->buffer, scan->found);
}

/* The user's next tuple where it is known to be; false when there is none. */
static bool
PlaceNext(EventScan *scan)
{
	while (scan->foundNext >= scan->foundCount)
	{
		if (scan->nextPlace >= scan->places.count)
			return false;
		CHECK_FOR_INTERRUPTS();
		if (scan->places.tids[scan->nextPlace].partition != scan->partition)
			OpenPlaces(scan);
		FindAtPlaces(scan);
	}
	ExecStoreBufferHeapTuple(&scan->found[scan->foundNext++], scan->slot, scan->buffer);
	return true;
}

/* True if it is known where the events lie. */
bool
EventScanKnowsPlaces(const EventScan *scan)
{
	return scan->knowsPlaces;
}

/* The user's next tuple of those given; false at the partition's end. */
static bool
GivenNext(EventScan *scan)
{
	while (scan->givenNext < scan->givenCount)
	{
		const EventPlace *place = &scan->given[scan->givenNext++];
		ItemPointerData tid = place->tid;

		if ((scan->options.until == 0 || place->ts <= scan->options.until) &&
			table_tuple_fetch_row_version(scan->relation, &tid, scan->options.snapshot, scan->slot))
			return true;
	}
	return false;
}

/* Where the last event is. */
void
EventScanPlace(const EventScan *scan, Oid *partition, ItemPointer tid)
{
	*partition = RelationGetRelid(scan->relation);
	*tid = scan->slot->tts_tid;
}

/* True if the scan ended because of maxRead. */
bool
EventScanGaveUp(const EventScan *scan)
{
	return scan->options.maxRead > 0 && scan->read > scan->options.maxRead;
}

/* For how many events the last one stands. */
int
EventScanStandsFor(const EventScan *scan)
{
	return scan->standsFor;
}

/* The next tuple of the current partition into the slot. */
static bool
NextInPartition(EventScan *scan)
{
	if (scan->relation == NULL || EventScanGaveUp(scan))
		return false;
	if (scan->indexScan)
	{
		scan->read++;
		return index_getnext_slot(scan->indexScan, ForwardScanDirection, scan->slot);
	}
	if (scan->givenCount > 0)
		return GivenNext(scan);
	if (scan->runCount == 0)
		return false;
	return WalkNext(scan);
}

/* Since when what has happened since may have arrived; 0: ever. */
static TimestampTz
FirstArrival(const EventScanOptions *options)
{
	/* a client's clock may have been ahead of ours by so much */
	int64		ahead = personalize_max_future * INT64CONST(1000);

	return options->since > PG_INT64_MIN + ahead && options->since != 0 ? options->since - ahead : options->since;
}

/* True if a scan asks for the newest events of a person and nothing else. */
static bool
IsOfTail(const EventScanOptions *options)
{
	return options->ofUser && options->minTxid > 0 && !options->allDays && options->maxTxid == 0 &&
		options->since == 0 && !options->byPages;
}

/* Find where they lie; false if that is not known. */
static bool
FindTail(const EventScanOptions *options, TailFound *found)
{
	TailQuestion question = {
		options->snapshot, options->userKey, options->minTxid, options->maxRead, options->coverFrom
	};

	return TailCoverFind(&question, found);
}

/* Start a scan; everything lives in the current memory context. */
EventScan *
EventScanBegin(const EventScanOptions *options)
{
	EventScan  *scan = palloc(sizeof(EventScan));

	memset(scan, 0, offsetof(EventScan, found));
	scan->options = *options;
	scan->context = CurrentMemoryContext;
	scan->buffer = InvalidBuffer;
	scan->partition = -1;
	scan->standsFor = 1;
	scan->knowsPlaces = IsOfTail(options) && FindTail(options, &scan->places);
	if (scan->knowsPlaces)
		scan->read = scan->places.count;
	else
		scan->partitions = PartitionList(options->snapshot, options->allDays, FirstArrival(options));
	return scan;
}

/* Move to the next tuple, if need be in the next partition. */
static bool
NextTuple(EventScan *scan)
{
	if (scan->knowsPlaces)
		return !EventScanGaveUp(scan) && PlaceNext(scan);
	while (!NextInPartition(scan))
	{
		if (EventScanGaveUp(scan) || !NextPartition(scan))
			return false;
	}
	return true;
}

/* The next event that may be asked for, unpacked into the row context. */
static bool
NextRow(EventScan *scan, EventRow *row)
{
	while (NextTuple(scan))
	{
		if (scan->options.minTxid > 0 && EventRowTxid(scan->slot) < scan->options.minTxid)
			continue;
		MemoryContextSwitchTo(scan->rowContext);
		EventFillRow(scan->slot, scan->options.keysOnly, row);
		return true;
	}
	return false;
}

/* The next event, days in order and within a day in the order of the pages. */
bool
EventScanNext(EventScan *scan, EventRow *row)
{
	/* the caller may reset its context while the scan goes on */
	MemoryContext caller;
	bool		found;

	/* most people have no event that is not counted yet */
	if (scan->knowsPlaces && scan->places.count == 0)
		return false;
	caller = MemoryContextSwitchTo(scan->context);
	if (scan->rowContext == NULL)
		scan->rowContext = AllocSetContextCreate(scan->context, "personalize event row", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(scan->rowContext);
	found = NextRow(scan, row);
	MemoryContextSwitchTo(caller);
	return found;
}

/* End a scan, at its end or before. */
void
EventScanEnd(EventScan *scan)
{
	EndPartition(scan);
	if (scan->knowsPlaces)
		TailFoundEnd(&scan->places);
	if (scan->rowContext != NULL)
		MemoryContextDelete(scan->rowContext);
	list_free(scan->partitions);
	pfree(scan);
}

/*
 * event_people.c
 *		The raw events of some people, to take them away.
 *
 * Days that every processor has passed have an index on user_key; it is asked
 * for one person after the other.  The pages of younger days are walked once for
 * all of them: on each page the keys are looked at first, 5 ns an event, and
 * only what belongs to one of the people is tested for visibility and unpacked.
 * For one person most pages need not be read, as it is known whose events are on them
 * (event_cache.c).
 */
#include "postgres.h"

#include "events/event_people.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/page_find.h"
#include "base/page_place.h"
#include "base/relation.h"
#include "base/table_rules.h"
#include "catalog/pg_am.h"
#include "compat.h"
#include "events/event_cache.h"
#include "events/event_pages.h"
#include "events/partition.h"
#include "events/person_pages.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A visit to one day. */
typedef struct DayVisit
{
	const KeySet *people;
	bool		single;			/* one person, with this key */
	int64		singleKey;
	EventVisit	visit;
	void	   *arg;
	bool		deletes;
	EventDayRows *rows;			/* to be collected; NULL: visit them */
	Relation	relation;
	TupleTableSlot *slot;
	Snapshot	snapshot;
	MemoryContext context;		/* reset after each event */
} DayVisit;

/* Delete the row in the slot; that retention was faster is no harm. */
static void
DeleteRow(DayVisit *day)
{
	TM_FailureData failure;
	TM_Result	result = table_tuple_delete(day->relation, &day->slot->tts_tid,
											GetCurrentCommandId(true), day->snapshot,
											InvalidSnapshot, true, &failure, false);

	if (result != TM_Ok && result != TM_Deleted)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("row of \"%s\" was changed by another transaction",
						RelationGetRelationName(day->relation))));
}

/* Note where the row in the slot lies. */
static void
CollectRow(EventDayRows *rows, ItemPointer tid)
{
	if (rows->tids == NULL)
		rows->tids = palloc(sizeof(ItemPointerData) * 16);
	else if (rows->count >= 16 && (rows->count & (rows->count - 1)) == 0)
		rows->tids = repalloc_huge(rows->tids, sizeof(ItemPointerData) * 2 * rows->count);
	rows->tids[rows->count++] = *tid;
}

/* Visit the row in the slot. */
static void
VisitRow(DayVisit *day)
{
	MemoryContext caller;
	EventRow	row;

	if (day->rows != NULL)
	{
		CollectRow(day->rows, &day->slot->tts_tid);
		return;
	}
	caller = MemoryContextSwitchTo(day->context);
	EventFillRow(day->slot, false, &row);
	day->visit(day->arg, &row);
	if (day->deletes)
		DeleteRow(day);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(day->context);
}

/* Visit by the index, one person after the other. */
static void
VisitByIndex(DayVisit *day, Relation index)
{
	IndexScanDesc scan = index_beginscan(day->relation, index, day->snapshot, NULL, 1, 0);
	uint64		place = 0;
	int64		userKey;

	while (KeySetNext(day->people, &place, &userKey))
	{
		ScanKeyData key;

		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(userKey));
		index_rescan(scan, &key, 1, NULL, 0);
		while (index_getnext_slot(scan, ForwardScanDirection, day->slot))
			VisitRow(day);
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
}

/* PageWants: one of the people's. */
static bool
IsOfPeople(const void *arg, const char *bytes)
{
	const DayVisit *day = arg;
	int64		key;

	memcpy(&key, bytes, sizeof(key));
	return day->single ? key == day->singleKey : KeySetHas(day->people, key);
}

/*
 * The events of the people on a page that are visible; their number.  One person's may be
 * known without looking at the page.
 */
static int
FindOnPage(DayVisit *day, PageWalk *walk, Buffer buffer, BlockNumber block, HeapTupleData *found)
{
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	int			total;

	if (!day->single)
		return PageFind(walk, IsOfPeople, day, buffer, found);
	walk->offsets = offsets;
	walk->offsetCount = EventCacheFindOnPage(day->relation, block, buffer, day->singleKey,
											 EVENT_USER_KEY_OFFSET, offsets, &total);
	return walk->offsetCount == 0 ? 0 : PageFind(walk, IsOfPeople, day, buffer, found);
}

/* Visit by walking all pages, or those on which one person's events are known to be. */
static void
VisitByPage(DayVisit *day)
{
	const PersonPages *known = day->single ? PersonPagesOf(day->relation, day->singleKey, EVENT_USER_KEY_OFFSET) : NULL;
	BlockNumber pages = known ? known->count : RelationGetNumberOfBlocks(day->relation);
	HeapTupleData *found = palloc(sizeof(HeapTupleData) * MaxHeapTuplesPerPage);
	PageWalk	walk = {day->relation, day->snapshot, EVENT_USER_KEY_OFFSET};

	for (BlockNumber page = 0; page < pages; page++)
	{
		BlockNumber block = known ? known->blocks[page] : page;
		Buffer		buffer;
		int			count;

		if (day->single && page + EVENT_PAGES_AHEAD < pages)
			EventCacheExpect(day->relation, known ? known->blocks[page + EVENT_PAGES_AHEAD] : page + EVENT_PAGES_AHEAD);
		buffer = PagePlaceRead(day->relation, block, InvalidBuffer);
		count = FindOnPage(day, &walk, buffer, block, found);

		for (int i = 0; i < count; i++)
		{
			ExecStoreBufferHeapTuple(&found[i], day->slot, buffer);
			VisitRow(day);
		}
		ExecClearTuple(day->slot);
		ReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	pfree(found);
}

/* Visit one day. */
static void
VisitDay(DayVisit *day)
{
	Relation	index = EventOpenIndex(day->relation, BTREE_AM_OID, EVENT_USER_KEY);

	day->slot = table_slot_create(day->relation, NULL);
	if (index)
	{
		VisitByIndex(day, index);
		index_close(index, NoLock);
	}
	else
		VisitByPage(day);
	ExecDropSingleTupleTableSlot(day->slot);
}

/* Visit all events of these people. */
void
EventVisitPeople(const KeySet *people, EventVisit visit, void *arg, bool deletes)
{
	DayVisit	day = {.people = people,.visit = visit,.arg = arg,.deletes = deletes};
	uint64		place = 0;
	List	   *partitions;
	ListCell   *cell;

	day.single = people->count == 1;
	if (day.single)
		(void) KeySetNext(people, &place, &day.singleKey);
	day.snapshot = GetActiveSnapshot();
	day.context = AllocSetContextCreate(CurrentMemoryContext, "personalize event",
										ALLOCSET_DEFAULT_SIZES);
	partitions = PartitionList(day.snapshot, true, 0);
	foreach(cell, partitions)
	{
		/* a day may have been dropped since the list was made */
		day.relation = try_table_open(lfirst_oid(cell), RowExclusiveLock);
		if (day.relation == NULL)
			continue;
		RelationCheckColumns(day.relation);
		if (deletes)
			TableRulesCheck(day.relation, CMD_DELETE);
		if (RelationGetNumberOfBlocks(day.relation) > 0)
			VisitDay(&day);
		table_close(day.relation, NoLock);
	}
	list_free(partitions);
	MemoryContextDelete(day.context);
}

/* Collect a person's events of a day, unless an index tells them. */
static void
CollectDay(DayVisit *day, EventDayRows *rows)
{
	day->rows = rows;
	day->slot = table_slot_create(day->relation, NULL);
	VisitByPage(day);
	ExecDropSingleTupleTableSlot(day->slot);
}

/* True if a day has an index on user_key. */
static bool
DayIsIndexed(Relation relation)
{
	Relation	index = EventOpenIndex(relation, BTREE_AM_OID, EVENT_USER_KEY);

	if (index != NULL)
		index_close(index, AccessShareLock);
	return index != NULL;
}

/* Find a person's events in the days from the first on that has no index. */
List *
EventOpenRows(int64 userKey, TimestampTz *since)
{
	DayVisit	day = {.single = true,.singleKey = userKey,.snapshot = GetActiveSnapshot()};
	List	   *found = NIL;
	ListCell   *cell;

	*since = DT_NOEND;
	foreach(cell, PartitionDays(day.snapshot, true))
	{
		EventDayRows *rows = palloc0(sizeof(EventDayRows));
		Oid			partition;

		PartitionName(lfirst_int(cell), rows->partition);
		partition = RelationFind(rows->partition, true);
		day.relation = OidIsValid(partition) ? try_table_open(partition, AccessShareLock) : NULL;
		if (day.relation == NULL)
			continue;
		RelationCheckColumns(day.relation);
		rows->indexed = DayIsIndexed(day.relation);
		if (!rows->indexed && *since == DT_NOEND)
			*since = lfirst_int(cell) * USECS_PER_DAY;
		if (!rows->indexed)
			CollectDay(&day, rows);
		table_close(day.relation, AccessShareLock);
		if (*since != DT_NOEND && (rows->indexed || rows->count > 0))
			found = lappend(found, rows);
	}
	return found;
}

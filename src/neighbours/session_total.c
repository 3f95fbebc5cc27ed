/*
 * session_total.c
 *		What is counted over all sessions together.
 *
 * Sums of integers of the sessions that have postings: how many there are and how
 * many items they have, the latter by day, from which the trend takes what is recent;
 * and how often people came back to items (repeat.c).  A batch adds up what it does
 * and writes each row once.
 */
#include "postgres.h"

#include "neighbours/session_total.h"

#include <math.h>

#include "base/keyed.h"
#include "base/row_place.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "neighbours/pair_list.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Columns of _session_total. */
typedef enum TotalColumn
{
	TOTAL_SINGLETON = 1,
	TOTAL_SESSIONS,
	TOTAL_NEWEST,
	TOTAL_ENTRIES,
	TOTAL_RECENT,
	TOTAL_LAST_DAY
} TotalColumn;
#define TOTAL_COLUMN_COUNT 6

/* Columns of _session_day. */
typedef enum DayColumn
{
	DAY_DAY = 1,
	DAY_ENTRIES
} DayColumn;
#define DAY_COLUMN_COUNT 2

/* Columns of _session_repeat. */
typedef enum RepeatColumn
{
	REPEAT_PLACE = 1,
	REPEAT_HITS,
	REPEAT_POSSIBLE
} RepeatColumn;
#define REPEAT_COLUMN_COUNT 3

/* Days that weigh something; e^-20 of a day is nothing. */
#define RECENT_DAYS 60

/* The items of a day. */
typedef struct DaySum
{
	int32		day;			/* since 2000-01-01 UTC; hash key */
	int64		entries;
} DaySum;

struct SessionSum
{
	int64		sessions;
	int64		entries;
	TimestampTz newest;
	HTAB	   *days;			/* of DaySum */
	RepeatCounts repeats;
};

/* The day of a time. */
static int32
DayOf(TimestampTz ts)
{
	return (int32) (ts / USECS_PER_DAY - (ts % USECS_PER_DAY < 0));
}

/* Begin with nothing. */
SessionSum *
SessionSumBegin(void)
{
	SessionSum *sum = palloc0(sizeof(SessionSum));
	HASHCTL		control = {.keysize = sizeof(int32),.entrysize = sizeof(DaySum),
	.hcxt = CurrentMemoryContext};

	sum->newest = DT_NOBEGIN;
	sum->days = hash_create("personalize days of sessions", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return sum;
}

/* Add a session, or take one out. */
void
SessionSumAdd(SessionSum *sum, const Session *session, int sign)
{
	sum->sessions += sign;
	sum->entries += sign * session->itemCount;
	sum->newest = Max(sum->newest, session->ended);
	for (int i = 0; i < session->itemCount; i++)
	{
		int32		day = DayOf(session->items[i].ts);
		bool		found;
		DaySum	   *entry = hash_search(sum->days, &day, HASH_ENTER, &found);

		if (!found)
			entry->entries = 0;
		entry->entries += sign;
	}
	RepeatCountSession(&sum->repeats, session, sign);
}

/* Add a day, the last one first, to what is recent; items count at noon. */
static void
AddDay(SessionTotals *totals, int32 day, int64 entries)
{
	if (totals->recent == 0)
		totals->lastDay = day;
	totals->recent += entries * exp(-((double) totals->lastDay - day + 0.5) * USECS_PER_DAY / PAIR_TREND_DECAY);
}

/* qsort comparator of DaySum: the last first. */
static int
CompareDays(const void *a, const void *b)
{
	int32		left = ((const DaySum *) a)->day;
	int32		right = ((const DaySum *) b)->day;

	return left > right ? -1 : left < right;
}

/* The days with items, the last first; returns how many. */
static int
SortDays(const SessionSum *sum, DaySum **days)
{
	HASH_SEQ_STATUS scan;
	DaySum	   *day;
	int			count = 0;

	*days = palloc_array(DaySum, Max(hash_get_num_entries(sum->days), 1));
	hash_seq_init(&scan, sum->days);
	while ((day = hash_seq_search(&scan)) != NULL)
		if (day->entries != 0)
			(*days)[count++] = *day;
	qsort(*days, count, sizeof(DaySum), CompareDays);
	return count;
}

/* What has been added. */
void
SessionSumTotals(const SessionSum *sum, SessionTotals *totals)
{
	DaySum	   *days;
	int			count = SortDays(sum, &days);

	memset(totals, 0, sizeof(SessionTotals));
	totals->sessions = sum->sessions;
	totals->newest = sum->newest;
	totals->entries = sum->entries;
	for (int i = 0; i < count && days[i].day > days[0].day - RECENT_DAYS; i++)
		AddDay(totals, days[i].day, days[i].entries);
	pfree(days);
}

/* How often people came back in what has been added. */
const RepeatCounts *
SessionSumRepeats(const SessionSum *sum)
{
	return &sum->repeats;
}

/* Add to the days, in their order. */
static void
WriteDays(SessionSum *sum, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_session_day", "_session_day_pkey", RowExclusiveLock);
	DaySum	   *days;
	int			count = SortDays(sum, &days);

	for (int i = 0; i < count; i++)
	{
		Datum		values[DAY_COLUMN_COUNT] = {Int32GetDatum(days[i].day)};
		TupleTableSlot *slot;
		ItemPointerData tid;
		int64		before = 0;
		bool		isNull;

		slot = KeyedSeekOne(table, snapshot, 1, values);
		if (slot)
		{
			tid = slot->tts_tid;
			before = DatumGetInt64(slot_getattr(slot, DAY_ENTRIES, &isNull));
		}
		values[DAY_ENTRIES - 1] = Int64GetDatum(before + days[i].entries);
		if (slot && before + days[i].entries == 0)
			KeyedDelete(table, &tid);
		else if (slot)
			KeyedUpdate(table, &tid, values, NULL);
		else
			KeyedInsert(table, values, NULL);
	}
	pfree(days);
	KeyedClose(table);
}

/* Add up what is recent. */
static void
ReadDays(SessionTotals *totals, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_session_day", "_session_day_pkey", AccessShareLock);
	TupleTableSlot *slot;

	totals->recent = 0;
	totals->lastDay = 0;
	KeyedSeek(table, snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(table, BackwardScanDirection)) != NULL)
	{
		bool		isNull;
		int32		day = DatumGetInt32(slot_getattr(slot, DAY_DAY, &isNull));

		if (totals->recent > 0 && day <= totals->lastDay - RECENT_DAYS)
			break;
		AddDay(totals, day, DatumGetInt64(slot_getattr(slot, DAY_ENTRIES, &isNull)));
	}
	KeyedClose(table);
}

/* True if _session_day has the days that have been added, and no others. */
bool
SessionSumDaysAgree(const SessionSum *sum, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_session_day", "_session_day_pkey", AccessShareLock);
	DaySum	   *days;
	int			count = SortDays(sum, &days);
	int			found = 0;
	bool		agree = true;
	TupleTableSlot *slot;

	KeyedSeek(table, snapshot, 0, NULL, InvalidStrategy);
	while (agree && (slot = KeyedNext(table, BackwardScanDirection)) != NULL)
	{
		bool		isNull;

		agree = found < count && days[found].day == DatumGetInt32(slot_getattr(slot, DAY_DAY, &isNull)) &&
			days[found].entries == DatumGetInt64(slot_getattr(slot, DAY_ENTRIES, &isNull));
		found++;
	}
	pfree(days);
	KeyedClose(table);
	return agree && found == count;
}

/* The counts of a row of _session_repeat; NULL: there are not as many as there should be. */
static const int64 *
RepeatArray(TupleTableSlot *slot, int column)
{
	bool		isNull;
	ArrayType  *array = DatumGetArrayTypeP(slot_getattr(slot, column, &isNull));

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != REPEAT_CHANCES || ARR_HASNULL(array))
		return NULL;
	return (const int64 *) ARR_DATA_PTR(array);
}

/*
 * Add a row of _session_repeat to counts.  Every answer goes by them, so one that is
 * damaged stops nobody: it is told of, and counts for nothing.
 */
static bool
AddRepeats(TupleTableSlot *slot, RepeatCounts *counts)
{
	const int64 *hits = RepeatArray(slot, REPEAT_HITS);
	const int64 *possible = RepeatArray(slot, REPEAT_POSSIBLE);
	bool		isNull;
	int			place = DatumGetInt16(slot_getattr(slot, REPEAT_PLACE, &isNull));
	RepeatChance *chances;

	if (hits == NULL || possible == NULL)
	{
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("row of \"_session_repeat\" with place %d is damaged: it counts for nothing", place),
				 errdetail("There are not %d counts.", (int) REPEAT_CHANCES),
				 errhint("SELECT personalize.rebuild_processor('neighbour') makes the table anew from raw events.")));
		return false;
	}
	if (place < 0 || place >= REPEAT_PLACES)
		return true;
	chances = (RepeatChance *) &counts->places[place];
	for (int i = 0; i < REPEAT_CHANCES; i++)
	{
		chances[i].hits += hits[i];
		chances[i].chances += possible[i];
	}
	return true;
}

/* True if nothing was counted at a place. */
static bool
IsZero(const RepeatPlace *place)
{
	static const RepeatPlace zero = {0};

	return memcmp(place, &zero, sizeof(RepeatPlace)) == 0;
}

/* Add to how often people came back. */
static void
WriteRepeats(SessionSum *sum, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_session_repeat", "_session_repeat_pkey", RowExclusiveLock);

	for (int place = 0; place < REPEAT_PLACES; place++)
	{
		Datum		values[REPEAT_COLUMN_COUNT] = {Int16GetDatum(place)};
		const RepeatChance *chances = (const RepeatChance *) &sum->repeats.places[place];
		Datum		hits[REPEAT_CHANCES];
		Datum		possible[REPEAT_CHANCES];
		TupleTableSlot *slot;
		ItemPointerData tid;

		if (IsZero(&sum->repeats.places[place]))
			continue;
		slot = KeyedSeekOne(table, snapshot, 1, values);
		if (slot)
		{
			tid = slot->tts_tid;
			(void) AddRepeats(slot, &sum->repeats);
		}
		for (int i = 0; i < REPEAT_CHANCES; i++)
		{
			hits[i] = Int64GetDatum(chances[i].hits);
			possible[i] = Int64GetDatum(chances[i].chances);
		}
		values[REPEAT_HITS - 1] = PointerGetDatum(construct_array(hits, REPEAT_CHANCES, INT8OID, 8,
																  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[REPEAT_POSSIBLE - 1] = PointerGetDatum(construct_array(possible, REPEAT_CHANCES, INT8OID, 8,
																	  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		if (slot && IsZero(&sum->repeats.places[place]))
			KeyedDelete(table, &tid);
		else if (slot)
			KeyedUpdate(table, &tid, values, NULL);
		else
			KeyedInsert(table, values, NULL);
	}
	KeyedClose(table);
}

/* Take totals from a row of _session_total. */
static void
ReadTotal(TupleTableSlot *slot, SessionTotals *totals)
{
	slot_getallattrs(slot);
	totals->sessions = DatumGetInt64(slot->tts_values[TOTAL_SESSIONS - 1]);
	totals->newest = DatumGetTimestampTz(slot->tts_values[TOTAL_NEWEST - 1]);
	totals->entries = DatumGetInt64(slot->tts_values[TOTAL_ENTRIES - 1]);
	totals->recent = DatumGetFloat8(slot->tts_values[TOTAL_RECENT - 1]);
	totals->lastDay = DatumGetInt32(slot->tts_values[TOTAL_LAST_DAY - 1]);
}

/* Write the row of _session_total; the snapshot sees the days as they have been written. */
static void
WriteTotal(const SessionSum *sum, Snapshot snapshot, TimestampTz newest)
{
	KeyedTable *table = KeyedOpen("_session_total", "_session_total_pkey", RowExclusiveLock);
	Datum		values[TOTAL_COLUMN_COUNT] = {BoolGetDatum(true)};
	SessionTotals totals = {.newest = DT_NOBEGIN};
	TupleTableSlot *slot;
	ItemPointerData tid;

	KeyedSeek(table, snapshot, 0, NULL, InvalidStrategy);
	slot = KeyedNext(table, ForwardScanDirection);
	if (slot)
	{
		tid = slot->tts_tid;
		ReadTotal(slot, &totals);
	}
	ReadDays(&totals, snapshot);
	values[TOTAL_SESSIONS - 1] = Int64GetDatum(totals.sessions + sum->sessions);
	values[TOTAL_NEWEST - 1] = TimestampTzGetDatum(Max(newest, totals.newest));
	values[TOTAL_ENTRIES - 1] = Int64GetDatum(totals.entries + sum->entries);
	values[TOTAL_RECENT - 1] = Float8GetDatum(totals.recent);
	values[TOTAL_LAST_DAY - 1] = Int32GetDatum(totals.lastDay);
	if (slot)
		KeyedUpdate(table, &tid, values, NULL);
	else
		KeyedInsert(table, values, NULL);
	KeyedClose(table);
}

/* Write it all. */
void
SessionSumWrite(SessionSum *sum, Snapshot snapshot, TimestampTz newest)
{
	WriteDays(sum, snapshot);
	WriteRepeats(sum, snapshot);
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	WriteTotal(sum, GetActiveSnapshot(), newest);
	PopActiveSnapshot();
}

/* What _session_total says. */
void
SessionTotalsRead(SessionTotals *totals, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_session_total", "_session_total_pkey", AccessShareLock);
	TupleTableSlot *slot = KeyedFind(table, snapshot, true);

	memset(totals, 0, sizeof(SessionTotals));
	totals->newest = DT_NOBEGIN;
	if (slot)
		ReadTotal(slot, totals);
	KeyedClose(table);
}

/* Forget what the tables say. */
void
SessionTotalsClear(void)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SPI_execute("DELETE FROM personalize._session_total", false, 0);
	SPI_execute("DELETE FROM personalize._session_day", false, 0);
	SPI_execute("DELETE FROM personalize._session_repeat", false, 0);
	SpiUtilEnd(&scope);
}

/* What a backend keeps of _session_repeat, which is as good as read for as long as all rows are the same. */
typedef struct KeptRepeats
{
	Oid			table;			/* InvalidOid: nothing is kept */
	RowMark		marks[REPEAT_PLACES];
	RepeatCounts counts;
	int			damaged;		/* rows */
} KeptRepeats;

static KeptRepeats kept;

/* True if what is kept is what the snapshot sees. */
static bool
IsKept(Relation table, Snapshot snapshot)
{
	if (kept.table != RelationGetRelid(table))
		return false;
	for (int place = 0; place < REPEAT_PLACES; place++)
		if (!RowMarkHolds(table, snapshot, &kept.marks[place]))
			return false;
	return true;
}

/* Read the rows, and keep what they say if they are all there. */
static void
ReadRepeats(KeyedTable *table, Snapshot snapshot)
{
	bool		all = true;

	kept.table = InvalidOid;
	kept.damaged = 0;
	memset(&kept.counts, 0, sizeof(RepeatCounts));
	for (int place = 0; place < REPEAT_PLACES; place++)
	{
		TupleTableSlot *slot = KeyedFind(table, snapshot, place);

		if (slot != NULL && !AddRepeats(slot, &kept.counts))
			kept.damaged++;
		all = all && slot != NULL && RowMarkTake(KeyedRelation(table), snapshot, slot, &kept.marks[place]);
	}
	if (all)
		kept.table = RelationGetRelid(KeyedRelation(table));
}

/* What _session_repeat says; returns how many rows are damaged. */
int
SessionRepeatsRead(RepeatCounts *counts, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("_session_repeat", "_session_repeat_pkey", AccessShareLock);

	if (!IsKept(KeyedRelation(table), snapshot))
		ReadRepeats(table, snapshot);
	*counts = kept.counts;
	KeyedClose(table);
	return kept.damaged;
}

/*
 * item_stat.c
 *		The processor that counts what happens to each item.
 *
 * A counter belongs to (hour, item, currency, event, bucket of places on the
 * page) and holds the number of events and the sum of their worth in 10^-6 of
 * the currency.  Both are integers, so that what a person has added can be taken
 * out again exactly.  An event changes one row, and the rows of one hour lie
 * together, which is how trending() reads them.
 *
 * Purchases also go to _basket (basket.c).
 *
 * Only events that may be used for analytics count.  When a person withdraws
 * that, those of the person's raw events that have been counted are subtracted
 * again, before their consent is cleared; what was dropped as too old stays in
 * the sums, where nothing tells of the person.  The person's baskets go whole.
 */
#include "postgres.h"

#include "items/item_stat.h"

#include "base/event_time.h"
#include "base/interval.h"
#include "base/keyed.h"
#include "base/shard.h"
#include "base/table_writer.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "events/event_measure.h"
#include "events/event_people.h"
#include "fmgr.h"
#include "items/basket.h"
#include "items/item_dictionary.h"
#include "items/item_stat_fold.h"
#include "items/kept_list.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"
#include "workers/processor_verify.h"

PG_FUNCTION_INFO_V1(personalize_currency);
PG_FUNCTION_INFO_V1(personalize_slot_bucket);

/* Columns of item_stat in order; the first five are its key. */
typedef enum StatColumn
{
	STAT_PANE_START,
	STAT_ITEM_KEY,
	STAT_CURRENCY_CODE,
	STAT_EVENT,
	STAT_SLOT_BUCKET,
	STAT_COUNT,
	STAT_AMOUNT
} StatColumn;
#define STAT_COLUMNS (STAT_AMOUNT + 1)

/* One counter; the key has no padding, for it is hashed as bytes. */
typedef struct Counter
{
	struct
	{
		TimestampTz pane;
		int64		itemKey;
		int32		currency;
		int16		event;
		int16		bucket;
	}			key;
	int64		count;
	int64		amount;
	bool		found;			/* there is a row of it, when rows are written or compared */
} Counter;

/*
 * Counters of a batch.  Each event adds one; they are put in order and those of one key
 * together when the room is used up, and when they are asked for: most batches have
 * hardly two events of an item in an hour, and to look for the other takes longer.
 */
typedef struct CounterList
{
	Counter    *counters;
	int64		count;
	int64		capacity;
} CounterList;

#define FIRST_COUNTERS 4096

/* A batch being counted. */
typedef struct StatBatch
{
	CounterList list;
	HTAB	   *baskets;
	TimestampTz foldedBefore;	/* earlier events count in days */
} StatBatch;

/* Start counting, in the current memory context. */
static void *
BeginBatch(void)
{
	StatBatch  *batch = palloc(sizeof(StatBatch));

	batch->foldedBefore = ItemStatFoldedBefore();
	batch->list.count = 0;
	batch->list.capacity = FIRST_COUNTERS;
	batch->list.counters = palloc_array(Counter, FIRST_COUNTERS);
	batch->baskets = BasketBegin();
	return batch;
}

/* Add to a sum, or complain that the sum gets too large. */
static void
AddTo(int64 *sum, int64 value)
{
	if (pg_add_s64_overflow(*sum, value, sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a counter of item_stat is out of range")));
}

/* Order counters as the table's key does. */
static inline int
CompareCounters(const Counter *a, const Counter *b)
{
	if (a->key.pane != b->key.pane)
		return a->key.pane < b->key.pane ? -1 : 1;
	if (a->key.itemKey != b->key.itemKey)
		return a->key.itemKey < b->key.itemKey ? -1 : 1;
	if (a->key.currency != b->key.currency)
		return a->key.currency < b->key.currency ? -1 : 1;
	if (a->key.event != b->key.event)
		return a->key.event - b->key.event;
	return a->key.bucket - b->key.bucket;
}

/* Sort counters in that order, with the comparison inlined. */
#define ST_SORT SortCounters
#define ST_ELEMENT_TYPE Counter
#define ST_COMPARE(a, b) CompareCounters(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Put the counters in order, one of each key. */
static void
SettleCounters(CounterList *list)
{
	int64		settled = 0;

	SortCounters(list->counters, list->count);
	for (int64 i = 0; i < list->count; i++)
	{
		Counter    *last = settled > 0 ? &list->counters[settled - 1] : NULL;

		if (last == NULL || CompareCounters(last, &list->counters[i]) != 0)
		{
			list->counters[settled++] = list->counters[i];
			continue;
		}
		AddTo(&last->count, list->counters[i].count);
		AddTo(&last->amount, list->counters[i].amount);
	}
	list->count = settled;
}

/* Room for one more. */
static Counter *
AddCounter(CounterList *list)
{
	if (list->count == list->capacity)
	{
		SettleCounters(list);
		/* or it would be used up again soon */
		if (list->count > list->capacity / 2)
		{
			list->capacity *= 2;
			list->counters = repalloc_huge(list->counters, sizeof(Counter) * list->capacity);
		}
	}
	return &list->counters[list->count++];
}

/* Count an event so many times: once, or -1 to take it out again. */
static void
CountEvent(StatBatch *batch, const EventRow *row, int64 times)
{
	int64		amount = EventAmount(row);
	Counter    *counter = AddCounter(&batch->list);

	counter->key.pane = row->ts < batch->foldedBefore ?
		IntervalPeriods(row->ts, USECS_PER_DAY) * USECS_PER_DAY :
		IntervalPeriods(row->ts, USECS_PER_HOUR) * USECS_PER_HOUR;
	counter->key.itemKey = row->itemKey;
	counter->key.currency = amount != 0 ? EventCurrency(row) : 0;
	counter->key.event = row->event;
	counter->key.bucket = EventSlotBucket(row->hasSlot, row->slot);
	counter->count = times;
	counter->amount = times * amount;
	counter->found = false;

	if (row->event == EVENT_TYPE_PURCHASE)
		BasketCount(batch->baskets, row, times);
}

/* Take an event into the batch. */
static void
AddEvent(void *state, const EventRow *row)
{
	CountEvent(state, row, 1);
}

/* Read the key of a row. */
static void
ReadCounterKey(TupleTableSlot *slot, Counter *counter)
{
	slot_getallattrs(slot);
	counter->key.pane = DatumGetTimestampTz(slot->tts_values[STAT_PANE_START]);
	counter->key.itemKey = DatumGetInt64(slot->tts_values[STAT_ITEM_KEY]);
	counter->key.currency = DatumGetInt32(slot->tts_values[STAT_CURRENCY_CODE]);
	counter->key.event = DatumGetInt16(slot->tts_values[STAT_EVENT]);
	counter->key.bucket = DatumGetInt16(slot->tts_values[STAT_SLOT_BUCKET]);
}

/* Rows that are passed on the way to the next one wanted, before it is searched for. */
#define ROWS_PASSED 3

/* Rows being looked up from the highest key on: so the newest version of each comes first. */
typedef struct CounterSearch
{
	KeyedTable *table;
	Snapshot	snapshot;
	bool		begun;
	TimestampTz pane;			/* the one that is searched */
	TupleTableSlot *slot;		/* its first row that is not passed; NULL: it has no more */
	Counter		row;			/* the key of that */
} CounterSearch;

/* Go on to the pane's next row. */
static void
NextRow(CounterSearch *search)
{
	search->slot = KeyedNext(search->table, BackwardScanDirection);
	if (search->slot != NULL)
		ReadCounterKey(search->slot, &search->row);
}

/* True if the row at hand comes before that of a counter, as they are searched. */
static bool
IsBefore(const CounterSearch *search, const Counter *counter)
{
	return search->slot != NULL && CompareCounters(&search->row, counter) > 0;
}

/*
 * The row of a counter; NULL: there is none.  That is known of all up to the next row
 * that there is, so that in new panes hardly any are searched for.
 */
static TupleTableSlot *
FindRow(CounterSearch *search, const Counter *counter)
{
	if (search->begun && search->pane == counter->key.pane)
		for (int i = 0; i < ROWS_PASSED && IsBefore(search, counter); i++)
			NextRow(search);
	if (!search->begun || search->pane != counter->key.pane || IsBefore(search, counter))
	{
		Datum		keys[] = {TimestampTzGetDatum(counter->key.pane), Int64GetDatum(counter->key.itemKey)};

		search->begun = true;
		search->pane = counter->key.pane;
		KeyedSeek(search->table, search->snapshot, lengthof(keys), keys, BTLessEqualStrategyNumber);
		do
			NextRow(search);
		while (IsBefore(search, counter));
	}
	return search->slot != NULL && CompareCounters(&search->row, counter) == 0 ? search->slot : NULL;
}

/* Form the row of a counter. */
static void
FormCounter(const Counter *counter, Datum values[STAT_COLUMNS])
{
	values[STAT_PANE_START] = TimestampTzGetDatum(counter->key.pane);
	values[STAT_ITEM_KEY] = Int64GetDatum(counter->key.itemKey);
	values[STAT_CURRENCY_CODE] = Int32GetDatum(counter->key.currency);
	values[STAT_EVENT] = Int16GetDatum(counter->key.event);
	values[STAT_SLOT_BUCKET] = Int16GetDatum(counter->key.bucket);
	values[STAT_COUNT] = Int64GetDatum(counter->count);
	values[STAT_AMOUNT] = Int64GetDatum(counter->amount);
}

/* Add a counter to its row, if there is one, which goes if nothing is left in it. */
static void
UpdateCounter(CounterSearch *search, Counter *counter)
{
	TupleTableSlot *slot = FindRow(search, counter);
	Datum		values[STAT_COLUMNS];

	counter->found = slot != NULL;
	if (slot == NULL)
		return;
	AddTo(&counter->count, DatumGetInt64(slot->tts_values[STAT_COUNT]));
	AddTo(&counter->amount, DatumGetInt64(slot->tts_values[STAT_AMOUNT]));
	FormCounter(counter, values);
	if (counter->count != 0)
		KeyedUpdate(search->table, &slot->tts_tid, values, NULL);
	else
		KeyedDelete(search->table, &slot->tts_tid);
}

/* Write the counters there is no row of yet, in the order of their keys: the index stays dense. */
static void
AddCounters(const CounterList *list)
{
	static const bool nulls[STAT_COLUMNS] = {false};
	LazyWriter	added = {.table = "item_stat",.sorted = true};

	for (int64 i = 0; i < list->count; i++)
	{
		const Counter *counter = &list->counters[i];
		Datum		values[STAT_COLUMNS];

		CHECK_FOR_INTERRUPTS();
		if (counter->found || counter->count == 0)
			continue;
		FormCounter(counter, values);
		LazyWriterAdd(&added, values, nulls);
	}
	LazyWriterEnd(&added);
}

/* Write the counters. */
static void
WriteCounters(CounterList *list)
{
	CounterSearch search = {.snapshot = GetActiveSnapshot()};

	SettleCounters(list);
	search.table = KeyedOpen("item_stat", "item_stat_pkey", RowExclusiveLock);
	KeyedPassVersions(search.table);
	for (int64 i = list->count - 1; i >= 0; i--)
	{
		Counter    *counter = &list->counters[i];

		CHECK_FOR_INTERRUPTS();
		if (counter->count != 0 || counter->amount != 0)
			UpdateCounter(&search, counter);
	}
	KeyedClose(search.table);
	AddCounters(list);
}

/* Write a batch. */
static void
FinishBatch(void *state)
{
	StatBatch  *batch = state;

	WriteCounters(&batch->list);
	BasketWrite(batch->baskets);
	/* lists are not made of what is incomplete */
	if (!ProcessorIsRebuilding())
		KeptListRefresh();
}

/* Events about an item that may be used for analytics. */
static int
ShardOfEvent(const EventRow *row)
{
	if (!row->hasItem || (row->consent & PURPOSE_ANALYTICS) == 0 ||
		(RestrictionOf(row->userKey) & PURPOSE_ANALYTICS) != 0)
		return -1;
	return ShardOfKey(row->itemKey);
}

/* A counter of a batch, or of a row, in words. */
static char *
CounterName(TimestampTz pane, int64 itemKey, int16 event)
{
	return psprintf("item_key " INT64_FORMAT ", event %d, pane %s", itemKey, event,
					EventTimeFormat(pane));
}

/* Compare the stored counters with those of a batch; what is left of these has no row. */
static void
CompareCounterRows(StatBatch *batch, ProcessorVerification *verification)
{
	KeyedTable *table = KeyedOpen("item_stat", "item_stat_pkey", AccessShareLock);
	CounterList *list = &batch->list;
	int64		next = 0;
	TupleTableSlot *slot;

	SettleCounters(list);
	KeyedSeek(table, verification->snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		Counter    *counter = NULL;
		Counter		row;
		int64		found;

		CHECK_FOR_INTERRUPTS();
		ReadCounterKey(slot, &row);
		if (!verification->shards[ShardOfKey(row.key.itemKey)])
			continue;
		found = DatumGetInt64(slot->tts_values[STAT_COUNT]);
		/* both are in the order of the key */
		while (next < list->count && CompareCounters(&list->counters[next], &row) < 0)
			next++;
		if (next < list->count && CompareCounters(&list->counters[next], &row) == 0)
		{
			counter = &list->counters[next];
			counter->found = true;
		}
		ProcessorVerifyKey(verification, 0, counter ? counter->count : 0, found,
						   row.key.pane >= verification->since,
						   CounterName(row.key.pane, row.key.itemKey, row.key.event));
		/* money may be given back, so that less than all of it can be more */
		if (row.key.pane >= verification->since)
			ProcessorVerifyKey(verification, 2, counter ? counter->amount : 0,
							   DatumGetInt64(slot->tts_values[STAT_AMOUNT]), true,
							   CounterName(row.key.pane, row.key.itemKey, row.key.event));
	}
	KeyedClose(table);
	for (int64 i = 0; i < list->count; i++)
	{
		const Counter *counter = &list->counters[i];

		if (!counter->found && counter->key.pane >= verification->keptSince)
			ProcessorVerifyKey(verification, 0, counter->count, 0, true,
							   CounterName(counter->key.pane, counter->key.itemKey, counter->key.event));
	}
}

/* Compare a batch of all events with what is stored. */
static void
CompareBatch(void *state, ProcessorVerification *verification)
{
	verification->parts[0].what = "counters";
	verification->parts[1].what = "baskets";
	verification->parts[2].what = "amounts";
	CompareCounterRows(state, verification);
	BasketCompare(((StatBatch *) state)->baskets, verification);
}

/* What is done before each batch. */
static void
Fold(const bool *shards)
{
	ItemDictionaryFold(shards);
	KeptListRefreshIfDue();
}

/* Which item a row is about. */
static bool
ItemOfRow(TupleTableSlot *slot, int64 *key)
{
	bool		isNull;

	*key = DatumGetInt64(slot_getattr(slot, STAT_ITEM_KEY + 1, &isNull));
	return true;
}

/* Forget what was counted of some shards. */
static void
ClearShards(const bool *shards)
{
	ProcessorClearTable("item_stat", "item_stat_pkey", shards, ItemOfRow);
	BasketClear(shards);
}

/* People's events being taken out of the counters again. */
struct ItemStatUncount
{
	MemoryContext context;
	MemoryContext eventContext;
	Snapshot	snapshot;
	int64		times;			/* -1: taken out */
	int64		movesTo;		/* who is given what is taken out; 0: nobody */
	TxidSnapshot *positions[SHARD_COUNT];
	StatBatch  *batch;
	EventRow   *rejected;		/* set aside by the processor, never counted */
	uint64		rejectedCount;
};

/* Begin taking out events of some people. */
ItemStatUncount *
ItemStatUncountBegin(const KeySet *people)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize item purge",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ItemStatUncount *uncount = palloc0(sizeof(ItemStatUncount));

	uncount->context = context;
	uncount->eventContext = AllocSetContextCreate(context, "personalize event",
												  ALLOCSET_DEFAULT_SIZES);
	uncount->snapshot = GetActiveSnapshot();
	uncount->batch = BeginBatch();
	uncount->times = -1;
	uncount->rejectedCount = ProcessorReadRejected("item_stat", people, &uncount->rejected);
	MemoryContextSwitchTo(caller);
	return uncount;
}

/* Take an event out, if it was counted. */
bool
ItemStatUncountAdd(ItemStatUncount *uncount, const EventRow *row)
{
	int			shard = ShardOfEvent(row);
	MemoryContext caller;
	bool		counted;

	if (shard < 0)
		return false;
	caller = MemoryContextSwitchTo(uncount->context);
	if (uncount->positions[shard] == NULL)
		uncount->positions[shard] = ProcessorPosition(PROCESSOR_ITEM_STAT, shard, uncount->snapshot);
	counted = TxidIsSeen(row->txid, uncount->positions[shard]) &&
		!ProcessorTakeRejected(row, uncount->rejected, uncount->rejectedCount);
	if (counted)
	{
		MemoryContextSwitchTo(uncount->eventContext);
		CountEvent(uncount->batch, row, uncount->times);
		if (uncount->movesTo != 0)
		{
			EventRow	moved = *row;

			moved.userKey = uncount->movesTo;
			CountEvent(uncount->batch, &moved, -uncount->times);
		}
		MemoryContextReset(uncount->eventContext);
	}
	MemoryContextSwitchTo(caller);
	return counted;
}

/* Write the counters. */
void
ItemStatUncountEnd(ItemStatUncount *uncount)
{
	WriteCounters(&uncount->batch->list);
	MemoryContextDelete(uncount->context);
}

/* Called for each event of the person. */
static void
UncountEvent(void *arg, const EventRow *row)
{
	(void) ItemStatUncountAdd(arg, row);
}

/*
 * Add a person's counted events to the counters and baskets once more, or with
 * times -1 take them out.  The person's stripe is locked exclusively, so no batch
 * is being counted meanwhile.
 */
static void
CountPerson(int64 userKey, int64 times)
{
	ItemStatUncount *uncount;
	KeySet		people;

	KeySetInit(&people, 1);
	KeySetAdd(&people, userKey);
	uncount = ItemStatUncountBegin(&people);
	uncount->times = times;
	EventVisitPeople(&people, UncountEvent, uncount, false);
	BasketWrite(uncount->batch->baskets);
	ItemStatUncountEnd(uncount);
}

/*
 * The same with the baskets alone, and those that raw events tell of no more taken out
 * of use or back into it; true if there are any.  The counters do not say whose events
 * they count, and whether one is counted depends on its item's shard, not on whose it is.
 * What is taken out may be given to somebody at once (movesTo; 0: nobody).
 */
bool
ItemStatCountBaskets(int64 userKey, int64 times, int64 movesTo)
{
	ItemStatUncount *uncount;
	KeySet		people;
	bool		any = false;

	KeySetInit(&people, 1);
	KeySetAdd(&people, userKey);
	if (times > 0)
		any = BasketFlip(userKey);
	uncount = ItemStatUncountBegin(&people);
	uncount->times = times;
	uncount->movesTo = movesTo;
	EventVisitPeople(&people, UncountEvent, uncount, false);
	any |= hash_get_num_entries(uncount->batch->baskets) > 0;
	BasketWrite(uncount->batch->baskets);
	if (times < 0)
		any |= BasketFlip(userKey);
	MemoryContextDelete(uncount->context);
	return any;
}

/* Take a person out of the statistics for the time being. */
void
ItemStatPark(int64 userKey)
{
	CountPerson(userKey, -1);
	BasketFlip(userKey);
	KeptListSpoil();
}

/* Put a person back into the statistics. */
void
ItemStatUnpark(int64 userKey)
{
	BasketFlip(userKey);
	CountPerson(userKey, 1);
	KeptListSpoil();
}

/* _currency(code): the letters of a currency. */
Datum
personalize_currency(PG_FUNCTION_ARGS)
{
	uint32		code = (uint32) PG_GETARG_INT32(0);
	char		letters[4];
	int			length = 0;

	for (int shift = 24; shift >= 0; shift -= 8)
	{
		if (code >> shift)
			letters[length++] = (char) ((code >> shift) & 0xff);
	}
	if (length == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(letters, length));
}

/* _slot_bucket(slot): the bucket of a place on the page. */
Datum
personalize_slot_bucket(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16(EventSlotBucket(!PG_ARGISNULL(0), PG_ARGISNULL(0) ? 0 : PG_GETARG_INT16(0)));
}

/* Make the processor known. */
void
ItemStatInit(void)
{
	static const ProcessorMethods methods = {
		.id = PROCESSOR_ITEM_STAT,
		.name = "item_stat",
		.shardOf = ShardOfEvent,
		.begin = BeginBatch,
		.add = AddEvent,
		.finish = FinishBatch,
		.fold = Fold,
		.addToCompare = AddEvent,
		.compare = CompareBatch,
		.clear = ClearShards,
		.rebuilt = KeptListSpoil
	};

	ProcessorRegister(&methods);
}

/*
 * processor_recount.c
 *		Counting the events of one person again.
 *
 * When something of a person has been taken out of what a processor wrote and is
 * to come back, exactly those events are counted that the processor has passed
 * and has not set aside; the others it will still come to.  The caller holds the
 * person's stripe exclusively, so that no batch is being counted meanwhile.
 */
#include "postgres.h"

#include "workers/processor.h"

#include "access/xact.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Events of people, or of everybody, that a processor has set aside. */
uint64
ProcessorReadRejected(const char *processor, const KeySet *people, EventRow **rejected)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TEXTOID};
	Datum		values[] = {people ? KeySetArray(people) : (Datum) 0, CStringGetTextDatum(processor)};
	const char	nulls[] = {people ? ' ' : 'n', ' '};
	MemoryContext context = CurrentMemoryContext;
	uint64		count;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan,
					   "SELECT txid, (payload ->> 'item_key')::int8, (payload ->> 'event')::int2,"
					   " (payload ->> 'ordinal')::int2, (payload ->> 'ts')::timestamptz, user_key"
					   " FROM personalize.rejected_event"
					   " WHERE source = $2 AND ($1 IS NULL OR user_key = ANY ($1)) AND payload ? 'event'",
					   lengthof(types), types, values, nulls, false);
	*rejected = MemoryContextAllocZero(context, sizeof(EventRow) * Max(count, 1));
	for (uint64 i = 0; i < count; i++)
	{
		EventRow   *row = *rejected + i;
		bool		isNull;

		row->txid = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
		row->itemKey = DatumGetInt64(SpiUtilValue(i, 2, &isNull));
		row->hasItem = !isNull;
		row->event = DatumGetInt16(SpiUtilValue(i, 3, &isNull));
		row->ordinal = DatumGetInt16(SpiUtilValue(i, 4, &isNull));
		row->ts = DatumGetTimestampTz(SpiUtilValue(i, 5, &isNull));
		row->userKey = DatumGetInt64(SpiUtilValue(i, 6, &isNull));
	}
	SpiUtilEnd(&scope);
	return count;
}

/* True if the event is one of those, each of which is used up by one match. */
bool
ProcessorTakeRejected(const EventRow *row, EventRow *rejected, uint64 count)
{
	for (uint64 i = 0; i < count; i++)
	{
		if (rejected[i].txid == row->txid && rejected[i].userKey == row->userKey &&
			rejected[i].hasItem == row->hasItem &&
			(!row->hasItem || rejected[i].itemKey == row->itemKey) &&
			rejected[i].event == row->event && rejected[i].ordinal == row->ordinal &&
			rejected[i].ts == row->ts)
		{
			rejected[i].txid = -1;
			return true;
		}
	}
	return false;
}

/* Visit a person's events that the processor would have passed if they were those of asKey. */
static void
VisitPassedAs(ProcessorId id, int64 userKey, int64 asKey,
			  void (*visit) (void *state, const EventRow *row), void *state)
{
	const ProcessorMethods *methods = ProcessorGet(id);
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.ofUser = true,
	.userKey = userKey,.allDays = true,.keysOnly = methods->keysOnly};
	MemoryContext context = CurrentMemoryContext;
	MemoryContext eventContext = AllocSetContextCreate(context, "personalize event",
													   ALLOCSET_DEFAULT_SIZES);
	TxidSnapshot *positions[SHARD_COUNT] = {NULL};
	EventRow   *rejected;
	uint64		rejectedCount;
	KeySet		people;
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	KeySetInit(&people, 1);
	KeySetAdd(&people, userKey);
	rejectedCount = ProcessorReadRejected(methods->name, &people, &rejected);
	while (EventScanNext(scan, &row))
	{
		bool		setAside = ProcessorTakeRejected(&row, rejected, rejectedCount);
		int			shard;

		CHECK_FOR_INTERRUPTS();
		row.userKey = asKey;
		shard = methods->shardOf(&row);
		if (shard < 0 || setAside)
			continue;
		if (positions[shard] == NULL)
			positions[shard] = ProcessorPosition(methods->id, shard, options.snapshot);
		if (!TxidIsSeen(row.txid, positions[shard]))
			continue;
		MemoryContextSwitchTo(eventContext);
		visit(state, &row);
		MemoryContextSwitchTo(context);
		MemoryContextReset(eventContext);
	}
	EventScanEnd(scan);
	MemoryContextDelete(eventContext);
}

/* Visit a person's events that the processor has passed, under the active snapshot. */
void
ProcessorVisitPassed(ProcessorId id, int64 userKey,
					 void (*visit) (void *state, const EventRow *row), void *state)
{
	VisitPassedAs(id, userKey, userKey, visit, state);
}

/* Count a person's events as another's. */
void
ProcessorRecountAs(ProcessorId id, int64 userKey, int64 asKey)
{
	const ProcessorMethods *methods = ProcessorGet(id);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize recount",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	void	   *state;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	state = methods->begin();
	VisitPassedAs(id, userKey, asKey, methods->add, state);
	methods->finish(state);
	PopActiveSnapshot();
	CommandCounterIncrement();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Count a person's events again, as far as the processor has passed them. */
void
ProcessorRecount(ProcessorId id, int64 userKey)
{
	ProcessorRecountAs(id, userKey, userKey);
}

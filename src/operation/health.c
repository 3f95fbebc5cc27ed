/*
 * health.c
 *		What health() and stat_processor need and SQL cannot see.
 *
 * How far a processor is behind is counted over the raw events, so it is what
 * is really waiting, shard by shard, not an estimate.  The count stops at
 * MAX_COUNTED events: beyond, "at least so many" is all one wants to know.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "base/clock.h"
#include "base/process_name.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "events/partition.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "workers/processor.h"
#include "workers/worker_slot.h"

PG_FUNCTION_INFO_V1(personalize_process_name);
PG_FUNCTION_INFO_V1(personalize_processor_lag);
PG_FUNCTION_INFO_V1(personalize_days_ahead);
PG_FUNCTION_INFO_V1(personalize_server_state);
PG_FUNCTION_INFO_V1(personalize_table_state);
PG_FUNCTION_INFO_V1(personalize_worker_state);

#define MAX_COUNTED 1000000

/* What one processor has not counted yet. */
typedef struct Lag
{
	const ProcessorMethods *methods;
	TxidSnapshot *seen[SHARD_COUNT];
	bool		outdated[SHARD_COUNT];	/* to be counted anew */
	bool		anyOutdated;
	int64		minTxid;
	int64		waiting;
	int64		ofRebuild;		/* of these, what it had counted before */
	int64		imported;		/* of the others, history */
	TimestampTz oldest;			/* arrival of the oldest of the rest */
} Lag;

/* Read the positions of a processor. */
static void
BeginLag(Lag *lag, const ProcessorMethods *methods, Snapshot snapshot)
{
	lag->methods = methods;
	lag->oldest = DT_NOEND;
	lag->minTxid = PG_INT64_MAX;
	lag->anyOutdated = ProcessorOutdated(methods->id, lag->outdated) > 0;
	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		lag->seen[shard] = ProcessorPosition(methods->id, shard, snapshot);
		lag->minTxid = Min(lag->minTxid, TxidSnapshotMin(lag->seen[shard]));
	}
	if (lag->anyOutdated)
		lag->minTxid = 0;
}

/* True if an event has been imported, which arrives with the time it happened, long ago. */
static bool
IsHistory(const EventRow *row, TimestampTz now)
{
	return row->receivedAt == row->ts && row->receivedAt < now - USECS_PER_DAY;
}

/* Count an event that a processor has still to count. */
static void
AddToLag(Lag *lag, const EventRow *row, TimestampTz now)
{
	int			shard;
	bool		seen;

	if (row->txid < lag->minTxid)
		return;
	shard = lag->methods->shardOf(row);
	if (shard < 0)
		return;
	seen = TxidIsSeen(row->txid, lag->seen[shard]);
	if (seen && !lag->outdated[shard])
		return;
	lag->waiting++;
	if (seen)
		lag->ofRebuild++;
	else if (IsHistory(row, now))
		lag->imported++;
	else
		lag->oldest = Min(lag->oldest, row->receivedAt);
}

/* Read the events some processor may not have seen, until enough are counted. */
static void
ScanWaiting(Lag *lags, int count, Snapshot snapshot)
{
	EventScanOptions options = {.snapshot = snapshot,.minTxid = PG_INT64_MAX,.keysOnly = true};
	TimestampTz now = ClockNow();
	EventScan  *scan;
	EventRow	row;
	int64		scanned = 0;

	for (int i = 0; i < count; i++)
	{
		options.minTxid = Min(options.minTxid, lags[i].minTxid);
		options.allDays |= lags[i].anyOutdated;
	}
	scan = EventScanBegin(&options);
	while (scanned++ < MAX_COUNTED && EventScanNext(scan, &row))
	{
		for (int i = 0; i < count; i++)
			AddToLag(&lags[i], &row, now);
		CHECK_FOR_INTERRUPTS();
	}
	EventScanEnd(scan);
}

/* _processor_lag(): what each processor has not counted yet. */
Datum
personalize_processor_lag(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Snapshot	snapshot = GetActiveSnapshot();
	Lag			lags[PROCESSOR_COUNT] = {0};
	int			count = 0;

	InitMaterializedSRF(fcinfo, 0);
	for (ProcessorId id = PROCESSOR_PROFILE; id <= PROCESSOR_COUNT; id++)
		if (ProcessorGet(id))
			BeginLag(&lags[count++], ProcessorGet(id), snapshot);
	ScanWaiting(lags, count, snapshot);
	for (int i = 0; i < count; i++)
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = Int16GetDatum(lags[i].methods->id);
		values[1] = CStringGetTextDatum(lags[i].methods->name);
		values[2] = Int64GetDatum(lags[i].waiting);
		values[3] = Int64GetDatum(lags[i].ofRebuild);
		values[4] = Int64GetDatum(lags[i].imported);
		values[5] = TimestampTzGetDatum(lags[i].oldest);
		nulls[5] = lags[i].oldest == DT_NOEND;
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* True if a day has events that the active snapshot sees. */
static bool
HasEvents(int32 day)
{
	char		name[PARTITION_NAME_LENGTH];

	PartitionName(day, name);
	/* security_check() tells of one that belongs to somebody else */
	return OidIsValid(RelationFind(name, true)) &&
		pg_class_aclcheck(RelationFind(name, true), GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		SpiUtilCommand(psprintf("SELECT FROM personalize.%s LIMIT 1", name)) > 0;
}

/* _days_ahead(): days that have events although they are yet to come. */
Datum
personalize_days_ahead(PG_FUNCTION_ARGS)
{
	int32		today = PartitionDay(ClockNow());
	ArrayBuildState *ahead = initArrayResult(DATEOID, CurrentMemoryContext, true);
	List	   *days = PartitionDays(GetActiveSnapshot(), true);
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;
	ListCell   *cell;

	SpiUtilBegin(&scope);
	foreach(cell, days)
		if (lfirst_int(cell) > today && HasEvents(lfirst_int(cell)))
			ahead = accumArrayResult(ahead, DateADTGetDatum(lfirst_int(cell)), false, DATEOID, context);
	SpiUtilEnd(&scope);
	PG_RETURN_DATUM(makeArrayResult(ahead, CurrentMemoryContext));
}

/* _server_state(): whether workers can run at all, and the library's version. */
Datum
personalize_server_state(PG_FUNCTION_ARGS)
{
	TupleDesc	description;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(WorkerSlotAvailable());
	values[1] = BoolGetDatum(WorkerSlotShortage());
	values[2] = BoolGetDatum(RelationVersionMatches());
	values[3] = CStringGetTextDatum(PERSONALIZE_VERSION);
	values[4] = BoolGetDatum(TxidIsInUse());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

/* _table_state(): what health() asks of tables that row policies close. */
Datum
personalize_table_state(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	TupleDesc	description;
	Datum		values[5];
	bool		nulls[5];
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT EXISTS (SELECT FROM personalize.event)"
			   " OR EXISTS (SELECT FROM personalize.subject WHERE granted <> 0)"
			   " OR EXISTS (SELECT FROM personalize.purpose_default WHERE answer = 'allowed'),"
			   " count(*) FILTER (WHERE r.source <> 'dictionary'),"
			   " (array_agg(r.source || ': ' || r.reason ORDER BY r.rejected_at DESC)"
			   "  FILTER (WHERE r.source <> 'dictionary'))[1],"
			   " count(*) FILTER (WHERE r.source = 'dictionary'),"
			   " (array_agg(r.reason ORDER BY r.rejected_at) FILTER (WHERE r.source = 'dictionary'))[1]"
			   " FROM personalize.rejected_event AS r"
			   " WHERE r.source = 'dictionary' OR personalize_internal._processor_number(r.source) IS NOT NULL",
			   0, NULL, NULL, NULL, false);
	for (int i = 0; i < 5; i++)
	{
		MemoryContext spiContext = MemoryContextSwitchTo(context);
		bool		byValue = TupleDescAttr(description, i)->attbyval;

		values[i] = SpiUtilValue(0, i + 1, &nulls[i]);
		if (!nulls[i])
			values[i] = datumCopy(values[i], byValue, TupleDescAttr(description, i)->attlen);
		MemoryContextSwitchTo(spiContext);
	}
	SpiUtilEnd(&scope);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

/* _worker_state(): the workers of this database. */
Datum
personalize_worker_state(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count = WorkerSlotCount();
	WorkerSlot *slots = palloc(sizeof(WorkerSlot) * Max(count, 1));

	InitMaterializedSRF(fcinfo, 0);
	if (count > 0)
		WorkerSlotCopy(slots);
	for (int i = 0; i < count; i++)
	{
		Datum		values[5];
		bool		nulls[5] = {false};
		Datum		blockers[PROCESSOR_COUNT];

		if (slots[i].state != WORKER_SLOT_RUNNING || slots[i].database != MyDatabaseId)
			continue;
		values[0] = Int32GetDatum(slots[i].number);
		values[1] = Int32GetDatum(slots[i].pid);
		values[2] = TimestampTzGetDatum(ClockAtSteady(slots[i].since));
		values[3] = TimestampTzGetDatum(ClockAtSteady(slots[i].lastRound));
		nulls[3] = slots[i].lastRound == 0;
		for (int id = 1; id <= PROCESSOR_COUNT; id++)
			blockers[id - 1] = Int32GetDatum(slots[i].blockers[id - 1]);
		values[4] = PointerGetDatum(construct_array(blockers, PROCESSOR_COUNT, INT4OID, sizeof(int32),
													true, TYPALIGN_INT));
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _process_name(pid) */
Datum
personalize_process_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(ProcessNameDoing(PG_GETARG_INT32(0))));
}

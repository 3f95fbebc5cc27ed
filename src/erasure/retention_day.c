/*
 * retention_day.c
 *		Raw events that are past their time: whole days, and kinds of event in
 *		days that stay.
 *
 * A day goes when the longest time that any event of it is kept is over.  Kinds
 * of event that are kept for less are deleted from closed days; _event_day
 * remembers which, so that a day is read once for each.
 */
#include "postgres.h"

#include "erasure/retention.h"

#include "access/xact.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "events/partition.h"
#include "events/partition_drop.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

/* So many days are dropped by one call, for dropping holds a lock that many want. */
#define MAX_DAYS 31

/* How often, and after which pause in milliseconds, older snapshots are looked for. */
#define PATIENCE 25
#define PAUSE_TIME 20

/* A day that is due. */
typedef struct DueDay
{
	int32		day;
	bool		closed;
	int64		events;
	bool		held;
	const char *result;
	const char *detail;
} DueDay;

/* From when on each event type is kept, as a date; without a row of its own as all others. */
#define KEPT_SINCE_SQL \
	"SELECT t.event, (($1 AT TIME ZONE 'UTC') - CASE WHEN p.kind IS NULL THEN o.keep ELSE p.keep END)::date AS since" \
	" FROM personalize.event_type AS t" \
	" LEFT JOIN personalize.retention_policy AS p ON p.kind = 'raw' AND p.event = t.name," \
	" LATERAL (SELECT q.keep FROM (SELECT d.keep, 2 AS place FROM personalize_internal._retention_kind() AS d WHERE d.kind = 'raw'" \
	"   UNION ALL SELECT r.keep, 1 FROM personalize.retention_policy AS r WHERE r.kind = 'raw' AND r.event IS NULL) AS q" \
	"  ORDER BY q.place LIMIT 1) AS o"

/* Days that end before everything in them is past its time; yesterday may still be written to. */
#define DROP_BEFORE_SQL \
	"(SELECT least(CASE WHEN bool_and(k.since IS NOT NULL) THEN min(k.since) END," \
	"  CASE WHEN bool_and(k.since IS NOT NULL) THEN (personalize_internal._now() AT TIME ZONE 'UTC')::date - 1 END)" \
	" FROM (" KEPT_SINCE_SQL ") AS k)"

/* The events of a day, counted. */
static int64
CountEvents(int32 day)
{
	char		name[PARTITION_NAME_LENGTH];
	bool		isNull;

	PartitionName(day, name);
	if (!OidIsValid(RelationFind(name, true)))
		return 0;
	SPI_execute(psprintf("SELECT count(*) FROM personalize.%s", name), false, 0);
	return DatumGetInt64(SpiUtilValue(0, 1, &isNull));
}

/* Find the days that are due, the oldest first: all, or one more than are dropped. */
static DueDay *
FindDueDays(const RetentionRun *run, int *found)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, INT4OID};
	Datum		values[] = {
		TimestampTzGetDatum(run->asOf),
		Int32GetDatum(run->dryRun ? PG_INT32_MAX : MAX_DAYS + 1)
	};
	DueDay	   *days;
	int			count;
	bool		isNull;

	count = SpiUtilRun(&plan,
					   "SELECT d.day, d.rolled FROM personalize._event_day AS d"
					   " WHERE d.day < " DROP_BEFORE_SQL " ORDER BY d.day LIMIT $2",
					   2, types, values, NULL, false);
	days = palloc0_array(DueDay, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		days[i].day = DatumGetDateADT(SpiUtilValue(i, 1, &isNull));
		days[i].closed = DatumGetBool(SpiUtilValue(i, 2, &isNull));
	}
	*found = count;
	return days;
}

/* Hold a day; snapshots that are about to end are waited for, for half a second in all. */
static PartitionState
HoldDay(int32 day, int *patience)
{
	PartitionState state;

	while ((state = PartitionHoldForDrop(day)) == PARTITION_NEEDED && --*patience >= 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 PAUSE_TIME, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return state;
}

/* Why a day is not closed. */
static const char *
WaitingFor(int32 day)
{
	StringInfoData behind;
	StringInfoData disabled;

	initStringInfo(&behind);
	initStringInfo(&disabled);
	for (ProcessorId id = PROCESSOR_PROFILE; id <= PROCESSOR_COUNT; id++)
	{
		StringInfo	names = ProcessorIsEnabled(id) ? &behind : &disabled;

		if (ProcessorGet(id) &&
			PartitionHasTxidFrom(day, ProcessorSeenBelow(id, GetActiveSnapshot())))
			appendStringInfo(names, "%s%s", names->len > 0 ? ", " : "", ProcessorGet(id)->name);
	}
	if (behind.len + disabled.len == 0)
		return "all processors have counted it: a worker or rollup_now() closes it";
	if (disabled.len == 0)
		return psprintf("not counted yet by %s: see stat_processor", behind.data);
	return psprintf("%s%s%snot counted by %s, disabled: enable_processor() lets it, and the day go",
					behind.len > 0 ? "not counted yet by " : "", behind.data,
					behind.len > 0 ? "; " : "", disabled.data);
}

/* See which of them may go, and hold those. */
static int
HoldDays(const RetentionRun *run, DueDay *days, int count)
{
	int			held = 0;
	int			patience = PATIENCE;

	for (int i = 0; i < count; i++)
	{
		DueDay	   *day = &days[i];

		if (run->dryRun && day->closed)
		{
			day->events = CountEvents(day->day);
			day->result = "would";
			continue;
		}
		switch (day->closed ? HoldDay(day->day, &patience) : PARTITION_NOT_PASSED)
		{
			case PARTITION_MAY_GO:
				day->held = true;
				day->events = CountEvents(day->day);
				held++;
				break;
			case PARTITION_NOT_PASSED:
				day->result = "waits";
				day->detail = WaitingFor(day->day);
				break;
			case PARTITION_WRITTEN:
				day->result = "busy";
				day->detail = "history is being imported into it";
				break;
			case PARTITION_NEEDED:
				day->result = "busy";
				day->detail = "a transaction is open whose snapshot is older than its closing";
				break;
		}
		CHECK_FOR_INTERRUPTS();
	}
	return held;
}

/* Drop a day. */
static bool
Drop(void *argument)
{
	DueDay	   *day = argument;

	if (!PartitionDrop(day->day))
	{
		day->result = "busy";
		day->detail = "somebody reads this day";
	}
	return true;
}

/* Drop one day; if that fails (a view of somebody's stands on it) the others go on. */
static void
DropDay(const RetentionRun *run, DueDay *day)
{
	ErrorData  *error;

	day->result = "done";
	day->detail = NULL;
	error = SubtransactionTry(Drop, day);
	if (error == NULL)
		return;
	day->result = "failed";
	day->detail = MemoryContextStrdup(run->context, error->message);
	ereport(WARNING,
			(errmsg("a day past its time cannot be dropped: %s", error->message)));
}

/* Drop the days that are held. */
static void
DropDays(const RetentionRun *run, DueDay *days, int count)
{
	bool		locked = PartitionTryLockParent();

	for (int i = 0; i < count; i++)
	{
		if (!days[i].held)
			continue;
		if (locked)
			DropDay(run, &days[i]);
		else
		{
			days[i].result = "busy";
			days[i].detail = "somebody reads event";
		}
	}
}

/* How bad a result is. */
static int
Badness(const char *result)
{
	return strcmp(result, "failed") == 0 ? 3 : strcmp(result, "busy") == 0 ? 2 :
		strcmp(result, "waits") == 0 ? 1 : 0;
}

/* One row a day, and the worst of them for the whole. */
static void
ReportDays(RetentionRun *run, RetentionTask *task, DueDay *days, int count)
{
	for (int i = 0; i < count; i++)
	{
		DueDay	   *day = &days[i];
		int			badness = Badness(day->result);
		char		name[PARTITION_NAME_LENGTH];

		PartitionName(day->day, name);
		if (badness == 0)
			task->removed += day->events;
		else if (badness > Badness(task->result))
		{
			task->result = day->result;
			task->detail = MemoryContextStrdup(run->context, psprintf("%s: %s", name, day->detail));
		}
		RetentionReport(run, task->kind, name, badness == 0 ? day->events : 0, day->result, day->detail);
	}
}

/* Find kinds of event that are past their time in days that stay. */
static uint64
FindThinning(const RetentionRun *run)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(run->asOf)};

	return SpiUtilRun(&plan,
					  "SELECT d.day, array_agg(k.event) FROM personalize._event_day AS d"
					  " JOIN (" KEPT_SINCE_SQL ") AS k ON d.day < k.since AND k.event <> ALL (d.thinned)"
					  " WHERE d.rolled AND d.day >= coalesce(" DROP_BEFORE_SQL ", '-infinity')"
					  "  AND d.day < (personalize_internal._now() AT TIME ZONE 'UTC')::date - 1"
					  "  AND EXISTS (SELECT FROM personalize.retention_policy AS p WHERE p.kind = 'raw' AND p.event IS NOT NULL)"
					  " GROUP BY d.day ORDER BY d.day",
					  1, types, values, NULL, false);
}

/* Events of these kinds in a day. */
static int64
CountKinds(const char *name, Datum kinds)
{
	Oid			types[] = {INT2ARRAYOID};
	bool		isNull;

	SPI_execute_with_args(psprintf("SELECT count(*) FROM personalize.%s WHERE event = ANY ($1)", name),
						  1, types, &kinds, NULL, false, 0);
	return DatumGetInt64(SpiUtilValue(0, 1, &isNull));
}

/* Delete some events of these kinds from a day. */
static int64
DeleteKinds(const char *name, Datum kinds, int64 most)
{
	Oid			types[] = {INT2ARRAYOID, INT8OID};
	Datum		values[] = {kinds, Int64GetDatum(most)};

	SPI_execute_with_args(psprintf("DELETE FROM personalize.%s WHERE event = ANY ($1) AND ctid = ANY (ARRAY("
								   "SELECT ctid FROM personalize.%s WHERE event = ANY ($1) LIMIT $2))",
								   name, name),
						  2, types, values, NULL, false, 0);
	return (int64) SPI_processed;
}

/*
 * Delete events of these kinds from a day, no more than so many, or count them; -1
 * if it is being written to.
 */
static int64
ThinDay(const RetentionRun *run, int32 day, Datum kinds, int64 most)
{
	static SPIPlanPtr notePlan = NULL;
	const Oid	types[] = {DATEOID, INT2ARRAYOID, BOOLOID};
	Datum		values[] = {DateADTGetDatum(day), kinds, 0};
	char		name[PARTITION_NAME_LENGTH];
	int64		removed;

	PartitionName(day, name);
	if (!OidIsValid(RelationFind(name, true)))
		return 0;
	if (run->dryRun)
		return CountKinds(name, kinds);
	switch (PartitionHoldForDrop(day))
	{
		case PARTITION_MAY_GO:
		case PARTITION_NEEDED:	/* deleting respects old snapshots */
			break;
		default:
			return -1;
	}
	removed = DeleteKinds(name, kinds, most);
	if (removed > 0)
		PartitionNoteGone(day);
	values[2] = BoolGetDatum(removed < most);
	SpiUtilRun(&notePlan,
			   "UPDATE personalize._event_day SET thinned = CASE WHEN $3 THEN thinned || $2 ELSE thinned END,"
			   " expired = ARRAY(SELECT unnest(expired) UNION SELECT unnest($2)) WHERE day = $1",
			   lengthof(types), types, values, NULL, false);
	return removed;
}

/* Take kinds of event out of the days that stay. */
static void
ThinDays(RetentionRun *run, RetentionTask *task)
{
	int			count = (int) FindThinning(run);
	int32	   *days = palloc_array(int32, Max(count, 1));
	Datum	   *kinds = palloc_array(Datum, Max(count, 1));
	bool		isNull;

	for (int i = 0; i < count; i++)
	{
		days[i] = DatumGetDateADT(SpiUtilValue(i, 1, &isNull));
		kinds[i] = datumCopy(SpiUtilValue(i, 2, &isNull), false, -1);
	}
	for (int i = 0; i < count; i++)
	{
		int64		removed = ThinDay(run, days[i], kinds[i], run->maxRows - task->removed);
		char		name[PARTITION_NAME_LENGTH];

		PartitionName(days[i], name);
		if (removed >= 0)
			task->removed += removed;
		if (removed != 0)
			RetentionReport(run, task->kind, psprintf("%s: kinds of event", name), Max(removed, 0),
							removed < 0 ? "busy" : task->result,
							removed < 0 ? "history is being imported into it" : NULL);
		if (!run->dryRun && task->removed >= run->maxRows)
		{
			task->passed = false;
			break;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* Tell of partitions that are nobody's day: of us only erasure looks into them. */
static void
ReportForeign(RetentionRun *run, RetentionTask *task)
{
	const char *detail = "attached by hand: processors and retention do not reach it, erasure does; detach it, and bring history in by import_events()";
	ListCell   *cell;

	foreach(cell, PartitionForeign())
	{
		char	   *name = lfirst(cell);

		RetentionReport(run, task->kind, name, 0, "failed", detail);
		task->result = "failed";
		task->detail = MemoryContextStrdup(run->context, psprintf("%s: %s", name, detail));
	}
}

/* Raw events. */
void
RetentionExpireDays(RetentionRun *run, RetentionTask *task)
{
	DueDay	   *days;
	SpiUtilScope scope;
	int			count;

	SpiUtilBegin(&scope);
	task->passed = true;
	ThinDays(run, task);
	days = FindDueDays(run, &count);
	if (count > MAX_DAYS && !run->dryRun)
	{
		task->passed = false;
		count = MAX_DAYS;
	}
	if (HoldDays(run, days, count) > 0)
		DropDays(run, days, count);
	ReportDays(run, task, days, count);
	ReportForeign(run, task);
	if (count == 0 || !task->passed)
		RetentionReportTask(run, task, "event: whole days", 0);
	SpiUtilEnd(&scope);
}

/*
 * partition.c
 *		The days of event: making, listing and closing their partitions.
 *
 * A partition is made as a table of its own and then attached, which locks the
 * parent against other DDL only (SHARE UPDATE EXCLUSIVE), never against
 * readers or pg_dump.  A worker makes days ahead.  If a day is missing all the
 * same, a background worker makes it in a transaction of its own, so that an
 * application that then idles in its transaction holds nobody up; only where no
 * worker can be had does the caller's transaction do it.
 *
 * A past day is closed (partition_close.c) once every processor has seen all
 * that is in it: readers and processors then skip it.  Whoever writes into a day
 * opens its partition first, which waits for who is closing it, and then opens the
 * day again if it is closed: a history import, or anybody where a clock that was
 * ahead had today closed.  Nothing else depends on the clock: every day that is
 * not closed is read, also one that a clock has brought about long before its time.
 */
#include "postgres.h"

#include "events/partition.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/background.h"
#include "base/clock.h"
#include "base/relation.h"
#include "base/setting.h"
#include "base/spi_util.h"
#include "catalog/pg_class.h"
#include "catalog/pg_tablespace.h"
#include "catalog/pg_type.h"
#include "commands/tablespace.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "people/policy.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_make_partitions_ahead);

extern PGDLLEXPORT void PersonalizePartitionMain(Datum argument);

/* What a background worker that makes partitions is told, in bgw_extra. */
typedef struct PartitionRequest
{
	Oid			databaseId;
	Oid			ownerId;
	int32		firstDay;
	int32		dayCount;
} PartitionRequest;

/* As event has it: LIKE does not copy it. */
#define WITHOUT_STATISTICS \
	"ALTER user_key SET STATISTICS 0, ALTER item_key SET STATISTICS 0, ALTER session_key SET STATISTICS 0," \
	" ALTER request_key SET STATISTICS 0, ALTER request_origin SET STATISTICS 0, ALTER message_key SET STATISTICS 0, ALTER value SET STATISTICS 0," \
	" ALTER properties SET STATISTICS 0"

/* So are subscribers told which row is meant: LIKE does not copy this either. */
#define IDENTITY "REPLICA IDENTITY FULL"

/* How many days are made along with a missing one. */
#define DAYS_AHEAD 3

/* The day of a time: whole days since 2000-01-01 UTC. */
int32
PartitionDay(TimestampTz time)
{
	int64		day = time / USECS_PER_DAY;

	if (time < 0 && time % USECS_PER_DAY != 0)
		day--;
	return (int32) day;
}

/* Name of the partition of a day. */
void
PartitionName(int32 day, char *name)
{
	int			year;
	int			month;
	int			dayOfMonth;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dayOfMonth);
	snprintf(name, PARTITION_NAME_LENGTH, "event_p%04d%02d%02d", year, month, dayOfMonth);
}

/* True for a name that the partition of a day has. */
bool
PartitionIsDayName(const char *name)
{
	return strncmp(name, "event_p", 7) == 0 && strspn(name + 7, "0123456789") == strlen(name) - 7;
}

/* The first instant of a day as an SQL literal. */
static char *
DayLiteral(int32 day)
{
	int			year;
	int			month;
	int			dayOfMonth;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dayOfMonth);
	return psprintf("%04d-%02d-%02d 00:00:00+00", year, month, dayOfMonth);
}

/*
 * Until SpiUtilEnd, what is made lies in the tablespace that event was given, else where the
 * setting says; in the database's where the setting names one that the owner has no right to.
 */
void
PartitionPinTablespace(void)
{
	Relation	parent = RelationOpenTable("event", AccessShareLock);
	Oid			given = parent->rd_rel->reltablespace;
	Oid			set = GetDefaultTablespace(RELPERSISTENCE_PERMANENT, false);

	table_close(parent, NoLock);
	if (OidIsValid(given))
		SettingPin("default_tablespace", get_tablespace_name(given));
	else if (OidIsValid(set) && !CompatMayCreateIn(set))
		SettingPin("default_tablespace", "");
}

/* Make and attach one day; the caller has connected as the owner. */
static void
MakePartition(int32 day)
{
	char		name[PARTITION_NAME_LENGTH];

	PartitionPinTablespace();
	PartitionName(day, name);
	SpiUtilCommand(psprintf("CREATE TABLE personalize.%s"
							" (LIKE personalize.event INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
							" INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION) USING heap", name));
	SpiUtilCommand(psprintf("ALTER TABLE personalize.%s %s, %s", name, WITHOUT_STATISTICS, IDENTITY));
	SpiUtilCommand(psprintf("CREATE INDEX %s_txid ON personalize.%s"
							" USING brin (txid) WITH (pages_per_range = 16)", name, name));
	PolicyClosePartition(psprintf("personalize.%s", name));
	SpiUtilCommand(psprintf("ALTER TABLE personalize.event ATTACH PARTITION personalize.%s"
							" FOR VALUES FROM ('%s') TO ('%s')",
							name, DayLiteral(day), DayLiteral(day + 1)));
	SpiUtilCommand(psprintf("INSERT INTO personalize._event_day (day)"
							" VALUES (pg_catalog.date '2000-01-01' OPERATOR(pg_catalog.+) %d)"
							" ON CONFLICT (day) DO NOTHING", day));
}

/* Make the partitions of these days in this transaction. */
int
PartitionMakeDays(const int32 *days, int count)
{
	SpiUtilScope scope;
	int			made = 0;

	SpiUtilBegin(&scope);
	/* one maker at a time; the loser of a race finds the day made */
	SpiUtilCommand("LOCK TABLE personalize.event IN SHARE UPDATE EXCLUSIVE MODE");
	for (int i = 0; i < count; i++)
	{
		char		name[PARTITION_NAME_LENGTH];

		PartitionName(days[i], name);
		if (OidIsValid(RelationFind(name, true)))
			continue;
		MakePartition(days[i]);
		made++;
	}
	SpiUtilEnd(&scope);
	return made;
}

/* Make a range of days in this transaction. */
static int
MakeRange(int32 firstDay, int32 dayCount)
{
	int32	   *days = palloc(sizeof(int32) * dayCount);
	int			made;

	for (int i = 0; i < dayCount; i++)
		days[i] = firstDay + i;
	made = PartitionMakeDays(days, dayCount);
	pfree(days);
	return made;
}

/* Make partitions from today up to days ahead; returns how many were made. */
int
PartitionMakeAhead(int days)
{
	int32		today = PartitionDay(ClockNow());
	bool		missing = false;

	for (int i = 0; i <= days && !missing; i++)
	{
		char		name[PARTITION_NAME_LENGTH];

		PartitionName(today + i, name);
		missing = !OidIsValid(RelationFind(name, true));
	}
	return missing ? MakeRange(today, days + 1) : 0;
}

/* The background worker: make the days it is told, then end. */
void
PersonalizePartitionMain(Datum argument)
{
	PartitionRequest request;

	memcpy(&request, MyBgworkerEntry->bgw_extra, sizeof(request));
	BackgroundWorkerUnblockSignals();
	BackgroundConnect(request.databaseId, request.ownerId);
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, "making partitions of personalize.event");
	/* the extension may not be visible outside the transaction that asks */
	if (RelationExtensionExists())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		MakeRange(request.firstDay, request.dayCount);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
}

/* Have days made in a transaction of their own; false if that cannot be had. */
static bool
MakeElsewhere(int32 firstDay, int32 dayCount)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	PartitionRequest request;

	StaticAssertStmt(sizeof(PartitionRequest) <= BGW_EXTRALEN, "request fits bgw_extra");
	request.databaseId = MyDatabaseId;
	request.ownerId = RelationOwner();
	request.firstDay = firstDay;
	request.dayCount = dayCount;

	BackgroundDescribe(&worker, "PersonalizePartitionMain", "personalize partition maker", &request, sizeof(request));
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, &handle) &&
		WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED;
}

/* True if this transaction holds the lock that making a partition takes. */
static bool
HoldsMakersLock(void)
{
	Relation	parent = RelationOpenTable("event", AccessShareLock);
	bool		holds = CheckRelationLockedByMe(parent, ShareUpdateExclusiveLock, true);

	table_close(parent, AccessShareLock);
	return holds;
}

/*
 * Make a missing day.  Today and days ahead are made in a transaction of their
 * own; past days are a history import's, whose rows belong with them.
 */
static void
MakeMissing(int32 day)
{
	char		name[PARTITION_NAME_LENGTH];

	/* waiting for another process while holding the lock it needs would hang */
	if (day >= PartitionDay(ClockNow()) && !HoldsMakersLock())
	{
		MakeElsewhere(day, DAYS_AHEAD + 1);
		AcceptInvalidationMessages();
	}
	PartitionName(day, name);
	if (!OidIsValid(RelationFind(name, true)))
		PartitionMakeDays(&day, 1);
}

/* The partition last found open, until anything about it changes. */
static Oid	openPartition = InvalidOid;

/* Relcache callback: it may have been closed. */
static void
ForgetOpen(Datum argument, Oid relationId)
{
	if (!OidIsValid(relationId) || relationId == openPartition)
		openPartition = InvalidOid;
}

/* Watch for days that are closed. */
void
PartitionInit(void)
{
	RelationWatch(ForgetOpen);
}

/* True if a day, whose partition is locked against closing, is open. */
static bool
IsOpen(Relation partition, int32 day)
{
	Snapshot	snapshot;
	Relation	table;
	ScanKeyData key;
	SysScanDesc scan;

	if (RelationGetRelid(partition) == openPartition)
		return true;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	table = RelationOpenTable("_event_day", AccessShareLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_DATE_EQ, DateADTGetDatum(day));
	scan = systable_beginscan(table, RelationIndex(table, "_event_day_open"), true, snapshot, 1, &key);
	if (HeapTupleIsValid(systable_getnext(scan)))
		openPartition = RelationGetRelid(partition);
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	UnregisterSnapshot(snapshot);
	return RelationGetRelid(partition) == openPartition;
}

/* Open a day again. */
static void
Reopen(Relation partition, int32 day)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(day)};

	SpiUtilRunAsOwner(&plan,
					  "INSERT INTO personalize._event_day AS d (day) VALUES ($1)"
					  " ON CONFLICT (day) DO UPDATE SET rolled = false, thinned = '{}'",
					  lengthof(types), types, values, NULL, false);
	/* also tells this backend if it is undone */
	CacheInvalidateRelcache(partition);
}

/* The partition for an arrival time, opened for inserting. */
Relation
PartitionOpenForInsert(TimestampTz receivedAt)
{
	int32		day = PartitionDay(receivedAt);
	char		name[PARTITION_NAME_LENGTH];
	Relation	partition = NULL;

	PartitionName(day, name);
	while (partition == NULL)
	{
		Oid			partitionId = RelationFind(name, true);

		/* retention may drop it while its lock is waited for */
		if (OidIsValid(partitionId))
			partition = try_table_open(partitionId, RowExclusiveLock);
		else
			MakeMissing(day);
	}
	if (!IsOpen(partition, day))
		Reopen(partition, day);
	return partition;
}

/* Compare two days. */
static int
CompareDays(const ListCell *left, const ListCell *right)
{
	int			a = lfirst_int(left);
	int			b = lfirst_int(right);

	return (a > b) - (a < b);
}

/* The days that have a partition, sorted. */
List *
PartitionDays(Snapshot snapshot, bool all)
{
	Relation	table = RelationOpenTable("_event_day", AccessShareLock);
	Oid			openIndex = RelationIndex(table, "_event_day_open");
	List	   *days = NIL;
	SysScanDesc scan;
	HeapTuple	tuple;

	/* the index holds only the days still open */
	scan = systable_beginscan(table, openIndex, !all, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isNull;

		days = lappend_int(days, DatumGetDateADT(heap_getattr(tuple, 1,
															  RelationGetDescr(table), &isNull)));
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	list_sort(days, CompareDays);
	return days;
}

/* The partition of a day, or InvalidOid; readers ask for the same few again and again. */
static Oid
PartitionFind(int32 day)
{
	static struct
	{
		uint64		generation;
		int32		day;
		Oid			partition;
	}			known[16];
	int			slot = (uint32) day % lengthof(known);
	char		name[PARTITION_NAME_LENGTH];

	if (known[slot].generation == RelationGeneration() && known[slot].day == day)
		return known[slot].partition;
	PartitionName(day, name);
	known[slot].day = day;
	known[slot].partition = RelationFind(name, true);
	/* what does not exist is not remembered: nothing may tell when it does */
	known[slot].generation = OidIsValid(known[slot].partition) ? RelationGeneration() : 0;
	return known[slot].partition;
}

/* OIDs of the partitions in the order of days. */
List *
PartitionList(Snapshot snapshot, bool all, TimestampTz since)
{
	List	   *days = PartitionDays(snapshot, all);
	int32		firstDay = since ? PartitionDay(since) : PG_INT32_MIN;
	List	   *partitions = NIL;
	ListCell   *cell;

	foreach(cell, days)
	{
		Oid			partition;

		if (lfirst_int(cell) < firstDay)
			continue;
		partition = PartitionFind(lfirst_int(cell));
		if (OidIsValid(partition))
			partitions = lappend_oid(partitions, partition);
	}
	list_free(days);
	return partitions;
}

/* Names of partitions that are nobody's day, as SQL. */
List *
PartitionForeign(void)
{
	static SPIPlanPtr plan = NULL;
	MemoryContext context = CurrentMemoryContext;
	List	   *names = NIL;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_inherits AS h"
			   " JOIN pg_class AS c ON c.oid = h.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
			   " WHERE h.inhparent = 'personalize.event'::regclass AND NOT EXISTS ("
			   "  SELECT FROM personalize._event_day AS d WHERE n.nspname = 'personalize'"
			   "   AND c.relname = 'event_p' || translate(d.day::text, '-', '')) ORDER BY 1",
			   0, NULL, NULL, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext spiContext = MemoryContextSwitchTo(context);

		names = lappend(names, pstrdup(name));
		MemoryContextSwitchTo(spiContext);
	}
	SpiUtilEnd(&scope);
	return names;
}

/* _make_partitions_ahead(days) */
Datum
personalize_make_partitions_ahead(PG_FUNCTION_ARGS)
{
	int32		days = PG_GETARG_INT32(0);

	if (days < 0 || days > 366)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("days must be between 0 and 366, not %d", days)));
	PG_RETURN_INT32(PartitionMakeAhead(days));
}

/*
 * erasure_scrub.c
 *		Removing from the files what erasure has removed from the tables.
 *
 * A deleted row stays in its page until VACUUM prunes it, its keys stay in the
 * indexes until VACUUM cleans those, and even then the bytes lie in the free
 * space of the pages until something is written there.  A process of its own does
 * what a function cannot: it vacuums every table of the extension, with index
 * cleanup, and overwrites the free space of each page of table, TOAST and b-tree.
 * Overwritten pages go into the WAL whole, so standbys overwrite theirs, too.
 *
 * What was deleted by transactions below a horizon, taken before the first
 * VACUUM, is gone when the last has ended: an erasure whose cut-off is not above
 * it has then reached the stage vacuumed.  VACUUM passes over a page that
 * somebody pins; the overwriting looks at every page anyway, so it counts what
 * should have gone, and the table is vacuumed again.  It also finds indexes in
 * which a key that no row has any more still separates pages; these are built
 * anew, beside their users.  Where that is interrupted an invalid index is left,
 * which VACUUM passes over; it is dropped first of all the next time, and as long
 * as there is one nothing counts as vacuumed.
 *
 * The process needs a free worker slot, not the library in
 * shared_preload_libraries.
 */
#include "postgres.h"

#include "erasure/erasure_scrub.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/background.h"
#include "base/lock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "erasure/erasure_blocker.h"
#include "erasure/erasure_page.h"
#include "erasure/erasure_sweep.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/worker_task.h"

int			personalize_scrub_after = 24 * 60;

/* So long it waits for old snapshots to end, and so often it vacuums a table again. */
#define PATIENCE_MS 20000
#define POLL_MS 100
#define MOST_VACUUMS 3

/* What the process is told, in bgw_extra. */
typedef struct ScrubRequest
{
	Oid			databaseId;
	Oid			ownerId;
	TransactionId after;		/* begin when this has ended */
} ScrubRequest;

/* One round of work. */
typedef struct Scrub
{
	MemoryContext context;		/* outlives transactions */
	int64		horizon;		/* txid: what was deleted below it goes */
	TransactionId oldest;		/* the same as VACUUM counts */
	List	   *tables;			/* their OIDs */
} Scrub;

/* Begin a transaction with a snapshot. */
static void
BeginStep(const char *activity)
{
	pgstat_report_activity(STATE_RUNNING, activity);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Commit it. */
static void
EndStep(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Run a statement as the owner; rows processed. */
static uint64
RunStatement(const char *sql, int argumentCount, Oid *types, Datum *values)
{
	SpiUtilScope scope;
	uint64		processed;

	SpiUtilBegin(&scope);
	if (SPI_execute_with_args(sql, argumentCount, types, values, NULL, false, 0) < 0)
		elog(ERROR, "\"%s\" failed", sql);
	processed = SPI_processed;
	SpiUtilEnd(&scope);
	return processed;
}

/* Run a command that takes and ends transactions of its own. */
static void
RunCommand(const char *sql, MemoryContext context)
{
	MemoryContext oldContext = MemoryContextSwitchTo(context);
	PlannedStmt *statement = makeNode(PlannedStmt);

	statement->commandType = CMD_UTILITY;
	statement->canSetTag = false;
	statement->utilityStmt = linitial_node(RawStmt, pg_parse_query(sql))->stmt;
	MemoryContextSwitchTo(oldContext);

	BeginStep(sql);
	/* what stands around the command must outlive its transactions */
	PortalContext = context;
	MemoryContextSwitchTo(context);
	ProcessUtility(statement, sql, false, PROCESS_UTILITY_TOPLEVEL, NULL, NULL,
				   None_Receiver, NULL);
	PortalContext = NULL;
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Names of indexes that were left invalid and may be dropped, and their tables. */
static List *
ListLeftOver(const Scrub *scrub, List **tables)
{
	SpiUtilScope scope;
	List	   *names = NIL;
	bool		isNull;

	SpiUtilBegin(&scope);
	SPI_execute("SELECT table_oid, index_name FROM personalize_internal._invalid_index()"
				" WHERE removable AND NOT at_work", true, 0);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MemoryContext oldContext = MemoryContextSwitchTo(scrub->context);

		*tables = lappend_oid(*tables, DatumGetObjectId(SpiUtilValue(row, 1, &isNull)));
		names = lappend(names, TextDatumGetCString(SpiUtilValue(row, 2, &isNull)));
		MemoryContextSwitchTo(oldContext);
	}
	SpiUtilEnd(&scope);
	return names;
}

/*
 * Drop an index that was left invalid.  Whoever builds indexes, or vacuums, holds
 * this lock on the table; having it, what is invalid is nobody's work.
 */
static void
DropLeftOver(const Scrub *scrub, Oid tableId, const char *name)
{
	Oid			types[] = {TEXTOID};
	Datum		values[1];
	LOCKTAG		tag;
	bool		locked;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, tableId);
	BeginStep("looking for invalid indexes");
	locked = LockAcquire(&tag, ShareUpdateExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
	values[0] = CStringGetTextDatum(name);
	if (locked &&
		RunStatement("SELECT FROM personalize_internal._invalid_index() WHERE index_name = $1 AND removable",
					 1, types, values) == 0)
	{
		LockRelease(&tag, ShareUpdateExclusiveLock, true);
		locked = false;
	}
	EndStep();
	if (!locked)
		return;
	ereport(LOG,
			(errmsg("dropping index %s, which was left invalid", name)));
	RunCommand(MemoryContextStrdup(scrub->context, psprintf("DROP INDEX CONCURRENTLY %s", name)),
			   scrub->context);
	LockRelease(&tag, ShareUpdateExclusiveLock, true);
}

/* Drop what interrupted rebuilds have left. */
static void
DropAllLeftOver(const Scrub *scrub)
{
	List	   *tables = NIL;
	List	   *names;
	ListCell   *table;
	ListCell   *name;

	BeginStep("looking for invalid indexes");
	names = ListLeftOver(scrub, &tables);
	EndStep();
	forboth(table, tables, name, names)
		DropLeftOver(scrub, lfirst_oid(table), lfirst(name));
}

/* Build indexes anew in which a key that is gone separates pages, or may. */
static void
RebuildIndexes(const ErasurePages *work)
{
	ListCell   *cell;

	foreach(cell, work->indexes)
		RunCommand(MemoryContextStrdup(work->context,
									   psprintf("REINDEX INDEX CONCURRENTLY personalize.%s",
												quote_identifier(lfirst(cell)))),
				   work->context);
}

/* Vacuum one table and overwrite its free space; false if VACUUM could not finish. */
static bool
ScrubTable(const Scrub *scrub, Oid tableId)
{
	MemoryContext context = AllocSetContextCreate(scrub->context, "personalize scrub table",
												  ALLOCSET_DEFAULT_SIZES);
	ErasurePages work = {.oldest = scrub->oldest,.context = context};
	int64		dead = 0;

	for (int i = 0; i < MOST_VACUUMS && (i == 0 || dead > 0); i++)
	{
		char	   *name;

		BeginStep("looking for tables");
		name = get_rel_name(tableId);
		if (name != NULL)
			name = MemoryContextStrdup(context, quote_identifier(name));
		EndStep();
		if (name == NULL)
			break;
		RunCommand(MemoryContextStrdup(context,
									  psprintf("VACUUM (ANALYZE, INDEX_CLEANUP on, TRUNCATE off) personalize.%s", name)),
				  context);
		BeginStep("overwriting free space");
		work.indexes = NIL;
		work.dead = 0;
		ErasureWipeTable(&work, tableId);
		dead = work.dead;
		EndStep();
	}
	if (dead == 0)
		RebuildIndexes(&work);
	MemoryContextDelete(context);
	return dead == 0;
}

/* Take the horizon; true if an erasure above the last one has come below it. */
static bool
TakeHorizon(Scrub *scrub)
{
	Oid			types[] = {INT8OID};
	Datum		values[1];
	Relation	table = RelationOpenTable("erasure", AccessShareLock);
	bool		due;

	scrub->oldest = GetOldestNonRemovableTransactionId(table);
	scrub->horizon = TxidOfNow(scrub->oldest);
	relation_close(table, AccessShareLock);
	values[0] = Int64GetDatum(scrub->horizon);
	due = RunStatement("SELECT FROM personalize.erasure"
					   " WHERE NOT reached ? 'vacuumed' AND cutoff <= $1 LIMIT 1", 1, types, values) > 0;
	return due;
}

/* True if an erasure waits to be vacuumed. */
static bool
IsWaiting(void)
{
	return RunStatement("SELECT FROM personalize.erasure WHERE NOT reached ? 'vacuumed' LIMIT 1",
						0, NULL, NULL) > 0;
}

/* True if an erasure waits for the process, or an index that it may drop. */
bool
ErasureScrubIsNeeded(void)
{
	return IsWaiting() ||
		RunStatement("SELECT FROM personalize_internal._invalid_index() WHERE removable AND NOT at_work LIMIT 1",
					 0, NULL, NULL) > 0;
}

/* The tables of the extension. */
static List *
ListTables(MemoryContext context)
{
	SpiUtilScope scope;
	List	   *tables = NIL;
	bool		isNull;

	SpiUtilBegin(&scope);
	SPI_execute("SELECT c.oid FROM pg_class c WHERE c.relkind = 'r'"
				" AND c.relnamespace = 'personalize'::regnamespace"
				" AND pg_get_userbyid(c.relowner) = 'personalize_owner' ORDER BY c.relname", true, 0);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MemoryContext oldContext = MemoryContextSwitchTo(context);

		tables = lappend_oid(tables, DatumGetObjectId(SpiUtilValue(row, 1, &isNull)));
		MemoryContextSwitchTo(oldContext);
	}
	SpiUtilEnd(&scope);
	return tables;
}

/* Write down which erasures have come how far. */
static void
RecordVacuumed(const Scrub *scrub)
{
	Oid			types[] = {INT8OID, LSNOID};
	Datum		values[] = {Int64GetDatum(scrub->horizon), LSNGetDatum(GetXLogInsertRecPtr())};

	RunStatement("UPDATE personalize.erasure SET reached = reached || jsonb_build_object("
				 " 'vacuumed', clock_timestamp(), 'statistics', clock_timestamp(), 'lsn', $2::text),"
				 " stage = CASE WHEN reached ? 'dictionary' THEN 'statistics' ELSE stage END"
				 " WHERE NOT reached ? 'vacuumed' AND cutoff <= $1", 2, types, values);
}

/* Wait until there is something that can be done; false if there is not. */
static bool
WaitForHorizon(Scrub *scrub)
{
	for (int waited = 0;; waited += POLL_MS)
	{
		bool		waiting;
		bool		due;

		BeginStep("waiting for old snapshots");
		waiting = IsWaiting();
		due = waiting && TakeHorizon(scrub);
		if (due)
			scrub->tables = ListTables(scrub->context);
		EndStep();
		if (due || !waiting || waited >= PATIENCE_MS)
			return due;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Decide about candidates that are waiting. */
static void
SweepStep(void)
{
	BeginStep("deciding what leaves the dictionary");
	(void) ErasureSweep(true);
	ErasureSweepRecord();
	EndStep();
}

/* Vacuum and overwrite all tables once; false if something is left. */
static bool
ScrubOnce(Scrub *scrub)
{
	bool		complete = true;
	ListCell   *cell;

	DropAllLeftOver(scrub);
	foreach(cell, scrub->tables)
		complete &= ScrubTable(scrub, lfirst_oid(cell));
	BeginStep("recording");
	complete &= ErasureIndexBlockers(true) == NIL;
	if (complete)
		RecordVacuumed(scrub);
	EndStep();
	return complete;
}

/* The background process: work until nothing more can be done, then end. */
void
PersonalizeScrubMain(Datum argument)
{
	ScrubRequest request;
	Scrub		scrub = {0};

	memcpy(&request, MyBgworkerEntry->bgw_extra, sizeof(request));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundConnect(request.databaseId, request.ownerId);
	scrub.context = AllocSetContextCreate(TopMemoryContext, "personalize scrub",
										  ALLOCSET_DEFAULT_SIZES);
	BeginStep("waiting for the transaction that asked");
	if (TransactionIdIsNormal(request.after))
		XactLockTableWait(request.after, NULL, NULL, XLTW_None);
	EndStep();

	StartTransactionCommand();
	if (!RelationExtensionExists() || !RelationVersionMatches() || !ScrubTryLock())
	{
		CommitTransactionCommand();
		return;
	}
	CommitTransactionCommand();
	SweepStep();
	DropAllLeftOver(&scrub);
	while (WaitForHorizon(&scrub) && ScrubOnce(&scrub))
		MemoryContextReset(scrub.context);
}

/* Start the process. */
bool
ErasureScrubStart(void)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	ScrubRequest request;

	StaticAssertStmt(sizeof(ScrubRequest) <= BGW_EXTRALEN, "request fits bgw_extra");
	request.databaseId = MyDatabaseId;
	request.ownerId = RelationOwner();
	request.after = GetTopTransactionIdIfAny();

	BackgroundDescribe(&worker, "PersonalizeScrubMain", ERASURE_SCRUB_TYPE, &request, sizeof(request));
	return RegisterDynamicBackgroundWorker(&worker, &handle);
}

/* Start the process if an erasure has been waiting for longer than personalize.scrub_after. */
static bool
StartIfDue(void)
{
	Oid			types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(personalize_scrub_after)};

	if (personalize_scrub_after >= 0 &&
		RunStatement("SELECT FROM personalize.erasure WHERE NOT reached ? 'vacuumed'"
					 " AND requested_at <= now() - $1 * interval '1 minute' LIMIT 1",
					 1, types, values) > 0)
		(void) ErasureScrubStart();
	return false;
}

/* End the process where it works in this database. */
static void
Stop(Oid database)
{
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *backend = CompatLocalBackend(i);
		const char *type;

		if (backend == NULL || backend->backendStatus.st_databaseid != database)
			continue;
		type = GetBackgroundWorkerTypeByPid(backend->backendStatus.st_procpid);
		if (type != NULL && strcmp(type, ERASURE_SCRUB_TYPE) == 0)
			kill(backend->backendStatus.st_procpid, SIGTERM);
	}
}

static const WorkerTask startTask = {"maintenance: looking for erasures to scrub", StartIfDue, 1};

/* Called once when the library is loaded. */
void
ErasureScrubInit(void)
{
	DefineCustomIntVariable("personalize.scrub_after",
							"How long an erasure waits until a worker scrubs the files; -1: until scrub_erased() is called.",
							NULL, &personalize_scrub_after, 24 * 60, -1, 366 * 24 * 60,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	WorkerTaskRegister(&startTask);
	WorkerTaskRegisterLeave(Stop);
}

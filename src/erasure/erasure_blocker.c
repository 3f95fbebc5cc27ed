/*
 * erasure_blocker.c
 *		What keeps the erased in the files, by name.
 *
 * Old snapshots, replication slots and prepared transactions keep VACUUM from
 * removing row versions, and it does not look into indexes that were left invalid;
 * the planner keeps statistics; standbys may not have replayed the removal; WAL is
 * kept for standbys, slots and crash recovery.
 */
#include "postgres.h"

#include "erasure/erasure_blocker.h"

#include <sys/stat.h>

#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/process_name.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/fd.h"
#include "storage/spin.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/pg_lsn.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

char	   *personalize_expected_standbys = "";

/* True if one of a backend's ids is older than xid. */
static bool
IsOlder(const LocalPgBackendStatus *local, TransactionId xid)
{
	const PgBackendStatus *backend = &local->backendStatus;

	if (backend->st_procpid == MyProcPid || backend->st_backendType == B_AUTOVAC_WORKER)
		return false;
	if (TransactionIdIsNormal(local->backend_xid) &&
		TransactionIdPrecedes(local->backend_xid, xid))
		return true;
	return TransactionIdIsNormal(local->backend_xmin) &&
		TransactionIdPrecedes(local->backend_xmin, xid) &&
		(backend->st_databaseid == MyDatabaseId || !OidIsValid(backend->st_databaseid));
}

/* True if the second column of a row is older than an xid. */
static bool
IsOlderXid(uint64 row, uint64 xid)
{
	bool		isNull;

	return TransactionIdPrecedes(DatumGetTransactionId(SpiUtilValue(row, 2, &isNull)),
								 (TransactionId) xid);
}

/* True if the second column of a row, an LSN, is before another. */
static bool
IsBehind(uint64 row, uint64 lsn)
{
	bool		isNull;

	return DatumGetLSN(SpiUtilValue(row, 2, &isNull)) < lsn;
}

/* True if there are statistics about the column that a row names. */
static bool
HasStatistics(uint64 row, uint64 unused)
{
	bool		isNull;
	Datum		table = SpiUtilValue(row, 2, &isNull);
	Datum		column = SpiUtilValue(row, 3, &isNull);

	return SearchSysCacheExists3(STATRELATTINH, table, column, BoolGetDatum(false)) ||
		SearchSysCacheExists3(STATRELATTINH, table, column, BoolGetDatum(true));
}

/* Append the names in the first column of the rows that pass, or of all. */
static List *
AppendNames(List *names, const char *sql, bool (*passes) (uint64 row, uint64 bound), uint64 bound)
{
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SPI_execute(sql, true, 0);
	for (uint64 row = 0; row < SPI_processed; row++)
		if (passes == NULL || passes(row, bound))
		{
			char	   *name = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
			MemoryContext spiContext = MemoryContextSwitchTo(context);

			names = lappend(names, pstrdup(name));
			MemoryContextSwitchTo(spiContext);
		}
	SpiUtilEnd(&scope);
	return names;
}

/* What keeps row versions that were deleted below the txid. */
List *
ErasureSnapshotBlockers(int64 txid)
{
	TransactionId xid = TxidTransactionId(txid);
	List	   *names = NIL;

	if (!TransactionIdIsNormal(xid))
		return NIL;
	pgstat_clear_snapshot();
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *local = CompatLocalBackend(i);

		if (local != NULL && IsOlder(local, xid))
			names = lappend(names, ProcessName(&local->backendStatus));
	}
	names = AppendNames(names,
						"SELECT format('replication slot \"%s\"', slot_name), xmin"
						" FROM pg_replication_slots WHERE xmin IS NOT NULL ORDER BY slot_name",
						IsOlderXid, xid);
	return AppendNames(names,
					   "SELECT format('prepared transaction \"%s\" of database \"%s\"', gid, database), transaction"
					   " FROM pg_prepared_xacts ORDER BY gid", IsOlderXid, xid);
}

/* Indexes of the extension's tables that are invalid. */
List *
ErasureIndexBlockers(bool all)
{
	return AppendNames(NIL, all ?
					   "SELECT format('index %s, which is invalid', index_name)"
					   " FROM personalize_internal._invalid_index() ORDER BY index_name" :
					   "SELECT format('index %s, which is invalid', index_name)"
					   " FROM personalize_internal._invalid_index() WHERE NOT at_work ORDER BY index_name",
					   NULL, 0);
}

/* True if there are statistics in an object that a row names, over several columns or expressions. */
static bool
HasExtended(uint64 row, uint64 unused)
{
	bool		isNull;
	Datum		object = SpiUtilValue(row, 2, &isNull);

	return SearchSysCacheExists2(STATEXTDATASTXOID, object, BoolGetDatum(false)) ||
		SearchSysCacheExists2(STATEXTDATASTXOID, object, BoolGetDatum(true));
}

/* Columns with data of people, and what is made of them. */
#define PERSON_COLUMNS \
	" FROM personalize_internal._person_columns() AS p" \
	" JOIN pg_class c ON c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p')" \
	"  AND (c.relname = p.of_table OR (p.of_table = 'event' AND c.relispartition))" \
	" JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = p.of_column"
#define MADE_OF_THEM(class) \
	" JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum" \
	"  AND d.classid = '" class "'::regclass"

/*
 * Columns with data of people about which the planner keeps statistics, and indexes on
 * expressions and statistics objects that others have made of such.
 */
List *
ErasureStatisticsBlockers(void)
{
	List	   *names = AppendNames(NIL, "SELECT format('%I.%I', c.relname, a.attname), c.oid, a.attnum"
									PERSON_COLUMNS " ORDER BY 1", HasStatistics, 0);

	names = AppendNames(names,
						"SELECT DISTINCT format('index %s', i.indexrelid::regclass), i.indexrelid, x.attnum"
						PERSON_COLUMNS MADE_OF_THEM("pg_class")
						" JOIN pg_index i ON i.indexrelid = d.objid AND i.indexprs IS NOT NULL"
						" JOIN pg_attribute x ON x.attrelid = i.indexrelid ORDER BY 1", HasStatistics, 0);
	return AppendNames(names,
					   "SELECT DISTINCT format('statistics %I.%I', n.nspname, e.stxname), e.oid"
					   PERSON_COLUMNS MADE_OF_THEM("pg_statistic_ext")
					   " JOIN pg_statistic_ext e ON e.oid = d.objid JOIN pg_namespace n ON n.oid = e.stxnamespace"
					   /* ours are of times, numbers and purposes */
					   " WHERE NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = d.classid AND m.objid = e.oid AND m.deptype = 'e')"
					   " ORDER BY 1", HasExtended, 0);
}

/* The application name of a process, as a standby names itself. */
static const char *
ApplicationName(int pid)
{
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *local = CompatLocalBackend(i);

		if (local != NULL && local->backendStatus.st_procpid == pid)
			return local->backendStatus.st_appname;
	}
	return "";
}

/* Check a list of names, separated by commas. */
bool
ErasureCheckStandbys(char **value, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*value);
	List	   *names;
	bool		valid = SplitGUCList(copy, ',', &names);

	if (!valid)
		GUC_check_errdetail("It must be a list of names, separated by commas.");
	pfree(copy);
	list_free(names);
	return valid;
}

/* True if a standby of this name is connected. */
static bool
IsConnected(const char *name)
{
	bool		connected = false;

	for (int i = 0; i < max_wal_senders && !connected; i++)
	{
		WalSnd	   *sender = &WalSndCtl->walsnds[i];
		WalSndState state;
		int			pid;

		SpinLockAcquire(&sender->mutex);
		pid = sender->pid;
		state = sender->state;
		SpinLockRelease(&sender->mutex);
		connected = pid != 0 && state != WALSNDSTATE_BACKUP &&
			strcmp(ApplicationName(pid), name) == 0;
	}
	return connected;
}

/* Append the standbys that there should be, and that are not connected. */
static List *
AppendMissing(List *names)
{
	List	   *expected;
	ListCell   *cell;

	/* checked when it was set */
	(void) SplitGUCList(pstrdup(personalize_expected_standbys), ',', &expected);
	foreach(cell, expected)
		if (!IsConnected(lfirst(cell)))
			names = lappend(names, psprintf("standby \"%s\" of personalize.expected_standbys, which is not connected",
											(char *) lfirst(cell)));
	return names;
}

/* Replicas that have not replayed up to lsn. */
List *
ErasureReplicaBlockers(XLogRecPtr lsn)
{
	List	   *names = NIL;

	pgstat_clear_snapshot();
	for (int i = 0; i < max_wal_senders; i++)
	{
		WalSnd	   *sender = &WalSndCtl->walsnds[i];
		WalSndState state;
		XLogRecPtr	applied;
		int			pid;

		SpinLockAcquire(&sender->mutex);
		pid = sender->pid;
		state = sender->state;
		applied = sender->apply;
		SpinLockRelease(&sender->mutex);
		if (pid == 0 || applied >= lsn)
			continue;
		if (state == WALSNDSTATE_BACKUP)
			names = lappend(names, psprintf("base backup by \"%s\" (process %d), which is under way",
											ApplicationName(pid), pid));
		else
			names = lappend(names, psprintf("standby \"%s\" (process %d), which has replayed %X/%X",
											ApplicationName(pid), pid, LSN_FORMAT_ARGS(applied)));
	}
	names = AppendMissing(names);
	return AppendNames(names,
						"SELECT format('replication slot \"%s\", to which nobody is connected', slot_name),"
						" coalesce(confirmed_flush_lsn, restart_lsn) FROM pg_replication_slots"
						" WHERE (slot_type = 'physical' OR database = current_database()) AND NOT active"
						" AND restart_lsn IS NOT NULL ORDER BY slot_name", IsBehind, lsn);
}

/* What keeps WAL from before lsn. */
List *
ErasureWalBlockers(XLogRecPtr lsn)
{
	List	   *names = AppendNames(NIL,
									"SELECT 'no checkpoint has been completed since', redo_lsn"
									" FROM pg_control_checkpoint()", IsBehind, lsn);

	return AppendNames(names,
						"SELECT format('replication slot \"%s\"', slot_name), restart_lsn"
						" FROM pg_replication_slots WHERE restart_lsn IS NOT NULL ORDER BY slot_name", IsBehind, lsn);
}

/*
 * Files of pg_wal that may hold what was written before lsn and at.  A segment
 * that was recycled has a name to come, but keeps its content, and the time of
 * its last write, until it is written again.
 */
int
ErasureOldWal(XLogRecPtr lsn, TimestampTz at, char **oldest)
{
	DIR		   *directory = AllocateDir(XLOGDIR);
	struct dirent *entry;
	int			count = 0;

	*oldest = NULL;
	while ((entry = ReadDir(directory, XLOGDIR)) != NULL)
	{
		char		path[MAXPGPATH];
		struct stat status;
		XLogSegNo	segment;
		XLogRecPtr	start;
		TimeLineID	timeline;

		if (!IsXLogFileName(entry->d_name))
			continue;
		snprintf(path, sizeof(path), XLOGDIR "/%s", entry->d_name);
		if (stat(path, &status) != 0)
			continue;
		XLogFromFileName(entry->d_name, &timeline, &segment, wal_segment_size);
		XLogSegNoOffsetToRecPtr(segment, 0, wal_segment_size, start);
		if (start >= lsn && time_t_to_timestamptz(status.st_mtime) > at)
			continue;
		count++;
		if (*oldest == NULL || strcmp(entry->d_name, *oldest) < 0)
			*oldest = pstrdup(entry->d_name);
	}
	FreeDir(directory);
	return count;
}

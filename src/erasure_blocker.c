/*
 * erasure_blocker.c
 *		What keeps the erased in the files, by name.
 *
 * Old snapshots, replication slots and prepared transactions keep VACUUM from
 * removing row versions; standbys may not have replayed the removal; WAL is kept
 * for standbys, slots and crash recovery.  What the server knows of other
 * sessions is read here without asking who asks: processes, roles and application
 * names are told, never what they run.
 */
#include "postgres.h"

#include "erasure_status.h"

#include <sys/stat.h>

#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "spi_util.h"
#include "storage/fd.h"
#include "storage/spin.h"
#include "txid.h"
#include "utils/backend_status.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

/* Append a name, allocated in the caller's context. */
static List *
AppendName(List *names, MemoryContext context, const char *name)
{
	MemoryContext oldContext = MemoryContextSwitchTo(context);

	names = lappend(names, pstrdup(name));
	MemoryContextSwitchTo(oldContext);
	return names;
}

/* A process by what one can find it by. */
static char *
ProcessName(const PgBackendStatus *backend)
{
	char	   *role = OidIsValid(backend->st_userid) ? GetUserNameFromId(backend->st_userid, true) : NULL;
	const char *type = GetBackendTypeDesc(backend->st_backendType);

	if (backend->st_backendType == B_WAL_SENDER)
		return psprintf("standby \"%s\" (hot_standby_feedback, process %d)",
						backend->st_appname, backend->st_procpid);
	return psprintf("process %d (%s, role \"%s\", application \"%s\")", backend->st_procpid,
					type, role ? role : "", backend->st_appname);
}

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

/* Append the names in the first column of rows whose second column is older than xid. */
static List *
AppendOlder(List *names, const char *sql, TransactionId xid)
{
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	SPI_execute(sql, true, 0);
	for (uint64 row = 0; row < SPI_processed; row++)
		if (TransactionIdPrecedes(DatumGetTransactionId(SpiUtilValue(row, 2, &isNull)), xid))
			names = AppendName(names, context,
							   SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1));
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
	names = AppendOlder(names,
						"SELECT format('replication slot \"%s\"', slot_name), xmin"
						" FROM pg_replication_slots WHERE xmin IS NOT NULL ORDER BY slot_name", xid);
	return AppendOlder(names,
					   "SELECT format('prepared transaction \"%s\" of database \"%s\"', gid, database), transaction"
					   " FROM pg_prepared_xacts ORDER BY gid", xid);
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

/* Append the names in the first column of rows whose second column, an LSN, is before lsn. */
static List *
AppendBehind(List *names, const char *sql, XLogRecPtr lsn)
{
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	SPI_execute(sql, true, 0);
	for (uint64 row = 0; row < SPI_processed; row++)
		if (DatumGetLSN(SpiUtilValue(row, 2, &isNull)) < lsn)
			names = AppendName(names, context,
							   SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1));
	SpiUtilEnd(&scope);
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
	return AppendBehind(names,
						"SELECT format('replication slot \"%s\", to which nobody is connected', slot_name), restart_lsn"
						" FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active"
						" AND restart_lsn IS NOT NULL ORDER BY slot_name", lsn);
}

/* What keeps WAL from before lsn. */
List *
ErasureWalBlockers(XLogRecPtr lsn)
{
	List	   *names = AppendBehind(NIL,
									 "SELECT 'no checkpoint has been completed since', redo_lsn"
									 " FROM pg_control_checkpoint()", lsn);

	return AppendBehind(names,
						"SELECT format('replication slot \"%s\"', slot_name), restart_lsn"
						" FROM pg_replication_slots WHERE restart_lsn IS NOT NULL ORDER BY slot_name", lsn);
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

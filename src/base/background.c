/*
 * background.c
 *		Background processes of this library.
 */
#include "postgres.h"

#include "base/background.h"

#include "utils/guc.h"

/* What a client may be given, and a process of ours must not. */
static const char *const pinned[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"lock_timeout", "0"},
	{"statement_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"transaction_timeout", "0"},
	{"session_replication_role", "origin"},
	{"row_security", "on"},
	{"DateStyle", "ISO"},
	{"TimeZone", "UTC"},
	{"jit", "off"},
};

/* Describe a process of this library. */
void
BackgroundDescribe(BackgroundWorker *worker, const char *function, const char *type,
				   const void *extra, Size extraSize)
{
	memset(worker, 0, sizeof(*worker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker->bgw_library_name, BGW_MAXLEN, "personalize");
	snprintf(worker->bgw_function_name, BGW_MAXLEN, "%s", function);
	snprintf(worker->bgw_name, BGW_MAXLEN, "%s", type);
	snprintf(worker->bgw_type, BGW_MAXLEN, "%s", type);
	Assert(extraSize <= BGW_EXTRALEN);
	if (extraSize > 0)
		memcpy(worker->bgw_extra, extra, extraSize);
}

/* Connect to a database as a role, under pinned settings. */
void
BackgroundConnect(Oid database, Oid role)
{
	BackgroundWorkerInitializeConnectionByOid(database, role, 0);
	for (int i = 0; i < lengthof(pinned); i++)
		/* a timeout may be of a later version */
		if (GetConfigOption(pinned[i][0], true, false) != NULL)
			SetConfigOption(pinned[i][0], pinned[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

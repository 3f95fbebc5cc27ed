/*
 * background.c
 *		Background processes of this library.
 */
#include "postgres.h"

#include "base/background.h"

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

/*
 * process_name.c
 *		Other processes of the server, by what one can find them by.
 *
 * What the server knows of other sessions is read without asking who asks:
 * processes, roles and application names are told, never what they run.  What a
 * worker of ours says of itself is no statement, so that is told.
 */
#include "postgres.h"

#include "base/process_name.h"

#include "base/relation.h"
#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/timestamp.h"

/* A process with its role and application. */
char *
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

/* What a process is doing. */
static char *
Doing(const PgBackendStatus *backend)
{
	switch (backend->st_state)
	{
		case STATE_IDLEINTRANSACTION:
			return "idle in a transaction";
		case STATE_IDLEINTRANSACTION_ABORTED:
			return "idle in an aborted transaction";
		case STATE_RUNNING:
			if (backend->st_backendType == B_BG_WORKER && backend->st_userid == RelationOwner())
				return psprintf("\"%s\"", backend->st_activity_raw);
			return "running a statement";
		default:
			return "ending its transaction";
	}
}

/* A process by its id, and what it is doing. */
char *
ProcessNameDoing(int pid)
{
	pgstat_clear_snapshot();
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *local = CompatLocalBackend(i);
		const PgBackendStatus *backend = local ? &local->backendStatus : NULL;
		TimestampTz began;

		if (backend == NULL || backend->st_procpid != pid)
			continue;
		began = backend->st_xact_start_timestamp;
		if (began == 0)
			return psprintf("%s, %s", ProcessName(backend), Doing(backend));
		return psprintf("%s, %s, in a transaction of %ld s", ProcessName(backend), Doing(backend),
						TimestampDifferenceMilliseconds(began, GetCurrentTimestamp()) / 1000);
	}
	return psprintf("process %d", pid);
}

/*
 * lock_try.c
 *		Waiting for locks, but not long.
 */
#include "postgres.h"

#include "base/lock_try.h"

#include "access/xact.h"
#include "base/subtransaction.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* Take locks, but do not wait long. */
bool
LockTry(void (*take) (void *arg), void *arg, int milliseconds)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			level = GetCurrentTransactionNestLevel();
	volatile bool locked = false;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		int			gucLevel = NewGUCNestLevel();
		char		timeout[16];

		snprintf(timeout, sizeof(timeout), "%dms", milliseconds);
		(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		take(arg);
		AtEOXact_GUC(true, gucLevel);
		ReleaseCurrentSubTransaction();
		locked = true;
	}
	PG_CATCH();
	{
		ErrorData  *error = SubtransactionFailed(context, owner, level);

		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
			error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return locked;
}

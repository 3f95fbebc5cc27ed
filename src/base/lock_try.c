/*
 * lock_try.c
 *		Waiting for locks, but not long.
 */
#include "postgres.h"

#include "base/lock_try.h"

#include "base/subtransaction.h"
#include "utils/guc.h"

/* Locks to be taken. */
typedef struct Taking
{
	bool		(*take) (void *arg);
	void	   *arg;
	int			milliseconds;
	bool		taken;
} Taking;

/* Take them. */
static bool
Take(void *argument)
{
	Taking	   *taking = argument;
	int			gucLevel = NewGUCNestLevel();
	char		timeout[16];

	snprintf(timeout, sizeof(timeout), "%dms", taking->milliseconds);
	(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	taking->taken = taking->take(taking->arg);
	AtEOXact_GUC(true, gucLevel);
	return taking->taken;
}

/* Take locks, but do not wait long. */
bool
LockTry(bool (*take) (void *arg), void *arg, int milliseconds)
{
	Taking		taking = {.take = take,.arg = arg,.milliseconds = milliseconds};
	ErrorData  *error = SubtransactionTry(Take, &taking);

	if (error == NULL)
		return taking.taken;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

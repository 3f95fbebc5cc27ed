/*
 * subtransaction.c
 *		Ending subtransactions after an error.
 */
#include "postgres.h"

#include "base/subtransaction.h"

#include "access/xact.h"
#include "utils/memutils.h"

/* Roll back to a nest level; the error is returned. */
ErrorData *
SubtransactionFailed(MemoryContext context, ResourceOwner owner, int level)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	while (GetCurrentTransactionNestLevel() > level)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

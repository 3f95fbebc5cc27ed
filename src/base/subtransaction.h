/*
 * subtransaction.h
 *		Subtransactions: what is only tried, and ending them after an error.
 */
#ifndef PERSONALIZE_SUBTRANSACTION_H
#define PERSONALIZE_SUBTRANSACTION_H

#include "postgres.h"

#include "utils/resowner.h"

/*
 * In PG_CATCH, after BeginInternalSubTransaction: roll back what was begun above
 * the nest level of before, return to its context and owner, and give the error.
 * Also who throws the error on, with ReThrowError, has to call this first: else
 * the session is left in an aborted subtransaction that no ROLLBACK ends.
 */
extern ErrorData *SubtransactionFailed(MemoryContext context, ResourceOwner owner, int level);

/*
 * Do something in a subtransaction that is undone, so that its locks are given back.  NULL, or
 * the error; that the statement is to end is raised.
 */
extern ErrorData *SubtransactionTry(void (*work) (void *argument), void *argument);

#endif

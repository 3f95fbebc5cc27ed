/*
 * subtransaction.h
 *		Subtransactions: what is only tried.
 */
#ifndef PERSONALIZE_SUBTRANSACTION_H
#define PERSONALIZE_SUBTRANSACTION_H

#include "postgres.h"

/*
 * Do something in a subtransaction.  True keeps what was done; after false or an error it is
 * undone, and its locks are given back.  Returns NULL, or the error, for the caller to raise with
 * ReThrowError if it is not the one that was to be expected; that the statement is to end is raised.
 */
extern ErrorData *SubtransactionTry(bool (*work) (void *argument), void *argument);

#endif

/*
 * erasure.h
 *		Forgetting people.
 */
#ifndef PERSONALIZE_ERASURE_H
#define PERSONALIZE_ERASURE_H

#include "postgres.h"

#include "utils/uuid.h"

/* A person to be forgotten. */
typedef struct ErasurePerson
{
	int64		userKey;
	const text *userId;			/* NULL: not known; then rejected events that only name it stay */
	int64		pseudonym;		/* from here on set by ErasureForget */
	pg_uuid_t	receipt;
} ErasurePerson;

/*
 * Forget people in this transaction, in one shared scan.  Sorts them by key and
 * drops repetitions; returns how many are left, each with its receipt.  The
 * transaction must be READ COMMITTED and have written no events.
 */
extern int	ErasureForget(ErasurePerson *people, int count);

#endif

/*
 * erasure.h
 *		Forgetting people.
 */
#ifndef PERSONALIZE_ERASURE_H
#define PERSONALIZE_ERASURE_H

#include "postgres.h"

#include "utils/uuid.h"

/* What is counted in a receipt, in the order it is shown; erasure.c names them. */
typedef enum ErasureCount
{
	ERASED_EVENTS,
	ERASED_ITEM_COUNTS,
	ERASED_BASKETS,
	ERASED_MESSAGES,
	ERASED_REJECTED,
	ERASED_PROFILES,
	ERASED_SESSIONS,
	ERASED_PREFERENCES,
	ERASED_LOG_ENTRIES,
	ERASED_DECISIONS,
	ERASED_SUBJECTS,
	PARTIAL_EVENTS,
	PARTIAL_POSTINGS
} ErasureCount;
#define ERASURE_COUNTS (PARTIAL_POSTINGS + 1)

/* A person to be forgotten. */
typedef struct ErasurePerson
{
	int64		userKey;
	const text *userId;			/* NULL: not known; then rejected events that only name it stay */
	int64		pseudonym;		/* from here on set by ErasureForget */
	pg_uuid_t	receipt;
	int64		counts[ERASURE_COUNTS];
} ErasurePerson;

/*
 * Forget people in this transaction, in one shared scan.  Sorts them by key and
 * drops repetitions; returns how many are left, each with its receipt.  The
 * transaction must be READ COMMITTED and have written no events.
 */
extern int	ErasureForget(ErasurePerson *people, int count);

#endif

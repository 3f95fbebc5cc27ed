/*
 * consent.h
 *		What each person allowed: purposes, the ledger, and its current state.
 */
#ifndef PERSONALIZE_CONSENT_H
#define PERSONALIZE_CONSENT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "people/consent_cache.h"
#include "people/purpose.h"
#include "utils/snapshot.h"

/* Columns of subject, in order; src/people/consent.sql. */
typedef enum SubjectColumn
{
	SUBJECT_USER_KEY = 1,
	SUBJECT_USER_ID,
	SUBJECT_GRANTED,
	SUBJECT_DECIDED,
	SUBJECT_SINCE,
	SUBJECT_RESTRICTED
} SubjectColumn;
#define SUBJECT_COLUMNS 6

/*
 * Fill in the states of people.  Who has no row in subject, or one that does not
 * speak of every purpose in all, is looked up in the ledger too; who is known to
 * neither, among those who were forgotten.
 */
extern void ConsentReadStates(ConsentState **states, int count, int32 all, Snapshot snapshot);

/* The purposes allowed by a state: the ledger's word, else the default; none of the forgotten. */
static inline int32
ConsentAllowed(const ConsentState *state, const PurposeCatalogue *purposes)
{
	if (state->forgotten)
		return 0;
	return (state->granted & state->decided) | (purposes->allowed & ~state->decided);
}

/* The purposes a person allows now, under the active snapshot. */
extern int32 ConsentMaskOf(int64 userKey);

/*
 * Fold the logged users whose shard is set into subject; called by the profile processor's fold, with those stripes locked shared.
 */
extern void ConsentFoldSubjects(const bool *shards);

#endif

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
 * Called on withdrawal, in its transaction, with the person's stripe locked
 * exclusively: remove everything derived from this person that needed one of
 * bits.  The raw events have lost those bits already.
 */
typedef void (*ConsentPurge) (int64 userKey, int32 bits);
extern void ConsentRegisterPurge(ConsentPurge purge);

/*
 * The same, but called before the raw events lose the bits: for sums out of
 * which the person's events are subtracted one by one.
 */
extern void ConsentRegisterUncount(ConsentPurge uncount);

/*
 * The same as ConsentRegisterPurge for what has a time of its own: only what is
 * older than until is to go.
 */
typedef void (*ConsentPurgeUntil) (int64 userKey, int32 bits, TimestampTz until);
extern void ConsentRegisterPurgeUntil(ConsentPurgeUntil purge);

/*
 * Called after the purges of a withdrawal that came late, after which the bits
 * were granted again: derive anew what the person's events, which hold these bits
 * from that grant on, say about what needs them.
 */
extern void ConsentRegisterRecount(ConsentPurge recount);

/*
 * Fold the users of _dictionary_log whose shard is set into subject; called by
 * the profile processor's fold, with those stripes locked shared.
 */
extern void ConsentFoldSubjects(const bool *shards);

#endif

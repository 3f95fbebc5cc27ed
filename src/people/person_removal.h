/*
 * person_removal.h
 *		Taking data of people away, or out of use, in every table that has registered.
 */
#ifndef PERSONALIZE_PERSON_REMOVAL_H
#define PERSONALIZE_PERSON_REMOVAL_H

#include "executor/spi.h"
#include "people/person_store.h"

/*
 * Visit all raw events of people that the active snapshot sees, and delete each one
 * then if asked to; registered by whoever keeps them.
 */
typedef void (*PersonVisit) (void *arg, int64 userKey, const struct EventRow *row);
typedef void (*PersonWalk) (const KeySet *people, PersonVisit visit, void *arg, bool deletes);
extern void PersonRegisterWalk(PersonWalk walk);

/* True if the active snapshot sees a raw event of a person. */
extern bool PersonHasEvents(int64 userKey);

/* Forget people, who are given in the order of their keys, each once; their tallies are set. */
extern void PersonForget(PersonTaken *people, int count);

/*
 * Take away what needs purposes, in three steps: PersonUncount before and
 * PersonPurge after PersonClearUntil; PersonRecount derives it anew.
 */
extern void PersonUncount(int64 userKey, int32 purposes);
extern void PersonClearUntil(int64 userKey, int32 purposes, TimestampTz until);
extern void PersonPurge(int64 userKey, int32 purposes);
extern void PersonRecount(int64 userKey, int32 purposes);

/* A restriction begins or ends for purposes (PersonParking). */
extern void PersonPark(int64 userKey, int32 purposes);
extern void PersonUnpark(int64 userKey, int32 purposes);

/* Before and after a correction of the person's events (PersonRemaking). */
extern void PersonTakeOut(int64 userKey, int32 restricted);
extern void PersonRemake(int64 userKey, int32 restricted);

/* For stores: what the one whose turn it is counts of a person. */
extern PersonTally *PersonRemovalTally(PersonRemoval *removal, int64 userKey);

/* For stores: what one of them has taken of all people. */
extern int64 PersonRemovalTotal(const PersonRemoval *removal, const char *store);

/*
 * For stores: run a statement that deletes rows of the people, whose keys are $1,
 * and count the rows it returns: user_key comes first, and what to add to left may
 * follow.
 */
extern void PersonRemovalDelete(PersonRemoval *removal, SPIPlanPtr *plan, const char *sql);

#endif

/*
 * identity.h
 *		Whose an id is: people with several ids.
 */
#ifndef PERSONALIZE_IDENTITY_H
#define PERSONALIZE_IDENTITY_H

#include "postgres.h"

#include "base/keyed.h"
#include "base/shard.h"
#include "fmgr.h"

/* Columns of identity, in order; src/people/identity.sql. */
typedef enum IdentityColumn
{
	IDENTITY_ALIAS_KEY = 1,
	IDENTITY_USER_KEY,
	IDENTITY_SINCE,
	IDENTITY_PLACE,
	IDENTITY_SOURCE,
	IDENTITY_ALIAS_ID,
	IDENTITY_USER_ID
} IdentityColumn;

/* A person: the id that all others stand for. */
typedef struct Person
{
	int64		userKey;
	text	   *userId;
} Person;

/* Open the identities for looking ids up; NULL if there are none.  Close it with KeyedClose. */
extern KeyedTable *IdentityOpen(void);

/* Whose the id of a key is, if it is another's; else false.  userId may be NULL. */
extern bool IdentityRead(KeyedTable *identities, int64 key, Snapshot snapshot, Person *person);

/* The key of the person whose id has a key, as the active snapshot sees it. */
extern int64 IdentityKeyOf(int64 key);

/* The same of the id given as an argument, which must be one. */
extern int64 IdentityKeyArgument(FunctionCallInfo fcinfo, int argument, const char *name);

/* The person whose id this is, as of now: for who is about to change something. */
extern Person IdentityPersonNow(const text *id);

/*
 * The other ids of a person, as of now.  Each has a place, and a new one the next: that of
 * the newest is as many as there are, or more where some have gone.  Adding stripes adds
 * those of all ids.
 */
extern int64 IdentityNewestPlace(int64 userKey);
extern int64 IdentityCount(int64 userKey, int64 limit);	/* no further than to one more than the limit */
extern void IdentityAddStripes(int64 userKey, bool stripes[SHARD_COUNT]);

/* All ids of the people whose ids these are, as of now, but for these; their number is given. */
extern Person *IdentityOthers(const int64 *keys, int count, int *others);

/*
 * Make an id the person's and lock the person's stripe, so that it stays so: shared,
 * or exclusively (base/purge_lock.h).
 */
extern Person IdentityLockShared(const text *id);
extern Person IdentityLockExclusive(const text *id, const char *notDone);

#endif

/*
 * consent_cache.h
 *		Remembering what people allow.
 */
#ifndef PERSONALIZE_CONSENT_CACHE_H
#define PERSONALIZE_CONSENT_CACHE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/* What is known of one person. */
typedef struct ConsentState
{
	int64		userKey;
	int64		personKey;		/* whose the id is; mostly the same (identity.h) */
	int32		granted;		/* purposes the ledger allows */
	int32		decided;		/* purposes the ledger has spoken about */
	bool		hasSubject;		/* has a row in subject */
	bool		hasLedger;		/* the ledger was asked and knows the person */
	bool		forgotten;		/* was forgotten, and has not come back by a grant */
	TimestampTz since;			/* came back then: nothing before counts; else DT_NOBEGIN */
} ConsentState;

/* A person is about to be looked for. */
extern void ConsentCachePrefetch(int64 userKey);

/* Fill in the state of a person if it is remembered and still holds under the snapshot. */
extern bool ConsentCacheFind(ConsentState *state, Snapshot snapshot);

/* Remember a state that was read under the snapshot. */
extern void ConsentCacheStore(const ConsentState *state, Snapshot snapshot);

/*
 * Say that this transaction is about to change what a person allows; called
 * before subject or consent_ledger is written, with the person's stripe locked.
 */
extern void ConsentCacheNoteChange(int64 userKey);

/* The same of all people of some stripes, of SHARD_COUNT; NULL: of everybody, in all databases. */
extern void ConsentCacheNoteStripes(const bool *stripes);

/* Called once when the library is loaded. */
extern void ConsentCacheInit(void);

#endif

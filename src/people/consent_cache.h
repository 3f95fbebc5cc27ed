/*
 * consent_cache.h
 *		Remembering what people allow from one batch to the next.
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

/* Fill in the state of a person if it is remembered and still holds. */
extern bool ConsentCacheFind(ConsentState *state);

/* Remember a state that was read under the snapshot. */
extern void ConsentCacheStore(const ConsentState *state, Snapshot snapshot);

/*
 * Say that this transaction is about to change what a person allows; called
 * before subject or consent_ledger is written, with the person's stripe locked.
 */
extern void ConsentCacheNoteChange(int64 userKey);

/* The same of all people of some stripes, of SHARD_COUNT. */
extern void ConsentCacheNoteStripes(const bool *stripes);

/* The same of everybody. */
extern void ConsentCacheNoteAll(void);

/* Called once when the library is loaded. */
extern void ConsentCacheInit(void);

#endif

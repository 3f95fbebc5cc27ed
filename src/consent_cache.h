/*
 * consent_cache.h
 *		Remembering what people allow from one batch to the next.
 */
#ifndef PERSONALIZE_CONSENT_CACHE_H
#define PERSONALIZE_CONSENT_CACHE_H

#include "postgres.h"

#include "consent.h"

/* Fill in the state of a person if it is remembered and still holds under the snapshot. */
extern bool ConsentCacheFind(ConsentState *state, Snapshot snapshot);

/* Remember a state that was read under the snapshot. */
extern void ConsentCacheStore(const ConsentState *state, Snapshot snapshot);

/*
 * Say that this transaction is about to change what a person allows; called
 * before subject or consent_ledger is written, with the person's stripe locked.
 */
extern void ConsentCacheNoteChange(int64 userKey);

#endif

/*
 * neighbour.h
 *		The processor that keeps sessions and their postings.
 */
#ifndef PERSONALIZE_NEIGHBOUR_H
#define PERSONALIZE_NEIGHBOUR_H

#include "postgres.h"

#include "base/key_set.h"
#include "base/keyed.h"
#include "datatype/timestamp.h"
#include "events/event.h"
#include "neighbours/session_index.h"
#include "utils/snapshot.h"

/* A pause this long ends a session that has no id of its own. */
#define NEIGHBOUR_SESSION_GAP (30 * USECS_PER_MINUTE)

/* The number under which postings know a session, with a given id or by its start. */
extern int64 NeighbourSession(int64 userKey, bool given, int64 sessionKey);

/*
 * The number of the session without an id that a user is in at that time; false
 * if none is indexed.  For KnnQuery.excluded.
 */
extern bool NeighbourGapSession(KeyedTable *sessions, int64 userKey, TimestampTz now,
								Snapshot snapshot, int64 *session);

/*
 * Take a person's sessions out of use for the time being, and put them back; and
 * remove those whose raw events exist, to be counted again.  With the person's
 * stripe locked exclusively.
 */
extern void NeighbourPark(int64 userKey);
extern void NeighbourUnpark(int64 userKey);
extern void NeighbourRemove(int64 userKey);

/* Remove a person's sessions if one of the purposes is theirs; else they lose the others. */
extern void NeighbourPurge(int64 userKey, int32 bits);

/*
 * Remove all sessions of these people, and their postings; erased, unless NULL, is
 * called for each of them before it goes.  The caller is alone with the people
 * (PurgeLockStripes).
 */
typedef void (*NeighbourErased) (void *arg, const Session *session);
extern SessionIndexLosses NeighbourErase(const KeySet *people, NeighbourErased erased, void *arg);

/* For verification: which events count (-1: not this one), and which types of event. */
extern int	NeighbourShard(const EventRow *row);
extern bool *NeighbourEventTypes(void);

/* Called once when the library is loaded. */
extern void NeighbourInit(void);

#endif

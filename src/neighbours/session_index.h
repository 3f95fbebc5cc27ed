/*
 * session_index.h
 *		Sessions and their postings, changed together.
 */
#ifndef PERSONALIZE_SESSION_INDEX_H
#define PERSONALIZE_SESSION_INDEX_H

#include "postgres.h"

#include "base/keyed.h"
#include "neighbours/session.h"

/* What is being changed; one at a time per transaction. */
typedef struct SessionIndex
{
	Snapshot	snapshot;		/* the active one when it was opened */
	KeyedTable *sessions;
	struct SessionIndexChanges *changes;
} SessionIndex;

/*
 * Open for writing: waits for other writers, then reads and writes under a
 * fresh snapshot, which stays active until SessionIndexEnd.
 */
extern SessionIndex *SessionIndexBegin(void);

/*
 * Put newSession (NULL: nothing) into the place of stored sessions.  Session
 * rows are written at once, postings by SessionIndexEnd, in the order of items.
 */
extern void SessionIndexReplace(SessionIndex *index, const Session *old, int oldCount,
								const Session *newSession);

/* What happened to lists that others are in, too. */
typedef struct SessionIndexLosses
{
	int64		refilled;		/* items whose list was made anew from the sessions there are */
	int64		missing;		/* entries that should be in these, but for sessions that are gone */
} SessionIndexLosses;

/* Write the postings and close. */
extern SessionIndexLosses SessionIndexEnd(SessionIndex *index);

/* Throw all sessions and postings away; when others have been made, what was kept in use meanwhile. */
extern void SessionIndexReset(void);
extern void SessionIndexRebuilt(void);

#endif

/*
 * session_expire.h
 *		Sessions that ended too long ago go, with their postings.
 */
#ifndef PERSONALIZE_SESSION_EXPIRE_H
#define PERSONALIZE_SESSION_EXPIRE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* What to look at, and what came of it. */
typedef struct SessionExpiry
{
	TimestampTz before;			/* sessions that ended earlier go */
	bool		dryRun;
	int64		maxSessions;	/* to remove; a hundred times as many are looked at */
	bool		hasNextKey;		/* begin with this user; out: the rest begins there */
	int64		nextKey;
	int64		damaged;		/* out: rows that could not be read, and are left */
	int64		sessions;		/* gone */
} SessionExpiry;

/* The caller holds the processor's locks, unless it is a dry run. */
extern void SessionExpire(SessionExpiry *expiry);

#endif

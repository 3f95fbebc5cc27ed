/*
 * session_total.h
 *		What is counted over all sessions together.
 */
#ifndef PERSONALIZE_SESSION_TOTAL_H
#define PERSONALIZE_SESSION_TOTAL_H

#include "postgres.h"

#include "neighbours/repeat.h"
#include "utils/snapshot.h"

/* Of sessions that have postings. */
typedef struct SessionTotals
{
	int64		sessions;
	TimestampTz newest;			/* no session has an event after it */
	int64		entries;		/* items of all sessions */
	double		recent;			/* of these, each weighing 1/e per PAIR_TREND_DECAY before lastDay ends */
	int32		lastDay;		/* that any was come to, since 2000-01-01 UTC */
} SessionTotals;

/* What is added, and taken out. */
typedef struct SessionSum SessionSum;
extern SessionSum *SessionSumBegin(void);

/* Add a session, or take one out (sign -1). */
extern void SessionSumAdd(SessionSum *sum, const Session *session, int sign);

/* What has been added, as if there was nothing else. */
extern void SessionSumTotals(const SessionSum *sum, SessionTotals *totals);
extern const RepeatCounts *SessionSumRepeats(const SessionSum *sum);

/* True if the tables say by day what has been added, and nothing more. */
extern bool SessionSumDaysAgree(const SessionSum *sum, Snapshot snapshot);

/* Write it to the tables; nothing has happened after newest. */
extern void SessionSumWrite(SessionSum *sum, Snapshot snapshot, TimestampTz newest);

/* Forget what the tables say, whatever that is. */
extern void SessionTotalsClear(void);

/*
 * What the tables say; repeats is all zeros if there is nothing.  Of those it is returned
 * how many rows are damaged, which are told of and left out.
 */
extern void SessionTotalsRead(SessionTotals *totals, Snapshot snapshot);
extern int	SessionRepeatsRead(RepeatCounts *counts, Snapshot snapshot);

#endif

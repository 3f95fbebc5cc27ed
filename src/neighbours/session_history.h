/*
 * session_history.h
 *		Where the sessions of an item are, for those who ask for many earlier times.
 */
#ifndef PERSONALIZE_SESSION_HISTORY_H
#define PERSONALIZE_SESSION_HISTORY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "neighbours/session_total.h"
#include "utils/hsearch.h"
#include "utils/snapshot.h"

typedef struct SessionHistory SessionHistory;

/*
 * Look where the sessions are that had begun by a time, in the current memory context; NULL:
 * they take more than maintenance_work_mem.  What is asked for must be asked under the same snapshot.
 */
extern SessionHistory *SessionHistoryRead(Snapshot snapshot, TimestampTz until);

/*
 * Go on to a time; false: it lies before the last one, or after the one read up to.  Then all that
 * is counted over the sessions as they were at that time.
 */
extern bool SessionHistoryAdvance(SessionHistory *history, TimestampTz asOf);
extern SessionSum *SessionHistorySum(const SessionHistory *history);

/* Gather the sessions of these items, as they were at that time, into lists of PostingGather by item. */
extern void SessionHistoryGather(SessionHistory *history, HTAB *lists, const KeySet *items);

#endif

/*
 * ingest_stat.c
 *		Counts of messages by what became of them.
 *
 * Suppressed messages leave no trace in any table, so they are counted in shared
 * memory: a table would have one hot row.
 */
#include "postgres.h"

#include "events/ingest_stat.h"

#include "base/counter.h"

/* The counters' names: ingest, status and reason as stat_ingest shows them. */
static const char *const counterNames[INGEST_REASON_COUNT] = {
	[REASON_STORED] = "ingest.accepted.stored",
	[REASON_SEEN_BEFORE] = "ingest.duplicate.message_id",
	[REASON_UNDECIDED] = "ingest.suppressed.undecided",
	[REASON_WITHDRAWN] = "ingest.suppressed.withdrawn",
	[REASON_ERASED] = "ingest.suppressed.erased",
	[REASON_EVENT_DENIES] = "ingest.suppressed.event denies",
	[REASON_LEDGER_REQUIRED] = "ingest.suppressed.ledger required",
	[REASON_MALFORMED] = "ingest.rejected.malformed",
	[REASON_USER_ID] = "ingest.rejected.user_id",
	[REASON_EVENT] = "ingest.rejected.event",
	[REASON_ITEM_ID] = "ingest.rejected.item_id",
	[REASON_SESSION_ID] = "ingest.rejected.session_id",
	[REASON_REQUEST_ID] = "ingest.rejected.request_id",
	[REASON_MESSAGE_ID] = "ingest.rejected.message_id",
	[REASON_TS] = "ingest.rejected.ts",
	[REASON_PROPERTIES] = "ingest.rejected.properties",
	[REASON_ITEMS] = "ingest.rejected.items",
};

/* What became of a message for which this is the reason. */
IngestStatus
IngestReasonStatus(IngestReason reason)
{
	if (reason == REASON_STORED)
		return INGEST_ACCEPTED;
	if (reason == REASON_SEEN_BEFORE)
		return INGEST_DUPLICATE;
	return reason < REASON_MALFORMED ? INGEST_SUPPRESSED : INGEST_REJECTED;
}

/* The reason as stat_ingest shows it. */
const char *
IngestReasonName(IngestReason reason)
{
	return strrchr(counterNames[reason], '.') + 1;
}

/* Number of the first counter. */
static int	firstCounter;

/* Add to the counts of this database. */
void
IngestStatAdd(const int64 *counts)
{
	for (int i = 0; i < INGEST_REASON_COUNT; i++)
		if (counts[i] != 0)
			CounterAdd(firstCounter + i, counts[i]);
}

/* Make the counters known. */
void
IngestStatInit(void)
{
	firstCounter = CounterRegister(counterNames, INGEST_REASON_COUNT);
}

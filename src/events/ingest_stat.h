/*
 * ingest_stat.h
 *		Counts of messages by what became of them.
 */
#ifndef PERSONALIZE_INGEST_STAT_H
#define PERSONALIZE_INGEST_STAT_H

#include "postgres.h"

/* personalize.ingest_status, in its order. */
typedef enum IngestStatus
{
	INGEST_ACCEPTED,
	INGEST_DUPLICATE,
	INGEST_SUPPRESSED,
	INGEST_REJECTED
} IngestStatus;
#define INGEST_STATUS_COUNT 4

/* What became of a message, and why; the rows of stat_ingest. */
typedef enum IngestReason
{
	REASON_STORED,
	REASON_SEEN_BEFORE,
	REASON_UNDECIDED,			/* nobody has spoken, and the default is denied */
	REASON_WITHDRAWN,			/* the ledger denies */
	REASON_ERASED,				/* the person was forgotten */
	REASON_EVENT_DENIES,		/* the event allows less than the ledger */
	REASON_LEDGER_REQUIRED,		/* the event allows, the ledger is silent */
	REASON_MALFORMED,
	REASON_USER_ID,
	REASON_EVENT,
	REASON_ITEM_ID,
	REASON_SESSION_ID,
	REASON_REQUEST_ID,
	REASON_MESSAGE_ID,
	REASON_TS,
	REASON_PROPERTIES,
	REASON_ITEMS
} IngestReason;
#define INGEST_REASON_COUNT (REASON_ITEMS + 1)

/* What became of a message for which this is the reason, and the reason as stat_ingest shows it. */
extern IngestStatus IngestReasonStatus(IngestReason reason);
extern const char *IngestReasonName(IngestReason reason);

/* Add to the counts of this database. */
extern void IngestStatAdd(const int64 *counts);

/* Called once when the library is loaded. */
extern void IngestStatInit(void);

#endif

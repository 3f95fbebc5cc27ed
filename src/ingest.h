/*
 * ingest.h
 *		How events come in: one path behind track, ingest and inbox.
 */
#ifndef PERSONALIZE_INGEST_H
#define PERSONALIZE_INGEST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "event.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/jsonb.h"

/* Bytes of a value that is not NUL-terminated; data is NULL for SQL's null. */
typedef struct IngestString
{
	const char *data;
	int			length;
} IngestString;

/* One message as the application gave it. */
typedef struct IngestMessage
{
	int64		rowNumber;		/* place in the call, from 1 */
	IngestString userId;
	IngestString event;
	IngestString itemId;
	IngestString sessionId;
	IngestString requestId;
	IngestString messageId;
	Datum		properties;		/* jsonb, if hasProperties */
	bool		hasProperties;
	bool		hasTs;
	TimestampTz ts;
	bool		surelyNew;		/* nobody else can know its message id */
	bool		speaks;			/* says what it may be used for */
	int32		spoken;			/* if so: these purposes */
	JsonbValue *original;		/* what was sent, if it was JSON */
	const char *malformed;		/* why it cannot be read at all, or NULL */
} IngestMessage;

/* personalize.ingest_status, in its order. */
typedef enum IngestStatus
{
	INGEST_ACCEPTED,
	INGEST_DUPLICATE,
	INGEST_SUPPRESSED,
	INGEST_REJECTED
} IngestStatus;
#define INGEST_STATUS_COUNT 4

/* Messages by what became of them. */
typedef struct IngestCounts
{
	int64		of[INGEST_STATUS_COUNT];
} IngestCounts;

typedef struct IngestBatch IngestBatch;

/*
 * Begin a call.  source names it in rejected_event; history: events count as
 * received at their own time.
 */
extern IngestBatch *IngestBegin(const char *source, bool history);

/*
 * Add a message.  What it points to must live until the next IngestFlush.
 */
extern void IngestAdd(IngestBatch *batch, const IngestMessage *message);

/* Bits of the purposes in an array of names; what is unknown or null is not counted. */
extern int32 IngestPurposes(IngestBatch *batch, ArrayType *names);

/* Bit of a purpose; 0 for a name nobody knows. */
extern int32 IngestPurpose(IngestBatch *batch, const char *name, int length);

/* Bits of the purposes in a list written as text; see ConsentPurposeList. */
extern int32 IngestPurposeList(IngestBatch *batch, const char *list, int length);

/* Write what was added; raise: a rejected message is an error. */
extern void IngestFlush(IngestBatch *batch, bool raise);

/* What became of the messages flushed so far; tells of rejected ones. */
extern IngestCounts IngestEnd(IngestBatch *batch);

/* Counts as the row that the batch functions return. */
extern Datum IngestCountsDatum(FunctionCallInfo fcinfo, IngestCounts counts);

#endif

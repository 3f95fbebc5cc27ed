/*
 * ingest.h
 *		How events come in: one path behind track, ingest and inbox.
 */
#ifndef PERSONALIZE_INGEST_H
#define PERSONALIZE_INGEST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "events/event.h"
#include "events/ingest_stat.h"
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
	int64		rowNumber;		/* place in the call, from 1; 0: it is the only one */
	IngestString userId;
	IngestString event;
	IngestString itemId;
	IngestString sessionId;
	IngestString requestId;
	IngestString messageId;
	Datum		properties;		/* jsonb, if hasProperties */
	bool		hasProperties;
	IngestString unreadProperties;	/* what was given instead of JSON, or NULL */
	const char *whyUnread;		/* and what is wrong with it */
	bool		hasTs;
	TimestampTz ts;
	IngestString unreadTs;		/* what was given instead of a time, or NULL */
	bool		surelyNew;		/* nobody else can know its message id, which is made when needed if it is NULL */
	bool		speaks;			/* says what it may be used for */
	int32		spoken;			/* if so: these purposes */
	JsonbValue *original;		/* what was sent, if it was JSON */
	IngestString originalText;	/* the same, if it could not be read as such */
	const char *malformed;		/* why it cannot be read at all, or NULL */
} IngestMessage;

/* Messages by what became of them. */
typedef struct IngestCounts
{
	int64		of[INGEST_STATUS_COUNT];
	int64		reasons[INGEST_REASON_COUNT];
} IngestCounts;

typedef struct IngestBatch IngestBatch;

/*
 * What a request_id says of the answer it is of, as a number; 0: it is not one of
 * ours.  Whoever makes such ids registers how they are read.
 */
typedef int64 (*IngestReadRequest) (IngestString requestId);
extern void IngestRegisterRequest(IngestReadRequest read);

/*
 * Begin a call.  source names it in rejected_event; history: events count as
 * received at their own time.  A rejected message is an error if
 * personalize.on_bad_row says so, or IngestSetRaise.
 */
extern IngestBatch *IngestBegin(const char *source, bool history);

/* Memory for what comes again and again with many messages; a reset keeps it. */
extern MemoryContext IngestBulkContext(MemoryContext parent, const char *name);
extern void IngestSetRaise(IngestBatch *batch, bool raise);

/* Note the time of a message, an event_time, and its properties, an event_json. */
extern void IngestSetTs(IngestMessage *message, Datum value);
extern void IngestSetProperties(IngestMessage *message, Datum value);

/*
 * Add a message.  What it points to must live until the next IngestFlush.
 */
extern void IngestAdd(IngestBatch *batch, const IngestMessage *message);

/* Bits of the purposes in an array of names; what is unknown or null is not counted. */
extern int32 IngestPurposes(IngestBatch *batch, ArrayType *names);

/* Bit of a purpose; 0 for a name nobody knows. */
extern int32 IngestPurpose(IngestBatch *batch, const char *name, int length);

/* Bits of the purposes in a list written as text; see PurposeReadList. */
extern int32 IngestPurposeList(IngestBatch *batch, const char *list, int length);

/* Write what was added, or raise what is wrong with it. */
extern void IngestFlush(IngestBatch *batch);

/* What became of the messages flushed so far; tells of rejected ones. */
extern IngestCounts IngestEnd(IngestBatch *batch);

/* Counts as the row that the batch functions return. */
extern Datum IngestCountsDatum(FunctionCallInfo fcinfo, IngestCounts counts);

/* Called once when the library is loaded. */
extern void IngestInit(void);

#endif

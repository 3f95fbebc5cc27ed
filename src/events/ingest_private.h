/*
 * ingest_private.h
 *		What ingest.c, message.c and ingest_write.c share about a batch being taken in.
 */
#ifndef PERSONALIZE_INGEST_PRIVATE_H
#define PERSONALIZE_INGEST_PRIVATE_H

#include "base/key_set.h"
#include "events/event.h"
#include "events/ingest.h"
#include "events/ingest_stat.h"
#include "people/consent.h"
#include "utils/uuid.h"

/* A message that has been checked. */
typedef struct PendingMessage
{
	int64		rowNumber;
	int64		userKey;
	IngestString userId;
	bool		hasUser;
	bool		hasAlias;		/* it came under another id of the person */
	int64		aliasKey;
	bool		speaks;
	int32		spoken;
	TimestampTz ts;				/* when it happened, as far as that was said */
	bool		hasMessageId;
	pg_uuid_t	message;
	int32		mask;			/* purposes it may be used for */
	int			firstRow;
	int			rowCount;
	IngestStatus status;
	IngestReason cause;			/* why it is not stored, to be counted */
	int			sqlState;		/* of the error, if it is rejected */
	char	   *reason;			/* why it is rejected, to be read */
	Jsonb	   *payload;		/* what was sent, if it is rejected */
} PendingMessage;

/* A row of event to be written. */
typedef struct PendingRow
{
	EventRow	event;
	IngestString itemId;
	int			message;
} PendingRow;

/* A name of an event that has occurred since the last flush. */
typedef struct KnownEvent
{
	IngestString name;
	int			event;
} KnownEvent;
#define KNOWN_EVENTS 8

/* A user of a batch. */
typedef struct PendingUser
{
	ConsentState state;
	IngestString id;
	int32		grant;			/* purposes its events bring to the ledger */
	bool		accepted;		/* has a message that is stored */
	TimestampTz newest;			/* of those in sequence so far, if nextSequence > 0 */
	int			nextSequence;
} PendingUser;

struct IngestBatch
{
	const char *source;
	bool		history;
	bool		raise;			/* a rejected message is an error */
	TimestampTz now;
	MemoryContext context;		/* lives as long as the batch */
	MemoryContext scratch;		/* reset by each flush */
	bool		bulk;			/* scratch keeps what many messages need */
	PurposeCatalogue *purposes;

	PendingMessage *messages;
	int			messageCount;
	int			messageCapacity;
	PendingRow *rows;
	int			rowCount;
	int			rowCapacity;

	/* of the flush under way: large, so it stays for the next one */
	PendingUser *users;
	int			userCapacity;
	KeySet		known;			/* their keys, in the same order */

	KnownEvent	knownEvents[KNOWN_EVENTS];
	int			nextKnownEvent;

	IngestCounts counts;
};

/* A batch while it is being written. */
typedef struct Flush
{
	IngestBatch *batch;
	int64		txid;
	Snapshot	snapshot;
	PendingUser *users;			/* in the order of their first messages */
	int			userCount;
	int		   *userOf;			/* of each message: index into users, or -1 */
} Flush;

/* Write rows, ids, consent and rejections of a batch that has been judged. */
extern void IngestWrite(const Flush *flush);

/* Raise what is wrong with the first rejected message of a batch, if there is one. */
extern void IngestRaiseRejected(const IngestBatch *batch);

/* Tell what was not stored of several messages, and what was rejected. */
extern void IngestTellSummary(const IngestBatch *batch);

/* Take from an id what does not tell it from others. */
extern void IngestTidyId(IngestString *id);

/* Why a tidy id that may be left out is not usable; NULL if it is. */
extern char *IngestCheckId(IngestString string, const char *name);

/* Append a row of the message being added; the caller sets event and itemId. */
extern PendingRow *IngestAddRow(IngestBatch *batch);

#endif

/*
 * message_id.h
 *		Ids of messages, and ids for those that come without one.
 */
#ifndef PERSONALIZE_MESSAGE_ID_H
#define PERSONALIZE_MESSAGE_ID_H

#include "postgres.h"

#include "base/bytes.h"
#include "utils/uuid.h"

/* True if this is the id that was made last, in this session, or stands for one that is made when it is needed. */
extern bool MessageIdIsLast(const char *id, int length);
extern bool MessageIdIsUnmade(const char *id, int length);

/* Make an id that nobody else has: UUID_TEXT_LENGTH bytes that stay until the next is made. */
extern const char *MessageIdMake(void);

/* True while nobody looks at the ids that rows get for want of one: they are not made then. */
extern bool messageIdsUnseen;

/* A message id as 128 bits, for message_seen; returns it as a key, for event.message_key. */
extern int64 MessageIdRead(const char *id, int length, pg_uuid_t *uuid);

/* What an id in message_seen begins with: a key of event.message_key, but for some bits. */
static inline int64
MessageIdBits(const pg_uuid_t *message)
{
	return (int64) BytesGet(message->data, sizeof(int64));
}

/* Without the bits that mark a key as a hash and a uuid as one of a version. */
static inline int64
MessageIdWithoutMarks(int64 bits)
{
	return bits & ~(INT64CONST(0xf0) << 48) & PG_INT64_MAX;
}

/*
 * Equal for id and key of the same message; else equal once in 2^59 pairs, of ids made
 * in the same four milliseconds in 2^40.  In line, for an erasure may ask it of every
 * message there is.
 */
static inline int64
MessageIdProbe(const pg_uuid_t *message)
{
	return MessageIdWithoutMarks(MessageIdBits(message));
}

/* With what the ids of a key's message may begin; how many there are. */
#define MESSAGE_ID_BEGINNINGS 4
extern int	MessageIdBeginnings(int64 key, int64 *beginnings);

extern int64 MessageIdProbeOfKey(int64 key);

#endif

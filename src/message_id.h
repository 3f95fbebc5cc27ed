/*
 * message_id.h
 *		Ids of messages, and ids for those that come without one.
 */
#ifndef PERSONALIZE_MESSAGE_ID_H
#define PERSONALIZE_MESSAGE_ID_H

#include "postgres.h"

#include "utils/uuid.h"

/* True if this is the id that was made last, in this session. */
extern bool MessageIdIsLast(const char *id, int length);

/* A message id as 128 bits, for message_seen, and as a key, for event.message_key. */
extern void MessageIdUuid(const char *id, int idLength, pg_uuid_t *uuid);
extern int64 MessageIdKey(const char *id, int length);

/* Equal for uuid and key of the same message; else equal once in 2^59 pairs. */
extern int64 MessageIdProbe(const pg_uuid_t *uuid);
extern int64 MessageIdProbeOfKey(int64 key);

#endif

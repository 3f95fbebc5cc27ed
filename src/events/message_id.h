/*
 * message_id.h
 *		Ids of messages, and ids for those that come without one.
 */
#ifndef PERSONALIZE_MESSAGE_ID_H
#define PERSONALIZE_MESSAGE_ID_H

#include "postgres.h"

#include "base/bytes.h"
#include "utils/uuid.h"

/* True if this is the id that was made last, in this session. */
extern bool MessageIdIsLast(const char *id, int length);

/* A message id as 128 bits, for message_seen; returns it as a key, for event.message_key. */
extern int64 MessageIdRead(const char *id, int length, pg_uuid_t *uuid);

/* What a uuid and a key of event.message_key of the same message have in common, but for some bits. */
static inline int64
MessageIdBits(const pg_uuid_t *uuid)
{
	uint64		bits;

	/* the first of the two hashes, which is the key of an id that is no uuid */
	if ((uuid->data[6] & 0xf0) == 0x80)
	{
		memcpy(&bits, uuid->data, sizeof(bits));
		return (int64) bits;
	}
	/* MurmurHash3's finalizer */
	bits = BytesGet(uuid->data, 8) ^ (BytesGet(uuid->data + 8, 8) * UINT64CONST(0x9E3779B97F4A7C15));
	bits ^= bits >> 33;
	bits *= UINT64CONST(0xff51afd7ed558ccd);
	bits ^= bits >> 33;
	return (int64) bits;
}

/* Without the bits that mark a key as a hash and a uuid as one of version 8. */
static inline int64
MessageIdWithoutMarks(int64 bits)
{
	unsigned char bytes[sizeof(bits)];

	memcpy(bytes, &bits, sizeof(bits));
	bytes[6] &= 0x0f;
	memcpy(&bits, bytes, sizeof(bits));
	return bits & PG_INT64_MAX;
}

/*
 * Equal for uuid and key of the same message; else equal once in 2^59 pairs.  In
 * line, for an erasure asks it of every message there is.
 */
static inline int64
MessageIdProbe(const pg_uuid_t *uuid)
{
	return MessageIdWithoutMarks(MessageIdBits(uuid));
}

extern int64 MessageIdProbeOfKey(int64 key);

#endif

/*
 * message_id.c
 *		Ids of messages, and ids for those that come without one.
 *
 * The latter are uuids of version 7 (RFC 9562, section 5.7): milliseconds since 1970,
 * then a counter and 62 random bits.  Ids made one after the other are neighbours
 * in the index of message_seen, which makes remembering them about three times
 * cheaper than ids that are all random.  The time and the random bits are fetched
 * for many ids at once, which the counter then keeps in order.
 *
 * message_seen holds an id as 128 bits, whose first 64 are, but for five, those of
 * event.message_key.  So the index finds the entries of somebody's events.  Half of
 * a uuid tells it from others if it is all random.  Where it is a time, most of its
 * bits are mixed with the other half; the bits that change within hours stay in front,
 * so that ids made one after the other stay neighbours.
 */
#include "postgres.h"

#include "events/message_id.h"

#include "base/bytes.h"
#include "base/id.h"
#include "base/key.h"
#include "base/uuid.h"
#include "compat.h"
#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_new_message_id);

/* The version that marks what is no uuid. */
#define VERSION_OWN 8

/* So many ids are prepared at once; the counter has 12 bits. */
#define PREPARED_IDS 256

/* Milliseconds from 1970 to 2000, where TimestampTz begins. */
#define EPOCH_DIFFERENCE_MS \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY * 1000)

/* Bytes of the time. */
#define TIME_BYTES 6

/* Of ids that are prepared what follows the time, and the last id made. */
static unsigned char prepared[PREPARED_IDS][UUID_LEN - TIME_BYTES];
static int	nextPrepared = PREPARED_IDS;
static char lastId[UUID_TEXT_LENGTH + 1] = "00000000-0000-0000-0000-000000000000";

bool		messageIdsUnseen = false;

/* A text that stands for an id that is not made: none that anybody can write has this byte. */
static char unmade[VARHDRSZ_SHORT + 1];

/* Write the digits of some bytes of the last id. */
static void
PutDigits(const unsigned char *bytes, int first, int end)
{
	static const char digits[] = "0123456789abcdef";
	/* where the digits of each byte stand, the hyphens being there */
	static const uint8 places[UUID_LEN] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

	for (int i = first; i < end; i++)
	{
		lastId[places[i]] = digits[bytes[i - first] >> 4];
		lastId[places[i] + 1] = digits[bytes[i - first] & 0x0f];
	}
}

/* Prepare ids: all have the same time. */
static void
Prepare(void)
{
	unsigned char time[TIME_BYTES];
	uint64		now;

	if (!pg_strong_random(prepared, sizeof(prepared)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	now = (uint64) (GetCurrentTimestamp() / 1000 + EPOCH_DIFFERENCE_MS);
	for (int i = 0; i < TIME_BYTES; i++)
		time[i] = (unsigned char) (now >> (40 - 8 * i));
	PutDigits(time, 0, TIME_BYTES);
	nextPrepared = 0;
}

/* Make the next id: after the time the counter, and what is random. */
static void
MakeId(void)
{
	unsigned char *rest;

	if (nextPrepared == PREPARED_IDS)
		Prepare();
	rest = prepared[nextPrepared];
	rest[0] = 0x70 | (unsigned char) (nextPrepared >> 8);
	rest[1] = (unsigned char) nextPrepared;
	rest[2] = (rest[2] & 0x3f) | 0x80;
	PutDigits(rest, TIME_BYTES, UUID_LEN);
	nextPrepared++;
}

/* The version of a uuid (RFC 9562, section 4.2). */
static inline int
Version(const pg_uuid_t *uuid)
{
	return uuid->data[6] >> 4;
}

/* True if the first half of uuids of this version is random or a hash, else it is a time. */
static inline bool
BeginsRandomly(int version)
{
	return version == 3 || version == 4 || version == 5 || version == VERSION_OWN;
}

/*
 * Mix the first half of a uuid with its second, reversibly.  Of the 48 bits of
 * milliseconds the 20 that tell four of them from the others within 70 minutes
 * come to the front.
 */
static void
MixBeginning(pg_uuid_t *uuid)
{
	uint64		half;
	uint64		hash;
	uint64		slow;

	memcpy(&half, uuid->data, sizeof(half));
	half = pg_ntoh64(half);
	/* MurmurHash3's finalizer */
	hash = BytesGet(uuid->data + 8, 8) * UINT64CONST(0x9E3779B97F4A7C15);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	slow = (half >> 38 << 2 | (half >> 16 & 3)) ^ (hash & 0xfffffff);
	half = (half >> 18 & 0xfffff) << 44 | slow << 16 | (half & 0xf000) |
		((half & 0xfff) ^ (hash >> 28 & 0xfff));
	half = pg_hton64(half);
	memcpy(uuid->data, &half, sizeof(half));
}

/*
 * A message id as 128 bits: a random uuid as it is, others mixed, anything else two
 * hashes, the second over the first and the bytes, marked as a uuid of version 8
 * (RFC 9562, section 5.8: for uses of one's own), which no generator makes.  And as a
 * key.
 */
int64
MessageIdRead(const char *id, int length, pg_uuid_t *uuid)
{
	IdBytes		canonical = IdCanonical((IdBytes) {id, length});
	uint64		hash[2];
	char	   *salted;

	if (UuidParse(canonical.data, canonical.length, uuid))
	{
		if (!BeginsRandomly(Version(uuid)))
			MixBeginning(uuid);
		return MessageIdBits(uuid) | PG_INT64_MIN;
	}
	salted = palloc(sizeof(uint64) + canonical.length);
	hash[0] = KeyHash(canonical.data, canonical.length);
	memcpy(salted, &hash[0], sizeof(uint64));
	memcpy(salted + sizeof(uint64), canonical.data, canonical.length);
	hash[1] = KeyHash(salted, sizeof(uint64) + canonical.length);
	pfree(salted);
	BytesPut(uuid->data, hash[0], 8);
	BytesPut(uuid->data + 8, hash[1], 8);
	uuid->data[6] = (uuid->data[6] & 0x0f) | (VERSION_OWN << 4);
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
	return KeyFromBytes(canonical.data, canonical.length);
}

/* With what the message of a key that is a number begins. */
static int64
BitsOfNumber(int64 key)
{
	char		digits[32];
	pg_uuid_t	uuid;

	snprintf(digits, sizeof(digits), INT64_FORMAT, key);
	(void) MessageIdRead(digits, strlen(digits), &uuid);
	return MessageIdBits(&uuid);
}

/* What finds the entry of a message in message_seen, from event.message_key. */
int64
MessageIdProbeOfKey(int64 key)
{
	return MessageIdWithoutMarks(KeyIsNumber(key) ? BitsOfNumber(key) : key);
}

/* With what the ids of a key's message may begin: a uuid, or a hash that is marked as one. */
int
MessageIdBeginnings(int64 key, int64 *beginnings)
{
	int64		own = MessageIdWithoutMarks(key) | ((int64) VERSION_OWN << 52);

	if (KeyIsNumber(key))
	{
		beginnings[0] = BitsOfNumber(key);
		return 1;
	}
	beginnings[0] = key;
	beginnings[1] = key & PG_INT64_MAX;
	if (own == beginnings[1])
		return 2;
	beginnings[2] = own;
	beginnings[3] = own | PG_INT64_MIN;
	return MESSAGE_ID_BEGINNINGS;
}

/* Make the next id. */
const char *
MessageIdMake(void)
{
	MakeId();
	return lastId;
}

/* _new_message_id(): an id nobody else has. */
Datum
personalize_new_message_id(PG_FUNCTION_ARGS)
{
	text	   *id;

	if (messageIdsUnseen)
	{
		SET_VARSIZE_SHORT(unmade, sizeof(unmade));
		PG_RETURN_POINTER(unmade);
	}
	id = palloc(VARHDRSZ + UUID_TEXT_LENGTH);
	MakeId();
	SET_VARSIZE(id, VARHDRSZ + UUID_TEXT_LENGTH);
	memcpy(VARDATA(id), lastId, UUID_TEXT_LENGTH);
	PG_RETURN_TEXT_P(id);
}

/* True if this is the id that was made last. */
bool
MessageIdIsLast(const char *id, int length)
{
	return length == UUID_TEXT_LENGTH && memcmp(id, lastId, UUID_TEXT_LENGTH) == 0;
}

/* True if it stands for an id that was not made. */
bool
MessageIdIsUnmade(const char *id, int length)
{
	return length == 1 && id[0] == '\0';
}

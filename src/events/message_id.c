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
 * message_seen holds an id as 128 bits, event.message_key as 64; of the latter
 * all but five can be computed from the former, so that the entries of somebody's
 * events can be found.
 */
#include "postgres.h"

#include "events/message_id.h"

#include "base/id.h"
#include "base/key.h"
#include "base/uuid.h"
#include "compat.h"
#include "fmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_new_message_id);

/* So many ids are prepared at once; the counter has 12 bits. */
#define PREPARED_IDS 256

/* Milliseconds from 1970 to 2000, where TimestampTz begins. */
#define EPOCH_DIFFERENCE_MS \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY * 1000)

/* The time and the random bytes of the ids prepared, and the last id made. */
static uint64 preparedAt;
static unsigned char randomBytes[PREPARED_IDS][UUID_LEN];
static int	nextPrepared = PREPARED_IDS;
static char lastId[UUID_TEXT_LENGTH];

/* Prepare ids. */
static void
Prepare(void)
{
	if (!pg_strong_random(randomBytes, sizeof(randomBytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	preparedAt = (uint64) (GetCurrentTimestamp() / 1000 + EPOCH_DIFFERENCE_MS);
	nextPrepared = 0;
}

/* Make the next uuid. */
static void
MakeUuid(unsigned char *uuid)
{
	if (nextPrepared == PREPARED_IDS)
		Prepare();
	memcpy(uuid, randomBytes[nextPrepared], UUID_LEN);
	for (int i = 0; i < 6; i++)
		uuid[i] = (unsigned char) (preparedAt >> (40 - 8 * i));
	uuid[6] = 0x70 | (unsigned char) (nextPrepared >> 8);
	uuid[7] = (unsigned char) nextPrepared;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	nextPrepared++;
}

/*
 * A message id as 128 bits: a uuid as it is, anything else two hashes, the
 * second over the first and the bytes, marked as a uuid of version 8 (RFC 9562,
 * section 5.8: for uses of one's own), which no generator makes.  And as a key.
 */
int64
MessageIdRead(const char *id, int length, pg_uuid_t *uuid)
{
	IdBytes		canonical = IdCanonical((IdBytes) {id, length});
	uint64		hash[2];
	char	   *salted;

	if (UuidParse(canonical.data, canonical.length, uuid))
		return MessageIdBits(uuid) | PG_INT64_MIN;
	salted = palloc(sizeof(uint64) + canonical.length);
	hash[0] = KeyHash(canonical.data, canonical.length);
	memcpy(salted, &hash[0], sizeof(uint64));
	memcpy(salted + sizeof(uint64), canonical.data, canonical.length);
	hash[1] = KeyHash(salted, sizeof(uint64) + canonical.length);
	pfree(salted);
	memcpy(uuid->data, hash, UUID_LEN);
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x80;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
	return KeyFromBytes(canonical.data, canonical.length);
}

/* What finds the entry of a message in message_seen, from event.message_key. */
int64
MessageIdProbeOfKey(int64 key)
{
	char		digits[32];
	pg_uuid_t	uuid;

	if (!KeyIsNumber(key))
		return MessageIdWithoutMarks(key);
	snprintf(digits, sizeof(digits), INT64_FORMAT, key);
	(void) MessageIdRead(digits, strlen(digits), &uuid);
	return MessageIdProbe(&uuid);
}

/* _new_message_id(): an id nobody else has. */
Datum
personalize_new_message_id(PG_FUNCTION_ARGS)
{
	static const char digits[] = "0123456789abcdef";
	static const int groupBytes[] = {4, 2, 2, 2, 6};
	text	   *id = palloc(VARHDRSZ + UUID_TEXT_LENGTH);
	unsigned char uuid[UUID_LEN];
	const unsigned char *byte = uuid;
	char	   *c = lastId;

	MakeUuid(uuid);
	for (int group = 0; group < lengthof(groupBytes); group++)
	{
		if (group > 0)
			*c++ = '-';
		for (int i = 0; i < groupBytes[group]; i++, byte++)
		{
			*c++ = digits[*byte >> 4];
			*c++ = digits[*byte & 0x0f];
		}
	}
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

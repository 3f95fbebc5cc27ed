/*
 * secret.c
 *		The database's secret: what makes pseudonyms of people out of keys.
 *
 * A restore may bring an older row, which then counts, at any time.  What has been
 * read is therefore remembered only until the table changes: its trigger, or what
 * switches that off and on again, invalidates its relation cache entry in every
 * backend.  Whatever is committed or our own is looked at, not what some snapshot
 * sees, so that all users of a pseudonym agree on it within a transaction, too.
 */
#include "postgres.h"

#include "base/secret.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/key.h"
#include "base/relation.h"
#include "commands/trigger.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "compat.h"
#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_make_secret);
PG_FUNCTION_INFO_V1(personalize_pseudonym);

#define SECRET_LENGTH 32

/* A secret and its age. */
typedef struct Secret
{
	bool		found;
	TimestampTz createdAt;
	uint8		bytes[SECRET_LENGTH];
} Secret;

/* Keep the older of two secrets. */
static void
TakeOlder(Secret *secret, TimestampTz createdAt, const bytea *value)
{
	if (VARSIZE_ANY_EXHDR(value) != SECRET_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of personalize._secret holds %d bytes, not %d",
						(int) VARSIZE_ANY_EXHDR(value), SECRET_LENGTH)));
	if (secret->found && (createdAt > secret->createdAt ||
						  (createdAt == secret->createdAt &&
						   memcmp(VARDATA_ANY(value), secret->bytes, SECRET_LENGTH) >= 0)))
		return;
	secret->found = true;
	secret->createdAt = createdAt;
	memcpy(secret->bytes, VARDATA_ANY(value), SECRET_LENGTH);
}

/* Read the secret that counts. */
static void
ReadSecret(Secret *secret)
{
	Relation	table = RelationOpenTable("_secret", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, SnapshotSelf, 0, NULL);

	secret->found = false;
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isNull;
		TimestampTz createdAt = DatumGetTimestampTz(slot_getattr(slot, 1, &isNull));

		TakeOlder(secret, createdAt, DatumGetByteaPP(slot_getattr(slot, 2, &isNull)));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	if (!secret->found)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("personalize._secret is empty"),
				 errdetail("Pseudonyms of erased people and the consent ledger depend on its row."),
				 errhint("Restore the row from a backup.")));
}

/* The secret that was read, and whether it still holds. */
static Secret known;
static bool secretHolds = false;
static int64 changeCount = 0;
static Oid	secretTable = InvalidOid;

/* Relation cache callback: the table changed, or everything may have. */
static void
ForgetSecret(Datum argument, Oid relationId)
{
	if (relationId == InvalidOid || relationId == secretTable)
	{
		secretHolds = false;
		changeCount++;
	}
}

/* Read the secret, and remember it unless it changes meanwhile. */
static void
LearnSecret(void)
{
	static bool watching = false;
	int64		before = changeCount;

	if (!watching)
		RelationWatch(ForgetSecret);
	watching = true;
	secretTable = RelationFind("_secret", false);
	ReadSecret(&known);
	secretHolds = changeCount == before;
}

/* HMAC-SHA-256 under the secret of label, a zero byte and the data. */
void
SecretDigest(const char *label, const void *data, size_t length,
			 uint8 digest[SECRET_DIGEST_LENGTH])
{
	pg_hmac_ctx *context;

	if (!secretHolds)
		LearnSecret();
	context = pg_hmac_create(PG_SHA256);
	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_hmac_init(context, known.bytes, SECRET_LENGTH) < 0 ||
		pg_hmac_update(context, (const uint8 *) label, strlen(label) + 1) < 0 ||
		pg_hmac_update(context, data, length) < 0 ||
		pg_hmac_final(context, digest, SECRET_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute HMAC: %s", pg_hmac_error(context));
	pg_hmac_free(context);
}

/* A short check sum. */
uint64
SecretHash(SecretKey *key, const void *data, size_t length)
{
	if (!secretHolds || !key->made || key->since != changeCount)
	{
		uint8		digest[SECRET_DIGEST_LENGTH];

		SecretDigest(key->label, "", 0, digest);
		memcpy(key->words, digest, sizeof(key->words));
		key->words[0] = pg_ntoh64(key->words[0]);
		key->words[1] = pg_ntoh64(key->words[1]);
		key->since = changeCount;
		key->made = secretHolds;
	}
	return KeyHashUnder(key->words[0], key->words[1], data, length);
}

/* The pseudonym of a person. */
int64
SecretPseudonym(int64 userKey)
{
	uint64		key = pg_hton64((uint64) userKey);
	uint8		digest[SECRET_DIGEST_LENGTH];
	uint64		pseudonym;

	SecretDigest("pseudonym", &key, sizeof(key), digest);
	memcpy(&pseudonym, digest, sizeof(pseudonym));
	return (int64) pg_ntoh64(pseudonym);
}

/* _make_secret() → bytea. */
Datum
personalize_make_secret(PG_FUNCTION_ARGS)
{
	bytea	   *secret = palloc(VARHDRSZ + SECRET_LENGTH);

	SET_VARSIZE(secret, VARHDRSZ + SECRET_LENGTH);
	if (!pg_strong_random(VARDATA(secret), SECRET_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	PG_RETURN_BYTEA_P(secret);
}

/* _pseudonym(user_key) → bigint. */
Datum
personalize_pseudonym(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(SecretPseudonym(PG_GETARG_INT64(0)));
}

/*
 * ledger_entry.c
 *		An entry of the consent ledger: its columns and its hash.
 *
 * The hash covers the person's pseudonym and not the key.  Erasure puts the
 * pseudonym in the place of the key and the chain still verifies, although
 * nobody can tell any more, without asking for this very person, whose it is.
 *
 * The bytes that are hashed, numbers with the most significant byte first:
 *
 *	1					version
 *	n (4), n * 32		number of previous hashes, and these in byte order
 *	8 8 8 8				pseudonym, effective_at and recorded_at in microseconds
 *						since 1970, txid
 *	8 4 1				nonce, purposes, granted (0 or 1)
 *	4 x ...				source, basis, notice_version, evidence_digest: length
 *						(-1: NULL) and the bytes, texts in UTF-8
 */
#include "postgres.h"

#include "people/ledger_entry.h"

#include "access/htup_details.h"
#include "base/secret.h"
#include "base/unicode.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(personalize_ledger_hash);

/* The version of the bytes that are hashed. */
#define HASH_VERSION 1

/* Append a time as microseconds since 1970. */
static void
SendTime(StringInfo buffer, Datum time)
{
	pq_sendint64(buffer, DatumGetTimestampTz(time) +
				 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);
}

/* Append bytes and their length. */
static void
SendBytes(StringInfo buffer, const char *data, int length)
{
	pq_sendint32(buffer, length);
	appendBinaryStringInfo(buffer, data, length);
}

/* Append a text as UTF-8, or that there is none. */
static void
SendText(StringInfo buffer, Datum value, bool isNull)
{
	const text *string;
	const char *utf8;
	int			length;

	if (isNull)
	{
		pq_sendint32(buffer, -1);
		return;
	}
	string = DatumGetTextPP(value);
	utf8 = UnicodeFromServer(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string), &length);
	SendBytes(buffer, utf8, length);
}

/* Append the previous hashes. */
static void
SendPrevious(StringInfo buffer, Datum value)
{
	Datum	   *hashes;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(value), BYTEAOID, -1, false, TYPALIGN_INT,
					  &hashes, &nulls, &count);
	pq_sendint32(buffer, count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			appendBinaryStringInfo(buffer, VARDATA_ANY(DatumGetPointer(hashes[i])),
								   VARSIZE_ANY_EXHDR(DatumGetPointer(hashes[i])));
}

/* The hash of an entry of a person with this pseudonym. */
bytea *
LedgerHashEntry(const Datum *values, const bool *nulls, int64 pseudonym)
{
	StringInfoData buffer;
	pg_cryptohash_ctx *context;
	bytea	   *hash = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	initStringInfo(&buffer);
	pq_sendbyte(&buffer, HASH_VERSION);
	SendPrevious(&buffer, values[LEDGER_PREVIOUS]);
	pq_sendint64(&buffer, pseudonym);
	SendTime(&buffer, values[LEDGER_EFFECTIVE_AT]);
	SendTime(&buffer, values[LEDGER_RECORDED_AT]);
	pq_sendint64(&buffer, DatumGetInt64(values[LEDGER_TXID]));
	pq_sendint64(&buffer, DatumGetInt64(values[LEDGER_NONCE]));
	pq_sendint32(&buffer, DatumGetInt32(values[LEDGER_PURPOSES]));
	pq_sendbyte(&buffer, DatumGetBool(values[LEDGER_GRANTED]) ? 1 : 0);
	SendText(&buffer, values[LEDGER_SOURCE], false);
	SendText(&buffer, values[LEDGER_BASIS], nulls[LEDGER_BASIS]);
	SendText(&buffer, values[LEDGER_NOTICE_VERSION], nulls[LEDGER_NOTICE_VERSION]);
	if (nulls[LEDGER_EVIDENCE_DIGEST])
		pq_sendint32(&buffer, -1);
	else
	{
		bytea	   *digest = DatumGetByteaPP(values[LEDGER_EVIDENCE_DIGEST]);

		SendBytes(&buffer, VARDATA_ANY(digest), VARSIZE_ANY_EXHDR(digest));
	}

	context = pg_cryptohash_create(PG_SHA256);
	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	SET_VARSIZE(hash, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (uint8 *) buffer.data, buffer.len) < 0 ||
		pg_cryptohash_final(context, (uint8 *) VARDATA(hash), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(context));
	pg_cryptohash_free(context);
	pfree(buffer.data);
	return hash;
}

/* _ledger_hash(entry) → the hash it should have. */
Datum
personalize_ledger_hash(PG_FUNCTION_ARGS)
{
	HeapTupleHeader entry = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc	descriptor = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(entry),
													HeapTupleHeaderGetTypMod(entry));
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(entry),
		.t_data = entry
	};
	Datum		values[LEDGER_COLUMNS];
	bool		nulls[LEDGER_COLUMNS];
	int64		pseudonym;

	
	heap_deform_tuple(&tuple, descriptor, values, nulls);
	ReleaseTupleDesc(descriptor);
	pseudonym = DatumGetInt64(values[LEDGER_USER_KEY]);
	if (!DatumGetBool(values[LEDGER_ERASED]))
		pseudonym = SecretPseudonym(pseudonym);
	PG_RETURN_BYTEA_P(LedgerHashEntry(values, nulls, pseudonym));
}

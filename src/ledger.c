/*
 * ledger.c
 *		Every decision about consent: append-only, chained per person.
 *
 * An entry contains the hashes of those entries of its person that no other
 * followed when it was written, as a commit of git contains those of its
 * parents.  Nobody waits for anybody: where two transactions write at the same
 * time, which only ingestion does, the chain forks, and the next entry joins
 * the ends.  A chain over all people would make every decision wait for the one
 * before, and tie strangers to the erased.
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

#include "ledger.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "key.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "relation.h"
#include "secret.h"
#include "spi_util.h"
#include "table_writer.h"
#include "txid.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(personalize_ledger_mask);
PG_FUNCTION_INFO_V1(personalize_ledger_hash);

/* Columns of consent_ledger; src/ledger.sql. */
enum
{
	LEDGER_USER_KEY,
	LEDGER_EFFECTIVE_AT,
	LEDGER_RECORDED_AT,
	LEDGER_TXID,
	LEDGER_NONCE,
	LEDGER_PURPOSES,
	LEDGER_GRANTED,
	LEDGER_ERASED,
	LEDGER_SOURCE,
	LEDGER_BASIS,
	LEDGER_NOTICE_VERSION,
	LEDGER_EVIDENCE_DIGEST,
	LEDGER_PREVIOUS,
	LEDGER_HASH,
	LEDGER_COLUMNS
};

/* The version of the bytes that are hashed. */
#define HASH_VERSION 1

struct LedgerWriter
{
	Relation	relation;
	TableWriter *writer;
	int64		txid;
};

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
	utf8 = KeyToUtf8(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string), &length);
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

/* The hash of an entry of this pseudonym. */
static bytea *
HashEntry(const Datum *values, const bool *nulls, int64 pseudonym)
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

/* Open the ledger for looking people up. */
KeyedTable *
LedgerOpen(void)
{
	return KeyedOpen("consent_ledger", "consent_ledger_user_key_idx", AccessShareLock);
}

/* A column of the ledger that is never NULL. */
static Datum
SlotValue(TupleTableSlot *slot, int column)
{
	bool		isNull;

	return slot_getattr(slot, column + 1, &isNull);
}

/* The next entry of the person sought, of those that count; NULL: no more. */
static TupleTableSlot *
NextEntry(KeyedTable *ledger)
{
	TupleTableSlot *slot;

	while ((slot = KeyedNext(ledger, ForwardScanDirection)) != NULL)
		if (!DatumGetBool(SlotValue(slot, LEDGER_ERASED)))
			return slot;
	return NULL;
}

/* Look for the entries of a person, in the order of effective time. */
static void
SeekPerson(KeyedTable *ledger, int64 userKey, Snapshot snapshot)
{
	Datum		key = Int64GetDatum(userKey);

	KeyedSeek(ledger, snapshot, 1, &key, BTEqualStrategyNumber);
}

/* True of the basis of what restricts the use of data, or lifts that: it is not about consent. */
static bool
BeginsWithRestriction(const text *basis)
{
	const char *restriction = LEDGER_RESTRICTION;
	int			length = strlen(restriction);

	return VARSIZE_ANY_EXHDR(basis) >= length && memcmp(VARDATA_ANY(basis), restriction, length) == 0;
}

/* True of such an entry. */
static bool
IsRestriction(TupleTableSlot *slot)
{
	bool		isNull;
	Datum		basis = slot_getattr(slot, LEDGER_BASIS + 1, &isNull);

	return !isNull && BeginsWithRestriction(DatumGetTextPP(basis));
}

/* The decision of an entry. */
static LedgerDecision
SlotDecision(TupleTableSlot *slot)
{
	return (LedgerDecision)
	{
		.effectiveAt = DatumGetTimestampTz(SlotValue(slot, LEDGER_EFFECTIVE_AT)),
		.purposes = IsRestriction(slot) ? 0 : DatumGetInt32(SlotValue(slot, LEDGER_PURPOSES)),
		.granted = DatumGetBool(SlotValue(slot, LEDGER_GRANTED))
	};
}

/* The decision of an entry to be written. */
static LedgerDecision
EntryDecision(const LedgerEntry *entry)
{
	return (LedgerDecision)
	{
		.effectiveAt = entry->effectiveAt,
		.purposes = entry->basis != NULL && BeginsWithRestriction(entry->basis) ? 0 : entry->purposes,
		.granted = entry->granted
	};
}

/* The outcome of decisions taken in the order of effective time. */
typedef struct Standing
{
	int32		granted;
	int32		decided;
	int32		refused;		/* at effectiveAt */
	TimestampTz effectiveAt;	/* of the decision taken last */
} Standing;

/* Take the next decision: it holds, but of two at the same time the refusal. */
static void
TakeDecision(Standing *standing, LedgerDecision decision)
{
	if (standing->decided == 0 || decision.effectiveAt != standing->effectiveAt)
		standing->refused = 0;
	standing->effectiveAt = decision.effectiveAt;
	standing->decided |= decision.purposes;
	if (decision.granted)
		standing->granted |= decision.purposes & ~standing->refused;
	else
	{
		standing->granted &= ~decision.purposes;
		standing->refused |= decision.purposes;
	}
}

/* What the ledger says now about purposes. */
void
LedgerReadMask(KeyedTable *ledger, int64 userKey, Snapshot snapshot,
			   int32 *granted, int32 *decided)
{
	Standing	standing = {0};
	TupleTableSlot *slot;

	SeekPerson(ledger, userKey, snapshot);
	while ((slot = NextEntry(ledger)) != NULL)
		TakeDecision(&standing, SlotDecision(slot));
	*granted = standing.granted;
	*decided = standing.decided;
}

/* Order hashes by their bytes. */
static int
CompareHashes(const void *left, const void *right)
{
	const bytea *a = (const bytea *) DatumGetPointer(*(const Datum *) left);
	const bytea *b = (const bytea *) DatumGetPointer(*(const Datum *) right);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b),
							   Min(VARSIZE_ANY_EXHDR(a), VARSIZE_ANY_EXHDR(b)));

	return order != 0 ? order : (int) VARSIZE_ANY_EXHDR(a) - (int) VARSIZE_ANY_EXHDR(b);
}

/* A growing list of hashes. */
typedef struct HashList
{
	int			count;
	int			capacity;
	Datum	   *hashes;
} HashList;

/* Append a copy of a hash. */
static void
AddHash(HashList *list, Datum hash)
{
	if (list->count == list->capacity)
	{
		list->capacity = Max(8, 2 * list->capacity);
		list->hashes = list->hashes ?
			repalloc_huge(list->hashes, list->capacity * sizeof(Datum)) :
			palloc(list->capacity * sizeof(Datum));
	}
	list->hashes[list->count++] = PointerGetDatum(DatumGetByteaPCopy(hash));
}

/* Append the previous hashes of an entry. */
static void
AddPrevious(HashList *list, Datum previous)
{
	Datum	   *hashes;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(previous), BYTEAOID, -1, false, TYPALIGN_INT,
					  &hashes, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			AddHash(list, hashes[i]);
}

/* The hashes that none follows: in one list and not in the other. */
static void
FindTips(LedgerPerson *person, HashList *hashes, HashList *followed)
{
	int			next = 0;

	qsort(hashes->hashes, hashes->count, sizeof(Datum), CompareHashes);
	qsort(followed->hashes, followed->count, sizeof(Datum), CompareHashes);
	person->tips = hashes->hashes;
	person->tipCount = 0;
	for (int i = 0; i < hashes->count; i++)
	{
		while (next < followed->count &&
			   CompareHashes(&followed->hashes[next], &hashes->hashes[i]) < 0)
			next++;
		if (next == followed->count ||
			CompareHashes(&followed->hashes[next], &hashes->hashes[i]) != 0)
			person->tips[person->tipCount++] = hashes->hashes[i];
	}
}

/* Everything the ledger says about a person. */
void
LedgerReadPerson(KeyedTable *ledger, LedgerPerson *person, Snapshot snapshot)
{
	Standing	standing = {0};
	HashList	hashes = {0};
	HashList	followed = {0};
	TupleTableSlot *slot;
	int			capacity = 0;

	person->latest = DT_NOBEGIN;
	person->count = 0;
	person->decisions = NULL;
	SeekPerson(ledger, person->userKey, snapshot);
	while ((slot = NextEntry(ledger)) != NULL)
	{
		LedgerDecision decision = SlotDecision(slot);

		if (person->count == capacity)
		{
			capacity = Max(8, 2 * capacity);
			person->decisions = person->decisions ?
				repalloc_huge(person->decisions, capacity * sizeof(LedgerDecision)) :
				palloc(capacity * sizeof(LedgerDecision));
		}
		person->decisions[person->count++] = decision;
		person->latest = decision.effectiveAt;
		TakeDecision(&standing, decision);
		AddHash(&hashes, SlotValue(slot, LEDGER_HASH));
		AddPrevious(&followed, SlotValue(slot, LEDGER_PREVIOUS));
	}
	person->granted = standing.granted;
	person->decided = standing.decided;
	FindTips(person, &hashes, &followed);
}

/* A person's decisions and one more, in the order of effective time. */
typedef struct DecisionWalk
{
	const LedgerPerson *person;
	LedgerDecision more;
	int			next;
	bool		moreTaken;
} DecisionWalk;

/* Start walking. */
static DecisionWalk
BeginWalk(const LedgerPerson *person, const LedgerEntry *entry)
{
	DecisionWalk walk = {.person = person,.moreTaken = entry == NULL};

	if (entry != NULL)
		walk.more = EntryDecision(entry);
	return walk;
}

/* The next decision; NULL: no more. */
static const LedgerDecision *
NextDecision(DecisionWalk *walk)
{
	const LedgerDecision *next = walk->next < walk->person->count ?
		&walk->person->decisions[walk->next] : NULL;

	if (!walk->moreTaken && (next == NULL || walk->more.effectiveAt < next->effectiveAt))
	{
		walk->moreTaken = true;
		return &walk->more;
	}
	if (next != NULL)
		walk->next++;
	return next;
}

/* What would hold with one more entry. */
void
LedgerDecide(const LedgerPerson *person, const LedgerEntry *entry,
			 int32 *granted, int32 *decided)
{
	DecisionWalk walk = BeginWalk(person, entry);
	Standing	standing = {0};
	const LedgerDecision *decision;

	while ((decision = NextDecision(&walk)) != NULL)
		TakeDecision(&standing, *decision);
	*granted = standing.granted;
	*decided = standing.decided;
}

/* Since when a purpose is granted without a break; entry may be NULL. */
TimestampTz
LedgerGrantedSince(const LedgerPerson *person, const LedgerEntry *entry, int32 bit)
{
	DecisionWalk walk = BeginWalk(person, entry);
	TimestampTz since = DT_NOBEGIN;
	TimestampTz refusedAt = DT_NOBEGIN;
	const LedgerDecision *decision;

	while ((decision = NextDecision(&walk)) != NULL)
	{
		if ((decision->purposes & bit) == 0)
			continue;
		if (!decision->granted)
		{
			since = DT_NOEND;
			refusedAt = decision->effectiveAt;
		}
		else if (since == DT_NOEND && decision->effectiveAt > refusedAt)
			since = decision->effectiveAt;
	}
	return since;
}

/* Begin appending. */
LedgerWriter *
LedgerWriterBegin(void)
{
	LedgerWriter *writer = palloc(sizeof(LedgerWriter));

	writer->relation = RelationOpenTable("consent_ledger", RowExclusiveLock);
	writer->writer = TableWriterBegin(writer->relation);
	writer->txid = TxidForDecisions();
	return writer;
}

/* A random number. */
static int64
MakeNonce(void)
{
	int64		nonce;

	if (!pg_strong_random(&nonce, sizeof(nonce)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	return nonce;
}

/* Append an entry after the tips of its person. */
void
LedgerWriterAdd(LedgerWriter *writer, const LedgerPerson *person, const LedgerEntry *entry)
{
	Datum		values[LEDGER_COLUMNS];
	bool		nulls[LEDGER_COLUMNS] = {false};

	values[LEDGER_USER_KEY] = Int64GetDatum(person->userKey);
	values[LEDGER_EFFECTIVE_AT] = TimestampTzGetDatum(entry->effectiveAt);
	values[LEDGER_RECORDED_AT] = TimestampTzGetDatum(entry->recordedAt);
	values[LEDGER_TXID] = Int64GetDatum(writer->txid);
	values[LEDGER_NONCE] = Int64GetDatum(MakeNonce());
	values[LEDGER_PURPOSES] = Int32GetDatum(entry->purposes);
	values[LEDGER_GRANTED] = BoolGetDatum(entry->granted);
	values[LEDGER_ERASED] = BoolGetDatum(false);
	values[LEDGER_SOURCE] = PointerGetDatum(entry->source);
	values[LEDGER_BASIS] = PointerGetDatum(entry->basis);
	nulls[LEDGER_BASIS] = entry->basis == NULL;
	values[LEDGER_NOTICE_VERSION] = PointerGetDatum(entry->noticeVersion);
	nulls[LEDGER_NOTICE_VERSION] = entry->noticeVersion == NULL;
	values[LEDGER_EVIDENCE_DIGEST] = PointerGetDatum(entry->evidenceDigest);
	nulls[LEDGER_EVIDENCE_DIGEST] = entry->evidenceDigest == NULL;
	values[LEDGER_PREVIOUS] =
		PointerGetDatum(construct_array(person->tips, person->tipCount, BYTEAOID, -1, false, TYPALIGN_INT));
	values[LEDGER_HASH] =
		PointerGetDatum(HashEntry(values, nulls, SecretPseudonym(person->userKey)));
	TableWriterAdd(writer->writer, values, nulls);
}

/* Write what is left. */
void
LedgerWriterEnd(LedgerWriter *writer)
{
	TableWriterEnd(writer->writer);
	table_close(writer->relation, NoLock);
	pfree(writer);
}

/* Let the entries of an erased person count for nobody. */
int64
LedgerErase(int64 userKey)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(userKey), Int64GetDatum(SecretPseudonym(userKey))};
	SpiUtilScope scope;
	uint64		erased;

	SpiUtilBegin(&scope);
	erased = SpiUtilRun(&plan,
						"UPDATE personalize.consent_ledger SET user_key = $2, erased = true"
						" WHERE user_key = $1 AND NOT erased",
						lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
	return (int64) erased;
}

/* _ledger_mask(user_key) → (granted, decided). */
Datum
personalize_ledger_mask(PG_FUNCTION_ARGS)
{
	KeyedTable *ledger;
	TupleDesc	descriptor;
	int32		granted;
	int32		decided;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	ledger = LedgerOpen();
	LedgerReadMask(ledger, PG_GETARG_INT64(0), GetActiveSnapshot(), &granted, &decided);
	KeyedClose(ledger);
	values[0] = Int32GetDatum(granted);
	values[1] = Int32GetDatum(decided);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
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

	Assert(descriptor->natts == LEDGER_COLUMNS);
	heap_deform_tuple(&tuple, descriptor, values, nulls);
	ReleaseTupleDesc(descriptor);
	pseudonym = DatumGetInt64(values[LEDGER_USER_KEY]);
	if (!DatumGetBool(values[LEDGER_ERASED]))
		pseudonym = SecretPseudonym(pseudonym);
	PG_RETURN_BYTEA_P(HashEntry(values, nulls, pseudonym));
}

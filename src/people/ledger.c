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
 */
#include "postgres.h"

#include "people/ledger.h"

#include "base/grow.h"
#include "base/secret.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "people/ledger_entry.h"
#include "utils/array.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_ledger_mask);

/* Open the ledger. */
KeyedTable *
LedgerOpen(LOCKMODE lockMode)
{
	return KeyedOpen("consent_ledger", "consent_ledger_user_key_idx", lockMode);
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
	{
		slot_getallattrs(slot);
		if (!DatumGetBool(SlotValue(slot, LEDGER_ERASED)))
			return slot;
	}
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

/* Append a hash. */
static void
AddHash(HashList *list, Datum hash)
{
	GrowArray(list->hashes, list->count + 1, list->capacity, 8);
	list->hashes[list->count++] = hash;
}

/* Take a hash out, however often it is there; false: it is not. */
static bool
RemoveHash(HashList *list, Datum hash)
{
	int			left = 0;
	int			count = list->count;

	for (int i = 0; i < count; i++)
		if (CompareHashes(&list->hashes[i], &hash) != 0)
			list->hashes[left++] = list->hashes[i];
	list->count = left;
	return left < count;
}

/*
 * The hashes that none follows, of the entries taken so far, and those that are followed
 * by an entry which came before them: the order is that of effective time.  Mostly there
 * is one of the former and none of the latter.
 */
typedef struct Tips
{
	HashList	open;
	HashList	awaited;
} Tips;

/* Take an entry. */
static void
TakeEntry(Tips *tips, Datum hash, Datum previous)
{
	Datum	   *followed;
	bool	   *nulls;
	int			count;

	/* a copy: the entry goes */
	deconstruct_array(DatumGetArrayTypePCopy(previous), BYTEAOID, -1, false, TYPALIGN_INT,
					  &followed, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i] && !RemoveHash(&tips->open, followed[i]))
			AddHash(&tips->awaited, followed[i]);
	if (tips->awaited.count == 0 || !RemoveHash(&tips->awaited, hash))
		AddHash(&tips->open, PointerGetDatum(DatumGetByteaPCopy(hash)));
}

/* Everything the ledger says about a person. */
void
LedgerReadPerson(KeyedTable *ledger, LedgerPerson *person, Snapshot snapshot)
{
	Standing	standing = {0};
	Tips		tips = {0};
	TupleTableSlot *slot;
	int			capacity = 0;

	person->latest = DT_NOBEGIN;
	person->count = 0;
	person->decisions = NULL;
	KeyedSeekFew(ledger, snapshot, person->userKey);
	while ((slot = NextEntry(ledger)) != NULL)
	{
		LedgerDecision decision = SlotDecision(slot);

		GrowArray(person->decisions, person->count + 1, capacity, 8);
		person->decisions[person->count++] = decision;
		person->latest = decision.effectiveAt;
		TakeDecision(&standing, decision);
		TakeEntry(&tips, SlotValue(slot, LEDGER_HASH), SlotValue(slot, LEDGER_PREVIOUS));
	}
	person->granted = standing.granted;
	person->decided = standing.decided;
	person->tips = tips.open.hashes;
	person->tipCount = tips.open.count;
	qsort(person->tips, person->tipCount, sizeof(Datum), CompareHashes);
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

/* Append an entry after the tips of its person. */
void
LedgerAppend(KeyedTable *ledger, const LedgerPerson *person, const LedgerEntry *entry)
{
	Datum		values[LEDGER_COLUMNS];
	bool		nulls[LEDGER_COLUMNS] = {false};

	values[LEDGER_USER_KEY] = Int64GetDatum(person->userKey);
	values[LEDGER_EFFECTIVE_AT] = TimestampTzGetDatum(entry->effectiveAt);
	values[LEDGER_RECORDED_AT] = TimestampTzGetDatum(entry->recordedAt);
	values[LEDGER_TXID] = Int64GetDatum(TxidForDecisions());
	values[LEDGER_NONCE] = Int64GetDatum((int64) pg_prng_uint64(&pg_global_prng_state));
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
		PointerGetDatum(LedgerHashEntry(values, nulls, SecretPseudonym(person->userKey)));
	KeyedInsert(ledger, values, nulls);
}

/* Let the entries of an erased person count for nobody. */
int64
LedgerErase(int64 userKey)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(userKey), Int64GetDatum(SecretPseudonym(userKey))};
	uint64		erased;

	erased = SpiUtilRunAsOwner(&plan,
							   "UPDATE personalize.consent_ledger SET user_key = $2, erased = true"
							   " WHERE user_key = $1 AND NOT erased",
							   lengthof(types), types, values, NULL, false);
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
	ledger = LedgerOpen(AccessShareLock);
	LedgerReadMask(ledger, PG_GETARG_INT64(0), GetActiveSnapshot(), &granted, &decided);
	KeyedClose(ledger);
	values[0] = Int32GetDatum(granted);
	values[1] = Int32GetDatum(decided);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/*
 * erasure.c
 *		Forgetting people.
 *
 * The order of things, all in one transaction:
 *
 *	1. the people's stripes are locked exclusively: what was in flight is
 *	   committed or aborted, and nobody stores or counts anything of theirs;
 *	2. the cut-off is read: the next transaction id.  A snapshot's xmax would
 *	   not do, it can lie below the id of a transaction that still runs;
 *	3. tombstones are set, by which whoever comes later refuses their events;
 *	4. what every table holds of them is taken away (person_removal.c), with one
 *	   scan of the raw events and one of the messages for all of them together;
 *	5. each person gets a receipt.
 *
 * What people have in common stays exact: counters are reduced event by event,
 * and lists of neighbours that had been cut are filled up again from the
 * sessions.  What cannot be taken out of a sum because the raw events were
 * dropped as too old stays, as a number that tells of nobody, and the receipt
 * says how many events that are.
 *
 * An id that nobody ever used is forgotten just the same: the answer tells
 * nothing about who was known, and what is still on its way to the database is
 * refused when it arrives.
 */
#include "postgres.h"

#include "erasure/erasure.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/argument.h"
#include "base/clock.h"
#include "base/json_build.h"
#include "base/key.h"
#include "base/purge_lock.h"
#include "base/secret.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/consent_cache.h"
#include "people/identity.h"
#include "people/person_removal.h"
#include "people/tombstone.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_forget);
PG_FUNCTION_INFO_V1(personalize_forget_many);
PG_FUNCTION_INFO_V1(personalize_erasure_receipt);

/* An erasure under way. */
typedef struct Erasure
{
	int			count;
	ErasurePerson *people;		/* by key */
	PersonTaken *taken;			/* of each of them */
	TimestampTz now;
	int64		cutoff;
} Erasure;

/* Order people by key. */
static int
ComparePeople(const void *left, const void *right)
{
	int64		a = ((const ErasurePerson *) left)->userKey;
	int64		b = ((const ErasurePerson *) right)->userKey;

	return a < b ? -1 : a > b;
}

/* Append what was taken of a person, or what is left. */
static void
PushCounts(JsonbParseState **state, const PersonTaken *taken, bool left)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
	{
		const char *name = left ? stores[i].receiptLeft : stores[i].receipt;

		if (name != NULL)
			JsonPushNumber(state, name, left ? taken->tallies[i].left : taken->tallies[i].taken);
	}
}

/* The counts of a person as JSON. */
static Jsonb *
CountsJson(const PersonTaken *taken)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	PushCounts(&state, taken, false);
	JsonPushKey(&state, "partial");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	PushCounts(&state, taken, true);
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Set the tombstones. */
static void
SetTombstones(Erasure *erasure)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	for (int i = 0; i < erasure->count; i++)
	{
		ErasurePerson *person = &erasure->people[i];

		person->pseudonym = SecretPseudonym(person->userKey);
		ConsentCacheNoteChange(person->userKey);
		TombstoneSet(person->pseudonym, erasure->now, erasure->cutoff);
	}
	SpiUtilEnd(&scope);
}

/* Write the receipts. */
static void
WriteReceipts(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {UUIDOID, INT8OID, TIMESTAMPTZOID, INT8OID, PG_LSNOID, JSONBOID};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	for (int i = 0; i < erasure->count; i++)
	{
		ErasurePerson *person = &erasure->people[i];
		Datum		values[6];

		person->receipt = *UuidRandom();
		values[0] = UUIDPGetDatum(&person->receipt);
		values[1] = Int64GetDatum(person->pseudonym);
		values[2] = TimestampTzGetDatum(ClockNow());
		values[3] = Int64GetDatum(erasure->cutoff);
		values[4] = LSNGetDatum(GetXLogInsertRecPtr());
		values[5] = JsonbPGetDatum(CountsJson(&erasure->taken[i]));
		SpiUtilRun(&plan,
				   "INSERT INTO personalize.erasure (receipt, pseudonym, requested_at, cutoff, lsn, counts)"
				   " VALUES ($1, $2, $3, $4, $5, $6)",
				   lengthof(types), types, values, NULL, false);
	}
	SpiUtilEnd(&scope);
}

/* Refuse where something could be missed. */
static void
CheckMayForget(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
	PurgeCheckReadCommitted(function);
	if (TxidHasWrittenEvents())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction that has written events", function),
				 errhint("COMMIT first.")));
}

/* Sort people and drop repetitions; returns how many are left. */
static int
SortPeople(ErasurePerson *people, int count)
{
	int			distinct = 0;

	qsort(people, count, sizeof(ErasurePerson), ComparePeople);
	for (int i = 0; i < count; i++)
		if (i == 0 || people[i].userKey != people[distinct - 1].userKey)
			people[distinct++] = people[i];
	return distinct;
}

/* Forget people in this transaction. */
int
ErasureForget(ErasurePerson *people, int count)
{
	bool		stripes[SHARD_COUNT] = {false};
	Erasure    *erasure = palloc0(sizeof(Erasure));

	erasure->people = people;
	erasure->count = SortPeople(people, count);
	erasure->taken = palloc0_array(PersonTaken, erasure->count);
	for (int i = 0; i < erasure->count; i++)
	{
		erasure->taken[i].userKey = people[i].userKey;
		erasure->taken[i].userId = people[i].userId;
		stripes[ShardOfKey(people[i].userKey)] = true;
	}
	PurgeLockStripes(stripes, "nobody is forgotten");
	erasure->cutoff = TxidNext();
	erasure->now = ClockNow();
	SetTombstones(erasure);
	PersonForget(erasure->taken, erasure->count);
	WriteReceipts(erasure);
	return erasure->count;
}

/* Who is forgotten, with room for all ids these people have, as of now. */
static ErasurePerson *
AddIdentities(const ErasurePerson *people, int *count)
{
	int64	   *keys = palloc_extended(sizeof(int64) * *count, MCXT_ALLOC_HUGE);
	int			others;
	Person	   *found;
	ErasurePerson *all;

	for (int i = 0; i < *count; i++)
		keys[i] = people[i].userKey;
	found = IdentityOthers(keys, *count, &others);
	all = palloc_extended(sizeof(ErasurePerson) * (*count + others), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	memcpy(all, people, sizeof(ErasurePerson) * *count);
	for (int i = 0; i < others; i++)
	{
		all[*count + i].userKey = found[i].userKey;
		all[*count + i].userId = found[i].userId;
	}
	*count += others;
	return all;
}

/* Forget people with all their ids, whichever of these are given; how many those are. */
static int
ForgetWhole(ErasurePerson **people, int given)
{
	int			known = -1;
	int			count = given;
	ErasurePerson *all = AddIdentities(*people, &count);

	/* with the stripes locked, ids stay whose they are */
	while (count != known)
	{
		bool		stripes[SHARD_COUNT] = {false};

		known = count;
		for (int i = 0; i < count; i++)
			stripes[ShardOfKey(all[i].userKey)] = true;
		PurgeLockStripes(stripes, "nobody is forgotten");
		count = given;
		all = AddIdentities(*people, &count);
	}
	*people = all;
	return ErasureForget(all, count);
}

/* forget(user_id) → receipt. */
Datum
personalize_forget(PG_FUNCTION_ARGS)
{
	ErasurePerson person = {0};
	ErasurePerson *people = &person;
	pg_uuid_t  *receipt = palloc(sizeof(pg_uuid_t));
	int			count;

	CheckMayForget("forget()");
	person.userId = KeyIdArgument(fcinfo, 0, "user_id");
	person.userKey = KeyFromText(person.userId);
	count = ForgetWhole(&people, 1);
	for (int i = 0; i < count; i++)
		if (people[i].userKey == person.userKey)
			*receipt = people[i].receipt;
	PG_RETURN_UUID_P(receipt);
}

/* forget_many(user_ids) → (user_id, receipt). */
Datum
personalize_forget_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *array;
	Datum	   *ids;
	bool	   *nulls;
	int			count;
	ErasurePerson *people;

	CheckMayForget("forget_many()");
	ArgumentCheckGiven(fcinfo, 0, "user_ids");
	InitMaterializedSRF(fcinfo, 0);
	array = PG_GETARG_ARRAYTYPE_P(0);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &ids, &nulls, &count);
	if (count == 0)
		return (Datum) 0;
	people = palloc0_array(ErasurePerson, count);
	for (int i = 0; i < count; i++)
	{
		people[i].userId = KeyCheckId(ids[i], nulls[i], "an element of user_ids");
		people[i].userKey = KeyFromText(people[i].userId);
	}
	count = ForgetWhole(&people, count);
	for (int i = 0; i < count; i++)
	{
		Datum		values[] = {PointerGetDatum(people[i].userId), UUIDPGetDatum(&people[i].receipt)};
		bool		isNull[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, isNull);
	}
	return (Datum) 0;
}

/* erasure_receipt(receipt) → (id, requested_at, stage, counts). */
Datum
personalize_erasure_receipt(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {UUIDOID};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		argument[] = {PG_GETARG_DATUM(0)};
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, 0);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT receipt, requested_at, stage, counts FROM personalize.erasure"
			   " WHERE $1 IS NULL OR receipt = $1 ORDER BY requested_at DESC, receipt",
			   lengthof(types), types, argument, PG_ARGISNULL(0) ? "n" : " ", true);
	if (SPI_processed == 0 && !PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("receipt \"%s\" does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, argument[0])))));
	SpiUtilReturnRows(result);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

/*
 * identity.c
 *		Whose an id is: people with several ids.
 *
 * A row of identity says that an id is another one of a person.  There are no chains:
 * the person's own id is in no row as another's, so one look is enough.  Ingestion
 * and every function that takes a user_id ask here, and go on with the person's key.
 *
 * Rows change under the exclusive stripes of both ids.  So who holds the stripe of an
 * id, or of the person it is of, and then has looked, knows for the rest of the
 * transaction.
 */
#include "postgres.h"

#include "people/identity.h"

#include "access/stratnum.h"
#include "base/key.h"
#include "base/lock.h"
#include "base/purge_lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_identities_of);

/* So many ids are in all stripes, or nearly. */
#define MANY_IDENTITIES 500

/* Open the identities for looking ids up. */
KeyedTable *
IdentityOpen(void)
{
	return KeyedOpenFilled("identity", "identity_pkey");
}

/* Whose the id of a key is, if it is another's. */
bool
IdentityRead(KeyedTable *identities, int64 key, Snapshot snapshot, Person *person)
{
	Datum		datum = Int64GetDatum(key);
	TupleTableSlot *slot;
	bool		isNull;

	slot = KeyedSeekOne(identities, snapshot, 1, &datum);
	if (slot == NULL)
		return false;
	person->userKey = DatumGetInt64(slot_getattr(slot, IDENTITY_USER_KEY, &isNull));
	person->userId = DatumGetTextPCopy(slot_getattr(slot, IDENTITY_USER_ID, &isNull));
	return true;
}

/* The key of the person whose id has a key. */
int64
IdentityKeyOf(int64 key)
{
	KeyedTable *identities = IdentityOpen();
	Person		person = {key, NULL};

	if (identities == NULL)
		return key;
	(void) IdentityRead(identities, key, GetActiveSnapshot(), &person);
	KeyedClose(identities);
	return person.userKey;
}

/* The same of the id given as an argument. */
int64
IdentityKeyArgument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	return IdentityKeyOf(KeyArgument(fcinfo, argument, name));
}

/* The person whose id this is, as of now. */
Person
IdentityPersonNow(const text *id)
{
	Person		person = {KeyFromText(id), unconstify(text *, id)};
	KeyedTable *identities = IdentityOpen();
	Snapshot	snapshot;

	if (identities == NULL)
		return person;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	(void) IdentityRead(identities, person.userKey, snapshot, &person);
	KeyedClose(identities);
	UnregisterSnapshot(snapshot);
	return person;
}

/* Begin with the other ids of a person, in the order of their places, as of now. */
static KeyedTable *
SeekIdentities(int64 userKey, Snapshot *snapshot)
{
	KeyedTable *identities = KeyedOpenFilled("identity", "identity_user_key_idx");
	Datum		datum = Int64GetDatum(userKey);

	if (identities == NULL)
		return NULL;
	*snapshot = RegisterSnapshot(GetLatestSnapshot());
	KeyedSeek(identities, *snapshot, 1, &datum, BTEqualStrategyNumber);
	return identities;
}

/* The place of the newest other id of a person, never less than there are; 0: there is none. */
int64
IdentityNewestPlace(int64 userKey)
{
	Snapshot	snapshot;
	KeyedTable *identities = SeekIdentities(userKey, &snapshot);
	TupleTableSlot *slot;
	int64		place = 0;
	bool		isNull;

	if (identities == NULL)
		return 0;
	slot = KeyedNext(identities, BackwardScanDirection);
	if (slot != NULL)
		place = DatumGetInt64(slot_getattr(slot, IDENTITY_PLACE, &isNull));
	KeyedClose(identities);
	UnregisterSnapshot(snapshot);
	return place;
}

/* How many other ids a person has; of more than the limit, one more. */
int64
IdentityCount(int64 userKey, int64 limit)
{
	Snapshot	snapshot;
	KeyedTable *identities = SeekIdentities(userKey, &snapshot);
	int64		count = 0;

	if (identities == NULL)
		return 0;
	while (count <= limit && KeyedNext(identities, ForwardScanDirection) != NULL)
		count++;
	KeyedClose(identities);
	UnregisterSnapshot(snapshot);
	return count;
}

/* Add the stripes of all ids of a person; of very many, all there are. */
void
IdentityAddStripes(int64 userKey, bool stripes[SHARD_COUNT])
{
	Snapshot	snapshot;
	KeyedTable *identities;
	TupleTableSlot *slot;
	bool		isNull;

	stripes[ShardOfKey(userKey)] = true;
	if (IdentityNewestPlace(userKey) >= MANY_IDENTITIES)
	{
		memset(stripes, true, SHARD_COUNT * sizeof(bool));
		return;
	}
	identities = SeekIdentities(userKey, &snapshot);
	if (identities == NULL)
		return;
	while ((slot = KeyedNext(identities, ForwardScanDirection)) != NULL)
		stripes[ShardOfKey(DatumGetInt64(slot_getattr(slot, IDENTITY_ALIAS_KEY, &isNull)))] = true;
	KeyedClose(identities);
	UnregisterSnapshot(snapshot);
}

/* All ids of the people whose ids these are, but for these. */
Person *
IdentityOthers(const int64 *keys, int count, int *others)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	Datum	   *datums = palloc_extended(sizeof(Datum) * Max(count, 1), MCXT_ALLOC_HUGE);
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[1];
	Person	   *people;
	SpiUtilScope scope;

	for (int i = 0; i < count; i++)
		datums[i] = Int64GetDatum(keys[i]);
	values[0] = PointerGetDatum(construct_array(datums, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilBegin(&scope);
	*others = (int) SpiUtilRun(&plan,
							   "WITH given AS MATERIALIZED (SELECT k FROM unnest($1) AS k),"
							   " person AS MATERIALIZED (SELECT DISTINCT coalesce(i.user_key, g.k) AS k FROM given AS g"
							   "  LEFT JOIN personalize.identity AS i ON i.alias_key = g.k)"
							   " SELECT o.key, o.id FROM (SELECT i.alias_key AS key, i.alias_id AS id"
							   "   FROM person AS p JOIN personalize.identity AS i ON i.user_key = p.k"
							   "  UNION SELECT i.user_key, i.user_id FROM person AS p JOIN personalize.identity AS i ON i.user_key = p.k) AS o"
							   " WHERE NOT EXISTS (SELECT FROM given AS g WHERE g.k = o.key)",
							   lengthof(types), types, values, NULL, false);
	people = MemoryContextAllocHuge(caller, sizeof(Person) * Max(*others, 1));
	for (int i = 0; i < *others; i++)
	{
		bool		isNull;
		MemoryContext spi = MemoryContextSwitchTo(caller);

		people[i].userKey = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
		people[i].userId = DatumGetTextPCopy(SpiUtilValue(i, 2, &isNull));
		MemoryContextSwitchTo(spi);
	}
	SpiUtilEnd(&scope);
	return people;
}

/* Lock the stripe of whose the id is, until that is the same before and after. */
static Person
LockPerson(const text *id, bool exclusive, const char *notDone)
{
	Person		person = IdentityPersonNow(id);

	for (;;)
	{
		Person		before = person;

		if (exclusive)
		{
			bool		stripes[SHARD_COUNT] = {false};

			stripes[ShardOfKey(person.userKey)] = true;
			PurgeLockStripes(stripes, notDone);
		}
		else
			StripeLock(ShardOfKey(person.userKey), false);
		person = IdentityPersonNow(id);
		if (person.userKey == before.userKey)
			return person;
	}
}

/*
 * The person whose id this is, with the stripe locked shared.  Mostly it is the person's
 * own, whose stripe is then the right one: one look, with that locked, tells.
 */
Person
IdentityLockShared(const text *id)
{
	int64		key = KeyFromText(id);
	Person		person;

	StripeLock(ShardOfKey(key), false);
	person = IdentityPersonNow(id);
	if (person.userKey == key)
		return person;
	/* who takes this one and the person's takes them in order */
	StripeUnlockShared(ShardOfKey(key));
	return LockPerson(id, false, NULL);
}

/* The same, exclusively. */
Person
IdentityLockExclusive(const text *id, const char *notDone)
{
	return LockPerson(id, true, notDone);
}

/* identities_of(user_id) → (alias_id, person_id, since, source). */
Datum
personalize_identities_of(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		argument[] = {Int64GetDatum(IdentityKeyArgument(fcinfo, 0, "user_id"))};
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, 0);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT alias_id, user_id, since, source FROM personalize.identity"
			   " WHERE user_key = $1 ORDER BY since, alias_id", 1, types, argument, NULL, true);
	SpiUtilReturnRows(result);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

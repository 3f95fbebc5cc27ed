/*
 * tombstone.c
 *		Who was forgotten, and who of them has come back.
 *
 * A tombstone is a pseudonym, so the table tells nobody's id: only who asks for
 * a person whose id he has learns that this person was forgotten.  It is asked
 * for people of whom neither subject nor the ledger knows, for erasure leaves
 * neither; who is back by a grant is known to both.
 */
#include "postgres.h"

#include "people/tombstone.h"

#include "base/secret.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Columns of _tombstone; src/erasure/erasure.sql. */
enum
{
	TOMBSTONE_PSEUDONYM = 1,
	TOMBSTONE_FORGOTTEN_AT,
	TOMBSTONE_CUTOFF,
	TOMBSTONE_EPOCH,
	TOMBSTONE_RETURNED_AT
};

/* Open the tombstones for looking people up. */
KeyedTable *
TombstoneOpen(void)
{
	return KeyedOpenFilled("_tombstone", "_tombstone_pkey");
}

/* Read a person's tombstone. */
bool
TombstoneRead(KeyedTable *tombstones, int64 userKey, Snapshot snapshot, Tombstone *tombstone)
{
	Datum		key = Int64GetDatum(SecretPseudonym(userKey));
	TupleTableSlot *slot;
	bool		isNull;

	slot = KeyedSeekOne(tombstones, snapshot, 1, &key);
	if (slot == NULL)
		return false;
	tombstone->forgottenAt = DatumGetTimestampTz(slot_getattr(slot, TOMBSTONE_FORGOTTEN_AT, &isNull));
	(void) slot_getattr(slot, TOMBSTONE_RETURNED_AT, &isNull);
	tombstone->returned = !isNull;
	return true;
}

/* Look a person up among the tombstones, and close them. */
static bool
StandsAmong(KeyedTable *tombstones, int64 userKey, Snapshot snapshot, Tombstone *tombstone)
{
	bool		stands = TombstoneRead(tombstones, userKey, snapshot, tombstone) && !tombstone->returned;

	KeyedClose(tombstones);
	return stands;
}

/* True if a person was forgotten and is not back. */
bool
TombstoneStands(int64 userKey, Snapshot snapshot, Tombstone *tombstone)
{
	KeyedTable *tombstones = TombstoneOpen();

	return tombstones != NULL && StandsAmong(tombstones, userKey, snapshot, tombstone);
}

/* The same as of now. */
bool
TombstoneStandsNow(int64 userKey, Tombstone *tombstone)
{
	KeyedTable *tombstones = TombstoneOpen();
	Snapshot	snapshot;
	bool		stands;

	if (tombstones == NULL)
		return false;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	stands = StandsAmong(tombstones, userKey, snapshot, tombstone);
	UnregisterSnapshot(snapshot);
	return stands;
}

/* Set a tombstone, or set it anew. */
void
TombstoneSet(int64 pseudonym, TimestampTz forgottenAt, int64 cutoff)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, TIMESTAMPTZOID, INT8OID};
	Datum		values[] = {
		Int64GetDatum(pseudonym), TimestampTzGetDatum(forgottenAt), Int64GetDatum(cutoff)
	};

	SpiUtilRun(&plan,
			   "INSERT INTO personalize._tombstone AS t (pseudonym, forgotten_at, cutoff)"
			   " VALUES ($1, $2, $3) ON CONFLICT (pseudonym) DO UPDATE SET"
			   " forgotten_at = EXCLUDED.forgotten_at, cutoff = EXCLUDED.cutoff, returned_at = NULL",
			   lengthof(types), types, values, NULL, false);
}

/* Say that a person for whom a tombstone stands has come back. */
void
TombstoneLift(int64 userKey, TimestampTz since)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, TIMESTAMPTZOID};
	Datum		values[] = {Int64GetDatum(SecretPseudonym(userKey)), TimestampTzGetDatum(since)};

	if (SpiUtilRun(&plan,
				   "UPDATE personalize._tombstone SET returned_at = $2, epoch = epoch + 1"
				   " WHERE pseudonym = $1 AND returned_at IS NULL",
				   lengthof(types), types, values, NULL, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the person was erased after this transaction began"),
				 errhint("Try again in a new transaction.")));
}

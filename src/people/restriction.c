/*
 * restriction.c
 *		People whose data is kept but may not be used for some purposes.
 *
 * A restriction (GDPR Art. 18) clears nothing: the purposes stand in
 * subject.restricted, and whoever is about to use data of a person leaves them
 * out of the data's mask.  So lifting it gives back exactly what was there.
 *
 * Few people are restricted, and they alone are in the index
 * subject_restricted_idx; most of the time it is empty.  A reader of one person
 * looks there, unless the index never had an entry.  Who asks for one person after
 * the other under one snapshot has all of them read at once, which is then a look
 * into memory.
 */
#include "postgres.h"

#include "people/restriction.h"

#include "access/genam.h"
#include "access/xact.h"
#include "base/keyed.h"
#include "base/relation.h"
#include "compat.h"
#include "people/consent.h"
#include "storage/bufmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_unrestricted);

/* So many people are looked up one by one before all are read. */
#define SINGLE_LOOKUPS 4

/* What tells two snapshots of a backend apart. */
typedef struct SnapshotMark
{
	TransactionId xmin;
	TransactionId xmax;
	uint32		inProgress;
	int32		subInProgress;
	CommandId	command;
	TransactionId own;			/* of this transaction, which is never in progress to itself */
	SubTransactionId part;		/* of it: what others of its parts did may be undone since */
} SnapshotMark;

/* A person. */
typedef struct Restricted
{
	int64		userKey;		/* hash key, first */
	int32		purposes;
} Restricted;

/* What is known under the last snapshot asked about; InvalidOid: nothing. */
static Oid	knownIndex;
static SnapshotMark known;
static bool nobody;				/* the index never had an entry */
static int	lookups;			/* people looked up under it */
static Restricted last;			/* the last of them */
static HTAB *people;			/* of Restricted; NULL: not read */

/* Relation cache callback: the index was replaced, as with the extension. */
static void
ForgetKnown(Datum argument, Oid relationId)
{
	if (relationId == InvalidOid || relationId == knownIndex)
		knownIndex = InvalidOid;
}

/* The mark of a snapshot. */
static SnapshotMark
MarkOf(Snapshot snapshot)
{
	SnapshotMark mark;

	memset(&mark, 0, sizeof(mark));
	mark.xmin = snapshot->xmin;
	mark.xmax = snapshot->xmax;
	mark.inProgress = snapshot->xcnt;
	mark.subInProgress = snapshot->subxcnt;
	mark.command = snapshot->curcid;
	mark.own = GetTopTransactionIdIfAny();
	if (TransactionIdIsValid(mark.own))
		mark.part = GetCurrentSubTransactionId();
	return mark;
}

/* A column of a row that has no nulls. */
static Datum
SlotValue(TupleTableSlot *slot, int column)
{
	bool		isNull;

	return slot_getattr(slot, column, &isNull);
}

/* Read all restricted people. */
static HTAB *
ReadAll(Snapshot snapshot)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(Restricted),
	.hcxt = TopMemoryContext};
	HTAB	   *all = hash_create("personalize restrictions", 64, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	KeyedTable *subjects = KeyedOpen("subject", "subject_restricted_idx", AccessShareLock);
	TupleTableSlot *slot;

	KeyedSeek(subjects, snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(subjects, ForwardScanDirection)) != NULL)
	{
		int64		userKey = DatumGetInt64(SlotValue(slot, SUBJECT_USER_KEY));
		Restricted *person = hash_search(all, &userKey, HASH_ENTER, NULL);

		person->purposes = DatumGetInt32(SlotValue(slot, SUBJECT_RESTRICTED));
	}
	KeyedClose(subjects);
	return all;
}

/* Look one person up. */
static int32
ReadOne(int64 userKey, Snapshot snapshot)
{
	KeyedTable *subjects = KeyedOpen("subject", "subject_restricted_idx", AccessShareLock);
	Datum		key = Int64GetDatum(userKey);
	int32		purposes = 0;
	TupleTableSlot *slot;

	slot = KeyedSeekOne(subjects, snapshot, 1, &key);
	if (slot)
		purposes = DatumGetInt32(SlotValue(slot, SUBJECT_RESTRICTED));
	KeyedClose(subjects);
	return purposes;
}

/* True if a B-tree has no page but the one that describes it. */
static bool
IsEmpty(Oid indexId)
{
	Relation	index = index_open(indexId, AccessShareLock);
	bool		empty = RelationGetNumberOfBlocks(index) <= 1;

	index_close(index, AccessShareLock);
	return empty;
}

/* Begin anew under a snapshot. */
static void
Forget(const SnapshotMark *mark)
{
	static bool registered = false;

	if (!registered)
		RelationWatch(ForgetKnown);
	registered = true;
	if (people)
		hash_destroy(people);
	people = NULL;
	lookups = 0;
	known = *mark;
	knownIndex = RelationFind("subject_restricted_idx", false);
	nobody = IsEmpty(knownIndex);
}

/* The purposes a person's data is restricted for. */
int32
RestrictionOf(int64 userKey)
{
	Snapshot	snapshot = GetActiveSnapshot();
	SnapshotMark mark = MarkOf(snapshot);
	Restricted *person;

	if (knownIndex == InvalidOid || memcmp(&mark, &known, sizeof(mark)) != 0)
		Forget(&mark);
	if (nobody)
		return 0;
	/* the rows of one person often come together */
	if (people == NULL && lookups > 0 && last.userKey == userKey)
		return last.purposes;
	if (people == NULL && lookups++ < SINGLE_LOOKUPS)
	{
		last.userKey = userKey;
		last.purposes = ReadOne(userKey, snapshot);
		return last.purposes;
	}
	if (people == NULL)
		people = ReadAll(snapshot);
	if (hash_get_num_entries(people) == 0)
		return 0;
	person = hash_search(people, &userKey, HASH_FIND, NULL);
	return person ? person->purposes : 0;
}

/* _unrestricted(mask, user_key): the purposes of a mask the person's data is not restricted for. */
Datum
personalize_unrestricted(PG_FUNCTION_ARGS)
{
	int32		mask;

	if (fcinfo->flinfo->fn_extra == NULL)
	{
		static char checked;

		RestrictionCheckCall(fcinfo->flinfo);
		fcinfo->flinfo->fn_extra = &checked;
	}
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	mask = PG_GETARG_INT32(0);
	if (PG_ARGISNULL(1) || mask == 0)
		PG_RETURN_INT32(mask);
	PG_RETURN_INT32(mask & ~RestrictionOf(PG_GETARG_INT64(1)));
}

/*
 * consent.c
 *		What each person allowed: purposes, the ledger, and its current state.
 *
 * The ledger is append-only; of a person's entries about a purpose the latest
 * holds.  Its outcome is kept in subject.granted and subject.decided, changed in
 * the transaction that writes the ledger - with one exception: what an event
 * brings ("event" in source) is written by ingestion, which must not update rows
 * in whatever order people arrive (two such transactions deadlock).  Those
 * entries reach subject when the dictionary log is folded, and until then are
 * found in the ledger itself.  They only ever decide what was undecided, so
 * folding them adds to subject and overwrites nothing.
 *
 * Withdrawal takes the person's stripe exclusively, which ingestion and
 * processors hold shared to the end of their transactions: when it has the
 * stripe, every event of the person is committed and visible, none is in flight,
 * and whoever comes later sees the withdrawal.
 */
#include "postgres.h"

#include "people/consent.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/keyed.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "people/consent_cache.h"
#include "people/identity.h"
#include "people/ledger.h"
#include "people/tombstone.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So many people are looked for ahead. */
#define EXPECTED 8

/* The value of a column that is never NULL. */
static Datum
SlotValue(TupleTableSlot *slot, int column)
{
	bool		isNull;

	return slot_getattr(slot, column, &isNull);
}

/* Complete a state by what the ledger says of purposes subject does not speak of. */
static void
ReadLedger(KeyedTable *ledger, ConsentState *state, Snapshot snapshot)
{
	int32		granted;
	int32		decided;

	LedgerReadMask(ledger, state->userKey, snapshot, &granted, &decided);
	if (decided == 0)
		return;
	state->hasLedger = true;
	state->granted |= granted & ~state->decided;
	state->decided |= decided;
}

/* Order states by user. */
static int
CompareStates(const void *left, const void *right)
{
	const ConsentState *a = *(ConsentState *const *) left;
	const ConsentState *b = *(ConsentState *const *) right;

	return (a->userKey > b->userKey) - (a->userKey < b->userKey);
}

/* Since when a person who was forgotten is back. */
static void
ReadSince(TupleTableSlot *slot, ConsentState *state)
{
	bool		isNull;
	Datum		since = slot_getattr(slot, SUBJECT_SINCE, &isNull);

	if (!isNull)
		state->since = DatumGetTimestampTz(since);
}

/* Look people up who are not remembered, in the order of the index. */
static void
ReadUnknownStates(ConsentState **states, int count, int32 all, Snapshot snapshot)
{
	KeyedTable *subjects = KeyedOpen("subject", "subject_pkey", AccessShareLock);
	KeyedTable *ledger = NULL;
	KeyedTable *tombstones = NULL;
	KeyedTable *identities = IdentityOpen();
	bool		asked = false;

	qsort(states, count, sizeof(ConsentState *), CompareStates);
	for (int i = 0; i < count; i++)
	{
		ConsentState *state = states[i];
		Datum		key;
		TupleTableSlot *slot;
		int32		restricted;
		Person		person;

		if (identities != NULL && IdentityRead(identities, state->userKey, snapshot, &person))
			state->personKey = person.userKey;
		key = Int64GetDatum(state->userKey);
		slot = KeyedSeekOne(subjects, snapshot, 1, &key);
		if (slot)
		{
			state->hasSubject = true;
			state->granted = DatumGetInt32(SlotValue(slot, SUBJECT_GRANTED));
			state->decided = DatumGetInt32(SlotValue(slot, SUBJECT_DECIDED));
			restricted = DatumGetInt32(SlotValue(slot, SUBJECT_RESTRICTED));
			/* as good as refused, until it is lifted */
			state->granted &= ~restricted;
			state->decided |= restricted;
			ReadSince(slot, state);
		}
		if ((all & ~state->decided) != 0)
		{
			if (ledger == NULL)
				ledger = LedgerOpen(AccessShareLock);
			ReadLedger(ledger, state, snapshot);
		}
		if (!state->hasSubject && !state->hasLedger)
		{
			Tombstone	tombstone;

			if (!asked)
				tombstones = TombstoneOpen();
			asked = true;
			state->forgotten = tombstones != NULL &&
				TombstoneRead(tombstones, state->userKey, snapshot, &tombstone);
		}
		ConsentCacheStore(state, snapshot);
	}
	if (identities)
		KeyedClose(identities);
	if (tombstones)
		KeyedClose(tombstones);
	if (ledger)
		KeyedClose(ledger);
	KeyedClose(subjects);
}

/* Fill in the states of people. */
void
ConsentReadStates(ConsentState **states, int count, int32 all, Snapshot snapshot)
{
	ConsentState **unknown = palloc(count * sizeof(ConsentState *));
	int			unknownCount = 0;

	for (int i = 0; i < Min(count, EXPECTED); i++)
		ConsentCachePrefetch(states[i]->userKey);
	for (int i = 0; i < count; i++)
	{
		if (i + EXPECTED < count)
			ConsentCachePrefetch(states[i + EXPECTED]->userKey);
		states[i]->personKey = states[i]->userKey;
		states[i]->granted = states[i]->decided = 0;
		states[i]->hasSubject = states[i]->hasLedger = states[i]->forgotten = false;
		states[i]->since = DT_NOBEGIN;
		if (!ConsentCacheFind(states[i], snapshot))
			unknown[unknownCount++] = states[i];
	}
	if (unknownCount > 0)
		ReadUnknownStates(unknown, unknownCount, all, snapshot);
	pfree(unknown);
}

/* Read the state of one person. */
static void
ReadState(ConsentState *state, int32 all, Snapshot snapshot)
{
	ConsentReadStates(&state, 1, all, snapshot);
}

/* The purposes a person allows now, under the active snapshot. */
int32
ConsentMaskOf(int64 userKey)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	ConsentState state = {.userKey = userKey};

	ReadState(&state, purposes->all, GetActiveSnapshot());
	return ConsentAllowed(&state, purposes);
}

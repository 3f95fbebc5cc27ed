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

#include "consent.h"

#include "access/table.h"
#include "access/tableam.h"
#include "compat.h"
#include "consent_cache.h"
#include "keyed.h"
#include "ledger.h"
#include "lib/stringinfo.h"
#include "relation.h"
#include "tombstone.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Look for the rows of a user. */
static void
SeekUser(KeyedTable *table, int64 userKey, Snapshot snapshot)
{
	Datum		key = Int64GetDatum(userKey);

	KeyedSeek(table, snapshot, 1, &key, BTEqualStrategyNumber);
}

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

/* Read the purpose catalogue. */
ConsentPurposes *
ConsentReadPurposes(Snapshot snapshot)
{
	ConsentPurposes *purposes = palloc0(sizeof(ConsentPurposes));
	Relation	table = RelationOpenTable("purpose", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		int			bit = DatumGetInt16(SlotValue(slot, 2));

		purposes->names[bit] = TextDatumGetCString(SlotValue(slot, 1));
		purposes->all |= 1 << bit;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);

	table = RelationOpenTable("purpose_default", AccessShareLock);
	slot = table_slot_create(table, NULL);
	scan = table_beginscan(table, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		char	   *name = TextDatumGetCString(SlotValue(slot, 1));
		char	   *answer = TextDatumGetCString(SlotValue(slot, 2));

		for (int bit = 0; bit < CONSENT_MAX_PURPOSES; bit++)
			if (purposes->names[bit] && strcmp(purposes->names[bit], name) == 0 &&
				strcmp(answer, "allowed") == 0)
				purposes->allowed |= 1 << bit;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return purposes;
}

/* What ConsentPurposesNow has read, and whether it still holds. */
static ConsentPurposes *known = NULL;
static MemoryContext knownContext = NULL;
static bool knownHolds = false;
static Oid	purposeTable = InvalidOid;
static Oid	defaultTable = InvalidOid;

/* Relation cache callback, which the triggers of the tables bring about, too. */
static void
ForgetPurposes(Datum argument, Oid relationId)
{
	if (relationId == InvalidOid || relationId == purposeTable || relationId == defaultTable)
		knownHolds = false;
}

/* Read the purpose catalogue to remember it; what changes meanwhile has it read again. */
static void
LearnPurposes(void)
{
	Snapshot	snapshot;
	MemoryContext caller;

	if (knownContext == NULL)
	{
		RelationWatch(ForgetPurposes);
		knownContext = AllocSetContextCreate(TopMemoryContext, "personalize purposes", ALLOCSET_SMALL_SIZES);
	}
	known = NULL;
	MemoryContextReset(knownContext);
	purposeTable = RelationFind("purpose", false);
	defaultTable = RelationFind("purpose_default", false);
	knownHolds = true;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	caller = MemoryContextSwitchTo(knownContext);
	known = ConsentReadPurposes(snapshot);
	MemoryContextSwitchTo(caller);
	UnregisterSnapshot(snapshot);
}

/* The purpose catalogue as it is now. */
ConsentPurposes *
ConsentPurposesNow(void)
{
	ConsentPurposes *purposes = palloc(sizeof(ConsentPurposes));

	if (known == NULL || !knownHolds)
		LearnPurposes();
	*purposes = *known;
	for (int bit = 0; bit < CONSENT_MAX_PURPOSES; bit++)
		if (known->names[bit])
			purposes->names[bit] = pstrdup(known->names[bit]);
	return purposes;
}

/* Bit of a purpose's name; 0 if there is none. */
int32
ConsentPurposeBit(const ConsentPurposes *purposes, const char *name, int length)
{
	for (int bit = 0; bit < CONSENT_MAX_PURPOSES; bit++)
		if (purposes->names[bit] && strlen(purposes->names[bit]) == length &&
			memcmp(purposes->names[bit], name, length) == 0)
			return 1 << bit;
	return 0;
}

/* True for what may stand around the names of a list. */
static bool
IsListSpace(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Take the next name off a list into name, which has room for the whole list:
 * quoted, or up to the next comma.  Returns its length.
 */
static int
NextListName(const char **list, const char *end, char *name)
{
	const char *at = *list;
	int			length = 0;
	int			quotedLength = 0;
	bool		quoted = false;

	while (at < end && IsListSpace(*at))
		at++;
	for (; at < end && (quoted || *at != ','); at++)
	{
		if (*at == '"')
			quoted = !quoted;
		else
		{
			if (quoted && *at == '\\' && at + 1 < end)
				at++;
			name[length++] = *at;
		}
		if (quoted || *at == '"')
			quotedLength = length;
	}
	while (length > quotedLength && IsListSpace(name[length - 1]))
		length--;
	*list = at < end ? at + 1 : end;
	return length;
}

/* Bits of the purposes in a list written as text. */
int32
ConsentPurposeList(const ConsentPurposes *purposes, const char *list, int length)
{
	const char *end = list + length;
	char	   *name = palloc(length + 1);
	int32		mask = 0;

	while (list < end && IsListSpace(*list))
		list++;
	while (end > list && IsListSpace(end[-1]))
		end--;
	if (end - list >= 2 && ((list[0] == '{' && end[-1] == '}') || (list[0] == '[' && end[-1] == ']')))
	{
		list++;
		end--;
	}
	while (list < end)
		mask |= ConsentPurposeBit(purposes, name, NextListName(&list, end, name));
	pfree(name);
	return mask;
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
	bool		asked = false;

	qsort(states, count, sizeof(ConsentState *), CompareStates);
	for (int i = 0; i < count; i++)
	{
		ConsentState *state = states[i];
		TupleTableSlot *slot;
		int32		restricted;

		SeekUser(subjects, state->userKey, snapshot);
		slot = KeyedNext(subjects, ForwardScanDirection);
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

	for (int i = 0; i < count; i++)
	{
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
	ConsentPurposes *purposes = ConsentPurposesNow();
	ConsentState state = {.userKey = userKey};

	ReadState(&state, purposes->all, GetActiveSnapshot());
	return ConsentAllowed(&state, purposes);
}

/* Names of the purposes in a mask, comma separated. */
char *
ConsentFormatMask(int32 mask, const ConsentPurposes *purposes)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int bit = 0; bit < CONSENT_MAX_PURPOSES; bit++)
		if ((mask & (1 << bit)) && purposes->names[bit])
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", purposes->names[bit]);
	return names.data;
}

/*
 * erasure_candidate.c
 *		What may have to go with a person, because nobody else has it.
 *
 * A search for "Alice Smith, Oak Road 7" leaves a text in the dictionary of
 * features, and an item only one person ever saw a row in the catalogue.  Whether
 * others have them too cannot be asked for one person at a time without reading
 * everybody's profile; so they are noted, and erasure_sweep.c decides about many
 * at once.  A withdrawal takes profile entries away like an erasure, so it notes,
 * too.  What rows and events name the tables themselves say (people/person_store.h).
 */
#include "postgres.h"

#include "erasure/erasure_candidate.h"

#include "access/stratnum.h"
#include "base/dictionary.h"
#include "base/key.h"
#include "base/keyed.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "erasure/erasure_sweep.h"
#include "events/event_row.h"
#include "signals/value_key.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What is noted of people. */
typedef struct Candidates
{
	MemoryContext context;
	int32		purposes;		/* that go */
	PersonNames names;
	void	  **eventStates;	/* by store */
	KeySet		values;			/* feature keys */
	KeySet		items;
} Candidates;

/* PersonNames: note a value; whether the dictionary has it is asked later. */
static void
AddValue(void *arg, const PersonValue *value)
{
	Candidates *candidates = arg;
	MemoryContext caller;

	if (!value->isFiled || (value->purposes & candidates->purposes) == 0)
		return;
	caller = MemoryContextSwitchTo(candidates->context);
	KeySetAdd(&candidates->values, (int64) value->featureKey);
	MemoryContextSwitchTo(caller);
}

/* PersonNames: note an item; a number needs no row to be known by its id. */
static void
AddItem(void *arg, int64 itemKey)
{
	Candidates *candidates = arg;
	MemoryContext caller;

	if (KeyIsNumber(itemKey))
		return;
	caller = MemoryContextSwitchTo(candidates->context);
	KeySetAdd(&candidates->items, itemKey);
	MemoryContextSwitchTo(caller);
}

/* Note what the rows of people name in a table. */
static void
NoteRows(Candidates *candidates, const PersonStore *store, const PersonRemoval *removal)
{
	KeyedTable *table = KeyedOpen(store->name, store->names->index, AccessShareLock);

	for (int i = 0; i < removal->count; i++)
	{
		Datum		key = Int64GetDatum(removal->people[i].userKey);
		TupleTableSlot *slot;

		KeyedSeek(table, GetActiveSnapshot(), 1, &key, BTEqualStrategyNumber);
		while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
			store->names->row(&candidates->names, slot);
	}
	KeyedClose(table);
}

/* Begin with what is in packed rows. */
static void *
Begin(PersonRemoval *removal)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	Candidates *candidates = palloc0(sizeof(Candidates));

	candidates->context = removal->context;
	candidates->purposes = removal->purposes;
	candidates->names = (PersonNames)
	{
		.remedy = "what only it names is not looked for",
		.arg = candidates,.items = true,.values = true,.item = AddItem,.value = AddValue
	};
	candidates->eventStates = palloc0_array(void *, count);
	KeySetInit(&candidates->values, 64);
	KeySetInit(&candidates->items, 64);
	for (int i = 0; i < count; i++)
	{
		if (stores[i].names)
			NoteRows(candidates, &stores[i], removal);
		if (stores[i].eventNames)
			candidates->eventStates[i] = stores[i].eventNames->begin(removal->snapshot);
	}
	return candidates;
}

/* Note what an event has left, also under purposes that were withdrawn since. */
static void
AddEvent(void *state, PersonTally *tally, const EventRow *row)
{
	Candidates *candidates = state;
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
		if (stores[i].eventNames)
			stores[i].eventNames->event(candidates->eventStates[i], &candidates->names, row, true);
	if (row->hasItem)
		AddItem(candidates, row->itemKey);
}

/* What dictionaries may lose. */
char *
ErasureUnclaimed(void)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < count; i++)
		if (stores[i].dictionary)
			appendStringInfo(&sql, "%s%s", sql.len > 0 ? " UNION ALL " : "", stores[i].dictionary->unclaimed);
	return sql.data;
}

/* The keys of a kind of name as arrays of signals and keys. */
static void
SplitKeys(const KeySet *set, bool areFeatures, Datum *arrays)
{
	Datum	   *signals = palloc_extended(sizeof(Datum) * (set->count + 1), MCXT_ALLOC_HUGE);
	Datum	   *keys = palloc_extended(sizeof(Datum) * (set->count + 1), MCXT_ALLOC_HUGE);
	uint64		place = 0;
	int64		key;
	int			count = 0;

	while (KeySetNext(set, &place, &key))
	{
		signals[count] = Int16GetDatum(areFeatures ? FeatureKeySignal(key) : 0);
		keys[count++] = Int64GetDatum(areFeatures ? FeatureKeyHash(key) : key);
	}
	arrays[0] = PointerGetDatum(construct_array(signals, count, INT2OID, 2, true, TYPALIGN_SHORT));
	arrays[1] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Write the candidates of a dictionary that it has, or that are on their way to it; returns how many. */
static int64
WriteCandidates(Candidates *candidates, const PersonDictionary *dictionary)
{
	Oid			types[] = {INT2ARRAYOID, INT8ARRAYOID};
	bool		areFeatures = strcmp(dictionary->kind, "v") == 0;
	Datum		values[2];
	SpiUtilScope scope;
	int64		count;

	SplitKeys(areFeatures ? &candidates->values : &candidates->items, areFeatures, values);
	SpiUtilBegin(&scope);
	if (SPI_execute_with_args(psprintf("INSERT INTO personalize._erasure_candidate (kind, signal, key, noted_at)"
									   " SELECT c.kind, c.signal, c.key, now() FROM ("
									   "  SELECT u.kind, u.signal, u.key FROM unnest($1, $2) AS k (signal, key)"
									   "  JOIN (%s) AS u ON u.signal = k.signal AND u.key = k.key"
									   "  UNION SELECT '%s', 0, l.key FROM " DICTIONARY_LOGGED("%s") " AS l"
									   "  WHERE l.key = ANY ($2)) AS c",
									   dictionary->unclaimed, dictionary->kind, dictionary->kind),
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "candidates of kind \"%s\" could not be noted", dictionary->kind);
	count = (int64) SPI_processed;
	SpiUtilEnd(&scope);
	return count;
}

/* Write what nobody else may have; that is decided at once if it is quick. */
static void
Finish(void *state, PersonRemoval *removal)
{
	Candidates *candidates = state;
	int			count;
	const PersonStore *stores = PersonStores(&count);
	int64		written = 0;

	for (int i = 0; i < count; i++)
	{
		if (stores[i].eventNames)
			stores[i].eventNames->end(candidates->eventStates[i]);
		if (stores[i].dictionary)
			written += WriteCandidates(candidates, stores[i].dictionary);
	}
	if (written > 0 && removal->forgets && ErasureSweepIsCheap())
		(void) ErasureSweep(false);
}

const PersonTaker ErasureCandidateTaker = {
	.begin = Begin,
	.event = AddEvent,
	.finish = Finish
};

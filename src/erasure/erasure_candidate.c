/*
 * erasure_candidate.c
 *		What may have to go with a person, because nobody else has it.
 *
 * A search for "Alice Smith, Oak Road 7" leaves a text in the dictionary of
 * features, and an item only one person ever saw a row in the catalogue.  Whether
 * others have them too cannot be asked for one person at a time without reading
 * everybody's profile; so they are noted, and erasure_sweep.c decides about many
 * at once.  A withdrawal takes profile entries away like an erasure, so it notes,
 * too.
 */
#include "postgres.h"

#include "erasure/erasure_candidate.h"

#include "access/stratnum.h"
#include "base/key.h"
#include "base/keyed.h"
#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "erasure/erasure_sweep.h"
#include "neighbours/session.h"
#include "people/person_removal.h"
#include "profiles/profile_delta.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What is noted of people. */
typedef struct ErasureCandidates
{
	MemoryContext context;
	const SignalSet *signals;
	int32		bits;			/* purposes that go */
	ItemReader *reader;
	KeySet		values;			/* feature keys */
	KeySet		items;
} ErasureCandidates;

/* Note a value; whether the dictionary has it, as it has no items that the catalogue has, is asked later. */
static void
AddValue(ErasureCandidates *candidates, uint64 featureKey)
{
	int			id = FeatureKeySignal(featureKey);
	const Signal *signal = id < candidates->signals->idLimit ? candidates->signals->byId[id] : NULL;

	if (signal != NULL && (signal->purposes & candidates->bits) != 0 &&
		(FeatureKeyHash(featureKey) & FEATURE_VALUE_HASHED) != 0 &&
		featureKey != FeatureKeyMake(id, FEATURE_VALUE_NONE))
		KeySetAdd(&candidates->values, (int64) featureKey);
}

/* Note an item; a number needs no row to be known by its id. */
static void
AddItem(ErasureCandidates *candidates, int64 itemKey)
{
	if (!KeyIsNumber(itemKey))
		KeySetAdd(&candidates->items, itemKey);
}

/* Note what a profile holds. */
static void
AddProfile(ErasureCandidates *candidates, TupleTableSlot *slot)
{
	Datum		value;
	bool		isNull;
	StoredRow	row;

	StoredRowBegin(&row, STORED_PROFILE,
				   (int64[]) {DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull))});
	value = slot_getattr(slot, PROFILE_FEATURES, &isNull);
	if (!isNull)
	{
		FeatureIterator iterator;
		Feature		feature;

		FeatureIteratorBegin(&iterator, DatumGetFeatureStateP(value));
		while (FeatureIteratorNext(&iterator, &feature))
			AddValue(candidates, feature.key);
	}
	value = slot_getattr(slot, PROFILE_RECENT, &isNull);
	if (!isNull)
	{
		ProfileRecent recent;

		ProfileRecentUnpack(DatumGetByteaPP(value), &recent);
		for (int i = 0; i < recent.count; i++)
			AddItem(candidates, recent.items[i].itemKey);
	}
	StoredRowEnd(&row);
}

/* Begin with what is in the people's profiles. */
static ErasureCandidates *
Begin(const KeySet *people, int32 bits)
{
	ErasureCandidates *candidates = palloc0(sizeof(ErasureCandidates));
	KeyedTable *profiles = KeyedOpen("profile", "profile_pkey", AccessShareLock);

	candidates->context = CurrentMemoryContext;
	candidates->signals = SignalSetGet();
	candidates->bits = bits;
	candidates->reader = ItemReaderBegin(GetActiveSnapshot());
	KeySetInit(&candidates->values, 64);
	KeySetInit(&candidates->items, 64);
	for (int i = 0; i < people->capacity; i++)
	{
		Datum		key = Int64GetDatum(people->keys[i]);
		TupleTableSlot *slot;

		if (!people->used[i])
			continue;
		KeyedSeek(profiles, GetActiveSnapshot(), 1, &key, BTEqualStrategyNumber);
		slot = KeyedNext(profiles, ForwardScanDirection);
		if (slot)
			AddProfile(candidates, slot);
	}
	KeyedClose(profiles);
	return candidates;
}

/* A value that an event counts for. */
static void
CountValue(void *arg, uint64 featureKey, int64 sum, const char *text, int length)
{
	ErasureCandidates *candidates = arg;
	MemoryContext caller = MemoryContextSwitchTo(candidates->context);

	AddValue(candidates, featureKey);
	MemoryContextSwitchTo(caller);
}

/* Note what an event has left, also under purposes that were withdrawn since. */
static void
AddEvent(void *state, PersonTally *tally, const EventRow *row)
{
	ErasureCandidates *candidates = state;
	const SignalEvent *event = SignalSetEvent(&candidates->signals, row->event);
	EventRow	full = *row;
	MemoryContext caller;

	full.consent = -1;
	if (event != NULL)
		SignalEvaluateAnyway(event, &full, candidates->reader, CountValue, candidates);
	if (!row->hasItem)
		return;
	caller = MemoryContextSwitchTo(candidates->context);
	AddItem(candidates, row->itemKey);
	MemoryContextSwitchTo(caller);
}

/* Note the items of a session. */
static void
AddSession(ErasureCandidates *candidates, const Session *session)
{
	MemoryContext caller = MemoryContextSwitchTo(candidates->context);

	for (int i = 0; i < session->itemCount; i++)
		AddItem(candidates, session->items[i].itemKey);
	MemoryContextSwitchTo(caller);
}

/* Write the candidates that exist; returns how many. */
static int64
WriteCandidates(ErasureCandidates *candidates)
{
	static SPIPlanPtr valuePlan = NULL;
	static SPIPlanPtr itemPlan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {KeySetArray(&candidates->values)};
	SpiUtilScope scope;
	int64		count;

	ItemReaderEnd(candidates->reader);
	SpiUtilBegin(&scope);
	count = SpiUtilRun(&valuePlan,
					   "INSERT INTO personalize._erasure_candidate"
					   " SELECT 'v', f.signal, f.value_key, now() FROM unnest($1) AS k"
					   " JOIN personalize.feature_value f ON f.signal = (k >> 48)::int2"
					   "  AND f.value_key = k & ((1::int8 << 48) - 1)",
					   lengthof(types), types, values, NULL, false);
	values[0] = KeySetArray(&candidates->items);
	count += SpiUtilRun(&itemPlan,
						"INSERT INTO personalize._erasure_candidate"
						" SELECT 'i', 0, k, now() FROM unnest($1) AS k"
						" WHERE EXISTS (SELECT FROM personalize.item i WHERE i.item_key = k AND " ERASURE_BARE_ITEM ")"
						"  OR EXISTS (SELECT FROM personalize._dictionary_log l WHERE l.kind = 'i' AND l.key = k)",
						lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
	return count;
}

/* Note the items of a person's sessions. */
static void
NoteSessions(ErasureCandidates *candidates, int64 userKey)
{
	KeyedTable *table = KeyedOpen("session", "session_pkey", AccessShareLock);
	Session    *session = palloc(sizeof(Session));
	Datum		key = Int64GetDatum(userKey);
	TupleTableSlot *slot;

	KeyedSeek(table, GetActiveSnapshot(), 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		SessionReadRow(slot, session);
		AddSession(candidates, session);
	}
	KeyedClose(table);
	pfree(session);
}

/* _erasure_candidate: what nobody else has; decided at once if that is quick. */
static void *
BeginCandidates(PersonRemoval *removal)
{
	ErasureCandidates *candidates = Begin(&removal->keys, removal->purposes);

	for (int i = 0; i < removal->count; i++)
		NoteSessions(candidates, removal->people[i].userKey);
	return candidates;
}

static void
FinishCandidates(void *state, PersonRemoval *removal)
{
	if (WriteCandidates(state) > 0 && removal->forgets && ErasureSweepIsCheap())
		(void) ErasureSweep(false);
}

/* Called once when the library is loaded. */
void
ErasureCandidateInit(void)
{
	static const PersonTaker taker = {
		.begin = BeginCandidates,
		.event = AddEvent,
		.finish = FinishCandidates
	};
	static const PersonStore store = {
		.name = "_erasure_candidate",
		.rank = 130,
		.receipt = PERSON_STORE_NONE,
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &taker,
		.withdraw = &taker,
		.clear = PERSON_STORE_NONE,
		.purge = PERSON_STORE_NONE,
		.recount = PERSON_STORE_NONE
	};

	PersonStoreRegister(&store);
}

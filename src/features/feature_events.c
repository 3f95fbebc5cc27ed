/*
 * feature_events.c
 *		What happened to a spine's people, in the order in which it became known.
 *
 * Each raw event is run through the processor's own code once, and what it adds is
 * sorted by person and arrival.  What is left in the profiles of events that are gone
 * are panes: those that end before the first day of raw events, less what raw events
 * that came late have added to them.  A pane is known from its start on.
 *
 * Which panes are wide depends on the newest event of a state, whatever signal it is
 * of.  So an event that adds nothing to the signals a view needs is still told of, by
 * a feature of no signal.
 */
#include "postgres.h"

#include "features/feature_history.h"

#include "access/stratnum.h"
#include "base/keyed.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/stored_row.h"
#include "catalog/pg_type_d.h"
#include "events/event.h"
#include "events/partition.h"
#include "miscadmin.h"
#include "profiles/profile_delta.h"
#include "profiles/segment.h"
#include "signals/feature_value.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

/* Events after which the cache of texts is trimmed. */
#define EVENTS_PER_TRIM 10000

/* The feature of no signal. */
#define CLOCK_KEY FeatureKeyMake(0, 0)

/* Columns of the sort. */
typedef enum EntryColumn
{
	ENTRY_USER_KEY,
	ENTRY_KNOWN,
	ENTRY_TS,
	ENTRY_KEY,
	ENTRY_COUNT,
	ENTRY_SUM,
	ENTRY_GRAIN,
	ENTRY_MORE
} EntryColumn;
#define ENTRY_COLUMNS 8
#define GRAIN_EVENT (-1)

/* A pane of somebody, to which raw events that came late have been added. */
typedef struct LatePane
{
	int64		userKey;		/* hash key, with the two below */
	uint64		featureKey;
	TimestampTz day;
	TimestampTz ts;				/* events are kept one by one */
	int64		sum;
	struct LatePane *next;
} LatePane;

/* The walk over the raw events. */
typedef struct Walk
{
	History    *history;
	const Spine *spine;
	ProfileCollector collector;
	ProfileDelta delta;
	HTAB	   *late;			/* NULL: none came late */
	MemoryContext context;		/* of what lasts */
} Walk;

/* Bytes as they are, in a bytea. */
static bytea *
MakeBytes(const void *bytes, Size size)
{
	bytea	   *result = palloc(VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + size);
	memcpy(VARDATA(result), bytes, size);
	return result;
}

/* Add an entry. */
static void
PutEntry(History *history, const HistoryEntry *entry)
{
	Datum		values[ENTRY_COLUMNS];
	bool		nulls[ENTRY_COLUMNS] = {false};
	bytea	   *more = NULL;

	values[ENTRY_USER_KEY] = Int64GetDatum(entry->userKey);
	values[ENTRY_KNOWN] = Int64GetDatum(entry->known);
	values[ENTRY_TS] = Int64GetDatum(entry->ts);
	values[ENTRY_KEY] = Int64GetDatum((int64) entry->featureKey);
	values[ENTRY_COUNT] = Int64GetDatum(entry->count);
	values[ENTRY_SUM] = Int64GetDatum(entry->sum);
	values[ENTRY_GRAIN] = Int32GetDatum(entry->isPane ? (int) entry->grain : GRAIN_EVENT);
	if (entry->isStep)
		more = MakeBytes(&entry->step, sizeof(ProfileStep));
	else if (entry->isPane && entry->distinct.bytes != NULL)
		more = MakeBytes(entry->distinct.bytes, entry->distinct.size);
	else if (entry->isPane && entry->extremes.kept != 0)
		more = MakeBytes(&entry->extremes, sizeof(FeatureExtremes));
	nulls[ENTRY_MORE] = more == NULL;
	values[ENTRY_MORE] = PointerGetDatum(more);
	KeySortPut(&history->sort, values, nulls);
	if (more != NULL)
		pfree(more);
}

/* The next entry. */
bool
HistoryNext(History *history, HistoryEntry *entry)
{
	const Datum *values = KeySortNext(&history->sort);
	bool		hasMore;

	if (values == NULL)
		return false;
	entry->userKey = DatumGetInt64(values[ENTRY_USER_KEY]);
	entry->known = DatumGetInt64(values[ENTRY_KNOWN]);
	entry->ts = DatumGetInt64(values[ENTRY_TS]);
	entry->featureKey = (uint64) DatumGetInt64(values[ENTRY_KEY]);
	entry->count = DatumGetInt64(values[ENTRY_COUNT]);
	entry->sum = DatumGetInt64(values[ENTRY_SUM]);
	entry->isPane = DatumGetInt32(values[ENTRY_GRAIN]) != GRAIN_EVENT;
	entry->grain = entry->isPane ? DatumGetInt32(values[ENTRY_GRAIN]) : FEATURE_GRAIN_5MIN;
	hasMore = !history->sort.out->tts_isnull[ENTRY_MORE];
	entry->isStep = hasMore && !entry->isPane;
	entry->extremes.kept = 0;
	entry->distinct.bytes = NULL;
	if (entry->isStep)
		memcpy(&entry->step, VARDATA_ANY(DatumGetPointer(values[ENTRY_MORE])), sizeof(ProfileStep));
	else if (hasMore && FeatureIsDistinct(entry->featureKey))
	{
		entry->distinct.bytes = (const uint8 *) VARDATA_ANY(DatumGetPointer(values[ENTRY_MORE]));
		entry->distinct.size = VARSIZE_ANY_EXHDR(DatumGetPointer(values[ENTRY_MORE]));
	}
	else if (hasMore)
		memcpy(&entry->extremes, VARDATA_ANY(DatumGetPointer(values[ENTRY_MORE])), sizeof(FeatureExtremes));
	return true;
}

/* Want the signals of a segment's condition. */
static void
WantCompared(SegmentNode *node, void *arg)
{
	History    *history = arg;

	history->steps |= node->kind == SEGMENT_SEQUENCE;
	for (int i = 0; i < history->signals->count; i++)
		if (SegmentCompares(node, history->signals->signals[i].name))
			unconstify(bool *, history->wanted)[history->signals->signals[i].id] = true;
}

/* Want what a part of an expression needs. */
static void
Want(const FeatureNode *node, void *arg)
{
	History    *history = arg;
	const SegmentSet *segments = SegmentSetGet();

	for (int i = 0; i < history->signals->count && node->kind == FEATURE_SIGNAL; i++)
		if (strcmp(history->signals->signals[i].name, node->term.signal) == 0)
			unconstify(bool *, history->wanted)[history->signals->signals[i].id] = true;
	for (int i = 0; i < segments->count && node->kind == FEATURE_SEGMENT; i++)
		if (strcmp(segments->segments[i].name, node->name) == 0)
			SegmentEach(segments->segments[i].condition, WantCompared, history);
}

/* True if an event, or a profile, is of the spine. */
static bool
IsAsked(const Spine *spine, int64 userKey)
{
	return !spine->allKnown || KeySetHas(&spine->people, userKey);
}

/* Remember what a raw event has added to a pane before the first day of raw events. */
static void
AddLate(Walk *walk, int64 userKey, const FeatureDelta *delta)
{
	HASHCTL		control = {.keysize = offsetof(LatePane, ts),.entrysize = sizeof(LatePane),.hcxt = walk->context};
	LatePane	key;
	LatePane   *first;
	LatePane   *pane;
	bool		found;

	if (walk->late == NULL)
		walk->late = hash_create("personalize late events", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	memset(&key, 0, sizeof(key));
	key.userKey = userKey;
	key.featureKey = delta->key;
	key.day = PartitionDay(delta->ts);
	first = hash_search(walk->late, &key, HASH_ENTER, &found);
	if (!found)
		first->next = NULL;
	/* the entry is the head of a list */
	pane = MemoryContextAlloc(walk->context, sizeof(LatePane));
	pane->ts = delta->ts;
	pane->sum = delta->sum;
	pane->next = first->next;
	first->next = pane;
}

/* Since when an event is known. */
static TimestampTz
KnownSince(const History *history, const EventRow *row)
{
	return history->late ? row->ts : row->receivedAt;
}

/* Add what an event says. */
static void
AddEvent(Walk *walk, const EventRow *row, bool isRolled)
{
	History    *history = walk->history;
	ProfileDelta *delta = &walk->delta;
	HistoryEntry entry = {.userKey = row->userKey,.known = KnownSince(history, row),.ts = row->ts,.count = 1};
	bool		told = false;

	delta->deltaCount = delta->stepCount = delta->recentCount = 0;
	if (!ProfileDeltaAdd(&walk->collector, delta, row))
		return;
	for (int i = 0; i < delta->deltaCount; i++)
	{
		const FeatureDelta *change = &delta->deltas[i];

		if (isRolled && change->ts < history->rawSince)
			AddLate(walk, row->userKey, change);
		if (!history->wanted[FeatureKeySignal(change->key)])
			continue;
		entry.featureKey = change->key;
		entry.sum = change->sum;
		PutEntry(history, &entry);
		told = true;
	}
	entry.featureKey = CLOCK_KEY;
	entry.sum = 0;
	entry.isStep = history->steps && delta->stepCount > 0;
	if (entry.isStep)
		entry.step = delta->steps[0];
	/* a step without a count is only a step */
	entry.count = delta->deltaCount > 0 && !told ? 1 : 0;
	if (entry.isStep || entry.count > 0)
		PutEntry(history, &entry);
}

/* Walk over the raw events. */
static void
ReadEvents(Walk *walk)
{
	History    *history = walk->history;
	EventScanOptions options = {.snapshot = history->snapshot,.allDays = true};
	TxidSnapshot *positions[SHARD_COUNT];
	MemoryContext context = AllocSetContextCreate(walk->context, "personalize event", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = CurrentMemoryContext;
	EventScan  *scan;
	EventRow	row;
	int64		count = 0;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		positions[shard] = ProcessorPosition(PROCESSOR_PROFILE, shard, history->snapshot);
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		/* what came later may still have been added to a pane of before */
		if (!IsAsked(walk->spine, row.userKey) ||
			(KnownSince(history, &row) > walk->spine->last && row.ts >= history->rawSince))
			continue;
		if (count++ % EVENTS_PER_TRIM == 0)
			FeatureValueTrimCache();
		MemoryContextSwitchTo(context);
		AddEvent(walk, &row, TxidIsSeen(row.txid, positions[ShardOfKey(row.userKey)]));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	EventScanEnd(scan);
	MemoryContextDelete(context);
	history->signals = walk->collector.signals;
}

/* Take out of a pane what raw events that came late have added. */
static void
TakeLate(const Walk *walk, int64 userKey, uint64 featureKey, FeaturePane *pane)
{
	LatePane	key;
	const LatePane *late;

	if (walk->late == NULL)
		return;
	memset(&key, 0, sizeof(key));
	key.userKey = userKey;
	key.featureKey = featureKey;
	key.day = PartitionDay(pane->start);
	late = hash_search(walk->late, &key, HASH_FIND, NULL);
	for (late = late ? late->next : NULL; late != NULL; late = late->next)
		if (late->ts >= pane->start && late->ts < pane->end)
		{
			pane->count--;
			pane->sum -= late->sum;
			/* of what is left they are not known */
			pane->extremes.kept = 0;
		}
}

/* Add what is left of events that are gone in a feature. */
static void
AddFeature(const Walk *walk, int64 userKey, const Feature *feature)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;

	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane))
	{
		HistoryEntry entry = {.userKey = userKey,.known = pane.start,.featureKey = feature->key,
		.isPane = true,.grain = pane.grain};

		if (pane.end > walk->history->rawSince)
			continue;
		TakeLate(walk, userKey, feature->key, &pane);
		if (pane.count <= 0)
			continue;
		/* the time of its newest event, if that is known, else its middle */
		entry.ts = feature->last >= pane.start && feature->last < pane.end ? feature->last :
			pane.start + (pane.end - pane.start) / 2;
		entry.count = pane.count;
		entry.sum = pane.sum;
		entry.extremes = pane.extremes;
		entry.distinct = pane.distinct;
		PutEntry(walk->history, &entry);
	}
}

/* Add what is left of events that are gone in a row of profile. */
static void
AddProfile(const Walk *walk, TupleTableSlot *slot)
{
	const History *history = walk->history;
	int64		userKey;
	FeatureIterator iterator;
	Feature		feature;
	StoredRow	row;
	Datum		value;
	bool		isNull;

	userKey = DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull));
	value = slot_getattr(slot, PROFILE_FEATURES, &isNull);
	if (isNull)
		return;
	StoredRowBegin(&row, STORED_PROFILE, &userKey);
	FeatureIteratorBeginAll(&iterator, DatumGetFeatureStateP(value));
	while (FeatureIteratorNext(&iterator, &feature))
		if (history->wanted[FeatureKeySignal(feature.key)])
			AddFeature(walk, userKey, &feature);
	StoredRowEnd(&row);
}

/* Add what is left in the rows that a search has found. */
static void
AddProfiles(const Walk *walk, KeyedTable *profiles)
{
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "personalize profile", ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot;

	while ((slot = KeyedNext(profiles, ForwardScanDirection)) != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(row);

		AddProfile(walk, slot);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(row);
}

/* Add what is left in the profiles of the spine's people, or, if they are too many, of all. */
static void
ReadProfiles(const Walk *walk)
{
	KeyedTable *profiles = KeyedOpen("profile", "profile_pkey", AccessShareLock);
	uint64		place = 0;
	int64		key;

	while (walk->spine->allKnown && KeySetNext(&walk->spine->people, &place, &key))
	{
		Datum		value = Int64GetDatum(key);

		KeyedSeek(profiles, walk->history->snapshot, 1, &value, BTEqualStrategyNumber);
		AddProfiles(walk, profiles);
	}
	if (!walk->spine->allKnown)
	{
		KeyedSeek(profiles, walk->history->snapshot, 0, NULL, InvalidStrategy);
		AddProfiles(walk, profiles);
	}
	KeyedClose(profiles);
}

/* Since when raw events exist: the first day that has its table. */
static TimestampTz
FindRawSince(Snapshot snapshot)
{
	ListCell   *cell;

	foreach(cell, PartitionDays(snapshot, true))
	{
		char		name[PARTITION_NAME_LENGTH];

		PartitionName(lfirst_int(cell), name);
		if (OidIsValid(RelationFind(name, true)))
			return (TimestampTz) lfirst_int(cell) * USECS_PER_DAY;
	}
	return DT_NOEND;
}

/* Collect what a view needs to know. */
void
HistoryRead(History *history, const FeatureView *view, const Spine *spine, bool late)
{
	static const Oid types[ENTRY_COLUMNS] = {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT4OID, BYTEAOID};
	Walk		walk = {.history = history,.spine = spine,.context = CurrentMemoryContext};

	memset(history, 0, sizeof(History));
	history->late = late;
	history->snapshot = GetActiveSnapshot();
	history->signals = SignalSetGet();
	/* room for signals that are defined meanwhile */
	history->wanted = palloc0_array(bool, PG_UINT16_MAX + 1);
	history->rawSince = FindRawSince(history->snapshot);
	for (int i = 0; i < view->count; i++)
		FeatureEach(view->features[i].node, Want, history);
	KeySortBegin(&history->sort, types, ENTRY_COLUMNS, 2, work_mem);
	walk.collector.context = CurrentMemoryContext;
	walk.collector.signals = history->signals;
	walk.collector.segments = SegmentSetGet();
	walk.collector.items = ItemReaderBegin(history->snapshot);
	ProfileDeltaInit(&walk.delta, 0);
	if (view->usesPerson)
	{
		ReadEvents(&walk);
		ReadProfiles(&walk);
	}
	ItemReaderEnd(walk.collector.items);
	KeySortPerform(&history->sort);
}

/* End it. */
void
HistoryEnd(History *history)
{
	KeySortEnd(&history->sort);
}

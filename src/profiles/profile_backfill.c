/*
 * profile_backfill.c
 *		Counting profiles anew, all of them or a part alone, for the processor.
 *
 * The parts are signals, each by its number, and the steps of sequences.  Of a
 * signal the features leave the rows before its events are counted again.  Steps
 * stay: they are a set, to which the same ones may be added.
 */
#include "postgres.h"

#include "profiles/profile_backfill.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "base/keyed.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "profiles/profile_row.h"
#include "profiles/segment.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The parts in a form to be looked up. */
static ProfileParts *
MakeParts(const ProcessorParts *list)
{
	ProfileParts *parts = palloc0_object(ProfileParts);

	for (int i = 0; i < list->count; i++)
		parts->limit = Max(parts->limit, list->parts[i] + 1);
	parts->signals = palloc0_array(bool, Max(parts->limit, 1));
	for (int i = 0; i < list->count; i++)
	{
		if (list->parts[i] == PROFILE_PART_STEPS)
			parts->steps = true;
		else
			parts->signals[list->parts[i]] = true;
	}
	return parts;
}

/* The parts the running batch counts anew alone. */
ProfileParts *
ProfilePartsOnly(void)
{
	const ProcessorParts *list = ProcessorPartsOnly();

	return list ? MakeParts(list) : NULL;
}

/* Whose a row is. */
static bool
UserOfRow(TupleTableSlot *slot, int64 *key)
{
	bool		isNull;

	*key = DatumGetInt64(slot_getattr(slot, 1, &isNull));
	return true;
}

/* Forget the profiles of some shards. */
void
ProfileClear(const bool *shards)
{
	ProcessorClearTable("profile", "profile_pkey", shards, UserOfRow);
	SegmentOutdate(shards);
}

/* No signal and no segment is defined, changed or dropped until the transaction ends. */
void
ProfileLockParts(void)
{
	(void) SignalSetGetLocked();
	(void) SegmentSetGetLocked();
}

/* Keep the features of other signals. */
static bool
IsOther(uint64 key, void *arg)
{
	return !ProfilePartsHas(arg, FeatureKeySignal(key));
}

/* A row that parts are taken from, for StoredRowTry(). */
typedef struct ClearedRow
{
	StoredProfile stored;
	ProfileParts *parts;
	bool		changed;
} ClearedRow;

/* Take the parts' features out of a row that has some. */
static void
ClearRow(void *arg)
{
	ClearedRow *row = arg;
	FeatureState *features = ProfileRowFeatures(&row->stored);
	FeatureIterator iterator;
	Feature		feature;

	if (features == NULL)
		return;
	FeatureIteratorBeginAll(&iterator, features);
	while (!row->changed && FeatureIteratorNext(&iterator, &feature))
		row->changed = !IsOther(feature.key, row->parts);
	if (!row->changed)
		return;
	features = FeatureStateFilter(features, IsOther, row->parts);
	ProfileRowSetFeatures(&row->stored, FeatureStateCount(features) > 0 ? features : NULL);
}

/* Take them out of all rows of some shards; a row that is damaged stays as it is. */
static void
ClearFeatures(const bool *shards, ProfileParts *parts)
{
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", RowExclusiveLock);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "personalize profile row", ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot;

	ProcessorPushSnapshot();
	KeyedSeek(table, GetActiveSnapshot(), 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		ItemPointerData tid = slot->tts_tid;
		ClearedRow	row = {.parts = parts};
		StoredRow	name;
		int64		userKey;

		CHECK_FOR_INTERRUPTS();
		(void) UserOfRow(slot, &userKey);
		if (!shards[ShardOfKey(userKey)])
			continue;
		ProfileRowTake(slot, &row.stored);
		MemoryContextSwitchTo(context);
		StoredRowBegin(&name, STORED_PROFILE, &userKey);
		if (StoredRowTry(&name, ClearRow, &row, "it is left as it is") && row.changed)
		{
			if (ProfileRowIsEmpty(&row.stored))
				KeyedDelete(table, &tid);
			else
				KeyedUpdate(table, &tid, &row.stored.values[1], &row.stored.nulls[1]);
		}
		StoredRowEnd(&name);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	PopActiveSnapshot();
	KeyedClose(table);
	MemoryContextDelete(context);
	CommandCounterIncrement();
}

/* A look for parts in conditions. */
typedef struct Search
{
	const ProfileParts *parts;
	const SignalSet *signals;
	bool		found;
} Search;

/* See whether a condition is about one of the parts. */
static void
SearchNode(SegmentNode *node, void *arg)
{
	Search	   *search = arg;

	if (node->kind == SEGMENT_SEQUENCE)
		search->found |= search->parts->steps;
	for (int i = 0; i < search->signals->count; i++)
		search->found |= SegmentCompares(node, search->signals->signals[i].name) &&
			ProfilePartsHas(search->parts, search->signals->signals[i].id);
}

/* True if a segment is about one of the parts. */
static bool
SegmentsUse(const ProfileParts *parts)
{
	const SegmentSet *set = SegmentSetGet();
	Search		search = {.parts = parts,.signals = SignalSetGet()};

	for (int i = 0; i < set->count; i++)
		SegmentEach(set->segments[i].condition, SearchNode, &search);
	return search.found;
}

/* Forget of the profiles of some shards what the parts are. */
void
ProfileClearParts(const bool *shards, const ProcessorParts *list)
{
	ProfileParts *parts = MakeParts(list);

	if (parts->limit > 0)
		ClearFeatures(shards, parts);
	if (SegmentsUse(parts))
		SegmentOutdate(shards);
}

/*
 * What was counted anew is complete from the oldest raw day on, or from the day
 * after the last one out of which retention took events of its kind.  Of part 0 all
 * signals, but for those that are still to be back-filled; one that was complete stays
 * so if no raw events have gone.
 */
static void
StoreSince(const ProcessorParts *parts)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2ARRAYOID, INT2OID};
	Datum		values[] = {ProcessorPartArray(parts), Int16GetDatum(PROCESSOR_PROFILE)};

	SpiUtilRunAsOwner(&plan, "INSERT INTO personalize.signal_state AS s (signal, complete_since)"
					  " SELECT d.signal, CASE WHEN 0 <> ALL ($1) OR o.complete_since IS NOT NULL OR e.expired IS NOT NULL"
					  "  OR EXISTS (SELECT FROM personalize._gone AS g WHERE g.what = 'event')"
					  "  OR EXISTS (SELECT FROM personalize.processor AS p WHERE p.processor = $2"
					  "   AND coalesce(p.raw_gone_before, p.rebuilding_gone_before) IS NOT NULL)"
					  "  THEN greatest(e.oldest, e.expired + 1)::timestamp AT TIME ZONE 'UTC' END"
					  " FROM personalize.signal d LEFT JOIN personalize.signal_state AS o ON o.signal = d.signal, LATERAL ("
					  "  SELECT min(y.day) AS oldest, max(y.day) FILTER (WHERE y.expired && coalesce(d.events, ARRAY("
					  "   SELECT t.event FROM personalize.event_type t WHERE t.weight <> 0))) AS expired"
					  "  FROM personalize._event_day y) e"
					  " WHERE d.signal = ANY ($1) OR 0 = ANY ($1) AND d.basis <> 'inferred' AND d.scope = 'user' AND NOT EXISTS (SELECT FROM personalize._rebuild r"
					  "  WHERE r.processor = $2 AND r.part = d.signal)"
					  " ON CONFLICT (signal) DO UPDATE SET complete_since = excluded.complete_since",
					  lengthof(types), types, values, NULL, false);
}

/* All of it has been counted anew. */
void
ProfileRebuilt(void)
{
	StoreSince(&(ProcessorParts) {1, (int16[]) {0}});
}

/* Parts have; steps are no signal. */
void
ProfileFilled(const ProcessorParts *parts)
{
	StoreSince(parts);
}

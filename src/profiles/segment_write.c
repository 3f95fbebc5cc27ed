/*
 * segment_write.c
 *		Who is in a segment, as the profile processor writes it.
 *
 * A person is looked at whenever the profile is written, and when something changes
 * by the time alone: index segment_member_due_idx is the queue of those, so that the
 * price of growing older is that of what changes.  Both happen with the person's
 * shard held, in the transaction that writes the processor's position: a crossing is
 * written once.  Only the changes are told of; whether somebody is in a segment is
 * computed from the profile each time.
 */
#include "postgres.h"

#include "profiles/segment.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "base/clock.h"
#include "base/keyed.h"
#include "base/key_set.h"
#include "base/shard.h"
#include "base/stored_row.h"
#include "commands/async.h"
#include "compat.h"
#include "miscadmin.h"
#include "profiles/profile_delta.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

/* So many people are looked at in one batch. */
#define AGE_PEOPLE 10000

/* Columns of segment_member, in order; src/profiles/segment.sql. */
typedef enum MemberColumn
{
	MEMBER_USER_KEY,
	MEMBER_SEGMENT,
	MEMBER_MEMBER,
	MEMBER_SINCE,
	MEMBER_DUE,
	MEMBER_PURPOSES
} MemberColumn;
#define MEMBER_COLUMNS 6

struct SegmentWriter
{
	const SegmentSet *set;
	const SignalSet *signals;
	KeyedTable *members;
	KeyedTable *changes;
	Snapshot	snapshot;
	TimestampTz now;
	bool	   *changed;		/* by segment */
};

/* Open what is stored. */
SegmentWriter *
SegmentWriterOpen(void)
{
	SegmentWriter *writer = palloc0_object(SegmentWriter);

	writer->set = SegmentSetGetLocked();
	writer->signals = SignalSetGet();
	writer->members = KeyedOpen("segment_member", "segment_member_pkey", RowExclusiveLock);
	writer->changes = KeyedOpen("segment_change", "segment_change_user_key_idx", RowExclusiveLock);
	writer->changed = palloc0_array(bool, Max(writer->set->count, 1));
	writer->now = ClockNow();
	CommandCounterIncrement();
	writer->snapshot = RegisterSnapshot(GetLatestSnapshot());
	return writer;
}

/* Close it, and notify of segments that somebody has entered or left. */
void
SegmentWriterClose(SegmentWriter *writer)
{
	UnregisterSnapshot(writer->snapshot);
	KeyedClose(writer->changes);
	KeyedClose(writer->members);
	for (int i = 0; i < writer->set->count; i++)
		if (writer->changed[i])
			Async_Notify("personalize_segment", writer->set->segments[i].name);
	CommandCounterIncrement();
}

/* The states of a person. */
SegmentState *
SegmentWriterMatch(SegmentWriter *writer, const FeatureState *features, const ProfileSteps *steps)
{
	SegmentState *states = palloc_array(SegmentState, Max(writer->set->count, 1));
	SegmentPerson person = {features, steps, writer->signals, writer->now};

	for (int i = 0; i < writer->set->count; i++)
		states[i] = SegmentMatch(&writer->set->segments[i], &person);
	return states;
}

/* Tell that somebody has entered or left a segment. */
static void
AddChange(SegmentWriter *writer, int64 userKey, int segment, bool entered)
{
	Datum		values[] = {
		TimestampTzGetDatum(writer->now), Int64GetDatum(userKey),
		Int16GetDatum(writer->set->segments[segment].id), BoolGetDatum(entered),
		Int32GetDatum(writer->set->segments[segment].purposes)
	};

	KeyedInsert(writer->changes, values, NULL);
	writer->changed[segment] = true;
}

/* Keep a state in the place of what is stored; tid NULL: nothing is. */
static void
StoreState(SegmentWriter *writer, int64 userKey, int segment, const SegmentState *state,
		   ItemPointer tid, const Datum *old)
{
	bool		was = tid != NULL && DatumGetBool(old[MEMBER_MEMBER]);
	Datum		values[MEMBER_COLUMNS] = {
		Int64GetDatum(userKey), Int16GetDatum(writer->set->segments[segment].id),
		BoolGetDatum(state->member),
		was == state->member && tid != NULL ? old[MEMBER_SINCE] : TimestampTzGetDatum(writer->now),
		TimestampTzGetDatum(state->due), Int32GetDatum(writer->set->segments[segment].purposes)
	};

	/* profiles that are being made anew come and go: they are looked at when they are complete */
	if (ProcessorIsRebuilding())
	{
		values[MEMBER_MEMBER] = BoolGetDatum(false);
		values[MEMBER_DUE] = TimestampTzGetDatum(DT_NOBEGIN);
		if (tid == NULL && (state->member || state->due != DT_NOEND))
			KeyedInsert(writer->members, values, NULL);
		return;
	}
	if (was != state->member)
		AddChange(writer, userKey, segment, state->member);
	if (!state->member && state->due == DT_NOEND)
	{
		if (tid != NULL)
			KeyedDelete(writer->members, tid);
	}
	else if (tid == NULL)
		KeyedInsert(writer->members, values, NULL);
	else if (was != state->member || DatumGetTimestampTz(old[MEMBER_DUE]) != state->due)
		KeyedUpdate(writer->members, tid, values, NULL);
}

/* The place of a segment in the writer's; -1: it is gone. */
static int
PlaceOf(const SegmentWriter *writer, int id)
{
	for (int i = 0; i < writer->set->count; i++)
		if (writer->set->segments[i].id == id)
			return i;
	return -1;
}

/* Keep what has changed for a person. */
void
SegmentWriterStore(SegmentWriter *writer, int64 userKey, const SegmentState *states)
{
	bool	   *stored = palloc0_array(bool, Max(writer->set->count, 1));
	Datum		key = Int64GetDatum(userKey);
	TupleTableSlot *slot;

	KeyedSeek(writer->members, writer->snapshot, 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(writer->members, ForwardScanDirection)) != NULL)
	{
		ItemPointerData tid = slot->tts_tid;
		int			segment;

		slot_getallattrs(slot);
		segment = PlaceOf(writer, DatumGetInt16(slot->tts_values[MEMBER_SEGMENT]));
		if (segment < 0)
			continue;
		stored[segment] = true;
		StoreState(writer, userKey, segment, &states[segment], &tid, slot->tts_values);
	}
	for (int i = 0; i < writer->set->count; i++)
		if (!stored[i])
			StoreState(writer, userKey, i, &states[i], NULL, NULL);
	pfree(stored);
}

/* The people who are due, in some shards, in the order of their keys. */
static int64 *
ReadDue(const bool *shards, TimestampTz now, int *count)
{
	KeyedTable *table = KeyedOpen("segment_member", "segment_member_due_idx", AccessShareLock);
	Datum		key = TimestampTzGetDatum(now);
	int64	   *people = palloc_array(int64, AGE_PEOPLE);
	KeySet		seen;
	TupleTableSlot *slot;

	*count = 0;
	KeySetInit(&seen, 64);
	KeyedSeek(table, GetActiveSnapshot(), 1, &key, BTLessEqualStrategyNumber);
	while (*count < AGE_PEOPLE && (slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		int64		userKey;

		slot_getallattrs(slot);
		userKey = DatumGetInt64(slot->tts_values[MEMBER_USER_KEY]);
		if (shards[ShardOfKey(userKey)] && KeySetAdd(&seen, userKey))
			people[(*count)++] = userKey;
	}
	KeyedClose(table);
	return people;
}

/* A profile that is looked at. */
typedef struct Look
{
	SegmentWriter *writer;
	const FeatureState *features;
	const bytea *steps;
	SegmentState *states;
} Look;

/* Look. */
static void
LookAt(void *arg)
{
	Look	   *look = arg;
	ProfileSteps steps = {.count = 0};

	if (look->steps != NULL)
		ProfileStepsUnpack(look->steps, &steps);
	look->states = SegmentWriterMatch(look->writer, look->features, &steps);
}

/* Look at a person again; who has no profile, or a damaged one, is in no segment. */
static void
LookAgain(SegmentWriter *writer, KeyedTable *profiles, int64 userKey)
{
	Datum		key = Int64GetDatum(userKey);
	Look		look = {.writer = writer};
	TupleTableSlot *slot;
	bool		isNull;
	Datum		value;
	StoredRow	row;

	slot = KeyedSeekOne(profiles, writer->snapshot, 1, &key);
	if (slot != NULL)
	{
		StoredRowBegin(&row, STORED_PROFILE, &userKey);
		value = slot_getattr(slot, PROFILE_FEATURES, &isNull);
		if (!isNull)
			look.features = DatumGetFeatureStateP(value);
		value = slot_getattr(slot, PROFILE_STEPS, &isNull);
		if (!isNull)
			look.steps = DatumGetByteaPP(value);
		(void) StoredRowTry(&row, LookAt, &look, "the person is in no segment until it is made anew");
		StoredRowEnd(&row);
	}
	if (look.states == NULL)
	{
		look.states = palloc0_array(SegmentState, Max(writer->set->count, 1));
		for (int i = 0; i < writer->set->count; i++)
			look.states[i].due = DT_NOEND;
	}
	SegmentWriterStore(writer, userKey, look.states);
}

/* Look at people of whom something has changed by the time alone. */
void
SegmentAge(const bool *shards)
{
	int			count;
	int64	   *people = ReadDue(shards, ClockNow(), &count);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	SegmentWriter *writer;
	KeyedTable *profiles;

	if (count == 0)
		return;
	writer = SegmentWriterOpen();
	profiles = KeyedOpen("profile", "profile_pkey", AccessShareLock);
	context = AllocSetContextCreate(caller, "personalize segments", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < count; i++)
	{
		MemoryContextSwitchTo(context);
		LookAgain(writer, profiles, people[i]);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
		if (i % 256 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(context);
	KeyedClose(profiles);
	SegmentWriterClose(writer);
}

/* Have those looked at whom a scan gives. */
static void
OutdateFound(KeyedTable *table, const bool *shards)
{
	TupleTableSlot *slot;

	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		ItemPointerData tid = slot->tts_tid;
		Datum		values[MEMBER_COLUMNS];

		slot_getallattrs(slot);
		if (shards != NULL && !shards[ShardOfKey(DatumGetInt64(slot->tts_values[MEMBER_USER_KEY]))])
			continue;
		memcpy(values, slot->tts_values, sizeof(values));
		values[MEMBER_DUE] = TimestampTzGetDatum(DT_NOBEGIN);
		KeyedUpdate(table, &tid, values, NULL);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Have people looked at. */
void
SegmentOutdate(const bool *shards)
{
	KeyedTable *table = KeyedOpen("segment_member", "segment_member_pkey", RowExclusiveLock);

	ProcessorPushSnapshot();
	KeyedSeek(table, GetActiveSnapshot(), 0, NULL, InvalidStrategy);
	OutdateFound(table, shards);
	PopActiveSnapshot();
	KeyedClose(table);
	CommandCounterIncrement();
}

/* Have one person looked at. */
void
SegmentOutdatePerson(int64 userKey)
{
	KeyedTable *table = KeyedOpen("segment_member", "segment_member_pkey", RowExclusiveLock);
	Datum		key = Int64GetDatum(userKey);

	ProcessorPushSnapshot();
	KeyedSeek(table, GetActiveSnapshot(), 1, &key, BTEqualStrategyNumber);
	OutdateFound(table, NULL);
	PopActiveSnapshot();
	KeyedClose(table);
	CommandCounterIncrement();
}

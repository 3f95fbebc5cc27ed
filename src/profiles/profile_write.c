/*
 * profile_write.c
 *		The profile processor: events become profile rows.
 *
 * A batch is collected per user in memory and written once per user, in the
 * order of user_key, straight through the table AM.  Who holds a user's shard
 * is the only one to write the row; a withdrawal holds the stripe exclusively.
 *
 * While rows are written, the scan of the index lives in the batch's context
 * and only the row at hand in one that is reset: a scan keeps pointers into the
 * context it was advanced in.
 */
#include "postgres.h"

#include "profiles/profile_delta.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "base/key_set.h"
#include "base/keyed.h"
#include "base/shard.h"
#include "base/stored_row.h"
#include "compat.h"
#include "miscadmin.h"
#include "people/consent.h"
#include "profiles/profile.h"
#include "profiles/profile_backfill.h"
#include "profiles/profile_row.h"
#include "profiles/segment.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"
#include "workers/processor_verify.h"

/* What is collected is written when it takes this much memory. */
#define FLUSH_BYTES (96 * 1024 * 1024)
#define CHECK_MEMORY_EVENTS 4096

/* A user of a batch. */
typedef struct ProfileUser
{
	int64		userKey;
	ProfileDelta *delta;
	char		status;
} ProfileUser;

#define SH_PREFIX profileuser
#define SH_ELEMENT_TYPE ProfileUser
#define SH_KEY_TYPE int64
#define SH_KEY userKey
#define SH_HASH_KEY(table, key) KeySpread(key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Sort users by key, with the comparison inlined. */
#define ST_SORT SortByKey
#define ST_ELEMENT_TYPE ProfileUser
#define ST_COMPARE(a, b) ((a)->userKey < (b)->userKey ? -1 : (a)->userKey > (b)->userKey)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* A batch of the processor. */
typedef struct ProfileBatch
{
	MemoryContext context;		/* lives until finish */
	MemoryContext deltas;		/* emptied by each flush */
	MemoryContext row;			/* emptied after each row */
	profileuser_hash *users;
	int64		added;
	ProfileCollector collector;
} ProfileBatch;

/* Start collecting anew. */
static void
ResetUsers(ProfileBatch *batch)
{
	MemoryContextReset(batch->deltas);
	batch->users = profileuser_create(batch->deltas, 1024, NULL);
}

/* What the batch has of a user. */
static ProfileDelta *
DeltaOf(ProfileBatch *batch, int64 userKey)
{
	bool		found;
	ProfileUser *user = profileuser_insert(batch->users, userKey, &found);

	if (!found)
	{
		user->delta = MemoryContextAlloc(batch->deltas, sizeof(ProfileDelta));
		ProfileDeltaInit(user->delta, userKey);
	}
	return user->delta;
}

/* Begin a batch. */
static void *
BeginBatch(void)
{
	ProfileBatch *batch = palloc0(sizeof(ProfileBatch));

	batch->context = CurrentMemoryContext;
	batch->deltas = AllocSetContextCreate(batch->context, "personalize profile deltas",
										  ALLOCSET_DEFAULT_SIZES);
	batch->row = AllocSetContextCreate(batch->context, "personalize profile row",
									   ALLOCSET_DEFAULT_SIZES);
	batch->collector.context = batch->deltas;
	batch->collector.signals = SignalSetGetLocked();
	batch->collector.segments = SegmentSetGetLocked();
	batch->collector.parts = ProfilePartsOnly();
	batch->collector.items = ItemReaderBegin(GetActiveSnapshot());
	batch->collector.values = FeatureValueBatchBegin();
	ResetUsers(batch);
	return batch;
}

/* The users of the batch, in the order of their keys. */
static ProfileUser *
SortUsers(ProfileBatch *batch, int *count)
{
	ProfileUser *users = MemoryContextAllocHuge(batch->deltas, sizeof(ProfileUser) * (batch->users->members + 1));
	profileuser_iterator iterator;
	const ProfileUser *user;

	*count = 0;
	profileuser_start_iterate(batch->users, &iterator);
	while ((user = profileuser_iterate(batch->users, &iterator)) != NULL)
	{
		if (user->delta->mask != 0)
			users[(*count)++] = *user;
	}
	SortByKey(users, *count);
	return users;
}

/* A row, and what comes to it. */
typedef struct ProfileChange
{
	StoredProfile *stored;
	ProfileDelta *delta;
	const SignalSet *signals;
	const SegmentSet *segments;
} ProfileChange;

/* Add a user's events to the row. */
static void
ApplyDelta(void *arg)
{
	ProfileChange *change = arg;
	StoredProfile *stored = change->stored;
	ProfileDelta *delta = change->delta;
	ProfileRecent recent;

	stored->values[PROFILE_EVENTS] =
		Int64GetDatum(DatumGetInt64(stored->values[PROFILE_EVENTS]) + delta->events);
	stored->values[PROFILE_MASK] =
		Int32GetDatum(DatumGetInt32(stored->values[PROFILE_MASK]) | delta->mask);
	if (delta->events > 0)
	{
		if (stored->nulls[PROFILE_FIRST_SEEN] ||
			DatumGetTimestampTz(stored->values[PROFILE_FIRST_SEEN]) > delta->firstSeen)
			stored->values[PROFILE_FIRST_SEEN] = TimestampTzGetDatum(delta->firstSeen);
		if (stored->nulls[PROFILE_LAST_SEEN] ||
			DatumGetTimestampTz(stored->values[PROFILE_LAST_SEEN]) < delta->lastSeen)
			stored->values[PROFILE_LAST_SEEN] = TimestampTzGetDatum(delta->lastSeen);
		stored->nulls[PROFILE_FIRST_SEEN] = stored->nulls[PROFILE_LAST_SEEN] = false;
	}
	ProfileRowSetFeatures(stored, ProfileDeltaApply(delta, ProfileRowFeatures(stored), change->signals));
	if (delta->recentCount > 0)
	{
		ProfileRowRecent(stored, &recent);
		ProfileRecentAdd(&recent, delta->recent, delta->recentCount);
		ProfileRowSetRecent(stored, &recent);
	}
	if (delta->stepCount > 0)
	{
		ProfileSteps steps;

		ProfileRowSteps(stored, &steps);
		ProfileStepsAdd(&steps, delta->steps, delta->stepCount, change->segments->horizon);
		ProfileRowSetSteps(stored, &steps);
	}
}

/* An event of a person whose profile is made anew. */
typedef struct Recount
{
	ProfileBatch *batch;
	ProfileDelta *delta;
	TimestampTz oldest;			/* of the person's events */
} Recount;

/* Add an event; what could not be counted the first time is left out again. */
static void
RecountEvent(void *state, const EventRow *row)
{
	Recount    *recount = state;

	recount->oldest = Min(recount->oldest, row->ts);
	(void) ProfileDeltaAdd(&recount->batch->collector, recount->delta, row);
}

/*
 * Add a user's events to the row; to one made anew from the raw events if it is
 * damaged, so that nobody else has to wait until it is repaired.  False: it is left
 * as it is, because only parts are being counted.
 */
static bool
ApplyOrRepair(ProfileBatch *batch, StoredProfile *stored, ProfileDelta *delta)
{
	ProfileChange change = {stored, delta, batch->collector.signals, batch->collector.segments};
	Recount		recount = {batch, delta, DT_NOEND};
	StoredRow	row;
	bool		whole;

	StoredRowBegin(&row, STORED_PROFILE, &delta->userKey);
	whole = StoredRowTry(&row, ApplyDelta, &change, "it is made anew from the raw events that exist");
	if (!whole && batch->collector.parts == NULL)
	{
		ProfileRowInit(stored, delta->userKey);
		ProcessorVisitPassed(PROCESSOR_PROFILE, delta->userKey, RecountEvent, &recount);
		change.signals = batch->collector.signals;
		ApplyDelta(&change);
		whole = true;
	}
	StoredRowEnd(&row);
	return whole;
}

/* Keep which segments the person of a row is in. */
static void
StoreSegments(SegmentWriter *writer, const StoredProfile *stored, int64 userKey)
{
	ProfileSteps steps;
	StoredRow	row;
	SegmentState *states;

	StoredRowBegin(&row, STORED_PROFILE, &userKey);
	ProfileRowSteps(stored, &steps);
	states = SegmentWriterMatch(writer, ProfileRowFeatures(stored), &steps);
	StoredRowEnd(&row);
	SegmentWriterStore(writer, userKey, states);
}

/* Write what was collected and start anew. */
static void
Flush(ProfileBatch *batch)
{
	MemoryContext oldContext = MemoryContextSwitchTo(batch->context);
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", RowExclusiveLock);
	int			count;
	ProfileUser *users = SortUsers(batch, &count);
	Snapshot	snapshot;
	SegmentWriter *segments = SegmentWriterOpen();

	/* see what an earlier flush of this transaction wrote */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < count; i++)
	{
		StoredProfile stored;
		ItemPointerData tid;
		bool		exists;

		MemoryContextSwitchTo(batch->row);
		exists = ProfileRowRead(table, snapshot, users[i].userKey, &stored, &tid);
		if (!exists)
			ProfileRowInit(&stored, users[i].userKey);
		if (ApplyOrRepair(batch, &stored, users[i].delta))
		{
			if (exists)
				KeyedUpdate(table, &tid, &stored.values[1], &stored.nulls[1]);
			else
				KeyedInsert(table, &stored.values[1], &stored.nulls[1]);
			StoreSegments(segments, &stored, users[i].userKey);
		}
		MemoryContextSwitchTo(batch->context);
		MemoryContextReset(batch->row);
		if (i % 256 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	UnregisterSnapshot(snapshot);
	KeyedClose(table);
	SegmentWriterClose(segments);
	FeatureValueBatchWrite(batch->collector.values);
	ResetUsers(batch);
	MemoryContextSwitchTo(oldContext);
}

/* Memory the batch holds. */
static int64
MemoryUsed(const ProfileBatch *batch)
{
	return (int64) MemoryContextMemAllocated(batch->deltas, true) +
		FeatureValueBatchSize(batch->collector.values);
}

/* Add an event to the batch. */
static void
AddEvent(void *state, const EventRow *row)
{
	ProfileBatch *batch = state;

	if (row->consent == 0)
		return;
	if (++batch->added % CHECK_MEMORY_EVENTS == 0 && MemoryUsed(batch) > FLUSH_BYTES)
		Flush(batch);
	if (!ProfileDeltaAdd(&batch->collector, DeltaOf(batch, row->userKey), row))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a number of the event is too large to be counted, or not a number")));
}

/* Finish the batch. */
static void
FinishBatch(void *state)
{
	ProfileBatch *batch = state;

	Flush(batch);
	ItemReaderEnd(batch->collector.items);
}

/* A user's shard. */
static int
ShardOf(const EventRow *row)
{
	return ShardOfKey(row->userKey);
}

/* Forget the recent items that the events themselves tell about. */
static void
ForgetRecent(int64 userKey, TimestampTz oldest)
{
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", RowExclusiveLock);
	StoredProfile stored;
	ItemPointerData tid;

	if (ProfileRowRead(table, GetActiveSnapshot(), userKey, &stored, &tid))
	{
		ProfileRecent recent;
		ProfileRecent older = {.count = 0};
		int			count = 0;
		StoredRow	row;

		StoredRowBegin(&row, STORED_PROFILE, &userKey);
		ProfileRowRecent(&stored, &recent);
		StoredRowEnd(&row);
		for (int i = 0; i < recent.count; i++)
			if (recent.items[i].ts < oldest)
				recent.items[count++] = recent.items[i];
		ProfileRecentAdd(&older, recent.items, count);
		ProfileRowSetRecent(&stored, &older);
		ProfileRowForgetSteps(&stored, oldest);
		KeyedUpdate(table, &tid, &stored.values[1], &stored.nulls[1]);
	}
	KeyedClose(table);
}

/*
 * Count what is left of a person after a withdrawal that came late: the features
 * that needed the bits, and all recent items, of which it is not known which
 * event they are from.
 */
void
ProfileRecount(int64 userKey, int32 bits)
{
	Recount		recount = {.oldest = DT_NOEND};

	recount.batch = BeginBatch();
	recount.batch->collector.onlyPurposes = bits;
	recount.delta = DeltaOf(recount.batch, userKey);
	ProcessorVisitPassed(PROCESSOR_PROFILE, userKey, RecountEvent, &recount);
	ForgetRecent(userKey, recount.oldest);
	FinishBatch(recount.batch);
	CommandCounterIncrement();
}

/* Add an event to a batch that is compared: nothing is written. */
static void
AddToCompare(void *state, const EventRow *row)
{
	ProfileBatch *batch = state;

	if (row->consent != 0)
		(void) ProfileDeltaAdd(&batch->collector, DeltaOf(batch, row->userKey), row);
}

/* True if a signal counts by the event alone: what the catalogue says of an item may have changed. */
static bool
IsOfEvent(const Signal *signal)
{
	return signal->path.kind == SIGNAL_KEY_NONE || signal->path.kind == SIGNAL_KEY_ITEM ||
		signal->path.kind == SIGNAL_KEY_PROPERTY;
}

/* Compare the numbers that a feature keeps with those that its events have. */
static void
CompareExtremes(const Signal *signal, int64 userKey, const Feature *found, const Feature *expected, TimestampTz since,
				ProcessorVerification *verification)
{
	FeatureExtremes held;
	FeatureExtremes wanted;
	const int64 *pairs[][2] = {
		{&wanted.min, &held.min}, {&wanted.max, &held.max}, {&wanted.first, &held.first}, {&wanted.last, &held.last}
	};

	if (signal->keeps == 0 || expected == NULL || !FeatureExtremesOver(found, since, DT_NOEND, &held) ||
		!FeatureExtremesOver(expected, since, DT_NOEND, &wanted))
		return;
	for (int i = 0; i < lengthof(pairs); i++)
		if ((held.kept & wanted.kept & (1 << i)) != 0)
			ProcessorVerifyKey(verification, 2, 1, *pairs[i][0] == *pairs[i][1], true,
							   psprintf("user_key " INT64_FORMAT ", %s of signal \"%s\"", userKey,
										AggregateNames[AGGREGATE_MIN + i], signal->name));
}

/* Compare the different values that a signal holds with those that its events have. */
static void
CompareDistinct(const Signal *signal, int64 userKey, const Feature *found, const Feature *expected, TimestampTz since,
				ProcessorVerification *verification)
{
	bool		estimated;
	int64		held = FeatureDistinctOver(found, since, DT_NOEND, &estimated);
	int64		wanted = expected ? FeatureDistinctOver(expected, since, DT_NOEND, &estimated) : 0;

	ProcessorVerifyKey(verification, 2, wanted, held, true,
					   psprintf("user_key " INT64_FORMAT ", distinct of signal \"%s\"", userKey, signal->name));
}

/* Compare the counts of features, as far as their events are complete. */
static void
CompareFeatures(const SignalSet *signals, int64 userKey, const FeatureState *expected,
				const FeatureState *found, ProcessorVerification *verification)
{
	FeatureIterator iterator;
	Feature		feature;

	if (found == NULL || FeatureStateEvicted(found) > 0 ||
		(expected != NULL && FeatureStateEvicted(expected) > 0))
		return;
	FeatureIteratorBeginAll(&iterator, found);
	while (FeatureIteratorNext(&iterator, &feature))
	{
		int			id = FeatureKeySignal(feature.key);
		const Signal *signal = SignalFind(signals, id);
		TimestampTz since = verification->since;
		Feature		other;
		int64		counts[2] = {0, 0};
		int64		sum;
		bool		isExpected;

		if (signal == NULL || !IsOfEvent(signal))
			continue;
		if (!TIMESTAMP_IS_NOBEGIN(signal->completeSince))
			since = Max(since, signal->completeSince + USECS_PER_DAY);
		since = Max(since, verification->keptSince);
		/* whole days only, because panes are folded to days some time */
		if (since > 0)
			since = (since / USECS_PER_DAY + 1) * USECS_PER_DAY - 1;
		isExpected = expected != NULL && FeatureStateFind(expected, feature.key, &other);
		if (FeatureIsDistinct(feature.key))
		{
			CompareDistinct(signal, userKey, &feature, isExpected ? &other : NULL, since, verification);
			continue;
		}
		FeatureSum(&feature, since, DT_NOEND, &counts[0], &sum);
		if (isExpected)
			FeatureSum(&other, since, DT_NOEND, &counts[1], &sum);
		ProcessorVerifyKey(verification, 1, counts[1], counts[0], true,
						   psprintf("user_key " INT64_FORMAT ", signal \"%s\"", userKey, signal->name));
		CompareExtremes(signal, userKey, &feature, counts[1] > 0 ? &other : NULL, since, verification);
	}
}

/* Compare one user's row with what the events say; either may be missing. */
static void
CompareUser(ProfileBatch *batch, ProfileDelta *delta, const StoredProfile *stored, int64 userKey,
			ProcessorVerification *verification)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->row);
	int64		held = stored ? DatumGetInt64(stored->values[PROFILE_EVENTS]) : 0;
	bool		exactly = held == 0 ||
	DatumGetTimestampTz(stored->values[PROFILE_FIRST_SEEN]) >= verification->since;

	ProcessorVerifyKey(verification, 0, delta ? delta->events : 0, held, exactly,
					   psprintf("user_key " INT64_FORMAT, userKey));
	if (stored)
		CompareFeatures(batch->collector.signals, userKey,
						delta ? ProfileDeltaApply(delta, NULL, batch->collector.signals) : NULL,
						ProfileRowFeatures(stored), verification);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(batch->row);
}

/* Compare all users of the batch with what is stored. */
static void
CompareBatch(void *state, ProcessorVerification *verification)
{
	ProfileBatch *batch = state;
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", AccessShareLock);
	TupleTableSlot *slot;
	profileuser_iterator iterator;
	ProfileUser *user;

	verification->parts[0].what = "events";
	verification->parts[1].what = "features";
	verification->parts[2].what = "kept numbers";
	KeyedSeek(table, verification->snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		StoredProfile stored;
		int64		userKey;

		CHECK_FOR_INTERRUPTS();
		ProfileRowTake(slot, &stored);
		userKey = DatumGetInt64(stored.values[PROFILE_USER_KEY]);
		if (!verification->shards[ShardOfKey(userKey)])
			continue;
		user = profileuser_lookup(batch->users, userKey);
		CompareUser(batch, user ? user->delta : NULL, &stored, userKey, verification);
		if (user)
			user->delta->mask = 0;
	}
	KeyedClose(table);
	profileuser_start_iterate(batch->users, &iterator);
	while ((user = profileuser_iterate(batch->users, &iterator)) != NULL)
	{
		ProfileDelta *delta = user->delta;

		if (delta->mask != 0 && delta->events > 0 && delta->lastSeen >= verification->keptSince)
			CompareUser(batch, delta, NULL, delta->userKey, verification);
	}
	ItemReaderEnd(batch->collector.items);
}

/* Before the events: what people decided, and what time alone has changed. */
static void
Fold(const bool *shards)
{
	ConsentFoldSubjects(shards);
	SegmentAge(shards);
}

/* Of a backlog all events are read once for each part of the people: so few parts are taken. */
#define BATCHES_AT_ONCE 4

static const ProcessorMethods profileMethods = {
	.id = PROCESSOR_PROFILE,
	.name = "profile",
	.shardedByUser = true,
	.gathers = true,
	.batches = BATCHES_AT_ONCE,
	.shardOf = ShardOf,
	.begin = BeginBatch,
	.add = AddEvent,
	.finish = FinishBatch,
	.fold = Fold,
	.addToCompare = AddToCompare,
	.compare = CompareBatch,
	.clear = ProfileClear,
	.rebuilt = ProfileRebuilt,
	.lockParts = ProfileLockParts,
	.clearParts = ProfileClearParts,
	.filled = ProfileFilled
};

/* Register the processor. */
void
ProfileWriteInit(void)
{
	ProcessorRegister(&profileMethods);
}

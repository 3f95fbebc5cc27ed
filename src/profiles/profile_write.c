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
#include "profiles/profile_verify.h"
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
	int32		allowed;		/* where it is compared: what any event may be used for */
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

/* A user of the batch. */
static ProfileUser *
UserOf(ProfileBatch *batch, int64 userKey)
{
	bool		found;
	ProfileUser *user = profileuser_insert(batch->users, userKey, &found);

	if (!found)
	{
		user->delta = MemoryContextAlloc(batch->deltas, sizeof(ProfileDelta));
		ProfileDeltaInit(user->delta, userKey);
		user->allowed = 0;
	}
	return user;
}

/* What the batch has of a user. */
static ProfileDelta *
DeltaOf(ProfileBatch *batch, int64 userKey)
{
	return UserOf(batch, userKey)->delta;
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
	ProfileUser *user;

	if (row->consent == 0)
		return;
	user = UserOf(batch, row->userKey);
	user->allowed |= row->consent;
	(void) ProfileDeltaAdd(&batch->collector, user->delta, row);
}

/* Compare one user's row with what the events say; either may be missing. */
static void
CompareUser(ProfileBatch *batch, const ProfileUser *user, const StoredProfile *stored, int64 userKey,
			ProcessorVerification *verification)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->row);
	ProfileExpected expected = {userKey, user ? user->delta : NULL, user ? user->allowed : 0,
	batch->collector.signals, batch->collector.segments};

	ProfileVerify(verification, &expected, stored);
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

	ProfileVerifyBegin(verification);
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
		CompareUser(batch, user, &stored, userKey, verification);
		if (user)
			user->delta->mask = 0;
	}
	KeyedClose(table);
	profileuser_start_iterate(batch->users, &iterator);
	while ((user = profileuser_iterate(batch->users, &iterator)) != NULL)
	{
		ProfileDelta *delta = user->delta;

		if (delta->mask != 0 && delta->events > 0 && delta->lastSeen >= verification->keptSince)
			CompareUser(batch, user, NULL, user->userKey, verification);
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

/*
 * profile_read.c
 *		One user's view, never behind: the stored row and the un-rolled tail.
 *
 * The row and the position of its shard are read under one snapshot; the events
 * this snapshot sees and the position does not are exactly those the row lacks.
 * They are run through the processor's own code, so what a reader returns does
 * not change when the processor gets to them.  The price is bounded: when more
 * than personalize.max_tail_events events of anybody would have to be looked at,
 * the stored row is returned as it is and the view is marked stale.
 *
 * Nothing here goes through SPI: a look-up by key costs a few microseconds, of
 * which an executor would take most.
 */
#include "postgres.h"

#include "profiles/profile_delta.h"

#include "access/stratnum.h"
#include "base/counter.h"
#include "base/keyed.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/stored_row.h"
#include "compat.h"
#include "miscadmin.h"
#include "people/restriction.h"
#include "profiles/analyst_column.h"
#include "profiles/profile.h"
#include "profiles/segment.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

static int	personalize_max_tail_events = 200000;

/* Reads that returned a stale profile. */
static int	staleCounter;

/* A position whose tail was found to be too long, believed for a second. */
#define LONG_TAIL_BELIEVED USECS_PER_SEC

typedef struct LongTail
{
	Oid			table;
	int64		minTxid;
	int64		maxRead;
	TimestampTz found;
} LongTail;

static LongTail longTail;

/* A tail being collected. */
typedef struct Tail
{
	ProfileCollector collector;
	ProfileDelta delta;
	bool		stale;
} Tail;

/* Define the settings and make the counter known. */
void
ProfileReadInit(void)
{
	static const char *const counterNames[] = {"profile.stale"};

	AnalystColumnInit();
	staleCounter = CounterRegister(counterNames, lengthof(counterNames));
	DefineCustomIntVariable("personalize.max_tail_events",
							"How many un-rolled events a reader looks at before it returns the stored profile, marked stale.",
							"0 means that readers never look at un-rolled events.",
							&personalize_max_tail_events,
							200000, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
}

/* How many raw events a reader may look at. */
int
ProfileMaxTail(void)
{
	return Max(personalize_max_tail_events, 1);
}

/* Add an un-rolled event of the user. */
static void
AddToTail(Tail *tail, ProfileView *view, const EventRow *row)
{
	if (tail->collector.signals == NULL)
	{
		tail->collector.context = CurrentMemoryContext;
		tail->collector.signals = view->signals;
		tail->collector.segments = SegmentSetGet();
		tail->collector.items = ItemReaderBegin(view->snapshot);
	}
	/* the processor sets an event aside whose numbers cannot be counted */
	(void) ProfileDeltaAdd(&tail->collector, &tail->delta, row);
	view->tailEvents++;
}

/* True if the tail behind this position was too long a moment ago. */
static bool
IsLongTail(const EventScanOptions *options)
{
	return longTail.minTxid == options->minTxid && longTail.maxRead >= options->maxRead &&
		llabs(GetCurrentStatementStartTimestamp() - longTail.found) < LONG_TAIL_BELIEVED &&
		longTail.table == RelationFind("event", false);
}

/* Remember that it is. */
static void
RememberLongTail(const EventScanOptions *options)
{
	longTail.table = RelationFind("event", false);
	longTail.minTxid = options->minTxid;
	longTail.maxRead = options->maxRead;
	longTail.found = GetCurrentStatementStartTimestamp();
}

/* From this txid on lies the tail of everybody. */
static int64
SeenByAll(Snapshot snapshot)
{
	return ProcessorSeenBelow(PROCESSOR_PROFILE, snapshot);
}

/* Collect the user's events that the stored row lacks. */
static void
CollectTail(Tail *tail, ProfileView *view)
{
	TxidSnapshot *position = ProcessorPosition(PROCESSOR_PROFILE, ShardOfKey(view->userKey),
											   view->snapshot);
	EventScanOptions options = {0};
	EventScan  *scan;
	EventRow	row;
	bool		knowsPlaces;

	options.snapshot = view->snapshot;
	options.minTxid = TxidSnapshotMin(position);
	options.ofUser = true;
	options.userKey = view->userKey;
	options.maxRead = ProfileMaxTail();
	options.byPages = personalize_max_tail_events == 0;
	options.coverFrom = SeenByAll;
	scan = EventScanBegin(&options);
	knowsPlaces = EventScanKnowsPlaces(scan);
	tail->stale = !knowsPlaces && IsLongTail(&options);
	while (!tail->stale && EventScanNext(scan, &row))
	{
		if (!TxidIsSeen(row.txid, position))
			AddToTail(tail, view, &row);
	}
	if (!tail->stale && EventScanGaveUp(scan))
	{
		tail->stale = true;
		if (!knowsPlaces)
			RememberLongTail(&options);
	}
	EventScanEnd(scan);
	if (tail->collector.items != NULL)
	{
		ItemReaderEnd(tail->collector.items);
		view->signals = tail->collector.signals;
	}
}

/* Read the stored row into the view. */
static void
ReadStored(ProfileView *view, ProfileRecent *recent)
{
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", AccessShareLock);
	TupleTableSlot *slot = KeyedFind(table, view->snapshot, view->userKey);

	if (slot != NULL)
	{
		Datum	   *values = slot->tts_values - 1;	/* by ProfileColumn */
		bool	   *nulls = slot->tts_isnull - 1;

		slot_getallattrs(slot);
		view->exists = true;
		view->events = DatumGetInt64(values[PROFILE_EVENTS]);
		view->mask = DatumGetInt32(values[PROFILE_MASK]);
		if (!nulls[PROFILE_FIRST_SEEN])
			view->firstSeen = DatumGetTimestampTz(values[PROFILE_FIRST_SEEN]);
		if (!nulls[PROFILE_LAST_SEEN])
			view->lastSeen = DatumGetTimestampTz(values[PROFILE_LAST_SEEN]);
		if (!nulls[PROFILE_FEATURES])
			view->features = (FeatureState *) PG_DETOAST_DATUM_COPY(values[PROFILE_FEATURES]);
		if (!nulls[PROFILE_RECENT])
			ProfileRecentUnpack(DatumGetByteaPP(values[PROFILE_RECENT]), recent);
		if (!nulls[PROFILE_STEPS])
			ProfileStepsUnpack(DatumGetByteaPP(values[PROFILE_STEPS]), view->steps);
	}
	KeyedClose(table);
}

/*
 * The stored features with the tail in them; false if a sum overflows.  Only
 * memory is allocated in between, so there is nothing to be undone then.
 */
static bool
ApplyFeatures(ProfileView *view, Tail *tail)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool fits = true;

	PG_TRY();
	{
		view->features = ProfileDeltaApply(&tail->delta, view->features, view->signals);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		FlushErrorState();
		fits = false;
	}
	PG_END_TRY();
	return fits;
}

/* Add the tail to what was stored. */
static void
ApplyTail(ProfileView *view, ProfileRecent *recent, Tail *tail)
{
	const ProfileDelta *delta = &tail->delta;

	if (tail->stale || (delta->mask != 0 && !ApplyFeatures(view, tail)))
	{
		CounterAdd(staleCounter, 1);
		view->stale = true;
		view->tailEvents = 0;
		return;
	}
	if (delta->mask == 0)
		return;
	view->exists = true;
	view->events += delta->events;
	view->mask |= delta->mask;
	view->firstSeen = Min(view->firstSeen, delta->firstSeen);
	view->lastSeen = Max(view->lastSeen, delta->lastSeen);
	ProfileRecentAdd(recent, delta->recent, delta->recentCount);
	if (delta->stepCount > 0)
		ProfileStepsAdd(view->steps, tail->delta.steps, delta->stepCount, tail->collector.segments->horizon);
}

/* Give the view the recent items that it may show. */
static void
ShowRecent(ProfileView *view, const ProfileRecent *recent)
{
	view->recent = palloc(sizeof(ProfileItem) * Max(recent->count, 1));
	view->recentFull = recent->count == PROFILE_MAX_RECENT;
	for (int i = 0; i < recent->count; i++)
	{
		if ((recent->items[i].mask & view->purposes) != 0)
			view->recent[view->recentCount++] = recent->items[i];
	}
}

/* Begin a view of a user. */
static ProfileView *
CreateView(int64 userKey, int32 purposes)
{
	ProfileView *view = palloc0(sizeof(ProfileView));

	view->userKey = userKey;
	view->restricted = RestrictionOf(userKey);
	view->purposes = purposes & ~view->restricted;
	view->firstSeen = DT_NOEND;
	view->lastSeen = DT_NOBEGIN;
	view->snapshot = GetActiveSnapshot();
	view->signals = SignalSetGet();
	view->steps = palloc(sizeof(ProfileSteps));
	view->steps->count = 0;
	return view;
}

/* Load what is known of a user now. */
ProfileView *
ProfileLoad(int64 userKey, int32 purposes)
{
	ProfileView *view = CreateView(userKey, purposes);
	ProfileRecent recent = {.count = 0};
	Tail		tail = {0};
	StoredRow	row;

	if (view->purposes == 0)
		return view;
	FeatureValueTrimCache();
	ProfileDeltaInit(&tail.delta, userKey);
	StoredRowBegin(&row, STORED_PROFILE, &userKey);
	ReadStored(view, &recent);
	CollectTail(&tail, view);
	ApplyTail(view, &recent, &tail);
	StoredRowEnd(&row);
	ShowRecent(view, &recent);
	view->mask &= ~view->restricted;
	return view;
}

/* Leave out what was later. */
static void
CutRecent(ProfileRecent *recent, TimestampTz asOf)
{
	int			first = 0;

	while (first < recent->count && recent->items[first].ts > asOf)
		first++;
	recent->count -= first;
	memmove(recent->items, recent->items + first, sizeof(ProfileItem) * recent->count);
}

/* Leave out what is counted of all times. */
static void
ForgetStored(ProfileView *view)
{
	view->features = NULL;
	view->steps->count = 0;
	view->events = 0;
	view->mask = 0;
	view->firstSeen = DT_NOEND;
	view->lastSeen = DT_NOBEGIN;
}

/* Load what is known of a user as it was at a time in the past. */
ProfileView *
ProfileLoadPast(int64 userKey, int32 purposes, TimestampTz asOf, const struct EventPlaces *places)
{
	ProfileView *view = CreateView(userKey, purposes);
	EventScanOptions options = {.snapshot = view->snapshot,.ofUser = true,.userKey = userKey,
	.allDays = true,.places = places,.until = asOf};
	ProfileRecent recent = {.count = 0};
	Tail		tail = {0};
	EventScan  *scan;
	EventRow	row;
	StoredRow	stored;

	if (view->purposes == 0)
		return view;
	FeatureValueTrimCache();
	ProfileDeltaInit(&tail.delta, userKey);
	StoredRowBegin(&stored, STORED_PROFILE, &userKey);
	ReadStored(view, &recent);
	StoredRowEnd(&stored);
	CutRecent(&recent, asOf);
	ForgetStored(view);
	view->exists = recent.count > 0;
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.ts <= asOf)
			AddToTail(&tail, view, &row);
	}
	EventScanEnd(scan);
	if (tail.collector.items != NULL)
	{
		ItemReaderEnd(tail.collector.items);
		view->signals = tail.collector.signals;
	}
	ApplyTail(view, &recent, &tail);
	ShowRecent(view, &recent);
	view->mask &= ~view->restricted;
	return view;
}

/* The signal of a feature; NULL if the view must not show it. */
const Signal *
ProfileSignal(const ProfileView *view, uint64 featureKey)
{
	const Signal *signal = SignalFind(view->signals, FeatureKeySignal(featureKey));

	return signal != NULL && (signal->purposes & view->purposes) != 0 &&
		(signal->purposes & view->restricted) == 0 ? signal : NULL;
}

/* A feature by the key of its value. */
bool
ProfileFindFeature(const ProfileView *view, int signalId, int64 valueKey, Feature *feature)
{
	uint64		key = FeatureKeyMake(signalId, FeatureValueHash(valueKey));
	StoredRow	row;
	bool		found;

	if (view->features == NULL || ProfileSignal(view, key) == NULL)
		return false;
	StoredRowBegin(&row, STORED_PROFILE, &view->userKey);
	found = FeatureStateFind(view->features, key, feature);
	StoredRowEnd(&row);
	return found;
}

/* The text of a feature's value. */
text *
ProfileValueText(const ProfileView *view, const Signal *signal, uint64 featureKey)
{
	return FeatureValueText(signal, FeatureKeyHash(featureKey), view->snapshot);
}

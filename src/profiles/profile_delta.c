/*
 * profile_delta.c
 *		What events add to a profile: the code that processor and readers share.
 *
 * A profile is a function of the set of events that went in, whatever their
 * order and however they were cut into batches: features by feature_state, the
 * recent items because the newest 64 of a set of (item, event, mask), each at
 * its newest time, can be computed from the newest 64 of its parts.
 */
#include "postgres.h"

#include "profiles/profile_delta.h"

#include "base/grow.h"
#include "compat.h"
#include "people/purpose.h"
#include "profiles/segment.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Deltas and items of one user are condensed when there are this many. */
#define CONDENSE_DELTAS 4096
#define CONDENSE_RECENT 256
#define CONDENSE_STEPS 512

/* An item may be remembered for either of these. */
#define RECENT_PURPOSES (PURPOSE_PERSONALIZATION | PURPOSE_RECOMMENDATIONS)

/* An empty delta. */
void
ProfileDeltaInit(ProfileDelta *delta, int64 userKey)
{
	memset(delta, 0, sizeof(ProfileDelta));
	delta->userKey = userKey;
	delta->firstSeen = DT_NOEND;
	delta->lastSeen = DT_NOBEGIN;
}

/* Room at first: deltas that fill a power of two of bytes well, also doubled. */
#define FIRST_DELTAS 10
#define FIRST_OTHERS 4

/* Apply the deltas collected so far to a state of their own. */
static void
CondenseDeltas(ProfileCollector *collector, ProfileDelta *delta)
{
	MemoryContext oldContext = MemoryContextSwitchTo(collector->context);
	FeatureState *state = FeatureStateApply(delta->collapsed, delta->deltas,
											delta->deltaCount,
											&collector->signals->policies);

	MemoryContextSwitchTo(oldContext);
	if (delta->collapsed != NULL)
		pfree(delta->collapsed);
	delta->collapsed = state;
	delta->deltaCount = 0;
}

/* Keep the text of a value. */
static void
RememberText(ProfileCollector *collector, uint64 featureKey, const char *text, int length)
{
	if (collector->values != NULL)
		FeatureValueBatchAdd(collector->values, featureKey, text, length);
	else
		FeatureValueRemember(featureKey, text, length);
}

/* A value an event counts for a signal. */
static void
AddFeature(void *arg, uint64 featureKey, int64 sum, const char *text, int length)
{
	ProfileCollector *collector = arg;
	ProfileDelta *delta = collector->delta;
	FeatureDelta *feature;

	if (collector->onlyPurposes != 0 &&
		(collector->signals->byId[FeatureKeySignal(featureKey)]->purposes & collector->onlyPurposes) == 0)
		return;
	GrowArrayIn(collector->context, delta->deltas, delta->deltaCount + 1, delta->deltaCapacity, FIRST_DELTAS);
	feature = &delta->deltas[delta->deltaCount++];
	feature->key = featureKey;
	feature->ts = collector->row->ts;
	feature->count = 1;
	feature->sum = sum;
	feature->extremes = NULL;
	feature->distinct = NULL;
	RememberText(collector, featureKey, text, length);
}

/* Keep only what can be among the newest items. */
static void
CondenseRecent(ProfileDelta *delta)
{
	ProfileRecent recent = {.count = 0};

	ProfileRecentAdd(&recent, delta->recent, delta->recentCount);
	memcpy(delta->recent, recent.items, sizeof(ProfileItem) * recent.count);
	delta->recentCount = recent.count;
}

/* Remember the event's item. */
static void
AddRecent(ProfileCollector *collector, ProfileDelta *delta, const EventRow *row)
{
	ProfileItem *item;

	if (delta->recentCount == CONDENSE_RECENT)
		CondenseRecent(delta);
	GrowArrayIn(collector->context, delta->recent, delta->recentCount + 1, delta->recentCapacity, FIRST_OTHERS);
	item = &delta->recent[delta->recentCount++];
	memset(item, 0, sizeof(ProfileItem));
	item->itemKey = row->itemKey;
	item->ts = row->ts;
	item->mask = row->consent;
	item->event = row->event;
}

/* Remember the event as a step of sequences. */
static void
AddStep(ProfileCollector *collector, ProfileDelta *delta, const EventRow *row)
{
	ProfileStep *step;
	const char *query;
	int			length;

	if (delta->stepCount == CONDENSE_STEPS)
	{
		ProfileSteps steps = {.count = 0};

		ProfileStepsAdd(&steps, delta->steps, delta->stepCount, collector->segments->horizon);
		memcpy(delta->steps, steps.steps, sizeof(ProfileStep) * steps.count);
		delta->stepCount = steps.count;
	}
	GrowArrayIn(collector->context, delta->steps, delta->stepCount + 1, delta->stepCapacity, FIRST_OTHERS);
	step = &delta->steps[delta->stepCount++];
	query = ProfileStepSet(step, row, &length);
	if (query != NULL)
		RememberText(collector, FeatureKeyMake(SIGNAL_SEARCH_TERM, step->keys[PROFILE_STEP_QUERY]), query, length);
}

/* What an event type feeds, of the parts that are counted. */
static SignalEvent *
OfParts(const SignalEvent *event, const ProfileParts *parts)
{
	SignalEvent *result = palloc_object(SignalEvent);

	*result = *event;
	result->uses = palloc_array(SignalUse, Max(event->useCount, 1));
	result->useCount = 0;
	for (int i = 0; i < event->useCount; i++)
		if (ProfilePartsHas(parts, event->uses[i].signal->id))
			result->uses[result->useCount++] = event->uses[i];
	return result;
}

/* Add the parts that alone are counted; as what is counted at first. */
static bool
AddParts(ProfileCollector *collector, ProfileDelta *delta, const EventRow *row, const SignalEvent *event)
{
	int			before = delta->deltaCount;
	bool		isStep = collector->parts->steps && (row->consent & PURPOSE_PERSONALIZATION) != 0 &&
	SegmentIsStep(collector->segments, event->name);

	if (!SignalEvaluate(OfParts(event, collector->parts), row, collector->items, AddFeature, collector))
		return false;
	if (isStep)
		AddStep(collector, delta, row);
	if (isStep || delta->deltaCount != before)
		delta->mask |= row->consent;
	return true;
}

/* Add what an event says about its user, as far as its consent allows. */
bool
ProfileDeltaAdd(ProfileCollector *collector, ProfileDelta *delta, const EventRow *row)
{
	const SignalEvent *event;
	int			before;
	bool		counts;

	if (row->consent == 0)
		return true;
	event = SignalSetEvent(&collector->signals, row->event);
	if (event == NULL)
		return true;
	if (delta->deltaCount >= CONDENSE_DELTAS)
		CondenseDeltas(collector, delta);
	before = delta->deltaCount;
	collector->delta = delta;
	collector->row = row;
	if (collector->parts != NULL)
		return AddParts(collector, delta, row, event);
	if (!SignalEvaluate(event, row, collector->items, AddFeature, collector))
		return false;
	counts = delta->deltaCount != before;
	if (row->hasItem && !event->exposure && (row->consent & RECENT_PURPOSES) != 0)
	{
		AddRecent(collector, delta, row);
		counts = true;
	}
	if ((row->consent & PURPOSE_PERSONALIZATION) != 0 && SegmentIsStep(collector->segments, event->name))
		AddStep(collector, delta, row);
	if ((row->consent & PURPOSE_PERSONALIZATION) != 0 &&
		(collector->onlyPurposes == 0 || (collector->onlyPurposes & PURPOSE_PERSONALIZATION) != 0))
	{
		delta->events++;
		delta->firstSeen = Min(delta->firstSeen, row->ts);
		delta->lastSeen = Max(delta->lastSeen, row->ts);
		counts = true;
	}
	if (counts)
		delta->mask |= row->consent;
	return true;
}

/* Keep the features of signals that exist. */
static bool
KeepExisting(uint64 key, void *arg)
{
	const SignalSet *signals = arg;
	int			id = FeatureKeySignal(key);

	return id < signals->idLimit && signals->byId[id] != NULL;
}

/* The state without the features of signals that were dropped. */
static FeatureState *
DropUnknown(FeatureState *state, const SignalSet *signals)
{
	FeatureIterator iterator;
	Feature		feature;

	FeatureIteratorBeginAll(&iterator, state);
	while (FeatureIteratorNext(&iterator, &feature))
	{
		if (!KeepExisting(feature.key, unconstify(SignalSet *, signals)))
			return FeatureStateFilter(state, KeepExisting, unconstify(SignalSet *, signals));
	}
	return state;
}

/* The features with the delta in them; NULL if there are none. */
FeatureState *
ProfileDeltaApply(ProfileDelta *delta, const FeatureState *old, const SignalSet *signals)
{
	FeatureState *state = unconstify(FeatureState *, old);

	/* first of all, or they would take the room of others */
	if (signals->anyDropped && state != NULL)
		state = DropUnknown(state, signals);
	if (delta->deltaCount > 0)
		state = FeatureStateApply(state, delta->deltas, delta->deltaCount, &signals->policies);
	if (delta->collapsed != NULL)
		state = FeatureStateMerge(state, delta->collapsed, &signals->policies);
	return state;
}

/*
 * profile_verify.c
 *		What a row of profile holds against what the raw events say.
 *
 * Raw events may have gone before what was made of them.  What is newer than the time
 * from which they are complete is compared exactly; of what is older, at least what the
 * events that are left tell must be there.
 */
#include "postgres.h"

#include "profiles/profile_verify.h"

#include "base/stored_row.h"
#include "compat.h"
#include "people/purpose.h"
#include "utils/timestamp.h"

/* The parts. */
enum
{
	PART_EVENTS, PART_FEATURES, PART_NUMBERS, PART_TIMES, PART_RECENT, PART_STEPS
};

/* Name them. */
void
ProfileVerifyBegin(ProcessorVerification *verification)
{
	verification->parts[PART_EVENTS].what = "events";
	verification->parts[PART_FEATURES].what = "features";
	verification->parts[PART_NUMBERS].what = "kept numbers";
	verification->parts[PART_TIMES].what = "times and purposes";
	verification->parts[PART_RECENT].what = "recent items";
	verification->parts[PART_STEPS].what = "steps of sequences";
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
			ProcessorVerifyKey(verification, PART_NUMBERS, 1, *pairs[i][0] == *pairs[i][1], true,
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

	ProcessorVerifyKey(verification, PART_NUMBERS, wanted, held, true,
					   psprintf("user_key " INT64_FORMAT ", distinct of signal \"%s\"", userKey, signal->name));
}

/* From when on the counts of a signal are complete: whole days only, because panes are folded to days some time. */
static TimestampTz
CompleteSince(const Signal *signal, const ProcessorVerification *verification)
{
	TimestampTz since = Max(verification->since, verification->keptSince);

	if (!TIMESTAMP_IS_NOBEGIN(signal->completeSince))
		since = Max(since, signal->completeSince + USECS_PER_DAY);
	return since > 0 ? (since / USECS_PER_DAY + 1) * USECS_PER_DAY - 1 : since;
}

/* Compare a feature that is held; expected is NULL if no event counts for it. */
static void
CompareFeature(const Signal *signal, int64 userKey, const Feature *found, const Feature *expected,
			   ProcessorVerification *verification)
{
	TimestampTz since = CompleteSince(signal, verification);
	int64		held;
	int64		wanted = 0;
	int64		sum;

	if (FeatureIsDistinct(found->key))
	{
		CompareDistinct(signal, userKey, found, expected, since, verification);
		return;
	}
	FeatureSum(found, since, DT_NOEND, &held, &sum);
	if (expected)
		FeatureSum(expected, since, DT_NOEND, &wanted, &sum);
	ProcessorVerifyKey(verification, PART_FEATURES, wanted, held, true,
					   psprintf("user_key " INT64_FORMAT ", signal \"%s\"", userKey, signal->name));
	CompareExtremes(signal, userKey, found, wanted > 0 ? expected : NULL, since, verification);
}

/* Say that a feature is missing, if events that are complete count for it. */
static void
CompareMissing(const Signal *signal, int64 userKey, const Feature *expected, ProcessorVerification *verification)
{
	int64		wanted;
	int64		sum;

	if (FeatureIsDistinct(expected->key))
		return;
	FeatureSum(expected, CompleteSince(signal, verification), DT_NOEND, &wanted, &sum);
	if (wanted > 0)
		ProcessorVerifyKey(verification, PART_FEATURES, wanted, 0, true,
						   psprintf("user_key " INT64_FORMAT ", signal \"%s\"", userKey, signal->name));
}

/* The signal of a feature, if what it counts can be compared; NULL: it cannot. */
static const Signal *
ComparableSignal(const SignalSet *signals, const Feature *feature)
{
	const Signal *signal = SignalFind(signals, FeatureKeySignal(feature->key));

	return signal != NULL && IsOfEvent(signal) ? signal : NULL;
}

/* Compare the counts of features, as far as their events are complete; either state may be NULL. */
static void
CompareFeatures(const SignalSet *signals, int64 userKey, const FeatureState *expected,
				const FeatureState *found, ProcessorVerification *verification)
{
	FeatureIterator iterator;
	Feature		feature;
	Feature		other;
	const Signal *signal;

	/* what made room for others would be missing */
	if ((found != NULL && FeatureStateEvicted(found) > 0) || (expected != NULL && FeatureStateEvicted(expected) > 0))
		return;
	FeatureIteratorBeginAll(&iterator, found);
	while (FeatureIteratorNext(&iterator, &feature))
		if ((signal = ComparableSignal(signals, &feature)) != NULL)
			CompareFeature(signal, userKey, &feature,
						   expected != NULL && FeatureStateFind(expected, feature.key, &other) ? &other : NULL, verification);
	FeatureIteratorBeginAll(&iterator, expected);
	while (FeatureIteratorNext(&iterator, &feature))
		if ((signal = ComparableSignal(signals, &feature)) != NULL &&
			(found == NULL || !FeatureStateFind(found, feature.key, &other)))
			CompareMissing(signal, userKey, &feature, verification);
}

/* Whether a time of a row may be that of the first or last event. */
typedef enum TimeKind
{
	TIME_FIRST,
	TIME_LAST
} TimeKind;

/* True if a time of a row may be right; expected, that of the events that are left, is infinite if there are none. */
static bool
MayBeTime(TimeKind kind, TimestampTz found, TimestampTz expected, TimestampTz since)
{
	if (found >= since)
		return found == expected;
	return kind == TIME_FIRST ? found <= expected : found >= expected;
}

/* Compare a time of the row; column is what it is called. */
static void
CompareTime(ProcessorVerification *verification, const ProfileExpected *expected, const StoredProfile *stored,
			TimeKind kind)
{
	ProfileColumn column = kind == TIME_FIRST ? PROFILE_FIRST_SEEN : PROFILE_LAST_SEEN;
	TimestampTz none = kind == TIME_FIRST ? DT_NOEND : DT_NOBEGIN;
	TimestampTz wanted = none;
	bool		right;

	if (expected->delta != NULL && expected->delta->events > 0)
		wanted = kind == TIME_FIRST ? expected->delta->firstSeen : expected->delta->lastSeen;
	if (stored->nulls[column])
		right = wanted == none;
	else
		right = MayBeTime(kind, DatumGetTimestampTz(stored->values[column]), wanted, verification->since);
	ProcessorVerifyKey(verification, PART_TIMES, 1, right, true,
					   psprintf("user_key " INT64_FORMAT ", %s", expected->userKey,
								kind == TIME_FIRST ? "first_seen" : "last_seen"));
}

/*
 * Compare the purposes: those of what is remembered by itself must be there, and none may
 * be that no event has, unless some of the events may be gone.
 */
static void
CompareMask(ProcessorVerification *verification, const ProfileExpected *expected, const StoredProfile *stored,
			const ProfileRecent *recent)
{
	int32		mask = DatumGetInt32(stored->values[PROFILE_MASK]);
	int32		least = expected->delta && expected->delta->events > 0 ? PURPOSE_PERSONALIZATION : 0;
	bool		right;

	for (int i = 0; i < recent->count; i++)
		least |= recent->items[i].mask;
	right = (least & ~mask) == 0 && (!TIMESTAMP_IS_NOBEGIN(verification->since) || (mask & ~expected->allowed) == 0);
	ProcessorVerifyKey(verification, PART_TIMES, 1, right, true,
					   psprintf("user_key " INT64_FORMAT ", mask", expected->userKey));
}

/* True if two recent items are the same. */
static bool
IsSameItem(const ProfileItem *a, const ProfileItem *b)
{
	return a->itemKey == b->itemKey && a->ts == b->ts && a->mask == b->mask && a->event == b->event;
}

/* How many recent items, newest first, there are from a time on. */
static int
CountSince(const ProfileRecent *recent, TimestampTz since)
{
	int			count = 0;

	while (count < recent->count && recent->items[count].ts >= since)
		count++;
	return count;
}

/*
 * Compare the recent items, both newest first.  A withdrawal may have made room that older
 * ones, which had made room before, do not come back to.
 */
static void
CompareRecent(ProcessorVerification *verification, const ProfileExpected *expected, const ProfileRecent *wanted,
			  const ProfileRecent *found)
{
	TimestampTz since = Max(verification->since, verification->keptSince);
	int			wantedCount = CountSince(wanted, since);
	int			foundCount = CountSince(found, since);
	int			same = 0;

	if (wanted->count == PROFILE_MAX_RECENT && foundCount > 0)
		wantedCount = Min(wantedCount, foundCount);
	while (same < wantedCount && same < foundCount && IsSameItem(&wanted->items[same], &found->items[same]))
		same++;
	if (wantedCount > 0 || foundCount > 0)
		ProcessorVerifyKey(verification, PART_RECENT, wantedCount, same < wantedCount ? same : foundCount, true,
						   psprintf("user_key " INT64_FORMAT, expected->userKey));
}

/* The last step that a list has room for leaves no room for those before it. */
static TimestampTz
RoomSince(const ProfileSteps *steps)
{
	return steps->count == PROFILE_MAX_STEPS ? steps->steps[steps->count - 1].ts + 1 : DT_NOBEGIN;
}

/* Keep the steps from a time on, of events that are steps of some segment now: others stay where they are. */
static void
KeepSteps(ProfileSteps *steps, const ProfileExpected *expected, TimestampTz since)
{
	const SignalSet *signals = expected->signals;
	int			kept = 0;

	for (int i = 0; i < steps->count; i++)
	{
		const SignalEvent *event = SignalSetEvent(&signals, steps->steps[i].event);

		if (steps->steps[i].ts >= since && event != NULL && SegmentIsStep(expected->segments, event->name))
			steps->steps[kept++] = steps->steps[i];
	}
	steps->count = kept;
}

/* Compare the steps, both newest first, unless some are still to be filled in. */
static void
CompareSteps(ProcessorVerification *verification, const ProfileExpected *expected, ProfileSteps *found)
{
	ProfileDelta *delta = expected->delta;
	ProfileSteps wanted = {.count = 0};
	TimestampTz since = Max(verification->since, verification->keptSince);
	int64		horizon = expected->segments->horizon;
	int			same = 0;

	if (verification->filling)
		return;
	if (delta)
		ProfileStepsAdd(&wanted, delta->steps, delta->stepCount, horizon);
	since = Max(since, Max(RoomSince(&wanted), RoomSince(found)));
	/* what is newest may be a step of no segment any more, before which others have gone */
	if (found->count > 0)
		since = Max(since, found->steps[0].ts - Min(horizon, found->steps[0].ts - MIN_TIMESTAMP));
	KeepSteps(&wanted, expected, since);
	KeepSteps(found, expected, since);
	while (same < wanted.count && same < found->count &&
		   ProfileStepCompare(&wanted.steps[same], &found->steps[same]) == 0)
		same++;
	if (wanted.count > 0 || found->count > 0)
		ProcessorVerifyKey(verification, PART_STEPS, wanted.count, same < wanted.count ? same : found->count, true,
						   psprintf("user_key " INT64_FORMAT, expected->userKey));
}

/* A row, and what it is compared with. */
typedef struct Comparison
{
	ProcessorVerification *verification;
	ProfileExpected *expected;
	const StoredProfile *stored;
} Comparison;

/* Compare what is packed. */
static void
ComparePacked(void *arg)
{
	Comparison *comparison = arg;
	ProfileExpected *expected = comparison->expected;
	ProfileDelta *delta = expected->delta;
	ProfileRecent wanted = {.count = 0};
	ProfileRecent found;
	ProfileSteps steps;

	ProfileRowRecent(comparison->stored, &found);
	ProfileRowSteps(comparison->stored, &steps);
	if (delta)
		ProfileRecentAdd(&wanted, delta->recent, delta->recentCount);
	CompareFeatures(expected->signals, expected->userKey,
					delta ? ProfileDeltaApply(delta, NULL, expected->signals) : NULL,
					ProfileRowFeatures(comparison->stored), comparison->verification);
	CompareMask(comparison->verification, expected, comparison->stored, &wanted);
	CompareRecent(comparison->verification, expected, &wanted, &found);
	CompareSteps(comparison->verification, expected, &steps);
}

/* Compare a row. */
void
ProfileVerify(ProcessorVerification *verification, ProfileExpected *expected, const StoredProfile *stored)
{
	Comparison	comparison = {verification, expected, stored};
	int64		held = stored ? DatumGetInt64(stored->values[PROFILE_EVENTS]) : 0;
	bool		exactly = held == 0 ||
	(!stored->nulls[PROFILE_FIRST_SEEN] && DatumGetTimestampTz(stored->values[PROFILE_FIRST_SEEN]) >= verification->since);
	StoredRow	row;

	ProcessorVerifyKey(verification, PART_EVENTS, expected->delta ? expected->delta->events : 0, held, exactly,
					   psprintf("user_key " INT64_FORMAT, expected->userKey));
	if (stored == NULL)
		return;
	CompareTime(verification, expected, stored, TIME_FIRST);
	CompareTime(verification, expected, stored, TIME_LAST);
	StoredRowBegin(&row, STORED_PROFILE, &expected->userKey);
	if (!StoredRowTry(&row, ComparePacked, &comparison, "it counts as wrong"))
		ProcessorVerifyKey(verification, PART_FEATURES, 1, 0, true,
						   psprintf("user_key " INT64_FORMAT ", damaged row", expected->userKey));
	StoredRowEnd(&row);
}

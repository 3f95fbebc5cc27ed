/*
 * feature_state_fold.c
 *		When the panes of a feature widen, and when they go.
 *
 * The grain of a pane is a function of the time of its events and the
 * newest time of the state: time only grows, grains only widen, and wide panes
 * are unions of narrow ones.  So it makes no difference at which batch a pane
 * was folded, and an event that comes late joins the pane its neighbours are in.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include "compat.h"
#include "signals/feature_state_internal.h"

/* The limits a policy sets when the newest event has this time. */
void
FeatureFoldLimitsSet(FeatureFoldLimits *limits, const FeaturePolicy *policy, TimestampTz newest)
{
	int64		ages[3] = {policy->hourAfter, policy->dayAfter, policy->expireAfter};
	int64		times[3];

	for (int i = 0; i < 3; i++)
		if (newest == DT_NOBEGIN || ages[i] < 0 ||
			pg_sub_s64_overflow(newest, ages[i], &times[i]) || times[i] < MIN_TIMESTAMP)
			times[i] = MIN_TIMESTAMP;
	limits->fine = policy->fine;
	limits->hour = FeaturePaneIndex(times[0], FEATURE_GRAIN_HOUR);
	limits->day = FeaturePaneIndex(times[1], FEATURE_GRAIN_DAY);
	limits->expired = FeaturePaneIndex(times[2], FEATURE_GRAIN_DAY);
}

/* The policy of a feature's signal. */
const FeaturePolicy *
FeaturePolicyOf(const FeaturePolicySet *policies, uint64 key)
{
	int			signal = FeatureKeySignal(key);

	return signal < policies->count ? &policies->bySignal[signal] : &policies->fallback;
}

/* True if no pane of a feature can change when newest moves so. */
bool
FeaturePolicyFoldsNothing(const FeaturePolicy *policy, TimestampTz oldNewest, TimestampTz newest)
{
	FeatureFoldLimits	old;
	FeatureFoldLimits	new;

	if (oldNewest == newest)
		return true;
	FeatureFoldLimitsSet(&old, policy, oldNewest);
	FeatureFoldLimitsSet(&new, policy, newest);
	return old.hour == new.hour && old.day == new.day && old.expired == new.expired;
}

/* Widen a pane as it is due; false if it has expired. */
static inline bool
FoldPane(FeaturePane *pane, const FeatureFoldLimits *limits)
{
	int64		day = FeaturePaneIndex(pane->start, FEATURE_GRAIN_DAY);
	FeatureGrain due = limits->fine;

	if (day < limits->expired)
		return false;
	if (day < limits->day)
		due = FEATURE_GRAIN_DAY;
	else if (due == FEATURE_GRAIN_5MIN &&
			 FeaturePaneIndex(pane->start, FEATURE_GRAIN_HOUR) < limits->hour)
		due = FEATURE_GRAIN_HOUR;
	if (due > pane->grain)
		FeaturePaneSet(pane, pane->start, due);
	return true;
}

/* True if a pane of a feature is to be folded or dropped. */
bool
FeatureFolds(const Feature *feature, const FeatureFoldLimits *limits)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;

	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane))
	{
		FeatureGrain grain = pane.grain;

		if (!FoldPane(&pane, limits) || pane.grain != grain)
			return true;
	}
	return false;
}

/*
 * Fold panes in place, oldest first before and after, and return how many
 * remain.  Folding keeps their order, and of two that overlap the earlier one
 * is the wider one, which takes in the other.
 */
int
FeaturePanesFold(FeaturePane *panes, int count, const FeatureFoldLimits *limits)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		FeaturePane pane = panes[i];

		if (limits != NULL && !FoldPane(&pane, limits))
			continue;
		if (kept > 0 && pane.start < panes[kept - 1].end)
			FeaturePaneJoin(&panes[kept - 1], &pane);
		else
			panes[kept++] = pane;
	}
	return kept;
}

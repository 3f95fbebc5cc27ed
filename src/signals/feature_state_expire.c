/*
 * feature_state_expire.c
 *		Panes whose time is over go, also where nothing new happens.
 *
 * A state drops old panes by the newest time in it, so that it does not depend on
 * when it was written.  That of somebody who stays away would stay as it is;
 * retention therefore expires it by the clock.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include "compat.h"
#include "signals/feature_state_internal.h"

/* The first day that a signal's panes may still be of. */
static int64
FirstDay(const FeaturePolicy *policy, TimestampTz asOf, TimestampTz before)
{
	FeatureFoldLimits limits;

	FeatureFoldLimitsSet(&limits, policy, asOf);
	if (before == DT_NOBEGIN)
		return limits.expired;
	return Max(limits.expired, FeaturePaneIndex(before, FEATURE_GRAIN_DAY));
}

/* Read the panes that are left, oldest first, and tell whether any was dropped. */
static int
ReadLeft(const Feature *feature, int64 firstDay, FeaturePane *panes, bool *dropped)
{
	FeaturePaneIterator iterator;
	int			count = 0;

	*dropped = false;
	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &panes[count]))
	{
		if (FeaturePaneIndex(panes[count].start, FEATURE_GRAIN_DAY) < firstDay)
			*dropped = true;
		else
			count++;
	}
	for (int i = 0, j = count - 1; i < j; i++, j--)
	{
		FeaturePane pane = panes[i];

		panes[i] = panes[j];
		panes[j] = pane;
	}
	return count;
}

/* The state without what is past its time; the state itself if nothing is. */
FeatureState *
FeatureStateExpire(FeatureState *state, TimestampTz asOf, TimestampTz before,
				   const FeaturePolicySet *policies, int64 *changed)
{
	FeatureIterator iterator;
	Feature		feature;
	TimestampTz newest;
	int64		evicted;
	FeatureWriter writer;
	int64		count = 0;
	int			total = FeatureStateBegin(&iterator, state, &newest, &evicted);
	const FeaturePolicy *policy = NULL;
	int64		firstDay = 0;

	FeatureWriterBegin(&writer, total, total);
	while (FeatureIteratorNext(&iterator, &feature))
	{
		FeaturePane *panes = FeatureWriterPanes(&writer, (feature.end - feature.panes) / 2 + 2);
		bool		dropped;
		int			left;

		if (FeaturePolicyOf(policies, feature.key) != policy)
		{
			policy = FeaturePolicyOf(policies, feature.key);
			firstDay = FirstDay(policy, asOf, before);
		}
		left = ReadLeft(&feature, firstDay, panes, &dropped);
		if (!dropped)
			FeatureWriterKeep(&writer, &iterator, &feature);
		else
		{
			count++;
			FeatureWriterAdd(&writer, feature.key, feature.last, panes, left);
		}
	}
	*changed += count;
	if (count == 0)
		return state;
	return FeatureWriterFinish(&writer, newest, evicted, NULL);
}

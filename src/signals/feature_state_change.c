/*
 * feature_state_change.c
 *		The packed profile: adding to it, merging, subtracting, filtering.
 *
 * Everything that adds is one operation, FeatureStateCombine: an old state and
 * features with panes that join it.  What the batch does not touch, and what the
 * passage of time does not fold, is taken over as bytes.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include "compat.h"
#include "signals/feature_state_internal.h"

/* Panes of a feature, oldest first, into an array with room for them. */
static int
ReadPanes(const Feature *feature, FeaturePane *panes)
{
	FeaturePaneIterator iterator;
	int			count = 0;

	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &panes[count]))
		count++;
	for (int i = 0, j = count - 1; i < j; i++, j--)
	{
		FeaturePane pane = panes[i];

		panes[i] = panes[j];
		panes[j] = pane;
	}
	return count;
}

/* No feature has more panes: each takes at least two bytes. */
static inline int
MaxPanes(const Feature *feature)
{
	return (feature->end - feature->panes) / 2 + 1;
}

/*
 * Encode a feature that consists of an old one (or NULL), given with room for
 * its panes in the writer, and new panes, oldest first.
 */
static void
CombineFeature(FeatureWriter *writer, const Feature *old, const FeatureGroup *group,
			   const FeaturePolicySet *policies, TimestampTz newest)
{
	int			added = group ? group->count : 0;
	int			oldCapacity = old ? MaxPanes(old) : 0;
	FeaturePane *merged = FeatureWriterPanes(writer, added + 2 * oldCapacity);
	FeaturePane *oldPanes = merged + added + oldCapacity;
	int			oldCount = old ? ReadPanes(old, oldPanes) : 0;
	uint64		key = old ? old->key : group->key;
	TimestampTz last = old ? old->last : group->last;
	int			count = 0;
	FeatureFoldLimits	limits;

	if (policies)
		FeatureFoldLimitsSet(&limits, FeaturePolicyOf(policies, key), newest);
	if (old && group)
		last = Max(last, group->last);

	/* by start; of two that start together the wider first, to take the other in */
	for (int i = 0, j = 0; i < oldCount || j < added;)
	{
		const FeaturePane *left = i < oldCount ? &oldPanes[i] : NULL;
		const FeaturePane *right = j < added ? &group->panes[j] : NULL;

		if (right == NULL ||
			(left && (left->start < right->start ||
					  (left->start == right->start && left->grain >= right->grain))))
			merged[count++] = oldPanes[i++];
		else
			merged[count++] = group->panes[j++];
	}
	/* what panes hold is still its owner's; joining makes new ones */
	for (int i = 0; i < count && FeatureIsDistinct(key); i++)
		merged[i].distinct.owned = false;
	count = FeaturePanesFold(merged, count, policies ? &limits : NULL);
	FeatureWriterAdd(writer, key, last, merged, count);
	for (int i = 0; i < count && FeatureIsDistinct(key); i++)
		FeatureDistinctFree(&merged[i].distinct);
}

/* Find a key among groups sorted by key; -1 if it is not there. */
static int
FindGroup(const FeatureGroup *groups, int count, uint64 key)
{
	int			low = 0;
	int			high = count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (groups[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && groups[low].key == key ? low : -1;
}

/* The old state (or NULL) with these features, sorted by key, added to it. */
FeatureState *
FeatureStateCombine(const FeatureState *old, const FeatureAddition *addition,
					const FeaturePolicySet *policies)
{
	FeatureIterator iterator;
	TimestampTz oldNewest;
	TimestampTz newest;
	int64		evicted;
	int			oldCount = FeatureStateBegin(&iterator, old, &oldNewest, &evicted);
	bool	   *used = palloc0(addition->count + 1);
	FeatureWriter writer;
	Feature		feature;
	const FeaturePolicy *policy = NULL;
	FeatureFoldLimits	limits = {0};
	bool		foldsNothing = true;

	FeatureWriterBegin(&writer, oldCount, oldCount + addition->count);
	newest = Max(oldNewest, addition->newest);
	if (pg_add_s64_overflow(evicted, addition->evicted, &evicted))
		evicted = PG_INT64_MAX;

	while (FeatureIteratorNext(&iterator, &feature))
	{
		int			place = FindGroup(addition->groups, addition->count, feature.key);

		if (policies && FeaturePolicyOf(policies, feature.key) != policy)
		{
			policy = FeaturePolicyOf(policies, feature.key);
			FeatureFoldLimitsSet(&limits, policy, newest);
			foldsNothing = addition->count > 0 && FeaturePolicyFoldsNothing(policy, oldNewest, newest);
		}
		if (place >= 0)
			used[place] = true;
		if (place < 0 && (foldsNothing || !FeatureFolds(&feature, &limits)))
			FeatureWriterKeep(&writer, &iterator, &feature);
		else
			CombineFeature(&writer, &feature,
						   place < 0 ? NULL : &addition->groups[place], policies, newest);
	}
	for (int i = 0; i < addition->count; i++)
		if (!used[i])
			CombineFeature(&writer, NULL, &addition->groups[i], policies, newest);
	pfree(used);
	return FeatureWriterFinish(&writer, newest, evicted, addition->count > 0 ? &iterator : NULL);
}

/* The canonical form of a state, which is the state itself if it has it. */
FeatureState *
FeatureStateCanonical(FeatureState *state)
{
	FeatureAddition nothing = {.newest = DT_NOBEGIN};
	FeatureIterator iterator;
	TimestampTz newest;
	int64		evicted;

	FeatureStateBegin(&iterator, state, &newest, &evicted);
	if (iterator.head == 0 && iterator.dead == 0)
		return state;
	return FeatureStateCombine(state, &nothing, NULL);
}

/* By key, then by time. */
static inline int
CompareDeltas(const FeatureDelta *left, const FeatureDelta *right)
{
	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	return left->ts < right->ts ? -1 : left->ts > right->ts;
}

/* Sort deltas; sorting is much of the work, so the comparison is inlined. */
#define ST_SORT SortDeltas
#define ST_ELEMENT_TYPE FeatureDelta
#define ST_COMPARE(a, b) CompareDeltas(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* What a new pane keeps of the numbers of its events. */
static void
KeepExtremes(FeaturePane *pane, const FeatureDelta *delta, uint8 keeps)
{
	pane->extremes.kept = 0;
	keeps &= FEATURE_KEEPS_NUMBERS;
	if (keeps == 0)
		return;
	if (delta->extremes != NULL)
	{
		pane->extremes = *delta->extremes;
		pane->extremes.kept &= keeps;
		/* they may be of a wider pane */
		pane->extremes.firstAt = Min(Max(pane->extremes.firstAt, pane->start), pane->end - 1);
		pane->extremes.lastAt = Min(Max(pane->extremes.lastAt, pane->extremes.firstAt), pane->end - 1);
	}
	else if (delta->count == 1)
		FeatureExtremesOfOne(&pane->extremes, keeps, delta->sum, delta->ts);
}

/* Add a delta to the groups, sorted as they are. */
static void
AddDelta(FeatureAddition *addition, FeaturePane *pane, const FeatureDelta *delta, const FeaturePolicy *policy)
{
	FeatureGroup *group = addition->count > 0 ? &addition->groups[addition->count - 1] : NULL;

	if (group == NULL || group->key != delta->key)
	{
		group = &addition->groups[addition->count++];
		group->key = delta->key;
		group->panes = pane;
		group->count = 0;
	}
	FeaturePaneSet(pane, delta->ts, policy->fine);
	pane->count = delta->count;
	pane->sum = delta->sum;
	pane->distinct.bytes = NULL;
	KeepExtremes(pane, delta, policy->keeps);
	group->count++;
	group->last = delta->ts;
}

/* Add sorted deltas to an addition that has room for them; panes is room for theirs. */
static void
AddDeltas(FeatureAddition *addition, FeaturePane *panes, const FeatureDelta *deltas, int count,
		  const FeaturePolicySet *policies)
{
	int			first = 0;		/* of the signal */

	for (int i = 0; i < count; i++)
	{
		const FeatureDelta *delta = &deltas[i];
		const FeaturePolicy *policy = FeaturePolicyOf(policies, delta->key);
		int			signal = FeatureKeySignal(delta->key);

		if (delta->count < 1 || !IS_VALID_TIMESTAMP(delta->ts))
			elog(ERROR, "invalid feature delta");
		addition->newest = Max(addition->newest, delta->ts);
		if (delta->distinct == NULL)
			AddDelta(addition, &panes[i], delta, policy);
		if (i + 1 < count && FeatureKeySignal(deltas[i + 1].key) == signal)
			continue;
		if ((policy->keeps & FEATURE_KEEPS_DISTINCT) != 0)
			FeatureDistinctGroup(&addition->groups[addition->count++], &deltas[first], i + 1 - first, policy->fine);
		first = i + 1;
	}
}

/* The old state with these deltas in it. */
FeatureState *
FeatureStateApply(const FeatureState *old, FeatureDelta *deltas, int count,
				  const FeaturePolicySet *policies)
{
	FeatureAddition addition = {.newest = DT_NOBEGIN};
	FeaturePane *panes = palloc(mul_size(sizeof(FeaturePane), count + 1));
	FeatureState *state;

	SortDeltas(deltas, count);
	addition.groups = palloc(mul_size(sizeof(FeatureGroup), 2 * count + 1));
	AddDeltas(&addition, panes, deltas, count, policies);
	state = FeatureStateCombine(old, &addition, policies);
	for (int i = 0; i < addition.count; i++)
		if (FeatureIsDistinct(addition.groups[i].key))
			FeatureDistinctGroupFree(&addition.groups[i]);
	pfree(addition.groups);
	pfree(panes);
	return state;
}

/* By key. */
static int
CompareGroups(const void *a, const void *b)
{
	const FeatureGroup *left = a;
	const FeatureGroup *right = b;

	return left->key < right->key ? -1 : left->key > right->key;
}

/* Put groups in the order FeatureStateCombine wants; false if a key is there twice. */
bool
FeatureGroupsSort(FeatureGroup *groups, int count)
{
	qsort(groups, count, sizeof(FeatureGroup), CompareGroups);
	for (int i = 1; i < count; i++)
		if (groups[i - 1].key == groups[i].key)
			return false;
	return true;
}

/* Decode a whole state. */
void
FeatureStateDecode(const FeatureState *state, FeatureAddition *addition)
{
	FeatureIterator iterator;
	Feature		feature;
	int			count = FeatureStateBegin(&iterator, state, &addition->newest, &addition->evicted);

	addition->groups = palloc(sizeof(FeatureGroup) * (count + 1));
	addition->count = 0;
	while (FeatureIteratorNext(&iterator, &feature))
	{
		FeatureGroup *group = &addition->groups[addition->count++];

		group->key = feature.key;
		group->last = feature.last;
		group->panes = palloc_extended(mul_size(sizeof(FeaturePane), MaxPanes(&feature)),
									   MCXT_ALLOC_HUGE);
		group->count = ReadPanes(&feature, group->panes);
	}
	if (!FeatureGroupsSort(addition->groups, count))
		FeatureStateReportCorrupt();
}

/* Both states in one. */
FeatureState *
FeatureStateMerge(const FeatureState *left, const FeatureState *right,
				  const FeaturePolicySet *policies)
{
	FeatureAddition addition;
	FeatureState *state;

	FeatureStateDecode(right, &addition);
	state = FeatureStateCombine(left, &addition, policies);
	for (int i = 0; i < addition.count; i++)
		pfree(addition.groups[i].panes);
	pfree(addition.groups);
	return state;
}

/* Complain that it is not known what would be left. */
pg_noreturn static void
ReportExtremes(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a pane that keeps its smallest, largest, first or last number can only be taken away whole"),
			 errhint("What is to be undone in it is counted anew from raw events.")));
}

/* Complain that values do not tell how often they are held. */
pg_noreturn static void
ReportDistinct(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the different values of a signal cannot be taken away from others"),
			 errhint("What is to be undone in it is counted anew from raw events.")));
}

/* Take panes, oldest first, away from those of a feature; those left over. */
static int
SubtractPanes(FeaturePane *panes, int count, const FeatureGroup *group)
{
	int			kept = 0;
	int			next = 0;

	for (int i = 0; i < count; i++)
	{
		FeaturePane pane = panes[i];

		for (; next < group->count && group->panes[next].start >= pane.start &&
			 group->panes[next].end <= pane.end; next++)
			if (group->panes[next].count > pane.count)
				return -1;
			else
			{
				if (group->panes[next].sum == PG_INT64_MIN)
					return -1;
				FeaturePaneAdd(&pane, -group->panes[next].count, -group->panes[next].sum);
			}
		if (pane.count == 0 && pane.sum != 0)
			return -1;
		if (pane.count == 0)
			continue;
		if (pane.count != panes[i].count && pane.extremes.kept != 0)
			ReportExtremes();
		panes[kept++] = pane;
	}
	return next == group->count ? kept : -1;
}

/* left without right. */
FeatureState *
FeatureStateSubtract(const FeatureState *left, const FeatureState *right)
{
	FeatureIterator iterator;
	FeatureAddition removal;
	Feature		feature;
	TimestampTz newest;
	int64		evicted;
	int			found = 0;
	bool		contained = true;
	FeatureWriter writer;
	int			count = FeatureStateBegin(&iterator, left, &newest, &evicted);

	FeatureStateDecode(right, &removal);
	FeatureWriterBegin(&writer, count, count);
	while (FeatureIteratorNext(&iterator, &feature))
	{
		int			place = FindGroup(removal.groups, removal.count, feature.key);
		FeaturePane *panes;
		int			paneCount;

		if (place < 0)
		{
			FeatureWriterKeep(&writer, &iterator, &feature);
			continue;
		}
		found++;
		if (FeatureIsDistinct(feature.key))
			ReportDistinct();
		panes = FeatureWriterPanes(&writer, MaxPanes(&feature));
		paneCount = SubtractPanes(panes, ReadPanes(&feature, panes), &removal.groups[place]);
		if (paneCount < 0)
			contained = false;

		/* when the newest pane has gone, the last event is known to its pane only */
		if (paneCount > 0)
			FeatureWriterAdd(&writer, feature.key,
						 Min(feature.last, panes[paneCount - 1].end - 1), panes, paneCount);
	}
	if (!contained || found < removal.count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("feature state does not contain what is to be taken from it")));
	return FeatureWriterFinish(&writer, newest, evicted, NULL);
}

/* Only the features for which keep says true, and these totals of the whole. */
static FeatureState *
Filter(const FeatureState *state, bool (*keep) (uint64 key, void *arg), void *arg,
	   TimestampTz newest, int64 evicted)
{
	FeatureIterator iterator;
	Feature		feature;
	TimestampTz oldNewest;
	int64		oldEvicted;
	FeatureWriter writer;

	FeatureWriterBegin(&writer, FeatureStateBegin(&iterator, state, &oldNewest, &oldEvicted), 0);
	while (FeatureIteratorNext(&iterator, &feature))
		if (keep(feature.key, arg))
			FeatureWriterKeep(&writer, &iterator, &feature);
	return FeatureWriterFinish(&writer, newest, evicted, NULL);
}

/* Only the features for which keep says true. */
FeatureState *
FeatureStateFilter(const FeatureState *state, bool (*keep) (uint64 key, void *arg), void *arg)
{
	return Filter(state, keep, arg, FeatureStateNewest(state), FeatureStateEvicted(state));
}

/* The same for somebody who must not learn of the others, not even when they were. */
FeatureState *
FeatureStateExtract(const FeatureState *state, bool (*keep) (uint64 key, void *arg), void *arg)
{
	FeatureIterator iterator;
	Feature		feature;
	TimestampTz oldNewest;
	TimestampTz newest = DT_NOBEGIN;
	int64		evicted;

	FeatureStateBegin(&iterator, state, &oldNewest, &evicted);
	while (FeatureIteratorNext(&iterator, &feature))
		if (keep(feature.key, arg))
			newest = Max(newest, feature.last);
	return Filter(state, keep, arg, newest, 0);
}

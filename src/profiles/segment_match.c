/*
 * segment_match.c
 *		Whether a person meets the condition of a segment, and until when.
 *
 * The answer is a function of the profile, which is one of the set of events, and of
 * the time.  Whether somebody between the two thresholds of a comparison came from
 * above or from below is not remembered: it is read from the panes, at whose ends,
 * and between which only decay is at work, the past is gone through backwards.
 *
 * A sequence is told from its steps in the order of their times, so that it does not
 * matter in which order they came.
 */
#include "postgres.h"

#include "profiles/segment.h"

#include <math.h>

#include "compat.h"
#include "utils/timestamp.h"

/* After the time at which a decayed value is computed to cross, as rounding wants it. */
#define CROSSING_MARGIN 1000

/* A comparison, with what it is about. */
typedef struct Comparison
{
	const SegmentNode *node;
	const Signal *signal;
	int			count;
	Feature    *features;
	TimestampTz last;			/* the newest event of any; DT_NOBEGIN: there is none */
	int			timeCount;
	TimestampTz *times;			/* at which panes begin to count or cease to, ascending */
} Comparison;

/* Find what a comparison is about. */
static void
FindFeatures(Comparison *comparison, const SegmentPerson *person)
{
	const SegmentNode *node = comparison->node;
	FeatureIterator iterator;
	Feature		feature;

	comparison->last = DT_NOBEGIN;
	for (int i = 0; i < person->signals->count && comparison->signal == NULL; i++)
		if (strcmp(person->signals->signals[i].name, node->signal) == 0)
			comparison->signal = SignalFind(person->signals, person->signals->signals[i].id);
	if (comparison->signal == NULL || person->features == NULL)
		return;
	if (node->hasValue)
	{
		comparison->features = palloc_object(Feature);
		comparison->count = FeatureStateFind(person->features,
											 FeatureKeyMake(comparison->signal->id, node->value),
											 comparison->features);
		if (comparison->count > 0)
			comparison->last = comparison->features[0].last;
		return;
	}
	comparison->features = palloc_array(Feature, FeatureStateCount(person->features) + 1);
	FeatureIteratorBegin(&iterator, person->features);
	while (FeatureIteratorNext(&iterator, &feature))
		if (FeatureKeySignal(feature.key) == comparison->signal->id)
		{
			comparison->features[comparison->count++] = feature;
			comparison->last = Max(comparison->last, feature.last);
		}
}

/* Order times. */
static int
CompareTimes(const void *left, const void *right)
{
	TimestampTz a = *(const TimestampTz *) left;
	TimestampTz b = *(const TimestampTz *) right;

	return a < b ? -1 : a > b;
}

/* Find the times at which panes begin to count or cease to. */
static void
FindTimes(Comparison *comparison)
{
	int			capacity = 64;

	if (comparison->times != NULL)
		return;
	comparison->times = palloc_array(TimestampTz, capacity);
	for (int i = 0; i < comparison->count; i++)
	{
		FeaturePaneIterator iterator;
		FeaturePane pane;

		FeaturePaneIteratorBegin(&iterator, &comparison->features[i]);
		while (FeaturePaneIteratorNext(&iterator, &pane))
		{
			if (comparison->timeCount + 2 > capacity)
				comparison->times = repalloc(comparison->times, sizeof(TimestampTz) * (capacity *= 2));
			comparison->times[comparison->timeCount++] = pane.start;
			if (comparison->node->period > 0)
				comparison->times[comparison->timeCount++] = pane.start + comparison->node->period;
		}
	}
	qsort(comparison->times, comparison->timeCount, sizeof(TimestampTz), CompareTimes);
}

/* What is compared, at a time. */
static double
ValueAt(const Comparison *comparison, TimestampTz at)
{
	const SegmentNode *node = comparison->node;
	TimestampTz since = node->period > 0 ? at - node->period : DT_NOBEGIN;
	int64		counts = 0;
	int64		sums = 0;
	double		decayed = 0;

	for (int i = 0; i < comparison->count; i++)
	{
		int64		count;
		int64		sum;

		if (node->measure == SEGMENT_DECAYED)
		{
			decayed += FeatureDecayed(&comparison->features[i], comparison->signal->halfLife, at);
			continue;
		}
		FeatureSum(&comparison->features[i], since, at, &count, &sum);
		counts += count;
		sums += sum;
	}
	if (node->measure == SEGMENT_DECAYED)
		return decayed;
	return node->measure == SEGMENT_COUNT ? (double) counts : (double) sums / FEATURE_SUM_UNIT;
}

/* True if a value compares to a threshold as the comparison wants it. */
static bool
Compares(const SegmentNode *node, double value, double threshold)
{
	switch (node->operator)
	{
		case SEGMENT_GREATER_EQUAL:
			return value >= threshold;
		case SEGMENT_GREATER:
			return value > threshold;
		case SEGMENT_LESS_EQUAL:
			return value <= threshold;
		case SEGMENT_LESS:
			return value < threshold;
		default:
			return value == threshold;
	}
}

/* Which side of the thresholds a value is on: 1 in, -1 out, 0 between them. */
static int
Side(const SegmentNode *node, double value)
{
	if (Compares(node, value, node->enter))
		return 1;
	return node->hasLeave && Compares(node, value, node->leave) ? 0 : -1;
}

/* Whether the thresholds say in at a time; between them, whichever was crossed last. */
static bool
IsWithin(Comparison *comparison, TimestampTz at)
{
	int			side = Side(comparison->node, ValueAt(comparison, at));

	if (side != 0)
		return side > 0;
	FindTimes(comparison);
	for (int i = comparison->timeCount - 1; i >= 0 && side == 0; i--)
	{
		TimestampTz time = comparison->times[i];

		if (time > at)
			continue;
		side = Side(comparison->node, ValueAt(comparison, time));
		if (side == 0)
			side = Side(comparison->node, ValueAt(comparison, time - 1));
	}
	return side > 0;
}

/* When the newest event is so long ago that a comparison no longer holds; DT_NOEND: never. */
static TimestampTz
EndOf(const Comparison *comparison, int64 ttl)
{
	SegmentOperator operator = comparison->node->operator;

	if (operator == SEGMENT_LESS || operator == SEGMENT_LESS_EQUAL || comparison->last == DT_NOBEGIN)
		return DT_NOEND;
	return comparison->last + ttl;
}

/* When a decayed value crosses a threshold by itself; DT_NOEND: never. */
static TimestampTz
CrossingOf(const Comparison *comparison, double value, double threshold, TimestampTz now)
{
	double		after;

	if (value == 0 || threshold == 0 || value / threshold <= 1)
		return DT_NOEND;
	after = (double) comparison->signal->halfLife * log2(value / threshold) + CROSSING_MARGIN;
	return after < (double) (END_TIMESTAMP - now) ? now + Max((int64) ceil(after), CROSSING_MARGIN) : DT_NOEND;
}

/* When a comparison changes by itself, or is to be looked at again. */
static TimestampTz
NextChange(Comparison *comparison, bool within, TimestampTz now)
{
	const SegmentNode *node = comparison->node;

	if (comparison->count == 0)
		return DT_NOEND;
	if (node->measure == SEGMENT_DECAYED)
	{
		double		value = ValueAt(comparison, now);
		TimestampTz crossing = CrossingOf(comparison, value, node->enter, now);

		return node->hasLeave ? Min(crossing, CrossingOf(comparison, value, node->leave, now)) : crossing;
	}
	FindTimes(comparison);
	for (int i = 0; i < comparison->timeCount; i++)
		if (comparison->times[i] > now && IsWithin(comparison, comparison->times[i]) != within)
			return comparison->times[i];
	return DT_NOEND;
}

/* Whether a comparison holds. */
static bool
MatchComparison(const SegmentNode *node, int64 ttl, const SegmentPerson *person, TimestampTz *due)
{
	Comparison	comparison = {.node = node};
	TimestampTz end;
	bool		within;

	FindFeatures(&comparison, person);
	if (comparison.signal == NULL)
		return false;
	end = EndOf(&comparison, ttl);
	if (end <= person->now)
		return false;
	within = IsWithin(&comparison, person->now);
	*due = Min(*due, NextChange(&comparison, within, person->now));
	if (within)
		*due = Min(*due, end);
	return within;
}

/* How far the steps of one key have got. */
typedef struct Track
{
	int64		key;
	TimestampTz begun[SEGMENT_MAX_STEPS];	/* when those that got to this step began; DT_NOBEGIN: none did */
	TimestampTz complete;		/* the last step of the newest match; DT_NOBEGIN: there is none */
} Track;

/* The track of a key. */
static Track *
TrackOf(Track *tracks, int *count, int64 key)
{
	Track	   *track;

	for (int i = 0; i < *count; i++)
		if (tracks[i].key == key)
			return &tracks[i];
	track = &tracks[(*count)++];
	track->key = key;
	track->complete = DT_NOBEGIN;
	for (int i = 0; i < SEGMENT_MAX_STEPS; i++)
		track->begun[i] = DT_NOBEGIN;
	return track;
}

/* A step with its place. */
typedef struct PlacedStep
{
	const ProfileStep *step;
	const char *name;			/* of the event */
	int			place;
} PlacedStep;

/* True if a step is what must not follow. */
static bool
IsAbsent(const SegmentNode *node, const PlacedStep *placed)
{
	return node->absent != NULL && pg_strcasecmp(node->absent, placed->name) == 0;
}

/* Let a step move a track on, the last place first: one event is one step. */
static void
MoveOn(Track *track, const SegmentNode *node, const PlacedStep *placed)
{
	const ProfileStep *step = placed->step;

	if (IsAbsent(node, placed))
	{
		track->complete = DT_NOBEGIN;
		return;
	}
	for (int place = node->stepCount - 1; place >= 0; place--)
	{
		if (pg_strcasecmp(node->events[place], placed->name) != 0)
			continue;
		if (place == 0)
			track->begun[0] = step->ts;
		else if (track->begun[place - 1] != DT_NOBEGIN && step->ts - track->begun[place - 1] <= node->within)
			track->begun[place] = Max(track->begun[place], track->begun[place - 1]);
		else
			continue;
		if (place == node->stepCount - 1)
			track->complete = step->ts;
	}
}

/* The place at which an event stands in a sequence; of one time, they happened in this order. */
static int
PlaceOf(const SegmentNode *node, const PlacedStep *placed)
{
	for (int place = 0; place < node->stepCount; place++)
		if (pg_strcasecmp(node->events[place], placed->name) == 0)
			return place;
	return IsAbsent(node, placed) ? node->stepCount : -1;
}

/* Order steps by time, and those of one time by place. */
static int
ComparePlaced(const void *left, const void *right)
{
	const PlacedStep *a = left;
	const PlacedStep *b = right;

	if (a->step->ts != b->step->ts)
		return a->step->ts < b->step->ts ? -1 : 1;
	if (a->place != b->place)
		return a->place - b->place;
	return a->step < b->step ? -1 : a->step > b->step;
}

/* The steps that a sequence may use, in their order. */
static int
PlaceSteps(const SegmentNode *node, int32 purposes, const SegmentPerson *person, PlacedStep *placed)
{
	int			count = 0;

	for (int i = 0; i < person->steps->count; i++)
	{
		const ProfileStep *step = &person->steps->steps[i];
		PlacedStep *next = &placed[count];

		if ((step->mask & purposes) != purposes || step->ts > person->now ||
			step->event >= person->signals->eventLimit || person->signals->events[step->event].name == NULL)
			continue;
		*next = (PlacedStep) {step, person->signals->events[step->event].name};
		next->place = PlaceOf(node, next);
		count += next->place >= 0;
	}
	qsort(placed, count, sizeof(PlacedStep), ComparePlaced);
	return count;
}

/*
 * Go through the steps.  One that has no key goes with the one that began last; what
 * must not follow ends all tracks then.
 */
static int
FollowSteps(const SegmentNode *node, const PlacedStep *placed, int count, Track *tracks)
{
	int			trackCount = 0;
	bool		hasKey = node->key < 0;
	int64		key = 0;

	for (int i = 0; i < count; i++)
	{
		const ProfileStep *step = placed[i].step;
		bool		own = node->key >= 0 && (step->has & (1 << node->key)) != 0;

		if (own && placed[i].place == 0)
		{
			key = step->keys[node->key];
			hasKey = true;
		}
		if (node->key >= 0 && !own && placed[i].place == 0)
			continue;
		if (!own && IsAbsent(node, &placed[i]))
			for (int track = 0; track < trackCount; track++)
				tracks[track].complete = DT_NOBEGIN;
		else if (own)
			MoveOn(TrackOf(tracks, &trackCount, step->keys[node->key]), node, &placed[i]);
		else if (hasKey)
			MoveOn(TrackOf(tracks, &trackCount, key), node, &placed[i]);
	}
	return trackCount;
}

/* Whether a sequence has happened, not longer ago than ttl. */
static bool
MatchSequence(const Segment *segment, const SegmentNode *node, const SegmentPerson *person, SegmentState *state)
{
	PlacedStep *placed = palloc_array(PlacedStep, PROFILE_MAX_STEPS);
	Track	   *tracks = palloc_array(Track, PROFILE_MAX_STEPS);
	int			count = PlaceSteps(node, segment->purposes, person, placed);
	TimestampTz newest = DT_NOBEGIN;

	count = FollowSteps(node, placed, count, tracks);
	for (int i = 0; i < count; i++)
	{
		TimestampTz from = tracks[i].complete;

		if (from == DT_NOBEGIN)
			continue;
		if (node->absent != NULL)
			from += node->within;
		if (from > person->now)
			state->due = Min(state->due, from);
		else if (from + segment->ttl > person->now && from > newest)
		{
			newest = from;
			if (node->key == PROFILE_STEP_QUERY)
			{
				state->hasQuery = true;
				state->query = (uint64) tracks[i].key;
			}
		}
	}
	if (newest != DT_NOBEGIN)
		state->due = Min(state->due, newest + segment->ttl);
	pfree(placed);
	pfree(tracks);
	return newest != DT_NOBEGIN;
}

/* Whether a part of a condition holds. */
static bool
MatchNode(const Segment *segment, const SegmentNode *node, const SegmentPerson *person, SegmentState *state)
{
	bool		left;
	bool		right;

	switch (node->kind)
	{
		case SEGMENT_COMPARE:
			return MatchComparison(node, segment->ttl, person, &state->due);
		case SEGMENT_SEQUENCE:
			return MatchSequence(segment, node, person, state);
		case SEGMENT_NOT:
			return !MatchNode(segment, node->left, person, state);
		default:
			/* both, to know when either changes */
			left = MatchNode(segment, node->left, person, state);
			right = MatchNode(segment, node->right, person, state);
			return node->kind == SEGMENT_AND ? left && right : left || right;
	}
}

/* Whether a person is in a segment at a time. */
SegmentState
SegmentMatch(const Segment *segment, const SegmentPerson *person)
{
	SegmentState state = {.due = DT_NOEND};

	state.member = MatchNode(segment, segment->condition, person, &state);
	return state;
}

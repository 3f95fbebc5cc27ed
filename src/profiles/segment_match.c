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

#include "base/grow.h"
#include "profiles/segment.h"

#include <math.h>

#include "compat.h"
#include "utils/timestamp.h"

/* After the time at which a decayed value is computed to cross, as rounding wants it. */
#define CROSSING_MARGIN 1000

/* A term of a comparison, with what it is about. */
typedef struct Compared
{
	const GrammarTerm *term;
	const Signal *signal;		/* NULL: it is gone */
	int			count;
	Feature    *features;
} Compared;

/* A comparison, with what it is about. */
typedef struct Comparison
{
	const SegmentNode *node;
	bool		gone;			/* a signal is, or does not keep what is compared */
	Compared	terms[2];
	TimestampTz last;			/* the newest event of any; DT_NOBEGIN: there is none */
	int			timeCount;
	int			timeCapacity;
	TimestampTz *times;			/* at which panes begin to count or cease to, ascending */
} Comparison;

/* True if a term asks for what one feature holds of all different values. */
static bool
HoldsDistinct(const Compared *compared)
{
	return compared->term->measure == AGGREGATE_DISTINCT && (compared->signal->keeps & FEATURE_KEEPS_DISTINCT) != 0;
}

/* Find what a term is about; returns the time of its newest event. */
static TimestampTz
FindFeatures(Compared *compared, const SegmentPerson *person)
{
	const GrammarTerm *term = compared->term;
	TimestampTz last = DT_NOBEGIN;
	FeatureIterator iterator;
	Feature		feature;

	for (int i = 0; i < person->signals->count && compared->signal == NULL; i++)
		if (strcmp(person->signals->signals[i].name, term->signal) == 0)
			compared->signal = SignalFind(person->signals, person->signals->signals[i].id);
	if (compared->signal == NULL || person->features == NULL)
		return last;
	if (term->hasValue || HoldsDistinct(compared))
	{
		uint64		value = term->hasValue ? term->value : FEATURE_VALUE_DISTINCT;

		compared->features = palloc_object(Feature);
		compared->count = FeatureStateFind(person->features, FeatureKeyMake(compared->signal->id, value), compared->features);
		return compared->count > 0 ? compared->features[0].last : last;
	}
	compared->features = palloc_array(Feature, FeatureStateCount(person->features) + 1);
	FeatureIteratorBegin(&iterator, person->features);
	while (FeatureIteratorNext(&iterator, &feature))
		if (FeatureKeySignal(feature.key) == compared->signal->id)
		{
			compared->features[compared->count++] = feature;
			last = Max(last, feature.last);
		}
	return last;
}

/* Find what a comparison is about. */
static void
FindTerms(Comparison *comparison, const SegmentPerson *person)
{
	comparison->last = DT_NOBEGIN;
	for (int i = 0; i < comparison->node->termCount; i++)
	{
		TimestampTz last;

		comparison->terms[i].term = &comparison->node->terms[i];
		last = FindFeatures(&comparison->terms[i], person);
		comparison->last = Max(comparison->last, last);
		comparison->gone |= comparison->terms[i].signal == NULL ||
			!SignalHas(comparison->terms[i].signal, comparison->node->terms[i].measure);
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

/* Add the times at which panes of a term begin to count or cease to. */
static void
AddTimes(Comparison *comparison, const Compared *compared)
{
	for (int i = 0; i < compared->count; i++)
	{
		FeaturePaneIterator iterator;
		FeaturePane pane;

		FeaturePaneIteratorBegin(&iterator, &compared->features[i]);
		while (FeaturePaneIteratorNext(&iterator, &pane))
		{
			GrowArray(comparison->times, comparison->timeCount + 2, comparison->timeCapacity, 64);
			comparison->times[comparison->timeCount++] = pane.start;
			if (compared->term->period > 0)
				comparison->times[comparison->timeCount++] = pane.start + compared->term->period;
		}
	}
}

/* Find the times at which panes begin to count or cease to. */
static void
FindTimes(Comparison *comparison)
{
	if (comparison->times != NULL)
		return;
	comparison->timeCapacity = 64;
	comparison->times = palloc_array(TimestampTz, comparison->timeCapacity);
	for (int i = 0; i < comparison->node->termCount; i++)
		AddTimes(comparison, &comparison->terms[i]);
	qsort(comparison->times, comparison->timeCount, sizeof(TimestampTz), CompareTimes);
}

/* What a term is worth at a time. */
static double
TermAt(const Compared *compared, TimestampTz at)
{
	const GrammarTerm *term = compared->term;
	TimestampTz since = term->period > 0 ? at - term->period : DT_NOBEGIN;

	return AggregateOver(compared->features, compared->count, term->measure, compared->signal->halfLife, since, at);
}

/* What is compared, at a time; NaN if there is nothing to compare. */
static double
ValueAt(const Comparison *comparison, TimestampTz at)
{
	const SegmentNode *node = comparison->node;
	double		value = TermAt(&comparison->terms[0], at);

	if (node->termCount == 1)
		return value;
	return AggregateRate(value, TermAt(&comparison->terms[1], at), node->prior, node->priorWeight);
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

/* True if a comparison is of the time since the newest event. */
static bool
IsOfIdleness(const SegmentNode *node)
{
	return node->termCount == 1 && node->terms[0].measure == AGGREGATE_TIME_SINCE_LAST;
}

/* So many seconds after a time; DT_NOEND: later than there are times. */
static TimestampTz
SecondsAfter(TimestampTz time, double seconds)
{
	double		microseconds = ceil(seconds * USECS_PER_SEC);

	return microseconds < (double) (END_TIMESTAMP - time) ? time + (int64) Max(microseconds, 0) : DT_NOEND;
}

/*
 * When the newest event is so long ago that a comparison no longer holds; DT_NOEND: never.
 * One of the time since that event begins to hold only when it is reached.
 */
static TimestampTz
EndOf(const Comparison *comparison, int64 ttl)
{
	SegmentOperator operator = comparison->node->operator;
	TimestampTz from = comparison->last;

	if (operator == SEGMENT_LESS || operator == SEGMENT_LESS_EQUAL || from == DT_NOBEGIN)
		return DT_NOEND;
	if (IsOfIdleness(comparison->node))
		from = SecondsAfter(from, comparison->node->enter);
	return from < END_TIMESTAMP - ttl ? from + ttl : DT_NOEND;
}

/* When a decayed value crosses a threshold by itself; DT_NOEND: never. */
static TimestampTz
DecayCrosses(const Comparison *comparison, double value, double threshold, TimestampTz now)
{
	double		after;

	if (value == 0 || threshold == 0 || value / threshold <= 1)
		return DT_NOEND;
	after = (double) comparison->terms[0].signal->halfLife * log2(value / threshold) + CROSSING_MARGIN;
	return after < (double) (END_TIMESTAMP - now) ? now + Max((int64) ceil(after), CROSSING_MARGIN) : DT_NOEND;
}

/* When the time since the newest event crosses a threshold by itself; DT_NOEND: never. */
static TimestampTz
IdlenessCrosses(const Comparison *comparison, double threshold, TimestampTz now)
{
	TimestampTz time = SecondsAfter(comparison->last, threshold);

	/* at it and just after it, for it may be compared by either */
	if (time <= now && time != DT_NOEND)
		time++;
	return time > now ? time : DT_NOEND;
}

/* When what is compared crosses a threshold by itself. */
static TimestampTz
Crosses(const Comparison *comparison, double value, double threshold, TimestampTz now)
{
	return IsOfIdleness(comparison->node) ? IdlenessCrosses(comparison, threshold, now) :
		DecayCrosses(comparison, value, threshold, now);
}

/* When a comparison changes by itself, or is to be looked at again. */
static TimestampTz
NextChange(Comparison *comparison, bool within, TimestampTz now)
{
	const SegmentNode *node = comparison->node;
	TimestampTz next = DT_NOEND;

	if (comparison->last == DT_NOBEGIN)
		return DT_NOEND;
	if (IsOfIdleness(node) || node->terms[0].measure == AGGREGATE_DECAYED)
	{
		double		value = ValueAt(comparison, now);

		next = Crosses(comparison, value, node->enter, now);
		if (node->hasLeave)
			next = Min(next, Crosses(comparison, value, node->leave, now));
	}
	if (node->terms[0].measure == AGGREGATE_DECAYED)
		return next;
	FindTimes(comparison);
	for (int i = 0; i < comparison->timeCount; i++)
		if (comparison->times[i] > now && IsWithin(comparison, comparison->times[i]) != within)
			return Min(next, comparison->times[i]);
	return next;
}

/* Whether a comparison holds. */
static bool
MatchComparison(const SegmentNode *node, int64 ttl, const SegmentPerson *person, TimestampTz *due)
{
	Comparison	comparison = {.node = node};
	TimestampTz end;
	bool		within;

	FindTerms(&comparison, person);
	if (comparison.gone)
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

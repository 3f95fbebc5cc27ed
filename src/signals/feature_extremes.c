/*
 * feature_extremes.c
 *		The packed profile: the smallest, largest, first and last number of a pane.
 *
 * Each is a function of the set of a pane's events, whatever their order, and joining
 * panes joins them.  Nothing can be taken out of them: what is to be undone is counted
 * anew from the raw events.
 *
 *		byte:		what is kept << 4 | in what it is written << 2 | grain
 *		numbers:	[min] [max] [first time [first]] [last time [last]]
 *
 * Numbers are multiples of a unit, a hundredth or a millionth of it, signed ones zigzag;
 * the first time counts from the start of the pane, the last from the first, in
 * microseconds.  Of a single event the numbers are its sum and are not written.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include "base/number.h"
#include "base/varint.h"
#include "compat.h"
#include "signals/feature_state_internal.h"

/* Join those of other events. */
void
FeatureExtremesJoin(FeatureExtremes *into, const FeatureExtremes *other)
{
	into->kept &= other->kept;
	if (into->kept == 0)
		return;
	into->min = Min(into->min, other->min);
	into->max = Max(into->max, other->max);
	if (other->firstAt < into->firstAt || (other->firstAt == into->firstAt && other->first < into->first))
	{
		into->firstAt = other->firstAt;
		into->first = other->first;
	}
	if (other->lastAt > into->lastAt || (other->lastAt == into->lastAt && other->last > into->last))
	{
		into->lastAt = other->lastAt;
		into->last = other->last;
	}
}

/* Those of a single event. */
void
FeatureExtremesOfOne(FeatureExtremes *extremes, uint8 keeps, int64 number, TimestampTz ts)
{
	extremes->kept = keeps;
	extremes->min = extremes->max = extremes->first = extremes->last = number;
	extremes->firstAt = extremes->lastAt = ts;
}

/* Those of the panes in a period. */
bool
FeatureExtremesOver(const Feature *feature, TimestampTz since, TimestampTz until, FeatureExtremes *extremes)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;
	bool		found = false;

	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane) && pane.start > since)
	{
		if (pane.start > until)
			continue;
		if (!found)
			*extremes = pane.extremes;
		else
			FeatureExtremesJoin(extremes, &pane.extremes);
		found = true;
	}
	return found;
}

/* The numbers that are kept; returns how many. */
static int
NumbersOf(const FeatureExtremes *extremes, int64 *numbers)
{
	const int64 all[] = {extremes->min, extremes->max, extremes->first, extremes->last};
	int			count = 0;

	for (int i = 0; i < lengthof(all); i++)
		if ((extremes->kept & (1 << i)) != 0)
			numbers[count++] = all[i];
	return count;
}

/* The four as numeric columns. */
void
FeatureExtremesDatums(const FeatureExtremes *extremes, Datum *values, bool *nulls)
{
	const int64 all[] = {extremes->min, extremes->max, extremes->first, extremes->last};

	for (int i = 0; i < lengthof(all); i++)
	{
		nulls[i] = (extremes->kept & (1 << i)) == 0;
		values[i] = nulls[i] ? (Datum) 0 : NumberOfMillionths(all[i]);
	}
}

/* In what the numbers are written: the first that holds all. */
static FeatureSumCode
CodeOf(const FeaturePane *pane)
{
	FeatureSumCode code = FEATURE_SUM_IN_UNITS;
	int64		numbers[4];
	int			count = pane->count > 1 ? NumbersOf(&pane->extremes, numbers) : 0;

	for (int i = 0; i < count; i++)
		while (numbers[i] % featureSumScale[code] != 0)
			code++;
	return code;
}

/* The byte behind a pane's head. */
uint8
FeatureExtremesHead(const FeaturePane *pane)
{
	return (uint8) (pane->extremes.kept << 4 | CodeOf(pane) << 2 | pane->grain);
}

/* Write what follows a pane's count and sum. */
uint8 *
FeatureExtremesWrite(uint8 *out, const FeaturePane *pane)
{
	const FeatureExtremes *extremes = &pane->extremes;
	int64		scale = pane->count > 1 ? featureSumScale[CodeOf(pane)] : 0;
	TimestampTz from = pane->start;

	if ((extremes->kept & FEATURE_KEEPS_MIN) != 0 && scale != 0)
		out = VarintWrite(out, FeatureZigzag(extremes->min / scale));
	if ((extremes->kept & FEATURE_KEEPS_MAX) != 0 && scale != 0)
		out = VarintWrite(out, FeatureZigzag(extremes->max / scale));
	if ((extremes->kept & FEATURE_KEEPS_FIRST) != 0)
	{
		out = VarintWrite(out, (uint64) (extremes->firstAt - from));
		from = extremes->firstAt;
		if (scale != 0)
			out = VarintWrite(out, FeatureZigzag(extremes->first / scale));
	}
	if ((extremes->kept & FEATURE_KEEPS_LAST) != 0)
	{
		out = VarintWrite(out, (uint64) (extremes->lastAt - from));
		if (scale != 0)
			out = VarintWrite(out, FeatureZigzag(extremes->last / scale));
	}
	return out;
}

/* Read a number; false if there is none. */
static bool
ReadScaled(const uint8 **next, const uint8 *end, int64 scale, int64 *number)
{
	uint64		word;

	return VarintRead(next, end, &word) && !pg_mul_s64_overflow(FeatureUnzigzag(word), scale, number);
}

/* Read a time from another one on, within the pane; false if there is none. */
static bool
ReadOffset(const uint8 **next, const uint8 *end, const FeaturePane *pane, TimestampTz from, TimestampTz *time)
{
	uint64		offset;

	if (!VarintRead(next, end, &offset) || offset >= (uint64) (pane->end - from))
		return false;
	*time = from + (int64) offset;
	return true;
}

/* Read them, behind the pane's count and sum; false if they are none. */
bool
FeatureExtremesRead(const uint8 **next, const uint8 *end, uint8 head, FeaturePane *pane)
{
	FeatureExtremes *extremes = &pane->extremes;
	int64		scale = featureSumScale[(head >> 2) & 3];
	bool		many = pane->count > 1;

	FeatureExtremesOfOne(extremes, head >> 4, pane->sum, pane->start);
	if (extremes->kept == 0)
		return false;
	if ((extremes->kept & FEATURE_KEEPS_MIN) != 0 && many && !ReadScaled(next, end, scale, &extremes->min))
		return false;
	if ((extremes->kept & FEATURE_KEEPS_MAX) != 0 && many && !ReadScaled(next, end, scale, &extremes->max))
		return false;
	if ((extremes->kept & FEATURE_KEEPS_FIRST) != 0 &&
		(!ReadOffset(next, end, pane, pane->start, &extremes->firstAt) ||
		 (many && !ReadScaled(next, end, scale, &extremes->first))))
		return false;
	if ((extremes->kept & FEATURE_KEEPS_LAST) != 0 &&
		(!ReadOffset(next, end, pane, extremes->firstAt, &extremes->lastAt) ||
		 (many && !ReadScaled(next, end, scale, &extremes->last))))
		return false;
	return FeatureExtremesProblem(pane) == NULL;
}

/* True if two that are kept are the wrong way round. */
static inline bool
IsBelow(const FeatureExtremes *extremes, uint8 both, int64 upper, int64 lower)
{
	return (extremes->kept & both) == both && upper < lower;
}

/* What is wrong with those of a pane. */
const char *
FeatureExtremesProblem(const FeaturePane *pane)
{
	const FeatureExtremes *e = &pane->extremes;
	int64		numbers[4];
	int			count = pane->count == 1 ? NumbersOf(e, numbers) : 0;

	for (int i = 0; i < count; i++)
		if (numbers[i] != pane->sum)
			return "A number of a single event is not its sum.";
	if (IsBelow(e, FEATURE_KEEPS_MIN | FEATURE_KEEPS_MAX, e->max, e->min) ||
		IsBelow(e, FEATURE_KEEPS_MIN | FEATURE_KEEPS_FIRST, e->first, e->min) ||
		IsBelow(e, FEATURE_KEEPS_MIN | FEATURE_KEEPS_LAST, e->last, e->min) ||
		IsBelow(e, FEATURE_KEEPS_MAX | FEATURE_KEEPS_FIRST, e->max, e->first) ||
		IsBelow(e, FEATURE_KEEPS_MAX | FEATURE_KEEPS_LAST, e->max, e->last))
		return "A number of a pane is below its smallest or above its largest one.";
	if (((e->kept & FEATURE_KEEPS_FIRST) != 0 && (e->firstAt < pane->start || e->firstAt >= pane->end)) ||
		((e->kept & FEATURE_KEEPS_LAST) != 0 && (e->lastAt < pane->start || e->lastAt >= pane->end)))
		return "The time of a pane's first or last event is not in the pane.";
	if (IsBelow(e, FEATURE_KEEPS_FIRST | FEATURE_KEEPS_LAST, e->lastAt, e->firstAt) ||
		(pane->count == 1 && (e->kept & (FEATURE_KEEPS_FIRST | FEATURE_KEEPS_LAST)) == (FEATURE_KEEPS_FIRST | FEATURE_KEEPS_LAST) &&
		 e->firstAt != e->lastAt))
		return "The last event of a pane is before its first one, or a single one is at two times.";
	return NULL;
}

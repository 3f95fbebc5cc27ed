/*
 * feature_state.c
 *		The packed profile: its encoding, and how it is read.
 *
 * Layout of the payload; numbers are LEB128 varints, signed ones zigzag:
 *
 *		version (1 byte) | newest time | evicted | head | base | dead |
 *		gap ... | feature ...
 *		feature:	length of the rest | key | last time | pane ...
 *		key:		signal and number of hash bytes in one byte (a signal
 *					of 31 or more in two further bytes) | hash, low byte first
 *		time:		in seconds, milliseconds or microseconds (2 low bits tell)
 *		pane:		gap << 4 | sum code << 2 | grain | count [| sum]; of one that keeps
 *					more, also what feature_extremes.c or feature_distinct.c tells
 *
 * Features stand in the order (last time, key), newest first; panes newest
 * first too, each telling how many panes of its own width lie between it and
 * the pane before.
 *
 * Head and base.  The WAL record of an update leaves out the bytes that old and
 * new row have in common at their ends, and only these.  So what a batch changes
 * is gathered at the front: the first features of the list are the head, those
 * after it the base.  A feature of the base that changes moves to the head; its
 * old bytes stay where they are, and the list of dead ones, as gaps between
 * them, says to skip them.  When the head has grown to where rewriting it costs
 * as much as it saves, all is written as one base again.  With changes of t
 * bytes a batch on a base of b bytes and a head that is let grow to h, a batch
 * writes h/2 + b*t/h bytes on average, which is least at h = sqrt(2*b*t).
 *
 * Where a feature stands therefore depends on the batches, but what it is does
 * not.  A state with no head and no dead features is canonical: each value in it
 * has one encoding only, so equal states are then equal bytes.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include <math.h>

#include "base/stored_row.h"
#include "base/varint.h"
#include "compat.h"
#include "signals/feature_state_internal.h"

/* Features of either kind. */
#define MAX_ENTRIES (FEATURE_STATE_MAX_FEATURES + FEATURE_STATE_MAX_DISTINCT)

/* Complain about a state that no version of this code has written. */
void
FeatureStateReportCorrupt(void)
{
	if (StoredRowIsOpen(STORED_PROFILE))
		StoredRowReportDamage(STORED_PROFILE, "The features do not keep to their format.");
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid feature state")));
}

/* Read an unsigned number. */
static inline uint64
ReadNumber(const uint8 **next, const uint8 *end)
{
	uint64		value;

	if (unlikely(!VarintRead(next, end, &value)))
		FeatureStateReportCorrupt();
	return value;
}

/* Read a time; DT_NOBEGIN if there is none. */
static inline TimestampTz
ReadTime(const uint8 **next, const uint8 *end)
{
	uint64		word = ReadNumber(next, end);
	int			code = word & 3;
	int64		time = 0;

	if (unlikely(word == 3))
		return DT_NOBEGIN;
	if (unlikely(code == 3 ||
				 pg_mul_s64_overflow(FeatureUnzigzag(word >> 2), featureTimeScale[code], &time) ||
				 !IS_VALID_TIMESTAMP(time)))
		FeatureStateReportCorrupt();
	return time;
}

/* Read a feature's key. */
static inline uint64
ReadKey(const uint8 **next, const uint8 *end)
{
	const uint8 *in = *next;
	uint64		hash = 0;
	int			signal;
	int			bytes;

	if (unlikely(in >= end))
		FeatureStateReportCorrupt();
	signal = *in >> 3;
	bytes = *in++ & 7;
	if (unlikely(bytes > 6 || end - in < bytes + (signal == FEATURE_SIGNAL_ESCAPE ? 2 : 0)))
		FeatureStateReportCorrupt();
	if (signal == FEATURE_SIGNAL_ESCAPE)
	{
		signal = in[0] | in[1] << 8;
		in += 2;
	}
	for (int i = 0; i < bytes; i++)
		hash |= (uint64) in[i] << (8 * i);
	*next = in + bytes;
	return FeatureKeyMake(signal, hash);
}

/* Start at the newest pane of a feature. */
void
FeaturePaneIteratorBegin(FeaturePaneIterator *iterator, const Feature *feature)
{
	iterator->next = feature->panes;
	iterator->end = feature->end;
	iterator->before = feature->last;
	iterator->limit = DT_NOEND;
	iterator->isDistinct = FeatureIsDistinct(feature->key);
}

/* Read the different values of a pane, behind its count. */
static void
ReadDistinct(FeaturePaneIterator *iterator, FeaturePane *pane, bool holds)
{
	if (!holds || pane->count != 1 || pane->sum != FEATURE_SUM_UNIT ||
		!FeatureDistinctRead(&iterator->next, iterator->end, &pane->distinct))
		FeatureStateReportCorrupt();
}

/* The next older pane of a feature. */
bool
FeaturePaneIteratorNext(FeaturePaneIterator *iterator, FeaturePane *pane)
{
	uint64		head;
	uint64		gap;
	int64		index;
	FeatureGrain grain;
	FeatureSumCode code;
	bool		keeps;
	uint8		more = 0;

	if (iterator->next >= iterator->end)
		return false;
	head = ReadNumber(&iterator->next, iterator->end);
	grain = (FeatureGrain) (head & 3);
	code = (FeatureSumCode) ((head >> 2) & 3);
	gap = head >> 4;
	keeps = grain == FEATURE_GRAIN_ESCAPE;
	if (keeps)
	{
		if (unlikely(iterator->next >= iterator->end))
			FeatureStateReportCorrupt();
		more = *iterator->next++;
		grain = (FeatureGrain) (more & 3);
	}
	if (unlikely(grain >= FEATURE_GRAIN_COUNT))
		FeatureStateReportCorrupt();

	index = FeaturePaneIndex(iterator->before, grain) - (int64) gap;
	if (unlikely(index < MIN_TIMESTAMP / featureGrainWidth[grain]))
		FeatureStateReportCorrupt();
	pane->grain = grain;
	pane->start = index * featureGrainWidth[grain];
	pane->end = pane->start + featureGrainWidth[grain];
	/* the newest one holds the last event, each of the others lies before the one before */
	if (unlikely(iterator->limit == DT_NOEND ? gap != 0 : pane->end > iterator->limit))
		FeatureStateReportCorrupt();
	pane->count = (int64) ReadNumber(&iterator->next, iterator->end);
	if (unlikely(pane->count < 1))
		FeatureStateReportCorrupt();
	if (unlikely(pg_mul_s64_overflow(code == FEATURE_SUM_IS_COUNT ? pane->count :
									 FeatureUnzigzag(ReadNumber(&iterator->next, iterator->end)),
									 featureSumScale[code], &pane->sum)))
		FeatureStateReportCorrupt();
	pane->extremes.kept = 0;
	pane->distinct.bytes = NULL;
	if (unlikely(iterator->isDistinct))
		ReadDistinct(iterator, pane, keeps && more == (uint8) grain);
	else if (keeps && unlikely(!FeatureExtremesRead(&iterator->next, iterator->end, more, pane)))
		FeatureStateReportCorrupt();

	iterator->before = pane->start - 1;
	iterator->limit = pane->start;
	return true;
}

/* Start at the first feature and read what stands before it; how many there are. */
int
FeatureStateBegin(FeatureIterator *iterator, const FeatureState *state,
				  TimestampTz *newest, int64 *evicted)
{
	uint64		head;
	uint64		base;
	uint64		dead;

	*newest = DT_NOBEGIN;
	*evicted = 0;
	memset(iterator, 0, sizeof(FeatureIterator));
	iterator->place = -1;
	iterator->last = DT_NOEND;
	if (state == NULL)
		return 0;
	iterator->next = (const uint8 *) VARDATA_ANY(state);
	iterator->end = iterator->next + VARSIZE_ANY_EXHDR(state);
	if (iterator->next >= iterator->end)
		FeatureStateReportCorrupt();
	if (*iterator->next != FEATURE_STATE_VERSION && StoredRowIsOpen(STORED_PROFILE))
		StoredRowReportVersion(STORED_PROFILE, *iterator->next, FEATURE_STATE_VERSION);
	if (*iterator->next != FEATURE_STATE_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("feature state has format version %d, this library reads %d",
						*iterator->next, FEATURE_STATE_VERSION),
				 errhint("Install the library of the version that wrote it.")));
	iterator->next++;
	*newest = ReadTime(&iterator->next, iterator->end);
	*evicted = (int64) ReadNumber(&iterator->next, iterator->end);
	head = ReadNumber(&iterator->next, iterator->end);
	base = ReadNumber(&iterator->next, iterator->end);
	dead = ReadNumber(&iterator->next, iterator->end);
	if (*evicted < 0 || head > MAX_ENTRIES || base > MAX_ENTRIES || dead > base ||
		head + base - dead > MAX_ENTRIES)
		FeatureStateReportCorrupt();
	iterator->head = (int) head;
	iterator->base = (int) base;
	iterator->dead = (int) dead;
	iterator->remaining = (int) (head + base - dead);

	iterator->newest = *newest;

	/* the gaps are read along with the features */
	iterator->gaps = iterator->next;
	for (uint64 i = 0; i < dead; i++)
		(void) ReadNumber(&iterator->next, iterator->end);
	if (dead > 0)
		iterator->gap = ReadNumber(&iterator->gaps, iterator->end);
	return iterator->remaining;
}

/* Start at the first feature of a state. */
void
FeatureIteratorBeginAll(FeatureIterator *iterator, const FeatureState *state)
{
	TimestampTz newest;
	int64		evicted;

	FeatureStateBegin(iterator, state, &newest, &evicted);
}

/* The same of those that are values. */
void
FeatureIteratorBegin(FeatureIterator *iterator, const FeatureState *state)
{
	FeatureIteratorBeginAll(iterator, state);
	iterator->hidesDistinct = true;
}

/* Step to the next feature that is not dead; false at the end, where only dead ones may be left. */
static inline bool
StepToLive(FeatureIterator *iterator)
{
	while (iterator->remaining > 0 || iterator->place + 1 < iterator->base)
	{
		uint64		length;

		iterator->data = iterator->next;
		length = ReadNumber(&iterator->next, iterator->end);
		if (unlikely(length > (uint64) (iterator->end - iterator->next)))
			FeatureStateReportCorrupt();
		iterator->body = iterator->next;
		iterator->next += length;
		if (iterator->head > 0)
		{
			iterator->head--;
			iterator->remaining--;
			return true;
		}
		if (unlikely(++iterator->place >= iterator->base))
			FeatureStateReportCorrupt();
		if (iterator->place == 0)
		{
			iterator->baseData = iterator->data;
			iterator->last = DT_NOEND;
		}
		if (iterator->dead == 0 || iterator->gap-- > 0)
		{
			if (unlikely(iterator->remaining-- == 0))
				FeatureStateReportCorrupt();
			return true;
		}
		iterator->dead--;
		iterator->gap = iterator->dead > 0 ? ReadNumber(&iterator->gaps, iterator->end) : 0;
	}
	if (unlikely(iterator->dead > 0 || iterator->next != iterator->end))
		FeatureStateReportCorrupt();
	return false;
}

/* Read the next feature of a state; false at the end. */
static inline bool
ReadFeature(FeatureIterator *iterator, Feature *feature)
{
	if (!StepToLive(iterator))
		return false;
	feature->panes = iterator->body;
	feature->end = iterator->next;
	feature->key = ReadKey(&feature->panes, feature->end);
	feature->last = ReadTime(&feature->panes, feature->end);
	if (unlikely(feature->last == DT_NOBEGIN || feature->last > iterator->newest ||
				 feature->panes == feature->end))
		FeatureStateReportCorrupt();
	/* head and base are each in order */
	if (unlikely(feature->last > iterator->last ||
				 (feature->last == iterator->last && feature->key >= iterator->key)))
		FeatureStateReportCorrupt();
	iterator->last = feature->last;
	iterator->key = feature->key;
	return true;
}

/* The next feature of a state. */
bool
FeatureIteratorNext(FeatureIterator *iterator, Feature *feature)
{
	while (ReadFeature(iterator, feature))
		if (!iterator->hidesDistinct || !FeatureIsDistinct(feature->key))
			return true;
	return false;
}

/* Look for one feature; true if the state has it. */
bool
FeatureStateFind(const FeatureState *state, uint64 key, Feature *feature)
{
	FeatureIterator iterator;

	FeatureIteratorBeginAll(&iterator, state);
	while (FeatureIteratorNext(&iterator, feature))
		if (feature->key == key)
			return true;
	return false;
}

/* Time of the newest event that went in. */
TimestampTz
FeatureStateNewest(const FeatureState *state)
{
	FeatureIterator iterator;
	TimestampTz newest;
	int64		evicted;

	FeatureStateBegin(&iterator, state, &newest, &evicted);
	return newest;
}

/* How many features were dropped because there were too many. */
int64
FeatureStateEvicted(const FeatureState *state)
{
	FeatureIterator iterator;
	TimestampTz newest;
	int64		evicted;

	FeatureStateBegin(&iterator, state, &newest, &evicted);
	return evicted;
}

/* How many features a state has. */
int
FeatureStateCount(const FeatureState *state)
{
	FeatureIterator iterator;
	TimestampTz newest;
	int64		evicted;

	return FeatureStateBegin(&iterator, state, &newest, &evicted);
}

/* Count and sum over (since, until] at pane grain. */
void
FeatureSum(const Feature *feature, TimestampTz since, TimestampTz until,
		   int64 *count, int64 *sum)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;
	FeaturePane total = {0};

	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane))
	{
		/* a later pane than the one of since starts after since */
		if (pane.start <= since)
			break;
		if (pane.start <= until)
			FeaturePaneAdd(&total, pane.count, pane.sum);
	}
	*count = total.count;
	*sum = total.sum;
}

/* Sum of sum * 2^(-age/halfLife), both in microseconds. */
double
FeatureDecayed(const Feature *feature, int64 halfLife, TimestampTz asOf)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;
	double		total = 0;

	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane))
	{
		double		age = (double) asOf - (double) (pane.start + (pane.end - pane.start) / 2);

		if (pane.start <= asOf)
			total += (double) pane.sum / FEATURE_SUM_UNIT * exp2(-Max(age, 0) / halfLife);
	}
	return total;
}

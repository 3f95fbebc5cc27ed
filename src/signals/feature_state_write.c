/*
 * feature_state_write.c
 *		The packed profile: how it is written.
 *
 * A writer gathers features, those taken over from an old state as slices of its
 * bytes and those that change encoded in a buffer, and then decides whether to
 * gather the changes in a head before the old base or to write one base anew.
 * The layout and the reason for it are told in feature_state.c.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include "base/varint.h"
#include "compat.h"
#include "signals/feature_state_internal.h"
#include "utils/memutils.h"

#define MAX_PANE_BYTES (3 * VARINT_MAX_BYTES + MAX_EXTREMES_BYTES)
#define MAX_FEATURE_HEAD (3 * VARINT_MAX_BYTES)

/* Write a time in the coarsest unit that holds it. */
static uint8 *
WriteTime(uint8 *out, TimestampTz time)
{
	int			code = 0;

	if (time == DT_NOBEGIN)
		return VarintWrite(out, 3);
	while (time % featureTimeScale[code] != 0)
		code++;
	return VarintWrite(out, FeatureZigzag(time / featureTimeScale[code]) << 2 | code);
}

/* Write a feature's key. */
static uint8 *
WriteKey(uint8 *out, uint64 key)
{
	uint64		hash = FeatureKeyHash(key);
	int			signal = FeatureKeySignal(key);
	uint8	   *head = out++;
	int			bytes = 0;

	if (signal >= FEATURE_SIGNAL_ESCAPE)
	{
		*out++ = (uint8) signal;
		*out++ = (uint8) (signal >> 8);
	}
	for (; hash != 0; hash >>= 8, bytes++)
		*out++ = (uint8) hash;
	*head = (uint8) (Min(signal, FEATURE_SIGNAL_ESCAPE) << 3 | bytes);
	return out;
}

/* Write a pane that lies at or before a time. */
static uint8 *
WritePane(uint8 *out, const FeaturePane *pane, TimestampTz before)
{
	int64		scaled = pane->sum / FEATURE_SUM_UNIT;
	uint64		gap = FeaturePaneIndex(before, pane->grain) - FeaturePaneIndex(pane->start, pane->grain);
	FeatureSumCode code = FEATURE_SUM_IN_UNITS;
	bool		isDistinct = pane->distinct.bytes != NULL;
	bool		keeps = pane->extremes.kept != 0 || isDistinct;

	if (pane->sum % FEATURE_SUM_UNIT != 0)
		code = pane->sum % featureSumScale[FEATURE_SUM_IN_HUNDREDTHS] == 0 ? FEATURE_SUM_IN_HUNDREDTHS : FEATURE_SUM_IN_MILLIONTHS;
	else if (scaled == pane->count)
		code = FEATURE_SUM_IS_COUNT;
	out = VarintWrite(out, gap << 4 | code << 2 | (keeps ? FEATURE_GRAIN_ESCAPE : pane->grain));
	if (keeps)
		*out++ = isDistinct ? (uint8) pane->grain : FeatureExtremesHead(pane);
	out = VarintWrite(out, (uint64) pane->count);
	if (code != FEATURE_SUM_IS_COUNT)
		out = VarintWrite(out, FeatureZigzag(pane->sum / featureSumScale[code]));
	if (!isDistinct)
		return keeps ? FeatureExtremesWrite(out, pane) : out;
	memcpy(out, pane->distinct.bytes, pane->distinct.size);
	return out + pane->distinct.size;
}

/* Make a writer for so many features taken over and so many written anew. */
void
FeatureWriterBegin(FeatureWriter *writer, int kept, int changed)
{
	memset(writer, 0, sizeof(FeatureWriter));
	writer->head = palloc(sizeof(FeatureSlice) * (2 * kept + changed + 1));
	writer->base = writer->head + kept;
	writer->changed = writer->base + kept;
}

/* Room for the panes of one feature. */
FeaturePane *
FeatureWriterPanes(FeatureWriter *writer, int count)
{
	if (count > writer->paneCapacity)
	{
		if (writer->panes)
			pfree(writer->panes);
		writer->paneCapacity = Max(64, count);
		writer->panes = palloc_extended(mul_size(writer->paneCapacity, sizeof(FeaturePane)),
										MCXT_ALLOC_HUGE);
	}
	return writer->panes;
}

/* Take over the feature an iterator has just returned. */
void
FeatureWriterKeep(FeatureWriter *writer, const FeatureIterator *iterator, const Feature *feature)
{
	FeatureSlice *slice = iterator->place < 0 ?
		&writer->head[writer->headCount++] : &writer->base[writer->baseCount++];

	slice->key = feature->key;
	slice->last = feature->last;
	slice->data = iterator->data;
	slice->length = iterator->next - iterator->data;
	slice->place = iterator->place;
}

/* Encode a feature; its panes stand oldest first.  None: it is left out. */
void
FeatureWriterAdd(FeatureWriter *writer, uint64 key, TimestampTz last,
				 const FeaturePane *panes, int count)
{
	FeatureSlice *slice;
	Size		needed = add_size(mul_size(count, MAX_PANE_BYTES), MAX_FEATURE_HEAD);
	uint8	   *body;
	uint8	   *out;
	uint8		prefix[VARINT_MAX_BYTES];
	int			prefixLength;
	TimestampTz before = last;

	if (count == 0)
		return;
	for (int i = 0; i < count && FeatureIsDistinct(key); i++)
		needed = add_size(needed, panes[i].distinct.size);
	if (writer->used + needed > writer->capacity)
	{
		writer->capacity = (writer->used + needed) * 2;
		writer->buffer = writer->buffer == NULL ?
			palloc_extended(writer->capacity, MCXT_ALLOC_HUGE) :
			repalloc_huge(writer->buffer, writer->capacity);
	}
	body = writer->buffer + writer->used + VARINT_MAX_BYTES;
	out = WriteTime(WriteKey(body, key), last);
	for (int i = count - 1; i >= 0; i--)
	{
		out = WritePane(out, &panes[i], before);
		before = panes[i].start - 1;
	}

	/* the length is known only now, so it is put just before the body */
	prefixLength = VarintWrite(prefix, out - body) - prefix;
	memcpy(body - prefixLength, prefix, prefixLength);
	slice = &writer->changed[writer->changedCount++];
	slice->key = key;
	slice->last = last;
	slice->data = NULL;
	slice->offset = body - prefixLength - writer->buffer;
	slice->length = out - body + prefixLength;
	writer->used = out - writer->buffer;
}

/* Newest first; of the same time, the larger key first. */
static inline int
CompareSlices(const FeatureSlice *left, const FeatureSlice *right)
{
	if (left->last != right->last)
		return left->last > right->last ? -1 : 1;
	return left->key > right->key ? -1 : left->key < right->key;
}

/* Sort slices in that order, with the comparison inlined. */
#define ST_SORT SortSlices
#define ST_ELEMENT_TYPE FeatureSlice
#define ST_COMPARE(a, b) CompareSlices(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Merge two ordered lists of slices; returns the number of bytes. */
static Size
MergeSlices(FeatureSlice *merged, const FeatureSlice *left, int leftCount,
			const FeatureSlice *right, int rightCount)
{
	Size		bytes = 0;

	for (int i = 0, j = 0; i < leftCount || j < rightCount; merged++)
	{
		if (j == rightCount || (i < leftCount && CompareSlices(&left[i], &right[j]) < 0))
			*merged = left[i++];
		else
			*merged = right[j++];
		bytes = add_size(bytes, merged->length);
	}
	return bytes;
}

/* Write slices one after the other. */
static uint8 *
WriteSlices(uint8 *out, const FeatureWriter *writer, const FeatureSlice *slices, int count)
{
	for (int i = 0; i < count; i++)
	{
		memcpy(out, slices[i].data ? slices[i].data : writer->buffer + slices[i].offset,
			   slices[i].length);
		out += slices[i].length;
	}
	return out;
}

/* Write the gaps between the features of the old base that are not taken over. */
static uint8 *
WriteGaps(uint8 *out, const FeatureWriter *writer, int base)
{
	int			kept = 0;
	int			gap = 0;

	for (int place = 0; place < base; place++)
	{
		if (kept < writer->baseCount && writer->base[kept].place == place)
		{
			kept++;
			gap++;
		}
		else
		{
			out = VarintWrite(out, gap);
			gap = 0;
		}
	}
	return out;
}

/* How many slices hold different values, not one. */
static int
CountDistinct(const FeatureSlice *slices, int count)
{
	int			found = 0;

	for (int i = 0; i < count; i++)
		found += FeatureIsDistinct(slices[i].key);
	return found;
}

/* Move the slices that hold different values among those from a place on to that place. */
static int
KeepDistinct(FeatureSlice *slices, int from, int count)
{
	for (int i = from; i < count; i++)
		if (FeatureIsDistinct(slices[i].key))
			slices[from++] = slices[i];
	return from;
}

/* Drop the values longest unseen beyond the cap, and count them; returns the bytes the head loses. */
static Size
EvictOldest(FeatureWriter *writer, FeatureSlice *head, int *headCount, int64 *evicted)
{
	int			headLeft = *headCount;
	int			baseLeft = writer->baseCount;
	int			excess = headLeft + baseLeft - FEATURE_STATE_MAX_FEATURES;
	Size		bytes = 0;

	if (excess > 0)
		excess -= CountDistinct(head, headLeft) + CountDistinct(writer->base, baseLeft);
	if (excess <= 0)
		return 0;
	if (pg_add_s64_overflow(*evicted, excess, evicted))
		*evicted = PG_INT64_MAX;
	while (excess > 0)
	{
		bool		isBase = headLeft == 0 ||
		(baseLeft > 0 && CompareSlices(&head[headLeft - 1], &writer->base[baseLeft - 1]) < 0);
		const FeatureSlice *oldest = isBase ? &writer->base[--baseLeft] : &head[--headLeft];

		if (FeatureIsDistinct(oldest->key))
			continue;
		excess--;
		if (!isBase)
			bytes += oldest->length;
	}
	*headCount = KeepDistinct(head, headLeft, *headCount);
	writer->baseCount = KeepDistinct(writer->base, baseLeft, writer->baseCount);
	return bytes;
}

/*
 * Put the features in order, drop the oldest beyond the cap, and join them.
 * old, if not NULL, is an iterator that has gone to the end of the old state,
 * whose base may stay as it is; else the result is canonical.
 */
FeatureState *
FeatureWriterFinish(FeatureWriter *writer, TimestampTz newest, int64 evicted,
					const FeatureIterator *old)
{
	int			headCount = writer->headCount + writer->changedCount;
	FeatureSlice *head = palloc(sizeof(FeatureSlice) * (2 * headCount + writer->baseCount + 1));
	FeatureSlice *slices = head;
	Size		baseBytes = old && old->baseData ? old->end - old->baseData : 0;
	Size		changedBytes = 0;
	Size		size;
	bool		keepBase;
	FeatureState *state;
	uint8	   *out;

	for (int i = 0; i < writer->changedCount; i++)
		changedBytes += writer->changed[i].length;
	SortSlices(writer->changed, writer->changedCount);
	size = MergeSlices(head, writer->head, writer->headCount,
					   writer->changed, writer->changedCount);
	size -= EvictOldest(writer, head, &headCount, &evicted);

	keepBase = baseBytes > 0 && 2 * writer->baseCount >= old->base &&
		(double) size * size <= 2.0 * baseBytes * changedBytes;
	if (keepBase)
		size = add_size(add_size(size, baseBytes), old->base * 2);
	else
	{
		slices = head + headCount;
		size = MergeSlices(slices, head, headCount, writer->base, writer->baseCount);
	}
	if (!AllocSizeIsValid(VARHDRSZ + 1 + 5 * VARINT_MAX_BYTES + size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("feature state is too large")));

	state = palloc(VARHDRSZ + 1 + 5 * VARINT_MAX_BYTES + size);
	out = (uint8 *) VARDATA(state);
	*out++ = FEATURE_STATE_VERSION;
	out = WriteTime(out, newest);
	out = VarintWrite(out, (uint64) evicted);
	out = VarintWrite(out, keepBase ? headCount : 0);
	out = VarintWrite(out, keepBase ? old->base : headCount + writer->baseCount);
	out = VarintWrite(out, keepBase ? old->base - writer->baseCount : 0);
	if (keepBase)
		out = WriteGaps(out, writer, old->base);
	out = WriteSlices(out, writer, slices, keepBase ? headCount : headCount + writer->baseCount);
	if (keepBase)
	{
		memcpy(out, old->baseData, baseBytes);
		out += baseBytes;
	}
	SET_VARSIZE(state, out - (uint8 *) state);

	pfree(head);
	pfree(writer->head);
	if (writer->buffer)
		pfree(writer->buffer);
	if (writer->panes)
		pfree(writer->panes);
	return state;
}

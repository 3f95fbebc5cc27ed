/*
 * feature_distinct.c
 *		The packed profile: how many different values a signal has had in a pane.
 *
 * Values of a signal make room for others, so they cannot be counted when there have
 * been too many.  A signal that keeps "distinct" therefore has one more feature, whose
 * panes are those of all its values together and hold these themselves: up to
 * FEATURE_DISTINCT_EXACT of them one by one, more of them as the registers of a
 * HyperLogLog (Flajolet et al., 2007), whose standard error is 1.04 / sqrt(registers).
 *
 * Either is a function of the set of a pane's events, for a set only grows: whatever
 * the order of events, and however panes were joined, a pane has registers if it has
 * had more different values.  Joining takes the union, of registers the larger of two.
 * Nothing can be taken out: what is to be undone is counted anew from the raw events.
 *
 *		list:		number of values (1 byte) | value (6 bytes, low byte first), ascending ...
 *		registers:	0 (1 byte) | registers of 5 bits, low bits first
 */
#include "postgres.h"

#include "base/grow.h"
#include "signals/feature_state.h"

#include <math.h>

#include "compat.h"
#include "lib/hyperloglog.h"
#include "signals/feature_state_internal.h"

#define VALUE_BYTES 6

#define REGISTERS (1 << FEATURE_DISTINCT_BITS)
#define REGISTER_BITS 5
/* 8 registers take so many bytes. */
#define GROUP_BYTES REGISTER_BITS
#define REGISTERS_SIZE FEATURE_DISTINCT_MAX_SIZE
/* The place of the first bit among those of a 32-bit hash that do not choose the register. */
#define MAX_REGISTER (32 - FEATURE_DISTINCT_BITS + 1)

/* A value that a pane is to hold. */
typedef struct DistinctEntry
{
	TimestampTz start;			/* of the pane */
	uint64		value;
	const FeatureDelta *delta;
} DistinctEntry;

/* True if the values are not kept one by one. */
static inline bool
IsEstimated(const FeatureDistinct *distinct)
{
	return distinct->bytes[0] == 0;
}

/* A value of a list. */
static inline uint64
ListValue(const uint8 *bytes, int place)
{
	uint64		value = 0;

	for (int i = 0; i < VALUE_BYTES; i++)
		value |= (uint64) bytes[1 + place * VALUE_BYTES + i] << (8 * i);
	return value;
}

/* Write a value of a list. */
void
FeatureDistinctSetValue(uint8 *bytes, int place, uint64 value)
{
	for (int i = 0; i < VALUE_BYTES; i++)
		bytes[1 + place * VALUE_BYTES + i] = (uint8) (value >> (8 * i));
}

/* Write how many values there are; returns the size of all. */
int
FeatureDistinctSetCount(uint8 *bytes, int count)
{
	bytes[0] = (uint8) count;
	return count == 0 ? REGISTERS_SIZE : 1 + count * VALUE_BYTES;
}

/* The values of a list. */
int
FeatureDistinctValues(const FeatureDistinct *distinct, uint64 *values)
{
	for (int i = 0; i < distinct->bytes[0]; i++)
		values[i] = ListValue(distinct->bytes, i);
	return distinct->bytes[0];
}

/* The hash of a value: MurmurHash3's finalizer. */
static inline uint32
HashOf(uint64 value)
{
	value ^= value >> 33;
	value *= UINT64CONST(0xff51afd7ed558ccd);
	value ^= value >> 33;
	value *= UINT64CONST(0xc4ceb9fe1a85ec53);
	value ^= value >> 33;
	return (uint32) value;
}

/* Let registers know of what a pane holds. */
static void
AddTo(hyperLogLogState *registers, const FeatureDistinct *distinct)
{
	const uint8 *in = distinct->bytes + 1;

	if (!IsEstimated(distinct))
	{
		for (int i = 0; i < distinct->bytes[0]; i++)
			addHyperLogLog(registers, HashOf(ListValue(distinct->bytes, i)));
		return;
	}
	for (int i = 0; i < REGISTERS; i += 8, in += GROUP_BYTES)
	{
		uint64		bits = 0;

		for (int j = 0; j < GROUP_BYTES; j++)
			bits |= (uint64) in[j] << (8 * j);
		for (int j = 0; j < 8; j++, bits >>= REGISTER_BITS)
			registers->hashesArr[i + j] = Max(registers->hashesArr[i + j], bits & ((1 << REGISTER_BITS) - 1));
	}
}

/* Registers as they are kept; they are freed. */
static FeatureDistinct
PackRegisters(hyperLogLogState *registers)
{
	uint8	   *bytes = palloc(REGISTERS_SIZE);
	uint8	   *out = bytes;

	*out++ = 0;
	for (int i = 0; i < REGISTERS; i += 8)
	{
		uint64		bits = 0;

		for (int j = 0; j < 8; j++)
			bits |= (uint64) registers->hashesArr[i + j] << (REGISTER_BITS * j);
		for (int j = 0; j < GROUP_BYTES; j++)
			*out++ = (uint8) (bits >> (8 * j));
	}
	freeHyperLogLog(registers);
	return (FeatureDistinct) {.bytes = bytes,.size = REGISTERS_SIZE,.owned = true};
}

/* What a pane with these values, ascending and different, keeps. */
static FeatureDistinct
PackValues(const uint64 *values, int count)
{
	uint8	   *bytes;
	hyperLogLogState registers;

	if (count > FEATURE_DISTINCT_EXACT)
	{
		initHyperLogLog(&registers, FEATURE_DISTINCT_BITS);
		for (int i = 0; i < count; i++)
			addHyperLogLog(&registers, HashOf(values[i]));
		return PackRegisters(&registers);
	}
	bytes = palloc(1 + count * VALUE_BYTES);
	for (int i = 0; i < count; i++)
		FeatureDistinctSetValue(bytes, i, values[i]);
	return (FeatureDistinct) {.bytes = bytes,.size = FeatureDistinctSetCount(bytes, count),.owned = true};
}

/* The union of two lists. */
static FeatureDistinct
JoinLists(const uint8 *left, const uint8 *right)
{
	uint64		values[2 * FEATURE_DISTINCT_EXACT];
	int			count = 0;

	for (int i = 0, j = 0; i < left[0] || j < right[0];)
	{
		uint64		a = i < left[0] ? ListValue(left, i) : PG_UINT64_MAX;
		uint64		b = j < right[0] ? ListValue(right, j) : PG_UINT64_MAX;

		values[count++] = Min(a, b);
		i += a <= b;
		j += b <= a;
	}
	return PackValues(values, count);
}

/* Free what joining has made. */
void
FeatureDistinctFree(FeatureDistinct *distinct)
{
	if (distinct->owned)
		pfree(unconstify(uint8 *, distinct->bytes));
	distinct->owned = false;
}

/* Join what another pane holds. */
void
FeatureDistinctJoin(FeatureDistinct *into, const FeatureDistinct *other)
{
	FeatureDistinct joined;
	hyperLogLogState registers;

	if (!IsEstimated(into) && !IsEstimated(other))
		joined = JoinLists(into->bytes, other->bytes);
	else
	{
		initHyperLogLog(&registers, FEATURE_DISTINCT_BITS);
		AddTo(&registers, into);
		AddTo(&registers, other);
		joined = PackRegisters(&registers);
	}
	FeatureDistinctFree(into);
	*into = joined;
}

/* True if registers are such as values leave. */
static bool
RegistersAreValid(const uint8 *in)
{
	uint64		any = 0;

	for (int i = 0; i < REGISTERS; i += 8, in += GROUP_BYTES)
	{
		uint64		bits = 0;

		for (int j = 0; j < GROUP_BYTES; j++)
			bits |= (uint64) in[j] << (8 * j);
		any |= bits;
		for (int j = 0; j < 8; j++, bits >>= REGISTER_BITS)
			if ((bits & ((1 << REGISTER_BITS) - 1)) > MAX_REGISTER)
				return false;
	}
	return any != 0;
}

/* Read what a pane holds; false if it is none. */
bool
FeatureDistinctRead(const uint8 **next, const uint8 *end, FeatureDistinct *distinct)
{
	const uint8 *bytes = *next;
	int			count;

	if (bytes >= end || *bytes > FEATURE_DISTINCT_EXACT)
		return false;
	count = *bytes;
	distinct->bytes = bytes;
	distinct->size = count == 0 ? REGISTERS_SIZE : 1 + count * VALUE_BYTES;
	distinct->owned = false;
	if (end - bytes < distinct->size)
		return false;
	for (int i = 0; i < count; i++)
		if (ListValue(bytes, i) == FEATURE_VALUE_DISTINCT || (i > 0 && ListValue(bytes, i) <= ListValue(bytes, i - 1)))
			return false;
	*next += distinct->size;
	return count > 0 || RegistersAreValid(bytes + 1);
}

/* By pane, then by value; what a pane held comes last. */
static inline int
CompareEntries(const DistinctEntry *left, const DistinctEntry *right)
{
	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->value < right->value ? -1 : left->value > right->value;
}

/* Sort entries, with the comparison inlined. */
#define ST_SORT SortEntries
#define ST_ELEMENT_TYPE DistinctEntry
#define ST_COMPARE(a, b) CompareEntries(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Add a pane to a group. */
static void
AddPane(FeatureGroup *group, TimestampTz start, FeatureGrain grain, FeatureDistinct distinct)
{
	FeaturePane *pane = &group->panes[group->count++];

	FeaturePaneSet(pane, start, grain);
	pane->count = 1;
	pane->sum = FEATURE_SUM_UNIT;
	pane->extremes.kept = 0;
	pane->distinct = distinct;
}

/* The panes with the values of a signal's deltas, of which there are some. */
void
FeatureDistinctGroup(FeatureGroup *group, const FeatureDelta *deltas, int count, FeatureGrain fine)
{
	DistinctEntry *entries = palloc_extended(mul_size(sizeof(DistinctEntry), count), MCXT_ALLOC_HUGE);
	uint64	   *values = palloc_extended(mul_size(sizeof(uint64), count), MCXT_ALLOC_HUGE);

	group->key = FeatureKeyMake(FeatureKeySignal(deltas[0].key), FEATURE_VALUE_DISTINCT);
	group->last = DT_NOBEGIN;
	group->count = 0;
	group->panes = palloc_extended(mul_size(sizeof(FeaturePane), count), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		FeaturePane pane;

		FeaturePaneSet(&pane, deltas[i].ts, fine);
		entries[i] = (DistinctEntry) {pane.start, FeatureKeyHash(deltas[i].key), &deltas[i]};
		group->last = Max(group->last, deltas[i].ts);
	}
	SortEntries(entries, count);
	for (int i = 0; i < count;)
	{
		TimestampTz start = entries[i].start;
		int			different = 0;

		for (; i < count && entries[i].start == start && entries[i].value != FEATURE_VALUE_DISTINCT; i++)
			if (different == 0 || values[different - 1] != entries[i].value)
				values[different++] = entries[i].value;
		if (different > 0)
			AddPane(group, start, fine, PackValues(values, different));
		for (; i < count && entries[i].start == start; i++)
			AddPane(group, start, fine, *entries[i].delta->distinct);
	}
	pfree(entries);
	pfree(values);
}

/* Free what FeatureDistinctGroup() has made. */
void
FeatureDistinctGroupFree(FeatureGroup *group)
{
	for (int i = 0; i < group->count; i++)
		FeatureDistinctFree(&group->panes[i].distinct);
	pfree(group->panes);
}

/* Ascending. */
static inline int
CompareValues(const uint64 *left, const uint64 *right)
{
	return *left < *right ? -1 : *left > *right;
}

/* Sort values, with the comparison inlined. */
#define ST_SORT SortValues
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) CompareValues(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* How many are different; sorts them. */
static int64
CountDifferent(uint64 *values, int count)
{
	int64		different = 0;

	SortValues(values, count);
	for (int i = 0; i < count; i++)
		different += i == 0 || values[i] != values[i - 1];
	return different;
}

/* How many different values the panes in a period hold. */
int64
FeatureDistinctOver(const Feature *feature, TimestampTz since, TimestampTz until, bool *estimated)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;
	hyperLogLogState registers;
	int			capacity = FEATURE_DISTINCT_EXACT;
	uint64	   *values = palloc(sizeof(uint64) * capacity);
	int			count = 0;
	int64		result;

	*estimated = false;
	initHyperLogLog(&registers, FEATURE_DISTINCT_BITS);
	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane) && pane.start > since)
	{
		if (pane.start > until)
			continue;
		*estimated |= IsEstimated(&pane.distinct);
		AddTo(&registers, &pane.distinct);
		GrowArray(values, count + FEATURE_DISTINCT_EXACT, capacity, FEATURE_DISTINCT_EXACT);
		for (int i = 0; i < pane.distinct.bytes[0]; i++)
			values[count++] = ListValue(pane.distinct.bytes, i);
	}
	result = *estimated ? (int64) rint(estimateHyperLogLog(&registers)) : CountDifferent(values, count);
	freeHyperLogLog(&registers);
	pfree(values);
	return result;
}

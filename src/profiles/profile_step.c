/*
 * profile_step.c
 *		Events that are steps of a sequence: merging and packing.
 *
 * What is kept is a function of the set of steps: the newest ones of all that are
 * within the horizon of the newest, and both can be told from those of its parts.
 *
 * Packed: a version byte, the time of the newest (8 bytes), then for each, newest
 * first: varints of the microseconds before the one ahead of it, the event type and
 * the purposes, a byte that says which keys there are, and 8 bytes for each.
 */
#include "postgres.h"

#include "profiles/profile_step.h"

#include "base/key.h"
#include "base/stored_row.h"
#include "base/varint.h"
#include "signals/signal.h"
#include "signals/value_key.h"

#define STEP_VERSION 1
#define MAX_STEP_BYTES (3 * 10 + 1 + PROFILE_STEP_KEYS * 8)

/* Give a step a key. */
static void
SetKey(ProfileStep *step, ProfileStepKey which, int64 key)
{
	step->has |= 1 << which;
	step->keys[which] = key;
}

/* What an event is as a step. */
const char *
ProfileStepSet(ProfileStep *step, const EventRow *row, int *length)
{
	const char *text = NULL;
	JsonbValue	query;

	memset(step, 0, sizeof(ProfileStep));
	step->ts = row->ts;
	step->mask = row->consent;
	step->event = row->event;
	if (EventProperty(row, "query", &query) && query.type == jbvString &&
		query.val.string.len > 0 && query.val.string.len <= SIGNAL_MAX_VALUE_BYTES)
	{
		text = query.val.string.val;
		*length = query.val.string.len;
		SetKey(step, PROFILE_STEP_QUERY, (int64) FeatureValueHash(KeyFromBytes(text, *length)));
	}
	if (row->hasItem)
		SetKey(step, PROFILE_STEP_ITEM, row->itemKey);
	if (row->hasSession)
		SetKey(step, PROFILE_STEP_SESSION, row->sessionKey);
	return text;
}

/* Order steps newest first, and those of one time in one order. */
int
ProfileStepCompare(const void *left, const void *right)
{
	const ProfileStep *a = left;
	const ProfileStep *b = right;

	if (a->ts != b->ts)
		return a->ts > b->ts ? -1 : 1;
	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	if (a->has != b->has)
		return a->has < b->has ? -1 : 1;
	for (int i = 0; i < PROFILE_STEP_KEYS; i++)
		if (a->keys[i] != b->keys[i])
			return a->keys[i] < b->keys[i] ? -1 : 1;
	return a->mask < b->mask ? -1 : a->mask > b->mask;
}

/* True if a step is so long before the newest that no sequence reaches it. */
static bool
IsBeyond(const ProfileStep *newest, const ProfileStep *step, int64 horizon)
{
	return (uint64) newest->ts - (uint64) step->ts > (uint64) horizon;
}

/* Add steps, which are sorted in place. */
void
ProfileStepsAdd(ProfileSteps *steps, ProfileStep *added, int count, int64 horizon)
{
	ProfileStep merged[PROFILE_MAX_STEPS];
	int			mergedCount = 0;
	int			oldNext = 0;
	int			newNext = 0;

	qsort(added, count, sizeof(ProfileStep), ProfileStepCompare);
	while (mergedCount < PROFILE_MAX_STEPS && (oldNext < steps->count || newNext < count))
	{
		const ProfileStep *next;

		if (newNext == count ||
			(oldNext < steps->count && ProfileStepCompare(&steps->steps[oldNext], &added[newNext]) <= 0))
			next = &steps->steps[oldNext++];
		else
			next = &added[newNext++];
		if (mergedCount > 0 && IsBeyond(&merged[0], next, horizon))
			break;
		if (mergedCount == 0 || ProfileStepCompare(&merged[mergedCount - 1], next) != 0)
			merged[mergedCount++] = *next;
	}
	memcpy(steps->steps, merged, sizeof(ProfileStep) * mergedCount);
	steps->count = mergedCount;
}

/* What is said of bytes that nobody has written. */
#define DAMAGE "The steps do not keep to their format."

/* Complain about bytes that nobody has written. */
pg_noreturn static void
ReportDamage(void)
{
	StoredRowReportDamage(STORED_PROFILE, DAMAGE);
}

/* Read a number up to a limit. */
static uint64
ReadNumber(const uint8 **next, const uint8 *end, uint64 limit)
{
	return StoredRowReadNumber(STORED_PROFILE, next, end, limit, DAMAGE);
}

/* Read the step after the one of a time. */
static const uint8 *
ReadStep(const uint8 *from, const uint8 *end, TimestampTz previous, ProfileStep *step)
{
	memset(step, 0, sizeof(ProfileStep));
	step->ts = (TimestampTz) ((uint64) previous -
							  ReadNumber(&from, end, (uint64) previous - (uint64) MIN_TIMESTAMP));
	step->event = (int16) ReadNumber(&from, end, PG_UINT16_MAX);
	step->mask = (int32) ReadNumber(&from, end, PG_UINT32_MAX);
	step->has = (uint8) ReadNumber(&from, end, (1 << PROFILE_STEP_KEYS) - 1);
	for (int i = 0; i < PROFILE_STEP_KEYS; i++)
	{
		if ((step->has & (1 << i)) == 0)
			continue;
		if (end - from < (int) sizeof(int64))
			ReportDamage();
		memcpy(&step->keys[i], from, sizeof(int64));
		from += sizeof(int64);
	}
	return from;
}

/* Pack. */
bytea *
ProfileStepsPack(const ProfileSteps *steps)
{
	bytea	   *packed = palloc(VARHDRSZ + 1 + sizeof(TimestampTz) + MAX_STEP_BYTES * steps->count);
	uint8	   *to = (uint8 *) VARDATA(packed);
	TimestampTz previous = steps->count > 0 ? steps->steps[0].ts : 0;

	*to++ = STEP_VERSION;
	memcpy(to, &previous, sizeof(previous));
	to += sizeof(previous);
	for (int i = 0; i < steps->count; i++)
	{
		const ProfileStep *step = &steps->steps[i];

		to = VarintWrite(to, (uint64) previous - (uint64) step->ts);
		to = VarintWrite(to, (uint16) step->event);
		to = VarintWrite(to, (uint32) step->mask);
		*to++ = step->has;
		for (int key = 0; key < PROFILE_STEP_KEYS; key++)
			if ((step->has & (1 << key)) != 0)
			{
				memcpy(to, &step->keys[key], sizeof(int64));
				to += sizeof(int64);
			}
		previous = step->ts;
	}
	SET_VARSIZE(packed, to - (uint8 *) packed);
	return packed;
}

/* Unpack. */
void
ProfileStepsUnpack(const bytea *packed, ProfileSteps *steps)
{
	const uint8 *from = (const uint8 *) VARDATA_ANY(packed);
	const uint8 *end = from + VARSIZE_ANY_EXHDR(packed);
	TimestampTz previous;

	steps->count = 0;
	if (end - from < 1 + (int) sizeof(previous))
		ReportDamage();
	if (*from != STEP_VERSION)
		StoredRowReportVersion(STORED_PROFILE, *from, STEP_VERSION);
	from++;
	memcpy(&previous, from, sizeof(previous));
	from += sizeof(previous);
	if (!IS_VALID_TIMESTAMP(previous))
		ReportDamage();
	while (from < end)
	{
		if (steps->count == PROFILE_MAX_STEPS)
			ReportDamage();
		from = ReadStep(from, end, previous, &steps->steps[steps->count]);
		if (steps->count > 0 && ProfileStepCompare(&steps->steps[steps->count - 1], &steps->steps[steps->count]) >= 0)
			ReportDamage();
		previous = steps->steps[steps->count++].ts;
	}
}

/*
 * profile_recent.c
 *		The recent items of a profile: merging and packing.
 *
 * Packed: a version byte, the time of the newest entry (8 bytes), then for each
 * entry, newest first, varints: microseconds before the previous entry, event
 * type, purposes, and the item: a number below 2^62 doubled, anything else as 1
 * and the key's 8 bytes.
 */
#include "postgres.h"

#include "profiles/profile_delta.h"

#include "base/stored_row.h"
#include "base/varint.h"
#include "compat.h"

#define RECENT_VERSION 1
#define MAX_ENTRY_BYTES 32
#define SMALL_KEY_LIMIT (INT64CONST(1) << 62)

/* Order items newest first, and those of one time in one order. */
static inline int
CompareItems(const ProfileItem *a, const ProfileItem *b)
{
	if (a->ts != b->ts)
		return a->ts > b->ts ? -1 : 1;
	if (a->itemKey != b->itemKey)
		return a->itemKey < b->itemKey ? -1 : 1;
	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return a->mask < b->mask ? -1 : a->mask > b->mask;
}

/* Sort items, with the comparison inlined. */
#define ST_SORT SortItems
#define ST_ELEMENT_TYPE ProfileItem
#define ST_COMPARE(a, b) CompareItems(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* True if two entries differ in time only. */
static inline bool
IsSameItem(const ProfileItem *a, const ProfileItem *b)
{
	return a->itemKey == b->itemKey && a->event == b->event && a->mask == b->mask;
}

/* True if one of the entries differs from item in time only. */
static bool
Contains(const ProfileItem *items, int count, const ProfileItem *item)
{
	for (int i = 0; i < count; i++)
	{
		if (IsSameItem(&items[i], item))
			return true;
	}
	return false;
}

/* Add items, which are sorted in place. */
void
ProfileRecentAdd(ProfileRecent *recent, ProfileItem *items, int count)
{
	ProfileItem merged[PROFILE_MAX_RECENT];
	int			mergedCount = 0;
	int			oldNext = 0;
	int			newNext = 0;

	if (count == 0)
		return;
	SortItems(items, count);
	while (mergedCount < PROFILE_MAX_RECENT &&
		   (oldNext < recent->count || newNext < count))
	{
		const ProfileItem *next;

		if (newNext == count ||
			(oldNext < recent->count &&
			 CompareItems(&recent->items[oldNext], &items[newNext]) <= 0))
			next = &recent->items[oldNext++];
		else
			next = &items[newNext++];
		if (!Contains(merged, mergedCount, next))
			merged[mergedCount++] = *next;
	}
	memcpy(recent->items, merged, sizeof(ProfileItem) * mergedCount);
	recent->count = mergedCount;
}

/* What is said of bytes that nobody has written. */
#define DAMAGE "The recent items do not keep to their format."

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

/* Read the entry after the one of a time. */
static const uint8 *
ReadEntry(const uint8 *from, const uint8 *end, TimestampTz previous, ProfileItem *item)
{
	uint64		number;

	memset(item, 0, sizeof(ProfileItem));
	number = ReadNumber(&from, end, (uint64) previous - (uint64) MIN_TIMESTAMP);
	item->ts = (TimestampTz) ((uint64) previous - number);
	item->event = (int16) ReadNumber(&from, end, PG_UINT16_MAX);
	item->mask = (int32) ReadNumber(&from, end, PG_UINT32_MAX);
	number = ReadNumber(&from, end, PG_UINT64_MAX);
	if ((number & 1) == 0)
		item->itemKey = (int64) (number >> 1);
	else
	{
		if (number != 1 || end - from < (int) sizeof(item->itemKey))
			ReportDamage();
		memcpy(&item->itemKey, from, sizeof(item->itemKey));
		from += sizeof(item->itemKey);
	}
	return from;
}

/* Pack. */
bytea *
ProfileRecentPack(const ProfileRecent *recent)
{
	bytea	   *packed = palloc(VARHDRSZ + 1 + sizeof(TimestampTz) +
								MAX_ENTRY_BYTES * recent->count);
	uint8	   *to = (uint8 *) VARDATA(packed);
	TimestampTz previous = recent->count > 0 ? recent->items[0].ts : 0;

	*to++ = RECENT_VERSION;
	memcpy(to, &previous, sizeof(previous));
	to += sizeof(previous);
	for (int i = 0; i < recent->count; i++)
	{
		const ProfileItem *item = &recent->items[i];

		to = VarintWrite(to, (uint64) previous - (uint64) item->ts);
		to = VarintWrite(to, (uint16) item->event);
		to = VarintWrite(to, (uint32) item->mask);
		if (item->itemKey >= 0 && item->itemKey < SMALL_KEY_LIMIT)
			to = VarintWrite(to, (uint64) item->itemKey << 1);
		else
		{
			*to++ = 1;
			memcpy(to, &item->itemKey, sizeof(item->itemKey));
			to += sizeof(item->itemKey);
		}
		previous = item->ts;
	}
	SET_VARSIZE(packed, to - (uint8 *) packed);
	return packed;
}

/* Unpack; the bytea may have a short header. */
void
ProfileRecentUnpack(const bytea *packed, ProfileRecent *recent)
{
	const uint8 *from = (const uint8 *) VARDATA_ANY(packed);
	const uint8 *end = from + VARSIZE_ANY_EXHDR(packed);
	TimestampTz previous;

	recent->count = 0;
	if (end - from < 1 + (int) sizeof(previous))
		ReportDamage();
	if (*from != RECENT_VERSION)
		StoredRowReportVersion(STORED_PROFILE, *from, RECENT_VERSION);
	from++;
	memcpy(&previous, from, sizeof(previous));
	from += sizeof(previous);
	if (!IS_VALID_TIMESTAMP(previous))
		ReportDamage();
	while (from < end)
	{
		ProfileItem *item = &recent->items[recent->count];

		if (recent->count == PROFILE_MAX_RECENT)
			ReportDamage();
		from = ReadEntry(from, end, previous, item);
		if ((recent->count > 0 && CompareItems(item - 1, item) >= 0) ||
			Contains(recent->items, recent->count, item))
			ReportDamage();
		recent->count++;
		previous = item->ts;
	}
}

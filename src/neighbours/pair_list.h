/*
 * pair_list.h
 *		What people went to next to an item, summed up.
 */
#ifndef PERSONALIZE_PAIR_LIST_H
#define PERSONALIZE_PAIR_LIST_H

#include "postgres.h"

#include "base/bytes.h"
#include "base/keyed.h"
#include "neighbours/posting.h"

/* Columns of _pair_list. */
typedef enum PairListColumn
{
	PAIR_LIST_ITEM_KEY = 1,
	PAIR_LIST_DATA
} PairListColumn;
#define PAIR_LIST_COLUMN_COUNT 2

/* The heaviest so many pairs are kept. */
#define PAIR_LIST_KEPT 50

/* What a pair weighs that was seen once, the other coming right after. */
#define PAIR_UNIT 160

/* The time in which what an item is met weighs 1/e, for its trend. */
#define PAIR_TREND_DECAY (3 * USECS_PER_DAY)

/* Units of recent. */
#define PAIR_RECENT_UNIT 4294967296.0

/*
 * A list: a header and pairs, heaviest first; numbers are little-endian:
 *
 *	0  version		1 byte
 *	1  pairs		1 byte
 *	2  width		1 byte: of a key
 *	3  next			2 bytes: how often anything came right after the item
 *	5  total		4 bytes: weight of all pairs, kept or not
 *	9  sessions		8 bytes: with the item
 *	17 newest		8 bytes: when the newest of these came to it
 *	25 recent		8 bytes: sessions, each weighing 1/e per PAIR_TREND_DECAY before newest
 *	33 pairs:
 *		0  weight		2 bytes
 *		2  next			2 bytes: how often right after the item
 *		4  key			width bytes
 */
#define PAIR_LIST_HEADER 33
#define PAIR_LIST_MAX (PAIR_LIST_HEADER + PAIR_LIST_KEPT * (4 + 8))

/* A list, its pairs still packed. */
typedef struct PairList
{
	int			count;
	int			width;
	int			next;
	int			total;
	int64		sessions;
	TimestampTz newest;
	double		recent;
	const uint8 *pairs;			/* behind the header */
} PairList;

/* A pair. */
typedef struct Pair
{
	int64		itemKey;
	int			weight;
	int			next;
} Pair;

/* The index-th pair. */
static inline Pair
PairListGet(const PairList *list, int index)
{
	const uint8 *data = list->pairs + index * (4 + list->width);
	Pair		pair = {
		.itemKey = (int64) BytesGetBefore(data + 4 + list->width, list->width),
		.weight = (int) BytesGet(data, 2),
		.next = (int) BytesGet(data + 2, 2)
	};

	return pair;
}

/* Bytes of the pairs. */
static inline int
PairListLength(const PairList *list)
{
	return list->count * (4 + list->width);
}

/*
 * Sum up an item's newest sessions, which are given newest first; no more than
 * POSTING_KEPT of these count.  sessions: all there are.  Returns the length of what
 * is packed into out, which has room for PAIR_LIST_MAX.
 */
extern int	PairListMake(const PostingEntry *entries, int count, int64 sessions, uint8 *out);

/* Take a packed list apart. */
extern void PairListRead(const uint8 *data, int length, PairList *list);

/* Make the stored list of an item what its postings say. */
extern void PairListStore(KeyedTable *lists, Snapshot snapshot, int64 itemKey, const PostingNewest *newest);

#endif

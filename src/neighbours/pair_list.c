/*
 * pair_list.c
 *		What people went to next to an item, summed up.
 *
 * Of an item's newest POSTING_KEPT sessions, a follower at distance d counts
 * 160 2^(1-d), an item before it 128 2^(1-d), up to POSTING_WINDOW either way;
 * the 50 heaviest are kept.  P(y|x) = C(x,y) / (T(x) + 5), in units of 160, where T is
 * the weight of all pairs, kept or not.
 *
 * A list is a function of the postings and is made anew whenever they change; it is
 * never counted down, for what was cut off would be missing then.
 */
#include "postgres.h"

#include "neighbours/pair_list.h"

#include <math.h>

#include "base/key_set.h"
#include "base/topk.h"
#include "port/pg_bitutils.h"
#include "utils/timestamp.h"

#define PAIR_LIST_VERSION 1

/* As many pairs as there can be. */
#define MOST_PAIRS (POSTING_KEPT * POSTING_WINDOW * 2)

StaticAssertDecl(MOST_PAIRS <= PG_INT16_MAX, "places in the table of pairs");

/* Weights by distance. */
static const int forward[] = {0, 160, 80, 40, 20, 10, 5};
static const int backward[] = {0, 128, 64, 32, 16, 8, 4};

StaticAssertDecl(lengthof(forward) == POSTING_WINDOW + 1, "weights of followers");
StaticAssertDecl(lengthof(backward) == POSTING_WINDOW + 1, "weights of what came before");

/* The pairs of an item while they are summed up. */
typedef struct PairSum
{
	int			count;
	Pair	   *pairs;
	uint32		places;			/* of the table, a power of two and more than there are pairs */
	int16	   *table;			/* open addressing: index into pairs, or -1 */
} PairSum;

/* The pair of an item. */
static Pair *
FindPair(PairSum *sum, int64 itemKey)
{
	uint32		slot = KeySpread(itemKey) & (sum->places - 1);
	Pair	   *pair;

	while (sum->table[slot] >= 0)
	{
		pair = &sum->pairs[sum->table[slot]];
		if (pair->itemKey == itemKey)
			return pair;
		slot = (slot + 1) & (sum->places - 1);
	}
	sum->table[slot] = sum->count;
	pair = &sum->pairs[sum->count++];
	pair->itemKey = itemKey;
	pair->weight = pair->next = 0;
	return pair;
}

/* Begin without a pair, with room for those of the entries. */
static void
BeginSum(PairSum *sum, const PostingEntry *entries, int count)
{
	int			most = 1;

	for (int i = 0; i < count; i++)
		most += entries[i].before + entries[i].after;
	sum->count = 0;
	sum->places = pg_nextpower2_32(most + most / 4);
	sum->pairs = palloc_array(Pair, most);
	sum->table = palloc_array(int16, sum->places);
	memset(sum->table, 0xff, sizeof(int16) * sum->places);
}

/* Sum the pairs of the entries up; returns their weight, and how many came right after. */
static int
SumUp(PairSum *sum, const PostingEntry *entries, int count, int *next)
{
	int			total = 0;

	BeginSum(sum, entries, count);
	*next = 0;
	for (int i = 0; i < count; i++)
	{
		for (int w = 0; w < entries[i].before + entries[i].after; w++)
		{
			int			d = PostingWindowPlace(&entries[i], w);
			Pair	   *pair = FindPair(sum, PostingWindowItem(&entries[i], w));
			int			weight = d > 0 ? forward[d] : backward[-d];

			pair->weight += weight;
			pair->next += d == 1;
			total += weight;
			*next += d == 1;
		}
	}
	return total;
}

/*
 * How many of the sessions are recent, each weighing 1/e per PAIR_TREND_DECAY before
 * the newest.  Where there are more than were given, those lie where a steady stream of
 * them would.
 */
static double
Recent(const PostingEntry *entries, int count, int64 sessions)
{
	double		recent = 0;
	double		covered;

	for (int i = 0; i < count; i++)
		recent += exp(((double) entries[i].ts - (double) entries[0].ts) / PAIR_TREND_DECAY);
	if (sessions <= count)
		return recent;
	covered = 1 - exp(((double) entries[count - 1].ts - (double) entries[0].ts) / PAIR_TREND_DECAY);
	return covered * sessions <= recent ? (double) sessions : recent / covered;
}

/* Bytes that the keys of the first pairs in order need. */
static int
KeyWidth(const PairSum *sum, const TopkEntry *order, int kept)
{
	uint64		all = 0;

	for (int i = 0; i < kept; i++)
		all |= (uint64) sum->pairs[order[i].index].itemKey;
	return BytesWidth(all);
}

/* Sum up an item's newest sessions. */
int
PairListMake(const PostingEntry *entries, int count, int64 sessions, uint8 *out)
{
	PairSum		sum;
	int			used = Min(count, POSTING_KEPT);
	int			next;
	int			total = SumUp(&sum, entries, used, &next);
	int			kept;
	int			width;
	uint8	   *data = out + PAIR_LIST_HEADER;
	TopkEntry  *order = palloc_array(TopkEntry, Max(sum.count, 1));

	for (int i = 0; i < sum.count; i++)
	{
		order[i].score = sum.pairs[i].weight;
		order[i].tie = sum.pairs[i].itemKey;
		order[i].index = i;
	}
	kept = TopkSort(order, sum.count, PAIR_LIST_KEPT);
	width = KeyWidth(&sum, order, kept);
	out[0] = PAIR_LIST_VERSION;
	out[1] = kept;
	out[2] = width;
	BytesPut(out + 3, next, 2);
	BytesPut(out + 5, total, 4);
	BytesPut(out + 9, (uint64) sessions, 8);
	BytesPut(out + 17, (uint64) entries[0].ts, 8);
	BytesPut(out + 25, (uint64) rint(Recent(entries, used, sessions) * PAIR_RECENT_UNIT), 8);
	for (int i = 0; i < kept; i++)
	{
		const Pair *pair = &sum.pairs[order[i].index];

		BytesPut(data, pair->weight, 2);
		BytesPut(data + 2, pair->next, 2);
		BytesPut(data + 4, (uint64) pair->itemKey, width);
		data += 4 + width;
	}
	pfree(order);
	pfree(sum.table);
	pfree(sum.pairs);
	return data - out;
}

/* Take a packed list apart. */
void
PairListRead(const uint8 *data, int length, PairList *list)
{
	if (length < PAIR_LIST_HEADER)
		StoredRowReportDamage(STORED_PAIR_LIST, "The header ends beyond the bytes.");
	if (data[0] != PAIR_LIST_VERSION)
		StoredRowReportVersion(STORED_PAIR_LIST, data[0], PAIR_LIST_VERSION);
	list->count = data[1];
	list->width = data[2];
	list->next = (int) BytesGet(data + 3, 2);
	list->total = (int) BytesGet(data + 5, 4);
	list->sessions = (int64) BytesGet(data + 9, 8);
	list->newest = (TimestampTz) BytesGet(data + 17, 8);
	list->recent = (double) BytesGet(data + 25, 8) / PAIR_RECENT_UNIT;
	list->pairs = data + PAIR_LIST_HEADER;
	if (list->count > PAIR_LIST_KEPT || list->width < 1 || list->width > 8 ||
		length != PAIR_LIST_HEADER + PairListLength(list) ||
		list->sessions < 1 || !IS_VALID_TIMESTAMP(list->newest))
		StoredRowReportDamage(STORED_PAIR_LIST, "The header or the length cannot be.");
}

/* Make the stored list of an item what its postings say. */
void
PairListStore(KeyedTable *lists, Snapshot snapshot, int64 itemKey, const PostingNewest *newest)
{
	Datum		key = Int64GetDatum(itemKey);
	Datum		values[PAIR_LIST_COLUMN_COUNT];
	bytea	   *made = palloc(VARHDRSZ + PAIR_LIST_MAX);
	TupleTableSlot *slot;
	ItemPointerData tid;

	if (newest->count > 0)
		SET_VARSIZE(made, VARHDRSZ + PairListMake(newest->entries, newest->count, newest->sessions,
												  (uint8 *) VARDATA(made)));
	values[PAIR_LIST_ITEM_KEY - 1] = key;
	values[PAIR_LIST_DATA - 1] = PointerGetDatum(made);
	slot = KeyedSeekOne(lists, snapshot, 1, &key);
	if (slot)
		tid = slot->tts_tid;
	if (slot && newest->count > 0)
		KeyedUpdate(lists, &tid, values, NULL);
	else if (slot)
		KeyedDelete(lists, &tid);
	else if (newest->count > 0)
		KeyedInsert(lists, values, NULL);
	pfree(made);
}

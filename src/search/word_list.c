/*
 * word_list.c
 *		The items that have a word.
 *
 * How many they are must be counted, entry by entry, which for a common word takes
 * longer than to look at a hundred candidates.  So each backend remembers counts, and the
 * items of common words, for as long as the index is the same, which the sum of stamps in
 * _search_total tells: what a call answers never depends on what was asked before.
 */
#include "postgres.h"

#include "search/word_list.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/grow.h"
#include "base/key.h"
#include "base/relation.h"
#include "compat.h"
#include "search/text_index.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* The column of the index that tells items apart. */
#define COLUMN_ITEM_KEY 2

/* Columns of _search_total. */
#define TOTAL_STAMP 1
#define TOTAL_ITEMS 2
#define TOTAL_LENGTHS 3

/* Words remembered at once; items of words, 16 bytes each; and of which words. */
#define MAX_WORDS 10000
#define MAX_POSTINGS (1024 * 1024)
#define MIN_POSTINGS_KEPT 1000

struct WordReader
{
	TextIndex	index;
	Snapshot	snapshot;
	bool		hasTotal;
	IndexTotal	total;
};

/* What is remembered of a word. */
typedef struct KnownWord
{
	uint64		hash;			/* of the word; hash key */
	int64		count;			/* of its items; -1: not known */
	WordPosting *postings;		/* NULL: not kept */
} KnownWord;

/* What this backend remembers, of which index. */
static MemoryContext memory = NULL;
static HTAB *known;
static uint64 memoryStamp;
static int64 postingsKept;

/* Open the index. */
WordReader *
WordReaderBegin(Snapshot snapshot)
{
	WordReader *reader = palloc0(sizeof(WordReader));

	reader->snapshot = snapshot;
	TextIndexOpen(&reader->index, "_search_posting", "_search_posting_pkey", snapshot);
	return reader;
}

/* Close it. */
void
WordReaderEnd(WordReader *reader)
{
	TextIndexClose(&reader->index);
	pfree(reader);
}

/* Add up _search_total. */
static void
ReadTotal(Snapshot snapshot, IndexTotal *total)
{
	Relation	table = RelationOpenTable("_search_total", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	int64		items = 0;
	int64		lengths[WEIGHT_COUNT] = {0};
	bool		isNull;

	memset(total, 0, sizeof(IndexTotal));
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		total->stamp += (uint64) DatumGetInt64(slot_getattr(slot, TOTAL_STAMP, &isNull));
		items += DatumGetInt64(slot_getattr(slot, TOTAL_ITEMS, &isNull));
		for (int i = 0; i < WEIGHT_COUNT; i++)
			lengths[i] += DatumGetInt64(slot_getattr(slot, TOTAL_LENGTHS + i, &isNull));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
	total->items = items;
	for (int i = 0; i < WEIGHT_COUNT; i++)
		total->averages[i] = items > 0 ? (double) lengths[i] / items : 0;
}

/* Forget what is remembered of another index, or if it is too much; no reader is at it. */
static void
PrepareMemory(uint64 stamp)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(KnownWord)};

	if (memory != NULL && memoryStamp == stamp && hash_get_num_entries(known) < MAX_WORDS &&
		postingsKept < MAX_POSTINGS - MIN_POSTINGS_KEPT)
		return;
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "personalize search words", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(memory);
	control.hcxt = memory;
	known = hash_create("personalize search words", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	memoryStamp = stamp;
	postingsKept = 0;
}

/* The index as a whole. */
const IndexTotal *
WordReaderTotal(WordReader *reader)
{
	if (!reader->hasTotal)
	{
		ReadTotal(reader->snapshot, &reader->total);
		PrepareMemory(reader->total.stamp);
		reader->hasTotal = true;
	}
	return &reader->total;
}

/* The entry the reader is at: after the word, as _search_posting_pkey has it. */
static void
ReadPosting(const WordReader *reader, WordPosting *posting)
{
	const char *rest = TextIndexRest(&reader->index, ALIGNOF_DOUBLE);

	memcpy(&posting->itemKey, rest, sizeof(int64));
	memcpy(&posting->frequencies, rest + sizeof(int64), sizeof(int32));
	memcpy(&posting->lengths, rest + sizeof(int64) + sizeof(int32), sizeof(int32));
}

/* What is remembered of a word; count is -1 if nothing. */
static KnownWord *
Recall(WordReader *reader, const text *word)
{
	uint64		hash = KeyHash(VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
	KnownWord  *entry;
	bool		found;

	(void) WordReaderTotal(reader);
	entry = hash_search(known, &hash, HASH_ENTER, &found);
	if (!found)
	{
		entry->count = -1;
		entry->postings = NULL;
	}
	return entry;
}

/* Remember the items of a word, if reading them took long and there is room. */
static void
Remember(KnownWord *entry, const WordPosting *postings, int count)
{
	entry->count = count;
	if (count < MIN_POSTINGS_KEPT || count > MAX_POSTINGS - postingsKept)
		return;
	entry->postings = MemoryContextAllocHuge(memory, sizeof(WordPosting) * count);
	memcpy(entry->postings, postings, sizeof(WordPosting) * count);
	postingsKept += count;
}

/* All items that have a word, by key. */
int
WordListRead(WordReader *reader, const text *word, const WordPosting **postings)
{
	KnownWord  *entry = Recall(reader, word);
	WordPosting *read;
	ScanKeyData key;
	int			capacity = 64;
	int			count = 0;

	*postings = entry->postings;
	if (entry->postings != NULL)
		return (int) entry->count;
	read = palloc_array(WordPosting, capacity);
	TextIndexBound(&key, BTEqualStrategyNumber, word);
	TextIndexSeek(&reader->index, &key, 1);
	while (TextIndexNext(&reader->index))
	{
		GrowArray(read, count + 1, capacity, 64);
		ReadPosting(reader, &read[count++]);
	}
	Remember(entry, read, count);
	*postings = read;
	return count;
}

/* How an item has a word. */
bool
WordListFind(WordReader *reader, const text *word, int64 itemKey, WordPosting *posting)
{
	ScanKeyData keys[2];

	TextIndexBound(&keys[0], BTEqualStrategyNumber, word);
	ScanKeyInit(&keys[1], COLUMN_ITEM_KEY, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(itemKey));
	TextIndexSeek(&reader->index, keys, 2);
	if (!TextIndexNext(&reader->index))
		return false;
	ReadPosting(reader, posting);
	return true;
}

/* True if some item has a word. */
bool
WordListExists(WordReader *reader, const text *word)
{
	ScanKeyData key;

	TextIndexBound(&key, BTEqualStrategyNumber, word);
	TextIndexSeek(&reader->index, &key, 1);
	return TextIndexNext(&reader->index);
}

/* How many items have a word. */
int64
WordListCount(WordReader *reader, const text *word)
{
	const WordPosting *postings;
	int64		count = Recall(reader, word)->count;

	return count >= 0 ? count : WordListRead(reader, word, &postings);
}

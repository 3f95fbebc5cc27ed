/*
 * word_list.h
 *		The items that have a word.
 */
#ifndef PERSONALIZE_WORD_LIST_H
#define PERSONALIZE_WORD_LIST_H

#include "postgres.h"

#include "search/item_words.h"
#include "utils/snapshot.h"

/* A word of an item, packed as item_words.h has it. */
typedef struct WordPosting
{
	int64		itemKey;
	int32		frequencies;
	int32		lengths;
} WordPosting;

/* The index as a whole. */
typedef struct IndexTotal
{
	uint64		stamp;			/* the same: the index is the same */
	double		items;
	double		averages[WEIGHT_COUNT]; /* words of an item */
} IndexTotal;

typedef struct WordReader WordReader;

/* Read under a snapshot; lives in CurrentMemoryContext. */
extern WordReader *WordReaderBegin(Snapshot snapshot);
extern void WordReaderEnd(WordReader *reader);

/* The index as a whole, read once. */
extern const IndexTotal *WordReaderTotal(WordReader *reader);

/* All items that have a word, by key, to be read until the reader ends; returns how many. */
extern int	WordListRead(WordReader *reader, const text *word, const WordPosting **postings);

/* How an item has a word; false if it does not. */
extern bool WordListFind(WordReader *reader, const text *word, int64 itemKey, WordPosting *posting);

/* True if some item has a word. */
extern bool WordListExists(WordReader *reader, const text *word);

/* How many items have a word; remembered while the index is the same. */
extern int64 WordListCount(WordReader *reader, const text *word);

#endif

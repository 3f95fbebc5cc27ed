/*
 * text_index.h
 *		Reading entries of an index whose first column is a text, without the table.
 */
#ifndef PERSONALIZE_TEXT_INDEX_H
#define PERSONALIZE_TEXT_INDEX_H

#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "storage/buf.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* An open index; what it needs is in the memory context that was current then. */
typedef struct TextIndex
{
	const char *name;
	Relation	table;
	Relation	index;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	Buffer		visibility;
	MemoryContext context;
} TextIndex;

extern void TextIndexOpen(TextIndex *reader, const char *table, const char *index, Snapshot snapshot);
extern void TextIndexClose(TextIndex *reader);

/* A bound of the first column, which has the collation C: strategy is a BT...StrategyNumber. */
extern void TextIndexBound(ScanKey key, StrategyNumber strategy, const text *value);

/* Go to the entries between bounds, of which the number of keys does not change. */
extern void TextIndexSeek(TextIndex *reader, ScanKey keys, int count);

/* The next entry that the snapshot sees, until the next call; false: no more. */
extern bool TextIndexNext(TextIndex *reader);

/* The second text of an entry whose first two columns are texts. */
extern const text *TextIndexSecondText(const TextIndex *reader);

/* Its text, which lives as long; and what follows that in the entry, aligned. */
extern const text *TextIndexText(const TextIndex *reader);
extern const char *TextIndexRest(const TextIndex *reader, int alignment);

#endif

/*
 * leaf_find.h
 *		The few rows of a key, where an index was seen to have them.
 */
#ifndef PERSONALIZE_LEAF_FIND_H
#define PERSONALIZE_LEAF_FIND_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/relcache.h"

/* Of a key that has more rows nothing is remembered. */
#define LEAF_MAX_ROWS 14

/* Where rows may be, or have been, in the order of the index. */
typedef struct LeafRows
{
	int			count;
	ItemPointerData tids[LEAF_MAX_ROWS];
} LeafRows;

/*
 * All rows whose first column, a bigint, is the key, as an index says them now; a snapshot that
 * was taken before decides which of them it sees.  False: search the index.
 */
extern bool LeafFind(Relation index, int64 key, LeafRows *rows);

/* The same if it is remembered, of an index that need not be locked; count is negative if there are more than that. */
extern bool LeafKnown(Relation index, int64 key, LeafRows *rows);

/* That is about to be asked of each of these keys, and the rows in the table then read, from the last. */
extern void LeafExpect(Relation index, Relation table, const int64 *keys, int count);

extern void LeafFindInit(void);

#endif

/*
 * range_mark.h
 *		Whether the rows of a key are still what they were: those that an index has of it.
 */
#ifndef PERSONALIZE_RANGE_MARK_H
#define PERSONALIZE_RANGE_MARK_H

#include "postgres.h"

#include "access/genam.h"
#include "base/row_place.h"

/* The leaf pages that the entries of a key lie on; more are not marked. */
#define RANGE_MAX_LEAVES 8

typedef struct RangeMark
{
	TransactionId newest;		/* of those who have written the rows */
	int			leafCount;
	PageMark	leaves[RANGE_MAX_LEAVES];
	int			pageCount;
	PageMark   *pages;			/* of the rows, each once; room for one a row */
} RangeMark;

/*
 * Begin a mark, and take in the row in the slot, which was found in the table under the
 * snapshot; false: it cannot be marked, nor can the whole.
 */
extern void RangeMarkBegin(RangeMark *mark, PageMark *pages);
extern bool RangeMarkAdd(RangeMark *mark, Relation table, Snapshot snapshot, const TupleTableSlot *slot);

/*
 * Finish it: true if the index has no entries of the key but those of the rows that were taken
 * in.  The index's first two columns are int8; the first is the key, the second the rows' own.
 * first is the leaf page where the first row was found; if cut, entries after the last row
 * do not matter.
 */
extern bool RangeMarkFinish(RangeMark *mark, IndexScanDesc scan, BlockNumber first, int64 key,
							const int64 *seconds, int count, bool cut);

/* The leaf page that a scan of a btree is at. */
extern BlockNumber RangeMarkLeaf(IndexScanDesc scan);

/* True if the rows are known to be the same for this snapshot, and no others are there. */
extern bool RangeMarkHolds(const RangeMark *mark, Relation table, Relation index, Snapshot snapshot);

#endif

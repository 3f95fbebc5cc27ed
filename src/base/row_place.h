/*
 * row_place.h
 *		Where rows were found lately.
 */
#ifndef PERSONALIZE_ROW_PLACE_H
#define PERSONALIZE_ROW_PLACE_H

#include "postgres.h"

#include "base/page_mark.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* A row, when it was read. */
typedef struct RowMark
{
	PageMark	page;
	TransactionId writtenBy;
	OffsetNumber offset;
	uint16		start;			/* of the row, in the page */
} RowMark;

/* True if rows of a table that the snapshot sees can be marked. */
extern bool RowMarkable(Relation table, Snapshot snapshot);

/* Mark the row in the slot, which was read from the table under the snapshot; false: it cannot be. */
extern bool RowMarkTake(Relation table, Snapshot snapshot, const TupleTableSlot *slot, RowMark *mark);

/* True if it is known to be the same row, with the same content, for this snapshot. */
extern bool RowMarkHolds(Relation table, Snapshot snapshot, const RowMark *mark);

/* That is about to be asked. */
extern void RowMarkPrefetch(const RowMark *mark);

/* What somebody wants to know of a row without looking at it; all zeros: nothing. */
typedef struct RowDigest
{
	uint64		words[3];
} RowDigest;

extern void RowPlaceInit(void);

/*
 * Put the row of a key that is unique in a table into the slot, if it is where it
 * was found before and is the one that the snapshot sees; false: search the index.
 */
extern bool RowPlaceFetch(Relation table, Snapshot snapshot, int64 key, TupleTableSlot *slot);

/* Remember where the row in the slot, which an index search has found, lies. */
extern void RowPlaceKeep(Relation table, Snapshot snapshot, int64 key, const TupleTableSlot *slot);

/*
 * The row of a key whose first column, a bigint, it is, if it is where a row of the key was
 * last seen, though the page may have changed since: it is looked whether it is that row, and
 * the one that the snapshot sees.  Where it was seen.
 */
extern bool RowPlaceTry(Relation table, Snapshot snapshot, int64 key, TupleTableSlot *slot);
extern void RowPlaceNote(Relation table, Snapshot snapshot, int64 key, const TupleTableSlot *slot);

/* The same of a row that has just been written there. */
extern void RowPlaceNoteWritten(Relation table, int64 key, const ItemPointerData *tid);

/* Remember where a row lies, with what is to be known of it; and that, if the row is the one that the snapshot sees. */
extern void RowPlaceKeepDigest(Relation table, Snapshot snapshot, int64 key, const TupleTableSlot *slot,
							   const RowDigest *digest);
extern bool RowPlaceDigest(Relation table, Snapshot snapshot, int64 key, RowDigest *digest);

/* Rows of these keys are about to be fetched. */
extern void RowPlacePrefetch(Relation table, const int64 *keys, int count);

#endif
